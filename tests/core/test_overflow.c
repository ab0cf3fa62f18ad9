/* Caps and what happens at them: backpressure, reject, drop-oldest; windows of producers. */
#include "tests/core/rig.h"

#include <time.h>

static zf_policy_t capped (uint64_t length, uint64_t bytes, zf_overflow_t overflow)
{
    zf_policy_t policy = rig_policy ();
    policy.max_length = length;
    policy.max_bytes = bytes;
    policy.overflow = overflow;
    return policy;
}

/* -- backpressure ------------------------------------------------------------------------------ */

static void backpressure_posts_wait_for_room (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (2, 0, ZF_OVERFLOW_BACKPRESSURE);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d e");
    assert_confirmed (p, "jobs", 1, 2);
    assert_silence (p);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
    assert_int_equal (rig_info (rig, "jobs").parked, 3);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    assert_confirmed (p, "jobs", 3, 1);
    assert_delivered (w, "jobs", "b", 1);
    peer_ack (w, "jobs", "b");
    assert_delivered (w, "jobs", "c", 1);
    peer_ack (w, "jobs", "c");
    assert_confirmed (p, "jobs", 4, 1);
    assert_confirmed (p, "jobs", 5, 1);
    assert_int_equal (rig_info (rig, "jobs").parked, 0);
    assert_int_equal (p->session->parked_bytes, 0);
}

static void backpressure_keeps_the_order_of_posts (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_BACKPRESSURE);
    rig_declare (rig, "jobs", &policy);
    peer_t *p1 = rig_peer (rig, "p1");
    peer_t *p2 = rig_peer (rig, "p2");
    peer_post (p1, "jobs", "a b");
    peer_post (p2, "jobs", "c");
    peer_post (p1, "jobs", "d");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    for (uint32_t i = 0; i < 4; i++) {
        static const char *const bodies[] = {"a", "b", "c", "d"};
        assert_delivered (w, "jobs", bodies[i], 1);
        peer_ack (w, "jobs", bodies[i]);
    }
    assert_confirmed (p1, "jobs", 1, 1);
    assert_confirmed (p1, "jobs", 2, 1);
    assert_confirmed (p1, "jobs", 3, 1);
    assert_confirmed (p2, "jobs", 1, 1);
}

static void backpressure_by_bytes (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (0, 250, ZF_OVERFLOW_BACKPRESSURE);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 5, 96); /* 100 encoded */
    assert_confirmed (p, "jobs", 1, 2);
    assert_int_equal (rig_info (rig, "jobs").bytes, 200);
    assert_int_equal (rig_info (rig, "jobs").parked, 3);
    peer_post_bulk (p, "jobs", 1, 10);
    assert_int_equal (rig_info (rig, "jobs").parked, 4);
    assert_silence (p);
}

static void backpressure_goes_on_when_the_cap_is_raised (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_BACKPRESSURE);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    assert_confirmed (p, "jobs", 1, 1);
    policy.max_length = 10;
    rig_declare (rig, "jobs", &policy);
    assert_confirmed (p, "jobs", 2, 2);
}

static void backpressure_drops_what_its_producer_parked_when_it_goes (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_BACKPRESSURE);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    peer_drop (p);
    assert_int_equal (rig_info (rig, "jobs").parked, 0);
    peer_reconnect (p);
    peer_forget_letters (p);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    peer_post_again (p, "jobs", 1, "a b c", 1);
    assert_confirmed (p, "jobs", 1, 1);
    assert_confirmed (p, "jobs", 2, 1);
    assert_delivered (w, "jobs", "b", 1);
    assert_int_equal (rig_info (rig, "jobs").duplicates, 1);
}

static void backpressure_goes_on_behind_duplicates (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_BACKPRESSURE);
    policy.dedup_window_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of ("order-1");
    peer_post_props (p, "jobs", "a", &props);
    assert_confirmed (p, "jobs", 1, 1);
    peer_post_props (p, "jobs", "b c", &props); /* they wait for room, of which they need none */
    assert_silence (p);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    assert_confirmed (p, "jobs", 2, 2);
    assert_int_equal (rig_info (rig, "jobs").parked, 0);
}

static void producer_that_passes_its_window_is_ended (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_BACKPRESSURE);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 1, 100);
    assert_confirmed (p, "jobs", 1, 1);
    for (int i = 0; i < 8; i++) /* twice the window: framing counts, and posts queued in part */
        peer_post_bulk (p, "jobs", 1, 1 << 20);
    assert_silence (p);
    peer_post_bulk (p, "jobs", 1, 1 << 20);
    assert_reset (p);
    assert_null (p->session);
    assert_int_equal (rig_info (rig, "jobs").parked, 0);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
}

