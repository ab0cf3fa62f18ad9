/* Operations that make no sense: reading them back says which entry and where, and breaks
 * nothing. */
#include "core/info.h"
#include "tests/core/audit.h"
#include "tests/core/rand.h"
#include "tests/core/rig.h"

#define LSN    4096
#define OPS    16
#define MORPHS 4000 /* random changes to the whole script */

/* Operations behind each other, and where each begins. */
typedef struct {
    zf_writer_t w;
    size_t starts[OPS + 1];
    size_t count;
} script_t;

static zf_engine_t *engine;

static int setup (void **state)
{
    (void) state;
    zf_engine_options_t options;
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 1 << 20, .now_ms = 100000};
    zf_engine_defaults (&options);
    engine = zf_engine_new (&options);
    assert_non_null (engine);
    zf_engine_log_open (engine, &log);
    return 0;
}

static int teardown (void **state)
{
    (void) state;
    zf_engine_free (&engine);
    return 0;
}

static int replay (zf_bytes_t bytes, zf_error_t *err)
{
    uint8_t *copy = malloc (bytes.size > 0 ? bytes.size : 1); /* so that reading behind is seen */
    assert_non_null (copy);
    if (bytes.size > 0)
        memcpy (copy, bytes.data, bytes.size);
    int rc = zf_engine_replay (engine, LSN, zf_bytes (copy, bytes.size), err);
    free (copy);
    return rc;
}

/* The broker goes on with what was read: turns, deliveries, everything looked at. */
static void live_on (void)
{
    static const uint8_t uuid[ZF_UUID_BYTES] = "a log";
    zf_part_t *parts = NULL;
    zf_effect_t effect;
    zf_engine_recovered (engine, uuid, LSN + 65536, true);
    audit_engine (engine);
    for (int i = 0; i < 5; i++) {
        const zf_log_state_t log = {LSN + 65536 * (uint64_t) (2 + i), 0, 1 << 30, 1 << 30, 1 << 30};
        zf_engine_log_at (engine, &log);
        zf_engine_tick (engine, engine->now_ms + 100000);
        zf_engine_decide (engine);
        zf_engine_entry (engine, &parts);
        zf_engine_committed (engine);
        while (zf_engine_effect (engine, &effect))
            ;
        zf_engine_sent (engine);
        audit_engine (engine);
    }
}

/* -- operations -------------------------------------------------------------------------------- */

static zf_writer_t *op (script_t *script, unsigned number, size_t arguments)
{
    assert_true (script->count < OPS);
    script->starts[script->count++] = script->w.size;
    zf_mp_put_array (&script->w, arguments + 1);
    zf_mp_put_uint (&script->w, number);
    return &script->w;
}

static void numbers (script_t *script, unsigned number, const uint64_t *values, size_t n)
{
    zf_writer_t *w = op (script, number, n);
    for (size_t i = 0; i < n; i++)
        zf_mp_put_uint (w, values[i]);
}

#define NUMBERS(script, number, ...)                          \
    numbers (script, number, (const uint64_t[]){__VA_ARGS__}, \
             sizeof (const uint64_t[]){__VA_ARGS__} / sizeof (uint64_t))

static void queue_op (script_t *script, uint64_t number, const char *name)
{
    zf_policy_t policy = rig_policy ();
    zf_writer_t *w = op (script, ZF_OP_QUEUE, 6);
    zf_mp_put_uint (w, number);
    wire_put_text (w, name);
    zf_policy_encode (w, &policy);
    zf_mp_put_bool (w, true);
    zf_mp_put_bool (w, false);
    zf_mp_put_array (w, 1);
    zf_mp_put_uint (w, 10);
}

static zf_frame_t *batch_of (const char *bodies, bool props)
{
    zf_props_t all;
    zf_props_defaults (&all);
    all.ttl_ms = 50000;
    return wire_batch (0, bodies, props ? &all : NULL);
}

