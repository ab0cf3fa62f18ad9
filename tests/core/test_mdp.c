/* Majordomo as the RFCs have it: what goes in, and what comes out of it, byte for byte. */
#include "tests/core/majordomo.h"

/* -- requests and replies ---------------------------------------------------------------------- */

static void mdp1_conversation_is_byte_for_byte_rfc_7 (void **state)
{
    case_t *c = *state;
    talk_say (c->talk, "w", "|MDPW01|\1|echo");
    talk_expect_silence (c->talk, "w");
    talk_say (c->talk, "client", "|MDPC01|echo|hello");
    talk_expect (c->talk, "w", "|MDPW01|\2|client||hello");
    talk_say (c->talk, "w", "|MDPW01|\3|client||world");
    talk_expect (c->talk, "client", "|MDPC01|echo|world");
    talk_advance (c->talk, TALK_BEAT_MS);
    talk_expect (c->talk, "w", "|MDPW01|\4");
    talk_say (c->talk, "w", "|MDPW01|\2");
    talk_expect (c->talk, "w", "|MDPW01|\5");
}

static void mdp2_conversation_is_byte_for_byte_rfc_18 (void **state)
{
    case_t *c = *state;
    talk_say (c->talk, "w", "MDPW02|\1|echo");
    talk_expect_silence (c->talk, "w");
    talk_say (c->talk, "client", "MDPC02|\1|echo|hello");
    talk_expect (c->talk, "w", "MDPW02|\2|client||hello");
    talk_say (c->talk, "w", "MDPW02|\3|client||wor");
    talk_expect (c->talk, "client", "MDPC02|\2|echo|wor");
    talk_say (c->talk, "w", "MDPW02|\4|client||ld");
    talk_expect (c->talk, "client", "MDPC02|\3|echo|ld");
    talk_advance (c->talk, TALK_BEAT_MS);
    talk_expect (c->talk, "w", "MDPW02|\5");
    talk_say (c->talk, "w", "MDPW02|\2");
    talk_expect (c->talk, "w", "MDPW02|\6");
}

static void request_and_reply_pass (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "hello");
    expect_request (c, "w", "client", "hello");
    answer (c, "w", "client", "world");
    expect_reply (c, "client", "world");
    talk_expect_silence (c->talk, "w");
    talk_expect_silence (c->talk, "client");
    expect_rest (c);
}

static void request_waits_until_a_worker_is_there (void **state)
{
    case_t *c = *state;
    ask (c, "client", "early");
    talk_advance (c->talk, 3000);
    ready (c, "w");
    expect_request (c, "w", "client", "early");
}

static void frames_of_a_body_pass_as_they_are (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "one||three|");
    expect_request (c, "w", "client", "one||three|");
    answer (c, "w", "client", "|b|c");
    expect_reply (c, "client", "|b|c");
}

static void body_of_one_empty_frame_passes (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "");
    expect_request (c, "w", "client", "");
    answer (c, "w", "client", "");
    expect_reply (c, "client", "");
}

static void zero_bytes_and_large_frames_pass (void **state)
{
    case_t *c = *state;
    static uint8_t large[40000];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t) (i * 7);
    zf_bytes_t frames[] = {zf_bytes ("", 0), zf_bytes_of ("MDPC01"), zf_bytes_of ("echo"),
                           zf_bytes (large, sizeof large), zf_bytes (large, 3)};
    talk_say (c->talk, "w", "|MDPW01|\1|echo");
    talk_say_frames (c->talk, "client", frames, 5);
    const talk_message_t *message = talk_take (c->talk, "w");
    assert_int_equal (message->count, 7);
    assert_true (zf_bytes_equal (message->frames[5], frames[3]));
    assert_true (zf_bytes_equal (message->frames[6], frames[4]));
}

static void requests_of_a_client_are_answered_each (void **state)
{
    case_t *c = *state;
    ready (c, "w1");
    ready (c, "w2");
    ask (c, "client", "a");
    ask (c, "client", "b");
    expect_request (c, "w1", "client", "a");
    expect_request (c, "w2", "client", "b");
    answer (c, "w2", "client", "B");
    answer (c, "w1", "client", "A");
    expect_reply (c, "client", "B");
    expect_reply (c, "client", "A");
}

static void worker_gets_one_request_at_a_time (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "c1", "a");
    ask (c, "c2", "b");
    expect_request (c, "w", "c1", "a");
    talk_expect_silence (c->talk, "w");
    answer (c, "w", "c1", "A");
    expect_request (c, "w", "c2", "b");
}

