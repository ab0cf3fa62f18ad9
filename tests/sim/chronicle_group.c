/* Groups: every record of the stream, from where the group begins, until it is settled. */
#include "tests/sim/chronicle.h"

#include "tests/sim/peer.h"

enum { HOME, GRAVE, PLACES };

/* What a group has done with a record. */
struct mark {
    bool settled;        /* for good, */
    uint64_t settled_in; /* in the entry */
    bool rejected;       /* by a worker */
    bool grave;          /* seen among the dead letters */
    uint64_t said;       /* the message that it was last settled by */
    uint32_t deliveries;
    uint32_t attempts[PLACES];
    uint32_t durable[PLACES]; /* of these, at the last crash */
};

static shadow_t *source_of (sim_t *sim, const queue_t *group)
{
    return &sim->chronicle->shadows[group->stream];
}

/* Marks of a group, as many as its stream has entries. */
static mark_t *marks_of (sim_t *sim, const queue_t *group)
{
    chronicle_t *self = sim->chronicle;
    size_t g = (size_t) (group - sim->queues);
    size_t count = source_of (sim, group)->count;
    while (self->mark_room[g] <= count) {
        size_t before = self->mark_room[g];
        attempt_t *attempt = self->attempts;
        mark_t *old = self->marks[g];
        self->marks[g] = vec_room (old, before, &self->mark_room[g], sizeof (mark_t));
        memset (self->marks[g] + before, 0, (self->mark_room[g] - before) * sizeof (mark_t));
        for (; attempt < self->attempts + self->attempt_count; attempt++)
            attempt->marks = attempt->marks == old ? self->marks[g] : attempt->marks;
    }
    return self->marks[g];
}

void group_begin (sim_t *sim, queue_t *group)
{
    chronicle_t *self = sim->chronicle;
    size_t g = (size_t) (group - sim->queues);
    mark_t *marks = marks_of (sim, group);
    size_t kept = 0;
    memset (marks, 0, self->mark_room[g] * sizeof *marks);
    for (size_t i = 0; i < self->attempt_count; i++)
        if (self->attempts[i].marks != marks)
            self->attempts[kept++] = self->attempts[i];
    self->attempt_count = kept;
    group->last_first[0] = 0;
    group->start = group->engine->lanes[0].log.next;
    group->made_lsn = sim->engine->store.lsn;
}

static void note_attempts (sim_t *sim, mark_t *marks, size_t at, int place, uint32_t attempts)
{
    chronicle_t *self = sim->chronicle;
    self->attempts =
        vec_room (self->attempts, self->attempt_count, &self->attempt_room, sizeof (attempt_t));
    self->attempts[self->attempt_count++] =
        (attempt_t){sim->engine->store.lsn, marks, at, attempts, place == GRAVE};
    marks[at].attempts[place] = attempts;
}

static bool is_for (const sim_t *sim, const queue_t *group, const entry_t *entry)
{
    return entry->id >= group->start &&
           (entry->serial == NO_SERIAL
                ? group->filter == 0
                : topic_matches (group->filter, sim->records[entry->serial]->topic));
}

/* It may be a dead letter, or have been dropped as one. */
static bool may_be_dead (const queue_t *group, const mark_t *mark)
{
    uint32_t most = group->policy.max_attempts;
    return mark->rejected || mark->grave || (most != 0 && mark->attempts[HOME] >= most);
}

/* -- deliveries -------------------------------------------------------------------------------- */

typedef struct {
    queue_t *queue; /* the group, or its dead letters */
    queue_t *group;
    int place;
    uint32_t attempt;
} handout_t;

static bool is_leased (queue_t *group, uint64_t id)
{
    const zf_run_t *run = zf_group_from (&group->engine->lanes[0].group, id);
    return run != NULL && zf_run_first (run) <= id && run->state == ZF_RUN_LEASED;
}

/* One record of a key at a time, in their order. */
static void check_key (sim_t *sim, const handout_t *h, const mark_t *marks, size_t at)
{
    const shadow_t *shadow = source_of (sim, h->group);
    const record_t *record = sim->records[shadow->entries[at].serial];
    for (size_t i = 0; i < shadow->count; i++) {
        const entry_t *entry = &shadow->entries[i];
        if (i == at || entry->serial == NO_SERIAL ||
            sim->records[entry->serial]->key != record->key)
            continue;
        if (!is_for (sim, h->group, entry))
            continue;
        if (marks[i].deliveries > 0 && is_leased (h->group, entry->id))
            sim_fail (sim, "records %u and %u of one key at workers of %s", record->serial,
                      entry->serial, h->group->name);
        if (i < at && !marks[i].settled && entry->state == ENTRY_LIVE &&
            !may_be_dead (h->group, &marks[i]))
            sim_fail (sim, "record %u overtook %u of the same key in %s", record->serial,
                      entry->serial, h->group->name);
    }
}

