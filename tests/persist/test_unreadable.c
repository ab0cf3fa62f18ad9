/* A journal on a disk that fails to read a block: the rest is kept. */
#include "core/bytes.h"
#include "persist/journal.h"
#include "persist/scan.h"
#include "tests/persist/place.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENTRIES     3
#define ENTRY_BYTES 10000
#define BLOCK       4096u

/* The system's files, but for a block of one of them. */
static struct {
    zf_fs_t fs;
    char path[128];        /* of the file */
    uint64_t offset;       /* of the block */
    atomic_bool bad[1024]; /* which descriptors are of the file; other threads open theirs */
} worn;

static int open_worn (zf_fs_t *fs, const char *path, int flags)
{
    int fd = zf_fs_system ()->open (fs, path, flags);
    assert_true (fd < 1024);
    if (fd >= 0)
        worn.bad[fd] = strcmp (path, worn.path) == 0;
    return fd;
}

static ssize_t read_worn (zf_fs_t *fs, int fd, void *data, size_t size, uint64_t offset)
{
    if (worn.bad[fd] && offset < worn.offset + BLOCK && offset + size > worn.offset)
        return -EIO;
    return zf_fs_system ()->pread (fs, fd, data, size, offset);
}

typedef struct {
    char place[64];
    char dir[80];
    zf_journal_options_t options;
    size_t damages; /* that a scan told of */
    bool told_why;  /* one of them, that it could not be read */
} rig_t;

static int setup (void **state)
{
    static uint8_t bytes[ENTRY_BYTES];
    memset (bytes, 'x', sizeof bytes);
    zf_bytes_t part = zf_bytes (bytes, sizeof bytes);
    zf_journal_t *journal;
    rig_t *rig = calloc (1, sizeof *rig);
    place_make (rig->place, sizeof rig->place);
    snprintf (rig->dir, sizeof rig->dir, "%s/j", rig->place);
    zf_journal_defaults (&rig->options);
    rig->options.dir = rig->dir;
    rig->options.segment_bytes = 64u << 10;
    assert_int_equal (zf_journal_open (&journal, &rig->options, NULL), 0);
    for (int i = 0; i < ENTRIES; i++)
        assert_int_equal (zf_journal_append (journal, &part, 1, NULL, NULL), 0);
    assert_int_equal (zf_journal_close (&journal), 0);
    worn.fs = *zf_fs_system ();
    worn.fs.open = open_worn;
    worn.fs.pread = read_worn;
    snprintf (worn.path, sizeof worn.path, "%s", place_segment (rig->dir, 1));
    *state = rig;
    return 0;
}

static int teardown (void **state)
{
    rig_t *rig = *state;
    place_remove (rig->place);
    free (rig);
    return 0;
}

static int note_damage (void *arg, const zf_scan_item_t *item)
{
    rig_t *rig = arg;
    rig->damages += item->what == ZF_SCAN_DAMAGE;
    if (item->what == ZF_SCAN_DAMAGE && strstr (item->text, "fails to read") != NULL)
        rig->told_why = true;
    return 0;
}

/* Repairs, and returns how many entries there are then. */
static uint64_t repair (rig_t *rig)
{
    zf_error_t err = {0};
    zf_journal_t *journal;
    zf_journal_stats_t stats;
    zf_repair_summary_t summary;
    int rc = zf_journal_repair_on (&worn.fs, rig->dir, note_damage, rig, &summary, &err);
    if (rc != 0)
        fail_msg ("%s", err.text);
    assert_true (summary.aside[0] != '\0');
    assert_int_equal (zf_journal_open (&journal, &rig->options, &err), 0);
    zf_journal_stats (journal, &stats);
    assert_int_equal (summary.kept, stats.replayed);
    assert_int_equal (zf_journal_close (&journal), 0);
    return stats.replayed;
}

static void expect_loss (rig_t *rig, uint64_t offset, uint64_t left)
{
    zf_error_t err = {0};
    zf_journal_t *journal;
    worn.offset = offset;
    assert_int_equal (zf_journal_open_on (&journal, &worn.fs, &rig->options, &err), ZF_E_IO);
    assert_int_equal (repair (rig), left);
    assert_true (rig->damages > 0);
    assert_true (rig->told_why);
}

static void block_of_one_entry_takes_only_that (void **state)
{
    expect_loss (*state, 3 * BLOCK, ENTRIES - 1);
}

static void block_of_two_entries_takes_both (void **state)
{
    expect_loss (*state, 2 * BLOCK, ENTRIES - 2);
}

static void block_of_the_header_takes_the_first_entry (void **state)
{
    expect_loss (*state, 0, ENTRIES - 1);
}

static void block_behind_the_end_takes_nothing (void **state)
{
    expect_loss (*state, 10 * BLOCK, ENTRIES);
}

int main (void)
{
#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE (block_of_one_entry_takes_only_that),
        CASE (block_of_two_entries_takes_both),
        CASE (block_of_the_header_takes_the_first_entry),
        CASE (block_behind_the_end_takes_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
