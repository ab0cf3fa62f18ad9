/* The disk in memory that the tests of persist/ stand on. */
#include "tests/persist/disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup (void **state)
{
    *state = disk_new ();
    return 0;
}

static int teardown (void **state)
{
    disk_t *disk = *state;
    disk_free (&disk);
    return 0;
}

static int open_file (disk_t *disk, const char *path)
{
    zf_fs_t *fs = disk_fs (disk);
    int fd = fs->open (fs, path, ZF_FS_WRITE | ZF_FS_CREATE);
    assert_true (fd >= 0);
    return fd;
}

static ssize_t write_at (disk_t *disk, int fd, uint64_t offset, const char *text)
{
    zf_fs_t *fs = disk_fs (disk);
    char copy[64];
    size_t size = strlen (text);
    snprintf (copy, sizeof copy, "%s", text);
    struct iovec parts[] = {{.iov_base = copy, .iov_len = size / 2},
                            {.iov_base = copy + size / 2, .iov_len = size - size / 2}};
    return fs->pwritev (fs, fd, parts, 2, offset);
}

static int sync_file (disk_t *disk, int fd)
{
    return disk_fs (disk)->datasync (disk_fs (disk), fd);
}

static int sync_root (disk_t *disk)
{
    return disk_fs (disk)->syncdir (disk_fs (disk), "/");
}

/* A file with a name and this in its first sector, all of it durable; it stays open. */
static int durable_file (disk_t *disk, const char *path, const char *text)
{
    int fd = open_file (disk, path);
    assert_int_equal (write_at (disk, fd, 0, text), strlen (text));
    assert_int_equal (sync_file (disk, fd), 0);
    assert_int_equal (sync_root (disk), 0);
    return fd;
}

static void assert_text (const disk_t *disk, const char *path, uint64_t offset, const char *text)
{
    char found[64] = {0};
    disk_read (disk, path, offset, found, strlen (text));
    assert_string_equal (found, text);
}

/* -- what survives ----------------------------------------------------------------------------- */

static void write_read_again_is_there (void **state)
{
    disk_t *disk = *state;
    char found[8] = {0};
    int fd = open_file (disk, "/a");
    assert_int_equal (write_at (disk, fd, 510, "hello"), 5);
    assert_int_equal (disk_fs (disk)->pread (disk_fs (disk), fd, found, 8, 510), 5);
    assert_string_equal (found, "hello");
    assert_int_equal (disk_fs (disk)->size (disk_fs (disk), fd), 515);
    assert_int_equal (disk_fs (disk)->pread (disk_fs (disk), fd, found, 8, 515), 0);
}

static void sectors_unsynced_survive_one_by_one (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "old");
    write_at (disk, fd, DISK_SECTOR, "old");
    sync_file (disk, fd);
    write_at (disk, fd, 0, "new");
    write_at (disk, fd, DISK_SECTOR, "new");
    assert_int_equal (disk_doubts (disk), 2);
    for (uint64_t bits = 0; bits < 4; bits++) {
        disk_t *after = disk_after_crash (disk, DISK_KEEP_BITS, bits);
        assert_text (after, "/a", 0, (bits & 1) != 0 ? "new" : "old");
        assert_text (after, "/a", DISK_SECTOR, (bits & 2) != 0 ? "new" : "old");
        assert_int_equal (disk_doubts (after), 0);
        disk_free (&after);
    }
}

static void write_synced_survives (void **state)
{
    disk_t *disk = *state;
    durable_file (disk, "/a", "old");
    disk_t *after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_text (after, "/a", 0, "old");
    disk_free (&after);
}

static void size_unsynced_is_the_old_one_or_the_new_one (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "old");
    write_at (disk, fd, 5000, "far");
    assert_int_equal (disk_doubts (disk), 2);
    disk_t *none = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    disk_t *size = disk_after_crash (disk, DISK_KEEP_BITS, 1);
    assert_int_equal (disk_file_size (none, "/a"), 3);
    assert_int_equal (disk_file_size (size, "/a"), 5003);
    assert_text (size, "/a", 5000, "");
    disk_free (&none);
    disk_free (&size);
}

