#include "patterns/link.h"

#include "patterns/connection.h"
#include "patterns/resolver.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_A_SECOND 20
#define WAIT_MAX_MS     60000

/* -- failing and beginning again --------------------------------------------------------------- */

void zf_link_event (zf_link_t *self, const char *format, ...)
{
    char text[512];
    va_list args;
    uint64_t second = zf_clock_ms () / 1000;
    if (second != self->second)
        self->events = 0;
    self->second = second;
    if (self->on_event == NULL || self->events++ >= EVENTS_A_SECOND)
        return;
    size_t size = (size_t) snprintf (text, sizeof text, "%s: ", self->label);
    va_start (args, format);
    if (size < sizeof text)
        vsnprintf (text + size, sizeof text - size, format, args);
    va_end (args);
    self->on_event (self->arg, ZF_EVENT_LINK, text);
}

void zf_link_fail (zf_link_t *self, bool pause, int code, const char *format, ...)
{
    char text[sizeof self->why.text];
    va_list args;
    if (self->failed || self->refused)
        return;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    zf_error_set (&self->why, code, "%s", text);
    self->failed = true;
    self->pause = pause;
}

void zf_link_reopen (zf_link_end_t *end)
{
    zf_connection_t *connection = zf_link_at (end);
    if (connection->state == ZF_CONNECTION_OFF)
        return; /* nobody is known yet */
    zf_handle_control (&end->handle, ZF_CMD_BYE, 1);
    zf_connection_send (connection, NULL);
    zf_connection_shut (connection);
    connection->epoch++;
    connection->asked_ms = 0;
    end->handle.tick_due_ms = 0;
    zf_connection_open (connection, NULL); /* if that fails, its tick tries again */
}

static void forget (zf_link_t *self)
{
    zf_pipe_clear (&self->run.pipe);
    memset (&self->run, 0, sizeof self->run);
}

/* Sessions in which something was arranged are ended: both brokers forget it, too. */
static void end_sessions (zf_link_t *self)
{
    zf_connection_t *source = zf_link_at (&self->source);
    bool source_has = self->run.consuming && source->epoch == self->run.epoch;
    bool target_has = self->run.linking || self->run.linked;
    if (source_has)
        zf_link_flush (self);
    forget (self);
    if (source_has)
        zf_link_reopen (&self->source);
    else if (source->state == ZF_CONNECTION_READY)
        self->look_ms = 0;
    if (target_has)
        zf_link_reopen (&self->target);
}

static void begin_again (zf_link_t *self, uint64_t now_ms)
{
    end_sessions (self);
    self->failed = false;
    self->figures.restarts++;
    self->hold_until_ms = now_ms;
    if (!self->pause) {
        zf_link_event (self, "%s", self->why.text);
        return;
    }
    self->hold_until_ms += self->backoff_ms;
    zf_link_event (self, "%s; again in %llu ms", self->why.text,
                   (unsigned long long) self->backoff_ms);
    self->backoff_ms *= 2;
    if (self->backoff_ms > self->backoff_max_ms)
        self->backoff_ms = self->backoff_max_ms;
}

/* Never again: a loop. Only the backlog is still looked at. */
static void give_up (zf_link_t *self)
{
    end_sessions (self);
    zf_connection_shut (zf_link_at (&self->target));
    self->target_on = false;
    self->failed = false;
    if (self->figures.refused == 0)
        zf_link_event (self, "refused: %s", self->why.text);
    self->figures.refused = 1;
}

/* -- the thread -------------------------------------------------------------------------------- */

static void show_figures (zf_link_t *self)
{
    zf_link_figures_t *figures = &self->figures;
    figures->connected_from = zf_link_at (&self->source)->state == ZF_CONNECTION_READY;
    figures->connected_to =
        self->target_on && zf_link_at (&self->target)->state == ZF_CONNECTION_READY;
    pthread_mutex_lock (&self->lock);
    self->shown = *figures;
    pthread_mutex_unlock (&self->lock);
}

