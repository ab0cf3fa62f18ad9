/* The two sides of a forwarder are one: plain messages and records of the stream. */
#include "tests/devices/forward.h"

#include <ftw.h>
#include <zferry/zferry.h>

#define PATIENCE_MS 20000

static zf_publisher_t *publisher;
static zf_subscriber_t *subscriber;

static int close_natives (void **state)
{
    zf_publisher_close (&publisher);
    zf_subscriber_close (&subscriber);
    return forward_clear (state);
}

#define BRIDGE_CASE(name) cmocka_unit_test_teardown (name, close_natives)

static void open_publisher (zf_device_t *forwarder)
{
    zf_error_t err;
    const char *endpoint = zf_device_endpoint (forwarder, 0);
    zf_publisher_options_t options;
    zf_publisher_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = PATIENCE_MS;
    if (zf_publisher_open (&publisher, &options, &err) != 0)
        fail_msg ("%s", err.text);
}

static void open_subscriber (zf_device_t *forwarder, const char *pattern, zf_from_t from)
{
    zf_error_t err;
    const char *endpoint = zf_device_endpoint (forwarder, 0);
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = &endpoint;
    options.patterns = &pattern;
    options.pattern_count = 1;
    options.start.from = from;
    options.timeout_ms = PATIENCE_MS;
    if (zf_subscriber_open (&subscriber, &options, &err) != 0 ||
        zf_subscriber_ready (subscriber, PATIENCE_MS, &err) != 0)
        fail_msg ("%s", err.text);
}

static void publish (const char *topic, const char *body)
{
    zf_error_t err;
    if (zf_publisher_publish_confirmed (publisher, topic, body, strlen (body), NULL, &err) != 0)
        fail_msg ("%s", err.text);
}

/* The next record is this: its topic, a colon, its frames with | between. */
static void expect_record (const char *expected)
{
    zf_error_t err;
    zf_message_t message;
    char text[1024];
    if (zf_subscriber_recv (subscriber, &message, PATIENCE_MS, &err) != 0)
        fail_msg ("expected %s: %s", expected, err.text);
    zf_bytes_t topic = zf_message_topic (&message);
    int size = snprintf (text, sizeof text, "%.*s:", (int) topic.size,
                         topic.size > 0 ? (const char *) topic.data : "");
    for (size_t i = 0; i < zf_message_frame_count (&message); i++) {
        zf_bytes_t frame = zf_message_frame (&message, i);
        size += snprintf (text + size, sizeof text - (size_t) size, "%s%.*s", i > 0 ? "|" : "",
                          (int) frame.size, (const char *) frame.data);
    }
    zf_subscriber_ack (subscriber, &message);
    assert_string_equal (text, expected);
}

static void plain_messages_reach_native_subscribers (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    expect_no_wish (pub); /* nobody there: nothing is asked for */
    open_subscriber (forwarder, ">", ZF_FROM_NEW);
    expect_wish (pub, "\\1");
    say (pub, "orders.eu|one");
    say (pub, "orders.us|two|frames");
    say (pub, "alone");
    say (pub, "|no topic");
    say (pub, "%0300d|long", 0);
    expect_record ("orders.eu:one");
    expect_record ("orders.us:two|frames");
    expect_record (":alone");
    expect_record (":|no topic");
    char text[400];
    snprintf (text, sizeof text, ":%0300d|long", 0);
    expect_record (text);
    zf_subscriber_close (&subscriber);
    expect_wish (pub, "\\0");
}

static void patterns_hold_for_plain_messages_too (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    open_subscriber (forwarder, "orders.*.paid", ZF_FROM_NEW);
    expect_wish (pub, "\\1");
    say (pub, "orders.7.open|no");
    say (pub, "orders.7.paid|yes");
    expect_record ("orders.7.paid:yes");
}

