/* A subscriber and what a broker may say to it: order, what is lost on the way, what is gone. */
#include "tests/devices/stage.h"
#include "tests/patterns/script.h"

#define GAPS_MAX 8

static struct {
    script_t broker;
    zf_subscriber_t *subscriber;
    zf_gap_t gaps[GAPS_MAX];
    size_t gap_count;
    uint64_t number; /* of the subscription asked for last, */
    uint64_t from;   /* and where from */
    uint64_t value;
} play;

static void on_gap (void *arg, const zf_gap_t *gap)
{
    (void) arg;
    must (play.gap_count < GAPS_MAX);
    play.gaps[play.gap_count++] = *gap;
}

static zf_subscriber_t *open_with (zf_subscriber_options_t *options)
{
    const char *endpoint = play.broker.endpoint;
    options->endpoints = &endpoint;
    options->on_gap = on_gap;
    if (zf_subscriber_open (&play.subscriber, options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return play.subscriber;
}

static zf_subscriber_t *open_one (void)
{
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    return open_with (&options);
}

static int begin_play (void **state)
{
    (void) state;
    memset (&play, 0, sizeof play);
    script_open (&play.broker, "the journal");
    return 0;
}

static int end_play (void **state)
{
    zf_subscriber_close (&play.subscriber);
    script_close (&play.broker);
    return stage_clear (state);
}

/* The peer asks for a subscription. */
static void hear_subscribe (void)
{
    zf_reader_t r;
    script_expect (&play.broker, ZF_CMD_SUBSCRIBE, &r);
    play.number = zf_mp_uint (&r);
    zf_bytes_t stream = zf_mp_bytes (&r);
    assert_memory_equal (stream.data, "events", stream.size);
    play.from = zf_mp_uint (&r);
    play.value = zf_mp_uint (&r);
    assert_false (r.failed);
}

static void hear_subscribe_at (uint64_t offset)
{
    hear_subscribe ();
    assert_int_equal (play.from, ZF_FROM_OFFSET);
    assert_int_equal (play.value, offset);
}

/* Records with ids that follow on from `first`, as many as there are words. */
static void say_events (uint64_t first, uint64_t to, const char *bodies)
{
    script_events_t events = {
        .number = play.number, .from = first, .to = to, .first = first, .bodies = bodies};
    script_events (&play.broker, &events);
}

static zf_message_t take_one (void)
{
    zf_message_t message;
    if (zf_subscriber_recv (play.subscriber, &message, PATIENCE_MS, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return message;
}

/* Receives this and gives it back. */
static void expect (uint64_t id, const char *body)
{
    zf_message_t message = take_one ();
    assert_int_equal (message.id, id);
    assert_int_equal (message.size, strlen (body));
    assert_memory_equal (message.body, body, message.size);
    assert_int_equal (zf_subscriber_ack (play.subscriber, &message), 0);
}

static zf_subscriber_stats_t stats (void)
{
    zf_subscriber_stats_t out;
    zf_subscriber_stats (play.subscriber, &out);
    return out;
}

static void expect_gap (size_t i, uint64_t from, uint64_t to, uint64_t count)
{
    assert_true (play.gap_count > i);
    assert_int_equal (play.gaps[i].from, from);
    assert_int_equal (play.gaps[i].to, to);
    assert_int_equal (play.gaps[i].count, count);
    assert_true (strlen (play.gaps[i].why) > 0);
}

/* In force, with 10 as the next offset. */
static void open_at_10 (void)
{
    open_one ();
    hear_subscribe ();
    script_subscribed (&play.broker, play.number, 10, 0);
    assert_int_equal (zf_subscriber_ready (play.subscriber, PATIENCE_MS, &stage.err), 0);
}

/* -- the plain course -------------------------------------------------------------------------- */

static void subscription_says_what_it_wants (void **state)
{
    static const char *const patterns[] = {"a.*", "b.>"};
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.stream = "events";
    options.patterns = patterns;
    options.pattern_count = 2;
    options.start = (zf_start_t){ZF_FROM_LAST, 7};
    options.window_bytes = 100000;
    open_with (&options);
    zf_reader_t r;
    script_expect (&play.broker, ZF_CMD_SUBSCRIBE, &r);
    assert_int_equal (zf_mp_uint (&r), 1);
    zf_mp_bytes (&r);
    assert_int_equal (zf_mp_uint (&r), ZF_FROM_LAST);
    assert_int_equal (zf_mp_uint (&r), 7);
    assert_int_equal (zf_mp_uint (&r), 100000);
    assert_int_equal (zf_mp_uint (&r), ZF_MAKE_STREAM);
    assert_int_equal (zf_mp_array (&r), 2);
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("a.*")));
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("b.>")));
    assert_true (zf_reader_done (&r));
}

