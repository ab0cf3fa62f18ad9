/* The forwarder: carries events from many publishers to many subscribers.
 *
 * It has two sides that are one:
 *   plain   any ZeroMQ PUB and SUB socket. What a publisher sends goes to the subscribers whose
 *           prefixes match, as fast as libzmq can; subscriptions pass on to the publishers
 *   native  zf_publisher and zf_subscriber: streams (docs/protocol.md), with confirms, replay, and
 *           nothing lost unnoticed
 * What comes in on one side goes out on both: the plain side is the stream `stream`. A plain
 * message of several frames is a record whose topic is the first frame and whose body is the
 * others; one of a single frame is a record without a topic, which native subscribers get with the
 * pattern ">".
 *
 * Keeping: what native publishers send is kept in memory (keep_bytes) so that subscribers that lost
 * their connection miss nothing; with a journal all that passes, plain messages too, is kept by age
 * and size, and survives the forwarder.
 * Chains: forwarders may be connected with each other's plain sides. A circle is noticed by the
 * subscriptions that come back to who made them, and one connection of it is cut
 * (ZF_EVENT_LOOP). */
#ifndef ZFERRY_FORWARDER_H
#define ZFERRY_FORWARDER_H

#include <zferry/device.h>
#include <zferry/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of a plain subscriber that does not read. Native ones read from what is kept, at
 * their own pace. */
typedef enum {
    ZF_SLOW_DROP = 0,      /* what it has no room for is dropped for it; that this happened is
                              counted (zf_forwarder_start) */
    ZF_SLOW_DISCONNECT = 1 /* the same, and after slow_ms without a sign of life its connection is
                              closed; it may come back */
} zf_slow_t;

typedef struct {
    size_t struct_size;           /* set by zf_forwarder_defaults(); leave alone */
    const char *const *endpoints; /* native, to bind; default tcp://127.0.0.1:5556 */
    size_t endpoint_count;
    const char *const *pubs; /* plain publishers: "@tcp://..." (or without @) is bound and they
                                connect to it, ">tcp://..." is connected to; default none */
    size_t pub_count;        /* at most 64 */
    const char *const *subs; /* plain subscribers, in the same way; default none */
    size_t sub_count;        /* at most 64 */
    const char *stream;      /* default "events" */
    bool last_values;        /* a new plain subscription gets the newest message of each topic that
                                it matches, before anything else; default false. The topic is the
                                first of several frames, or a single one up to its first space.
                                Several messages at once go over the wire to other subscribers
                                of that socket, too, whose SUB sockets discard them (an XSUB
                                does not) */
    uint64_t last_values_bytes; /* kept for that; the topics unchanged for longest go first, and are
                                   counted; default 64 MiB */
    bool compact; /* streams keep the last record of each key or topic only: a native subscriber
                     that reads from the first one gets the last values; default false */
    zf_slow_t slow;
    uint32_t slow_ms;           /* of ZF_SLOW_DISCONNECT; default 10,000 */
    uint32_t plain_hwm;         /* messages that wait for one plain subscriber (with last_values
                                   50,000 more); default 10,000 */
    uint64_t keep_bytes;        /* kept of each stream; default 64 MiB, with a journal 1 GiB */
    uint64_t keep_length;       /* records; default 0: no cap */
    uint64_t keep_ms;           /* age; default 0: no cap */
    uint64_t memory_bytes;      /* as in broker.h; default 1 GiB */
    uint64_t max_message_bytes; /* as in broker.h; default 16 MiB */
    const char *journal;        /* directory; NULL (the default): none */
    zf_sync_t sync;             /* as in broker.h */
    uint32_t sync_interval_ms;
    uint64_t disk_bytes;
    zf_event_fn *on_event;     /* may be NULL */
    void *arg;                 /* for on_event */
    zf_security_t *security;   /* NULL: plain, and bound to this machine only (security.h) */
    const zf_limits_t *limits; /* of clients (security.h); NULL: the defaults */
} zf_forwarder_options_t;

ZF_API void zf_forwarder_defaults_sized (zf_forwarder_options_t *options, size_t size);
#define zf_forwarder_defaults(options) zf_forwarder_defaults_sized ((options), sizeof *(options))

/* Binds and connects all, and starts the forwarder. zf_device_endpoint lists the native endpoints
 * as bound, then the bound ones of pubs, then those of subs. Beside the figures of a broker
 * zf_device_stats tells: plain_in, plain_out (messages), plain_dropped_slow (occasions, see below),
 * plain_dropped_full (not kept in the stream: no room), plain_dropped_loop, plain_subscriptions,
 * last_values, last_values_evicted, loops.
 *
 * Drops for plain subscribers are counted per occasion, not per message: plain_dropped_slow counts
 * the messages that found one or more subscribers full. Who was found full is skipped by libzmq,
 * which does not tell, until it has read half of what waits for it; so how many messages it missed
 * is not known. Native subscribers are told exactly (subscriber.h).
 *
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, ZF_E_ADDRESS, or what zf_broker_start answers. */
ZF_API int zf_forwarder_start (zf_device_t **device, const zf_forwarder_options_t *options,
                               zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
