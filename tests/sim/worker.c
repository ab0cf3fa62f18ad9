/* A worker: takes records of some queues and settles them in every way there is, sooner or later,
 * or never. */
#include "tests/sim/peer.h"

typedef enum {
    PLAN_ACK,
    PLAN_ANSWER,
    PLAN_PARTS,
    PLAN_NACK,
    PLAN_REJECT,
    PLAN_RELEASE,
    PLAN_EXTEND,
    PLAN_FORGET
} plan_t;

/* A record in its hands. */
typedef struct {
    queue_t *queue;
    uint64_t id;
    uint32_t serial;
    plan_t plan;
    uint64_t due_ms; /* when it does that */
} item_t;

typedef struct {
    item_t *items;
    size_t count, room;
    int64_t limit[QUEUES_MAX]; /* credit it wants; -1: does not take from there */
    int64_t told[QUEUES_MAX];  /* credit the engine was told in this session; -1: none */
    uint32_t mood;             /* one item in so many is not simply done */
    uint64_t pace_ms;          /* it takes so long for a record, at most */
    zf_writer_t batch;         /* scratch */
} worker_t;

#define GROUP_MAX 64

/* -- taking ------------------------------------------------------------------------------------ */

static plan_t make_plan (peer_t *peer, bool asked)
{
    static const plan_t odd[] = {PLAN_PARTS,   PLAN_NACK,   PLAN_NACK,   PLAN_REJECT, PLAN_RELEASE,
                                 PLAN_RELEASE, PLAN_EXTEND, PLAN_EXTEND, PLAN_FORGET, PLAN_ANSWER};
    worker_t *self = peer->role_state;
    prng_t *prng = &peer->sim->prng;
    if (peer->sim->phase == PHASE_ACTIVE && prng_one_in (prng, self->mood))
        return PRNG_PICK (prng, odd);
    return asked && !prng_one_in (prng, 10) ? PLAN_ANSWER : PLAN_ACK;
}

static uint64_t working_time (peer_t *peer, const queue_t *queue)
{
    worker_t *self = peer->role_state;
    prng_t *prng = &peer->sim->prng;
    if (peer->sim->phase != PHASE_ACTIVE)
        return 0;
    if (prng_one_in (prng, 40)) /* about as long as the lease, or twice */
        return prng_below (prng, 2ull * queue->policy.lease_ms);
    return prng_below (prng, self->pace_ms + 1);
}

static void on_deliver (peer_t *peer, zf_reader_t *r, zf_bytes_t body)
{
    worker_t *self = peer->role_state;
    sim_t *sim = peer->sim;
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    uint64_t first = zf_mp_uint (r);
    zf_mp_uint (r); /* attempt */
    zf_mp_uint (r); /* lease */
    bool asked = (zf_mp_uint (r) & ZF_DELIVER_WANTS_REPLY) != 0;
    zf_batch_t batch;
    zf_batch_decode (body, &batch);
    const uint8_t *at = batch.records;
    uint64_t together = sim->now_ms + working_time (peer, queue);
    plan_t plan = make_plan (peer, asked);
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        self->items = vec_room (self->items, self->count, &self->room, sizeof *self->items);
        item_t *item = &self->items[self->count++];
        *item = (item_t){queue, first + i, zf_load_u32le (record.body.data), plan, together};
        if (!prng_one_in (&sim->prng, 4)) {
            item->plan = make_plan (peer, asked);
            item->due_ms = sim->now_ms + working_time (peer, queue);
        }
    }
}

/* -- settling ---------------------------------------------------------------------------------- */

static int by_id (const void *a, const void *b)
{
    const item_t *x = a;
    const item_t *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Takes out due items that are alike; returns how many, in the order of their ids. */
static size_t take_group (peer_t *peer, item_t *group)
{
    worker_t *self = peer->role_state;
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        item_t item = self->items[i];
        bool due = item.due_ms <= peer->sim->now_ms;
        bool like = n == 0 || (item.queue == group[0].queue && item.plan == group[0].plan);
        if (due && like && n < GROUP_MAX)
            group[n++] = item;
        else
            self->items[kept++] = item;
    }
    self->count = kept;
    if (n > 1)
        qsort (group, n, sizeof *group, by_id);
    return n;
}

