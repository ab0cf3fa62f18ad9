/* A client: posts records into queues and asks services.
 *
 * Threads:   a handle may be used by any number of threads at once. The calling thread does the I/O
 *            itself; one keeper thread per process steps in only while no caller is there
 *            (heartbeats, flushing what was posted, reconnecting).
 * Batching:  one call a message; records leave in batches by themselves. A lone record leaves at
 *            once, a stream fills a batch while the ones before are still under way.
 * Order:     records that one thread posts to one queue arrive in the order posted.
 * Delivery:  a confirmed post is in the queue once, also when the connection broke in between and
 *            the client sent it again: the broker remembers each producer's last number.
 * Callbacks: run on a thread that is inside a call of this handle, or on the keeper (with an event
 *            loop: in zf_client_process only); never two at once, and never with the handle's lock
 *            held. They may post and request, but not wait, nor open or close handles; they should
 *            be quick: while the keeper is in one, it looks after no other handle. */
#ifndef ZFERRY_CLIENT_H
#define ZFERRY_CLIENT_H

#include <zferry/device.h>
#include <zferry/error.h>
#include <zferry/message.h>
#include <zferry/peer.h>
#include <zferry/policy.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_client zf_client_t;

/* Records first .. first + count - 1 of a queue, by their number from zf_client_post_async, are
 * confirmed (code 0) or refused (code says why). */
typedef void zf_confirm_fn (void *arg, const char *queue, uint64_t first, uint64_t count, int code);

/* One part of an answer, or its end (no ZF_MESSAGE_MORE). The message is valid during the call. */
typedef void zf_reply_fn (void *arg, const zf_message_t *reply);

typedef struct {
    size_t struct_size;           /* set by zf_client_defaults(); leave alone */
    const char *const *endpoints; /* brokers, tried in this order; default tcp://127.0.0.1:5555. Or
                                     zferry://KIND/NAME (directory.h): see below */
    size_t endpoint_count;
    const char *name;          /* shown by the broker; default "": none */
    uint32_t timeout_ms;       /* of blocking calls that name none; default 5,000 */
    uint32_t failover_ms;      /* silence after which the next endpoint is tried; 3,000 */
    uint64_t window_bytes;     /* unconfirmed posts held here at most; default 4 MiB (the
                                  broker's window is obeyed too) */
    uint32_t batch_bytes;      /* a batch is sent when it is this full; default 64 KiB, 1 KiB
                                  .. 1 MiB */
    zf_confirm_fn *on_confirm; /* outcomes of posts, blocking ones included; may be NULL */
    void *arg;                 /* for on_confirm */
    const char *outbox;        /* a directory: posts are on disk there when they are confirmed, and
                                  travel on to the endpoints when those can be reached; NULL (the
                                  default): none. See below. */
    uint64_t outbox_bytes;     /* cap of its files; default 10 GiB */
    zf_peer_t *peer;         /* where zferry:// endpoints are looked up; it must outlive the client.
                        Default NULL: the one that the process shares (directory.h) */
    zf_security_t *security; /* NULL: plain connections */
    zf_device_t *device; /* of this process, to talk to without an endpoint: a broker or forwarder;
                            it must outlive the client. endpoints are not used then */
} zf_client_options_t;

ZF_API void zf_client_defaults_sized (zf_client_options_t *options, size_t size);
#define zf_client_defaults(options) zf_client_defaults_sized ((options), sizeof *(options))

/* zferry://: the client is connected to all who offer that (64 at most). Each request goes to the
 * one that has the fewest of this client's requests under way; if that is lost the request is sent
 * to another one at once, as often as `retries` says: 0 for one that must not be done twice. Posts
 * and admin calls go to one of them, which is another one for other clients, and if that is lost to
 * another: a record that was posted there and not yet confirmed may then be in both. */

/* Outbox: the client runs a broker with a journal inside this process, posts to that, and links
 * each queue (at most 64) to the queue of the same name at the endpoints. A post is confirmed when
 * it is on this disk, whether or not anybody can be reached; it arrives at the far queue once, in
 * order, also if this process dies meanwhile: whoever opens the outbox next goes on (zf_link,
 * zferry link). One process at a time has an outbox. Requests, fetching, atomic posts to more than
 * one queue and admin calls want a broker that answers: they are refused with ZF_E_INVAL.
 * Submitting works; the answer is fetched by a client without an outbox. */

