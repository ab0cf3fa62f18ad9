/* A journal on real files. */
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

typedef struct {
    char place[256]; /* temporary directory */
    char dir[300];   /* the journal's, in it; not made yet */
    zf_journal_options_t options;
    zf_journal_t *journal; /* open, or NULL */
    zf_error_t err;
    uint64_t positions[4096]; /* replayed */
    uint32_t numbers[4096];   /* what these entries begin with */
    size_t replayed;
    size_t bad; /* replayed entries that are not as they were written */
    int answer; /* of replay */
} rig_t;

static void fill (uint8_t *data, size_t size, uint32_t number)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t) (number + i * 7);
    if (size >= 4)
        zf_store_u32le (data, number);
}

static bool is_filled (zf_bytes_t data, uint32_t number)
{
    uint8_t *expected = malloc (data.size + 1);
    fill (expected, data.size, number);
    bool same = data.size >= 4 && memcmp (expected, data.data, data.size) == 0;
    free (expected);
    return same;
}

static int replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    rig_t *rig = arg;
    if (rig->answer != 0)
        return zf_error_set (err, rig->answer, "the caller said no");
    assert_true (rig->replayed < 4096);
    uint32_t number = data.size >= 4 ? zf_load_u32le (data.data) : 0;
    rig->positions[rig->replayed] = position;
    rig->numbers[rig->replayed++] = number;
    rig->bad += !is_filled (data, number);
    return 0;
}

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

static void assert_ok (rig_t *rig, int rc)
{
    if (rc != 0)
        fail_msg ("%s: %s", zf_strerror (rc), rig->err.text);
}

static int try_open (rig_t *rig)
{
    rig->replayed = 0;
    rig->bad = 0;
    return zf_journal_open (&rig->journal, &rig->options, &rig->err);
}

static void reopen (rig_t *rig)
{
    if (rig->journal != NULL)
        assert_ok (rig, zf_journal_close (&rig->journal));
    assert_ok (rig, try_open (rig));
    assert_int_equal (rig->bad, 0);
}

static int try_append (rig_t *rig, uint32_t number, size_t size)
{
    uint8_t *data = malloc (size + 1);
    fill (data, size, number);
    zf_bytes_t part = zf_bytes (data, size);
    int rc = zf_journal_append (rig->journal, &part, 1, NULL, &rig->err);
    free (data);
    return rc;
}

static void append (rig_t *rig, uint32_t from, uint32_t count, size_t size)
{
    for (uint32_t i = from; i < from + count; i++)
        assert_ok (rig, try_append (rig, i, size));
}

static void sync_all (rig_t *rig)
{
    assert_ok (rig, zf_journal_sync (rig->journal, &rig->err));
}

static zf_journal_stats_t stats_of (rig_t *rig)
{
    zf_journal_stats_t stats;
    zf_journal_stats (rig->journal, &stats);
    return stats;
}

