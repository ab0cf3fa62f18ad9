#include "tests/core/audit.h"

#include "core/keep.h"
#include "core/lru.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* Prints what does not hold, and where, and aborts. */
#define CHECK(condition) check (condition, #condition, __LINE__)

static void check (bool holds, const char *what, int line)
{
    if (holds)
        return;
    fprintf (stderr, "audit.c:%d: the engine's books do not agree: %s\n", line, what);
    abort ();
}

/* What the runs and chunks of a queue add up to. */
typedef struct {
    uint64_t length; /* live records */
    uint64_t bytes;
    uint64_t view_bytes; /* of them, in views: they count where they are of */
    uint64_t leased;
    uint64_t delayed;
    uint64_t ready_runs;
    uint64_t keyed;    /* notes with a key */
    uint64_t pinned;   /* bytes of settled records in chunks that are kept */
    uint64_t overhead; /* bytes of notes and of runs that wait, and those pinned */
    uint64_t logged;   /* live records of chunks that are in the log */
    uint64_t logged_bytes;
} sums_t;

/* What the chunks of all queues that are in the log add up to. */
typedef struct {
    uint64_t chunks;
    uint64_t resident_bytes; /* of those in memory */
    uint64_t index_bytes;    /* of those that are not, */
    uint64_t away;           /* as a number */
    uint64_t records, bytes; /* of queues; the bytes without dead letters */
} logged_t;

static void audit_timer (const zf_engine_t *engine, const zf_timer_t *timer)
{
    if (timer->slot == 0)
        return;
    CHECK (timer->slot <= engine->timers.count);
    CHECK (engine->timers.heap[timer->slot] == timer);
}

static void audit_timers (const zf_engine_t *engine)
{
    const zf_timers_t *timers = &engine->timers;
    for (uint32_t slot = 1; slot <= timers->count; slot++) {
        CHECK (timers->heap[slot]->slot == slot);
        CHECK (slot == 1 || timers->heap[slot / 2]->due_ms <= timers->heap[slot]->due_ms);
        CHECK (timers->heap[slot]->kind >= ZF_TIMER_LEASE);
        CHECK (timers->heap[slot]->kind <= ZF_TIMER_ACCOUNT);
    }
}

static bool in_list (const zf_run_t *list, const zf_run_t *run)
{
    const zf_run_t *each;
    DL_FOREACH (list, each)
        if (each == run)
            return true;
    return false;
}

/* A record that nobody has had yet, and that no run holds. */
static bool is_fresh (const zf_group_t *group, const zf_chunk_t *chunk, uint32_t at)
{
    return group->chunk != NULL && chunk->first + at >= group->chunk->first + group->at;
}

static void audit_run (const zf_queue_t *queue, const zf_group_t *group, const zf_run_t *run,
                       sums_t *sums)
{
    const zf_engine_t *engine = queue->engine;
    CHECK (run->group == group && run->count > 0);
    CHECK (run->at + run->count <= run->chunk->count);
    audit_timer (engine, &run->timer);
    CHECK ((run->consumer != NULL) == (run->state == ZF_RUN_LEASED));
    CHECK (!run->fronts_key || run->count == 1);
    switch ((zf_run_state_t) run->state) {
    case ZF_RUN_LEASED:
        CHECK (run->consumer->queue == queue);
        CHECK ((run->timer.slot == 0) == run->consumer->drains);
        CHECK (in_list (run->consumer->runs, run));
        sums->leased += run->count;
        break;
    case ZF_RUN_READY:
        CHECK (run->timer.slot == 0 || run->timer.kind == ZF_TIMER_DELAY);
        sums->ready_runs++;
        break;
    case ZF_RUN_DELAYED:
        CHECK (run->timer.slot != 0 && run->timer.kind == ZF_TIMER_DELAY);
        sums->delayed += run->count;
        sums->overhead += run->count * sizeof *run;
        break;
    case ZF_RUN_HELD:
        CHECK (run->count == 1 && run->timer.slot == 0);
        CHECK (zf_chunk_note (run->chunk, run->at)->key != NULL);
        sums->overhead += sizeof *run;
        break;
    case ZF_RUN_GONE:
        CHECK (is_fresh (group, run->chunk, run->at) && run->timer.slot == 0);
        break;
    }
}

