/* Reading the log back: what replay.c (queues and what is remembered of peers) and replay_records.c
 * share. An operation's function answers false if it makes no sense, or code is set. */
#ifndef ZF_CORE_REPLAY_H
#define ZF_CORE_REPLAY_H

#include "core/engine.h"
#include "core/mp.h"

typedef struct {
    zf_engine_t *engine;
    uint64_t lsn;
    const uint8_t *start; /* of the entry's bytes */
    int code;             /* why it can't go on: ZF_E_CORRUPT (the default), ZF_E_NOMEM */
} zf_replay_t;

/* Reads the number of a queue. NULL: it is not known, because what said so is lost (the journal was
 * damaged, and repaired): what happened to its records means nothing. */
zf_queue_t *zf_replay_queue (zf_replay_t *at, zf_reader_t *r);

/* The same for records: those of a queue that is not known are kept under a name that says so. */
zf_queue_t *zf_replay_home (zf_replay_t *at, zf_reader_t *r);

/* Half of a level's ids are never used up, so that none runs over into the next level. */
bool zf_replay_is_id (uint64_t id);
zf_lane_t *zf_replay_lane (zf_queue_t *queue, uint64_t id); /* NULL: the queue has no such level */

/* Our time never goes back: if the machine's clock did, we go on from where it was. */
void zf_replay_time (zf_replay_t *at, uint64_t time_ms);
bool zf_replay_no_memory (zf_replay_t *at); /* false */

/* Operations. */
bool zf_replay_records (zf_replay_t *at, zf_reader_t *r);
bool zf_replay_batch (zf_replay_t *at, zf_reader_t *r);
bool zf_replay_carry (zf_replay_t *at, zf_reader_t *r);
bool zf_replay_state (zf_replay_t *at, zf_reader_t *r);
bool zf_replay_gone (zf_replay_t *at, zf_reader_t *r);
bool zf_replay_expires (zf_replay_t *at, zf_reader_t *r);
bool zf_replay_cursor (zf_replay_t *at, zf_reader_t *r);

#endif
