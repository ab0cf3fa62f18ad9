/* Looking into journals that are damaged, and repairing them. */
#include "core/bytes.h"
#include "persist/journal.h"
#include "tests/persist/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SEGMENT (UINT64_C (64) << 10)
#define SIZE    1000
#define EXTENT  UINT64_C (1040)
#define WHOLE   62 /* such entries of a segment */

typedef struct {
    char place[256]; /* temporary directory */
    char dir[300];   /* the journal's, in it */
    zf_journal_options_t options;
    zf_journal_t *journal; /* open, or NULL */
    zf_error_t err;
    zf_scan_summary_t summary;
    bool seen[2000]; /* entries of these numbers were found */
    uint32_t last;   /* number of the last one */
    bool ordered;    /* each came after those with lower numbers */
    int damages;     /* reported */
    int torn;
    zf_scan_item_t damage; /* the last one; */
    char file[64];         /* its file */
    char text[200];        /* and text */
} rig_t;

static void note (rig_t *rig, zf_bytes_t data)
{
    uint32_t number = zf_load_u32le (data.data);
    assert_true (number < 2000);
    rig->ordered &= number > rig->last;
    rig->last = number;
    rig->seen[number] = true;
}

static int on_item (void *arg, const zf_scan_item_t *item)
{
    rig_t *rig = arg;
    if (item->what == ZF_SCAN_DATA)
        note (rig, item->data);
    rig->torn += item->what == ZF_SCAN_TORN;
    if (item->what != ZF_SCAN_DAMAGE)
        return 0;
    rig->damages++;
    rig->damage = *item;
    snprintf (rig->file, sizeof rig->file, "%s", item->file);
    snprintf (rig->text, sizeof rig->text, "%s", item->text);
    return 0;
}

static int replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    (void) position;
    (void) err;
    note (arg, data);
    return 0;
}

static void forget (rig_t *rig)
{
    memset (rig->seen, 0, sizeof rig->seen);
    rig->last = 0;
    rig->ordered = true;
    rig->damages = rig->torn = 0;
}

static void assert_ok (rig_t *rig, int rc)
{
    if (rc != 0)
        fail_msg ("%s: %s", zf_strerror (rc), rig->err.text);
}

static void reopen (rig_t *rig)
{
    zf_journal_close (&rig->journal);
    forget (rig);
    assert_ok (rig, zf_journal_open (&rig->journal, &rig->options, &rig->err));
}

static void append (rig_t *rig, uint32_t from, uint32_t count)
{
    for (uint32_t i = from; i < from + count; i++) {
        uint8_t data[SIZE] = {0};
        zf_bytes_t part = zf_bytes (data, sizeof data);
        zf_store_u32le (data, i);
        memset (data + 4, (int) i, sizeof data - 4);
        assert_ok (rig, zf_journal_append (rig->journal, &part, 1, NULL, &rig->err));
    }
}

/* 300 entries in five segments, closed. */
static int setup (void **state)
{
    rig_t *rig = calloc (1, sizeof *rig);
    place_make (rig->place, sizeof rig->place);
    snprintf (rig->dir, sizeof rig->dir, "%s/journal", rig->place);
    zf_journal_defaults (&rig->options);
    rig->options.dir = rig->dir;
    rig->options.segment_bytes = SEGMENT;
    rig->options.replay = replay;
    rig->options.arg = rig;
    *state = rig;
    reopen (rig);
    append (rig, 1, 300);
    assert_int_equal (zf_journal_close (&rig->journal), 0);
    return 0;
}

static int teardown (void **state)
{
    rig_t *rig = *state;
    zf_journal_close (&rig->journal);
    place_remove (rig->place);
    free (rig);
    return 0;
}

static void scan (rig_t *rig)
{
    forget (rig);
    assert_ok (rig, zf_journal_scan (rig->dir, on_item, rig, &rig->summary, &rig->err));
    assert_int_equal (rig->summary.damages, rig->damages);
}

static void flip (rig_t *rig, uint64_t segment, long offset)
{
    uint8_t byte;
    place_read (place_segment (rig->dir, segment), offset, &byte, 1);
    byte ^= 0x10;
    place_write (place_segment (rig->dir, segment), offset, &byte, 1);
}

