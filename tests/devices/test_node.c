/* Nodes that find each other by their beacons, and talk. */
#include "tests/devices/nodes.h"

#include <zmq.h>

#define KILLED_MS 4000 /* the connection is lost at once, and it has a second to answer */

/* -- meeting ----------------------------------------------------------------------------------- */

static void nodes_on_one_network_see_each_other (void **state)
{
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    assert_int_equal (stats_of (anna).peers, 1);
    assert_int_equal (zf_node_wait (bert, 1, 0), 0);
    assert_int_equal (zf_node_wait (bert, 2, 0), ZF_E_TIMEOUT);
}

static void nodes_of_other_namespaces_are_not_seen (void **state)
{
    zf_peer_options_t options = node_options ("carl");
    options.space = "staging";
    zf_node_t *carl = start_node_with (&options);
    zf_node_t *anna = start_node ("anna");
    options.name = "dora";
    zf_node_t *dora = start_node_with (&options);
    zf_node_t *bert = start_node ("bert");
    meet (carl, dora);
    meet (anna, bert);
    AWAIT (stats_of (anna).beacons_in > 20 && stats_of (carl).beacons_in > 20);
    assert_int_equal (stats_of (anna).peers, 1);
    assert_int_equal (stats_of (carl).peers, 1);
}

static void node_without_a_name_has_one (void **state)
{
    zf_node_t *node = start_node (NULL);
    assert_int_equal (strlen (zf_node_id (node)), ZF_PEER_ID - 1);
    assert_non_null (strstr (zf_node_name (node), "-"));
    assert_memory_equal (zf_node_endpoint (node), "tcp://", 6);
    assert_string_equal (zf_node_hub (node), "");
}

static bool take_info (void *arg, const zf_peer_info_t *info)
{
    (void) arg;
    assert_string_equal (info->name, "bert");
    assert_true (info->is_zferry);
    assert_false (info->is_evasive);
    assert_int_equal (info->header_count, 2); /* ours are not shown */
    bool first = strcmp (info->headers[0].name, "colour") == 0;
    assert_string_equal (info->headers[!first].name, "colour");
    assert_string_equal (info->headers[!first].value, "red");
    assert_string_equal (info->headers[first].name, "empty");
    assert_string_equal (info->headers[first].value, "");
    assert_int_equal (info->group_count, 1);
    assert_string_equal (info->groups[0], "choir");
    assert_int_equal (strlen (info->id), ZF_PEER_ID - 1);
    return true;
}

static void node_tells_headers_and_groups (void **state)
{
    static const zf_peer_header_t headers[] = {{"colour", "red"}, {"empty", ""}};
    zf_peer_options_t options = node_options ("bert");
    options.headers = headers;
    options.header_count = 2;
    zf_node_t *bert = start_node_with (&options);
    assert_int_equal (zf_node_join (bert, "choir"), 0);
    zf_node_t *anna = start_node ("anna");
    expect_event (anna, ZF_PEER_ENTER, "bert");
    zf_peer_event_t event = await_event (anna, ZF_PEER_JOIN, "bert");
    assert_string_equal (event.group, "choir");
    zf_node_event_release (&event);
    zf_node_each (anna, take_info, NULL);
}

/* -- talking ----------------------------------------------------------------------------------- */

static void shout_reaches_those_in_the_group (void **state)
{
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    zf_node_t *carl = start_node ("carl");
    assert_int_equal (zf_node_join (bert, "choir"), 0);
    assert_int_equal (zf_node_join (carl, "choir"), 0);
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    expect_event (anna, ZF_PEER_JOIN, "bert");
    shout (anna, "choir", "la");
    expect_text (bert, ZF_PEER_SHOUT, "anna", "la");
    assert_int_equal (zf_node_leave (bert, "choir"), 0);
    expect_event (anna, ZF_PEER_LEAVE, "bert");
    shout (anna, "choir", "lo");
    whisper (anna, "bert", "psst");
    expect_text (bert, ZF_PEER_WHISPER, "anna", "psst"); /* and no second shout before it */
}

static void message_keeps_its_frames (void **state)
{
    static uint8_t large[100000];
    zf_bytes_t frames[4] = {{"one", 3}, {NULL, 0}, {large, sizeof large}, {"\0\1", 2}};
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t) (i * 7);
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    assert_int_equal (zf_node_whisper (anna, zf_node_id (bert), frames, 4), 0);
    zf_peer_event_t event = await_event (bert, ZF_PEER_WHISPER, "anna");
    assert_string_equal (event.id, zf_node_id (anna));
    assert_int_equal (event.frame_count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal (event.frames[i].size, frames[i].size);
        if (frames[i].size > 0)
            assert_memory_equal (event.frames[i].data, frames[i].data, frames[i].size);
    }
    zf_node_event_release (&event);
}

