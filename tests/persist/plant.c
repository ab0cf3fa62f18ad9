#include "tests/persist/plant.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[PLANTS] = {
    [PLANT_NONE] = "none",
    [PLANT_NO_DATASYNC] = "no datasync",
    [PLANT_NO_DATASYNC_IN_SYNC] = "no datasync in sync",
    [PLANT_NO_DATASYNC_AT_ROLL] = "no datasync before the roll",
    [PLANT_NO_DATASYNC_AT_OPEN] = "no datasync at open",
    [PLANT_NO_SYNCDIR] = "no syncdir",
    [PLANT_SYNC_AGAIN] = "a datasync that failed is done again",
    [PLANT_SHORT_IS_WHOLE] = "short writes pass for whole ones",
    [PLANT_FULL_IS_WRITTEN] = "ENOSPC is not noticed",
    [PLANT_BIT] = "a bit is turned",
    [PLANT_UNLINK_EARLY] = "a segment is removed too early",
    [PLANT_DURABLE_EARLY] = "what is appended counts as durable",
    [PLANT_REPLAY_SKIPS] = "an entry is not replayed",
    [PLANT_TOUCHES] = "open writes before it looks",
    [PLANT_HIDES] = "a segment is not listed",
    [PLANT_NO_NAME] = "an error without the file's name",
};

const char *plant_name (plant_kind_t kind)
{
    return names[kind];
}

static plant_t *plant_of (zf_fs_t *fs)
{
    return (plant_t *) (void *) fs;
}

static bool is_segment (const char *path)
{
    size_t size = strlen (path);
    return size > 4 && strcmp (path + size - 4, ".zfj") == 0;
}

/* -- calls that may go wrong ------------------------------------------------------------------- */

static int fs_open (zf_fs_t *fs, const char *path, int flags)
{
    plant_t *self = plant_of (fs);
    int fd = self->under->open (self->under, path, flags);
    if (fd >= 0)
        self->segments[fd] = is_segment (path);
    if (fd >= 0 && is_segment (path) &&
        (self->lowest[0] == '\0' || strcmp (path, self->lowest) < 0))
        snprintf (self->lowest, sizeof self->lowest, "%s", path);
    return fd;
}

static bool loses_datasync (const plant_t *self, int fd)
{
    if (self->kind == PLANT_NO_DATASYNC)
        return true;
    if (self->kind == PLANT_NO_DATASYNC_IN_SYNC)
        return self->phase == PHASE_SYNC;
    if (!self->segments[fd])
        return false;
    return (self->kind == PLANT_NO_DATASYNC_AT_ROLL && self->phase == PHASE_APPEND) ||
           (self->kind == PLANT_NO_DATASYNC_AT_OPEN && self->phase == PHASE_OPEN);
}

static int fs_datasync (zf_fs_t *fs, int fd)
{
    plant_t *self = plant_of (fs);
    if (loses_datasync (self, fd))
        return 0;
    int rc = self->under->datasync (self->under, fd);
    if (rc == -EIO && self->kind == PLANT_SYNC_AGAIN)
        rc = self->under->datasync (self->under, fd);
    if (self->kind == PLANT_UNLINK_EARLY && self->phase == PHASE_SYNC && ++self->count % 3 == 0)
        (void) self->under->unlink (self->under, self->lowest);
    return rc;
}

static int fs_syncdir (zf_fs_t *fs, const char *path)
{
    plant_t *self = plant_of (fs);
    return self->kind == PLANT_NO_SYNCDIR ? 0 : self->under->syncdir (self->under, path);
}

static ssize_t write_turned (plant_t *self, int fd, const struct iovec *parts, int count,
                             uint64_t offset)
{
    ssize_t rc = self->under->pwritev (self->under, fd, parts, count, offset);
    uint8_t byte = 0;
    if (rc > 1000 && self->segments[fd] && ++self->count % 5 == 0 &&
        self->under->pread (self->under, fd, &byte, 1, offset + 500) == 1) {
        byte ^= 4;
        struct iovec turned = {.iov_base = &byte, .iov_len = 1};
        (void) self->under->pwritev (self->under, fd, &turned, 1, offset + 500);
    }
    return rc;
}

static ssize_t fs_pwritev (zf_fs_t *fs, int fd, const struct iovec *parts, int count,
                           uint64_t offset)
{
    plant_t *self = plant_of (fs);
    if (self->kind == PLANT_BIT)
        return write_turned (self, fd, parts, count, offset);
    ssize_t rc = self->under->pwritev (self->under, fd, parts, count, offset);
    if ((rc == -ENOSPC && self->kind == PLANT_FULL_IS_WRITTEN) ||
        (rc > 0 && self->kind == PLANT_SHORT_IS_WHOLE)) {
        rc = 0;
        for (int i = 0; i < count; i++)
            rc += (ssize_t) parts[i].iov_len;
    }
    return rc;
}

typedef struct {
    zf_fs_name_fn *fn;
    void *arg;
} walk_t;

static int hide (void *arg, const char *name)
{
    walk_t *walk = arg;
    return strcmp (name, "0000000000000002.zfj") == 0 ? 0 : walk->fn (walk->arg, name);
}

/* Turns a byte near the end of the first segment, where no entry is. */
static void touch (plant_t *self, const char *path)
{
    char name[256];
    snprintf (name, sizeof name, "%s/0000000000000001.zfj", path);
    int fd = self->under->open (self->under, name, ZF_FS_WRITE);
    if (fd < 0)
        return;
    int64_t size = self->under->size (self->under, fd);
    uint8_t byte = 0xff;
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    if (size > 0)
        (void) self->under->pwritev (self->under, fd, &part, 1, (uint64_t) size - 1);
    self->under->close (self->under, fd);
}

static int fs_list (zf_fs_t *fs, const char *path, zf_fs_name_fn *fn, void *arg)
{
    plant_t *self = plant_of (fs);
    walk_t walk = {.fn = fn, .arg = arg};
    if (self->kind == PLANT_TOUCHES)
        touch (self, path);
    if (self->kind == PLANT_HIDES)
        return self->under->list (self->under, path, hide, &walk);
    return self->under->list (self->under, path, fn, arg);
}

/* -- calls that go right ----------------------------------------------------------------------- */

static int fs_close (zf_fs_t *fs, int fd)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->close (under, fd);
}

static ssize_t fs_pread (zf_fs_t *fs, int fd, void *data, size_t size, uint64_t offset)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->pread (under, fd, data, size, offset);
}

static int fs_lock (zf_fs_t *fs, int fd)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->lock (under, fd);
}

static int64_t fs_size (zf_fs_t *fs, int fd)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->size (under, fd);
}

static int fs_mkdir (zf_fs_t *fs, const char *path)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->mkdir (under, path);
}

static int fs_rename (zf_fs_t *fs, const char *from, const char *to)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->rename (under, from, to);
}

static int fs_unlink (zf_fs_t *fs, const char *path)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->unlink (under, path);
}

static int fs_random (zf_fs_t *fs, void *data, size_t size)
{
    zf_fs_t *under = plant_of (fs)->under;
    return under->random (under, data, size);
}

void plant_init (plant_t *plant, zf_fs_t *under, plant_kind_t kind)
{
    memset (plant, 0, sizeof *plant);
    plant->under = under;
    plant->kind = kind;
    plant->fs = (zf_fs_t){
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
        .synchronous = under->synchronous,
    };
}
