/* An asker: sends requests, and sends them again under the same number in each new session, until
 * it has the final answer. */
#include "tests/sim/peer.h"

typedef struct {
    size_t budget;     /* requests still to be made */
    zf_writer_t batch; /* scratch */
} asker_t;

static queue_t *any_service (sim_t *sim)
{
    for (;;) {
        queue_t *queue = &sim->queues[prng_below (&sim->prng, sim->queue_count)];
        if (!queue->is_dead)
            return queue;
    }
}

/* A record for request `number`: each time it is sent is another. */
static uint32_t make_record (peer_t *peer, uint32_t number)
{
    sim_t *sim = peer->sim;
    const request_t *request = &peer->me->requests[number - 1];
    record_t *record = book_record (peer->me, request->queue);
    record->asked = true;
    record->number = number;
    record->size = (uint32_t) prng_between (&sim->prng, BODY_MIN, 100);
    record->ttl_ms = request->ttl_ms;
    if (request->queue->policy.ordered && prng_one_in (&sim->prng, 2))
        record->key = (uint32_t) prng_between (&sim->prng, 1, 5);
    if (request->queue->policy.priorities > 1)
        record->priority = (uint32_t) prng_below (&sim->prng, ZF_PRIORITIES_MAX);
    book_sealed (record);
    return record->serial;
}

/* Sends n requests that have all but their number in common. */
static void send_requests (peer_t *peer, uint32_t number, uint32_t n)
{
    asker_t *self = peer->role_state;
    const request_t *request = &peer->me->requests[number - 1];
    uint32_t serials[4];
    for (uint32_t i = 0; i < n; i++) {
        serials[i] = make_record (peer, number + i);
        peer->me->requests[number + i - 1].sent++;
    }
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_REQUEST, 4);
    zf_mp_put_str (&w, zf_bytes_of (request->queue->name));
    zf_mp_put_uint (&w, request->ttl_ms);
    zf_mp_put_uint (&w, request->flags);
    book_batch (peer->sim, serials, n, number, &self->batch);
    peer_send (peer, &w, &self->batch);
}

static void make_requests (peer_t *peer)
{
    static const uint64_t ttls[] = {0, 300, 2000, 20000};
    asker_t *self = peer->role_state;
    sim_t *sim = peer->sim;
    queue_t *queue = any_service (sim);
    uint32_t n = (uint32_t) prng_between (&sim->prng, 1, 3);
    uint64_t ttl_ms = PRNG_PICK (&sim->prng, ttls);
    uint32_t flags = prng_one_in (&sim->prng, 6) ? ZF_ASK_FAIL_FAST : 0;
    uint32_t number = (uint32_t) peer->me->request_count + 1;
    for (uint32_t i = 0; i < n; i++) {
        request_t *request = book_request (peer->me, queue);
        request->ttl_ms = ttl_ms;
        request->flags = flags;
    }
    self->budget = self->budget > n ? self->budget - n : 0;
    if (peer->up)
        send_requests (peer, number, n);
}

static void asker_up (peer_t *peer)
{
    for (uint32_t i = 0; i < peer->me->request_count; i++)
        if (peer->me->requests[i].ended == 0)
            send_requests (peer, i + 1, 1);
}

static void check_answer (peer_t *peer, uint64_t number, zf_bytes_t body)
{
    zf_batch_t batch;
    zf_record_t encoded;
    if (zf_batch_decode (body, &batch) != 0 || batch.count != 1)
        sim_fail (peer->sim, "an answer whose batch is broken");
    zf_record_decode (batch.records, batch.records + batch.size, &encoded);
    if (encoded.body.size == 0)
        return; /* it was acknowledged, not answered */
    const record_t *record = book_answered (peer->sim, encoded.body);
    if (record == NULL || record->owner != peer->me || record->number != number)
        sim_fail (peer->sim, "request %" PRIu64 " gets the answer to another", number);
}

static void asker_message (peer_t *peer, unsigned command, zf_reader_t *r, zf_bytes_t body)
{
    if (command != ZF_CMD_REPLY)
        return;
    uint64_t number = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    bool more = zf_mp_bool (r);
    if (number == 0 || number > peer->me->request_count)
        sim_fail (peer->sim, "an answer to a request that was never made");
    request_t *request = &peer->me->requests[number - 1];
    request->ended += !more; /* sent again, it may be answered again */
    if (request->ended > request->sent)
        sim_fail (peer->sim, "request %" PRIu64 " is answered twice", number);
    if (code == 0)
        check_answer (peer, number, body);
}

static void asker_tick (peer_t *peer)
{
    asker_t *self = peer->role_state;
    if (peer->sim->phase == PHASE_ACTIVE && self->budget > 0)
        make_requests (peer);
}

static void asker_make (peer_t *peer)
{
    asker_t *self = peer->role_state = vec_new (sizeof *self);
    self->budget = prng_between (&peer->sim->prng, 10, 150);
}

static void asker_crash (peer_t *peer)
{
    (void) peer; /* who comes back waits for nothing */
}

static bool asker_idle (const peer_t *peer)
{
    for (size_t i = 0; i < peer->me->request_count; i++)
        if (peer->me->requests[i].ended == 0)
            return false;
    return true;
}

static void asker_free (peer_t *peer)
{
    asker_t *self = peer->role_state;
    zf_writer_free (&self->batch);
}

const role_t role_asker = {
    .name = "asker",
    .tick_ms = 150,
    .make = asker_make,
    .up = asker_up,
    .crash = asker_crash,
    .tick = asker_tick,
    .message = asker_message,
    .idle = asker_idle,
    .free = asker_free,
};