static void message_of_as_many_frames_as_there_may_be_arrives (void **state)
{
    static zf_bytes_t frames[1001];
    for (size_t i = 0; i < 1001; i++)
        frames[i] = zf_bytes ("x", i % 2);
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    assert_int_equal (zf_node_whisper (anna, "bert", frames, 1001), ZF_E_INVAL);
    assert_int_equal (zf_node_whisper (anna, "bert", frames, 1000), 0);
    zf_peer_event_t event = await_event (bert, ZF_PEER_WHISPER, "anna");
    assert_int_equal (event.frame_count, 1000);
    assert_int_equal (event.frames[999].size, 1);
    zf_node_event_release (&event);
    assert_int_equal (stats_of (bert).errors, 0);
}

static void frame_that_would_end_the_connection_is_refused (void **state)
{
    static uint8_t large[4097];
    zf_bytes_t frame = zf_bytes (large, sizeof large);
    zf_peer_options_t options = node_options ("anna");
    options.max_message_bytes = 4096;
    zf_node_t *anna = start_node_with (&options);
    options.name = "bert";
    zf_node_t *bert = start_node_with (&options);
    assert_int_equal (zf_node_join (bert, "choir"), 0);
    meet (anna, bert);
    assert_int_equal (zf_node_whisper (anna, "bert", &frame, 1), ZF_E_INVAL);
    assert_int_equal (zf_node_shout (anna, "choir", &frame, 1), ZF_E_INVAL);
    frame.size = 4096;
    assert_int_equal (zf_node_whisper (anna, "bert", &frame, 1), 0);
    expect_event (bert, ZF_PEER_WHISPER, "anna");
}

static void messages_arrive_in_order (void **state)
{
    char text[16];
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    for (int i = 0; i < 20000; i++) {
        snprintf (text, sizeof text, "%d", i);
        whisper (anna, "bert", text);
    }
    for (int i = 0; i < 20000; i++) {
        snprintf (text, sizeof text, "%d", i);
        expect_text (bert, ZF_PEER_WHISPER, "anna", text);
    }
    assert_int_equal (stats_of (bert).errors, 0);
}

static void whisper_to_nobody_or_several_is_refused (void **state)
{
    zf_bytes_t frame = zf_bytes_of ("x");
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    assert_int_equal (zf_node_whisper (anna, "carl", &frame, 1), ZF_E_NOT_FOUND);
    meet (anna, bert);
    assert_int_equal (zf_node_whisper (anna, "bert", &frame, 1), 0);
    assert_int_equal (zf_node_whisper (anna, "bert", &frame, 0), ZF_E_INVAL);
    assert_int_equal (zf_node_whisper (anna, NULL, &frame, 1), ZF_E_INVAL);
    start_node ("bert");
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_whisper (anna, "bert", &frame, 1), ZF_E_NOT_FOUND);
    assert_int_equal (zf_node_whisper (anna, zf_node_id (bert), &frame, 1), 0);
}

/* -- leaving ----------------------------------------------------------------------------------- */

static void node_that_stops_is_gone_at_once (void **state)
{
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    uint64_t begun_ms = zf_clock_ms ();
    stop_node (bert);
    expect_event (anna, ZF_PEER_EXIT, "bert");
    assert_true (zf_clock_ms () - begun_ms < 1000);
    assert_int_equal (stats_of (anna).peers, 0);
}

static void last_words_of_a_node_arrive (void **state)
{
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    whisper (bert, "anna", "adieu");
    stop_node (bert);
    expect_text (anna, ZF_PEER_WHISPER, "bert", "adieu");
    expect_event (anna, ZF_PEER_EXIT, "bert");
}

static void node_that_comes_again_is_another_one (void **state)
{
    zf_node_t *anna = start_node ("anna");
    for (int i = 0; i < 3; i++) {
        zf_node_t *bert = start_node ("bert");
        zf_peer_event_t event = await_event (anna, ZF_PEER_ENTER, "bert");
        assert_string_equal (event.id, zf_node_id (bert));
        zf_node_event_release (&event);
        expect_event (bert, ZF_PEER_ENTER, "anna");
        whisper (anna, "bert", "hello");
        expect_text (bert, ZF_PEER_WHISPER, "anna", "hello");
        stop_node (bert);
        expect_event (anna, ZF_PEER_EXIT, "bert");
    }
}