/* Opens a client. options may be NULL. Connects in the background: no broker need be there yet.
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, ZF_E_ADDRESS for an endpoint that can't be used, or, with an
 * outbox, what zf_broker_start answers. */
ZF_API int zf_client_open (zf_client_t **client, const zf_client_options_t *options,
                           zf_error_t *err);

/* Closes the client at once and sets *client to NULL; what is not confirmed may be lost: flush
 * first. Requests under way are answered ZF_E_CLOSED. No other call may be under way. Safe on
 * NULL. */
ZF_API void zf_client_close (zf_client_t **client);

/* -- posting: props may be NULL ---------------------------------------------------------------- */

/* Posts and waits for the confirm. Returns 0, or
 *   ZF_E_TIMEOUT   not confirmed in time; it may still arrive, once
 *   ZF_E_DENIED    no rule allows it; or the key is not authorised, or the other side has none: it
 *                  may still arrive, once, if that changes
 *   ZF_E_FULL      refused by the queue's overflow rule;  ZF_E_LIMIT  too many queues
 *   ZF_E_TOO_BIG, ZF_E_INVAL, ZF_E_NOMEM */
ZF_API int zf_client_post (zf_client_t *client, const char *queue, const void *body, size_t size,
                           const zf_props_t *props, zf_error_t *err);

/* Posts without waiting for the confirm; waits only while the window is full. The outcome comes to
 * on_confirm, or all together from zf_client_flush. *number (may be NULL) counts from 1 for each
 * queue.
 * Returns as zf_client_post does, ZF_E_TIMEOUT meaning that it was not taken. */
ZF_API int zf_client_post_async (zf_client_t *client, const char *queue, const void *body,
                                 size_t size, const zf_props_t *props, uint64_t *number,
                                 zf_error_t *err);

/* The same, but never waits: ZF_E_AGAIN when the window is full, or for a record above 1 KiB when
 * no broker has said yet how large one may be. */
ZF_API int zf_client_try_post (zf_client_t *client, const char *queue, const void *body,
                               size_t size, const zf_props_t *props, uint64_t *number,
                               zf_error_t *err);

/* Waits until all that was posted before is confirmed or refused. timeout_ms -1: the client's
 * default. Returns 0 if all posts since the last flush were confirmed, the first refusal's code if
 * not, or ZF_E_TIMEOUT. The refusals are those of the handle: where several threads post, one
 * should flush, or all should use on_confirm. */
ZF_API int zf_client_flush (zf_client_t *client, int timeout_ms, zf_error_t *err);

/* A record for zf_client_post_many. */
typedef struct {
    const char *queue;
    const void *body;
    size_t size;
    const zf_props_t *props; /* may be NULL */
} zf_post_t;

/* Posts records to any queues as one: all are taken, or none. Waits for the outcome. At most 65,536
 * records and one message. Returns 0; ZF_E_FULL if any of the queues is at its cap, whatever its
 * rule; or as zf_client_post. */
ZF_API int zf_client_post_many (zf_client_t *client, const zf_post_t *posts, size_t count,
                                zf_error_t *err);

/* -- asking ------------------------------------------------------------------------------------ */

typedef struct {
    size_t struct_size;      /* set by zf_request_defaults(); leave alone */
    uint32_t timeout_ms;     /* for the final answer, at the broker too; default 0: the client's */
    uint32_t retries;        /* times sent again when the connection is lost; default 3 */
    bool fail_fast;          /* do not queue: ZF_E_NO_SERVICE or ZF_E_BUSY at once; default false */
    const zf_props_t *props; /* may be NULL */
    zf_reply_fn *on_part;    /* blocking request: gets parts before the end; may be NULL */
    void *arg;               /* for on_part */
} zf_request_options_t;

ZF_API void zf_request_defaults_sized (zf_request_options_t *options, size_t size);
#define zf_request_defaults(options) zf_request_defaults_sized ((options), sizeof *(options))

