/* Subscribers that read for themselves: where they begin, and that nothing is lost or comes
 * twice. */
#include "tests/patterns/cable.h"
#include "tests/patterns/events.h"

/* -- where it begins --------------------------------------------------------------------------- */

static void new_subscriber_gets_what_comes_from_now_on (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 100);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_DEFAULT, 0);
    publish_numbers (publisher, "t", 100, 50);
    expect_numbers (subscriber, 100, 50);
    expect_none (subscriber);
}

static void first_is_the_oldest_record (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 1000);
    expect_numbers (open_subscriber (broker, NULL, ZF_FROM_FIRST, 0), 0, 1000);
}

static void offset_is_where_another_one_was (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 1000);
    zf_subscriber_t *one = open_subscriber (broker, NULL, ZF_FROM_FIRST, 0);
    uint64_t behind = expect_numbers (one, 0, 333);
    assert_int_equal (stats_of (one).position, behind);
    close_subscriber (one);
    expect_numbers (open_subscriber (broker, NULL, ZF_FROM_OFFSET, behind), 333, 667);
    assert_int_equal (events.gap_count, 0);
}

static void time_begins_at_or_a_little_before (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    uint64_t before = zf_clock_wall_ms () - 1000; /* it is not known to the millisecond */
    publish_numbers (publisher, "t", 0, 10);
    expect_numbers (open_subscriber (broker, NULL, ZF_FROM_TIME, before), 0, 10);
    zf_subscriber_t *later =
        open_subscriber (broker, NULL, ZF_FROM_TIME, zf_clock_wall_ms () + 60000);
    publish_numbers (publisher, "t", 10, 10);
    zf_message_t message = take_event (later);
    assert_true (message.time_ms + 20000 > zf_clock_wall_ms ());
    assert_true (message.time_ms < zf_clock_wall_ms () + 20000);
    assert_int_equal (*(const uint8_t *) message.body, 10);
    ack_event (later, &message);
}

static void last_counts_those_that_match (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    for (int i = 0; i < 50; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        publish (publisher, i % 2 == 0 ? "even" : "odd", text);
    }
    zf_subscriber_t *odd = open_subscriber (broker, "odd", ZF_FROM_LAST, 3);
    expect_event (odd, "odd", "45");
    expect_event (odd, "odd", "47");
    expect_event (odd, "odd", "49");
    zf_subscriber_t *all = open_subscriber (broker, NULL, ZF_FROM_LAST, 2);
    expect_event (all, "even", "48");
    expect_event (all, "odd", "49");
    publish (publisher, "odd", "51");
    expect_event (odd, "odd", "51");
    expect_event (all, "odd", "51");
}

static void subscriber_may_be_there_before_the_stream (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *first = open_subscriber (broker, NULL, ZF_FROM_FIRST, 0);
    zf_subscriber_t *last = open_subscriber (broker, NULL, ZF_FROM_LAST, 5);
    publish_numbers (open_publisher (broker), "t", 0, 10);
    expect_numbers (first, 0, 10);
    expect_numbers (last, 0, 10);
}

static void patterns_choose (void **state)
{
    static const char *const patterns[] = {"orders.*.paid", "log.>"};
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    zf_subscriber_options_t options = subscriber_options (&endpoint, patterns);
    options.pattern_count = 2;
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    zf_publisher_t *publisher = open_publisher (broker);
    publish (publisher, "orders.eu.paid", "1");
    publish (publisher, "orders.eu.sent", "2");
    publish (publisher, "orders.eu.x.paid", "3");
    publish (publisher, "log", "4");
    publish (publisher, "log.a", "5");
    publish (publisher, "log.a.b", "6");
    expect_event (subscriber, "orders.eu.paid", "1");
    expect_event (subscriber, "log.a", "5");
    expect_event (subscriber, "log.a.b", "6");
    expect_none (subscriber);
}

/* -- live -------------------------------------------------------------------------------------- */

#define LIVE 200000

