/* Whatever a peer sends: it is counted, answered or dropped, and nobody else notices.
 *
 * The frames are the golden vectors, cut, lengthened and changed in every byte. */
#include "tests/core/golden.h"
#include "tests/core/rand.h"
#include "tests/core/rig.h"

static golden_set_t golden;

/* A rig where something lies in the queues that the golden vectors name, with a worker who holds
 * four records of it, and two peers who mind their own business. */
typedef struct {
    rig_t *rig;
    peer_t *bad;
    peer_t *producer;
    peer_t *worker;
    uint64_t posted; /* by the producer */
} scene_t;

/* The bad peer is there, with four records of "jobs" and one request of "echo" in its hands. */
static void enter (scene_t *scene)
{
    peer_t *bad = scene->bad;
    if (bad->session != NULL)
        peer_drop (bad);
    peer_reconnect (bad);
    peer_consume (bad, "jobs", 4);
    peer_consume (bad, "echo", 1);
    peer_post (scene->producer, "jobs", "a b c d");
    peer_request (scene->producer, "echo", "who");
    peer_forget_letters (bad);
    peer_forget_letters (scene->producer);
}

static scene_t scene_new (void)
{
    scene_t scene = {.rig = rig_new (NULL)};
    scene.producer = rig_peer (scene.rig, "good producer");
    scene.worker = rig_worker (scene.rig, "good worker", "own", 10);
    scene.bad = rig_peer (scene.rig, "producer");
    enter (&scene);
    return scene;
}

/* The bad peer says this, and the others go on as if nothing had been said. */
static void say (scene_t *scene, zf_bytes_t control, zf_bytes_t batch)
{
    peer_t *bad = scene->bad;
    bool has_batch = batch.data != NULL;
    peer_send (bad, wire_frame (control.data, control.size),
               has_batch ? wire_frame (batch.data, batch.size) : NULL);
    peer_forget_letters (bad);
    peer_forget_letters (scene->producer);
    peer_post (scene->producer, "own", "x");
    assert_confirmed (scene->producer, "own", ++scene->posted, 1);
    assert_delivered (scene->worker, "own", "x", 1);
    peer_ack (scene->worker, "own", "x");
    assert_silence (scene->worker);
    if (bad->session == NULL || rig_info (scene->rig, "jobs").length == 0)
        enter (scene);
}

static void scene_free (scene_t *scene)
{
    rig_free (scene->rig);
}

static zf_bytes_t bytes_of (const zf_writer_t *w)
{
    return w->size > 0 ? zf_bytes (w->data, w->size) : zf_bytes (NULL, 0);
}

/* Calls fn for each vector that is said to a broker. */
static void each_vector (void (*fn) (scene_t *scene, zf_bytes_t control, zf_bytes_t batch))
{
    for (size_t i = 0; i < golden.count; i++) {
        const golden_t *vector = &golden.vectors[i];
        if (!vector->to_broker)
            continue;
        scene_t scene = scene_new ();
        fn (&scene, bytes_of (&vector->frame), bytes_of (&vector->batch));
        scene_free (&scene);
    }
}

static void say_cut (scene_t *scene, zf_bytes_t control, zf_bytes_t batch)
{
    for (size_t size = 0; size < control.size; size++)
        say (scene, zf_bytes (control.data, size), batch);
    for (size_t size = 0; size < batch.size; size++)
        say (scene, control, zf_bytes (batch.data, size));
}

static void frames_cut_at_every_byte_harm_nobody (void **state)
{
    (void) state;
    each_vector (say_cut);
}

static void say_without_or_with_too_much (scene_t *scene, zf_bytes_t control, zf_bytes_t batch)
{
    uint8_t longer[1024] = {0};
    memcpy (longer, control.data, control.size);
    say (scene, zf_bytes (longer, control.size + 1), batch);
    say (scene, control, batch.size > 0 ? zf_bytes (NULL, 0) : zf_bytes (longer, 40));
    if (batch.size == 0)
        return;
    memcpy (longer, batch.data, batch.size);
    say (scene, control, zf_bytes (longer, batch.size + 1));
}