/* True if something has come in. Returns when it wants to be looked after again in *due_ms. */
static bool serve_end (zf_link_end_t *end, uint64_t now_ms, uint64_t *due_ms)
{
    zf_handle_t *handle = &end->handle;
    if (handle->resolver != NULL && zf_resolver_has_news (handle))
        zf_resolver_apply (handle);
    bool any = zf_connection_pump (zf_link_at (end));
    if (handle->tick_due_ms <= now_ms)
        handle->tick_due_ms = zf_connection_tick (zf_link_at (end), now_ms);
    if (handle->tick_due_ms < *due_ms)
        *due_ms = handle->tick_due_ms;
    return any;
}

/* Not while it pauses: to the target, another link between the same queues is the same as we, and
 * each HELLO of one ends the session of the other. */
static bool uses_target (const zf_link_t *self, uint64_t now_ms)
{
    return self->target_on && now_ms >= self->hold_until_ms;
}

static void read_wake (const struct pollfd *fd)
{
    uint64_t count;
    ssize_t got = fd->revents != 0 ? read (fd->fd, &count, sizeof count) : 0;
    (void) got; /* there may be none */
}

/* Until there is input or something is due. */
static void await (zf_link_t *self, uint64_t due_ms)
{
    zf_connection_t *source = zf_link_at (&self->source);
    zf_connection_t *target = zf_link_at (&self->target);
    uint64_t now = zf_clock_ms ();
    uint64_t wait = due_ms > now ? due_ms - now : 0;
    bool both = uses_target (self, now);
    /* What one side has sent may have swallowed the edge that tells of its input. */
    if (zf_connection_readable (source) || (both && zf_connection_readable (target)))
        return;
    struct pollfd fds[] = {{self->stop_fd, POLLIN, 0},
                           {source->fd, POLLIN, 0},
                           {both ? target->fd : -1, POLLIN, 0},
                           {self->source.handle.wake_fd, POLLIN, 0}, /* the directory's changes, */
                           {self->target.handle.wake_fd, POLLIN, 0},
                           {source->monitor_fd, POLLIN, 0}, /* connections that are lost */
                           {both ? target->monitor_fd : -1, POLLIN, 0}};
    poll (fds, sizeof fds / sizeof fds[0], wait < WAIT_MAX_MS ? (int) wait : WAIT_MAX_MS);
    read_wake (&fds[3]);
    read_wake (&fds[4]);
}

static void turn (zf_link_t *self)
{
    uint64_t now = zf_clock_ms ();
    uint64_t due = ZF_NEVER;
    bool more = serve_end (&self->source, now, &due);
    if (uses_target (self, now))
        more |= serve_end (&self->target, now, &due);
    uint64_t next = zf_link_advance (self, now);
    due = next < due ? next : due;
    if (self->refused && self->target_on)
        give_up (self);
    else if (self->failed)
        begin_again (self, now);
    else
        zf_link_flush (self);
    show_figures (self);
    if (!more)
        await (self, due);
}

static void *run (void *arg)
{
    zf_link_t *self = arg;
    if (zf_link_at (&self->source)->state == ZF_CONNECTION_READY)
        zf_link_on_source (self);
    while (!atomic_load (&self->stopping))
        turn (self);
    if (self->run.consuming)
        zf_link_flush (self);
    zf_handle_bye (&self->source.handle);
    if (self->target_on)
        zf_handle_bye (&self->target.handle);
    return NULL;
}

/* -- life -------------------------------------------------------------------------------------- */

static int open_end (zf_link_end_t *end, zf_link_t *link, const zf_handle_ops_t *ops,
                     const zf_handle_options_t *options, zf_error_t *err)
{
    end->link = link;
    int rc = zf_handle_open (&end->handle, ops, options, err);
    if (rc == 0)
        zf_handle_stop (&end->handle); /* the link's thread looks after it, not the keeper */
    if (rc == 0 && end->handle.resolver != NULL)
        zf_resolver_watch (&end->handle);
    return rc;
}