static void worker_that_waited_longest_is_next (void **state)
{
    case_t *c = *state;
    ready (c, "w1");
    ready (c, "w2");
    for (int i = 0; i < 4; i++) {
        const char *worker = i % 2 == 0 ? "w1" : "w2";
        ask (c, "client", "x");
        expect_request (c, worker, "client", "x");
        answer (c, worker, "client", "y");
        expect_reply (c, "client", "y");
    }
}

static void services_are_apart (void **state)
{
    case_t *c = *state;
    talk_say (c->talk, "w", "%s\1|other", c->v->worker);
    ask (c, "client", "x");
    talk_expect_silence (c->talk, "w");
    ready (c, "w1");
    expect_request (c, "w1", "client", "x");
}

/* -- across versions --------------------------------------------------------------------------- */

static void client_1_is_served_by_worker_2 (void **state)
{
    case_t *c = *state;
    talk_say (c->talk, "w", "MDPW02|\1|echo");
    talk_say (c->talk, "client", "|MDPC01|echo|a|b");
    talk_expect (c->talk, "w", "MDPW02|\2|client||a|b");
    talk_say (c->talk, "w", "MDPW02|\4|client||c");
    talk_expect (c->talk, "client", "|MDPC01|echo|c");
}

static void client_2_is_served_by_worker_1 (void **state)
{
    case_t *c = *state;
    talk_say (c->talk, "w", "|MDPW01|\1|echo");
    talk_say (c->talk, "client", "MDPC02|\1|echo|a");
    talk_expect (c->talk, "w", "|MDPW01|\2|client||a");
    talk_say (c->talk, "w", "|MDPW01|\3|client||b");
    talk_expect (c->talk, "client", "MDPC02|\3|echo|b");
}

static void client_1_gets_the_final_reply_only (void **state)
{
    case_t *c = *state;
    talk_say (c->talk, "w", "MDPW02|\1|echo");
    talk_say (c->talk, "client", "|MDPC01|echo|a");
    talk_expect (c->talk, "w", "MDPW02|\2|client||a");
    talk_say (c->talk, "w", "MDPW02|\3|client||part");
    talk_expect_silence (c->talk, "client");
    assert_int_equal (c->counters->answers_dropped, 1);
    talk_say (c->talk, "w", "MDPW02|\4|client||all");
    talk_expect (c->talk, "client", "|MDPC01|echo|all");
}

static void parts_come_in_order_and_keep_the_worker_busy (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "a");
    ask (c, "client", "b");
    expect_request (c, "w", "client", "a");
    for (int i = 0; i < 3; i++) {
        talk_say (c->talk, "w", "MDPW02|\3|client||part|%d", i);
        talk_expect (c->talk, "client", "MDPC02|\2|echo|part|%d", i);
        talk_expect_silence (c->talk, "w");
    }
    answer (c, "w", "client", "end");
    expect_reply (c, "client", "end");
    expect_request (c, "w", "client", "b");
}

static void part_renews_the_lease (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ready (c, "w2");
    ask (c, "client", "a");
    expect_request (c, "w", "client", "a");
    for (int i = 0; i < 4; i++) { /* two leases long */
        for (int k = 0; k < 5; k++) {
            talk_advance (c->talk, TALK_LEASE_MS / 10);
            heartbeat (c, "w");
            heartbeat (c, "w2");
        }
        talk_say (c->talk, "w", "MDPW02|\3|client||part");
        talk_expect (c->talk, "client", "MDPC02|\2|echo|part");
    }
    answer (c, "w", "client", "end");
    expect_reply (c, "client", "end");
}

/* -- the management interface ------------------------------------------------------------------ */

static void mmi (case_t *c, const char *service, const char *body, const char *code)
{
    talk_say (c->talk, "client", "%s%s|%s", c->v->request, service, body);
    talk_expect (c->talk, "client", "%s%s|%s", c->v->reply, service, code);
}

static void mmi_service_tells_whether_a_worker_is_there (void **state)
{
    case_t *c = *state;
    mmi (c, "mmi.service", "echo", "404");
    ask (c, "c1", "makes the queue");
    mmi (c, "mmi.service", "echo", "404");
    ready (c, "w");
    mmi (c, "mmi.service", "echo", "200");
    talk_say (c->talk, "w", "%s%s", c->v->worker, c->v->disconnect);
    mmi (c, "mmi.service", "echo", "404");
}

