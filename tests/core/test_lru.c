/* The balancer's dialects: plain clients in front; the guide's workers and Paranoid Pirates
 * behind. */
#include "core/lru.h"
#include "tests/core/alloc.h"
#include "tests/core/rand.h"
#include "tests/core/talk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const clients[] = {"req", "req2", "dealer", "c0", "c1", "c2"};
static const char *const workers[] = {"w", "w2", "pirate", "w0", "w1", "p0", "p1"};

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

static int setup (void **state)
{
    talk_t *talk = talk_new ();
    for (size_t i = 0; i < COUNT (clients); i++)
        talk_join (talk, clients[i], &zf_dialect_lru_client);
    for (size_t i = 0; i < COUNT (workers); i++)
        talk_join (talk, workers[i], &zf_dialect_lru_worker);
    *state = talk;
    return 0;
}

static int teardown (void **state)
{
    talk_free (*state);
    return 0;
}

static zf_counters_t *counters (talk_t *talk)
{
    return &talk_engine (talk)->counters;
}

static void expect_rest (talk_t *talk)
{
    zf_queue_t *queue = zf_engine_find (talk_engine (talk), zf_bytes_of (ZF_LRU_QUEUE));
    if (queue == NULL)
        return;
    assert_int_equal (queue->length, 0);
    assert_int_equal (queue->leased, 0);
}

/* -- requests and replies ---------------------------------------------------------------------- */

static void req_client_is_served_by_req_worker (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_expect_silence (talk, "w");
    talk_say (talk, "req", "|hello");
    talk_expect (talk, "w", "|req||hello");
    talk_say (talk, "w", "|req||world");
    talk_expect (talk, "req", "|world");
    talk_expect_silence (talk, "w");
    expect_rest (talk);
}

static void guides_second_ready_is_known_too (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|\1");
    talk_advance (talk, 10 * TALK_BEAT_MS);
    talk_expect_silence (talk, "w");
    talk_say (talk, "req", "|hello");
    talk_expect (talk, "w", "|req||hello");
    talk_say (talk, "w", "|req||world");
    talk_expect (talk, "req", "|world");
}

static void dealer_worker_works_without_delimiter (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "READY");
    talk_say (talk, "req", "|hello");
    talk_expect (talk, "w", "req||hello");
    talk_say (talk, "w", "req||world");
    talk_expect (talk, "req", "|world");
}

static void dealer_client_needs_no_delimiter (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "dealer", "one|two");
    talk_expect (talk, "w", "|dealer|one|two");
    talk_say (talk, "w", "|dealer|three");
    talk_expect (talk, "dealer", "three");
    talk_say (talk, "dealer", "|one");
    talk_expect (talk, "w", "|dealer||one");
}

static void frames_pass_as_they_are (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|a||b|");
    talk_expect (talk, "w", "|req||a||b|");
    talk_say (talk, "w", "|req||||c");
    talk_expect (talk, "req", "|||c");
    talk_say (talk, "dealer", "%s", "");
    talk_expect (talk, "w", "|dealer|");
    talk_say (talk, "w", "|dealer|");
    talk_expect (talk, "dealer", "%s", "");
}

static void worker_used_least_recently_is_next (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "w2", "READY");
    talk_say (talk, "pirate", "\1");
    for (int i = 0; i < 3; i++) {
        talk_say (talk, "req", "|x");
        talk_expect (talk, "w", "|req||x");
        talk_say (talk, "w", "|req||y");
        talk_say (talk, "req", "|x");
        talk_expect (talk, "w2", "req||x");
        talk_say (talk, "w2", "req||y");
        talk_say (talk, "req", "|x");
        talk_expect (talk, "pirate", "req||x");
        talk_say (talk, "pirate", "req||y");
    }
    assert_int_equal (talk_skip (talk, "req"), 9);
}

