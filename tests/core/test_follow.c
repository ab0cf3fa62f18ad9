/* Groups of a stream: queues that take their records from there. */
#include "tests/core/events.h"
#include "tests/core/rig_log.h"

static const char *const G = "s@g";

static int with_stream (void **state)
{
    rig_t *rig = rig_new (NULL);
    *state = rig;
    events_stream (rig, "s");
    return 0;
}

static zf_queue_t *queue_of (rig_t *rig, const char *name)
{
    return zf_engine_find (rig->engine, zf_bytes_of (name));
}

/* A stream each of whose records is a chunk of its own, so many of them. */
static void declare_short (rig_t *rig, const char *name, uint64_t max_length)
{
    zf_policy_t policy = events_policy (max_length, 0, 0);
    rig_declare (rig, name, &policy);
}

/* -- where it begins --------------------------------------------------------------------------- */

static void group_begins_with_the_first_record (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a b");
    peer_t *w = rig_worker (rig, "w", G, 10);
    assert_delivered (w, G, "a b", 1);
    peer_post (p, "s", "c");
    assert_delivered (w, G, "c", 1);
    assert_silence (w);
}

static void group_begins_where_it_is_told_to (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, "s", 10);
    peer_t *p = rig_peer (rig, "p");
    const char *const bodies[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++)
        peer_post (p, "s", bodies[i]);
    uint64_t first = rig_info (rig, "s").first;
    events_group (rig, "s@first", ZF_FROM_FIRST, 0, "", NULL);
    events_group (rig, "s@default", ZF_FROM_DEFAULT, 0, "", NULL);
    events_group (rig, "s@offset", ZF_FROM_OFFSET, first + 1, "", NULL);
    events_group (rig, "s@last", ZF_FROM_LAST, 1, "", NULL);
    events_group (rig, "s@new", ZF_FROM_NEW, 0, "", NULL);
    peer_post (p, "s", "e");
    peer_t *w = rig_worker (rig, "w", "s@first", 10);
    assert_delivered (w, "s@first", "a b c d e", 1);
    peer_consume (w, "s@default", 10);
    assert_delivered (w, "s@default", "a b c d e", 1);
    peer_consume (w, "s@offset", 10);
    assert_delivered (w, "s@offset", "b c d e", 1);
    peer_consume (w, "s@last", 10);
    assert_delivered (w, "s@last", "d e", 1);
    peer_consume (w, "s@new", 10);
    assert_delivered (w, "s@new", "e", 1);
}

static void group_that_is_there_stays_as_it_is (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_publish (p, "s", "t", "a");
    events_group (rig, G, ZF_FROM_FIRST, 0, "t", NULL);
    events_group (rig, G, ZF_FROM_NEW, 0, "u", NULL);
    peer_t *w = rig_worker (rig, "w", G, 10);
    assert_delivered (w, G, "a", 1);
}

static void group_of_no_stream_is_a_plain_queue (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "x@g", 1);
    assert_silence (w);
    assert_null (queue_of (rig, "x@g")->follow);
    peer_admin (rig->admin, "group", "y@g", NULL);
    take_result (rig->admin, ZF_E_INVAL, NULL); /* nil is no map */
    zf_writer_t map = {0};
    zf_mp_put_map (&map, 0);
    peer_admin (rig->admin, "group", "y@g", &map);
    take_result (rig->admin, ZF_E_NOT_FOUND, NULL);
    assert_null (queue_of (rig, "y@g"));
}

static void groups_know_nothing_of_each_other (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *v = rig_worker (rig, "v", "s@a", 1);
    peer_t *w = rig_worker (rig, "w", "s@b", 10);
    peer_post (p, "s", "a b c");
    assert_delivered (v, "s@a", "a", 1);
    assert_delivered (w, "s@b", "a b c", 1);
    peer_ack (v, "s@a", "a");
    assert_delivered (v, "s@a", "b", 1);
    peer_ack (w, "s@b", "a b c");
    assert_int_equal (rig_info (rig, "s@a").lag, 2);
    assert_int_equal (rig_info (rig, "s@b").lag, 0);
    assert_int_equal (rig_info (rig, "s").length, 3);
    assert_int_equal (rig_info (rig, "s").groups, 2);
}

