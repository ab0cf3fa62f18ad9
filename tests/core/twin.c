#include "tests/core/twin.h"

#include "core/info.h"
#include "tests/core/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <utlist.h>

/* Fails, saying what is not the same. */
#define DIFFER(...) (print_error ("twin: " __VA_ARGS__), print_error ("\n"), fail ())

/* A walk over the records of a lane that are in the log. */
typedef struct {
    zf_lane_t *lane;
    zf_chunk_t *chunk;
    uint32_t at;
    uint64_t id;
    zf_run_t *run; /* that has it; NULL: it is fresh */
} walk_t;

static bool is_kept (const zf_chunk_t *chunk, uint32_t at)
{
    return chunk->offsets == NULL || (chunk->offsets[at] & ZF_SETTLED) == 0;
}

static bool is_alive (walk_t *walk)
{
    zf_group_t *group = &walk->lane->group;
    const zf_queue_t *queue = walk->lane->group.owner;
    walk->id = walk->chunk->first + walk->at;
    if (queue->stream != NULL)
        return walk->id >= queue->stream->floor && is_kept (walk->chunk, walk->at);
    zf_run_t *run = zf_group_from (group, walk->id);
    bool has_it = run != NULL && zf_run_first (run) <= walk->id;
    walk->run = has_it ? run : NULL;
    if (has_it)
        return run->state != ZF_RUN_GONE;
    return group->chunk != NULL && walk->id >= group->chunk->first + group->at;
}

/* To the next one, beginning with where the walk stands; false: no more. */
static bool find (walk_t *walk)
{
    for (; walk->chunk != NULL; walk->chunk = walk->chunk->next, walk->at = 0)
        for (; walk->chunk->logged && walk->at < walk->chunk->count; walk->at++)
            if (is_alive (walk))
                return true;
    return false;
}

/* -- records ----------------------------------------------------------------------------------- */

static uint64_t due_of (const walk_t *walk)
{
    return walk->run != NULL && walk->run->state == ZF_RUN_DELAYED ? walk->run->timer.due_ms : 0;
}

static void same_wait (const zf_queue_t *queue, const walk_t *live, const walk_t *twin)
{
    uint64_t now = queue->engine->now_ms;
    uint64_t due = due_of (live);
    uint64_t other = due_of (twin);
    if (live->run != NULL && live->run->sentence != 0) /* it just waits for its bytes */
        return;
    if (due > now ? other != due : other > now)
        DIFFER ("%s: record %" PRIu64 " is due at %" PRIu64 ", not at %" PRIu64, queue->name,
                live->id, due, other);
}

static void same_attempts (const zf_queue_t *queue, const walk_t *live, const walk_t *twin)
{
    uint32_t attempts = live->run != NULL ? live->run->attempts : 0;
    uint32_t others = twin->run != NULL ? twin->run->attempts : 0;
    if (attempts != others)
        DIFFER ("%s: record %" PRIu64 " was tried %u times, not %u", queue->name, live->id,
                attempts, others);
}

static void same_bytes (const zf_queue_t *queue, const walk_t *live, const walk_t *twin)
{
    if (live->chunk->offsets == NULL || twin->chunk->offsets == NULL)
        return; /* one of them is on disk, and looked at when it is read */
    zf_bytes_t bytes = zf_chunk_span (live->chunk, live->at, 1);
    zf_bytes_t others = zf_chunk_span (twin->chunk, twin->at, 1);
    bool here = bytes.data != NULL && others.data != NULL;
    if (zf_chunk_size (live->chunk, live->at, 1) != zf_chunk_size (twin->chunk, twin->at, 1) ||
        (here && !zf_bytes_equal (bytes, others)))
        DIFFER ("%s: record %" PRIu64 " has other bytes", queue->name, live->id);
}

/* What the queue's own time to live counts from may be off by the age of a chunk. */
static void same_age (const zf_queue_t *queue, const walk_t *live, const walk_t *twin)
{
    uint64_t spread = queue->policy.ttl_ms / 16 + 1;
    uint64_t newest = live->chunk->newest_ms;
    uint64_t other = twin->chunk->newest_ms;
    if (queue->policy.ttl_ms > 0 && (newest > other + spread || other > newest + spread))
        DIFFER ("%s: record %" PRIu64 " came at %" PRIu64 ", not at %" PRIu64, queue->name,
                live->id, newest, other);
}

static void same_note (const zf_queue_t *queue, const walk_t *live, const walk_t *twin)
{
    const zf_note_t *note = zf_chunk_note (live->chunk, live->at);
    const zf_note_t *other = zf_chunk_note (twin->chunk, twin->at);
    if ((note != NULL) != (other != NULL))
        DIFFER ("%s: record %" PRIu64 ": only one has a note", queue->name, live->id);
    if (note == NULL || other == NULL)
        return;
    if (note->own_ttl != other->own_ttl || (note->key != NULL) != (other->key != NULL))
        DIFFER ("%s: record %" PRIu64 " has another note", queue->name, live->id);
    uint64_t due = note->expired ? queue->engine->now_ms : note->timer.due_ms;
    if (note->own_ttl && (note->expired ? other->timer.due_ms > due : other->timer.due_ms != due))
        DIFFER ("%s: record %" PRIu64 " lives until %" PRIu64 ", not until %" PRIu64, queue->name,
                live->id, due, other->timer.due_ms);
}

