/* The write-ahead log in a journal: what a device sees of it. */
#include "persist/journal.h"
#include "tests/persist/wal_rig.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* -- appending --------------------------------------------------------------------------------- */

static void entry_is_durable_after_its_sync (void **state)
{
    rig_t *rig = *state;
    gate_hold (rig->gate);
    assert_int_equal (rig_append (rig, "a"), 0);
    gate_await_held (rig->gate);
    rig_expect_silence (rig);
    gate_release (rig->gate);
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_DURABLE);
    assert_int_equal (event.lsn, zf_journal_extent (1));
    assert_int_equal (rig_stats (rig).durable, event.lsn);
}

static void turns_during_a_sync_share_the_next (void **state)
{
    rig_t *rig = *state;
    rig_append (rig, "warm");
    rig_settle (rig);
    unsigned before = gate_syncs (rig->gate);
    gate_hold (rig->gate);
    rig_append (rig, "first");
    gate_await_held (rig->gate);
    for (int i = 0; i < 100; i++)
        rig_append (rig, "later");
    gate_release (rig->gate);
    rig_settle (rig);
    assert_int_equal (gate_syncs (rig->gate) - before, 2);
}

static uint64_t clock_us (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000 + (uint64_t) now.tv_nsec / 1000;
}

static void times_of_syncs_are_counted (void **state)
{
    rig_t *rig = *state;
    zf_histogram_t before, after;
    rig_append (rig, "warm");
    rig_settle (rig);
    rig->wal->sync_times (rig->wal, &before);
    assert_int_equal (before.count, 1);
    gate_hold (rig->gate);
    rig_append (rig, "a");
    gate_await_held (rig->gate);
    uint64_t until = clock_us () + 2000;
    while (clock_us () < until)
        ;
    gate_release (rig->gate);
    rig_settle (rig);
    rig->wal->sync_times (rig->wal, &after);
    assert_int_equal (after.count, 2);
    assert_true (after.sum - before.sum >= 2000);
    assert_int_equal (after.counts[0], before.counts[0]);
}

static void entries_come_back_in_order_after_reopen (void **state)
{
    rig_t *rig = *state;
    uint64_t sum = 0;
    uint64_t lsn = 0;
    char text[300];
    for (int i = 0; i < 2000; i++) { /* several segments */
        snprintf (text, sizeof text, "%d.%*s", i, i % 200, "");
        lsn = rig_append (rig, text);
        sum = rig_sum (sum, zf_bytes_of (text));
    }
    uint64_t next = rig_stats (rig).next;
    rig_close (rig); /* writes what is pending */
    rig_open (rig);
    assert_int_equal (rig->replayed, 2000);
    assert_true (rig->sum == sum);
    assert_int_equal (rig->last, lsn);
    assert_true (rig_stats (rig).next > next); /* the mark of the end lies between */
    rig_append (rig, "on");
    rig_settle (rig);
}

static void log_keeps_its_name (void **state)
{
    rig_t *rig = *state;
    uint8_t uuid[16];
    static const uint8_t none[16];
    memcpy (uuid, rig->wal->uuid, sizeof uuid);
    assert_memory_not_equal (uuid, none, sizeof uuid);
    assert_true (rig->wal->keeps);
    rig_close (rig);
    rig_open (rig);
    assert_memory_equal (rig->wal->uuid, uuid, sizeof uuid);
}

static void frame_is_held_until_the_event_is_taken (void **state)
{
    rig_t *rig = *state;
    gate_hold (rig->gate);
    rig_append_framed (rig, "body");
    gate_await_held (rig->gate);
    assert_int_equal (rig->released, 0);
    gate_release (rig->gate);
    assert_true (rig_readable (rig->wal, RIG_DEADLINE_MS));
    assert_int_equal (rig->released, 0);
    rig_expect (rig, ZF_WAL_DURABLE);
    assert_int_equal (rig->released, 1);
}

