/* Where reading a stream begins, from the command line: shared by sub and stream group. */
#ifndef ZFERRY_CLI_START_H
#define ZFERRY_CLI_START_H

#include "cli.h"

#define START_OPTION(default_text)                                                      \
    {                                                                                   \
        .name = "from", .kind = CLI_TEXT, .value = "WHERE", .words = "first new last=", \
        .help = "first, new, last=N, an OFFSET, or a TIME (default " default_text ")"   \
    }

/* For --help of verbs with that option. */
#define START_DETAILS                                                                             \
    "WHERE is first (the oldest record that is kept), new (what comes from now on), last=N (the " \
    "last N\n"                                                                                    \
    "that match), an OFFSET (a plain number), or a TIME: 10m or -10m is ten minutes ago, "        \
    "2026-01-31,\n"                                                                               \
    "2026-01-31T12:00 and 2026-01-31T12:00:00 are local, with a Z at the end in UTC.\n"

/* Reads --from; *start stays as it is when there is none. Returns 0 or an exit code, having said
 * why. */
int start_from_options (const cli_t *cli, zf_start_t *start);

#endif
