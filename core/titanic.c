#include "core/titanic.h"

#include "core/foreign.h"
#include "core/keep.h"

#include <stdlib.h>
#include <zferry/error.h>

#define UUID_DIGITS 32

static zf_bytes_t frame_bytes (const zf_frame_t *frame)
{
    return zf_bytes (frame->data, frame->size);
}

bool zf_titanic_serves (zf_engine_t *engine, zf_bytes_t service)
{
    if (!zf_bytes_equal (service, zf_bytes_of ("titanic.request")) &&
        !zf_bytes_equal (service, zf_bytes_of ("titanic.reply")) &&
        !zf_bytes_equal (service, zf_bytes_of ("titanic.close")))
        return false;
    const zf_queue_t *queue = zf_engine_find (engine, service);
    return queue == NULL || queue->consumers == 0;
}

/* -- answers ----------------------------------------------------------------------------------- */

/* Frames as one record: their lengths in its properties. */
static int join (zf_writer_t *w, const zf_bytes_t *frames, size_t count, zf_props_t *props,
                 zf_record_t *record)
{
    props->frames = frames;
    props->frame_count = count;
    w->size = 0;
    w->failed = false;
    int rc = zf_props_encode (w, props, NULL);
    size_t props_size = w->size;
    for (size_t i = 0; rc == 0 && i < count; i++)
        zf_write_bytes (w, frames[i].data, frames[i].size);
    record->props = zf_bytes (w->data, props_size);
    record->body = zf_bytes (w->data + props_size, w->size - props_size);
    return rc != 0 ? rc : w->failed ? ZF_E_NOMEM : 0;
}

static void say (zf_session_t *session, const char *service, const zf_bytes_t *frames, size_t count)
{
    zf_answer_t answer = {.service = zf_bytes_of (service)};
    zf_props_t props;
    zf_props_defaults (&props);
    if (session->dialect->answer == NULL)
        return;
    if (join (&session->engine->scratch, frames, count, &props, &answer.record) != 0)
        zf_session_end (session, "out of memory");
    else
        session->dialect->answer (session, &answer);
}

static void say_code (zf_session_t *session, const char *service, const char *code)
{
    zf_bytes_t frame = zf_bytes_of (code);
    say (session, service, &frame, 1);
}

static const char *code_of (int rc)
{
    switch (rc) {
    case 0:
        return "200";
    case ZF_E_NOT_FOUND:
        return "400";
    case ZF_E_BUSY:
    case ZF_E_AGAIN:
        return "300";
    default:
        return "500";
    }
}

/* -- titanic.request --------------------------------------------------------------------------- */

static void write_uuid (XXH128_hash_t hash, char text[UUID_DIGITS])
{
    static const char digits[] = "0123456789ABCDEF";
    for (int i = 0; i < 16; i++) {
        text[i] = digits[hash.high64 >> (60 - 4 * i) & 15];
        text[16 + i] = digits[hash.low64 >> (60 - 4 * i) & 15];
    }
}

/* Who knows it may have the answer, so nobody can guess it. */
static XXH128_hash_t new_uuid (zf_engine_t *engine)
{
    const uint8_t *secret = engine->options.secret;
    uint64_t number = ++engine->titanics;
    XXH128_hash_t uuid = {.low64 = zf_secret_number (secret, number, 0),
                          .high64 = zf_secret_number (secret, number, 1)};
    return uuid;
}

/* When the request is on disk. */
static void say_taken (zf_session_t *session, const zf_held_t *held)
{
    char uuid[UUID_DIGITS];
    XXH128_hash_t hash = {.low64 = held->first, .high64 = held->count};
    write_uuid (hash, uuid);
    zf_bytes_t frames[2] = {zf_bytes_of (code_of (held->code)), zf_bytes (uuid, sizeof uuid)};
    say (session, "titanic.request", frames, held->code == 0 ? 2 : 1);
}

/* Queues the request under that id. */
static int put (zf_session_t *session, zf_queue_t *queue, zf_bytes_t id, const zf_bytes_t *frames,
                size_t count)
{
    zf_record_t record;
    zf_props_t props;
    zf_intake_t in;
    zf_props_defaults (&props);
    props.id = id;
    props.keep_reply = true;
    int rc = join (&session->engine->scratch, frames, count, &props, &record);
    zf_frame_t *batch = rc == 0 ? zf_foreign_batch (&record, 1) : NULL;
    if (batch == NULL)
        return rc != 0 ? rc : ZF_E_NOMEM;
    rc = zf_intake_open (&in, batch);
    in.session = session;
    if (rc == 0)
        zf_throttle_charge (session, 1, in.batch.size);
    if (rc == 0)
        zf_queue_admit (queue, &in, 0, 1, &rc);
    zf_intake_done (&in);
    zf_frame_drop (batch);
    return rc;
}

