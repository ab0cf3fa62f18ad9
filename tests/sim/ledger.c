#include "tests/sim/ledger.h"

#include "core/props.h"
#include "tests/sim/peer.h"
#include <zferry/error.h>

enum { HOME, GRAVE, PLACES };

/* What is known of a record. */
typedef struct {
    bool told;           /* its producer was told the outcome */
    int code;            /* which one */
    bool settled;        /* a worker settled it for good */
    bool rejected;       /* one refused it */
    uint64_t settled_in; /* the entry with that */
    uint64_t said;       /* the message that it was last settled by */
    uint32_t deliveries;
    bool placed[PLACES]; /* it was seen in its queue, or among the dead letters, under: */
    uint64_t id[PLACES];
    uint32_t attempts[PLACES];
    uint32_t durable[PLACES]; /* of these, at the last crash */
} mark_t;

/* Something that only counts when it is durable. */
typedef struct {
    uint64_t lsn;
    uint32_t serial, attempts;
    bool grave;
} change_t;

/* An id that was seen in a queue. */
typedef struct {
    uint64_t id;
    uint32_t serial;
} seat_t;

struct ledger {
    uint64_t messages; /* to the engine, so far */
    mark_t *marks;     /* by serial */
    size_t mark_count, mark_room;
    change_t *changes; /* since the last crash, in their order */
    size_t change_count, change_room;
    seat_t *seats[QUEUES_MAX];
    size_t seat_count[QUEUES_MAX], seat_room[QUEUES_MAX];
};

void ledger_open (sim_t *sim)
{
    sim->ledger = vec_new (sizeof *sim->ledger);
}

void ledger_close (sim_t *sim)
{
    ledger_t *self = sim->ledger;
    if (self == NULL)
        return;
    for (size_t i = 0; i < QUEUES_MAX; i++)
        free (self->seats[i]);
    free (self->marks);
    free (self->changes);
    free (self);
}

static mark_t *mark_of (sim_t *sim, uint32_t serial)
{
    ledger_t *self = sim->ledger;
    while (self->mark_count <= serial) {
        self->marks = vec_room (self->marks, self->mark_count, &self->mark_room, sizeof (mark_t));
        self->marks[self->mark_count++] = (mark_t){.told = false};
    }
    return &self->marks[serial];
}

static void note_attempts (sim_t *sim, uint32_t serial, int place, uint32_t attempts)
{
    ledger_t *self = sim->ledger;
    self->changes =
        vec_room (self->changes, self->change_count, &self->change_room, sizeof (change_t));
    self->changes[self->change_count++] =
        (change_t){sim->engine->store.lsn, serial, attempts, place == GRAVE};
    mark_of (sim, serial)->attempts[place] = attempts;
}

/* -- outcomes ---------------------------------------------------------------------------------- */

static void tell (sim_t *sim, const record_t *record, int code)
{
    mark_t *mark = mark_of (sim, record->serial);
    if (mark->told && mark->code != code)
        sim_fail (sim, "record %u was answered %d, then %d", record->serial, mark->code, code);
    if (code != 0 && mark->deliveries > 0)
        sim_fail (sim, "record %u was delivered, and is refused", record->serial);
    mark->told = true;
    mark->code = code;
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
        tell (sim, sim->records[posts->at[number - 1]], code);
}

static void on_done (sim_t *sim, const identity_t *who, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    int code = -(int) zf_mp_uint (r);
    if (number == 0 || number > who->atomic_count)
        sim_fail (sim, "outcome of an atomic post that was never made");
    const atomic_t *atomic = &who->atomics[number - 1];
    for (uint32_t i = 0; i < atomic->count; i++)
        tell (sim, sim->records[atomic->first + i], code);
}

/* -- deliveries -------------------------------------------------------------------------------- */

/* An id belongs to one record for good. */
static void take_seat (sim_t *sim, const queue_t *queue, uint64_t id, uint32_t serial)
{
    ledger_t *self = sim->ledger;
    size_t q = (size_t) (queue - sim->queues);
    for (size_t i = 0; i < self->seat_count[q]; i++)
        if (self->seats[q][i].id == id)
            sim_fail (sim, "id %" PRIu64 " of %s was record %u, and is record %u", id, queue->name,
                      self->seats[q][i].serial, serial);
    self->seats[q] =
        vec_room (self->seats[q], self->seat_count[q], &self->seat_room[q], sizeof (seat_t));
    self->seats[q][self->seat_count[q]++] = (seat_t){id, serial};
}

