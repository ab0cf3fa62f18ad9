/* A broker's journals byte for byte: what tests/golden/ops.txt and streams.txt say is what a broker
 * writes, and what is understood.
 *
 * With an argument the program prints what a broker writes now, for a new version of it. */
#include "tests/core/events.h"
#include "tests/core/golden.h"
#include "tests/core/rig_log.h"

static golden_set_t golden, streams;
static bool printing; /* instead of comparing */

static void print_entry (const char *name, const shelved_t *entry)
{
    printf ("[%s]\nto: written\nmeans: \nentry:", name);
    for (size_t i = 0; i < entry->size; i++)
        printf (" %02x", entry->data[i]);
    printf ("\n\n");
}

/* The entry that was appended last must be the vector. */
static void same_in (golden_set_t *set, rig_t *rig, const char *name)
{
    const shelved_t *entry = &rig->log->shelf[rig->log->count - 1];
    if (printing) {
        print_entry (name, entry);
        return;
    }
    const golden_t *vector = golden_find (set, name);
    assert_true (vector->written);
    assert_int_equal (entry->size, vector->frame.size);
    assert_memory_equal (entry->data, vector->frame.data, entry->size);
}

static void same_as (rig_t *rig, const char *name)
{
    same_in (&golden, rig, name);
}

static void post_many (peer_t *p)
{
    zf_writer_t w = wire_control (ZF_CMD_POST_MANY, 3);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_array (&w, 4);
    wire_put_text (&w, "jobs");
    zf_mp_put_uint (&w, 1);
    wire_put_text (&w, "mail");
    zf_mp_put_uint (&w, 1);
    peer_write (p, &w, wire_batch (1, "x y", NULL));
}

static void broker_writes_as_the_golden_vectors_say (void **state)
{
    (void) state;
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 1 << 30};
    rig_t *rig = rig_new_logged (NULL, &log);
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "jobs", &policy);
    same_as (rig, "declare");
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a bc");
    same_as (rig, "post");
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    same_as (rig, "take");
    assert_delivered (w, "jobs", "a bc", 1);
    peer_consume (w, "jobs", 0);
    peer_ack (w, "jobs", "a");
    same_as (rig, "ack");
    peer_nack (w, "jobs", "bc", 5000);
    same_as (rig, "nack");
    post_many (p);
    same_as (rig, "atomic post");
    rig_free (rig);
}

static void broker_writes_streams_as_the_golden_vectors_say (void **state)
{
    (void) state;
    static const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 1 << 30};
    rig_t *rig = rig_new_logged (NULL, &log);
    zf_policy_t policy = events_policy (3, 0, 0);
    rig_declare (rig, "s", &policy);
    same_in (&streams, rig, "declare");
    peer_t *p = rig_peer (rig, "p");
    peer_publish (p, "s", "t", "a b");
    same_in (&streams, rig, "post");
    peer_publish (p, "s", "v", "c");
    same_in (&streams, rig, "post another");
    events_group (rig, "s@g", ZF_FROM_FIRST, 0, "t u.>", NULL);
    same_in (&streams, rig, "group");
    peer_t *w = rig_worker (rig, "w", "s@g", 10);
    assert_delivered (w, "s@g", "a b", 1);
    same_in (&streams, rig, "group takes");
    peer_ack (w, "s@g", "b");
    same_in (&streams, rig, "group acks one");
    peer_ack (w, "s@g", "a");
    same_in (&streams, rig, "group acks all");
    events_trim (rig, "s", rig_info (rig, "s").first + 1);
    same_in (&streams, rig, "trim");
    rig_free (rig);
}

/* -- reading ----------------------------------------------------------------------------------- */

static zf_engine_t *read_all (const golden_set_t *set)
{
    zf_engine_options_t options;
    const zf_log_options_t log = {.sync = ZF_SYNC_ALWAYS, .slack_bytes = 1 << 30, .now_ms = 2500};
    static const uint8_t uuid[ZF_UUID_BYTES] = "golden";
    zf_error_t err;
    uint64_t lsn = 0;
    zf_engine_defaults (&options);
    zf_engine_t *engine = zf_engine_new (&options);
    zf_engine_log_open (engine, &log);
    for (size_t i = 0; i < set->count; i++, lsn += 4096) {
        zf_bytes_t entry = zf_bytes (set->vectors[i].frame.data, set->vectors[i].frame.size);
        if (zf_engine_replay (engine, lsn, entry, &err) != 0)
            fail_msg ("[%s]: %s", set->vectors[i].name, err.text);
    }
    zf_engine_recovered (engine, uuid, lsn, true);
    return engine;
}

/* The n-th record of the queue. */
static void same_record (zf_queue_t *queue, uint32_t n, uint64_t id, const char *body,
                         uint32_t attempts)
{
    zf_sight_t sight;
    assert_true (zf_queue_peek (queue, 0, &sight));
    for (; n > 0; n--)
        assert_true (zf_queue_peek (queue, sight.id + 1, &sight));
    assert_int_equal (sight.id, id);
    assert_true (zf_bytes_equal (sight.record.body, zf_bytes_of (body)));
    assert_int_equal (sight.attempts, attempts);
}

