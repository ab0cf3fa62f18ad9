#include "core/timers.h"

#include "tests/core/alloc.h"
#include "tests/core/rand.h"
#include "tests/core/rig.h"

#define COUNT 300

static void timers_fire_in_order_and_not_before (void **state)
{
    (void) state;
    zf_timers_t timers = {0};
    zf_timer_t a = {0}, b = {0}, c = {0};
    assert_int_equal (zf_timers_next (&timers), ZF_NEVER);
    zf_timers_set (&timers, &a, 30);
    zf_timers_set (&timers, &b, 10);
    zf_timers_set (&timers, &c, 20);
    assert_int_equal (zf_timers_next (&timers), 10);
    assert_null (zf_timers_pop (&timers, 9));
    assert_ptr_equal (zf_timers_pop (&timers, 25), &b);
    assert_ptr_equal (zf_timers_pop (&timers, 25), &c);
    assert_null (zf_timers_pop (&timers, 25));
    assert_ptr_equal (zf_timers_pop (&timers, 30), &a);
    assert_int_equal (a.slot, 0);
    assert_null (zf_timers_pop (&timers, UINT64_MAX));
    zf_timers_free (&timers);
}

static void timer_set_again_is_moved (void **state)
{
    (void) state;
    zf_timers_t timers = {0};
    zf_timer_t a = {0}, b = {0};
    zf_timers_set (&timers, &a, 10);
    zf_timers_set (&timers, &b, 20);
    zf_timers_set (&timers, &a, 30);
    assert_int_equal (timers.count, 2);
    assert_ptr_equal (zf_timers_pop (&timers, 100), &b);
    zf_timers_set (&timers, &a, 5);
    assert_int_equal (zf_timers_next (&timers), 5);
    zf_timers_free (&timers);
}

static void timer_cancelled_does_not_fire (void **state)
{
    (void) state;
    zf_timers_t timers = {0};
    zf_timer_t a = {0}, b = {0};
    zf_timers_cancel (&timers, &a);
    zf_timers_set (&timers, &a, 10);
    zf_timers_set (&timers, &b, 20);
    zf_timers_cancel (&timers, &a);
    zf_timers_cancel (&timers, &a);
    assert_ptr_equal (zf_timers_pop (&timers, 100), &b);
    assert_null (zf_timers_pop (&timers, 100));
    zf_timers_free (&timers);
}

/* The one that has to fire at `now`, by looking at them all; NULL: none. */
static zf_timer_t *earliest (zf_timer_t *timers, uint64_t now)
{
    zf_timer_t *first = NULL;
    for (int i = 0; i < COUNT; i++) {
        if (timers[i].slot == 0 || timers[i].due_ms > now)
            continue;
        if (first == NULL || timers[i].due_ms < first->due_ms)
            first = &timers[i];
    }
    return first;
}

static void fire_all (zf_timers_t *heap, zf_timer_t *timers, uint64_t now)
{
    zf_timer_t *timer;
    do {
        zf_timer_t *expected = earliest (timers, now);
        uint64_t due = expected != NULL ? expected->due_ms : 0;
        timer = zf_timers_pop (heap, now);
        assert_true ((timer != NULL) == (expected != NULL));
        assert_true (timer == NULL || timer->due_ms == due);
    } while (timer != NULL);
}

static void timers_agree_with_a_simple_model (void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        static zf_timer_t timers[COUNT];
        uint64_t random = seed;
        uint64_t now = 0;
        zf_timers_t heap = {0};
        memset (timers, 0, sizeof timers);
        for (int step = 0; step < 2000; step++) {
            zf_timer_t *timer = &timers[rand_below (&random, COUNT)];
            switch (rand_below (&random, 4)) {
            case 0:
                zf_timers_cancel (&heap, timer);
                break;
            case 1:
                now += rand_below (&random, 20);
                fire_all (&heap, timers, now);
                break;
            default:
                zf_timers_set (&heap, timer, now + rand_below (&random, 500));
            }
        }
        fire_all (&heap, timers, UINT64_MAX);
        assert_int_equal (heap.count, 0);
        zf_timers_free (&heap);
    }
}

static void timer_without_memory_is_not_set_and_one_that_is_set_moves (void **state)
{
    (void) state;
    zf_timers_t timers = {0};
    zf_timer_t many[20] = {{0}};
    for (int i = 0; i < 15; i++)
        zf_timers_set (&timers, &many[i], 100);
    alloc_enter ();
    alloc_fail (1, 100);
    assert_int_equal (zf_timers_set (&timers, &many[15], 50), ZF_E_NOMEM);
    assert_int_equal (many[15].slot, 0);
    assert_int_equal (zf_timers_set (&timers, &many[3], 50), 0);
    alloc_leave ();
    assert_int_equal (zf_timers_next (&timers), 50);
    assert_int_equal (timers.count, 15);
    zf_timers_free (&timers);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (timers_fire_in_order_and_not_before),
        cmocka_unit_test (timer_set_again_is_moved),
        cmocka_unit_test (timer_cancelled_does_not_fire),
        cmocka_unit_test (timers_agree_with_a_simple_model),
        cmocka_unit_test (timer_without_memory_is_not_set_and_one_that_is_set_moves),
    };
    return cmocka_run_group_tests_name ("timers", tests, NULL, NULL);
}
