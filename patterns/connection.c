#include "patterns/connection.h"

#include "devices/shell.h"
#include "patterns/resolver.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <zferry/error.h>

#define HELLO_AGAIN_MS 1000
#define HELLO_PAUSE_MS 100 /* a broker that ends our sessions at once is not hammered */
#define HEARTBEAT_MS   500 /* until a WELCOME says otherwise */
#define IDLE_MS        60000
#define MESSAGE_MAX    (UINT64_C (1) << 31) /* the broker chooses; this only stops nonsense */

static void look_after (zf_connection_t *connection, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (connection->handle->loop_fd >= 0 && fd >= 0)
        epoll_ctl (connection->handle->loop_fd, EPOLL_CTL_ADD, fd, &event);
}

/* Without a monitor a lost connection is noticed when heartbeats are missed. */
static void open_monitor (zf_connection_t *connection)
{
    size_t size = sizeof connection->monitor_fd;
    if (zf_socket_monitor (&connection->monitor, &connection->socket, NULL) != 0 ||
        zmq_getsockopt (connection->monitor.raw, ZMQ_FD, &connection->monitor_fd, &size) != 0)
        connection->monitor_fd = -1;
    look_after (connection, connection->monitor_fd);
}

static void close_monitor (zf_connection_t *connection)
{
    if (connection->monitor.raw != NULL)
        zf_socket_unmonitor (&connection->socket, &connection->monitor);
    connection->monitor_fd = -1; /* poll looks past it */
}

static void close_sockets (zf_connection_t *connection)
{
    close_monitor (connection);
    zf_socket_close (&connection->socket);
    connection->local = NULL;
    connection->fd = -1;
}

/* Without a socket: into a device of this process. */
static int open_local (zf_connection_t *connection)
{
    connection->local = zf_shell_local (connection->handle->ridden);
    connection->fd = zf_local_fd (connection->local);
    zf_local_reset (connection->local);
    connection->handle->has_sent = true;
    look_after (connection, connection->fd);
    return 0;
}

static bool is_inside (const zf_connection_t *connection)
{
    return strncmp (connection->handle->endpoints[connection->endpoint], "inproc://", 9) == 0;
}

int zf_connection_open (zf_connection_t *connection, zf_error_t *err)
{
    zf_handle_t *handle = connection->handle;
    connection->state = ZF_CONNECTION_OPENING;
    connection->opened_ms = zf_clock_ms ();
    connection->monitor_fd = -1;
    if (!connection->was_greeted) {
        connection->heartbeat_ms = HEARTBEAT_MS;
        connection->idle_ms = IDLE_MS;
        connection->max_message_bytes = ZF_MESSAGE_LEAST;
    }
    if (handle->ridden != NULL)
        return open_local (connection);
    int rc = zf_socket_dealer (&connection->socket, MESSAGE_MAX, err);
    if (rc == 0)
        zf_socket_secure (&connection->socket, handle->security);
    if (rc == 0 && (connection->is_watched || !is_inside (connection)))
        open_monitor (connection);
    if (rc == 0)
        rc = zf_socket_connect (&connection->socket, handle->endpoints[connection->endpoint], err);
    size_t size = sizeof connection->fd;
    if (rc == 0 && zmq_getsockopt (connection->socket.raw, ZMQ_FD, &connection->fd, &size) != 0)
        rc = zf_error_set (err, ZF_E_IO, "%s", zmq_strerror (zmq_errno ()));
    if (rc != 0)
        close_sockets (connection);
    else
        look_after (connection, connection->fd);
    return rc;
}

/* -- out --------------------------------------------------------------------------------------- */

static bool is_open (const zf_connection_t *connection)
{
    return connection->socket.raw != NULL || connection->local != NULL;
}

/* Sends handle->control and the body; the session's state does not matter. */
static bool send_now (zf_connection_t *connection, zmq_msg_t *body)
{
    zf_handle_t *handle = connection->handle;
    zf_writer_t *control = &handle->control;
    handle->touched = true;
    handle->has_sent = true;
    if (control->failed || !is_open (connection))
        return false;
    if (connection->local != NULL)
        return zf_local_send (connection->local, zf_bytes (control->data, control->size), body);
    int flags = ZMQ_DONTWAIT | (body != NULL ? ZMQ_SNDMORE : 0);
    if (zmq_send (connection->socket.raw, control->data, control->size, flags) < 0)
        return false;
    if (body != NULL)
        zf_socket_hands_over (zmq_msg_data (body));
    if (body != NULL && zmq_msg_send (body, connection->socket.raw, ZMQ_DONTWAIT) < 0)
        return false;
    return true;
}

