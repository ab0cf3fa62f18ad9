/* Faults: the same work is done again and again, and each time another call of one kind fails,
 * until the work is over before that. What the journal answers must be right, it must go on if it
 * can, and in the end all must be there that was durable. */
#ifndef TESTS_PERSIST_FAULTS_H
#define TESTS_PERSIST_FAULTS_H

#include "tests/persist/plant.h"

typedef struct {
    uint64_t seed;  /* of the work */
    uint32_t steps; /* how long it is */

    /* What fails: calls of the disk, or what these two say (NULL: the former). */
    disk_call_t call;
    int error;                   /* errno */
    uint64_t times;              /* how often in a row: 1 or DISK_FOREVER */
    void (*arm) (uint64_t n);    /* the n-th from now on is to fail; 0: none */
    bool (*fired) (void);        /* one did */
    void (*watch) (bool inside); /* whether the journal's own code runs from now on */

    unsigned allowed;   /* answers that are right, as FAULTS_ANSWER of each, beside 0 */
    plant_kind_t plant; /* a bug planted on purpose */
    uint64_t tried;     /* answer: how often something failed */
    uint64_t poisoned;  /* answer: how often the journal gave up for good */
    char wrong[512];    /* answer: the first thing that was wrong; empty: nothing */
} faults_t;

#define FAULTS_ANSWER(code) (1u << -(code))

/* Returns true if nothing was wrong. */
bool faults_run (faults_t *faults);

#endif