static void records_op (script_t *script, uint64_t queue, uint64_t first, uint64_t count,
                        const char *bodies)
{
    zf_frame_t *frame = batch_of (bodies, true);
    zf_writer_t *w = op (script, ZF_OP_RECORDS, 5);
    zf_mp_put_uint (w, queue);
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, count);
    zf_mp_put_uint (w, 1000);
    zf_mp_put_bin (w, zf_bytes (frame->data + ZF_BATCH_HEADER, frame->size - ZF_BATCH_HEADER));
    zf_frame_drop (frame);
}

static void batch_op (script_t *script, uint64_t queue, uint64_t first, const char *bodies)
{
    zf_frame_t *frame = batch_of (bodies, false);
    zf_writer_t *w = op (script, ZF_OP_BATCH, 4);
    zf_mp_put_uint (w, queue);
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, 1000);
    zf_mp_put_bin (w, zf_bytes (frame->data, frame->size));
    zf_frame_drop (frame);
}

static void carry_op (script_t *script, uint64_t first, uint64_t count, const uint64_t *pairs,
                      size_t n, const char *bodies)
{
    zf_frame_t *frame = batch_of (bodies, true);
    zf_writer_t *w = op (script, ZF_OP_CARRY, 7);
    zf_mp_put_uint (w, 1);
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, count);
    zf_mp_put_uint (w, 500);
    zf_mp_put_uint (w, 900);
    zf_mp_put_array (w, n);
    for (size_t i = 0; i < n; i++)
        zf_mp_put_uint (w, pairs[i]);
    zf_mp_put_bin (w, zf_bytes (frame->data, frame->size));
    zf_frame_drop (frame);
}

static void producer_op (script_t *script, uint64_t queue, size_t uuid_size, size_t refusals,
                         uint64_t code)
{
    static const uint8_t uuid[20] = "producer";
    zf_writer_t *w = op (script, ZF_OP_PRODUCER, 5);
    zf_mp_put_uint (w, queue);
    zf_mp_put_bin (w, zf_bytes (uuid, uuid_size));
    zf_mp_put_uint (w, 99);
    zf_mp_put_bool (w, false);
    zf_mp_put_array (w, refusals);
    for (size_t i = 0; i < refusals; i++)
        zf_mp_put_uint (w, i % 3 == 2 ? code : 5 + i);
}

static void id_op (script_t *script, size_t size)
{
    static const uint8_t hash[20] = "hash";
    zf_writer_t *w = op (script, ZF_OP_ID, 3);
    zf_mp_put_uint (w, 1);
    zf_mp_put_bin (w, zf_bytes (hash, size));
    zf_mp_put_uint (w, 5000);
}

/* One of each that makes sense. */
static script_t sound_script (void)
{
    script_t script = {.count = 0};
    queue_op (&script, 1, "jobs");
    queue_op (&script, 2, "mail");
    records_op (&script, 1, 20, 4, "a b c d");
    batch_op (&script, 1, 24, "e f g");
    carry_op (&script, 10, 6, (const uint64_t[]){1, 3, 5, 6}, 4, "x y z");
    NUMBERS (&script, ZF_OP_STATE, 1, 20, 2, 1, 0);
    NUMBERS (&script, ZF_OP_STATE, 1, 24, 1, 2, 3000);
    NUMBERS (&script, ZF_OP_GONE, 1, 21, 2);
    producer_op (&script, 1, ZF_UUID_BYTES, 3, 10);
    producer_op (&script, 0, ZF_UUID_BYTES, 0, 0);
    id_op (&script, 16);
    NUMBERS (&script, ZF_OP_EXPIRES, 1, 20, 7000);
    NUMBERS (&script, ZF_OP_FORGET, 2);
    script.starts[script.count] = script.w.size;
    return script;
}

static zf_bytes_t bytes_of (const script_t *script, size_t from, size_t to)
{
    return zf_bytes (script->w.data + script->starts[from],
                     script->starts[to] - script->starts[from]);
}

