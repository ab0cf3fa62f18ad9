#include "core/access.h"

#include "core/stream.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define NONE UINT32_MAX

/* A name or a prefix that a rule names. */
typedef struct {
    zf_bytes_t text; /* without the * of a prefix */
    bool is_prefix;
} pattern_t;

/* One WHO and one WHAT of a line. */
typedef struct {
    pattern_t who, what;
    uint32_t rights;
} rule_t;

/* One of a list of names. */
typedef struct {
    zf_bytes_t text;
    uint32_t parent; /* prefixes: the longest other one that this begins with; or NONE */
    uint32_t rights; /* of a WHAT; a prefix has those of its parent, too. Of a WHO: all it has */
} term_t;

/* Names, sorted, and behind them prefixes, sorted. What a name begins with is found by looking for
 * the prefix that would stand right before it: all others are among the parents of that one. */
typedef struct {
    term_t *terms;
    uint32_t exact; /* names among them */
    uint32_t count; /* of all */
} names_t;

struct zf_access {
    atomic_uint holders;
    uint32_t rule_count;
    char *text; /* what the terms are views of */
    names_t who;
    names_t *what; /* for each of who; all terms are in one piece of memory */
};

static const struct {
    const char *name;
    const char *phrase; /* before what it is about */
    uint32_t right;
} rights_table[] = {
    {"post", "post to", ZF_MAY_POST},
    {"consume", "consume from", ZF_MAY_CONSUME},
    {"publish", "publish to", ZF_MAY_PUBLISH},
    {"subscribe", "subscribe to", ZF_MAY_SUBSCRIBE},
    {"administer", "administer", ZF_MAY_ADMINISTER},
};

#define RIGHTS (sizeof rights_table / sizeof rights_table[0])

static size_t last_of (uint32_t rights)
{
    size_t i = RIGHTS - 1;
    while (i > 0 && (rights_table[i].right & rights) == 0)
        i--;
    return i;
}

const char *zf_right_name (uint32_t rights)
{
    return rights_table[last_of (rights)].name;
}

void zf_right_refusal (char text[ZF_REFUSAL_TEXT], uint32_t rights, zf_bytes_t name)
{
    const uint8_t *bytes = name.data;
    int used =
        snprintf (text, ZF_REFUSAL_TEXT, "may not %s '", rights_table[last_of (rights)].phrase);
    size_t at = used > 0 ? (size_t) used : 0;
    for (size_t i = 0; i < name.size && at < ZF_REFUSAL_TEXT - 2; i++)
        if (bytes[i] >= 0x20 && bytes[i] != 0x7f)
            text[at++] = (char) bytes[i];
    text[at] = '\'';
    text[at + 1] = '\0';
}

/* -- reading ----------------------------------------------------------------------------------- */

/* A text, as far as it was read. */
typedef struct {
    const char *where;    /* it is from, for people */
    uint32_t line;        /* its number */
    const char *at, *end; /* what is left of the line */
    rule_t *rules;
    uint32_t count; /* of rules in use */
    zf_error_t *err;
} reading_t;

/* Says what is wrong with the line; returns code. */
static int ZF_PRINTF (3, 4) wrong (const reading_t *reading, int code, const char *format, ...)
{
    char text[sizeof reading->err->text];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    return zf_error_set (reading->err, code, "%s:%u: %s", reading->where, reading->line, text);
}

static bool is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; empty: there is none. */
static zf_bytes_t take_word (reading_t *reading)
{
    while (reading->at < reading->end && is_blank (*reading->at))
        reading->at++;
    const char *word = reading->at;
    while (reading->at < reading->end && !is_blank (*reading->at))
        reading->at++;
    return zf_bytes (word, (size_t) (reading->at - word));
}

static bool is_comment (zf_bytes_t word)
{
    return word.size > 0 && *(const char *) word.data == '#';
}

static bool is_key (zf_bytes_t word)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 ".-:+=^!/*?&<>()[]{}@%$#";
    const char *at = word.data;
    for (size_t i = 0; i < word.size; i++)
        if (memchr (digits, at[i], sizeof digits - 1) == NULL)
            return false;
    return word.size == ZF_KEY_TEXT - 1;
}

