/* The yardstick: the four hops of a request on bare libzmq, as one would write them by hand.
 *
 *   client DEALER -> ROUTER | forwarder | ROUTER -> DEALER worker, and back the same way
 *
 * client:     body                          there and back
 * worker:     client's identity | body      there and back; an empty message says that it is there
 * forwarder:  each ROUTER adds and takes the identity of its own side
 *
 * And half of it, what a post and its confirm take: client DEALER -> ROUTER echo, and back. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "bench_raw.h"

#define IDENTITY_MAX 255 /* bytes; ZeroMQ's limit */

/* An identity as a ROUTER tells it. */
typedef struct {
    char data[IDENTITY_MAX];
    size_t size;
} identity_t;

/* A socket that goes away at once. */
static void *open_socket (void *context, int type)
{
    int none = 0;
    void *socket = zmq_socket (context, type);
    if (socket != NULL)
        zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
    return socket;
}

/* -- forwarder --------------------------------------------------------------------------------- */

typedef struct {
    void *context;
    void *front;       /* ROUTER for the client */
    void *back;        /* ROUTER for the worker */
    identity_t worker; /* the one worker; size 0: not there yet */
} forwarder_t;

static int bind_socket (void *socket, char endpoint[BENCH_ENDPOINT_MAX])
{
    size_t size = BENCH_ENDPOINT_MAX;
    if (zmq_bind (socket, endpoint) != 0)
        return -1;
    return zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size);
}

static int forwarder_open (forwarder_t *self, bench_board_t *board)
{
    self->context = zmq_ctx_new ();
    if (self->context == NULL)
        return -1;
    self->front = open_socket (self->context, ZMQ_ROUTER);
    self->back = open_socket (self->context, ZMQ_ROUTER);
    if (self->front == NULL || self->back == NULL ||
        bind_socket (self->front, board->raw_front) != 0)
        return -1;
    return bind_socket (self->back, board->raw_back);
}

static bool recv_identity (void *socket, identity_t *identity)
{
    int n = zmq_recv (socket, identity->data, sizeof identity->data, ZMQ_DONTWAIT);
    identity->size = n > 0 ? (size_t) n : 0;
    return n > 0;
}

/* Sends what is left of the message that the other socket is in the middle of. */
static void pass_rest (void *from, void *to)
{
    int more = 1;
    while (more != 0) {
        zmq_msg_t frame;
        zmq_msg_init (&frame);
        if (zmq_msg_recv (&frame, from, 0) < 0)
            return;
        more = zmq_msg_more (&frame);
        if (zmq_msg_send (&frame, to, more != 0 ? ZMQ_SNDMORE : 0) < 0)
            zmq_msg_close (&frame);
    }
}

static void pass_requests (forwarder_t *self)
{
    identity_t client;
    while (self->worker.size > 0 && recv_identity (self->front, &client)) {
        zmq_send (self->back, self->worker.data, self->worker.size, ZMQ_SNDMORE);
        zmq_send (self->back, client.data, client.size, ZMQ_SNDMORE);
        pass_rest (self->front, self->back);
    }
}

static bool pass_reply (forwarder_t *self)
{
    identity_t worker;
    zmq_msg_t first;
    if (!recv_identity (self->back, &worker))
        return false;
    zmq_msg_init (&first);
    zmq_msg_recv (&first, self->back, 0);
    if (zmq_msg_more (&first) == 0) {
        self->worker = worker; /* it says that it is there */
        zmq_msg_close (&first);
        return true;
    }
    zmq_msg_send (&first, self->front, ZMQ_SNDMORE);
    pass_rest (self->back, self->front);
    return true;
}

