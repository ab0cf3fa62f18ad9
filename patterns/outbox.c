#include "patterns/outbox.h"

#include "core/props.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define EAGER_BATCHES 4   /* while fewer are under way a batch is sent however small it is */
#define FIRST_BYTES   512 /* room of a queue's first batch */

/* How large a batch may be. */
static size_t batch_limit (const zf_outboxes_t *outboxes)
{
    uint64_t most = zf_handle_home (outboxes->handle)->max_message_bytes;
    return most < outboxes->batch_bytes ? (size_t) most : outboxes->batch_bytes;
}

static zf_connection_t *connection_of (const zf_outboxes_t *outboxes)
{
    return zf_handle_home (outboxes->handle);
}

static zf_outbox_t *make_outbox (zf_outboxes_t *outboxes, const char *queue, size_t size)
{
    zf_outbox_t *outbox = calloc (1, sizeof *outbox);
    if (outbox == NULL)
        return NULL;
    outbox->name = strdup (queue);
    outbox->name_size = size;
    outbox->next = 1;
    outbox->usual_bytes = FIRST_BYTES;
    if (outbox->name != NULL)
        HASH_ADD_KEYPTR (hh, outboxes->table, outbox->name, size, outbox);
    if (outbox->name == NULL || outbox->hh.tbl == NULL) {
        free (outbox->name);
        free (outbox);
        return NULL;
    }
    return outbox;
}

zf_outbox_t *zf_outbox_for (zf_outboxes_t *outboxes, const char *queue)
{
    zf_outbox_t *outbox = outboxes->recent;
    if (outbox != NULL && strcmp (outbox->name, queue) == 0)
        return outbox;
    size_t size = strlen (queue);
    HASH_FIND (hh, outboxes->table, queue, size, outbox);
    if (outbox == NULL)
        outbox = make_outbox (outboxes, queue, size);
    outboxes->recent = outbox;
    return outbox;
}

bool zf_outbox_has_room (const zf_outboxes_t *outboxes, size_t bytes)
{
    uint64_t window = connection_of (outboxes)->window_bytes;
    if (window == 0 || window > outboxes->window_bytes)
        window = outboxes->window_bytes;
    return outboxes->unconfirmed_bytes == 0 || outboxes->unconfirmed_bytes + bytes <= window;
}

uint64_t zf_outbox_low (const zf_outbox_t *outbox)
{
    const zf_outgoing_t *oldest = outbox->closed;
    if (oldest != NULL)
        return oldest->first + oldest->done;
    return outbox->open != NULL ? outbox->open->first : outbox->next;
}

/* -- outcomes ---------------------------------------------------------------------------------- */

/* Bytes of n records of the batch from index i on. */
static size_t record_bytes (const zf_outgoing_t *batch, uint32_t i, uint32_t n)
{
    const uint8_t *data = batch->buffer->data;
    const uint8_t *at = data + ZF_BATCH_HEADER;
    if (i == 0 && n == batch->count)
        return batch->buffer->size - ZF_BATCH_HEADER;
    const uint8_t *from = at;
    for (uint32_t k = 0; k < i + n && at != NULL; k++) {
        zf_record_t record;
        if (k == i)
            from = at;
        at = zf_record_decode (at, data + batch->buffer->size, &record);
    }
    return at != NULL ? (size_t) (at - from) : 0;
}

/* Callers that wait for one of these learn of it; they are not counted for a flush. Returns how
 * many. */
static uint64_t tell_blocked (zf_outbox_t *outbox, uint64_t first, uint64_t count, int code)
{
    uint64_t told = 0;
    zf_blocked_t *blocked;
    DL_FOREACH (outbox->blocked, blocked) {
        if (blocked->number < first || blocked->number >= first + count)
            continue;
        blocked->done = true;
        blocked->code = code;
        told++;
    }
    return told;
}

static void settle (zf_outboxes_t *outboxes, zf_outbox_t *outbox, zf_outgoing_t *batch, uint32_t n,
                    int code)
{
    uint64_t first = batch->first + batch->done;
    outboxes->unconfirmed -= n;
    outboxes->unconfirmed_bytes -= record_bytes (batch, batch->done, n);
    batch->done += n;
    uint64_t told = tell_blocked (outbox, first, n, code);
    if (code == 0)
        outboxes->confirmed += n;
    else
        outboxes->refused += n;
    if (code != 0 && told < n && outboxes->refusal == 0)
        outboxes->refusal = code;
    outboxes->outcome (outboxes->arg, outbox, first, n, code);
    if (batch->done < batch->count)
        return;
    DL_DELETE (outbox->closed, batch);
    outbox->closed_count--;
    zf_buffer_drop (batch->buffer);
    free (batch);
}

/* -- sending ----------------------------------------------------------------------------------- */

