/* Shouts and whispers between two nodes in processes of their own, beside what the same takes on
 * bare libzmq from a DEALER to a ROUTER (and back). Both take turns, so that what else the machine
 * does meets both alike. So that no line fills up, the sender is a window ahead at most. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "bench_peers.h"
#include "bench_raw.h"

#define SIZE       100 /* bytes of a message */
#define GROUP      "bench"
#define WINDOW     5000 /* shouts on the way */
#define ROUNDS     12   /* of both sides together */
#define WARM_UP    50   /* whispers before each round: the other side has had the caches */
#define RECV_MS    50   /* the echo looks at the parent's flags so often */
#define TIMEOUT_MS 10000

enum { ECHO, RAW_ECHO, RAW_SINK }; /* workers of the crew */

typedef struct talk talk_t;

/* A side that is measured. */
typedef struct {
    bool (*shout) (talk_t *self);
    bool (*whisper) (talk_t *self); /* and waits for the answer */
    uint64_t *ns;                   /* times of whispers, */
    uint64_t trips;                 /* so many */
    uint64_t shouted;               /* in all */
    uint64_t shout_ns;              /* what they took */
    uint32_t sink;                  /* the worker that counts them */
} side_t;

struct talk {
    const cli_t *cli;
    bench_crew_t *crew;
    zf_peer_t *peer;       /* ours, */
    char echo[ZF_PEER_ID]; /* and the other one */
    bench_raw_t echo_raw;
    bench_raw_t sink_raw;
    side_t sides[2];
    uint64_t wrong; /* answers */
    unsigned char body[SIZE];
};

/* -- roles ------------------------------------------------------------------------------------- */

static void answer (zf_peer_t *peer, bench_slot_t *slot, const zf_peer_event_t *event)
{
    if (event->type == ZF_PEER_WHISPER)
        zf_peer_whisper (peer, event->id, event->frames, event->frame_count);
    if (event->type != ZF_PEER_SHOUT)
        return;
    slot->last_ns = bench_now_ns ();
    atomic_fetch_add_explicit (&slot->received, 1, memory_order_release);
}

/* Sends whispers back, and counts shouts. */
void bench_peer_echo_run (bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    zf_peer_t *peer = NULL;
    zf_peer_options_t options;
    bench_slot_t *slot = &board->worker[index];
    const char *seed = board->order.endpoint;
    zf_peer_defaults (&options);
    options.beacon = false;
    options.endpoint = "tcp://127.0.0.1:*";
    options.seeds = &seed;
    options.seed_count = 1;
    if (zf_peer_start (&peer, &options, &err) != 0) {
        bench_slot_fail (slot, "%s", err.text);
        return;
    }
    zf_peer_listen (peer, 1u << ZF_PEER_WHISPER | 1u << ZF_PEER_SHOUT);
    zf_peer_join (peer, GROUP);
    bench_slot_ready (slot);
    while (!atomic_load_explicit (&board->finish, memory_order_relaxed)) {
        zf_peer_event_t event;
        if (zf_peer_next (peer, &event, RECV_MS) != 0)
            continue;
        answer (peer, slot, &event);
        zf_peer_event_release (&event);
    }
    zf_peer_stop (&peer);
    bench_slot_done (slot);
}

/* Counts messages: the frames that are no identities. Returns when receiving fails. */
static void sink (void *socket, bench_slot_t *slot)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    for (;;) {
        if (zmq_msg_recv (&frame, socket, 0) < 0) {
            if (errno == EINTR)
                continue;
            break;
        }
        if (zmq_msg_more (&frame) != 0)
            continue;
        slot->last_ns = bench_now_ns ();
        atomic_fetch_add_explicit (&slot->received, 1, memory_order_release);
    }
    zmq_msg_close (&frame);
}

/* The parent ends this process with a signal. */
void bench_raw_sink_run (bench_board_t *board, uint32_t index)
{
    size_t size = sizeof board->raw_back;
    bench_slot_t *slot = &board->worker[index];
    void *context = zmq_ctx_new ();
    void *socket = context != NULL ? zmq_socket (context, ZMQ_ROUTER) : NULL;
    if (socket != NULL && zmq_bind (socket, board->raw_back) == 0 &&
        zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, board->raw_back, &size) == 0) {
        bench_slot_ready (slot);
        sink (socket, slot);
    }
    bench_slot_fail (slot, "raw sink: %s", zmq_strerror (errno));
}

/* -- one message ------------------------------------------------------------------------------- */

