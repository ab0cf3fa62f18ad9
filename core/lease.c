#include "core/engine.h"
#include "core/link.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

static size_t run_bytes (const zf_run_t *run)
{
    return zf_chunk_size (run->chunk, run->at, run->count);
}

zf_queue_t *zf_run_queue (const zf_run_t *run)
{
    return run->group->owner;
}

/* -- consumers --------------------------------------------------------------------------------- */

static bool has_room (const zf_consumer_t *consumer)
{
    if (consumer->leased >= consumer->limit)
        return false;
    return consumer->leased == 0 || consumer->leased_bytes < ZF_LEASED_BYTES_MAX;
}

/* Keeps the consumer in the available list exactly while it has room. */
static void update_availability (zf_consumer_t *consumer)
{
    zf_queue_t *queue = consumer->queue;
    bool room = has_room (consumer);
    if (room == consumer->is_available)
        return;
    consumer->is_available = room;
    if (room) {
        DL_APPEND (queue->available, consumer);
        zf_engine_touch (queue);
    } else {
        DL_DELETE (queue->available, consumer);
    }
}

zf_consumer_t *zf_consumer_find (zf_session_t *session, const zf_queue_t *queue)
{
    zf_consumer_t *consumer;
    DL_FOREACH2 (session->consumers, consumer, session_next) {
        if (consumer->queue == queue)
            return consumer;
    }
    return NULL;
}

zf_consumer_t *zf_consumer_attach (zf_session_t *session, zf_queue_t *queue, uint32_t limit)
{
    zf_consumer_t *consumer = zf_consumer_find (session, queue);
    if (consumer == NULL) {
        consumer = calloc (1, sizeof *consumer);
        if (consumer == NULL)
            return NULL;
        consumer->queue = queue;
        consumer->session = session;
        queue->consumers++;
        DL_APPEND2 (session->consumers, consumer, session_prev, session_next);
        zf_engine_touch (queue);
        zf_notice (queue->engine, ZF_EVENT_WORKER_ON, "%s: %s", queue->name, session->name);
    }
    consumer->limit = limit < ZF_CREDIT_MAX ? limit : ZF_CREDIT_MAX;
    update_availability (consumer);
    return consumer;
}

void zf_consumer_detach (zf_consumer_t *consumer)
{
    zf_queue_t *queue = consumer->queue;
    consumer->limit = 0;
    update_availability (consumer);
    while (consumer->runs != NULL) { /* from the last on, each before the others: the order stays */
        zf_run_t *run = consumer->runs->prev;
        zf_run_unlink (queue, run);
        zf_run_return (queue, run, !consumer->drains);
    }
    if (consumer->drains)
        queue->is_drained = false;
    queue->consumers--;
    zf_engine_touch (queue);
    zf_session_t *session = consumer->session;
    DL_DELETE2 (session->consumers, consumer, session_prev, session_next);
    zf_notice (queue->engine, ZF_EVENT_WORKER_OFF, "%s: %s: %s", queue->name, session->name,
               session->why != NULL ? session->why : "disconnected");
    free (consumer);
}

/* -- runs -------------------------------------------------------------------------------------- */

/* A copy of a run was split off: it goes into the same lists and gets the same deadline. */
static int join_lists (void *arg, zf_run_t *original, zf_run_t *copy)
{
    zf_queue_t *queue = arg;
    if (original->timer.slot != 0 &&
        zf_timers_set (&queue->engine->timers, &copy->timer, original->timer.due_ms) != 0)
        return ZF_E_NOMEM;
    if (original->words != NULL)
        zf_frame_hold (original->words);
    zf_run_t **list = NULL; /* HELD runs are single records and never split */
    if (original->state == ZF_RUN_LEASED)
        list = &original->consumer->runs;
    else if (original->state == ZF_RUN_READY)
        list = &original->group->ready;
    if (list != NULL && copy->at > original->at)
        DL_APPEND_ELEM (*list, original, copy);
    else if (list != NULL)
        DL_PREPEND_ELEM (*list, original, copy);
    return 0;
}

int zf_run_carve (zf_queue_t *queue, zf_run_t *run, uint32_t at, uint32_t n)
{
    return zf_group_carve (run->group, run, at, n, join_lists, queue);
}

