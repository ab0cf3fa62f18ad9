/* A peer: somebody with a connection to the engine who speaks the native protocol as a client
 * should.
 *
 * It says HELLO when told RESET, and takes WELCOME as the moment from which on it has a session, in
 * which it must send again what it has no outcome of. It pings, and looks for another connection
 * when the engine is silent. What it does beyond that is its role's. While there is chaos it loses
 * its connection, stops to listen for a while, or crashes and comes back as somebody else. */
#ifndef SIM_PEER_H
#define SIM_PEER_H

#include "tests/sim/book.h"

typedef struct {
    const char *name;
    uint32_t tick_ms;             /* it is called about so often */
    void (*make) (peer_t *peer);  /* sets peer->role_state up, malloced with vec_new */
    void (*up) (peer_t *peer);    /* it has a session */
    void (*down) (peer_t *peer);  /* its session is lost */
    void (*crash) (peer_t *peer); /* it starts afresh with a new identity */
    void (*tick) (peer_t *peer);
    void (*message) (peer_t *peer, unsigned command, zf_reader_t *r, zf_bytes_t body);
    bool (*idle) (const peer_t *peer); /* it waits for nothing any more */
    void (*free) (peer_t *peer);
} role_t;

struct peer {
    sim_t *sim;
    const role_t *role;
    uint32_t index;
    void *role_state; /* the role's own */
    identity_t *me;
    bool hostile;          /* breaks the protocol: the book does not follow it */
    conn_t *conn;          /* NULL: none */
    bool eager;            /* says HELLO without waiting for RESET */
    bool awaiting;         /* HELLO was sent, WELCOME is not here yet */
    bool up;               /* it has a session */
    bool away;             /* it has left for good */
    uint64_t hung_until;   /* it does nothing before */
    uint64_t heard_ms;     /* last sign of the engine */
    uint64_t said_ms;      /* last time it sent anything */
    uint64_t window;       /* bytes that the engine grants */
    uint32_t heartbeat_ms; /* that the engine asks for */
};

extern const role_t role_producer, role_asker, role_worker, role_admin, role_hostile,
    role_subscriber, role_trimmer;

peer_t *peer_make (sim_t *sim, const role_t *role);
void peer_free (peer_t *peer);

/* Reads what has arrived on one of its connections. */
void peer_read (conn_t *conn);

/* Sends a control frame, which is freed, and a batch (size 0: none). Without a connection nothing
 * happens. */
void peer_send (peer_t *peer, zf_writer_t *control, const zf_writer_t *batch);

/* The broker's end of its connection is gone, and it sees that. */
void peer_lost (peer_t *peer);

/* Says BYE, or just goes. */
void peer_leave (peer_t *peer);

#endif
