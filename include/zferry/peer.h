/* A peer: this process as one node among others. Nodes find each other without a broker (UDP
 * beacons on the local network, seeds beyond it), and then talk directly, by ZRE (RFC 36): zferry's
 * nodes, Zyre's and Pyre's see each other.
 *
 * Groups:    a node joins any groups by name; who shouts to a group reaches all nodes in it,
 *            whether or not he has joined it himself. A whisper goes to one node.
 * Delivery:  at most once, in order from each node. What a node has not taken waits here, up to
 *            line_bytes; then it misses messages (they are counted) and the others do not.
 * Liveness:  a node that shows no sign of life is asked for one shortly before evasive_ms, told of
 *            then (event EVASIVE), once more if it does not give one for as long again (event
 *            SILENT), and forgotten after expired_ms (event EXIT). A clean end, or a lost
 *            connection that can't be made again, shows at once.
 * Trust:     anybody who reaches the port can take part: names and headers are claims.
 * Threads:   a handle may be used by any number of threads at once; a thread of its own does the
 *            I/O. Events come to zf_peer_next, or to an event loop by zf_peer_fd.
 * Messages:  valid until zf_peer_event_release. */
#ifndef ZFERRY_PEER_H
#define ZFERRY_PEER_H

#include <zferry/error.h>
#include <zferry/message.h>
#include <zferry/security.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_peer zf_peer_t;

#define ZF_PEER_ID       33   /* bytes for a node's id: 32 hexadecimal digits and a zero */
#define ZF_PEER_PORT     5670 /* UDP, registered for ZRE */
#define ZF_PEER_NAME_MAX 255  /* bytes of a name, a group's name, a header's name */

typedef enum {
    ZF_PEER_ENTER = 1, /* a node is there: its name, its endpoint */
    ZF_PEER_EVASIVE,   /* it has been silent, and is asked */
    ZF_PEER_BACK,      /* after EVASIVE, and maybe SILENT: it has answered */
    ZF_PEER_EXIT,      /* it is gone; text: why */
    ZF_PEER_JOIN,      /* it has joined `group` */
    ZF_PEER_LEAVE,     /* it has left `group` */
    ZF_PEER_WHISPER,   /* a message for us */
    ZF_PEER_SHOUT,     /* a message for `group`, which we are in */
    ZF_PEER_OFFER,     /* it offers `text` (directory.h) at `endpoint`; also of this process */
    ZF_PEER_WITHDRAW,  /* and no longer does */
    ZF_PEER_NOTE,      /* text: which interfaces are used and why, seeds that come and go, nodes
                          that break the protocol, messages that were dropped; for people */
    ZF_PEER_MISSED,    /* count: events that nobody fetched in time were dropped */
    ZF_PEER_SILENT     /* after EVASIVE: it was asked, and has not answered for evasive_ms */
} zf_peer_event_type_t;

/* Strings are never NULL. */
typedef struct {
    zf_peer_event_type_t type;
    const char *id;       /* of the node, ZF_PEER_ID; "" if it is about none */
    const char *name;     /* of the node */
    const char *endpoint; /* where it was reached, or what it offers is */
    const char *group;
    const char *text;
    const zf_bytes_t *frames; /* of a message */
    size_t frame_count;
    uint64_t count;
    void *owner; /* the library's */
} zf_peer_event_t;

typedef struct {
    const char *name;
    const char *value;
} zf_peer_header_t;

typedef struct {
    size_t struct_size;              /* set by zf_peer_defaults(); leave alone */
    const char *name;                /* default NULL: host name and the first digits of the id */
    const char *space;               /* namespace: nodes of another one are not seen. Default "":
                                        that of Zyre and Pyre nodes */
    const zf_peer_header_t *headers; /* told to every node; names that begin with X-ZF- are ours */
    size_t header_count;             /* at most 256 */
    const char *const *interfaces;   /* to use: names (eth0, eth*) or networks (10.1.0.0/16,
                                        fe80::/10); one with a ! in front is refused. Default: all
                                        that are up */
    size_t interface_count;
    bool beacon;                /* find and be found by UDP; default true */
    uint16_t port;              /* UDP; default 5670 */
    uint32_t interval_ms;       /* between beacons; 1,000. The first ones come in quick
                                   succession */
    const char *const *seeds;   /* endpoints of any nodes of zferry, or of gossip hubs (zgossip's
                                   protocol), tcp:// or ipc://: for where UDP does not reach. Who
                                   has a seed in common meets. Its own does no harm */
    size_t seed_count;          /* at most 64 */
    const char *hub;            /* endpoint to bind as a gossip hub, besides `endpoint`, which is
                                   one, too; NULL: none */
    const char *endpoint;       /* to bind for the other nodes; default: any TCP port, on all
                                   interfaces */
    const char *advertise;      /* host name or address that other nodes reach us by, told to
                                   seeds; default NULL: the address that a route to the seed
                                   leaves from */
    uint32_t evasive_ms;        /* default 5,000 */
    uint32_t expired_ms;        /* default 30,000 */
    uint64_t line_bytes;        /* that wait for one node; default 4 MiB */
    uint64_t event_bytes;       /* events that wait for the application; default 16 MiB */
    uint64_t max_message_bytes; /* of a frame, to a node or from one: a larger one ends its
                                   connection; default 16 MiB */
    uint32_t max_peers;         /* default 4,096 */
    zf_security_t *security; /* NULL: plain, and on this machine's loopback interface only, unless
                                that is insecure by name (security.h) */
} zf_peer_options_t;

