#include "tests/patterns/lossy.h"

#include <czmq.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FRAMES_MAX 4

struct lossy {
    char endpoint[64];
    void *front; /* ROUTER: the peer connects to it */
    void *back;  /* DEALER: to the broker */
    zmq_msg_t peer;
    atomic_uint every;
    unsigned commands;
    unsigned seen; /* messages with one of them */
    atomic_uint lost;
    int stop; /* eventfd */
    pthread_t thread;
};

static void need (bool condition, const char *what)
{
    if (condition)
        return;
    fprintf (stderr, "%s: %s\n", what, zmq_strerror (zmq_errno ()));
    abort ();
}

static void *open_socket (int type)
{
    int none = 0;
    zsys_handler_set (NULL);
    void *socket = zmq_socket (zsys_init (), type);
    need (socket != NULL, "socket");
    zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_RCVHWM, &none, sizeof none);
    return socket;
}

/* All frames of the next message; 0: there is none. */
static size_t receive (void *socket, zmq_msg_t frames[FRAMES_MAX])
{
    size_t n = 0;
    do {
        need (n < FRAMES_MAX, "too many frames");
        zmq_msg_init (&frames[n]);
        if (zmq_msg_recv (&frames[n], socket, ZMQ_DONTWAIT) < 0)
            return 0;
        n++;
    } while (zmq_msg_more (&frames[n - 1]));
    return n;
}

static void send_all (void *socket, zmq_msg_t *frames, size_t n)
{
    for (size_t i = 0; i < n; i++)
        need (zmq_msg_send (&frames[i], socket, i + 1 < n ? ZMQ_SNDMORE : 0) >= 0, "send");
}

static void from_peer (lossy_t *self)
{
    zmq_msg_t frames[FRAMES_MAX];
    size_t n;
    while ((n = receive (self->front, frames)) > 0) {
        zmq_msg_move (&self->peer, &frames[0]);
        zmq_msg_close (&frames[0]);
        send_all (self->back, frames + 1, n - 1);
    }
}

/* The control frame is an array of less than 16: one byte, then the command. */
static bool is_lost (lossy_t *self, zmq_msg_t *control)
{
    const unsigned char *bytes = zmq_msg_data (control);
    unsigned every = atomic_load (&self->every);
    if (every == 0 || zmq_msg_size (control) < 2 || bytes[1] < 50 || bytes[1] > 63 ||
        (self->commands & 1u << (bytes[1] - 50)) == 0)
        return false;
    return ++self->seen % every == 0;
}

static void from_broker (lossy_t *self)
{
    zmq_msg_t frames[FRAMES_MAX];
    size_t n;
    while ((n = receive (self->back, frames)) > 0) {
        if (is_lost (self, &frames[0])) {
            atomic_fetch_add (&self->lost, 1);
            for (size_t i = 0; i < n; i++)
                zmq_msg_close (&frames[i]);
            continue;
        }
        zmq_msg_t peer;
        zmq_msg_init (&peer);
        zmq_msg_copy (&peer, &self->peer);
        need (zmq_msg_send (&peer, self->front, ZMQ_SNDMORE) >= 0, "send");
        send_all (self->front, frames, n);
    }
}

static void *run (void *arg)
{
    lossy_t *self = arg;
    zmq_pollitem_t items[] = {{self->front, 0, ZMQ_POLLIN, 0},
                              {self->back, 0, ZMQ_POLLIN, 0},
                              {NULL, self->stop, ZMQ_POLLIN, 0}};
    while (items[2].revents == 0) {
        from_peer (self);
        from_broker (self);
        need (zmq_poll (items, 3, -1) >= 0, "poll");
    }
    return NULL;
}

lossy_t *lossy_open (const zf_device_t *broker, unsigned every, unsigned commands)
{
    size_t size = sizeof ((lossy_t *) 0)->endpoint;
    lossy_t *self = calloc (1, sizeof *self);
    need (self != NULL, "memory");
    self->commands = commands;
    atomic_init (&self->every, every);
    zmq_msg_init (&self->peer);
    self->front = open_socket (ZMQ_ROUTER);
    self->back = open_socket (ZMQ_DEALER);
    need (zmq_bind (self->front, "tcp://127.0.0.1:*") == 0, "bind");
    need (zmq_getsockopt (self->front, ZMQ_LAST_ENDPOINT, self->endpoint, &size) == 0, "endpoint");
    need (zmq_connect (self->back, zf_device_endpoint (broker, 0)) == 0, "connect");
    self->stop = eventfd (0, EFD_CLOEXEC);
    need (self->stop >= 0, "eventfd");
    need (pthread_create (&self->thread, NULL, run, self) == 0, "thread");
    return self;
}

const char *lossy_endpoint (const lossy_t *self)
{
    return self->endpoint;
}

void lossy_set (lossy_t *self, unsigned every)
{
    atomic_store (&self->every, every);
}

unsigned lossy_lost (const lossy_t *self)
{
    return atomic_load (&self->lost);
}

void lossy_close (lossy_t **lossy)
{
    lossy_t *self = *lossy;
    uint64_t one = 1;
    *lossy = NULL;
    need (write (self->stop, &one, sizeof one) == sizeof one, "write");
    pthread_join (self->thread, NULL);
    zmq_msg_close (&self->peer);
    zmq_close (self->front);
    zmq_close (self->back);
    close (self->stop);
    free (self);
}