static void requests_wait_for_a_worker_and_go_one_at_a_time (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "req", "|a");
    talk_say (talk, "req2", "|b");
    talk_say (talk, "w", "|READY");
    talk_expect (talk, "w", "|req||a");
    talk_expect_silence (talk, "w");
    talk_say (talk, "w", "|req||A");
    talk_expect (talk, "w", "|req2||b");
    talk_say (talk, "w", "|req2||B");
    talk_expect (talk, "req", "|A");
    talk_expect (talk, "req2", "|B");
}

/* -- coming and going -------------------------------------------------------------------------- */

static void pirate_and_balancer_send_each_other_heartbeats (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "pirate", "\1");
    for (int i = 0; i < 5; i++) {
        talk_advance (talk, TALK_BEAT_MS - 1);
        talk_expect_silence (talk, "pirate");
        talk_say (talk, "pirate", "\2");
        talk_advance (talk, 1);
        talk_expect (talk, "pirate", "\2");
    }
    talk_expect_silence (talk, "pirate");
    assert_int_equal (counters (talk)->peer_errors, 0);
}

static void silent_pirate_loses_its_request_to_another_worker (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "pirate", "\1");
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "pirate", "req||x");
    talk_advance (talk, 3 * TALK_BEAT_MS - 1);
    talk_expect_silence (talk, "w");
    talk_advance (talk, 1);
    talk_expect (talk, "w", "|req||x");
    assert_null (talk_session (talk, "pirate"));
    assert_int_equal (talk_skip (talk, "pirate"), 2); /* heartbeats */
    talk_say (talk, "w", "|req||y");
    talk_expect (talk, "req", "|y");
}

static void late_answer_of_a_lost_pirate_is_dropped (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "pirate", "\1");
    talk_say (talk, "req", "|old");
    talk_expect (talk, "pirate", "req||old");
    talk_advance (talk, 3 * TALK_BEAT_MS);
    talk_skip (talk, "pirate");
    talk_say (talk, "pirate", "\2");
    talk_expect_silence (talk, "pirate"); /* RFC 6: it has to say READY first */
    talk_say (talk, "pirate", "req||late");
    talk_expect_silence (talk, "req");
    talk_expect_silence (talk, "pirate");
    assert_int_equal (counters (talk)->peer_errors, 2);
    talk_say (talk, "pirate", "\1");
    talk_expect (talk, "pirate", "req||old");
}

static void pirate_may_start_over (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "pirate", "\1");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "pirate", "req||x");
    talk_say (talk, "pirate", "\1");
    talk_expect (talk, "pirate", "req||x");
    talk_say (talk, "pirate", "req||y");
    talk_expect (talk, "req", "|y");
    assert_int_equal (counters (talk)->peer_errors, 0);
}

static void plain_worker_stays_however_silent (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "w2", "READY");
    talk_advance (talk, 100 * TALK_IDLE_MS);
    talk_expect_silence (talk, "w");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    talk_say (talk, "req", "|y");
    talk_expect (talk, "w2", "req||y");
}

static void lost_connection_gives_the_request_to_another (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "w2", "|READY");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    talk_detach (talk, "w");
    talk_expect (talk, "w2", "|req||x");
}

static void request_is_given_up_after_its_attempts (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "req", "|poison");
    for (int i = 0; i < 3; i++) {
        talk_say (talk, "w", "|READY");
        talk_expect (talk, "w", "|req||poison");
        talk_detach (talk, "w");
    }
    talk_say (talk, "w", "|READY");
    talk_expect_silence (talk, "w");
    talk_expect_silence (talk, "req");
    assert_int_equal (counters (talk)->answers_dropped, 1);
    expect_rest (talk);
}

static void request_expires_in_silence (void **state)
{
    talk_t *talk = *state;
    talk_engine (talk)->options.policy.ttl_ms = 300;
    talk_say (talk, "req", "|x");
    talk_advance (talk, 300);
    assert_int_equal (counters (talk)->answers_dropped, 1);
    talk_say (talk, "w", "|READY");
    talk_expect_silence (talk, "w");
    talk_expect_silence (talk, "req");
    expect_rest (talk);
}