static void audit_notes (const zf_queue_t *queue, uint8_t lane, const zf_chunk_t *chunk,
                         sums_t *sums)
{
    for (uint32_t at = 0; chunk->notes != NULL && at < chunk->slots; at++) {
        const zf_note_t *note = chunk->notes[at];
        if (note == NULL)
            continue;
        CHECK (at < chunk->count && note->chunk == chunk && note->at == at);
        CHECK (note->queue == queue && note->lane == lane);
        CHECK (note->asker == NULL || note->asked);
        audit_timer (queue->engine, &note->timer);
        sums->keyed += note->key != NULL;
        sums->overhead += sizeof *note;
    }
}

/* Live records of a queue's chunk: those in runs that are not GONE, and the fresh ones outside of
 * runs. */
static uint32_t count_live (zf_group_t *group, const zf_chunk_t *chunk, uint64_t *bytes)
{
    uint32_t live = 0;
    const zf_run_t *run = zf_group_from (group, chunk->first);
    for (uint32_t at = 0; at < chunk->count; at++) {
        while (run != NULL && zf_run_end (run) <= chunk->first + at)
            run = zf_group_next (group, (zf_run_t *) (uintptr_t) run);
        bool in_run = run != NULL && zf_run_first (run) <= chunk->first + at;
        if (in_run ? run->state == ZF_RUN_GONE : !is_fresh (group, chunk, at))
            continue;
        live++;
        *bytes += zf_chunk_size (chunk, at, 1);
    }
    return live;
}

/* Live records of a stream's chunk: those that are not marked. */
static uint32_t count_kept (const zf_chunk_t *chunk, uint64_t *bytes)
{
    uint32_t live = 0;
    if (chunk->offsets == NULL) {
        CHECK (chunk->data == NULL && chunk->live == chunk->count);
        *bytes += chunk->size - ZF_BATCH_HEADER;
        return chunk->count;
    }
    for (uint32_t at = 0; chunk->live > 0 && at < chunk->count; at++) {
        if ((chunk->offsets[at] & ZF_SETTLED) != 0)
            continue;
        live++;
        *bytes += zf_chunk_size (chunk, at, 1);
    }
    return live;
}

static void audit_chunk (const zf_queue_t *queue, zf_group_t *group, const zf_chunk_t *chunk,
                         sums_t *sums)
{
    uint64_t bytes = 0;
    bool kept = queue->stream != NULL;
    uint32_t live = kept ? count_kept (chunk, &bytes) : count_live (group, chunk, &bytes);
    CHECK (!chunk->view || (queue->follow != NULL && !chunk->logged));
    sums->view_bytes += chunk->view ? bytes : 0;
    CHECK (live == chunk->live);
    CHECK (live > 0 || chunk->next == NULL); /* only the last may be empty */
    CHECK (chunk->count <= chunk->slots || chunk->count == 0 || chunk->offsets == NULL);
    CHECK (chunk->settled_bytes == chunk->size - ZF_BATCH_HEADER - bytes);
    sums->pinned += chunk->data != NULL ? chunk->settled_bytes : 0;
    sums->length += live;
    sums->bytes += bytes;
    sums->logged += chunk->logged ? live : 0;
    sums->logged_bytes += chunk->logged ? bytes : 0;
}

/* Chunks with records in the log are the store's, and no others. */
static void audit_stored (const zf_queue_t *queue, const zf_chunk_t *chunk, logged_t *logged)
{
    bool stored = chunk->logged && chunk->live > 0;
    CHECK (chunk->owner == (stored ? queue : NULL));
    CHECK (stored || chunk->data != NULL || chunk->count == 0);
    CHECK (chunk->data != NULL || chunk->home != 0 || chunk->count == 0);
    if (!stored)
        return;
    logged->chunks++;
    logged->away += chunk->data == NULL;
    if (chunk->data != NULL)
        logged->resident_bytes += chunk->size - ZF_BATCH_HEADER;
    else if (chunk->offsets != NULL)
        logged->index_bytes += chunk->count * sizeof *chunk->offsets;
}

