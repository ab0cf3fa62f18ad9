#include "core/engine.h"
#include "core/info.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define OP_BYTES      64 /* an operation of a few numbers has at most so many */
#define CUTS          16
#define HELD          64
#define RECORD_BYTES  32                   /* log kept free for settling one record */
#define RESERVE_BYTES (UINT64_C (4) << 20) /* and for everything else */
#define CLEAN_SEGMENTS \
    2 /* kept free of posts to write again what keeps others from being used again */
#define TELL_MS    10000 /* between two notices that posts wait */
#define LIVE_SHARE 80    /* per cent of the disk that records may fill */

static zf_store_t *store_of (const zf_queue_t *queue)
{
    return &queue->engine->store;
}

/* True if what happens to it is to be written down. */
static bool writes (const zf_queue_t *queue)
{
    const zf_store_t *store = store_of (queue);
    return queue->is_durable && !store->replaying && !store->failed;
}

/* -- operations -------------------------------------------------------------------------------- */

bool zf_store_ready (zf_engine_t *engine, size_t size)
{
    zf_writer_t *w = &engine->store.ops;
    if (zf_writer_reserve (w, size + OP_BYTES) == NULL) {
        w->failed = false;
        return false;
    }
    w->size -= size + OP_BYTES;
    return true;
}

/* What was decided already can't be written down: the log does not tell the truth any more. */
static void fail_if_incomplete (zf_engine_t *engine)
{
    if (engine->store.ops.failed)
        zf_engine_log_failed (engine, ZF_E_NOMEM, "out of memory");
}

static void put_u32 (zf_writer_t *w, uint32_t value)
{
    uint8_t bytes[5] = {0xce};
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t) (value >> (24 - 8 * i));
    zf_write_bytes (w, bytes, sizeof bytes);
}

static void patch_u32 (zf_writer_t *w, size_t at, uint32_t value)
{
    for (int i = 0; i < 4 && !w->failed; i++)
        w->data[at + 1 + (size_t) i] = (uint8_t) (value >> (24 - 8 * i));
}

/* Begins a bin of so many bytes; returns where its size is. */
static size_t put_bin_head (zf_writer_t *w, uint32_t size)
{
    size_t at = w->size;
    put_u32 (w, size);
    if (!w->failed)
        w->data[at] = 0xc6;
    return at;
}

zf_writer_t *zf_store_begin (zf_engine_t *engine, unsigned op, size_t elements)
{
    zf_writer_t *w = &engine->store.ops;
    engine->store.open.op = 0;
    zf_mp_put_array (w, elements);
    zf_mp_put_uint (w, op);
    return w;
}

static void put_stream (zf_writer_t *w, const zf_stream_t *stream)
{
    zf_mp_put_array (w, 1 + 2 * stream->hole_count);
    zf_mp_put_uint (w, stream->floor);
    for (size_t i = 0; i < stream->hole_count; i++) {
        zf_mp_put_uint (w, stream->holes[i].from);
        zf_mp_put_uint (w, stream->holes[i].to);
    }
}

static void put_follow (zf_writer_t *w, const zf_queue_t *queue)
{
    const zf_filter_t *filter = queue->follow->filter;
    size_t patterns = filter != NULL ? zf_filter_count (filter) : 0;
    zf_mp_put_array (w, 2 + patterns);
    zf_mp_put_uint (w, zf_follow_floor (queue));
    zf_mp_put_uint (w, queue->follow->missed);
    for (size_t i = 0; i < patterns; i++)
        zf_mp_put_str (w, zf_filter_pattern (filter, i));
}

