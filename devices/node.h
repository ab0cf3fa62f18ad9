/* A node: the shell around the roster, the directory, the beacon and the gossip. A thread that
 * turns: collect (mailbox, datagrams, hubs), decide (roster, directory), send (lines, beacons,
 * gossip). What the application says is done and sent by its own thread under the node's lock; what
 * has no room then is sent by the node's.
 *
 *   node.c            its life
 *   node_options.c    what it may be told
 *   node_turn.c       its turn
 *   node_mail.c       the mailbox (ROUTER) and the DEALERs to the others
 *   node_reach.c      which of those have got through
 *   node_beacon.c     beacons out and in
 *   node_gossip.c     hubs, as a client of some
 *   node_hub.c        and as one of them, as every node is
 *   node_talk.c       what the application says
 *   node_look.c       what it looks at and waits for
 *   node_directory.c  offers, ours and those of others
 *   node_events.c     events for the application
 *   node_watch.c      who wants to be told when the directory changes
 *
 * Threads: any; each call takes the lock. */
#ifndef ZF_DEVICES_NODE_H
#define ZF_DEVICES_NODE_H

#include <zferry/directory.h>
#include <zferry/peer.h>

typedef struct zf_node zf_node_t;

void zf_node_defaults (zf_peer_options_t *options);

/* As zf_peer_start; what the public header says of a call is true of the one here. */
int zf_node_start (zf_node_t **node, const zf_peer_options_t *options, zf_error_t *err);
void zf_node_stop (zf_node_t **node);
const char *zf_node_id (const zf_node_t *node);
const char *zf_node_name (const zf_node_t *node);
const char *zf_node_endpoint (const zf_node_t *node);
const char *zf_node_hub (const zf_node_t *node);
int zf_node_join (zf_node_t *node, const char *group);
int zf_node_leave (zf_node_t *node, const char *group);
int zf_node_shout (zf_node_t *node, const char *group, const zf_bytes_t *frames, size_t count);
int zf_node_whisper (zf_node_t *node, const char *to, const zf_bytes_t *frames, size_t count);
int zf_node_next (zf_node_t *node, zf_peer_event_t *event, int timeout_ms);
void zf_node_event_release (zf_peer_event_t *event);
void zf_node_listen (zf_node_t *node, uint32_t types);
int zf_node_fd (zf_node_t *node);
void zf_node_each (zf_node_t *node, zf_peer_fn *fn, void *arg);
void zf_node_each_group (zf_node_t *node, zf_peer_name_fn *fn, void *arg);
int zf_node_wait (zf_node_t *node, uint32_t count, int timeout_ms);
void zf_node_stats (zf_node_t *node, zf_peer_stats_t *stats);
int zf_node_announce (zf_node_t *node, const char *what, const char *endpoint, zf_error_t *err);
int zf_node_withdraw (zf_node_t *node, const char *what, const char *endpoint);
size_t zf_node_find (zf_node_t *node, const char *what, zf_offer_fn *fn, void *arg);
int zf_node_await (zf_node_t *node, const char *what, size_t count, int timeout_ms);

/* What the node was started with; NULL: nothing. It lives as long as the node. */
zf_security_t *zf_node_security (const zf_node_t *node);

/* The host to bind what is to be announced: "*", or the only address, if just one interface is
 * chosen. */
void zf_node_bind_host (zf_node_t *node, char host[80]);

/* -- watching ---------------------------------------------------------------------------------- */

/* Somebody who follows the directory: after each change that may matter, changed (arg) is called,
 * on the node's thread or another one, without the node's lock; it must not wait. */
typedef struct zf_watch zf_watch_t;
struct zf_watch {
    void (*changed) (void *arg);
    void *arg;
    zf_watch_t *prev, *next;
};
void zf_node_watch (zf_node_t *node, zf_watch_t *watch);

/* When this returns, changed is not called any more. */
void zf_node_unwatch (zf_node_t *node, zf_watch_t *watch);

#endif
