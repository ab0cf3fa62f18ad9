/* Operations back into queues, when a log is opened. Time is that of the operation, so that what
 * was to happen at some time still does. */
#include "core/engine.h"
#include "core/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define TIME_MAX (UINT64_C (1) << 48) /* ms: the year 10889 */

typedef struct {
    zf_engine_t *engine;
    uint64_t lsn;
    const uint8_t *start; /* of the entry's bytes */
    int code;             /* why it can't go on: ZF_E_CORRUPT (the default), ZF_E_NOMEM */
} replay_t;

/* NULL: it is not known. Then what said so is lost (the journal was damaged, and repaired): what
 * happened to its records means nothing. */
static zf_queue_t *read_queue (replay_t *at, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    if (number == 0 || number > UINT32_MAX)
        r->failed = true;
    return r->failed ? NULL : zf_engine_numbered (at->engine, (uint32_t) number);
}

/* The same for records: those of a queue that is not known are kept under a name that says so. */
static zf_queue_t *read_home (replay_t *at, zf_reader_t *r)
{
    zf_reader_t peek = *r;
    uint64_t number = zf_mp_uint (&peek);
    zf_queue_t *queue = read_queue (at, r);
    if (queue != NULL || r->failed)
        return queue;
    char name[32];
    zf_policy_t policy = at->engine->options.policy;
    snprintf (name, sizeof name, "lost.%llu", (unsigned long long) number);
    policy.priorities = ZF_PRIORITIES_MAX;
    queue = zf_engine_adopt_queue (at->engine, zf_bytes_of (name), (uint32_t) number);
    if (queue == NULL || zf_queue_set_policy (queue, &policy) != 0) {
        at->code = ZF_E_NOMEM;
        r->failed = true;
        return NULL;
    }
    zf_notice (at->engine, ZF_EVENT_DISK,
               "the journal does not say which queue some records are of: they are in %s", name);
    return queue;
}

/* Half of a level's ids are never used up, so that none runs over into the next level. */
static bool is_id (uint64_t id)
{
    return (id >> (ZF_LANE_SHIFT - 1) & 1) == 0;
}

static zf_lane_t *lane_of (zf_queue_t *queue, uint64_t id)
{
    uint64_t lane = id >> ZF_LANE_SHIFT;
    return lane < queue->policy.priorities ? &queue->lanes[lane] : NULL;
}

/* Our time never goes back: if the machine's clock did, we go on from where it was. */
static void set_time (replay_t *at, uint64_t time_ms)
{
    zf_engine_t *engine = at->engine;
    if (time_ms > TIME_MAX)
        return; /* nobody's clock was there */
    engine->now_ms = time_ms;
    if (time_ms > engine->store.until_ms)
        engine->store.until_ms = time_ms;
}

static bool no_memory (replay_t *at)
{
    at->code = ZF_E_NOMEM;
    return false;
}

/* -- queues and producers ---------------------------------------------------------------------- */

/* It may have records already: see read_home. */
static void set_dead (zf_queue_t *queue, bool is_dead)
{
    zf_engine_t *engine = queue->engine;
    if (is_dead == queue->is_dead)
        return;
    engine->dead_bytes += is_dead ? queue->bytes : -queue->bytes;
    engine->store.bytes += is_dead ? -queue->logged_bytes : queue->logged_bytes;
    queue->is_dead = is_dead;
}

static bool on_queue (replay_t *at, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    zf_bytes_t name = zf_mp_bytes (r);
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    if (r->failed || number == 0 || number > UINT32_MAX || !zf_is_name (name) ||
        zf_policy_decode (r, &policy) != 0)
        return false;
    zf_queue_t *queue = zf_engine_adopt_queue (at->engine, name, (uint32_t) number);
    if (queue == NULL)
        return zf_engine_find (at->engine, name) == NULL && no_memory (at);
    if (queue->length > 0) { /* it was lost for a while: see read_home */
        policy.priorities = queue->policy.priorities;
        policy.ordered = queue->policy.ordered;
    }
    int rc = zf_queue_set_policy (queue, &policy);
    if (rc != 0)
        return rc == ZF_E_NOMEM && no_memory (at);
    queue->declared = zf_mp_bool (r);
    set_dead (queue, zf_mp_bool (r));
    uint32_t levels = zf_mp_array (r);
    if (levels > policy.priorities)
        return false;
    for (uint32_t i = 0; i < levels && !r->failed; i++) {
        uint64_t next = zf_mp_uint (r);
        if (next >> ZF_LANE_SHIFT != i || !is_id (next))
            return false;
        if (next > queue->lanes[i].log.next)
            zf_log_skip (&queue->lanes[i].log, next);
    }
    return true;
}

