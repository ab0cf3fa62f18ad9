/* What a stream keeps, and what it lets go. */
#include "core/engine.h"

#include <stdlib.h>
#include <utlist.h>
#include <xxhash.h>
#include <zferry/error.h>

#define KEYS_SOME \
    1024                  /* in mind beyond those that are here, before it is looked which can
                             go */
#define CLOCK_SLACK_MS 1  /* between our clock and that of who names a time */
#define CAP_SHARE      16 /* a chunk has at most this share of what is kept */

/* The last record of a key. */
struct zf_latest {
    XXH128_hash_t hash;
    uint64_t id;
    UT_hash_handle hh;
};

static zf_lane_t *lane_of (const zf_queue_t *queue)
{
    return &queue->lanes[0];
}

int zf_stream_init (zf_queue_t *queue)
{
    queue->stream = calloc (1, sizeof *queue->stream);
    if (queue->stream == NULL)
        return ZF_E_NOMEM;
    zf_stream_fit (queue);
    return 0;
}

static void forget_keys (zf_stream_t *stream)
{
    zf_latest_t *latest, *next;
    HASH_ITER (hh, stream->latest, latest, next) {
        /* NOLINTNEXTLINE(clang-analyzer-*): HASH_ITER took next before */
        HASH_DEL (stream->latest, latest);
        free (latest);
    }
}

void zf_stream_free (zf_queue_t *queue)
{
    if (queue->stream == NULL)
        return;
    zf_follow_t *follow, *next;
    DL_FOREACH_SAFE (queue->stream->groups, follow, next)
        follow->source = NULL;
    forget_keys (queue->stream);
    zf_frame_drop (queue->stream->shared);
    free (queue->stream);
    queue->stream = NULL;
}

bool zf_stream_is_unused (const zf_queue_t *queue)
{
    const zf_stream_t *stream = queue->stream;
    return stream->groups == NULL && stream->subscriptions == NULL && stream->awaits == NULL;
}

static uint32_t share (uint64_t cap, uint32_t most)
{
    uint64_t part = cap / CAP_SHARE + 1;
    return cap == 0 || part > most ? most : (uint32_t) part;
}

void zf_stream_fit (zf_queue_t *queue)
{
    zf_log_t *log = &lane_of (queue)->log;
    log->most_records = share (queue->policy.max_length, ZF_CHUNK_RECORDS);
    log->most_bytes = ZF_BATCH_HEADER + share (queue->policy.max_bytes, ZF_CHUNK_BYTES);
}

uint64_t zf_stream_end (const zf_queue_t *queue)
{
    const zf_lane_t *lane = lane_of (queue);
    return lane->mark_count > 0 ? lane->durable_end : lane->log.next;
}

/* -- compaction -------------------------------------------------------------------------------- */

/* One record of a chunk is not wanted any more. */
static void settle_one (zf_queue_t *queue, zf_place_t place)
{
    zf_engine_t *engine = queue->engine;
    zf_log_t *log = &lane_of (queue)->log;
    zf_chunk_t *chunk = place.chunk;
    uint32_t bytes = zf_chunk_size (chunk, place.at, 1);
    uint64_t pinned = log->pinned;
    uint32_t size = chunk->size;
    bool last = chunk->live == 1;
    zf_store_gone (queue, chunk, place.at, 1);
    queue->length--;
    zf_queue_discharge (queue, 1, bytes, chunk->logged);
    if (last)
        zf_store_leave (engine, chunk);
    zf_log_settle (log, chunk, place.at, 1);
    if (!last && chunk->owner != NULL && chunk->data != NULL)
        engine->store.resident_bytes -= size - chunk->size; /* it was cut down */
    engine->overhead += log->pinned - pinned;
    if (!last)
        return;
    pinned = log->pinned;
    zf_group_leave (&lane_of (queue)->group, chunk);
    zf_log_discard (log, chunk);
    engine->overhead += log->pinned - pinned;
}

