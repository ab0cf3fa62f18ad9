#include "core/native.h"

#include "core/keep.h"
#include "core/link.h"

#include <stdlib.h>
#include <zferry/error.h>

#define LIVENESS   3 /* heartbeats a worker may miss */
#define NUMBER_MAX (UINT64_C (1) << 62)

void zf_control (zf_writer_t *w, unsigned command, size_t elements)
{
    zf_mp_put_array (w, elements);
    zf_mp_put_uint (w, command);
}

/* -- to the peer ------------------------------------------------------------------------------- */

static void send_bare (zf_session_t *session, unsigned command)
{
    zf_out_begin (session);
    zf_control (zf_out_write (session), command, 1);
    zf_out_written (session);
    zf_out_end (session);
}

void zf_native_refuse (zf_session_t *session, int code, const char *text)
{
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_ERROR, 3);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_mp_put_str (w, zf_bytes_of (text));
    zf_out_written (session);
    zf_out_end (session);
}

void zf_native_error (zf_session_t *session, int code, const char *text)
{
    zf_session_wrong (session, "%s", text);
    zf_native_refuse (session, code, text);
}

static void native_refused (zf_session_t *session, uint32_t right, zf_bytes_t name)
{
    char text[ZF_REFUSAL_TEXT];
    zf_right_refusal (text, right, name);
    zf_native_refuse (session, ZF_E_DENIED, text);
}

static void send_welcome (zf_session_t *session)
{
    const zf_engine_options_t *options = &session->engine->options;
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_WELCOME, 4);
    zf_mp_put_uint (w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (w, zf_bytes (options->uuid, ZF_UUID_BYTES));
    zf_mp_put_map (w, 6);
    zf_mp_put_uint (w, ZF_OPTION_HEARTBEAT);
    zf_mp_put_uint (w, options->heartbeat_ms);
    zf_mp_put_uint (w, ZF_OPTION_IDLE);
    zf_mp_put_uint (w, options->client_idle_ms);
    zf_mp_put_uint (w, ZF_OPTION_WINDOW);
    zf_mp_put_uint (w, options->window_bytes);
    zf_mp_put_uint (w, ZF_OPTION_MAX_MESSAGE);
    zf_mp_put_uint (w, options->max_message_bytes);
    zf_mp_put_uint (w, ZF_OPTION_SYNC);
    zf_mp_put_uint (w, (uint64_t) session->engine->store.sync);
    zf_mp_put_uint (w, ZF_OPTION_SOURCE);
    zf_mp_put_bin (w, zf_bytes (zf_engine_source (session->engine), ZF_UUID_BYTES));
    zf_out_written (session);
    zf_out_end (session);
}

static void native_confirm (zf_session_t *session, const zf_queue_t *queue, uint64_t first,
                            uint64_t count, int code)
{
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_CONFIRM, 5);
    zf_mp_put_str (w, zf_bytes (queue->name, queue->name_size));
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, count);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_out_written (session);
    zf_out_end (session);
}

/* One frame with a batch of one record. */
static void send_record (zf_session_t *session, const zf_record_t *record, uint64_t number)
{
    size_t size = ZF_BATCH_HEADER + zf_record_size (record->props.size, record->body.size);
    uint8_t *batch = malloc (size);
    if (batch != NULL) {
        zf_record_encode (batch + ZF_BATCH_HEADER, record->props, record->body);
        zf_batch_seal (batch, size, 1, record->props.size > 0 ? ZF_BATCH_HAS_PROPS : 0, number);
    }
    zf_out_give (session, batch, size);
}

