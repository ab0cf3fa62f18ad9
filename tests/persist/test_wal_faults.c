/* The write-ahead log in a journal: failing disks, full disks, no memory; and how much room there
 * is. */
#include "persist/journal.h"
#include "tests/persist/wal_rig.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define IDLE_MS 400

/* -- memory that fails: only calloc, which makes jobs and questions ---------------------------- */

static _Thread_local bool calloc_fails;

void *__real_calloc (size_t count, size_t size);
void *__wrap_calloc (size_t count, size_t size);

void *__wrap_calloc (size_t count, size_t size)
{
    return calloc_fails ? NULL : __real_calloc (count, size);
}

/* -- faults ------------------------------------------------------------------------------------ */

static void expect_failure (rig_t *rig, const char *word)
{
    size_t released = rig->released;
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_FAILED);
    assert_int_equal (event.code, ZF_E_IO);
    assert_non_null (strstr (event.text, word));
    assert_int_equal (rig->released, released + 2); /* both that were under way */
    assert_true (rig_stats (rig).failed);
    rig_expect_silence (rig);
}

static void expect_harmless (rig_t *rig, uint64_t lsn)
{
    uint64_t durable = rig_stats (rig).durable;
    size_t released = rig->released;
    rig_append_framed (rig, "late");
    assert_int_equal (rig->released, released + 1); /* nobody has it */
    rig->wal->trim (rig->wal, lsn);
    rig->wal->reserve (rig->wal, 1);
    rig->wal->read (rig->wal, lsn, 0, 3, 1); /* what was durable can still be read */
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_READ);
    rig_expect_bytes (&event, "old");
    rig_expect_silence (rig);
    assert_int_equal (rig_stats (rig).durable, durable);
    rig_close (rig);
}

static void failed_sync_ends_the_log (void **state)
{
    rig_t *rig = *state;
    uint64_t lsn = rig_append (rig, "old");
    rig_settle (rig);
    gate_hold (rig->gate);
    rig_append_framed (rig, "in the sync");
    gate_await_held (rig->gate);
    rig_append_framed (rig, "behind it");
    gate_fail_syncs (rig->gate, EIO);
    gate_release (rig->gate);
    expect_failure (rig, strerror (EIO));
    gate_fail_syncs (rig->gate, 0); /* for good nevertheless */
    expect_harmless (rig, lsn);
}

static void failed_write_ends_the_log (void **state)
{
    rig_t *rig = *state;
    uint64_t lsn = rig_append (rig, "old");
    rig_settle (rig);
    gate_hold (rig->gate);
    rig_append_framed (rig, "in the sync");
    gate_await_held (rig->gate);
    rig_append_framed (rig, "behind it");
    gate_fail_writes (rig->gate, EIO);
    gate_release (rig->gate);
    rig_expect (rig, ZF_WAL_DURABLE);
    assert_int_equal (rig->released, 1);
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_FAILED);
    assert_int_equal (event.code, ZF_E_IO);
    assert_int_equal (rig->released, 2);
    gate_fail_writes (rig->gate, 0);
    expect_harmless (rig, lsn);
}

static void full_disk_confirms_nothing_until_there_is_room (void **state)
{
    rig_t *rig = *state;
    rig_append (rig, "old");
    rig_settle (rig);
    gate_fail_writes (rig->gate, ENOSPC);
    rig_append_framed (rig, "new");
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_FULL);
    assert_true (strlen (event.text) > 0);
    assert_true (rig_stats (rig).full);
    assert_false (rig_stats (rig).failed);
    rig_append_framed (rig, "newer");
    rig_expect_silence (rig); /* it says so once */
    assert_int_equal (rig->released, 0);
    gate_fail_writes (rig->gate, 0); /* and tries again by itself */
    uint64_t durable = 0;
    bool room = false;
    while (durable < rig_stats (rig).next || !room) {
        event = rig_next_event (rig);
        room = room || event.what == ZF_WAL_ROOM;
        if (event.what == ZF_WAL_DURABLE)
            durable = event.lsn;
        assert_true (event.what == ZF_WAL_ROOM || event.what == ZF_WAL_DURABLE);
    }
    assert_false (rig_stats (rig).full);
    assert_int_equal (rig->released, 2);
    rig_close (rig);
    rig_open (rig);
    assert_int_equal (rig->replayed, 3);
}