/* How many of the n items have ids that follow on. */
static size_t streak (const item_t *items, size_t n)
{
    size_t length = 1;
    while (length < n && items[length].id == items[0].id + length)
        length++;
    return length;
}

static void send_ranges (peer_t *peer, zf_writer_t *head, const item_t *items, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = streak (items + i, n - i);
        zf_mp_put_uint (head, items[i].id);
        zf_mp_put_uint (head, length);
        i += length;
    }
    peer_send (peer, head, NULL);
}

static size_t count_ranges (const item_t *items, size_t n)
{
    size_t ranges = 0;
    for (size_t i = 0; i < n; ranges++)
        i += streak (items + i, n - i);
    return ranges;
}

static void settle (peer_t *peer, const item_t *items, size_t n, unsigned command)
{
    static const int64_t delays[] = {-1, -1, 0, 100, 2000};
    static const char *const reasons[] = {"", "bad", "no such customer"};
    prng_t *prng = &peer->sim->prng;
    zf_writer_t w = {0};
    bool bare = command == ZF_CMD_ACK || command == ZF_CMD_RELEASE;
    zf_control (&w, command, (bare ? 2 : 3) + 2 * count_ranges (items, n));
    zf_mp_put_str (&w, zf_bytes_of (items[0].queue->name));
    if (command == ZF_CMD_NACK)
        zf_mp_put_int (&w, PRNG_PICK (prng, delays));
    else if (command == ZF_CMD_REJECT)
        zf_mp_put_str (&w, zf_bytes_of (PRNG_PICK (prng, reasons)));
    else if (command == ZF_CMD_EXTEND)
        zf_mp_put_uint (&w, prng_below (prng, 5000));
    send_ranges (peer, &w, items, n);
}

static void send_answer (peer_t *peer, const item_t *items, size_t n, bool more)
{
    worker_t *self = peer->role_state;
    sim_t *sim = peer->sim;
    self->batch.size = 0;
    zf_writer_reserve (&self->batch, ZF_BATCH_HEADER);
    for (size_t i = 0; i < n; i++) {
        zf_writer_t body = {0};
        bool large = prng_one_in (&sim->prng, 20); /* so that its frame is passed on as it is */
        book_put_answer (&body, sim->records[items[i].serial], large ? 9000 : 20);
        uint8_t *at = zf_writer_reserve (&self->batch, zf_record_size (0, body.size));
        zf_record_encode (at, zf_bytes (NULL, 0), zf_bytes (body.data, body.size));
        zf_writer_free (&body);
    }
    zf_batch_seal (self->batch.data, self->batch.size, (uint32_t) n, 0, items[0].id);
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_ANSWER, 3);
    zf_mp_put_str (&w, zf_bytes_of (items[0].queue->name));
    zf_mp_put_bool (&w, more);
    peer_send (peer, &w, &self->batch);
}

static void answer (peer_t *peer, const item_t *items, size_t n, bool more)
{
    for (size_t i = 0; i < n;) {
        size_t length = streak (items + i, n - i);
        send_answer (peer, items + i, length, more);
        i += length;
    }
}

/* The items stay in hand, to be dealt with later. */
static void keep (peer_t *peer, const item_t *items, size_t n)
{
    worker_t *self = peer->role_state;
    prng_t *prng = &peer->sim->prng;
    for (size_t i = 0; i < n; i++) {
        self->items = vec_room (self->items, self->count, &self->room, sizeof *self->items);
        item_t *item = &self->items[self->count++];
        *item = items[i];
        item->due_ms = peer->sim->now_ms + prng_between (prng, 1, 300);
        if (prng_one_in (prng, 2))
            item->plan = PLAN_ANSWER;
    }
}

static void carry_out (peer_t *peer, const item_t *items, size_t n)
{
    switch (items[0].plan) {
    case PLAN_ACK:
        settle (peer, items, n, ZF_CMD_ACK);
        if (peer->sim->chaos && prng_one_in (&peer->sim->prng, 30)) /* and, by mistake, again */
            settle (peer, items, n, prng_one_in (&peer->sim->prng, 2) ? ZF_CMD_ACK : ZF_CMD_NACK);
        break;
    case PLAN_ANSWER:
        answer (peer, items, n, false);
        break;
    case PLAN_PARTS:
        answer (peer, items, n, true);
        keep (peer, items, n);
        break;
    case PLAN_NACK:
        settle (peer, items, n, ZF_CMD_NACK);
        break;
    case PLAN_REJECT:
        settle (peer, items, n, ZF_CMD_REJECT);
        break;
    case PLAN_RELEASE:
        settle (peer, items, n, ZF_CMD_RELEASE);
        break;
    case PLAN_EXTEND:
        settle (peer, items, n, ZF_CMD_EXTEND);
        keep (peer, items, n);
        break;
    case PLAN_FORGET:
        break;
    }
}

