#include "discovery/zre.h"

#include "tests/core/alloc.h"
#include "tests/core/golden.h"
#include "tests/core/rand.h"
#include "tests/discovery/edge.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define UUID     "00112233445566778899AABBCCDDEEFF"
#define ENDPOINT "tcp://10.0.0.7:49152"

static golden_set_t golden;

static zf_bytes_t vector (const char *name)
{
    const golden_t *found = golden_find (&golden, name);
    return zf_bytes (found->frame.data, found->frame.size);
}

static zf_bytes_t written (const zf_writer_t *w)
{
    return zf_bytes (w->data, w->size);
}

/* -- hellos ------------------------------------------------------------------------------------ */

typedef struct {
    zf_zre_t message;
    zf_writer_t groups, headers;
} hello_t;

static hello_t *hello_new (const char *name, uint8_t status)
{
    hello_t *hello = calloc (1, sizeof *hello);
    hello->message.id = ZF_ZRE_HELLO;
    hello->message.sequence = 1;
    hello->message.endpoint = zf_bytes_of (ENDPOINT);
    hello->message.name = zf_bytes_of (name);
    hello->message.status = status;
    return hello;
}

static void hello_group (hello_t *hello, zf_bytes_t group)
{
    zf_zre_put_group (&hello->groups, group);
    hello->message.groups = written (&hello->groups);
    hello->message.group_count++;
}

static void hello_header (hello_t *hello, zf_bytes_t name, zf_bytes_t value)
{
    zf_zre_put_header (&hello->headers, name, value);
    hello->message.headers = written (&hello->headers);
    hello->message.header_count++;
}

static void hello_free (hello_t *hello)
{
    zf_writer_free (&hello->groups);
    zf_writer_free (&hello->headers);
    free (hello);
}

/* Whether it is understood, after it was written. */
static bool hello_survives (const hello_t *hello)
{
    zf_writer_t w = {0};
    zf_zre_t read;
    zf_zre_encode (&w, &hello->message);
    assert_false (w.failed);
    bool decoded = zf_zre_decode (at_the_edge (written (&w)), &read);
    zf_writer_free (&w);
    return decoded;
}

/* -- golden vectors ---------------------------------------------------------------------------- */

static void assert_same (const zf_zre_t *a, const zf_zre_t *b)
{
    assert_int_equal (a->id, b->id);
    assert_int_equal (a->sequence, b->sequence);
    assert_int_equal (a->status, b->status);
    assert_true (zf_bytes_equal (a->endpoint, b->endpoint));
    assert_true (zf_bytes_equal (a->name, b->name));
    assert_true (zf_bytes_equal (a->group, b->group));
    assert_true (zf_bytes_equal (a->who, b->who));
    assert_int_equal (a->group_count, b->group_count);
    assert_true (zf_bytes_equal (a->groups, b->groups));
    assert_int_equal (a->header_count, b->header_count);
    assert_true (zf_bytes_equal (a->headers, b->headers));
}

static void check (const char *name, const zf_zre_t *message)
{
    zf_writer_t w = {0};
    zf_zre_t read;
    zf_bytes_t expected = vector (name);
    zf_zre_encode (&w, message);
    assert_false (w.failed);
    assert_true (zf_bytes_equal (written (&w), expected));
    memset (&read, 0xff, sizeof read);
    assert_true (zf_zre_decode (at_the_edge (expected), &read));
    assert_same (&read, message);
    zf_writer_free (&w);
}

static void check_short (const char *name, zf_zre_id_t id, uint16_t sequence, const char *group,
                         uint8_t status, const char *who)
{
    zf_zre_t message = {.id = id, .sequence = sequence, .status = status};
    message.group = zf_bytes_of (group);
    message.who = zf_bytes_of (who);
    check (name, &message);
}

static void hellos_are_as_the_golden_vectors_say (void **state)
{
    hello_t *hello = hello_new ("node-7", 2);
    hello_group (hello, zf_bytes_of ("CHAT"));
    hello_group (hello, zf_bytes_of ("ops"));
    hello_header (hello, zf_bytes_of ("X-ROLE"), zf_bytes_of ("worker"));
    hello_header (hello, zf_bytes_of ("X-EMPTY"), zf_bytes_of (""));
    check ("hello", &hello->message);
    hello_free (hello);
    hello = hello_new ("q", 0);
    check ("hello of a quiet node", &hello->message);
    hello_free (hello);
}