static void same_lane (const zf_queue_t *queue, zf_lane_t *lane, zf_lane_t *other)
{
    walk_t live = {.lane = lane, .chunk = lane->log.head};
    walk_t twin = {.lane = other, .chunk = other->log.head};
    if (other->log.next > lane->log.next)
        DIFFER ("%s: ids go on from %" PRIu64 ", not from %" PRIu64, queue->name, lane->log.next,
                other->log.next);
    for (; find (&live); live.at++, twin.at++) {
        if (!find (&twin) || twin.id != live.id)
            DIFFER ("%s: record %" PRIu64 " is missing", queue->name, live.id);
        same_bytes (queue, &live, &twin);
        same_attempts (queue, &live, &twin);
        same_wait (queue, &live, &twin);
        same_age (queue, &live, &twin);
        same_note (queue, &live, &twin);
    }
    if (find (&twin))
        DIFFER ("%s: record %" PRIu64 " is back", queue->name, twin.id);
}

/* -- streams and groups ------------------------------------------------------------------------ */

static void same_stream (const zf_queue_t *queue, const zf_queue_t *other)
{
    const zf_stream_t *stream = queue->stream;
    const zf_stream_t *twin = other->stream;
    if (twin == NULL)
        DIFFER ("%s is no stream any more", queue->name);
    else if (stream->floor != twin->floor || stream->hole_count != twin->hole_count ||
             memcmp (stream->holes, twin->holes, stream->hole_count * sizeof *twin->holes) != 0)
        DIFFER ("%s: floor %" PRIu64 ", not %" PRIu64 ", or another hole", queue->name, twin->floor,
                stream->floor);
}

/* What a group knows of a record. */
typedef struct {
    bool done;
    uint32_t attempts;
    uint64_t due_ms;
} state_t;

static state_t told_state (const zf_queue_t *queue, uint64_t id)
{
    state_t state = {.done = id < queue->lanes[0].log.next};
    if (!state.done)
        zf_follow_told (queue, id, &state.done, &state.attempts, &state.due_ms);
    return state;
}

static state_t live_state (const zf_queue_t *queue, zf_chunk_t *chunk, uint32_t at)
{
    walk_t walk = {.lane = &queue->lanes[0], .chunk = chunk, .at = at};
    if (!is_alive (&walk))
        return (state_t){.done = true};
    return (state_t){false, walk.run != NULL ? walk.run->attempts : 0, due_of (&walk)};
}

static bool same_state (const zf_queue_t *queue, const state_t *live, const state_t *twin)
{
    uint64_t now = queue->engine->now_ms;
    bool same_due = live->due_ms > now ? twin->due_ms == live->due_ms : twin->due_ms <= now;
    return live->done == twin->done &&
           (live->done || (live->attempts == twin->attempts && same_due));
}

/* A record that went from a compacted stream before the group came to it. */
static bool is_superseded (const zf_queue_t *queue, uint64_t id)
{
    const zf_queue_t *source = queue->follow->source;
    zf_place_t place;
    uint64_t found = id;
    return source != NULL && source->policy.compact &&
           (!zf_log_find (&source->lanes[0].log, &found, &place) || found != id);
}

/* That the record is done need not be written down: the filter leaves it out, or its sentence waits
 * for its bytes. */
static bool is_special (const zf_queue_t *queue, const zf_chunk_t *chunk, uint32_t at)
{
    const zf_filter_t *filter = queue->follow->filter;
    const zf_run_t *run = zf_group_from (&queue->lanes[0].group, chunk->first + at);
    if (run != NULL && zf_run_first (run) <= chunk->first + at && run->sentence != 0)
        return true;
    return filter != NULL &&
           !zf_filter_matches (filter, zf_props_topic (zf_chunk_record (chunk, at).props));
}

/* What the group has taken of the stream, the twin has been told of. */
static void same_group (const zf_queue_t *queue, const zf_queue_t *other)
{
    zf_chunk_t *chunk;
    if (other->follow == NULL) {
        DIFFER ("%s is no group any more", queue->name);
        return; /* never */
    }
    uint64_t next = queue->lanes[0].log.next;
    while (told_state (queue, next).done) /* it knows that from an earlier life */
        next++;
    if (other->lanes[0].log.next > next ||
        (other->lanes[0].log.next == next && other->follow->missed != queue->follow->missed))
        DIFFER ("%s: is at %" PRIu64 " and has missed %" PRIu64 ", not %" PRIu64 " and %" PRIu64,
                queue->name, other->lanes[0].log.next, other->follow->missed, next,
                queue->follow->missed);
    DL_FOREACH (queue->lanes[0].log.head, chunk) {
        for (uint32_t at = 0; chunk->live > 0 && at < chunk->count; at++) {
            state_t live = live_state (queue, chunk, at);
            state_t twin = told_state (other, chunk->first + at);
            if (!same_state (queue, &live, &twin) && !is_special (queue, chunk, at) &&
                !is_superseded (queue, chunk->first + at))
                DIFFER ("%s: record %" PRIu64 ": %s, %u attempts, due %" PRIu64
                        ", not %s, %u, %" PRIu64,
                        queue->name, chunk->first + at, live.done ? "done" : "open", live.attempts,
                        live.due_ms, twin.done ? "done" : "open", twin.attempts, twin.due_ms);
        }
    }
}

