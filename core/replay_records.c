/* Operations on records back into queues: see replay.c. */
#include "core/replay.h"

#include <stdlib.h>
#include <zferry/error.h>

/* -- records ----------------------------------------------------------------------------------- */

/* The lane that takes records from id `first` on; NULL: they can't be there. */
static zf_lane_t *open_lane (zf_queue_t *queue, uint64_t first)
{
    zf_lane_t *lane = zf_replay_lane (queue, first);
    if (lane == NULL || first < lane->log.next || !zf_replay_is_id (first))
        return NULL;
    if (first > lane->log.next && queue->stream != NULL) /* a crash left these out */
        zf_stream_add_hole (queue->stream, lane->log.next, first);
    if (first > lane->log.next)
        zf_log_skip (&lane->log, first);
    return lane;
}

bool zf_replay_records (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_home (at, r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    zf_replay_time (at, zf_mp_uint (r));
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
            return rc == ZF_E_NOMEM && zf_replay_no_memory (at);
    }
    return next == end;
}

static void release_nothing (zf_frame_t *frame)
{
    (void) frame;
}

/* n records of a batch, from `at` on, as a batch. */
static zf_frame_t *part_of (const zf_batch_t *batch, const uint32_t *offsets, uint32_t at,
                            uint32_t n)
{
    uint32_t from = offsets[at];
    uint32_t to = at + n < batch->count ? offsets[at + n] : ZF_BATCH_HEADER + batch->size;
    zf_frame_t *frame = zf_frame_new (ZF_BATCH_HEADER + to - from);
    if (frame == NULL)
        return NULL;
    memcpy (frame->data + ZF_BATCH_HEADER, batch->records - ZF_BATCH_HEADER + from, to - from);
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

static int open_batch (zf_replay_t *at, const zf_queue_t *queue, zf_bytes_t bytes,
                       const zf_alive_t *alive, bool apart, intake_t *in)
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
    in->whole = n == in->batch.count && !apart;
    in->here = queue->is_dead || queue->policy.compact || !in->whole ||
               store->resident_bytes < store->memory;
    in->view = (zf_frame_t){(uint8_t *) (uintptr_t) bytes.data, bytes.size, 1, release_nothing};
    if (!in->whole)
        in->frame = part_of (&in->batch, in->offsets, 0, n);
    else
        in->frame = in->here ? zf_frame_of (bytes) : &in->view;
    if (in->frame == NULL)
        return ZF_E_NOMEM;
    return zf_batch_decode (zf_bytes (in->frame->data, in->frame->size), &in->batch);
}

/* The batch becomes a chunk: in memory as long as there is room, else as a place in the log. apart:
 * it is not a piece of the entry. */
static zf_chunk_t *take_batch (zf_replay_t *at, zf_queue_t *queue, zf_lane_t *lane,
                               zf_bytes_t bytes, zf_chunk_t *before, const zf_alive_t *alive,
                               bool apart)
{
    zf_engine_t *engine = at->engine;
    intake_t in = {.offsets = NULL};
    zf_chunk_t *chunk = NULL;
    int rc = open_batch (at, queue, bytes, alive, apart, &in);
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
    if (queue->stream != NULL)
        zf_stream_compact (queue, chunk, 0);
    chunk->lsn = chunk->newest_lsn = at->lsn;
    chunk->home = in.whole ? (uint32_t) ((const uint8_t *) bytes.data - at->start) : 0;
    zf_queue_count_in (queue, in.batch.count, in.batch.size, true);
    if (!in.here)
        zf_store_let_go (engine, chunk);
    return chunk;
}

