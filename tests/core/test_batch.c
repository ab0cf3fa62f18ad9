#include "core/batch.h"

#include "tests/core/rig.h"

#include <xxhash.h>

static zf_bytes_t bytes_of (const zf_frame_t *frame)
{
    return zf_bytes (frame->data, frame->size);
}

/* Puts the checksum right again, so that only what was changed is wrong. */
static void reseal (zf_frame_t *frame)
{
    uint8_t *at = frame->data;
    uint64_t seed = zf_load_u32le (at + 4) | (uint64_t) zf_load_u32le (at + 12) << 32;
    seed ^= zf_load_u64le (at + 16);
    zf_store_u64le (
        at + 24, XXH3_64bits_withSeed (at + ZF_BATCH_HEADER, frame->size - ZF_BATCH_HEADER, seed));
}

static void batch_comes_out_as_it_went_in (void **state)
{
    (void) state;
    zf_frame_t *frame = wire_batch (77, "a bb ccc", NULL);
    zf_batch_t batch;
    uint32_t offsets[3];
    assert_int_equal (zf_batch_decode (bytes_of (frame), &batch), 0);
    assert_int_equal (batch.count, 3);
    assert_int_equal (batch.first, 77);
    assert_int_equal (batch.flags, 0);
    assert_int_equal (batch.size, 3 * 4 + 6);
    assert_int_equal (zf_batch_index (&batch, offsets), 0);
    const uint8_t *end = batch.records + batch.size;
    for (uint32_t i = 0; i < 3; i++) {
        zf_record_t record;
        assert_non_null (zf_record_decode (frame->data + offsets[i], end, &record));
        assert_true (zf_bytes_equal (record.body, wire_word ("a bb ccc", i)));
        assert_int_equal (record.props.size, 0);
    }
    zf_frame_drop (frame);
}

static void batch_layout_is_what_the_header_says (void **state)
{
    (void) state;
    zf_frame_t *frame = wire_batch (0x0102030405060708, "abc", NULL);
    static const uint8_t expected[] = {'Z', 'F', 'B', 1, 1, 0, 0, 0, 7, 0, 0, 0,
                                       0,   0,   0,   0, 8, 7, 6, 5, 4, 3, 2, 1};
    static const uint8_t record[] = {3, 0, 0, 0, 'a', 'b', 'c'};
    assert_int_equal (frame->size, ZF_BATCH_HEADER + 7);
    assert_memory_equal (frame->data, expected, sizeof expected);
    assert_memory_equal (frame->data + ZF_BATCH_HEADER, record, sizeof record);
    uint64_t sum = zf_load_u64le (frame->data + 24);
    reseal (frame);
    assert_int_equal (zf_load_u64le (frame->data + 24), sum);
    zf_frame_drop (frame);
}

static void record_with_properties_comes_out_as_it_went_in (void **state)
{
    (void) state;
    uint8_t bytes[64];
    zf_record_t record;
    zf_bytes_t props = zf_bytes_of ("props");
    zf_bytes_t body = zf_bytes_of ("body");
    uint8_t *end = zf_record_encode (bytes, props, body);
    assert_int_equal (end - bytes, zf_record_size (props.size, body.size));
    assert_ptr_equal (zf_record_decode (bytes, end, &record), end);
    assert_true (zf_bytes_equal (record.props, props));
    assert_true (zf_bytes_equal (record.body, body));
    for (size_t size = 0; size < (size_t) (end - bytes); size++)
        assert_null (zf_record_decode (bytes, bytes + size, &record));
}

static void record_may_be_empty (void **state)
{
    (void) state;
    uint8_t bytes[4];
    zf_record_t record;
    uint8_t *end = zf_record_encode (bytes, zf_bytes (NULL, 0), zf_bytes (NULL, 0));
    assert_int_equal (end - bytes, 4);
    assert_ptr_equal (zf_record_decode (bytes, end, &record), end);
    assert_int_equal (record.body.size, 0);
}

static void record_that_lies_does_not_decode (void **state)
{
    (void) state;
    static const uint32_t heads[] = {
        5,              /* one byte more than there is */
        (1u << 30) - 1, /* a gigabyte */
        (1u << 30) | 4, /* the reserved bit */
        (1u << 31) | 0, /* properties of the size that follows: 0 */
        (1u << 31) | ((1u << 30) - 1),
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        uint8_t bytes[8] = {0};
        zf_record_t record;
        zf_store_u32le (bytes, heads[i]);
        assert_null (zf_record_decode (bytes, bytes + sizeof bytes, &record));
    }
    uint8_t bytes[12] = {0};
    zf_record_t record;
    zf_store_u32le (bytes, 1u << 31);
    zf_store_u32le (bytes + 4, UINT32_MAX);
    assert_null (zf_record_decode (bytes, bytes + sizeof bytes, &record));
}

static void batch_that_is_cut_does_not_decode (void **state)
{
    (void) state;
    zf_frame_t *frame = wire_batch (1, "a b c", NULL);
    for (size_t size = 0; size < frame->size; size++) {
        zf_batch_t batch;
        zf_frame_t *cut = wire_frame (frame->data, size); /* ends where its memory ends */
        assert_int_equal (zf_batch_decode (bytes_of (cut), &batch), ZF_E_PROTO);
        zf_frame_drop (cut);
    }
    zf_frame_drop (frame);
}

