#include "core/throttle.h"

#include "core/engine.h"
#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define MESSAGE_COST 256 /* bytes that a held message takes beside its frames */

/* A message that waits. */
struct zf_waiting {
    zf_waiting_t *prev, *next;
    uint64_t bytes; /* as they count */
    size_t count;
    zf_frame_t *frames[]; /* held */
};

void zf_throttle_charge (zf_session_t *session, uint64_t records, uint64_t bytes)
{
    zf_account_charge (session->account, records, bytes);
}

/* -- sessions that wait ------------------------------------------------------------------------ */

static int set_timer (zf_account_t *account)
{
    zf_engine_t *engine = account->engine;
    return zf_timers_set (&engine->timers, &account->timer,
                          engine->now_ms + zf_account_owed_ms (account));
}

static void join_line (zf_session_t *session)
{
    DL_APPEND2 (session->account->waiting, session, throttle.prev, throttle.next);
}

static void leave_line (zf_session_t *session)
{
    zf_account_t *account = session->account;
    /* NOLINTNEXTLINE(clang-analyzer-*): it is in the line */
    DL_DELETE2 (account->waiting, session, throttle.prev, throttle.next);
    if (account->waiting == NULL)
        zf_timers_cancel (&account->engine->timers, &account->timer);
}

/* -- what waits -------------------------------------------------------------------------------- */

static void free_waiting (zf_session_t *session, zf_waiting_t *waiting)
{
    session->throttle.held_bytes -= waiting->bytes;
    DL_DELETE (session->throttle.held, waiting);
    for (size_t i = 0; i < waiting->count; i++)
        zf_frame_drop (waiting->frames[i]);
    free (waiting);
}

static void append (zf_session_t *session, zf_waiting_t *waiting, zf_frame_t **frames)
{
    zf_throttle_t *throttle = &session->throttle;
    waiting->bytes = MESSAGE_COST;
    for (size_t i = 0; i < waiting->count; i++) {
        waiting->frames[i] = zf_frame_hold (frames[i]);
        waiting->bytes += frames[i]->size;
    }
    if (throttle->held == NULL)
        join_line (session);
    DL_APPEND (throttle->held, waiting);
    throttle->held_bytes += waiting->bytes;
    session->engine->counters.throttled++;
}

static void keep (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    zf_throttle_t *throttle = &session->throttle;
    zf_waiting_t *waiting = malloc (sizeof *waiting + count * sizeof (zf_frame_t *));
    if (waiting == NULL || (session->account->waiting == NULL && set_timer (session->account))) {
        free (waiting);
        zf_session_end (session, "out of memory"); /* so that it sends it again */
        return;
    }
    waiting->count = count;
    append (session, waiting, frames);
    throttle->is_full = throttle->held_bytes > 2 * session->engine->options.window_bytes &&
                        throttle->held != waiting;
    if (!throttle->is_full)
        return;
    zf_session_wrong (session, "sends on though it is held back: %llu bytes wait",
                      (unsigned long long) throttle->held_bytes);
}

bool zf_throttle_hold (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    const zf_account_t *account = session->account;
    const zf_dialect_t *dialect = session->dialect;
    if (account->waiting == NULL && zf_account_owed_ms (account) == 0)
        return false;
    if (dialect->passes != NULL && dialect->passes (session, frames, count))
        return false;
    if (!session->throttle.is_full)
        keep (session, frames, count);
    return true;
}

/* One message of it; then it is another's turn. */
static void go_on (zf_session_t *session)
{
    zf_throttle_t *throttle = &session->throttle;
    zf_waiting_t *waiting = throttle->held;
    if (session->doomed || waiting == NULL) {
        zf_throttle_release (session);
        return;
    }
    session->dialect->input (session, waiting->frames, waiting->count);
    free_waiting (session, waiting);
    leave_line (session);
    if (throttle->held != NULL)
        join_line (session);
    else if (throttle->is_full)
        zf_session_end (session, "does not keep to its rate");
}

void zf_throttle_over (zf_account_t *account)
{
    zf_engine_t *engine = account->engine;
    zf_session_t *session;
    while (account->waiting != NULL && zf_account_owed_ms (account) == 0 &&
           zf_store_entry_bytes (engine) < ZF_ENTRY_ENOUGH)
        go_on (account->waiting);
    if (account->waiting == NULL || set_timer (account) == 0)
        return;
    DL_FOREACH2 (account->waiting, session, throttle.next)
        zf_session_end (session, "out of memory");
}

void zf_throttle_release (zf_session_t *session)
{
    if (session->throttle.held == NULL)
        return;
    leave_line (session);
    while (session->throttle.held != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-*): each takes itself out of the list */
        free_waiting (session, session->throttle.held);
}