static void parts_become_one_entry (void **state)
{
    rig_t *rig = *state;
    zf_frame_t *frame = rig_lend (rig, "body");
    zf_wal_part_t parts[] = {{zf_bytes_of ("a"), NULL},
                             {zf_bytes (NULL, 0), NULL},
                             {zf_bytes_of ("b"), NULL},
                             {zf_bytes (frame->data, 4), frame},
                             {zf_bytes (frame->data + 4, 0), frame},
                             {zf_bytes_of ("c"), NULL}};
    rig->wal->append (rig->wal, parts, 6);
    rig->wal->append (rig->wal, NULL, 0);
    zf_frame_drop (frame);
    rig_close (rig);
    assert_int_equal (rig->released, 1);
    rig_open (rig);
    assert_int_equal (rig->replayed, 2);
    assert_true (rig->sum == rig_sum (0, zf_bytes_of ("abbodyc")));
}

/* More than a round of the writer's. */
static void all_of_a_backlog_is_written_at_close (void **state)
{
    rig_t *rig = *state;
    rig_append_backlog (rig);
    rig_close (rig);
    rig_open (rig);
    assert_int_equal (rig->replayed, RIG_BACKLOG);
}

static void second_log_in_the_directory_is_refused (void **state)
{
    rig_t *rig = *state;
    zf_wal_t *other = rig->wal;
    zf_error_t err = {0};
    assert_int_equal (zf_wal_file_open (&other, &rig->open, &err), ZF_E_BUSY);
    assert_null (other);
    assert_true (strlen (err.text) > 0);
}

/* -- events ------------------------------------------------------------------------------------ */

static void descriptor_is_readable_while_there_are_events (void **state)
{
    rig_t *rig = *state;
    zf_wal_event_t event;
    uint64_t lsn = rig_append (rig, "abc");
    rig_settle (rig);
    rig_expect_silence (rig);
    for (uint64_t tag = 1; tag <= 3; tag++) {
        rig->wal->read (rig->wal, lsn, 0, 3, tag);
        assert_true (rig_readable (rig->wal, RIG_DEADLINE_MS));
    }
    for (uint64_t tag = 1; tag <= 3; tag++) {
        event = rig_expect (rig, ZF_WAL_READ);
        assert_int_equal (event.tag, tag);
        rig_expect_bytes (&event, "abc");
    }
    rig_expect_silence (rig);
}

/* -- reading ----------------------------------------------------------------------------------- */

static void pending_entry_is_read_at_once (void **state)
{
    rig_t *rig = *state;
    gate_hold (rig->gate);
    uint64_t lsn = rig_append_framed (rig, "body");
    rig->wal->read (rig->wal, lsn, 2, 5, 7);
    rig->wal->read (rig->wal, lsn, 6, 2, 10);
    rig->wal->read (rig->wal, lsn, 9, 0, 8);
    rig->wal->read (rig->wal, lsn, 9, 1, 9);
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_READ);
    assert_int_equal (event.tag, 7);
    assert_int_equal (event.lsn, lsn);
    rig_expect_bytes (&event, "ad|bo");
    event = rig_expect (rig, ZF_WAL_READ);
    rig_expect_bytes (&event, "od");
    event = rig_expect (rig, ZF_WAL_READ);
    rig_expect_bytes (&event, "");
    event = rig_expect (rig, ZF_WAL_READ);
    assert_int_equal (event.code, ZF_E_INVAL);
    assert_null (event.frame);
}

static void read_does_not_wait_behind_a_sync (void **state)
{
    rig_t *rig = *state;
    uint64_t lsn = rig_append_framed (rig, "old");
    rig_settle (rig);
    gate_hold (rig->gate);
    rig_append (rig, "new");
    gate_await_held (rig->gate);
    rig->wal->read (rig->wal, lsn, 1, 6, 1);
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_READ);
    rig_expect_bytes (&event, "ead|ol");
}

static void read_of_what_is_not_there_says_so (void **state)
{
    rig_t *rig = *state;
    uint64_t lsn = rig_append (rig, "abc");
    rig_settle (rig);
    rig->wal->read (rig->wal, lsn, 2, 2, 1);
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_READ);
    assert_int_equal (event.code, ZF_E_INVAL);
    assert_null (event.frame);
    rig->wal->read (rig->wal, rig_stats (rig).next, 0, 1, 2);
    event = rig_expect (rig, ZF_WAL_READ);
    assert_int_equal (event.code, ZF_E_NOT_FOUND);
    assert_true (strlen (event.text) > 0);
}

