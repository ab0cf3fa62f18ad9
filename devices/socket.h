/* The one place where ZeroMQ sockets are made: no device and no pattern sets a socket option on its
 * own.
 *
 * Sockets belong to czmq's process context, so that inproc endpoints reach from handle to device to
 * application. Its signal handler is not installed. Threads: a socket is used by one thread at a
 * time. */
#ifndef ZF_DEVICES_SOCKET_H
#define ZF_DEVICES_SOCKET_H

#include "devices/zap.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zferry/error.h>

#define ZF_SOCKET_HWM_IN    1000   /* messages of one peer, received and not handled yet */
#define ZF_SOCKET_HWM_OUT   200000 /* messages waiting for one peer: more than it can ask for */
#define ZF_SOCKET_HWM_LINE  1000   /* messages waiting for one node */
#define ZF_SOCKET_LINGER_MS 250    /* what was sent may take so long to leave after close */
#define ZF_SOCKET_HWM_XSUB  10000  /* messages of one publisher, received and not handled yet */
#define ZF_SOCKET_TOPIC_MAX 1024   /* of a subscription: libzmq recurses once a byte */

typedef struct {
    void *czmq;              /* its zsock_t */
    void *raw;               /* what zmq_ calls take */
    zf_security_t *security; /* held; NULL: plain */
    zf_domain_t *domain;     /* NULL: libzmq lets everybody in. A monitor's is the watched
                                socket's */
    bool is_monitor;         /* it is one */
} zf_socket_t;

/* How its connections are to be; right after it was opened. What it connects to:
 *   on               has to have the key that the endpoint says, or else server_key
 *   insecure, NULL   is plain */
void zf_socket_secure (zf_socket_t *socket, zf_security_t *security);

/* The same for one that binds:
 *   on        it takes authorised keys only
 *   insecure  plain, on any address
 *   NULL      plain; zf_socket_bind refuses addresses that other machines reach
 * connections: at a time; 0: any number. With a domain its monitor has to be read. Returns 0,
 * ZF_E_BUSY (another ZAP handler), ZF_E_NOMEM, ZF_E_IO. */
int zf_socket_guard (zf_socket_t *socket, zf_security_t *security, uint32_t connections,
                     zf_error_t *err);

/* What is bound or connected at that endpoint can be reached from this machine only. */
bool zf_socket_is_local (const char *endpoint);

/* Endpoints may end in "|KEY", a public key. Its text; NULL: there is none. */
const char *zf_socket_key_of (const char *endpoint);

/* Time for the handshake of each connection; 0 leaves it as it is. */
void zf_socket_hurry (zf_socket_t *socket, uint32_t handshake_ms);

/* A REP. */
int zf_socket_rep (zf_socket_t *socket, zf_error_t *err);

/* A ROUTER for a device: refuses what it can't route, caps messages, notices dead connections. */
int zf_socket_router (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err);

/* A DEALER for a pattern: greets each new connection with an empty message, so that the other side
 * says who it is. */
int zf_socket_dealer (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err);

/* The ROUTER into which other nodes write (devices/node.h). A node's new connection takes over from
 * its old one. Refuses what it can't route: only those who gossip are ever answered by it. */
int zf_socket_mailbox (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err);

/* A DEALER into a node's mailbox, by which that knows us: nothing comes back. Sending fails with
 * EAGAIN when ZF_SOCKET_HWM_LINE messages wait. */
int zf_socket_line (zf_socket_t *socket, const void *identity, size_t size, zf_error_t *err);

/* A DEALER to a gossip hub. */
int zf_socket_seed (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err);

/* An XSUB, where plain publishers are. Subscriptions sent up are never dropped for want of room. */
int zf_socket_xsub (zf_socket_t *socket, uint64_t max_message_bytes, zf_error_t *err);

/* An XPUB, where plain subscribers are, with room for `hwm` messages for each. (That can't be
 * changed while there are connections: libzmq 4.3.4 crashes if one ends just then.) Sending fails
 * with EAGAIN if one that matches has no room (zf_socket_xpub_lossy). A subscription of more than
 * ZF_SOCKET_TOPIC_MAX bytes closes its connection. silence_ms: a peer that shows no sign of life
 * for so long is cut off; 0: none is for that. */
int zf_socket_xpub (zf_socket_t *socket, uint32_t hwm, uint32_t silence_ms, zf_error_t *err);

/* on: what is sent goes to those who have room, and the others get nothing until they have read
 * half of what waits for them. */
void zf_socket_xpub_lossy (zf_socket_t *xpub, bool on);

/* An XPUB that is told of every subscription, also those that others have too, and where it counts
 * only once it is granted: by the next call after it was received, without anything sent
 * between. */
