/* What a node has to bear from others: nonsense, lies, silence, greed. */
#include "tests/devices/nodes.h"

#include "discovery/beacon.h"
#include "discovery/roster.h"
#include "discovery/zre.h"
#include <czmq.h>

#define STOP_MS 3000 /* stopping takes less, whoever does not answer */

/* Somebody who speaks ZRE by hand. */
typedef struct {
    uint8_t uuid[ZF_UUID_BYTES];
    zsock_t *mailbox; /* NULL: none */
    zsock_t *line;    /* to the node */
    char endpoint[64];
    uint16_t sequence;
} stranger_t;

static stranger_t someone;

static int clear (void **state)
{
    zsock_destroy (&someone.mailbox);
    zsock_destroy (&someone.line);
    memset (&someone, 0, sizeof someone);
    return nodes_clear (state);
}

#define BAD_CASE(name) cmocka_unit_test_teardown (name, clear)

/* Where a node of this machine can be reached. */
static void endpoint_for (zf_node_t *node, char endpoint[64])
{
    const char *port = strrchr (zf_node_endpoint (node), ':');
    snprintf (endpoint, 64, "tcp://127.0.0.1%s", port);
}

static zsock_t *connect_as (zf_node_t *node, const void *identity, size_t size)
{
    char endpoint[64];
    zsock_t *line = zsock_new (ZMQ_DEALER);
    endpoint_for (node, endpoint);
    if (size > 0)
        zmq_setsockopt (zsock_resolve (line), ZMQ_ROUTING_ID, identity, size);
    assert_int_equal (zsock_connect (line, "%s", endpoint), 0);
    return line;
}

static void become_someone (zf_node_t *node, uint8_t number)
{
    uint8_t identity[1 + ZF_UUID_BYTES] = {1};
    memset (someone.uuid, number, sizeof someone.uuid);
    memcpy (identity + 1, someone.uuid, ZF_UUID_BYTES);
    someone.mailbox = zsock_new (ZMQ_ROUTER);
    int port = zsock_bind (someone.mailbox, "%s", ANY_PORT);
    assert_true (port > 0);
    snprintf (someone.endpoint, sizeof someone.endpoint, "tcp://127.0.0.1:%d", port);
    someone.line = connect_as (node, identity, sizeof identity);
}

static void send_bytes (zsock_t *line, const void *data, size_t size, int flags)
{
    assert_int_equal (zmq_send (zsock_resolve (line), data, size, flags), size);
}

static void say (const zf_zre_t *message, int flags)
{
    zf_writer_t w = {0};
    zf_zre_encode (&w, message);
    assert_false (w.failed);
    send_bytes (someone.line, w.data, w.size, flags);
    zf_writer_free (&w);
}

static void greet (void)
{
    zf_zre_t hello = {.id = ZF_ZRE_HELLO,
                      .sequence = 1,
                      .endpoint = zf_bytes_of (someone.endpoint),
                      .name = zf_bytes_of ("someone")};
    someone.sequence = 1;
    say (&hello, 0);
}

static void say_whisper (uint16_t sequence, const char *text)
{
    zf_zre_t head = {.id = ZF_ZRE_WHISPER, .sequence = sequence};
    say (&head, ZMQ_SNDMORE);
    send_bytes (someone.line, text, strlen (text), 0);
}

/* The next message of this kind in its mailbox; it is to be destroyed. */
static zmsg_t *await_message (zf_zre_id_t id)
{
    zsock_set_rcvtimeo (someone.mailbox, PATIENCE_MS);
    for (;;) {
        zf_zre_t head;
        zmsg_t *msg = zmsg_recv (someone.mailbox);
        assert_non_null (msg);
        zframe_t *identity = zmsg_first (msg);
        zframe_t *frame = zmsg_next (msg);
        assert_int_equal (zframe_size (identity), 1 + ZF_UUID_BYTES);
        assert_true (zf_zre_decode (zf_bytes (zframe_data (frame), zframe_size (frame)), &head));
        if (head.id == id)
            return msg;
        zmsg_destroy (&msg);
    }
}

static void expect_message (zf_zre_id_t id)
{
    zmsg_t *msg = await_message (id);
    zmsg_destroy (&msg);
}

static void enter_someone (zf_node_t *node)
{
    become_someone (node, 7);
    greet ();
    expect_event (node, ZF_PEER_ENTER, "someone");
    expect_message (ZF_ZRE_HELLO);
}

/* Both are there, and talk. */
static void expect_good_terms (zf_node_t *a, zf_node_t *b)
{
    whisper (a, zf_node_id (b), "still there?");
    expect_text (b, ZF_PEER_WHISPER, zf_node_name (a), "still there?");
}

