/* The write-ahead log in memory: durable when it is told so, and a crash forgets the rest. */
#include "persist/wal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct {
    zf_wal_t *wal;
    char replayed[256]; /* entries of the last crash, each with a comma behind it */
} rig_t;

static int setup (void **state)
{
    rig_t *rig = calloc (1, sizeof *rig);
    assert_int_equal (zf_wal_memory_open (&rig->wal), 0);
    *state = rig;
    return 0;
}

static int teardown (void **state)
{
    rig_t *rig = *state;
    rig->wal->close (rig->wal);
    free (rig);
    return 0;
}

static uint64_t append (rig_t *rig, const char *text)
{
    zf_wal_part_t part = {zf_bytes_of (text), NULL};
    return rig->wal->append (rig->wal, &part, 1);
}

static uint64_t next (rig_t *rig)
{
    zf_wal_stats_t stats;
    rig->wal->stats (rig->wal, &stats);
    return stats.next;
}

static int note (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    rig_t *rig = arg;
    size_t used = strlen (rig->replayed);
    snprintf (rig->replayed + used, sizeof rig->replayed - used, "%.*s,", (int) data.size,
              (const char *) data.data);
    return data.size == 4 && memcmp (data.data, "stop", 4) == 0 ? ZF_E_NOMEM : 0;
}

static const char *crash (rig_t *rig)
{
    rig->replayed[0] = '\0';
    assert_int_equal (zf_wal_memory_crash (rig->wal, note, rig, NULL), 0);
    return rig->replayed;
}

static void sync_all (rig_t *rig)
{
    zf_wal_event_t event;
    zf_wal_memory_sync (rig->wal, next (rig));
    while (rig->wal->event (rig->wal, &event))
        zf_frame_drop (event.frame);
}

static void expect_silence (rig_t *rig)
{
    zf_wal_event_t event;
    assert_false (rig->wal->event (rig->wal, &event));
}

/* -- cases ------------------------------------------------------------------------------------- */

static void entries_are_durable_when_told_so (void **state)
{
    rig_t *rig = *state;
    zf_wal_event_t event;
    append (rig, "a");
    uint64_t b = append (rig, "b");
    expect_silence (rig);
    zf_wal_memory_sync (rig->wal, b + 1); /* in the middle of b: up to where it begins */
    assert_true (rig->wal->event (rig->wal, &event));
    assert_int_equal (event.what, ZF_WAL_DURABLE);
    assert_int_equal (event.lsn, b);
    zf_wal_memory_sync (rig->wal, b);
    expect_silence (rig);
}

static void entries_lie_where_a_journal_has_them (void **state)
{
    rig_t *rig = *state;
    uint64_t lsn = 0;
    assert_int_equal (append (rig, "a"), lsn);
    lsn += zf_journal_extent (1);
    assert_int_equal (append (rig, "123456789"), lsn);
    lsn += zf_journal_extent (9);
    rig->wal->trim (rig->wal, 0);
    lsn += zf_journal_extent (8);
    assert_int_equal (append (rig, "c"), lsn);
}

static void crash_forgets_what_was_not_durable (void **state)
{
    rig_t *rig = *state;
    append (rig, "a");
    uint64_t b = append (rig, "b");
    sync_all (rig);
    uint64_t c = append (rig, "c");
    append (rig, "d");
    rig->wal->read (rig->wal, b, 0, 1, 1); /* nobody takes the answer */
    assert_string_equal (crash (rig), "a,b,");
    expect_silence (rig);
    assert_int_equal (append (rig, "e"), c);
    sync_all (rig);
    assert_string_equal (crash (rig), "a,b,e,");
}

static void crash_ends_where_replay_says (void **state)
{
    rig_t *rig = *state;
    append (rig, "stop");
    append (rig, "b");
    sync_all (rig);
    assert_int_equal (zf_wal_memory_crash (rig->wal, note, rig, NULL), ZF_E_NOMEM);
    assert_string_equal (rig->replayed, "stop,");
}

static void trim_counts_once_it_is_durable (void **state)
{
    rig_t *rig = *state;
    append (rig, "a");
    uint64_t b = append (rig, "b");
    sync_all (rig);
    rig->wal->trim (rig->wal, b);
    append (rig, "c");
    assert_string_equal (crash (rig), "a,b,");
    rig->wal->trim (rig->wal, b);
    append (rig, "c");
    sync_all (rig);
    assert_string_equal (crash (rig), "b,c,");
    zf_wal_stats_t stats;
    rig->wal->stats (rig->wal, &stats);
    assert_int_equal (stats.lowest, b);
}

static zf_wal_event_t read_back (rig_t *rig, uint64_t lsn, uint32_t offset, uint32_t size)
{
    zf_wal_event_t event;
    rig->wal->read (rig->wal, lsn, offset, size, 42);
    assert_true (rig->wal->event (rig->wal, &event));
    assert_int_equal (event.what, ZF_WAL_READ);
    assert_int_equal (event.tag, 42);
    return event;
}

static void entries_are_read_back (void **state)
{
    rig_t *rig = *state;
    zf_wal_part_t parts[] = {
        {zf_bytes ("ab", 2), NULL}, {zf_bytes (NULL, 0), NULL}, {zf_bytes ("cd", 2), NULL}};
    append (rig, "first");
    uint64_t lsn = rig->wal->append (rig->wal, parts, 3);
    zf_wal_event_t event = read_back (rig, lsn, 1, 3);
    assert_int_equal (event.code, 0);
    assert_int_equal (event.frame->size, 3);
    assert_memory_equal (event.frame->data, "bcd", 3);
    zf_frame_drop (event.frame);
    assert_int_equal (read_back (rig, lsn, 1, 4).code, ZF_E_INVAL);
    assert_int_equal (read_back (rig, lsn, 5, 0).code, ZF_E_INVAL);
    assert_int_equal (read_back (rig, lsn + 8, 0, 1).code, ZF_E_NOT_FOUND);
}

static void trimmed_entry_is_not_found (void **state)
{
    rig_t *rig = *state;
    uint64_t a = append (rig, "a");
    rig->wal->trim (rig->wal, append (rig, "b"));
    sync_all (rig);
    assert_int_equal (read_back (rig, a, 0, 1).code, ZF_E_NOT_FOUND);
}

static void count_release (zf_frame_t *frame)
{
    frame->data = NULL;
}

static void frame_is_held_no_longer_than_needed (void **state)
{
    rig_t *rig = *state;
    uint8_t bytes[] = "body";
    zf_frame_t frame = {bytes, 4, 1, count_release};
    zf_wal_part_t part = {zf_bytes (bytes, 4), &frame};
    rig->wal->append (rig->wal, &part, 1);
    sync_all (rig);
    assert_int_equal (frame.holders, 1);
    memset (bytes, 'x', 4);
    assert_string_equal (crash (rig), "body,");
}

int main (void)
{
#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE (entries_are_durable_when_told_so),   CASE (entries_lie_where_a_journal_has_them),
        CASE (crash_forgets_what_was_not_durable), CASE (crash_ends_where_replay_says),
        CASE (trim_counts_once_it_is_durable),     CASE (entries_are_read_back),
        CASE (trimmed_entry_is_not_found),         CASE (frame_is_held_no_longer_than_needed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
