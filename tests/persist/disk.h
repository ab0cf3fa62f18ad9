/* A disk in memory behind zf_fs. It remembers what was synced, and fails when it is told to.
 *
 * A file has two contents: the one that programs see, and the one that would be there after a power
 * failure. They differ in sectors of 512 bytes, each of which survives or not by itself; so do
 * changes of names in a directory that was not synced (a rename happens whole or not at all).
 *
 * After a datasync that failed the sectors it was about are doomed: a later datasync does not make
 * them durable, as on Linux.
 *
 * Paths begin at the root, which is there. Threads: any for the calls of zf_fs, one for the rest.
 * Misuse of what is declared here ends the program. */
#ifndef TESTS_PERSIST_DISK_H
#define TESTS_PERSIST_DISK_H

#include "persist/fs.h"

#define DISK_SECTOR 512

typedef struct disk disk_t;

typedef enum {
    DISK_OPEN,
    DISK_CLOSE,
    DISK_PREAD,
    DISK_PWRITEV,
    DISK_DATASYNC,
    DISK_LOCK,
    DISK_SIZE,
    DISK_MKDIR,
    DISK_LIST,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_SYNCDIR,
    DISK_RANDOM,
    DISK_CALLS /* number of kinds */
} disk_call_t;

disk_t *disk_new (void);

/* Safe on NULL; *disk is NULL then. */
void disk_free (disk_t **disk);

/* The calls; of one owner, as long as the disk. They are synchronous (no threads of the journal's),
 * which the caller may change. Its random bytes are 0, 1, 2 and so on since the disk was made. */
zf_fs_t *disk_fs (disk_t *disk);

const char *disk_call_name (disk_call_t call);

/* -- the end of the process, and of the power -------------------------------------------------- */

/* The process ends at the n-th call from now on: that call and all later ones answer -EIO and
 * change nothing. But how much of that n-th call is done nevertheless, unseen: */
typedef enum {
    DISK_NOTHING, /* nothing */
    DISK_PART,    /* the first half of a write; nothing of others */
    DISK_WHOLE    /* all of it, but a datasync or syncdir: of them nothing */
} disk_part_t;

void disk_stop_at (disk_t *disk, uint64_t n, disk_part_t part);

/* It ends now. */
void disk_stop (disk_t *disk);
bool disk_stopped (const disk_t *disk);

/* The process is started again: no file is open or locked, nothing that was written is lost, and
 * calls work again, but for faults that were injected. */
void disk_restart (disk_t *disk);

/* How many things are unsynced: sectors, sizes of files and changes of names. */
uint64_t disk_doubts (const disk_t *disk);

/* Which of the unsynced things survive. */
typedef enum {
    DISK_KEEP_NONE,
    DISK_KEEP_ALL,
    DISK_KEEP_RANDOM, /* pick: a seed, which also says how many about */
    DISK_KEEP_BITS    /* pick: bit i is for the i-th of them; at most 64 */
} disk_keep_t;

/* The disk after a power failure, with all that is on it synced; the one given is left as it is. */
disk_t *disk_after_crash (const disk_t *disk, disk_keep_t keep, uint64_t pick);

/* -- faults ------------------------------------------------------------------------------------ */

#define DISK_FOREVER UINT64_MAX

/* The n-th call of that kind from now on (1: the next) fails, and so do the `times` - 1 after it,
 * with that errno. A write fails with nothing written. */
void disk_fail (disk_t *disk, disk_call_t call, uint64_t n, uint64_t times, int error);

/* How many calls have failed because of disk_fail since it was last called. */
uint64_t disk_failures (const disk_t *disk);

/* Every n-th call that can answers -EINTR, and nothing was done; 0: none. */
void disk_interrupt (disk_t *disk, uint64_t n);

/* Reads and writes move at most so many bytes, often fewer; 0: all. */
void disk_shorten (disk_t *disk, size_t bytes);

/* Files have at most so many bytes all together, in whole sectors: a write that would take more is
 * short, or fails with ENOSPC. UINT64_MAX: no limit. */
void disk_limit (disk_t *disk, uint64_t bytes);

/* Called with false before each call of zf_fs and with true after it: whether its caller's own code
 * runs. NULL: none. */
void disk_watch (disk_t *disk, void (*watch) (bool inside));

/* -- looking, and tampering -------------------------------------------------------------------- */

uint64_t disk_calls (const disk_t *disk);                      /* so far, of all kinds */
uint64_t disk_calls_of (const disk_t *disk, disk_call_t call); /* so far, of this kind */
size_t disk_open_files (const disk_t *disk);                   /* now */
uint64_t disk_bytes (const disk_t *disk);                      /* what disk_limit counts */
int64_t disk_file_size (const disk_t *disk, const char *path); /* -1: there is none */
bool disk_exists (const disk_t *disk, const char *path);

/* Up to size bytes of a file, from offset on; returns how many. */
size_t disk_read (const disk_t *disk, const char *path, uint64_t offset, void *data, size_t size);

/* Makes a file of these bytes, durably; directories on its path must be there. */
void disk_put (disk_t *disk, const char *path, const void *data, size_t size);
void disk_put_directory (disk_t *disk, const char *path);

/* Both durably. A file is never made longer. */
void disk_flip (disk_t *disk, const char *path, uint64_t offset, uint8_t bits);
void disk_truncate (disk_t *disk, const char *path, uint64_t size);

/* The names in a directory, sorted; as many as there is room for. Returns how many. */
#define DISK_NAME 64
size_t disk_names (const disk_t *disk, const char *path, char (*names)[DISK_NAME], size_t room);

/* True if directory `path` holds the same files with the same bytes on both, one name aside, which
 * may be NULL. */
bool disk_same (const disk_t *a, const disk_t *b, const char *path, const char *but);

#endif
