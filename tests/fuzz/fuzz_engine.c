/* The engine as a whole: the input is a program of events. Each begins with a byte, bits 5..6 of
 * which say which peer does something, bits 0..4 what; bit 7: the turn goes on.
 *
 * An input that begins with a byte of 0xfx is lived by a broker with a log, which may die. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"
#include "tests/fuzz/world_log.h"

#define QUEUES  8
#define STREAMS 4 /* the first of them */

static const char *const names[QUEUES] = {"a", "b", "b.dead", "mmi.x", "s", "s@a", "s@b", "c"};

typedef struct {
    world_t world;
    world_log_t log;                 /* wal NULL: there is none */
    zf_reader_t in;                  /* what is left of the input */
    unsigned peer;                   /* who does something */
    uint64_t numbers[PEERS][QUEUES]; /* of posts, the last one */
    uint64_t asked[PEERS];           /* of requests */
    uint64_t atomics[PEERS];
} play_t;

static uint32_t below (play_t *play, uint32_t n)
{
    return zf_read_u8 (&play->in) % n;
}

/* The streams are less frequent than the queues. */
static uint32_t some_queue (play_t *play)
{
    uint8_t byte = zf_read_u8 (&play->in);
    return byte < 192 ? byte % STREAMS : STREAMS + byte % (QUEUES - STREAMS);
}

static const char *queue_of (play_t *play)
{
    return names[some_queue (play)];
}

static const char *stream_of (play_t *play)
{
    return names[STREAMS + (below (play, 2) ? 3 : 0)];
}

/* The first offset of the stream that the queue is, or is a group of; 0: of none. */
static uint64_t first_of (play_t *play, const char *name)
{
    zf_queue_info_t info = {.first = 0};
    zf_queue_t *queue = zf_engine_find (play->world.engine, zf_bytes_of (name));
    if (queue != NULL && (queue->stream != NULL || queue->follow != NULL))
        zf_queue_describe (queue, &info);
    return info.first;
}

static void say (play_t *play, zf_writer_t *control, zf_frame_t *batch)
{
    world_send (&play->world, play->peer, wire_written (control), batch);
}

/* -- what peers do ----------------------------------------------------------------------------- */

static void join (play_t *play)
{
    uint8_t identity = zf_read_u8 (&play->in) & 3;
    world_join (&play->world, play->peer, identity);
}

static void detach (play_t *play)
{
    zf_session_t **host = &play->world.sessions[play->peer];
    zf_session_t *session = *host;
    *host = NULL;
    if (session != NULL)
        zf_engine_detach (session);
}

static void wait (play_t *play)
{
    uint64_t ms = UINT64_C (1) << below (play, 24);
    play->world.now_ms += ms;
    zf_engine_tick (play->world.engine, play->world.now_ms);
}

static void set_props (play_t *play, zf_props_t *props)
{
    static const char *const labels[] = {"x", "y", "z"};
    static const char *const topics[] = {"x", "x.y", "y.z", "..x"};
    uint8_t what = zf_read_u8 (&play->in);
    zf_props_defaults (props);
    if (what & 1)
        props->key = zf_bytes_of (labels[below (play, 3)]);
    if (what & 2)
        props->id = zf_bytes_of (labels[below (play, 3)]);
    if (what & 4)
        props->delay_ms = UINT64_C (1) << below (play, 64);
    if (what & 8)
        props->ttl_ms = UINT64_C (1) << below (play, 64);
    if (what & 16)
        props->priority = below (play, 10);
    if (what & 32)
        props->topic = zf_bytes_of (topics[below (play, 4)]);
}

static const char *words (play_t *play)
{
    static const char all[] = "a b c d e f g h";
    return all + 2 * (size_t) below (play, 8);
}

static zf_frame_t *batch_of (play_t *play, uint64_t *last)
{
    zf_props_t props;
    uint8_t kind = zf_read_u8 (&play->in);
    uint64_t first = kind & 128 ? zf_read_u8 (&play->in) : *last + 1;
    uint32_t count = 1 + (kind & 31);
    if (kind & 64) {
        *last = first + count - 1;
        return wire_bulk (first, count, (size_t) below (play, 64) * 40);
    }
    const char *bodies = words (play);
    *last = first + wire_words (bodies) - 1;
    if (kind & 32)
        set_props (play, &props);
    return wire_batch (first, bodies, kind & 32 ? &props : NULL);
}

static void post (play_t *play)
{
    uint32_t queue = some_queue (play);
    zf_writer_t w = wire_control (ZF_CMD_POST, 3);
    wire_put_text (&w, names[queue]);
    zf_mp_put_uint (&w, zf_read_u8 (&play->in));
    zf_mp_put_uint (&w, queue >= STREAMS ? ZF_MAKE_STREAM : 0);
    say (play, &w, batch_of (play, &play->numbers[play->peer][queue]));
}