static void check_first (sim_t *sim, const handout_t *h, const entry_t *entry)
{
    const record_t *record = sim->records[entry->serial];
    if ((h->group->policy.ordered && record->key != 0) || entry->is_back)
        return;
    if (entry->id < h->group->last_first[0])
        sim_fail (sim, "record %u was overtaken in %s", record->serial, h->group->name);
    h->group->last_first[0] = entry->id + 1;
}

static void check_home (sim_t *sim, const handout_t *h, const mark_t *marks, size_t at, uint64_t id)
{
    const entry_t *entry = &source_of (sim, h->group)->entries[at];
    if (entry->id != id)
        sim_fail (sim, "record %u is offset %" PRIu64 ", and %" PRIu64 " in %s", entry->serial,
                  entry->id, id, h->group->name);
    if (!is_for (sim, h->group, entry))
        sim_fail (sim, "record %u is not for %s", entry->serial, h->group->name);
    if (marks[at].grave)
        sim_fail (sim, "record %u is back from the dead", entry->serial);
    if (marks[at].deliveries == 0)
        check_first (sim, h, entry);
    if (h->group->policy.ordered && sim->records[entry->serial]->key != 0)
        check_key (sim, h, marks, at);
}

static void deliver_one (sim_t *sim, const handout_t *h, uint64_t id, zf_bytes_t body)
{
    const record_t *record = book_find (sim, body);
    shadow_t *shadow = source_of (sim, h->group);
    if (record == NULL || !record->placed || record->queue != shadow->queue)
        sim_fail (sim, "a record that %s can't have", h->queue->name);
    size_t at = chronicle_find (shadow, record->id);
    mark_t *marks = marks_of (sim, h->group);
    mark_t *mark = &marks[at];
    if (mark->settled)
        sim_fail (sim, "record %u is back in %s, though it was settled", record->serial,
                  h->group->name);
    if (h->place == HOME)
        check_home (sim, h, marks, at, id);
    else if (!may_be_dead (h->group, mark) && sim->crashes == 0)
        sim_fail (sim, "record %u is dead for no reason", record->serial);
    uint32_t most = h->queue->policy.max_attempts;
    if (h->attempt != mark->attempts[h->place] + 1 || (most != 0 && h->attempt > most))
        sim_fail (sim, "record %u delivered as attempt %u after %u", record->serial, h->attempt,
                  mark->attempts[h->place]);
    mark->grave |= h->place == GRAVE;
    mark->deliveries++;
    shadow->entries[at].was_read = true;
    note_attempts (sim, marks, at, h->place, h->attempt);
}

static queue_t *group_of (sim_t *sim, queue_t *queue)
{
    for (size_t i = 0; queue->is_dead && i < sim->queue_count; i++)
        if (sim->queues[i].dead == queue - sim->queues)
            return &sim->queues[i];
    return queue;
}

void group_deliver (sim_t *sim, zf_reader_t *r, zf_bytes_t body)
{
    handout_t h = {.queue = book_queue (sim, zf_mp_bytes (r))};
    uint64_t first = zf_mp_uint (r);
    zf_batch_t batch;
    h.attempt = (uint32_t) zf_mp_uint (r);
    h.group = group_of (sim, h.queue);
    h.place = h.queue == h.group ? HOME : GRAVE;
    if (zf_batch_decode (body, &batch) != 0)
        sim_fail (sim, "a delivery whose batch is broken");
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        deliver_one (sim, &h, first + i, record.body);
    }
}

/* -- what workers say -------------------------------------------------------------------------- */

static mark_t *held (sim_t *sim, zf_consumer_t *consumer, queue_t *group, uint64_t id, size_t *at)
{
    const zf_run_t *run = zf_consumer_holds (consumer, id);
    if (run == NULL)
        return NULL;
    zf_record_t encoded = zf_chunk_record (run->chunk, (uint32_t) (id - run->chunk->first));
    const record_t *record = book_find (sim, encoded.body);
    *at = chronicle_find (source_of (sim, group), record->id);
    return marks_of (sim, group);
}

static void settle (sim_t *sim, mark_t *marks, size_t at, int place, unsigned command)
{
    mark_t *mark = &marks[at];
    if (mark->said == sim->chronicle->messages)
        return; /* a message may name a record twice */
    mark->said = sim->chronicle->messages;
    bool is_end = command == ZF_CMD_ACK || command == ZF_CMD_ANSWER;
    is_end |= command == ZF_CMD_REJECT && place == GRAVE; /* dead letters have no dead letters */
    if (is_end) {
        mark->settled = true;
        mark->settled_in = sim->engine->store.lsn;
    } else if (command == ZF_CMD_RELEASE) {
        note_attempts (sim, marks, at, place, mark->attempts[place] - 1);
    } else if (command == ZF_CMD_REJECT) {
        mark->rejected = true;
    }
}