static void worker_of_an_expired_request_gets_nothing_before_it_answers (void **state)
{
    talk_t *talk = *state;
    talk_engine (talk)->options.policy.ttl_ms = 300;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|old");
    talk_expect (talk, "w", "|req||old");
    talk_advance (talk, 300);
    talk_say (talk, "req", "|new");
    talk_expect_silence (talk, "w");
    talk_say (talk, "w", "|req||late");
    talk_expect_silence (talk, "req");
    talk_expect (talk, "w", "|req||new");
    talk_say (talk, "w", "|req||in time");
    talk_expect (talk, "req", "|in time");
}

static void worker_whose_lease_is_over_gets_nothing_before_it_answers (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    talk_advance (talk, TALK_LEASE_MS);
    talk_expect_silence (talk, "w");
    talk_say (talk, "w2", "|READY");
    talk_expect (talk, "w2", "|req||x");
    talk_say (talk, "w", "|req||late");
    assert_int_equal (counters (talk)->stale, 1);
    talk_expect_silence (talk, "req");
    talk_say (talk, "w2", "|req||y");
    talk_expect (talk, "req", "|y");
    talk_say (talk, "req", "|z");
    talk_expect (talk, "w", "|req||z");
}

static void client_that_left_gets_no_answer (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    talk_say (talk, "req2", "|never handed out");
    talk_detach (talk, "req");
    talk_detach (talk, "req2");
    talk_say (talk, "w", "|req||y");
    talk_expect_silence (talk, "w");
    assert_int_equal (counters (talk)->answers_dropped, 1);
    assert_int_equal (counters (talk)->stale, 0);
    expect_rest (talk);
}

static void idle_client_is_forgotten_and_comes_back (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    talk_say (talk, "w", "|req||y");
    talk_expect (talk, "req", "|y");
    talk_advance (talk, TALK_IDLE_MS);
    assert_null (talk_session (talk, "req"));
    talk_say (talk, "req", "|z");
    talk_expect (talk, "w", "|req||z");
}

/* -- wrong answers ----------------------------------------------------------------------------- */

static void answer_to_another_address_is_dropped_and_the_worker_is_ready (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    talk_say (talk, "w2", "|READY");
    talk_say (talk, "w", "|req2||y");
    assert_int_equal (counters (talk)->stale, 1);
    talk_expect_silence (talk, "req2");
    talk_expect (talk, "w2", "|req||x"); /* who waited longer */
    talk_say (talk, "req2", "|z");
    talk_expect (talk, "w", "|req2||z");
}

static void answer_that_nobody_asked_for_is_dropped (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|READY");
    talk_say (talk, "w", "|req||y");
    assert_int_equal (counters (talk)->stale, 1);
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    talk_expect_silence (talk, "req");
}

static void req_worker_of_a_restarted_balancer_is_ready_by_its_answer (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "|req||from before");
    assert_int_equal (counters (talk)->stale, 1);
    talk_expect_silence (talk, "req");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
}

static void stranger_that_says_anything_else_is_no_worker (void **state)
{
    talk_t *talk = *state;
    const char *const messages[] = {"\2", "hello", "", "READY!", "req||x", "|\2", "|", "|x"};
    for (size_t i = 0; i < COUNT (messages); i++) {
        talk_say (talk, "w", "%s", messages[i]);
        assert_null (talk_session (talk, "w"));
        assert_int_equal (counters (talk)->peer_errors, i + 1);
    }
    talk_say (talk, "req", "|x");
    talk_expect_silence (talk, "w");
    talk_say (talk, "w", "|READY");
    talk_expect (talk, "w", "|req||x");
}

