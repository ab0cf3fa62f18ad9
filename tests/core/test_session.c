/* Sessions: greeting, heartbeats, silence, reconnects, limits; which queues are kept. */
#include "tests/core/rig.h"

static zf_engine_options_t limits (uint32_t queues, uint32_t sessions)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.max_queues = queues;
    options.max_sessions = sessions;
    return options;
}

/* -- greeting ---------------------------------------------------------------------------------- */

static void say_hello (peer_t *peer, uint64_t version, const void *uuid, size_t uuid_size)
{
    zf_writer_t w = wire_control (ZF_CMD_HELLO, 3);
    zf_mp_put_uint (&w, version);
    zf_mp_put_bin (&w, zf_bytes (uuid, uuid_size));
    zf_mp_put_map (&w, 0);
    peer_write (peer, &w, NULL);
}

static void stranger_is_told_to_say_hello (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "p");
    peer_post (p, "jobs", "a");
    assert_reset (p);
    assert_int_equal (rig_info (rig, "jobs").length, 0);
    peer_hello (p);
    peer_post_again (p, "jobs", 1, "a", 1);
    assert_confirmed (p, "jobs", 1, 1);
}

static void first_message_tells_that_a_peer_is_native (void **state)
{
    (void) state;
    static const struct {
        const char *bytes;
        size_t size, count; /* of the first frame; frames */
        bool native;
    } messages[] = {{"", 0, 1, true},         {"", 0, 2, false},       {"\x91\x03", 2, 1, true},
                    {"\x94\x01", 2, 2, true}, {"MDPC02", 6, 2, false}, {"READY", 5, 1, false}};
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        zf_frame_t *frame = wire_frame (messages[i].bytes, messages[i].size);
        zf_frame_t *frames[] = {frame, frame};
        bool native = zf_dialect_native.matches (frames, messages[i].count);
        assert_int_equal (native, messages[i].native);
        zf_frame_drop (frame);
    }
}

static void probe_is_answered_with_reset (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "p");
    peer_send (p, wire_frame ("", 0), NULL);
    assert_reset (p);
}

static void hello_is_answered_with_what_the_broker_expects (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "p");
    say_hello (p, ZF_NATIVE_VERSION + 5, p->uuid, sizeof p->uuid);
    assert_int_equal (p->inbox->command, ZF_CMD_WELCOME);
    zf_reader_t r = zf_reader (p->inbox->control);
    assert_int_equal (zf_mp_array (&r), 4);
    zf_mp_uint (&r);
    assert_int_equal (zf_mp_uint (&r), ZF_NATIVE_VERSION);
    assert_int_equal (zf_mp_bytes (&r).size, ZF_UUID_BYTES);
    uint64_t values[8] = {0};
    for (uint32_t pairs = zf_mp_map (&r); pairs > 0; pairs--) {
        uint64_t option = zf_mp_uint (&r);
        assert_in_range (option, 1, 7);
        if (option == ZF_OPTION_SOURCE)
            assert_int_equal (zf_mp_bytes (&r).size, ZF_UUID_BYTES);
        else
            values[option] = zf_mp_uint (&r);
    }
    assert_true (zf_reader_done (&r));
    assert_int_equal (values[ZF_OPTION_HEARTBEAT], rig->engine->options.heartbeat_ms);
    assert_int_equal (values[ZF_OPTION_IDLE], rig->engine->options.client_idle_ms);
    assert_int_equal (values[ZF_OPTION_WINDOW], rig->engine->options.window_bytes);
    assert_int_equal (values[ZF_OPTION_MAX_MESSAGE], rig->engine->options.max_message_bytes);
    assert_int_equal (values[ZF_OPTION_SYNC], ZF_SYNC_NONE);
}

static void hello_of_no_version_we_know_is_refused (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "p");
    say_hello (p, 0, p->uuid, sizeof p->uuid);
    assert_error (p, ZF_E_VERSION);
    assert_false (p->session->greeted);
}

static void hello_without_an_identity_is_refused (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "p");
    say_hello (p, 1, p->uuid, 15);
    assert_error (p, ZF_E_PROTO);
}

static void hello_twice_is_welcome_with_the_same_identity_only (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_hello (p);
    say_hello (p, 1, "another identity", 16);
    assert_error (p, ZF_E_PROTO);
}

