/* When the records of a lane came that nobody has had yet, without a time for each of them: a few
 * marks "from this id on they came then". When they are too many every other one is dropped: in a
 * long backlog they are a thirtieth of it apart. */
#ifndef ZF_CORE_AGES_H
#define ZF_CORE_AGES_H

#include <stdint.h>

#define ZF_AGES_MAX 64

/* Records from id on came then, or later. */
typedef struct {
    uint64_t id, ms;
} zf_age_t;

/* All zero is an empty one. */
typedef struct {
    zf_age_t *marks; /* ascending in both */
    uint32_t first;  /* of them in use, */
    uint32_t count;
    uint32_t room;
    uint64_t gap_ms; /* no two are nearer to each other than that */
} zf_ages_t;

/* The record of that id, and maybe some behind it, came now. Ids only grow. Without memory it is
 * taken for older. */
void zf_ages_add (zf_ages_t *ages, uint64_t id, uint64_t now_ms);

/* When the record of that id came; unknown: or that. None with a lower id is asked for any more. */
uint64_t zf_ages_take (zf_ages_t *ages, uint64_t id, uint64_t unknown);

void zf_ages_free (zf_ages_t *ages);

#endif
