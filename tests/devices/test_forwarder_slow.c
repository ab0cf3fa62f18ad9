/* Plain subscribers that do not read. */
#include "tests/devices/forward.h"

#define BODY 1000

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define GROWTH_KB 1000000 /* they keep what was freed */
#else
#define GROWTH_KB 15000
#endif

/* One that reads nothing, and whose own socket takes hardly anything. */
static void *open_stuck (const char *endpoint, const char *topic)
{
    void *sub = make_plain (ZMQ_SUB);
    set_option (sub, ZMQ_RCVHWM, 1);
    set_option (sub, ZMQ_RCVBUF, 4096);
    subscribe_to (sub, topic);
    assert_int_equal (zmq_connect (sub, endpoint), 0);
    return sub;
}

static long resident_kb (void)
{
    long pages = 0;
    FILE *file = fopen ("/proc/self/statm", "r");
    assert_non_null (file);
    assert_int_equal (fscanf (file, "%*d %ld", &pages), 1);
    fclose (file);
    return pages * sysconf (_SC_PAGESIZE) / 1024;
}

/* Publishes so many messages, none before the subscriber has the one before. */
static void pass_in_step (void *pub, void *sub, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        say (pub, "a|%0*d", BODY, i);
        expect (sub, "a|%0*d", BODY, i);
    }
}

static void subscriber_that_does_not_read_costs_the_others_nothing (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.plain_hwm = 100;
    zf_device_t *forwarder = start_forwarder (&options);
    void *pub = open_pub (for_pubs (forwarder));
    void *stuck = open_stuck (for_subs (forwarder), "a");
    await_wish (pub, "\\1a");
    void *sub = open_sub (for_subs (forwarder), "a");
    subscribe_to (sub, "b");
    await_wish (pub, "\\1b");
    int sent = 0;
    while (figure_of (forwarder, "plain_dropped_slow") == 0) {
        pass_in_step (pub, sub, sent, 500);
        sent += 500;
    }
    long before = resident_kb ();
    pass_in_step (pub, sub, sent, 30000); /* 30 MB that it does not take */
    sent += 30000;
    assert_in_range (resident_kb () - before, 0, GROWTH_KB);
    char text[PLAIN_SHOWN_MAX];
    int last = -1, got = 0;
    for (; last != sent - 1; got++) { /* it wakes up: what it gets is in order, */
        while (!hears (stuck, 20)) {
            pass_in_step (pub, sub, sent, 1);
            sent++;
        }
        plain_recv_text (stuck, text);
        int number = -1;
        assert_int_equal (sscanf (text, "a|%d", &number), 1);
        assert_true (number > last);
        last = number;
    }
    assert_in_range (got, 100, 30000); /* and much is missing */
    pass_in_step (pub, sub, sent, 1);
    expect (stuck, "a|%0*d", BODY, sent); /* and then nothing any more */
}

/* Publishes until the publisher hears that nobody wants this any more. */
static void publish_until_it_is_over (void *pub, const char *wish)
{
    char text[PLAIN_SHOWN_MAX] = "";
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (strcmp (text, wish) != 0) {
        assert_true (zclock_mono () < end);
        for (int i = 0; i < 50; i++)
            say (pub, "a|%0*d", BODY, i);
        if (hears (pub, 5))
            plain_recv_text (pub, text);
    }
}

static void subscriber_that_does_not_read_is_disconnected_if_so_wished (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.plain_hwm = 100;
    options.slow = ZF_SLOW_DISCONNECT;
    options.slow_ms = 600;
    zf_device_t *forwarder = start_forwarder (&options);
    void *pub = open_pub (for_pubs (forwarder));
    void *idle = open_sub (for_subs (forwarder), "b");
    await_wish (pub, "\\1b");
    void *stuck = open_stuck (for_subs (forwarder), "a");
    await_wish (pub, "\\1a");
    publish_until_it_is_over (pub, "\\0a");
    assert_in_range (figure_of (forwarder, "plain_dropped_slow"), 1, UINT64_MAX);
    expect_no_wish (pub); /* who has nothing to read is still there: */
    assert_int_equal (figure_of (forwarder, "plain_subscriptions"), 1);
    say (pub, "b|still here");
    expect (idle, "b|still here");
    int64_t end = zclock_mono () + DEADLINE_MS;
    char text[PLAIN_SHOWN_MAX];
    while (figure_of (forwarder, "plain_subscriptions") == 1) { /* it wakes up, and comes back */
        assert_true (zclock_mono () < end);
        if (hears (stuck, 1))
            plain_recv_text (stuck, text);
    }
    await_wish (pub, "\\1a");
}

static void idle_subscriber_is_not_disconnected (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.slow = ZF_SLOW_DISCONNECT;
    options.slow_ms = 100;
    zf_device_t *forwarder = start_forwarder (&options);
    void *pub = open_pub (for_pubs (forwarder));
    void *idle = open_sub (for_subs (forwarder), "a");
    await_wish (pub, "\\1a");
    assert_false (hears (idle, 500)); /* some heartbeats pass */
    expect_no_wish (pub);
    say (pub, "a|there");
    expect (idle, "a|there");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        FORWARD_CASE (subscriber_that_does_not_read_costs_the_others_nothing),
        FORWARD_CASE (subscriber_that_does_not_read_is_disconnected_if_so_wished),
        FORWARD_CASE (idle_subscriber_is_not_disconnected),
    };
    return cmocka_run_group_tests_name ("slow subscribers", tests, NULL, NULL);
}
