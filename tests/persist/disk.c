/* The disk itself, and the faults it is told to have. */
#include "tests/persist/disk_node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const call_names[DISK_CALLS] = {
    "open",  "close", "pread",  "pwritev", "datasync", "lock",   "size",
    "mkdir", "list",  "rename", "unlink",  "syncdir",  "random",
};

const char *disk_call_name (disk_call_t call)
{
    return call_names[call];
}

disk_t *disk_new (void)
{
    disk_t *disk = disk_memory (NULL, sizeof *disk);
    memset (disk, 0, sizeof *disk);
    disk->fs = disk_calls_table;
    pthread_mutex_init (&disk->mutex, NULL);
    node_new (disk, true);
    for (size_t i = 0; i < DISK_HANDLES; i++)
        disk->handles[i].node = -1;
    disk->limit = UINT64_MAX;
    return disk;
}

void disk_free (disk_t **disk)
{
    disk_t *self = *disk;
    *disk = NULL;
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->node_count; i++)
        node_clear (&self->nodes[i]);
    free (self->nodes);
    pthread_mutex_destroy (&self->mutex);
    free (self);
}

zf_fs_t *disk_fs (disk_t *disk)
{
    return &disk->fs;
}

void disk_stop_at (disk_t *disk, uint64_t n, disk_part_t part)
{
    assert (n > 0);
    disk->stop_at = disk->total + n;
    disk->part = part;
}

void disk_stop (disk_t *disk)
{
    disk->stopped = true;
}

bool disk_stopped (const disk_t *disk)
{
    return disk->stopped;
}

void disk_restart (disk_t *disk)
{
    for (size_t i = 0; i < DISK_HANDLES; i++)
        disk->handles[i].node = -1;
    for (size_t i = 0; i < disk->node_count; i++) {
        disk->nodes[i].opens = 0;
        disk->nodes[i].locked_by = -1;
    }
    disk->stopped = false;
    disk->stop_at = 0;
}

void disk_fail (disk_t *disk, disk_call_t call, uint64_t n, uint64_t times, int error)
{
    fault_t *fault = &disk->faults[call];
    fault->from = disk->calls[call] + n;
    fault->until = times < UINT64_MAX - fault->from ? fault->from + times : UINT64_MAX;
    fault->error = error;
    disk->failures = 0;
}

uint64_t disk_failures (const disk_t *disk)
{
    return disk->failures;
}

void disk_interrupt (disk_t *disk, uint64_t n)
{
    disk->interrupt_every = n;
}

void disk_shorten (disk_t *disk, size_t bytes)
{
    disk->shorten_to = bytes;
}

void disk_limit (disk_t *disk, uint64_t bytes)
{
    disk->limit = bytes;
}

void disk_watch (disk_t *disk, void (*watch) (bool inside))
{
    disk->watch = watch;
}

uint64_t disk_calls (const disk_t *disk)
{
    return disk->total;
}

uint64_t disk_calls_of (const disk_t *disk, disk_call_t call)
{
    return disk->calls[call];
}
