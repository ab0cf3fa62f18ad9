/* The roster: who is there. Everything of ZRE that can be decided without a socket, a clock or a
 * thread: which sightings to follow up, HELLOs and sequences, liveness, groups, and what waits for
 * whom. Pure: events go in, effects come out.
 *
 * A node is first a candidate: sighted (by a beacon or a gossip) and being greeted. When its own
 * HELLO arrives it is a peer (ENTER). It is dropped (EXIT) when it says goodbye, breaks its
 * sequence, is silent for expired_ms, or its connection is lost and nothing is heard within a
 * second of asking. A farewell by beacon is only a rumour (anybody can send one): the node is
 * asked, and dropped if it does not answer within a second.
 *
 * Lines: what is to be sent to a node waits in its line: the shell takes from it what the socket
 * has room for. A message to many is one frame, held by all lines. A line above line_bytes takes no
 * more messages (they are counted, and cost no number in the sequence); what the protocol cannot
 * miss (HELLO, JOIN, LEAVE, PING) is still taken, up to half as much again, and then the node is
 * dropped.
 *
 * Bounds: candidates (in all, and from one host: who invents nodes must not keep others out),
 * peers, bytes of one node's headers and groups, lines, nodes of other namespaces that are
 * remembered so that they are left alone.
 *
 * Answers: our HELLO is followed by a PING. The PING-OK shows that the node hears us: without it
 * the node is greeted at its next endpoint, or dropped. A peer that says HELLO again has started
 * again or has dropped us: it is greeted by a new connection, and tells as EXIT and ENTER; but not
 * if our own HELLO is so fresh that its own may be the answer: then it is asked first, and nothing
 * is told if it has to be greeted again. From time to time each peer is asked again. Who was lost
 * without a farewell is looked for, for two minutes.
 *
 * Bad networks: where packets are lost an answer may take seconds, and minutes if many are: TCP
 * waits ever longer before it tries again. Who is impatient there loses nodes that live. So a
 * DEALER that has got through is left open for a while; and if its way was seen to lose packets,
 * any answer of that node is waited for four times as long.
 *
 * Connections: the mailbox gives an identity to its newest connection (ZMQ_ROUTER_HANDOVER), and
 * what is closed sends nothing more. Two connections to one place would take the identity from each
 * other, so a node that is sighted where another one is has to wait; who is there is asked.
 *
 * Late ticks: when the shell was not able to run for a while (the machine slept, or was busy), the
 * peers are not to blame: deadlines move by so much.
 *
 * Threads: whoever holds the node's lock. */
#ifndef ZF_DISCOVERY_ROSTER_H
#define ZF_DISCOVERY_ROSTER_H

#include "core/bytes.h"
#include "core/frame.h"
#include "discovery/zre.h"

#define ZF_ROSTER_CANDIDATES 256          /* being greeted at a time, */
#define ZF_ROSTER_FROM_HOST  32           /* sighted at one host */
#define ZF_ROSTER_STRANGERS  4096         /* of other namespaces, remembered */
#define ZF_ROSTER_NODE_BYTES (256u << 10) /* of a node's headers and groups */
#define ZF_ROSTER_GREET_MS   3000         /* a candidate has to be reached, or to answer, within */
#define ZF_ROSTER_ASK_MS     1000         /* who is thought to be gone has to answer within */
#define ZF_ROSTER_NONE       UINT32_MAX

#define ZF_HEADER_SPACE "X-ZF-NAMESPACE" /* header: the namespace; not there: "" */

typedef struct zf_roster zf_roster_t;
typedef struct zf_node_view zf_node_view_t;

typedef struct {
    uint8_t uuid[ZF_UUID_BYTES];
    const char *name;
    const char *space;
    uint32_t evasive_ms;
    uint32_t expired_ms;
    uint64_t line_bytes;
    uint32_t max_peers;
} zf_roster_options_t;

/* NULL: out of memory. */
zf_roster_t *zf_roster_new (const zf_roster_options_t *options, uint64_t now_ms);
void zf_roster_free (zf_roster_t **roster);

/* A header of our own; said to whom is greeted from then on. value NULL: none. Returns 0,
 * ZF_E_INVAL, ZF_E_NOMEM. */
int zf_roster_header (zf_roster_t *roster, zf_bytes_t name, const zf_bytes_t *value);

/* -- what has happened ------------------------------------------------------------------------- */

/* A beacon or a gossip: this node can be reached there (tcp:// or ipc://; else it is ignored). own:
 * our own endpoint, as that node would see it (goes into the HELLO). host: who says so, for the
 * bound; any bytes. */
void zf_roster_sighted (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES], zf_bytes_t endpoint,
                        zf_bytes_t own, zf_bytes_t host, uint64_t now_ms);

/* A beacon with port 0. */
void zf_roster_farewell (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES], uint64_t now_ms);

/* A message from the mailbox: the identity of its connection, its first frame, and the content
 * (held if it is kept: the frames are copied where they are small and held where not, by
 * zf_frame_hold). own: our endpoint, for a HELLO to somebody who was not sighted. */
void zf_roster_received (zf_roster_t *roster, zf_bytes_t identity, zf_bytes_t frame,
                         zf_frame_t *const *content, size_t count, zf_bytes_t own, uint64_t now_ms);

/* How it is with a DEALER: not connected; connected; connected by a way that loses packets (LOSSY),
 * and what it sent has not arrived yet for all that is known (STUCK). Or it was connected, and that
 * was lost, with what it had sent by it, maybe (CUT). */
