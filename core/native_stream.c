/* The native protocol: reading streams. */
#include "core/native.h"

#include <zferry/error.h>

int zf_native_patterns (zf_reader_t *r, zf_filter_t **filter)
{
    zf_bytes_t patterns[ZF_PATTERNS_MAX];
    uint32_t count = zf_mp_array (r);
    *filter = NULL;
    if (count > ZF_PATTERNS_MAX)
        return ZF_E_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        patterns[i] = zf_mp_bytes (r);
    if (r->failed)
        return ZF_E_PROTO;
    return count > 0 ? zf_filter_new (filter, patterns, count) : 0;
}

static void say_subscribed (zf_session_t *session, const zf_subscription_t *about, uint64_t number,
                            int code, const char *text)
{
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_SUBSCRIBED, 7);
    zf_mp_put_uint (w, number);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_mp_put_str (w, zf_bytes_of (text));
    zf_mp_put_uint (w, about != NULL ? about->position : 0);
    zf_mp_put_uint (w, about != NULL ? zf_stream_first (about->stream) : 0);
    zf_mp_put_uint (w, about != NULL ? about->missed : 0);
    zf_out_written (session);
    zf_out_end (session);
}

void zf_native_subscribed (const zf_subscription_t *subscription, int code, const char *text)
{
    say_subscribed (subscription->session, subscription, subscription->number, code, text);
}

int zf_native_events (const zf_subscription_t *subscription, const zf_events_t *events)
{
    zf_session_t *session = subscription->session;
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_EVENTS, 8);
    zf_mp_put_uint (w, subscription->number);
    zf_mp_put_uint (w, events->from);
    zf_mp_put_uint (w, events->to);
    zf_mp_put_uint (w, events->missed);
    zf_mp_put_uint (w, events->time_ms);
    zf_mp_put_uint (w, events->first);
    zf_mp_put_array (w, events->span_count);
    for (size_t i = 0; i < events->span_count; i++)
        zf_mp_put_uint (w, events->spans[i]);
    zf_out_written (session);
    if (events->frame != NULL)
        zf_out_share (session, events->frame);
    return zf_out_end (session);
}

static const char *why_not (const zf_session_t *session, int code)
{
    switch (code) {
    case ZF_E_DENIED:
        return "may not subscribe to it";
    case ZF_E_LIMIT:
        return "limit reached: of queues, or of subscriptions, patterns and who waits for them";
    case ZF_E_NOT_FOUND:
        return "no such stream";
    case ZF_E_INVAL:
        return "that is a queue, not a stream, or one of the patterns is none";
    default:
        return zf_session_words (session, code);
    }
}

void zf_native_awaited (zf_session_t *session, uint64_t number, int code, uint64_t subscribers)
{
    zf_out_begin (session);
    zf_writer_t *w = zf_out_write (session);
    zf_control (w, ZF_CMD_RESULT, 6);
    zf_mp_put_uint (w, number);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_mp_put_str (w, zf_bytes_of (code != 0 ? why_not (session, code) : ""));
    zf_mp_put_bool (w, false);
    zf_mp_put_uint (w, subscribers);
    zf_out_written (session);
    zf_out_end (session);
}

void zf_native_subscribe (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_wish_t wish = {.number = zf_mp_uint (r)};
    zf_bytes_t name = zf_mp_bytes (r);
    uint64_t from = zf_mp_uint (r);
    wish.start.value = zf_mp_uint (r);
    wish.window = zf_mp_uint (r);
    uint64_t flags = zf_mp_uint (r);
    const uint8_t *patterns = r->at;
    int code = zf_native_patterns (r, &wish.filter);
    wish.pattern_bytes = (size_t) (r->at - patterns);
    if (r->failed || from > ZF_FROM_NEW) {
        zf_filter_free (&wish.filter);
        zf_native_error (session, ZF_E_PROTO, "SUBSCRIBE is malformed");
        return;
    }
    wish.start.from = (zf_from_t) from;
    zf_queue_t *stream = NULL;
    if (code == 0 && !zf_session_may (session, ZF_MAY_SUBSCRIBE, name))
        code = ZF_E_DENIED;
    if (code == 0)
        stream = zf_session_stream (session, name, (flags & ZF_MAKE_STREAM) != 0, &code);
    if (stream != NULL)
        code = zf_subscribe (session, stream, &wish);
    else
        zf_filter_free (&wish.filter);
    zf_subscription_t *old = code != 0 ? zf_subscription_find (session, wish.number) : NULL;
    if (old != NULL) /* what is refused takes the place of the one before all the same */
        zf_subscription_end (old);
    if (code != 0)
        say_subscribed (session, NULL, wish.number, code, why_not (session, code));
    else
        session->dialect->tick (session); /* it is to be heard of more often now */
}

void zf_native_read (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_subscription_t *subscription = zf_subscription_find (session, zf_mp_uint (r));
    uint64_t to = zf_mp_uint (r);
    bool ask = !r->failed && zf_reader_left (r) > 0 && zf_mp_bool (r);
    if (r->failed)
        zf_native_error (session, ZF_E_PROTO, "READ is malformed");
    else if (subscription != NULL)
        zf_subscription_read (subscription, to);
    if (subscription != NULL && ask && !r->failed)
        zf_subscription_locate (subscription);
}

void zf_native_unsubscribe (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    zf_subscription_t *subscription = zf_subscription_find (session, zf_mp_uint (r));
    if (r->failed)
        zf_native_error (session, ZF_E_PROTO, "UNSUBSCRIBE is malformed");
    else if (subscription != NULL)
        zf_subscription_end (subscription);
}

void zf_native_await (zf_session_t *session, zf_reader_t *r, zf_frame_t *body)
{
    (void) body;
    uint64_t number = zf_mp_uint (r);
    zf_bytes_t name = zf_mp_bytes (r);
    zf_bytes_t topic = zf_mp_bytes (r);
    uint64_t count = zf_mp_uint (r);
    uint64_t flags = zf_mp_uint (r);
    int code = 0;
    if (r->failed || topic.size > ZF_TOPIC_MAX) {
        zf_native_error (session, ZF_E_PROTO, "AWAIT is malformed");
        return;
    }
    zf_queue_t *stream = NULL;
    if (!zf_session_may (session, ZF_MAY_PUBLISH | ZF_MAY_SUBSCRIBE, name))
        code = ZF_E_DENIED;
    else
        stream = zf_session_stream (session, name, (flags & ZF_MAKE_STREAM) != 0, &code);
    if (stream != NULL)
        code = zf_await (session, stream, number, topic, count);
    if (code != 0)
        zf_native_awaited (session, number, code, 0);
}
