/* msgpack: our reader against msgpack-c's packer, and against what no packer would write. */
#include "core/mp.h"

#include "tests/core/rand.h"
#include "tests/core/rig.h"

#include <msgpack.h>

typedef struct {
    msgpack_sbuffer buffer;
    msgpack_packer packer;
} packed_t;

static void begin (packed_t *p)
{
    msgpack_sbuffer_init (&p->buffer);
    msgpack_packer_init (&p->packer, &p->buffer, msgpack_sbuffer_write);
}

static zf_reader_t reader_of (const packed_t *p)
{
    return zf_reader (zf_bytes (p->buffer.data, p->buffer.size));
}

static void end (packed_t *p)
{
    msgpack_sbuffer_destroy (&p->buffer);
}

static void check_uint (uint64_t value)
{
    packed_t p;
    begin (&p);
    msgpack_pack_uint64 (&p.packer, value);
    zf_reader_t r = reader_of (&p);
    assert_int_equal (zf_mp_uint (&r), value);
    assert_true (zf_reader_done (&r));
    r = reader_of (&p);
    int64_t as_int = zf_mp_int (&r);
    assert_true (r.failed == (value > INT64_MAX));
    assert_int_equal (as_int, value > INT64_MAX ? 0 : (int64_t) value);
    end (&p);
}

static void check_int (int64_t value)
{
    packed_t p;
    begin (&p);
    msgpack_pack_int64 (&p.packer, value);
    zf_reader_t r = reader_of (&p);
    assert_int_equal (zf_mp_int (&r), value);
    assert_true (zf_reader_done (&r));
    r = reader_of (&p);
    zf_mp_uint (&r);
    assert_true (r.failed == (value < 0));
    end (&p);
}

static void integers_of_all_sizes_are_read (void **state)
{
    (void) state;
    for (int bit = 0; bit < 64; bit++) {
        uint64_t value = UINT64_C (1) << bit;
        check_uint (value);
        check_uint (value - 1);
        check_uint (value + 1);
        check_int ((int64_t) (value - 1));
        check_int (-(int64_t) (value - 1));
        check_int (-(int64_t) (value - 1) - 1);
    }
    check_uint (UINT64_MAX);
    check_int (INT64_MIN);
}

/* Integers that are wider than they would have to be are legal. */
static void integers_in_any_width_are_read (void **state)
{
    (void) state;
    static const uint8_t wide[] = {0xcf, 0, 0, 0, 0, 0, 0, 0, 7};
    static const uint8_t negative[] = {0xd3, 255, 255, 255, 255, 255, 255, 255, 255};
    zf_reader_t r = zf_reader (zf_bytes (wide, sizeof wide));
    assert_int_equal (zf_mp_uint (&r), 7);
    r = zf_reader (zf_bytes (negative, sizeof negative));
    assert_int_equal (zf_mp_int (&r), -1);
    r = zf_reader (zf_bytes (negative, sizeof negative));
    assert_int_equal (zf_mp_uint (&r), 0);
    assert_true (r.failed);
}

static void check_bytes (size_t size, bool binary)
{
    packed_t p;
    char *data = calloc (1, size + 1);
    begin (&p);
    if (binary)
        msgpack_pack_bin_with_body (&p.packer, data, size);
    else
        msgpack_pack_str_with_body (&p.packer, data, size);
    zf_reader_t r = reader_of (&p);
    assert_int_equal (zf_mp_bytes (&r).size, size);
    assert_true (zf_reader_done (&r));
    r = reader_of (&p);
    r.end--; /* one byte is missing */
    if (size > 0) {
        assert_null (zf_mp_bytes (&r).data);
        assert_true (r.failed);
    }
    end (&p);
    free (data);
}

static void strings_and_binaries_of_all_sizes_are_read (void **state)
{
    (void) state;
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        check_bytes (sizes[i], false);
        check_bytes (sizes[i], true);
    }
}

static void booleans_are_read_and_nothing_else_is_one (void **state)
{
    (void) state;
    static const uint8_t bytes[] = {0xc3, 0xc2, 0x01};
    zf_reader_t r = zf_reader (zf_bytes (bytes, 3));
    assert_true (zf_mp_bool (&r));
    assert_false (zf_mp_bool (&r));
    assert_false (r.failed);
    assert_false (zf_mp_bool (&r));
    assert_true (r.failed);
}

