/* Subscriptions: how they begin, are replaced and end, who waits for them, and what is no way to
 * ask for one. */
#include "tests/core/events.h"

static int with_stream (void **state)
{
    rig_t *rig = rig_new (NULL);
    *state = rig;
    events_stream (rig, "s");
    return 0;
}

static zf_queue_t *stream_of (rig_t *rig)
{
    return zf_engine_find (rig->engine, zf_bytes_of ("s"));
}

/* A stream of so many records, each of them a chunk of its own. */
static void declare_short (rig_t *rig, uint64_t max_length)
{
    zf_policy_t policy = events_policy (max_length, 0, 0);
    rig_declare (rig, "s", &policy);
}

static reader_t subscribed (peer_t *peer, zf_from_t from, uint64_t value, const char *patterns)
{
    reader_t r = events_subscribe (peer, "s", from, value, patterns);
    assert_subscribed (&r, 0);
    return r;
}

/* -- numbers ----------------------------------------------------------------------------------- */

static void session_has_several_subscriptions (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *q = rig_peer (rig, "q");
    events_stream (rig, "u");
    subscribe_t one = {1, ZF_FROM_NEW, 0, 0, 0, "s", ""};
    subscribe_t two = {2, ZF_FROM_NEW, 0, 0, 0, "u", ""};
    reader_t r = events_subscribe_as (q, &one);
    assert_subscribed (&r, 0);
    reader_t t = events_subscribe_as (q, &two);
    assert_subscribed (&t, 0);
    peer_post (p, "u", "a");
    assert_events (&t, "a");
    peer_post (p, "s", "b");
    assert_events (&r, "b");
    events_unsubscribe (&r);
    peer_post (p, "s", "c");
    peer_post (p, "u", "d");
    assert_events (&t, "d");
    assert_silence (q);
    assert_int_equal (rig_info (rig, "s").subscribers, 0);
    assert_int_equal (rig_info (rig, "u").subscribers, 1);
}

static void same_number_replaces_it (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *q = rig_peer (rig, "q");
    peer_post (p, "s", "a b");
    reader_t r = subscribed (q, ZF_FROM_FIRST, 0, "");
    assert_events (&r, "a b");
    r = subscribed (q, ZF_FROM_OFFSET, r.position - 1, "");
    assert_events (&r, "b");
    assert_int_equal (rig_info (rig, "s").subscribers, 1);
}

static void refusal_is_the_end_of_the_one_before_too (void **state)
{
    rig_t *rig = *state;
    peer_t *q = rig_peer (rig, "q");
    static const char *const names[] = {"s", "none"};
    for (int i = 0; i < 2; i++) {
        subscribed (q, ZF_FROM_NEW, 0, "");
        reader_t r = events_subscribe (q, names[i], ZF_FROM_NEW, 0, i == 0 ? "a..b" : "");
        assert_subscribed (&r, i == 0 ? ZF_E_INVAL : ZF_E_NOT_FOUND);
        assert_int_equal (rig_info (rig, "s").subscribers, 0);
    }
}

static void too_many_are_refused (void **state)
{
    rig_t *rig = *state;
    peer_t *q = rig_peer (rig, "q");
    rig->audits = false;
    for (uint64_t i = 0; i < ZF_SUBSCRIPTIONS_MAX; i++) {
        subscribe_t as = {i, ZF_FROM_NEW, 0, 0, 0, "s", ""};
        reader_t r = events_subscribe_as (q, &as);
        assert_subscribed (&r, 0);
    }
    rig->audits = true;
    subscribe_t more = {ZF_SUBSCRIPTIONS_MAX, ZF_FROM_NEW, 0, 0, 0, "s", ""};
    reader_t r = events_subscribe_as (q, &more);
    assert_subscribed (&r, ZF_E_LIMIT);
    assert_int_equal (rig_info (rig, "s").subscribers, ZF_SUBSCRIPTIONS_MAX);
    more.number = 0;
    r = events_subscribe_as (q, &more);
    assert_subscribed (&r, 0);
}

static void stream_that_is_not_there_is_made_if_so_asked (void **state)
{
    rig_t *rig = *state;
    peer_t *q = rig_peer (rig, "q");
    subscribe_t as = {1, ZF_FROM_FIRST, 0, 0, 0, "fresh", ""};
    reader_t r = events_subscribe_as (q, &as);
    assert_subscribed (&r, ZF_E_NOT_FOUND);
    as.flags = ZF_MAKE_STREAM;
    r = events_subscribe_as (q, &as);
    assert_subscribed (&r, 0);
    peer_post (rig_peer (rig, "p"), "fresh", "a");
    assert_events (&r, "a");
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "queue", &policy);
    as.stream = "queue";
    r = events_subscribe_as (q, &as);
    assert_subscribed (&r, ZF_E_INVAL);
}

