/* Nodes that find each other by seeds: hubs, ours and czmq's, and any other node. */
#include "tests/devices/nodes.h"

#include "discovery/gossip.h"

#include <czmq.h>

static zactor_t *foreign; /* czmq's zgossip */

static int clear (void **state)
{
    zactor_destroy (&foreign);
    return nodes_clear (state);
}

#define GOSSIP_CASE(name) cmocka_unit_test_teardown (name, clear)

/* Without beacons. */
static zf_node_t *start_quiet (const char *name, const char *hub, const char *const *seeds,
                               size_t seed_count)
{
    zf_peer_options_t options = node_options (name);
    options.beacon = false;
    options.hub = hub;
    options.seeds = seeds;
    options.seed_count = seed_count;
    return start_node_with (&options);
}

static zf_node_t *start_client (const char *name, const char *seed)
{
    return start_quiet (name, NULL, &seed, 1);
}

static void nodes_meet_by_a_hub_that_is_one_of_them (void **state)
{
    zf_node_t *hub = start_quiet ("hub", ANY_PORT, NULL, 0);
    zf_node_t *anna = start_client ("anna", zf_node_hub (hub));
    zf_node_t *bert = start_client ("bert", zf_node_hub (hub));
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (bert, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (hub, 2, PATIENCE_MS), 0);
    whisper (anna, "bert", "hello");
    expect_text (bert, ZF_PEER_WHISPER, "anna", "hello");
}

static void hub_in_the_same_process_by_inproc_will_do (void **state)
{
    zf_node_t *hub = start_quiet ("hub", "inproc://node-gossip-hub", NULL, 0);
    zf_node_t *anna = start_client ("anna", zf_node_hub (hub));
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (hub, 1, PATIENCE_MS), 0);
}

static void seed_that_comes_later_is_used (void **state)
{
    char endpoint[64];
    zf_node_t *hub = start_quiet ("hub", ANY_PORT, NULL, 0);
    snprintf (endpoint, sizeof endpoint, "%s", zf_node_hub (hub));
    stop_node (hub);
    zf_node_t *anna = start_client ("anna", endpoint);
    zf_peer_options_t options = node_options ("hub");
    options.beacon = false;
    options.hub = endpoint;
    hub = start_node_again (&options);
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
    /* and again */
    stop_node (hub);
    expect_event (anna, ZF_PEER_EXIT, "hub");
    start_node_again (&options);
    zf_node_t *bert = start_client ("bert", endpoint);
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (bert, 2, PATIENCE_MS), 0);
}

/* A port where nobody listens, and that nobody else gets. Returns the descriptor that keeps it. */
static int keep_port (char endpoint[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_STREAM, 0);
    assert_int_equal (bind (fd, (const struct sockaddr *) &address, size), 0);
    assert_int_equal (getsockname (fd, (struct sockaddr *) &address, &size), 0);
    snprintf (endpoint, 64, "tcp://127.0.0.1:%u", ntohs (address.sin_port));
    return fd;
}

static void seed_that_does_not_answer_is_told (void **state)
{
    char endpoint[64], words[128];
    int fd = keep_port (endpoint);
    zf_node_t *anna = start_client ("anna", endpoint);
    zf_peer_event_t event = await_event (anna, ZF_PEER_NOTE, "");
    snprintf (words, sizeof words, "seed %s: no connection yet", endpoint);
    assert_memory_equal (event.text, words, strlen (words));
    zf_node_event_release (&event);
    close (fd);
}

static void hubs_that_know_each_other_make_one_network (void **state)
{
    const char *seeds[2];
    zf_node_t *first = start_quiet ("first", ANY_PORT, NULL, 0);
    seeds[0] = zf_node_hub (first);
    zf_node_t *second = start_quiet ("second", ANY_PORT, seeds, 1);
    seeds[1] = zf_node_hub (second);
    zf_node_t *third = start_quiet ("third", ANY_PORT, seeds, 2); /* a circle */
    zf_node_t *anna = start_client ("anna", zf_node_hub (first));
    zf_node_t *bert = start_client ("bert", zf_node_hub (third));
    zf_node_t *all[] = {first, second, third, anna, bert};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal (zf_node_wait (all[i], 4, PATIENCE_MS), 0);
}

static void namespaces_part_those_of_one_hub (void **state)
{
    zf_node_t *hub = start_quiet ("hub", ANY_PORT, NULL, 0);
    const char *seed = zf_node_hub (hub);
    zf_peer_options_t options = node_options ("carl");
    options.beacon = false;
    options.space = "staging";
    options.seeds = &seed;
    options.seed_count = 1;
    zf_node_t *carl = start_node_with (&options);
    options.name = "dora";
    zf_node_t *dora = start_node_with (&options);
    zf_node_t *anna = start_client ("anna", seed);
    meet (carl, dora);
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
    assert_int_equal (stats_of (anna).peers, 1);
    assert_int_equal (stats_of (carl).peers, 1);
}

