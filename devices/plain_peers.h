/* Who is who among the subscribers of one socket: connections by number. A descriptor is given
 * again to somebody else as soon as its connection is lost, a number is not.
 *
 * libzmq says of a subscription which descriptor it came over, of one that ended with its
 * connection nothing: that it was of one that is lost. The news of a lost connection is there
 * before anything that comes over the next one with its descriptor. Threads: one. */
#ifndef ZF_DEVICES_PLAIN_PEERS_H
#define ZF_DEVICES_PLAIN_PEERS_H

#include "core/hash.h"
#include "devices/socket.h"

typedef struct zf_peer zf_peer_t;

typedef struct {
    zf_socket_t monitor;
    zf_peer_t *by_fd;     /* those that are there (uthash) */
    zf_peer_t *by_number; /* the same */
    int32_t last;         /* number given */
} zf_peers_t;

/* Watches the socket. */
int zf_peers_open (zf_peers_t *peers, zf_socket_t *watched, zf_error_t *err);
void zf_peers_close (zf_peers_t *peers, zf_socket_t *watched);

/* Takes in which connections were lost. */
void zf_peers_look (zf_peers_t *peers);

/* The number of the connection with that descriptor, -1: none (inproc, out of memory). */
int32_t zf_peers_number (zf_peers_t *peers, int fd);

/* How many connections have a number. */
size_t zf_peers_count (const zf_peers_t *peers);

/* True if that connection is lost. */
bool zf_peers_is_lost (void *peers, int32_t number);

#endif