static void unlease (zf_queue_t *queue, zf_run_t *run)
{
    zf_consumer_t *consumer = run->consumer;
    DL_DELETE (consumer->runs, run);
    consumer->leased -= run->count;
    consumer->leased_bytes -= run_bytes (run);
    queue->leased -= run->count;
    run->consumer = NULL;
    update_availability (consumer);
}

void zf_run_unlink (zf_queue_t *queue, zf_run_t *run)
{
    zf_timers_cancel (&queue->engine->timers, &run->timer);
    switch ((zf_run_state_t) run->state) {
    case ZF_RUN_LEASED:
        unlease (queue, run);
        break;
    case ZF_RUN_READY:
        zf_group_dequeue (run->group, run);
        break;
    case ZF_RUN_DELAYED:
        queue->delayed -= run->count;
        queue->engine->overhead -= run->count * sizeof *run;
        zf_memory_freed (queue->engine);
        break;
    case ZF_RUN_HELD:
        zf_key_leave (zf_chunk_note (run->chunk, run->at)->key, run);
        zf_memory_freed (queue->engine);
        break;
    case ZF_RUN_GONE:
        break;
    }
    run->prev = run->next = NULL;
}

void zf_run_finish (zf_queue_t *queue, zf_run_t *run)
{
    size_t bytes = run_bytes (run);
    zf_chunk_t *chunk = run->chunk;
    if (chunk->notes != NULL)
        zf_notes_drop (queue, run);
    if (run->words != NULL)
        zf_frame_drop (run->words);
    run->words = NULL;
    zf_store_gone (queue, chunk, run->at, run->count);
    queue->length -= run->count;
    zf_queue_discharge (queue, run->count, chunk->view ? 0 : bytes, chunk->logged);
    zf_log_t *log = run->group->log;
    uint64_t pinned = log->pinned;
    bool last = chunk->live == run->count;
    uint32_t size = chunk->size;
    if (last)
        zf_store_leave (queue->engine, chunk);
    zf_group_settle (run->group, run);
    if (!last && chunk->owner != NULL)
        queue->engine->store.resident_bytes -= size - chunk->size; /* it was cut down */
    queue->engine->overhead += log->pinned - pinned;
    if (last && queue->follow != NULL)
        zf_follow_advance (queue);
    if (queue->follow != NULL) /* it may take more */
        zf_engine_touch (queue);
    if (queue->parked != NULL || queue->length == 0) /* room for others, or for another queue */
        zf_engine_touch (queue);
    zf_memory_freed (queue->engine);
}

/* True if the time to live of the run's records is over. A record that expires by itself is cut out
 * of its run at that moment (zf_note_expire), so that looking at the first one is enough. */
bool zf_run_is_over (const zf_queue_t *queue, const zf_run_t *run)
{
    const zf_note_t *note = zf_chunk_note (run->chunk, run->at);
    if (note != NULL && note->own_ttl)
        return note->expired;
    uint64_t ttl = queue->policy.ttl_ms;
    return ttl > 0 && queue->engine->now_ms - run->chunk->newest_ms >= ttl;
}

void zf_run_line_up (zf_queue_t *queue, zf_run_t *run, bool first)
{
    const zf_note_t *note = zf_chunk_note (run->chunk, run->at);
    uint64_t ttl = queue->policy.ttl_ms;
    uint64_t newest = run->chunk->newest_ms;
    run->timer.kind = ZF_TIMER_DELAY; /* looked at again then; without memory, when it is taken */
    if (ttl > 0 && ttl < ZF_NEVER - newest && (note == NULL || !note->own_ttl))
        zf_timers_set (&queue->engine->timers, &run->timer, newest + ttl);
    zf_group_enqueue (run->group, run, first);
    zf_engine_touch (queue);
}

void zf_run_ready (zf_queue_t *queue, zf_run_t *run, bool first)
{
    zf_note_t *note = zf_chunk_note (run->chunk, run->at);
    if (run->sentence != 0) {
        zf_run_execute (queue, run);
        return;
    }
    if (zf_run_is_over (queue, run)) {
        zf_run_bury (queue, run, ZF_E_EXPIRED, zf_bytes_of ("expired"));
        return;
    }
    if (note != NULL && note->key != NULL && !run->fronts_key) {
        if (first)
            zf_key_yield (queue, note->key, run);
        if (!zf_note_front (note, run)) {
            zf_key_wait (note->key, run, first);
            return;
        }
    }
    zf_run_line_up (queue, run, first);
}

