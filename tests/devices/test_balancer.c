/* The balancer through real sockets: the ZeroMQ guide's clients and workers, as they are. Each case
 * runs over tcp and over inproc. */
#include "tests/devices/plain.h"
#include <zferry/balancer.h>

#define BEAT_MS 300u /* a busy machine may be late by three of them */

typedef struct {
    const char *front; /* to bind */
    const char *back;
    zf_balancer_options_t options;
    zf_device_t *balancer;
} case_t;

static case_t *make_case (const char *front, const char *back)
{
    case_t *c = calloc (1, sizeof *c);
    assert_non_null (c);
    c->front = front;
    c->back = back;
    zf_balancer_defaults (&c->options);
    c->options.front = &c->front;
    c->options.front_count = 1;
    c->options.back = &c->back;
    c->options.back_count = 1;
    c->options.heartbeat_ms = BEAT_MS;
    return c;
}

static int over_tcp (void **state)
{
    *state = make_case ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*");
    return 0;
}

static int over_inproc (void **state)
{
    *state = make_case ("inproc://balancer-front", "inproc://balancer-back");
    return 0;
}

static int teardown (void **state)
{
    case_t *c = *state;
    plain_close_all ();
    zf_device_stop (&c->balancer);
    free (c);
    return 0;
}

static void start (case_t *c)
{
    zf_error_t err;
    if (zf_balancer_start (&c->balancer, &c->options, &err) != 0)
        fail_msg ("%s", err.text);
}

static void *client (case_t *c, int type, const char *name)
{
    return plain_open (type, zf_device_endpoint (c->balancer, 0), name);
}

static void *worker (case_t *c, int type)
{
    return plain_open (type, zf_device_endpoint (c->balancer, 1), NULL);
}

/* -- conversations ----------------------------------------------------------------------------- */

static void req_client_and_req_worker (void **state)
{
    case_t *c = *state;
    start (c);
    void *asking = client (c, ZMQ_REQ, "client");
    void *working = worker (c, ZMQ_REQ);
    say (working, "READY");
    for (int i = 0; i < 3; i++) {
        say (asking, "hello|%d", i);
        expect (working, "client||hello|%d", i);
        say (working, "client||world|%d", i);
        expect (asking, "world|%d", i);
    }
}

static void dealer_client_and_req_worker_with_the_other_ready (void **state)
{
    case_t *c = *state;
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    void *working = worker (c, ZMQ_REQ);
    say (working, "\1");
    say (asking, "no|delimiter");
    say (asking, "|delimiter");
    expect (working, "client|no|delimiter");
    say (working, "client|one");
    expect (asking, "one");
    expect (working, "client||delimiter");
    say (working, "client||two");
    expect (asking, "|two");
}

static void req_client_and_dealer_worker (void **state)
{
    case_t *c = *state;
    start (c);
    void *asking = client (c, ZMQ_REQ, "client");
    void *working = worker (c, ZMQ_DEALER);
    say (working, "READY");
    say (asking, "hello");
    expect (working, "client||hello");
    say (working, "client||world");
    expect (asking, "world");
}

static void req_client_and_pirate (void **state)
{
    case_t *c = *state;
    start (c);
    void *asking = client (c, ZMQ_REQ, "client");
    void *pirate = worker (c, ZMQ_DEALER);
    say (pirate, "\1");
    for (int i = 0; i < 6; i++) { /* longer than it could be silent */
        expect (pirate, "\2");
        say (pirate, "\2");
    }
    say (asking, "hello");
    expect_beating (pirate, "\2", "client||hello");
    say (pirate, "client||world");
    expect (asking, "world");
}

static void requests_go_round_in_the_order_of_readiness (void **state)
{
    case_t *c = *state;
    enum { WORKERS = 4, ROUNDS = 3 };
    void *workers[WORKERS];
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = worker (c, ZMQ_REQ);
        say (workers[i], "READY");
        expect_figure (c->balancer, "sessions", (uint64_t) i + 1, asking);
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < WORKERS; i++) {
            say (asking, "%d", i);
            expect (workers[i], "client|%d", i);
            say (workers[i], "client|done");
            expect (asking, "done");
        }
    }
}

