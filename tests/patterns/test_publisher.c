/* Publishers: what they publish, with which topic, and who is there to get it. */
#include "tests/patterns/events.h"

static void published_record_comes_with_its_topic (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (broker);
    publish (publisher, "orders.eu.paid", "one");
    publish (publisher, "orders.us.paid", "two");
    publish (publisher, "orders.us.paid", "three"); /* the same as before is not encoded again */
    publish (publisher, "a", "four");
    expect_event (subscriber, "orders.eu.paid", "one");
    expect_event (subscriber, "orders.us.paid", "two");
    expect_event (subscriber, "orders.us.paid", "three");
    expect_event (subscriber, "a", "four");
}

static void longest_topic_comes_as_it_is (void **state)
{
    char topic[ZF_TOPIC_MAX + 2];
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (broker);
    memset (topic, 'x', ZF_TOPIC_MAX + 1);
    topic[ZF_TOPIC_MAX + 1] = '\0';
    assert_int_equal (zf_publisher_publish (publisher, topic, "a", 1, NULL, NULL, &stage.err),
                      ZF_E_INVAL);
    topic[ZF_TOPIC_MAX] = '\0';
    for (int i = 0; i < 3; i++)
        publish (publisher, topic, "a");
    for (int i = 0; i < 3; i++)
        expect_event (subscriber, topic, "a");
}

static void what_is_no_topic_is_refused (void **state)
{
    static const char *const wrong[] = {"", ".", "a..b", "a.", ".a", "*", "a.*", ">", "a.>", NULL};
    zf_publisher_t *publisher = open_publisher_at ("tcp://127.0.0.1:1");
    for (size_t i = 0; wrong[i] != NULL; i++) {
        assert_int_equal (zf_publisher_publish (publisher, wrong[i], "x", 1, NULL, NULL, NULL),
                          ZF_E_INVAL);
        assert_int_equal (zf_publisher_try_publish (publisher, wrong[i], "x", 1, NULL, NULL, NULL),
                          ZF_E_INVAL);
        assert_int_equal (
            zf_publisher_publish_confirmed (publisher, wrong[i], "x", 1, NULL, &stage.err),
            ZF_E_INVAL);
        assert_int_equal (zf_publisher_wait (publisher, wrong[i], 1, 0, NULL), ZF_E_INVAL);
    }
    assert_int_equal (zf_publisher_publish (publisher, NULL, "x", 1, NULL, NULL, NULL), ZF_E_INVAL);
}

static void properties_come_along_with_the_topic (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (broker);
    zf_header_t header = {{"colour", 6}, {"red", 3}};
    zf_bytes_t frames[] = {{"ab", 2}, {"c", 1}};
    zf_props_t props;
    zf_props_defaults (&props);
    props.key = (zf_bytes_t){"k1", 2};
    props.headers = &header;
    props.header_count = 1;
    props.frames = frames;
    props.frame_count = 2;
    props.delay_ms = 60000; /* means nothing in a stream */
    props.topic = (zf_bytes_t){"not used", 8};
    publish (publisher, "t", "before");
    assert_int_equal (zf_publisher_publish_confirmed (publisher, "t", NULL, 0, &props, &stage.err),
                      0);
    publish (publisher, "t", "behind");
    expect_event (subscriber, "t", "before");
    zf_message_t message = take_event (subscriber);
    zf_props_t got;
    assert_int_equal (zf_message_props (&message, &got), 0);
    assert_int_equal (got.topic.size, 1);
    assert_memory_equal (got.topic.data, "t", 1);
    assert_memory_equal (got.key.data, "k1", 2);
    assert_int_equal (got.delay_ms, 0);
    assert_int_equal (zf_message_frame_count (&message), 2);
    assert_memory_equal (zf_message_header (&message, "colour").data, "red", 3);
    ack_event (subscriber, &message);
    expect_event (subscriber, "t", "behind");
}

