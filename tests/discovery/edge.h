/* Input that ends where its memory ends: reading a byte too far ends the program. */
#ifndef TESTS_DISCOVERY_EDGE_H
#define TESTS_DISCOVERY_EDGE_H

#include "core/bytes.h"

/* A copy of the bytes (2 MiB at most), before a page that cannot be touched; valid until the next
 * call. */
zf_bytes_t at_the_edge (zf_bytes_t bytes);

/* The same, to be written to. */
uint8_t *edge_copy (zf_bytes_t bytes);

#endif