static void many_clients_get_their_own_replies (void **state)
{
    case_t *c = *state;
    enum { CLIENTS = 50, WORKERS = 5 };
    void *clients[CLIENTS];
    void *workers[WORKERS];
    start (c);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = worker (c, ZMQ_REQ);
        say (workers[i], "READY");
    }
    for (int i = 0; i < CLIENTS; i++) {
        char name[16];
        snprintf (name, sizeof name, "client%d", i);
        clients[i] = client (c, ZMQ_REQ, name);
        say (clients[i], "%d", i);
    }
    for (int served = 0; served < CLIENTS;) {
        for (int i = 0; i < WORKERS; i++) {
            char text[PLAIN_SHOWN_MAX];
            if (!hears (workers[i], 1))
                continue;
            plain_recv_text (workers[i], text);
            int from = plain_number (text, "client");
            int number = plain_number (text, "||");
            assert_int_equal (from, number);
            say (workers[i], "client%d||%d", from, 2 * number);
            served++;
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        expect (clients[i], "%d", 2 * i);
}

/* -- coming and going -------------------------------------------------------------------------- */

static void request_of_a_killed_worker_goes_to_another (void **state)
{
    case_t *c = *state;
    start (c);
    void *asking = client (c, ZMQ_REQ, "client");
    void *first = worker (c, ZMQ_REQ);
    say (first, "READY");
    say (asking, "hello");
    expect (first, "client||hello");
    void *second = worker (c, ZMQ_REQ);
    say (second, "READY");
    plain_close (first);
    expect (second, "client||hello");
    say (second, "client||world");
    expect (asking, "world");
}

static void request_of_a_silent_pirate_goes_to_another (void **state)
{
    case_t *c = *state;
    start (c);
    void *asking = client (c, ZMQ_REQ, "client");
    void *pirate = worker (c, ZMQ_DEALER);
    say (pirate, "\1");
    say (asking, "hello");
    int64_t begin = zclock_mono ();
    void *other = worker (c, ZMQ_REQ);
    expect_figure (c->balancer, "sessions_lost", 1, other);
    assert_true (zclock_mono () - begin >= INT64_C (2) * BEAT_MS);
    say (other, "READY");
    expect (other, "client||hello");
    say (pirate, "client||late"); /* it has to say READY first */
    expect_figure (c->balancer, "peer_errors", 1, asking);
    say (other, "client||world");
    expect (asking, "world");
}

static void request_is_given_up_after_its_attempts (void **state)
{
    case_t *c = *state;
    c->options.max_attempts = 2;
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    say (asking, "poison");
    for (int i = 0; i < 2; i++) {
        void *working = worker (c, ZMQ_REQ);
        say (working, "READY");
        expect (working, "client|poison");
        plain_close (working);
    }
    expect_figure (c->balancer, "answers_dropped", 1, asking);
    void *working = worker (c, ZMQ_REQ);
    say (working, "READY");
    say (asking, "good");
    expect (working, "client|good");
}

static void request_expires_and_is_never_served (void **state)
{
    case_t *c = *state;
    c->options.request_ttl_ms = 100;
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    say (asking, "too late");
    expect_figure (c->balancer, "answers_dropped", 1, asking);
    void *working = worker (c, ZMQ_REQ);
    say (working, "READY");
    say (asking, "in time");
    expect (working, "client|in time");
}

static void late_answer_is_not_taken_for_another (void **state)
{
    case_t *c = *state;
    c->options.request_ttl_ms = 100;
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    void *working = worker (c, ZMQ_REQ);
    say (working, "READY");
    say (asking, "old");
    expect (working, "client|old");
    expect_figure (c->balancer, "answers_dropped", 1, asking);
    say (working, "client|late");
    say (asking, "new");
    expect (working, "client|new");
    say (working, "client|in time");
    expect (asking, "in time");
}

/* On the endpoints that it had: the system may take a moment to free them. */
static void restart (case_t *c, void *silent)
{
    char front[64];
    char back[64];
    int64_t end = zclock_mono () + DEADLINE_MS;
    snprintf (front, sizeof front, "%s", zf_device_endpoint (c->balancer, 0));
    snprintf (back, sizeof back, "%s", zf_device_endpoint (c->balancer, 1));
    zf_device_stop (&c->balancer);
    c->front = front;
    c->back = back;
    while (zf_balancer_start (&c->balancer, &c->options, NULL) != 0) {
        assert_true (zclock_mono () < end);
        assert_false (hears (silent, 5));
    }
}

/* Waits until the socket that is watched has shaken hands again: before that, what it says may go
 * into a connection that is dead already. */
static void await_handshake (void *watching)
{
    zmq_pollitem_t item = {watching, 0, ZMQ_POLLIN, 0};
    assert_int_equal (zmq_poll (&item, 1, DEADLINE_MS), 1);
}

static void *watch_handshakes (void *working)
{
    assert_int_equal (
        zmq_socket_monitor (working, "inproc://handshakes", ZMQ_EVENT_HANDSHAKE_SUCCEEDED), 0);
    return plain_open (ZMQ_PAIR, "inproc://handshakes", NULL);
}

static void req_worker_outlives_the_balancer (void **state)
{
    case_t *c = *state;
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    void *working = worker (c, ZMQ_REQ);
    say (working, "READY");
    say (asking, "old");
    expect (working, "client|old");
    void *watching = watch_handshakes (working);
    restart (c, asking);
    await_handshake (watching);
    say (working, "client|of before"); /* it can say nothing else: this is its READY */
    expect_figure (c->balancer, "stale", 1, asking);
    say (asking, "new");
    expect (working, "client|new");
    say (working, "client|in time");
    expect (asking, "in time");
}

/* -- bad peers --------------------------------------------------------------------------------- */

static void wrong_answers_disturb_nobody (void **state)
{
    case_t *c = *state;
    static const char *const answers[] = {"other||y", "client", "|", "x", "||||"};
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    void *other = client (c, ZMQ_DEALER, "other");
    void *bad = worker (c, ZMQ_DEALER);
    void *good = worker (c, ZMQ_REQ);
    say (bad, "|READY");
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
        say (bad, "|%s", answers[i]);
    say (bad, "READY");
    say (bad, "%s", "");
    expect_figure (c->balancer, "stale", 3, other);
    expect_figure (c->balancer, "peer_errors", 4, other);
    plain_close (bad);
    expect_figure (c->balancer, "sessions_lost", 1, other);
    say (good, "READY");
    say (asking, "hello");
    expect (good, "client|hello");
    say (good, "client|world");
    expect (asking, "world");
}

static void strangers_behind_are_no_workers (void **state)
{
    case_t *c = *state;
    static const char *const messages[] = {"", "hello", "\2", "client||x", "|\2", "ready"};
    start (c);
    void *asking = client (c, ZMQ_DEALER, "client");
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        void *bad = worker (c, ZMQ_DEALER);
        say (bad, "%s", messages[i]);
        expect_figure (c->balancer, "peer_errors", i + 1, asking);
    }
    say (asking, "hello");
    void *good = worker (c, ZMQ_REQ);
    say (good, "READY");
    expect (good, "client|hello");
}

