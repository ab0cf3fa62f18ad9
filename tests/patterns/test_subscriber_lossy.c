/* Subscribers behind a relay that loses messages: all records arrive, once and in order. */
#include "tests/patterns/events.h"
#include "tests/patterns/lossy.h"

enum { LOSE_SUBSCRIBED = 1 << 1, LOSE_EVENTS = 1 << 2 };

static lossy_t *relay;

static int end_relay (void **state)
{
    events_clear (state);
    if (relay != NULL)
        lossy_close (&relay);
    return 0;
}

/* A relay that loses nothing yet, and a subscriber behind it. */
static zf_subscriber_t *open_behind (zf_device_t *broker, const char *pattern, unsigned commands)
{
    relay = lossy_open (broker, 0, commands);
    return open_subscriber_at (lossy_endpoint (relay), pattern, ZF_FROM_NEW, 0);
}

static void lost_events_are_fetched_again (void **state)
{
    enum { COUNT = 200000 };
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_behind (broker, NULL, LOSE_EVENTS);
    zf_publisher_t *publisher = open_publisher (broker);
    lossy_set (relay, 7);
    publish_numbers (publisher, "t", 0, COUNT);
    expect_numbers (subscriber, 0, COUNT / 2);
    lossy_set (relay, 0); /* so that the end is not lost again and again */
    publish_numbers (publisher, "t", COUNT, 1);
    expect_numbers (subscriber, COUNT / 2, COUNT / 2 + 1);
    expect_none (subscriber);
    zf_subscriber_stats_t stats = stats_of (subscriber);
    assert_true (lossy_lost (relay) > 0);
    assert_true (stats.refills > 0);
    assert_int_equal (stats.received, COUNT + 1);
    assert_int_equal (stats.missed, 0);
    assert_int_equal (stats.reconnects, 0);
    assert_int_equal (events.gap_count, 0);
}

static void *publish_slowly (void *arg)
{
    for (uint64_t i = 0; i < 2000; i++)
        publish_numbers (arg, i % 2 == 0 ? "t.a" : "t.b", i, 1);
    return NULL;
}

static void small_events_that_match_are_fetched_again (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_behind (broker, "t.a", LOSE_EVENTS);
    pthread_t thread;
    lossy_set (relay, 5);
    assert_int_equal (pthread_create (&thread, NULL, publish_slowly, open_publisher (broker)), 0);
    for (uint64_t i = 0; i < 1900; i += 2)
        expect_numbers (subscriber, i, 1);
    pthread_join (thread, NULL);
    assert_true (stats_of (subscriber).refills > 0);
    assert_int_equal (events.gap_count, 0);
}

static void lost_answers_do_not_stop_it (void **state)
{
    enum { COUNT = 50000 };
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_behind (broker, NULL, LOSE_EVENTS | LOSE_SUBSCRIBED);
    zf_publisher_t *publisher = open_publisher (broker);
    lossy_set (relay, 2);
    publish_numbers (publisher, "t", 0, COUNT);
    expect_numbers (subscriber, 0, 100);
    lossy_set (relay, 0);
    publish_numbers (publisher, "t", COUNT, 1);
    expect_numbers (subscriber, 100, COUNT - 99);
    assert_int_equal (events.gap_count, 0);
}

static void lost_end_is_noticed_in_silence (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_behind (broker, NULL, LOSE_EVENTS);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 10);
    expect_numbers (subscriber, 0, 10);
    lossy_set (relay, 1);
    publish_numbers (publisher, "t", 10, 10);
    AWAIT (lossy_lost (relay) > 0);
    lossy_set (relay, 0);
    expect_numbers (subscriber, 10, 10); /* nothing comes behind it */
    assert_int_equal (stats_of (subscriber).refills, 1);
}

#define LOSSY_CASE(name) cmocka_unit_test_teardown (name, end_relay)

int main (void)
{
    const struct CMUnitTest tests[] = {
        LOSSY_CASE (lost_events_are_fetched_again),
        LOSSY_CASE (small_events_that_match_are_fetched_again),
        LOSSY_CASE (lost_answers_do_not_stop_it),
        LOSSY_CASE (lost_end_is_noticed_in_silence),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