static void name_unsynced_can_be_lost_though_the_file_was_synced (void **state)
{
    disk_t *disk = *state;
    int fd = open_file (disk, "/a");
    write_at (disk, fd, 0, "text");
    sync_file (disk, fd);
    disk_t *after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_false (disk_exists (after, "/a"));
    disk_free (&after);
    after = disk_after_crash (disk, DISK_KEEP_ALL, 0);
    assert_text (after, "/a", 0, "text");
    disk_free (&after);
}

static void rename_unsynced_happens_whole_or_not_at_all (void **state)
{
    disk_t *disk = *state;
    durable_file (disk, "/a", "first");
    durable_file (disk, "/b", "second");
    assert_int_equal (disk_fs (disk)->rename (disk_fs (disk), "/a", "/b"), 0);
    assert_text (disk, "/b", 0, "first");
    disk_t *none = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_text (none, "/a", 0, "first");
    assert_text (none, "/b", 0, "second");
    disk_t *all = disk_after_crash (disk, DISK_KEEP_ALL, 0);
    assert_false (disk_exists (all, "/a"));
    assert_text (all, "/b", 0, "first");
    disk_free (&none);
    disk_free (&all);
}

static void unlink_unsynced_can_be_undone (void **state)
{
    disk_t *disk = *state;
    durable_file (disk, "/a", "text");
    assert_int_equal (disk_fs (disk)->unlink (disk_fs (disk), "/a"), 0);
    assert_false (disk_exists (disk, "/a"));
    disk_t *after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_text (after, "/a", 0, "text");
    disk_free (&after);
    sync_root (disk);
    after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_false (disk_exists (after, "/a"));
    disk_free (&after);
}

static void directory_unsynced_is_lost_with_all_in_it (void **state)
{
    disk_t *disk = *state;
    zf_fs_t *fs = disk_fs (disk);
    assert_int_equal (fs->mkdir (fs, "/d"), 0);
    assert_int_equal (fs->mkdir (fs, "/d"), -EEXIST);
    int fd = open_file (disk, "/d/a");
    sync_file (disk, fd);
    assert_int_equal (fs->syncdir (fs, "/d"), 0);
    disk_t *after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_false (disk_exists (after, "/d/a"));
    disk_free (&after);
    sync_root (disk);
    after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_true (disk_exists (after, "/d/a"));
    disk_free (&after);
}

static void random_subset_is_the_same_for_a_seed_and_differs_between (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "old");
    uint64_t different = 0;
    for (uint64_t i = 0; i < 32; i++)
        write_at (disk, fd, i * DISK_SECTOR, "old");
    sync_file (disk, fd);
    for (uint64_t i = 0; i < 32; i++)
        write_at (disk, fd, i * DISK_SECTOR, "new");
    disk_t *first = disk_after_crash (disk, DISK_KEEP_RANDOM, 0);
    for (uint64_t seed = 0; seed < 20; seed++) {
        disk_t *a = disk_after_crash (disk, DISK_KEEP_RANDOM, seed);
        disk_t *b = disk_after_crash (disk, DISK_KEEP_RANDOM, seed);
        assert_true (disk_same (a, b, "/", NULL));
        different += !disk_same (a, first, "/", NULL);
        disk_free (&a);
        disk_free (&b);
    }
    assert_true (different >= 15);
    disk_free (&first);
}

/* -- the end of the process -------------------------------------------------------------------- */

static void stop_refuses_that_call_and_all_later_ones (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "old");
    disk_stop_at (disk, 2, DISK_NOTHING);
    assert_int_equal (write_at (disk, fd, 0, "one"), 3);
    assert_int_equal (write_at (disk, fd, 0, "two"), -EIO);
    assert_true (disk_stopped (disk));
    assert_int_equal (sync_file (disk, fd), -EIO);
    assert_text (disk, "/a", 0, "one");
    disk_restart (disk);
    assert_int_equal (disk_open_files (disk), 0);
    disk_t *after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_text (after, "/a", 0, "old");
    disk_free (&after);
}