static uint64_t cpu_ms (void)
{
    struct timespec used;
    clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t) used.tv_sec * 1000 + (uint64_t) used.tv_nsec / 1000000;
}

/* Appends until there is no room; more may come while the journal prepares what it may. */
static void fill_up (rig_t *rig)
{
    static const uint8_t bytes[1000];
    zf_wal_part_t part = {zf_bytes (bytes, sizeof bytes), NULL};
    while (rig_stats (rig).room > 2 * zf_journal_extent (sizeof bytes)) {
        rig->wal->append (rig->wal, &part, 1);
        rig_settle (rig);
    }
}

/* The log does nothing for a while, once nothing has come for a while. */
static void expect_idle (rig_t *rig)
{
    uint64_t before = cpu_ms ();
    while (rig_readable (rig->wal, IDLE_MS)) {
        rig_next_event (rig);
        if (!rig_stats (rig).full)
            fill_up (rig);
        before = cpu_ms ();
    }
    assert_true (cpu_ms () - before < IDLE_MS / 2);
}

/* Once with a thread that prepares segments, once without. */
static void log_at_its_cap_waits_quietly (void **state)
{
    rig_t *rig = *state;
    for (int i = 0; i < 2; i++) {
        rig_close (rig);
        rig->open.fs = i == 0 ? NULL : gate_fs (rig->gate);
        rig->open.disk_bytes = 4 * RIG_SEGMENT_BYTES;
        rig_open (rig);
        fill_up (rig);
        expect_idle (rig); /* no further segment can be had */
        while (!rig_stats (rig).full) {
            rig_append (rig, "one too many");
            rig_next_event (rig);
        }
        expect_idle (rig);
    }
}

static void full_log_closes (void **state)
{
    rig_t *rig = *state;
    rig_append (rig, "old");
    rig_settle (rig);
    gate_fail_writes (rig->gate, ENOSPC);
    rig_append_framed (rig, "new");
    rig_expect (rig, ZF_WAL_FULL);
    rig_close (rig);
    assert_int_equal (rig->released, 1);
    gate_fail_writes (rig->gate, 0);
    rig_open (rig);
    assert_int_equal (rig->replayed, 1);
}

static void no_memory_ends_the_log_after_what_was_handed_over (void **state)
{
    rig_t *rig = *state;
    rig_append_backlog (rig);
    uint64_t next = rig_stats (rig).next;
    calloc_fails = true; /* and there is no job to be used again */
    assert_int_equal (rig_append (rig, "a"), next);
    assert_int_equal (rig_append (rig, "b"), next);
    calloc_fails = false;
    zf_wal_event_t event = rig_next_event (rig);
    uint64_t durable = 0;
    for (; event.what != ZF_WAL_FAILED; event = rig_next_event (rig))
        durable = event.what == ZF_WAL_DURABLE ? event.lsn : durable;
    assert_int_equal (event.code, ZF_E_NOMEM);
    assert_int_equal (durable, next);
    rig_expect_silence (rig);
    rig_close (rig);
    rig_open (rig);
    assert_int_equal (rig->replayed, RIG_BACKLOG);
}

static void no_memory_for_a_question_ends_the_log (void **state)
{
    rig_t *rig = *state;
    calloc_fails = true;
    rig->wal->read (rig->wal, 0, 0, 1, 1);
    calloc_fails = false;
    zf_wal_event_t event = rig_expect (rig, ZF_WAL_FAILED);
    assert_int_equal (event.code, ZF_E_NOMEM);
}

/* -- a disk without space for further segments ------------------------------------------------- */

static struct {
    zf_fs_t fs; /* the system's but for one call */
    int tries;  /* eventfd: one more for each segment that was not made */
} tight = {.tries = -1};

static int open_tight (zf_fs_t *fs, const char *path, int flags)
{
    uint64_t one = 1;
    if (flags != (ZF_FS_WRITE | ZF_FS_CREATE) || strstr (path, "/spare-") == NULL)
        return zf_fs_system ()->open (fs, path, flags);
    assert_int_equal (write (tight.tries, &one, sizeof one), sizeof one);
    return -ENOSPC;
}

