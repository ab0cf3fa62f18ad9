/* Nodes with keys: who is authorised takes part, by beacons and by seeds, and nobody else does. */
#include "tests/patterns/mesh.h"
#include "tests/patterns/vault.h"

#define AWHILE_MS 700 /* several beacons: who is not seen by then is not seen */

static zf_peer_t *start_secured (const char *name, zf_security_t *security)
{
    return start_peer_with (name, security, 100);
}

static void make_keys (void)
{
    make_key ("anna");
    make_key ("bert");
    make_key ("eve");
    authorise ("anna");
    authorise ("bert");
}

static void nodes_with_authorised_keys_see_each_other (void **state)
{
    make_keys ();
    zf_peer_t *anna = start_secured ("anna", secure ("anna", NULL, NULL));
    zf_peer_t *bert = start_secured ("bert", secure ("bert", NULL, NULL));
    assert_int_equal (zf_peer_wait (anna, 1, PATIENCE_MS), 0);
    assert_int_equal (zf_peer_wait (bert, 1, PATIENCE_MS), 0);
}

static void nobody_else_is_seen_or_sees (void **state)
{
    make_keys ();
    zf_peer_t *anna = start_secured ("anna", secure ("anna", NULL, NULL));
    zf_peer_t *eve = start_secured ("eve", secure ("eve", NULL, NULL));
    zf_peer_t *plain = start_secured ("plain", NULL);
    zf_peer_t *insecure = start_secured ("insecure", zf_security_insecure ());
    assert_int_equal (zf_peer_wait (plain, 1, PATIENCE_MS), 0); /* these two see each other */
    assert_int_equal (zf_peer_wait (insecure, 1, PATIENCE_MS), 0);
    assert_int_equal (zf_peer_wait (anna, 1, AWHILE_MS), ZF_E_TIMEOUT);
    assert_int_equal (zf_peer_wait (eve, 1, 0), ZF_E_TIMEOUT);
    assert_int_equal (zf_peer_wait (plain, 2, 0), ZF_E_TIMEOUT);
}

static void nodes_with_keys_meet_at_a_seed (void **state)
{
    make_keys ();
    char seed[300];
    zf_peer_options_t options;
    const char *seeds[] = {seed};
    zf_peer_t *anna = start_secured ("anna", secure ("anna", NULL, NULL));
    snprintf (seed, sizeof seed, "%s|%s", zf_peer_endpoint (anna), key_of ("anna"));
    zf_peer_defaults (&options);
    options.beacon = false;
    options.seeds = seeds;
    options.seed_count = 1;
    options.security = secure ("bert", NULL, NULL);
    if (zf_peer_start (&mesh.peers[1], &options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    assert_int_equal (zf_peer_wait (mesh.peers[1], 1, PATIENCE_MS), 0);
    assert_int_equal (zf_peer_wait (anna, 1, PATIENCE_MS), 0);
}

static void node_whose_key_is_withdrawn_is_dropped (void **state)
{
    make_keys ();
    zf_peer_t *anna = start_secured ("anna", secure ("anna", NULL, NULL));
    zf_peer_t *bert = start_secured ("bert", secure ("bert", NULL, NULL));
    assert_int_equal (zf_peer_wait (anna, 1, PATIENCE_MS), 0);
    assert_int_equal (zf_peer_wait (bert, 1, PATIENCE_MS), 0);
    withdraw_key ("bert");
    zf_peer_stats_t stats = {.peers = 1};
    AWAIT ((zf_peer_stats (anna, &stats), stats.peers == 0));
}

/* A direct worker says its key in the directory; a client takes it for real if it is authorised. */
static void direct_worker_is_found_by_who_has_its_key (void **state)
{
    make_keys ();
    zf_peer_t *anna = start_secured ("anna", secure ("anna", NULL, NULL));
    zf_peer_t *bert = start_secured ("bert", secure ("bert", NULL, NULL));
    serve_with (open_direct (anna, "upper", 0), serve_echo);
    expect_answer (open_client_for (bert, "zferry://service/upper"), "upper", "hello", "hello");
}

/* Somebody plain offers the same: nothing is sent to him. */
static void offers_without_a_key_are_not_used (void **state)
{
    make_keys ();
    zf_peer_t *anna = start_secured ("anna", secure ("anna", NULL, NULL));
    zf_peer_t *bert = start_secured ("bert", secure ("bert", NULL, NULL));
    zf_device_t *plain = start_broker (NULL);
    char forged[300];
    assert_int_equal (zf_peer_wait (bert, 1, PATIENCE_MS), 0);
    snprintf (forged, sizeof forged, "%s|%s", endpoint_of (plain), key_of ("eve"));
    announce (anna, "broker/forged", forged); /* a key that is not authorised */
    await_offers (bert, "broker/forged", 1);
    const char *endpoint = "zferry://broker";
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.peer = bert;
    options.timeout_ms = AWHILE_MS;
    zf_client_t *client = open_client_with (&options);
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, NULL, &stage.err), ZF_E_TIMEOUT);
    assert_int_equal (figure (plain, "records"), 0);
}

