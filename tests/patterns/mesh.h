/* The stage of the tests without addresses: peers on the loopback interface and a UDP port of the
 * case's own, direct workers, and who finds them, beside what events.h has. What is still there at
 * the end of a case is taken down by mesh_clear.
 *
 * Threads: as in stage.h. */
#ifndef TESTS_PATTERNS_MESH_H
#define TESTS_PATTERNS_MESH_H

#include "patterns/client.h"
#include "tests/patterns/events.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define PEERS_MAX 8

static struct {
    zf_peer_t *peers[PEERS_MAX];
    uint16_t port; /* UDP, of this case; 0: none was chosen yet */
} mesh;

/* A UDP port that nobody has now. */
static inline uint16_t free_udp_port (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must (fd >= 0);
    must (bind (fd, (const struct sockaddr *) &address, size) == 0);
    must (getsockname (fd, (struct sockaddr *) &address, &size) == 0);
    close (fd);
    return ntohs (address.sin_port);
}

/* interval_ms 0: the default between beacons. */
static inline zf_peer_t *start_peer_with (const char *name, zf_security_t *security,
                                          uint32_t interval_ms)
{
    static const char *const only_loopback[] = {"lo"};
    zf_peer_options_t options;
    size_t i = 0;
    while (mesh.peers[i] != NULL)
        i++;
    assert_true (i < PEERS_MAX);
    if (mesh.port == 0)
        mesh.port = free_udp_port ();
    zf_peer_defaults (&options);
    options.name = name;
    options.port = mesh.port;
    options.interfaces = only_loopback;
    options.interface_count = 1;
    options.security = security;
    if (interval_ms != 0)
        options.interval_ms = interval_ms;
    if (zf_peer_start (&mesh.peers[i], &options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return mesh.peers[i];
}

static inline zf_peer_t *start_peer (const char *name)
{
    return start_peer_with (name, NULL, 0);
}

static inline void stop_peer (zf_peer_t *peer)
{
    size_t i = 0;
    while (mesh.peers[i] != peer)
        i++;
    zf_peer_stop (&mesh.peers[i]);
}

static inline void announce (zf_peer_t *peer, const char *what, const char *endpoint)
{
    if (zf_directory_announce (peer, what, endpoint, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
}

static inline void await_offers (zf_peer_t *peer, const char *what, size_t count)
{
    assert_int_equal (zf_directory_wait (peer, what, count, PATIENCE_MS), 0);
}

/* -- handles ----------------------------------------------------------------------------------- */

/* A direct worker. */
static inline zf_worker_t *open_direct (zf_peer_t *peer, const char *service, uint32_t credit)
{
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.peer = peer;
    options.direct = true;
    options.credit = credit;
    return open_worker_with (service, &options);
}

/* A worker for whoever is found. */
static inline zf_worker_t *open_worker_for (zf_peer_t *peer, const char *url, const char *queue)
{
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &url;
    options.peer = peer;
    options.credit = 1;
    return open_worker_with (queue, &options);
}

/* A client of whoever is found. */
static inline zf_client_t *open_client_for (zf_peer_t *peer, const char *url)
{
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &url;
    options.peer = peer;
    options.timeout_ms = PATIENCE_MS;
    return open_client_with (&options);
}

/* True if it has sessions with just so many. Looking does nothing for it. */
static inline bool reaches (zf_handle_t *handle, size_t count)
{
    pthread_mutex_lock (&handle->lock);
    for (size_t i = 0; i < handle->connection_count; i++)
        count -= handle->connections[i].state == ZF_CONNECTION_READY;
    pthread_mutex_unlock (&handle->lock);
    return count == 0;
}

/* Asks; the answer's first byte, or 0. */
static inline char ask (zf_client_t *client, const char *service)
{
    zf_message_t reply;
    if (zf_client_request (client, service, "?", 1, NULL, &reply, &stage.err) != 0)
        return 0;
    char first = reply.size > 0 ? *(const char *) reply.body : 0;
    zf_message_release (&reply);
    return first;
}

/* -- the end ----------------------------------------------------------------------------------- */

static inline int mesh_clear (void **state)
{
    events_clear (state);
    for (size_t i = 0; i < PEERS_MAX; i++)
        zf_peer_stop (&mesh.peers[i]);
    memset (&mesh, 0, sizeof mesh);
    return 0;
}

/* A case that begins with an empty stage. */
#define MESH_CASE(name) cmocka_unit_test_teardown (name, mesh_clear)

#endif
