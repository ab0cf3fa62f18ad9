# What `cmake --install` gives: headers, both libraries, the program, a pkg-config file and a CMake
# package. The tree may be moved afterwards: no file in it holds an absolute path.
include (CMakePackageConfigHelpers)

install (DIRECTORY include/zferry DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install (TARGETS zferry RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")

# Separate export sets: only users of the static library need its dependencies to be found.
install (TARGETS zferry_shared EXPORT zferrySharedTargets
         LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install (TARGETS zferry_static EXPORT zferryStaticTargets
         ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
set (package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/zferry")
install (EXPORT zferrySharedTargets NAMESPACE zferry:: DESTINATION "${package_dir}")
install (EXPORT zferryStaticTargets NAMESPACE zferry:: DESTINATION "${package_dir}")

configure_package_config_file (cmake/zferryConfig.cmake.in zferryConfig.cmake
    INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file (zferryConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install (FILES "${PROJECT_BINARY_DIR}/zferryConfig.cmake"
               "${PROJECT_BINARY_DIR}/zferryConfigVersion.cmake"
         DESTINATION "${package_dir}")

# Libs.private names what libzferry.a needs itself. It does not say Requires.private: libzmq.pc as
# Debian ships it lists libraries (pgm, krb5, libprotokit.a) that its own -dev package does not
# bring along.
file (RELATIVE_PATH ZF_PC_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string (REGEX REPLACE "/$" "" ZF_PC_PREFIX "${ZF_PC_PREFIX}")
list (JOIN ZFERRY_CZMQ_LDFLAGS " " czmq)
list (JOIN ZFERRY_ZMQ_LDFLAGS " " zmq)
list (JOIN ZFERRY_MSGPACK_LDFLAGS " " msgpack)
list (JOIN ZFERRY_XXHASH_LDFLAGS " " xxhash)
set (ZF_PC_PRIVATE "${czmq} ${zmq} ${msgpack} ${xxhash} -pthread")
configure_file (cmake/zferry.pc.in zferry.pc @ONLY)
install (FILES "${PROJECT_BINARY_DIR}/zferry.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
