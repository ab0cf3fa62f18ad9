#include "discovery/zre.h"

#include "discovery/strings.h"

#define SIGNATURE 0xaaa1

/* -- lists of HELLO ---------------------------------------------------------------------------- */

static zf_bytes_t read_group (zf_reader_t *r)
{
    zf_bytes_t group = zf_read_longstr (r);
    if (group.size > ZF_STR8_MAX || /* nobody could shout to it */
        (group.size > 0 && memchr (group.data, 0, group.size) != NULL))
        r->failed = true;
    return group;
}

static void read_header (zf_reader_t *r, zf_bytes_t *name, zf_bytes_t *value)
{
    *name = zf_read_name (r);
    *value = zf_read_longstr (r);
}

/* What was read since start. */
static zf_bytes_t view_since (const zf_reader_t *r, const uint8_t *start)
{
    return zf_bytes (start, (size_t) (r->at - start));
}

static void read_groups (zf_reader_t *r, zf_zre_t *message)
{
    message->group_count = zf_read_u32be (r);
    const uint8_t *start = r->at;
    r->failed = r->failed || message->group_count > ZF_ZRE_GROUPS_MAX;
    for (uint32_t i = 0; i < message->group_count && !r->failed; i++)
        read_group (r);
    message->groups = view_since (r, start);
}

static void read_headers (zf_reader_t *r, zf_zre_t *message)
{
    zf_bytes_t name, value;
    message->header_count = zf_read_u32be (r);
    const uint8_t *start = r->at;
    r->failed = r->failed || message->header_count > ZF_ZRE_HEADERS_MAX;
    for (uint32_t i = 0; i < message->header_count && !r->failed; i++)
        read_header (r, &name, &value);
    message->headers = view_since (r, start);
}

bool zf_zre_next_group (zf_bytes_t *groups, zf_bytes_t *group)
{
    zf_reader_t r = zf_reader (*groups);
    if (groups->size == 0)
        return false;
    *group = read_group (&r);
    *groups = zf_bytes (r.at, zf_reader_left (&r));
    return !r.failed;
}

bool zf_zre_next_header (zf_bytes_t *headers, zf_bytes_t *name, zf_bytes_t *value)
{
    zf_reader_t r = zf_reader (*headers);
    if (headers->size == 0)
        return false;
    read_header (&r, name, value);
    *headers = zf_bytes (r.at, zf_reader_left (&r));
    return !r.failed;
}

void zf_zre_put_group (zf_writer_t *w, zf_bytes_t group)
{
    w->failed = w->failed || group.size > ZF_STR8_MAX;
    zf_write_longstr (w, group);
}

void zf_zre_put_header (zf_writer_t *w, zf_bytes_t name, zf_bytes_t value)
{
    zf_write_str8 (w, name);
    zf_write_longstr (w, value);
}

/* -- messages ---------------------------------------------------------------------------------- */

static void read_hello (zf_reader_t *r, zf_zre_t *message)
{
    message->endpoint = zf_read_name (r);
    read_groups (r, message);
    message->status = zf_read_u8 (r);
    message->name = zf_read_name (r);
    read_headers (r, message);
}

static void write_hello (zf_writer_t *w, const zf_zre_t *message)
{
    zf_write_str8 (w, message->endpoint);
    zf_write_u32be (w, message->group_count);
    zf_write_bytes (w, message->groups.data, message->groups.size);
    zf_write_u8 (w, message->status);
    zf_write_str8 (w, message->name);
    zf_write_u32be (w, message->header_count);
    zf_write_bytes (w, message->headers.data, message->headers.size);
}

/* Returns false if nobody knows this id. */
static bool read_rest (zf_reader_t *r, zf_zre_t *message, uint8_t id)
{
    switch (id) {
    case ZF_ZRE_HELLO:
        read_hello (r, message);
        return true;
    case ZF_ZRE_SHOUT:
        message->group = zf_read_name (r);
        return true;
    case ZF_ZRE_JOIN:
    case ZF_ZRE_LEAVE:
        message->group = zf_read_name (r);
        message->status = zf_read_u8 (r);
        return true;
    case ZF_ZRE_ELECT:
    case ZF_ZRE_LEADER:
        message->group = zf_read_name (r);
        message->who = zf_read_name (r);
        return true;
    case ZF_ZRE_WHISPER:
    case ZF_ZRE_PING:
    case ZF_ZRE_PING_OK:
    case ZF_ZRE_GOODBYE:
        return true;
    default:
        return false;
    }
}

bool zf_zre_decode (zf_bytes_t frame, zf_zre_t *message)
{
    zf_reader_t r = zf_reader (frame);
    memset (message, 0, sizeof *message);
    bool is_zre = frame.size <= ZF_ZRE_FRAME_MAX && zf_read_u16be (&r) == SIGNATURE;
    uint8_t id = zf_read_u8 (&r);
    is_zre = is_zre && zf_read_u8 (&r) == ZF_ZRE_VERSION;
    message->id = (zf_zre_id_t) id;
    message->sequence = zf_read_u16be (&r);
    return is_zre && read_rest (&r, message, id) && zf_reader_done (&r);
}

void zf_zre_encode (zf_writer_t *w, const zf_zre_t *message)
{
    zf_write_u16be (w, SIGNATURE);
    zf_write_u8 (w, (uint8_t) message->id);
    zf_write_u8 (w, ZF_ZRE_VERSION);
    zf_write_u16be (w, message->sequence);
    switch (message->id) {
    case ZF_ZRE_HELLO:
        write_hello (w, message);
        break;
    case ZF_ZRE_SHOUT:
        zf_write_str8 (w, message->group);
        break;
    case ZF_ZRE_JOIN:
    case ZF_ZRE_LEAVE:
        zf_write_str8 (w, message->group);
        zf_write_u8 (w, message->status);
        break;
    case ZF_ZRE_ELECT:
    case ZF_ZRE_LEADER:
        zf_write_str8 (w, message->group);
        zf_write_str8 (w, message->who);
        break;
    case ZF_ZRE_WHISPER:
    case ZF_ZRE_PING:
    case ZF_ZRE_PING_OK:
    case ZF_ZRE_GOODBYE:
        break; /* nothing more */
    }
}

void zf_zre_set_sequence (uint8_t *frame, uint16_t sequence)
{
    zf_store_u16be (frame + ZF_ZRE_SEQUENCE_AT, sequence);
}
