#include "core/engine.h"
#include "core/keep.h"

#include <stdlib.h>
#include <utlist.h>
#include <xxhash.h>
#include <zferry/error.h>

/* An ordering key with records in the queue. One of them at most is out of the line: ready, delayed
 * or leased. */
struct zf_key {
    XXH128_hash_t hash;
    uint64_t records;  /* notes that point here */
    zf_run_t *front;   /* the run of the one that is out of the line; NULL: none is */
    zf_run_t *waiting; /* the line: HELD runs of one record, first come first (utlist) */
    UT_hash_handle hh;
};

static zf_key_t *hold_key (zf_queue_t *queue, zf_bytes_t bytes)
{
    XXH128_hash_t hash = XXH3_128bits (bytes.data, bytes.size);
    zf_key_t *key;
    HASH_FIND (hh, queue->keys, &hash, sizeof hash, key);
    if (key == NULL) {
        key = calloc (1, sizeof *key);
        if (key == NULL)
            return NULL;
        key->hash = hash;
        HASH_ADD (hh, queue->keys, hash, sizeof key->hash, key);
        if (key->hh.tbl == NULL) {
            free (key);
            return NULL;
        }
    }
    key->records++;
    return key;
}

static void drop_key (zf_queue_t *queue, zf_key_t *key)
{
    if (--key->records > 0)
        return;
    HASH_DEL (queue->keys, key); /* NOLINT(clang-analyzer-*): uthash knows it is there */
    free (key);
}

void zf_keys_free (zf_queue_t *queue)
{
    zf_key_t *key, *next;
    HASH_ITER (hh, queue->keys, key, next) {
        HASH_DEL (queue->keys, key); /* NOLINT(clang-analyzer-*): HASH_ITER took next before */
        free (key);
    }
}

bool zf_note_front (zf_note_t *note, zf_run_t *run)
{
    if (note->key->front != NULL)
        return false;
    note->key->front = run;
    run->fronts_key = true;
    return true;
}

void zf_key_yield (zf_queue_t *queue, zf_key_t *key, const zf_run_t *run)
{
    zf_run_t *front = key->front;
    if (front == NULL || front->state != ZF_RUN_READY || zf_run_first (front) < zf_run_first (run))
        return;
    zf_run_unlink (queue, front);
    front->fronts_key = false;
    key->front = NULL;
    zf_key_wait (key, front, true);
}

void zf_key_wait (zf_key_t *key, zf_run_t *run, bool first)
{
    run->state = ZF_RUN_HELD;
    if (first)
        DL_PREPEND (key->waiting, run);
    else
        DL_APPEND (key->waiting, run);
    zf_run_queue (run)->engine->overhead += sizeof *run;
}

void zf_key_leave (zf_key_t *key, zf_run_t *run)
{
    DL_DELETE (key->waiting, run);
    zf_run_queue (run)->engine->overhead -= sizeof *run;
}

/* The record that had the key's turn is done: the next one in line has it. Whether its time is over
 * is looked at later: here it would recurse through a whole line of expired ones. */
static void advance_key (zf_queue_t *queue, zf_key_t *key)
{
    zf_run_t *next = key->waiting;
    key->front = next;
    if (next == NULL)
        return;
    zf_run_unlink (queue, next);
    next->fronts_key = true;
    zf_run_line_up (queue, next, false);
}

bool zf_note_link (zf_note_t *note, zf_session_t *asker)
{
    note->asker = asker;
    HASH_ADD (hh, asker->requests, number, sizeof note->number, note);
    if (note->hh.tbl != NULL)
        return true;
    note->asker = NULL;
    return false;
}

void zf_note_forget_asker (zf_note_t *note)
{
    if (note->asker == NULL)
        return;
    HASH_DEL (note->asker->requests, note);
    note->asker = NULL;
}

void zf_note_free (zf_queue_t *queue, zf_note_t *note)
{
    zf_timers_cancel (&queue->engine->timers, &note->timer);
    zf_note_forget_asker (note);
    zf_kept_drop (note);
    if (note->key != NULL)
        drop_key (queue, note->key);
    zf_chunk_set_note (note->chunk, note->at, NULL);
    queue->engine->overhead -= sizeof *note;
    free (note);
}

static int fill_note (zf_queue_t *queue, zf_note_t *note, const zf_props_view_t *props,
                      const zf_intake_t *in, uint64_t ttl_ms)
{
    uint64_t now = queue->engine->now_ms;
    if (props->key.size > 0 && queue->policy.ordered) {
        note->key = hold_key (queue, props->key);
        if (note->key == NULL)
            return ZF_E_NOMEM;
    }
    note->asked = in != NULL && in->asked;
    if (note->asked && !zf_note_link (note, in->session))
        return ZF_E_NOMEM;
    if (ttl_ms > 0 && ttl_ms < ZF_NEVER - now)
        return zf_timers_set (&queue->engine->timers, &note->timer, now + ttl_ms);
    return 0;
}

