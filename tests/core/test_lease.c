/* Handing out and settling: leases, attempts, backoff, credit, stale settlements. */
#include "tests/core/rig.h"

static void posted_record_goes_to_waiting_worker (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    assert_confirmed (p, "jobs", 1, 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    assert_silence (w);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").acked, 1);
    assert_int_equal (rig_info (rig, "jobs").delivered, 1);
    assert_int_equal (rig_info (rig, "jobs").bytes, 0);
}

static void waiting_record_goes_to_worker_that_comes (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a b", 1);
}

static void credit_caps_what_a_worker_holds (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d");
    assert_delivered (w, "jobs", "a b", 1);
    assert_silence (w);
    assert_int_equal (rig_info (rig, "jobs").leased, 2);
    peer_ack (w, "jobs", "b");
    assert_delivered (w, "jobs", "c", 1);
    assert_silence (w);
}

static void credit_raised_gets_more (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    assert_delivered (w, "jobs", "a", 1);
    peer_consume (w, "jobs", 3);
    assert_delivered (w, "jobs", "b c", 1);
}

static void credit_zero_gets_nothing_but_keeps_what_it_holds (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_delivered (w, "jobs", "a", 1);
    peer_consume (w, "jobs", 0);
    peer_ack (w, "jobs", "a");
    assert_silence (w);
    assert_int_equal (rig_info (rig, "jobs").acked, 1);
    assert_int_equal (rig_info (rig, "jobs").workers, 1);
}

static void workers_take_turns (void **state)
{
    rig_t *rig = *state;
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 10);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    peer_post (p, "jobs", "b");
    peer_post (p, "jobs", "c");
    assert_delivered (w1, "jobs", "a", 1);
    assert_delivered (w2, "jobs", "b", 1);
    assert_delivered (w1, "jobs", "c", 1);
}

static void bytes_held_are_bounded_whatever_the_credit (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 6; i++)
        peer_post_bulk (p, "jobs", 1, ZF_LEASED_BYTES_MAX / 4);
    peer_t *w = rig_worker (rig, "w", "jobs", 100);
    assert_int_equal (rig_info (rig, "jobs").leased, 4);
    assert_int_equal (peer_forget_letters (w), 4);
    peer_settle (w, ZF_CMD_ACK, "jobs", 0, 1);
    assert_int_equal (rig_info (rig, "jobs").leased, 4);
}

static void lease_expires_record_goes_to_next_worker (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.lease_ms = 5000;
    rig_declare (rig, "jobs", &policy);
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    assert_delivered (w1, "jobs", "a", 1);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 1);
    rig_advance (rig, policy.lease_ms - 1);
    assert_silence (w2);
    rig_advance (rig, 1);
    assert_delivered (w2, "jobs", "a", 2);
    assert_int_equal (rig_info (rig, "jobs").redelivered, 1);
    peer_ack (w1, "jobs", "a");
    assert_int_equal (rig->engine->counters.stale, 1);
    peer_ack (w2, "jobs", "a");
    assert_int_equal (rig_info (rig, "jobs").acked, 1);
}

static void lease_extended_runs_longer (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.lease_ms = 5000;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (rig->admin, "jobs", "a");
    assert_delivered (w, "jobs", "a", 1);
    rig_advance (rig, 4000);
    peer_extend (w, "jobs", "a", 60000);
    rig_advance (rig, 59999);
    assert_silence (w);
    rig_advance (rig, 1);
    assert_delivered (w, "jobs", "a", 2);
}

static void lease_extended_by_nothing_ends_at_once (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (w, "jobs", "a");
    assert_confirmed (w, "jobs", 1, 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_extend (w, "jobs", "a", 0);
    rig_advance (rig, 1);
    assert_delivered (w, "jobs", "a", 2);
}

static void lease_of_part_of_a_batch_can_be_extended (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 3);
    peer_post (w, "jobs", "a b c");
    assert_confirmed (w, "jobs", 1, 3);
    assert_delivered (w, "jobs", "a b c", 1);
    peer_extend (w, "jobs", "b", UINT64_MAX);
    rig_advance (rig, 30000);
    assert_delivered (w, "jobs", "a", 2);
    assert_delivered (w, "jobs", "c", 2);
    assert_silence (w);
}

