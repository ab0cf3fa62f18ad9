#include "tests/persist/place.h"

#include <dirent.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

void place_make (char *path, int size)
{
    const char *tmp = getenv ("TMPDIR");
    snprintf (path, (size_t) size, "%s/zferry-journal-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null (mkdtemp (path));
}

void place_remove (const char *path)
{
    char file[4096];
    DIR *dir = opendir (path);
    if (dir == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir (dir)) != NULL) {
        if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
            continue;
        snprintf (file, sizeof file, "%s/%s", path, entry->d_name);
        if (unlink (file) != 0)
            place_remove (file);
    }
    closedir (dir);
    rmdir (path);
}

const char *place_segment (const char *dir, uint64_t number)
{
    static char path[4096];
    snprintf (path, sizeof path, "%s/%016" PRIx64 ".zfj", dir, number);
    return path;
}

int place_count (const char *dir, const char *beginning)
{
    int count = 0;
    DIR *names = opendir (dir);
    assert_non_null (names);
    const struct dirent *entry;
    while ((entry = readdir (names)) != NULL)
        count += strncmp (entry->d_name, beginning, strlen (beginning)) == 0;
    closedir (names);
    return count;
}

void place_write (const char *file, long offset, const void *data, int size)
{
    FILE *f = fopen (file, "r+b");
    assert_non_null (f);
    assert_int_equal (fseek (f, offset, SEEK_SET), 0);
    assert_int_equal (fwrite (data, 1, (size_t) size, f), size);
    assert_int_equal (fclose (f), 0);
}

void place_read (const char *file, long offset, void *data, int size)
{
    FILE *f = fopen (file, "rb");
    assert_non_null (f);
    assert_int_equal (fseek (f, offset, SEEK_SET), 0);
    assert_int_equal (fread (data, 1, (size_t) size, f), size);
    fclose (f);
}

void place_copy (const char *from, const char *to)
{
    long size = place_size (from);
    assert_true (size > 0);
    char *data = calloc (1, size > 0 ? (size_t) size : 1);
    FILE *f = fopen (to, "wb");
    assert_non_null (data);
    assert_non_null (f);
    place_read (from, 0, data, (int) size);
    assert_int_equal (fwrite (data, 1, (size_t) size, f), size);
    assert_int_equal (fclose (f), 0);
    free (data);
}

void place_copy_all (const char *from, const char *to)
{
    char source[4096];
    char target[4096];
    assert_int_equal (mkdir (to, 0700), 0);
    DIR *names = opendir (from);
    assert_non_null (names);
    const struct dirent *entry;
    while ((entry = readdir (names)) != NULL) {
        if (entry->d_name[0] == '.' || strcmp (entry->d_name, "lock") == 0)
            continue;
        snprintf (source, sizeof source, "%s/%s", from, entry->d_name);
        snprintf (target, sizeof target, "%s/%s", to, entry->d_name);
        if (strncmp (entry->d_name, "spare-", 6) == 0)
            continue; /* being prepared, and renamed, while we look */
        place_copy (source, target);
    }
    closedir (names);
}

long place_size (const char *file)
{
    struct stat about;
    return stat (file, &about) == 0 ? (long) about.st_size : -1;
}