static void record_of_a_queue_has_no_topic (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "a");
    zf_message_t message = take_text (open_worker (broker, "jobs", 1), "a", 1);
    assert_int_equal (zf_message_topic (&message).size, 0);
    assert_null (zf_message_topic (&message).data);
    ack (stage.workers[0], &message);
}

/* -- waiting for subscribers ------------------------------------------------------------------- */

static void wait_counts_subscriptions_that_match (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 0, -1, &stage.err), 0);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 1, 30, &stage.err), ZF_E_TIMEOUT);
    open_subscriber (broker, "a.*", ZF_FROM_NEW, 0);
    open_subscriber (broker, "b.*", ZF_FROM_NEW, 0);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 1, -1, &stage.err), 0);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 2, 30, &stage.err), ZF_E_TIMEOUT);
    assert_non_null (strstr (stage.err.text, "fewer than 2"));
    open_member (broker, "g", "a.>"); /* a group counts as one */
    open_member (broker, "g", "a.>");
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 2, -1, &stage.err), 0);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 3, 30, &stage.err), ZF_E_TIMEOUT);
}

static void *subscribe_later (void *arg)
{
    const char *endpoint = arg;
    zf_subscriber_options_t options;
    zf_subscriber_t *subscriber;
    zf_message_t message;
    zf_subscriber_defaults (&options);
    options.endpoints = &endpoint;
    must (zf_subscriber_open (&subscriber, &options, NULL) == 0);
    must (zf_subscriber_recv (subscriber, &message, PATIENCE_MS, NULL) == 0);
    must (message.size == 5 && memcmp (message.body, "first", 5) == 0);
    must (zf_subscriber_ack (subscriber, &message) == 0);
    zf_subscriber_close (&subscriber);
    return NULL;
}

static void who_is_waited_for_gets_the_first_record (void **state)
{
    for (int i = 0; i < 10; i++) {
        zf_device_t *broker = start_broker (NULL);
        zf_publisher_t *publisher = open_publisher (broker);
        pthread_t thread;
        assert_int_equal (pthread_create (&thread, NULL, subscribe_later,
                                          (void *) (uintptr_t) endpoint_of (broker)),
                          0);
        assert_int_equal (zf_publisher_wait (publisher, "a", 1, -1, &stage.err), 0);
        publish (publisher, "a", "first");
        pthread_join (thread, NULL);
        close_publisher (publisher);
        stop_broker (broker);
    }
}

static void waiting_in_vain_again_and_again_is_no_burden (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    publish (publisher, "a", "x");
    for (int i = 0; i < 100; i++)
        assert_int_equal (zf_publisher_wait (publisher, "a", 1, 1, NULL), ZF_E_TIMEOUT);
    open_subscriber (broker, "a", ZF_FROM_NEW, 0);
    assert_int_equal (zf_publisher_wait (publisher, "a", 1, -1, &stage.err), 0);
}

/* -- confirms ---------------------------------------------------------------------------------- */

static atomic_ulong confirmed;

static void count_confirmed (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    must (arg == &confirmed && strcmp (queue, "news") == 0 && code == 0);
    must (first == atomic_load (&confirmed) + 1);
    atomic_fetch_add (&confirmed, count);
}

static void confirms_come_in_order (void **state)
{
    atomic_store (&confirmed, 0);
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    zf_publisher_options_t options;
    zf_publisher_defaults (&options);
    options.endpoints = &endpoint;
    options.stream = "news";
    options.on_confirm = count_confirmed;
    options.arg = &confirmed;
    zf_publisher_t *publisher = open_publisher_with (&options);
    uint64_t number = 0;
    for (uint64_t i = 1; i <= 5000; i++) {
        assert_int_equal (zf_publisher_publish (publisher, "t", "x", 1, NULL, &number, NULL), 0);
        assert_int_equal (number, i);
    }
    assert_int_equal (zf_publisher_flush (publisher, -1, &stage.err), 0);
    AWAIT (atomic_load (&confirmed) == 5000);
    zf_client_stats_t stats;
    zf_client_stats (zf_publisher_client (publisher), &stats);
    assert_int_equal (stats.confirmed, 5000);
    assert_null (zf_publisher_device (publisher));
}

