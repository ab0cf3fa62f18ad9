/* Times to live: the queue's, a record's own, a request's. */
#include "tests/core/rig.h"

static zf_props_t living (uint64_t ttl_ms)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = ttl_ms;
    return props;
}

static void own_ttl_record_expires_on_time (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = living (5000);
    peer_post (p, "jobs", "a");
    peer_post_props (p, "jobs", "b", &props);
    peer_post (p, "jobs", "c");
    rig_advance (rig, 4999);
    assert_int_equal (rig_info (rig, "jobs").length, 3);
    rig_advance (rig, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
    assert_int_equal (rig_info (rig, "jobs").expired, 1);
    assert_int_equal (rig_info (rig, "jobs").dead, 1);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 1);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a c", 1);
    assert_silence (w);
}

static void own_ttl_expires_while_leased_worker_may_finish (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 3);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = living (5000);
    peer_post_props (p, "jobs", "a b c", &props);
    assert_delivered (w, "jobs", "a b c", 1);
    rig_advance (rig, 6000);
    peer_ack (w, "jobs", "b");
    assert_int_equal (rig_info (rig, "jobs").acked, 1);
    peer_nack (w, "jobs", "a", 0);
    peer_release (w, "jobs", "c");
    assert_silence (w);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").expired, 2);
}

static void own_ttl_expires_while_delayed (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = living (5000);
    props.delay_ms = 6000;
    peer_post_props (p, "jobs", "a", &props);
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "jobs").expired, 1);
    assert_int_equal (rig_info (rig, "jobs").delayed, 0);
    rig_advance (rig, 5000);
    assert_silence (w);
}

static void own_ttl_expires_while_ready (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 3);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = living (5000);
    peer_post_props (p, "jobs", "a b c", &props);
    assert_delivered (w, "jobs", "a b c", 1);
    peer_drop (w);
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "jobs").expired, 3);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void queue_ttl_buries_what_nobody_takes (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    rig_advance (rig, 5000);
    peer_post (p, "jobs", "c");
    rig_advance (rig, 4999);
    assert_int_equal (rig_info (rig, "jobs").length, 3);
    rig_advance (rig, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 2);
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").expired, 3);
}

static void queue_ttl_holds_for_big_batches_too (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 100, 200);
    rig_advance (rig, 1000);
    peer_post_bulk (p, "jobs", 100, 200);
    rig_advance (rig, 9000);
    assert_int_equal (rig_info (rig, "jobs").length, 100);
    rig_advance (rig, 1000);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").expired, 200);
}

static void queue_ttl_no_record_lives_longer_than_a_sixteenth_more (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 16000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 40; i++) {
        peer_post (p, "jobs", "a");
        rig_advance (rig, 500);
        assert_true (rig_info (rig, "jobs").oldest_ms <= 17500);
    }
    assert_true (rig_info (rig, "jobs").length <= 35);
}

static void queue_ttl_returned_record_is_not_delivered_again (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 4);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d");
    assert_delivered (w, "jobs", "a b c d", 1);
    peer_release (w, "jobs", "a");
    assert_delivered (w, "jobs", "a", 1);
    rig_advance (rig, 10000);
    peer_nack (w, "jobs", "b", 0);
    peer_release (w, "jobs", "c");
    peer_ack (w, "jobs", "d");
    peer_drop (w);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 4);
    assert_silence (w2);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").expired, 3);
    assert_int_equal (rig_info (rig, "jobs").acked, 1);
}

static void queue_ttl_ready_record_is_not_delivered_when_a_worker_comes (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_delivered (w, "jobs", "a b", 1);
    peer_drop (w);
    rig_advance (rig, 10000);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 2);
    assert_silence (w2);
    assert_int_equal (rig_info (rig, "jobs").expired, 2);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 2);
}

static void queue_ttl_is_for_records_that_name_none (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = living (60000);
    peer_post (p, "jobs", "a");
    peer_post_props (p, "jobs", "b", &props);
    peer_post (p, "jobs", "c");
    rig_advance (rig, 10000);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "b", 1);
    peer_nack (w, "jobs", "b", 0);
    assert_delivered (w, "jobs", "b", 2);
    assert_silence (w);
}

static void queue_ttl_mixed_batch_parts_ways (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = living (60000);
    peer_post (p, "jobs", "a");
    peer_post_props (p, "jobs", "b", &props);
    peer_post (p, "jobs", "c");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a b c", 1);
    peer_drop (w);
    rig_advance (rig, 10000);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    assert_delivered (w2, "jobs", "b", 2);
    assert_silence (w2);
}