static void messages_are_as_the_golden_vectors_say (void **state)
{
    check_short ("whisper", ZF_ZRE_WHISPER, 258, "", 0, "");
    check_short ("shout", ZF_ZRE_SHOUT, 65535, "CHAT", 0, "");
    check_short ("join", ZF_ZRE_JOIN, 0, "CHAT", 255, "");
    check_short ("leave", ZF_ZRE_LEAVE, 3, "CHAT", 0, "");
    check_short ("ping", ZF_ZRE_PING, 4, "", 0, "");
    check_short ("ping-ok", ZF_ZRE_PING_OK, 5, "", 0, "");
    check_short ("elect", ZF_ZRE_ELECT, 6, "CHAT", 0, UUID);
    check_short ("leader", ZF_ZRE_LEADER, 7, "CHAT", 0, UUID);
    check_short ("goodbye", ZF_ZRE_GOODBYE, 8, "", 0, "");
}

static void every_golden_message_was_used (void **state)
{
    for (size_t i = 0; i < golden.count; i++)
        if (memcmp (golden.vectors[i].frame.data, "\xaa\xa1", 2) == 0 && !golden.vectors[i].used)
            fail_msg ("the vector [%s] is not tested", golden.vectors[i].name);
}

static void lists_of_hello_are_iterated (void **state)
{
    zf_zre_t hello;
    zf_bytes_t name, value;
    assert_true (zf_zre_decode (at_the_edge (vector ("hello")), &hello));
    assert_true (zf_zre_next_group (&hello.groups, &name));
    assert_true (zf_bytes_equal (name, zf_bytes_of ("CHAT")));
    assert_true (zf_zre_next_group (&hello.groups, &name));
    assert_true (zf_bytes_equal (name, zf_bytes_of ("ops")));
    assert_false (zf_zre_next_group (&hello.groups, &name));
    assert_false (zf_zre_next_group (&hello.groups, &name));
    assert_true (zf_zre_next_header (&hello.headers, &name, &value));
    assert_true (zf_bytes_equal (name, zf_bytes_of ("X-ROLE")));
    assert_true (zf_bytes_equal (value, zf_bytes_of ("worker")));
    assert_true (zf_zre_next_header (&hello.headers, &name, &value));
    assert_true (zf_bytes_equal (name, zf_bytes_of ("X-EMPTY")));
    assert_int_equal (value.size, 0);
    assert_false (zf_zre_next_header (&hello.headers, &name, &value));
}

static void sequence_is_filled_in_where_it_lies (void **state)
{
    zf_zre_t message;
    zf_bytes_t shout = vector ("shout");
    uint8_t *copy = edge_copy (shout);
    zf_zre_set_sequence (copy, 0xabcd);
    assert_true (zf_zre_decode (zf_bytes (copy, shout.size), &message));
    assert_int_equal (message.sequence, 0xabcd);
    assert_true (zf_bytes_equal (message.group, zf_bytes_of ("CHAT")));
}

/* -- malformed --------------------------------------------------------------------------------- */

static void message_cut_or_longer_is_malformed (void **state)
{
    uint8_t bytes[256] = {0};
    zf_zre_t message;
    for (size_t i = 0; i < golden.count; i++) {
        zf_bytes_t whole = vector (golden.vectors[i].name);
        if (memcmp (whole.data, "\xaa\xa1", 2) != 0)
            continue;
        memcpy (bytes, whole.data, whole.size);
        for (size_t size = 0; size < whole.size + 20; size++)
            assert_int_equal (zf_zre_decode (at_the_edge (zf_bytes (bytes, size)), &message),
                              size == whole.size);
    }
}

/* With the byte at this place set to each value: how many of these are understood? */
static size_t understood_at (const char *name, size_t at)
{
    size_t count = 0;
    zf_bytes_t whole = vector (name);
    zf_zre_t message;
    for (unsigned byte = 0; byte <= 0xff; byte++) {
        uint8_t *copy = edge_copy (whole);
        copy[at] = (uint8_t) byte;
        count += zf_zre_decode (zf_bytes (copy, whole.size), &message);
    }
    return count;
}

static void unknown_signature_id_or_version_is_malformed (void **state)
{
    assert_int_equal (understood_at ("ping", 0), 1);
    assert_int_equal (understood_at ("ping", 1), 1);
    assert_int_equal (understood_at ("ping", 2), 4); /* WHISPER, PING-OK and GOODBYE, too */
    assert_int_equal (understood_at ("ping", 3), 1);
    assert_int_equal (understood_at ("ping", 4), 256);
    assert_int_equal (understood_at ("join", 2), 2);
    assert_int_equal (understood_at ("elect", 2), 2);
    assert_int_equal (understood_at ("hello", 2), 1);
}

