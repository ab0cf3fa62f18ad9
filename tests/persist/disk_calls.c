/* The calls of zf_fs. */
#include "tests/core/rand.h"
#include "tests/persist/disk_node.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- each call --------------------------------------------------------------------------------- */

/* Is there still something to do in the call that the process ends in? */
static bool dies_later (disk_t *disk, disk_call_t call)
{
    disk->stopped = true;
    disk->dying = true;
    if (disk->part == DISK_PART)
        return call == DISK_PWRITEV;
    return disk->part == DISK_WHOLE && call != DISK_DATASYNC && call != DISK_SYNCDIR;
}

static bool is_interrupted (disk_t *disk, disk_call_t call)
{
    static const bool can[DISK_CALLS] = {
        [DISK_OPEN] = true,     [DISK_PREAD] = true,   [DISK_PWRITEV] = true,
        [DISK_DATASYNC] = true, [DISK_SYNCDIR] = true, [DISK_LOCK] = true,
    };
    return disk->interrupt_every != 0 && can[call] &&
           ++disk->interruptible % disk->interrupt_every == 0;
}

/* Begins a call: the disk is locked. Returns 0, or what the call answers. */
static int enter (disk_t *disk, disk_call_t call)
{
    if (disk->watch != NULL)
        disk->watch (false);
    pthread_mutex_lock (&disk->mutex);
    if (disk->stopped)
        return -EIO;
    disk->calls[call]++;
    if (++disk->total == disk->stop_at)
        return dies_later (disk, call) ? 0 : -EIO;
    if (is_interrupted (disk, call))
        return -EINTR;
    const fault_t *fault = &disk->faults[call];
    if (disk->calls[call] < fault->from || disk->calls[call] >= fault->until)
        return 0;
    disk->failures++;
    return -fault->error;
}

/* Ends it; returns what the call answers. */
static int64_t leave (disk_t *disk, int64_t rc)
{
    if (disk->dying)
        rc = -EIO;
    disk->dying = false;
    pthread_mutex_unlock (&disk->mutex);
    if (disk->watch != NULL)
        disk->watch (true);
    return rc;
}

static disk_t *disk_of (zf_fs_t *fs)
{
    return (disk_t *) (void *) fs;
}

static node_t *node_of (disk_t *disk, int fd)
{
    assert (fd >= 0 && fd < DISK_HANDLES && disk->handles[fd].node >= 0);
    return &disk->nodes[disk->handles[fd].node];
}

/* -- opening and closing ----------------------------------------------------------------------- */

static int add_file (disk_t *disk, const place_t *place)
{
    change_t change = {.kind = CHANGE_ADD, .node = node_new (disk, false)};
    snprintf (change.from, sizeof change.from, "%s", place->name);
    directory_change (disk, place->parent, &change);
    return change.node;
}

/* The sectors that it had are unsynced from now on. */
static void empty_file (node_t *file)
{
    if (file->size == 0)
        return;
    blob_own (&file->now, 0);
    memset (file->now->bytes, 0, file->now->room);
    memset (file->sectors, SECTOR_DIRTY, file->now->room / DISK_SECTOR);
    file->size = 0;
}

static int open_handle (disk_t *disk, int node, bool writable)
{
    for (int fd = 3; fd < DISK_HANDLES; fd++) {
        if (disk->handles[fd].node >= 0)
            continue;
        disk->handles[fd] = (handle_t){.node = node, .writable = writable};
        disk->nodes[node].opens++;
        return fd;
    }
    return -EMFILE;
}

static int do_open (disk_t *disk, const char *path, int flags)
{
    place_t place = disk_place (disk, path);
    bool create = (flags & ZF_FS_CREATE) != 0;
    if (place.node < 0 && (place.parent < 0 || !create))
        return -ENOENT;
    if (place.node >= 0 && disk->nodes[place.node].directory)
        return -EISDIR;
    if (place.node < 0)
        place.node = add_file (disk, &place);
    else if (create)
        empty_file (&disk->nodes[place.node]);
    return open_handle (disk, place.node, flags != ZF_FS_READ);
}

static int fs_open (zf_fs_t *fs, const char *path, int flags)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_OPEN);
    bool dying = disk->dying;
    if (rc == 0)
        rc = do_open (disk, path, flags);
    if (rc >= 0 && dying) { /* nobody will close it */
        disk->nodes[disk->handles[rc].node].opens--;
        disk->handles[rc].node = -1;
    }
    return (int) leave (disk, rc);
}

/* The descriptor is gone whatever the answer, as on Linux. */
static int fs_close (zf_fs_t *fs, int fd)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_CLOSE);
    node_t *node = node_of (disk, fd);
    if (node->locked_by == fd)
        node->locked_by = -1;
    node->opens--;
    disk->handles[fd].node = -1;
    return (int) leave (disk, rc);
}

