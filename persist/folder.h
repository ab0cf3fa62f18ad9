/* The files of one directory, by name: the calls of a zf_fs_t, with interrupted and short ones
 * carried on, and errors in words ("write 0000000000000007.zfj: No space left on device").
 *
 * Errors: ZF_E_FULL for no space or quota, ZF_E_NOT_FOUND for no such file, ZF_E_NOMEM (or no
 * descriptors); ZF_E_IO for everything else. Threads: any. */
#ifndef ZF_PERSIST_FOLDER_H
#define ZF_PERSIST_FOLDER_H

#include "persist/fs.h"
#include <zferry/error.h>

#define ZF_FOLDER_MAX 4000 /* bytes in the path of a directory, with its end */
#define ZF_FILE_MAX   64   /* bytes in the name of a file, with its end */

typedef struct {
    zf_fs_t *fs;
    char path[ZF_FOLDER_MAX]; /* of the directory, as it was given */
} zf_folder_t;

/* A file that is open, with the name that it had. */
typedef struct {
    int fd; /* -1: not open */
    char name[ZF_FILE_MAX];
} zf_file_t;

int zf_folder_init (zf_folder_t *folder, zf_fs_t *fs, const char *path, zf_error_t *err);

/* On failure file->fd is -1. flags: ZF_FS_... */
int zf_folder_open (zf_folder_t *folder, zf_file_t *file, const char *name, int flags,
                    zf_error_t *err);

/* Safe on one that is not open. */
void zf_folder_close (zf_folder_t *folder, zf_file_t *file);

/* Reads `size` bytes, or up to the end of the file: *got says how many. */
int zf_folder_read (zf_folder_t *folder, const zf_file_t *file, void *data, size_t size,
                    uint64_t offset, size_t *got, zf_error_t *err);

/* Writes all parts one behind the other. What parts says is used up. */
int zf_folder_write (zf_folder_t *folder, const zf_file_t *file, struct iovec *parts, size_t count,
                     uint64_t offset, zf_error_t *err);
int zf_folder_zero (zf_folder_t *folder, const zf_file_t *file, uint64_t offset, uint64_t size,
                    zf_error_t *err);
int zf_folder_datasync (zf_folder_t *folder, const zf_file_t *file, zf_error_t *err);
int zf_folder_size (zf_folder_t *folder, const zf_file_t *file, uint64_t *size, zf_error_t *err);
int zf_folder_rename (zf_folder_t *folder, const char *from, const char *to, zf_error_t *err);
int zf_folder_unlink (zf_folder_t *folder, const char *name, zf_error_t *err);

/* Names in the directory are durable; the directory's own name is. */
int zf_folder_sync (zf_folder_t *folder, zf_error_t *err);
int zf_folder_sync_parent (zf_folder_t *folder, zf_error_t *err);

/* Makes the directory if it is not there. */
int zf_folder_make (zf_folder_t *folder, zf_error_t *err);
int zf_folder_list (zf_folder_t *folder, zf_fs_name_fn *fn, void *arg, zf_error_t *err);

/* What the operating system said about a call on a file or directory: sys is -errno. */
int zf_folder_failed (zf_error_t *err, int sys, const char *call, const char *name);

#endif
