/* The messages of zgossip (czmq's gossip discovery, zgossip_msg version 1). Pure.
 *
 * One frame each: AA A0, id, version 1, and for PUBLISH a key (str8), a value (longstr) and a time
 * to live in milliseconds (32 bits, 0: for ever), all big-endian. Nodes publish their uuid, 32
 * upper-case hexadecimal digits, with the value endpoint or endpoint|Z85 of their CURVE key. */
#ifndef ZF_DISCOVERY_GOSSIP_H
#define ZF_DISCOVERY_GOSSIP_H

#include "core/bytes.h"

#define ZF_GOSSIP_VALUE_MAX 4096 /* bytes that are taken */

typedef enum {
    ZF_GOSSIP_HELLO = 1,
    ZF_GOSSIP_PUBLISH,
    ZF_GOSSIP_PING,
    ZF_GOSSIP_PONG,
    ZF_GOSSIP_INVALID
} zf_gossip_id_t;

typedef struct {
    zf_gossip_id_t id;
    zf_bytes_t key;
    zf_bytes_t value;
    uint32_t ttl_ms;
} zf_gossip_t;

/* True if it begins as a message of gossip does, whatever follows. */
bool zf_gossip_is (zf_bytes_t frame);

/* False: malformed, or a key or value with a zero in it, or one that is too large. Views into the
 * frame. */
bool zf_gossip_decode (zf_bytes_t frame, zf_gossip_t *message);

/* Sets w->failed if the key is too long, or memory is short. */
void zf_gossip_encode (zf_writer_t *w, const zf_gossip_t *message);

#endif
