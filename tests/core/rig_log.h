/* A rig with a log in memory: what the engine decides is appended to it, and becomes durable, and
 * is read back, when the test says so.
 *
 *     rig_t *rig = rig_new_logged (NULL, NULL);
 *     rig->log->by_hand = true;
 *     peer_post (p, "jobs", "a");
 *     assert_silence (p);
 *     rig_sync (rig);
 *     assert_confirmed (p, "jobs", 1, 1);
 *     rig_crash (rig);
 *     peer_consume (w, "jobs", 1);
 *     assert_delivered (w, "jobs", "a", 1); */
#ifndef TESTS_CORE_RIG_LOG_H
#define TESTS_CORE_RIG_LOG_H

#include "tests/core/rig.h"

#include "persist/wal.h"

/* An entry, as it was appended. */
typedef struct {
    uint64_t lsn;
    uint8_t *data;
    size_t size;
} shelved_t;

typedef void rig_entry_fn (rig_t *rig);

struct rig_log {
    zf_wal_t *wal;
    zf_engine_options_t options; /* of the engine that comes after a crash */
    zf_log_options_t log;        /* the same */
    bool by_hand;                /* nothing becomes durable or is read before rig_sync, rig_load */
    bool rots;                   /* a bit of what is read back is wrong */
    int read_code;               /* reads fail with this */
    uint32_t reads;              /* asked for */
    uint64_t room;               /* bytes that there is room for; UINT64_MAX: as the log says */
    rig_entry_fn *on_entry;      /* called after each append; may be NULL */
    shelved_t *shelf;            /* what was appended and is not trimmed */
    size_t count;                /* of these */
    size_t capacity;             /* room there */
    uint64_t appended_bytes;     /* since the start */
};

/* NULL: the defaults; they sync at once, with 64 KiB of slack. */
rig_t *rig_new_logged (const zf_engine_options_t *options, const zf_log_options_t *log);

/* Everything appended so far is durable, and everything asked for is read. */
void rig_sync (rig_t *rig);

/* The same, but only the first n entries that are not durable yet. */
void rig_sync_some (rig_t *rig, size_t n);

/* Answers what the engine asked to read. */
void rig_load (rig_t *rig);

/* The disk fails for good. */
void rig_fail_log (rig_t *rig);

/* How many entries are not durable. */
size_t rig_unsynced (const rig_t *rig);

/* The broker dies, and another one opens what was durable. Peers forget what they held and what lay
 * in their inboxes, and say HELLO again, but for those that have crashed themselves. */
void rig_crash (rig_t *rig);

/* The same; the first n entries that nobody was told to be durable were. */
void rig_crash_late (rig_t *rig, size_t n);

/* Another engine that has replayed what lies on the shelf, and has not gone on since; fails if it
 * can't. */
zf_engine_t *rig_replayed (const rig_t *rig);

/* The bodies of all records of the queue, in the order of their ids, a space between them: valid
 * until the next call. A queue that is not there has none. */
const char *rig_bodies (rig_t *rig, const char *queue);

/* -- for rig.c --------------------------------------------------------------------------------- */

/* A turn's entry, and what it wants trimmed and read. */
void rig_log_commit (rig_t *rig);

/* What the log says, and where the next entry will be. */
void rig_log_collect (rig_t *rig);

void rig_log_close (rig_t *rig);

#endif
