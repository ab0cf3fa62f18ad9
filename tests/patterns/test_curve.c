/* Security from end to end: keys that are let in and keys that are not, each from outside. */
#include "tests/patterns/vault.h"

#include <arpa/inet.h>
#include <czmq.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define SHORT_MS 1500

static zf_device_t *start_secured (zf_security_t *security)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.security = security;
    return start_broker (&options);
}

static zf_client_t *open_secured (const char *endpoint, zf_security_t *security)
{
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.security = security;
    return open_client_with (&options);
}

static int try_post (zf_client_t *client, const char *queue)
{
    return zf_client_post (client, queue, "x", 1, NULL, &stage.err);
}

static void expect_denied (zf_client_t *client, const char *why)
{
    int rc = try_post (client, "jobs");
    if (rc != ZF_E_DENIED || strstr (stage.err.text, why) == NULL)
        fail_msg ("%d: %s", rc, stage.err.text);
}

static void make_pair (void)
{
    make_key ("broker");
    make_key ("anna");
}

/* -- who is let in ----------------------------------------------------------------------------- */

static void authorised_key_is_let_in (void **state)
{
    make_pair ();
    authorise ("anna");
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    zf_client_t *anna = open_secured (endpoint_of (broker), secure ("anna", "broker", NULL));
    assert_int_equal (try_post (anna, "jobs"), 0);
    assert_int_equal (figure (broker, "records"), 1);
}

static void endpoint_may_say_the_key (void **state)
{
    make_pair ();
    authorise ("anna");
    char endpoint[300];
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    snprintf (endpoint, sizeof endpoint, "%s|%s", endpoint_of (broker), key_of ("broker"));
    zf_client_t *anna = open_secured (endpoint, secure ("anna", NULL, NULL));
    assert_int_equal (try_post (anna, "jobs"), 0);
}

/* What people read, has the fingerprint of who wanted too much. */
static char told[300];

static void note_denied (void *arg, zf_event_t event, const char *text)
{
    (void) arg;
    if (event == ZF_EVENT_DENIED)
        snprintf (told, sizeof told, "%s", text);
}

static void what_is_denied_is_told_with_the_fingerprint (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    char fingerprint[ZF_FINGERPRINT_TEXT], expected[300];
    zf_broker_options_t options;
    make_pair ();
    authorise ("anna");
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.security = secure ("broker", NULL, "anna post other\n");
    options.on_event = note_denied;
    zf_device_t *broker = start_broker (&options);
    zf_client_t *anna = open_secured (endpoint_of (broker), secure ("anna", "broker", NULL));
    assert_int_equal (try_post (anna, "jobs"), ZF_E_DENIED);
    figure (broker, "denied"); /* it has turned since */
    zf_key_fingerprint (key_of ("anna"), fingerprint);
    snprintf (expected, sizeof expected, "anna (%s): may not post to 'jobs'", fingerprint);
    assert_string_equal (told, expected);
}

static void unknown_key_is_told_so (void **state)
{
    make_pair ();
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    expect_denied (open_secured (endpoint_of (broker), secure ("anna", "broker", NULL)),
                   "key not authorised");
}

static void key_that_is_authorised_later_gets_in (void **state)
{
    make_pair ();
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    zf_client_t *anna = open_secured (endpoint_of (broker), secure ("anna", "broker", NULL));
    expect_denied (anna, "key not authorised");
    authorise ("anna");
    AWAIT (try_post (anna, "jobs") == 0);
}

static void plain_client_is_told_so (void **state)
{
    make_pair ();
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    expect_denied (open_secured (endpoint_of (broker), NULL), "encrypted");
}

static void plain_broker_is_no_place_for_a_secured_client (void **state)
{
    make_pair ();
    zf_device_t *broker = start_broker (NULL);
    expect_denied (open_secured (endpoint_of (broker), secure ("anna", "broker", NULL)),
                   "encrypted");
}

