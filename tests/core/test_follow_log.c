/* Groups of a stream that outlive the broker: where they are, and what they know of records. */
#include "tests/core/events.h"
#include "tests/core/twin.h"

#define SLACK_BYTES 16384

static const char *const G = "s@g";

static int with_stream (void **state)
{
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = SLACK_BYTES};
    rig_t *rig = rig_new_logged (NULL, &log);
    rig->log->on_entry = twin_check;
    events_stream (rig, "s");
    *state = rig;
    return 0;
}

static zf_queue_t *queue_of (rig_t *rig, const char *name)
{
    return zf_engine_find (rig->engine, zf_bytes_of (name));
}

static zf_wal_stats_t stats_of (const rig_t *rig)
{
    zf_wal_stats_t stats;
    rig->log->wal->stats (rig->log->wal, &stats);
    return stats;
}

/* Other records come and go until the log begins with an entry that is written from now on. */
static void pass_on (rig_t *rig)
{
    uint64_t now = stats_of (rig).next;
    char name[32];
    snprintf (name, sizeof name, "passer%u", rig->turns);
    peer_t *w = rig_worker (rig, name, "passing", 50);
    for (int i = 0; stats_of (rig).lowest < now; i++) {
        uint64_t first, count;
        assert_in_range (i, 0, 5000);
        w->low = peer_post_bulk (w, "passing", 50, 50) + 50;
        assert_confirmed (w, "passing", w->low - 50, 50);
        while (take_batch (w, &first, &count))
            peer_settle (w, ZF_CMD_ACK, "passing", first, count);
    }
    peer_bye (w);
}

/* A stream of so many records, each of them a chunk of its own. */
static void declare_short (rig_t *rig, uint64_t max_length)
{
    zf_policy_t policy = events_policy (max_length, 0, 0);
    rig_declare (rig, "s", &policy);
}

/* What comes back of the group, all at this attempt. */
static peer_t *assert_left (rig_t *rig, const char *name, const char *bodies, uint32_t attempt)
{
    peer_t *w = rig_worker (rig, name, G, 100);
    assert_delivered (w, G, bodies, attempt);
    assert_silence (w);
    return w;
}

/* -- groups ------------------------------------------------------------------------------------ */

static void acks_in_any_order_survive (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b c d e");
    assert_delivered (w, G, "a b c d e", 1);
    peer_ack (w, G, "d b");
    peer_crash (w);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, G).lag, 3);
    peer_t *v = rig_worker (rig, "v", G, 100);
    assert_delivered (v, G, "a", 2);
    assert_delivered (v, G, "c", 2);
    assert_delivered (v, G, "e", 2);
    assert_silence (v);
    peer_ack (v, G, "a c");
    peer_crash (v);
    rig_crash (rig);
    assert_left (rig, "u", "e", 3);
}

/* The log begins where the group was elsewhere, and what came in between was acknowledged in
 * another order. */
static void log_that_begins_later_knows_how_far_a_group_is (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b c");
    assert_delivered (w, G, "a b c", 1);
    peer_ack (w, G, "b");
    for (int i = 0; i < 3; i++) { /* until a start has seen it */
        size_t starts = rig->engine->store.start_count;
        while (rig->engine->store.start_count == starts)
            peer_post_bulk (p, "other", 50, 50);
    }
    peer_ack (w, G, "a");
    peer_crash (w);
    pass_on (rig);
    rig_crash (rig);
    assert_left (rig, "v", "c", 2);
}

static void finished_group_stays_finished (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b");
    assert_delivered (w, G, "a b", 1);
    peer_ack (w, G, "b");
    peer_ack (w, G, "a");
    rig_crash (rig);
    assert_int_equal (rig_info (rig, G).lag, 0);
    peer_post (p, "s", "c");
    assert_left (rig, "v", "c", 1);
}

