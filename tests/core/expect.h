/* What the asserts of the rig are made of: letters taken from the top of an inbox. Whatever fails
 * fails where the assert_ stands (rig_at). */
#ifndef TESTS_CORE_EXPECT_H
#define TESTS_CORE_EXPECT_H

#include "tests/core/rig.h"

_Noreturn void expect_fail (void);
#define EXPECT_FAIL(...) (print_error (__VA_ARGS__), print_error ("\n"), expect_fail ())

/* The letter on top, which must be of this command; the reader stands at its arguments. Give it
 * back with expect_end, which fails if not all of it was read. */
letter_t *expect_letter (peer_t *peer, uint64_t command, zf_reader_t *r);
void expect_end (const zf_reader_t *r, letter_t *letter);

void expect_number (const peer_t *peer, const char *what, uint64_t got, uint64_t expected);
void expect_text (const peer_t *peer, const char *what, zf_bytes_t got, zf_bytes_t expected);

#endif
