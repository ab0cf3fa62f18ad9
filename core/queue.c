#include "core/engine.h"
#include "core/keep.h"
#include "core/link.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define DEAD_SHARE 4 /* dead letters may have a quarter of the memory, beside the rest */

static void set_policy_defaults (zf_policy_t *policy)
{
    memset (policy, 0, sizeof *policy);
    policy->struct_size = sizeof *policy;
    policy->max_attempts = 5;
    policy->backoff_min_ms = 100;
    policy->backoff_max_ms = 60 * 1000;
    policy->lease_ms = 30 * 1000;
    policy->dedup_window_ms = 120 * 1000;
    policy->priorities = 1;
}

void zf_policy_defaults_sized (zf_policy_t *policy, size_t size)
{
    zf_policy_t own;
    set_policy_defaults (&own);
    zf_options_fill (policy, size, &own, sizeof own);
}

/* -- intake ------------------------------------------------------------------------------------ */

/* True of properties that were looked at just before. */
static bool is_same (zf_bytes_t props, zf_bytes_t before)
{
    return before.size == props.size &&
           (props.size == 0 || memcmp (props.data, before.data, props.size) == 0);
}

static int check_props (zf_intake_t *in)
{
    if ((in->batch.flags & ZF_BATCH_HAS_PROPS) == 0)
        return 0;
    const uint8_t *end = in->batch.records + in->batch.size;
    zf_bytes_t before = zf_bytes (NULL, 0);
    for (uint32_t i = 0; i < in->batch.count; i++) {
        zf_record_t record;
        zf_props_view_t view;
        zf_record_decode (in->frame->data + in->offsets[i], end, &record);
        if (is_same (record.props, before)) /* many records of one topic */
            continue;
        in->large_props |= record.props.size > ZF_PROPS_MAX;
        if (record.props.size > ZF_PROPS_MAX + ZF_DEATH_MAX ||
            zf_props_decode (record.props, record.body.size, &view) != 0)
            return ZF_E_PROTO;
        in->has_ids |= view.id.size > 0;
        before = view.framed ? zf_bytes (NULL, 0) : record.props; /* frames go by the body */
    }
    return 0;
}

int zf_intake_open (zf_intake_t *in, zf_frame_t *frame)
{
    memset (in, 0, sizeof *in);
    in->frame = frame;
    int rc = zf_batch_decode (zf_bytes (frame->data, frame->size), &in->batch);
    if (rc != 0)
        return rc;
    in->offsets = malloc (in->batch.count * sizeof *in->offsets);
    if (in->offsets == NULL)
        return ZF_E_NOMEM;
    rc = zf_batch_index (&in->batch, in->offsets);
    return rc != 0 ? rc : check_props (in);
}

void zf_intake_done (zf_intake_t *in)
{
    free (in->offsets);
    in->offsets = NULL;
}

zf_bytes_t zf_intake_span (const zf_intake_t *in, uint32_t start, uint32_t n)
{
    const uint8_t *data = in->frame->data;
    const uint32_t *offsets = in->offsets;
    if (offsets == NULL) /* nobody asks once they are taken over */
        return zf_bytes (NULL, 0);
    uint32_t end =
        start + n < in->batch.count ? offsets[start + n] : ZF_BATCH_HEADER + in->batch.size;
    return zf_bytes (data + offsets[start], end - offsets[start]);
}

/* -- a queue ----------------------------------------------------------------------------------- */

static int make_lanes (zf_queue_t *queue, uint32_t count)
{
    zf_lane_t *lanes = calloc (count, sizeof *lanes);
    if (lanes == NULL)
        return ZF_E_NOMEM;
    for (uint32_t i = 0; i < count; i++) {
        lanes[i].log.next = (uint64_t) i << ZF_LANE_SHIFT;
        if (queue->lanes != NULL && i < queue->policy.priorities) /* ids go on from where they
                                                                     were */
            lanes[i].log.next = queue->lanes[i].log.next;
        zf_group_init (&lanes[i].group, &lanes[i].log, queue);
    }
    for (uint32_t i = 0; queue->lanes != NULL && i < queue->policy.priorities; i++) {
        zf_group_free (&queue->lanes[i].group);
        zf_log_free (&queue->lanes[i].log);
        free (queue->lanes[i].marks);
        zf_ages_free (&queue->lanes[i].ages);
    }
    free (queue->lanes);
    queue->lanes = lanes;
    return 0;
}

