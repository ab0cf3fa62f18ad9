#include "core/topic.h"

#include "tests/core/alloc.h"
#include "tests/core/rand.h"
#include "tests/core/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

#include <cmocka.h>

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

/* A copy that ends where its memory ends. */
static zf_bytes_t copy_of (zf_bytes_t bytes)
{
    uint8_t *copy = malloc (bytes.size);
    if (bytes.size > 0)
        memcpy (copy, bytes.data, bytes.size);
    return zf_bytes (copy, bytes.size);
}

static void free_copy (zf_bytes_t copy)
{
    free ((void *) (uintptr_t) copy.data);
}

/* The filter of patterns with blanks between. */
static zf_filter_t *filter_of (const char *patterns)
{
    zf_bytes_t views[16];
    zf_filter_t *filter = NULL;
    uint32_t count = wire_words (patterns);
    assert_in_range (count, 0, COUNT (views));
    for (uint32_t i = 0; i < count; i++)
        views[i] = wire_word (patterns, i);
    assert_int_equal (zf_filter_new (&filter, views, count), 0);
    return filter;
}

static bool passes (const zf_filter_t *filter, const char *topic)
{
    return zf_filter_matches (filter, zf_bytes_of (topic));
}

/* -- what is one ------------------------------------------------------------------------------- */

typedef struct {
    const char *text;
    bool topic;   /* it is a topic, */
    bool pattern; /* a pattern */
} word_case_t;

static const word_case_t validity[] = {
    {"news", true, true},
    {"orders.eu.paid", true, true},
    {"a.b.c.d.e.f", true, true},
    {"with blanks.in it", true, true},
    {"gr\xc3\xbc\xc3\x9f"
     "e",
     true, true},
    {"", false, false},
    {".", false, false},
    {".news", false, false},
    {"news.", false, false},
    {"news..sport", false, false},
    {"news\n", false, false},
    {"new\x7f"
     "s",
     false, false},
    {"a.\x01.b", false, false},
    {"*", false, true},
    {">", false, true},
    {"*.*", false, true},
    {"news.*", false, true},
    {"*.sport", false, true},
    {"news.>", false, true},
    {"*.*.>", false, true},
    {">.news", false, false},
    {"news.>.sport", false, false},
    {">.>", false, false},
    {"news.>.", false, false},
    {"*.", false, false},
    {".*", false, false},
    {"news*", true, true},
    {"*news", true, true},
    {"ne*ws", true, true},
    {"**", true, true},
    {"news>", true, true},
    {">news", true, true},
    {">>", true, true},
    {"news.>>", true, true},
    {"news>.sport", true, true},
};

static void topics_and_patterns_are_told_from_others (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT (validity); i++) {
        const word_case_t *c = &validity[i];
        zf_bytes_t text = copy_of (zf_bytes_of (c->text));
        bool topic = zf_topic_is_valid (text);
        bool pattern = zf_pattern_is_valid (text);
        free_copy (text);
        if (topic != c->topic || pattern != c->pattern)
            fail_msg ("'%s': topic %d, pattern %d", c->text, topic, pattern);
    }
}

static void zero_byte_is_not_for_topics (void **state)
{
    (void) state;
    assert_false (zf_topic_is_valid (zf_bytes ("a\0b", 3)));
    assert_false (zf_pattern_is_valid (zf_bytes ("a\0b", 3)));
    assert_false (zf_topic_is_valid (zf_bytes (NULL, 0)));
}

static void topic_has_at_most_255_bytes (void **state)
{
    (void) state;
    char text[ZF_TOPIC_MAX + 1];
    memset (text, 'x', sizeof text);
    assert_true (zf_topic_is_valid (zf_bytes (text, ZF_TOPIC_MAX)));
    assert_true (zf_pattern_is_valid (zf_bytes (text, ZF_TOPIC_MAX)));
    assert_false (zf_topic_is_valid (zf_bytes (text, ZF_TOPIC_MAX + 1)));
    assert_false (zf_pattern_is_valid (zf_bytes (text, ZF_TOPIC_MAX + 1)));
}