static void ready_waits_for_the_answer (void **state)
{
    open_one ();
    hear_subscribe ();
    assert_int_equal (play.from, ZF_FROM_NEW);
    assert_false (stats ().in_force);
    assert_int_equal (zf_subscriber_ready (play.subscriber, 20, &stage.err), ZF_E_TIMEOUT);
    script_subscribed (&play.broker, play.number, 10, 0);
    assert_int_equal (zf_subscriber_ready (play.subscriber, PATIENCE_MS, &stage.err), 0);
    assert_true (stats ().in_force);
}

static void records_come_in_order_with_their_ids (void **state)
{
    open_at_10 ();
    say_events (10, 12, "a b");
    say_events (12, 13, "c");
    expect (10, "a");
    expect (11, "b");
    expect (12, "c");
    assert_int_equal (stats ().received, 3);
    assert_int_equal (stats ().position, 13);
    assert_int_equal (stats ().refills, 0);
    assert_int_equal (play.gap_count, 0);
}

static void spans_tell_which_ids_are_left_out (void **state)
{
    static const uint64_t spans[] = {2, 3, 1, 10, 1, 0};
    script_events_t events = {
        .from = 10, .to = 40, .first = 12, .time_ms = 77, .spans = spans, .bodies = "a b c d"};
    open_at_10 ();
    events.number = play.number;
    script_events (&play.broker, &events);
    zf_message_t message = take_one ();
    assert_int_equal (message.id, 12);
    assert_int_equal (message.time_ms, 77);
    assert_string_equal (message.queue, "events");
    assert_int_equal (zf_subscriber_ack (play.subscriber, &message), 0);
    assert_int_equal (zf_subscriber_ack (play.subscriber, &message), ZF_E_INVAL); /* it is void */
    expect (13, "b");
    expect (17, "c");
    expect (28, "d");
    say_events (40, 41, "e");
    expect (40, "e");
    assert_int_equal (stats ().refills, 0);
}

static void position_may_change_without_records (void **state)
{
    open_at_10 ();
    script_events_t events = {.number = play.number, .from = 10, .to = 50, .bodies = ""};
    script_events (&play.broker, &events);
    say_events (50, 51, "a");
    expect (50, "a");
    assert_int_equal (stats ().refills, 0);
}

static void what_is_there_already_is_left_out (void **state)
{
    open_at_10 ();
    say_events (10, 12, "a b");
    say_events (10, 12, "a b");
    say_events (11, 14, "b c d");
    expect (10, "a");
    expect (11, "b");
    expect (12, "c");
    expect (13, "d");
    assert_int_equal (zf_subscriber_recv (play.subscriber, &(zf_message_t){0}, 0, NULL),
                      ZF_E_AGAIN);
    assert_int_equal (stats ().refills, 0);
}

/* -- reading, and room for more ---------------------------------------------------------------- */

static uint64_t hear_read (void)
{
    zf_reader_t r;
    script_expect (&play.broker, ZF_CMD_READ, &r);
    assert_int_equal (zf_mp_uint (&r), play.number);
    return zf_mp_uint (&r);
}

