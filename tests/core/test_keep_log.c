/* Requests whose answers are kept, with a log: what was said survives the broker. */
#include "tests/core/alloc.h"
#include "tests/core/kept.h"

static int setup (void **state)
{
    *state = rig_new_logged (NULL, NULL);
    return 0;
}

/* The peer, whose inbox a crash has emptied, posts the request; the log is synced by hand. */
static uint64_t submit_unsynced (peer_t *peer, const char *service, const char *id,
                                 const char *body)
{
    zf_props_t props = kept_props (id);
    return peer_post_props (peer, service, body, &props);
}

/* -- what is said when ------------------------------------------------------------------------- */

static void nothing_is_said_before_it_is_durable (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    rig->log->by_hand = true;
    uint64_t number = submit_unsynced (c, "sum", "r1", "2+2");
    uint64_t waiting = await_answer (c, "r1");
    assert_silence (c);
    assert_silence (w);
    rig_sync (rig);
    assert_confirmed (c, "sum", number, 1);
    work (w, "sum", "2+2", 1, "4");
    assert_silence (c);
    peer_t *late = rig_peer (rig, "late");
    uint64_t later = await_answer (late, "r1");
    assert_silence (late);
    rig_sync (rig);
    assert_fetched (c, waiting, "4");
    assert_fetched (late, later, "4");
    uint64_t forgetting = forget_answer (c, "r1");
    assert_silence (c);
    rig_sync (rig);
    assert_outcome (c, forgetting, 0, "");
}

static void look_at_what_is_not_durable_says_again (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    rig->log->by_hand = true;
    work (w, "sum", "2+2", 1, "4");
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_AGAIN, zf_kept_words (ZF_E_AGAIN));
    rig_sync (rig);
    assert_fetched (c, look_for_answer (c, "r1"), "4");
}

static void same_id_again_is_confirmed_with_the_first (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *other = rig_peer (rig, "other");
    rig->log->by_hand = true;
    submit_unsynced (c, "sum", "r1", "2+2");
    submit_unsynced (other, "sum", "r1", "2+2");
    assert_silence (other);
    rig_sync (rig);
    assert_confirmed (c, "sum", 1, 1);
    assert_confirmed (other, "sum", 1, 1);
    assert_int_equal (rig_info (rig, "sum").length, 1);
}

static void who_leaves_before_it_is_durable_is_told_nothing (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    rig->log->by_hand = true;
    await_answer (c, "r1");
    work (w, "sum", "2+2", 1, "4");
    peer_drop (c);
    rig_sync (rig);
    peer_reconnect (c);
    peer_forget_letters (c);
    assert_fetched (c, await_answer (c, "r1"), "4");
}

static void answer_forgotten_before_it_is_durable_is_not_told (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    rig->log->by_hand = true;
    uint64_t waiting = await_answer (c, "r1");
    work (w, "sum", "2+2", 1, "4");
    uint64_t forgetting = forget_answer (c, "r1");
    assert_outcome (c, waiting, ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    rig_sync (rig);
    assert_outcome (c, forgetting, 0, "");
    assert_silence (c);
}

/* -- restart ----------------------------------------------------------------------------------- */

static void answer_survives (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    work (w, "sum", "2+2", 1, "4");
    for (int i = 0; i < 3; i++) {
        rig_crash (rig);
        assert_fetched (c, look_for_answer (c, "r1"), "4");
        assert_silence (w);
    }
    submit (rig_peer (rig, "other"), "sum", "r1", "again");
    assert_int_equal (rig_info (rig, "sum").length, 0);
    assert_outcome (c, forget_answer (c, "r1"), 0, "");
    rig_crash (rig);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
}

static void request_survives_and_its_answer_is_kept (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "2+2");
    rig_crash (rig);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_AGAIN, zf_kept_words (ZF_E_AGAIN));
    uint64_t number = await_answer (c, "r1");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    work (w, "sum", "2+2", 1, "4");
    assert_fetched (c, number, "4");
}

