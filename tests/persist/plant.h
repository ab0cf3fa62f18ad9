/* Bugs planted on purpose: file calls that go to a disk, except that one thing is done wrong. A
 * harness that does not notice is no harness (test_planted.c). */
#ifndef TESTS_PERSIST_PLANT_H
#define TESTS_PERSIST_PLANT_H

#include "tests/persist/disk.h"

typedef enum {
    PLANT_NONE,
    PLANT_NO_DATASYNC,         /* none is done */
    PLANT_NO_DATASYNC_IN_SYNC, /* none inside zf_journal_sync */
    PLANT_NO_DATASYNC_AT_ROLL, /* none of a segment inside zf_journal_append */
    PLANT_NO_DATASYNC_AT_OPEN, /* none of a segment inside zf_journal_open */
    PLANT_NO_SYNCDIR,          /* none is done */
    PLANT_SYNC_AGAIN,          /* one that failed is done again, and its answer counts */
    PLANT_SHORT_IS_WHOLE,      /* a short write passes for a whole one */
    PLANT_FULL_IS_WRITTEN,     /* so does one that fails for lack of space */
    PLANT_BIT,                 /* a bit of a large write is turned */
    PLANT_UNLINK_EARLY,        /* the lowest segment is removed with every third sync */
    PLANT_DURABLE_EARLY,       /* what is appended counts as durable: done by the driver */
    PLANT_REPLAY_SKIPS,        /* an entry is not replayed: done by the driver */
    PLANT_TOUCHES,             /* open writes into a segment before looking at it */
    PLANT_HIDES,               /* a segment is not listed */
    PLANT_NO_NAME,             /* what is wrong is said without the file's name: by the harness */
    PLANTS
} plant_kind_t;

/* Where the driver is. */
typedef enum { PHASE_OTHER, PHASE_OPEN, PHASE_APPEND, PHASE_SYNC } phase_t;

typedef struct {
    zf_fs_t fs; /* first: the calls are given a pointer to it */
    zf_fs_t *under;
    plant_kind_t kind;
    phase_t phase;
    uint64_t count;      /* of the calls that it is about */
    bool segments[1024]; /* by descriptor: it is a segment that is in use */
    char lowest[256];    /* path of the lowest segment that was opened */
} plant_t;

void plant_init (plant_t *plant, zf_fs_t *under, plant_kind_t kind);
const char *plant_name (plant_kind_t kind);

#endif