void zf_store_queue (zf_queue_t *queue)
{
    if (!writes (queue))
        return;
    bool more = queue->stream != NULL || queue->follow != NULL;
    zf_writer_t *w = zf_store_begin (queue->engine, ZF_OP_QUEUE, more ? 8 : 7);
    zf_mp_put_uint (w, queue->number);
    zf_mp_put_str (w, zf_bytes (queue->name, queue->name_size));
    zf_policy_encode (w, &queue->policy);
    zf_mp_put_bool (w, queue->declared);
    zf_mp_put_bool (w, queue->is_dead);
    zf_mp_put_array (w, queue->policy.priorities);
    for (uint32_t i = 0; i < queue->policy.priorities; i++)
        zf_mp_put_uint (w, i == 0 && queue->follow != NULL ? zf_follow_floor (queue)
                                                           : queue->lanes[i].log.next);
    if (queue->stream != NULL)
        put_stream (w, queue->stream);
    else if (queue->follow != NULL)
        put_follow (w, queue);
    fail_if_incomplete (queue->engine);
}

void zf_store_forget (zf_queue_t *queue)
{
    if (!writes (queue))
        return;
    zf_mp_put_uint (zf_store_begin (queue->engine, ZF_OP_FORGET, 2), queue->number);
    fail_if_incomplete (queue->engine);
}

/* The records up to this id can be handed out when this turn's entry is durable. */
static int mark_lane (zf_queue_t *queue, zf_lane_t *lane, uint64_t first, uint64_t end)
{
    zf_store_t *store = store_of (queue);
    if (lane->mark_count > 0) {
        zf_mark_t *last = &lane->marks[lane->mark_first + lane->mark_count - 1];
        if (last->lsn == store->lsn) {
            last->end = end;
            return 0;
        }
    }
    if (lane->mark_first > 0 && lane->mark_first + lane->mark_count == lane->mark_room) {
        memmove (lane->marks, lane->marks + lane->mark_first,
                 lane->mark_count * sizeof *lane->marks);
        lane->mark_first = 0;
    }
    if (lane->mark_count == lane->mark_room) {
        size_t room = lane->mark_room != 0 ? 2 * lane->mark_room : 8;
        zf_mark_t *marks = realloc (lane->marks, room * sizeof *marks);
        if (marks == NULL)
            return ZF_E_NOMEM;
        lane->marks = marks;
        lane->mark_room = room;
    }
    if (lane->mark_count == 0)
        lane->durable_end = first;
    lane->marks[lane->mark_first + lane->mark_count++] = (zf_mark_t){store->lsn, end};
    if (!queue->is_waiting)
        DL_APPEND2 (store->waiting, queue, waiting_prev, waiting_next);
    queue->is_waiting = true;
    return 0;
}

void zf_store_unmark (zf_lane_t *lane)
{
    if (lane->mark_count == 0)
        return;
    zf_mark_t *last = &lane->marks[lane->mark_first + lane->mark_count - 1];
    if (last->end > lane->log.next)
        last->end = lane->log.next;
}

static void log_chunk (zf_queue_t *queue, zf_chunk_t *chunk)
{
    zf_store_t *store = store_of (queue);
    if (chunk->owner == NULL) {
        chunk->owner = queue;
        chunk->lsn = store->lsn;
        zf_store_link (queue->engine, chunk);
    }
    chunk->newest_lsn = store->lsn;
}

static zf_lane_t *lane_of (zf_queue_t *queue, uint64_t id)
{
    return &queue->lanes[id >> ZF_LANE_SHIFT];
}

int zf_store_record (zf_queue_t *queue, zf_chunk_t *chunk, zf_bytes_t encoded)
{
    zf_store_t *store = store_of (queue);
    uint64_t id = chunk->first + chunk->count - 1;
    zf_writer_t *w = &store->ops;
    if (!store->replaying) {
        if (!zf_store_ready (queue->engine, encoded.size) ||
            mark_lane (queue, lane_of (queue, id), id, id + 1) != 0)
            return ZF_E_NOMEM;
        bool joins = store->open.op == ZF_OP_RECORDS && store->open.queue == queue->number &&
                     store->open.end == id;
        if (!joins) {
            zf_store_begin (queue->engine, ZF_OP_RECORDS, 6);
            zf_mp_put_uint (w, queue->number);
            zf_mp_put_uint (w, id);
            store->open.count_at = w->size;
            put_u32 (w, 0);
            zf_mp_put_uint (w, queue->engine->now_ms);
            store->open.size_at = put_bin_head (w, 0);
            store->open.op = ZF_OP_RECORDS;
            store->open.queue = queue->number;
            store->open.count = 0;
        }
        zf_write_bytes (w, encoded.data, encoded.size);
        store->open.end = id + 1;
        patch_u32 (w, store->open.count_at, ++store->open.count);
        patch_u32 (w, store->open.size_at, (uint32_t) (w->size - store->open.size_at - 5));
    }
    log_chunk (queue, chunk);
    store->resident_bytes += encoded.size;
    return 0;
}