static void await_tries (unsigned wanted)
{
    struct pollfd in = {tight.tries, POLLIN, 0};
    uint64_t count;
    for (uint64_t seen = 0; seen < wanted; seen += count) {
        assert_int_equal (poll (&in, 1, RIG_DEADLINE_MS), 1);
        assert_int_equal (read (tight.tries, &count, sizeof count), sizeof count);
    }
}

static uint64_t wall_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

static void segments_without_space_are_tried_less_and_less_often (void **state)
{
    rig_t *rig = *state; /* made the first segment and two more */
    rig_close (rig);
    tight.fs = *zf_fs_system ();
    tight.fs.open = open_tight;
    tight.tries = eventfd (0, EFD_CLOEXEC);
    rig->open.fs = &tight.fs;
    rig_open (rig);
    assert_false (rig_stats (rig).tight); /* it has segments enough, and tries nothing */
    uint64_t begin = wall_ms ();
    rig->wal->reserve (rig->wal, 20 * RIG_SEGMENT_BYTES);
    await_tries (5); /* at once, and after 100, 200, 400 and 800 ms; every 100 ms would be 400 */
    assert_true (wall_ms () - begin >= 1000);
    assert_true (rig_stats (rig).tight); /* since the first one, whether or not it tries just now */
    assert_false (rig_stats (rig).full); /* nothing waits for it */
    rig_close (rig);
    close (tight.tries);
}

/* -- room -------------------------------------------------------------------------------------- */

static void room_shrinks_with_what_is_pending (void **state)
{
    rig_t *rig = *state;
    uint64_t room = rig_stats (rig).room;
    assert_true (room > 0);
    gate_hold (rig->gate);
    rig_append (rig, "12345678");
    assert_int_equal (rig_stats (rig).room, room - zf_journal_extent (8));
    rig_append (rig, "12345678");
    assert_int_equal (rig_stats (rig).room, room - 2 * zf_journal_extent (8));
}

static void reserve_makes_room (void **state)
{
    rig_t *rig = *state;
    rig_close (rig);
    rig->open.fs = NULL; /* the system's: segments are prepared aside */
    rig_open (rig);
    uint64_t wanted = 20 * RIG_SEGMENT_BYTES;
    assert_true (rig_stats (rig).room < wanted);
    rig->wal->reserve (rig->wal, wanted);
    while (rig_stats (rig).room < wanted)
        rig_expect (rig, ZF_WAL_ROOM);
}

static void trim_gives_a_capped_log_room_again (void **state)
{
    rig_t *rig = *state;
    rig_close (rig);
    rig->open.disk_bytes = 4 * RIG_SEGMENT_BYTES;
    rig_open (rig);
    assert_int_equal (rig_stats (rig).disk_cap, 4 * RIG_SEGMENT_BYTES);
    char text[1001];
    memset (text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 2000; i++) { /* thirty times around */
        uint64_t lsn = rig_append (rig, text);
        rig_settle (rig);
        if (rig_stats (rig).room < RIG_SEGMENT_BYTES)
            rig->wal->trim (rig->wal, lsn);
        assert_true (rig_stats (rig).disk_bytes <= 4 * RIG_SEGMENT_BYTES);
    }
    rig_settle (rig);
}

static void trim_that_says_nothing_new_is_none (void **state)
{
    rig_t *rig = *state;
    rig_append (rig, "a");
    uint64_t lsn = rig_append (rig, "b");
    rig->wal->trim (rig->wal, lsn);
    uint64_t next = rig_stats (rig).next;
    rig->wal->trim (rig->wal, lsn);
    rig->wal->trim (rig->wal, 0);
    assert_int_equal (rig_stats (rig).next, next);
    rig_settle (rig);
}

int main (void)
{
#define CASE(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE (failed_sync_ends_the_log),
        CASE (failed_write_ends_the_log),
        CASE (full_disk_confirms_nothing_until_there_is_room),
        CASE (log_at_its_cap_waits_quietly),
        CASE (full_log_closes),
        CASE (no_memory_ends_the_log_after_what_was_handed_over),
        CASE (no_memory_for_a_question_ends_the_log),
        CASE (segments_without_space_are_tried_less_and_less_often),
        CASE (room_shrinks_with_what_is_pending),
        CASE (reserve_makes_room),
        CASE (trim_gives_a_capped_log_room_again),
        CASE (trim_that_says_nothing_new_is_none),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
