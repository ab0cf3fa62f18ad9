#include "core/lru.h"

#include "core/foreign.h"
#include <zferry/error.h>

/* session->flags of a worker, beside ZF_FOREIGN_BUSY */
#define DELIMITED 2u /* a REQ socket: its messages begin with an empty frame */
#define PIRATE    4u /* with heartbeats */

#define PIRATE_READY     1
#define PIRATE_HEARTBEAT 2

typedef enum { INPUT_READY, INPUT_HEARTBEAT, INPUT_ANSWER, INPUT_JUNK } input_t;

/* -- clients ----------------------------------------------------------------------------------- */

static void client_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    int code = ZF_E_DENIED;
    zf_queue_t *queue = NULL;
    if (zf_session_may (session, ZF_MAY_POST, zf_bytes_of (ZF_LRU_QUEUE)))
        queue = zf_engine_queue (session->engine, zf_bytes_of (ZF_LRU_QUEUE), &code);
    if (queue != NULL)
        code = zf_foreign_ask (session, queue, frames, count);
    if (code == ZF_E_TOO_BIG)
        zf_session_wrong (session, "request: %s", zf_strerror (code));
    else if (code != 0)
        session->engine->counters.answers_dropped++;
}

static void client_answer (zf_session_t *session, const zf_answer_t *answer)
{
    if (answer->code != 0 || answer->more) {
        session->engine->counters.answers_dropped++;
        return;
    }
    zf_out_begin (session);
    zf_foreign_body (session, &answer->record);
    zf_out_end (session);
}

/* -- workers ----------------------------------------------------------------------------------- */

static int worker_deliver (zf_consumer_t *consumer, zf_run_t *run)
{
    zf_session_t *session = consumer->session;
    zf_record_t record = zf_chunk_record (run->chunk, run->at);
    zf_out_begin (session);
    if ((session->flags & DELIMITED) != 0)
        zf_out_copy (session, zf_bytes (NULL, 0));
    zf_out_copy (session, zf_foreign_lend (consumer, run));
    zf_foreign_body (session, &record);
    return zf_out_end (session);
}

/* A Paranoid Pirate's timer fired; the others have none. */
static void worker_tick (zf_session_t *session)
{
    static const uint8_t heartbeat = PIRATE_HEARTBEAT;
    if (!zf_foreign_beat (session, session->engine->options.heartbeat_ms))
        return;
    zf_out_begin (session);
    zf_out_copy (session, zf_bytes (&heartbeat, 1));
    zf_out_end (session);
}

static bool is_byte (const zf_frame_t *frame, uint8_t byte)
{
    return frame->size == 1 && frame->data[0] == byte;
}

static bool is_ready (const zf_frame_t *frame)
{
    return is_byte (frame, PIRATE_READY) ||
           (frame->size == 5 && memcmp (frame->data, "READY", 5) == 0);
}

/* What the frames behind the delimiter are. */
static input_t classify (zf_frame_t **frames, size_t count)
{
    if (count > 1)
        return INPUT_ANSWER;
    if (is_ready (frames[0]))
        return INPUT_READY;
    return is_byte (frames[0], PIRATE_HEARTBEAT) ? INPUT_HEARTBEAT : INPUT_JUNK;
}

static void serve (zf_session_t *session)
{
    int code;
    if (!zf_session_may (session, ZF_MAY_CONSUME, zf_bytes_of (ZF_LRU_QUEUE))) {
        zf_session_end (session, "may not serve");
        return;
    }
    zf_queue_t *queue = zf_engine_queue (session->engine, zf_bytes_of (ZF_LRU_QUEUE), &code);
    if (queue == NULL)
        zf_session_end (session, zf_strerror (code));
    else
        zf_foreign_serve (session, queue);
}

/* The first message: it has to be READY, or shows a REQ socket that must be ready. */
static void join (zf_session_t *session, zf_frame_t **frames, input_t input, bool delimited)
{
    zf_engine_t *engine = session->engine;
    if (input != INPUT_READY && (input != INPUT_ANSWER || !delimited)) {
        zf_session_wrong (session, "worker that has not said READY");
        zf_session_end (session, "not ready");
        return;
    }
    if (input == INPUT_ANSWER)
        engine->counters.stale++;
    if (delimited)
        session->flags |= DELIMITED;
    else if (is_byte (frames[0], PIRATE_READY))
        session->flags |= PIRATE;
    uint64_t beat = engine->now_ms + engine->options.heartbeat_ms;
    if ((session->flags & PIRATE) != 0)
        zf_timers_set (&engine->timers, &session->timer, beat);
    else /* without heartbeats it stays until its connection is gone */
        zf_timers_cancel (&engine->timers, &session->timer);
    serve (session);
}

/* It can't be working on what it holds, if anything, any more. */
static void start_over (zf_session_t *session)
{
    zf_foreign_give_back (session);
    serve (session);
}

/* frames: address, answer */
static void on_answer (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    int rc = ZF_E_STALE;
    if (zf_foreign_owes (session, frames[0]))
        rc = zf_foreign_answer (session, frames + 1, count - 1, false);
    if (rc == ZF_E_STALE)
        session->engine->counters.stale++;
    else if (rc != 0)
        zf_session_wrong (session, "answer: %s", zf_strerror (rc));
    start_over (session);
}

static void worker_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    bool delimited = count > 1 && frames[0]->size == 0;
    if (delimited) {
        frames++;
        count--;
    }
    input_t input = classify (frames, count);
    if (session->consumers == NULL)
        join (session, frames, input, delimited);
    else if (delimited != ((session->flags & DELIMITED) != 0))
        zf_session_wrong (session, "worker with and without a delimiter");
    else if (input == INPUT_READY)
        start_over (session);
    else if (input == INPUT_ANSWER)
        on_answer (session, frames, count);
    else if (input != INPUT_HEARTBEAT || (session->flags & PIRATE) == 0)
        zf_session_wrong (session, "unknown message of a worker");
}

const zf_dialect_t zf_dialect_lru_client = {
    .name = "balancer client",
    .input = client_input,
    .answer = client_answer,
    .tick = zf_foreign_client_tick,
};

const zf_dialect_t zf_dialect_lru_worker = {
    .name = "balancer worker",
    .input = worker_input,
    .deliver = worker_deliver,
    .tick = worker_tick,
};