static bool send_batch (zf_outboxes_t *outboxes, zf_outbox_t *outbox, zf_outgoing_t *batch)
{
    zf_connection_t *connection = connection_of (outboxes);
    zmq_msg_t body;
    if (connection->state != ZF_CONNECTION_READY ||
        batch->buffer->size > connection->max_message_bytes ||
        zf_buffer_message (batch->buffer, &body) != 0)
        return false;
    zf_writer_t *w = zf_handle_control (connection->handle, ZF_CMD_POST, outbox->is_stream ? 4 : 3);
    zf_mp_put_str (w, zf_bytes (outbox->name, outbox->name_size));
    zf_mp_put_uint (w, zf_outbox_low (outbox));
    if (outbox->is_stream)
        zf_mp_put_uint (w, ZF_MAKE_STREAM);
    batch->is_sent = zf_connection_send (connection, &body);
    if (!batch->is_sent)
        zmq_msg_close (&body);
    else
        outboxes->batches++;
    return batch->is_sent;
}

/* No more records for the open batch: it is sealed, and sent unless others have to go before it. */
static void close_batch (zf_outboxes_t *outboxes, zf_outbox_t *outbox)
{
    zf_outgoing_t *batch = outbox->open;
    outbox->open = NULL;
    outbox->usual_bytes = batch->buffer->size;
    zf_batch_seal (batch->buffer->data, batch->buffer->size, batch->count, batch->flags,
                   batch->first);
    DL_APPEND (outbox->closed, batch);
    outbox->closed_count++;
    if (outboxes->stalled || !send_batch (outboxes, outbox, batch))
        outboxes->stalled = true;
}

/* Sends batches that are not sent, in order. Returns false if some have to wait. One that was made
 * for a broker that takes more than this one is refused, when all before it have an outcome. */
static bool send_unsent (zf_outboxes_t *outboxes, zf_outbox_t *outbox)
{
    uint64_t most = connection_of (outboxes)->max_message_bytes;
    zf_outgoing_t *batch, *next;
    DL_FOREACH_SAFE (outbox->closed, batch, next) {
        if (batch->is_sent)
            continue;
        if (batch->buffer->size > most && batch == outbox->closed)
            settle (outboxes, outbox, batch, batch->count - batch->done, ZF_E_TOO_BIG);
        else if (!send_batch (outboxes, outbox, batch))
            return false;
    }
    return true;
}

void zf_outbox_retry (zf_outboxes_t *outboxes)
{
    zf_outbox_t *outbox, *next;
    if (!outboxes->stalled || connection_of (outboxes)->state != ZF_CONNECTION_READY)
        return;
    outboxes->stalled = false;
    HASH_ITER (hh, outboxes->table, outbox, next) {
        if (!send_unsent (outboxes, outbox))
            outboxes->stalled = true;
    }
}

void zf_outbox_resend (zf_outboxes_t *outboxes)
{
    zf_outbox_t *outbox, *next;
    HASH_ITER (hh, outboxes->table, outbox, next) {
        zf_outgoing_t *batch;
        DL_FOREACH (outbox->closed, batch)
            batch->is_sent = false;
    }
    outboxes->stalled = true;
    zf_outbox_retry (outboxes);
    zf_outbox_flush (outboxes);
}

void zf_outbox_flush (zf_outboxes_t *outboxes)
{
    zf_outbox_t *outbox, *next;
    HASH_ITER (hh, outboxes->table, outbox, next) {
        if (outbox->open != NULL)
            close_batch (outboxes, outbox);
    }
}

/* -- properties -------------------------------------------------------------------------------- */

static bool is_topic_only (const zf_props_t *props)
{
    return props->topic.size > 0 && props->id.size == 0 && props->key.size == 0 &&
           props->delay_ms == 0 && props->ttl_ms == 0 && props->priority == 0 &&
           props->header_count == 0 && props->frames == NULL && props->trace.size == 0 &&
           !props->keep_reply;
}

/* True if what was encoded last is just this: then the topic is its tail. */
static bool is_encoded (const zf_outboxes_t *outboxes, zf_bytes_t topic)
{
    const zf_writer_t *scratch = &outboxes->scratch;
    const size_t head = 4; /* map, key, and bin with a size of one byte */
    return outboxes->is_topic && scratch->size == head + topic.size &&
           memcmp (scratch->data + head, topic.data, topic.size) == 0;
}

int zf_outbox_encode (zf_outboxes_t *outboxes, const zf_props_t *props)
{
    zf_writer_t *scratch = &outboxes->scratch;
    bool topic_only = props != NULL && is_topic_only (props);
    if (topic_only && is_encoded (outboxes, props->topic))
        return 0;
    outboxes->is_topic = false;
    scratch->size = 0;
    scratch->failed = false;
    int rc = props != NULL ? zf_props_encode (scratch, props, NULL) : 0;
    outboxes->is_topic = rc == 0 && topic_only;
    return rc;
}

/* -- adding ------------------------------------------------------------------------------------ */