static void assert_replayed (rig_t *rig, uint32_t from, uint32_t count)
{
    assert_int_equal (rig->replayed, count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal (rig->numbers[i], from + i);
}

/* -- Appending and replaying ------------------------------------------------------------------- */

static void new_journal_is_empty (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    assert_int_equal (rig->replayed, 0);
    assert_int_equal (zf_journal_next (rig->journal), 0);
    assert_int_equal (zf_journal_durable (rig->journal), 0);
}

static void entries_come_back_in_order (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 100, 100);
    sync_all (rig);
    uint64_t next = zf_journal_next (rig->journal);
    assert_int_equal (next, 100 * zf_journal_extent (100));
    assert_int_equal (zf_journal_durable (rig->journal), next);
    reopen (rig);
    assert_replayed (rig, 1, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal (rig->positions[i], i * zf_journal_extent (100));
    assert_int_equal (stats_of (rig).replayed, 100);
    assert_int_equal (stats_of (rig).cut_bytes, 0);
}

static void journal_keeps_its_uuid (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    zf_journal_stats_t before = stats_of (rig);
    reopen (rig);
    append (rig, 1, 1, 10);
    reopen (rig);
    zf_journal_stats_t after = stats_of (rig);
    assert_memory_equal (before.uuid, after.uuid, 16);
}

static void appends_after_reopen_continue_the_chain (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    for (uint32_t i = 0; i < 10; i++) {
        append (rig, 1 + 5 * i, 5, 33);
        reopen (rig);
        assert_replayed (rig, 1, 5 * i + 5);
    }
}

static void parts_make_one_entry (void **state)
{
    rig_t *rig = *state;
    enum { PARTS = 3000 };
    static uint8_t data[5 * PARTS];
    static zf_bytes_t parts[2 * PARTS];
    uint64_t position;
    fill (data, sizeof data, 77);
    for (size_t i = 0; i < PARTS; i++) {
        parts[2 * i] = zf_bytes (data + 5 * i, 5);
        parts[2 * i + 1] = zf_bytes (NULL, 0);
    }
    reopen (rig);
    append (rig, 76, 1, 9);
    int rc = zf_journal_append (rig->journal, parts, 2 * (size_t) PARTS, &position, &rig->err);
    assert_ok (rig, rc);
    assert_int_equal (position, zf_journal_extent (9));
    reopen (rig);
    assert_replayed (rig, 76, 2);
}

static void entries_of_any_size_come_back (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    for (uint32_t i = 4; i < 300; i++)
        append (rig, i, 1, i);
    reopen (rig);
    assert_replayed (rig, 4, 296);
}

static void empty_entry_is_one (void **state)
{
    rig_t *rig = *state;
    uint64_t position = 0;
    void *data;
    size_t size;
    reopen (rig);
    assert_ok (rig, zf_journal_append (rig->journal, NULL, 0, NULL, &rig->err));
    assert_ok (rig, zf_journal_read (rig->journal, &position, &data, &size, &rig->err));
    assert_int_equal (size, 0);
    assert_non_null (data);
    free (data);
    assert_int_equal (position, zf_journal_extent (0));
}

static void replay_refuses_open_fails (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 3, 20);
    assert_ok (rig, zf_journal_close (&rig->journal));
    rig->answer = ZF_E_LIMIT;
    assert_int_equal (try_open (rig), ZF_E_LIMIT);
    assert_null (rig->journal);
    assert_non_null (strstr (rig->err.text, "the caller said no"));
    rig->answer = 0;
    reopen (rig);
    assert_replayed (rig, 1, 3);
}

/* -- Segments ---------------------------------------------------------------------------------- */

static void entries_roll_over_many_segments (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 1000, 1000);
    assert_true (stats_of (rig).segments >= 16);
    sync_all (rig);
    reopen (rig);
    assert_replayed (rig, 1, 1000);
    append (rig, 1001, 100, 1000);
    reopen (rig);
    assert_replayed (rig, 1, 1100);
}

static void entry_that_fills_a_segment_fits (void **state)
{
    rig_t *rig = *state;
    size_t whole = SEGMENT - 64 - ZF_ENTRY_HEADER;
    reopen (rig);
    append (rig, 1, 1, whole);
    append (rig, 2, 3, whole);
    assert_int_equal (stats_of (rig).segments, 4);
    reopen (rig);
    assert_replayed (rig, 1, 4);
    assert_int_equal (place_size (place_segment (rig->dir, 4)), SEGMENT);
}

static void entry_larger_than_a_segment_gets_its_own (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 3, 100);
    append (rig, 4, 1, 1000000);
    append (rig, 5, 3, 100);
    append (rig, 8, 2, 300000);
    assert_true (place_size (place_segment (rig->dir, 2)) >= 1000000);
    reopen (rig);
    assert_replayed (rig, 1, 9);
    append (rig, 10, 100, 1000);
    reopen (rig);
    assert_replayed (rig, 1, 109);
}

