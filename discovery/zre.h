/* The messages of ZRE (RFC 36, version 2), and those that Zyre adds. Pure: views into frames, no
 * memory of its own.
 *
 * A message's first frame: AA A1, id, version 2, sequence (16 bits), and what the id asks for, all
 * big-endian; str8 is a length of one byte and its bytes, longstr one of four. The frames behind it
 * are the content of WHISPER and SHOUT. */
#ifndef ZF_DISCOVERY_ZRE_H
#define ZF_DISCOVERY_ZRE_H

#include "core/bytes.h"

#define ZF_ZRE_VERSION     2
#define ZF_ZRE_HEADERS_MAX 1024       /* of a node */
#define ZF_ZRE_GROUPS_MAX  1024       /* of a node */
#define ZF_ZRE_FRAME_MAX   (1u << 20) /* bytes of the first frame */

typedef enum {
    ZF_ZRE_HELLO = 1, /* endpoint, groups, status, name, headers */
    ZF_ZRE_WHISPER,   /* and content */
    ZF_ZRE_SHOUT,     /* group, and content */
    ZF_ZRE_JOIN,      /* group, status */
    ZF_ZRE_LEAVE,     /* group, status */
    ZF_ZRE_PING,
    ZF_ZRE_PING_OK,
    ZF_ZRE_ELECT,  /* Zyre's: group, challenger */
    ZF_ZRE_LEADER, /* Zyre's: group, leader */
    ZF_ZRE_GOODBYE /* Zyre's */
} zf_zre_id_t;

/* What a first frame says; what its id does not have is empty. Views into the frame. */
typedef struct {
    zf_zre_id_t id;
    uint16_t sequence;
    uint8_t status; /* counts joins and leaves, and goes round */
    zf_bytes_t endpoint;
    zf_bytes_t name;
    zf_bytes_t group;
    zf_bytes_t who; /* of ELECT and LEADER */
    uint32_t group_count;
    zf_bytes_t groups; /* encoded: zf_zre_next_group */
    uint32_t header_count;
    zf_bytes_t headers; /* encoded: zf_zre_next_header */
} zf_zre_t;

/* Returns false if the frame is malformed in any way: a wrong signature or version, an id that
 * nobody knows, bytes missing or left over, counts above the limits, a group of more than 255
 * bytes, a zero in anything but the value of a header. All is checked here: what is iterated later
 * is sound. */
bool zf_zre_decode (zf_bytes_t frame, zf_zre_t *message);

/* Iterates: begin with the view of the message; false at the end. */
bool zf_zre_next_group (zf_bytes_t *groups, zf_bytes_t *group);
bool zf_zre_next_header (zf_bytes_t *headers, zf_bytes_t *name, zf_bytes_t *value);

/* Appends a first frame. Of HELLO's lists message->groups and message->headers are encoded already
 * (zf_zre_put_group, zf_zre_put_header), with their counts. Sets w->failed if a string is too long
 * for its length, or memory is short. */
void zf_zre_encode (zf_writer_t *w, const zf_zre_t *message);
void zf_zre_put_group (zf_writer_t *w, zf_bytes_t group);
void zf_zre_put_header (zf_writer_t *w, zf_bytes_t name, zf_bytes_t value);

/* Where the sequence lies in a first frame, for who fills it in at the last moment. */
#define ZF_ZRE_SEQUENCE_AT 4
void zf_zre_set_sequence (uint8_t *frame, uint16_t sequence);

#endif
