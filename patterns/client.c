#include "patterns/client.h"

#include "devices/device.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define OUTBOX_LINKS 64
#define LOOK_EVERY   32 /* posts without sending, before we look whether a confirm has come */

static const char *const default_endpoints[] = {"tcp://127.0.0.1:5555"};

/* -- handle operations ------------------------------------------------------------------------- */

static zf_client_t *client_of (zf_handle_t *handle)
{
    return (zf_client_t *) (void *) handle;
}

/* What goes over one connection only goes over another one from now on, or in a new session. */
static void begin_anew (zf_client_t *self)
{
    zf_outbox_resend (&self->outboxes);
    zf_requests_send (self); /* before the questions: they may be about those */
    zf_inquiries_resend (self);
}

/* A better home is moved to while nothing is under way: a record that was sent and not confirmed
 * would be there twice. */
static void look_for_home (zf_client_t *self)
{
    bool may_move = self->outboxes.unconfirmed == 0 && self->inquiries == NULL;
    if (zf_handle_find_home (&self->handle, may_move))
        begin_anew (self);
}

static void on_ready (zf_connection_t *connection)
{
    zf_client_t *self = client_of (connection->handle);
    if (connection == zf_client_connection (self))
        begin_anew (self);
    else
        look_for_home (self);
    zf_requests_send (self);
}

/* All is kept, and sent again: to another one, or in the next session. */
static void on_lost (zf_connection_t *connection)
{
    zf_client_t *self = client_of (connection->handle);
    zf_requests_forget (self, connection);
    look_for_home (self);
    zf_requests_send (self);
}

static void on_message (zf_connection_t *connection, uint64_t command, zf_reader_t *r,
                        zmq_msg_t *body)
{
    zf_client_t *self = client_of (connection->handle);
    switch (command) {
    case ZF_CMD_CONFIRM:
        zf_outbox_on_confirm (&self->outboxes, r);
        break;
    case ZF_CMD_REPLY:
        zf_requests_on_reply (self, r, body);
        break;
    case ZF_CMD_DONE:
        zf_inquiries_on_done (self, r);
        break;
    case ZF_CMD_RESULT:
        zf_inquiries_on_result (self, r, body);
        break;
    default:
        break; /* not for a client, or of a later version */
    }
}

static uint64_t on_tick (zf_handle_t *handle, uint64_t now_ms)
{
    zf_client_t *self = client_of (handle);
    look_for_home (self);
    zf_outbox_retry (&self->outboxes);
    zf_inquiries_send (self);
    zf_requests_send (self);
    return zf_requests_tick (self, now_ms);
}

static bool is_busy (zf_handle_t *handle)
{
    const zf_client_t *self = client_of (handle);
    return self->outboxes.unconfirmed > 0 || self->requests != NULL || self->inquiries != NULL;
}

static bool has_news (zf_handle_t *handle)
{
    return client_of (handle)->replies != NULL;
}

static const zf_handle_ops_t client_ops = {
    .ready = on_ready,
    .lost = on_lost,
    .message = on_message,
    .tick = on_tick,
    .urgent = is_busy,
    .unfinished = is_busy,
    .news = has_news,
};

/* -- outcomes of posts ------------------------------------------------------------------------- */

/* Outcomes on their way to the application. */
typedef struct {
    zf_callback_t callback; /* first */
    zf_client_t *client;
    const char *queue;
    uint64_t first, count;
    int code;
} outcome_t;

static void run_outcome (zf_callback_t *callback)
{
    outcome_t *outcome = (outcome_t *) (void *) callback;
    zf_client_t *self = outcome->client;
    self->on_confirm (self->arg, outcome->queue, outcome->first, outcome->count, outcome->code);
}

static void finish_outcome (zf_handle_t *handle, zf_callback_t *callback)
{
    (void) handle;
    free (callback);
}

static void on_outcome (void *arg, zf_outbox_t *outbox, uint64_t first, uint64_t count, int code)
{
    zf_client_t *self = arg;
    outcome_t *outcome = self->on_confirm != NULL ? calloc (1, sizeof *outcome) : NULL;
    if (outcome == NULL)
        return;
    *outcome = (outcome_t){
        {run_outcome, finish_outcome, NULL, NULL}, self, outbox->name, first, count, code};
    zf_handle_call (&self->handle, &outcome->callback);
}