/* -- what matches ------------------------------------------------------------------------------ */

typedef struct {
    const char *pattern, *topic;
    bool matches;
} match_case_t;

static const match_case_t matches[] = {
    {"news", "news", true},
    {"news", "sport", false},
    {"news", "new", false},
    {"news", "newsy", false},
    {"news", "news.sport", false},
    {"news.sport", "news", false},
    {"news.sport", "news.sport", true},
    {"news.sport", "news.sports", false},
    {"news.sport", "newsxsport", false},
    {"*", "news", true},
    {"*", "news.sport", false},
    {"*.*", "news", false},
    {"*.*", "news.sport", true},
    {"news.*", "news", false},
    {"news.*", "news.sport", true},
    {"news.*", "news.sport.uk", false},
    {"news.*", "views.sport", false},
    {"*.sport", "news.sport", true},
    {"*.sport", "news.politics", false},
    {"orders.*.paid", "orders.eu.paid", true},
    {"orders.*.paid", "orders.eu.open", false},
    {"orders.*.paid", "orders.eu.de.paid", false},
    {"orders.*.paid", "orders.paid", false},
    {"*.*.*", "a.b.c", true},
    {"a.*.*.d", "a.b.c.d", true},
    {"a.*.*.d", "a.b.d", false},
    {">", "news", true},
    {">", "news.sport.uk", true},
    {"news.>", "news", false},
    {"news.>", "news.sport", true},
    {"news.>", "news.sport.uk", true},
    {"news.>", "views.sport", false},
    {"*.>", "news", false},
    {"*.>", "news.sport.uk", true},
    {"*.sport.>", "news.sport.uk", true},
    {"*.sport.>", "news.sport", false},
    {"a.*.>", "a.b", false},
    {"a.*.>", "a.b.c", true},
    {"NEWS", "news", false},
    /* they mean themselves beside other bytes */
    {"news*", "news*", true},
    {"news*", "newsy", false},
    {"*ws", "news", false},
    {"n*s", "news", false},
    {"**", "**", true},
    {"**", "news", false},
    {">>", ">>", true},
    {"news.>>", "news.sport", false},
    {"news.>>", "news.>>", true},
    /* topics that somebody else made */
    {"*", "*", true},
    {"*", ">", true},
    {"news.*", "news.>", true},
    {"news", "*", false},
    {"news.sport", "news.*", false},
    {"news.sport", "news.>", false},
    {"news", "news.", false},
    {"news", ".news", false},
    {"news.*", "news.", true},
    {"news.>", "news.", true},
    {"news.>", "news..", true},
    {"*.news", ".news", true},
    {"*.*", ".", true},
    {"*.*", "..", false},
    {"a.*.b", "a..b", true},
    {"a.b", "a..b", false},
    {">", ".", true},
    {">", "", true},
    {"*", "", false},
    {"*.>", "", false},
    {"news", "", false},
};

static void fail_match (const match_case_t *c, const char *who)
{
    fail_msg ("%s: pattern '%s', topic '%s': should be %d", who, c->pattern, c->topic, c->matches);
}

static void check_match (const match_case_t *c, zf_bytes_t topic)
{
    static const char *const others[][2] = {
        {"", ""},
        {"", " zzz z.> z.*.z"},
        {"q.q *.q.q.q ", " *.*.*.*.q"},
    };
    char patterns[64];
    if (zf_pattern_matches (zf_bytes_of (c->pattern), topic) != c->matches)
        fail_match (c, "one pattern");
    for (size_t i = 0; i < COUNT (others); i++) {
        snprintf (patterns, sizeof patterns, "%s%s%s", others[i][0], c->pattern, others[i][1]);
        zf_filter_t *filter = filter_of (patterns);
        if (zf_filter_matches (filter, topic) != c->matches)
            fail_match (c, patterns);
        zf_filter_free (&filter);
    }
}

