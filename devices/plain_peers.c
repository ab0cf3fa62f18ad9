#include "devices/plain_peers.h"

#include <stdlib.h>

struct zf_peer {
    int fd;
    int32_t number;
    UT_hash_handle hh_fd;
    UT_hash_handle hh_number;
};

static void drop (zf_peers_t *peers, zf_peer_t *peer)
{
    HASH_DELETE (hh_fd, peers->by_fd, peer);
    HASH_DELETE (hh_number, peers->by_number, peer);
    free (peer);
}

static zf_peer_t *add (zf_peers_t *peers, int fd)
{
    zf_peer_t *peer = calloc (1, sizeof *peer);
    if (peer == NULL)
        return NULL;
    peer->fd = fd;
    peer->number = peers->last = peers->last == INT32_MAX ? 0 : peers->last + 1;
    HASH_ADD (hh_fd, peers->by_fd, fd, sizeof peer->fd, peer);
    if (peer->hh_fd.tbl != NULL)
        HASH_ADD (hh_number, peers->by_number, number, sizeof peer->number, peer);
    if (peer->hh_fd.tbl != NULL && peer->hh_number.tbl != NULL)
        return peer;
    if (peer->hh_fd.tbl != NULL)
        HASH_DELETE (hh_fd, peers->by_fd, peer);
    free (peer);
    return NULL;
}

int zf_peers_open (zf_peers_t *peers, zf_socket_t *watched, zf_error_t *err)
{
    return zf_socket_monitor (&peers->monitor, watched, err);
}

void zf_peers_close (zf_peers_t *peers, zf_socket_t *watched)
{
    if (peers->monitor.raw == NULL)
        return;
    zf_socket_unmonitor (watched, &peers->monitor);
    zf_peer_t *peer, *next;
    HASH_ITER (hh_fd, peers->by_fd, peer, next)
        drop (peers, peer);
}

void zf_peers_look (zf_peers_t *peers)
{
    int fd;
    while ((fd = zf_socket_lost (&peers->monitor)) >= 0) {
        zf_peer_t *peer = NULL;
        HASH_FIND (hh_fd, peers->by_fd, &fd, sizeof fd, peer);
        if (peer != NULL)
            drop (peers, peer);
    }
}

int32_t zf_peers_number (zf_peers_t *peers, int fd)
{
    zf_peer_t *peer = NULL;
    if (fd < 0)
        return -1;
    zf_peers_look (peers);
    HASH_FIND (hh_fd, peers->by_fd, &fd, sizeof fd, peer);
    if (peer == NULL)
        peer = add (peers, fd);
    return peer != NULL ? peer->number : -1;
}

size_t zf_peers_count (const zf_peers_t *peers)
{
    return HASH_CNT (hh_fd, peers->by_fd);
}

bool zf_peers_is_lost (void *arg, int32_t number)
{
    zf_peers_t *peers = arg;
    zf_peer_t *peer = NULL;
    HASH_FIND (hh_number, peers->by_number, &number, sizeof number, peer);
    return number >= 0 && peer == NULL;
}
