#include "core/keep.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

static zf_kept_t *find (zf_engine_t *engine, zf_bytes_t id)
{
    XXH128_hash_t hash = XXH3_128bits (id.data, id.size);
    zf_kept_t *kept;
    HASH_FIND (hh, engine->kept, &hash, sizeof hash, kept);
    return kept;
}

static bool is_answer (const zf_kept_t *kept)
{
    return kept->note->queue->holds_replies;
}

bool zf_kept_is_known (zf_engine_t *engine, zf_bytes_t id)
{
    return find (engine, id) != NULL;
}

int zf_kept_take (zf_note_t *note, zf_bytes_t id)
{
    zf_engine_t *engine = note->queue->engine;
    if (find (engine, id) != NULL)
        return 0; /* a dead letter put back: its answer takes the place of the one before */
    zf_kept_t *kept = calloc (1, sizeof *kept);
    if (kept == NULL)
        return ZF_E_NOMEM;
    kept->hash = XXH3_128bits (id.data, id.size);
    kept->note = note;
    HASH_ADD (hh, engine->kept, hash, sizeof kept->hash, kept);
    if (kept->hh.tbl == NULL) {
        free (kept);
        return ZF_E_NOMEM;
    }
    note->kept = kept;
    return 0;
}

/* -- fetching ---------------------------------------------------------------------------------- */

static void tell (zf_session_t *session, uint64_t number, zf_answer_t *answer)
{
    answer->number = number;
    answer->fetched = true;
    if (session->dialect->answer != NULL && session->host != NULL)
        session->dialect->answer (session, answer);
}

static void tell_code (zf_session_t *session, uint64_t number, int code)
{
    zf_answer_t answer = {.code = code, .reason = zf_bytes_of (zf_strerror (code))};
    tell (session, number, &answer);
}

static void end_fetch (zf_kept_t *kept, zf_fetch_t *fetch)
{
    DL_DELETE (kept->fetches, fetch);
    fetch->session->fetches--;
    free (fetch);
}

static void tell_all (zf_kept_t *kept, zf_answer_t *answer)
{
    while (kept->fetches != NULL) {
        tell (kept->fetches->session, kept->fetches->number, answer);
        end_fetch (kept, kept->fetches);
    }
}

void zf_kept_drop (zf_note_t *note)
{
    zf_kept_t *kept = note->kept;
    if (kept == NULL)
        return;
    zf_answer_t answer = {.code = ZF_E_NOT_FOUND};
    answer.reason = zf_bytes_of (zf_strerror (ZF_E_NOT_FOUND));
    note->kept = NULL;
    tell_all (kept, &answer);
    HASH_DEL (note->queue->engine->kept, kept);
    free (kept);
}

void zf_kept_drop_session (zf_session_t *session)
{
    zf_kept_t *kept, *next_kept;
    if (session->fetches == 0)
        return;
    HASH_ITER (hh, session->engine->kept, kept, next_kept) {
        zf_fetch_t *fetch, *next;
        DL_FOREACH_SAFE (kept->fetches, fetch, next) {
            if (fetch->session == session)
                end_fetch (kept, fetch);
        }
    }
}

static int code_of (zf_bytes_t reason)
{
    if (zf_bytes_equal (reason, zf_bytes_of ("expired")))
        return ZF_E_EXPIRED;
    return zf_bytes_equal (reason, zf_bytes_of ("attempts")) ? ZF_E_DEAD : ZF_E_REJECTED;
}

/* An answer as it is kept: its properties say under which id and, if it is none, why. */
static void read_answer (const zf_record_t *record, zf_answer_t *answer)
{
    zf_props_view_t props;
    zf_props_decode (record->props, record->body.size, &props);
    answer->record = *record;
    if (props.dead) {
        answer->code = code_of (props.death.reason);
        answer->reason = props.death.reason;
    }
}

int zf_kept_look (zf_engine_t *engine, zf_bytes_t id, zf_answer_t *answer)
{
    zf_kept_t *kept = find (engine, id);
    memset (answer, 0, sizeof *answer);
    if (kept == NULL)
        return ZF_E_NOT_FOUND;
    if (!is_answer (kept))
        return ZF_E_BUSY;
    if (!zf_chunk_here (kept->note->queue, kept->note->chunk))
        return ZF_E_AGAIN;
    zf_record_t record = zf_chunk_record (kept->note->chunk, kept->note->at);
    read_answer (&record, answer);
    return 0;
}

/* A session waits for an answer once: who gave up waiting does not say so. */
static void replace_fetch (zf_kept_t *kept, const zf_session_t *session)
{
    zf_fetch_t *fetch, *next;
    DL_FOREACH_SAFE (kept->fetches, fetch, next) {
        if (fetch->session != session)
            continue;
        tell_code (fetch->session, fetch->number, ZF_E_AGAIN);
        end_fetch (kept, fetch);
    }
}

