#include "tests/discovery/edge.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ROOM (2u << 20)

/* Where the page begins that cannot be touched. */
static uint8_t *edge (void)
{
    static uint8_t *at;
    if (at != NULL)
        return at;
    size_t page = (size_t) sysconf (_SC_PAGESIZE);
    uint8_t *map =
        mmap (NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect (map + ROOM, page, PROT_NONE) != 0) {
        perror ("guard page");
        exit (1);
    }
    return at = map + ROOM;
}

uint8_t *edge_copy (zf_bytes_t bytes)
{
    if (bytes.size > ROOM)
        abort ();
    uint8_t *copy = edge () - bytes.size;
    if (bytes.size > 0)
        memmove (copy, bytes.data, bytes.size);
    return copy;
}

zf_bytes_t at_the_edge (zf_bytes_t bytes)
{
    return zf_bytes (edge_copy (bytes), bytes.size);
}