static void name_of_a_peer_is_made_printable_and_short (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "p");
    char name[200];
    memset (name, 'x', sizeof name);
    name[1] = '\n';
    name[2] = '\0';
    zf_writer_t w = wire_control (ZF_CMD_HELLO, 3);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_bin (&w, zf_bytes (p->uuid, sizeof p->uuid));
    zf_mp_put_map (&w, 3);
    zf_mp_put_uint (&w, 99);
    zf_mp_put_map (&w, 0);
    zf_mp_put_uint (&w, ZF_OPTION_NAME);
    zf_mp_put_str (&w, zf_bytes (name, sizeof name));
    zf_mp_put_uint (&w, ZF_OPTION_NAME);
    zf_mp_put_str (&w, zf_bytes ("", 0));
    peer_write (p, &w, NULL);
    assert_int_equal (p->inbox->command, ZF_CMD_WELCOME);
    assert_int_equal (strlen (p->session->name), sizeof p->session->name - 1);
    assert_memory_equal (p->session->name, "x??x", 4);
}

static void peer_without_a_name_is_called_by_its_address (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "a long address");
    assert_string_equal (p->session->name, "61206c6f6e67206164647265");
}

/* -- signs of life ----------------------------------------------------------------------------- */

static void ping_is_answered (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_writer_t w = wire_control (ZF_CMD_PING, 0);
    peer_write (p, &w, NULL);
    assert_int_equal (p->pongs, 1);
    w = wire_control (ZF_CMD_PONG, 0);
    peer_write (p, &w, NULL);
    assert_silence (p);
}

static void silent_worker_loses_its_records (void **state)
{
    rig_t *rig = *state;
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 10);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 10);
    peer_post (w2, "jobs", "a b");
    assert_confirmed (w2, "jobs", 1, 2);
    assert_delivered (w1, "jobs", "a b", 1);
    w1->mute = true;
    uint64_t patience = UINT64_C (3) * rig->engine->options.heartbeat_ms;
    rig_advance (rig, patience - 1);
    assert_silence (w2);
    rig_advance (rig, 1);
    assert_delivered (w2, "jobs", "a b", 2);
    assert_reset (w1);
    assert_null (w1->session);
    assert_non_null (strstr (rig->notices, "jobs: w1: silent"));
    assert_int_equal (rig->engine->counters.sessions_lost, 1);
}

static void worker_that_beats_keeps_its_records (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.lease_ms = 3600 * 1000;
    rig_declare (rig, "jobs", &policy);
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    peer_post (w, "jobs", "a");
    rig_advance (rig, 1000000);
    assert_int_equal (rig_info (rig, "jobs").leased, 1);
    assert_non_null (w->session);
}

/* The shell was held up: what peers said meanwhile is read before anybody counts as silent. */
static void messages_that_lay_unread_count_before_silence (void **state)
{
    rig_t *rig = *state;
    static const uint8_t ping[] = {0x91, ZF_CMD_PING};
    peer_t *w1 = rig_worker (rig, "w1", "jobs", 1);
    peer_t *w2 = rig_worker (rig, "w2", "jobs", 1);
    peer_post (rig_peer (rig, "p"), "jobs", "a b");
    assert_delivered (w1, "jobs", "a", 1);
    assert_delivered (w2, "jobs", "b", 1);
    w2->mute = true;
    uint64_t patience = UINT64_C (3) * rig->engine->options.heartbeat_ms;
    rig->now_ms += patience;
    zf_engine_clock (rig->engine, rig->now_ms);
    peer_send (w1, wire_frame (ping, sizeof ping), NULL);
    rig_advance (rig, patience);
    assert_non_null (w1->session);
    assert_reset (w2); /* it has said nothing */
    assert_int_equal (rig->engine->counters.sessions_lost, 1);
    assert_silence (w1);
    peer_ack (w1, "jobs", "a");
    assert_int_equal (rig_info (rig, "jobs").acked, 1);
    assert_delivered (w1, "jobs", "b", 2);
}

static void silent_client_is_forgotten_later (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    c->mute = true;
    rig_advance (rig, rig->engine->options.client_idle_ms - 1);
    assert_non_null (c->session);
    rig_advance (rig, 1);
    assert_reset (c);
    assert_null (c->session);
}

