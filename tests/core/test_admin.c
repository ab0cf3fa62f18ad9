/* The verbs of ADMIN. */
#include "tests/core/rig.h"

static void queue_tells_its_figures (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 77;
    policy.ordered = true;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 2);
    peer_post (p, "jobs", "a b c");
    assert_confirmed (p, "jobs", 1, 3);
    assert_delivered (w, "jobs", "a b", 1);
    peer_ack (w, "jobs", "a");
    rig_advance (rig, 5000);
    peer_admin (p, "queue", "jobs", NULL);
    zf_queue_info_t info = {0};
    zf_reader_t r = take_result (p, 0, NULL);
    assert_int_equal (zf_info_decode (&r, &info), 0);
    assert_true (zf_reader_done (&r));
    assert_string_equal (info.name, "jobs");
    assert_true (info.declared && info.policy.ordered);
    assert_int_equal (info.policy.max_length, 77);
    assert_int_equal (info.length, 2);
    assert_int_equal (info.leased, 2);
    assert_int_equal (info.posted, 3);
    assert_int_equal (info.delivered, 3);
    assert_int_equal (info.acked, 1);
    assert_int_equal (info.workers, 1);
    assert_int_equal (info.oldest_ms, 5000);
}

static void queue_that_is_not_there_is_not_found (void **state)
{
    rig_t *rig = *state;
    static const char *const verbs[] = {"queue", "peek", "purge", "requeue", "discard"};
    peer_t *p = rig_peer (rig, "p");
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        peer_admin (p, verbs[i], "nowhere", NULL);
        take_result (p, ZF_E_NOT_FOUND, NULL);
    }
    assert_null (rig->engine->queues);
}

static void verb_we_do_not_know_is_refused (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_admin (p, "explode", "jobs", NULL);
    take_result (p, ZF_E_INVAL, NULL);
    zf_writer_t w = wire_control (ZF_CMD_ADMIN, 1);
    zf_mp_put_uint (&w, 1);
    peer_write (p, &w, NULL);
    take_result (p, ZF_E_PROTO, NULL);
}

/* Reads the infos of one RESULT; returns how many. */
static uint32_t read_infos (peer_t *p, bool *more)
{
    zf_queue_info_t info;
    zf_reader_t r = zf_reader (p->inbox->control);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    zf_mp_uint (&r);
    zf_mp_uint (&r);
    zf_mp_bytes (&r);
    *more = zf_mp_bool (&r);
    uint32_t count = zf_mp_array (&r);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal (zf_info_decode (&r, &info), 0);
    assert_true (zf_reader_done (&r));
    take_result (p, 0, NULL);
    return count;
}

static void queues_come_in_several_results_when_they_are_many (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    bool more = true;
    peer_admin (p, "queues", "", NULL);
    assert_int_equal (read_infos (p, &more), 0);
    assert_false (more);
    rig->audits = false;
    for (int i = 0; i < 450; i++) {
        char name[16];
        snprintf (name, sizeof name, "queue-%d", i);
        peer_post_again (p, name, 1, "a", 1);
    }
    peer_forget_letters (p);
    peer_admin (p, "queues", "", NULL);
    assert_int_equal (read_infos (p, &more), 200);
    assert_true (more);
    assert_int_equal (read_infos (p, &more), 200);
    assert_true (more);
    assert_int_equal (read_infos (p, &more), 50);
    assert_false (more);
    assert_silence (p);
}

static void declare_checks_the_policy (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    static const char *const bad[] = {"priorities", "lease_ms", "overflow", "backoff_min_ms",
                                      "max_attempts"};
    static const uint64_t values[] = {11, 0, 3, 60001, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        zf_writer_t argument = {0};
        zf_mp_put_map (&argument, 1);
        wire_put_text (&argument, bad[i]);
        zf_mp_put_uint (&argument, values[i]);
        peer_admin (p, "declare", "jobs", &argument);
        take_result (p, ZF_E_INVAL, NULL);
    }
    peer_admin (p, "declare", "jobs", NULL);
    take_result (p, ZF_E_INVAL, NULL);
    assert_null (rig->engine->queues);
    zf_writer_t argument = {0};
    zf_mp_put_map (&argument, 0);
    peer_admin (p, "declare", "", &argument);
    take_result (p, ZF_E_INVAL, NULL);
}

