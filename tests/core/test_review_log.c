/* What reviews found of the engine's log and memory when there is much: one case for each bug,
 * which failed before its fix. */
#include "tests/core/rig_log.h"

#include <time.h>
#include <utlist.h>

#define MIB     (UINT64_C (1) << 20)
#define BATCH   1000
#define BODY    1000
#define HOUR_MS UINT64_C (3600000)

/* Of the entries since it was set to 0. */
static size_t largest_entry;

static void measure (rig_t *rig)
{
    const struct rig_log *log = rig->log;
    size_t size = log->shelf[log->count - 1].size;
    largest_entry = size > largest_entry ? size : largest_entry;
}

static rig_t *rig_with (uint64_t memory_bytes, uint64_t slack_bytes)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = memory_bytes;
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = slack_bytes};
    rig_t *rig = rig_new_logged (&options, &log);
    rig->audits = false; /* there is too much of everything */
    rig->log->on_entry = measure;
    largest_entry = 0;
    return rig;
}

static int setup (void **state)
{
    *state = rig_with (256 * MIB, MIB);
    return 0;
}

/* Large batches of a thousand records of a thousand bytes. */
static void post_large (peer_t *p, const char *queue, uint32_t batches)
{
    for (uint32_t i = 0; i < batches; i++) {
        p->low = peer_post_bulk (p, queue, BATCH, BODY) + BATCH;
        peer_forget_letters (p);
    }
}

/* n records of a thousand bytes with these properties. */
static void post_small (peer_t *p, const char *queue, uint32_t n, const zf_props_t *props)
{
    static char body[BODY + 1];
    memset (body, 'x', BODY);
    for (uint32_t i = 0; i < n; i++) {
        p->low = peer_post_props (p, queue, body, props) + 1;
        peer_forget_letters (p);
    }
}

static zf_store_t *store_of (const rig_t *rig)
{
    return &rig->engine->store;
}

/* -- 6: how large an entry gets ---------------------------------------------------------------- */

#define MANY    30000
#define ENTRIES (10 * MIB) /* what an entry may have at most */

static void records_that_expire_together_are_buried_in_several_turns (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 1000;
    rig_declare (rig, "jobs", &policy);
    post_large (rig_peer (rig, "p"), "jobs", MANY / BATCH);
    rig_advance (rig, 2000);
    assert_int_equal (rig_info (rig, "jobs").expired, MANY);
    assert_int_equal (rig_info (rig, "jobs.dead").length, MANY);
    assert_true (largest_entry < ENTRIES);
}

static void records_whose_own_time_is_over_are_buried_in_several_turns (void **state)
{
    rig_t *rig = *state;
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = HOUR_MS;
    post_small (rig_peer (rig, "p"), "jobs", MANY, &props);
    rig_advance (rig, HOUR_MS);
    assert_int_equal (rig_info (rig, "jobs").expired, MANY);
    assert_int_equal (rig_info (rig, "jobs.dead").length, MANY);
    assert_true (largest_entry < ENTRIES);
}

/* -- 7: memory, at a restart too --------------------------------------------------------------- */

/* The most that is in memory while the log is read. */
static uint64_t memory_of_replay (const rig_t *rig)
{
    zf_engine_t *engine = zf_engine_new (&rig->log->options);
    uint64_t most = 0;
    zf_error_t err;
    assert_non_null (engine);
    zf_engine_log_open (engine, &rig->log->log);
    for (size_t i = 0; i < rig->log->count; i++) {
        const shelved_t *entry = &rig->log->shelf[i];
        zf_bytes_t bytes = zf_bytes (entry->data, entry->size);
        assert_int_equal (zf_engine_replay (engine, entry->lsn, bytes, &err), 0);
        most = engine->store.resident_bytes > most ? engine->store.resident_bytes : most;
    }
    zf_engine_free (&engine);
    return most;
}

static void backlog_of_small_posts_is_not_read_into_memory (void **state)
{
    (void) state;
    rig_t *rig = rig_with (4 * MIB, MIB);
    zf_props_t props;
    zf_props_defaults (&props);
    props.key = zf_bytes_of ("k");
    post_small (rig_peer (rig, "p"), "jobs", 20000, &props);
    assert_true (store_of (rig)->resident_bytes < 6 * MIB);
    assert_true (memory_of_replay (rig) < 9 * MIB);
    uint64_t before = rig->log->appended_bytes;
    rig_crash (rig);
    rig_advance (rig, 1000);
    assert_int_equal (rig_info (rig, "jobs").length, 20000);
    assert_true (store_of (rig)->resident_bytes < 6 * MIB);
    assert_true (rig->log->appended_bytes - before < 6 * MIB);
    rig_free (rig);
}

/* -- 11: dead letters that are not in memory --------------------------------------------------- */

