#include "tests/sim/book.h"

#include "tests/sim/peer.h"
#include <zferry/error.h>

#include "core/props.h"

/* -- confirms ---------------------------------------------------------------------------------- */

/* True if the queue has seen this record's dedup id inside its window. */
static bool is_duplicate (sim_t *sim, record_t *record)
{
    const zf_policy_t *policy = &record->queue->policy;
    if (record->id_prop == 0 || policy->dedup_window_ms == 0)
        return false;
    uint64_t *until = &record->queue->id_until[record->id_prop];
    if (*until > sim->now_ms)
        return true;
    *until = sim->now_ms + policy->dedup_window_ms;
    return false;
}

static void take (sim_t *sim, record_t *record)
{
    if (is_duplicate (sim, record))
        record->state = REC_DUPLICATE;
    else
        book_taken (sim, record);
}

static void check_refusal (sim_t *sim, const record_t *record, int code)
{
    const zf_policy_t *policy = &record->queue->policy;
    size_t bytes = record->wire;
    bool fits = policy->max_bytes == 0 || bytes <= policy->max_bytes;
    if (bytes > sim->engine->options.memory_bytes)
        fits = false;
    if (code == ZF_E_TOO_BIG && !fits)
        return;
    if (code == ZF_E_FULL && policy->overflow != ZF_OVERFLOW_BACKPRESSURE)
        return;
    sim_fail (sim, "record %u was refused with %d, for no reason", record->serial, code);
}

static void confirm_one (sim_t *sim, record_t *record, int code)
{
    if (record->state == REC_NEW && code == 0) {
        take (sim, record);
    } else if (record->state == REC_NEW) {
        check_refusal (sim, record, code);
        record->state = REC_REFUSED;
        record->code = code;
        record->queue->refused++;
    } else if (record->state == REC_REFUSED ? code != record->code : code != 0) {
        sim_fail (sim, "record %u was answered %d, then %d", record->serial, record->code, code);
    }
}

static void on_confirm (sim_t *sim, const identity_t *who, zf_reader_t *r)
{
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    int code = -(int) zf_mp_uint (r);
    const vec_t *posts = &who->posts[queue - sim->queues];
    if (first == 0 || first + count - 1 > posts->count)
        sim_fail (sim, "confirm of numbers that were never used");
    for (uint64_t number = first; number < first + count; number++)
        confirm_one (sim, sim->records[posts->at[number - 1]], code);
}

static void on_done (sim_t *sim, const identity_t *who, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    int code = -(int) zf_mp_uint (r);
    if (number == 0 || number > who->atomic_count)
        sim_fail (sim, "outcome of an atomic post that was never made");
    atomic_t *atomic = &who->atomics[number - 1];
    if (atomic->known && atomic->code != code)
        sim_fail (sim, "an atomic post was answered %d, then %d", atomic->code, code);
    for (uint32_t i = 0; i < atomic->count && !atomic->known; i++) {
        record_t *record = sim->records[atomic->first + i];
        if (code == 0)
            take (sim, record);
        else
            record->state = REC_REFUSED;
    }
    if (code != 0 && code != ZF_E_FULL)
        sim_fail (sim, "an atomic post was refused with %d", code);
    atomic->known = true;
    atomic->code = code;
}

/* -- deliveries -------------------------------------------------------------------------------- */

static void check_props (sim_t *sim, const record_t *record, const zf_record_t *encoded)
{
    zf_props_view_t view;
    char key[16];
    snprintf (key, sizeof key, "key%u", record->key);
    if (zf_props_decode (encoded->props, encoded->body.size, &view) != 0)
        sim_fail (sim, "record %u has broken properties", record->serial);
    if (view.priority != record->priority || (view.id.size > 0) != (record->id_prop > 0) ||
        !zf_bytes_equal (view.key, record->key > 0 ? zf_bytes_of (key) : zf_bytes (NULL, 0)))
        sim_fail (sim, "record %u has other properties than it was given", record->serial);
}

static void check_time (sim_t *sim, const record_t *record)
{
    if (sim->now_ms < record->not_before)
        sim_fail (sim, "record %u delivered %" PRIu64 " ms too early", record->serial,
                  record->not_before - sim->now_ms);
    if (record->state == REC_LIVE && book_latest (record) <= sim->now_ms)
        sim_fail (sim, "record %u delivered after its time to live", record->serial);
}

/* No other record of its key is at a worker, and none that came before is left (records that came
 * with a delay have no place in that order). */
