#include "patterns/parcel.h"

#include "core/props.h"

#include <stdlib.h>
#include <zferry/error.h>

#define COPY_BYTES \
    2048 /* a message this small is copied: cheaper than sharing it between
            threads */

zf_buffer_t *zf_buffer_new (size_t capacity)
{
    if (capacity > UINT32_MAX)
        return NULL;
    zf_buffer_t *buffer = malloc (sizeof *buffer + capacity);
    if (buffer == NULL)
        return NULL;
    atomic_init (&buffer->holders, 1);
    buffer->capacity = (uint32_t) capacity;
    buffer->size = 0;
    return buffer;
}

zf_buffer_t *zf_buffer_grow (zf_buffer_t *buffer, size_t capacity)
{
    if (capacity > UINT32_MAX)
        return NULL;
    zf_buffer_t *grown = realloc (buffer, sizeof *buffer + capacity);
    if (grown != NULL)
        grown->capacity = (uint32_t) capacity;
    return grown;
}

void zf_buffer_drop (zf_buffer_t *buffer)
{
    if (buffer != NULL && atomic_fetch_sub (&buffer->holders, 1) == 1)
        free (buffer);
}

static void drop_sent (void *data, void *hint)
{
    (void) data;
    zf_buffer_drop (hint);
}

int zf_buffer_message (zf_buffer_t *buffer, zmq_msg_t *message)
{
    if (buffer->size <= COPY_BYTES) {
        if (zmq_msg_init_size (message, buffer->size) != 0)
            return ZF_E_NOMEM;
        memcpy (zmq_msg_data (message), buffer->data, buffer->size);
        return 0;
    }
    atomic_fetch_add (&buffer->holders, 1);
    if (zmq_msg_init_data (message, buffer->data, buffer->size, drop_sent, buffer) == 0)
        return 0;
    atomic_fetch_sub (&buffer->holders, 1);
    return ZF_E_NOMEM;
}

static void release_parcel (void *owner)
{
    zf_parcel_drop (owner);
}

zf_parcel_t *zf_parcel_open (zmq_msg_t *frame, int *code)
{
    zf_batch_t batch;
    *code = frame != NULL
                ? zf_batch_decode (zf_bytes (zmq_msg_data (frame), zmq_msg_size (frame)), &batch)
                : ZF_E_PROTO;
    if (*code != 0)
        return NULL;
    zf_parcel_t *parcel = malloc (sizeof *parcel);
    if (parcel == NULL) {
        *code = ZF_E_NOMEM;
        return NULL;
    }
    parcel->owner.release = release_parcel;
    atomic_init (&parcel->holders, 1);
    zmq_msg_init (&parcel->frame);
    zmq_msg_move (&parcel->frame, frame);
    parcel->batch = batch;
    parcel->batch.records = (const uint8_t *) zmq_msg_data (&parcel->frame) + ZF_BATCH_HEADER;
    parcel->left = batch.count;
    parcel->at = parcel->batch.records;
    return parcel;
}

bool zf_parcel_next (zf_parcel_t *parcel, zf_message_t *message)
{
    zf_record_t record;
    if (parcel->left == 0)
        return false;
    const uint8_t *next =
        zf_record_decode (parcel->at, parcel->batch.records + parcel->batch.size, &record);
    if (next == NULL) { /* the rest is not what the header says */
        parcel->left = 0;
        return false;
    }
    memset (message, 0, sizeof *message);
    message->body = record.body.data;
    message->size = record.body.size;
    message->props = record.props;
    parcel->at = next;
    parcel->left--;
    return true;
}

void zf_parcel_own (zf_parcel_t *parcel, zf_message_t *message)
{
    atomic_fetch_add (&parcel->holders, 1);
    message->owner = parcel;
}

void zf_parcel_drop (zf_parcel_t *parcel)
{
    if (parcel == NULL || atomic_fetch_sub (&parcel->holders, 1) != 1)
        return;
    zmq_msg_close (&parcel->frame);
    free (parcel);
}

int zf_body_size (const void *body, size_t size, const zf_props_t *props, size_t *total)
{
    *total = size;
    if (props != NULL && props->struct_size != sizeof *props && props->struct_size != 0)
        return ZF_E_INVAL;
    if (props == NULL || props->frames == NULL)
        return body == NULL && size > 0 ? ZF_E_INVAL : size > ZF_BODY_MAX ? ZF_E_TOO_BIG : 0;
    *total = 0;
    for (size_t i = 0; i < props->frame_count; i++) {
        if (props->frames[i].size > ZF_BODY_MAX - *total)
            return ZF_E_TOO_BIG;
        *total += props->frames[i].size;
    }
    return 0;
}

uint8_t *zf_body_write (uint8_t *at, zf_bytes_t encoded_props, const void *body, size_t size,
                        const zf_props_t *props)
{
    if (props == NULL || props->frames == NULL)
        return zf_record_encode (at, encoded_props, zf_bytes (body, size));
    uint8_t *end = at + zf_record_size (encoded_props.size, size);
    uint8_t *to = end - size;
    zf_record_head (at, encoded_props, size);
    for (size_t i = 0; i < props->frame_count; i++) {
        if (props->frames[i].size > 0)
            memcpy (to, props->frames[i].data, props->frames[i].size);
        to += props->frames[i].size;
    }
    return end;
}

int zf_buffer_record (zf_buffer_t **out, const void *body, size_t size, const zf_props_t *props,
                      uint64_t number)
{
    zf_writer_t encoded = {0};
    size_t total;
    *out = NULL;
    int rc = zf_body_size (body, size, props, &total);
    if (rc == 0 && props != NULL)
        rc = zf_props_encode (&encoded, props, NULL);
    if (rc == 0) {
        size_t bytes = ZF_BATCH_HEADER + zf_record_size (encoded.size, total);
        *out = zf_buffer_new (bytes);
        rc = *out != NULL ? 0 : ZF_E_NOMEM;
        if (rc == 0) {
            zf_bytes_t encoded_props = zf_bytes (encoded.data, encoded.size);
            (*out)->size = (uint32_t) bytes;
            zf_body_write ((*out)->data + ZF_BATCH_HEADER, encoded_props, body, total, props);
            zf_batch_seal ((*out)->data, bytes, 1, encoded.size > 0 ? ZF_BATCH_HAS_PROPS : 0,
                           number);
        }
    }
    zf_writer_free (&encoded);
    return rc;
}