static void memory_of_all_queues_is_one_cap (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1000;
    rig_t *rig = rig_new (&options);
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 8, 96);
    assert_confirmed (p, "jobs", 1, 8);
    peer_post_bulk (p, "mail", 8, 96);
    assert_confirmed (p, "mail", 1, 2);
    assert_int_equal (rig->engine->bytes, 1000);
    peer_post_bulk (p, "news", 1, 96);
    assert_silence (p);
    assert_int_equal (rig_info (rig, "news").parked, 1);
    peer_t *w = rig_worker (rig, "w", "jobs", 4);
    assert_int_equal (peer_forget_letters (w), 1);
    peer_settle (w, ZF_CMD_ACK, "jobs", 0, 4);
    assert_silence (p); /* the rest of their chunk keeps their memory */
    peer_settle (w, ZF_CMD_ACK, "jobs", 4, 4);
    assert_confirmed (p, "mail", 3, 6); /* what waited longest goes first */
    assert_confirmed (p, "news", 1, 1);
    rig_free (rig);
}

static rig_t *rig_of_memory (uint64_t bytes)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = bytes;
    return rig_new (&options);
}

/* Puts the first record of each batch off and acknowledges the others. */
static void keep_one_of_each (peer_t *w, const char *queue)
{
    uint64_t first, count;
    while (take_batch (w, &first, &count)) {
        peer_settle (w, ZF_CMD_ACK, queue, first + 1, count - 1);
        zf_writer_t control = wire_control (ZF_CMD_NACK, 4);
        wire_put_text (&control, queue);
        zf_mp_put_int (&control, 1000000);
        zf_mp_put_uint (&control, first);
        zf_mp_put_uint (&control, 1);
        peer_write (w, &control, NULL);
    }
}

/* Batches are kept as they came: a few records of each must not keep them all here. */
static void records_that_stay_do_not_keep_more_than_memory_allows (void **state)
{
    (void) state;
    rig_t *rig = rig_of_memory (1u << 20);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1000);
    size_t bytes = 50000; /* of a batch, at least */
    size_t frames = wire_frames ();
    for (int i = 0; i < 100 && rig_info (rig, "jobs").parked == 0; i++) {
        peer_post_bulk (p, "jobs", 500, 100);
        keep_one_of_each (w, "jobs");
    }
    assert_true (rig_info (rig, "jobs").length > 10);
    assert_in_range (wire_frames () - frames, 0, (1u << 20) / bytes + 1);
    rig_free (rig);
}

/* Posts records one by one until they have to wait; returns how many are queued. */
static uint64_t fill (rig_t *rig, const zf_props_t *props)
{
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 2000 && rig_info (rig, "jobs").parked == 0; i++)
        peer_post_props (p, "jobs", "a", props);
    return rig_info (rig, "jobs").length;
}

static void what_a_record_costs_beside_is_memory (void **state)
{
    (void) state;
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 1000000;
    rig_t *rig = rig_of_memory (10000);
    assert_in_range (fill (rig, &props), 10, 10000 / sizeof (zf_note_t));
    rig_free (rig);
    zf_props_defaults (&props);
    props.delay_ms = 1000000;
    rig = rig_of_memory (10000);
    assert_in_range (fill (rig, &props), 10, 10000 / sizeof (zf_run_t));
    rig_free (rig);
}

static void record_put_off_by_a_worker_is_memory_till_it_is_ready (void **state)
{
    (void) state;
    rig_t *rig = rig_of_memory (10000);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 6);
    peer_post (p, "jobs", "a b c d e f");
    assert_confirmed (p, "jobs", 1, 6);
    assert_delivered (w, "jobs", "a b c d e f", 1);
    peer_nack (w, "jobs", "a", 5000);
    peer_nack (w, "jobs", "c", 5000);
    peer_nack (w, "jobs", "e", 5000);
    peer_post_bulk (p, "mail", 1, 10000 - 6 * 5 - 3 * sizeof (zf_run_t)); /* some bytes too many */
    assert_silence (p);
    rig_advance (rig, 5000);
    assert_confirmed (p, "mail", 1, 1);
    rig_free (rig);
}

static uint64_t cpu_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* The processor time that a number of posts takes. */
static uint64_t cpu_ns_of_posts (peer_t *p, const char *queue)
{
    uint64_t start = cpu_ns ();
    for (int i = 0; i < 500; i++)
        peer_post_bulk (p, queue, 1, 1);
    return cpu_ns () - start;
}

/* Nothing can be counted here but time: that of posts which walk past all that waits is a hundred
 * times as long. */
