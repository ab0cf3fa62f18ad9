/* Bugs, planted between the engine and its log, to see whether the simulator finds them. */
#ifndef SIM_PLANT_H
#define SIM_PLANT_H

#include "core/bytes.h"

typedef struct plant {
    const char *name;
    unsigned op;    /* these operations get lost; 0: none do */
    unsigned after; /* but only behind one of those in the same entry; 0: always */
    bool hasty;     /* what is appended counts as durable at once */
    bool greedy;    /* everything durable is trimmed when something is */
    bool turned;    /* the operations of an entry are in the reverse order */
    bool forgetful; /* producers' refusals get lost */
    bool streams;   /* it is about streams */
    uint64_t ahead; /* CURSOR says so much more */
} plant_t;

extern const plant_t plants[];
extern const size_t plant_count;

/* Does to an entry what the bug would. */
void plant_spoil (const plant_t *plant, zf_writer_t *entry);

#endif
