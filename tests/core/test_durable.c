/* What is said, and handed out, only when it is durable; what is not in the log; a log that has no
 * room, or fails. */
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

static void assert_holds (rig_t *rig, const char *queue, const char *bodies)
{
    assert_string_equal (rig_bodies (rig, queue), bodies);
}

/* -- not before it is durable ------------------------------------------------------------------ */

static void post_is_confirmed_when_it_is_durable (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    rig_advance (rig, 1000);
    assert_silence (p);
    rig_sync (rig);
    assert_confirmed (p, "jobs", 1, 2);
    assert_silence (p);
}

static void record_is_delivered_when_it_is_durable (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    rig_sync (rig);
    peer_post (p, "jobs", "a b");
    assert_silence (w);
    rig_sync (rig);
    assert_delivered (w, "jobs", "a b", 1);
}

static void what_is_durable_is_delivered_up_to_there (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    rig_sync (rig);
    peer_post (p, "jobs", "a");
    peer_post (p, "jobs", "b");
    peer_post (p, "jobs", "c");
    assert_int_equal (rig_unsynced (rig), 3);
    rig_sync_some (rig, 2);
    assert_confirmed (p, "jobs", 1, 2);
    assert_silence (p);
    assert_delivered (w, "jobs", "a b", 1);
    assert_silence (w);
    rig_sync (rig);
    assert_confirmed (p, "jobs", 3, 1);
    assert_delivered (w, "jobs", "c", 1);
}

static void record_that_is_not_durable_holds_up_no_other_priority (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_props_t high;
    zf_props_defaults (&high);
    high.priority = 1;
    policy.priorities = 2;
    rig->log->by_hand = false;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "low", NULL);
    rig->log->by_hand = true;
    peer_post_props (p, "jobs", "high", &high);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "low", 1);
    rig_sync (rig);
    peer_ack (w, "jobs", "low");
    assert_delivered (w, "jobs", "high", 1);
}

static void dead_letter_is_delivered_when_it_is_durable (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *d = rig_worker (rig, "d", "jobs.dead", 1);
    peer_post (p, "jobs", "a");
    rig_sync (rig);
    assert_delivered (w, "jobs", "a", 1);
    peer_reject (w, "jobs", "a", "torn");
    assert_silence (d);
    rig_sync (rig);
    assert_delivered (d, "jobs.dead", "a", 1);
}

static void refusal_is_told_when_it_is_durable (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    policy.overflow = ZF_OVERFLOW_REJECT;
    rig->log->by_hand = false;
    rig_declare (rig, "jobs", &policy);
    rig->log->by_hand = true;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b");
    assert_silence (p);
    rig_sync (rig);
    assert_confirmed (p, "jobs", 1, 1);
    assert_refused (p, "jobs", 2, 1, ZF_E_FULL);
}

static void results_of_changes_are_told_when_they_are_durable (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *boss = rig_peer (rig, "boss");
    zf_policy_t policy = rig_policy ();
    zf_writer_t w = {0};
    zf_policy_encode (&w, &policy);
    peer_admin (boss, "declare", "jobs", &w);
    assert_silence (boss);
    rig_sync (rig);
    take_result (boss, 0, NULL);
    peer_post (p, "jobs", "a b");
    rig_sync (rig);
    peer_admin (boss, "purge", "jobs", NULL);
    assert_silence (boss);
    rig_sync (rig);
    zf_reader_t r = take_result (boss, 0, NULL);
    assert_int_equal (zf_mp_uint (&r), 2);
}

static void question_is_answered_at_once (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    peer_admin (p, "queue", "jobs", NULL);
    take_result (p, 0, NULL);
    assert_silence (p);
}

static void confirmation_of_who_is_gone_is_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    peer_drop (p);
    rig_sync (rig);
    peer_reconnect (p);
    peer_forget_letters (p);
    peer_post_again (p, "jobs", 1, "a", 1);
    assert_confirmed (p, "jobs", 1, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
}

