#include "core/log.h"

#include "tests/core/alloc.h"
#include "tests/core/rig.h"

static zf_place_t append (zf_log_t *log, const char *body, uint64_t now_ms)
{
    uint8_t bytes[64];
    zf_place_t place = {0};
    uint8_t *end = zf_record_encode (bytes, zf_bytes (NULL, 0), zf_bytes_of (body));
    assert_int_equal (zf_log_append (log, zf_bytes (bytes, (size_t) (end - bytes)), now_ms, &place),
                      0);
    return place;
}

static void append_bulk (zf_log_t *log, uint32_t count, size_t size)
{
    uint8_t *bytes = calloc (1, size + 4);
    zf_place_t place;
    zf_store_u32le (bytes, (uint32_t) size);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal (zf_log_append (log, zf_bytes (bytes, size + 4), 0, &place), 0);
    free (bytes);
}

static zf_chunk_t *adopt (zf_log_t *log, zf_frame_t *frame)
{
    zf_batch_t batch;
    zf_chunk_t *chunk = NULL;
    zf_batch_decode (zf_bytes (frame->data, frame->size), &batch);
    uint32_t *offsets = malloc (batch.count * sizeof *offsets);
    zf_batch_index (&batch, offsets);
    assert_int_equal (zf_log_adopt (log, frame, &batch, offsets, 7, &chunk), 0);
    zf_frame_drop (frame); /* the log holds it */
    return chunk;
}

static uint32_t chunks (const zf_log_t *log)
{
    uint32_t count = 0;
    for (const zf_chunk_t *chunk = log->head; chunk != NULL; chunk = chunk->next)
        count++;
    return count;
}

static void records_lie_in_one_chunk_in_order (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_place_t a = append (&log, "a", 5);
    zf_place_t b = append (&log, "bb", 6);
    assert_ptr_equal (a.chunk, b.chunk);
    assert_int_equal (a.at, 0);
    assert_int_equal (b.at, 1);
    assert_int_equal (a.chunk->oldest_ms, 5);
    assert_int_equal (a.chunk->newest_ms, 6);
    assert_int_equal (log.next, 2);
    assert_int_equal (log.length, 2);
    assert_int_equal (log.bytes, 5 + 6);
    assert_true (zf_bytes_equal (zf_chunk_record (b.chunk, b.at).body, zf_bytes_of ("bb")));
    assert_int_equal (zf_chunk_span (a.chunk, 0, 2).size, 11);
    assert_int_equal (zf_chunk_span (a.chunk, 1, 1).size, 6);
    zf_log_free (&log);
}

static void chunks_end_at_their_size_and_count (void **state)
{
    (void) state;
    zf_log_t log = {0};
    append_bulk (&log, ZF_CHUNK_RECORDS, 0);
    assert_int_equal (chunks (&log), 1);
    append_bulk (&log, 1, 0);
    assert_int_equal (chunks (&log), 2);
    append_bulk (&log, 2, ZF_CHUNK_BYTES / 2);
    assert_int_equal (chunks (&log), 3);
    assert_true (log.head->capacity <= ZF_CHUNK_BYTES);
    zf_log_free (&log);
}

static void large_record_has_a_chunk_without_slack (void **state)
{
    (void) state;
    zf_log_t log = {0};
    append_bulk (&log, 1, 1000000);
    assert_int_equal (log.head->capacity, ZF_BATCH_HEADER + 4 + 1000000);
    append_bulk (&log, 1, 1);
    assert_int_equal (chunks (&log), 2);
    zf_log_free (&log);
}

static void closed_log_begins_a_new_chunk (void **state)
{
    (void) state;
    zf_log_t log = {0};
    append (&log, "a", 0);
    log.closed = true;
    append (&log, "b", 0);
    assert_int_equal (chunks (&log), 2);
    append (&log, "c", 0);
    assert_int_equal (chunks (&log), 2);
    zf_log_free (&log);
}

static void adopted_batch_is_not_copied_or_changed (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_frame_t *frame = wire_batch (500, "a b c", NULL);
    zf_frame_t *copy = wire_batch (500, "a b c", NULL);
    append (&log, "first", 0);
    zf_chunk_t *chunk = adopt (&log, frame);
    assert_ptr_equal (chunk->frame, frame);
    assert_int_equal (chunk->first, 1);
    assert_int_equal (chunk->live, 3);
    assert_int_equal (log.next, 4);
    assert_int_equal (log.length, 4);
    assert_memory_equal (frame->data, copy->data, copy->size);
    assert_true (zf_bytes_equal (zf_chunk_record (chunk, 2).body, zf_bytes_of ("c")));
    append (&log, "last", 0);
    assert_int_equal (chunks (&log), 3);
    zf_frame_drop (copy);
    zf_log_free (&log);
    assert_int_equal (wire_frames (), 0);
}

static void settled_chunk_is_freed_with_its_last_record (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_chunk_t *chunk = adopt (&log, wire_batch (1, "a b c", NULL));
    append (&log, "x", 0);
    assert_false (zf_log_settle (&log, chunk, 0, 2));
    assert_int_equal (log.length, 2);
    assert_true (zf_log_settle (&log, chunk, 2, 1));
    zf_log_discard (&log, chunk);
    assert_int_equal (wire_frames (), 0);
    assert_int_equal (chunks (&log), 1);
    assert_int_equal (log.length, 1);
    assert_int_equal (log.bytes, 5);
    zf_log_free (&log);
}

