# cmake -DPROGRAM=.. -DSOURCE=.. -DOUTPUT=.. -DSCDOC=.. [-DGZIP=..] -P ZferryManPages.cmake
#
# Makes the manual pages, into ${OUTPUT}/man1 and so on: of the program's own tables (zferry help
# --man), of packaging/man/*.scd, and of the public headers, which are the library's reference.
cmake_minimum_required (VERSION 3.25)
include ("${CMAKE_CURRENT_LIST_DIR}/ZferryMarkdown.cmake")

# make_page (<name> <section> <text in scdoc's language>)
function (make_page name section text)
    set (page "${OUTPUT}/man${section}/${name}.${section}")
    file (WRITE "${OUTPUT}/scd/${name}.${section}.scd" "${text}")
    file (MAKE_DIRECTORY "${OUTPUT}/man${section}")
    execute_process (COMMAND "${SCDOC}" INPUT_FILE "${OUTPUT}/scd/${name}.${section}.scd"
                     OUTPUT_FILE "${page}" RESULT_VARIABLE rc ERROR_VARIABLE error)
    if (NOT rc EQUAL 0)
        message (FATAL_ERROR "${name}(${section}): ${error}")
    endif ()
    if (GZIP)
        execute_process (COMMAND "${GZIP}" -9nf "${page}" COMMAND_ERROR_IS_FATAL ANY)
    endif ()
endfunction ()

# ask_program (<result> <argument of zferry help>...)
function (ask_program result)
    execute_process (COMMAND "${PROGRAM}" help ${ARGN} OUTPUT_VARIABLE text
                     COMMAND_ERROR_IS_FATAL ANY)
    set (${result} "${text}" PARENT_SCOPE)
endfunction ()

function (make_verb_pages)
    ask_program (verbs --verbs)
    string (REGEX REPLACE "\n" ";" verbs "${verbs}")
    foreach (verb IN LISTS verbs)
        if (verb)
            string (REPLACE " " ";" words "${verb}")
            string (REPLACE " " "-" name "${verb}")
            ask_program (text --man ${words})
            make_page (zferry-${name} 1 "${text}")
        endif ()
    endforeach ()
endfunction ()

# What is written by hand. zferry(1) has the list of verbs before it, zferry-topology(5) all of
# docs/topology.md behind it.
function (make_written_pages)
    file (GLOB sources "${SOURCE}/packaging/man/*.scd")
    foreach (source IN LISTS sources)
        cmake_path (GET source STEM LAST_ONLY page)
        string (REGEX REPLACE "(.*)\\.([0-9])$" "\\1;\\2" parts "${page}")
        list (GET parts 0 name)
        list (GET parts 1 section)
        file (READ "${source}" text)
        string (REPLACE "@VERSION@" "${VERSION}" text "${text}")
        if (page STREQUAL "zferry.1")
            ask_program (head --man)
            string (PREPEND text "${head}\n")
        elseif (page STREQUAL "zferry-topology.5")
            file (READ "${SOURCE}/docs/topology.md" manual)
            zf_scdoc_from_markdown (manual "${manual}")
            string (APPEND text "${manual}\n# SEE ALSO\n\n"
                    "*zferry*(1), *zferry-run*(1), *zferry-check*(1), *zferry*(7)\n")
        endif ()
        make_page (${name} ${section} "${text}")
    endforeach ()
endfunction ()

function (escape result text)
    string (REGEX REPLACE "([\\*_`#~+|])" "\\\\\\1" text "${text}")
    string (REGEX REPLACE "(\n|^)-" "\\1\\\\-" text "${text}")
    set (${result} "${text}" PARENT_SCOPE)
endfunction ()

# The comment that a header opens with: its first sentence, without the name of the thing, and all
# of it, "Threads: ..." and the like being paragraphs.
function (read_contract header sentence contract)
    string (REGEX MATCH "^/\\*([^*]|\\*[^/])*\\*/" text "${header}")
    string (REGEX REPLACE "^/\\* *| *\\*/$" "" text "${text}")
    string (REGEX REPLACE "\n \\*[ ]*" "\n" text "${text}")
    string (REGEX MATCH "^[^.]*" first "${text}")
    string (REPLACE "\n" " " first "${first}")
    string (REGEX REPLACE "^[A-Za-z ]+: " "" first "${first}")
    string (SUBSTRING "${first}" 0 1 initial)
    string (TOLOWER "${initial}" initial)
    string (SUBSTRING "${first}" 1 -1 first)
    string (PREPEND first "${initial}")
    escape (text "${text}")
    string (REGEX REPLACE "\n([A-Z][a-z]+):[ ]+" "\n\n*\\1:* " text "${text}")
    escape (first "${first}")
    set (${sentence} "${first}" PARENT_SCOPE)
    set (${contract} "${text}" PARENT_SCOPE)
endfunction ()

# The names of functions, and of macros that look like one.
function (read_names header result)
    set (names "")
    string (REGEX MATCHALL "ZF_API [^(;]*zf_[a-z0-9_]+ \\(" calls "${header}")
    string (REGEX MATCHALL "#define zf_[a-z0-9_]+\\(" macros "${header}")
    foreach (call IN LISTS calls macros)
        string (REGEX REPLACE ".*(zf_[a-z0-9_]+) ?\\($" "\\1" name "${call}")
        if (NOT name MATCHES "_sized$")
            list (APPEND names ${name})
        endif ()
    endforeach ()
    list (REMOVE_DUPLICATES names)
    set (${result} "${names}" PARENT_SCOPE)
endfunction ()

# Other names of a page, so that man finds it by them.
function (link_page page names)
    set (suffix 3)
    if (GZIP)
        set (suffix 3.gz)
    endif ()
    foreach (name IN LISTS names)
        if (NOT name STREQUAL page)
            file (CREATE_LINK ${page}.${suffix} "${OUTPUT}/man3/${name}.${suffix}" SYMBOLIC)
        endif ()
    endforeach ()
endfunction ()

function (make_header_page path)
    cmake_path (GET path STEM stem)
    file (READ "${path}" header)
    read_contract ("${header}" sentence contract)
    read_names ("${header}" names)
    set (page zf_${stem})
    list (REMOVE_ITEM names ${page})
    list (JOIN names ", " listed)
    escape (listed "zf_${stem}, ${listed}")
    string (REGEX REPLACE ", $" "" listed "${listed}")
    string (REGEX REPLACE "^.*extern \"C\" {\n#endif\n+" "" body "${header}")
    string (REGEX REPLACE "\n+#ifdef __cplusplus.*$" "" body "${body}")
    string (REPLACE "\\" "\\\\" body "${body}")
    make_page (${page} 3 "${page}(3) \"zferry ${VERSION}\"

# NAME

${listed} - ${sentence}

# SYNOPSIS

*#include <zferry/${stem}.h>*

cc ... $(pkg-config --cflags --libs zferry)

# DESCRIPTION

${contract}

# DECLARATIONS

```
${body}
```

# SEE ALSO

*libzferry*(3), *zferry*(7)
")
    link_page (${page} "${names}")
endfunction ()

file (REMOVE_RECURSE "${OUTPUT}")
ask_program (head --man)
string (REGEX REPLACE "^[^\"]*\"zferry ([^\"]*)\".*" "\\1" VERSION "${head}")
make_verb_pages ()
make_written_pages ()
file (GLOB headers "${SOURCE}/include/zferry/*.h")
list (FILTER headers EXCLUDE REGEX "/(export|zferry)\\.h$")
foreach (header IN LISTS headers)
    make_header_page ("${header}")
endforeach ()
file (REMOVE_RECURSE "${OUTPUT}/scd")