static void stranger_that_says_nothing_is_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_stranger (rig, "p");
    p->mute = true;
    rig_advance (rig, rig->engine->options.client_idle_ms);
    assert_null (p->session);
    assert_int_equal (rig->engine->counters.sessions, 0);
}

/* The shell finds that the connection is gone when it wants to say farewell. */
static void connection_that_breaks_at_the_farewell_is_forgotten_once (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_effect_t effect;
    zf_session_end (p->session, "test");
    zf_engine_decide (rig->engine);
    assert_true (zf_engine_effect (rig->engine, &effect));
    zf_engine_detach (effect.session);
    p->session = NULL;
    assert_null (zf_engine_left (rig->engine));
    zf_engine_sent (rig->engine);
    assert_int_equal (rig->engine->counters.sessions, 0);
    rig_turn (rig);
}

/* What was meant for a connection is not sent over it once it is known to be gone. */
static void effects_for_a_broken_connection_are_skipped (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_effect_t effect;
    zf_frame_t *ping = wire_frame ("\x91\x03", 2);
    zf_engine_input (p->session, &ping, 1);
    zf_frame_drop (ping);
    zf_engine_detach (p->session);
    p->session = NULL;
    zf_engine_decide (rig->engine);
    assert_false (zf_engine_effect (rig->engine, &effect));
    zf_engine_sent (rig->engine);
    rig_turn (rig);
}

static void message_from_the_other_side_of_the_end_is_ignored (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_frame_t *bye = wire_frame ("\x91\x05", 2);
    zf_frame_t *ping = wire_frame ("\x91\x03", 2);
    zf_engine_input (p->session, &bye, 1);
    zf_engine_input (p->session, &ping, 1); /* in the same turn */
    zf_frame_drop (bye);
    zf_frame_drop (ping);
    rig_turn (rig);
    assert_int_equal (p->pongs, 0);
    assert_silence (p);
    assert_null (p->session);
}

/* -- coming back ------------------------------------------------------------------------------- */

static void peer_on_a_new_connection_takes_over_its_session (void **state)
{
    rig_t *rig = *state;
    peer_t *w = rig_worker (rig, "w", "jobs", 10);
    peer_post (w, "jobs", "a");
    assert_confirmed (w, "jobs", 1, 1);
    assert_delivered (w, "jobs", "a", 1);
    zf_session_t *old = w->session;
    peer_reconnect (w);
    assert_non_null (w->session);
    assert_true (old != w->session);
    assert_int_equal (rig->engine->counters.sessions, 1);
    assert_int_equal (rig_info (rig, "jobs").workers, 0);
    assert_int_equal (rig_info (rig, "jobs").leased, 0);
}

static void request_outlives_its_clients_connection (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    uint64_t number = peer_request (c, "echo", "a");
    peer_drop (c);
    assert_int_equal (rig_info (rig, "echo").length, 1);
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    assert_delivered (w, "echo", "a", 1);
    peer_reconnect (c);
    peer_forget_letters (c);
    peer_answer (w, "echo", "a", "b", false);
    assert_answered (c, number, "b", false);
}

static void request_is_dropped_when_its_client_does_not_come_back (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_request (c, "echo", "a b");
    peer_drop (c);
    rig_advance (rig, 9999);
    assert_int_equal (rig_info (rig, "echo").length, 2);
    rig_advance (rig, 1);
    assert_int_equal (rig_info (rig, "echo").length, 0);
    assert_int_equal (rig->engine->counters.abandoned, 2);
    assert_int_equal (rig->engine->counters.sessions, 0);
}

static void answer_for_a_client_that_is_away_is_dropped_and_counted (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    peer_request (c, "echo", "a");
    assert_delivered (w, "echo", "a", 1);
    peer_drop (c);
    peer_answer (w, "echo", "a", "b", false);
    assert_int_equal (rig->engine->counters.answers_dropped, 1);
    assert_int_equal (rig_info (rig, "echo").length, 0);
}

static void request_at_a_worker_when_its_client_leaves_is_finished (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    peer_request (c, "echo", "a b");
    assert_delivered (w, "echo", "a", 1);
    peer_bye (c);
    assert_int_equal (rig_info (rig, "echo").length, 1);
    peer_answer (w, "echo", "a", "x", false);
    assert_silence (w);
    assert_int_equal (rig_info (rig, "echo").length, 0);
}

