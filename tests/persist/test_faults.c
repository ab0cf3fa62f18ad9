/* File calls and allocations that fail, each in its turn. ZF_LONG=N tries N times as many seeds. */
#include "tests/core/alloc.h"
#include "tests/persist/driver.h"
#include "tests/persist/faults.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEPS 40
#define SEEDS 2

static uint64_t seeds (void)
{
    const char *wanted = getenv ("ZF_LONG");
    uint64_t n = wanted != NULL ? strtoull (wanted, NULL, 10) : 1;
    return SEEDS * (n > 0 ? n : 1);
}

/* Returns how often the journal gave up for good. */
static uint64_t play (const faults_t *like)
{
    uint64_t poisoned = 0;
    uint64_t tried = 0;
    for (uint64_t i = 0; i < seeds (); i++) {
        faults_t faults = *like;
        faults.seed = 500 + i;
        faults.steps = STEPS;
        if (!faults_run (&faults))
            fail_msg ("%s", faults.wrong);
        tried += faults.tried;
        poisoned += faults.poisoned;
    }
    print_message ("%s: %" PRIu64 " failures, %" PRIu64 " for good\n",
                   like->arm != NULL ? "malloc" : disk_call_name (like->call), tried, poisoned);
    assert_true (tried > 0);
    return poisoned;
}

/* -- calls that fail --------------------------------------------------------------------------- */

#define IO   FAULTS_ANSWER (ZF_E_IO)
#define FULL FAULTS_ANSWER (ZF_E_FULL)

static void any_call_that_fails_once_loses_nothing (void **state)
{
    for (disk_call_t call = 0; call < DISK_CALLS; call++)
        play (&(faults_t){.call = call, .error = EIO, .times = 1, .allowed = IO});
}

static void any_call_that_fails_for_ever_loses_nothing (void **state)
{
    for (disk_call_t call = 0; call < DISK_CALLS; call++)
        play (&(faults_t){.call = call, .error = EIO, .times = DISK_FOREVER, .allowed = IO});
}

static void datasync_that_fails_poisons (void **state)
{
    faults_t faults = {.call = DISK_DATASYNC, .error = EIO, .times = 1, .allowed = IO};
    assert_true (play (&faults) > 0);
    faults.error = ENOSPC; /* a network's file system says so only now */
    faults.allowed = IO | FULL;
    assert_true (play (&faults) > 0);
}

static void write_without_space_does_not_poison (void **state)
{
    faults_t faults = {.call = DISK_PWRITEV, .error = ENOSPC, .times = 1, .allowed = FULL};
    assert_int_equal (play (&faults), 0);
    faults.error = EDQUOT;
    assert_int_equal (play (&faults), 0);
}

static void open_that_fails_for_a_while_loses_nothing (void **state)
{
    const int errors[] = {EMFILE, EACCES, EROFS};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        play (&(faults_t){.call = DISK_OPEN,
                          .error = errors[i],
                          .times = 1,
                          .allowed = IO | FAULTS_ANSWER (ZF_E_NOMEM)});
}

/* -- memory that runs out ---------------------------------------------------------------------- */

static void watch_journal (bool inside)
{
    if (inside)
        alloc_enter ();
    else
        alloc_leave ();
}

static void arm_malloc (uint64_t n)
{
    alloc_fail ((size_t) n, n > 0 ? 1 : 0);
}

static bool malloc_failed (void)
{
    return alloc_failures () > 0;
}

static void any_allocation_that_fails_loses_nothing (void **state)
{
    faults_t faults = {
        .arm = arm_malloc,
        .fired = malloc_failed,
        .watch = watch_journal,
        .times = 1,
        .error = ENOMEM,
        .allowed = FAULTS_ANSWER (ZF_E_NOMEM) | FULL,
    };
    assert_int_equal (play (&faults), 0);
}

/* -- calls that do less than was asked --------------------------------------------------------- */

static void assert_fine (driver_t *driver, int rc)
{
    if (driver->ledger.wrong[0] != '\0')
        fail_msg ("seed %" PRIu64 ": %s", driver->seed, driver->ledger.wrong);
    if (rc != 0)
        fail_msg ("seed %" PRIu64 ": answered %d %s", driver->seed, rc, driver->err.text);
}