static void read_is_told_in_order_though_given_back_in_disorder (void **state)
{
    open_at_10 ();
    say_events (10, 11, "a");
    say_events (11, 12, "b");
    say_events (12, 13, "c");
    zf_message_t a = take_one ();
    zf_message_t b = take_one ();
    zf_message_t c = take_one ();
    zf_subscriber_ack (play.subscriber, &b);
    zf_subscriber_ack (play.subscriber, &c);
    assert_memory_equal (a.body, "a", 1); /* still there */
    zf_subscriber_ack (play.subscriber, &a);
    assert_int_equal (hear_read (), 13);
}

static void read_is_told_soon_though_it_is_little (void **state)
{
    open_at_10 ();
    say_events (10, 12, "a b");
    expect (10, "a");
    expect (11, "b");
    assert_int_equal (hear_read (), 12); /* by the keeper: nobody calls */
}

static void read_is_told_after_a_quarter_of_the_window (void **state)
{
    char bodies[2 * 10001];
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.window_bytes = 65536;
    open_with (&options);
    hear_subscribe ();
    script_subscribed (&play.broker, play.number, 1, 0);
    memset (bodies, 'x', sizeof bodies);
    bodies[10000] = ' ';
    bodies[20001] = '\0';
    say_events (1, 3, bodies);
    zf_message_t first = take_one ();
    zf_message_t second = take_one ();
    zf_subscriber_ack (play.subscriber, &first);
    zf_subscriber_ack (play.subscriber, &second);
    assert_int_equal (hear_read (), 3);
}

/* -- lost on the way --------------------------------------------------------------------------- */

static void lost_frame_is_asked_for_again (void **state)
{
    open_at_10 ();
    say_events (10, 12, "a b");
    say_events (14, 16, "e f"); /* "c d" was lost */
    uint64_t old = play.number;
    hear_subscribe_at (12);
    assert_int_not_equal (play.number, old);
    script_events_t stale = {.number = old, .from = 16, .to = 17, .first = 16, .bodies = "g"};
    script_events (&play.broker, &stale);
    script_subscribed (&play.broker, play.number, 12, 0);
    say_events (12, 17, "c d e f g");
    expect (10, "a");
    expect (11, "b");
    expect (12, "c");
    expect (13, "d");
    expect (14, "e");
    expect (15, "f");
    expect (16, "g");
    assert_int_equal (stats ().refills, 1);
    assert_int_equal (play.gap_count, 0);
}

static void damaged_batch_is_asked_for_again (void **state)
{
    open_at_10 ();
    script_events_t events = {.number = play.number, .from = 10, .to = 12, .first = 10};
    events.bodies = "a b";
    events.damaged = true;
    script_events (&play.broker, &events);
    hear_subscribe_at (10);
    script_subscribed (&play.broker, play.number, 10, 0);
    say_events (10, 12, "a b");
    expect (10, "a");
    expect (11, "b");
    assert_int_equal (stats ().refills, 1);
}

static void batch_that_is_damaged_each_time_is_a_gap (void **state)
{
    open_at_10 ();
    script_events_t events = {.from = 10, .to = 12, .first = 10, .bodies = "a b", .damaged = true};
    for (int i = 0; i < 3; i++) {
        events.number = play.number;
        script_events (&play.broker, &events);
        if (i == 2)
            break;
        hear_subscribe_at (10);
        script_subscribed (&play.broker, play.number, 10, 0);
    }
    say_events (12, 13, "c");
    expect (12, "c");
    assert_int_equal (play.gap_count, 1);
    expect_gap (0, 10, 12, 0);
}

static void damage_behind_us_is_no_step_back (void **state)
{
    open_at_10 ();
    say_events (10, 14, "a b c d");
    script_events_t events = {.number = play.number, .from = 10, .to = 12, .first = 10};
    events.bodies = "a b";
    events.damaged = true;
    for (int i = 0; i < 3; i++)
        script_events (&play.broker, &events);
    say_events (12, 15, "c d e");
    expect (10, "a");
    expect (11, "b");
    expect (12, "c");
    expect (13, "d");
    expect (14, "e");
    assert_int_equal (play.gap_count, 0);
    assert_int_equal (stats ().refills, 0);
}

