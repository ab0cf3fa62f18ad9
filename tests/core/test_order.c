/* What goes first: priorities, delays, ordering keys. */
#include "tests/core/rig.h"

#include "tests/core/rand.h"

/* -- priorities -------------------------------------------------------------------------------- */

static zf_props_t important (uint32_t priority)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.priority = priority;
    return props;
}

static void higher_priority_goes_first (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.priorities = 10;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    static const uint32_t order[] = {3, 9, 0, 5};
    static const char *const bodies[] = {"three", "nine", "zero", "five"};
    for (uint32_t i = 0; i < 4; i++) {
        zf_props_t props = important (order[i]);
        peer_post_props (p, "jobs", bodies[i], &props);
    }
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    static const char *const expected[] = {"nine", "five", "three", "zero"};
    for (uint32_t i = 0; i < 4; i++) {
        assert_delivered (w, "jobs", expected[i], 1);
        peer_ack (w, "jobs", expected[i]);
    }
}

static void priority_above_the_levels_is_the_highest (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.priorities = 2;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = important (9);
    peer_post (p, "jobs", "a");
    peer_post_props (p, "jobs", "b", &props);
    props.priority = 1;
    peer_post_props (p, "jobs", "c", &props);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "b c a", 1);
}

static void returned_record_keeps_its_priority (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.priorities = 2;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = important (1);
    peer_post (p, "jobs", "low");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_delivered (w, "jobs", "low", 1);
    peer_post_props (p, "jobs", "high", &props);
    peer_release (w, "jobs", "low");
    assert_delivered (w, "jobs", "high", 1);
    peer_ack (w, "jobs", "high");
    assert_delivered (w, "jobs", "low", 1);
}

static void priorities_change_only_while_empty (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (p, "jobs", "a");
    assert_delivered (w, "jobs", "a", 1);
    policy.priorities = 3;
    zf_writer_t argument = {0};
    zf_policy_encode (&argument, &policy);
    peer_admin (p, "declare", "jobs", &argument);
    assert_confirmed (p, "jobs", 1, 1);
    take_result (p, ZF_E_INVAL, NULL);
    uint64_t id = peer_held (w, "jobs", "a");
    peer_ack (w, "jobs", "a");
    rig_declare (rig, "jobs", &policy);
    peer_post (p, "jobs", "b");
    assert_delivered (w, "jobs", "b", 1);
    assert_int_equal (peer_held (w, "jobs", "b"), id + 1); /* ids are not used again */
}

/* -- delays ------------------------------------------------------------------------------------ */

static zf_props_t delayed (uint64_t delay_ms)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.delay_ms = delay_ms;
    return props;
}

static void delayed_record_waits_others_pass (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props = delayed (5000);
    peer_post (p, "jobs", "a");
    peer_post_props (p, "jobs", "b", &props);
    peer_post (p, "jobs", "c");
    assert_confirmed (p, "jobs", 1, 1);
    assert_confirmed (p, "jobs", 2, 1);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a c", 1);
    rig_advance (rig, 4999);
    assert_silence (w);
    rig_advance (rig, 1);
    assert_delivered (w, "jobs", "b", 1);
    assert_int_equal (rig_info (rig, "jobs").delayed, 0);
}

static void delayed_records_come_in_order_of_time (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    static const uint64_t delays[] = {3000, 1000, 2000};
    static const char *const bodies[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++) {
        zf_props_t props = delayed (delays[i]);
        peer_post_props (p, "jobs", bodies[i], &props);
    }
    rig_advance (rig, 5000);
    assert_delivered (w, "jobs", "b c a", 1);
}

static void delay_without_end_never_comes (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    zf_props_t props = delayed (UINT64_MAX);
    peer_post_props (rig_peer (rig, "p"), "jobs", "a", &props);
    rig_advance (rig, 100000);
    assert_silence (w);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
}

/* -- keys -------------------------------------------------------------------------------------- */

static zf_props_t keyed (const char *key)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.key = zf_bytes_of (key);
    return props;
}

static void declare_ordered (rig_t *rig)
{
    zf_policy_t policy = rig_policy ();
    policy.ordered = true;
    policy.backoff_min_ms = policy.backoff_max_ms = 1000;
    rig_declare (rig, "jobs", &policy);
}