/* At the same endpoint: connections to the old one reach the new one. */
static void node_that_comes_again_at_its_old_endpoint_is_seen (void **state)
{
    char endpoint[64];
    zf_peer_options_t options = node_options ("bert");
    options.endpoint = "tcp://127.0.0.1:*";
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node_with (&options);
    meet (anna, bert);
    snprintf (endpoint, sizeof endpoint, "%s", zf_node_endpoint (bert));
    options.endpoint = endpoint;
    stop_node (bert);
    bert = start_node_again (&options);
    expect_event (bert, ZF_PEER_ENTER, "anna");
    whisper (bert, "anna", "again");
    expect_text (anna, ZF_PEER_WHISPER, "bert", "again");
}

static bool is_connected_to (int fd, const char *endpoint)
{
    struct sockaddr_in to = {0};
    socklen_t size = sizeof to;
    const char *port = strrchr (endpoint, ':') + 1;
    return getpeername (fd, (struct sockaddr *) &to, &size) == 0 && to.sin_family == AF_INET &&
           ntohs (to.sin_port) == strtoul (port, NULL, 10);
}

/* Where its losses are counted. */
static void line_that_got_through_tells_its_descriptor (void **state)
{
    (void) state;
    zf_socket_t mailbox, line, monitor;
    char endpoint[64];
    bool loses = true, stuck;
    int fd = -1, turn = -1;
    assert_int_equal (zf_socket_mailbox (&mailbox, 1 << 20, NULL), 0);
    assert_int_equal (
        zf_socket_bind (&mailbox, "tcp://127.0.0.1:*", endpoint, sizeof endpoint, NULL), 0);
    assert_int_equal (zf_socket_line (&line, "a", 1, NULL), 0);
    assert_int_equal (zf_socket_monitor_through (&monitor, &line, NULL), 0);
    assert_int_equal (zf_socket_connect (&line, endpoint, NULL), 0);
    for (uint64_t end_ms = zf_clock_ms () + PATIENCE_MS; turn < 0 && zf_clock_ms () < end_ms;) {
        zmq_poll (&(zmq_pollitem_t){.socket = monitor.raw, .events = ZMQ_POLLIN}, 1, 100);
        turn = zf_socket_through (&monitor, &fd);
    }
    assert_int_equal (turn, 1);
    assert_true (is_connected_to (fd, endpoint));
    zf_socket_losses (fd, &loses, &stuck);
    assert_false (loses);
    zf_socket_unmonitor (&line, &monitor);
    zf_socket_close (&line);
    zf_socket_close (&mailbox);
}

static void killed_node_is_gone_soon (void **state)
{
    zf_node_t *anna = start_node ("anna");
    spawn_self ("victim");
    expect_event (anna, ZF_PEER_ENTER, "victim");
    expect_text (anna, ZF_PEER_WHISPER, "victim", "alive");
    uint64_t begun_ms = zf_clock_ms ();
    kill (rig.child, SIGKILL);
    expect_event (anna, ZF_PEER_EXIT, "victim");
    assert_true (zf_clock_ms () - begun_ms < KILLED_MS);
}

/* The other process. */
static int be_victim (uint16_t port)
{
    zf_node_t *node;
    zf_bytes_t word = zf_bytes_of ("alive");
    rig.port = port;
    zf_peer_options_t options = node_options ("victim");
    must (zf_node_start (&node, &options, NULL) == 0);
    must (zf_node_wait (node, 1, PATIENCE_MS) == 0);
    zf_node_whisper (node, "anna", &word, 1);
    for (;;)
        pause ();
}

/* -- events ------------------------------------------------------------------------------------ */

static void events_that_nobody_fetches_are_dropped_and_counted (void **state)
{
    zf_peer_options_t options = node_options ("bert");
    options.event_bytes = 20000;
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node_with (&options);
    meet (anna, bert);
    for (int i = 0; i < 1000; i++)
        whisper (anna, "bert", "many");
    whisper (anna, "bert", "last");
    AWAIT (stats_of (bert).messages_in >= 1001);
    zf_peer_event_t event;
    uint64_t count = 0;
    bool was_missed = false;
    while (!was_missed || count < 1001) {
        assert_int_equal (zf_node_next (bert, &event, PATIENCE_MS), 0);
        was_missed |= event.type == ZF_PEER_MISSED;
        count += event.type == ZF_PEER_MISSED ? event.count : event.type == ZF_PEER_WHISPER;
        zf_node_event_release (&event);
    }
    assert_true (stats_of (bert).dropped_events > 500);
}

static void events_that_are_not_wanted_do_not_come (void **state)
{
    zf_peer_event_t event;
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    zf_node_listen (bert, 1u << ZF_PEER_WHISPER);
    assert_int_equal (zf_node_join (anna, "choir"), 0);
    whisper (anna, "bert", "wanted");
    do
        assert_int_equal (zf_node_next (bert, &event, PATIENCE_MS), 0);
    while (event.type == ZF_PEER_NOTE || event.type == ZF_PEER_ENTER);
    assert_int_equal (event.type, ZF_PEER_WHISPER);
    zf_node_event_release (&event);
}

