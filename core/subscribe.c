/* Subscriptions: sessions that are sent what a stream has for them, as far ahead of what they have
 * read as their window. */
#include "core/engine.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define PART_BYTES 262144 /* of a batch that is made for a subscription */
#define PART_SPANS 4096   /* ranges of records in it */
#define STEPS      256    /* chunks looked at for one subscription in a turn */
#define SEEK_STEPS 64     /* the same, going back */
#define TELL_AFTER 65536  /* ids passed over before it is told, if there is nothing else to say */

/* Events under way. */
struct zf_unread {
    uint64_t end, bytes;
};

/* Somebody who waits until a topic has readers. */
struct zf_await {
    zf_queue_t *stream;
    zf_session_t *session;
    uint64_t number, count;
    size_t topic_size;
    char topic[ZF_TOPIC_MAX];
    zf_await_t *prev, *next;                 /* of the stream */
    zf_await_t *session_prev, *session_next; /* of the session */
};

static const zf_log_t *log_of (const zf_queue_t *stream)
{
    return &stream->lanes[0].log;
}

/* -- who reads --------------------------------------------------------------------------------- */

static bool lets_pass (const zf_filter_t *filter, zf_bytes_t topic)
{
    return filter == NULL || zf_filter_matches (filter, topic);
}

uint64_t zf_stream_readers (const zf_queue_t *stream, zf_bytes_t topic)
{
    uint64_t count = 0;
    const zf_subscription_t *subscription;
    const zf_follow_t *follow;
    DL_FOREACH (stream->stream->subscriptions, subscription)
        count += subscription->is_told && lets_pass (subscription->filter, topic);
    DL_FOREACH (stream->stream->groups, follow)
        count += lets_pass (follow->filter, topic);
    return count;
}

static void free_await (zf_await_t *await)
{
    await->stream->stream->await_count--;
    DL_DELETE (await->stream->stream->awaits, await);
    DL_DELETE2 (await->session->awaits, await, session_prev, session_next);
    await->session->await_count--;
    free (await);
}

/* Tells who waits if there are enough of them now. */
static void look (zf_await_t *await)
{
    uint64_t count = zf_stream_readers (await->stream, zf_bytes (await->topic, await->topic_size));
    if (count < await->count)
        return;
    await->session->dialect->awaited (await->session, await->number, 0, count);
    free_await (await);
}

void zf_awaits_look (zf_queue_t *stream)
{
    stream->stream->awaits_due = true;
    zf_engine_touch (stream);
}

static void look_at_awaits (zf_stream_t *stream)
{
    zf_await_t *await, *next;
    stream->awaits_due = false;
    DL_FOREACH_SAFE (stream->awaits, await, next)
        look (await);
}

static zf_await_t *find_await (const zf_session_t *session, uint64_t number)
{
    zf_await_t *await;
    DL_FOREACH2 (session->awaits, await, session_next) {
        if (await->number == number)
            return await;
    }
    return NULL;
}

int zf_await (zf_session_t *session, zf_queue_t *stream, uint64_t number, zf_bytes_t topic,
              uint64_t count)
{
    zf_await_t *old = find_await (session, number);
    if (old != NULL) {
        zf_engine_touch (old->stream);
        free_await (old);
    }
    if (session->await_count >= ZF_AWAITS_MAX || stream->stream->await_count >= ZF_AWAITS_STREAM ||
        topic.size > ZF_TOPIC_MAX)
        return ZF_E_LIMIT;
    zf_await_t *await = calloc (1, sizeof *await);
    if (await == NULL)
        return ZF_E_NOMEM;
    await->stream = stream;
    await->session = session;
    await->number = number;
    await->count = count;
    await->topic_size = topic.size;
    if (topic.size > 0)
        memcpy (await->topic, topic.data, topic.size);
    DL_APPEND (stream->stream->awaits, await);
    DL_APPEND2 (session->awaits, await, session_prev, session_next);
    session->await_count++;
    stream->stream->await_count++;
    zf_engine_touch (stream); /* it is needed now */
    look (await);
    return 0;
}