static void group_begins_with_new_ones_after_a_restart_too (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "s", "a");
    events_group (rig, G, ZF_FROM_NEW, 0, "t.* u", NULL);
    peer_publish (p, "s", "t.t", "b");
    rig_crash (rig);
    peer_publish (p, "s", "v", "c");
    peer_publish (p, "s", "u", "d");
    peer_t *w = rig_worker (rig, "w", G, 10);
    assert_delivered (w, G, "b", 1);
    assert_delivered (w, G, "d", 1);
    assert_silence (w);
    pass_on (rig);
    rig_crash (rig);
    assert_int_equal (zf_filter_count (queue_of (rig, G)->follow->filter), 2);
}

static void attempts_and_delays_survive (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b c");
    assert_delivered (w, G, "a b c", 1);
    peer_nack (w, G, "b", 60000);
    peer_release (w, G, "c");
    assert_delivered (w, G, "c", 1);
    peer_crash (w);
    rig_crash (rig);
    peer_t *v = rig_worker (rig, "v", G, 10);
    assert_delivered (v, G, "a", 2);
    assert_delivered (v, G, "c", 2);
    assert_silence (v);
    pass_on (rig);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, G).lag, 3);
    rig_advance (rig, 61000);
    peer_t *u = rig_worker (rig, "u", G, 10);
    v->mute = true;
    rig_advance (rig, 10000);
    uint64_t first, count;
    uint64_t total = 0;
    while (take_batch (u, &first, &count))
        total += count;
    assert_int_equal (total, 3);
}

static void last_attempt_before_the_end_was_the_last (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 1;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 1);
    peer_post (p, "s", "a b");
    assert_delivered (w, G, "a", 1);
    peer_crash (w);
    rig_crash (rig);
    assert_left (rig, "v", "b", 1);
    assert_string_equal (rig_bodies (rig, "s@g.dead"), "a");
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "s@g.dead"), "a");
}

static void dead_letters_and_what_was_posted_to_a_group_survive (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a");
    peer_post (p, G, "x");
    assert_delivered (w, G, "a", 1);
    assert_delivered (w, G, "x", 1);
    peer_reject (w, G, "a", "bad");
    peer_crash (w);
    pass_on (rig);
    rig_crash (rig);
    assert_string_equal (rig_bodies (rig, "s@g.dead"), "a");
    peer_t *v = assert_left (rig, "v", "x", 2);
    zf_writer_t all = {0};
    zf_mp_put_uint (&all, 10);
    peer_admin (rig->admin, "requeue", G, &all);
    take_result (rig->admin, 0, NULL);
    assert_delivered (v, G, "a", 1);
    peer_ack (v, G, "a x");
    rig_crash (rig);
    assert_int_equal (rig_info (rig, G).length, 0);
    assert_int_equal (rig_info (rig, G).lag, 0);
}

static void missed_is_not_forgotten (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 2);
    events_group (rig, G, ZF_FROM_FIRST, 0, "", NULL);
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 5; i++)
        peer_post (p, "s", "x");
    peer_t *w = rig_worker (rig, "w", G, 10);
    assert_delivered (w, G, "x x", 1);
    assert_int_equal (rig_info (rig, G).missed, 3);
    peer_ack (w, G, "x");
    rig_crash (rig);
    assert_left (rig, "v", "x", 2);
    assert_int_equal (rig_info (rig, G).missed, 3);
    pass_on (rig);
    rig_crash (rig);
    assert_left (rig, "u", "x", 3);
    assert_int_equal (rig_info (rig, G).missed, 3);
}

static void keys_keep_their_order_after_a_restart (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ordered = true;
    events_group (rig, G, ZF_FROM_FIRST, 0, "", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_publish_key (p, "s", "k", "a b");
    peer_publish_key (p, "s", "l", "c");
    assert_delivered (w, G, "a", 1);
    assert_delivered (w, G, "c", 1);
    peer_nack (w, G, "a", 5000);
    peer_crash (w);
    rig_crash (rig);
    peer_t *v = rig_worker (rig, "v", G, 10);
    assert_delivered (v, G, "c", 2);
    assert_silence (v); /* b waits for a */
    rig_advance (rig, 5000);
    assert_delivered (v, G, "a", 2);
    assert_silence (v);
    peer_ack (v, G, "a");
    assert_delivered (v, G, "b", 1);
}

static void purge_of_a_group_survives (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 1);
    peer_post (p, "s", "a b c");
    assert_delivered (w, G, "a", 1);
    peer_admin (rig->admin, "purge", G, NULL);
    take_result (rig->admin, 0, NULL);
    peer_crash (w);
    peer_post (p, "s", "d");
    rig_crash (rig);
    peer_t *v = rig_worker (rig, "v", G, 10);
    assert_delivered (v, G, "a", 2);
    assert_delivered (v, G, "d", 1);
    assert_silence (v);
    assert_int_equal (rig_info (rig, G).missed, 0);
}