static void close_drops_what_was_asked (void **state)
{
    rig_t *rig = *state;
    uint64_t lsn = rig_append (rig, "abc");
    rig_settle (rig);
    for (int i = 0; i < 100; i++)
        rig->wal->read (rig->wal, lsn, 0, 3, 1);
    assert_true (rig_readable (rig->wal, RIG_DEADLINE_MS)); /* an answer that nobody takes */
    rig_close (rig); /* the leak checker says whether all is gone */
    rig_open (rig);
    assert_int_equal (rig->replayed, 1);
}

/* -- policies ---------------------------------------------------------------------------------- */

static void interval_counts_as_durable_once_written (void **state)
{
    rig_t *rig = *state;
    rig_policy (rig, ZF_WAL_SYNC_INTERVAL, RIG_LONG_MS);
    unsigned before = gate_syncs (rig->gate);
    gate_hold (rig->gate);
    rig_append (rig, "a");
    rig_settle (rig);
    rig_append (rig, "b");
    rig_settle (rig);
    assert_int_equal (gate_syncs (rig->gate), before);
}

static void interval_syncs_an_idle_log (void **state)
{
    rig_t *rig = *state;
    rig_policy (rig, ZF_WAL_SYNC_INTERVAL, 20);
    unsigned before = gate_syncs (rig->gate);
    rig_append (rig, "a");
    rig_settle (rig);
    gate_await_syncs (rig->gate, before + 1);
    rig_append (rig, "b");
    gate_await_syncs (rig->gate, before + 2);
}

static void interval_fails_when_its_sync_does (void **state)
{
    rig_t *rig = *state;
    rig_policy (rig, ZF_WAL_SYNC_INTERVAL, 20);
    gate_fail_syncs (rig->gate, EIO);
    rig_append (rig, "a");
    rig_settle (rig);
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_FAILED);
    assert_int_equal (event.code, ZF_E_IO);
}

static void first_entry_of_a_run_is_synced_under_every_policy (void **state)
{
    rig_t *rig = *state;
    rig_close (rig);
    rig->open.sync = ZF_WAL_SYNC_NEVER;
    rig_open (rig);
    unsigned before = gate_syncs (rig->gate);
    rig_append (rig, "a");
    rig_settle (rig);
    assert_true (gate_syncs (rig->gate) > before);
    before = gate_syncs (rig->gate);
    rig_append (rig, "b");
    rig_settle (rig);
    assert_int_equal (gate_syncs (rig->gate), before);
}

static void never_syncs_only_at_close (void **state)
{
    rig_t *rig = *state;
    rig_policy (rig, ZF_WAL_SYNC_NEVER, 0);
    unsigned before = gate_syncs (rig->gate);
    gate_hold (rig->gate);
    rig_append (rig, "a");
    rig_settle (rig);
    assert_int_equal (gate_syncs (rig->gate), before);
    gate_release (rig->gate);
    rig_close (rig);
    assert_true (gate_syncs (rig->gate) > before);
}

static void trims_are_synced_under_every_policy (void **state)
{
    rig_t *rig = *state;
    rig_policy (rig, ZF_WAL_SYNC_NEVER, 0);
    uint64_t lsn = 0;
    char text[1001];
    memset (text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 300; i++)
        lsn = rig_append (rig, text);
    rig_settle (rig);
    uint64_t segments = rig_stats (rig).disk_bytes;
    rig->wal->trim (rig->wal, lsn);
    rig_settle (rig);
    lsn = rig_append (rig, "a look at what the journal says after it");
    rig_settle (rig);
    assert_true (rig_stats (rig).lowest > 0);
    assert_true (rig_stats (rig).lowest < lsn);
    assert_true (rig_stats (rig).disk_bytes < segments);
    rig_close (rig);
    rig_open (rig);
    assert_int_equal (rig->replayed, 2);
    assert_int_equal (rig->last, lsn);
}

/* -- all of it at once ------------------------------------------------------------------------- */

static uint32_t random_below (uint64_t *seed, uint32_t limit)
{
    *seed = *seed * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
    return (uint32_t) (*seed >> 33) % limit;
}