/* -- life -------------------------------------------------------------------------------------- */

static void set_defaults (zf_client_options_t *options)
{
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->endpoints = default_endpoints;
    options->endpoint_count = 1;
    options->timeout_ms = 5000;
    options->failover_ms = 3000;
    options->window_bytes = 4u << 20;
    options->batch_bytes = 64u << 10;
    options->outbox_bytes = UINT64_C (10) << 30;
}

void zf_client_defaults_sized (zf_client_options_t *options, size_t size)
{
    zf_client_options_t own;
    set_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

static int check (const zf_client_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "client options: set them up with zf_client_defaults ()");
    if (options->batch_bytes < 1024 || options->batch_bytes > 1u << 20)
        return zf_error_set (err, ZF_E_INVAL,
                             "client options: batch_bytes is not in 1 KiB .. 1 MiB");
    if (options->failover_ms == 0 || options->window_bytes == 0 || options->timeout_ms == 0)
        return zf_error_set (err, ZF_E_INVAL,
                             "client options: failover_ms, window_bytes or timeout_ms is 0");
    return 0;
}

int zf_client_needs_broker (const zf_client_t *self, zf_error_t *err)
{
    return self->spool == NULL
               ? 0
               : zf_error_set (err, ZF_E_INVAL, "a client with an outbox can only post to a queue");
}

/* With an outbox we are a client of the broker inside. */
static int open_spool (zf_client_t *self, const zf_client_options_t *options, zf_error_t *err)
{
    zf_spool_options_t spool = {
        .dir = options->outbox, .disk_bytes = options->outbox_bytes, .max_links = OUTBOX_LINKS};
    zf_link_defaults (&spool.link);
    spool.link.to = options->endpoints;
    spool.link.to_count = options->endpoint_count;
    spool.link.failover_ms = options->failover_ms;
    spool.link.peer = options->peer;
    spool.link.security = options->security;
    if (options->name != NULL)
        spool.link.name = options->name;
    return zf_spool_open (&self->spool, &spool, err);
}

/* To a device of this process. */
static int open_inside (zf_client_t *self, const zf_client_options_t *options, zf_error_t *err)
{
    const char *endpoint = zf_device_inside (options->device);
    zf_handle_options_t handle = {.endpoints = &endpoint,
                                  .endpoint_count = 1,
                                  .name = options->name,
                                  .failover_ms = options->failover_ms};
    if (endpoint == NULL || options->outbox != NULL)
        return zf_error_set (err, ZF_E_INVAL,
                             "client options: device is a broker or a forwarder, and there is no "
                             "outbox then");
    return zf_handle_open (&self->handle, &client_ops, &handle, err);
}

static int open_handle (zf_client_t *self, const zf_client_options_t *options, zf_error_t *err)
{
    if (options->device != NULL)
        return open_inside (self, options, err);
    zf_handle_options_t handle = {.endpoints = options->endpoints,
                                  .endpoint_count = options->endpoint_count,
                                  .name = options->name,
                                  .failover_ms = options->failover_ms,
                                  .peer = options->peer,
                                  .security = options->security};
    if (options->outbox == NULL)
        return zf_handle_open (&self->handle, &client_ops, &handle, err);
    int rc = open_spool (self, options, err);
    if (rc != 0)
        return rc;
    const char *endpoint = zf_spool_endpoint (self->spool);
    handle.endpoints = &endpoint;
    handle.endpoint_count = 1;
    return zf_handle_open (&self->handle, &client_ops, &handle, err);
}