void zf_run_return (zf_queue_t *queue, zf_run_t *run, bool counted)
{
    uint64_t due_ms = run->due_ms;
    run->due_ms = 0;
    if (!counted && run->attempts > 0) {
        run->attempts--;
        zf_store_state (queue, run, due_ms > queue->engine->now_ms ? due_ms : 0);
    }
    if (counted && queue->policy.max_attempts != 0 && run->attempts >= queue->policy.max_attempts)
        zf_run_bury (queue, run, ZF_E_DEAD, zf_bytes_of ("attempts"));
    else if (due_ms <= queue->engine->now_ms || !zf_run_wait (queue, run, due_ms))
        zf_run_ready (queue, run, true);
}

void zf_run_lease_over (zf_queue_t *queue, zf_run_t *run)
{
    zf_run_unlink (queue, run);
    zf_run_return (queue, run, true);
}

void zf_run_delay_over (zf_queue_t *queue, zf_run_t *run)
{
    zf_run_unlink (queue, run);
    zf_run_ready (queue, run, false);
}

/* -- handing out ------------------------------------------------------------------------------- */

#define SET_ASIDE_MAX \
    1024 /* records that wait for their key, found in one go; the rest next
            turn */

/* True if the record is not durable yet: what a worker has seen must not vanish. */
static bool waits_for_disk (const zf_lane_t *lane, uint64_t id)
{
    return lane->mark_count > 0 && id >= lane->durable_end;
}

/* Up to max records that were handed out before or had to wait. */
static zf_run_t *take_ready (zf_queue_t *queue, zf_lane_t *lane, uint32_t max)
{
    while (lane->group.ready != NULL) {
        zf_run_t *run = lane->group.ready;
        if (!zf_chunk_here (queue, run->chunk) || waits_for_disk (lane, zf_run_first (run)))
            return NULL;
        if (run->sentence != 0) {
            zf_run_unlink (queue, run);
            zf_run_execute (queue, run);
            continue;
        }
        if (zf_run_is_over (queue, run)) {
            zf_run_unlink (queue, run);
            zf_run_bury (queue, run, ZF_E_EXPIRED, zf_bytes_of ("expired"));
            continue;
        }
        if (run->count > max && zf_run_carve (queue, run, run->at, max) != 0) {
            zf_engine_touch (queue); /* no memory: it is tried again */
            return NULL;
        }
        zf_group_dequeue (&lane->group, run);
        return run;
    }
    return NULL;
}

/* Records may travel in one run only if they are alike in this. */
static uint32_t kind_of (const zf_note_t *note)
{
    return note != NULL ? (uint32_t) (note->asked || note->keeps) | (uint32_t) note->own_ttl << 1
                        : 0;
}

uint32_t zf_chunk_alike (const zf_chunk_t *chunk, uint32_t at, uint32_t n)
{
    uint32_t kind = kind_of (zf_chunk_note (chunk, at));
    uint32_t i = 0;
    while (i < n) {
        const zf_note_t *note = zf_chunk_note (chunk, at + i);
        if ((note != NULL && note->key != NULL) || kind_of (note) != kind)
            break;
        i++;
    }
    return i;
}

/* Up to max records that nobody had yet. */
static zf_run_t *take_fresh (zf_queue_t *queue, zf_lane_t *lane, uint32_t max)
{
    zf_group_t *group = &lane->group;
    for (int aside = 0; aside < SET_ASIDE_MAX; aside++) {
        uint32_t n = zf_group_fresh (group);
        uint64_t id = n > 0 ? group->chunk->first + group->at : 0;
        if (n == 0 || waits_for_disk (lane, id))
            return NULL;
        zf_store_read_ahead (queue, group->chunk);
        if (!zf_chunk_here (queue, group->chunk))
            return NULL;
        if (lane->mark_count > 0 && lane->durable_end - id < n)
            n = (uint32_t) (lane->durable_end - id);
        if (n > max)
            n = max;
        if (group->chunk->notes != NULL)
            n = zf_chunk_alike (group->chunk, group->at, n);
        zf_run_t *run = zf_group_pass (group, n > 0 ? n : 1, ZF_RUN_LEASED);
        if (run == NULL)
            break; /* no memory: it is tried again */
        if (n > 0)
            return run;
        zf_note_t *note = zf_chunk_note (run->chunk, run->at);
        if (zf_note_front (note, run))
            return run;
        zf_key_wait (note->key, run, false);
    }
    zf_engine_touch (queue);
    return NULL;
}