static void post_many (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    uint32_t parts = 1 + below (play, 3);
    uint64_t numbers = 0;
    zf_mp_put_uint (&w, play->atomics[play->peer] += below (play, 3));
    zf_mp_put_uint (&w, below (play, 8));
    zf_mp_put_array (&w, 2 * (size_t) parts);
    for (uint32_t i = 0; i < parts; i++) {
        wire_put_text (&w, queue_of (play));
        zf_mp_put_uint (&w, below (play, 4));
    }
    say (play, &w, batch_of (play, &numbers));
}

static void request (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_REQUEST, 3);
    wire_put_text (&w, queue_of (play));
    zf_mp_put_uint (&w, below (play, 2) ? UINT64_C (1) << below (play, 64) : 0);
    zf_mp_put_uint (&w, below (play, 2));
    say (play, &w, batch_of (play, &play->asked[play->peer]));
}

static void consume (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_CONSUME, 2);
    wire_put_text (&w, queue_of (play));
    zf_mp_put_uint (&w, below (play, 16));
    say (play, &w, NULL);
}

/* ACK, NACK, REJECT, RELEASE or EXTEND of some records. */
static void settle (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_ACK + below (play, 5), 4);
    unsigned command = w.data[1];
    const char *queue = queue_of (play);
    wire_put_text (&w, queue);
    if (command == ZF_CMD_NACK || command == ZF_CMD_EXTEND)
        zf_mp_put_uint (&w, (uint64_t) below (play, 64) * 100);
    if (command == ZF_CMD_REJECT)
        wire_put_text (&w, words (play));
    uint64_t id = first_of (play, queue) + below (play, 128);
    zf_mp_put_uint (&w, id + ((uint64_t) below (play, 3) << ZF_LANE_SHIFT));
    zf_mp_put_uint (&w, below (play, 32));
    say (play, &w, NULL);
}

static void answer (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_ANSWER, 2);
    uint64_t id = zf_read_u8 (&play->in);
    wire_put_text (&w, queue_of (play));
    zf_mp_put_bool (&w, below (play, 2));
    say (play, &w, below (play, 8) ? wire_batch (id, "x", NULL) : wire_bulk (id, 1, 9000));
}

static void declare (play_t *play)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_attempts = below (play, 4);
    policy.backoff_min_ms = below (play, 8) * 10;
    policy.lease_ms = 1 + below (play, 255) * 10;
    policy.ttl_ms = below (play, 4) ? 0 : below (play, 255) * UINT64_C (20);
    policy.max_length = below (play, 4) ? 0 : below (play, 16);
    policy.max_bytes = below (play, 4) ? 0 : below (play, 255) * UINT64_C (10);
    policy.overflow = (zf_overflow_t) below (play, 3);
    policy.priorities = 1 + below (play, 3);
    policy.ordered = below (play, 2);
    memcpy (policy.dead_letter, names[below (play, 2)], 2);
    if (below (play, 2))
        policy.dead_letter[0] = '\0';
    zf_writer_t w = wire_control (ZF_CMD_ADMIN, 4);
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "declare");
    const char *queue = queue_of (play);
    wire_put_text (&w, queue);
    if (queue == names[STREAMS] || queue == names[QUEUES - 1]) {
        policy.kind = ZF_KIND_STREAM;
        policy.priorities = 1;
        policy.compact = queue == names[QUEUES - 1];
    }
    zf_policy_encode (&w, &policy);
    say (play, &w, NULL);
}

static void look (play_t *play)
{
    static const char *const verbs[] = {"queues",  "queue",   "peek", "purge",
                                        "requeue", "discard", "stats"};
    zf_writer_t w = wire_control (ZF_CMD_ADMIN, 4);
    const char *verb = verbs[below (play, 7)];
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, verb);
    wire_put_text (&w, queue_of (play));
    if (strcmp (verb, "peek") == 0)
        zf_mp_put_array (&w, 2);
    zf_mp_put_uint (&w, below (play, 8));
    zf_mp_put_uint (&w, below (play, 8));
    say (play, &w, NULL);
}

/* -- streams ----------------------------------------------------------------------------------- */

static void put_patterns (play_t *play, zf_writer_t *w)
{
    static const char *const patterns[] = {"x", "x.*", ">", "x.>", "y..z"};
    uint32_t count = below (play, 4);
    zf_mp_put_array (w, count);
    for (uint32_t i = 0; i < count; i++)
        wire_put_text (w, patterns[below (play, 5)]);
}

static void subscribe (play_t *play)
{
    const char *stream = stream_of (play);
    zf_writer_t w = wire_control (ZF_CMD_SUBSCRIBE, 7);
    zf_mp_put_uint (&w, below (play, 3));
    wire_put_text (&w, stream);
    uint32_t from = below (play, 7);
    zf_mp_put_uint (&w, from);
    zf_mp_put_uint (&w, (from == ZF_FROM_OFFSET ? first_of (play, stream) : 0) + below (play, 64));
    zf_mp_put_uint (&w, UINT64_C (1) << below (play, 64));
    zf_mp_put_uint (&w, below (play, 2));
    put_patterns (play, &w);
    say (play, &w, NULL);
}

