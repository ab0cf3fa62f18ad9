#include "patterns/client.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define REQUESTS_MAX 65536
#define LOOK_EVERY   32 /* requests, before we look whether an answer has come */

enum { TIMER_REQUEST = 1 };

/* A request until its final answer. */
struct zf_request {
    uint64_t number;
    char *service;
    uint32_t flags; /* ZF_ASK_... */
    uint64_t deadline_ms;
    uint32_t sends_left;   /* the first one included */
    zf_connection_t *sent; /* where it is under way; NULL: nowhere */
    zf_buffer_t *record;   /* a batch of one */
    zf_timer_t timer;      /* set if nobody waits */
    zf_reply_fn *fn;       /* parts, and the end unless blocking */
    void *arg;
    bool blocking; /* somebody waits: reply and code are for them */
    bool done;
    uint32_t parts; /* callbacks with parts that are not made yet */
    zf_message_t reply;
    zf_error_t reason; /* in words, if reply.code is not 0 */
    UT_hash_handle hh;
};

/* A reply on its way to the application: to a callback, or to be fetched. */
struct zf_reply_node {
    zf_owner_t owner; /* first: a failed message belongs to its node, where its reason is */
    zf_callback_t callback;
    zf_client_t *client;
    zf_reply_fn *fn;
    void *arg;
    uint64_t waited_by; /* number of the blocking request that it is a part for; 0: none */
    zf_message_t message;
    char reason[128]; /* the body of a failed one */
    zf_reply_node_t *prev, *next;
};

/* -- replies to the application ---------------------------------------------------------------- */

static void free_node (zf_reply_node_t *node)
{
    zf_message_release (&node->message);
    free (node);
}

static zf_reply_node_t *node_of (zf_callback_t *callback)
{
    return (zf_reply_node_t *) (void *) ((char *) callback - offsetof (zf_reply_node_t, callback));
}

static void run_reply (zf_callback_t *callback)
{
    zf_reply_node_t *node = node_of (callback);
    node->fn (node->arg, &node->message);
}

static void finish_reply (zf_handle_t *handle, zf_callback_t *callback)
{
    zf_reply_node_t *node = node_of (callback);
    zf_client_t *self = (zf_client_t *) (void *) handle;
    zf_request_t *request = NULL;
    if (node->waited_by != 0)
        HASH_FIND (hh, self->requests, &node->waited_by, sizeof node->waited_by, request);
    if (request != NULL)
        request->parts--;
    free_node (node);
}

/* Hands a reply to whoever wants it: a callback, or zf_client_next_reply. Takes the message
 * over. */
static void hand_over (zf_client_t *self, zf_request_t *request, zf_message_t *message,
                       const char *reason)
{
    zf_reply_node_t *node = calloc (1, sizeof *node);
    if (node == NULL) { /* no memory even to say so */
        zf_message_release (message);
        return;
    }
    node->client = self;
    node->message = *message;
    node->fn = request->fn;
    node->arg = request->arg;
    if (message->code != 0 && reason != NULL) {
        snprintf (node->reason, sizeof node->reason, "%s", reason);
        node->message.body = node->reason;
        node->message.size = strlen (node->reason);
    }
    if (request->fn == NULL) {
        DL_APPEND (self->replies, node);
        return;
    }
    node->callback.run = run_reply;
    node->callback.finish = finish_reply;
    if (request->blocking) {
        node->waited_by = request->number;
        request->parts++;
    }
    zf_handle_call (&self->handle, &node->callback);
}

/* -- the life of a request --------------------------------------------------------------------- */

/* It is no longer under way. */
static void take_back (zf_request_t *request)
{
    if (request->sent != NULL)
        request->sent->outstanding--;
    request->sent = NULL;
}

static void free_request (zf_client_t *self, zf_request_t *request)
{
    take_back (request);
    HASH_DEL (self->requests, request);
    zf_timers_cancel (&self->timers, &request->timer);
    zf_buffer_drop (request->record);
    free (request->service);
    free (request);
}

