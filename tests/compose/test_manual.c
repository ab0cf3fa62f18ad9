/* docs/topology.md lists every key as the tables have it: what stands behind "## Every key" is what
 * they say. With ZFERRY_UPDATE in the environment it is written instead. */
#include "compose/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEADING "\n## Every key\n\n"

enum { MANUAL_BYTES = 262144 };

static char page[MANUAL_BYTES];     /* the file */
static char expected[MANUAL_BYTES]; /* the tables */

static void put_line (void *arg, const char *line)
{
    (void) arg;
    size_t used = strlen (expected);
    snprintf (expected + used, sizeof expected - used, "%s\n", line);
}

static char *read_page (const char *name)
{
    FILE *file = fopen (name, "r");
    assert_non_null (file);
    page[fread (page, 1, sizeof page - 1, file)] = '\0';
    fclose (file);
    char *tables = strstr (page, HEADING);
    assert_non_null (tables);
    return tables + strlen (HEADING);
}

static void write_page (const char *name, const char *tables)
{
    FILE *file = fopen (name, "w");
    assert_non_null (file);
    fprintf (file, "%.*s%s", (int) (tables - page), page, expected);
    assert_int_equal (fclose (file), 0);
}

static void manual_has_every_key (void **state)
{
    static const char name[] = "docs/topology.md";
    zf_schema_manual (zf_plan_keys, "At the top", put_line, NULL);
    size_t size = strlen (expected);
    assert_true (size < sizeof expected - 1);
    expected[size - 1] = '\0'; /* one empty line less at the end */
    if (getenv ("ZFERRY_UPDATE") != NULL)
        write_page (name, read_page (name));
    const char *tables = read_page (name);
    for (size_t i = 0; tables[i] != '\0' || expected[i] != '\0'; i++)
        if (tables[i] != expected[i])
            fail_msg ("%s differs from the tables at \"%.80s\"; ZFERRY_UPDATE=1 writes it", name,
                      expected + i);
}

/* Every key that can be asked for is told with what it is. */
static void assert_explained (const zf_key_t *keys)
{
    for (const zf_key_t *key = keys; key->name != NULL; key++) {
        if (key->kind != SCHEMA_SAME)
            assert_true (key->help != NULL && key->help[0] != '\0');
        if (key->kind == SCHEMA_WORD)
            assert_non_null (key->words);
        if (key->kind == SCHEMA_WORD)
            assert_int_equal (key->size, sizeof (unsigned));
        if (key->keys != NULL)
            assert_explained (key->keys);
    }
}

static void every_key_is_explained (void **state)
{
    assert_explained (zf_plan_keys);
}

/* -- defaults ---------------------------------------------------------------------------------- */

static uint64_t number_at (const zf_key_t *key, const char *base)
{
    uint64_t number = 0; /* little-endian */
    memcpy (&number, base + key->at, key->size);
    return number;
}

static void assert_default (const zf_key_t *key, const char *base)
{
    char first[64] = "";
    uint64_t number = 0;
    if (key->fallback != NULL)
        snprintf (first, sizeof first, "%.*s", (int) strcspn (key->fallback, ":, "), key->fallback);
    bool is_number =
        key->kind == SCHEMA_COUNT || key->kind == SCHEMA_BYTES || key->kind == SCHEMA_TIME;
    if (is_number && zf_schema_number (key->kind, first, &number) &&
        number != number_at (key, base))
        fail_msg ("%s is not %s by default", key->name, first);
    if (key->kind == SCHEMA_BOOL)
        assert_string_equal (key->fallback, number_at (key, base) != 0 ? "true" : "false");
    if (key->kind == SCHEMA_WORD)
        assert_string_equal (key->fallback, key->words[number_at (key, base)]);
}

/* base: a struct as it is before keys are read. */
static void assert_defaults (const zf_key_t *keys, const char *base)
{
    for (const zf_key_t *key = keys; key->name != NULL; key++) {
        if (key->kind == SCHEMA_MAP || key->kind == SCHEMA_SAME) {
            assert_defaults (key->keys, base + key->at);
        } else if (key->kind == SCHEMA_TABLE) {
            char *item = calloc (1, key->size);
            assert_non_null (item);
            key->prepare (item, base);
            assert_defaults (key->keys, item);
            free (item);
        } else {
            assert_default (key, base);
        }
    }
}

static void defaults_are_what_the_manual_says (void **state)
{
    static zf_plan_t plan;
    zf_plan_prepare (&plan);
    assert_defaults (zf_plan_keys, (const char *) &plan);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (manual_has_every_key),
                                       cmocka_unit_test (every_key_is_explained),
                                       cmocka_unit_test (defaults_are_what_the_manual_says)};
    const char *source = getenv ("ZFERRY_SOURCE");
    if (source == NULL || chdir (source) != 0) {
        fprintf (stderr, "ZFERRY_SOURCE is not where the sources are\n");
        return 1;
    }
    return cmocka_run_group_tests (tests, NULL, NULL);
}
