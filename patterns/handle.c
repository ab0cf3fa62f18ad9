#include "patterns/handle.h"

#include "devices/shell.h"
#include "patterns/connection.h"
#include "patterns/keeper.h"
#include "patterns/resolver.h"
#include "patterns/shared_peer.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>
#include <zferry/error.h>

#define ATTENDED_MS  100 /* between the keeper's looks at a handle that is being called */
#define PAUSE_MAX_MS 16  /* and at one with unfinished business where nothing happens */
#define GREET_MAX_MS 100 /* or that waits for a broker */

uint64_t zf_deadline (int64_t timeout_ms)
{
    return timeout_ms < 0 ? ZF_NEVER : zf_clock_ms () + (uint64_t) timeout_ms;
}

/* -- waking ------------------------------------------------------------------------------------ */

static void write_event (int fd)
{
    uint64_t one = 1;
    ssize_t written = write (fd, &one, sizeof one);
    (void) written; /* the counter is full: it is awake */
}

static void read_event (int fd)
{
    uint64_t count;
    ssize_t got = read (fd, &count, sizeof count);
    (void) got; /* there may be none */
}

void zf_handle_stir (zf_handle_t *handle)
{
    write_event (handle->wake_fd);
    zf_keeper_by (handle, zf_clock_ms ());
}

/* Once, until it has looked. */
static void wake_loop (zf_handle_t *handle)
{
    if (!handle->loop_told)
        write_event (handle->loop_wake_fd);
    handle->loop_told = true;
}

void zf_handle_serve (zf_handle_t *handle)
{
    zf_waiter_t *waiter;
    DL_FOREACH (handle->waiters, waiter) {
        if (waiter->done (waiter->arg))
            pthread_cond_signal (&waiter->turn);
    }
}

/* Our use of a socket may have swallowed the signal that a poller waits for. */
static bool has_swallowed (const zf_handle_t *handle)
{
    bool swallowed = false;
    for (size_t i = 0; handle->touched && !swallowed && i < handle->connection_count; i++)
        swallowed = zf_connection_readable (&handle->connections[i]);
    return swallowed;
}

/* Before the lock is let go: who polls is told what has changed meanwhile. */
static void hint_pollers (zf_handle_t *handle)
{
    zf_waiter_t *leader = handle->leader;
    if (leader == NULL && handle->loop_fd < 0)
        return;
    bool swallowed = has_swallowed (handle);
    if (leader != NULL &&
        (swallowed || handle->tick_due_ms < handle->leader_until_ms || leader->done (leader->arg)))
        write_event (handle->wake_fd);
    if (handle->loop_fd >= 0 &&
        (swallowed || handle->callbacks != NULL || handle->ops->news (handle)))
        wake_loop (handle);
    handle->touched = false;
}

/* True if a connection has no session yet: nobody but the keeper waits for the broker's words. */
static bool is_greeting (const zf_handle_t *handle)
{
    for (size_t i = 0; i < handle->connection_count; i++) {
        const zf_connection_t *connection = &handle->connections[i];
        if (connection->state != ZF_CONNECTION_READY && connection->state != ZF_CONNECTION_OFF &&
            !connection->is_double)
            return true;
    }
    return false;
}

void zf_handle_due (zf_handle_t *handle, uint64_t due_ms)
{
    if (due_ms < handle->tick_due_ms)
        handle->tick_due_ms = due_ms;
}

/* -- where it is at home ----------------------------------------------------------------------- */

const char *zf_connection_endpoint (const zf_connection_t *connection)
{
    const zf_handle_t *handle = connection->handle;
    const char *endpoint = handle->endpoints[connection->endpoint];
    return endpoint != NULL ? endpoint : handle->resolver->text;
}

static bool is_better (const zf_connection_t *a, const zf_connection_t *b)
{
    bool a_ready = a->state == ZF_CONNECTION_READY;
    bool b_ready = b->state == ZF_CONNECTION_READY;
    if (a_ready != b_ready)
        return a_ready;
    if ((a->state == ZF_CONNECTION_OFF) != (b->state == ZF_CONNECTION_OFF))
        return b->state == ZF_CONNECTION_OFF;
    if (a->is_fading != b->is_fading)
        return b->is_fading;
    return a->rank > b->rank;
}