ZF_API void zf_peer_defaults_sized (zf_peer_options_t *options, size_t size);
#define zf_peer_defaults(options) zf_peer_defaults_sized ((options), sizeof *(options))

/* Starts a node; options may be NULL. Interfaces, a network or seeds that are not there yet are no
 * error: they are used when they come.
 * Returns 0, ZF_E_INVAL, ZF_E_NOMEM, ZF_E_ADDRESS (an endpoint or the UDP port can't be bound). */
ZF_API int zf_peer_start (zf_peer_t **peer, const zf_peer_options_t *options, zf_error_t *err);

/* Says goodbye to all nodes and frees it. No other call may be under way, and no handle that uses
 * it may be open. Sets *peer to NULL. Safe on NULL. */
ZF_API void zf_peer_stop (zf_peer_t **peer);

/* Valid until stop. */
ZF_API const char *zf_peer_id (const zf_peer_t *peer);
ZF_API const char *zf_peer_name (const zf_peer_t *peer);
ZF_API const char *zf_peer_endpoint (const zf_peer_t *peer); /* as bound */
ZF_API const char *zf_peer_hub (const zf_peer_t *peer);      /* as bound; "" without */

/* -- talking: each returns 0, ZF_E_INVAL or ZF_E_NOMEM ----------------------------------------- */

ZF_API int zf_peer_join (zf_peer_t *peer, const char *group);
ZF_API int zf_peer_leave (zf_peer_t *peer, const char *group);

/* To all others in the group: 1 to 1,000 frames of at most max_message_bytes. */
ZF_API int zf_peer_shout (zf_peer_t *peer, const char *group, const zf_bytes_t *frames,
                          size_t count);

/* To one node, by its id, or by its name if only one has it. Also ZF_E_NOT_FOUND (no such node, or
 * several of that name); ZF_E_AGAIN: more waits for that node than line_bytes. */
ZF_API int zf_peer_whisper (zf_peer_t *peer, const char *to, const zf_bytes_t *frames,
                            size_t count);

/* -- events ------------------------------------------------------------------------------------ */

/* The next event. timeout_ms 0: do not wait, -1: for ever. Returns 0, ZF_E_TIMEOUT (ZF_E_AGAIN with
 * timeout 0). */
ZF_API int zf_peer_next (zf_peer_t *peer, zf_peer_event_t *event, int timeout_ms);
ZF_API void zf_peer_event_release (zf_peer_event_t *event);

/* Fetches events, and calls fn for each, until it returns something else than 0, or none has come
 * for timeout_ms (-1: for ever). Returns what fn returned, or ZF_E_TIMEOUT. The event is valid
 * during the call; fn may call the peer. */
typedef int zf_peer_event_fn (void *arg, const zf_peer_event_t *event);
ZF_API int zf_peer_run (zf_peer_t *peer, zf_peer_event_fn *fn, void *arg, int timeout_ms);

/* Drops all events from now on, except those of which this is the bit (1 << ZF_PEER_...): for who
 * does not fetch them. */
ZF_API void zf_peer_listen (zf_peer_t *peer, uint32_t types);

/* Readable when there is an event: call zf_peer_next with timeout 0 until ZF_E_AGAIN. */
ZF_API int zf_peer_fd (zf_peer_t *peer);

/* -- looking around: fn must not call the peer; returning false ends it ------------------------ */

typedef struct {
    const char *id;
    const char *name;
    const char *endpoint;
    uint64_t silent_ms; /* since its last sign of life */
    bool is_evasive;
    bool is_zferry;   /* else a node of Zyre or Pyre */
    uint64_t dropped; /* messages that it had no room for */
    const zf_peer_header_t *headers;
    size_t header_count;
    const char *const *groups;
    size_t group_count;
} zf_peer_info_t;

typedef bool zf_peer_fn (void *arg, const zf_peer_info_t *node);
typedef bool zf_peer_name_fn (void *arg, const char *name);

ZF_API void zf_peer_each (zf_peer_t *peer, zf_peer_fn *fn, void *arg);
ZF_API void zf_peer_each_group (zf_peer_t *peer, zf_peer_name_fn *fn, void *arg); /* all known */

/* Waits until so many other nodes are there. timeout_ms -1: for ever. Returns 0 or ZF_E_TIMEOUT. */
ZF_API int zf_peer_wait (zf_peer_t *peer, uint32_t count, int timeout_ms);

typedef struct {
    uint32_t peers;
    uint64_t beacons_in, beacons_out, beacons_bad; /* datagrams */
    uint64_t messages_in, messages_out;
    uint64_t dropped_slow;   /* messages for nodes with full lines */
    uint64_t dropped_events; /* that nobody fetched */
    uint64_t refused;        /* sightings of nodes that there was no room to look at */
    uint64_t errors;         /* messages that break ZRE */
    uint64_t exits;          /* nodes that went, for whatever reason */
} zf_peer_stats_t;

ZF_API void zf_peer_stats (zf_peer_t *peer, zf_peer_stats_t *stats);

#ifdef __cplusplus
}
#endif

#endif