static void one_record_of_a_key_is_out_at_a_time (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t red = keyed ("red");
    zf_props_t blue = keyed ("blue");
    peer_post_props (p, "jobs", "r1 r2 r3", &red);
    peer_post_props (p, "jobs", "b1 b2", &blue);
    peer_post (p, "jobs", "none");
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 10);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    assert_delivered (w1, "jobs", "r1", 1);
    assert_delivered (w1, "jobs", "b1", 1);
    assert_delivered (w1, "jobs", "none", 1);
    assert_silence (w1);
    assert_silence (w2);
    peer_ack (w1, "jobs", "r1");
    assert_delivered (w1, "jobs", "r2", 1);
    peer_ack (w1, "jobs", "b1");
    assert_delivered (w2, "jobs", "b2", 1);
    peer_ack (w1, "jobs", "r2");
    assert_delivered (w1, "jobs", "r3", 1);
}

static void nacked_record_keeps_its_key_waiting (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    zf_props_t red = keyed ("red");
    peer_post_props (p, "jobs", "r1 r2", &red);
    assert_delivered (w, "jobs", "r1", 1);
    peer_nack (w, "jobs", "r1", -1);
    assert_silence (w);
    rig_advance (rig, 1000);
    assert_delivered (w, "jobs", "r1", 2);
    assert_silence (w);
    peer_ack (w, "jobs", "r1");
    assert_delivered (w, "jobs", "r2", 1);
}

/* Its time to start comes while another one of its key is out: it waits once more. */
static void delayed_record_waits_for_its_key_too (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    zf_props_t red = keyed ("red");
    red.delay_ms = 1000;
    peer_post_props (p, "jobs", "later", &red);
    red.delay_ms = 0;
    peer_post_props (p, "jobs", "now", &red);
    assert_delivered (w, "jobs", "now", 1);
    rig_advance (rig, 1000);
    assert_silence (w);
    peer_ack (w, "jobs", "now");
    assert_delivered (w, "jobs", "later", 1);
}

static void dead_worker_gives_the_key_back_in_order (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 10);
    zf_props_t red = keyed ("red");
    peer_post_props (p, "jobs", "r1 r2", &red);
    assert_delivered (w1, "jobs", "r1", 1);
    peer_drop (w1);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    assert_delivered (w2, "jobs", "r1", 2);
    assert_silence (w2);
    peer_reject (w2, "jobs", "r1", "bad");
    assert_delivered (w2, "jobs", "r2", 1);
    peer_ack (w2, "jobs", "r2");
    const zf_queue_t *queue = zf_engine_find (rig->engine, zf_bytes_of ("jobs"));
    assert_null (queue->keys);
}

static void expired_record_lets_its_key_go_on (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t red = keyed ("red");
    red.ttl_ms = 5000;
    peer_post_props (p, "jobs", "r1", &red);
    peer_post_props (p, "jobs", "r2", &red);
    red.ttl_ms = 0;
    peer_post_props (p, "jobs", "r3", &red);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "r1", 1);
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "jobs").expired, 1); /* r2, in line; the worker has r1 */
    peer_ack (w, "jobs", "r1");
    assert_delivered (w, "jobs", "r3", 1);
}

static void purge_empties_the_lines_of_keys (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    zf_props_t red = keyed ("red");
    peer_post_props (p, "jobs", "r1 r2 r3", &red);
    peer_consume (w, "jobs", 10);
    assert_delivered (w, "jobs", "r1", 1);
    peer_admin (rig->admin, "purge", "jobs", NULL);
    take_result (rig->admin, 0, NULL);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    peer_ack (w, "jobs", "r1");
    assert_silence (w);
    peer_post_props (p, "jobs", "r4", &red);
    assert_delivered (w, "jobs", "r4", 1);
}

static void key_without_an_ordered_queue_means_nothing (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    zf_props_t red = keyed ("red");
    peer_post_props (p, "jobs", "r1 r2", &red);
    assert_delivered (w, "jobs", "r1 r2", 1);
}

