#include "core/mp.h"

#include <msgpack.h>

/* An integer of any width: its bits, and whether it is negative. */
static uint64_t read_integer (zf_reader_t *r, bool *negative)
{
    uint8_t tag = zf_read_u8 (r);
    *negative = false;
    if (tag <= 0x7f)
        return tag;
    if (tag >= 0xe0) {
        *negative = true;
        return (uint64_t) tag | ~UINT64_C (0xff);
    }
    int64_t value = 0;
    switch (tag) {
    case 0xcc:
        return zf_read_u8 (r);
    case 0xcd:
        return zf_read_u16be (r);
    case 0xce:
        return zf_read_u32be (r);
    case 0xcf:
        return zf_read_u64be (r);
    case 0xd0:
        value = (int64_t) (zf_read_u8 (r) ^ 0x80) - 0x80;
        break;
    case 0xd1:
        value = (int16_t) zf_read_u16be (r);
        break;
    case 0xd2:
        value = (int32_t) zf_read_u32be (r);
        break;
    case 0xd3:
        value = (int64_t) zf_read_u64be (r);
        break;
    default:
        r->failed = true;
    }
    *negative = value < 0;
    return (uint64_t) value;
}

uint64_t zf_mp_uint (zf_reader_t *r)
{
    bool negative;
    uint64_t value = read_integer (r, &negative);
    if (negative)
        r->failed = true;
    return r->failed ? 0 : value;
}

int64_t zf_mp_int (zf_reader_t *r)
{
    bool negative;
    uint64_t value = read_integer (r, &negative);
    if (!negative && value > INT64_MAX)
        r->failed = true;
    return r->failed ? 0 : (int64_t) value;
}

bool zf_mp_bool (zf_reader_t *r)
{
    uint8_t tag = zf_read_u8 (r);
    if (tag != 0xc2 && tag != 0xc3)
        r->failed = true;
    return tag == 0xc3;
}

zf_bytes_t zf_mp_bytes (zf_reader_t *r)
{
    uint8_t tag = zf_read_u8 (r);
    size_t size = 0;
    if (tag >= 0xa0 && tag <= 0xbf)
        size = tag & 0x1f;
    else if (tag == 0xc4 || tag == 0xd9)
        size = zf_read_u8 (r);
    else if (tag == 0xc5 || tag == 0xda)
        size = zf_read_u16be (r);
    else if (tag == 0xc6 || tag == 0xdb)
        size = zf_read_u32be (r);
    else
        r->failed = true;
    return zf_read_bytes (r, size);
}

static uint32_t guard_count (zf_reader_t *r, uint32_t count, uint32_t least_bytes)
{
    if (r->failed || count > zf_reader_left (r) / least_bytes) {
        r->failed = true;
        return 0;
    }
    return count;
}

uint32_t zf_mp_array (zf_reader_t *r)
{
    uint8_t tag = zf_read_u8 (r);
    uint32_t count = 0;
    if (tag >= 0x90 && tag <= 0x9f)
        count = tag & 0x0f;
    else if (tag == 0xdc)
        count = zf_read_u16be (r);
    else if (tag == 0xdd)
        count = zf_read_u32be (r);
    else
        r->failed = true;
    return guard_count (r, count, 1);
}

uint32_t zf_mp_map (zf_reader_t *r)
{
    uint8_t tag = zf_read_u8 (r);
    uint32_t count = 0;
    if (tag >= 0x80 && tag <= 0x8f)
        count = tag & 0x0f;
    else if (tag == 0xde)
        count = zf_read_u16be (r);
    else if (tag == 0xdf)
        count = zf_read_u32be (r);
    else
        r->failed = true;
    return guard_count (r, count, 2);
}

