/* The forwarder's plain side: messages down, subscriptions up. */
#include "tests/devices/forward.h"

#include <sys/resource.h>

static void messages_of_two_publishers_reach_three_subscribers (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pubs[2], *subs[3];
    for (int i = 0; i < 3; i++)
        subs[i] = open_sub (for_subs (forwarder), "");
    for (int i = 0; i < 2; i++) {
        pubs[i] = open_pub (for_pubs (forwarder));
        expect_wish (pubs[i], "\\1");
    }
    for (int i = 0; i < 100; i++)
        say (pubs[0], "one %d", i);
    for (int k = 0; k < 3; k++)
        for (int i = 0; i < 100; i++)
            expect (subs[k], "one %d", i);
    say (pubs[1], "two");
    for (int k = 0; k < 3; k++) {
        expect (subs[k], "two");
        assert_false (hears (subs[k], 0));
    }
}

static void messages_go_only_to_those_who_want_them (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *apples = open_sub (for_subs (forwarder), "apples");
    expect_wish (pub, "\\1apples");
    void *pears = open_sub (for_subs (forwarder), "pears");
    expect_wish (pub, "\\1pears");
    say (pub, "apples|red");
    say (pub, "pears|green");
    say (pub, "plums|blue");
    say (pub, "apples|end");
    say (pub, "pears|end");
    expect (apples, "apples|red");
    expect (apples, "apples|end");
    expect (pears, "pears|green");
    expect (pears, "pears|end");
}

static void forwarder_connects_on_both_sides (void **state)
{
    char pub_at[64], sub_at[64], out[80], in[80];
    void *pub = bind_plain (ZMQ_XPUB, pub_at);
    void *sub = bind_plain (ZMQ_SUB, sub_at);
    bound_sub = sub;
    subscribe_to (sub, "news");
    snprintf (in, sizeof in, ">%s", pub_at);
    snprintf (out, sizeof out, ">%s", sub_at);
    const char *pubs[] = {in, "@inproc://forwarder-in"};
    const char *subs[] = {"inproc://forwarder-out", out};
    zf_forwarder_options_t options = forward_options ();
    options.pubs = pubs;
    options.subs = subs;
    options.pub_count = options.sub_count = 2;
    zf_device_t *forwarder = start_forwarder (&options);
    assert_string_equal (zf_device_endpoint (forwarder, 1), "inproc://forwarder-in");
    assert_string_equal (zf_device_endpoint (forwarder, 2), "inproc://forwarder-out");
    assert_null (zf_device_endpoint (forwarder, 3));
    await_wish (pub, "\\1news");
    void *near_sub = open_sub ("inproc://forwarder-out", "near");
    await_wish (pub, "\\1near");
    void *near_pub = open_pub ("inproc://forwarder-in");
    await_wish (near_pub, "\\1near");
    say (pub, "news|from afar");
    expect (sub, "news|from afar");
    say (near_pub, "near|by");
    expect (near_sub, "near|by");
    say (pub, "near|far");
    expect (near_sub, "near|far");
}

static void message_of_many_frames_stays_whole (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *sub = open_sub (for_subs (forwarder), "t");
    expect_wish (pub, "\\1t");
    char text[1200] = "t";
    for (int i = 0; i < 200; i++)
        snprintf (text + strlen (text), sizeof text - strlen (text), "|%d", i);
    say (pub, "%s", text);
    say (pub, "t||");
    say (pub, "t");
    expect (sub, "%s", text);
    expect (sub, "t||");
    expect (sub, "t");
}

static void one_subscription_of_many_subscribers_passes_up_once (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *first = open_sub (for_subs (forwarder), "a");
    expect_wish (pub, "\\1a");
    void *second = open_sub (for_subs (forwarder), "a");
    subscribe_to (second, "b");
    expect_wish (pub, "\\1b"); /* what second wanted before has come, too */
    plain_close (first);
    unsubscribe_from (second, "b");
    expect_wish (pub, "\\0b");
    unsubscribe_from (second, "a");
    expect_wish (pub, "\\0a");
    subscribe_to (second, "c");
    expect_wish (pub, "\\1c");
    plain_close (second);
    expect_wish (pub, "\\0c");
}