static void native_answer (zf_session_t *session, const zf_answer_t *answer)
{
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, answer->fetched ? ZF_CMD_RESULT : ZF_CMD_REPLY, answer->fetched ? 6 : 5);
    zf_mp_put_uint (w, answer->number);
    zf_mp_put_uint (w, (uint64_t) -answer->code);
    if (answer->fetched)
        zf_mp_put_str (w, answer->reason);
    zf_mp_put_bool (w, answer->more);
    if (answer->fetched)
        zf_mp_put_uint (w, 0);
    else
        zf_mp_put_str (w, answer->reason);
    zf_out_written (session);
    if (answer->code == 0 && answer->frame != NULL)
        zf_out_share (session, answer->frame);
    else if (answer->code == 0 && (!answer->fetched || answer->record.body.data != NULL))
        send_record (session, &answer->record, answer->number);
    zf_out_end (session);
}

/* The run as a batch frame: the chunk's own frame if the run is all of it, else a copy. */
static void send_run (zf_session_t *session, const zf_run_t *run)
{
    const zf_chunk_t *chunk = run->chunk;
    if (run->consumer != NULL && run->consumer->drains && zf_run_has_times (run)) {
        size_t size = 0;
        uint8_t *batch = zf_run_with_times (run, &size);
        zf_out_give (session, batch, size);
        return;
    }
    if (run->count == chunk->count && zf_chunk_is_whole (chunk)) {
        zf_out_share (session, chunk->frame);
        return;
    }
    zf_bytes_t span = zf_chunk_span (chunk, run->at, run->count);
    uint8_t *batch = malloc (ZF_BATCH_HEADER + span.size);
    if (batch != NULL) {
        memcpy (batch + ZF_BATCH_HEADER, span.data, span.size);
        zf_batch_seal (batch, ZF_BATCH_HEADER + span.size, run->count, ZF_BATCH_HAS_PROPS,
                       zf_run_first (run));
    }
    zf_out_give (session, batch, ZF_BATCH_HEADER + span.size);
}

/* An answer to be kept is given and kept where a link takes the request. */
static bool wants_reply (const zf_consumer_t *consumer, const zf_note_t *note)
{
    return note != NULL && (note->asked || (note->keeps && !consumer->drains));
}

static int native_deliver (zf_consumer_t *consumer, zf_run_t *run)
{
    zf_session_t *session = consumer->session;
    zf_queue_t *queue = consumer->queue;
    const zf_note_t *note = zf_chunk_note (run->chunk, run->at);
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_DELIVER, 6);
    zf_mp_put_str (w, zf_bytes (queue->name, queue->name_size));
    zf_mp_put_uint (w, zf_run_first (run));
    zf_mp_put_uint (w, run->attempts);
    zf_mp_put_uint (w, queue->policy.lease_ms);
    zf_mp_put_uint (w, wants_reply (consumer, note) ? ZF_DELIVER_WANTS_REPLY : 0);
    zf_out_written (session);
    send_run (session, run);
    return zf_out_end (session);
}

static void native_farewell (zf_session_t *session)
{
    send_bare (session, ZF_CMD_RESET);
}

static uint64_t patience_ms (const zf_session_t *session)
{
    const zf_engine_options_t *options = &session->engine->options;
    bool takes = session->consumers != NULL || session->subscriptions != NULL;
    return takes ? LIVENESS * (uint64_t) options->heartbeat_ms : options->client_idle_ms;
}

static void native_tick (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    uint64_t due = zf_session_heard (session) + patience_ms (session);
    if (due <= engine->now_ms)
        zf_session_end (session, "silent");
    else
        zf_timers_set (&engine->timers, &session->timer, due);
}

/* -- from the peer ----------------------------------------------------------------------------- */

static void read_options (zf_session_t *session, zf_reader_t *r)
{
    uint32_t pairs = zf_mp_map (r);
    for (uint32_t i = 0; i < pairs && !r->failed; i++) {
        if (zf_mp_uint (r) != ZF_OPTION_NAME) {
            zf_mp_skip (r);
            continue;
        }
        zf_bytes_t name = zf_mp_bytes (r);
        size_t n = name.size < sizeof session->name - 1 ? name.size : sizeof session->name - 1;
        if (n == 0)
            continue;
        memcpy (session->name, name.data, n);
        session->name[n] = '\0';
        for (size_t k = 0; k < n; k++)
            if ((unsigned char) session->name[k] < 0x20 || session->name[k] == 0x7f)
                session->name[k] = '?';
    }
}