static void long_line_of_a_key_is_found_in_several_turns (void **state)
{
    rig_t *rig = *state;
    declare_ordered (rig);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t red = keyed ("red");
    rig->audits = false;
    for (int i = 0; i < 3000; i++)
        peer_post_props (p, "jobs", "r", &red);
    peer_post (p, "jobs", "none");
    rig->audits = true;
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    assert_delivered (w, "jobs", "r none", 1);
}

static void expired_line_of_a_key_does_not_recurse (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ordered = true;
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t red = keyed ("red");
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    rig->audits = false;
    for (int i = 0; i < 20000; i++)
        peer_post_props (p, "jobs", "r", &red);
    rig_advance (rig, 10000);
    rig->audits = true;
    assert_delivered (w, "jobs", "r", 1);
    peer_ack (w, "jobs", "r");
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").expired, 19999);
}

/* Random work on a few keys: each key's records are acked in the order they were posted. */
static void keys_keep_their_order_whatever_happens (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        uint64_t random = seed;
        rig_t *rig = rig_new (NULL);
        zf_policy_t policy = rig_policy ();
        policy.ordered = true;
        policy.max_attempts = 0;
        policy.backoff_max_ms = 200;
        rig_declare (rig, "jobs", &policy);
        peer_t *p = rig_peer (rig, "p");
        for (int i = 0; i < 60; i++) {
            static const char *const names[] = {"k0", "k1", "k2", "k3"};
            zf_props_t props = keyed (names[rand_below (&random, 4)]);
            char body[8];
            snprintf (body, sizeof body, "%d", i);
            peer_post_props (p, "jobs", body, &props);
        }
        peer_t *w = rig_worker (rig, "w", "jobs", 5);
        uint64_t acked[4] = {0};
        for (int step = 0; rig_info (rig, "jobs").length > 0 && step < 2000; step++) {
            rig_advance (rig, 50);
            letter_t *letter = w->inbox;
            if (letter == NULL)
                continue;
            zf_batch_t batch;
            zf_record_t record;
            zf_props_view_t view;
            zf_batch_decode (letter->body, &batch);
            assert_int_equal (batch.count, 1);
            zf_record_decode (batch.records, batch.records + batch.size, &record);
            zf_props_decode (record.props, record.body.size, &view);
            int key = ((const char *) view.key.data)[1] - '0';
            zf_reader_t r = zf_reader (letter->control);
            zf_mp_array (&r);
            zf_mp_uint (&r);
            zf_mp_bytes (&r);
            uint64_t id = zf_mp_uint (&r);
            uint32_t attempt = (uint32_t) zf_mp_uint (&r);
            char body[8];
            snprintf (body, sizeof body, "%.*s", (int) record.body.size,
                      (const char *) record.body.data);
            assert_delivered (w, "jobs", body, attempt);
            switch (rand_below (&random, 3)) {
            case 0:
                peer_nack (w, "jobs", body, -1);
                break;
            case 1:
                peer_release (w, "jobs", body);
                break;
            default:
                peer_ack (w, "jobs", body);
                assert_true (id + 1 > acked[key]);
                acked[key] = id + 1;
            }
        }
        assert_int_equal (rig_info (rig, "jobs").acked, 60);
        rig_free (rig);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (higher_priority_goes_first),
        TEST (priority_above_the_levels_is_the_highest),
        TEST (returned_record_keeps_its_priority),
        TEST (priorities_change_only_while_empty),
        TEST (delayed_record_waits_others_pass),
        TEST (delayed_records_come_in_order_of_time),
        TEST (delay_without_end_never_comes),
        TEST (one_record_of_a_key_is_out_at_a_time),
        TEST (nacked_record_keeps_its_key_waiting),
        TEST (delayed_record_waits_for_its_key_too),
        TEST (dead_worker_gives_the_key_back_in_order),
        TEST (expired_record_lets_its_key_go_on),
        TEST (purge_empties_the_lines_of_keys),
        TEST (key_without_an_ordered_queue_means_nothing),
        TEST (long_line_of_a_key_is_found_in_several_turns),
        TEST (expired_line_of_a_key_does_not_recurse),
        cmocka_unit_test (keys_keep_their_order_whatever_happens),
    };
    return cmocka_run_group_tests_name ("order", tests, NULL, NULL);
}
