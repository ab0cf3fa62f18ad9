#include "compose/yaml.h"

#include "tests/core/alloc.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A text that was read. */
typedef struct {
    zf_arena_t arena;
    zf_problems_t problems;
    zf_yaml_t *root;
    char told[4096]; /* its problems, a line each */
} read_t;

static void tell (void *arg, const char *line)
{
    read_t *read = arg;
    size_t used = strlen (read->told);
    snprintf (read->told + used, sizeof read->told - used, "%s\n", line);
}

static void read_bytes (read_t *read, const char *text, size_t size)
{
    memset (read, 0, sizeof *read);
    read->root = zf_yaml_parse (zf_bytes (text, size), &read->arena, &read->problems);
    zf_problems_each (&read->problems, "f", tell, read);
}

static void read_text (read_t *read, const char *text)
{
    read_bytes (read, text, strlen (text));
}

static void end (read_t *read)
{
    zf_problems_free (&read->problems);
    zf_arena_free (&read->arena);
}

/* Reads a text that is wrong, and compares what is said of it. */
static void assert_told (const char *text, const char *expected)
{
    read_t read;
    read_text (&read, text);
    assert_string_equal (read.told, expected);
    end (&read);
}

static void assert_spot (zf_spot_t spot, unsigned line, unsigned column)
{
    assert_int_equal (spot.line, line);
    assert_int_equal (spot.column, column);
}

/* -- trees ------------------------------------------------------------------------------------- */

static void mapping_knows_where_everything_stands (void **state)
{
    read_t read;
    read_text (&read, "a: 1\nb:\n  - x\n  - {c: y}\n");
    assert_string_equal (read.told, "");
    const zf_yaml_t *a = zf_yaml_get (read.root, "a"), *b = zf_yaml_get (read.root, "b");
    assert_string_equal (a->text, "1");
    assert_spot (a->key_place, 1, 1);
    assert_spot (a->place, 1, 4);
    assert_int_equal (b->kind, ZF_YAML_LIST);
    assert_int_equal (b->count, 2);
    assert_string_equal (zf_yaml_item (b, 0)->text, "x");
    assert_spot (zf_yaml_get (zf_yaml_item (b, 1), "c")->place, 4, 9);
    assert_null (zf_yaml_item (b, 2));
    assert_null (zf_yaml_get (read.root, "c"));
    end (&read);
}

static void scalar_is_a_list_of_one (void **state)
{
    read_t read;
    read_text (&read, "a: x");
    const zf_yaml_t *a = zf_yaml_get (read.root, "a");
    assert_ptr_equal (zf_yaml_item (a, 0), a);
    assert_null (zf_yaml_item (a, 1));
    end (&read);
}

static void plain_nothing_is_null_quoted_is_not (void **state)
{
    read_t read;
    read_text (&read, "a:\nb: ~\nc: null\nd: ''\ne: 'null'\n");
    assert_string_equal (read.told, "");
    assert_true (zf_yaml_get (read.root, "a")->is_null);
    assert_true (zf_yaml_get (read.root, "b")->is_null);
    assert_true (zf_yaml_get (read.root, "c")->is_null);
    assert_false (zf_yaml_get (read.root, "d")->is_null);
    assert_false (zf_yaml_get (read.root, "e")->is_null);
    end (&read);
}

static void empty_text_is_nothing (void **state)
{
    read_t read;
    read_text (&read, "# nothing\n");
    assert_null (read.root);
    assert_string_equal (read.told, "");
    end (&read);
}

/* -- what is refused --------------------------------------------------------------------------- */

static void key_used_twice_is_told_with_both_places (void **state)
{
    assert_told ("a: 1\nb: 2\na: 3\n",
                 "f:3:1: 'a' is here twice; the first is at 1:1, say it once\n");
}

static void anchors_aliases_and_tags_are_refused (void **state)
{
    assert_told ("a: &x 1\nb: *x\nc: !!int 3\n",
                 "f:1:4: anchors (&) are not understood; expected plain YAML without them\n"
                 "f:2:4: aliases (*) are not understood; expected plain YAML without them\n"
                 "f:3:4: tags (!) are not understood; expected plain YAML without them\n");
}

