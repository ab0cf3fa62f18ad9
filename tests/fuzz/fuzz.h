/* What libFuzzer calls, and what tests/fuzz/replay.c calls in its place in ordinary builds. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Feeds one input to the target. Never fails: what goes wrong aborts. Always returns 0. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

#endif
