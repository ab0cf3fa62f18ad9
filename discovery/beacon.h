/* The beacon of ZRE (RFC 36): the datagram by which nodes find each other. Pure.
 *
 * Version 2 of RFC 36, 22 bytes: "ZRE" 01, uuid[16], port (16 bits, big-endian). Version 3, 54
 * bytes: "ZRE" 03, the same, and a CURVE public key[32]. Port 0: the node is leaving. */
#ifndef ZF_DISCOVERY_BEACON_H
#define ZF_DISCOVERY_BEACON_H

#include "core/bytes.h"

#define ZF_BEACON_BYTES     22
#define ZF_BEACON_KEY_BYTES 54
#define ZF_CURVE_KEY_BYTES  32

typedef struct {
    uint8_t uuid[ZF_UUID_BYTES];
    uint16_t port; /* TCP, of the mailbox; 0: it is leaving */
    bool has_key;
    uint8_t key[ZF_CURVE_KEY_BYTES]; /* CURVE, public */
} zf_beacon_t;

/* Writes it and returns how many bytes that are. */
size_t zf_beacon_encode (const zf_beacon_t *beacon, uint8_t out[ZF_BEACON_KEY_BYTES]);

/* False: this is no beacon of a version that we know. */
bool zf_beacon_decode (zf_bytes_t datagram, zf_beacon_t *beacon);

#endif
