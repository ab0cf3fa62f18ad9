/* Jobs of the file log. They are used again, with their arrays and buffers, so that an append costs
 * no allocation once the log is running. */
#include "persist/wal_job.h"
#include "persist/journal.h"

#include <stdlib.h>

#define SPARE_JOBS  64           /* kept to be used again */
#define LEAST_PARTS 8            /* space for parts, at least */
#define LEAST_COPY  256          /* bytes of a buffer, at least */
#define SPARE_COPY  (256u << 10) /* a larger buffer is not kept with them, */
#define SPARE_PARTS 4096         /* nor space for more parts */

/* -- one job ----------------------------------------------------------------------------------- */

static void free_job (zf_wal_job_t *job)
{
    free (job->parts);
    free ((void *) job->frames);
    free (job->copy);
    free (job);
}

static bool make_room (zf_wal_job_t *job, size_t count)
{
    if (job->parts != NULL && count <= job->capacity)
        return true;
    if (count < LEAST_PARTS)
        count = LEAST_PARTS;
    zf_bytes_t *parts = realloc (job->parts, count * sizeof *parts);
    if (parts == NULL)
        return false;
    job->parts = parts;
    zf_frame_t **frames = realloc ((void *) job->frames, count * sizeof *frames);
    if (frames == NULL)
        return false;
    job->frames = frames;
    job->capacity = count;
    return true;
}

static bool make_copy_room (zf_wal_job_t *job, const zf_wal_part_t *parts, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].frame == NULL ? parts[i].bytes.size : 0;
    if (job->copy != NULL && bytes <= job->copy_bytes)
        return true;
    if (bytes < LEAST_COPY)
        bytes = LEAST_COPY;
    free (job->copy);
    job->copy = malloc (bytes);
    job->copy_bytes = job->copy != NULL ? bytes : 0;
    return job->copy != NULL;
}

static zf_bytes_t *add_part (zf_wal_job_t *job, zf_frame_t *frame, zf_bytes_t bytes)
{
    zf_bytes_t *part = &job->parts[job->count++];
    *part = bytes;
    if (frame != NULL)
        job->frames[job->frame_count++] = zf_frame_hold (frame);
    return part;
}

/* Copies behind one another become one part. */
static bool fill (zf_wal_job_t *job, const zf_wal_part_t *parts, size_t count)
{
    if (!make_room (job, count) || !make_copy_room (job, parts, count))
        return false;
    uint8_t *to = job->copy;
    zf_bytes_t *copies = NULL; /* the last part, if it is made of them */
    for (size_t i = 0; i < count; i++) {
        zf_bytes_t bytes = parts[i].bytes;
        job->size += bytes.size;
        if (parts[i].frame != NULL) {
            add_part (job, parts[i].frame, bytes);
            copies = NULL;
        } else if (bytes.size > 0) {
            memcpy (to, bytes.data, bytes.size);
            if (copies == NULL)
                copies = add_part (job, NULL, zf_bytes (to, 0));
            copies->size += bytes.size;
            to += bytes.size;
        }
    }
    return true;
}

void zf_wal_job_copy (const zf_wal_job_t *job, size_t offset, uint8_t *to, size_t size)
{
    for (size_t i = 0; size > 0; i++) {
        const zf_bytes_t *part = &job->parts[i];
        if (offset >= part->size) {
            offset -= part->size;
            continue;
        }
        size_t piece = part->size - offset < size ? part->size - offset : size;
        memcpy (to, (const uint8_t *) part->data + offset, piece);
        to += piece;
        size -= piece;
        offset = 0;
    }
}

/* -- the pool ---------------------------------------------------------------------------------- */

static zf_wal_job_t *at (const zf_wal_jobs_t *jobs, size_t i)
{
    return jobs->ring[(jobs->head + i) & (jobs->capacity - 1)];
}

static bool grow (zf_wal_jobs_t *jobs)
{
    if (jobs->count < jobs->capacity)
        return true;
    size_t capacity = jobs->capacity != 0 ? 2 * jobs->capacity : 64;
    zf_wal_job_t **ring = malloc (capacity * sizeof *ring);
    if (ring == NULL)
        return false;
    for (size_t i = 0; i < jobs->count; i++)
        ring[i] = at (jobs, i);
    free ((void *) jobs->ring);
    jobs->ring = ring;
    jobs->capacity = capacity;
    jobs->head = 0;
    return true;
}

static zf_wal_job_t *unused (zf_wal_jobs_t *jobs)
{
    zf_wal_job_t *job = jobs->spare;
    if (job == NULL)
        return calloc (1, sizeof *job);
    jobs->spare = job->next;
    jobs->spare_count--;
    job->next = NULL;
    return job;
}

static void give_back (zf_wal_jobs_t *jobs, zf_wal_job_t *job)
{
    for (size_t i = 0; i < job->frame_count; i++)
        zf_frame_drop (job->frames[i]);
    if (jobs->spare_count >= SPARE_JOBS || job->copy_bytes > SPARE_COPY ||
        job->capacity > SPARE_PARTS) {
        free_job (job);
        return;
    }
    job->trim = false;
    job->size = 0;
    job->count = 0;
    job->frame_count = 0;
    job->next = jobs->spare;
    jobs->spare = job;
    jobs->spare_count++;
}

static void set_under_way (zf_wal_jobs_t *jobs, zf_wal_job_t *job, uint64_t lsn)
{
    job->lsn = lsn;
    job->end = lsn + zf_journal_extent (job->trim ? sizeof job->to : job->size);
    jobs->ring[(jobs->head + jobs->count++) & (jobs->capacity - 1)] = job;
}

zf_wal_job_t *zf_wal_job_append (zf_wal_jobs_t *jobs, uint64_t lsn, const zf_wal_part_t *parts,
                                 size_t count)
{
    zf_wal_job_t *job = grow (jobs) ? unused (jobs) : NULL;
    if (job == NULL)
        return NULL;
    if (!fill (job, parts, count)) {
        free_job (job);
        return NULL;
    }
    set_under_way (jobs, job, lsn);
    return job;
}

zf_wal_job_t *zf_wal_job_trim (zf_wal_jobs_t *jobs, uint64_t lsn, uint64_t to)
{
    zf_wal_job_t *job = grow (jobs) ? unused (jobs) : NULL;
    if (job == NULL)
        return NULL;
    job->trim = true;
    job->to = to;
    set_under_way (jobs, job, lsn);
    return job;
}

void zf_wal_jobs_drop (zf_wal_jobs_t *jobs, uint64_t lsn)
{
    while (jobs->count > 0 && at (jobs, 0)->end <= lsn) {
        zf_wal_job_t *job = at (jobs, 0);
        jobs->head++;
        jobs->count--;
        give_back (jobs, job);
    }
}

const zf_wal_job_t *zf_wal_jobs_find (const zf_wal_jobs_t *jobs, uint64_t lsn)
{
    size_t low = 0;
    size_t high = jobs->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at (jobs, middle)->lsn < lsn)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == jobs->count || at (jobs, low)->lsn != lsn || at (jobs, low)->trim)
        return NULL;
    return at (jobs, low);
}

void zf_wal_jobs_free (zf_wal_jobs_t *jobs)
{
    zf_wal_jobs_drop (jobs, UINT64_MAX);
    while (jobs->spare != NULL)
        free_job (unused (jobs));
    free ((void *) jobs->ring);
    jobs->ring = NULL;
    jobs->capacity = 0;
}