static void check_key (sim_t *sim, const record_t *record)
{
    const vec_t *live = &record->queue->live;
    for (size_t i = 0; i < live->count; i++) {
        record_t *other = sim->records[live->at[i]];
        if (other->key != record->key || other == record)
            continue;
        if (other->holder != NULL)
            sim_fail (sim, "records %u and %u of one key at workers", record->serial,
                      other->serial);
        if (other->placed && other->id < record->id && other->delay_ms + record->delay_ms == 0 &&
            other->id >> ZF_LANE_SHIFT == record->id >> ZF_LANE_SHIFT && book_has (other))
            sim_fail (sim, "record %u overtook %u of the same key", record->serial, other->serial);
    }
}

/* First deliveries of a level come in the order of the ids, and of the producer's numbers. */
static void check_order (sim_t *sim, const record_t *record)
{
    queue_t *queue = record->queue;
    uint64_t lane = record->id >> ZF_LANE_SHIFT;
    if (record->deliveries > 0 || record->delay_ms > 0 || record->again)
        return;
    if (queue->policy.ordered && record->key != 0)
        return;
    if (record->id <= queue->last_first[lane] && queue->last_first[lane] != 0)
        sim_fail (sim, "record %u was overtaken", record->serial);
    queue->last_first[lane] = record->id;
    uint32_t *last = &record->owner->last_number[queue - sim->queues][lane];
    if (record->number != 0 && !record->asked && record->number <= *last)
        sim_fail (sim, "record %u is not in its producer's order", record->serial);
    if (record->number != 0 && !record->asked)
        *last = record->number;
}

/* What is handed out in one turn goes down in priority, never up. */
static void check_priority (sim_t *sim, const record_t *record, queue_t *queue)
{
    uint32_t lane = (uint32_t) (record->id >> ZF_LANE_SHIFT);
    uint32_t top = queue->policy.priorities - 1;
    if (lane != (record->priority < top ? record->priority : top))
        sim_fail (sim, "record %u is at the wrong level", record->serial);
    if (queue->handed_at == sim->turn && lane > queue->handed_lane && !queue->policy.ordered)
        sim_fail (sim, "record %u had to wait for one of lower priority", record->serial);
    if (queue->handed_at != sim->turn || lane < queue->handed_lane)
        queue->handed_lane = lane;
    queue->handed_at = sim->turn;
}

typedef struct {
    holder_t *holder;
    queue_t *queue;
    uint32_t attempt;
    uint64_t lease_ms;
    bool asked;
} delivery_t;

static void check_attempt (sim_t *sim, const record_t *record, const delivery_t *d)
{
    uint32_t max = d->queue->policy.max_attempts;
    if (record->holder != NULL)
        sim_fail (sim, "record %u is leased twice at once", record->serial);
    if (record->doom != NULL && record->state == REC_LIVE)
        sim_fail (sim, "record %u delivered, but it is dead: %s", record->serial, record->doom);
    if (d->attempt != record->attempts + 1 || (max != 0 && d->attempt > max))
        sim_fail (sim, "record %u delivered as attempt %u after %u", record->serial, d->attempt,
                  record->attempts);
    if (d->asked != (record->asked && record->state == REC_LIVE && !record->again))
        sim_fail (sim, "record %u: wrong about an answer being wanted", record->serial);
}

static void deliver_one (sim_t *sim, const delivery_t *d, uint64_t id, const zf_record_t *encoded)
{
    record_t *record = book_find (sim, encoded->body);
    if (record == NULL)
        sim_fail (sim, "a record that nobody posted, from %s", d->queue->name);
    book_moved (sim, record, d->queue, id);
    if (record->state == REC_DEAD && !record->placed)
        book_check_death (sim, record, encoded);
    record->id = id;
    record->placed = true;
    check_attempt (sim, record, d);
    check_props (sim, record, encoded);
    check_time (sim, record);
    check_priority (sim, record, d->queue);
    if (record->state == REC_LIVE && d->queue->policy.ordered && record->key != 0)
        check_key (sim, record);
    if (record->state == REC_LIVE)
        check_order (sim, record);
    record->attempts = d->attempt;
    record->deliveries++;
    book_leased (sim, record, d->holder, d->queue, d->lease_ms);
}

