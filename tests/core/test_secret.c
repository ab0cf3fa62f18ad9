#include "core/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The one that its authors give for 16 bytes: 00 01 .. 0f, under the same key. */
static void number_is_that_of_siphash (void **state)
{
    uint8_t key[ZF_SECRET_BYTES];
    (void) state;
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t) i;
    assert_true (zf_secret_number (key, UINT64_C (0x0706050403020100),
                                   UINT64_C (0x0f0e0d0c0b0a0908)) == UINT64_C (0x3f2acc7f57c29bdb));
}

static void number_depends_on_all_of_the_key (void **state)
{
    uint8_t key[ZF_SECRET_BYTES] = {0};
    (void) state;
    uint64_t before = zf_secret_number (key, 1, 0);
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] ^= 1;
        assert_true (zf_secret_number (key, 1, 0) != before);
        key[i] ^= 1;
    }
    assert_true (zf_secret_number (key, 1, 1) != before);
    assert_true (zf_secret_number (key, 2, 0) != before);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (number_is_that_of_siphash),
        cmocka_unit_test (number_depends_on_all_of_the_key),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
