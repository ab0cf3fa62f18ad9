/* A journal that is read while it is written and trimmed: by threads of the same process, and by
 * others that open it for reading. */
#include "core/bytes.h"
#include "persist/journal.h"
#include "tests/persist/place.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEGMENT (UINT64_C (64) << 10)
#define SIZE    500
#define ROUNDS  400 /* of 20 entries: some 64 segments */
#define WINDOW  2   /* segments' worth of entries that are kept */

typedef struct {
    char place[256]; /* temporary directory */
    char dir[300];   /* the journal's, in it */
    zf_journal_options_t options;
    zf_journal_t *journal;
    atomic_bool done; /* the writer is at its end */
    uint64_t last;    /* position that a reader was given last */
    bool any;         /* there was one */
    int bad;          /* entries that were not as they should be */
} rig_t;

/* Every entry says at which position it lies. */
static bool is_good (uint64_t position, zf_bytes_t data)
{
    const uint8_t *bytes = data.data;
    return data.size == SIZE && zf_load_u64le (bytes) == position &&
           zf_load_u64le (bytes + SIZE - 8) == ~position;
}

static int setup (void **state)
{
    rig_t *rig = calloc (1, sizeof *rig);
    zf_error_t err;
    place_make (rig->place, sizeof rig->place);
    snprintf (rig->dir, sizeof rig->dir, "%s/journal", rig->place);
    zf_journal_defaults (&rig->options);
    rig->options.dir = rig->dir;
    rig->options.segment_bytes = SEGMENT;
    assert_int_equal (zf_journal_open (&rig->journal, &rig->options, &err), 0);
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

static int write_one (rig_t *rig)
{
    uint8_t data[SIZE] = {0};
    uint64_t position = zf_journal_next (rig->journal);
    zf_bytes_t parts[2] = {zf_bytes (data, 100), zf_bytes (data + 100, SIZE - 100)};
    zf_store_u64le (data, position);
    zf_store_u64le (data + SIZE - 8, ~position);
    return zf_journal_append (rig->journal, parts, 2, NULL, NULL);
}

/* Appends and trims; syncs now and then only, so that there is always something that is not yet. */
static void *write_all (void *arg)
{
    rig_t *rig = arg;
    int rc = 0;
    for (int round = 0; round < ROUNDS && rc == 0; round++) {
        for (int i = 0; i < 20 && rc == 0; i++)
            rc = write_one (rig);
        uint64_t next = zf_journal_next (rig->journal);
        if (rc == 0 && round % 10 == 9 && next > WINDOW * SEGMENT)
            rc = zf_journal_trim (rig->journal, next - WINDOW * SEGMENT, NULL);
        if (rc == 0 && round % 3 == 0)
            rc = zf_journal_sync (rig->journal, NULL);
    }
    atomic_store (&rig->done, true);
    return rc == 0 ? NULL : rig;
}

/* Reads from the end of what is durable on, until what it reads is trimmed, again and again. */
static void *read_all (void *arg)
{
    rig_t *rig = arg;
    bool bad = false;
    uint64_t position = 0;
    while (!atomic_load (&rig->done) && !bad) {
        void *data;
        size_t size;
        int rc = zf_journal_read (rig->journal, &position, &data, &size, NULL);
        if (rc == 0)
            bad = !is_good (position - zf_journal_extent (size), zf_bytes (data, size));
        else if (rc == ZF_E_NOT_FOUND)
            position = zf_journal_durable (rig->journal);
        else
            bad = true;
        free (data);
    }
    return bad ? rig : NULL;
}

static int on_replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    rig_t *rig = arg;
    (void) err;
    rig->bad += !is_good (position, data);
    rig->bad += rig->any && position <= rig->last;
    rig->last = position;
    rig->any = true;
    return 0;
}

static int on_item (void *arg, const zf_scan_item_t *item)
{
    rig_t *rig = arg;
    rig->bad += item->what == ZF_SCAN_DAMAGE;
    rig->bad += item->what == ZF_SCAN_DATA && !is_good (item->position, item->data);
    return 0;
}

static void threads_read_what_is_written_and_trimmed (void **state)
{
    rig_t *rig = *state;
    pthread_t threads[3];
    pthread_create (&threads[0], NULL, write_all, rig);
    pthread_create (&threads[1], NULL, read_all, rig);
    pthread_create (&threads[2], NULL, read_all, rig);
    for (int i = 0; i < 3; i++) {
        void *failed;
        pthread_join (threads[i], &failed);
        assert_null (failed);
    }
}

static void others_open_it_meanwhile (void **state)
{
    rig_t *rig = *state;
    pthread_t writer;
    void *failed;
    int opened = 0;
    zf_error_t err = {0, ""};
    zf_journal_options_t options = rig->options;
    options.read_only = true;
    options.replay = on_replay;
    options.arg = rig;
    pthread_create (&writer, NULL, write_all, rig);
    while (!atomic_load (&rig->done) || opened == 0) {
        zf_journal_t *reader;
        rig->any = false;
        int rc = zf_journal_open (&reader, &options, &err);
        opened += rc == 0;
        if (rc != 0 && rc != ZF_E_STALE)
            fail_msg ("%s", err.text);
        zf_journal_close (&reader);
    }
    pthread_join (writer, &failed);
    assert_null (failed);
    assert_int_equal (rig->bad, 0);
}

static void others_scan_it_meanwhile (void **state)
{
    rig_t *rig = *state;
    pthread_t writer;
    void *failed;
    int scanned = 0;
    zf_error_t err = {0, ""};
    pthread_create (&writer, NULL, write_all, rig);
    while (!atomic_load (&rig->done) || scanned == 0) {
        int rc = zf_journal_scan (rig->dir, on_item, rig, NULL, &err);
        scanned += rc == 0;
        if (rc != 0 && rc != ZF_E_STALE)
            fail_msg ("%s", err.text);
    }
    pthread_join (writer, &failed);
    assert_null (failed);
    assert_int_equal (rig->bad, 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (threads_read_what_is_written_and_trimmed),
        CASE (others_open_it_meanwhile),
        CASE (others_scan_it_meanwhile),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