static void post_sent_again_before_it_is_durable_is_confirmed_when_it_is (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    peer_post_again (p, "jobs", 1, "a", 1);
    assert_silence (p);
    rig_sync (rig);
    assert_confirmed (p, "jobs", 1, 1);
    assert_confirmed (p, "jobs", 1, 1);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
}

/* -- what is not in the log -------------------------------------------------------------------- */

static void queue_that_is_not_durable_waits_for_nothing (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig->log->by_hand = false;
    rig_declare (rig, "memory", &policy);
    rig->log->by_hand = true;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "memory", 1);
    peer_post (p, "memory", "a");
    assert_confirmed (p, "memory", 1, 1);
    assert_delivered (w, "memory", "a", 1);
    peer_ack (w, "memory", "a");
    assert_int_equal (rig_unsynced (rig), 0);
}

static void only_durable_queues_survive (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, "memory", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "memory", "a", NULL);
    post (p, "jobs", "b", NULL);
    rig_crash (rig);
    assert_holds (rig, "jobs", "b");
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("memory")));
}

static void queue_can_become_durable_while_it_is_empty (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, "jobs", &policy);
    policy.durable = ZF_DURABLE_YES;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    rig_crash (rig);
    assert_holds (rig, "jobs", "a");
    policy.durable = ZF_DURABLE_NO;
    zf_writer_t w = {0};
    zf_policy_encode (&w, &policy);
    peer_admin (p, "declare", "jobs", &w);
    take_result (p, ZF_E_INVAL, NULL);
}

static void queue_that_stops_being_durable_is_not_back (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    peer_t *p = rig_peer (rig, "p");
    rig_declare (rig, "jobs", &policy);
    post (p, "jobs", "a", NULL);
    peer_admin (p, "purge", "jobs", NULL);
    take_result (p, 0, NULL);
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, "jobs", &policy);
    post (p, "jobs", "b", NULL);
    rig_crash (rig);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("jobs")));
}

static void request_is_not_written_down (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    rig_sync (rig);
    uint64_t n = peer_request (c, "echo", "hello");
    assert_delivered (w, "echo", "hello", 1);
    peer_answer (w, "echo", "hello", "world", false);
    assert_answered (c, n, "world", false);
    assert_int_equal (rig_unsynced (rig), 0);
}

static void request_between_posts_does_not_disturb_them (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    peer_request (p, "jobs", "ask");
    post (p, "jobs", "b", NULL);
    assert_holds (rig, "jobs", "a ask b");
    rig_crash (rig);
    assert_holds (rig, "jobs", "a b");
}

/* -- the log has no room, or fails ------------------------------------------------------------- */

