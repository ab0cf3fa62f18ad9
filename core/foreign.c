#include "core/foreign.h"

#include "core/mp.h"
#include <stdlib.h>
#include <xxhash.h>
#include <zferry/error.h>

#define LIVENESS   3    /* heartbeats a worker may miss */
#define COPY_BYTES 1024 /* frames above this get memory of their own, that the shell can take */

/* -- frames and records ------------------------------------------------------------------------ */

static zf_bytes_t frame_bytes (const zf_frame_t *frame)
{
    return zf_bytes (frame->data, frame->size);
}

static bool fits (const zf_engine_t *engine, zf_frame_t **frames, size_t count)
{
    uint64_t left = engine->options.max_message_bytes;
    if (left > ZF_BODY_MAX)
        left = ZF_BODY_MAX;
    for (size_t i = 0; i < count; i++) {
        if (frames[i]->size > left)
            return false;
        left -= frames[i]->size;
    }
    return count <= ZF_FRAMES_MAX;
}

/* Writes properties that say how long each frame is. */
static int write_lengths (zf_writer_t *w, zf_frame_t **frames, size_t count)
{
    zf_bytes_t views[ZF_FRAMES_MAX] = {{NULL, 0}};
    zf_props_t props;
    zf_props_defaults (&props);
    for (size_t i = 0; i < count; i++)
        views[i] = frame_bytes (frames[i]);
    props.frames = views;
    props.frame_count = count;
    return zf_props_encode (w, &props, NULL);
}

/* Makes the frames a record: a view of the only frame, or of the scratch buffer. */
static int gather (zf_engine_t *engine, zf_frame_t **frames, size_t count, zf_record_t *record)
{
    zf_writer_t *w = &engine->scratch;
    w->size = 0;
    w->failed = false;
    if (!fits (engine, frames, count))
        return ZF_E_TOO_BIG;
    record->props = zf_bytes (NULL, 0);
    record->body = frame_bytes (frames[0]);
    if (count == 1)
        return 0;
    int rc = write_lengths (w, frames, count);
    size_t props_size = w->size;
    for (size_t i = 0; i < count && rc == 0; i++)
        zf_write_bytes (w, frames[i]->data, frames[i]->size);
    if (rc != 0 || w->failed)
        return ZF_E_NOMEM;
    record->props = zf_bytes (w->data, props_size);
    record->body = zf_bytes (w->data + props_size, w->size - props_size);
    return 0;
}

static void free_batch (zf_frame_t *frame)
{
    free (frame);
}

zf_frame_t *zf_foreign_batch (const zf_record_t *record, uint64_t number)
{
    size_t size = ZF_BATCH_HEADER + zf_record_size (record->props.size, record->body.size);
    zf_frame_t *frame = malloc (sizeof *frame + size);
    if (frame == NULL)
        return NULL;
    uint8_t *batch = (uint8_t *) (frame + 1);
    *frame = (zf_frame_t){.data = batch, .size = size, .holders = 1, .release = free_batch};
    zf_record_encode (batch + ZF_BATCH_HEADER, record->props, record->body);
    zf_batch_seal (batch, size, 1, record->props.size > 0 ? ZF_BATCH_HAS_PROPS : 0, number);
    return frame;
}

static void put_frame (zf_session_t *session, zf_bytes_t bytes)
{
    if (bytes.size <= COPY_BYTES) {
        zf_out_copy (session, bytes);
        return;
    }
    uint8_t *copy = malloc (bytes.size);
    if (copy != NULL)
        memcpy (copy, bytes.data, bytes.size);
    zf_out_give (session, copy, bytes.size);
}

void zf_foreign_body (zf_session_t *session, const zf_record_t *record)
{
    zf_props_view_t view;
    int rc = zf_props_decode (record->props, record->body.size, &view);
    if (rc != 0 || view.frame_count == 0) {
        put_frame (session, record->body);
        return;
    }
    zf_reader_t lengths = zf_reader (view.frames);
    zf_reader_t body = zf_reader (record->body);
    for (uint32_t i = 0; i < view.frame_count; i++)
        put_frame (session, zf_read_bytes (&body, (size_t) zf_mp_uint (&lengths)));
}

/* -- clients ----------------------------------------------------------------------------------- */

static uint64_t patience_ms (const zf_queue_t *queue)
{
    if (queue->policy.ttl_ms > 0)
        return queue->policy.ttl_ms;
    return (uint64_t) queue->engine->options.client_idle_ms + queue->policy.lease_ms;
}