static void patterns_match_as_they_say (void **state)
{
    (void) state;
    for (size_t i = 0; i < COUNT (matches); i++) {
        zf_bytes_t topic = copy_of (zf_bytes_of (matches[i].topic));
        assert_true (zf_pattern_is_valid (zf_bytes_of (matches[i].pattern)));
        check_match (&matches[i], topic);
        free_copy (topic);
    }
}

static void topic_may_be_any_bytes (void **state)
{
    (void) state;
    char text[1000];
    memset (text, 0xff, sizeof text);
    text[0] = 'a';
    text[1] = '\0';
    text[500] = '.';
    zf_bytes_t topic = zf_bytes (text, sizeof text);
    zf_filter_t *filter = filter_of ("a.b a a.> x.* *.*.*");
    assert_false (zf_filter_matches (filter, topic));
    zf_filter_free (&filter);
    filter = filter_of ("a *.*");
    assert_true (zf_filter_matches (filter, topic));
    assert_false (zf_filter_matches (filter, zf_bytes (text, 3)));
    zf_filter_free (&filter);
}

static void word_beside_star_is_tried_as_both (void **state)
{
    (void) state;
    zf_filter_t *filter = filter_of ("a.b.c *.b.d a.*.e *.*.f");
    assert_true (passes (filter, "a.b.c"));
    assert_true (passes (filter, "a.b.d"));
    assert_true (passes (filter, "a.b.e"));
    assert_true (passes (filter, "a.b.f"));
    assert_true (passes (filter, "x.b.d"));
    assert_true (passes (filter, "a.x.e"));
    assert_false (passes (filter, "x.b.c"));
    assert_false (passes (filter, "x.y.e"));
    assert_false (passes (filter, "a.x.d"));
    assert_false (passes (filter, "a.b"));
    zf_filter_free (&filter);
}

static void same_word_behind_different_words_is_not_the_same (void **state)
{
    (void) state;
    zf_filter_t *filter = filter_of ("a.x.1 b.x.2 c.c.c");
    assert_true (passes (filter, "a.x.1"));
    assert_true (passes (filter, "b.x.2"));
    assert_true (passes (filter, "c.c.c"));
    assert_false (passes (filter, "a.x.2"));
    assert_false (passes (filter, "b.x.1"));
    assert_false (passes (filter, "c.c"));
    assert_false (passes (filter, "c.c.c.c"));
    zf_filter_free (&filter);
}

/* -- filters ----------------------------------------------------------------------------------- */

static void filter_without_patterns_matches_everything (void **state)
{
    (void) state;
    zf_filter_t *filter = NULL;
    assert_int_equal (zf_filter_new (&filter, NULL, 0), 0);
    assert_true (zf_filter_is_all (filter));
    assert_int_equal (zf_filter_count (filter), 0);
    assert_true (passes (filter, "news"));
    assert_true (passes (filter, ".."));
    assert_true (zf_filter_matches (filter, zf_bytes (NULL, 0)));
    zf_filter_free (&filter);
    assert_null (filter);
    zf_filter_free (&filter);
}

static void filter_is_all_if_one_pattern_is (void **state)
{
    (void) state;
    static const char *const not_all[] = {"*", "a.>", "*.>", "* *.>", ">>"};
    zf_filter_t *filter = filter_of ("news.sport >");
    assert_true (zf_filter_is_all (filter));
    assert_int_equal (zf_filter_count (filter), 2);
    assert_true (passes (filter, ""));
    zf_filter_free (&filter);
    for (size_t i = 0; i < COUNT (not_all); i++) {
        filter = filter_of (not_all[i]);
        assert_false (zf_filter_is_all (filter));
        zf_filter_free (&filter);
    }
}

