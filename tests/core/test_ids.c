/* Record ids: a link numbers records by them, so none may ever come again in what it takes for the
 * same queue. */
#include "tests/core/rig_log.h"

static uint64_t next_id (const rig_t *rig, const char *queue)
{
    const zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    assert_non_null (found);
    return found->lanes[0].log.next;
}

/* Takes what was posted and acknowledges it, and goes, so that the queue can make room. */
static void consume (rig_t *rig, const char *queue, const char *bodies, const char *worker)
{
    peer_t *w = rig_worker (rig, worker, queue, 100);
    assert_delivered (w, queue, bodies, 1);
    peer_ack (w, queue, bodies);
    peer_bye (w);
}

static void evict (rig_t *rig, const char *queue)
{
    zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    assert_non_null (found);
    assert_int_equal (found->length, 0);
    zf_engine_forget_queue (found);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of (queue)));
}

static void queue_made_again_goes_on_with_its_ids (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    consume (rig, "jobs", "a b c", "w1");
    uint64_t next = next_id (rig, "jobs");
    evict (rig, "jobs");
    peer_post (rig_peer (rig, "q"), "jobs", "d");
    assert_true (next_id (rig, "jobs") > next);
}

static void queue_forgotten_in_an_earlier_run_goes_on_with_its_ids (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a b c");
    consume (rig, "jobs", "a b c", "w1");
    uint64_t next = next_id (rig, "jobs");
    evict (rig, "jobs");
    peer_post (p, "others", "x"); /* so that something is written */
    rig_crash (rig);
    peer_post (rig_peer (rig, "q"), "jobs", "d");
    assert_true (next_id (rig, "jobs") > next);
}

static void queue_in_memory_beside_a_journal_begins_behind_earlier_runs (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, "jobs", &policy);
    peer_post (rig_peer (rig, "p"), "jobs", "a b c");
    uint64_t next = next_id (rig, "jobs");
    rig_crash (rig);
    rig_advance (rig, 1);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("jobs")));
    rig_declare (rig, "jobs", &policy);
    assert_true (next_id (rig, "jobs") > next);
}

static int setup (void **state)
{
    *state = rig_new_logged (NULL, NULL);
    return 0;
}

static int teardown (void **state)
{
    rig_free (*state);
    return 0;
}

#define LOGGED(test) cmocka_unit_test_setup_teardown (test, setup, teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        LOGGED (queue_made_again_goes_on_with_its_ids),
        LOGGED (queue_forgotten_in_an_earlier_run_goes_on_with_its_ids),
        LOGGED (queue_in_memory_beside_a_journal_begins_behind_earlier_runs),
    };
    return cmocka_run_group_tests_name ("ids", tests, NULL, NULL);
}
