/* Journals that somebody or something has damaged: every bit of small ones is flipped, and they are
 * cut off at every byte. ZF_LONG does the same to every byte of a larger one. */
#include "tests/persist/damage.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void show (damage_t *damage, const char *name)
{
    print_message ("%s: damaged %" PRIu64 " times, %" PRIu64 " reported\n", name, damage->tried,
                   damage->reported);
    if (damage->wrong[0] != '\0')
        fail_msg ("%s: %s", name, damage->wrong);
    assert_true (damage->reported > 0 && damage->reported < damage->tried);
    damage_fini (damage);
}

static void flip_every_bit (const char *name, bool read_only)
{
    damage_t damage;
    damage_init (&damage, name);
    damage.read_only = read_only;
    bool fine = damage_none (&damage);
    for (size_t file = 0; file < damage.golden.file_count && fine; file++)
        for (size_t bit = 0; bit < 8 * damage.golden.files[file].size && fine; bit++)
            fine = damage_bits (&damage, file, bit / 8, (uint8_t) (1u << bit % 8));
    show (&damage, name);
}

static void cut_everywhere (const char *name, bool read_only)
{
    damage_t damage;
    damage_init (&damage, name);
    damage.read_only = read_only;
    bool fine = true;
    for (size_t file = 0; file < damage.golden.file_count && fine; file++)
        for (size_t size = 0; size < damage.golden.files[file].size && fine; size++)
            fine = damage_length (&damage, file, size);
    show (&damage, name);
}

static void flip_in_killed_journal_is_prefix_or_reported (void **state)
{
    flip_every_bit ("killed", false);
    flip_every_bit ("killed", true);
}

static void flip_in_closed_journal_is_prefix_or_reported (void **state)
{
    flip_every_bit ("closed", false);
}

static void cut_killed_journal_is_prefix_or_reported (void **state)
{
    cut_everywhere ("killed", false);
    cut_everywhere ("killed", true);
}

static void cut_closed_journal_is_prefix_or_reported (void **state)
{
    cut_everywhere ("closed", false);
}

static void segment_missing_is_prefix_or_reported (void **state)
{
    damage_t damage;
    damage_init (&damage, "killed");
    bool fine = true;
    for (size_t file = 0; file < damage.golden.file_count && fine; file++)
        fine = damage_missing (&damage, file);
    show (&damage, "killed");
}

/* Positions and sums of entries before are what ties an entry to its place. */
static void entry_valid_by_itself_that_does_not_follow_is_not_taken (void **state)
{
    damage_t damage;
    damage_init (&damage, "killed");
    bool fine = true;
    for (size_t byte = 8; byte < 32 && fine; byte++)
        if (byte < 16 || byte >= 24) /* position and sum of the entry before */
            fine = damage_forged (&damage, byte);
    assert_int_equal (damage.tried, fine ? 16 : damage.tried);
    if (!fine)
        fail_msg ("%s", damage.wrong);
    damage_fini (&damage);
}

/* Bytes that are not payload are few: all of them are damaged; of the others some. */
static bool is_chosen (const golden_t *golden, size_t file, size_t offset)
{
    if (getenv ("ZF_LONG") != NULL || offset < GOLDEN_HEADER || offset % 97 == 0)
        return true;
    for (size_t i = golden->files[file].first; i < golden->files[file].until; i++)
        if (offset >= golden->entries[i].offset &&
            offset < golden->entries[i].offset + GOLDEN_HEAD + 16)
            return true;
    return false;
}

static void flip_in_ordinary_segments_is_prefix_or_reported (void **state)
{
    damage_t damage;
    damage_init (&damage, "written");
    bool fine = damage_none (&damage);
    for (size_t file = 0; file < damage.golden.file_count && fine; file++)
        for (size_t offset = 0; offset < damage.golden.files[file].size && fine; offset++)
            if (is_chosen (&damage.golden, file, offset))
                fine = damage_bits (&damage, file, offset, (uint8_t) (1u << offset % 8));
    show (&damage, "written");
}

static void cut_ordinary_segments_is_prefix_or_reported (void **state)
{
    damage_t damage;
    damage_init (&damage, "written");
    bool fine = true;
    for (size_t file = 0; file < damage.golden.file_count && fine; file++)
        for (size_t size = 0; size < damage.golden.files[file].size && fine; size++)
            if (is_chosen (&damage.golden, file, size))
                fine = damage_length (&damage, file, size);
    show (&damage, "written");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (flip_in_killed_journal_is_prefix_or_reported),
        cmocka_unit_test (flip_in_closed_journal_is_prefix_or_reported),
        cmocka_unit_test (cut_killed_journal_is_prefix_or_reported),
        cmocka_unit_test (cut_closed_journal_is_prefix_or_reported),
        cmocka_unit_test (segment_missing_is_prefix_or_reported),
        cmocka_unit_test (entry_valid_by_itself_that_does_not_follow_is_not_taken),
        cmocka_unit_test (flip_in_ordinary_segments_is_prefix_or_reported),
        cmocka_unit_test (cut_ordinary_segments_is_prefix_or_reported),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