void zf_kept_fetch (zf_session_t *session, uint64_t number, zf_bytes_t id, bool wait)
{
    zf_answer_t answer;
    int rc = zf_kept_look (session->engine, id, &answer);
    if (rc == 0) {
        tell (session, number, &answer);
        return;
    }
    zf_kept_t *kept = find (session->engine, id);
    zf_fetch_t *fetch = NULL;
    if (kept != NULL)
        replace_fetch (kept, session);
    if (rc == ZF_E_BUSY && wait && session->fetches < ZF_FETCHES_MAX)
        fetch = calloc (1, sizeof *fetch);
    if (fetch == NULL) {
        tell_code (session, number, rc == ZF_E_BUSY ? ZF_E_AGAIN : rc);
        return;
    }
    fetch->session = session;
    fetch->number = number;
    session->fetches++;
    DL_APPEND (kept->fetches, fetch);
}

int zf_kept_forget (zf_engine_t *engine, zf_bytes_t id)
{
    zf_kept_t *kept = find (engine, id);
    if (kept == NULL)
        return ZF_E_NOT_FOUND;
    if (!is_answer (kept))
        return ZF_E_BUSY;
    zf_queue_t *queue = kept->note->queue;
    zf_place_t place = {kept->note->chunk, kept->note->at};
    zf_run_t *run = zf_run_single_out (queue, place);
    if (run == NULL)
        return ZF_E_NOMEM;
    if (run->state == ZF_RUN_LEASED)
        return ZF_E_BUSY; /* somebody consumes the answers */
    zf_run_unlink (queue, run);
    zf_run_finish (queue, run);
    return 0;
}

/* -- answering --------------------------------------------------------------------------------- */

static zf_queue_t *replies_of (zf_engine_t *engine)
{
    int code;
    zf_queue_t *queue = zf_engine_find (engine, zf_bytes_of (ZF_REPLIES));
    return queue != NULL ? queue : zf_engine_queue (engine, zf_bytes_of (ZF_REPLIES), &code);
}

/* The record with its properties less those that only a request has, in the scratch buffer. */
static zf_bytes_t encode (zf_engine_t *engine, const zf_record_t *record, zf_bytes_t id,
                          const zf_death_t *death)
{
    zf_props_view_t props;
    uint8_t copy[ZF_ID_MAX];
    zf_writer_t *w = &engine->keep_scratch; /* the record may lie in the other one */
    memcpy (copy, id.data, id.size);
    w->size = 0;
    w->failed = false;
    zf_props_decode (record->props, record->body.size, &props);
    props.id = zf_bytes (copy, id.size);
    props.key = zf_bytes (NULL, 0);
    props.delay_ms = props.ttl_ms = 0;
    props.priority = 0;
    props.keep_reply = true;
    if (zf_props_rewrite (w, &props, death) != 0)
        return zf_bytes (NULL, 0);
    size_t props_size = w->size;
    size_t size = zf_record_size (props_size, record->body.size);
    if (zf_writer_reserve (w, size) == NULL)
        return zf_bytes (NULL, 0);
    uint8_t *at = w->data + props_size;
    zf_record_encode (at, zf_bytes (w->data, props_size), record->body);
    return zf_bytes (at, size);
}

/* Puts the answer into the queue of answers, in the request's place; who waits for it gets it. */
static bool keep (zf_note_t *note, const zf_record_t *record, const zf_death_t *death)
{
    zf_engine_t *engine = note->queue->engine;
    zf_record_t request = zf_chunk_record (note->chunk, note->at);
    zf_props_view_t props;
    zf_props_decode (request.props, request.body.size, &props);
    zf_queue_t *replies = replies_of (engine);
    zf_bytes_t encoded = encode (engine, record, props.id, death);
    zf_kept_t *kept = note->kept;
    if (replies == NULL || encoded.size == 0)
        return false;
    if (kept == NULL) { /* the answer that it had before it was put back */
        zf_kept_forget (engine, props.id);
    } else {
        HASH_DEL (engine->kept, kept);
        note->kept = NULL;
    }
    bool done = zf_queue_put_one (replies, encoded) == 0;
    if (kept == NULL)
        return done;
    zf_answer_t answer = {.code = 0};
    zf_record_t reply;
    zf_record_decode (encoded.data, (const uint8_t *) encoded.data + encoded.size, &reply);
    read_answer (&reply, &answer);
    if (done) {
        tell_all (kept, &answer);
        free (kept);
        return true;
    }
    HASH_ADD (hh, engine->kept, hash, sizeof kept->hash, kept);
    note->kept = kept->hh.tbl != NULL ? kept : NULL;
    return false;
}

bool zf_kept_answer (zf_note_t *note, const zf_record_t *record)
{
    return keep (note, record, NULL);
}

void zf_kept_fail (zf_note_t *note, uint32_t attempts, zf_bytes_t reason)
{
    zf_record_t nothing = {{NULL, 0}, {NULL, 0}};
    zf_death_t death = {zf_bytes (note->queue->name, note->queue->name_size), reason, attempts};
    keep (note, &nothing, &death);
}
