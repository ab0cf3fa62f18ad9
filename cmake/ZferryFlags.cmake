# Compiler flags of everything that is built here: target zf_flags. Nothing of it is installed.
add_library (zf_flags INTERFACE)

target_compile_options (zf_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual -Wformat=2 -Wundef -Wvla -Wswitch-enum
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>
    # What C99 forbids, and compilers still let pass: it would run, wrongly.
    $<$<COMPILE_LANGUAGE:C>:-Werror=implicit-function-declaration;-Werror=int-conversion>
    # Texts of errors and the like are cut to their buffers on purpose.
    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>
    $<$<BOOL:${ZFERRY_WERROR}>:-Werror>)

if (ZFERRY_SANITIZE)
    target_compile_options (zf_flags INTERFACE
        -fsanitize=${ZFERRY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options (zf_flags INTERFACE -fsanitize=${ZFERRY_SANITIZE})
endif ()

if (ZFERRY_COVERAGE)
    # Counters are updated atomically: devices run on threads of their own.
    target_compile_options (zf_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options (zf_flags INTERFACE --coverage)
endif ()

if (ZFERRY_FUZZ)
    if (NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message (FATAL_ERROR "ZFERRY_FUZZ needs clang: libFuzzer comes with it")
    endif ()
    target_compile_options (zf_flags INTERFACE -fsanitize=fuzzer-no-link)
endif ()

# True when the objects hold nothing but what the sources ask for, so that symbol tables mean
# something.
set (ZF_PLAIN_BUILD ON)
if (ZFERRY_SANITIZE OR ZFERRY_COVERAGE OR ZFERRY_FUZZ)
    set (ZF_PLAIN_BUILD OFF)
endif ()