/* An identity is no secret: workers are told it. */
static bool is_of_another_key (const zf_session_t *session, const uint8_t *uuid)
{
    const zf_session_t *old;
    HASH_FIND (hh, session->engine->greeted, uuid, ZF_UUID_BYTES, old);
    if (old == NULL || old->doomed)
        return false;
    return old->is_known != session->is_known ||
           strcmp (old->subject.key, session->subject.key) != 0;
}

static void greet (zf_session_t *session, const uint8_t *uuid)
{
    zf_engine_t *engine = session->engine;
    zf_session_t *old;
    HASH_FIND (hh, engine->greeted, uuid, ZF_UUID_BYTES, old);
    memcpy (session->uuid, uuid, ZF_UUID_BYTES);
    if (old != NULL) { /* the same peer on a new connection */
        if (old->doomed)
            zf_session_release (old);
        else
            zf_session_succeed (old, session);
    }
    HASH_ADD (hh, engine->greeted, uuid, ZF_UUID_BYTES, session);
    session->greeted = session->hh.tbl != NULL;
    if (!session->greeted)
        zf_session_end (session, "out of memory");
}

static void on_hello (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    uint64_t version = zf_mp_uint (r);
    zf_bytes_t uuid = zf_mp_bytes (r);
    read_options (session, r);
    if (r->failed || uuid.size != ZF_UUID_BYTES) {
        zf_native_error (session, ZF_E_PROTO, "HELLO is malformed");
        return;
    }
    if (version < ZF_NATIVE_VERSION) {
        zf_native_error (session, ZF_E_VERSION, "this broker speaks version 1");
        return;
    }
    if (session->greeted && memcmp (session->uuid, uuid.data, uuid.size) != 0) {
        zf_native_error (session, ZF_E_PROTO, "HELLO with another identity");
        return;
    }
    if (!session->greeted && is_of_another_key (session, uuid.data)) {
        zf_native_error (session, ZF_E_DENIED, "HELLO with the identity of another key");
        return;
    }
    if (!session->greeted)
        greet (session, uuid.data);
    send_welcome (session);
}

static void on_ping (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) r;
    (void) body;
    send_bare (session, ZF_CMD_PONG);
}

static void native_probe (zf_session_t *session)
{
    send_bare (session, ZF_CMD_PING);
}

static void on_pong (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) r;
    (void) body;
    zf_session_has_read (session);
}

static void on_bye (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) r;
    (void) body;
    session->has_left = true;
    zf_session_end (session, "left");
}

/* Opens the batch of a command, whose first number must be `least` or higher, or answers why it
 * can't be. The caller frees it in any case. */
bool zf_native_batch (zf_session_t *session, zf_reader_t *r, zf_frame_t *body, uint64_t least,
                      zf_intake_t *in)
{
    memset (in, 0, sizeof *in);
    int rc = r->failed || body == NULL ? ZF_E_PROTO : zf_intake_open (in, body);
    if (rc == 0 && (in->batch.first > NUMBER_MAX || in->batch.first < least))
        rc = ZF_E_PROTO;
    if (rc == 0 && in->large_props && session->feeds == NULL)
        rc = ZF_E_PROTO;
    in->session = session;
    if (rc == ZF_E_CORRUPT)
        session->engine->counters.corrupt++;
    if (rc == ZF_E_NOMEM)
        zf_session_end (session, "out of memory"); /* so that it sends it again */
    else if (rc != 0)
        zf_native_error (session, rc,
                         rc == ZF_E_CORRUPT ? "batch: checksum mismatch"
                                            : "batch or its command is malformed");
    return rc == 0;
}

