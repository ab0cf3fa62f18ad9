#include "core/keep.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

static const zf_record_t nothing = {{NULL, 0}, {NULL, 0}};

static zf_kept_t *find (zf_engine_t *engine, zf_bytes_t id)
{
    XXH128_hash_t hash = XXH3_128bits (id.data, id.size);
    zf_kept_t *kept;
    HASH_FIND (hh, engine->kept, &hash, sizeof hash, kept);
    return kept;
}

bool zf_kept_is_known (zf_engine_t *engine, zf_bytes_t id)
{
    return find (engine, id) != NULL;
}

static size_t bytes_of (const zf_kept_t *kept)
{
    return sizeof *kept + kept->id_size;
}

static zf_kept_t *make (zf_engine_t *engine, zf_bytes_t id)
{
    zf_kept_t *kept = calloc (1, sizeof *kept + id.size);
    if (kept == NULL)
        return NULL;
    kept->hash = XXH3_128bits (id.data, id.size);
    kept->id_size = id.size;
    memcpy (kept->id, id.data, id.size);
    HASH_ADD (hh, engine->kept, hash, sizeof kept->hash, kept);
    if (kept->hh.tbl == NULL) {
        free (kept);
        return NULL;
    }
    engine->overhead += bytes_of (kept);
    return kept;
}

