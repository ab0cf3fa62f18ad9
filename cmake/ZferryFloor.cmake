# The floors, lowest first. A floor may use those before it and none after it, with one exception
# that has nothing to do with order: discovery does not use persist.
set (ZF_FLOORS core persist discovery devices patterns web compose)

# zf_floor (<folder> [LINKS <target>...] [DEFINES <definition>...])
#
# Makes target zf_<folder>, a static library of the folder's *.c that can go into a shared one, with
# hidden visibility. LINKS names lower floors (zf_<folder>) and outside libraries.
function (zf_floor floor)
    cmake_parse_arguments (PARSE_ARGV 1 arg "" "" "LINKS;DEFINES")
    zf_check_links (${floor} ${arg_LINKS})
    file (GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.c")
    add_library (zf_${floor}_objects OBJECT ${sources})
    set_target_properties (zf_${floor}_objects PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        C_VISIBILITY_PRESET hidden)
    target_include_directories (zf_${floor}_objects
        PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
    target_compile_definitions (zf_${floor}_objects PRIVATE ${arg_DEFINES})
    target_link_libraries (zf_${floor}_objects PRIVATE zf_flags ${arg_LINKS})

    add_library (zf_${floor} STATIC $<TARGET_OBJECTS:zf_${floor}_objects>)
    target_include_directories (zf_${floor}
        INTERFACE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include")
    target_link_libraries (zf_${floor} PUBLIC ${arg_LINKS})
    set_property (GLOBAL APPEND PROPERTY ZF_BUILT_FLOORS ${floor})
endfunction ()

# Stops with a message if ${floor} links itself or a floor above it.
function (zf_check_links floor)
    list (FIND ZF_FLOORS ${floor} level)
    if (level EQUAL -1)
        message (FATAL_ERROR "${floor} is not in ZF_FLOORS (cmake/ZferryFloor.cmake)")
    endif ()
    foreach (link IN LISTS ARGN)
        string (REGEX REPLACE "^zf_" "" other "${link}")
        list (FIND ZF_FLOORS "${other}" other_level)
        if (NOT other_level LESS level)
            message (FATAL_ERROR "floor ${floor} must not link ${link}: it is not below it")
        endif ()
    endforeach ()
endfunction ()