static bool on_forget (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_queue (at, r);
    if (queue != NULL)
        zf_engine_forget_queue (queue);
    return true;
}

static bool on_producer (replay_t *at, zf_reader_t *r)
{
    zf_producers_t *producers = &at->engine->atomics;
    zf_queue_t *queue = NULL;
    zf_reader_t peek = *r;
    if (zf_mp_uint (&peek) != 0) {
        queue = read_queue (at, r);
        if (queue == NULL)
            return true;
        producers = &queue->producers;
    } else {
        zf_mp_uint (r);
    }
    zf_bytes_t uuid = zf_mp_bytes (r);
    uint64_t last = zf_mp_uint (r);
    bool kept = zf_mp_bool (r);
    uint32_t n = zf_mp_array (r);
    if (r->failed || uuid.size != ZF_UUID_BYTES)
        return false;
    zf_producer_t *producer = zf_producers_get (producers, uuid.data, at->engine->now_ms);
    if (producer == NULL)
        return no_memory (at);
    zf_producer_heard (producer, UINT64_MAX);
    producer->last = last;
    producer->kept = kept;
    if (queue != NULL && kept)
        queue->was_fed = true;
    producer->lsn = at->lsn;
    producer->noted = last;
    uint64_t first[3];
    for (uint32_t i = 0; i < n; i++) {
        first[i % 3] = zf_mp_uint (r);
        if (r->failed || (i % 3 == 2 && first[2] > INT32_MAX))
            return false;
        if (i % 3 == 2 &&
            zf_producer_refuse (producer, first[0], first[1], -(int) first[2]) == ZF_E_NOMEM)
            return no_memory (at);
    }
    return true;
}

static bool on_id (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_queue (at, r);
    zf_bytes_t hash = zf_mp_bytes (r);
    uint64_t due_ms = zf_mp_uint (r);
    if (r->failed || hash.size != sizeof (XXH128_hash_t))
        return false;
    if (queue == NULL)
        return true;
    XXH128_hash_t value;
    memcpy (&value, hash.data, sizeof value);
    if (zf_dedup_put (&queue->ids, value, due_ms, at->lsn) == ZF_E_NOMEM)
        return no_memory (at);
    return true;
}

/* -- records ----------------------------------------------------------------------------------- */

/* The lane that takes records from id `first` on; NULL: they can't be there. */
static zf_lane_t *open_lane (zf_queue_t *queue, uint64_t first)
{
    zf_lane_t *lane = lane_of (queue, first);
    if (lane == NULL || first < lane->log.next || !is_id (first))
        return NULL;
    if (first > lane->log.next)
        zf_log_skip (&lane->log, first);
    return lane;
}

