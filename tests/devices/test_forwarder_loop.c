/* Forwarders in chains, and in circles, which must not stay. */
#include "tests/devices/forward.h"

#include "devices/socket.h"

#define RING 3

/* The forwarders' clock may be put forward. */
static uint64_t ahead_ms;

uint64_t __real_zf_clock_ms (void);
uint64_t __wrap_zf_clock_ms (void);

uint64_t __wrap_zf_clock_ms (void)
{
    return __real_zf_clock_ms () + __atomic_load_n (&ahead_ms, __ATOMIC_RELAXED);
}

static void put_forward (uint64_t ms)
{
    __atomic_add_fetch (&ahead_ms, ms, __ATOMIC_RELAXED);
}

/* Three forwarders that are to be connected with each other: sockets in a directory of our own, so
 * that their names are known before they start. */
static struct {
    char dir[32];
    char in[RING][64], out[RING][64]; /* bound, for publishers and for subscribers */
    zf_device_t *forwarders[RING];
    void *subs[RING];
    void *pub;
} ring;

static int ring_setup (void **state)
{
    (void) state;
    memset (&ring, 0, sizeof ring);
    strcpy (ring.dir, "/tmp/zferry-test-XXXXXX");
    if (mkdtemp (ring.dir) == NULL)
        return -1;
    for (int i = 0; i < RING; i++) {
        snprintf (ring.in[i], sizeof ring.in[i], "ipc://%s/%d-in", ring.dir, i);
        snprintf (ring.out[i], sizeof ring.out[i], "ipc://%s/%d-out", ring.dir, i);
    }
    told.count = 0;
    return 0;
}

static int ring_teardown (void **state)
{
    forward_clear (state);
    for (int i = 0; i < RING; i++) {
        unlink (ring.in[i] + strlen ("ipc://"));
        unlink (ring.out[i] + strlen ("ipc://"));
    }
    return rmdir (ring.dir);
}

#define RING_CASE(name) cmocka_unit_test_setup_teardown (name, ring_setup, ring_teardown)

enum { BY_INLETS, BY_OUTLETS, IN_A_ROW };

/* Starts the i-th forwarder: what goes out at i - 1 comes in at it, because it connects to that
 * (by inlets), or because it connects to i + 1 (by outlets). In a row the first has nobody before
 * it. */
static void start_member (int i, int how)
{
    char before[80], behind[80];
    const char *pubs[] = {ring.in[i], before};
    const char *subs[] = {ring.out[i], behind};
    snprintf (before, sizeof before, ">%s", ring.out[(i + RING - 1) % RING]);
    snprintf (behind, sizeof behind, ">%s", ring.in[(i + 1) % RING]);
    zf_forwarder_options_t options = forward_options ();
    options.pubs = pubs;
    options.subs = subs;
    options.pub_count = how == BY_INLETS || (how == IN_A_ROW && i > 0) ? 2 : 1;
    options.sub_count = how == BY_OUTLETS ? 2 : 1;
    options.on_event = note_loop;
    ring.forwarders[i] = start_forwarder (&options);
}

static void open_subs (void)
{
    for (int i = 0; i < RING; i++)
        ring.subs[i] = open_sub (ring.out[i], "m");
}

static uint64_t all_of (const char *figure)
{
    uint64_t sum = 0;
    for (int i = 0; i < RING; i++)
        sum += figure_of (ring.forwarders[i], figure);
    return sum;
}

static void await_cut (void)
{
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (all_of ("loops") == 0) {
        assert_true (zclock_mono () < end);
        poll (NULL, 0, 5);
    }
}

/* The forwarder that nothing comes to from another one. */
static int head_of (int how)
{
    for (int i = 0; i < RING; i++) {
        if (figure_of (ring.forwarders[i], "loops") == 1)
            return how == BY_INLETS ? i : (i + 1) % RING;
    }
    fail_msg ("no connection was cut");
    return 0;
}

/* Publishes at the head until everybody hears it, and then that it is enough. */
static void find_everybody (void)
{
    bool heard[RING] = {false};
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (!heard[0] || !heard[1] || !heard[2]) {
        assert_true (zclock_mono () < end);
        say (ring.pub, "m|is there anybody");
        for (int i = 0; i < RING; i++)
            heard[i] |= hears (ring.subs[i], 5);
    }
    say (ring.pub, "m|enough");
    for (int i = 0; i < RING; i++) {
        char text[PLAIN_SHOWN_MAX];
        do
            plain_recv_text (ring.subs[i], text);
        while (strcmp (text, "m|enough") != 0);
    }
}

