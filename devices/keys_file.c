/* Keys in files and directories, and how one sees that those have changed. */
#include "devices/keys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SUFFIX ".pub"
#define MODE   07777 /* the bits that chmod sets */
#define OTHERS (S_IRWXG | S_IRWXO)

/* -- a file ------------------------------------------------------------------------------------ */

static int fail (zf_error_t *err, const char *path)
{
    int code = errno == ENOENT || errno == ENOTDIR ? ZF_E_NOT_FOUND
               : errno == ENOMEM                   ? ZF_E_NOMEM
                                                   : ZF_E_IO;
    return zf_error_set (err, code, "%s: %s", path, strerror (errno));
}

/* Its size; negative: a code. */
static int64_t check_file (int fd, const char *path, size_t max, bool is_secret, zf_error_t *err)
{
    struct stat is;
    if (fstat (fd, &is) != 0)
        return fail (err, path);
    if (!S_ISREG (is.st_mode))
        return zf_error_set (err, ZF_E_INVAL, "%s: not a file", path);
    if (is_secret && (is.st_mode & OTHERS) != 0)
        return zf_error_set (err, ZF_E_DENIED, "%s: others may read it (mode %04o); chmod 600 %s",
                             path, (unsigned) (is.st_mode & MODE), path);
    if ((uint64_t) is.st_size > max)
        return zf_error_set (err, ZF_E_INVAL, "%s: larger than %zu KiB", path, max >> 10);
    return is.st_size;
}

/* All of its size bytes into memory that was taken once: growing would leave copies of a secret. */
static int read_all (zf_writer_t *text, int fd, const char *path, size_t size, zf_error_t *err)
{
    ssize_t got = 1;
    uint8_t *at = zf_writer_reserve (text, size + 1);
    if (at == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "%s: out of memory", path);
    text->size = 0;
    while (got != 0 && text->size <= size) {
        got = read (fd, at + text->size, size + 1 - text->size);
        if (got < 0 && errno != EINTR)
            return fail (err, path);
        text->size += got > 0 ? (size_t) got : 0;
    }
    if (text->size != size)
        return zf_error_set (err, ZF_E_IO, "%s: it changed while it was read", path);
    return 0;
}

int zf_keyring_load (zf_writer_t *text, const char *path, size_t max, bool is_secret,
                     zf_error_t *err)
{
    *text = (zf_writer_t){.data = NULL};
    int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail (err, path);
    int64_t size = check_file (fd, path, max, is_secret, err);
    int rc = size < 0 ? (int) size : read_all (text, fd, path, (size_t) size, err);
    close (fd);
    if (rc != 0)
        zf_keyring_wipe (text);
    return rc;
}

void zf_keyring_wipe (zf_writer_t *text)
{
    if (text->data != NULL)
        explicit_bzero (text->data, text->capacity);
    zf_writer_free (text);
}

/* -- a directory ------------------------------------------------------------------------------- */

typedef int file_fn (void *arg, const char *path, zf_error_t *err);

/* Those that begin with a dot are not meant yet, or no more. */
static bool is_public (const char *name)
{
    size_t size = strlen (name);
    size_t suffix = strlen (SUFFIX);
    return name[0] != '.' && size > suffix && strcmp (name + size - suffix, SUFFIX) == 0;
}

/* Calls fn for each *.pub, until it returns anything but 0. */
static int walk (DIR *folder, const char *path, file_fn *fn, void *arg, zf_error_t *err)
{
    char file[PATH_MAX];
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (errno = 0, entry = readdir (folder)) != NULL) {
        if (!is_public (entry->d_name))
            continue;
        int n = snprintf (file, sizeof file, "%s/%s", path, entry->d_name);
        if (n < 0 || (size_t) n >= sizeof file)
            return zf_error_set (err, ZF_E_INVAL, "%s: the path is too long", path);
        rc = fn (arg, file, err);
    }
    return rc == 0 && errno != 0 ? fail (err, path) : rc;
}

