/* Drives a journal on a disk, and keeps the ledger of it. Nothing is asserted: what is wrong is in
 * the ledger, in words. */
#ifndef TESTS_PERSIST_DRIVER_H
#define TESTS_PERSIST_DRIVER_H

#include "persist/journal.h"
#include "tests/persist/disk.h"
#include "tests/persist/ledger.h"
#include "tests/persist/plant.h"

#define DRIVER_DIR "/j"

typedef struct {
    disk_t *disk; /* the owner's */
    plant_t plant;
    zf_journal_t *journal; /* NULL: not open */
    zf_journal_options_t options;
    ledger_t ledger;
    size_t first;     /* bytes of an entry that driver_run begins with; 0: none */
    uint64_t seed;    /* of the next step */
    uint64_t stop_at; /* in calls of the disk: the process ends for good; 0: never */
    disk_part_t part; /* see disk_stop_at */
    uint64_t base;    /* position where the segment began, as far as one can tell */
    bool poisoned;    /* an append or a sync has answered ZF_E_IO */
    int code;         /* the last answer */
    zf_error_t err;   /* and its text, if it was an error */
} driver_t;

/* The ledger is copied; it may be NULL: empty. */
void driver_init (driver_t *driver, disk_t *disk, plant_kind_t plant, uint64_t seed,
                  const ledger_t *ledger);

/* The process ends, if it has not yet; the ledger and the disk's content stay. */
void driver_kill (driver_t *driver);

/* Kills, and frees the ledger. */
void driver_fini (driver_t *driver);

/* Each returns what the journal answered, and has held it against the ledger. */
int driver_open (driver_t *driver);
int driver_append (driver_t *driver, size_t size, size_t parts);
int driver_sync (driver_t *driver);
int driver_trim (driver_t *driver, uint64_t position);
int driver_read (driver_t *driver); /* everything, in two ways */
int driver_close (driver_t *driver);

/* One thing or another, by the seed: appends of all sizes, syncs, trims, closing, being killed and
 * opened again, reading. */
int driver_step (driver_t *driver);

/* Opens, appends the first entry, takes so many steps, as long as it works, and closes. Returns 0
 * or the first answer that was not. */
int driver_run (driver_t *driver, uint32_t steps);

#endif
