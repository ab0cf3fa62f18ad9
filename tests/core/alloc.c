#include "tests/core/alloc.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>

/* malloc is called before ThreadSanitizer is ready for watched functions. */
#if defined __SANITIZE_THREAD__
#define UNWATCHED __attribute__ ((no_sanitize_thread))
#elif defined __clang__
#define UNWATCHED __attribute__ ((no_sanitize ("thread"), disable_sanitizer_instrumentation))
#else
#define UNWATCHED
#endif

/* The C library's own, under the names that malloc replacements may call. */
void *__libc_malloc (size_t size);
void *__libc_calloc (size_t count, size_t size);
void *__libc_realloc (void *block, size_t size);
void __libc_free (void *block);

/* A sanitizer's, if the program is built with one. */
void *__interceptor_malloc (size_t size) __attribute__ ((weak));
void *__interceptor_calloc (size_t count, size_t size) __attribute__ ((weak));
void *__interceptor_realloc (void *block, size_t size) __attribute__ ((weak));
void __interceptor_free (void *block) __attribute__ ((weak));

static int inside;        /* depth of alloc_enter */
static size_t count;      /* allocations made inside */
static size_t fail_from;  /* the first one to fail, by count; 0: none */
static size_t fail_until; /* and the first one behind those */
static size_t failures;   /* since alloc_fail */
static size_t live_bytes; /* usable bytes of blocks allocated, less those of blocks freed */
static bool started;      /* main runs: before it a sanitizer may not be ready for questions */

void alloc_enter (void)
{
    started = true;
    inside++;
}

void alloc_leave (void)
{
    inside--;
}

void alloc_fail (size_t n, size_t times)
{
    fail_from = count + n;
    fail_until = fail_from + times;
    failures = 0;
}

size_t alloc_failures (void)
{
    return failures;
}

size_t alloc_count (void)
{
    return count;
}

size_t alloc_live_bytes (void)
{
    started = true;
    return live_bytes;
}

/* Counts an allocation; true if it is one that has to fail. */
UNWATCHED static bool must_fail (void)
{
    if (inside == 0)
        return false;
    count++;
    if (count < fail_from || count >= fail_until)
        return false;
    failures++;
    errno = ENOMEM;
    return true;
}

UNWATCHED static size_t size_of (void *block)
{
    return started && block != NULL ? malloc_usable_size (block) : 0;
}

UNWATCHED static void *added (void *block)
{
    live_bytes += size_of (block);
    return block;
}

UNWATCHED void *malloc (size_t size)
{
    if (must_fail ())
        return NULL;
    return added (__interceptor_malloc != NULL ? __interceptor_malloc (size)
                                               : __libc_malloc (size));
}

UNWATCHED void *calloc (size_t n, size_t size)
{
    if (must_fail ())
        return NULL;
    return added (__interceptor_calloc != NULL ? __interceptor_calloc (n, size)
                                               : __libc_calloc (n, size));
}

UNWATCHED void *realloc (void *block, size_t size)
{
    if (must_fail ())
        return NULL;
    size_t before = size_of (block);
    void *moved = __interceptor_realloc != NULL ? __interceptor_realloc (block, size)
                                                : __libc_realloc (block, size);
    if (moved != NULL)
        live_bytes -= before;
    return added (moved);
}

UNWATCHED void free (void *block)
{
    live_bytes -= size_of (block);
    if (__interceptor_free != NULL)
        __interceptor_free (block);
    else
        __libc_free (block);
}
