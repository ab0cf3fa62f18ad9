/* Growing arrays of the simulator. Running out of memory ends the program. */
#ifndef SIM_VEC_H
#define SIM_VEC_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Makes room for one more element behind `count` of them; returns where the array is now. */
static inline void *vec_room (void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room != 0 ? 2 * *room : 16;
    items = realloc (items, *room * size);
    if (items == NULL) {
        fputs ("simulator: out of memory\n", stderr);
        exit (1);
    }
    return items;
}

/* A zeroed thing. */
static inline void *vec_new (size_t size)
{
    void *item = calloc (1, size);
    if (item == NULL) {
        fputs ("simulator: out of memory\n", stderr);
        exit (1);
    }
    return item;
}

/* An array of numbers. */
typedef struct {
    uint32_t *at;
    size_t count;
    size_t room;
} vec_t;

static inline void vec_push (vec_t *vec, uint32_t value)
{
    vec->at = vec_room (vec->at, vec->count, &vec->room, sizeof *vec->at);
    vec->at[vec->count++] = value;
}

static inline void vec_free (vec_t *vec)
{
    free (vec->at);
    *vec = (vec_t){0};
}

#endif