/* Three records it says, of which there is one. */
static void say_malformed (uint64_t first, uint64_t to)
{
    script_events_t events = {.number = play.number, .from = first, .to = to, .first = first};
    events.bodies = "aaaaaaaa";
    events.lacking = 2;
    script_events (&play.broker, &events);
}

static void rest_of_a_malformed_batch_is_a_gap (void **state)
{
    open_at_10 ();
    say_malformed (10, 13);
    say_events (13, 14, "d");
    expect (10, "aaaaaaaa");
    expect (13, "d");
    assert_int_equal (play.gap_count, 1);
    expect_gap (0, 11, 13, 2);
}

static void malformed_batch_that_is_there_in_part_is_a_gap (void **state)
{
    open_at_10 ();
    say_events (10, 12, "a b");
    say_malformed (10, 13);
    say_events (13, 14, "d");
    expect (10, "a");
    expect (11, "b");
    expect (13, "d");
    assert_int_equal (play.gap_count, 1);
    expect_gap (0, 12, 13, 1);
}

static void spans_that_do_not_match_are_damage (void **state)
{
    static const uint64_t spans[] = {2, 3, 2, 0};
    open_at_10 ();
    script_events_t events = {.number = play.number, .from = 10, .to = 20, .first = 10};
    events.spans = spans;
    events.bodies = "a b c";
    script_events (&play.broker, &events);
    hear_subscribe_at (10);
}

static void answer_that_was_lost_is_told_by_the_records (void **state)
{
    open_one ();
    hear_subscribe ();
    say_events (10, 12, "a b"); /* SUBSCRIBED has not come */
    expect (10, "a");
    expect (11, "b");
    assert_true (stats ().in_force);
}

static void question_that_was_lost_is_asked_again (void **state)
{
    open_one ();
    hear_subscribe ();
    uint64_t number = play.number;
    hear_subscribe (); /* some time later */
    assert_int_equal (play.number, number);
    assert_int_equal (play.from, ZF_FROM_NEW);
}

static void second_answer_skips_nothing (void **state)
{
    open_one ();
    hear_subscribe ();
    hear_subscribe (); /* the answer takes its time, so it was asked again, from the end */
    script_subscribed (&play.broker, play.number, 10, 0);
    assert_int_equal (zf_subscriber_ready (play.subscriber, PATIENCE_MS, &stage.err), 0);
    say_events (10, 11, "a");
    expect (10, "a");
    script_subscribed (&play.broker, play.number, 15, 0); /* where the end is meanwhile */
    hear_subscribe_at (11);
    script_subscribed (&play.broker, play.number, 11, 0);
    say_events (11, 13, "b c");
    expect (11, "b");
    expect (12, "c");
    assert_int_equal (play.gap_count, 0);
}

static void second_answer_that_tells_nothing_new_is_none (void **state)
{
    open_one ();
    hear_subscribe ();
    hear_subscribe ();
    script_subscribed (&play.broker, play.number, 10, 0);
    script_subscribed (&play.broker, play.number, 10, 0);
    say_events (10, 12, "a b");
    expect (10, "a");
    expect (11, "b");
    assert_int_equal (stats ().refills, 0);
}

static void answer_that_was_lost_may_have_told_of_a_gap (void **state)
{
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.start = (zf_start_t){ZF_FROM_OFFSET, 5};
    open_with (&options);
    hear_subscribe_at (5);
    say_events (8, 9, "a"); /* SUBSCRIBED, with the number of those that are gone, has not come */
    hear_subscribe_at (5);
    script_subscribed (&play.broker, play.number, 8, 3);
    say_events (8, 9, "a");
    expect (8, "a");
    expect_gap (0, 5, 8, 3);
}

