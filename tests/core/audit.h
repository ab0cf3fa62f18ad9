/* Looks at everything an engine holds and ends the program, saying what, if two of its books do not
 * agree: lengths and bytes against runs and chunks, lists against states, timers against the heap.
 *
 * Costs time in proportion to all that is there. */
#ifndef TESTS_CORE_AUDIT_H
#define TESTS_CORE_AUDIT_H

#include "core/engine.h"

void audit_engine (const zf_engine_t *engine);

#endif