bool zf_replay_batch (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_home (at, r);
    uint64_t first = zf_mp_uint (r);
    zf_replay_time (at, zf_mp_uint (r));
    zf_bytes_t bytes = zf_mp_bytes (r);
    zf_lane_t *lane = r->failed ? NULL : open_lane (queue, first);
    if (lane == NULL || lane != queue->lanes)
        return false;
    zf_chunk_t *chunk = take_batch (at, queue, lane, bytes, NULL, NULL, false);
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
static zf_run_t *claim (zf_replay_t *at, zf_queue_t *queue, zf_lane_t *lane, uint64_t *id,
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
            zf_replay_no_memory (at);
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
        zf_replay_no_memory (at);
    else
        *id += run->count;
    return run;
}

typedef bool apply_fn (zf_replay_t *at, zf_queue_t *queue, zf_run_t *run,
                       const uint64_t *arguments);

static bool each_run (zf_replay_t *at, zf_reader_t *r, zf_queue_t *queue, apply_fn *apply,
                      uint64_t first, uint64_t count, const uint64_t *arguments)
{
    if (r->failed || count > UINT32_MAX)
        return false;
    if (queue == NULL)
        return true;
    zf_lane_t *lane = zf_replay_lane (queue, first);
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

/* True of records that a group has from its stream. */
static bool is_view (const zf_queue_t *queue, uint64_t first)
{
    return queue != NULL && queue->follow != NULL && first >> ZF_LANE_SHIFT == 0;
}

/* They are done (arguments NULL), or were tried. */
static bool know (zf_replay_t *at, const zf_reader_t *r, zf_queue_t *queue, uint64_t first,
                  uint64_t count, const uint64_t *arguments)
{
    bool done = arguments == NULL;
    if (r->failed || !zf_replay_is_id (first) || !zf_replay_is_id (count))
        return false;
    uint32_t attempts = done || arguments[0] > UINT32_MAX ? 0 : (uint32_t) arguments[0];
    int rc = zf_follow_know (queue, first, count, done, attempts, done ? 0 : arguments[1]);
    return rc == 0 || zf_replay_no_memory (at);
}

bool zf_replay_cursor (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_queue (at, r);
    uint64_t floor = zf_mp_uint (r);
    if (r->failed || !zf_replay_is_id (floor) || floor >> ZF_LANE_SHIFT != 0)
        return false;
    if (queue != NULL && queue->stream != NULL)
        zf_stream_drop_below (queue, floor);
    if (queue != NULL && queue->follow != NULL)
        zf_follow_done_to (queue, floor);
    if (queue != NULL && queue->follow != NULL && zf_reader_left (r) > 0)
        queue->follow->missed = zf_mp_uint (r);
    return true;
}

/* At the end of the replay those that are due are made ready, in the order of their ids. */
static bool set_state (zf_replay_t *at, zf_queue_t *queue, zf_run_t *run, const uint64_t *arguments)
{
    run->attempts = (uint32_t) arguments[0];
    if (zf_run_wait (queue, run, arguments[1]))
        return true;
    return zf_replay_no_memory (at);
}

bool zf_replay_state (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_queue (at, r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    uint64_t arguments[2];
    arguments[0] = zf_mp_uint (r);
    arguments[1] = zf_mp_uint (r);
    if (is_view (queue, first))
        return know (at, r, queue, first, count, arguments);
    if (queue != NULL && queue->stream != NULL) /* its records have none */
        return !r->failed;
    return each_run (at, r, queue, set_state, first, count, arguments);
}

static bool finish (zf_replay_t *at, zf_queue_t *queue, zf_run_t *run, const uint64_t *arguments)
{
    (void) at;
    (void) arguments;
    zf_run_finish (queue, run);
    return true;
}

bool zf_replay_gone (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_queue (at, r);
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    if (is_view (queue, first))
        return know (at, r, queue, first, count, NULL);
    if (queue != NULL && queue->stream != NULL) {
        if (r->failed || count > UINT32_MAX)
            return false;
        zf_stream_settle (queue, first, count);
        return true;
    }
    return each_run (at, r, queue, finish, first, count, NULL);
}

bool zf_replay_expires (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_queue (at, r);
    uint64_t id = zf_mp_uint (r);
    uint64_t due_ms = zf_mp_uint (r);
    if (r->failed)
        return false;
    if (queue == NULL || queue->stream != NULL)
        return true;
    zf_lane_t *lane = zf_replay_lane (queue, id);
    zf_place_t place;
    uint64_t found = id;
    if (lane == NULL)
        return false;
    if (!zf_log_find (&lane->log, &found, &place) || found != id)
        return true;
    zf_note_t *note = zf_chunk_note (place.chunk, place.at);
    if (note == NULL || !note->own_ttl)
        return false;
    return zf_timers_set (&at->engine->timers, &note->timer, due_ms) == 0 ||
           zf_replay_no_memory (at);
}

/* -- carried records --------------------------------------------------------------------------- */

/* Records behind the cursor are settled unless a run has them, and those ahead of it are fresh: a
 * carried chunk goes in anywhere, so all its records get runs. */
static bool place_runs (zf_replay_t *at, zf_queue_t *queue, zf_lane_t *lane, zf_chunk_t *chunk)
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
                return zf_replay_no_memory (at);
        }
        from = to;
    }
    return true;
}

