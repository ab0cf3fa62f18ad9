/* Majordomo through real sockets: raw ZeroMQ peers as RFC 7, RFC 18 and RFC 8 describe them, and a
 * broker. Each case runs over tcp and over inproc. */
#include "tests/devices/plain.h"
#include <zferry/broker.h>
#include <zferry/client.h>
#include <zferry/worker.h>

#define BEAT_MS 300u /* where heartbeats matter: a busy machine may be late by three of them */

typedef struct {
    const char *endpoint; /* to bind */
    zf_broker_options_t options;
    zf_policy_t policy;
    zf_device_t *broker;
} case_t;

static case_t *make_case (const char *endpoint)
{
    case_t *c = calloc (1, sizeof *c);
    assert_non_null (c);
    c->endpoint = endpoint;
    zf_broker_defaults (&c->options);
    zf_policy_defaults (&c->policy);
    c->options.endpoints = &c->endpoint;
    c->options.endpoint_count = 1;
    c->options.policy = &c->policy;
    c->options.mdp_heartbeat_ms = 60000; /* out of the way */
    return c;
}

static int over_tcp (void **state)
{
    *state = make_case ("tcp://127.0.0.1:*");
    return 0;
}

static int over_inproc (void **state)
{
    *state = make_case ("inproc://mdp-conformance");
    return 0;
}

static int teardown (void **state)
{
    case_t *c = *state;
    plain_close_all ();
    zf_device_stop (&c->broker);
    free (c);
    return 0;
}

static void start (case_t *c)
{
    zf_error_t err;
    if (zf_broker_start (&c->broker, &c->options, &err) != 0)
        fail_msg ("%s", err.text);
}

static void *dealer (case_t *c, const char *name)
{
    return plain_open (ZMQ_DEALER, zf_device_endpoint (c->broker, 0), name);
}

/* The broker has dealt with all that this client said before, and has said nothing to it. */
static void settle (void *client)
{
    say (client, "|MDPC01|mmi.nothing|");
    expect (client, "|MDPC01|mmi.nothing|501");
}

/* The worker's service is known to the broker. */
static void await_service (case_t *c, const char *service)
{
    char answer[64] = "";
    void *client = dealer (c, NULL);
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (strcmp (answer, "|MDPC01|mmi.service|200") != 0) {
        char text[PLAIN_SHOWN_MAX];
        assert_true (zclock_mono () < end);
        say (client, "|MDPC01|mmi.service|%s", service);
        assert_true (hears (client, DEADLINE_MS));
        plain_recv_text (client, text);
        snprintf (answer, sizeof answer, "%s", text);
    }
    plain_close (client);
}

/* -- conversations ----------------------------------------------------------------------------- */

static void mdp1_req_client_and_worker (void **state)
{
    case_t *c = *state;
    start (c);
    void *worker = dealer (c, "worker");
    void *client = plain_open (ZMQ_REQ, zf_device_endpoint (c->broker, 0), "client");
    say (worker, "|MDPW01|\1|echo");
    for (int i = 0; i < 3; i++) { /* the REQ socket adds and takes frame 0 itself */
        say (client, "MDPC01|echo|hello|%d", i);
        expect (worker, "|MDPW01|\2|client||hello|%d", i);
        say (worker, "|MDPW01|\3|client||world|%d", i);
        expect (client, "MDPC01|echo|world|%d", i);
    }
    say (worker, "|MDPW01|\5");
}

static void mdp1_asynchronous_client (void **state)
{
    case_t *c = *state;
    start (c);
    void *client = dealer (c, "client");
    void *worker1 = dealer (c, NULL);
    void *worker2 = dealer (c, NULL);
    say (worker1, "|MDPW01|\1|echo");
    await_service (c, "echo");
    say (client, "|MDPC01|echo|a");
    expect (worker1, "|MDPW01|\2|client||a");
    say (client, "|MDPC01|echo|b");
    say (worker2, "|MDPW01|\1|echo");
    expect (worker2, "|MDPW01|\2|client||b");
    say (worker2, "|MDPW01|\3|client||B");
    expect (client, "|MDPC01|echo|B");
    say (worker1, "|MDPW01|\3|client||A");
    expect (client, "|MDPC01|echo|A");
}

static void mdp2_partial_and_final (void **state)
{
    case_t *c = *state;
    start (c);
    void *worker = dealer (c, "worker");
    void *client = dealer (c, "client");
    say (worker, "MDPW02|\1|echo");
    for (int i = 0; i < 3; i++) {
        say (client, "MDPC02|\1|echo|hello||%d", i);
        expect (worker, "MDPW02|\2|client||hello||%d", i);
        say (worker, "MDPW02|\3|client||one");
        expect (client, "MDPC02|\2|echo|one");
        say (worker, "MDPW02|\3|client||two|2");
        expect (client, "MDPC02|\2|echo|two|2");
        say (worker, "MDPW02|\4|client||");
        expect (client, "MDPC02|\3|echo|");
    }
    say (worker, "MDPW02|\6");
}

