/* The balancer: least-recently-used load balancing for plain ZeroMQ sockets, no protocol of ours on
 * either side.
 *
 * Clients (front): REQ, or DEALER with or without an empty delimiter frame. Requests go out as they
 *                  came.
 * Workers (back):  the load balancer of the ZeroMQ guide (REQ or DEALER that sends READY and then
 *                  replies with client | "" | reply), and Paranoid Pirate (RFC 6: READY 01,
 *                  HEARTBEAT 02).
 * A request whose worker is lost before it has answered goes to the next worker, up to
 * max_attempts. */
#ifndef ZFERRY_BALANCER_H
#define ZFERRY_BALANCER_H

#include <zferry/device.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t struct_size;       /* set by zf_balancer_defaults(); leave alone */
    const char *const *front; /* endpoints to bind for clients; default tcp://127.0.0.1:5555 */
    size_t front_count;
    const char *const *back; /* endpoints to bind for workers; default tcp://127.0.0.1:5556 */
    size_t back_count;
    uint64_t memory_bytes;      /* waiting requests, more are dropped and counted; 256 MiB */
    uint64_t max_message_bytes; /* default 16 MiB */
    uint32_t max_attempts;      /* workers tried for one request; default 3 */
    uint32_t request_ttl_ms;    /* a request not answered by then is dropped; default 60,000 */
    uint32_t heartbeat_ms;      /* with Paranoid Pirate workers, both ways; default 1,000 */
    zf_event_fn *on_event;      /* may be NULL */
    void *arg;                  /* for on_event */
    zf_security_t *security;    /* NULL: plain, and bound to this machine only (security.h) */
    const zf_limits_t *limits;  /* of clients (security.h); NULL: the defaults */
} zf_balancer_options_t;

ZF_API void zf_balancer_defaults_sized (zf_balancer_options_t *options, size_t size);
#define zf_balancer_defaults(options) zf_balancer_defaults_sized ((options), sizeof *(options))

/* Binds all endpoints and starts the balancer. zf_device_endpoint counts the front ones first.
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, or ZF_E_ADDRESS with the endpoint and the reason in err. */
ZF_API int zf_balancer_start (zf_device_t **device, const zf_balancer_options_t *options,
                              zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
