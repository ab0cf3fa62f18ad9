/* Records that are in the log need not be in memory: past the cap they are let go of, those wanted
 * last first, and read back when their turn comes. */
#include "core/engine.h"

#include <utlist.h>
#include <zferry/error.h>

#define AHEAD_BYTES  (8u << 20) /* read back before their turn comes */
#define AHEAD_CHUNKS 256        /* looked at for that */
#define LEAST_BYTES  (1u << 20) /* always in memory */
#define PACK_BYTES   (4u << 20) /* written again in one turn so that they can be let go of */
#define AGAIN_MS     1000

/* The list that the chunk is in if it is in memory. */
static zf_chunk_t **residents (zf_store_t *store, const zf_chunk_t *chunk)
{
    const zf_queue_t *queue = chunk->owner;
    bool streams = queue->policy.kind == ZF_KIND_STREAM; /* while it is freed it is none any more */
    return &store->resident[streams ? ZF_OF_STREAMS : ZF_OF_QUEUES];
}

void zf_store_link (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    const zf_queue_t *queue = chunk->owner;
    DL_APPEND2 (store->logged, chunk, logged_prev, logged_next);
    if (chunk->data == NULL)
        return;
    if (queue->stream != NULL) /* of a stream the newest are wanted first */
        DL_PREPEND2 (*residents (store, chunk), chunk, resident_prev, resident_next);
    else
        DL_APPEND2 (*residents (store, chunk), chunk, resident_prev, resident_next);
}

void zf_store_unlink (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    DL_DELETE2 (store->logged, chunk, logged_prev, logged_next);
    if (chunk->data != NULL)
        DL_DELETE2 (*residents (store, chunk), chunk, resident_prev, resident_next);
}

static uint64_t index_bytes (const zf_chunk_t *chunk)
{
    return chunk->offsets != NULL ? chunk->count * sizeof *chunk->offsets : 0;
}

void zf_store_count (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    zf_store_link (engine, chunk);
    store->away += chunk->data == NULL;
    if (chunk->data != NULL)
        store->resident_bytes += chunk->size - ZF_BATCH_HEADER;
    else
        store->index_bytes += index_bytes (chunk);
}

void zf_store_uncount (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    zf_store_unlink (engine, chunk);
    store->away -= chunk->data == NULL;
    if (chunk->data != NULL)
        store->resident_bytes -= chunk->size - ZF_BATCH_HEADER;
    else
        store->index_bytes -= index_bytes (chunk);
}

/* Nobody waits for it any more: if the shell was not told of it, nobody will answer either. */
static void forget_load (zf_store_t *store, zf_reading_t *slot)
{
    store->loads_busy -= slot->is_told ? 0 : 1;
    slot->is_busy = slot->is_told;
    slot->chunk = NULL;
}

void zf_store_leave (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    if (chunk->owner == NULL)
        return;
    zf_store_uncount (engine, chunk);
    if (chunk->load != 0)
        forget_load (store, &store->loads[chunk->load - 1]);
    chunk->load = 0;
    chunk->owner = NULL;
    chunk->home = 0;
}

/* -- back into memory -------------------------------------------------------------------------- */

static void load (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    for (uint8_t i = 0; i < ZF_LOADS_MAX && store->loads_busy < ZF_LOADS_MAX; i++) {
        zf_reading_t *slot = &store->loads[i];
        if (slot->is_busy)
            continue;
        *slot = (zf_reading_t){.chunk = chunk, .is_busy = true};
        store->loads_busy++;
        chunk->load = (uint8_t) (i + 1);
        return;
    }
    store->loads_short = true;
}

bool zf_chunk_here (zf_queue_t *queue, zf_chunk_t *chunk)
{
    if (chunk->data != NULL)
        return true;
    if (chunk->load == 0)
        load (queue->engine, chunk);
    return false;
}

void zf_store_read_ahead (zf_queue_t *queue, zf_chunk_t *chunk)
{
    const zf_store_t *store = &queue->engine->store;
    uint64_t bytes = 0;
    if (store->away == 0)
        return; /* everything is here */
    for (int i = 0; i < AHEAD_CHUNKS && chunk != NULL && bytes < AHEAD_BYTES; i++) {
        if (chunk->live > 0 && !zf_chunk_here (queue, chunk) && store->loads_short)
            return;
        bytes += chunk->size;
        chunk = chunk->next;
    }
}

static void touch_all (zf_engine_t *engine)
{
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        if (queue->length > 0)
            zf_engine_touch (queue);
    }
}

bool zf_engine_load (zf_engine_t *engine, zf_wanted_t *wanted)
{
    zf_store_t *store = &engine->store;
    for (uint8_t i = 0; i < ZF_LOADS_MAX && store->loads_busy > 0; i++) {
        zf_reading_t *slot = &store->loads[i];
        if (!slot->is_busy || slot->is_told || slot->chunk == NULL)
            continue;
        slot->is_told = true;
        wanted->tag = i;
        wanted->lsn = slot->chunk->lsn;
        wanted->offset = slot->chunk->home;
        wanted->size = slot->chunk->size;
        return true;
    }
    if (store->loads_short && store->loads_busy < ZF_LOADS_MAX) { /* see forget_load */
        store->loads_short = false;
        touch_all (engine);
    }
    return false;
}