bool zf_handle_find_home (zf_handle_t *handle, bool may_move)
{
    size_t best = handle->home;
    for (size_t i = 0; i < handle->connection_count; i++) {
        if (is_better (&handle->connections[i], &handle->connections[best]))
            best = i;
    }
    bool stays = best == handle->home ||
                 (!may_move && zf_handle_home (handle)->state == ZF_CONNECTION_READY);
    if (!stays)
        handle->home = best;
    return !stays;
}

/* -- callbacks --------------------------------------------------------------------------------- */

void zf_handle_call (zf_handle_t *handle, zf_callback_t *callback)
{
    DL_APPEND (handle->callbacks, callback);
}

/* Lets go of the lock around each; one thread at a time makes them, in order. */
static void make_callbacks (zf_handle_t *handle)
{
    if (handle->calling)
        return;
    handle->calling = true;
    while (handle->callbacks != NULL) {
        zf_callback_t *callback = handle->callbacks;
        DL_DELETE (handle->callbacks, callback);
        pthread_mutex_unlock (&handle->lock);
        callback->run (callback);
        pthread_mutex_lock (&handle->lock);
        callback->finish (handle, callback);
    }
    handle->calling = false;
    if (handle->waiters != NULL)
        zf_handle_serve (handle);
}

/* -- entering and leaving ---------------------------------------------------------------------- */

void zf_handle_enter (zf_handle_t *handle)
{
    pthread_mutex_lock (&handle->lock);
    handle->calls++;
}

/* Lets go of the lock; somebody is to look after the handle, and to see what was sent to the device
 * that it rides. */
static void leave (zf_handle_t *handle)
{
    zf_device_t *spurred = handle->has_sent ? handle->ridden : NULL;
    handle->has_sent = false;
    if (handle->waiters != NULL && handle->leader == NULL)
        pthread_cond_signal (&handle->waiters->turn);
    if (!atomic_load_explicit (&handle->keeper_soon, memory_order_relaxed) &&
        (handle->ops->unfinished (handle) || is_greeting (handle))) {
        atomic_store (&handle->keeper_soon, true);
        zf_keeper_by (handle, zf_clock_ms ());
    }
    if (handle->leader == NULL && handle->tick_due_ms < handle->keeper_told_ms) {
        handle->keeper_told_ms = handle->tick_due_ms;
        zf_keeper_by (handle, handle->tick_due_ms);
    }
    pthread_mutex_unlock (&handle->lock);
    if (spurred != NULL)
        zf_shell_spur (spurred);
}

void zf_handle_leave (zf_handle_t *handle)
{
    if (handle->callbacks != NULL)
        make_callbacks (handle);
    hint_pollers (handle);
    leave (handle);
}

static bool pump_all (zf_handle_t *handle)
{
    bool any = false;
    if (handle->resolver != NULL && zf_resolver_has_news (handle))
        zf_resolver_apply (handle);
    for (size_t i = 0; i < handle->connection_count; i++)
        any |= zf_connection_pump (&handle->connections[i]);
    handle->touched = true;
    if (any && handle->waiters != NULL)
        zf_handle_serve (handle);
    return any;
}

void zf_handle_pump (zf_handle_t *handle)
{
    pump_all (handle);
}

/* What is due by time, on all connections and for the pattern. */
static void tick (zf_handle_t *handle, uint64_t now_ms)
{
    uint64_t due = handle->ops->tick (handle, now_ms);
    for (size_t i = 0; i < handle->connection_count; i++) {
        uint64_t next = zf_connection_tick (&handle->connections[i], now_ms);
        due = next < due ? next : due;
    }
    handle->tick_due_ms = due;
    if (handle->resolver != NULL && zf_resolver_has_news (handle))
        zf_resolver_apply (handle); /* some have become free, or were given up */
    if (handle->waiters != NULL)
        zf_handle_serve (handle);
}

/* -- waiting ----------------------------------------------------------------------------------- */

static void init_turn (pthread_cond_t *turn)
{
    pthread_condattr_t attributes;
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (turn, &attributes);
    pthread_condattr_destroy (&attributes);
}

