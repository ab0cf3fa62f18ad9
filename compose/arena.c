#include "compose/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct zf_arena_block {
    zf_arena_block_t *next; /* given out before this one */
    max_align_t bytes[];    /* what the caller has */
};

void *zf_arena_take (zf_arena_t *arena, size_t count, size_t size)
{
    zf_arena_block_t *block = NULL;
    if (size == 0 || count <= (SIZE_MAX - sizeof *block) / size)
        block = calloc (1, sizeof *block + count * size);
    if (block == NULL) {
        arena->has_failed = true;
        return NULL;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    return block->bytes;
}

char *zf_arena_copy (zf_arena_t *arena, const char *text, size_t size)
{
    char *copy = zf_arena_take (arena, size + 1, 1);
    if (copy != NULL && size > 0)
        memcpy (copy, text, size);
    return copy;
}

void zf_arena_free (zf_arena_t *arena)
{
    while (arena->blocks != NULL) {
        zf_arena_block_t *block = arena->blocks;
        arena->blocks = block->next;
        free (block);
    }
    arena->has_failed = false;
}