static void records_reach_plain_subscribers (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *sub = open_sub (for_subs (forwarder), "a");
    expect_wish (pub, "\\1a");
    open_publisher (forwarder);
    publish ("b.c", "not wanted");
    publish ("a.b", "wanted");
    zf_bytes_t frames[] = {{"one", 3}, {"", 0}, {"three", 5}};
    zf_props_t props;
    zf_props_defaults (&props);
    props.frames = frames;
    props.frame_count = 3;
    zf_error_t err;
    assert_int_equal (zf_publisher_publish_confirmed (publisher, "a.c", NULL, 0, &props, &err), 0);
    expect (sub, "a.b|wanted");
    expect (sub, "a.c|one||three");
    say (pub, "a|plain");
    expect (sub, "a|plain");
}

static void plain_subscribers_come_and_go (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    open_publisher (forwarder);
    publish ("a.b", "nobody is there");
    for (int i = 0; i < 3; i++) {
        void *sub = open_sub (for_subs (forwarder), "a");
        expect_wish (pub, "\\1a");
        publish ("a.b", "heard");
        expect (sub, "a.b|heard");
        plain_close (sub);
        expect_wish (pub, "\\0a");
    }
    publish ("a.b", "nobody is there any more");
}

static void each_side_hears_each_message_once (void **state)
{
    char text[32];
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *sub = open_sub (for_subs (forwarder), "");
    open_subscriber (forwarder, ">", ZF_FROM_NEW);
    open_publisher (forwarder);
    await_wish (pub, "\\1");
    for (int i = 0; i < 100; i++) {
        say (pub, "p.%d|x", i);
        expect (sub, "p.%d|x", i);
        snprintf (text, sizeof text, "p.%d:x", i);
        expect_record (text);
        snprintf (text, sizeof text, "n.%d", i);
        publish (text, "y");
        expect (sub, "n.%d|y", i);
        snprintf (text, sizeof text, "n.%d:y", i);
        expect_record (text);
    }
    assert_false (hears (sub, 20));
}

static void native_records_are_last_values_too (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.last_values = true;
    zf_device_t *forwarder = start_forwarder (&options);
    open_publisher (forwarder);
    publish ("t.1", "old");
    publish ("t.1", "new");
    publish ("t.2", "other");
    await_figure (forwarder, "last_values", 2);
    void *sub = open_sub (for_subs (forwarder), "t.");
    expect (sub, "t.1|new");
    expect (sub, "t.2|other");
}

static void many_messages_cross_in_order (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    open_subscriber (forwarder, ">", ZF_FROM_NEW);
    expect_wish (pub, "\\1");
    char text[32];
    for (int i = 0; i < 100000; i++)
        say (pub, "t|%d", i);
    for (int i = 0; i < 100000; i++) {
        snprintf (text, sizeof text, "t:%d", i);
        expect_record (text);
    }
    assert_int_equal (figure_of (forwarder, "plain_dropped_full"), 0);
    void *sub = open_sub (for_subs (forwarder), "n");
    await_wish (pub, "\\1n");
    open_publisher (forwarder);
    for (int i = 0; i < 100000; i++) {
        snprintf (text, sizeof text, "%d", i);
        zf_error_t err;
        if (zf_publisher_publish (publisher, "n", text, strlen (text), NULL, NULL, &err) != 0)
            fail_msg ("%s", err.text);
        if (i % 1000 == 999) {
            assert_int_equal (zf_publisher_flush (publisher, PATIENCE_MS, NULL), 0);
            for (int k = i - 999; k <= i; k++)
                expect (sub, "n|%d", k);
        }
    }
}

static void message_of_too_many_frames_is_passed_but_not_kept (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *sub = open_sub (for_subs (forwarder), "t");
    open_subscriber (forwarder, ">", ZF_FROM_NEW);
    await_wish (pub, "\\1");
    char text[600] = "t";
    for (int i = 0; i < 70; i++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "|f");
    say (pub, "%s", text);
    expect (sub, "%s", text);
    await_figure (forwarder, "plain_dropped_full", 1);
    say (pub, "t|kept");
    expect_record ("t:kept");
}

