/* Somebody who looks after queues while all goes on: purges, and sends dead letters back or away. */
#include "tests/sim/peer.h"

static void send_admin (peer_t *peer, const char *verb, const queue_t *queue)
{
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_ADMIN, 5);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_str (&w, zf_bytes_of (verb));
    zf_mp_put_str (&w, zf_bytes_of (queue->name));
    zf_mp_put_uint (&w, prng_below (&peer->sim->prng, 10));
    peer_send (peer, &w, NULL);
}

static void admin_tick (peer_t *peer)
{
    static const char *const verbs[] = {"purge", "requeue", "requeue", "discard", "queue", "queues",
                                        "stats"};
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
