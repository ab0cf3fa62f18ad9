/* A subscriber: gets the records of a stream whose topics match its patterns, in order.
 *
 * Patterns:  words with dots between; "*" is any one word, ">" at the end any one or more. ">"
 *            alone matches everything, records without a topic too. Without wildcards: that topic.
 * Alone:     without a group it reads for itself, from where `start` says, at its own pace from
 *            what the stream keeps. A lost connection, or frames lost on it, cost nothing: it goes
 *            on where it was. What could not be had any more, because the stream no longer keeps
 *            it, is told (on_gap) and counted.
 * Group:     with one it shares the work with the others of the group: each record goes to one of
 *            them, at least once, and is to be settled. Where the group is the broker remembers.
 * Threads:   as in worker.h. Messages are valid until zf_subscriber_ack. */
#ifndef ZFERRY_SUBSCRIBER_H
#define ZFERRY_SUBSCRIBER_H

#include <zferry/error.h>
#include <zferry/message.h>
#include <zferry/peer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_subscriber zf_subscriber_t;

/* Records that this subscriber did not get and can't get any more. */
typedef struct {
    uint64_t from;   /* offset of the first of them */
    uint64_t to;     /* behind the last one */
    uint64_t count;  /* how many are gone from the stream (with patterns not all of them may have
                        matched); 0: that is not known */
    const char *why; /* in words */
} zf_gap_t;

typedef void zf_gap_fn (void *arg, const zf_gap_t *gap);

typedef struct {
    size_t struct_size;           /* set by zf_subscriber_defaults(); leave alone */
    const char *const *endpoints; /* forwarders or brokers; default tcp://127.0.0.1:5556. Or
                                     zferry://topic/STREAM (directory.h): see below */
    size_t endpoint_count;
    const char *stream;          /* default "events" */
    const char *const *patterns; /* default: everything */
    size_t pattern_count;        /* at most 256 */
    zf_start_t start;            /* of a group: only where it begins if it is made now */
    const char *group;           /* NULL (the default): none */
    const char *name;            /* shown there; default "": none */
    uint32_t credit;             /* with a group: as in worker.h */
    uint64_t window_bytes;       /* without: sent here and not read yet; default 4 MiB, at least
                                    64 KiB */
    uint32_t timeout_ms;         /* of blocking calls that name none; default 5,000 */
    uint32_t failover_ms;        /* as in worker.h */
    zf_gap_fn *on_gap;           /* on the thread that receives, before the record behind the gap;
                                    may be NULL */
    void *arg;                   /* for on_gap */
    zf_peer_t *peer;             /* as in client.h */
    zf_security_t *security;     /* NULL: plain connections */
} zf_subscriber_options_t;

ZF_API void zf_subscriber_defaults_sized (zf_subscriber_options_t *options, size_t size);
#define zf_subscriber_defaults(options) zf_subscriber_defaults_sized ((options), sizeof *(options))

/* zferry://: the subscriber reads from all publishers, forwarders and brokers that offer the topic,
 * and follows as they come and go; each has offsets of its own, and order is kept within each. Who
 * comes back is gone on with. From one that is found later than two seconds after it was opened, a
 * subscriber that starts with what is new, or the last ones, gets what was published since it was
 * opened, by the clock of that machine. */

/* Opens a subscriber; options may be NULL. Connects in the background.
 * Returns 0, ZF_E_INVAL (a pattern that is none), ZF_E_NOMEM, ZF_E_ADDRESS. */
ZF_API int zf_subscriber_open (zf_subscriber_t **subscriber, const zf_subscriber_options_t *options,
                               zf_error_t *err);
ZF_API void zf_subscriber_close (zf_subscriber_t **subscriber);

/* Waits until the subscription is in force: whatever is published from then on comes here.
 * timeout_ms -1: the default. Returns 0, ZF_E_TIMEOUT, ZF_E_NOT_FOUND or ZF_E_INVAL (refused: err
 * says why). */
ZF_API int zf_subscriber_ready (zf_subscriber_t *subscriber, int timeout_ms, zf_error_t *err);

/* The next message; id is its offset, zf_message_topic its topic. timeout_ms 0: do not wait, -1:
 * for ever. Returns 0, ZF_E_TIMEOUT (ZF_E_AGAIN with timeout 0), ZF_E_CLOSED, ZF_E_DENIED (as in
 * worker.h), or why the subscription was refused. */
ZF_API int zf_subscriber_recv (zf_subscriber_t *subscriber, zf_message_t *message, int timeout_ms,
                               zf_error_t *err);

/* Done with the message, which is void afterwards. With a group it is acknowledged; without, its
 * memory is given back, and room made for more. Returns 0, or as zf_worker_ack. */
ZF_API int zf_subscriber_ack (zf_subscriber_t *subscriber, zf_message_t *message);

/* With a group, as in worker.h; without one the same as an ack. */
ZF_API int zf_subscriber_nack (zf_subscriber_t *subscriber, zf_message_t *message,
                               int64_t delay_ms);
ZF_API int zf_subscriber_reject (zf_subscriber_t *subscriber, zf_message_t *message,
                                 const char *reason);

/* Receives, and calls fn for each message, until it returns something else than 0 or count (0: no
 * end) messages were there. A message for which it returned 0 is acked by run, one for which it
 * did not is left as it is (nacked, with a group). Returns what fn returned last, 0 after count, or
 * as zf_subscriber_recv. */
typedef int zf_event_message_fn (void *arg, const zf_message_t *message);
ZF_API int zf_subscriber_run (zf_subscriber_t *subscriber, zf_event_message_fn *fn, void *arg,
                              uint64_t count, zf_error_t *err);

/* For event loops, as zf_worker_fd and zf_worker_process. */
ZF_API int zf_subscriber_fd (zf_subscriber_t *subscriber);
ZF_API int zf_subscriber_process (zf_subscriber_t *subscriber);

typedef struct {
    uint64_t received;   /* messages handed to callers */
    uint64_t position;   /* offset behind the last of them; 0 with a group */
    uint64_t gaps;       /* times that on_gap was called, or would have been */
    uint64_t missed;     /* records in them, as far as known */
    uint64_t refills;    /* times that frames lost on the way were fetched again */
    uint64_t reconnects; /* sessions begun after the first */
    bool in_force;       /* the other side has it */
} zf_subscriber_stats_t;

ZF_API void zf_subscriber_stats (zf_subscriber_t *subscriber, zf_subscriber_stats_t *stats);

#ifdef __cplusplus
}
#endif
#endif