int zf_note_take (zf_queue_t *queue, zf_place_t place, uint8_t lane, const zf_props_view_t *props,
                  const zf_intake_t *in, uint64_t number)
{
    bool asked = in != NULL && in->asked;
    uint64_t ttl_ms = props->ttl_ms > 0 ? props->ttl_ms : asked ? in->ttl_ms : 0;
    bool keyed = props->key.size > 0 && queue->policy.ordered;
    if (asked && ttl_ms == 0) /* whoever asked is to be told on time */
        ttl_ms = queue->policy.ttl_ms;
    bool keeps = props->keep_reply && props->id.size > 0 && !queue->is_dead &&
                 (queue->holds_replies || !props->dead);
    if (!asked && ttl_ms == 0 && !keyed && !keeps)
        return 0;
    zf_note_t *note = calloc (1, sizeof *note);
    if (note == NULL)
        return ZF_E_NOMEM;
    queue->engine->overhead += sizeof *note;
    note->timer.kind = ZF_TIMER_NOTE;
    note->queue = queue;
    note->chunk = place.chunk;
    note->at = place.at;
    note->lane = lane;
    note->number = number;
    note->since_ms = queue->engine->now_ms;
    note->own_ttl = ttl_ms > 0;
    note->keeps = keeps && !queue->holds_replies;
    int rc = zf_chunk_set_note (place.chunk, place.at, note);
    if (rc == 0)
        rc = fill_note (queue, note, props, in, ttl_ms);
    if (rc == 0 && keeps)
        rc = zf_kept_take (note, props->id);
    if (rc != 0)
        zf_note_free (queue, note);
    return rc;
}

void zf_notes_drop (zf_queue_t *queue, zf_run_t *run)
{
    for (uint32_t at = run->at; at < run->at + run->count; at++) {
        zf_note_t *note = run->chunk->notes[at];
        if (note == NULL)
            continue;
        zf_key_t *key = note->key;
        note->key = NULL;
        zf_note_free (queue, note);
        if (key == NULL)
            continue;
        if (run->fronts_key)
            advance_key (queue, key);
        drop_key (queue, key);
    }
}

static void keep_outcome (zf_note_t *note, const zf_run_t *run, int code, zf_bytes_t reason)
{
    zf_record_t nothing = {{NULL, 0}, {NULL, 0}};
    if (code == 0)
        zf_kept_answer (note, &nothing);
    else
        zf_kept_fail (note, run->attempts, reason);
}

void zf_run_answer (zf_run_t *run, int code, zf_bytes_t reason)
{
    if (run->chunk->notes == NULL)
        return;
    for (uint32_t at = run->at; at < run->at + run->count; at++) {
        zf_note_t *note = run->chunk->notes[at];
        if (note != NULL && note->keeps)
            keep_outcome (note, run, code, reason);
        if (note == NULL || note->asker == NULL)
            continue;
        zf_session_t *asker = note->asker;
        zf_engine_t *engine = note->queue->engine;
        if (code == 0)
            zf_histogram_add (&engine->answer, &zf_answer_ms, engine->now_ms - note->since_ms, 1);
        zf_answer_t answer = {.number = note->number, .code = code, .reason = reason};
        answer.service = zf_bytes (note->queue->name, note->queue->name_size);
        zf_note_forget_asker (note);
        if (asker->dialect->answer != NULL && asker->host != NULL)
            asker->dialect->answer (asker, &answer);
    }
}

zf_run_t *zf_run_single_out (zf_queue_t *queue, zf_place_t place)
{
    uint64_t id = place.chunk->first + place.at;
    zf_group_t *group = &queue->lanes[id >> ZF_LANE_SHIFT].group;
    zf_run_t *run = zf_group_from (group, id);
    if (run == NULL || zf_run_first (run) > id) /* it is fresh */
        return zf_group_mark (group, place.chunk, place.at, 1, ZF_RUN_GONE);
    return zf_run_carve (queue, run, place.at, 1) == 0 ? run : NULL;
}

static zf_run_t *single_out (zf_note_t *note)
{
    zf_place_t place = {note->chunk, note->at};
    return zf_run_single_out (note->queue, place);
}

void zf_note_abandon (zf_note_t *note)
{
    zf_queue_t *queue = note->queue;
    zf_note_forget_asker (note);
    queue->engine->counters.abandoned++;
    zf_run_t *run = single_out (note);
    if (run == NULL || run->state == ZF_RUN_LEASED)
        return; /* a worker has it: let it finish */
    zf_run_unlink (queue, run);
    zf_run_drop (queue, run, ZF_E_CLOSED);
}

void zf_note_expire (zf_note_t *note)
{
    zf_queue_t *queue = note->queue;
    zf_run_t *run = single_out (note);
    if (run == NULL) {
        zf_timers_set (&queue->engine->timers, &note->timer, queue->engine->now_ms + 1000);
        return;
    }
    note->expired = true;
    if (run->state == ZF_RUN_LEASED) { /* the worker may finish, but nobody gets it after that */
        zf_run_answer (run, ZF_E_EXPIRED, zf_bytes_of ("expired"));
        return;
    }
    zf_run_unlink (queue, run);
    zf_run_bury (queue, run, ZF_E_EXPIRED, zf_bytes_of ("expired"));
}
