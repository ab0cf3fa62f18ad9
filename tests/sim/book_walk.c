#include "tests/sim/book.h"

#include "core/props.h"

/* -- records that the engine has --------------------------------------------------------------- */

typedef struct {
    sim_t *sim;
    queue_t *queue;
    size_t seen; /* live records met */
} walk_t;

static void come_back (sim_t *sim, record_t *record)
{
    book_finished (sim, record, REC_BURIED);
    record->again = true;
    record->delay_ms = record->ttl_ms = 0;
    book_taken (sim, record);
    record->since_ms = record->not_before = record->queue->revived_ms;
    if (record->id_prop != 0) /* its window begins anew */
        record->queue->id_until[record->id_prop] =
            record->since_ms + record->queue->policy.dedup_window_ms;
}

static void die (sim_t *sim, record_t *record)
{
    if (record->doom == NULL && !book_over (sim, record))
        sim_fail (sim, "record %u died for no reason", record->serial);
    record->queue->expired += record->doom == NULL;
    book_finished (sim, record, REC_DEAD);
}

void book_moved (sim_t *sim, record_t *record, queue_t *queue, uint64_t id)
{
    queue_t *home = record->queue;
    bool letter = home->dead >= 0 && queue == &sim->queues[home->dead];
    bool renamed = record->placed && record->id != id; /* it came back, and died once more */
    if (record->state == REC_DEAD && home->revived && (queue == home || (letter && renamed)))
        come_back (sim, record);
    if (record->state == REC_LIVE && letter)
        die (sim, record);
    if (letter ? record->state != REC_DEAD : record->state != REC_LIVE || queue != home)
        sim_fail (sim, "record %u, state %d, is in %s", record->serial, (int) record->state,
                  queue->name);
    if (record->placed && record->id != id)
        sim_fail (sim, "record %u has changed its id", record->serial);
}

static void check_run (walk_t *walk, const record_t *record, const zf_run_t *run)
{
    sim_t *sim = walk->sim;
    if (record->doom != NULL && record->state == REC_LIVE)
        sim_fail (sim, "record %u should be dead: %s", record->serial, record->doom);
    bool leased = run != NULL && run->state == ZF_RUN_LEASED;
    if (leased != (record->holder != NULL))
        sim_fail (sim, "record %u is %sat a worker", record->serial, leased ? "" : "not ");
    if (leased && run->consumer->session != record->holder->session)
        sim_fail (sim, "record %u is at another worker", record->serial);
    if (leased && run->timer.due_ms != record->lease_due)
        sim_fail (sim, "the lease of record %u ends at another time", record->serial);
    if ((run != NULL ? run->attempts : 0) != record->attempts)
        sim_fail (sim, "record %u has had %u attempts, not %u", record->serial, record->attempts,
                  run != NULL ? run->attempts : 0);
    bool delayed = run != NULL && run->state == ZF_RUN_DELAYED;
    if (delayed ? run->timer.due_ms != record->not_before
                : !leased && record->not_before > sim->now_ms)
        sim_fail (sim, "record %u is delayed for another time", record->serial);
}

void book_check_death (sim_t *sim, const record_t *record, const zf_record_t *encoded)
{
    zf_props_view_t view;
    const char *reason = record->doom != NULL ? record->doom : "expired";
    if (zf_props_decode (encoded->props, encoded->body.size, &view) != 0 || !view.dead)
        sim_fail (sim, "dead letter %u without a reason", record->serial);
    if (!zf_bytes_equal (view.death.reason, zf_bytes_of (reason)) ||
        view.death.attempts != record->died_after ||
        !zf_bytes_equal (view.death.queue, zf_bytes_of (record->queue->name)))
        sim_fail (sim, "dead letter %u says %.*s after %u, not %s after %u", record->serial,
                  (int) view.death.reason.size, (const char *) view.death.reason.data,
                  view.death.attempts, reason, record->died_after);
}

/* A waiting record whose time is over should not be there. Where the time is the queue's, those
 * that wait for something else (a delay, their key) are looked at when that is over. */