/* -- seeds that are no hubs -------------------------------------------------------------------- */

/* At an endpoint that others can be told. */
static zf_peer_options_t plain_options (const char *name, const char *endpoint,
                                        const char *const *seeds, size_t seed_count)
{
    zf_peer_options_t options = node_options (name);
    options.beacon = false;
    options.endpoint = endpoint;
    options.seeds = seeds;
    options.seed_count = seed_count;
    return options;
}

static zf_node_t *start_plain (const char *name, const char *seed)
{
    zf_peer_options_t options = plain_options (name, ANY_PORT, &seed, seed != NULL);
    return start_node_with (&options);
}

static void nodes_meet_by_any_node (void **state)
{
    zf_node_t *middle = start_plain ("middle", NULL);
    zf_node_t *anna = start_client ("anna", zf_node_endpoint (middle));
    zf_node_t *bert = start_client ("bert", zf_node_endpoint (middle));
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (bert, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (middle, 2, PATIENCE_MS), 0);
    whisper (anna, "bert", "hello");
    expect_text (bert, ZF_PEER_WHISPER, "anna", "hello");
    assert_int_equal (stats_of (middle).errors, 0);
    assert_int_equal (stats_of (anna).errors, 0);
    assert_int_equal (stats_of (middle).exits, 0);
}

static void any_node_may_start_again_where_it_was (void **state)
{
    char endpoint[64];
    zf_node_t *middle = start_plain ("middle", NULL);
    snprintf (endpoint, sizeof endpoint, "%s", zf_node_endpoint (middle));
    zf_node_t *anna = start_client ("anna", endpoint);
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
    stop_node (middle);
    expect_event (anna, ZF_PEER_EXIT, "middle");
    zf_node_t *bert = start_client ("bert", endpoint); /* nobody is there */
    zf_peer_options_t options = plain_options ("middle", endpoint, NULL, 0);
    middle = start_node_again (&options);
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (bert, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (middle, 2, PATIENCE_MS), 0);
}

static void seeds_of_seeds_are_met (void **state)
{
    zf_node_t *first = start_plain ("first", NULL);
    zf_node_t *second = start_plain ("second", zf_node_endpoint (first));
    zf_node_t *third = start_plain ("third", zf_node_endpoint (second));
    zf_node_t *other = start_plain ("other", zf_node_endpoint (first));
    zf_node_t *all[] = {first, second, third, other};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (zf_node_wait (all[i], 3, PATIENCE_MS), 0);
}

/* The same list for all: each node is one of its own seeds. */
static void nodes_with_one_list_of_all_meet (void **state)
{
    enum { COUNT = 4 };
    static const char *const names[COUNT] = {"anna", "bert", "carl", "dora"};
    char endpoints[COUNT][64];
    const char *seeds[COUNT];
    zf_node_t *nodes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        nodes[i] = start_plain (names[i], NULL);
        snprintf (endpoints[i], sizeof endpoints[i], "%s", zf_node_endpoint (nodes[i]));
        seeds[i] = endpoints[i];
    }
    for (size_t i = 0; i < COUNT; i++) {
        zf_peer_options_t options = plain_options (names[i], endpoints[i], seeds, COUNT);
        stop_node (nodes[i]);
        nodes[i] = start_node_again (&options);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal (zf_node_wait (nodes[i], COUNT - 1, PATIENCE_MS), 0);
    assert_int_equal (stats_of (nodes[0]).peers, COUNT - 1);
    assert_int_equal (stats_of (nodes[0]).errors, 0);
}

static void hub_and_mailbox_have_the_same_guests (void **state)
{
    zf_peer_options_t options = plain_options ("hub", ANY_PORT, NULL, 0);
    options.hub = ANY_PORT;
    zf_node_t *hub = start_node_with (&options);
    zf_node_t *anna = start_client ("anna", zf_node_hub (hub));
    zf_node_t *bert = start_client ("bert", zf_node_endpoint (hub));
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (bert, 2, PATIENCE_MS), 0);
}

/* -- czmq -------------------------------------------------------------------------------------- */

static void start_foreign (void)
{
    foreign = zactor_new (zgossip, (void *) "foreign");
    assert_non_null (foreign);
}

/* Binds it and writes where. */
static void bind_foreign (char endpoint[64])
{
    char *command, *port;
    start_foreign ();
    zstr_sendx (foreign, "BIND", ANY_PORT, NULL);
    zstr_sendx (foreign, "PORT", NULL);
    assert_int_equal (zstr_recvx (foreign, &command, &port, NULL), 2);
    snprintf (endpoint, 64, "tcp://127.0.0.1:%s", port);
    zstr_free (&command);
    zstr_free (&port);
}