static void versions_serve_each_other (void **state)
{
    case_t *c = *state;
    start (c);
    void *worker1 = dealer (c, NULL);
    void *worker2 = dealer (c, NULL);
    void *client1 = dealer (c, "client1");
    void *client2 = dealer (c, "client2");
    say (worker1, "|MDPW01|\1|one");
    say (worker2, "MDPW02|\1|two");
    say (client1, "|MDPC01|two|x");
    expect (worker2, "MDPW02|\2|client1||x");
    say (worker2, "MDPW02|\3|client1||a part, which 0.1 does not know");
    say (worker2, "MDPW02|\4|client1||y");
    expect (client1, "|MDPC01|two|y");
    say (client2, "MDPC02|\1|one|x");
    expect (worker1, "|MDPW01|\2|client2||x");
    say (worker1, "|MDPW01|\3|client2||y");
    expect (client2, "MDPC02|\3|one|y");
}

static void mmi_answers (void **state)
{
    case_t *c = *state;
    start (c);
    void *worker = dealer (c, NULL);
    void *client = dealer (c, NULL);
    say (client, "|MDPC01|mmi.service|echo");
    expect (client, "|MDPC01|mmi.service|404");
    say (worker, "|MDPW01|\1|echo");
    await_service (c, "echo");
    say (client, "|MDPC01|mmi.service|echo");
    expect (client, "|MDPC01|mmi.service|200");
    say (client, "|MDPC01|mmi.unheard-of|x");
    expect (client, "|MDPC01|mmi.unheard-of|501");
    void *client2 = dealer (c, NULL);
    say (client2, "MDPC02|\1|mmi.service|echo");
    expect (client2, "MDPC02|\3|mmi.service|200");
    say (worker, "|MDPW01|\5");
    say (client2, "MDPC02|\1|mmi.other|x");
    expect (client2, "MDPC02|\3|mmi.other|501");
}

static void large_frames_pass (void **state)
{
    case_t *c = *state;
    enum { SIZE = 1 << 20 };
    start (c);
    void *worker = dealer (c, NULL);
    void *client = dealer (c, "client");
    uint8_t *sent = malloc (SIZE);
    uint8_t *got = malloc (SIZE);
    for (int i = 0; i < SIZE; i++)
        sent[i] = (uint8_t) (i * 31 >> 3);
    say (worker, "MDPW02|\1|echo");
    zmq_send (client, "MDPC02", 6, ZMQ_SNDMORE);
    zmq_send (client, "\1", 1, ZMQ_SNDMORE);
    zmq_send (client, "echo", 4, ZMQ_SNDMORE);
    zmq_send (client, "small", 5, ZMQ_SNDMORE);
    zmq_send (client, sent, SIZE, 0);
    assert_true (hears (worker, DEADLINE_MS));
    static const int sizes[] = {6, 1, 6, 0, 5};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal (zmq_recv (worker, got, SIZE, 0), sizes[i]);
    assert_int_equal (zmq_recv (worker, got, SIZE, 0), SIZE);
    assert_memory_equal (got, sent, SIZE);
    free (sent);
    free (got);
}

