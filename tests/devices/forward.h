/* Forwarders and plain publishers and subscribers around them, for the tests. What is still there
 * at the end of a case is taken down by forward_clear, its teardown, also if the case has failed.
 *
 * Publishers are XPUB sockets: they see which subscriptions are in force, so that nothing has to be
 * sent again and again until somebody hears it. Threads: the test's own. */
#ifndef TESTS_DEVICES_FORWARD_H
#define TESTS_DEVICES_FORWARD_H

#include "tests/devices/plain.h"

#include <poll.h>
#include <unistd.h>
#include <zferry/forwarder.h>

#define FORWARDERS_MAX 16
#define ANY_TCP        "tcp://127.0.0.1:*"
#define MARKER         "\\0zferry:" /* how subscriptions to markers begin, as plain_show shows it */

static zf_device_t *forwarders[FORWARDERS_MAX];

/* A bound subscriber that has nothing to read: what it says goes out only when its owner looks at
 * it. */
static void *bound_sub;

static inline int forward_clear (void **state)
{
    (void) state;
    plain_close_all ();
    bound_sub = NULL;
    for (size_t i = 0; i < FORWARDERS_MAX; i++)
        zf_device_stop (&forwarders[i]);
    return 0;
}

/* A case that begins with nothing there. */
#define FORWARD_CASE(name) cmocka_unit_test_teardown (name, forward_clear)

static inline zf_device_t *start_forwarder (const zf_forwarder_options_t *options)
{
    zf_error_t err;
    size_t i = 0;
    while (forwarders[i] != NULL)
        i++;
    assert_true (i < FORWARDERS_MAX);
    if (zf_forwarder_start (&forwarders[i], options, &err) != 0)
        fail_msg ("%s", err.text);
    return forwarders[i];
}

static inline void stop_forwarder (zf_device_t *forwarder)
{
    size_t i = 0;
    while (forwarders[i] != forwarder)
        i++;
    zf_device_stop (&forwarders[i]);
}

/* Options of a forwarder on a port of the system's choice, without plain endpoints. */
static inline zf_forwarder_options_t forward_options (void)
{
    static const char *const any[] = {ANY_TCP};
    zf_forwarder_options_t options;
    zf_forwarder_defaults (&options);
    options.endpoints = any;
    options.endpoint_count = 1;
    return options;
}

/* Options of one with a bound endpoint for publishers (1) and one for subscribers (2). */
static inline zf_forwarder_options_t both_bound (void)
{
    static const char *const any[] = {ANY_TCP};
    zf_forwarder_options_t options = forward_options ();
    options.pubs = any;
    options.pub_count = 1;
    options.subs = any;
    options.sub_count = 1;
    return options;
}

static inline zf_device_t *start_bound (void)
{
    zf_forwarder_options_t options = both_bound ();
    return start_forwarder (&options);
}

static inline const char *for_pubs (const zf_device_t *forwarder)
{
    return zf_device_endpoint (forwarder, 1);
}

static inline const char *for_subs (const zf_device_t *forwarder)
{
    return zf_device_endpoint (forwarder, 2);
}

/* -- publishers and subscribers ---------------------------------------------------------------- */

static inline void set_option (void *socket, int option, int value)
{
    assert_int_equal (zmq_setsockopt (socket, option, &value, sizeof value), 0);
}

/* A socket that is not connected yet, with room for everything. (The room can't be changed later:
 * libzmq 4.3.4 may crash then.) */
static inline void *make_plain (int type)
{
    zsys_handler_set (NULL);
    void *socket = zmq_socket (zsys_init (), type);
    size_t slot = 0;
    assert_non_null (socket);
    while (slot < PLAIN_PEERS_MAX && plain_sockets[slot] != NULL)
        slot++;
    assert_true (slot < PLAIN_PEERS_MAX);
    plain_sockets[slot % PLAIN_PEERS_MAX] = socket;
    set_option (socket, ZMQ_LINGER, 0);
    set_option (socket, ZMQ_SNDHWM, 0);
    set_option (socket, ZMQ_RCVHWM, 0);
    return socket;
}