/* Nobody else says what goes to a place inside this process. */
static void offers_inside_this_process_are_its_own (void **state)
{
    static const char *const inside[] = {"inproc://curve-peers-inside"};
    zf_broker_options_t broker;
    zf_client_options_t options;
    const char *endpoint = "zferry://broker";
    zf_peer_t *anna = start_secured ("anna", NULL);
    zf_peer_t *bert = start_secured ("bert", NULL);
    zf_broker_defaults (&broker);
    broker.endpoints = inside;
    zf_device_t *device = start_broker (&broker);
    announce (anna, "broker/inside", inside[0]);
    await_offers (bert, "broker/inside", 1);
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.peer = bert;
    options.timeout_ms = AWHILE_MS;
    zf_client_t *client = open_client_with (&options);
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, NULL, &stage.err), ZF_E_TIMEOUT);
    assert_int_equal (figure (device, "records"), 0);
    assert_int_equal (
        zf_client_post (open_client_for (anna, endpoint), "jobs", "x", 1, NULL, &stage.err), 0);
}

/* Who may be found no more is not asked any longer, though the connection to him works. */
static void worker_whose_key_is_withdrawn_is_asked_no_more (void **state)
{
    make_keys ();
    zf_peer_t *anna = start_secured ("anna", secure ("anna", NULL, NULL));
    zf_peer_t *bert = start_secured ("bert", secure ("bert", NULL, NULL));
    serve_with (open_direct (bert, "upper", 0), serve_echo);
    zf_client_t *client = open_client_for (anna, "zferry://service/upper");
    expect_answer (client, "upper", "hello", "hello");
    withdraw_key ("bert");
    AWAIT ((zf_client_process (client), reaches (&client->handle, 0)));
}

/* It was given keys to use, if not for itself. */
static void handle_of_a_secured_peer_is_never_plain (void **state)
{
    make_keys ();
    zf_peer_t *anna = start_secured ("anna", secure ("anna", "bert", NULL));
    const char *endpoint = endpoint_of (start_broker (NULL));
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.peer = anna;
    zf_client_t *client = open_client_with (&options);
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, NULL, &stage.err), ZF_E_DENIED);
    assert_non_null (strstr (stage.err.text, "encrypted"));
}

static int clear_all (void **state)
{
    for (size_t i = 0; i < SECURITIES_MAX; i++)
        zf_security_close (&vault.securities[i]); /* what uses them keeps them */
    int rc = mesh_clear (state);
    return vault_clear (state) != 0 ? 1 : rc;
}

int main (void)
{
#define SECURE_CASE(name) cmocka_unit_test_setup_teardown (name, vault_set, clear_all)
    const struct CMUnitTest tests[] = {
        SECURE_CASE (nodes_with_authorised_keys_see_each_other),
        SECURE_CASE (nobody_else_is_seen_or_sees),
        SECURE_CASE (nodes_with_keys_meet_at_a_seed),
        SECURE_CASE (node_whose_key_is_withdrawn_is_dropped),
        SECURE_CASE (direct_worker_is_found_by_who_has_its_key),
        SECURE_CASE (offers_without_a_key_are_not_used),
        SECURE_CASE (offers_inside_this_process_are_its_own),
        SECURE_CASE (worker_whose_key_is_withdrawn_is_asked_no_more),
        SECURE_CASE (handle_of_a_secured_peer_is_never_plain),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
