/* The keeper: one thread per process, there while any handle is open. It looks after handles while
 * nobody calls them: heartbeats, flushing, reconnecting.
 *
 * It never waits for a handle's lock: if somebody has it, somebody looks after it. */
#ifndef ZF_PATTERNS_KEEPER_H
#define ZF_PATTERNS_KEEPER_H

#include "patterns/handle.h"

/* Returns 0 or ZF_E_NOMEM (no thread to be had). */
int zf_keeper_add (zf_handle_t *handle);

/* Returns when the keeper has let go of it. Not from a callback. */
void zf_keeper_remove (zf_handle_t *handle);

/* Come then, or soon after, should nobody call. */
void zf_keeper_by (zf_handle_t *handle, uint64_t due_ms);

#endif