static void junk_of_a_worker_is_dropped_and_it_keeps_its_request (void **state)
{
    talk_t *talk = *state;
    const char *const messages[] = {"|x", "|\2", "req||y", "\1", "", "|"};
    talk_say (talk, "w", "|READY");
    talk_say (talk, "req", "|x");
    talk_expect (talk, "w", "|req||x");
    for (size_t i = 0; i < COUNT (messages); i++) {
        talk_say (talk, "w", "%s", messages[i]);
        assert_int_equal (counters (talk)->peer_errors, i + 1);
    }
    talk_expect_silence (talk, "w");
    talk_expect_silence (talk, "req");
    talk_say (talk, "w", "|req||y");
    talk_expect (talk, "req", "|y");
}

static void heartbeat_of_a_plain_worker_is_junk (void **state)
{
    talk_t *talk = *state;
    talk_say (talk, "w", "READY");
    talk_say (talk, "w", "\2");
    assert_int_equal (counters (talk)->peer_errors, 1);
}

/* -- limits ------------------------------------------------------------------------------------ */

static void too_many_frames_are_refused (void **state)
{
    talk_t *talk = *state;
    char frames[2 * (ZF_FRAMES_MAX + 1)];
    for (size_t i = 0; i < sizeof frames; i += 2)
        memcpy (frames + i, "x|", 2);
    frames[sizeof frames - 1] = '\0'; /* 65 of them */
    talk_say (talk, "w", "|READY");
    talk_say (talk, "dealer", "%s", frames);
    assert_int_equal (counters (talk)->peer_errors, 1);
    talk_expect_silence (talk, "w");
    talk_say (talk, "dealer", "x");
    talk_expect (talk, "w", "|dealer|x");
    talk_say (talk, "w", "|dealer|%s", frames);
    assert_int_equal (counters (talk)->peer_errors, 2);
    talk_expect_silence (talk, "dealer");
    talk_expect (talk, "w", "|dealer|x"); /* its second attempt */
    frames[2 * ZF_FRAMES_MAX - 1] = '\0';
    talk_say (talk, "w", "|dealer|%s", frames);
    talk_expect (talk, "dealer", "%s", frames);
}

static void requests_beyond_the_memory_cap_are_dropped (void **state)
{
    talk_t *talk = *state;
    talk_engine (talk)->options.memory_bytes = 100;
    for (int i = 0; i < 100; i++)
        talk_say (talk, "dealer", "%d", i);
    uint64_t dropped = counters (talk)->answers_dropped;
    assert_in_range (dropped, 80, 99);
    talk_say (talk, "w", "|READY");
    for (uint64_t i = 0; i < 100 - dropped; i++) {
        talk_expect (talk, "w", "|dealer|%d", (int) i);
        talk_say (talk, "w", "|dealer|ok");
    }
    talk_expect_silence (talk, "w");
}

/* -- hard times -------------------------------------------------------------------------------- */

static void converse (talk_t *talk)
{
    talk_say (talk, "w", "|READY");
    talk_say (talk, "pirate", "\1");
    talk_say (talk, "req", "|one");
    talk_say (talk, "dealer", "two|three");
    talk_say (talk, "w", "|req||ONE");
    talk_say (talk, "pirate", "dealer|TWO|THREE");
    talk_advance (talk, TALK_BEAT_MS);
}

static void no_memory_costs_messages_but_nothing_else (void **state)
{
    size_t failures = 1;
    size_t n = 1;
    for (; failures > 0; n++) {
        teardown (state);
        setup (state);
        talk_t *talk = *state;
        alloc_fail (n, 1);
        converse (talk);
        failures = alloc_failures ();
        alloc_fail (0, 0);
        if (talk_session (talk, "w") != NULL)
            talk_detach (talk, "w");
        talk_advance (talk, 2 * (TALK_IDLE_MS + TALK_LEASE_MS));
        assert_int_equal (counters (talk)->sessions, 0);
        expect_rest (talk);
        talk_say (talk, "w2", "|READY");
        talk_say (talk, "req2", "|still there?");
        talk_expect (talk, "w2", "|req2||still there?");
    }
    assert_true (n > 15);
}

