#include "compose/schema.h"

#include <stdio.h>
#include <string.h>

enum { LISTED_BYTES = 220, KEYS_MAX = 64 };

static void *field (void *into, size_t at)
{
    return (char *) into + at;
}

static bool is_structure (const zf_key_t *key)
{
    return key->kind == SCHEMA_MAP || key->kind == SCHEMA_TABLE || key->kind == SCHEMA_PAIRS;
}

/* -- keys that nobody knows -------------------------------------------------------------------- */

static void list_names (const char *const *names, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; names[i] != NULL && used < size; i++) {
        const char *comma = i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ";
        int n = snprintf (text + used, size - used, "%s%s", comma, names[i]);
        used += n < 0 ? 0 : (size_t) n;
    }
}

/* Puts the names of a table's keys behind the n that are there. Returns their number. */
static size_t gather_names (const zf_key_t *keys, const char *names[KEYS_MAX + 1], size_t n)
{
    for (const zf_key_t *key = keys; key->name != NULL && n < KEYS_MAX; key++) {
        if (key->kind == SCHEMA_SAME)
            n = gather_names (key->keys, names, n);
        else
            names[n++] = key->name;
    }
    names[n] = NULL;
    return n;
}

static void complain_of_key (const zf_schema_t *schema, const zf_key_t *keys, const char *title,
                             const zf_yaml_t *node)
{
    const char *names[KEYS_MAX + 1];
    char listed[LISTED_BYTES];
    gather_names (keys, names, 0);
    const char *near = zf_schema_nearest (node->key, names);
    if (near != NULL) {
        zf_problem (schema->problems, node->key_place,
                    "'%.100s' is no key of %s; did you mean '%s'?", node->key, title, near);
        return;
    }
    list_names (names, listed, sizeof listed);
    zf_problem (schema->problems, node->key_place, "'%.100s' is no key of %s; expected %s",
                node->key, title, listed);
}

static bool is_known (const zf_key_t *keys, const char *name)
{
    for (; keys->name != NULL; keys++) {
        bool known = keys->kind == SCHEMA_SAME ? is_known (keys->keys, name)
                                               : strcmp (keys->name, name) == 0;
        if (known)
            return true;
    }
    return false;
}

/* -- tables of items --------------------------------------------------------------------------- */

static void *new_array (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *map,
                        size_t size, void *into)
{
    void *items = map->count > 0 ? zf_arena_take (schema->arena, map->count, size) : NULL;
    size_t count = items != NULL ? map->count : 0;
    memcpy (field (into, key->at), &items, sizeof items);
    memcpy (field (into, key->count_at), &count, sizeof count);
    return items;
}

static void read_items (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *map,
                        void *into)
{
    char *item = new_array (schema, key, map, key->size, into);
    if (item == NULL)
        return;
    for (const zf_yaml_t *node = map->children; node != NULL; node = node->next) {
        zf_named_t named = {.name = node->key, .node = node};
        memcpy (item, &named, sizeof named);
        if (key->prepare != NULL)
            key->prepare (item, into);
        zf_schema_read (schema, key->keys, key->title, node, item);
        item += key->size;
    }
}

static void read_pairs (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *map,
                        void *into)
{
    zf_peer_header_t *pair = new_array (schema, key, map, sizeof *pair, into);
    for (const zf_yaml_t *node = map->children; node != NULL && pair != NULL; node = node->next) {
        if (node->kind != ZF_YAML_SCALAR)
            zf_problem (schema->problems, node->place, "'%.100s' is no text; expected %s",
                        node->key, "NAME: text");
        pair->name = node->key;
        pair->value = node->kind == ZF_YAML_SCALAR ? node->text : "";
        pair++;
    }
}

/* -- maps -------------------------------------------------------------------------------------- */

static bool is_word (const zf_yaml_t *node, const char *word)
{
    return node->kind == ZF_YAML_SCALAR && strcmp (node->text, word) == 0;
}

static void read_map (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *node,
                      void *into)
{
    bool seen = !is_word (node, "false");
    if ((key->flags & SCHEMA_SEEN) != 0)
        memcpy (field (into, key->seen_at), &seen, sizeof seen);
    if (!seen && (key->flags & SCHEMA_SEEN) != 0)
        return;
    zf_schema_read (schema, key->keys, key->title, node, field (into, key->at));
}

static void read_key (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *node,
                      void *into)
{
    if (node->is_broken)
        return;
    if (!is_structure (key)) {
        zf_schema_read_value (schema, key, node, into);
    } else if (key->kind == SCHEMA_MAP) {
        read_map (schema, key, node, into);
    } else if (node->kind != ZF_YAML_MAP) {
        if (!node->is_null)
            zf_problem (schema->problems, node->place, "%s is no mapping; expected NAME: ...",
                        key->name);
    } else if (key->kind == SCHEMA_TABLE) {
        read_items (schema, key, node, into);
    } else {
        read_pairs (schema, key, node, into);
    }
}

/* Nothing, and true where a map is wanted, is a map without keys. */
static bool is_map (const zf_schema_t *schema, const char *title, const zf_yaml_t *node)
{
    if (node->kind == ZF_YAML_MAP)
        return true;
    if (!node->is_null && !node->is_broken && !is_word (node, "true"))
        zf_problem (schema->problems, node->place, "%s is a mapping; expected KEY: VALUE", title);
    return false;
}

static void complain_of_want (const zf_schema_t *schema, const zf_key_t *key, const char *title,
                              const zf_yaml_t *map)
{
    if (!map->is_broken)
        zf_problem (schema->problems, map->key != NULL ? map->key_place : map->place,
                    "%s has no '%s'; expected %s", title, key->name, key->help);
}

/* Reads the keys that the table knows. has_keys: the map is one. */
static void read_keys (const zf_schema_t *schema, const zf_key_t *keys, const char *title,
                       const zf_yaml_t *map, bool has_keys, void *into)
{
    for (const zf_key_t *key = keys; key->name != NULL; key++) {
        const zf_yaml_t *node = has_keys ? zf_yaml_get (map, key->name) : NULL;
        if (key->kind == SCHEMA_SAME)
            read_keys (schema, key->keys, title, map, has_keys, field (into, key->at));
        else if (node != NULL)
            read_key (schema, key, node, into);
        else if ((key->flags & SCHEMA_REQUIRED) != 0)
            complain_of_want (schema, key, title, map);
    }
}

void zf_schema_read (const zf_schema_t *schema, const zf_key_t *keys, const char *title,
                     const zf_yaml_t *map, void *into)
{
    bool has_keys = is_map (schema, title, map);
    read_keys (schema, keys, title, map, has_keys, into);
    for (const zf_yaml_t *node = map->children; has_keys && node != NULL; node = node->next)
        if (!is_known (keys, node->key))
            complain_of_key (schema, keys, title, node);
}