static void many_clients_get_their_own_replies (void **state)
{
    case_t *c = *state;
    enum { CLIENTS = 50, WORKERS = 5 };
    void *clients[CLIENTS];
    void *workers[WORKERS];
    start (c);
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = dealer (c, NULL);
        say (workers[i], "|MDPW01|\1|echo");
    }
    for (int i = 0; i < CLIENTS; i++) {
        char name[16];
        snprintf (name, sizeof name, "client%d", i);
        clients[i] = dealer (c, name);
        say (clients[i], "|MDPC01|echo|%d", i);
    }
    for (int served = 0; served < CLIENTS;) {
        for (int i = 0; i < WORKERS; i++) {
            char text[PLAIN_SHOWN_MAX];
            if (!hears (workers[i], 1))
                continue;
            plain_recv_text (workers[i], text);
            int client = plain_number (text, "client");
            int number = plain_number (text, "||");
            assert_int_equal (client, number);
            say (workers[i], "|MDPW01|\3|client%d||%d", client, 2 * number);
            served++;
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        expect (clients[i], "|MDPC01|echo|%d", 2 * i);
}

/* -- workers come and go ----------------------------------------------------------------------- */

static void request_of_a_killed_worker_goes_to_another (void **state)
{
    case_t *c = *state;
    c->options.mdp_heartbeat_ms = BEAT_MS; /* over inproc nobody tells of a closed socket */
    start (c);
    void *first = dealer (c, NULL);
    void *client = dealer (c, "client");
    say (first, "|MDPW01|\1|echo");
    await_service (c, "echo");
    say (client, "|MDPC01|echo|x");
    expect_beating (first, "|MDPW01|\4", "|MDPW01|\2|client||x");
    plain_close (first);
    void *second = dealer (c, NULL);
    say (second, "|MDPW01|\1|echo");
    expect_beating (second, "|MDPW01|\4", "|MDPW01|\2|client||x");
    say (second, "|MDPW01|\3|client||y");
    expect (client, "|MDPC01|echo|y");
}

/* Only by its connection: heartbeats are far away. */
static void broken_connection_gives_the_request_back_at_once (void **state)
{
    case_t *c = *state;
    start (c);
    void *first = dealer (c, NULL);
    void *second = dealer (c, NULL);
    void *client = dealer (c, "client");
    say (first, "MDPW02|\1|echo");
    await_service (c, "echo");
    say (client, "|MDPC01|echo|x");
    expect (first, "MDPW02|\2|client||x");
    say (second, "MDPW02|\1|echo");
    plain_close (first);
    expect (second, "MDPW02|\2|client||x");
}

static void silent_worker_is_disconnected_and_its_request_moves (void **state)
{
    case_t *c = *state;
    c->options.mdp_heartbeat_ms = BEAT_MS;
    start (c);
    void *silent = dealer (c, NULL);
    void *client = dealer (c, "client");
    say (silent, "MDPW02|\1|echo");
    say (client, "MDPC02|\1|echo|x");
    int64_t begin = zclock_mono ();
    void *other = dealer (c, NULL);
    char text[PLAIN_SHOWN_MAX] = "";
    bool asked = false;
    while (strcmp (text, "MDPW02|\\6") != 0) { /* the request, heartbeats, DISCONNECT */
        assert_true (hears (silent, DEADLINE_MS));
        plain_recv_text (silent, text);
        asked = asked || strcmp (text, "MDPW02|\\2|client||x") == 0;
    }
    assert_true (asked);
    assert_true (zclock_mono () - begin >= INT64_C (3) * BEAT_MS - 1);
    say (other, "MDPW02|\1|echo");
    expect_beating (other, "MDPW02|\5", "MDPW02|\2|client||x");
    say (silent, "MDPW02|\4|client||late"); /* it is not registered any more */
    expect (silent, "MDPW02|\6");
    say (other, "MDPW02|\4|client||y");
    expect (client, "MDPC02|\3|echo|y");
}

static void worker_is_sent_heartbeats_and_stays_by_its_own (void **state)
{
    case_t *c = *state;
    c->options.mdp_heartbeat_ms = BEAT_MS;
    start (c);
    void *worker = dealer (c, NULL);
    say (worker, "|MDPW01|\1|echo");
    for (int i = 0; i < 6; i++) { /* twice as long as it could be silent */
        expect (worker, "|MDPW01|\4");
        say (worker, "|MDPW01|\4");
    }
    void *client = dealer (c, NULL);
    say (client, "|MDPC01|mmi.service|echo");
    expect (client, "|MDPC01|mmi.service|200");
}

static void stranger_is_told_to_register (void **state)
{
    case_t *c = *state;
    start (c);
    void *worker = dealer (c, NULL);
    say (worker, "|MDPW01|\4");
    expect (worker, "|MDPW01|\5");
    void *worker2 = dealer (c, NULL);
    say (worker2, "MDPW02|\5");
    expect (worker2, "MDPW02|\6");
    say (worker2, "MDPW02|\1|echo");
    await_service (c, "echo");
}

static void late_reply_is_not_taken_for_another (void **state)
{
    case_t *c = *state;
    c->policy.lease_ms = 150;
    start (c);
    void *slow = dealer (c, NULL);
    void *client = dealer (c, "client");
    say (slow, "|MDPW01|\1|echo");
    say (client, "|MDPC01|echo|old");
    expect (slow, "|MDPW01|\2|client||old");
    void *quick = dealer (c, NULL);
    say (quick, "|MDPW01|\1|echo");
    expect (quick, "|MDPW01|\2|client||old"); /* when the lease is over */
    say (quick, "|MDPW01|\3|client||OLD");
    expect (client, "|MDPC01|echo|OLD");
    say (quick, "|MDPW01|\5");
    say (slow, "|MDPW01|\3|client||late");
    expect_figure (c->broker, "stale", 1, client);
    say (client, "|MDPC01|echo|new");
    expect (slow, "|MDPW01|\2|client||new");
    say (slow, "|MDPW01|\3|client||NEW");
    expect (client, "|MDPC01|echo|NEW");
}

static void request_expires_and_is_never_served (void **state)
{
    case_t *c = *state;
    c->policy.ttl_ms = 100;
    start (c);
    void *client = dealer (c, "client");
    say (client, "|MDPC01|echo|too late");
    expect_figure (c->broker, "answers_dropped", 1, client);
    void *worker = dealer (c, NULL);
    say (worker, "|MDPW01|\1|echo");
    await_service (c, "echo");
    say (client, "|MDPC01|echo|in time");
    expect (worker, "|MDPW01|\2|client||in time");
}

/* -- bad peers --------------------------------------------------------------------------------- */

static void malformed_messages_disturb_nobody (void **state)
{
    case_t *c = *state;
    static const char *const messages[] = {
        "",
        "x",
        "|",
        "||",
        "|MDPC01",
        "|MDPC01|",
        "|MDPC01|echo",
        "|MDPC01||x",
        "|MDPC03|echo|x",
        "MDPC01|echo|x",
        "|MDPW01",
        "|MDPW01|",
        "|MDPW01|\1",
        "|MDPW01|\1|",
        "|MDPW01|\1|mmi.service",
        "|MDPW01|\1|echo|echo",
        "|MDPW01|\2|client||x",
        "|MDPW01|\3|client||x",
        "|MDPW01|\3",
        "|MDPW01|\7",
        "|MDPW01|READY|echo",
        "MDPC02",
        "MDPC02|",
        "MDPC02|\1",
        "MDPC02|\1|echo",
        "MDPC02|\2|echo|x",
        "|MDPC02|\1|echo|x",
        "MDPW02",
        "MDPW02|\1",
        "MDPW02|\1|mmi.",
        "MDPW02|\4|client||x",
        "MDPW02|\3|client||x",
        "MDPW02|\6|x",
        "MDPW01|\1|echo",
    };
    start (c);
    void *worker = dealer (c, NULL);
    void *client = dealer (c, "client");
    say (worker, "|MDPW01|\1|echo");
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        void *bad = dealer (c, NULL);
        say (bad, "%s", messages[i]);
        say (bad, "%s", messages[i]);
        say (client, "|MDPC01|echo|%zu", i);
        expect (worker, "|MDPW01|\2|client||%zu", i);
        say (worker, "|MDPW01|\3|client||done");
        expect (client, "|MDPC01|echo|done");
        plain_close (bad);
    }
    assert_true (figure_of (c->broker, "peer_errors") >= 20);
}