/* The peer asks where the other side is. */
static uint64_t hear_question (void)
{
    zf_reader_t r;
    uint64_t to;
    do {
        script_expect (&play.broker, ZF_CMD_READ, &r);
        zf_mp_uint (&r);
        to = zf_mp_uint (&r);
    } while (!zf_mp_bool (&r));
    return to;
}

static void say_position (uint64_t from, uint64_t to)
{
    script_events_t events = {.number = play.number, .from = from, .to = to, .bodies = ""};
    script_events (&play.broker, &events);
}

static void silence_is_asked_about (void **state)
{
    open_at_10 ();
    say_events (10, 11, "a");
    expect (10, "a");
    assert_int_equal (hear_question (), 11);
    say_position (11, 11);
    assert_int_equal (hear_question (), 11); /* less and less often */
    say_position (13, 13);                   /* "b c" was lost, and nothing came behind */
    hear_subscribe_at (11);
    script_subscribed (&play.broker, play.number, 11, 0);
    say_events (11, 13, "b c");
    expect (11, "b");
    expect (12, "c");
    assert_int_equal (stats ().refills, 1);
}

static void nobody_is_asked_while_records_are_held (void **state)
{
    zf_reader_t r;
    open_at_10 ();
    say_events (10, 11, "a");
    zf_message_t held = take_one ();
    uint64_t until = zf_clock_ms () + 1500;
    AWAIT ((zf_subscriber_process (play.subscriber), zf_clock_ms () >= until));
    zf_subscriber_ack (play.subscriber, &held);
    script_expect (&play.broker, ZF_CMD_READ, &r);
    assert_int_equal (zf_mp_uint (&r), play.number);
    assert_int_equal (zf_mp_uint (&r), 11); /* the first that is heard of it */
    assert_true (zf_reader_done (&r));      /* and no question */
}

