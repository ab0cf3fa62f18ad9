/* bench peers: nodes in processes of their own, which find each other.
 *
 *   bench_peers.c        the verb: what is measured, and the row
 *   bench_peers_swarm.c  starting and watching the processes
 *   bench_peers_node.c   what such a process does
 *   bench_peers_talk.c   shouts and whispers between two of them, beside bare libzmq
 *
 * Errors: an exit code, having said why. Threads: the main one only. */
#ifndef ZFERRY_BENCH_PEERS_H
#define ZFERRY_BENCH_PEERS_H

#include "bench_crew.h"

#define BENCH_NODES_MAX 1000 /* all children of the program are known: at most 1,024 */

/* How a node ends, for those that see it go. */
typedef enum { BENCH_KILLED, BENCH_CLEAN, BENCH_ENDS } bench_end_t;

/* What a node has to tell. */
typedef struct {
    bench_slot_t slot;                    /* its state, and what went wrong */
    uint64_t begin_ns;                    /* before it was a node */
    _Atomic uint64_t full_ns;             /* when it saw all others; 0: not yet */
    _Atomic uint64_t gone_ns[BENCH_ENDS]; /* when the victim was gone for it; 0: not yet */
    _Atomic uint64_t exits;               /* others that were gone for it */
} bench_node_t;

/* Memory that all of them share: the parent writes the upper half before they start, the hub its
 * endpoint before it is ready, each node its own part. */
typedef struct {
    uint64_t total_bytes;          /* of it all */
    uint32_t count;                /* of nodes, without the hub */
    bool hub;                      /* there is one, and no beacons */
    uint16_t port;                 /* UDP, for beacons */
    char interfaces[512];          /* to use, with commas */
    char seed[BENCH_ENDPOINT_MAX]; /* where the hub is */
    bench_node_t nodes[];          /* the last one, behind count, is the hub's */
} bench_swarm_board_t;

typedef struct {
    const cli_t *cli;
    bench_swarm_board_t *board; /* what all see */
    int fd;                     /* of the board; -1: none */
    bench_child_t *children;    /* as the nodes on the board */
} bench_swarm_t;

/* Makes the board, for a port that the system chose, and starts the hub, if there is to be one.
 * Close it in either case. */
int bench_swarm_open (bench_swarm_t *swarm, const cli_t *cli, uint32_t count);

int bench_swarm_start (bench_swarm_t *swarm, uint32_t index);

/* Looks after those that run: one that failed or died ends the bench, and so does a signal. */
int bench_swarm_look (bench_swarm_t *swarm);

/* Lets them be for so long; the progress line says what for. */
int bench_swarm_rest (bench_swarm_t *swarm, uint64_t ms, const char *what);

/* A time on the board that is to be there. */
typedef uint64_t bench_time_fn (bench_node_t *node);
uint64_t bench_time_ready (bench_node_t *node); /* any time, once it is a node */
uint64_t bench_time_full (bench_node_t *node);
uint64_t bench_time_killed (bench_node_t *node);
uint64_t bench_time_clean (bench_node_t *node);

/* Waits until all of the first so many have this time; *last is the latest. */
int bench_swarm_await (bench_swarm_t *swarm, uint32_t count, bench_time_fn *time, uint64_t *last);

/* Ends all that is still there. */
void bench_swarm_close (bench_swarm_t *swarm);

/* Those of --interface, with commas; or loopback. */
int bench_interfaces (const cli_t *cli, char *text, size_t size);

/* Those that end before the others, by index. */
uint32_t bench_victim (const bench_swarm_board_t *board, bench_end_t end);

/* In a child: is the node of that index. */
int bench_node_main (const cli_t *cli, const char *index);

/* -- talk -------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t shouts;               /* sent, on each side */
    uint64_t trips;                /* whispers there and back, on each side */
    uint64_t shout_ns, raw_ns;     /* from the first to the arrival of the last */
    double p50_us, p99_us;         /* of a whisper and its answer */
    double raw_p50_us, raw_p99_us; /* of a message and its echo on bare libzmq */
    uint64_t lost;                 /* shouts that did not arrive */
    uint64_t wrong;                /* answers that are not what was whispered */
} bench_talk_t;

/* Measures; shouts and trips are given. */
int bench_peers_talk (const cli_t *cli, bench_talk_t *talk);

#endif
