/* Clients beyond their rate: what waits, for how long, and who does not. */
#include "tests/core/alloc.h"
#include "tests/core/known.h"
#include "tests/core/majordomo.h"
#include "tests/core/rig.h"

#include "core/mdp.h"

/* What a record of 100 bytes takes in a batch. */
#define RECORD_BYTES 104

static rig_t *rig_of_rate (uint32_t records, uint64_t bytes)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.limits.records_per_s = records;
    options.limits.bytes_per_s = bytes;
    options.window_bytes = 64 * 1024;
    return rig_new (&options);
}

/* The producer has heard of everything so far. */
static void post (peer_t *p, const char *queue, uint32_t count)
{
    peer_post_bulk (p, queue, count, 100);
}

static uint64_t length_of (rig_t *rig, const char *queue)
{
    zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    return found != NULL ? found->length : 0;
}

static void seconds_worth_passes_at_once_and_no_more (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 60);
    post (p, "jobs", 40);
    assert_int_equal (length_of (rig, "jobs"), 100);
    assert_int_equal (rig->engine->counters.throttled, 0);
    post (p, "jobs", 1); /* it is known what it costs when it was dealt with */
    assert_int_equal (length_of (rig, "jobs"), 101);
    post (p, "jobs", 10);
    assert_int_equal (length_of (rig, "jobs"), 101);
    assert_int_equal (rig->engine->counters.throttled, 1);
    rig_free (rig);
}

static void what_waits_goes_on_when_its_time_has_come (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 150); /* owes half a second */
    post (p, "jobs", 20);  /* a fifth */
    post (p, "jobs", 1);
    rig_advance (rig, 499);
    assert_int_equal (length_of (rig, "jobs"), 150);
    rig_advance (rig, 1);
    assert_int_equal (length_of (rig, "jobs"), 170);
    rig_advance (rig, 199);
    assert_int_equal (length_of (rig, "jobs"), 170);
    rig_advance (rig, 1);
    assert_int_equal (length_of (rig, "jobs"), 171);
    assert_confirmed (p, "jobs", 1, 150);
    assert_confirmed (p, "jobs", 151, 20);
    assert_confirmed (p, "jobs", 171, 1);
    assert_null (p->session->throttle.held);
    rig_free (rig);
}

static void bytes_count_as_well (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (0, 10 * RECORD_BYTES);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 15);
    post (p, "jobs", 1);
    rig_advance (rig, 499);
    assert_int_equal (length_of (rig, "jobs"), 15);
    rig_advance (rig, 1);
    assert_int_equal (length_of (rig, "jobs"), 16);
    rig_free (rig);
}

static void rate_holds_over_time (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    for (int second = 0; second < 8; second++) {
        for (int i = 0; i < 10; i++)
            post (p, "jobs", 20); /* twice what may be */
        rig_advance (rig, 1000);
        uint64_t most = 100 + 100 * (uint64_t) (second + 1) + 20;
        assert_in_range (length_of (rig, "jobs"), most - 140, most);
    }
    rig_free (rig);
}

static void silence_brings_no_more_than_a_second (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 10);
    rig_advance (rig, 60000);
    post (p, "jobs", 101);
    post (p, "jobs", 1);
    assert_int_equal (length_of (rig, "jobs"), 111);
    rig_free (rig);
}

static void others_are_not_held (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    peer_t *q = rig_peer (rig, "q");
    post (p, "jobs", 1000);
    post (p, "jobs", 1000);
    for (int i = 0; i < 10; i++)
        post (q, "jobs", 10);
    assert_int_equal (length_of (rig, "jobs"), 1100);
    assert_int_equal (peer_forget_letters (q), 10);
    rig_free (rig);
}

static void heartbeats_and_settlements_are_not_held (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    peer_t *q = rig_peer (rig, "q");
    peer_consume (p, "work", 10);
    peer_post (q, "work", "a b");
    assert_delivered (p, "work", "a b", 1);
    post (p, "jobs", 1000);
    post (p, "jobs", 1);
    peer_ack (p, "work", "a b");
    zf_writer_t w = wire_control (ZF_CMD_PING, 0);
    peer_write (p, &w, NULL);
    assert_int_equal (p->pongs, 1);
    assert_int_equal (length_of (rig, "work"), 0);
    assert_int_equal (length_of (rig, "jobs"), 1000);
    rig_free (rig);
}