/* -- start ------------------------------------------------------------------------------------- */

static void start_says_what_is_wrong (void **state)
{
    case_t *c = *state;
    zf_device_t *second = (zf_device_t *) c;
    zf_error_t err = {0, ""};
    start (c);
    const char *taken = zf_device_endpoint (c->balancer, 1);
    assert_null (zf_device_endpoint (c->balancer, 2));
    c->options.back = &taken;
    assert_int_equal (zf_balancer_start (&second, &c->options, &err), ZF_E_ADDRESS);
    assert_null (second);
    assert_non_null (strstr (err.text, taken));
    assert_non_null (strstr (err.text, "already in use"));
    c->options.back_count = 0;
    assert_int_equal (zf_balancer_start (&second, &c->options, &err), ZF_E_INVAL);
    assert_null (second);
}

#define OVER_TCP(test) cmocka_unit_test_setup_teardown (test, over_tcp, teardown)
#define BOTH(test)                                           \
    {#test " (tcp)", test, over_tcp, teardown, NULL},        \
    {                                                        \
#test " (inproc)", test, over_inproc, teardown, NULL \
    }

int main (void)
{
    const struct CMUnitTest tests[] = {
        BOTH (req_client_and_req_worker),
        BOTH (dealer_client_and_req_worker_with_the_other_ready),
        BOTH (req_client_and_dealer_worker),
        BOTH (req_client_and_pirate),
        BOTH (requests_go_round_in_the_order_of_readiness),
        BOTH (many_clients_get_their_own_replies),
        OVER_TCP (request_of_a_killed_worker_goes_to_another),
        BOTH (request_of_a_silent_pirate_goes_to_another),
        OVER_TCP (request_is_given_up_after_its_attempts),
        BOTH (request_expires_and_is_never_served),
        BOTH (late_answer_is_not_taken_for_another),
        OVER_TCP (req_worker_outlives_the_balancer),
        OVER_TCP (wrong_answers_disturb_nobody),
        BOTH (strangers_behind_are_no_workers),
        OVER_TCP (start_says_what_is_wrong),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