/* The frames behind the service's name. Returns 0, ZF_E_INVAL, ZF_E_TOO_BIG. */
static int read_body (const zf_engine_t *engine, zf_frame_t **body, size_t count,
                      zf_bytes_t *frames)
{
    uint64_t left = engine->options.max_message_bytes;
    if (count == 0 || count > ZF_FRAMES_MAX)
        return ZF_E_INVAL;
    for (size_t i = 0; i < count; i++) {
        if (body[i]->size > left)
            return ZF_E_TOO_BIG;
        left -= body[i]->size;
        frames[i] = frame_bytes (body[i]);
    }
    return 0;
}

static void on_request (zf_session_t *session, zf_frame_t **body, size_t count)
{
    zf_engine_t *engine = session->engine;
    zf_bytes_t frames[ZF_FRAMES_MAX];
    char uuid[UUID_DIGITS];
    XXH128_hash_t hash = new_uuid (engine);
    zf_held_t held = {.say = say_taken, .first = hash.low64, .count = hash.high64};
    zf_queue_t *queue = NULL;
    held.code = read_body (engine, body + 1, count - 1, frames);
    if (held.code == 0 && !zf_session_may (session, ZF_MAY_POST, frame_bytes (body[0])))
        held.code = ZF_E_DENIED;
    if (held.code == 0)
        queue = zf_session_queue (session, frame_bytes (body[0]), &held.code);
    if (queue != NULL && (queue->holds_replies || queue->stream != NULL))
        held.code = ZF_E_INVAL;
    write_uuid (hash, uuid);
    if (held.code == 0)
        held.code = put (session, queue, zf_bytes (uuid, sizeof uuid), frames, count - 1);
    zf_store_hold (session, &held);
}

/* -- titanic.reply and titanic.close ----------------------------------------------------------- */

/* What was answered, as frames; returns how many. */
static size_t answer_frames (const zf_answer_t *answer, zf_bytes_t frames[1 + ZF_FRAMES_MAX])
{
    zf_props_view_t view;
    zf_props_decode (answer->record.props, answer->record.body.size, &view);
    size_t parts = view.framed ? view.frame_count : 1;
    bool failed = answer->code != 0 || parts == ZF_FRAMES_MAX; /* the code is a frame, too */
    frames[0] = zf_bytes_of (code_of (failed ? ZF_E_DEAD : 0));
    frames[1] = answer->code != 0 ? answer->reason : zf_bytes_of ("the answer has too many frames");
    for (size_t i = 0; !failed && i < parts; i++)
        frames[1 + i] = zf_props_frame (&view, answer->record.body, i);
    return failed ? 2 : 1 + parts;
}

static void on_reply (zf_session_t *session, zf_bytes_t id)
{
    zf_answer_t answer;
    zf_bytes_t frames[1 + ZF_FRAMES_MAX];
    int rc = zf_kept_look (session->engine, id, &answer);
    if (rc != 0)
        say_code (session, "titanic.reply", code_of (rc));
    else
        say (session, "titanic.reply", frames, answer_frames (&answer, frames));
}

static void say_closed (zf_session_t *session, const zf_held_t *held)
{
    say_code (session, "titanic.close", code_of (held->code));
}

static void on_close (zf_session_t *session, zf_bytes_t id)
{
    zf_held_t held = {.say = say_closed, .code = zf_kept_forget (session->engine, id)};
    zf_store_hold (session, &held);
}

void zf_titanic_ask (zf_session_t *session, zf_bytes_t service, zf_frame_t **body, size_t count)
{
    if (zf_bytes_equal (service, zf_bytes_of ("titanic.request")))
        on_request (session, body, count);
    else if (!zf_session_may_fetch (session)) /* as if there were none */
        say_code (session,
                  zf_bytes_equal (service, zf_bytes_of ("titanic.reply")) ? "titanic.reply"
                                                                          : "titanic.close",
                  code_of (ZF_E_NOT_FOUND));
    else if (zf_bytes_equal (service, zf_bytes_of ("titanic.reply")))
        on_reply (session, frame_bytes (body[0]));
    else
        on_close (session, frame_bytes (body[0]));
}