static void audit_lane (const zf_queue_t *queue, uint8_t number, sums_t *sums, logged_t *logged)
{
    zf_lane_t *lane = &queue->lanes[number];
    uint64_t before = sums->length;
    uint64_t ready_before = sums->ready_runs;
    uint64_t bytes_before = sums->bytes;
    uint64_t pinned_before = sums->pinned;
    uint32_t ahead = 0;
    uint64_t end = 0;
    zf_run_t *run = zf_group_from (&lane->group, 0);
    for (; run != NULL; run = zf_group_next (&lane->group, run)) {
        CHECK (zf_run_first (run) >= end);
        end = zf_run_end (run);
        ahead += is_fresh (&lane->group, run->chunk, run->at);
        audit_run (queue, &lane->group, run, sums);
    }
    CHECK (ahead == lane->group.ahead);
    uint64_t ready = 0;
    DL_FOREACH (lane->group.ready, run) {
        CHECK (run->state == ZF_RUN_READY);
        ready++;
    }
    CHECK (ready == sums->ready_runs - ready_before);
    const zf_chunk_t *chunk;
    DL_FOREACH (lane->log.head, chunk) {
        audit_notes (queue, number, chunk, sums);
        audit_chunk (queue, &lane->group, chunk, sums);
        audit_stored (queue, chunk, logged);
    }
    CHECK (sums->pinned - pinned_before == lane->log.pinned);
    CHECK (sums->length - before == lane->log.length);
    CHECK (sums->bytes - bytes_before == lane->log.bytes);
}

static void audit_parked (const zf_queue_t *queue)
{
    uint64_t count = 0;
    const zf_parked_t *parked;
    DL_FOREACH (queue->parked, parked) {
        CHECK (parked->queue == queue && parked->start < parked->in.batch.count);
        count += parked->in.batch.count - parked->start;
    }
    CHECK (count == queue->parked_count);
}

/* Who reads a stream. */
static void audit_readers (const zf_queue_t *stream)
{
    uint64_t groups = 0;
    uint64_t subscriptions = 0;
    const zf_follow_t *follow;
    const zf_subscription_t *subscription;
    DL_FOREACH (stream->stream->groups, follow) {
        CHECK (follow->source == stream && follow->queue->follow == follow);
        groups++;
    }
    DL_FOREACH (stream->stream->subscriptions, subscription) {
        CHECK (subscription->stream == stream);
        CHECK (zf_subscription_find (subscription->session, subscription->number) == subscription);
        CHECK (subscription->sent <= subscription->position || !subscription->is_told);
        CHECK (subscription->unread_count <= ZF_UNREAD_MOST);
        CHECK (subscription->unread_count > 0 || subscription->unread_bytes == 0);
        CHECK (subscription->unread_first + subscription->unread_count <=
               subscription->unread_room);
        subscriptions++;
    }
    CHECK (groups == stream->stream->group_count);
    CHECK (subscriptions == stream->stream->subscription_count);
}

/* Returns the overhead of its records. */
static uint64_t audit_queue (const zf_queue_t *queue, logged_t *logged)
{
    sums_t sums = {0};
    for (uint32_t i = 0; i < queue->policy.priorities; i++)
        audit_lane (queue, (uint8_t) i, &sums, logged);
    CHECK (sums.logged == queue->logged && sums.logged_bytes == queue->logged_bytes);
    logged->records += queue->logged;
    logged->bytes += queue->is_dead ? 0 : queue->logged_bytes;
    CHECK (sums.length == queue->length && sums.bytes - sums.view_bytes == queue->bytes);
    CHECK (sums.leased == queue->leased && sums.delayed == queue->delayed);
    CHECK ((sums.keyed > 0) == (queue->keys != NULL));
    CHECK (queue->wanted == 0 && queue->wanted_bytes == 0);
    audit_parked (queue);
    if (queue->stream != NULL)
        audit_readers (queue);
    audit_timer (queue->engine, &queue->ttl_timer);
    audit_timer (queue->engine, &queue->chores_timer);
    const zf_consumer_t *consumer;
    DL_FOREACH (queue->available, consumer)
        CHECK (consumer->is_available && consumer->leased < consumer->limit);
    return sums.overhead + sums.pinned;
}