/* -- work -------------------------------------------------------------------------------------- */

static void members_share_the_work (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *v = rig_worker (rig, "v", G, 1);
    peer_t *w = rig_worker (rig, "w", G, 1);
    peer_post (p, "s", "a b c d");
    assert_delivered (v, G, "a", 1);
    assert_delivered (w, G, "b", 1);
    peer_ack (w, G, "b");
    assert_delivered (w, G, "c", 1);
    peer_ack (v, G, "a");
    assert_delivered (v, G, "d", 1);
    zf_queue_info_t info = rig_info (rig, G);
    assert_int_equal (info.acked, 2);
    assert_int_equal (info.leased, 2);
    assert_int_equal (info.lag, 2);
    assert_int_equal (info.first, peer_held (w, G, "c"));
}

static void offset_of_a_record_is_its_id_in_the_group (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b c");
    assert_delivered (w, G, "a b c", 1);
    assert_int_equal (peer_held (w, G, "b"), rig_info (rig, "s").first + 1);
}

static void nack_comes_back_after_the_backoff (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b");
    assert_delivered (w, G, "a b", 1);
    peer_nack (w, G, "a", 700);
    peer_ack (w, G, "b");
    rig_advance (rig, 699);
    assert_silence (w);
    assert_int_equal (rig_info (rig, G).delayed, 1);
    rig_advance (rig, 1);
    assert_delivered (w, G, "a", 2);
    assert_int_equal (rig_info (rig, G).lag, 1);
}

static void lease_of_a_silent_member_is_given_to_another (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *v = rig_worker (rig, "v", G, 10);
    peer_post (p, "s", "a b");
    assert_delivered (v, G, "a b", 1);
    peer_crash (v);
    peer_t *w = rig_worker (rig, "w", G, 10);
    rig_advance (rig, 5000);
    assert_delivered (w, G, "a b", 2);
}

static void member_that_leaves_gives_its_records_back (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *v = rig_worker (rig, "v", G, 2);
    peer_post (p, "s", "a b c");
    assert_delivered (v, G, "a b", 1);
    peer_drop (v);
    peer_t *w = rig_worker (rig, "w", G, 10);
    assert_delivered (w, G, "a b", 2);
    assert_delivered (w, G, "c", 1);
    peer_release (w, G, "a");
    assert_delivered (w, G, "a", 2);
}

static zf_policy_t group_policy (void)
{
    zf_policy_t policy = rig_policy ();
    policy.backoff_min_ms = policy.backoff_max_ms = 0;
    policy.max_attempts = 2;
    return policy;
}

static void last_attempt_ends_in_the_dead_letters_of_the_group (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = group_policy ();
    events_group (rig, G, ZF_FROM_FIRST, 0, "", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_publish (p, "s", "t", "a");
    assert_delivered (w, G, "a", 1);
    peer_nack (w, G, "a", 0);
    assert_delivered (w, G, "a", 2);
    peer_nack (w, G, "a", 0);
    assert_silence (w);
    assert_string_equal (rig_bodies (rig, "s@g.dead"), "a");
    assert_int_equal (rig_info (rig, G).dead, 1);
    assert_int_equal (rig_info (rig, G).lag, 0);
    assert_int_equal (rig_info (rig, "s").length, 1);
    assert_null (queue_of (rig, "s@g.dead")->follow);
}

static void dead_letter_goes_back_to_its_group_alone (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *v = rig_worker (rig, "v", "s@h", 10);
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_publish (p, "s", "t", "a b");
    assert_delivered (v, "s@h", "a b", 1);
    assert_delivered (w, G, "a b", 1);
    peer_reject (w, G, "a", "bad");
    assert_string_equal (rig_bodies (rig, "s@g.dead"), "a");
    zf_writer_t all = {0};
    zf_mp_put_uint (&all, 10);
    peer_admin (rig->admin, "requeue", G, &all);
    zf_reader_t r = take_result (rig->admin, 0, NULL);
    assert_int_equal (zf_mp_uint (&r), 1);
    assert_delivered (w, G, "a", 1);
    assert_silence (v);
    assert_int_equal (rig_info (rig, "s").length, 2);
    peer_ack (w, G, "a b");
    assert_int_equal (rig_info (rig, G).length, 0);
    assert_int_equal (rig_info (rig, G).lag, 0);
}

static void post_to_a_group_is_for_it_alone (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, G, "x");
    assert_confirmed (p, G, 1, 1);
    assert_delivered (w, G, "x", 1);
    peer_post (p, "s", "a");
    assert_delivered (w, G, "a", 1);
    peer_ack (w, G, "x a");
    assert_int_equal (rig_info (rig, "s").length, 1);
    assert_int_equal (rig_info (rig, G).length, 0);
    assert_int_equal (rig_info (rig, G).bytes, 0);
}

