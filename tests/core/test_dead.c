/* Dead letters: where they go, what they tell, how they come back. */
#include "tests/core/rig.h"

static uint64_t admin_count (peer_t *peer, const char *verb, const char *queue, uint64_t max)
{
    zf_writer_t argument = {0};
    zf_mp_put_uint (&argument, max);
    peer_admin (peer, verb, queue, &argument);
    zf_reader_t r = take_result (peer, 0, NULL);
    return zf_mp_uint (&r);
}

/* Posts records with the properties and has a worker reject them all. */
static void bury (rig_t *rig, const char *queue, const char *bodies, const zf_props_t *props)
{
    static unsigned graves;
    char name[32];
    snprintf (name, sizeof name, "gravedigger %u", graves++ % 100);
    peer_t *w = rig_worker (rig, name, queue, 1000);
    peer_post_props (w, queue, bodies, props);
    peer_forget_letters (w);
    uint64_t last = wire_words (bodies);
    const zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    uint64_t next = found->lanes[0].log.next;
    zf_writer_t control = wire_control (ZF_CMD_REJECT, 4);
    wire_put_text (&control, queue);
    wire_put_text (&control, "bad weather");
    zf_mp_put_uint (&control, next - last);
    zf_mp_put_uint (&control, last);
    peer_write (w, &control, NULL);
    peer_bye (w);
}

static zf_props_view_t first_props (rig_t *rig, const char *queue)
{
    zf_sight_t sight;
    zf_props_view_t view;
    zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    assert_non_null (found);
    assert_true (zf_queue_peek (found, 0, &sight));
    assert_int_equal (zf_props_decode (sight.record.props, sight.record.body.size, &view), 0);
    return view;
}

#define assert_bytes(bytes, text) assert_true (zf_bytes_equal (bytes, zf_bytes_of (text)))

static void dead_letter_tells_queue_reason_and_attempts (void **state)
{
    rig_t *rig = *state;
    bury (rig, "jobs", "a", NULL);
    zf_props_view_t view = first_props (rig, "jobs.dead");
    assert_true (view.dead);
    assert_bytes (view.death.queue, "jobs");
    assert_bytes (view.death.reason, "bad weather");
    assert_int_equal (view.death.attempts, 1);
}

static void dead_letter_tells_why (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 2;
    policy.backoff_min_ms = policy.backoff_max_ms = 0;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (rig->admin, "jobs", "a");
    assert_delivered (w, "jobs", "a", 1);
    peer_nack (w, "jobs", "a", -1);
    assert_delivered (w, "jobs", "a", 2);
    peer_nack (w, "jobs", "a", -1);
    assert_bytes (first_props (rig, "jobs.dead").death.reason, "attempts");
    assert_int_equal (first_props (rig, "jobs.dead").death.attempts, 2);
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 10;
    peer_bye (w);
    peer_post_props (rig->admin, "mail", "b", &props);
    rig_advance (rig, 10);
    assert_bytes (first_props (rig, "mail.dead").death.reason, "expired");
    assert_int_equal (first_props (rig, "mail.dead").death.attempts, 0);
}

static void dead_letter_without_a_reason_says_rejected (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (w, "jobs", "a b");
    peer_forget_letters (w);
    peer_settle (w, ZF_CMD_REJECT, "jobs", 0, 0); /* malformed: no reason */
    zf_writer_t control = wire_control (ZF_CMD_REJECT, 4);
    wire_put_text (&control, "jobs");
    wire_put_text (&control, "");
    zf_mp_put_uint (&control, 0);
    zf_mp_put_uint (&control, 1);
    peer_write (w, &control, NULL);
    assert_bytes (first_props (rig, "jobs.dead").death.reason, "rejected");
}

static void reason_of_a_worker_is_cut (void **state)
{
    rig_t *rig = *state;
    char reason[1000];
    memset (reason, 'r', sizeof reason);
    reason[sizeof reason - 1] = '\0';
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    peer_post (w, "jobs", "a");
    assert_confirmed (w, "jobs", 1, 1);
    assert_delivered (w, "jobs", "a", 1);
    peer_reject (w, "jobs", "a", reason);
    assert_int_equal (first_props (rig, "jobs.dead").death.reason.size, 200);
}