static void nothing_is_asked_for_while_too_much_is_held (void **state)
{
    char body[50001];
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.window_bytes = 65536;
    open_with (&options);
    hear_subscribe ();
    script_subscribed (&play.broker, play.number, 10, 0);
    memset (body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    say_events (10, 11, body);
    zf_message_t held = take_one ();
    say_events (12, 13, "c"); /* "b" was lost */
    AWAIT ((zf_subscriber_process (play.subscriber), stats ().refills == 1));
    zf_reader_t r;
    uint64_t until = zf_clock_ms () + 100;
    AWAIT (zf_clock_ms () >= until);
    zf_subscriber_ack (play.subscriber, &held);
    script_expect (&play.broker, ZF_CMD_UNSUBSCRIBE, &r); /* only now */
    assert_true (zf_clock_ms () >= until);
    hear_subscribe_at (11);
}

/* -- gone for good ----------------------------------------------------------------------------- */

static void records_that_retention_took_are_a_gap (void **state)
{
    open_at_10 ();
    say_events (10, 11, "a");
    script_events_t events = {.number = play.number, .from = 11, .to = 32, .missed = 19};
    events.first = 30;
    events.bodies = "b c";
    script_events (&play.broker, &events);
    expect (10, "a");
    assert_int_equal (play.gap_count, 0); /* it comes behind that */
    expect (30, "b");
    expect_gap (0, 11, 30, 19);
    expect (31, "c");
    assert_int_equal (stats ().gaps, 1);
    assert_int_equal (stats ().missed, 19);
}

static void gap_without_records_is_told_at_once (void **state)
{
    open_at_10 ();
    script_events_t events = {.number = play.number, .from = 10, .to = 20, .missed = 10};
    events.bodies = "";
    script_events (&play.broker, &events);
    zf_message_t none;
    assert_int_equal (zf_subscriber_recv (play.subscriber, &none, 100, NULL), ZF_E_TIMEOUT);
    expect_gap (0, 10, 20, 10);
}

static void offset_that_is_gone_is_a_gap (void **state)
{
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.start = (zf_start_t){ZF_FROM_OFFSET, 5};
    open_with (&options);
    hear_subscribe_at (5);
    script_subscribed (&play.broker, play.number, 8, 3);
    say_events (8, 9, "a");
    expect (8, "a");
    expect_gap (0, 5, 8, 3);
}

static void session_that_is_new_goes_on_where_it_was (void **state)
{
    open_at_10 ();
    say_events (10, 12, "a b");
    expect (10, "a");
    script_reset (&play.broker, "the journal");
    hear_subscribe_at (12);
    assert_false (stats ().in_force);
    script_subscribed (&play.broker, play.number, 14, 2);
    say_events (14, 15, "e");
    expect (11, "b"); /* it had come */
    assert_int_equal (play.gap_count, 0);
    expect (14, "e");
    expect_gap (0, 12, 14, 2);
    assert_int_equal (stats ().reconnects, 1);
    assert_int_equal (stats ().refills, 0);
}

static void another_source_begins_anew_behind_a_gap (void **state)
{
    open_at_10 ();
    say_events (10, 12, "a b");
    expect (10, "a");
    script_reset (&play.broker, "another");
    hear_subscribe ();
    assert_int_equal (play.from, ZF_FROM_FIRST);
    script_subscribed (&play.broker, play.number, 1000, 0);
    say_events (1000, 1001, "x");
    expect (11, "b");
    expect (1000, "x");
    assert_int_equal (play.gap_count, 1);
    expect_gap (0, 12, 1000, 0);
    script_reset (&play.broker, "another");
    hear_subscribe_at (1001); /* known by now */
}

/* -- refused, closed --------------------------------------------------------------------------- */

static void refusal_is_told_to_all_who_wait (void **state)
{
    zf_message_t none;
    open_one ();
    hear_subscribe ();
    script_refused (&play.broker, play.number, ZF_E_INVAL, "it is a queue");
    assert_int_equal (zf_subscriber_ready (play.subscriber, PATIENCE_MS, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "it is a queue"));
    assert_int_equal (zf_subscriber_recv (play.subscriber, &none, -1, &stage.err), ZF_E_INVAL);
    script_reset (&play.broker, "the journal");
    hear_subscribe (); /* in a new session it may be taken */
    script_subscribed (&play.broker, play.number, 10, 0);
    assert_int_equal (zf_subscriber_ready (play.subscriber, PATIENCE_MS, &stage.err), 0);
}

static void subscription_that_ends_hands_out_what_came_before (void **state)
{
    zf_message_t none;
    open_at_10 ();
    say_events (10, 12, "a b");
    script_refused (&play.broker, play.number, ZF_E_NOT_FOUND, "the stream was forgotten");
    expect (10, "a");
    expect (11, "b");
    assert_int_equal (zf_subscriber_recv (play.subscriber, &none, -1, &stage.err), ZF_E_NOT_FOUND);
    assert_false (stats ().in_force);
}

/* Answers the question whether the group is there. Returns where it is to begin. */
static uint64_t answer_group (int code, const char *text)
{
    zf_reader_t r;
    script_expect (&play.broker, ZF_CMD_ADMIN, &r);
    uint64_t number = zf_mp_uint (&r);
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("stream")));
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("events")));
    script_result (&play.broker, number, 0, "");
    script_expect (&play.broker, ZF_CMD_ADMIN, &r);
    number = zf_mp_uint (&r);
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("group")));
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("events@g")));
    zf_mp_map (&r);
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("from")));
    uint64_t from = zf_mp_uint (&r);
    script_result (&play.broker, number, code, text);
    return from;
}

static void group_is_made_before_it_is_consumed (void **state)
{
    zf_reader_t r;
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.group = "g";
    open_with (&options);
    answer_group (0, "");
    script_expect (&play.broker, ZF_CMD_CONSUME, &r);
    assert_true (zf_bytes_equal (zf_mp_bytes (&r), zf_bytes_of ("events@g")));
    assert_int_equal (zf_subscriber_ready (play.subscriber, PATIENCE_MS, &stage.err), 0);
    assert_true (stats ().in_force);
}

