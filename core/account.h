/* What a client has taken of its limits: a token bucket for its rate, and the queues it has made.
 *
 * A client is a key: all sessions that have it share one account, and that outlives the last of
 * them until its bucket is full again and no queue is left that it has made. A session without a
 * key is a client by itself, with an account of its own; so is one for whose key there was no
 * memory, or no room: there are no more accounts of keys than there may be sessions. Without
 * limits none is made.
 *
 * What a message costs is known when it was dealt with, so the bucket may go below zero: that much
 * is owed. A full bucket is what one second brings.
 *
 * Threads: the engine's. */
#ifndef ZF_CORE_ACCOUNT_H
#define ZF_CORE_ACCOUNT_H

#include "core/hash.h"
#include "core/timers.h"

#include <stdbool.h>
#include <stdint.h>
#include <zferry/security.h>

typedef struct zf_engine zf_engine_t;
typedef struct zf_session zf_session_t;
typedef struct zf_queue zf_queue_t;

typedef struct zf_account {
    zf_engine_t *engine;
    bool is_used;          /* the figures below mean something; else the bucket is full */
    int64_t records;       /* left in the bucket, in thousandths; below zero: owed */
    int64_t bytes;         /* the same */
    uint64_t filled_ms;    /* when these were counted */
    zf_session_t *waiting; /* those of its sessions whose messages are held; next one first (utlist,
                              throttle) */
    zf_timer_t timer;      /* the first of them goes on; or, without sessions, it is forgotten */
    zf_queue_t *made;      /* queues that are there because it used a new name (utlist, made) */
    uint32_t made_count;   /* of these */
    uint32_t sessions;     /* that share it */
    char key[ZF_KEY_TEXT]; /* whose it is; of a session's own: empty */
    UT_hash_handle hh;     /* in the engine, by key */
} zf_account_t;

/* The session begins, with an account of its own. */
void zf_account_open (zf_session_t *session);

/* Its key is known now: from here on it shares the account of that. To be called before its first
 * input. */
void zf_account_join (zf_session_t *session);

/* The session is the same client as the old one: what that has taken it has taken. */
void zf_account_succeed (const zf_session_t *old, zf_session_t *session);

/* The session ends. What was its own is forgotten. */
void zf_account_leave (zf_session_t *session);

/* So many records of so many bytes have come. */
void zf_account_charge (zf_account_t *account, uint64_t records, uint64_t bytes);

/* How long until nothing is owed; 0: nothing is. */
uint64_t zf_account_owed_ms (const zf_account_t *account);

/* It has made the queue; the queue goes. */
void zf_account_made (zf_account_t *account, zf_queue_t *queue);
void zf_account_drop_queue (zf_queue_t *queue);

/* Forgets it if it is no session's any more and does not matter, or sets the timer for that. It may
 * be gone afterwards. */
void zf_account_review (zf_account_t *account);

/* When there are neither sessions nor queues any more. */
void zf_accounts_free (zf_engine_t *engine);

#endif
