/* The commit phase of a device: its engine's entries on their way to the log, and what the log says
 * back.
 *
 * Threads: the device's, but open and close. */
#ifndef ZF_DEVICES_COMMIT_H
#define ZF_DEVICES_COMMIT_H

#include "core/engine.h"
#include "persist/wal.h"

typedef struct {
    zf_engine_t *engine;
    zf_wal_t *wal;          /* NULL: nothing is durable */
    uint64_t segment_bytes; /* an entry lies in one segment of the journal */
    uint64_t largest;       /* entry so far */
    uint64_t reserved;      /* bytes that the log was asked to keep free */
    bool full;              /* people were told that the disk is */
} zf_commit_t;

typedef struct {
    const char *journal; /* directory; NULL: none */
    zf_sync_t sync;
    uint32_t interval_ms;
    uint64_t disk_bytes;
} zf_commit_options_t;

/* Opens the journal and replays it into the engine. Errors as zf_journal_open. */
int zf_commit_open (zf_commit_t *commit, zf_engine_t *engine, const zf_commit_options_t *options,
                    uint64_t now_ms, zf_error_t *err);

/* Readable when the log has something to say; -1: there is no log. */
int zf_commit_fd (const zf_commit_t *commit);

/* Begins a turn: what the log has said since the last one. */
void zf_commit_collect (zf_commit_t *commit);

/* Ends a turn: what was decided goes to the log as one entry. */
void zf_commit_run (zf_commit_t *commit);

void zf_commit_stats (const zf_commit_t *commit, zf_stat_fn *fn, void *arg);

/* Syncs what it can. After it nothing is read from the engine's frames any more. */
void zf_commit_close (zf_commit_t *commit);

#endif