static void entry_above_the_limit_is_refused (void **state)
{
    rig_t *rig = *state;
    uint8_t byte = 0;
    zf_bytes_t parts[2] = {zf_bytes (&byte, 1), zf_bytes (&byte, ZF_ENTRY_MAX)};
    reopen (rig);
    assert_int_equal (zf_journal_append (rig->journal, parts, 2, NULL, &rig->err), ZF_E_TOO_BIG);
    assert_int_equal (zf_journal_next (rig->journal), 0);
}

static int count_descriptors (void)
{
    return place_count ("/proc/self/fd", "");
}

static void many_segments_keep_few_files_open (void **state)
{
    rig_t *rig = *state;
    uint8_t data[1000];
    int before = count_descriptors ();
    reopen (rig);
    append (rig, 0, 320, SEGMENT - 2000);
    assert_true (stats_of (rig).segments >= 320);
    for (uint32_t i = 0; i < 320; i++) {
        uint64_t at = i * zf_journal_extent (SEGMENT - 2000);
        assert_ok (rig, zf_journal_fetch (rig->journal, at, 0, data, 4, &rig->err));
        assert_int_equal (zf_load_u32le (data), i);
    }
    assert_true (count_descriptors () - before <= 256 + 8);
    assert_int_equal (zf_journal_close (&rig->journal), 0);
    assert_int_equal (count_descriptors (), before);
}

/* -- Reading ----------------------------------------------------------------------------------- */

static void entries_are_read_before_they_are_synced (void **state)
{
    rig_t *rig = *state;
    uint64_t position = 0;
    void *data;
    size_t size;
    reopen (rig);
    append (rig, 1, 200, 1000);
    for (uint32_t i = 1; i <= 200; i++) {
        assert_ok (rig, zf_journal_read (rig->journal, &position, &data, &size, &rig->err));
        assert_int_equal (size, 1000);
        assert_true (is_filled (zf_bytes (data, size), i));
        free (data);
    }
    assert_int_equal (position, zf_journal_next (rig->journal));
    int rc = zf_journal_read (rig->journal, &position, &data, &size, &rig->err);
    assert_int_equal (rc, ZF_E_NOT_FOUND);
    assert_null (data);
}

static void parts_of_an_entry_are_fetched (void **state)
{
    rig_t *rig = *state;
    uint8_t expected[500];
    uint8_t data[500];
    uint64_t at = zf_journal_extent (100);
    reopen (rig);
    append (rig, 1, 1, 100);
    append (rig, 2, 1, 500);
    fill (expected, sizeof expected, 2);
    assert_ok (rig, zf_journal_fetch (rig->journal, at, 0, data, 500, &rig->err));
    assert_memory_equal (data, expected, 500);
    assert_ok (rig, zf_journal_fetch (rig->journal, at, 123, data, 45, &rig->err));
    assert_memory_equal (data, expected + 123, 45);
    int rc = zf_journal_fetch (rig->journal, at, 400, data, 101, &rig->err);
    assert_int_equal (rc, ZF_E_INVAL);
    rc = zf_journal_fetch (rig->journal, zf_journal_next (rig->journal), 0, data, 1, &rig->err);
    assert_int_equal (rc, ZF_E_NOT_FOUND);
    rc = zf_journal_fetch (rig->journal, at + 8, 0, data, 1, &rig->err);
    assert_int_equal (rc, ZF_E_CORRUPT);
}

static void fetch_of_a_damaged_entry_names_file_and_offset (void **state)
{
    rig_t *rig = *state;
    uint8_t data[100];
    reopen (rig);
    append (rig, 1, 2, 100);
    place_write (place_segment (rig->dir, 1), 64 + 144 + 50, "x", 1);
    int rc = zf_journal_fetch (rig->journal, 144, 0, data, 100, &rig->err);
    assert_int_equal (rc, ZF_E_CORRUPT);
    assert_non_null (strstr (rig->err.text, "segment 0000000000000001.zfj at byte 208"));
}

/* -- Trimming ---------------------------------------------------------------------------------- */

