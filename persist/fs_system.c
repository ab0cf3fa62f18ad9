#include "persist/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static int done (int rc)
{
    return rc < 0 ? -errno : rc;
}

static int system_open (zf_fs_t *fs, const char *path, int flags)
{
    (void) fs;
    int how = O_CLOEXEC | (flags == ZF_FS_READ ? O_RDONLY : O_RDWR);
    if ((flags & ZF_FS_CREATE) != 0)
        how |= O_CREAT | O_TRUNC;
    return done (open (path, how, 0600));
}

static int system_close (zf_fs_t *fs, int fd)
{
    (void) fs;
    return done (close (fd));
}

static ssize_t system_pread (zf_fs_t *fs, int fd, void *data, size_t size, uint64_t offset)
{
    (void) fs;
    ssize_t got = pread (fd, data, size, (off_t) offset);
    return got < 0 ? -errno : got;
}

static ssize_t system_pwritev (zf_fs_t *fs, int fd, const struct iovec *parts, int count,
                               uint64_t offset)
{
    (void) fs;
    ssize_t put = pwritev (fd, parts, count, (off_t) offset);
    return put < 0 ? -errno : put;
}

static int system_datasync (zf_fs_t *fs, int fd)
{
    (void) fs;
    return done (fdatasync (fd));
}

static int system_lock (zf_fs_t *fs, int fd)
{
    (void) fs;
    return done (flock (fd, LOCK_EX | LOCK_NB));
}

static int64_t system_size (zf_fs_t *fs, int fd)
{
    (void) fs;
    struct stat about;
    return fstat (fd, &about) < 0 ? -errno : about.st_size;
}

static int system_mkdir (zf_fs_t *fs, const char *path)
{
    (void) fs;
    return done (mkdir (path, 0700));
}

static int system_list (zf_fs_t *fs, const char *path, zf_fs_name_fn *fn, void *arg)
{
    (void) fs;
    DIR *dir = opendir (path);
    if (dir == NULL)
        return -errno;
    int rc = 0;
    const struct dirent *entry;
    for (errno = 0; rc == 0 && (entry = readdir (dir)) != NULL; errno = 0)
        if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
            rc = fn (arg, entry->d_name);
    if (rc == 0)
        rc = -errno;
    closedir (dir);
    return rc;
}

static int system_rename (zf_fs_t *fs, const char *from, const char *to)
{
    (void) fs;
    return done (rename (from, to));
}

static int system_unlink (zf_fs_t *fs, const char *path)
{
    (void) fs;
    return done (unlink (path));
}

static int system_syncdir (zf_fs_t *fs, const char *path)
{
    (void) fs;
    int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = done (fsync (fd));
    close (fd);
    return rc;
}

static int system_random (zf_fs_t *fs, void *data, size_t size)
{
    (void) fs;
    ssize_t got = getrandom (data, size, 0); /* up to 256 bytes come whole */
    if (got < 0)
        return -errno;
    return (size_t) got == size ? 0 : -EIO;
}

zf_fs_t *zf_fs_system (void)
{
    static zf_fs_t table = {
        .open = system_open,
        .close = system_close,
        .pread = system_pread,
        .pwritev = system_pwritev,
        .datasync = system_datasync,
        .lock = system_lock,
        .size = system_size,
        .mkdir = system_mkdir,
        .list = system_list,
        .rename = system_rename,
        .unlink = system_unlink,
        .syncdir = system_syncdir,
        .random = system_random,
    };
    return &table;
}