static void posts_that_wait_do_not_slow_down_those_to_other_queues (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_BACKPRESSURE);
    rig_declare (rig, "full", &policy);
    rig->audits = false;
    peer_t *p1 = rig_peer (rig, "p1");
    peer_t *p2 = rig_peer (rig, "p2");
    for (int i = 0; i < 50000; i++)
        peer_post_bulk (p1, "full", 1, 1);
    assert_int_equal (rig_info (rig, "full").parked, 49999);
    cpu_ns_of_posts (p2, "warm up");
    uint64_t unburdened = cpu_ns_of_posts (p2, "jobs");
    uint64_t burdened = cpu_ns_of_posts (p1, "mail");
    assert_non_null (p1->session);
    assert_in_range (burdened, 0, 10 * unburdened + 5000000);
}

/* -- reject ------------------------------------------------------------------------------------ */

static void reject_refuses_what_does_not_fit (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (2, 0, ZF_OVERFLOW_REJECT);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d");
    assert_confirmed (p, "jobs", 1, 2);
    assert_refused (p, "jobs", 3, 2, ZF_E_FULL);
    assert_int_equal (rig_info (rig, "jobs").refused, 2);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a b", 1);
    assert_silence (w);
}

static void reject_tells_the_same_again (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (2, 0, ZF_OVERFLOW_REJECT);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d");
    peer_forget_letters (p);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a b", 1);
    peer_ack (w, "jobs", "a b"); /* there is room now, but it was refused */
    peer_post_again (p, "jobs", 1, "a b c d", 1);
    assert_confirmed (p, "jobs", 1, 2);
    assert_refused (p, "jobs", 3, 2, ZF_E_FULL);
    assert_silence (w);
}

static void reject_of_a_record_that_never_fits (void **state)
{
    rig_t *rig = *state;
    for (int rule = ZF_OVERFLOW_BACKPRESSURE; rule <= ZF_OVERFLOW_DROP_OLDEST; rule++) {
        char name[] = "jobs0";
        name[4] = (char) ('0' + rule);
        zf_policy_t policy = capped (0, 100, (zf_overflow_t) rule);
        rig_declare (rig, name, &policy);
        peer_t *p = rig_peer (rig, name);
        peer_post_bulk (p, name, 1, 50);
        assert_confirmed (p, name, 1, 1);
        peer_post_bulk (p, name, 1, 97);
        assert_refused (p, name, 2, 1, ZF_E_TOO_BIG);
        assert_int_equal (rig_info (rig, name).length, 1);
    }
}

static void refusals_nobody_hears_of_end_the_session (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 20, ZF_OVERFLOW_REJECT);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    rig->audits = false;
    peer_post (p, "jobs", "a");
    uint64_t refused = 0;
    for (; p->session != NULL && refused < UINT64_C (2) * ZF_REFUSALS_MAX; refused++)
        peer_post (p, "jobs", refused % 2 ? "full" : "too-large-to-fit-ever");
    assert_int_equal (refused, ZF_REFUSALS_MAX + 1); /* two codes by turns: they do not join */
    assert_int_equal (rig_info (rig, "jobs").refused, ZF_REFUSALS_MAX);
}

static void refusals_heard_of_are_forgotten (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_REJECT);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    rig->audits = false;
    for (uint64_t number = 1; number < UINT64_C (3) * ZF_REFUSALS_MAX; number++)
        peer_post_again (p, "jobs", 2 * number, "a", 2 * number);
    assert_non_null (p->session);
    const zf_queue_t *queue = zf_engine_find (rig->engine, zf_bytes_of ("jobs"));
    assert_int_equal (queue->producers.order->refusal_count, 1);
}

/* -- drop-oldest ------------------------------------------------------------------------------- */

static void drop_oldest_makes_room_for_the_new (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (3, 0, ZF_OVERFLOW_DROP_OLDEST);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    peer_post (p, "jobs", "d e");
    assert_confirmed (p, "jobs", 1, 3);
    assert_confirmed (p, "jobs", 4, 2);
    assert_int_equal (rig_info (rig, "jobs").dropped, 2);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "c d e", 1);
    assert_silence (w);
}

static void drop_oldest_leaves_what_workers_have (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (2, 0, ZF_OVERFLOW_DROP_OLDEST);
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_delivered (w, "jobs", "a", 1);
    peer_post (p, "jobs", "c");
    peer_ack (w, "jobs", "a");
    assert_delivered (w, "jobs", "c", 1);
    assert_int_equal (rig_info (rig, "jobs").dropped, 1);
}

static void drop_oldest_refuses_when_workers_have_all (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (2, 0, ZF_OVERFLOW_DROP_OLDEST);
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_confirmed (p, "jobs", 1, 2);
    assert_delivered (w, "jobs", "a b", 1);
    peer_post (p, "jobs", "c");
    assert_refused (p, "jobs", 3, 1, ZF_E_FULL);
}

