/* The file log's writer: takes what is pending in rounds, writes it, syncs once for the round and
 * says what has become durable. */
#include "persist/journal.h"
#include "persist/wal_file.h"

#include <inttypes.h>
#include <time.h>

#define ROUND_BYTES (16u << 20) /* written before a round ends with its sync */
#define RETRY_MS    100         /* to the second try when there is no space; then twice as long */
#define RETRY_MAX   1600        /* but no longer */

static uint64_t now_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static uint64_t now_ms (void)
{
    return now_us () / 1000;
}

/* -- waiting ----------------------------------------------------------------------------------- */

static void wait_until (zf_wal_file_t *self, uint64_t at_ms)
{
    struct timespec at = {(time_t) (at_ms / 1000), (long) (at_ms % 1000) * 1000000};
    self->writer_waits = true;
    if (at_ms == UINT64_MAX)
        pthread_cond_wait (&self->work, &self->lock);
    else
        pthread_cond_timedwait (&self->work, &self->lock, &at);
    self->writer_waits = false;
}

static uint64_t least (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the writer has to do something unasked. */
static uint64_t deadline (const zf_wal_file_t *self)
{
    uint64_t until = self->starved ? self->retry_at_ms : UINT64_MAX;
    if (self->sync == ZF_WAL_SYNC_INTERVAL && self->unsynced_since_ms != 0)
        return least (until, self->unsynced_since_ms + self->interval_ms);
    return until;
}

static bool called (const zf_wal_file_t *self)
{
    if (self->closing || self->room_changed || self->reserve_changed)
        return true;
    return !self->stuck && (self->pending != NULL || self->no_memory);
}

static bool wants_to_go_on (const zf_wal_file_t *self)
{
    return called (self) || (self->todo != NULL && !self->stuck);
}

static void take_pending (zf_wal_file_t *self)
{
    if (self->todo != NULL)
        return;
    self->todo = self->pending;
    self->pending = NULL;
    self->last = &self->pending;
}

/* What the writer found when it woke up. */
typedef struct {
    bool retry;      /* it is time to try again, if there was no space */
    bool closing;    /* end once nothing is left */
    bool no_memory;  /* fail then */
    bool all;        /* todo is all there is */
    uint32_t spares; /* to keep, or to try for again; 0: as before */
} orders_t;

static uint32_t spares_for (const zf_wal_file_t *self)
{
    uint64_t spares = self->reserve / self->segment_bytes + 2;
    return spares < UINT32_MAX ? (uint32_t) spares : UINT32_MAX;
}

static orders_t await_orders (zf_wal_file_t *self)
{
    pthread_mutex_lock (&self->lock);
    uint64_t until = deadline (self);
    while (!wants_to_go_on (self) && now_ms () < until)
        wait_until (self, until);
    take_pending (self);
    bool due = self->starved && now_ms () >= self->retry_at_ms;
    orders_t orders = {
        .retry = due || self->closing,
        .closing = self->closing,
        .no_memory = self->no_memory,
        .all = self->pending == NULL,
        .spares = self->reserve_changed || (due && !self->stuck) ? spares_for (self) : 0,
    };
    self->room_changed = false;
    self->reserve_changed = false;
    pthread_mutex_unlock (&self->lock);
    return orders;
}

/* -- writing ----------------------------------------------------------------------------------- */

static int write_job (zf_wal_file_t *self, const zf_wal_job_t *job, zf_error_t *err)
{
    uint64_t lsn = zf_journal_next (self->journal);
    int rc = job->trim ? zf_journal_trim (self->journal, job->to, err)
                       : zf_journal_append (self->journal, job->parts, job->count, &lsn, err);
    if (rc != 0)
        return rc;
    uint64_t end = zf_journal_next (self->journal);
    if (lsn != job->lsn || end != job->end)
        return zf_error_set (err, ZF_E_IO,
                             "log: entry at %" PRIu64 "..%" PRIu64 ", expected at %" PRIu64
                             "..%" PRIu64,
                             lsn, end, job->lsn, job->end);
    self->trims = self->trims || job->trim;
    return 0;
}

/* Writes up to a round's worth. Returns 0, ZF_E_FULL (the first of todo does not fit) or what the
 * journal failed with. */
static int write_round (zf_wal_file_t *self, zf_error_t *err)
{
    size_t bytes = 0;
    int rc = 0;
    while (self->todo != NULL && bytes < ROUND_BYTES && rc == 0) {
        const zf_wal_job_t *job = self->todo;
        rc = write_job (self, job, err);
        if (rc != 0)
            break;
        bytes += job->size;
        self->todo = job->next;
        if (self->unsynced_since_ms == 0)
            self->unsynced_since_ms = now_ms ();
    }
    self->stuck = rc == ZF_E_FULL;
    return rc;
}

static bool sync_due (const zf_wal_file_t *self)
{
    if (self->unsynced_since_ms == 0)
        return false;
    if (self->sync == ZF_WAL_SYNC_ALWAYS || self->trims || !self->synced)
        return true;
    return self->sync == ZF_WAL_SYNC_INTERVAL &&
           now_ms () >= self->unsynced_since_ms + self->interval_ms;
}

static void note_sync (zf_wal_file_t *self, uint64_t took_us)
{
    pthread_mutex_lock (&self->lock);
    zf_histogram_add (&self->sync_us, &zf_sync_us, took_us, 1);
    pthread_mutex_unlock (&self->lock);
}

static int sync_round (zf_wal_file_t *self, zf_error_t *err)
{
    if (!sync_due (self))
        return 0;
    uint64_t began = now_us ();
    int rc = zf_journal_sync (self->journal, err);
    if (rc != 0)
        return rc;
    note_sync (self, now_us () - began);
    self->unsynced_since_ms = 0;
    self->synced = true;
    self->trims = false;
    return 0;
}

/* -- telling ----------------------------------------------------------------------------------- */

/* What the journal says of itself; tells of more room. It does not say that it is full while it
 * tries again. */
static void note_journal (zf_wal_file_t *self, const zf_journal_stats_t *stats)
{
    uint64_t limit = stats->next + stats->room;
    self->said = *stats;
    self->tight = stats->full || (self->tight && limit <= self->limit);
    if (limit > self->limit && !self->stuck) {
        self->tell_room = true;
        zf_wal_raise (self);
    }
    self->limit = limit;
}

/* Full: says so once. Going on after that: says that there is room. */
static void note_space (zf_wal_file_t *self, const zf_error_t *why)
{
    if (self->stuck == self->full)
        return;
    self->full = self->stuck;
    self->tell_room = !self->full;
    if (self->full) {
        self->tell_full = true;
        self->full_why = *why;
    }
    zf_wal_raise (self);
}

/* When to try again, if there is no space: later and later, as each try in vain fills up the disk
 * for a moment. While one is under way nothing is known. */
static void schedule_retry (zf_wal_file_t *self, const zf_journal_stats_t *stats, bool retried)
{
    bool before = self->starved;
    bool more_room = stats->next + stats->room > self->limit;
    self->starved = self->stuck || stats->full;
    if (more_room || (self->full && !self->stuck) || self->retry_ms == 0)
        self->retry_ms = RETRY_MS;
    if (self->starved && (retried || !before)) {
        self->retry_at_ms = now_ms () + self->retry_ms;
        self->retry_ms = least (2 * self->retry_ms, RETRY_MAX);
    }
}

/* What was written counts as durable, or was synced. */
static void publish (zf_wal_file_t *self, bool retried, const zf_error_t *why)
{
    zf_journal_stats_t stats;
    zf_journal_stats (self->journal, &stats);
    uint64_t upto = self->sync == ZF_WAL_SYNC_ALWAYS ? stats.durable : stats.next;
    schedule_retry (self, &stats, retried);
    pthread_mutex_lock (&self->lock);
    note_space (self, why);
    note_journal (self, &stats);
    if (upto != self->durable) {
        self->durable = upto;
        zf_wal_raise (self);
    }
    pthread_mutex_unlock (&self->lock);
}

static void fail (zf_wal_file_t *self, const zf_error_t *why)
{
    pthread_mutex_lock (&self->lock);
    self->failed = true;
    self->tell_failed = true;
    self->failed_why = *why;
    zf_wal_raise (self);
    pthread_mutex_unlock (&self->lock);
}

/* -- the thread -------------------------------------------------------------------------------- */

/* Each try in vain makes the journal say that there is no space: what is stuck waits for the time,
 * or for more room. */
static bool may_write (const zf_wal_file_t *self, const orders_t *orders)
{
    zf_journal_stats_t stats;
    if (!self->stuck || orders->retry)
        return true;
    zf_journal_stats (self->journal, &stats);
    return stats.next + stats.room > self->limit;
}

static int one_round (zf_wal_file_t *self, const orders_t *orders, zf_error_t *err)
{
    if (orders->spares != 0)
        zf_journal_set_spares (self->journal, orders->spares);
    zf_error_t full = {0};
    int rc = may_write (self, orders) ? write_round (self, &full) : 0;
    if (rc != 0 && rc != ZF_E_FULL) {
        *err = full;
        return rc;
    }
    rc = sync_round (self, err);
    if (rc != 0)
        return rc;
    publish (self, orders->retry, &full);
    if (self->said.failed) /* rather now than when the segments that are ready are used up */
        return zf_error_set (err, ZF_E_IO, "log: the journal can't make another segment");
    if (orders->no_memory && orders->all && self->todo == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "log: out of memory");
    return 0;
}

void *zf_wal_writer (void *arg)
{
    zf_wal_file_t *self = arg;
    zf_error_t err = {0};
    for (;;) {
        orders_t orders = await_orders (self);
        if (one_round (self, &orders, &err) != 0) {
            fail (self, &err);
            return NULL;
        }
        bool left = self->todo != NULL || !orders.all;
        if (orders.closing && (!left || self->stuck))
            return NULL;
    }
}
