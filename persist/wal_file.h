/* The file log's inside: what the device's thread, the writer and the reader share.
 *
 * Threads: the device's thread hands over jobs and questions and takes events; the writer
 *          (wal_writer.c) writes and syncs; the reader (wal_reader.c) reads back, so that no read
 *          waits behind a sync. The lock is held for moments only, never during a call that may
 *          wait for the disk; the journal calls us with its own lock held, so it is never called
 *          with this one. */
#ifndef ZF_PERSIST_WAL_FILE_H
#define ZF_PERSIST_WAL_FILE_H

#include "persist/wal_job.h"

#include <pthread.h>

/* A question to the reader, and then its answer. */
typedef struct zf_wal_read zf_wal_read_t;

struct zf_wal_read {
    zf_wal_event_t event; /* of kind ZF_WAL_READ */
    uint32_t offset;      /* from this byte of the entry on */
    uint32_t size;        /* so many bytes */
    zf_wal_read_t *next;  /* asked or answered after it */
};

typedef struct {
    zf_wal_read_t *first; /* the oldest */
    zf_wal_read_t **last; /* where the next one is linked */
} zf_wal_reads_t;

typedef struct {
    zf_wal_t wal; /* must be first */

    /* as it was opened */
    zf_journal_t *journal;
    zf_wal_sync_t sync;
    uint64_t interval_ms;
    uint64_t segment_bytes;
    uint64_t disk_cap;
    pthread_t writer;
    pthread_t reader;

    /* of the device's thread */
    zf_wal_jobs_t jobs; /* under way */
    uint64_t next;      /* lsn of the next entry */
    uint64_t trimmed;   /* the highest trim so far */
    bool dead;          /* the failure was taken: nothing more is handed over */

    /* shared */
    pthread_mutex_t lock;
    pthread_cond_t work;   /* for the writer: something below has changed */
    pthread_cond_t asked;  /* for the reader: there is a question, or it is to end */
    zf_wal_job_t *pending; /* handed over, oldest first */
    zf_wal_job_t **last;   /* where the next one is linked */
    bool writer_waits;     /* it must be signalled, and was not yet */
    bool room_changed;     /* the journal may have more room: have a look */
    bool no_memory;        /* the device's thread could not hand over: fail after what is pending */
    bool closing;          /* end after what is pending */
    uint64_t reserve;      /* bytes to keep ready */
    bool reserve_changed;  /* the journal was not told yet */
    zf_wal_reads_t reads;  /* questions */

    /* shared: events, and what stats answer */
    bool raised;             /* the descriptor is readable: there are events */
    uint64_t durable;        /* everything below is */
    uint64_t told;           /* the last ZF_WAL_DURABLE that was taken */
    zf_wal_reads_t answers;  /* not taken yet */
    bool tell_full;          /* ZF_WAL_FULL is to be taken */
    bool tell_room;          /* ZF_WAL_ROOM */
    bool tell_failed;        /* ZF_WAL_FAILED */
    bool full;               /* the journal finds no space for the next entry */
    bool tight;              /* nor, when it last tried, for a further segment */
    bool failed;             /* for good */
    zf_error_t full_why;     /* in words */
    zf_error_t failed_why;   /* the same */
    uint64_t limit;          /* lsn at which the room ends, as far as the writer has looked */
    zf_journal_stats_t said; /* by the journal, when it did */
    zf_histogram_t sync_us;  /* how long syncs took */

    /* of the writer */
    zf_wal_job_t *todo;         /* taken from pending, not written yet */
    uint64_t unsynced_since_ms; /* when the first write after the last sync was; 0: none */
    bool trims;                 /* written after the last sync: they count once they are durable */
    bool synced;                /* in this run: the first round always is, so that the next run
                                   knows that there was one that did not end in order */
    bool stuck;                 /* the journal was full at the last try */
    bool starved;         /* stuck, or it could prepare no further segment: try again by and by */
    uint64_t retry_at_ms; /* when */
    uint64_t retry_ms;    /* and how much later then */
} zf_wal_file_t;

/* The threads; the argument is the log. */
void *zf_wal_writer (void *arg);
void *zf_wal_reader (void *arg);

/* Makes the descriptor readable, under the lock, after an event was added. */
void zf_wal_raise (zf_wal_file_t *self);

/* Adds at the end of a list, and takes the first or NULL; under the lock. */
void zf_wal_reads_add (zf_wal_reads_t *list, zf_wal_read_t *read);
zf_wal_read_t *zf_wal_reads_take (zf_wal_reads_t *list);

#endif
