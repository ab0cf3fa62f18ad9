/* What a link has under way: batches are cut as the target wants them, and settled in order. */
#include "tests/devices/stage.h"

#include "patterns/link_pipe.h"

static zf_pipe_t line;
static uint64_t refused[8]; /* numbers of records that were too big */
static size_t refused_count;

static void note_too_big (void *arg, uint64_t number)
{
    (void) arg;
    assert_true (refused_count < 8);
    refused[refused_count++] = number;
}

static zf_gate_t gate (uint64_t last, uint64_t max_message_bytes, uint64_t window_bytes)
{
    zf_gate_t made = {last, max_message_bytes, window_bytes, note_too_big, NULL};
    return made;
}

/* A sealed batch of records of these sizes; each byte is the record's place. */
static zf_bytes_t batch (const size_t *sizes, uint32_t count)
{
    static uint8_t frame[65536];
    static uint8_t body[16384];
    uint8_t *at = frame + ZF_BATCH_HEADER;
    for (uint32_t i = 0; i < count; i++) {
        memset (body, (int) i, sizeof body);
        at = zf_record_encode (at, zf_bytes (NULL, 0), zf_bytes (body, sizes[i]));
    }
    zf_batch_seal (frame, (size_t) (at - frame), count, 0, 77);
    return zf_bytes (frame, (size_t) (at - frame));
}

static int take_batch (uint64_t first, zf_bytes_t frame, zf_gate_t limits)
{
    uint32_t count, bytes;
    return zf_pipe_take (&line, first, frame, &limits, &count, &bytes);
}

/* Sends the next load, which must be these records, each with the bytes of its place. */
static zf_load_t *expect_load (uint64_t first, uint32_t count, uint8_t place)
{
    zf_load_t *load = zf_pipe_next (&line, UINT64_MAX);
    zf_batch_t sent;
    assert_non_null (load);
    assert_int_equal (zf_batch_decode (zf_bytes (load->buffer->data, load->buffer->size), &sent),
                      0);
    assert_int_equal (sent.first, first);
    assert_int_equal (sent.count, count);
    const uint8_t *at = sent.records;
    for (uint32_t i = 0; i < count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, sent.records + sent.size, &record);
        assert_non_null (at);
        assert_int_equal (((const uint8_t *) record.body.data)[0], place + i);
    }
    zf_pipe_sent (&line, load);
    return load;
}

static int clear (void **state)
{
    (void) state;
    zf_pipe_clear (&line);
    refused_count = 0;
    return 0;
}

static const size_t three[] = {10, 20, 30};

static void batch_passes_whole_with_its_new_number (void **state)
{
    (void) state;
    assert_int_equal (take_batch (5, batch (three, 3), gate (4, 65536, 65536)), 0);
    expect_load (5, 3, 0);
    assert_null (zf_pipe_next (&line, UINT64_MAX));
    assert_true (zf_pipe_settle (&line, 5, 3));
    assert_null (line.loads);
    assert_int_equal (line.unconfirmed_bytes, 0);
}

static void records_that_the_target_has_are_left_out (void **state)
{
    (void) state;
    assert_int_equal (take_batch (5, batch (three, 3), gate (6, 65536, 65536)), 0);
    expect_load (7, 1, 2);
    assert_int_equal (take_batch (8, batch (three, 3), gate (10, 65536, 65536)), 0);
    assert_null (zf_pipe_next (&line, UINT64_MAX));
}

static void batch_is_cut_to_the_targets_limit (void **state)
{
    (void) state;
    assert_int_equal (take_batch (1, batch (three, 3), gate (0, ZF_BATCH_HEADER + 38, 65536)), 0);
    expect_load (1, 2, 0); /* 14 and 24 bytes */
    expect_load (3, 1, 2);
    assert_int_equal (refused_count, 0);
}

static void batch_is_cut_to_the_window (void **state)
{
    (void) state;
    assert_int_equal (take_batch (1, batch (three, 3), gate (0, 65536, 25)), 0);
    assert_non_null (zf_pipe_next (&line, 25));
    expect_load (1, 1, 0);
    assert_null (zf_pipe_next (&line, 25)); /* 14 and 24 are more than that */
    assert_true (zf_pipe_settle (&line, 1, 1));
    expect_load (2, 1, 1);
    assert_true (zf_pipe_settle (&line, 2, 1));
    assert_non_null (zf_pipe_next (&line, 25)); /* larger than the window, but alone */
}

