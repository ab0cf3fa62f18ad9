/* zferry demo --mesh: no broker and no address. Servers in processes of their own and a client find
 * each other, one server is killed, and every request is answered all the same; then a publisher
 * and subscribers find each other.
 *
 *   demo_mesh.c         beginning, end, and the verdict
 *   demo_mesh_ask.c     asking, and killing a server meanwhile
 *   demo_mesh_events.c  publishing
 *
 * All of it is on loopback, at a UDP port that the system chose and in a namespace of its own, so
 * that nobody else is disturbed. */
#ifndef ZFERRY_DEMO_MESH_H
#define ZFERRY_DEMO_MESH_H

#include "bench_child.h"

#define DEMO_MESH_SERVICE     "who"
#define DEMO_MESH_SERVERS_MAX 32
#define DEMO_MESH_AT_ONCE     4 /* requests under way for each server */
#define DEMO_MESH_READERS     2
#define DEMO_MESH_EVENTS      10000
#define DEMO_MESH_FIND_MS     60000 /* for all to be found: a busy machine */

/* A process that serves. */
typedef struct {
    bench_child_t child;
    long pid;         /* of it, also when it has ended */
    uint64_t answers; /* that it gave */
} demo_server_t;

/* A request under way. */
typedef struct {
    uint64_t number;   /* the client's; 0: the place is free */
    uint64_t ordinal;  /* which request it is, from 0: in its body */
    uint64_t start_us; /* when it was asked */
} demo_asked_t;

typedef struct {
    const cli_t *cli;
    uint16_t port;       /* UDP, of the beacons */
    char options[6][32]; /* --interface, --discovery-port and --namespace with their values */
    zf_peer_t *peer;     /* this process among them */
    demo_server_t servers[DEMO_MESH_SERVERS_MAX]; /* the first is the one to be killed */
    size_t server_count;
    bench_child_t readers[DEMO_MESH_READERS]; /* processes that subscribe */
    zf_client_t *client;
    zf_publisher_t *publisher;
    demo_asked_t asked_now[DEMO_MESH_SERVERS_MAX * DEMO_MESH_AT_ONCE];
    uint64_t found_ms;      /* that finding the servers took */
    uint64_t start_ms;      /* when the asking began, */
    uint64_t last_ms;       /* when it was over, */
    uint64_t pace_ms;       /* how long it is to go on */
    uint64_t asked;         /* requests */
    uint64_t answered;      /* of them, well */
    uint64_t wrong;         /* answers that are not to the question */
    uint64_t failed;        /* requests without an answer */
    uint64_t longest_us;    /* that a request waited for its answer */
    uint64_t frozen_ms;     /* when the server to be killed was stopped; 0: not yet */
    bool killed;            /* it was */
    uint64_t published;     /* events */
    uint64_t received;      /* by all readers */
    uint64_t plain_next_ms; /* a line is printed then */
} demo_mesh_t;

/* In place of the other demo. Returns the exit code. */
int demo_mesh (const cli_t *cli);

/* Starts a child with these arguments (ended by NULL), and the options above behind them. Returns 0
 * or an exit code, having said why. */
int demo_mesh_start (demo_mesh_t *self, bench_child_t *child, const char *name,
                     const char *const *args);

/* Asks and kills, until the time is over and all that was asked has ended, or a signal ends the
 * asking. Returns 0 or an exit code, having said why. */
int demo_mesh_ask (demo_mesh_t *self);

/* Publishes to readers of its own. Returns 0 or an exit code, having said why. */
int demo_mesh_publish (demo_mesh_t *self);

#endif
