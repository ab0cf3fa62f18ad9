/* The public face of nodes, and the node that the handles of a process share. */
#include "tests/devices/stage.h"

#include "core/bytes.h"
#include "patterns/shared_peer.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static zf_peer_t *peers[2];
static unsigned shared;

static void release_shared (void)
{
    zf_shared_node_release ();
    shared--;
}

static int clear (void **state)
{
    static const char *const names[] = {"ZFERRY_NAMESPACE",      "ZFERRY_INTERFACE", "ZFERRY_SEED",
                                        "ZFERRY_DISCOVERY_PORT", "ZFERRY_INSECURE",  "ZFERRY_KEY"};
    zf_peer_stop (&peers[0]);
    zf_peer_stop (&peers[1]);
    while (shared > 0)
        release_shared ();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv (names[i]);
    return stage_clear (state);
}

#define PEER_CASE(name) cmocka_unit_test_teardown (name, clear)

/* A UDP port that nobody has now. */
static uint16_t free_port (void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_DGRAM, 0);
    assert_int_equal (bind (fd, (const struct sockaddr *) &address, size), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    close (fd);
    return ntohs (address.sin_port);
}

static zf_peer_options_t loopback (const char *name, uint16_t port)
{
    static const char *const interfaces[] = {"lo"};
    zf_peer_options_t options;
    zf_peer_defaults (&options);
    options.name = name;
    options.port = port;
    options.interfaces = interfaces;
    options.interface_count = 1;
    return options;
}

static void start_two (void)
{
    uint16_t port = free_port ();
    zf_peer_options_t anna = loopback ("anna", port);
    zf_peer_options_t bert = loopback ("bert", port);
    assert_int_equal (zf_peer_start (&peers[0], &anna, &stage.err), 0);
    assert_int_equal (zf_peer_start (&peers[1], &bert, &stage.err), 0);
    assert_int_equal (zf_peer_wait (peers[0], 1, PATIENCE_MS), 0);
    assert_int_equal (zf_peer_wait (peers[1], 1, PATIENCE_MS), 0);
}

static zf_peer_event_t await_event (zf_peer_t *peer, zf_peer_event_type_t type)
{
    zf_peer_event_t event = {0};
    while (zf_peer_next (peer, &event, PATIENCE_MS) == 0) {
        if (event.type == type)
            return event;
        zf_peer_event_release (&event);
    }
    fail_msg ("no event %d", (int) type);
    return event;
}

static void expect_message (zf_peer_t *peer, zf_peer_event_type_t type, const char *group,
                            const char *text)
{
    zf_peer_event_t event = await_event (peer, type);
    assert_string_equal (event.group, group);
    assert_int_equal (event.frame_count, 1);
    assert_true (zf_bytes_equal (event.frames[0], zf_bytes_of (text)));
    zf_peer_event_release (&event);
    zf_peer_event_release (&event); /* twice is safe */
}

/* -- peers ------------------------------------------------------------------------------------- */

static void defaults_of_an_older_struct_are_its_own (void **state)
{
    zf_peer_options_t options;
    memset (&options, 0xA5, sizeof options);
    zf_peer_defaults_sized (&options, offsetof (zf_peer_options_t, beacon));
    assert_int_equal (options.struct_size, offsetof (zf_peer_options_t, beacon));
    assert_int_equal (((uint8_t *) &options)[offsetof (zf_peer_options_t, beacon)], 0xA5);
    assert_int_equal (zf_peer_start (&peers[0], &options, &stage.err), ZF_E_INVAL);
    assert_null (peers[0]);
    zf_peer_stop (&peers[0]);
}

static int until_entered (void *arg, const zf_peer_event_t *event)
{
    if (event->type == ZF_PEER_ENTER)
        snprintf (arg, ZF_PEER_NAME_MAX, "%s", event->name);
    return event->type == ZF_PEER_ENTER ? 7 : 0;
}

static void events_come_to_a_callback (void **state)
{
    char name[ZF_PEER_NAME_MAX];
    start_two ();
    assert_int_equal (zf_peer_run (peers[0], until_entered, name, PATIENCE_MS), 7);
    assert_string_equal (name, "bert");
    assert_int_equal (zf_peer_run (peers[0], until_entered, name, 0), ZF_E_TIMEOUT);
}