static bool note_records (zf_replay_t *at, zf_queue_t *queue, zf_chunk_t *chunk, zf_bytes_t bytes)
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
            return zf_replay_no_memory (at);
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
static bool rehome (zf_replay_t *at, zf_queue_t *queue, zf_lane_t *lane, zf_bytes_t bytes,
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
    int rc = open_batch (at, queue, bytes, alive, false, &in);
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

/* A carried chunk is made. */
static bool place_carried (zf_replay_t *at, zf_queue_t *queue, zf_lane_t *lane, zf_chunk_t *chunk,
                           zf_bytes_t bytes)
{
    if (chunk == NULL)
        return false;
    if (queue->stream != NULL) { /* nothing is special about its records */
        zf_group_grown (&lane->group, chunk, 0);
        return true;
    }
    return note_records (at, queue, chunk, bytes) && place_runs (at, queue, lane, chunk);
}

/* Up to n records from id `first` on, the batch's from `at` on, that are not here, become a chunk.
 * Returns how many; 0: no memory, or it makes no sense. */
static uint32_t put_missing (zf_replay_t *at, zf_queue_t *queue, zf_lane_t *lane,
                             const intake_t *in, const zf_alive_t *all, uint64_t first,
                             uint32_t record, uint32_t n)
{
    zf_chunk_t *before = NULL;
    n = zf_log_missing (&lane->log, first, n, &before);
    if (before != NULL && before->first < first + n)
        n = (uint32_t) (before->first - first);
    zf_frame_t *frame = part_of (&in->batch, in->offsets, record, n);
    zf_writer_t pair = {0};
    zf_mp_put_uint (&pair, 0);
    zf_mp_put_uint (&pair, n);
    zf_alive_t alive = *all;
    alive.first = first;
    alive.count = n;
    alive.pairs = zf_reader (zf_bytes (pair.data, pair.size));
    alive.pair_count = 1;
    bool done = false;
    if (frame != NULL && !pair.failed) {
        zf_bytes_t bytes = zf_bytes (frame->data, frame->size);
        zf_chunk_t *chunk = take_batch (at, queue, lane, bytes, before, &alive, true);
        done = place_carried (at, queue, lane, chunk, bytes);
    } else {
        zf_replay_no_memory (at);
    }
    zf_frame_drop (frame);
    zf_writer_free (&pair);
    return done ? n : 0;
}

/* How many of the n records from id `first` on are not to be looked at: they are here, or were. */
static uint32_t here (const zf_log_t *log, uint64_t first, uint32_t n)
{
    const zf_chunk_t *chunk = zf_log_before (log, first + 1);
    uint64_t end = chunk != NULL ? chunk->first + chunk->count : 0;
    if (end <= first)
        return 0;
    return end - first < n ? (uint32_t) (end - first) : n;
}

/* What lay in several chunks here may have become one where it was carried: some of it is here, and
 * some came before the log begins. */
static bool put_rest (zf_replay_t *at, zf_queue_t *queue, zf_lane_t *lane, zf_bytes_t bytes,
                      const zf_alive_t *all)
{
    zf_reader_t r = all->pairs;
    intake_t in = {.offsets = NULL};
    uint32_t record = 0;
    bool sound = true;
    for (uint32_t i = 0; sound && i < all->pair_count; i++) {
        uint32_t from = (uint32_t) zf_mp_uint (&r);
        uint32_t to = (uint32_t) zf_mp_uint (&r);
        while (sound && from < to) {
            uint32_t n = here (&lane->log, all->first + from, to - from);
            if (n == 0 && in.offsets == NULL) {
                at->code = open_batch (at, queue, bytes, all, false, &in);
                sound = at->code == 0;
                at->code = sound ? ZF_E_CORRUPT : at->code;
            }
            if (n == 0 && sound)
                n = put_missing (at, queue, lane, &in, all, all->first + from, record, to - from);
            sound &= n > 0;
            from += n;
            record += n;
        }
    }
    zf_frame_drop (in.frame);
    free (in.offsets);
    return sound;
}

bool zf_replay_carry (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_home (at, r);
    zf_alive_t alive = {.first = zf_mp_uint (r)};
    uint64_t count = zf_mp_uint (r);
    alive.oldest_ms = zf_mp_uint (r);
    alive.newest_ms = zf_mp_uint (r);
    if (r->failed || count == 0 || count > ZF_BATCH_RECORDS_MAX || !zf_replay_is_id (alive.first) ||
        !read_alive (r, (uint32_t) count, &alive, &alive.count))
        return false;
    zf_bytes_t bytes = zf_mp_bytes (r);
    zf_lane_t *lane = r->failed ? NULL : zf_replay_lane (queue, alive.first);
    if (lane == NULL)
        return false;
    /* Those that came earlier in the log are as they are here; it may begin in the midst of
     * them. */
    zf_chunk_t *before = NULL;
    uint32_t missing = zf_log_missing (&lane->log, alive.first, alive.count, &before);
    zf_alive_t all = alive;
    alive.count = end_of_live (&alive, missing < alive.count ? missing : alive.count);
    if (zf_alive_records (&alive) == 0)
        return rehome (at, queue, lane, bytes, &all, (uint32_t) count) &&
               put_rest (at, queue, lane, bytes, &all);
    zf_replay_time (at, alive.newest_ms);
    zf_chunk_t *chunk = take_batch (at, queue, lane, bytes, before, &alive, false);
    return place_carried (at, queue, lane, chunk, bytes) && put_rest (at, queue, lane, bytes, &all);
}