static zf_run_t *take (zf_queue_t *queue, uint32_t max)
{
    for (uint32_t i = queue->policy.priorities; i-- > 0;) {
        zf_lane_t *lane = &queue->lanes[i];
        if (lane->log.length == 0)
            continue;
        zf_run_t *run = take_ready (queue, lane, max);
        if (run == NULL)
            run = take_fresh (queue, lane, max);
        if (run != NULL)
            return run;
    }
    return NULL;
}

/* It is delivered for the first time. A group's records are as old as their chunk in the stream. */
static void count_wait (zf_queue_t *queue, const zf_run_t *run)
{
    uint64_t id = zf_run_first (run);
    zf_ages_t *ages = &queue->lanes[id >> ZF_LANE_SHIFT].ages;
    uint64_t came = zf_ages_take (ages, id, run->chunk->newest_ms);
    uint64_t now = queue->engine->now_ms;
    zf_histogram_add (&queue->engine->wait, &zf_wait_ms, now > came ? now - came : 0, run->count);
}

static int lease (zf_consumer_t *consumer, zf_run_t *run)
{
    zf_queue_t *queue = consumer->queue;
    uint64_t now = queue->engine->now_ms;
    run->state = ZF_RUN_LEASED;
    run->consumer = consumer;
    run->attempts++;
    run->since_ms = now;
    run->timer.kind = ZF_TIMER_LEASE;
    DL_APPEND (consumer->runs, run);
    consumer->leased += run->count;
    consumer->leased_bytes += run_bytes (run);
    queue->leased += run->count;
    update_availability (consumer);
    int rc = 0;
    if (!consumer->drains) /* a link has them as long as it lives */
        rc = zf_timers_set (&queue->engine->timers, &run->timer, now + queue->policy.lease_ms);
    if (rc == 0)
        rc = consumer->session->dialect->deliver (consumer, run);
    if (rc != 0) {
        zf_run_unlink (queue, run);
        zf_run_return (queue, run, false);
        return rc;
    }
    if (!consumer->drains)
        zf_store_state (queue, run, 0);
    if (run->attempts == 1)
        count_wait (queue, run);
    queue->totals.delivered += run->count;
    queue->totals.redelivered += run->attempts > 1 ? run->count : 0;
    return 0;
}

void zf_queue_dispatch (zf_queue_t *queue)
{
    if (queue->stream != NULL) {
        zf_stream_dispatch (queue);
        return;
    }
    while (queue->available != NULL) {
        zf_consumer_t *consumer = queue->available;
        uint32_t max = consumer->limit - consumer->leased;
        zf_run_t *run =
            consumer->drains ? zf_queue_take_drained (queue, consumer, max) : take (queue, max);
        if (run == NULL && queue->follow != NULL && zf_follow_pull (queue))
            continue;
        if (run == NULL || lease (consumer, run) != 0)
            return;
        if (consumer->is_available) { /* the next one's turn */
            DL_DELETE (queue->available, consumer);
            DL_APPEND (queue->available, consumer);
        }
    }
}

/* -- settling ---------------------------------------------------------------------------------- */

static uint64_t backoff (const zf_policy_t *policy, uint32_t attempts)
{
    uint64_t delay = policy->backoff_min_ms;
    for (uint32_t i = 1; i < attempts && delay < policy->backoff_max_ms; i++)
        delay *= 2;
    return delay < policy->backoff_max_ms ? delay : policy->backoff_max_ms;
}

bool zf_run_wait (zf_queue_t *queue, zf_run_t *run, uint64_t due_ms)
{
    run->timer.kind = ZF_TIMER_DELAY;
    if (zf_timers_set (&queue->engine->timers, &run->timer, due_ms) != 0)
        return false;
    run->state = ZF_RUN_DELAYED;
    queue->delayed += run->count;
    queue->engine->overhead += run->count * sizeof *run;
    return true;
}

static void delay_run (zf_queue_t *queue, zf_run_t *run, uint64_t delay_ms)
{
    uint64_t now = queue->engine->now_ms;
    uint64_t due = delay_ms < ZF_NEVER - now ? now + delay_ms : ZF_NEVER - 1;
    if (delay_ms > 0 && zf_run_wait (queue, run, due))
        zf_store_state (queue, run, due);
    else
        zf_run_ready (queue, run, false);
}