/* -- life -------------------------------------------------------------------------------------- */

zf_subscription_t *zf_subscription_find (zf_session_t *session, uint64_t number)
{
    zf_subscription_t *subscription;
    DL_FOREACH2 (session->subscriptions, subscription, session_next) {
        if (subscription->number == number)
            return subscription;
    }
    return NULL;
}

static void end_subscription (zf_subscription_t *subscription)
{
    zf_queue_t *stream = subscription->stream;
    zf_session_t *session = subscription->session;
    DL_DELETE (stream->stream->subscriptions, subscription);
    DL_DELETE2 (session->subscriptions, subscription, session_prev, session_next);
    stream->stream->subscription_count--;
    session->subscription_count--;
    session->window_bytes -= subscription->window;
    session->pattern_bytes -= subscription->pattern_bytes;
    zf_notice (stream->engine, ZF_EVENT_SUBSCRIBER_OFF, "%s: %s: %s", stream->name, session->name,
               session->why != NULL ? session->why : "ended");
    zf_filter_free (&subscription->filter);
    free (subscription->unread);
    free (subscription);
}

void zf_subscription_end (zf_subscription_t *subscription)
{
    zf_engine_touch (subscription->stream); /* nobody may need it any more */
    end_subscription (subscription);
}

void zf_subscriptions_drop_session (zf_session_t *session)
{
    while (session->subscriptions != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-*): each takes itself out of the list */
        zf_subscription_end (session->subscriptions);
    while (session->awaits != NULL) {
        zf_engine_touch (session->awaits->stream);
        free_await (session->awaits);
    }
}

void zf_subscriptions_review (zf_session_t *session)
{
    zf_subscription_t *subscription, *next;
    zf_await_t *await, *following;
    session->why = "not allowed any more";
    DL_FOREACH_SAFE2 (session->subscriptions, subscription, next, session_next) {
        const zf_queue_t *stream = subscription->stream;
        zf_bytes_t name = zf_bytes (stream->name, stream->name_size);
        if (zf_session_may (session, ZF_MAY_SUBSCRIBE, name))
            continue;
        char text[ZF_REFUSAL_TEXT];
        zf_right_refusal (text, ZF_MAY_SUBSCRIBE, name);
        session->dialect->subscribed (subscription, ZF_E_DENIED, text);
        zf_subscription_end (subscription);
    }
    DL_FOREACH_SAFE2 (session->awaits, await, following, session_next) {
        zf_bytes_t name = zf_bytes (await->stream->name, await->stream->name_size);
        if (zf_session_may (session, ZF_MAY_PUBLISH | ZF_MAY_SUBSCRIBE, name))
            continue;
        session->dialect->awaited (session, await->number, ZF_E_DENIED, 0);
        zf_engine_touch (await->stream);
        free_await (await);
    }
    session->why = NULL;
}

void zf_subscriptions_drop_stream (zf_queue_t *stream)
{
    while (stream->stream->subscriptions != NULL) {
        zf_subscription_t *subscription = stream->stream->subscriptions;
        /* NOLINTNEXTLINE(clang-analyzer-*): each takes itself out of the list */
        if (subscription->session->host != NULL)
            subscription->session->dialect->subscribed (subscription, ZF_E_NOT_FOUND,
                                                        "the stream was forgotten");
        end_subscription (subscription);
    }
    while (stream->stream->awaits != NULL) {
        zf_await_t *await = stream->stream->awaits;
        if (await->session->host != NULL)
            await->session->dialect->awaited (await->session, await->number, ZF_E_NOT_FOUND, 0);
        free_await (await);
    }
}

static void tell (zf_subscription_t *subscription)
{
    subscription->is_told = true;
    subscription->sent = subscription->position;
    subscription->session->dialect->subscribed (subscription, 0, "");
    subscription->missed = 0;
    zf_awaits_look (subscription->stream);
}

