#include "discovery/gossip.h"

#include "discovery/strings.h"

#define SIGNATURE 0xaaa0
#define VERSION   1

static void read_tuple (zf_reader_t *r, zf_gossip_t *message)
{
    message->key = zf_read_name (r);
    message->value = zf_read_longstr (r);
    message->ttl_ms = zf_read_u32be (r);
    if (message->value.size > ZF_GOSSIP_VALUE_MAX ||
        (message->value.size > 0 && memchr (message->value.data, 0, message->value.size) != NULL))
        r->failed = true;
}

bool zf_gossip_is (zf_bytes_t frame)
{
    zf_reader_t r = zf_reader (frame);
    return zf_read_u16be (&r) == SIGNATURE;
}

bool zf_gossip_decode (zf_bytes_t frame, zf_gossip_t *message)
{
    zf_reader_t r = zf_reader (frame);
    memset (message, 0, sizeof *message);
    bool is_ours = zf_read_u16be (&r) == SIGNATURE;
    uint8_t id = zf_read_u8 (&r);
    is_ours = is_ours && id >= ZF_GOSSIP_HELLO && id <= ZF_GOSSIP_INVALID;
    is_ours = is_ours && zf_read_u8 (&r) == VERSION;
    if (!is_ours)
        return false;
    message->id = (zf_gossip_id_t) id;
    if (message->id == ZF_GOSSIP_PUBLISH)
        read_tuple (&r, message);
    return zf_reader_done (&r);
}

void zf_gossip_encode (zf_writer_t *w, const zf_gossip_t *message)
{
    zf_write_u16be (w, SIGNATURE);
    zf_write_u8 (w, (uint8_t) message->id);
    zf_write_u8 (w, VERSION);
    if (message->id != ZF_GOSSIP_PUBLISH)
        return;
    zf_write_str8 (w, message->key);
    zf_write_longstr (w, message->value);
    zf_write_u32be (w, message->ttl_ms);
}
