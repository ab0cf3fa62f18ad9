/* Somebody who looks after queues while all goes on: purges, sends dead letters back or away, and
 * changes policies. */
#include "tests/sim/peer.h"

#include "core/info.h"

/* Those parts of a policy that can change without anybody being wronged. */
static void put_policy (peer_t *peer, zf_writer_t *w, const queue_t *queue)
{
    static const uint32_t leases[] = {200, 1000, 5000};
    static const uint64_t lengths[] = {0, 5, 30};
    prng_t *prng = &peer->sim->prng;
    zf_policy_t policy = queue->policy;
    policy.lease_ms = PRNG_PICK (prng, leases);
    policy.backoff_min_ms = (uint32_t) prng_below (prng, 200);
    policy.backoff_max_ms = policy.backoff_min_ms + 500;
    if (!queue->is_dead) {
        policy.max_length = PRNG_PICK (prng, lengths);
        policy.overflow = (zf_overflow_t) prng_below (prng, 3);
    }
    zf_policy_encode (w, &policy);
}

static void send_admin (peer_t *peer, const char *verb, const queue_t *queue)
{
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_ADMIN, 5);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_str (&w, zf_bytes_of (verb));
    zf_mp_put_str (&w, zf_bytes_of (queue->name));
    if (strcmp (verb, "declare") == 0)
        put_policy (peer, &w, queue);
    else
        zf_mp_put_uint (&w, prng_below (&peer->sim->prng, 10));
    peer_send (peer, &w, NULL);
}

static void admin_tick (peer_t *peer)
{
    static const char *const verbs[] = {"purge", "requeue", "requeue", "discard",
                                        "queue", "queues",  "stats",   "declare"};
    sim_t *sim = peer->sim;
    if (sim->phase == PHASE_ACTIVE && peer->up)
        send_admin (peer, PRNG_PICK (&sim->prng, verbs),
                    &sim->queues[prng_below (&sim->prng, sim->queue_count)]);
}

static void admin_nothing (peer_t *peer)
{
    (void) peer;
}

static bool admin_idle (const peer_t *peer)
{
    (void) peer;
    return true;
}

const role_t role_admin = {
    .name = "admin",
    .tick_ms = 1500,
    .make = admin_nothing,
    .crash = admin_nothing,
    .tick = admin_tick,
    .idle = admin_idle,
    .free = admin_nothing,
};
