/* What the lower floors hold of names and streams, for plans: their headers and the public one of
 * topologies use some names for different things. */
#ifndef ZF_COMPOSE_GROUND_H
#define ZF_COMPOSE_GROUND_H

#include <stdbool.h>
#include <stdint.h>

/* May a queue be called so? */
bool zf_ground_is_name (const char *text);

/* Kept of a stream that says nothing of it. */
uint64_t zf_ground_stream_bytes (bool is_durable);

#endif
