/* A device inside the process that uses it, announced in the directory: how workers and publishers
 * do without a broker. The handle reaches it by inproc, the others by what is announced. */
#ifndef ZF_PATTERNS_DIRECT_H
#define ZF_PATTERNS_DIRECT_H

#include "devices/node.h"
#include <zferry/device.h>

#define ZF_DIRECT_INSIDE 64

typedef struct {
    zf_node_t *node; /* where it is announced; NULL: nowhere */
    bool is_shared;  /* the node is the process's */
    zf_device_t *device;
    char inside[ZF_DIRECT_INSIDE]; /* where the handle reaches it */
    char *what;                    /* announced as; NULL: it is not */
} zf_direct_t;

/* Starts the device on these endpoints. */
typedef int zf_direct_start_fn (void *arg, zf_device_t **device, const char *const *endpoints,
                                size_t count, zf_security_t *security, zf_error_t *err);

typedef struct {
    const char *const
        *endpoints; /* to bind; none, if it is to be announced: a TCP port of the system's
                       choice on the node's interfaces */
    size_t endpoint_count;
    zf_peer_t *peer;         /* NULL: the process's */
    zf_security_t *security; /* of the device; NULL: that of the peer */
    const char *kind;        /* announced as kind/name; NULL: not */
    const char *name;
    zf_direct_start_fn *start;
    void *arg;
} zf_direct_options_t;

/* Returns 0, ZF_E_NOMEM, ZF_E_INVAL (a name that can't be announced), or what starting the node or
 * the device answers. Close it also on failure. */
int zf_direct_open (zf_direct_t *direct, const zf_direct_options_t *options, zf_error_t *err);

/* Nobody new comes from now on. */
void zf_direct_withdraw (zf_direct_t *direct);

/* Safe on a zeroed one. */
void zf_direct_close (zf_direct_t *direct);

#endif
