/* Records that are on disk only: memory stays under its cap, and nothing else is different. */
#include "tests/core/rig_log.h"

#include <utlist.h>

#define MEMORY_BYTES (1u << 20) /* less there never is */
#define BODY_BYTES   1000
#define BATCH        100
#define BATCHES      40 /* four times what may be in memory */
#define RECORDS      (BATCHES * BATCH)

static rig_t *spilling_rig (void)
{
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 64 << 20};
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = MEMORY_BYTES;
    return rig_new_logged (&options, &log);
}

static int spilling_setup (void **state)
{
    *state = spilling_rig ();
    return 0;
}

#define SPILLING(test) cmocka_unit_test_setup_teardown (test, spilling_setup, rig_teardown)

static const zf_store_t *store_of (const rig_t *rig)
{
    return &rig->engine->store;
}

/* A backlog that does not fit into memory. */
static void post_backlog (rig_t *rig, const char *queue)
{
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < BATCHES; i++) {
        p->low = peer_post_bulk (p, queue, BATCH, BODY_BYTES) + BATCH;
        assert_true (store_of (rig)->resident_bytes <= MEMORY_BYTES);
    }
    peer_forget_letters (p);
    assert_true (rig_info (rig, queue).on_disk > MEMORY_BYTES);
}

/* The batch of a delivery; the records must be those posted as number `number` on. */
static uint32_t check_batch (const letter_t *letter, uint64_t number)
{
    zf_batch_t batch;
    assert_int_equal (letter->command, ZF_CMD_DELIVER);
    assert_int_equal (zf_batch_decode (letter->body, &batch), 0);
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        assert_int_equal (record.body.size, BODY_BYTES);
        assert_int_equal (zf_load_u64le (record.body.data), number + i);
    }
    return batch.count;
}

/* Takes all deliveries from the inbox, which must go on at *number, and acknowledges them. */
static void work_off (peer_t *w, const char *queue, uint64_t *number)
{
    while (w->inbox != NULL) {
        uint64_t first = 0;
        uint64_t count = 0;
        *number += check_batch (w->inbox, *number);
        take_batch (w, &first, &count);
        peer_settle (w, ZF_CMD_ACK, queue, first, count);
        assert_true (store_of (w->rig)->resident_bytes <= 2 * MEMORY_BYTES + (8u << 20));
    }
}

/* Lets the worker have a delivery and forgets it: returns what it is. */
static uint64_t hold_one (peer_t *w, const char *queue, uint32_t credit)
{
    uint64_t first = 0;
    uint64_t count = 0;
    peer_consume (w, queue, credit);
    assert_true (take_batch (w, &first, &count));
    assert_int_equal (count, credit);
    return first;
}

/* The chunk that has the record. */
static zf_chunk_t *chunk_of (rig_t *rig, const char *queue, uint64_t id)
{
    zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    zf_place_t place;
    assert_non_null (found);
    assert_true (zf_log_find (&found->lanes[0].log, &id, &place));
    return place.chunk;
}

/* Makes it go to the disk, by others that want the memory. */
static void push_out (rig_t *rig, const char *queue, uint64_t id)
{
    peer_t *p = rig_peer (rig, "pusher");
    zf_chunk_t *chunk = chunk_of (rig, queue, id);
    zf_store_t *store = &rig->engine->store;
    for (int i = 0; chunk->data != NULL; i++) {
        assert_in_range (i, 0, 1000);
        if (chunk != store->resident[0]->resident_prev) { /* wanted last */
            DL_DELETE2 (store->resident[0], chunk, resident_prev, resident_next);
            DL_APPEND2 (store->resident[0], chunk, resident_prev, resident_next);
        }
        p->low = peer_post_bulk (p, "others", BATCH, BODY_BYTES) + BATCH;
    }
}

/* -- a backlog --------------------------------------------------------------------------------- */

static void backlog_comes_back_in_order (void **state)
{
    rig_t *rig = *state;
    uint64_t number = 1;
    post_backlog (rig, "jobs");
    peer_t *w = rig_worker (rig, "w", "jobs", 250);
    work_off (w, "jobs", &number);
    assert_int_equal (number, RECORDS + 1);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_true (store_of (rig)->loaded >= BATCHES / 2);
    assert_int_equal (store_of (rig)->index_bytes, 0);
}

static void backlog_of_single_posts_is_put_away_too (void **state)
{
    rig_t *rig = *state;
    uint64_t number = 1;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < RECORDS; i++)
        p->low = peer_post_bulk (p, "jobs", 1, BODY_BYTES) + 1;
    assert_true (store_of (rig)->resident_bytes <= MEMORY_BYTES + 2 * ZF_CHUNK_BYTES);
    peer_t *w = rig_worker (rig, "w", "jobs", 99);
    work_off (w, "jobs", &number);
    assert_int_equal (number, RECORDS + 1);
}

