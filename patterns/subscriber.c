#include "patterns/subscriber.h"

#include "core/stream.h"
#include "patterns/denial.h"
#include "patterns/group.h"

#include <stdlib.h>

static const char *const default_endpoints[] = {"tcp://127.0.0.1:5556"};

/* -- life -------------------------------------------------------------------------------------- */

void zf_subscriber_defaults_sized (zf_subscriber_options_t *options, size_t size)
{
    zf_worker_options_t worker;
    zf_worker_defaults (&worker);
    zf_subscriber_options_t own = {.struct_size = sizeof own,
                                   .endpoints = default_endpoints,
                                   .endpoint_count = 1,
                                   .stream = "events",
                                   .window_bytes = 4u << 20,
                                   .timeout_ms = 5000,
                                   .failover_ms = worker.failover_ms};
    zf_options_fill (options, size, &own, sizeof own);
}

static int check (const zf_subscriber_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "subscriber options: set them up with zf_subscriber_defaults ()");
    if (options->failover_ms == 0 || options->timeout_ms == 0)
        return zf_error_set (err, ZF_E_INVAL, "subscriber options: failover_ms or timeout_ms is 0");
    if (options->window_bytes < ZF_WINDOW_LEAST)
        return zf_error_set (err, ZF_E_INVAL,
                             "subscriber options: window_bytes is less than 64 KiB");
    size_t size = options->stream != NULL ? strnlen (options->stream, ZF_NAME_MAX + 1) : 0;
    if (size == 0 || size > ZF_NAME_MAX)
        return zf_error_set (err, ZF_E_INVAL, "the name of a stream has 1 to %d bytes",
                             ZF_NAME_MAX);
    return zf_start_check (&options->start, options->patterns, options->pattern_count, err);
}

static int join_group (zf_subscriber_t *self, const zf_subscriber_options_t *options,
                       zf_error_t *err)
{
    zf_group_options_t group;
    zf_worker_options_t worker;
    zf_group_defaults (&group);
    group.start = options->start;
    group.patterns = options->patterns;
    group.pattern_count = options->pattern_count;
    zf_worker_defaults (&worker);
    worker.endpoints = options->endpoints;
    worker.endpoint_count = options->endpoint_count;
    worker.name = options->name;
    worker.credit = options->credit;
    worker.failover_ms = options->failover_ms;
    worker.peer = options->peer;
    worker.security = options->security;
    int rc = zf_member_open (&self->worker, options->stream, options->group, &group, &worker, err);
    if (rc == 0)
        self->handle = &self->worker->handle;
    return rc;
}

int zf_subscriber_open (zf_subscriber_t **subscriber, const zf_subscriber_options_t *options,
                        zf_error_t *err)
{
    zf_subscriber_options_t defaults;
    *subscriber = NULL;
    zf_subscriber_defaults (&defaults);
    if (options == NULL)
        options = &defaults;
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_subscriber_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->handle = &self->own;
    self->timeout_ms = options->timeout_ms;
    self->on_gap = options->on_gap;
    self->arg = options->arg;
    rc = options->group != NULL ? join_group (self, options, err)
                                : zf_reading_open (self, options, err);
    if (rc != 0) {
        zf_subscriber_close (&self);
        return zf_error_wrap (err, rc, "open a subscriber");
    }
    *subscriber = self;
    return 0;
}

static bool nobody_is_inside (void *arg)
{
    const zf_subscriber_t *self = arg;
    return self->inside == 0 && (self->worker == NULL || self->worker->callers_waiting == 0);
}

/* Callers that wait are sent away, with ZF_E_CLOSED. */
static void send_away (zf_subscriber_t *self)
{
    zf_handle_enter (self->handle);
    self->closing = true;
    if (self->worker != NULL)
        self->worker->draining = true;
    zf_handle_serve (self->handle);
    zf_handle_wait (self->handle, nobody_is_inside, self, ZF_NEVER);
    if (self->worker == NULL)
        zf_handle_bye (self->handle);
    zf_handle_leave (self->handle);
}