static void patterns_are_copied_and_come_back_as_given (void **state)
{
    (void) state;
    char text[] = "b.* a.> b.* z";
    zf_filter_t *filter = filter_of (text);
    memset (text, 'q', sizeof text - 1);
    assert_int_equal (zf_filter_count (filter), 4);
    assert_true (zf_bytes_equal (zf_filter_pattern (filter, 0), zf_bytes_of ("b.*")));
    assert_true (zf_bytes_equal (zf_filter_pattern (filter, 1), zf_bytes_of ("a.>")));
    assert_true (zf_bytes_equal (zf_filter_pattern (filter, 2), zf_bytes_of ("b.*")));
    assert_true (zf_bytes_equal (zf_filter_pattern (filter, 3), zf_bytes_of ("z")));
    assert_true (passes (filter, "b.x"));
    zf_filter_free (&filter);
}

static void filter_has_at_most_256_patterns (void **state)
{
    (void) state;
    char texts[ZF_PATTERNS_MAX + 1][16];
    zf_bytes_t patterns[ZF_PATTERNS_MAX + 1];
    zf_filter_t *filter = NULL;
    for (size_t i = 0; i <= ZF_PATTERNS_MAX; i++) {
        snprintf (texts[i], sizeof texts[i], "stock.n%zu.*", i);
        patterns[i] = zf_bytes_of (texts[i]);
    }
    assert_int_equal (zf_filter_new (&filter, patterns, ZF_PATTERNS_MAX + 1), ZF_E_LIMIT);
    assert_null (filter);
    assert_int_equal (zf_filter_new (&filter, patterns, ZF_PATTERNS_MAX), 0);
    assert_true (passes (filter, "stock.n0.bid"));
    assert_true (passes (filter, "stock.n255.ask"));
    assert_false (passes (filter, "stock.n256.ask"));
    assert_false (passes (filter, "stock.n255"));
    zf_filter_free (&filter);
}

static void what_is_no_pattern_makes_no_filter (void **state)
{
    (void) state;
    zf_bytes_t patterns[] = {zf_bytes_of ("good"), zf_bytes_of ("not..good")};
    zf_filter_t *filter = (zf_filter_t *) &patterns;
    assert_int_equal (zf_filter_new (&filter, patterns, 2), ZF_E_INVAL);
    assert_null (filter);
    patterns[1] = zf_bytes (NULL, 0);
    assert_int_equal (zf_filter_new (&filter, patterns, 2), ZF_E_INVAL);
    assert_null (filter);
}

/* Patterns of 128 words each, of which the first 8 are a or *, in all combinations. */
static void longest_patterns_with_all_stars_match (void **state)
{
    (void) state;
    static char texts[ZF_PATTERNS_MAX][ZF_TOPIC_MAX];
    zf_bytes_t patterns[ZF_PATTERNS_MAX];
    char topic[ZF_TOPIC_MAX];
    zf_filter_t *filter = NULL;
    memset (topic, '.', sizeof topic);
    for (size_t i = 0; i < sizeof topic; i += 2)
        topic[i] = 'a';
    for (size_t i = 0; i < ZF_PATTERNS_MAX; i++) {
        memcpy (texts[i], topic, sizeof topic);
        for (size_t bit = 0; bit < 8; bit++)
            texts[i][2 * bit] = (i >> bit & 1) != 0 ? '*' : 'a';
        texts[i][ZF_TOPIC_MAX - 1] = 'b';
        patterns[i] = zf_bytes (texts[i], ZF_TOPIC_MAX);
    }
    assert_int_equal (zf_filter_new (&filter, patterns, ZF_PATTERNS_MAX), 0);
    assert_false (zf_filter_matches (filter, zf_bytes (topic, sizeof topic)));
    topic[ZF_TOPIC_MAX - 1] = 'b';
    assert_true (zf_filter_matches (filter, zf_bytes (topic, sizeof topic)));
    topic[14] = 'x';
    assert_true (zf_filter_matches (filter, zf_bytes (topic, sizeof topic)));
    topic[16] = 'x';
    assert_false (zf_filter_matches (filter, zf_bytes (topic, sizeof topic)));
    assert_false (zf_filter_matches (filter, zf_bytes (topic, sizeof topic - 2)));
    zf_filter_free (&filter);
}

