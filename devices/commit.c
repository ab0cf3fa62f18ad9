#include "devices/commit.h"

#include <stdlib.h>
#include <zferry/error.h>

#define UNDER_WAY_MAX (UINT64_C (64) << 20) /* bytes that are not durable yet */
#define RESERVE_STEP  (UINT64_C (8) << 20)  /* less is not worth telling the log */
#define SEGMENT_BYTES (UINT64_C (64) << 20)
#define SEGMENT_STEP  (UINT64_C (1) << 20)
#define SEGMENT_SHARE 16 /* of the cap is one */
#define ENTRY_SHARE   4  /* of a segment an entry has at most, or is an exception */
#define SLACK_BYTES   (UINT64_C (128) << 20) /* of dead entries in a log without a cap, */
#define SLACK_SHARE   8                      /* or this share of the cap */

static zf_wal_sync_t sync_of (zf_sync_t sync)
{
    switch (sync) {
    case ZF_SYNC_INTERVAL:
        return ZF_WAL_SYNC_INTERVAL;
    case ZF_SYNC_NEVER:
        return ZF_WAL_SYNC_NEVER;
    case ZF_SYNC_ALWAYS:
    case ZF_SYNC_NONE:
        break;
    }
    return ZF_WAL_SYNC_ALWAYS;
}

/* Space is given back segment by segment: under a small cap they are small. */
static uint64_t segment_for (const zf_commit_options_t *options)
{
    uint64_t bytes = options->disk_bytes / SEGMENT_SHARE / SEGMENT_STEP * SEGMENT_STEP;
    return options->disk_bytes == 0 || bytes > SEGMENT_BYTES ? SEGMENT_BYTES : bytes;
}

static int replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    return zf_engine_replay (arg, position, data, err);
}

int zf_commit_open (zf_commit_t *self, zf_engine_t *engine, const zf_commit_options_t *options,
                    uint64_t now_ms, zf_error_t *err)
{
    *self = (zf_commit_t){.engine = engine, .segment_bytes = segment_for (options)};
    if (options->journal == NULL)
        return 0;
    uint64_t cap = options->disk_bytes;
    uint64_t slack = cap != 0 && cap / SLACK_SHARE < SLACK_BYTES ? cap / SLACK_SHARE : SLACK_BYTES;
    zf_log_options_t log = {.sync = options->sync, .disk_bytes = cap, .now_ms = now_ms};
    log.slack_bytes = slack;
    log.segment_bytes = self->segment_bytes;
    zf_engine_log_open (engine, &log);
    zf_wal_options_t wal = {.dir = options->journal,
                            .sync = sync_of (options->sync),
                            .interval_ms = options->interval_ms,
                            .disk_bytes = cap,
                            .segment_bytes = self->segment_bytes,
                            .replay = replay,
                            .arg = engine};
    int rc = zf_wal_file_open (&self->wal, &wal, err);
    if (rc != 0)
        return rc;
    zf_wal_stats_t stats;
    self->wal->stats (self->wal, &stats);
    zf_engine_recovered (engine, self->wal->uuid, stats.next, self->wal->closed);
    return 0;
}

int zf_commit_fd (const zf_commit_t *self)
{
    return self->wal != NULL ? self->wal->fd : -1;
}

/* -- what the log says ------------------------------------------------------------------------- */

static void tell_full (zf_commit_t *self, const char *why)
{
    if (!self->full)
        zf_notice (self->engine, ZF_EVENT_DISK, "the journal waits for space: %s", why);
    self->full = true;
}

static void tell_room (zf_commit_t *self)
{
    if (self->full)
        zf_notice (self->engine, ZF_EVENT_DISK, "the journal has space again");
    self->full = false;
    zf_memory_freed (self->engine);
}

static void take (zf_commit_t *self, zf_wal_event_t *event)
{
    switch (event->what) {
    case ZF_WAL_DURABLE:
        zf_engine_durable (self->engine, event->lsn);
        zf_memory_freed (self->engine); /* less is under way */
        break;
    case ZF_WAL_READ:
        zf_engine_loaded (self->engine, event->tag, event->frame, event->code);
        break;
    case ZF_WAL_ROOM:
        tell_room (self);
        break;
    case ZF_WAL_FULL:
        tell_full (self, event->text);
        break;
    case ZF_WAL_FAILED:
        zf_engine_log_failed (self->engine, event->code, event->text);
        break;
    }
}

