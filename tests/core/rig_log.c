#include "tests/core/rig_log.h"

#include "tests/core/alloc.h"
#include "tests/core/audit.h"

#include <stdlib.h>
#include <utlist.h>

#define SLACK_BYTES   65536
#define UNDER_WAY_MAX (UINT64_C (64) << 20)

typedef struct rig_log rig_log_t;

static zf_wal_stats_t stats_of (const rig_log_t *log)
{
    zf_wal_stats_t stats;
    log->wal->stats (log->wal, &stats);
    return stats;
}

/* -- the shelf --------------------------------------------------------------------------------- */

static void put_on_shelf (rig_log_t *log, uint64_t lsn, const zf_part_t *parts, size_t count)
{
    zf_writer_t bytes = {0};
    for (size_t i = 0; i < count; i++)
        zf_write_bytes (&bytes, parts[i].bytes.data, parts[i].bytes.size);
    assert_false (bytes.failed);
    if (log->count == log->capacity) {
        log->capacity = 2 * log->capacity + 64;
        log->shelf = realloc (log->shelf, log->capacity * sizeof *log->shelf);
        assert_non_null (log->shelf);
    }
    log->shelf[log->count++] = (shelved_t){lsn, bytes.data, bytes.size};
}

static void clear_shelf (rig_log_t *log, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        free (log->shelf[i].data);
    log->count -= count;
    if (log->count > first)
        memmove (&log->shelf[first], &log->shelf[first + count],
                 (log->count - first) * sizeof *log->shelf);
}

static void trim_shelf (rig_log_t *log, uint64_t lsn)
{
    size_t n = 0;
    while (n < log->count && log->shelf[n].lsn < lsn)
        n++;
    clear_shelf (log, 0, n);
}

/* -- turns ------------------------------------------------------------------------------------- */

void rig_log_commit (rig_t *rig)
{
    rig_log_t *log = rig->log;
    if (log == NULL)
        return;
    zf_part_t *parts = NULL;
    uint64_t next = stats_of (log).next;
    alloc_enter ();
    size_t count = zf_engine_entry (rig->engine, &parts);
    alloc_leave ();
    if (count > 0) {
        assert_int_equal (log->wal->append (log->wal, parts, count), next);
        put_on_shelf (log, next, parts, count);
        log->appended_bytes += log->shelf[log->count - 1].size;
    }
    zf_engine_committed (rig->engine);
    uint64_t lsn;
    if (zf_engine_trim (rig->engine, &lsn)) {
        log->wal->trim (log->wal, lsn);
        trim_shelf (log, lsn);
    }
    zf_wanted_t wanted;
    while (zf_engine_load (rig->engine, &wanted)) {
        log->wal->read (log->wal, wanted.lsn, wanted.offset, wanted.size, wanted.tag);
        log->reads++;
    }
    if (count > 0 && log->on_entry != NULL)
        log->on_entry (rig);
}

static void hand_over (rig_t *rig, zf_wal_event_t *event)
{
    const rig_log_t *log = rig->log;
    int code = event->code != 0 ? event->code : log->read_code;
    if (code != 0) {
        zf_frame_drop (event->frame);
        event->frame = NULL;
    } else if (log->rots) {
        event->frame->data[event->frame->size / 2] ^= 0x10;
    }
    zf_engine_loaded (rig->engine, event->tag, event->frame, code);
}

static void take_events (rig_t *rig)
{
    zf_wal_event_t event;
    alloc_enter ();
    while (rig->log->wal->event (rig->log->wal, &event)) {
        if (event.what == ZF_WAL_DURABLE) {
            zf_engine_durable (rig->engine, event.lsn);
            zf_memory_freed (rig->engine);
        } else if (event.what == ZF_WAL_READ) {
            hand_over (rig, &event);
        } else {
            fail_msg ("the log says %d: %s", (int) event.what, event.text);
        }
    }
    alloc_leave ();
}

static void place_next (rig_t *rig)
{
    const rig_log_t *log = rig->log;
    zf_wal_stats_t stats = stats_of (log);
    uint64_t room = stats.room < log->room ? stats.room : log->room;
    uint64_t under_way = stats.next - stats.durable;
    uint64_t window = under_way < UNDER_WAY_MAX ? UNDER_WAY_MAX - under_way : 0;
    alloc_enter ();
    zf_log_state_t state = {stats.next, stats.lowest, room, UINT64_MAX, window};
    zf_engine_log_at (rig->engine, &state);
    alloc_leave ();
}

void rig_log_collect (rig_t *rig)
{
    rig_log_t *log = rig->log;
    if (log == NULL)
        return;
    if (!log->by_hand) {
        zf_wal_memory_sync (log->wal, stats_of (log).next);
        take_events (rig);
    }
    place_next (rig);
}

/* -- what the test says ------------------------------------------------------------------------ */

/* The lsn behind the first n entries that are not durable. */
static uint64_t behind (const rig_log_t *log, size_t n)
{
    zf_wal_stats_t stats = stats_of (log);
    for (size_t i = 0; i < log->count; i++)
        if (log->shelf[i].lsn >= stats.durable && n-- == 0)
            return log->shelf[i].lsn;
    return stats.next;
}

void rig_sync_some (rig_t *rig, size_t n)
{
    zf_wal_memory_sync (rig->log->wal, behind (rig->log, n));
    take_events (rig);
    place_next (rig);
    rig_turn (rig);
}

