# What `cmake --install` gives: headers, both libraries, the program with its manual pages and
# completion, a pkg-config file and a CMake package. The tree may be moved afterwards: no file in it
# holds an absolute path. The components are those of the packages (ZferryPackage.cmake); `system`,
# what systemd reads, is installed only where it is asked for:
#
#   cmake --install build/release --component system --prefix /usr
include (CMakePackageConfigHelpers)
include (ZferryMan)

install (DIRECTORY include/zferry DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development
         FILES_MATCHING PATTERN "*.h")
install (TARGETS zferry RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT program)

# Separate export sets: only users of the static library need its dependencies to be found.
install (TARGETS zferry_shared EXPORT zferrySharedTargets
         LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
         COMPONENT library NAMELINK_COMPONENT development)
install (TARGETS zferry_static EXPORT zferryStaticTargets
         ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
set (package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/zferry")
install (EXPORT zferrySharedTargets NAMESPACE zferry:: DESTINATION "${package_dir}"
         COMPONENT development)
install (EXPORT zferryStaticTargets NAMESPACE zferry:: DESTINATION "${package_dir}"
         COMPONENT development)

configure_package_config_file (cmake/zferryConfig.cmake.in zferryConfig.cmake
    INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file (zferryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install (FILES "${PROJECT_BINARY_DIR}/zferryConfig.cmake"
               "${PROJECT_BINARY_DIR}/zferryConfigVersion.cmake"
         DESTINATION "${package_dir}" COMPONENT development)

# Libs.private names what libzferry.a needs itself. It does not say Requires.private: libzmq.pc as
# Debian ships it lists libraries (pgm, krb5, libprotokit.a) that its own -dev package does not
# bring along.
file (RELATIVE_PATH ZF_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string (REGEX REPLACE "/$" "" ZF_PC_PREFIX "${ZF_PC_PREFIX}")
set (zf_private "")
foreach (library CZMQ ZMQ MSGPACK XXHASH JANSSON YAML MICROHTTPD)
    list (APPEND zf_private ${ZFERRY_${library}_LDFLAGS})
endforeach ()
list (REMOVE_DUPLICATES zf_private)
list (JOIN zf_private " " ZF_PC_PRIVATE)
string (APPEND ZF_PC_PRIVATE " -pthread")
configure_file (cmake/zferry.pc.in zferry.pc @ONLY)
install (FILES "${PROJECT_BINARY_DIR}/zferry.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
         COMPONENT development)

# -- what goes with the program --------------------------------------------------------------------

if (ZFERRY_MAN)
    foreach (section 1 5 7)
        install (DIRECTORY "${ZF_MAN_DIR}/man${section}" DESTINATION "${CMAKE_INSTALL_MANDIR}"
                 COMPONENT program OPTIONAL)
    endforeach ()
    install (DIRECTORY "${ZF_MAN_DIR}/man3" DESTINATION "${CMAKE_INSTALL_MANDIR}"
             COMPONENT development)
endif ()
if (ZF_COMPLETION)
    install (FILES "${ZF_COMPLETION}" COMPONENT program
             DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
endif ()
install (DIRECTORY examples/topologies DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples"
         COMPONENT program OPTIONAL FILES_MATCHING PATTERN "*.yaml")

# -- what belongs to the system --------------------------------------------------------------------

set (system COMPONENT system EXCLUDE_FROM_ALL)
install (FILES packaging/systemd/zferry@.service DESTINATION lib/systemd/system ${system})
install (FILES packaging/systemd/sysusers.conf DESTINATION lib/sysusers.d RENAME zferry.conf
         ${system})
install (FILES packaging/systemd/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME zferry.conf
         ${system})
install (FILES packaging/example.yaml DESTINATION /etc/zferry ${system})

if (PROJECT_IS_TOP_LEVEL)
    include (ZferryPackage)
endif ()