static int fs_lock (zf_fs_t *fs, int fd)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_LOCK);
    if (rc == 0) {
        node_t *node = node_of (disk, fd);
        if (node->locked_by >= 0 && node->locked_by != fd)
            rc = -EWOULDBLOCK;
        else
            node->locked_by = fd;
    }
    return (int) leave (disk, rc);
}

static int64_t fs_size (zf_fs_t *fs, int fd)
{
    disk_t *disk = disk_of (fs);
    int64_t rc = enter (disk, DISK_SIZE);
    if (rc == 0)
        rc = (int64_t) node_of (disk, fd)->size;
    return leave (disk, rc);
}

/* -- reading and writing ----------------------------------------------------------------------- */

static size_t shortened (disk_t *disk, size_t size)
{
    if (disk->shorten_to == 0 || size == 0)
        return size;
    size_t most = size < disk->shorten_to ? size : disk->shorten_to;
    return 1 + rand_below (&disk->seed, (uint32_t) most);
}

static ssize_t do_read (disk_t *disk, const node_t *file, void *data, size_t size, uint64_t offset)
{
    if (offset >= file->size)
        return 0;
    uint64_t left = file->size - offset;
    size_t n = shortened (disk, left < size ? (size_t) left : size);
    memcpy (data, file->now->bytes + offset, n);
    return (ssize_t) n;
}

static ssize_t fs_pread (zf_fs_t *fs, int fd, void *data, size_t size, uint64_t offset)
{
    disk_t *disk = disk_of (fs);
    int64_t rc = enter (disk, DISK_PREAD);
    if (rc == 0)
        rc = do_read (disk, node_of (disk, fd), data, size, offset);
    return (ssize_t) leave (disk, rc);
}

/* How much of a write there is space for. */
static uint64_t spaced (const disk_t *disk, const node_t *file, uint64_t size, uint64_t offset)
{
    if (disk->limit == UINT64_MAX)
        return size;
    uint64_t used = disk_bytes (disk);
    uint64_t end = disk_rounded (file->size) + (used < disk->limit ? disk->limit - used : 0);
    end -= end % DISK_SECTOR;
    if (offset + size <= end)
        return size;
    return end > offset ? end - offset : 0;
}

static void make_room (node_t *file, uint64_t size)
{
    size_t before = file->now == NULL ? 0 : file->now->room / DISK_SECTOR;
    blob_own (&file->now, size);
    size_t after = file->now->room / DISK_SECTOR;
    if (after == before && file->sectors != NULL)
        return;
    file->sectors = disk_memory (file->sectors, after + 1);
    memset (file->sectors + before, SECTOR_CLEAN, after - before);
}

static void copy_parts (uint8_t *to, size_t size, const struct iovec *parts)
{
    for (; size > 0; parts++) {
        size_t n = parts->iov_len < size ? parts->iov_len : size;
        if (n > 0)
            memcpy (to, parts->iov_base, n);
        to += n;
        size -= n;
    }
}

static ssize_t do_write (disk_t *disk, node_t *file, const struct iovec *parts, int count,
                         uint64_t offset)
{
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += parts[i].iov_len;
    if (disk->dying && disk->part == DISK_PART)
        total /= 2;
    size_t size = (size_t) spaced (disk, file, shortened (disk, total), offset);
    if (size == 0)
        return total == 0 ? 0 : -ENOSPC;
    make_room (file, offset + size);
    copy_parts (file->now->bytes + offset, size, parts);
    uint64_t first = offset / DISK_SECTOR;
    memset (file->sectors + first, SECTOR_DIRTY, (offset + size - 1) / DISK_SECTOR - first + 1);
    if (file->size < offset + size)
        file->size = offset + size;
    return (ssize_t) size;
}

static ssize_t fs_pwritev (zf_fs_t *fs, int fd, const struct iovec *parts, int count,
                           uint64_t offset)
{
    disk_t *disk = disk_of (fs);
    int64_t rc = enter (disk, DISK_PWRITEV);
    assert (count > 0);
    if (rc == 0 && !disk->handles[fd].writable)
        rc = -EBADF;
    if (rc == 0)
        rc = do_write (disk, node_of (disk, fd), parts, count, offset);
    return (ssize_t) leave (disk, rc);
}

static void sync_sectors (node_t *file)
{
    blob_own (&file->kept, file->now == NULL ? 0 : file->now->room);
    size_t count = file->now == NULL ? 0 : file->now->room / DISK_SECTOR;
    for (size_t i = 0; i < count; i++) {
        if (file->sectors[i] != SECTOR_DIRTY)
            continue;
        memcpy (file->kept->bytes + i * DISK_SECTOR, file->now->bytes + i * DISK_SECTOR,
                DISK_SECTOR);
        file->sectors[i] = SECTOR_CLEAN;
    }
    file->kept_size = file->size;
}