typedef enum {
    ZF_REACH_NOT,
    ZF_REACH_FINE,
    ZF_REACH_LOSSY,
    ZF_REACH_STUCK,
    ZF_REACH_CUT
} zf_reach_t;

/* It is so with the DEALER of this slot; to be told each time before a tick. False: that is of no
 * interest (any more). */
bool zf_roster_reached (zf_roster_t *roster, uint32_t slot, zf_reach_t reach, uint64_t now_ms);

/* A connection to this node, or from it, was lost or refused; it will be tried again by itself. */
void zf_roster_lost (zf_roster_t *roster, uint32_t slot, uint64_t now_ms);

/* Does what is due by time. Returns when something is again. */
uint64_t zf_roster_tick (zf_roster_t *roster, uint64_t now_ms);

/* -- what the application wants ---------------------------------------------------------------- */

/* Return 0 (also if nothing changes), ZF_E_INVAL (a name of 1 to 255 bytes without a zero; too many
 * groups), ZF_E_NOMEM. */
int zf_roster_join (zf_roster_t *roster, zf_bytes_t group);
int zf_roster_leave (zf_roster_t *roster, zf_bytes_t group);

/* The frames are held as long as they wait. Returns 0, ZF_E_INVAL (the name), ZF_E_NOMEM. */
int zf_roster_shout (zf_roster_t *roster, zf_bytes_t group, zf_frame_t *const *content,
                     size_t count);

/* Also ZF_E_NOT_FOUND, ZF_E_AGAIN (its line is full). */
int zf_roster_whisper (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES],
                       zf_frame_t *const *content, size_t count);

/* Says GOODBYE to all. */
void zf_roster_bye (zf_roster_t *roster);

/* -- effects ----------------------------------------------------------------------------------- */

typedef enum {
    ZF_ROSTER_OPEN,  /* connect a DEALER with our identity to text; it is `slot` from now on */
    ZF_ROSTER_CLOSE, /* close it; the slot may be used again afterwards */
    ZF_ROSTER_SEND,  /* there is something in the line of `slot`; once until it was emptied */
    ZF_ROSTER_ENTER, /* the rest is for the application: about `node` */
    ZF_ROSTER_EVASIVE,
    ZF_ROSTER_BACK,
    ZF_ROSTER_EXIT, /* text: why. The last one about this node */
    ZF_ROSTER_JOIN, /* group */
    ZF_ROSTER_LEAVE,
    ZF_ROSTER_WHISPER, /* content */
    ZF_ROSTER_SHOUT,   /* group, content */
    ZF_ROSTER_SILENT,  /* after EVASIVE: asked, and no answer for evasive_ms */
    ZF_ROSTER_NOTE     /* text: for people; at most 20 a second */
} zf_roster_effect_type_t;

typedef struct {
    zf_roster_effect_type_t type;
    uint32_t slot;
    uint8_t uuid[ZF_UUID_BYTES]; /* of the node */
    const char *name;            /* of the node */
    const char *endpoint;
    const char *group;
    const char *text;
    zf_frame_t *const *content;
    size_t count;
} zf_roster_effect_t;

/* The next effect; false: there is none. They come in the order in which they were caused. What it
 * points to is valid until the next call of this. */
bool zf_roster_next (zf_roster_t *roster, zf_roster_effect_t *effect);

/* The message at the head of a line: its first frame, with the sequence in it, and its content.
 * False: the line is empty. Valid until it is popped. */
bool zf_roster_peek (zf_roster_t *roster, uint32_t slot, zf_bytes_t *frame,
                     zf_frame_t *const **content, size_t *count);

/* It was sent. */
void zf_roster_pop (zf_roster_t *roster, uint32_t slot);

/* -- looking around ---------------------------------------------------------------------------- */

struct zf_node_view {
    uint8_t uuid[ZF_UUID_BYTES];
    const char *name;
    const char *endpoint;
    uint64_t heard_ms; /* last sign of life */
    bool is_evasive;
    uint64_t dropped;   /* messages that its line had no room for */
    zf_bytes_t headers; /* as in its HELLO (zf_zre_next_header) */
    uint32_t header_count;
    uint32_t group_count; /* zf_roster_groups_of */
};

/* Each peer, in the order in which they came, until fn returns false. fn must not change the
 * roster. */
typedef bool zf_roster_fn (void *arg, const zf_node_view_t *node);
void zf_roster_each (zf_roster_t *roster, zf_roster_fn *fn, void *arg);
bool zf_roster_find (zf_roster_t *roster, const uint8_t uuid[ZF_UUID_BYTES], zf_node_view_t *node);

/* Names of the groups that a node is in; uuid NULL: that we are in. */
typedef bool zf_roster_group_fn (void *arg, const char *group);
void zf_roster_groups_of (zf_roster_t *roster, const uint8_t *uuid, zf_roster_group_fn *fn,
                          void *arg);

typedef struct {
    uint32_t peers, candidates;
    uint64_t messages_in, messages_out;
    uint64_t dropped; /* messages for full lines */
    uint64_t refused; /* sightings without room */
    uint64_t errors;  /* messages that break the protocol */
    uint64_t exits;
} zf_roster_stats_t;
void zf_roster_stats (const zf_roster_t *roster, zf_roster_stats_t *stats);

#endif
