/* The one door to files: every file call of zferry's journal goes through such a table, so that
 * tests can run on a disk in memory that forgets what was not synced, and fails when it is told to.
 *
 * Descriptors are small integers; paths are as the journal was given them. Calls return 0 or more,
 * or -errno. EINTR is the caller's to repeat, as are short reads and writes. Threads: any. */
#ifndef ZF_PERSIST_FS_H
#define ZF_PERSIST_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef struct zf_fs zf_fs_t;

enum {
    ZF_FS_READ = 0,  /* read only */
    ZF_FS_WRITE = 1, /* read and write */
    ZF_FS_CREATE = 2 /* made if it is not there; else it is emptied */
};

/* Called for each name in a directory but . and ..; anything but 0 ends the walk. */
typedef int zf_fs_name_fn (void *arg, const char *name);

struct zf_fs {
    int (*open) (zf_fs_t *fs, const char *path, int flags);
    int (*close) (zf_fs_t *fs, int fd);
    ssize_t (*pread) (zf_fs_t *fs, int fd, void *data, size_t size, uint64_t offset);
    ssize_t (*pwritev) (zf_fs_t *fs, int fd, const struct iovec *parts, int count, uint64_t offset);
    int (*datasync) (zf_fs_t *fs, int fd);
    int (*lock) (zf_fs_t *fs, int fd);            /* for us alone, at once or -EWOULDBLOCK */
    int64_t (*size) (zf_fs_t *fs, int fd);        /* of a file, in bytes */
    int (*mkdir) (zf_fs_t *fs, const char *path); /* mode 0700 */
    int (*list) (zf_fs_t *fs, const char *path, zf_fs_name_fn *fn, void *arg);
    int (*rename) (zf_fs_t *fs, const char *from, const char *to); /* replaces `to` */
    int (*unlink) (zf_fs_t *fs, const char *path);
    int (*syncdir) (zf_fs_t *fs, const char *path);       /* names in it are durable */
    int (*random) (zf_fs_t *fs, void *data, size_t size); /* unpredictable bytes */
    bool synchronous; /* no thread of our own: what it would do is done inside the calls */
};

/* The operating system's. */
zf_fs_t *zf_fs_system (void);

#endif
