/* One connection of a handle to one broker: the session's state machine (see handle.h).
 *
 * Threads: with the handle's lock held. */
#ifndef ZF_PATTERNS_CONNECTION_H
#define ZF_PATTERNS_CONNECTION_H

#include "patterns/handle.h"

/* Opens the socket and connects to handle->endpoints[connection->endpoint]. */
int zf_connection_open (zf_connection_t *connection, zf_error_t *err);

/* Closes the socket of one that is not needed any more: its slot is free. */
void zf_connection_close (zf_connection_t *connection);

/* Closes the sockets, at the end of the handle. */
void zf_connection_shut (zf_connection_t *connection);

/* Handles all that has come in; true if anything has. */
bool zf_connection_pump (zf_connection_t *connection);

/* Greets again, pings, or goes to the next endpoint, whatever is due. Returns when something is
 * again. */
uint64_t zf_connection_tick (zf_connection_t *connection, uint64_t now_ms);

/* True if something has come in that nobody received yet. */
bool zf_connection_readable (const zf_connection_t *connection);

#endif