/* -- messages ---------------------------------------------------------------------------------- */

static void stranger_who_greets_is_let_in (void **state)
{
    zf_node_t *anna = start_node ("anna");
    enter_someone (anna);
    say_whisper (2, "hello");
    expect_text (anna, ZF_PEER_WHISPER, "someone", "hello");
    whisper (anna, "someone", "yes?");
    zmsg_t *msg = await_message (ZF_ZRE_WHISPER);
    assert_true (zframe_streq (zmsg_last (msg), "yes?"));
    zmsg_destroy (&msg);
}

static void nonsense_is_counted_and_dropped (void **state)
{
    uint8_t noise[300];
    uint32_t random = 1;
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    enter_someone (anna);
    zsock_t *nobody = connect_as (anna, NULL, 0);
    for (size_t i = 0; i < 2000; i++) {
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t) ((random = random * 1664525u + 1013904223u) >> 24);
        if (i % 2 == 0) { /* nearly right */
            noise[0] = 0xAA;
            noise[1] = 0xA1;
            noise[2] = (uint8_t) (1 + i / 2 % 10);
            noise[3] = 2;
        }
        send_bytes (i % 3 == 0 ? someone.line : nobody, noise, i % sizeof noise,
                    i % 5 == 0 ? ZMQ_SNDMORE : 0);
    }
    send_bytes (someone.line, "", 0, 0);
    send_bytes (nobody, "", 0, 0);
    AWAIT (stats_of (anna).errors > 500);
    zsock_destroy (&nobody);
    expect_good_terms (anna, bert);
    assert_int_equal (stats_of (bert).errors, 0);
}

static void wrong_sequence_ends_it_and_begins_anew (void **state)
{
    zf_node_t *anna = start_node ("anna");
    enter_someone (anna);
    say_whisper (2, "in order");
    say_whisper (9, "not in order");
    expect_text (anna, ZF_PEER_WHISPER, "someone", "in order");
    expect_event (anna, ZF_PEER_EXIT, "someone");
    greet ();
    expect_event (anna, ZF_PEER_ENTER, "someone");
    say_whisper (2, "in order");
    expect_text (anna, ZF_PEER_WHISPER, "someone", "in order");
}

static void join_with_a_wrong_status_kills_nobody (void **state)
{
    zf_zre_t join = {
        .id = ZF_ZRE_JOIN, .sequence = 2, .status = 77, .group = zf_bytes_of ("choir")};
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    enter_someone (anna);
    say (&join, 0);
    AWAIT (stats_of (anna).errors > 0);
    expect_good_terms (anna, bert);
}

static void message_of_too_many_frames_is_dropped (void **state)
{
    zf_zre_t head = {.id = ZF_ZRE_WHISPER, .sequence = 2};
    zf_node_t *anna = start_node ("anna");
    enter_someone (anna);
    say (&head, ZMQ_SNDMORE);
    for (int i = 0; i < 5000; i++)
        send_bytes (someone.line, "x", 1, i < 4999 ? ZMQ_SNDMORE : 0);
    AWAIT (stats_of (anna).errors > 0);
    greet (); /* it comes again and is well */
    say_whisper (2, "fine");
    expect_text (anna, ZF_PEER_WHISPER, "someone", "fine");
}

static void headers_of_megabytes_are_refused (void **state)
{
    static char value[4000];
    zf_writer_t headers = {0};
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    become_someone (anna, 7);
    memset (value, 'v', sizeof value);
    for (uint32_t rounds = 1000; rounds <= 3000; rounds += 1000) {
        headers.size = 0;
        for (uint32_t i = 0; i < rounds; i++) {
            char name[16];
            snprintf (name, sizeof name, "name-%u", i);
            zf_zre_put_header (&headers, zf_bytes_of (name), zf_bytes (value, sizeof value));
        }
        zf_zre_t hello = {.id = ZF_ZRE_HELLO,
                          .sequence = 1,
                          .endpoint = zf_bytes_of (someone.endpoint),
                          .name = zf_bytes_of ("someone"),
                          .header_count = rounds,
                          .headers = zf_bytes (headers.data, headers.size)};
        say (&hello, 0);
    }
    zf_writer_free (&headers);
    AWAIT (stats_of (anna).errors >= 3);
    assert_int_equal (stats_of (anna).peers, 1);
    expect_good_terms (anna, bert);
}

