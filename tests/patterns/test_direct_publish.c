/* Publishers without a broker: each has a forwarder of its own inside, and subscribers follow all
 * that are there. */
#include "tests/patterns/mesh.h"

#define URL      "zferry://topic/events"
#define LATER_MS 2100 /* who is found so long after a subscriber began has begun after it */

/* A direct publisher; bind may be NULL. */
static zf_publisher_t *open_direct_publisher (zf_peer_t *peer, const zf_forwarder_options_t *bind)
{
    zf_publisher_options_t options;
    zf_publisher_defaults (&options);
    options.peer = peer;
    options.direct = true;
    options.bind = bind;
    options.timeout_ms = PATIENCE_MS;
    return open_publisher_with (&options);
}

/* One that keeps what it publishes, in the directory of the case. */
static zf_publisher_t *open_durable_publisher (zf_peer_t *peer)
{
    zf_forwarder_options_t bind;
    if (events.dir[0] == '\0') {
        snprintf (events.dir, sizeof events.dir, "/tmp/zferry-events-XXXXXX");
        assert_non_null (mkdtemp (events.dir));
    }
    zf_forwarder_defaults (&bind);
    bind.endpoint_count = 0;
    bind.journal = events.dir;
    bind.disk_bytes = UINT64_C (256) << 20;
    return open_direct_publisher (peer, &bind);
}

static zf_subscriber_t *open_subscriber_for (zf_peer_t *peer, zf_from_t from)
{
    static const char *const url = URL;
    static const char *const everything = NULL;
    zf_subscriber_options_t options = subscriber_options (&url, &everything);
    options.peer = peer;
    options.start.from = from;
    return open_subscriber_with (&options);
}

static void publish_text (zf_publisher_t *publisher, const char *text)
{
    publish (publisher, "a.b", text);
}

/* The next ones are these texts, in whatever order. */
static void expect_texts (zf_subscriber_t *subscriber, const char *const *texts, size_t count)
{
    unsigned seen = 0;
    for (size_t i = 0; i < count; i++) {
        zf_message_t message = take_event (subscriber);
        for (size_t k = 0; k < count; k++) {
            bool is_this = message.size == strlen (texts[k]) &&
                           memcmp (message.body, texts[k], message.size) == 0;
            seen |= is_this ? 1u << k : 0;
        }
        ack_event (subscriber, &message);
    }
    assert_int_equal (seen, (1u << count) - 1);
    expect_none (subscriber);
}

static void several_publishers_are_all_heard (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    zf_publisher_t *first = open_direct_publisher (anna, NULL);
    zf_publisher_t *second = open_direct_publisher (bert, NULL);
    zf_subscriber_t *subscriber = open_subscriber_for (bert, ZF_FROM_FIRST);
    publish_text (first, "1");
    publish_text (second, "2");
    publish_text (first, "3");
    expect_texts (subscriber, (const char *const[]){"1", "2", "3"}, 3);
    assert_int_equal (events.gap_count, 0);
}

static void publisher_goes_and_the_others_are_heard (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_publisher_t *first = open_direct_publisher (anna, NULL);
    zf_publisher_t *second = open_direct_publisher (anna, NULL);
    zf_subscriber_t *subscriber = open_subscriber_for (anna, ZF_FROM_NEW);
    assert_int_equal (zf_publisher_wait (first, "a.b", 1, PATIENCE_MS, &stage.err), 0);
    assert_int_equal (zf_publisher_wait (second, "a.b", 1, PATIENCE_MS, &stage.err), 0);
    publish_text (first, "1");
    expect_event (subscriber, "a.b", "1");
    close_publisher (first);
    publish_text (second, "2");
    expect_event (subscriber, "a.b", "2");
    expect_none (subscriber);
    assert_int_equal (events.gap_count, 0);
}