int zf_queue_init (zf_queue_t *queue, zf_engine_t *engine, zf_bytes_t name,
                   const zf_policy_t *policy)
{
    memset (queue, 0, sizeof *queue);
    queue->engine = engine;
    queue->ttl_timer.kind = ZF_TIMER_TTL;
    queue->chores_timer.kind = ZF_TIMER_CHORES;
    queue->name = calloc (1, name.size + 1);
    if (queue->name == NULL)
        return ZF_E_NOMEM;
    memcpy (queue->name, name.data, name.size);
    queue->name_size = name.size;
    queue->is_dead = zf_is_dead_name (name);
    if (make_lanes (queue, policy->priorities) != 0) {
        free (queue->name);
        return ZF_E_NOMEM;
    }
    queue->policy = *policy;
    if (policy->kind == ZF_KIND_STREAM && zf_stream_init (queue) != 0) {
        free (queue->lanes);
        free (queue->name);
        return ZF_E_NOMEM;
    }
    return 0;
}

static bool wants_log (const zf_queue_t *queue, const zf_policy_t *policy)
{
    return queue->engine->store.on && policy->durable != ZF_DURABLE_NO;
}

static void free_lane (zf_queue_t *queue, zf_lane_t *lane)
{
    zf_run_t *run = zf_group_from (&lane->group, 0);
    for (; run != NULL; run = zf_group_next (&lane->group, run)) {
        zf_timers_cancel (&queue->engine->timers, &run->timer);
        if (run->words != NULL)
            zf_frame_drop (run->words);
        if (run->state == ZF_RUN_DELAYED || run->state == ZF_RUN_HELD)
            queue->engine->overhead -= run->count * sizeof *run;
    }
    zf_chunk_t *chunk;
    DL_FOREACH (lane->log.head, chunk) {
        zf_store_leave (queue->engine, chunk);
        for (uint32_t at = 0; chunk->notes != NULL && at < chunk->count; at++) {
            zf_note_t *note = chunk->notes[at];
            if (note == NULL)
                continue;
            zf_note_forget_asker (note);
            zf_kept_drop (note);
            zf_timers_cancel (&queue->engine->timers, &note->timer);
            queue->engine->overhead -= sizeof *note;
            free (note);
        }
    }
    queue->engine->overhead -= lane->log.pinned;
    zf_group_free (&lane->group);
    zf_log_free (&lane->log);
    free (lane->marks);
    zf_ages_free (&lane->ages);
}

void zf_queue_free (zf_queue_t *queue)
{
    zf_engine_t *engine = queue->engine;
    while (queue->parked != NULL)
        zf_parked_drop (queue->parked);
    zf_store_drop_queue (engine, queue);
    if (queue->stream != NULL)
        zf_subscriptions_drop_stream (queue);
    zf_follow_free (queue);
    zf_feeds_drop_queue (queue);
    zf_account_drop_queue (queue);
    zf_engine_unnumber_queue (queue);
    if (queue->is_waiting)
        DL_DELETE2 (engine->store.waiting, queue, waiting_prev, waiting_next);
    for (uint32_t i = 0; i < queue->policy.priorities; i++)
        free_lane (queue, &queue->lanes[i]);
    zf_stream_free (queue);
    zf_keys_free (queue);
    zf_timers_cancel (&queue->engine->timers, &queue->ttl_timer);
    zf_timers_cancel (&queue->engine->timers, &queue->chores_timer);
    zf_producers_free (&queue->producers);
    zf_dedup_free (&queue->ids);
    zf_queue_discharge (queue, queue->length - queue->logged, queue->bytes - queue->logged_bytes,
                        false);
    zf_queue_discharge (queue, queue->logged, queue->logged_bytes, true);
    free (queue->lanes);
    free (queue->name);
}

/* Of a queue that nobody has used yet. */
static int set_kind (zf_queue_t *queue, zf_kind_t kind)
{
    queue->policy.kind = kind;
    if (kind == ZF_KIND_STREAM)
        return zf_stream_init (queue);
    zf_stream_free (queue);
    return 0;
}