static void worker_disconnects_records_go_on_in_order (void **state)
{
    rig_t *rig = *state;
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 10);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d");
    assert_delivered (w1, "jobs", "a b c d", 1);
    peer_ack (w1, "jobs", "b");
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    assert_silence (w2);
    peer_drop (w1);
    assert_delivered (w2, "jobs", "a c d", 2);
}

static void worker_leaves_records_go_on_at_once (void **state)
{
    rig_t *rig = *state;
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 1);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 1);
    peer_post (w2, "jobs", "a");
    assert_confirmed (w2, "jobs", 1, 1);
    assert_delivered (w1, "jobs", "a", 1);
    peer_bye (w1);
    assert_silence (w1);
    assert_null (w1->session);
    assert_delivered (w2, "jobs", "a", 2);
    assert_non_null (strstr (rig->notices, "jobs: w1: left"));
}

static void attempts_run_out_record_is_dead (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 3;
    policy.backoff_min_ms = policy.backoff_max_ms = 0;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (rig->admin, "jobs", "a");
    assert_delivered (w, "jobs", "a", 1);
    peer_nack (w, "jobs", "a", -1);
    assert_delivered (w, "jobs", "a", 2);
    peer_nack (w, "jobs", "a", 0);
    assert_delivered (w, "jobs", "a", 3);
    peer_nack (w, "jobs", "a", -1);
    assert_silence (w);
    assert_int_equal (rig_info (rig, "jobs").dead, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 1);
}

static void attempts_without_limit_never_run_out (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 0;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (rig->admin, "jobs", "a");
    for (uint32_t attempt = 1; attempt <= 100; attempt++) {
        assert_delivered (w, "jobs", "a", attempt);
        peer_nack (w, "jobs", "a", 0);
    }
    assert_delivered (w, "jobs", "a", 101);
}

static void attempts_count_crashes_of_workers (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 2;
    rig_declare (rig, "jobs", &policy);
    peer_post (rig->admin, "jobs", "a");
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 1);
    assert_delivered (w1, "jobs", "a", 1);
    peer_drop (w1);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 1);
    assert_delivered (w2, "jobs", "a", 2);
    peer_drop (w2);
    assert_int_equal (rig_info (rig, "jobs").dead, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void release_is_no_attempt (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 1;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    peer_post (rig->admin, "jobs", "a b");
    for (int i = 0; i < 5; i++) {
        assert_delivered (w, "jobs", "a b", 1);
        peer_release (w, "jobs", "b a"); /* the last one released goes first */
    }
    assert_delivered (w, "jobs", "a b", 1);
    assert_int_equal (rig_info (rig, "jobs").dead, 0);
}

static void release_goes_before_those_that_wait (void **state)
{
    rig_t *rig = *state;
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 2);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    assert_delivered (w1, "jobs", "a b", 1);
    peer_consume (w1, "jobs", 0);
    peer_release (w1, "jobs", "b");
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 2);
    assert_delivered (w2, "jobs", "b c", 1);
}

static void backoff_doubles_up_to_its_ceiling (void **state)
{
    rig_t *rig = *state;
    static const uint32_t delays[] = {100, 200, 400, 800, 1000, 1000};
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 0;
    policy.backoff_min_ms = 100;
    policy.backoff_max_ms = 1000;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (rig->admin, "jobs", "a");
    for (uint32_t i = 0; i < sizeof delays / sizeof delays[0]; i++) {
        assert_delivered (w, "jobs", "a", i + 1);
        peer_nack (w, "jobs", "a", -1);
        assert_int_equal (rig_info (rig, "jobs").delayed, 1);
        rig_advance (rig, delays[i] - 1);
        assert_silence (w);
        rig_advance (rig, 1);
    }
    assert_delivered (w, "jobs", "a", 7);
}

static void nack_with_a_delay_waits_that_long (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 3);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    assert_delivered (w, "jobs", "a b c", 1);
    peer_nack (w, "jobs", "b", 7000);
    peer_nack (w, "jobs", "a", INT64_MAX);
    peer_ack (w, "jobs", "c");
    rig_advance (rig, 6999);
    assert_silence (w);
    rig_advance (rig, 1);
    assert_delivered (w, "jobs", "b", 2);
    rig_advance (rig, 3600000);
    peer_forget_letters (w);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
}

