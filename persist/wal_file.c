/* The write-ahead log in a journal: the device's side. */
#include "persist/wal_file.h"
#include "persist/journal.h"
#include "persist/wal_frame.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* -- handing over ------------------------------------------------------------------------------ */

/* Ends a locked stretch that had something for the writer. */
static void unlock_and_wake (zf_wal_file_t *self)
{
    bool waits = self->writer_waits;
    self->writer_waits = false;
    pthread_mutex_unlock (&self->lock);
    if (waits)
        pthread_cond_signal (&self->work);
}

static void hand_over (zf_wal_file_t *self, zf_wal_job_t *job)
{
    pthread_mutex_lock (&self->lock);
    if (job != NULL) {
        *self->last = job;
        self->last = &job->next;
    } else {
        self->no_memory = true;
        self->dead = true;
    }
    unlock_and_wake (self);
}

static uint64_t append (zf_wal_t *wal, const zf_wal_part_t *parts, size_t count)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    uint64_t lsn = self->next;
    if (self->dead)
        return lsn;
    zf_wal_job_t *job = zf_wal_job_append (&self->jobs, lsn, parts, count);
    if (job != NULL)
        self->next = job->end;
    hand_over (self, job);
    return lsn;
}

/* A trim that would say nothing new is none. */
static void trim (zf_wal_t *wal, uint64_t lsn)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    if (self->dead || lsn <= self->trimmed)
        return;
    self->trimmed = lsn;
    zf_wal_job_t *job = zf_wal_job_trim (&self->jobs, self->next, lsn);
    if (job != NULL)
        self->next = job->end;
    hand_over (self, job);
}

static void reserve (zf_wal_t *wal, uint64_t bytes)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    pthread_mutex_lock (&self->lock);
    self->reserve_changed = self->reserve_changed || self->reserve != bytes;
    self->reserve = bytes;
    unlock_and_wake (self);
}

/* The journal's word, on any thread. */
static void room_changed (void *arg)
{
    zf_wal_file_t *self = arg;
    pthread_mutex_lock (&self->lock);
    self->room_changed = true;
    unlock_and_wake (self);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* What is not durable yet is still here. */
static void answer_at_once (const zf_wal_job_t *job, zf_wal_read_t *read)
{
    zf_wal_event_t *event = &read->event;
    if (read->offset > job->size || read->size > job->size - read->offset) {
        event->code = ZF_E_INVAL;
        return;
    }
    event->frame = zf_wal_frame_new (read->size);
    if (event->frame == NULL)
        event->code = ZF_E_NOMEM;
    else
        zf_wal_job_copy (job, read->offset, event->frame->data, read->size);
}

static void read_back (zf_wal_t *wal, uint64_t lsn, uint32_t offset, uint32_t size, uint64_t tag)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    const zf_wal_job_t *job = zf_wal_jobs_find (&self->jobs, lsn);
    zf_wal_read_t *read = calloc (1, sizeof *read);
    if (read == NULL) {
        hand_over (self, NULL);
        return;
    }
    read->event = (zf_wal_event_t){.what = ZF_WAL_READ, .lsn = lsn, .tag = tag};
    read->offset = offset;
    read->size = size;
    if (job != NULL)
        answer_at_once (job, read);
    pthread_mutex_lock (&self->lock);
    zf_wal_reads_add (job != NULL ? &self->answers : &self->reads, read);
    if (job != NULL)
        zf_wal_raise (self);
    pthread_mutex_unlock (&self->lock);
    if (job == NULL)
        pthread_cond_signal (&self->asked);
}

/* -- events ------------------------------------------------------------------------------------ */

/* The descriptor is written and read under the lock, so that it is readable just as long as there
 * are events. */
