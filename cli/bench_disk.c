#include "bench_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "durable.h"

#define FILE_BYTES (UINT64_C (32) << 20) /* of a plain file, at least */
#define CHUNK      (256u << 10)          /* of its zeros */

/* -- directories ------------------------------------------------------------------------------- */

int bench_dir_make (const cli_t *cli, const char *parent, char dir[BENCH_DIR_MAX])
{
    snprintf (dir, BENCH_DIR_MAX, "%s/zferry-bench-XXXXXX", parent);
    if (mkdtemp (dir) != NULL)
        return 0;
    dir[0] = '\0';
    return cli_fail (cli, EX_CANTCREAT, "cannot make a directory in %s: %s", parent,
                     strerror (errno));
}

static int remove_one (const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void) info;
    (void) kind;
    (void) at;
    return remove (path);
}

void bench_dir_remove (char dir[BENCH_DIR_MAX])
{
    if (dir[0] != '\0')
        nftw (dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    dir[0] = '\0';
}

/* -- a plain file ------------------------------------------------------------------------------ */

static int fail_system (const bench_file_t *file, const char *what)
{
    return cli_fail (file->cli, EX_IOERR, "cannot %s the file beside the journal: %s", what,
                     strerror (errno));
}

static bool write_all (int fd, const unsigned char *data, uint64_t size, uint64_t at)
{
    while (size > 0) {
        ssize_t n = pwrite (fd, data, size, (off_t) at);
        if (n < 0 && errno != EINTR)
            return false;
        uint64_t done = n > 0 ? (uint64_t) n : 0;
        data += done;
        at += done;
        size -= done;
    }
    return true;
}

int bench_file_open (const cli_t *cli, bench_file_t *file, const char *dir, uint64_t least)
{
    static const unsigned char zeros[CHUNK];
    char path[BENCH_DIR_MAX + 8];
    snprintf (path, sizeof path, "%s/raw", dir);
    *file = (bench_file_t){.cli = cli, .bytes = least > FILE_BYTES ? least : FILE_BYTES};
    file->fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd < 0)
        return fail_system (file, "make");
    for (uint64_t at = 0; at < file->bytes; at += CHUNK) {
        uint64_t left = file->bytes - at;
        if (!write_all (file->fd, zeros, left < CHUNK ? left : CHUNK, at))
            return fail_system (file, "write");
    }
    return fdatasync (file->fd) == 0 ? 0 : fail_system (file, "sync");
}

int bench_file_write (bench_file_t *file, const void *data, uint64_t size, uint64_t *ns)
{
    if (file->at + size > file->bytes)
        file->at = 0;
    uint64_t before = bench_now_ns ();
    if (!write_all (file->fd, data, size, file->at))
        return fail_system (file, "write");
    if (fdatasync (file->fd) != 0)
        return fail_system (file, "sync");
    *ns = bench_now_ns () - before;
    file->at += size;
    return 0;
}

void bench_file_close (bench_file_t *file)
{
    if (file->fd >= 0)
        close (file->fd);
    file->fd = -1;
}

/* -- a broker's journal ------------------------------------------------------------------------ */

void bench_store_add (bench_store_t *store, const char *arg)
{
    size_t count = 0;
    while (store->args[count] != NULL)
        count++;
    if (count + 1 < sizeof store->args / sizeof store->args[0])
        store->args[count] = arg;
}

int bench_store_open (const cli_t *cli, bench_store_t *store)
{
    durable_t durable;
    *store = (bench_store_t){.cli = cli};
    int rc = durable_from_options (cli, &durable);
    if (rc != 0 || durable.dir == NULL)
        return rc;
    rc = bench_dir_make (cli, durable.dir, store->root);
    snprintf (store->dir, sizeof store->dir, "%s/journal", store->root);
    bench_store_add (store, "--journal");
    bench_store_add (store, store->dir);
    bench_store_add (store, "--sync");
    bench_store_add (store, cli_text (cli, "sync", "always"));
    return rc;
}

void bench_store_close (bench_store_t *store)
{
    if (store->root[0] != '\0' && cli_has (store->cli, "keep"))
        cli_note (store->cli, "the journal is in %s", store->dir);
    else
        bench_dir_remove (store->root);
}

static void take_figure (void *arg, const char *name, uint64_t value)
{
    uint64_t *written = arg;
    if (strcmp (name, "journal_written") == 0)
        *written = value;
}

int bench_store_written (const cli_t *cli, uint64_t *written)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    *written = 0;
    int rc = cli_client_open (cli, NULL, &client);
    if (rc == 0 && zf_admin_stats (client, take_figure, written, &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    zf_client_close (&client);
    return rc;
}
