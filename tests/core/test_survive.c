/* What is there again after the broker died, and as it was. */
#include "tests/core/rig_log.h"

static int by_hand_setup (void **state)
{
    rig_t *rig = rig_new_logged (NULL, NULL);
    rig->log->by_hand = true;
    *state = rig;
    return 0;
}

static int logged_setup (void **state)
{
    *state = rig_new_logged (NULL, NULL);
    return 0;
}

#define BY_HAND(test) cmocka_unit_test_setup_teardown (test, by_hand_setup, rig_teardown)
#define SYNCED(test)  cmocka_unit_test_setup_teardown (test, logged_setup, rig_teardown)

/* Posts, and takes the confirmation. */
static void post (peer_t *p, const char *queue, const char *bodies, const zf_props_t *props)
{
    uint64_t first = peer_post_props (p, queue, bodies, props);
    assert_confirmed (p, queue, first, wire_words (bodies));
}

static zf_props_t with_id (const char *id)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of (id);
    return props;
}

static void number (peer_t *p, const char *verb, const char *queue, uint64_t max)
{
    zf_writer_t w = {0};
    zf_mp_put_uint (&w, max);
    peer_admin (p, verb, queue, &w);
}

static void assert_holds (rig_t *rig, const char *queue, const char *bodies)
{
    assert_string_equal (rig_bodies (rig, queue), bodies);
}

/* -- a crash ----------------------------------------------------------------------------------- */

static void record_that_was_confirmed_survives (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    rig_sync (rig);
    assert_confirmed (p, "jobs", 1, 1);
    peer_post (p, "jobs", "b");
    rig_crash (rig);
    assert_holds (rig, "jobs", "a");
    peer_post_again (p, "jobs", 2, "b", 2);
    rig_sync (rig);
    assert_confirmed (p, "jobs", 2, 1);
    assert_holds (rig, "jobs", "a b");
}

static void record_that_became_durable_unnoticed_is_known (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    rig_crash_late (rig, 1);
    peer_post_again (p, "jobs", 1, "a", 1);
    rig_sync (rig);
    assert_confirmed (p, "jobs", 1, 1);
    assert_holds (rig, "jobs", "a");
}

static void large_batch_survives (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 500, 200);
    assert_confirmed (p, "jobs", 1, 500);
    peer_t *w = rig_worker (rig, "w", "jobs", 100);
    uint64_t first, count;
    assert_true (take_batch (w, &first, &count));
    peer_settle (w, ZF_CMD_ACK, "jobs", first, 60);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "jobs").length, 440);
    peer_forget_letters (w);
    peer_consume (w, "jobs", 1000);
    assert_true (take_batch (w, &first, &count));
    assert_int_equal (first, 60);
}

static void record_that_was_acked_is_not_back (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a b c d", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 4);
    assert_delivered (w, "jobs", "a b c d", 1);
    peer_ack (w, "jobs", "b d");
    rig_crash (rig);
    assert_holds (rig, "jobs", "a c");
}

static void id_is_never_used_again (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a b", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 4);
    assert_delivered (w, "jobs", "a b", 1);
    peer_ack (w, "jobs", "a b");
    rig_crash (rig);
    post (p, "jobs", "c", NULL);
    peer_consume (w, "jobs", 4);
    assert_delivered (w, "jobs", "c", 1);
    assert_int_equal (peer_held (w, "jobs", "c"), 2);
}

static void attempts_survive (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a b", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    assert_delivered (w, "jobs", "a b", 1);
    peer_nack (w, "jobs", "a", 0);
    assert_delivered (w, "jobs", "a", 2);
    rig_crash (rig);
    peer_consume (w, "jobs", 2);
    assert_delivered (w, "jobs", "a", 3);
    assert_delivered (w, "jobs", "b", 2);
}

