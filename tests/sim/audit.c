/* The engine's structures against each other: everything is counted twice over, in two ways. */
#include "tests/sim/book.h"

#include <utlist.h>

#define CHECK(sim, condition)                                                      \
    do {                                                                           \
        if (!(condition))                                                          \
            sim_fail ((sim), "%s:%d: not so: %s", __FILE__, __LINE__, #condition); \
    } while (0)

/* What was counted in one queue. */
typedef struct {
    uint64_t length, bytes, leased, delayed;
    uint64_t views;  /* bytes that count where they are a view of */
    uint64_t ready;  /* runs in the ready lists */
    uint64_t timers; /* set by its runs and notes */
    uint64_t keyed;  /* notes with a key */
    uint64_t fronts; /* runs that have their key's turn */
    uint64_t extra;  /* bytes that the engine counts beside the records */
} tally_t;

/* -- runs -------------------------------------------------------------------------------------- */

static bool is_in (zf_run_t *list, const zf_run_t *run)
{
    const zf_run_t *other;
    DL_FOREACH (list, other) {
        if (other == run)
            return true;
    }
    return false;
}

static void check_run (sim_t *sim, const zf_queue_t *queue, const zf_run_t *run, tally_t *tally)
{
    CHECK (sim, run->count > 0 && run->at + run->count <= run->chunk->count);
    CHECK (sim, run->group->owner == queue);
    CHECK (sim, (run->state == ZF_RUN_LEASED) == (run->consumer != NULL));
    tally->timers += run->timer.slot != 0;
    switch ((zf_run_state_t) run->state) {
    case ZF_RUN_LEASED:
        CHECK (sim, (run->timer.slot == 0) == run->consumer->drains);
        CHECK (sim, is_in (run->consumer->runs, run));
        tally->leased += run->count;
        break;
    case ZF_RUN_DELAYED:
        CHECK (sim, run->timer.slot != 0);
        tally->delayed += run->count;
        tally->extra += run->count * sizeof *run;
        break;
    case ZF_RUN_READY:
        tally->ready++;
        break;
    case ZF_RUN_HELD:
        CHECK (sim, run->timer.slot == 0 && run->count == 1 && !run->fronts_key);
        tally->extra += sizeof *run;
        break;
    case ZF_RUN_GONE:
        CHECK (sim, run->timer.slot == 0);
        break;
    }
    tally->fronts += run->fronts_key && run->state != ZF_RUN_GONE;
}

static bool is_ahead (const zf_group_t *group, const zf_run_t *run)
{
    return group->chunk != NULL && zf_run_first (run) >= group->chunk->first + group->at;
}

/* -- chunks ------------------------------------------------------------------------------------ */

static void check_note (sim_t *sim, const zf_chunk_t *chunk, uint32_t at, tally_t *tally)
{
    zf_note_t *note = zf_chunk_note (chunk, at);
    if (note == NULL)
        return;
    CHECK (sim, note->chunk == chunk && note->at == at);
    tally->timers += note->timer.slot != 0;
    tally->keyed += note->key != NULL;
    tally->extra += sizeof *note;
    if (note->asker == NULL)
        return;
    zf_note_t *found;
    HASH_FIND (hh, note->asker->requests, &note->number, sizeof note->number, found);
    CHECK (sim, found == note && !note->asker->gone);
}

/* Walks the chunk's records beside the runs; returns the next run. kept: of a stream: there are
 * none, and no cursor. */
static zf_run_t *check_chunk (sim_t *sim, zf_lane_t *lane, const zf_chunk_t *chunk, zf_run_t *run,
                              tally_t *tally, bool kept)
{
    uint32_t live = 0;
    uint64_t cursor =
        lane->group.chunk != NULL ? lane->group.chunk->first + lane->group.at : UINT64_MAX;
    for (uint32_t at = 0; at < chunk->count; at++) {
        uint64_t id = chunk->first + at;
        if (run != NULL && zf_run_end (run) <= id)
            run = zf_group_next (&lane->group, run);
        bool in_run = run != NULL && zf_run_first (run) <= id;
        bool is_live = in_run ? run->state != ZF_RUN_GONE : id >= cursor;
        if (kept)
            is_live = chunk->offsets == NULL || (chunk->offsets[at] & ZF_SETTLED) == 0;
        CHECK (sim, is_live || zf_chunk_note (chunk, at) == NULL);
        uint32_t bytes = is_live && chunk->offsets != NULL ? zf_chunk_size (chunk, at, 1) : 0;
        live += is_live;
        tally->bytes += bytes;
        tally->views += chunk->view ? bytes : 0;
        check_note (sim, chunk, at, tally);
    }
    CHECK (sim, live == chunk->live);
    tally->bytes += chunk->offsets == NULL ? chunk->size - ZF_BATCH_HEADER : 0;
    tally->length += live;
    return run;
}

static void check_lane (sim_t *sim, const zf_queue_t *queue, zf_lane_t *lane, tally_t *tally)
{
    zf_group_t *group = &lane->group;
    uint64_t end = 0;
    uint32_t ahead = 0;
    tally_t before = *tally;
    zf_run_t *run = zf_group_from (group, 0);
    for (; run != NULL; run = zf_group_next (group, run)) {
        CHECK (sim, zf_run_first (run) >= end);
        end = zf_run_end (run);
        ahead += is_ahead (group, run);
        check_run (sim, queue, run, tally);
    }
    CHECK (sim, ahead == group->ahead);
    zf_run_t *ready;
    DL_FOREACH (group->ready, ready) {
        CHECK (sim, ready->state == ZF_RUN_READY && ready->group == group);
        tally->ready--;
    }
    CHECK (sim, tally->ready == 0);
    run = zf_group_from (group, 0);
    zf_chunk_t *chunk;
    DL_FOREACH (lane->log.head, chunk)
        run = check_chunk (sim, lane, chunk, run, tally, queue->stream != NULL);
    tally->extra += lane->log.pinned;
    CHECK (sim, lane->log.length == tally->length - before.length);
    CHECK (sim, lane->log.bytes == tally->bytes - before.bytes);
}

/* -- consumers --------------------------------------------------------------------------------- */

static void check_consumer (sim_t *sim, const zf_consumer_t *consumer)
{
    uint64_t leased = 0;
    uint64_t bytes = 0;
    const zf_run_t *run;
    DL_FOREACH (consumer->runs, run) {
        CHECK (sim, run->state == ZF_RUN_LEASED && run->consumer == consumer);
        leased += run->count;
        bytes += zf_chunk_span (run->chunk, run->at, run->count).size;
    }
    CHECK (sim, leased == consumer->leased && bytes == consumer->leased_bytes);
    bool room = leased < consumer->limit && (leased == 0 || bytes < ZF_LEASED_BYTES_MAX);
    const zf_consumer_t *other;
    bool available = false;
    DL_FOREACH (consumer->queue->available, other)
        available |= other == consumer;
    CHECK (sim, room == consumer->is_available && room == available);
}

/* The highest level with a record that could be handed out right now; -1: none. */
static int takeable (const zf_queue_t *queue)
{
    for (uint32_t i = queue->policy.priorities; i-- > 0;) {
        zf_group_t group = queue->lanes[i].group; /* a copy: looking moves the cursor */
        if (queue->lanes[i].mark_count > 0 || queue->stream != NULL)
            continue; /* some wait for the disk */
        if (queue->is_drained && i > 0)
            continue; /* of a group: a link takes what comes from the stream, in its order */
        if (group.ready != NULL)
            return (int) i;
        if (!queue->policy.ordered && group.ahead == 0 && zf_group_fresh (&group) > 0)
            return (int) i;
    }
    return -1;
}

/* Nobody waits for work while there is some, and the important work has been handed out first. */
static void check_handed_out (sim_t *sim, const queue_t *book, const zf_queue_t *queue)
{
    if (queue->is_dirty)
        return;
    int level = takeable (queue);
    CHECK (sim, level < 0 || queue->available == NULL);
    if (book != NULL && book->handed_at == sim->turn && !queue->policy.ordered)
        CHECK (sim, level <= (int) book->handed_lane);
}

/* -- queues ------------------------------------------------------------------------------------ */

static void check_parked (sim_t *sim, const zf_queue_t *queue)
{
    const zf_parked_t *parked;
    uint64_t records = 0;
    DL_FOREACH (queue->parked, parked) {
        CHECK (sim, parked->start < parked->in.batch.count && !parked->in.session->gone);
        records += parked->in.batch.count - parked->start;
    }
    CHECK (sim, records == queue->parked_count);
}

static tally_t check_queue (sim_t *sim, zf_queue_t *queue)
{
    tally_t tally = {0};
    for (uint32_t i = 0; i < queue->policy.priorities; i++)
        check_lane (sim, queue, &queue->lanes[i], &tally);
    CHECK (sim, tally.length == queue->length && tally.bytes - tally.views == queue->bytes);
    CHECK (sim, tally.leased == queue->leased && tally.delayed == queue->delayed);
    CHECK (sim, queue->wanted == 0 && queue->wanted_bytes == 0);
    CHECK (sim, tally.fronts <= tally.keyed && (tally.keyed == 0) == (queue->keys == NULL));
    bool idle = queue->length == 0 && queue->consumers == 0 && queue->parked == NULL &&
                !queue->declared && queue->follow == NULL;
    if (queue->stream != NULL)
        idle &= queue->stream->groups == NULL && queue->stream->subscriptions == NULL &&
                queue->stream->awaits == NULL;
    CHECK (sim, queue->is_dirty || idle == queue->is_idle);
    check_parked (sim, queue);
    check_handed_out (sim, book_queue (sim, zf_bytes (queue->name, queue->name_size)), queue);
    tally.timers += queue->ttl_timer.slot != 0;
    tally.timers += queue->chores_timer.slot != 0;
    return tally;
}

/* -- the whole --------------------------------------------------------------------------------- */

static uint64_t check_sessions (sim_t *sim)
{
    const zf_engine_t *engine = sim->engine;
    const zf_session_t *session;
    uint64_t sessions = 0;
    uint64_t timers = 0;
    uint64_t waiting = 0;
    uint64_t consumers = 0;
    DL_FOREACH (engine->sessions, session) {
        uint64_t parked_bytes = 0;
        const zf_consumer_t *consumer;
        const zf_parked_t *parked;
        DL_FOREACH2 (session->consumers, consumer, session_next) {
            check_consumer (sim, consumer);
            consumers++;
        }
        DL_FOREACH2 (session->parked, parked, session_next)
            parked_bytes += parked->in.frame->size;
        CHECK (sim, parked_bytes == session->parked_bytes);
        CHECK (sim, !session->gone && !session->doomed);
        sessions++;
        timers += session->timer.slot != 0;
        waiting += session->own.timer.slot != 0;
        CHECK (sim, session->account->timer.slot != 0 || session->throttle.held == NULL);
    }
    for (zf_account_t *account = engine->accounts; account != NULL; account = account->hh.next)
        waiting += account->timer.slot != 0;
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next)
        consumers -= queue->consumers;
    CHECK (sim, consumers == 0 && sessions == engine->counters.sessions && sessions == timers);
    return timers + waiting;
}

