#include "discovery/beacon.h"

#include "tests/core/golden.h"
#include "tests/discovery/edge.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static golden_set_t golden;

static zf_bytes_t vector (const char *name)
{
    const golden_t *found = golden_find (&golden, name);
    return zf_bytes (found->frame.data, found->frame.size);
}

/* The node of the golden vectors. */
static zf_beacon_t node (uint16_t port)
{
    zf_beacon_t beacon = {.port = port};
    for (size_t i = 0; i < ZF_UUID_BYTES; i++)
        beacon.uuid[i] = (uint8_t) (i * 0x11);
    return beacon;
}

static void assert_same (const zf_beacon_t *a, const zf_beacon_t *b)
{
    assert_memory_equal (a->uuid, b->uuid, sizeof a->uuid);
    assert_int_equal (a->port, b->port);
    assert_int_equal (a->has_key, b->has_key);
    assert_memory_equal (a->key, b->key, sizeof a->key);
}

static void check (const char *name, const zf_beacon_t *beacon)
{
    uint8_t written[ZF_BEACON_KEY_BYTES];
    zf_beacon_t read;
    zf_bytes_t expected = vector (name);
    size_t size = zf_beacon_encode (beacon, written);
    assert_int_equal (size, expected.size);
    assert_memory_equal (written, expected.data, size);
    memset (&read, 0xff, sizeof read);
    assert_true (zf_beacon_decode (at_the_edge (expected), &read));
    assert_same (&read, beacon);
}

static void beacons_are_as_the_golden_vectors_say (void **state)
{
    zf_beacon_t beacon = node (49152);
    check ("beacon", &beacon);
    beacon.port = 0;
    check ("beacon leaving", &beacon);
    beacon.port = 5671;
    beacon.has_key = true;
    for (size_t i = 0; i < ZF_CURVE_KEY_BYTES; i++)
        beacon.key[i] = (uint8_t) (ZF_CURVE_KEY_BYTES - i);
    check ("beacon with a key", &beacon);
}

static void every_golden_beacon_was_used (void **state)
{
    for (size_t i = 0; i < golden.count; i++)
        if (memcmp (golden.vectors[i].frame.data, "ZRE", 3) == 0 && !golden.vectors[i].used)
            fail_msg ("the vector [%s] is not tested", golden.vectors[i].name);
}

static void beacon_of_another_size_is_none (void **state)
{
    static const char *const names[] = {"beacon", "beacon with a key"};
    uint8_t bytes[ZF_BEACON_KEY_BYTES + 8] = {0};
    zf_beacon_t beacon;
    for (size_t i = 0; i < 2; i++) {
        zf_bytes_t whole = vector (names[i]);
        memcpy (bytes, whole.data, whole.size);
        for (size_t size = 0; size <= sizeof bytes; size++) {
            bool is_one = zf_beacon_decode (at_the_edge (zf_bytes (bytes, size)), &beacon);
            assert_int_equal (is_one, size == whole.size);
        }
    }
    assert_false (zf_beacon_decode (zf_bytes (NULL, 0), &beacon));
}

static void beacon_of_another_protocol_or_version_is_none (void **state)
{
    zf_beacon_t beacon;
    zf_bytes_t whole = vector ("beacon");
    for (size_t at = 0; at < 4; at++) {
        for (unsigned byte = 0; byte <= 0xff; byte++) {
            uint8_t *copy = edge_copy (whole);
            bool same = copy[at] == byte;
            copy[at] = (uint8_t) byte;
            assert_int_equal (zf_beacon_decode (zf_bytes (copy, whole.size), &beacon), same);
        }
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (beacons_are_as_the_golden_vectors_say),
        cmocka_unit_test (every_golden_beacon_was_used),
        cmocka_unit_test (beacon_of_another_size_is_none),
        cmocka_unit_test (beacon_of_another_protocol_or_version_is_none),
    };
    golden_read_from (&golden, "discovery.txt");
    int rc = cmocka_run_group_tests_name ("beacon", tests, NULL, NULL);
    golden_free (&golden);
    return rc;
}
