/* What the files of a node share; see node.h. Everything belongs to whoever holds the lock, unless
 * it says otherwise, also ZeroMQ's sockets: the lock is the fence that they need between
 * threads. */
#ifndef ZF_DEVICES_NODE_INSIDE_H
#define ZF_DEVICES_NODE_INSIDE_H

#include "core/frame.h"
#include "core/hash.h"
#include "core/timers.h"
#include "devices/node.h"
#include "devices/socket.h"
#include "discovery/beacon.h"
#include "discovery/directory.h"
#include "discovery/herald.h"
#include "discovery/hub.h"
#include "discovery/roster.h"
#include "discovery/udp.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <zmq.h>

#define ZF_NODE_SEEDS_MAX    64
#define ZF_NODE_FRAMES_MAX   1000                     /* of a message, */
#define ZF_NODE_SHEETS_MAX   (ZF_NODE_FRAMES_MAX + 1) /* behind that of ZRE */
#define ZF_NODE_HEADERS_MAX  256                      /* of the application */
#define ZF_NODE_ENDPOINT_MAX 300
#define ZF_NODE_LOST_MAX     256
#define ZF_NODE_BLOCKED_MAX  256 /* full lines that are polled; others are tried by time */
#define ZF_NODE_FDS_MAX      (4 + ZF_UDP_FDS + 2 * ZF_NODE_SEEDS_MAX + ZF_NODE_BLOCKED_MAX)

/* -- frames of messages ------------------------------------------------------------------------ */

/* A frame in ZeroMQ's hands: received, or made for sending; never copied from node to node. */
typedef struct {
    zf_frame_t frame; /* first: it is given back by this */
    zmq_msg_t message;
} zf_sheet_t;

/* A sheet with room for so many bytes, held once; NULL: out of memory. */
zf_sheet_t *zf_sheet_new (size_t size);

/* -- events (node_events.c) -------------------------------------------------------------------- */

typedef struct zf_happening zf_happening_t;

typedef struct {
    pthread_mutex_t lock; /* of this alone; taken last */
    pthread_cond_t arrived;
    zf_happening_t *first, *last; /* they wait for the application */
    uint64_t bytes;               /* of all that wait */
    uint64_t bytes_max;
    uint64_t missed;   /* dropped since the last MISSED was fetched */
    uint64_t dropped;  /* ever */
    int fd;            /* eventfd for an event loop; -1: nobody asked for it */
    bool is_raised;    /* it was written to */
    uint32_t waiters;  /* threads in zf_node_next */
    atomic_uint types; /* that are wanted, as bits */
    /* the node's, under its lock: */
    zf_happening_t *fresh, **fresh_end; /* of this turn, not published yet */
    uint64_t fresh_missed;              /* for want of memory */
} zf_happenings_t;

/* -- mail (node_mail.c) ------------------------------------------------------------------------ */

typedef struct zf_line zf_line_t;

/* The way to one node: a DEALER. */
struct zf_line {
    zf_socket_t socket;
    zf_socket_t monitor; /* until its HELLO is answered; raw NULL: none */
    uint8_t uuid[ZF_UUID_BYTES];
    uint32_t slot;
    int fd;                 /* of the connection by which it writes to us; -1: none is known */
    bool is_cut;            /* it was connected, and that was lost; as the monitor told */
    bool is_through;        /* it is connected; as the monitor told, */
    int way;                /* by this descriptor, if it still is */
    bool is_due;            /* in the list below */
    bool is_blocked;        /* it had no room */
    zf_hearer_t hearer;     /* of our offers */
    zf_line_t *prev, *next; /* lines with something to send */
    UT_hash_handle hh;      /* by uuid */
};

/* A connection that was lost. */
typedef struct {
    int fd;
    uint64_t due_ms; /* when who had it is said to have lost it */
} zf_lost_t;