/* -- order ------------------------------------------------------------------------------------- */

static void records_of_a_key_come_one_at_a_time (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = group_policy ();
    policy.ordered = true;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_t *v = rig_worker (rig, "v", G, 1);
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_publish_key (p, "s", "k", "a b");
    peer_publish_key (p, "s", "l", "c");
    assert_delivered (v, G, "a", 1);
    assert_delivered (w, G, "c", 1);
    assert_silence (w);
    peer_nack (v, G, "a", 0);
    assert_delivered (w, G, "a", 2);
    peer_ack (w, G, "a");
    peer_t *any = v->inbox != NULL ? v : w;
    assert_delivered (any, G, "b", 1);
    peer_ack (any, G, "b");
    peer_ack (w, G, "c");
    assert_int_equal (rig_info (rig, G).lag, 0);
}

static void ordered_group_goes_on_for_long (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = group_policy ();
    policy.ordered = true;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 3);
    for (int i = 0; i < 100; i++) {
        char key[4] = {(char) ('a' + i % 7), '\0'};
        peer_publish_key (p, "s", key, "x y");
    }
    uint64_t first, count;
    uint64_t total = 0;
    uint64_t last[7] = {0};
    uint64_t begin = rig_info (rig, "s").first;
    while (take_batch (w, &first, &count)) {
        uint64_t key = (first - begin) / 2 % 7;
        assert_true (count == 1 && first > last[key]);
        last[key] = first;
        total++;
        peer_settle (w, ZF_CMD_ACK, G, first, count);
    }
    assert_int_equal (total, 200);
    assert_int_equal (rig->engine->overhead, 0);
}

/* -- filters ----------------------------------------------------------------------------------- */

static void group_with_patterns_gets_what_matches (void **state)
{
    rig_t *rig = *state;
    events_group (rig, G, ZF_FROM_FIRST, 0, "orders.* x.>", NULL);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_publish (p, "s", "orders.paid", "a");
    peer_publish (p, "s", "orders.paid.late", "b");
    peer_post (p, "s", "c");
    peer_publish (p, "s", "x.y.z", "d e");
    assert_delivered (w, G, "a", 1);
    assert_delivered (w, G, "d e", 1);
    peer_ack (w, G, "a d e");
    zf_queue_info_t info = rig_info (rig, G);
    assert_int_equal (info.lag, 0);
    assert_int_equal (info.acked, 3);
    assert_int_equal (info.missed, 0);
    assert_int_equal (rig->engine->overhead, 0);
}