int zf_queue_set_policy (zf_queue_t *queue, const zf_policy_t *policy)
{
    bool other_lanes = policy->priorities != queue->policy.priorities;
    bool durable = wants_log (queue, policy);
    bool other = other_lanes || policy->ordered != queue->policy.ordered ||
                 (queue->number != 0 && durable != queue->is_durable) ||
                 policy->kind != queue->policy.kind || policy->compact != queue->policy.compact;
    if ((other && queue->length > 0) || (other_lanes && queue->is_drained))
        return ZF_E_BUSY;
    if (other_lanes && queue->is_waiting) /* what was put last is not on disk yet */
        return ZF_E_AGAIN;
    if (other_lanes && make_lanes (queue, policy->priorities) != 0)
        return ZF_E_NOMEM;
    if (policy->kind != queue->policy.kind && set_kind (queue, policy->kind) != 0)
        return ZF_E_NOMEM;
    if (zf_engine_number_queue (queue, durable) != 0)
        return ZF_E_NOMEM;
    queue->policy = *policy;
    if (queue->stream != NULL)
        zf_stream_fit (queue);
    if (queue->engine->store.replaying) /* what came of it follows in the log */
        return 0;
    zf_queue_expire (queue);
    zf_queue_unpark (queue);
    return 0;
}

/* -- putting ----------------------------------------------------------------------------------- */

void zf_queue_set_chores (zf_queue_t *queue, uint64_t due_ms)
{
    const zf_timer_t *timer = &queue->chores_timer;
    if (due_ms != ZF_NEVER && (timer->slot == 0 || due_ms < timer->due_ms))
        zf_timers_set (&queue->engine->timers, &queue->chores_timer, due_ms);
}

void zf_queue_chores (zf_queue_t *queue)
{
    uint64_t now = queue->engine->now_ms;
    uint64_t ids = zf_dedup_expire (&queue->ids, now);
    uint64_t producers = zf_producers_expire (&queue->producers, now);
    zf_queue_set_chores (queue, ids < producers ? ids : producers);
}

/* True if the id was here inside the window. NOMEM counts as new: rather twice than lost. */
static bool is_duplicate (zf_queue_t *queue, zf_bytes_t id)
{
    if (id.size == 0 || queue->policy.dedup_window_ms == 0)
        return false;
    uint64_t now = queue->engine->now_ms;
    if (zf_dedup_add (&queue->ids, id, now, queue->policy.dedup_window_ms,
                      queue->engine->store.lsn) == 0)
        return true;
    zf_queue_set_chores (queue, now + queue->policy.dedup_window_ms);
    return false;
}

/* The lower level of a group holds what it takes from its stream. */
static uint8_t lane_for (const zf_queue_t *queue, const zf_props_view_t *props)
{
    if (queue->follow != NULL)
        return 1;
    uint32_t top = queue->policy.priorities - 1;
    return (uint8_t) (props->priority < top ? props->priority : top);
}

void zf_queue_count_in (zf_queue_t *queue, uint64_t records, uint64_t bytes, bool logged)
{
    zf_engine_t *engine = queue->engine;
    queue->length += records;
    queue->bytes += bytes;
    engine->bytes += bytes;
    engine->dead_bytes += queue->is_dead ? bytes : 0;
    queue->logged += logged ? records : 0;
    queue->logged_bytes += logged ? bytes : 0;
    engine->store.records += logged ? records : 0;
    engine->store.bytes += logged && !queue->is_dead ? bytes : 0;
    queue->totals.posted += engine->store.replaying ? 0 : records;
    zf_engine_touch (queue);
}