typedef struct {
    zf_socket_t mailbox;
    zf_socket_t monitor;
    char endpoint[ZF_NODE_ENDPOINT_MAX];    /* as bound */
    uint16_t port;                          /* TCP; 0: it is bound elsewhere */
    zf_line_t **lines;                      /* by slot; NULL: none */
    uint32_t line_count;                    /* room in it */
    zf_line_t *by_uuid;                     /* (uthash) */
    zf_line_t *due;                         /* (utlist) */
    zf_sheet_t *sheets[ZF_NODE_SHEETS_MAX]; /* for the next message; NULL: to be made */
    zf_lost_t lost[ZF_NODE_LOST_MAX];
    uint32_t lost_count;
    uint32_t awaited;  /* lines with monitors */
    uint64_t reach_ms; /* when to look at those */
    uint64_t strange;  /* messages that were no message */
    bool has_more;     /* the last turn ended before the messages did */
} zf_mail_t;

/* -- beacons (node_beacon.c) ------------------------------------------------------------------- */

typedef struct {
    zf_udp_t *udp;        /* NULL: none */
    uint32_t interval_ms; /* between beacons */
    uint32_t sent;        /* since the burst began */
    uint64_t due_ms;      /* the next one */
    uint64_t look_ms;     /* when to look at the interfaces, changed or not */
    uint64_t rest_ms;     /* datagrams are not read before */
    uint64_t random;      /* state of the jitter */
    uint64_t in, out, bad;
} zf_air_t;

/* -- gossip (node_gossip.c, node_hub.c) -------------------------------------------------------- */

/* A hub that we are a client of. */
typedef struct {
    zf_socket_t socket;
    zf_socket_t monitor;
    bool is_there;    /* HELLO was said on this connection */
    uint64_t miss_ms; /* when to tell that there is none; ZF_NEVER: it was told */
    bool stirred;     /* something was sent: the descriptor may not tell of input */
    uint64_t ping_ms; /* when to say PING */
    uint64_t greeted_ms;
    uint32_t pause_ms; /* between PINGs */
    bool forgets;      /* it did once: it has to hear of us often */
    char *endpoint;
} zf_seed_t;

/* A client of ours. */
typedef struct zf_guest zf_guest_t;

typedef struct {
    zf_hub_t *hub; /* what is known; NULL: there are neither seeds nor guests, and never were */
    zf_seed_t seeds[ZF_NODE_SEEDS_MAX];
    size_t seed_count;
    zf_socket_t watch;  /* the monitor of that, if it has a domain */
    zf_socket_t router; /* of guests; raw NULL: they come by the mailbox alone */
    char endpoint[ZF_NODE_ENDPOINT_MAX];
    bool stirred;       /* a guest was told something */
    zf_guest_t *guests; /* (uthash) */
    char host[80];      /* by which others reach us; "": not known yet */
    bool is_advertised; /* it was given */
    uint64_t publish_ms;
    uint64_t sight_ms;
    zf_writer_t w;
} zf_gossip_state_t;

/* -- the node ---------------------------------------------------------------------------------- */

/* What the way to a host begins with. */
typedef struct {
    char to[80];
    char own[80];
    uint64_t until_ms; /* it is asked again then */
} zf_route_t;

typedef struct zf_node_key zf_node_key_t;

struct zf_node {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* nodes or offers came or went */
    pthread_t thread;
    bool runs;
    bool stops;
    uint8_t uuid[ZF_UUID_BYTES];
    char id[ZF_PEER_ID];
    char *name;
    zf_security_t *security;  /* held; NULL: none */
    zf_node_key_t *keys;      /* of the others (uthash) */
    uint64_t review_ms;       /* when to look whose keys are authorised */
    uint64_t frame_bytes_max; /* others take no larger ones, if they are as we are */
    char **rules;             /* of interfaces */
    size_t rule_count;
    int wake_fd; /* eventfd */
    bool is_woken;
    zf_roster_t *roster;
    uint64_t tick_ms; /* when the roster wants to be looked at */
    zf_mail_t mail;
    zf_air_t air;
    zf_gossip_state_t gossip;
    zf_happenings_t happenings;
    zf_route_t route;

    /* offers (node_directory.c) */
    zf_offers_t *offers;
    zf_herald_t herald;     /* tells them to others */
    uint64_t offers_due_ms; /* when it wants to be ticked */

    /* watches (node_watch.c) */
    pthread_mutex_t watch_lock;
    zf_watch_t *watches;
    bool news; /* the directory has changed in this turn */

    struct pollfd fds[ZF_NODE_FDS_MAX];
};

