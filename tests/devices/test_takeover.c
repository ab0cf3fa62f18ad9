/* A peer that ZeroMQ lets in under the name of another, over the descriptor which that one had, and
 * before the device has heard that the other is gone: it is taken for itself. */
#include "core/native.h"
#include "devices/router.h"
#include "tests/devices/keyring.h"

#include <arpa/inet.h>
#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#define PATIENCE_MS 10000
#define FDS_MAX     256
#define NAME        "same"

/* The device's half. */
typedef struct {
    zf_engine_t *engine;
    zf_router_t *router;
    char endpoint[64];
} place_t;

static int note_bound (void *arg, const char *endpoint)
{
    place_t *place = arg;
    snprintf (place->endpoint, sizeof place->endpoint, "%s", endpoint);
    return 0;
}

static void open_place (place_t *place, zf_security_t *security)
{
    static const char *const any_port[] = {"tcp://127.0.0.1:*"};
    static const zf_dialect_t *const native[] = {&zf_dialect_native, NULL};
    zf_engine_options_t engine;
    zf_error_t err;
    zf_router_options_t options = {.endpoints = any_port,
                                   .endpoint_count = 1,
                                   .dialects = native,
                                   .max_message_bytes = 1 << 20,
                                   .security = security};
    zf_engine_defaults (&engine);
    place->engine = zf_engine_new (&engine);
    assert_non_null (place->engine);
    zf_engine_tick (place->engine, 1);
    if (zf_router_open (&place->router, place->engine, &options, note_bound, place, &err) != 0)
        fail_msg ("%s", err.text);
}

static void close_place (place_t *place)
{
    zf_router_close (&place->router);
    zf_engine_free (&place->engine);
}

/* Whom the device answers next; copies his name. False: nobody yet. */
static bool is_answering (place_t *place, char name[ZF_KEY_NAME_MAX + 1])
{
    zf_effect_t effect;
    bool any = false;
    zf_router_collect (place->router, false); /* it has not heard of lost connections */
    zf_engine_decide (place->engine);
    while (zf_engine_effect (place->engine, &effect)) {
        snprintf (name, ZF_KEY_NAME_MAX + 1, "%s", effect.session->subject.name);
        any = true;
    }
    while (zf_engine_left (place->engine) != NULL)
        continue;
    zf_engine_sent (place->engine);
    return any;
}

/* -- who comes --------------------------------------------------------------------------------- */

static void *open_dealer (const rig_t *rig, const char *name)
{
    int linger = 0;
    void *dealer = zmq_socket (zsys_init (), ZMQ_DEALER);
    zcert_t *own = zcert_load (path_of (rig, name));
    assert_non_null (own);
    zmq_setsockopt (dealer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt (dealer, ZMQ_ROUTING_ID, NAME, strlen (NAME));
    zmq_setsockopt (dealer, ZMQ_CURVE_PUBLICKEY, zcert_public_key (own), 32);
    zmq_setsockopt (dealer, ZMQ_CURVE_SECRETKEY, zcert_secret_key (own), 32);
    zmq_setsockopt (dealer, ZMQ_CURVE_SERVERKEY, rig->hub, 40);
    zcert_destroy (&own);
    return dealer;
}

static int port_of (const char *endpoint)
{
    return atoi (strrchr (endpoint, ':') + 1);
}

/* The descriptor of the one connection that the device has taken in. */
static int find_accepted (int port)
{
    for (int fd = 0; fd < FDS_MAX; fd++) {
        struct sockaddr_in own = {0}, far = {0};
        socklen_t size = sizeof own;
        if (getsockname (fd, (struct sockaddr *) &own, &size) == 0 && own.sin_family == AF_INET &&
            ntohs (own.sin_port) == port && getpeername (fd, (struct sockaddr *) &far, &size) == 0)
            return fd;
    }
    fail_msg ("no connection");
    return -1;
}

static bool is_open (int fd)
{
    return fcntl (fd, F_GETFD) != -1;
}

/* Takes all descriptors up to that one. Returns how many. */
static int take_all (int last, int taken[FDS_MAX])
{
    int count = 0;
    int fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && fd <= last) {
        taken[count++] = fd;
        fd = dup (fd);
    }
    assert_true (fd > last);
    close (fd);
    return count;
}