static void frames_missing_or_too_long_harm_nobody (void **state)
{
    (void) state;
    each_vector (say_without_or_with_too_much);
}

static void say_changed (scene_t *scene, zf_bytes_t control, zf_bytes_t batch)
{
    static const uint8_t changes[] = {0x01, 0x80, 0xff, 0x20};
    uint8_t copy[1024];
    for (size_t at = 0; at < control.size; at++) {
        for (size_t i = 0; i < sizeof changes; i++) {
            memcpy (copy, control.data, control.size);
            copy[at] ^= changes[i];
            say (scene, zf_bytes (copy, control.size), batch);
        }
    }
    for (size_t at = 0; at < batch.size; at++) {
        memcpy (copy, batch.data, batch.size);
        copy[at] ^= changes[at % sizeof changes];
        say (scene, control, zf_bytes (copy, batch.size));
    }
}

static void frames_changed_in_every_byte_harm_nobody (void **state)
{
    (void) state;
    each_vector (say_changed);
}

static void random_bytes_harm_nobody (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint64_t random = seed;
        scene_t scene = scene_new ();
        for (int i = 0; i < 100; i++) {
            uint8_t bytes[64];
            uint32_t size = rand_below (&random, sizeof bytes);
            for (uint32_t k = 0; k < size; k++)
                bytes[k] = (uint8_t) rand_next (&random);
            bytes[0] = (uint8_t) (0x90 | (bytes[0] & 15)); /* an array, or it would be too easy */
            bytes[1] = (uint8_t) rand_below (&random, 45);
            say (&scene, zf_bytes (bytes, size), zf_bytes (NULL, 0));
        }
        scene_free (&scene);
    }
}

static void peer_that_sends_junk_is_counted_and_told (void **state)
{
    rig_t *rig = *state;
    static const struct {
        const char *bytes;
        size_t size;
    } junk[] = {
        {"\x90", 1},                     /* no command */
        {"\x91\xc0", 2},                 /* nil for a command */
        {"\x91\x00", 2},                 /* a command that is not there */
        {"\x91\x2a", 2},                 /* the one behind the last */
        {"\xdd\xff\xff\xff\xff\x03", 6}, /* four thousand million elements */
        {"hello", 5},                    /* no array */
        {"\x92\x14\xa4"
         "echo",
         7}, /* cut */
        {"\x94\x14\xc6\xff\xff\xff\xff", 7},
    };
    peer_t *p = rig_peer (rig, "p");
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) {
        peer_send (p, wire_frame (junk[i].bytes, junk[i].size), NULL);
        assert_error (p, ZF_E_PROTO);
        assert_int_equal (rig->engine->counters.peer_errors, i + 1);
        assert_non_null (strstr (rig->notices, "p: "));
        assert_non_null (p->session);
        assert_silence (p);
    }
}

/* What was in it is not known, and the posts behind it must not be taken before it. */
static void peer_whose_post_is_malformed_has_to_begin_anew (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_send (p,
               wire_frame ("\x92\x0a\xa4"
                           "jobs",
                           7),
               NULL);
    assert_error (p, ZF_E_PROTO);
    assert_reset (p);
    assert_null (p->session);
}

static void more_frames_than_two_are_wrong (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_frame_t *frame = wire_frame ("\x91\x03", 2);
    zf_frame_t *frames[] = {frame, frame, frame};
    zf_engine_input (p->session, frames, 3);
    zf_frame_drop (frame);
    rig_turn (rig);
    assert_error (p, ZF_E_PROTO);
}

static void control_frame_that_is_too_large_is_wrong (void **state)
{
    rig_t *rig = *state;
    static uint8_t large[ZF_CONTROL_MAX + 1] = {0x91, ZF_CMD_PING};
    peer_t *p = rig_peer (rig, "p");
    peer_send (p, wire_frame (large, ZF_CONTROL_MAX), NULL);
    assert_int_equal (p->pongs, 1);
    peer_send (p, wire_frame (large, ZF_CONTROL_MAX + 1), NULL);
    assert_error (p, ZF_E_PROTO);
}