static void trimmed_segments_are_used_again (void **state)
{
    rig_t *rig = *state;
    uint64_t most = 0;
    reopen (rig);
    for (uint32_t i = 0; i < 40; i++) {
        append (rig, 100 * i + 1, 100, 1000);
        assert_ok (rig, zf_journal_trim (rig->journal, zf_journal_next (rig->journal), &rig->err));
        sync_all (rig);
        if (stats_of (rig).disk_bytes > most)
            most = stats_of (rig).disk_bytes;
    }
    assert_true (stats_of (rig).next > 60 * SEGMENT);
    assert_true (most <= 12 * SEGMENT); /* the keeper comes when it can */
    reopen (rig);
    assert_int_equal (rig->replayed, 0);
    append (rig, 1, 1, 1000);
    reopen (rig);
    assert_replayed (rig, 1, 1);
    assert_true (stats_of (rig).segments <= 2);
}

static void replay_begins_at_the_trim (void **state)
{
    rig_t *rig = *state;
    uint64_t trim = 51 * zf_journal_extent (100);
    reopen (rig);
    append (rig, 0, 100, 100);
    assert_ok (rig, zf_journal_trim (rig->journal, trim, &rig->err));
    append (rig, 100, 10, 100);
    sync_all (rig);
    assert_int_equal (stats_of (rig).first, trim);
    uint8_t data[100];
    int rc = zf_journal_fetch (rig->journal, trim - 144, 0, data, 100, &rig->err);
    assert_int_equal (rc, ZF_E_NOT_FOUND);
    assert_ok (rig, zf_journal_fetch (rig->journal, trim, 0, data, 100, &rig->err));
    reopen (rig);
    assert_replayed (rig, 51, 59);
    assert_int_equal (stats_of (rig).first, trim);
}

static void trim_beyond_the_end_is_refused (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 1, 100);
    uint64_t next = zf_journal_next (rig->journal);
    assert_int_equal (zf_journal_trim (rig->journal, next + 8, &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_journal_next (rig->journal), next);
}

static void trims_never_go_back (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 10, 100);
    assert_ok (rig, zf_journal_trim (rig->journal, 5 * 144, &rig->err));
    assert_ok (rig, zf_journal_trim (rig->journal, 2 * 144, &rig->err));
    reopen (rig);
    assert_replayed (rig, 6, 5);
}

static void read_skips_what_is_no_data (void **state)
{
    rig_t *rig = *state;
    uint64_t position = 0;
    void *data;
    size_t size;
    reopen (rig);
    assert_ok (rig, zf_journal_trim (rig->journal, 0, &rig->err));
    append (rig, 9, 1, 100);
    assert_ok (rig, zf_journal_read (rig->journal, &position, &data, &size, &rig->err));
    assert_true (is_filled (zf_bytes (data, size), 9));
    free (data);
    assert_int_equal (position, zf_journal_next (rig->journal));
}

/* -- No space ---------------------------------------------------------------------------------- */

static uint32_t append_until_full (rig_t *rig, uint32_t number)
{
    int rc;
    while ((rc = try_append (rig, number, 1000)) == 0)
        number++;
    assert_int_equal (rc, ZF_E_FULL);
    return number;
}

static void cap_is_reached_and_trim_frees (void **state)
{
    rig_t *rig = *state;
    rig->options.disk_bytes = 5 * SEGMENT;
    reopen (rig);
    uint32_t number = append_until_full (rig, 1);
    assert_true (number > 4 * SEGMENT / 1048);
    assert_true (stats_of (rig).full);
    assert_true (stats_of (rig).disk_bytes <= 5 * SEGMENT);
    uint64_t next = zf_journal_next (rig->journal);
    assert_int_equal (try_append (rig, number, 1000), ZF_E_FULL);
    assert_int_equal (zf_journal_next (rig->journal), next);
    assert_ok (rig, zf_journal_trim (rig->journal, next, &rig->err));
    sync_all (rig);
    append (rig, number, 100, 1000); /* waits for the keeper to free segments */
    assert_true (stats_of (rig).disk_bytes <= 5 * SEGMENT);
    reopen (rig);
    assert_replayed (rig, number, 100);
}

