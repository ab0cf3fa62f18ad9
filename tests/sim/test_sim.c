/* The deterministic simulator of the engine: many producers, askers, workers and queues, on a
 * network that loses connections, with crashes, silence, slowness and peers that break the
 * protocol, all of it from a seed. book.h says what is checked, and audit.c.
 *
 *   test_sim                  the usual seeds; ZF_SIM_SEEDS: how many instead
 *   test_sim SEED             one seed, with every event
 *   test_sim --seeds A B      the seeds from A to B
 *   test_sim --dies ...       the same, of a broker with a disk that dies now and then
 *   test_sim --streams ...    the same, of streams, groups and subscribers (also: --streams --dies)
 *
 * A harness that has never caught anything proves nothing. Each of these bugs was planted into a
 * copy of core/, alone, and was found within the first 250 seeds, most of them in the first two:
 *
 *   posts     a resent number is taken again; posts that wait are taken twice when sent again; a
 *             refusal is forgotten; half of an atomic post is taken; parked posts are not resumed,
 *             nor those that wait for memory; a parked frame leaks; a cap is off by one; a dedup
 *             id is forgotten at once; producers are never forgotten; drop-oldest does not count
 *   leases    what a lost worker held is not queued again; the lease is not cancelled by an ack; a
 *             split run loses its deadline; a lease is extended from its old end; anybody may
 *             settle; silent workers are kept; credit is ignored
 *   attempts  one too many; a release counts; the end of a lease does not count; a nack's delay is
 *             ignored; backoff does not double; a rejected record is queued again
 *   order     an id is used again when a chunk is gone; a key is not passed on; two records of a
 *             key at once; the least important first; ready records go behind fresh ones; delays
 *             of records are ignored
 *   time      records whose time is over are handed out; an expired one goes to another worker; a
 *             ready one outlives its queue's time; a dead letter prolongs the life of others
 *   requests  answered twice; the answer goes to another one; they do not move to the new session;
 *             they outlive who asked
 *   dead      a letter says the wrong number of attempts; letters of another queue are moved
 *
 * and of these, of streams, within the first 150:
 *
 *   streams   retention drops a chunk too many; nothing gets too old; compaction keeps the first of
 *             a key, or takes a stranger when the last one is gone; offsets are given again after a
 *             crash; what went is not written down; the ids that a crash left out count as records;
 *             a stream makes room for its own group
 *   readers   READ opens the window twice; the window is ignored; what was missed on the way, or
 *             before it began, is not counted; a filter skips a record, or takes one topic for the
 *             one before; spans skip one too few; a batch made for others is sent for another; one
 *             begins a record too late, or has one of the last N too few, or begins a chunk behind
 *             the time; they do not wait for the disk
 *   groups    a record behind a gap is skipped; what is missed is not counted, forgotten at a
 *             restart, or taken off twice; records of a view are counted twice; they take what is
 *             not for them; keys are not noted; nobody wakes them; attempts, and what is settled
 *             out of order, are forgotten at a restart; one is written down as further than it is
 *
 * Bugs of what is written to the disk are planted in each run (plant.c), and must be found. */
#include "tests/sim/plant.h"
#include "tests/sim/sim.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#define SEEDS 150
#elif defined __SANITIZE_THREAD__
#define SEEDS 100
#else
#define SEEDS 800
#endif

static uint64_t seed_count (void)
{
    const char *wanted = getenv ("ZF_SIM_SEEDS");
    return wanted != NULL ? strtoull (wanted, NULL, 10) : SEEDS;
}

static void engine_under_any_seed_keeps_its_promises (void **state)
{
    (void) state;
    uint64_t count = seed_count ();
    for (uint64_t seed = 1; seed <= count; seed++)
        assert_int_equal (sim_run (&(sim_options_t){.seed = seed}), 0);
}

static void broker_that_dies_under_any_seed_keeps_its_promises (void **state)
{
    (void) state;
    uint64_t count = seed_count ();
    for (uint64_t seed = 1; seed <= count; seed++)
        assert_int_equal (sim_run (&(sim_options_t){.seed = seed, .durable = true}), 0);
}

static void streams_under_any_seed_keep_their_promises (void **state)
{
    (void) state;
    uint64_t count = seed_count ();
    for (uint64_t seed = 1; seed <= count; seed++)
        assert_int_equal (sim_run (&(sim_options_t){.seed = seed, .streams = true}), 0);
}

static void streams_of_a_broker_that_dies_keep_their_promises (void **state)
{
    (void) state;
    uint64_t count = seed_count ();
    for (uint64_t seed = 1; seed <= count; seed++)
        assert_int_equal (
            sim_run (&(sim_options_t){.seed = seed, .streams = true, .durable = true}), 0);
}

/* A run that fails leaves all as it is: that is no leak. */
static int run_with (const plant_t *plant, uint64_t seed)
{
    const sim_options_t options = {
        .seed = seed, .quiet = true, .durable = true, .streams = plant->streams, .plant = plant};
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable ();
#endif
    int rc = sim_run (&options);
#ifdef __SANITIZE_ADDRESS__
    __lsan_enable ();
#endif
    return rc;
}

/* A seed that finds it; 0: none of the first so many does. */
static uint64_t seed_that_finds (const plant_t *plant, uint64_t count)
{
    for (uint64_t seed = 1; seed <= count; seed++)
        if (run_with (plant, seed) != 0)
            return seed;
    return 0;
}

static void planted_bug_is_found (void **state)
{
    (void) state;
    for (size_t i = 0; i < plant_count; i++) {
        uint64_t seed = seed_that_finds (&plants[i], seed_count ());
        print_message ("%s: seed %" PRIu64 "\n", plants[i].name, seed);
        if (seed == 0)
            fail_msg ("nobody noticed that %s", plants[i].name);
    }
}

/* The harness itself: the same seed is the same run. */
static int run_range (uint64_t first, uint64_t last, bool durable, bool streams)
{
    uint64_t failures = 0;
    for (uint64_t seed = first; seed <= last; seed++) {
        if (sim_run (&(sim_options_t){.seed = seed, .durable = durable, .streams = streams}) != 0) {
            fprintf (stderr, "seed %" PRIu64 " failed: test_sim %s%s%" PRIu64 "\n\n", seed,
                     streams ? "--streams " : "", durable ? "--dies " : "", seed);
            failures++;
        }
    }
    fprintf (stderr, "%" PRIu64 " of %" PRIu64 " seeds failed\n", failures, last - first + 1);
    return failures != 0;
}

int main (int argc, char **argv)
{
    bool streams = argc > 2 && strcmp (argv[1], "--streams") == 0;
    argc -= streams;
    argv += streams;
    bool durable = argc > 2 && strcmp (argv[1], "--dies") == 0;
    argc -= durable;
    argv += durable;
    if (argc == 2)
        return sim_run (&(sim_options_t){.seed = strtoull (argv[1], NULL, 10),
                                         .verbose = true,
                                         .durable = durable,
                                         .streams = streams});
    if (argc == 4 && strcmp (argv[1], "--seeds") == 0)
        return run_range (strtoull (argv[2], NULL, 10), strtoull (argv[3], NULL, 10), durable,
                          streams);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (engine_under_any_seed_keeps_its_promises),
        cmocka_unit_test (broker_that_dies_under_any_seed_keeps_its_promises),
        cmocka_unit_test (streams_under_any_seed_keep_their_promises),
        cmocka_unit_test (streams_of_a_broker_that_dies_keep_their_promises),
        cmocka_unit_test (planted_bug_is_found),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
