/* What reviews of the durable engine found: one case for each bug, which failed before its fix. */
#include "tests/core/rig_log.h"
#include "tests/core/twin.h"

#include <utlist.h>

#define MINUTE_MS UINT64_C (60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* -- peers ------------------------------------------------------------------------------------- */

static int setup (void **state)
{
    rig_t *rig = rig_new_logged (NULL, NULL);
    rig->log->on_entry = twin_check;
    *state = rig;
    return 0;
}

static void declare_ordered (rig_t *rig, const char *queue)
{
    zf_policy_t policy = rig_policy ();
    policy.ordered = true;
    rig_declare (rig, queue, &policy);
}

static void post_keyed (peer_t *peer, const char *queue, const char *bodies, const char *key)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.key = zf_bytes_of (key);
    uint64_t first = peer_post_props (peer, queue, bodies, &props);
    assert_confirmed (peer, queue, first, wire_words (bodies));
}

static void post_delayed (peer_t *peer, const char *queue, const char *bodies, uint64_t delay_ms)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.delay_ms = delay_ms;
    uint64_t first = peer_post_props (peer, queue, bodies, &props);
    assert_confirmed (peer, queue, first, wire_words (bodies));
}

/* A post of one word that is taken whole or not at all. */
static void send_atomic (peer_t *peer, uint64_t number, const char *queue, const char *body)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, number);
    zf_mp_put_uint (&w, 0);
    zf_mp_put_array (&w, 2);
    wire_put_text (&w, queue);
    zf_mp_put_uint (&w, 1);
    peer_write (peer, &w, wire_batch (1, body, NULL));
}

static void post_atomic (peer_t *peer, uint64_t number, const char *queue, const char *body)
{
    send_atomic (peer, number, queue, body);
    assert_done (peer, number, 0);
}

/* A link that drains the queue. */
static peer_t *link_from (rig_t *rig, const char *name, const char *queue, uint32_t credit)
{
    peer_t *link = rig_peer (rig, name);
    zf_writer_t w = wire_control (ZF_CMD_CONSUME, 3);
    wire_put_text (&w, queue);
    zf_mp_put_uint (&w, credit);
    zf_mp_put_uint (&w, ZF_CONSUME_DRAIN);
    peer_write (link, &w, NULL);
    return link;
}

/* How many records lie in the inbox. */
static uint64_t take_all (peer_t *peer)
{
    uint64_t sum = 0;
    uint64_t first;
    uint64_t count;
    while (take_batch (peer, &first, &count))
        sum += count;
    return sum;
}

/* -- 1: what is known of atomic posts ---------------------------------------------------------- */

/* Producers can't say anything while the broker is down: that is no reason to forget them. */
static void atomic_posts_sent_again_after_a_long_outage_are_taken_once (void **state)
{
    rig_t *rig = *state;
    peer_t *a = rig_peer (rig, "a");
    peer_t *b = rig_peer (rig, "b");
    post_atomic (a, 1, "jobs", "x");
    post_atomic (b, 1, "jobs", "y");
    rig->now_ms += 2 * DAY_MS;
    rig_crash (rig);
    post_atomic (a, 1, "jobs", "x");
    post_atomic (b, 1, "jobs", "y");
    assert_int_equal (rig_info (rig, "jobs").length, 2);
}

/* It does not take a new post for those that are silent to be forgotten. */
static void atomic_producers_that_stay_away_after_a_restart_are_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *a = rig_peer (rig, "a");
    post_atomic (a, 1, "jobs", "x");
    peer_crash (a);
    rig_crash (rig);
    assert_non_null (rig->engine->atomics.order);
    rig_advance (rig, 2 * HOUR_MS);
    assert_null (rig->engine->atomics.order);
}

/* -- 2: the order of a key --------------------------------------------------------------------- */