/* Makes the thread look; once for all that happens until it does. */
void zf_node_wake (zf_node_t *self);

/* 32 upper-case hexadecimal digits, and back: false if it is something else. */
void zf_node_write_id (const uint8_t uuid[ZF_UUID_BYTES], char id[ZF_PEER_ID]);
bool zf_node_read_id (const char *text, size_t size, uint8_t uuid[ZF_UUID_BYTES]);

/* Our endpoint as somebody sees it for whom our host is this. */
void zf_node_own_endpoint (const zf_node_t *self, const char *host, char *out, size_t size);

/* The same for whoever is at this endpoint. */
void zf_node_own_towards (zf_node_t *self, zf_bytes_t endpoint, char *out, size_t size);

static inline uint64_t zf_sooner (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* -- node_options.c ---------------------------------------------------------------------------- */

/* Returns 0, or ZF_E_INVAL in words. */
int zf_node_check (const zf_peer_options_t *options, zf_error_t *err);

/* -- node_keys.c ------------------------------------------------------------------------------- */

bool zf_node_is_secured (const zf_node_t *self);

/* Somebody says that this node has that key (NULL: none). Returns false if it can't be connected
 * to: the key is not authorised, there is none, or it has one and we do not. */
bool zf_node_claim_key (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES], const char *key);

/* It speaks over a connection that has this key. False: it is not that node, which is there with
 * another one. */
bool zf_node_prove_key (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES], const char *key);

/* NULL: none that is authorised. */
const char *zf_node_key_of (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES]);

/* It is gone: it may come back with another one. */
void zf_node_doubt_key (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES]);
void zf_node_forget_keys (zf_node_t *self);

/* Puts our own key behind an endpoint of ours. */
void zf_node_add_key (const zf_node_t *self, char *endpoint, size_t size);

/* Without a security other machines must not be reached. Returns 0 or ZF_E_DENIED. */
int zf_node_check_reach (const zf_peer_options_t *options, zf_error_t *err);

/* Who is not authorised any more loses his connections. */
void zf_node_review (zf_node_t *self, uint64_t now_ms);

/* -- node_turn.c ------------------------------------------------------------------------------- */

/* The thread. */
void *zf_node_run (void *node);

/* Fills in the descriptors that stay the same. */
void zf_node_watch_own (zf_node_t *self);

/* Does what the roster and the directory have decided. Returns true if that was anything but to
 * send something. */
bool zf_node_settle (zf_node_t *self);

/* After the application has said something: it is sent here and now, which saves it a way through
 * the thread. */
void zf_node_act (zf_node_t *self);

/* -- node_events.c ----------------------------------------------------------------------------- */

void zf_happenings_open (zf_happenings_t *self, uint64_t bytes_max);
void zf_happenings_close (zf_happenings_t *self);

/* Notes an event; strings that are NULL are empty, content is held or copied. */
void zf_node_tell (zf_node_t *self, const zf_peer_event_t *event, zf_frame_t *const *content,
                   size_t count);
void zf_node_note (zf_node_t *self, const char *format, ...) ZF_PRINTF (2, 3);

/* Shows the application what was noted. */
void zf_node_publish (zf_node_t *self);

/* -- node_mail.c ------------------------------------------------------------------------------- */

int zf_mail_open (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err);
void zf_mail_close (zf_node_t *self);

/* Takes in a bounded number of messages, and lost connections. */
void zf_mail_collect (zf_node_t *self, uint64_t now_ms);
uint64_t zf_mail_due (const zf_node_t *self);

/* Sends what lines have room for. Returns true if there is more that could be sent. */
bool zf_mail_send (zf_node_t *self);

/* Effects of the roster. */
void zf_mail_open_line (zf_node_t *self, const zf_roster_effect_t *effect);
void zf_mail_close_line (zf_node_t *self, uint32_t slot);
void zf_mail_line_due (zf_node_t *self, uint32_t slot);

/* NULL: there is none. */
zf_line_t *zf_mail_line_of (zf_node_t *self, const uint8_t uuid[ZF_UUID_BYTES]);

/* True if there is a way to somebody who is not (known to be) one of zferry's. */
bool zf_mail_has_foreigners (const zf_node_t *self);

