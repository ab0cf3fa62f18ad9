#include "core/bytes.h"

#include "tests/core/alloc.h"
#include "tests/core/rig.h"

static zf_reader_t reader_of (const void *bytes, size_t size)
{
    return zf_reader (zf_bytes (bytes, size));
}

static void numbers_are_read_in_both_orders (void **state)
{
    (void) state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8};
    zf_reader_t r = reader_of (bytes, 8);
    assert_int_equal (zf_read_u8 (&r), 1);
    assert_int_equal (zf_read_u16be (&r), 0x0203);
    assert_int_equal (zf_read_u32be (&r), 0x04050607);
    assert_int_equal (zf_reader_left (&r), 1);
    assert_false (zf_reader_done (&r));
    r = reader_of (bytes, 8);
    assert_int_equal (zf_read_u64be (&r), UINT64_C (0x0102030405060708));
    assert_true (zf_reader_done (&r));
    r = reader_of (bytes, 8);
    assert_int_equal (zf_read_u64le (&r), UINT64_C (0x0807060504030201));
    r = reader_of (bytes, 8);
    assert_int_equal (zf_read_u32le (&r), 0x04030201);
}

static void numbers_that_are_not_all_there_are_zero (void **state)
{
    (void) state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
    zf_reader_t r = reader_of (bytes, 7);
    assert_int_equal (zf_read_u64be (&r), 0);
    assert_true (r.failed);
    assert_int_equal (zf_read_u8 (&r), 0); /* it stays failed */
    r = reader_of (bytes, 7);
    assert_int_equal (zf_read_u64le (&r), 0);
    r = reader_of (bytes, 3);
    assert_int_equal (zf_read_u32le (&r), 0);
    r = reader_of (bytes, 3);
    assert_int_equal (zf_read_u32be (&r), 0);
    r = reader_of (bytes, 1);
    assert_int_equal (zf_read_u16be (&r), 0);
    r = reader_of (NULL, 0);
    assert_int_equal (zf_read_u8 (&r), 0);
    assert_false (zf_reader_done (&r));
}

static void nothing_can_be_read_from_nothing (void **state)
{
    (void) state;
    zf_reader_t r = reader_of (NULL, 0);
    assert_true (zf_reader_done (&r));
    assert_int_equal (zf_read_bytes (&r, 0).size, 0);
    assert_true (zf_reader_done (&r));
    zf_read_bytes (&r, SIZE_MAX);
    assert_true (r.failed);
}

static void views_point_into_what_was_read (void **state)
{
    (void) state;
    static const char text[] = "hello world";
    zf_reader_t r = reader_of (text, 11);
    zf_bytes_t view = zf_read_bytes (&r, 5);
    assert_ptr_equal (view.data, text);
    assert_int_equal (view.size, 5);
    view = zf_read_bytes (&r, 7);
    assert_null (view.data);
    assert_int_equal (view.size, 0);
}

static void stored_numbers_load_again (void **state)
{
    (void) state;
    uint8_t bytes[8];
    zf_store_u32le (bytes, 0xfedcba98);
    assert_int_equal (bytes[0], 0x98);
    assert_int_equal (zf_load_u32le (bytes), 0xfedcba98);
    zf_store_u64le (bytes, UINT64_C (0xfedcba9876543210));
    assert_int_equal (bytes[7], 0xfe);
    assert_int_equal (zf_load_u64le (bytes), UINT64_C (0xfedcba9876543210));
}

static void equal_bytes_are_equal (void **state)
{
    (void) state;
    assert_true (zf_bytes_equal (zf_bytes_of ("abc"), zf_bytes ("abcd", 3)));
    assert_false (zf_bytes_equal (zf_bytes_of ("abc"), zf_bytes_of ("abd")));
    assert_false (zf_bytes_equal (zf_bytes_of ("abc"), zf_bytes_of ("ab")));
    assert_true (zf_bytes_equal (zf_bytes (NULL, 0), zf_bytes_of ("")));
}

static void writer_grows_and_keeps_what_was_written (void **state)
{
    (void) state;
    zf_writer_t w = {0};
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t bytes[4];
        zf_store_u32le (bytes, i);
        zf_write_bytes (&w, bytes, sizeof bytes);
    }
    zf_write_bytes (&w, NULL, 0);
    assert_int_equal (w.size, 40000);
    for (uint32_t i = 0; i < 10000; i++)
        assert_int_equal (zf_load_u32le (w.data + 4 * (size_t) i), i);
    assert_non_null (zf_writer_reserve (&w, 1000000));
    assert_int_equal (zf_load_u32le (w.data + 4), 1);
    zf_writer_free (&w);
    assert_null (w.data);
    assert_int_equal (w.size, 0);
}

static void writer_without_memory_fails_for_good (void **state)
{
    (void) state;
    zf_writer_t w = {0};
    zf_write_bytes (&w, "abc", 3);
    alloc_enter ();
    alloc_fail (1, 1);
    assert_null (zf_writer_reserve (&w, 1000));
    alloc_leave ();
    assert_true (w.failed);
    zf_write_bytes (&w, "def", 3);
    assert_int_equal (w.size, 3);
    assert_memory_equal (w.data, "abc", 3);
    zf_writer_free (&w);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (numbers_are_read_in_both_orders),
        cmocka_unit_test (numbers_that_are_not_all_there_are_zero),
        cmocka_unit_test (nothing_can_be_read_from_nothing),
        cmocka_unit_test (views_point_into_what_was_read),
        cmocka_unit_test (stored_numbers_load_again),
        cmocka_unit_test (equal_bytes_are_equal),
        cmocka_unit_test (writer_grows_and_keeps_what_was_written),
        cmocka_unit_test (writer_without_memory_fails_for_good),
    };
    return cmocka_run_group_tests_name ("bytes", tests, NULL, NULL);
}
