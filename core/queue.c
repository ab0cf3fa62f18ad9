#include "core/engine.h"

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

static int check_props (const zf_intake_t *in)
{
    if ((in->batch.flags & ZF_BATCH_HAS_PROPS) == 0)
        return 0;
    const uint8_t *end = in->batch.records + in->batch.size;
    for (uint32_t i = 0; i < in->batch.count; i++) {
        zf_record_t record;
        zf_props_view_t view;
        zf_record_decode (in->frame->data + in->offsets[i], end, &record);
        if (record.props.size > ZF_PROPS_MAX ||
            zf_props_decode (record.props, record.body.size, &view) != 0)
            return ZF_E_PROTO;
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

/* Encoded bytes of n records from start on. */
static zf_bytes_t intake_span (const zf_intake_t *in, uint32_t start, uint32_t n)
{
    const uint8_t *data = in->frame->data;
    uint32_t end =
        start + n < in->batch.count ? in->offsets[start + n] : ZF_BATCH_HEADER + in->batch.size;
    return zf_bytes (data + in->offsets[start], end - in->offsets[start]);
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
    return 0;
}

static void free_lane (zf_queue_t *queue, zf_lane_t *lane)
{
    zf_run_t *run = zf_group_from (&lane->group, 0);
    for (; run != NULL; run = zf_group_next (&lane->group, run)) {
        zf_timers_cancel (&queue->engine->timers, &run->timer);
        if (run->state == ZF_RUN_DELAYED || run->state == ZF_RUN_HELD)
            queue->engine->overhead -= run->count * sizeof *run;
    }
    zf_chunk_t *chunk;
    DL_FOREACH (lane->log.head, chunk) {
        for (uint32_t at = 0; chunk->notes != NULL && at < chunk->count; at++) {
            zf_note_t *note = chunk->notes[at];
            if (note == NULL)
                continue;
            zf_note_forget_asker (note);
            zf_timers_cancel (&queue->engine->timers, &note->timer);
            queue->engine->overhead -= sizeof *note;
            free (note);
        }
    }
    queue->engine->overhead -= lane->log.pinned;
    zf_group_free (&lane->group);
    zf_log_free (&lane->log);
}

void zf_queue_free (zf_queue_t *queue)
{
    while (queue->parked != NULL)
        zf_parked_drop (queue->parked);
    for (uint32_t i = 0; i < queue->policy.priorities; i++)
        free_lane (queue, &queue->lanes[i]);
    zf_keys_free (queue);
    zf_timers_cancel (&queue->engine->timers, &queue->ttl_timer);
    zf_timers_cancel (&queue->engine->timers, &queue->chores_timer);
    zf_producers_free (&queue->producers);
    zf_dedup_free (&queue->ids);
    zf_queue_discharge (queue, queue->bytes);
    free (queue->lanes);
    free (queue->name);
}

int zf_queue_set_policy (zf_queue_t *queue, const zf_policy_t *policy)
{
    bool other_lanes = policy->priorities != queue->policy.priorities;
    if (queue->length > 0 && (other_lanes || policy->ordered != queue->policy.ordered))
        return ZF_E_BUSY;
    if (other_lanes && make_lanes (queue, policy->priorities) != 0)
        return ZF_E_NOMEM;
    queue->policy = *policy;
    zf_queue_expire (queue);
    zf_queue_unpark (queue);
    return 0;
}

/* -- putting ----------------------------------------------------------------------------------- */

static void set_chores (zf_queue_t *queue, uint64_t due_ms)
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
    set_chores (queue, ids < producers ? ids : producers);
}

/* True if the id was here inside the window. NOMEM counts as new: rather twice than lost. */
static bool is_duplicate (zf_queue_t *queue, zf_bytes_t id)
{
    if (id.size == 0 || queue->policy.dedup_window_ms == 0)
        return false;
    uint64_t now = queue->engine->now_ms;
    if (zf_dedup_add (&queue->ids, id, now, queue->policy.dedup_window_ms) == 0)
        return true;
    set_chores (queue, now + queue->policy.dedup_window_ms);
    return false;
}

static uint8_t lane_for (const zf_queue_t *queue, const zf_props_view_t *props)
{
    uint32_t top = queue->policy.priorities - 1;
    return (uint8_t) (props->priority < top ? props->priority : top);
}

static void count_in (zf_queue_t *queue, uint64_t records, uint64_t bytes)
{
    queue->length += records;
    queue->bytes += bytes;
    queue->engine->bytes += bytes;
    queue->engine->dead_bytes += queue->is_dead ? bytes : 0;
    queue->totals.posted += records;
    zf_engine_touch (queue);
}

/* Takes back the record that was queued last in the lane. */
static void take_back (zf_queue_t *queue, zf_lane_t *lane)
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
    zf_queue_discharge (queue, zf_chunk_span (chunk, at, 1).size);
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
            take_back (queue, lane);
        }
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
static int keep_record (zf_queue_t *queue, zf_bytes_t encoded, const zf_props_view_t *props,
                        const zf_intake_t *in, uint64_t number)
{
    uint8_t number_of_lane = lane_for (queue, props);
    zf_lane_t *lane = &queue->lanes[number_of_lane];
    zf_place_t place;
    if (zf_log_append (&lane->log, encoded, queue->engine->now_ms, &place) != 0)
        return ZF_E_NOMEM;
    zf_group_grown (&lane->group, place.chunk, place.at);
    count_in (queue, 1, encoded.size);
    int rc = zf_note_take (queue, place, number_of_lane, props, in, number);
    if (rc == 0 && props->delay_ms > 0)
        rc = delay_record (queue, lane, place, props->delay_ms);
    if (rc != 0)
        take_back (queue, lane);
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
    if (is_duplicate (queue, props.id)) {
        queue->totals.duplicates++;
        if (in != NULL && in->asked)
            zf_session_deny (in->session, queue, number, ZF_E_REJECTED, "its id was used before");
        return 0;
    }
    int rc = keep_record (queue, encoded, &props, in, number);
    if (rc != 0 && props.id.size > 0)
        zf_dedup_drop (&queue->ids, props.id);
    return rc;
}

