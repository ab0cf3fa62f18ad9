#include "tests/sim/chronicle.h"

#include "tests/sim/peer.h"
#include <utlist.h>
#include <zferry/error.h>

#define JUMP_MAX 100000 /* ids that can be given in one go */

void chronicle_open (sim_t *sim)
{
    sim->chronicle = vec_new (sizeof *sim->chronicle);
}

void chronicle_close (sim_t *sim)
{
    chronicle_t *self = sim->chronicle;
    if (self == NULL)
        return;
    watch_crash (sim);
    for (size_t q = 0; q < QUEUES_MAX; q++) {
        free (self->shadows[q].entries);
        free (self->marks[q]);
    }
    free (self->attempts);
    free (self);
}

static const zf_log_t *log_of (const shadow_t *shadow)
{
    return &shadow->queue->engine->lanes[0].log;
}

shadow_t *chronicle_shadow (sim_t *sim, const queue_t *stream)
{
    return &sim->chronicle->shadows[stream - sim->queues];
}

void chronicle_begin (sim_t *sim, queue_t *stream)
{
    shadow_t *shadow = chronicle_shadow (sim, stream);
    shadow->queue = stream;
    shadow->next = shadow->born = log_of (shadow)->next;
}

size_t chronicle_find (const shadow_t *shadow, uint64_t id)
{
    size_t low = 0;
    size_t high = shadow->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shadow->entries[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t chronicle_end (sim_t *sim, const queue_t *stream, unsigned filter)
{
    const shadow_t *shadow = chronicle_shadow (sim, stream);
    for (size_t i = shadow->count; i-- > shadow->low;) {
        const entry_t *entry = &shadow->entries[i];
        if (entry->state == ENTRY_LIVE &&
            topic_matches (filter, sim->records[entry->serial]->topic))
            return entry->id + 1;
    }
    return 0;
}

/* -- what was put ------------------------------------------------------------------------------ */

static void check_new (sim_t *sim, const shadow_t *shadow, record_t *record, uint64_t id)
{
    uint32_t *last = &record->owner->last_number[shadow->queue - sim->queues][0];
    if (record->queue != shadow->queue)
        sim_fail (sim, "record %u is in another stream", record->serial);
    if (record->placed)
        sim_fail (sim, "record %u is in the stream twice", record->serial);
    if (record->state == REC_REFUSED)
        sim_fail (sim, "record %u was refused, and put", record->serial);
    if (record->number != 0 && record->number <= *last)
        sim_fail (sim, "record %u is not in its producer's order", record->serial);
    if (record->number != 0)
        *last = record->number;
    record->placed = true;
    record->id = id;
}

/* A record was put. chunk NULL: it has gone already. */
static void enter (sim_t *sim, shadow_t *shadow, const zf_chunk_t *chunk, uint32_t at)
{
    shadow->entries =
        vec_room (shadow->entries, shadow->count, &shadow->room, sizeof *shadow->entries);
    entry_t *entry = &shadow->entries[shadow->count++];
    *entry = (entry_t){.id = shadow->next++, .serial = NO_SERIAL, .put_ms = sim->now_ms};
    entry->put_lsn = entry->gone_lsn = sim->engine->store.lsn;
    entry->gone_turn = sim->turn;
    sim->taken++;
    if (chunk == NULL || (chunk->offsets[at] & ZF_SETTLED) != 0) {
        entry->state = chunk == NULL && !shadow->queue->policy.compact ? ENTRY_DROPPED
                       : chunk == NULL                                 ? ENTRY_EITHER
                                                                       : ENTRY_COMPACTED;
        shadow->faceless++;
        return;
    }
    record_t *record = book_find (sim, zf_chunk_record (chunk, at).body);
    if (record == NULL)
        sim_fail (sim, "%s has a record that nobody posted", shadow->queue->name);
    check_new (sim, shadow, record, entry->id);
    entry->serial = record->serial;
    shadow->live++;
    shadow->bytes += record->wire;
}

static void enter_new (sim_t *sim, shadow_t *shadow)
{
    const zf_log_t *log = log_of (shadow);
    const zf_chunk_t *chunk = log->head != NULL ? log->head->prev : NULL;
    if (log->next - shadow->next > JUMP_MAX)
        sim_fail (sim, "the ids of %s jump to %" PRIu64, shadow->queue->name, log->next);
    while (chunk != NULL && chunk != log->head && chunk->first > shadow->next)
        chunk = chunk->prev;
    for (; chunk != NULL; chunk = chunk->next) {
        while (shadow->next < chunk->first)
            enter (sim, shadow, NULL, 0);
        while (shadow->next < chunk->first + chunk->count)
            enter (sim, shadow, chunk, (uint32_t) (shadow->next - chunk->first));
    }
    while (shadow->next < log->next)
        enter (sim, shadow, NULL, 0);
}

/* -- what went --------------------------------------------------------------------------------- */

/* What compaction goes by; 0: nothing. */
static uint32_t key_of (const sim_t *sim, const entry_t *entry)
{
    const record_t *record = sim->records[entry->serial];
    return record->key != 0 ? record->key : record->topic != 0 ? 1000 + record->topic : 0;
}

static bool has_later (const sim_t *sim, const shadow_t *shadow, size_t i)
{
    uint32_t key = key_of (sim, &shadow->entries[i]);
    for (size_t j = i + 1; key != 0 && j < shadow->count; j++)
        if (shadow->entries[j].serial == NO_SERIAL || key_of (sim, &shadow->entries[j]) == key)
            return true;
    return false;
}

static bool has_caps (const queue_t *queue)
{
    return queue->policy.max_length != 0 || queue->policy.max_bytes != 0 ||
           queue->policy.ttl_ms != 0 || queue->trims;
}

/* Retention may have taken it: all before it went, too, and there is more than is to be kept. */
static void check_drop (sim_t *sim, const shadow_t *shadow, const entry_t *entry)
{
    const zf_policy_t *policy = &shadow->queue->policy;
    bool over = (policy->max_length != 0 && shadow->live >= policy->max_length) ||
                (policy->max_bytes != 0 && shadow->bytes >= policy->max_bytes);
    bool old = policy->ttl_ms != 0 && entry->put_ms + policy->ttl_ms <= sim->now_ms;
    if (!over && !old && !shadow->trimmed && !sim->tight)
        sim_fail (sim, "%s let go of record %u, with %" PRIu64 " left", shadow->queue->name,
                  entry->serial, shadow->live);
}

static void leave (sim_t *sim, shadow_t *shadow, size_t i, bool at_the_end)
{
    entry_t *entry = &shadow->entries[i];
    bool compacted = shadow->queue->policy.compact && has_later (sim, shadow, i);
    if (!compacted && !at_the_end)
        sim_fail (sim, "%s lost record %u, before which others are kept", shadow->queue->name,
                  entry->serial);
    entry->state = compacted
                       ? (at_the_end && has_caps (shadow->queue) ? ENTRY_EITHER : ENTRY_COMPACTED)
                       : ENTRY_DROPPED;
    entry->gone_lsn = sim->engine->store.lsn;
    entry->gone_turn = sim->turn;
    shadow->live--;
    shadow->bytes -= sim->records[entry->serial]->wire;
}

/* True if the engine has the entry's record. */
static bool is_there (const zf_chunk_t **chunk, uint64_t id)
{
    while (*chunk != NULL && (*chunk)->first + (*chunk)->count <= id)
        *chunk = (*chunk)->next;
    if (*chunk == NULL || (*chunk)->first > id)
        return false;
    return (*chunk)->offsets == NULL || ((*chunk)->offsets[id - (*chunk)->first] & ZF_SETTLED) == 0;
}

static void strike_gone (sim_t *sim, shadow_t *shadow)
{
    const zf_chunk_t *chunk = log_of (shadow)->head;
    bool at_the_end = true; /* the old one: none before it is left */
    for (size_t i = shadow->low; i < shadow->count; i++) {
        entry_t *entry = &shadow->entries[i];
        if (entry->state != ENTRY_LIVE)
            continue;
        if (is_there (&chunk, entry->id))
            at_the_end = false;
        else
            leave (sim, shadow, i, at_the_end);
    }
    for (size_t i = shadow->low; i < shadow->count; i++)
        if (shadow->entries[i].state == ENTRY_DROPPED && shadow->entries[i].gone_turn == sim->turn)
            check_drop (sim, shadow, &shadow->entries[i]);
    while (shadow->low < shadow->count && shadow->entries[shadow->low].state != ENTRY_LIVE)
        shadow->low++;
}

void chronicle_learn (sim_t *sim)
{
    for (size_t q = 0; q < sim->queue_count; q++) {
        shadow_t *shadow = &sim->chronicle->shadows[q];
        if (shadow->queue == NULL)
            continue;
        if (log_of (shadow)->next != shadow->next)
            enter_new (sim, shadow);
        if (log_of (shadow)->length != shadow->live)
            strike_gone (sim, shadow);
        if (log_of (shadow)->length != shadow->live)
            sim_fail (sim, "%s has %" PRIu64 " records, not %" PRIu64, shadow->queue->name,
                      log_of (shadow)->length, shadow->live);
        shadow->trimmed = false;
    }
}

/* -- what should have gone --------------------------------------------------------------------- */

static void check_keys (sim_t *sim, const shadow_t *shadow)
{
    bool seen[1000 + TOPICS_MAX] = {false};
    for (size_t i = shadow->low; i < shadow->count; i++) {
        const entry_t *entry = &shadow->entries[i];
        uint32_t key = entry->state == ENTRY_LIVE ? key_of (sim, entry) : 0;
        if (key != 0 && seen[key])
            sim_fail (sim, "%s has two records of one key, record %u is one", shadow->queue->name,
                      entry->serial);
        seen[key] = true;
    }
}

/* Whatever goes, goes in chunks: what is kept without the oldest one is not too much. */
static void check_kept (sim_t *sim, const shadow_t *shadow)
{
    const zf_policy_t *policy = &shadow->queue->policy;
    const zf_chunk_t *oldest = log_of (shadow)->head;
    uint64_t spread = policy->ttl_ms / 16 + 1;
    size_t low = shadow->low;
    while (low < shadow->count && shadow->entries[low].state != ENTRY_LIVE)
        low++;
    if (low == shadow->count || oldest == NULL)
        return;
    uint64_t bytes = oldest->size - ZF_BATCH_HEADER - oldest->settled_bytes;
    if ((policy->max_length != 0 && shadow->live - oldest->live >= policy->max_length) ||
        (policy->max_bytes != 0 && shadow->bytes - bytes >= policy->max_bytes))
        sim_fail (sim, "%s keeps %" PRIu64 " records", shadow->queue->name, shadow->live);
    uint64_t put = shadow->entries[low].put_ms;
    if (policy->ttl_ms != 0 && put + policy->ttl_ms + spread < sim->now_ms)
        sim_fail (sim, "%s keeps a record for %" PRIu64 " ms", shadow->queue->name,
                  sim->now_ms - put);
}

void chronicle_turn (sim_t *sim)
{
    for (size_t q = 0; q < sim->queue_count; q++) {
        const shadow_t *shadow = &sim->chronicle->shadows[q];
        if (shadow->queue == NULL)
            continue;
        check_kept (sim, shadow);
        if (shadow->queue->policy.compact)
            check_keys (sim, shadow);
    }
}

/* -- crashes ----------------------------------------------------------------------------------- */

/* What was put and not written down never was: nobody may have been told of it. */
static void undo_put (sim_t *sim, shadow_t *shadow)
{
    const entry_t *entry = &shadow->entries[--shadow->count];
    if (entry->was_read)
        sim_fail (sim, "offset %" PRIu64 " was read, and is lost", entry->id);
    if (entry->state == ENTRY_LIVE) {
        shadow->live--;
        shadow->bytes -= sim->records[entry->serial]->wire;
    }
    if (entry->serial == NO_SERIAL) {
        shadow->faceless--;
        return;
    }
    record_t *record = sim->records[entry->serial];
    if (record->state == REC_DONE)
        sim_fail (sim, "record %u was confirmed, and is lost", record->serial);
    record->placed = false;
}

/* How far producers are, going by what is left. */
static void undo_numbers (sim_t *sim, const shadow_t *shadow)
{
    size_t q = (size_t) (shadow->queue - sim->queues);
    for (identity_t *who = sim->identities; who != NULL; who = who->next)
        who->last_number[q][0] = 0;
    for (size_t i = 0; i < shadow->count; i++) {
        if (shadow->entries[i].serial == NO_SERIAL)
            continue;
        const record_t *record = sim->records[shadow->entries[i].serial];
        if (record->number != 0)
            record->owner->last_number[q][0] = record->number;
    }
}

static void undo_gone (sim_t *sim, shadow_t *shadow, uint64_t end)
{
    for (size_t i = 0; i < shadow->count; i++) {
        entry_t *entry = &shadow->entries[i];
        if (entry->state == ENTRY_LIVE || entry->gone_lsn < end || entry->serial == NO_SERIAL)
            continue;
        entry->state = ENTRY_LIVE;
        entry->is_back = true;
        shadow->live++;
        shadow->bytes += sim->records[entry->serial]->wire;
    }
    shadow->low = 0;
}

/* What is there has the offsets that it had. */
static void check_names (sim_t *sim, const shadow_t *shadow)
{
    const zf_chunk_t *chunk;
    DL_FOREACH (log_of (shadow)->head, chunk) {
        for (uint32_t at = 0; at < chunk->count; at++) {
            size_t i = chronicle_find (shadow, chunk->first + at);
            if (chunk->offsets != NULL && (chunk->offsets[at] & ZF_SETTLED) != 0)
                continue;
            if (i == shadow->count || shadow->entries[i].id != chunk->first + at)
                sim_fail (sim, "offset %" PRIu64 " was never given", chunk->first + at);
            if (chunk->data != NULL && shadow->entries[i].serial != NO_SERIAL &&
                book_find (sim, zf_chunk_record (chunk, at).body) !=
                    sim->records[shadow->entries[i].serial])
                sim_fail (sim, "offset %" PRIu64 " is another record now", chunk->first + at);
        }
    }
}

void chronicle_crash (sim_t *sim, uint64_t end)
{
    watch_crash (sim);
    for (size_t q = 0; q < sim->queue_count; q++) {
        shadow_t *shadow = &sim->chronicle->shadows[q];
        if (shadow->queue == NULL)
            continue;
        while (shadow->count > 0 && shadow->entries[shadow->count - 1].put_lsn >= end)
            undo_put (sim, shadow);
        undo_numbers (sim, shadow);
        undo_gone (sim, shadow, end);
        if (log_of (shadow)->next < shadow->next)
            sim_fail (sim, "%s gives offsets again", shadow->queue->name);
        shadow->next = log_of (shadow)->next;
        strike_gone (sim, shadow); /* what is too old by now */
        check_names (sim, shadow);
    }
    group_crash (sim, end);
    chronicle_learn (sim);
}