static void *publish_live (void *arg)
{
    publish_numbers (arg, "t", 0, LIVE);
    return NULL;
}

static void replay_goes_live_without_gap_or_repeat (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    pthread_t thread;
    assert_int_equal (pthread_create (&thread, NULL, publish_live, publisher), 0);
    zf_client_t *client = open_client (broker);
    zf_queue_info_t info;
    AWAIT (zf_admin_queue (client, "events", &info, NULL) == 0 && info.length > 1000);
    zf_subscriber_t *one = open_subscriber (broker, NULL, ZF_FROM_FIRST, 0);
    zf_subscriber_t *two = open_subscriber (broker, NULL, ZF_FROM_FIRST, 0);
    expect_numbers (one, 0, LIVE);
    expect_numbers (two, 0, LIVE);
    pthread_join (thread, NULL);
    expect_none (one);
    assert_int_equal (stats_of (one).received, LIVE);
    assert_int_equal (stats_of (one).refills, 0);
    assert_int_equal (events.gap_count, 0);
}

static void each_subscriber_gets_everything_of_its_own (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *all = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    zf_subscriber_t *even = open_subscriber (broker, "n.even", ZF_FROM_NEW, 0);
    zf_subscriber_t *odd = open_subscriber (broker, "n.odd", ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (broker);
    for (uint64_t i = 0; i < 5000; i++)
        assert_int_equal (zf_publisher_publish (publisher, i % 2 == 0 ? "n.even" : "n.odd", &i,
                                                sizeof i, NULL, NULL, NULL),
                          0);
    assert_int_equal (zf_publisher_flush (publisher, -1, NULL), 0);
    expect_numbers (all, 0, 5000);
    for (uint64_t i = 0; i < 5000; i++) {
        zf_message_t message = take_event (i % 2 == 0 ? even : odd);
        assert_memory_equal (message.body, &i, sizeof i);
        ack_event (i % 2 == 0 ? even : odd, &message);
    }
    expect_none (even);
    expect_none (odd);
}

/* -- lost, and found or not -------------------------------------------------------------------- */

static zf_policy_t small_stream (uint64_t max_length)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.kind = ZF_KIND_STREAM;
    policy.max_length = max_length;
    return policy;
}

static uint64_t number_of (const zf_message_t *message)
{
    uint64_t number;
    assert_int_equal (message->size, sizeof number);
    memcpy (&number, message->body, sizeof number);
    return number;
}

static void slow_subscriber_is_told_how_much_it_missed (void **state)
{
    enum { COUNT = 100000 };
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    zf_policy_t policy = small_stream (1000);
    declare (open_client (broker), "events", &policy);
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    options.window_bytes = 65536;
    zf_subscriber_t *slow = open_subscriber_with (&options);
    await_ready (slow);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, COUNT); /* it does not read meanwhile */
    uint64_t received = 0;
    uint64_t missed = 0;
    for (uint64_t next = 0; next < COUNT; received++) {
        size_t gaps = events.gap_count;
        zf_message_t message = take_event (slow);
        uint64_t number = number_of (&message);
        if (events.gap_count > gaps)
            missed += events.gaps[gaps].count;
        else
            assert_int_equal (number, next);
        assert_int_equal (received + missed, number); /* the counts are exact */
        next = number + 1;
        ack_event (slow, &message);
    }
    assert_true (events.gap_count > 0);
    assert_int_equal (received + missed, COUNT);
    zf_subscriber_stats_t stats = stats_of (slow);
    assert_int_equal (stats.gaps, events.gap_count);
    assert_int_equal (stats.missed, missed);
    assert_int_equal (stats.received, received);
}