static void containers_of_all_sizes_are_read (void **state)
{
    (void) state;
    static const uint32_t counts[] = {0, 1, 15, 16, 65535, 65536};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        packed_t p;
        begin (&p);
        msgpack_pack_array (&p.packer, counts[i]);
        for (uint32_t k = 0; k < counts[i]; k++)
            msgpack_pack_nil (&p.packer);
        zf_reader_t r = reader_of (&p);
        assert_int_equal (zf_mp_array (&r), counts[i]);
        assert_int_equal (zf_reader_left (&r), counts[i]);
        end (&p);
        begin (&p);
        msgpack_pack_map (&p.packer, counts[i]);
        for (uint32_t k = 0; k < 2 * counts[i]; k++)
            msgpack_pack_nil (&p.packer);
        r = reader_of (&p);
        assert_int_equal (zf_mp_map (&r), counts[i]);
        r = reader_of (&p);
        zf_mp_skip (&r);
        assert_true (zf_reader_done (&r));
        end (&p);
    }
}

static void counts_beyond_the_bytes_are_lies (void **state)
{
    (void) state;
    static const struct {
        uint8_t bytes[8];
        size_t size;
    } lies[] = {
        {{0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0}, 6}, /* array32: the classic */
        {{0xdf, 0xff, 0xff, 0xff, 0xff, 0xc0}, 6}, /* map32 */
        {{0xdc, 0x00, 0x03, 0xc0, 0xc0}, 5},
        {{0xde, 0x00, 0x01, 0xc0}, 4}, /* a pair takes two */
        {{0x92, 0xc0}, 2},
        {{0x81, 0xc0}, 2},
        {{0xdd, 0x00}, 2},
    };
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        zf_bytes_t in = zf_bytes (lies[i].bytes, lies[i].size);
        zf_reader_t r = zf_reader (in);
        uint32_t count =
            lies[i].bytes[0] == 0xde || lies[i].bytes[0] == 0xdf || lies[i].bytes[0] == 0x81
                ? zf_mp_map (&r)
                : zf_mp_array (&r);
        assert_int_equal (count, 0);
        assert_true (r.failed);
        r = zf_reader (in);
        zf_mp_skip (&r);
        assert_true (r.failed);
    }
}

static void what_is_asked_for_must_be_what_is_there (void **state)
{
    (void) state;
    static const uint8_t tags[] = {0xc0, 0xc1, 0xc3, 0xca, 0xc7, 0xd4, 0x81, 0x91, 0xa1, 0x01};
    for (size_t i = 0; i < sizeof tags; i++) {
        uint8_t bytes[20] = {tags[i]};
        zf_bytes_t in = zf_bytes (bytes, sizeof bytes);
        zf_reader_t r = zf_reader (in);
        zf_mp_uint (&r);
        assert_true (r.failed == (tags[i] != 0x01));
        r = zf_reader (in);
        zf_mp_bytes (&r);
        assert_true (r.failed == (tags[i] != 0xa1));
        r = zf_reader (in);
        zf_mp_array (&r);
        assert_true (r.failed == (tags[i] != 0x91));
        r = zf_reader (in);
        zf_mp_map (&r);
        assert_true (r.failed == (tags[i] != 0x81));
    }
}

static void every_kind_of_object_can_be_skipped (void **state)
{
    (void) state;
    packed_t p;
    begin (&p);
    msgpack_pack_array (&p.packer, 15);
    msgpack_pack_nil (&p.packer);
    msgpack_pack_true (&p.packer);
    msgpack_pack_float (&p.packer, 1.5f);
    msgpack_pack_double (&p.packer, 1.5);
    msgpack_pack_int64 (&p.packer, -5);
    msgpack_pack_int64 (&p.packer, INT64_MIN);
    msgpack_pack_uint64 (&p.packer, UINT64_MAX);
    msgpack_pack_str_with_body (&p.packer, "abc", 3);
    msgpack_pack_bin_with_body (&p.packer, "abc", 3);
    msgpack_pack_ext_with_body (&p.packer, "a", 1, 7);
    msgpack_pack_ext_with_body (&p.packer, "abcdefghijklmnop", 16, 7);
    msgpack_pack_ext_with_body (&p.packer, "abc", 3, 7);
    char large[70000] = {0};
    msgpack_pack_ext_with_body (&p.packer, large, 300, 7);
    msgpack_pack_ext_with_body (&p.packer, large, sizeof large, 7);
    msgpack_pack_map (&p.packer, 1);
    msgpack_pack_int (&p.packer, 1);
    msgpack_pack_array (&p.packer, 0);
    zf_reader_t r = reader_of (&p);
    zf_mp_skip (&r);
    assert_true (zf_reader_done (&r));
    for (size_t size = 0; size < p.buffer.size; size += size < 100 ? 1 : 997) {
        r = zf_reader (zf_bytes (p.buffer.data, size));
        zf_mp_skip (&r);
        assert_true (r.failed);
    }
    end (&p);
}

