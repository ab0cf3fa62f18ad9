#include "core/batch.h"

#include <zferry/error.h>

#if defined(__x86_64__)
#include <xxh_x86dispatch.h> /* the widest vectors that the processor has: 3 to 4 times as fast */
#else
#include <xxhash.h>
#endif

#define HAS_PROPS (UINT32_C (1) << 31)
#define RESERVED  (UINT32_C (1) << 30)

static const uint8_t magic[4] = {'Z', 'F', 'B', 1};

static uint64_t checksum (const uint8_t *records, size_t size, const uint8_t *header)
{
    uint64_t seed = zf_load_u32le (header + 4) | (uint64_t) zf_load_u32le (header + 12) << 32;
    return XXH3_64bits_withSeed (records, size, seed ^ zf_load_u64le (header + 16));
}

int zf_batch_decode (zf_bytes_t in, zf_batch_t *out)
{
    memset (out, 0, sizeof *out);
    if (in.size < ZF_BATCH_HEADER || memcmp (in.data, magic, 3) != 0)
        return ZF_E_PROTO;
    const uint8_t *at = in.data;
    if (at[3] != magic[3])
        return ZF_E_VERSION;
    out->count = zf_load_u32le (at + 4);
    out->size = zf_load_u32le (at + 8);
    out->flags = zf_load_u32le (at + 12);
    out->first = zf_load_u64le (at + 16);
    out->records = at + ZF_BATCH_HEADER;
    if (out->size != in.size - ZF_BATCH_HEADER || (out->flags & ~ZF_BATCH_HAS_PROPS) != 0)
        return ZF_E_PROTO;
    if (out->count == 0 || out->count > ZF_BATCH_RECORDS_MAX || out->count > out->size / 4)
        return ZF_E_PROTO;
    if (zf_load_u64le (at + 24) != checksum (out->records, out->size, at))
        return ZF_E_CORRUPT;
    return 0;
}

int zf_batch_index (const zf_batch_t *batch, uint32_t *offsets)
{
    const uint8_t *at = batch->records;
    const uint8_t *end = at + batch->size;
    bool any_props = false;
    for (uint32_t i = 0; i < batch->count; i++) {
        zf_record_t record;
        offsets[i] = (uint32_t) (at - batch->records) + ZF_BATCH_HEADER;
        at = zf_record_decode (at, end, &record);
        if (at == NULL)
            return ZF_E_PROTO;
        any_props |= record.props.size > 0;
    }
    if (any_props && (batch->flags & ZF_BATCH_HAS_PROPS) == 0)
        return ZF_E_PROTO;
    return at == end ? 0 : ZF_E_PROTO;
}

const uint8_t *zf_record_decode (const uint8_t *at, const uint8_t *end, zf_record_t *out)
{
    size_t left = (size_t) (end - at);
    if (left < 4)
        return NULL;
    uint32_t head = zf_load_u32le (at);
    uint32_t body_size = head & ZF_BODY_MAX;
    uint32_t props_size = 0;
    at += 4;
    left -= 4;
    if ((head & RESERVED) != 0)
        return NULL;
    if ((head & HAS_PROPS) != 0) {
        if (left < 4)
            return NULL;
        props_size = zf_load_u32le (at);
        at += 4;
        left -= 4;
        if (props_size == 0 || props_size > left)
            return NULL;
    }
    if (body_size > left - props_size)
        return NULL;
    out->props = zf_bytes (at, props_size);
    out->body = zf_bytes (at + props_size, body_size);
    return at + props_size + body_size;
}

uint8_t *zf_record_head (uint8_t *at, zf_bytes_t props, size_t body_size)
{
    zf_store_u32le (at, (uint32_t) body_size | (props.size > 0 ? HAS_PROPS : 0));
    at += 4;
    if (props.size > 0) {
        zf_store_u32le (at, (uint32_t) props.size);
        memcpy (at + 4, props.data, props.size);
        at += 4 + props.size;
    }
    return at;
}

uint8_t *zf_record_encode (uint8_t *at, zf_bytes_t props, zf_bytes_t body)
{
    at = zf_record_head (at, props, body.size);
    if (body.size > 0)
        memcpy (at, body.data, body.size);
    return at + body.size;
}

void zf_batch_seal (uint8_t *batch, size_t size, uint32_t count, uint32_t flags, uint64_t first)
{
    size_t records = size - ZF_BATCH_HEADER;
    memcpy (batch, magic, sizeof magic);
    zf_store_u32le (batch + 4, count);
    zf_store_u32le (batch + 8, (uint32_t) records);
    zf_store_u32le (batch + 12, flags);
    zf_store_u64le (batch + 16, first);
    zf_store_u64le (batch + 24, checksum (batch + ZF_BATCH_HEADER, records, batch));
}