static void record_that_was_released_has_had_no_attempt (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_consume (w, "jobs", 0);
    peer_release (w, "jobs", "a");
    rig_crash (rig);
    peer_consume (w, "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
}

static void last_attempt_that_the_broker_did_not_survive_is_the_last (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 1;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a b", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    rig_crash (rig);
    assert_holds (rig, "jobs", "b");
    assert_holds (rig, "jobs.dead", "a");
}

static void delay_goes_on (void **state)
{
    rig_t *rig = *state;
    zf_props_t props;
    zf_props_defaults (&props);
    props.delay_ms = 5000;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", &props);
    rig_advance (rig, 2000);
    rig_crash (rig);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    rig_advance (rig, 2999);
    assert_silence (w);
    rig_advance (rig, 1);
    assert_delivered (w, "jobs", "a", 1);
}

static void backoff_goes_on (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_nack (w, "jobs", "a", 3000);
    rig_advance (rig, 1000);
    rig_crash (rig);
    peer_consume (w, "jobs", 1);
    rig_advance (rig, 1999);
    assert_silence (w);
    rig_advance (rig, 1);
    assert_delivered (w, "jobs", "a", 2);
}

/* The broker is down for so long. */
static void stay_down (rig_t *rig, uint64_t ms)
{
    rig->now_ms += ms;
    rig_crash (rig);
}

static void time_to_live_of_a_record_goes_on (void **state)
{
    rig_t *rig = *state;
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 5000;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", &props);
    post (p, "jobs", "b", NULL);
    rig_advance (rig, 2000);
    rig_crash (rig);
    rig_advance (rig, 2999);
    assert_holds (rig, "jobs", "a b");
    rig_advance (rig, 1);
    assert_holds (rig, "jobs", "b");
    assert_holds (rig, "jobs.dead", "a");
}

static void time_to_live_of_a_queue_goes_on (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 16000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    rig_advance (rig, 5000);
    post (p, "jobs", "b", NULL);
    rig_crash (rig);
    rig_advance (rig, 11000);
    assert_holds (rig, "jobs", "b");
    rig_advance (rig, 5000);
    assert_holds (rig, "jobs", "");
    assert_holds (rig, "jobs.dead", "a b");
    assert_int_equal (rig_info (rig, "jobs").expired, 2);
}

static void what_expires_while_the_broker_is_down_is_dead (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 5000;
    policy.ttl_ms = 8000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", &props);
    post (p, "jobs", "b", NULL);
    post (p, "mail", "c", NULL);
    stay_down (rig, 6000);
    assert_holds (rig, "jobs", "b");
    stay_down (rig, 6000);
    assert_holds (rig, "jobs", "");
    assert_holds (rig, "jobs.dead", "a b");
    assert_holds (rig, "mail", "c");
    rig_crash (rig);
    assert_holds (rig, "jobs.dead", "a b");
}

/* -- dead letters ------------------------------------------------------------------------------ */

static void same_death (rig_t *rig, const char *queue, const char *reason, uint32_t attempts)
{
    zf_sight_t sight;
    zf_props_view_t props;
    zf_queue_t *dead = zf_engine_find (rig->engine, zf_bytes_of (queue));
    assert_non_null (dead);
    assert_true (zf_queue_peek (dead, 0, &sight) && sight.here);
    assert_int_equal (zf_props_decode (sight.record.props, sight.record.body.size, &props), 0);
    assert_true (props.dead && zf_bytes_equal (props.death.reason, zf_bytes_of (reason)));
    assert_true (zf_bytes_equal (props.death.queue, zf_bytes_of ("jobs")));
    assert_int_equal (props.death.attempts, attempts);
}

static void dead_letter_survives_with_reason_and_attempts (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_nack (w, "jobs", "a", 0);
    assert_delivered (w, "jobs", "a", 2);
    peer_reject (w, "jobs", "a", "torn");
    rig_crash (rig);
    assert_holds (rig, "jobs", "");
    same_death (rig, "jobs.dead", "torn", 2);
}

static void dead_letter_queue_of_another_name_is_one_after_a_crash (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "graves");
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_reject (w, "jobs", "a", "torn");
    rig_crash (rig);
    same_death (rig, "graves", "torn", 1);
    zf_queue_t *graves = zf_engine_find (rig->engine, zf_bytes_of ("graves"));
    assert_true (graves->is_dead && graves->policy.max_attempts == 0);
}

