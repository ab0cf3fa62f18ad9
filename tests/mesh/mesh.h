/* The deterministic simulator of roster and directory: some nodes, each with a roster and a
 * directory of its own, a herald between them, and a shell that does what they say, on a network
 * that loses, doubles and delays beacons, breaks connections, parts and heals; with nodes that
 * restart, freeze and get stuck, and with somebody who forges.
 *
 *   mesh.c        a run: time, events, its end
 *   mesh_net.c    connections: pipes in order, which break and come back as a DEALER's do
 *   mesh_node.c   a node's shell, and what its application sees
 *   mesh_offers.c what it offers, what it is told of others' offers, and what must be true of it
 *   mesh_zyre.c   a node that does as Zyre does
 *   mesh_evil.c   what goes wrong, and who forges
 *   mesh_check.c  what must be true
 *
 * What is checked, always: effects come in an order that makes sense (OPEN before SEND, nothing
 * after CLOSE, ENTER first and EXIT last); a connection begins with HELLO and counts from 1; what a
 * node says to another arrives in order and once; bounds. When the network has been calm for
 * SETTLE_MS: everybody sees everybody of his namespace, and nobody else, in the groups that they
 * are in; and that does not change any more.
 *
 * And of offers: a directory has those of peers only, and its changes tell of all that is in it; no
 * offer of a peer goes more often than it was withdrawn. In the end everybody knows what everybody
 * offers, where it is, and nothing else. */
#ifndef TESTS_MESH_H
#define TESTS_MESH_H

#include "discovery/herald.h"
#include "discovery/roster.h"
#include "tests/sim/prng.h"

#include <setjmp.h>

#define NODES_MAX     12
#define GROUPS        4
#define SETTLE_MS     150000 /* of calm until all must have met */
#define STABLE_MS     60000  /* after which nothing may change */
#define LINE_BYTES    8000
#define EXPIRED_MS    30000
#define PEERS_MAX     64
#define OFFERS        256                            /* that a node can have */
#define OFFER_BITS    ((2 * NODES_MAX + 2) * OFFERS) /* at each host */
#define OFFER_TEXT    64
#define OFFERS_STEADY 4 /* of those are never withdrawn */

typedef enum {
    MODE_STORM,  /* anything may go wrong, then there is calm */
    MODE_CALM,   /* beacons are lost, late and forged; nobody may be dropped */
    MODE_SLEEPY, /* all freeze at once, now and then; nobody may be dropped */
} mesh_mode_t;

/* Some offers of a node. */
typedef struct {
    uint64_t bits[OFFER_BITS / 64];
    uint32_t count;
} offer_set_t;

/* A message under way. */
typedef struct mail {
    struct mail *next;
    uint64_t due;    /* when it arrives */
    uint64_t number; /* of its content */
    uint32_t length; /* bytes of content; 0: it has none */
    size_t size;
    size_t list_size; /* of a list of offers, which is behind the frame; 0: it is none */
    uint8_t frame[];
} mail_t;

/* A connection into somebody's mailbox. */
typedef struct conn {
    struct conn *prev, *next;
    uint8_t identity[1 + ZF_UUID_BYTES];
    int from, to;       /* nodes; from -1: somebody who forges */
    uint32_t from_life; /* of that node */
    uint32_t to_life;
    uint32_t slot;
    bool is_open;             /* its DEALER can put more into it */
    bool is_broken;           /* nothing of it arrives any more */
    bool is_awaited;          /* an event will look at it */
    bool is_through;          /* its other end has been awake since it began */
    bool is_lossy;            /* something had to be sent again */
    uint64_t leaves, arrives; /* the packet of its last message, */
    uint64_t acked;           /* and when its sender knows that it has, and can send more */
    mail_t *first, *last;
} conn_t;

/* A DEALER. */
typedef struct {
    bool is_open;
    bool is_cut;                 /* it has lost a connection */
    bool is_told;                /* SEND was said, and its line was not empty since */
    uint32_t number;             /* counts those that had this slot */
    uint16_t sent;               /* number of its last message */
    uint8_t uuid[ZF_UUID_BYTES]; /* whom it is for */
    uint32_t whispers;           /* that wait in its line */
    uint64_t whisper_bytes;
    uint64_t stuck; /* it takes nothing until */
    char endpoint[40];
    conn_t *conn;        /* NULL: it is not connected */
    zf_hearer_t *hearer; /* of our offers */
    mail_t *first, *last;
    uint32_t waiting; /* of them */
} dealer_t;