/* All of from..to were seen but those from lost on, so many. */
static void assert_seen (rig_t *rig, uint32_t to, uint32_t lost, uint32_t count)
{
    assert_true (rig->ordered);
    for (uint32_t i = 1; i <= to; i++)
        assert_int_equal (rig->seen[i], i < lost || i >= lost + count);
}

static void sound_journal_has_no_damage (void **state)
{
    rig_t *rig = *state;
    scan (rig);
    assert_seen (rig, 300, 0, 0);
    assert_int_equal (rig->damages, 0);
    assert_int_equal (rig->summary.entries, 300);
    assert_int_equal (rig->summary.entry_bytes, 300 * SIZE);
    assert_int_equal (rig->summary.segments, 5);
    assert_true (rig->summary.spares <= 2); /* as many as were ready at the close */
    assert_int_equal (rig->summary.next, 300 * EXTENT + ZF_ENTRY_HEADER);
    assert_int_equal (rig->summary.disk_bytes, (5 + rig->summary.spares) * SEGMENT);
    assert_true (rig->summary.closed);
}

static void damaged_entry_is_named_and_the_rest_found (void **state)
{
    rig_t *rig = *state;
    flip (rig, 2, (long) (64 + 10 * EXTENT + 500));
    scan (rig);
    assert_seen (rig, 300, WHOLE + 11, 1);
    assert_int_equal (rig->damages, 1);
    assert_string_equal (rig->file, "0000000000000002.zfj");
    assert_int_equal (rig->damage.offset, 64 + 10 * EXTENT);
    assert_int_equal (rig->damage.size, EXTENT);
    assert_int_equal (rig->damage.position, (WHOLE + 10) * EXTENT);
    assert_string_equal (rig->text, "checksum mismatch; it held an entry of 1000 bytes");
    assert_int_equal (rig->summary.lost_bytes, EXTENT);
}

static void damaged_entry_header_is_found (void **state)
{
    rig_t *rig = *state;
    flip (rig, 2, (long) (64 + 10 * EXTENT + 4));
    scan (rig);
    assert_seen (rig, 300, WHOLE + 11, 1);
    assert_int_equal (rig->damages, 1);
    assert_string_equal (rig->text, "no entry; what it held cannot be told");
}

static void damage_at_the_end_of_a_segment_is_found (void **state)
{
    rig_t *rig = *state;
    flip (rig, 3, (long) (64 + (WHOLE - 1) * EXTENT + 900));
    scan (rig);
    assert_seen (rig, 300, 3 * WHOLE, 1);
    assert_int_equal (rig->damages, 1);
    assert_string_equal (rig->file, "0000000000000003.zfj");
    assert_int_equal (rig->damage.size, EXTENT);
}

static void damaged_segment_header_loses_nothing (void **state)
{
    rig_t *rig = *state;
    for (uint64_t number = 1; number <= 5; number++) {
        flip (rig, number, 33);
        scan (rig);
        assert_seen (rig, 300, 0, 0);
        assert_int_equal (rig->damages, 1);
        assert_int_equal (rig->file[15], '0' + number);
        assert_int_equal (rig->damage.offset, 0);
        assert_int_equal (rig->damage.size, 0);
        flip (rig, number, 33);
    }
}

static void missing_segment_is_a_gap (void **state)
{
    rig_t *rig = *state;
    unlink (place_segment (rig->dir, 3));
    scan (rig);
    assert_seen (rig, 300, 2 * WHOLE + 1, WHOLE);
    assert_int_equal (rig->damages, 1);
    assert_string_equal (rig->file, "0000000000000003.zfj");
    assert_string_equal (rig->text, "the file is missing");
    assert_int_equal (rig->damage.size, WHOLE * EXTENT);
}

static void missing_first_segment_is_a_gap (void **state)
{
    rig_t *rig = *state;
    unlink (place_segment (rig->dir, 1));
    scan (rig);
    assert_seen (rig, 300, 1, WHOLE);
    assert_int_equal (rig->damages, 1);
    assert_string_equal (rig->file, "0000000000000001.zfj");
}

static void torn_end_is_no_damage (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 301, 3);
    /* never synced; and what a crash leaves of it */
    flip (rig, 5, (long) (64 + (300 - 4 * WHOLE) * EXTENT + 40 + EXTENT + 100));
    scan (rig);
    assert_seen (rig, 303, 302, 2);
    assert_int_equal (rig->damages, 0);
    assert_int_equal (rig->torn, 1);
    assert_int_equal (rig->summary.torn_bytes, EXTENT);
    assert_false (rig->summary.closed);
}