/* Each word has a * beside it, as deep as it goes: so many branches are put off at once. */
static void star_beside_each_word_of_the_longest_pattern_matches (void **state)
{
    (void) state;
    static char texts[128][ZF_TOPIC_MAX];
    zf_bytes_t patterns[128];
    char topic[ZF_TOPIC_MAX];
    zf_filter_t *filter = NULL;
    memset (topic, '.', sizeof topic);
    for (size_t i = 0; i < sizeof topic; i += 2)
        topic[i] = 'a';
    for (size_t i = 0; i < 128; i++) {
        memcpy (texts[i], topic, sizeof topic);
        texts[i][2 * i] = '*';
        patterns[i] = zf_bytes (texts[i], ZF_TOPIC_MAX);
    }
    assert_int_equal (zf_filter_new (&filter, patterns, 128), 0);
    for (size_t i = 0; i < sizeof topic; i += 2) {
        topic[i] = 'x';
        assert_true (zf_filter_matches (filter, zf_bytes (topic, sizeof topic)));
        topic[i] = 'a';
    }
    topic[0] = topic[254] = 'x';
    assert_false (zf_filter_matches (filter, zf_bytes (topic, sizeof topic)));
    zf_filter_free (&filter);
}

static void filter_without_memory_is_not_made (void **state)
{
    (void) state;
    zf_bytes_t patterns[] = {zf_bytes_of ("a.*.c"), zf_bytes_of ("a.>")};
    size_t before = alloc_live_bytes ();
    int rc = ZF_E_NOMEM;
    size_t n = 1;
    for (; rc != 0; n++) {
        zf_filter_t *filter = NULL;
        alloc_enter ();
        alloc_fail (n, 1);
        rc = zf_filter_new (&filter, patterns, 2);
        alloc_leave ();
        assert_int_equal (rc, alloc_failures () == 0 ? 0 : ZF_E_NOMEM);
        assert_true ((filter != NULL) == (rc == 0));
        zf_filter_free (&filter);
        assert_int_equal (alloc_live_bytes (), before);
    }
    alloc_fail (1, 0);
    assert_true (n > 2);
}

static void match_allocates_nothing (void **state)
{
    (void) state;
    zf_filter_t *filter = filter_of ("a.*.c *.b.> news");
    size_t before = alloc_count ();
    alloc_enter ();
    bool matched = passes (filter, "x.b.c.d");
    alloc_leave ();
    assert_true (matched);
    assert_int_equal (alloc_count (), before);
    zf_filter_free (&filter);
}

/* -- against a matcher that has no ideas ------------------------------------------------------- */

#define NAIVE_WORDS 16

typedef struct {
    char words[NAIVE_WORDS][8];
    uint32_t count;
} split_t;

static split_t split (const char *text)
{
    split_t s = {.count = *text != '\0'};
    size_t size = 0;
    for (; *text != '\0'; text++) {
        if (*text == '.') {
            s.count++;
            size = 0;
        } else {
            s.words[s.count - 1][size++] = *text;
        }
    }
    return s;
}

static bool naive_matches (const char *pattern, const char *topic)
{
    split_t want = split (pattern);
    split_t got = split (topic);
    bool rest = strcmp (want.words[want.count - 1], ">") == 0;
    if (strcmp (pattern, ">") == 0)
        return true;
    if (rest ? got.count < want.count : got.count != want.count)
        return false;
    for (uint32_t i = 0; i < want.count - rest; i++)
        if (strcmp (want.words[i], "*") != 0 && strcmp (want.words[i], got.words[i]) != 0)
            return false;
    return true;
}