int zf_client_open (zf_client_t **client, const zf_client_options_t *options, zf_error_t *err)
{
    zf_client_options_t defaults;
    *client = NULL;
    if (options == NULL) {
        zf_client_defaults (&defaults);
        options = &defaults;
    }
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_client_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->timeout_ms = options->timeout_ms;
    self->on_confirm = options->on_confirm;
    self->arg = options->arg;
    self->outboxes.handle = &self->handle;
    self->outboxes.batch_bytes = options->batch_bytes;
    self->outboxes.window_bytes = options->window_bytes;
    self->outboxes.outcome = on_outcome;
    self->outboxes.arg = self;
    rc = open_handle (self, options, err);
    if (rc != 0) {
        zf_client_close (&self);
        return zf_error_wrap (err, rc, "open a client");
    }
    *client = self;
    return 0;
}

static void close_handle (zf_client_t *self)
{
    zf_handle_stop (&self->handle);
    zf_handle_enter (&self->handle);
    zf_outbox_flush (&self->outboxes);
    zf_requests_close (self);
    zf_handle_bye (&self->handle);
    zf_handle_leave (&self->handle);
    zf_handle_shut (&self->handle);
}

void zf_client_close (zf_client_t **client)
{
    zf_client_t *self = client != NULL ? *client : NULL;
    if (self == NULL)
        return;
    *client = NULL;
    if (self->handle.ops != NULL)
        close_handle (self);
    zf_spool_close (&self->spool);
    zf_outbox_free (&self->outboxes);
    zf_timers_free (&self->timers);
    free (self);
}

/* -- posting ----------------------------------------------------------------------------------- */

int zf_client_timed_out (zf_client_t *self, zf_error_t *err)
{
    const zf_connection_t *connection = zf_client_connection (self);
    const char *endpoint = zf_connection_endpoint (connection);
    const zf_error_t *refusal = &connection->refusal;
    if (refusal->code == ZF_E_DENIED)
        return zf_handle_denied (&self->handle, err);
    if (refusal->code == ZF_E_VERSION && connection->state != ZF_CONNECTION_READY)
        return zf_error_set (err, ZF_E_VERSION, "%s: %s", endpoint, refusal->text);
    if (refusal->code != 0)
        return zf_error_set (err, ZF_E_TIMEOUT, "%s says: %s", endpoint, refusal->text);
    if (connection->state == ZF_CONNECTION_READY)
        return zf_error_set (err, ZF_E_TIMEOUT, "no answer from %s in time", endpoint);
    if (connection->state == ZF_CONNECTION_OFF)
        return zf_error_set (err, ZF_E_TIMEOUT, "nobody was found in time for %s", endpoint);
    return zf_error_set (err, ZF_E_TIMEOUT, "no broker answered at %s in time", endpoint);
}

static int check_name (const char *name, const char *what, zf_error_t *err)
{
    size_t size = name != NULL ? strnlen (name, ZF_NAME_MAX + 1) : 0;
    if (size == 0 || size > ZF_NAME_MAX)
        return zf_error_set (err, ZF_E_INVAL, "the name of a %s has 1 to %d bytes", what,
                             ZF_NAME_MAX);
    return 0;
}

typedef struct {
    const zf_outboxes_t *outboxes;
    size_t bytes;
} room_t;

static bool has_room (void *arg)
{
    const room_t *room = arg;
    return zf_outbox_has_room (room->outboxes, room->bytes);
}

/* Encodes the properties into the scratch buffer, and the record's size into *bytes. */
static int measure (zf_client_t *self, const void *body, size_t *size, const zf_props_t *props,
                    size_t *bytes, zf_error_t *err)
{
    const zf_writer_t *scratch = &self->outboxes.scratch;
    int rc = zf_body_size (body, *size, props, size);
    if (rc == 0)
        rc = zf_outbox_encode (&self->outboxes, props);
    if (rc == ZF_E_INVAL)
        return zf_error_set (err, rc, "the properties of the record are out of their limits");
    *bytes = zf_record_size (scratch->size, *size);
    const zf_connection_t *connection = zf_client_connection (self);
    if (rc == 0 && *bytes + ZF_BATCH_HEADER > connection->max_message_bytes)
        rc = connection->was_greeted ? ZF_E_TOO_BIG : ZF_E_AGAIN;
    if (rc == ZF_E_AGAIN) /* how large is too large, a broker will say */
        return rc;
    return rc == 0 ? 0
                   : zf_error_set (err, rc, "a record of %zu bytes: %s", *size, zf_strerror (rc));
}