/* Somebody else polls: wait for a signal. */
static void follow (zf_handle_t *handle, zf_waiter_t *self, uint64_t deadline_ms)
{
    init_turn (&self->turn);
    DL_APPEND (handle->waiters, self);
    hint_pollers (handle);
    if (handle->has_sent && handle->ridden != NULL)
        write_event (handle->wake_fd); /* who rides has not seen it */
    handle->has_sent = false;
    struct timespec until = {(time_t) (deadline_ms / 1000), (long) (deadline_ms % 1000) * 1000000};
    if (deadline_ms == ZF_NEVER)
        pthread_cond_wait (&self->turn, &handle->lock);
    else
        pthread_cond_timedwait (&self->turn, &handle->lock, &until);
    DL_DELETE (handle->waiters, self);
    pthread_cond_destroy (&self->turn);
}

/* Nobody polls: do it, without the lock. */
static void lead (zf_handle_t *handle, zf_waiter_t *self, uint64_t now_ms, uint64_t deadline_ms)
{
    struct pollfd fds[2 * ZF_ENDPOINTS_MAX + 1];
    size_t count = 0;
    fds[count++] = (struct pollfd){handle->wake_fd, POLLIN, 0};
    for (size_t i = 0; i < handle->connection_count; i++) {
        const zf_connection_t *connection = &handle->connections[i];
        fds[count++] = (struct pollfd){connection->fd, POLLIN, 0};
        if (connection->monitor_fd >= 0)
            fds[count++] = (struct pollfd){connection->monitor_fd, POLLIN, 0};
    }
    uint64_t until = handle->tick_due_ms < deadline_ms ? handle->tick_due_ms : deadline_ms;
    uint64_t timeout = until <= now_ms ? 0 : until - now_ms;
    if (has_swallowed (handle)) /* by callbacks: what they sent may have taken the edge from us */
        return;
    handle->touched = false;  /* looking once more might take it now */
    handle->has_sent = false; /* we ride, and see it */
    hint_pollers (handle);
    handle->leader = self;
    handle->leader_until_ms = until;
    pthread_mutex_unlock (&handle->lock);
    int most = timeout < 60000 ? (int) timeout : 60000;
    if (handle->ridden != NULL)
        zf_shell_ride (handle->ridden, fds, count, most);
    else
        poll (fds, count, most);
    if (fds[0].revents != 0)
        read_event (handle->wake_fd);
    pthread_mutex_lock (&handle->lock);
    handle->leader = NULL;
}

int zf_handle_wait (zf_handle_t *handle, zf_done_fn *done, void *arg, uint64_t deadline_ms)
{
    zf_waiter_t self = {.done = done, .arg = arg};
    for (;;) {
        zf_handle_pump (handle);
        handle->touched = false; /* nothing is left unread */
        uint64_t now = zf_clock_ms ();
        if (now >= handle->tick_due_ms && handle->leader == NULL)
            tick (handle, now);
        if (handle->callbacks != NULL)
            make_callbacks (handle);
        if (done (arg))
            return 0;
        if (now >= deadline_ms)
            return ZF_E_TIMEOUT;
        if (handle->leader != NULL)
            follow (handle, &self, deadline_ms);
        else
            lead (handle, &self, now, deadline_ms);
    }
}

/* A connection with a refusal that no caller has got yet; NULL: there is none. */
static zf_connection_t *denying (const zf_handle_t *handle)
{
    for (size_t i = 0; i < handle->connection_count; i++) {
        if (handle->connections[i].is_denied)
            return &handle->connections[i];
    }
    return NULL;
}

typedef struct {
    zf_handle_t *handle;
    zf_done_fn *done;
    void *arg;
} admission_t;

static bool is_decided (void *arg)
{
    const admission_t *admission = arg;
    return admission->done (admission->arg) || denying (admission->handle) != NULL;
}

int zf_handle_await (zf_handle_t *handle, zf_done_fn *done, void *arg, uint64_t deadline_ms)
{
    admission_t admission = {handle, done, arg};
    int rc = zf_handle_wait (handle, is_decided, &admission, deadline_ms);
    return rc == 0 && !done (arg) ? ZF_E_DENIED : rc;
}

int zf_handle_denied (zf_handle_t *handle, zf_error_t *err)
{
    zf_connection_t *connection = denying (handle);
    if (connection == NULL) /* another caller was quicker */
        return zf_error_set (err, ZF_E_DENIED, "not allowed");
    connection->is_denied = false;
    return zf_error_set (err, ZF_E_DENIED, "%s: %s", zf_connection_endpoint (connection),
                         connection->refusal.text);
}

