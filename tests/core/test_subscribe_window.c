/* Subscriptions: no more is under way than the window says, and who is too slow is told what it has
 * missed. */
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

static reader_t subscribed (peer_t *peer, zf_from_t from, uint64_t value, const char *patterns)
{
    reader_t r = events_subscribe (peer, "s", from, value, patterns);
    assert_subscribed (&r, 0);
    return r;
}

/* -- the window -------------------------------------------------------------------------------- */

static void window_is_kept_by_bytes (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 40; i++)
        peer_post_bulk (p, "s", 100, 100);
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_FIRST, 0, "");
    while (take_events (&r))
        ;
    assert_in_range (r.bytes, ZF_WINDOW_LEAST, ZF_WINDOW_LEAST + 12000);
    uint64_t before = r.bytes;
    peer_post_bulk (p, "s", 1, 100);
    events_read_to (&r, r.position - 1); /* all but the last are read, not that one */
    const zf_subscription_t *subscription = stream_of (rig)->stream->subscriptions;
    assert_true (subscription->unread_bytes >= ZF_WINDOW_LEAST);
    while (take_events (&r))
        ;
    assert_in_range (r.bytes - before, 1, before);
    events_read_to (&r, 0);
    assert_silence (r.peer);
}

static void window_is_what_was_asked_for (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 40; i++)
        peer_post_bulk (p, "s", 100, 100);
    subscribe_t as = {5, ZF_FROM_FIRST, 0, 200000, 0, "s", ""};
    reader_t r = events_subscribe_as (rig_peer (rig, "q"), &as);
    assert_subscribed (&r, 0);
    while (take_events (&r))
        ;
    assert_in_range (r.bytes, 200000, 212000);
}

static void one_batch_is_sent_however_large (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    peer_post_bulk (p, "s", 1, 300000);
    peer_post_bulk (p, "s", 1, 300000);
    assert_true (take_events (&r));
    assert_int_equal (r.records, 1);
    events_read_to (&r, r.position - 1);
    assert_silence (r.peer);
    events_read (&r);
    assert_true (take_events (&r));
    assert_int_equal (r.records, 2);
}

static void window_is_kept_by_number_of_messages (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    subscribe_t as = {5, ZF_FROM_NEW, 0, UINT64_MAX, 0, "s", ""};
    reader_t r = events_subscribe_as (rig_peer (rig, "q"), &as);
    assert_subscribed (&r, 0);
    rig->audits = false;
    for (int i = 0; i < 1500; i++)
        peer_post (p, "s", "x");
    rig->audits = true;
    while (take_events (&r))
        ;
    assert_int_equal (r.messages, ZF_UNREAD_MOST);
    events_read_to (&r, r.position - 10);
    while (take_events (&r))
        ;
    assert_int_equal (r.records, 1500);
    assert_in_range (r.messages, ZF_UNREAD_MOST + 1, ZF_UNREAD_MOST + 20);
}

static void who_does_not_read_holds_up_nobody (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    reader_t slow = subscribed (rig_peer (rig, "slow"), ZF_FROM_NEW, 0, "");
    reader_t fast = subscribed (rig_peer (rig, "fast"), ZF_FROM_NEW, 0, "");
    for (int i = 0; i < 100; i++) {
        peer_post_bulk (p, "s", 100, 100);
        while (take_events (&fast))
            ;
        events_read (&fast);
    }
    assert_int_equal (fast.records, 10000);
    while (take_events (&slow))
        ;
    assert_in_range (slow.records, 600, 800);
    for (int i = 0; i < 200 && slow.records < 10000; i++) {
        events_read (&slow);
        while (take_events (&slow))
            ;
    }
    assert_int_equal (slow.records, 10000);
    assert_int_equal (slow.missed, 0);
}

static void what_goes_before_it_was_sent_is_told_exactly (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 100000, 0);
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    reader_t slow = subscribed (rig_peer (rig, "slow"), ZF_FROM_NEW, 0, "");
    for (int i = 0; i < 40; i++)
        peer_post_bulk (p, "s", 100, 100);
    while (take_events (&slow))
        ;
    assert_int_equal (slow.missed, 0);
    for (int i = 0; i < 100; i++) {
        events_read (&slow);
        while (take_events (&slow))
            ;
    }
    assert_true (slow.missed > 1000);
    assert_int_equal (slow.records + slow.missed, 4000);
    assert_int_equal (slow.position, rig_info (rig, "s").next);
}

static void what_is_missed_is_told_though_nothing_follows_that_matches (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 20000, 0);
    rig_declare (rig, "s", &policy);
    peer_t *p = rig_peer (rig, "p");
    char body[1001] = {0};
    memset (body, 'x', 1000);
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "t");
    uint64_t begin = r.position;
    for (int i = 0; i < 100; i++)
        peer_publish (p, "s", "t", body);
    for (int i = 0; i < 40; i++)
        peer_publish (p, "s", "u", body);
    while (take_events (&r))
        ;
    uint64_t sent = r.records;
    assert_in_range (sent, 60, 70);
    events_read (&r);
    assert_true (take_events (&r));
    assert_int_equal (r.records, sent);
    assert_int_equal (r.missed, rig_info (rig, "s").first - begin - sent);
}

static void local_records_are_left_out_if_so_asked (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    reader_t all = subscribed (rig_peer (rig, "all"), ZF_FROM_NEW, 0, "");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    stream_of (rig)->stream->subscriptions->prev->not_local = true; /* the last one */
    zf_frame_t *batch = wire_batch (1, "a b", NULL);
    assert_int_equal (zf_stream_put (stream_of (rig), batch, true), 2);
    zf_frame_drop (batch);
    peer_post (p, "s", "c");
    assert_events (&all, "a b c");
    assert_events (&r, "c");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown (name, with_stream, rig_teardown)
        CASE (window_is_kept_by_bytes),
        CASE (window_is_what_was_asked_for),
        CASE (one_batch_is_sent_however_large),
        CASE (window_is_kept_by_number_of_messages),
        CASE (who_does_not_read_holds_up_nobody),
        CASE (what_goes_before_it_was_sent_is_told_exactly),
        CASE (what_is_missed_is_told_though_nothing_follows_that_matches),
        CASE (local_records_are_left_out_if_so_asked),
#undef CASE
    };
    return cmocka_run_group_tests_name ("subscribe_window", tests, NULL, NULL);
}