static void drop_oldest_takes_returned_records_first (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (4, 0, ZF_OVERFLOW_DROP_OLDEST);
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 3);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d");
    assert_delivered (w, "jobs", "a b c", 1);
    peer_drop (w);
    peer_post (p, "jobs", "e");
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    assert_delivered (w2, "jobs", "b c", 2);
    assert_delivered (w2, "jobs", "d e", 1);
}

static void drop_oldest_drops_the_least_important_first (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (2, 0, ZF_OVERFLOW_DROP_OLDEST);
    policy.priorities = 3;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props;
    zf_props_defaults (&props);
    props.priority = 2;
    peer_post_props (p, "jobs", "high", &props);
    peer_post (p, "jobs", "low");
    props.priority = 1;
    peer_post_props (p, "jobs", "middle", &props);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "high middle", 1);
    assert_silence (w);
}

static void drop_oldest_answers_dropped_requests (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (1, 0, ZF_OVERFLOW_DROP_OLDEST);
    rig_declare (rig, "echo", &policy);
    peer_t *c = rig_peer (rig, "c");
    uint64_t first = peer_request (c, "echo", "a");
    peer_request (c, "echo", "b");
    assert_denied (c, first, ZF_E_FULL);
    assert_silence (c);
}

static void drop_oldest_drops_delayed_records_when_nothing_else_is_there (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (2, 0, ZF_OVERFLOW_DROP_OLDEST);
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props;
    zf_props_defaults (&props);
    props.delay_ms = 1000;
    peer_post_props (p, "jobs", "a b", &props);
    peer_post (p, "jobs", "c");
    assert_confirmed (p, "jobs", 1, 2);
    assert_confirmed (p, "jobs", 3, 1);
    rig_advance (rig, 1000);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "b c", 1);
}

/* -- requests at the cap ----------------------------------------------------------------------- */

static void request_at_the_cap_is_busy_or_full (void **state)
{
    rig_t *rig = *state;
    static const int codes[] = {ZF_E_BUSY, ZF_E_FULL};
    for (int rule = ZF_OVERFLOW_BACKPRESSURE; rule <= ZF_OVERFLOW_REJECT; rule++) {
        char name[] = "echo0";
        name[4] = (char) ('0' + rule);
        zf_policy_t policy = capped (1, 0, (zf_overflow_t) rule);
        rig_declare (rig, name, &policy);
        peer_t *c = rig_peer (rig, name);
        peer_request (c, name, "a b");
        assert_denied (c, 2, codes[rule]);
        assert_silence (c);
        assert_int_equal (rig_info (rig, name).length, 1);
    }
}

static void request_that_never_fits_drops_nothing (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = capped (0, 20, ZF_OVERFLOW_DROP_OLDEST);
    rig_declare (rig, "echo", &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_request (c, "echo", "a b");
    peer_request (c, "echo", "abcdefghijklmnopqrstuvwxyz");
    assert_denied (c, 3, ZF_E_TOO_BIG);
    assert_int_equal (rig_info (rig, "echo").length, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (backpressure_posts_wait_for_room),
        TEST (backpressure_keeps_the_order_of_posts),
        TEST (backpressure_by_bytes),
        TEST (backpressure_goes_on_when_the_cap_is_raised),
        TEST (backpressure_drops_what_its_producer_parked_when_it_goes),
        TEST (backpressure_goes_on_behind_duplicates),
        TEST (producer_that_passes_its_window_is_ended),
        cmocka_unit_test (memory_of_all_queues_is_one_cap),
        cmocka_unit_test (records_that_stay_do_not_keep_more_than_memory_allows),
        cmocka_unit_test (what_a_record_costs_beside_is_memory),
        cmocka_unit_test (record_put_off_by_a_worker_is_memory_till_it_is_ready),
        TEST (posts_that_wait_do_not_slow_down_those_to_other_queues),
        TEST (reject_refuses_what_does_not_fit),
        TEST (reject_tells_the_same_again),
        TEST (reject_of_a_record_that_never_fits),
        TEST (refusals_nobody_hears_of_end_the_session),
        TEST (refusals_heard_of_are_forgotten),
        TEST (drop_oldest_makes_room_for_the_new),
        TEST (drop_oldest_leaves_what_workers_have),
        TEST (drop_oldest_refuses_when_workers_have_all),
        TEST (drop_oldest_takes_returned_records_first),
        TEST (drop_oldest_drops_the_least_important_first),
        TEST (drop_oldest_answers_dropped_requests),
        TEST (drop_oldest_drops_delayed_records_when_nothing_else_is_there),
        TEST (request_at_the_cap_is_busy_or_full),
        TEST (request_that_never_fits_drops_nothing),
    };
    return cmocka_run_group_tests_name ("overflow", tests, NULL, NULL);
}
