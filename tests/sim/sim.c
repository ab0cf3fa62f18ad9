#include "tests/sim/chronicle.h"
#include "tests/sim/disk.h"
#include "tests/sim/ledger.h"
#include "tests/sim/peer.h"

#define ACTIVE_MS 20000              /* how long all happens, at most twice that */
#define DRAIN_MS  UINT64_C (3600000) /* by then all must be done */
#define IDLE_MS   UINT64_C (7260000) /* by then all must be forgotten */
#define SPINS_MAX 5000               /* turns without time going on */

/* -- phases ------------------------------------------------------------------------------------ */

static void on_drain (void *target, uint64_t arg)
{
    sim_t *sim = target;
    (void) arg;
    trace (sim, "no more trouble, and no more work");
    sim->phase = PHASE_DRAIN;
    sim->chaos = false;
}

static bool is_drained (const zf_queue_t *queue)
{
    if (queue == NULL || queue->parked != NULL)
        return false;
    if (queue->follow != NULL)
        return zf_follow_lag (queue) == 0;
    return queue->stream != NULL || queue->length == 0;
}

static bool is_done (sim_t *sim)
{
    for (size_t i = 0; i < sim->peer_count; i++)
        if (!sim->peers[i]->hostile &&
            (!sim->peers[i]->up || !sim->peers[i]->role->idle (sim->peers[i])))
            return false;
    for (size_t i = 0; i < sim->queue_count; i++)
        if (!is_drained (sim->queues[i].engine))
            return false;
    return true;
}

/* What is left in queues of those who broke the protocol. */
static void clear_strange_queues (sim_t *sim)
{
    for (zf_queue_t *queue = sim->engine->queues; queue != NULL; queue = queue->hh.next)
        if (queue->stream != NULL || /* nobody takes anything out of it */
            book_queue (sim, zf_bytes (queue->name, queue->name_size)) == NULL)
            zf_queue_purge (queue, UINT64_MAX);
}

static void on_check (void *target, uint64_t deadline)
{
    sim_t *sim = target;
    if (!is_done (sim)) {
        if (sim->now_ms > deadline)
            sim_fail (sim, "something is never finished");
        clock_set (&sim->clock, sim->now_ms + 500, on_check, sim, deadline);
        return;
    }
    sim->phase = PHASE_LEAVE;
    trace (sim, "all leave");
    for (size_t i = 0; i < sim->peer_count; i++)
        peer_leave (sim->peers[i]);
}

static void check_outcomes (sim_t *sim)
{
    for (size_t i = 0; i < sim->record_count; i++) {
        const record_t *record = sim->records[i];
        if (record->state == REC_LIVE || record->state == REC_DEAD)
            sim_fail (sim, "record %u has no end", record->serial);
        if (record->heard && record->state == REC_NEW)
            sim_fail (sim, "record %u was confirmed, but never taken", record->serial);
    }
}

/* -- a broker that dies ------------------------------------------------------------------------ */

static void on_death (void *target, uint64_t arg)
{
    sim_t *sim = target;
    (void) arg;
    if (sim->phase != PHASE_ACTIVE)
        return;
    sim->dying = (death_t) prng_between (&sim->prng, DEATH_DECIDED, DEATH_SENT);
    clock_set (&sim->clock, sim->now_ms + prng_between (&sim->prng, 1, 8000), on_death, sim, 0);
}

/* -- a run ------------------------------------------------------------------------------------- */

static void advance (sim_t *sim)
{
    uint64_t next = clock_next (&sim->clock);
    uint64_t deadline = zf_engine_deadline (sim->engine);
    if (deadline < next)
        next = deadline;
    if (sim->chaos && prng_one_in (&sim->prng, 300)) /* the shell is busy elsewhere */
        next += prng_below (&sim->prng, prng_one_in (&sim->prng, 20) ? 70000 : 400);
    sim->spins = next > sim->now_ms ? 0 : sim->spins + 1;
    if (sim->spins > SPINS_MAX)
        sim_fail (sim, "the engine does not come to rest");
    if (next > sim->now_ms)
        sim->now_ms = next;
    shell_turn (sim);
}

static void settle_accounts (sim_t *sim)
{
    if (sim->chronicle != NULL)
        chronicle_settle (sim);
    for (size_t i = 0; i < sim->queue_count && sim->chronicle != NULL; i++)
        sim->chronicle->shadows[i].trimmed = true;
    clear_strange_queues (sim);
    shell_turn (sim);
    if (sim->ledger == NULL && sim->chronicle == NULL)
        book_walk (sim);
    audit_empty (sim);
    if (sim->ledger != NULL)
        ledger_settle (sim);
    else if (sim->chronicle == NULL)
        check_outcomes (sim);
}

static void run (sim_t *sim)
{
    scenario_make (sim);
    uint64_t active = sim->now_ms + prng_between (&sim->prng, ACTIVE_MS / 4, 2ull * ACTIVE_MS);
    uint64_t deadline = active + DRAIN_MS;
    clock_set (&sim->clock, active, on_drain, sim, 0);
    if (sim->durable)
        clock_set (&sim->clock, sim->now_ms + prng_between (&sim->prng, 100, 5000), on_death, sim,
                   0);
    clock_set (&sim->clock, active + 1, on_check, sim, deadline);
    while (sim->phase != PHASE_LEAVE)
        advance (sim);
    uint64_t end = sim->now_ms + IDLE_MS;
    while (clock_next (&sim->clock) <= end || zf_engine_deadline (sim->engine) <= end)
        advance (sim);
    sim->now_ms = end;
    settle_accounts (sim);
}

static void free_all (sim_t *sim)
{
    disk_close (sim);
    if (sim->engine != NULL)
        zf_engine_free (&sim->engine);
    ledger_close (sim);
    chronicle_close (sim);
    for (size_t i = 0; i < sim->peer_count; i++)
        peer_free (sim->peers[i]);
    net_free (sim);
    book_free (sim);
    clock_free (&sim->clock);
}

/* After a failure the engine can't be trusted to be freed: all stays as it is. */
static int attempt (sim_t *sim)
{
    if (setjmp (sim->failed) != 0)
        return 1;
    run (sim);
    return 0;
}

int sim_run (const sim_options_t *options)
{
    sim_t *sim = vec_new (sizeof *sim);
    sim->seed = sim->prng.state = options->seed;
    sim->verbose = options->verbose;
    sim->quiet = options->quiet;
    sim->plant = options->plant;
    sim->durable = options->durable;
    if (options->streams)
        chronicle_open (sim);
    else if (options->durable)
        ledger_open (sim);
    trace_clear ();
    if (attempt (sim) != 0)
        return 1;
    if (options->verbose)
        fprintf (stderr,
                 "seed %" PRIu64 ": %" PRIu64 " turns, %zu records, %" PRIu64 " taken, %" PRIu64
                 " crashes\n",
                 sim->seed, sim->turn, sim->record_count, sim->taken, sim->crashes);
    free_all (sim);
    free (sim);
    return 0;
}