/* For the record that was queued last, unless there are older ones that the timer is set for. */
static void set_ttl_timer (zf_queue_t *queue)
{
    uint64_t ttl = queue->policy.ttl_ms;
    uint64_t now = queue->engine->now_ms;
    if (ttl > 0 && ttl < ZF_NEVER - now && queue->ttl_timer.slot == 0)
        zf_timers_set (&queue->engine->timers, &queue->ttl_timer, now + ttl);
}

/* With a time to live for the queue, a chunk must not gather records of very different age. */
static void close_old_chunks (zf_queue_t *queue)
{
    if (queue->policy.ttl_ms == 0)
        return;
    uint64_t spread = queue->policy.ttl_ms / 16 + 1;
    for (uint32_t i = 0; i < queue->policy.priorities; i++) {
        zf_log_t *log = &queue->lanes[i].log;
        if (log->head != NULL && log->head->prev->oldest_ms + spread < queue->engine->now_ms)
            log->closed = true;
    }
}

int zf_queue_put_one (zf_queue_t *queue, zf_bytes_t encoded)
{
    close_old_chunks (queue);
    int rc = put_record (queue, encoded, NULL, 0);
    set_ttl_timer (queue);
    return rc;
}

/* A whole batch of plain records can be taken as it is. */
static bool adoptable (const zf_intake_t *in, uint32_t start, uint32_t n)
{
    return start == 0 && n == in->batch.count && in->frame->size > ZF_ADOPT_BYTES && !in->asked &&
           (in->batch.flags & ZF_BATCH_HAS_PROPS) == 0 && n <= ZF_CHUNK_RECORDS * 16;
}

