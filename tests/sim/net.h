/* The network: connections between peers and the engine's shell. Each is two pipes that keep their
 * order, as TCP does, with delays of any length; it may break, and then what has not arrived is
 * lost, and each end hears of it sooner, later, or never. */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "tests/sim/sim.h"

typedef struct message {
    struct message *next;
    uint64_t arrival_ms;
    size_t count;       /* frames: 1 or 2 */
    zf_bytes_t part[2]; /* malloced */
} message_t;

typedef struct {
    message_t *first, *last;
    uint64_t arrival_ms; /* of the last one: none overtakes it */
} pipe_t;

struct conn {
    sim_t *sim;
    conn_t *next;
    uint32_t number;       /* 1, 2 ... in the order they were made */
    peer_t *peer;          /* whose it is */
    bool broken;           /* nothing gets through any more */
    bool left;             /* the peer has closed it in order: what it sent still arrives */
    bool detached;         /* the shell knows that it is gone */
    zf_session_t *session; /* at the engine, or NULL */
    pipe_t in;             /* to the engine */
    pipe_t out;            /* to the peer */
};

conn_t *net_connect (peer_t *peer);

/* Sends copies of one or two frames. */
void net_to_engine (conn_t *conn, zf_bytes_t control, zf_bytes_t body);
void net_to_peer (conn_t *conn, zf_bytes_t control, zf_bytes_t body);

/* The next message that has arrived, or NULL. The caller frees it. */
message_t *net_arrived (conn_t *conn, pipe_t *pipe);
void message_free (message_t *message);

/* Cuts the connection. The shell hears of it after a while, or never. */
void net_break (conn_t *conn);

/* The peer closes the connection in order. */
void net_close (conn_t *conn);

void net_free (sim_t *sim);

#endif