static void nodes_meet_by_a_hub_of_czmq (void **state)
{
    char endpoint[64];
    bind_foreign (endpoint);
    zf_node_t *anna = start_client ("anna", endpoint);
    zf_node_t *bert = start_client ("bert", endpoint);
    meet (anna, bert);
    zf_node_t *carl = start_client ("carl", endpoint);
    assert_int_equal (zf_node_wait (carl, 2, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (anna, 2, PATIENCE_MS), 0);
    assert_int_equal (stats_of (anna).exits, 0);
}

/* The next tuple that czmq's gossip delivers, with this key ("": whichever); its value is freed by
 * the caller. */
static char *await_tuple (const char *key)
{
    zsock_set_rcvtimeo (zactor_sock (foreign), PATIENCE_MS);
    for (;;) {
        char *command = NULL, *name = NULL, *value = NULL;
        if (zstr_recvx (foreign, &command, &name, &value, NULL) < 3)
            fail_msg ("no tuple %s", key);
        bool wanted = key[0] == '\0' || strcmp (name, key) == 0;
        assert_string_equal (command, "DELIVER");
        zstr_free (&command);
        zstr_free (&name);
        if (wanted)
            return value;
        zstr_free (&value);
    }
}

static void gossip_of_czmq_is_a_client_of_our_hub (void **state)
{
    zf_node_t *hub = start_quiet ("hub", ANY_PORT, NULL, 0);
    zf_node_t *anna = start_client ("anna", zf_node_hub (hub));
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
    start_foreign ();
    zstr_sendx (foreign, "CONNECT", zf_node_hub (hub), NULL);
    char *value = await_tuple (zf_node_id (anna)); /* what was there */
    assert_memory_equal (value, "tcp://127.0.0.1:", 16);
    zstr_free (&value);
    zf_node_t *bert = start_client ("bert", zf_node_hub (hub));
    value = await_tuple (zf_node_id (bert)); /* what comes */
    zstr_free (&value);
}

static void pass_tuples_on (const char *seed)
{
    start_foreign ();
    zactor_t *sender = zactor_new (zgossip, (void *) "sender");
    zstr_sendx (sender, "CONNECT", seed, NULL);
    zstr_sendx (foreign, "CONNECT", seed, NULL);
    zstr_sendx (sender, "PUBLISH", "somebody's key", "somebody's value", NULL);
    char *value = await_tuple ("somebody's key");
    assert_string_equal (value, "somebody's value");
    zstr_free (&value);
    zactor_destroy (&sender);
}

static void tuples_of_czmq_are_passed_on (void **state)
{
    pass_tuples_on (zf_node_hub (start_quiet ("hub", ANY_PORT, NULL, 0)));
}

static void tuples_of_czmq_are_passed_on_by_any_node (void **state)
{
    pass_tuples_on (zf_node_endpoint (start_plain ("middle", NULL)));
}

/* -- who does not behave ----------------------------------------------------------------------- */

static void send_bytes (zsock_t *client, const void *data, size_t size)
{
    assert_int_equal (zmq_send (zsock_resolve (client), data, size, 0), size);
}

static void expect_id (zsock_t *client, uint8_t id)
{
    uint8_t frame[512];
    zsock_set_rcvtimeo (client, PATIENCE_MS);
    for (;;) {
        int size = zmq_recv (zsock_resolve (client), frame, sizeof frame, 0);
        assert_true (size >= 4);
        if (frame[2] == id)
            return;
    }
}

static void talk_nonsense_to (const char *seed)
{
    static const uint8_t ping[] = {0xAA, 0xA0, 3, 1};
    static const uint8_t publish[] = {0xAA, 0xA0, 2, 1, 1, 'k', 0, 0, 0, 1, 'v', 0, 0, 0, 0};
    static const uint8_t lie[] = {0xAA, 0xA0, 2, 1, 1, 'k', 255, 255, 255, 255, 'v'};
    zsock_t *client = zsock_new_dealer (seed);
    uint8_t noise[256];
    uint32_t state32 = 1;
    for (int i = 0; i < 1000; i++) {
        for (size_t j = 0; j < sizeof noise; j++)
            noise[j] = (uint8_t) ((state32 = state32 * 1664525u + 1013904223u) >> 24);
        noise[0] = i % 2 == 0 ? 0xAA : noise[0];
        noise[1] = i % 2 == 0 ? 0xA0 : noise[1];
        send_bytes (client, noise, (size_t) (i % 256));
    }
    send_bytes (client, lie, sizeof lie);
    send_bytes (client, publish, sizeof publish); /* before HELLO */
    expect_id (client, 5);
    send_bytes (client, ping, sizeof ping);
    expect_id (client, 4);
    zsock_destroy (&client);
    zf_node_t *anna = start_client ("anna", seed);
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
}

static void hub_survives_nonsense (void **state)
{
    talk_nonsense_to (zf_node_hub (start_quiet ("hub", ANY_PORT, NULL, 0)));
}

static void mailbox_survives_nonsense (void **state)
{
    talk_nonsense_to (zf_node_endpoint (start_plain ("middle", NULL)));
}

/* Anybody can say anything about others. */
static void forged_gossip_ends_nobody (void **state)
{
    static const uint8_t hello[] = {0xAA, 0xA0, 1, 1};
    static const uint8_t ping[] = {0xAA, 0xA0, 3, 1};
    static const char nowhere[] = "tcp://127.0.0.1:1";
    zf_node_t *middle = start_plain ("middle", NULL);
    zf_node_t *anna = start_client ("anna", zf_node_endpoint (middle));
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (middle, 1, PATIENCE_MS), 0);
    zsock_t *client = zsock_new_dealer (zf_node_endpoint (middle));
    zf_writer_t w = {0};
    zf_gossip_encode (&w, &(zf_gossip_t){.id = ZF_GOSSIP_PUBLISH,
                                         .key = zf_bytes_of (zf_node_id (anna)),
                                         .value = zf_bytes_of (nowhere)});
    send_bytes (client, hello, sizeof hello);
    send_bytes (client, w.data, w.size);
    send_bytes (client, ping, sizeof ping);
    expect_id (client, 4); /* it has read that */
    zsock_destroy (&client);
    zf_writer_free (&w);
    whisper (middle, "anna", "still there?");
    expect_text (anna, ZF_PEER_WHISPER, "middle", "still there?");
    assert_int_equal (stats_of (middle).exits, 0);
}