static void record_in_its_backoff_keeps_its_key_waiting_after_a_restart (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig, "jobs");
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    post_keyed (p, "jobs", "a b", "k");
    assert_delivered (w, "jobs", "a", 1);
    peer_nack (w, "jobs", "a", 5000);
    assert_silence (w);
    rig_crash (rig);
    peer_consume (w, "jobs", 2);
    assert_silence (w);
    rig_advance (rig, 5000);
    assert_delivered (w, "jobs", "a", 2);
    assert_silence (w);
    peer_ack (w, "jobs", "a");
    assert_delivered (w, "jobs", "b", 1);
}

/* A record that was never tried waits for its time, and those behind it do not wait for it. */
static void delayed_record_does_not_hold_up_its_key_after_a_restart (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig, "jobs");
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props;
    zf_props_defaults (&props);
    props.key = zf_bytes_of ("k");
    props.delay_ms = 5000;
    peer_post_props (p, "jobs", "late", &props);
    assert_confirmed (p, "jobs", 1, 1);
    post_keyed (p, "jobs", "soon", "k");
    rig_crash (rig);
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    assert_delivered (w, "jobs", "soon", 1);
}

/* -- 3: time ----------------------------------------------------------------------------------- */

/* The board has no battery for its clock: it begins in 1970 again. */
static void clock_that_went_back_makes_nothing_wait_longer (void **state)
{
    rig_t *rig = *state;
    rig_advance (rig, 10 * DAY_MS);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (p, "jobs", "a");
    assert_confirmed (p, "jobs", 1, 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_nack (w, "jobs", "a", 100);
    rig->now_ms -= 10 * DAY_MS;
    rig_crash (rig);
    assert_true (rig->engine->now_ms >= 10 * DAY_MS);
    rig->now_ms = rig->engine->now_ms; /* as the shell goes on */
    peer_consume (w, "jobs", 1);
    assert_silence (w);
    rig_advance (rig, 100);
    assert_delivered (w, "jobs", "a", 2);
}

/* What is written down last says nothing of when that was. */
static void time_is_known_though_no_record_came_for_long (void **state)
{
    (void) state;
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 4096};
    rig_t *rig = rig_new_logged (NULL, &log);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    rig_advance (rig, 10 * DAY_MS);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    uint64_t before = rig->log->appended_bytes;
    while (rig->log->appended_bytes - before < 65536) {
        assert_delivered (w, "jobs", "a", 1);
        peer_release (w, "jobs", "a");
    }
    rig->now_ms -= 10 * DAY_MS;
    rig_crash (rig);
    assert_true (rig->engine->now_ms >= 10 * DAY_MS);
    rig_free (rig);
}

/* -- 4: a delay and a link --------------------------------------------------------------------- */

static void delay_outlives_a_link_that_left_and_the_broker (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post_delayed (p, "jobs", "a", DAY_MS);
    peer_t *link = link_from (rig, "l", "jobs", 10);
    assert_int_equal (take_all (link), 1);
    peer_drop (link);
    peer_crash (link);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    rig_advance (rig, DAY_MS - HOUR_MS);
    assert_silence (w);
    rig_advance (rig, HOUR_MS);
    assert_delivered (w, "jobs", "a", 1);
}

/* -- 5: keys and a link ------------------------------------------------------------------------ */

static void records_of_one_key_are_one_at_a_time_after_a_link (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig, "jobs");
    peer_t *p = rig_peer (rig, "p");
    post_keyed (p, "jobs", "k1 k2 k3", "k");
    peer_t *link = link_from (rig, "l", "jobs", 10);
    assert_int_equal (take_all (link), 3);
    peer_drop (link);
    peer_crash (link);
    peer_t *one = rig_worker (rig, "one", "jobs", 1);
    peer_t *two = rig_worker (rig, "two", "jobs", 1);
    assert_delivered (one, "jobs", "k1", 1);
    assert_silence (two);
    peer_ack (one, "jobs", "k1");
    assert_delivered (two, "jobs", "k2", 1);
    assert_silence (one);
    peer_ack (two, "jobs", "k2");
    assert_delivered (one, "jobs", "k3", 1);
    assert_silence (two);
}

