/* Repair of damaged journals, on the disk in memory: every byte of small ones is damaged, and a
 * repair is ended at each of its calls, with the power failing then. */
#include "persist/journal.h"
#include "persist/scan.h"
#include "tests/core/rand.h"
#include "tests/persist/golden.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DIR   "/j"
#define ASIDE "/j.damaged-1"

/* What was damaged, and what came out of it. */
typedef struct {
    golden_t golden;
    size_t file;   /* index of the one that is damaged */
    size_t offset; /* of the byte */
    size_t next;   /* index of the first entry that may come now */
    size_t count;  /* of entries that came */
} rig_t;

static disk_t *damaged (const rig_t *rig)
{
    char path[128];
    disk_t *disk = disk_new ();
    golden_put (&rig->golden, disk, DIR);
    snprintf (path, sizeof path, DIR "/%s", rig->golden.files[rig->file].name);
    disk_flip (disk, path, rig->offset, (uint8_t) (1u << rig->offset % 8));
    return disk;
}

static void wrong (const rig_t *rig, const char *what, const char *detail)
{
    fail_msg ("file %zu, byte %zu: %s %s", rig->file + 1, rig->offset, what, detail);
}

/* An entry that need not be there: it is no data, was trimmed, or is damaged. */
static bool may_miss (const rig_t *rig, const golden_entry_t *entry)
{
    if (entry->kind != GOLDEN_DATA || entry->position < rig->golden.trimmed)
        return true;
    return entry->file == rig->file && rig->offset >= entry->offset &&
           rig->offset < entry->offset + GOLDEN_HEAD + entry->size;
}

static bool is_entry (const rig_t *rig, const golden_entry_t *entry, zf_bytes_t data)
{
    return entry->kind == GOLDEN_DATA && entry->size == data.size &&
           (data.size == 0 ||
            memcmp (golden_payload (&rig->golden, entry), data.data, data.size) == 0);
}

static int replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    rig_t *rig = arg;
    const golden_entry_t *entries = rig->golden.entries;
    rig->count++;
    while (rig->next < rig->golden.entry_count && !is_entry (rig, &entries[rig->next], data)) {
        if (!may_miss (rig, &entries[rig->next]))
            wrong (rig, "an entry is missing", "before another one");
        rig->next++;
    }
    if (rig->next == rig->golden.entry_count)
        wrong (rig, "an entry", "that was never there");
    rig->next++;
    return 0;
}

static int open_it (rig_t *rig, disk_t *disk, bool read_only, zf_error_t *err)
{
    zf_journal_t *journal = NULL;
    zf_journal_options_t options;
    zf_journal_defaults (&options);
    options.dir = DIR;
    options.segment_bytes = 65536;
    options.spares = 1;
    options.read_only = read_only;
    options.replay = read_only ? NULL : replay;
    options.arg = rig;
    rig->next = 0;
    rig->count = 0;
    int rc = zf_journal_open_on (&journal, disk_fs (disk), &options, err);
    zf_journal_close (&journal);
    return rc;
}

static void assert_all_that_was_whole (rig_t *rig, disk_t *disk)
{
    zf_error_t err;
    if (open_it (rig, disk, false, &err) != 0)
        wrong (rig, "after repair:", err.text);
    for (; rig->next < rig->golden.entry_count; rig->next++)
        if (!may_miss (rig, &rig->golden.entries[rig->next]))
            wrong (rig, "an entry is missing", "at the end");
}

/* The damaged files lie there now, with not a byte changed. */
static void assert_set_aside (const rig_t *rig, const disk_t *disk, const disk_t *before)
{
    for (size_t i = 0; i < rig->golden.file_count; i++) {
        uint8_t was[512];
        uint8_t is[512];
        char path[128];
        snprintf (path, sizeof path, DIR "/%s", rig->golden.files[i].name);
        size_t size = disk_read (before, path, 0, was, sizeof was);
        snprintf (path, sizeof path, ASIDE "/%s", rig->golden.files[i].name);
        assert_int_equal (disk_file_size (disk, path), size);
        assert_int_equal (disk_read (disk, path, 0, is, sizeof is), size);
        assert_memory_equal (is, was, size);
    }
}