static void settle_range (sim_t *sim, zf_session_t *session, queue_t *queue, unsigned command,
                          uint64_t first, uint64_t count)
{
    zf_consumer_t *consumer = zf_consumer_find (session, queue->engine);
    queue_t *group = group_of (sim, queue);
    for (uint64_t id = first; consumer != NULL && id < first + count; id++) {
        size_t at;
        mark_t *marks = held (sim, consumer, group, id, &at);
        if (marks != NULL)
            settle (sim, marks, at, queue == group ? HOME : GRAVE, command);
    }
}

void group_input (sim_t *sim, zf_session_t *session, unsigned command, uint32_t elements,
                  zf_reader_t *r, zf_bytes_t body)
{
    queue_t *queue = book_queue (sim, zf_mp_bytes (r));
    zf_batch_t batch;
    if (queue == NULL || queue->engine == NULL || session->doomed)
        return;
    if (command == ZF_CMD_ANSWER) {
        bool more = zf_mp_bool (r);
        if (!more && zf_batch_decode (body, &batch) == 0)
            settle_range (sim, session, queue, command, batch.first, batch.count);
        return;
    }
    bool bare = command == ZF_CMD_ACK || command == ZF_CMD_RELEASE;
    if (!bare)
        zf_mp_skip (r);
    for (uint32_t i = bare ? 2 : 3; i + 1 < elements; i += 2) {
        uint64_t first = zf_mp_uint (r);
        uint64_t count = zf_mp_uint (r);
        settle_range (sim, session, queue, command, first, count);
    }
}

/* -- crashes and the end ----------------------------------------------------------------------- */

static void forget_undone (sim_t *sim, queue_t *group, uint64_t end)
{
    size_t g = (size_t) (group - sim->queues);
    mark_t *marks = marks_of (sim, group);
    size_t count = source_of (sim, group)->count;
    memset (marks + count, 0, (sim->chronicle->mark_room[g] - count) * sizeof *marks);
    for (size_t i = 0; i < count; i++)
        if (marks[i].settled && marks[i].settled_in >= end)
            marks[i].settled = false;
}

void group_crash (sim_t *sim, uint64_t end)
{
    chronicle_t *self = sim->chronicle;
    for (size_t i = 0; i < self->attempt_count; i++) {
        const attempt_t *attempt = &self->attempts[i];
        if (attempt->lsn < end)
            attempt->marks[attempt->at].durable[attempt->grave ? GRAVE : HOME] = attempt->attempts;
    }
    for (size_t i = 0; i < self->attempt_count; i++) {
        mark_t *mark = &self->attempts[i].marks[self->attempts[i].at];
        memcpy (mark->attempts, mark->durable, sizeof mark->attempts);
    }
    self->attempt_count = 0;
    for (size_t i = 0; i < sim->queue_count; i++)
        if (sim->queues[i].stream >= 0)
            forget_undone (sim, &sim->queues[i], end);
}

/* What is not settled was missed; unless it died, and dead letters are dropped, or there was no
 * memory for one. */
void group_settle (sim_t *sim, queue_t *group)
{
    const shadow_t *shadow = source_of (sim, group);
    const mark_t *marks = marks_of (sim, group);
    uint64_t missed = group->engine->follow->missed;
    uint64_t least = 0;
    uint64_t most = 0;
    uint64_t reached = group->engine->lanes[0].log.next; /* nobody has looked behind it yet */
    for (size_t i = chronicle_find (shadow, group->start); i < shadow->count; i++) {
        const entry_t *entry = &shadow->entries[i];
        bool dead = (group->dead < 0 || sim->tight) && may_be_dead (group, &marks[i]);
        bool wanted = is_for (sim, group, entry);
        if (marks[i].settled)
            continue;
        if (entry->state == ENTRY_LIVE && wanted && !dead)
            sim_fail (sim, "record %u was skipped by %s, after %u deliveries", entry->serial,
                      group->name, marks[i].deliveries);
        least += entry->id < reached && wanted && !dead && entry->state == ENTRY_DROPPED;
        most += entry->state != ENTRY_LIVE && (entry->id < reached || sim->crashes > 0);
    }
    if (missed < least || missed > most)
        sim_fail (sim, "%s has missed %" PRIu64 ", and says %" PRIu64 " (at most %" PRIu64 ")",
                  group->name, least, missed, most);
}