/* Those that waited for their key before the link came are behind those that it had. */
static void records_that_wait_for_their_key_stay_in_order_after_a_link (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig, "jobs");
    peer_t *p = rig_peer (rig, "p");
    post_keyed (p, "jobs", "k1 k2 k3 k4", "k");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "k1", 1);
    peer_bye (w);
    peer_t *link = link_from (rig, "l", "jobs", 3);
    assert_int_equal (take_all (link), 3);
    peer_drop (link);
    peer_crash (link);
    w = rig_worker (rig, "next", "jobs", 10);
    assert_delivered (w, "jobs", "k1", 2);
    peer_ack (w, "jobs", "k1");
    assert_delivered (w, "jobs", "k2", 1);
    peer_ack (w, "jobs", "k2");
    assert_delivered (w, "jobs", "k3", 1);
    peer_ack (w, "jobs", "k3");
    assert_delivered (w, "jobs", "k4", 1);
}

/* -- 13: atomic posts and a journal that failed ------------------------------------------------ */

static void atomic_posts_to_a_failed_journal_are_not_queued (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, "news", &policy);
    peer_t *p = rig_peer (rig, "p");
    send_atomic (p, 1, "jobs", "x");
    assert_done (p, 1, 0);
    rig_fail_log (rig);
    for (uint64_t number = 2; number < 10; number++) {
        send_atomic (p, number, "jobs", "x");
        assert_done (p, number, ZF_E_IO);
    }
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    send_atomic (p, 10, "news", "y");
    assert_done (p, 10, 0);
    assert_int_equal (rig_info (rig, "news").length, 1);
}

/* -- 14: beside a link ------------------------------------------------------------------------- */

static void queue_that_a_link_drains_gets_no_priorities (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    zf_writer_t w = {0};
    link_from (rig, "l", "jobs", 10);
    rig_declare (rig, "jobs", &policy);
    policy.priorities = 2;
    zf_policy_encode (&w, &policy);
    peer_admin (rig->admin, "declare", "jobs", &w);
    take_result (rig->admin, ZF_E_INVAL, NULL);
    assert_int_equal (rig_info (rig, "jobs").policy.priorities, 1);
}

/* -- 17: ids ----------------------------------------------------------------------------------- */

/* The next id of the queue, for a broker that starts on this log. */
static uint64_t next_id_after (const rig_t *rig, const char *queue, bool closed)
{
    zf_engine_t *engine = rig_replayed (rig);
    zf_engine_recovered (engine, rig->log->wal->uuid, rig->engine->store.lsn, closed);
    uint64_t next = zf_engine_find (engine, zf_bytes_of (queue))->lanes[0].log.next;
    zf_engine_free (&engine);
    return next;
}

/* A link may have passed on records that were lost with the power: others must not be taken for
 * them. */
static void ids_that_may_have_been_lost_do_not_come_again (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    uint64_t next = zf_engine_find (rig->engine, zf_bytes_of ("jobs"))->lanes[0].log.next;
    assert_int_equal (next_id_after (rig, "jobs", true), next);
    assert_true (next_id_after (rig, "jobs", false) >= rig->now_ms << 12);
    assert_true (next_id_after (rig, "jobs", false) > next);
}

int main (void)
{
#define CASE(test) cmocka_unit_test_setup_teardown (test, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE (atomic_posts_sent_again_after_a_long_outage_are_taken_once),
        CASE (atomic_producers_that_stay_away_after_a_restart_are_forgotten),
        CASE (record_in_its_backoff_keeps_its_key_waiting_after_a_restart),
        CASE (delayed_record_does_not_hold_up_its_key_after_a_restart),
        CASE (clock_that_went_back_makes_nothing_wait_longer),
        CASE (time_is_known_though_no_record_came_for_long),
        CASE (delay_outlives_a_link_that_left_and_the_broker),
        CASE (records_of_one_key_are_one_at_a_time_after_a_link),
        CASE (records_that_wait_for_their_key_stay_in_order_after_a_link),
        CASE (atomic_posts_to_a_failed_journal_are_not_queued),
        CASE (queue_that_a_link_drains_gets_no_priorities),
        CASE (ids_that_may_have_been_lost_do_not_come_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
