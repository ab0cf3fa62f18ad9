/* The shell of a device: an engine, its routers, and a thread that turns.
 *
 * A turn has four phases, always in this order: collect (drain the sockets, with a budget), decide
 * (the engine), commit (what was decided goes to the log as one entry), send (what need not wait
 * for the log, and what waited and is durable by now). */
#ifndef ZF_DEVICES_SHELL_H
#define ZF_DEVICES_SHELL_H

#include "devices/commit.h"
#include "devices/router.h"
#include "devices/side.h"
#include <zferry/device.h>

#define ZF_PORTS_MAX 2

typedef struct {
    zf_engine_options_t engine; /* uuid is filled in by start */
    zf_commit_options_t commit;
    zf_router_options_t ports[ZF_PORTS_MAX];
    size_t port_count;
    const zf_side_ops_t *side; /* NULL: none */
    const void *side_options;  /* for its open */
    zf_event_fn *on_event;     /* may be NULL */
    void *arg;
} zf_shell_options_t;

/* Makes the engine, binds all ports, opens the side, starts the thread. */
int zf_shell_start (zf_device_t **device, const zf_shell_options_t *options, zf_error_t *err);

#endif
