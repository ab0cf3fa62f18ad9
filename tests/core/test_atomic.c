/* Atomic posts: records for several queues, all of them or none. */
#include "tests/core/rig.h"

/* Posts the bodies; parts says how many go where: "jobs 2 mail 1". */
static void post_many (peer_t *peer, uint64_t number, uint64_t low, const char *parts,
                       const char *bodies)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    uint32_t words = wire_words (parts);
    zf_mp_put_uint (&w, number);
    zf_mp_put_uint (&w, low);
    zf_mp_put_array (&w, words);
    for (uint32_t i = 0; i + 1 < words; i += 2) {
        zf_mp_put_str (&w, wire_word (parts, i));
        zf_mp_put_uint (&w, strtoul (wire_word (parts, i + 1).data, NULL, 10));
    }
    peer_write (peer, &w, wire_batch (1, bodies, NULL));
}

static void atomic_post_reaches_all_queues (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1, 1, "jobs 2 mail 1 news 1", "a b c d");
    assert_done (p, 1, 0);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a b", 1);
    peer_consume (w, "mail", 10);
    assert_delivered (w, "mail", "c", 1);
    peer_consume (w, "news", 10);
    assert_delivered (w, "news", "d", 1);
}

static void atomic_post_that_does_not_fit_somewhere_goes_nowhere (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    rig_declare (rig, "mail", &policy);
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1, 1, "jobs 1 mail 2", "a b c");
    assert_done (p, 1, ZF_E_FULL);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "mail").length, 0);
    post_many (p, 2, 1, "jobs 1 mail 1", "a b");
    assert_done (p, 2, 0);
}

static void atomic_post_to_one_queue_twice_counts_both (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 2;
    rig_declare (rig, "mail", &policy);
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1, 1, "mail 1 jobs 1 mail 2", "a b c d");
    assert_done (p, 1, ZF_E_FULL);
    post_many (p, 2, 1, "mail 1 jobs 1 mail 1", "a b c");
    assert_done (p, 2, 0);
    assert_int_equal (rig_info (rig, "mail").length, 2);
}

static void atomic_post_beyond_the_memory_of_all_goes_nowhere (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 20;
    rig_t *rig = rig_new (&options);
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1, 1, "jobs 2 mail 2", "aa bb cc dd");
    assert_done (p, 1, ZF_E_FULL);
    assert_int_equal (rig->engine->bytes, 0);
    post_many (p, 2, 1, "jobs 2 mail 1", "aa bb cc");
    assert_done (p, 2, 0);
    rig_free (rig);
}

static void atomic_post_sent_again_is_done_once (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1, 1, "jobs 1 mail 1", "a b");
    post_many (p, 1, 1, "jobs 1 mail 1", "a b");
    assert_done (p, 1, 0);
    assert_done (p, 1, 0);
    assert_int_equal (rig_info (rig, "jobs").length, 1);
    peer_drop (p);
    peer_reconnect (p);
    peer_forget_letters (p);
    post_many (p, 1, 1, "jobs 1 mail 1", "a b");
    assert_done (p, 1, 0);
    assert_int_equal (rig_info (rig, "mail").length, 1);
}

static void atomic_refusal_is_told_again (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    rig_declare (rig, "mail", &policy);
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1, 1, "jobs 1 mail 2", "a b c");
    assert_done (p, 1, ZF_E_FULL);
    policy.max_length = 0;
    rig_declare (rig, "mail", &policy);
    post_many (p, 1, 1, "jobs 1 mail 2", "a b c");
    assert_done (p, 1, ZF_E_FULL);
    post_many (p, 2, 2, "jobs 1 mail 2", "a b c");
    assert_done (p, 2, 0);
}

static void atomic_post_that_lies_about_its_parts_is_refused (void **state)
{
    rig_t *rig = *state;
    static const char *const lies[] = {"jobs 1", "jobs 3", "jobs 0 mail 2", "jobs 2 mail 1", ""};
    peer_t *p = rig_peer (rig, "p");
    for (uint64_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        post_many (p, i + 1, 1, lies[i], "a b");
        assert_done (p, i + 1, ZF_E_PROTO);
    }
    post_many (p, 9, 1, "jobs 1 mmi.echo 1", "a b");
    assert_done (p, 9, ZF_E_INVAL);
    assert_int_equal (rig->engine->bytes, 0);
}

static void atomic_post_without_a_number_is_wrong (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 0, 0, "jobs 1", "a");
    assert_error (p, ZF_E_PROTO);
    post_many (p, UINT64_MAX, 0, "jobs 1", "a");
    assert_error (p, ZF_E_PROTO);
}

static void atomic_post_does_not_push_its_own_queues_out (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.max_queues = 1;
    rig_t *rig = rig_new (&options);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_bye (w); /* jobs is idle, the first to make room */
    peer_t *p = rig_peer (rig, "p");
    post_many (p, 1, 1, "jobs 1 mail 1", "a b");
    assert_done (p, 1, ZF_E_LIMIT);
    assert_int_equal (rig->engine->bytes, 0);
    rig_free (rig);
}

static void atomic_refusals_nobody_hears_of_end_the_session (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 1;
    rig_declare (rig, "mail", &policy);
    peer_t *p = rig_peer (rig, "p");
    rig->audits = false;
    uint64_t number = 1;
    for (; p->session != NULL && number < UINT64_C (3) * ZF_REFUSALS_MAX; number += 2)
        post_many (p, number, 1, "mail 2", "a b");
    assert_int_equal (number, 1 + 2 * (ZF_REFUSALS_MAX + 1));
}

static void atomic_producer_silent_for_long_is_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *p1 = rig_peer (rig, "p1");
    peer_t *p2 = rig_peer (rig, "p2");
    post_many (p1, 1, 1, "jobs 1", "a");
    rig_advance (rig, ZF_PRODUCER_MEMORY_MS);
    post_many (p2, 1, 1, "jobs 1", "b");
    assert_int_equal (HASH_COUNT (rig->engine->atomics.table), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (atomic_post_reaches_all_queues),
        TEST (atomic_post_that_does_not_fit_somewhere_goes_nowhere),
        TEST (atomic_post_to_one_queue_twice_counts_both),
        cmocka_unit_test (atomic_post_beyond_the_memory_of_all_goes_nowhere),
        TEST (atomic_post_sent_again_is_done_once),
        TEST (atomic_refusal_is_told_again),
        TEST (atomic_post_that_lies_about_its_parts_is_refused),
        TEST (atomic_post_without_a_number_is_wrong),
        cmocka_unit_test (atomic_post_does_not_push_its_own_queues_out),
        TEST (atomic_refusals_nobody_hears_of_end_the_session),
        TEST (atomic_producer_silent_for_long_is_forgotten),
    };
    return cmocka_run_group_tests_name ("atomic", tests, NULL, NULL);
}
