#include "persist/state.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* All of it has the lock, and lets go of it around calls on files. What makes that safe: only the
 * keeper adds and removes segments; the writer only makes the first ready one live, and while it
 * waits for a larger one it does not even that. */

static size_t ready_count (const zf_journal_t *journal)
{
    return journal->segments.count - journal->segments.live;
}

/* Whoever waits for a segment looks again; and so does the watcher. */
static void tell (zf_journal_t *journal)
{
    pthread_cond_broadcast (&journal->answer);
    if (journal->watch != NULL)
        journal->watch (journal->watch_arg);
}

static void give_up (zf_journal_t *journal, int rc, const zf_error_t *why, uint64_t serving)
{
    journal->keeper_error = *why;
    if (rc == ZF_E_FULL || rc == ZF_E_NOMEM)
        journal->refused = serving;
    else
        journal->broken = true;
    tell (journal);
}

static int write_head (zf_folder_t *folder, const zf_file_t *file, const zf_segment_head_t *head,
                       zf_error_t *err)
{
    uint8_t bytes[ZF_SEGMENT_HEADER];
    struct iovec part = {bytes, sizeof bytes};
    zf_segment_head_encode (head, bytes);
    return zf_folder_write (folder, file, &part, 1, 0, err);
}

/* In steps, so that a close need not wait for all of it. */
static int write_zeros (zf_journal_t *journal, const zf_file_t *file, uint64_t capacity,
                        zf_error_t *err)
{
    const uint64_t step = UINT64_C (4) << 20;
    int rc = 0;
    for (uint64_t at = 0; at < capacity && rc == 0; at += step) {
        uint64_t left = capacity - at;
        rc = zf_folder_zero (&journal->folder, file, at, left < step ? left : step, err);
        if (rc == 0 && atomic_load (&journal->stopping))
            rc = zf_error_set (err, ZF_E_CLOSED, "closing");
    }
    return rc;
}

int zf_spare_make (zf_journal_t *journal, zf_file_t *file, uint64_t capacity,
                   const zf_segment_head_t *head, zf_error_t *err)
{
    zf_folder_t *folder = &journal->folder;
    int rc = zf_folder_open (folder, file, ZF_SPARE_NAME, ZF_FS_WRITE | ZF_FS_CREATE, err);
    if (rc != 0)
        return rc;
    rc = write_zeros (journal, file, capacity, err);
    if (rc == 0 && head != NULL)
        rc = write_head (folder, file, head, err);
    if (rc == 0)
        rc = zf_folder_datasync (folder, file, err);
    if (rc != 0) {
        zf_folder_close (folder, file);
        zf_folder_unlink (folder, ZF_SPARE_NAME, NULL);
    }
    return rc;
}

int zf_spare_name (zf_journal_t *journal, zf_file_t *file, uint64_t number, zf_error_t *err)
{
    char name[ZF_FILE_MAX];
    zf_segment_name (number, name);
    int rc = zf_folder_rename (&journal->folder, file->name, name, err);
    if (rc != 0)
        return rc;
    memcpy (file->name, name, sizeof name);
    rc = zf_folder_sync (&journal->folder, err);
    return rc != 0 ? ZF_E_IO : 0; /* never worth a second attempt: it may claim success */
}

/* A larger segment takes the place of the first ready one. */
static void replace_ready (zf_journal_t *journal, zf_segment_t *segment)
{
    zf_segments_t *segments = &journal->segments;
    zf_segment_t *old = segments->at[segments->live];
    segments->at[segments->live] = segment;
    journal->disk_bytes -= old->capacity;
    zf_folder_close (&journal->folder, &old->file);
    free (old);
}

/* The number that the next file gets: that of the first ready one if it is too small. */
static uint64_t next_number (const zf_journal_t *journal)
{
    const zf_segments_t *segments = &journal->segments;
    if (journal->needed > 0 && ready_count (journal) > 0)
        return segments->at[segments->live]->number;
    return segments->at[segments->count - 1]->number + 1;
}