/* -- life -------------------------------------------------------------------------------------- */

static void tell_limits (peer_t *peer)
{
    worker_t *self = peer->role_state;
    for (size_t q = 0; q < peer->sim->queue_count && peer->up; q++) {
        if (self->limit[q] == self->told[q] || peer->sim->queues[q].engine == NULL)
            continue;
        self->told[q] = self->limit[q];
        zf_writer_t w = {0};
        zf_control (&w, ZF_CMD_CONSUME, 3);
        zf_mp_put_str (&w, zf_bytes_of (peer->sim->queues[q].name));
        zf_mp_put_uint (&w, (uint64_t) self->limit[q]);
        peer_send (peer, &w, NULL);
    }
}

static void change_limits (peer_t *peer)
{
    worker_t *self = peer->role_state;
    sim_t *sim = peer->sim;
    for (size_t q = 0; q < sim->queue_count; q++) {
        if (sim->queues[q].policy.kind == ZF_KIND_STREAM)
            continue;
        if (sim->phase != PHASE_ACTIVE)
            self->limit[q] = 50;
        else if (self->limit[q] >= 0 && prng_one_in (&sim->prng, 200))
            self->limit[q] = (int64_t) prng_below (&sim->prng, 40);
    }
}

static void worker_tick (peer_t *peer)
{
    item_t group[GROUP_MAX] = {{0}};
    size_t n;
    change_limits (peer);
    tell_limits (peer);
    while (peer->up && (n = take_group (peer, group)) > 0)
        carry_out (peer, group, n);
}

static void forget_session (worker_t *self)
{
    for (size_t q = 0; q < QUEUES_MAX; q++)
        self->told[q] = -1;
}

static void worker_up (peer_t *peer)
{
    forget_session (peer->role_state);
    tell_limits (peer);
}

/* Most forget what they had; some go on and settle what they do not hold any more. */
static void worker_down (peer_t *peer)
{
    worker_t *self = peer->role_state;
    if (!prng_one_in (&peer->sim->prng, 4))
        self->count = 0;
}

static void worker_crash (peer_t *peer)
{
    worker_t *self = peer->role_state;
    self->count = 0;
}

static void worker_message (peer_t *peer, unsigned command, zf_reader_t *r, zf_bytes_t body)
{
    if (command == ZF_CMD_DELIVER)
        on_deliver (peer, r, body);
}

static void worker_make (peer_t *peer)
{
    static const uint32_t moods[] = {2, 5, 20, 100};
    static const uint64_t paces[] = {0, 20, 200};
    worker_t *self = peer->role_state = vec_new (sizeof *self);
    sim_t *sim = peer->sim;
    forget_session (self);
    self->mood = PRNG_PICK (&sim->prng, moods);
    self->pace_ms = PRNG_PICK (&sim->prng, paces);
    for (size_t q = 0; q < QUEUES_MAX; q++) {
        bool takes = q < sim->queue_count &&
                     prng_one_in (&sim->prng, sim->queues[q].is_dead ? 8 : 2) &&
                     sim->queues[q].policy.kind != ZF_KIND_STREAM;
        self->limit[q] = takes ? (int64_t) prng_between (&sim->prng, 1, 40) : -1;
    }
}

static bool worker_idle (const peer_t *peer)
{
    const worker_t *self = peer->role_state;
    return self->count == 0;
}

static void worker_free (peer_t *peer)
{
    worker_t *self = peer->role_state;
    free (self->items);
    zf_writer_free (&self->batch);
}

const role_t role_worker = {
    .name = "worker",
    .tick_ms = 20,
    .make = worker_make,
    .up = worker_up,
    .down = worker_down,
    .crash = worker_crash,
    .tick = worker_tick,
    .message = worker_message,
    .idle = worker_idle,
    .free = worker_free,
};