static void batch_with_a_wrong_checksum_is_corrupt (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_frame_t *batch = wire_batch (1, "abc", NULL);
    batch->data[batch->size - 1] ^= 1;
    zf_writer_t control = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&control, "jobs");
    zf_mp_put_uint (&control, 1);
    peer_write (p, &control, batch);
    assert_error (p, ZF_E_CORRUPT);
    assert_int_equal (rig->engine->counters.corrupt, 1);
    assert_null (rig->engine->queues);
}

static void batch_of_another_version_is_told (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_frame_t *batch = wire_batch (1, "abc", NULL);
    batch->data[3] = 2;
    zf_writer_t control = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&control, "jobs");
    zf_mp_put_uint (&control, 1);
    peer_write (p, &control, batch);
    assert_error (p, ZF_E_VERSION);
}

/* Posts one record with these encoded properties. */
static void post_with (peer_t *p, const void *props, size_t size)
{
    zf_writer_t w = {0};
    zf_writer_reserve (&w, ZF_BATCH_HEADER);
    uint8_t *at = zf_writer_reserve (&w, zf_record_size (size, 3));
    zf_record_encode (at, zf_bytes (props, size), zf_bytes_of ("abc"));
    zf_batch_seal (w.data, w.size, 1, ZF_BATCH_HAS_PROPS, 1);
    zf_writer_t control = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&control, "jobs");
    zf_mp_put_uint (&control, 1);
    peer_write (p, &control, wire_written (&w));
}

static void properties_that_lie_are_wrong (void **state)
{
    rig_t *rig = *state;
    static uint8_t huge[ZF_PROPS_MAX + 1];
    static const struct {
        const char *bytes;
        size_t size;
    } lies[] = {
        {"\x81", 1},                 /* a pair that is not there */
        {"\x80\xc0", 2},             /* something behind them */
        {"\x81\x05\x0a", 3},         /* priority 10 */
        {"\x81\x06\x91\x04", 4},     /* a frame of 4 bytes in a body of 3 */
        {"\x81\x06\x91\x02", 4},     /* frames that do not make up the body */
        {"\x81\x01\xc4\x00", 4},     /* an empty id */
        {"\x82\x03\x01\x03\x01", 5}, /* a delay twice */
        {"\x81\x07\xdf\xff\xff\xff\xff", 7},
        {"\x81\x09\x92\xa0\xa0", 5}, /* a death of two */
    };
    peer_t *p = rig_peer (rig, "p");
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        post_with (p, lies[i].bytes, lies[i].size);
        assert_error (p, ZF_E_PROTO);
        assert_reset (p);
        peer_reconnect (p);
        peer_forget_letters (p);
    }
    memset (huge, 0xc0, sizeof huge);
    static const uint8_t future[] = {0x81, 0x7f, 0xdc, 0xff, 0xfa}; /* 65530 nils, of a new kind */
    memcpy (huge, future, sizeof future);
    post_with (p, huge, 5 + 65530);
    assert_confirmed (p, "jobs", 1, 1);
    huge[4] = 0xfc;
    post_with (p, huge, ZF_PROPS_MAX + 1);
    assert_error (p, ZF_E_PROTO);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (frames_cut_at_every_byte_harm_nobody),
        cmocka_unit_test (frames_missing_or_too_long_harm_nobody),
        cmocka_unit_test (frames_changed_in_every_byte_harm_nobody),
        cmocka_unit_test (random_bytes_harm_nobody),
        TEST (peer_that_sends_junk_is_counted_and_told),
        TEST (peer_whose_post_is_malformed_has_to_begin_anew),
        TEST (more_frames_than_two_are_wrong),
        TEST (control_frame_that_is_too_large_is_wrong),
        TEST (batch_with_a_wrong_checksum_is_corrupt),
        TEST (batch_of_another_version_is_told),
        TEST (properties_that_lie_are_wrong),
    };
    golden_read (&golden);
    int rc = cmocka_run_group_tests_name ("malformed", tests, NULL, NULL);
    golden_free (&golden);
    return rc;
}