/* The last operation of the script must be refused, in words; those before it are sound. */
static void assert_makes_no_sense (script_t *script)
{
    zf_error_t err;
    char words[64];
    size_t last = script->count - 1;
    script->starts[script->count] = script->w.size;
    assert_int_equal (replay (bytes_of (script, 0, script->count), &err), ZF_E_CORRUPT);
    assert_int_equal (err.code, ZF_E_CORRUPT);
    snprintf (words, sizeof words, "entry 4096, operation %d at byte %zu",
              (int) script->w.data[script->starts[last] + 1], script->starts[last]);
    if (strstr (err.text, words) == NULL)
        fail_msg ("'%s' does not say '%s'", err.text, words);
    zf_writer_free (&script->w);
}

/* -- cases ------------------------------------------------------------------------------------- */

static void sound_operations_make_a_queue (void **state)
{
    (void) state;
    script_t script = sound_script ();
    zf_error_t err;
    assert_int_equal (replay (bytes_of (&script, 0, script.count), &err), 0);
    zf_queue_t *queue = zf_engine_find (engine, zf_bytes_of ("jobs"));
    assert_non_null (queue);
    assert_int_equal (queue->length, 8);
    assert_int_equal (queue->lanes[0].log.next, 27);
    assert_null (zf_engine_find (engine, zf_bytes_of ("mail")));
    zf_writer_free (&script.w);
    live_on ();
}

static void operation_cut_off_anywhere_is_corrupt (void **state)
{
    script_t script = sound_script ();
    teardown (state);
    for (size_t i = 0; i < script.count; i++) {
        for (size_t end = script.starts[i] + 1; end < script.starts[i + 1]; end++) {
            zf_error_t err;
            setup (state);
            assert_int_equal (replay (zf_bytes (script.w.data, end), &err), ZF_E_CORRUPT);
            assert_non_null (strstr (err.text, "entry 4096"));
            teardown (state);
        }
    }
    zf_writer_free (&script.w);
    setup (state);
}

/* Where each element of an array at `start` begins; [0] is the number of the operation. */
static size_t elements_of (zf_bytes_t bytes, size_t at[16])
{
    zf_reader_t r = zf_reader (bytes);
    uint32_t n = zf_mp_array (&r);
    for (uint32_t i = 0; i <= n; i++) {
        at[i] = (size_t) (r.at - (const uint8_t *) bytes.data);
        if (i < n)
            zf_mp_skip (&r);
    }
    return n;
}

static void argument_of_a_wrong_type_is_corrupt (void **state)
{
    static const char *const wrong[] = {"\xc0", "\xff", "\xcb\x3f\xf0\0\0\0\0\0", "\x81\x01\x01"};
    static const size_t sizes[] = {1, 1, 9, 3};
    script_t script = sound_script ();
    teardown (state);
    for (size_t i = 0; i < script.count; i++) {
        size_t at[16];
        zf_bytes_t whole = bytes_of (&script, i, i + 1);
        size_t n = elements_of (whole, at);
        for (size_t k = 0; k < 4 * n; k++) {
            zf_writer_t w = {0};
            size_t element = k / 4;
            zf_error_t err;
            zf_write_bytes (&w, script.w.data, script.starts[i]);
            zf_write_bytes (&w, whole.data, at[element]);
            zf_write_bytes (&w, wrong[k % 4], sizes[k % 4]);
            zf_write_bytes (&w, (const uint8_t *) whole.data + at[element + 1],
                            whole.size - at[element + 1]);
            setup (state);
            int rc = replay (zf_bytes (w.data, w.size), &err);
            bool is_policy = script.w.data[script.starts[i] + 1] == ZF_OP_QUEUE && element == 3;
            if (rc != ZF_E_CORRUPT && !(is_policy && k % 4 == 3)) /* a map it may be */
                fail_msg ("operation %zu, element %zu, %zu: %d", i, element, k % 4, rc);
            teardown (state);
            zf_writer_free (&w);
        }
    }
    zf_writer_free (&script.w);
    setup (state);
}

static void later_operation_is_of_a_later_version (void **state)
{
    (void) state;
    script_t script = {.count = 0};
    zf_error_t err;
    queue_op (&script, 1, "jobs");
    NUMBERS (&script, 99, 1, 2);
    script.starts[script.count] = script.w.size;
    assert_int_equal (replay (bytes_of (&script, 0, 2), &err), ZF_E_VERSION);
    assert_non_null (strstr (err.text, "entry 4096 holds operation 99"));
    assert_non_null (strstr (err.text, "later version"));
    zf_writer_free (&script.w);
}

