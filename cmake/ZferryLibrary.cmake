# libzferry, shared and static, of the objects of all floors.
get_property (floors GLOBAL PROPERTY ZF_BUILT_FLOORS)
list (TRANSFORM floors REPLACE "(.+)" "$<TARGET_OBJECTS:zf_\\1_objects>" OUTPUT_VARIABLE objects)
set (zf_uses PkgConfig::ZFERRY_CZMQ PkgConfig::ZFERRY_ZMQ PkgConfig::ZFERRY_MSGPACK
     PkgConfig::ZFERRY_XXHASH PkgConfig::ZFERRY_YAML PkgConfig::ZFERRY_MICROHTTPD
     PkgConfig::ZFERRY_JANSSON Threads::Threads)

# zf_library (<target> SHARED|STATIC <name in the package zferry::>)
function (zf_library target kind name)
    add_library (${target} ${kind} ${objects})
    set_target_properties (${target} PROPERTIES
        OUTPUT_NAME zferry
        EXPORT_NAME ${name}
        LINKER_LANGUAGE C)
    target_include_directories (${target} INTERFACE
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries (${target} PRIVATE $<BUILD_INTERFACE:zf_flags> ${zf_uses})
    add_library (zferry::${name} ALIAS ${target})
endfunction ()

zf_library (zferry_shared SHARED zferry)
zf_library (zferry_static STATIC static)
set_target_properties (zferry_shared PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR})
if (ZF_PLAIN_BUILD) # a sanitizer's symbols come from the program
    target_link_options (zferry_shared PRIVATE -Wl,--no-undefined)
endif ()