/* A frame whose bytes go in here, uncopied. */
static int put_cut (zf_store_t *store, zf_frame_t *frame)
{
    if (store->cut_count == store->cut_room) {
        size_t room = store->cut_room != 0 ? 2 * store->cut_room : CUTS;
        zf_cut_t *cuts = realloc (store->cuts, room * sizeof *cuts);
        if (cuts == NULL)
            return ZF_E_NOMEM;
        store->cuts = cuts;
        store->cut_room = room;
    }
    store->cuts[store->cut_count++] = (zf_cut_t){store->ops.size, zf_frame_hold (frame)};
    store->cut_bytes += frame->size;
    return 0;
}

/* The batch of the chunk ends the operation that is being written. */
int zf_store_put_batch (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    put_bin_head (&store->ops, (uint32_t) chunk->frame->size);
    chunk->home = (uint32_t) (store->ops.size + store->cut_bytes);
    return put_cut (store, chunk->frame);
}

int zf_store_batch (zf_queue_t *queue, zf_chunk_t *chunk)
{
    zf_engine_t *engine = queue->engine;
    zf_store_t *store = &engine->store;
    if (!store->replaying) {
        zf_store_mark_t mark = zf_store_mark (engine);
        if (!zf_store_ready (engine, 0))
            return ZF_E_NOMEM;
        zf_writer_t *w = zf_store_begin (engine, ZF_OP_BATCH, 5);
        zf_mp_put_uint (w, queue->number);
        zf_mp_put_uint (w, chunk->first);
        zf_mp_put_uint (w, engine->now_ms);
        if (zf_store_put_batch (engine, chunk) != 0 ||
            mark_lane (queue, &queue->lanes[0], chunk->first, chunk->first + chunk->count) != 0) {
            zf_store_take_back (engine, mark);
            chunk->home = 0;
            return ZF_E_NOMEM;
        }
    }
    store->resident_bytes += chunk->size - ZF_BATCH_HEADER;
    log_chunk (queue, chunk);
    return 0;
}

/* An operation on a range of records that can grow while nothing comes between. */
void zf_store_range (zf_queue_t *queue, unsigned op, uint64_t first, uint32_t count,
                     uint32_t attempts, uint64_t due_ms)
{
    zf_store_t *store = store_of (queue);
    zf_writer_t *w = &store->ops;
    if (!writes (queue))
        return;
    if (store->open.op == op && store->open.queue == queue->number && store->open.end == first &&
        store->open.attempts == attempts && store->open.due_ms == due_ms &&
        count <= UINT32_MAX - store->open.count) {
        store->open.count += count;
        store->open.end += count;
        patch_u32 (w, store->open.count_at, store->open.count);
        return;
    }
    zf_store_begin (queue->engine, op, op == ZF_OP_STATE ? 6 : 4);
    zf_mp_put_uint (w, queue->number);
    zf_mp_put_uint (w, first);
    store->open.count_at = w->size;
    put_u32 (w, count);
    if (op == ZF_OP_STATE) {
        zf_mp_put_uint (w, attempts);
        zf_mp_put_uint (w, due_ms);
    }
    store->open.op = op;
    store->open.queue = queue->number;
    store->open.attempts = attempts;
    store->open.due_ms = due_ms;
    store->open.end = first + count;
    store->open.count = count;
    fail_if_incomplete (queue->engine);
}

