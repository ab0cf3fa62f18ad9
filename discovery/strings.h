/* The strings of ZRE and zgossip: str8 is a length of one byte and its bytes, longstr one of four,
 * big-endian. */
#ifndef ZF_DISCOVERY_STRINGS_H
#define ZF_DISCOVERY_STRINGS_H

#include "core/bytes.h"

#define ZF_STR8_MAX 255

static inline zf_bytes_t zf_read_str8 (zf_reader_t *r)
{
    return zf_read_bytes (r, zf_read_u8 (r));
}

static inline zf_bytes_t zf_read_longstr (zf_reader_t *r)
{
    return zf_read_bytes (r, zf_read_u32be (r));
}

/* As zf_read_str8; one with a zero in it fails: others would see less of it than we do. */
static inline zf_bytes_t zf_read_name (zf_reader_t *r)
{
    zf_bytes_t name = zf_read_str8 (r);
    if (name.size > 0 && memchr (name.data, 0, name.size) != NULL)
        r->failed = true;
    return name;
}

/* Both set w->failed if the string is too long for its length. */
static inline void zf_write_str8 (zf_writer_t *w, zf_bytes_t string)
{
    w->failed = w->failed || string.size > ZF_STR8_MAX;
    zf_write_u8 (w, (uint8_t) string.size);
    zf_write_bytes (w, string.data, string.size);
}

static inline void zf_write_longstr (zf_writer_t *w, zf_bytes_t string)
{
    w->failed = w->failed || string.size > UINT32_MAX;
    zf_write_u32be (w, (uint32_t) string.size);
    zf_write_bytes (w, string.data, string.size);
}

#endif
