#include "tests/persist/faults.h"

#include "tests/core/rand.h"
#include "tests/persist/driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SUBSETS 3 /* random subsets of the unsynced that are tried in the end */

static void arm (const faults_t *faults, disk_t *disk, uint64_t n)
{
    if (faults->arm != NULL)
        faults->arm (n);
    else
        disk_fail (disk, faults->call, n, n > 0 ? faults->times : 0, faults->error);
}

static bool has_fired (const faults_t *faults, const disk_t *disk)
{
    return faults->fired != NULL ? faults->fired () : disk_failures (disk) > 0;
}

static bool is_wrong (faults_t *faults, uint64_t n, const driver_t *driver)
{
    if (driver->ledger.wrong[0] != '\0' && faults->wrong[0] == '\0')
        snprintf (faults->wrong, sizeof faults->wrong,
                  "seed %" PRIu64 ", %s number %" PRIu64 " fails (%s), last answer %d %s: %s",
                  faults->seed, faults->arm != NULL ? "allocation" : disk_call_name (faults->call),
                  n, strerror (faults->error), driver->code, driver->err.text,
                  driver->ledger.wrong);
    return faults->wrong[0] != '\0';
}

/* -- while it fails ---------------------------------------------------------------------------- */

static void check_answer (const faults_t *faults, driver_t *driver, int rc, bool fired)
{
    if (rc == 0)
        return;
    if (!fired)
        ledger_wrong (&driver->ledger, "answered %d before anything failed", rc);
    if ((FAULTS_ANSWER (rc) & faults->allowed) == 0)
        ledger_wrong (&driver->ledger, "answered %d, which is not right", rc);
}

/* One that failed for good refuses everything; another one goes on as soon as nothing fails. */
static void check_state (driver_t *driver, bool fails_no_more)
{
    bool poisoned = driver->poisoned;
    int append = driver_append (driver, 100, 1);
    int sync = driver_sync (driver);
    if (poisoned && (append != ZF_E_IO || sync != ZF_E_IO))
        ledger_wrong (&driver->ledger, "failed for good, and answers %d, %d", append, sync);
    if (!poisoned && fails_no_more && (append != 0 || sync != 0))
        ledger_wrong (&driver->ledger, "it does not go on: %d, %d", append, sync);
}

/* Opens, as often as it takes. */
static int open_again (const faults_t *faults, driver_t *driver)
{
    int rc = driver_open (driver);
    bool fired = has_fired (faults, driver->disk);
    check_answer (faults, driver, rc, fired);
    if (rc != 0 && faults->times == 1)
        rc = driver_open (driver);
    return rc;
}

static void work (faults_t *faults, driver_t *driver)
{
    int rc = open_again (faults, driver);
    for (uint32_t i = 0; i < faults->steps && rc == 0; i++) {
        bool fired = has_fired (faults, driver->disk);
        int answer = driver_step (driver);
        bool fires = has_fired (faults, driver->disk);
        check_answer (faults, driver, answer, fires);
        if (driver->journal == NULL)
            rc = open_again (faults, driver);
        else if (answer != 0 || (fires && !fired))
            check_state (driver, faults->times == 1);
        if (driver->poisoned)
            break;
    }
    faults->poisoned += driver->poisoned;
}

/* -- when it is over --------------------------------------------------------------------------- */

static void must_open (driver_t *driver)
{
    int rc = driver_open (driver);
    if (rc == 0)
        rc = driver_read (driver);
    if (rc == 0)
        rc = driver_append (driver, 200, 2);
    if (rc == 0)
        rc = driver_sync (driver);
    if (rc == 0)
        rc = driver_close (driver);
    if (rc != 0)
        ledger_wrong (&driver->ledger, "afterwards it answers %d: %s", rc, driver->err.text);
}

static bool survives (faults_t *faults, uint64_t n, const driver_t *driver, disk_keep_t keep,
                      uint64_t pick)
{
    driver_t after;
    disk_t *disk = disk_after_crash (driver->disk, keep, pick);
    driver_init (&after, disk, PLANT_NONE, faults->seed, &driver->ledger);
    after.ledger.watch = NULL;
    must_open (&after);
    bool fine = !is_wrong (faults, n, &after);
    driver_fini (&after);
    disk_free (&disk);
    return fine;
}

static bool check_disk (faults_t *faults, uint64_t n, driver_t *driver)
{
    uint64_t seed = faults->seed + n;
    driver_kill (driver);
    bool fine = !is_wrong (faults, n, driver) && survives (faults, n, driver, DISK_KEEP_NONE, 0) &&
                survives (faults, n, driver, DISK_KEEP_ALL, 0);
    for (int i = 0; i < SUBSETS && fine; i++)
        fine = survives (faults, n, driver, DISK_KEEP_RANDOM, rand_next (&seed));
    return fine;
}

static bool run_once (faults_t *faults, uint64_t n, bool *over)
{
    disk_t *disk = disk_new ();
    driver_t driver;
    driver_init (&driver, disk, faults->plant, faults->seed, NULL);
    driver.ledger.watch = faults->watch;
    disk_watch (disk, faults->watch);
    arm (faults, disk, n);
    work (faults, &driver);
    int rc = 0;
    if (driver.journal != NULL && faults->times == 1 && !driver.poisoned)
        rc = driver_close (&driver);
    *over = !has_fired (faults, disk);
    faults->tried += !*over;
    check_answer (faults, &driver, rc, !*over);
    arm (faults, disk, 0);
    bool fine = check_disk (faults, n, &driver);
    driver_fini (&driver);
    disk_free (&disk);
    return fine;
}

bool faults_run (faults_t *faults)
{
    bool over = false;
    bool fine = true;
    faults->tried = 0;
    faults->poisoned = 0;
    faults->wrong[0] = '\0';
    for (uint64_t n = 1; !over && fine; n++)
        fine = run_once (faults, n, &over);
    return fine;
}
