/* msgpack: written with msgpack-c, read by a guarded reader on zf_reader_t.
 *
 * The reader gives views, allocates nothing, and checks each count against the bytes that are left
 * before anybody can act on it: an element takes at least one byte, so a count above that is a lie.
 * Nesting deeper than ZF_MP_DEPTH fails. Source: the msgpack specification. */
#ifndef ZF_CORE_MP_H
#define ZF_CORE_MP_H

#include "core/bytes.h"

#define ZF_MP_DEPTH 16

uint64_t zf_mp_uint (zf_reader_t *r);    /* an unsigned integer; a negative one fails */
int64_t zf_mp_int (zf_reader_t *r);      /* an integer that fits */
bool zf_mp_bool (zf_reader_t *r);        /* true or false */
zf_bytes_t zf_mp_bytes (zf_reader_t *r); /* str or bin */
uint32_t zf_mp_array (zf_reader_t *r);   /* the number of elements that follow */
uint32_t zf_mp_map (zf_reader_t *r);     /* the number of pairs that follow */
void zf_mp_skip (zf_reader_t *r);        /* one object of any kind */

/* Writers: one msgpack object each, appended to w. */
void zf_mp_put_uint (zf_writer_t *w, uint64_t value);
void zf_mp_put_int (zf_writer_t *w, int64_t value);
void zf_mp_put_bool (zf_writer_t *w, bool value);
void zf_mp_put_bin (zf_writer_t *w, zf_bytes_t value);
void zf_mp_put_str (zf_writer_t *w, zf_bytes_t value);
void zf_mp_put_array (zf_writer_t *w, size_t count);
void zf_mp_put_map (zf_writer_t *w, size_t count);

#endif
