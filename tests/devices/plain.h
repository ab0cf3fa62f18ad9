/* Plain ZeroMQ peers for the tests of devices: what they say and hear is written as frames with |
 * between them, "|MDPC01|echo|hello" being an empty frame and three more.
 *
 * Whatever is expected is waited for, DEADLINE_MS at most. Threads: the test's own. */
#ifndef TESTS_DEVICES_PLAIN_H
#define TESTS_DEVICES_PLAIN_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <czmq.h>
#include <zferry/device.h>

#define DEADLINE_MS     10000
#define PLAIN_TEXT_MAX  8192
#define PLAIN_SHOWN_MAX ((size_t) 4 * PLAIN_TEXT_MAX)
#define PLAIN_PEERS_MAX 256

/* Sockets that the running test has opened: closed by plain_close_all, also if it failed. */
static void *plain_sockets[PLAIN_PEERS_MAX];

/* Opens a socket of the process' context, with a routing id if name is not NULL. */
static inline void *plain_open (int type, const char *endpoint, const char *name)
{
    int none = 0;
    zsys_handler_set (NULL);
    void *socket = zmq_socket (zsys_init (), type);
    assert_non_null (socket);
    size_t slot = 0;
    while (slot < PLAIN_PEERS_MAX && plain_sockets[slot] != NULL)
        slot++;
    assert_true (slot < PLAIN_PEERS_MAX);
    plain_sockets[slot % PLAIN_PEERS_MAX] = socket;
    zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
    if (name != NULL)
        zmq_setsockopt (socket, ZMQ_ROUTING_ID, name, strlen (name));
    assert_int_equal (zmq_connect (socket, endpoint), 0);
    return socket;
}

static inline void plain_close (void *socket)
{
    for (size_t i = 0; i < PLAIN_PEERS_MAX; i++) {
        if (plain_sockets[i] != socket)
            continue;
        plain_sockets[i] = NULL;
        zmq_close (socket);
    }
}

static inline void plain_close_all (void)
{
    for (size_t i = 0; i < PLAIN_PEERS_MAX; i++)
        if (plain_sockets[i] != NULL)
            plain_close (plain_sockets[i]);
}

static inline void plain_send_text (void *socket, const char *text)
{
    for (;;) {
        size_t size = strcspn (text, "|");
        int more = text[size] == '|' ? ZMQ_SNDMORE : 0;
        assert_int_equal (zmq_send (socket, text, size, more), size);
        if (more == 0)
            return;
        text += size + 1;
    }
}

__attribute__ ((format (printf, 2, 3))) static inline void say (void *socket, const char *format,
                                                                ...)
{
    char text[PLAIN_TEXT_MAX];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    plain_send_text (socket, text);
}

/* True if a message came within so many milliseconds. */
static inline bool hears (void *socket, long timeout_ms)
{
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    return zmq_poll (&item, 1, timeout_ms) == 1;
}

/* Appends bytes as text, control characters as in C. */
static inline size_t plain_show (char *text, size_t at, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        assert_true (at + 8 < PLAIN_SHOWN_MAX);
        if (bytes[i] < ' ')
            at += (size_t) sprintf (text + at, "\\%o", bytes[i]);
        else
            text[at++] = (char) bytes[i];
    }
    text[at] = '\0';
    return at;
}

/* The message that is there, as text. */
static inline void plain_recv_text (void *socket, char text[PLAIN_SHOWN_MAX])
{
    size_t at = 0;
    int more = 1;
    while (more != 0) {
        zmq_msg_t frame;
        zmq_msg_init (&frame);
        assert_true (zmq_msg_recv (&frame, socket, 0) >= 0);
        more = zmq_msg_more (&frame);
        at = plain_show (text, at, zmq_msg_data (&frame), zmq_msg_size (&frame));
        if (more != 0)
            at = plain_show (text, at, "|", 1);
        zmq_msg_close (&frame);
    }
}

/* The number behind the last `prefix` in the text. */
static inline int plain_number (const char *text, const char *prefix)
{
    const char *found = NULL;
    for (const char *at = text; (at = strstr (at, prefix)) != NULL; at++)
        found = at;
    if (found == NULL)
        fail_msg ("no %s in %s", prefix, text);
    return (int) strtol (found + strlen (prefix), NULL, 10);
}

/* The next message is this one. */
__attribute__ ((format (printf, 2, 3))) static inline void expect (void *socket, const char *format,
                                                                   ...)
{
    char text[PLAIN_TEXT_MAX];
    char expected[PLAIN_SHOWN_MAX];
    char got[PLAIN_SHOWN_MAX];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    plain_show (expected, 0, text, strlen (text));
    if (!hears (socket, DEADLINE_MS))
        fail_msg ("no message, expected %s", expected);
    plain_recv_text (socket, got);
    assert_string_equal (got, expected);
}

/* This one comes, among heartbeats; meanwhile the peer says `beat` every now and then. */
static inline void expect_beating (void *socket, const char *beat, const char *message)
{
    char expected[PLAIN_SHOWN_MAX];
    char heartbeat[PLAIN_SHOWN_MAX];
    char got[PLAIN_SHOWN_MAX] = "";
    int64_t end = zclock_mono () + DEADLINE_MS;
    plain_show (expected, 0, message, strlen (message));
    plain_show (heartbeat, 0, beat, strlen (beat));
    while (strcmp (got, expected) != 0) {
        if (zclock_mono () > end)
            fail_msg ("no message, expected %s", expected);
        plain_send_text (socket, beat);
        if (!hears (socket, 20))
            continue;
        plain_recv_text (socket, got);
        if (strcmp (got, heartbeat) != 0)
            assert_string_equal (got, expected);
    }
}

/* -- figures of a device ----------------------------------------------------------------------- */

typedef struct {
    const char *name;
    uint64_t value;
    bool found;
    pthread_t caller; /* figures come to the thread that asks for them */
} plain_figure_t;

static inline void plain_pick (void *arg, const char *name, uint64_t value)
{
    plain_figure_t *figure = arg;
    assert_true (pthread_equal (pthread_self (), figure->caller));
    if (strcmp (name, figure->name) != 0)
        return;
    figure->value = value;
    figure->found = true;
}

static inline uint64_t figure_of (zf_device_t *device, const char *name)
{
    plain_figure_t figure = {.name = name, .caller = pthread_self ()};
    assert_int_equal (zf_device_stats (device, plain_pick, &figure), 0);
    assert_true (figure.found);
    return figure.value;
}

/* The figure reaches that value. `silent` hears nothing meanwhile. */
static inline void expect_figure (zf_device_t *device, const char *name, uint64_t at_least,
                                  void *silent)
{
    int64_t end = zclock_mono () + DEADLINE_MS;
    while (figure_of (device, name) < at_least) {
        if (zclock_mono () > end)
            fail_msg ("%s stays at %llu", name, (unsigned long long) figure_of (device, name));
        assert_false (hears (silent, 5));
    }
}

#endif