/* Places in the vector [hello]. */
enum {
    AT_ENDPOINT = 6,
    AT_GROUPS = 27,
    AT_GROUP = 31,
    AT_NAME = 47,
    AT_HEADERS = 54,
    AT_HEADER = 58,
    AT_VALUE = 65
};

static void set_u32 (uint8_t *frame, size_t at, uint32_t value)
{
    zf_store_u32be (frame + at, value);
}

static void lengths_that_lie_are_malformed (void **state)
{
    static const uint32_t lies[] = {0,          1,          0xff,       0x100,     0xffff,
                                    0x7fffffff, 0x80000000, 0xfffffffb, 0xffffffff};
    static const size_t places[] = {AT_GROUPS, AT_GROUP, AT_HEADERS, AT_VALUE};
    zf_bytes_t whole = vector ("hello");
    zf_zre_t message;
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (size_t j = 0; j < sizeof lies / sizeof lies[0]; j++) {
            uint8_t *copy = edge_copy (whole);
            set_u32 (copy, places[i], lies[j]);
            assert_false (zf_zre_decode (zf_bytes (copy, whole.size), &message));
        }
    }
    assert_int_equal (understood_at ("hello", AT_ENDPOINT), 1);
    assert_int_equal (understood_at ("hello", AT_NAME), 1);
    assert_int_equal (understood_at ("hello", AT_HEADER), 1);
    assert_int_equal (understood_at ("shout", 6), 1);
    assert_int_equal (understood_at ("leader", 6), 1);
    assert_int_equal (understood_at ("leader", 11), 1);
}

static void zero_in_a_name_is_malformed (void **state)
{
    /* in place of one of the bytes of: endpoint, group, name, header's name */
    static const size_t names[] = {AT_ENDPOINT + 20, AT_GROUP + 4, AT_NAME + 1, AT_HEADER + 1};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (understood_at ("hello", names[i]), 255);
    assert_int_equal (understood_at ("hello", AT_VALUE + 4), 256); /* a value may be any bytes */
    assert_int_equal (understood_at ("join", 7), 255);
    assert_int_equal (understood_at ("leader", 12), 255);
}

static void random_changes_are_survived (void **state)
{
    uint64_t seed = 36;
    zf_bytes_t whole = vector ("hello");
    for (int round = 0; round < 200000; round++) {
        uint8_t *copy = edge_copy (whole);
        zf_zre_t message;
        zf_bytes_t name, value;
        uint32_t groups = 0, headers = 0;
        for (uint32_t n = rand_below (&seed, 4) + 1; n > 0; n--)
            copy[rand_below (&seed, (uint32_t) whole.size)] = (uint8_t) rand_next (&seed);
        if (!zf_zre_decode (zf_bytes (copy, whole.size), &message))
            continue;
        while (zf_zre_next_group (&message.groups, &name))
            groups++;
        while (zf_zre_next_header (&message.headers, &name, &value))
            headers++;
        assert_int_equal (groups, message.group_count);
        assert_int_equal (headers, message.header_count);
    }
}

/* -- limits ------------------------------------------------------------------------------------ */

static void hello_has_at_most_1024_groups_and_headers (void **state)
{
    hello_t *hello = hello_new ("many", 0);
    for (size_t i = 0; i < ZF_ZRE_GROUPS_MAX; i++)
        hello_group (hello, zf_bytes_of (""));
    for (size_t i = 0; i < ZF_ZRE_HEADERS_MAX; i++)
        hello_header (hello, zf_bytes_of ("h"), zf_bytes_of (""));
    assert_true (hello_survives (hello));
    hello_group (hello, zf_bytes_of (""));
    assert_false (hello_survives (hello));
    hello->message.group_count = 0;
    hello->message.groups.size = 0;
    assert_true (hello_survives (hello));
    hello_header (hello, zf_bytes_of ("h"), zf_bytes_of (""));
    assert_false (hello_survives (hello));
    hello_free (hello);
}

/* Counts that are allowed, but for which the bytes are not there. */
static void counts_beyond_the_bytes_are_malformed (void **state)
{
    zf_bytes_t whole = vector ("hello of a quiet node");
    zf_zre_t message;
    for (uint32_t count = 1; count <= ZF_ZRE_GROUPS_MAX; count++) {
        uint8_t *copy = edge_copy (whole);
        set_u32 (copy, AT_GROUPS, count);
        assert_false (zf_zre_decode (zf_bytes (copy, whole.size), &message));
        copy = edge_copy (whole);
        set_u32 (copy, whole.size - 4, count);
        assert_false (zf_zre_decode (zf_bytes (copy, whole.size), &message));
    }
}

