/* Holding back a client that sends more than its rate: messages of its sessions wait until its
 * account (account.h) owes nothing any more.
 *
 * What a session sends is held in order. If several sessions of one account wait, they take turns,
 * a message each; and while one waits the others do too, so that none is passed over. Held bytes of
 * a session are bounded by two windows of the engine. What comes beyond is dropped, and the session
 * ends when what is held has gone on: not before, for who then sends all of it again at once would
 * do so without end. Messages that its dialect lets pass are not held: those that cost nothing, and
 * do not depend on what was sent before.
 *
 * Threads: the engine's. */
#ifndef ZF_CORE_THROTTLE_H
#define ZF_CORE_THROTTLE_H

#include "core/account.h"
#include "core/frame.h"

#include <stdbool.h>

typedef struct zf_waiting zf_waiting_t;

/* Of a session; zeroed it holds nothing. */
typedef struct {
    zf_waiting_t *held;        /* oldest first (utlist); if there are any, the session is in the */
    zf_session_t *prev, *next; /* account's list of those that wait */
    uint64_t held_bytes;
    bool is_full; /* no more is held: it ends when these have gone on */
} zf_throttle_t;

/* Holds the message if the session has to wait. Returns true if it did (or has dropped it, or ended
 * the session): it is not to be handled now. */
bool zf_throttle_hold (zf_session_t *session, zf_frame_t **frames, size_t count);

/* So many records of so many bytes have come from it. */
void zf_throttle_charge (zf_session_t *session, uint64_t records, uint64_t bytes);

/* The account's timer fired: what is held goes on. */
void zf_throttle_over (zf_account_t *account);

/* Drops what is held, when the session or its connection ends. */
void zf_throttle_release (zf_session_t *session);

#endif
