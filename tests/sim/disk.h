/* The broker's disk: what is appended becomes durable after a while, in order. When the broker
 * dies, what was not durable is lost, but for some first entries of it that were written after all.
 * A plant (plant.h) stands between engine and disk, where a bug would be. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "tests/sim/sim.h"

/* Makes the log, and an engine that has opened it. */
void disk_open (sim_t *sim);
void disk_close (sim_t *sim);

/* Begins a turn: tells the engine where its entry will be. */
void disk_begin (sim_t *sim);

/* Tells the engine what has become durable. */
void disk_collect (sim_t *sim);

/* Ends a turn: its entry is appended. */
void disk_commit (sim_t *sim);

/* The same, and it is durable at once. */
void disk_commit_now (sim_t *sim);

/* The broker dies, and comes back as what is left. */
void disk_crash (sim_t *sim);

#endif