/* What an application knows about another node. */
typedef struct {
    uint8_t uuid[ZF_UUID_BYTES];
    bool is_there, is_evasive, is_silent;
    uint32_t groups;   /* bits */
    uint64_t last;     /* number of its last message to us */
    uint16_t sequence; /* of its last one on the wire */
    uint32_t exits;    /* times that it went */
    offer_set_t offers;
    uint16_t *gone; /* times that each offer went while it was there; NULL: none ever did */
} seen_t;

/* A peer, as Zyre has it. */
typedef struct {
    uint8_t uuid[ZF_UUID_BYTES];
    bool is_used, is_ready;
    uint32_t slot;
    uint16_t want, sent;
    uint8_t status;
    uint32_t groups;
    uint64_t heard;
} zpeer_t;

typedef struct {
    bool is_there, is_zyre;
    uint32_t life;   /* counts its starts */
    uint64_t frozen; /* until */
    uint8_t uuid[ZF_UUID_BYTES];
    const char *space;
    char name[16], endpoint[40], other[40], host[16];
    uint32_t groups; /* that it is in */
    zf_roster_t *roster;
    uint64_t due; /* of its next tick */
    zf_offers_t *offers;
    zf_herald_t herald;
    offer_set_t offered, own_shown; /* what it offers, and what it was told that it does */
    uint16_t withdrawn[OFFERS];     /* times */
    uint32_t looks;                 /* turns until its directory is looked at */
    bool has_many;                  /* more than its headers tell */
    dealer_t *dealers;
    uint32_t dealer_count;
    seen_t *seen;
    uint32_t seen_count;
    zpeer_t *zpeers;
    uint32_t zpeer_count;
    uint8_t zstatus;
} node_t;

typedef enum {
    EVENT_BEACON, /* arrives at node */
    EVENT_MAIL,   /* the head of conn is due */
    EVENT_DIAL,   /* a DEALER tries to connect */
    EVENT_LOST,   /* it hears that it is not connected */
    EVENT_STEP,   /* a node's second has come */
    EVENT_EVIL,   /* something goes wrong */
} event_type_t;

typedef struct {
    uint64_t time, order;
    event_type_t type;
    int node;
    uint32_t life, slot, number;
    conn_t *conn;
    uint8_t uuid[ZF_UUID_BYTES];
    char endpoint[40], host[16];
    bool is_farewell;
} event_t;

typedef struct {
    uint64_t seed;
    bool is_verbose, is_quiet;
} mesh_options_t;

typedef struct {
    mesh_options_t options;
    mesh_mode_t mode;
    prng_t prng;
    uint64_t now, end;
    uint64_t calm_from; /* nothing goes wrong any more */
    uint32_t count;     /* of nodes */
    node_t nodes[NODES_MAX];
    uint32_t apart[NODES_MAX]; /* bits: who cannot reach whom */
    conn_t *conns;
    event_t *heap;
    size_t heap_count, heap_capacity;
    uint64_t order;
    uint32_t mail_ms, beacon_ms, loss; /* delays up to; one beacon in `loss` is lost */
    uint32_t losses;                   /* packets of a hundred that are lost, of connections */
    uint32_t evil_ms;                  /* between what goes wrong */
    bool is_honest;                    /* nobody forges, or starts where another was */
    bool has_other;                    /* second addresses, where nobody is */
    bool has_many;                     /* some nodes offer a lot */
    uint32_t offers_few;               /* that most nodes choose from */
    uint32_t offers_rate;              /* they change them twice in so many seconds */
    uint64_t offers_until;             /* they change */
    uint64_t numbers;                  /* of messages with content */
    uint64_t exits;
    jmp_buf failed;
} mesh_t;

/* Returns 0, or 1: a promise was broken (told on stderr). */
int mesh_run (const mesh_options_t *options);
_Noreturn void mesh_fail (mesh_t *mesh, const char *format, ...) ZF_PRINTF (2, 3);
void mesh_trace (mesh_t *mesh, const char *format, ...) ZF_PRINTF (2, 3);
event_t *mesh_event (mesh_t *mesh, event_type_t type, uint64_t delay);
static inline uint64_t chance (mesh_t *mesh, uint64_t n)
{
    return prng_below (&mesh->prng, n);
}

