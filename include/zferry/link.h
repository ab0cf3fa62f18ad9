/* A link: drains a queue of one broker into a queue of another, store and forward.
 *
 * On the wire at least once, in the target's queue exactly once: the target remembers the last
 * record taken from each source queue for good, and a link reads that back when it connects. In
 * order. It starts again with backoff after either side or the network was gone. Properties travel
 * along; what is left of delays and times to live goes on at the target. A record is removed from
 * the source when the target has confirmed it, by the target's sync policy.
 *
 * Limits:    the source queue has one priority level, and the link as its only consumer; a link
 *            that would close a loop of links is refused.
 * Threads, ownership: as for every device (device.h). */
#ifndef ZFERRY_LINK_H
#define ZFERRY_LINK_H

#include <zferry/device.h>
#include <zferry/peer.h>
#include <zferry/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    size_t struct_size;     /* set by zf_link_defaults(); leave alone */
    const char *from;       /* endpoint of the source broker, or the directory of a journal that
                               no broker has open: then the link runs one */
    const char *from_queue; /* at the source; with a directory, NULL: all queues in it, each to
                               the queue of the same name */
    const char *const *to;  /* endpoints of the target broker, tried in this order */
    size_t to_count;
    const char *to_queue;    /* NULL: the same name */
    const char *name;        /* shown by both brokers; default "link" */
    uint32_t backoff_min_ms; /* after a failure, doubled with each; default 100 */
    uint32_t backoff_max_ms; /* its ceiling; default 10,000 */
    uint32_t failover_ms;    /* silence after which the next endpoint is tried; default 3,000 */
    uint64_t window_bytes;   /* unconfirmed at the target; default 4 MiB */
    zf_event_fn *on_event;   /* ZF_EVENT_LINK; may be NULL */
    void *arg;               /* for on_event */
    zf_peer_t *peer;         /* as in client.h, for zferry:// endpoints: from and to may be one, and
                                are one broker at a time. What is in order and once is so for each
                                target: name one (zferry://broker/NAME) */
    zf_security_t *security; /* NULL: plain connections */
} zf_link_options_t;

ZF_API void zf_link_defaults_sized (zf_link_options_t *options, size_t size);
#define zf_link_defaults(options) zf_link_defaults_sized ((options), sizeof *(options))

/* Starts the link; it connects in the background. zf_device_stats tells: backlog (records at the
 * source), forwarded, confirmed, duplicates (that the target had already), rate (records a second,
 * over the last 5 s), lag_ms (age of the oldest record at the source), connected_from, connected_to
 * (0 or 1), refused (1: for good; the reason came as an event), restarts.
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, ZF_E_ADDRESS, or with a directory what zf_broker_start
 * answers. */
ZF_API int zf_link_start (zf_device_t **device, const zf_link_options_t *options, zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
