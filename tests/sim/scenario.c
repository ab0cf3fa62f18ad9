/* What a seed means: which queues there are, with which policies, and who comes. */
#include "tests/sim/disk.h"
#include "tests/sim/peer.h"

#include "core/info.h"

/* -- queues ------------------------------------------------------------------------------------ */

queue_t *scenario_queue (sim_t *sim, const char *name, const char *suffix)
{
    queue_t *queue = &sim->queues[sim->queue_count++];
    snprintf (queue->name, sizeof queue->name, "%s%s", name, suffix);
    queue->dead = queue->stream = -1;
    zf_policy_defaults (&queue->policy);
    return queue;
}

queue_t *scenario_dead_queue (sim_t *sim, const char *name, const char *suffix)
{
    queue_t *queue = scenario_queue (sim, name, suffix);
    queue->is_dead = true;
    queue->policy.max_attempts = 0;
    queue->policy.dedup_window_ms = 0;
    queue->policy.lease_ms = 1000;
    if (prng_one_in (&sim->prng, 4))
        queue->policy.priorities = 3;
    queue->policy.dead_letter[0] = '-'; /* none */
    return queue;
}

void scenario_delivery (prng_t *prng, zf_policy_t *policy)
{
    static const uint32_t attempts[] = {0, 1, 2, 3, 5, 5};
    static const uint32_t backoffs[] = {0, 10, 100};
    static const uint32_t leases[] = {200, 1000, 5000, 30000};
    static const uint64_t ttls[] = {0, 0, 0, 500, 5000};
    static const uint32_t levels[] = {1, 1, 1, 3, 10};
    policy->max_attempts = PRNG_PICK (prng, attempts);
    policy->backoff_min_ms = PRNG_PICK (prng, backoffs);
    policy->backoff_max_ms = prng_one_in (prng, 3) ? policy->backoff_min_ms : 1000;
    policy->lease_ms = PRNG_PICK (prng, leases);
    policy->ttl_ms = PRNG_PICK (prng, ttls);
    policy->priorities = PRNG_PICK (prng, levels);
    policy->ordered = prng_one_in (prng, 4);
}

static void choose_limits (sim_t *sim, zf_policy_t *policy)
{
    static const uint64_t lengths[] = {0, 0, 5, 30, 100};
    static const uint64_t bytes[] = {0, 0, 0, 2000, 20000};
    static const uint32_t windows[] = {0, 1000, 120000};
    prng_t *prng = &sim->prng;
    policy->dedup_window_ms = PRNG_PICK (prng, windows);
    if (sim->tight && prng_one_in (prng, 2))
        return; /* posts wait for memory that other queues have */
    policy->max_length = PRNG_PICK (prng, lengths);
    policy->max_bytes = PRNG_PICK (prng, bytes);
    policy->overflow = (zf_overflow_t) prng_below (prng, 3);
}

static void choose_dead_letters (sim_t *sim, queue_t *queue, queue_t *graveyard)
{
    queue_t *dead = graveyard;
    switch (prng_below (&sim->prng, 4)) {
    case 0:
        queue->policy.dead_letter[0] = '-'; /* none */
        return;
    case 1:
        snprintf (queue->policy.dead_letter, sizeof queue->policy.dead_letter, "%s",
                  graveyard->name);
        break;
    default:
        dead = scenario_dead_queue (sim, queue->name, ".dead");
    }
    queue->dead = (int) (dead - sim->queues);
}

static void make_queues (sim_t *sim)
{
    static const char *const names[] = {"q0", "q1", "q2", "q3", "q4"};
    queue_t *graveyard = scenario_dead_queue (sim, "graveyard", "");
    size_t n = prng_between (&sim->prng, 1, sizeof names / sizeof names[0]);
    for (size_t i = 0; i < n; i++) {
        queue_t *queue = scenario_queue (sim, names[i], "");
        scenario_delivery (&sim->prng, &queue->policy);
        choose_limits (sim, &queue->policy);
        choose_dead_letters (sim, queue, graveyard);
    }
}

void scenario_declare (sim_t *sim, queue_t *queue)
{
    int code;
    queue->engine = zf_engine_queue (sim->engine, zf_bytes_of (queue->name), &code);
    if (queue->engine == NULL || zf_queue_set_policy (queue->engine, &queue->policy) != 0)
        sim_fail (sim, "%s can't be declared", queue->name);
    queue->engine->declared = true;
    zf_store_queue (queue->engine);
}

/* -- the engine -------------------------------------------------------------------------------- */

