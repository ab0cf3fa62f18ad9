#include "core/producers.h"

#include "tests/core/alloc.h"
#include "tests/core/rand.h"
#include "tests/core/rig.h"

static zf_producer_t *get (zf_producers_t *producers, uint64_t who, uint64_t now_ms)
{
    uint8_t uuid[ZF_UUID_BYTES] = {0};
    zf_store_u64le (uuid, who);
    return zf_producers_get (producers, uuid, now_ms);
}

static void producer_is_the_same_each_time (void **state)
{
    (void) state;
    zf_producers_t producers = {0};
    zf_producer_t *a = get (&producers, 1, 0);
    zf_producer_t *b = get (&producers, 2, 0);
    assert_true (a != b);
    assert_int_equal (a->last, 0);
    a->last = 7;
    assert_ptr_equal (get (&producers, 1, 5), a);
    assert_int_equal (a->last, 7);
    assert_int_equal (a->seen_ms, 5);
    zf_producers_free (&producers);
    assert_null (producers.table);
}

static void silent_ones_are_forgotten_longest_silent_first (void **state)
{
    (void) state;
    zf_producers_t producers = {0};
    assert_int_equal (zf_producers_expire (&producers, 100), UINT64_MAX);
    get (&producers, 1, 1000);
    get (&producers, 2, 2000);
    get (&producers, 1, 3000);
    uint64_t due = zf_producers_expire (&producers, 2000 + ZF_PRODUCER_MEMORY_MS - 1);
    assert_int_equal (due, 2000 + ZF_PRODUCER_MEMORY_MS);
    assert_int_equal (HASH_COUNT (producers.table), 2);
    due = zf_producers_expire (&producers, due);
    assert_int_equal (HASH_COUNT (producers.table), 1);
    assert_int_equal (due, 3000 + ZF_PRODUCER_MEMORY_MS);
    assert_int_equal (zf_producers_expire (&producers, due), UINT64_MAX);
    assert_null (producers.order);
}

static void too_many_push_out_the_longest_silent (void **state)
{
    (void) state;
    zf_producers_t producers = {0};
    get (&producers, 0, 0)->last = 7;
    for (uint64_t who = 1; who < ZF_PRODUCERS_MAX; who++)
        get (&producers, who, 0);
    assert_int_equal (get (&producers, 0, 0)->last, 7);
    get (&producers, ZF_PRODUCERS_MAX, 0); /* 1 has to go */
    assert_int_equal (HASH_COUNT (producers.table), ZF_PRODUCERS_MAX);
    assert_int_equal (get (&producers, 0, 0)->last, 7);
    zf_producers_free (&producers);
}

static void refusals_that_follow_on_are_one (void **state)
{
    (void) state;
    zf_producers_t producers = {0};
    zf_producer_t *p = get (&producers, 1, 0);
    for (uint64_t number = 1; number <= 100000; number++)
        assert_int_equal (zf_producer_refuse (p, number, 1, ZF_E_FULL), 0);
    assert_int_equal (p->refusal_count, 1);
    assert_int_equal (zf_producer_refuse (p, 100001, 1, ZF_E_NOMEM), 0);
    assert_int_equal (p->refusal_count, 2);
    zf_producers_free (&producers);
}

static void refusals_are_limited_and_forgotten_when_heard_of (void **state)
{
    (void) state;
    zf_producers_t producers = {0};
    zf_producer_t *p = get (&producers, 1, 0);
    for (uint64_t i = 0; i < ZF_REFUSALS_MAX; i++)
        assert_int_equal (zf_producer_refuse (p, 10 * i, 5, ZF_E_FULL), 0);
    assert_int_equal (zf_producer_refuse (p, 10 * (uint64_t) ZF_REFUSALS_MAX, 5, ZF_E_FULL),
                      ZF_E_LIMIT);
    zf_producer_heard (p, 14); /* in the middle of the second */
    assert_int_equal (p->refusal_count, ZF_REFUSALS_MAX - 1);
    zf_producer_heard (p, 15);
    assert_int_equal (p->refusal_count, ZF_REFUSALS_MAX - 2);
    assert_int_equal (zf_producer_refuse (p, 10 * (uint64_t) ZF_REFUSALS_MAX, 5, ZF_E_FULL), 0);
    zf_producer_heard (p, UINT64_MAX);
    assert_null (p->refusals);
    zf_producers_free (&producers);
}

static void outcomes_agree_with_a_simple_model (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        uint64_t random = seed;
        int model[1000] = {0}; /* by number */
        zf_producers_t producers = {0};
        zf_producer_t *p = get (&producers, 1, 0);
        while (p->last + 20 < 1000) {
            uint64_t n = 1 + rand_below (&random, 10);
            int code = rand_below (&random, 2)   ? 0
                       : rand_below (&random, 2) ? ZF_E_FULL
                                                 : ZF_E_NOMEM;
            for (uint64_t i = 1; i <= n; i++)
                model[p->last + i] = code;
            if (code != 0)
                assert_int_equal (zf_producer_refuse (p, p->last + 1, n, code), 0);
            p->last += n;
        }
        for (uint64_t number = 1; number <= p->last;) {
            uint64_t count = 0;
            int code = zf_producer_outcome (p, number, &count);
            assert_true (count > 0 && number + count <= p->last + 1);
            for (; count > 0; count--)
                assert_int_equal (model[number++], code);
        }
        zf_producers_free (&producers);
    }
}

static void producer_without_memory_is_none (void **state)
{
    (void) state;
    for (size_t n = 1; n <= 3; n++) { /* the producer, the hash table, its buckets */
        zf_producers_t producers = {0};
        alloc_enter ();
        alloc_fail (n, 1);
        assert_null (get (&producers, 1, 0));
        alloc_fail (1, 0);
        alloc_leave ();
        assert_null (producers.order);
        assert_non_null (get (&producers, 1, 0));
        zf_producers_free (&producers);
    }
    zf_producers_t producers = {0};
    zf_producer_t *p = get (&producers, 1, 0);
    alloc_enter ();
    alloc_fail (1, 1);
    assert_int_equal (zf_producer_refuse (p, 1, 1, ZF_E_FULL), ZF_E_NOMEM);
    alloc_leave ();
    assert_null (p->refusals);
    zf_producers_free (&producers);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (producer_is_the_same_each_time),
        cmocka_unit_test (silent_ones_are_forgotten_longest_silent_first),
        cmocka_unit_test (too_many_push_out_the_longest_silent),
        cmocka_unit_test (refusals_that_follow_on_are_one),
        cmocka_unit_test (refusals_are_limited_and_forgotten_when_heard_of),
        cmocka_unit_test (outcomes_agree_with_a_simple_model),
        cmocka_unit_test (producer_without_memory_is_none),
    };
    return cmocka_run_group_tests_name ("producers", tests, NULL, NULL);
}