/* The end: takes the message over. A blocking one is freed by who waits. */
static void complete (zf_client_t *self, zf_request_t *request, zf_message_t *message,
                      const char *reason)
{
    self->replies_got++;
    take_back (request);
    message->id = request->number;
    if (request->blocking) {
        request->reply = *message;
        request->done = true;
        if (message->code != 0)
            zf_error_set (&request->reason, message->code, "service %s: %s", request->service,
                          reason != NULL && reason[0] != '\0' ? reason
                                                              : zf_strerror (message->code));
        return;
    }
    hand_over (self, request, message, reason != NULL ? reason : zf_strerror (message->code));
    free_request (self, request);
}

static void fail (zf_client_t *self, zf_request_t *request, int code, const char *reason)
{
    zf_message_t message = {.code = code};
    complete (self, request, &message, reason);
}

/* True if a request had better go to a than to b: to one that stays, with less to do. */
static bool is_freer (const zf_connection_t *a, const zf_connection_t *b)
{
    if (a->is_fading != b->is_fading)
        return b->is_fading;
    return a->outstanding < b->outstanding;
}

/* The connection for the next request; NULL: none has a session. */
static zf_connection_t *choose (zf_client_t *self)
{
    zf_handle_t *handle = &self->handle;
    zf_connection_t *chosen = NULL;
    for (size_t i = 0; i < handle->connection_count; i++) {
        size_t at = (self->turn + i) % handle->connection_count;
        zf_connection_t *connection = &handle->connections[at];
        if (connection->state == ZF_CONNECTION_READY &&
            (chosen == NULL || is_freer (connection, chosen)))
            chosen = connection;
    }
    if (chosen != NULL)
        self->turn = (size_t) (chosen - handle->connections) + 1;
    return chosen;
}

static void send_to (zf_client_t *self, zf_request_t *request, zf_connection_t *connection,
                     uint64_t now_ms)
{
    zmq_msg_t body;
    if (request->record->size > connection->max_message_bytes) {
        fail (self, request, ZF_E_TOO_BIG, "larger than the broker's limit");
        return;
    }
    if (zf_buffer_message (request->record, &body) != 0)
        return;
    uint64_t ttl = request->deadline_ms == ZF_NEVER ? 0
                   : request->deadline_ms > now_ms  ? request->deadline_ms - now_ms
                                                    : 1;
    zf_writer_t *w = zf_handle_control (&self->handle, ZF_CMD_REQUEST, 4);
    zf_mp_put_str (w, zf_bytes_of (request->service));
    zf_mp_put_uint (w, ttl);
    zf_mp_put_uint (w, request->flags);
    if (!zf_connection_send (connection, &body)) {
        zmq_msg_close (&body);
        return;
    }
    request->sends_left--;
    request->sent = connection;
    connection->outstanding++;
}

/* To whoever has the least to do, if anybody is there. One that was lost and is not to be repeated
 * ends at once. */
static void send_request (zf_client_t *self, zf_request_t *request, uint64_t now_ms)
{
    if (request->done)
        return;
    if (request->sends_left == 0) {
        fail (self, request, ZF_E_TIMEOUT, "the connection was lost, and no retry is left");
        return;
    }
    zf_connection_t *connection = choose (self);
    if (connection != NULL)
        send_to (self, request, connection, now_ms);
}

void zf_requests_send (zf_client_t *self)
{
    uint64_t now = zf_clock_ms ();
    zf_request_t *request, *next;
    HASH_ITER (hh, self->requests, request, next) {
        if (request->sent == NULL)
            send_request (self, request, now);
    }
}

void zf_requests_forget (zf_client_t *self, const zf_connection_t *connection)
{
    zf_request_t *request, *next;
    HASH_ITER (hh, self->requests, request, next) {
        if (request->sent == connection)
            take_back (request);
    }
}

uint64_t zf_requests_tick (zf_client_t *self, uint64_t now_ms)
{
    zf_timer_t *timer;
    while ((timer = zf_timers_pop (&self->timers, now_ms)) != NULL) {
        zf_request_t *request =
            (zf_request_t *) (void *) ((char *) timer - offsetof (zf_request_t, timer));
        fail (self, request, ZF_E_TIMEOUT, "no answer in time");
    }
    return zf_timers_next (&self->timers);
}

void zf_requests_close (zf_client_t *self)
{
    zf_request_t *request, *next;
    HASH_ITER (hh, self->requests, request, next)
        fail (self, request, ZF_E_CLOSED, "the client was closed");
    while (self->replies != NULL) {
        zf_reply_node_t *node = self->replies;
        DL_DELETE (self->replies, node);
        free_node (node);
    }
}