static void full_journal_opens_and_closes (void **state)
{
    rig_t *rig = *state;
    rig->options.disk_bytes = 3 * SEGMENT;
    reopen (rig);
    uint32_t number = append_until_full (rig, 1);
    reopen (rig);
    assert_replayed (rig, 1, number - 1);
    assert_int_equal (try_append (rig, number, 1000), ZF_E_FULL);
    assert_ok (rig, zf_journal_trim (rig->journal, zf_journal_next (rig->journal), &rig->err));
    sync_all (rig);
    append (rig, number, 60, 1000);
}

static void entry_larger_than_the_cap_is_refused (void **state)
{
    rig_t *rig = *state;
    rig->options.disk_bytes = 3 * SEGMENT;
    reopen (rig);
    assert_int_equal (try_append (rig, 1, 4 * SEGMENT), ZF_E_FULL);
    append (rig, 1, 10, 100);
    reopen (rig);
    assert_replayed (rig, 1, 10);
}

/* -- Torn and damaged ends --------------------------------------------------------------------- */

static void torn_end_is_cut_off (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 10, 100);
    sync_all (rig);
    append (rig, 11, 2, 100);
    append (rig, 13, 1, 100);
    char copy[300];
    snprintf (copy, sizeof copy, "%s/copy", rig->place);
    place_copy_all (rig->dir, copy); /* as if the machine stopped here */
    rig->options.dir = copy;
    place_write (place_segment (copy, 1), 64 + 11 * 144 + 60, "x", 1);
    reopen (rig);
    assert_replayed (rig, 1, 11);
    assert_int_equal (stats_of (rig).cut_bytes, 2 * 144);
    append (rig, 12, 1, 100);
    reopen (rig);
    assert_replayed (rig, 1, 12); /* and 13 does not come back */
}

static void damage_before_durable_entries_is_reported (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 10, 100);
    assert_ok (rig, zf_journal_close (&rig->journal)); /* the mark at the end proves all before */
    place_write (place_segment (rig->dir, 1), 64 + 9 * 144 + 60, "x", 1);
    assert_int_equal (try_open (rig), ZF_E_CORRUPT);
    assert_non_null (strstr (rig->err.text, "segment 0000000000000001.zfj at byte 1360"));
    assert_non_null (strstr (rig->err.text, "checksum mismatch"));
    assert_non_null (strstr (rig->err.text, rig->dir));
}

static void damaged_segment_header_is_reported (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 200, 1000);
    assert_ok (rig, zf_journal_close (&rig->journal));
    for (uint64_t number = 1; number <= 4; number++) {
        uint8_t byte;
        place_read (place_segment (rig->dir, number), 40, &byte, 1);
        byte ^= 1;
        place_write (place_segment (rig->dir, number), 40, &byte, 1);
        assert_int_equal (try_open (rig), ZF_E_CORRUPT);
        byte ^= 1;
        place_write (place_segment (rig->dir, number), 40, &byte, 1);
    }
    reopen (rig);
    assert_replayed (rig, 1, 200);
}

static void last_entry_and_next_header_damaged_is_reported (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 2, SEGMENT / 2);
    append (rig, 3, 1, 100);
    assert_ok (rig, zf_journal_close (&rig->journal));
    place_write (place_segment (rig->dir, 1), 5000, "damage", 6);
    place_write (place_segment (rig->dir, 2), 40, "damage", 6);
    assert_int_equal (try_open (rig), ZF_E_CORRUPT);
    assert_non_null (strstr (rig->err.text, "0000000000000001.zfj at byte 64"));
}

static void missing_segment_is_named (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 300, 1000);
    assert_ok (rig, zf_journal_close (&rig->journal));
    unlink (place_segment (rig->dir, 3));
    assert_int_equal (try_open (rig), ZF_E_CORRUPT);
    assert_non_null (strstr (rig->err.text, "0000000000000003.zfj is missing"));
}