/* Who says by a node's own connection what is no ZRE breaks ZRE. */
static void gossip_by_the_connection_of_a_node_is_none (void **state)
{
    static const uint8_t hello[] = {0xAA, 0xA0, 1, 1};
    uint8_t identity[17] = {1, 2, 3};
    zf_node_t *middle = start_plain ("middle", NULL);
    zsock_t *client = zsock_new (ZMQ_DEALER);
    zmq_setsockopt (zsock_resolve (client), ZMQ_ROUTING_ID, identity, sizeof identity);
    assert_int_equal (zsock_connect (client, "%s", zf_node_endpoint (middle)), 0);
    send_bytes (client, hello, sizeof hello);
    AWAIT (stats_of (middle).errors == 1);
    zsock_destroy (&client);
}

/* Nodes that are not there, as many as one likes, do not keep those out who are. */
static void invented_nodes_do_not_keep_others_out (void **state)
{
    char endpoint[64];
    bind_foreign (endpoint);
    for (int i = 0; i < 1000; i++) { /* its pipe to us holds twice as many */
        char key[40];
        snprintf (key, sizeof key, "%032X", i + 1);
        zstr_sendx (foreign, "PUBLISH", key, "tcp://127.0.0.1:1", NULL);
    }
    zf_node_t *anna = start_client ("anna", endpoint);
    zf_node_t *bert = start_client ("bert", endpoint);
    assert_int_equal (zf_node_wait (anna, 1, PATIENCE_MS), 0);
    assert_int_equal (zf_node_wait (bert, 1, PATIENCE_MS), 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        GOSSIP_CASE (nodes_meet_by_a_hub_that_is_one_of_them),
        GOSSIP_CASE (hub_in_the_same_process_by_inproc_will_do),
        GOSSIP_CASE (seed_that_comes_later_is_used),
        GOSSIP_CASE (seed_that_does_not_answer_is_told),
        GOSSIP_CASE (hubs_that_know_each_other_make_one_network),
        GOSSIP_CASE (namespaces_part_those_of_one_hub),
        GOSSIP_CASE (nodes_meet_by_any_node),
        GOSSIP_CASE (any_node_may_start_again_where_it_was),
        GOSSIP_CASE (seeds_of_seeds_are_met),
        GOSSIP_CASE (nodes_with_one_list_of_all_meet),
        GOSSIP_CASE (hub_and_mailbox_have_the_same_guests),
        GOSSIP_CASE (nodes_meet_by_a_hub_of_czmq),
        GOSSIP_CASE (gossip_of_czmq_is_a_client_of_our_hub),
        GOSSIP_CASE (tuples_of_czmq_are_passed_on),
        GOSSIP_CASE (tuples_of_czmq_are_passed_on_by_any_node),
        GOSSIP_CASE (hub_survives_nonsense),
        GOSSIP_CASE (mailbox_survives_nonsense),
        GOSSIP_CASE (forged_gossip_ends_nobody),
        GOSSIP_CASE (gossip_by_the_connection_of_a_node_is_none),
        GOSSIP_CASE (invented_nodes_do_not_keep_others_out),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