static void offset_that_retention_took_is_a_gap (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_policy_t policy = small_stream (100);
    declare (open_client (broker), "events", &policy);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 10);
    zf_subscriber_t *one = open_subscriber (broker, NULL, ZF_FROM_FIRST, 0);
    uint64_t behind = expect_numbers (one, 0, 1);
    close_subscriber (one);
    publish_numbers (publisher, "t", 10, 1000);
    zf_subscriber_t *two = open_subscriber (broker, NULL, ZF_FROM_OFFSET, behind);
    zf_message_t message = take_event (two);
    assert_int_equal (events.gap_count, 1);
    assert_int_equal (events.gaps[0].from, behind);
    assert_int_equal (events.gaps[0].to, message.id);
    assert_int_equal (events.gaps[0].count, number_of (&message) - 1);
    ack_event (two, &message);
}

static void lost_connection_costs_nothing (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    cable_t *cable = cable_lay (broker);
    zf_subscriber_t *subscriber = open_subscriber_at (cable_endpoint (cable), NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (broker);
    for (uint64_t i = 0; i < 10; i++) {
        publish_numbers (publisher, "t", 1000 * i, 500);
        expect_numbers (subscriber, 1000 * i, 250);
        cable_cut (cable);
        publish_numbers (publisher, "t", 1000 * i + 500, 500);
        expect_numbers (subscriber, 1000 * i + 250, 750);
    }
    expect_none (subscriber);
    assert_int_equal (events.gap_count, 0);
    assert_true (stats_of (subscriber).reconnects > 0);
    close_subscriber (subscriber);
    cable_remove (&cable);
}

static void dead_connection_is_given_up_and_costs_nothing (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    cable_t *cable = cable_lay (broker);
    const char *endpoint = cable_endpoint (cable);
    const char *all = NULL;
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    options.failover_ms = 700;
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 10);
    expect_numbers (subscriber, 0, 10);
    cable_set (cable, CABLE_DEAD);
    publish_numbers (publisher, "t", 10, 10);
    AWAIT (!stats_of (subscriber).in_force); /* the keeper notices */
    cable_renew (cable);
    expect_numbers (subscriber, 10, 10);
    assert_int_equal (events.gap_count, 0);
    close_subscriber (subscriber);
    cable_remove (&cable);
}

