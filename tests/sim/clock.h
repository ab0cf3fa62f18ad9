/* Virtual time: what happens when, in a heap. Events of the same time happen in the order they were
 * set. */
#ifndef SIM_CLOCK_H
#define SIM_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef void event_fn (void *target, uint64_t arg);

typedef struct {
    uint64_t when_ms;
    uint64_t order; /* grows with each event set */
    event_fn *fn;
    void *target; /* first argument of fn */
    uint64_t arg; /* second argument of fn */
} event_t;

typedef struct {
    event_t *heap; /* heap[0] is the next one */
    size_t count;
    size_t room;
    uint64_t order; /* of the next event to be set */
} sim_clock_t;

void clock_set (sim_clock_t *clock, uint64_t when_ms, event_fn *fn, void *target, uint64_t arg);

/* When the next event is; UINT64_MAX: there is none. */
uint64_t clock_next (const sim_clock_t *clock);

/* Takes out the next event. There is one. */
event_t clock_pop (sim_clock_t *clock);

void clock_free (sim_clock_t *clock);

#endif