static void topic_wanted_at_two_sockets_is_wanted_until_both_are_done (void **state)
{
    char sub_at[64], out[80];
    void *far = bound_sub = bind_plain (ZMQ_SUB, sub_at);
    snprintf (out, sizeof out, ">%s", sub_at);
    const char *subs[] = {ANY_TCP, out};
    zf_forwarder_options_t options = both_bound ();
    options.subs = subs;
    options.sub_count = 2;
    zf_device_t *forwarder = start_forwarder (&options);
    void *pub = open_pub (for_pubs (forwarder));
    void *close_by = open_sub (for_subs (forwarder), "a");
    expect_wish (pub, "\\1a");
    subscribe_to (far, "a");
    subscribe_to (far, "sign");
    expect_wish (pub, "\\1sign");
    unsubscribe_from (close_by, "a");
    subscribe_to (close_by, "other sign");
    expect_wish (pub, "\\1other sign"); /* not \0a */
    say (pub, "a|still");
    expect (far, "a|still");
    unsubscribe_from (far, "a");
    expect_wish (pub, "\\0a");
}

static void subscriptions_of_one_that_was_connected_to_end_with_it (void **state)
{
    char sub_at[64], out[80];
    void *far = bound_sub = bind_plain (ZMQ_SUB, sub_at);
    snprintf (out, sizeof out, ">%s", sub_at);
    const char *subs[] = {out};
    zf_forwarder_options_t options = both_bound ();
    options.subs = subs;
    zf_device_t *forwarder = start_forwarder (&options);
    void *pub = open_pub (for_pubs (forwarder));
    subscribe_to (far, "a");
    expect_wish (pub, "\\1a");
    bound_sub = NULL;
    plain_close (far);
    expect_wish (pub, "\\0a");
}

static void storm_of_subscriptions_ends_as_it_should (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *sub = make_plain (ZMQ_SUB);
    assert_int_equal (zmq_connect (sub, for_subs (forwarder)), 0);
    char topic[32];
    for (int i = 0; i < 20000; i++) {
        snprintf (topic, sizeof topic, "topic %d", i);
        subscribe_to (sub, topic);
        subscribe_to (sub, "again");
        unsubscribe_from (sub, "again");
        if (i % 2 == 0)
            unsubscribe_from (sub, topic);
    }
    subscribe_to (sub, "end");
    await_wish (pub, "\\1end");
    assert_int_equal (figure_of (forwarder, "plain_subscriptions"), 10001);
    say (pub, "topic 2|no");
    say (pub, "again|no");
    say (pub, "topic 19999|yes");
    expect (sub, "topic 19999|yes");
    plain_close (sub);
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (figure_of (forwarder, "plain_subscriptions") > 0)
        assert_true (zclock_mono () < end);
}

static void what_an_xsub_says_that_is_no_subscription_is_passed_over (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *pub = open_pub (for_pubs (forwarder));
    void *odd = plain_open (ZMQ_XSUB, for_subs (forwarder), NULL);
    say (odd, "hello");
    say (odd, "\1a|b");
    say (odd, "%s", "");
    say (odd, "|");
    say (odd, "\1fine");
    await_wish (pub, "\\1fine");
    say (pub, "fine|thanks");
    expect (odd, "fine|thanks");
}

static void subscription_to_too_long_a_topic_ends_the_connection (void **state)
{
    static char topic[1100];
    zf_device_t *forwarder = start_bound ();
    memset (topic, 'x', sizeof topic - 1);
    topic[1024] = '\0';
    open_sub (for_subs (forwarder), topic);
    await_figure (forwarder, "plain_subscriptions", 1);
    void *sub = plain_open (ZMQ_SUB, for_subs (forwarder), NULL);
    assert_int_equal (zmq_socket_monitor (sub, "inproc://long-topic", ZMQ_EVENT_DISCONNECTED), 0);
    void *monitor = plain_open (ZMQ_PAIR, "inproc://long-topic", NULL);
    topic[1024] = 'x';
    subscribe_to (sub, topic);
    assert_true (hears (monitor, DEADLINE_MS));
    assert_int_equal (figure_of (forwarder, "plain_subscriptions"), 1);
}