static bool on_records (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_home (at, r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    set_time (at, zf_mp_uint (r));
    zf_bytes_t bytes = zf_mp_bytes (r);
    zf_lane_t *lane = r->failed ? NULL : open_lane (queue, first);
    if (lane == NULL)
        return false;
    const uint8_t *next = bytes.data;
    const uint8_t *end = next + bytes.size;
    for (; count > 0; count--) {
        zf_record_t record;
        const uint8_t *from = next;
        next = next < end ? zf_record_decode (from, end, &record) : NULL;
        if (next == NULL)
            return false;
        int rc = zf_queue_restore (queue, (uint8_t) (first >> ZF_LANE_SHIFT),
                                   zf_bytes (from, (size_t) (next - from)));
        if (rc != 0)
            return rc == ZF_E_NOMEM && no_memory (at);
    }
    return next == end;
}

static void release_nothing (zf_frame_t *frame)
{
    (void) frame;
}

/* The first n records of a batch, as a batch. */
static zf_frame_t *front_of (const zf_batch_t *batch, const uint32_t *offsets, uint32_t n)
{
    zf_frame_t *frame = zf_frame_of (zf_bytes (batch->records - ZF_BATCH_HEADER, offsets[n]));
    if (frame != NULL)
        zf_batch_seal (frame->data, frame->size, n, batch->flags, batch->first);
    return frame;
}

/* How a batch becomes a chunk. */
typedef struct {
    zf_frame_t view;   /* of the entry's own bytes */
    zf_frame_t *frame; /* what the chunk is made of */
    zf_batch_t batch;
    uint32_t *offsets;
    bool here; /* it stays in memory */
    bool whole;
} intake_t;

static int open_batch (replay_t *at, const zf_queue_t *queue, zf_bytes_t bytes,
                       const zf_alive_t *alive, intake_t *in)
{
    const zf_store_t *store = &at->engine->store;
    int rc = zf_batch_decode (bytes, &in->batch);
    if (rc != 0)
        return ZF_E_CORRUPT;
    in->offsets = malloc (in->batch.count * sizeof *in->offsets);
    if (in->offsets == NULL)
        return ZF_E_NOMEM;
    if (zf_batch_index (&in->batch, in->offsets) != 0)
        return ZF_E_CORRUPT;
    uint32_t n = alive != NULL ? zf_alive_records (alive) : in->batch.count;
    if (n > in->batch.count)
        return ZF_E_CORRUPT;
    in->whole = n == in->batch.count;
    in->here = queue->is_dead || !in->whole || store->resident_bytes < store->memory;
    in->view = (zf_frame_t){(uint8_t *) (uintptr_t) bytes.data, bytes.size, 1, release_nothing};
    if (!in->whole)
        in->frame = front_of (&in->batch, in->offsets, n);
    else
        in->frame = in->here ? zf_frame_of (bytes) : &in->view;
    if (in->frame == NULL)
        return ZF_E_NOMEM;
    return zf_batch_decode (zf_bytes (in->frame->data, in->frame->size), &in->batch);
}

/* The batch becomes a chunk: in memory as long as there is room, else as a place in the log. */
static zf_chunk_t *take_batch (replay_t *at, zf_queue_t *queue, zf_lane_t *lane, zf_bytes_t bytes,
                               zf_chunk_t *before, const zf_alive_t *alive)
{
    zf_engine_t *engine = at->engine;
    intake_t in = {.offsets = NULL};
    zf_chunk_t *chunk = NULL;
    int rc = open_batch (at, queue, bytes, alive, &in);
    lane->log.logged = true;
    if (rc == 0 && alive != NULL)
        rc = zf_log_insert (&lane->log, in.frame, &in.batch, in.offsets, alive, before, &chunk);
    else if (rc == 0)
        rc = zf_log_adopt (&lane->log, in.frame, &in.batch, in.offsets, engine->now_ms, &chunk);
    if (rc == 0 && alive == NULL)
        in.offsets = NULL; /* the chunk has them */
    zf_frame_drop (in.frame);
    free (in.offsets);
    if (rc != 0) {
        at->code = rc;
        return NULL;
    }
    zf_store_batch (queue, chunk);
    chunk->lsn = chunk->newest_lsn = at->lsn;
    chunk->home = in.whole ? (uint32_t) ((const uint8_t *) bytes.data - at->start) : 0;
    zf_queue_count_in (queue, in.batch.count, in.batch.size, true);
    if (!in.here)
        zf_store_let_go (engine, chunk);
    return chunk;
}

static bool on_batch (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_home (at, r);
    uint64_t first = zf_mp_uint (r);
    set_time (at, zf_mp_uint (r));
    zf_bytes_t bytes = zf_mp_bytes (r);
    zf_lane_t *lane = r->failed ? NULL : open_lane (queue, first);
    if (lane == NULL || lane != queue->lanes)
        return false;
    zf_chunk_t *chunk = take_batch (at, queue, lane, bytes, NULL, NULL);
    if (chunk != NULL)
        zf_group_grown (&lane->group, chunk, 0);
    return chunk != NULL;
}

/* -- what became of records -------------------------------------------------------------------- */

/* How many of the chunk's n records from `at` on may be one run. */
static uint32_t as_one (const zf_chunk_t *chunk, uint32_t at, uint32_t n)
{
    uint32_t alike = chunk->notes != NULL ? zf_chunk_alike (chunk, at, n) : n;
    return alike > 0 ? alike : 1;
}

/* Up to n records from id on that are alive, as an unlinked run. *id goes behind what was looked
 * at. NULL: none there, or (failed) no memory. */
static zf_run_t *claim (replay_t *at, zf_queue_t *queue, zf_lane_t *lane, uint64_t *id,
                        uint64_t end)
{
    zf_group_t *group = &lane->group;
    zf_place_t place;
    if (!zf_log_find (&lane->log, id, &place) || *id >= end) {
        *id = end;
        return NULL;
    }
    uint64_t n = end - *id;
    if (n > place.chunk->count - place.at)
        n = place.chunk->count - place.at;
    zf_run_t *run = zf_group_from (group, *id);
    if (run != NULL && zf_run_first (run) <= *id) {
        uint64_t left = zf_run_end (run) - *id;
        n = n < left ? n : left;
        if (run->state == ZF_RUN_GONE) {
            *id += n;
            return NULL;
        }
        if (zf_run_carve (queue, run, place.at, (uint32_t) n) != 0) {
            no_memory (at);
            return NULL;
        }
        zf_run_unlink (queue, run);
        *id += n;
        return run;
    }
    if (run != NULL && zf_run_first (run) < *id + n)
        n = zf_run_first (run) - *id;
    uint32_t fresh = zf_group_fresh (group);
    uint64_t cursor = group->chunk != NULL ? group->chunk->first + group->at : UINT64_MAX;
    if (*id < cursor) { /* it was settled */
        *id += n;
        return NULL;
    }
    n = as_one (place.chunk, place.at, (uint32_t) n);
    if (*id == cursor)
        run = zf_group_pass (group, (uint32_t) (n < fresh ? n : fresh), ZF_RUN_GONE);
    else
        run = zf_group_mark (group, place.chunk, place.at, (uint32_t) n, ZF_RUN_GONE);
    if (run == NULL)
        no_memory (at);
    else
        *id += run->count;
    return run;
}

typedef bool apply_fn (replay_t *at, zf_queue_t *queue, zf_run_t *run, const uint64_t *arguments);

static bool each_run (replay_t *at, zf_reader_t *r, zf_queue_t *queue, apply_fn *apply,
                      uint64_t first, uint64_t count, const uint64_t *arguments)
{
    if (r->failed || count > UINT32_MAX)
        return false;
    if (queue == NULL)
        return true;
    zf_lane_t *lane = lane_of (queue, first);
    if (lane == NULL)
        return false;
    uint64_t id = first;
    while (id < first + count) {
        zf_run_t *run = claim (at, queue, lane, &id, first + count);
        if (at->code == ZF_E_NOMEM || (run != NULL && !apply (at, queue, run, arguments)))
            return false;
    }
    return true;
}

/* At the end of the replay those that are due are made ready, in the order of their ids. */
static bool set_state (replay_t *at, zf_queue_t *queue, zf_run_t *run, const uint64_t *arguments)
{
    run->attempts = (uint32_t) arguments[0];
    if (zf_run_wait (queue, run, arguments[1]))
        return true;
    return no_memory (at);
}

static bool on_state (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_queue (at, r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    uint64_t arguments[2];
    arguments[0] = zf_mp_uint (r);
    arguments[1] = zf_mp_uint (r);
    return each_run (at, r, queue, set_state, first, count, arguments);
}

static bool finish (replay_t *at, zf_queue_t *queue, zf_run_t *run, const uint64_t *arguments)
{
    (void) at;
    (void) arguments;
    zf_run_finish (queue, run);
    return true;
}

static bool on_gone (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_queue (at, r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    return each_run (at, r, queue, finish, first, count, NULL);
}

static bool on_expires (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_queue (at, r);
    uint64_t id = zf_mp_uint (r);
    uint64_t due_ms = zf_mp_uint (r);
    if (r->failed)
        return false;
    if (queue == NULL)
        return true;
    zf_lane_t *lane = lane_of (queue, id);
    zf_place_t place;
    uint64_t found = id;
    if (lane == NULL)
        return false;
    if (!zf_log_find (&lane->log, &found, &place) || found != id)
        return true;
    zf_note_t *note = zf_chunk_note (place.chunk, place.at);
    if (note == NULL || !note->own_ttl)
        return false;
    return zf_timers_set (&at->engine->timers, &note->timer, due_ms) == 0 || no_memory (at);
}

/* -- carried records --------------------------------------------------------------------------- */

/* Records behind the cursor are settled unless a run has them, and those ahead of it are fresh: a
 * carried chunk goes in anywhere, so all its records get runs. */
static bool place_runs (replay_t *at, zf_queue_t *queue, zf_lane_t *lane, zf_chunk_t *chunk)
{
    zf_group_t *group = &lane->group;
    uint64_t cursor = group->chunk != NULL ? group->chunk->first + group->at : UINT64_MAX;
    uint32_t from = 0;
    while (from < chunk->count) {
        bool settled = (chunk->offsets[from] & ZF_SETTLED) != 0;
        uint32_t to = from + 1;
        while (to < chunk->count && ((chunk->offsets[to] & ZF_SETTLED) != 0) == settled)
            to++;
        if (!settled)
            to = from + as_one (chunk, from, to - from);
        if (!settled || chunk->first + from >= cursor) {
            zf_run_t *run = zf_group_place (group, chunk, from, to - from, ZF_RUN_GONE);
            if (run == NULL || (!settled && !zf_run_wait (queue, run, 0)))
                return no_memory (at);
        }
        from = to;
    }
    return true;
}

static bool note_records (replay_t *at, zf_queue_t *queue, zf_chunk_t *chunk, zf_bytes_t bytes)
{
    const uint8_t *next = (const uint8_t *) bytes.data + ZF_BATCH_HEADER;
    const uint8_t *end = (const uint8_t *) bytes.data + bytes.size;
    uint8_t lane = (uint8_t) (chunk->first >> ZF_LANE_SHIFT);
    for (uint32_t i = 0; i < chunk->count; i++) {
        if ((chunk->offsets[i] & ZF_SETTLED) != 0)
            continue;
        zf_record_t record;
        zf_props_view_t props;
        zf_place_t place = {chunk, i};
        next = zf_record_decode (next, end, &record);
        if (next == NULL)
            return false;
        if (record.props.size == 0)
            continue;
        if (zf_props_decode (record.props, record.body.size, &props) != 0)
            return false;
        if (zf_note_take (queue, place, lane, &props, NULL, 0) != 0)
            return no_memory (at);
    }
    return true;
}

/* Reads which records are alive, up to `end` (an index): how many, and behind the last of them. */
static bool read_alive (zf_reader_t *r, uint32_t end, zf_alive_t *alive, uint32_t *last)
{
    uint32_t numbers = zf_mp_array (r);
    uint64_t before = 0;
    alive->pairs = *r;
    alive->pair_count = 0;
    *last = 0;
    for (uint32_t i = 0; i < numbers / 2; i++) {
        uint64_t from = zf_mp_uint (r);
        uint64_t to = zf_mp_uint (r);
        if (r->failed || from < before || to <= from || to > end)
            return false;
        before = to;
        alive->pair_count++;
        *last = (uint32_t) to;
    }
    return numbers > 0 && numbers % 2 == 0;
}

/* Behind the last record below `end` (an index) that is alive: what is dead at the end may be in
 * another chunk. */
static uint32_t end_of_live (const zf_alive_t *alive, uint32_t end)
{
    zf_reader_t r = alive->pairs;
    uint32_t last = 0;
    for (uint32_t i = 0; i < alive->pair_count; i++) {
        uint32_t from = (uint32_t) zf_mp_uint (&r);
        uint32_t to = (uint32_t) zf_mp_uint (&r);
        if (from < end)
            last = to < end ? to : end;
    }
    return last;
}

/* The records are here. If they are a chunk of their own here too, that lies where they were
 * carried to from now on, and need not be in memory: a broker that is started needs no more of it
 * than the one that wrote the log. */
static bool rehome (replay_t *at, zf_queue_t *queue, zf_lane_t *lane, zf_bytes_t bytes,
                    const zf_alive_t *alive, uint32_t count)
{
    zf_engine_t *engine = at->engine;
    zf_place_t place;
    uint64_t id = alive->first;
    intake_t in = {.offsets = NULL};
    zf_alive_t range = *alive;
    range.count = count; /* with what is dead at its end */
    if (!zf_log_find (&lane->log, &id, &place))
        return true;
    zf_chunk_t *chunk = place.chunk;
    if (chunk->first != alive->first || chunk->count != count || chunk->owner == NULL ||
        chunk->live != zf_alive_records (alive))
        return true;
    int rc = open_batch (at, queue, bytes, alive, &in);
    if (rc == 0 && in.whole && in.batch.count == chunk->live) {
        uint64_t pinned = lane->log.pinned;
        zf_store_uncount (engine, chunk);
        zf_log_relay (&lane->log, chunk, in.here ? in.frame : NULL, &in.batch, in.offsets, &range);
        engine->overhead -= pinned - lane->log.pinned;
        chunk->lsn = chunk->newest_lsn = at->lsn;
        chunk->home = (uint32_t) ((const uint8_t *) bytes.data - at->start);
        zf_store_count (engine, chunk);
    }
    zf_frame_drop (in.frame);
    free (in.offsets);
    at->code = rc != 0 ? rc : at->code;
    return rc == 0;
}

static bool on_carry (replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = read_home (at, r);
    zf_alive_t alive = {.first = zf_mp_uint (r)};
    uint64_t count = zf_mp_uint (r);
    alive.oldest_ms = zf_mp_uint (r);
    alive.newest_ms = zf_mp_uint (r);
    if (r->failed || count == 0 || count > ZF_BATCH_RECORDS_MAX || !is_id (alive.first) ||
        !read_alive (r, (uint32_t) count, &alive, &alive.count))
        return false;
    zf_bytes_t bytes = zf_mp_bytes (r);
    zf_lane_t *lane = r->failed ? NULL : lane_of (queue, alive.first);
    if (lane == NULL)
        return false;
    /* Those that came earlier in the log are as they are here; it may begin in the midst of
     * them. */
    zf_chunk_t *before = NULL;
    uint32_t missing = zf_log_missing (&lane->log, alive.first, alive.count, &before);
    zf_alive_t all = alive;
    alive.count = end_of_live (&alive, missing < alive.count ? missing : alive.count);
    if (zf_alive_records (&alive) == 0)
        return rehome (at, queue, lane, bytes, &all, (uint32_t) count);
    set_time (at, alive.newest_ms);
    zf_chunk_t *chunk = take_batch (at, queue, lane, bytes, before, &alive);
    return chunk != NULL && note_records (at, queue, chunk, bytes) &&
           place_runs (at, queue, lane, chunk);
}

/* -- an entry ---------------------------------------------------------------------------------- */

static bool on_start (replay_t *at, zf_reader_t *r)
{
    set_time (at, zf_mp_uint (r));
    uint64_t floor = zf_reader_left (r) > 0 ? zf_mp_uint (r) : 0;
    if (!is_id (floor) || floor >> ZF_LANE_SHIFT != 0)
        return false;
    if (floor > at->engine->ids_floor)
        at->engine->ids_floor = floor;
    zf_store_started (at->engine, at->lsn);
    return true;
}

typedef bool op_fn (replay_t *at, zf_reader_t *r);

static op_fn *const ops[] = {
    [ZF_OP_QUEUE] = on_queue,     [ZF_OP_FORGET] = on_forget,     [ZF_OP_RECORDS] = on_records,
    [ZF_OP_BATCH] = on_batch,     [ZF_OP_CARRY] = on_carry,       [ZF_OP_STATE] = on_state,
    [ZF_OP_GONE] = on_gone,       [ZF_OP_PRODUCER] = on_producer, [ZF_OP_ID] = on_id,
    [ZF_OP_EXPIRES] = on_expires, [ZF_OP_START] = on_start,
};

/* One operation, cut out so that what is behind its last argument that we know is passed over. */
static int replay_op (replay_t *at, zf_reader_t *r, zf_error_t *err)
{
    size_t offset = (size_t) (r->at - at->start);
    zf_reader_t op = *r;
    zf_mp_skip (r);
    op.end = r->at;
    uint32_t elements = zf_mp_array (&op);
    uint64_t number = zf_mp_uint (&op);
    bool is_op = !r->failed && !op.failed && elements > 0;
    if (is_op && number > ZF_OP_START)
        return zf_error_set (err, ZF_E_VERSION,
                             "entry %llu holds operation %llu: written by a later version",
                             (unsigned long long) at->lsn, (unsigned long long) number);
    if (is_op && ops[number] != NULL && ops[number](at, &op) && !op.failed)
        return 0;
    return zf_error_set (err, at->code, "entry %llu, operation %llu at byte %zu: %s",
                         (unsigned long long) at->lsn, (unsigned long long) number, offset,
                         at->code == ZF_E_NOMEM ? "out of memory" : "makes no sense");
}

int zf_engine_replay (zf_engine_t *engine, uint64_t lsn, zf_bytes_t entry, zf_error_t *err)
{
    zf_reader_t r = zf_reader (entry);
    engine->store.lsn = lsn;
    replay_t at = {engine, lsn, entry.data, ZF_E_CORRUPT};
    int rc = 0;
    while (rc == 0 && zf_reader_left (&r) > 0)
        rc = replay_op (&at, &r, err);
    return rc;
}

/* Who had it in its last attempt has not acknowledged it, and can't any more. */
static void come_back (zf_queue_t *queue, zf_run_t *run)
{
    uint32_t most = queue->policy.max_attempts;
    if (most != 0 && run->attempts >= most)
        zf_run_bury (queue, run, ZF_E_DEAD, zf_bytes_of ("attempts"));
    else
        zf_run_ready (queue, run, false);
}

/* A record that is to be tried again keeps those of its key waiting. */
static void keep_key (zf_run_t *run)
{
    zf_note_t *note = zf_chunk_note (run->chunk, run->at);
    if (note != NULL && note->key != NULL)
        zf_note_front (note, run);
}

/* Records that were at a worker, and those whose delay is over, are ready, in the order of ids. */
static void settle_down (zf_queue_t *queue, zf_group_t *group)
{
    uint64_t now = queue->engine->now_ms;
    zf_run_t *run = zf_group_from (group, 0);
    while (run != NULL) {
        uint64_t end = zf_run_end (run);
        if (run->state == ZF_RUN_DELAYED && run->timer.due_ms <= now) {
            zf_run_unlink (queue, run);
            come_back (queue, run); /* which may end others with it */
        } else if (run->state == ZF_RUN_DELAYED && run->attempts > 0) {
            keep_key (run);
        }
        run = zf_group_from (group, end);
    }
}

void zf_engine_recovered (zf_engine_t *engine, const uint8_t *uuid, uint64_t next, bool closed)
{
    zf_store_t *store = &engine->store;
    memcpy (store->uuid, uuid, sizeof store->uuid);
    engine->now_ms = store->until_ms;
    store->replaying = false;
    store->durable = store->lsn = next;
    zf_producer_t *producer; /* they could not say anything meanwhile */
    DL_FOREACH (engine->atomics.order, producer)
        producer->seen_ms = engine->now_ms;
    zf_engine_forget_atomics (engine);
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        for (uint32_t i = 0; i < queue->policy.priorities; i++)
            settle_down (queue, &queue->lanes[i].group);
        DL_FOREACH (queue->producers.order, producer)
            producer->seen_ms = engine->now_ms;
        if (!closed) /* records that were handed out may have been lost with the power */
            zf_queue_lift_ids (queue, zf_engine_new_ids (engine));
        zf_queue_expire (queue);
        zf_queue_chores (queue);
        zf_engine_touch (queue);
    }
}