void zf_store_state (zf_queue_t *queue, const zf_run_t *run, uint64_t due_ms)
{
    if (run->chunk->logged || run->chunk->view)
        zf_store_range (queue, ZF_OP_STATE, zf_run_first (run), run->count, run->attempts, due_ms);
}

void zf_store_gone (zf_queue_t *queue, const zf_chunk_t *chunk, uint32_t at, uint32_t n)
{
    if (chunk->logged || chunk->view)
        zf_store_range (queue, ZF_OP_GONE, chunk->first + at, n, 0, 0);
}

void zf_store_cursor (zf_queue_t *queue, uint64_t floor, uint64_t missed)
{
    if (!writes (queue))
        return;
    zf_writer_t *w = zf_store_begin (queue->engine, ZF_OP_CURSOR, 4);
    zf_mp_put_uint (w, queue->number);
    zf_mp_put_uint (w, floor);
    zf_mp_put_uint (w, missed);
    fail_if_incomplete (queue->engine);
}

void zf_store_passed (zf_queue_t *queue, uint64_t first, uint64_t end)
{
    if (!writes (queue) || end <= first)
        return;
    if (end - first <= UINT32_MAX) {
        zf_store_range (queue, ZF_OP_GONE, first, (uint32_t) (end - first), 0, 0);
        return;
    }
    zf_writer_t *w = zf_store_begin (queue->engine, ZF_OP_GONE, 4); /* a hole is among them */
    zf_mp_put_uint (w, queue->number);
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, end - first);
    fail_if_incomplete (queue->engine);
}

void zf_store_producer (zf_engine_t *engine, const zf_queue_t *queue, zf_producer_t *producer)
{
    zf_store_t *store = &engine->store;
    if (!store->on || store->replaying || store->failed || (queue != NULL && !queue->is_durable))
        return;
    zf_writer_t *w = zf_store_begin (engine, ZF_OP_PRODUCER, 6);
    zf_mp_put_uint (w, queue != NULL ? queue->number : 0);
    zf_mp_put_bin (w, zf_bytes (producer->uuid, ZF_UUID_BYTES));
    zf_mp_put_uint (w, producer->last);
    zf_mp_put_bool (w, producer->kept);
    zf_mp_put_array (w, 3 * (size_t) producer->refusal_count);
    for (const zf_refusal_t *refusal = producer->refusals; refusal != NULL;
         refusal = refusal->next) {
        zf_mp_put_uint (w, refusal->first);
        zf_mp_put_uint (w, refusal->count);
        zf_mp_put_uint (w, (uint64_t) -refusal->code);
    }
    producer->lsn = store->lsn;
    producer->noted = producer->last;
    fail_if_incomplete (engine);
}

void zf_store_id (zf_queue_t *queue, zf_dedup_entry_t *entry)
{
    zf_writer_t *w = zf_store_begin (queue->engine, ZF_OP_ID, 4);
    zf_mp_put_uint (w, queue->number);
    zf_mp_put_bin (w, zf_bytes (&entry->hash, sizeof entry->hash));
    zf_mp_put_uint (w, entry->until_ms);
    entry->lsn = store_of (queue)->lsn;
    fail_if_incomplete (queue->engine);
}

void zf_store_expires (zf_queue_t *queue, uint64_t id, uint64_t due_ms)
{
    zf_writer_t *w = zf_store_begin (queue->engine, ZF_OP_EXPIRES, 4);
    zf_mp_put_uint (w, queue->number);
    zf_mp_put_uint (w, id);
    zf_mp_put_uint (w, due_ms);
    fail_if_incomplete (queue->engine);
}

zf_store_mark_t zf_store_mark (zf_engine_t *engine)
{
    engine->store.open.op = 0; /* nothing that may be taken back joins what is before */
    return (zf_store_mark_t){engine->store.ops.size, engine->store.cut_count};
}

