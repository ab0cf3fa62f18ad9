/* The disk under a bench: a directory of its own, a plain file to hold a journal against, and what
 * a broker's journal has written.
 *
 * Errors:  an exit code, having said why.
 * Threads: the main one only. */
#ifndef ZFERRY_BENCH_DISK_H
#define ZFERRY_BENCH_DISK_H

#include "bench_crew.h"

#define BENCH_DIR_MAX 4096

/* Makes a directory of a new name in parent; dir gets its path, "" on failure. */
int bench_dir_make (const cli_t *cli, const char *parent, char dir[BENCH_DIR_MAX]);

/* Removes it with all that is in it. Safe when there is none. */
void bench_dir_remove (char dir[BENCH_DIR_MAX]);

/* -- a plain file ------------------------------------------------------------------------------ */

/* Its blocks are there before anything is measured, as those of a journal's segments are. */
typedef struct {
    const cli_t *cli;
    int fd;         /* -1: not open */
    uint64_t bytes; /* of it */
    uint64_t at;    /* where the next write goes; begins again at the end */
} bench_file_t;

/* Makes the file in dir, of some MiB and at least so many bytes. */
int bench_file_open (const cli_t *cli, bench_file_t *file, const char *dir, uint64_t least);

/* Writes and syncs, and says how long that took. */
int bench_file_write (bench_file_t *file, const void *data, uint64_t size, uint64_t *ns);

void bench_file_close (bench_file_t *file);

/* -- a broker's journal ------------------------------------------------------------------------ */

/* What --journal and --sync ask for: a journal in a fresh directory under the one given. */
typedef struct {
    const cli_t *cli;
    char root[BENCH_DIR_MAX];     /* the directory made; "": no journal is asked for */
    char dir[BENCH_DIR_MAX + 16]; /* of the journal, in root */
    const char *args[12];         /* for the broker; ended by NULL */
} bench_store_t;

/* Makes the directory if --journal was given. */
int bench_store_open (const cli_t *cli, bench_store_t *store);

/* Adds an argument for the broker; there is room for a few. */
void bench_store_add (bench_store_t *store, const char *arg);

/* Removes the directory; with --keep says where it is. */
void bench_store_close (bench_store_t *store);

/* Asks the broker how many bytes it has written to its journal; 0 if it has none. */
int bench_store_written (const cli_t *cli, uint64_t *written);

#endif