/* Somebody listens in its place who has another key. */
static void impostor_gets_nothing (void **state)
{
    make_pair ();
    make_key ("eve");
    authorise ("anna");
    zf_device_t *eve = start_secured (secure ("eve", NULL, NULL));
    zf_client_options_t options;
    const char *endpoint = endpoint_of (eve);
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.security = secure ("anna", "broker", NULL);
    options.timeout_ms = SHORT_MS;
    zf_client_t *anna = open_client_with (&options);
    assert_int_not_equal (try_post (anna, "jobs"), 0);
    assert_non_null (strstr (stage.err.text, "key"));
    assert_int_equal (figure (eve, "records"), 0);
}

/* -- while connected --------------------------------------------------------------------------- */

static void revoked_key_loses_its_connection (void **state)
{
    make_pair ();
    make_key ("bert");
    authorise ("anna");
    authorise ("bert");
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    zf_client_t *anna = open_secured (endpoint_of (broker), secure ("anna", "broker", NULL));
    zf_client_t *bert = open_secured (endpoint_of (broker), secure ("bert", "broker", NULL));
    assert_int_equal (try_post (anna, "jobs"), 0);
    assert_int_equal (try_post (bert, "jobs"), 0);
    withdraw_key ("anna");
    AWAIT (figure (broker, "sessions") == 1);
    expect_denied (anna, "key not authorised");
    assert_int_equal (try_post (bert, "jobs"), 0);
    assert_int_equal (figure (broker, "records"), 3);
}

/* -- plain sockets on a forwarder -------------------------------------------------------------- */

/* Any ZeroMQ socket with a key, as an application that knows nothing of zferry would make it. */
static void *plain_socket (int type, const char *endpoint, const char *name)
{
    char path[PATH_TEXT];
    int linger = 0;
    void *socket = zmq_socket (zsys_init (), type);
    zcert_t *own = zcert_load (vault_path (path, name, ""));
    assert_non_null (own);
    zmq_setsockopt (socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt (socket, ZMQ_CURVE_PUBLICKEY, zcert_public_key (own), 32);
    zmq_setsockopt (socket, ZMQ_CURVE_SECRETKEY, zcert_secret_key (own), 32);
    zmq_setsockopt (socket, ZMQ_CURVE_SERVERKEY, key_of ("broker"), 40);
    if (type == ZMQ_SUB)
        zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "", 0);
    assert_int_equal (zmq_connect (socket, endpoint), 0);
    zcert_destroy (&own);
    return socket;
}

static bool hears (void *sub, int timeout_ms)
{
    char byte;
    zmq_pollitem_t item = {sub, 0, ZMQ_POLLIN, 0};
    zmq_poll (&item, 1, timeout_ms);
    return item.revents != 0 && zmq_recv (sub, &byte, 1, ZMQ_DONTWAIT) == 1;
}

static bool says_and_hears (void *pub, void *sub)
{
    zmq_send (pub, "x", 1, ZMQ_DONTWAIT);
    return hears (sub, 10);
}