/* The rights of a list; 0: one is none, and *bad is that. */
static uint32_t read_rights (zf_bytes_t list, zf_bytes_t *bad)
{
    const char *at = list.data;
    const char *end = at + list.size;
    uint32_t rights = 0;
    while (true) {
        const char *comma = at < end ? memchr (at, ',', (size_t) (end - at)) : NULL;
        *bad = zf_bytes (at, (size_t) ((comma != NULL ? comma : end) - at));
        uint32_t before = rights;
        for (size_t i = 0; i < RIGHTS; i++)
            if (zf_bytes_equal (*bad, zf_bytes_of (rights_table[i].name)))
                rights |= rights_table[i].right;
        if (rights == before)
            return 0;
        if (comma == NULL)
            return rights;
        at = comma + 1;
    }
}

/* Only what people can read is shown to them. */
static bool is_readable (zf_bytes_t word)
{
    const uint8_t *at = word.data;
    for (size_t i = 0; i < word.size; i++)
        if (at[i] < 0x20 || at[i] == 0x7f)
            return false;
    return true;
}

static int read_pattern (const reading_t *reading, zf_bytes_t word, size_t max, pattern_t *pattern)
{
    const char *text = word.data;
    const char *star = memchr (text, '*', word.size);
    int shown = word.size < 80 ? (int) word.size : 80;
    pattern->is_prefix = text[word.size - 1] == '*';
    pattern->text = zf_bytes (text, word.size - pattern->is_prefix);
    if (!is_readable (word))
        return wrong (reading, ZF_E_INVAL, "there are control characters in it");
    if (star != NULL && star != text + word.size - 1)
        return wrong (reading, ZF_E_INVAL, "'%.*s': a * stands only at the end", shown, text);
    if (pattern->text.size > max)
        return wrong (reading, ZF_E_INVAL, "'%.*s...': a name has at most %zu bytes", shown, text,
                      max);
    return 0;
}

static int read_who (const reading_t *reading, zf_bytes_t word, pattern_t *who)
{
    *who = (pattern_t){.text = word};
    return is_key (word) ? 0 : read_pattern (reading, word, ZF_KEY_NAME_MAX, who);
}

static int read_line (reading_t *reading)
{
    zf_bytes_t bad = zf_bytes ("", 0);
    rule_t rule;
    zf_bytes_t who = take_word (reading);
    zf_bytes_t list = take_word (reading);
    rule.rights = list.size > 0 ? read_rights (list, &bad) : 0;
    if (who.size == 0 || (is_comment (who) && (rule.rights == 0 || !is_key (who))))
        return 0;
    if (list.size == 0 || is_comment (list))
        return wrong (reading, ZF_E_INVAL, "a rule is WHO RIGHT[,RIGHT...] WHAT...");
    if (!is_readable (list))
        return wrong (reading, ZF_E_INVAL, "there are control characters in it");
    if (rule.rights == 0)
        return wrong (reading, ZF_E_INVAL,
                      "'%.*s' is no right of its own: post, consume, publish, subscribe or "
                      "administer, with commas between",
                      bad.size < 80 ? (int) bad.size : 80, (const char *) bad.data);
    int rc = read_who (reading, who, &rule.who);
    uint32_t before = reading->count;
    zf_bytes_t what = take_word (reading);
    for (; rc == 0 && what.size > 0 && !is_comment (what); what = take_word (reading)) {
        rc = read_pattern (reading, what, ZF_NAME_MAX, &rule.what);
        if (rc == 0 && reading->count == ZF_RULES_MAX)
            rc = wrong (reading, ZF_E_LIMIT, "more than %d rules", ZF_RULES_MAX);
        if (rc == 0)
            reading->rules[reading->count++] = rule;
    }
    if (rc == 0 && reading->count == before)
        rc = wrong (reading, ZF_E_INVAL, "a rule is WHO RIGHT[,RIGHT...] WHAT...: WHAT is missing");
    return rc;
}

static int read_lines (reading_t *reading, const char *text, size_t size)
{
    const char *at = text;
    const char *end = text + size;
    int rc = 0;
    while (rc == 0 && at < end) {
        const char *feed = memchr (at, '\n', (size_t) (end - at));
        reading->line++;
        reading->at = at;
        reading->end = feed != NULL ? feed : end;
        at = feed != NULL ? feed + 1 : end;
        rc = read_line (reading);
    }
    return rc;
}

/* -- the table --------------------------------------------------------------------------------- */