static void declare_takes_the_defaults_for_what_is_not_named (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_writer_t argument = {0};
    zf_mp_put_map (&argument, 2);
    wire_put_text (&argument, "from the future");
    zf_mp_put_array (&argument, 0);
    wire_put_text (&argument, "max_length");
    zf_mp_put_uint (&argument, 5);
    peer_admin (p, "declare", "jobs", &argument);
    take_result (p, 0, NULL);
    zf_queue_info_t info = rig_info (rig, "jobs");
    assert_int_equal (info.policy.max_length, 5);
    assert_int_equal (info.policy.max_attempts, 5);
    assert_true (info.declared);
}

static zf_reader_t peek (peer_t *p, const char *queue, uint64_t from, uint64_t max,
                         zf_bytes_t *body)
{
    zf_writer_t argument = {0};
    zf_mp_put_array (&argument, 2);
    zf_mp_put_uint (&argument, from);
    zf_mp_put_uint (&argument, max);
    peer_admin (p, "peek", queue, &argument);
    return take_result (p, 0, body);
}

/* The ids and attempts that a peek tells, and bodies, must be these. */
static void assert_seen (zf_reader_t r, zf_bytes_t body, const char *bodies, const char *attempts)
{
    zf_batch_t batch;
    uint32_t count = wire_words (bodies);
    assert_int_equal (zf_mp_array (&r), count);
    uint64_t last = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal (zf_mp_array (&r), 2);
        uint64_t id = zf_mp_uint (&r);
        assert_true (i == 0 || id > last);
        last = id;
        assert_int_equal (zf_mp_uint (&r), *(const char *) wire_word (attempts, i).data - '0');
    }
    assert_true (zf_reader_done (&r));
    assert_int_equal (zf_batch_decode (body, &batch), 0);
    assert_int_equal (batch.count, count);
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        assert_true (zf_bytes_equal (record.body, wire_word (bodies, i)));
    }
}

static void peek_shows_records_in_any_state_and_changes_nothing (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 4);
    zf_props_t props;
    zf_props_defaults (&props);
    peer_post (p, "jobs", "leased acked ready nacked");
    assert_confirmed (p, "jobs", 1, 4);
    assert_delivered (w, "jobs", "leased acked ready nacked", 1);
    peer_consume (w, "jobs", 0);
    peer_ack (w, "jobs", "acked");
    peer_nack (w, "jobs", "nacked", 5000);
    peer_nack (w, "jobs", "ready", 0);
    peer_post (p, "jobs", "fresh");
    assert_confirmed (p, "jobs", 5, 1);
    props.delay_ms = 1000;
    peer_post_props (p, "jobs", "delayed", &props);
    assert_confirmed (p, "jobs", 6, 1);
    zf_queue_info_t before = rig_info (rig, "jobs");
    zf_bytes_t body;
    zf_reader_t r = peek (p, "jobs", 0, 100, &body);
    assert_seen (r, body, "leased ready nacked fresh delayed", "1 1 1 0 0");
    r = peek (p, "jobs", peer_held (w, "jobs", "leased") + 1, 2, &body);
    assert_seen (r, body, "ready nacked", "1 1");
    zf_queue_info_t after = rig_info (rig, "jobs");
    assert_memory_equal (&before, &after, sizeof before);
}

static void peek_goes_over_all_priorities (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.priorities = 3;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    zf_props_t props;
    zf_props_defaults (&props);
    props.priority = 2;
    peer_post_props (p, "jobs", "high", &props);
    peer_post (p, "jobs", "low");
    peer_forget_letters (p);
    zf_bytes_t body;
    zf_reader_t r = peek (p, "jobs", 0, 10, &body);
    assert_seen (r, body, "low high", "0 0");
    r = peek (p, "jobs", 1, 10, &body);
    assert_seen (r, body, "high", "0");
}