static void one_tag_is_no_object (void **state)
{
    (void) state;
    uint8_t bytes[20] = {0xc1};
    zf_reader_t r = zf_reader (zf_bytes (bytes, sizeof bytes));
    zf_mp_skip (&r);
    assert_true (r.failed);
}

static void nesting_is_bounded (void **state)
{
    (void) state;
    uint8_t bytes[64];
    memset (bytes, 0x91, sizeof bytes); /* arrays of one, each in the other */
    for (size_t depth = 1; depth < sizeof bytes; depth++) {
        bytes[depth] = 0xc0;
        zf_reader_t r = zf_reader (zf_bytes (bytes, depth + 1));
        zf_mp_skip (&r);
        assert_true (r.failed == (depth >= ZF_MP_DEPTH));
        bytes[depth] = 0x91;
    }
}

/* What we write msgpack-c reads, and the other way round. */
static void what_we_write_is_msgpack (void **state)
{
    (void) state;
    zf_writer_t w = {0};
    zf_mp_put_array (&w, 7);
    zf_mp_put_uint (&w, UINT64_MAX);
    zf_mp_put_int (&w, -70000);
    zf_mp_put_bool (&w, true);
    zf_mp_put_bool (&w, false);
    zf_mp_put_str (&w, zf_bytes_of ("text"));
    zf_mp_put_bin (&w, zf_bytes ("\0\1", 2));
    zf_mp_put_map (&w, 0);
    msgpack_unpacked result;
    msgpack_unpacked_init (&result);
    assert_int_equal (msgpack_unpack_next (&result, (char *) w.data, w.size, NULL),
                      MSGPACK_UNPACK_SUCCESS);
    assert_int_equal (result.data.type, MSGPACK_OBJECT_ARRAY);
    const msgpack_object *items = result.data.via.array.ptr;
    assert_int_equal (items[0].via.u64, UINT64_MAX);
    assert_int_equal (items[1].via.i64, -70000);
    assert_true (items[2].via.boolean);
    assert_false (items[3].via.boolean);
    assert_int_equal (items[4].type, MSGPACK_OBJECT_STR);
    assert_memory_equal (items[4].via.str.ptr, "text", 4);
    assert_int_equal (items[5].type, MSGPACK_OBJECT_BIN);
    assert_int_equal (items[5].via.bin.size, 2);
    assert_int_equal (items[6].type, MSGPACK_OBJECT_MAP);
    msgpack_unpacked_destroy (&result);
    zf_writer_free (&w);
}

static void random_bytes_are_skipped_or_fail (void **state)
{
    (void) state;
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[24];
        size_t size = rand_below (&seed, sizeof bytes);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t) rand_next (&seed);
        zf_reader_t r = zf_reader (zf_bytes (bytes, size));
        zf_mp_skip (&r);
        assert_true (r.at <= r.end);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (integers_of_all_sizes_are_read),
        cmocka_unit_test (integers_in_any_width_are_read),
        cmocka_unit_test (strings_and_binaries_of_all_sizes_are_read),
        cmocka_unit_test (booleans_are_read_and_nothing_else_is_one),
        cmocka_unit_test (containers_of_all_sizes_are_read),
        cmocka_unit_test (counts_beyond_the_bytes_are_lies),
        cmocka_unit_test (what_is_asked_for_must_be_what_is_there),
        cmocka_unit_test (every_kind_of_object_can_be_skipped),
        cmocka_unit_test (one_tag_is_no_object),
        cmocka_unit_test (nesting_is_bounded),
        cmocka_unit_test (what_we_write_is_msgpack),
        cmocka_unit_test (random_bytes_are_skipped_or_fail),
    };
    return cmocka_run_group_tests_name ("mp", tests, NULL, NULL);
}