/* Keys whose last record went by number or age are not kept in mind. */
static void prune_keys (zf_queue_t *queue)
{
    zf_stream_t *stream = queue->stream;
    zf_latest_t *latest, *next;
    if (HASH_COUNT (stream->latest) <= 2 * queue->length + KEYS_SOME)
        return;
    HASH_ITER (hh, stream->latest, latest, next) {
        if (latest->id >= stream->floor)
            continue;
        /* NOLINTNEXTLINE(clang-analyzer-*): HASH_ITER took next before */
        HASH_DEL (stream->latest, latest);
        free (latest);
    }
}

/* The record is the last one of its key now; the one before goes. Without memory both stay. */
static void note_key (zf_queue_t *queue, zf_bytes_t key, uint64_t id)
{
    zf_stream_t *stream = queue->stream;
    XXH128_hash_t hash = XXH3_128bits (key.data, key.size);
    zf_latest_t *latest;
    zf_place_t place;
    HASH_FIND (hh, stream->latest, &hash, sizeof hash, latest);
    if (latest != NULL) {
        uint64_t before = latest->id;
        latest->id = id > before ? id : before;
        if (queue->engine->store.replaying) /* what went the log tells */
            return;
        uint64_t found = before; /* it may have gone with its chunk */
        if (before < id && zf_log_find (&lane_of (queue)->log, &found, &place) && found == before)
            settle_one (queue, place);
        return;
    }
    prune_keys (queue);
    latest = calloc (1, sizeof *latest);
    if (latest == NULL)
        return;
    latest->hash = hash;
    latest->id = id;
    /* NOLINTNEXTLINE(clang-analyzer-*): those that went are not in the table */
    HASH_ADD (hh, stream->latest, hash, sizeof latest->hash, latest);
    if (latest->hh.tbl == NULL)
        free (latest);
}

void zf_stream_compact (zf_queue_t *queue, zf_chunk_t *chunk, uint32_t at)
{
    uint64_t end = chunk->first + chunk->count;
    if (!queue->policy.compact || chunk->data == NULL)
        return;
    for (uint64_t id = chunk->first + at; id < end; id++) {
        zf_props_view_t props;
        zf_place_t place;
        uint64_t found = id;
        if (!zf_log_find (&lane_of (queue)->log, &found, &place) || found != id)
            continue; /* a later one of the same batch has its key */
        zf_record_t record = zf_chunk_record (place.chunk, place.at);
        zf_props_decode (record.props, record.body.size, &props);
        zf_bytes_t key = props.key.size > 0 ? props.key : props.topic;
        if (key.size > 0)
            note_key (queue, key, id);
    }
}

/* -- retention --------------------------------------------------------------------------------- */

/* Takes a chunk out with all that is in it. */
static void drop_chunk (zf_queue_t *queue, zf_chunk_t *chunk)
{
    zf_engine_t *engine = queue->engine;
    zf_lane_t *lane = lane_of (queue);
    uint64_t pinned = lane->log.pinned;
    uint64_t bytes = chunk->size - ZF_BATCH_HEADER - chunk->settled_bytes;
    uint64_t end = chunk->first + chunk->count;
    queue->stream->floor = end > queue->stream->floor ? end : queue->stream->floor;
    zf_store_cursor (queue, queue->stream->floor, 0);
    queue->length -= chunk->live;
    zf_queue_discharge (queue, chunk->live, bytes, chunk->logged);
    zf_store_leave (engine, chunk);
    zf_group_leave (&lane->group, chunk);
    zf_log_drop (&lane->log, chunk);
    engine->overhead += lane->log.pinned - pinned;
    zf_memory_freed (engine);
    if (queue->length == 0) /* it may make room for another queue */
        zf_engine_touch (queue);
}

uint64_t zf_stream_drop_oldest (zf_queue_t *queue)
{
    zf_chunk_t *chunk = lane_of (queue)->log.head;
    if (chunk == NULL || chunk->count == 0)
        return 0;
    uint64_t records = chunk->live;
    drop_chunk (queue, chunk);
    queue->totals.dropped += records;
    return records > 0 ? records : 1;
}

zf_queue_t *zf_stream_largest (const zf_engine_t *engine)
{
    zf_queue_t *largest = NULL;
    zf_queue_t *queue = engine->queues;
    for (; queue != NULL; queue = queue->hh.next)
        if (queue->stream != NULL && !queue->is_durable && queue->length > 0 &&
            (largest == NULL || queue->bytes > largest->bytes))
            largest = queue;
    return largest;
}

