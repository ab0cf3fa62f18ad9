/* Security from the command line: who we are, who may connect to us, what they may do.
 *
 * It is opened before the verb runs, for verbs that have endpoints, and closed after it. What no
 * option says, the environment may say: ZFERRY_KEY, ZFERRY_AUTHORISED, ZFERRY_SERVER_KEY,
 * ZFERRY_RULES, and ZFERRY_INSECURE=1. What it has to tell (refused peers, files that were read
 * again) are notices on stderr. */
#ifndef ZFERRY_CLI_SECURE_H
#define ZFERRY_CLI_SECURE_H

#include "cli.h"

/* The options for this verb; NULL: none. */
const cli_option_t *secure_options (const cli_verb_t *verb);

/* Opens cli->security if the options or the environment ask for one. Returns 0 or an exit code,
 * having said why. */
int secure_start (cli_t *cli);
void secure_stop (cli_t *cli);

/* Says that something was refused here for want of a key, and how to give one; returns the exit
 * code. */
int secure_fail (const cli_t *cli, const zf_error_t *err);

/* What a client may take of a device. */
#define SECURE_LIMIT_OPTIONS                                                                   \
    {.name = "max-connections",                                                                \
     .kind = CLI_COUNT,                                                                        \
     .value = "N",                                                                             \
     .min = 1,                                                                                 \
     .max = UINT32_MAX,                                                                        \
     .help = "of all clients together; more are refused (default: no limit)"},                 \
        {.name = "handshake-timeout",                                                          \
         .kind = CLI_TIME,                                                                     \
         .value = "TIME",                                                                      \
         .min = 1,                                                                             \
         .max = UINT32_MAX,                                                                    \
         .help = "a connection that is not made by then is closed (default 5s)"},              \
        {.name = "client-rate",                                                                \
         .kind = CLI_COUNT,                                                                    \
         .value = "N",                                                                         \
         .min = 1,                                                                             \
         .max = UINT32_MAX,                                                                    \
         .help = "records a client may send in a second; then they wait (default: "            \
                 "no limit)"},                                                                 \
        {.name = "client-bytes",                                                               \
         .kind = CLI_SIZE,                                                                     \
         .value = "SIZE",                                                                      \
         .min = 1,                                                                             \
         .help = "the same for their bytes"},                                                  \
    {                                                                                          \
        .name = "client-queues", .kind = CLI_COUNT, .value = "N", .min = 1, .max = UINT32_MAX, \
        .help = "queues and streams that one client may bring into being (default: "           \
                "no limit)"                                                                    \
    }

/* The defaults, and what the options say. */
void secure_limits (const cli_t *cli, zf_limits_t *limits);

#endif