static void wrong_workers_get_disconnect (void **state)
{
    case_t *c = *state;
    static const char *const ones[] = {"|MDPW01|\1|mmi.service", "|MDPW01|\1|", "|MDPW01|\7",
                                       "|MDPW01|\3|client||x", "|MDPW01"};
    static const char *const twos[] = {"MDPW02|\1|mmi.service", "MDPW02|\1|", "MDPW02|\7",
                                       "MDPW02|\4|client||x", "MDPW02"};
    start (c);
    for (size_t i = 0; i < 5; i++) {
        void *worker = dealer (c, NULL);
        say (worker, "%s", ones[i]);
        expect (worker, "|MDPW01|\5");
        void *worker2 = dealer (c, NULL);
        say (worker2, "%s", twos[i]);
        expect (worker2, "MDPW02|\6");
    }
    void *twice = dealer (c, NULL);
    say (twice, "|MDPW01|\1|echo");
    await_service (c, "echo");
    say (twice, "|MDPW01|\1|echo");
    expect (twice, "|MDPW01|\5");
    assert_int_equal (figure_of (c->broker, "peer_errors"), 11);
}

static void wrong_reply_is_dropped (void **state)
{
    case_t *c = *state;
    start (c);
    void *worker = dealer (c, NULL);
    void *client = dealer (c, "client");
    void *other = dealer (c, "other");
    settle (other); /* the broker knows it */
    say (worker, "|MDPW01|\1|echo");
    say (client, "|MDPC01|echo|x");
    expect (worker, "|MDPW01|\2|client||x");
    say (worker, "|MDPW01|\3|other||y");
    expect_figure (c->broker, "stale", 1, other);
    settle (other);
    say (worker, "|MDPW01|\3|client||y");
    expect (client, "|MDPC01|echo|y");
}

/* -- native peers ------------------------------------------------------------------------------ */