static void settled_chunk_at_the_tail_is_used_again (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_place_t a = append (&log, "a", 0);
    assert_true (zf_log_settle (&log, a.chunk, 0, 1));
    zf_log_discard (&log, a.chunk);
    assert_int_equal (chunks (&log), 1);
    zf_place_t b = append (&log, "b", 9);
    assert_ptr_equal (b.chunk, a.chunk);
    assert_int_equal (b.at, 0);
    assert_int_equal (b.chunk->first, 1); /* its id is not used again */
    assert_int_equal (b.chunk->oldest_ms, 9);
    zf_log_free (&log);
}

/* Who reads the log from a start has no such chunk, and must come to the same ones. */
static void closed_log_goes_on_in_one_chunk_from_an_empty_one (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_place_t place = append (&log, "a", 0);
    assert_true (zf_log_settle (&log, place.chunk, 0, 1));
    zf_log_discard (&log, place.chunk);
    log.closed = true;
    zf_place_t b = append (&log, "b", 0);
    zf_place_t c = append (&log, "c", 0);
    assert_ptr_equal (b.chunk, c.chunk);
    assert_int_equal (chunks (&log), 1);
    zf_log_free (&log);
}

static void settled_chunk_of_a_large_record_is_not_kept (void **state)
{
    (void) state;
    zf_log_t log = {0};
    append_bulk (&log, 1, 100000);
    zf_chunk_t *chunk = log.head;
    assert_true (zf_log_settle (&log, chunk, 0, 1));
    zf_log_discard (&log, chunk);
    assert_null (log.head);
    zf_log_free (&log);
}

static void batch_takes_the_place_of_an_empty_chunk (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_place_t a = append (&log, "a", 0);
    zf_note_t *note = (zf_note_t *) &log;
    assert_int_equal (zf_chunk_set_note (a.chunk, 0, note), 0);
    assert_int_equal (zf_chunk_set_note (a.chunk, 0, NULL), 0);
    zf_log_settle (&log, a.chunk, 0, 1);
    zf_log_discard (&log, a.chunk);
    zf_chunk_t *chunk = adopt (&log, wire_batch (1, "b c", NULL));
    assert_ptr_equal (chunk, a.chunk);
    assert_null (chunk->notes);
    assert_int_equal (chunk->first, 1);
    assert_int_equal (chunks (&log), 1);
    zf_log_free (&log);
    assert_int_equal (wire_frames (), 0);
}

static void notes_stay_with_their_records (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_note_t *note = (zf_note_t *) &log; /* never looked into */
    zf_place_t a = append (&log, "a", 0);
    assert_null (zf_chunk_note (a.chunk, 0));
    assert_int_equal (zf_chunk_set_note (a.chunk, 0, NULL), 0);
    assert_null (a.chunk->notes);
    assert_int_equal (zf_chunk_set_note (a.chunk, 0, note), 0);
    append_bulk (&log, 100, 1);
    assert_ptr_equal (zf_chunk_note (a.chunk, 0), note);
    for (uint32_t i = 1; i <= 100; i++)
        assert_null (zf_chunk_note (a.chunk, i));
    zf_log_free (&log);
}

static void append_without_memory_changes_nothing (void **state)
{
    (void) state;
    static const uint8_t record[] = {1, 0, 0, 0, 'x'};
    zf_log_t log = {0};
    zf_place_t place = {0};
    for (uint32_t n = 0; n < 200; n++) {
        alloc_enter ();
        alloc_fail (1, 1);
        int rc = zf_log_append (&log, zf_bytes (record, 5), 0, &place);
        bool failed = alloc_failures () > 0;
        alloc_fail (1, 0);
        alloc_leave ();
        assert_int_equal (rc, failed ? ZF_E_NOMEM : 0);
        if (rc != 0)
            assert_int_equal (zf_log_append (&log, zf_bytes (record, 5), 0, &place), 0);
        if (n == 3)
            assert_int_equal (zf_chunk_set_note (place.chunk, place.at, (zf_note_t *) &log), 0);
        assert_int_equal (log.length, n + 1);
    }
    zf_log_free (&log);
}

static void adopt_without_memory_takes_nothing (void **state)
{
    (void) state;
    zf_log_t log = {0};
    zf_frame_t *frame = wire_batch (1, "a", NULL);
    zf_batch_t batch;
    zf_chunk_t *chunk;
    uint32_t offsets[1];
    zf_batch_decode (zf_bytes (frame->data, frame->size), &batch);
    alloc_enter ();
    alloc_fail (1, 1);
    assert_int_equal (zf_log_adopt (&log, frame, &batch, offsets, 0, &chunk), ZF_E_NOMEM);
    alloc_leave ();
    assert_int_equal (frame->holders, 1);
    assert_null (log.head);
    zf_frame_drop (frame);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (records_lie_in_one_chunk_in_order),
        cmocka_unit_test (chunks_end_at_their_size_and_count),
        cmocka_unit_test (large_record_has_a_chunk_without_slack),
        cmocka_unit_test (closed_log_begins_a_new_chunk),
        cmocka_unit_test (adopted_batch_is_not_copied_or_changed),
        cmocka_unit_test (settled_chunk_is_freed_with_its_last_record),
        cmocka_unit_test (settled_chunk_at_the_tail_is_used_again),
        cmocka_unit_test (closed_log_goes_on_in_one_chunk_from_an_empty_one),
        cmocka_unit_test (settled_chunk_of_a_large_record_is_not_kept),
        cmocka_unit_test (batch_takes_the_place_of_an_empty_chunk),
        cmocka_unit_test (notes_stay_with_their_records),
        cmocka_unit_test (append_without_memory_changes_nothing),
        cmocka_unit_test (adopt_without_memory_takes_nothing),
    };
    return cmocka_run_group_tests_name ("log", tests, NULL, NULL);
}
