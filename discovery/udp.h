/* The thin shell of the beacon: datagrams to and from everybody on the chosen interfaces.
 *
 * Two sockets receive (IPv4 broadcast and IPv6 multicast), one for each chosen address sends;
 * changes of interfaces are told by the system (netlink) and looked at again. Several processes of
 * one machine share the port, each gets every datagram.
 *
 * Threads: one at a time. Nothing here waits. */
#ifndef ZF_DISCOVERY_UDP_H
#define ZF_DISCOVERY_UDP_H

#include "discovery/nics.h"
#include <zferry/error.h>

#define ZF_UDP_FDS  3
#define ZF_UDP_HOST 80 /* bytes of a host's name in an endpoint, with the end */

typedef struct zf_udp zf_udp_t;

typedef struct {
    uint16_t port;
    const char *const *rules; /* of zf_nics_choose; kept: valid until close */
    size_t rule_count;
    void (*note) (void *arg, const char *text); /* what was chosen and why, what failed; once for
                                                   each change; may be NULL */
    void *arg;
} zf_udp_options_t;

/* Returns 0, ZF_E_NOMEM, ZF_E_INVAL (a rule, or port 0), ZF_E_ADDRESS (the port can't be shared: in
 * words). That there is no interface is no error: they may come. */
int zf_udp_open (zf_udp_t **udp, const zf_udp_options_t *options, zf_error_t *err);
void zf_udp_close (zf_udp_t **udp);

/* Descriptors to poll for input; returns how many. They stay the same. */
size_t zf_udp_fds (const zf_udp_t *udp, int fds[ZF_UDP_FDS]);

/* Sends to all. Returns to how many addresses that went. An address at which it fails is told
 * once, and tried again each time. */
size_t zf_udp_send (zf_udp_t *udp, zf_bytes_t datagram);

/* The next datagram, and who sent it: the host as an endpoint wants it ("192.168.1.9",
 * "[fe80::1%eth0]"), and our own address on that interface in the same form (the answer can come
 * there). Datagrams from interfaces that are not chosen are dropped, and those that need more than
 * `room`. False: there is none, or too many were dropped in a row: look again at the next turn. */
bool zf_udp_receive (zf_udp_t *udp, uint8_t *buffer, size_t room, size_t *size,
                     char from[ZF_UDP_HOST], char own[ZF_UDP_HOST]);

/* Looks at the interfaces again if the system says that they have changed (or `now`, also if it
 * does not). Returns true if the choice has changed. */
bool zf_udp_refresh (zf_udp_t *udp, bool now);

/* How many addresses are in use; and the first of them that is not loopback, or the loopback one;
 * "" if there is none. */
size_t zf_udp_count (const zf_udp_t *udp);
void zf_udp_host (const zf_udp_t *udp, char own[ZF_UDP_HOST]);

#endif
