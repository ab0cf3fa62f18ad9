/* What is said of texts with mistakes: errors/NAME.yaml, and beside it errors/NAME.txt. With
 * ZFERRY_UPDATE in the environment the latter are written instead: look at what changed. */
#include <zferry/topology.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    char text[16384]; /* a line each */
} told_t;

static void tell (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    told_t *told = arg;
    size_t used = strlen (told->text);
    assert_int_equal (level, ZF_LOG_ERROR);
    assert_string_equal (device, "");
    snprintf (told->text + used, sizeof told->text - used, "%s\n", text);
}

static void read_expected (const char *name, char *text, size_t size)
{
    FILE *file = fopen (name, "r");
    if (file == NULL)
        fail_msg ("%s is missing; ZFERRY_UPDATE=1 writes it", name);
    text[fread (text, 1, size - 1, file)] = '\0';
    fclose (file);
}

static void write_expected (const char *name, const char *text)
{
    FILE *file = fopen (name, "w");
    assert_non_null (file);
    fputs (text, file);
    assert_int_equal (fclose (file), 0);
}

static void check_file (const char *file)
{
    static told_t told;
    static char expected[sizeof told.text];
    char name[300];
    zf_error_t err = {.code = 0};
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.file = file;
    options.on_log = tell;
    options.arg = &told;
    told.text[0] = '\0';
    assert_int_equal (zf_topology_check (&options, &err), ZF_E_INVAL);
    snprintf (name, sizeof name, "%.*stxt", (int) (strlen (file) - strlen ("yaml")), file);
    if (getenv ("ZFERRY_UPDATE") != NULL)
        write_expected (name, told.text);
    read_expected (name, expected, sizeof expected);
    assert_string_equal (told.text, expected);
    size_t first = strcspn (told.text, "\n");
    size_t shown = first < sizeof err.text - 1 ? first : sizeof err.text - 1;
    assert_int_equal (strncmp (err.text, told.text, shown), 0); /* the first one, maybe cut */
    assert_int_equal (err.text[shown], '\0');
}

static int is_text (const struct dirent *entry)
{
    const char *dot = strrchr (entry->d_name, '.');
    return dot != NULL && strcmp (dot, ".yaml") == 0;
}

static void every_mistake_is_told_with_its_place (void **state)
{
    struct dirent **entries = NULL;
    int count = scandir (".", &entries, is_text, alphasort);
    assert_true (count >= 15);
    for (int i = 0; i < count; i++) {
        check_file (entries[i]->d_name);
        free (entries[i]);
    }
    free (entries);
}

int main (void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test (every_mistake_is_told_with_its_place)};
    const char *source = getenv ("ZFERRY_SOURCE");
    unsetenv ("ZF_TEST_NOT_THERE");
    unsetenv ("ZF_TEST_PORT");
    if (source == NULL || chdir (source) != 0 || chdir ("tests/compose/errors") != 0) {
        fprintf (stderr, "ZFERRY_SOURCE is not where the sources are\n");
        return 1;
    }
    return cmocka_run_group_tests (tests, NULL, NULL);
}
