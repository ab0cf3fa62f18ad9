#include "core/values.h"

#include "core/hash.h"

#include <bsd/sys/tree.h>
#include <stdlib.h>
#include <utlist.h>
#include <xxhash.h>
#include <zferry/error.h>

typedef struct value value_t;

struct value {
    UT_hash_handle hh;
    RB_ENTRY (value) node; /* by topic */
    value_t *prev, *next;  /* by when they were set (utlist) */
    zf_frame_t *frame;     /* held */
    size_t size;           /* of the topic */
    uint8_t topic[];
};

RB_HEAD (value_tree, value);

struct zf_values {
    value_t *table;         /* by topic (uthash) */
    value_t *order;         /* the one that was not set for longest first */
    struct value_tree tree; /* by topic, in the order of bytes */
    uint64_t bytes;         /* that they count together */
    uint64_t bytes_max;     /* never more */
    uint64_t evicted;       /* values that were dropped for it */
};

/* -- topics ------------------------------------------------------------------------------------ */

static zf_bytes_t topic_of (const value_t *value)
{
    return zf_bytes (value->topic, value->size);
}

static int compare_bytes (zf_bytes_t a, zf_bytes_t b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp (a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static int compare (const value_t *a, const value_t *b)
{
    return compare_bytes (topic_of (a), topic_of (b));
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
RB_GENERATE_INTERNAL (value_tree, value, node, compare, static)
#pragma GCC diagnostic pop

static unsigned hash_of (zf_bytes_t topic)
{
    return (unsigned) XXH3_64bits (topic.data, topic.size);
}

static value_t *find (const zf_values_t *values, zf_bytes_t topic, unsigned hash)
{
    static const uint8_t none;
    const void *key = topic.size > 0 ? topic.data : &none;
    value_t *value;
    HASH_FIND_BYHASHVALUE (hh, values->table, key, topic.size, hash, value);
    return value;
}

/* The first one whose topic is not below this. */
static value_t *seek (const zf_values_t *values, zf_bytes_t topic)
{
    value_t *best = NULL;
    value_t *value = RB_ROOT (&values->tree);
    while (value != NULL) {
        bool below = compare_bytes (topic_of (value), topic) < 0;
        best = below ? best : value;
        value = below ? RB_RIGHT (value, node) : RB_LEFT (value, node);
    }
    return best;
}

static bool begins_with (zf_bytes_t topic, zf_bytes_t prefix)
{
    return topic.size >= prefix.size && zf_bytes_equal (zf_bytes (topic.data, prefix.size), prefix);
}

/* -- coming and going -------------------------------------------------------------------------- */

static uint64_t bytes_of (zf_bytes_t topic, const zf_frame_t *frame)
{
    return (uint64_t) topic.size + frame->size + ZF_VALUE_BYTES;
}

static void remove_value (zf_values_t *values, value_t *value)
{
    values->bytes -= bytes_of (topic_of (value), value->frame);
    HASH_DEL (values->table, value); /* NOLINT(clang-analyzer-*): uthash knows it is there */
    RB_REMOVE (value_tree, &values->tree, value);
    DL_DELETE (values->order, value);
    zf_frame_drop (value->frame);
    free (value);
}

/* A value without a frame. */
static value_t *add_value (zf_values_t *values, zf_bytes_t topic, unsigned hash)
{
    value_t *value = calloc (1, sizeof *value + topic.size);
    if (value == NULL)
        return NULL;
    value->size = topic.size;
    if (topic.size > 0)
        memcpy (value->topic, topic.data, topic.size);
    HASH_ADD_KEYPTR_BYHASHVALUE (hh, values->table, value->topic, topic.size, hash, value);
    if (value->hh.tbl == NULL) {
        free (value);
        return NULL;
    }
    RB_INSERT (value_tree, &values->tree, value);
    DL_APPEND (values->order, value); /* NOLINT(clang-analyzer-*): utlist: a head has a prev */
    values->bytes += topic.size + ZF_VALUE_BYTES;
    return value;
}

/* The frame may be the one that is there. */
static void set_frame (zf_values_t *values, value_t *value, zf_frame_t *frame)
{
    zf_frame_t *old = value->frame;
    value->frame = zf_frame_hold (frame);
    values->bytes += frame->size;
    values->bytes -= old != NULL ? old->size : 0;
    zf_frame_drop (old);
    DL_DELETE (values->order, value);
    DL_APPEND (values->order, value);
}

static void evict (zf_values_t *values)
{
    while (values->bytes > values->bytes_max) {
        remove_value (values, values->order);
        values->evicted++;
    }
}

int zf_values_set (zf_values_t *values, zf_bytes_t topic, zf_frame_t *frame)
{
    unsigned hash = hash_of (topic);
    value_t *value = find (values, topic, hash);
    if (bytes_of (topic, frame) > values->bytes_max) {
        if (value != NULL)
            remove_value (values, value);
        values->evicted++;
        return 0;
    }
    if (value == NULL)
        value = add_value (values, topic, hash);
    if (value == NULL)
        return ZF_E_NOMEM;
    set_frame (values, value, frame);
    evict (values);
    return 0;
}

void zf_values_drop (zf_values_t *values, zf_bytes_t topic)
{
    value_t *value = find (values, topic, hash_of (topic));
    if (value != NULL)
        remove_value (values, value);
}

zf_values_t *zf_values_new (uint64_t bytes_max)
{
    zf_values_t *values = calloc (1, sizeof *values);
    if (values != NULL)
        values->bytes_max = bytes_max;
    return values;
}

void zf_values_free (zf_values_t **values)
{
    zf_values_t *self = *values;
    *values = NULL;
    while (self != NULL && self->order != NULL)
        remove_value (self, self->order);
    free (self);
}

/* -- looking ----------------------------------------------------------------------------------- */

zf_frame_t *zf_values_get (const zf_values_t *values, zf_bytes_t topic)
{
    const value_t *value = find (values, topic, hash_of (topic));
    return value != NULL ? value->frame : NULL;
}

void zf_values_each (const zf_values_t *values, zf_bytes_t prefix, zf_value_fn *fn, void *arg)
{
    for (value_t *value = seek (values, prefix); value != NULL;
         value = RB_NEXT (value_tree, &values->tree, value)) {
        zf_bytes_t topic = topic_of (value);
        if (!begins_with (topic, prefix) || !fn (arg, topic, value->frame))
            return;
    }
}

size_t zf_values_count (const zf_values_t *values)
{
    return HASH_COUNT (values->table);
}

uint64_t zf_values_bytes (const zf_values_t *values)
{
    return values->bytes;
}

uint64_t zf_values_evicted (const zf_values_t *values)
{
    return values->evicted;
}