/* Up to 6 words, few different ones. */
static void make_up (uint64_t *random, const char *const *words, uint32_t count, char text[64])
{
    uint32_t length = 1 + rand_below (random, 6);
    text[0] = '\0';
    for (uint32_t i = 0; i < length; i++) {
        const char *word = words[rand_below (random, count)];
        if (i + 1 < length && strcmp (word, ">") == 0)
            word = "*";
        snprintf (text + strlen (text), 64 - strlen (text), "%s%s", i > 0 ? "." : "", word);
    }
}

static void make_up_pattern (uint64_t *random, char text[64])
{
    static const char *const words[] = {"a", "b", "ab", "abcabc", "a*", "*", "*", ">"};
    make_up (random, words, COUNT (words), text);
}

static void make_up_topic (uint64_t *random, char text[64])
{
    static const char *const words[] = {"a", "b", "ab", "abcabc", "a*", "", "*", "c", "a", "b"};
    make_up (random, words, COUNT (words), text);
}

/* Some patterns, many topics; returns how many matched. */
static uint32_t compare_with_naive (uint64_t seed, uint32_t topics)
{
    static char texts[ZF_PATTERNS_MAX][64];
    zf_bytes_t patterns[ZF_PATTERNS_MAX];
    zf_filter_t *filter = NULL;
    char topic[64];
    uint64_t random = seed;
    uint32_t hits = 0;
    uint32_t count = 1 + rand_below (&random, seed % 20 == 0 ? ZF_PATTERNS_MAX : 8);
    for (uint32_t i = 0; i < count; i++) {
        make_up_pattern (&random, texts[i]);
        patterns[i] = zf_bytes_of (texts[i]);
    }
    assert_int_equal (zf_filter_new (&filter, patterns, count), 0);
    for (uint32_t n = 0; n < topics; n++) {
        make_up_topic (&random, topic);
        bool expected = false;
        for (uint32_t i = 0; i < count; i++) {
            bool one = naive_matches (texts[i], topic);
            if (zf_pattern_matches (patterns[i], zf_bytes_of (topic)) != one)
                fail_msg ("seed %u: pattern '%s', topic '%s'", (unsigned) seed, texts[i], topic);
            expected = expected || one;
        }
        if (passes (filter, topic) != expected)
            fail_msg ("seed %u: the filter, topic '%s'", (unsigned) seed, topic);
        hits += expected;
    }
    zf_filter_free (&filter);
    return hits;
}

static void filter_matches_what_a_naive_one_does (void **state)
{
    (void) state;
    uint32_t hits = 0;
    for (uint64_t seed = 1; seed <= 500; seed++)
        hits += compare_with_naive (seed, 200);
    print_message ("seeds 1 to 500: %u of 100000 topics matched\n", hits);
    assert_in_range (hits, 20000, 80000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (topics_and_patterns_are_told_from_others),
        cmocka_unit_test (zero_byte_is_not_for_topics),
        cmocka_unit_test (topic_has_at_most_255_bytes),
        cmocka_unit_test (patterns_match_as_they_say),
        cmocka_unit_test (topic_may_be_any_bytes),
        cmocka_unit_test (word_beside_star_is_tried_as_both),
        cmocka_unit_test (same_word_behind_different_words_is_not_the_same),
        cmocka_unit_test (filter_without_patterns_matches_everything),
        cmocka_unit_test (filter_is_all_if_one_pattern_is),
        cmocka_unit_test (patterns_are_copied_and_come_back_as_given),
        cmocka_unit_test (filter_has_at_most_256_patterns),
        cmocka_unit_test (what_is_no_pattern_makes_no_filter),
        cmocka_unit_test (longest_patterns_with_all_stars_match),
        cmocka_unit_test (star_beside_each_word_of_the_longest_pattern_matches),
        cmocka_unit_test (filter_without_memory_is_not_made),
        cmocka_unit_test (match_allocates_nothing),
        cmocka_unit_test (filter_matches_what_a_naive_one_does),
    };
    return cmocka_run_group_tests_name ("topic", tests, NULL, NULL);
}