/* It says something before anybody can have heard of it. */
static void publisher_that_comes_later_is_heard_from_its_beginning (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    zf_subscriber_t *subscriber = open_subscriber_for (bert, ZF_FROM_NEW);
    uint64_t later_ms = zf_clock_ms () + LATER_MS;
    AWAIT (zf_clock_ms () >= later_ms);
    zf_publisher_t *first = open_direct_publisher (anna, NULL);
    publish_text (first, "1");
    publish_text (first, "2");
    expect_event (subscriber, "a.b", "1");
    expect_event (subscriber, "a.b", "2");
    assert_int_equal (events.gap_count, 0);
}

static void publisher_that_restarts_is_gone_on_with (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    zf_publisher_t *publisher = open_durable_publisher (anna);
    zf_subscriber_t *subscriber = open_subscriber_for (bert, ZF_FROM_FIRST);
    publish_numbers (publisher, "a.b", 0, 1000);
    expect_numbers (subscriber, 0, 500);
    for (uint64_t turn = 1; turn < 4; turn++) {
        close_publisher (publisher);
        publisher = open_durable_publisher (anna);
        publish_numbers (publisher, "a.b", 1000 * turn, 1000);
        expect_numbers (subscriber, 1000 * turn - 500, 1000);
    }
    expect_numbers (subscriber, 3500, 500);
    expect_none (subscriber);
    assert_int_equal (events.gap_count, 0);
}

static void publisher_waits_for_subscribers_that_find_it (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    zf_publisher_t *publisher = open_direct_publisher (anna, NULL);
    open_subscriber_for (bert, ZF_FROM_NEW);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 2, 0, &stage.err), ZF_E_TIMEOUT);
    open_subscriber_for (anna, ZF_FROM_NEW);
    assert_int_equal (zf_publisher_wait (publisher, "a.b", 2, PATIENCE_MS, &stage.err), 0);
}

/* -- with brokers that were found -------------------------------------------------------------- */

static void member_takes_from_a_broker_that_it_finds (void **state)
{
    static const char *const url = "zferry://broker";
    static const char *const everything = NULL;
    zf_peer_t *anna = start_peer ("anna");
    zf_device_t *broker = start_broker (NULL);
    announce (anna, "broker/one", endpoint_of (broker));
    zf_subscriber_options_t options = subscriber_options (&url, &everything);
    options.peer = start_peer ("bert");
    options.group = "billing";
    zf_subscriber_t *member = open_subscriber_with (&options);
    await_ready (member);
    publish (open_publisher (broker), "a.b", "1");
    expect_event (member, "a.b", "1");
}

static void link_follows_a_broker_that_it_finds (void **state)
{
    static const char *const to = "zferry://broker/two";
    zf_peer_t *anna = start_peer ("anna");
    zf_device_t *one = start_broker (NULL);
    zf_device_t *two = start_broker (NULL);
    zf_device_t **link = &stage.brokers[STAGE_MAX - 1]; /* stopped with the others */
    zf_link_options_t options;
    zf_link_defaults (&options);
    options.from = endpoint_of (one);
    options.from_queue = "jobs";
    options.to = &to;
    options.to_count = 1;
    options.backoff_max_ms = 200;
    options.peer = start_peer ("bert");
    if (zf_link_start (link, &options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    post (open_client (one), "jobs", "1");
    announce (anna, "broker/two", endpoint_of (two));
    zf_worker_t *worker = open_worker (two, "jobs", 1);
    zf_message_t message = take_text (worker, "1", 1);
    ack (worker, &message);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        MESH_CASE (several_publishers_are_all_heard),
        MESH_CASE (publisher_goes_and_the_others_are_heard),
        MESH_CASE (publisher_that_comes_later_is_heard_from_its_beginning),
        MESH_CASE (publisher_that_restarts_is_gone_on_with),
        MESH_CASE (publisher_waits_for_subscribers_that_find_it),
        MESH_CASE (member_takes_from_a_broker_that_it_finds),
        MESH_CASE (link_follows_a_broker_that_it_finds),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
