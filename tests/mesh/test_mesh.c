/* The simulator of roster and directory (mesh.h).
 *
 *   test_mesh               the usual seeds; ZF_SIM_SEEDS: how many instead
 *   test_mesh SEED          one seed, with every event
 *   test_mesh --seeds A B   the seeds from A to B
 *   test_mesh --find N      succeeds if one of the first N seeds fails: for planted bugs */
#include "tests/mesh/mesh.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SEEDS 400
#else
#define SEEDS 2500
#endif

static uint64_t seed_count (void)
{
    const char *wanted = getenv ("ZF_SIM_SEEDS");
    return wanted != NULL ? strtoull (wanted, NULL, 10) : SEEDS;
}

static void rosters_under_any_seed_keep_their_promises (void **state)
{
    (void) state;
    uint64_t count = seed_count ();
    for (uint64_t seed = 1; seed <= count; seed++)
        assert_int_equal (mesh_run (&(mesh_options_t){.seed = seed}), 0);
}

static int run_range (uint64_t first, uint64_t last)
{
    uint64_t failures = 0;
    for (uint64_t seed = first; seed <= last; seed++)
        failures += (uint64_t) mesh_run (&(mesh_options_t){.seed = seed});
    fprintf (stderr, "%" PRIu64 " of %" PRIu64 " seeds failed\n", failures, last - first + 1);
    return failures != 0;
}

static int find_failure (uint64_t count)
{
    for (uint64_t seed = 1; seed <= count; seed++) {
        if (mesh_run (&(mesh_options_t){.seed = seed, .is_quiet = true}) != 0) {
            printf ("found by seed %" PRIu64 "\n", seed);
            return 0;
        }
    }
    printf ("nobody noticed\n");
    return 1;
}

int main (int argc, char **argv)
{
    if (argc == 2)
        return mesh_run (
            &(mesh_options_t){.seed = strtoull (argv[1], NULL, 10), .is_verbose = true});
    if (argc == 3 && strcmp (argv[1], "--find") == 0)
        return find_failure (strtoull (argv[2], NULL, 10));
    if (argc == 4 && strcmp (argv[1], "--seeds") == 0)
        return run_range (strtoull (argv[2], NULL, 10), strtoull (argv[3], NULL, 10));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (rosters_under_any_seed_keep_their_promises),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