static void read_some (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_READ, 2);
    zf_mp_put_uint (&w, below (play, 3));
    zf_mp_put_uint (&w, first_of (play, stream_of (play)) + below (play, 128));
    say (play, &w, NULL);
}

static void unsubscribe (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_UNSUBSCRIBE, 1);
    zf_mp_put_uint (&w, below (play, 3));
    say (play, &w, NULL);
}

static void await (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_AWAIT, 5);
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, stream_of (play));
    wire_put_text (&w, below (play, 2) ? "x.y" : "");
    zf_mp_put_uint (&w, below (play, 4));
    zf_mp_put_uint (&w, below (play, 2));
    say (play, &w, NULL);
}

static void make_group (play_t *play)
{
    zf_writer_t w = wire_control (ZF_CMD_ADMIN, 4);
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "group");
    wire_put_text (&w, names[STREAMS + 1 + below (play, 2)]);
    zf_mp_put_map (&w, 2);
    wire_put_text (&w, "from");
    zf_mp_put_uint (&w, below (play, 7));
    wire_put_text (&w, "patterns");
    put_patterns (play, &w);
    say (play, &w, NULL);
}

static void tend (play_t *play)
{
    static const char *const verbs[] = {"stream", "trim", "forget"};
    zf_writer_t w = wire_control (ZF_CMD_ADMIN, 4);
    const char *verb = verbs[below (play, 3)];
    const char *queue = queue_of (play);
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, verb);
    wire_put_text (&w, queue);
    zf_mp_put_uint (&w, first_of (play, queue) + below (play, 64));
    say (play, &w, NULL);
}

static void put_local (play_t *play)
{
    uint64_t numbers = 0;
    zf_queue_t *queue = zf_engine_find (play->world.engine, zf_bytes_of (stream_of (play)));
    zf_frame_t *batch = batch_of (play, &numbers);
    if (queue != NULL && queue->stream != NULL)
        zf_stream_put (queue, batch, below (play, 2));
    zf_frame_drop (batch);
}

/* -- what the log does ------------------------------------------------------------------------- */

static void turn (play_t *play)
{
    if (play->log.wal != NULL)
        world_log_turn (&play->world, &play->log);
    else
        world_turn (&play->world);
}

static void sync (play_t *play)
{
    if (play->log.wal != NULL)
        world_log_sync (&play->world, &play->log, zf_read_u8 (&play->in));
}

static void die (play_t *play)
{
    if (play->log.wal == NULL)
        return;
    world_log_crash (&play->world, &play->log);
}

static void say_bare (play_t *play)
{
    static const unsigned commands[] = {ZF_CMD_PING, ZF_CMD_PONG, ZF_CMD_BYE, ZF_CMD_HELLO, 99};
    zf_writer_t w = wire_control (commands[below (play, 5)], 0);
    say (play, &w, NULL);
}

static void say_raw (play_t *play)
{
    size_t size = below (play, 64);
    if (size > zf_reader_left (&play->in))
        size = zf_reader_left (&play->in);
    zf_bytes_t bytes = zf_read_bytes (&play->in, size);
    world_send (&play->world, play->peer, wire_frame (bytes.data, bytes.size), NULL);
}

typedef void event_fn (play_t *play);

static event_fn *const events[] = {join,       detach,  wait,      post,      post,        request,
                                   consume,    settle,  settle,    answer,    declare,     look,
                                   say_bare,   say_raw, post_many, consume,   wait,        sync,
                                   sync,       die,     subscribe, read_some, unsubscribe, await,
                                   make_group, tend,    put_local, post};

static void step (play_t *play)
{
    uint8_t event = zf_read_u8 (&play->in);
    play->peer = event >> 5 & 3;
    events[(event & 31) % (sizeof events / sizeof events[0])](play);
    if ((event & 128) == 0)
        turn (play);
}

/* Time passes until nothing is left to do but to wait for peers. */
static void come_to_rest (play_t *play)
{
    for (int i = 0; i < 100; i++) {
        uint64_t next = zf_engine_deadline (play->world.engine);
        if (next == ZF_NEVER)
            break;
        if (next > play->world.now_ms)
            play->world.now_ms = next;
        zf_engine_tick (play->world.engine, play->world.now_ms);
        turn (play);
    }
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    play_t play = {.in = zf_reader (zf_bytes (data, size < 2048 ? size : 2048))};
    world_open (&play.world);
    if (size > 0 && data[0] >= 0xf0)
        world_log_open (&play.world, &play.log, zf_read_u8 (&play.in));
    while (zf_reader_left (&play.in) > 0)
        step (&play);
    turn (&play);
    come_to_rest (&play);
    if (play.log.wal != NULL)
        play.log.wal->close (play.log.wal);
    world_close (&play.world);
    return 0;
}
