/* The system's files behind a gate: syncs can be held at it, and writes and syncs made to fail.
 *
 * Segments are prepared inside the journal's calls (synchronous), so that whoever stands at the
 * gate is the journal's writer. Threads: any. */
#ifndef TESTS_PERSIST_GATE_H
#define TESTS_PERSIST_GATE_H

#include "persist/fs.h"

typedef struct gate gate_t;

gate_t *gate_new (void);
void gate_free (gate_t *gate);

zf_fs_t *gate_fs (gate_t *gate);

/* From now on syncs wait, until they may pass. */
void gate_hold (gate_t *gate);
void gate_release (gate_t *gate);

/* Waits until somebody stands at the gate. */
void gate_await_held (gate_t *gate);

/* From now on writes or syncs fail with this errno; 0: they do not. */
void gate_fail_writes (gate_t *gate, int error);
void gate_fail_syncs (gate_t *gate, int error);

/* Syncs that have passed so far. And waits until there are so many. */
unsigned gate_syncs (gate_t *gate);
void gate_await_syncs (gate_t *gate, unsigned count);

#endif
