/* What the dialects of other protocols have in common (Majordomo, the balancer's): messages of
 * several frames as records, requests without numbers, and workers that hold one record at a time
 * and name the client in their answer.
 *
 * Records: the frames of a message one after another are the body; properties say where each
 *          begins, unless there is just one.
 * Limits:  ZF_FRAMES_MAX frames, max_message_bytes in all.
 * Waiting: a request is given up after the ttl of its queue's policy; if that has none, after
 *          client_idle_ms and a lease: these clients go without a word.
 * Workers: busy from the delivery to the answer, even if the lease runs out before. A busy one gets
 *          nothing new, so a late answer is never taken for the answer to another request. Its
 *          session has one consumer, and its session->number is a hash of the address it was
 *          given with the record. */
#ifndef ZF_CORE_FOREIGN_H
#define ZF_CORE_FOREIGN_H

#include "core/engine.h"

#define ZF_FOREIGN_BUSY 1u /* in session->flags; the other bits are the dialect's own */

/* Queues the frames, at least one, as a request of the session.
 * Returns 0, also if it was denied by answer, or ZF_E_TOO_BIG (frames or bytes), ZF_E_NOMEM. */
int zf_foreign_ask (zf_session_t *session, zf_queue_t *queue, zf_frame_t **frames, size_t count);

/* A frame that holds a batch of this record only. NULL: out of memory. */
zf_frame_t *zf_foreign_batch (const zf_record_t *record, uint64_t number);

/* Adds the frames of a record, at least one, to the effect being built. */
void zf_foreign_body (zf_session_t *session, const zf_record_t *record);

/* Its timer fired: a client without requests that was silent for client_idle_ms is forgotten. */
void zf_foreign_client_tick (zf_session_t *session);

/* The worker can take the next record of that queue. Returns false when out of memory, or if a link
 * drains the queue: the session is ended then. */
bool zf_foreign_serve (zf_session_t *session, zf_queue_t *queue);

/* The worker gets this record and is busy. Returns the address to send with it: the routing id of
 * who asks, the uuid of a native one, "zferry" if nobody does. Valid during the call of deliver. */
zf_bytes_t zf_foreign_lend (zf_consumer_t *consumer, const zf_run_t *run);

/* True if the worker is busy with what it was given under that address. */
bool zf_foreign_owes (const zf_session_t *session, const zf_frame_t *address);

/* Frames of a worker that owes an answer become the answer, or a part of it (more), which renews
 * its lease. Returns 0, ZF_E_STALE (its lease is over), ZF_E_TOO_BIG, ZF_E_NOMEM. */
int zf_foreign_answer (zf_session_t *session, zf_frame_t **frames, size_t count, bool more);

/* What the worker holds, if anything, goes to another one at once; it was an attempt. */
void zf_foreign_give_back (zf_session_t *session);

/* Its timer fired: a worker silent for three intervals is ended. Returns true if it is to be sent a
 * heartbeat; the timer is set then. */
bool zf_foreign_beat (zf_session_t *session, uint32_t interval_ms);

#endif
