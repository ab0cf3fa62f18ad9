/* The ledger: what people were told, for brokers that die.
 *
 * It is kept at the door, as the book is, but knows nothing of what goes on inside: it must hold
 * for a broker that has died any number of times. What was confirmed is delivered, or still there,
 * or gone for a reason that the policy names; under one id only; in its producer's order; a confirm
 * stays one and a refusal too; atomic posts are there whole or not at all; attempts follow on as
 * far as they were durable; what was settled, and that is durable, never comes back.
 *
 * Requests are not in it: they are not durable. */
#ifndef SIM_LEDGER_H
#define SIM_LEDGER_H

#include "tests/sim/book.h"

void ledger_open (sim_t *sim);
void ledger_close (sim_t *sim);

/* A message that the engine is about to get. */
void ledger_input (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body);

/* One effect; sent: the peer may get to see it. */
void ledger_effect (sim_t *sim, const zf_session_t *session, zf_bytes_t control, zf_bytes_t body,
                    bool sent);

/* The broker has died and come back: what was decided in entries from `end` on never was. */
void ledger_crash (sim_t *sim, uint64_t end);

/* All is done: nothing is missing. */
void ledger_settle (sim_t *sim);

#endif