static void nothing_waits_that_must_not (void **state)
{
    zf_publisher_options_t options;
    const char *nobody = "tcp://127.0.0.1:1";
    zf_publisher_defaults (&options);
    options.endpoints = &nobody;
    options.window_bytes = 1000;
    zf_publisher_t *publisher = open_publisher_with (&options);
    int rc = 0;
    for (int i = 0; i < 1000 && rc == 0; i++)
        rc = zf_publisher_try_publish (publisher, "t", "0123456789", 10, NULL, NULL, &stage.err);
    assert_int_equal (rc, ZF_E_AGAIN);
    assert_int_equal (zf_publisher_flush (publisher, 20, &stage.err), ZF_E_TIMEOUT);
}

static void queue_has_no_subscribers_to_wait_for (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post (client, "events", "a job");
    zf_publisher_t *publisher = open_publisher (broker);
    assert_int_equal (zf_publisher_wait (publisher, "t", 1, -1, &stage.err), ZF_E_INVAL);
    assert_int_equal (look_at (client, "events").length, 1);
}

/* -- more than one ----------------------------------------------------------------------------- */

#define THREADS 4
#define EACH    5000

static atomic_uint next_thread;

/* Each to a topic of its own, and now and then to one of all. */
static void *publish_some (void *arg)
{
    uint64_t thread = atomic_fetch_add (&next_thread, 1);
    char topic[16];
    snprintf (topic, sizeof topic, "t.%d", (int) thread);
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t number = thread << 32 | i;
        must (zf_publisher_publish (arg, i % 10 == 9 ? "t.all" : topic, &number, sizeof number,
                                    NULL, NULL, NULL) == 0);
    }
    return NULL;
}

static void threads_publish_in_the_order_of_each (void **state)
{
    uint64_t next[THREADS] = {0};
    atomic_store (&next_thread, 0);
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    zf_publisher_t *publisher = open_publisher (broker);
    on_threads (THREADS, publish_some, publisher);
    for (size_t n = 0; n < THREADS * EACH; n++) {
        zf_message_t message = take_event (subscriber);
        uint64_t number;
        char topic[16];
        memcpy (&number, message.body, sizeof number);
        uint64_t thread = number >> 32;
        assert_in_range (thread, 0, THREADS - 1);
        assert_int_equal (number & UINT32_MAX, next[thread]++);
        snprintf (topic, sizeof topic, "t.%d", (int) thread);
        zf_bytes_t told = zf_message_topic (&message);
        assert_memory_equal (told.data, (number & UINT32_MAX) % 10 == 9 ? "t.all" : topic,
                             told.size);
        ack_event (subscriber, &message);
    }
    expect_none (subscriber);
}

static void publisher_that_comes_again_is_another_one (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    for (uint64_t i = 0; i < 5; i++) {
        zf_publisher_t *publisher = open_publisher (broker);
        publish_numbers (publisher, "t", 100 * i, 100);
        close_publisher (publisher);
        expect_numbers (subscriber, 100 * i, 100);
    }
    expect_none (subscriber);
    assert_int_equal (events.gap_count, 0);
}

/* -- without a broker -------------------------------------------------------------------------- */

static zf_publisher_t *open_binding_publisher (void)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_forwarder_options_t forwarder;
    zf_publisher_options_t options;
    zf_forwarder_defaults (&forwarder);
    forwarder.endpoints = any_port;
    zf_publisher_defaults (&options);
    options.bind = &forwarder;
    options.timeout_ms = PATIENCE_MS;
    return open_publisher_with (&options);
}