static void new_publisher_learns_what_is_wanted (void **state)
{
    zf_device_t *forwarder = start_bound ();
    void *sub = open_sub (for_subs (forwarder), "a");
    void *pub = open_pub (for_pubs (forwarder));
    await_wish (pub, "\\1a");
    say (pub, "a|1");
    expect (sub, "a|1");
    plain_close (pub);
    pub = open_pub (for_pubs (forwarder));
    await_wish (pub, "\\1a");
    say (pub, "a|2");
    expect (sub, "a|2");
}

static void publisher_that_binds_may_start_again (void **state)
{
    char pub_at[64], in[80];
    void *pub = bind_plain (ZMQ_XPUB, pub_at);
    snprintf (in, sizeof in, ">%s", pub_at);
    const char *pubs[] = {in};
    zf_forwarder_options_t options = both_bound ();
    options.pubs = pubs;
    zf_device_t *forwarder = start_forwarder (&options);
    void *sub = open_sub (zf_device_endpoint (forwarder, 1), "a");
    await_wish (pub, "\\1a");
    plain_close (pub);
    pub = make_plain (ZMQ_XPUB);
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (zmq_bind (pub, pub_at) != 0) /* until libzmq has let go of it */
        assert_true (zclock_mono () < end);
    await_wish (pub, "\\1a");
    say (pub, "a|again");
    expect (sub, "a|again");
}

static void forwarder_may_start_again (void **state)
{
    zf_device_t *forwarder = start_bound ();
    char native[64], in[64], out[64];
    snprintf (native, sizeof native, "%s", zf_device_endpoint (forwarder, 0));
    snprintf (in, sizeof in, "%s", for_pubs (forwarder));
    snprintf (out, sizeof out, "%s", for_subs (forwarder));
    void *sub = open_sub (out, "a");
    void *pub = open_pub (in);
    await_wish (pub, "\\1a");
    stop_forwarder (forwarder);
    const char *natives[] = {native}, *pubs[] = {in}, *subs[] = {out};
    zf_forwarder_options_t options = forward_options ();
    options.endpoints = natives;
    options.pubs = pubs;
    options.subs = subs;
    options.pub_count = options.sub_count = 1;
    forwarder = start_forwarder (&options);
    int64_t end = zclock_mono () + DEADLINE_MS;
    do { /* a publisher that connects has not noticed that anything was wanted anew */
        assert_true (zclock_mono () < end);
        say (pub, "a|back");
    } while (!hears (sub, 5));
    expect (sub, "a|back");
    assert_in_range (figure_of (forwarder, "plain_in"), 1, UINT64_MAX);
}

