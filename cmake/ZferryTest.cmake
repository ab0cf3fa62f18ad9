# Tests: one cmocka program for each tests/<folder>/test_<unit>.c, called <folder>.<unit> in ctest.

# Comes after zf_flags. cmocka hands every case a state, wanted or not.
add_library (zf_test_flags INTERFACE)
target_compile_options (zf_test_flags INTERFACE -Wno-unused-parameter)

# zf_test_program (<target> <source>...): a program that sees every floor, private headers included.
function (zf_test_program target)
    add_executable (${target} ${ARGN})
    target_compile_definitions (${target} PRIVATE _GNU_SOURCE)
    target_include_directories (${target} SYSTEM
        PRIVATE "${ZFERRY_UTHASH_INCLUDE}" "${ZFERRY_BSD_INCLUDE}")
    target_link_libraries (${target} PRIVATE
        zf_flags zf_test_flags ${zf_floor_targets} PkgConfig::ZFERRY_CMOCKA PkgConfig::ZFERRY_CZMQ
        PkgConfig::ZFERRY_ZMQ PkgConfig::ZFERRY_MSGPACK PkgConfig::ZFERRY_XXHASH Threads::Threads)
endfunction ()

# zf_test_wraps (<target> <source>...): where a source defines __wrap_NAME, calls of NAME go to it,
# in the floors too, and __real_NAME is the original (ld --wrap).
function (zf_test_wraps target)
    foreach (source IN LISTS ARGN)
        file (STRINGS "${source}" lines REGEX "__wrap_[A-Za-z0-9_]+ \\(")
        foreach (line IN LISTS lines)
            string (REGEX REPLACE ".*__wrap_([A-Za-z0-9_]+) \\(.*" "\\1" name "${line}")
            target_link_options (${target} PRIVATE "LINKER:--wrap=${name}")
        endforeach ()
        set_property (DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    endforeach ()
endfunction ()

# zf_test_limits (<test>): what every test gets. A test that measures time says "bench" in its name;
# it has the machine to itself.
function (zf_test_limits test)
    set_tests_properties (${test} PROPERTIES TIMEOUT 300)
    if (test MATCHES "[._]bench")
        set_tests_properties (${test} PROPERTIES LABELS bench RUN_SERIAL ON)
    endif ()
endfunction ()

# zf_test_folder (<folder>): all tests of tests/<folder>. Its other *.c are helpers linked to each
# of them.
function (zf_test_folder folder)
    file (GLOB tests CONFIGURE_DEPENDS "${folder}/test_*.c")
    file (GLOB helpers CONFIGURE_DEPENDS "${folder}/*.c")
    list (REMOVE_ITEM helpers ${tests})
    foreach (source IN LISTS tests)
        cmake_path (GET source STEM stem)
        string (REGEX REPLACE "^test_" "" unit "${stem}")
        zf_test_program (test_${folder}_${unit} "${source}" ${helpers})
        zf_test_wraps (test_${folder}_${unit} "${source}" ${helpers})
        add_test (NAME ${folder}.${unit} COMMAND test_${folder}_${unit})
        zf_test_limits (${folder}.${unit})
    endforeach ()
endfunction ()
