/* The native protocol: posting, atomic posts, links. */
#include "core/link.h"
#include "core/native.h"

#include <stdlib.h>
#include <zferry/error.h>

#define NUMBER_MAX (UINT64_C (1) << 62)

/* A stream is made only where there is nothing yet: records for a queue of that name go there. */
static zf_queue_t *open_target (zf_session_t *session, zf_bytes_t name, bool makes_stream,
                                int *code)
{
    if (makes_stream && zf_engine_find (session->engine, name) == NULL)
        return zf_session_stream (session, name, true, code);
    return zf_session_queue (session, name, code);
}

/* The session may not post there. Nothing is made, or remembered of it. */
static void refuse_post (zf_session_t *session, zf_bytes_t name, zf_intake_t *in, uint64_t low)
{
    zf_queue_t *queue = zf_engine_find (session->engine, name);
    zf_queue_t nowhere = {.name_size = name.size};
    nowhere.name = (char *) (uintptr_t) name.data;
    if (queue == NULL)
        session->dialect->confirm (session, &nowhere, in->batch.first, in->batch.count,
                                   ZF_E_DENIED);
    else if (zf_feed_find (queue, session) != NULL) /* a link must not go on behind this */
        zf_session_end (session, "may not post there any more");
    else
        zf_queue_refuse (queue, in, low, ZF_E_DENIED);
}

static void post (zf_session_t *session, zf_bytes_t name, uint64_t flags, zf_intake_t *in,
                  uint64_t low)
{
    bool makes_stream = (flags & ZF_MAKE_STREAM) != 0;
    int code;
    zf_throttle_charge (session, in->batch.count, in->batch.size);
    if (!zf_session_may_put (session, name, makes_stream)) {
        refuse_post (session, name, in, low);
        return;
    }
    zf_queue_t *queue = open_target (session, name, makes_stream, &code);
    zf_queue_t nowhere = {.name_size = name.size};
    nowhere.name = (char *) (uintptr_t) name.data;
    if (queue != NULL)
        zf_queue_post (queue, in, low);
    else
        session->dialect->confirm (session, &nowhere, in->batch.first, in->batch.count, code);
}

void zf_native_post (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    zf_bytes_t name = zf_mp_bytes (r);
    uint64_t low = zf_mp_uint (r);
    uint64_t flags = !r->failed && zf_reader_left (r) > 0 ? zf_mp_uint (r) : 0;
    zf_intake_t in;
    if (zf_native_batch (session, r, body, 1, &in))
        post (session, name, flags, &in, low);
    else /* what was in it is not known, and must not be passed over: it will come again */
        zf_session_end (session, "a post was malformed");
    zf_intake_done (&in);
}

static void send_linked (zf_session_t *session, zf_bytes_t name, uint64_t last, int code,
                         const char *text)
{
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_LINKED, 5);
    zf_mp_put_str (w, name);
    zf_mp_put_uint (w, last);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_mp_put_str (w, zf_bytes_of (text));
    zf_out_written (session);
    zf_out_end (session);
}

static void say_linked (zf_session_t *session, const zf_held_t *held)
{
    send_linked (session, zf_bytes (held->queue->name, held->queue->name_size), held->first,
                 held->code,
                 held->code == ZF_E_INVAL ? "a loop of links: this queue is on the way to itself"
                                          : zf_strerror (held->code));
}

/* The queue that a link may feed; NULL: it was told why not. */
static zf_queue_t *queue_to_feed (zf_session_t *session, zf_bytes_t name)
{
    int code;
    if (!zf_session_may_put (session, name, false)) {
        char text[ZF_REFUSAL_TEXT];
        zf_right_refusal (text, zf_engine_right_to_put (session->engine, name, false), name);
        send_linked (session, name, 0, ZF_E_DENIED, text);
        return NULL;
    }
    zf_queue_t *queue = zf_session_queue (session, name, &code);
    if (queue == NULL)
        zf_native_error (session, code, zf_session_words (session, code));
    return queue;
}

