/* Requests and answers. */
#include "tests/core/rig.h"

static void request_is_answered (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t number = peer_request (c, "echo", "hello");
    assert_delivered (w, "echo", "hello", 1);
    peer_answer (w, "echo", "hello", "world", false);
    assert_answered (c, number, "world", false);
    assert_silence (c);
    assert_int_equal (rig_info (rig, "echo").length, 0);
    assert_int_equal (rig_info (rig, "echo").acked, 1);
    assert_null (c->session->requests);
}

static void request_says_that_a_reply_is_wanted_a_post_does_not (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 10);
    peer_consume (w, "echo", 0);
    peer_post (c, "echo", "post");
    peer_request (c, "echo", "request");
    peer_consume (w, "echo", 10);
    for (uint64_t wanted = 0; wanted < 2; wanted++) {
        zf_reader_t r = zf_reader (w->inbox->control);
        zf_mp_array (&r);
        zf_mp_uint (&r);
        zf_mp_bytes (&r);
        zf_mp_uint (&r);
        assert_int_equal (zf_mp_uint (&r), 1); /* attempt */
        assert_int_equal (zf_mp_uint (&r), 30000);
        assert_int_equal (zf_mp_uint (&r), wanted);
        assert_delivered (w, "echo", wanted ? "request" : "post", 1);
    }
}

static void answer_in_parts_comes_in_parts (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t number = peer_request (c, "echo", "count");
    assert_delivered (w, "echo", "count", 1);
    peer_answer (w, "echo", "count", "one", true);
    peer_answer (w, "echo", "count", "two", true);
    assert_answered (c, number, "one", true);
    assert_answered (c, number, "two", true);
    assert_int_equal (rig_info (rig, "echo").leased, 1);
    peer_answer (w, "echo", "count", "three", false);
    assert_answered (c, number, "three", false);
    assert_int_equal (rig_info (rig, "echo").length, 0);
}

static void large_answer_is_passed_on_as_it_came (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    peer_request (c, "echo", "a");
    assert_delivered (w, "echo", "a", 1);
    zf_frame_t *answer = wire_bulk (peer_held (w, "echo", "a"), 1, 100000);
    zf_bytes_t sent = zf_bytes (answer->data, answer->size);
    uint8_t copy[64];
    memcpy (copy, sent.data, sizeof copy);
    zf_writer_t control = wire_control (ZF_CMD_ANSWER, 2);
    wire_put_text (&control, "echo");
    zf_mp_put_bool (&control, false);
    peer_write (w, &control, answer);
    assert_int_equal (c->inbox->command, ZF_CMD_REPLY);
    assert_int_equal (c->inbox->body.size, ZF_BATCH_HEADER + 4 + 100000);
    assert_memory_equal (c->inbox->body.data, copy, sizeof copy);
    zf_batch_t batch;
    assert_int_equal (zf_batch_decode (c->inbox->body, &batch), 0);
}

static void several_requests_are_answered_by_one_command (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 10);
    uint64_t first = peer_request (c, "echo", "a b");
    assert_delivered (w, "echo", "a b", 1);
    peer_answer (w, "echo", "a", "x y", false);
    assert_answered (c, first, "x", false);
    assert_answered (c, first + 1, "y", false);
}

static void ack_of_a_request_is_an_empty_answer (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t number = peer_request (c, "echo", "a");
    assert_delivered (w, "echo", "a", 1);
    peer_ack (w, "echo", "a");
    assert_answered (c, number, "", false);
}

static void answer_to_a_post_is_an_ack (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    peer_post (c, "echo", "a");
    assert_confirmed (c, "echo", 1, 1);
    assert_delivered (w, "echo", "a", 1);
    peer_answer (w, "echo", "a", "x", false);
    assert_silence (c);
    assert_int_equal (rig_info (rig, "echo").acked, 1);
    assert_int_equal (rig->engine->counters.answers_dropped, 0);
}

static void answer_of_who_does_not_hold_it_is_stale (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w1 = rig_worker (rig, "w1", "echo", 1);
    peer_t *w2 = rig_worker (rig, "w2", "echo", 1);
    peer_request (c, "echo", "a");
    assert_delivered (w1, "echo", "a", 1);
    zf_writer_t control = wire_control (ZF_CMD_ANSWER, 2);
    wire_put_text (&control, "echo");
    zf_mp_put_bool (&control, false);
    peer_write (w2, &control, wire_batch (peer_held (w1, "echo", "a"), "x", NULL));
    assert_int_equal (rig->engine->counters.stale, 1);
    control = wire_control (ZF_CMD_ANSWER, 2);
    wire_put_text (&control, "nowhere");
    zf_mp_put_bool (&control, false);
    peer_write (w2, &control, wire_batch (0, "x", NULL));
    assert_int_equal (rig->engine->counters.stale, 2);
    assert_silence (c);
}

