/* The broker: queues and services for native clients and workers, and on the same port for
 * Majordomo's (MDP/0.1 is RFC 7, MDP/0.2 is RFC 18, MMI is RFC 8).
 *
 * Without a journal, posts are confirmed when they are in memory: they survive the death of workers
 * and of clients, not that of the broker. With one, queues are durable unless declared otherwise:
 * what is confirmed survives kill -9 and, by the sync policy, power failure
 * (docs/guarantees.md). */
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
    uint64_t memory_bytes;      /* records of all queues. At the cap durable queues go on on disk;
                                   for others their overflow rule applies; default 1 GiB */
    uint64_t max_message_bytes; /* a larger one closes its connection; default 16 MiB, at least
                                   1 KiB, at most 2 GiB. A record of a durable queue has at most
                                   32 MiB, and a 32nd of disk_bytes */
    uint64_t window_bytes;      /* unconfirmed posts a client may have under way; default 4 MiB */
    uint32_t max_queues;        /* default 10,000 */
    uint32_t max_sessions;      /* peers with state here; default 65,536 */
    uint32_t heartbeat_ms;      /* asked of workers, gone when three are missed; 500 */
    uint32_t mdp_heartbeat_ms;  /* the same for Majordomo workers; default 2,500 */
    uint32_t client_idle_ms;    /* a silent client is forgotten after this; default 60,000 */
    zf_event_fn *on_event;      /* may be NULL */
    void *arg;                  /* for on_event */
    const char *journal;        /* directory, made if need be; NULL (the default): none */
    zf_sync_t sync;             /* default ZF_SYNC_ALWAYS */
    uint32_t sync_interval_ms;  /* of ZF_SYNC_INTERVAL; default 100 */
    uint64_t disk_bytes;        /* cap of the journal's files, at least 256 MiB; at the cap durable
                                   queues' overflow rule applies; default 10 GiB */
    zf_security_t *security;    /* NULL: plain, and bound to this machine only (security.h) */
    const zf_limits_t *limits;  /* of clients (security.h); NULL: the defaults */
} zf_broker_options_t;

ZF_API void zf_broker_defaults_sized (zf_broker_options_t *options, size_t size);
#define zf_broker_defaults(options) zf_broker_defaults_sized ((options), sizeof *(options))

/* Binds all endpoints and starts the broker.
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, ZF_E_ADDRESS with the endpoint and the reason in err, or what
 * zf_journal_open answers: ZF_E_BUSY, ZF_E_CORRUPT, ZF_E_VERSION, ZF_E_FULL, ZF_E_IO.
 * On failure *device is NULL and nothing stays bound. */
ZF_API int zf_broker_start (zf_device_t **device, const zf_broker_options_t *options,
                            zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
