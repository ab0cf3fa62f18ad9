/* A publisher: publishes records under topics into a stream.
 *
 * Topics:    words with dots between them, "orders.eu.paid": 1..255 bytes, no empty words; neither
 *            "*" nor ">" as a word.
 * Delivery:  what is confirmed is in the stream once, in order, as durable as the stream; what was
 *            under way when the connection broke is sent again and not repeated.
 * Placement: with `endpoints` it publishes through a forwarder or a broker; with `bind` or `direct`
 *            it runs a forwarder inside this process, which subscribers connect to: no broker at
 *            all.
 * Threads:   as in client.h: any number at once; batches form by themselves. */
#ifndef ZFERRY_PUBLISHER_H
#define ZFERRY_PUBLISHER_H

#include <zferry/client.h>
#include <zferry/forwarder.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_publisher zf_publisher_t;

typedef struct {
    size_t struct_size;           /* set by zf_publisher_defaults(); leave alone */
    const char *const *endpoints; /* forwarders or brokers; default tcp://127.0.0.1:5556. Or
                                     zferry://topic/STREAM (directory.h): one of those who offer
                                     it */
    size_t endpoint_count;
    const zf_forwarder_options_t *bind; /* run this forwarder here instead; NULL: none */
    const char *stream;                 /* default "events" */
    const char *name;                   /* shown there; default "": none */
    uint32_t timeout_ms;                /* of blocking calls that name none; default 5,000 */
    uint32_t failover_ms;               /* as in client.h */
    uint64_t window_bytes;              /* as in client.h */
    uint32_t batch_bytes;               /* as in client.h */
    zf_confirm_fn *on_confirm;          /* as in client.h; may be NULL */
    void *arg;                          /* for on_confirm */
    zf_peer_t *peer;                    /* as in client.h */
    bool direct;                        /* as with bind, and it is announced in the directory as
                                           topic/STREAM. Without bind: with the defaults of a
                                           forwarder, on a port of the system's choice; default
                                           false */
    zf_security_t *security;            /* NULL: plain connections */
} zf_publisher_options_t;

ZF_API void zf_publisher_defaults_sized (zf_publisher_options_t *options, size_t size);
#define zf_publisher_defaults(options) zf_publisher_defaults_sized ((options), sizeof *(options))

/* Opens a publisher; options may be NULL. The stream is made when the first record comes, unless it
 * is there. Returns as zf_client_open, or with `bind` as zf_forwarder_start. */
ZF_API int zf_publisher_open (zf_publisher_t **publisher, const zf_publisher_options_t *options,
                              zf_error_t *err);

/* Closes at once: flush first. Safe on NULL. */
ZF_API void zf_publisher_close (zf_publisher_t **publisher);

/* Publishes without waiting for the confirm; waits only while the window is full. props may be
 * NULL; its topic is not used, delay, ttl and priority mean nothing in a stream. *number (may be
 * NULL) counts from 1. Returns as zf_client_post_async; ZF_E_INVAL: that is no topic. */
ZF_API int zf_publisher_publish (zf_publisher_t *publisher, const char *topic, const void *body,
                                 size_t size, const zf_props_t *props, uint64_t *number,
                                 zf_error_t *err);

/* The same, and waits for the confirm; returns as zf_client_post. */
ZF_API int zf_publisher_publish_confirmed (zf_publisher_t *publisher, const char *topic,
                                           const void *body, size_t size, const zf_props_t *props,
                                           zf_error_t *err);

/* The same as zf_publisher_publish, but never waits: ZF_E_AGAIN. */
ZF_API int zf_publisher_try_publish (zf_publisher_t *publisher, const char *topic, const void *body,
                                     size_t size, const zf_props_t *props, uint64_t *number,
                                     zf_error_t *err);

/* Waits until all that was published is confirmed or refused; returns as zf_client_flush. */
ZF_API int zf_publisher_flush (zf_publisher_t *publisher, int timeout_ms, zf_error_t *err);

/* Waits until at least n subscriptions whose patterns match the topic are in force: what is
 * published from then on reaches them. Groups count as one each. timeout_ms -1: the default.
 * Returns 0, ZF_E_TIMEOUT. */
ZF_API int zf_publisher_wait (zf_publisher_t *publisher, const char *topic, uint32_t n,
                              int timeout_ms, zf_error_t *err);

/* The forwarder that runs here (bind), for its endpoints and figures; NULL: there is none. */
ZF_API zf_device_t *zf_publisher_device (zf_publisher_t *publisher);

/* The client inside: for its descriptor (zf_client_fd, zf_client_process), figures
 * (zf_client_stats) and admin calls. It is the publisher's: do not close it. */
ZF_API zf_client_t *zf_publisher_client (zf_publisher_t *publisher);

#ifdef __cplusplus
}
#endif
#endif