static int prepare_unlocked (zf_journal_t *journal, zf_segment_t *segment, zf_error_t *err)
{
    int rc = zf_spare_make (journal, &segment->file, segment->capacity, NULL, err);
    if (rc != 0)
        return rc;
    rc = zf_spare_name (journal, &segment->file, segment->number, err);
    if (rc != 0)
        zf_folder_close (&journal->folder, &segment->file);
    return rc;
}

static void add_ready (zf_journal_t *journal, zf_segment_t *segment)
{
    zf_segments_t *segments = &journal->segments;
    if (segment->number == segments->at[segments->count - 1]->number + 1)
        zf_segments_push (segments, segment);
    else
        replace_ready (journal, segment);
    if (segment->capacity >= journal->needed)
        journal->needed = 0;
    tell (journal);
}

/* A segment that is not there yet; NULL and why if it cannot be. */
static zf_segment_t *plan (zf_journal_t *journal, zf_error_t *why)
{
    uint64_t capacity = journal->needed > 0 ? journal->needed : journal->segment_bytes;
    if (capacity > journal->disk_cap || journal->disk_bytes > journal->disk_cap - capacity) {
        zf_error_set (why, ZF_E_FULL, "no room for another segment below the cap");
        return NULL;
    }
    zf_segment_t *segment = calloc (1, sizeof *segment);
    if (segment == NULL || zf_segments_reserve (&journal->segments) != 0) {
        zf_error_set (why, ZF_E_FULL, "no memory for another segment");
        free (segment);
        return NULL;
    }
    segment->number = next_number (journal);
    segment->capacity = capacity;
    return segment;
}

static void prepare (zf_journal_t *journal)
{
    zf_error_t why = {0, ""};
    uint64_t serving = journal->asked;
    zf_segment_t *segment = plan (journal, &why);
    if (segment == NULL) {
        give_up (journal, ZF_E_FULL, &why, serving);
        return;
    }
    journal->disk_bytes += segment->capacity;
    pthread_mutex_unlock (&journal->lock);
    int rc = prepare_unlocked (journal, segment, &why);
    pthread_mutex_lock (&journal->lock);
    if (rc == 0) {
        add_ready (journal, segment);
        return;
    }
    journal->disk_bytes -= segment->capacity;
    free (segment);
    give_up (journal, rc, &why, serving);
}

/* Uses the file of a trimmed segment again, or removes it. What is in it can be taken for nothing
 * new: neither number nor positions fit. */
static int recycle_unlocked (zf_journal_t *journal, zf_segment_t *segment, uint64_t number,
                             zf_error_t *err)
{
    zf_folder_t *folder = &journal->folder;
    if (number == 0) {
        zf_folder_close (folder, &segment->file);
        return zf_folder_unlink (folder, segment->file.name, err);
    }
    zf_folder_close (folder, &segment->file); /* it may have been open for reading only */
    int rc = zf_spare_name (journal, &segment->file, number, err);
    if (rc != 0)
        return rc;
    char name[ZF_FILE_MAX];
    zf_segment_name (number, name);
    segment->number = number;
    return zf_folder_open (folder, &segment->file, name, ZF_FS_WRITE, err);
}

static void retire (zf_journal_t *journal)
{
    zf_segments_t *segments = &journal->segments;
    zf_segment_t *segment = zf_segments_take (segments, 0);
    while (segment->holders > 0)
        pthread_cond_wait (&journal->answer, &journal->lock);
    bool again = segment->capacity == journal->segment_bytes && journal->needed == 0 &&
                 ready_count (journal) < journal->spares;
    uint64_t number = again ? segments->at[segments->count - 1]->number + 1 : 0;
    uint64_t capacity = segment->capacity;
    zf_error_t why = {0, ""};
    pthread_mutex_unlock (&journal->lock);
    int rc = recycle_unlocked (journal, segment, number, &why);
    pthread_mutex_lock (&journal->lock);
    if (rc == 0 && again) {
        add_ready (journal, segment); /* there is space: it was just taken out */
        return;
    }
    journal->disk_bytes -= capacity;
    free (segment);
    if (rc != 0)
        give_up (journal, rc, &why, journal->refused);
}

/* The oldest segment is not needed: all of it was trimmed, and the next one has something durable
 * in it. (An empty first one has nothing to trim, but says which journal it is.) */
