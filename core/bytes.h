/* Reading and writing bytes: a cursor with an end and a sticky failure, and a buffer that grows.
 *
 * A reader never allocates and never passes its end: after the first short or wrong read all
 * further reads answer zero or empty, so that decoding is a straight line with one check at the
 * end. */
#ifndef ZF_CORE_BYTES_H
#define ZF_CORE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <zferry/message.h>

#define ZF_UUID_BYTES 16

typedef struct {
    const uint8_t *at;  /* next byte */
    const uint8_t *end; /* one past the last */
    bool failed;        /* something was missing or wrong */
} zf_reader_t;

/* A growing buffer; all zero is an empty one. */
typedef struct {
    uint8_t *data;
    size_t size;     /* bytes written */
    size_t capacity; /* bytes there */
    bool failed;     /* out of memory: what was written since is missing */
} zf_writer_t;

static inline zf_bytes_t zf_bytes (const void *data, size_t size)
{
    zf_bytes_t bytes = {data, size};
    return bytes;
}

static inline zf_bytes_t zf_bytes_of (const char *text)
{
    return zf_bytes (text, strlen (text));
}

static inline bool zf_bytes_equal (zf_bytes_t a, zf_bytes_t b)
{
    return a.size == b.size && (a.size == 0 || memcmp (a.data, b.data, a.size) == 0);
}

static inline zf_reader_t zf_reader (zf_bytes_t in)
{
    static const uint8_t none;
    const uint8_t *at = in.size > 0 ? in.data : &none;
    zf_reader_t reader = {at, at + in.size, false};
    return reader;
}

static inline size_t zf_reader_left (const zf_reader_t *r)
{
    return (size_t) (r->end - r->at);
}

/* True if nothing failed and nothing is left over. */
static inline bool zf_reader_done (const zf_reader_t *r)
{
    return !r->failed && r->at == r->end;
}

/* Fills the options of a caller whose struct has `size` bytes, maybe those of an older version,
 * with ours as far as they go. Every options struct begins with its size, and grows at its tail
 * only. */
static inline void zf_options_fill (void *options, size_t size, const void *own, size_t own_size)
{
    memset (options, 0, size);
    memcpy (options, own, size < own_size ? size : own_size);
    memcpy (options, &size, sizeof size);
}

/* The next size bytes as a view; empty and failed if there are fewer. */
zf_bytes_t zf_read_bytes (zf_reader_t *r, size_t size);
uint8_t zf_read_u8 (zf_reader_t *r);
uint16_t zf_read_u16be (zf_reader_t *r);
uint32_t zf_read_u32be (zf_reader_t *r);
uint64_t zf_read_u64be (zf_reader_t *r);
uint32_t zf_read_u32le (zf_reader_t *r);
uint64_t zf_read_u64le (zf_reader_t *r);

static inline void zf_store_u16be (uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t) (value >> 8);
    at[1] = (uint8_t) value;
}

static inline void zf_store_u32be (uint8_t *at, uint32_t value)
{
    zf_store_u16be (at, (uint16_t) (value >> 16));
    zf_store_u16be (at + 2, (uint16_t) value);
}

static inline void zf_store_u32le (uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t) (value >> (8 * i));
}

static inline void zf_store_u64le (uint8_t *at, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t) (value >> (8 * i));
}

static inline uint32_t zf_load_u32le (const uint8_t *at)
{
    return (uint32_t) at[0] | (uint32_t) at[1] << 8 | (uint32_t) at[2] << 16 |
           (uint32_t) at[3] << 24;
}

static inline uint64_t zf_load_u64le (const uint8_t *at)
{
    return (uint64_t) zf_load_u32le (at) | (uint64_t) zf_load_u32le (at + 4) << 32;
}

/* Makes room for size more bytes and returns where they go, or NULL (and failed) when out of
 * memory. */
uint8_t *zf_writer_reserve (zf_writer_t *w, size_t size);
void zf_write_bytes (zf_writer_t *w, const void *data, size_t size);
void zf_write_u8 (zf_writer_t *w, uint8_t value);
void zf_write_u16be (zf_writer_t *w, uint16_t value);
void zf_write_u32be (zf_writer_t *w, uint32_t value);
void zf_writer_free (zf_writer_t *w);

#endif
