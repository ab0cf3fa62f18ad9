/* Last values: for who comes late, and for nobody else. */
#include "tests/devices/forward.h"

#include "devices/socket.h"

/* A subscriber that leaves just before the next grant, and is heard of at once: what libzmq does
 * then is that it forgets whose subscription was to be granted. */
static void *leaves_before_a_grant;

void __real_zf_socket_xpub_grant (zf_socket_t *xpub, const void *topic, size_t size);
void __wrap_zf_socket_xpub_grant (zf_socket_t *xpub, const void *topic, size_t size);

void __wrap_zf_socket_xpub_grant (zf_socket_t *xpub, const void *topic, size_t size)
{
    void *leaver = size == 1 && memcmp (topic, "t", 1) == 0
                       ? __atomic_exchange_n (&leaves_before_a_grant, NULL, __ATOMIC_ACQ_REL)
                       : NULL;
    if (leaver != NULL)
        zmq_close (leaver);
    while (leaver != NULL && !zf_socket_readable (xpub->raw))
        poll (NULL, 0, 1);
    __real_zf_socket_xpub_grant (xpub, topic, size);
}

static zf_device_t *start_with_values (void)
{
    zf_forwarder_options_t options = both_bound ();
    options.last_values = true;
    return start_forwarder (&options);
}

/* A publisher whose messages all get to the forwarder: somebody wants them. */
static void *open_heard_pub (zf_device_t *forwarder, void **all)
{
    *all = open_sub (for_subs (forwarder), "");
    void *pub = open_pub (for_pubs (forwarder));
    await_wish (pub, "\\1");
    return pub;
}

static void drain_until (void *sub, const char *last)
{
    char text[PLAIN_SHOWN_MAX];
    do {
        assert_true (hears (sub, DEADLINE_MS));
        plain_recv_text (sub, text);
    } while (strcmp (text, last) != 0);
}

static void late_subscriber_gets_the_newest_of_each_topic (void **state)
{
    void *all;
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_heard_pub (forwarder, &all);
    say (pub, "a.one|1");
    say (pub, "a.two|1");
    say (pub, "b|1");
    say (pub, "a.one|2");
    say (pub, "a.two|2|and a frame");
    drain_until (all, "a.two|2|and a frame");
    assert_int_equal (figure_of (forwarder, "last_values"), 3);
    void *late = open_sub (for_subs (forwarder), "a.");
    expect (late, "a.one|2");
    expect (late, "a.two|2|and a frame");
    say (pub, "a.one|3");
    expect (late, "a.one|3");
    assert_false (hears (late, 20));
}

static void nobody_else_gets_them (void **state)
{
    void *all;
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_heard_pub (forwarder, &all);
    void *other = open_sub (for_subs (forwarder), "other");
    void *same = open_sub (for_subs (forwarder), "t");
    await_wish (pub, "\\1t");
    for (int i = 0; i < 10; i++)
        say (pub, "t%d|x", i);
    drain_until (all, "t9|x");
    drain_until (same, "t9|x");
    void *late = open_sub (for_subs (forwarder), "t"); /* several values */
    for (int i = 0; i < 10; i++)
        expect (late, "t%d|x", i);
    void *one = open_sub (for_subs (forwarder), "t7"); /* one */
    expect (one, "t7|x");
    say (pub, "t7|end");
    say (pub, "other|end");
    expect (all, "t7|end");
    expect (same, "t7|end");
    expect (late, "t7|end");
    expect (one, "t7|end");
    expect (other, "other|end");
    expect (all, "other|end");
}