static void audit_consumer (const zf_session_t *session, const zf_consumer_t *consumer)
{
    uint64_t leased = 0;
    const zf_run_t *run;
    DL_FOREACH (consumer->runs, run) {
        CHECK (run->consumer == consumer && run->state == ZF_RUN_LEASED);
        leased += run->count;
    }
    CHECK (leased == consumer->leased && consumer->session == session);
    CHECK (zf_engine_find (session->engine, zf_bytes_of (consumer->queue->name)) ==
           consumer->queue);
}

/* The balancer's workers without heartbeats stay until they are detached. */
static bool is_plain_worker (const zf_session_t *session)
{
    return session->dialect == &zf_dialect_lru_worker && session->consumers != NULL;
}

/* What one client has taken. */
static void audit_account (const zf_account_t *account)
{
    const zf_queue_t *queue;
    uint32_t made = 0;
    DL_FOREACH2 (account->made, queue, made_next) {
        CHECK (queue->maker == account);
        made++;
    }
    CHECK (made == account->made_count);
    const zf_session_t *session;
    DL_FOREACH2 (account->waiting, session, throttle.next)
        CHECK (session->account == account && session->throttle.held != NULL);
    if (account->sessions > 0)
        CHECK ((account->waiting != NULL) == (account->timer.slot != 0));
    audit_timer (account->engine, &account->timer);
}

/* What one client may have and do. */
static void audit_limits (const zf_session_t *session)
{
    const zf_throttle_t *throttle = &session->throttle;
    const zf_session_t *other;
    bool waits = false;
    DL_FOREACH2 (session->account->waiting, other, throttle.next)
        waits = waits || other == session;
    CHECK (waits == (throttle->held != NULL));
    CHECK ((throttle->held == NULL) == (throttle->held_bytes == 0));
    audit_account (&session->own);
    CHECK (session->account == &session->own || session->own.made == NULL);
}

/* What keys have taken: each one matters still. */
static void audit_accounts (const zf_engine_t *engine)
{
    for (zf_account_t *account = engine->accounts; account != NULL; account = account->hh.next) {
        const zf_session_t *session;
        uint32_t sessions = 0;
        DL_FOREACH (engine->sessions, session)
            sessions += session->account == account;
        CHECK (sessions == account->sessions);
        CHECK (sessions > 0 || account->made != NULL || account->timer.slot != 0);
        audit_account (account);
    }
}

/* Returns how many consumers the session has. */
static uint64_t audit_session (const zf_session_t *session)
{
    uint64_t consumers = 0;
    const zf_consumer_t *consumer;
    DL_FOREACH2 (session->consumers, consumer, session_next) {
        audit_consumer (session, consumer);
        consumers++;
    }
    uint64_t parked_bytes = 0;
    const zf_parked_t *parked;
    DL_FOREACH2 (session->parked, parked, session_next)
        parked_bytes += parked->in.frame->size;
    CHECK (parked_bytes == session->parked_bytes);
    const zf_note_t *note = session->requests;
    for (; note != NULL; note = note->hh.next)
        CHECK (note->asker == session);
    uint32_t subscriptions = 0;
    const zf_subscription_t *subscription = session->subscriptions;
    for (; subscription != NULL; subscription = subscription->session_next)
        subscriptions += subscription->session == session;
    CHECK (subscriptions == session->subscription_count);
    CHECK ((session->awaits == NULL) == (session->await_count == 0));
    audit_limits (session);
    audit_timer (session->engine, &session->timer);
    CHECK (session->timer.slot != 0 || session->doomed || is_plain_worker (session));
    return consumers;
}