void zf_wal_raise (zf_wal_file_t *self)
{
    uint64_t one = 1;
    if (self->raised)
        return;
    self->raised = true;
    while (write (self->wal.fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void lower (zf_wal_file_t *self)
{
    uint64_t count;
    self->raised = false;
    while (read (self->wal.fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

static bool any_event (const zf_wal_file_t *self)
{
    return self->durable != self->told || self->answers.first != NULL || self->tell_full ||
           self->tell_room || self->tell_failed;
}

static void say (zf_wal_event_t *event, zf_wal_what_t what, const zf_error_t *why)
{
    *event = (zf_wal_event_t){.what = what, .code = why->code};
    memcpy (event->text, why->text, sizeof event->text);
}

/* Takes the one that comes first; there is one. A failure comes last: nothing does after it. */
static void take_one (zf_wal_file_t *self, zf_wal_event_t *event)
{
    if (self->durable != self->told) {
        self->told = self->durable;
        *event = (zf_wal_event_t){.what = ZF_WAL_DURABLE, .lsn = self->durable};
    } else if (self->answers.first != NULL) {
        zf_wal_read_t *read = zf_wal_reads_take (&self->answers);
        *event = read->event;
        free (read);
    } else if (self->tell_full) {
        self->tell_full = false;
        say (event, ZF_WAL_FULL, &self->full_why);
    } else if (self->tell_room) {
        self->tell_room = false;
        *event = (zf_wal_event_t){.what = ZF_WAL_ROOM};
    } else {
        self->tell_failed = false;
        say (event, ZF_WAL_FAILED, &self->failed_why);
    }
}

static bool take_event (zf_wal_t *wal, zf_wal_event_t *event)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    pthread_mutex_lock (&self->lock);
    bool any = self->raised;
    if (any) {
        take_one (self, event);
        if (!any_event (self))
            lower (self);
    }
    pthread_mutex_unlock (&self->lock);
    if (any && event->what == ZF_WAL_DURABLE)
        zf_wal_jobs_drop (&self->jobs, event->lsn);
    if (any && event->what == ZF_WAL_FAILED) {
        self->dead = true;
        zf_wal_jobs_drop (&self->jobs, UINT64_MAX);
    }
    return any;
}

/* -- the rest ---------------------------------------------------------------------------------- */

static void get_stats (zf_wal_t *wal, zf_wal_stats_t *stats)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    pthread_mutex_lock (&self->lock);
    const zf_journal_stats_t *journal = &self->said;
    *stats = (zf_wal_stats_t){
        .lowest = journal->first,
        .next = self->next,
        .durable = self->durable,
        .room = self->limit > self->next ? self->limit - self->next : 0,
        .disk_bytes = journal->disk_bytes,
        .disk_cap = self->disk_cap,
        .syncs = journal->syncs,
        .appends = journal->appends,
        .appended_bytes = journal->append_bytes,
        .full = self->full,
        .tight = self->tight,
        .failed = self->failed,
    };
    pthread_mutex_unlock (&self->lock);
}

static void get_sync_times (zf_wal_t *wal, zf_histogram_t *sync_us)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    pthread_mutex_lock (&self->lock);
    *sync_us = self->sync_us;
    pthread_mutex_unlock (&self->lock);
}

static void drop_reads (zf_wal_reads_t *list)
{
    zf_wal_read_t *read;
    while ((read = zf_wal_reads_take (list)) != NULL) {
        zf_frame_drop (read->event.frame);
        free (read);
    }
}

/* Frees what is there; the threads have ended. */
static void destroy (zf_wal_file_t *self)
{
    zf_journal_close (&self->journal);
    drop_reads (&self->reads);
    drop_reads (&self->answers);
    zf_wal_jobs_free (&self->jobs);
    pthread_cond_destroy (&self->asked);
    pthread_cond_destroy (&self->work);
    pthread_mutex_destroy (&self->lock);
    if (self->wal.fd >= 0)
        close (self->wal.fd);
    free (self);
}

static void call_to_end (zf_wal_file_t *self)
{
    pthread_mutex_lock (&self->lock);
    self->closing = true;
    unlock_and_wake (self);
    pthread_cond_signal (&self->asked);
}

static void close_log (zf_wal_t *wal)
{
    zf_wal_file_t *self = (zf_wal_file_t *) wal;
    call_to_end (self);
    pthread_join (self->writer, NULL);
    pthread_join (self->reader, NULL);
    destroy (self);
}

/* -- opening ----------------------------------------------------------------------------------- */

static zf_wal_file_t *make (const zf_wal_options_t *options)
{
    zf_wal_file_t *self = calloc (1, sizeof *self);
    pthread_condattr_t monotonic;
    if (self == NULL)
        return NULL;
    self->wal = (zf_wal_t){
        .append = append,
        .read = read_back,
        .trim = trim,
        .event = take_event,
        .stats = get_stats,
        .sync_times = get_sync_times,
        .reserve = reserve,
        .close = close_log,
        .fd = -1,
        .keeps = true,
    };
    self->sync = options->sync;
    self->interval_ms = options->interval_ms;
    self->disk_cap = options->disk_bytes;
    self->last = &self->pending;
    self->reads.last = &self->reads.first;
    self->answers.last = &self->answers.first;
    pthread_condattr_init (&monotonic);
    pthread_condattr_setclock (&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init (&self->lock, NULL);
    pthread_cond_init (&self->work, &monotonic);
    pthread_cond_init (&self->asked, &monotonic);
    pthread_condattr_destroy (&monotonic);
    return self;
}

/* What was replayed is made durable, so that nobody has to ask which part of it is. */
static int open_journal (zf_wal_file_t *self, const zf_wal_options_t *options, zf_error_t *err)
{
    zf_journal_options_t journal;
    zf_journal_defaults (&journal);
    journal.dir = options->dir;
    journal.disk_bytes = options->disk_bytes;
    journal.replay = options->replay;
    journal.arg = options->arg;
    if (options->segment_bytes != 0)
        journal.segment_bytes = options->segment_bytes;
    self->segment_bytes = journal.segment_bytes;
    zf_fs_t *fs = options->fs != NULL ? options->fs : zf_fs_system ();
    int rc = zf_journal_open_on (&self->journal, fs, &journal, err);
    if (rc == 0)
        rc = zf_journal_sync (self->journal, err);
    return rc;
}

static void begin_with_journal (zf_wal_file_t *self)
{
    zf_journal_stats_t stats;
    zf_journal_stats (self->journal, &stats);
    memcpy (self->wal.uuid, stats.uuid, sizeof self->wal.uuid);
    self->wal.closed = stats.closed;
    self->next = stats.next;
    self->trimmed = stats.first;
    self->durable = stats.next;
    self->told = stats.next;
    self->limit = stats.next + stats.room;
    self->said = stats;
    zf_journal_watch (self->journal, room_changed, self);
}

static int start_thread (pthread_t *thread, void *(*run) (void *), zf_wal_file_t *self)
{
    return pthread_create (thread, NULL, run, self);
}

/* Signals are the application's: none is handled on the log's threads. */
static int start_threads (zf_wal_file_t *self, zf_error_t *err)
{
    sigset_t all;
    sigset_t before;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    int rc = start_thread (&self->writer, zf_wal_writer, self);
    if (rc == 0) {
        rc = start_thread (&self->reader, zf_wal_reader, self);
        if (rc != 0) {
            call_to_end (self);
            pthread_join (self->writer, NULL);
        }
    }
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : zf_error_set (err, ZF_E_NOMEM, "log: cannot start a thread");
}

int zf_wal_file_open (zf_wal_t **wal, const zf_wal_options_t *options, zf_error_t *err)
{
    *wal = NULL;
    zf_wal_file_t *self = make (options);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    int rc = open_journal (self, options, err);
    if (rc == 0) {
        self->wal.fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (self->wal.fd < 0)
            rc = zf_error_set (err, ZF_E_IO, "log: cannot make an eventfd: %s", strerror (errno));
    }
    if (rc == 0) {
        begin_with_journal (self);
        rc = start_threads (self, err);
    }
    if (rc != 0) {
        destroy (self);
        return rc;
    }
    *wal = &self->wal;
    return 0;
}