static void missing_first_segment_is_named (void **state)
{
    rig_t *rig = *state;
    reopen (rig);
    append (rig, 1, 300, 1000);
    assert_ok (rig, zf_journal_close (&rig->journal));
    unlink (place_segment (rig->dir, 1));
    assert_int_equal (try_open (rig), ZF_E_CORRUPT);
    assert_non_null (strstr (rig->err.text, "0000000000000001.zfj is missing"));
}

static void segment_of_another_journal_is_reported (void **state)
{
    rig_t *rig = *state;
    char other[300];
    char ours[400];
    snprintf (other, sizeof other, "%s/other", rig->place);
    for (int i = 0; i < 2; i++) {
        rig->options.dir = i == 0 ? other : rig->dir;
        reopen (rig);
        append (rig, 1, 200, 1000);
    }
    assert_ok (rig, zf_journal_close (&rig->journal));
    snprintf (ours, sizeof ours, "%s", place_segment (rig->dir, 2));
    place_copy (place_segment (other, 2), ours);
    assert_int_equal (try_open (rig), ZF_E_CORRUPT);
    assert_non_null (strstr (rig->err.text, "another journal"));
}

/* -- Who may open it --------------------------------------------------------------------------- */

static void second_opener_is_refused (void **state)
{
    rig_t *rig = *state;
    zf_journal_t *second;
    reopen (rig);
    assert_int_equal (zf_journal_open (&second, &rig->options, &rig->err), ZF_E_BUSY);
    assert_null (second);
    append (rig, 1, 1, 10);
}

