/* A subscriber: reads streams at its own pace, loses a message now and then, and goes on from where
 * it was: in a new session, or when it sees that something is missing. */
#include "tests/sim/chronicle.h"
#include "tests/sim/peer.h"

#define READS_MAX 4

/* What it reads, under the number of its place in the array, from 1. */
typedef struct {
    queue_t *stream;
    unsigned filter;
    zf_start_t start;
    uint64_t window;
    bool placed;       /* it has a position: that is where it goes on */
    bool active;       /* SUBSCRIBED has come */
    bool lost;         /* a message has, since */
    uint64_t position; /* it has got all below */
    uint64_t told;     /* it said READ up to there */
    uint64_t pause_ms; /* it does not read before */
    uint64_t moved_ms; /* when it got something, last */
} reading_t;

typedef struct {
    reading_t readings[READS_MAX];
    size_t count;
    uint32_t sloth; /* one look in so many does it say READ */
    uint32_t mood;  /* one in so many messages gets lost */
} subscriber_t;

/* -- asking ------------------------------------------------------------------------------------ */

static void subscribe (peer_t *peer, size_t i)
{
    subscriber_t *self = peer->role_state;
    reading_t *reading = &self->readings[i];
    zf_start_t start = reading->start;
    if (reading->placed)
        start = (zf_start_t){.from = ZF_FROM_OFFSET, .value = reading->position};
    reading->active = reading->lost = false;
    reading->told = reading->position;
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_SUBSCRIBE, 9);
    zf_mp_put_uint (&w, i + 1);
    zf_mp_put_str (&w, zf_bytes_of (reading->stream->name));
    zf_mp_put_uint (&w, (uint64_t) start.from);
    zf_mp_put_uint (&w, start.value);
    zf_mp_put_uint (&w, reading->window);
    zf_mp_put_uint (&w, 0);
    topic_put_patterns (&w, reading->filter);
    zf_mp_put_uint (&w, reading->filter); /* for the chronicle: the engine skips it */
    peer_send (peer, &w, NULL);
}

static queue_t *any_stream (sim_t *sim)
{
    for (;;) {
        queue_t *queue = &sim->queues[prng_below (&sim->prng, sim->queue_count)];
        if (queue->policy.kind == ZF_KIND_STREAM)
            return queue;
    }
}

/* Of a record, gone or there or to come. */
static uint64_t some_offset (sim_t *sim, const queue_t *stream)
{
    uint64_t next = stream->engine->lanes[0].log.next + 10;
    uint64_t back = prng_below (&sim->prng, 300);
    return next > back ? next - back : 0;
}

/* Something else is to be read in this place. */
static void choose (peer_t *peer, reading_t *reading)
{
    static const zf_from_t froms[] = {ZF_FROM_FIRST, ZF_FROM_FIRST, ZF_FROM_NEW,
                                      ZF_FROM_LAST,  ZF_FROM_TIME,  ZF_FROM_OFFSET};
    static const uint64_t windows[] = {0, 65536, 65536, 1 << 20};
    sim_t *sim = peer->sim;
    queue_t *stream = any_stream (sim);
    *reading = (reading_t){.stream = stream, .window = PRNG_PICK (&sim->prng, windows)};
    if (prng_one_in (&sim->prng, 2))
        reading->filter = (unsigned) prng_below (&sim->prng, FILTERS_MAX);
    reading->start.from = PRNG_PICK (&sim->prng, froms);
    if (reading->start.from == ZF_FROM_LAST)
        reading->start.value = prng_below (&sim->prng, 100);
    else if (reading->start.from == ZF_FROM_TIME)
        reading->start.value = sim->now_ms - prng_below (&sim->prng, 20000);
    else if (reading->start.from == ZF_FROM_OFFSET)
        reading->start.value = some_offset (sim, stream);
}

/* -- hearing ----------------------------------------------------------------------------------- */

static void on_subscribed (peer_t *peer, reading_t *reading, zf_reader_t *r)
{
    uint64_t code = zf_mp_uint (r);
    zf_mp_bytes (r);
    uint64_t next = zf_mp_uint (r);
    if (code != 0 || (reading->placed && next < reading->position))
        sim_fail (peer->sim, "subscribed with %" PRIu64 " at %" PRIu64 ", not %" PRIu64, code, next,
                  reading->position);
    reading->active = reading->placed = true;
    reading->position = reading->told = next;
    reading->moved_ms = peer->sim->now_ms;
}

/* What the chronicle has seen at the door gets here, in that order and without a hole. */
static void on_events (peer_t *peer, size_t i, zf_reader_t *r)
{
    subscriber_t *self = peer->role_state;
    reading_t *reading = &self->readings[i];
    sim_t *sim = peer->sim;
    uint64_t from = zf_mp_uint (r);
    uint64_t to = zf_mp_uint (r);
    if (!reading->active)
        return; /* of the subscription before */
    if (sim->chaos && prng_one_in (&sim->prng, self->mood)) {
        reading->lost = true;
        return;
    }
    if (from < reading->position)
        sim_fail (sim, "events from %" PRIu64 " again", from);
    if (from > reading->position && !reading->lost)
        sim_fail (sim, "events from %" PRIu64 ", not %" PRIu64, from, reading->position);
    if (from > reading->position) {
        subscribe (peer, i);
        return;
    }
    reading->position = to;
    reading->moved_ms = sim->now_ms;
}

