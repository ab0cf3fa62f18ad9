#include "discovery/gossip.h"

#include "tests/core/alloc.h"
#include "tests/core/golden.h"
#include "tests/core/rand.h"
#include "tests/discovery/edge.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define UUID "00112233445566778899AABBCCDDEEFF"

static golden_set_t golden;

static zf_bytes_t vector (const char *name)
{
    const golden_t *found = golden_find (&golden, name);
    return zf_bytes (found->frame.data, found->frame.size);
}

static zf_gossip_t publish (const char *key, const char *value, uint32_t ttl_ms)
{
    zf_gossip_t message = {ZF_GOSSIP_PUBLISH, zf_bytes_of (key), zf_bytes_of (value), ttl_ms};
    return message;
}

static void assert_same (const zf_gossip_t *a, const zf_gossip_t *b)
{
    assert_int_equal (a->id, b->id);
    assert_true (zf_bytes_equal (a->key, b->key));
    assert_true (zf_bytes_equal (a->value, b->value));
    assert_int_equal (a->ttl_ms, b->ttl_ms);
}

static void check (const char *name, zf_gossip_t message)
{
    zf_writer_t w = {0};
    zf_gossip_t read;
    zf_bytes_t expected = vector (name);
    zf_gossip_encode (&w, &message);
    assert_false (w.failed);
    assert_true (zf_bytes_equal (zf_bytes (w.data, w.size), expected));
    memset (&read, 0xff, sizeof read);
    assert_true (zf_gossip_decode (at_the_edge (expected), &read));
    assert_same (&read, &message);
    zf_writer_free (&w);
}

static void messages_are_as_the_golden_vectors_say (void **state)
{
    check ("gossip hello", (zf_gossip_t){.id = ZF_GOSSIP_HELLO});
    check ("gossip publish", publish (UUID, "tcp://10.0.0.7:49152", 30000));
    check ("gossip publish for ever", publish ("k", "v", 0));
    check ("gossip ping", (zf_gossip_t){.id = ZF_GOSSIP_PING});
    check ("gossip pong", (zf_gossip_t){.id = ZF_GOSSIP_PONG});
    check ("gossip invalid", (zf_gossip_t){.id = ZF_GOSSIP_INVALID});
}

static void every_golden_message_was_used (void **state)
{
    for (size_t i = 0; i < golden.count; i++)
        if (memcmp (golden.vectors[i].frame.data, "\xaa\xa0", 2) == 0 && !golden.vectors[i].used)
            fail_msg ("the vector [%s] is not tested", golden.vectors[i].name);
}

/* Whether the first bytes of the vector, with more behind if there are not so many, are a
 * message. */
static bool decodes (zf_bytes_t whole, size_t size)
{
    uint8_t bytes[256] = {0};
    zf_gossip_t message;
    memcpy (bytes, whole.data, whole.size);
    return zf_gossip_decode (at_the_edge (zf_bytes (bytes, size)), &message);
}

static void message_cut_or_longer_is_malformed (void **state)
{
    static const char *const names[] = {"gossip hello", "gossip publish", "gossip ping",
                                        "gossip publish for ever"};
    for (size_t i = 0; i < 4; i++) {
        zf_bytes_t whole = vector (names[i]);
        for (size_t size = 0; size < whole.size + 8; size++)
            assert_int_equal (decodes (whole, size), size == whole.size);
    }
}

/* With the byte at this place set to each value: which of them are understood? */
static size_t understood_at (zf_bytes_t whole, size_t at)
{
    size_t count = 0;
    zf_gossip_t message;
    for (unsigned byte = 0; byte <= 0xff; byte++) {
        uint8_t *copy = edge_copy (whole);
        copy[at] = (uint8_t) byte;
        count += zf_gossip_decode (zf_bytes (copy, whole.size), &message);
    }
    return count;
}

static void unknown_signature_id_or_version_is_malformed (void **state)
{
    zf_bytes_t ping = vector ("gossip ping");
    assert_int_equal (understood_at (ping, 0), 1);
    assert_int_equal (understood_at (ping, 1), 1);
    assert_int_equal (understood_at (ping, 2), 4); /* all but PUBLISH, which needs more */
    assert_int_equal (understood_at (ping, 3), 1);
    assert_int_equal (understood_at (vector ("gossip publish"), 2), 1);
}

