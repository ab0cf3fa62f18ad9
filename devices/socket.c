#include "devices/socket.h"

#include <czmq.h>
#include <errno.h>
#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#define KEEPALIVE_IDLE_S 30 /* a half-open connection is noticed by the kernel, and closed */
#define KEEPALIVE_STEP_S 10
#define KEEPALIVE_TRIES  3
#define UNACKED_MS       30000 /* the same while something is on its way */
#define RECONNECT_MS     20
#define RECONNECT_MAX_MS 2000
#define BACKLOG          4096

static void prepare_context (void)
{
    zsys_handler_set (NULL);
    zsys_init ();
}

static int open_socket (zf_socket_t *socket, int type, zf_error_t *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once (&once, prepare_context);
    socket->czmq = zsock_new (type);
    socket->raw = socket->czmq != NULL ? zsock_resolve (socket->czmq) : NULL;
    if (socket->raw == NULL)
        return zf_error_set (err, ZF_E_IO, "open a socket: %s", zmq_strerror (zmq_errno ()));
    return 0;
}

static void set_int (zf_socket_t *socket, int option, int value)
{
    zmq_setsockopt (socket->raw, option, &value, sizeof value);
}

static void set_common (zf_socket_t *socket, uint64_t max_message_bytes)
{
    int64_t max = max_message_bytes < INT64_MAX ? (int64_t) max_message_bytes : INT64_MAX;
    zmq_setsockopt (socket->raw, ZMQ_MAXMSGSIZE, &max, sizeof max);
    set_int (socket, ZMQ_LINGER, ZF_SOCKET_LINGER_MS);
    set_int (socket, ZMQ_SNDHWM, ZF_SOCKET_HWM);
    set_int (socket, ZMQ_RCVHWM, ZF_SOCKET_HWM);
    set_int (socket, ZMQ_TCP_KEEPALIVE, 1);
    set_int (socket, ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S);
    set_int (socket, ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_STEP_S);
    set_int (socket, ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_TRIES);
    set_int (socket, ZMQ_TCP_MAXRT, UNACKED_MS);
}

int zf_socket_router (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_ROUTER, err);
    if (rc != 0)
        return rc;
    set_common (socket, max_message_bytes);
    set_int (socket, ZMQ_ROUTER_MANDATORY, 1);
    set_int (socket, ZMQ_BACKLOG, BACKLOG);
    return 0;
}

int zf_socket_dealer (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err)
{
    int rc = open_socket (socket, ZMQ_DEALER, err);
    if (rc != 0)
        return rc;
    set_common (socket, max_message_bytes);
    set_int (socket, ZMQ_PROBE_ROUTER, 1);
    set_int (socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    set_int (socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
    return 0;
}

int zf_socket_monitor (zf_socket_t *monitor, zf_socket_t *watched, zf_error_t *err)
{
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "inproc://zferry-monitor-%p", watched->raw);
    if (zmq_socket_monitor (watched->raw, endpoint, ZMQ_EVENT_DISCONNECTED) != 0)
        return zf_error_set (err, ZF_E_IO, "watch a socket: %s", zmq_strerror (zmq_errno ()));
    int rc = open_socket (monitor, ZMQ_PAIR, err);
    if (rc != 0)
        return rc;
    set_int (monitor, ZMQ_LINGER, 0);
    set_int (monitor, ZMQ_RCVHWM, 0);
    return zf_socket_connect (monitor, endpoint, err);
}

/* An event is two frames: u16 event, u32 value (the descriptor), both in host order; and the
 * endpoint. */
int zf_socket_lost (zf_socket_t *monitor)
{
    uint8_t event[6];
    char endpoint[8];
    for (;;) {
        int size = zmq_recv (monitor->raw, event, sizeof event, ZMQ_DONTWAIT);
        if (size < 0)
            return -1;
        zmq_recv (monitor->raw, endpoint, sizeof endpoint, ZMQ_DONTWAIT);
        uint16_t number;
        int32_t value;
        if (size != sizeof event)
            continue;
        memcpy (&number, event, sizeof number);
        memcpy (&value, event + 2, sizeof value);
        if (number == ZMQ_EVENT_DISCONNECTED)
            return value;
    }
}

/* zmq's own words are short of what a person needs. */
static int refuse_endpoint (const char *verb, const char *endpoint, int error, zf_error_t *err)
{
    const char *why = zmq_strerror (error);
    if (error == EINVAL)
        why = "not an endpoint; write tcp://HOST:PORT, ipc://PATH or inproc://NAME";
    else if (error == EPROTONOSUPPORT)
        why = "unknown transport; use tcp, ipc or inproc";
    else if (error == ENODEV)
        why = "no such network interface or address on this machine";
    else if (error == EADDRINUSE)
        why = "address already in use";
    return zf_error_set (err, ZF_E_ADDRESS, "%s %s: %s", verb, endpoint, why);
}

static void prepare_address (zf_socket_t *socket, const char *endpoint)
{
    set_int (socket, ZMQ_IPV6, strchr (endpoint, '[') != NULL);
}

int zf_socket_bind (zf_socket_t *socket, const char *endpoint, char *bound, size_t size,
                    zf_error_t *err)
{
    prepare_address (socket, endpoint);
    if (zmq_bind (socket->raw, endpoint) != 0)
        return refuse_endpoint ("bind", endpoint, zmq_errno (), err);
    if (zmq_getsockopt (socket->raw, ZMQ_LAST_ENDPOINT, bound, &size) != 0)
        return zf_error_set (err, ZF_E_IO, "bind %s: %s", endpoint, zmq_strerror (zmq_errno ()));
    return 0;
}

int zf_socket_connect (zf_socket_t *socket, const char *endpoint, zf_error_t *err)
{
    prepare_address (socket, endpoint);
    if (zmq_connect (socket->raw, endpoint) != 0)
        return refuse_endpoint ("connect", endpoint, zmq_errno (), err);
    return 0;
}

void zf_socket_close (zf_socket_t *socket)
{
    zsock_t *czmq = socket->czmq;
    zsock_destroy (&czmq);
    socket->czmq = socket->raw = NULL;
}

uint64_t zf_clock_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

int zf_random (void *at, size_t size, zf_error_t *err)
{
    if (getrandom (at, size, 0) == (ssize_t) size)
        return 0;
    return zf_error_set (err, ZF_E_IO, "getrandom: %s", strerror (errno));
}