static bool may_retire (const zf_journal_t *journal)
{
    const zf_segments_t *segments = &journal->segments;
    return segments->live > 1 && segments->at[1]->base <= journal->first &&
           segments->at[1]->base < atomic_load (&journal->durable);
}

/* Does one thing; false if there is nothing to do. */
static bool tend (zf_journal_t *journal)
{
    if (journal->broken)
        return false;
    if (may_retire (journal)) {
        retire (journal);
        return true;
    }
    bool wanted = journal->needed > 0 || ready_count (journal) < journal->spares;
    if (!wanted || journal->refused >= journal->asked)
        return false;
    prepare (journal);
    return true;
}

static void *keep (void *arg)
{
    zf_journal_t *journal = arg;
    pthread_mutex_lock (&journal->lock);
    while (!atomic_load (&journal->stopping))
        if (!tend (journal))
            pthread_cond_wait (&journal->work, &journal->lock);
    pthread_mutex_unlock (&journal->lock);
    return NULL;
}

static void tend_all (zf_journal_t *journal)
{
    if (journal->folder.fs->synchronous)
        while (tend (journal))
            ;
    else
        pthread_cond_signal (&journal->work);
}

void zf_keeper_wake (zf_journal_t *journal)
{
    pthread_mutex_lock (&journal->lock);
    tend_all (journal);
    pthread_mutex_unlock (&journal->lock);
}

static bool is_ready (const zf_journal_t *journal, uint64_t capacity)
{
    const zf_segment_t *segment = zf_segments_ready (&journal->segments);
    return segment != NULL && segment->capacity >= capacity;
}

int zf_keeper_obtain (zf_journal_t *journal, uint64_t capacity, zf_error_t *err)
{
    int rc = 0;
    pthread_mutex_lock (&journal->lock);
    if (!is_ready (journal, capacity)) {
        uint64_t ticket = ++journal->asked;
        journal->needed = capacity > journal->segment_bytes ? capacity : 0;
        tend_all (journal);
        while (!is_ready (journal, capacity) && journal->refused < ticket && !journal->broken)
            pthread_cond_wait (&journal->answer, &journal->lock);
        journal->needed = 0;
    }
    if (!is_ready (journal, capacity)) {
        rc = journal->broken ? ZF_E_IO : ZF_E_FULL;
        zf_error_set (err, rc, "%s", journal->keeper_error.text);
    }
    pthread_mutex_unlock (&journal->lock);
    return rc;
}

void zf_journal_watch (zf_journal_t *journal, zf_journal_watch_fn *fn, void *arg)
{
    pthread_mutex_lock (&journal->lock);
    journal->watch = fn;
    journal->watch_arg = arg;
    pthread_mutex_unlock (&journal->lock);
}

void zf_journal_set_spares (zf_journal_t *journal, uint32_t spares)
{
    pthread_mutex_lock (&journal->lock);
    journal->spares = spares == 0 ? 1 : spares < ZF_SPARES_MAX ? spares : ZF_SPARES_MAX;
    journal->asked++;
    tend_all (journal);
    pthread_mutex_unlock (&journal->lock);
}

int zf_keeper_start (zf_journal_t *journal, zf_error_t *err)
{
    sigset_t all;
    sigset_t before;
    if (journal->folder.fs->synchronous) {
        zf_keeper_wake (journal);
        return 0;
    }
    sigfillset (&all); /* signals are the application's */
    pthread_sigmask (SIG_SETMASK, &all, &before);
    int sys = pthread_create (&journal->keeper, NULL, keep, journal);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    journal->keeper_runs = sys == 0;
    return sys == 0 ? 0 : zf_error_set (err, ZF_E_NOMEM, "no thread to prepare segments");
}

void zf_keeper_stop (zf_journal_t *journal)
{
    if (!journal->keeper_runs)
        return;
    pthread_mutex_lock (&journal->lock);
    atomic_store (&journal->stopping, true);
    pthread_cond_signal (&journal->work);
    pthread_mutex_unlock (&journal->lock);
    pthread_join (journal->keeper, NULL);
    journal->keeper_runs = false;
}
