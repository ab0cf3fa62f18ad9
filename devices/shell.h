/* The shell of a device: an engine, its routers, and a thread that turns.
 *
 * A turn has four phases, always in this order: collect (drain the sockets, with a budget), decide
 * (the engine), commit (what was decided goes to the log as one entry), send (what need not wait
 * for the log, and what waited and is durable by now). */
#ifndef ZF_DEVICES_SHELL_H
#define ZF_DEVICES_SHELL_H

#include "devices/commit.h"
#include "devices/local.h"
#include "devices/router.h"
#include "devices/side.h"
#include <zferry/device.h>

#define ZF_PORTS_MAX 2

typedef struct {
    zf_engine_options_t engine; /* uuid is filled in by start */
    zf_commit_options_t commit;
    zf_router_options_t ports[ZF_PORTS_MAX];
    size_t port_count;
    zf_security_t *security;   /* of all ports and the side; NULL: none */
    zf_limits_t limits;        /* of connections */
    const zf_side_ops_t *side; /* NULL: none */
    const void *side_options;  /* for its open */
    const zf_dialect_t *local; /* the process itself can come in, in this dialect; NULL: it can't */
    zf_event_fn *on_event;     /* may be NULL */
    void *arg;
} zf_shell_options_t;

/* Who may come in, and what each may take; limits NULL: the defaults. After zf_engine_defaults. */
void zf_shell_guard (zf_shell_options_t *options, zf_security_t *security,
                     const zf_limits_t *limits);

/* Makes the engine, binds all ports, opens the side, starts the thread. */
int zf_shell_start (zf_device_t **device, const zf_shell_options_t *options, zf_error_t *err);

/* The way in for the process itself; NULL: there is none. */
zf_local_t *zf_shell_local (zf_device_t *device);

/* Riding: a thread that waits for something which comes through a device of its own process turns
 * that device itself meanwhile, so that nothing has to go from thread to thread. The device's
 * thread stands back, and turns again when the rider has been away for 2 ms. No rider may hold a
 * lock that somebody needs who calls the device.
 *
 * Turns until something has come out by the local way, one of these descriptors is ready (at most
 * 16; revents tell which) or the time is over; maybe for a shorter time. */
void zf_shell_ride (zf_device_t *device, struct pollfd *own, size_t count, int timeout_ms);

/* Something was sent to it: turns, unless somebody else does. Not for one who holds the rider's
 * locks. */
void zf_shell_spur (zf_device_t *device);

#endif