static void expect_each_once (int count)
{
    for (int k = 0; k < count; k++)
        say (ring.pub, "m|%d", k);
    for (int i = 0; i < RING; i++) {
        for (int k = 0; k < count; k++)
            expect (ring.subs[i], "m|%d", k);
    }
    for (int i = 0; i < RING; i++)
        assert_false (hears (ring.subs[i], 20));
}

static void chain_of_three_passes_messages_and_wishes (void **state)
{
    for (int i = 0; i < RING; i++)
        start_member (i, IN_A_ROW);
    open_subs ();
    ring.pub = open_pub (ring.in[0]);
    expect_wish (ring.pub, "\\1m");
    find_everybody ();
    expect_each_once (100);
    subscribe_to (ring.subs[2], "far");
    expect_wish (ring.pub, "\\1far");
    unsubscribe_from (ring.subs[2], "far");
    expect_wish (ring.pub, "\\0far");
    assert_int_equal (all_of ("loops") + all_of ("plain_dropped_loop"), 0);
}

static const int orders[][RING] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                   {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

/* Closes a circle, which must be cut in one place; then the rest is a chain. */
static void close_circle (int how, const int order[RING])
{
    for (int i = 0; i < RING; i++)
        start_member (order[i], how);
    await_cut ();
    open_subs ();
    ring.pub = open_pub (ring.in[head_of (how)]);
    find_everybody ();
    expect_each_once (100);
    assert_int_equal (all_of ("loops"), 1);
    char text[200];
    assert_int_equal (loops_told (text), 1);
    assert_non_null (strstr (text, "circle"));
}

static void circle_of_inlets_is_cut_in_one_place (void **state)
{
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        close_circle (BY_INLETS, orders[i]);
        ring_teardown (NULL);
        ring_setup (NULL);
    }
}

static void circle_of_outlets_is_cut_in_one_place (void **state)
{
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        close_circle (BY_OUTLETS, orders[i]);
        ring_teardown (NULL);
        ring_setup (NULL);
    }
}

/* The one whose connection was cut. */
static int who_cut (void)
{
    int i = 0;
    while (i < RING - 1 && figure_of (ring.forwarders[i], "loops") == 0)
        i++;
    return i;
}

static void circle_that_is_still_there_is_cut_again (int how)
{
    close_circle (how, orders[0]);
    zf_device_t *cutter = ring.forwarders[who_cut ()];
    for (uint64_t cuts = 2; cuts <= 3; cuts++) {
        put_forward (61000);
        await_figure (cutter, "loops", cuts); /* tried, and found out */
        expect_each_once (100);
    }
    assert_int_equal (all_of ("loops"), 3);
}

static void circle_of_inlets_is_tried_with_the_marker_only (void **state)
{
    circle_that_is_still_there_is_cut_again (BY_INLETS);
}

static void circle_of_outlets_is_tried_with_the_marker_only (void **state)
{
    circle_that_is_still_there_is_cut_again (BY_OUTLETS);
}

/* The connection that was cut comes back when the circle is open elsewhere. */
static void open_elsewhere (int how)
{
    close_circle (how, orders[0]);
    int cutter = who_cut ();
    int head = head_of (how);
    int before = (head + RING - 1) % RING; /* from there the connection came that was cut */
    stop_forwarder (ring.forwarders[(head + 1) % RING]);
    ring.forwarders[(head + 1) % RING] = NULL;
    void *pub = open_pub (ring.in[before]);
    int64_t end = zclock_mono () + DEADLINE_MS;
    char text[PLAIN_SHOWN_MAX] = "";
    while (strcmp (text, "m|round the other way") != 0) {
        assert_true (zclock_mono () < end);
        put_forward (5000);
        figure_of (ring.forwarders[cutter], "loops"); /* it looks at the clock */
        say (pub, "m|round the other way");
        if (hears (ring.subs[head], 20))
            plain_recv_text (ring.subs[head], text);
    }
}

static void inlet_that_was_cut_comes_back (void **state)
{
    open_elsewhere (BY_INLETS);
}

