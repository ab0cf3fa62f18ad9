/* Policies and figures as msgpack maps. */
#include "core/info.h"

#include "tests/core/rig.h"

static void policy_comes_out_as_it_went_in (void **state)
{
    (void) state;
    zf_policy_t policy, decoded;
    zf_writer_t w = {0};
    zf_policy_defaults (&policy);
    policy.max_attempts = 1;
    policy.backoff_min_ms = 2;
    policy.backoff_max_ms = 3;
    policy.lease_ms = 4;
    policy.ttl_ms = UINT64_MAX;
    policy.max_length = 6;
    policy.max_bytes = 7;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    policy.dedup_window_ms = 8;
    policy.priorities = 9;
    policy.ordered = true;
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "morgue");
    zf_policy_encode (&w, &policy);
    memset (&decoded, 0, sizeof decoded);
    zf_reader_t r = zf_reader (zf_bytes (w.data, w.size));
    assert_int_equal (zf_policy_decode (&r, &decoded), 0);
    assert_true (zf_reader_done (&r));
    assert_memory_equal (&decoded, &policy, sizeof policy);
    for (size_t size = 0; size < w.size; size++) {
        r = zf_reader (zf_bytes (w.data, size));
        assert_int_equal (zf_policy_decode (&r, &decoded), ZF_E_PROTO);
    }
    zf_writer_free (&w);
}

static void info_comes_out_as_it_went_in (void **state)
{
    (void) state;
    zf_queue_info_t info = {0}, decoded = {0};
    zf_writer_t w = {0};
    snprintf (info.name, sizeof info.name, "jobs");
    zf_policy_defaults (&info.policy);
    info.declared = true;
    uint64_t *figures[] = {&info.length,    &info.bytes,   &info.leased,    &info.delayed,
                           &info.parked,    &info.workers, &info.oldest_ms, &info.posted,
                           &info.delivered, &info.acked,   &info.dead,      &info.redelivered,
                           &info.expired,   &info.dropped, &info.refused,   &info.duplicates};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++)
        *figures[i] = 100 + i;
    zf_info_encode (&w, &info);
    zf_reader_t r = zf_reader (zf_bytes (w.data, w.size));
    assert_int_equal (zf_info_decode (&r, &decoded), 0);
    assert_true (zf_reader_done (&r));
    assert_memory_equal (&decoded, &info, sizeof info);
    for (size_t size = 0; size < w.size; size++) {
        r = zf_reader (zf_bytes (w.data, size));
        assert_int_equal (zf_info_decode (&r, &decoded), ZF_E_PROTO);
    }
    zf_writer_free (&w);
}

/* Decodes a policy with this one field, on top of the defaults. */
static int decode_field (const char *name, const void *value, size_t size, zf_policy_t *policy)
{
    zf_writer_t w = {0};
    zf_mp_put_map (&w, 1);
    wire_put_text (&w, name);
    zf_write_bytes (&w, value, size);
    zf_policy_defaults (policy);
    zf_reader_t r = zf_reader (zf_bytes (w.data, w.size));
    int rc = zf_policy_decode (&r, policy);
    zf_writer_free (&w);
    return rc;
}

static void policy_fields_are_checked (void **state)
{
    (void) state;
    zf_policy_t policy;
    assert_int_equal (decode_field ("priorities", "\x0a", 1, &policy), 0);
    assert_int_equal (decode_field ("priorities", "\x0b", 1, &policy), ZF_E_INVAL);
    assert_int_equal (decode_field ("priorities", "\x00", 1, &policy), ZF_E_INVAL);
    assert_int_equal (decode_field ("lease_ms", "\x00", 1, &policy), ZF_E_INVAL);
    assert_int_equal (decode_field ("overflow", "\x02", 1, &policy), 0);
    assert_int_equal (decode_field ("overflow", "\x03", 1, &policy), ZF_E_PROTO);
    assert_int_equal (decode_field ("ordered", "\x01", 1, &policy), ZF_E_PROTO);
    assert_int_equal (decode_field ("ttl_ms", "\xff", 1, &policy), ZF_E_PROTO);
    assert_int_equal (decode_field ("backoff_max_ms", "\x01", 1, &policy), ZF_E_INVAL);
    assert_int_equal (decode_field ("lease_ms", "\xcf\0\0\0\1\0\0\0\0", 9, &policy), ZF_E_PROTO);
    assert_int_equal (decode_field ("tomorrow", "\x91\xc0", 2, &policy), 0);
}

static void names_are_checked (void **state)
{
    (void) state;
    zf_policy_t policy;
    uint8_t longest[2 + ZF_NAME_MAX] = {0xd9, ZF_NAME_MAX};
    uint8_t longer[3 + ZF_NAME_MAX + 1] = {0xda, 1, 0};
    memset (longest + 2, 'n', ZF_NAME_MAX);
    memset (longer + 3, 'n', ZF_NAME_MAX + 1);
    assert_int_equal (decode_field ("dead_letter", "\xa0", 1, &policy), 0);
    assert_int_equal (decode_field ("dead_letter", longest, sizeof longest, &policy), 0);
    assert_int_equal (strlen (policy.dead_letter), ZF_NAME_MAX);
    assert_int_equal (decode_field ("dead_letter", longer, sizeof longer, &policy), ZF_E_PROTO);
    assert_int_equal (decode_field ("dead_letter", "\xa2x\0", 3, &policy), ZF_E_PROTO);
}

static void policy_that_breaks_its_ranges_is_not_valid (void **state)
{
    (void) state;
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    assert_true (zf_policy_valid (&policy));
    policy.overflow = (zf_overflow_t) -1;
    assert_false (zf_policy_valid (&policy));
    zf_policy_defaults (&policy);
    memset (policy.dead_letter, 'x', sizeof policy.dead_letter);
    assert_false (zf_policy_valid (&policy));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (policy_comes_out_as_it_went_in),
        cmocka_unit_test (info_comes_out_as_it_went_in),
        cmocka_unit_test (policy_fields_are_checked),
        cmocka_unit_test (names_are_checked),
        cmocka_unit_test (policy_that_breaks_its_ranges_is_not_valid),
    };
    return cmocka_run_group_tests_name ("info", tests, NULL, NULL);
}
