/* Bytes on their way out and in.
 *
 * A buffer is a batch that we built: kept until it is confirmed, and lent to ZeroMQ meanwhile. A
 * parcel is a batch that came in: kept until every message made of it is given back. Both are
 * counted atomically: ZeroMQ's threads and the application's may be the last to hold them. */
#ifndef ZF_PATTERNS_PARCEL_H
#define ZF_PATTERNS_PARCEL_H

#include "core/batch.h"

#include <stdatomic.h>
#include <zmq.h>

typedef struct {
    atomic_uint holders;
    uint32_t capacity;
    uint32_t size;
    uint8_t data[];
} zf_buffer_t;

/* An empty buffer, held once. NULL: out of memory. */
zf_buffer_t *zf_buffer_new (size_t capacity);

/* The same, with more room; only while nobody else holds it. On failure NULL, and the old one is as
 * it was. */
zf_buffer_t *zf_buffer_grow (zf_buffer_t *buffer, size_t capacity);
void zf_buffer_drop (zf_buffer_t *buffer);

/* A message of its bytes: a copy of a small one, else the bytes themselves, held until ZeroMQ has
 * sent them. */
int zf_buffer_message (zf_buffer_t *buffer, zmq_msg_t *message);

/* What a zf_message_t belongs to: how to give it back. The first field of whatever owns
 * messages. */
typedef struct {
    void (*release) (void *owner);
} zf_owner_t;

typedef struct {
    zf_owner_t owner;
    atomic_uint holders;
    zmq_msg_t frame;
    zf_batch_t batch;
    uint32_t left;     /* records that were not taken out yet */
    const uint8_t *at; /* the next one */
} zf_parcel_t;

/* Takes the frame over if it is a sound batch. Returns NULL and *code: ZF_E_PROTO, ZF_E_CORRUPT,
 * ZF_E_VERSION, ZF_E_NOMEM. */
zf_parcel_t *zf_parcel_open (zmq_msg_t *frame, int *code);

/* The next record as a message: body, size and props are set, all else is zero. Holds nothing.
 * Returns false at the end. */
bool zf_parcel_next (zf_parcel_t *parcel, zf_message_t *message);

/* Makes the message an owner of the parcel, for zf_message_release. */
void zf_parcel_own (zf_parcel_t *parcel, zf_message_t *message);
void zf_parcel_drop (zf_parcel_t *parcel);

/* Encodes one record as a sealed batch. Returns 0 and a buffer, ZF_E_INVAL, ZF_E_TOO_BIG,
 * ZF_E_NOMEM. */
int zf_buffer_record (zf_buffer_t **buffer, const void *body, size_t size, const zf_props_t *props,
                      uint64_t number);

/* What a caller says is in the body: bytes and, if it has frames, their sum. Returns 0, ZF_E_INVAL,
 * ZF_E_TOO_BIG. */
int zf_body_size (const void *body, size_t size, const zf_props_t *props, size_t *total);

/* Writes the record (props encoded already) at `at`, frames one after another. Returns where the
 * next one goes. */
uint8_t *zf_body_write (uint8_t *at, zf_bytes_t encoded_props, const void *body, size_t size,
                        const zf_props_t *props);

#endif