static bool shout_zferry (talk_t *self)
{
    zf_bytes_t frame = {self->body, SIZE};
    return zf_peer_shout (self->peer, GROUP, &frame, 1) == 0;
}

static bool whisper_zferry (talk_t *self)
{
    zf_bytes_t frame = {self->body, SIZE};
    zf_peer_event_t event;
    if (zf_peer_whisper (self->peer, self->echo, &frame, 1) != 0 ||
        zf_peer_next (self->peer, &event, TIMEOUT_MS) != 0)
        return false;
    if (event.type != ZF_PEER_WHISPER || event.frame_count != 1 || event.frames[0].size != SIZE ||
        memcmp (event.frames[0].data, self->body, SIZE) != 0)
        self->wrong++;
    zf_peer_event_release (&event);
    return true;
}

static bool shout_raw (talk_t *self)
{
    return zmq_send (self->sink_raw.socket, self->body, SIZE, 0) >= 0;
}

static bool whisper_raw (talk_t *self)
{
    return bench_raw_request (&self->echo_raw, self->body, SIZE);
}

/* -- rounds ------------------------------------------------------------------------------------ */

static int look (const talk_t *self)
{
    if (cli_stopped () != 0)
        return cli_fail (self->cli, EX_TEMPFAIL, "stopped before the end");
    return bench_crew_look (self->crew);
}

/* Waits until no more than so many have not arrived; those that do not come are lost. */
static int await_arrival (const talk_t *self, const side_t *side, uint64_t missing)
{
    _Atomic uint64_t *received = &self->crew->board->worker[side->sink].received;
    uint64_t before = 0, end_ms = 0;
    for (;;) {
        uint64_t now = atomic_load_explicit (received, memory_order_acquire);
        if (now + missing >= side->shouted)
            return 0;
        if (now != before || end_ms == 0)
            end_ms = cli_now_ms () + TIMEOUT_MS;
        if (cli_now_ms () > end_ms)
            return 0;
        before = now;
        int rc = look (self);
        if (rc != 0)
            return rc;
        bench_pause ();
    }
}

static int shout_round (talk_t *self, side_t *side, uint64_t count)
{
    uint64_t start_ns = bench_now_ns ();
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < count; i++) {
        bench_body_stamp (self->body, 0, i, 0);
        if (!side->shout (self))
            return cli_fail (self->cli, EX_UNAVAILABLE, "a message can't be sent");
        side->shouted++;
        if (i % 64 == 0)
            rc = await_arrival (self, side, WINDOW);
    }
    if (rc == 0)
        rc = await_arrival (self, side, 0);
    if (rc == 0)
        side->shout_ns += self->crew->board->worker[side->sink].last_ns - start_ns;
    return rc;
}

static int whisper_round (talk_t *self, side_t *side, uint64_t count)
{
    for (uint64_t i = 0; i < WARM_UP + count; i++) {
        bench_body_stamp (self->body, 0, i, 0);
        uint64_t start_ns = bench_now_ns ();
        if (!side->whisper (self))
            return cli_fail (self->cli, EX_UNAVAILABLE, "a message was not answered");
        if (i >= WARM_UP)
            side->ns[side->trips++] = bench_now_ns () - start_ns;
        if (cli_stopped () != 0)
            return look (self);
    }
    return look (self);
}

static int talk_all (talk_t *self, const bench_talk_t *talk)
{
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < ROUNDS; i++) {
        side_t *side = &self->sides[(i ^ i >> 1) & 1]; /* A B B A A B ... */
        uint64_t round = i / 2, rounds = ROUNDS / 2;   /* of this side */
        cli_progress (self->cli, "talking: round %" PRIu64 " of %d", i + 1, ROUNDS);
        rc = shout_round (self, side, talk->shouts / rounds + (round < talk->shouts % rounds));
        if (rc == 0)
            rc = whisper_round (self, side, talk->trips / rounds + (round < talk->trips % rounds));
    }
    return rc;
}

/* -- opening ----------------------------------------------------------------------------------- */

static int start_peer (talk_t *self)
{
    zf_error_t err = {0};
    zf_peer_options_t options;
    zf_peer_defaults (&options);
    options.beacon = false;
    options.endpoint = "tcp://127.0.0.1:*";
    options.hub = "tcp://127.0.0.1:*";
    int rc = zf_peer_start (&self->peer, &options, &err);
    if (rc != 0)
        return cli_fail (self->cli, cli_exit_code (rc), "%s", err.text);
    zf_peer_listen (self->peer, 1u << ZF_PEER_JOIN);
    return 0;
}

