# What the program tells of itself, in other forms: manual pages, which take scdoc, and completion
# for bash. Both run the program, so not where it is built for another machine, with
# sanitizers, or as a part of another project.
find_program (ZFERRY_SCDOC scdoc)
find_program (ZFERRY_GZIP gzip)
mark_as_advanced (ZFERRY_SCDOC ZFERRY_GZIP)

set (zf_can_run ${ZF_PLAIN_BUILD})
if (CMAKE_CROSSCOMPILING OR NOT PROJECT_IS_TOP_LEVEL)
    set (zf_can_run OFF)
endif ()
set (zf_man_default ${zf_can_run})
if (NOT ZFERRY_SCDOC)
    set (zf_man_default OFF)
endif ()
option (ZFERRY_MAN "Make the manual pages (takes scdoc)" ${zf_man_default})

if (ZFERRY_MAN AND NOT ZFERRY_SCDOC)
    message (FATAL_ERROR "ZFERRY_MAN takes scdoc, which is not here")
endif ()

if (ZFERRY_MAN)
    set (ZF_MAN_DIR "${PROJECT_BINARY_DIR}/man")
    file (GLOB zf_man_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/packaging/man/*.scd"
          "${PROJECT_SOURCE_DIR}/include/zferry/*.h" "${PROJECT_SOURCE_DIR}/docs/topology.md"
          "${PROJECT_SOURCE_DIR}/cmake/ZferryMarkdown.cmake")
    set (zf_gzip "")
    if (ZFERRY_GZIP)
        set (zf_gzip "-DGZIP=${ZFERRY_GZIP}")
    endif ()
    add_custom_command (OUTPUT "${PROJECT_BINARY_DIR}/man.stamp"
        COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:zferry>" "-DOUTPUT=${ZF_MAN_DIR}"
                "-DSOURCE=${PROJECT_SOURCE_DIR}" "-DSCDOC=${ZFERRY_SCDOC}" ${zf_gzip}
                -P "${PROJECT_SOURCE_DIR}/cmake/ZferryManPages.cmake"
        COMMAND "${CMAKE_COMMAND}" -E touch "${PROJECT_BINARY_DIR}/man.stamp"
        DEPENDS zferry ${zf_man_sources} "${PROJECT_SOURCE_DIR}/cmake/ZferryManPages.cmake"
        COMMENT "Making the manual pages"
        VERBATIM)
    add_custom_target (zferry_man ALL DEPENDS "${PROJECT_BINARY_DIR}/man.stamp")
endif ()

if (zf_can_run)
    set (ZF_COMPLETION "${PROJECT_BINARY_DIR}/completion/zferry")
    add_custom_command (OUTPUT "${ZF_COMPLETION}"
        COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:zferry>" "-DOUTPUT=${ZF_COMPLETION}"
                "-DCODE=${PROJECT_SOURCE_DIR}/packaging/completion.bash"
                -P "${PROJECT_SOURCE_DIR}/cmake/ZferryCompletion.cmake"
        DEPENDS zferry "${PROJECT_SOURCE_DIR}/packaging/completion.bash"
                "${PROJECT_SOURCE_DIR}/cmake/ZferryCompletion.cmake"
        COMMENT "Making the completion for bash"
        VERBATIM)
    add_custom_target (zferry_completion ALL DEPENDS "${ZF_COMPLETION}")
endif ()