void zf_subscriber_close (zf_subscriber_t **subscriber)
{
    zf_subscriber_t *self = subscriber != NULL ? *subscriber : NULL;
    if (self == NULL)
        return;
    *subscriber = NULL;
    if (self->handle->ops != NULL) {
        zf_handle_stop (self->handle);
        send_away (self);
    }
    if (self->own.ops != NULL)
        zf_handle_shut (&self->own);
    zf_worker_close (&self->worker);
    zf_readings_free (self);
    zf_writer_free (&self->patterns);
    free (self->stream);
    free (self);
}

/* -- ready ------------------------------------------------------------------------------------- */

static bool is_in_force (const zf_subscriber_t *self)
{
    return self->worker != NULL ? zf_member_is_in (self->worker) : zf_readings_are_on (self);
}

/* Says why the other side does not want us. Returns the code; 0: it does, as far as known. */
static int refusal_of (const zf_subscriber_t *self, zf_error_t *err)
{
    if (self->worker != NULL)
        return zf_worker_refusal (self->worker, err);
    const zf_sub_reading_t *refused = zf_readings_refused (self);
    if (refused != NULL)
        return zf_error_set (err, refused->refusal.code, "%s", refused->refusal.text);
    const zf_connection_t *denied = zf_denied_by_all (self->handle);
    return denied != NULL ? zf_denied_say (denied, err) : 0;
}

static bool is_decided (void *arg)
{
    const zf_subscriber_t *self = arg;
    bool is_known = self->worker != NULL ? is_in_force (self) : zf_readings_are_decided (self);
    return self->closing || is_known || refusal_of (self, NULL) != 0;
}

static int say_closed (zf_error_t *err)
{
    return zf_error_set (err, ZF_E_CLOSED, "the subscriber is closing");
}

static int timed_out (const zf_subscriber_t *self, zf_error_t *err)
{
    const zf_connection_t *connection = zf_handle_home (self->handle);
    const char *endpoint = zf_connection_endpoint (connection);
    if (connection->state == ZF_CONNECTION_OFF)
        return zf_error_set (err, ZF_E_TIMEOUT, "nobody was found in time for %s", endpoint);
    if (connection->refusal.code != 0)
        return zf_error_set (err, ZF_E_TIMEOUT, "%s says: %s", endpoint, connection->refusal.text);
    return zf_error_set (err, ZF_E_TIMEOUT, "no answer from %s in time", endpoint);
}

int zf_subscriber_ready (zf_subscriber_t *self, int timeout_ms, zf_error_t *err)
{
    uint64_t deadline = zf_deadline (timeout_ms < 0 ? (int64_t) self->timeout_ms : timeout_ms);
    zf_handle_enter (self->handle);
    self->inside++;
    int rc = zf_handle_wait (self->handle, is_decided, self, deadline);
    self->inside--;
    if (self->closing)
        rc = say_closed (err);
    else if (rc != 0)
        rc = timed_out (self, err);
    else if (!is_in_force (self))
        rc = refusal_of (self, err);
    zf_handle_leave (self->handle);
    return rc;
}

/* -- receiving --------------------------------------------------------------------------------- */

static bool can_go_on (void *arg)
{
    const zf_subscriber_t *self = arg;
    return self->closing || refusal_of (self, NULL) != 0 ||
           (self->ready != NULL && !self->is_telling);
}

/* Why there is no record: rc, in words. */
static int say_why (zf_subscriber_t *self, int rc, int timeout_ms, zf_error_t *err)
{
    if (self->closing)
        return say_closed (err);
    if (rc != ZF_E_TIMEOUT) {
        zf_sub_reading_t *refused = zf_readings_refused (self);
        if (refused != NULL)
            refused->refusal_told = true;
        else
            self->denial_told = true;
        return refusal_of (self, err);
    }
    if (timeout_ms == 0)
        return zf_error_set (err, ZF_E_AGAIN, "no record of %s is there", self->stream);
    return zf_error_set (err, rc, "no record of %s in time", self->stream);
}