/* Takes back the record that was queued last in the lane; written: it was written down, too. */
static void take_back (zf_queue_t *queue, zf_lane_t *lane, bool written)
{
    zf_chunk_t *chunk = lane->log.head->prev;
    uint32_t at = chunk->count - 1;
    zf_run_t *run = zf_group_from (&lane->group, chunk->first + at);
    zf_note_t *note = zf_chunk_note (chunk, at);
    if (run != NULL) { /* it is delayed */
        zf_run_unlink (queue, run);
        zf_group_unmark (&lane->group, run);
    }
    if (note != NULL)
        zf_note_free (queue, note);
    uint32_t size = zf_chunk_size (chunk, at, 1);
    bool stored = written && chunk->owner != NULL;
    if (stored && chunk->live == 1)
        zf_store_leave (queue->engine, chunk);
    else if (stored)
        queue->engine->store.resident_bytes -= size;
    zf_queue_discharge (queue, 1, size, chunk->logged);
    queue->length--;
    queue->totals.posted--;
    zf_log_take_back (&lane->log);
}

static void forget_id (zf_queue_t *queue, const zf_record_t *record)
{
    zf_props_view_t props;
    zf_props_decode (record->props, record->body.size, &props);
    if (props.id.size > 0)
        zf_dedup_drop (&queue->ids, props.id);
}

/* All of the last chunk was taken back. */
static void drop_empty (zf_lane_t *lane)
{
    zf_chunk_t *chunk = lane->log.head->prev;
    if (chunk->count > 0 || chunk == lane->log.head)
        return;
    zf_group_leave (&lane->group, chunk);
    zf_log_drop (&lane->log, chunk);
}

void zf_queue_mark (const zf_queue_t *queue, uint64_t ends[ZF_PRIORITIES_MAX])
{
    for (uint32_t i = 0; i < queue->policy.priorities; i++)
        ends[i] = queue->lanes[i].log.next;
}

void zf_queue_take_back (zf_queue_t *queue, const uint64_t ends[ZF_PRIORITIES_MAX])
{
    for (uint32_t i = 0; i < queue->policy.priorities; i++) {
        zf_lane_t *lane = &queue->lanes[i];
        while (lane->log.next > ends[i]) {
            const zf_chunk_t *chunk = lane->log.head->prev;
            zf_record_t record = zf_chunk_record (chunk, chunk->count - 1);
            forget_id (queue, &record);
            take_back (queue, lane, true);
            drop_empty (lane);
        }
        zf_store_unmark (lane);
    }
}

/* A record with a time to start waits for it, out of the cursor's way. */
static int delay_record (zf_queue_t *queue, zf_lane_t *lane, zf_place_t place, uint64_t delay_ms)
{
    zf_run_t *run = zf_group_mark (&lane->group, place.chunk, place.at, 1, ZF_RUN_DELAYED);
    if (run == NULL)
        return ZF_E_NOMEM;
    run->timer.kind = ZF_TIMER_DELAY;
    queue->delayed++;
    queue->engine->overhead += sizeof *run;
    uint64_t now = queue->engine->now_ms;
    uint64_t due = delay_ms < ZF_NEVER - now ? now + delay_ms : ZF_NEVER - 1;
    return zf_timers_set (&queue->engine->timers, &run->timer, due);
}

/* Copies one encoded record into its lane, with all that is special about it. */
static int keep_record (zf_queue_t *queue, uint8_t number_of_lane, zf_bytes_t encoded,
                        const zf_props_view_t *props, const zf_intake_t *in, uint64_t number)
{
    zf_lane_t *lane = &queue->lanes[number_of_lane];
    zf_place_t place;
    lane->log.logged = queue->is_durable && (in == NULL || !in->asked);
    if (zf_log_append (&lane->log, encoded, queue->engine->now_ms, &place) != 0)
        return ZF_E_NOMEM;
    zf_group_grown (&lane->group, place.chunk, place.at);
    zf_queue_count_in (queue, 1, encoded.size, lane->log.logged);
    bool stays = queue->stream != NULL; /* then nothing is special about it */
    int rc = stays ? 0 : zf_note_take (queue, place, number_of_lane, props, in, number);
    if (rc == 0 && !stays && props->delay_ms > 0)
        rc = delay_record (queue, lane, place, props->delay_ms);
    if (rc == 0 && lane->log.logged)
        rc = zf_store_record (queue, place.chunk, encoded);
    if (rc != 0)
        take_back (queue, lane, false);
    else if (stays)
        zf_stream_compact (queue, place.chunk, place.at);
    return rc;
}

