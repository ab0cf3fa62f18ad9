/* The properties of a record: one msgpack map with small integers for keys, absent in the common
 * case.
 *
 *   1 id bin | 2 key bin | 3 delay_ms uint | 4 ttl_ms uint | 5 priority uint | 6 frames [uint...]
 *   7 headers {bin: bin} | 8 trace bin | 9 death [queue str, reason str, attempts uint] |
 *   10 keep_reply bool | 11 topic bin
 *
 * Keys that we do not know are skipped: a later version may add some. A key given twice is an
 * error. */
#ifndef ZF_CORE_PROPS_H
#define ZF_CORE_PROPS_H

#include "core/bytes.h"

#define ZF_DEATH_MAX 1024 /* bytes that a death may add to the ZF_PROPS_MAX a producer may say */

/* Decoded properties: views into the encoded ones. */
typedef struct {
    zf_bytes_t id;         /* empty: none */
    zf_bytes_t key;        /* empty: none */
    zf_bytes_t trace;      /* empty: none */
    uint64_t delay_ms;     /* 0: none */
    uint64_t ttl_ms;       /* 0: none */
    uint32_t priority;     /* 0..9 */
    bool framed;           /* frames were given */
    uint32_t frame_count;  /* 0 unless framed */
    zf_bytes_t frames;     /* encoded lengths, frame_count of them */
    uint32_t header_count; /* 0: none */
    zf_bytes_t headers;    /* encoded pairs, header_count of them */
    zf_bytes_t topic;      /* empty: none */
    bool keep_reply;       /* the answer is kept under the id */
    bool dead;             /* death is set */
    zf_death_t death;
} zf_props_view_t;

/* Decodes and checks everything, limits included; the frame lengths must add up to body_size.
 * Empty input is no properties. Returns 0 or ZF_E_PROTO. */
int zf_props_decode (zf_bytes_t in, size_t body_size, zf_props_view_t *out);

/* Appends the encoded properties to w, nothing at all if none is set. death may be NULL.
 * Returns 0, ZF_E_INVAL (a limit of message.h is broken), ZF_E_NOMEM. */
int zf_props_encode (zf_writer_t *w, const zf_props_t *props, const zf_death_t *death);

/* Appends what view holds, with death instead of its own (NULL: none).
 * Returns 0 or ZF_E_NOMEM. */
int zf_props_rewrite (zf_writer_t *w, const zf_props_view_t *view, const zf_death_t *death);

/* The topic alone, of properties that were decoded once; empty: none. It is written first. */
zf_bytes_t zf_props_topic (zf_bytes_t in);

/* The i-th frame of a body. */
zf_bytes_t zf_props_frame (const zf_props_view_t *view, zf_bytes_t body, size_t i);

/* The value of a header, data NULL if there is none. */
zf_bytes_t zf_props_header (const zf_props_view_t *view, zf_bytes_t name);

/* The i-th header: its value, and its name. Both are empty if there is none. */
zf_bytes_t zf_props_header_at (const zf_props_view_t *view, size_t i, zf_bytes_t *name);

#endif
