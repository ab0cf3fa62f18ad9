/* The twin of a rig's engine: one made of nothing but what lies in the log. It must be like the
 * living one in all that survives a crash: queues with their policies, records with their bytes,
 * attempts, delays and times to live, what is known of producers, and ids. */
#ifndef TESTS_CORE_TWIN_H
#define TESTS_CORE_TWIN_H

#include "tests/core/rig_log.h"

/* Fails if it is not; to be called from rig_log's on_entry, when all that was decided is
 * written. */
void twin_check (rig_t *rig);

#endif
