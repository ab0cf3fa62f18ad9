#include "tests/persist/campaign.h"

#include "tests/core/rand.h"
#include "tests/persist/driver.h"

#include <inttypes.h>
#include <stdio.h>

#define DOUBTS_MAX 6 /* so many unsynced things are few: all subsets of them are tried */
#define AFTERWARDS 8 /* steps that a recovered journal has to take */

/* Where a campaign is: said beside what is wrong. */
typedef struct {
    campaign_t *campaign;
    uint64_t end; /* the call at which the work ended */
    const char *subset;
    uint64_t pick;  /* see disk_after_crash */
    uint64_t again; /* the call at which the recovery ended; 0: it did not */
} place_of_t;

static bool is_wrong (const place_of_t *at, driver_t *driver)
{
    campaign_t *campaign = at->campaign;
    if (driver->ledger.wrong[0] != '\0' && campaign->wrong[0] == '\0')
        snprintf (campaign->wrong, sizeof campaign->wrong,
                  "seed %" PRIu64 ", ended at call %" PRIu64 ", kept %s %" PRIx64
                  ", recovery ended at call %" PRIu64 ": %s",
                  campaign->seed, at->end, at->subset, at->pick, at->again, driver->ledger.wrong);
    return campaign->wrong[0] != '\0';
}

/* No call may have failed on a disk that works. */
static void must_be_fine (driver_t *driver, const char *what, int rc)
{
    if (rc != 0 && !disk_stopped (driver->disk))
        ledger_wrong (&driver->ledger, "%s answered %d: %s", what, rc, driver->err.text);
}

/* Opens what a crash left, looks at it, goes on with it, and looks again. */
static bool recovers (const place_of_t *at, disk_t *disk, const ledger_t *ledger)
{
    driver_t driver;
    driver_init (&driver, disk, at->campaign->plant, at->campaign->seed + at->end, ledger);
    at->campaign->disks++;
    int rc = driver_open (&driver);
    must_be_fine (&driver, "open", rc);
    if (rc == 0) {
        must_be_fine (&driver, "reading", driver_read (&driver));
        driver_kill (&driver);
        must_be_fine (&driver, "going on", driver_run (&driver, AFTERWARDS));
        must_be_fine (&driver, "opening once more", driver_open (&driver));
    }
    bool fine = !is_wrong (at, &driver);
    driver_fini (&driver);
    return fine;
}

/* Power fails again during the recovery, at call number again; the next one has to succeed. Sets
 * *over if the recovery ends before that call. */
static bool recovers_twice (const place_of_t *at, const disk_t *disk, const ledger_t *ledger,
                            bool *over)
{
    disk_t *copy = disk_after_crash (disk, DISK_KEEP_ALL, 0);
    driver_t driver;
    driver_init (&driver, copy, at->campaign->plant, at->campaign->seed, ledger);
    disk_stop_at (copy, at->again, DISK_WHOLE);
    driver_open (&driver);
    *over = !disk_stopped (copy);
    disk_keep_t keep = at->again % 3 == 0 ? DISK_KEEP_NONE : DISK_KEEP_RANDOM;
    disk_t *after = disk_after_crash (copy, keep, at->pick ^ at->again);
    bool fine = !is_wrong (at, &driver) && (*over || recovers (at, after, &driver.ledger));
    driver_fini (&driver);
    disk_free (&after);
    disk_free (&copy);
    return fine;
}

static bool recovers_at_each_call (place_of_t at, const disk_t *disk, const ledger_t *ledger)
{
    bool over = false;
    for (at.again = 1; !over; at.again++)
        if (!recovers_twice (&at, disk, ledger, &over))
            return false;
    return true;
}

static bool try_subset (place_of_t *at, driver_t *driver, disk_keep_t keep, uint64_t pick,
                        bool deep)
{
    static const char *const names[] = {"none", "all", "random", "bits"};
    at->subset = names[keep];
    at->pick = pick;
    disk_t *after = disk_after_crash (driver->disk, keep, pick);
    bool fine = !deep || recovers_at_each_call (*at, after, &driver->ledger);
    fine = fine && recovers (at, after, &driver->ledger);
    disk_free (&after);
    return fine;
}

static bool try_all_subsets (place_of_t *at, driver_t *driver)
{
    uint64_t doubts = disk_doubts (driver->disk);
    bool fine = true;
    for (uint64_t bits = 0; doubts <= DOUBTS_MAX && bits < UINT64_C (1) << doubts && fine; bits++)
        fine = try_subset (at, driver, DISK_KEEP_BITS, bits, false);
    return fine;
}

static bool try_subsets (place_of_t *at, driver_t *driver)
{
    campaign_t *campaign = at->campaign;
    uint64_t seed = campaign->seed * 1000003 + at->end;
    bool deep = campaign->deep != 0 && at->end % campaign->deep == 0;
    bool fine = try_subset (at, driver, DISK_KEEP_NONE, 0, deep) &&
                try_subset (at, driver, DISK_KEEP_ALL, 0, deep);
    for (uint32_t i = 0; i < campaign->subsets && fine; i++)
        fine = try_subset (at, driver, DISK_KEEP_RANDOM, rand_next (&seed), deep && i == 0);
    return fine && (!deep || try_all_subsets (at, driver));
}

/* Only the process ended; the next one goes on with what was written and not synced. Then the power
 * fails. */
static bool try_kill (place_of_t *at, driver_t *driver)
{
    at->subset = "process, then random";
    at->pick = at->end;
    driver_kill (driver);
    must_be_fine (driver, "opening after a kill", driver_open (driver));
    for (uint64_t i = 0; driver->journal != NULL && i < at->end % 4; i++)
        must_be_fine (driver, "append", driver_append (driver, 35000, 1)); /* up to a roll */
    if (driver->journal != NULL && at->end % 3 != 0)
        must_be_fine (driver, "sync", driver_sync (driver));
    disk_t *after = disk_after_crash (driver->disk, DISK_KEEP_RANDOM, at->pick);
    bool fine = !is_wrong (at, driver) && recovers (at, after, &driver->ledger);
    disk_free (&after);
    return fine;
}

/* The work, ended at call number at->end; 0: not at all. Sets *calls to how many it made. */
static bool end_work (place_of_t *at, uint64_t *calls)
{
    disk_t *disk = disk_new ();
    driver_t driver;
    driver_init (&driver, disk, at->campaign->plant, at->campaign->seed, NULL);
    driver.stop_at = at->end;
    driver.part = at->end % 2 == 0 ? DISK_WHOLE : DISK_PART;
    driver.first = at->campaign->first;
    must_be_fine (&driver, "working", driver_run (&driver, at->campaign->steps));
    *calls = disk_calls (disk);
    bool fine = !is_wrong (at, &driver);
    fine = fine && try_subsets (at, &driver) && try_kill (at, &driver);
    driver_fini (&driver);
    disk_free (&disk);
    return fine;
}

bool campaign_crash (campaign_t *campaign)
{
    uint64_t calls = 0;
    uint64_t ignored;
    place_of_t at = {.campaign = campaign, .subset = "nothing"};
    campaign->ends = 0;
    campaign->disks = 0;
    campaign->wrong[0] = '\0';
    bool fine = end_work (&at, &calls);
    for (at.end = 1; at.end <= calls && fine; at.end++) {
        fine = end_work (&at, &ignored);
        campaign->ends++;
    }
    return fine;
}