static void backlog_is_there_after_a_crash (void **state)
{
    rig_t *rig = *state;
    uint64_t number = 1;
    post_backlog (rig, "jobs");
    rig_crash (rig);
    assert_true (store_of (rig)->resident_bytes <= MEMORY_BYTES + BATCH * (BODY_BYTES + 4));
    assert_true (rig_info (rig, "jobs").on_disk > MEMORY_BYTES);
    peer_t *w = rig_worker (rig, "w", "jobs", 250);
    work_off (w, "jobs", &number);
    assert_int_equal (number, RECORDS + 1);
}

static void records_that_are_not_durable_stay_in_memory (void **state)
{
    rig_t *rig = *state;
    rig->log->by_hand = true;
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < BATCHES; i++)
        peer_post_bulk (p, "jobs", BATCH, BODY_BYTES);
    assert_int_equal (rig_info (rig, "jobs").on_disk, 0);
    rig_sync (rig);
    assert_true (rig_info (rig, "jobs").on_disk > MEMORY_BYTES);
}

static void queue_that_is_not_durable_has_the_memory_first (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.durable = ZF_DURABLE_NO;
    policy.overflow = ZF_OVERFLOW_REJECT;
    rig_declare (rig, "memory", &policy);
    post_backlog (rig, "jobs");
    peer_t *p = rig_peer (rig, "q");
    uint64_t first = peer_post_bulk (p, "memory", 2000, BODY_BYTES);
    uint64_t taken = rig_info (rig, "memory").length;
    assert_in_range (taken, 500, 1100); /* what the cap says, and no more */
    assert_confirmed (p, "memory", first, taken);
    assert_refused (p, "memory", first + taken, 2000 - taken, ZF_E_FULL);
    assert_int_equal (rig_info (rig, "jobs").length, RECORDS);
}

/* -- reads that fail --------------------------------------------------------------------------- */

static void read_that_fails_is_told_and_tried_again (void **state)
{
    rig_t *rig = *state;
    uint64_t number = 1;
    post_backlog (rig, "jobs");
    rig_crash (rig); /* nothing of it is wanted first */
    push_out (rig, "jobs", 0);
    rig->log->read_code = ZF_E_IO;
    peer_t *w = rig_worker (rig, "w", "jobs", BATCH);
    assert_silence (w);
    assert_non_null (strstr (rig->notices, "jobs: 100 records can't be read back"));
    uint32_t reads = rig->log->reads;
    rig_advance (rig, 999);
    assert_int_equal (rig->log->reads, reads); /* not over and over */
    rig_advance (rig, 1);
    assert_true (rig->log->reads > reads);
    assert_silence (w);
    rig->log->read_code = 0;
    rig_advance (rig, 1000);
    work_off (w, "jobs", &number);
    assert_int_equal (number, RECORDS + 1);
}

static void record_that_comes_back_changed_is_told_and_not_delivered (void **state)
{
    rig_t *rig = *state;
    uint64_t number = 1;
    post_backlog (rig, "jobs");
    push_out (rig, "jobs", 0);
    rig->log->rots = true;
    peer_t *w = rig_worker (rig, "w", "jobs", BATCH);
    assert_silence (w);
    assert_non_null (strstr (rig->notices, "can't be read back"));
    assert_non_null (strstr (rig->notices, zf_strerror (ZF_E_CORRUPT)));
    rig->log->rots = false;
    rig_advance (rig, 1000);
    work_off (w, "jobs", &number);
    assert_int_equal (number, RECORDS + 1);
}

static void other_queues_go_on_while_one_is_read (void **state)
{
    rig_t *rig = *state;
    post_backlog (rig, "jobs");
    push_out (rig, "jobs", 0);
    rig->log->by_hand = true; /* the disk is slow */
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_t *v = rig_worker (rig, "v", "mail", 1);
    peer_t *p = rig_peer (rig, "q");
    assert_silence (w);
    uint64_t n = peer_request (p, "mail", "x");
    assert_delivered (v, "mail", "x", 1);
    peer_answer (v, "mail", "x", "y", false);
    assert_answered (p, n, "y", false);
    assert_silence (w);
    rig_load (rig);
    assert_non_null (w->inbox);
}