static void trimmed_entries_are_not_missed (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    assert_ok (rig, zf_journal_trim (rig->journal, 200 * EXTENT, &rig->err));
    assert_int_equal (zf_journal_close (&rig->journal), 0);
    scan (rig);
    assert_int_equal (rig->damages, 0);
    assert_int_equal (rig->summary.first, 200 * EXTENT);
    assert_int_equal (rig->summary.entries, 100);
}

static void scan_beside_a_writer_changes_nothing (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 301, 100);
    scan (rig);
    assert_seen (rig, 400, 0, 0);
    assert_int_equal (rig->damages, 0);
    append (rig, 401, 10);
    reopen (rig);
    assert_seen (rig, 410, 0, 0);
}

static void nothing_to_scan_is_said (void **state)
{
    rig_t *rig = *state;
    int rc = zf_journal_scan (rig->place, NULL, NULL, NULL, &rig->err);
    assert_int_equal (rc, ZF_E_NOT_FOUND);
    rc = zf_journal_scan ("/no/such/directory", NULL, NULL, NULL, &rig->err);
    assert_int_equal (rc, ZF_E_NOT_FOUND);
}

static int end_at_first (void *arg, const zf_scan_item_t *item)
{
    int *calls = arg;
    (void) item;
    (*calls)++;
    return ZF_E_LIMIT;
}

static void caller_ends_the_scan (void **state)
{
    rig_t *rig = *state;
    int calls = 0;
    int rc = zf_journal_scan (rig->dir, end_at_first, &calls, NULL, &rig->err);
    assert_int_equal (rc, ZF_E_LIMIT);
    assert_int_equal (calls, 1);
}

static void segment_of_another_journal_is_damage (void **state)
{
    rig_t *rig = *state;
    char other[300];
    char kept[300];
    snprintf (other, sizeof other, "%s/other", rig->place);
    snprintf (kept, sizeof kept, "%s/kept", rig->place);
    rig->options.dir = other;
    reopen (rig);
    append (rig, 1, 300);
    zf_journal_close (&rig->journal);
    for (uint32_t number = 1; number <= 5; number += 2) {
        char ours[400];
        snprintf (ours, sizeof ours, "%s", place_segment (rig->dir, number));
        place_copy (ours, kept);
        place_copy (place_segment (other, number), ours);
        scan (rig);
        assert_seen (rig, 300, (number - 1) * WHOLE + 1, number == 5 ? 300 - 4 * WHOLE : WHOLE);
        assert_int_equal (rig->damages, 1);
        assert_string_equal (rig->text, "it belongs to another journal");
        place_copy (kept, ours);
    }
}

/* -- Repair ------------------------------------------------------------------------------------ */

static zf_repair_summary_t repair (rig_t *rig)
{
    zf_repair_summary_t summary;
    forget (rig);
    assert_ok (rig, zf_journal_repair (rig->dir, on_item, rig, &summary, &rig->err));
    return summary;
}

static void sound_journal_is_left_alone (void **state)
{
    rig_t *rig = *state;
    zf_repair_summary_t summary = repair (rig);
    assert_string_equal (summary.aside, "");
    assert_int_equal (place_count (rig->place, "journal"), 1);
    reopen (rig);
    assert_seen (rig, 300, 0, 0);
}

static void repaired_journal_opens_with_all_that_was_valid (void **state)
{
    rig_t *rig = *state;
    uint8_t before[SEGMENT];
    uint8_t after[SEGMENT];
    flip (rig, 2, (long) (64 + 10 * EXTENT + 500));
    flip (rig, 4, 20);
    unlink (place_segment (rig->dir, 3));
    place_read (place_segment (rig->dir, 2), 0, before, sizeof before);
    assert_int_equal (zf_journal_open (&rig->journal, &rig->options, &rig->err), ZF_E_CORRUPT);
    zf_repair_summary_t summary = repair (rig);
    assert_int_equal (rig->damages, 3);
    assert_int_equal (summary.kept, 300 - WHOLE - 1);
    assert_non_null (strstr (summary.aside, "/journal.damaged-1"));
    place_read (place_segment (summary.aside, 2), 0, after, sizeof after);
    assert_memory_equal (before, after, sizeof before);
    reopen (rig);
    assert_true (rig->ordered);
    for (uint32_t i = 1; i <= 300; i++)
        assert_int_equal (rig->seen[i], i != WHOLE + 11 && (i <= 2 * WHOLE || i > 3 * WHOLE));
    append (rig, 301, 10);
}