static void work_on (uint64_t seed, uint64_t interrupt, size_t shorten)
{
    driver_t driver;
    disk_t *disk = disk_new ();
    driver_init (&driver, disk, PLANT_NONE, seed, NULL);
    disk_interrupt (disk, interrupt);
    disk_shorten (disk, shorten);
    assert_fine (&driver, driver_run (&driver, 60));
    disk_t *after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    driver_t next;
    driver_init (&next, after, PLANT_NONE, seed, &driver.ledger);
    assert_fine (&next, driver_open (&next));
    assert_fine (&next, driver_read (&next));
    driver_fini (&next);
    driver_fini (&driver);
    disk_free (&after);
    disk_free (&disk);
}

static void calls_that_are_interrupted_are_repeated (void **state)
{
    for (uint64_t every = 2; every < 9; every++)
        work_on (600 + every, every, 0);
}

static void calls_that_are_short_are_continued (void **state)
{
    const size_t bytes[] = {97, 512, 4096, 30000};
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++)
        work_on (700 + i, 3, bytes[i]);
}

/* -- a disk that is full ----------------------------------------------------------------------- */

typedef struct {
    disk_t *disk;
    driver_t driver;
} full_t;

static int begin_full (void **state)
{
    full_t *self = calloc (1, sizeof *self);
    assert_non_null (self);
    self->disk = disk_new ();
    driver_init (&self->driver, self->disk, PLANT_NONE, 2, NULL);
    disk_limit (self->disk, 4 * 65536 + 1000);
    assert_fine (&self->driver, driver_open (&self->driver));
    *state = self;
    return 0;
}

static int end_full (void **state)
{
    full_t *self = *state;
    driver_fini (&self->driver);
    disk_free (&self->disk);
    free (self);
    return 0;
}

static void fill_up (driver_t *driver)
{
    int rc = 0;
    for (int i = 0; i < 1000 && rc == 0; i++) {
        rc = driver_append (driver, 1000, 2);
        if (i % 7 == 0)
            driver_sync (driver);
    }
    assert_int_equal (rc, ZF_E_FULL);
    assert_int_equal (driver_append (driver, 1000, 1), ZF_E_FULL);
    assert_int_equal (driver_sync (driver), 0);
    zf_journal_stats_t stats;
    zf_journal_stats (driver->journal, &stats);
    assert_true (stats.full && !stats.failed);
}

static void assert_all_is_there (driver_t *driver)
{
    assert_fine (driver, driver_close (driver));
    assert_fine (driver, driver_open (driver));
    assert_fine (driver, driver_read (driver));
}

static void disk_full_and_freed_by_others_goes_on (void **state)
{
    full_t *self = *state;
    fill_up (&self->driver);
    disk_limit (self->disk, UINT64_MAX);
    assert_fine (&self->driver, driver_append (&self->driver, 1000, 1));
    assert_fine (&self->driver, driver_append (&self->driver, 90000, 1));
    assert_all_is_there (&self->driver);
}

static void disk_full_and_freed_by_a_trim_goes_on (void **state)
{
    full_t *self = *state;
    driver_t *driver = &self->driver;
    fill_up (driver);
    assert_fine (driver, driver_trim (driver, zf_journal_next (driver->journal)));
    assert_fine (driver, driver_sync (driver));
    for (int i = 0; i < 100; i++)
        assert_fine (driver, driver_append (driver, 1000, 1));
    assert_all_is_there (driver);
}

static void disk_full_is_closed_and_opened_with_all_that_is_there (void **state)
{
    full_t *self = *state;
    fill_up (&self->driver);
    assert_all_is_there (&self->driver);
    driver_kill (&self->driver);
    assert_fine (&self->driver, driver_open (&self->driver));
    assert_int_equal (driver_append (&self->driver, 1000, 1), ZF_E_FULL);
}

#define FULL_DISK(name) cmocka_unit_test_setup_teardown (name, begin_full, end_full)

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (any_call_that_fails_once_loses_nothing),
        cmocka_unit_test (any_call_that_fails_for_ever_loses_nothing),
        cmocka_unit_test (datasync_that_fails_poisons),
        cmocka_unit_test (write_without_space_does_not_poison),
        cmocka_unit_test (open_that_fails_for_a_while_loses_nothing),
        cmocka_unit_test (any_allocation_that_fails_loses_nothing),
        cmocka_unit_test (calls_that_are_interrupted_are_repeated),
        cmocka_unit_test (calls_that_are_short_are_continued),
        FULL_DISK (disk_full_and_freed_by_others_goes_on),
        FULL_DISK (disk_full_and_freed_by_a_trim_goes_on),
        FULL_DISK (disk_full_is_closed_and_opened_with_all_that_is_there),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