/* -- limits ------------------------------------------------------------------------------------ */

static void sessions_are_limited (void **state)
{
    (void) state;
    zf_engine_options_t options = limits (10, 2);
    rig_t *rig = rig_new (&options);
    peer_t *a = rig_peer (rig, "a");
    rig_peer (rig, "b");
    peer_t *c = rig_stranger (rig, "c");
    assert_null (c->session);
    assert_int_equal (rig->engine->counters.sessions_refused, 1);
    peer_bye (a);
    peer_reconnect (c);
    assert_non_null (c->session);
    rig_free (rig);
}

static void queues_are_limited_idle_ones_make_room (void **state)
{
    (void) state;
    zf_engine_options_t options = limits (2, 10);
    rig_t *rig = rig_new (&options);
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "one", 1);
    peer_post (p, "two", "a");
    assert_confirmed (p, "two", 1, 1);
    peer_post (p, "three", "a");
    assert_refused (p, "three", 1, 1, ZF_E_LIMIT);
    peer_bye (w);
    peer_post_again (p, "three", 1, "a", 1);
    assert_confirmed (p, "three", 1, 1);
    assert_null (zf_engine_find (rig->engine, zf_bytes_of ("one")));
    rig_free (rig);
}

static void declared_queue_never_makes_room (void **state)
{
    (void) state;
    zf_engine_options_t options = limits (1, 10);
    rig_t *rig = rig_new (&options);
    zf_policy_t policy = rig_policy ();
    rig_declare (rig, "jobs", &policy);
    peer_post (rig->admin, "mail", "a");
    assert_refused (rig->admin, "mail", 1, 1, ZF_E_LIMIT);
    rig_free (rig);
}

static void queue_with_a_worker_without_credit_never_makes_room (void **state)
{
    (void) state;
    zf_engine_options_t options = limits (1, 10);
    rig_t *rig = rig_new (&options);
    peer_t *w = rig_worker (rig, "w", "one", 1);
    peer_bye (w); /* "one" is idle now */
    peer_t *w2 = rig_worker (rig, "w2", "one", 0);
    peer_post (w2, "two", "a");
    assert_refused (w2, "two", 1, 1, ZF_E_LIMIT);
    peer_bye (w2);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "two", "a");
    assert_confirmed (p, "two", 1, 1);
    rig_free (rig);
}

static void queue_that_was_emptied_makes_room (void **state)
{
    (void) state;
    zf_engine_options_t options = limits (1, 10);
    rig_t *rig = rig_new (&options);
    peer_t *p = rig_peer (rig, "p");
    peer_post (p, "one", "a");
    peer_admin (p, "purge", "one", NULL);
    peer_forget_letters (p);
    peer_t *w = rig_worker (rig, "w", "two", 2);
    peer_post (p, "two", "a");
    assert_confirmed (p, "two", 1, 1);
    assert_delivered (w, "two", "a", 1);
    peer_ack (w, "two", "a");
    peer_bye (w);
    peer_post (p, "three", "a");
    assert_confirmed (p, "three", 1, 1);
    rig_free (rig);
}

static void consume_beyond_the_limit_is_an_error (void **state)
{
    (void) state;
    zf_engine_options_t options = limits (1, 10);
    rig_t *rig = rig_new (&options);
    peer_t *w = rig_worker (rig, "w", "one", 1);
    peer_consume (w, "two", 1);
    assert_error (w, ZF_E_LIMIT);
    peer_consume (w, "", 1);
    assert_error (w, ZF_E_INVAL);
    uint64_t number = peer_request (w, "two", "a");
    assert_denied (w, number, ZF_E_LIMIT);
    rig_free (rig);
}

static void dead_letters_are_dropped_when_their_queue_can_not_be_made (void **state)
{
    (void) state;
    zf_engine_options_t options = limits (1, 10);
    rig_t *rig = rig_new (&options);
    peer_t *w = rig_worker (rig, "w", "one", 1);
    peer_post (w, "one", "a");
    assert_confirmed (w, "one", 1, 1);
    assert_delivered (w, "one", "a", 1);
    peer_reject (w, "one", "a", "");
    assert_int_equal (rig_info (rig, "one").dropped, 1);
    assert_int_equal (rig_info (rig, "one").dead, 1);
    rig_free (rig);
}