static void stop_can_do_part_of_a_write_or_all_of_it (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "........");
    disk_stop_at (disk, 1, DISK_PART);
    assert_int_equal (write_at (disk, fd, 0, "abcdefgh"), -EIO);
    assert_text (disk, "/a", 0, "abcd....");
    disk_restart (disk);
    fd = disk_fs (disk)->open (disk_fs (disk), "/a", ZF_FS_WRITE);
    disk_stop_at (disk, 1, DISK_WHOLE);
    assert_int_equal (write_at (disk, fd, 0, "12345678"), -EIO);
    assert_text (disk, "/a", 0, "12345678");
    assert_int_equal (disk_doubts (disk), 1);
}

static void lock_is_held_until_closed_or_the_process_ends (void **state)
{
    disk_t *disk = *state;
    zf_fs_t *fs = disk_fs (disk);
    int one = open_file (disk, "/a");
    int two = open_file (disk, "/a");
    assert_int_equal (fs->lock (fs, one), 0);
    assert_int_equal (fs->lock (fs, two), -EWOULDBLOCK);
    fs->close (fs, one);
    assert_int_equal (fs->lock (fs, two), 0);
    disk_stop (disk);
    disk_restart (disk);
    one = open_file (disk, "/a");
    assert_int_equal (fs->lock (fs, one), 0);
}

/* -- faults ------------------------------------------------------------------------------------ */

static void fault_hits_the_calls_it_is_for (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "old");
    disk_fail (disk, DISK_PWRITEV, 2, 2, EROFS);
    assert_int_equal (write_at (disk, fd, 0, "one"), 3);
    assert_int_equal (write_at (disk, fd, 0, "two"), -EROFS);
    assert_int_equal (sync_file (disk, fd), 0);
    assert_int_equal (write_at (disk, fd, 0, "two"), -EROFS);
    assert_text (disk, "/a", 0, "one");
    assert_int_equal (write_at (disk, fd, 0, "six"), 3);
    assert_int_equal (disk_failures (disk), 2);
    disk_fail (disk, DISK_DATASYNC, 1, DISK_FOREVER, EIO);
    assert_int_equal (sync_file (disk, fd), -EIO);
    assert_int_equal (sync_file (disk, fd), -EIO);
}

static void datasync_failed_and_done_again_made_nothing_durable (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "old");
    write_at (disk, fd, 0, "new");
    disk_fail (disk, DISK_DATASYNC, 1, 1, EIO);
    assert_int_equal (sync_file (disk, fd), -EIO);
    assert_int_equal (sync_file (disk, fd), 0);
    assert_text (disk, "/a", 0, "new");
    disk_t *after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_text (after, "/a", 0, "old");
    disk_free (&after);
    write_at (disk, fd, 0, "new");
    assert_int_equal (sync_file (disk, fd), 0);
    after = disk_after_crash (disk, DISK_KEEP_NONE, 0);
    assert_text (after, "/a", 0, "new");
    disk_free (&after);
}

static void disk_full_writes_what_fits_and_then_nothing (void **state)
{
    disk_t *disk = *state;
    int fd = durable_file (disk, "/a", "old");
    disk_limit (disk, 2 * DISK_SECTOR);
    assert_int_equal (write_at (disk, fd, 2 * DISK_SECTOR - 2, "new"), 2);
    assert_int_equal (write_at (disk, fd, 2 * DISK_SECTOR, "new"), -ENOSPC);
    assert_int_equal (write_at (disk, fd, 0, "over"), 4);
    assert_int_equal (disk_bytes (disk), 2 * DISK_SECTOR);
    disk_limit (disk, UINT64_MAX);
    assert_int_equal (write_at (disk, fd, 2 * DISK_SECTOR, "new"), 3);
    disk_fs (disk)->close (disk_fs (disk), fd);
    disk_fs (disk)->unlink (disk_fs (disk), "/a");
    assert_int_equal (disk_bytes (disk), 0);
}

