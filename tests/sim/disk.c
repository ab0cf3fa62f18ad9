#include "tests/sim/disk.h"

#include "persist/wal.h"
#include "tests/sim/chronicle.h"
#include "tests/sim/ledger.h"
#include "tests/sim/peer.h"
#include "tests/sim/plant.h"

#define WINDOW_BYTES (UINT64_C (64) << 20)

struct disk {
    zf_wal_t *wal;
    zf_log_options_t options;
    zf_engine_options_t engine; /* options of each engine */
    uint32_t delay_ms;          /* until an entry is durable, at most */
};

static zf_wal_stats_t stats_of (const sim_t *sim)
{
    zf_wal_stats_t stats;
    sim->disk->wal->stats (sim->disk->wal, &stats);
    return stats;
}

/* -- opening ----------------------------------------------------------------------------------- */

static void make_engine (sim_t *sim)
{
    disk_t *disk = sim->disk;
    sim->engine = zf_engine_new (&disk->engine);
    disk->options.now_ms = sim->now_ms;
    zf_engine_log_open (sim->engine, &disk->options);
    scenario_rule (sim);
}

void disk_open (sim_t *sim)
{
    static const uint32_t delays[] = {0, 5, 50, 500};
    static const uint64_t slacks[] = {2000, 20000, 1 << 30};
    disk_t *disk = sim->disk = vec_new (sizeof *disk);
    disk->engine = sim->engine->options;
    disk->delay_ms = PRNG_PICK (&sim->prng, delays);
    disk->options.sync = ZF_SYNC_ALWAYS;
    disk->options.slack_bytes = PRNG_PICK (&sim->prng, slacks);
    if (zf_wal_memory_open (&disk->wal) != 0)
        sim_fail (sim, "no memory for a log");
    zf_engine_free (&sim->engine);
    make_engine (sim);
    zf_engine_recovered (sim->engine, disk->wal->uuid, 0, true);
    zf_engine_tick (sim->engine, sim->now_ms);
}

void disk_close (sim_t *sim)
{
    if (sim->disk == NULL)
        return;
    sim->disk->wal->close (sim->disk->wal);
    free (sim->disk);
}

/* -- turns ------------------------------------------------------------------------------------- */

void disk_begin (sim_t *sim)
{
    zf_wal_stats_t stats = stats_of (sim);
    const zf_log_state_t state = {.next = stats.next,
                                  .lowest = stats.lowest,
                                  .room = stats.room,
                                  .growth = UINT64_MAX,
                                  .window = WINDOW_BYTES};
    disk_collect (sim);
    zf_engine_log_at (sim->engine, &state);
}

void disk_collect (sim_t *sim)
{
    zf_wal_t *wal = sim->disk->wal;
    zf_wal_event_t event;
    while (wal->event (wal, &event)) {
        if (event.what == ZF_WAL_DURABLE) {
            zf_engine_durable (sim->engine, event.lsn);
            zf_memory_freed (sim->engine);
        } else if (event.what == ZF_WAL_READ) {
            zf_engine_loaded (sim->engine, event.tag, event.frame, event.code);
        } else {
            sim_fail (sim, "the log says %d", (int) event.what);
        }
    }
    if (sim->plant != NULL && sim->plant->hasty)
        zf_engine_durable (sim->engine, stats_of (sim).next);
}

static void on_sync (void *target, uint64_t lsn)
{
    sim_t *sim = target;
    zf_wal_memory_sync (sim->disk->wal, lsn);
}

static void append (sim_t *sim, const zf_part_t *parts, size_t count)
{
    disk_t *disk = sim->disk;
    zf_writer_t entry = {0};
    for (size_t i = 0; i < count; i++)
        zf_write_bytes (&entry, parts[i].bytes.data, parts[i].bytes.size);
    if (sim->plant != NULL)
        plant_spoil (sim->plant, &entry);
    const zf_wal_part_t whole = {zf_bytes (entry.data, entry.size), NULL};
    disk->wal->append (disk->wal, &whole, 1);
    zf_writer_free (&entry);
}

void disk_commit (sim_t *sim)
{
    disk_t *disk = sim->disk;
    zf_part_t *parts = NULL;
    zf_wanted_t wanted;
    uint64_t lsn;
    size_t count = zf_engine_entry (sim->engine, &parts);
    if (count > 0)
        append (sim, parts, count);
    zf_engine_committed (sim->engine);
    if (zf_engine_trim (sim->engine, &lsn))
        disk->wal->trim (disk->wal,
                         sim->plant != NULL && sim->plant->greedy ? stats_of (sim).durable : lsn);
    while (zf_engine_load (sim->engine, &wanted))
        disk->wal->read (disk->wal, wanted.lsn, wanted.offset, wanted.size, wanted.tag);
    if (stats_of (sim).next > stats_of (sim).durable)
        clock_set (&sim->clock, sim->now_ms + prng_below (&sim->prng, disk->delay_ms + 1), on_sync,
                   sim, stats_of (sim).next);
}

void disk_commit_now (sim_t *sim)
{
    disk_commit (sim);
    zf_wal_memory_sync (sim->disk->wal, stats_of (sim).next);
    disk_collect (sim);
}

/* -- the end, and a beginning ------------------------------------------------------------------ */

static int replay (void *arg, uint64_t lsn, zf_bytes_t entry, zf_error_t *err)
{
    sim_t *sim = arg;
    return zf_engine_replay (sim->engine, lsn, entry, err);
}

/* The broker's end of all connections is gone. */
static void drop_connections (sim_t *sim)
{
    for (conn_t *conn = sim->conns; conn != NULL; conn = conn->next) {
        conn->session = NULL;
        conn->detached = true;
    }
    for (size_t i = 0; i < sim->peer_count; i++)
        peer_lost (sim->peers[i]);
    sim->effects_seen = sim->outs_seen = 0;
}

static void find_queues (sim_t *sim)
{
    for (size_t i = 0; i < sim->queue_count; i++) {
        queue_t *queue = &sim->queues[i];
        queue->engine = zf_engine_find (sim->engine, zf_bytes_of (queue->name));
        if (queue->stream >= 0 && queue->made_lsn >= stats_of (sim).next) {
            queue->made_lsn = UINT64_MAX; /* that there is one was not on disk yet */
            continue;
        }
        if (queue->engine == NULL || !queue->engine->declared)
            sim_fail (sim, "%s is not there after the restart", queue->name);
    }
}

void disk_crash (sim_t *sim)
{
    disk_t *disk = sim->disk;
    zf_error_t err;
    zf_wal_stats_t stats = stats_of (sim);
    uint64_t lucky = stats.durable + prng_below (&sim->prng, stats.next - stats.durable + 1);
    zf_wal_memory_sync (disk->wal, lucky);
    drop_connections (sim);
    zf_engine_free (&sim->engine);
    sim->now_ms += prng_below (&sim->prng, 1500);
    make_engine (sim);
    if (zf_wal_memory_crash (disk->wal, replay, sim, &err) != 0)
        sim_fail (sim, "%s", err.text);
    trace (sim, "the broker dies, and comes back with what was below %" PRIu64,
           stats_of (sim).next);
    zf_engine_recovered (sim->engine, disk->wal->uuid, stats_of (sim).next, false);
    find_queues (sim);
    if (sim->ledger != NULL)
        ledger_crash (sim, stats_of (sim).next);
    else
        chronicle_crash (sim, stats_of (sim).next);
    sim->crashes++;
    if (sim->chronicle != NULL)
        scenario_groups (sim);
}