static void held_messages_are_signs_of_life (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (1, 0);
    peer_t *p = rig_peer (rig, "p");
    p->mute = true;
    post (p, "jobs", 1000);
    for (int i = 0; i < 10; i++) {
        rig_advance (rig, 30000);
        post (p, "jobs", 1);
        assert_non_null (p->session);
    }
    assert_int_equal (length_of (rig, "jobs"), 1000);
    rig_free (rig);
}

static void requests_count_and_wait (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (2, 0);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "echo", 10);
    uint64_t number = peer_request (p, "echo", "a b c");
    peer_request (p, "echo", "d");
    assert_delivered (w, "echo", "a b c", 1);
    assert_silence (w);
    rig_advance (rig, 500);
    assert_delivered (w, "echo", "d", 1);
    peer_answer (w, "echo", "d", "yes", false);
    assert_answered (p, number + 3, "yes", false);
    rig_free (rig);
}

static void refused_posts_count_as_well (void **state)
{
    (void) state;
    zf_access_t *access;
    zf_subject_t subject = {.name = "anna"};
    zf_bytes_t rules = zf_bytes_of ("anna post other\n");
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_stranger (rig, "p");
    assert_int_equal (zf_access_parse (&access, rules, "rules", NULL), 0);
    zf_engine_access (rig->engine, access);
    zf_engine_identify (p->session, &subject);
    peer_hello (p);
    post (p, "jobs", 150);
    post (p, "jobs", 1);
    assert_refused (p, "jobs", 1, 150, ZF_E_DENIED);
    assert_silence (p);
    rig_advance (rig, 500);
    assert_refused (p, "jobs", 151, 1, ZF_E_DENIED);
    rig_free (rig);
}

static void goodbye_comes_behind_what_waits (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 150);
    post (p, "jobs", 1);
    peer_bye (p);
    assert_non_null (p->session);
    rig_advance (rig, 510);
    assert_null (p->session);
    assert_int_equal (length_of (rig, "jobs"), 151);
    rig_free (rig);
}

static void lost_connection_takes_what_waits_with_it (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 150);
    post (p, "jobs", 1);
    peer_drop (p);
    rig_advance (rig, 1000);
    assert_int_equal (length_of (rig, "jobs"), 150);
    rig_free (rig);
}

static void new_connection_owes_what_the_old_one_did (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 150);
    p->low = 151;
    peer_reconnect (p);
    post (p, "jobs", 1);
    assert_int_equal (length_of (rig, "jobs"), 150);
    rig_advance (rig, 500);
    assert_int_equal (length_of (rig, "jobs"), 151);
    rig_free (rig);
}

static void who_sends_on_and_on_is_ended (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (1, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 100);
    int posts = 0;
    while (rig->engine->counters.peer_errors == 0 && posts < 100) {
        post (p, "jobs", 40); /* some 4 KiB */
        posts++;
    }
    assert_in_range (posts, 28, 34); /* two windows, 128 KiB */
    uint64_t held = p->session->throttle.held_bytes;
    post (p, "jobs", 40);
    assert_int_equal (p->session->throttle.held_bytes, held);
    assert_int_equal (rig->engine->counters.peer_errors, 1);
    rig_advance (rig, 100000 + 40000 * (uint64_t) posts);
    assert_int_equal (length_of (rig, "jobs"), 100 + 40 * (uint64_t) posts);
    assert_null (p->session);
    rig_free (rig);
}

/* -- sessions of one key ----------------------------------------------------------------------- */