static void peers_talk (void **state)
{
    zf_bytes_t frame = zf_bytes_of ("hello");
    start_two ();
    assert_string_equal (zf_peer_name (peers[0]), "anna");
    assert_string_equal (zf_peer_hub (peers[0]), "");
    assert_memory_equal (zf_peer_endpoint (peers[0]), "tcp://", 6);
    assert_int_equal (zf_peer_join (peers[1], "choir"), 0);
    assert_int_equal (zf_peer_join (peers[1], ""), ZF_E_INVAL);
    zf_peer_event_t event = await_event (peers[0], ZF_PEER_JOIN);
    assert_string_equal (event.id, zf_peer_id (peers[1]));
    zf_peer_event_release (&event);
    assert_int_equal (zf_peer_shout (peers[0], "choir", &frame, 1), 0);
    expect_message (peers[1], ZF_PEER_SHOUT, "choir", "hello");
    assert_int_equal (zf_peer_whisper (peers[0], "bert", &frame, 1), 0);
    expect_message (peers[1], ZF_PEER_WHISPER, "", "hello");
    assert_int_equal (zf_peer_leave (peers[1], "choir"), 0);
    event = await_event (peers[0], ZF_PEER_LEAVE);
    zf_peer_event_release (&event);
    assert_int_equal (zf_peer_shout (peers[0], "choir", &frame, 1001), ZF_E_INVAL);
}

static bool count_name (void *arg, const char *name)
{
    size_t *count = arg;
    assert_true (strcmp (name, "choir") == 0 || strcmp (name, "orchestra") == 0);
    return ++*count < 2;
}

static bool count_node (void *arg, const zf_peer_info_t *node)
{
    size_t *count = arg;
    assert_string_equal (node->name, "bert");
    assert_true (node->is_zferry);
    ++*count;
    return true;
}

static void peers_look_around (void **state)
{
    size_t nodes = 0, groups = 0;
    zf_peer_stats_t stats;
    start_two ();
    assert_int_equal (zf_peer_join (peers[0], "orchestra"), 0);
    assert_int_equal (zf_peer_join (peers[1], "choir"), 0);
    assert_int_equal (zf_peer_join (peers[1], "orchestra"), 0);
    for (int i = 0; i < 2; i++) {
        zf_peer_event_t event = await_event (peers[0], ZF_PEER_JOIN);
        zf_peer_event_release (&event);
    }
    zf_peer_each (peers[0], count_node, &nodes);
    zf_peer_each_group (peers[0], count_name, &groups);
    assert_int_equal (nodes, 1);
    assert_int_equal (groups, 2);
    zf_peer_stats (peers[0], &stats);
    assert_int_equal (stats.peers, 1);
    assert_true (stats.beacons_out > 0 && stats.messages_in > 0 && stats.messages_out > 0);
    assert_int_equal (zf_peer_wait (peers[0], 2, 0), ZF_E_TIMEOUT);
}

static void loop_is_told_of_events (void **state)
{
    zf_bytes_t frame = zf_bytes_of ("hello");
    zf_peer_event_t event;
    start_two ();
    zf_peer_listen (peers[1], 1u << ZF_PEER_WHISPER);
    while (zf_peer_next (peers[1], &event, 0) == 0)
        zf_peer_event_release (&event);
    assert_int_equal (zf_peer_next (peers[1], &event, 0), ZF_E_AGAIN);
    assert_int_equal (zf_peer_next (peers[1], &event, 1), ZF_E_TIMEOUT);
    struct pollfd item = {.fd = zf_peer_fd (peers[1]), .events = POLLIN};
    assert_int_equal (poll (&item, 1, 0), 0);
    assert_int_equal (zf_peer_whisper (peers[0], zf_peer_id (peers[1]), &frame, 1), 0);
    assert_int_equal (poll (&item, 1, PATIENCE_MS), 1);
    assert_int_equal (zf_peer_next (peers[1], &event, 0), 0);
    assert_int_equal (event.type, ZF_PEER_WHISPER);
    zf_peer_event_release (&event);
}

static bool take_endpoint (void *arg, const zf_offer_t *offer)
{
    snprintf (arg, 64, "%s", offer->endpoint);
    assert_string_equal (offer->id, zf_peer_id (peers[0]));
    return true;
}

