/* Crash campaigns: the same work is done again and again on a disk in memory, and each time it ends
 * at another call. Then the power fails, some of what was unsynced survives, and the journal is
 * opened again and held against the ledger; that opening is ended at each of its calls too. */
#ifndef TESTS_PERSIST_CAMPAIGN_H
#define TESTS_PERSIST_CAMPAIGN_H

#include "tests/persist/plant.h"

typedef struct {
    uint64_t seed;      /* of the work and of all that is random */
    size_t first;       /* bytes of an entry that is appended before; 0: none */
    uint32_t steps;     /* how long the work is */
    uint32_t subsets;   /* random subsets of the unsynced that are tried at each end */
    uint32_t deep;      /* at each so many-th end all subsets are, if there are few, and the
                           recovery is ended as well; 0: never */
    plant_kind_t plant; /* a bug planted on purpose */
    uint64_t ends;      /* answer: at how many calls the work was ended */
    uint64_t disks;     /* answer: how many disks were recovered */
    char wrong[512];    /* answer: the first thing that was wrong; empty: nothing */
} campaign_t;

/* Returns true if nothing was wrong. */
bool campaign_crash (campaign_t *campaign);

#endif