/* -- answers from the broker ------------------------------------------------------------------- */

static void on_answer (zf_client_t *self, zf_request_t *request, bool more, zf_parcel_t *parcel)
{
    zf_message_t message;
    if (!zf_parcel_next (parcel, &message)) {
        fail (self, request, ZF_E_PROTO, "the answer is malformed");
        return;
    }
    message.id = request->number;
    message.flags = more ? ZF_MESSAGE_MORE : 0;
    zf_parcel_own (parcel, &message);
    if (!more)
        complete (self, request, &message, NULL);
    else if (request->blocking && request->fn == NULL)
        zf_message_release (&message); /* nobody wants the parts */
    else
        hand_over (self, request, &message, NULL);
}

void zf_requests_on_reply (zf_client_t *self, zf_reader_t *r, zmq_msg_t *body)
{
    uint64_t number = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    bool more = zf_mp_bool (r);
    zf_bytes_t words = zf_mp_bytes (r);
    zf_request_t *request = NULL;
    if (r->failed || code > 1000)
        return;
    HASH_FIND (hh, self->requests, &number, sizeof number, request);
    if (request == NULL || request->done)
        return; /* it has timed out */
    if (code != 0) {
        char reason[128];
        snprintf (reason, sizeof reason, "%.*s", (int) (words.size < 127 ? words.size : 127),
                  (const char *) words.data);
        fail (self, request, -(int) code, reason);
        return;
    }
    int rc;
    zf_parcel_t *parcel = zf_parcel_open (body, &rc);
    if (parcel == NULL) {
        fail (self, request, rc, zf_strerror (rc));
        return;
    }
    on_answer (self, request, more, parcel);
    zf_parcel_drop (parcel);
}

/* -- asking ------------------------------------------------------------------------------------ */

static void set_request_defaults (zf_request_options_t *options)
{
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->retries = 3;
}

void zf_request_defaults_sized (zf_request_options_t *options, size_t size)
{
    zf_request_options_t own;
    set_request_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

static int check (zf_client_t *self, const char *service, const zf_request_options_t *options,
                  zf_error_t *err)
{
    size_t size = service != NULL ? strnlen (service, ZF_NAME_MAX + 1) : 0;
    if (size == 0 || size > ZF_NAME_MAX)
        return zf_error_set (err, ZF_E_INVAL, "the name of a service has 1 to %d bytes",
                             ZF_NAME_MAX);
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "request options: set them up with zf_request_defaults ()");
    if (HASH_COUNT (self->requests) >= REQUESTS_MAX)
        return zf_error_set (err, ZF_E_AGAIN, "%d requests are under way", REQUESTS_MAX);
    return zf_client_needs_broker (self, err);
}

