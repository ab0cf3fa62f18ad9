/* The log stays short, and what is left of it says all: what lies far back and is still wanted is
 * written again, and what is before it is trimmed. */
#include "tests/core/twin.h"

#include <utlist.h>

#define SLACK_BYTES 16384

static rig_t *carrying_rig (void)
{
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = SLACK_BYTES};
    rig_t *rig = rig_new_logged (NULL, &log);
    rig->log->on_entry = twin_check;
    return rig;
}

static int carrying_setup (void **state)
{
    *state = carrying_rig ();
    return 0;
}

#define CARRYING(test) cmocka_unit_test_setup_teardown (test, carrying_setup, rig_teardown)

static zf_wal_stats_t stats_of (const rig_t *rig)
{
    zf_wal_stats_t stats;
    rig->log->wal->stats (rig->log->wal, &stats);
    return stats;
}

/* Records pass through a queue: n batches of `count`, each posted, delivered and acknowledged. */
static void pass (rig_t *rig, const char *queue, uint32_t n, uint32_t count)
{
    char name[32];
    snprintf (name, sizeof name, "passer%u", rig->turns);
    peer_t *p = rig_peer (rig, name);
    peer_t *w = rig_worker (rig, "taker", queue, count);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t first = 0;
        uint64_t got = 0;
        p->low = peer_post_bulk (p, queue, count, 50) + count;
        peer_forget_letters (p);
        while (take_batch (w, &first, &got))
            peer_settle (w, ZF_CMD_ACK, queue, first, got);
    }
    peer_bye (p);
    peer_bye (w);
}

/* So many that everything there is now has been carried and trimmed away. */
static void pass_on (rig_t *rig)
{
    uint64_t now = stats_of (rig).next;
    for (int i = 0; stats_of (rig).lowest < now; i++) {
        assert_in_range (i, 0, 100);
        pass (rig, "passing", 20, 50);
    }
}

static zf_props_t plain (void)
{
    zf_props_t props;
    zf_props_defaults (&props);
    return props;
}

static void post (rig_t *rig, const char *queue, const char *bodies, const zf_props_t *props)
{
    char name[32];
    snprintf (name, sizeof name, "poster%u", rig->turns);
    peer_t *p = rig_peer (rig, name);
    uint64_t first = peer_post_props (p, queue, bodies, props);
    assert_confirmed (p, queue, first, wire_words (bodies));
}

static void assert_holds (rig_t *rig, const char *queue, const char *bodies)
{
    assert_string_equal (rig_bodies (rig, queue), bodies);
}

/* -- short ------------------------------------------------------------------------------------- */

static void log_of_what_is_done_is_trimmed (void **state)
{
    rig_t *rig = *state;
    rig->log->on_entry = NULL;
    for (int i = 0; i < 50; i++) {
        pass (rig, "passing", 20, 50);
        zf_wal_stats_t stats = stats_of (rig);
        assert_true (stats.next - stats.lowest < 4 * SLACK_BYTES);
    }
    assert_int_equal (rig->engine->store.carried, 0);
}

static void record_that_is_stuck_does_not_keep_the_log (void **state)
{
    rig_t *rig = *state;
    rig->log->on_entry = NULL;
    post (rig, "stuck", "me", NULL);
    uint64_t longest = 0;
    for (int i = 0; i < 100; i++) {
        pass (rig, "passing", 1, 10000);
        zf_wal_stats_t stats = stats_of (rig);
        longest = stats.next - stats.lowest > longest ? stats.next - stats.lowest : longest;
    }
    assert_true (longest < 4 * 1000000); /* a few of these batches, of a hundred */
    twin_check (rig);
    rig_crash (rig);
    assert_holds (rig, "stuck", "me");
}

static void log_of_a_backlog_is_not_carried_for_nothing (void **state)
{
    rig_t *rig = *state;
    rig->log->on_entry = NULL;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 100; i++)
        p->low = peer_post_bulk (p, "jobs", 100, 100) + 100;
    assert_int_equal (rig->engine->store.carried, 0);
    zf_wal_stats_t stats = stats_of (rig);
    assert_true (stats.next - stats.lowest < 2 * rig->engine->store.bytes);
}