static void mmi_service_counts_busy_workers (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "c1", "x");
    mmi (c, "mmi.service", "echo", "200");
}

static void mmi_of_odd_names_is_404 (void **state)
{
    case_t *c = *state;
    mmi (c, "mmi.service", "", "404");
    mmi (c, "mmi.service", "mmi.service", "404");
}

static void other_mmi_services_are_501 (void **state)
{
    case_t *c = *state;
    mmi (c, "mmi.filter", "echo", "501");
    mmi (c, "mmi.", "", "501");
    mmi (c, "mmi.service2", "echo", "501");
    assert_int_equal (c->counters->peer_errors, 0);
}

/* -- coming and going -------------------------------------------------------------------------- */

static void worker_is_sent_heartbeats (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    for (int i = 0; i < 5; i++) {
        talk_advance (c->talk, TALK_BEAT_MS - 1);
        talk_expect_silence (c->talk, "w");
        heartbeat (c, "w");
        talk_advance (c->talk, 1);
        expect_heartbeat (c, "w");
    }
    talk_expect_silence (c->talk, "w");
}

static void worker_silent_for_three_intervals_is_ended (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    talk_advance (c->talk, 3 * TALK_BEAT_MS - 1);
    assert_int_equal (talk_skip (c->talk, "w"), 2);
    talk_advance (c->talk, 1);
    expect_expelled (c, "w");
    mmi (c, "mmi.service", "echo", "404");
}

static void silence_counts_from_the_last_sign_of_life (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    talk_advance (c->talk, TALK_BEAT_MS / 2);
    heartbeat (c, "w");
    talk_advance (c->talk, 3 * TALK_BEAT_MS - 1);
    assert_int_equal (talk_skip (c->talk, "w"), 3);
    talk_advance (c->talk, 1);
    expect_expelled (c, "w");
}

static void silent_worker_loses_its_request_at_once (void **state)
{
    case_t *c = *state;
    ready (c, "w1");
    ask (c, "client", "x");
    expect_request (c, "w1", "client", "x");
    talk_advance (c->talk, TALK_BEAT_MS / 2);
    ready (c, "w2");
    talk_advance (c->talk, 5 * TALK_BEAT_MS / 2 - 1);
    talk_skip (c->talk, "w2");
    talk_advance (c->talk, 1);
    expect_request (c, "w2", "client", "x");
    answer (c, "w2", "client", "y");
    expect_reply (c, "client", "y");
}

static void anything_said_is_a_sign_of_life (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    for (int i = 0; i < 3; i++) {
        ask (c, "client", "x");
        expect_request (c, "w", "client", "x");
        talk_advance (c->talk, 2 * TALK_BEAT_MS);
        answer (c, "w", "client", "y");
        assert_int_equal (talk_skip (c->talk, "w"), 2);
        talk_advance (c->talk, TALK_BEAT_MS / 2);
        talk_skip (c->talk, "w");
    }
    assert_non_null (talk_session (c->talk, "w"));
}

static void worker_that_disconnects_hears_nothing_more (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
    talk_say (c->talk, "w", "%s%s", c->v->worker, c->v->disconnect);
    assert_null (talk_session (c->talk, "w"));
    ready (c, "w2");
    expect_request (c, "w2", "client", "x");
    talk_advance (c->talk, 10 * TALK_BEAT_MS);
    talk_expect_silence (c->talk, "w");
    assert_int_equal (c->counters->peer_errors, 0);
}

static void disconnect_before_ready_is_no_error (void **state)
{
    case_t *c = *state;
    talk_say (c->talk, "w", "%s%s", c->v->worker, c->v->disconnect);
    talk_expect_silence (c->talk, "w");
    assert_null (talk_session (c->talk, "w"));
    assert_int_equal (c->counters->peer_errors, 0);
}

static void heartbeat_of_a_stranger_is_answered_with_disconnect (void **state)
{
    case_t *c = *state;
    heartbeat (c, "w");
    expect_expelled (c, "w");
    assert_int_equal (c->counters->peer_errors, 0);
    ready (c, "w");
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
}

static void disconnected_worker_may_register_again (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    talk_say (c->talk, "w", "%s%s", c->v->worker, c->v->disconnect);
    ready (c, "w");
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
}