static zf_request_t *new_request (zf_client_t *self, const char *service,
                                  const zf_request_options_t *options)
{
    zf_request_t *request = calloc (1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->service = strdup (service);
    request->number = ++self->request_number;
    request->flags = options->fail_fast ? ZF_ASK_FAIL_FAST : 0;
    request->deadline_ms =
        zf_deadline (options->timeout_ms > 0 ? options->timeout_ms : self->timeout_ms);
    request->sends_left = 1 + options->retries;
    request->timer.kind = TIMER_REQUEST;
    if (request->service != NULL)
        HASH_ADD (hh, self->requests, number, sizeof request->number, request);
    if (request->service == NULL || request->hh.tbl == NULL) {
        free (request->service);
        free (request);
        return NULL;
    }
    return request;
}

/* Makes a request and sends it, if it can be sent now. With the lock held. */
static int begin (zf_client_t *self, zf_request_t **out, const char *service, const void *body,
                  size_t size, const zf_request_options_t *options, zf_error_t *err)
{
    int rc = check (self, service, options, err);
    if (rc != 0)
        return rc;
    zf_request_t *request = new_request (self, service, options);
    if (request == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    rc = zf_buffer_record (&request->record, body, size, options->props, request->number);
    if (rc != 0) {
        free_request (self, request);
        return zf_error_set (err, rc, "a request of %zu bytes: %s", size, zf_strerror (rc));
    }
    self->requests_made++;
    *out = request;
    return 0;
}

static bool is_done (void *arg)
{
    const zf_request_t *request = arg;
    return request->done && request->parts == 0;
}

static bool has_no_parts (void *arg)
{
    const zf_request_t *request = arg;
    return request->parts == 0;
}

/* The call is over, and with it what on_part's argument points to: parts that were not handed over
 * yet are taken back, and one that is being handed over by another thread is waited for. */
static void take_back_parts (zf_client_t *self, zf_request_t *request)
{
    zf_callback_t *callback, *next;
    request->done = true;
    DL_FOREACH_SAFE (self->handle.callbacks, callback, next) {
        if (callback->run != run_reply || node_of (callback)->waited_by != request->number)
            continue;
        DL_DELETE (self->handle.callbacks, callback);
        finish_reply (&self->handle, callback);
    }
    if (request->parts > 0)
        zf_handle_wait (&self->handle, has_no_parts, request, ZF_NEVER);
}

int zf_client_request (zf_client_t *self, const char *service, const void *body, size_t size,
                       const zf_request_options_t *options, zf_message_t *reply, zf_error_t *err)
{
    zf_request_options_t defaults;
    zf_request_t *request = NULL;
    zf_request_defaults (&defaults);
    memset (reply, 0, sizeof *reply);
    options = options != NULL ? options : &defaults;
    zf_handle_enter (&self->handle);
    int rc = begin (self, &request, service, body, size, options, err);
    if (request != NULL) {
        request->blocking = true;
        request->fn = options->on_part;
        request->arg = options->arg;
        send_request (self, request, zf_clock_ms ());
        rc = zf_handle_await (&self->handle, is_done, request, request->deadline_ms);
        if (rc != 0) {
            rc = zf_client_timed_out (self, err);
            take_back_parts (self, request);
            zf_message_release (&request->reply);
        } else if (request->reply.code != 0) {
            rc = zf_error_set (err, request->reply.code, "%s", request->reason.text);
        } else {
            *reply = request->reply;
        }
        free_request (self, request);
    }
    zf_handle_leave (&self->handle);
    return rc;
}

int zf_client_request_async (zf_client_t *self, const char *service, const void *body, size_t size,
                             const zf_request_options_t *options, zf_reply_fn *fn, void *arg,
                             uint64_t *number, zf_error_t *err)
{
    zf_request_options_t defaults;
    zf_request_t *request = NULL;
    zf_request_defaults (&defaults);
    zf_handle_enter (&self->handle);
    int rc =
        begin (self, &request, service, body, size, options != NULL ? options : &defaults, err);
    if (request != NULL &&
        zf_timers_set (&self->timers, &request->timer, request->deadline_ms) != 0) {
        free_request (self, request);
        request = NULL;
        rc = zf_error_set (err, ZF_E_NOMEM, "out of memory");
    }
    if (request != NULL) {
        request->fn = fn;
        request->arg = arg;
        if (number != NULL)
            *number = request->number;
        zf_handle_due (&self->handle, request->deadline_ms);
        uint64_t made = request->number;
        send_request (self, request, zf_clock_ms ()); /* which may be its end */
        if (made % LOOK_EVERY == 0)
            zf_handle_pump (&self->handle);
    }
    zf_handle_leave (&self->handle);
    return rc;
}

static bool has_reply (void *arg)
{
    const zf_client_t *self = arg;
    return self->replies != NULL;
}

int zf_client_next_reply (zf_client_t *self, zf_message_t *reply, int timeout_ms, zf_error_t *err)
{
    memset (reply, 0, sizeof *reply);
    zf_handle_enter (&self->handle);
    int rc = 0;
    if (self->replies == NULL)
        rc = zf_handle_await (&self->handle, has_reply, self, zf_deadline (timeout_ms));
    if (rc == 0) {
        zf_reply_node_t *node = self->replies;
        DL_DELETE (self->replies, node);
        *reply = node->message;
        node->owner.release = free;
        if (reply->owner == NULL)
            reply->owner = node;
        else
            free (node);
    } else if (timeout_ms == 0) {
        rc = zf_error_set (err, ZF_E_AGAIN, "no reply is there");
    } else {
        rc = zf_client_timed_out (self, err);
    }
    zf_handle_leave (&self->handle);
    return rc;
}
