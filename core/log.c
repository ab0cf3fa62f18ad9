#include "core/log.h"

#include "core/mp.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

static zf_chunk_t *tail (const zf_log_t *log)
{
    return log->head != NULL ? log->head->prev : NULL;
}

static uint32_t offset_of (const zf_chunk_t *chunk, uint32_t at)
{
    if (at == 0 && chunk->offsets == NULL)
        return ZF_BATCH_HEADER;
    return at < chunk->count ? chunk->offsets[at] & ~ZF_SETTLED : chunk->size;
}

/* Chunks by their first id; two may have the same, if one of them is empty. */
static int compare (const zf_chunk_t *a, const zf_chunk_t *b)
{
    if (a->first != b->first)
        return a->first < b->first ? -1 : 1;
    return a < b ? -1 : a > b;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
RB_GENERATE_INTERNAL (zf_chunks, zf_chunk, node, compare, static)
#pragma GCC diagnostic pop

/* The last chunk that begins at id or before it, or else the first one. */
static zf_chunk_t *seek (const zf_log_t *log, uint64_t id)
{
    zf_chunk_t *best = log->head;
    zf_chunk_t *node = RB_ROOT (&log->chunks);
    while (node != NULL) {
        if (node->first <= id)
            best = node;
        node = node->first <= id ? RB_RIGHT (node, node) : RB_LEFT (node, node);
    }
    return best;
}

zf_chunk_t *zf_log_before (const zf_log_t *log, uint64_t id)
{
    zf_chunk_t *chunk = id > 0 ? seek (log, id - 1) : NULL;
    return chunk != NULL && chunk->first < id ? chunk : NULL;
}

static void remove_chunk (zf_log_t *log, zf_chunk_t *chunk)
{
    RB_REMOVE (zf_chunks, &log->chunks, chunk);
    DL_DELETE (log->head, chunk);
}

static void free_chunk (zf_chunk_t *chunk)
{
    if (chunk->frame != NULL)
        zf_frame_drop (chunk->frame);
    else
        free (chunk->data);
    free (chunk->offsets);
    free (chunk->notes);
    free (chunk);
}

static zf_chunk_t *new_chunk (zf_log_t *log, uint64_t now_ms)
{
    zf_chunk_t *chunk = calloc (1, sizeof *chunk);
    if (chunk == NULL)
        return NULL;
    chunk->size = ZF_BATCH_HEADER;
    chunk->first = log->next;
    chunk->oldest_ms = now_ms;
    chunk->logged = log->logged;
    chunk->local = log->local;
    DL_APPEND (log->head, chunk); /* NOLINT(clang-analyzer-*): utlist: a head has a prev */
    RB_INSERT (zf_chunks, &log->chunks, chunk);
    log->closed = false;
    return chunk;
}

static int grow_slots (zf_chunk_t *chunk)
{
    uint32_t slots = chunk->slots != 0 ? 2 * chunk->slots : 8;
    uint32_t *offsets = realloc (chunk->offsets, slots * sizeof *offsets);
    if (offsets == NULL)
        return ZF_E_NOMEM;
    chunk->offsets = offsets;
    if (chunk->notes != NULL) {
        zf_note_t **notes = realloc (chunk->notes, slots * sizeof (zf_note_t *));
        if (notes == NULL)
            return ZF_E_NOMEM;
        chunk->notes = notes;
        memset (notes + chunk->slots, 0, (slots - chunk->slots) * sizeof (zf_note_t *));
    }
    chunk->slots = slots;
    return 0;
}

static int grow_data (zf_chunk_t *chunk, size_t size)
{
    size_t capacity = chunk->capacity != 0 ? chunk->capacity : 512;
    while (capacity < size)
        capacity *= 2;
    if (size > ZF_CHUNK_BYTES) /* a single large record: no slack */
        capacity = size;
    uint8_t *data = realloc (chunk->data, capacity);
    if (data == NULL)
        return ZF_E_NOMEM;
    chunk->data = data;
    chunk->capacity = (uint32_t) capacity;
    return 0;
}

/* A settled chunk at the tail is used again from its start. */
static void rewind_chunk (zf_log_t *log, zf_chunk_t *chunk, uint64_t now_ms)
{
    RB_REMOVE (zf_chunks, &log->chunks, chunk);
    chunk->count = 0;
    chunk->size = ZF_BATCH_HEADER;
    chunk->first = log->next;
    RB_INSERT (zf_chunks, &log->chunks, chunk);
    chunk->oldest_ms = now_ms;
    chunk->logged = log->logged;
    chunk->local = log->local;
}

static bool is_full (const zf_log_t *log, const zf_chunk_t *chunk, size_t size)
{
    uint32_t records = log->most_records != 0 ? log->most_records : ZF_CHUNK_RECORDS;
    uint32_t bytes = log->most_bytes != 0 ? log->most_bytes : ZF_CHUNK_BYTES;
    return chunk->count >= records || chunk->size + size > bytes;
}

/* The chunk that takes a record of size bytes. */
static zf_chunk_t *open_chunk (zf_log_t *log, size_t size, uint64_t now_ms)
{
    zf_chunk_t *chunk = tail (log);
    if (chunk == NULL || chunk->frame != NULL)
        return new_chunk (log, now_ms);
    if (chunk->count == 0) {
        rewind_chunk (log, chunk, now_ms);
        log->closed = false; /* as with a new one: who reads the log makes the same chunks */
        return chunk;
    }
    if (chunk->data == NULL || chunk->logged != log->logged || chunk->local != log->local)
        return new_chunk (log, now_ms);
    if (log->closed || is_full (log, chunk, size))
        return new_chunk (log, now_ms);
    if (chunk->first + chunk->count != log->next) /* the chunk behind it is settled and gone */
        return new_chunk (log, now_ms);
    return chunk;
}

int zf_log_append (zf_log_t *log, zf_bytes_t encoded, uint64_t now_ms, zf_place_t *place)
{
    zf_chunk_t *chunk = open_chunk (log, encoded.size, now_ms);
    if (chunk == NULL)
        return ZF_E_NOMEM;
    if (chunk->count == chunk->slots && grow_slots (chunk) != 0)
        return ZF_E_NOMEM;
    bool fits = chunk->data != NULL && chunk->size + encoded.size <= chunk->capacity;
    if (!fits && grow_data (chunk, chunk->size + encoded.size) != 0)
        return ZF_E_NOMEM;
    memcpy (chunk->data + chunk->size, encoded.data, encoded.size);
    chunk->offsets[chunk->count] = chunk->size;
    chunk->size += (uint32_t) encoded.size;
    chunk->newest_ms = now_ms;
    place->chunk = chunk;
    place->at = chunk->count++;
    chunk->live++;
    log->next++;
    log->length++;
    log->bytes += encoded.size;
    return 0;
}

void zf_log_take_back (zf_log_t *log)
{
    zf_chunk_t *chunk = tail (log);
    uint32_t bytes = chunk->size - offset_of (chunk, chunk->count - 1);
    chunk->size -= bytes;
    chunk->count--;
    chunk->live--;
    log->next--;
    log->length--;
    log->bytes -= bytes;
}

/* A chunk for a batch: the last one if that is empty, for nobody else would come back to it. */
static zf_chunk_t *chunk_for_batch (zf_log_t *log, uint64_t now_ms)
{
    zf_chunk_t *chunk = tail (log);
    if (chunk == NULL || chunk->count > 0)
        return new_chunk (log, now_ms);
    free (chunk->data);
    free (chunk->offsets);
    free (chunk->notes);
    chunk->notes = NULL;
    rewind_chunk (log, chunk, now_ms);
    return chunk;
}

int zf_log_adopt (zf_log_t *log, zf_frame_t *frame, const zf_batch_t *batch, uint32_t *offsets,
                  uint64_t now_ms, zf_chunk_t **out)
{
    zf_chunk_t *chunk = chunk_for_batch (log, now_ms);
    if (chunk == NULL)
        return ZF_E_NOMEM;
    chunk->frame = zf_frame_hold (frame);
    chunk->data = frame->data;
    chunk->offsets = offsets;
    chunk->size = chunk->capacity = (uint32_t) frame->size;
    chunk->count = chunk->slots = chunk->live = batch->count;
    chunk->newest_ms = now_ms;
    log->next += batch->count;
    log->length += batch->count;
    log->bytes += batch->size;
    *out = chunk;
    return 0;
}

void zf_log_unadopt (zf_log_t *log, zf_chunk_t *chunk)
{
    log->next -= chunk->count;
    log->length -= chunk->count;
    log->bytes -= chunk->size - ZF_BATCH_HEADER;
    chunk->offsets = NULL; /* they are the caller's again */
    remove_chunk (log, chunk);
    free_chunk (chunk);
}

#define COMPACT_BYTES 4096 /* settled in a chunk before it is worth the while, */
#define COMPACT_SHARE 8    /* and this to one of what is live */

/* Copies the live records to `to`; settled ones keep their index and lose their bytes. Returns how
 * far it is filled. */
static uint32_t copy_live (zf_chunk_t *chunk, uint8_t *to)
{
    uint32_t used = ZF_BATCH_HEADER;
    for (uint32_t i = 0; i < chunk->count; i++) {
        zf_bytes_t record = zf_chunk_span (chunk, i, 1);
        bool settled = (chunk->offsets[i] & ZF_SETTLED) != 0;
        if (!settled && record.data != NULL)
            memcpy (to + used, record.data, record.size);
        chunk->offsets[i] = used | (settled ? ZF_SETTLED : 0);
        used += settled ? 0 : (uint32_t) record.size;
    }
    return used;
}

/* Gives the live records memory of their own, so that a few do not keep a large batch here. Settled
 * ones keep their index and lose their bytes. */
static void compact (zf_log_t *log, zf_chunk_t *chunk)
{
    size_t size = chunk->size - chunk->settled_bytes;
    uint8_t *data = malloc (size);
    if (data == NULL)
        return; /* the next time */
    uint32_t used = copy_live (chunk, data);
    if (chunk->frame != NULL)
        zf_frame_drop (chunk->frame);
    else
        free (chunk->data);
    chunk->frame = NULL;
    chunk->data = data;
    chunk->size = chunk->capacity = used;
    log->pinned -= chunk->settled_bytes;
    chunk->settled_bytes = 0;
    chunk->home = 0;
}

bool zf_log_settle (zf_log_t *log, zf_chunk_t *chunk, uint32_t at, uint32_t n)
{
    uint32_t bytes = zf_chunk_size (chunk, at, n);
    chunk->live -= n;
    chunk->settled_bytes += bytes;
    log->pinned += chunk->data != NULL ? bytes : 0;
    log->length -= n;
    log->bytes -= bytes;
    if (chunk->live == 0)
        return true;
    for (uint32_t i = at; i < at + n; i++)
        chunk->offsets[i] |= ZF_SETTLED;
    uint32_t live = chunk->size - ZF_BATCH_HEADER - chunk->settled_bytes;
    if (chunk->data == NULL)
        return false;
    if (chunk->settled_bytes >= COMPACT_BYTES && chunk->settled_bytes / COMPACT_SHARE >= live)
        compact (log, chunk);
    return false;
}

void zf_log_discard (zf_log_t *log, zf_chunk_t *chunk)
{
    log->pinned -= chunk->data != NULL ? chunk->settled_bytes : 0;
    chunk->settled_bytes = 0;
    if (chunk->frame == NULL && chunk->data != NULL && chunk->capacity <= ZF_CHUNK_BYTES &&
        chunk == tail (log) && !chunk->view) {
        rewind_chunk (log, chunk, chunk->newest_ms);
        return;
    }
    remove_chunk (log, chunk);
    free_chunk (chunk);
}

void zf_log_drop (zf_log_t *log, zf_chunk_t *chunk)
{
    log->length -= chunk->live;
    log->bytes -= chunk->size - ZF_BATCH_HEADER - chunk->settled_bytes;
    log->pinned -= chunk->data != NULL ? chunk->settled_bytes : 0;
    remove_chunk (log, chunk);
    free_chunk (chunk);
}

static void free_frame (zf_frame_t *frame)
{
    free (frame);
}

zf_frame_t *zf_frame_new (size_t size)
{
    zf_frame_t *frame = malloc (sizeof *frame + size);
    if (frame != NULL)
        *frame = (zf_frame_t){(uint8_t *) (frame + 1), size, 1, free_frame};
    return frame;
}

/* Gives the chunk the bytes of n records of another: shared if they never change, else copied.
 * Returns where they begin in it, 0: no memory. */
static uint32_t share_bytes (zf_chunk_t *chunk, const zf_chunk_t *other, uint32_t at, uint32_t n)
{
    uint32_t start = offset_of (other, at);
    uint32_t size = offset_of (other, at + n) - start;
    if (other->frame != NULL) {
        chunk->frame = zf_frame_hold (other->frame);
        chunk->data = other->data;
    } else {
        chunk->data = malloc (ZF_BATCH_HEADER + size);
        if (chunk->data == NULL)
            return 0;
        memcpy (chunk->data + ZF_BATCH_HEADER, other->data + start, size);
        start = ZF_BATCH_HEADER;
    }
    chunk->size = chunk->capacity = start + size;
    return start;
}

static void share_offsets (zf_chunk_t *chunk, const zf_chunk_t *other, uint32_t at, uint32_t start,
                           zf_want_fn *wanted, void *arg)
{
    uint32_t shift = offset_of (other, at) - start;
    for (uint32_t i = 0; i < chunk->count; i++) {
        bool live = (other->offsets[at + i] & ZF_SETTLED) == 0 &&
                    (wanted == NULL || wanted (arg, other, at + i));
        chunk->offsets[i] = offset_of (other, at + i) - shift;
        chunk->live += live;
        if (live)
            continue;
        chunk->settled_bytes += zf_chunk_size (other, at + i, 1);
        chunk->offsets[i] |= ZF_SETTLED;
    }
}

int zf_log_share (zf_log_t *log, const zf_chunk_t *other, uint32_t at, uint32_t n,
                  zf_want_fn *wanted, void *arg, zf_chunk_t **out)
{
    zf_chunk_t *chunk = calloc (1, sizeof *chunk);
    uint32_t *offsets = malloc (n * sizeof *offsets);
    uint32_t start = chunk != NULL && offsets != NULL ? share_bytes (chunk, other, at, n) : 0;
    if (start == 0) {
        free (offsets);
        free (chunk);
        return ZF_E_NOMEM;
    }
    chunk->view = true;
    chunk->offsets = offsets;
    chunk->count = chunk->slots = n;
    chunk->first = other->first + at;
    chunk->oldest_ms = other->oldest_ms;
    chunk->newest_ms = other->newest_ms;
    share_offsets (chunk, other, at, start, wanted, arg);
    chunk->settled_bytes += start - ZF_BATCH_HEADER; /* what lies before, as if it had been there */
    DL_APPEND (log->head, chunk); /* NOLINT(clang-analyzer-*): utlist: a head has a prev */
    RB_INSERT (zf_chunks, &log->chunks, chunk);
    zf_log_skip (log, chunk->first + n);
    log->length += chunk->live;
    log->bytes += chunk->size - ZF_BATCH_HEADER - chunk->settled_bytes;
    log->pinned += chunk->settled_bytes;
    *out = chunk;
    return 0;
}

bool zf_chunk_is_whole (const zf_chunk_t *chunk)
{
    return chunk->frame != NULL && chunk->live == chunk->count &&
           chunk->size == chunk->frame->size && offset_of (chunk, 0) == ZF_BATCH_HEADER;
}

void zf_log_free (zf_log_t *log)
{
    zf_chunk_t *chunk, *next;
    DL_FOREACH_SAFE (log->head, chunk, next)
        free_chunk (chunk);
    memset (log, 0, sizeof *log);
}

zf_bytes_t zf_chunk_span (const zf_chunk_t *chunk, uint32_t at, uint32_t n)
{
    uint32_t start = offset_of (chunk, at);
    if (chunk->data == NULL)
        return zf_bytes (NULL, 0);
    return zf_bytes (chunk->data + start, offset_of (chunk, at + n) - start);
}

uint32_t zf_chunk_size (const zf_chunk_t *chunk, uint32_t at, uint32_t n)
{
    return offset_of (chunk, at + n) - offset_of (chunk, at);
}

zf_record_t zf_chunk_record (const zf_chunk_t *chunk, uint32_t at)
{
    zf_record_t record = {{NULL, 0}, {NULL, 0}};
    zf_record_decode (chunk->data + offset_of (chunk, at), chunk->data + chunk->size, &record);
    return record;
}

int zf_chunk_set_note (zf_chunk_t *chunk, uint32_t at, zf_note_t *note)
{
    if (chunk->notes == NULL) {
        if (note == NULL)
            return 0;
        chunk->notes = calloc (chunk->slots, sizeof (zf_note_t *));
        if (chunk->notes == NULL)
            return ZF_E_NOMEM;
    }
    chunk->notes[at] = note;
    return 0;
}

void zf_log_skip (zf_log_t *log, uint64_t next)
{
    log->next = next;
    log->closed = true;
}

/* -- for the store ----------------------------------------------------------------------------- */

zf_frame_t *zf_frame_of (zf_bytes_t bytes)
{
    zf_frame_t *frame = zf_frame_new (bytes.size);
    if (frame != NULL)
        memcpy (frame->data, bytes.data, bytes.size);
    return frame;
}

int zf_log_pack (zf_log_t *log, zf_chunk_t *chunk)
{
    if (chunk->frame != NULL && chunk->settled_bytes == 0)
        return 0;
    zf_frame_t *frame = zf_frame_new (chunk->size - chunk->settled_bytes);
    if (frame == NULL)
        return ZF_E_NOMEM;
    copy_live (chunk, frame->data);
    zf_batch_seal (frame->data, frame->size, chunk->live, ZF_BATCH_HAS_PROPS, chunk->first);
    if (chunk->frame != NULL)
        zf_frame_drop (chunk->frame);
    else
        free (chunk->data);
    log->pinned -= chunk->settled_bytes;
    chunk->settled_bytes = 0;
    chunk->home = 0;
    chunk->frame = frame;
    chunk->data = frame->data;
    chunk->size = chunk->capacity = (uint32_t) frame->size;
    return 0;
}

void zf_log_let_go (zf_log_t *log, zf_chunk_t *chunk, bool index)
{
    log->pinned -= chunk->settled_bytes;
    if (index && chunk->live == chunk->count && chunk->notes == NULL) {
        free (chunk->offsets);
        chunk->offsets = NULL;
        chunk->slots = 0;
    }
    zf_frame_drop (chunk->frame);
    chunk->frame = NULL;
    chunk->data = NULL;
    chunk->capacity = 0;
}

/* Where the records begin, once more. */
static uint32_t *index_again (const zf_chunk_t *chunk, const zf_frame_t *frame, int *code)
{
    zf_batch_t batch;
    *code = zf_batch_decode (zf_bytes (frame->data, frame->size), &batch);
    if (*code == 0 && batch.count != chunk->count)
        *code = ZF_E_CORRUPT;
    uint32_t *offsets = *code == 0 ? malloc (chunk->count * sizeof *offsets) : NULL;
    if (*code == 0 && offsets == NULL)
        *code = ZF_E_NOMEM;
    if (*code == 0 && zf_batch_index (&batch, offsets) != 0)
        *code = ZF_E_CORRUPT;
    if (*code == 0)
        return offsets;
    free (offsets);
    return NULL;
}

int zf_log_restore (zf_log_t *log, zf_chunk_t *chunk, zf_frame_t *frame)
{
    int code = 0;
    if (chunk->offsets == NULL)
        chunk->offsets = index_again (chunk, frame, &code);
    if (code != 0)
        return code;
    chunk->slots = chunk->count;
    chunk->frame = frame;
    chunk->data = frame->data;
    chunk->capacity = chunk->size;
    log->pinned += chunk->settled_bytes;
    return 0;
}

uint32_t zf_alive_records (const zf_alive_t *alive)
{
    zf_reader_t r = alive->pairs;
    uint32_t sum = 0;
    for (uint32_t i = 0; i < alive->pair_count; i++) {
        uint32_t from = (uint32_t) zf_mp_uint (&r);
        uint32_t to = (uint32_t) zf_mp_uint (&r);
        to = to < alive->count ? to : alive->count;
        sum += to > from ? to - from : 0;
    }
    return sum;
}

/* Offsets of the whole range: those that are not alive have no bytes. */
static void spread (zf_chunk_t *chunk, const zf_alive_t *alive, const uint32_t *offsets,
                    uint32_t records)
{
    zf_reader_t r = alive->pairs;
    uint32_t at = 0;
    uint32_t used = 0;
    for (uint32_t i = 0; i < alive->pair_count; i++) {
        uint32_t from = (uint32_t) zf_mp_uint (&r);
        uint32_t to = (uint32_t) zf_mp_uint (&r);
        for (; at < from && at < alive->count; at++)
            chunk->offsets[at] = (used < records ? offsets[used] : chunk->size) | ZF_SETTLED;
        for (; at < to && at < alive->count; at++)
            chunk->offsets[at] = offsets[used++];
    }
    for (; at < alive->count; at++)
        chunk->offsets[at] = chunk->size | ZF_SETTLED;
}

int zf_log_insert (zf_log_t *log, zf_frame_t *frame, const zf_batch_t *batch,
                   const uint32_t *offsets, const zf_alive_t *alive, zf_chunk_t *before,
                   zf_chunk_t **out)
{
    zf_chunk_t *chunk = calloc (1, sizeof *chunk);
    uint32_t *own = malloc (alive->count * sizeof *own);
    if (chunk == NULL || own == NULL) {
        free (chunk);
        free (own);
        return ZF_E_NOMEM;
    }
    chunk->frame = zf_frame_hold (frame);
    chunk->data = frame->data;
    chunk->offsets = own;
    chunk->size = chunk->capacity = (uint32_t) frame->size;
    chunk->count = chunk->slots = alive->count;
    chunk->live = batch->count;
    chunk->first = alive->first;
    chunk->oldest_ms = alive->oldest_ms;
    chunk->newest_ms = alive->newest_ms;
    chunk->logged = log->logged;
    spread (chunk, alive, offsets, batch->count);
    if (before != NULL)
        DL_PREPEND_ELEM (log->head, before, chunk);
    else
        DL_APPEND (log->head, chunk); /* NOLINT(clang-analyzer-*): utlist: a head has a prev */
    RB_INSERT (zf_chunks, &log->chunks, chunk);
    uint64_t end = chunk->first + chunk->count;
    if (end > log->next)
        zf_log_skip (log, end);
    log->length += batch->count;
    log->bytes += batch->size;
    *out = chunk;
    return 0;
}

/* The first live record of the chunk from index `at` on; count: none. */
static uint32_t next_live (const zf_chunk_t *chunk, uint32_t at)
{
    if (chunk->live == 0)
        return chunk->count;
    while (chunk->offsets != NULL && at < chunk->count && (chunk->offsets[at] & ZF_SETTLED) != 0)
        at++;
    return at;
}

bool zf_log_find (const zf_log_t *log, uint64_t *id, zf_place_t *place)
{
    for (zf_chunk_t *chunk = seek (log, *id); chunk != NULL; chunk = chunk->next) {
        if (chunk->first + chunk->count <= *id)
            continue;
        uint32_t at = next_live (chunk, *id > chunk->first ? (uint32_t) (*id - chunk->first) : 0);
        if (at == chunk->count)
            continue;
        *id = chunk->first + at;
        *place = (zf_place_t){chunk, at};
        return true;
    }
    return false;
}

uint32_t zf_log_missing (const zf_log_t *log, uint64_t first, uint32_t count, zf_chunk_t **before)
{
    zf_place_t place;
    uint64_t id = first;
    uint64_t missing = count;
    if (zf_log_find (log, &id, &place) && id - first < count)
        missing = id - first;
    zf_chunk_t *chunk = seek (log, first);
    *before = chunk != NULL && chunk->first <= first ? chunk->next : chunk;
    return (uint32_t) missing;
}

void zf_log_relay (zf_log_t *log, zf_chunk_t *chunk, zf_frame_t *frame, const zf_batch_t *batch,
                   const uint32_t *offsets, const zf_alive_t *alive)
{
    if (chunk->data != NULL)
        log->pinned -= chunk->settled_bytes;
    if (chunk->frame != NULL)
        zf_frame_drop (chunk->frame);
    else
        free (chunk->data);
    if (chunk->offsets == NULL) /* it stays on disk */
        frame = NULL;
    chunk->settled_bytes = 0;
    chunk->frame = frame != NULL ? zf_frame_hold (frame) : NULL;
    chunk->data = frame != NULL ? frame->data : NULL;
    chunk->size = ZF_BATCH_HEADER + batch->size;
    chunk->capacity = frame != NULL ? chunk->size : 0;
    if (chunk->offsets != NULL)
        spread (chunk, alive, offsets, batch->count);
}
