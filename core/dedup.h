/* The dedup window: which ids a queue has seen lately.
 *
 * An id is kept as its 128-bit XXH3 hash: two ids of a window collide with a chance of about n^2 /
 * 2^129. Limit: ZF_DEDUP_MAX ids; past it the oldest is forgotten before its time. */
#ifndef ZF_CORE_DEDUP_H
#define ZF_CORE_DEDUP_H

#include "core/bytes.h"
#include "core/hash.h"

#include <xxhash.h>

#define ZF_DEDUP_MAX 1000000

typedef struct zf_dedup_entry zf_dedup_entry_t;

struct zf_dedup_entry {
    XXH128_hash_t hash;
    uint64_t until_ms;             /* forgotten then */
    uint64_t lsn;                  /* where it was last written down */
    zf_dedup_entry_t *prev, *next; /* oldest first (utlist) */
    UT_hash_handle hh;
};

typedef struct {
    zf_dedup_entry_t *table; /* by hash (uthash) */
    zf_dedup_entry_t *order; /* oldest first */
} zf_dedup_t;

/* Remembers an id until now + window; lsn is where it is written down. Returns 1 if it is new, 0 if
 * it was there, ZF_E_NOMEM. */
int zf_dedup_add (zf_dedup_t *dedup, zf_bytes_t id, uint64_t now_ms, uint64_t window_ms,
                  uint64_t lsn);

/* The same by its hash, whatever was known of it. Returns 0 or ZF_E_NOMEM. */
int zf_dedup_put (zf_dedup_t *dedup, XXH128_hash_t hash, uint64_t until_ms, uint64_t lsn);

/* Forgets an id before its time: what it was for could not be kept. */
void zf_dedup_drop (zf_dedup_t *dedup, zf_bytes_t id);

/* Forgets what is past its time. Returns when the next one is, UINT64_MAX: none is left. */
uint64_t zf_dedup_expire (zf_dedup_t *dedup, uint64_t now_ms);

void zf_dedup_free (zf_dedup_t *dedup);

#endif