/* As it wants, if all those of its session together are no more than one may be. */
static uint64_t window (const zf_session_t *session, uint64_t bytes)
{
    uint64_t left =
        session->window_bytes < ZF_WINDOW_MOST ? ZF_WINDOW_MOST - session->window_bytes : 0;
    uint64_t most = bytes < left ? bytes : left;
    return most > ZF_WINDOW_LEAST ? most : ZF_WINDOW_LEAST;
}

static bool is_selective (const zf_filter_t *filter)
{
    return filter != NULL && !zf_filter_is_all (filter);
}

static void set_out (zf_subscription_t *subscription, zf_start_t start)
{
    zf_queue_t *stream = subscription->stream;
    if (start.from == ZF_FROM_LAST && subscription->filter != NULL && start.value > 0) {
        subscription->seek_left = start.value;
        subscription->position = log_of (stream)->next;
        return;
    }
    subscription->position = zf_stream_seek (stream, start);
    if (start.from != ZF_FROM_OFFSET)
        return;
    uint64_t id = subscription->position;
    zf_place_t place;
    if (!zf_stream_find (stream, &id, &place))
        id = log_of (stream)->next;
    bool other_run = subscription->position > 0 && subscription->position < stream->stream->born;
    subscription->missed =
        other_run ? ZF_MISSED_UNKNOWN : zf_stream_missed (stream, subscription->position, id);
    subscription->position = id;
}

int zf_subscribe (zf_session_t *session, zf_queue_t *stream, const zf_wish_t *wish)
{
    zf_filter_t *filter = wish->filter;
    zf_subscription_t *old = zf_subscription_find (session, wish->number);
    if (old != NULL)
        zf_subscription_end (old);
    bool limited = session->subscription_count >= ZF_SUBSCRIPTIONS_MAX ||
                   session->pattern_bytes + wish->pattern_bytes > ZF_PATTERN_BYTES_MAX;
    zf_subscription_t *subscription = limited ? NULL : calloc (1, sizeof *subscription);
    if (subscription == NULL) {
        zf_filter_free (&filter);
        return limited ? ZF_E_LIMIT : ZF_E_NOMEM;
    }
    if (!is_selective (filter))
        zf_filter_free (&filter);
    subscription->stream = stream;
    subscription->session = session;
    subscription->number = wish->number;
    subscription->filter = filter;
    subscription->window = window (session, wish->window);
    session->window_bytes += subscription->window;
    subscription->pattern_bytes = wish->pattern_bytes;
    session->pattern_bytes += wish->pattern_bytes;
    subscription->not_local = wish->not_local;
    /* NOLINTNEXTLINE(clang-analyzer-*): the one that ended has left the lists */
    DL_APPEND (stream->stream->subscriptions, subscription);
    /* NOLINTNEXTLINE(clang-analyzer-*): the same */
    DL_APPEND2 (session->subscriptions, subscription, session_prev, session_next);
    stream->stream->subscription_count++;
    session->subscription_count++;
    zf_notice (stream->engine, ZF_EVENT_SUBSCRIBER_ON, "%s: %s", stream->name, session->name);
    set_out (subscription, wish->start);
    if (subscription->seek_left == 0)
        tell (subscription);
    zf_engine_touch (stream);
    return 0;
}

/* -- the window -------------------------------------------------------------------------------- */

static bool has_room (const zf_subscription_t *subscription)
{
    return subscription->unread_count == 0 || (subscription->unread_bytes < subscription->window &&
                                               subscription->unread_count < ZF_UNREAD_MOST);
}

static bool ready_unread (zf_subscription_t *subscription)
{
    if (subscription->unread_first + subscription->unread_count < subscription->unread_room)
        return true;
    if (subscription->unread_first > 0) {
        memmove (subscription->unread, subscription->unread + subscription->unread_first,
                 subscription->unread_count * sizeof *subscription->unread);
        subscription->unread_first = 0;
        return true;
    }
    uint32_t room = subscription->unread_room != 0 ? 2 * subscription->unread_room : 16;
    struct zf_unread *unread = realloc (subscription->unread, room * sizeof *unread);
    if (unread == NULL)
        return false;
    subscription->unread = unread;
    subscription->unread_room = room;
    return true;
}

