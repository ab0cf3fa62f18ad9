/* Majordomo and the balancer's dialects: the input is what six peers say, and when.
 *
 * The first byte: even for a broker (peers are whatever their first message shows), odd for a
 * balancer (peers 0..2 in front, 3..5 behind). Then, step by step:
 *   op: bits 0..2 the peer (6: time passes, 7: a peer's connection is lost); bits 3..6 frames
 *       less 1 of its message; bit 7: the turn ends with it
 *   each frame: a size below 64 and so many bytes, or 64 and up: a word of the list below
 *   time: two bytes of milliseconds; connection: one byte, the peer */
#include "tests/fuzz/fuzz.h"

#include "core/lru.h"
#include "core/mdp.h"
#include "core/native.h"
#include <stdlib.h>

#define PEERS      6
#define FRAMES_MAX 16
#define BEAT_MS    1000
#define IDLE_MS    10000

typedef struct {
    char name; /* routing id */
    zf_session_t *session;
} peer_t;

typedef struct {
    zf_engine_t *engine;
    uint64_t now_ms;
    bool balancer;
    peer_t peers[PEERS];
} stage_t;

static const char *const words[] = {
    "",   "MDPC01", "MDPW01", "MDPC02", "MDPW02", "\1", "\2",      "\3",          "\4",
    "\5", "\6",     "0",      "1",      "2",      "3",  "s",       "mmi.service", "READY",
    "4",  "5",      "zferry", "t",      "s.dead", "x",  "mmi.any",
};

static void demand (bool holds)
{
    if (!holds)
        abort ();
}

static void release (zf_frame_t *frame)
{
    free (frame->data);
    free (frame);
}

/* Each frame has a block of its own, so that reading behind its end is caught. */
static zf_frame_t *read_frame (zf_reader_t *r)
{
    uint8_t size = zf_read_u8 (r);
    zf_bytes_t bytes = zf_bytes (NULL, 0);
    if (size >= 64)
        bytes = zf_bytes_of (words[size % (sizeof words / sizeof words[0])]);
    else if (size <= zf_reader_left (r))
        bytes = zf_read_bytes (r, size);
    zf_frame_t *frame = calloc (1, sizeof *frame);
    demand (frame != NULL);
    if (bytes.size > 0) {
        frame->data = malloc (bytes.size);
        demand (frame->data != NULL);
        memcpy (frame->data, bytes.data, bytes.size);
    }
    frame->size = bytes.size;
    frame->holders = 1;
    frame->release = release;
    return frame;
}

static const zf_dialect_t *recognise (const stage_t *stage, size_t peer, zf_frame_t **frames,
                                      size_t count)
{
    static const zf_dialect_t *const dialects[] = {&zf_dialect_native, &zf_dialect_mdp1,
                                                   &zf_dialect_mdp2};
    if (stage->balancer)
        return peer < PEERS / 2 ? &zf_dialect_lru_client : &zf_dialect_lru_worker;
    for (size_t i = 0; i < sizeof dialects / sizeof dialects[0]; i++)
        if (dialects[i]->matches (frames, count))
            return dialects[i];
    return NULL;
}

static void say (stage_t *stage, size_t number, zf_frame_t **frames, size_t count)
{
    peer_t *peer = &stage->peers[number];
    if (peer->session == NULL) {
        const zf_dialect_t *dialect = recognise (stage, number, frames, count);
        zf_bytes_t address = zf_bytes (&peer->name, 1);
        if (dialect != NULL)
            peer->session = zf_engine_attach (stage->engine, peer, address, dialect);
    }
    if (peer->session != NULL)
        zf_engine_input (peer->session, frames, count);
}

static void turn (stage_t *stage)
{
    zf_effect_t effect;
    peer_t *peer;
    volatile uint8_t sum = 0;
    zf_engine_decide (stage->engine);
    while (zf_engine_effect (stage->engine, &effect)) {
        demand (effect.count > 0 && effect.session->host != NULL);
        for (size_t i = 0; i < effect.count; i++)
            for (size_t k = 0; k < effect.frames[i].size; k++)
                sum = (uint8_t) (sum + effect.frames[i].data[k]);
    }
    while ((peer = zf_engine_left (stage->engine)) != NULL)
        peer->session = NULL;
    zf_engine_sent (stage->engine);
    stage->engine->notice_count = 0;
}

static void advance (stage_t *stage, uint64_t ms)
{
    stage->now_ms += ms;
    zf_engine_tick (stage->engine, stage->now_ms);
    turn (stage);
}

static void detach (stage_t *stage, size_t number)
{
    peer_t *peer = &stage->peers[number];
    if (peer->session == NULL)
        return;
    zf_engine_detach (peer->session);
    peer->session = NULL;
    turn (stage);
}

static void step (stage_t *stage, zf_reader_t *r)
{
    zf_frame_t *frames[FRAMES_MAX];
    uint8_t op = zf_read_u8 (r);
    size_t count = (op >> 3 & 15) + 1u;
    if ((op & 7) == 6) {
        advance (stage, zf_read_u16be (r));
        return;
    }
    if ((op & 7) == 7) {
        detach (stage, zf_read_u8 (r) % PEERS);
        return;
    }
    for (size_t i = 0; i < count; i++)
        frames[i] = read_frame (r);
    say (stage, op & 7, frames, count);
    for (size_t i = 0; i < count; i++)
        zf_frame_drop (frames[i]);
    if ((op & 128) != 0)
        turn (stage);
}

/* Everybody leaves, and time passes: nothing but dead letters may be left. */
static void clear (stage_t *stage)
{
    turn (stage);
    for (size_t i = 0; i < PEERS; i++)
        detach (stage, i);
    for (int i = 0; i < 100; i++)
        advance (stage, IDLE_MS);
    demand (stage->engine->counters.sessions == 0);
    zf_queue_t *queue = stage->engine->queues;
    for (; queue != NULL; queue = queue->hh.next) {
        demand (queue->leased == 0 && queue->consumers == 0);
        demand (queue->length == 0 || strstr (queue->name, ".dead") != NULL);
    }
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    zf_reader_t r = zf_reader (zf_bytes (data, size));
    stage_t stage = {.now_ms = 1000};
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.policy.max_attempts = 3;
    options.policy.backoff_max_ms = options.policy.backoff_min_ms = 0;
    options.heartbeat_ms = options.mdp_heartbeat_ms = BEAT_MS;
    options.client_idle_ms = IDLE_MS;
    options.max_message_bytes = 300;
    stage.engine = zf_engine_new (&options);
    demand (stage.engine != NULL);
    stage.balancer = (zf_read_u8 (&r) & 1) != 0;
    for (size_t i = 0; i < PEERS; i++)
        stage.peers[i].name = (char) ('0' + i);
    zf_engine_tick (stage.engine, stage.now_ms);
    while (!r.failed && zf_reader_left (&r) > 0)
        step (&stage, &r);
    clear (&stage);
    zf_engine_free (&stage.engine);
    return 0;
}