int zf_foreign_ask (zf_session_t *session, zf_queue_t *queue, zf_frame_t **frames, size_t count)
{
    zf_record_t record;
    int rc = gather (session->engine, frames, count, &record);
    if (rc != 0)
        return rc;
    zf_frame_t *batch = zf_foreign_batch (&record, session->number + 1);
    if (batch == NULL)
        return ZF_E_NOMEM;
    zf_intake_t in;
    rc = zf_intake_open (&in, batch);
    if (rc == 0) {
        session->number++;
        zf_throttle_charge (session, 1, in.batch.size);
        in.session = session;
        in.asked = true;
        in.ttl_ms = patience_ms (queue);
        zf_session_ask (session, queue, &in, 0);
    }
    zf_intake_done (&in);
    zf_frame_drop (batch);
    return rc;
}

void zf_foreign_client_tick (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    uint64_t now = engine->now_ms;
    uint64_t idle = engine->options.client_idle_ms;
    uint64_t due = zf_session_heard (session) + idle;
    if (due <= now && session->requests == NULL)
        zf_session_end (session, "idle");
    else
        zf_timers_set (&engine->timers, &session->timer, due > now ? due : now + idle);
}

/* -- workers ----------------------------------------------------------------------------------- */

bool zf_foreign_serve (zf_session_t *session, zf_queue_t *queue)
{
    bool in_the_way = queue->is_drained && zf_consumer_find (session, queue) == NULL;
    session->flags &= (uint8_t) ~ZF_FOREIGN_BUSY;
    if (queue->stream != NULL) {
        zf_session_end (session, "serves a stream; workers serve its groups");
        return false;
    }
    if (!in_the_way && zf_consumer_attach (session, queue, 1) != NULL)
        return true;
    zf_session_end (session, in_the_way ? "a link drains its queue" : "out of memory");
    return false;
}

static zf_bytes_t address_for (const zf_note_t *note)
{
    const zf_session_t *asker = note != NULL ? note->asker : NULL;
    if (asker == NULL)
        return zf_bytes_of ("zferry");
    if (asker->greeted)
        return zf_bytes (asker->uuid, ZF_UUID_BYTES);
    return zf_bytes (asker->address, asker->address_size);
}

zf_bytes_t zf_foreign_lend (zf_consumer_t *consumer, const zf_run_t *run)
{
    zf_session_t *session = consumer->session;
    zf_bytes_t address = address_for (zf_chunk_note (run->chunk, run->at));
    session->number = XXH3_64bits (address.data, address.size);
    session->flags |= ZF_FOREIGN_BUSY;
    zf_consumer_attach (session, consumer->queue, 0);
    return address;
}

bool zf_foreign_owes (const zf_session_t *session, const zf_frame_t *address)
{
    if ((session->flags & ZF_FOREIGN_BUSY) == 0)
        return false;
    return session->number == XXH3_64bits (address->data, address->size);
}

static void settle (zf_consumer_t *consumer, zf_verb_t verb, int64_t delay_ms)
{
    zf_verdict_t verdict = {.verb = verb, .delay_ms = delay_ms};
    if (consumer->runs != NULL)
        zf_consumer_settle (consumer, zf_run_first (consumer->runs), 1, &verdict);
}

int zf_foreign_answer (zf_session_t *session, zf_frame_t **frames, size_t count, bool more)
{
    zf_consumer_t *consumer = session->consumers;
    zf_answer_t answer = {.more = more};
    if (consumer->runs == NULL)
        return ZF_E_STALE;
    int rc = gather (session->engine, frames, count, &answer.record);
    if (rc != 0)
        return rc;
    zf_session_answer (consumer, zf_run_first (consumer->runs), &answer);
    if (more)
        settle (consumer, ZF_SETTLE_EXTEND, consumer->queue->policy.lease_ms);
    return 0;
}

void zf_foreign_give_back (zf_session_t *session)
{
    settle (session->consumers, ZF_SETTLE_NACK, 0);
}

bool zf_foreign_beat (zf_session_t *session, uint32_t interval_ms)
{
    zf_engine_t *engine = session->engine;
    uint64_t dead = zf_session_heard (session) + LIVENESS * (uint64_t) interval_ms;
    uint64_t next = engine->now_ms + interval_ms;
    if (dead <= engine->now_ms) {
        zf_session_end (session, "silent");
        return false;
    }
    zf_timers_set (&engine->timers, &session->timer, next < dead ? next : dead);
    return true;
}