static void on_deliver (sim_t *sim, holder_t *holder, zf_reader_t *r, zf_bytes_t body)
{
    if (holder == NULL)
        sim_fail (sim, "a delivery to a session that has ended");
    delivery_t d = {.holder = holder, .queue = book_queue (sim, zf_mp_bytes (r))};
    uint64_t first = zf_mp_uint (r);
    d.attempt = (uint32_t) zf_mp_uint (r);
    d.lease_ms = zf_mp_uint (r);
    d.asked = (zf_mp_uint (r) & ZF_DELIVER_WANTS_REPLY) != 0;
    zf_batch_t batch;
    uint32_t offsets[4096];
    if (zf_batch_decode (body, &batch) != 0 || batch.count > 4096 ||
        zf_batch_index (&batch, offsets) != 0)
        sim_fail (sim, "a delivery whose batch is broken");
    if (d.lease_ms != d.queue->policy.lease_ms)
        sim_fail (sim, "a lease of %" PRIu64 " ms", d.lease_ms);
    size_t q = (size_t) (d.queue - sim->queues);
    if ((int64_t) holder->held[q] + batch.count > holder->credit[q])
        sim_fail (sim, "%u records more than the worker has credit for", batch.count);
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t encoded;
        const uint8_t *at = (const uint8_t *) body.data + offsets[i];
        zf_record_decode (at, batch.records + batch.size, &encoded);
        deliver_one (sim, &d, first + i, &encoded);
    }
}

/* -- answers ----------------------------------------------------------------------------------- */

static void check_answer (sim_t *sim, const request_t *request, int code)
{
    const record_t *record = sim->records[request->serial];
    uint32_t max = request->queue->policy.max_attempts;
    bool right = true;
    if (code == 0)
        right = record->state == REC_DONE;
    else if (code == ZF_E_EXPIRED)
        right = book_over (sim, record);
    else if (code == ZF_E_DEAD)
        right = record->attempts >= max && max > 0;
    else if (code == ZF_E_REJECTED)
        right = record->doom != NULL || request->queue->purged;
    else if (code == ZF_E_FULL)
        right = request->queue->policy.overflow == ZF_OVERFLOW_DROP_OLDEST;
    else
        right = false;
    if (!right)
        sim_fail (sim, "the request of record %u is answered %d", record->serial, code);
}

static bool may_deny (const request_t *request, int code)
{
    bool fast = (request->flags & ZF_ASK_FAIL_FAST) != 0;
    bool waits = request->queue->policy.overflow == ZF_OVERFLOW_BACKPRESSURE;
    if (code == ZF_E_TOO_BIG)
        return request->queue->policy.max_bytes != 0;
    return code == ZF_E_BUSY         ? fast || waits
           : code == ZF_E_NO_SERVICE ? fast
                                     : code == ZF_E_FULL && !waits;
}

static void on_final (sim_t *sim, request_t *request, uint64_t number, int code)
{
    if (request->denied > 0) {
        request->denied--;
        if (!may_deny (request, code))
            sim_fail (sim, "request %" PRIu64 " was denied with %d", number, code);
        return;
    }
    if (!request->pending && !request->late)
        sim_fail (sim, "request %" PRIu64 " is answered again, with %d", number, code);
    check_answer (sim, request, code);
    request->pending = request->late = false;
}

static void on_reply (sim_t *sim, const identity_t *who, zf_reader_t *r, zf_bytes_t body)
{
    uint64_t number = zf_mp_uint (r);
    int code = -(int) zf_mp_uint (r);
    bool more = zf_mp_bool (r);
    if (number == 0 || number > who->request_count)
        sim_fail (sim, "an answer to a request that was never made");
    request_t *request = &who->requests[number - 1];
    zf_batch_t batch;
    if (code == 0 && (zf_batch_decode (body, &batch) != 0 || batch.count != 1))
        sim_fail (sim, "an answer whose batch is broken");
    if (more && !request->pending)
        sim_fail (sim, "a part of an answer that is complete");
    if (!more)
        on_final (sim, request, number, code);
}

/* -- all of them ------------------------------------------------------------------------------- */

void book_effect (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body)
{
    zf_reader_t r = zf_reader (control);
    const identity_t *who = book_who (sim, session->uuid);
    zf_mp_array (&r);
    unsigned command = (unsigned) zf_mp_uint (&r);
    if (who == NULL || r.failed)
        return; /* nobody that the book follows */
    if (command == ZF_CMD_ERROR)
        sim_fail (sim, "a well-behaved peer is told of an error");
    if (command == ZF_CMD_CONFIRM)
        on_confirm (sim, who, &r);
    else if (command == ZF_CMD_DONE)
        on_done (sim, who, &r);
    else if (command == ZF_CMD_REPLY)
        on_reply (sim, who, &r, body);
    else if (command == ZF_CMD_DELIVER)
        on_deliver (sim, book_holder (sim, session), &r, body);
}