static void calls_can_be_short_and_interrupted (void **state)
{
    disk_t *disk = *state;
    char found[8];
    int fd = durable_file (disk, "/a", "12345678");
    disk_shorten (disk, 3);
    for (int i = 0; i < 20; i++) {
        ssize_t n = disk_fs (disk)->pread (disk_fs (disk), fd, found, sizeof found, 0);
        assert_in_range (n, 1, 3);
        assert_in_range (write_at (disk, fd, 0, "12345678"), 1, 3);
    }
    disk_interrupt (disk, 2);
    assert_true (write_at (disk, fd, 0, "12345678") > 0);
    assert_int_equal (write_at (disk, fd, 0, "12345678"), -EINTR);
}

/* -- looking ----------------------------------------------------------------------------------- */

static int count_name (void *arg, const char *name)
{
    size_t *count = arg;
    assert_true (strcmp (name, "a") == 0 || strcmp (name, "b") == 0);
    ++*count;
    return 0;
}

static void names_are_listed (void **state)
{
    disk_t *disk = *state;
    char names[4][DISK_NAME];
    size_t count = 0;
    durable_file (disk, "/b", "text");
    durable_file (disk, "/a", "text");
    assert_int_equal (disk_fs (disk)->list (disk_fs (disk), "/", count_name, &count), 0);
    assert_int_equal (count, 2);
    assert_int_equal (disk_names (disk, "/", names, 4), 2);
    assert_string_equal (names[0], "a");
    assert_string_equal (names[1], "b");
    assert_int_equal (disk_fs (disk)->list (disk_fs (disk), "/c", count_name, &count), -ENOENT);
}

static void tampering_leaves_other_disks_alone (void **state)
{
    disk_t *disk = *state;
    disk_put_directory (disk, "/d");
    disk_put (disk, "/d/a", "text", 4);
    disk_t *copy = disk_after_crash (disk, DISK_KEEP_ALL, 0);
    assert_true (disk_same (disk, copy, "/d", NULL));
    disk_flip (copy, "/d/a", 0, 0x20);
    assert_false (disk_same (disk, copy, "/d", NULL));
    assert_true (disk_same (disk, copy, "/d", "a"));
    disk_truncate (copy, "/d/a", 2);
    assert_text (disk, "/d/a", 0, "text");
    assert_text (copy, "/d/a", 0, "Te");
    assert_int_equal (disk_file_size (copy, "/d/a"), 2);
    assert_int_equal (disk_doubts (copy), 0);
    disk_free (&copy);
}

#define CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (write_read_again_is_there),
        CASE (sectors_unsynced_survive_one_by_one),
        CASE (write_synced_survives),
        CASE (size_unsynced_is_the_old_one_or_the_new_one),
        CASE (name_unsynced_can_be_lost_though_the_file_was_synced),
        CASE (rename_unsynced_happens_whole_or_not_at_all),
        CASE (unlink_unsynced_can_be_undone),
        CASE (directory_unsynced_is_lost_with_all_in_it),
        CASE (random_subset_is_the_same_for_a_seed_and_differs_between),
        CASE (stop_refuses_that_call_and_all_later_ones),
        CASE (stop_can_do_part_of_a_write_or_all_of_it),
        CASE (lock_is_held_until_closed_or_the_process_ends),
        CASE (fault_hits_the_calls_it_is_for),
        CASE (datasync_failed_and_done_again_made_nothing_durable),
        CASE (disk_full_writes_what_fits_and_then_nothing),
        CASE (calls_can_be_short_and_interrupted),
        CASE (names_are_listed),
        CASE (tampering_leaves_other_disks_alone),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