/* What another run has got, it got after the group was there. */
static void group_that_was_lost_begins_with_the_first_record (void **state)
{
    zf_reader_t r;
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.group = "g";
    options.start.from = ZF_FROM_NEW;
    open_with (&options);
    assert_int_equal (answer_group (0, ""), ZF_FROM_NEW);
    script_expect (&play.broker, ZF_CMD_CONSUME, &r);
    script_reset (&play.broker, "the journal");
    assert_int_equal (answer_group (0, ""), ZF_FROM_NEW); /* it knows where it is */
    script_expect (&play.broker, ZF_CMD_CONSUME, &r);
    script_reset (&play.broker, "another");
    assert_int_equal (answer_group (0, ""), ZF_FROM_FIRST);
    script_expect (&play.broker, ZF_CMD_CONSUME, &r);
    script_reset (&play.broker, "another");
    assert_int_equal (answer_group (0, ""), ZF_FROM_NEW);
}

static void group_that_is_refused_is_told (void **state)
{
    zf_message_t none;
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.group = "g";
    open_with (&options);
    answer_group (ZF_E_LIMIT, "too many queues");
    assert_int_equal (zf_subscriber_ready (play.subscriber, PATIENCE_MS, &stage.err), ZF_E_LIMIT);
    assert_int_equal (zf_subscriber_recv (play.subscriber, &none, -1, &stage.err), ZF_E_LIMIT);
    assert_non_null (strstr (stage.err.text, "too many queues"));
    assert_false (stats ().in_force);
}

#define PLAY(name) cmocka_unit_test_setup_teardown (name, begin_play, end_play)

int main (void)
{
    const struct CMUnitTest tests[] = {
        PLAY (subscription_says_what_it_wants),
        PLAY (ready_waits_for_the_answer),
        PLAY (records_come_in_order_with_their_ids),
        PLAY (spans_tell_which_ids_are_left_out),
        PLAY (position_may_change_without_records),
        PLAY (what_is_there_already_is_left_out),
        PLAY (read_is_told_in_order_though_given_back_in_disorder),
        PLAY (read_is_told_soon_though_it_is_little),
        PLAY (read_is_told_after_a_quarter_of_the_window),
        PLAY (lost_frame_is_asked_for_again),
        PLAY (damaged_batch_is_asked_for_again),
        PLAY (batch_that_is_damaged_each_time_is_a_gap),
        PLAY (damage_behind_us_is_no_step_back),
        PLAY (rest_of_a_malformed_batch_is_a_gap),
        PLAY (malformed_batch_that_is_there_in_part_is_a_gap),
        PLAY (spans_that_do_not_match_are_damage),
        PLAY (answer_that_was_lost_is_told_by_the_records),
        PLAY (question_that_was_lost_is_asked_again),
        PLAY (second_answer_skips_nothing),
        PLAY (second_answer_that_tells_nothing_new_is_none),
        PLAY (answer_that_was_lost_may_have_told_of_a_gap),
        PLAY (silence_is_asked_about),
        PLAY (nobody_is_asked_while_records_are_held),
        PLAY (nothing_is_asked_for_while_too_much_is_held),
        PLAY (records_that_retention_took_are_a_gap),
        PLAY (gap_without_records_is_told_at_once),
        PLAY (offset_that_is_gone_is_a_gap),
        PLAY (session_that_is_new_goes_on_where_it_was),
        PLAY (another_source_begins_anew_behind_a_gap),
        PLAY (refusal_is_told_to_all_who_wait),
        PLAY (subscription_that_ends_hands_out_what_came_before),
        PLAY (group_is_made_before_it_is_consumed),
        PLAY (group_that_was_lost_begins_with_the_first_record),
        PLAY (group_that_is_refused_is_told),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