static void nack_of_the_middle_of_a_batch_takes_only_that (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 5);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d e");
    assert_delivered (w, "jobs", "a b c d e", 1);
    peer_nack (w, "jobs", "c", 0);
    assert_delivered (w, "jobs", "c", 2);
    peer_ack (w, "jobs", "a b d e c");
    assert_int_equal (rig_info (rig, "jobs").acked, 5);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void ack_of_a_range_settles_all_of_it (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    peer_post (p, "jobs", "d e");
    assert_delivered (w, "jobs", "a b c d e", 1);
    peer_settle (w, ZF_CMD_ACK, "jobs", peer_held (w, "jobs", "b"), 3);
    assert_int_equal (rig_info (rig, "jobs").acked, 3);
    assert_int_equal (rig_info (rig, "jobs").leased, 2);
    assert_int_equal (rig->engine->counters.stale, 0);
}

static void ack_twice_is_stale (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_delivered (w, "jobs", "a b", 1);
    uint64_t id = peer_held (w, "jobs", "a");
    peer_settle (w, ZF_CMD_ACK, "jobs", id, 1);
    peer_settle (w, ZF_CMD_ACK, "jobs", id, 2);
    assert_int_equal (rig->engine->counters.stale, 1);
    assert_int_equal (rig_info (rig, "jobs").acked, 2);
    peer_settle (w, ZF_CMD_ACK, "jobs", id, 2);
    assert_int_equal (rig->engine->counters.stale, 3);
}

static void settlement_of_what_another_holds_is_stale (void **state)
{
    rig_t *rig = *state;
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 1);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_delivered (w1, "jobs", "a", 1);
    assert_delivered (w2, "jobs", "b", 1);
    peer_settle (w2, ZF_CMD_ACK, "jobs", peer_held (w1, "jobs", "a"), 2);
    assert_int_equal (rig->engine->counters.stale, 1);
    assert_int_equal (rig_info (rig, "jobs").acked, 1);
    peer_ack (w1, "jobs", "a");
    assert_int_equal (rig_info (rig, "jobs").acked, 2);
}

static void settlement_of_anything_else_is_stale (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_delivered (w, "jobs", "a", 1);
    uint64_t stale = 0;
    peer_settle (w, ZF_CMD_ACK, "jobs", 1, 1); /* b is nobody's yet */
    assert_int_equal (rig->engine->counters.stale, ++stale);
    peer_settle (w, ZF_CMD_ACK, "jobs", UINT64_C (1) << ZF_LANE_SHIFT, 1);
    assert_int_equal (rig->engine->counters.stale, ++stale);
    peer_settle (w, ZF_CMD_ACK, "jobs", UINT64_MAX, UINT64_MAX);
    assert_int_equal (rig->engine->counters.stale, stale += ZF_CREDIT_MAX);
    peer_settle (w, ZF_CMD_ACK, "other", 0, 1);
    assert_int_equal (rig->engine->counters.stale, ++stale);
    peer_settle (p, ZF_CMD_ACK, "jobs", 0, 1);
    assert_int_equal (rig->engine->counters.stale, ++stale);
    assert_int_equal (rig_info (rig, "jobs").leased, 1);
    assert_silence (w);
}

/* Acks every second record of a range, with one command: those between become runs of their own. */
static void ack_every_second (peer_t *w, const char *queue, uint64_t first, uint32_t count)
{
    zf_writer_t control = wire_control (ZF_CMD_ACK, 1 + (size_t) count);
    wire_put_text (&control, queue);
    for (uint32_t i = 0; i < count; i += 2) {
        zf_mp_put_uint (&control, first + i);
        zf_mp_put_uint (&control, 1);
    }
    peer_write (w, &control, NULL);
}