static zf_outgoing_t *open_batch (zf_outboxes_t *outboxes, zf_outbox_t *outbox, size_t bytes)
{
    zf_outgoing_t *batch = calloc (1, sizeof *batch);
    size_t room = outbox->usual_bytes + outbox->usual_bytes / 4;
    if (room > batch_limit (outboxes))
        room = batch_limit (outboxes);
    if (room < ZF_BATCH_HEADER + bytes)
        room = ZF_BATCH_HEADER + bytes;
    if (batch != NULL)
        batch->buffer = zf_buffer_new (room);
    if (batch == NULL || batch->buffer == NULL) {
        free (batch);
        return NULL;
    }
    batch->buffer->size = ZF_BATCH_HEADER;
    batch->first = outbox->next;
    return batch;
}

/* The open batch with room for so many bytes; NULL: out of memory. */
static zf_outgoing_t *batch_with_room (zf_outboxes_t *outboxes, zf_outbox_t *outbox, size_t bytes)
{
    zf_outgoing_t *batch = outbox->open;
    if (batch != NULL && batch->buffer->size + bytes > batch->buffer->capacity) {
        size_t more = 2 * (size_t) batch->buffer->capacity;
        if (more > batch_limit (outboxes))
            more = batch_limit (outboxes);
        if (batch->buffer->size + bytes <= more) {
            zf_buffer_t *grown = zf_buffer_grow (batch->buffer, more);
            if (grown == NULL)
                return NULL;
            batch->buffer = grown;
        } else {
            close_batch (outboxes, outbox);
            batch = NULL;
        }
    }
    if (batch == NULL)
        batch = outbox->open = open_batch (outboxes, outbox, bytes);
    return batch;
}

int zf_outbox_add (zf_outboxes_t *outboxes, zf_outbox_t *outbox, const void *body, size_t size,
                   const zf_props_t *props, uint64_t *number)
{
    zf_bytes_t encoded = zf_bytes (outboxes->scratch.data, outboxes->scratch.size);
    size_t bytes = zf_record_size (encoded.size, size);
    zf_outgoing_t *batch = batch_with_room (outboxes, outbox, bytes);
    if (batch == NULL)
        return ZF_E_NOMEM;
    zf_body_write (batch->buffer->data + batch->buffer->size, encoded, body, size, props);
    batch->buffer->size += (uint32_t) bytes;
    batch->count++;
    if (encoded.size > 0)
        batch->flags = ZF_BATCH_HAS_PROPS;
    *number = outbox->next++;
    outboxes->unconfirmed++;
    outboxes->unconfirmed_bytes += bytes;
    if (outbox->closed_count < EAGER_BATCHES || batch->buffer->size >= outboxes->batch_bytes ||
        batch->count == ZF_BATCH_RECORDS_MAX)
        close_batch (outboxes, outbox);
    return 0;
}

/* -- confirms ---------------------------------------------------------------------------------- */

/* Outcomes come in the order of the numbers; what is behind us already was told twice (it was sent
 * twice). */
static void settle_range (zf_outboxes_t *outboxes, zf_outbox_t *outbox, uint64_t first,
                          uint64_t end, int code)
{
    for (;;) {
        zf_outgoing_t *batch = outbox->closed;
        if (batch == NULL || batch->first + batch->done < first ||
            batch->first + batch->done >= end)
            return;
        uint64_t behind = batch->first + batch->count < end ? batch->first + batch->count : end;
        settle (outboxes, outbox, batch, (uint32_t) (behind - batch->first - batch->done), code);
    }
}

void zf_outbox_on_confirm (zf_outboxes_t *outboxes, zf_reader_t *r)
{
    zf_bytes_t name = zf_mp_bytes (r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    zf_outbox_t *outbox = NULL;
    if (r->failed || count > ZF_BATCH_RECORDS_MAX || code > 1000)
        return;
    HASH_FIND (hh, outboxes->table, name.data, name.size, outbox);
    if (outbox == NULL)
        return;
    settle_range (outboxes, outbox, first, first + count, -(int) code);
    if (outboxes->stalled)
        zf_outbox_retry (outboxes);
    if (outbox->open != NULL && outbox->closed_count < EAGER_BATCHES)
        close_batch (outboxes, outbox);
}

void zf_outbox_free (zf_outboxes_t *outboxes)
{
    zf_outbox_t *outbox, *next;
    HASH_ITER (hh, outboxes->table, outbox, next) {
        zf_outgoing_t *batch, *behind;
        if (outbox->open != NULL)
            DL_APPEND (outbox->closed, outbox->open);
        DL_FOREACH_SAFE (outbox->closed, batch, behind) {
            zf_buffer_drop (batch->buffer);
            free (batch);
        }
        /* NOLINTNEXTLINE(clang-analyzer-*): HASH_ITER knows the next one */
        HASH_DEL (outboxes->table, outbox);
        free (outbox->name);
        free (outbox);
    }
    zf_writer_free (&outboxes->scratch);
}
