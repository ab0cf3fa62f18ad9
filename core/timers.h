/* All deadlines of an engine in one binary heap: setting, cancelling and firing cost O(log n), n
 * being the timers that are set (leases, delays, requests, sessions), not the queued records. */
#ifndef ZF_CORE_TIMERS_H
#define ZF_CORE_TIMERS_H

#include <stddef.h>
#include <stdint.h>

#define ZF_NEVER UINT64_MAX

/* A timer lives inside of what it is for; all zero is one that is not set. */
typedef struct {
    uint64_t due_ms; /* when */
    uint32_t slot;   /* place in the heap, from 1; 0: not set */
    uint32_t kind;   /* what it is inside of: the owner's business */
} zf_timer_t;

typedef struct {
    zf_timer_t **heap; /* heap[0] is not used */
    uint32_t count;    /* timers set */
    uint32_t capacity; /* room in heap */
} zf_timers_t;

/* Sets the timer, or moves it. Returns 0, or ZF_E_NOMEM: only when it was not set before. */
int zf_timers_set (zf_timers_t *timers, zf_timer_t *timer, uint64_t due_ms);

/* Unsets it, if it is set. */
void zf_timers_cancel (zf_timers_t *timers, zf_timer_t *timer);

/* Takes out the next timer that is due at now, or NULL. */
zf_timer_t *zf_timers_pop (zf_timers_t *timers, uint64_t now_ms);

/* When the next one is due; ZF_NEVER if none is set. */
uint64_t zf_timers_next (const zf_timers_t *timers);

void zf_timers_free (zf_timers_t *timers);

#endif