/* -- the end ----------------------------------------------------------------------------------- */

static void session_that_ends_takes_its_subscriptions_along (void **state)
{
    rig_t *rig = *state;
    peer_t *q = rig_peer (rig, "q");
    subscribed (q, ZF_FROM_NEW, 0, "t u");
    events_await (q, 9, "s", "x", 5, 0);
    peer_drop (q);
    assert_int_equal (rig_info (rig, "s").subscribers, 0);
    assert_null (stream_of (rig)->stream->awaits);
}

static void silent_subscriber_is_taken_for_gone (void **state)
{
    rig_t *rig = *state;
    peer_t *q = rig_peer (rig, "q");
    subscribed (q, ZF_FROM_NEW, 0, "");
    peer_crash (q);
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "s").subscribers, 0);
}

static void subscriber_that_beats_stays (void **state)
{
    rig_t *rig = *state;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    rig_advance (rig, 200000);
    peer_post (rig_peer (rig, "p"), "s", "a");
    assert_events (&r, "a");
}

static void after_a_new_session_it_goes_on_from_its_position (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *q = rig_peer (rig, "q");
    peer_post (p, "s", "a b");
    reader_t r = subscribed (q, ZF_FROM_FIRST, 0, "");
    assert_events (&r, "a b");
    peer_post (p, "s", "c d");
    peer_forget_letters (q); /* lost on the way */
    peer_reconnect (q);
    peer_forget_letters (q);
    r = subscribed (q, ZF_FROM_OFFSET, r.position, "");
    assert_events (&r, "c d");
    assert_int_equal (rig_info (rig, "s").subscribers, 1);
}

static void stream_with_subscribers_is_not_forgotten (void **state)
{
    rig_t *rig = *state;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    events_forget (rig, "s", ZF_E_BUSY);
    events_unsubscribe (&r);
    events_forget (rig, "s", 0);
    assert_silence (r.peer);
}

static void subscribers_hear_that_their_stream_is_gone (void **state)
{
    rig_t *rig = *state;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    zf_engine_forget_queue (stream_of (rig));
    rig_turn (rig);
    assert_subscribed (&r, ZF_E_NOT_FOUND);
    assert_null (r.peer->session->subscriptions);
}

/* -- waiting for readers ----------------------------------------------------------------------- */

static void publisher_waits_until_there_are_so_many (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    events_await (p, 9, "s", "t.u", 2, 0);
    assert_silence (p);
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "t.*");
    assert_silence (p);
    subscribed (rig_peer (rig, "v"), ZF_FROM_NEW, 0, "u");
    assert_silence (p);
    events_group (rig, "s@g", ZF_FROM_NEW, 0, ">", NULL);
    assert_awaited (p, 9, 0, 2);
    assert_silence (p);
    events_await (p, 9, "s", "t.u", 2, 0);
    assert_awaited (p, 9, 0, 2);
    events_unsubscribe (&r);
    events_await (p, 9, "s", "t.u", 2, 0);
    assert_silence (p);
}

static void waiting_for_nobody_ends_at_once (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    events_await (p, 9, "s", "t", 0, 0);
    assert_awaited (p, 9, 0, 0);
    events_await (p, 9, "none", "t", 1, 0);
    assert_awaited (p, 9, ZF_E_NOT_FOUND, 0);
    events_await (p, 9, "none", "t", 1, ZF_MAKE_STREAM);
    assert_silence (p);
    subscribe_t as = {1, ZF_FROM_NEW, 0, 0, 0, "none", ""};
    reader_t r = events_subscribe_as (rig_peer (rig, "q"), &as);
    assert_subscribed (&r, 0);
    assert_awaited (p, 9, 0, 1);
}

static void too_many_waits_are_refused (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (uint64_t i = 0; i < ZF_AWAITS_MAX; i++)
        events_await (p, i, "s", "t", 1, 0);
    assert_silence (p);
    events_await (p, ZF_AWAITS_MAX, "s", "t", 1, 0);
    assert_awaited (p, ZF_AWAITS_MAX, ZF_E_LIMIT, 0);
    events_await (p, 0, "s", "u", 2, 0); /* instead of the first */
    assert_silence (p);
    subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    for (uint64_t i = 1; i < ZF_AWAITS_MAX; i++)
        assert_awaited (p, i, 0, 1);
    assert_silence (p);
}