/* -- what is known of producers, and ids ------------------------------------------------------- */

static void same_refusals (const char *name, const zf_producer_t *producer,
                           const zf_producer_t *other)
{
    const zf_refusal_t *refusal;
    LL_FOREACH (producer->refusals, refusal) {
        uint64_t n;
        for (uint64_t i = 0; i < refusal->count; i++)
            if (zf_producer_outcome (other, refusal->first + i, &n) != refusal->code)
                DIFFER ("%s: %.16s: number %" PRIu64 " was refused", name, producer->uuid,
                        refusal->first + i);
    }
}

static void same_producers (const char *name, const zf_producers_t *live,
                            const zf_producers_t *twin)
{
    const zf_producer_t *producer;
    DL_FOREACH (live->order, producer) {
        zf_producer_t *other;
        if (producer->last == 0)
            continue; /* nothing was taken from it yet */
        HASH_FIND (hh, twin->table, producer->uuid, ZF_UUID_BYTES, other);
        if (other == NULL) {
            DIFFER ("%s: %.16s is forgotten", name, producer->uuid);
            continue; /* never */
        }
        if (other->last != producer->last || other->kept != producer->kept)
            DIFFER ("%s: %.16s: number %" PRIu64 " is the last one, not %" PRIu64, name,
                    producer->uuid, producer->last, other->last);
        same_refusals (name, producer, other);
    }
}

/* True of ids that are in one and not in the other, until then. */
static bool lacks (const zf_dedup_t *ids, const zf_dedup_t *others, uint64_t now_ms, bool same)
{
    const zf_dedup_entry_t *entry;
    DL_FOREACH (ids->order, entry) {
        zf_dedup_entry_t *other;
        HASH_FIND (hh, others->table, &entry->hash, sizeof entry->hash, other);
        if (entry->until_ms > now_ms &&
            (other == NULL || (same && other->until_ms != entry->until_ms)))
            return true;
    }
    return false;
}

static void same_ids (const zf_queue_t *queue, const zf_queue_t *twin)
{
    uint64_t now = queue->engine->now_ms;
    if (lacks (&queue->ids, &twin->ids, now, true))
        DIFFER ("%s: an id is forgotten, or at another time", queue->name);
    if (lacks (&twin->ids, &queue->ids, now, false))
        DIFFER ("%s: an id is remembered for too long", queue->name);
}

/* -- queues ------------------------------------------------------------------------------------ */

static void same_policy (const zf_queue_t *queue, const zf_queue_t *twin)
{
    zf_writer_t w = {0};
    zf_policy_encode (&w, &queue->policy);
    size_t half = w.size;
    zf_policy_encode (&w, &twin->policy);
    bool same = w.size == 2 * half && memcmp (w.data, w.data + half, half) == 0;
    zf_writer_free (&w);
    if (!same || queue->declared != twin->declared || queue->is_dead != twin->is_dead)
        DIFFER ("%s: another policy", queue->name);
}

static void same_queue (zf_queue_t *queue, zf_engine_t *twin)
{
    zf_queue_t *other = zf_engine_numbered (twin, queue->number);
    if (other == NULL || strcmp (other->name, queue->name) != 0)
        DIFFER ("%s: the queue is missing", queue->name);
    same_policy (queue, other);
    if (queue->stream != NULL)
        same_stream (queue, other);
    if (queue->follow != NULL)
        same_group (queue, other);
    for (uint32_t i = queue->follow != NULL; i < queue->policy.priorities; i++)
        same_lane (queue, &queue->lanes[i], &other->lanes[i]);
    same_producers (queue->name, &queue->producers, &other->producers);
    same_ids (queue, other);
}

void twin_check (rig_t *rig)
{
    zf_engine_t *live = rig->engine;
    zf_engine_t *twin = rig_replayed (rig);
    size_t durable = 0;
    for (zf_queue_t *queue = live->queues; queue != NULL; queue = queue->hh.next) {
        if (!queue->is_durable)
            continue;
        same_queue (queue, twin);
        durable++;
    }
    if (HASH_COUNT (twin->queues) != durable)
        DIFFER ("%u queues, not %zu", HASH_COUNT (twin->queues), durable);
    same_producers ("atomic posts", &live->atomics, &twin->atomics);
    zf_wal_stats_t stats;
    rig->log->wal->stats (rig->log->wal, &stats);
    zf_engine_recovered (twin, rig->log->wal->uuid, stats.next, true);
    audit_engine (twin);
    zf_engine_free (&twin);
}