static void subscriber_message (peer_t *peer, unsigned command, zf_reader_t *r, zf_bytes_t body)
{
    subscriber_t *self = peer->role_state;
    (void) body;
    if (command != ZF_CMD_SUBSCRIBED && command != ZF_CMD_EVENTS)
        return;
    uint64_t number = zf_mp_uint (r);
    if (number == 0 || number > self->count)
        sim_fail (peer->sim, "subscription %" PRIu64 " was never made", number);
    if (command == ZF_CMD_SUBSCRIBED)
        on_subscribed (peer, &self->readings[number - 1], r);
    else
        on_events (peer, number - 1, r);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void say_read (peer_t *peer, size_t i, uint64_t to)
{
    subscriber_t *self = peer->role_state;
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_READ, 3);
    zf_mp_put_uint (&w, i + 1);
    zf_mp_put_uint (&w, to);
    self->readings[i].told = to;
    peer_send (peer, &w, NULL);
}

static void say_unsubscribe (peer_t *peer, size_t i)
{
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_UNSUBSCRIBE, 2);
    zf_mp_put_uint (&w, i + 1);
    peer_send (peer, &w, NULL);
}

static bool is_behind (const peer_t *peer, const reading_t *reading)
{
    return !reading->active ||
           reading->position < chronicle_end (peer->sim, reading->stream, reading->filter);
}

/* What was lost last nobody tells: a real one would see it with the next message. */
static bool is_stuck (const peer_t *peer, const reading_t *reading)
{
    return reading->active && reading->lost && peer->sim->phase == PHASE_DRAIN &&
           reading->moved_ms + 2000 < peer->sim->now_ms && is_behind (peer, reading);
}

static void look_after (peer_t *peer, size_t i)
{
    subscriber_t *self = peer->role_state;
    sim_t *sim = peer->sim;
    reading_t *reading = &self->readings[i];
    bool active = sim->phase == PHASE_ACTIVE;
    if (!reading->active)
        return; /* SUBSCRIBED is under way */
    if (active && prng_one_in (&sim->prng, 400))
        reading->pause_ms = sim->now_ms + prng_below (&sim->prng, 8000);
    if (active && prng_one_in (&sim->prng, 300)) {
        if (prng_one_in (&sim->prng, 2))
            say_unsubscribe (peer, i);
        choose (peer, reading);
        subscribe (peer, i);
    } else if (is_stuck (peer, reading) || (active && prng_one_in (&sim->prng, 500))) {
        subscribe (peer, i);
    } else if (reading->position > reading->told &&
               (!active ||
                (reading->pause_ms <= sim->now_ms && prng_one_in (&sim->prng, self->sloth)))) {
        uint64_t part = prng_below (&sim->prng, reading->position - reading->told + 1);
        say_read (peer, i, reading->position - (active && prng_one_in (&sim->prng, 3) ? part : 0));
    }
}

static void subscriber_tick (peer_t *peer)
{
    const subscriber_t *self = peer->role_state;
    for (size_t i = 0; i < self->count && peer->up; i++)
        look_after (peer, i);
}

/* -- life -------------------------------------------------------------------------------------- */

static void subscriber_up (peer_t *peer)
{
    const subscriber_t *self = peer->role_state;
    for (size_t i = 0; i < self->count; i++)
        subscribe (peer, i);
}

static void subscriber_down (peer_t *peer)
{
    subscriber_t *self = peer->role_state;
    for (size_t i = 0; i < self->count; i++)
        self->readings[i].active = false;
}

/* It remembers nothing. */
static void subscriber_crash (peer_t *peer)
{
    subscriber_t *self = peer->role_state;
    for (size_t i = 0; i < self->count; i++)
        choose (peer, &self->readings[i]);
}

static void subscriber_make (peer_t *peer)
{
    static const uint32_t sloths[] = {1, 3, 30};
    static const uint32_t moods[] = {20, 100, 1000000};
    subscriber_t *self = peer->role_state = vec_new (sizeof *self);
    self->count = prng_between (&peer->sim->prng, 1, READS_MAX);
    self->sloth = PRNG_PICK (&peer->sim->prng, sloths);
    self->mood = PRNG_PICK (&peer->sim->prng, moods);
    subscriber_crash (peer);
}

static bool subscriber_idle (const peer_t *peer)
{
    const subscriber_t *self = peer->role_state;
    for (size_t i = 0; i < self->count; i++)
        if (is_behind (peer, &self->readings[i]))
            return false;
    return true;
}

static void subscriber_free (peer_t *peer)
{
    (void) peer;
}

const role_t role_subscriber = {
    .name = "subscriber",
    .tick_ms = 30,
    .make = subscriber_make,
    .up = subscriber_up,
    .down = subscriber_down,
    .crash = subscriber_crash,
    .tick = subscriber_tick,
    .message = subscriber_message,
    .idle = subscriber_idle,
    .free = subscriber_free,
};