/* Bytes that follow the tag of a scalar of fixed width, or -1 if the tag is not one. */
static int scalar_width (uint8_t tag)
{
    static const int8_t widths[] = {
        [0xc0 - 0xc0] = 0,  [0xc1 - 0xc0] = -1, [0xc2 - 0xc0] = 0,  [0xc3 - 0xc0] = 0,
        [0xc4 - 0xc0] = -1, [0xc5 - 0xc0] = -1, [0xc6 - 0xc0] = -1, [0xc7 - 0xc0] = -1,
        [0xc8 - 0xc0] = -1, [0xc9 - 0xc0] = -1, [0xca - 0xc0] = 4,  [0xcb - 0xc0] = 8,
        [0xcc - 0xc0] = 1,  [0xcd - 0xc0] = 2,  [0xce - 0xc0] = 4,  [0xcf - 0xc0] = 8,
        [0xd0 - 0xc0] = 1,  [0xd1 - 0xc0] = 2,  [0xd2 - 0xc0] = 4,  [0xd3 - 0xc0] = 8,
        [0xd4 - 0xc0] = 2,  [0xd5 - 0xc0] = 3,  [0xd6 - 0xc0] = 5,  [0xd7 - 0xc0] = 9,
        [0xd8 - 0xc0] = 17,
    };
    if (tag <= 0x7f || tag >= 0xe0)
        return 0;
    return tag >= 0xc0 && tag <= 0xd8 ? widths[tag - 0xc0] : -1;
}

/* Skips one object's head and scalar bytes; returns how many objects it contains. */
static uint64_t skip_one (zf_reader_t *r)
{
    uint8_t tag = zf_reader_left (r) > 0 ? *r->at : 0xc1;
    int width = scalar_width (tag);
    if (width >= 0) {
        zf_read_bytes (r, 1 + (size_t) width);
        return 0;
    }
    if ((tag >= 0x90 && tag <= 0x9f) || tag == 0xdc || tag == 0xdd)
        return zf_mp_array (r);
    if ((tag >= 0x80 && tag <= 0x8f) || tag == 0xde || tag == 0xdf)
        return 2 * (uint64_t) zf_mp_map (r);
    if (tag >= 0xc7 && tag <= 0xc9) { /* ext: length, type, bytes */
        zf_read_u8 (r);
        size_t size = tag == 0xc7   ? zf_read_u8 (r)
                      : tag == 0xc8 ? zf_read_u16be (r)
                                    : zf_read_u32be (r);
        zf_read_u8 (r);
        zf_read_bytes (r, size);
        return 0;
    }
    zf_mp_bytes (r);
    return 0;
}

void zf_mp_skip (zf_reader_t *r)
{
    uint64_t left[ZF_MP_DEPTH] = {1}; /* objects still to skip on each level */
    int depth = 0;
    while (depth >= 0 && !r->failed) {
        if (left[depth] == 0) {
            depth--;
            continue;
        }
        left[depth]--;
        uint64_t inside = skip_one (r);
        if (inside == 0)
            continue;
        if (depth + 1 == ZF_MP_DEPTH) {
            r->failed = true;
            return;
        }
        left[++depth] = inside;
    }
}

static int append (void *arg, const char *data, size_t size)
{
    zf_writer_t *w = arg;
    zf_write_bytes (w, data, size);
    return w->failed ? -1 : 0;
}

static msgpack_packer packer (zf_writer_t *w)
{
    msgpack_packer pk;
    msgpack_packer_init (&pk, w, append);
    return pk;
}

void zf_mp_put_uint (zf_writer_t *w, uint64_t value)
{
    msgpack_packer pk = packer (w);
    msgpack_pack_uint64 (&pk, value);
}

void zf_mp_put_int (zf_writer_t *w, int64_t value)
{
    msgpack_packer pk = packer (w);
    msgpack_pack_int64 (&pk, value);
}

void zf_mp_put_bool (zf_writer_t *w, bool value)
{
    msgpack_packer pk = packer (w);
    if (value)
        msgpack_pack_true (&pk);
    else
        msgpack_pack_false (&pk);
}

void zf_mp_put_bin (zf_writer_t *w, zf_bytes_t value)
{
    msgpack_packer pk = packer (w);
    msgpack_pack_bin (&pk, value.size);
    zf_write_bytes (w, value.data, value.size);
}

void zf_mp_put_str (zf_writer_t *w, zf_bytes_t value)
{
    msgpack_packer pk = packer (w);
    msgpack_pack_str (&pk, value.size);
    zf_write_bytes (w, value.data, value.size);
}

void zf_mp_put_array (zf_writer_t *w, size_t count)
{
    msgpack_packer pk = packer (w);
    msgpack_pack_array (&pk, count);
}

void zf_mp_put_map (zf_writer_t *w, size_t count)
{
    msgpack_packer pk = packer (w);
    msgpack_pack_map (&pk, count);
}