static int open_ends (zf_link_t *self, const zf_link_options_t *options, zf_error_t *err)
{
    zf_handle_options_t source = {.endpoints = &options->from,
                                  .endpoint_count = 1,
                                  .name = options->name,
                                  .failover_ms = options->failover_ms,
                                  .peer = options->peer,
                                  .security = options->security,
                                  .one = true};
    zf_handle_options_t target = source;
    target.endpoints = options->to;
    target.endpoint_count = options->to_count;
    int rc = open_end (&self->source, self, &zf_link_source_ops, &source, err);
    if (rc == 0)
        rc = open_end (&self->target, self, &zf_link_target_ops, &target, err);
    return rc;
}

static int copy_names (zf_link_t *self, const zf_link_options_t *options, const char *label,
                       zf_error_t *err)
{
    const char *to_queue = options->to_queue != NULL ? options->to_queue : options->from_queue;
    self->from_queue = strdup (options->from_queue);
    self->to_queue = strdup (to_queue);
    if (asprintf (&self->label, "%s/%s -> %s/%s", label != NULL ? label : options->from,
                  options->from_queue, options->to[0], to_queue) < 0)
        self->label = NULL;
    if (self->from_queue == NULL || self->to_queue == NULL || self->label == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    return 0;
}

static int start (zf_link_t *self, zf_error_t *err)
{
    self->stop_fd = eventfd (0, EFD_CLOEXEC);
    if (self->stop_fd < 0)
        return zf_error_set (err, ZF_E_IO, "eventfd: %s", strerror (errno));
    self->running = true;
    int error = pthread_create (&self->thread, NULL, run, self);
    if (error == 0)
        return 0;
    self->running = false;
    return zf_error_set (err, ZF_E_NOMEM, "a thread: %s", strerror (error));
}

int zf_link_open (zf_link_t **link, const zf_link_options_t *options, const char *label,
                  zf_error_t *err)
{
    *link = NULL;
    zf_link_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    pthread_mutex_init (&self->lock, NULL);
    self->stop_fd = -1;
    self->backoff_min_ms = options->backoff_min_ms;
    self->backoff_max_ms = options->backoff_max_ms;
    self->backoff_ms = options->backoff_min_ms;
    self->window_bytes = options->window_bytes;
    self->on_event = options->on_event;
    self->arg = options->arg;
    int rc = copy_names (self, options, label, err);
    if (rc == 0)
        rc = open_ends (self, options, err);
    if (rc == 0)
        rc = start (self, err);
    *link = self;
    if (rc != 0)
        zf_link_close (link);
    return rc;
}

static void stop_thread (zf_link_t *self)
{
    uint64_t one = 1;
    if (!self->running)
        return;
    atomic_store (&self->stopping, true);
    ssize_t written = write (self->stop_fd, &one, sizeof one);
    (void) written; /* nobody else writes to it: there is room */
    pthread_join (self->thread, NULL);
}

void zf_link_close (zf_link_t **link)
{
    zf_link_t *self = link != NULL ? *link : NULL;
    if (self == NULL)
        return;
    *link = NULL;
    stop_thread (self);
    if (self->source.handle.ops != NULL)
        zf_handle_shut (&self->source.handle);
    if (self->target.handle.ops != NULL)
        zf_handle_shut (&self->target.handle);
    forget (self);
    zf_writer_free (&self->path);
    if (self->stop_fd >= 0)
        close (self->stop_fd);
    pthread_mutex_destroy (&self->lock);
    free (self->from_queue);
    free (self->to_queue);
    free (self->label);
    free (self);
}

void zf_link_figures (zf_link_t *self, zf_link_figures_t *figures)
{
    pthread_mutex_lock (&self->lock);
    *figures = self->shown;
    pthread_mutex_unlock (&self->lock);
}
