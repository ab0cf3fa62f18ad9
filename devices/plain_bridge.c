/* The stream and the plain side: what comes in on one goes out on the other.
 *
 *   plain message              record
 *   one frame                  no topic, that body
 *   [topic][frames...]         topic, the other frames (the first one has 1 .. 255 bytes)
 *   any other frames           no topic, all frames
 *
 * Plain messages become records only while somebody reads the stream, or all of it is kept; records
 * become plain messages only while somebody subscribes here. */
#include "devices/plain.h"

#include "core/props.h"
#include <stdlib.h>
#include <zferry/error.h>

#define BATCH_BYTES  65536u
#define WINDOW_BYTES (UINT64_C (16) << 20)
#define RETRY_MS     1000
#define SUBSCRIPTION 1 /* the number of the only one */

/* -- records from plain messages --------------------------------------------------------------- */

static void release_batch (zf_frame_t *frame)
{
    free (frame->data);
    free (frame);
}

/* A frame that takes over what was written; NULL: out of memory. */
static zf_frame_t *seal_batch (zf_side_t *self)
{
    zf_frame_t *frame = malloc (sizeof *frame);
    if (frame == NULL || self->batch.failed) {
        free (frame);
        return NULL;
    }
    zf_batch_seal (self->batch.data, self->batch.size, self->batch_count, ZF_BATCH_HAS_PROPS, 0);
    *frame = (zf_frame_t){self->batch.data, self->batch.size, 1, release_batch};
    memset (&self->batch, 0, sizeof self->batch);
    return frame;
}

static void clear_batch (zf_side_t *self)
{
    self->batch_count = 0;
    self->batch.size = 0;
    self->batch.failed = false;
}

void zf_bridge_put (zf_side_t *self)
{
    int code;
    uint32_t taken = 0;
    if (self->batch_count == 0) {
        clear_batch (self);
        return;
    }
    zf_queue_t *stream = zf_engine_stream (self->engine, zf_bytes_of (self->stream), true, &code);
    zf_frame_t *frame = stream != NULL ? seal_batch (self) : NULL;
    if (frame != NULL)
        taken = zf_stream_put (stream, frame, true);
    zf_frame_drop (frame);
    self->counters.dropped_full += self->batch_count - taken;
    clear_batch (self);
}

/* Appends the frames from `first` on as a record. Returns false if they are no record. */
static bool append_record (zf_side_t *self, size_t first, const zf_bytes_t *frames, size_t count,
                           size_t bytes)
{
    zf_props_t props = {.struct_size = sizeof props};
    if (first == 1)
        props.topic = frames[0];
    props.frames = count - first > 1 ? frames + first : NULL;
    props.frame_count = count - first;
    self->props.size = 0;
    self->props.failed = false;
    if (zf_props_encode (&self->props, &props, NULL) != 0)
        return false;
    zf_bytes_t encoded = zf_bytes (self->props.data, self->props.size);
    size_t size = zf_record_size (encoded.size, bytes);
    if (ZF_BATCH_HEADER + size > self->engine->options.max_message_bytes)
        return false; /* nobody could post that */
    uint8_t *at = zf_writer_reserve (&self->batch, size);
    if (at == NULL)
        return false;
    at = zf_record_head (at, encoded, bytes);
    for (size_t i = first; i < count; i++) {
        if (frames[i].size > 0)
            memcpy (at, frames[i].data, frames[i].size);
        at += frames[i].size;
    }
    self->batch_count++;
    return true;
}

void zf_bridge_collect (zf_side_t *self)
{
    zf_bytes_t frames[ZF_FRAMES_MAX + 1];
    size_t count = self->parcel.count;
    size_t bytes = 0;
    if (count > ZF_FRAMES_MAX + 1) {
        self->counters.dropped_full++;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        frames[i] = zf_parcel_frame (&self->parcel, i);
        bytes += frames[i].size;
    }
    size_t first = count > 1 && frames[0].size > 0 && frames[0].size <= ZF_TOPIC_MAX;
    bytes -= first == 1 ? frames[0].size : 0;
    if (self->batch.size == 0)
        zf_writer_reserve (&self->batch, ZF_BATCH_HEADER);
    if (bytes > ZF_BODY_MAX || !append_record (self, first, frames, count, bytes))
        self->counters.dropped_full++;
    if (self->batch.size >= BATCH_BYTES || self->batch.failed)
        zf_bridge_put (self);
}

/* -- plain messages from records --------------------------------------------------------------- */

static bool add_frame (zf_side_t *self, zf_bytes_t bytes)
{
    zmq_msg_t *frame = zf_parcel_add (&self->parcel);
    if (frame == NULL || zmq_msg_init_size (frame, bytes.size) != 0)
        return false;
    if (bytes.size > 0)
        memcpy (zmq_msg_data (frame), bytes.data, bytes.size);
    zf_socket_hands_over (zmq_msg_data (frame));
    return true;
}

