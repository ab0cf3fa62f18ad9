/* What a seed means where there are streams. */
#include "tests/sim/chronicle.h"
#include "tests/sim/peer.h"

#include "core/info.h"

/* -- choosing ---------------------------------------------------------------------------------- */

/* Much is kept, or hardly anything. */
static void choose_retention (prng_t *prng, zf_policy_t *policy)
{
    static const uint64_t lengths[] = {0, 0, 5, 30, 200};
    static const uint64_t bytes[] = {0, 0, 0, 4000, 40000};
    static const uint64_t ttls[] = {0, 0, 0, 500, 5000, 30000};
    policy->max_length = policy->max_bytes = policy->ttl_ms = 0;
    if (prng_one_in (prng, 2))
        return;
    policy->max_length = PRNG_PICK (prng, lengths);
    policy->max_bytes = PRNG_PICK (prng, bytes);
    policy->ttl_ms = PRNG_PICK (prng, ttls);
}

static void add_group (sim_t *sim, int stream, const char *name)
{
    static const zf_from_t froms[] = {ZF_FROM_FIRST, ZF_FROM_FIRST, ZF_FROM_FIRST,
                                      ZF_FROM_NEW,   ZF_FROM_LAST,  ZF_FROM_OFFSET};
    queue_t *group = scenario_queue (sim, sim->queues[stream].name, name);
    scenario_delivery (&sim->prng, &group->policy);
    group->policy.ttl_ms = 0;
    group->policy.priorities = 2;
    group->policy.dedup_window_ms = 0;
    group->stream = stream;
    group->made_lsn = UINT64_MAX;
    group->wish.from = PRNG_PICK (&sim->prng, froms);
    group->wish.value = prng_below (&sim->prng, 100);
    if (prng_one_in (&sim->prng, 3))
        group->filter = (unsigned) prng_below (&sim->prng, FILTERS_MAX);
    if (prng_one_in (&sim->prng, 4)) {
        group->policy.dead_letter[0] = '-'; /* none */
        return;
    }
    group->dead = (int) sim->queue_count;
    scenario_dead_queue (sim, group->name, ".dead");
}

void scenario_streams (sim_t *sim)
{
    static const char *const names[] = {"s0", "s1", "s2"};
    static const char *const groups[] = {"@a", "@b", "@c"};
    prng_t *prng = &sim->prng;
    size_t n = prng_between (prng, 1, 2);
    if (sim->tight) /* what one stream holds another can't have */
        n = 1;
    for (size_t i = 0; i < n; i++) {
        queue_t *stream = scenario_queue (sim, names[i], "");
        stream->policy.kind = ZF_KIND_STREAM;
        stream->policy.dedup_window_ms = prng_one_in (prng, 2) ? 0 : 120000;
        stream->policy.compact = prng_one_in (prng, 4);
        choose_retention (prng, &stream->policy);
        stream->trims = prng_one_in (prng, 4);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t g = prng_between (prng, 0, 3); g > 0; g--)
            add_group (sim, (int) i, groups[g - 1]);
}

/* -- making ------------------------------------------------------------------------------------ */

static void declare_stream (sim_t *sim, queue_t *stream)
{
    int code;
    zf_bytes_t name = zf_bytes_of (stream->name);
    stream->engine = zf_engine_make (sim->engine, name, &stream->policy, &code);
    if (stream->engine == NULL || zf_queue_set_policy (stream->engine, &stream->policy) != 0)
        sim_fail (sim, "%s can't be declared", stream->name);
    stream->engine->declared = true;
    stream->engine->stream->born = stream->engine->lanes[0].log.next;
    zf_store_queue (stream->engine);
    chronicle_begin (sim, stream);
}

void scenario_declare_streams (sim_t *sim)
{
    for (size_t i = 0; i < sim->queue_count; i++) {
        queue_t *queue = &sim->queues[i];
        if (queue->policy.kind == ZF_KIND_STREAM)
            declare_stream (sim, queue);
        else if (queue->is_dead)
            scenario_declare (sim, queue);
    }
    scenario_groups (sim);
}

static void on_group (void *target, uint64_t arg)
{
    sim_t *sim = target;
    queue_t *group = &sim->queues[arg];
    zf_group_wish_t wish = {.policy = &group->policy, .start = group->wish};
    int code;
    if (group->engine != NULL)
        return;
    if (wish.start.from == ZF_FROM_OFFSET)
        wish.start.value += sim->queues[group->stream].engine->stream->floor;
    wish.filter = topic_filter (group->filter);
    group->engine = zf_engine_group (sim->engine, zf_bytes_of (group->name), &wish, &code);
    if (group->engine == NULL)
        sim_fail (sim, "%s can't be made: %d", group->name, code);
    group_begin (sim, group);
}

void scenario_groups (sim_t *sim)
{
    for (size_t i = 0; i < sim->queue_count; i++)
        if (sim->queues[i].stream >= 0 && sim->queues[i].engine == NULL)
            clock_set (&sim->clock, sim->now_ms + prng_below (&sim->prng, 2000), on_group, sim, i);
}

/* -- somebody who trims ------------------------------------------------------------------------ */

static void trim (peer_t *peer, const queue_t *stream)
{
    sim_t *sim = peer->sim;
    uint64_t next = stream->engine->lanes[0].log.next;
    uint64_t back = prng_below (&sim->prng, 100);
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_ADMIN, 5);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_str (&w, zf_bytes_of ("trim"));
    zf_mp_put_str (&w, zf_bytes_of (stream->name));
    zf_mp_put_uint (&w, next > back ? next - back : 0);
    peer_send (peer, &w, NULL);
}

static void trimmer_tick (peer_t *peer)
{
    sim_t *sim = peer->sim;
    const queue_t *queue = &sim->queues[prng_below (&sim->prng, sim->queue_count)];
    if (sim->phase == PHASE_ACTIVE && peer->up && queue->trims)
        trim (peer, queue);
}

static void trimmer_nothing (peer_t *peer)
{
    (void) peer;
}

static bool trimmer_idle (const peer_t *peer)
{
    (void) peer;
    return true;
}

const role_t role_trimmer = {
    .name = "trimmer",
    .tick_ms = 1500,
    .make = trimmer_nothing,
    .crash = trimmer_nothing,
    .tick = trimmer_tick,
    .idle = trimmer_idle,
    .free = trimmer_nothing,
};