static void dead_letter_keeps_its_properties_less_times (void **state)
{
    rig_t *rig = *state;
    zf_header_t headers[] = {{zf_bytes_of ("colour"), zf_bytes_of ("red")},
                             {zf_bytes_of ("size"), zf_bytes_of ("xl")}};
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of ("order-1");
    props.key = zf_bytes_of ("alice");
    props.trace = zf_bytes_of ("00-trace-01");
    props.ttl_ms = 60000;
    props.headers = headers;
    props.header_count = 2;
    zf_bytes_t frames[] = {zf_bytes_of ("hel"), zf_bytes_of ("lo")};
    props.frames = frames;
    props.frame_count = 2;
    bury (rig, "jobs", "hello", &props);
    zf_props_view_t view = first_props (rig, "jobs.dead");
    assert_bytes (view.id, "order-1");
    assert_bytes (view.key, "alice");
    assert_bytes (view.trace, "00-trace-01");
    assert_bytes (zf_props_header (&view, zf_bytes_of ("size")), "xl");
    assert_bytes (zf_props_frame (&view, zf_bytes_of ("hello"), 1), "lo");
    assert_int_equal (view.ttl_ms, 0);
}

static void requeued_records_begin_anew (void **state)
{
    rig_t *rig = *state;
    bury (rig, "jobs", "a b c", NULL);
    peer_t *p = rig_peer (rig, "p");
    assert_int_equal (admin_count (p, "requeue", "jobs", 2), 2);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 1);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    assert_delivered (w, "jobs", "a b", 1);
    assert_int_equal (admin_count (p, "requeue", "jobs", 0), 1);
    assert_delivered (w, "jobs", "c", 1);
    assert_int_equal (admin_count (p, "requeue", "jobs", 0), 0);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 0);
}

static void requeued_record_has_no_death_and_its_id_is_no_duplicate (void **state)
{
    rig_t *rig = *state;
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of ("order-1");
    bury (rig, "jobs", "a", &props);
    assert_int_equal (admin_count (rig_peer (rig, "p"), "requeue", "jobs", 0), 1);
    zf_props_view_t view = first_props (rig, "jobs");
    assert_false (view.dead);
    assert_bytes (view.id, "order-1");
    assert_int_equal (rig_info (rig, "jobs").duplicates, 0);
}

static void requeued_record_with_large_properties_keeps_them (void **state)
{
    rig_t *rig = *state;
    static char large[ZF_PROPS_MAX];
    memset (large, 'x', sizeof large);
    zf_header_t header = {zf_bytes_of ("large"), zf_bytes (large, ZF_PROPS_MAX - 20)};
    zf_props_t props;
    zf_props_defaults (&props);
    props.headers = &header;
    props.header_count = 1;
    bury (rig, "jobs", "a", &props);
    zf_props_view_t view = first_props (rig, "jobs.dead");
    assert_bytes (view.death.reason, "bad weather");
    assert_int_equal (admin_count (rig_peer (rig, "p"), "requeue", "jobs", 0), 1);
    view = first_props (rig, "jobs");
    assert_int_equal (zf_props_header (&view, zf_bytes_of ("large")).size, ZF_PROPS_MAX - 20);
}

static void discarded_dead_letters_are_gone (void **state)
{
    rig_t *rig = *state;
    bury (rig, "jobs", "a b c", NULL);
    peer_t *p = rig_peer (rig, "p");
    assert_int_equal (admin_count (p, "discard", "jobs", 1), 1);
    assert_int_equal (admin_count (p, "discard", "jobs", 0), 2);
    assert_int_equal (admin_count (p, "discard", "jobs", 0), 0);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 0);
    assert_int_equal (rig_info (rig, "jobs.dead").dropped, 3);
}

static void dead_letter_queue_can_be_chosen_or_off (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "morgue");
    rig_declare (rig, "jobs", &policy);
    bury (rig, "jobs", "a", NULL);
    assert_int_equal (rig_info (rig, "morgue").length, 1);
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "-");
    rig_declare (rig, "mail", &policy);
    bury (rig, "mail", "a", NULL);
    assert_int_equal (rig_info (rig, "mail").dropped, 1);
    assert_int_equal (rig_info (rig, "mail").dead, 1);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("mail.dead")));
    assert_int_equal (admin_count (rig->admin, "requeue", "mail", 0), 0);
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "self");
    zf_writer_t argument = {0};
    zf_policy_encode (&argument, &policy);
    peer_admin (rig->admin, "declare", "self", &argument);
    take_result (rig->admin, ZF_E_INVAL, NULL);
}