static void record_that_goes_while_it_is_read_is_gone (void **state)
{
    rig_t *rig = *state;
    post_backlog (rig, "jobs");
    push_out (rig, "jobs", 0);
    rig->log->by_hand = true;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_true (store_of (rig)->loads_busy > 0);
    peer_admin (w, "purge", "jobs", NULL);
    rig_sync (rig);
    take_result (w, 0, NULL);
    assert_silence (w);
    assert_int_equal (store_of (rig)->loads_busy, 0);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

/* -- what is done to records that are on disk only --------------------------------------------- */

static void record_at_a_worker_is_acked_on_disk (void **state)
{
    rig_t *rig = *state;
    uint64_t number = BATCH + 1;
    post_backlog (rig, "jobs");
    peer_t *w = rig_peer (rig, "w");
    uint64_t first = hold_one (w, "jobs", BATCH);
    push_out (rig, "jobs", first);
    uint32_t reads = rig->log->reads;
    peer_consume (w, "jobs", 0);
    peer_settle (w, ZF_CMD_ACK, "jobs", first, BATCH);
    assert_int_equal (rig->log->reads, reads); /* its bytes are not wanted for that */
    assert_int_equal (rig_info (rig, "jobs").length, RECORDS - BATCH);
    peer_consume (w, "jobs", BATCH);
    work_off (w, "jobs", &number);
    assert_int_equal (number, RECORDS + 1);
}

static void record_at_a_worker_that_dies_is_read_back (void **state)
{
    rig_t *rig = *state;
    post_backlog (rig, "jobs");
    peer_t *w = rig_peer (rig, "w");
    uint64_t first = hold_one (w, "jobs", BATCH);
    push_out (rig, "jobs", first);
    peer_drop (w);
    peer_t *v = rig_worker (rig, "v", "jobs", BATCH);
    assert_int_equal (check_batch (v->inbox, 1), BATCH);
}

/* The word in the dead letter of record id. */
static void assert_death (rig_t *rig, const char *queue, const char *reason)
{
    zf_queue_t *dead = zf_engine_find (rig->engine, zf_bytes_of (queue));
    zf_sight_t sight;
    zf_props_view_t props;
    assert_non_null (dead);
    assert_true (zf_queue_peek (dead, 0, &sight) && sight.here);
    assert_int_equal (zf_props_decode (sight.record.props, sight.record.body.size, &props), 0);
    assert_true (zf_bytes_equal (props.death.reason, zf_bytes_of (reason)));
}

static void record_on_disk_that_is_rejected_is_dead_with_its_reason (void **state)
{
    rig_t *rig = *state;
    post_backlog (rig, "jobs");
    peer_t *w = rig_peer (rig, "w");
    uint64_t first = hold_one (w, "jobs", BATCH);
    push_out (rig, "jobs", first);
    peer_consume (w, "jobs", 0);
    zf_writer_t control = wire_control (ZF_CMD_REJECT, 4);
    wire_put_text (&control, "jobs");
    wire_put_text (&control, "torn");
    zf_mp_put_uint (&control, first + 1);
    zf_mp_put_uint (&control, 3);
    peer_write (w, &control, NULL);
    rig_advance (rig, 100);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 3);
    assert_int_equal (rig_info (rig, "jobs").length, RECORDS - 3);
    assert_death (rig, "jobs.dead", "torn");
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 3);
    assert_death (rig, "jobs.dead", "torn");
}

static void record_on_disk_after_its_last_attempt_is_dead (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 1;
    rig_declare (rig, "jobs", &policy);
    post_backlog (rig, "jobs");
    peer_t *w = rig_peer (rig, "w");
    uint64_t first = hold_one (w, "jobs", BATCH);
    push_out (rig, "jobs", first);
    peer_drop (w);
    peer_t *v = rig_worker (rig, "v", "jobs", BATCH);
    assert_int_equal (check_batch (v->inbox, BATCH + 1), BATCH);
    rig_advance (rig, 100);
    assert_int_equal (rig_info (rig, "jobs.dead").length, BATCH);
    assert_death (rig, "jobs.dead", "attempts");
}

static void records_on_disk_expire (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10000;
    rig_declare (rig, "jobs", &policy);
    post_backlog (rig, "jobs");
    rig_advance (rig, 9999);
    assert_int_equal (rig_info (rig, "jobs").length, RECORDS);
    rig_advance (rig, 5000);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").expired, RECORDS);
    assert_true (rig_info (rig, "jobs.dead").length > 0);
    assert_death (rig, "jobs.dead", "expired");
}

