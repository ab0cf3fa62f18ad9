#include "core/info.h"

#include "core/queue.h"

#include <stddef.h>
#include <zferry/error.h>

typedef enum {
    FIELD_U32,
    FIELD_U64,
    FIELD_BOOL,
    FIELD_NAME,
    FIELD_OVERFLOW,
    FIELD_DURABLE,
    FIELD_KIND,
    FIELD_SYNC,
    FIELD_POLICY
} kind_t;

typedef struct {
    const char *name;
    size_t offset;
    kind_t kind;
} field_t;

#define P(field, kind)                             \
    {                                              \
#field, offsetof(zf_policy_t, field), kind \
    }
#define I(field, kind)                                 \
    {                                                  \
#field, offsetof(zf_queue_info_t, field), kind \
    }
#define COUNT(array) (sizeof array / sizeof array[0])

static const field_t policy_fields[] = {
    P (max_attempts, FIELD_U32), P (backoff_min_ms, FIELD_U32), P (backoff_max_ms, FIELD_U32),
    P (lease_ms, FIELD_U32),     P (ttl_ms, FIELD_U64),         P (max_length, FIELD_U64),
    P (max_bytes, FIELD_U64),    P (overflow, FIELD_OVERFLOW),  P (dedup_window_ms, FIELD_U32),
    P (priorities, FIELD_U32),   P (ordered, FIELD_BOOL),       P (dead_letter, FIELD_NAME),
    P (durable, FIELD_DURABLE),  P (kind, FIELD_KIND),          P (compact, FIELD_BOOL),
};

static const field_t info_fields[] = {
    I (name, FIELD_NAME),   I (policy, FIELD_POLICY),   I (declared, FIELD_BOOL),
    I (length, FIELD_U64),  I (bytes, FIELD_U64),       I (leased, FIELD_U64),
    I (delayed, FIELD_U64), I (parked, FIELD_U64),      I (oldest_ms, FIELD_U64),
    I (workers, FIELD_U64), I (posted, FIELD_U64),      I (delivered, FIELD_U64),
    I (acked, FIELD_U64),   I (redelivered, FIELD_U64), I (dead, FIELD_U64),
    I (expired, FIELD_U64), I (dropped, FIELD_U64),     I (duplicates, FIELD_U64),
    I (refused, FIELD_U64), I (sync, FIELD_SYNC),       I (on_disk, FIELD_U64),
    I (links, FIELD_U64),   I (first, FIELD_U64),       I (next, FIELD_U64),
    I (groups, FIELD_U64),  I (subscribers, FIELD_U64), I (lag, FIELD_U64),
    I (missed, FIELD_U64),
};

static void encode_field (zf_writer_t *w, const field_t *field, const void *at)
{
    zf_mp_put_str (w, zf_bytes_of (field->name));
    switch (field->kind) {
    case FIELD_U32:
        zf_mp_put_uint (w, *(const uint32_t *) at);
        break;
    case FIELD_U64:
        zf_mp_put_uint (w, *(const uint64_t *) at);
        break;
    case FIELD_BOOL:
        zf_mp_put_bool (w, *(const bool *) at);
        break;
    case FIELD_NAME:
        zf_mp_put_str (w, zf_bytes_of (at));
        break;
    case FIELD_OVERFLOW:
        zf_mp_put_uint (w, (uint64_t) * (const zf_overflow_t *) at);
        break;
    case FIELD_DURABLE:
        zf_mp_put_uint (w, (uint64_t) * (const zf_durable_t *) at);
        break;
    case FIELD_KIND:
        zf_mp_put_uint (w, (uint64_t) * (const zf_kind_t *) at);
        break;
    case FIELD_SYNC:
        zf_mp_put_uint (w, (uint64_t) * (const zf_sync_t *) at);
        break;
    case FIELD_POLICY:
        zf_policy_encode (w, at);
        break;
    }
}

static void encode (zf_writer_t *w, const field_t *fields, size_t count, const void *base)
{
    zf_mp_put_map (w, count);
    for (size_t i = 0; i < count; i++)
        encode_field (w, &fields[i], (const char *) base + fields[i].offset);
}