static void request_at_a_worker_is_delivered_again (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    assert_delivered (w, "sum", "2+2", 1);
    rig_crash (rig);
    uint64_t number = await_answer (c, "r1");
    peer_consume (w, "sum", 1);
    work (w, "sum", "2+2", 2, "4");
    assert_fetched (c, number, "4");
}

static void answer_that_was_not_durable_is_given_again (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    rig->log->by_hand = true;
    await_answer (c, "r1");
    work (w, "sum", "2+2", 1, "4");
    assert_silence (c);
    rig_crash (rig);
    rig->log->by_hand = false;
    uint64_t number = await_answer (c, "r1");
    peer_consume (w, "sum", 1);
    work (w, "sum", "2+2", 2, "four");
    assert_fetched (c, number, "four");
}

static void forgetting_that_was_not_durable_is_undone (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    work (w, "sum", "2+2", 1, "4");
    rig->log->by_hand = true;
    forget_answer (c, "r1");
    assert_silence (c);
    rig_crash (rig);
    assert_fetched (c, look_for_answer (c, "r1"), "4");
}

static void outcome_and_dead_letter_survive (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *boss = rig_peer (rig, "boss");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    assert_delivered (w, "sum", "a", 1);
    peer_reject (w, "sum", "a", "not today");
    rig_crash (rig);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_REJECTED, "not today");
    peer_admin (boss, "requeue", "sum", NULL);
    take_result (boss, 0, NULL);
    rig_crash (rig);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_AGAIN, zf_kept_words (ZF_E_AGAIN));
    peer_consume (w, "sum", 1);
    work (w, "sum", "a", 1, "today");
    rig_crash (rig);
    assert_fetched (c, look_for_answer (c, "r1"), "today");
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 1);
}

static void answer_is_as_old_as_it_was (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    work (w, "sum", "2+2", 1, "4");
    rig_advance (rig, ZF_REPLIES_TTL / 2);
    rig_crash (rig);
    rig_advance (rig, ZF_REPLIES_TTL / 2 - 60000);
    assert_fetched (c, look_for_answer (c, "r1"), "4");
    rig_advance (rig, 2 * 3600 * 1000);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    rig_crash (rig);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
}

/* Answers and requests that are carried to the log's end as its beginning is trimmed. */
static void carried_answers_and_requests_survive (void **state)
{
    (void) state;
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 4096};
    rig_t *rig = rig_new_logged (NULL, &log);
    peer_t *c = rig_peer (rig, "c");
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    work (w, "sum", "a", 1, "x");
    submit (c, "sum", "r2", "b");
    assert_delivered (w, "sum", "b", 1);
    peer_reject (w, "sum", "b", "no");
    peer_bye (w);
    submit (c, "sum", "r3", "c");
    peer_t *eater = rig_worker (rig, "eater", "bulk", 1000);
    rig->audits = false;
    for (int i = 0; i < 500; i++) {
        uint64_t first;
        uint64_t count;
        peer_post_bulk (p, "bulk", 10, 1000);
        peer_forget_letters (p);
        while (take_batch (eater, &first, &count))
            peer_settle (eater, ZF_CMD_ACK, "bulk", first, count);
    }
    rig->audits = true;
    assert_true (rig->log->shelf[0].lsn > 20);
    assert_true (rig->engine->store.carried > 0);
    rig_crash (rig);
    assert_fetched (c, look_for_answer (c, "r1"), "x");
    assert_outcome (c, look_for_answer (c, "r2"), ZF_E_REJECTED, "no");
    peer_t *next = rig_worker (rig, "next", "sum", 1);
    work (next, "sum", "c", 1, "y");
    assert_fetched (c, look_for_answer (c, "r3"), "y");
    assert_int_equal (kept_count (rig), 3);
    rig_free (rig);
}

/* -- on disk only ------------------------------------------------------------------------------ */

#define LARGE      60
#define LARGE_SIZE 65536

/* Words of 64 KiB, each beginning with its number. */
static const char *large (int i)
{
    static char text[LARGE_SIZE + 1];
    memset (text, 'x', LARGE_SIZE);
    memcpy (text, (char[]){'r', (char) ('0' + i / 10), (char) ('0' + i % 10)}, 3);
    return text;
}