static void later_arguments_are_passed_over (void **state)
{
    (void) state;
    script_t script = {.count = 0};
    zf_error_t err;
    queue_op (&script, 1, "jobs");
    records_op (&script, 1, 10, 2, "a b");
    NUMBERS (&script, ZF_OP_GONE, 1, 10, 1, 4711, 4712);
    NUMBERS (&script, ZF_OP_STATE, 1, 11, 1, 3, 0, 4713);
    script.starts[script.count] = script.w.size;
    assert_int_equal (replay (bytes_of (&script, 0, script.count), &err), 0);
    assert_int_equal (zf_engine_find (engine, zf_bytes_of ("jobs"))->length, 1);
    zf_writer_free (&script.w);
}

static void queue_that_makes_no_sense_is_corrupt (void **state)
{
    static const char *const names[] = {"", "a\nb", "mmi.x"};
    for (int i = 0; i < 3; i++) {
        script_t script = {.count = 0};
        queue_op (&script, 1, names[i]);
        assert_makes_no_sense (&script);
    }
    script_t zero = {.count = 0};
    queue_op (&zero, 0, "jobs");
    assert_makes_no_sense (&zero);
    script_t large = {.count = 0};
    queue_op (&large, UINT64_C (1) << 32, "jobs");
    assert_makes_no_sense (&large);
    script_t twice = {.count = 0};
    queue_op (&twice, 1, "jobs");
    queue_op (&twice, 2, "jobs");
    assert_makes_no_sense (&twice);
    teardown (state);
    setup (state);
}

static void records_out_of_order_are_corrupt (void **state)
{
    script_t back = {.count = 0};
    queue_op (&back, 1, "jobs");
    records_op (&back, 1, 12, 1, "a");
    records_op (&back, 1, 12, 1, "b");
    assert_makes_no_sense (&back);
    teardown (state);
    setup (state);
    script_t batch = {.count = 0};
    queue_op (&batch, 1, "jobs"); /* ids go on from 10 */
    batch_op (&batch, 1, 9, "a b");
    assert_makes_no_sense (&batch);
    teardown (state);
    setup (state);
    script_t level = {.count = 0};
    queue_op (&level, 1, "jobs");
    records_op (&level, 1, UINT64_C (1) << ZF_LANE_SHIFT, 1, "a");
    assert_makes_no_sense (&level);
}

/* Ids that would run over into the next level. */
static void ids_beyond_a_level_are_corrupt (void **state)
{
    static const uint64_t far = (UINT64_C (1) << ZF_LANE_SHIFT) - 1;
    script_t records = {.count = 0};
    queue_op (&records, 1, "jobs");
    records_op (&records, 1, far, 2, "a b");
    assert_makes_no_sense (&records);
    teardown (state);
    setup (state);
    script_t start = {.count = 0};
    NUMBERS (&start, ZF_OP_START, 1000, far + 7);
    assert_makes_no_sense (&start);
    teardown (state);
    setup (state);
    script_t carried = {.count = 0};
    queue_op (&carried, 1, "jobs");
    carry_op (&carried, far, 6, (const uint64_t[]){0, 3}, 2, "x y z");
    assert_makes_no_sense (&carried);
}

static void count_that_is_wrong_is_corrupt (void **state)
{
    for (uint64_t count = 0; count < 6; count++) {
        script_t script = {.count = 0};
        queue_op (&script, 1, "jobs");
        records_op (&script, 1, 10, count, "a b c");
        if (count != 3)
            assert_makes_no_sense (&script);
        zf_writer_free (&script.w);
        teardown (state);
        setup (state);
    }
    script_t huge = {.count = 0};
    queue_op (&huge, 1, "jobs");
    records_op (&huge, 1, 10, UINT64_MAX, "a b c");
    assert_makes_no_sense (&huge);
}

