/* The malloc of the test programs: the C library's (or the sanitizer's), counted, and failing where
 * a test wants it to. It stands in for malloc of the whole program, so nothing has to be built
 * specially.
 *
 * Only what is allocated between alloc_enter and alloc_leave is counted and may fail: the rig
 * brackets its calls of the engine with them. Threads: one. */
#ifndef TESTS_CORE_ALLOC_H
#define TESTS_CORE_ALLOC_H

#include <stddef.h>

void alloc_enter (void);
void alloc_leave (void);

/* The n-th allocation from now on fails, and so do the `times` - 1 after it. times 0: none does. */
void alloc_fail (size_t n, size_t times);

/* How many allocations have failed since alloc_fail. */
size_t alloc_failures (void);

/* Allocations made so far (malloc, calloc, realloc). */
size_t alloc_count (void);

/* Bytes that the C library has set aside for what is allocated now, from wherever. Only differences
 * mean something: what was there before the first call of all this is not in it. */
size_t alloc_live_bytes (void);

#endif