static void repairs_are_set_aside_under_new_names (void **state)
{
    rig_t *rig = *state;
    for (int i = 1; i <= 3; i++) {
        char expected[300];
        snprintf (expected, sizeof expected, "%s.damaged-%d", rig->dir, i);
        flip (rig, 1, (long) (64 + 10 * EXTENT + 500));
        assert_string_equal (repair (rig).aside, expected);
    }
    reopen (rig);
    assert_seen (rig, 300, 11, 3);
}

static void trimmed_entries_are_not_brought_back (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    assert_ok (rig, zf_journal_trim (rig->journal, 270 * EXTENT, &rig->err));
    assert_int_equal (zf_journal_close (&rig->journal), 0);
    flip (rig, 5, (long) (64 + (299 - 4 * WHOLE) * EXTENT + 500));
    assert_int_equal (repair (rig).kept, 29);
    reopen (rig);
    for (uint32_t i = 1; i <= 300; i++)
        assert_int_equal (rig->seen[i], i > 270 && i != 300);
}

static void repair_of_an_open_journal_is_refused (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    int rc = zf_journal_repair (rig->dir, NULL, NULL, NULL, &rig->err);
    assert_int_equal (rc, ZF_E_BUSY);
}

static void repair_cut_off_between_renames_is_finished (void **state)
{
    rig_t *rig = *state;
    char fresh[400];
    snprintf (fresh, sizeof fresh, "%s.repaired", rig->dir);
    assert_int_equal (rename (rig->dir, fresh), 0);
    assert_string_equal (repair (rig).aside, "");
    reopen (rig);
    assert_seen (rig, 300, 0, 0);
}

static void journal_without_anything_valid_is_repaired_to_an_empty_one (void **state)
{
    rig_t *rig = *state;
    uint8_t zeros[300] = {0};
    for (uint64_t number = 2; number <= 7; number++)
        unlink (place_segment (rig->dir, number));
    for (long at = 0; at < (long) SEGMENT; at += 200)
        place_write (place_segment (rig->dir, 1), at, zeros, 100);
    zf_repair_summary_t summary = repair (rig);
    assert_int_equal (summary.kept, 0);
    assert_int_equal (rig->damages, 1);
    assert_string_not_equal (summary.aside, "");
    reopen (rig);
}

static void remains_of_a_repair_are_no_obstacle (void **state)
{
    rig_t *rig = *state;
    char fresh[400];
    snprintf (fresh, sizeof fresh, "%s.repaired", rig->dir);
    flip (rig, 1, 500);
    place_copy_all (rig->dir, fresh);
    assert_int_equal (repair (rig).kept, 299);
    reopen (rig);
    assert_seen (rig, 300, 1, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (sound_journal_has_no_damage),
        CASE (damaged_entry_is_named_and_the_rest_found),
        CASE (damaged_entry_header_is_found),
        CASE (damage_at_the_end_of_a_segment_is_found),
        CASE (damaged_segment_header_loses_nothing),
        CASE (missing_segment_is_a_gap),
        CASE (missing_first_segment_is_a_gap),
        CASE (torn_end_is_no_damage),
        CASE (trimmed_entries_are_not_missed),
        CASE (scan_beside_a_writer_changes_nothing),
        CASE (nothing_to_scan_is_said),
        CASE (caller_ends_the_scan),
        CASE (segment_of_another_journal_is_damage),
        CASE (sound_journal_is_left_alone),
        CASE (repaired_journal_opens_with_all_that_was_valid),
        CASE (repairs_are_set_aside_under_new_names),
        CASE (trimmed_entries_are_not_brought_back),
        CASE (repair_of_an_open_journal_is_refused),
        CASE (repair_cut_off_between_renames_is_finished),
        CASE (journal_without_anything_valid_is_repaired_to_an_empty_one),
        CASE (remains_of_a_repair_are_no_obstacle),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
