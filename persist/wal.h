/* The write-ahead log as a device sees it: append, durable upto, read, trim, all of it
 * asynchronous. Nothing above this line may assume files: a replicated log can stand here.
 * wal_file.c serves it from a journal on a thread of its own, wal_memory.c from memory.
 *
 * An entry is what was decided in one turn of a device: whole or not there at all. Its lsn (log
 * sequence number) only grows, by at least as many bytes as the entry has, and is known at once;
 * that it is durable comes back as an event.
 *
 * Threads:   all calls from the device's thread.
 * Ownership: parts with a frame hold it until the entry is durable; the others are copied.
 * Errors:    come as events. After ZF_WAL_FAILED nothing becomes durable any more; calls are
 *            harmless. */
#ifndef ZF_PERSIST_WAL_H
#define ZF_PERSIST_WAL_H

#include "core/bytes.h"
#include "core/frame.h"
#include "core/histogram.h"
#include "persist/fs.h"
#include <zferry/journal.h>

/* When entries become durable. */
typedef enum {
    ZF_WAL_SYNC_ALWAYS = 0,   /* at once: each round of the log's thread ends with a sync */
    ZF_WAL_SYNC_INTERVAL = 1, /* written at once, which counts as durable; synced by a timer */
    ZF_WAL_SYNC_NEVER = 2     /* written at once, which counts as durable */
} zf_wal_sync_t;

typedef zf_part_t zf_wal_part_t; /* a part without frame is copied */

typedef enum {
    ZF_WAL_DURABLE, /* everything below lsn is */
    ZF_WAL_READ,    /* what read asked for; frame is the receiver's to drop. code: 0 or why not */
    ZF_WAL_ROOM,    /* more room than before */
    ZF_WAL_FULL,    /* no space for further segments; text */
    ZF_WAL_FAILED   /* for good; code and text */
} zf_wal_what_t;

typedef struct {
    zf_wal_what_t what;
    uint64_t lsn;
    uint64_t tag;
    zf_frame_t *frame;
    int code;
    char text[252];
} zf_wal_event_t;

typedef struct {
    uint64_t lowest; /* lsn of the first entry kept */
    uint64_t next;   /* lsn that the next append gets */
    uint64_t durable;
    uint64_t room; /* bytes of entries that can be appended without waiting for space */
    uint64_t disk_bytes;
    uint64_t disk_cap; /* 0: none */
    uint64_t syncs;
    uint64_t appends;
    uint64_t appended_bytes;
    bool full;  /* an entry waits for space */
    bool tight; /* the last try to get more room ready found no space */
    bool failed;
} zf_wal_stats_t;

typedef struct zf_wal zf_wal_t;

/* The implementation; it begins with this. */
struct zf_wal {
    uint64_t (*append) (zf_wal_t *wal, const zf_wal_part_t *parts, size_t count); /* its lsn */
    void (*read) (zf_wal_t *wal, uint64_t lsn, uint32_t offset, uint32_t size, uint64_t tag);
    void (*trim) (zf_wal_t *wal, uint64_t lsn);
    bool (*event) (zf_wal_t *wal, zf_wal_event_t *event); /* the next one; false: none now */
    void (*stats) (zf_wal_t *wal, zf_wal_stats_t *stats);
    void (*sync_times) (zf_wal_t *wal, zf_histogram_t *sync_us); /* since open; NULL: none known */
    void (*reserve) (zf_wal_t *wal, uint64_t bytes); /* keep so much room ready, if you can */
    void (*close) (zf_wal_t *wal);                   /* syncs what it can, frees */
    int fd;           /* readable when there are events; -1: ask each turn */
    uint8_t uuid[16]; /* of the log, for as long as it exists */
    bool keeps;       /* what is durable outlives the process */
    bool closed;      /* at open: the run before ended in order, or there was none */
};

typedef struct {
    const char *dir;
    zf_wal_sync_t sync;
    uint32_t interval_ms;
    uint64_t disk_bytes;    /* 0: no cap */
    uint64_t segment_bytes; /* 0: the journal's default */
    zf_replay_fn *replay;
    void *arg;
    zf_fs_t *fs; /* NULL: the system's */
} zf_wal_options_t;

/* A journal in options->dir. Replays it on the caller's thread. Errors as zf_journal_open. */
int zf_wal_file_open (zf_wal_t **wal, const zf_wal_options_t *options, zf_error_t *err);

/* In memory: for tests, and for what needs no disk. Entries become durable when zf_wal_memory_sync
 * says so. A crash (zf_wal_memory_crash) forgets what is not durable and then replays the rest. */
int zf_wal_memory_open (zf_wal_t **wal);
void zf_wal_memory_sync (zf_wal_t *wal, uint64_t lsn);
int zf_wal_memory_crash (zf_wal_t *wal, zf_replay_fn *replay, void *arg, zf_error_t *err);

#endif