static void ask (zf_session_t *session, zf_bytes_t name, zf_intake_t *in, uint32_t flags)
{
    char text[ZF_REFUSAL_TEXT];
    int code;
    zf_throttle_charge (session, in->batch.count, in->batch.size);
    if (!zf_session_may (session, ZF_MAY_POST, name)) {
        zf_right_refusal (text, ZF_MAY_POST, name);
        zf_session_deny_all (session, name, in, ZF_E_DENIED, text);
        return;
    }
    zf_queue_t *queue = zf_session_queue (session, name, &code);
    if (queue != NULL)
        zf_session_ask (session, queue, in, flags);
    else
        zf_session_deny_all (session, name, in, code, zf_session_words (session, code));
}

static void on_request (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    zf_bytes_t name = zf_mp_bytes (r);
    uint64_t ttl_ms = zf_mp_uint (r);
    uint32_t flags = (uint32_t) zf_mp_uint (r);
    zf_intake_t in;
    if (zf_native_batch (session, r, body, 0, &in)) {
        in.asked = true;
        in.ttl_ms = ttl_ms;
        ask (session, name, &in, flags);
    }
    zf_intake_done (&in);
}

static void say_forgotten (zf_session_t *session, const zf_held_t *held)
{
    zf_answer_t answer = {.number = held->first, .code = held->code, .fetched = true};
    answer.reason = zf_bytes_of (held->code != 0 ? zf_kept_words (held->code) : "");
    native_answer (session, &answer);
}

static void on_fetch (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_held_t held = {.say = say_forgotten, .first = zf_mp_uint (r)};
    zf_bytes_t id = zf_mp_bytes (r);
    bool wait = zf_mp_bool (r);
    bool forget = zf_mp_bool (r);
    if (r->failed || id.size == 0 || id.size > ZF_ID_MAX) {
        zf_native_error (session, ZF_E_PROTO, "FETCH is malformed");
        return;
    }
    if (!zf_session_may_fetch (session)) {
        held.code = ZF_E_DENIED;
        say_forgotten (session, &held);
        return;
    }
    if (!forget) {
        zf_kept_fetch (session, held.first, id, wait);
        return;
    }
    held.code = zf_kept_forget (session->engine, id);
    zf_store_hold (session, &held);
}

/* NULL: it was told why not. */
static zf_queue_t *queue_to_consume (zf_session_t *session, zf_bytes_t name)
{
    int code;
    if (!zf_session_may (session, ZF_MAY_CONSUME, name)) {
        native_refused (session, ZF_MAY_CONSUME, name);
        return NULL;
    }
    zf_queue_t *queue = zf_session_queue (session, name, &code);
    if (queue == NULL) {
        zf_native_error (session, code, zf_session_words (session, code));
        return NULL;
    }
    if (queue->stream != NULL) {
        zf_native_error (session, ZF_E_INVAL,
                         "a stream is read by subscribers, or by groups: consume STREAM@GROUP");
        return NULL;
    }
    if (queue->is_drained && zf_consumer_find (session, queue) == NULL) {
        zf_native_error (session, ZF_E_BUSY,
                         "a link drains this queue: it takes no other consumers");
        return NULL;
    }
    return queue;
}

static void on_consume (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_bytes_t name = zf_mp_bytes (r);
    uint64_t limit = zf_mp_uint (r);
    uint64_t flags = zf_reader_left (r) > 0 ? zf_mp_uint (r) : 0;
    int code;
    zf_queue_t *queue = r->failed ? NULL : queue_to_consume (session, name);
    if (r->failed)
        zf_native_error (session, ZF_E_PROTO, zf_strerror (ZF_E_PROTO));
    if (queue == NULL)
        return;
    zf_consumer_t *consumer = zf_consumer_find (session, queue);
    bool is_new = consumer == NULL;
    if (is_new)
        consumer = zf_consumer_attach (session, queue, 0);
    if (consumer == NULL) {
        zf_session_end (session, "out of memory");
        return;
    }
    if ((flags & ZF_CONSUME_DRAIN) != 0 && !consumer->drains &&
        (code = zf_consumer_drain (consumer)) != 0) {
        if (is_new)
            zf_consumer_detach (consumer);
        zf_native_error (session, code,
                         code == ZF_E_BUSY ? "queue has other consumers"
                                           : "a queue with priority levels can't be drained");
        return;
    }
    zf_consumer_attach (session, queue, limit < ZF_CREDIT_MAX ? (uint32_t) limit : ZF_CREDIT_MAX);
    native_tick (session);
}