static int put_record (zf_queue_t *queue, zf_bytes_t encoded, const zf_intake_t *in,
                       uint64_t number)
{
    const uint8_t *at = encoded.data;
    zf_record_t record;
    zf_props_view_t props;
    zf_record_decode (at, at + encoded.size, &record);
    zf_props_decode (record.props, record.body.size, &props);
    bool known = in != NULL && props.keep_reply && zf_kept_is_known (queue->engine, props.id);
    if (known || is_duplicate (queue, props.id)) {
        queue->totals.duplicates++;
        if (in != NULL && in->asked)
            zf_session_deny (in->session, queue, number, ZF_E_REJECTED, "its id was used before");
        return 0;
    }
    int rc = keep_record (queue, lane_for (queue, &props), encoded, &props, in, number);
    if (rc != 0 && props.id.size > 0)
        zf_dedup_drop (&queue->ids, props.id);
    return rc;
}

/* How long a chunk gathers records: with a time to live for the queue, they must not be of very
 * different age; of a stream it is to be known when they came, unless they are few. */
static uint64_t spread_of (const zf_queue_t *queue, const zf_chunk_t *chunk)
{
    uint64_t ttl = queue->policy.ttl_ms;
    uint64_t spread = ttl > 0 ? ttl / 16 + 1 : UINT64_MAX / 2;
    if (queue->stream == NULL)
        return spread;
    uint64_t most = chunk->count < ZF_STREAM_CHUNK_FEW ? ZF_STREAM_FEW_MS : ZF_STREAM_CHUNK_MS;
    return spread < most ? spread : most;
}

static void close_old_chunks (zf_queue_t *queue)
{
    if (queue->policy.ttl_ms == 0 && queue->stream == NULL)
        return;
    for (uint32_t i = 0; i < queue->policy.priorities; i++) {
        zf_log_t *log = &queue->lanes[i].log;
        const zf_chunk_t *last = log->head != NULL ? log->head->prev : NULL;
        if (last != NULL && last->oldest_ms + spread_of (queue, last) < queue->engine->now_ms)
            log->closed = true;
    }
}

void zf_queue_lift_ids (zf_queue_t *queue, uint64_t floor)
{
    for (uint32_t i = queue->follow != NULL; i < queue->policy.priorities; i++) {
        uint64_t first = (uint64_t) i << ZF_LANE_SHIFT | floor;
        if (first <= queue->lanes[i].log.next)
            continue;
        if (queue->stream != NULL)
            zf_stream_add_hole (queue->stream, queue->lanes[i].log.next, first);
        zf_log_skip (&queue->lanes[i].log, first);
    }
}

int zf_queue_restore (zf_queue_t *queue, uint8_t lane, zf_bytes_t encoded)
{
    const uint8_t *at = encoded.data;
    zf_record_t record;
    zf_props_view_t props;
    zf_record_decode (at, at + encoded.size, &record);
    if (record.props.size > ZF_PROPS_MAX + ZF_DEATH_MAX ||
        zf_props_decode (record.props, record.body.size, &props) != 0)
        return ZF_E_PROTO;
    if (props.id.size > 0 && queue->policy.dedup_window_ms > 0) {
        zf_dedup_drop (&queue->ids, props.id); /* it was new, or put back */
        is_duplicate (queue, props.id);
    }
    close_old_chunks (queue);
    return keep_record (queue, lane, encoded, &props, NULL, 0);
}

/* For the record that was queued last, unless there are older ones that the timer is set for. */
static void set_ttl_timer (zf_queue_t *queue)
{
    uint64_t ttl = queue->policy.ttl_ms;
    uint64_t now = queue->engine->now_ms;
    if (queue->stream == NULL && ttl > 0 && ttl < ZF_NEVER - now && queue->ttl_timer.slot == 0)
        zf_timers_set (&queue->engine->timers, &queue->ttl_timer, now + ttl);
}

/* What is put from now on came now. */
static void mark_ages (zf_queue_t *queue)
{
    if (queue->stream != NULL) /* nobody takes from it */
        return;
    for (uint32_t i = 0; i < queue->policy.priorities; i++)
        zf_ages_add (&queue->lanes[i].ages, queue->lanes[i].log.next, queue->engine->now_ms);
}