static int compare_text (zf_bytes_t a, zf_bytes_t b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp (a.data, b.data, size) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare_patterns (const pattern_t *a, const pattern_t *b)
{
    return a->is_prefix != b->is_prefix ? a->is_prefix - b->is_prefix
                                        : compare_text (a->text, b->text);
}

static int compare_rules (const void *a_v, const void *b_v)
{
    const rule_t *a = a_v;
    const rule_t *b = b_v;
    int order = compare_patterns (&a->who, &b->who);
    return order != 0 ? order : compare_patterns (&a->what, &b->what);
}

static bool begins (zf_bytes_t text, zf_bytes_t prefix)
{
    return text.size >= prefix.size &&
           (prefix.size == 0 || memcmp (text.data, prefix.data, prefix.size) == 0);
}

/* The term of the pattern; they come in their order. */
static term_t *add_term (names_t *names, const pattern_t *pattern)
{
    term_t *last = names->count > 0 ? &names->terms[names->count - 1] : NULL;
    bool is_same_kind = pattern->is_prefix == (names->count > names->exact);
    if (last != NULL && is_same_kind && zf_bytes_equal (last->text, pattern->text))
        return last;
    term_t *term = &names->terms[names->count++];
    *term = (term_t){.text = pattern->text, .parent = NONE};
    if (!pattern->is_prefix) {
        names->exact++;
        return term;
    }
    term->parent = names->count - 1 > names->exact ? names->count - 2 : NONE;
    while (term->parent != NONE && !begins (term->text, names->terms[term->parent].text))
        term->parent = names->terms[term->parent].parent;
    return term;
}

/* Prefixes get what their parents have, which come before them. */
static void inherit (names_t *names)
{
    for (uint32_t i = names->exact; i < names->count; i++)
        if (names->terms[i].parent != NONE)
            names->terms[i].rights |= names->terms[names->terms[i].parent].rights;
}

static void build (zf_access_t *access, rule_t *rules, uint32_t count)
{
    term_t *terms = access->who.terms + count;
    qsort (rules, count, sizeof *rules, compare_rules);
    for (uint32_t i = 0; i < count; i++) {
        names_t *what = &access->what[add_term (&access->who, &rules[i].who) - access->who.terms];
        if (what->terms == NULL)
            what->terms = terms;
        uint32_t before = what->count;
        add_term (what, &rules[i].what)->rights |= rules[i].rights;
        access->who.terms[access->who.count - 1].rights |= rules[i].rights;
        terms += what->count - before;
    }
    for (uint32_t i = 0; i < access->who.count; i++)
        inherit (&access->what[i]);
    access->rule_count = count;
}

static void free_access (zf_access_t *access)
{
    if (access == NULL)
        return;
    free (access->text);
    free (access->who.terms);
    free (access->what);
    free (access);
}

static zf_access_t *new_access (zf_bytes_t text)
{
    zf_access_t *access = calloc (1, sizeof *access);
    if (access == NULL || (access->text = malloc (text.size + 1)) == NULL) {
        free_access (access);
        return NULL;
    }
    atomic_init (&access->holders, 1);
    if (text.size > 0)
        memcpy (access->text, text.data, text.size);
    return access;
}

int zf_access_parse (zf_access_t **access_p, zf_bytes_t text, const char *where, zf_error_t *err)
{
    zf_access_t *access = new_access (text);
    reading_t reading = {.where = where, .err = err};
    int rc = 0;
    *access_p = NULL;
    reading.rules = access != NULL ? calloc (ZF_RULES_MAX, sizeof *reading.rules) : NULL;
    if (reading.rules == NULL)
        rc = zf_error_set (err, ZF_E_NOMEM, "%s: out of memory", where);
    else
        rc = read_lines (&reading, access->text, text.size);
    if (rc == 0 && reading.count > 0) {
        access->who.terms = calloc (2 * (size_t) reading.count, sizeof *access->who.terms);
        access->what = calloc (reading.count, sizeof *access->what);
        if (access->who.terms == NULL || access->what == NULL)
            rc = zf_error_set (err, ZF_E_NOMEM, "%s: out of memory", where);
        else
            build (access, reading.rules, reading.count);
    }
    free (reading.rules);
    if (rc != 0)
        free_access (access);
    else
        *access_p = access;
    return rc;
}

zf_access_t *zf_access_hold (zf_access_t *access)
{
    atomic_fetch_add (&access->holders, 1);
    return access;
}

void zf_access_drop (zf_access_t **access_p)
{
    zf_access_t *access = *access_p;
    *access_p = NULL;
    if (access != NULL && atomic_fetch_sub (&access->holders, 1) == 1)
        free_access (access);
}

/* -- asking ------------------------------------------------------------------------------------ */

/* The last of terms [from, to[ that does not stand behind text; NONE: there is none. */
static uint32_t last_before (const names_t *names, uint32_t from, uint32_t to, zf_bytes_t text)
{
    uint32_t first = from;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (compare_text (names->terms[middle].text, text) <= 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from > first ? from - 1 : NONE;
}

static uint32_t find_exact (const names_t *names, zf_bytes_t text)
{
    uint32_t i = last_before (names, 0, names->exact, text);
    return i != NONE && zf_bytes_equal (names->terms[i].text, text) ? i : NONE;
}

/* The longest prefix that text begins with. */
static uint32_t find_prefix (const names_t *names, zf_bytes_t text)
{
    uint32_t i = last_before (names, names->exact, names->count, text);
    while (i != NONE && !begins (text, names->terms[i].text))
        i = names->terms[i].parent;
    return i;
}

static uint32_t rights_on (const names_t *what, zf_bytes_t name)
{
    uint32_t exact = find_exact (what, name);
    uint32_t prefix = find_prefix (what, name);
    return (exact != NONE ? what->terms[exact].rights : 0) |
           (prefix != NONE ? what->terms[prefix].rights : 0);
}

/* The stream of a name STREAM@GROUP; empty: it is no such name. */
static zf_bytes_t stream_of (zf_bytes_t name)
{
    const char *bytes = name.data;
    size_t size = name.size;
    if (zf_is_dead_name (name))
        return zf_bytes (NULL, 0);
    while (size > 0 && bytes[size - 1] != ZF_GROUP_MARK)
        size--;
    return zf_bytes (bytes, size > 0 && size < name.size ? size - 1 : 0);
}

/* One who is asked about. */
typedef struct {
    uint32_t by_key, by_name; /* as one of the table's WHO; or NONE */
    uint32_t by_prefix;       /* the longest one; its parents are others */
} found_t;

static found_t find_subject (const zf_access_t *access, const zf_subject_t *subject)
{
    zf_bytes_t name = zf_bytes_of (subject->name);
    found_t found = {.by_key = find_exact (&access->who, zf_bytes_of (subject->key))};
    /* a name that looks like a key is not taken for that key */
    found.by_name = is_key (name) ? NONE : find_exact (&access->who, name);
    found.by_prefix = find_prefix (&access->who, name);
    return found;
}

static bool allows (const names_t *what, uint32_t rights, zf_bytes_t name, zf_bytes_t stream)
{
    return (rights_on (what, name) & rights) != 0 ||
           (stream.size > 0 && (rights_on (what, stream) & rights) != 0);
}

bool zf_access_may (const zf_access_t *access, const zf_subject_t *subject, uint32_t rights,
                    zf_bytes_t name)
{
    if (access == NULL || subject == NULL || access->rule_count == 0)
        return true;
    zf_bytes_t stream = stream_of (name);
    found_t found = find_subject (access, subject);
    if (found.by_key != NONE && allows (&access->what[found.by_key], rights, name, stream))
        return true;
    if (found.by_name != NONE && allows (&access->what[found.by_name], rights, name, stream))
        return true;
    for (uint32_t i = found.by_prefix; i != NONE; i = access->who.terms[i].parent)
        if (allows (&access->what[i], rights, name, stream))
            return true;
    return false;
}

bool zf_access_may_somewhere (const zf_access_t *access, const zf_subject_t *subject,
                              uint32_t rights)
{
    if (access == NULL || subject == NULL || access->rule_count == 0)
        return true;
    const term_t *who = access->who.terms;
    found_t found = find_subject (access, subject);
    uint32_t all = found.by_key != NONE ? who[found.by_key].rights : 0;
    all |= found.by_name != NONE ? who[found.by_name].rights : 0;
    for (uint32_t i = found.by_prefix; i != NONE; i = who[i].parent)
        all |= who[i].rights;
    return (all & rights) != 0;
}
