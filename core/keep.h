/* Kept answers: a record posted with an id and keep_reply is a request whose answer is not sent but
 * kept, as a record of the queue "zf.replies" under the same id, until somebody fetches and forgets
 * it or that queue's time to live is over. With a log, both survive the broker, and an answer is
 * told when it is durable, not before.
 *
 * An id that is known already is not taken a second time: posting a request again is harmless. A
 * dead letter that is put back is answered anew. Where a link takes a request further its answer is
 * kept there, not here.
 * Limits: ZF_FETCHES_MAX fetches of one session wait at a time; answers that no log has may take as
 * much memory as everything else, those in the log what the disk has left: beyond that it is kept
 * that there was no room. */
#ifndef ZF_CORE_KEEP_H
#define ZF_CORE_KEEP_H

#include "core/engine.h"

#define ZF_REPLIES     "zf.replies"
#define ZF_REPLIES_TTL (UINT64_C (24) * 3600 * 1000)
#define ZF_FETCHES_MAX 1024

/* Somebody who waits for an answer. */
typedef struct zf_fetch {
    zf_session_t *session;
    zf_kept_t *kept;
    uint64_t number;                              /* the session's for it */
    struct zf_fetch *prev, *next;                 /* of the same id */
    struct zf_fetch *session_prev, *session_next; /* of the same session */
} zf_fetch_t;

/* An id: a request that waits for its answer, the answer, or both: a dead letter that was put back,
 * and what was said of it before. */
struct zf_kept {
    XXH128_hash_t hash; /* of the id */
    zf_note_t *request; /* or NULL */
    zf_note_t *answer;  /* in zf.replies, or NULL */
    uint64_t lsn;       /* of the entry that the answer is in */
    zf_fetch_t *fetches;
    UT_hash_handle hh; /* in the engine */
    size_t id_size;
    uint8_t id[]; /* the request itself may be on disk only when it is answered */
};

/* True if a request with that id is known. */
bool zf_kept_is_known (zf_engine_t *engine, zf_bytes_t id);

/* The record of that note is such a request, or an answer. Returns 0 or ZF_E_NOMEM. */
int zf_kept_take (zf_note_t *note, zf_bytes_t id);

/* The record is about to go. Who waited for it is told that there is nothing. */
void zf_kept_drop (zf_note_t *note);

/* Keeps the answer, or why there is none; the first of these counts. Returns false if it can't: out
 * of memory. */
bool zf_kept_answer (zf_note_t *note, const zf_record_t *record);
bool zf_kept_fail (zf_note_t *note, uint32_t attempts, zf_bytes_t reason);

/* Answers the session at once or, if wait, when the answer is there. */
void zf_kept_fetch (zf_session_t *session, uint64_t number, zf_bytes_t id, bool wait);

/* Drops an answer. Returns 0, ZF_E_NOT_FOUND, ZF_E_BUSY (there is none yet), ZF_E_NOMEM. */
int zf_kept_forget (zf_engine_t *engine, zf_bytes_t id);

/* What is known of it: ZF_E_NOT_FOUND, ZF_E_BUSY (there is no answer yet, or it is not durable),
 * ZF_E_IO (it never will be), ZF_E_AGAIN (it is not in memory, but will be), or 0 and the answer:
 * code is 0, or why there is none, in words too. */
int zf_kept_look (zf_engine_t *engine, zf_bytes_t id, zf_answer_t *answer);

void zf_kept_drop_session (zf_session_t *session);

/* The session may not fetch any more: it is told instead of answers. */
void zf_kept_deny_session (zf_session_t *session);

/* One of these codes in words, for who fetches. */
const char *zf_kept_words (int code);

#endif
