/* A YAML text as a tree that knows where everything stands.
 *
 * What is read is a part of YAML 1.1: one document of mappings, lists and scalars, whose keys are
 * scalars. Anchors, aliases and tags are refused, with words, and so are keys used twice. A scalar
 * is its text; what it means is the schema's affair.
 *
 * Environment: ${NAME} in a value is the environment's, ${NAME:-text} with a fallback (also for one
 *              that is set to nothing), $$ is a dollar sign. What comes in that way is text and not
 *              read as YAML.
 * Bounds:      1 MiB of text, ZF_YAML_DEPTH levels, ZF_YAML_NODES nodes, 1 MiB of what the
 *              environment adds.
 * Ownership:   all of it is the arena's. */
#ifndef ZF_COMPOSE_YAML_H
#define ZF_COMPOSE_YAML_H

#include "compose/arena.h"
#include "compose/problems.h"
#include "core/bytes.h"

#define ZF_YAML_BYTES (1u << 20)
#define ZF_YAML_DEPTH 16
#define ZF_YAML_NODES 10000

typedef enum { ZF_YAML_SCALAR, ZF_YAML_LIST, ZF_YAML_MAP } zf_yaml_kind_t;

typedef struct zf_yaml zf_yaml_t;
struct zf_yaml {
    zf_yaml_kind_t kind;
    zf_spot_t place;     /* where it begins */
    const char *key;     /* that it is under; NULL: it is in no mapping */
    zf_spot_t key_place; /* where that stands */
    const char *text;    /* of a scalar, with what the environment gave; never NULL then */
    bool is_null;        /* a plain scalar that says nothing: empty, ~ or null */
    bool is_broken;      /* what is wrong with it has been said */
    zf_yaml_t *children; /* of a list or mapping, in the order of the text */
    zf_yaml_t *next;     /* sibling */
    size_t count;        /* of children */
};

/* NULL: it could not be read at all, and problems say why. With problems a tree may be there, too:
 * of all that could be read. */
zf_yaml_t *zf_yaml_parse (zf_bytes_t text, zf_arena_t *arena, zf_problems_t *problems);

/* What is under that key; NULL: nothing. node may be NULL, or no mapping. */
const zf_yaml_t *zf_yaml_get (const zf_yaml_t *node, const char *key);

/* The i-th of a list, or the node itself if it is none (one thing may be written without a list);
 * NULL: there are not so many. */
const zf_yaml_t *zf_yaml_item (const zf_yaml_t *node, size_t i);

/* What ${...} and $$ in text become; NULL: *why says what is wrong (or memory is out, and it is
 * NULL). At most room bytes. */
char *zf_yaml_expand (const char *text, size_t room, zf_arena_t *arena, const char **why);

#endif