static bool is_beyond (const zf_queue_t *queue, const zf_chunk_t *chunk)
{
    const zf_policy_t *policy = &queue->policy;
    uint64_t bytes = chunk->size - ZF_BATCH_HEADER - chunk->settled_bytes;
    return (policy->max_length > 0 && queue->length - chunk->live >= policy->max_length) ||
           (policy->max_bytes > 0 && queue->bytes - bytes >= policy->max_bytes);
}

static bool is_old (const zf_queue_t *queue, const zf_chunk_t *chunk)
{
    uint64_t ttl = queue->policy.ttl_ms;
    return ttl > 0 && ttl < ZF_NEVER - chunk->newest_ms &&
           chunk->newest_ms + ttl <= queue->engine->now_ms;
}

void zf_stream_retain (zf_queue_t *queue)
{
    zf_engine_t *engine = queue->engine;
    const zf_log_t *log = &lane_of (queue)->log;
    uint64_t ttl = queue->policy.ttl_ms;
    if (engine->store.replaying) /* what went the log tells */
        return;
    while (log->head != NULL && log->head->count > 0 &&
           zf_store_entry_bytes (engine) < ZF_ENTRY_ENOUGH) {
        bool old = is_old (queue, log->head);
        if (!old && !is_beyond (queue, log->head))
            break;
        queue->totals.expired += old ? log->head->live : 0;
        zf_stream_drop_oldest (queue);
    }
    zf_timers_cancel (&engine->timers, &queue->ttl_timer);
    if (ttl == 0 || log->head == NULL || log->head->count == 0 ||
        ttl >= ZF_NEVER - log->head->newest_ms)
        return;
    uint64_t due = log->head->newest_ms + ttl;
    zf_timers_set (&engine->timers, &queue->ttl_timer,
                   due > engine->now_ms ? due : engine->now_ms + 1);
}

/* Records of the oldest chunk below that id go one by one, if it is known where they are. */
static void cut_head (zf_queue_t *queue, uint64_t below)
{
    const zf_log_t *log = &lane_of (queue)->log;
    const zf_chunk_t *head = log->head;
    uint64_t id = 0;
    zf_place_t place;
    if (head == NULL || head->offsets == NULL)
        return;
    for (; zf_log_find (log, &id, &place) && id < below && place.chunk == log->head; id++)
        settle_one (queue, place);
}

static void raise_floor (zf_queue_t *queue, uint64_t floor)
{
    const zf_log_t *log = &lane_of (queue)->log;
    while (log->head != NULL && log->head->count > 0 &&
           log->head->first + log->head->count <= floor)
        drop_chunk (queue, log->head);
    if (floor <= queue->stream->floor)
        return;
    queue->stream->floor = floor; /* nobody gets what is left below it */
    zf_store_cursor (queue, floor, 0);
    cut_head (queue, floor);
}

uint64_t zf_stream_trim (zf_queue_t *queue, uint64_t below)
{
    uint64_t before = queue->length;
    uint64_t next = lane_of (queue)->log.next;
    raise_floor (queue, below < next ? below : next);
    queue->totals.dropped += before - queue->length;
    return before - queue->length;
}

void zf_stream_settle (zf_queue_t *queue, uint64_t first, uint64_t count)
{
    const zf_log_t *log = &lane_of (queue)->log;
    uint64_t id = first;
    zf_place_t place;
    for (; zf_log_find (log, &id, &place) && id < first + count; id++)
        if (place.chunk->offsets != NULL) /* else none was ever taken out of it */
            settle_one (queue, place);
}

void zf_stream_drop_below (zf_queue_t *queue, uint64_t floor)
{
    raise_floor (queue, floor);
}

bool zf_stream_find (const zf_queue_t *queue, uint64_t *id, zf_place_t *place)
{
    if (*id < queue->stream->floor)
        *id = queue->stream->floor;
    return zf_log_find (&lane_of (queue)->log, id, place);
}