void zf_store_take_back (zf_engine_t *engine, zf_store_mark_t mark)
{
    zf_store_t *store = &engine->store;
    store->ops.size = mark.ops;
    store->ops.failed = false;
    store->open.op = 0;
    while (store->cut_count > mark.cuts) {
        zf_frame_t *frame = store->cuts[--store->cut_count].frame;
        store->cut_bytes -= frame->size;
        zf_frame_drop (frame);
    }
}

/* -- the entry of a turn ----------------------------------------------------------------------- */

void zf_engine_log_open (zf_engine_t *engine, const zf_log_options_t *options)
{
    zf_store_t *store = &engine->store;
    store->on = true;
    store->replaying = true;
    store->room = store->window = INT64_MAX; /* until log_at says: what expired is buried before */
    store->cap = options->disk_bytes;
    store->sync = options->sync;
    store->memory = engine->options.memory_bytes;
    store->slack = options->slack_bytes;
    store->until_ms = options->now_ms;
    store->segment = options->segment_bytes;
}

void zf_engine_log_at (zf_engine_t *engine, const zf_log_state_t *state)
{
    zf_store_t *store = &engine->store;
    store->lsn = state->next;
    store->lowest = state->lowest;
    store->room = state->room;
    store->growth = state->growth;
    store->window = state->window;
    zf_store_start (engine);
}

/* A batch is a part, and so is what lies before it and behind the last one. */
static zf_part_t *room_for_parts (zf_store_t *store)
{
    size_t room = 2 * store->cut_count + 1;
    if (room <= store->part_room)
        return store->parts;
    zf_part_t *parts = realloc (store->parts, room * sizeof *parts);
    if (parts == NULL)
        return NULL;
    store->parts = parts;
    store->part_room = room;
    return parts;
}

size_t zf_engine_entry (zf_engine_t *engine, zf_part_t **parts)
{
    zf_store_t *store = &engine->store;
    if (store->ops.size == 0 || store->failed)
        return 0;
    size_t count = 0;
    zf_part_t *out = room_for_parts (store);
    if (out == NULL) {
        zf_engine_log_failed (engine, ZF_E_NOMEM, "out of memory");
        return 0;
    }
    size_t at = 0;
    for (size_t i = 0; i < store->cut_count; i++) {
        const zf_cut_t *cut = &store->cuts[i];
        out[count++] = (zf_part_t){zf_bytes (store->ops.data + at, cut->at - at), NULL};
        out[count++] = (zf_part_t){zf_bytes (cut->frame->data, cut->frame->size), cut->frame};
        at = cut->at;
    }
    if (at < store->ops.size)
        out[count++] = (zf_part_t){zf_bytes (store->ops.data + at, store->ops.size - at), NULL};
    *parts = out;
    return count;
}

void zf_engine_committed (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    if (store->ops.size > 0 && !store->failed) {
        store->last = store->lsn;
        store->written = true;
    }
    zf_store_take_back (engine, (zf_store_mark_t){0, 0});
}

bool zf_engine_trim (zf_engine_t *engine, uint64_t *lsn)
{
    zf_store_t *store = &engine->store;
    if (store->trim_to == 0 || store->failed) /* what was carried out of there may not be written */
        return false;
    *lsn = store->trimmed = store->trim_to;
    store->trim_to = 0;
    return true;
}

/* -- what is durable --------------------------------------------------------------------------- */

static bool is_pending (const zf_store_t *store)
{
    return store->ops.size > 0 || (store->written && store->last >= store->durable);
}

static bool more_held (zf_store_t *store)
{
    if (store->held_first + store->held_count < store->held_room)
        return true;
    if (store->held_first > store->held_room / 2) {
        memmove (store->held, store->held + store->held_first,
                 store->held_count * sizeof *store->held);
        store->held_first = 0;
        return true;
    }
    size_t room = store->held_room != 0 ? 2 * store->held_room : HELD;
    zf_held_t *held = realloc (store->held, room * sizeof *held);
    if (held == NULL)
        return false;
    store->held = held;
    store->held_room = room;
    return true;
}

