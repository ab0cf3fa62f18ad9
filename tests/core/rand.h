/* Random numbers that a seed repeats (splitmix64). */
#ifndef TESTS_CORE_RAND_H
#define TESTS_CORE_RAND_H

#include <stdint.h>

static inline uint64_t rand_next (uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C (0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 .. n - 1 */
static inline uint32_t rand_below (uint64_t *seed, uint32_t n)
{
    return (uint32_t) (rand_next (seed) % n);
}

#endif