static void lengths_that_lie_are_malformed (void **state)
{
    zf_bytes_t whole = vector ("gossip publish for ever"); /* key at 4, value at 6 */
    assert_int_equal (understood_at (whole, 4), 1);
    for (size_t at = 6; at < 10; at++)
        assert_int_equal (understood_at (whole, at), 1);
}

static bool survives (zf_bytes_t key, zf_bytes_t value)
{
    zf_writer_t w = {0};
    zf_gossip_t read, message = {ZF_GOSSIP_PUBLISH, key, value, 1};
    zf_gossip_encode (&w, &message);
    assert_false (w.failed);
    bool decoded = zf_gossip_decode (at_the_edge (zf_bytes (w.data, w.size)), &read);
    if (decoded)
        assert_same (&read, &message);
    zf_writer_free (&w);
    return decoded;
}

static void longest_keys_and_values_are_understood (void **state)
{
    static char text[ZF_GOSSIP_VALUE_MAX + 1];
    memset (text, 'x', sizeof text);
    assert_true (survives (zf_bytes (text, 255), zf_bytes (text, ZF_GOSSIP_VALUE_MAX)));
    assert_true (survives (zf_bytes (text, 0), zf_bytes (text, 0)));
    assert_false (survives (zf_bytes (text, 1), zf_bytes (text, ZF_GOSSIP_VALUE_MAX + 1)));
}

/* Others would see less of it. */
static void zero_in_a_key_or_value_is_malformed (void **state)
{
    assert_false (survives (zf_bytes ("k\0", 2), zf_bytes_of ("v")));
    assert_false (survives (zf_bytes_of ("k"), zf_bytes ("\0v", 2)));
    assert_true (survives (zf_bytes_of ("k\xff"), zf_bytes_of ("\x01v")));
}

static void key_that_is_too_long_is_not_written (void **state)
{
    static char text[256];
    zf_writer_t w = {0};
    zf_gossip_t message = {ZF_GOSSIP_PUBLISH, zf_bytes (text, sizeof text), zf_bytes_of ("v"), 1};
    zf_gossip_encode (&w, &message);
    assert_true (w.failed);
    zf_writer_free (&w);
}

static void message_without_memory_is_not_written (void **state)
{
    zf_writer_t w = {0};
    zf_gossip_t message = publish ("k", "v", 1);
    alloc_enter ();
    alloc_fail (1, 1);
    zf_gossip_encode (&w, &message);
    alloc_fail (1, 0);
    alloc_leave ();
    assert_true (w.failed);
    zf_writer_free (&w);
}

static void random_changes_are_survived (void **state)
{
    uint64_t seed = 5;
    zf_bytes_t whole = vector ("gossip publish");
    for (int round = 0; round < 100000; round++) {
        zf_gossip_t message;
        uint8_t *copy = edge_copy (whole);
        for (uint32_t n = rand_below (&seed, 4) + 1; n > 0; n--)
            copy[rand_below (&seed, (uint32_t) whole.size)] = (uint8_t) rand_next (&seed);
        if (zf_gossip_decode (zf_bytes (copy, whole.size), &message))
            assert_true (message.key.size + message.value.size <= whole.size - 13);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (messages_are_as_the_golden_vectors_say),
        cmocka_unit_test (every_golden_message_was_used),
        cmocka_unit_test (message_cut_or_longer_is_malformed),
        cmocka_unit_test (unknown_signature_id_or_version_is_malformed),
        cmocka_unit_test (lengths_that_lie_are_malformed),
        cmocka_unit_test (longest_keys_and_values_are_understood),
        cmocka_unit_test (zero_in_a_key_or_value_is_malformed),
        cmocka_unit_test (key_that_is_too_long_is_not_written),
        cmocka_unit_test (message_without_memory_is_not_written),
        cmocka_unit_test (random_changes_are_survived),
    };
    golden_read_from (&golden, "discovery.txt");
    int rc = cmocka_run_group_tests_name ("gossip", tests, NULL, NULL);
    golden_free (&golden);
    return rc;
}
