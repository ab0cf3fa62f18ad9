/* A producer: posts records, singly and as atomic posts, and sends again what it has no outcome
 * of. */
#include "tests/sim/chronicle.h"
#include "tests/sim/peer.h"

#define ATOMIC_SEGMENTS 3

typedef struct {
    size_t sent[QUEUES_MAX]; /* posts sent in this session, counted from the first one ever */
    size_t atomics_sent;
    uint64_t flying;    /* bytes of those that there is no outcome of yet */
    size_t budget;      /* records still to be made */
    uint32_t batch_max; /* records of a batch */
    bool bulky;         /* makes batches of plain records, large enough to be adopted */
    zf_writer_t batch;  /* scratch */
} producer_t;

#define OVERHEAD 64 /* of a frame, for the window: more than it is */

static uint64_t weight (const record_t *record)
{
    return record->wire + OVERHEAD;
}

/* -- making records ---------------------------------------------------------------------------- */

static queue_t *any_queue (sim_t *sim)
{
    for (;;) {
        queue_t *queue = &sim->queues[prng_below (&sim->prng, sim->queue_count)];
        if (!queue->is_dead && queue->stream < 0)
            return queue;
    }
}

static void decorate (sim_t *sim, record_t *record)
{
    const zf_policy_t *policy = &record->queue->policy;
    prng_t *prng = &sim->prng;
    if (!prng_one_in (prng, policy->ordered ? 4 : 1) || prng_one_in (prng, 20))
        record->key = (uint32_t) prng_between (prng, 1, 5);
    if (policy->priorities > 1 && !prng_one_in (prng, 3))
        record->priority = (uint32_t) prng_below (prng, ZF_PRIORITIES_MAX);
    if (prng_one_in (prng, 8))
        record->id_prop = (uint32_t) prng_between (prng, 1, IDS_MAX);
    if (prng_one_in (prng, 8))
        record->delay_ms = prng_between (prng, 1, 3000);
    if (prng_one_in (prng, 8))
        record->ttl_ms = prng_between (prng, 100, 5000);
    if (policy->kind == ZF_KIND_STREAM && !prng_one_in (prng, 4))
        record->topic = (uint32_t) prng_below (prng, TOPICS_MAX);
}

static uint32_t make_record (peer_t *peer, queue_t *queue, bool plain)
{
    sim_t *sim = peer->sim;
    record_t *record = book_record (peer->me, queue);
    if (plain) {
        record->size = (uint32_t) prng_between (&sim->prng, 300, 900);
    } else {
        static const uint32_t sizes[] = {8, 20, 20, 50, 50, 200, 3000};
        record->size = PRNG_PICK (&sim->prng, sizes);
        decorate (sim, record);
    }
    book_sealed (record);
    return record->serial;
}

static void make_posts (peer_t *peer)
{
    producer_t *self = peer->role_state;
    queue_t *queue = any_queue (peer->sim);
    bool plain = self->bulky && prng_one_in (&peer->sim->prng, 2);
    size_t n = prng_between (&peer->sim->prng, 1, plain ? 40 : self->batch_max);
    vec_t *posts = &peer->me->posts[queue - peer->sim->queues];
    for (; n > 0 && self->budget > 0; n--, self->budget--) {
        vec_push (posts, make_record (peer, queue, plain));
        peer->sim->records[posts->at[posts->count - 1]]->number = (uint32_t) posts->count;
    }
}

/* Into such a stream nothing can be posted whole or not at all. */
static bool any_compacts (const sim_t *sim)
{
    for (size_t i = 0; i < sim->queue_count; i++)
        if (sim->queues[i].policy.compact)
            return true;
    return false;
}

static void make_atomic (peer_t *peer)
{
    sim_t *sim = peer->sim;
    uint32_t first = (uint32_t) sim->record_count;
    uint32_t count = 0;
    for (size_t i = prng_between (&sim->prng, 1, ATOMIC_SEGMENTS); i > 0; i--) {
        queue_t *queue = any_queue (sim);
        for (size_t n = prng_between (&sim->prng, 1, 5); n > 0; n--, count++)
            make_record (peer, queue, false);
    }
    book_atomic (peer->me, first, count);
}

/* -- sending ----------------------------------------------------------------------------------- */

static void send_posts (peer_t *peer, size_t q, size_t n)
{
    producer_t *self = peer->role_state;
    const identity_t *me = peer->me;
    size_t from = self->sent[q];
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_POST, 3);
    zf_mp_put_str (&w, zf_bytes_of (peer->sim->queues[q].name));
    zf_mp_put_uint (&w, me->heard[q] + 1);
    book_batch (peer->sim, me->posts[q].at + from, n, from + 1, &self->batch);
    self->sent[q] += n;
    peer_send (peer, &w, &self->batch);
}

/* How many of the next up to n posts the window lets through; one in any case if nothing flies. */
static size_t fitting (peer_t *peer, size_t q, size_t n)
{
    producer_t *self = peer->role_state;
    const uint32_t *serials = peer->me->posts[q].at + self->sent[q];
    for (size_t i = 0; i < n; i++) {
        const record_t *record = peer->sim->records[serials[i]];
        uint64_t more = record->heard ? 0 : weight (record);
        if (self->flying > 0 && self->flying + more > peer->window)
            return i;
        self->flying += more;
    }
    return n;
}