/* Between a dealer, which comes by a listener of ours, and the device. */
typedef struct {
    int listener, near, far;
    char endpoint[64];
} relay_t;

static void open_relay (relay_t *relay)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    relay->listener = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (bind (relay->listener, (struct sockaddr *) &address, size), 0);
    assert_int_equal (listen (relay->listener, 1), 0);
    getsockname (relay->listener, (struct sockaddr *) &address, &size);
    snprintf (relay->endpoint, sizeof relay->endpoint, "tcp://127.0.0.1:%d",
              ntohs (address.sin_port));
}

/* Connects to the device, which is to take it in by this descriptor. */
static void connect_by (relay_t *relay, int port, int fd)
{
    int taken[FDS_MAX];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    int count = take_all (fd, taken);
    relay->near = accept (relay->listener, NULL, NULL);
    relay->far = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true (relay->near >= 0 && relay->far >= 0);
    for (int i = 0; i < count; i++)
        if (taken[i] == fd)
            close (fd);
    assert_int_equal (connect (relay->far, (struct sockaddr *) &address, sizeof address), 0);
    uint64_t end_ms = zf_clock_ms () + PATIENCE_MS;
    while (!is_open (fd) && zf_clock_ms () < end_ms)
        poll (NULL, 0, 1);
    for (int i = 0; i < count; i++)
        if (taken[i] != fd)
            close (taken[i]);
    assert_int_equal (find_accepted (port), fd);
}

static void pass (int from, int to)
{
    char bytes[8192];
    struct pollfd item = {from, POLLIN, 0};
    ssize_t size = poll (&item, 1, 1) > 0 ? read (from, bytes, sizeof bytes) : 0;
    if (size > 0)
        assert_int_equal (write (to, bytes, (size_t) size), size);
}

static void close_relay (relay_t *relay)
{
    close (relay->near);
    close (relay->far);
    close (relay->listener);
}

/* -- the case ---------------------------------------------------------------------------------- */

static void greet (void *dealer, const char *endpoint)
{
    assert_int_equal (zmq_connect (dealer, endpoint), 0);
    assert_int_equal (zmq_send (dealer, "", 0, 0), 0);
}

static void await_closed (int fd)
{
    uint64_t end_ms = zf_clock_ms () + PATIENCE_MS;
    while (is_open (fd) && zf_clock_ms () < end_ms)
        poll (NULL, 0, 1);
    assert_false (is_open (fd));
}

static zf_security_t *secure_any (rig_t *rig)
{
    char eve[ZF_KEY_TEXT], list[256];
    make_pair (rig, "eve", eve);
    snprintf (list, sizeof list, "%s%s", line_of (rig->ann, "ann"), line_of (eve, "eve"));
    put_file (rig, "list", list);
    snprintf (rig->authorised_path, PATH_TEXT, "%s/list", rig->dir);
    rig->options.authorised = rig->authorised_path;
    assert_int_equal (zf_security_open (&rig->security, &rig->options, &rig->err), 0);
    return rig->security;
}

static void name_and_descriptor_of_another_are_not_his_rights (void **state)
{
    rig_t *rig = *state;
    place_t place;
    relay_t relay;
    char who[ZF_KEY_NAME_MAX + 1] = "";
    open_place (&place, secure_any (rig));
    int port = port_of (place.endpoint);
    uint64_t end_ms = zf_clock_ms () + PATIENCE_MS;
    void *ann = open_dealer (rig, "ann");
    void *eve = open_dealer (rig, "eve");
    open_relay (&relay);
    greet (ann, place.endpoint);
    while (!is_answering (&place, who) && zf_clock_ms () < end_ms)
        continue;
    assert_string_equal (who, "ann");
    greet (eve, relay.endpoint); /* whose connection waits at the relay */
    int fd = find_accepted (port);
    zmq_close (ann);
    await_closed (fd);
    connect_by (&relay, port, fd);
    while (!is_answering (&place, who) && zf_clock_ms () < end_ms) {
        pass (relay.near, relay.far);
        pass (relay.far, relay.near);
    }
    assert_string_equal (who, "eve");
    zmq_close (eve);
    close_relay (&relay);
    close_place (&place);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (name_and_descriptor_of_another_are_not_his_rights, set_up,
                                         tear_down),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