static bool is_sound (const zf_chunk_t *chunk, const zf_frame_t *frame)
{
    zf_batch_t batch;
    return frame->size == chunk->size &&
           zf_batch_decode (zf_bytes (frame->data, frame->size), &batch) == 0;
}

void zf_engine_load_again (zf_engine_t *engine)
{
    touch_all (engine);
}

/* It can't be read: rather than lose it or pass it over, it is tried again and again. */
static void cannot_load (zf_engine_t *engine, const zf_chunk_t *chunk, int code)
{
    const zf_queue_t *queue = chunk->owner;
    zf_notice (engine, ZF_EVENT_DISK, "%s: %u records can't be read back from the journal: %s",
               queue->name, chunk->live, zf_strerror (code));
    engine->load_timer.kind = ZF_TIMER_LOAD;
    zf_timers_set (&engine->timers, &engine->load_timer, engine->now_ms + AGAIN_MS);
}

void zf_engine_loaded (zf_engine_t *engine, uint64_t tag, zf_frame_t *frame, int code)
{
    zf_store_t *store = &engine->store;
    zf_reading_t *slot = &store->loads[tag];
    zf_chunk_t *chunk = slot->chunk;
    *slot = (zf_reading_t){.chunk = NULL};
    store->loads_busy--;
    if (store->loads_short)
        touch_all (engine);
    store->loads_short = false;
    if (chunk == NULL) {
        zf_frame_drop (frame);
        return;
    }
    chunk->load = 0;
    zf_queue_t *queue = chunk->owner;
    zf_log_t *log = &queue->lanes[chunk->first >> ZF_LANE_SHIFT].log;
    uint64_t index = index_bytes (chunk);
    if (code == 0)
        code = is_sound (chunk, frame) ? zf_log_restore (log, chunk, frame) : ZF_E_CORRUPT;
    if (code != 0) {
        zf_frame_drop (frame);
        cannot_load (engine, chunk, code);
        return;
    }
    engine->overhead += chunk->settled_bytes;
    store->index_bytes -= index;
    store->away--;
    store->resident_bytes += chunk->size - ZF_BATCH_HEADER;
    store->loaded++;
    DL_PREPEND2 (*residents (store, chunk), chunk, resident_prev, resident_next);
    zf_engine_touch (queue);
}

/* -- out of memory ----------------------------------------------------------------------------- */

void zf_store_let_go (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    zf_queue_t *queue = chunk->owner;
    zf_log_t *log = &queue->lanes[chunk->first >> ZF_LANE_SHIFT].log;
    DL_DELETE2 (*residents (store, chunk), chunk, resident_prev, resident_next);
    store->resident_bytes -= chunk->size - ZF_BATCH_HEADER;
    store->spilled++;
    store->away++;
    engine->overhead -= chunk->settled_bytes;
    zf_log_let_go (log, chunk, queue->stream != NULL && !queue->policy.compact);
    store->index_bytes += index_bytes (chunk);
}

/* What is here has to make way for records that no log has. */
static uint64_t share (const zf_engine_t *engine)
{
    const zf_store_t *store = &engine->store;
    uint64_t others = engine->bytes - store->bytes;
    return store->memory > others + LEAST_BYTES ? store->memory - others : LEAST_BYTES;
}

static bool is_tail (const zf_chunk_t *chunk)
{
    return chunk->next == NULL;
}

/* Lets go of what is in the list, from its end on, until no more than `most` is here. */
static void spill (zf_engine_t *engine, zf_chunk_t *list, uint64_t most, size_t *packed)
{
    zf_store_t *store = &engine->store;
    zf_chunk_t *chunk = list != NULL ? list->resident_prev : NULL;
    while (store->resident_bytes > most && chunk != list) { /* that was just read, maybe */
        zf_chunk_t *before = chunk->resident_prev;
        const zf_queue_t *queue = chunk->owner;
        bool durable = chunk->newest_lsn < store->durable && !store->failed;
        if (!queue->is_dead && durable && chunk->home != 0) {
            zf_store_let_go (engine, chunk);
        } else if (!queue->is_dead && durable && !is_tail (chunk) && *packed < PACK_BYTES) {
            *packed += chunk->size;
            zf_store_carry (engine, chunk); /* in one piece; let go of when that is durable */
        }
        chunk = before;
    }
}

/* What streams keep goes before what is still to be done. */
void zf_store_spill (zf_engine_t *engine)
{
    uint64_t most = share (engine);
    size_t packed = 0;
    spill (engine, engine->store.resident[ZF_OF_STREAMS], most, &packed);
    spill (engine, engine->store.resident[ZF_OF_QUEUES], most, &packed);
}
