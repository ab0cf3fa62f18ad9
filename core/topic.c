#include "core/topic.h"

#include <stdlib.h>
#include <xxhash.h>
#include <zferry/error.h>

#define WORDS_MAX ((ZF_TOPIC_MAX + 1) / 2) /* of a pattern */

/* A word that patterns have behind the same words. */
typedef struct {
    uint32_t parent; /* the node of the word before it */
    uint32_t star;   /* the node of a * behind it; 0: there is none */
    uint32_t word;   /* where its bytes lie in the filter's text */
    uint8_t size;    /* how many they are */
    bool words;      /* there are words behind it, beside * and > */
    bool end;        /* a pattern ends with it */
    bool rest;       /* a > behind it */
} node_t;

struct zf_filter {
    node_t *nodes;        /* the first one is the root: what is before the first word */
    uint32_t node_count;  /* of them in use */
    uint32_t *table;      /* nodes by parent and word, but those of *; 0: a free slot */
    uint32_t mask;        /* slots in the table, less 1 */
    char *text;           /* of all patterns, one behind the other */
    zf_bytes_t *patterns; /* each of them, a view of it */
    size_t count;         /* of patterns */
    bool all;             /* it matches whatever comes */
};

/* A node and what is behind it. */
typedef struct {
    uint32_t node;
    const char *at; /* the next word of the topic; NULL: that was all */
} branch_t;

/* -- words ------------------------------------------------------------------------------------- */

/* The word at *at, which moves on to the next one; NULL: that was the last. */
static inline zf_bytes_t take_word (const char **at, const char *end)
{
    const char *word = *at;
    const char *dot = memchr (word, '.', (size_t) (end - word));
    *at = dot != NULL ? dot + 1 : NULL;
    return zf_bytes (word, (size_t) ((dot != NULL ? dot : end) - word));
}

static const char *first_word (zf_bytes_t topic)
{
    return topic.size > 0 ? topic.data : NULL;
}

static const char *end_of (zf_bytes_t topic)
{
    return topic.size > 0 ? (const char *) topic.data + topic.size : NULL;
}

static bool is_byte (zf_bytes_t word, char byte)
{
    return word.size == 1 && *(const char *) word.data == byte;
}

static bool is_word (zf_bytes_t word)
{
    const uint8_t *at = word.data;
    for (size_t i = 0; i < word.size; i++)
        if (at[i] < 0x20 || at[i] == 0x7f)
            return false;
    return word.size > 0;
}

static bool are_words (zf_bytes_t text, bool wildcards)
{
    const char *at = text.size <= ZF_TOPIC_MAX ? first_word (text) : NULL;
    bool ok = at != NULL;
    while (ok && at != NULL) {
        zf_bytes_t word = take_word (&at, end_of (text));
        if (is_byte (word, '>'))
            ok = wildcards && at == NULL;
        else
            ok = is_word (word) && (wildcards || !is_byte (word, '*'));
    }
    return ok;
}

bool zf_topic_is_valid (zf_bytes_t topic)
{
    return are_words (topic, false);
}

bool zf_pattern_is_valid (zf_bytes_t pattern)
{
    return are_words (pattern, true);
}

bool zf_pattern_matches (zf_bytes_t pattern, zf_bytes_t topic)
{
    const char *wanted = first_word (pattern);
    const char *at = first_word (topic);
    if (is_byte (pattern, '>'))
        return true;
    while (wanted != NULL && at != NULL) {
        zf_bytes_t want = take_word (&wanted, end_of (pattern));
        if (is_byte (want, '>'))
            return true;
        zf_bytes_t word = take_word (&at, end_of (topic));
        if (!is_byte (want, '*') && !zf_bytes_equal (want, word))
            return false;
    }
    return wanted == NULL && at == NULL;
}

/* -- the tree ---------------------------------------------------------------------------------- */

static bool is_node (const zf_filter_t *filter, uint32_t i, uint32_t parent, zf_bytes_t word)
{
    const node_t *node = &filter->nodes[i];
    return node->parent == parent && node->size == word.size &&
           memcmp (filter->text + node->word, word.data, word.size) == 0;
}

/* The slot of that word behind parent, or the one that is free for it. */
static uint32_t *find_slot (const zf_filter_t *filter, uint32_t parent, zf_bytes_t word)
{
    uint64_t hash = XXH3_64bits_withSeed (word.data, word.size, parent);
    for (uint32_t i = (uint32_t) hash & filter->mask;; i = (i + 1) & filter->mask) {
        uint32_t *slot = &filter->table[i];
        if (*slot == 0 || is_node (filter, *slot, parent, word))
            return slot;
    }
}

/* Tries the words in their order; where there is a * beside a word, that is tried later. Each step
 * that puts off one has gone a word further, so that there is at most one for each word of a
 * pattern, beside the next one. */