/* In some runs peers are held to a rate. Without a draw: seeds go on to mean what they did. */
static uint32_t rate_of (const sim_t *sim)
{
    static const uint32_t rates[] = {0, 0, 20, 200};
    return rates[sim->seed / 3 % 4];
}

static void make_engine (sim_t *sim)
{
    static const uint64_t memories[] = {8000, 20000, 60000};
    static const uint64_t windows[] = {4000, 64000, 4u << 20};
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    if (sim->tight)
        options.memory_bytes = PRNG_PICK (&sim->prng, memories);
    options.window_bytes = PRNG_PICK (&sim->prng, windows);
    if (prng_one_in (&sim->prng, 10)) /* at times, some have to wait outside */
        options.max_sessions = 16;
    memset (options.uuid, 0xee, sizeof options.uuid);
    if (sim->hostile) { /* tight enough that they get in each other's way, and not in others' */
        options.max_queues = 40;
        options.policy.max_length = 50;
        options.policy.ttl_ms = 5000;
    }
    options.limits.records_per_s = rate_of (sim);
    sim->engine = zf_engine_new (&options);
    zf_engine_tick (sim->engine, sim->now_ms);
}

void scenario_rule (sim_t *sim)
{
    static const char *const rules[] = {
        "honest post,consume,publish,subscribe,administer *\n"
        "hostile post,consume,publish,subscribe,administer hostile-1* hostile-2*\n",
        "hones* post,consume,publish,subscribe,administer *\n"
        "hostile post,subscribe,administer hostile-2* hostile-3*\n"
        "hostile publish hostile-1 hostile-2 hostile-3\n"
        "hostile consume hostile-3*\n"};
    zf_access_t *access;
    if (!sim->ruled)
        return;
    if (zf_access_parse (&access, zf_bytes_of (rules[sim->other_rules]), "rules", NULL) != 0)
        sim_fail (sim, "no memory for rules");
    sim->other_rules = !sim->other_rules;
    zf_engine_access (sim->engine, access);
}

void scenario_check_rules (sim_t *sim)
{
    static const char prefix[] = "hostile-";
    const size_t size = sizeof prefix - 1;
    const zf_queue_t *queue = sim->ruled ? sim->engine->queues : NULL;
    for (; queue != NULL; queue = queue->hh.next)
        if (strncmp (queue->name, prefix, size) == 0 && strchr ("123", queue->name[size]) == NULL)
            sim_fail (sim, "%s is there, which nobody may make", queue->name);
}

/* -- peers ------------------------------------------------------------------------------------- */

static void make_peers (sim_t *sim)
{
    prng_t *prng = &sim->prng;
    for (size_t n = prng_between (prng, 1, 4); n > 0; n--)
        peer_make (sim, &role_producer);
    for (size_t n = prng_between (prng, 0, 3); n > 0; n--)
        peer_make (sim, sim->chronicle != NULL ? &role_subscriber : &role_asker);
    for (size_t n = prng_between (prng, 1, 5); n > 0; n--)
        peer_make (sim, &role_worker);
    if (prng_one_in (prng, 2) && sim->ledger == NULL && sim->chronicle == NULL)
        peer_make (sim, &role_admin);
    if (sim->chronicle != NULL)
        peer_make (sim, &role_trimmer);
    for (size_t n = sim->hostile ? prng_between (prng, 1, 4) : 0; n > 0; n--)
        peer_make (sim, &role_hostile)->hostile = true;
}

void scenario_make (sim_t *sim)
{
    static const uint32_t latencies[] = {0, 2, 20, 200};
    static const uint32_t strides[] = {1, 5, 20};
    sim->now_ms = 1000000;
    sim->phase = PHASE_ACTIVE;
    sim->chaos = !prng_one_in (&sim->prng, 8);
    bool lives = !sim->durable; /* the broker does */
    sim->hostile = prng_one_in (&sim->prng, 5) && lives;
    sim->tight = !sim->hostile && prng_one_in (&sim->prng, 2) && lives;
    sim->latency_ms = PRNG_PICK (&sim->prng, latencies);
    sim->walk_every = PRNG_PICK (&sim->prng, strides);
    if (sim->chronicle != NULL)
        scenario_streams (sim);
    else
        make_queues (sim);
    sim->ruled = sim->seed % 2 == 1;
    make_engine (sim);
    scenario_rule (sim);
    if (sim->durable)
        disk_open (sim);
    if (sim->chronicle != NULL)
        scenario_declare_streams (sim);
    for (size_t i = 0; i < sim->queue_count && sim->chronicle == NULL; i++)
        scenario_declare (sim, &sim->queues[i]);
    if (sim->durable)
        disk_commit_now (sim);
    make_peers (sim);
}
