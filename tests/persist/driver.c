#include "tests/persist/driver.h"

#include "tests/core/rand.h"
#include "tests/persist/disk_node.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENT_BYTES  65536
#define SEGMENT_HEADER 64
#define PARTS_MAX      6

void driver_init (driver_t *driver, disk_t *disk, plant_kind_t plant, uint64_t seed,
                  const ledger_t *ledger)
{
    memset (driver, 0, sizeof *driver);
    driver->disk = disk;
    driver->seed = seed;
    if (ledger != NULL)
        driver->ledger = ledger_copy (ledger);
    plant_init (&driver->plant, disk_fs (disk), plant);
    zf_journal_defaults (&driver->options);
    driver->options.dir = DRIVER_DIR;
    driver->options.segment_bytes = SEGMENT_BYTES;
    driver->options.spares = 1 + (uint32_t) (seed % 2);
}

/* The process is to end for good at its time, also after it was killed in between. */
static void arm (driver_t *driver)
{
    uint64_t now = disk_calls (driver->disk);
    if (driver->stop_at > now)
        disk_stop_at (driver->disk, driver->stop_at - now, driver->part);
}

void driver_kill (driver_t *driver)
{
    disk_stop (driver->disk);
    ledger_inside (&driver->ledger, true);
    zf_journal_close (&driver->journal);
    ledger_inside (&driver->ledger, false);
    disk_restart (driver->disk);
    driver->poisoned = false;
}

void driver_fini (driver_t *driver)
{
    driver_kill (driver);
    ledger_free (&driver->ledger);
}

/* -- calls ------------------------------------------------------------------------------------- */

/* Around each call of the journal. */
static void begin (driver_t *driver, phase_t phase)
{
    driver->plant.phase = phase;
    ledger_inside (&driver->ledger, true);
}

static void end (driver_t *driver)
{
    driver->plant.phase = PHASE_OTHER;
    ledger_inside (&driver->ledger, false);
}

/* What the journal says of itself after a call. */
static int answered (driver_t *driver, int rc)
{
    driver->code = rc;
    if (driver->journal == NULL)
        return rc;
    ledger_durable (&driver->ledger, zf_journal_durable (driver->journal));
    if (driver->plant.kind == PLANT_DURABLE_EARLY)
        ledger_durable (&driver->ledger, zf_journal_next (driver->journal));
    return rc;
}

/* Nothing is taken any more once that has failed for good. */
static int answered_write (driver_t *driver, const char *what, int rc)
{
    if (driver->poisoned && rc != ZF_E_IO)
        ledger_wrong (&driver->ledger, "%s answered %d after ZF_E_IO", what, rc);
    if (rc == ZF_E_IO)
        driver->poisoned = true;
    if (rc != 0 && driver->err.text[0] == '\0')
        ledger_wrong (&driver->ledger, "%s answered %d without a word", what, rc);
    return answered (driver, rc);
}

static int replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    driver_t *driver = arg;
    if (driver->plant.kind == PLANT_REPLAY_SKIPS && ++driver->plant.count % 3 == 0)
        return 0;
    ledger_inside (&driver->ledger, false);
    int rc = ledger_replay (&driver->ledger, position, data, err);
    ledger_inside (&driver->ledger, true);
    return rc;
}

int driver_open (driver_t *driver)
{
    memset (&driver->err, 0, sizeof driver->err);
    driver->options.replay = replay;
    driver->options.arg = driver;
    ledger_begin (&driver->ledger);
    begin (driver, PHASE_OPEN);
    int rc =
        zf_journal_open_on (&driver->journal, &driver->plant.fs, &driver->options, &driver->err);
    end (driver);
    if ((rc == 0) != (driver->journal != NULL))
        ledger_wrong (&driver->ledger, "open answered %d and %s journal", rc,
                      driver->journal != NULL ? "a" : "no");
    if (rc != 0 && driver->err.text[0] == '\0')
        ledger_wrong (&driver->ledger, "open answered %d without a word", rc);
    if (rc != 0 && disk_open_files (driver->disk) != 0)
        ledger_wrong (&driver->ledger, "open failed and left files open");
    if (rc == 0)
        ledger_end (&driver->ledger, driver->journal);
    return answered (driver, rc);
}

/* Cuts data into parts, some of them empty. */
static void cut_up (driver_t *driver, zf_bytes_t *parts, size_t count, const uint8_t *data,
                    size_t size)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = i + 1 == count ? size : rand_below (&driver->seed, (uint32_t) size + 1);
        parts[i] = (zf_bytes_t){n > 0 ? data : NULL, n};
        data += n;
        size -= n;
    }
}

static uint64_t segments (driver_t *driver)
{
    zf_journal_stats_t stats;
    zf_journal_stats (driver->journal, &stats);
    return stats.segments;
}

static int append_parts (driver_t *driver, const zf_bytes_t *parts, size_t count)
{
    uint64_t before = segments (driver);
    uint64_t expected = zf_journal_next (driver->journal);
    uint64_t position = UINT64_MAX;
    begin (driver, PHASE_APPEND);
    int rc = zf_journal_append (driver->journal, parts, count, &position, &driver->err);
    end (driver);
    if (rc != 0 && rc != ZF_E_IO)
        ledger_take_back (&driver->ledger);
    if (rc == 0 && position != expected)
        ledger_wrong (&driver->ledger, "appended at %" PRIu64 ", next was %" PRIu64, position,
                      expected);
    if (segments (driver) > before)
        driver->base = expected;
    return rc;
}

