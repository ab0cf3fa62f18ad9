/* Links, as the broker sees them: sessions that drain a queue here, and sessions that feed one with
 * what they drained elsewhere. The link itself is a client of both (patterns/link.c).
 *
 * Feeding: the producer of a link is remembered for good, so what it sends again is never taken
 * twice. What it has refused for the time being it has to send again, in order. Each link says what
 * its source is, and what feeds that; a path that comes back to the queue is a loop.
 * Draining: a link gets all records in the order of their ids, whatever they wait for; it takes
 *           over
 * the waiting. */
#ifndef ZF_CORE_LINK_H
#define ZF_CORE_LINK_H

#include "core/engine.h"
#include "core/mp.h"

#define ZF_PATH_MAX 1024 /* queues on the way here */

/* A session that feeds a queue. */
struct zf_feed {
    zf_queue_t *queue;
    zf_session_t *session;
    uint8_t *path; /* msgpack: [uuid, queue] pairs, without their array's head */
    size_t size;
    uint32_t nodes;
    zf_feed_t *prev, *next;                 /* of the queue */
    zf_feed_t *session_prev, *session_next; /* of the session */
};

zf_feed_t *zf_feed_find (const zf_queue_t *queue, const zf_session_t *session);
void zf_feeds_drop_session (zf_session_t *session);
void zf_feeds_drop_queue (zf_queue_t *queue);

/* The session feeds the queue; r is at the path. *last: the highest number of its that was taken.
 * Returns 0, ZF_E_INVAL (a loop), ZF_E_PROTO, ZF_E_LIMIT, ZF_E_NOMEM. */
int zf_feed_link (zf_queue_t *queue, zf_session_t *session, zf_reader_t *r, uint64_t *last);

/* All that feeds the queue, as an array of [uuid, queue] pairs. */
void zf_feeds_write (const zf_queue_t *queue, zf_writer_t *w);

/* Makes it one that drains. Returns 0, ZF_E_BUSY (there are others), ZF_E_INVAL (priorities). */
int zf_consumer_drain (zf_consumer_t *consumer);

/* The next records for a consumer that drains, unlinked; NULL: none now. */
zf_run_t *zf_queue_take_drained (zf_queue_t *queue, zf_consumer_t *consumer, uint32_t max);

/* True if a delay or a time to live of the run's records has begun; then they travel as a batch
 * that says what is left of it (malloced; NULL: out of memory). */
bool zf_run_has_times (const zf_run_t *run);
uint8_t *zf_run_with_times (const zf_run_t *run, size_t *size);

#endif
