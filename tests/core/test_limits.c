/* Queues that one client may make. */
#include "tests/core/known.h"

static rig_t *rig_of_limit (uint32_t most)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.limits.queues = most;
    return rig_new (&options);
}

static void client_makes_so_many_queues_and_no_more (void **state)
{
    (void) state;
    rig_t *rig = rig_of_limit (3);
    peer_t *a = rig_peer (rig, "a");
    peer_t *b = rig_peer (rig, "b");
    peer_post (a, "q1", "x");
    peer_request (a, "q2", "x");
    peer_consume (a, "q3", 1);
    peer_forget_letters (a);
    peer_post (a, "q4", "x");
    assert_refused (a, "q4", 1, 1, ZF_E_LIMIT);
    assert_denied (a, peer_request (a, "q4", "x"), ZF_E_LIMIT);
    peer_consume (a, "q4", 1);
    assert_error (a, ZF_E_LIMIT);
    peer_admin (a, "stream", "q4", NULL);
    expect_words (a, ZF_E_LIMIT, "limit reached: one client can't make more queues");
    send_make_stream (a, "q4");
    assert_refused (a, "q4", 1, 1, ZF_E_LIMIT);
    assert_int_equal (queues (rig), 3);
    assert_int_equal (rig->engine->counters.limited, 5);
    assert_told (rig, "a has made 3 queues, which is the limit: may not post to 'q4'");
    peer_post (b, "q4", "x");
    assert_confirmed (b, "q4", 1, 1);
    a->low = 2;
    peer_post (a, "q4", "x");
    peer_forget_letters (a);
    assert_int_equal (rig_info (rig, "q4").length, 2);
    rig_free (rig);
}

static void queue_that_goes_makes_room_for_another (void **state)
{
    (void) state;
    rig_t *rig = rig_of_limit (1);
    peer_t *a = rig_peer (rig, "a");
    peer_admin (a, "stream", "s1", NULL);
    take_result (a, 0, NULL);
    peer_admin (a, "stream", "s2", NULL);
    take_result (a, ZF_E_LIMIT, NULL);
    peer_admin (a, "forget", "s1", NULL);
    take_result (a, 0, NULL);
    peer_admin (a, "stream", "s2", NULL);
    take_result (a, 0, NULL);
    rig_free (rig);
}

static void queues_stay_a_clients_when_it_comes_again (void **state)
{
    (void) state;
    rig_t *rig = rig_of_limit (1);
    peer_t *a = rig_peer (rig, "a");
    peer_post (a, "q1", "x");
    assert_confirmed (a, "q1", 1, 1);
    peer_reconnect (a);
    peer_forget_letters (a);
    peer_post (a, "q2", "x");
    assert_refused (a, "q2", 1, 1, ZF_E_LIMIT);
    peer_bye (a);
    peer_t *b = rig_peer (rig, "b");
    peer_post (b, "q2", "x");
    assert_confirmed (b, "q2", 1, 1);
    rig_free (rig);
}

static void sessions_of_a_key_share_the_queues_they_make (void **state)
{
    (void) state;
    rig_t *rig = rig_of_limit (2);
    peer_t *a = keyed_peer (rig, "a", "anna");
    peer_t *b = keyed_peer (rig, "b", "anna");
    peer_t *c = keyed_peer (rig, "c", "ben");
    peer_post (a, "q1", "x");
    peer_post (b, "q2", "x");
    assert_confirmed (b, "q2", 1, 1);
    peer_post (b, "q3", "x");
    assert_refused (b, "q3", 1, 1, ZF_E_LIMIT);
    peer_post (c, "q3", "x");
    assert_confirmed (c, "q3", 1, 1);
    rig_free (rig);
}

static void queues_stay_a_keys_when_it_comes_as_another (void **state)
{
    (void) state;
    rig_t *rig = rig_of_limit (1);
    peer_t *a = keyed_peer (rig, "a", "anna");
    peer_admin (a, "stream", "s1", NULL);
    take_result (a, 0, NULL);
    peer_drop (a);
    peer_t *b = keyed_peer (rig, "b", "anna");
    peer_admin (b, "stream", "s2", NULL);
    take_result (b, ZF_E_LIMIT, NULL);
    peer_drop (b);
    assert_int_equal (HASH_COUNT (rig->engine->accounts), 1);
    peer_t *c = rig_peer (rig, "c");
    peer_admin (c, "forget", "s1", NULL);
    take_result (c, 0, NULL);
    assert_int_equal (HASH_COUNT (rig->engine->accounts), 0);
    b = keyed_peer (rig, "d", "anna");
    peer_admin (b, "stream", "s2", NULL);
    take_result (b, 0, NULL);
    rig_free (rig);
}

static void dead_letters_are_no_clients_queue (void **state)
{
    (void) state;
    rig_t *rig = rig_of_limit (1);
    peer_t *a = rig_peer (rig, "a");
    peer_post (a, "q1", "x");
    assert_confirmed (a, "q1", 1, 1);
    peer_consume (a, "q1", 1);
    assert_delivered (a, "q1", "x", 1);
    peer_reject (a, "q1", "x", "no");
    assert_int_equal (rig_info (rig, "q1.dead").length, 1);
    rig_free (rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (client_makes_so_many_queues_and_no_more),
        cmocka_unit_test (queue_that_goes_makes_room_for_another),
        cmocka_unit_test (queues_stay_a_clients_when_it_comes_again),
        cmocka_unit_test (sessions_of_a_key_share_the_queues_they_make),
        cmocka_unit_test (queues_stay_a_keys_when_it_comes_as_another),
        cmocka_unit_test (dead_letters_are_no_clients_queue),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
