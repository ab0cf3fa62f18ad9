/* Random numbers from a seed (splitmix64): the same seed gives the same run on every machine. */
#ifndef SIM_PRNG_H
#define SIM_PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint64_t state; /* begins as the seed */
} prng_t;

static inline uint64_t prng_next (prng_t *prng)
{
    uint64_t z = prng->state += UINT64_C (0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C (0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C (0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 .. n - 1; n is not 0. */
static inline uint64_t prng_below (prng_t *prng, uint64_t n)
{
    return (prng_next (prng) >> 11) % n;
}

/* low .. high, both included. */
static inline uint64_t prng_between (prng_t *prng, uint64_t low, uint64_t high)
{
    return low + prng_below (prng, high - low + 1);
}

/* True once in n times. */
static inline bool prng_one_in (prng_t *prng, uint64_t n)
{
    return prng_below (prng, n) == 0;
}

/* One of an array's elements. */
#define PRNG_PICK(prng, array) ((array)[prng_below ((prng), sizeof (array) / sizeof (array)[0])])

#endif