static void group_picks_records_out_of_a_batch (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 10; i++) {
        peer_publish (p, "s", "t", "a b");
        peer_publish (p, "s", "u", "c d e");
    }
    events_group (rig, G, ZF_FROM_FIRST, 0, "t", NULL);
    uint64_t begin = rig_info (rig, "s").first;
    peer_t *w = rig_worker (rig, "w", G, 100);
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t first, count;
        assert_true (take_batch (w, &first, &count));
        assert_int_equal (first, begin + 5 * i);
        assert_int_equal (count, 2);
        peer_settle (w, ZF_CMD_ACK, G, first, count);
    }
    assert_silence (w);
    assert_int_equal (rig_info (rig, G).lag, 0);
}

static void group_that_nothing_matches_is_never_behind (void **state)
{
    rig_t *rig = *state;
    events_group (rig, G, ZF_FROM_FIRST, 0, "never", NULL);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    for (int i = 0; i < 300; i++)
        peer_post_bulk (p, "s", 10, 1000);
    assert_silence (w);
    zf_queue_info_t info = rig_info (rig, G);
    assert_int_equal (info.lag, 0);
    assert_int_equal (info.first, rig_info (rig, "s").next);
    peer_publish (p, "s", "never", "a");
    assert_delivered (w, G, "a", 1);
}

/* -- what goes before it was read -------------------------------------------------------------- */

static void records_that_went_are_counted_as_missed (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, "s", 3);
    events_group (rig, G, ZF_FROM_FIRST, 0, "", NULL);
    peer_t *p = rig_peer (rig, "p");
    const char *const bodies[] = {"a", "b", "c", "d", "e", "f", "g"};
    for (int i = 0; i < 5; i++)
        peer_post (p, "s", bodies[i]);
    peer_t *w = rig_worker (rig, "w", G, 1);
    assert_delivered (w, G, "c", 1);
    assert_int_equal (rig_info (rig, G).missed, 2);
    peer_post (p, "s", bodies[5]);
    peer_post (p, "s", bodies[6]);
    peer_ack (w, G, "c"); /* which had gone from the stream, but not from the group */
    assert_delivered (w, G, "e", 1);
    assert_int_equal (rig_info (rig, G).missed, 3);
    assert_int_equal (rig_info (rig, G).lag, 3);
}

static void record_at_a_member_stays_though_the_stream_lets_it_go (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b");
    assert_delivered (w, G, "a b", 1);
    assert_int_equal (events_trim (rig, "s", UINT64_MAX), 2);
    peer_release (w, G, "a");
    assert_delivered (w, G, "a", 1);
    peer_ack (w, G, "a b");
    assert_int_equal (rig_info (rig, G).missed, 0);
    assert_int_equal (rig_info (rig, G).lag, 0);
}

static void trim_is_missed_by_who_had_not_read (void **state)
{
    rig_t *rig = *state;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", NULL);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a b");
    events_trim (rig, "s", UINT64_MAX);
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "c");
    assert_delivered (w, G, "c", 1);
    assert_int_equal (rig_info (rig, G).missed, 2);
}

static void purge_of_a_group_passes_over_what_is_there (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 1);
    peer_post (p, "s", "a b c d");
    assert_delivered (w, G, "a", 1);
    peer_admin (rig->admin, "purge", G, NULL);
    zf_reader_t r = take_result (rig->admin, 0, NULL);
    assert_int_equal (zf_mp_uint (&r), 3);
    assert_int_equal (rig_info (rig, "s").length, 4);
    assert_int_equal (rig_info (rig, G).lag, 1);
    peer_post (p, "s", "e");
    peer_ack (w, G, "a");
    assert_delivered (w, G, "e", 1);
    assert_int_equal (rig_info (rig, G).missed, 0);
}

static void lag_is_what_is_not_finished (void **state)
{
    rig_t *rig = *state;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", NULL);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a b c");
    assert_int_equal (rig_info (rig, G).lag, 3);
    peer_t *w = rig_worker (rig, "w", G, 2);
    assert_delivered (w, G, "a b", 1);
    assert_int_equal (rig_info (rig, G).lag, 3);
    peer_ack (w, G, "b");
    assert_delivered (w, G, "c", 1);
    assert_int_equal (rig_info (rig, G).lag, 2);
    assert_int_equal (rig_info (rig, G).first, peer_held (w, G, "a"));
    assert_int_equal (rig_info (rig, G).next, rig_info (rig, "s").next);
}

