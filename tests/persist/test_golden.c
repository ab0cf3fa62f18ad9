/* The format of the journal on disk, pinned: what zferry writes is byte for byte what an encoder
 * that was written from docs/format.md alone writes (tests/golden/journal/make.py). */
#include "persist/journal.h"
#include "tests/persist/damage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIR "/j"

static void append (zf_journal_t *journal, const char *a, const char *b, const char *c)
{
    zf_bytes_t parts[] = {{a, strlen (a)}, {b, strlen (b)}, {c, strlen (c)}};
    assert_int_equal (zf_journal_append (journal, parts, 3, NULL, NULL), 0);
}

static void append_run (zf_journal_t *journal, char c, size_t size)
{
    char *run = malloc (size);
    assert_non_null (run);
    memset (run, c, size);
    zf_bytes_t part = {run, size};
    assert_int_equal (zf_journal_append (journal, &part, 1, NULL, NULL), 0);
    free (run);
}

/* What written.txt tells. */
static void write_story (disk_t *disk)
{
    zf_journal_t *journal = NULL;
    zf_journal_options_t options;
    zf_journal_defaults (&options);
    options.dir = DIR;
    options.segment_bytes = 65536;
    options.spares = 1;
    assert_int_equal (zf_journal_open_on (&journal, disk_fs (disk), &options, NULL), 0);
    append (journal, "first", "", "");
    append (journal, "two", " ", "parts");
    assert_int_equal (zf_journal_sync (journal, NULL), 0);
    append (journal, "", "", "");
    append_run (journal, 'x', 60000);
    append_run (journal, 'y', 60000);
    assert_int_equal (zf_journal_trim (journal, 48, NULL), 0);
    assert_int_equal (zf_journal_sync (journal, NULL), 0);
    append (journal, "last", "", "");
    assert_int_equal (zf_journal_close (&journal), 0);
}

static void assert_file (const disk_t *disk, const golden_file_t *file)
{
    char path[256];
    snprintf (path, sizeof path, DIR "/%s", file->name);
    assert_int_equal (disk_file_size (disk, path), file->size);
    uint8_t *bytes = malloc (file->size);
    assert_non_null (bytes);
    assert_int_equal (disk_read (disk, path, 0, bytes, file->size), file->size);
    assert_memory_equal (bytes, file->bytes, file->size);
    free (bytes);
}

static void journal_written_is_golden (void **state)
{
    golden_t golden;
    golden_read (&golden, "written");
    disk_t *disk = disk_new ();
    write_story (disk);
    for (size_t i = 0; i < golden.file_count; i++)
        assert_file (disk, &golden.files[i]);
    disk_free (&disk);
    golden_free (&golden);
}

static void golden_journal_is_read (void **state)
{
    const char *const names[] = {"written", "killed", "closed"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        damage_t damage;
        damage_init (&damage, names[i]);
        if (!damage_none (&damage))
            fail_msg ("%s: %s", names[i], damage.wrong);
        damage_fini (&damage);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (journal_written_is_golden),
        cmocka_unit_test (golden_journal_is_read),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
