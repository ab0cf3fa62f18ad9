#include "tests/core/rig.h"

#include <limits.h>
#include <zferry/zferry.h>

static void every_code_has_a_name_of_its_own (void **state)
{
    (void) state;
    for (int code = ZF_E_LAST; code <= ZF_OK; code++) {
        assert_string_not_equal (zf_strerror (code), "unknown error");
        for (int other = ZF_E_LAST; other < code; other++)
            assert_string_not_equal (zf_strerror (code), zf_strerror (other));
    }
}

static void code_nobody_knows_has_a_name_too (void **state)
{
    (void) state;
    assert_string_equal (zf_strerror (ZF_E_LAST - 1), "unknown error");
    assert_string_equal (zf_strerror (1), "unknown error");
    assert_string_equal (zf_strerror (INT_MIN), "unknown error");
}

static void error_says_what_happened (void **state)
{
    (void) state;
    zf_error_t err = {0};
    assert_int_equal (zf_error_set (&err, ZF_E_IO, "read %s: %d", "file", 7), ZF_E_IO);
    assert_int_equal (err.code, ZF_E_IO);
    assert_string_equal (err.text, "read file: 7");
}

static void wrapped_error_says_where (void **state)
{
    (void) state;
    zf_error_t err = {0};
    zf_error_set (&err, ZF_E_IO, "no space");
    assert_int_equal (zf_error_wrap (&err, ZF_E_CLOSED, "segment %d", 7), ZF_E_CLOSED);
    assert_int_equal (err.code, ZF_E_CLOSED);
    assert_string_equal (err.text, "segment 7: no space");
}

static void error_is_cut_to_its_room (void **state)
{
    (void) state;
    zf_error_t err = {0};
    char longest[1000];
    memset (longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    zf_error_set (&err, ZF_E_IO, "%s", longest);
    assert_int_equal (strlen (err.text), sizeof err.text - 1);
    zf_error_wrap (&err, ZF_E_IO, "here");
    assert_int_equal (strlen (err.text), sizeof err.text - 1);
    assert_memory_equal (err.text, "here: xxx", 9);
    zf_error_wrap (&err, ZF_E_IO, "%s", longest);
    assert_int_equal (strlen (err.text), sizeof err.text - 1);
}

static void error_that_nobody_wants_is_fine (void **state)
{
    (void) state;
    assert_int_equal (zf_error_set (NULL, ZF_E_IO, "x"), ZF_E_IO);
    assert_int_equal (zf_error_wrap (NULL, ZF_E_IO, "x"), ZF_E_IO);
}

static void version_is_that_of_the_header (void **state)
{
    (void) state;
    char expected[32];
    snprintf (expected, sizeof expected, "%d.%d.%d", ZFERRY_VERSION_MAJOR, ZFERRY_VERSION_MINOR,
              ZFERRY_VERSION_PATCH);
    assert_string_equal (zf_version (), expected);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_code_has_a_name_of_its_own),
        cmocka_unit_test (code_nobody_knows_has_a_name_too),
        cmocka_unit_test (error_says_what_happened),
        cmocka_unit_test (wrapped_error_says_where),
        cmocka_unit_test (error_is_cut_to_its_room),
        cmocka_unit_test (error_that_nobody_wants_is_fine),
        cmocka_unit_test (version_is_that_of_the_header),
    };
    return cmocka_run_group_tests_name ("error", tests, NULL, NULL);
}