static uint64_t less (uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* No entry lies in two segments, so the end of each may stay unused. */
static uint64_t room_in (const zf_commit_t *self, const zf_wal_stats_t *stats)
{
    uint64_t segments = stats->room / self->segment_bytes + 1;
    return less (stats->room, segments * self->largest);
}

static uint64_t growth (const zf_wal_stats_t *stats)
{
    if (stats->full || stats->tight) /* the disk itself */
        return 0;
    return stats->disk_cap == 0 ? UINT64_MAX : less (stats->disk_cap, stats->disk_bytes);
}

void zf_commit_collect (zf_commit_t *self)
{
    if (self->wal == NULL)
        return;
    zf_wal_event_t event;
    while (self->wal->event (self->wal, &event))
        take (self, &event);
    zf_wal_stats_t stats;
    self->wal->stats (self->wal, &stats);
    zf_log_state_t state = {.next = stats.next,
                            .lowest = stats.lowest,
                            .room = room_in (self, &stats),
                            .growth = growth (&stats),
                            .window = less (UNDER_WAY_MAX, stats.next - stats.durable)};
    zf_engine_log_at (self->engine, &state);
}

/* -- what the engine says ---------------------------------------------------------------------- */

static void reserve (zf_commit_t *self)
{
    uint64_t bytes = zf_store_reserve (self->engine) + self->largest;
    bytes += bytes / self->segment_bytes * self->largest; /* what room_in takes off again */
    bytes = bytes / RESERVE_STEP * RESERVE_STEP + RESERVE_STEP + self->segment_bytes;
    if (bytes == self->reserved)
        return;
    self->reserved = bytes;
    self->wal->reserve (self->wal, bytes);
}

static uint64_t sum (const zf_part_t *parts, size_t count)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += parts[i].bytes.size;
    return bytes;
}

void zf_commit_run (zf_commit_t *self)
{
    if (self->wal == NULL)
        return;
    zf_part_t *parts = NULL;
    size_t count = zf_engine_entry (self->engine, &parts);
    if (count > 0)
        self->wal->append (self->wal, parts, count);
    uint64_t size = zf_journal_extent (sum (parts, count));
    if (size > self->segment_bytes / ENTRY_SHARE)
        size = self->segment_bytes / ENTRY_SHARE;
    self->largest = count > 0 && size > self->largest ? size : self->largest;
    zf_engine_committed (self->engine);
    uint64_t lsn;
    if (zf_engine_trim (self->engine, &lsn))
        self->wal->trim (self->wal, lsn);
    zf_wanted_t wanted;
    while (zf_engine_load (self->engine, &wanted))
        self->wal->read (self->wal, wanted.lsn, wanted.offset, wanted.size, wanted.tag);
    reserve (self);
}

void zf_commit_stats (const zf_commit_t *self, zf_stat_fn *fn, void *arg)
{
    if (self->wal == NULL)
        return;
    zf_wal_stats_t stats;
    self->wal->stats (self->wal, &stats);
    fn (arg, "journal_bytes", stats.disk_bytes);
    fn (arg, "journal_cap", stats.disk_cap);
    fn (arg, "journal_room", stats.room);
    fn (arg, "journal_under_way", stats.next - stats.durable);
    fn (arg, "journal_appends", stats.appends);
    fn (arg, "journal_appended_bytes", stats.appended_bytes);
    fn (arg, "journal_syncs", stats.syncs);
    fn (arg, "journal_full", stats.full || stats.tight);
    fn (arg, "journal_failed", stats.failed);
    zf_histogram_t sync_us;
    if (self->wal->sync_times == NULL)
        return;
    self->wal->sync_times (self->wal, &sync_us);
    zf_histogram_tell (&sync_us, &zf_sync_us, fn, arg);
}

void zf_commit_close (zf_commit_t *self)
{
    if (self->wal != NULL)
        self->wal->close (self->wal);
    self->wal = NULL;
}