void zf_socket_xpub_manual (zf_socket_t *xpub);
void zf_socket_xpub_grant (zf_socket_t *xpub, const void *topic, size_t size);
void zf_socket_xpub_revoke (zf_socket_t *xpub, const void *topic, size_t size);

/* on: what is sent goes to just those who have no matching subscription granted. */
void zf_socket_xpub_invert (zf_socket_t *xpub, bool on);

/* The next message goes to nobody but whose subscription was received last, if that was granted.
 * False: this libzmq can't do that. Call xpub_manual after it was sent. */
bool zf_socket_xpub_aim (zf_socket_t *xpub);

/* A PAIR that gets an event for each connection that the socket loses, or can't make. */
int zf_socket_monitor (zf_socket_t *monitor, zf_socket_t *watched, zf_error_t *err);

/* Ends that, before the watched socket is closed: an event without a reader would stop libzmq's I/O
 * thread, and with it all sockets of the process. Safe on zeroed ones. */
void zf_socket_unmonitor (zf_socket_t *watched, zf_socket_t *monitor);

/* The next lost connection's descriptor from a monitor, or -1: none now. Counts connections at the
 * watched socket's domain. */
int zf_socket_lost (zf_socket_t *monitor);

/* The same; and *why becomes why the last handshake failed, if one did: ZF_E_DENIED, ZF_E_LIMIT (no
 * room for us), or ZF_E_TIMEOUT if it was broken off, which may have many reasons. */
int zf_socket_lost_why (zf_socket_t *monitor, zf_error_t *why);

/* A PAIR that gets an event for each connection that a connecting socket makes or loses; ends as
 * the other kind does. */
int zf_socket_monitor_both (zf_socket_t *monitor, zf_socket_t *watched, zf_error_t *err);

/* The next from such a monitor: 1, the connection is there, and host is our own address on it (""
 * if it has none: not tcp); 0, it is lost; -1, there is none now. */
int zf_socket_turn_of (zf_socket_t *monitor, char host[80]);

/* The same for a socket that got through to another one: what is sent goes on its way only then. */
int zf_socket_monitor_through (zf_socket_t *monitor, zf_socket_t *watched, zf_error_t *err);

/* The next from such a monitor: 1, it has got through, by this descriptor; 0, the connection is
 * lost; -1: none now. */
int zf_socket_through (zf_socket_t *monitor, int *fd);

/* Whether a connection had to send anything again, and whether anything is under way by it now. */
void zf_socket_losses (int fd, bool *loses, bool *stuck);

/* Our own address, as endpoints have it, on a connection with this descriptor; and on the way to a
 * numeric address. "": there is none. */
void zf_socket_own_host (int fd, char host[80]);
void zf_socket_route_host (const char *to, char host[80]);

/* Binds and writes the endpoint as bound, with the port that was chosen. ZF_E_ADDRESS: in words in
 * err. */
int zf_socket_bind (zf_socket_t *socket, const char *endpoint, char *bound, size_t size,
                    zf_error_t *err);
int zf_socket_connect (zf_socket_t *socket, const char *endpoint, zf_error_t *err);
void zf_socket_disconnect (zf_socket_t *socket, const char *endpoint);

/* Gives an endpoint as bound back: when this returns, it can be bound again. Eats what the monitor
 * has to tell. */
void zf_socket_unbind (zf_socket_t *socket, zf_socket_t *monitor, const char *endpoint);

/* The descriptor that tells of changes (ZMQ_FD), or -1. */
int zf_socket_fd (const zf_socket_t *socket);

/* Ends the connection with this descriptor, from the system's side. It has to be there: nobody was
 * told yet that it is lost. */
void zf_socket_cut (int fd);

/* The key of whoever sent this message, as text; NULL: by no key. Valid as long as the message. */
const char *zf_socket_sender (void *message);

/* True if there is something to receive. */
bool zf_socket_readable (void *raw);

/* What it was given and has not sent yet goes nowhere, when it is closed. */
void zf_socket_discard (zf_socket_t *socket);

/* Safe on a zeroed one. */
void zf_socket_close (zf_socket_t *socket);

/* Before something goes to another thread by way of libzmq, and after it came: the bytes of a
 * message, a device. ThreadSanitizer does not see how libzmq orders the ends of an inproc pipe;
 * these tell it, and do nothing in other builds. */
void zf_socket_hands_over (void *data);
void zf_socket_takes_over (void *data);

/* Milliseconds of the monotonic clock. */
uint64_t zf_clock_ms (void);

/* Milliseconds since 1970, by the machine's clock: it may jump. */
uint64_t zf_clock_wall_ms (void);

/* As zf_clock_ms, up to 10 ms behind, for a few nanoseconds. */
uint64_t zf_clock_coarse_ms (void);

/* Bytes nobody can guess. Returns 0 or ZF_E_IO. */
int zf_random (void *at, size_t size, zf_error_t *err);

#endif
