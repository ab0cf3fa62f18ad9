#include "tests/patterns/cable.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS_MAX 32

/* One connection and its continuation; -1: none. */
typedef struct {
    int peer;
    int broker;
} pair_t;

struct cable {
    char endpoint[64];
    struct sockaddr_in broker;
    int listener;
    int order;        /* eventfd: the thread is to look at what is asked of it */
    int done;         /* eventfd: it has */
    atomic_int asked; /* the state that the next order brings */
    atomic_bool cut;
    atomic_bool stop;
    cable_state_t state;
    pair_t pairs[PAIRS_MAX];
    pthread_t thread;
};

static void need (bool condition, const char *what)
{
    if (condition)
        return;
    perror (what);
    abort ();
}

static void close_pair (pair_t *pair)
{
    close (pair->peer);
    close (pair->broker);
    pair->peer = pair->broker = -1;
}

static void accept_one (cable_t *self)
{
    size_t i = 0;
    while (i < PAIRS_MAX && self->pairs[i].peer >= 0)
        i++;
    need (i < PAIRS_MAX, "no free pair");
    int one = 1;
    int peer = accept (self->listener, NULL, NULL);
    int broker = socket (AF_INET, SOCK_STREAM, 0);
    need (peer >= 0 && broker >= 0, "accept");
    setsockopt (peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt (broker, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    self->pairs[i] = (pair_t){peer, broker};
    if (connect (broker, (const struct sockaddr *) &self->broker, sizeof self->broker) != 0)
        close_pair (&self->pairs[i]); /* there is no broker now */
}

/* Passes on what has come. Returns false at the end of the connection. */
static bool relay (int from, int to, bool pass)
{
    char bytes[65536];
    ssize_t size = recv (from, bytes, sizeof bytes, 0);
    for (ssize_t sent = 0; pass && size > 0 && sent < size;) {
        ssize_t n = send (to, bytes + sent, (size_t) (size - sent), MSG_NOSIGNAL);
        if (n < 0)
            return false;
        sent += n;
    }
    return size > 0;
}

static void serve (pair_t *pair, short from_peer, short from_broker, cable_state_t state)
{
    bool open = true;
    if (from_peer != 0)
        open = relay (pair->peer, pair->broker, state != CABLE_DEAD);
    if (open && from_broker != 0)
        open = relay (pair->broker, pair->peer, state == CABLE_WHOLE);
    if (!open)
        close_pair (pair);
}

static void obey (cable_t *self)
{
    uint64_t count;
    need (read (self->order, &count, sizeof count) == sizeof count, "read");
    if (atomic_exchange (&self->cut, false) || atomic_load (&self->stop)) {
        for (size_t i = 0; i < PAIRS_MAX; i++)
            if (self->pairs[i].peer >= 0)
                close_pair (&self->pairs[i]);
    }
    self->state = (cable_state_t) atomic_load (&self->asked);
    count = 1;
    need (write (self->done, &count, sizeof count) == sizeof count, "write");
}

static void *run (void *arg)
{
    cable_t *self = arg;
    for (;;) {
        struct pollfd fds[2 + 2 * PAIRS_MAX] = {{self->order, POLLIN, 0},
                                                {self->listener, POLLIN, 0}};
        for (size_t i = 0; i < PAIRS_MAX; i++) {
            fds[2 + 2 * i] = (struct pollfd){self->pairs[i].peer, POLLIN, 0};
            fds[3 + 2 * i] = (struct pollfd){self->pairs[i].broker, POLLIN, 0};
        }
        poll (fds, 2 + 2 * PAIRS_MAX, -1);
        if (fds[0].revents != 0) {
            obey (self); /* the last order, too, is answered before the thread ends */
            if (atomic_load (&self->stop))
                return NULL;
            continue;
        }
        if (fds[1].revents != 0)
            accept_one (self);
        for (size_t i = 0; i < PAIRS_MAX; i++)
            if (fds[2 + 2 * i].revents != 0 || fds[3 + 2 * i].revents != 0)
                serve (&self->pairs[i], fds[2 + 2 * i].revents, fds[3 + 2 * i].revents,
                       self->state);
    }
}

/* Makes the thread look, and waits until it has. */
static void give_order (cable_t *self)
{
    uint64_t one = 1;
    need (write (self->order, &one, sizeof one) == sizeof one, "write");
    need (read (self->done, &one, sizeof one) == sizeof one, "read");
}

cable_t *cable_lay (const zf_device_t *broker)
{
    cable_t *self = calloc (1, sizeof *self);
    need (self != NULL, "calloc");
    unsigned port = 0;
    need (sscanf (zf_device_endpoint (broker, 0), "tcp://127.0.0.1:%u", &port) == 1, "endpoint");
    self->broker.sin_family = AF_INET;
    self->broker.sin_port = htons ((uint16_t) port);
    self->broker.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    struct sockaddr_in own = {.sin_family = AF_INET};
    socklen_t size = sizeof own;
    own.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    self->listener = socket (AF_INET, SOCK_STREAM, 0);
    need (bind (self->listener, (const struct sockaddr *) &own, sizeof own) == 0, "bind");
    need (listen (self->listener, 64) == 0, "listen");
    need (getsockname (self->listener, (struct sockaddr *) &own, &size) == 0, "getsockname");
    snprintf (self->endpoint, sizeof self->endpoint, "tcp://127.0.0.1:%u", ntohs (own.sin_port));
    for (size_t i = 0; i < PAIRS_MAX; i++)
        self->pairs[i] = (pair_t){-1, -1};
    self->order = eventfd (0, 0);
    self->done = eventfd (0, 0);
    need (self->order >= 0 && self->done >= 0, "eventfd");
    need (pthread_create (&self->thread, NULL, run, self) == 0, "pthread_create");
    return self;
}

const char *cable_endpoint (const cable_t *self)
{
    return self->endpoint;
}

void cable_set (cable_t *self, cable_state_t state)
{
    atomic_store (&self->asked, state);
    give_order (self);
}

void cable_cut (cable_t *self)
{
    atomic_store (&self->cut, true);
    give_order (self);
}

void cable_renew (cable_t *self)
{
    atomic_store (&self->asked, CABLE_WHOLE);
    cable_cut (self);
}

void cable_remove (cable_t **cable)
{
    cable_t *self = *cable;
    if (self == NULL)
        return;
    *cable = NULL;
    atomic_store (&self->stop, true);
    give_order (self);
    pthread_join (self->thread, NULL);
    close (self->listener);
    close (self->order);
    close (self->done);
    free (self);
}
