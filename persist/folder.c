#include "persist/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PARTS_MAX 1024 /* IOV_MAX of Linux: parts of one write */
#define ZERO_STEP (UINT64_C (1) << 20)

typedef char path_t[ZF_FOLDER_MAX + ZF_FILE_MAX];

static void join (const zf_folder_t *folder, const char *name, path_t path)
{
    snprintf (path, sizeof (path_t), "%s/%s", folder->path, name);
}

int zf_folder_failed (zf_error_t *err, int sys, const char *call, const char *name)
{
    int rc = ZF_E_IO;
    if (sys == -ENOSPC || sys == -EDQUOT)
        rc = ZF_E_FULL;
    else if (sys == -ENOENT)
        rc = ZF_E_NOT_FOUND;
    else if (sys == -ENOMEM || sys == -EMFILE || sys == -ENFILE)
        rc = ZF_E_NOMEM;
    return zf_error_set (err, rc, "%s %s: %s", call, name, strerror (-sys));
}

int zf_folder_init (zf_folder_t *folder, zf_fs_t *fs, const char *path, zf_error_t *err)
{
    size_t size = path != NULL ? strlen (path) : 0;
    if (size == 0 || size >= sizeof folder->path)
        return zf_error_set (err, ZF_E_INVAL, "no directory, or a path that is too long");
    folder->fs = fs;
    memcpy (folder->path, path, size + 1);
    while (size > 1 && folder->path[size - 1] == '/')
        folder->path[--size] = '\0';
    return 0;
}

int zf_folder_open (zf_folder_t *folder, zf_file_t *file, const char *name, int flags,
                    zf_error_t *err)
{
    path_t path;
    join (folder, name, path);
    snprintf (file->name, sizeof file->name, "%s", name);
    do
        file->fd = folder->fs->open (folder->fs, path, flags);
    while (file->fd == -EINTR);
    if (file->fd >= 0)
        return 0;
    int sys = file->fd;
    file->fd = -1;
    return zf_folder_failed (err, sys, "open", name);
}

void zf_folder_close (zf_folder_t *folder, zf_file_t *file)
{
    if (file->fd >= 0)
        folder->fs->close (folder->fs, file->fd);
    file->fd = -1;
}

int zf_folder_read (zf_folder_t *folder, const zf_file_t *file, void *data, size_t size,
                    uint64_t offset, size_t *got, zf_error_t *err)
{
    *got = 0;
    while (*got < size) {
        ssize_t n = folder->fs->pread (folder->fs, file->fd, (uint8_t *) data + *got, size - *got,
                                       offset + *got);
        if (n == 0)
            break;
        if (n < 0 && n != -EINTR)
            return zf_folder_failed (err, (int) n, "read", file->name);
        if (n > 0)
            *got += (size_t) n;
    }
    return 0;
}

/* Steps over the bytes that were written; returns the parts that are left. */
static size_t step (struct iovec **parts, size_t count, size_t written)
{
    while (count > 0 && written >= (*parts)->iov_len) {
        written -= (*parts)->iov_len;
        (*parts)++;
        count--;
    }
    if (written > 0) {
        (*parts)->iov_base = (uint8_t *) (*parts)->iov_base + written;
        (*parts)->iov_len -= written;
    }
    return count;
}

int zf_folder_write (zf_folder_t *folder, const zf_file_t *file, struct iovec *parts, size_t count,
                     uint64_t offset, zf_error_t *err)
{
    count = step (&parts, count, 0);
    while (count > 0) {
        int some = count < PARTS_MAX ? (int) count : PARTS_MAX;
        ssize_t n = folder->fs->pwritev (folder->fs, file->fd, parts, some, offset);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return zf_folder_failed (err, n < 0 ? (int) n : -EIO, "write", file->name);
        offset += (uint64_t) n;
        count = step (&parts, count, (size_t) n);
    }
    return 0;
}

int zf_folder_zero (zf_folder_t *folder, const zf_file_t *file, uint64_t offset, uint64_t size,
                    zf_error_t *err)
{
    static uint8_t zeros[ZERO_STEP]; /* never written to: takes no memory */
    int rc = 0;
    while (size > 0 && rc == 0) {
        size_t some = size < sizeof zeros ? (size_t) size : sizeof zeros;
        struct iovec part = {zeros, some};
        rc = zf_folder_write (folder, file, &part, 1, offset, err);
        offset += some;
        size -= some;
    }
    return rc;
}

int zf_folder_datasync (zf_folder_t *folder, const zf_file_t *file, zf_error_t *err)
{
    int sys;
    do
        sys = folder->fs->datasync (folder->fs, file->fd);
    while (sys == -EINTR);
    return sys < 0 ? zf_folder_failed (err, sys, "sync", file->name) : 0;
}

int zf_folder_size (zf_folder_t *folder, const zf_file_t *file, uint64_t *size, zf_error_t *err)
{
    int64_t answer = folder->fs->size (folder->fs, file->fd);
    if (answer < 0)
        return zf_folder_failed (err, (int) answer, "stat", file->name);
    *size = (uint64_t) answer;
    return 0;
}

int zf_folder_rename (zf_folder_t *folder, const char *from, const char *to, zf_error_t *err)
{
    path_t old;
    path_t new;
    join (folder, from, old);
    join (folder, to, new);
    int sys;
    do
        sys = folder->fs->rename (folder->fs, old, new);
    while (sys == -EINTR);
    return sys < 0 ? zf_folder_failed (err, sys, "rename", from) : 0;
}

int zf_folder_unlink (zf_folder_t *folder, const char *name, zf_error_t *err)
{
    path_t path;
    join (folder, name, path);
    int sys;
    do
        sys = folder->fs->unlink (folder->fs, path);
    while (sys == -EINTR);
    return sys < 0 ? zf_folder_failed (err, sys, "remove", name) : 0;
}

static int sync_names (zf_folder_t *folder, const char *path, zf_error_t *err)
{
    int sys;
    do
        sys = folder->fs->syncdir (folder->fs, path);
    while (sys == -EINTR);
    return sys < 0 ? zf_folder_failed (err, sys, "sync directory", path) : 0;
}

int zf_folder_sync (zf_folder_t *folder, zf_error_t *err)
{
    return sync_names (folder, folder->path, err);
}

int zf_folder_sync_parent (zf_folder_t *folder, zf_error_t *err)
{
    char parent[ZF_FOLDER_MAX];
    memcpy (parent, folder->path, sizeof parent);
    char *slash = strrchr (parent, '/');
    if (slash == NULL)
        return sync_names (folder, ".", err);
    slash[slash == parent ? 1 : 0] = '\0';
    return sync_names (folder, parent, err);
}

int zf_folder_make (zf_folder_t *folder, zf_error_t *err)
{
    int sys;
    do
        sys = folder->fs->mkdir (folder->fs, folder->path);
    while (sys == -EINTR);
    if (sys < 0 && sys != -EEXIST)
        return zf_folder_failed (err, sys, "make directory", folder->path);
    return 0;
}

int zf_folder_list (zf_folder_t *folder, zf_fs_name_fn *fn, void *arg, zf_error_t *err)
{
    int sys = folder->fs->list (folder->fs, folder->path, fn, arg);
    return sys < 0 ? zf_folder_failed (err, sys, "list", folder->path) : 0;
}
