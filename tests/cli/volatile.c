/* A disk with a cache that loses power, preloaded into a program that is going to be killed: what
 * is written into a file stays in the process until the file is synced, and so goes with it. Only
 * writes inside a file as it is are held back: those that make it longer prepare it, and do not
 * matter. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

typedef struct held {
    struct held *next; /* written later */
    ino_t file;
    off_t at;
    size_t size;
    char data[];
} held_t;

typedef ssize_t pread_fn (int fd, void *data, size_t size, off_t at);
typedef ssize_t pwritev_fn (int fd, const struct iovec *parts, int count, off_t at);
typedef int sync_fn (int fd);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static held_t *first;
static held_t **end = &first;

/* -- what the system has ----------------------------------------------------------------------- */

static void find (const char *name, void *function)
{
    void *symbol = dlsym (RTLD_NEXT, name);
    if (symbol == NULL)
        abort ();
    memcpy (function, &symbol, sizeof symbol);
}

static ssize_t real_pwritev (int fd, const struct iovec *parts, int count, off_t at)
{
    pwritev_fn *call;
    find ("pwritev", &call);
    return call (fd, parts, count, at);
}

static int real_sync (const char *name, int fd)
{
    sync_fn *call;
    find (name, &call);
    return call (fd);
}

/* -- holding back ------------------------------------------------------------------------------ */

static held_t *copy (ino_t file, const struct iovec *parts, int count, off_t at, size_t size)
{
    held_t *held = malloc (sizeof *held + size);
    if (held == NULL)
        abort ();
    *held = (held_t){.file = file, .at = at, .size = size};
    char *to = held->data;
    for (int i = 0; i < count; i++) {
        memcpy (to, parts[i].iov_base, parts[i].iov_len);
        to += parts[i].iov_len;
    }
    return held;
}

ssize_t pwritev (int fd, const struct iovec *parts, int count, off_t at)
{
    struct stat info;
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += parts[i].iov_len;
    if (fstat (fd, &info) != 0 || !S_ISREG (info.st_mode) || at + (off_t) size > info.st_size)
        return real_pwritev (fd, parts, count, at);
    held_t *held = copy (info.st_ino, parts, count, at, size);
    pthread_mutex_lock (&lock);
    *end = held;
    end = &held->next;
    pthread_mutex_unlock (&lock);
    return (ssize_t) size;
}

/* Puts what is held over what was read. */
static void cover (const held_t *held, char *data, off_t at, size_t size)
{
    off_t from = held->at > at ? held->at : at;
    off_t held_end = held->at + (off_t) held->size, read_end = at + (off_t) size;
    off_t to = held_end < read_end ? held_end : read_end;
    if (from < to)
        memcpy (data + (from - at), held->data + (from - held->at), (size_t) (to - from));
}

ssize_t pread (int fd, void *data, size_t size, off_t at)
{
    struct stat info;
    pread_fn *call;
    find ("pread", &call);
    pthread_mutex_lock (&lock);
    ssize_t got = call (fd, data, size, at);
    if (got > 0 && fstat (fd, &info) == 0)
        for (const held_t *held = first; held != NULL; held = held->next)
            if (held->file == info.st_ino)
                cover (held, data, at, (size_t) got);
    pthread_mutex_unlock (&lock);
    return got;
}

/* -- syncing ----------------------------------------------------------------------------------- */

static void write_held (int fd)
{
    struct stat info;
    if (fstat (fd, &info) != 0)
        return;
    pthread_mutex_lock (&lock);
    for (held_t **at = &first; *at != NULL;) {
        held_t *held = *at;
        struct iovec part = {held->data, held->size};
        if (held->file != info.st_ino) {
            at = &held->next;
            continue;
        }
        if (real_pwritev (fd, &part, 1, held->at) != (ssize_t) held->size)
            abort ();
        *at = held->next;
        free (held);
    }
    for (end = &first; *end != NULL;)
        end = &(*end)->next;
    pthread_mutex_unlock (&lock);
}

int fdatasync (int fd)
{
    write_held (fd);
    return real_sync ("fdatasync", fd);
}

int fsync (int fd)
{
    write_held (fd);
    return real_sync ("fsync", fd);
}
