/* What is left after a power failure. */
#include "tests/core/rand.h"
#include "tests/persist/disk_node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Decides what survives. */
typedef struct {
    disk_keep_t keep;
    uint64_t bits;   /* or the seed */
    uint64_t done;   /* decisions so far */
    uint32_t chance; /* of surviving, of 16 */
} picker_t;

static picker_t picker (disk_keep_t keep, uint64_t pick)
{
    static const uint32_t chances[] = {1, 4, 8, 12, 15};
    picker_t self = {.keep = keep, .bits = pick};
    self.chance = chances[rand_below (&pick, sizeof chances / sizeof chances[0])];
    return self;
}

static bool survives (picker_t *self)
{
    uint64_t i = self->done++;
    switch (self->keep) {
    case DISK_KEEP_NONE:
        return false;
    case DISK_KEEP_ALL:
        return true;
    case DISK_KEEP_BITS:
        assert (i < 64);
        return (self->bits >> i & 1) != 0;
    case DISK_KEEP_RANDOM:
        break;
    }
    return rand_below (&self->bits, 16) < self->chance;
}

/* -- which files can be there ------------------------------------------------------------------ */

static void mark_names (bool *marks, const names_t *names)
{
    for (size_t i = 0; i < names->count; i++)
        marks[names->list[i].node] = true;
}

/* A mark for each node that has, had or may have a name. */
static bool *named (const disk_t *disk)
{
    bool *marks = disk_memory (NULL, disk->node_count);
    memset (marks, 0, disk->node_count);
    for (size_t i = 0; i < disk->node_count; i++) {
        const node_t *node = &disk->nodes[i];
        mark_names (marks, &node->kept_names);
        mark_names (marks, &node->names);
        for (size_t k = 0; k < node->change_count; k++)
            marks[node->changes[k].node] = true;
    }
    return marks;
}

/* -- files ------------------------------------------------------------------------------------- */

static bool differs (const node_t *file, size_t i)
{
    return file->sectors[i] != SECTOR_CLEAN &&
           memcmp (blob_sector (file->now, i), blob_sector (file->kept, i), DISK_SECTOR) != 0;
}

static size_t sector_count (const node_t *file)
{
    return file->now == NULL ? 0 : file->now->room / DISK_SECTOR;
}

static bool has_doubts (const node_t *file)
{
    bool any = file->size != file->kept_size;
    for (size_t i = 0; i < sector_count (file) && !any; i++)
        any = differs (file, i);
    return any;
}

static void cut (blob_t *blob, uint64_t size)
{
    if (blob->room > size)
        memset (blob->bytes + size, 0, blob->room - size);
}

static void crash_file (node_t *to, const node_t *from, picker_t *picker)
{
    to->kept = blob_share (from->kept);
    to->kept_size = from->kept_size;
    if (has_doubts (from)) {
        bool grown = from->size != from->kept_size && survives (picker);
        to->kept_size = grown ? from->size : from->kept_size;
        blob_own (&to->kept, from->now == NULL ? 0 : from->now->room);
        for (size_t i = 0; i < sector_count (from); i++)
            if (differs (from, i) && survives (picker))
                memcpy (to->kept->bytes + i * DISK_SECTOR, blob_sector (from->now, i), DISK_SECTOR);
        cut (to->kept, to->kept_size);
    }
    to->now = blob_share (to->kept);
    to->size = to->kept_size;
    to->sectors = disk_memory (NULL, sector_count (to) + 1);
    memset (to->sectors, SECTOR_CLEAN, sector_count (to));
}

static uint64_t file_doubts (const node_t *file)
{
    uint64_t count = file->size != file->kept_size;
    for (size_t i = 0; i < sector_count (file); i++)
        count += differs (file, i);
    return count;
}

uint64_t disk_doubts (const disk_t *disk)
{
    bool *marks = named (disk);
    uint64_t count = 0;
    for (size_t i = 0; i < disk->node_count; i++) {
        const node_t *node = &disk->nodes[i];
        count += node->change_count;
        if (!node->directory && marks[i])
            count += file_doubts (node);
    }
    free (marks);
    return count;
}

/* -- directories ------------------------------------------------------------------------------- */

static void crash_directory (disk_t *disk, size_t i, const node_t *from, picker_t *picker)
{
    node_t *to = &disk->nodes[i];
    names_copy (&to->names, &from->kept_names);
    for (size_t k = 0; k < from->change_count; k++)
        if (survives (picker))
            change_apply (&to->names, &from->changes[k]);
    names_copy (&to->kept_names, &to->names);
    for (size_t k = 0; k < to->names.count; k++)
        disk->nodes[to->names.list[k].node].links++;
}

disk_t *disk_after_crash (const disk_t *disk, disk_keep_t keep, uint64_t pick)
{
    picker_t picks = picker (keep, pick);
    disk_t *after = disk_new ();
    for (size_t i = 1; i < disk->node_count; i++)
        node_new (after, disk->nodes[i].directory);
    for (size_t i = 0; i < disk->node_count; i++)
        if (disk->nodes[i].directory)
            crash_directory (after, i, &disk->nodes[i], &picks);
    bool *marks = named (disk);
    for (size_t i = 0; i < disk->node_count; i++)
        if (!disk->nodes[i].directory && marks[i])
            crash_file (&after->nodes[i], &disk->nodes[i], &picks);
    free (marks);
    after->next_random = disk->next_random;
    after->seed = disk->seed;
    after->fs.synchronous = disk->fs.synchronous;
    return after;
}