static void nack (zf_queue_t *queue, zf_run_t *run, int64_t delay_ms)
{
    const zf_policy_t *policy = &queue->policy;
    if (policy->max_attempts != 0 && run->attempts >= policy->max_attempts)
        zf_run_bury (queue, run, ZF_E_DEAD, zf_bytes_of ("attempts"));
    else if (zf_run_is_over (queue, run))
        zf_run_bury (queue, run, ZF_E_EXPIRED, zf_bytes_of ("expired"));
    else
        delay_run (queue, run,
                   delay_ms >= 0 ? (uint64_t) delay_ms : backoff (policy, run->attempts));
}

static void ack (zf_queue_t *queue, zf_run_t *run)
{
    queue->totals.acked += run->count;
    zf_histogram_add (&queue->engine->hold, &zf_hold_ms, queue->engine->now_ms - run->since_ms,
                      run->count);
    zf_run_answer (run, 0, zf_bytes (NULL, 0)); /* whoever asked gets an empty answer */
    zf_run_finish (queue, run);
}

static void apply (zf_queue_t *queue, zf_run_t *run, const zf_verdict_t *verdict)
{
    if (verdict->verb == ZF_SETTLE_EXTEND && run->consumer->drains)
        return; /* its leases do not end */
    if (verdict->verb == ZF_SETTLE_EXTEND) {
        uint64_t lease_ms = verdict->delay_ms > 0 ? (uint64_t) verdict->delay_ms : 0;
        zf_timers_set (&queue->engine->timers, &run->timer,
                       queue->engine->now_ms + (uint32_t) lease_ms);
        return;
    }
    zf_run_unlink (queue, run);
    switch (verdict->verb) {
    case ZF_SETTLE_ACK:
        ack (queue, run);
        break;
    case ZF_SETTLE_NACK:
        nack (queue, run, verdict->delay_ms);
        break;
    case ZF_SETTLE_REJECT:
        zf_run_bury (queue, run, ZF_E_REJECTED, verdict->reason);
        break;
    case ZF_SETTLE_RELEASE:
        zf_run_return (queue, run, false);
        break;
    case ZF_SETTLE_EXTEND:
        break;
    }
}

/* Runs of others that one command may step over; an EXTEND is of a whole delivery, of which others
 * may have much by now. */
#define FOREIGN_MAX        4096
#define FOREIGN_EXTEND_MAX 65536

static zf_group_t *group_of (zf_queue_t *queue, uint64_t id)
{
    uint64_t lane = id >> ZF_LANE_SHIFT;
    return lane < queue->policy.priorities ? &queue->lanes[lane].group : NULL;
}

uint64_t zf_consumer_settle (zf_consumer_t *consumer, uint64_t first, uint64_t count,
                             zf_verdict_t *verdict)
{
    zf_queue_t *queue = consumer->queue;
    zf_group_t *group = group_of (queue, first);
    if (group == NULL || count > ZF_CREDIT_MAX)
        return count < ZF_CREDIT_MAX ? count : ZF_CREDIT_MAX;
    uint64_t end = first + count;
    uint64_t settled = 0;
    int most = verdict->verb == ZF_SETTLE_EXTEND ? FOREIGN_EXTEND_MAX : FOREIGN_MAX;
    while (first < end && verdict->foreign < most) {
        zf_run_t *run = zf_group_from (group, first);
        if (run == NULL || zf_run_first (run) >= end)
            break;
        uint64_t from = zf_run_first (run) > first ? zf_run_first (run) : first;
        uint64_t to = zf_run_end (run) < end ? zf_run_end (run) : end;
        first = to;
        if (run->consumer != consumer) {
            verdict->foreign++;
            continue;
        }
        uint32_t at = (uint32_t) (from - run->chunk->first);
        if (zf_run_carve (queue, run, at, (uint32_t) (to - from)) != 0)
            break; /* no memory: the lease will run out */
        settled += to - from;
        apply (queue, run, verdict);
    }
    return count - settled;
}

zf_run_t *zf_consumer_holds (zf_consumer_t *consumer, uint64_t id)
{
    zf_group_t *group = group_of (consumer->queue, id);
    zf_run_t *run = group != NULL ? zf_group_from (group, id) : NULL;
    return run != NULL && run->consumer == consumer && zf_run_first (run) <= id ? run : NULL;
}