static bool expect_two_headers (void *arg, const zf_peer_info_t *node)
{
    (void) arg;
    assert_int_equal (node->header_count, 2);
    assert_string_equal (node->headers[0].name, "first");
    assert_string_equal (node->headers[0].value, "a");
    assert_string_equal (node->headers[1].name, "second");
    assert_string_equal (node->headers[1].value, "b");
    return true;
}

static void header_with_a_zero_inside_leaves_the_next_as_it_is (void **state)
{
    zf_writer_t headers = {0};
    zf_zre_put_header (&headers, zf_bytes_of ("first"), zf_bytes ("a\0none\0of these", 15));
    zf_zre_put_header (&headers, zf_bytes_of ("second"), zf_bytes_of ("b"));
    zf_node_t *anna = start_node ("anna");
    become_someone (anna, 7);
    zf_zre_t hello = {.id = ZF_ZRE_HELLO,
                      .sequence = 1,
                      .endpoint = zf_bytes_of (someone.endpoint),
                      .name = zf_bytes_of ("someone"),
                      .header_count = 2,
                      .headers = zf_bytes (headers.data, headers.size)};
    say (&hello, 0);
    zf_writer_free (&headers);
    expect_event (anna, ZF_PEER_ENTER, "someone");
    zf_node_each (anna, expect_two_headers, NULL);
}

static void message_above_the_limit_ends_the_connection (void **state)
{
    static char large[200000];
    zf_peer_options_t options = node_options ("anna");
    options.max_message_bytes = 100000;
    zf_node_t *anna = start_node_with (&options);
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    zf_bytes_t frame = zf_bytes (large, sizeof large);
    assert_int_equal (zf_node_whisper (bert, "anna", &frame, 1), 0);
    expect_event (anna, ZF_PEER_EXIT, "bert");
    expect_event (anna, ZF_PEER_ENTER, "bert"); /* and they meet again */
    AWAIT (stats_of (bert).peers == 1);
    whisper (anna, zf_node_id (bert), "smaller, please");
    expect_text (bert, ZF_PEER_WHISPER, "anna", "smaller, please");
}

/* -- lies -------------------------------------------------------------------------------------- */

static void send_beacon (const uint8_t uuid[ZF_UUID_BYTES], uint16_t port)
{
    zf_beacon_t beacon = {.port = port};
    uint8_t datagram[ZF_BEACON_KEY_BYTES];
    memcpy (beacon.uuid, uuid, ZF_UUID_BYTES);
    size_t size = zf_beacon_encode (&beacon, datagram);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons (rig.port)};
    inet_pton (AF_INET, "127.255.255.255", &to.sin_addr);
    int on = 1;
    int fd = socket (AF_INET, SOCK_DGRAM, 0);
    setsockopt (fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    struct sockaddr_in from = {.sin_family = AF_INET};
    inet_pton (AF_INET, "127.0.0.1", &from.sin_addr);
    assert_int_equal (bind (fd, (struct sockaddr *) &from, sizeof from), 0);
    sendto (fd, datagram, size, 0, (struct sockaddr *) &to, sizeof to);
    close (fd);
}

static void uuid_of (zf_node_t *node, uint8_t uuid[ZF_UUID_BYTES])
{
    for (size_t i = 0; i < ZF_UUID_BYTES; i++) {
        unsigned byte;
        assert_int_equal (sscanf (zf_node_id (node) + 2 * i, "%2X", &byte), 1);
        uuid[i] = (uint8_t) byte;
    }
}

static void forged_farewell_does_not_part_two (void **state)
{
    uint8_t uuid[ZF_UUID_BYTES];
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    uuid_of (bert, uuid);
    uint64_t end_ms = zf_clock_ms () + 3 * ZF_ROSTER_ASK_MS;
    uint64_t seen = stats_of (anna).beacons_in;
    while (zf_clock_ms () < end_ms) { /* longer than it is given to answer */
        send_beacon (uuid, 0);
        AWAIT (stats_of (anna).beacons_in > seen);
        seen = stats_of (anna).beacons_in;
    }
    expect_good_terms (anna, bert);
    assert_int_equal (stats_of (anna).exits, 0);
}

static void invented_beacons_do_not_keep_others_out (void **state)
{
    zf_node_t *anna = start_node ("anna");
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t uuid[ZF_UUID_BYTES] = {1};
        memcpy (uuid + 4, &i, sizeof i);
        send_beacon (uuid, (uint16_t) (1 + i % 500)); /* where nobody is */
        if (i == 5000)
            start_node ("bert");
    }
    expect_event (anna, ZF_PEER_ENTER, "bert");
    AWAIT (stats_of (anna).refused > 0);
}

