/* Who wants what on the plain side: first holders and last ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "devices/plain_interest.h"
#include <zferry/error.h>

static const zf_holder_t one = {0, 1}, two = {0, 2}, other_socket = {1, 1}, unknown = {0, -1};

static void first_holder_and_last_one_are_told (void **state)
{
    zf_interest_t *all = NULL;
    zf_bytes_t topic = zf_bytes_of ("a");
    assert_int_equal (zf_interest_add (&all, topic, one), 1);
    assert_int_equal (zf_interest_add (&all, topic, two), 0);
    assert_int_equal (zf_interest_add (&all, topic, other_socket), 0);
    assert_false (zf_interest_remove (&all, topic, two));
    assert_false (zf_interest_remove (&all, topic, one));
    assert_true (zf_interest_remove (&all, topic, other_socket));
    assert_null (all);
    assert_false (zf_interest_remove (&all, topic, one));
}

static void holder_counts_once_however_often_it_is_added (void **state)
{
    zf_interest_t *all = NULL;
    zf_bytes_t topic = zf_bytes_of ("a");
    assert_int_equal (zf_interest_add (&all, topic, one), 1);
    assert_int_equal (zf_interest_add (&all, topic, one), 0);
    assert_true (zf_interest_remove (&all, topic, one));
}

static void holders_that_are_not_known_count_each (void **state)
{
    zf_interest_t *all = NULL;
    zf_bytes_t topic = zf_bytes_of ("a");
    assert_int_equal (zf_interest_add (&all, topic, unknown), 1);
    assert_int_equal (zf_interest_add (&all, topic, unknown), 0);
    assert_false (zf_interest_remove (&all, topic, unknown));
    assert_true (zf_interest_remove (&all, topic, unknown));
}

static void who_is_not_known_takes_one_of_the_same_socket (void **state)
{
    zf_interest_t *all = NULL;
    zf_bytes_t topic = zf_bytes_of ("a");
    zf_interest_add (&all, topic, one);
    zf_interest_add (&all, topic, other_socket);
    assert_false (zf_interest_remove (&all, topic, unknown));
    assert_false (zf_interest_holds (all, topic, 0));
    assert_true (zf_interest_holds (all, topic, 1));
    assert_false (zf_interest_remove (&all, topic, unknown)); /* nobody is left there */
    assert_true (zf_interest_holds (all, topic, 1));
    zf_interest_free (&all);
    assert_null (all);
}

static void who_is_known_takes_only_its_own (void **state)
{
    zf_interest_t *all = NULL;
    zf_bytes_t topic = zf_bytes_of ("a");
    zf_interest_add (&all, topic, one);
    assert_true (zf_interest_has (all, topic, one));
    assert_false (zf_interest_has (all, topic, two));
    assert_false (zf_interest_remove (&all, topic, two)); /* it never held it */
    assert_true (zf_interest_has (all, topic, one));
    zf_interest_add (&all, topic, unknown); /* this may have been it */
    assert_false (zf_interest_remove (&all, topic, two));
    assert_false (zf_interest_has (all, topic, unknown));
    assert_true (zf_interest_remove (&all, topic, one));
}

static bool is_two (void *arg, int32_t connection)
{
    (void) arg;
    return connection == 2;
}

static void lost_holder_is_found (void **state)
{
    zf_interest_t *all = NULL;
    zf_bytes_t topic = zf_bytes_of ("a");
    zf_interest_add (&all, topic, one);
    assert_int_equal (zf_interest_lost (all, topic, 0, is_two, NULL), -1);
    zf_interest_add (&all, topic, two);
    assert_int_equal (zf_interest_lost (all, topic, 0, is_two, NULL), 2);
    assert_int_equal (zf_interest_lost (all, topic, 1, is_two, NULL), -1);
    assert_int_equal (zf_interest_lost (all, zf_bytes_of ("b"), 0, is_two, NULL), -1);
    zf_interest_free (&all);
}

static void topics_are_any_bytes (void **state)
{
    zf_interest_t *all = NULL;
    zf_bytes_t topics[] = {zf_bytes ("", 0), zf_bytes ("\0", 1), zf_bytes ("\0\0", 2),
                           zf_bytes ("\xff", 1)};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (zf_interest_add (&all, topics[i], one), 1);
    for (size_t i = 0; i < 4; i++)
        assert_true (zf_interest_remove (&all, topics[i], one));
}

static void topics_are_bounded (void **state)
{
    zf_interest_t *all = NULL;
    for (uint32_t i = 0; i < ZF_INTEREST_MAX; i++)
        assert_int_equal (zf_interest_add (&all, zf_bytes (&i, sizeof i), one), 1);
    assert_int_equal (zf_interest_add (&all, zf_bytes_of ("one more"), one), ZF_E_LIMIT);
    uint32_t there = 7;
    assert_int_equal (zf_interest_add (&all, zf_bytes (&there, sizeof there), two), 0);
    zf_interest_free (&all);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (first_holder_and_last_one_are_told),
        cmocka_unit_test (holder_counts_once_however_often_it_is_added),
        cmocka_unit_test (holders_that_are_not_known_count_each),
        cmocka_unit_test (who_is_not_known_takes_one_of_the_same_socket),
        cmocka_unit_test (who_is_known_takes_only_its_own),
        cmocka_unit_test (lost_holder_is_found),
        cmocka_unit_test (topics_are_any_bytes),
        cmocka_unit_test (topics_are_bounded),
    };
    return cmocka_run_group_tests_name ("who wants what", tests, NULL, NULL);
}