static void list_as_key_is_refused (void **state)
{
    assert_told ("? [a]\n: b\n",
                 "f:1:3: lists and mappings can't be keys; expected plain YAML without them\n");
}

static void second_document_is_refused (void **state)
{
    assert_told ("a: 1\n---\nb: 2\n", "f:2:1: a second document; a topology is one\n");
}

static void broken_syntax_is_told_with_its_place (void **state)
{
    read_t read;
    read_text (&read, "a: [1\nb: 2\n");
    assert_non_null (strstr (read.told, "f:2:2: no YAML: "));
    end (&read);
}

static void bytes_that_are_no_text_are_told (void **state)
{
    read_t read;
    read_text (&read, "a: \xff\n");
    assert_non_null (strstr (read.told, "f: no text: "));
    end (&read);
}

static void zero_byte_is_refused (void **state)
{
    assert_told ("a: \"x\\0y\"\n",
                 "f:1:4: there are zero bytes in it; expected plain YAML without them\n");
}

/* -- bounds ------------------------------------------------------------------------------------ */

static void nesting_is_bounded (void **state)
{
    read_t read;
    read_text (&read, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]");
    assert_string_equal (read.told, "");
    end (&read);
    assert_told ("[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
                 "f:1:17: more than 16 levels; nobody can mean that\n");
}

static void nodes_are_bounded (void **state)
{
    char *text = calloc (1, 2 * ZF_YAML_NODES + 8);
    read_t read;
    assert_non_null (text);
    text[0] = '[';
    for (size_t i = 0; i < ZF_YAML_NODES; i++)
        snprintf (text + 1 + 2 * i, 3, "1,");
    text[1 + 2 * ZF_YAML_NODES] = ']';
    read_text (&read, text);
    assert_non_null (strstr (read.told, "more than 10,000 things"));
    end (&read);
    free (text);
}

static void size_is_bounded (void **state)
{
    char *text = malloc (ZF_YAML_BYTES + 1);
    read_t read;
    assert_non_null (text);
    memset (text, '#', ZF_YAML_BYTES + 1);
    read_bytes (&read, text, ZF_YAML_BYTES + 1);
    assert_string_equal (read.told, "f: more than 1 MiB; that is no topology\n");
    end (&read);
    read_bytes (&read, text, ZF_YAML_BYTES);
    assert_string_equal (read.told, "");
    end (&read);
    free (text);
}

/* -- the environment --------------------------------------------------------------------------- */

static void assert_value (const char *text, const char *expected)
{
    read_t read;
    char all[200];
    snprintf (all, sizeof all, "a: \"%s\"\n", text);
    read_text (&read, all);
    assert_string_equal (read.told, "");
    assert_string_equal (zf_yaml_get (read.root, "a")->text, expected);
    end (&read);
}

static void variables_become_their_values (void **state)
{
    setenv ("ZF_TEST_A", "one", 1);
    setenv ("ZF_TEST_EMPTY", "", 1);
    unsetenv ("ZF_TEST_NONE");
    assert_value ("${ZF_TEST_A}", "one");
    assert_value ("x${ZF_TEST_A}y${ZF_TEST_A}", "xoneyone");
    assert_value ("${ZF_TEST_EMPTY}", "");
    assert_value ("${ZF_TEST_NONE:-two}", "two");
    assert_value ("${ZF_TEST_EMPTY:-two}", "two");
    assert_value ("${ZF_TEST_A:-two}", "one");
    assert_value ("${ZF_TEST_NONE:-}", "");
    assert_value ("$$", "$");
    assert_value ("$${ZF_TEST_A}", "${ZF_TEST_A}");
}

static void value_of_a_variable_is_not_read_as_yaml (void **state)
{
    setenv ("ZF_TEST_A", "null", 1);
    read_t read;
    read_text (&read, "a: ${ZF_TEST_A}\n");
    assert_false (zf_yaml_get (read.root, "a")->is_null);
    end (&read);
    setenv ("ZF_TEST_A", "${ZF_TEST_A}: [", 1);
    assert_value ("${ZF_TEST_A}", "${ZF_TEST_A}: [");
}

