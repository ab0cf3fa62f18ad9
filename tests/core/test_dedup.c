#include "core/dedup.h"

#include "tests/core/alloc.h"
#include "tests/core/rig.h"

static int add (zf_dedup_t *dedup, uint64_t id, uint64_t now_ms, uint64_t window_ms)
{
    return zf_dedup_add (dedup, zf_bytes (&id, sizeof id), now_ms, window_ms, 0);
}

static void id_is_new_once_in_its_window (void **state)
{
    (void) state;
    zf_dedup_t dedup = {0};
    assert_int_equal (add (&dedup, 1, 1000, 100), 1);
    assert_int_equal (add (&dedup, 2, 1050, 100), 1);
    assert_int_equal (add (&dedup, 1, 1099, 100), 0);
    assert_int_equal (add (&dedup, 1, 1100, 100), 1);
    assert_int_equal (add (&dedup, 2, 1149, 100), 0);
    zf_dedup_free (&dedup);
    assert_null (dedup.table);
}

static void ids_are_forgotten_in_time (void **state)
{
    (void) state;
    zf_dedup_t dedup = {0};
    assert_int_equal (zf_dedup_expire (&dedup, 0), UINT64_MAX);
    add (&dedup, 1, 1000, 100);
    add (&dedup, 2, 1050, 100);
    assert_int_equal (zf_dedup_expire (&dedup, 1099), 1100);
    assert_int_equal (zf_dedup_expire (&dedup, 1100), 1150);
    assert_int_equal (zf_dedup_expire (&dedup, 1150), UINT64_MAX);
    assert_null (dedup.order);
}

static void window_that_shrinks_is_kept_to (void **state)
{
    (void) state;
    zf_dedup_t dedup = {0};
    add (&dedup, 1, 1000, 10000);
    add (&dedup, 2, 1000, 100);
    assert_int_equal (add (&dedup, 2, 1100, 100), 1);
    assert_int_equal (add (&dedup, 1, 1100, 100), 0);
    zf_dedup_free (&dedup);
}

static void too_many_ids_push_out_the_oldest (void **state)
{
    (void) state;
    zf_dedup_t dedup = {0};
    for (uint64_t id = 0; id <= ZF_DEDUP_MAX; id++)
        assert_int_equal (add (&dedup, id, 0, 100), 1);
    assert_int_equal (add (&dedup, ZF_DEDUP_MAX, 0, 100), 0);
    assert_int_equal (add (&dedup, 1, 0, 100), 0);
    assert_int_equal (add (&dedup, 0, 0, 100), 1);
    zf_dedup_free (&dedup);
}

static void id_without_memory_is_not_remembered (void **state)
{
    (void) state;
    for (size_t n = 1; n <= 3; n++) {
        zf_dedup_t dedup = {0};
        alloc_enter ();
        alloc_fail (n, 1);
        assert_int_equal (add (&dedup, 1, 0, 100), ZF_E_NOMEM);
        alloc_fail (1, 0);
        alloc_leave ();
        assert_int_equal (add (&dedup, 1, 0, 100), 1);
        zf_dedup_free (&dedup);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (id_is_new_once_in_its_window),
        cmocka_unit_test (ids_are_forgotten_in_time),
        cmocka_unit_test (window_that_shrinks_is_kept_to),
        cmocka_unit_test (too_many_ids_push_out_the_oldest),
        cmocka_unit_test (id_without_memory_is_not_remembered),
    };
    return cmocka_run_group_tests_name ("dedup", tests, NULL, NULL);
}