static void put_segments (zf_writer_t *w, const sim_t *sim, const atomic_t *atomic)
{
    size_t segments = 0;
    zf_writer_t pairs = {0};
    for (uint32_t i = 0, n; i < atomic->count; i += n) {
        const queue_t *queue = sim->records[atomic->first + i]->queue;
        for (n = 1; i + n < atomic->count; n++)
            if (sim->records[atomic->first + i + n]->queue != queue)
                break;
        zf_mp_put_str (&pairs, zf_bytes_of (queue->name));
        zf_mp_put_uint (&pairs, n);
        segments++;
    }
    zf_mp_put_array (w, 2 * segments);
    zf_write_bytes (w, pairs.data, pairs.size);
    zf_writer_free (&pairs);
}

static void send_atomic (peer_t *peer)
{
    producer_t *self = peer->role_state;
    const atomic_t *atomic = &peer->me->atomics[self->atomics_sent++];
    uint32_t serials[ATOMIC_SEGMENTS * 5];
    for (uint32_t i = 0; i < atomic->count; i++)
        serials[i] = atomic->first + i;
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_POST_MANY, 4);
    zf_mp_put_uint (&w, self->atomics_sent);
    zf_mp_put_uint (&w, peer->me->atomics_heard + 1);
    put_segments (&w, peer->sim, atomic);
    book_batch (peer->sim, serials, atomic->count, 1, &self->batch);
    peer_send (peer, &w, &self->batch);
}

static void pump (peer_t *peer)
{
    producer_t *self = peer->role_state;
    for (size_t q = 0; q < peer->sim->queue_count && peer->up; q++) {
        while (self->sent[q] < peer->me->posts[q].count) {
            size_t left = peer->me->posts[q].count - self->sent[q];
            size_t most = prng_between (&peer->sim->prng, 1, 2ull * self->batch_max);
            size_t n = fitting (peer, q, most < left ? most : left);
            if (n == 0)
                break;
            send_posts (peer, q, n);
        }
    }
    while (peer->up && self->atomics_sent < peer->me->atomic_count)
        send_atomic (peer);
}

/* -- outcomes ---------------------------------------------------------------------------------- */

static void on_confirm (peer_t *peer, zf_reader_t *r)
{
    producer_t *self = peer->role_state;
    sim_t *sim = peer->sim;
    size_t q = (size_t) (book_queue (sim, zf_mp_bytes (r)) - sim->queues);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    const vec_t *posts = &peer->me->posts[q];
    if (first == 0 || first + count - 1 > posts->count)
        sim_fail (sim, "confirm of numbers that were never used");
    for (uint64_t number = first; number < first + count; number++) {
        record_t *record = sim->records[posts->at[number - 1]];
        uint64_t less = record->heard ? 0 : weight (record);
        self->flying -= less < self->flying ? less : self->flying; /* it may have started over */
        record->heard = true;
    }
    while (peer->me->heard[q] < posts->count && sim->records[posts->at[peer->me->heard[q]]]->heard)
        peer->me->heard[q]++;
    if (self->sent[q] < peer->me->heard[q])
        self->sent[q] = peer->me->heard[q];
}

static void on_done (peer_t *peer, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    identity_t *me = peer->me;
    me->atomics[number - 1].heard = true;
    while (me->atomics_heard < me->atomic_count && me->atomics[me->atomics_heard].heard)
        me->atomics_heard++;
}

static void producer_message (peer_t *peer, unsigned command, zf_reader_t *r, zf_bytes_t body)
{
    (void) body;
    if (command == ZF_CMD_CONFIRM)
        on_confirm (peer, r);
    else if (command == ZF_CMD_DONE)
        on_done (peer, r);
    pump (peer);
}

/* -- life -------------------------------------------------------------------------------------- */

static void start_over (peer_t *peer)
{
    producer_t *self = peer->role_state;
    for (size_t q = 0; q < QUEUES_MAX; q++)
        self->sent[q] = peer->me->heard[q];
    self->atomics_sent = peer->me->atomics_heard;
    self->flying = 0;
}

static void producer_up (peer_t *peer)
{
    start_over (peer);
    pump (peer);
}

static void producer_tick (peer_t *peer)
{
    producer_t *self = peer->role_state;
    sim_t *sim = peer->sim;
    if (sim->phase == PHASE_ACTIVE && self->budget > 0) {
        if (prng_one_in (&sim->prng, 8) && !any_compacts (sim))
            make_atomic (peer);
        else
            make_posts (peer);
    }
    if (peer->up && sim->chaos && prng_one_in (&sim->prng, 100))
        start_over (peer); /* it loses patience, and sends all of it again */
    pump (peer);
}

static void producer_make (peer_t *peer)
{
    producer_t *self = peer->role_state = vec_new (sizeof *self);
    prng_t *prng = &peer->sim->prng;
    static const uint32_t batches[] = {1, 3, 10, 30};
    self->budget = prng_between (prng, 20, 400);
    self->batch_max = PRNG_PICK (prng, batches);
    self->bulky = prng_one_in (prng, 3);
}

static bool producer_idle (const peer_t *peer)
{
    for (size_t q = 0; q < QUEUES_MAX; q++)
        if (peer->me->heard[q] < peer->me->posts[q].count)
            return false;
    return peer->me->atomics_heard == peer->me->atomic_count;
}

static void producer_free (peer_t *peer)
{
    producer_t *self = peer->role_state;
    zf_writer_free (&self->batch);
}

const role_t role_producer = {
    .name = "producer",
    .tick_ms = 100,
    .make = producer_make,
    .up = producer_up,
    .crash = start_over,
    .tick = producer_tick,
    .message = producer_message,
    .idle = producer_idle,
    .free = producer_free,
};