static void topic_of_a_single_frame_ends_at_the_first_space (void **state)
{
    void *all;
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_heard_pub (forwarder, &all);
    say (pub, "AAPL 100");
    say (pub, "AAPL 101");
    say (pub, "AAPLE 7");
    say (pub, "IBM 50");
    drain_until (all, "IBM 50");
    assert_int_equal (figure_of (forwarder, "last_values"), 3);
    void *prefix = open_sub (for_subs (forwarder), "AA");
    expect (prefix, "AAPL 101");
    expect (prefix, "AAPLE 7");
    void *exact = open_sub (for_subs (forwarder), "AAPL ");
    expect (exact, "AAPL 101");
    void *further = open_sub (for_subs (forwarder), "IBM 5");
    expect (further, "IBM 50");
    void *none = open_sub (for_subs (forwarder), "IBM 6");
    say (pub, "IBM 60");
    drain_until (all, "IBM 60");
    await_wish (pub, "\\1IBM 6");
    say (pub, "IBM 61");
    drain_until (none, "IBM 61");
    assert_false (hears (exact, 0));
}

static void values_bounded_in_bytes_are_evicted_and_counted (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.last_values = true;
    options.last_values_bytes = 4000;
    zf_device_t *forwarder = start_forwarder (&options);
    void *all;
    void *pub = open_heard_pub (forwarder, &all);
    for (int i = 0; i < 20; i++)
        say (pub, "t%02d|%0500d", i, 0);
    say (pub, "end");
    drain_until (all, "end");
    uint64_t kept = figure_of (forwarder, "last_values");
    assert_in_range (kept, 2, 8);
    assert_int_equal (figure_of (forwarder, "last_values_evicted"), 21 - kept);
    void *late = open_sub (for_subs (forwarder), "t");
    for (uint64_t i = 20 - (kept - 1); i < 20; i++)
        expect (late, "t%02d|%0500d", (int) i, 0);
    assert_false (hears (late, 20));
}

static void subscription_and_its_end_pass_up_as_always (void **state)
{
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_pub (for_pubs (forwarder));
    void *first = open_sub (for_subs (forwarder), "a");
    subscribe_to (first, "a");
    expect_wish (pub, "\\1a");
    void *second = open_sub (for_subs (forwarder), "a");
    subscribe_to (second, "b");
    expect_wish (pub, "\\1b");
    plain_close (first);
    unsubscribe_from (second, "b");
    expect_wish (pub, "\\0b");
    say (pub, "a|still");
    expect (second, "a|still");
    unsubscribe_from (second, "a");
    expect_wish (pub, "\\0a");
    subscribe_to (second, "c");
    expect_wish (pub, "\\1c");
    say (pub, "a|not wanted");
    say (pub, "c|wanted");
    expect (second, "c|wanted");
    plain_close (second);
    expect_wish (pub, "\\0c");
    assert_int_equal (figure_of (forwarder, "plain_subscriptions"), 0);
}

#define TOPICS 20

/* What a subscriber has got so far of each topic. */
typedef struct {
    void *socket;
    int last[TOPICS]; /* -1: nothing */
    bool settled;     /* it has had the values that were there when it came */
} follower_t;

static follower_t follow (zf_device_t *forwarder)
{
    follower_t follower = {.socket = open_sub (for_subs (forwarder), "t")};
    for (int i = 0; i < TOPICS; i++)
        follower.last[i] = -1;
    return follower;
}

/* Reads until it is that far in all topics: each begins with some value, and goes on without a gap.
 * Where some come and others go in the same moment a value may come twice. */
static void read_to (follower_t *follower, int round)
{
    for (int behind = TOPICS; behind > 0;) {
        char text[PLAIN_SHOWN_MAX];
        int topic, number;
        assert_true (hears (follower->socket, DEADLINE_MS));
        plain_recv_text (follower->socket, text);
        assert_int_equal (sscanf (text, "t%d|%d", &topic, &number), 2);
        assert_true (number >= follower->last[topic]);
        if (follower->settled)
            assert_true (number <= follower->last[topic] + 1);
        follower->last[topic] = number;
        behind = 0;
        for (int i = 0; i < TOPICS; i++)
            behind += follower->last[i] < round;
    }
    follower->settled = true;
}

/* Each round one leaves and another one comes, and then something is published; every so many
 * rounds they read. */