static void subscriber_connects_to_the_publisher_itself (void **state)
{
    zf_publisher_t *publisher = open_binding_publisher ();
    zf_device_t *inside = zf_publisher_device (publisher);
    zf_subscriber_t *subscriber = open_subscriber (inside, "a.>", ZF_FROM_NEW, 0);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 1, -1, &stage.err), 0);
    publish (publisher, "a.b", "one");
    publish (publisher, "c", "two");
    publish (publisher, "a.c", "three");
    expect_event (subscriber, "a.b", "one");
    expect_event (subscriber, "a.c", "three");
    zf_subscriber_t *late = open_subscriber (inside, NULL, ZF_FROM_FIRST, 0);
    expect_event (late, "a.b", "one");
    expect_event (late, "c", "two");
    expect_event (late, "a.c", "three");
}

/* Its first answer may come at any moment of opening and waiting. */
static void answer_from_inside_is_not_overheard (void **state)
{
    for (int i = 0; i < 300; i++) {
        zf_publisher_t *publisher = open_binding_publisher ();
        uint64_t start = zf_clock_ms ();
        publish (publisher, "t", "x");
        assert_in_range (zf_clock_ms () - start, 0, 2000); /* else it was noticed by failover_ms */
        close_publisher (publisher);
    }
}

static void publishers_that_bind_do_not_meet (void **state)
{
    zf_publisher_t *one = open_binding_publisher ();
    zf_publisher_t *two = open_binding_publisher ();
    zf_subscriber_t *first = open_subscriber (zf_publisher_device (one), NULL, ZF_FROM_NEW, 0);
    zf_subscriber_t *second = open_subscriber (zf_publisher_device (two), NULL, ZF_FROM_NEW, 0);
    publish (one, "t", "of one");
    publish (two, "t", "of two");
    expect_event (first, "t", "of one");
    expect_event (second, "t", "of two");
    expect_none (first);
}

static void options_out_of_range_are_refused (void **state)
{
    zf_publisher_t *publisher = NULL;
    zf_publisher_options_t options = {0};
    assert_int_equal (zf_publisher_open (&publisher, &options, &stage.err), ZF_E_INVAL);
    zf_publisher_defaults (&options);
    options.stream = "";
    assert_int_equal (zf_publisher_open (&publisher, &options, &stage.err), ZF_E_INVAL);
    zf_publisher_defaults (&options);
    zf_forwarder_options_t forwarder = {0};
    options.bind = &forwarder;
    assert_int_equal (zf_publisher_open (&publisher, &options, &stage.err), ZF_E_INVAL);
    zf_forwarder_defaults (&forwarder);
    forwarder.endpoints = NULL;
    assert_int_equal (zf_publisher_open (&publisher, &options, &stage.err), ZF_E_INVAL);
    assert_null (publisher);
    zf_publisher_close (&publisher);
    zf_publisher_close (NULL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        EVENTS_CASE (published_record_comes_with_its_topic),
        EVENTS_CASE (longest_topic_comes_as_it_is),
        EVENTS_CASE (what_is_no_topic_is_refused),
        EVENTS_CASE (properties_come_along_with_the_topic),
        EVENTS_CASE (record_of_a_queue_has_no_topic),
        EVENTS_CASE (wait_counts_subscriptions_that_match),
        EVENTS_CASE (who_is_waited_for_gets_the_first_record),
        EVENTS_CASE (waiting_in_vain_again_and_again_is_no_burden),
        EVENTS_CASE (confirms_come_in_order),
        EVENTS_CASE (nothing_waits_that_must_not),
        EVENTS_CASE (queue_has_no_subscribers_to_wait_for),
        EVENTS_CASE (threads_publish_in_the_order_of_each),
        EVENTS_CASE (publisher_that_comes_again_is_another_one),
        EVENTS_CASE (subscriber_connects_to_the_publisher_itself),
        EVENTS_CASE (answer_from_inside_is_not_overheard),
        EVENTS_CASE (publishers_that_bind_do_not_meet),
        EVENTS_CASE (options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
