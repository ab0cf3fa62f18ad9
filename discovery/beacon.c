#include "discovery/beacon.h"

#define VERSION_PLAIN 1
#define VERSION_KEY   3

static const uint8_t magic[3] = {'Z', 'R', 'E'};

size_t zf_beacon_encode (const zf_beacon_t *beacon, uint8_t out[ZF_BEACON_KEY_BYTES])
{
    memcpy (out, magic, sizeof magic);
    out[3] = beacon->has_key ? VERSION_KEY : VERSION_PLAIN;
    memcpy (out + 4, beacon->uuid, ZF_UUID_BYTES);
    zf_store_u16be (out + 20, beacon->port);
    if (!beacon->has_key)
        return ZF_BEACON_BYTES;
    memcpy (out + ZF_BEACON_BYTES, beacon->key, ZF_CURVE_KEY_BYTES);
    return ZF_BEACON_KEY_BYTES;
}

static void read_copy (zf_reader_t *r, uint8_t *out, size_t size)
{
    zf_bytes_t bytes = zf_read_bytes (r, size);
    if (bytes.size > 0)
        memcpy (out, bytes.data, bytes.size);
}

bool zf_beacon_decode (zf_bytes_t datagram, zf_beacon_t *beacon)
{
    zf_reader_t r = zf_reader (datagram);
    memset (beacon, 0, sizeof *beacon);
    bool is_zre = zf_bytes_equal (zf_read_bytes (&r, sizeof magic), zf_bytes (magic, sizeof magic));
    uint8_t version = zf_read_u8 (&r);
    beacon->has_key = version == VERSION_KEY;
    read_copy (&r, beacon->uuid, sizeof beacon->uuid);
    beacon->port = zf_read_u16be (&r);
    if (beacon->has_key)
        read_copy (&r, beacon->key, sizeof beacon->key);
    return is_zre && (version == VERSION_PLAIN || version == VERSION_KEY) && zf_reader_done (&r);
}
