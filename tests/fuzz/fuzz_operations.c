/* Entries of a broker's log: any bytes read back into queues, and a life with what came of them.
 *
 * The input is entries, each behind two bytes that say how long it is. Checksums of batches are
 * made right first, or nothing would come past them. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"

#define INPUT_MAX 8192
#define LSN       1000

/* The batch at the end of an operation of that kind, if it looks like one, gets its checksum. */
static void seal (const uint8_t *from, const uint8_t *end)
{
    for (const uint8_t *at = from; end - at > ZF_BATCH_HEADER; at++) {
        uint8_t *batch = (uint8_t *) (uintptr_t) at;
        if (memcmp (at, "ZFB\1", 4) != 0)
            continue;
        zf_batch_seal (batch, (size_t) (end - at), zf_load_u32le (at + 4),
                       zf_load_u32le (at + 12) & ZF_BATCH_HAS_PROPS, zf_load_u64le (at + 16));
        return;
    }
}

static void seal_batches (uint8_t *entry, size_t size)
{
    zf_reader_t r = zf_reader (zf_bytes (entry, size));
    while (zf_reader_left (&r) > 0 && !r.failed) {
        const uint8_t *from = r.at;
        zf_mp_skip (&r);
        if (!r.failed && r.at - from > 2 && (from[1] == ZF_OP_BATCH || from[1] == ZF_OP_CARRY))
            seal (from, r.at);
    }
}

/* Replays all entries; returns false if one makes no sense. */
static bool read_back (zf_engine_t *engine, zf_reader_t *in)
{
    bool sound = true;
    for (uint64_t lsn = LSN; sound && zf_reader_left (in) > 2; lsn += 8) {
        size_t size = zf_read_u8 (in);
        size |= (size_t) zf_read_u8 (in) << 8;
        size = size < zf_reader_left (in) ? size : zf_reader_left (in);
        zf_bytes_t bytes = zf_read_bytes (in, size);
        uint8_t *copy = malloc (size + 1);
        zf_error_t err;
        if (copy == NULL)
            abort ();
        memcpy (copy, bytes.data, size);
        seal_batches (copy, size);
        sound = zf_engine_replay (engine, lsn, zf_bytes (copy, size), &err) == 0;
        if (!sound && err.text[0] == '\0')
            abort ();
        free (copy);
    }
    return sound;
}

static void read_on (world_t *world)
{
    zf_writer_t w = wire_control (ZF_CMD_SUBSCRIBE, 7);
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "s");
    zf_mp_put_uint (&w, ZF_FROM_FIRST);
    for (int i = 0; i < 3; i++)
        zf_mp_put_uint (&w, 0);
    zf_mp_put_array (&w, 0);
    world_send (world, 0, wire_written (&w), NULL);
}

static void live_on (world_t *world)
{
    static const uint8_t uuid[ZF_UUID_BYTES] = "log";
    uint64_t lsn = LSN + INPUT_MAX * 8;
    zf_engine_recovered (world->engine, uuid, lsn, false);
    audit_engine (world->engine);
    static const char *const names[] = {"a", "a.dead", "s@g", "s@g.dead"};
    world_join (world, 0, 1);
    read_on (world);
    for (int i = 0; i < 8; i++) {
        zf_part_t *parts = NULL;
        const zf_log_state_t state = {lsn += 4096, LSN, 1 << 30, 1 << 30, 1 << 30};
        zf_engine_log_at (world->engine, &state);
        world->now_ms += UINT64_C (1) << (4 * i);
        zf_engine_tick (world->engine, world->now_ms);
        zf_writer_t w = wire_control (ZF_CMD_CONSUME, 2);
        wire_put_text (&w, names[i % 4]);
        zf_mp_put_uint (&w, 4);
        world_send (world, 0, wire_written (&w), NULL);
        zf_engine_decide (world->engine);
        zf_engine_entry (world->engine, &parts);
        zf_engine_committed (world->engine);
        zf_engine_durable (world->engine, lsn + 4096);
        world_turn (world);
    }
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    zf_reader_t in = zf_reader (zf_bytes (data, size < INPUT_MAX ? size : INPUT_MAX));
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 1 << 20, .now_ms = 50000};
    world_t world;
    world_open (&world);
    zf_engine_log_open (world.engine, &log);
    if (read_back (world.engine, &in))
        live_on (&world);
    world_close (&world);
    return 0;
}