static void come_and_go (int rounds, int reads_every)
{
    void *all;
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_heard_pub (forwarder, &all);
    follower_t followers[4];
    for (int i = 0; i < 4; i++)
        followers[i] = follow (forwarder);
    await_wish (pub, "\\1t");
    for (int round = 0; round < rounds; round++) {
        follower_t *next = &followers[round % 4];
        plain_close (next->socket);
        *next = follow (forwarder);
        for (int i = 0; i < TOPICS; i++)
            say (pub, "t%d|%d", i, round);
        for (int i = 0; i < 4 && round % reads_every == reads_every - 1; i++)
            read_to (&followers[i], round);
    }
}

static void those_who_come_and_go_while_it_flows_miss_nothing (void **state)
{
    come_and_go (300, 1);
}

static void those_who_come_and_go_at_the_same_time_miss_nothing (void **state)
{
    come_and_go (300, 3);
}

static void subscriber_whose_grant_was_lost_misses_nothing (void **state)
{
    void *all;
    int none = 0;
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_heard_pub (forwarder, &all);
    void *leaver = zmq_socket (zsys_init (), ZMQ_SUB);
    zmq_setsockopt (leaver, ZMQ_LINGER, &none, sizeof none);
    assert_int_equal (zmq_connect (leaver, for_subs (forwarder)), 0);
    subscribe_to (leaver, "leaver");
    await_wish (pub, "\\1leaver");
    say (pub, "t1|0");
    say (pub, "t2|0");
    drain_until (all, "t2|0");
    __atomic_store_n (&leaves_before_a_grant, leaver, __ATOMIC_RELEASE);
    void *late = open_sub (for_subs (forwarder), "t");
    await_wish (pub, "\\1t");
    assert_null (__atomic_load_n (&leaves_before_a_grant, __ATOMIC_ACQUIRE));
    expect_wish (pub, "\\0leaver");
    void *other = open_sub (for_subs (forwarder), "t");
    for (int i = 1; i <= 2; i++)
        expect (other, "t%d|0", i);
    say (pub, "t1|live|two frames");
    say (pub, "t2|end");
    expect (other, "t1|live|two frames");
    expect (other, "t2|end");
    drain_until (late, "t1|live|two frames"); /* the values maybe twice: `other` came meanwhile */
    expect (late, "t2|end");
    unsubscribe_from (late, "t");
    plain_close (other);
    await_wish (pub, "\\0t");
    subscribe_to (late, "t"); /* now it is granted */
    expect (late, "t1|live|two frames");
    expect (late, "t2|end");
    say (pub, "t2|more");
    expect (late, "t2|more");
    assert_false (hears (late, 20));
}

/* libzmq mixes up subscribers when somebody sends what is no subscription. */
static void messages_from_below_do_not_muddle_grants (void **state)
{
    void *all;
    void *subs[20];
    char text[32];
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_heard_pub (forwarder, &all);
    for (int i = 0; i < 40; i++)
        say (pub, "t%d.%d|old", i / 2, i % 2);
    drain_until (all, "t19.1|old");
    void *odd = make_plain (ZMQ_XSUB);
    assert_int_equal (zmq_connect (odd, for_subs (forwarder)), 0);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 100; k++)
            say (odd, "what is this|%d", k);
        snprintf (text, sizeof text, "t%d.", i);
        subs[i] = open_sub (for_subs (forwarder), text);
    }
    await_figure (forwarder, "plain_subscriptions", 21);
    for (int i = 0; i < 20; i++)
        say (pub, "t%d.1|new", i);
    for (int i = 0; i < 20; i++) {
        snprintf (text, sizeof text, "t%d.1|new", i);
        drain_until (subs[i], text);
    }
}