/* Asks until the broker says that there are no more. */
static uint64_t requeue_all (rig_t *rig, peer_t *boss, const char *queue)
{
    uint64_t sum = 0;
    for (int i = 0;; i++) {
        assert_in_range (i, 0, 1000);
        peer_admin (boss, "requeue", queue, NULL);
        assert_non_null (boss->inbox);
        zf_reader_t r = zf_reader (boss->inbox->control);
        zf_mp_array (&r);
        zf_mp_uint (&r); /* RESULT, number */
        zf_mp_uint (&r);
        int code = -(int) zf_mp_uint (&r);
        r = take_result (boss, code, NULL);
        uint64_t count = zf_mp_uint (&r);
        if (code == 0 && count == 0)
            return sum;
        assert_true (code == 0 || code == ZF_E_AGAIN);
        sum += count;
        rig_turn (rig); /* reads */
    }
}

static void dead_letters_on_disk_are_requeued (void **state)
{
    (void) state;
    rig_t *rig = rig_with (MIB, MIB);
    zf_policy_t policy = rig_policy ();
    peer_t *boss = rig_peer (rig, "boss");
    rig_declare (rig, "lost", &policy);
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "lost");
    policy.ttl_ms = 1000;
    rig_declare (rig, "jobs", &policy);
    post_large (rig_peer (rig, "p"), "jobs", 8);
    for (int i = 0; i < 100 && rig_info (rig, "jobs").length > 0; i++)
        rig_advance (rig, 1000);
    assert_int_equal (rig_info (rig, "lost").length, 8 * BATCH);
    assert_true (rig_info (rig, "lost").on_disk > 0);
    policy.ttl_ms = 0;
    rig_declare (rig, "jobs", &policy);
    assert_int_equal (requeue_all (rig, boss, "jobs"), 8 * BATCH);
    assert_int_equal (rig_info (rig, "jobs").length, 8 * BATCH);
    assert_int_equal (rig_info (rig, "lost").length, 0);
    rig_free (rig);
}

/* -- 12: reading back what goes meanwhile ------------------------------------------------------ */

/* Records that are wanted, and gone before the shell was told to read them. */
static void want_and_purge (rig_t *rig, peer_t *p)
{
    zf_sight_t sight;
    post_large (p, "jobs", 8);
    zf_queue_t *queue = zf_engine_find (rig->engine, zf_bytes_of ("jobs"));
    for (uint64_t id = 0; zf_queue_peek (queue, id, &sight); id = sight.id + BATCH)
        ;
    zf_queue_purge (queue, UINT64_MAX);
    rig_turn (rig);
}

static void records_that_go_before_they_are_read_do_not_end_all_reading (void **state)
{
    (void) state;
    rig_t *rig = rig_with (MIB, MIB);
    peer_t *p = rig_peer (rig, "p");
    post_large (p, "others", 8);
    for (int i = 0; i < 20; i++)
        want_and_purge (rig, p);
    assert_true (store_of (rig)->spilled >= ZF_LOADS_MAX);
    assert_int_equal (store_of (rig)->loads_busy, 0);
    peer_t *w = rig_worker (rig, "w", "others", BATCH);
    uint64_t sum = 0;
    uint64_t first;
    uint64_t count;
    while (take_batch (w, &first, &count)) {
        peer_settle (w, ZF_CMD_ACK, "others", first, count);
        sum += count;
    }
    assert_int_equal (sum, 8 * BATCH);
    rig_free (rig);
}

/* -- 9: time to read the log ------------------------------------------------------------------- */

#define CHUNKS 20000

/* Each record in a chunk of its own, for requests between them are not in the log; a worker gets
 * and acknowledges them. Returns how many entries hold the records themselves. */
static size_t spread_out (rig_t *rig)
{
    peer_t *p = rig_peer (rig, "p");
    for (int i = 0; i < CHUNKS; i++) {
        p->low = peer_post (p, "jobs", "a") + 1;
        peer_request (p, "jobs", "r");
        peer_forget_letters (p);
    }
    size_t entries = rig->log->count;
    peer_t *w = rig_worker (rig, "w", "jobs", 2 * CHUNKS);
    assert_int_equal (rig_info (rig, "jobs").leased, 2 * CHUNKS);
    peer_forget_letters (w);
    for (uint64_t i = 0; i < CHUNKS; i += 2) { /* at both ends in turn */
        peer_settle (w, ZF_CMD_ACK, "jobs", i, 1);
        peer_settle (w, ZF_CMD_ACK, "jobs", 2 * CHUNKS - 2 - i, 1);
    }
    return entries;
}

/* CPU time that entries take, up to this one. */
static double replay_up_to (zf_engine_t *engine, const struct rig_log *log, size_t *from, size_t to)
{
    zf_error_t err;
    clock_t start = clock ();
    for (; *from < to; (*from)++) {
        const shelved_t *entry = &log->shelf[*from];
        zf_bytes_t bytes = zf_bytes (entry->data, entry->size);
        assert_int_equal (zf_engine_replay (engine, entry->lsn, bytes, &err), 0);
    }
    return (double) (clock () - start);
}