static void decode_name (zf_reader_t *r, char *at)
{
    zf_bytes_t name = zf_mp_bytes (r);
    at[0] = '\0';
    if (name.size == 0 || name.data == NULL)
        return;
    if (name.size > ZF_NAME_MAX || memchr (name.data, 0, name.size) != NULL) {
        r->failed = true;
        return;
    }
    memcpy (at, name.data, name.size);
    at[name.size] = '\0';
}

static uint64_t decode_up_to (zf_reader_t *r, uint64_t most)
{
    uint64_t value = zf_mp_uint (r);
    if (value > most)
        r->failed = true;
    return value;
}

static void decode_field (zf_reader_t *r, const field_t *field, void *at)
{
    switch (field->kind) {
    case FIELD_U32:
        *(uint32_t *) at = (uint32_t) decode_up_to (r, UINT32_MAX);
        break;
    case FIELD_U64:
        *(uint64_t *) at = zf_mp_uint (r);
        break;
    case FIELD_BOOL:
        *(bool *) at = zf_mp_bool (r);
        break;
    case FIELD_NAME:
        decode_name (r, at);
        break;
    case FIELD_OVERFLOW:
        *(zf_overflow_t *) at = (zf_overflow_t) decode_up_to (r, ZF_OVERFLOW_DROP_OLDEST);
        break;
    case FIELD_DURABLE:
        *(zf_durable_t *) at = (zf_durable_t) decode_up_to (r, ZF_DURABLE_YES);
        break;
    case FIELD_KIND:
        *(zf_kind_t *) at = (zf_kind_t) decode_up_to (r, ZF_KIND_STREAM);
        break;
    case FIELD_SYNC:
        *(zf_sync_t *) at = (zf_sync_t) decode_up_to (r, ZF_SYNC_NEVER);
        break;
    case FIELD_POLICY:
        if (zf_policy_decode (r, at) != 0)
            r->failed = true;
        break;
    }
}

static void decode (zf_reader_t *r, const field_t *fields, size_t count, void *base)
{
    uint32_t pairs = zf_mp_map (r);
    for (uint32_t k = 0; k < pairs && !r->failed; k++) {
        zf_bytes_t name = zf_mp_bytes (r);
        size_t i = 0;
        while (i < count && !zf_bytes_equal (name, zf_bytes_of (fields[i].name)))
            i++;
        if (i < count)
            decode_field (r, &fields[i], (char *) base + fields[i].offset);
        else
            zf_mp_skip (r);
    }
}

void zf_policy_encode (zf_writer_t *w, const zf_policy_t *policy)
{
    encode (w, policy_fields, COUNT (policy_fields), policy);
}

int zf_policy_decode (zf_reader_t *r, zf_policy_t *policy)
{
    decode (r, policy_fields, COUNT (policy_fields), policy);
    policy->struct_size = sizeof *policy;
    if (r->failed)
        return ZF_E_PROTO;
    return zf_policy_valid (policy) ? 0 : ZF_E_INVAL;
}

bool zf_policy_valid (const zf_policy_t *policy)
{
    return policy->priorities >= 1 && policy->priorities <= ZF_PRIORITIES_MAX &&
           policy->lease_ms > 0 && policy->backoff_min_ms <= policy->backoff_max_ms &&
           (int) policy->durable >= 0 && (int) policy->durable <= ZF_DURABLE_YES &&
           (int) policy->kind >= 0 && (int) policy->kind <= ZF_KIND_STREAM &&
           (policy->kind == ZF_KIND_QUEUE || policy->priorities == 1) &&
           (!policy->compact || policy->kind == ZF_KIND_STREAM) && (int) policy->overflow >= 0 &&
           (int) policy->overflow <= ZF_OVERFLOW_DROP_OLDEST &&
           memchr (policy->dead_letter, 0, sizeof policy->dead_letter) != NULL &&
           (policy->dead_letter[0] == '\0' || zf_is_name (zf_bytes_of (policy->dead_letter)));
}

void zf_info_encode (zf_writer_t *w, const zf_queue_info_t *info)
{
    encode (w, info_fields, COUNT (info_fields), info);
}

int zf_info_decode (zf_reader_t *r, zf_queue_info_t *info)
{
    decode (r, info_fields, COUNT (info_fields), info);
    return r->failed ? ZF_E_PROTO : 0;
}