static void outlet_that_was_cut_comes_back (void **state)
{
    open_elsewhere (BY_OUTLETS);
}

static void circle_that_closes_under_way_lets_nothing_go_round_for_long (void **state)
{
    for (int i = 1; i < RING; i++)
        start_member (i, BY_INLETS);
    ring.subs[1] = open_sub (ring.out[1], "m");
    ring.subs[2] = open_sub (ring.out[2], "m");
    ring.pub = open_pub (ring.in[1]);
    expect_wish (ring.pub, "\\1m");
    start_member (0, BY_INLETS); /* closes it */
    uint64_t sent = 0;
    while (all_of ("loops") == 0) {
        for (int k = 0; k < 10; k++)
            say (ring.pub, "m|%llu", (unsigned long long) sent++);
        poll (NULL, 0, 1);
    }
    await_figure (ring.forwarders[1], "plain_in", sent);
    assert_in_range (all_of ("plain_in"), sent, RING * sent + 1000);
}

static void forwarder_connected_with_itself_notices (void **state)
{
    char self_in[80];
    snprintf (self_in, sizeof self_in, ">%s", ring.out[0]);
    const char *pubs[] = {ring.in[0], self_in};
    const char *subs[] = {ring.out[0]};
    zf_forwarder_options_t options = forward_options ();
    options.pubs = pubs;
    options.pub_count = 2;
    options.subs = subs;
    options.sub_count = 1;
    options.on_event = note_loop;
    zf_device_t *forwarder = start_forwarder (&options);
    await_figure (forwarder, "loops", 1);
    void *sub = open_sub (ring.out[0], "a");
    void *pub = open_pub (ring.in[0]);
    await_wish (pub, "\\1a");
    say (pub, "a|once");
    expect (sub, "a|once");
    assert_false (hears (sub, 20));
    char text[200];
    assert_int_equal (loops_told (text), 1);
    assert_non_null (strstr (text, ring.out[0]));
}

/* What goes out of a proxy that is not ours comes in again: nobody but us can do something, and we
 * have no connection to cut. */
static void circle_that_we_cannot_cut_is_told_and_stopped (void **state)
{
    zf_forwarder_options_t options = both_bound ();
    options.on_event = note_loop;
    zf_device_t *forwarder = start_forwarder (&options);
    void *back = plain_open (ZMQ_XSUB, for_subs (forwarder), NULL);
    void *front = plain_open (ZMQ_XPUB, for_pubs (forwarder), NULL);
    int64_t end = zclock_mono () + DEADLINE_MS;
    char text[200];
    while (loops_told (text) == 0) { /* a proxy */
        assert_true (zclock_mono () < end);
        zmq_msg_t message;
        zmq_msg_init (&message);
        if (hears (front, 5) && zmq_msg_recv (&message, front, 0) >= 0)
            assert_true (zmq_msg_send (&message, back, 0) >= 0);
        zmq_msg_close (&message);
    }
    assert_non_null (strstr (text, "others have to cut"));
    void *sub = open_sub (for_subs (forwarder), "");
    await_wish (front, "\\1");
    say (front, "round and round");
    await_figure (forwarder, "plain_dropped_loop", 1);
    assert_int_equal (figure_of (forwarder, "loops"), 0);
    plain_close (back); /* that was it */
    do {
        assert_true (zclock_mono () < end);
        say (front, "on we go");
    } while (!hears (sub, 5));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        RING_CASE (chain_of_three_passes_messages_and_wishes),
        RING_CASE (circle_of_inlets_is_cut_in_one_place),
        RING_CASE (circle_of_outlets_is_cut_in_one_place),
        RING_CASE (circle_of_inlets_is_tried_with_the_marker_only),
        RING_CASE (circle_of_outlets_is_tried_with_the_marker_only),
        RING_CASE (inlet_that_was_cut_comes_back),
        RING_CASE (outlet_that_was_cut_comes_back),
        RING_CASE (circle_that_closes_under_way_lets_nothing_go_round_for_long),
        RING_CASE (forwarder_connected_with_itself_notices),
        RING_CASE (circle_that_we_cannot_cut_is_told_and_stopped),
    };
    return cmocka_run_group_tests_name ("forwarders in a circle", tests, NULL, NULL);
}
