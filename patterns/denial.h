/* Whether the brokers want us at all: their lists of keys, and their rules. */
#ifndef ZF_PATTERNS_DENIAL_H
#define ZF_PATTERNS_DENIAL_H

#include "patterns/handle.h"

#define ZF_DENIED_AGAIN_MS 5000 /* what was denied is asked for again: the rules may have changed */

/* True if that broker has denied us what we asked for, or has not let us in. */
bool zf_denied_by (const zf_connection_t *connection);

/* One that has; NULL: there is one that has not, or nobody to ask. */
const zf_connection_t *zf_denied_by_all (const zf_handle_t *handle);

/* Says what it said: returns ZF_E_DENIED. */
int zf_denied_say (const zf_connection_t *connection, zf_error_t *err);

#endif
