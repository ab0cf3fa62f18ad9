/* Requests whose answers are kept until they are fetched, in memory. */
#include "tests/core/alloc.h"
#include "tests/core/kept.h"

/* -- answers ----------------------------------------------------------------------------------- */

static void answer_is_there_until_it_is_forgotten (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    work (w, "sum", "2+2", 1, "4");
    assert_fetched (c, await_answer (c, "r1"), "4");
    peer_t *other = rig_peer (rig, "other");
    assert_fetched (other, look_for_answer (other, "r1"), "4");
    assert_int_equal (rig_info (rig, "sum").acked, 1);
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 1);
    assert_outcome (other, forget_answer (other, "r1"), 0, "");
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 0);
    assert_outcome (c, await_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    assert_int_equal (kept_count (rig), 0);
}

static void fetch_before_the_answer_waits_for_it (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "2+2");
    uint64_t number = await_answer (c, "r1");
    rig_advance (rig, 3000);
    assert_silence (c);
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    work (w, "sum", "2+2", 1, "4");
    assert_fetched (c, number, "4");
    assert_silence (c);
}

static void everybody_who_waits_gets_it (void **state)
{
    rig_t *rig = *state;
    static const char *const names[] = {"c1", "c2", "c3"};
    peer_t *c[3];
    uint64_t numbers[3];
    submit (rig_peer (rig, "p"), "sum", "r1", "2+2");
    for (int i = 0; i < 3; i++) {
        c[i] = rig_peer (rig, names[i]);
        numbers[i] = await_answer (c[i], "r1");
    }
    work (rig_worker (rig, "w", "sum", 1), "sum", "2+2", 1, "4");
    for (int i = 0; i < 3; i++)
        assert_fetched (c[i], numbers[i], "4");
}

static void session_waits_for_an_id_once (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "2+2");
    submit (c, "sum", "r2", "3+3");
    uint64_t first = await_answer (c, "r1");
    uint64_t other = await_answer (c, "r2");
    uint64_t second = await_answer (c, "r1");
    assert_outcome (c, first, ZF_E_AGAIN, zf_kept_words (ZF_E_AGAIN));
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    work (w, "sum", "2+2", 1, "4");
    assert_fetched (c, second, "4");
    work (w, "sum", "3+3", 1, "6");
    assert_fetched (c, other, "6");
}

static void look_at_what_is_not_answered_does_not_wait (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "2+2");
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_AGAIN, zf_kept_words (ZF_E_AGAIN));
    assert_outcome (c, forget_answer (c, "r1"), ZF_E_BUSY, zf_kept_words (ZF_E_BUSY));
    work (rig_worker (rig, "w", "sum", 1), "sum", "2+2", 1, "4");
    assert_silence (c);
    assert_fetched (c, look_for_answer (c, "r1"), "4");
}