void zf_native_link (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_bytes_t name = zf_mp_bytes (r);
    zf_queue_t *queue = r->failed ? NULL : queue_to_feed (session, name);
    if (r->failed)
        zf_native_error (session, ZF_E_PROTO, "LINK is malformed");
    if (queue == NULL)
        return;
    zf_held_t held = {.queue = queue, .say = say_linked};
    held.code = zf_feed_link (queue, session, r, &held.first);
    held.count = UINT64_MAX; /* nothing goes on from it */
    zf_engine_touch (queue);
    if (held.code == ZF_E_PROTO)
        zf_native_error (session, ZF_E_PROTO, "LINK is malformed");
    else /* what `last` says is acknowledged at the source then: it has to be on disk */
        zf_store_hold (session, &held);
}

/* -- atomic posts: all of it or nothing -------------------------------------------------------- */

typedef struct {
    zf_queue_t *queue;
    uint32_t start; /* its first record in the batch */
    uint32_t count;
    uint64_t ends[ZF_PRIORITIES_MAX]; /* where the queue ended before it */
} segment_t;

static void send_done (zf_session_t *session, uint64_t number, int code)
{
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_DONE, 3);
    zf_mp_put_uint (w, number);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_out_written (session);
    zf_out_end (session);
}

static void say_done (zf_session_t *session, const zf_held_t *held)
{
    send_done (session, held->first, held->code);
}

/* When it is on disk. */
static void hold_done (zf_session_t *session, uint64_t number, int code)
{
    zf_held_t held = {.say = say_done, .first = number, .code = code};
    zf_store_hold (session, &held);
}

static int read_segments (zf_session_t *session, zf_reader_t *r, const zf_intake_t *in,
                          segment_t *segments, uint32_t n)
{
    uint32_t start = 0;
    for (uint32_t i = 0; i < n; i++) {
        zf_bytes_t name = zf_mp_bytes (r);
        uint64_t count = zf_mp_uint (r);
        int code;
        if (r->failed || count == 0 || count > in->batch.count - start)
            return ZF_E_PROTO;
        segments[i].queue = zf_session_queue (session, name, &code);
        if (segments[i].queue == NULL)
            return code;
        if (segments[i].queue->policy.compact) /* what it lets go of can't be taken back */
            return ZF_E_INVAL;
        zf_engine_touch (segments[i].queue); /* so that it does not make room for one behind it */
        segments[i].start = start;
        segments[i].count = (uint32_t) count;
        start += (uint32_t) count;
    }
    return start == in->batch.count ? 0 : ZF_E_PROTO;
}

/* True if all segments fit. */
static bool fit (const zf_intake_t *in, const segment_t *segments, uint32_t n)
{
    bool all = true;
    for (uint32_t i = 0; i < n; i++)
        all &= zf_queue_want (segments[i].queue, in, segments[i].start, segments[i].count);
    for (uint32_t i = 0; i < n; i++)
        segments[i].queue->wanted = segments[i].queue->wanted_bytes = 0;
    return all;
}

static bool any_durable (const segment_t *segments, uint32_t n)
{
    bool any = false;
    for (uint32_t i = 0; i < n; i++)
        any |= segments[i].queue->is_durable;
    return any;
}

/* Puts all segments, or none. A queue may be named more than once. */
static int put_segments (zf_intake_t *in, segment_t *segments, uint32_t n)
{
    zf_store_mark_t mark = zf_store_mark (in->session->engine);
    if (in->session->engine->store.failed && any_durable (segments, n))
        return ZF_E_IO;
    if (!fit (in, segments, n))
        return ZF_E_FULL;
    for (uint32_t i = 0; i < n; i++) {
        segment_t *segment = &segments[i];
        zf_queue_mark (segment->queue, segment->ends);
        if (zf_queue_put (segment->queue, in, segment->start, segment->count) == segment->count)
            continue;
        for (i++; i-- > 0;) /* no memory: what was put is taken back, the last first */
            zf_queue_take_back (segments[i].queue, segments[i].ends);
        zf_store_take_back (in->session->engine, mark);
        return ZF_E_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++)
        if (segments[i].queue->stream != NULL)
            zf_stream_retain (segments[i].queue);
    return 0;
}