static void repair (rig_t *rig, disk_t *disk, const disk_t *before)
{
    zf_error_t err;
    zf_scan_summary_t found;
    zf_repair_summary_t summary;
    if (zf_journal_scan_on (disk_fs (disk), DIR, NULL, NULL, &found, &err) != 0)
        wrong (rig, "scan:", err.text);
    if (found.damages == 0)
        wrong (rig, "scan finds no damage", "where open does");
    assert_true (disk_same (disk, before, DIR, NULL));
    if (zf_journal_repair_on (disk_fs (disk), DIR, NULL, NULL, &summary, &err) != 0)
        wrong (rig, "repair:", err.text);
    assert_string_equal (summary.aside, ASIDE);
    assert_set_aside (rig, disk, before);
    assert_all_that_was_whole (rig, disk);
    assert_int_equal (summary.kept, rig->count);
}

/* What opens is left alone, torn end or not. */
static void leave_alone (rig_t *rig, disk_t *disk, const disk_t *before)
{
    zf_error_t err;
    zf_repair_summary_t summary;
    if (zf_journal_repair_on (disk_fs (disk), DIR, NULL, NULL, &summary, &err) != 0)
        wrong (rig, "repair of nothing:", err.text);
    if (summary.aside[0] != '\0')
        wrong (rig, "repaired", "though it opens");
    assert_true (disk_same (disk, before, DIR, "lock"));
}

static void damage_and_repair (rig_t *rig, size_t *repaired)
{
    zf_error_t err;
    disk_t *disk = damaged (rig);
    disk_t *before = damaged (rig);
    bool opens = open_it (rig, disk, true, &err) == 0;
    if (opens)
        leave_alone (rig, disk, before);
    else
        repair (rig, disk, before);
    *repaired += !opens;
    assert_int_equal (disk_open_files (disk), 0);
    disk_free (&disk);
    disk_free (&before);
}

static void damage_every_byte (const char *name)
{
    rig_t rig = {.file = 0};
    size_t repaired = 0;
    golden_read (&rig.golden, name);
    for (; rig.file < rig.golden.file_count; rig.file++)
        for (rig.offset = 0; rig.offset < rig.golden.files[rig.file].used; rig.offset++)
            damage_and_repair (&rig, &repaired);
    print_message ("%s: %zu repaired\n", name, repaired);
    assert_true (repaired > 100);
    golden_free (&rig.golden);
}

static void damaged_anywhere_is_repaired_with_all_that_is_whole (void **state)
{
    damage_every_byte ("killed");
    damage_every_byte ("closed");
}

/* -- a repair that does not come to its end ---------------------------------------------------- */

static void repair_again (rig_t *rig, disk_t *disk)
{
    zf_error_t err;
    zf_repair_summary_t summary;
    if (zf_journal_repair_on (disk_fs (disk), DIR, NULL, NULL, &summary, &err) != 0)
        wrong (rig, "repair again:", err.text);
    assert_all_that_was_whole (rig, disk);
}

/* Returns false if the repair was over before. */
static bool end_repair_at (rig_t *rig, uint64_t call)
{
    zf_error_t err;
    zf_repair_summary_t summary;
    uint64_t seed = call;
    disk_t *disk = damaged (rig);
    disk_stop_at (disk, call, call % 2 == 0 ? DISK_WHOLE : DISK_PART);
    int rc = zf_journal_repair_on (disk_fs (disk), DIR, NULL, NULL, &summary, &err);
    bool ended = disk_stopped (disk);
    assert_true (rc == 0 || ended);
    for (int i = 0; i < 6; i++) {
        disk_keep_t keep = i == 0 ? DISK_KEEP_NONE : i == 1 ? DISK_KEEP_ALL : DISK_KEEP_RANDOM;
        disk_t *after = disk_after_crash (disk, keep, rand_next (&seed));
        repair_again (rig, after);
        disk_free (&after);
    }
    disk_free (&disk);
    return ended;
}

static void repair_ended_at_each_call_can_be_done_again (void **state)
{
    rig_t rig = {.file = 1, .offset = 100};
    uint64_t call = 1;
    golden_read (&rig.golden, "killed");
    while (end_repair_at (&rig, call))
        call++;
    print_message ("ended at %" PRIu64 " calls\n", call - 1);
    assert_true (call > 20);
    golden_free (&rig.golden);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (damaged_anywhere_is_repaired_with_all_that_is_whole),
        cmocka_unit_test (repair_ended_at_each_call_can_be_done_again),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
