/* The newest value of each topic (any bytes), for those who come late. Pure: what a value is the
 * owner knows, it is a frame that is held.
 *
 * Bounded by bytes: topics, frames and 128 each. The topics that were not set for longest go
 * first. */
#ifndef ZF_CORE_VALUES_H
#define ZF_CORE_VALUES_H

#include "core/bytes.h"
#include "core/frame.h"

#define ZF_VALUE_BYTES 128 /* what a value counts beside its topic and its frame */

typedef struct zf_values zf_values_t;

/* NULL: out of memory. */
zf_values_t *zf_values_new (uint64_t bytes_max);

/* Drops all frames. *values may be NULL, and is afterwards. */
void zf_values_free (zf_values_t **values);

/* Sets the value of a topic; holds the frame. Returns 0 or ZF_E_NOMEM (the topic has none then:
 * rather none than an old one); a value larger than all may be counts as evicted. */
int zf_values_set (zf_values_t *values, zf_bytes_t topic, zf_frame_t *frame);
void zf_values_drop (zf_values_t *values, zf_bytes_t topic);

/* NULL: there is none. The frame is valid until the values change; hold it to keep it. */
zf_frame_t *zf_values_get (const zf_values_t *values, zf_bytes_t topic);

/* Calls fn for each topic that begins with prefix, in the order of bytes, until it returns false.
 * fn must not change the values. */
typedef bool zf_value_fn (void *arg, zf_bytes_t topic, zf_frame_t *frame);
void zf_values_each (const zf_values_t *values, zf_bytes_t prefix, zf_value_fn *fn, void *arg);

size_t zf_values_count (const zf_values_t *values);
uint64_t zf_values_bytes (const zf_values_t *values);
uint64_t zf_values_evicted (const zf_values_t *values); /* since it was made */

#endif
