/* The options that say something about a record, shared by post, request and submit. */
#ifndef ZFERRY_PROPS_H
#define ZFERRY_PROPS_H

#include "trace.h"

#define PROPS_OPTIONS                                                  \
    {.name = "id",                                                     \
     .kind = CLI_TEXT,                                                 \
     .value = "ID",                                                    \
     .help = "refused a second time inside the queue's dedup window"}, \
        PROPS_OPTIONS_BUT_ID

#define PROPS_OPTIONS_BUT_ID                                 \
    {.name = "key",                                          \
     .kind = CLI_TEXT,                                       \
     .value = "KEY",                                         \
     .help = "ordering key, for queues declared --ordered"}, \
        {.name = "priority",                                 \
         .kind = CLI_COUNT,                                  \
         .value = "N",                                       \
         .max = ZF_PRIORITIES_MAX - 1,                       \
         .help = "0 (lowest, the default) to 9"},            \
        {.name = "delay",                                    \
         .kind = CLI_TIME,                                   \
         .value = "TIME",                                    \
         .help = "not delivered before this has passed"},    \
        {.name = "ttl",                                      \
         .kind = CLI_TIME,                                   \
         .value = "TIME",                                    \
         .min = 1,                                           \
         .help = "expires when it is not done by then"},     \
        {.name = "header",                                   \
         .letter = 'H',                                      \
         .kind = CLI_TEXT,                                   \
         .value = "NAME=VALUE",                              \
         .repeat = true,                                     \
         .help = "user header; may be repeated"},            \
        TRACE_OPTION

typedef struct {
    zf_props_t props;                    /* points into headers and the arguments */
    zf_header_t headers[ZF_HEADERS_MAX]; /* of --header */
} record_props_t;

/* Fills in what the options say. Returns 0 or an exit code, having said why. */
int props_from_options (record_props_t *record, const cli_t *cli);

#endif