/* -- the keeper's and the loop's entrance ------------------------------------------------------ */

/* When to look again at a handle with unfinished business. */
static uint64_t pause_ms (zf_handle_t *handle, bool progress, uint64_t most)
{
    uint64_t pause = 2 * handle->keeper_pause_ms;
    if (progress || pause == 0)
        pause = 1;
    handle->keeper_pause_ms = pause < most ? pause : most;
    return handle->keeper_pause_ms;
}

uint64_t zf_handle_keep (zf_handle_t *handle, uint64_t now_ms)
{
    bool attended = handle->leader != NULL || handle->calls != handle->keeper_calls;
    bool progress = attended;
    handle->keeper_calls = handle->calls;
    if (handle->leader == NULL) {
        progress |= pump_all (handle);
        if (!attended || now_ms >= handle->tick_due_ms)
            tick (handle, now_ms);
    }
    bool unfinished = handle->ops->unfinished (handle);
    uint64_t soon = now_ms + pause_ms (handle, progress, unfinished ? PAUSE_MAX_MS : GREET_MAX_MS);
    unfinished |= is_greeting (handle);
    uint64_t due = attended ? now_ms + ATTENDED_MS : handle->tick_due_ms;
    if (handle->leader == NULL && handle->tick_due_ms < due)
        due = handle->tick_due_ms;
    if (unfinished && soon < due)
        due = soon;
    atomic_store (&handle->keeper_soon, unfinished);
    handle->keeper_told_ms = due;
    if (handle->callbacks != NULL && handle->loop_fd < 0) /* else they are the loop's */
        make_callbacks (handle);
    hint_pollers (handle);
    leave (handle);
    return due;
}

static int watch (const zf_handle_t *handle, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return epoll_ctl (handle->loop_fd, EPOLL_CTL_ADD, fd, &event);
}

static void open_loop (zf_handle_t *handle)
{
    handle->loop_wake_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    handle->loop_fd = handle->loop_wake_fd >= 0 ? epoll_create1 (EPOLL_CLOEXEC) : -1;
    if (handle->loop_fd < 0)
        return;
    watch (handle, handle->loop_wake_fd);
    for (size_t i = 0; i < handle->connection_count; i++) {
        watch (handle, handle->connections[i].fd);
        watch (handle, handle->connections[i].monitor_fd);
    }
    handle->touched = true;
}

int zf_handle_fd (zf_handle_t *handle)
{
    zf_handle_enter (handle);
    if (handle->loop_fd < 0)
        open_loop (handle);
    int fd = handle->loop_fd >= 0 ? handle->loop_fd : ZF_E_IO;
    zf_handle_leave (handle);
    return fd;
}

int zf_handle_process (zf_handle_t *handle)
{
    zf_handle_enter (handle);
    if (handle->loop_fd >= 0)
        read_event (handle->loop_wake_fd);
    handle->loop_told = true; /* it is here, and fetches what there is */
    zf_handle_pump (handle);
    uint64_t now = zf_clock_ms ();
    if (now >= handle->tick_due_ms && handle->leader == NULL)
        tick (handle, now);
    if (handle->callbacks != NULL)
        make_callbacks (handle);
    zf_handle_pump (handle); /* the callbacks may have used the sockets */
    handle->loop_told = false;
    hint_pollers (handle);
    leave (handle);
    return 0;
}

/* -- life -------------------------------------------------------------------------------------- */