static void place (sim_t *sim, const record_t *record, mark_t *mark, queue_t *queue, int where,
                   uint64_t id)
{
    if (where == HOME && mark->placed[GRAVE])
        sim_fail (sim, "record %u is back from the dead", record->serial);
    if (!mark->placed[where])
        take_seat (sim, queue, id, record->serial);
    else if (mark->id[where] != id)
        sim_fail (sim, "record %u is in %s twice", record->serial, queue->name);
    mark->placed[where] = true;
    mark->id[where] = id;
}

/* First deliveries of a level come in the order of the ids, and of the producer's numbers. */
static void check_order (sim_t *sim, const record_t *record, queue_t *queue, uint64_t id)
{
    uint64_t lane = id >> ZF_LANE_SHIFT;
    bool drops = queue->policy.overflow == ZF_OVERFLOW_DROP_OLDEST; /* which a crash undoes */
    if (record->delay_ms > 0 || (queue->policy.ordered && record->key != 0) ||
        (drops && sim->crashes > 0))
        return;
    if (id <= queue->last_first[lane] && queue->last_first[lane] != 0)
        sim_fail (sim, "record %u was overtaken", record->serial);
    queue->last_first[lane] = id;
    uint32_t *last = &record->owner->last_number[queue - sim->queues][lane];
    if (record->number != 0 && record->number <= *last)
        sim_fail (sim, "record %u is not in its producer's order", record->serial);
    if (record->number != 0)
        *last = record->number;
}

static void deliver_one (sim_t *sim, queue_t *queue, uint64_t id, uint32_t attempt, zf_bytes_t body)
{
    const record_t *record = book_find (sim, body);
    if (record == NULL)
        sim_fail (sim, "a record that nobody posted, from %s", queue->name);
    if (record->asked)
        return;
    int where = queue == record->queue ? HOME : GRAVE;
    mark_t *mark = mark_of (sim, record->serial);
    if (where == GRAVE && (record->queue->dead < 0 || queue != &sim->queues[record->queue->dead]))
        sim_fail (sim, "record %u is in %s", record->serial, queue->name);
    if (mark->settled)
        sim_fail (sim, "record %u is back, though it was settled", record->serial);
    if (mark->told && mark->code != 0)
        sim_fail (sim, "record %u is delivered, though it was refused", record->serial);
    place (sim, record, mark, queue, where, id);
    if (where == HOME && mark->deliveries == 0)
        check_order (sim, record, queue, id);
    if (attempt != mark->attempts[where] + 1 ||
        (queue->policy.max_attempts != 0 && attempt > queue->policy.max_attempts))
        sim_fail (sim, "record %u delivered as attempt %u after %u", record->serial, attempt,
                  mark->attempts[where]);
    mark->deliveries++;
    note_attempts (sim, record->serial, where, attempt);
}

static void on_deliver (sim_t *sim, zf_reader_t *r, zf_bytes_t body)
{
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    uint64_t first = zf_mp_uint (r);
    uint32_t attempt = (uint32_t) zf_mp_uint (r);
    zf_batch_t batch;
    if (zf_batch_decode (body, &batch) != 0)
        sim_fail (sim, "a delivery whose batch is broken");
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        deliver_one (sim, queue, first + i, attempt, record.body);
    }
}

void ledger_effect (sim_t *sim, const zf_session_t *session, zf_bytes_t control, zf_bytes_t body,
                    bool sent)
{
    zf_reader_t r = zf_reader (control);
    const identity_t *who = book_who (sim, session->uuid);
    zf_mp_array (&r);
    unsigned command = (unsigned) zf_mp_uint (&r);
    if (who == NULL || r.failed)
        return;
    if (command == ZF_CMD_ERROR)
        sim_fail (sim, "a well-behaved peer is told of an error");
    if (command == ZF_CMD_CONFIRM && sent)
        on_confirm (sim, who, &r);
    else if (command == ZF_CMD_DONE && sent)
        on_done (sim, who, &r);
    else if (command == ZF_CMD_DELIVER)
        on_deliver (sim, &r, body);
}

/* -- what workers say -------------------------------------------------------------------------- */

/* The record that the session holds as this one; NULL: none, or a request. */
static const record_t *held (sim_t *sim, zf_consumer_t *consumer, uint64_t id)
{
    const zf_run_t *run = zf_consumer_holds (consumer, id);
    if (run == NULL)
        return NULL;
    zf_record_t encoded = zf_chunk_record (run->chunk, (uint32_t) (id - run->chunk->first));
    const record_t *record = book_find (sim, encoded.body);
    return record != NULL && !record->asked ? record : NULL;
}

