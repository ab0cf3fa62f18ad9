/* Power failures at every call that a journal makes. A case that fails prints the seed with which
 * it does so again; ZF_LONG=N tries N times as many seeds. */
#include "tests/persist/campaign.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Of four seeds, how many are tried. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define QUARTERS 1
#else
#define QUARTERS 4
#endif

static uint64_t seeds_of (uint64_t seeds)
{
    const char *wanted = getenv ("ZF_LONG");
    uint64_t times = wanted != NULL ? strtoull (wanted, NULL, 10) : 1;
    return (seeds * QUARTERS + 3) / 4 * (times > 0 ? times : 1);
}

static void play (const campaign_t *like, uint64_t seeds)
{
    for (uint64_t i = 0; i < seeds_of (seeds); i++) {
        campaign_t campaign = *like;
        campaign.seed += i;
        bool fine = campaign_crash (&campaign);
        print_message ("seed %" PRIu64 ": ended at %" PRIu64 " calls, %" PRIu64 " recoveries\n",
                       campaign.seed, campaign.ends, campaign.disks);
        if (!fine)
            fail_msg ("%s", campaign.wrong);
    }
}

/* The first segment stays empty then. */
static void crash_when_the_first_entry_is_too_large_loses_nothing (void **state)
{
    play (&(campaign_t){.seed = 400, .first = 70000, .steps = 2, .subsets = 6, .deep = 3}, 2);
}

/* Short work, and everything at each call. */
static void crash_at_each_call_of_short_work_loses_nothing (void **state)
{
    play (&(campaign_t){.seed = 100, .steps = 6, .subsets = 2, .deep = 3}, 3);
}

static void crash_at_each_call_of_long_work_loses_nothing (void **state)
{
    play (&(campaign_t){.seed = 200, .steps = 80, .subsets = 3, .deep = 60}, 2);
}

static void crash_at_a_roll_loses_nothing (void **state)
{
    play (&(campaign_t){.seed = 300, .steps = 30, .subsets = 4, .deep = 25}, 3);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (crash_when_the_first_entry_is_too_large_loses_nothing),
        cmocka_unit_test (crash_at_each_call_of_short_work_loses_nothing),
        cmocka_unit_test (crash_at_a_roll_loses_nothing),
        cmocka_unit_test (crash_at_each_call_of_long_work_loses_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
