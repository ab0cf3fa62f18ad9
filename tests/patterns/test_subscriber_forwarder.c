/* Publishers and subscribers with a forwarder between them: it may go and come back. */
#include "tests/patterns/events.h"

#define FORWARDERS 2

static zf_device_t *forwarders[FORWARDERS];

static int end_forwarders (void **state)
{
    events_clear (state);
    for (size_t i = 0; i < FORWARDERS; i++)
        zf_device_stop (&forwarders[i]);
    return 0;
}

static zf_forwarder_options_t forwarder_options (const char *const *endpoint)
{
    zf_forwarder_options_t options;
    zf_forwarder_defaults (&options);
    options.endpoints = endpoint;
    options.disk_bytes = UINT64_C (256) << 20;
    return options;
}

static zf_device_t *start_forwarder (size_t i, const zf_forwarder_options_t *options)
{
    if (zf_forwarder_start (&forwarders[i], options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return forwarders[i];
}

/* A forwarder at this endpoint; with a journal in a directory of the case. */
static zf_device_t *start_at (const char *endpoint, bool durable)
{
    zf_forwarder_options_t options = forwarder_options (&endpoint);
    if (durable && events.dir[0] == '\0') {
        snprintf (events.dir, sizeof events.dir, "/tmp/zferry-events-XXXXXX");
        assert_non_null (mkdtemp (events.dir));
    }
    options.journal = durable ? events.dir : NULL;
    return start_forwarder (0, &options);
}

static void publishers_and_subscribers_meet (void **state)
{
    zf_device_t *forwarder = start_at (ANY_PORT, false);
    zf_subscriber_t *one = open_subscriber (forwarder, "a.*", ZF_FROM_NEW, 0);
    zf_subscriber_t *two = open_subscriber (forwarder, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *first = open_publisher (forwarder);
    zf_publisher_t *second = open_publisher (forwarder);
    assert_int_equal (zf_publisher_wait (first, "a.b", 2, -1, &stage.err), 0);
    publish (first, "a.b", "1");
    publish (second, "b", "2");
    publish (second, "a.c", "3");
    expect_event (one, "a.b", "1");
    expect_event (one, "a.c", "3");
    expect_event (two, "a.b", "1");
    expect_event (two, "b", "2");
    expect_event (two, "a.c", "3");
}

static void forwarder_with_a_journal_comes_back (void **state)
{
    char endpoint[64];
    zf_device_t *forwarder = start_at (ANY_PORT, true);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (forwarder));
    zf_subscriber_t *subscriber = open_subscriber_at (endpoint, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher_at (endpoint);
    for (uint64_t i = 0; i < 3; i++) {
        publish_numbers (publisher, "t", 1000 * i, 1000);
        zf_device_stop (&forwarders[0]);
        start_at (endpoint, true);
        expect_numbers (subscriber, 1000 * i, 1000);
    }
    expect_none (subscriber);
    expect_numbers (open_subscriber_at (endpoint, NULL, ZF_FROM_LAST, 500), 2500, 500);
    assert_int_equal (events.gap_count, 0);
}

static void forwarder_without_one_comes_back_and_that_is_a_gap (void **state)
{
    char endpoint[64];
    zf_device_t *forwarder = start_at (ANY_PORT, false);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (forwarder));
    zf_subscriber_t *subscriber = open_subscriber_at (endpoint, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher_at (endpoint);
    publish_numbers (publisher, "t", 0, 100);
    expect_numbers (subscriber, 0, 100);
    zf_device_stop (&forwarders[0]);
    start_at (endpoint, false);
    publish_numbers (publisher, "t", 100, 100);
    expect_numbers (subscriber, 100, 100);
    assert_int_equal (events.gap_count, 1);
    assert_int_equal (events.gaps[0].count, 0);
}

static void publisher_with_a_forwarder_inside_comes_back (void **state)
{
    char endpoint[64];
    const char *at = ANY_PORT;
    zf_publisher_options_t options;
    for (uint64_t i = 0; i < 3; i++) {
        zf_forwarder_options_t inside = forwarder_options (&at);
        zf_publisher_defaults (&options);
        options.bind = &inside;
        options.timeout_ms = PATIENCE_MS;
        zf_publisher_t *publisher = open_publisher_with (&options);
        if (i == 0) {
            snprintf (endpoint, sizeof endpoint, "%s",
                      endpoint_of (zf_publisher_device (publisher)));
            open_subscriber_at (endpoint, NULL, ZF_FROM_NEW, 0);
            at = endpoint;
        }
        assert_int_equal (zf_publisher_wait (publisher, "t", 1, -1, &stage.err), 0);
        publish_numbers (publisher, "t", 100 * i, 100);
        expect_numbers (events.subscribers[0], 100 * i, 100);
        close_publisher (publisher);
    }
    assert_int_equal (events.gap_count, 2); /* it can't know that there was nothing to miss */
}

static void late_joiner_gets_the_last_values (void **state)
{
    const char *endpoint = ANY_PORT;
    zf_forwarder_options_t options = forwarder_options (&endpoint);
    options.compact = true;
    zf_device_t *forwarder = start_forwarder (0, &options);
    zf_publisher_t *publisher = open_publisher (forwarder);
    publish (publisher, "price.a", "1");
    publish (publisher, "price.b", "2");
    publish (publisher, "news", "x");
    publish (publisher, "price.a", "3");
    zf_subscriber_t *late = open_subscriber (forwarder, "price.*", ZF_FROM_FIRST, 0);
    expect_event (late, "price.b", "2");
    expect_event (late, "price.a", "3");
    publish (publisher, "price.b", "4");
    expect_event (late, "price.b", "4");
    expect_none (late);
    assert_int_equal (events.gap_count, 0);
}

static void subscriber_that_sleeps_disturbs_nobody (void **state)
{
    enum { COUNT = 100000 };
    zf_device_t *forwarder = start_at (ANY_PORT, false);
    zf_subscriber_t *asleep = open_subscriber (forwarder, NULL, ZF_FROM_NEW, 0);
    zf_subscriber_t *awake = open_subscriber (forwarder, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (forwarder);
    for (uint64_t i = 0; i < 10; i++) {
        publish_numbers (publisher, "t", i * COUNT / 10, COUNT / 10);
        expect_numbers (awake, i * COUNT / 10, COUNT / 10);
    }
    expect_numbers (asleep, 0, COUNT);
    assert_int_equal (events.gap_count, 0);
}

static void next_forwarder_takes_over (void **state)
{
    const char *any = ANY_PORT;
    zf_forwarder_options_t plain = forwarder_options (&any);
    zf_device_t *one = start_forwarder (0, &plain);
    zf_device_t *two = start_forwarder (1, &plain);
    const char *endpoints[] = {endpoint_of (one), endpoint_of (two)};
    char second[64];
    const char *all = NULL;
    snprintf (second, sizeof second, "%s", endpoint_of (two));
    zf_subscriber_options_t options = subscriber_options (endpoints, &all);
    options.endpoint_count = 2;
    options.failover_ms = 300;
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    publish_numbers (open_publisher (one), "t", 0, 10);
    expect_numbers (subscriber, 0, 10);
    zf_device_stop (&forwarders[0]);
    publish_numbers (open_publisher_at (second), "t", 10, 10);
    expect_numbers (subscriber, 10, 10); /* all that the other one keeps */
    assert_int_equal (events.gap_count, 1);
}

#define FORWARDER_CASE(name) cmocka_unit_test_teardown (name, end_forwarders)

int main (void)
{
    const struct CMUnitTest tests[] = {
        FORWARDER_CASE (publishers_and_subscribers_meet),
        FORWARDER_CASE (forwarder_with_a_journal_comes_back),
        FORWARDER_CASE (forwarder_without_one_comes_back_and_that_is_a_gap),
        FORWARDER_CASE (publisher_with_a_forwarder_inside_comes_back),
        FORWARDER_CASE (late_joiner_gets_the_last_values),
        FORWARDER_CASE (subscriber_that_sleeps_disturbs_nobody),
        FORWARDER_CASE (next_forwarder_takes_over),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