static void records_on_disk_are_purged_without_being_read (void **state)
{
    rig_t *rig = *state;
    post_backlog (rig, "jobs");
    uint32_t reads = rig->log->reads;
    peer_t *boss = rig_peer (rig, "boss");
    peer_admin (boss, "purge", "jobs", NULL);
    zf_reader_t r = take_result (boss, 0, NULL);
    assert_int_equal (zf_mp_uint (&r), RECORDS);
    assert_int_equal (rig->log->reads, reads);
    rig_crash (rig);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void oldest_on_disk_make_room_for_others (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = RECORDS;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    rig_declare (rig, "jobs", &policy);
    post_backlog (rig, "jobs");
    push_out (rig, "jobs", 0);
    peer_t *p = rig_peer (rig, "q");
    peer_post_bulk (p, "jobs", 150, BODY_BYTES);
    assert_confirmed (p, "jobs", 1, 150);
    assert_int_equal (rig_info (rig, "jobs").dropped, 150);
    peer_t *w = rig_worker (rig, "w", "jobs", 50);
    assert_int_equal (check_batch (w->inbox, 151), 50);
}

/* Asks to see records from id on; again, if they have to be read first. */
static uint32_t peek (rig_t *rig, peer_t *p, uint64_t id, uint32_t max)
{
    zf_bytes_t body;
    uint64_t code = 1;
    for (int i = 0; code != 0; i++) {
        assert_in_range (i, 0, 3);
        zf_writer_t w = {0};
        zf_mp_put_array (&w, 2);
        zf_mp_put_uint (&w, id);
        zf_mp_put_uint (&w, max);
        peer_admin (p, "peek", "jobs", &w);
        zf_reader_t r = zf_reader (p->inbox->control);
        zf_mp_array (&r);
        zf_mp_uint (&r);
        zf_mp_uint (&r);
        code = zf_mp_uint (&r);
        assert_true (code == 0 || code == (uint64_t) -ZF_E_AGAIN);
        body = p->inbox->body;
        if (code != 0)
            peer_forget_letters (p);
        rig_turn (rig);
    }
    zf_batch_t batch;
    assert_int_equal (zf_batch_decode (body, &batch), 0);
    uint32_t count = batch.count;
    peer_forget_letters (p);
    return count;
}

static void records_on_disk_can_be_looked_at (void **state)
{
    rig_t *rig = *state;
    post_backlog (rig, "jobs");
    push_out (rig, "jobs", 1000);
    peer_t *boss = rig_peer (rig, "boss");
    assert_int_equal (peek (rig, boss, 1000, 10), 10);
}

static void records_on_disk_are_carried (void **state)
{
    (void) state;
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 1 << 20};
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = MEMORY_BYTES;
    rig_t *rig = rig_new_logged (&options, &log);
    uint64_t number = 1;
    post_backlog (rig, "jobs");
    push_out (rig, "jobs", 0);
    peer_t *w = rig_worker (rig, "w", "passing", 1000);
    peer_t *p = rig_peer (rig, "q");
    for (int i = 0; i < 300; i++) {
        uint64_t first, count;
        p->low = peer_post_bulk (p, "passing", BATCH, BODY_BYTES) + BATCH;
        while (take_batch (w, &first, &count))
            peer_settle (w, ZF_CMD_ACK, "passing", first, count);
        peer_forget_letters (p);
    }
    assert_true (store_of (rig)->carried > 0);
    zf_wal_stats_t stats;
    rig->log->wal->stats (rig->log->wal, &stats);
    assert_true (stats.disk_bytes < 2 * RECORDS * (BODY_BYTES + 4) + (8u << 20));
    rig_crash (rig);
    peer_t *v = rig_worker (rig, "v", "jobs", 250);
    work_off (v, "jobs", &number);
    assert_int_equal (number, RECORDS + 1);
    rig_free (rig);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        SPILLING (backlog_comes_back_in_order),
        SPILLING (backlog_of_single_posts_is_put_away_too),
        SPILLING (backlog_is_there_after_a_crash),
        SPILLING (records_that_are_not_durable_stay_in_memory),
        SPILLING (queue_that_is_not_durable_has_the_memory_first),
        SPILLING (read_that_fails_is_told_and_tried_again),
        SPILLING (record_that_comes_back_changed_is_told_and_not_delivered),
        SPILLING (other_queues_go_on_while_one_is_read),
        SPILLING (record_that_goes_while_it_is_read_is_gone),
        SPILLING (record_at_a_worker_is_acked_on_disk),
        SPILLING (record_at_a_worker_that_dies_is_read_back),
        SPILLING (record_on_disk_that_is_rejected_is_dead_with_its_reason),
        SPILLING (record_on_disk_after_its_last_attempt_is_dead),
        SPILLING (records_on_disk_expire),
        SPILLING (records_on_disk_are_purged_without_being_read),
        SPILLING (oldest_on_disk_make_room_for_others),
        SPILLING (records_on_disk_can_be_looked_at),
        cmocka_unit_test (records_on_disk_are_carried),
    };
    return cmocka_run_group_tests_name ("spill", tests, NULL, NULL);
}
