/* The sockets under the beacon: one for each thing that it does. Descriptors are the caller's to
 * close; none of them waits. */
#ifndef ZF_DISCOVERY_DATAGRAM_H
#define ZF_DISCOVERY_DATAGRAM_H

#include "discovery/nics.h"
#include <sys/socket.h>

#define ZF_DATAGRAM_GROUP "ff02::1" /* as czmq's beacons have it: all nodes of the link, always */

/* Gets everything that comes to the port by this protocol, AF_INET or AF_INET6, and shares it with
 * all others that do. -1: errno tells why. */
int zf_datagram_receiver (int family, uint16_t port);

/* Sends from this address, by its interface. -1: errno tells why. */
int zf_datagram_sender (const zf_nic_t *nic);

/* Is readable when interfaces or addresses have changed. -1: the system refuses that. */
int zf_datagram_changes (void);

/* To everybody that the address reaches. False: errno tells why. */
bool zf_datagram_send (int fd, const zf_nic_t *nic, uint16_t port, zf_bytes_t datagram);

typedef struct {
    struct sockaddr_storage from;
    unsigned index; /* of the interface where it came in */
    size_t size;
    bool is_cut; /* there was no room for all of it */
} zf_arrival_t;

/* The next one. False: there is none. */
bool zf_datagram_receive (int fd, uint8_t *buffer, size_t room, zf_arrival_t *arrival);

#endif