static void unknown_id_is_not_found (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    assert_outcome (c, await_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    assert_outcome (c, forget_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
}

static void malformed_fetch_is_an_error (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    char id[ZF_ID_MAX + 2];
    memset (id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    await_answer (c, "");
    assert_error (c, ZF_E_PROTO);
    await_answer (c, id);
    assert_error (c, ZF_E_PROTO);
    zf_writer_t w = wire_control (ZF_CMD_FETCH, 1);
    zf_mp_put_uint (&w, 1);
    peer_write (c, &w, NULL);
    assert_error (c, ZF_E_PROTO);
    id[ZF_ID_MAX] = '\0';
    submit (c, "sum", id, "2+2");
    work (rig_worker (rig, "w", "sum", 1), "sum", "2+2", 1, "4");
    assert_fetched (c, await_answer (c, id), "4");
}

static void ack_is_an_empty_answer (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 2);
    submit (c, "sum", "r1", "a");
    submit (c, "sum", "r2", "b");
    assert_delivered (w, "sum", "a b", 1);
    peer_ack (w, "sum", "a b");
    assert_fetched (c, await_answer (c, "r1"), "");
    assert_fetched (c, await_answer (c, "r2"), "");
}

static void parts_are_not_kept_the_end_is (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    uint64_t number = await_answer (c, "r1");
    assert_delivered (w, "sum", "2+2", 1);
    peer_answer (w, "sum", "2+2", "3.9", true);
    assert_silence (c);
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 0);
    peer_answer (w, "sum", "2+2", "4", false);
    assert_fetched (c, number, "4");
}

/* Of the DELIVER on top of the inbox. */
static uint64_t wanted_reply (const peer_t *w)
{
    assert_non_null (w->inbox);
    zf_reader_t r = zf_reader (w->inbox->control);
    zf_mp_array (&r);
    assert_int_equal (zf_mp_uint (&r), ZF_CMD_DELIVER);
    zf_mp_bytes (&r); /* queue, first, attempt, lease_ms */
    zf_mp_uint (&r);
    zf_mp_uint (&r);
    zf_mp_uint (&r);
    return zf_mp_uint (&r);
}

static void worker_is_told_that_an_answer_is_wanted (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "a");
    peer_post (c, "sum", "b");
    peer_t *w = rig_worker (rig, "w", "sum", 2);
    for (uint64_t wanted = 2; wanted-- > 0;) {
        assert_int_equal (wanted_reply (w), wanted);
        assert_delivered (w, "sum", wanted ? "a" : "b", 1);
    }
}

static void frames_and_headers_of_an_answer_are_kept (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "2+2");
    assert_delivered (w, "sum", "2+2", 1);
    zf_bytes_t frames[] = {zf_bytes_of ("fo"), zf_bytes_of (""), zf_bytes_of ("ur")};
    zf_header_t header = {zf_bytes_of ("unit"), zf_bytes_of ("apples")};
    zf_props_t props = {.frames = frames, .frame_count = 3, .headers = &header, .header_count = 1};
    props.id = zf_bytes_of ("its own");
    props.key = zf_bytes_of ("k");
    props.delay_ms = props.ttl_ms = 5;
    props.trace = zf_bytes_of ("00-1-2-03");
    answer_with (w, "sum", "2+2", "four", &props);
    zf_record_t record = take_fetched (c, await_answer (c, "r1"));
    zf_props_view_t view;
    assert_int_equal (zf_props_decode (record.props, record.body.size, &view), 0);
    assert_int_equal (view.frame_count, 3);
    assert_memory_equal (zf_props_frame (&view, record.body, 2).data, "ur", 2);
    assert_int_equal (zf_props_frame (&view, record.body, 1).size, 0);
    assert_memory_equal (zf_props_header (&view, zf_bytes_of ("unit")).data, "apples", 6);
    assert_true (zf_bytes_equal (view.id, zf_bytes_of ("r1")));
    assert_true (zf_bytes_equal (view.trace, props.trace));
    assert_int_equal (view.key.size + view.delay_ms + view.ttl_ms, 0);
}

static void answer_with_all_the_properties_there_may_be_is_kept (void **state)
{
    rig_t *rig = *state;
    char *value = calloc (1, ZF_PROPS_MAX);
    char id[ZF_ID_MAX + 1] = {0};
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    memset (value, 'x', ZF_PROPS_MAX);
    memset (id, 'i', ZF_ID_MAX);
    submit (c, "sum", id, "2+2");
    assert_delivered (w, "sum", "2+2", 1);
    zf_header_t header = {zf_bytes_of ("h"), zf_bytes (value, ZF_PROPS_MAX - 10)};
    zf_props_t props = {.headers = &header, .header_count = 1};
    answer_with (w, "sum", "2+2", "4", &props);
    zf_record_t record = take_fetched (c, await_answer (c, id));
    zf_props_view_t view;
    assert_int_equal (zf_props_decode (record.props, record.body.size, &view), 0);
    assert_int_equal (zf_props_header (&view, header.name).size, ZF_PROPS_MAX - 10);
    free (value);
}