static void settle (sim_t *sim, const record_t *record, const queue_t *queue, unsigned command)
{
    mark_t *mark = mark_of (sim, record->serial);
    int where = queue == record->queue ? HOME : GRAVE;
    if (mark->said == sim->ledger->messages)
        return; /* a message may name a record twice */
    mark->said = sim->ledger->messages;
    bool is_end = command == ZF_CMD_ACK || command == ZF_CMD_ANSWER;
    is_end |= command == ZF_CMD_REJECT && where == GRAVE; /* dead letters have no dead letters */
    if (is_end) {
        mark->settled = true;
        mark->settled_in = sim->engine->store.lsn;
    } else if (command == ZF_CMD_RELEASE) {
        note_attempts (sim, record->serial, where, mark->attempts[where] - 1);
    } else if (command == ZF_CMD_REJECT) {
        mark->rejected = true;
    }
}

static void settle_range (sim_t *sim, zf_consumer_t *consumer, const queue_t *queue,
                          unsigned command, uint64_t first, uint64_t count)
{
    for (uint64_t id = first; id < first + count; id++) {
        const record_t *record = held (sim, consumer, id);
        if (record != NULL)
            settle (sim, record, queue, command);
    }
}

void ledger_input (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body)
{
    zf_reader_t r = zf_reader (control);
    uint32_t elements = zf_mp_array (&r);
    unsigned command = (unsigned) zf_mp_uint (&r);
    sim->ledger->messages++;
    if (r.failed || command < ZF_CMD_ACK || command > ZF_CMD_ANSWER || session->doomed)
        return;
    const queue_t *queue = book_queue (sim, zf_mp_bytes (&r));
    zf_consumer_t *consumer = queue != NULL ? zf_consumer_find (session, queue->engine) : NULL;
    zf_batch_t batch;
    if (consumer == NULL)
        return;
    if (command == ZF_CMD_ANSWER) {
        bool more = zf_mp_bool (&r);
        if (!more && zf_batch_decode (body, &batch) == 0)
            settle_range (sim, consumer, queue, command, batch.first, batch.count);
        return;
    }
    bool bare = command == ZF_CMD_ACK || command == ZF_CMD_RELEASE;
    if (!bare)
        zf_mp_skip (&r);
    for (uint32_t i = bare ? 2 : 3; i + 1 < elements; i += 2) {
        uint64_t first = zf_mp_uint (&r);
        uint64_t count = zf_mp_uint (&r);
        settle_range (sim, consumer, queue, command, first, count);
    }
}

/* -- crashes and the end ----------------------------------------------------------------------- */

void ledger_crash (sim_t *sim, uint64_t end)
{
    ledger_t *self = sim->ledger;
    for (size_t i = 0; i < self->change_count; i++) {
        const change_t *change = &self->changes[i];
        if (change->lsn < end)
            self->marks[change->serial].durable[change->grave ? GRAVE : HOME] = change->attempts;
    }
    for (size_t i = 0; i < self->change_count; i++) {
        mark_t *mark = &self->marks[self->changes[i].serial];
        memcpy (mark->attempts, mark->durable, sizeof mark->attempts);
    }
    self->change_count = 0;
    for (size_t i = 0; i < self->mark_count; i++)
        if (self->marks[i].settled && self->marks[i].settled_in >= end)
            self->marks[i].settled = false;
}

/* The policy has a reason for it to be gone. */
static bool may_vanish (const record_t *record, const mark_t *mark)
{
    const zf_policy_t *policy = &record->queue->policy;
    if (policy->overflow == ZF_OVERFLOW_DROP_OLDEST &&
        (policy->max_length != 0 || policy->max_bytes != 0))
        return true;
    if (record->id_prop != 0 && mark->deliveries == 0)
        return true; /* its id was there before */
    bool may_die = book_ttl (record) != 0 || policy->max_attempts != 0 || mark->rejected;
    return may_die && record->queue->dead < 0;
}

void ledger_settle (sim_t *sim)
{
    for (size_t i = 0; i < sim->record_count; i++) {
        const record_t *record = sim->records[i];
        const mark_t *mark = mark_of (sim, (uint32_t) i);
        bool wanted = (mark->told && mark->code == 0) || mark->deliveries > 0;
        if (wanted && !record->asked && !mark->settled && !may_vanish (record, mark))
            sim_fail (sim, "record %u of %s, delivered %u times, last as id %" PRIu64 ", is lost",
                      record->serial, record->queue->name, mark->deliveries,
                      mark->id[mark->placed[GRAVE] ? GRAVE : HOME]);
    }
}