static int hire_all (talk_t *self)
{
    static const char *const roles[] = {"peer-echo", "raw-echo", "raw-sink"};
    bench_board_t *board = self->crew->board;
    int rc = 0;
    snprintf (board->order.endpoint, BENCH_ENDPOINT_MAX, "%s", zf_peer_hub (self->peer));
    snprintf (board->raw_front, BENCH_ENDPOINT_MAX, "tcp://127.0.0.1:*");
    snprintf (board->raw_back, BENCH_ENDPOINT_MAX, "tcp://127.0.0.1:*");
    for (uint32_t i = 0; rc == 0 && i < sizeof roles / sizeof roles[0]; i++)
        rc = bench_crew_hire (self->crew, roles[i], i);
    return rc == 0 ? bench_crew_await_ready (self->crew) : rc;
}

/* Waits for the echo's joining the group. */
static int meet (talk_t *self)
{
    zf_peer_event_t event;
    if (zf_peer_next (self->peer, &event, TIMEOUT_MS) != 0)
        return cli_fail (self->cli, EX_UNAVAILABLE, "two nodes have not met in %d s",
                         TIMEOUT_MS / 1000);
    snprintf (self->echo, sizeof self->echo, "%s", event.id);
    zf_peer_event_release (&event);
    zf_peer_listen (self->peer, 1u << ZF_PEER_WHISPER);
    return 0;
}

static int connect_raw (talk_t *self)
{
    const bench_board_t *board = self->crew->board;
    if (bench_raw_open (&self->echo_raw, board->raw_front, TIMEOUT_MS) == 0 &&
        bench_raw_open (&self->sink_raw, board->raw_back, TIMEOUT_MS) == 0)
        return 0;
    return cli_fail (self->cli, EX_UNAVAILABLE, "can't connect bare libzmq: %s",
                     zmq_strerror (errno));
}

static int open_sides (talk_t *self, uint64_t trips)
{
    self->sides[0] = (side_t){.shout = shout_zferry, .whisper = whisper_zferry, .sink = ECHO};
    self->sides[1] = (side_t){.shout = shout_raw, .whisper = whisper_raw, .sink = RAW_SINK};
    for (size_t i = 0; i < 2; i++) {
        self->sides[i].ns = malloc (trips * sizeof (uint64_t));
        if (self->sides[i].ns == NULL)
            return cli_fail (self->cli, EX_OSERR, "out of memory");
    }
    bench_body_fill (self->body, SIZE);
    int rc = hire_all (self);
    if (rc == 0)
        rc = meet (self);
    return rc == 0 ? connect_raw (self) : rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

static void tell (const talk_t *self, bench_talk_t *talk)
{
    const side_t *mine = &self->sides[0], *raw = &self->sides[1];
    talk->shout_ns = mine->shout_ns;
    talk->raw_ns = raw->shout_ns;
    talk->p50_us = bench_percentile_us (mine->ns, mine->trips, 0.5);
    talk->p99_us = bench_percentile_us (mine->ns, mine->trips, 0.99);
    talk->raw_p50_us = bench_percentile_us (raw->ns, raw->trips, 0.5);
    talk->raw_p99_us = bench_percentile_us (raw->ns, raw->trips, 0.99);
    talk->lost = mine->shouted - atomic_load (&self->crew->board->worker[ECHO].received);
    talk->wrong = self->wrong;
}

int bench_peers_talk (const cli_t *cli, bench_talk_t *talk)
{
    static bench_crew_t crew;
    talk_t self = {.cli = cli, .crew = &crew};
    bench_order_t order = {.size = SIZE, .sample_every = 1};
    int rc = bench_crew_open_host (&crew, cli, &order, BENCH_TCP, NULL, BENCH_HOST_NONE);
    if (rc == 0)
        rc = start_peer (&self);
    if (rc == 0)
        rc = open_sides (&self, talk->trips);
    if (rc == 0)
        rc = talk_all (&self, talk);
    if (rc == 0)
        rc = bench_crew_finish (&crew);
    if (rc == 0)
        tell (&self, talk);
    zf_peer_stop (&self.peer);
    bench_raw_close (&self.echo_raw);
    bench_raw_close (&self.sink_raw);
    bench_crew_close (&crew);
    free (self.sides[0].ns);
    free (self.sides[1].ns);
    return rc;
}