void rig_sync (rig_t *rig)
{
    rig_sync_some (rig, SIZE_MAX);
}

void rig_load (rig_t *rig)
{
    take_events (rig);
    rig_turn (rig);
}

void rig_fail_log (rig_t *rig)
{
    zf_engine_log_failed (rig->engine, ZF_E_IO, "the disk is gone");
    rig_turn (rig);
}

size_t rig_unsynced (const rig_t *rig)
{
    uint64_t durable = stats_of (rig->log).durable;
    size_t n = 0;
    for (size_t i = 0; i < rig->log->count; i++)
        n += rig->log->shelf[i].lsn >= durable;
    return n;
}

/* -- opening ----------------------------------------------------------------------------------- */

static int replay (void *arg, uint64_t lsn, zf_bytes_t entry, zf_error_t *err)
{
    const rig_t *rig = arg;
    const zf_part_t part = {entry, NULL};
    put_on_shelf (rig->log, lsn, &part, 1);
    return zf_engine_replay (rig->engine, lsn, entry, err);
}

static zf_engine_t *new_engine (const rig_t *rig)
{
    rig_log_t *log = rig->log;
    zf_engine_t *engine = zf_engine_new (&log->options);
    assert_non_null (engine);
    log->log.now_ms = rig->now_ms;
    zf_engine_log_open (engine, &log->log);
    return engine;
}

rig_t *rig_new_logged (const zf_engine_options_t *options, const zf_log_options_t *log)
{
    rig_t *rig = rig_new (options);
    rig->log = calloc (1, sizeof *rig->log);
    assert_non_null (rig->log);
    rig->log->options = rig->engine->options;
    rig->log->log = (zf_log_options_t){.sync = ZF_SYNC_ALWAYS, .slack_bytes = SLACK_BYTES};
    if (log != NULL)
        rig->log->log = *log;
    rig->log->room = UINT64_MAX;
    assert_int_equal (zf_wal_memory_open (&rig->log->wal), 0);
    zf_engine_free (&rig->engine);
    rig->engine = new_engine (rig);
    zf_engine_recovered (rig->engine, rig->log->wal->uuid, 0, true);
    place_next (rig);
    zf_engine_tick (rig->engine, rig->now_ms);
    return rig;
}

zf_engine_t *rig_replayed (const rig_t *rig)
{
    zf_engine_t *engine = new_engine (rig);
    const rig_log_t *log = rig->log;
    zf_error_t err;
    for (size_t i = 0; i < log->count; i++) {
        const shelved_t *entry = &log->shelf[i];
        zf_bytes_t bytes = zf_bytes (entry->data, entry->size);
        if (zf_engine_replay (engine, entry->lsn, bytes, &err) != 0)
            fail_msg ("%s", err.text);
    }
    return engine;
}

static void forget_held (peer_t *peer)
{
    held_t *held, *next;
    DL_FOREACH_SAFE (peer->held, held, next)
        free (held);
    peer->held = NULL;
    peer_forget_letters (peer);
    if (peer->session == NULL) /* it had left */
        peer->link = NULL;
    peer->session = NULL;
}

static void come_back (peer_t *peer)
{
    if (peer->mute || peer->link == NULL)
        return;
    peer_reconnect (peer);
    peer_forget_letters (peer);
}

void rig_crash (rig_t *rig)
{
    rig_log_t *log = rig->log;
    zf_error_t err;
    peer_t *peer;
    LL_FOREACH (rig->peers, peer)
        forget_held (peer);
    zf_engine_free (&rig->engine);
    rig->engine = new_engine (rig);
    clear_shelf (log, 0, log->count);
    if (zf_wal_memory_crash (log->wal, replay, rig, &err) != 0)
        fail_msg ("%s", err.text);
    zf_wal_stats_t stats = stats_of (log);
    zf_engine_recovered (rig->engine, log->wal->uuid, stats.next, true);
    place_next (rig);
    audit_engine (rig->engine);
    rig_turn (rig);
    LL_FOREACH (rig->peers, peer)
        come_back (peer);
}

void rig_crash_late (rig_t *rig, size_t n)
{
    zf_wal_memory_sync (rig->log->wal, behind (rig->log, n));
    rig_crash (rig);
}

static bool see (rig_t *rig, zf_queue_t *queue, uint64_t id, zf_sight_t *sight)
{
    bool found = zf_queue_peek (queue, id, sight);
    for (int i = 0; found && !sight->here; i++) {
        assert_in_range (i, 0, 100); /* else it is never read */
        rig_turn (rig);
        rig_load (rig);
        found = zf_queue_peek (queue, id, sight);
    }
    return found;
}

const char *rig_bodies (rig_t *rig, const char *queue)
{
    static char text[65536];
    zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    zf_sight_t sight;
    size_t size = 0;
    text[0] = '\0';
    for (uint64_t id = 0; found != NULL && see (rig, found, id, &sight); id = sight.id + 1) {
        zf_bytes_t body = sight.record.body;
        assert_true (size + body.size + 2 < sizeof text);
        size += (size_t) snprintf (text + size, sizeof text - size, "%s%.*s", size > 0 ? " " : "",
                                   (int) body.size, (const char *) body.data);
    }
    return text;
}

void rig_log_close (rig_t *rig)
{
    rig_log_t *log = rig->log;
    if (log == NULL)
        return;
    log->wal->close (log->wal);
    clear_shelf (log, 0, log->count);
    free (log->shelf);
    free (log);
    rig->log = NULL;
}
