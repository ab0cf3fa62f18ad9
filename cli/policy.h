/* The options that make a queue's policy, shared by broker (for queues nobody declared) and
 * queue declare; and those of a stream, for stream declare. */
#ifndef ZFERRY_CLI_POLICY_H
#define ZFERRY_CLI_POLICY_H

#include "cli.h"

/* Options for both; in policy.c their meaning. */
#define POLICY_OPTIONS                                                                \
    {.name = "max-attempts",                                                          \
     .kind = CLI_COUNT,                                                               \
     .value = "N",                                                                    \
     .max = UINT32_MAX,                                                               \
     .help = "deliveries before a record is dead (default 5; 0: no limit)"},          \
        {.name = "backoff-min",                                                       \
         .kind = CLI_TIME,                                                            \
         .value = "TIME",                                                             \
         .max = UINT32_MAX,                                                           \
         .help = "delay after the first failure, doubled with each (default 100ms)"}, \
        {.name = "backoff-max",                                                       \
         .kind = CLI_TIME,                                                            \
         .value = "TIME",                                                             \
         .max = UINT32_MAX,                                                           \
         .help = "its ceiling (default 60s)"},                                        \
        {.name = "lease",                                                             \
         .kind = CLI_TIME,                                                            \
         .value = "TIME",                                                             \
         .min = 1,                                                                    \
         .max = UINT32_MAX,                                                           \
         .help = "a silent worker loses a record after this (default 30s)"},          \
        {.name = "ttl",                                                               \
         .kind = CLI_TIME,                                                            \
         .value = "TIME",                                                             \
         .help = "time to live of records that name none (default 0: for ever)"},     \
        {.name = "max-length",                                                        \
         .kind = CLI_COUNT,                                                           \
         .value = "N",                                                                \
         .help = "records in the queue (default 0: no cap)"},                         \
        {.name = "max-bytes",                                                         \
         .kind = CLI_SIZE,                                                            \
         .value = "SIZE",                                                             \
         .help = "bodies and properties in the queue (default 0: no cap)"},           \
        {.name = "overflow",                                                          \
         .kind = CLI_TEXT,                                                            \
         .value = "RULE",                                                             \
         .words = "backpressure reject drop-oldest",                                  \
         .help = "at the cap: backpressure (the default), reject or drop-oldest"},    \
        {.name = "dedup-window",                                                      \
         .kind = CLI_TIME,                                                            \
         .value = "TIME",                                                             \
         .max = UINT32_MAX,                                                           \
         .help = "an id is refused again for so long (default 2m; 0: never)"},        \
        {.name = "priorities",                                                        \
         .kind = CLI_COUNT,                                                           \
         .value = "N",                                                                \
         .min = 1,                                                                    \
         .max = ZF_PRIORITIES_MAX,                                                    \
         .help = "priority levels (default 1)"},                                      \
        {.name = "ordered", .help = "records of one key one at a time, in order"},    \
        {.name = "unordered", .help = "the opposite (the default)"},                  \
        {.name = "durable", .help = "survives the broker: takes one with a journal"}, \
        {.name = "not-durable",                                                       \
         .help = "in memory only (default: durable if the broker has a journal)"},    \
    {                                                                                 \
        .name = "dead-letter", .kind = CLI_TEXT, .value = "NAME",                     \
        .help = "queue for dead records (default: QUEUE.dead; -: they are dropped)"   \
    }

/* Options for streams: how much they keep, and what their groups are like. */
#define POLICY_STREAM_OPTIONS                                                            \
    {.name = "max-bytes",                                                                \
     .kind = CLI_SIZE,                                                                   \
     .value = "SIZE",                                                                    \
     .help = "bodies and properties kept; the oldest go first (default 0: no cap)"},     \
        {.name = "max-age",                                                              \
         .kind = CLI_TIME,                                                               \
         .value = "TIME",                                                                \
         .help = "records older than this go (default 0: no cap)"},                      \
        {.name = "max-length",                                                           \
         .kind = CLI_COUNT,                                                              \
         .value = "N",                                                                   \
         .help = "records kept (default 0: no cap)"},                                    \
        {.name = "compact", .help = "keep the last record of each key or topic only"},   \
        {.name = "not-compact", .help = "the opposite (the default)"},                   \
        {.name = "durable", .help = "survives the broker: takes one with a journal"},    \
        {.name = "not-durable",                                                          \
         .help = "in memory only (default: durable if there is a journal)"},             \
        {.name = "dedup-window",                                                         \
         .kind = CLI_TIME,                                                               \
         .value = "TIME",                                                                \
         .max = UINT32_MAX,                                                              \
         .help = "an id is refused again for so long (default 2m; 0: never)"},           \
        {.name = "max-attempts",                                                         \
         .kind = CLI_COUNT,                                                              \
         .value = "N",                                                                   \
         .max = UINT32_MAX,                                                              \
         .help = "groups: deliveries before a record is dead (default 5; 0: no limit)"}, \
        {.name = "backoff-min",                                                          \
         .kind = CLI_TIME,                                                               \
         .value = "TIME",                                                                \
         .max = UINT32_MAX,                                                              \
         .help = "groups: delay after the first failure (default 100ms)"},               \
        {.name = "backoff-max",                                                          \
         .kind = CLI_TIME,                                                               \
         .value = "TIME",                                                                \
         .max = UINT32_MAX,                                                              \
         .help = "groups: its ceiling (default 60s)"},                                   \
        {.name = "lease",                                                                \
         .kind = CLI_TIME,                                                               \
         .value = "TIME",                                                                \
         .min = 1,                                                                       \
         .max = UINT32_MAX,                                                              \
         .help = "groups: a silent worker loses a record after this (default 30s)"},     \
        {.name = "ordered", .help = "groups: records of one key one at a time"},         \
    {                                                                                    \
        .name = "unordered", .help = "the opposite (the default)"                        \
    }

/* Changes in *policy what options name. Returns 0 or an exit code, having said why. */
int policy_from_options (const cli_t *cli, zf_policy_t *policy);

/* The overflow rule in words, and whether the queue is durable: "auto", "no" or "yes". */
const char *policy_overflow_name (zf_overflow_t overflow);
const char *policy_durable_name (zf_durable_t durable);

/* The name of a queue's dead-letter queue, in words of at most ZF_NAME_MAX bytes; false if there
 * is none. */
bool policy_dead_letter (const zf_queue_info_t *info, char name[ZF_NAME_MAX + 1]);

#endif
