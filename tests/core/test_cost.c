/* What a record costs: bytes while it is queued, allocations and timers when something happens to
 * it. Everything is counted, nothing is timed. */
#include "tests/core/alloc.h"
#include "tests/core/rig.h"

#define RECORDS    200000
#define BODY_BYTES 100

/* Bytes that are there for each of RECORDS records, beside their bodies. */
static double bytes_beside (size_t before)
{
    return (double) (alloc_live_bytes () - before) / RECORDS - BODY_BYTES;
}

static rig_t *quiet_rig (void)
{
    rig_t *rig = rig_new (NULL);
    rig->audits = false;
    return rig;
}

/* Posts and takes the confirmation. */
static void post (peer_t *p, const char *queue, uint32_t count)
{
    p->low = peer_post_bulk (p, queue, count, BODY_BYTES) + count;
    peer_forget_letters (p);
}

static void record_posted_alone_costs_little_memory (void **state)
{
    (void) state;
    rig_t *rig = quiet_rig ();
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 1);
    size_t before = alloc_live_bytes ();
    for (uint32_t i = 0; i < RECORDS; i++)
        post (p, "jobs", 1);
    double bytes = bytes_beside (before);
    print_message ("posted one by one: %.1f bytes beside the body\n", bytes);
    assert_true (bytes < 32);
    rig_free (rig);
}

static void record_posted_in_a_batch_costs_little_memory (void **state)
{
    (void) state;
    rig_t *rig = quiet_rig ();
    peer_t *p = rig_peer (rig, "p");
    post (p, "jobs", 1);
    size_t before = alloc_live_bytes ();
    for (uint32_t i = 0; i < RECORDS; i += 100)
        post (p, "jobs", 100);
    double bytes = bytes_beside (before);
    print_message ("posted by the hundred: %.1f bytes beside the body\n", bytes);
    assert_true (bytes < 32);
    peer_t *w = rig_peer (rig, "w");
    size_t queued = alloc_live_bytes ();
    peer_consume (w, "jobs", ZF_CREDIT_MAX);
    peer_forget_letters (w);
    uint64_t leased = rig_info (rig, "jobs").leased;
    assert_true (leased > 100000);
    bytes = ((double) alloc_live_bytes () - (double) queued) / (double) leased;
    print_message ("at a worker: %.1f bytes more\n", bytes);
    assert_true (bytes < 8);
    rig_free (rig);
}

static void record_with_a_time_to_live_costs_a_note (void **state)
{
    (void) state;
    rig_t *rig = quiet_rig ();
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 1000000;
    peer_post_props (p, "jobs", "a", &props);
    size_t before = alloc_live_bytes ();
    for (int i = 0; i < 10000; i++) {
        p->low = p->posted->last + 1;
        peer_post_props (p, "jobs", "a", &props);
        peer_forget_letters (p);
    }
    double bytes = (double) (alloc_live_bytes () - before) / 10000;
    print_message ("with a time to live: %.1f bytes\n", bytes);
    assert_true (bytes < 300);
    rig_free (rig);
}

static void memory_is_given_back (void **state)
{
    (void) state;
    rig_t *rig = quiet_rig ();
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1000);
    size_t before = 0;
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 10000; i += 100) {
            post (p, "jobs", i % 200 ? 100 : 1);
            uint64_t first, count;
            while (take_batch (w, &first, &count))
                peer_settle (w, ZF_CMD_ACK, "jobs", first, count);
        }
        assert_int_equal (rig_info (rig, "jobs").length, 0);
        if (round == 1) /* by then all buffers have grown to their size */
            before = alloc_live_bytes ();
    }
    assert_int_equal (alloc_live_bytes (), before);
    rig_free (rig);
}

/* -- the cost of what happens ------------------------------------------------------------------ */

typedef struct {
    size_t allocations;
    uint32_t timers;
} cost_t;

/* Lets a batch be posted, delivered and acknowledged. */
static cost_t cost_of_a_batch (rig_t *rig, peer_t *p, peer_t *w)
{
    cost_t cost = {.allocations = alloc_count ()};
    uint64_t first, count;
    post (p, "jobs", 100);
    peer_consume (w, "jobs", 100);
    assert_true (take_batch (w, &first, &count));
    assert_int_equal (count, 100);
    cost.timers = rig->engine->timers.count;
    peer_consume (w, "jobs", 0);
    peer_settle (w, ZF_CMD_ACK, "jobs", first, count);
    cost.allocations = alloc_count () - cost.allocations;
    return cost;
}

static void cost_does_not_grow_with_what_is_queued (void **state)
{
    (void) state;
    rig_t *rig = quiet_rig ();
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 0);
    for (int i = 0; i < 10; i++)
        post (p, "jobs", 100);
    cost_of_a_batch (rig, p, w); /* buffers grow to their size */
    cost_t little = cost_of_a_batch (rig, p, w);
    for (int i = 0; i < 10000; i++)
        post (p, "jobs", 100);
    assert_true (rig_info (rig, "jobs").length >= 1000000);
    cost_t much = cost_of_a_batch (rig, p, w);
    assert_int_equal (much.allocations, little.allocations);
    assert_int_equal (much.timers, little.timers);
    assert_true (much.allocations < 20);
    rig_free (rig);
}

static void cost_does_not_grow_with_sessions_and_queues (void **state)
{
    (void) state;
    rig_t *rig = quiet_rig ();
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 0);
    for (int i = 0; i < 10; i++)
        post (p, "jobs", 100);
    cost_of_a_batch (rig, p, w);
    cost_t little = cost_of_a_batch (rig, p, w);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf (name, sizeof name, "q%d", i);
        rig_worker (rig, name, name, 10);
    }
    cost_t much = cost_of_a_batch (rig, p, w);
    assert_int_equal (much.allocations, little.allocations);
    assert_int_equal (much.timers, little.timers + 1000); /* one for each session */
    rig_free (rig);
}

static void turn_with_nothing_to_do_costs_nothing (void **state)
{
    (void) state;
    rig_t *rig = quiet_rig ();
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < 1000; i++)
        post (p, "jobs", 100);
    size_t allocations = alloc_count ();
    uint32_t turns = rig->turns;
    rig_turn (rig);
    assert_int_equal (rig->turns, turns + 1);
    assert_int_equal (alloc_count (), allocations);
    assert_true (zf_engine_deadline (rig->engine) > rig->now_ms);
    rig_free (rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (record_posted_alone_costs_little_memory),
        cmocka_unit_test (record_posted_in_a_batch_costs_little_memory),
        cmocka_unit_test (record_with_a_time_to_live_costs_a_note),
        cmocka_unit_test (memory_is_given_back),
        cmocka_unit_test (cost_does_not_grow_with_what_is_queued),
        cmocka_unit_test (cost_does_not_grow_with_sessions_and_queues),
        cmocka_unit_test (turn_with_nothing_to_do_costs_nothing),
    };
    return cmocka_run_group_tests_name ("cost", tests, NULL, NULL);
}