static void descriptor_tells_of_events (void **state)
{
    zf_peer_event_t event;
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    struct pollfd item = {.fd = zf_node_fd (bert), .events = POLLIN};
    for (int i = 0; i < 3; i++) {
        while (zf_node_next (bert, &event, 0) == 0)
            zf_node_event_release (&event);
        assert_int_equal (poll (&item, 1, 0), 0);
        whisper (anna, "bert", "ding");
        assert_int_equal (poll (&item, 1, PATIENCE_MS), 1);
        expect_text (bert, ZF_PEER_WHISPER, "anna", "ding");
    }
}

/* -- options ----------------------------------------------------------------------------------- */

static void refuse (const zf_peer_options_t *options, int code, const char *word)
{
    zf_node_t *node;
    assert_int_equal (zf_node_start (&node, options, &rig.err), code);
    assert_null (node);
    if (strstr (rig.err.text, word) == NULL)
        fail_msg ("not about %s: %s", word, rig.err.text);
}

static void options_out_of_range_are_refused_in_words (void **state)
{
    static const zf_peer_header_t header = {"X-ZF-MINE", "1"};
    static const char *const rule[] = {"10.0.0.0/99"};
    static const char *const seed[] = {"nonsense"};
    zf_peer_options_t options = node_options ("anna");
    options.struct_size--;
    refuse (&options, ZF_E_INVAL, "zf_peer_defaults");
    options = node_options ("");
    refuse (&options, ZF_E_INVAL, "name");
    options = node_options ("anna");
    options.evasive_ms = options.expired_ms + 1;
    refuse (&options, ZF_E_INVAL, "evasive_ms");
    options = node_options ("anna");
    options.port = 0;
    refuse (&options, ZF_E_INVAL, "port");
    options = node_options ("anna");
    options.headers = &header;
    options.header_count = 1;
    refuse (&options, ZF_E_INVAL, "X-ZF-");
    options = node_options ("anna");
    options.interfaces = rule;
    refuse (&options, ZF_E_INVAL, "10.0.0.0/99");
    options = node_options ("anna");
    options.seeds = seed;
    options.seed_count = 1;
    refuse (&options, ZF_E_ADDRESS, "nonsense");
    options = node_options ("anna");
    options.endpoint = "tcp://192.0.2.1:99";
    options.security = zf_security_insecure ();
    refuse (&options, ZF_E_ADDRESS, "192.0.2.1");
}

static void other_machines_are_not_reached_without_a_word (void **state)
{
    static const char *const any[] = {"eth*"};
    zf_peer_options_t options = node_options ("anna");
    options.interfaces = any;
    refuse (&options, ZF_E_DENIED, "eth*");
    options = node_options ("anna");
    options.endpoint = "tcp://*:*";
    refuse (&options, ZF_E_DENIED, "other machines");
    options = node_options ("anna");
    options.hub = "tcp://*:*";
    refuse (&options, ZF_E_DENIED, "other machines");
}

int main (int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        NODE_CASE (nodes_on_one_network_see_each_other),
        NODE_CASE (nodes_of_other_namespaces_are_not_seen),
        NODE_CASE (node_without_a_name_has_one),
        NODE_CASE (other_machines_are_not_reached_without_a_word),
        NODE_CASE (node_tells_headers_and_groups),
        NODE_CASE (shout_reaches_those_in_the_group),
        NODE_CASE (message_keeps_its_frames),
        NODE_CASE (message_of_as_many_frames_as_there_may_be_arrives),
        NODE_CASE (frame_that_would_end_the_connection_is_refused),
        NODE_CASE (messages_arrive_in_order),
        NODE_CASE (whisper_to_nobody_or_several_is_refused),
        NODE_CASE (node_that_stops_is_gone_at_once),
        NODE_CASE (last_words_of_a_node_arrive),
        NODE_CASE (node_that_comes_again_is_another_one),
        NODE_CASE (node_that_comes_again_at_its_old_endpoint_is_seen),
        NODE_CASE (line_that_got_through_tells_its_descriptor),
        NODE_CASE (killed_node_is_gone_soon),
        NODE_CASE (events_that_nobody_fetches_are_dropped_and_counted),
        NODE_CASE (events_that_are_not_wanted_do_not_come),
        NODE_CASE (descriptor_tells_of_events),
        NODE_CASE (options_out_of_range_are_refused_in_words),
    };
    if (argc == 3 && strcmp (argv[1], "victim") == 0)
        return be_victim ((uint16_t) strtoul (argv[2], NULL, 10));
    return cmocka_run_group_tests (tests, NULL, NULL);
}