static void many_who_come_at_once_are_all_served (void **state)
{
    void *all;
    void *late[50];
    zf_device_t *forwarder = start_with_values ();
    void *pub = open_heard_pub (forwarder, &all);
    for (int i = 0; i < 100; i++)
        say (pub, "t%02d|x", i);
    drain_until (all, "t99|x");
    for (int k = 0; k < 50; k++)
        late[k] = open_sub (for_subs (forwarder), "t");
    for (int k = 0; k < 50; k++)
        drain_until (late[k], "t99|x");
    subscribe_to (all, "end");
    await_wish (pub, "\\1end");
    say (pub, "t00|end");
    for (int k = 0; k < 50; k++)
        drain_until (late[k], "t00|end");
}

/* More values than a subscriber has room for: neither the new one nor those who wait for something
 * else lose anything by that. */
static void many_values_fit_and_harm_nobody (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.last_values = true;
    options.plain_hwm = 100;
    zf_device_t *forwarder = start_forwarder (&options);
    void *all;
    void *pub = open_heard_pub (forwarder, &all);
    for (int i = 0; i < 5000; i++) {
        say (pub, "t%04d|x", i);
        expect (all, "t%04d|x", i);
    }
    void *other = open_sub (for_subs (forwarder), "other");
    await_wish (pub, "\\1other");
    void *late = open_sub (for_subs (forwarder), "t");
    await_wish (pub, "\\1t");
    say (pub, "other|1");
    expect (other, "other|1");
    for (int i = 0; i < 5000; i++)
        expect (late, "t%04d|x", i);
    assert_int_equal (figure_of (forwarder, "plain_dropped_slow"), 0);
}

/* More values than there is room for, to some who come at the same time: nobody else loses anything
 * of what is his, or it is told. */
static void values_for_many_cost_others_nothing_untold (void **state)
{
    zf_device_t *forwarder = start_with_values ();
    void *all;
    void *pub = open_heard_pub (forwarder, &all);
    for (int i = 0; i < 20000; i++) {
        say (pub, "t%05d|x", i);
        expect (all, "t%05d|x", i);
    }
    void *other = open_sub (for_subs (forwarder), "other");
    await_wish (pub, "\\1other");
    for (int k = 0; k < 8; k++) /* to these libzmq sends what they did not ask for, too */
        open_sub (for_subs (forwarder), "idle");
    for (int k = 0; k < 8; k++)
        open_sub (for_subs (forwarder), "t");
    uint64_t sent = 0;
    int64_t end = zclock_mono () + 3 * DEADLINE_MS;
    while (figure_of (forwarder, "plain_out") < 9 * 20000 + sent) {
        assert_true (zclock_mono () < end);
        say (pub, "other|%d", (int) sent++);
    }
    bool is_told = figure_of (forwarder, "plain_dropped_slow") > 0; /* somebody was full */
    say (pub, "other|end");
    for (uint64_t i = 0; i < sent && !is_told; i++)
        expect (other, "other|%d", (int) i);
    if (!is_told)
        expect (other, "other|end");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        FORWARD_CASE (late_subscriber_gets_the_newest_of_each_topic),
        FORWARD_CASE (nobody_else_gets_them),
        FORWARD_CASE (topic_of_a_single_frame_ends_at_the_first_space),
        FORWARD_CASE (values_bounded_in_bytes_are_evicted_and_counted),
        FORWARD_CASE (subscription_and_its_end_pass_up_as_always),
        FORWARD_CASE (those_who_come_and_go_while_it_flows_miss_nothing),
        FORWARD_CASE (those_who_come_and_go_at_the_same_time_miss_nothing),
        FORWARD_CASE (subscriber_whose_grant_was_lost_misses_nothing),
        FORWARD_CASE (messages_from_below_do_not_muddle_grants),
        FORWARD_CASE (many_who_come_at_once_are_all_served),
        FORWARD_CASE (many_values_fit_and_harm_nobody),
        FORWARD_CASE (values_for_many_cost_others_nothing_untold),
    };
    return cmocka_run_group_tests_name ("last values", tests, NULL, NULL);
}
