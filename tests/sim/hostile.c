/* Somebody who breaks the protocol: random bytes, frames cut short or changed, sent twice or out of
 * order, settlements of what he does not hold, far too many queues, identities of others like him.
 * He names no queue of the others, but to settle there. Nothing is expected of the engine but that
 * it lives, that it forgets it all, and that the others are served as if he were not there. */
#include "core/info.h"
#include "tests/sim/peer.h"

#include <stdlib.h>

#define HISTORY        16
#define STRANGE_QUEUES 60

typedef struct {
    zf_writer_t control[HISTORY]; /* what he sent lately */
    zf_writer_t batch[HISTORY];
    size_t sent; /* in all */
} hostile_t;

static void put_name (peer_t *peer, zf_writer_t *w)
{
    char name[32];
    snprintf (name, sizeof name, "hostile-%u%s",
              (unsigned) prng_below (&peer->sim->prng, STRANGE_QUEUES),
              prng_one_in (&peer->sim->prng, 8) ? "@g" : "");
    zf_mp_put_str (w, zf_bytes_of (name));
}

static uint64_t odd_number (prng_t *prng)
{
    static const uint64_t numbers[] = {
        0, 1, 2, 10, 4096, UINT32_MAX, UINT64_C (1) << 56, UINT64_C (1) << 62, UINT64_MAX};
    return prng_one_in (prng, 3) ? PRNG_PICK (prng, numbers) : prng_below (prng, 50);
}

static void put_junk (prng_t *prng, zf_writer_t *w, size_t size)
{
    while (size-- > 0) {
        uint8_t byte = (uint8_t) prng_next (prng);
        zf_write_bytes (w, &byte, 1);
    }
}

static void put_batch (prng_t *prng, zf_writer_t *w)
{
    uint32_t n = (uint32_t) prng_between (prng, 1, 8);
    zf_writer_reserve (w, ZF_BATCH_HEADER);
    for (uint32_t i = 0; i < n; i++) {
        zf_writer_t props = {0};
        uint64_t kind = prng_below (prng, 6);
        zf_props_t view;
        zf_props_defaults (&view);
        view.priority = (uint32_t) prng_below (prng, ZF_PRIORITIES_MAX);
        view.delay_ms = kind == 0 ? odd_number (prng) : 0;
        view.ttl_ms = kind == 1 ? odd_number (prng) : 0;
        view.id = kind == 2 ? zf_bytes_of ("id") : view.id;
        view.key = kind == 3 ? zf_bytes_of ("key") : view.key;
        view.topic = kind == 4 ? zf_bytes_of ("a.b") : view.topic;
        zf_props_encode (&props, &view, NULL);
        zf_bytes_t body = zf_bytes_of ("strange");
        uint8_t *at = zf_writer_reserve (w, zf_record_size (props.size, body.size));
        zf_record_encode (at, zf_bytes (props.data, props.size), body);
        zf_writer_free (&props);
    }
    zf_batch_seal (w->data, w->size, n, ZF_BATCH_HAS_PROPS, odd_number (prng));
}

/* -- well-formed ------------------------------------------------------------------------------- */

static void put_hello (peer_t *peer, zf_writer_t *w)
{
    uint8_t uuid[ZF_UUID_BYTES];
    memset (uuid, (int) prng_between (&peer->sim->prng, 0xa0, 0xa3), sizeof uuid);
    zf_control (w, ZF_CMD_HELLO, 4);
    zf_mp_put_uint (w, prng_one_in (&peer->sim->prng, 10) ? 0 : ZF_NATIVE_VERSION);
    zf_mp_put_bin (w, zf_bytes (uuid, sizeof uuid));
    zf_mp_put_map (w, 0);
}

static void put_declare (peer_t *peer, zf_writer_t *w)
{
    prng_t *prng = &peer->sim->prng;
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.priorities = (uint32_t) prng_between (prng, 1, 4);
    policy.ordered = prng_one_in (prng, 2);
    policy.max_attempts = (uint32_t) prng_below (prng, 3);
    policy.overflow = (zf_overflow_t) prng_below (prng, 3);
    policy.max_length = prng_below (prng, 20);
    policy.ttl_ms = prng_below (prng, 2) * 300;
    policy.kind = (zf_kind_t) prng_below (prng, 2);
    policy.compact = prng_one_in (prng, 4);
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "hostile-%u",
              (unsigned) prng_below (prng, STRANGE_QUEUES));
    zf_policy_encode (w, &policy);
}

static void put_patterns (prng_t *prng, zf_writer_t *w)
{
    static const char *const patterns[] = {">", "a.*", "a.b", "a..b", "", "*.>", "b.>"};
    size_t n = prng_below (prng, 3);
    zf_mp_put_array (w, n);
    for (; n > 0; n--)
        zf_mp_put_str (w, zf_bytes_of (PRNG_PICK (prng, patterns)));
}