static zf_device_t *start_forwarder (zf_security_t *security)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_forwarder_options_t options;
    size_t i = 0;
    while (stage.brokers[i] != NULL)
        i++;
    zf_forwarder_defaults (&options);
    options.endpoints = options.pubs = options.subs = any_port;
    options.pub_count = options.sub_count = 1;
    options.security = security;
    if (zf_forwarder_start (&stage.brokers[i], &options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return stage.brokers[i];
}

static void plain_sockets_need_keys_and_rules (void **state)
{
    make_pair ();
    make_key ("bert");
    make_key ("carl");
    authorise ("anna");
    authorise ("bert");
    authorise ("carl");
    zf_device_t *forwarder =
        start_forwarder (secure ("broker", NULL, "anna publish events\nbert subscribe events\n"));
    const char *pubs = zf_device_endpoint (forwarder, 1);
    const char *subs = zf_device_endpoint (forwarder, 2);
    void *anna = plain_socket (ZMQ_PUB, pubs, "anna");
    void *bert = plain_socket (ZMQ_SUB, subs, "bert");
    void *carl = plain_socket (ZMQ_SUB, subs, "carl"); /* known, and no rule is for him */
    void *mallory = plain_socket (ZMQ_PUB, pubs, "bert");
    AWAIT (says_and_hears (anna, bert));
    for (int i = 0; i < 20; i++)
        says_and_hears (mallory, carl);
    assert_false (hears (carl, 0));
    assert_int_equal (figure (forwarder, "plain_subscriptions"), 1);
    while (hears (bert, 100))
        continue;
    zmq_send (mallory, "x", 1, ZMQ_DONTWAIT);
    assert_false (hears (bert, 200));
    zmq_close (anna);
    zmq_close (bert);
    zmq_close (carl);
    zmq_close (mallory);
}

static void plain_subscriber_with_a_revoked_key_hears_nothing_more (void **state)
{
    make_pair ();
    make_key ("bert");
    make_key ("carl");
    authorise ("anna");
    authorise ("bert");
    authorise ("carl");
    zf_device_t *forwarder = start_forwarder (secure ("broker", NULL, NULL));
    void *anna = plain_socket (ZMQ_PUB, zf_device_endpoint (forwarder, 1), "anna");
    void *bert = plain_socket (ZMQ_SUB, zf_device_endpoint (forwarder, 2), "bert");
    void *carl = plain_socket (ZMQ_SUB, zf_device_endpoint (forwarder, 2), "carl");
    AWAIT (says_and_hears (anna, bert));
    AWAIT (says_and_hears (anna, carl));
    withdraw_key ("bert");
    AWAIT (!says_and_hears (anna, bert) && !hears (bert, 300));
    AWAIT (says_and_hears (anna, carl)); /* he was cut off with it, and comes back */
    assert_false (hears (bert, 0));
    zmq_close (anna);
    zmq_close (bert);
    zmq_close (carl);
}

/* -- addresses --------------------------------------------------------------------------------- */

static int try_bind (const char *endpoint, zf_security_t *security)
{
    zf_device_t *device;
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    options.security = security;
    int rc = zf_broker_start (&device, &options, &stage.err);
    zf_device_stop (&device);
    return rc;
}

static void other_machines_need_a_key_or_the_word_insecure (void **state)
{
    make_pair ();
    assert_int_equal (try_bind ("tcp://*:*", NULL), ZF_E_DENIED);
    assert_non_null (strstr (stage.err.text, "other machines"));
    assert_int_equal (try_bind ("tcp://0.0.0.0:*", NULL), ZF_E_DENIED);
    assert_int_equal (try_bind ("tcp://[::]:*", NULL), ZF_E_DENIED);
    assert_int_equal (try_bind ("tcp://127.0.0.1:*", NULL), 0);
    assert_int_equal (try_bind ("tcp://*:*", zf_security_insecure ()), 0);
    assert_int_equal (try_bind ("tcp://*:*", secure ("broker", NULL, NULL)), 0);
}

static void server_whose_key_nobody_said_is_not_connected_to (void **state)
{
    make_pair ();
    zf_client_t *client;
    const char *endpoint = "tcp://127.0.0.1:5999";
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.security = secure ("anna", NULL, NULL);
    assert_int_equal (zf_client_open (&client, &options, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "whose key"));
}

/* -- limits ------------------------------------------------------------------------------------ */

static void connections_beyond_the_limit_are_refused (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_limits_t limits;
    zf_broker_options_t options;
    zf_limits_defaults (&limits);
    zf_broker_defaults (&options);
    limits.connections = 2;
    options.endpoints = any_port;
    options.limits = &limits;
    zf_device_t *broker = start_broker (&options);
    zf_client_t *first = open_client_at (endpoint_of (broker));
    zf_client_t *second = open_client_at (endpoint_of (broker));
    assert_int_equal (try_post (first, "jobs"), 0);
    assert_int_equal (try_post (second, "jobs"), 0);
    zf_client_options_t late;
    const char *endpoint = endpoint_of (broker);
    zf_client_defaults (&late);
    late.endpoints = &endpoint;
    late.timeout_ms = SHORT_MS;
    zf_client_t *third = open_client_with (&late);
    assert_int_not_equal (try_post (third, "jobs"), 0);
    assert_non_null (strstr (stage.err.text, "as many connections"));
    close_client (second);
    AWAIT (try_post (third, "jobs") == 0); /* there is room again */
    assert_int_equal (try_post (first, "jobs"), 0);
}

static int connect_to (int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

static int port_of (const char *endpoint)
{
    return atoi (strrchr (endpoint, ':') + 1);
}

static void who_does_not_shake_hands_is_hung_up_on (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_limits_t limits;
    zf_broker_options_t options;
    char byte[64];
    zf_limits_defaults (&limits);
    zf_broker_defaults (&options);
    limits.handshake_ms = 100;
    options.endpoints = any_port;
    options.limits = &limits;
    int fd = connect_to (port_of (endpoint_of (start_broker (&options))));
    uint64_t begun = zf_clock_ms ();
    while (read (fd, byte, sizeof byte) > 0)
        continue; /* its greeting, and then the end */
    uint64_t took = zf_clock_ms () - begun;
    close (fd);
    assert_in_range (took, 50, 4500); /* by itself it would be 30 s */
}

/* Two devices of one process, each with keys of its own. */
static void devices_of_one_process_have_their_own_keys (void **state)
{
    char alone[PATH_TEXT];
    zf_security_options_t options;
    make_pair ();
    make_key ("other");
    authorise ("anna");
    zf_security_defaults (&options);
    char key[PATH_TEXT];
    options.key = vault_path (key, "other", "");
    options.authorised = vault_path (alone, "alone", "");
    FILE *file = fopen (alone, "w"); /* nobody but itself */
    assert_non_null (file);
    fprintf (file, "%s other\n", key_of ("other"));
    fclose (file);
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    zf_device_t *other = start_secured (secure_with (&options));
    assert_int_equal (
        try_post (open_secured (endpoint_of (broker), secure ("anna", "broker", NULL)), "jobs"), 0);
    expect_denied (open_secured (endpoint_of (other), secure ("anna", "other", NULL)),
                   "key not authorised");
}

/* -- on the wire ------------------------------------------------------------------------------- */

/* A relay that keeps what the client says, so that somebody can say it once more. */
typedef struct {
    int listener, port;
    uint8_t said[65536];
    size_t size;
} tap_t;

static void open_tap (tap_t *tap)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    tap->size = 0;
    tap->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    assert_int_equal (bind (tap->listener, (struct sockaddr *) &address, size), 0);
    assert_int_equal (listen (tap->listener, 1), 0);
    getsockname (tap->listener, (struct sockaddr *) &address, &size);
    tap->port = ntohs (address.sin_port);
}

/* Relays one connection until the client's has ended. */
static void *relay (void *arg)
{
    tap_t *tap = arg;
    int client = accept (tap->listener, NULL, NULL);
    int server = tap->size == 0 ? connect_to (port_of (endpoint_of (stage.brokers[0]))) : -1;
    struct pollfd fds[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
    uint8_t bytes[8192];
    while (poll (fds, 2, PATIENCE_MS) > 0) {
        ssize_t got = 0;
        if (fds[1].revents != 0) {
            got = read (server, bytes, sizeof bytes);
            must (got <= 0 || write (client, bytes, (size_t) got) == got);
        }
        if (fds[0].revents != 0) {
            got = read (client, bytes, sizeof bytes);
            if (got > 0 && tap->size + (size_t) got <= sizeof tap->said) {
                memcpy (tap->said + tap->size, bytes, (size_t) got);
                tap->size += (size_t) got;
            }
            must (got <= 0 || write (server, bytes, (size_t) got) == got);
        }
        if (got <= 0)
            break;
    }
    close (client);
    close (server);
    return NULL;
}

static bool has_bytes (const tap_t *tap, const char *text)
{
    size_t size = strlen (text);
    for (size_t i = 0; i + size <= tap->size; i++) {
        if (memcmp (tap->said + i, text, size) == 0)
            return true;
    }
    return false;
}

static void record_a_post (tap_t *tap)
{
    char endpoint[64];
    pthread_t thread;
    zf_device_t *broker = start_secured (secure ("broker", NULL, NULL));
    open_tap (tap);
    assert_int_equal (pthread_create (&thread, NULL, relay, tap), 0);
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", tap->port);
    zf_client_t *anna = open_secured (endpoint, secure ("anna", "broker", NULL));
    assert_int_equal (zf_client_post (anna, "jobs-secret", "the-plain-text", 14, NULL, &stage.err),
                      0);
    assert_int_equal (figure (broker, "records"), 1);
    close_client (anna);
    pthread_join (thread, NULL);
    close (tap->listener);
}

static void what_is_said_cannot_be_read (void **state)
{
    static tap_t tap;
    make_pair ();
    authorise ("anna");
    record_a_post (&tap);
    assert_true (tap.size > 200);
    assert_true (has_bytes (&tap, "CURVE"));
    assert_false (has_bytes (&tap, "the-plain-text"));
    assert_false (has_bytes (&tap, "jobs-secret"));
}

/* All that the client had said, its handshake first, is said again on a connection of its own. */
static void replayed_bytes_change_nothing (void **state)
{
    static tap_t tap;
    uint8_t answer[4096];
    make_pair ();
    authorise ("anna");
    record_a_post (&tap);
    zf_device_t *broker = stage.brokers[0];
    int fd = connect_to (port_of (endpoint_of (broker)));
    ssize_t sent = send (fd, tap.said, tap.size, MSG_NOSIGNAL);
    assert_true (sent > 0);
    struct pollfd item = {fd, POLLIN, 0};
    while (poll (&item, 1, PATIENCE_MS) > 0 && read (fd, answer, sizeof answer) > 0)
        continue; /* until it hangs up: the initiate box does not fit its own fresh keys */
    assert_true (item.revents != 0);
    close (fd);
    assert_int_equal (figure (broker, "records"), 1);
    assert_int_equal (figure (broker, "sessions"), 0);
}

int main (void)
{
#define SECURE_CASE(name) cmocka_unit_test_setup_teardown (name, vault_set, vault_clear)
    const struct CMUnitTest tests[] = {
        SECURE_CASE (authorised_key_is_let_in),
        SECURE_CASE (endpoint_may_say_the_key),
        SECURE_CASE (what_is_denied_is_told_with_the_fingerprint),
        SECURE_CASE (unknown_key_is_told_so),
        SECURE_CASE (key_that_is_authorised_later_gets_in),
        SECURE_CASE (plain_client_is_told_so),
        SECURE_CASE (plain_broker_is_no_place_for_a_secured_client),
        SECURE_CASE (impostor_gets_nothing),
        SECURE_CASE (revoked_key_loses_its_connection),
        SECURE_CASE (plain_sockets_need_keys_and_rules),
        SECURE_CASE (plain_subscriber_with_a_revoked_key_hears_nothing_more),
        SECURE_CASE (other_machines_need_a_key_or_the_word_insecure),
        SECURE_CASE (server_whose_key_nobody_said_is_not_connected_to),
        SECURE_CASE (connections_beyond_the_limit_are_refused),
        SECURE_CASE (who_does_not_shake_hands_is_hung_up_on),
        SECURE_CASE (devices_of_one_process_have_their_own_keys),
        SECURE_CASE (what_is_said_cannot_be_read),
        SECURE_CASE (replayed_bytes_change_nothing),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