bool zf_store_hold (zf_session_t *session, const zf_held_t *held)
{
    zf_store_t *store = &session->engine->store;
    if (store->failed || !is_pending (store)) {
        zf_held_t now = *held;
        if (store->failed && now.code == 0)
            now.code = ZF_E_IO;
        now.say (session, &now);
        return true;
    }
    if (!more_held (store)) {
        zf_session_end (session, "out of memory");
        return false;
    }
    zf_held_t *place = &store->held[store->held_first + store->held_count++];
    *place = *held;
    place->session = session;
    place->lsn = store->ops.size > 0 ? store->lsn : store->last;
    return true;
}

void zf_store_drop_session (zf_engine_t *engine, const zf_session_t *session)
{
    zf_store_t *store = &engine->store;
    for (size_t i = 0; i < store->held_count; i++) {
        zf_held_t *held = &store->held[store->held_first + i];
        if (held->session == session)
            held->session = NULL;
    }
}

void zf_store_drop_queue (zf_engine_t *engine, const zf_queue_t *queue)
{
    zf_store_t *store = &engine->store;
    for (size_t i = 0; i < store->held_count; i++) {
        zf_held_t *held = &store->held[store->held_first + i];
        if (held->queue == queue)
            held->session = NULL;
    }
}

/* Says the first thing held, with all that goes on where it ends. */
static void say_next (zf_store_t *store, int code)
{
    zf_held_t held = store->held[store->held_first];
    do {
        store->held_first++;
        store->held_count--;
        const zf_held_t *next = &store->held[store->held_first];
        if (store->held_count == 0 || next->session != held.session || next->say != held.say ||
            next->queue != held.queue || held.queue == NULL || next->code != held.code ||
            next->first != held.first + held.count ||
            held.count + next->count > ZF_BATCH_RECORDS_MAX ||
            (code == 0 && next->lsn >= store->durable))
            break;
        held.count += next->count;
    } while (true);
    if (code != 0 && held.code == 0)
        held.code = code;
    if (held.session != NULL && held.session->host != NULL)
        held.say (held.session, &held);
}

static void open_lane (zf_queue_t *queue, zf_lane_t *lane, uint64_t durable)
{
    while (lane->mark_count > 0 && lane->marks[lane->mark_first].lsn < durable) {
        lane->durable_end = lane->marks[lane->mark_first].end;
        lane->mark_first++;
        lane->mark_count--;
        zf_engine_touch (queue);
    }
}

static void open_queues (zf_store_t *store)
{
    zf_queue_t *queue, *next;
    DL_FOREACH_SAFE2 (store->waiting, queue, next, waiting_next) {
        bool waits = false;
        for (uint32_t i = 0; i < queue->policy.priorities; i++) {
            open_lane (queue, &queue->lanes[i], store->durable);
            waits |= queue->lanes[i].mark_count > 0;
        }
        if (waits)
            continue;
        DL_DELETE2 (store->waiting, queue, waiting_prev, waiting_next);
        queue->is_waiting = false;
    }
}

void zf_engine_durable (zf_engine_t *engine, uint64_t lsn)
{
    zf_store_t *store = &engine->store;
    if (lsn <= store->durable)
        return;
    store->durable = lsn;
    while (store->held_count > 0 && store->held[store->held_first].lsn < lsn)
        say_next (store, 0);
    if (store->held_count == 0)
        store->held_first = 0;
    open_queues (store);
}

void zf_engine_log_failed (zf_engine_t *engine, int code, const char *text)
{
    zf_store_t *store = &engine->store;
    if (store->failed)
        return;
    store->failed = true;
    zf_notice (engine, ZF_EVENT_DISK,
               "the journal failed, nothing is durable any more: %s (%s). Durable queues take no "
               "more posts; what needs no disk goes on",
               text, zf_strerror (code));
    while (store->held_count > 0)
        say_next (store, ZF_E_IO);
    zf_memory_freed (engine); /* posts that wait are refused */
}