static void directory_is_that_of_all (void **state)
{
    char endpoint[64] = "";
    start_two ();
    assert_int_equal (zf_directory_announce (peers[0], "queue/jobs", "tcp://*:9", &stage.err), 0);
    assert_int_equal (zf_directory_wait (peers[1], "queue/jobs", 1, PATIENCE_MS), 0);
    assert_int_equal (zf_directory_find (peers[1], "queue/*", take_endpoint, endpoint), 1);
    assert_string_equal (endpoint, "tcp://127.0.0.1:9");
    assert_int_equal (zf_directory_withdraw (peers[0], "queue/jobs", NULL), 0);
    zf_peer_event_t event = await_event (peers[1], ZF_PEER_WITHDRAW);
    assert_string_equal (event.text, "queue/jobs");
    zf_peer_event_release (&event);
    assert_int_equal (zf_directory_announce (peers[0], "Jobs", "tcp://*:9", &stage.err),
                      ZF_E_INVAL);
}

/* -- the shared one ---------------------------------------------------------------------------- */

static zf_node_t *get_shared (void)
{
    zf_node_t *node;
    if (zf_shared_node_get (&node, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    shared++;
    return node;
}

static void set_port (uint16_t port)
{
    char text[16];
    snprintf (text, sizeof text, "%u", (unsigned) port);
    setenv ("ZFERRY_DISCOVERY_PORT", text, 1);
}

static void handles_share_one_node (void **state)
{
    char id[ZF_PEER_ID];
    set_port (free_port ());
    setenv ("ZFERRY_INTERFACE", "lo", 1);
    zf_node_t *node = get_shared ();
    assert_ptr_equal (get_shared (), node);
    snprintf (id, sizeof id, "%s", zf_node_id (node));
    release_shared ();
    assert_string_equal (zf_node_id (get_shared ()), id);
    release_shared ();
    release_shared ();
    assert_string_not_equal (zf_node_id (get_shared ()), id);
}

static void environment_sets_the_shared_node_up (void **state)
{
    uint16_t port = free_port ();
    zf_peer_options_t options = loopback ("anna", port);
    options.space = "staging";
    options.hub = ANY_PORT;
    assert_int_equal (zf_peer_start (&peers[0], &options, &stage.err), 0);
    set_port (free_port ()); /* it is the seed by which they meet */
    setenv ("ZFERRY_INSECURE", "1", 1);
    setenv ("ZFERRY_INTERFACE", "eth*, lo,!docker*", 1);
    setenv ("ZFERRY_NAMESPACE", "staging", 1);
    setenv ("ZFERRY_SEED", zf_peer_hub (peers[0]), 1);
    zf_node_t *node = get_shared ();
    assert_int_equal (zf_node_wait (node, 1, PATIENCE_MS), 0);
    assert_int_equal (zf_peer_wait (peers[0], 1, PATIENCE_MS), 0);
}

static void refuse (const char *name, const char *value, int code)
{
    zf_node_t *node;
    setenv (name, value, 1);
    assert_int_equal (zf_shared_node_get (&node, &stage.err), code);
    if (strstr (stage.err.text, value) == NULL)
        fail_msg ("not about %s: %s", value, stage.err.text);
    unsetenv (name);
}

static void nonsense_in_the_environment_is_refused_in_words (void **state)
{
    refuse ("ZFERRY_DISCOVERY_PORT", "udp", ZF_E_INVAL);
    refuse ("ZFERRY_DISCOVERY_PORT", "0", ZF_E_INVAL);
    refuse ("ZFERRY_DISCOVERY_PORT", "70000", ZF_E_INVAL);
    refuse ("ZFERRY_DISCOVERY_PORT", "-1", ZF_E_INVAL);
    set_port (free_port ());
    refuse ("ZFERRY_INTERFACE", "10.0.0.0/99", ZF_E_INVAL);
    refuse ("ZFERRY_SEED", "nonsense", ZF_E_ADDRESS);
    refuse ("ZFERRY_INTERFACE", "eth*", ZF_E_DENIED);
    refuse ("ZFERRY_KEY", "/nowhere/at/all", ZF_E_NOT_FOUND);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        PEER_CASE (defaults_of_an_older_struct_are_its_own),
        PEER_CASE (peers_talk),
        PEER_CASE (events_come_to_a_callback),
        PEER_CASE (peers_look_around),
        PEER_CASE (loop_is_told_of_events),
        PEER_CASE (directory_is_that_of_all),
        PEER_CASE (handles_share_one_node),
        PEER_CASE (environment_sets_the_shared_node_up),
        PEER_CASE (nonsense_in_the_environment_is_refused_in_words),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