static inline void *open_pub (const char *endpoint)
{
    void *pub = make_plain (ZMQ_XPUB);
    assert_int_equal (zmq_connect (pub, endpoint), 0);
    return pub;
}

static inline void subscribe_to (void *sub, const char *topic)
{
    assert_int_equal (zmq_setsockopt (sub, ZMQ_SUBSCRIBE, topic, strlen (topic)), 0);
}

static inline void unsubscribe_from (void *sub, const char *topic)
{
    assert_int_equal (zmq_setsockopt (sub, ZMQ_UNSUBSCRIBE, topic, strlen (topic)), 0);
}

static inline void *open_sub (const char *endpoint, const char *topic)
{
    void *sub = make_plain (ZMQ_SUB);
    subscribe_to (sub, topic);
    assert_int_equal (zmq_connect (sub, endpoint), 0);
    return sub;
}

/* A socket that is bound to a port of the system's choice. */
static inline void *bind_plain (int type, char endpoint[64])
{
    size_t size = 64;
    void *socket = make_plain (type);
    assert_int_equal (zmq_bind (socket, ANY_TCP), 0);
    assert_int_equal (zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    return socket;
}

/* The next subscription or end of one that a publisher hears of, "\1topic" or "\0topic", but those
 * to markers. */
static inline void next_wish (void *pub, char text[PLAIN_SHOWN_MAX])
{
    int64_t end = zclock_mono () + DEADLINE_MS;
    do {
        while (!hears (pub, 20)) {
            if (zclock_mono () > end)
                fail_msg ("the publisher hears of no subscription");
            if (bound_sub != NULL)
                assert_false (hears (bound_sub, 0));
        }
        plain_recv_text (pub, text);
    } while (strstr (text, MARKER) != NULL);
}

static inline void expect_wish (void *pub, const char *wish)
{
    char text[PLAIN_SHOWN_MAX];
    next_wish (pub, text);
    assert_string_equal (text, wish);
}

/* The publisher hears of this one, whatever it hears of before. */
static inline void await_wish (void *pub, const char *wish)
{
    char text[PLAIN_SHOWN_MAX];
    do
        next_wish (pub, text);
    while (strcmp (text, wish) != 0);
}

/* A publisher that nobody wants anything of but what it heard of already. */
static inline void expect_no_wish (void *pub)
{
    char text[PLAIN_SHOWN_MAX];
    while (hears (pub, 50)) {
        plain_recv_text (pub, text);
        if (strstr (text, MARKER) == NULL)
            fail_msg ("unexpected: %s", text);
    }
}

static inline void await_figure (zf_device_t *device, const char *name, uint64_t at_least)
{
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (figure_of (device, name) < at_least) {
        if (zclock_mono () > end)
            fail_msg ("%s stays at %llu", name, (unsigned long long) figure_of (device, name));
        poll (NULL, 0, 2);
    }
}

/* -- events ------------------------------------------------------------------------------------ */

/* Events of all forwarders of a case, from their threads. */
static struct {
    pthread_mutex_t lock;
    size_t count; /* of circles that were told */
    char text[200];
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static inline void note_loop (void *arg, zf_event_t event, const char *text)
{
    (void) arg;
    if (event != ZF_EVENT_LOOP)
        return;
    pthread_mutex_lock (&told.lock);
    told.count++;
    snprintf (told.text, sizeof told.text, "%s", text);
    pthread_mutex_unlock (&told.lock);
}

/* How many circles were told, and the last of that. */
static inline size_t loops_told (char text[200])
{
    pthread_mutex_lock (&told.lock);
    size_t count = told.count;
    snprintf (text, 200, "%s", told.text);
    pthread_mutex_unlock (&told.lock);
    return count;
}

#endif