int driver_append (driver_t *driver, size_t size, size_t count)
{
    zf_bytes_t parts[PARTS_MAX];
    uint8_t *data = disk_memory (NULL, size + 1);
    uint64_t next = zf_journal_next (driver->journal);
    uint64_t serial = ledger_append (&driver->ledger, next, size);
    ledger_fill (serial, data, size);
    cut_up (driver, parts, count, data, size);
    memset (&driver->err, 0, sizeof driver->err);
    int rc = append_parts (driver, parts, count);
    free (data);
    if (rc == 0 && zf_journal_next (driver->journal) != next + zf_journal_extent (size))
        ledger_wrong (&driver->ledger, "%zu bytes at %" PRIu64 " go on at %" PRIu64, size, next,
                      zf_journal_next (driver->journal));
    return answered_write (driver, "append", rc);
}

int driver_sync (driver_t *driver)
{
    memset (&driver->err, 0, sizeof driver->err);
    begin (driver, PHASE_SYNC);
    int rc = zf_journal_sync (driver->journal, &driver->err);
    end (driver);
    if (rc == 0 && zf_journal_durable (driver->journal) != zf_journal_next (driver->journal))
        ledger_wrong (&driver->ledger, "synced, and not all is durable");
    return answered_write (driver, "sync", rc);
}

int driver_trim (driver_t *driver, uint64_t position)
{
    memset (&driver->err, 0, sizeof driver->err);
    begin (driver, PHASE_OTHER);
    int rc = zf_journal_trim (driver->journal, position, &driver->err);
    end (driver);
    if (rc == 0 || rc == ZF_E_IO)
        ledger_trim (&driver->ledger, position);
    return answered_write (driver, "trim", rc);
}

int driver_read (driver_t *driver)
{
    memset (&driver->err, 0, sizeof driver->err);
    int rc = ledger_read (&driver->ledger, driver->journal, &driver->err);
    if (rc == 0)
        rc = ledger_fetch (&driver->ledger, driver->journal, &driver->err);
    return answered (driver, rc);
}

int driver_close (driver_t *driver)
{
    uint64_t next = zf_journal_next (driver->journal);
    begin (driver, PHASE_SYNC);
    int rc = zf_journal_close (&driver->journal);
    end (driver);
    if (driver->journal != NULL)
        ledger_wrong (&driver->ledger, "closed, and still there");
    if (rc == 0 && driver->poisoned)
        ledger_wrong (&driver->ledger, "close says that all is well");
    if (rc == 0)
        ledger_durable (&driver->ledger, next);
    if (disk_open_files (driver->disk) != 0)
        ledger_wrong (&driver->ledger, "closed, and files are open");
    driver->poisoned = false;
    return answered (driver, rc);
}

/* -- steps ------------------------------------------------------------------------------------- */

/* A size that ends at the end of the segment, or a little before, so that what is left is too
 * little for a header, or is just enough for one. */
static size_t size_to_the_end (driver_t *driver)
{
    static const uint64_t left[] = {0, 8, 32, 40, 48};
    uint64_t used = zf_journal_next (driver->journal) - driver->base + SEGMENT_HEADER;
    uint64_t gap = left[rand_below (&driver->seed, 5)] + ZF_ENTRY_HEADER;
    return used + gap <= SEGMENT_BYTES ? (size_t) (SEGMENT_BYTES - used - gap) : 0;
}

static size_t any_size (driver_t *driver)
{
    uint32_t dice = rand_below (&driver->seed, 100);
    if (dice < 55)
        return rand_below (&driver->seed, 300);
    if (dice < 75)
        return rand_below (&driver->seed, 6000);
    if (dice < 90)
        return 8000 + rand_below (&driver->seed, 30000);
    if (dice < 97)
        return size_to_the_end (driver);
    return SEGMENT_BYTES + rand_below (&driver->seed, 30000);
}

static int trim_somewhere (driver_t *driver)
{
    size_t count = driver->ledger.count;
    if (count == 0)
        return driver_trim (driver, 0);
    size_t i = count - 1 - rand_below (&driver->seed, (uint32_t) (count + 1) / 2);
    return driver_trim (driver, driver->ledger.entries[i].position);
}

static int reopen (driver_t *driver, bool kill)
{
    int rc = 0;
    if (kill)
        driver_kill (driver);
    else
        rc = driver_close (driver);
    arm (driver);
    return rc != 0 ? rc : driver_open (driver);
}

int driver_step (driver_t *driver)
{
    if (disk_stopped (driver->disk))
        return ZF_E_IO;
    uint32_t dice = rand_below (&driver->seed, 100);
    if (dice < 62)
        return driver_append (driver, any_size (driver), 1 + rand_below (&driver->seed, PARTS_MAX));
    if (dice < 84)
        return driver_sync (driver);
    if (dice < 91)
        return trim_somewhere (driver);
    if (dice < 97)
        return reopen (driver, dice >= 94);
    return driver_read (driver);
}

int driver_run (driver_t *driver, uint32_t steps)
{
    arm (driver);
    int rc = driver_open (driver);
    if (rc == 0 && driver->first > 0)
        rc = driver_append (driver, driver->first, 1);
    for (uint32_t i = 0; i < steps && rc == 0; i++)
        rc = driver_step (driver);
    if (driver->journal == NULL)
        return rc;
    int closed = driver_close (driver);
    return rc != 0 ? rc : closed;
}