static void sessions_of_a_key_share_its_rate (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    peer_t *b = keyed_peer (rig, "b", "anna");
    post (a, "jobs", 75);
    post (b, "jobs", 75);
    assert_int_equal (length_of (rig, "jobs"), 150);
    post (a, "jobs", 10);
    post (b, "jobs", 10);
    assert_int_equal (rig->engine->counters.throttled, 2);
    rig_advance (rig, 499);
    assert_int_equal (length_of (rig, "jobs"), 150);
    rig_advance (rig, 1);
    assert_int_equal (length_of (rig, "jobs"), 160);
    rig_advance (rig, 100);
    assert_int_equal (length_of (rig, "jobs"), 170);
    rig_free (rig);
}

static void sessions_of_a_key_take_turns (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    peer_t *b = keyed_peer (rig, "b", "anna");
    peer_t *c = keyed_peer (rig, "c", "anna");
    post (a, "of-a", 101);
    for (int i = 0; i < 20; i++)
        post (a, "of-a", 10);
    for (int i = 0; i < 10; i++)
        post (b, "of-b", 10);
    for (int i = 0; i < 12; i++) {
        post (c, "of-c", 10);
        rig_advance (rig, i == 0 ? 10 : 100);
    }
    assert_int_equal (length_of (rig, "of-a"), 101 + 40);
    assert_int_equal (length_of (rig, "of-b"), 40);
    assert_int_equal (length_of (rig, "of-c"), 40);
    rig_free (rig);
}

static void who_waits_is_not_passed_over_by_its_key (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    peer_t *b = keyed_peer (rig, "b", "anna");
    post (a, "of-a", 101);
    post (a, "of-a", 10);
    rig->now_ms += 10; /* enough has come in, but the timer has not fired */
    zf_engine_clock (rig->engine, rig->now_ms);
    post (b, "of-b", 10);
    assert_int_equal (length_of (rig, "of-a"), 111);
    assert_int_equal (length_of (rig, "of-b"), 0);
    rig_advance (rig, 100);
    assert_int_equal (length_of (rig, "of-b"), 10);
    rig_free (rig);
}

static void another_key_is_not_slowed (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    peer_t *b = keyed_peer (rig, "b", "ben");
    peer_t *c = rig_peer (rig, "c");
    post (a, "jobs", 1000);
    post (a, "jobs", 1000);
    post (b, "jobs", 50);
    post (b, "jobs", 50);
    post (c, "jobs", 50);
    post (c, "jobs", 50);
    assert_int_equal (length_of (rig, "jobs"), 1200);
    rig_free (rig);
}

static void key_that_comes_as_another_peer_owes_still (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    post (a, "jobs", 150);
    peer_drop (a);
    assert_int_equal (HASH_COUNT (rig->engine->accounts), 1);
    peer_t *b = keyed_peer (rig, "b", "anna");
    post (b, "jobs", 1);
    assert_int_equal (length_of (rig, "jobs"), 150);
    rig_advance (rig, 500);
    assert_int_equal (length_of (rig, "jobs"), 151);
    rig_free (rig);
}

static void account_is_forgotten_when_its_bucket_is_full (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    peer_t *b = keyed_peer (rig, "b", "anna");
    post (a, "jobs", 150);
    peer_drop (a);
    rig_advance (rig, 2000);
    assert_int_equal (HASH_COUNT (rig->engine->accounts), 1);
    post (b, "jobs", 50);
    peer_drop (b);
    rig_advance (rig, 499);
    assert_int_equal (HASH_COUNT (rig->engine->accounts), 1);
    rig_advance (rig, 1);
    assert_int_equal (HASH_COUNT (rig->engine->accounts), 0);
    rig_free (rig);
}