/* With too many of them the oldest two become one. */
static void make_hole (zf_stream_t *stream)
{
    stream->holes[0].to = stream->holes[1].to;
    stream->hole_count--;
    memmove (stream->holes + 1, stream->holes + 2,
             (stream->hole_count - 1) * sizeof *stream->holes);
}

void zf_stream_add_hole (zf_stream_t *stream, uint64_t from, uint64_t to)
{
    zf_hole_t *last = stream->hole_count > 0 ? &stream->holes[stream->hole_count - 1] : NULL;
    if (last != NULL && last->to == from) {
        last->to = to;
        return;
    }
    if (stream->hole_count == ZF_HOLES_MAX)
        make_hole (stream);
    stream->holes[stream->hole_count++] = (zf_hole_t){from, to};
}

static uint64_t overlap (uint64_t a_from, uint64_t a_to, uint64_t b_from, uint64_t b_to)
{
    uint64_t from = a_from > b_from ? a_from : b_from;
    uint64_t to = a_to < b_to ? a_to : b_to;
    return to > from ? to - from : 0;
}

uint64_t zf_stream_missed (const zf_queue_t *queue, uint64_t from, uint64_t to)
{
    const zf_stream_t *stream = queue->stream;
    uint64_t end = to < stream->floor ? to : stream->floor;
    if (end <= from)
        return 0;
    uint64_t missed = end - from;
    for (size_t i = 0; i < stream->hole_count; i++)
        missed -= overlap (from, end, stream->holes[i].from, stream->holes[i].to);
    return missed;
}

/* -- where to begin ---------------------------------------------------------------------------- */

uint64_t zf_stream_first (const zf_queue_t *queue)
{
    uint64_t id = 0;
    zf_place_t place;
    return zf_stream_find (queue, &id, &place) ? id : lane_of (queue)->log.next;
}

/* The first chunk with records of that time or later. */
static uint64_t seek_time (const zf_log_t *log, uint64_t time_ms)
{
    const zf_chunk_t *chunk;
    DL_FOREACH (log->head, chunk) {
        if (chunk->newest_ms + CLOCK_SLACK_MS >= time_ms)
            return chunk->first;
    }
    return log->next;
}

static uint64_t seek_last (const zf_log_t *log, uint64_t count)
{
    const zf_chunk_t *chunk = log->head != NULL ? log->head->prev : NULL;
    if (count == 0 || chunk == NULL)
        return log->next;
    while (chunk->live < count && chunk != log->head) {
        count -= chunk->live;
        chunk = chunk->prev;
    }
    uint32_t at = chunk->count;
    if (chunk->live <= count)
        return chunk->first;
    while (at > 0 && count > 0) {
        at--;
        count -= chunk->offsets == NULL || (chunk->offsets[at] & ZF_SETTLED) == 0;
    }
    return chunk->first + at;
}

static uint64_t not_below (const zf_queue_t *queue, uint64_t id)
{
    return id > queue->stream->floor ? id : queue->stream->floor;
}

uint64_t zf_stream_seek (const zf_queue_t *queue, zf_start_t start)
{
    const zf_log_t *log = &lane_of (queue)->log;
    switch (start.from) {
    case ZF_FROM_FIRST:
        return zf_stream_first (queue);
    case ZF_FROM_OFFSET:
        return start.value < log->next ? start.value : log->next;
    case ZF_FROM_TIME:
        return not_below (queue, seek_time (log, start.value));
    case ZF_FROM_LAST:
        return not_below (queue, seek_last (log, start.value));
    case ZF_FROM_DEFAULT:
    case ZF_FROM_NEW:
        break;
    }
    return log->next;
}

/* -- putting ----------------------------------------------------------------------------------- */

uint32_t zf_stream_put (zf_queue_t *stream, zf_frame_t *batch, bool local)
{
    zf_intake_t in;
    zf_log_t *log = &lane_of (stream)->log;
    uint32_t put = 0;
    log->local = local;
    if (zf_intake_open (&in, batch) == 0) {
        int code;
        uint32_t count = in.batch.count;
        put = zf_queue_admit (stream, &in, 0, count, &code);
        stream->totals.refused += count - put;
    }
    zf_intake_done (&in);
    log->local = false;
    return put;
}