static long cpu_ms (void)
{
    struct rusage usage;
    getrusage (RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void idle_forwarder_costs_nothing (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.last_values = true;
    zf_device_t *forwarder = start_forwarder (&options);
    void *sub = open_sub (for_subs (forwarder), "a");
    void *pub = open_pub (for_pubs (forwarder));
    await_wish (pub, "\\1a");
    say (pub, "a|1");
    expect (sub, "a|1");
    long before = cpu_ms ();
    assert_false (hears (sub, 400));
    assert_in_range (cpu_ms () - before, 0, 40); /* one that spins takes 400 */
}

/* A subscriber that is stuck makes the output full: that, too, must not make the forwarder spin. */
static void forwarder_with_a_full_subscriber_costs_nothing (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.plain_hwm = 10;
    zf_device_t *forwarder = start_forwarder (&options);
    void *stuck = make_plain (ZMQ_SUB);
    set_option (stuck, ZMQ_RCVHWM, 1);
    subscribe_to (stuck, "a");
    assert_int_equal (zmq_connect (stuck, for_subs (forwarder)), 0);
    void *pub = open_pub (for_pubs (forwarder));
    await_wish (pub, "\\1a");
    void *sub = open_sub (for_subs (forwarder), "b");
    await_wish (pub, "\\1b");
    while (figure_of (forwarder, "plain_dropped_slow") == 0)
        say (pub, "a|%1000d", 0);
    await_figure (forwarder, "plain_in", 1);
    say (pub, "b|1");
    expect (sub, "b|1");
    long before = cpu_ms ();
    assert_false (hears (sub, 400));
    assert_in_range (cpu_ms () - before, 0, 40);
}

/* -- options ----------------------------------------------------------------------------------- */

static void expect_refusal (const zf_forwarder_options_t *options, int code, const char *words)
{
    zf_error_t err;
    zf_device_t *device = (zf_device_t *) (void *) &err;
    assert_int_equal (zf_forwarder_start (&device, options, &err), code);
    assert_null (device);
    if (strstr (err.text, words) == NULL)
        fail_msg ("%s: not a word of %s", err.text, words);
}

static void wrong_options_are_refused_in_words (void **state)
{
    static const char *const bad[] = {"@nowhere"};
    static const char *const none[] = {NULL};
    zf_forwarder_options_t options = both_bound ();
    options.struct_size--;
    expect_refusal (&options, ZF_E_INVAL, "zf_forwarder_defaults");
    options = both_bound ();
    options.endpoint_count = 0;
    expect_refusal (&options, ZF_E_INVAL, "no endpoint");
    options = both_bound ();
    options.sub_count = 65;
    expect_refusal (&options, ZF_E_INVAL, "more than 64");
    options = both_bound ();
    options.pubs = none;
    expect_refusal (&options, ZF_E_INVAL, "NULL");
    options = both_bound ();
    options.stream = "a@b";
    expect_refusal (&options, ZF_E_INVAL, "name");
    options = both_bound ();
    options.plain_hwm = 0;
    expect_refusal (&options, ZF_E_INVAL, "plain_hwm");
    options = both_bound ();
    options.slow_ms = 1;
    expect_refusal (&options, ZF_E_INVAL, "slow_ms");
    options = both_bound ();
    options.last_values = true;
    options.last_values_bytes = 0;
    expect_refusal (&options, ZF_E_INVAL, "last_values_bytes");
    options = both_bound ();
    options.pubs = bad;
    expect_refusal (&options, ZF_E_ADDRESS, "nowhere");
}

static void forwarder_refused_at_its_last_endpoint_frees_the_others (void **state)
{
    static const char *const good[] = {"inproc://first-of-all"};
    static const char *const bad[] = {"inproc://second-of-all", ">nowhere"};
    zf_forwarder_options_t options = forward_options ();
    options.pubs = good;
    options.pub_count = 1;
    options.subs = bad;
    options.sub_count = 2;
    expect_refusal (&options, ZF_E_ADDRESS, "nowhere");
    options.sub_count = 1;
    start_forwarder (&options);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        FORWARD_CASE (messages_of_two_publishers_reach_three_subscribers),
        FORWARD_CASE (messages_go_only_to_those_who_want_them),
        FORWARD_CASE (forwarder_connects_on_both_sides),
        FORWARD_CASE (message_of_many_frames_stays_whole),
        FORWARD_CASE (one_subscription_of_many_subscribers_passes_up_once),
        FORWARD_CASE (topic_wanted_at_two_sockets_is_wanted_until_both_are_done),
        FORWARD_CASE (subscriptions_of_one_that_was_connected_to_end_with_it),
        FORWARD_CASE (storm_of_subscriptions_ends_as_it_should),
        FORWARD_CASE (what_an_xsub_says_that_is_no_subscription_is_passed_over),
        FORWARD_CASE (subscription_to_too_long_a_topic_ends_the_connection),
        FORWARD_CASE (new_publisher_learns_what_is_wanted),
        FORWARD_CASE (publisher_that_binds_may_start_again),
        FORWARD_CASE (forwarder_may_start_again),
        FORWARD_CASE (idle_forwarder_costs_nothing),
        FORWARD_CASE (forwarder_with_a_full_subscriber_costs_nothing),
        FORWARD_CASE (wrong_options_are_refused_in_words),
        FORWARD_CASE (forwarder_refused_at_its_last_endpoint_frees_the_others),
    };
    return cmocka_run_group_tests_name ("the forwarder's plain side", tests, NULL, NULL);
}