void zf_subscription_read (zf_subscription_t *subscription, uint64_t to)
{
    while (subscription->unread_count > 0) {
        const struct zf_unread *oldest = &subscription->unread[subscription->unread_first];
        if (oldest->end > to)
            break;
        subscription->unread_bytes -= oldest->bytes;
        subscription->unread_first++;
        subscription->unread_count--;
    }
    zf_engine_touch (subscription->stream);
}

/* Sends events that end where the subscription is now. False: no memory, as if nothing was sent. */
static bool send (zf_subscription_t *subscription, zf_events_t *events, uint64_t to)
{
    uint64_t bytes = events->frame != NULL ? events->frame->size : 0;
    events->from = subscription->sent;
    events->to = to;
    events->missed = subscription->missed;
    if (!ready_unread (subscription) ||
        subscription->session->dialect->events (subscription, events) != 0)
        return false;
    uint32_t last = subscription->unread_first + subscription->unread_count++;
    subscription->unread[last] = (struct zf_unread){to, bytes};
    subscription->unread_bytes += bytes;
    subscription->missed = 0;
    subscription->sent = subscription->position = to;
    subscription->stream->totals.delivered += events->count;
    return true;
}

void zf_subscription_locate (zf_subscription_t *subscription)
{
    zf_events_t events = {.from = subscription->sent, .to = subscription->sent};
    if (subscription->is_told) /* also without room: what fills the window may be what was lost */
        subscription->session->dialect->events (subscription, &events);
}

/* -- what there is for it ---------------------------------------------------------------------- */

/* Records of one chunk that are to be sent. */
typedef struct {
    const zf_chunk_t *chunk;
    uint32_t at, end;           /* looked at */
    uint32_t first;             /* the first one that is sent, */
    uint32_t behind;            /* and the one behind the last */
    uint32_t count;             /* how many are */
    size_t bytes;               /* of them */
    size_t span_count;          /* of spans */
    uint32_t spans[PART_SPANS]; /* count, skip, count, ... */
} part_t;

static bool is_live (const zf_chunk_t *chunk, uint32_t at)
{
    return (chunk->offsets[at] & ZF_SETTLED) == 0;
}

/* One record more is sent. */
static void add (part_t *part, uint32_t at, uint32_t bytes)
{
    uint32_t *last = part->span_count > 0 ? &part->spans[part->span_count - 1] : NULL;
    if (last == NULL) {
        part->first = at;
        part->spans[part->span_count++] = 1;
    } else {
        if (part->behind == at) {
            ++*last;
        } else {
            part->spans[part->span_count++] = at - part->behind;
            part->spans[part->span_count++] = 1;
        }
    }
    part->behind = at + 1;
    part->count++;
    part->bytes += bytes;
}

/* Picks from part->at on what the subscription wants, and sets part->end behind it. */
static void pick (const zf_subscription_t *subscription, part_t *part, uint32_t most)
{
    const zf_chunk_t *chunk = part->chunk;
    zf_bytes_t last = zf_bytes (NULL, 0);
    bool matched = subscription->filter == NULL;
    bool any = false;
    uint32_t at = part->at;
    for (; at < most && part->bytes < PART_BYTES && part->span_count < PART_SPANS - 2; at++) {
        if (!is_live (chunk, at))
            continue;
        if (subscription->filter != NULL) {
            zf_bytes_t props = zf_chunk_record (chunk, at).props;
            if (!any || !zf_bytes_equal (props, last))
                matched = zf_filter_matches (subscription->filter, zf_props_topic (props));
            last = props;
            any = true;
        }
        if (matched)
            add (part, at, zf_chunk_size (chunk, at, 1));
    }
    uint64_t looked = at - part->at;
    zf_engine_t *engine = subscription->stream->engine;
    engine->looks -= looked < engine->looks ? looked : engine->looks;
    part->end = at;
}