static void purge_passes_over_what_was_not_begun_for_good (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 1);
    peer_post (p, "s", "a");
    assert_delivered (w, G, "a", 1);
    peer_post (p, "s", "b c");
    peer_admin (rig->admin, "purge", G, NULL);
    zf_reader_t r = take_result (rig->admin, 0, NULL);
    assert_int_equal (zf_mp_uint (&r), 2);
    peer_crash (w);
    rig_crash (rig);
    assert_left (rig, "v", "a", 2);
}

static void what_was_done_and_went_is_not_missed (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 4);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    for (int i = 0; i < 4; i++)
        peer_post (p, "s", i == 0 ? "a" : "x");
    assert_delivered (w, G, "a x x x", 1);
    peer_ack (w, G, "x x");
    peer_crash (w);
    for (int i = 0; i < 4; i++)
        peer_post (p, "s", "y");
    rig_crash (rig);
    assert_left (rig, "v", "y y y y", 2);
    assert_int_equal (rig_info (rig, G).missed, 2); /* a, and the last x */
}

static void what_was_missed_is_counted_once (void **state)
{
    rig_t *rig = *state;
    declare_short (rig, 2);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 1);
    peer_post (p, "s", "a");
    assert_delivered (w, G, "a", 1);
    for (int i = 0; i < 5; i++)
        peer_post (p, "s", "x");
    peer_consume (w, G, 10);
    assert_delivered (w, G, "x x", 1);
    assert_int_equal (rig_info (rig, G).missed, 3);
    peer_ack (w, G, "x");
    peer_crash (w);
    rig_crash (rig);
    assert_left (rig, "v", "x", 2);
    assert_int_equal (rig_info (rig, G).missed, 4); /* a is gone now, too */
}

static void acks_before_a_large_hole_are_not_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", G, 10);
    peer_post (p, "s", "a b c");
    assert_delivered (w, G, "a b c", 1);
    zf_queue_lift_ids (queue_of (rig, "s"), UINT64_C (1) << 50);
    zf_store_queue (queue_of (rig, "s"));
    peer_post (p, "s", "d");
    assert_delivered (w, G, "d", 1);
    peer_ack (w, G, "b c");
    peer_crash (w);
    pass_on (rig);
    rig_crash (rig);
    peer_t *v = rig_worker (rig, "v", G, 10);
    assert_delivered (v, G, "a", 2);
    assert_delivered (v, G, "d", 2);
    assert_silence (v);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown (name, with_stream, rig_teardown)
        CASE (acks_in_any_order_survive),
        CASE (log_that_begins_later_knows_how_far_a_group_is),
        CASE (finished_group_stays_finished),
        CASE (group_begins_with_new_ones_after_a_restart_too),
        CASE (attempts_and_delays_survive),
        CASE (last_attempt_before_the_end_was_the_last),
        CASE (dead_letters_and_what_was_posted_to_a_group_survive),
        CASE (missed_is_not_forgotten),
        CASE (keys_keep_their_order_after_a_restart),
        CASE (purge_of_a_group_survives),
        CASE (purge_passes_over_what_was_not_begun_for_good),
        CASE (what_was_done_and_went_is_not_missed),
        CASE (what_was_missed_is_counted_once),
        CASE (acks_before_a_large_hole_are_not_forgotten),
#undef CASE
    };
    return cmocka_run_group_tests_name ("follow_log", tests, NULL, NULL);
}