/* What was found in a directory. */
typedef struct {
    zf_keyring_t *keys;
    int rc; /* of the first file that is wrong; 0: none is */
} folder_t;

/* One that has gone since it was listed is not there; one that is wrong is left out, and told. */
static int add_file (void *arg, const char *path, zf_error_t *err)
{
    zf_writer_t text;
    zf_error_t why = {.code = 0};
    folder_t *folder = arg;
    int rc = zf_keyring_load (&text, path, ZF_CERT_FILE, false, &why);
    if (rc == 0)
        rc = zf_keyring_add_cert (folder->keys, zf_bytes (text.data, text.size), path, &why);
    zf_keyring_wipe (&text);
    if (rc == 0 || (rc == ZF_E_NOT_FOUND && access (path, F_OK) != 0))
        return 0;
    if (folder->rc == 0)
        zf_error_set (err, rc, "%s", why.text);
    folder->rc = folder->rc == 0 ? rc : folder->rc;
    return rc == ZF_E_INVAL || rc == ZF_E_DENIED ? 0 : rc;
}

static int read_list (zf_keyring_t *keys, const char *path, zf_error_t *err)
{
    zf_writer_t text;
    int rc = zf_keyring_load (&text, path, ZF_KEYRING_FILE, false, err);
    if (rc == 0)
        rc = zf_keyring_parse (keys, zf_bytes (text.data, text.size), path, err);
    zf_writer_free (&text);
    return rc;
}

static int read_any (zf_keyring_t *keys, const char *path, bool *is_partial, zf_error_t *err)
{
    DIR *folder = opendir (path);
    if (folder == NULL && errno == ENOTDIR)
        return read_list (keys, path, err);
    if (folder == NULL)
        return fail (err, path);
    folder_t found = {keys, 0};
    int rc = walk (folder, path, add_file, &found, err);
    closedir (folder);
    *is_partial = rc == 0 && found.rc != 0;
    return rc == 0 ? found.rc : rc;
}

int zf_keyring_read (zf_keyring_t **keys, const char *path, zf_error_t *err)
{
    *keys = zf_keyring_new ();
    if (*keys == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "%s: out of memory", path);
    bool is_partial = false;
    int rc = read_any (*keys, path, &is_partial, err);
    if (rc != 0 && !is_partial)
        zf_keyring_free (keys);
    return rc;
}

/* -- marks ------------------------------------------------------------------------------------- */

/* Of what was looked at. */
typedef struct {
    uint64_t sum;    /* of the marks of all files: they come in any order */
    uint64_t newest; /* change, in ms since 1970 */
} marks_t;

static uint64_t ns_of (struct timespec time)
{
    return (uint64_t) time.tv_sec * UINT64_C (1000000000) + (uint64_t) time.tv_nsec;
}

/* The time of the last change of the inode tells of what was renamed or set back, too. */
static int mark_file (void *arg, const char *path, zf_error_t *err)
{
    marks_t *marks = arg;
    struct stat is;
    uint64_t parts[5] = {XXH3_64bits (path, strlen (path))};
    (void) err;
    if (stat (path, &is) == 0) {
        parts[1] = ns_of (is.st_mtim);
        parts[2] = ns_of (is.st_ctim);
        parts[3] = (uint64_t) is.st_size;
        parts[4] = is.st_ino;
    }
    uint64_t changed = parts[2] / 1000000;
    marks->newest = changed > marks->newest ? changed : marks->newest;
    marks->sum += XXH3_64bits (parts, sizeof parts);
    return 0;
}

uint64_t zf_keyring_mark (const char *path, uint64_t *newest)
{
    marks_t marks = {.newest = *newest};
    mark_file (&marks, path, NULL);
    DIR *folder = opendir (path);
    if (folder != NULL) {
        walk (folder, path, mark_file, &marks, NULL);
        closedir (folder);
    }
    *newest = marks.newest;
    return marks.sum;
}