static void check_overdue (walk_t *walk, const record_t *record, const zf_run_t *run)
{
    bool elsewhere = run != NULL && run->state != ZF_RUN_READY;
    if (run != NULL && run->timer.slot != 0 && run->timer.due_ms <= walk->sim->now_ms)
        return; /* it is about to be */
    bool leased = run != NULL && run->state == ZF_RUN_LEASED;
    if (book_latest (record) < walk->sim->ticked_ms && (record->ttl_ms != 0 ? !leased : !elsewhere))
        sim_fail (walk->sim, "record %u is past its time to live", record->serial);
}

static void meet (walk_t *walk, const zf_chunk_t *chunk, uint32_t at, const zf_run_t *run)
{
    sim_t *sim = walk->sim;
    zf_record_t encoded = zf_chunk_record (chunk, at);
    record_t *record = book_find (sim, encoded.body);
    uint64_t id = chunk->first + at;
    if (record == NULL)
        sim_fail (sim, "%s has a record that nobody posted", walk->queue->name);
    if (record->seen == sim->epoch)
        sim_fail (sim, "record %u is in the queues twice", record->serial);
    book_moved (sim, record, walk->queue, id);
    if (record->state == REC_DEAD && !record->placed)
        book_check_death (sim, record, &encoded);
    record->seen = sim->epoch;
    record->placed = true;
    record->id = id;
    walk->seen++;
    check_run (walk, record, run);
    if (record->state == REC_LIVE)
        check_overdue (walk, record, run);
}

static void walk_chunk (walk_t *walk, zf_group_t *group, const zf_chunk_t *chunk)
{
    zf_run_t *run = zf_group_from (group, chunk->first);
    uint64_t cursor = group->chunk != NULL ? group->chunk->first + group->at : UINT64_MAX;
    for (uint32_t at = 0; at < chunk->count; at++) {
        uint64_t id = chunk->first + at;
        while (run != NULL && zf_run_end (run) <= id)
            run = zf_group_next (group, run);
        bool in_run = run != NULL && zf_run_first (run) <= id;
        if (in_run ? run->state != ZF_RUN_GONE : id >= cursor)
            meet (walk, chunk, at, in_run ? run : NULL);
    }
}

static size_t walk_queue (sim_t *sim, queue_t *queue)
{
    walk_t walk = {.sim = sim, .queue = queue};
    for (uint32_t i = 0; i < queue->engine->policy.priorities; i++) {
        zf_lane_t *lane = &queue->engine->lanes[i];
        const zf_chunk_t *chunk = lane->log.head;
        for (; chunk != NULL; chunk = chunk->next)
            walk_chunk (&walk, &lane->group, chunk);
    }
    return walk.seen;
}

/* -- records that it has no more --------------------------------------------------------------- */

static bool may_drop (const record_t *record)
{
    const queue_t *queue = record->queue;
    return queue->purged || record->abandoned || queue->policy.overflow == ZF_OVERFLOW_DROP_OLDEST;
}

/* Two reasons hold. Then the engine's count of dead ones says which it was, once all others are
 * known. */
static bool is_ambiguous (const sim_t *sim, const record_t *record)
{
    return record->state == REC_LIVE && record->doom == NULL && may_drop (record) &&
           book_over (sim, record);
}

/* True if it has died and there is no letter: none is wanted, or there was no memory for one. */
static bool died (const sim_t *sim, const record_t *record)
{
    const queue_t *queue = record->queue;
    if (queue->dead >= 0 && !sim->tight) /* it would be a letter */
        return false;
    if (is_ambiguous (sim, record))
        return queue->engine->totals.dead > queue->dead_count;
    return record->doom != NULL || book_over (sim, record);
}

/* Why a record may be gone from its queue without ever being a letter. */
static void explain (sim_t *sim, record_t *record)
{
    if (record->holder != NULL)
        sim_fail (sim, "record %u was lost while at a worker", record->serial);
    if (died (sim, record)) {
        record->queue->expired += record->doom == NULL;
        record->queue->dead_count++;
        record->queue->dropped++;
        book_finished (sim, record, REC_DROPPED);
        return;
    }
    if (record->doom != NULL || !may_drop (record))
        sim_fail (sim, "record %u was lost", record->serial);
    record->queue->dropped++;
    book_finished (sim, record, REC_DROPPED);
}

