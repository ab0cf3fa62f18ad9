/* What the log is written for what happens: a few bytes for a range, not an entry for a record. */
#include "tests/core/rig_log.h"

#define BODY_BYTES 100

static int setup (void **state)
{
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 1 << 30};
    *state = rig_new_logged (NULL, &log);
    return 0;
}

static uint64_t since (const rig_t *rig, uint64_t before)
{
    return rig->log->appended_bytes - before;
}

static void single_post_costs_little_beside_itself (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 1, BODY_BYTES);
    uint64_t before = rig->log->appended_bytes;
    peer_post_bulk (p, "jobs", 1, BODY_BYTES);
    print_message ("a post of %d bytes: %d bytes in the log\n", BODY_BYTES,
                   (int) since (rig, before));
    assert_true (since (rig, before) <= BODY_BYTES + 80);
}

static void batch_costs_its_bytes_and_little_else (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 1, BODY_BYTES);
    uint64_t before = rig->log->appended_bytes;
    peer_post_bulk (p, "jobs", 1000, BODY_BYTES);
    assert_true (since (rig, before) <= 1000 * (BODY_BYTES + 4) + 120);
}

/* The worker takes and acknowledges all of it. */
static void consume (peer_t *w, uint32_t credit, uint64_t records)
{
    uint64_t first = 0;
    uint64_t count = 0;
    uint64_t done = 0;
    peer_consume (w, "jobs", credit);
    while (done < records && take_batch (w, &first, &count)) {
        peer_settle (w, ZF_CMD_ACK, "jobs", first, count);
        done += count;
    }
    assert_int_equal (done, records);
}

static void taking_and_acking_costs_a_few_bytes_for_a_range (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_peer (rig, "w");
    for (int i = 0; i < 100; i++)
        p->low = peer_post_bulk (p, "jobs", 100, BODY_BYTES) + 100;
    uint64_t before = rig->log->appended_bytes;
    consume (w, 1000, 10000);
    double bytes = (double) since (rig, before) / 10;
    print_message ("1000 records taken and acknowledged: %.0f bytes in the log\n", bytes);
    assert_true (bytes < 400);
}

static void workers_that_share_a_queue_cost_a_few_bytes_for_a_range (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_peer (rig, "w");
    for (int i = 0; i < 100; i++)
        p->low = peer_post_bulk (p, "jobs", 100, BODY_BYTES) + 100;
    uint64_t before = rig->log->appended_bytes;
    consume (w, 10, 10000); /* ten at a time */
    double bytes = (double) since (rig, before) / 10000;
    print_message ("ten at a time: %.1f bytes a record\n", bytes);
    assert_true (bytes < 6);
}

static void heartbeats_and_questions_cost_nothing (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    rig_worker (rig, "w", "jobs", 10);
    uint64_t before = rig->log->appended_bytes;
    rig_advance (rig, 60000);
    peer_admin (p, "queue", "jobs", NULL);
    assert_int_equal (since (rig, before), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown (test, setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (single_post_costs_little_beside_itself),
        CASE (batch_costs_its_bytes_and_little_else),
        CASE (taking_and_acking_costs_a_few_bytes_for_a_range),
        CASE (workers_that_share_a_queue_cost_a_few_bytes_for_a_range),
        CASE (heartbeats_and_questions_cost_nothing),
    };
    return cmocka_run_group_tests_name ("cost_log", tests, NULL, NULL);
}
