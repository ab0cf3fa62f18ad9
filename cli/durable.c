#include "durable.h"

#include "device.h"

#include <string.h>

#define INTERVAL     "interval="
#define INTERVAL_MAX (UINT64_C (60) * 60 * 1000)

static const char *const sync_names[] = {[ZF_SYNC_NONE] = "none",
                                         [ZF_SYNC_ALWAYS] = "always",
                                         [ZF_SYNC_INTERVAL] = "interval",
                                         [ZF_SYNC_NEVER] = "never"};

const char *durable_sync_name (zf_sync_t sync)
{
    return (size_t) sync < sizeof sync_names / sizeof sync_names[0] ? sync_names[sync] : "?";
}

static int take_sync (const cli_t *cli, durable_t *durable)
{
    const char *text = cli_text (cli, "sync", sync_names[ZF_SYNC_ALWAYS]);
    uint64_t ms = 0;
    if (strcmp (text, sync_names[ZF_SYNC_ALWAYS]) == 0) {
        durable->sync = ZF_SYNC_ALWAYS;
    } else if (strcmp (text, sync_names[ZF_SYNC_NEVER]) == 0) {
        durable->sync = ZF_SYNC_NEVER;
    } else if (strncmp (text, INTERVAL, strlen (INTERVAL)) == 0 &&
               cli_parse_number (CLI_TIME, text + strlen (INTERVAL), &ms) && ms > 0 &&
               ms <= INTERVAL_MAX) {
        durable->sync = ZF_SYNC_INTERVAL;
        durable->interval_ms = (uint32_t) ms;
    } else {
        return cli_misuse (
            cli, "--sync is always, never, or interval=TIME with 1 ms to 1 h, not '%s'", text);
    }
    return 0;
}

int durable_from_options (const cli_t *cli, durable_t *durable)
{
    zf_broker_options_t defaults;
    zf_broker_defaults (&defaults);
    *durable = (durable_t){.dir = cli_text (cli, "journal", NULL),
                           .sync = defaults.sync,
                           .interval_ms = defaults.sync_interval_ms,
                           .disk_bytes = cli_number (cli, "disk", defaults.disk_bytes)};
    if (durable->dir == NULL && (cli_has (cli, "sync") || cli_has (cli, "disk")))
        return cli_misuse (cli, "%s is for a journal; name its directory with --journal",
                           cli_has (cli, "sync") ? "--sync" : "--disk");
    if (durable->dir != NULL && durable->dir[0] == '\0')
        return cli_misuse (cli, "--journal is the name of a directory, not ''");
    return take_sync (cli, durable);
}

void durable_apply (const durable_t *durable, zf_broker_options_t *broker)
{
    broker->journal = durable->dir;
    broker->sync = durable->sync;
    broker->sync_interval_ms = durable->interval_ms;
    broker->disk_bytes = durable->disk_bytes;
}

int durable_fail (const cli_t *cli, const char *dir, const zf_error_t *err)
{
    if (err->code == ZF_E_ADDRESS || err->code == ZF_E_DENIED)
        return device_fail (cli, err);
    if (dir == NULL)
        return cli_fail_call (cli, err, true);
    switch (err->code) {
    case ZF_E_BUSY:
        return cli_fail (cli, EX_UNAVAILABLE, "%s; stop what uses %s or choose another directory",
                         err->text, dir);
    case ZF_E_CORRUPT:
        return cli_fail (cli, EX_DATAERR,
                         "%s; see zferry journal verify %s, and zferry journal repair --help",
                         err->text, dir);
    case ZF_E_VERSION:
        return cli_fail (cli, EX_DATAERR, "%s; a later zferry has written %s: use that one",
                         err->text, dir);
    case ZF_E_FULL:
        return cli_fail (cli, EX_CANTCREAT, "%s; make room on the disk of %s, or raise --disk",
                         err->text, dir);
    case ZF_E_NOT_FOUND:
        return cli_fail (cli, EX_CANTCREAT, "%s; the directory that %s is to be in must be there",
                         err->text, dir);
    default:
        return cli_fail_call (cli, err, true);
    }
}