static zf_producer_t *producer_of (zf_producers_t *producers)
{
    static const uint8_t uuid[ZF_UUID_BYTES] = "p";
    zf_producer_t *producer;
    HASH_FIND (hh, producers->table, uuid, ZF_UUID_BYTES, producer);
    assert_non_null (producer);
    return producer;
}

static void check_written (zf_engine_t *engine)
{
    zf_queue_t *jobs = zf_engine_numbered (engine, 1);
    assert_true (jobs != NULL && strcmp (jobs->name, "jobs") == 0 && jobs->declared);
    assert_int_equal (jobs->length, 2);
    same_record (jobs, 0, 1, "bc", 1);
    same_record (jobs, 1, 2, "x", 0);
    assert_int_equal (jobs->delayed, 1);
    assert_int_equal (producer_of (&jobs->producers)->last, 2);
    assert_int_equal (producer_of (&engine->atomics)->last, 1);
}

static void check_stream (zf_engine_t *engine)
{
    zf_queue_t *s = zf_engine_find (engine, zf_bytes_of ("s"));
    zf_queue_t *g = zf_engine_find (engine, zf_bytes_of ("s@g"));
    if (s == NULL || s->stream == NULL || g == NULL || g->follow == NULL) {
        fail_msg ("they are not what they were");
        return;
    }
    assert_int_equal (s->length, 2);
    same_record (s, 0, 1, "b", 0);
    same_record (s, 1, 2, "c", 0);
    assert_int_equal (s->stream->floor, 1);
    assert_ptr_equal (g->follow->source, s);
    assert_int_equal (zf_filter_count (g->follow->filter), 2);
    assert_int_equal (zf_follow_floor (g), 9);
    assert_int_equal (g->follow->missed, 6);
    zf_queue_t *c = zf_engine_find (engine, zf_bytes_of ("compact"));
    assert_true (c != NULL && c->stream != NULL && c->policy.compact);
    assert_int_equal (c->stream->floor, 40);
    assert_int_equal (zf_stream_missed (c, 30, 50), 5); /* 30 to 34; 35 to 39 are a hole */
    assert_int_equal (c->lanes[0].log.next, 50);
}

static void check_read (zf_engine_t *engine)
{
    uint64_t n;
    zf_queue_t *mail = zf_engine_numbered (engine, 2);
    zf_queue_t *old = zf_engine_numbered (engine, 3);
    assert_true (mail != NULL && strcmp (mail->name, "mail") == 0 && !mail->declared);
    same_record (mail, 0, 0, "y", 0);
    same_record (mail, 3, 3, "three", 0);
    assert_true (producer_of (&mail->producers)->kept);
    assert_int_equal (producer_of (&mail->producers)->last, 77);
    assert_true (old != NULL && strcmp (old->name, "old") == 0);
    assert_int_equal (old->length, 3);
    same_record (old, 0, 11, "l", 0);
    same_record (old, 1, 12, "m", 2);
    same_record (old, 2, 15, "n", 0);
    assert_int_equal (old->lanes[0].log.next, 20);
    assert_int_equal (zf_dedup_add (&old->ids, zf_bytes_of ("order-1"), 8999, 1, 0), 0);
    assert_int_equal (zf_dedup_add (&old->ids, zf_bytes_of ("order-1"), 9000, 1, 0), 1);
    zf_producer_t *producer = producer_of (&old->producers);
    assert_int_equal (producer->last, 9);
    assert_int_equal (zf_producer_outcome (producer, 4, &n), ZF_E_FULL);
    assert_int_equal (n, 2);
    assert_int_equal (zf_producer_outcome (producer, 6, &n), 0);
    assert_null (zf_engine_find (engine, zf_bytes_of ("gone")));
}

static void broker_understands_the_golden_vectors (void **state)
{
    (void) state;
    zf_engine_t *engine = read_all (&golden);
    check_written (engine);
    check_read (engine);
    zf_engine_tick (engine, 6999);
    assert_int_equal (zf_engine_numbered (engine, 3)->length, 3);
    zf_engine_tick (engine, 7000);
    assert_int_equal (zf_engine_numbered (engine, 3)->length, 2); /* one has expired */
    zf_engine_free (&engine);
}

static void broker_understands_the_golden_vectors_of_streams (void **state)
{
    (void) state;
    zf_engine_t *engine = read_all (&streams);
    check_stream (engine);
    zf_engine_free (&engine);
}

static void all_that_is_written_was_seen (const golden_set_t *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->vectors[i].written && !set->vectors[i].used)
            fail_msg ("the vector [%s] is not tested", set->vectors[i].name);
}

static void every_golden_vector_that_is_written_was_seen (void **state)
{
    (void) state;
    all_that_is_written_was_seen (&golden);
    all_that_is_written_was_seen (&streams);
}

int main (int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (broker_writes_as_the_golden_vectors_say),
        cmocka_unit_test (broker_writes_streams_as_the_golden_vectors_say),
        cmocka_unit_test (broker_understands_the_golden_vectors),
        cmocka_unit_test (broker_understands_the_golden_vectors_of_streams),
        cmocka_unit_test (every_golden_vector_that_is_written_was_seen),
    };
    (void) argv;
    printing = argc > 1;
    golden_read_from (&golden, "ops.txt");
    golden_read_from (&streams, "streams.txt");
    int rc = cmocka_run_group_tests_name ("golden_log", tests, NULL, NULL);
    golden_free (&golden);
    golden_free (&streams);
    return rc;
}