static void requeued_record_is_requeued_after_a_crash (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = with_id ("one");
    post (p, "jobs", "a", &props);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_consume (w, "jobs", 0);
    peer_reject (w, "jobs", "a", "torn");
    rig_crash (rig);
    number (p, "requeue", "jobs", 0);
    take_result (p, 0, NULL);
    rig_crash (rig);
    assert_holds (rig, "jobs", "a");
    assert_holds (rig, "jobs.dead", "");
    peer_consume (w, "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
}

static void what_was_purged_or_discarded_is_not_back (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a b", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_consume (w, "jobs", 0);
    peer_reject (w, "jobs", "a", "torn");
    peer_admin (p, "purge", "jobs", NULL);
    take_result (p, 0, NULL);
    number (p, "discard", "jobs", 0);
    take_result (p, 0, NULL);
    rig_crash (rig);
    assert_holds (rig, "jobs", "");
    assert_holds (rig, "jobs.dead", "");
}

static void what_made_room_for_others_is_not_back (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 2;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    rig_crash (rig);
    assert_holds (rig, "jobs", "b c");
}

/* -- who posted what --------------------------------------------------------------------------- */

static void id_is_refused_until_its_window_is_over (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_props_t props = with_id ("order-1");
    policy.dedup_window_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", &props);
    rig_advance (rig, 4000);
    rig_crash (rig);
    rig_advance (rig, 5999);
    post (p, "jobs", "b", &props);
    assert_holds (rig, "jobs", "a");
    rig_advance (rig, 1);
    post (p, "jobs", "c", &props);
    assert_holds (rig, "jobs", "a c");
}

static void numbers_of_producers_survive (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a b", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 9);
    assert_delivered (w, "jobs", "a b", 1);
    peer_ack (w, "jobs", "a b");
    rig_crash (rig);
    peer_post_again (p, "jobs", 1, "a b c", 1);
    assert_confirmed (p, "jobs", 1, 2);
    assert_confirmed (p, "jobs", 3, 1);
    assert_holds (rig, "jobs", "c");
}

static void refusal_is_a_refusal_after_a_crash (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 2;
    policy.overflow = ZF_OVERFLOW_REJECT;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c d");
    assert_confirmed (p, "jobs", 1, 2);
    assert_refused (p, "jobs", 3, 2, ZF_E_FULL);
    rig_crash (rig);
    peer_admin (p, "purge", "jobs", NULL);
    take_result (p, 0, NULL);
    peer_post_again (p, "jobs", 1, "a b c d", 1);
    assert_confirmed (p, "jobs", 1, 2);
    assert_refused (p, "jobs", 3, 2, ZF_E_FULL);
    assert_holds (rig, "jobs", "");
}

static void post_many (peer_t *p, uint64_t n)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, n);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, "jobs");
    zf_mp_put_uint (&w, 2);
    wire_put_text (&w, "mail");
    zf_mp_put_uint (&w, 1);
    peer_write (p, &w, wire_batch (1, "a b c", NULL));
}

static void atomic_post_is_there_whole_or_not_at_all (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1);
    assert_silence (p);
    rig_crash (rig);
    assert_holds (rig, "jobs", "");
    post_many (p, 1);
    rig_crash_late (rig, 1);
    assert_holds (rig, "jobs", "a b");
    assert_holds (rig, "mail", "c");
    post_many (p, 1);
    rig_sync (rig);
    assert_done (p, 1, 0);
    assert_holds (rig, "jobs", "a b");
}

static void atomic_post_that_was_refused_is_refused_again (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1);
    assert_done (p, 1, ZF_E_FULL);
    policy.max_length = 10;
    rig_declare (rig, "jobs", &policy);
    rig_crash (rig);
    post_many (p, 1);
    assert_done (p, 1, ZF_E_FULL);
    post_many (p, 2);
    assert_done (p, 2, 0);
}

/* -- queues ------------------------------------------------------------------------------------ */

