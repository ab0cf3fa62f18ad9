/* Memory that is given back all at once: what a topology's text becomes lives in one arena.
 *
 * Errors: once memory is out every call answers NULL, and has_failed says so at the end. */
#ifndef ZF_COMPOSE_ARENA_H
#define ZF_COMPOSE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

typedef struct zf_arena_block zf_arena_block_t;

/* All zeroes is an empty one. */
typedef struct {
    zf_arena_block_t *blocks; /* all that was given out, the last one first */
    bool has_failed;          /* memory was out once */
} zf_arena_t;

/* Zeroed. */
void *zf_arena_take (zf_arena_t *arena, size_t count, size_t size);

/* A copy of size bytes, with a zero behind them. */
char *zf_arena_copy (zf_arena_t *arena, const char *text, size_t size);

/* Frees all of it; the arena is empty then. */
void zf_arena_free (zf_arena_t *arena);

#endif