static const char *large_id (int i)
{
    static char id[4];
    memcpy (id, large (i), 3);
    return id;
}

/* The start of it, by which the rig knows what a peer holds. */
static const char *large_head (int i)
{
    static char head[64];
    memcpy (head, large (i), sizeof head - 1);
    return head;
}

static rig_t *rig_with_little_memory (void)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1u << 20;
    return rig_new_logged (&options, NULL);
}

/* Looks until the answer is back in memory. */
static size_t fetch_large (rig_t *rig, peer_t *c, int i, int *times)
{
    for (;; (*times)++) {
        zf_bytes_t text;
        uint64_t number = look_for_answer (c, large_id (i));
        assert_int_equal (result_head (c, &text), number);
        if (text.size == 0)
            return take_fetched (c, number).body.size;
        assert_outcome (c, number, ZF_E_AGAIN, zf_kept_words (ZF_E_AGAIN));
        rig_turn (rig);
        rig_load (rig);
    }
}

static void answers_on_disk_only_come_back (void **state)
{
    (void) state;
    rig_t *rig = rig_with_little_memory ();
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    for (int i = 0; i < LARGE; i++) {
        submit (c, "sum", large_id (i), large_id (i));
        work (w, "sum", large_id (i), 1, large (i));
    }
    assert_true (rig->engine->store.resident_bytes < 2u << 20);
    for (int round = 0; round < 2; round++) {
        int times = 0;
        for (int i = 0; i < LARGE; i++)
            assert_int_equal (fetch_large (rig, c, i, &times), LARGE_SIZE);
        assert_true (times > 0);
        rig_crash (rig);
    }
    for (int i = 0; i < LARGE; i++)
        assert_outcome (c, forget_answer (c, large_id (i)), 0, "");
    assert_int_equal (kept_count (rig), 0);
    rig_free (rig);
}

/* What a worker does to records that are not in memory any more, though it has them. */
static void requests_on_disk_only_are_answered (void **state)
{
    (void) state;
    rig_t *rig = rig_with_little_memory ();
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", LARGE);
    int times = 0;
    for (int i = 0; i < LARGE; i++) {
        submit (c, "sum", large_id (i), large (i));
        assert_delivered (w, "sum", large (i), 1);
    }
    assert_true (rig->engine->store.spilled > 0);
    for (int i = 0; i < LARGE; i++) {
        if (i % 2 == 0)
            peer_answer (w, "sum", large_head (i), "y", false);
        else
            peer_ack (w, "sum", large_head (i));
        assert_int_equal (fetch_large (rig, c, i, &times), i % 2 == 0);
    }
    assert_int_equal (rig_info (rig, "sum").length, 0);
    rig_crash (rig);
    assert_int_equal (fetch_large (rig, c, 0, &times), 1);
    assert_int_equal (kept_count (rig), LARGE);
    rig_free (rig);
}

/* -- trouble ----------------------------------------------------------------------------------- */

static void answer_without_room_on_the_disk_is_said_to_be_so (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    rig->log->room = 4u << 20; /* kept free for what is here to be settled */
    rig_turn (rig);
    work (w, "sum", "a", 1, large (0));
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_REJECTED, "no room to keep the answer");
    assert_int_equal (rig_info (rig, "sum").length, 0);
}

static void waiting_for_a_journal_that_fails_ends (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 2);
    submit (c, "sum", "r1", "a");
    work (w, "sum", "a", 1, "x");
    submit (c, "sum", "r2", "b");
    submit (c, "sum", "r3", "c");
    rig->log->by_hand = true;
    uint64_t second = await_answer (c, "r2");
    uint64_t third = await_answer (c, "r3");
    work (w, "sum", "b", 1, "y");
    assert_silence (c);
    rig_fail_log (rig);
    assert_outcome (c, second, ZF_E_IO, zf_strerror (ZF_E_IO));
    work (w, "sum", "c", 1, "z");
    assert_outcome (c, third, ZF_E_IO, zf_strerror (ZF_E_IO));
    assert_outcome (c, await_answer (c, "r3"), ZF_E_IO, zf_strerror (ZF_E_IO));
    assert_outcome (c, look_for_answer (c, "r3"), ZF_E_IO, zf_strerror (ZF_E_IO));
    assert_outcome (c, forget_answer (c, "r1"), ZF_E_IO, zf_strerror (ZF_E_IO));
}

