/* What differs between two structs that were read by the same tables. */
#include "compose/schema.h"

#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 600 };

static const void *field (const void *from, size_t at)
{
    return (const char *) from + at;
}

static size_t size_at (const void *from, size_t at)
{
    size_t value;
    memcpy (&value, field (from, at), sizeof value);
    return value;
}

static const void *pointer_at (const void *from, size_t at)
{
    const void *value;
    memcpy (&value, field (from, at), sizeof value);
    return value;
}

static bool same_text (const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp (a, b) == 0);
}

static bool is_text (const zf_key_t *key)
{
    return key->kind <= SCHEMA_FROM;
}

static bool same_list (const zf_key_t *key, const void *a, const void *b)
{
    const char *const *texts = pointer_at (a, key->at), *const *others = pointer_at (b, key->at);
    size_t count = size_at (a, key->count_at);
    if (count != size_at (b, key->count_at))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!same_text (texts[i], others[i]))
            return false;
    return true;
}

static bool same_pairs (const zf_key_t *key, const void *a, const void *b)
{
    const zf_peer_header_t *pairs = pointer_at (a, key->at), *others = pointer_at (b, key->at);
    size_t count = size_at (a, key->count_at);
    if (count != size_at (b, key->count_at))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!same_text (pairs[i].name, others[i].name) ||
            !same_text (pairs[i].value, others[i].value))
            return false;
    return true;
}

static bool is_same (const zf_key_t *key, const void *a, const void *b)
{
    if (key->kind == SCHEMA_PAIRS)
        return same_pairs (key, a, b);
    if ((key->flags & SCHEMA_LIST) != 0)
        return same_list (key, a, b);
    if ((key->flags & SCHEMA_INLINE) != 0)
        return same_text (field (a, key->at), field (b, key->at));
    if (is_text (key))
        return same_text (pointer_at (a, key->at), pointer_at (b, key->at));
    return memcmp (field (a, key->at), field (b, key->at), key->size) == 0;
}

/* -- structures -------------------------------------------------------------------------------- */

static bool is_seen (const zf_key_t *key, const void *from)
{
    bool seen = true;
    if ((key->flags & SCHEMA_SEEN) != 0)
        memcpy (&seen, field (from, key->seen_at), sizeof seen);
    return seen;
}

/* The item of that name; NULL: there is none. */
static const void *find_item (const zf_key_t *key, const void *from, const char *name)
{
    const char *item = pointer_at (from, key->at);
    for (size_t i = size_at (from, key->count_at); i > 0; i--, item += key->size) {
        zf_named_t named;
        memcpy (&named, item, sizeof named);
        if (strcmp (named.name, name) == 0)
            return item;
    }
    return NULL;
}

/* Those of a that b has differently or, if alone is true, not at all. */
static void compare_items (const zf_key_t *key, const char *path, const void *a, const void *b,
                           bool alone, zf_differ_fn *fn, void *arg)
{
    const char *item = pointer_at (a, key->at);
    for (size_t i = size_at (a, key->count_at); i > 0; i--, item += key->size) {
        char behind[PATH_BYTES];
        zf_named_t named;
        memcpy (&named, item, sizeof named);
        snprintf (behind, sizeof behind, "%s.%s", path, named.name);
        const void *other = find_item (key, b, named.name);
        if (other == NULL && alone)
            fn (arg, behind);
        else if (other != NULL && !alone)
            zf_schema_compare (key->keys, behind, item, other, fn, arg);
    }
}

void zf_schema_compare_key (const zf_key_t *key, const char *path, const void *a, const void *b,
                            zf_differ_fn *fn, void *arg)
{
    char here[PATH_BYTES];
    snprintf (here, sizeof here, "%s%s%s", path, path[0] != '\0' ? "." : "", key->name);
    if (key->kind == SCHEMA_SAME) {
        zf_schema_compare (key->keys, path, field (a, key->at), field (b, key->at), fn, arg);
    } else if (key->kind == SCHEMA_TABLE) {
        compare_items (key, here, a, b, true, fn, arg);
        compare_items (key, here, b, a, true, fn, arg);
        compare_items (key, here, a, b, false, fn, arg);
    } else if (key->kind != SCHEMA_MAP) {
        if (!is_same (key, a, b))
            fn (arg, here);
    } else if (is_seen (key, a) != is_seen (key, b)) {
        fn (arg, here);
    } else if (is_seen (key, a)) {
        zf_schema_compare (key->keys, here, field (a, key->at), field (b, key->at), fn, arg);
    }
}

void zf_schema_compare (const zf_key_t *keys, const char *path, const void *a, const void *b,
                        zf_differ_fn *fn, void *arg)
{
    for (const zf_key_t *key = keys; key->name != NULL; key++)
        if ((key->flags & SCHEMA_LIVE) == 0)
            zf_schema_compare_key (key, path, a, b, fn, arg);
}
