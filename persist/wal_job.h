/* Jobs of the file log: what the device's thread has handed to the log's, and keeps until it is
 * durable.
 *
 * Threads:   a pool belongs to the device's thread. The log's thread reads jobs that were handed to
 *            it, and writes only their `next`.
 * Ownership: a job holds the frames of its parts and has copied the bytes that lie in none. */
#ifndef ZF_PERSIST_WAL_JOB_H
#define ZF_PERSIST_WAL_JOB_H

#include "persist/wal.h"

typedef struct zf_wal_job zf_wal_job_t;

struct zf_wal_job {
    zf_wal_job_t *next;  /* handed over after it; in the pool: the next unused one */
    uint64_t lsn;        /* where its entry will be */
    uint64_t end;        /* where the next one will */
    bool trim;           /* a trim: no parts */
    uint64_t to;         /* of a trim: nothing below is needed */
    size_t size;         /* bytes of all parts */
    zf_bytes_t *parts;   /* in frames and in copy */
    size_t count;        /* of parts */
    zf_frame_t **frames; /* held */
    size_t frame_count;  /* of them */
    size_t capacity;     /* of both arrays */
    uint8_t *copy;       /* bytes without a frame, one after another */
    size_t copy_bytes;   /* room there */
};

/* All jobs of a log that are under way, oldest first, and some to be used again. */
typedef struct {
    zf_wal_job_t **ring; /* of those under way */
    size_t capacity;     /* of the ring: a power of two */
    size_t head;         /* index of the oldest, taken modulo capacity */
    size_t count;        /* under way */
    zf_wal_job_t *spare; /* unused ones */
    size_t spare_count;  /* of them */
} zf_wal_jobs_t;

/* A job of these parts that begins at that lsn; NULL: no memory. It is under way until it is
 * dropped. */
zf_wal_job_t *zf_wal_job_append (zf_wal_jobs_t *jobs, uint64_t lsn, const zf_wal_part_t *parts,
                                 size_t count);
zf_wal_job_t *zf_wal_job_trim (zf_wal_jobs_t *jobs, uint64_t lsn, uint64_t to);

/* Drops all that end at or below that lsn. */
void zf_wal_jobs_drop (zf_wal_jobs_t *jobs, uint64_t lsn);

/* The one at that lsn that is under way, or NULL. */
const zf_wal_job_t *zf_wal_jobs_find (const zf_wal_jobs_t *jobs, uint64_t lsn);

/* Copies `size` bytes from byte `offset` of its parts on; they are there. */
void zf_wal_job_copy (const zf_wal_job_t *job, size_t offset, uint8_t *to, size_t size);

/* Drops all and frees everything. */
void zf_wal_jobs_free (zf_wal_jobs_t *jobs);

#endif