static void group_of_a_compacted_stream_gets_what_is_left (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = events_policy (0, 0, 0);
    policy.compact = true;
    rig_declare (rig, "c", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_publish_key (p, "c", "k", "a");
    peer_publish_key (p, "c", "l", "b");
    peer_publish_key (p, "c", "k", "c");
    peer_t *w = rig_worker (rig, "w", "c@g", 10);
    assert_delivered (w, "c@g", "b c", 1);
    peer_publish_key (p, "c", "l", "d");
    assert_delivered (w, "c@g", "d", 1);
    peer_ack (w, "c@g", "b c d");
    assert_int_equal (rig_info (rig, "c@g").lag, 0);
    assert_int_equal (rig_info (rig, "c@g").missed, 0);
}

/* -- limits ------------------------------------------------------------------------------------ */

static void group_takes_no_more_than_its_members_want (void **state)
{
    rig_t *rig = *state;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", NULL);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 10; i++)
        peer_post_bulk (p, "s", 100, 100);
    assert_int_equal (rig_info (rig, G).length, 0);
    peer_t *w = rig_worker (rig, "w", G, 5);
    uint64_t first, count;
    uint64_t total = 0;
    while (take_batch (w, &first, &count))
        total += count;
    assert_int_equal (total, 5);
    assert_true (rig_info (rig, G).length <= 200);
    assert_int_equal (rig_info (rig, G).lag, 1000);
}

static void group_with_too_many_unfinished_records_begins_no_more (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.backoff_min_ms = policy.backoff_max_ms = 3600000;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", &policy);
    rig->audits = false;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 4000);
    uint64_t posted = ZF_FOLLOW_WINDOW + 20000;
    for (uint64_t i = 0; i < posted; i += 4000)
        peer_post_bulk (p, "s", 4000, 8);
    uint64_t first, count;
    uint64_t total = 0;
    while (take_batch (w, &first, &count)) {
        total += count;
        zf_writer_t nack = wire_control (ZF_CMD_NACK, 4);
        wire_put_text (&nack, G);
        zf_mp_put_int (&nack, -1);
        zf_mp_put_uint (&nack, first);
        zf_mp_put_uint (&nack, count);
        peer_write (w, &nack, NULL);
    }
    assert_in_range (total, ZF_FOLLOW_WINDOW, ZF_FOLLOW_WINDOW + 4096);
    assert_int_equal (rig_info (rig, G).delayed, total);
}

static void group_at_its_limit_goes_on_when_some_are_finished (void **state)
{
    rig_t *rig = *state;
    rig->audits = false;
    peer_t *p = rig_peer (rig, "p");
    for (uint64_t i = 0; i < ZF_FOLLOW_WINDOW + 20000; i += 4000)
        peer_post_bulk (p, "s", 4000, 0);
    peer_t *w = rig_worker (rig, "w", G, ZF_CREDIT_MAX);
    uint64_t first, count;
    uint64_t total = 0;
    uint64_t last = 0;
    while (take_batch (w, &first, &count)) {
        total += count;
        last = first;
    }
    assert_in_range (total, ZF_FOLLOW_WINDOW, ZF_FOLLOW_WINDOW + 4096);
    peer_settle (w, ZF_CMD_ACK, G, last - 8000, 8000);
    assert_true (take_batch (w, &first, &count));
}

/* -- the end ----------------------------------------------------------------------------------- */

static void group_with_members_is_not_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", G, 1);
    events_forget (rig, G, ZF_E_BUSY);
    events_forget (rig, "s", ZF_E_BUSY);
    peer_drop (w);
    events_forget (rig, G, 0);
    assert_null (queue_of (rig, G));
    assert_int_equal (rig_info (rig, "s").groups, 0);
}