static void reader_sees_what_the_writer_wrote (void **state)
{
    rig_t *rig = *state;
    zf_journal_t *reader;
    uint8_t data[1000];
    reopen (rig);
    append (rig, 1, 200, 1000);
    rig->options.read_only = true;
    rig->replayed = 0;
    assert_ok (rig, zf_journal_open (&reader, &rig->options, &rig->err));
    assert_replayed (rig, 1, 200);
    assert_int_equal (zf_journal_next (reader), zf_journal_next (rig->journal));
    assert_ok (rig, zf_journal_fetch (reader, 0, 0, data, 1000, &rig->err));
    assert_true (is_filled (zf_bytes (data, 1000), 1));
    zf_bytes_t part = zf_bytes (data, 10);
    assert_int_equal (zf_journal_append (reader, &part, 1, NULL, &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_journal_sync (reader, &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_journal_trim (reader, 0, &rig->err), ZF_E_INVAL);
    assert_int_equal (zf_journal_close (&reader), 0);
    append (rig, 201, 10, 1000);
    rig->options.read_only = false;
    reopen (rig);
    assert_replayed (rig, 1, 210);
}

static void reader_of_nothing_says_so (void **state)
{
    rig_t *rig = *state;
    rig->options.read_only = true;
    assert_int_equal (try_open (rig), ZF_E_NOT_FOUND);
    assert_int_equal (place_count (rig->place, "journal"), 0);
}

static void newer_format_is_refused_in_words (void **state)
{
    rig_t *rig = *state;
    uint8_t header[64];
    reopen (rig);
    append (rig, 1, 1, 10);
    assert_ok (rig, zf_journal_close (&rig->journal));
    place_read (place_segment (rig->dir, 1), 0, header, 64);
    header[3] = 2;
    memset (header + 56, 0x5a, 8); /* whatever sum it has */
    place_write (place_segment (rig->dir, 1), 0, header, 64);
    assert_int_equal (try_open (rig), ZF_E_VERSION);
    assert_non_null (strstr (rig->err.text, "format version 2"));
    assert_non_null (strstr (rig->err.text, "above 1"));
}

static void unreadable_directory_is_refused_in_words (void **state)
{
    rig_t *rig = *state;
    snprintf (rig->dir, sizeof rig->dir, "%s/file", rig->place);
    FILE *f = fopen (rig->dir, "w");
    fclose (f);
    assert_int_equal (try_open (rig), ZF_E_IO);
    assert_non_null (strstr (rig->err.text, "Not a directory"));
    snprintf (rig->dir, sizeof rig->dir, "%s/no/such", rig->place);
    assert_int_equal (try_open (rig), ZF_E_NOT_FOUND);
    assert_non_null (strstr (rig->err.text, "make directory"));
}

static void options_out_of_range_are_refused (void **state)
{
    rig_t *rig = *state;
    zf_journal_options_t good = rig->options;
    rig->options.segment_bytes = SEGMENT - 1;
    assert_int_equal (try_open (rig), ZF_E_INVAL);
    rig->options = good;
    rig->options.disk_bytes = 3 * SEGMENT - 1;
    assert_int_equal (try_open (rig), ZF_E_INVAL);
    rig->options = good;
    rig->options.spares = 0;
    assert_int_equal (try_open (rig), ZF_E_INVAL);
    rig->options = good;
    rig->options.dir = NULL;
    assert_int_equal (try_open (rig), ZF_E_INVAL);
    rig->options = good;
    rig->options.struct_size = 0;
    assert_int_equal (try_open (rig), ZF_E_INVAL);
    assert_int_equal (place_count (rig->place, "journal"), 0);
}

static void directory_gone_fails_for_good (void **state)
{
    rig_t *rig = *state;
    int rc = 0;
    reopen (rig);
    append (rig, 1, 1, 1000);
    place_remove (rig->dir);
    for (uint32_t i = 0; i < 1000 && rc == 0; i++)
        rc = try_append (rig, 2 + i, 1000);
    assert_int_equal (rc, ZF_E_IO);
    assert_true (stats_of (rig).failed);
    assert_int_equal (try_append (rig, 1, 10), ZF_E_IO);
    assert_int_equal (zf_journal_sync (rig->journal, &rig->err), ZF_E_IO);
    assert_non_null (strstr (rig->err.text, "failed before"));
    assert_int_equal (zf_journal_close (&rig->journal), ZF_E_IO);
}

#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (new_journal_is_empty),
        CASE (entries_come_back_in_order),
        CASE (journal_keeps_its_uuid),
        CASE (appends_after_reopen_continue_the_chain),
        CASE (parts_make_one_entry),
        CASE (entries_of_any_size_come_back),
        CASE (empty_entry_is_one),
        CASE (replay_refuses_open_fails),
        CASE (entries_roll_over_many_segments),
        CASE (entry_that_fills_a_segment_fits),
        CASE (entry_larger_than_a_segment_gets_its_own),
        CASE (entry_above_the_limit_is_refused),
        CASE (many_segments_keep_few_files_open),
        CASE (entries_are_read_before_they_are_synced),
        CASE (parts_of_an_entry_are_fetched),
        CASE (fetch_of_a_damaged_entry_names_file_and_offset),
        CASE (trimmed_segments_are_used_again),
        CASE (replay_begins_at_the_trim),
        CASE (trim_beyond_the_end_is_refused),
        CASE (trims_never_go_back),
        CASE (read_skips_what_is_no_data),
        CASE (cap_is_reached_and_trim_frees),
        CASE (full_journal_opens_and_closes),
        CASE (entry_larger_than_the_cap_is_refused),
        CASE (torn_end_is_cut_off),
        CASE (damage_before_durable_entries_is_reported),
        CASE (damaged_segment_header_is_reported),
        CASE (last_entry_and_next_header_damaged_is_reported),
        CASE (missing_segment_is_named),
        CASE (missing_first_segment_is_named),
        CASE (segment_of_another_journal_is_reported),
        CASE (second_opener_is_refused),
        CASE (reader_sees_what_the_writer_wrote),
        CASE (reader_of_nothing_says_so),
        CASE (newer_format_is_refused_in_words),
        CASE (unreadable_directory_is_refused_in_words),
        CASE (options_out_of_range_are_refused),
        CASE (directory_gone_fails_for_good),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