static void broker_with_a_journal_comes_back_and_it_goes_on (void **state)
{
    char endpoint[64];
    zf_device_t *broker = start_durable (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    zf_subscriber_t *subscriber = open_subscriber_at (endpoint, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher_at (endpoint);
    for (uint64_t i = 0; i < 3; i++) {
        publish_numbers (publisher, "t", 1000 * i, 1000);
        expect_numbers (subscriber, 1000 * i, i == 0 ? 500 : 1000);
        if (i == 0)
            expect_numbers (subscriber, 500, 500);
        stop_broker (broker);
        broker = start_durable (endpoint);
    }
    publish_numbers (publisher, "t", 3000, 10);
    expect_numbers (subscriber, 3000, 10);
    expect_numbers (open_subscriber_at (endpoint, NULL, ZF_FROM_FIRST, 0), 0, 3010);
    assert_int_equal (events.gap_count, 0);
    assert_true (stats_of (subscriber).reconnects >= 3);
}

static void broker_without_one_comes_back_and_that_is_a_gap (void **state)
{
    char endpoint[64];
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    zf_subscriber_t *subscriber = open_subscriber_at (endpoint, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher_at (endpoint);
    publish_numbers (publisher, "t", 0, 100);
    expect_numbers (subscriber, 0, 50); /* the others are here, too */
    stop_broker (broker);
    start_broker_at (endpoint);
    publish_numbers (publisher, "t", 100, 100);
    expect_numbers (subscriber, 50, 150);
    assert_int_equal (events.gap_count, 1);
    assert_int_equal (events.gaps[0].count, 0); /* nobody knows */
    assert_true (events.gaps[0].to >= events.gaps[0].from);
    assert_int_equal (stats_of (subscriber).missed, 0);
    assert_int_equal (stats_of (subscriber).gaps, 1);
}

static void next_endpoint_is_tried_when_one_is_silent (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const char *endpoints[] = {"tcp://127.0.0.1:1", endpoint_of (broker)};
    const char *all = NULL;
    zf_subscriber_options_t options = subscriber_options (endpoints, &all);
    options.endpoint_count = 2;
    options.failover_ms = 100;
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    publish_numbers (open_publisher (broker), "t", 0, 10);
    expect_numbers (subscriber, 0, 10);
}

static void stream_with_subscribers_is_not_forgotten (void **state)
{
    zf_message_t none;
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    assert_int_equal (zf_admin_forget (open_client (broker), "events", &stage.err), ZF_E_BUSY);
    assert_int_equal (zf_subscriber_recv (subscriber, &none, 0, NULL), ZF_E_AGAIN);
    assert_true (stats_of (subscriber).in_force);
}

static void queue_is_no_stream (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    zf_message_t none;
    post (open_client (broker), "events", "a job");
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    assert_int_equal (zf_subscriber_ready (subscriber, -1, &stage.err), ZF_E_INVAL);
    assert_int_equal (zf_subscriber_recv (subscriber, &none, -1, &stage.err), ZF_E_INVAL);
    assert_false (stats_of (subscriber).in_force);
}

static void nobody_there_is_said_in_time (void **state)
{
    const char *nobody = "tcp://127.0.0.1:1";
    const char *all = NULL;
    zf_message_t none;
    zf_subscriber_options_t options = subscriber_options (&nobody, &all);
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    uint64_t start = zf_clock_ms ();
    assert_int_equal (zf_subscriber_ready (subscriber, 30, &stage.err), ZF_E_TIMEOUT);
    assert_int_equal (zf_subscriber_recv (subscriber, &none, 30, &stage.err), ZF_E_TIMEOUT);
    assert_in_range (zf_clock_ms () - start, 59, PATIENCE_MS);
    assert_int_equal (zf_subscriber_recv (subscriber, &none, 0, NULL), ZF_E_AGAIN);
}

/* -- messages ---------------------------------------------------------------------------------- */

static void messages_may_be_given_back_in_any_order (void **state)
{
    enum { COUNT = 2000 };
    static zf_message_t held[COUNT];
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        held[i] = take_event (subscriber);
    for (size_t i = 0; i < COUNT; i += 2)
        ack_event (subscriber, &held[i]);
    for (size_t i = 1; i < COUNT; i += 2)
        assert_int_equal (number_of (&held[i]), i); /* valid until then */
    for (size_t i = COUNT; i-- > 0;) {
        if (i % 2 != 0)
            ack_event (subscriber, &held[i]);
        assert_int_equal (zf_subscriber_ack (subscriber, &held[i]), ZF_E_INVAL);
    }
    publish_numbers (publisher, "t", COUNT, 10);
    expect_numbers (subscriber, COUNT, 10);
}

static void what_is_held_bounds_what_comes (void **state)
{
    enum { COUNT = 200, BYTES = 10000 };
    static char body[BYTES];
    static zf_message_t held[COUNT];
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    options.window_bytes = 65536;
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    zf_publisher_t *publisher = open_publisher (broker);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal (
            zf_publisher_publish_confirmed (publisher, "t", body, BYTES, NULL, &stage.err), 0);
    size_t n = 0;
    while (n < COUNT && zf_subscriber_recv (subscriber, &held[n], 100, NULL) == 0)
        n++;
    assert_in_range (n, 5, 20); /* a window, and at most one batch more */
    for (size_t i = 0; i < n; i++)
        ack_event (subscriber, &held[i]);
    for (; n < COUNT; n++) {
        zf_message_t message = take_event (subscriber);
        ack_event (subscriber, &message);
    }
}

static void nack_and_reject_are_acks_when_alone (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    publish_numbers (open_publisher (broker), "t", 0, 3);
    zf_message_t message = take_event (subscriber);
    assert_int_equal (message.attempt, 1);
    assert_int_equal (zf_subscriber_nack (subscriber, &message, 0), 0);
    message = take_event (subscriber);
    assert_int_equal (zf_subscriber_reject (subscriber, &message, "no"), 0);
    assert_null (message.owner);
    expect_numbers (subscriber, 2, 1);
}

static int count_up (void *arg, const zf_message_t *message)
{
    uint64_t *next = arg;
    must (number_of (message) == *next);
    return ++*next == 70 ? 7 : 0;
}

static void run_calls_for_each_message (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    publish_numbers (open_publisher (broker), "t", 0, 100);
    uint64_t next = 0;
    assert_int_equal (zf_subscriber_run (subscriber, count_up, &next, 50, &stage.err), 0);
    assert_int_equal (next, 50);
    assert_int_equal (zf_subscriber_run (subscriber, count_up, &next, 0, &stage.err), 7);
    assert_int_equal (next, 70);
    expect_numbers (subscriber, 70, 30);
}

static void options_out_of_range_are_refused (void **state)
{
    static const char *const wrong[] = {"", "a..b", ".a", "a.>.b", NULL};
    zf_subscriber_t *subscriber = NULL;
    zf_subscriber_options_t options = {0};
    assert_int_equal (zf_subscriber_open (&subscriber, &options, &stage.err), ZF_E_INVAL);
    for (size_t i = 0; wrong[i] != NULL; i++) {
        zf_subscriber_defaults (&options);
        options.patterns = &wrong[i];
        options.pattern_count = 1;
        if (zf_subscriber_open (&subscriber, &options, &stage.err) != ZF_E_INVAL)
            fail_msg ("taken as a pattern: %s", wrong[i]);
    }
    zf_subscriber_defaults (&options);
    options.window_bytes = 65535;
    assert_int_equal (zf_subscriber_open (&subscriber, &options, NULL), ZF_E_INVAL);
    zf_subscriber_defaults (&options);
    options.stream = "";
    assert_int_equal (zf_subscriber_open (&subscriber, &options, NULL), ZF_E_INVAL);
    zf_subscriber_defaults (&options);
    options.group = "a@b";
    assert_int_equal (zf_subscriber_open (&subscriber, &options, NULL), ZF_E_INVAL);
    zf_subscriber_defaults (&options);
    options.start.from = (zf_from_t) 6;
    assert_int_equal (zf_subscriber_open (&subscriber, &options, NULL), ZF_E_INVAL);
    assert_null (subscriber);
    zf_subscriber_close (&subscriber);
    zf_subscriber_close (NULL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        EVENTS_CASE (new_subscriber_gets_what_comes_from_now_on),
        EVENTS_CASE (first_is_the_oldest_record),
        EVENTS_CASE (offset_is_where_another_one_was),
        EVENTS_CASE (time_begins_at_or_a_little_before),
        EVENTS_CASE (last_counts_those_that_match),
        EVENTS_CASE (subscriber_may_be_there_before_the_stream),
        EVENTS_CASE (patterns_choose),
        EVENTS_CASE (replay_goes_live_without_gap_or_repeat),
        EVENTS_CASE (each_subscriber_gets_everything_of_its_own),
        EVENTS_CASE (slow_subscriber_is_told_how_much_it_missed),
        EVENTS_CASE (offset_that_retention_took_is_a_gap),
        EVENTS_CASE (lost_connection_costs_nothing),
        EVENTS_CASE (dead_connection_is_given_up_and_costs_nothing),
        EVENTS_CASE (broker_with_a_journal_comes_back_and_it_goes_on),
        EVENTS_CASE (broker_without_one_comes_back_and_that_is_a_gap),
        EVENTS_CASE (next_endpoint_is_tried_when_one_is_silent),
        EVENTS_CASE (stream_with_subscribers_is_not_forgotten),
        EVENTS_CASE (queue_is_no_stream),
        EVENTS_CASE (nobody_there_is_said_in_time),
        EVENTS_CASE (messages_may_be_given_back_in_any_order),
        EVENTS_CASE (what_is_held_bounds_what_comes),
        EVENTS_CASE (nack_and_reject_are_acks_when_alone),
        EVENTS_CASE (run_calls_for_each_message),
        EVENTS_CASE (options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