/* The picked records as a batch. */
static zf_frame_t *make_batch (const part_t *part)
{
    const zf_chunk_t *chunk = part->chunk;
    zf_frame_t *frame = zf_frame_new (ZF_BATCH_HEADER + part->bytes);
    if (frame == NULL)
        return NULL;
    uint8_t *to = frame->data + ZF_BATCH_HEADER;
    uint32_t at = part->first;
    for (size_t i = 0; i < part->span_count; i++) {
        if (i % 2 == 0) {
            zf_bytes_t span = zf_chunk_span (chunk, at, part->spans[i]);
            memcpy (to, span.data, span.size);
            to += span.size;
        }
        at += part->spans[i];
    }
    zf_batch_seal (frame->data, frame->size, part->count, ZF_BATCH_HAS_PROPS,
                   chunk->first + part->first);
    return frame;
}

/* The same batch goes to all who are at the end. */
static zf_frame_t *batch_of (zf_stream_t *stream, const zf_subscription_t *subscription,
                             const part_t *part)
{
    const zf_chunk_t *chunk = part->chunk;
    bool same = subscription->filter == NULL && chunk->live == chunk->count;
    uint64_t first = chunk->first + part->at;
    uint64_t end = chunk->first + part->end;
    if (same && stream->shared != NULL && stream->shared_first == first &&
        stream->shared_end == end)
        return zf_frame_hold (stream->shared);
    zf_engine_t *engine = subscription->stream->engine;
    zf_frame_t *frame = make_batch (part);
    engine->copies -= part->bytes < engine->copies ? part->bytes : engine->copies;
    if (same && frame != NULL) {
        zf_frame_drop (stream->shared);
        stream->shared = zf_frame_hold (frame);
        stream->shared_first = first;
        stream->shared_end = end;
    }
    return frame;
}

/* Nothing of the chunk's records up to `to` is for it. */
static bool pass_over (zf_subscription_t *subscription, uint64_t to)
{
    zf_events_t events = {.frame = NULL};
    subscription->position = to;
    if (subscription->missed == 0 && to - subscription->sent < TELL_AFTER)
        return true;
    return send (subscription, &events, to);
}

static bool send_part (zf_subscription_t *subscription, const part_t *part)
{
    zf_events_t events = {.time_ms = part->chunk->newest_ms, .count = part->count};
    events.first = part->chunk->first + part->first;
    events.frame = batch_of (subscription->stream->stream, subscription, part);
    if (part->span_count > 1) {
        events.spans = part->spans;
        events.span_count = part->span_count;
    }
    bool sent =
        events.frame != NULL && send (subscription, &events, part->chunk->first + part->end);
    zf_frame_drop (events.frame);
    return sent;
}

/* The whole chunk, as the batch that it came in. */
static bool send_whole (zf_subscription_t *subscription, const zf_chunk_t *chunk)
{
    zf_events_t events = {.time_ms = chunk->newest_ms, .first = chunk->first};
    events.count = chunk->count;
    events.frame = chunk->frame;
    return send (subscription, &events, chunk->first + chunk->count);
}

/* Takes it on by a chunk, or a part of one. False: not now. */
static bool feed (zf_subscription_t *subscription, part_t *part)
{
    zf_queue_t *stream = subscription->stream;
    uint64_t id = subscription->position;
    uint64_t end = zf_stream_end (stream);
    zf_place_t place;
    if (!zf_stream_find (stream, &id, &place) || id >= end)
        return false;
    subscription->missed += zf_stream_missed (stream, subscription->position, id);
    subscription->position = id;
    zf_store_read_ahead (stream, place.chunk);
    if (!zf_chunk_here (stream, place.chunk))
        return false;
    const zf_chunk_t *chunk = place.chunk;
    uint64_t most = end < chunk->first + chunk->count ? end - chunk->first : chunk->count;
    bool sent;
    part->chunk = chunk;
    part->at = place.at;
    part->count = 0;
    part->bytes = part->span_count = 0;
    if (subscription->not_local && chunk->local) {
        sent = pass_over (subscription, chunk->first + most);
    } else if (subscription->filter == NULL && place.at == 0 && most == chunk->count &&
               zf_chunk_is_whole (chunk)) {
        sent = send_whole (subscription, chunk);
    } else {
        pick (subscription, part, (uint32_t) most);
        sent = part->count > 0 ? send_part (subscription, part)
                               : pass_over (subscription, chunk->first + part->end);
    }
    if (!sent)
        zf_engine_touch (stream); /* no memory: it is tried again */
    return sent;
}