static void native_worker_serves_majordomo_clients (void **state)
{
    case_t *c = *state;
    start (c);
    const char *endpoint = zf_device_endpoint (c->broker, 0);
    zf_worker_options_t options;
    zf_worker_t *worker;
    zf_message_t message;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    assert_int_equal (zf_worker_open (&worker, "echo", &options, NULL), 0);
    void *client1 = dealer (c, NULL);
    void *client2 = dealer (c, NULL);
    say (client1, "|MDPC01|echo|he|llo");
    assert_int_equal (zf_worker_recv (worker, &message, DEADLINE_MS, NULL), 0);
    assert_int_equal (zf_message_frame_count (&message), 2);
    assert_memory_equal (message.body, "hello", 5);
    assert_true ((message.flags & ZF_MESSAGE_WANTS_REPLY) != 0);
    zf_worker_reply (worker, &message, "world", 5, NULL);
    expect (client1, "|MDPC01|echo|world");
    say (client2, "MDPC02|\1|echo|x");
    assert_int_equal (zf_worker_recv (worker, &message, DEADLINE_MS, NULL), 0);
    zf_worker_reply_part (worker, &message, "part", 4, NULL);
    expect (client2, "MDPC02|\2|echo|part");
    zf_worker_reply (worker, &message, "end", 3, NULL);
    expect (client2, "MDPC02|\3|echo|end");
    zf_worker_close (&worker);
}

static void majordomo_worker_serves_native_clients (void **state)
{
    case_t *c = *state;
    start (c);
    const char *endpoint = zf_device_endpoint (c->broker, 0);
    zf_client_options_t options;
    zf_client_t *client;
    zf_message_t reply;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    assert_int_equal (zf_client_open (&client, &options, NULL), 0);
    assert_int_equal (
        zf_client_request_async (client, "echo", "hello", 5, NULL, NULL, NULL, NULL, NULL), 0);
    void *worker = dealer (c, NULL);
    char address[16] = "";
    char text[16] = "";
    say (worker, "MDPW02|\1|echo");
    assert_true (hears (worker, DEADLINE_MS));
    static const int sizes[] = {6, 1, 16, 0, 5}; /* the address is the client's uuid */
    for (size_t i = 0; i < 5; i++)
        assert_int_equal (zmq_recv (worker, i == 2 ? address : text, 16, 0), sizes[i]);
    assert_memory_equal (text, "hello", 5);
    zmq_send (worker, "MDPW02", 6, ZMQ_SNDMORE);
    zmq_send (worker, "\4", 1, ZMQ_SNDMORE);
    zmq_send (worker, address, 16, ZMQ_SNDMORE);
    zmq_send (worker, "", 0, ZMQ_SNDMORE);
    zmq_send (worker, "world", 5, 0);
    assert_int_equal (zf_client_next_reply (client, &reply, DEADLINE_MS, NULL), 0);
    assert_int_equal (reply.code, 0);
    assert_int_equal (reply.size, 5);
    assert_memory_equal (reply.body, "world", 5);
    zf_message_release (&reply);
    assert_int_equal (zf_client_post (client, "echo", "posted", 6, NULL, NULL), 0);
    expect (worker, "MDPW02|\2|zferry||posted");
    zf_client_close (&client);
}

#define OVER(test, transport) cmocka_unit_test_setup_teardown (test, over_##transport, teardown)
#define BOTH(test)                                           \
    {#test " (tcp)", test, over_tcp, teardown, NULL},        \
    {                                                        \
#test " (inproc)", test, over_inproc, teardown, NULL \
    }

int main (void)
{
    const struct CMUnitTest tests[] = {
        BOTH (mdp1_req_client_and_worker),
        BOTH (mdp1_asynchronous_client),
        BOTH (mdp2_partial_and_final),
        BOTH (versions_serve_each_other),
        BOTH (mmi_answers),
        BOTH (large_frames_pass),
        BOTH (many_clients_get_their_own_replies),
        BOTH (request_of_a_killed_worker_goes_to_another),
        OVER (broken_connection_gives_the_request_back_at_once, tcp),
        BOTH (silent_worker_is_disconnected_and_its_request_moves),
        BOTH (worker_is_sent_heartbeats_and_stays_by_its_own),
        BOTH (stranger_is_told_to_register),
        BOTH (late_reply_is_not_taken_for_another),
        BOTH (request_expires_and_is_never_served),
        BOTH (malformed_messages_disturb_nobody),
        BOTH (wrong_workers_get_disconnect),
        BOTH (wrong_reply_is_dropped),
        BOTH (native_worker_serves_majordomo_clients),
        BOTH (majordomo_worker_serves_native_clients),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