/* What somebody may say, more or less. */
static void make_up (uint64_t *seed, char who, char text[64])
{
    uint32_t what = rand_below (seed, 12);
    const char *delimiter = who == 'w' ? "|" : "";
    if (who == 'c')
        snprintf (text, 64, "|x");
    else if (what == 0)
        snprintf (text, 64, "%s%s", delimiter, who == 'w' ? "READY" : "\1");
    else if (what < 3 && who == 'p')
        snprintf (text, 64, "\2");
    else
        snprintf (text, 64, "%sc%u||y", delimiter, rand_below (seed, 3));
    if (rand_below (seed, 16) == 0) /* a slip of the pen */
        text[rand_below (seed, (uint32_t) strlen (text))] = "|\1\2x"[rand_below (seed, 4)];
}

static void random_conversations_break_nothing (void **state)
{
    talk_t *talk = *state;
    static const char *const names[] = {"c0", "c1", "c2", "w0", "w1", "p0", "p1"};
    uint64_t seed = 11;
    size_t replies = 0;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        const char *name = names[rand_below (&seed, COUNT (names))];
        make_up (&seed, name[0], text);
        talk_say (talk, name, "%s", text);
        if (rand_below (&seed, 20) == 0)
            talk_advance (talk, rand_below (&seed, (uint32_t) TALK_LEASE_MS));
        if (talk_session (talk, name) != NULL && rand_below (&seed, 200) == 0)
            talk_detach (talk, name);
        replies += talk_skip (talk, "c0");
        for (size_t k = 1; k < COUNT (names); k++)
            talk_skip (talk, names[k]);
    }
    assert_true (replies > 500);
    assert_true (counters (talk)->stale > 500);
    assert_true (counters (talk)->peer_errors > 500);
    for (size_t k = 0; k < COUNT (names); k++)
        if (talk_session (talk, names[k]) != NULL)
            talk_detach (talk, names[k]);
    talk_advance (talk, TALK_IDLE_MS + TALK_LEASE_MS); /* requests expire */
    assert_int_equal (counters (talk)->sessions, 0);
    expect_rest (talk);
}

#define CASE(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (req_client_is_served_by_req_worker),
        CASE (guides_second_ready_is_known_too),
        CASE (dealer_worker_works_without_delimiter),
        CASE (dealer_client_needs_no_delimiter),
        CASE (frames_pass_as_they_are),
        CASE (worker_used_least_recently_is_next),
        CASE (requests_wait_for_a_worker_and_go_one_at_a_time),
        CASE (pirate_and_balancer_send_each_other_heartbeats),
        CASE (silent_pirate_loses_its_request_to_another_worker),
        CASE (late_answer_of_a_lost_pirate_is_dropped),
        CASE (pirate_may_start_over),
        CASE (plain_worker_stays_however_silent),
        CASE (lost_connection_gives_the_request_to_another),
        CASE (request_is_given_up_after_its_attempts),
        CASE (request_expires_in_silence),
        CASE (worker_of_an_expired_request_gets_nothing_before_it_answers),
        CASE (worker_whose_lease_is_over_gets_nothing_before_it_answers),
        CASE (client_that_left_gets_no_answer),
        CASE (idle_client_is_forgotten_and_comes_back),
        CASE (answer_to_another_address_is_dropped_and_the_worker_is_ready),
        CASE (answer_that_nobody_asked_for_is_dropped),
        CASE (req_worker_of_a_restarted_balancer_is_ready_by_its_answer),
        CASE (stranger_that_says_anything_else_is_no_worker),
        CASE (junk_of_a_worker_is_dropped_and_it_keeps_its_request),
        CASE (heartbeat_of_a_plain_worker_is_junk),
        CASE (too_many_frames_are_refused),
        CASE (requests_beyond_the_memory_cap_are_dropped),
        CASE (no_memory_costs_messages_but_nothing_else),
        CASE (random_conversations_break_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
