/* Patterns and a topic: a filter of the patterns matches what one of them does, and a topic that is
 * one matches itself.
 *
 * Input: patterns, each a byte with its size and the bytes; size 0 ends them. The rest is the
 * topic. */
#include "core/topic.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <zferry/error.h>

#define PATTERNS (ZF_PATTERNS_MAX + 1)

static void check (bool holds)
{
    if (!holds)
        abort ();
}

static size_t read_patterns (zf_reader_t *r, zf_bytes_t *patterns)
{
    size_t count = 0;
    while (count < PATTERNS && zf_reader_left (r) > 0) {
        size_t size = zf_read_u8 (r);
        if (size == 0)
            break;
        size = size < zf_reader_left (r) ? size : zf_reader_left (r);
        patterns[count++] = zf_read_bytes (r, size);
    }
    return count;
}

/* What has to come of making a filter of them. */
static int expected_outcome (const zf_bytes_t *patterns, size_t count)
{
    if (count > ZF_PATTERNS_MAX)
        return ZF_E_LIMIT;
    for (size_t i = 0; i < count; i++)
        if (!zf_pattern_is_valid (patterns[i]))
            return ZF_E_INVAL;
    return 0;
}

static void check_filter (const zf_filter_t *filter, const zf_bytes_t *patterns, size_t count,
                          zf_bytes_t topic)
{
    bool matches = count == 0;
    for (size_t i = 0; i < count; i++) {
        check (zf_bytes_equal (zf_filter_pattern (filter, i), patterns[i]));
        matches = matches || zf_pattern_matches (patterns[i], topic);
    }
    check (zf_filter_count (filter) == count);
    check (zf_filter_matches (filter, topic) == matches);
    check (matches || !zf_filter_is_all (filter));
    check (zf_filter_is_all (filter) == zf_filter_matches (filter, zf_bytes (NULL, 0)));
}

static void check_topic (zf_bytes_t topic)
{
    zf_filter_t *filter = NULL;
    if (!zf_topic_is_valid (topic))
        return;
    check (zf_pattern_is_valid (topic) && zf_pattern_matches (topic, topic));
    check (zf_filter_new (&filter, &topic, 1) == 0);
    check (zf_filter_matches (filter, topic) && !zf_filter_is_all (filter));
    zf_filter_free (&filter);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    zf_bytes_t patterns[PATTERNS];
    zf_filter_t *filter = NULL;
    zf_reader_t r = zf_reader (zf_bytes (data, size));
    size_t count = read_patterns (&r, patterns);
    zf_bytes_t topic = zf_read_bytes (&r, zf_reader_left (&r));
    check (zf_filter_new (&filter, patterns, count) == expected_outcome (patterns, count));
    if (filter != NULL)
        check_filter (filter, patterns, count, topic);
    zf_filter_free (&filter);
    check_topic (topic);
    return 0;
}