static void check_timers (sim_t *sim, uint64_t expected)
{
    const zf_timers_t *timers = &sim->engine->timers;
    CHECK (sim, timers->count == expected);
    for (uint32_t i = 1; i <= timers->count; i++) {
        CHECK (sim, timers->heap[i]->slot == i);
        CHECK (sim, i == 1 || timers->heap[i / 2]->due_ms <= timers->heap[i]->due_ms);
    }
}

void audit (sim_t *sim)
{
    const zf_engine_t *engine = sim->engine;
    uint64_t timers =
        check_sessions (sim) + (engine->atomics_timer.slot != 0) + (engine->load_timer.slot != 0);
    uint64_t bytes = 0;
    uint64_t dead_bytes = 0;
    uint64_t extra = 0;
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        tally_t tally = check_queue (sim, queue);
        timers += tally.timers;
        extra += tally.extra;
        bytes += queue->bytes;
        dead_bytes += queue->is_dead ? queue->bytes : 0;
    }
    CHECK (sim, bytes == engine->bytes && dead_bytes == engine->dead_bytes);
    CHECK (sim, extra == engine->overhead);
    check_timers (sim, timers);
}

/* A queue of those who break the protocol: they may have told it to remember ids for ever. */
static bool is_strange (sim_t *sim, const zf_queue_t *queue)
{
    return book_queue (sim, zf_bytes (queue->name, queue->name_size)) == NULL;
}

