/* Announcing a device in the directory: what broker, forwarder and balancer do with --discover. */
#ifndef ZFERRY_CLI_ANNOUNCE_H
#define ZFERRY_CLI_ANNOUNCE_H

#include "cli.h"

#define ANNOUNCE_OPTIONS(default_name)                                   \
    {.name = "announce",                                                 \
     .kind = CLI_TEXT,                                                   \
     .value = "KIND/NAME",                                               \
     .repeat = true,                                                     \
     .help = "with --discover: announce this as well; may be repeated"}, \
    {                                                                    \
        .name = "name", .kind = CLI_TEXT, .value = "NAME",               \
        .help = "with --discover: be announced as " default_name         \
    }

typedef struct {
    const zf_device_t *device;
    size_t endpoints; /* so many of its first ones are for those who look it up */
} announced_t;

/* Announces the first tcp endpoint as `what` and as what --announce says, if there is a node.
 * Returns 0 or an exit code, having said why. */
int announce_as (const cli_t *cli, const announced_t *device, const char *what);

/* The same, as KIND/ and --name, or the name of the host. */
int announce_by_name (const cli_t *cli, const announced_t *device, const char *kind);

/* Takes all of it back. */
void announce_end (const cli_t *cli);

#endif
