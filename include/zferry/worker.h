/* A worker: takes the records of one queue, or answers the requests of one service.
 *
 * Threads:   a handle may be used by any number of threads at once; a message may be settled by
 *            another thread than the one that received it. The calling thread does the I/O; the
 *            process' keeper thread sends heartbeats and extends leases, so that a job may take its
 *            time.
 * Leases:    a message is yours until it is settled, or until you have held it for max_hold_ms, or
 *            the broker is lost. Then somebody else gets it, and settling it answers ZF_E_STALE. A
 *            worker that dies gives its records back at once.
 * Delivery:  at least once. attempt tells a redelivery from a first one.
 * Brokers:   with several endpoints the worker serves all of them at the same time. */
#ifndef ZFERRY_WORKER_H
#define ZFERRY_WORKER_H

#include <zferry/error.h>
#include <zferry/message.h>
#include <zferry/peer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_worker zf_worker_t;

typedef struct {
    size_t struct_size;           /* set by zf_worker_defaults(); leave alone */
    const char *const *endpoints; /* brokers; default tcp://127.0.0.1:5555. Or zferry://KIND/NAME
                                     (directory.h): all who offer that, and all brokers */
    size_t endpoint_count;
    const char *name;        /* shown by the broker; default "": none */
    uint32_t credit;         /* records held at most, from each broker; default 0: as many
                             as some 20 ms of work, measured as it goes, and at least one
                             for each waiting thread */
    uint32_t max_hold_ms;    /* leases are extended for so long; 1,800,000; 0: never */
    uint32_t failover_ms;    /* no sign of life for so long: reconnect; default 3,000 */
    zf_peer_t *peer;         /* as in client.h */
    bool direct;             /* no broker: see below; default false */
    zf_security_t *security; /* NULL: plain connections */
} zf_worker_options_t;

ZF_API void zf_worker_defaults_sized (zf_worker_options_t *options, size_t size);
#define zf_worker_defaults(options) zf_worker_defaults_sized ((options), sizeof *(options))

/* Direct: the worker has a broker of its own inside this process, with just this service, and
 * announces it in the directory as service/QUEUE; clients of zferry://service/QUEUE come to it.
 * endpoints, if any are given, are bound then; default: a port of the system's choice on the peer's
 * interfaces. What waits there is gone with the process, but for requests, which clients send to
 * others. Not for groups. */

/* Opens a worker on a queue (or service: the same thing). options may be NULL. Connects in the
 * background.
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, or ZF_E_ADDRESS for an endpoint that can't be used. */
ZF_API int zf_worker_open (zf_worker_t **worker, const char *queue,
                           const zf_worker_options_t *options, zf_error_t *err);

/* Leaves: what is not settled goes back to the queue at once. Sets *worker to NULL. No other call
 * may be under way, and all messages must have been settled or are void. Safe on NULL. */
ZF_API void zf_worker_close (zf_worker_t **worker);

/* The next message. timeout_ms 0: do not wait, -1: for ever.
 * Returns 0, ZF_E_TIMEOUT (ZF_E_AGAIN with timeout 0), ZF_E_CLOSED once drained, or ZF_E_DENIED at
 * once, each time, as long as no broker lets us in or no rule lets us consume. That is asked for
 * again by itself, every few seconds: who goes on calling should wait a little before. */
ZF_API int zf_worker_recv (zf_worker_t *worker, zf_message_t *message, int timeout_ms,
                           zf_error_t *err);

/* -- settling ---------------------------------------------------------------------------------- */

/* Each message is settled by exactly one of these, and is void afterwards. None of them waits for
 * the broker. All return 0, ZF_E_STALE if the lease was lost, or ZF_E_INVAL. */

/* Done. Acks leave in ranges: when the queue here runs empty, or credit is half used. */
ZF_API int zf_worker_ack (zf_worker_t *worker, zf_message_t *message);

/* Not done: again later. delay_ms -1: the queue's backoff. Counts as an attempt. */
ZF_API int zf_worker_nack (zf_worker_t *worker, zf_message_t *message, int64_t delay_ms);

/* Never: to the dead-letter queue with this reason (may be NULL); a waiting client gets
 * ZF_E_REJECTED. */
ZF_API int zf_worker_reject (zf_worker_t *worker, zf_message_t *message, const char *reason);

/* The final answer, which also acks. On a message nobody waits for, this is an ack. Returns
 * ZF_E_TOO_BIG (and leaves the message unsettled) if the broker would not take it. props may be
 * NULL; of it frames, headers and trace are used. */
ZF_API int zf_worker_reply (zf_worker_t *worker, zf_message_t *message, const void *body,
                            size_t size, const zf_props_t *props);

/* -- before that ------------------------------------------------------------------------------- */

/* A part of the answer; the message stays yours. */
ZF_API int zf_worker_reply_part (zf_worker_t *worker, const zf_message_t *message, const void *body,
                                 size_t size, const zf_props_t *props);

/* Makes the lease end lease_ms from now; a lease is extended by itself up to max_hold_ms. */
ZF_API int zf_worker_extend (zf_worker_t *worker, const zf_message_t *message, uint32_t lease_ms);

/* -- the worker itself ------------------------------------------------------------------------- */

/* Sets the credit; 0 goes back to measuring. */
ZF_API int zf_worker_set_credit (zf_worker_t *worker, uint32_t credit);

/* Drains: asks for no more, gives back what no caller has received yet, and waits until all that
 * was received is settled and the broker has it. zf_worker_recv answers ZF_E_CLOSED from now on.
 * timeout_ms -1: for ever. May be called again after a timeout. Returns 0, ZF_E_TIMEOUT, or
 * ZF_E_STALE: all is settled, but a broker was lost meanwhile that may not have heard of it. */
ZF_API int zf_worker_drain (zf_worker_t *worker, int timeout_ms, zf_error_t *err);

/* A descriptor for poll, epoll, libuv or GLib: when it is readable, call zf_worker_process, then
 * zf_worker_recv with timeout 0 until ZF_E_AGAIN. Valid until close. Returns it, or a negative
 * code. */
ZF_API int zf_worker_fd (zf_worker_t *worker);
ZF_API int zf_worker_process (zf_worker_t *worker);

typedef struct {
    uint64_t received;    /* messages handed to callers */
    uint64_t redelivered; /* of those, with attempt > 1 */
    uint64_t acked;       /* settled by ack or reply */
    uint64_t nacked;
    uint64_t rejected;
    uint64_t stale;     /* settled after the lease was lost */
    uint64_t held;      /* received and not settled */
    uint64_t waiting;   /* delivered to this process, not yet received by a caller */
    uint32_t credit;    /* in force now */
    uint32_t connected; /* brokers that have greeted us and are alive */
} zf_worker_stats_t;

ZF_API void zf_worker_stats (zf_worker_t *worker, zf_worker_stats_t *stats);

#ifdef __cplusplus
}
#endif
#endif