static void who_waits_hears_that_the_stream_is_gone (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    events_await (p, 9, "s", "t", 1, 0);
    assert_silence (p);
    events_forget (rig, "s", 0);
    assert_awaited (p, 9, ZF_E_NOT_FOUND, 0);
    assert_int_equal (p->session->await_count, 0);
}

static void position_is_told_when_what_it_has_passed_goes (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 160);
    peer_t *p = rig_peer (rig, "p");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "no");
    for (int i = 0; i < 50; i++) {
        peer_publish (p, "s", "a", "x x x x x x x x x x x x x x x x x x x x");
        rig_advance (rig, 1000);
    }
    while (take_events (&r))
        assert_int_equal (r.records, 0);
    assert_in_range (r.position, rig_info (rig, "s").first, rig_info (rig, "s").next);
    assert_in_range (r.messages, 1, 100);
    r = subscribed (r.peer, ZF_FROM_OFFSET, r.position, "no");
    assert_int_equal (r.missed, 0);
}

/* -- what is malformed ------------------------------------------------------------------------- */

/* A SUBSCRIBE of a few arguments too few, or with one that can't be. */
static void malformed_commands_are_answered (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    static const unsigned commands[] = {ZF_CMD_SUBSCRIBE, ZF_CMD_READ, ZF_CMD_UNSUBSCRIBE,
                                        ZF_CMD_AWAIT};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        zf_writer_t w = wire_control (commands[i], 0);
        peer_write (p, &w, NULL);
        assert_error (p, ZF_E_PROTO);
        zf_writer_t v = wire_control (commands[i], 1);
        zf_mp_put_map (&v, 0);
        peer_write (p, &v, NULL);
        assert_error (p, ZF_E_PROTO);
    }
    subscribe_t as = {1, ZF_FROM_NEW + 1, 0, 0, 0, "s", ""};
    events_subscribe_as (p, &as);
    assert_error (p, ZF_E_PROTO);
    assert_int_equal (rig_info (rig, "s").subscribers, 0);
}

static void pattern_that_is_none_is_refused (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    static const char *const wrong[] = {"a..b", ">.a", "a b.", ".", "ok a.>.c"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        reader_t r = events_subscribe (p, "s", ZF_FROM_NEW, 0, wrong[i]);
        assert_subscribed (&r, ZF_E_INVAL);
    }
    char many[1024] = "";
    for (size_t i = 0; i <= ZF_PATTERNS_MAX; i++)
        memcpy (many + 2 * i, "a ", sizeof "a ");
    reader_t r = events_subscribe (p, "s", ZF_FROM_NEW, 0, many);
    assert_subscribed (&r, ZF_E_LIMIT);
    assert_int_equal (rig_info (rig, "s").subscribers, 0);
}

static void read_of_what_was_not_sent_does_no_harm (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    events_read_to (&r, UINT64_MAX);
    reader_t none = {.peer = r.peer, .number = 77};
    events_read_to (&none, 5);
    events_unsubscribe (&none);
    peer_post (p, "s", "a");
    assert_events (&r, "a");
    events_read_to (&r, UINT64_MAX);
    peer_post (p, "s", "b");
    assert_events (&r, "b");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown (name, with_stream, rig_teardown)
        CASE (session_has_several_subscriptions),
        CASE (same_number_replaces_it),
        CASE (refusal_is_the_end_of_the_one_before_too),
        CASE (too_many_are_refused),
        CASE (stream_that_is_not_there_is_made_if_so_asked),
        CASE (session_that_ends_takes_its_subscriptions_along),
        CASE (silent_subscriber_is_taken_for_gone),
        CASE (subscriber_that_beats_stays),
        CASE (after_a_new_session_it_goes_on_from_its_position),
        CASE (stream_with_subscribers_is_not_forgotten),
        CASE (subscribers_hear_that_their_stream_is_gone),
        CASE (publisher_waits_until_there_are_so_many),
        CASE (waiting_for_nobody_ends_at_once),
        CASE (too_many_waits_are_refused),
        CASE (who_waits_hears_that_the_stream_is_gone),
        CASE (position_is_told_when_what_it_has_passed_goes),
        CASE (malformed_commands_are_answered),
        CASE (pattern_that_is_none_is_refused),
        CASE (read_of_what_was_not_sent_does_no_harm),
#undef CASE
    };
    return cmocka_run_group_tests_name ("subscribe_life", tests, NULL, NULL);
}
