/* The system's files behind a gate. */
#include "tests/persist/gate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define DEADLINE_S 60 /* generous: sanitizer builds on a busy machine */

struct gate {
    zf_fs_t fs;             /* must be first */
    zf_fs_t *inner;         /* the system's */
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed; /* one of them has */
    bool held;              /* syncs wait */
    unsigned waiting;       /* of them */
    unsigned syncs;         /* passed */
    int write_error;        /* what writes fail with, or 0 */
    int sync_error;         /* the same of syncs */
};

static zf_fs_t *inner (zf_fs_t *fs)
{
    return ((gate_t *) fs)->inner;
}

/* -- what passes ------------------------------------------------------------------------------- */

static int pass_open (zf_fs_t *fs, const char *path, int flags)
{
    return inner (fs)->open (inner (fs), path, flags);
}

static int pass_close (zf_fs_t *fs, int fd)
{
    return inner (fs)->close (inner (fs), fd);
}

static ssize_t pass_pread (zf_fs_t *fs, int fd, void *data, size_t size, uint64_t offset)
{
    return inner (fs)->pread (inner (fs), fd, data, size, offset);
}

static int pass_lock (zf_fs_t *fs, int fd)
{
    return inner (fs)->lock (inner (fs), fd);
}

static int64_t pass_size (zf_fs_t *fs, int fd)
{
    return inner (fs)->size (inner (fs), fd);
}

static int pass_mkdir (zf_fs_t *fs, const char *path)
{
    return inner (fs)->mkdir (inner (fs), path);
}

static int pass_list (zf_fs_t *fs, const char *path, zf_fs_name_fn *fn, void *arg)
{
    return inner (fs)->list (inner (fs), path, fn, arg);
}

static int pass_rename (zf_fs_t *fs, const char *from, const char *to)
{
    return inner (fs)->rename (inner (fs), from, to);
}

static int pass_unlink (zf_fs_t *fs, const char *path)
{
    return inner (fs)->unlink (inner (fs), path);
}

static int pass_syncdir (zf_fs_t *fs, const char *path)
{
    return inner (fs)->syncdir (inner (fs), path);
}

static int pass_random (zf_fs_t *fs, void *data, size_t size)
{
    return inner (fs)->random (inner (fs), data, size);
}

/* -- the gate ---------------------------------------------------------------------------------- */

static ssize_t write_or_fail (zf_fs_t *fs, int fd, const struct iovec *parts, int count,
                              uint64_t offset)
{
    gate_t *gate = (gate_t *) fs;
    pthread_mutex_lock (&gate->lock);
    int error = gate->write_error;
    pthread_mutex_unlock (&gate->lock);
    return error != 0 ? -error : gate->inner->pwritev (gate->inner, fd, parts, count, offset);
}

static int sync_at_gate (zf_fs_t *fs, int fd)
{
    gate_t *gate = (gate_t *) fs;
    pthread_mutex_lock (&gate->lock);
    gate->waiting++;
    pthread_cond_broadcast (&gate->changed);
    while (gate->held)
        pthread_cond_wait (&gate->changed, &gate->lock);
    gate->waiting--;
    int error = gate->sync_error;
    pthread_mutex_unlock (&gate->lock);
    if (error != 0)
        return -error;
    int rc = gate->inner->datasync (gate->inner, fd);
    pthread_mutex_lock (&gate->lock);
    gate->syncs++;
    pthread_cond_broadcast (&gate->changed);
    pthread_mutex_unlock (&gate->lock);
    return rc;
}

gate_t *gate_new (void)
{
    gate_t *gate = calloc (1, sizeof *gate);
    assert_non_null (gate);
    gate->inner = zf_fs_system ();
    gate->fs = (zf_fs_t){
        .open = pass_open,
        .close = pass_close,
        .pread = pass_pread,
        .pwritev = write_or_fail,
        .datasync = sync_at_gate,
        .lock = pass_lock,
        .size = pass_size,
        .mkdir = pass_mkdir,
        .list = pass_list,
        .rename = pass_rename,
        .unlink = pass_unlink,
        .syncdir = pass_syncdir,
        .random = pass_random,
        .synchronous = true,
    };
    pthread_mutex_init (&gate->lock, NULL);
    pthread_cond_init (&gate->changed, NULL);
    return gate;
}

void gate_free (gate_t *gate)
{
    pthread_cond_destroy (&gate->changed);
    pthread_mutex_destroy (&gate->lock);
    free (gate);
}

zf_fs_t *gate_fs (gate_t *gate)
{
    return &gate->fs;
}

static void set_held (gate_t *gate, bool held)
{
    pthread_mutex_lock (&gate->lock);
    gate->held = held;
    pthread_cond_broadcast (&gate->changed);
    pthread_mutex_unlock (&gate->lock);
}

void gate_hold (gate_t *gate)
{
    set_held (gate, true);
}

void gate_release (gate_t *gate)
{
    set_held (gate, false);
}

void gate_fail_writes (gate_t *gate, int error)
{
    pthread_mutex_lock (&gate->lock);
    gate->write_error = error;
    pthread_mutex_unlock (&gate->lock);
}

void gate_fail_syncs (gate_t *gate, int error)
{
    pthread_mutex_lock (&gate->lock);
    gate->sync_error = error;
    pthread_mutex_unlock (&gate->lock);
}

/* Waits until *counter has reached count; under the lock. */
static void await (gate_t *gate, const unsigned *counter, unsigned count)
{
    struct timespec end;
    clock_gettime (CLOCK_REALTIME, &end);
    end.tv_sec += DEADLINE_S;
    pthread_mutex_lock (&gate->lock);
    int rc = 0;
    while (*counter < count && rc == 0)
        rc = pthread_cond_timedwait (&gate->changed, &gate->lock, &end);
    pthread_mutex_unlock (&gate->lock);
    assert_int_equal (rc, 0);
}

void gate_await_held (gate_t *gate)
{
    await (gate, &gate->waiting, 1);
}

void gate_await_syncs (gate_t *gate, unsigned count)
{
    await (gate, &gate->syncs, count);
}

unsigned gate_syncs (gate_t *gate)
{
    pthread_mutex_lock (&gate->lock);
    unsigned syncs = gate->syncs;
    pthread_mutex_unlock (&gate->lock);
    return syncs;
}
