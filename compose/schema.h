/* What a mapping may hold, as a table: from it a text is checked and read into a struct, two of
 * them are compared, the key that was meant is guessed, and the manual's tables are made.
 *
 * A table is an array of keys that ends with an empty one. `at` is where a key's value goes in the
 * struct that the table is about. Tables are read in their own order, not in that of the text: what
 * later keys begin with (prepare) may lie in earlier ones.
 *
 * Values:   TEXT, PATH, ENDPOINT and WHO are const char *, or with SCHEMA_INLINE an array; with
 *           SCHEMA_LIST an array of const char * (one without a list will do in the text). COUNT,
 *           BYTES and TIME (milliseconds) are uint16_t to uint64_t by `size`. WORD is an enum.
 * Ownership: strings and arrays are the arena's. */
#ifndef ZF_COMPOSE_SCHEMA_H
#define ZF_COMPOSE_SCHEMA_H

#include "compose/yaml.h"

#include <stdint.h>
#include <zferry/peer.h>

typedef enum {
    SCHEMA_TEXT,     /* any text but an empty one */
    SCHEMA_PATH,     /* of a file or directory; relative ones begin at the text's; "*" stays */
    SCHEMA_WHO,      /* a public key (40 characters), or the path of its file */
    SCHEMA_ENDPOINT, /* TRANSPORT://WHERE; SCHEMA_PLAIN: with @ or > in front, too */
    SCHEMA_FROM,     /* an endpoint, a path, or a device: looked at later */
    SCHEMA_BOOL,     /* true or false */
    SCHEMA_COUNT,    /* a whole number */
    SCHEMA_BYTES,    /* 512, 64KiB, 16MiB, 1GiB */
    SCHEMA_TIME,     /* 250ms, 5s, 10m, 2h, 1d */
    SCHEMA_WORD,     /* one of some words */
    SCHEMA_OWN,      /* has a parser of its own */
    SCHEMA_MAP,      /* a mapping with a table of its own; `at` is where its struct begins */
    SCHEMA_TABLE,    /* a mapping of names to mappings of one table: an array of items */
    SCHEMA_PAIRS,    /* a mapping of names to texts: an array of zf_peer_header_t */
    SCHEMA_SAME      /* no key: those of another table are keys here, too; their struct is `at` */
} zf_schema_kind_t;

enum {
    SCHEMA_LIST = 1,     /* several; count_at holds their number */
    SCHEMA_INLINE = 2,   /* an array of characters, not a pointer */
    SCHEMA_REQUIRED = 4, /* must be there */
    SCHEMA_LIVE = 8,     /* can be changed while it runs: not compared */
    SCHEMA_SEEN = 16,    /* a map: seen_at holds whether it is there */
    SCHEMA_PLAIN = 32    /* an endpoint of a plain socket */
};

typedef struct zf_key zf_key_t;
struct zf_key {
    const char *name;         /* NULL ends a table */
    zf_schema_kind_t kind;    /* what its value is */
    unsigned flags;           /* SCHEMA_LIST and so on */
    size_t at;                /* where the value goes */
    size_t size;              /* of it; of an item of a TABLE */
    size_t count_at;          /* of a list, a TABLE or PAIRS: a size_t */
    size_t seen_at;           /* of a MAP: a bool */
    uint64_t min;             /* least number */
    uint64_t max;             /* greatest; 0: the greatest that there is room for */
    const char *const *words; /* of a WORD, by the value of its enum, NULL ends them; "": none */
    const zf_key_t *keys;     /* of a MAP, an item of a TABLE, or SAME */
    const char *title;        /* of these, for messages: "a broker" */
    const char *expects;      /* what an OWN one looks like */
    const char *fallback; /* what holds without it, in words; NULL: nothing, or it is required */
    const char *help;     /* what it is, in words */
    /* An OWN value; false: that is none. into: the struct of the table. */
    bool (*parse) (const char *text, void *into);
    /* Fills a new item of a TABLE with what holds without keys. parent: the struct of the table
     * that the TABLE is in. */
    void (*prepare) (void *item, const void *parent);
};

/* What an item of a TABLE begins with. */
typedef struct {
    const char *name;
    const zf_yaml_t *node; /* where it stands */
} zf_named_t;

/* What reading needs beside the tables. */
typedef struct {
    zf_arena_t *arena;
    zf_problems_t *problems;
    const char *folder; /* where relative paths begin; "" or ending in a slash */
} zf_schema_t;

/* Reads a mapping into a struct, which holds the defaults before. title: "a broker". */
void zf_schema_read (const zf_schema_t *schema, const zf_key_t *keys, const char *title,
                     const zf_yaml_t *map, void *into);

/* Calls fn for each key whose value is another one in b, and for each map and item that only one
 * has; not for live ones. path: what keys are behind, "" or "devices.orders". */
typedef void zf_differ_fn (void *arg, const char *path);
void zf_schema_compare (const zf_key_t *keys, const char *path, const void *a, const void *b,
                        zf_differ_fn *fn, void *arg);

/* The same for one key. */
void zf_schema_compare_key (const zf_key_t *key, const char *path, const void *a, const void *b,
                            zf_differ_fn *fn, void *arg);

/* The word of `words` (ended by NULL) that is nearest to text; NULL: none is near. */
const char *zf_schema_nearest (const char *text, const char *const *words);

/* How far two words are apart: letters changed, put in, left out or swapped. */
unsigned zf_schema_distance (const char *a, const char *b);

/* Reads one value, which is not broken, into the struct; what is wrong is told. */
void zf_schema_read_value (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                           void *into);

/* A number with its unit. */
bool zf_schema_number (zf_schema_kind_t kind, const char *text, uint64_t *number);

/* The number in the shortest way that says exactly that: "64KiB", "2h". Returns text. */
#define ZF_SCHEMA_NUMBER_TEXT 32
char *zf_schema_write_number (zf_schema_kind_t kind, uint64_t number,
                              char text[ZF_SCHEMA_NUMBER_TEXT]);

/* Calls fn for each line of a manual's tables (Markdown): the keys of this table, then those of the
 * ones below it, each table once. */
typedef void zf_manual_fn (void *arg, const char *line);
void zf_schema_manual (const zf_key_t *keys, const char *title, zf_manual_fn *fn, void *arg);

#endif
