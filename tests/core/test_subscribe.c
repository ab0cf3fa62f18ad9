/* Subscriptions: sessions that are sent what a stream has, from where they want on. */
#include "tests/core/events.h"
#include "tests/core/rig_log.h"

static int with_stream (void **state)
{
    rig_t *rig = rig_new (NULL);
    *state = rig;
    events_stream (rig, "s");
    return 0;
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

/* -- live -------------------------------------------------------------------------------------- */

static void subscriber_gets_what_comes_from_then_on (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    assert_int_equal (r.position, rig_info (rig, "s").next);
    assert_int_equal (r.first, rig_info (rig, "s").first);
    peer_post (p, "s", "b c");
    peer_publish (p, "s", "t", "d");
    assert_events (&r, "b c d");
    assert_int_equal (r.position, rig_info (rig, "s").next);
    assert_int_equal (r.id, r.position - 1);
    assert_int_equal (r.messages, 2);
    assert_silence (r.peer);
}

static void default_is_new (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_DEFAULT, 0, "");
    peer_post (p, "s", "b");
    assert_events (&r, "b");
}

static void replay_goes_on_live_without_a_gap_or_a_repeat (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 30; i++)
        peer_post_bulk (p, "s", 100, 100); /* 320 KB: more than a window */
    uint64_t first = rig_info (rig, "s").first;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_FIRST, 0, "");
    for (int i = 0; i < 30; i++) {
        take_events (&r);
        peer_post_bulk (p, "s", 100, 100);
        events_read (&r);
    }
    for (int i = 0; i < 1000 && r.records < 6000; i++) {
        while (take_events (&r))
            ;
        events_read (&r);
    }
    assert_int_equal (r.records, 6000);
    assert_int_equal (r.id, first + 5999);
    assert_silence (r.peer);
}

static void offset_begins_with_that_record (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a b c d");
    uint64_t first = rig_info (rig, "s").first;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_OFFSET, first + 2, "");
    assert_int_equal (r.position, first + 2);
    assert_events (&r, "c d");
    assert_int_equal (r.id, first + 3);
}

static void offset_that_is_gone_is_told_with_how_many (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 3);
    peer_t *p = rig_peer (rig, "p");
    uint64_t first = rig_info (rig, "s").first;
    for (int i = 0; i < 8; i++)
        peer_post (p, "s", "x");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_OFFSET, first + 1, "");
    assert_int_equal (r.position, first + 5);
    assert_int_equal (r.first, first + 5);
    assert_int_equal (r.missed, 4);
    assert_events (&r, "x x x");
    assert_int_equal (r.missed, 4);
}

static void offset_of_the_future_is_the_end (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    uint64_t next = rig_info (rig, "s").next;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_OFFSET, next + 100, "");
    assert_int_equal (r.position, next);
    assert_int_equal (r.missed, 0);
    peer_post (p, "s", "b");
    assert_events (&r, "b");
}

/* -- patterns ---------------------------------------------------------------------------------- */

static void subscriber_gets_what_matches (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "orders.*.paid x.>");
    peer_publish (p, "s", "orders.7.paid", "a");
    peer_publish (p, "s", "orders.7", "b");
    peer_publish (p, "s", "x.y", "c");
    peer_post (p, "s", "d");
    assert_events (&r, "a c");
    assert_silence (r.peer);
}

/* A batch whose records have topics t and u in turn. */
static zf_frame_t *striped_batch (uint64_t first, uint32_t count)
{
    zf_writer_t w = {0};
    zf_writer_reserve (&w, ZF_BATCH_HEADER);
    for (uint32_t i = 0; i < count; i++) {
        zf_writer_t encoded = {0};
        zf_props_t props = {.topic = zf_bytes_of (i % 3 == 2 ? "u" : "t")};
        char body[16];
        int size = snprintf (body, sizeof body, "r%u", i);
        assert_int_equal (zf_props_encode (&encoded, &props, NULL), 0);
        uint8_t *at = zf_writer_reserve (&w, zf_record_size (encoded.size, (size_t) size));
        zf_record_encode (at, zf_bytes (encoded.data, encoded.size),
                          zf_bytes (body, (size_t) size));
        zf_writer_free (&encoded);
    }
    zf_batch_seal (w.data, w.size, count, ZF_BATCH_HAS_PROPS, first);
    return wire_written (&w);
}

static void post_batch (peer_t *peer, zf_frame_t *batch)
{
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, "s");
    zf_mp_put_uint (&w, 0);
    peer_write (peer, &w, batch);
}

static void spans_tell_what_lies_between (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post_batch (p, striped_batch (1, 8)); /* t t u t t u t t */
    uint64_t first = rig_info (rig, "s").first;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_FIRST, 0, "t");
    assert_events (&r, "r0 r1 r3 r4 r6 r7");
    assert_int_equal (r.span_count, 5);
    assert_int_equal (r.messages, 1);
    assert_int_equal (r.id, first + 7);
    reader_t u = subscribed (rig_peer (rig, "v"), ZF_FROM_FIRST, 0, "u");
    assert_events (&u, "r2 r5");
    assert_int_equal (u.id, first + 5);
    assert_int_equal (u.position, first + 8);
}

static void many_spans_are_several_messages (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post_batch (p, striped_batch (1, 12000));
    uint64_t first = rig_info (rig, "s").first;
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_FIRST, 0, "t");
    for (int i = 0; i < 100 && r.records < 8000; i++) {
        while (take_events (&r))
            assert_true (r.span_count <= 4096);
        events_read (&r);
    }
    assert_int_equal (r.records, 8000);
    assert_true (r.messages >= 2);
    assert_int_equal (r.id, first + 11998 + (11999 % 3 != 2));
}