static void put_admin (peer_t *peer, zf_writer_t *w)
{
    static const char *const verbs[] = {"declare", "peek",   "purge", "requeue", "discard",
                                        "queues",  "queue",  "dance", "stream",  "stream",
                                        "group",   "forget", "trim"};
    prng_t *prng = &peer->sim->prng;
    const char *verb = PRNG_PICK (prng, verbs);
    zf_control (w, ZF_CMD_ADMIN, 5);
    zf_mp_put_uint (w, odd_number (prng));
    zf_mp_put_str (w, zf_bytes_of (verb));
    put_name (peer, w);
    if (strcmp (verb, "declare") == 0 && prng_one_in (prng, 8)) {
        put_declare (peer, w);
    } else if (strcmp (verb, "group") == 0) {
        zf_mp_put_map (w, 2);
        zf_mp_put_str (w, zf_bytes_of ("from"));
        zf_mp_put_uint (w, prng_below (prng, 8));
        zf_mp_put_str (w, zf_bytes_of ("patterns"));
        put_patterns (prng, w);
    } else if (strcmp (verb, "peek") == 0) {
        zf_mp_put_array (w, 2);
        zf_mp_put_uint (w, odd_number (prng));
        zf_mp_put_uint (w, odd_number (prng));
    } else {
        zf_mp_put_uint (w, odd_number (prng));
    }
}

static void put_settlement (peer_t *peer, zf_writer_t *w, const char *good)
{
    static const unsigned verbs[] = {ZF_CMD_ACK, ZF_CMD_NACK, ZF_CMD_REJECT, ZF_CMD_RELEASE,
                                     ZF_CMD_EXTEND};
    prng_t *prng = &peer->sim->prng;
    unsigned verb = PRNG_PICK (prng, verbs);
    zf_control (w, verb, 7);
    if (good != NULL)
        zf_mp_put_str (w, zf_bytes_of (good));
    else
        put_name (peer, w);
    if (verb == ZF_CMD_NACK || verb == ZF_CMD_EXTEND)
        zf_mp_put_uint (w, prng_below (prng, 2000));
    else if (verb == ZF_CMD_REJECT)
        zf_mp_put_str (w, zf_bytes_of ("because"));
    for (int i = 0; i < 4; i++)
        zf_mp_put_uint (w, odd_number (prng));
}

static void put_reading (peer_t *peer, zf_writer_t *w)
{
    static const unsigned commands[] = {ZF_CMD_SUBSCRIBE, ZF_CMD_SUBSCRIBE, ZF_CMD_READ,
                                        ZF_CMD_UNSUBSCRIBE, ZF_CMD_AWAIT};
    prng_t *prng = &peer->sim->prng;
    unsigned command = PRNG_PICK (prng, commands);
    zf_control (w, command, 8);
    zf_mp_put_uint (w, prng_below (prng, 5));
    if (command == ZF_CMD_SUBSCRIBE || command == ZF_CMD_AWAIT)
        put_name (peer, w);
    if (command == ZF_CMD_AWAIT)
        zf_mp_put_str (w, zf_bytes_of ("a.b"));
    for (int i = command == ZF_CMD_SUBSCRIBE ? 4 : 2; i > 0; i--)
        zf_mp_put_uint (w, prng_one_in (prng, 2) ? prng_below (prng, 7) : odd_number (prng));
    for (int i = command == ZF_CMD_SUBSCRIBE ? 0 : command == ZF_CMD_AWAIT ? 2 : 4; i > 0; i--)
        zf_mp_put_uint (w, 1);
    put_patterns (prng, w);
}

/* -> true if a batch belongs to it */
static bool put_command (peer_t *peer, zf_writer_t *w)
{
    static const unsigned commands[] = {ZF_CMD_POST,    ZF_CMD_POST,    ZF_CMD_POST_MANY,
                                        ZF_CMD_REQUEST, ZF_CMD_CONSUME, ZF_CMD_ANSWER};
    prng_t *prng = &peer->sim->prng;
    unsigned command = PRNG_PICK (prng, commands);
    zf_control (w, command, 4);
    if (command == ZF_CMD_POST_MANY) {
        zf_mp_put_uint (w, odd_number (prng));
        zf_mp_put_uint (w, odd_number (prng));
        size_t n = prng_between (prng, 1, 4);
        zf_mp_put_array (w, 2 * n);
        for (; n > 0; n--) {
            put_name (peer, w);
            zf_mp_put_uint (w, prng_between (prng, 1, 3));
        }
        return true;
    }
    put_name (peer, w);
    if (command == ZF_CMD_ANSWER)
        zf_mp_put_bool (w, prng_one_in (prng, 2));
    else
        zf_mp_put_uint (w, odd_number (prng));
    zf_mp_put_uint (w, prng_below (prng, 2));
    return command != ZF_CMD_CONSUME;
}