static void group_that_was_forgotten_begins_anew (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b");
    assert_delivered (w, G, "a b", 1);
    peer_ack (w, G, "a");
    peer_drop (w);
    assert_int_equal (rig_info (rig, G).lag, 1);
    events_forget (rig, G, 0);
    peer_t *v = rig_worker (rig, "v", G, 10);
    assert_delivered (v, G, "a b", 1);
}

static void stream_is_forgotten_with_its_groups (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a b");
    uint64_t next = rig_info (rig, "s").next;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", NULL);
    events_group (rig, "s@h", ZF_FROM_FIRST, 0, "", NULL);
    events_forget (rig, "s", 0);
    assert_null (queue_of (rig, "s"));
    assert_null (queue_of (rig, G));
    assert_null (queue_of (rig, "s@h"));
    assert_int_equal (rig->engine->bytes, 0);
    events_stream (rig, "s");
    assert_true (rig_info (rig, "s").next >= next);
}

static void queue_can_not_be_forgotten (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "q", &policy);
    events_forget (rig, "q", ZF_E_INVAL);
    events_forget (rig, "never", ZF_E_NOT_FOUND);
}

static void policy_of_a_group_can_be_declared (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_policy_t policy = group_policy ();
    policy.max_attempts = 1;
    policy.max_length = 1; /* not for a group to say */
    policy.priorities = 3;
    policy.ttl_ms = 1;
    rig_declare (rig, G, &policy);
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b");
    rig_advance (rig, 100);
    assert_delivered (w, G, "a b", 1);
    peer_nack (w, G, "a", 0);
    assert_string_equal (rig_bodies (rig, "s@g.dead"), "a");
    assert_int_equal (queue_of (rig, G)->policy.priorities, 2);
    policy.max_attempts = 7;
    rig_declare (rig, G, &policy);
    assert_int_equal (queue_of (rig, G)->policy.max_attempts, 7);
    assert_int_equal (queue_of (rig, G)->policy.max_length, 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown (name, with_stream, rig_teardown)
        CASE (group_begins_with_the_first_record),
        CASE (group_begins_where_it_is_told_to),
        CASE (group_that_is_there_stays_as_it_is),
        CASE (group_of_no_stream_is_a_plain_queue),
        CASE (groups_know_nothing_of_each_other),
        CASE (members_share_the_work),
        CASE (offset_of_a_record_is_its_id_in_the_group),
        CASE (nack_comes_back_after_the_backoff),
        CASE (lease_of_a_silent_member_is_given_to_another),
        CASE (member_that_leaves_gives_its_records_back),
        CASE (last_attempt_ends_in_the_dead_letters_of_the_group),
        CASE (dead_letter_goes_back_to_its_group_alone),
        CASE (post_to_a_group_is_for_it_alone),
        CASE (records_of_a_key_come_one_at_a_time),
        CASE (ordered_group_goes_on_for_long),
        CASE (group_with_patterns_gets_what_matches),
        CASE (group_picks_records_out_of_a_batch),
        CASE (group_that_nothing_matches_is_never_behind),
        CASE (records_that_went_are_counted_as_missed),
        CASE (record_at_a_member_stays_though_the_stream_lets_it_go),
        CASE (trim_is_missed_by_who_had_not_read),
        CASE (purge_of_a_group_passes_over_what_is_there),
        CASE (lag_is_what_is_not_finished),
        CASE (group_of_a_compacted_stream_gets_what_is_left),
        CASE (group_takes_no_more_than_its_members_want),
        CASE (group_with_too_many_unfinished_records_begins_no_more),
        CASE (group_at_its_limit_goes_on_when_some_are_finished),
        CASE (group_with_members_is_not_forgotten),
        CASE (group_that_was_forgotten_begins_anew),
        CASE (stream_is_forgotten_with_its_groups),
        CASE (queue_can_not_be_forgotten),
        CASE (policy_of_a_group_can_be_declared),
#undef CASE
    };
    return cmocka_run_group_tests_name ("follow", tests, NULL, NULL);
}