/* Writes down what became of a number. Returns false if that can't be: the session is ended, and
 * what is sent again then is looked at anew. */
static bool remember (zf_session_t *session, zf_producer_t *producer, uint64_t number, int rc)
{
    if (rc != 0 && zf_producer_refuse (producer, number, 1, rc) != 0) {
        zf_session_end (session, "does not listen to refusals");
        return false;
    }
    producer->last = number;
    return true;
}

/* True if the session may post to all of the n segments. r is a copy. */
static bool may_put_all (zf_session_t *session, zf_reader_t r, uint32_t n)
{
    for (uint32_t i = 0; i < n && !r.failed; i++) {
        zf_bytes_t name = zf_mp_bytes (&r);
        zf_mp_uint (&r);
        if (!r.failed && !zf_session_may_put (session, name, false))
            return false;
    }
    return true;
}

/* The session may not do that: nothing is made, or remembered of it, but what was done before was
 * done. */
static void refuse_many (zf_session_t *session, uint64_t number)
{
    zf_producer_t *producer;
    uint64_t span;
    HASH_FIND (hh, session->engine->atomics.table, session->uuid, ZF_UUID_BYTES, producer);
    if (producer != NULL && number <= producer->last)
        hold_done (session, number, zf_producer_outcome (producer, number, &span));
    else
        send_done (session, number, ZF_E_DENIED);
}

static void post_many (zf_session_t *session, uint64_t number, uint64_t low, zf_reader_t *r,
                       zf_intake_t *in)
{
    uint32_t n = zf_mp_array (r) / 2;
    if (!may_put_all (session, *r, n)) {
        refuse_many (session, number);
        return;
    }
    zf_producer_t *producer = zf_engine_atomics (session->engine, session->uuid);
    segment_t *segments = n > 0 && n <= ZF_SEGMENTS_MAX ? calloc (n, sizeof *segments) : NULL;
    int rc = r->failed || n == 0 || n > ZF_SEGMENTS_MAX ? ZF_E_PROTO : 0;
    bool remembered = true;
    if (rc == 0 && (producer == NULL || segments == NULL))
        rc = ZF_E_NOMEM;
    if (rc == 0) {
        zf_producer_heard (producer, low);
        uint64_t span;
        if (number <= producer->last) {
            hold_done (session, number, zf_producer_outcome (producer, number, &span));
            free (segments);
            return;
        }
        rc = read_segments (session, r, in, segments, n);
        if (rc == 0)
            rc = put_segments (in, segments, n);
        remembered = remember (session, producer, number, rc);
    }
    free (segments);
    if (remembered && producer != NULL)
        zf_store_producer (session->engine, NULL, producer);
    if (remembered && session->engine->store.failed) /* then it was for no durable queue */
        send_done (session, number, rc);
    else if (remembered)
        hold_done (session, number, rc);
}

void zf_native_post_many (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    uint64_t number = zf_mp_uint (r);
    uint64_t low = zf_mp_uint (r);
    zf_intake_t in;
    if (zf_native_batch (session, r, body, 0, &in)) {
        zf_throttle_charge (session, in.batch.count, in.batch.size);
        if (number > 0 && number < NUMBER_MAX)
            post_many (session, number, low, r, &in);
        else
            zf_native_error (session, ZF_E_PROTO, "atomic post with a bad number");
    } else {
        zf_session_end (session, "a post was malformed");
    }
    zf_intake_done (&in);
}