static int copy_endpoints (zf_handle_t *handle, const zf_handle_options_t *options, zf_error_t *err)
{
    handle->endpoints = calloc (options->endpoint_count, sizeof (char *));
    if (handle->endpoints == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    for (size_t i = 0; i < options->endpoint_count; i++) {
        if (options->endpoints[i] == NULL)
            return zf_error_set (err, ZF_E_INVAL, "endpoint %zu is NULL", i);
        handle->endpoints[i] = strdup (options->endpoints[i]);
        if (handle->endpoints[i] == NULL)
            return zf_error_set (err, ZF_E_NOMEM, "out of memory");
        handle->endpoint_count++;
    }
    return 0;
}

static int open_connections (zf_handle_t *handle, bool all, zf_error_t *err)
{
    size_t count = all ? handle->endpoint_count : 1;
    handle->rotates = !all;
    handle->connections = calloc (count, sizeof *handle->connections);
    if (handle->connections == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        zf_connection_t *connection = &handle->connections[i];
        connection->handle = handle;
        connection->endpoint = i;
        int rc = zf_connection_open (connection, err);
        if (rc != 0)
            return rc;
        handle->connection_count++;
    }
    return 0;
}

size_t zf_handle_slots (const zf_handle_options_t *options)
{
    if (zf_resolver_is_needed (options))
        return options->one ? 1 : ZF_ENDPOINTS_MAX;
    return options->all && options->endpoint_count > 0 ? options->endpoint_count : 1;
}

static int open_endpoints (zf_handle_t *handle, const zf_handle_options_t *options, zf_error_t *err)
{
    if (options->endpoints == NULL || options->endpoint_count == 0 ||
        options->endpoint_count > ZF_ENDPOINTS_MAX)
        return zf_error_set (err, ZF_E_INVAL, "1 to %d endpoints are needed", ZF_ENDPOINTS_MAX);
    handle->name = strdup (options->name != NULL ? options->name : "");
    if (handle->name == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    if (zf_resolver_is_needed (options))
        return zf_resolver_open (handle, options, err);
    int rc = copy_endpoints (handle, options, err);
    return rc == 0 ? open_connections (handle, options->all, err) : rc;
}

int zf_handle_open (zf_handle_t *handle, const zf_handle_ops_t *ops,
                    const zf_handle_options_t *options, zf_error_t *err)
{
    handle->ops = ops;
    handle->failover_ms = options->failover_ms;
    handle->security = zf_security_hold (options->security);
    if (handle->security == NULL && options->peer != NULL)
        handle->security = zf_security_hold (zf_node_security (zf_peer_node (options->peer)));
    handle->loop_fd = handle->loop_wake_fd = -1;
    pthread_mutex_init (&handle->lock, NULL);
    handle->wake_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    int rc =
        handle->wake_fd >= 0 ? 0 : zf_error_set (err, ZF_E_IO, "eventfd: %s", strerror (errno));
    if (rc == 0)
        rc = zf_random (handle->uuid, sizeof handle->uuid, err);
    if (rc == 0)
        rc = open_endpoints (handle, options, err);
    if (rc == 0 && zf_keeper_add (handle) != 0)
        rc = zf_error_set (err, ZF_E_NOMEM, "no thread for the keeper");
    handle->is_kept = rc == 0;
    if (rc == 0 && handle->resolver != NULL)
        zf_resolver_watch (handle);
    return rc;
}

void zf_handle_bye (zf_handle_t *handle)
{
    for (size_t i = 0; i < handle->connection_count; i++) {
        zf_handle_control (handle, ZF_CMD_BYE, 1);
        zf_connection_send (&handle->connections[i], NULL);
    }
}

void zf_handle_stop (zf_handle_t *handle)
{
    if (handle->is_kept)
        zf_keeper_remove (handle);
    handle->is_kept = false;
}

void zf_handle_shut (zf_handle_t *handle)
{
    zf_handle_stop (handle);
    zf_resolver_unwatch (handle);
    for (size_t i = 0; i < handle->connection_count; i++)
        zf_connection_shut (&handle->connections[i]);
    zf_resolver_close (handle);
    zf_security_drop (&handle->security);
    free (handle->connections);
    for (size_t i = 0; i < handle->endpoint_count; i++)
        free (handle->endpoints[i]);
    free (handle->endpoints);
    free (handle->name);
    zf_writer_free (&handle->control);
    if (handle->loop_fd >= 0)
        close (handle->loop_fd);
    if (handle->loop_wake_fd >= 0)
        close (handle->loop_wake_fd);
    if (handle->wake_fd >= 0)
        close (handle->wake_fd);
    pthread_mutex_destroy (&handle->lock);
}

zf_writer_t *zf_handle_control (zf_handle_t *handle, unsigned command, size_t elements)
{
    handle->control.size = 0;
    handle->control.failed = false;
    zf_control (&handle->control, command, elements);
    return &handle->control;
}