static void no_account_is_made_without_limits (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (0, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    post (a, "jobs", 1000);
    assert_int_equal (HASH_COUNT (rig->engine->accounts), 0);
    rig_free (rig);
}

static void without_memory_for_an_account_a_session_has_its_own (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    zf_subject_t subject = subject_of ("anna");
    peer_t *a = keyed_peer (rig, "a", "ben");
    peer_t *b = rig_stranger (rig, "b");
    for (size_t n = 1; n < 3; n++) {
        peer_t *x = rig_stranger (rig, n == 1 ? "x" : "y");
        alloc_fail (n, 1);
        alloc_enter ();
        zf_engine_identify (x->session, &subject);
        alloc_leave ();
        bool failed = alloc_failures () > 0;
        alloc_fail (0, 0);
        assert_int_equal (x->session->account == &x->session->own, failed);
        assert_true (failed || n > 1);
    }
    peer_hello (b);
    post (a, "jobs", 150);
    post (b, "jobs", 150);
    assert_int_equal (length_of (rig, "jobs"), 300);
    rig_free (rig);
}

/* A RESET is under way to it, and it does not know yet: that must not count for who greets next. */
static void what_comes_before_hello_does_not_wait (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *a = keyed_peer (rig, "a", "anna");
    zf_subject_t subject = subject_of ("anna");
    peer_t *b = rig_stranger (rig, "b");
    zf_engine_identify (b->session, &subject);
    post (a, "jobs", 150);
    post (b, "jobs", 1);
    peer_forget_letters (b);
    assert_int_equal (rig->engine->counters.throttled, 0);
    rig_advance (rig, 1000);
    assert_int_equal (length_of (rig, "jobs"), 150);
    rig_free (rig);
}

static void one_large_message_may_wait_whatever_its_size (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (1000, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 1001);
    peer_post_bulk (p, "jobs", 1, 1 << 20);
    assert_non_null (p->session);
    rig_advance (rig, 1);
    assert_int_equal (length_of (rig, "jobs"), 1002);
    rig_free (rig);
}

static void no_memory_ends_the_session (void **state)
{
    (void) state;
    rig_t *rig = rig_of_rate (100, 0);
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 150);
    alloc_fail (1, 1);
    post (p, "jobs", 1);
    alloc_fail (0, 0);
    assert_null (p->session);
    rig_free (rig);
}

static void majordomo_requests_wait_too (void **state)
{
    case_t *c = *state;
    zf_engine_t *engine = talk_engine (c->talk);
    engine->options.limits.records_per_s = 2;
    for (int i = 0; i < 3; i++)
        talk_say (c->talk, "a", "%secho|%d", c->v->request, i);
    talk_say (c->talk, "a", "%secho|last", c->v->request);
    assert_int_equal (engine->queues->length, 3);
    assert_int_equal (engine->counters.throttled, 1);
    talk_advance (c->talk, 500);
    assert_int_equal (engine->queues->length, 4);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (seconds_worth_passes_at_once_and_no_more),
        cmocka_unit_test (what_waits_goes_on_when_its_time_has_come),
        cmocka_unit_test (bytes_count_as_well),
        cmocka_unit_test (rate_holds_over_time),
        cmocka_unit_test (silence_brings_no_more_than_a_second),
        cmocka_unit_test (others_are_not_held),
        cmocka_unit_test (heartbeats_and_settlements_are_not_held),
        cmocka_unit_test (held_messages_are_signs_of_life),
        cmocka_unit_test (requests_count_and_wait),
        cmocka_unit_test (refused_posts_count_as_well),
        cmocka_unit_test (goodbye_comes_behind_what_waits),
        cmocka_unit_test (lost_connection_takes_what_waits_with_it),
        cmocka_unit_test (new_connection_owes_what_the_old_one_did),
        cmocka_unit_test (who_sends_on_and_on_is_ended),
        cmocka_unit_test (sessions_of_a_key_share_its_rate),
        cmocka_unit_test (sessions_of_a_key_take_turns),
        cmocka_unit_test (who_waits_is_not_passed_over_by_its_key),
        cmocka_unit_test (another_key_is_not_slowed),
        cmocka_unit_test (key_that_comes_as_another_peer_owes_still),
        cmocka_unit_test (account_is_forgotten_when_its_bucket_is_full),
        cmocka_unit_test (no_account_is_made_without_limits),
        cmocka_unit_test (without_memory_for_an_account_a_session_has_its_own),
        cmocka_unit_test (what_comes_before_hello_does_not_wait),
        cmocka_unit_test (one_large_message_may_wait_whatever_its_size),
        cmocka_unit_test (no_memory_ends_the_session),
        majordomo_cases (majordomo_requests_wait_too),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