/* -- the network ------------------------------------------------------------------------------- */

bool net_is_apart (const mesh_t *mesh, int a, int b);
mail_t *mail_new (zf_bytes_t frame, uint64_t number, uint32_t length);
mail_t *mail_new_list (zf_bytes_t frame, zf_bytes_t list);
void mails_free (mail_t *first);
void net_open (mesh_t *mesh, node_t *node, uint32_t slot, const char *endpoint);
bool net_is_open (const node_t *node, uint32_t slot);
void net_close (mesh_t *mesh, node_t *node, uint32_t slot);

/* How it is with a DEALER, as far as its system can tell. */
zf_reach_t net_reach (const mesh_t *mesh, const node_t *node, uint32_t slot);

/* False: it takes nothing now. */
bool net_has_room (const mesh_t *mesh, const node_t *node, uint32_t slot);
void net_put (mesh_t *mesh, node_t *node, uint32_t slot, mail_t *mail);
void net_dial (mesh_t *mesh, node_t *node, uint32_t slot);
void net_break (mesh_t *mesh, conn_t *conn);
void net_arrive (mesh_t *mesh, conn_t *conn);

/* All connections from and to a node. */
void net_kill (mesh_t *mesh, int node);

/* A connection that says it is that node's. */
conn_t *net_forge (mesh_t *mesh, int to, const uint8_t *uuid);
void conn_put (mesh_t *mesh, conn_t *conn, mail_t *mail);
void net_free (mesh_t *mesh);

/* -- nodes ------------------------------------------------------------------------------------- */

void node_start (mesh_t *mesh, int index, bool same_port);
void node_stop (mesh_t *mesh, int index, bool clean);
void node_free (node_t *node);
void node_step (mesh_t *mesh, node_t *node);
void node_beacon (mesh_t *mesh, node_t *node, const event_t *event);
void node_mail (mesh_t *mesh, node_t *node, const conn_t *conn, const mail_t *mail);
void node_lost (mesh_t *mesh, node_t *node, uint32_t slot);
void node_tick (mesh_t *mesh, node_t *node);

/* Does what the roster says, until it says nothing more. */
void node_turn (mesh_t *mesh, node_t *node);
void node_pump (mesh_t *mesh, node_t *node, uint32_t slot);
seen_t *node_seen (node_t *node, const uint8_t *uuid);
uint8_t *identity_of (uint8_t identity[1 + ZF_UUID_BYTES], const uint8_t *uuid);
int node_index (const mesh_t *mesh, const node_t *node);

/* -- offers ------------------------------------------------------------------------------------ */

/* The roster has to be there. */
void offers_start (mesh_t *mesh, node_t *node);
void offers_free (node_t *node);

/* Announces and withdraws something, if it is time for it. */
void offers_change (mesh_t *mesh, node_t *node);

/* A DEALER was opened, is closed. */
void offers_greet (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect);
void offers_part (node_t *node, uint32_t slot);

/* Before the application sees it. Returns true if it is nothing for it. */
bool offers_effect (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect);

/* Mail to a node that is not one of ours. */
void offers_stranger (mesh_t *mesh, const node_t *node, const mail_t *mail);
void check_offers (mesh_t *mesh, node_t *node);
void check_offers_of (mesh_t *mesh, node_t *node, const node_t *other);

/* -- Zyre -------------------------------------------------------------------------------------- */

void zyre_step (mesh_t *mesh, node_t *node);
void zyre_beacon (mesh_t *mesh, node_t *node, const event_t *event);
void zyre_mail (mesh_t *mesh, node_t *node, const conn_t *conn, const mail_t *mail);
void zyre_join (mesh_t *mesh, node_t *node, uint32_t group);
void zyre_bye (mesh_t *mesh, node_t *node);

/* -- evil, and what must be true --------------------------------------------------------------- */

void evil_step (mesh_t *mesh);
void evil_end (mesh_t *mesh);
void check_effect (mesh_t *mesh, node_t *node, const zf_roster_effect_t *effect);

/* before: what the application knew about the sender before the mail came. */
void check_sequence (mesh_t *mesh, node_t *node, const seen_t *before, const mail_t *mail);
void check_node (mesh_t *mesh, node_t *node);
void check_settled (mesh_t *mesh);

#endif
