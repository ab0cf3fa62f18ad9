/* The broker: queues and services for native clients and workers, and on the same port for
 * Majordomo's (MDP/0.1 is RFC 7, MDP/0.2 is RFC 18, MMI is RFC 8).
 *
 * Posts are confirmed when they are in memory: they survive the death of workers and of clients,
 * not that of the broker. */
#ifndef ZFERRY_BROKER_H
#define ZFERRY_BROKER_H

#include <zferry/device.h>
#include <zferry/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t struct_size;           /* set by zf_broker_defaults(); leave alone */
    const char *const *endpoints; /* to bind: tcp://, ipc://, inproc://; default
                                     tcp://127.0.0.1:5555 */
    size_t endpoint_count;
    const zf_policy_t *policy;  /* of queues that nobody declared; NULL: zf_policy_defaults() */
    uint64_t memory_bytes;      /* records of all queues; at the cap each queue's overflow rule
                                   applies; default 1 GiB */
    uint64_t max_message_bytes; /* a larger one closes its connection; default 16 MiB, at most
                                   2 GiB, at least 1 KiB */
    uint64_t window_bytes;      /* unconfirmed posts a client may have under way; default 4 MiB */
    uint32_t max_queues;        /* default 10,000 */
    uint32_t max_sessions;      /* peers with state here; default 65,536 */
    uint32_t heartbeat_ms;      /* asked of workers, gone when three are missed; 500 */
    uint32_t mdp_heartbeat_ms;  /* the same for Majordomo workers; default 2,500 */
    uint32_t client_idle_ms;    /* a silent client is forgotten after this; default 60,000 */
    zf_event_fn *on_event;      /* may be NULL */
    void *arg;                  /* for on_event */
} zf_broker_options_t;

ZF_API void zf_broker_defaults_sized (zf_broker_options_t *options, size_t size);
#define zf_broker_defaults(options) zf_broker_defaults_sized ((options), sizeof *(options))

/* Binds all endpoints and starts the broker.
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, or ZF_E_ADDRESS with the endpoint and the reason in err.
 * On failure *device is NULL and nothing stays bound. */
ZF_API int zf_broker_start (zf_device_t **device, const zf_broker_options_t *options,
                            zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
