#include "persist/format.h"

#include "core/bytes.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h> /* the widest vectors that the processor has: 3 to 4 times as fast */
#else
#include <xxhash.h>
#endif

#define HEAD_SUMMED    32 /* bytes of an entry's header that its sum covers */
#define SEGMENT_SUMMED 56

static const uint8_t segment_magic[4] = {'Z', 'F', 'J', ZF_FORMAT_VERSION};
static const uint8_t entry_magic[3] = {'Z', 'F', 'E'};

uint64_t zf_journal_extent (uint64_t size)
{
    return (ZF_ENTRY_HEADER + size + 7) & ~UINT64_C (7);
}

uint64_t zf_first_previous (const uint8_t *uuid)
{
    return XXH3_64bits (uuid, 16);
}

void zf_segment_head_encode (const zf_segment_head_t *head, uint8_t *out)
{
    memcpy (out, segment_magic, sizeof segment_magic);
    zf_store_u32le (out + 4, 0);
    memcpy (out + 8, head->uuid, sizeof head->uuid);
    zf_store_u64le (out + 24, head->number);
    zf_store_u64le (out + 32, head->base);
    zf_store_u64le (out + 40, head->previous);
    zf_store_u64le (out + 48, head->capacity);
    zf_store_u64le (out + 56, XXH3_64bits (out, SEGMENT_SUMMED));
}

/* A version byte that was flipped, in a header that is otherwise ours, is no other version. */
static int judge_version (const uint8_t *in, uint8_t *version)
{
    uint8_t ours[SEGMENT_SUMMED];
    memcpy (ours, in, sizeof ours);
    ours[3] = ZF_FORMAT_VERSION;
    if (in[3] < ZF_FORMAT_VERSION || XXH3_64bits (ours, sizeof ours) == zf_load_u64le (in + 56))
        return ZF_E_CORRUPT;
    *version = in[3];
    return ZF_E_VERSION;
}

int zf_segment_head_decode (const uint8_t *in, zf_segment_head_t *out, uint8_t *version)
{
    if (memcmp (in, segment_magic, 3) != 0)
        return ZF_E_CORRUPT;
    if (in[3] != ZF_FORMAT_VERSION)
        return judge_version (in, version);
    if (zf_load_u64le (in + 56) != XXH3_64bits (in, SEGMENT_SUMMED))
        return ZF_E_CORRUPT;
    memcpy (out->uuid, in + 8, sizeof out->uuid);
    out->number = zf_load_u64le (in + 24);
    out->base = zf_load_u64le (in + 32);
    out->previous = zf_load_u64le (in + 40);
    out->capacity = zf_load_u64le (in + 48);
    bool sane = zf_load_u32le (in + 4) == 0 && out->number > 0 && out->base % 8 == 0 &&
                out->base <= INT64_MAX && out->capacity >= ZF_SEGMENT_HEADER &&
                out->capacity <= INT64_MAX;
    return sane ? 0 : ZF_E_CORRUPT;
}

uint64_t zf_entry_sum (const uint8_t *head, zf_bytes_t payload)
{
    uint64_t seed = XXH3_64bits (head, HEAD_SUMMED);
    return XXH3_64bits_withSeed (payload.size > 0 ? payload.data : head, payload.size, seed);
}

zf_summer_t *zf_summer_new (void)
{
    return XXH3_createState ();
}

void zf_summer_free (zf_summer_t *summer)
{
    XXH3_freeState (summer);
}

static uint64_t sum_parts (const uint8_t *head, const zf_bytes_t *parts, size_t count,
                           zf_summer_t *summer)
{
    XXH3_64bits_reset_withSeed (summer, XXH3_64bits (head, HEAD_SUMMED));
    for (size_t i = 0; i < count; i++)
        if (parts[i].size > 0)
            XXH3_64bits_update (summer, parts[i].data, parts[i].size);
    return XXH3_64bits_digest (summer);
}

void zf_entry_head_encode (zf_entry_head_t *head, const zf_bytes_t *parts, size_t count,
                           zf_summer_t *summer, uint8_t *out)
{
    zf_store_u32le (out, head->size);
    memcpy (out + 4, entry_magic, sizeof entry_magic);
    out[7] = head->kind;
    zf_store_u64le (out + 8, head->position);
    zf_store_u64le (out + 16, head->synced);
    zf_store_u64le (out + 24, head->previous);
    if (count == 1)
        head->sum = zf_entry_sum (out, parts[0]);
    else
        head->sum = sum_parts (out, parts, count, summer);
    zf_store_u64le (out + 32, head->sum);
}

static bool size_fits_kind (const zf_entry_head_t *head)
{
    switch (head->kind) {
    case ZF_ENTRY_DATA:
        return head->size <= ZF_ENTRY_MAX;
    case ZF_ENTRY_TRIM:
        return head->size == 8;
    case ZF_ENTRY_CLOSE:
        return head->size == 0;
    default:
        return false;
    }
}

bool zf_entry_head_decode (const uint8_t *in, zf_entry_head_t *out)
{
    if (!zf_entry_may_be (in))
        return false;
    out->size = zf_load_u32le (in);
    out->kind = in[7];
    out->position = zf_load_u64le (in + 8);
    out->synced = zf_load_u64le (in + 16);
    out->previous = zf_load_u64le (in + 24);
    out->sum = zf_load_u64le (in + 32);
    return size_fits_kind (out) && out->position % 8 == 0 && out->position <= INT64_MAX &&
           out->synced <= out->position;
}
