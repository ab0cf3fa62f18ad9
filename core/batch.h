/* The batch: the unit that travels, is queued, leased and acknowledged.
 *
 * header, 32 bytes, little-endian:
 *    0  magic    "ZFB" and the version, 1
 *    4  count    u32  records, 1 .. ZF_BATCH_RECORDS_MAX
 *    8  size     u32  bytes of all records
 *   12  flags    u32  bit 0: some record has properties; the others are zero
 *   16  first    u64  the sender's number for the first record; the others follow on. A broker
 *                     passes a whole batch on as it came: the ids that it gave the records are in
 *                     its command
 *   24  sum      u64  XXH3-64 of the records, seed (count | flags << 32) ^ first: from producer to
 *                     consumer as long as nobody has to split the batch
 * record:
 *    u32 body bytes in bits 0..29, bit 31: properties follow
 *    u32 bytes of properties and the properties (props.h), only if bit 31 is set
 *    body
 * A batch is never changed once it is sealed. */
#ifndef ZF_CORE_BATCH_H
#define ZF_CORE_BATCH_H

#include "core/bytes.h"

#define ZF_BATCH_HEADER      32
#define ZF_BATCH_RECORDS_MAX (1u << 20)
#define ZF_BATCH_HAS_PROPS   1u
#define ZF_BODY_MAX          ((1u << 30) - 1)

/* A decoded batch: a view of the encoded one. */
typedef struct {
    uint32_t count;
    uint32_t size;
    uint32_t flags;
    uint64_t first;
    const uint8_t *records; /* size bytes, right behind the header */
} zf_batch_t;

/* One record: views. */
typedef struct {
    zf_bytes_t props; /* encoded; empty: none */
    zf_bytes_t body;
} zf_record_t;

/* Checks header, size and checksum; not the records, see zf_batch_index.
 * Returns 0, ZF_E_PROTO, ZF_E_VERSION, ZF_E_CORRUPT (the sum). */
int zf_batch_decode (zf_bytes_t in, zf_batch_t *out);

/* Checks that count records fill the batch exactly, and writes where each begins, counted from the
 * first byte of the header, into offsets (count of them). Returns 0 or ZF_E_PROTO. */
int zf_batch_index (const zf_batch_t *batch, uint32_t *offsets);

/* Decodes the record at `at` and returns where the next one begins, or NULL if it does not end by
 * `end`. */
const uint8_t *zf_record_decode (const uint8_t *at, const uint8_t *end, zf_record_t *out);

/* Bytes of an encoded record. */
static inline size_t zf_record_size (size_t props_size, size_t body_size)
{
    return 4 + (props_size > 0 ? 4 + props_size : 0) + body_size;
}

/* Writes a record at `at`, which has room for zf_record_size; returns where the next one goes. */
uint8_t *zf_record_encode (uint8_t *at, zf_bytes_t props, zf_bytes_t body);

/* The same without the body; returns where that goes. */
uint8_t *zf_record_head (uint8_t *at, zf_bytes_t props, size_t body_size);

/* Writes the header of a batch of size bytes in all, whose records are in place behind it. */
void zf_batch_seal (uint8_t *batch, size_t size, uint32_t count, uint32_t flags, uint64_t first);

#endif
