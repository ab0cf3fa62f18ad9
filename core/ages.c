#include "core/ages.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 8

/* Every other mark goes: those before it stand for them. Others come as far apart from now on. */
static void thin_out (zf_ages_t *ages)
{
    /* NOLINTNEXTLINE(clang-analyzer-*): there are ZF_AGES_MAX of them */
    uint64_t span = ages->marks[ages->count - 1].ms - ages->marks[0].ms;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < ages->count; i += 2)
        ages->marks[kept++] = ages->marks[i];
    ages->count = kept;
    ages->gap_ms = span / kept;
}

/* Makes room for one more mark. */
static bool make_room (zf_ages_t *ages)
{
    if (ages->first + ages->count < ages->room)
        return true;
    if (ages->first > 0) /* NOLINTNEXTLINE(clang-analyzer-*): then there are marks */
        memmove (ages->marks, ages->marks + ages->first, ages->count * sizeof *ages->marks);
    ages->first = 0;
    if (ages->count < ages->room)
        return true;
    if (ages->room == ZF_AGES_MAX) {
        thin_out (ages);
        return true;
    }
    uint32_t room = ages->room != 0 ? 2 * ages->room : FIRST_ROOM;
    zf_age_t *marks = realloc (ages->marks, room * sizeof *marks);
    if (marks == NULL)
        return false;
    ages->marks = marks;
    ages->room = room;
    return true;
}

void zf_ages_add (zf_ages_t *ages, uint64_t id, uint64_t now_ms)
{
    zf_age_t *last = ages->count > 0 ? &ages->marks[ages->first + ages->count - 1] : NULL;
    if (last != NULL && last->id == id) /* none came then */
        last->ms = now_ms;
    else if ((last == NULL || now_ms - last->ms > ages->gap_ms) && make_room (ages))
        /* NOLINTNEXTLINE(clang-analyzer-*): it has made some */
        ages->marks[ages->first + ages->count++] = (zf_age_t){id, now_ms};
}

uint64_t zf_ages_take (zf_ages_t *ages, uint64_t id, uint64_t unknown)
{
    while (ages->count > 1 && ages->marks[ages->first + 1].id <= id) {
        ages->first++;
        ages->count--;
    }
    if (ages->count <= 1)
        ages->gap_ms = 0;
    if (ages->count == 0 || ages->marks[ages->first].id > id)
        return unknown;
    return ages->marks[ages->first].ms;
}

void zf_ages_free (zf_ages_t *ages)
{
    free (ages->marks);
    memset (ages, 0, sizeof *ages);
}
