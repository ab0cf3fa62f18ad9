/* Posting: numbers and resends, ids and the dedup window, batches of all sizes. */
#include "tests/core/rig.h"

static void post_sent_again_is_confirmed_not_queued (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    assert_confirmed (p, "jobs", 1, 3);
    peer_post_again (p, "jobs", 1, "a b c", 1);
    assert_confirmed (p, "jobs", 1, 3);
    assert_int_equal (rig_info (rig, "jobs").length, 3);
    assert_int_equal (rig_info (rig, "jobs").duplicates, 3);
    assert_int_equal (rig_info (rig, "jobs").posted, 3);
}

static void post_sent_again_with_more_queues_only_the_new (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    peer_forget_letters (p);
    peer_post_again (p, "jobs", 2, "b c d", 2);
    assert_confirmed (p, "jobs", 2, 1);
    assert_confirmed (p, "jobs", 3, 2);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a b c d", 1);
}

static void post_sent_again_over_a_new_connection (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    peer_drop (p);
    peer_reconnect (p);
    peer_forget_letters (p);
    peer_post_again (p, "jobs", 1, "a b", 1);
    assert_confirmed (p, "jobs", 1, 2);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

static void post_with_a_gap_before_it_has_to_wait_for_what_is_missing (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    assert_confirmed (p, "jobs", 1, 1);
    peer_post_again (p, "jobs", 3, "c", 2);
    assert_reset (p);
    assert_null (p->session);
    peer_reconnect (p);
    peer_forget_letters (p);
    peer_post_again (p, "jobs", 2, "b", 2);
    peer_post_again (p, "jobs", 3, "c", 2);
    assert_confirmed (p, "jobs", 2, 1);
    assert_confirmed (p, "jobs", 3, 1);
}

/* A queue that was forgotten knows no numbers: its producers say where they are. */
static void post_whose_forerunners_are_settled_has_no_gap (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post_again (p, "jobs", 100, "a b", 100);
    assert_confirmed (p, "jobs", 100, 2);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

/* Those that wait for room are known, too, though nothing was said of them. */
static void post_behind_one_that_waits_has_no_gap (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    peer_post (p, "mail", "x");
    peer_post (p, "jobs", "c");
    peer_post_again (p, "jobs", 2, "b c d", 2); /* two of them wait already */
    assert_confirmed (p, "jobs", 1, 1);
    assert_confirmed (p, "mail", 1, 1);
    assert_silence (p);
    assert_int_equal (rig_info (rig, "jobs").parked, 3);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    static const char *const bodies[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        assert_delivered (w, "jobs", bodies[i], 1);
        peer_ack (w, "jobs", bodies[i]);
    }
    assert_silence (w);
}

static void producers_are_numbered_apart (void **state)
{
    rig_t *rig = *state;
    peer_t *p1 = rig_peer (rig, "p1");
    peer_t *p2 = rig_peer (rig, "p2");
    peer_post (p1, "jobs", "a");
    peer_post (p2, "jobs", "b");
    peer_post (p1, "mail", "c");
    assert_confirmed (p1, "jobs", 1, 1);
    assert_confirmed (p2, "jobs", 1, 1);
    assert_confirmed (p1, "mail", 1, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

static void producer_silent_for_long_is_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    peer_drop (p);
    const zf_queue_t *queue = zf_engine_find (rig->engine, zf_bytes_of ("jobs"));
    rig_advance (rig, ZF_PRODUCER_MEMORY_MS - 1);
    assert_non_null (queue->producers.order);
    rig_advance (rig, 1);
    assert_null (queue->producers.order);
}

static void post_numbered_zero_is_wrong (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post_again (p, "jobs", 0, "a b", 0);
    assert_error (p, ZF_E_PROTO);
    assert_reset (p);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void post_numbered_beyond_all_reason_is_wrong (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post_again (p, "jobs", UINT64_MAX, "a b", 0);
    assert_error (p, ZF_E_PROTO);
    assert_int_equal (rig->engine->counters.peer_errors, 1);
}

static void post_to_a_bad_name_is_refused (void **state)
{
    rig_t *rig = *state;
    static const char *const names[] = {"", "mmi.service", "two\nlines", "bell\x7f"};
    peer_t *p = rig_peer (rig, "p");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        peer_post_again (p, names[i], 1, "a b", 0);
        assert_refused (p, names[i], 1, 2, ZF_E_INVAL);
    }
    char longest[ZF_NAME_MAX + 2] = {0};
    memset (longest, 'n', ZF_NAME_MAX);
    peer_post_again (p, longest, 1, "a", 0);
    assert_confirmed (p, longest, 1, 1);
    longest[ZF_NAME_MAX] = 'n';
    peer_post_again (p, longest, 1, "a", 0);
    assert_refused (p, longest, 1, 1, ZF_E_INVAL);
    assert_int_equal (HASH_COUNT (rig->engine->queues), 1);
}

/* -- ids --------------------------------------------------------------------------------------- */

static zf_props_t called (const char *id)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of (id);
    return props;
}

static void id_is_taken_once_inside_the_window (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.dedup_window_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = called ("order-1");
    peer_post_props (p, "jobs", "a", &props);
    peer_post_props (p, "jobs", "b", &props);
    assert_confirmed (p, "jobs", 1, 1);
    assert_confirmed (p, "jobs", 2, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    assert_int_equal (rig_info (rig, "jobs").duplicates, 1);
    rig_advance (rig, 9999);
    peer_post_props (p, "jobs", "c", &props);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    rig_advance (rig, 1);
    peer_post_props (p, "jobs", "d", &props);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

static void id_is_remembered_after_the_record_is_done (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    zf_props_t props = called ("order-1");
    peer_post_props (p, "jobs", "a", &props);
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    peer_post_props (p, "jobs", "b", &props);
    assert_silence (w);
    rig_advance (rig, 120000);
    const zf_queue_t *queue = zf_engine_find (rig->engine, zf_bytes_of ("jobs"));
    assert_null (queue->ids.order);
}

static void id_means_nothing_without_a_window (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.dedup_window_ms = 0;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = called ("order-1");
    peer_post_props (p, "jobs", "a b", &props);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

static void id_window_shortened_is_shorter_for_later_ids (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t early = called ("early");
    zf_props_t late = called ("late");
    peer_post_props (p, "jobs", "a", &early);
    policy.dedup_window_ms = 1000;
    rig_declare (rig, "jobs", &policy);
    peer_post_props (p, "jobs", "b", &late);
    rig_advance (rig, 1000);
    peer_post_props (p, "jobs", "c", &late);
    peer_post_props (p, "jobs", "d", &early);
    assert_int_equal (rig_info (rig, "jobs").length, 3);
}

static void id_of_a_refused_record_is_free (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    policy.overflow = ZF_OVERFLOW_REJECT;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    zf_props_t props = called ("order-1");
    peer_post_props (p, "jobs", "b", &props);
    assert_confirmed (p, "jobs", 1, 1);
    assert_refused (p, "jobs", 2, 1, ZF_E_FULL);
    policy.max_length = 2;
    rig_declare (rig, "jobs", &policy);
    peer_post_props (p, "jobs", "c", &props);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

static void request_with_a_used_id_is_rejected (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    zf_props_t props = called ("order-1");
    peer_post_props (c, "echo", "a", &props);
    assert_confirmed (c, "echo", 1, 1);
    zf_writer_t control = wire_control (ZF_CMD_REQUEST, 3);
    wire_put_text (&control, "echo");
    zf_mp_put_uint (&control, 0);
    zf_mp_put_uint (&control, 0);
    peer_write (c, &control, wire_batch (1, "b", &props));
    assert_denied (c, 1, ZF_E_REJECTED);
    assert_silence (c);
    assert_int_equal (rig_info (rig, "echo").length, 1);
}

/* -- batches ----------------------------------------------------------------------------------- */

/* Acks what is delivered until nothing more comes; returns how many records that were. */
static uint64_t ack_all (peer_t *w, const char *queue)
{
    uint64_t total = 0;
    uint64_t first, count;
    while (take_batch (w, &first, &count)) {
        peer_settle (w, ZF_CMD_ACK, queue, first, count);
        total += count;
    }
    return total;
}

static void batches_of_all_sizes_come_through (void **state)
{
    rig_t *rig = *state;
    static const struct {
        uint32_t count;
        size_t size;
    } batches[] = {{1, 0},     {1, 1},     {100, 10},  {1, 8192},  {1, 70000},
                   {700, 100}, {5000, 1},  {5000, 20}, {1, 65536}, {70000, 10},
                   {1, 0},     {3, 30000}, {1, 100},   {4096, 16}};
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_peer (rig, "w");
    uint64_t total = 0;
    rig->audits = false;
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        peer_post_bulk (p, "jobs", batches[i].count, batches[i].size);
        total += batches[i].count;
    }
    rig->audits = true;
    rig_turn (rig);
    assert_int_equal (rig_info (rig, "jobs").length, total);
    peer_consume (w, "jobs", 2000);
    assert_int_equal (ack_all (w, "jobs"), total);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig->engine->bytes, 0);
}

/* Small posts that are done before a large one comes must not leave their memory behind. */
static void chunks_of_settled_records_do_not_pile_up (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1000);
    for (int i = 0; i < 50; i++) {
        peer_post_bulk (p, "jobs", 1, 10);
        assert_int_equal (ack_all (w, "jobs"), 1);
        peer_post_bulk (p, "jobs", 10, 1000);
        peer_post_bulk (p, "jobs", 1, 10);
        assert_int_equal (ack_all (w, "jobs"), 11);
    }
    const zf_queue_t *queue = zf_engine_find (rig->engine, zf_bytes_of ("jobs"));
    assert_true (queue->lanes[0].log.head == NULL || queue->lanes[0].log.head->next == NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (post_sent_again_is_confirmed_not_queued),
        TEST (post_sent_again_with_more_queues_only_the_new),
        TEST (post_sent_again_over_a_new_connection),
        TEST (post_with_a_gap_before_it_has_to_wait_for_what_is_missing),
        TEST (post_whose_forerunners_are_settled_has_no_gap),
        TEST (post_behind_one_that_waits_has_no_gap),
        TEST (producers_are_numbered_apart),
        TEST (producer_silent_for_long_is_forgotten),
        TEST (post_numbered_zero_is_wrong),
        TEST (post_numbered_beyond_all_reason_is_wrong),
        TEST (post_to_a_bad_name_is_refused),
        TEST (id_is_taken_once_inside_the_window),
        TEST (id_is_remembered_after_the_record_is_done),
        TEST (id_means_nothing_without_a_window),
        TEST (id_window_shortened_is_shorter_for_later_ids),
        TEST (id_of_a_refused_record_is_free),
        TEST (request_with_a_used_id_is_rejected),
        TEST (batches_of_all_sizes_come_through),
        TEST (chunks_of_settled_records_do_not_pile_up),
    };
    return cmocka_run_group_tests_name ("post", tests, NULL, NULL);
}