/* With the lock held. */
static int await_record (zf_subscriber_t *self, zf_message_t *message, int timeout_ms,
                         zf_error_t *err)
{
    uint64_t deadline = zf_deadline (timeout_ms);
    int rc = 0;
    memset (message, 0, sizeof *message);
    self->inside++;
    while (rc == 0 && !self->closing && !zf_arrivals_next (self, message)) {
        if (zf_arrivals_tell (self))
            continue;
        rc = refusal_of (self, NULL);
        if (rc == 0)
            rc = zf_handle_wait (&self->own, can_go_on, self, deadline);
    }
    self->inside--;
    return rc == 0 && !self->closing ? 0 : say_why (self, rc, timeout_ms, err);
}

int zf_subscriber_recv (zf_subscriber_t *self, zf_message_t *message, int timeout_ms,
                        zf_error_t *err)
{
    if (self->worker != NULL)
        return zf_worker_recv (self->worker, message, timeout_ms, err);
    zf_handle_enter (&self->own);
    int rc = 0;
    if (!zf_arrivals_next (self, message))
        rc = await_record (self, message, timeout_ms, err);
    zf_handle_leave (&self->own);
    return rc;
}

int zf_subscriber_ack (zf_subscriber_t *self, zf_message_t *message)
{
    if (self->worker != NULL)
        return zf_worker_ack (self->worker, message);
    if (message->owner == NULL)
        return ZF_E_INVAL;
    zf_arrivals_give_back (message->owner);
    memset (message, 0, sizeof *message);
    return 0;
}

int zf_subscriber_nack (zf_subscriber_t *self, zf_message_t *message, int64_t delay_ms)
{
    if (self->worker != NULL)
        return zf_worker_nack (self->worker, message, delay_ms);
    return zf_subscriber_ack (self, message);
}

int zf_subscriber_reject (zf_subscriber_t *self, zf_message_t *message, const char *reason)
{
    if (self->worker != NULL)
        return zf_worker_reject (self->worker, message, reason);
    return zf_subscriber_ack (self, message);
}

/* One message; returns what fn did, or why there was none. */
static int run_one (zf_subscriber_t *self, zf_event_message_fn *fn, void *arg, zf_error_t *err)
{
    zf_message_t message;
    int rc = zf_subscriber_recv (self, &message, -1, err);
    if (rc != 0)
        return rc;
    rc = fn (arg, &message);
    if (rc == 0)
        zf_subscriber_ack (self, &message); /* stale: somebody else gets it, too */
    else if (self->worker != NULL)
        zf_subscriber_nack (self, &message, -1);
    return rc;
}

int zf_subscriber_run (zf_subscriber_t *self, zf_event_message_fn *fn, void *arg, uint64_t count,
                       zf_error_t *err)
{
    int rc = 0;
    zf_handle_enter (self->handle);
    self->inside++;
    zf_handle_leave (self->handle);
    for (uint64_t done = 0; rc == 0 && (count == 0 || done < count); done++)
        rc = run_one (self, fn, arg, err);
    zf_handle_enter (self->handle);
    self->inside--;
    zf_handle_leave (self->handle);
    return rc;
}

/* -- event loops and figures ------------------------------------------------------------------- */

int zf_subscriber_fd (zf_subscriber_t *self)
{
    return zf_handle_fd (self->handle);
}

int zf_subscriber_process (zf_subscriber_t *self)
{
    return zf_handle_process (self->handle);
}

void zf_subscriber_stats (zf_subscriber_t *self, zf_subscriber_stats_t *stats)
{
    zf_handle_enter (self->handle);
    stats->received = self->worker != NULL ? self->worker->stats.received : self->received;
    stats->position = self->received_to;
    stats->gaps = self->gaps;
    stats->missed = self->missed;
    stats->refills = self->refills;
    stats->reconnects = self->handle->reconnects;
    stats->in_force = is_in_force (self);
    zf_handle_leave (self->handle);
}