static void batch_with_any_bit_flipped_does_not_decode (void **state)
{
    (void) state;
    zf_frame_t *frame = wire_batch (1, "a b c", NULL);
    for (size_t bit = 0; bit < 8 * frame->size; bit++) {
        zf_batch_t batch;
        frame->data[bit / 8] ^= (uint8_t) (1 << bit % 8);
        assert_true (zf_batch_decode (bytes_of (frame), &batch) < 0);
        frame->data[bit / 8] ^= (uint8_t) (1 << bit % 8);
    }
    zf_frame_drop (frame);
}

static void batch_of_another_version_is_known_as_such (void **state)
{
    (void) state;
    zf_batch_t batch;
    zf_frame_t *frame = wire_batch (1, "a", NULL);
    frame->data[3] = 2;
    assert_int_equal (zf_batch_decode (bytes_of (frame), &batch), ZF_E_VERSION);
    zf_frame_drop (frame);
}

static void batch_whose_checksum_does_not_match_is_corrupt (void **state)
{
    (void) state;
    zf_batch_t batch;
    zf_frame_t *frame = wire_batch (1, "a", NULL);
    frame->data[frame->size - 1]++;
    assert_int_equal (zf_batch_decode (bytes_of (frame), &batch), ZF_E_CORRUPT);
    zf_frame_drop (frame);
    frame = wire_batch (1, "a", NULL);
    frame->data[16]++; /* the number of its first record */
    assert_int_equal (zf_batch_decode (bytes_of (frame), &batch), ZF_E_CORRUPT);
    zf_frame_drop (frame);
}

/* Sets a u32 of the header, with a checksum that fits. */
static int decode_with (size_t at, uint32_t value)
{
    zf_batch_t batch;
    uint32_t offsets[64];
    zf_frame_t *frame = wire_batch (1, "a b c", NULL);
    zf_store_u32le (frame->data + at, value);
    reseal (frame);
    int rc = zf_batch_decode (bytes_of (frame), &batch);
    if (rc == 0)
        rc = zf_batch_index (&batch, offsets);
    zf_frame_drop (frame);
    return rc;
}

static void batch_that_lies_does_not_decode (void **state)
{
    (void) state;
    assert_int_equal (decode_with (4, 3), 0);
    assert_int_equal (decode_with (4, 0), ZF_E_PROTO); /* count */
    assert_int_equal (decode_with (4, 2), ZF_E_PROTO);
    assert_int_equal (decode_with (4, 4), ZF_E_PROTO);
    assert_int_equal (decode_with (4, UINT32_MAX), ZF_E_PROTO);
    assert_int_equal (decode_with (8, 14), ZF_E_PROTO); /* size */
    assert_int_equal (decode_with (8, 16), ZF_E_PROTO);
    assert_int_equal (decode_with (8, UINT32_MAX), ZF_E_PROTO);
    assert_int_equal (decode_with (12, 2), ZF_E_PROTO);              /* flags */
    assert_int_equal (decode_with (12, ZF_BATCH_HAS_PROPS), 0);      /* it need not be so */
    assert_int_equal (decode_with (ZF_BATCH_HEADER, 2), ZF_E_PROTO); /* a record */
}

static void batch_must_say_that_it_has_properties (void **state)
{
    (void) state;
    zf_props_t props;
    zf_batch_t batch;
    uint32_t offsets[1];
    zf_props_defaults (&props);
    props.id = zf_bytes_of ("id");
    zf_frame_t *frame = wire_batch (1, "a", &props);
    zf_store_u32le (frame->data + 12, 0);
    reseal (frame);
    assert_int_equal (zf_batch_decode (bytes_of (frame), &batch), 0);
    assert_int_equal (zf_batch_index (&batch, offsets), ZF_E_PROTO);
    zf_frame_drop (frame);
}

static void batch_of_more_records_than_allowed_does_not_decode (void **state)
{
    (void) state;
    zf_batch_t batch;
    zf_frame_t *frame = wire_bulk (1, ZF_BATCH_RECORDS_MAX, 0);
    assert_int_equal (zf_batch_decode (bytes_of (frame), &batch), 0);
    zf_frame_drop (frame);
    frame = wire_bulk (1, ZF_BATCH_RECORDS_MAX + 1, 0);
    assert_int_equal (zf_batch_decode (bytes_of (frame), &batch), ZF_E_PROTO);
    zf_frame_drop (frame);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (batch_comes_out_as_it_went_in),
        cmocka_unit_test (batch_layout_is_what_the_header_says),
        cmocka_unit_test (record_with_properties_comes_out_as_it_went_in),
        cmocka_unit_test (record_may_be_empty),
        cmocka_unit_test (record_that_lies_does_not_decode),
        cmocka_unit_test (batch_that_is_cut_does_not_decode),
        cmocka_unit_test (batch_with_any_bit_flipped_does_not_decode),
        cmocka_unit_test (batch_of_another_version_is_known_as_such),
        cmocka_unit_test (batch_whose_checksum_does_not_match_is_corrupt),
        cmocka_unit_test (batch_that_lies_does_not_decode),
        cmocka_unit_test (batch_must_say_that_it_has_properties),
        cmocka_unit_test (batch_of_more_records_than_allowed_does_not_decode),
    };
    return cmocka_run_group_tests_name ("batch", tests, NULL, NULL);
}