typedef struct {
    uint64_t lsn; /* of an entry: `size` times the letter */
    uint32_t size;
    char letter;
} known_t;

static void check_read (const zf_wal_event_t *event, const known_t *known)
{
    const known_t *entry = &known[event->tag];
    assert_int_equal (event->code, 0);
    assert_int_equal (event->frame->size, entry->size);
    for (uint32_t i = 0; i < entry->size; i++)
        assert_int_equal (event->frame->data[i], entry->letter);
    zf_frame_drop (event->frame);
}

static uint64_t append_known (rig_t *rig, known_t *entry, uint64_t *seed, uint32_t i)
{
    char text[4096];
    entry->letter = (char) ('a' + i % 26);
    entry->size = 1 + random_below (seed, sizeof text - 1);
    memset (text, entry->letter, entry->size);
    text[entry->size] = '\0';
    zf_frame_t *frame = rig_lend (rig, text);
    uint32_t half = entry->size / 2;
    zf_wal_part_t parts[] = {{zf_bytes (text, half), NULL},
                             {zf_bytes (frame->data + half, entry->size - half), frame}};
    entry->lsn = rig->wal->append (rig->wal, parts, 2);
    zf_frame_drop (frame);
    return entry->lsn;
}

/* Takes events until so many questions are left without an answer. */
static uint32_t take_answers (rig_t *rig, const known_t *known, uint32_t open, uint32_t left)
{
    zf_wal_event_t event;
    while (open > left || rig_readable (rig->wal, 0)) {
        event = rig_next_event (rig);
        if (event.what != ZF_WAL_READ)
            continue;
        check_read (&event, known);
        open--;
    }
    return open;
}

/* Appends, reads of old and new entries, and trims far behind, as fast as it goes. */
static void entries_can_be_read_while_others_are_written (void **state)
{
    enum { ENTRIES = 3000, KEPT = 500 };
    static known_t known[ENTRIES];
    rig_t *rig = *state;
    uint64_t seed = 1;
    uint32_t open = 0;
    rig_close (rig);
    rig->open.fs = NULL; /* the system's: all threads there are */
    rig_open (rig);
    for (uint32_t i = 0; i < ENTRIES; i++) {
        append_known (rig, &known[i], &seed, i);
        uint32_t back = random_below (&seed, i < KEPT ? i + 1 : KEPT);
        rig->wal->read (rig->wal, known[i - back].lsn, 0, known[i - back].size, i - back);
        open = take_answers (rig, known, open + 1, i % KEPT == 0 ? 0 : UINT32_MAX);
        if (open == 0 && i > KEPT)
            rig->wal->trim (rig->wal, known[i - KEPT].lsn);
    }
    take_answers (rig, known, open, 0);
    rig_settle (rig);
    assert_int_equal (rig->released, ENTRIES);
    rig_close (rig);
    rig_open (rig);
    assert_int_equal (rig->last, known[ENTRIES - 1].lsn);
    assert_true (rig->replayed >= KEPT && rig->replayed < ENTRIES);
}

int main (void)
{
#define CASE(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE (entry_is_durable_after_its_sync),
        CASE (turns_during_a_sync_share_the_next),
        CASE (times_of_syncs_are_counted),
        CASE (entries_come_back_in_order_after_reopen),
        CASE (log_keeps_its_name),
        CASE (frame_is_held_until_the_event_is_taken),
        CASE (parts_become_one_entry),
        CASE (all_of_a_backlog_is_written_at_close),
        CASE (second_log_in_the_directory_is_refused),
        CASE (descriptor_is_readable_while_there_are_events),
        CASE (pending_entry_is_read_at_once),
        CASE (read_does_not_wait_behind_a_sync),
        CASE (read_of_what_is_not_there_says_so),
        CASE (close_drops_what_was_asked),
        CASE (interval_counts_as_durable_once_written),
        CASE (interval_syncs_an_idle_log),
        CASE (interval_fails_when_its_sync_does),
        CASE (first_entry_of_a_run_is_synced_under_every_policy),
        CASE (never_syncs_only_at_close),
        CASE (trims_are_synced_under_every_policy),
        CASE (entries_can_be_read_while_others_are_written),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