static void check_queue_empty (sim_t *sim, const zf_queue_t *queue)
{
    CHECK (sim, queue->length == 0 && queue->bytes == 0 && queue->consumers == 0);
    CHECK (sim, queue->parked == NULL && queue->keys == NULL);
    CHECK (sim,
           queue->producers.table == NULL && (queue->ids.table == NULL || is_strange (sim, queue)));
    for (uint32_t i = 0; i < queue->policy.priorities; i++) {
        const zf_lane_t *lane = &queue->lanes[i];
        CHECK (sim, RB_EMPTY (&lane->group.runs) && lane->group.ready == NULL);
        CHECK (sim, lane->log.head == NULL || (lane->log.head->next == NULL &&
                                               lane->log.head->capacity <= ZF_CHUNK_BYTES));
    }
}

void audit_empty (sim_t *sim)
{
    const zf_engine_t *engine = sim->engine;
    CHECK (sim, engine->bytes == 0 && engine->sessions == NULL && engine->greeted == NULL);
    CHECK (sim, engine->dirty == NULL && engine->doomed == NULL && engine->leaving == NULL);
    CHECK (sim, engine->overhead == 0 && engine->dead_bytes == 0);
    CHECK (sim, engine->atomics.table == NULL && sim->frames == 0);
    uint64_t timers = 0;
    for (const zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        check_queue_empty (sim, queue);
        timers += queue->ids.table != NULL;
    }
    CHECK (sim, engine->timers.count == timers);
}