static void policy_survives (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 7;
    policy.backoff_min_ms = 3;
    policy.backoff_max_ms = 4;
    policy.lease_ms = 5;
    policy.ttl_ms = 600000;
    policy.max_length = 8;
    policy.max_bytes = 9000;
    policy.overflow = ZF_OVERFLOW_REJECT;
    policy.dedup_window_ms = 10;
    policy.priorities = 3;
    policy.ordered = true;
    policy.durable = ZF_DURABLE_YES;
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "-");
    rig_declare (rig, "jobs", &policy);
    rig_crash (rig);
    zf_queue_info_t info = rig_info (rig, "jobs");
    assert_true (info.declared);
    assert_memory_equal (&info.policy, &policy, sizeof policy);
    assert_int_equal (info.sync, ZF_SYNC_ALWAYS);
}

static void priorities_survive (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_props_t high;
    zf_props_defaults (&high);
    high.priority = 2;
    policy.priorities = 3;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    post (p, "jobs", "b", &high);
    rig_crash (rig);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "b", 1);
    peer_ack (w, "jobs", "b");
    assert_delivered (w, "jobs", "a", 1);
}

static void order_of_a_key_survives (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_props_t alice;
    zf_props_defaults (&alice);
    alice.key = zf_bytes_of ("alice");
    policy.ordered = true;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a1 a2 a3", &alice);
    peer_t *w = rig_worker (rig, "w", "jobs", 9);
    assert_delivered (w, "jobs", "a1", 1);
    peer_ack (w, "jobs", "a1");
    assert_delivered (w, "jobs", "a2", 1);
    rig_crash (rig);
    peer_consume (w, "jobs", 9);
    assert_delivered (w, "jobs", "a2", 2);
    assert_silence (w);
    peer_ack (w, "jobs", "a2");
    assert_delivered (w, "jobs", "a3", 1);
}

static void queue_that_was_forgotten_is_not_back (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.max_queues = 2;
    rig_t *rig = rig_new_logged (&options, NULL);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "one", 1);
    post (p, "one", "a", NULL);
    assert_delivered (w, "one", "a", 1);
    peer_ack (w, "one", "a");
    peer_consume (w, "one", 0);
    peer_bye (w);
    post (p, "two", "b", NULL);
    post (p, "three", "c", NULL);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("one")));
    rig_crash (rig);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("one")));
    assert_holds (rig, "two", "b");
    assert_holds (rig, "three", "c");
    rig_free (rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        BY_HAND (record_that_was_confirmed_survives),
        BY_HAND (record_that_became_durable_unnoticed_is_known),
        SYNCED (large_batch_survives),
        SYNCED (record_that_was_acked_is_not_back),
        SYNCED (id_is_never_used_again),
        SYNCED (attempts_survive),
        SYNCED (record_that_was_released_has_had_no_attempt),
        SYNCED (last_attempt_that_the_broker_did_not_survive_is_the_last),
        SYNCED (delay_goes_on),
        SYNCED (backoff_goes_on),
        SYNCED (time_to_live_of_a_record_goes_on),
        SYNCED (time_to_live_of_a_queue_goes_on),
        SYNCED (what_expires_while_the_broker_is_down_is_dead),
        SYNCED (dead_letter_survives_with_reason_and_attempts),
        SYNCED (dead_letter_queue_of_another_name_is_one_after_a_crash),
        SYNCED (requeued_record_is_requeued_after_a_crash),
        SYNCED (what_was_purged_or_discarded_is_not_back),
        SYNCED (what_made_room_for_others_is_not_back),
        SYNCED (id_is_refused_until_its_window_is_over),
        SYNCED (numbers_of_producers_survive),
        SYNCED (refusal_is_a_refusal_after_a_crash),
        BY_HAND (atomic_post_is_there_whole_or_not_at_all),
        SYNCED (atomic_post_that_was_refused_is_refused_again),
        SYNCED (policy_survives),
        SYNCED (priorities_survive),
        SYNCED (order_of_a_key_survives),
        cmocka_unit_test (queue_that_was_forgotten_is_not_back),
    };
    return cmocka_run_group_tests_name ("survive", tests, NULL, NULL);
}