int zf_queue_put_one (zf_queue_t *queue, zf_bytes_t encoded)
{
    close_old_chunks (queue);
    mark_ages (queue);
    int rc = put_record (queue, encoded, NULL, 0);
    set_ttl_timer (queue);
    return rc;
}

/* A whole batch of plain records can be taken as it is. */
static bool adoptable (const zf_queue_t *queue, const zf_intake_t *in, uint32_t start, uint32_t n)
{
    bool plain = queue->stream != NULL ? !in->has_ids : (in->batch.flags & ZF_BATCH_HAS_PROPS) == 0;
    return plain && queue->follow == NULL && start == 0 && n == in->batch.count &&
           in->frame->size > ZF_ADOPT_BYTES && !in->asked && n <= ZF_CHUNK_RECORDS * 16;
}

/* Takes back the chunk that was adopted last. */
static void unadopt (zf_queue_t *queue, zf_lane_t *lane, zf_chunk_t *chunk)
{
    zf_queue_discharge (queue, chunk->count, chunk->size - ZF_BATCH_HEADER, true);
    queue->length -= chunk->count;
    queue->totals.posted -= chunk->count;
    zf_group_leave (&lane->group, chunk);
    zf_log_unadopt (&lane->log, chunk);
}

static bool adopt (zf_queue_t *queue, zf_intake_t *in)
{
    zf_lane_t *lane = &queue->lanes[0];
    zf_chunk_t *chunk;
    lane->log.logged = queue->is_durable;
    int rc = zf_log_adopt (&lane->log, in->frame, &in->batch, in->offsets, queue->engine->now_ms,
                           &chunk);
    if (rc != 0)
        return false;
    zf_group_grown (&lane->group, chunk, 0);
    zf_queue_count_in (queue, in->batch.count, in->batch.size, queue->is_durable);
    if (queue->is_durable && zf_store_batch (queue, chunk) != 0) {
        unadopt (queue, lane, chunk);
        return false;
    }
    in->offsets = NULL;
    if (queue->stream != NULL)
        zf_stream_compact (queue, chunk, 0);
    return true;
}

uint32_t zf_queue_put (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n)
{
    uint32_t done = 0;
    close_old_chunks (queue);
    mark_ages (queue);
    if (adoptable (queue, in, start, n) && adopt (queue, in))
        done = n;
    while (done < n) {
        zf_bytes_t encoded = zf_intake_span (in, start + done, 1);
        if (put_record (queue, encoded, in, in->batch.first + start + done) != 0)
            break;
        done++;
    }
    set_ttl_timer (queue);
    return done;
}

/* -- admission --------------------------------------------------------------------------------- */

static uint64_t left_under (uint64_t cap, uint64_t used)
{
    return cap == 0 ? UINT64_MAX : cap > used ? cap - used : 0;
}

/* The memory, or disk, that is there for queues of its kind. */
static uint64_t memory_share (const zf_queue_t *queue, bool asked)
{
    uint64_t cap = queue->engine->options.memory_bytes;
    if (queue->is_durable && !queue->is_dead && !asked)
        return zf_store_most (queue->engine);
    return queue->is_dead ? cap / DEAD_SHARE : cap;
}

/* Records that no log has, and what keeping any records costs beside. */
static uint64_t in_memory (const zf_engine_t *engine)
{
    uint64_t records = engine->bytes - engine->dead_bytes - engine->store.bytes;
    return records + engine->overhead + engine->store.index_bytes;
}

/* Dead letters are not posted, and stay in memory: they have their share of it. */
static uint64_t memory_left (const zf_queue_t *queue, bool asked)
{
    const zf_engine_t *engine = queue->engine;
    uint64_t cap = memory_share (queue, true);
    if (queue->is_dead)
        return left_under (cap, engine->dead_bytes);
    uint64_t left = left_under (cap, in_memory (engine));
    if (!queue->is_durable || asked)
        return left;
    return left > 0 ? zf_store_room (engine) : 0;
}

uint64_t zf_queue_memory_left (const zf_queue_t *queue)
{
    return memory_left (queue, false);
}

void zf_memory_freed (zf_engine_t *engine)
{
    for (int i = 0; i < ZF_STARVED_KINDS; i++)
        if (engine->starved[i] != NULL)
            zf_engine_touch (engine->starved[i]);
}

