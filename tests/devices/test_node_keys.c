/* What a node knows of others' keys, whatever is claimed. */
#include "devices/node_inside.h"
#include "tests/devices/keyring.h"

#define PROVED 32
#define FLOOD  20000 /* more than a node remembers */

static zf_node_t *start_node (rig_t *rig)
{
    zf_peer_options_t options;
    zf_node_t *node;
    put_file (rig, "list", line_of (rig->ann, "ann"));
    snprintf (rig->authorised_path, PATH_TEXT, "%s/list", rig->dir);
    rig->options.authorised = rig->authorised_path;
    assert_int_equal (zf_security_open (&rig->security, &rig->options, &rig->err), 0);
    zf_node_defaults (&options);
    options.beacon = false;
    options.endpoint = "tcp://127.0.0.1:*";
    options.security = rig->security;
    if (zf_node_start (&node, &options, &rig->err) != 0)
        fail_msg ("%s", rig->err.text);
    return node;
}

static const uint8_t *uuid_of (uint32_t number)
{
    static uint8_t uuid[ZF_UUID_BYTES];
    memcpy (uuid, &number, sizeof number);
    return uuid;
}

/* Authorised keys can be seen in beacons, and anybody can send more of those. */
static void flood_of_claims_shuts_nobody_out (void **state)
{
    rig_t *rig = *state;
    zf_node_t *node = start_node (rig);
    pthread_mutex_lock (&node->lock);
    for (uint32_t i = 0; i < PROVED; i++)
        assert_true (zf_node_prove_key (node, uuid_of (i), rig->ann));
    for (uint32_t i = PROVED; i < FLOOD; i++)
        assert_true (zf_node_claim_key (node, uuid_of (i), rig->ann));
    assert_true (zf_node_prove_key (node, uuid_of (FLOOD), rig->ann));
    for (uint32_t i = 0; i < PROVED; i++)
        assert_non_null (zf_node_key_of (node, uuid_of (i)));
    pthread_mutex_unlock (&node->lock);
    zf_node_stop (&node);
}

/* Who was known by a key that has been withdrawn is not looked for any more. */
static void withdrawn_key_is_no_claim (void **state)
{
    rig_t *rig = *state;
    zf_node_t *node = start_node (rig);
    pthread_mutex_lock (&node->lock);
    assert_true (zf_node_prove_key (node, uuid_of (1), rig->ann));
    assert_true (zf_node_claim_key (node, uuid_of (1), rig->ann));
    put_file (rig, "list", "");
    assert_int_equal (zf_security_reload (rig->security, &rig->err), 0);
    assert_false (zf_node_claim_key (node, uuid_of (1), rig->ann));
    assert_null (zf_node_key_of (node, uuid_of (1)));
    pthread_mutex_unlock (&node->lock);
    zf_node_stop (&node);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (flood_of_claims_shuts_nobody_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown (withdrawn_key_is_no_claim, set_up, tear_down),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