/* Adds the descriptors of full lines. Returns how many; *others: there are more than that. */
size_t zf_mail_blocked (zf_node_t *self, struct pollfd *fds, size_t room, bool *others);

/* -- node_reach.c ------------------------------------------------------------------------------ */

/* A line, before it is connected: the roster hears whether it has got through. And before it is
 * closed. */
void zf_reach_begin (zf_node_t *self, zf_line_t *line);
void zf_reach_end (zf_node_t *self, zf_line_t *line);
void zf_reach_collect (zf_node_t *self, uint64_t now_ms);
uint64_t zf_reach_due (const zf_node_t *self);

/* -- node_beacon.c ----------------------------------------------------------------------------- */

int zf_air_open (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err);
void zf_air_close (zf_node_t *self);

/* Reads datagrams, sends beacons, looks at the interfaces, as is due. */
void zf_air_collect (zf_node_t *self, bool news, uint64_t now_ms);
void zf_air_tick (zf_node_t *self, uint64_t now_ms);
uint64_t zf_air_due (const zf_node_t *self);

/* We are leaving. */
void zf_air_bye (zf_node_t *self);

/* -- node_gossip.c ----------------------------------------------------------------------------- */

int zf_gossip_open (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err);
void zf_gossip_close (zf_node_t *self);
void zf_gossip_collect (zf_node_t *self, uint64_t now_ms);
void zf_gossip_tick (zf_node_t *self, uint64_t now_ms);
uint64_t zf_gossip_due (const zf_node_t *self);

/* True if something came in while something was sent: the descriptors may not tell. */
bool zf_gossip_has_input (zf_node_t *self);

/* A tuple came from a seed, a guest (the other one is NULL), or from ourselves (both are). */
void zf_gossip_learn (zf_node_t *self, const zf_gossip_t *tuple, const zf_seed_t *seed,
                      const zf_guest_t *guest, uint64_t now_ms);

/* Our own address is this, by a connection that was made. */
void zf_gossip_own_host (zf_node_t *self, const char *host, uint64_t now_ms);

/* The message to a socket, behind an id if it is a ROUTER. False: it had no room, or no memory. */
bool zf_gossip_write (zf_node_t *self, void *socket, zf_bytes_t id, const zf_gossip_t *message);

/* -- node_hub.c -------------------------------------------------------------------------------- */

int zf_guests_open (zf_node_t *self, const char *endpoint, zf_error_t *err);
void zf_guests_close (zf_node_t *self);
void zf_guests_collect (zf_node_t *self, uint64_t now_ms);

/* A frame from the mailbox, and the descriptor of its connection. False: it is no gossip. */
bool zf_guests_mail (zf_node_t *self, zf_bytes_t id, zf_bytes_t frame, int fd, uint64_t now_ms);

/* Tells all of them but that one (NULL: all). */
void zf_guests_tell (zf_node_t *self, const zf_gossip_t *tuple, const zf_guest_t *but);

/* -- node_directory.c -------------------------------------------------------------------------- */

/* Between the roster and the directory; after both were made. */
void zf_offers_open (zf_node_t *self);

/* A line was opened to an endpoint. */
void zf_offers_line (zf_node_t *self, zf_line_t *line, const char *endpoint);

/* A node is there, with what it offers by the headers of its HELLO. */
void zf_offers_entered (zf_node_t *self, const zf_node_view_t *view);

/* True if the message is a list of offers, and was taken in. */
bool zf_offers_whispered (zf_node_t *self, const zf_roster_effect_t *effect);

/* A node has gone, and what it offered with it. */
void zf_offers_left (zf_node_t *self, const zf_roster_effect_t *effect);

/* Tells the application and watches what has changed. */
void zf_offers_settle (zf_node_t *self);

/* -- node_look.c ------------------------------------------------------------------------------- */

/* Waits until done (self, arg), with the lock held, or the time is over. */
typedef bool zf_node_done_fn (zf_node_t *self, const void *arg);
int zf_node_until (zf_node_t *self, zf_node_done_fn *done, const void *arg, int timeout_ms);

/* -- node_watch.c ------------------------------------------------------------------------------ */

/* Not with the lock held. */
void zf_node_call_watches (zf_node_t *self);

#endif
