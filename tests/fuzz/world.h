/* An engine with small limits and four peers, for the fuzz targets that drive it. Each target
 * includes this once.
 *
 * After every turn all that the engine sends is read to the last byte, and its books are looked
 * at. */
#ifndef TESTS_FUZZ_WORLD_H
#define TESTS_FUZZ_WORLD_H

#include "core/engine.h"
#include "core/info.h"
#include "core/native.h"

#include <stdlib.h>

/* The helpers of the unit tests; a fuzz target is made of one source. */
#include "tests/core/audit.c" // NOLINT(bugprone-suspicious-include)
#include "tests/core/wire.c"  // NOLINT(bugprone-suspicious-include)

#define PEERS 4

typedef struct {
    zf_engine_t *engine;
    uint64_t now_ms;
    zf_session_t *sessions[PEERS]; /* NULL: the peer has none */
    uint8_t sum;                   /* of all bytes sent, so that they are read */
} world_t;

static void world_open (world_t *world)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 65536;
    options.window_bytes = 32768;
    options.max_queues = 9;
    options.max_sessions = PEERS - 1;
    memset (world, 0, sizeof *world);
    world->now_ms = 1000;
    world->engine = zf_engine_new (&options);
    if (world->engine == NULL)
        abort ();
    zf_engine_tick (world->engine, world->now_ms);
}

static void read_effects (world_t *world)
{
    zf_effect_t effect;
    while (zf_engine_effect (world->engine, &effect))
        for (size_t i = 0; i < effect.count; i++)
            for (size_t k = 0; k < effect.frames[i].size; k++)
                world->sum ^= effect.frames[i].data[k];
}

/* Ends a turn: what was decided is sent. */
static void world_after (world_t *world)
{
    zf_session_t **left;
    read_effects (world);
    while ((left = zf_engine_left (world->engine)) != NULL)
        *left = NULL;
    zf_engine_sent (world->engine);
    world->engine->notice_count = 0;
    audit_engine (world->engine);
}

static void world_turn (world_t *world)
{
    zf_engine_decide (world->engine);
    world_after (world);
}

static void world_close (world_t *world)
{
    zf_engine_free (&world->engine);
    if (wire_frames () != 0)
        abort ();
}

/* Sends a message and gives the frames away; batch may be NULL. */
static void world_send (world_t *world, unsigned peer, zf_frame_t *control, zf_frame_t *batch)
{
    zf_frame_t *frames[] = {control, batch};
    if (world->sessions[peer] != NULL)
        zf_engine_input (world->sessions[peer], frames, batch != NULL ? 2 : 1);
    zf_frame_drop (control);
    zf_frame_drop (batch);
}

/* A connection, and HELLO. */
static void world_join (world_t *world, unsigned peer, uint8_t identity)
{
    uint8_t uuid[ZF_UUID_BYTES] = {identity};
    zf_session_t **host = &world->sessions[peer];
    if (*host == NULL)
        *host = zf_engine_attach (world->engine, host, zf_bytes (uuid, 5), &zf_dialect_native);
    zf_writer_t w = wire_control (ZF_CMD_HELLO, 3);
    zf_mp_put_uint (&w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&w, zf_bytes (uuid, sizeof uuid));
    zf_mp_put_map (&w, 0);
    world_send (world, peer, wire_written (&w), NULL);
}

#endif
