/* What somebody may try who was not given a way in, or not that one. */
#include "tests/patterns/vault.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define SHORT_MS 1500

static const char *const any_port[] = {ANY_PORT};

static zf_client_t *open_for (const char *endpoint, zf_security_t *security, uint32_t timeout_ms)
{
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.security = security;
    options.timeout_ms = timeout_ms;
    return open_client_with (&options);
}

static int try_post (zf_client_t *client, const char *queue)
{
    return zf_client_post (client, queue, "x", 1, NULL, &stage.err);
}

/* -- rules ------------------------------------------------------------------------------------- */

/* Nothing was read from a file, so nothing ever changes; they hold all the same. */
static void rules_hold_where_any_key_is_authorised (void **state)
{
    char key[PATH_TEXT], rules[128];
    zf_security_options_t options;
    zf_broker_options_t broker;
    make_key ("broker");
    make_key ("anna");
    snprintf (rules, sizeof rules, "%s post letters\n", key_of ("anna"));
    zf_security_defaults (&options);
    options.key = vault_path (key, "broker", "");
    options.authorised = "*";
    options.rules_text = rules;
    zf_broker_defaults (&broker);
    broker.endpoints = any_port;
    broker.security = secure_with (&options);
    zf_device_t *device = start_broker (&broker);
    zf_client_t *anna =
        open_for (endpoint_of (device), secure ("anna", "broker", NULL), PATIENCE_MS);
    assert_int_equal (try_post (anna, "letters"), 0);
    assert_int_equal (try_post (anna, "jobs"), ZF_E_DENIED);
    assert_non_null (strstr (stage.err.text, "may not post to 'jobs'"));
}

/* -- transports -------------------------------------------------------------------------------- */

static int try_broker (const char *endpoint, zf_security_t *security)
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

static int try_forwarder (const char *sub, zf_security_t *security)
{
    zf_device_t *device;
    zf_forwarder_options_t options;
    zf_forwarder_defaults (&options);
    options.endpoints = options.pubs = any_port;
    options.subs = &sub;
    options.pub_count = options.sub_count = 1;
    options.security = security;
    int rc = zf_forwarder_start (&device, &options, &stage.err);
    zf_device_stop (&device);
    return rc;
}

static void expect_unknown (int rc)
{
    if (rc != ZF_E_ADDRESS)
        fail_msg ("%d: %s", rc, stage.err.text);
    assert_non_null (strstr (stage.err.text, "unknown transport"));
}

/* libzmq has more of them, which other machines reach, and some of which it never encrypts. */
static void transports_but_ours_are_refused (void **state)
{
    make_key ("broker");
    zf_security_t *secured = secure ("broker", "broker", NULL);
    expect_unknown (try_broker ("ws://*:0", NULL));
    expect_unknown (try_broker ("ws://*:0", secured));
    expect_unknown (try_forwarder ("norm://127.0.0.1:6000", NULL));
    expect_unknown (try_forwarder ("norm://127.0.0.1:6000", secured));
    expect_unknown (try_forwarder (">norm://127.0.0.1:6000", secured));
}

/* -- limits ------------------------------------------------------------------------------------ */

static int connect_to (const char *endpoint)
{
    int port = atoi (strrchr (endpoint, ':') + 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    assert_int_equal (connect (fd, (struct sockaddr *) &address, sizeof address), 0);
    return fd;
}

/* The greeting of ZMTP 1.0, which is hung up on. */
static void greet_badly (const char *endpoint)
{
    static const uint8_t greeting[] = {1, 0};
    uint8_t answer[64];
    int fd = connect_to (endpoint);
    assert_int_equal (write (fd, greeting, sizeof greeting), sizeof greeting);
    while (read (fd, answer, sizeof answer) > 0)
        continue;
    close (fd);
}

/* What breaks off before it is through does not count, neither way. */
static void broken_handshakes_make_no_room (void **state)
{
    zf_limits_t limits;
    zf_broker_options_t options;
    zf_limits_defaults (&limits);
    zf_broker_defaults (&options);
    limits.connections = 2;
    options.endpoints = any_port;
    options.limits = &limits;
    zf_device_t *broker = start_broker (&options);
    const char *endpoint = endpoint_of (broker);
    assert_int_equal (try_post (open_for (endpoint, NULL, PATIENCE_MS), "jobs"), 0);
    assert_int_equal (try_post (open_for (endpoint, NULL, PATIENCE_MS), "jobs"), 0);
    for (int i = 0; i < 10; i++)
        greet_badly (endpoint);
    figure (broker, "records"); /* it has turned since */
    assert_int_not_equal (try_post (open_for (endpoint, NULL, SHORT_MS), "jobs"), 0);
    assert_non_null (strstr (stage.err.text, "as many connections"));
}

int main (void)
{
#define SECURE_CASE(name) cmocka_unit_test_setup_teardown (name, vault_set, vault_clear)
    const struct CMUnitTest tests[] = {
        SECURE_CASE (rules_hold_where_any_key_is_authorised),
        SECURE_CASE (transports_but_ours_are_refused),
        SECURE_CASE (broken_handshakes_make_no_room),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