static void position_is_told_now_and_then_though_nothing_matches (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "t");
    uint64_t begin = r.position;
    peer_post (p, "s", "a");
    assert_silence (r.peer);
    for (int i = 0; i < 25; i++)
        peer_post_bulk (p, "s", 3000, 8);
    assert_true (take_events (&r));
    assert_int_equal (r.records, 0);
    assert_in_range (r.position - begin, 65536, 65536 + 3000);
    assert_silence (r.peer);
    peer_publish (p, "s", "t", "b");
    assert_events (&r, "b");
}

static void last_so_many_of_those_that_match (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_publish (p, "s", "t", "a b c");
    for (int i = 0; i < 5; i++)
        peer_post_bulk (p, "s", 100, 100);
    peer_publish (p, "s", "t", "d");
    peer_publish (p, "s", "u", "x");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_LAST, 3, "t");
    assert_events (&r, "b c d");
    reader_t all = subscribed (rig_peer (rig, "v"), ZF_FROM_LAST, 100, "t");
    assert_events (&all, "a b c d");
    reader_t none = subscribed (rig_peer (rig, "w"), ZF_FROM_LAST, 0, "t");
    peer_publish (p, "s", "t", "e");
    assert_events (&none, "e");
    assert_events (&r, "e");
    reader_t any = subscribed (rig_peer (rig, "x"), ZF_FROM_LAST, 2, ">");
    assert_events (&any, "x e");
    reader_t bare = subscribed (rig_peer (rig, "y"), ZF_FROM_LAST, 2, "");
    assert_events (&bare, "x e");
}

static void last_of_what_is_on_disk_is_looked_for_without_holding_up_others (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1 << 20;
    rig_t *rig = rig_new_logged (&options, NULL);
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_publish (p, "s", "t", "a b c");
    for (int i = 0; i < 200; i++)
        peer_post_bulk (p, "s", 100, 200);
    assert_true (rig->engine->store.away > 100);
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_LAST, 2, "t");
    assert_events (&r, "b c");
    assert_int_equal (r.missed, 0);
    rig_free (rig);
}

/* -- frames ------------------------------------------------------------------------------------ */

static void whole_batch_goes_out_as_it_came (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    subscribed (rig_peer (rig, "v"), ZF_FROM_NEW, 0, "");
    zf_frame_t *batch = wire_bulk (1, 100, 200);
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, "s");
    zf_mp_put_uint (&w, 0);
    zf_frame_t *control = wire_written (&w);
    zf_frame_t *frames[] = {control, batch};
    zf_engine_input (p->session, frames, 2);
    zf_frame_drop (control);
    zf_engine_decide (rig->engine);
    zf_effect_t effect;
    int shared = 0;
    while (zf_engine_effect (rig->engine, &effect))
        shared += effect.count == 2 && effect.frames[1].shared == batch;
    assert_int_equal (shared, 2);
    zf_engine_sent (rig->engine);
    zf_frame_drop (batch);
}

static void small_posts_are_put_together_for_those_behind (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 100; i++)
        peer_post (p, "s", "x");
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_FIRST, 0, "");
    assert_true (take_events (&r));
    assert_int_equal (r.records, 100);
    assert_silence (r.peer);
}

/* -- durable streams --------------------------------------------------------------------------- */

static void nothing_is_sent_before_it_is_on_disk (void **state)
{
    (void) state;
    rig_t *rig = rig_new_logged (NULL, NULL);
    events_stream (rig, "s");
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "s@g", 10);
    reader_t r = subscribed (rig_peer (rig, "q"), ZF_FROM_NEW, 0, "");
    reader_t t = subscribed (rig_peer (rig, "v"), ZF_FROM_NEW, 0, "t");
    rig->log->by_hand = true;
    peer_publish (p, "s", "t", "a b");
    peer_publish (p, "s", "t", "c");
    assert_silence (r.peer);
    assert_silence (t.peer);
    assert_silence (w);
    assert_silence (p);
    rig_sync_some (rig, 1);
    assert_events (&r, "a b");
    assert_events (&t, "a b");
    assert_delivered (w, "s@g", "a b", 1);
    assert_silence (r.peer);
    rig_sync (rig);
    assert_events (&r, "c");
    assert_events (&t, "c");
    assert_delivered (w, "s@g", "c", 1);
    rig_free (rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown (name, with_stream, rig_teardown)
        CASE (subscriber_gets_what_comes_from_then_on),
        CASE (default_is_new),
        CASE (replay_goes_on_live_without_a_gap_or_a_repeat),
        CASE (offset_begins_with_that_record),
        CASE (offset_that_is_gone_is_told_with_how_many),
        CASE (offset_of_the_future_is_the_end),
        CASE (subscriber_gets_what_matches),
        CASE (spans_tell_what_lies_between),
        CASE (many_spans_are_several_messages),
        CASE (position_is_told_now_and_then_though_nothing_matches),
        CASE (last_so_many_of_those_that_match),
        CASE (whole_batch_goes_out_as_it_came),
        CASE (small_posts_are_put_together_for_those_behind),
#undef CASE
        cmocka_unit_test (last_of_what_is_on_disk_is_looked_for_without_holding_up_others),
        cmocka_unit_test (nothing_is_sent_before_it_is_on_disk),
    };
    return cmocka_run_group_tests_name ("subscribe", tests, NULL, NULL);
}
