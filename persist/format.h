/* The bytes of the journal: headers of segments and entries (docs/format.md). All little-endian.
 *
 * Segment, 64 bytes: "ZFJ" version | u32 zero | uuid[16] | u64 number | u64 base |
 *    u64 previous | u64 capacity | u64 sum: XXH3-64 of the 56 bytes before
 * Entry, 40 bytes: u32 size | "ZFE" kind | u64 position | u64 synced | u64 previous |
 *    u64 sum: XXH3-64 of the payload, seeded with XXH3-64 of the 32 bytes before; then the payload,
 *    padded with zeros to a multiple of 8 */
#ifndef ZF_PERSIST_FORMAT_H
#define ZF_PERSIST_FORMAT_H

#include "persist/journal.h"

#define ZF_FORMAT_VERSION 1
#define ZF_SEGMENT_HEADER 64

enum {
    ZF_ENTRY_DATA = 1,
    ZF_ENTRY_TRIM = 2, /* payload: u64 position below which nothing is needed */
    ZF_ENTRY_CLOSE = 3 /* no payload */
};

typedef struct {
    uint8_t uuid[16];  /* of the journal */
    uint64_t number;   /* of the segment; its name says it too */
    uint64_t base;     /* position of the first entry */
    uint64_t previous; /* sum of the last entry before */
    uint64_t capacity; /* bytes of the file */
} zf_segment_head_t;

typedef struct {
    uint32_t size;     /* of the payload */
    uint8_t kind;      /* ZF_ENTRY_... */
    uint64_t position; /* of this entry */
    uint64_t synced;   /* everything below was durable when this was written */
    uint64_t previous; /* sum of the entry before */
    uint64_t sum;      /* over header and payload */
} zf_entry_head_t;

void zf_segment_head_encode (const zf_segment_head_t *head, uint8_t *out);

/* Returns 0, ZF_E_CORRUPT, or ZF_E_VERSION: of a later format; *version is filled in then. */
int zf_segment_head_decode (const uint8_t *in, zf_segment_head_t *out, uint8_t *version);

/* The sum of an entry before the first one of a journal. */
uint64_t zf_first_previous (const uint8_t *uuid);

/* What a sum over several parts is made in: one for each thread that makes such sums. NULL when out
 * of memory. */
typedef struct XXH3_state_s zf_summer_t;
zf_summer_t *zf_summer_new (void);
void zf_summer_free (zf_summer_t *summer);

/* Writes the header, and the sum over it and the payload into head->sum too. */
void zf_entry_head_encode (zf_entry_head_t *head, const zf_bytes_t *parts, size_t count,
                           zf_summer_t *summer, uint8_t *out);

/* A quick look: false if no entry's header is at `at`. */
static inline bool zf_entry_may_be (const uint8_t *at)
{
    return at[4] == 'Z' && at[5] == 'F' && at[6] == 'E';
}

/* False if this cannot be an entry's header. The payload and its sum are not looked at. */
bool zf_entry_head_decode (const uint8_t *in, zf_entry_head_t *out);

/* The sum of an entry with that header, of which only the first 32 bytes count. */
uint64_t zf_entry_sum (const uint8_t *head, zf_bytes_t payload);

#endif