/* The session as a consumer of the queue that the command names, or NULL: it is not one, and that
 * is counted. */
static zf_consumer_t *read_consumer (zf_session_t *session, zf_reader_t *r)
{
    zf_bytes_t name = zf_mp_bytes (r);
    zf_queue_t *queue = r->failed ? NULL : zf_engine_find (session->engine, name);
    zf_consumer_t *consumer = queue != NULL ? zf_consumer_find (session, queue) : NULL;
    if (consumer == NULL)
        session->engine->counters.stale++;
    return consumer;
}

static void settle_ranges (zf_consumer_t *consumer, zf_reader_t *r, zf_verdict_t *verdict)
{
    zf_session_t *session = consumer->session;
    while (!r->failed && zf_reader_left (r) > 0) {
        uint64_t first = zf_mp_uint (r);
        uint64_t count = zf_mp_uint (r);
        uint64_t missed = r->failed ? 0 : zf_consumer_settle (consumer, first, count, verdict);
        if (verdict->verb != ZF_SETTLE_EXTEND) /* some of a batch may be settled already */
            session->engine->counters.stale += missed;
    }
    if (r->failed)
        zf_native_error (session, ZF_E_PROTO, "settlement is malformed");
}

static void on_ack (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_consumer_t *consumer = read_consumer (session, r);
    zf_verdict_t verdict = {.verb = ZF_SETTLE_ACK};
    if (consumer != NULL)
        settle_ranges (consumer, r, &verdict);
}

static void on_release (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_consumer_t *consumer = read_consumer (session, r);
    zf_verdict_t verdict = {.verb = ZF_SETTLE_RELEASE};
    if (consumer != NULL)
        settle_ranges (consumer, r, &verdict);
}

static void on_nack (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_consumer_t *consumer = read_consumer (session, r);
    zf_verdict_t verdict = {.verb = ZF_SETTLE_NACK, .delay_ms = zf_mp_int (r)};
    if (consumer != NULL)
        settle_ranges (consumer, r, &verdict);
}

static void on_extend (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_consumer_t *consumer = read_consumer (session, r);
    uint64_t lease_ms = zf_mp_uint (r);
    zf_verdict_t verdict = {.verb = ZF_SETTLE_EXTEND};
    verdict.delay_ms = lease_ms < UINT32_MAX ? (int64_t) lease_ms : UINT32_MAX;
    if (consumer != NULL)
        settle_ranges (consumer, r, &verdict);
}

static void on_reject (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_consumer_t *consumer = read_consumer (session, r);
    zf_verdict_t verdict = {.verb = ZF_SETTLE_REJECT, .reason = zf_mp_bytes (r)};
    if (consumer != NULL)
        settle_ranges (consumer, r, &verdict);
}

static void on_answer (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    zf_consumer_t *consumer = read_consumer (session, r);
    bool more = zf_mp_bool (r);
    zf_intake_t in;
    if (consumer == NULL)
        return;
    if (zf_native_batch (session, r, body, 0, &in)) {
        const uint8_t *end = in.batch.records + in.batch.size;
        for (uint32_t i = 0; i < in.batch.count; i++) {
            zf_answer_t answer = {.more = more};
            zf_record_decode (body->data + in.offsets[i], end, &answer.record);
            if (in.batch.count == 1 && body->size > ZF_ADOPT_BYTES)
                answer.frame = body;
            if (!zf_session_answer (consumer, in.batch.first + i, &answer))
                session->engine->counters.stale++;
        }
    }
    zf_intake_done (&in);
}