static void batch_with_a_wrong_bit_is_corrupt (void **state)
{
    script_t good = {.count = 0};
    queue_op (&good, 1, "jobs");
    size_t before = good.w.size;
    batch_op (&good, 1, 10, "a b c");
    size_t head = good.w.size - (ZF_BATCH_HEADER + 15);
    for (size_t bit = 8 * head; bit < 8 * good.w.size; bit++) {
        script_t bad = {.count = 1};
        zf_write_bytes (&bad.w, good.w.data, good.w.size);
        bad.w.data[bit / 8] ^= (uint8_t) (1 << bit % 8);
        bad.starts[bad.count++] = before;
        assert_makes_no_sense (&bad);
        teardown (state);
        setup (state);
    }
    zf_writer_free (&good.w);
}

static void carry_that_makes_no_sense_is_corrupt (void **state)
{
    static const struct {
        uint64_t first, count, pairs[4];
        size_t n;
    } cases[] = {
        {10, 0, {0, 3}, 2},       {10, 6, {0, 3}, 0},
        {10, 6, {0, 3, 5}, 3},    {10, 6, {3, 3}, 2},
        {10, 6, {3, 2}, 2},       {10, 6, {2, 4, 3, 5}, 4},
        {10, 6, {0, 7}, 2},       {10, 6, {0, 4}, 2},
        {10, 1 << 21, {0, 3}, 2}, {UINT64_C (1) << 60, 6, {0, 3}, 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        script_t script = {.count = 0};
        queue_op (&script, 1, "jobs");
        carry_op (&script, cases[i].first, cases[i].count, cases[i].pairs, cases[i].n, "x y z");
        assert_makes_no_sense (&script);
        teardown (state);
        setup (state);
    }
}

static void producer_or_id_that_makes_no_sense_is_corrupt (void **state)
{
    script_t scripts[4] = {{.count = 0}};
    for (int i = 0; i < 4; i++)
        queue_op (&scripts[i], 1, "jobs");
    producer_op (&scripts[0], 1, ZF_UUID_BYTES - 1, 0, 0);
    producer_op (&scripts[1], 1, ZF_UUID_BYTES, 3, UINT64_C (1) << 40);
    id_op (&scripts[2], 15);
    id_op (&scripts[3], 17);
    for (int i = 0; i < 4; i++) {
        assert_makes_no_sense (&scripts[i]);
        teardown (state);
        setup (state);
    }
}

/* Ranges may be of records that are gone: they lie further back in the log, which is trimmed. */
static void range_of_records_that_are_not_there_means_nothing (void **state)
{
    (void) state;
    script_t script = {.count = 0};
    zf_error_t err;
    queue_op (&script, 1, "jobs");
    NUMBERS (&script, ZF_OP_GONE, 1, 0, 10);
    NUMBERS (&script, ZF_OP_STATE, 1, 5, 100, 3, 0);
    records_op (&script, 1, 20, 2, "a b");
    NUMBERS (&script, ZF_OP_GONE, 1, 0, 21);
    NUMBERS (&script, ZF_OP_STATE, 1, 0, UINT32_MAX, 3, 0);
    NUMBERS (&script, ZF_OP_EXPIRES, 1, 20, 3);
    script.starts[script.count] = script.w.size;
    assert_int_equal (replay (bytes_of (&script, 0, script.count), &err), 0);
    zf_queue_t *queue = zf_engine_find (engine, zf_bytes_of ("jobs"));
    zf_sight_t sight;
    assert_int_equal (queue->length, 1);
    assert_true (zf_queue_peek (queue, 0, &sight));
    assert_int_equal (sight.attempts, 3);
    zf_writer_free (&script.w);
    live_on ();
}

/* What lay in two chunks when the first of them was carried was one when it was carried again,
 * after a restart; the log begins between. */
static void carried_records_are_put_in_wherever_they_are_missing (void **state)
{
    (void) state;
    script_t script = {.count = 0};
    zf_error_t err;
    queue_op (&script, 1, "jobs");
    carry_op (&script, 12, 1, (uint64_t[]){0, 1}, 2, "c");
    carry_op (&script, 15, 2, (uint64_t[]){0, 2}, 2, "f g");
    carry_op (&script, 10, 9, (uint64_t[]){0, 4, 5, 9}, 4, "a b c d f g h i");
    carry_op (&script, 10, 9, (uint64_t[]){0, 4, 5, 9}, 4, "a b c d f g h i");
    script.starts[script.count] = script.w.size;
    assert_int_equal (replay (bytes_of (&script, 0, script.count), &err), 0);
    zf_queue_t *queue = zf_engine_find (engine, zf_bytes_of ("jobs"));
    static const uint64_t ids[] = {10, 11, 12, 13, 15, 16, 17, 18};
    zf_sight_t sight = {.id = 0};
    assert_int_equal (queue->length, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_true (zf_queue_peek (queue, sight.id + (i > 0), &sight));
        assert_int_equal (sight.id, ids[i]);
        char body = "abcdfghi"[i];
        assert_true (zf_bytes_equal (sight.record.body, zf_bytes (&body, 1)));
    }
    zf_writer_free (&script.w);
    live_on ();
}

static void range_that_is_too_long_is_corrupt (void **state)
{
    (void) state;
    script_t script = {.count = 0};
    queue_op (&script, 1, "jobs");
    NUMBERS (&script, ZF_OP_GONE, 1, 10, UINT64_C (1) << 33);
    assert_makes_no_sense (&script);
}

/* The journal was damaged and repaired: its records are not lost with the name of their queue. */
static void records_of_a_queue_without_name_are_kept (void **state)
{
    (void) state;
    script_t script = {.count = 0};
    zf_error_t err;
    NUMBERS (&script, ZF_OP_GONE, 7, 0, 10);
    records_op (&script, 7, 20, 2, "a b");
    batch_op (&script, 7, 22, "c d");
    script.starts[script.count] = script.w.size;
    assert_int_equal (replay (bytes_of (&script, 0, script.count), &err), 0);
    zf_queue_t *queue = zf_engine_find (engine, zf_bytes_of ("lost.7"));
    assert_non_null (queue);
    assert_int_equal (queue->length, 4);
    assert_true (engine->notice_count > 0);
    zf_writer_free (&script.w);
    live_on ();
}

static void entry_with_random_damage_breaks_nothing (void **state)
{
    script_t script = sound_script ();
    teardown (state);
    uint64_t seed = 11;
    uint32_t read = 0;
    for (int i = 0; i < MORPHS; i++) {
        zf_writer_t w = {0};
        zf_error_t err;
        zf_write_bytes (&w, script.w.data, script.w.size);
        for (uint32_t n = 1 + rand_below (&seed, 3); n > 0; n--)
            w.data[rand_below (&seed, (uint32_t) w.size)] = (uint8_t) rand_next (&seed);
        setup (state);
        if (replay (zf_bytes (w.data, w.size), &err) == 0) {
            read++;
            live_on ();
        }
        teardown (state);
        zf_writer_free (&w);
    }
    assert_true (read > MORPHS / 100);
    zf_writer_free (&script.w);
    setup (state);
}

#define CASE(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (sound_operations_make_a_queue),
        CASE (operation_cut_off_anywhere_is_corrupt),
        CASE (argument_of_a_wrong_type_is_corrupt),
        CASE (later_operation_is_of_a_later_version),
        CASE (later_arguments_are_passed_over),
        CASE (queue_that_makes_no_sense_is_corrupt),
        CASE (records_out_of_order_are_corrupt),
        CASE (ids_beyond_a_level_are_corrupt),
        CASE (count_that_is_wrong_is_corrupt),
        CASE (batch_with_a_wrong_bit_is_corrupt),
        CASE (carry_that_makes_no_sense_is_corrupt),
        CASE (producer_or_id_that_makes_no_sense_is_corrupt),
        CASE (range_of_records_that_are_not_there_means_nothing),
        CASE (carried_records_are_put_in_wherever_they_are_missing),
        CASE (range_that_is_too_long_is_corrupt),
        CASE (records_of_a_queue_without_name_are_kept),
        CASE (entry_with_random_damage_breaks_nothing),
    };
    return cmocka_run_group_tests_name ("replay", tests, NULL, NULL);
}
