/* A journal on a disk that is full, for a while or for good, on the disk in memory: what was
 * refused leaves no trace, and there is always a way out. */
#include "core/bytes.h"
#include "persist/journal.h"
#include "tests/persist/disk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT_BYTES  (64u << 10)
#define SEGMENT_HEADER 64u

typedef struct {
    disk_t *disk;
    zf_journal_t *journal; /* NULL: closed */
    zf_journal_options_t options;
    zf_error_t err;
    uint8_t bytes[4 * SEGMENT_BYTES]; /* of entries */
} rig_t;

static void open_journal (rig_t *rig)
{
    int rc = zf_journal_open_on (&rig->journal, disk_fs (rig->disk), &rig->options, &rig->err);
    if (rc != 0)
        fail_msg ("%s", rig->err.text);
}

static void close_journal (rig_t *rig)
{
    assert_int_equal (zf_journal_close (&rig->journal), 0);
}

static int setup (void **state)
{
    rig_t *rig = calloc (1, sizeof *rig);
    rig->disk = disk_new ();
    zf_journal_defaults (&rig->options);
    rig->options.dir = "/j";
    rig->options.segment_bytes = SEGMENT_BYTES;
    rig->options.spares = 1;
    open_journal (rig);
    *state = rig;
    return 0;
}

static int teardown (void **state)
{
    rig_t *rig = *state;
    zf_journal_close (&rig->journal);
    disk_free (&rig->disk);
    free (rig);
    return 0;
}

static int append (rig_t *rig, size_t size, uint64_t *position)
{
    zf_bytes_t part = zf_bytes (rig->bytes, size);
    return zf_journal_append (rig->journal, &part, 1, position, &rig->err);
}

static zf_journal_stats_t stats_of (const rig_t *rig)
{
    zf_journal_stats_t stats;
    zf_journal_stats (rig->journal, &stats);
    return stats;
}

/* The largest entry that an ordinary segment takes, so that nothing is left for the tail. */
static size_t largest (void)
{
    return SEGMENT_BYTES - SEGMENT_HEADER - ZF_ENTRY_HEADER;
}

/* The segment that was begun for an entry which had no space after all is still empty then. */
static void entry_larger_than_a_segment_behind_a_refused_one_is_kept (void **state)
{
    rig_t *rig = *state;
    uint64_t position;
    assert_int_equal (append (rig, 100, NULL), 0);
    disk_limit (rig->disk, disk_bytes (rig->disk));
    assert_int_equal (append (rig, largest (), NULL), ZF_E_FULL);
    disk_limit (rig->disk, UINT64_MAX);
    assert_int_equal (append (rig, sizeof rig->bytes, &position), 0);
    assert_int_equal (
        zf_journal_fetch (rig->journal, position, 0, rig->bytes, sizeof rig->bytes, &rig->err), 0);
    close_journal (rig);
    open_journal (rig);
    assert_int_equal (stats_of (rig).replayed, 2);
}

static void fill_up (rig_t *rig)
{
    disk_limit (rig->disk, disk_bytes (rig->disk));
    for (size_t size = 4096; size > 0; size /= 2)
        while (append (rig, size, NULL) == 0)
            ;
}

static void full_journal_opened_and_closed_often_can_be_trimmed (void **state)
{
    rig_t *rig = *state;
    fill_up (rig);
    for (int i = 0; i < 100; i++) {
        close_journal (rig);
        open_journal (rig);
    }
    assert_int_equal (append (rig, 4096, NULL), ZF_E_FULL);
    assert_int_equal (zf_journal_trim (rig->journal, zf_journal_next (rig->journal), &rig->err), 0);
    assert_int_equal (zf_journal_sync (rig->journal, &rig->err), 0);
    assert_int_equal (append (rig, 4096, NULL), 0);
}

int main (void)
{
#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE (entry_larger_than_a_segment_behind_a_refused_one_is_kept),
        CASE (full_journal_opened_and_closed_often_can_be_trimmed),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