static bool walk (const zf_filter_t *filter, zf_bytes_t topic)
{
    branch_t branches[WORDS_MAX + 1];
    size_t left = 0;
    branches[left++] = (branch_t){0, topic.data};
    while (left > 0) {
        branch_t branch = branches[--left];
        const node_t *node = &filter->nodes[branch.node];
        if (branch.at == NULL ? node->end : node->rest)
            return true;
        if (branch.at == NULL || (node->star == 0 && !node->words))
            continue;
        zf_bytes_t word = take_word (&branch.at, end_of (topic));
        if (node->star != 0)
            branches[left++] = (branch_t){node->star, branch.at};
        uint32_t next = node->words ? *find_slot (filter, branch.node, word) : 0;
        if (next != 0)
            branches[left++] = (branch_t){next, branch.at};
    }
    return false;
}

bool zf_filter_matches (const zf_filter_t *filter, zf_bytes_t topic)
{
    return filter->all || (topic.size > 0 && walk (filter, topic));
}

/* -- making it --------------------------------------------------------------------------------- */

static uint32_t add_node (zf_filter_t *filter, uint32_t parent, zf_bytes_t word)
{
    node_t *node = &filter->nodes[filter->node_count];
    node->parent = parent;
    node->word = (uint32_t) ((const char *) word.data - filter->text);
    node->size = (uint8_t) word.size;
    return filter->node_count++;
}

/* The node of a word behind parent, made if need be. */
static uint32_t child_of (zf_filter_t *filter, uint32_t parent, zf_bytes_t word)
{
    node_t *node = &filter->nodes[parent];
    uint32_t *slot = &node->star;
    if (!is_byte (word, '*')) {
        slot = find_slot (filter, parent, word);
        node->words = true;
    }
    if (*slot == 0)
        *slot = add_node (filter, parent, word);
    return *slot;
}

/* Pattern is in the filter's text already. */
static void add_pattern (zf_filter_t *filter, zf_bytes_t pattern)
{
    const char *at = first_word (pattern);
    uint32_t node = 0;
    while (at != NULL) {
        zf_bytes_t word = take_word (&at, end_of (pattern));
        if (is_byte (word, '>')) {
            filter->nodes[node].rest = true;
            return;
        }
        node = child_of (filter, node, word);
    }
    filter->nodes[node].end = true;
}

/* How many bytes and words they have. */
static int measure (const zf_bytes_t *patterns, size_t count, size_t *bytes, size_t *words)
{
    if (count > ZF_PATTERNS_MAX)
        return ZF_E_LIMIT;
    for (size_t i = 0; i < count; i++) {
        if (!zf_pattern_is_valid (patterns[i]))
            return ZF_E_INVAL;
        *bytes += patterns[i].size;
        const char *at = first_word (patterns[i]);
        for (; at != NULL; ++*words)
            take_word (&at, end_of (patterns[i]));
    }
    return 0;
}

/* At least half of the table stays free, so that looking for a word ends. */
static zf_filter_t *new_filter (size_t patterns, size_t bytes, size_t words)
{
    zf_filter_t *filter = calloc (1, sizeof *filter);
    if (filter == NULL)
        return NULL;
    uint32_t slots = 2;
    while (slots < 2 * words)
        slots *= 2;
    filter->mask = slots - 1;
    filter->table = calloc (slots, sizeof *filter->table);
    filter->nodes = calloc (words + 1, sizeof *filter->nodes);
    filter->text = malloc (bytes + 1);
    filter->patterns = calloc (patterns + 1, sizeof *filter->patterns);
    filter->node_count = 1;
    if (filter->table == NULL || filter->nodes == NULL || filter->text == NULL ||
        filter->patterns == NULL)
        zf_filter_free (&filter);
    return filter;
}

int zf_filter_new (zf_filter_t **out, const zf_bytes_t *patterns, size_t count)
{
    size_t bytes = 0;
    size_t words = 0;
    *out = NULL;
    int rc = measure (patterns, count, &bytes, &words);
    zf_filter_t *filter = rc == 0 ? new_filter (count, bytes, words) : NULL;
    if (filter == NULL)
        return rc != 0 ? rc : ZF_E_NOMEM;
    char *to = filter->text;
    for (size_t i = 0; i < count; i++) {
        memcpy (to, patterns[i].data, patterns[i].size);
        filter->patterns[i] = zf_bytes (to, patterns[i].size);
        add_pattern (filter, filter->patterns[i]);
        to += patterns[i].size;
    }
    filter->count = count;
    filter->all = count == 0 || filter->nodes[0].rest;
    *out = filter;
    return 0;
}

void zf_filter_free (zf_filter_t **filter)
{
    zf_filter_t *self = *filter;
    *filter = NULL;
    if (self == NULL)
        return;
    free (self->table);
    free (self->nodes);
    free (self->text);
    free (self->patterns);
    free (self);
}

/* -- looking at it ----------------------------------------------------------------------------- */

bool zf_filter_is_all (const zf_filter_t *filter)
{
    return filter->all;
}

size_t zf_filter_count (const zf_filter_t *filter)
{
    return filter->count;
}

zf_bytes_t zf_filter_pattern (const zf_filter_t *filter, size_t i)
{
    return filter->patterns[i];
}