void zf_queue_discharge (zf_queue_t *queue, uint64_t records, uint64_t bytes, bool logged)
{
    zf_engine_t *engine = queue->engine;
    queue->bytes -= bytes;
    engine->bytes -= bytes;
    engine->dead_bytes -= queue->is_dead ? bytes : 0;
    queue->logged -= logged ? records : 0;
    queue->logged_bytes -= logged ? bytes : 0;
    engine->store.records -= logged ? records : 0;
    engine->store.bytes -= logged && !queue->is_dead ? bytes : 0;
}

static uint64_t bytes_left (const zf_queue_t *queue, bool asked)
{
    uint64_t own = left_under (queue->policy.max_bytes, queue->bytes);
    uint64_t all = memory_left (queue, asked);
    return own < all ? own : all;
}

uint32_t zf_queue_room (const zf_queue_t *queue, const zf_intake_t *in, uint32_t start, uint32_t n)
{
    bool keeps = queue->stream != NULL; /* its own caps push the oldest out */
    uint64_t records = keeps ? n : left_under (queue->policy.max_length, queue->length);
    uint64_t bytes = keeps ? zf_queue_memory_left (queue) : bytes_left (queue, in->asked);
    if (records < n)
        n = (uint32_t) records;
    if (n == 0 || zf_intake_span (in, start, n).size <= bytes)
        return n;
    uint32_t fits = 0;
    while (zf_intake_span (in, start, fits + 1).size <= bytes)
        fits++;
    return fits;
}

bool zf_queue_want (zf_queue_t *queue, const zf_intake_t *in, uint32_t start, uint32_t n)
{
    queue->wanted += n;
    queue->wanted_bytes += zf_intake_span (in, start, n).size;
    bool keeps = queue->stream != NULL; /* its own caps push the oldest out */
    return (keeps || (queue->wanted <= left_under (queue->policy.max_length, queue->length) &&
                      queue->wanted_bytes <= left_under (queue->policy.max_bytes, queue->bytes))) &&
           in->batch.size <= zf_queue_memory_left (queue);
}

/* True if the record could not be queued even if the queue were empty. */
static bool never_fits (const zf_queue_t *queue, const zf_intake_t *in, uint32_t start)
{
    size_t size = zf_intake_span (in, start, 1).size;
    bool logged = queue->is_durable && !in->asked;
    return left_under (queue->policy.max_bytes, 0) < size ||
           (logged && zf_store_record_most (queue->engine) < size) ||
           memory_share (queue, in->asked) < size;
}

/* Makes room by dropping the oldest, if that is the rule. What is short only for the moment (the
 * disk is behind) is no reason for a stream to lose any. */
static bool push_out (zf_queue_t *queue)
{
    if (queue->stream == NULL)
        return queue->policy.overflow == ZF_OVERFLOW_DROP_OLDEST && zf_queue_drop_oldest (queue);
    if (queue->is_durable && !zf_store_is_full (queue->engine))
        return false;
    if (zf_stream_drop_oldest (queue) > 0)
        return true;
    zf_queue_t *other = queue->is_durable ? NULL : zf_stream_largest (queue->engine);
    return other != NULL && zf_stream_drop_oldest (other) > 0;
}

uint32_t zf_queue_admit (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n, int *code)
{
    uint32_t end = start + n;
    uint32_t begin = start;
    *code = queue->is_durable && !in->asked && queue->engine->store.failed ? ZF_E_IO : 0;
    while (start < end && *code == 0) {
        uint32_t room = zf_queue_room (queue, in, start, end - start);
        uint32_t put = zf_queue_put (queue, in, start, room);
        start += put;
        if (put < room)
            *code = ZF_E_NOMEM;
        else if (start < end && never_fits (queue, in, start))
            *code = ZF_E_TOO_BIG;
        if (*code != 0 || start == end)
            break;
        if (room > 0) /* a duplicate takes none of it: there may be more */
            continue;
        if (!push_out (queue))
            break;
    }
    if (start < end && *code == 0)
        *code = ZF_E_FULL;
    if (queue->stream != NULL)
        zf_stream_retain (queue);
    return start - begin;
}