/* An empty first frame is no topic, so these are 65 frames of a record. */
static void message_behind_one_that_is_not_kept_is_kept_whole (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    open_subscriber (forwarder, ">", ZF_FROM_NEW);
    await_wish (pub, "\\1");
    char text[600] = "";
    for (int i = 0; i < 64; i++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "|f");
    for (int i = 0; i < 100; i++) { /* most of them come in the same turn as the one before */
        say (pub, "%s", text);
        say (pub, "t|%d", i);
    }
    for (int i = 0; i < 100; i++) {
        snprintf (text, sizeof text, "t:%d", i);
        expect_record (text);
    }
    await_figure (forwarder, "plain_dropped_full", 100);
}

static void message_too_large_for_a_record_is_passed_but_not_kept (void **state)
{
    static char text[1500];
    zf_forwarder_options_t options = both_bound ();
    options.max_message_bytes = 2048;
    zf_device_t *forwarder = start_forwarder (&options);
    void *pub = open_pub (for_pubs (forwarder));
    void *sub = open_sub (for_subs (forwarder), "t");
    open_subscriber (forwarder, ">", ZF_FROM_NEW);
    await_wish (pub, "\\1");
    memset (text, 'x', sizeof text - 1);
    say (pub, "t|%s|%s", text, text); /* each frame is small enough */
    expect (sub, "t|%s|%s", text, text);
    await_figure (forwarder, "plain_dropped_full", 1);
    say (pub, "t|kept");
    expect_record ("t:kept");
}

static int remove_one (const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void) info;
    (void) kind;
    (void) place;
    return remove (path);
}

static void everything_is_kept_with_a_journal (void **state)
{
    char dir[] = "/tmp/zferry-test-XXXXXX";
    assert_non_null (mkdtemp (dir));
    zf_forwarder_options_t options = both_bound ();
    options.journal = dir;
    zf_device_t *forwarder = start_forwarder (&options);
    void *pub = open_pub (for_pubs (forwarder));
    await_wish (pub, "\\1"); /* though nobody is there */
    for (int i = 0; i < 10; i++)
        say (pub, "t.%d|x", i);
    await_figure (forwarder, "plain_in", 10);
    open_subscriber (forwarder, ">", ZF_FROM_FIRST);
    expect_record ("t.0:x");
    zf_subscriber_close (&subscriber);
    plain_close (pub);
    stop_forwarder (forwarder);
    forwarder = start_forwarder (&options);
    open_subscriber (forwarder, ">", ZF_FROM_FIRST);
    for (int i = 0; i < 10; i++) {
        char text[16];
        snprintf (text, sizeof text, "t.%d:x", i);
        expect_record (text);
    }
    zf_subscriber_close (&subscriber);
    stop_forwarder (forwarder);
    assert_int_equal (nftw (dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        BRIDGE_CASE (plain_messages_reach_native_subscribers),
        BRIDGE_CASE (patterns_hold_for_plain_messages_too),
        BRIDGE_CASE (records_reach_plain_subscribers),
        BRIDGE_CASE (plain_subscribers_come_and_go),
        BRIDGE_CASE (each_side_hears_each_message_once),
        BRIDGE_CASE (native_records_are_last_values_too),
        BRIDGE_CASE (many_messages_cross_in_order),
        BRIDGE_CASE (message_of_too_many_frames_is_passed_but_not_kept),
        BRIDGE_CASE (message_behind_one_that_is_not_kept_is_kept_whole),
        BRIDGE_CASE (message_too_large_for_a_record_is_passed_but_not_kept),
        BRIDGE_CASE (everything_is_kept_with_a_journal),
    };
    return cmocka_run_group_tests_name ("plain and native", tests, NULL, NULL);
}