static void dead_letters_of_several_queues_in_one_do_not_mix (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "morgue");
    rig_declare (rig, "jobs", &policy);
    rig_declare (rig, "mail", &policy);
    bury (rig, "jobs", "a b", NULL);
    bury (rig, "mail", "x", NULL);
    bury (rig, "jobs", "c", NULL);
    peer_post (rig->admin, "morgue", "alive"); /* a record like any other */
    assert_confirmed (rig->admin, "morgue", 1, 1);
    peer_t *w = rig_worker (rig, "w", "morgue", 1);
    assert_delivered (w, "morgue", "a", 1); /* somebody looks into it */
    assert_int_equal (admin_count (rig->admin, "requeue", "jobs", 0), 2);
    assert_int_equal (admin_count (rig->admin, "discard", "mail", 0), 1);
    assert_int_equal (rig_info (rig, "morgue").length, 2);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    assert_delivered (w2, "jobs", "b c", 1);
}

static void dead_letters_of_a_dead_letter_queue_are_dropped (void **state)
{
    rig_t *rig = *state;
    bury (rig, "jobs", "a", NULL);
    peer_t *w = rig_worker (rig, "w", "jobs.dead", 1);
    assert_delivered (w, "jobs.dead", "a", 1);
    peer_reject (w, "jobs.dead", "a", "no");
    assert_int_equal (rig_info (rig, "jobs.dead").length, 0);
    assert_int_equal (rig_info (rig, "jobs.dead").dropped, 1);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("jobs.dead.dead")));
}

static void name_too_long_for_a_dead_letter_queue_has_none (void **state)
{
    rig_t *rig = *state;
    char name[ZF_NAME_MAX + 1] = {0};
    memset (name, 'n', ZF_NAME_MAX - 2);
    bury (rig, name, "a", NULL);
    assert_int_equal (rig_info (rig, name).dropped, 1);
}

static void dead_letter_queue_at_its_cap_drops_by_its_rule (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_length = 2;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    rig_declare (rig, "jobs.dead", &policy);
    bury (rig, "jobs", "a b c", NULL);
    assert_int_equal (rig_info (rig, "jobs.dead").length, 2);
    assert_int_equal (rig_info (rig, "jobs.dead").dropped, 1);
    policy.overflow = ZF_OVERFLOW_REJECT;
    policy.max_length = 0;
    policy.max_bytes = 70;
    rig_declare (rig, "mail.dead", &policy);
    bury (rig, "mail", "a b c", NULL);
    assert_in_range (rig_info (rig, "mail.dead").length, 1, 2);
    assert_int_equal (rig_info (rig, "mail.dead").length + rig_info (rig, "mail").dropped, 3);
}

static void dead_letter_queue_nobody_declared_is_bounded_and_counts_no_attempts (void **state)
{
    rig_t *rig = *state;
    bury (rig, "jobs", "a", NULL);
    zf_policy_t policy = rig_info (rig, "jobs.dead").policy;
    assert_int_equal (policy.max_attempts, 0);
    assert_int_equal (policy.overflow, ZF_OVERFLOW_DROP_OLDEST);
    assert_true (policy.max_length > 0 && policy.max_bytes > 0);
}

static void dead_letters_do_not_keep_the_living_out (void **state)
{
    (void) state;
    static const char *const queues[] = {"a", "b", "c", "d"};
    static const char *const graves[] = {"a.dead", "b.dead", "c.dead", "d.dead"};
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1u << 20;
    rig_t *rig = rig_new (&options);
    peer_t *p = rig_peer (rig, "p");
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 10;
    for (int i = 0; i < 48; i++) { /* 4.8 MB of them */
        rig_declare (rig, queues[i % 4], &policy);
        uint64_t first = peer_post_bulk (p, queues[i % 4], 100, 1000);
        assert_confirmed (p, queues[i % 4], first, 100);
        rig_advance (rig, policy.ttl_ms);
    }
    uint64_t bytes = 0, letters = 0;
    for (int i = 0; i < 4; i++) {
        zf_queue_info_t grave = rig_info (rig, graves[i]);
        bytes += grave.bytes;
        letters += grave.length + grave.dropped + rig_info (rig, queues[i]).dropped;
    }
    assert_in_range (bytes, 1, options.memory_bytes / 4);
    assert_int_equal (letters, 4800); /* each is there, or counted as dropped */
    peer_post (p, "innocent", "x");
    assert_confirmed (p, "innocent", 1, 1);
    rig_free (rig);
}