bool zf_connection_send (zf_connection_t *connection, zmq_msg_t *body)
{
    zf_handle_t *handle = connection->handle;
    if (connection->state != ZF_CONNECTION_READY)
        return false;
    uint64_t now = zf_clock_ms ();
    bool sent = send_now (connection, body);
    if (sent)
        connection->sent_ms = now;
    if (connection->asked_ms == 0) /* also if there is nobody to send it to any more (inproc) */
        connection->asked_ms = now;
    zf_handle_due (handle, connection->asked_ms + handle->failover_ms);
    return sent;
}

void zf_connection_ping (zf_connection_t *connection)
{
    zf_handle_control (connection->handle, ZF_CMD_PING, 1);
    if (zf_connection_send (connection, NULL))
        connection->pings++;
}

static void say_hello (zf_connection_t *connection)
{
    zf_handle_t *handle = connection->handle;
    zf_writer_t *w = zf_handle_control (handle, ZF_CMD_HELLO, 4);
    zf_mp_put_uint (w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (w, zf_bytes (handle->uuid, sizeof handle->uuid));
    zf_mp_put_map (w, handle->name[0] != '\0');
    if (handle->name[0] != '\0') {
        zf_mp_put_uint (w, ZF_OPTION_NAME);
        zf_mp_put_str (w, zf_bytes_of (handle->name));
    }
    connection->state = ZF_CONNECTION_GREETING;
    connection->hello_ms = zf_clock_ms ();
    send_now (connection, NULL);
    handle->tick_due_ms = 0;
}

/* -- the session ------------------------------------------------------------------------------- */

static void lose_session (zf_connection_t *connection)
{
    if (connection->state != ZF_CONNECTION_READY)
        return;
    connection->state = ZF_CONNECTION_OPENING;
    connection->opened_ms = zf_clock_ms ();
    connection->asked_ms = 0;
    connection->epoch++;
    connection->handle->ops->lost (connection);
    connection->handle->tick_due_ms = 0;
}

void zf_connection_shut (zf_connection_t *connection)
{
    close_sockets (connection);
}

void zf_connection_close (zf_connection_t *connection)
{
    zf_handle_t *handle = connection->handle;
    lose_session (connection);
    close_sockets (connection);
    connection->state = ZF_CONNECTION_OFF;
    free (handle->endpoints[connection->endpoint]);
    handle->endpoints[connection->endpoint] = NULL;
    atomic_store (&handle->resolver->changed, true); /* there is room for another one */
}

static void on_reset (zf_connection_t *connection)
{
    /* More than one may be under way, for messages that an ended session had sent: only the first
     * counts. */
    if (connection->state == ZF_CONNECTION_GREETING)
        return;
    lose_session (connection);
    uint64_t now = zf_clock_ms ();
    connection->opened_ms = now;
    if (connection->hello_ms + HELLO_PAUSE_MS <= now) {
        say_hello (connection);
        return;
    }
    connection->state = ZF_CONNECTION_GREETING; /* the tick says it, a little later */
    connection->hello_ms = now + HELLO_PAUSE_MS - HELLO_AGAIN_MS;
    connection->handle->tick_due_ms = 0;
}

static zf_sync_t read_sync (zf_reader_t *r)
{
    uint64_t value = zf_mp_uint (r);
    return value <= ZF_SYNC_NEVER ? (zf_sync_t) value : ZF_SYNC_NONE;
}

static void read_source (zf_connection_t *connection, zf_reader_t *r)
{
    zf_bytes_t source = zf_mp_bytes (r);
    if (source.size == sizeof connection->source)
        memcpy (connection->source, source.data, source.size);
}

static void read_option (zf_connection_t *connection, zf_reader_t *r)
{
    switch (zf_mp_uint (r)) {
    case ZF_OPTION_HEARTBEAT:
        connection->heartbeat_ms = zf_mp_uint (r);
        break;
    case ZF_OPTION_IDLE:
        connection->idle_ms = zf_mp_uint (r);
        break;
    case ZF_OPTION_WINDOW:
        connection->window_bytes = zf_mp_uint (r);
        break;
    case ZF_OPTION_MAX_MESSAGE:
        connection->max_message_bytes = zf_mp_uint (r);
        break;
    case ZF_OPTION_SYNC:
        connection->sync = read_sync (r);
        break;
    case ZF_OPTION_SOURCE:
        read_source (connection, r);
        break;
    default:
        zf_mp_skip (r);
    }
}

/* Another connection that leads to the same broker; NULL: none does. */
static zf_connection_t *twin_of (const zf_connection_t *connection)
{
    static const uint8_t unknown[ZF_UUID_BYTES];
    zf_handle_t *handle = connection->handle;
    if (memcmp (connection->source, unknown, sizeof unknown) == 0)
        return NULL;
    for (size_t i = 0; i < handle->connection_count; i++) {
        zf_connection_t *other = &handle->connections[i];
        bool lives = other->state == ZF_CONNECTION_READY || other->state == ZF_CONNECTION_GREETING;
        if (other != connection && lives && !other->is_double &&
            memcmp (other->source, connection->source, sizeof unknown) == 0)
            return other;
    }
    return NULL;
}

/* To the broker we are one peer: with two connections each would end the session of the other, for
 * ever. Returns false if this one is not needed. */
static bool is_needed (zf_connection_t *connection)
{
    zf_connection_t *twin = twin_of (connection);
    if (twin != NULL && twin->is_fading && !connection->is_fading)
        zf_connection_close (twin);
    else
        connection->is_double = twin != NULL;
    return !connection->is_double;
}

static void on_welcome (zf_connection_t *connection, zf_reader_t *r)
{
    zf_mp_uint (r); /* version: ours, as we offered no other */
    zf_mp_bytes (r);
    connection->sync = ZF_SYNC_NONE;
    memset (connection->source, 0, sizeof connection->source);
    uint32_t pairs = zf_mp_map (r);
    for (uint32_t i = 0; i < pairs && !r->failed; i++)
        read_option (connection, r);
    if (r->failed || connection->state != ZF_CONNECTION_GREETING)
        return;
    if (!is_needed (connection)) {
        close_sockets (connection);
        connection->state = ZF_CONNECTION_OPENING;
        return;
    }
    if (connection->heartbeat_ms == 0)
        connection->heartbeat_ms = HEARTBEAT_MS;
    if (connection->max_message_bytes < ZF_MESSAGE_LEAST)
        connection->max_message_bytes = ZF_MESSAGE_LEAST;
    if (!connection->is_watched) /* it was to tell whether we are let in */
        close_monitor (connection);
    connection->was_greeted = true;
    connection->refusal.code = 0;
    connection->is_denied = false;
    connection->failures = 0;
    connection->state = ZF_CONNECTION_READY;
    connection->handle->reconnects += connection->epoch > 0;
    connection->epoch++;
    connection->pings = connection->pongs = 0;
    connection->handle->tick_due_ms = 0;
    connection->handle->ops->ready (connection);
}

/* -- in ---------------------------------------------------------------------------------------- */

static void ZF_PRINTF (3, 4) refuse (zf_connection_t *connection, int code, const char *format, ...)
{
    va_list args;
    va_start (args, format);
    connection->refusal.code = code;
    vsnprintf (connection->refusal.text, sizeof connection->refusal.text, format, args);
    va_end (args);
    connection->is_denied = code == ZF_E_DENIED;
}

static void on_error (zf_connection_t *connection, zf_reader_t *r)
{
    uint64_t code = zf_mp_uint (r);
    zf_bytes_t text = zf_mp_bytes (r);
    if (!r->failed && code > 0 && code <= (uint64_t) -ZF_E_LAST)
        refuse (connection, -(int) code, "%.*s", (int) (text.size < 200 ? text.size : 200),
                (const char *) text.data);
}

static void handle_message (zf_connection_t *connection, zmq_msg_t *control, zmq_msg_t *body)
{
    zf_reader_t r = zf_reader (zf_bytes (zmq_msg_data (control), zmq_msg_size (control)));
    zf_mp_array (&r);
    uint64_t command = zf_mp_uint (&r);
    if (r.failed)
        return;
    connection->heard_ms = zf_clock_ms ();
    connection->asked_ms = 0;
    switch (command) {
    case ZF_CMD_RESET:
        on_reset (connection);
        break;
    case ZF_CMD_WELCOME:
        on_welcome (connection, &r);
        break;
    case ZF_CMD_PONG:
        connection->pongs++;
        break;
    case ZF_CMD_ERROR:
        on_error (connection, &r);
        break;
    case ZF_CMD_PING:
        zf_handle_control (connection->handle, ZF_CMD_PONG, 1);
        zf_connection_send (connection, NULL);
        break;
    default:
        if (connection->state == ZF_CONNECTION_READY)
            connection->handle->ops->message (connection, command, &r, body);
    }
}

/* Receives the second frame of a message, and drops any behind it. */
static bool receive_body (zf_connection_t *connection, zmq_msg_t *body)
{
    zmq_msg_init (body);
    if (zmq_msg_recv (body, connection->socket.raw, ZMQ_DONTWAIT) < 0)
        return false;
    zf_socket_takes_over (zmq_msg_data (body));
    bool more = zmq_msg_more (body);
    while (more) {
        zmq_msg_t rest;
        zmq_msg_init (&rest);
        more =
            zmq_msg_recv (&rest, connection->socket.raw, ZMQ_DONTWAIT) >= 0 && zmq_msg_more (&rest);
        zmq_msg_close (&rest);
    }
    return true;
}

/* Receives a message; has_body: it has one. False: there is none. */
static bool receive_message (zf_connection_t *connection, zmq_msg_t *control, zmq_msg_t *body,
                             bool *has_body)
{
    if (connection->local != NULL)
        return zf_local_receive (connection->local, control, body, has_body);
    zmq_msg_init (control);
    if (zmq_msg_recv (control, connection->socket.raw, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (control);
        return false;
    }
    zf_socket_takes_over (zmq_msg_data (control));
    *has_body = zmq_msg_more (control) && receive_body (connection, body);
    return true;
}

/* We were not let in. libzmq tries again: the key may be authorised meanwhile. */
static void note_refusal (zf_connection_t *connection, const zf_error_t *refusal)
{
    zf_handle_t *handle = connection->handle;
    char fingerprint[ZF_FINGERPRINT_TEXT];
    bool is_secured = zf_security_is_on (handle->security);
    if (!is_secured && refusal->code == ZF_E_TIMEOUT)
        return; /* it was stopped just then, or the like */
    if (is_secured)
        zf_key_fingerprint (zf_security_public_key (handle->security), fingerprint);
    refuse (connection, refusal->code, "%s%s%s", refusal->text,
            is_secured ? "; ours has the fingerprint " : "", is_secured ? fingerprint : "");
}

/* libzmq tries to connect again, and if it can the other side says RESET. */
static void on_disconnected (zf_connection_t *connection)
{
    lose_session (connection);
    connection->state = ZF_CONNECTION_OPENING;
    connection->handle->tick_due_ms = 0;
}

static bool receive_all (zf_connection_t *connection)
{
    bool any = false;
    zmq_msg_t control, body;
    bool has_body;
    while (is_open (connection) && receive_message (connection, &control, &body, &has_body)) {
        handle_message (connection, &control, has_body ? &body : NULL);
        if (has_body)
            zmq_msg_close (&body);
        zmq_msg_close (&control);
        any = true;
    }
    return any;
}

/* Whoever is lost is heard to the end first: what he said before is there by then. If a RESET is
 * behind it, the session has ended with that. */
bool zf_connection_pump (zf_connection_t *connection)
{
    bool lost = false;
    uint64_t epoch = connection->epoch;
    zf_error_t refusal = {0};
    while (connection->monitor_fd >= 0 && zf_socket_lost_why (&connection->monitor, &refusal) >= 0)
        lost = true;
    if (refusal.code != 0 && connection->state != ZF_CONNECTION_READY)
        note_refusal (connection, &refusal);
    if (lost && connection->state != ZF_CONNECTION_READY)
        on_disconnected (connection);
    bool any = receive_all (connection);
    if (lost && connection->state == ZF_CONNECTION_READY && connection->epoch == epoch)
        on_disconnected (connection);
    return any || lost;
}

static int events_of (const zf_connection_t *connection)
{
    int events = 0;
    size_t size = sizeof events;
    if (connection->local != NULL)
        return zf_local_has_output (connection->local) ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLOUT;
    if (connection->socket.raw != NULL)
        zmq_getsockopt (connection->socket.raw, ZMQ_EVENTS, &events, &size);
    return events;
}

/* The same, before somebody polls: the look may take the edge that it would wait for. */
static int look_at_events (const zf_connection_t *connection)
{
    connection->handle->touched = true;
    return events_of (connection);
}

bool zf_connection_readable (const zf_connection_t *connection)
{
    return (events_of (connection) & ZMQ_POLLIN) != 0;
}

/* -- time -------------------------------------------------------------------------------------- */

/* A fresh socket, to the next endpoint if this connection may choose. */
static void reopen (zf_connection_t *connection)
{
    zf_handle_t *handle = connection->handle;
    lose_session (connection);
    connection->is_double = false;
    connection->failures++;
    if (handle->resolver != NULL)
        zf_resolver_give_up (handle);
    if (handle->rotates)
        connection->endpoint = (connection->endpoint + 1) % handle->endpoint_count;
    close_sockets (connection);
    zf_connection_open (connection, NULL); /* if it fails, it is tried again like one that does
                                              not answer */
}

static uint64_t tick_ready (zf_connection_t *connection, uint64_t now_ms)
{
    zf_handle_t *handle = connection->handle;
    bool urgent = handle->ops->urgent (handle);
    uint64_t interval = urgent ? connection->heartbeat_ms : connection->idle_ms / 3;
    if (connection->sent_ms + interval <= now_ms)
        zf_connection_ping (connection);
    uint64_t due = connection->sent_ms + interval;
    if (due <= now_ms)
        due = now_ms + interval; /* the socket is full */
    if (connection->asked_ms == 0)
        return due;
    uint64_t patience = connection->asked_ms + handle->failover_ms;
    if (patience <= now_ms &&
        (urgent || now_ms - connection->asked_ms >= connection->idle_ms / 3)) {
        reopen (connection);
        return now_ms + handle->failover_ms;
    }
    return patience > now_ms && patience < due ? patience : due;
}

/* True if it waits for somebody to bind its inproc endpoint, and has no other to try. A fresh
 * socket would not help, and libzmq keeps a descriptor of each such one that is closed. */
static bool is_pending (const zf_connection_t *connection)
{
    const zf_handle_t *handle = connection->handle;
    return connection->state == ZF_CONNECTION_OPENING &&
           (!handle->rotates || handle->endpoint_count == 1) &&
           strncmp (handle->endpoints[connection->endpoint], "inproc://", 9) == 0 &&
           (look_at_events (connection) & ZMQ_POLLOUT) != 0;
}

uint64_t zf_connection_tick (zf_connection_t *connection, uint64_t now_ms)
{
    if (connection->state == ZF_CONNECTION_READY)
        return tick_ready (connection, now_ms);
    if (connection->is_fading && connection->state != ZF_CONNECTION_OFF)
        zf_connection_close (connection);
    if (connection->state == ZF_CONNECTION_OFF)
        return ZF_NEVER;
    if (is_pending (connection))
        connection->opened_ms = now_ms;
    if (connection->is_double && twin_of (connection) != NULL)
        return ZF_NEVER; /* losing that makes us look again */
    uint64_t due = connection->opened_ms + connection->handle->failover_ms;
    if (due <= now_ms || connection->is_double) {
        reopen (connection);
        return now_ms + connection->handle->failover_ms;
    }
    if (connection->state == ZF_CONNECTION_OPENING)
        return due;
    if (connection->hello_ms + HELLO_AGAIN_MS <= now_ms)
        say_hello (connection);
    uint64_t again = connection->hello_ms + HELLO_AGAIN_MS;
    return again < due ? again : due;
}
