/* Journals on the command line: the options of those that have one, shared by broker and bench, and
 * what to say when one can't be opened. */
#ifndef ZFERRY_CLI_DURABLE_H
#define ZFERRY_CLI_DURABLE_H

#include "cli.h"

/* What --journal, --sync and --disk ask for. */
typedef struct {
    const char *dir;      /* NULL: no journal */
    zf_sync_t sync;       /* default ZF_SYNC_ALWAYS */
    uint32_t interval_ms; /* of ZF_SYNC_INTERVAL */
    uint64_t disk_bytes;  /* cap of its files */
} durable_t;

#define DURABLE_SYNC_OPTION                                                                   \
    {                                                                                         \
        .name = "sync", .kind = CLI_TEXT, .value = "WHEN", .words = "always interval= never", \
        .help = "when the journal is synced: always (default), interval=TIME or never"        \
    }

#define DURABLE_DISK_OPTION                                                             \
    {                                                                                   \
        .name = "disk", .kind = CLI_SIZE, .value = "SIZE", .min = UINT64_C (256) << 20, \
        .help = "cap of the journal, 80 % of it for records (default 10GiB)"            \
    }

/* Reads the options. Returns 0 or an exit code, having said why. */
int durable_from_options (const cli_t *cli, durable_t *durable);

/* Puts them into the options of a broker. */
void durable_apply (const durable_t *durable, zf_broker_options_t *broker);

/* "none", "always", "interval" or "never". */
const char *durable_sync_name (zf_sync_t sync);

/* Says why a broker with a journal in dir could not be started, and what to do; returns the exit
 * code. dir may be NULL. */
int durable_fail (const cli_t *cli, const char *dir, const zf_error_t *err);

#endif
