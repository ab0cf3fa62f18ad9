/* Topics, and the patterns that they are matched with.
 *
 * A topic is words with dots between. In a pattern the word * is any one word, and > as the last
 * one any one or more; the pattern > alone matches everything, the empty topic too. (The same as
 * the subjects of NATS; there as here * and > mean themselves in a word with other bytes: "a*".) A
 * topic that somebody else made may be any bytes: between two dots is a word, also an empty one.
 * The empty topic has no words. */
#ifndef ZF_CORE_TOPIC_H
#define ZF_CORE_TOPIC_H

#include "core/bytes.h"

#define ZF_PATTERNS_MAX 256 /* in one filter */

/* 1..255 bytes, no empty words, no wildcards, no control characters. */
bool zf_topic_is_valid (zf_bytes_t topic);

/* The same, with * as a word and > as the last one. */
bool zf_pattern_is_valid (zf_bytes_t pattern);

/* pattern: a valid one. */
bool zf_pattern_matches (zf_bytes_t pattern, zf_bytes_t topic);

/* Patterns put together: a tree of words, so that a match costs as many steps as the topic has
 * words, and not as there are patterns (but for * beside a word: both are tried; at worst a match
 * costs as many steps as the patterns have words). A match neither allocates nor recurses. A filter
 * takes at most some 32 bytes for each word of its patterns, beside their text.
 *
 * Threads: any number may match with one filter at once. */
typedef struct zf_filter zf_filter_t;

/* Without patterns it matches everything. Patterns are copied. Returns 0, ZF_E_INVAL (one is no
 * pattern), ZF_E_LIMIT, ZF_E_NOMEM; then *filter is NULL. */
int zf_filter_new (zf_filter_t **filter, const zf_bytes_t *patterns, size_t count);

/* *filter may be NULL, and is afterwards. */
void zf_filter_free (zf_filter_t **filter);
bool zf_filter_matches (const zf_filter_t *filter, zf_bytes_t topic);

/* True if it matches whatever comes. */
bool zf_filter_is_all (const zf_filter_t *filter);

/* The patterns as they were given; i < count. Valid as long as the filter is. */
size_t zf_filter_count (const zf_filter_t *filter);
zf_bytes_t zf_filter_pattern (const zf_filter_t *filter, size_t i);

#endif