/* -- room -------------------------------------------------------------------------------------- */

static uint64_t live_bytes (const zf_engine_t *engine)
{
    return engine->store.bytes + engine->dead_bytes;
}

static uint64_t less (uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

uint64_t zf_store_reserve (const zf_engine_t *engine)
{
    const zf_store_t *store = &engine->store;
    return RESERVE_BYTES + RECORD_BYTES * store->records + store->rest_bytes;
}

static uint64_t least (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What is free when the disk's cap is reached, less what writing things again takes: pieces at the
 * start of the log are given back only when nothing in them is alive. */
static uint64_t free_in_the_end (const zf_engine_t *engine)
{
    const zf_store_t *store = &engine->store;
    uint64_t all =
        store->room < UINT64_MAX - store->growth ? store->room + store->growth : UINT64_MAX;
    uint64_t kept = zf_store_entry_bytes (engine) + zf_store_reserve (engine);
    return less (all, kept + CLEAN_SEGMENTS * store->segment);
}

bool zf_store_is_short (const zf_engine_t *engine)
{
    return free_in_the_end (engine) < engine->store.segment;
}

void zf_store_tell_short (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    bool told = store->told_ms != 0 && engine->now_ms < store->told_ms + TELL_MS;
    if (told || store->failed || store->growth > store->segment)
        return; /* it is being made ready */
    store->told_ms = engine->now_ms;
    zf_notice (engine, ZF_EVENT_DISK,
               "posts to durable queues wait for space in the journal: records take %llu MiB, ids "
               "and producers %llu MiB, acks to come %llu MiB",
               (unsigned long long) (live_bytes (engine) >> 20),
               (unsigned long long) (store->rest_bytes >> 20),
               (unsigned long long) ((zf_store_reserve (engine) - store->rest_bytes) >> 20));
}

bool zf_store_is_full (const zf_engine_t *engine)
{
    const zf_store_t *store = &engine->store;
    uint64_t most = zf_store_most (engine);
    uint64_t all = live_bytes (engine) + RECORD_BYTES * store->records;
    return most != UINT64_MAX && all + store->segment / 2 >= most;
}

uint64_t zf_store_record_most (const zf_engine_t *engine)
{
    uint64_t segment = engine->store.segment;
    return segment == 0 ? UINT64_MAX : segment / 2;
}

uint64_t zf_store_most (const zf_engine_t *engine)
{
    uint64_t cap = engine->store.cap;
    return cap == 0 ? UINT64_MAX : cap / 100 * LIVE_SHARE;
}

uint64_t zf_store_entry_bytes (const zf_engine_t *engine)
{
    return engine->store.ops.size + engine->store.cut_bytes;
}

bool zf_store_entry_takes (const zf_engine_t *engine, uint64_t bytes)
{
    uint64_t segment = engine->store.segment;
    return segment == 0 || zf_store_entry_bytes (engine) + bytes <= segment / 4 * 3;
}

uint64_t zf_store_spare (const zf_engine_t *engine)
{
    return less (engine->store.room, zf_store_entry_bytes (engine) + zf_store_reserve (engine));
}

uint64_t zf_store_room (const zf_engine_t *engine)
{
    const zf_store_t *store = &engine->store;
    uint64_t taken = zf_store_entry_bytes (engine);
    uint64_t room = least (zf_store_spare (engine), free_in_the_end (engine));
    if (store->segment > 0) /* what does not fit this entry goes into the next one */
        room = least (room, less (store->segment / 2, taken));
    room = least (room, less (store->window, taken));
    uint64_t most = zf_store_most (engine);
    uint64_t share = most == UINT64_MAX
                         ? most
                         : less (most, live_bytes (engine) + RECORD_BYTES * store->records);
    return least (room, share);
}

void zf_store_free (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    zf_store_take_back (engine, (zf_store_mark_t){0, 0});
    zf_writer_free (&store->ops);
    free (store->cuts);
    free (store->parts);
    free (store->held);
}