/* Asks and waits for the final answer; options may be NULL. Release *reply after use.
 * Returns 0, or ZF_E_TIMEOUT, ZF_E_EXPIRED, ZF_E_NO_SERVICE, ZF_E_BUSY, ZF_E_DEAD, ZF_E_REJECTED
 * (the worker's reason is in err), ZF_E_TOO_BIG, ZF_E_INVAL, ZF_E_NOMEM. On failure *reply is
 * zeroed. */
ZF_API int zf_client_request (zf_client_t *client, const char *service, const void *body,
                              size_t size, const zf_request_options_t *options, zf_message_t *reply,
                              zf_error_t *err);

/* Asks without waiting. With a callback, each part and the end come to it; without (fn NULL) they
 * are fetched with zf_client_next_reply. *number (may be NULL) tells answers apart. Each request
 * ends exactly once.
 * Returns 0, ZF_E_AGAIN when 65,536 requests are under way, ZF_E_TOO_BIG, ZF_E_INVAL,
 * ZF_E_NOMEM. */
ZF_API int zf_client_request_async (zf_client_t *client, const char *service, const void *body,
                                    size_t size, const zf_request_options_t *options,
                                    zf_reply_fn *fn, void *arg, uint64_t *number, zf_error_t *err);

/* The next part of any answer to a request without callback; reply->code tells success. Release it
 * after use. timeout_ms 0: do not wait, -1: for ever. Returns 0, ZF_E_TIMEOUT (ZF_E_AGAIN with
 * timeout 0), ZF_E_CLOSED. */
ZF_API int zf_client_next_reply (zf_client_t *client, zf_message_t *reply, int timeout_ms,
                                 zf_error_t *err);

/* -- durable requests: the request is a confirmed post, its answer is kept until it is fetched - */

/* Posts a request under an id of 1..255 bytes and waits for the confirm. The worker's final answer
 * is kept in the broker's queue "zf.replies" for that queue's time to live (24 hours unless it is
 * declared otherwise), whether or not anybody waits for it; with a journal, both survive the
 * broker. Submitting an id again that is known there is confirmed and does nothing. Parts of an
 * answer before its end are not kept. Returns as zf_client_post. */
ZF_API int zf_client_submit (zf_client_t *client, const char *service, const char *id,
                             const void *body, size_t size, const zf_props_t *props,
                             zf_error_t *err);

/* Fetches the answer to a request by its id, from any client, as often as one likes, waiting up to
 * timeout_ms (-1: the client's default) for it. Release *reply after use.
 * Returns 0, ZF_E_TIMEOUT (no answer yet), ZF_E_NOT_FOUND (no such request, or its answer was
 * forgotten), ZF_E_IO (the broker's journal failed), or why there is no answer: ZF_E_DEAD,
 * ZF_E_EXPIRED, ZF_E_REJECTED. */
ZF_API int zf_client_fetch (zf_client_t *client, const char *id, int timeout_ms,
                            zf_message_t *reply, zf_error_t *err);

/* Drops the answer kept under that id. Returns 0, ZF_E_NOT_FOUND, ZF_E_BUSY (not answered yet). */
ZF_API int zf_client_forget (zf_client_t *client, const char *id, zf_error_t *err);

/* -- event loops and figures ------------------------------------------------------------------- */

/* A descriptor for poll, epoll, libuv or GLib: when it is readable, call zf_client_process, then
 * zf_client_next_reply with timeout 0 until ZF_E_AGAIN. Valid until close. Returns it, or a
 * negative code. */
ZF_API int zf_client_fd (zf_client_t *client);
ZF_API int zf_client_process (zf_client_t *client);

typedef struct {
    uint64_t posted;     /* records taken by a post call */
    uint64_t confirmed;  /* of those, confirmed */
    uint64_t refused;    /* of those, refused */
    uint64_t requests;   /* requests made */
    uint64_t replies;    /* requests ended, with whatever code */
    uint64_t batches;    /* batches sent, resent ones included */
    uint64_t reconnects; /* sessions begun after the first */
    bool connected;      /* a broker has greeted us and is alive */
    zf_sync_t sync;      /* what confirmed means for its durable queues */
    uint64_t backlog;    /* outbox: records that have not travelled on yet */
} zf_client_stats_t;

ZF_API void zf_client_stats (zf_client_t *client, zf_client_stats_t *stats);

#ifdef __cplusplus
}
#endif
#endif
