/* Control frames: a peer that has work in its hands and posts of its own says what the input is.
 *
 * Input: messages, each a u16 (big-endian) with the size of the control frame, a u16 with the
 * size of the batch, and the two. A batch gets a checksum that fits. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/world.h"

static void consume (world_t *world, unsigned peer, const char *queue)
{
    zf_writer_t w = wire_control (ZF_CMD_CONSUME, 2);
    wire_put_text (&w, queue);
    zf_mp_put_uint (&w, 4);
    world_send (world, peer, wire_written (&w), NULL);
}

static void post (world_t *world, unsigned peer, const char *queue)
{
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, queue);
    zf_mp_put_uint (&w, 1);
    world_send (world, peer, wire_written (&w), wire_batch (1, "a b c d e f", NULL));
}

/* A stream with some records, a group of it, and a subscription. */
static void stream (world_t *world)
{
    zf_props_t props = {.topic = zf_bytes_of ("t.u"), .key = zf_bytes_of ("k")};
    zf_writer_t w = wire_control (ZF_CMD_POST, 3);
    wire_put_text (&w, "s");
    zf_mp_put_uint (&w, 1);
    zf_mp_put_uint (&w, ZF_MAKE_STREAM);
    world_send (world, 1, wire_written (&w), wire_batch (1, "a b c d e f", &props));
    consume (world, 0, "s@g");
    w = wire_control (ZF_CMD_SUBSCRIBE, 7);
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "s");
    zf_mp_put_uint (&w, ZF_FROM_FIRST);
    for (int i = 0; i < 3; i++)
        zf_mp_put_uint (&w, 0);
    zf_mp_put_array (&w, 1);
    wire_put_text (&w, "t.>");
    world_send (world, 0, wire_written (&w), NULL);
}

static void request (world_t *world, unsigned peer)
{
    zf_writer_t w = wire_control (ZF_CMD_REQUEST, 3);
    wire_put_text (&w, "echo");
    zf_mp_put_uint (&w, 1000);
    zf_mp_put_uint (&w, 0);
    world_send (world, peer, wire_written (&w), wire_batch (1, "who", NULL));
}

static zf_frame_t *frame_of (zf_reader_t *r, size_t size)
{
    zf_bytes_t bytes = zf_read_bytes (r, size < zf_reader_left (r) ? size : zf_reader_left (r));
    return wire_frame (bytes.data, bytes.size);
}

static void say_next (world_t *world, zf_reader_t *r)
{
    uint16_t control_size = zf_read_u16be (r);
    uint16_t batch_size = zf_read_u16be (r);
    zf_frame_t *control = frame_of (r, control_size);
    zf_frame_t *batch = batch_size > 0 ? frame_of (r, batch_size) : NULL;
    if (batch != NULL && batch->size >= ZF_BATCH_HEADER)
        zf_batch_seal (batch->data, batch->size, zf_load_u32le (batch->data + 4),
                       zf_load_u32le (batch->data + 12), zf_load_u64le (batch->data + 16));
    world_send (world, 0, control, batch);
    world_turn (world);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    world_t world;
    zf_reader_t r = zf_reader (zf_bytes (data, size));
    world_open (&world);
    world_join (&world, 0, 1);
    world_join (&world, 1, 2);
    consume (&world, 0, "jobs");
    consume (&world, 0, "echo");
    post (&world, 1, "jobs");
    request (&world, 1);
    stream (&world);
    world_turn (&world);
    while (zf_reader_left (&r) > 4)
        say_next (&world, &r);
    world_close (&world);
    return 0;
}