static void variable_that_is_not_there_is_told (void **state)
{
    unsetenv ("ZF_TEST_NONE");
    assert_told ("a: ${ZF_TEST_NONE}\n",
                 "f:1:4: the environment has no 'ZF_TEST_NONE'; set it, or say "
                 "${NAME:-text} for what holds without it\n");
}

static void dollars_that_mean_nothing_are_told (void **state)
{
    assert_told ("a: 5$\n", "f:1:4: a lone $; a dollar sign is written $$, a variable ${NAME}\n");
    assert_told ("a: ${1}\n", "f:1:4: '${1}' is no ${NAME} or ${NAME:-fallback}; a dollar sign is "
                              "written $$\n");
    assert_told ("a: ${B\n", "f:1:4: '${B' is no ${NAME} or ${NAME:-fallback}; a dollar sign is "
                             "written $$\n");
}

static void variable_between_braces_wants_quotes (void **state)
{
    assert_told ("a: {b: ${C}}\n",
                 "f:1:8: between { } or [ ] a variable wants quotes: \"${NAME}\"\n");
}

static void what_the_environment_adds_is_bounded (void **state)
{
    char *value = malloc (100001);
    read_t read;
    assert_non_null (value);
    memset (value, 'x', 100000);
    value[100000] = '\0';
    setenv ("ZF_TEST_A", value, 1);
    read_text (&read, "[\"${ZF_TEST_A}${ZF_TEST_A}${ZF_TEST_A}${ZF_TEST_A}\",\n"
                      "\"${ZF_TEST_A}${ZF_TEST_A}${ZF_TEST_A}${ZF_TEST_A}\",\n"
                      "\"${ZF_TEST_A}${ZF_TEST_A}${ZF_TEST_A}${ZF_TEST_A}\"]\n");
    assert_string_equal (read.told, "f:3:1: more than 1 MiB of text comes from the environment\n");
    end (&read);
    unsetenv ("ZF_TEST_A");
    free (value);
}

/* -- memory ------------------------------------------------------------------------------------ */

static void memory_that_is_out_is_noticed_wherever_it_is (void **state)
{
    static const char text[] = "a: ${ZF_TEST_NONE:-x}\nb: [1, {c: d}]\na: 2\n";
    bool failed = true;
    unsetenv ("ZF_TEST_NONE");
    for (size_t n = 1; failed; n++) {
        read_t read;
        memset (&read, 0, sizeof read);
        alloc_enter ();
        alloc_fail (n, 1);
        read.root = zf_yaml_parse (zf_bytes_of (text), &read.arena, &read.problems);
        failed = alloc_failures () > 0;
        alloc_fail (0, 0);
        alloc_leave ();
        bool noticed = read.arena.has_failed || read.problems.has_failed;
        assert_int_equal (noticed, failed);
        end (&read);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (mapping_knows_where_everything_stands),
        cmocka_unit_test (scalar_is_a_list_of_one),
        cmocka_unit_test (plain_nothing_is_null_quoted_is_not),
        cmocka_unit_test (empty_text_is_nothing),
        cmocka_unit_test (key_used_twice_is_told_with_both_places),
        cmocka_unit_test (anchors_aliases_and_tags_are_refused),
        cmocka_unit_test (list_as_key_is_refused),
        cmocka_unit_test (second_document_is_refused),
        cmocka_unit_test (broken_syntax_is_told_with_its_place),
        cmocka_unit_test (bytes_that_are_no_text_are_told),
        cmocka_unit_test (zero_byte_is_refused),
        cmocka_unit_test (nesting_is_bounded),
        cmocka_unit_test (nodes_are_bounded),
        cmocka_unit_test (size_is_bounded),
        cmocka_unit_test (variables_become_their_values),
        cmocka_unit_test (value_of_a_variable_is_not_read_as_yaml),
        cmocka_unit_test (variable_that_is_not_there_is_told),
        cmocka_unit_test (dollars_that_mean_nothing_are_told),
        cmocka_unit_test (variable_between_braces_wants_quotes),
        cmocka_unit_test (what_the_environment_adds_is_bounded),
        cmocka_unit_test (memory_that_is_out_is_noticed_wherever_it_is),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
