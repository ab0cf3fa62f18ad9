/* A ROUTER socket as a port of an engine: routing ids on one side, sessions on the other.
 *
 * Threads: the device's. A peer gets a session with its first message, in the first dialect that it
 * matches. */
#ifndef ZF_DEVICES_ROUTER_H
#define ZF_DEVICES_ROUTER_H

#include "core/engine.h"
#include "devices/socket.h"

#define ZF_INSIDE_TEXT 64 /* bytes for the endpoint inside this process */

typedef struct zf_router zf_router_t;

typedef struct {
    const char *const *endpoints; /* to bind */
    size_t endpoint_count;
    const char *inside;                  /* bound, too, and nobody is told; NULL: nothing is */
    const zf_dialect_t *const *dialects; /* asked in turn; ends with NULL */
    uint64_t max_message_bytes;
    zf_security_t *security; /* who may connect; see zf_socket_secure */
    uint32_t connections;    /* at a time; 0: any number */
    uint32_t handshake_ms;   /* for each of them */
} zf_router_options_t;

/* Binds everything. bound(arg, endpoint) is called for each endpoint as bound. On failure *router
 * is NULL and err says which endpoint and why. */
typedef int zf_bound_fn (void *arg, const char *endpoint);
int zf_router_open (zf_router_t **router, zf_engine_t *engine, const zf_router_options_t *options,
                    zf_bound_fn *bound, void *arg, zf_error_t *err);

/* Before the engine is freed. */
void zf_router_close (zf_router_t **router);

/* What to poll for input: the socket, and its monitor. */
void *zf_router_socket (zf_router_t *router);
void *zf_router_monitor (zf_router_t *router);

/* Hands what has come in to the engine, a bounded number of messages. news: the monitor has
 * something to tell; peers whose connection is lost end when all that they had said was heard.
 * Returns true if there may be more to collect. */
bool zf_router_collect (zf_router_t *router, bool news);

/* Keys or rules have changed: connections whose key is not authorised any more are cut. */
void zf_router_review (zf_router_t *router);

/* Sends one effect of a session of this router. What cannot be sent ends the session. */
void zf_router_send (zf_effect_t *effect);

/* The engine has ended the session of this host. */
void zf_router_forget (void *host);

#endif