static void hello_has_at_most_a_mebibyte (void **state)
{
    static uint8_t value[ZF_ZRE_FRAME_MAX];
    size_t others = vector ("hello of a quiet node").size + 1 + 1 + 4;
    hello_t *hello = hello_new ("q", 0);
    hello_header (hello, zf_bytes_of ("h"), zf_bytes (value, ZF_ZRE_FRAME_MAX - others));
    assert_true (hello_survives (hello));
    hello_free (hello);
    hello = hello_new ("q", 0);
    hello_header (hello, zf_bytes_of ("h"), zf_bytes (value, ZF_ZRE_FRAME_MAX - others + 1));
    assert_false (hello_survives (hello));
    hello_free (hello);
}

static void longest_names_are_understood (void **state)
{
    char text[255];
    memset (text, 'x', sizeof text);
    zf_bytes_t longest = zf_bytes (text, sizeof text);
    hello_t *hello = hello_new ("q", 0);
    hello->message.name = hello->message.endpoint = longest;
    hello_group (hello, longest);
    hello_header (hello, longest, longest);
    assert_true (hello_survives (hello));
    hello_free (hello);
}

/* Nobody could shout to it: there a group is a str8. */
static void group_of_256_bytes_is_malformed (void **state)
{
    uint8_t bytes[4 + 256] = {0, 0, 1, 0};
    hello_t *hello = hello_new ("q", 0);
    memset (bytes + 4, 'x', 256);
    hello->message.group_count = 1;
    hello->message.groups = zf_bytes (bytes, sizeof bytes);
    assert_false (hello_survives (hello));
    bytes[2] = 0;
    bytes[3] = 255;
    hello->message.groups.size--;
    assert_true (hello_survives (hello));
    hello_free (hello);
}

/* -- writing ----------------------------------------------------------------------------------- */

static void assert_not_written (const zf_zre_t *message)
{
    zf_writer_t w = {0};
    zf_zre_encode (&w, message);
    assert_true (w.failed);
    zf_writer_free (&w);
}

static void strings_that_are_too_long_are_not_written (void **state)
{
    char text[256] = "x";
    zf_bytes_t too_long = zf_bytes (text, sizeof text);
    zf_zre_t message = {.id = ZF_ZRE_JOIN, .group = too_long};
    assert_not_written (&message);
    message.id = ZF_ZRE_SHOUT;
    assert_not_written (&message);
    message = (zf_zre_t){.id = ZF_ZRE_HELLO, .name = too_long};
    assert_not_written (&message);
    message = (zf_zre_t){.id = ZF_ZRE_HELLO, .endpoint = too_long};
    assert_not_written (&message);
    message = (zf_zre_t){.id = ZF_ZRE_LEADER, .who = too_long};
    assert_not_written (&message);
    zf_writer_t w = {0};
    zf_zre_put_group (&w, too_long);
    assert_true (w.failed);
    zf_writer_free (&w);
    zf_zre_put_header (&w, too_long, zf_bytes_of (""));
    assert_true (w.failed);
    zf_writer_free (&w);
}

static void message_without_memory_is_not_written (void **state)
{
    zf_zre_t message = {.id = ZF_ZRE_PING};
    alloc_enter ();
    alloc_fail (1, 1);
    assert_not_written (&message);
    alloc_fail (1, 0);
    alloc_leave ();
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (hellos_are_as_the_golden_vectors_say),
        cmocka_unit_test (messages_are_as_the_golden_vectors_say),
        cmocka_unit_test (every_golden_message_was_used),
        cmocka_unit_test (lists_of_hello_are_iterated),
        cmocka_unit_test (sequence_is_filled_in_where_it_lies),
        cmocka_unit_test (message_cut_or_longer_is_malformed),
        cmocka_unit_test (unknown_signature_id_or_version_is_malformed),
        cmocka_unit_test (lengths_that_lie_are_malformed),
        cmocka_unit_test (zero_in_a_name_is_malformed),
        cmocka_unit_test (random_changes_are_survived),
        cmocka_unit_test (hello_has_at_most_1024_groups_and_headers),
        cmocka_unit_test (counts_beyond_the_bytes_are_malformed),
        cmocka_unit_test (hello_has_at_most_a_mebibyte),
        cmocka_unit_test (longest_names_are_understood),
        cmocka_unit_test (group_of_256_bytes_is_malformed),
        cmocka_unit_test (strings_that_are_too_long_are_not_written),
        cmocka_unit_test (message_without_memory_is_not_written),
    };
    golden_read_from (&golden, "discovery.txt");
    int rc = cmocka_run_group_tests_name ("zre", tests, NULL, NULL);
    golden_free (&golden);
    return rc;
}