/* A dead letter may also have gone back to its queue and been dropped there. */
static void explain_letter (sim_t *sim, record_t *record)
{
    queue_t *dead = &sim->queues[record->queue->dead];
    if (record->holder == NULL && record->queue->revived && may_drop (record)) {
        come_back (sim, record);
        explain (sim, record);
        return;
    }
    if (record->holder != NULL || !dead->purged)
        sim_fail (sim, "dead letter %u was lost", record->serial);
    dead->dropped++;
    book_finished (sim, record, REC_BURIED);
}

static void find_missing (sim_t *sim, queue_t *queue, bool ambiguous)
{
    for (size_t i = queue->live.count; i-- > 0;) {
        record_t *record = sim->records[queue->live.at[i]];
        if (record->seen == sim->epoch || is_ambiguous (sim, record) != ambiguous)
            continue;
        if (record->state == REC_DEAD)
            explain_letter (sim, record);
        else
            explain (sim, record);
    }
}

/* -- sums -------------------------------------------------------------------------------------- */

static void check_total (sim_t *sim, const queue_t *queue, const char *what, uint64_t has,
                         uint64_t should)
{
    if (has != should)
        sim_fail (sim, "%s counts %" PRIu64 " %s, not %" PRIu64, queue->name, has, what, should);
}

static void check_totals (sim_t *sim, queue_t *queue)
{
    const zf_queue_t *engine = queue->engine;
    const zf_policy_t *policy = &queue->policy;
    check_total (sim, queue, "records", engine->length, queue->live.count);
    check_total (sim, queue, "posted", engine->totals.posted, queue->posted);
    check_total (sim, queue, "acked", engine->totals.acked, queue->acked);
    check_total (sim, queue, "dead", engine->totals.dead, queue->dead_count);
    check_total (sim, queue, "dropped", engine->totals.dropped, queue->dropped);
    check_total (sim, queue, "refused", engine->totals.refused, queue->refused);
    check_total (sim, queue, "expired", engine->totals.expired, queue->expired);
    bool over = (policy->max_length != 0 && engine->length > policy->max_length) ||
                (policy->max_bytes != 0 && engine->bytes > policy->max_bytes);
    if (over && !queue->overfull)
        sim_fail (sim, "%s is above its cap", queue->name);
    queue->overfull = over;
    queue->purged = queue->revived = false;
}

/* A request whose record is finished, or past its own time, has had its answer, unless there was
 * nobody to send it to. */
static void check_requests (sim_t *sim, const identity_t *who)
{
    for (size_t i = 0; i < who->request_count; i++) {
        request_t *request = &who->requests[i];
        if (!request->pending)
            continue;
        const record_t *record = sim->records[request->serial];
        bool over = record->ttl_ms != 0 && record->since_ms + record->ttl_ms <= sim->ticked_ms;
        if (record->state == REC_LIVE && !over)
            continue;
        zf_session_t *session;
        HASH_FIND (hh, sim->engine->greeted, who->uuid, ZF_UUID_BYTES, session);
        if (session != NULL && session->host != NULL)
            sim_fail (sim, "the request of record %u was never answered", request->serial);
        request->pending = false;
    }
}

bool book_has (const record_t *record)
{
    zf_sight_t sight;
    return zf_queue_peek (record->queue->engine, record->id, &sight) && sight.id == record->id;
}

void book_walk (sim_t *sim)
{
    size_t seen[QUEUES_MAX] = {0};
    sim->epoch++;
    for (size_t i = 0; i < sim->queue_count; i++)
        seen[i] = walk_queue (sim, &sim->queues[i]);
    for (size_t i = 0; i < sim->queue_count; i++) {
        if (seen[i] == sim->queues[i].live.count)
            continue;
        find_missing (sim, &sim->queues[i], false);
        find_missing (sim, &sim->queues[i], true);
    }
    for (size_t i = 0; i < sim->queue_count; i++)
        check_totals (sim, &sim->queues[i]);
    for (const identity_t *who = sim->identities; who != NULL; who = who->next)
        check_requests (sim, who);
}