/* What became of a record is found as fast as the record itself is read, wherever it is. */
static void what_became_of_a_record_is_found_at_once (void **state)
{
    (void) state;
    rig_t *rig = rig_with (256 * MIB, 256 * MIB);
    size_t records = spread_out (rig);
    zf_engine_t *engine = zf_engine_new (&rig->log->options);
    zf_engine_log_open (engine, &rig->log->log);
    size_t from = 0;
    double posted = replay_up_to (engine, rig->log, &from, records);
    double rest = replay_up_to (engine, rig->log, &from, rig->log->count);
    print_message ("posts: %.0f ticks, what became of them: %.0f\n", posted, rest);
    assert_true (rest < 10 * posted);
    zf_engine_free (&engine);
    rig_free (rig);
}

/* -- 10: ids ----------------------------------------------------------------------------------- */

/* A batch of records that have an id each, from `first` on. */
static zf_frame_t *batch_of_ids (uint64_t first, uint32_t count)
{
    zf_writer_t w = {0};
    assert_non_null (zf_writer_reserve (&w, ZF_BATCH_HEADER));
    for (uint32_t i = 0; i < count; i++) {
        zf_writer_t encoded = {0};
        zf_props_t props;
        uint64_t id = first + i;
        zf_props_defaults (&props);
        props.id = zf_bytes (&id, sizeof id);
        assert_int_equal (zf_props_encode (&encoded, &props, NULL), 0);
        zf_bytes_t bytes = zf_bytes (encoded.data, encoded.size);
        uint8_t *at = zf_writer_reserve (&w, zf_record_size (bytes.size, 1));
        assert_non_null (at);
        zf_record_encode (at, bytes, zf_bytes_of ("a"));
        zf_writer_free (&encoded);
    }
    zf_batch_seal (w.data, w.size, count, ZF_BATCH_HAS_PROPS, first);
    return wire_written (&w);
}

/* Posts records with ids, which a worker takes and acknowledges. */
static void pass_ids (peer_t *p, peer_t *w, uint64_t count)
{
    for (uint64_t first = 1; first <= count; first += BATCH) {
        uint64_t id;
        uint64_t n;
        zf_writer_t control = wire_control (ZF_CMD_POST, 2);
        wire_put_text (&control, "jobs");
        zf_mp_put_uint (&control, first);
        peer_write (p, &control, batch_of_ids (first, BATCH));
        peer_forget_letters (p);
        while (take_batch (w, &id, &n))
            peer_settle (w, ZF_CMD_ACK, "jobs", id, n);
    }
}

static void take_turns (rig_t *rig, int n)
{
    for (int i = 0; i < n; i++)
        rig_turn (rig);
}

/* There are more of them than dead entries may lie about. */
static void ids_are_not_written_again_and_again (void **state)
{
    rig_t *rig = *state;
    pass_ids (rig_peer (rig, "p"), rig_worker (rig, "w", "jobs", BATCH), 100000);
    take_turns (rig, 100);
    uint64_t before = rig->log->appended_bytes;
    take_turns (rig, 1000);
    assert_true (rig->log->appended_bytes - before < MIB);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void ids_are_written_again_in_several_turns (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", BATCH);
    pass_ids (p, w, 400000);
    post_large (p, "bulk", 40);
    peer_consume (w, "bulk", BATCH);
    uint64_t first;
    uint64_t count;
    while (take_batch (w, &first, &count))
        peer_settle (w, ZF_CMD_ACK, "bulk", first, count);
    take_turns (rig, 100);
    assert_true (rig->log->shelf[0].lsn > 400000); /* so they were written again */
    assert_true (largest_entry < ENTRIES);
    rig_crash (rig);
    pass_ids (p, w, 400000);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    assert_int_equal (rig_info (rig, "jobs").duplicates, 400000);
}

int main (void)
{
#define CASE(test) cmocka_unit_test_setup_teardown (test, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        CASE (records_that_expire_together_are_buried_in_several_turns),
        CASE (records_whose_own_time_is_over_are_buried_in_several_turns),
        cmocka_unit_test (backlog_of_small_posts_is_not_read_into_memory),
        cmocka_unit_test (dead_letters_on_disk_are_requeued),
        cmocka_unit_test (records_that_go_before_they_are_read_do_not_end_all_reading),
        cmocka_unit_test (what_became_of_a_record_is_found_at_once),
        CASE (ids_are_not_written_again_and_again),
        CASE (ids_are_written_again_in_several_turns),
    };
    return cmocka_run_group_tests_name ("review of the log", tests, NULL, NULL);
}