static void peek_is_bounded (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "jobs", 1500, 10);
    assert_confirmed (p, "jobs", 1, 1500);
    zf_bytes_t body;
    zf_batch_t batch;
    peek (p, "jobs", 0, UINT64_MAX, &body);
    assert_int_equal (zf_batch_decode (body, &batch), 0);
    assert_int_equal (batch.count, 1000);
    peer_post_bulk (p, "mail", 5, 600000);
    assert_confirmed (p, "mail", 1, 5);
    peek (p, "mail", 0, UINT64_MAX, &body);
    assert_int_equal (zf_batch_decode (body, &batch), 0);
    assert_int_equal (batch.count, 2);
}

static void peek_of_an_empty_queue_shows_nothing (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    rig_worker (rig, "w", "jobs", 1);
    zf_bytes_t body;
    zf_reader_t r = peek (p, "jobs", 0, 10, &body);
    assert_int_equal (zf_mp_array (&r), 0);
    assert_null (body.data);
    peer_admin (p, "peek", "jobs", NULL);
    take_result (p, ZF_E_PROTO, NULL);
    r = peek (p, "jobs", UINT64_MAX, 10, &body);
    assert_int_equal (zf_mp_array (&r), 0);
}

static void purge_drops_all_but_what_workers_have (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.priorities = 2;
    rig_declare (rig, "jobs", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 4);
    zf_props_t props;
    zf_props_defaults (&props);
    peer_post (p, "jobs", "leased ready nacked other");
    assert_delivered (w, "jobs", "leased ready nacked other", 1);
    peer_consume (w, "jobs", 0);
    peer_release (w, "jobs", "ready");
    peer_nack (w, "jobs", "nacked", 5000);
    peer_post (p, "jobs", "fresh fresh");
    props.delay_ms = 1000;
    props.priority = 1;
    peer_post_props (p, "jobs", "delayed delayed", &props);
    peer_admin (rig->admin, "purge", "jobs", NULL);
    zf_reader_t r = take_result (rig->admin, 0, NULL);
    assert_int_equal (zf_mp_uint (&r), 6);
    assert_int_equal (rig_info (rig, "jobs").length, 2);
    assert_int_equal (rig_info (rig, "jobs").delayed, 0);
    assert_int_equal (rig_info (rig, "jobs").dropped, 6);
    peer_ack (w, "jobs", "leased other");
    assert_int_equal (rig_info (rig, "jobs").length, 0);
}

static void stats_name_every_figure (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "jobs", "a");
    assert_confirmed (p, "jobs", 1, 1);
    peer_admin (p, "stats", "", NULL);
    zf_reader_t r = take_result (p, 0, NULL);
    uint32_t pairs = zf_mp_map (&r);
    assert_true (pairs >= 10);
    bool found = false;
    for (uint32_t i = 0; i < pairs; i++) {
        zf_bytes_t name = zf_mp_bytes (&r);
        uint64_t value = zf_mp_uint (&r);
        if (!zf_bytes_equal (name, zf_bytes_of ("bytes")))
            continue;
        assert_int_equal (value, 5);
        found = true;
    }
    assert_true (found && zf_reader_done (&r));
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (queue_tells_its_figures),
        TEST (queue_that_is_not_there_is_not_found),
        TEST (verb_we_do_not_know_is_refused),
        TEST (queues_come_in_several_results_when_they_are_many),
        TEST (declare_checks_the_policy),
        TEST (declare_takes_the_defaults_for_what_is_not_named),
        TEST (peek_shows_records_in_any_state_and_changes_nothing),
        TEST (peek_goes_over_all_priorities),
        TEST (peek_is_bounded),
        TEST (peek_of_an_empty_queue_shows_nothing),
        TEST (purge_drops_all_but_what_workers_have),
        TEST (stats_name_every_figure),
    };
    return cmocka_run_group_tests_name ("admin", tests, NULL, NULL);
}