static void answer_that_was_durable_is_told_when_the_journal_has_failed (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    work (w, "sum", "a", 1, "x");
    rig->log->by_hand = true;
    rig_fail_log (rig);
    assert_fetched (c, await_answer (c, "r1"), "x");
}

static void answers_declared_volatile_do_not_wait_for_the_disk (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, ZF_REPLIES, &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    rig->log->by_hand = true;
    work (w, "sum", "a", 1, "x");
    assert_fetched (c, look_for_answer (c, "r1"), "x");
    rig_sync (rig);
    rig_crash (rig);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
}

static void answers_declared_volatile_are_told_when_the_journal_has_failed (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    rig_declare (rig, ZF_REPLIES, &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    uint64_t number = await_answer (c, "r1");
    rig->log->by_hand = true;
    rig_fail_log (rig);
    work (w, "sum", "a", 1, "x");
    assert_fetched (c, number, "x");
}

/* Each allocation of an answer and a fetch fails once: then the lease runs out, and the request is
 * answered again; the log tells the same as the memory. */
static void each_allocation_may_fail (void **state)
{
    (void) state;
    bool failed = true;
    size_t n = 0;
    while (failed) {
        rig_t *rig = rig_new_logged (NULL, NULL);
        peer_t *c = rig_peer (rig, "c");
        peer_t *w = rig_worker (rig, "w", "sum", 1);
        submit (c, "sum", "r1", "a");
        assert_delivered (w, "sum", "a", 1);
        await_answer (c, "r1");
        alloc_fail (++n, 1);
        peer_answer (w, "sum", "a", "x", false);
        failed = alloc_failures () > 0;
        alloc_fail (0, 0);
        bool kept = rig_info (rig, "sum").length == 0;
        if (kept && !rig->engine->store.failed)
            rig_crash (rig);
        if (!kept) {
            peer_crash (w);
            rig_advance (rig, 31000);
            work (rig_worker (rig, "w2", "sum", 1), "sum", "a", 2, "x");
        }
        peer_t *late = rig_peer (rig, "late");
        if (!rig->engine->store.failed)
            assert_fetched (late, await_answer (late, "r1"), "x");
        rig_free (rig);
    }
    assert_true (n > 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (nothing_is_said_before_it_is_durable),
        TEST (look_at_what_is_not_durable_says_again),
        TEST (same_id_again_is_confirmed_with_the_first),
        TEST (who_leaves_before_it_is_durable_is_told_nothing),
        TEST (answer_forgotten_before_it_is_durable_is_not_told),
        TEST (answer_survives),
        TEST (request_survives_and_its_answer_is_kept),
        TEST (request_at_a_worker_is_delivered_again),
        TEST (answer_that_was_not_durable_is_given_again),
        TEST (forgetting_that_was_not_durable_is_undone),
        TEST (outcome_and_dead_letter_survive),
        TEST (answer_is_as_old_as_it_was),
        cmocka_unit_test (carried_answers_and_requests_survive),
        cmocka_unit_test (answers_on_disk_only_come_back),
        cmocka_unit_test (requests_on_disk_only_are_answered),
        TEST (answer_without_room_on_the_disk_is_said_to_be_so),
        TEST (waiting_for_a_journal_that_fails_ends),
        TEST (answer_that_was_durable_is_told_when_the_journal_has_failed),
        TEST (answers_declared_volatile_do_not_wait_for_the_disk),
        TEST (answers_declared_volatile_are_told_when_the_journal_has_failed),
        cmocka_unit_test (each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name ("keep_log", tests, NULL, NULL);
}