/* Each kind has memory of its own: who waits for the one does not stand in line for the other. */
static void posts_that_wait_among_the_dead_do_not_keep_the_living_waiting (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1u << 20;
    rig_t *rig = rig_new (&options);
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "x.dead", &policy);
    peer_t *p1 = rig_peer (rig, "p1");
    peer_t *p2 = rig_peer (rig, "p2");
    for (int i = 0; i < 3; i++)
        peer_post_bulk (p1, "x.dead", 1, 100000);
    assert_int_equal (rig_info (rig, "x.dead").parked, 1);
    for (int i = 0; i < 10; i++)
        peer_post_bulk (p2, "jobs", 1, 100000);
    peer_forget_letters (p2);
    peer_post_bulk (p2, "mail", 1, 100000);
    assert_silence (p2);
    uint64_t first, count;
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    assert_true (take_batch (w, &first, &count));
    peer_settle (w, ZF_CMD_ACK, "jobs", first, count);
    assert_confirmed (p2, "mail", 1, 1);
    assert_int_equal (rig_info (rig, "x.dead").parked, 1);
    w = rig_worker (rig, "undertaker", "x.dead", 1);
    assert_true (take_batch (w, &first, &count));
    peer_settle (w, ZF_CMD_ACK, "x.dead", first, count);
    assert_int_equal (rig_info (rig, "x.dead").parked, 0);
    rig_free (rig);
}

static void record_larger_than_the_share_of_the_dead_is_refused_among_them (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 1u << 20;
    rig_t *rig = rig_new (&options);
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "x.dead", &policy);
    peer_t *p = rig_peer (rig, "p");
    peer_post_bulk (p, "x.dead", 1, (1u << 20) / 4); /* it would wait for ever */
    assert_refused (p, "x.dead", 1, 1, ZF_E_TOO_BIG);
    rig_free (rig);
}

static void rejected_request_is_told_and_kept (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t number = peer_request (c, "echo", "a");
    assert_delivered (w, "echo", "a", 1);
    peer_reject (w, "echo", "a", "no idea");
    assert_denied (c, number, ZF_E_REJECTED);
    assert_int_equal (rig_info (rig, "echo.dead").length, 1);
    assert_int_equal (admin_count (c, "requeue", "echo", 0), 1);
    assert_delivered (w, "echo", "a", 1); /* as a job that nobody waits for */
    peer_ack (w, "echo", "a");
    assert_silence (c);
}

static void request_out_of_attempts_is_told (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.max_attempts = 1;
    rig_declare (rig, "echo", &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t number = peer_request (c, "echo", "a");
    assert_delivered (w, "echo", "a", 1);
    peer_drop (w);
    assert_denied (c, number, ZF_E_DEAD);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (dead_letter_tells_queue_reason_and_attempts),
        TEST (dead_letter_tells_why),
        TEST (dead_letter_without_a_reason_says_rejected),
        TEST (reason_of_a_worker_is_cut),
        TEST (dead_letter_keeps_its_properties_less_times),
        TEST (requeued_records_begin_anew),
        TEST (requeued_record_has_no_death_and_its_id_is_no_duplicate),
        TEST (requeued_record_with_large_properties_keeps_them),
        TEST (discarded_dead_letters_are_gone),
        TEST (dead_letter_queue_can_be_chosen_or_off),
        TEST (dead_letters_of_several_queues_in_one_do_not_mix),
        TEST (dead_letters_of_a_dead_letter_queue_are_dropped),
        TEST (name_too_long_for_a_dead_letter_queue_has_none),
        TEST (dead_letter_queue_at_its_cap_drops_by_its_rule),
        TEST (dead_letter_queue_nobody_declared_is_bounded_and_counts_no_attempts),
        cmocka_unit_test (dead_letters_do_not_keep_the_living_out),
        cmocka_unit_test (posts_that_wait_among_the_dead_do_not_keep_the_living_waiting),
        cmocka_unit_test (record_larger_than_the_share_of_the_dead_is_refused_among_them),
        TEST (rejected_request_is_told_and_kept),
        TEST (request_out_of_attempts_is_told),
    };
    return cmocka_run_group_tests_name ("dead", tests, NULL, NULL);
}