static void on_admin (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_native_admin (session, r);
}

/* -- dispatch ---------------------------------------------------------------------------------- */

typedef void command_fn (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);

static command_fn *const commands[] = {
    [ZF_CMD_HELLO] = on_hello,
    [ZF_CMD_PING] = on_ping,
    [ZF_CMD_PONG] = on_pong,
    [ZF_CMD_BYE] = on_bye,
    [ZF_CMD_POST] = zf_native_post,
    [ZF_CMD_POST_MANY] = zf_native_post_many,
    [ZF_CMD_LINK] = zf_native_link,
    [ZF_CMD_FETCH] = on_fetch,
    [ZF_CMD_REQUEST] = on_request,
    [ZF_CMD_CONSUME] = on_consume,
    [ZF_CMD_ACK] = on_ack,
    [ZF_CMD_NACK] = on_nack,
    [ZF_CMD_REJECT] = on_reject,
    [ZF_CMD_RELEASE] = on_release,
    [ZF_CMD_EXTEND] = on_extend,
    [ZF_CMD_SUBSCRIBE] = zf_native_subscribe,
    [ZF_CMD_READ] = zf_native_read,
    [ZF_CMD_UNSUBSCRIBE] = zf_native_unsubscribe,
    [ZF_CMD_AWAIT] = zf_native_await,
    [ZF_CMD_ANSWER] = on_answer,
    [ZF_CMD_ADMIN] = on_admin,
};

/* Commands that cost the rate something, or build on such. */
static bool waits (uint64_t command)
{
    return command == ZF_CMD_POST || command == ZF_CMD_POST_MANY || command == ZF_CMD_REQUEST ||
           command == ZF_CMD_FETCH || command == ZF_CMD_BYE;
}

/* Before HELLO nothing waits: it is answered with RESET, and must not count for who greets
 * later. */
static bool native_passes (const zf_session_t *session, zf_frame_t **frames, size_t count)
{
    (void) count;
    zf_reader_t r = zf_reader (zf_bytes (frames[0]->data, frames[0]->size));
    zf_mp_array (&r);
    uint64_t command = zf_mp_uint (&r);
    return r.failed || !session->greeted || !waits (command);
}

static bool native_matches (zf_frame_t **frames, size_t count)
{
    if (count == 1 && frames[0]->size == 0)
        return true; /* the probe of a new connection */
    return frames[0]->size > 0 && (frames[0]->data[0] & 0xf0) == 0x90;
}

static void native_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    if (count == 1 && frames[0]->size == 0) {
        send_bare (session, ZF_CMD_RESET);
        return;
    }
    zf_reader_t r = zf_reader (zf_bytes (frames[0]->data, frames[0]->size));
    uint32_t elements = zf_mp_array (&r);
    uint64_t command = zf_mp_uint (&r);
    if (r.failed || elements == 0 || count > 2 || frames[0]->size > ZF_CONTROL_MAX) {
        zf_native_error (session, ZF_E_PROTO, "not a control frame");
        return;
    }
    if (command >= sizeof commands / sizeof commands[0] || commands[command] == NULL) {
        zf_native_error (session, ZF_E_PROTO, "unknown command");
        return;
    }
    if (!session->greeted && command != ZF_CMD_HELLO) {
        send_bare (session, ZF_CMD_RESET);
        return;
    }
    commands[command](session, &r, count == 2 ? frames[1] : NULL);
}

const zf_dialect_t zf_dialect_native = {
    .name = "native",
    .matches = native_matches,
    .passes = native_passes,
    .input = native_input,
    .deliver = native_deliver,
    .confirm = native_confirm,
    .answer = native_answer,
    .subscribed = zf_native_subscribed,
    .events = zf_native_events,
    .awaited = zf_native_awaited,
    .refused = native_refused,
    .probe = native_probe,
    .tick = native_tick,
    .farewell = native_farewell,
};
