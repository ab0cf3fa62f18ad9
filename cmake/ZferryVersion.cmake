# The version is written down once, in the public header.

# Sets ${result} to "MAJOR.MINOR.PATCH" as ${header} defines them.
function (zf_read_version header result)
    file (STRINGS "${CMAKE_CURRENT_SOURCE_DIR}/${header}" lines
          REGEX "^#define ZFERRY_VERSION_(MAJOR|MINOR|PATCH) +[0-9]+$")
    list (TRANSFORM lines REPLACE "^.* ([0-9]+)$" "\\1")
    list (LENGTH lines count)
    if (NOT count EQUAL 3)
        message (FATAL_ERROR "${header}: ZFERRY_VERSION_MAJOR, _MINOR and _PATCH not found")
    endif ()
    list (JOIN lines "." version)
    set (${result} "${version}" PARENT_SCOPE)
    set_property (DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${header}")
endfunction ()