/* Goes back by a chunk, looking for what matches. False: not now. */
static bool go_back (zf_subscription_t *subscription)
{
    zf_queue_t *stream = subscription->stream;
    zf_chunk_t *chunk = zf_log_before (log_of (stream), subscription->position);
    if (chunk == NULL || subscription->position <= stream->stream->floor) {
        subscription->seek_left = 0;
        return true;
    }
    if (!zf_chunk_here (stream, chunk))
        return false;
    uint64_t behind = subscription->position - chunk->first;
    uint32_t at = behind < chunk->count ? (uint32_t) behind : chunk->count;
    while (at > 0 && subscription->seek_left > 0 && chunk->first + at > stream->stream->floor) {
        at--;
        if (is_live (chunk, at) &&
            zf_filter_matches (subscription->filter,
                               zf_props_topic (zf_chunk_record (chunk, at).props)))
            subscription->seek_left--;
    }
    uint64_t looked = subscription->position - (chunk->first + at);
    zf_engine_t *engine = stream->engine;
    engine->looks -= looked < engine->looks ? looked : engine->looks;
    subscription->position = chunk->first + at;
    return true;
}

/* Others have to have their turn. Everybody gets one step, whatever the others took. */
static bool is_enough (const zf_subscription_t *subscription)
{
    const zf_engine_t *engine = subscription->stream->engine;
    return engine->looks == 0 || engine->copies == 0;
}

/* Takes it on as far as it goes. is_cut: it could go further. */
static void serve (zf_subscription_t *subscription, part_t *part)
{
    int steps = 0;
    subscription->is_cut = false;
    for (; subscription->seek_left > 0 && (steps == 0 || !is_enough (subscription)); steps++)
        if (!go_back (subscription))
            return;
    if (subscription->seek_left == 0 && !subscription->is_told)
        tell (subscription);
    for (; subscription->is_told && has_room (subscription); steps++) {
        subscription->is_cut = steps >= STEPS || (steps > 0 && is_enough (subscription));
        if (subscription->is_cut || !feed (subscription, part))
            return;
    }
    subscription->is_cut = !subscription->is_told;
}

/* What it was not told it has passed is not kept any more: it must not ask for that again. */
static void tell_position (zf_subscription_t *subscription)
{
    zf_events_t events = {.frame = NULL};
    if (subscription->is_told && subscription->sent < subscription->position &&
        subscription->sent < subscription->stream->stream->floor && has_room (subscription))
        send (subscription, &events, subscription->position);
}

void zf_stream_dispatch (zf_queue_t *stream)
{
    part_t part;
    zf_stream_t *self = stream->stream;
    zf_follow_t *follow;
    if (self->awaits_due)
        look_at_awaits (self);
    for (uint64_t i = self->subscription_count; i > 0;
         i--) { /* who was first is last the next time */
        zf_subscription_t *subscription = self->subscriptions;
        DL_DELETE (self->subscriptions, subscription);
        DL_APPEND (self->subscriptions, subscription);
        if (subscription->session->doomed || subscription->session->host == NULL)
            continue;
        serve (subscription, &part);
        tell_position (subscription);
        if (subscription->is_cut)
            zf_engine_touch (stream); /* the next turn goes on */
    }
    DL_FOREACH (self->groups, follow) {
        if (follow->queue->available != NULL)
            zf_engine_touch (follow->queue);
    }
    if (self->awaits_due)
        zf_engine_touch (stream);
}
