/* A log for the world: entries become durable, and are read back, when the input says so; the
 * broker may die and come back as what was durable. A log that can't be read back aborts. */
#ifndef TESTS_FUZZ_WORLD_LOG_H
#define TESTS_FUZZ_WORLD_LOG_H

#include "persist/wal.h"
#include "tests/fuzz/world.h"

typedef struct {
    zf_wal_t *wal;
    zf_log_options_t options;
} world_log_t;

static zf_wal_stats_t log_stats (const world_log_t *log)
{
    zf_wal_stats_t stats;
    log->wal->stats (log->wal, &stats);
    return stats;
}

static void log_place (world_t *world, const world_log_t *log)
{
    zf_wal_stats_t stats = log_stats (log);
    const zf_log_state_t state = {stats.next, stats.lowest, stats.room, 1 << 30, 1 << 20};
    zf_engine_log_at (world->engine, &state);
}

/* An engine like the one that is there; that one is freed. */
static void log_renew (world_t *world, world_log_t *log)
{
    zf_engine_options_t options = world->engine->options;
    for (unsigned i = 0; i < PEERS; i++)
        world->sessions[i] = NULL;
    zf_engine_free (&world->engine);
    world->engine = zf_engine_new (&options);
    if (world->engine == NULL)
        abort ();
    log->options.now_ms = world->now_ms;
    zf_engine_log_open (world->engine, &log->options);
}

static void world_log_open (world_t *world, world_log_t *log, uint8_t kind)
{
    log->options.sync = ZF_SYNC_ALWAYS;
    log->options.slack_bytes = UINT64_C (256) << (kind & 15);
    if (zf_wal_memory_open (&log->wal) != 0)
        abort ();
    log_renew (world, log);
    zf_engine_recovered (world->engine, log->wal->uuid, 0, true);
    log_place (world, log);
}

static void log_take_events (world_t *world, world_log_t *log)
{
    zf_wal_event_t event;
    while (log->wal->event (log->wal, &event)) {
        if (event.what == ZF_WAL_DURABLE)
            zf_engine_durable (world->engine, event.lsn);
        else if (event.what == ZF_WAL_READ)
            zf_engine_loaded (world->engine, event.tag, event.frame, event.code);
    }
    zf_memory_freed (world->engine);
}

static void world_log_turn (world_t *world, world_log_t *log)
{
    zf_part_t *parts = NULL;
    zf_wanted_t wanted;
    uint64_t lsn;
    zf_engine_decide (world->engine);
    size_t count = zf_engine_entry (world->engine, &parts);
    if (count > 0)
        log->wal->append (log->wal, parts, count);
    zf_engine_committed (world->engine);
    if (zf_engine_trim (world->engine, &lsn))
        log->wal->trim (log->wal, lsn);
    while (zf_engine_load (world->engine, &wanted))
        log->wal->read (log->wal, wanted.lsn, wanted.offset, wanted.size, wanted.tag);
    world_after (world);
    log_place (world, log);
}

/* What is `behind` bytes from the end, and all before it, is durable. */
static void world_log_sync (world_t *world, world_log_t *log, uint8_t behind)
{
    uint64_t next = log_stats (log).next;
    uint64_t back = (uint64_t) (behind & 127) * 8;
    zf_wal_memory_sync (log->wal, next > back ? next - back : 0);
    log_take_events (world, log);
}

static int log_replay (void *arg, uint64_t lsn, zf_bytes_t entry, zf_error_t *err)
{
    const world_t *world = arg;
    return zf_engine_replay (world->engine, lsn, entry, err);
}

static void world_log_crash (world_t *world, world_log_t *log)
{
    zf_error_t err;
    log_renew (world, log);
    if (zf_wal_memory_crash (log->wal, log_replay, world, &err) != 0) {
        fprintf (stderr, "%s\n", err.text);
        abort ();
    }
    zf_engine_recovered (world->engine, log->wal->uuid, log_stats (log).next, false);
    audit_engine (world->engine);
    log_place (world, log);
}

#endif
