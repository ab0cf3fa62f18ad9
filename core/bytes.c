#include "core/bytes.h"

#include <stdlib.h>

zf_bytes_t zf_read_bytes (zf_reader_t *r, size_t size)
{
    if (r->failed || size > zf_reader_left (r)) {
        r->failed = true;
        return zf_bytes (NULL, 0);
    }
    zf_bytes_t view = zf_bytes (r->at, size);
    r->at += size;
    return view;
}

uint8_t zf_read_u8 (zf_reader_t *r)
{
    zf_bytes_t in = zf_read_bytes (r, 1);
    return in.data != NULL ? *(const uint8_t *) in.data : 0;
}

static uint64_t read_be (zf_reader_t *r, size_t size)
{
    const uint8_t *at = zf_read_bytes (r, size).data;
    uint64_t value = 0;
    for (size_t i = 0; at != NULL && i < size; i++)
        value = value << 8 | at[i];
    return value;
}

uint16_t zf_read_u16be (zf_reader_t *r)
{
    return (uint16_t) read_be (r, 2);
}

uint32_t zf_read_u32be (zf_reader_t *r)
{
    return (uint32_t) read_be (r, 4);
}

uint64_t zf_read_u64be (zf_reader_t *r)
{
    return read_be (r, 8);
}

uint32_t zf_read_u32le (zf_reader_t *r)
{
    const uint8_t *at = zf_read_bytes (r, 4).data;
    return at != NULL ? zf_load_u32le (at) : 0;
}

uint64_t zf_read_u64le (zf_reader_t *r)
{
    const uint8_t *at = zf_read_bytes (r, 8).data;
    return at != NULL ? zf_load_u64le (at) : 0;
}

uint8_t *zf_writer_reserve (zf_writer_t *w, size_t size)
{
    if (w->failed)
        return NULL;
    if (size > w->capacity - w->size) {
        size_t capacity = w->capacity != 0 ? w->capacity : 256;
        while (capacity - w->size < size)
            capacity *= 2;
        uint8_t *data = realloc (w->data, capacity);
        if (data == NULL) {
            w->failed = true;
            return NULL;
        }
        w->data = data;
        w->capacity = capacity;
    }
    uint8_t *at = w->data + w->size;
    w->size += size;
    return at;
}

void zf_write_bytes (zf_writer_t *w, const void *data, size_t size)
{
    if (size == 0)
        return;
    uint8_t *at = zf_writer_reserve (w, size);
    if (at != NULL)
        memcpy (at, data, size);
}

void zf_write_u8 (zf_writer_t *w, uint8_t value)
{
    zf_write_bytes (w, &value, 1);
}

void zf_write_u16be (zf_writer_t *w, uint16_t value)
{
    uint8_t bytes[2];
    zf_store_u16be (bytes, value);
    zf_write_bytes (w, bytes, sizeof bytes);
}

void zf_write_u32be (zf_writer_t *w, uint32_t value)
{
    uint8_t bytes[4];
    zf_store_u32be (bytes, value);
    zf_write_bytes (w, bytes, sizeof bytes);
}

void zf_writer_free (zf_writer_t *w)
{
    free (w->data);
    memset (w, 0, sizeof *w);
}