static bool adopt (zf_queue_t *queue, zf_intake_t *in)
{
    zf_lane_t *lane = &queue->lanes[0];
    zf_chunk_t *chunk;
    int rc = zf_log_adopt (&lane->log, in->frame, &in->batch, in->offsets, queue->engine->now_ms,
                           &chunk);
    if (rc != 0)
        return false;
    in->offsets = NULL;
    zf_group_grown (&lane->group, chunk, 0);
    count_in (queue, in->batch.count, in->batch.size);
    return true;
}

uint32_t zf_queue_put (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n)
{
    uint32_t done = 0;
    close_old_chunks (queue);
    if (adoptable (in, start, n) && adopt (queue, in))
        done = n;
    while (done < n) {
        zf_bytes_t encoded = intake_span (in, start + done, 1);
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

/* The memory that is there for queues of its kind. */
static uint64_t memory_share (const zf_queue_t *queue)
{
    uint64_t cap = queue->engine->options.memory_bytes;
    return queue->is_dead ? cap / DEAD_SHARE : cap;
}

uint64_t zf_queue_memory_left (const zf_queue_t *queue)
{
    const zf_engine_t *engine = queue->engine;
    uint64_t living = engine->bytes - engine->dead_bytes + engine->overhead;
    return left_under (memory_share (queue), queue->is_dead ? engine->dead_bytes : living);
}

void zf_memory_freed (zf_engine_t *engine)
{
    for (int i = 0; i < 2; i++)
        if (engine->starved[i] != NULL)
            zf_engine_touch (engine->starved[i]);
}

void zf_queue_discharge (zf_queue_t *queue, uint64_t bytes)
{
    queue->bytes -= bytes;
    queue->engine->bytes -= bytes;
    queue->engine->dead_bytes -= queue->is_dead ? bytes : 0;
}

static uint64_t bytes_left (const zf_queue_t *queue)
{
    uint64_t own = left_under (queue->policy.max_bytes, queue->bytes);
    uint64_t all = zf_queue_memory_left (queue);
    return own < all ? own : all;
}

uint32_t zf_queue_room (const zf_queue_t *queue, const zf_intake_t *in, uint32_t start, uint32_t n)
{
    uint64_t records = left_under (queue->policy.max_length, queue->length);
    uint64_t bytes = bytes_left (queue);
    if (records < n)
        n = (uint32_t) records;
    if (n == 0 || intake_span (in, start, n).size <= bytes)
        return n;
    uint32_t fits = 0;
    while (intake_span (in, start, fits + 1).size <= bytes)
        fits++;
    return fits;
}

bool zf_queue_want (zf_queue_t *queue, const zf_intake_t *in, uint32_t start, uint32_t n)
{
    queue->wanted += n;
    queue->wanted_bytes += intake_span (in, start, n).size;
    return queue->wanted <= left_under (queue->policy.max_length, queue->length) &&
           queue->wanted_bytes <= left_under (queue->policy.max_bytes, queue->bytes) &&
           in->batch.size <= zf_queue_memory_left (queue);
}

/* True if the record could not be queued even if the queue were empty. */
static bool never_fits (const zf_queue_t *queue, const zf_intake_t *in, uint32_t start)
{
    size_t size = intake_span (in, start, 1).size;
    return left_under (queue->policy.max_bytes, 0) < size || memory_share (queue) < size;
}

/* -- posting ----------------------------------------------------------------------------------- */

static void confirm (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n, int code)
{
    zf_session_t *session = in->session;
    if (n > 0 && session->dialect->confirm != NULL)
        session->dialect->confirm (session, queue, in->batch.first + start, n, code);
}

/* Confirms or refuses again what was dealt with before, from number `low` on. Returns how many
 * records, those below `low` included, that is. */
static uint32_t confirm_known (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in,
                               uint64_t low)
{
    uint64_t heard = low > in->batch.first ? low - in->batch.first : 0;
    uint32_t start = heard < in->batch.count ? (uint32_t) heard : in->batch.count;
    while (start < in->batch.count && in->batch.first + start <= producer->last) {
        uint64_t n;
        int code = zf_producer_outcome (producer, in->batch.first + start, &n);
        if (n > in->batch.count - start)
            n = in->batch.count - start;
        confirm (queue, in, start, (uint32_t) n, code);
        queue->totals.duplicates += n;
        start += (uint32_t) n;
    }
    return start;
}

/* Refuses n records from `start` on. Returns false if the producer was thrown out instead. */
static bool refuse (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in, uint32_t start,
                    uint32_t n, int code)
{
    if (zf_producer_refuse (producer, in->batch.first + start, n, code) != 0) {
        zf_session_wrong (in->session, "%u refusals not heard of", ZF_REFUSALS_MAX);
        zf_session_end (in->session, "does not listen to refusals");
        return false;
    }
    producer->last = in->batch.first + start + n - 1;
    queue->totals.refused += n;
    confirm (queue, in, start, n, code);
    return true;
}

/* Keeps the queue in the starved list exactly while its posts wait for memory. Who leaves it passes
 * the turn on. */
static void review_hunger (zf_queue_t *queue)
{
    zf_queue_t **list = &queue->engine->starved[queue->is_dead];
    const zf_parked_t *first = queue->parked;
    bool starved = first != NULL &&
                   intake_span (&first->in, first->start, 1).size > zf_queue_memory_left (queue);
    if (starved == queue->is_starved)
        return;
    queue->is_starved = starved;
    if (starved) {
        DL_APPEND2 (*list, queue, starved_prev, starved_next);
        return;
    }
    DL_DELETE2 (*list, queue, starved_prev, starved_next);
    if (*list != NULL)
        zf_engine_touch (*list);
}

/* Puts records off until there is room. Takes over what `in` holds. */
static void park (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in, uint32_t start)
{
    zf_session_t *session = in->session;
    uint64_t window = queue->engine->options.window_bytes;
    zf_parked_t *parked = NULL;
    if (session->parked_bytes <= window)
        parked = calloc (1, sizeof *parked);
    else
        zf_session_wrong (session, "posts beyond its window of %llu bytes",
                          (unsigned long long) window);
    if (parked == NULL) { /* not confirmed: it will come again */
        zf_session_end (session, "window exceeded");
        return;
    }
    parked->queue = queue;
    parked->in = *in;
    zf_frame_hold (in->frame);
    in->offsets = NULL;
    parked->start = start;
    producer->parked_end = in->batch.first + in->batch.count;
    session->parked_bytes += in->frame->size;
    queue->parked_count += in->batch.count - start;
    DL_APPEND (queue->parked, parked);
    DL_APPEND2 (session->parked, parked, session_prev, session_next);
    zf_engine_touch (queue);
}

/* If that was the last one of its producer here, none of it waits any more. */
static void forget_parked (const zf_parked_t *parked)
{
    zf_queue_t *queue = parked->queue;
    uint64_t now = queue->engine->now_ms;
    zf_producer_t *producer = zf_producers_get (&queue->producers, parked->in.session->uuid, now);
    if (producer != NULL && producer->parked_end == parked->in.batch.first + parked->in.batch.count)
        producer->parked_end = 0;
}

void zf_parked_drop (zf_parked_t *parked)
{
    zf_session_t *session = parked->in.session;
    forget_parked (parked);
    parked->queue->parked_count -= parked->in.batch.count - parked->start;
    session->parked_bytes -= parked->in.frame->size;
    DL_DELETE (parked->queue->parked, parked);
    DL_DELETE2 (session->parked, parked, session_prev, session_next);
    review_hunger (parked->queue);
    zf_intake_done (&parked->in);
    zf_frame_drop (parked->in.frame);
    free (parked);
}

uint32_t zf_queue_admit (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n, int *code)
{
    uint32_t end = start + n;
    uint32_t begin = start;
    *code = 0;
    while (start < end) {
        uint32_t room = zf_queue_room (queue, in, start, end - start);
        uint32_t put = zf_queue_put (queue, in, start, room);
        start += put;
        if (put < room)
            *code = ZF_E_NOMEM;
        else if (start < end && never_fits (queue, in, start))
            *code = ZF_E_TOO_BIG;
        if (*code != 0 || start == end)
            break;
        if (queue->policy.overflow != ZF_OVERFLOW_DROP_OLDEST || !zf_queue_drop_oldest (queue))
            break;
    }
    if (start < end && *code == 0)
        *code = ZF_E_FULL;
    return start - begin;
}

/* Queues from `start` on as far as it goes. Returns the first record that has to wait; count: all
 * is dealt with. A record that never fits is refused alone: those behind it may fit. */
static uint32_t take (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in, uint32_t start)
{
    uint32_t count = in->batch.count;
    while (start < count) {
        int code;
        uint32_t put = zf_queue_admit (queue, in, start, count - start, &code);
        if (put > 0)
            producer->last = in->batch.first + start + put - 1;
        confirm (queue, in, start, put, 0);
        start += put;
        if (code == 0 || (code == ZF_E_FULL && queue->policy.overflow == ZF_OVERFLOW_BACKPRESSURE))
            break;
        uint32_t n = code == ZF_E_TOO_BIG ? 1 : count - start;
        if (!refuse (queue, producer, in, start, n, code))
            return count;
        start += n;
    }
    return start;
}

/* Records of the batch before the first one that is news: those that were dealt with are confirmed
 * again, those that wait already go on waiting, and those below `low` nobody asks about. */
static uint32_t skip_known (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in,
                            uint64_t low)
{
    uint64_t first = in->batch.first;
    uint64_t parked = producer->parked_end;
    if (low > 0 && low - 1 > producer->last) /* the outcome came from another broker, or life */
        producer->last = low - 1;
    uint64_t news = first + confirm_known (queue, producer, in, low);
    news = parked > news ? parked : news;
    return news - first < in->batch.count ? (uint32_t) (news - first) : in->batch.count;
}

/* True if records between those that we know of and this batch never came. */
static bool has_gap (const zf_producer_t *producer, const zf_intake_t *in, uint64_t low)
{
    uint64_t parked = producer->parked_end;
    uint64_t next = parked > 0 ? parked : producer->last + 1;
    return in->batch.first > next && in->batch.first > low;
}

void zf_queue_post (zf_queue_t *queue, zf_intake_t *in, uint64_t low)
{
    uint64_t now = queue->engine->now_ms;
    zf_producer_t *producer = zf_producers_get (&queue->producers, in->session->uuid, now);
    if (producer == NULL) {
        zf_session_end (in->session, "out of memory");
        return;
    }
    set_chores (queue, now + ZF_PRODUCER_MEMORY_MS);
    zf_producer_heard (producer, low);
    if (has_gap (producer, in, low)) { /* from the lowest one on they will come again */
        zf_session_wrong (in->session, "%s: posts are missing", queue->name);
        zf_session_end (in->session, "posts are missing");
        return;
    }
    uint32_t start = skip_known (queue, producer, in, low);
    if (start == in->batch.count)
        return;
    if (queue->parked == NULL)
        start = take (queue, producer, in, start);
    if (start < in->batch.count && !in->session->doomed)
        park (queue, producer, in, start);
}

/* One parked post goes on. Returns true if it is dealt with, and gone. */
static bool resume (zf_queue_t *queue, zf_parked_t *parked)
{
    const uint8_t *uuid = parked->in.session->uuid;
    zf_producer_t *producer = zf_producers_get (&queue->producers, uuid, queue->engine->now_ms);
    if (producer == NULL)
        return false;
    uint32_t start = take (queue, producer, &parked->in, parked->start);
    queue->parked_count -= start - parked->start;
    parked->start = start;
    if (start < parked->in.batch.count)
        return false;
    zf_parked_drop (parked);
    return true;
}

void zf_queue_unpark (zf_queue_t *queue)
{
    while (queue->parked != NULL && resume (queue, queue->parked))
        ;
    review_hunger (queue);
}
