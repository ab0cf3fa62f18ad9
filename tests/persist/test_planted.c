/* The harnesses themselves: each bug planted into the file calls or into the driver has to be found
 * by the one that is there for it. */
#include "tests/persist/campaign.h"
#include "tests/persist/damage.h"
#include "tests/persist/driver.h"
#include "tests/persist/faults.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS 12 /* within so many it has to be found */

static bool found_by_crashes (plant_kind_t plant)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        campaign_t campaign = {.seed = 300 + i, .steps = 30, .subsets = 4, .plant = plant};
        if (campaign_crash (&campaign))
            continue;
        print_message ("%s: %s\n", plant_name (plant), campaign.wrong);
        return true;
    }
    return false;
}

static void crashes_find_what_was_not_synced (void **state)
{
    assert_true (found_by_crashes (PLANT_NO_DATASYNC));
    assert_true (found_by_crashes (PLANT_NO_DATASYNC_IN_SYNC));
    assert_true (found_by_crashes (PLANT_NO_DATASYNC_AT_ROLL));
    assert_true (found_by_crashes (PLANT_NO_DATASYNC_AT_OPEN));
    assert_true (found_by_crashes (PLANT_NO_SYNCDIR));
}

static void crashes_find_what_is_lost_or_wrong (void **state)
{
    assert_true (found_by_crashes (PLANT_BIT));
    assert_true (found_by_crashes (PLANT_UNLINK_EARLY));
    assert_true (found_by_crashes (PLANT_REPLAY_SKIPS));
    assert_true (found_by_crashes (PLANT_DURABLE_EARLY));
}

static bool found_by_faults (plant_kind_t plant, disk_call_t call, int error)
{
    for (uint64_t i = 0; i < SEEDS; i++) {
        faults_t faults = {.seed = 500 + i,
                           .steps = 40,
                           .call = call,
                           .error = error,
                           .times = 1,
                           .allowed = FAULTS_ANSWER (ZF_E_IO) | FAULTS_ANSWER (ZF_E_FULL),
                           .plant = plant};
        if (faults_run (&faults))
            continue;
        print_message ("%s: %s\n", plant_name (plant), faults.wrong);
        return true;
    }
    return false;
}

static void faults_find_what_was_not_noticed (void **state)
{
    assert_true (found_by_faults (PLANT_SYNC_AGAIN, DISK_DATASYNC, EIO));
    assert_true (found_by_faults (PLANT_FULL_IS_WRITTEN, DISK_PWRITEV, ENOSPC));
}

static bool found_by_short_writes (plant_kind_t plant)
{
    driver_t driver;
    disk_t *disk = disk_new ();
    driver_init (&driver, disk, plant, 700, NULL);
    disk_shorten (disk, 30000);
    int rc = driver_run (&driver, 60);
    bool found = rc != 0 || driver.ledger.wrong[0] != '\0';
    driver_fini (&driver);
    disk_free (&disk);
    return found;
}

static void short_writes_are_found (void **state)
{
    assert_true (found_by_short_writes (PLANT_SHORT_IS_WHOLE));
    assert_false (found_by_short_writes (PLANT_NONE));
}

static bool found_by_damage (plant_kind_t plant, bool blind)
{
    damage_t damage;
    damage_init (&damage, "killed");
    damage.plant = plant;
    damage.blind = blind;
    bool fine = damage_none (&damage);
    for (size_t offset = 0; offset < damage.golden.files[1].size && fine; offset++)
        fine = damage_bits (&damage, 1, offset, 1);
    if (!fine)
        print_message ("%s: %s\n", plant_name (plant), damage.wrong);
    damage_fini (&damage);
    return !fine;
}

static void damage_finds_what_is_answered_wrongly (void **state)
{
    assert_true (found_by_damage (PLANT_REPLAY_SKIPS, false));
    assert_true (found_by_damage (PLANT_TOUCHES, false));
    assert_true (found_by_damage (PLANT_HIDES, false));
    assert_true (found_by_damage (PLANT_NO_NAME, false));
    assert_true (found_by_damage (PLANT_NONE, true));
    assert_false (found_by_damage (PLANT_NONE, false));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (crashes_find_what_was_not_synced),
        cmocka_unit_test (crashes_find_what_is_lost_or_wrong),
        cmocka_unit_test (faults_find_what_was_not_noticed),
        cmocka_unit_test (short_writes_are_found),
        cmocka_unit_test (damage_finds_what_is_answered_wrongly),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