static void record_that_fits_no_message_is_reported_and_left_out (void **state)
{
    static const size_t sizes[] = {10, 2000, 10, 3000};
    (void) state;
    assert_int_equal (take_batch (1, batch (sizes, 4), gate (0, 1024, 65536)), 0);
    assert_int_equal (refused_count, 2);
    assert_int_equal (refused[0], 2);
    assert_int_equal (refused[1], 4);
    expect_load (1, 1, 0);
    expect_load (3, 1, 2);
    assert_true (zf_pipe_settle (&line, 1, 1));
    assert_true (zf_pipe_settle (&line, 3, 1));
    assert_null (line.loads);
}

static void record_that_fits_no_message_is_never_known_to_the_target (void **state)
{
    static const size_t sizes[] = {10, 2000, 20, 30};
    (void) state;
    assert_int_equal (take_batch (1, batch (sizes, 4), gate (3, 1024, 65536)), 0);
    assert_int_equal (refused_count, 1);
    assert_int_equal (refused[0], 2);
    expect_load (4, 1, 3);
}

static void part_of_a_batch_is_settled (void **state)
{
    (void) state;
    assert_int_equal (take_batch (1, batch (three, 3), gate (0, 65536, 65536)), 0);
    assert_int_equal (take_batch (4, batch (three, 3), gate (0, 65536, 65536)), 0);
    expect_load (1, 3, 0);
    expect_load (4, 3, 0);
    assert_int_equal (line.unconfirmed_bytes, 2 * (60 + 12));
    assert_true (zf_pipe_settle (&line, 1, 2));
    assert_int_equal (line.unconfirmed_bytes, 34 + 72);
    assert_true (zf_pipe_settle (&line, 3, 3)); /* across the two */
    assert_int_equal (line.unconfirmed_bytes, 34);
    assert_true (zf_pipe_settle (&line, 6, 1));
    assert_int_equal (line.unconfirmed_bytes, 0);
}

static void outcome_of_what_was_not_sent_is_wrong (void **state)
{
    (void) state;
    assert_false (zf_pipe_settle (&line, 1, 1));
    assert_int_equal (take_batch (1, batch (three, 3), gate (0, 65536, 65536)), 0);
    assert_false (zf_pipe_settle (&line, 1, 1)); /* still here */
    expect_load (1, 3, 0);
    assert_false (zf_pipe_settle (&line, 2, 1)); /* out of order */
    assert_false (zf_pipe_settle (&line, 1, 4)); /* too many */
}

static void deliveries_only_go_up (void **state)
{
    (void) state;
    assert_int_equal (take_batch (9, batch (three, 3), gate (0, 65536, 65536)), 0);
    assert_int_equal (take_batch (11, batch (three, 3), gate (0, 65536, 65536)), ZF_E_PROTO);
    assert_int_equal (take_batch (12, batch (three, 3), gate (0, 65536, 65536)), 0);
    assert_int_equal (take_batch (100, batch (three, 3), gate (0, 65536, 65536)), 0);
}

static void damaged_batch_is_refused (void **state)
{
    (void) state;
    zf_bytes_t frame = batch (three, 3);
    ((uint8_t *) (uintptr_t) frame.data)[frame.size - 1] ^= 1;
    assert_int_equal (take_batch (1, frame, gate (0, 65536, 65536)), ZF_E_CORRUPT);
    assert_int_equal (take_batch (1, zf_bytes (frame.data, 31), gate (0, 65536, 65536)),
                      ZF_E_PROTO);
    assert_null (line.loads);
}

#define PIPE_CASE(name) cmocka_unit_test_teardown (name, clear)

int main (void)
{
    const struct CMUnitTest tests[] = {
        PIPE_CASE (batch_passes_whole_with_its_new_number),
        PIPE_CASE (records_that_the_target_has_are_left_out),
        PIPE_CASE (batch_is_cut_to_the_targets_limit),
        PIPE_CASE (batch_is_cut_to_the_window),
        PIPE_CASE (record_that_fits_no_message_is_reported_and_left_out),
        PIPE_CASE (record_that_fits_no_message_is_never_known_to_the_target),
        PIPE_CASE (part_of_a_batch_is_settled),
        PIPE_CASE (outcome_of_what_was_not_sent_is_wrong),
        PIPE_CASE (deliveries_only_go_up),
        PIPE_CASE (damaged_batch_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
