# The Debian packages, by CPack: libzferry0 (the shared library), libzferry-dev (headers, static
# library, manual pages of section 3) and zferry (the program and what systemd reads).
#
#   cmake --preset package && cmake --build --preset package && cd build/package && cpack
#
# or ./run package. What the packages say at installation and removal is in packaging/debian.
set (ZFERRY_MAINTAINER "zferry maintainers <zferry@zferry.invalid>" CACHE STRING
     "Whom the packages name")
set (debian "${PROJECT_SOURCE_DIR}/packaging/debian")
set (soname libzferry${PROJECT_VERSION_MAJOR})

# Debian's own papers: who holds the rights, and what changed. Files of each package.
# zf_debian_papers (<component> <package>)
function (zf_debian_papers component package)
    set (papers "${PROJECT_BINARY_DIR}/debian/${package}")
    set (doc "share/doc/${package}")
    file (MAKE_DIRECTORY "${papers}")
    configure_file ("${debian}/changelog.in" "${papers}/changelog.Debian" @ONLY)
    configure_file ("${PROJECT_SOURCE_DIR}/CHANGELOG.md" "${papers}/changelog" COPYONLY)
    foreach (file changelog.Debian changelog)
        execute_process (COMMAND "${ZFERRY_GZIP}" -9nkf "${papers}/${file}"
                         COMMAND_ERROR_IS_FATAL ANY)
        install (FILES "${papers}/${file}.gz" DESTINATION "${doc}" COMPONENT ${component}
                 EXCLUDE_FROM_ALL)
    endforeach ()
    install (FILES "${debian}/copyright" DESTINATION "${doc}" COMPONENT ${component}
             EXCLUDE_FROM_ALL)
    if (EXISTS "${debian}/${package}.overrides")
        install (FILES "${debian}/${package}.overrides" DESTINATION share/lintian/overrides
                 RENAME ${package} COMPONENT ${component} EXCLUDE_FROM_ALL)
    endif ()
endfunction ()

# Without gzip there is nothing to make packages with.
if (NOT ZFERRY_GZIP)
    return ()
endif ()
if (DEFINED ENV{SOURCE_DATE_EPOCH})
    set (zf_date_of "@$ENV{SOURCE_DATE_EPOCH}")
else ()
    string (TIMESTAMP zf_date_of "@%s" UTC)
endif ()
execute_process (COMMAND date -u -R -d "${zf_date_of}" OUTPUT_VARIABLE ZF_DATE
                 OUTPUT_STRIP_TRAILING_WHITESPACE)
# Components of their own, as no other installation wants these.
zf_debian_papers (library_papers ${soname})
zf_debian_papers (development_papers libzferry-dev)
zf_debian_papers (program_papers zferry)

set (CPACK_GENERATOR DEB)
set (CPACK_PACKAGE_NAME zferry)
set (CPACK_PACKAGE_VENDOR "")
set (CPACK_PACKAGE_CONTACT "${ZFERRY_MAINTAINER}")
set (CPACK_PACKAGING_INSTALL_PREFIX /usr)
set (CPACK_STRIP_FILES ON)
set (CPACK_VERBATIM_VARIABLES ON)
set (CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
     OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set (CPACK_DEB_COMPONENT_INSTALL ON)
set (CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set (CPACK_COMPONENTS_ALL library library_papers development development_papers program
     program_papers system)
foreach (group library development program)
    set (CPACK_COMPONENT_${group}_GROUP ${group})
    string (TOUPPER ${group} upper)
    set (CPACK_COMPONENT_${upper}_GROUP ${group})
    set (CPACK_COMPONENT_${upper}_PAPERS_GROUP ${group})
endforeach ()
set (CPACK_COMPONENT_SYSTEM_GROUP program)

set (CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set (CPACK_DEBIAN_PACKAGE_RELEASE 1)
set (CPACK_DEBIAN_PACKAGE_HOMEPAGE "")
set (CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set (CPACK_DEBIAN_COMPRESSION_TYPE xz)

set (CPACK_PACKAGE_DESCRIPTION_SUMMARY "queues, services and events over ZeroMQ")
string (JOIN "\n" about
        "zferry hands work and events from one program to others over ZeroMQ and loses"
        "none of it, whoever dies: queues, services, and events that can be read again,"
        "on disk before they are confirmed, with a broker or without." "")

set (CPACK_DEBIAN_LIBRARY_PACKAGE_NAME ${soname})
set (CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set (CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set (CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set (CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA "${debian}/triggers")
set (CPACK_COMPONENT_LIBRARY_DESCRIPTION "${about}\nThis is the shared library.")

set (CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libzferry-dev)
set (CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
string (JOIN ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
        "${soname} (= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})" libzmq3-dev libczmq-dev
        "libmsgpack-c-dev | libmsgpack-dev" libxxhash-dev libjansson-dev libyaml-dev
        libmicrohttpd-dev)
set (CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
     "${about}\nThis is what programs are built with: headers, static library, manual pages.")

set (CPACK_DEBIAN_PROGRAM_PACKAGE_NAME zferry)
set (CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION net)
set (CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set (CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "systemd | systemd-standalone-sysusers")
set (CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS bash-completion)
set (CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA
     "${debian}/conffiles;${debian}/postinst;${debian}/prerm;${debian}/postrm")
set (CPACK_COMPONENT_PROGRAM_DESCRIPTION
     "${about}\nThis is the program, which does all of it, by itself or under systemd.")

include (CPack)