static void send_record (zf_side_t *self, const zf_record_t *record)
{
    zf_props_view_t view;
    if (zf_props_decode (record->props, record->body.size, &view) != 0)
        return;
    size_t count = view.framed ? view.frame_count : 1;
    bool whole = view.topic.size == 0 || add_frame (self, view.topic);
    for (size_t i = 0; whole && i < count; i++)
        whole = add_frame (self, zf_props_frame (&view, record->body, i));
    if (whole && self->parcel.count > 0)
        zf_plain_pass (self);
    zf_parcel_clear (&self->parcel);
}

void zf_bridge_send (zf_side_t *self, zf_effect_t *effect)
{
    zf_batch_t batch;
    if (!self->subscribed)
        return;
    zf_bytes_t bytes = zf_bytes (effect->frames[0].data, effect->frames[0].size);
    if (zf_batch_decode (bytes, &batch) != 0)
        return;
    const uint8_t *at = batch.records;
    const uint8_t *end = at + batch.size;
    for (uint32_t i = 0; at != NULL && i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, end, &record);
        if (at != NULL)
            send_record (self, &record);
    }
}

static void take_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    (void) session; /* nobody speaks for it */
    (void) frames;
    (void) count;
}

static void note_subscribed (const zf_subscription_t *subscription, int code, const char *text)
{
    zf_side_t *self = subscription->session->host;
    (void) text;
    if (self != NULL && code != 0)
        self->subscribed = false;
}

static int note_events (const zf_subscription_t *subscription, const zf_events_t *events)
{
    zf_session_t *session = subscription->session;
    zf_side_t *self = session->host;
    if (self != NULL)
        self->read_to = events->to;
    if (events->frame == NULL)
        return 0;
    zf_out_begin (session);
    zf_out_share (session, events->frame);
    return zf_out_end (session);
}

const zf_dialect_t zf_dialect_plain = {
    .name = "plain", .input = take_input, .subscribed = note_subscribed, .events = note_events};

/* -- while it runs ----------------------------------------------------------------------------- */

void zf_bridge_forget (zf_side_t *self)
{
    self->session = NULL;
    self->subscribed = false;
    self->read_to = 0;
}

/* Has the records of the stream come here. */
static void subscribe (zf_side_t *self)
{
    int code;
    if (self->now_ms < self->retry_ms)
        return;
    self->retry_ms = self->now_ms + RETRY_MS;
    zf_queue_t *stream = zf_engine_stream (self->engine, zf_bytes_of (self->stream), true, &code);
    if (stream != NULL && self->session == NULL)
        self->session = zf_engine_attach (self->engine, self, zf_bytes_of ("plain subscribers"),
                                          &zf_dialect_plain);
    zf_wish_t wish = {.number = SUBSCRIPTION,
                      .start = {ZF_FROM_NEW, 0},
                      .window = WINDOW_BYTES,
                      .not_local = true};
    self->subscribed =
        stream != NULL && self->session != NULL && zf_subscribe (self->session, stream, &wish) == 0;
    if (stream == NULL)
        zf_notice (self->engine, ZF_EVENT_PEER_ERROR, "%s can't be the stream of plain messages",
                   self->stream);
}

static bool has_readers (const zf_side_t *self)
{
    const zf_queue_t *queue = zf_engine_find (self->engine, zf_bytes_of (self->stream));
    const zf_stream_t *stream = queue != NULL ? queue->stream : NULL;
    return stream != NULL &&
           (stream->group_count > 0 || stream->subscription_count > self->subscribed);
}

static void tell_read (zf_side_t *self)
{
    zf_subscription_t *subscription = zf_subscription_find (self->session, SUBSCRIPTION);
    if (subscription != NULL)
        zf_subscription_read (subscription, self->read_to);
    self->read_to = 0;
}

/* Publishers who ask how many read what they publish are told of us only if it goes to somebody. */
static bool wants_records (const zf_side_t *self)
{
    return self->outlet_count > 0 &&
           (self->interests != NULL || self->flooded || self->values != NULL);
}

static void unsubscribe (zf_side_t *self)
{
    zf_subscription_t *subscription = zf_subscription_find (self->session, SUBSCRIPTION);
    self->subscribed = false;
    self->read_to = 0;
    self->retry_ms = 0;
    if (subscription != NULL)
        zf_subscription_end (subscription);
}

/* The stream is there from the beginning, so that people see it. */
static void found (zf_side_t *self)
{
    int code;
    self->is_founded = true;
    zf_engine_stream (self->engine, zf_bytes_of (self->stream), true, &code);
}

void zf_bridge_tend (zf_side_t *self)
{
    bool wants = wants_records (self);
    if (!self->is_founded)
        found (self);
    if (wants && !self->subscribed)
        subscribe (self);
    else if (!wants && self->subscribed)
        unsubscribe (self);
    if (self->read_to != 0)
        tell_read (self);
    bool reads = self->inlet_count > 0 && (self->keep_all || has_readers (self));
    if (reads == self->reads)
        return;
    self->reads = reads;
    zf_plain_pass_up (self, zf_bytes ("", 0), reads);
}

uint64_t zf_bridge_deadline (const zf_side_t *self)
{
    return wants_records (self) && !self->subscribed ? self->retry_ms : ZF_NEVER;
}