/* The parent ends this process with a signal. */
static void forward (forwarder_t *self)
{
    zmq_pollitem_t items[] = {
        {.socket = self->front, .events = ZMQ_POLLIN},
        {.socket = self->back, .events = ZMQ_POLLIN},
    };
    for (;;) {
        int count = self->worker.size > 0 ? 2 : 1; /* requests wait for a worker */
        if (zmq_poll (count == 2 ? items : items + 1, count, -1) < 0 && errno != EINTR)
            return;
        pass_requests (self);
        while (pass_reply (self))
            continue;
    }
}

void bench_forwarder_run (bench_board_t *board, uint32_t index)
{
    forwarder_t self = {0};
    bench_slot_t *slot = &board->producer[index];
    if (forwarder_open (&self, board) != 0) {
        bench_slot_fail (slot, "raw forwarder: %s", zmq_strerror (errno));
        return;
    }
    bench_slot_ready (slot);
    forward (&self);
    bench_slot_fail (slot, "raw forwarder: %s", zmq_strerror (errno));
}

/* -- worker ------------------------------------------------------------------------------------ */

static void echo (void *socket)
{
    for (;;) {
        zmq_msg_t frame;
        zmq_msg_init (&frame);
        if (zmq_msg_recv (&frame, socket, 0) < 0 && errno != EINTR)
            return;
        int flags = zmq_msg_more (&frame) != 0 ? ZMQ_SNDMORE : 0;
        zmq_msg_send (&frame, socket, flags);
    }
}

void bench_raw_worker_run (bench_board_t *board, uint32_t index)
{
    bench_slot_t *slot = &board->worker[index];
    void *context = zmq_ctx_new ();
    void *socket = context != NULL ? open_socket (context, ZMQ_DEALER) : NULL;
    if (socket == NULL || zmq_connect (socket, board->raw_back) != 0 ||
        zmq_send (socket, "", 0, 0) != 0) {
        bench_slot_fail (slot, "raw worker: %s", zmq_strerror (errno));
        return;
    }
    bench_slot_ready (slot);
    echo (socket);
    bench_slot_fail (slot, "raw worker: %s", zmq_strerror (errno));
}

/* -- echo: half of the way -------------------------------------------------------------------- */

/* Sends back what comes, for a client that wants to know what two hops cost: a ROUTER's frames are
 * identity and body, and so are those that it sends. The parent ends this process with a signal. */
void bench_raw_echo_run (bench_board_t *board, uint32_t index)
{
    bench_slot_t *slot = &board->worker[index];
    void *context = zmq_ctx_new ();
    void *socket = context != NULL ? open_socket (context, ZMQ_ROUTER) : NULL;
    if (socket == NULL || bind_socket (socket, board->raw_front) != 0) {
        bench_slot_fail (slot, "raw echo: %s", zmq_strerror (errno));
        return;
    }
    bench_slot_ready (slot);
    echo (socket);
    bench_slot_fail (slot, "raw echo: %s", zmq_strerror (errno));
}

/* -- client ------------------------------------------------------------------------------------ */

int bench_raw_open (bench_raw_t *self, const char *endpoint, int timeout_ms)
{
    *self = (bench_raw_t){.context = zmq_ctx_new ()};
    if (self->context == NULL)
        return -1;
    self->socket = open_socket (self->context, ZMQ_DEALER);
    if (self->socket == NULL)
        return -1;
    zmq_setsockopt (self->socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    return zmq_connect (self->socket, endpoint);
}

bool bench_raw_request (bench_raw_t *self, const void *body, size_t size)
{
    zmq_msg_t reply;
    if (zmq_send (self->socket, body, size, 0) < 0)
        return false;
    zmq_msg_init (&reply);
    int n = zmq_msg_recv (&reply, self->socket, 0);
    bool same = n >= 0 && (size_t) n == size && memcmp (zmq_msg_data (&reply), body, size) == 0;
    zmq_msg_close (&reply);
    return same;
}

void bench_raw_close (bench_raw_t *self)
{
    if (self->socket != NULL)
        zmq_close (self->socket);
    if (self->context != NULL)
        zmq_ctx_term (self->context);
    *self = (bench_raw_t){0};
}
