#include "patterns/keeper.h"

#include <errno.h>
#include <time.h>
#include <utlist.h>

#define SOON_MS  1 /* between looks at a handle with unfinished business */
#define SLEEP_MS 60000

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* handles came, went, or want to be seen */
    pthread_cond_t done;    /* the thread let go of a handle */
    zf_handle_t *handles;
    pthread_t thread;
    bool is_running;
    bool stop;
} keeper = {.lock = PTHREAD_MUTEX_INITIALIZER};

static pthread_mutex_t life = PTHREAD_MUTEX_INITIALIZER; /* of the thread: starting and joining
                                                            it */

static struct timespec at_ms (uint64_t ms)
{
    struct timespec time = {(time_t) (ms / 1000), (long) (ms % 1000) * 1000000};
    return time;
}

/* The handle that is due first. */
static zf_handle_t *next_due (void)
{
    zf_handle_t *first = NULL;
    zf_handle_t *handle;
    DL_FOREACH2 (keeper.handles, handle, keeper_next) {
        if (first == NULL || handle->keeper_due_ms < first->keeper_due_ms)
            first = handle;
    }
    return first;
}

static void keep_one (zf_handle_t *handle, uint64_t now_ms)
{
    handle->keeper_inside = true;
    pthread_mutex_unlock (&keeper.lock);
    uint64_t due = now_ms + SOON_MS;
    if (pthread_mutex_trylock (&handle->lock) == 0)
        due = zf_handle_keep (handle, now_ms);
    pthread_mutex_lock (&keeper.lock);
    if (handle->keeper_again || due <= now_ms)
        due = now_ms + SOON_MS;
    handle->keeper_again = false;
    handle->keeper_due_ms = due;
    handle->keeper_inside = false;
    pthread_cond_broadcast (&keeper.done);
}

static void *keep (void *arg)
{
    (void) arg;
    pthread_mutex_lock (&keeper.lock);
    while (!keeper.stop) {
        zf_handle_t *handle = next_due ();
        uint64_t now = zf_clock_ms ();
        if (handle != NULL && handle->keeper_due_ms <= now) {
            keep_one (handle, now);
            continue;
        }
        struct timespec until = at_ms (handle != NULL ? handle->keeper_due_ms : now + SLEEP_MS);
        pthread_cond_timedwait (&keeper.changed, &keeper.lock, &until);
    }
    pthread_mutex_unlock (&keeper.lock);
    return NULL;
}

static int start (void)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&keeper.changed, &attributes);
    pthread_cond_init (&keeper.done, &attributes);
    pthread_condattr_destroy (&attributes);
    keeper.stop = false;
    keeper.is_running = pthread_create (&keeper.thread, NULL, keep, NULL) == 0;
    return keeper.is_running ? 0 : ZF_E_NOMEM;
}

int zf_keeper_add (zf_handle_t *handle)
{
    pthread_mutex_lock (&life);
    int rc = keeper.is_running ? 0 : start ();
    if (rc == 0) {
        pthread_mutex_lock (&keeper.lock);
        handle->keeper_due_ms = zf_clock_ms () + SOON_MS;
        DL_APPEND2 (keeper.handles, handle, keeper_prev, keeper_next);
        pthread_cond_signal (&keeper.changed);
        pthread_mutex_unlock (&keeper.lock);
    }
    pthread_mutex_unlock (&life);
    return rc;
}

void zf_keeper_remove (zf_handle_t *handle)
{
    pthread_mutex_lock (&life);
    pthread_mutex_lock (&keeper.lock);
    while (handle->keeper_inside)
        pthread_cond_wait (&keeper.done, &keeper.lock);
    DL_DELETE2 (keeper.handles, handle, keeper_prev, keeper_next);
    handle->keeper_prev = NULL;
    bool last = keeper.handles == NULL;
    keeper.stop = last;
    pthread_cond_signal (&keeper.changed);
    pthread_mutex_unlock (&keeper.lock);
    if (last) {
        pthread_join (keeper.thread, NULL);
        pthread_cond_destroy (&keeper.changed);
        pthread_cond_destroy (&keeper.done);
        keeper.is_running = false;
    }
    pthread_mutex_unlock (&life);
}

void zf_keeper_by (zf_handle_t *handle, uint64_t due_ms)
{
    pthread_mutex_lock (&keeper.lock);
    uint64_t soon = zf_clock_ms () + SOON_MS;
    uint64_t due = due_ms > soon ? due_ms : soon;
    bool is_kept = handle->keeper_prev != NULL;   /* else there may be no thread to wake */
    handle->keeper_again = handle->keeper_inside; /* it has looked already */
    if (is_kept && handle->keeper_due_ms > due) {
        handle->keeper_due_ms = due;
        pthread_cond_signal (&keeper.changed);
    }
    pthread_mutex_unlock (&keeper.lock);
}
