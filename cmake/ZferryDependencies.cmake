# What zferry stands on. libzmq and libczmq bring no CMake files of their own, so all of it comes by
# pkg-config.
find_package (PkgConfig REQUIRED)
find_package (Threads REQUIRED)

pkg_check_modules (ZFERRY_ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.3.4)
pkg_check_modules (ZFERRY_CZMQ REQUIRED IMPORTED_TARGET libczmq>=4.2.1)
pkg_search_module (ZFERRY_MSGPACK REQUIRED IMPORTED_TARGET msgpack-c msgpack) # named msgpack-c from 6 on
pkg_check_modules (ZFERRY_XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8.0)
pkg_check_modules (ZFERRY_JANSSON REQUIRED IMPORTED_TARGET jansson>=2.11)
pkg_check_modules (ZFERRY_YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules (ZFERRY_MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.71)

# Headers only: nothing to link.
find_path (ZFERRY_UTHASH_INCLUDE uthash.h REQUIRED)
find_path (ZFERRY_BSD_INCLUDE bsd/sys/tree.h REQUIRED)
mark_as_advanced (ZFERRY_UTHASH_INCLUDE ZFERRY_BSD_INCLUDE)
