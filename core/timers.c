#include "core/timers.h"

#include <stdlib.h>
#include <string.h>
#include <zferry/error.h>

static void place (zf_timers_t *timers, uint32_t slot, zf_timer_t *timer)
{
    timers->heap[slot] = timer;
    timer->slot = slot;
}

static void sift_up (zf_timers_t *timers, zf_timer_t *timer)
{
    uint32_t slot = timer->slot;
    while (slot > 1 && timers->heap[slot / 2]->due_ms > timer->due_ms) {
        place (timers, slot, timers->heap[slot / 2]);
        slot /= 2;
    }
    place (timers, slot, timer);
}

static void sift_down (zf_timers_t *timers, zf_timer_t *timer)
{
    uint32_t slot = timer->slot;
    while (2 * slot <= timers->count) {
        uint32_t child = 2 * slot;
        if (child < timers->count && timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms)
            child++;
        if (timers->heap[child]->due_ms >= timer->due_ms)
            break;
        place (timers, slot, timers->heap[child]);
        slot = child;
    }
    place (timers, slot, timer);
}

static int make_room (zf_timers_t *timers)
{
    if (timers->count + 1 < timers->capacity)
        return 0;
    uint32_t capacity = timers->capacity != 0 ? 2 * timers->capacity : 16;
    zf_timer_t **heap = realloc (timers->heap, capacity * sizeof *heap);
    if (heap == NULL)
        return ZF_E_NOMEM;
    timers->heap = heap;
    timers->capacity = capacity;
    return 0;
}

int zf_timers_set (zf_timers_t *timers, zf_timer_t *timer, uint64_t due_ms)
{
    if (timer->slot == 0) {
        if (make_room (timers) != 0)
            return ZF_E_NOMEM;
        timers->count++;
        place (timers, timers->count, timer);
    }
    timer->due_ms = due_ms;
    sift_up (timers, timer);
    sift_down (timers, timer);
    return 0;
}

void zf_timers_cancel (zf_timers_t *timers, zf_timer_t *timer)
{
    uint32_t slot = timer->slot;
    if (slot == 0)
        return;
    zf_timer_t *last = timers->heap[timers->count--];
    timer->slot = 0;
    if (last == timer)
        return;
    place (timers, slot, last);
    sift_up (timers, last);
    sift_down (timers, last);
}

zf_timer_t *zf_timers_pop (zf_timers_t *timers, uint64_t now_ms)
{
    if (timers->count == 0 || timers->heap[1]->due_ms > now_ms)
        return NULL;
    zf_timer_t *timer = timers->heap[1];
    zf_timers_cancel (timers, timer);
    return timer;
}

uint64_t zf_timers_next (const zf_timers_t *timers)
{
    return timers->count > 0 ? timers->heap[1]->due_ms : ZF_NEVER;
}

void zf_timers_free (zf_timers_t *timers)
{
    free (timers->heap);
    memset (timers, 0, sizeof *timers);
}