static void answered_request_of_somebody_who_waits_is_kept_too (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    zf_props_t props = kept_props ("r1");
    zf_writer_t control = wire_control (ZF_CMD_REQUEST, 3);
    wire_put_text (&control, "sum");
    zf_mp_put_uint (&control, 0);
    zf_mp_put_uint (&control, 0);
    peer_write (c, &control, wire_batch (1, "2+2", &props));
    work (w, "sum", "2+2", 1, "4");
    assert_answered (c, 1, "4", false);
    assert_fetched (c, await_answer (c, "r1"), "4");
}

/* -- the same id ------------------------------------------------------------------------------- */

static void id_that_is_known_is_confirmed_and_not_taken_again (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *other = rig_peer (rig, "other");
    zf_policy_t policy = rig_policy ();
    policy.dedup_window_ms = 0; /* has nothing to do with it */
    rig_declare (rig, "sum", &policy);
    submit (c, "sum", "r1", "a");
    submit (other, "sum", "r1", "b");
    assert_int_equal (rig_info (rig, "sum").length, 1);
    work (rig_worker (rig, "w", "sum", 2), "sum", "a", 1, "4");
    rig_advance (rig, 3600000);
    submit (rig_peer (rig, "late"), "sum", "r1", "c");
    assert_int_equal (rig_info (rig, "sum").length, 0);
    assert_int_equal (rig_info (rig, "sum").duplicates, 2);
    assert_fetched (other, await_answer (other, "r1"), "4");
}

static void forgotten_id_is_free_after_the_dedup_window (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    work (w, "sum", "a", 1, "4");
    assert_outcome (c, forget_answer (c, "r1"), 0, "");
    submit (c, "sum", "r1", "b"); /* a duplicate, as of any record */
    assert_silence (w);
    rig_advance (rig, 120000);
    submit (c, "sum", "r1", "b");
    work (w, "sum", "b", 1, "5");
    assert_fetched (c, await_answer (c, "r1"), "5");
}

/* -- who waits --------------------------------------------------------------------------------- */

static void session_that_goes_waits_no_more (void **state)
{
    rig_t *rig = *state;
    peer_t *c1 = rig_peer (rig, "c1");
    peer_t *c2 = rig_peer (rig, "c2");
    submit (c1, "sum", "r1", "a");
    submit (c1, "sum", "r2", "b");
    await_answer (c1, "r1");
    await_answer (c1, "r2");
    uint64_t number = await_answer (c2, "r1");
    peer_drop (c1);
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    work (w, "sum", "a", 1, "x");
    work (w, "sum", "b", 1, "y");
    assert_fetched (c2, number, "x");
    peer_reconnect (c1);
    peer_forget_letters (c1);
    assert_fetched (c1, await_answer (c1, "r2"), "y");
}

static void peer_on_a_new_connection_asks_again (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "a");
    await_answer (c, "r1");
    peer_reconnect (c);
    peer_forget_letters (c);
    uint64_t number = await_answer (c, "r1");
    work (rig_worker (rig, "w", "sum", 1), "sum", "a", 1, "x");
    assert_fetched (c, number, "x");
    assert_silence (c);
}

static void session_waits_for_so_many_only (void **state)
{
    rig_t *rig = *state;
    char id[16];
    peer_t *c = rig_peer (rig, "c");
    rig->audits = false;
    for (int i = 0; i <= ZF_FETCHES_MAX; i++) {
        snprintf (id, sizeof id, "r%d", i);
        submit (c, "sum", id, id);
    }
    for (int i = 0; i < ZF_FETCHES_MAX; i++) {
        snprintf (id, sizeof id, "r%d", i);
        await_answer (c, id);
    }
    assert_silence (c);
    snprintf (id, sizeof id, "r%d", ZF_FETCHES_MAX);
    assert_outcome (c, await_answer (c, id), ZF_E_AGAIN, zf_kept_words (ZF_E_AGAIN));
    work (rig_worker (rig, "w", "sum", 1), "sum", "r0", 1, "x");
    peer_forget_letters (c);
    await_answer (c, id);
    assert_silence (c);
}