static void queue_ttl_without_end_never_expires (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = UINT64_MAX;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = living (UINT64_MAX);
    peer_post (p, "jobs", "a");
    peer_post_props (p, "jobs", "b", &props);
    rig_advance (rig, 20000);
    assert_delivered (w, "jobs", "a", 1);
    peer_release (w, "jobs", "a");
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    assert_delivered (w, "jobs", "b", 1);
}

static void queue_ttl_shortened_takes_effect_at_once (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    rig_advance (rig, 5000);
    policy.ttl_ms = 5000;
    rig_declare (rig, "jobs", &policy);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void queue_ttl_holds_on_every_priority (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    policy.priorities = 2;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props;
    zf_props_defaults (&props);
    props.priority = 1;
    peer_post_props (p, "jobs", "high", &props);
    rig_advance (rig, 5000);
    peer_post (p, "jobs", "low");
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void queues_that_bury_into_each_other_come_to_rest (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "pong");
    rig_declare (rig, "ping", &policy);
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "ping");
    rig_declare (rig, "pong", &policy);
    peer_t *p = rig_peer (rig, "p");
    rig->audits = false;
    for (int i = 0; i < 2000; i++) { /* each a chunk of its own */
        peer_post_bulk (p, "ping", 1, 9000);
        peer_post_bulk (p, "pong", 1, 9000);
    }
    rig->audits = true;
    rig_advance (rig, 10000);
    assert_int_equal (rig_info (rig, "ping").length + rig_info (rig, "pong").length, 4000);
    assert_int_equal (rig_info (rig, "ping").expired, 2000);
    assert_int_equal (rig_info (rig, "pong").expired, 2000);
}

/* -- requests ---------------------------------------------------------------------------------- */

static void request_expires_client_is_told (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    uint64_t number = peer_request_with (c, "echo", "a", 5000, 0);
    rig_advance (rig, 4999);
    assert_silence (c);
    rig_advance (rig, 1);
    assert_denied (c, number, ZF_E_EXPIRED);
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    assert_silence (w);
    assert_int_equal (rig_info (rig, "echo").expired, 1);
}

static void request_expires_at_the_worker_late_answer_is_dropped (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t number = peer_request_with (c, "echo", "a", 5000, 0);
    assert_delivered (w, "echo", "a", 1);
    rig_advance (rig, 5000);
    assert_denied (c, number, ZF_E_EXPIRED);
    peer_answer (w, "echo", "a", "late", false);
    assert_silence (c);
    assert_int_equal (rig->engine->counters.answers_dropped, 1);
    assert_int_equal (rig->engine->counters.stale, 0);
    assert_int_equal (rig_info (rig, "echo").length, 0);
}

static void request_lives_as_long_as_the_queue_says (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "echo", &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t number = peer_request (c, "echo", "a");
    assert_delivered (w, "echo", "a", 1);
    peer_drop (w); /* it is ready now, and nobody comes for it */
    rig_advance (rig, 10000);
    assert_denied (c, number, ZF_E_EXPIRED);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (own_ttl_record_expires_on_time),
        TEST (own_ttl_expires_while_leased_worker_may_finish),
        TEST (own_ttl_expires_while_delayed),
        TEST (own_ttl_expires_while_ready),
        TEST (queue_ttl_buries_what_nobody_takes),
        TEST (queue_ttl_holds_for_big_batches_too),
        TEST (queue_ttl_no_record_lives_longer_than_a_sixteenth_more),
        TEST (queue_ttl_returned_record_is_not_delivered_again),
        TEST (queue_ttl_ready_record_is_not_delivered_when_a_worker_comes),
        TEST (queue_ttl_is_for_records_that_name_none),
        TEST (queue_ttl_mixed_batch_parts_ways),
        TEST (queue_ttl_without_end_never_expires),
        TEST (queue_ttl_shortened_takes_effect_at_once),
        TEST (queue_ttl_holds_on_every_priority),
        TEST (queues_that_bury_into_each_other_come_to_rest),
        TEST (request_expires_client_is_told),
        TEST (request_expires_at_the_worker_late_answer_is_dropped),
        TEST (request_lives_as_long_as_the_queue_says),
    };
    return cmocka_run_group_tests_name ("ttl", tests, NULL, NULL);
}