static void notices_are_bounded (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    zf_frame_t *junk = wire_frame ("junk", 4);
    for (int i = 0; i < ZF_NOTICES_MAX + 5; i++)
        zf_engine_input (p->session, &junk, 1);
    zf_frame_drop (junk);
    assert_int_equal (rig->engine->counters.notices_dropped, 5);
    assert_int_equal (rig->engine->notice_count, ZF_NOTICES_MAX);
    rig_turn (rig);
}

/* -- who does not read ------------------------------------------------------------------------- */

static void fill_unread (rig_t *rig, peer_t *p, peer_t *w, int megabytes)
{
    for (int i = 0; i < megabytes && w->session != NULL; i++) {
        peer_post_bulk (p, "jobs", 1, 1 << 20);
        peer_forget_letters (p);
        if (peer_forget_letters (w) > 0)
            peer_settle (w, ZF_CMD_ACK, "jobs", rig_info (rig, "jobs").acked, 1);
    }
}

static void peer_that_reads_is_asked_and_goes_on (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    fill_unread (rig, p, w, 3);
    assert_int_equal (w->pings, 0);
    fill_unread (rig, p, w, 2);
    assert_int_equal (w->pings, 1); /* one question at a time */
    zf_writer_t pong = wire_control (ZF_CMD_PONG, 0);
    peer_write (w, &pong, NULL);
    assert_in_range (w->session->unread_bytes, 1 << 19, 2 << 20);
    assert_int_equal (w->session->probed_bytes, 0);
}

static void peer_that_does_not_read_is_given_up (void **state)
{
    rig_t *rig = *state;
    peer_t *p = rig_peer (rig, "p");
    peer_t *w = rig_worker (rig, "w", "jobs", 1);
    fill_unread (rig, p, w, 300);
    assert_null (w->session);
    assert_int_equal (rig->engine->counters.peers_slow, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (stranger_is_told_to_say_hello),
        TEST (peer_that_reads_is_asked_and_goes_on),
        TEST (peer_that_does_not_read_is_given_up),
        cmocka_unit_test (first_message_tells_that_a_peer_is_native),
        TEST (probe_is_answered_with_reset),
        TEST (hello_is_answered_with_what_the_broker_expects),
        TEST (hello_of_no_version_we_know_is_refused),
        TEST (hello_without_an_identity_is_refused),
        TEST (hello_twice_is_welcome_with_the_same_identity_only),
        TEST (name_of_a_peer_is_made_printable_and_short),
        TEST (peer_without_a_name_is_called_by_its_address),
        TEST (ping_is_answered),
        TEST (silent_worker_loses_its_records),
        TEST (worker_that_beats_keeps_its_records),
        TEST (messages_that_lay_unread_count_before_silence),
        TEST (silent_client_is_forgotten_later),
        TEST (stranger_that_says_nothing_is_forgotten),
        TEST (connection_that_breaks_at_the_farewell_is_forgotten_once),
        TEST (effects_for_a_broken_connection_are_skipped),
        TEST (message_from_the_other_side_of_the_end_is_ignored),
        TEST (peer_on_a_new_connection_takes_over_its_session),
        TEST (request_outlives_its_clients_connection),
        TEST (request_is_dropped_when_its_client_does_not_come_back),
        TEST (answer_for_a_client_that_is_away_is_dropped_and_counted),
        TEST (request_at_a_worker_when_its_client_leaves_is_finished),
        cmocka_unit_test (sessions_are_limited),
        cmocka_unit_test (queues_are_limited_idle_ones_make_room),
        cmocka_unit_test (declared_queue_never_makes_room),
        cmocka_unit_test (queue_with_a_worker_without_credit_never_makes_room),
        cmocka_unit_test (queue_that_was_emptied_makes_room),
        cmocka_unit_test (consume_beyond_the_limit_is_an_error),
        cmocka_unit_test (dead_letters_are_dropped_when_their_queue_can_not_be_made),
        TEST (notices_are_bounded),
    };
    return cmocka_run_group_tests_name ("session", tests, NULL, NULL);
}
