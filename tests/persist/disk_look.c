/* Looking at what is on a disk, and tampering with it. */
#include "tests/persist/disk_node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t disk_open_files (const disk_t *disk)
{
    size_t count = 0;
    for (size_t i = 0; i < DISK_HANDLES; i++)
        count += disk->handles[i].node >= 0;
    return count;
}

uint64_t disk_bytes (const disk_t *disk)
{
    uint64_t total = 0;
    for (size_t i = 0; i < disk->node_count; i++) {
        const node_t *node = &disk->nodes[i];
        if (!node->directory && (node->links > 0 || node->opens > 0))
            total += disk_rounded (node->size);
    }
    return total;
}

int64_t disk_file_size (const disk_t *disk, const char *path)
{
    const node_t *file = disk_file (disk, path);
    return file == NULL ? -1 : (int64_t) file->size;
}

bool disk_exists (const disk_t *disk, const char *path)
{
    return disk_place (disk, path).node >= 0;
}

size_t disk_read (const disk_t *disk, const char *path, uint64_t offset, void *data, size_t size)
{
    const node_t *file = disk_file (disk, path);
    if (file == NULL || offset >= file->size)
        return 0;
    uint64_t left = file->size - offset;
    size_t n = left < size ? (size_t) left : size;
    memcpy (data, file->now->bytes + offset, n);
    return n;
}

/* -- tampering --------------------------------------------------------------------------------- */

/* What programs see becomes what is durable. */
static void settle (node_t *file)
{
    blob_drop (&file->kept);
    file->kept = blob_share (file->now);
    file->kept_size = file->size;
    size_t count = file->now == NULL ? 0 : file->now->room / DISK_SECTOR;
    file->sectors = disk_memory (file->sectors, count + 1);
    memset (file->sectors, SECTOR_CLEAN, count);
}

/* A new node of that name in a directory that is there, or the one that has it. */
static int put_node (disk_t *disk, const char *path, bool directory)
{
    place_t place = disk_place (disk, path);
    if (place.node >= 0)
        return place.node;
    assert (place.parent >= 0);
    int node = node_new (disk, directory);
    names_set (&disk->nodes[place.parent].names, place.name, node);
    names_set (&disk->nodes[place.parent].kept_names, place.name, node);
    disk->nodes[node].links++;
    return node;
}

void disk_put_directory (disk_t *disk, const char *path)
{
    put_node (disk, path, true);
}

void disk_put (disk_t *disk, const char *path, const void *data, size_t size)
{
    int node = put_node (disk, path, false); /* may move the nodes */
    node_t *file = &disk->nodes[node];
    assert (!file->directory);
    blob_drop (&file->now);
    blob_own (&file->now, size);
    if (size > 0)
        memcpy (file->now->bytes, data, size);
    file->size = size;
    settle (file);
}

void disk_flip (disk_t *disk, const char *path, uint64_t offset, uint8_t bits)
{
    node_t *file = disk_file (disk, path);
    assert (file != NULL && offset < file->size);
    blob_drop (&file->kept);
    blob_own (&file->now, 0);
    file->now->bytes[offset] ^= bits;
    settle (file);
}

void disk_truncate (disk_t *disk, const char *path, uint64_t size)
{
    node_t *file = disk_file (disk, path);
    assert (file != NULL && size <= file->size);
    blob_drop (&file->kept);
    blob_own (&file->now, 0);
    memset (file->now->bytes + size, 0, file->now->room - size);
    file->size = size;
    settle (file);
}

/* -- comparing --------------------------------------------------------------------------------- */

static int compare_names (const void *a, const void *b)
{
    return strcmp (a, b);
}

size_t disk_names (const disk_t *disk, const char *path, char (*names)[DISK_NAME], size_t room)
{
    place_t place = disk_place (disk, path);
    if (place.node < 0 || !disk->nodes[place.node].directory)
        return 0;
    const names_t *there = &disk->nodes[place.node].names;
    size_t count = there->count < room ? there->count : room;
    for (size_t i = 0; i < count; i++)
        memcpy (names[i], there->list[i].name, DISK_NAME);
    qsort (names, count, DISK_NAME, compare_names);
    return count;
}

static bool same_bytes (const node_t *a, const node_t *b)
{
    if (a->size != b->size)
        return false;
    return a->size == 0 || a->now == b->now || memcmp (a->now->bytes, b->now->bytes, a->size) == 0;
}

/* All that `a` holds is on `b` too. */
static bool is_within (const disk_t *a, const disk_t *b, const char *path, const char *but)
{
    place_t place = disk_place (a, path);
    const names_t *names = place.node < 0 ? NULL : &a->nodes[place.node].names;
    for (size_t i = 0; names != NULL && i < names->count; i++) {
        char name[4 * DISK_NAME];
        if (but != NULL && strcmp (names->list[i].name, but) == 0)
            continue;
        snprintf (name, sizeof name, "%s/%s", path, names->list[i].name);
        const node_t *file = disk_file (a, name);
        const node_t *other = disk_file (b, name);
        if ((file == NULL) != (other == NULL) || (file != NULL && !same_bytes (file, other)))
            return false;
    }
    return true;
}

bool disk_same (const disk_t *a, const disk_t *b, const char *path, const char *but)
{
    return is_within (a, b, path, but) && is_within (b, a, path, but);
}
