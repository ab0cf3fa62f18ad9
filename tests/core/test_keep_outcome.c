/* What is kept when a request has no answer, and dead letters that are put back. */
#include "tests/core/kept.h"

static void request_goes_on_when_its_worker_dies (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w1 = rig_worker (rig, "w1", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    uint64_t number = await_answer (c, "r1");
    assert_delivered (w1, "sum", "2+2", 1);
    peer_drop (w1);
    assert_silence (c);
    work (rig_worker (rig, "w2", "sum", 1), "sum", "2+2", 2, "4");
    assert_fetched (c, number, "4");
}

static void last_attempt_is_the_outcome (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 2;
    policy.backoff_min_ms = policy.backoff_max_ms = 0;
    rig_declare (rig, "sum", &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    uint64_t number = await_answer (c, "r1");
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        assert_delivered (w, "sum", "2+2", attempt);
        peer_nack (w, "sum", "2+2", 0);
    }
    assert_outcome (c, number, ZF_E_DEAD, "attempts");
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_DEAD, "attempts");
    assert_int_equal (rig_info (rig, "sum.dead").length, 1);
    assert_outcome (c, forget_answer (c, "r1"), 0, "");
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
}

static void rejection_is_the_outcome_in_the_workers_words (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+x");
    assert_delivered (w, "sum", "2+x", 1);
    peer_reject (w, "sum", "2+x", "x is no number");
    assert_outcome (c, await_answer (c, "r1"), ZF_E_REJECTED, "x is no number");
}

static void expiry_is_the_outcome (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    zf_props_t props = kept_props ("r1");
    props.ttl_ms = 1000;
    peer_post_props (c, "sum", "a", &props);
    assert_confirmed (c, "sum", 1, 1);
    uint64_t number = await_answer (c, "r1");
    rig_advance (rig, 1000);
    assert_outcome (c, number, ZF_E_EXPIRED, "expired");
    rig_advance (rig, 60000); /* the answer has the queue's time to live, not the request's */
    assert_outcome (c, await_answer (c, "r1"), ZF_E_EXPIRED, "expired");
}

static void answer_after_the_expiry_does_not_count (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    zf_props_t props = kept_props ("r1");
    props.ttl_ms = 1000;
    peer_post_props (c, "sum", "a", &props);
    assert_confirmed (c, "sum", 1, 1);
    assert_delivered (w, "sum", "a", 1);
    rig_advance (rig, 1000);
    assert_outcome (c, await_answer (c, "r1"), ZF_E_EXPIRED, "expired");
    peer_answer (w, "sum", "a", "late", false);
    assert_outcome (c, await_answer (c, "r1"), ZF_E_EXPIRED, "expired");
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 1);
    assert_int_equal (rig_info (rig, "sum").length, 0);
}

static void purge_is_the_outcome (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "a");
    submit (c, "sum", "r2", "b");
    uint64_t number = await_answer (c, "r2");
    peer_admin (rig_peer (rig, "boss"), "purge", "sum", NULL);
    assert_outcome (c, number, ZF_E_REJECTED, zf_strerror (ZF_E_REJECTED));
    assert_outcome (c, await_answer (c, "r1"), ZF_E_REJECTED, zf_strerror (ZF_E_REJECTED));
}

static void request_that_made_way_is_rejected (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    rig_declare (rig, "sum", &policy);
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "a");
    submit (c, "sum", "r2", "b");
    assert_outcome (c, await_answer (c, "r1"), ZF_E_REJECTED, zf_strerror (ZF_E_FULL));
    work (rig_worker (rig, "w", "sum", 1), "sum", "b", 1, "x");
    assert_fetched (c, await_answer (c, "r2"), "x");
}

static void put_back_dead_letter_is_answered_anew (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *boss = rig_peer (rig, "boss");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    assert_delivered (w, "sum", "a", 1);
    peer_reject (w, "sum", "a", "not today");
    assert_outcome (c, await_answer (c, "r1"), ZF_E_REJECTED, "not today");
    peer_consume (w, "sum", 0);
    peer_admin (boss, "requeue", "sum", NULL);
    take_result (boss, 0, NULL);
    uint64_t number = await_answer (c, "r1");
    assert_silence (c);
    assert_outcome (boss, forget_answer (boss, "r1"), ZF_E_BUSY, zf_kept_words (ZF_E_BUSY));
    peer_consume (w, "sum", 1);
    work (w, "sum", "a", 1, "today");
    assert_fetched (c, number, "today");
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 1);
}

static void put_back_dead_letter_may_die_again (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    for (int i = 0; i < 3; i++) {
        static const char *const reasons[] = {"first", "second", "third"};
        assert_delivered (w, "sum", "a", 1);
        peer_reject (w, "sum", "a", reasons[i]);
        assert_outcome (c, await_answer (c, "r1"), ZF_E_REJECTED, reasons[i]);
        if (i == 1)
            assert_outcome (c, forget_answer (c, "r1"), 0, "");
        peer_t *boss = rig_peer (rig, "boss");
        peer_admin (boss, "requeue", "sum", NULL);
        take_result (boss, 0, NULL);
        peer_drop (boss);
    }
    work (w, "sum", "a", 1, "x");
    assert_fetched (c, await_answer (c, "r1"), "x");
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 1);
}

static void outcome_at_a_consumer_makes_way_for_the_next_one (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *boss = rig_peer (rig, "boss");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    assert_delivered (w, "sum", "a", 1);
    peer_reject (w, "sum", "a", "not today");
    peer_t *reader = rig_worker (rig, "reader", ZF_REPLIES, 1);
    uint64_t first;
    uint64_t count;
    assert_true (take_batch (reader, &first, &count));
    peer_admin (boss, "requeue", "sum", NULL);
    take_result (boss, 0, NULL);
    work (w, "sum", "a", 1, "today");
    assert_fetched (c, await_answer (c, "r1"), "today");
    peer_settle (reader, ZF_CMD_ACK, ZF_REPLIES, first, count);
    assert_delivered (reader, ZF_REPLIES, "today", 1);
    assert_fetched (c, await_answer (c, "r1"), "today");
    peer_ack (reader, ZF_REPLIES, "today");
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
}

static void dead_letter_in_an_ordinary_queue_is_no_request (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    strcpy (policy.dead_letter, "failures");
    rig_declare (rig, "sum", &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    peer_t *clerk = rig_worker (rig, "clerk", "failures", 1);
    submit (c, "sum", "r1", "a");
    assert_delivered (w, "sum", "a", 1);
    peer_reject (w, "sum", "a", "no");
    assert_outcome (c, await_answer (c, "r1"), ZF_E_REJECTED, "no");
    assert_delivered (clerk, "failures", "a", 1);
    peer_ack (clerk, "failures", "a");
    assert_outcome (c, await_answer (c, "r1"), ZF_E_REJECTED, "no");
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (request_goes_on_when_its_worker_dies),
        TEST (last_attempt_is_the_outcome),
        TEST (rejection_is_the_outcome_in_the_workers_words),
        TEST (expiry_is_the_outcome),
        TEST (answer_after_the_expiry_does_not_count),
        TEST (purge_is_the_outcome),
        TEST (request_that_made_way_is_rejected),
        TEST (put_back_dead_letter_is_answered_anew),
        TEST (put_back_dead_letter_may_die_again),
        TEST (outcome_at_a_consumer_makes_way_for_the_next_one),
        TEST (dead_letter_in_an_ordinary_queue_is_no_request),
    };
    return cmocka_run_group_tests_name ("keep_outcome", tests, NULL, NULL);
}