static void post_waits_for_room_in_the_log (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_peer (rig, "w");
    post (p, "jobs", "a", NULL);
    rig->log->room = 1000; /* less than is kept free for what is here */
    rig_turn (rig);
    peer_post (p, "jobs", "b");
    assert_silence (p);
    assert_int_equal (rig_info (rig, "jobs").parked, 1);
    peer_consume (w, "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    assert_holds (rig, "jobs", "");
    rig->log->room = UINT64_MAX;
    rig_turn (rig);
    zf_memory_freed (rig->engine);
    rig_turn (rig);
    assert_confirmed (p, "jobs", 2, 1);
    assert_delivered (w, "jobs", "b", 1);
}

static void log_that_fails_fails_who_waits (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *boss = rig_peer (rig, "boss");
    peer_post (p, "jobs", "a");
    peer_admin (boss, "purge", "jobs", NULL);
    rig_fail_log (rig);
    assert_refused (p, "jobs", 1, 1, ZF_E_IO);
    take_result (boss, ZF_E_IO, NULL);
    assert_non_null (strstr (rig->notices, "the journal failed"));
    assert_non_null (strstr (rig->notices, "the disk is gone"));
}

static void log_that_failed_takes_no_more_posts (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, "memory", &policy);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", "a", NULL);
    rig_fail_log (rig);
    peer_post (p, "jobs", "b");
    assert_refused (p, "jobs", 2, 1, ZF_E_IO);
    post (p, "memory", "c", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_ack (w, "jobs", "a");
    peer_consume (w, "memory", 1);
    assert_delivered (w, "memory", "c", 1);
    uint64_t n = peer_request (p, "echo", "hello");
    peer_consume (w, "echo", 1);
    assert_delivered (w, "echo", "hello", 1);
    peer_answer (w, "echo", "hello", "world", false);
    assert_answered (p, n, "world", false);
}

/* -- any moment -------------------------------------------------------------------------------- */

#define STORY_POSTS 12

/* Posts one by one, and works off some of it. */
static void story (rig_t *rig, peer_t *p, peer_t *w)
{
    for (int i = 0; i < STORY_POSTS; i++) {
        char body[8];
        snprintf (body, sizeof body, "r%d", i);
        peer_post (p, "jobs", body);
        if (i % 3 == 0)
            rig_sync (rig);
    }
    rig_sync (rig);
    peer_consume (w, "jobs", 4);
    assert_delivered (w, "jobs", "r0 r1 r2 r3", 1);
    peer_ack (w, "jobs", "r1 r2");
    assert_delivered (w, "jobs", "r4 r5", 1);
    peer_reject (w, "jobs", "r0", "torn");
    peer_nack (w, "jobs", "r3", 1000);
}

static void story_is_cut_at_any_entry_and_is_a_story (void **state)
{
    (void) state;
    static const char *const ends[] = {
        "r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 r11",
        "r0 r3 r4 r5 r6 r7 r8 r9 r10 r11",
        "r3 r4 r5 r6 r7 r8 r9 r10 r11",
    };
    size_t unsynced = 1;
    int seen = 0;
    for (size_t kept = 0; kept <= unsynced; kept++) {
        rig_t *rig = rig_new_logged (NULL, NULL);
        rig->log->by_hand = true;
        peer_t *p = rig_peer (rig, "p");
        peer_t *w = rig_peer (rig, "w");
        story (rig, p, w);
        unsynced = rig_unsynced (rig);
        rig_crash_late (rig, kept);
        int end = 0;
        while (end < 3 && strcmp (rig_bodies (rig, "jobs"), ends[end]) != 0)
            end++;
        assert_in_range (end, 0, 2);
        assert_holds (rig, "jobs.dead", end == 2 ? "r0" : "");
        seen |= 1 << end;
        rig_free (rig);
    }
    assert_true (unsynced >= 3);
    assert_int_equal (seen, 7);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        BY_HAND (post_is_confirmed_when_it_is_durable),
        BY_HAND (record_is_delivered_when_it_is_durable),
        BY_HAND (what_is_durable_is_delivered_up_to_there),
        BY_HAND (record_that_is_not_durable_holds_up_no_other_priority),
        BY_HAND (dead_letter_is_delivered_when_it_is_durable),
        BY_HAND (refusal_is_told_when_it_is_durable),
        BY_HAND (results_of_changes_are_told_when_they_are_durable),
        BY_HAND (question_is_answered_at_once),
        BY_HAND (confirmation_of_who_is_gone_is_forgotten),
        BY_HAND (post_sent_again_before_it_is_durable_is_confirmed_when_it_is),
        BY_HAND (queue_that_is_not_durable_waits_for_nothing),
        SYNCED (only_durable_queues_survive),
        SYNCED (queue_can_become_durable_while_it_is_empty),
        SYNCED (queue_that_stops_being_durable_is_not_back),
        BY_HAND (request_is_not_written_down),
        SYNCED (request_between_posts_does_not_disturb_them),
        SYNCED (post_waits_for_room_in_the_log),
        BY_HAND (log_that_fails_fails_who_waits),
        SYNCED (log_that_failed_takes_no_more_posts),
        cmocka_unit_test (story_is_cut_at_any_entry_and_is_a_story),
    };
    return cmocka_run_group_tests_name ("durable", tests, NULL, NULL);
}