/* However many ranges it has, a command costs a bounded number of steps. */
static void settlement_steps_over_a_bounded_number_of_runs_of_others (void **state)
{
    rig_t *rig = *state;
    rig->audits = false;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 6000);
    uint64_t first, count;
    peer_post_bulk (p, "jobs", 6000, 1);
    assert_true (take_batch (w1, &first, &count));
    assert_int_equal (count, 6000);
    ack_every_second (w1, "jobs", first, 6000);
    peer_consume (w1, "jobs", 0);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 1);
    peer_post (p, "jobs", "mine");
    assert_delivered (w2, "jobs", "mine", 1);
    uint64_t ranges[] = {first, 6000, first, 6000, peer_held (w2, "jobs", "mine"), 1};
    zf_writer_t control = wire_control (ZF_CMD_ACK, 7);
    wire_put_text (&control, "jobs");
    for (size_t i = 0; i < 6; i++)
        zf_mp_put_uint (&control, ranges[i]);
    peer_write (w2, &control, NULL);
    assert_int_equal (rig_info (rig, "jobs").acked, 3000); /* its budget did not get it there */
    assert_int_equal (rig->engine->counters.stale, 6000 + 6000 + 1);
    peer_ack (w2, "jobs", "mine");
    assert_int_equal (rig_info (rig, "jobs").acked, 3001);
}

static void rejected_record_is_dead_at_once (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_delivered (w, "jobs", "a", 1);
    peer_reject (w, "jobs", "a", "no such file");
    assert_delivered (w, "jobs", "b", 1);
    assert_int_equal (rig_info (rig, "jobs").dead, 1);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 1);
    assert_non_null (strstr (rig->notices, "no such file"));
}

static void one_worker_serves_several_queues (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_consume (w, "mail", 1);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    peer_post (p, "mail", "x");
    assert_delivered (w, "jobs", "a", 1);
    assert_delivered (w, "mail", "x", 1);
    peer_bye (w);
    assert_null (w->session);
    assert_int_equal (rig_info (rig, "jobs").leased, 0);
    assert_int_equal (rig_info (rig, "mail").leased, 0);
    assert_int_equal (rig_info (rig, "jobs").workers, 0);
}

static void credit_above_the_limit_is_capped (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    zf_writer_t control = wire_control (ZF_CMD_CONSUME, 2);
    wire_put_text (&control, "jobs");
    zf_mp_put_uint (&control, UINT64_MAX);
    peer_write (w, &control, NULL);
    assert_int_equal (w->session->consumers->limit, ZF_CREDIT_MAX);
}

static void record_goes_out_as_it_came_in (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1000);
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 100, 1000);
    zf_frame_t *batch = wire_bulk (1, 100, 1000);
    assert_non_null (w->inbox);
    assert_int_equal (w->inbox->body.size, batch->size);
    assert_memory_equal (w->inbox->body.data, batch->data, batch->size);
    zf_frame_drop (batch);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (posted_record_goes_to_waiting_worker),
        TEST (waiting_record_goes_to_worker_that_comes),
        TEST (credit_caps_what_a_worker_holds),
        TEST (credit_raised_gets_more),
        TEST (credit_zero_gets_nothing_but_keeps_what_it_holds),
        TEST (workers_take_turns),
        TEST (bytes_held_are_bounded_whatever_the_credit),
        TEST (lease_expires_record_goes_to_next_worker),
        TEST (lease_extended_runs_longer),
        TEST (lease_extended_by_nothing_ends_at_once),
        TEST (lease_of_part_of_a_batch_can_be_extended),
        TEST (worker_disconnects_records_go_on_in_order),
        TEST (worker_leaves_records_go_on_at_once),
        TEST (attempts_run_out_record_is_dead),
        TEST (attempts_without_limit_never_run_out),
        TEST (attempts_count_crashes_of_workers),
        TEST (release_is_no_attempt),
        TEST (release_goes_before_those_that_wait),
        TEST (backoff_doubles_up_to_its_ceiling),
        TEST (nack_with_a_delay_waits_that_long),
        TEST (nack_of_the_middle_of_a_batch_takes_only_that),
        TEST (ack_of_a_range_settles_all_of_it),
        TEST (ack_twice_is_stale),
        TEST (settlement_of_what_another_holds_is_stale),
        TEST (settlement_of_anything_else_is_stale),
        TEST (settlement_steps_over_a_bounded_number_of_runs_of_others),
        TEST (rejected_record_is_dead_at_once),
        TEST (one_worker_serves_several_queues),
        TEST (credit_above_the_limit_is_capped),
        TEST (record_goes_out_as_it_came_in),
    };
    return cmocka_run_group_tests_name ("lease", tests, NULL, NULL);
}