/* It could be forgotten without anybody missing it. */
static bool is_unused (const zf_queue_t *queue)
{
    return queue->length == 0 && queue->consumers == 0 && queue->parked == NULL;
}

/* The store's lists and sums; entries that keep records are in the order of the log. */
static void audit_store (const zf_engine_t *engine, const logged_t *logged)
{
    const zf_store_t *store = &engine->store;
    const zf_chunk_t *chunk;
    uint64_t chunks = 0;
    uint64_t resident = 0;
    uint64_t lsn = 0;
    DL_FOREACH2 (store->logged, chunk, logged_next) {
        CHECK (chunk->owner != NULL && chunk->lsn >= lsn && chunk->newest_lsn >= chunk->lsn);
        lsn = chunk->lsn;
        chunks++;
        resident += chunk->data != NULL;
    }
    for (int i = ZF_OF_QUEUES; i <= ZF_OF_STREAMS; i++) {
        DL_FOREACH2 (store->resident[i], chunk, resident_next) {
            const zf_queue_t *queue = chunk->owner;
            CHECK (queue != NULL && chunk->data != NULL);
            if (queue == NULL)
                continue;
            CHECK ((queue->stream != NULL) == (i == ZF_OF_STREAMS));
            resident--;
        }
    }
    CHECK (resident == 0 && chunks == logged->chunks);
    CHECK (store->resident_bytes == logged->resident_bytes);
    CHECK (store->index_bytes == logged->index_bytes && store->away == logged->away);
    CHECK (store->records == logged->records && store->bytes == logged->bytes);
    uint32_t busy = 0;
    for (uint32_t i = 0; i < ZF_LOADS_MAX; i++) {
        const zf_reading_t *slot = &store->loads[i];
        CHECK (slot->chunk == NULL || (slot->is_busy && slot->chunk->load == i + 1));
        busy += slot->is_busy;
    }
    CHECK (busy == store->loads_busy);
}

/* Requests and kept answers by id. Returns the overhead of these. */
static uint64_t audit_kept (const zf_engine_t *engine)
{
    uint64_t overhead = 0;
    for (const zf_kept_t *kept = engine->kept; kept != NULL; kept = kept->hh.next) {
        CHECK (kept->request != NULL || kept->answer != NULL);
        CHECK (kept->request == NULL || kept->request->kept == kept);
        CHECK (kept->answer == NULL || kept->answer->kept == kept);
        CHECK (kept->answer == NULL || kept->answer->queue->holds_replies);
        const zf_fetch_t *fetch;
        DL_FOREACH (kept->fetches, fetch)
            CHECK (fetch->kept == kept && !fetch->session->gone);
        overhead += sizeof *kept + kept->id_size;
    }
    return overhead;
}

void audit_engine (const zf_engine_t *engine)
{
    logged_t logged = {0};
    uint64_t bytes = 0;
    uint64_t dead_bytes = 0;
    uint64_t overhead = 0;
    uint64_t consumers = 0;
    uint64_t sessions = 0;
    audit_timers (engine);
    audit_accounts (engine);
    for (const zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        overhead += audit_queue (queue, &logged);
        bytes += queue->bytes;
        dead_bytes += queue->is_dead ? queue->bytes : 0;
        consumers += queue->consumers;
    }
    const zf_session_t *session;
    DL_FOREACH (engine->sessions, session) {
        consumers -= audit_session (session);
        sessions++;
    }
    CHECK (consumers == 0);
    CHECK (sessions == engine->counters.sessions);
    CHECK (bytes == engine->bytes && dead_bytes == engine->dead_bytes);
    overhead += audit_kept (engine);
    CHECK (overhead == engine->overhead);
    audit_store (engine, &logged);
    const zf_queue_t *queue;
    DL_FOREACH2 (engine->idle, queue, idle_next)
        CHECK (queue->is_idle && (queue->is_dirty || is_unused (queue)));
}