static void doom_sectors (node_t *file)
{
    size_t count = file->now == NULL ? 0 : file->now->room / DISK_SECTOR;
    for (size_t i = 0; i < count; i++)
        if (file->sectors[i] == SECTOR_DIRTY)
            file->sectors[i] = SECTOR_DOOMED;
}

static int fs_datasync (zf_fs_t *fs, int fd)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_DATASYNC);
    if (rc == 0)
        sync_sectors (node_of (disk, fd));
    else if (rc != -EINTR && !disk->stopped)
        doom_sectors (node_of (disk, fd));
    return (int) leave (disk, rc);
}

/* -- names ------------------------------------------------------------------------------------- */

static int do_mkdir (disk_t *disk, const char *path)
{
    place_t place = disk_place (disk, path);
    if (place.node >= 0)
        return -EEXIST;
    if (place.parent < 0)
        return -ENOENT;
    change_t change = {.kind = CHANGE_ADD, .node = node_new (disk, true)};
    memcpy (change.from, place.name, sizeof change.from);
    directory_change (disk, place.parent, &change);
    return 0;
}

static int fs_mkdir (zf_fs_t *fs, const char *path)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_MKDIR);
    if (rc == 0)
        rc = do_mkdir (disk, path);
    return (int) leave (disk, rc);
}

/* The names as they are now: what fn does to the directory does not change the walk. */
static int fs_list (zf_fs_t *fs, const char *path, zf_fs_name_fn *fn, void *arg)
{
    disk_t *disk = disk_of (fs);
    names_t names = {0};
    int rc = enter (disk, DISK_LIST);
    place_t place = disk_place (disk, path);
    if (rc == 0 && place.node < 0)
        rc = -ENOENT;
    if (rc == 0 && !disk->nodes[place.node].directory)
        rc = -ENOTDIR;
    if (rc == 0)
        names_copy (&names, &disk->nodes[place.node].names);
    rc = (int) leave (disk, rc);
    for (size_t i = names.count; rc == 0 && i-- > 0;)
        rc = fn (arg, names.list[i].name);
    free (names.list);
    return rc;
}

static int do_rename (disk_t *disk, const char *from, const char *to)
{
    place_t old = disk_place (disk, from);
    place_t new = disk_place (disk, to);
    if (old.node <= 0 || new.parent < 0)
        return -ENOENT;
    if (old.parent != new.parent)
        return -EXDEV;
    if (new.node >= 0 && disk->nodes[new.node].directory)
        return -EEXIST;
    change_t change = {.kind = CHANGE_RENAME, .node = old.node};
    memcpy (change.from, old.name, sizeof change.from);
    memcpy (change.to, new.name, sizeof change.to);
    if (old.node != new.node)
        directory_change (disk, old.parent, &change);
    return 0;
}

static int fs_rename (zf_fs_t *fs, const char *from, const char *to)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_RENAME);
    if (rc == 0)
        rc = do_rename (disk, from, to);
    return (int) leave (disk, rc);
}

static int do_unlink (disk_t *disk, const char *path)
{
    place_t place = disk_place (disk, path);
    if (place.node < 0)
        return -ENOENT;
    if (disk->nodes[place.node].directory)
        return -EISDIR;
    change_t change = {.kind = CHANGE_REMOVE, .node = place.node};
    memcpy (change.from, place.name, sizeof change.from);
    directory_change (disk, place.parent, &change);
    return 0;
}

static int fs_unlink (zf_fs_t *fs, const char *path)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_UNLINK);
    if (rc == 0)
        rc = do_unlink (disk, path);
    return (int) leave (disk, rc);
}

static int fs_syncdir (zf_fs_t *fs, const char *path)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_SYNCDIR);
    place_t place = disk_place (disk, path);
    if (rc == 0 && (place.node < 0 || !disk->nodes[place.node].directory))
        rc = -ENOENT;
    if (rc == 0) {
        node_t *directory = &disk->nodes[place.node];
        names_copy (&directory->kept_names, &directory->names);
        directory->change_count = 0;
    }
    return (int) leave (disk, rc);
}

static int fs_random (zf_fs_t *fs, void *data, size_t size)
{
    disk_t *disk = disk_of (fs);
    int rc = enter (disk, DISK_RANDOM);
    uint8_t *bytes = data;
    for (size_t i = 0; rc == 0 && i < size; i++)
        bytes[i] = disk->next_random++;
    return (int) leave (disk, rc);
}

const zf_fs_t disk_calls_table = {
    .open = fs_open,
    .close = fs_close,
    .pread = fs_pread,
    .pwritev = fs_pwritev,
    .datasync = fs_datasync,
    .lock = fs_lock,
    .size = fs_size,
    .mkdir = fs_mkdir,
    .list = fs_list,
    .rename = fs_rename,
    .unlink = fs_unlink,
    .syncdir = fs_syncdir,
    .random = fs_random,
    .synchronous = true,
};