typedef enum { WAIT_NEVER, WAIT_FOR_ROOM, WAIT_FOR_CONFIRM } patience_t;

static bool is_settled (void *arg)
{
    const zf_blocked_t *blocked = arg;
    return blocked->done;
}

static int wait_for_confirm (zf_client_t *self, zf_outbox_t *outbox, uint64_t number,
                             uint64_t deadline, zf_error_t *err)
{
    zf_blocked_t blocked = {.number = number};
    DL_APPEND (outbox->blocked, &blocked);
    if (outbox->open != NULL)
        zf_outbox_flush (&self->outboxes);
    int rc = zf_handle_await (&self->handle, is_settled, &blocked, deadline);
    DL_DELETE (outbox->blocked, &blocked);
    if (rc != 0)
        return zf_client_timed_out (self, err);
    if (blocked.code == ZF_E_DENIED)
        return zf_error_set (err, ZF_E_DENIED, "may not %s '%s'",
                             outbox->is_stream ? "publish to" : "post to", outbox->name);
    if (blocked.code != 0)
        zf_error_set (err, blocked.code, "queue %s: %s", outbox->name, zf_strerror (blocked.code));
    return blocked.code;
}

/* With the lock held, and the record measured. */
static int add (zf_client_t *self, const char *queue, const void *body, size_t size,
                const zf_props_t *props, uint64_t *number, patience_t patience, zf_error_t *err)
{
    zf_outbox_t *outbox = zf_outbox_for (&self->outboxes, queue);
    uint64_t taken;
    if (self->spool != NULL && outbox != NULL && outbox->next == 1) {
        int rc = zf_spool_serve (self->spool, queue, err);
        if (rc != 0)
            return rc;
    }
    if (outbox == NULL || zf_outbox_add (&self->outboxes, outbox, body, size, props, &taken) != 0)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    if (number != NULL)
        *number = taken;
    if (patience == WAIT_FOR_CONFIRM)
        return wait_for_confirm (self, outbox, taken, zf_deadline (self->timeout_ms), err);
    if (outbox->open != NULL && (outbox->open->count == 1 || taken % LOOK_EVERY == 0))
        zf_handle_pump (&self->handle);
    return 0;
}

static int wait_for_room (zf_client_t *self, size_t bytes, patience_t patience, zf_error_t *err)
{
    room_t room = {&self->outboxes, bytes};
    if (has_room (&room))
        return 0;
    zf_outbox_flush (&self->outboxes);
    zf_handle_pump (&self->handle);
    if (has_room (&room))
        return 0;
    if (patience == WAIT_NEVER)
        return zf_error_set (err, ZF_E_AGAIN, "the window is full");
    if (zf_handle_await (&self->handle, has_room, &room, zf_deadline (self->timeout_ms)) != 0)
        return zf_client_timed_out (self, err);
    return 0;
}

static bool was_greeted (void *arg)
{
    const zf_client_t *self = arg;
    return zf_client_connection (self)->was_greeted;
}

static int wait_for_limits (zf_client_t *self, patience_t patience, zf_error_t *err)
{
    if (patience == WAIT_NEVER)
        return zf_error_set (err, ZF_E_AGAIN, "no broker has said yet how large a record may be");
    if (zf_handle_await (&self->handle, was_greeted, self, zf_deadline (self->timeout_ms)) != 0)
        return zf_client_timed_out (self, err);
    return 0;
}

static int post (zf_client_t *self, const char *queue, const void *body, size_t size,
                 const zf_props_t *props, uint64_t *number, patience_t patience, zf_error_t *err)
{
    size_t bytes = 0;
    int rc = check_name (queue, "queue", err);
    if (rc != 0)
        return rc;
    zf_handle_enter (&self->handle);
    rc = measure (self, body, &size, props, &bytes, err);
    if (rc == ZF_E_AGAIN)
        rc = wait_for_limits (self, patience, err);
    if (rc == 0 && bytes + ZF_BATCH_HEADER > ZF_MESSAGE_LEAST)
        rc = measure (self, body, &size, props, &bytes, err);
    if (rc == 0 && !zf_outbox_has_room (&self->outboxes, bytes)) {
        rc = wait_for_room (self, bytes, patience, err);
        if (rc == 0) /* others may have used the scratch buffer meanwhile */
            rc = measure (self, body, &size, props, &bytes, err);
    }
    if (rc == 0)
        rc = add (self, queue, body, size, props, number, patience, err);
    zf_handle_leave (&self->handle);
    return rc;
}