/* -- the queue of answers ---------------------------------------------------------------------- */

static void answer_lives_for_a_day (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    submit (c, "sum", "r1", "a");
    work (rig_worker (rig, "w", "sum", 1), "sum", "a", 1, "x");
    rig_advance (rig, ZF_REPLIES_TTL - 1000);
    assert_fetched (c, look_for_answer (c, "r1"), "x");
    rig_advance (rig, 2 * 3600 * 1000);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 0);
}

static void answer_lives_as_long_as_was_declared (void **state)
{
    rig_t *rig = *state;
    zf_policy_t policy = rig_policy ();
    policy.ttl_ms = 5000; /* and a dedup window, as queues have it */
    rig_declare (rig, ZF_REPLIES, &policy);
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    work (w, "sum", "a", 1, "x");
    rig_advance (rig, 4000);
    assert_fetched (c, look_for_answer (c, "r1"), "x");
    rig_advance (rig, 2000);
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    peer_t *other = rig_worker (rig, "w2", "other", 1);
    submit (c, "other", "r1", "a"); /* the same id in another queue, which has not seen it */
    work (other, "other", "a", 1, "y");
    assert_fetched (c, look_for_answer (c, "r1"), "y");
}

static void answers_can_be_consumed (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    submit (c, "sum", "r1", "a");
    work (w, "sum", "a", 1, "x");
    peer_t *reader = rig_worker (rig, "reader", ZF_REPLIES, 1);
    assert_delivered (reader, ZF_REPLIES, "x", 1);
    assert_outcome (c, forget_answer (c, "r1"), ZF_E_BUSY, zf_kept_words (ZF_E_BUSY));
    assert_fetched (c, look_for_answer (c, "r1"), "x");
    peer_ack (reader, ZF_REPLIES, "x");
    assert_outcome (c, look_for_answer (c, "r1"), ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
}

static void answers_without_room_are_said_to_be_so (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    options.memory_bytes = 100000;
    rig_t *rig = rig_new (&options);
    char body[40001];
    char id[] = "r0";
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_worker (rig, "w", "sum", 1);
    memset (body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (int i = 0; i < 3; i++) {
        id[1]++;
        submit (c, "sum", id, id);
        work (w, "sum", id, 1, body);
    }
    assert_int_equal (rig_info (rig, ZF_REPLIES).length, 3);
    assert_int_equal (take_fetched (c, look_for_answer (c, "r2")).body.size, 40000);
    assert_outcome (c, look_for_answer (c, "r3"), ZF_E_REJECTED, "no room to keep the answer");
    assert_outcome (c, forget_answer (c, "r1"), 0, "");
    submit (c, "sum", "r4", "r4");
    work (w, "sum", "r4", 1, body);
    assert_int_equal (take_fetched (c, look_for_answer (c, "r4")).body.size, 40000);
    rig_free (rig);
}

static void link_takes_requests_and_leaves_no_answer (void **state)
{
    rig_t *rig = *state;
    peer_t *c = rig_peer (rig, "c");
    peer_t *link = rig_peer (rig, "link");
    submit (c, "sum", "r1", "a");
    uint64_t number = await_answer (c, "r1");
    zf_writer_t w = wire_control (ZF_CMD_CONSUME, 3);
    wire_put_text (&w, "sum");
    zf_mp_put_uint (&w, 10);
    zf_mp_put_uint (&w, ZF_CONSUME_DRAIN);
    peer_write (link, &w, NULL);
    assert_int_equal (wanted_reply (link), 0);
    assert_delivered (link, "sum", "a", 1);
    peer_ack (link, "sum", "a");
    assert_outcome (c, number, ZF_E_NOT_FOUND, zf_kept_words (ZF_E_NOT_FOUND));
    assert_int_equal (kept_count (rig), 0);
}

/* -- out of memory ----------------------------------------------------------------------------- */

static void answer_what_came (peer_t *w)
{
    uint64_t first;
    uint64_t count;
    if (w->inbox == NULL || w->inbox->command != ZF_CMD_DELIVER)
        return;
    take_batch (w, &first, &count);
    zf_writer_t control = wire_control (ZF_CMD_ANSWER, 2);
    wire_put_text (&control, "sum");
    zf_mp_put_bool (&control, false);
    peer_write (w, &control, wire_batch (first, "x", NULL));
}

/* Everything once; the n-th allocation fails. Returns false if there were not so many. */
static bool play (rig_t *rig, size_t n)
{
    peer_t *c = rig_peer (rig, "c");
    peer_t *w = rig_peer (rig, "w");
    zf_props_t props = kept_props ("r1");
    alloc_fail (n, 1);
    peer_post_props (c, "sum", "a", &props);
    await_answer (c, "r1");
    peer_consume (w, "sum", 1);
    answer_what_came (w);
    look_for_answer (c, "r1");
    bool failed = alloc_failures () > 0;
    alloc_fail (0, 0);
    peer_crash (w);
    return failed;
}

/* Whatever was short: then everybody comes back, and the request gets its answer. */
static void recover (rig_t *rig)
{
    peer_t *c = rig_peer (rig, "c2");
    peer_t *w = rig_worker (rig, "w2", "sum", 1);
    zf_props_t props = kept_props ("r1");
    peer_post_props (c, "sum", "a", &props);
    rig_advance (rig, 60000); /* leases run out */
    answer_what_came (w);
    peer_forget_letters (c);
    assert_fetched (c, await_answer (c, "r1"), "x");
}

static void each_allocation_may_fail (void **state)
{
    (void) state;
    size_t failing = 1;
    bool failed = true;
    for (; failed; failing++) {
        rig_t *rig = rig_new (NULL);
        failed = play (rig, failing);
        recover (rig);
        rig_free (rig);
    }
    assert_true (failing > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown (name, rig_setup, rig_teardown)

int main (void)
{
    const struct CMUnitTest tests[] = {
        TEST (answer_is_there_until_it_is_forgotten),
        TEST (fetch_before_the_answer_waits_for_it),
        TEST (everybody_who_waits_gets_it),
        TEST (session_waits_for_an_id_once),
        TEST (look_at_what_is_not_answered_does_not_wait),
        TEST (unknown_id_is_not_found),
        TEST (malformed_fetch_is_an_error),
        TEST (ack_is_an_empty_answer),
        TEST (parts_are_not_kept_the_end_is),
        TEST (worker_is_told_that_an_answer_is_wanted),
        TEST (frames_and_headers_of_an_answer_are_kept),
        TEST (answer_with_all_the_properties_there_may_be_is_kept),
        TEST (answered_request_of_somebody_who_waits_is_kept_too),
        TEST (id_that_is_known_is_confirmed_and_not_taken_again),
        TEST (forgotten_id_is_free_after_the_dedup_window),
        TEST (session_that_goes_waits_no_more),
        TEST (peer_on_a_new_connection_asks_again),
        TEST (session_waits_for_so_many_only),
        TEST (answer_lives_for_a_day),
        TEST (answer_lives_as_long_as_was_declared),
        TEST (answers_can_be_consumed),
        TEST (answers_without_room_are_said_to_be_so),
        TEST (link_takes_requests_and_leaves_no_answer),
        cmocka_unit_test (each_allocation_may_fail),
    };
    return cmocka_run_group_tests_name ("keep", tests, NULL, NULL);
}