static void lost_connection_gives_the_request_to_another (void **state)
{
    case_t *c = *state;
    ready (c, "w1");
    ready (c, "w2");
    ask (c, "client", "x");
    expect_request (c, "w1", "client", "x");
    talk_detach (c->talk, "w1");
    expect_request (c, "w2", "client", "x");
    talk_expect_silence (c->talk, "w1");
}

static void idle_client_is_forgotten_without_a_word (void **state)
{
    case_t *c = *state;
    mmi (c, "mmi.service", "echo", "404");
    talk_advance (c->talk, TALK_IDLE_MS - 1);
    assert_non_null (talk_session (c->talk, "client"));
    talk_advance (c->talk, 1);
    assert_null (talk_session (c->talk, "client"));
    talk_expect_silence (c->talk, "client");
    mmi (c, "mmi.service", "echo", "404");
}

static void client_that_waits_is_not_forgotten (void **state)
{
    case_t *c = *state;
    ask (c, "client", "x");
    talk_advance (c->talk, TALK_IDLE_MS + TALK_LEASE_MS - 1);
    ready (c, "w");
    expect_request (c, "w", "client", "x");
    answer (c, "w", "client", "y");
    expect_reply (c, "client", "y");
    talk_advance (c->talk, 2 * TALK_IDLE_MS);
    assert_null (talk_session (c->talk, "client"));
}

static void request_of_a_client_that_left_is_dropped (void **state)
{
    case_t *c = *state;
    ask (c, "client", "x");
    talk_detach (c->talk, "client");
    ready (c, "w");
    talk_expect_silence (c->talk, "w");
    assert_int_equal (c->counters->abandoned, 1);
    expect_rest (c);
}

static void reply_to_a_client_that_left_is_dropped (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    ask (c, "client", "x");
    expect_request (c, "w", "client", "x");
    talk_detach (c->talk, "client");
    answer (c, "w", "client", "y");
    assert_int_equal (c->counters->answers_dropped, 1);
    assert_int_equal (c->counters->stale, 0);
    expect_rest (c);
    ask (c, "c2", "z");
    expect_request (c, "w", "c2", "z");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        majordomo_case (mdp1_conversation_is_byte_for_byte_rfc_7, 1),
        majordomo_case (mdp2_conversation_is_byte_for_byte_rfc_18, 2),
        majordomo_cases (request_and_reply_pass),
        majordomo_cases (request_waits_until_a_worker_is_there),
        majordomo_cases (frames_of_a_body_pass_as_they_are),
        majordomo_cases (body_of_one_empty_frame_passes),
        majordomo_case (zero_bytes_and_large_frames_pass, 1),
        majordomo_cases (requests_of_a_client_are_answered_each),
        majordomo_cases (worker_gets_one_request_at_a_time),
        majordomo_cases (worker_that_waited_longest_is_next),
        majordomo_cases (services_are_apart),
        majordomo_case (client_1_is_served_by_worker_2, 1),
        majordomo_case (client_2_is_served_by_worker_1, 1),
        majordomo_case (client_1_gets_the_final_reply_only, 1),
        majordomo_case (parts_come_in_order_and_keep_the_worker_busy, 2),
        majordomo_case (part_renews_the_lease, 2),
        majordomo_cases (mmi_service_tells_whether_a_worker_is_there),
        majordomo_cases (mmi_service_counts_busy_workers),
        majordomo_cases (mmi_of_odd_names_is_404),
        majordomo_cases (other_mmi_services_are_501),
        majordomo_cases (worker_is_sent_heartbeats),
        majordomo_cases (worker_silent_for_three_intervals_is_ended),
        majordomo_cases (silence_counts_from_the_last_sign_of_life),
        majordomo_cases (silent_worker_loses_its_request_at_once),
        majordomo_cases (anything_said_is_a_sign_of_life),
        majordomo_cases (worker_that_disconnects_hears_nothing_more),
        majordomo_cases (disconnect_before_ready_is_no_error),
        majordomo_cases (heartbeat_of_a_stranger_is_answered_with_disconnect),
        majordomo_cases (disconnected_worker_may_register_again),
        majordomo_cases (lost_connection_gives_the_request_to_another),
        majordomo_cases (idle_client_is_forgotten_without_a_word),
        majordomo_cases (client_that_waits_is_not_forgotten),
        majordomo_cases (request_of_a_client_that_left_is_dropped),
        majordomo_cases (reply_to_a_client_that_left_is_dropped),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
