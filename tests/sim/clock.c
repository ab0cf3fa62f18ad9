#include "tests/sim/clock.h"

#include "tests/sim/vec.h"

static bool before (const event_t *a, const event_t *b)
{
    return a->when_ms != b->when_ms ? a->when_ms < b->when_ms : a->order < b->order;
}

void clock_set (sim_clock_t *clock, uint64_t when_ms, event_fn *fn, void *target, uint64_t arg)
{
    clock->heap = vec_room (clock->heap, clock->count, &clock->room, sizeof *clock->heap);
    event_t event = {when_ms, clock->order++, fn, target, arg};
    size_t slot = clock->count++;
    while (slot > 0 && before (&event, &clock->heap[(slot - 1) / 2])) {
        clock->heap[slot] = clock->heap[(slot - 1) / 2];
        slot = (slot - 1) / 2;
    }
    clock->heap[slot] = event;
}

uint64_t clock_next (const sim_clock_t *clock)
{
    return clock->count > 0 ? clock->heap[0].when_ms : UINT64_MAX;
}

event_t clock_pop (sim_clock_t *clock)
{
    event_t first = clock->heap[0];
    event_t last = clock->heap[--clock->count];
    size_t slot = 0;
    while (2 * slot + 1 < clock->count) {
        size_t child = 2 * slot + 1;
        if (child + 1 < clock->count && before (&clock->heap[child + 1], &clock->heap[child]))
            child++;
        if (!before (&clock->heap[child], &last))
            break;
        clock->heap[slot] = clock->heap[child];
        slot = child;
    }
    clock->heap[slot] = last;
    return first;
}

void clock_free (sim_clock_t *clock)
{
    free (clock->heap);
    *clock = (sim_clock_t){0};
}