int zf_kept_take (zf_note_t *note, zf_bytes_t id)
{
    zf_engine_t *engine = note->queue->engine;
    zf_kept_t *kept = find (engine, id);
    if (kept == NULL && (kept = make (engine, id)) == NULL)
        return ZF_E_NOMEM;
    zf_note_t **place = note->queue->holds_replies ? &kept->answer : &kept->request;
    if (*place != NULL)
        (*place)->kept = NULL; /* the newer one counts */
    *place = note;
    note->kept = kept;
    if (note->queue->holds_replies)
        kept->lsn = engine->store.lsn;
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

const char *zf_kept_words (int code)
{
    switch (code) {
    case ZF_E_NOT_FOUND:
        return "no request with this id, or its answer is gone";
    case ZF_E_AGAIN:
    case ZF_E_BUSY:
        return "there is no answer yet";
    case ZF_E_DENIED:
        return "may not fetch answers: it may not post anything";
    default:
        return zf_strerror (code);
    }
}

static void tell_code (zf_session_t *session, uint64_t number, int code)
{
    zf_answer_t answer = {.code = code, .reason = zf_bytes_of (zf_kept_words (code))};
    tell (session, number, &answer);
}

static void end_fetch (zf_fetch_t *fetch)
{
    DL_DELETE (fetch->kept->fetches, fetch);
    DL_DELETE2 (fetch->session->fetches, fetch, session_prev, session_next);
    fetch->session->fetch_count--;
    free (fetch);
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

/* What a worker has seen of a request must not vanish, and neither must what a client has seen of
 * its answer. */
static int look (const zf_kept_t *kept, zf_answer_t *answer)
{
    memset (answer, 0, sizeof *answer);
    if (kept->request != NULL)
        return ZF_E_BUSY;
    zf_note_t *note = kept->answer;
    const zf_store_t *store = &note->queue->engine->store;
    if (note->queue->is_durable && kept->lsn >= store->durable)
        return store->failed ? ZF_E_IO : ZF_E_BUSY;
    if (!zf_chunk_here (note->queue, note->chunk))
        return ZF_E_AGAIN;
    zf_record_t record = zf_chunk_record (note->chunk, note->at);
    read_answer (&record, answer);
    return 0;
}

int zf_kept_look (zf_engine_t *engine, zf_bytes_t id, zf_answer_t *answer)
{
    const zf_kept_t *kept = find (engine, id);
    return kept != NULL ? look (kept, answer) : ZF_E_NOT_FOUND;
}

/* The answer to the fetch of that number is durable, or never will be. */
static void say_answer (zf_session_t *session, const zf_held_t *held)
{
    zf_answer_t answer;
    zf_fetch_t *fetch;
    DL_SEARCH_SCALAR2 (session->fetches, fetch, number, held->first, session_next);
    if (fetch == NULL)
        return;                           /* it was told something else meanwhile */
    int rc = look (fetch->kept, &answer); /* which knows if the log has failed */
    if (rc == ZF_E_BUSY)
        return; /* that answer is gone, and the next one will be told */
    if (rc == 0)
        tell (session, fetch->number, &answer);
    else
        tell_code (session, fetch->number, rc);
    end_fetch (fetch);
}

static void tell_when_durable (zf_fetch_t *fetch)
{
    zf_held_t held = {.say = say_answer, .first = fetch->number};
    zf_store_hold (fetch->session, &held);
}

/* There is an answer. */
static void announce (zf_kept_t *kept)
{
    zf_fetch_t *fetch, *next;
    DL_FOREACH_SAFE (kept->fetches, fetch, next)
        tell_when_durable (fetch);
}

static void discard (zf_engine_t *engine, zf_kept_t *kept)
{
    zf_fetch_t *fetch, *next;
    DL_FOREACH_SAFE (kept->fetches, fetch, next) {
        tell_code (fetch->session, fetch->number, ZF_E_NOT_FOUND);
        end_fetch (fetch);
    }
    engine->overhead -= bytes_of (kept);
    HASH_DEL (engine->kept, kept);
    free (kept);
}

void zf_kept_drop (zf_note_t *note)
{
    zf_kept_t *kept = note->kept;
    if (kept == NULL)
        return;
    note->kept = NULL;
    if (kept->answer == note)
        kept->answer = NULL;
    else
        kept->request = NULL;
    if (kept->answer != NULL)
        announce (kept); /* the one that it had before */
    else if (kept->request == NULL)
        discard (note->queue->engine, kept);
}

void zf_kept_drop_session (zf_session_t *session)
{
    zf_fetch_t *fetch, *next;
    DL_FOREACH_SAFE2 (session->fetches, fetch, next, session_next)
        end_fetch (fetch);
}

void zf_kept_deny_session (zf_session_t *session)
{
    zf_fetch_t *fetch, *next;
    DL_FOREACH_SAFE2 (session->fetches, fetch, next, session_next) {
        tell_code (session, fetch->number, ZF_E_DENIED);
        end_fetch (fetch);
    }
}

/* A session waits for an answer once: who gave up waiting does not say so. */
static void replace_fetch (zf_session_t *session, const zf_kept_t *kept)
{
    zf_fetch_t *fetch;
    DL_SEARCH_SCALAR2 (session->fetches, fetch, kept, kept, session_next);
    if (fetch == NULL)
        return;
    tell_code (session, fetch->number, ZF_E_AGAIN);
    end_fetch (fetch);
}

/* NULL: it has too many, or no memory. */
static zf_fetch_t *add_fetch (zf_session_t *session, uint64_t number, zf_kept_t *kept)
{
    zf_fetch_t *fetch = NULL;
    if (session->fetch_count < ZF_FETCHES_MAX)
        fetch = calloc (1, sizeof *fetch);
    if (fetch == NULL)
        return NULL;
    fetch->session = session;
    fetch->kept = kept;
    fetch->number = number;
    session->fetch_count++;
    DL_APPEND (kept->fetches, fetch);
    DL_APPEND2 (session->fetches, fetch, session_prev, session_next);
    return fetch;
}

void zf_kept_fetch (zf_session_t *session, uint64_t number, zf_bytes_t id, bool wait)
{
    zf_answer_t answer;
    zf_kept_t *kept = find (session->engine, id);
    int rc = kept != NULL ? look (kept, &answer) : ZF_E_NOT_FOUND;
    if (kept != NULL)
        replace_fetch (session, kept);
    zf_fetch_t *fetch = rc == ZF_E_BUSY && wait ? add_fetch (session, number, kept) : NULL;
    if (rc == 0)
        tell (session, number, &answer);
    else if (fetch == NULL)
        tell_code (session, number, rc == ZF_E_BUSY ? ZF_E_AGAIN : rc);
    else if (kept->request == NULL)
        tell_when_durable (fetch);
}

static int drop_answer (zf_kept_t *kept)
{
    zf_queue_t *queue = kept->answer->queue;
    zf_place_t place = {kept->answer->chunk, kept->answer->at};
    zf_run_t *run = zf_run_single_out (queue, place);
    if (run == NULL)
        return ZF_E_NOMEM;
    if (run->state == ZF_RUN_LEASED)
        return ZF_E_BUSY; /* somebody consumes the answers */
    zf_run_unlink (queue, run);
    zf_run_finish (queue, run);
    return 0;
}

int zf_kept_forget (zf_engine_t *engine, zf_bytes_t id)
{
    zf_kept_t *kept = find (engine, id);
    if (kept == NULL)
        return ZF_E_NOT_FOUND;
    return kept->request != NULL ? ZF_E_BUSY : drop_answer (kept);
}

/* -- answering --------------------------------------------------------------------------------- */

static zf_queue_t *replies_of (zf_engine_t *engine)
{
    int code;
    return zf_engine_queue (engine, zf_bytes_of (ZF_REPLIES), &code);
}

/* The record with its properties less those that only a request has, in the scratch buffer. */
static zf_bytes_t encode (zf_engine_t *engine, const zf_kept_t *kept, const zf_record_t *record,
                          const zf_death_t *death)
{
    zf_props_view_t props;
    zf_writer_t *w = &engine->keep_scratch; /* the record may lie in the other one */
    w->size = 0;
    w->failed = false;
    zf_props_decode (record->props, record->body.size, &props);
    props.id = zf_bytes (kept->id, kept->id_size);
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

/* An id may come to zf.replies twice: the answer of a dead letter that was put back. */
static int put (zf_queue_t *replies, zf_bytes_t encoded)
{
    uint32_t window = replies->policy.dedup_window_ms;
    replies->policy.dedup_window_ms = 0;
    int rc = zf_queue_put_one (replies, encoded);
    replies->policy.dedup_window_ms = window;
    return rc;
}

/* Puts the answer into the queue of answers, in the request's place; who waits for it gets it. */
static bool keep (zf_note_t *note, const zf_record_t *record, const zf_death_t *death)
{
    zf_engine_t *engine = note->queue->engine;
    zf_kept_t *kept = note->kept;
    if (kept == NULL || note->queue->is_drained)
        return true;
    zf_queue_t *replies = replies_of (engine);
    zf_bytes_t encoded = encode (engine, kept, record, death);
    if (replies == NULL || encoded.size == 0)
        return false;
    if (kept->answer != NULL && drop_answer (kept) == ZF_E_NOMEM)
        return false;
    if (put (replies, encoded) != 0 || kept->answer == NULL)
        return false;
    kept->request = NULL;
    note->kept = NULL;
    announce (kept);
    return true;
}

static bool has_room (zf_engine_t *engine, size_t size)
{
    const zf_queue_t *replies = replies_of (engine);
    if (replies == NULL)
        return true; /* which is found out later */
    if (replies->is_durable)
        return size <= zf_store_spare (engine);
    uint64_t most = engine->options.memory_bytes;
    return size <= most && replies->bytes <= most - size;
}

bool zf_kept_answer (zf_note_t *note, const zf_record_t *record)
{
    size_t size = zf_record_size (record->props.size + ZF_DEATH_MAX, record->body.size);
    if (note->kept == NULL || has_room (note->queue->engine, size))
        return keep (note, record, NULL);
    return zf_kept_fail (note, 0, zf_bytes_of ("no room to keep the answer"));
}

bool zf_kept_fail (zf_note_t *note, uint32_t attempts, zf_bytes_t reason)
{
    zf_death_t death = {zf_bytes (note->queue->name, note->queue->name_size), reason, attempts};
    return keep (note, &nothing, &death);
}
