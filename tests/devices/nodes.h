/* The rig of the nodes' tests: nodes on the loopback interface and a UDP port of their own, and
 * what one waits for. What is still there at the end of a case is stopped by nodes_clear, its
 * teardown.
 *
 * Threads: the test's own. */
#ifndef TESTS_DEVICES_NODES_H
#define TESTS_DEVICES_NODES_H

#include "devices/node.h"
#include "tests/devices/stage.h"

#include "core/bytes.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define NODES_MAX 32

static struct {
    zf_node_t *nodes[NODES_MAX];
    uint16_t port;  /* UDP, of this case */
    pid_t child;    /* 0: none */
    zf_error_t err; /* of the last call */
} rig;

/* A UDP port that nobody has now. */
static inline uint16_t free_port (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_DGRAM, 0);
    assert_true (fd >= 0);
    assert_int_equal (bind (fd, (const struct sockaddr *) &address, size), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    close (fd);
    return ntohs (address.sin_port);
}

static const char *const only_loopback[] = {"lo"};

/* What nodes of this case have in common. */
static inline zf_peer_options_t node_options (const char *name)
{
    zf_peer_options_t options;
    zf_node_defaults (&options);
    if (rig.port == 0)
        rig.port = free_port ();
    options.name = name;
    options.port = rig.port;
    options.interfaces = only_loopback;
    options.interface_count = 1;
    return options;
}

static inline zf_node_t *start_node_with (const zf_peer_options_t *options)
{
    size_t i = 0;
    while (rig.nodes[i] != NULL)
        i++;
    assert_true (i < NODES_MAX);
    if (zf_node_start (&rig.nodes[i], options, &rig.err) != 0)
        fail_msg ("%s", rig.err.text);
    return rig.nodes[i];
}

/* The same at an address that is being given back. */
static inline zf_node_t *start_node_again (const zf_peer_options_t *options)
{
    size_t i = 0;
    while (rig.nodes[i] != NULL)
        i++;
    assert_true (i < NODES_MAX);
    AWAIT (zf_node_start (&rig.nodes[i], options, &rig.err) == 0);
    return rig.nodes[i];
}

static inline zf_node_t *start_node (const char *name)
{
    zf_peer_options_t options = node_options (name);
    return start_node_with (&options);
}

static inline void stop_node (zf_node_t *node)
{
    size_t i = 0;
    while (rig.nodes[i] != node)
        i++;
    zf_node_stop (&rig.nodes[i]);
}

static inline int nodes_clear (void **state)
{
    (void) state;
    if (rig.child > 0) {
        kill (rig.child, SIGKILL);
        waitpid (rig.child, NULL, 0);
    }
    for (size_t i = 0; i < NODES_MAX; i++)
        zf_node_stop (&rig.nodes[i]);
    memset (&rig, 0, sizeof rig);
    return 0;
}

#define NODE_CASE(name) cmocka_unit_test_teardown (name, nodes_clear)

/* -- what happens ------------------------------------------------------------------------------ */

/* The next event of this type about the node of that name ("": whichever); others are passed over.
 * To be released. */
static inline zf_peer_event_t await_event (zf_node_t *node, zf_peer_event_type_t type,
                                           const char *name)
{
    zf_peer_event_t event = {0};
    uint64_t end_ms = zf_clock_ms () + PATIENCE_MS;
    while (zf_clock_ms () < end_ms) {
        if (zf_node_next (node, &event, (int) (end_ms - zf_clock_ms ()) + 1) != 0)
            break;
        if (event.type == type && (name[0] == '\0' || strcmp (event.name, name) == 0))
            return event;
        zf_node_event_release (&event);
    }
    fail_msg ("no event %d of %s", (int) type, name);
    abort (); /* it does not return */
}

static inline void expect_event (zf_node_t *node, zf_peer_event_type_t type, const char *name)
{
    zf_peer_event_t event = await_event (node, type, name);
    zf_node_event_release (&event);
}

/* The next message of this type: one frame with this text. */
static inline void expect_text (zf_node_t *node, zf_peer_event_type_t type, const char *from,
                                const char *text)
{
    zf_peer_event_t event = await_event (node, type, from);
    assert_int_equal (event.frame_count, 1);
    assert_int_equal (event.frames[0].size, strlen (text));
    assert_memory_equal (event.frames[0].data, text, strlen (text));
    zf_node_event_release (&event);
}

/* Waits until a sees b and b sees a. */
static inline void meet (zf_node_t *a, zf_node_t *b)
{
    expect_event (a, ZF_PEER_ENTER, zf_node_name (b));
    expect_event (b, ZF_PEER_ENTER, zf_node_name (a));
}

static inline void whisper (zf_node_t *node, const char *to, const char *text)
{
    zf_bytes_t frame = zf_bytes_of (text);
    assert_int_equal (zf_node_whisper (node, to, &frame, 1), 0);
}

static inline void shout (zf_node_t *node, const char *group, const char *text)
{
    zf_bytes_t frame = zf_bytes_of (text);
    assert_int_equal (zf_node_shout (node, group, &frame, 1), 0);
}

static inline zf_peer_stats_t stats_of (zf_node_t *node)
{
    zf_peer_stats_t stats;
    zf_node_stats (node, &stats);
    return stats;
}

/* -- another process --------------------------------------------------------------------------- */

extern char **environ;

/* Starts a program with these arguments; it ends with the case. */
static inline void spawn (char *const argv[])
{
    assert_int_equal (posix_spawnp (&rig.child, argv[0], NULL, NULL, argv, environ), 0);
}

/* This program, with these two arguments. */
static inline void spawn_self (const char *role)
{
    char port[16];
    char self[] = "/proc/self/exe";
    char part[64];
    snprintf (port, sizeof port, "%u", (unsigned) rig.port);
    snprintf (part, sizeof part, "%s", role);
    char *argv[] = {self, part, port, NULL};
    spawn (argv);
}

#endif