/* Every other record is acknowledged: half of the log is dead, and stays so. */
static void log_with_holes_is_as_long_as_allowed (void **state)
{
    rig_t *rig = *state;
    rig->log->on_entry = NULL;
    rig->audits = false; /* there are many turns */
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", ZF_CREDIT_MAX);
    for (int i = 0; i < 200; i++) {
        p->low = peer_post_bulk (p, "jobs", 100, 100) + 100;
        for (uint64_t id = 0; id < 99; id++)
            if (id % 10 != 0)
                peer_settle (w, ZF_CMD_ACK, "jobs", 100 * (uint64_t) i + id, 1);
        peer_forget_letters (w);
        peer_forget_letters (p);
    }
    rig_turn (rig);
    zf_wal_stats_t stats = stats_of (rig);
    uint64_t live = rig->engine->store.bytes;
    assert_int_equal (rig_info (rig, "jobs").length, 200 * 11);
    assert_true (stats.next - stats.lowest < 3 * live + 3 * SLACK_BYTES);
    twin_check (rig);
}

/* -- and it says all --------------------------------------------------------------------------- */

static void carried_records_are_as_they_were (void **state)
{
    rig_t *rig = *state;
    post (rig, "jobs", "a b c d e f", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 5);
    assert_delivered (w, "jobs", "a b c d e", 1);
    peer_ack (w, "jobs", "b d");
    assert_delivered (w, "jobs", "f", 1);
    peer_consume (w, "jobs", 0);
    peer_nack (w, "jobs", "c", 100000);
    peer_nack (w, "jobs", "e", 0);
    pass_on (rig);
    rig_crash (rig);
    assert_holds (rig, "jobs", "a c e f");
    peer_consume (w, "jobs", 9);
    assert_delivered (w, "jobs", "a", 2);
    assert_delivered (w, "jobs", "e f", 2);
    peer_ack (w, "jobs", "a e f");
    rig_advance (rig, 100000);
    assert_delivered (w, "jobs", "c", 2);
}

static void carried_delay_and_time_to_live_go_on (void **state)
{
    rig_t *rig = *state;
    zf_props_t late = plain ();
    zf_props_t mortal = plain ();
    late.delay_ms = 50000;
    mortal.ttl_ms = 80000;
    post (rig, "jobs", "a", &late);
    post (rig, "jobs", "b", &mortal);
    rig_advance (rig, 10000);
    uint64_t then = rig->now_ms;
    pass_on (rig);
    rig_crash (rig);
    assert_int_equal (rig->now_ms, then);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
    rig_advance (rig, 39999);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
    rig_advance (rig, 1);
    assert_int_equal (rig_info (rig, "jobs").delayed, 0);
    rig_advance (rig, 29999);
    assert_holds (rig, "jobs", "a b");
    rig_advance (rig, 1);
    assert_holds (rig, "jobs", "a");
    assert_holds (rig, "jobs.dead", "b");
}

static void carried_records_of_a_queue_live_as_long_as_it_says (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 16000;
    rig_declare (rig, "jobs", &policy);
    post (rig, "jobs", "a", NULL);
    rig_advance (rig, 8000);
    post (rig, "jobs", "b", NULL);
    pass_on (rig);
    rig_crash (rig);
    rig_advance (rig, 8000);
    assert_holds (rig, "jobs", "b");
    rig_advance (rig, 8000);
    assert_holds (rig, "jobs.dead", "a b");
}

static void carried_keys_keep_their_order (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_props_t alice = plain ();
    alice.key = zf_bytes_of ("alice");
    policy.ordered = true;
    rig_declare (rig, "jobs", &policy);
    post (rig, "jobs", "a b c", &alice);
    pass_on (rig);
    rig_crash (rig);
    peer_t *w = rig_worker (rig, "w", "jobs", 9);
    assert_delivered (w, "jobs", "a", 1);
    assert_silence (w);
    peer_ack (w, "jobs", "a");
    assert_delivered (w, "jobs", "b", 1);
}

static void dead_letters_are_carried (void **state)
{
    rig_t *rig = *state;
    post (rig, "jobs", "a b", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    assert_delivered (w, "jobs", "a b", 1);
    peer_reject (w, "jobs", "a b", "torn");
    pass_on (rig);
    rig_crash (rig);
    assert_holds (rig, "jobs.dead", "a b");
    peer_t *boss = rig_peer (rig, "boss");
    zf_writer_t argument = {0};
    zf_mp_put_uint (&argument, 0);
    peer_admin (boss, "requeue", "jobs", &argument);
    take_result (boss, 0, NULL);
    assert_holds (rig, "jobs", "a b");
}

static void producers_ids_and_policies_are_carried (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_props_t once = plain ();
    once.id = zf_bytes_of ("order-1");
    policy.max_attempts = 7;
    policy.max_length = 2;
    policy.overflow = ZF_OVERFLOW_REJECT;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post_props (p, "jobs", "a", &once);
    assert_confirmed (p, "jobs", 1, 1);
    peer_post (p, "jobs", "b c");
    assert_confirmed (p, "jobs", 2, 1);
    assert_refused (p, "jobs", 3, 1, ZF_E_FULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    assert_delivered (w, "jobs", "a b", 1);
    peer_ack (w, "jobs", "a b");
    pass_on (rig);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "jobs").policy.max_attempts, 7);
    peer_post_again (p, "jobs", 1, "a b c", 1);
    assert_confirmed (p, "jobs", 1, 2);
    assert_refused (p, "jobs", 3, 1, ZF_E_FULL);
    peer_post_props (p, "jobs", "d", &once);
    assert_confirmed (p, "jobs", 4, 1);
    assert_holds (rig, "jobs", "");
}