/* Somebody takes over the identity of a node that is there. */
static void stolen_identity_is_taken_back (void **state)
{
    uint8_t identity[1 + ZF_UUID_BYTES] = {1};
    zf_node_t *anna = start_node ("anna");
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    uuid_of (bert, identity + 1);
    someone.line = connect_as (anna, identity, sizeof identity);
    for (uint16_t i = 0; i < 10; i++)
        say_whisper ((uint16_t) (1000 + i), "it is me");
    expect_event (anna, ZF_PEER_EXIT, "bert");
    zsock_destroy (&someone.line);
    expect_event (anna, ZF_PEER_ENTER, "bert");
    zf_bytes_t frame = zf_bytes_of ("me");
    bool heard = false;
    while (!heard) { /* they may part once more before it is settled */
        zf_peer_event_t event;
        zf_node_whisper (bert, zf_node_id (anna), &frame, 1);
        heard = zf_node_next (anna, &event, 10) == 0 && event.type == ZF_PEER_WHISPER;
        zf_node_event_release (&event);
    }
}

/* -- silence, greed ---------------------------------------------------------------------------- */

/* Takes connections and says nothing. */
static int listen_silently (uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    inet_pton (AF_INET, "127.0.0.1", &address.sin_addr);
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    assert_int_equal (bind (fd, (struct sockaddr *) &address, size), 0);
    assert_int_equal (listen (fd, 100), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    *port = ntohs (address.sin_port);
    return fd;
}

static void who_never_answers_holds_nobody_up (void **state)
{
    uint16_t port;
    int fd = listen_silently (&port);
    zf_node_t *anna = start_node ("anna");
    for (uint8_t i = 1; i < 20; i++) {
        uint8_t uuid[ZF_UUID_BYTES] = {i};
        send_beacon (uuid, port);
    }
    struct pollfd item = {.fd = fd, .events = POLLIN};
    assert_int_equal (poll (&item, 1, PATIENCE_MS), 1); /* it is greeted */
    zf_node_t *bert = start_node ("bert");
    meet (anna, bert);
    uint64_t begun_ms = zf_clock_ms ();
    stop_node (anna);
    assert_true (zf_clock_ms () - begun_ms < STOP_MS);
    expect_event (bert, ZF_PEER_EXIT, "anna");
    close (fd);
}

static void who_does_not_read_misses_and_the_others_do_not (void **state)
{
    static char text[10000];
    zf_zre_t join = {.id = ZF_ZRE_JOIN, .sequence = 2, .status = 1, .group = zf_bytes_of ("choir")};
    zf_peer_options_t options = node_options ("anna");
    options.line_bytes = 1u << 20;
    zf_node_t *anna = start_node_with (&options);
    zf_node_t *bert = start_node ("bert");
    assert_int_equal (zf_node_join (bert, "choir"), 0);
    meet (anna, bert);
    enter_someone (anna);
    say (&join, 0);
    expect_event (anna, ZF_PEER_JOIN, "someone");
    zf_bytes_t frame = zf_bytes (text, sizeof text);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal (zf_node_shout (anna, "choir", &frame, 1), 0);
        expect_event (bert, ZF_PEER_SHOUT, "anna");
    }
    zf_peer_stats_t stats = stats_of (anna);
    assert_true (stats.dropped_slow > 1000);
    while (zf_node_whisper (anna, "someone", &frame, 1) == 0)
        ;
    assert_int_equal (zf_node_whisper (anna, "someone", &frame, 1), ZF_E_AGAIN);
    uint64_t begun_ms = zf_clock_ms ();
    stop_node (anna);
    assert_true (zf_clock_ms () - begun_ms < STOP_MS);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        BAD_CASE (stranger_who_greets_is_let_in),
        BAD_CASE (nonsense_is_counted_and_dropped),
        BAD_CASE (wrong_sequence_ends_it_and_begins_anew),
        BAD_CASE (join_with_a_wrong_status_kills_nobody),
        BAD_CASE (message_of_too_many_frames_is_dropped),
        BAD_CASE (headers_of_megabytes_are_refused),
        BAD_CASE (header_with_a_zero_inside_leaves_the_next_as_it_is),
        BAD_CASE (message_above_the_limit_ends_the_connection),
        BAD_CASE (forged_farewell_does_not_part_two),
        BAD_CASE (invented_beacons_do_not_keep_others_out),
        BAD_CASE (stolen_identity_is_taken_back),
        BAD_CASE (who_never_answers_holds_nobody_up),
        BAD_CASE (who_does_not_read_misses_and_the_others_do_not),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