/* -- sending ----------------------------------------------------------------------------------- */

static void transmit (peer_t *peer, const zf_writer_t *control, const zf_writer_t *batch)
{
    zf_bytes_t body = zf_bytes (batch->data, batch->size);
    if (peer->conn != NULL)
        net_to_engine (peer->conn, zf_bytes (control->data, control->size), body);
}

static void invent (peer_t *peer)
{
    hostile_t *self = peer->role_state;
    size_t slot = self->sent++ % HISTORY;
    zf_writer_t *control = &self->control[slot];
    zf_writer_t *batch = &self->batch[slot];
    zf_writer_free (control);
    zf_writer_free (batch);
    uint64_t kind = prng_below (&peer->sim->prng, 10);
    if (kind == 0)
        put_hello (peer, control);
    else if (kind < 3)
        put_admin (peer, control);
    else if (kind < 5)
        put_settlement (peer, control, NULL);
    else if (kind < 7)
        put_reading (peer, control);
    else if (put_command (peer, control))
        put_batch (&peer->sim->prng, batch);
    transmit (peer, control, batch);
}

/* Something sent before, again; or changed somewhere, or cut short. */
static void repeat (peer_t *peer, bool changed)
{
    hostile_t *self = peer->role_state;
    prng_t *prng = &peer->sim->prng;
    size_t slot = prng_below (prng, HISTORY);
    zf_writer_t control = {0};
    zf_writer_t batch = {0};
    if (self->control[slot].size == 0)
        return;
    zf_write_bytes (&control, self->control[slot].data, self->control[slot].size);
    zf_write_bytes (&batch, self->batch[slot].data, self->batch[slot].size);
    zf_writer_t *victim = batch.size > 0 && prng_one_in (prng, 2) ? &batch : &control;
    if (changed && prng_one_in (prng, 2))
        victim->size = prng_below (prng, victim->size);
    else if (changed)
        victim->data[prng_below (prng, victim->size)] ^= (uint8_t) prng_between (prng, 1, 255);
    transmit (peer, &control, &batch);
    zf_writer_free (&control);
    zf_writer_free (&batch);
}

static void meddle (peer_t *peer)
{
    sim_t *sim = peer->sim;
    zf_writer_t control = {0};
    zf_writer_t none = {0};
    put_settlement (peer, &control, sim->queues[prng_below (&sim->prng, sim->queue_count)].name);
    transmit (peer, &control, &none);
    zf_writer_free (&control);
}

static void babble (peer_t *peer)
{
    prng_t *prng = &peer->sim->prng;
    zf_writer_t control = {0};
    zf_writer_t batch = {0};
    uint8_t array = (uint8_t) (0x90 + prng_below (prng, 6));
    if (prng_one_in (prng, 2))
        zf_write_bytes (&control, &array, 1);
    put_junk (prng, &control, prng_below (prng, 40));
    put_junk (prng, &batch, prng_one_in (prng, 2) ? prng_below (prng, 80) : 0);
    transmit (peer, &control, &batch);
    zf_writer_free (&control);
    zf_writer_free (&batch);
}

/* -- life -------------------------------------------------------------------------------------- */

static void hostile_tick (peer_t *peer)
{
    if (peer->sim->phase != PHASE_ACTIVE)
        return;
    switch (prng_below (&peer->sim->prng, 10)) {
    case 0:
        babble (peer);
        break;
    case 1:
        meddle (peer);
        break;
    case 2:
        repeat (peer, false);
        break;
    case 3:
    case 4:
        repeat (peer, true);
        break;
    default:
        invent (peer);
    }
}

static void hostile_make (peer_t *peer)
{
    peer->role_state = vec_new (sizeof (hostile_t));
}

static void hostile_crash (peer_t *peer)
{
    (void) peer;
}

/* He listens only to be told that he has no session. */
static void hostile_message (peer_t *peer, unsigned command, zf_reader_t *r, zf_bytes_t body)
{
    zf_writer_t hello = {0};
    (void) r;
    (void) body;
    if (command != ZF_CMD_RESET)
        return;
    put_hello (peer, &hello);
    peer_send (peer, &hello, NULL);
}

static bool hostile_idle (const peer_t *peer)
{
    (void) peer;
    return true;
}

static void hostile_free (peer_t *peer)
{
    hostile_t *self = peer->role_state;
    for (size_t i = 0; i < HISTORY; i++) {
        zf_writer_free (&self->control[i]);
        zf_writer_free (&self->batch[i]);
    }
}

const role_t role_hostile = {
    .name = "hostile",
    .tick_ms = 30,
    .make = hostile_make,
    .crash = hostile_crash,
    .tick = hostile_tick,
    .message = hostile_message,
    .idle = hostile_idle,
    .free = hostile_free,
};