int zf_client_post (zf_client_t *self, const char *queue, const void *body, size_t size,
                    const zf_props_t *props, zf_error_t *err)
{
    return post (self, queue, body, size, props, NULL, WAIT_FOR_CONFIRM, err);
}

int zf_client_post_async (zf_client_t *self, const char *queue, const void *body, size_t size,
                          const zf_props_t *props, uint64_t *number, zf_error_t *err)
{
    return post (self, queue, body, size, props, number, WAIT_FOR_ROOM, err);
}

int zf_client_try_post (zf_client_t *self, const char *queue, const void *body, size_t size,
                        const zf_props_t *props, uint64_t *number, zf_error_t *err)
{
    return post (self, queue, body, size, props, number, WAIT_NEVER, err);
}

int zf_client_stream (zf_client_t *self, const char *stream, zf_error_t *err)
{
    int rc = check_name (stream, "stream", err);
    if (rc != 0)
        return rc;
    zf_handle_enter (&self->handle);
    zf_outbox_t *outbox = zf_outbox_for (&self->outboxes, stream);
    if (outbox != NULL)
        outbox->is_stream = true;
    zf_handle_leave (&self->handle);
    return outbox != NULL ? 0 : zf_error_set (err, ZF_E_NOMEM, "out of memory");
}

static bool is_flushed (void *arg)
{
    const zf_client_t *self = arg;
    const zf_outbox_t *outbox;
    for (outbox = self->outboxes.table; outbox != NULL; outbox = outbox->hh.next) {
        if (zf_outbox_low (outbox) < outbox->flush_to)
            return false;
    }
    return true;
}

int zf_client_flush (zf_client_t *self, int timeout_ms, zf_error_t *err)
{
    zf_outbox_t *outbox;
    zf_handle_enter (&self->handle);
    for (outbox = self->outboxes.table; outbox != NULL; outbox = outbox->hh.next)
        outbox->flush_to = outbox->next;
    zf_outbox_flush (&self->outboxes);
    uint64_t deadline = zf_deadline (timeout_ms < 0 ? (int64_t) self->timeout_ms : timeout_ms);
    int rc = zf_handle_await (&self->handle, is_flushed, self, deadline);
    if (rc != 0) {
        rc = zf_client_timed_out (self, err);
    } else {
        rc = self->outboxes.refusal;
        self->outboxes.refusal = 0;
        if (rc != 0)
            zf_error_set (err, rc, "some records were refused: %s", zf_strerror (rc));
    }
    zf_handle_leave (&self->handle);
    return rc;
}

/* -- event loops and figures ------------------------------------------------------------------- */

int zf_client_fd (zf_client_t *self)
{
    return zf_handle_fd (&self->handle);
}

int zf_client_process (zf_client_t *self)
{
    return zf_handle_process (&self->handle);
}

void zf_client_stats (zf_client_t *self, zf_client_stats_t *stats)
{
    zf_handle_enter (&self->handle);
    const zf_outboxes_t *outboxes = &self->outboxes;
    stats->posted = outboxes->confirmed + outboxes->refused + outboxes->unconfirmed;
    stats->confirmed = outboxes->confirmed;
    stats->refused = outboxes->refused;
    stats->batches = outboxes->batches;
    stats->requests = self->requests_made;
    stats->replies = self->replies_got;
    stats->reconnects = self->handle.reconnects;
    stats->connected = zf_client_connection (self)->state == ZF_CONNECTION_READY;
    stats->sync = zf_client_connection (self)->sync;
    zf_handle_leave (&self->handle);
    stats->backlog = self->spool != NULL ? zf_spool_backlog (self->spool) : 0;
}