static void numbers_of_atomic_posts_are_carried (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 2; i++) {
        zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
        zf_mp_put_uint (&w, 1);
        zf_mp_put_uint (&w, 1);
        zf_mp_put_array (&w, 2);
        wire_put_text (&w, "jobs");
        zf_mp_put_uint (&w, 1);
        peer_write (p, &w, wire_batch (1, "a", NULL));
        assert_done (p, 1, 0);
        pass_on (rig);
        rig_crash (rig);
    }
    assert_holds (rig, "jobs", "a");
}

static void ids_of_a_queue_that_is_empty_go_on (void **state)
{
    rig_t *rig = *state;
    post (rig, "jobs", "a b c", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs", 3);
    assert_delivered (w, "jobs", "a b c", 1);
    peer_ack (w, "jobs", "a b c");
    pass_on (rig);
    rig_crash (rig);
    post (rig, "jobs", "d", NULL);
    peer_consume (w, "jobs", 1);
    assert_delivered (w, "jobs", "d", 1);
    assert_int_equal (peer_held (w, "jobs", "d"), 3);
}

/* Records that came over many entries lie in one chunk: the log is trimmed in the midst of it. */
static void chunk_that_is_trimmed_in_part_is_whole_again (void **state)
{
    rig_t *rig = *state;
    char bodies[1024] = "";
    for (int i = 0; i < 60; i++) {
        char body[16];
        snprintf (body, sizeof body, "r%d", i);
        post (rig, "jobs", body, NULL);
        snprintf (bodies + strlen (bodies), 16, "%s%s", i > 0 ? " " : "", body);
        pass (rig, "passing", 1, 20);
    }
    pass_on (rig);
    rig_crash (rig);
    assert_holds (rig, "jobs", bodies);
}

static void queue_that_is_forgotten_is_not_carried (void **state)
{
    (void) state;
    zf_engine_options_t options;
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = SLACK_BYTES};
    zf_engine_defaults (&options);
    options.max_queues = 2;
    rig_t *rig = rig_new_logged (&options, &log);
    rig->log->on_entry = twin_check;
    pass (rig, "one", 1, 10);
    pass (rig, "two", 1, 10);
    pass (rig, "three", 1, 10);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("one")));
    pass_on (rig);
    rig_crash (rig);
    assert_int_equal (HASH_COUNT (rig->engine->queues), 2);
    rig_free (rig);
}

static void crash_before_the_trim_is_durable_loses_nothing (void **state)
{
    rig_t *rig = *state;
    post (rig, "stuck", "me", NULL);
    for (int i = 0; i < 40; i++) {
        rig->log->by_hand = false;
        pass (rig, "passing", 5, 50);
        rig->log->by_hand = true;
        pass (rig, "passing", 1 + (uint32_t) i % 7, 50);
        rig_crash_late (rig, (size_t) i % 5);
        assert_holds (rig, "stuck", "me");
    }
    assert_true (rig->engine->store.carried > 0 || stats_of (rig).lowest > 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CARRYING (log_of_what_is_done_is_trimmed),
        CARRYING (record_that_is_stuck_does_not_keep_the_log),
        CARRYING (log_of_a_backlog_is_not_carried_for_nothing),
        CARRYING (log_with_holes_is_as_long_as_allowed),
        CARRYING (carried_records_are_as_they_were),
        CARRYING (carried_delay_and_time_to_live_go_on),
        CARRYING (carried_records_of_a_queue_live_as_long_as_it_says),
        CARRYING (carried_keys_keep_their_order),
        CARRYING (dead_letters_are_carried),
        CARRYING (producers_ids_and_policies_are_carried),
        CARRYING (numbers_of_atomic_posts_are_carried),
        CARRYING (ids_of_a_queue_that_is_empty_go_on),
        CARRYING (chunk_that_is_trimmed_in_part_is_whole_again),
        cmocka_unit_test (queue_that_is_forgotten_is_not_carried),
        CARRYING (crash_before_the_trim_is_durable_loses_nothing),
    };
    return cmocka_run_group_tests_name ("carry", tests, NULL, NULL);
}
