/* A network of the test's own, where it may do as it likes: interfaces up, down, new ones, and what
 * comes in by them from outside. */
#ifndef TESTS_DISCOVERY_NET_H
#define TESTS_DISCOVERY_NET_H

#include "core/bytes.h"

/* Moves this process into a new network: one without addresses, and the loopback interface down.
 * False: the system does not allow that. */
bool net_enter (void);

void net_up (const char *name, bool up);

/* Makes an interface that reaches nobody but the test; the descriptor is its far end: a frame
 * written there comes in. -1: the system does not allow that. Closing it takes the interface
 * away. */
int net_tap (const char *name);

/* Gives it this address and network, the only ones. */
void net_address (const char *name, const char *address, const char *mask);

/* Lets a broadcast from this host come in. */
void net_arrive (int tap, const char *from, uint16_t port, const char *text);

/* True if a broadcast to this host and port goes out, within ten seconds. */
bool net_leaves (int tap, const char *to, uint16_t port);

#endif
