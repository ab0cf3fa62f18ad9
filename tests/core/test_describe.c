/* The operations of an entry, in words. */
#include "core/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/core/golden.h"
#include <zferry/journal.h>

static golden_set_t golden, streams;

static void add (void *arg, const char *line)
{
    char *text = arg;
    size_t size = strlen (text);
    snprintf (text + size, 4096 - size, "%s%s", size > 0 ? "\n" : "", line);
}

static const char *describe (golden_set_t *set, const char *name)
{
    static char text[4096];
    const golden_t *vector = golden_find (set, name);
    zf_bytes_t entry = zf_bytes (vector->frame.data, vector->frame.size);
    text[0] = '\0';
    assert_int_equal (zf_entry_describe (entry, add, text), 0);
    return text;
}

static void every_golden_entry_can_be_described (void **state)
{
    (void) state;
    for (size_t i = 0; i < golden.count; i++)
        assert_true (strlen (describe (&golden, golden.vectors[i].name)) > 5);
    for (size_t i = 0; i < streams.count; i++)
        assert_true (strlen (describe (&streams, streams.vectors[i].name)) > 5);
}

static void operations_are_described_with_their_arguments (void **state)
{
    (void) state;
    assert_string_equal (describe (&golden, "take"),
                         "STATE queue 1 first 0 count 2 attempts 1 due_ms 0");
    assert_string_equal (describe (&golden, "ack"), "GONE queue 1 first 0 count 1");
}

static void what_is_said_of_streams_and_groups_is_described (void **state)
{
    (void) state;
    assert_string_equal (describe (&streams, "compacted stream"),
                         "QUEUE queue 9 name 'compact' policy {...} declared yes dead no next [50] "
                         "stream [40 35 45]");
    assert_non_null (strstr (describe (&streams, "group"), "stream [0 0 't' 'u.>']"));
    assert_string_equal (describe (&streams, "group acks all"),
                         "GONE queue 2 first 0 count 1\nCURSOR queue 2 floor 3 missed 0");
    assert_string_equal (describe (&streams, "cursor"), "CURSOR queue 2 floor 5");
}

static void what_is_no_entry_is_not_described (void **state)
{
    char text[4096] = "";
    static const char cut[] = "\x94\x0c\x02\x09";
    static const char later[] = "\x91\x0d";
    (void) state;
    assert_true (zf_entry_describe (zf_bytes (cut, 4), add, text) < 0);
    assert_true (zf_entry_describe (zf_bytes (later, 2), add, text) < 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_golden_entry_can_be_described),
        cmocka_unit_test (operations_are_described_with_their_arguments),
        cmocka_unit_test (what_is_said_of_streams_and_groups_is_described),
        cmocka_unit_test (what_is_no_entry_is_not_described),
    };
    golden_read_from (&golden, "ops.txt");
    golden_read_from (&streams, "streams.txt");
    int rc = cmocka_run_group_tests_name ("describe", tests, NULL, NULL);
    golden_free (&golden);
    golden_free (&streams);
    return rc;
}