static void request_goes_to_another_when_its_worker_dies (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w1 = rig_worker (rig, "w1", "echo", 1);
    uint64_t number = peer_request (c, "echo", "a");
    assert_delivered (w1, "echo", "a", 1);
    peer_t *w2 = rig_worker (rig, "w2", "echo", 1);
    peer_drop (w1);
    assert_delivered (w2, "echo", "a", 2);
    peer_answer (w2, "echo", "a", "b", false);
    assert_answered (c, number, "b", false);
}

static void request_sent_again_while_pending_is_not_queued_again (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_request (c, "echo", "a b");
    c->requested = 0;
    peer_request (c, "echo", "a b c");
    assert_int_equal (rig_info (rig, "echo").length, 3);
    peer_drop (c);
    peer_reconnect (c);
    c->requested = 0;
    peer_request (c, "echo", "a b c");
    assert_int_equal (rig_info (rig, "echo").length, 3);
}

static void request_that_will_not_wait_is_told_that_nobody_is_there (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    uint64_t number = peer_request_with (c, "echo", "a", 0, ZF_ASK_FAIL_FAST);
    assert_denied (c, number, ZF_E_NO_SERVICE);
    assert_int_equal (rig_info (rig, "echo").length, 0);
}

static void request_that_will_not_wait_is_told_that_all_are_busy (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    uint64_t first = peer_request_with (c, "echo", "a", 0, ZF_ASK_FAIL_FAST);
    assert_delivered (w, "echo", "a", 1);
    uint64_t second = peer_request_with (c, "echo", "b", 0, ZF_ASK_FAIL_FAST);
    assert_denied (c, second, ZF_E_BUSY);
    peer_answer (w, "echo", "a", "x", false);
    assert_answered (c, first, "x", false);
}

static void requests_and_posts_do_not_travel_in_one_batch (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_post (c, "echo", "a b");
    peer_request (c, "echo", "c d");
    peer_post (c, "echo", "e");
    peer_t *w = rig_worker (rig, "w", "echo", 10);
    size_t sizes[] = {2, 2, 1};
    for (size_t i = 0; i < 3; i++) {
        uint64_t first, count;
        assert_true (take_batch (w, &first, &count));
        assert_int_equal (count, sizes[i]);
    }
    assert_silence (w);
}

static void requests_of_a_purged_queue_are_answered (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    uint64_t first = peer_request (c, "echo", "a b");
    peer_admin (rig_peer (rig, "p"), "purge", "echo", NULL);
    assert_denied (c, first, ZF_E_REJECTED);
    assert_denied (c, first + 1, ZF_E_REJECTED);
}

static void request_with_a_delay_waits (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "echo", 1);
    zf_props_t props;
    zf_props_defaults (&props);
    props.delay_ms = 1000;
    zf_writer_t control = wire_control (ZF_CMD_REQUEST, 3);
    wire_put_text (&control, "echo");
    zf_mp_put_uint (&control, 0);
    zf_mp_put_uint (&control, 0);
    peer_write (c, &control, wire_batch (1, "a", &props));
    assert_silence (w);
    rig_advance (rig, 1000);
    assert_delivered (w, "echo", "a", 1);
    peer_answer (w, "echo", "a", "b", false);
    assert_answered (c, 1, "b", false);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (request_is_answered),
        TEST (request_says_that_a_reply_is_wanted_a_post_does_not),
        TEST (answer_in_parts_comes_in_parts),
        TEST (large_answer_is_passed_on_as_it_came),
        TEST (several_requests_are_answered_by_one_command),
        TEST (ack_of_a_request_is_an_empty_answer),
        TEST (answer_to_a_post_is_an_ack),
        TEST (answer_of_who_does_not_hold_it_is_stale),
        TEST (request_goes_to_another_when_its_worker_dies),
        TEST (request_sent_again_while_pending_is_not_queued_again),
        TEST (request_that_will_not_wait_is_told_that_nobody_is_there),
        TEST (request_that_will_not_wait_is_told_that_all_are_busy),
        TEST (requests_and_posts_do_not_travel_in_one_batch),
        TEST (requests_of_a_purged_queue_are_answered),
        TEST (request_with_a_delay_waits),
    };
    return cmocka_run_group_tests_name ("request", tests, NULL, NULL);
}
