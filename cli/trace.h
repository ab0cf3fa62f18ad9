/* The trace context of a record: a W3C traceparent, which whoever handles the record can go on
 * from. It is carried as it is. */
#ifndef ZFERRY_CLI_TRACE_H
#define ZFERRY_CLI_TRACE_H

#include "cli.h"

#define TRACE_MAX 200 /* bytes; those of version 00 have 55 */

#define TRACE_OPTION                                                                 \
    {                                                                                \
        .name = "trace", .kind = CLI_TEXT, .value = "TRACEPARENT",                   \
        .help = "W3C trace context to carry with it (default $TRACEPARENT, or none)" \
    }

/* True of "00-", 32 lower-case hexadecimal digits, "-", 16, "-", 2; neither number all zeros. Later
 * versions may have more behind that. */
bool trace_is_valid (zf_bytes_t trace);

/* Takes it from --trace, where it must be valid, or from the environment, where one that isn't is
 * told and left out. Returns 0 or an exit code, having said why. */
int trace_from_options (const cli_t *cli, zf_bytes_t *trace);

#endif
