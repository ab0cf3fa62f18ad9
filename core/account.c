#include "core/account.h"

#include "core/engine.h"
#include <stdlib.h>
#include <utlist.h>

#define RATE_MAX (UINT64_C (1) << 40) /* a second; more is as good as no limit */

/* -- the bucket -------------------------------------------------------------------------------- */

static int64_t rate_of (uint64_t per_s)
{
    return (int64_t) (per_s < RATE_MAX ? per_s : RATE_MAX);
}

static int64_t record_rate (const zf_account_t *account)
{
    return rate_of (account->engine->options.limits.records_per_s);
}

static int64_t byte_rate (const zf_account_t *account)
{
    return rate_of (account->engine->options.limits.bytes_per_s);
}

/* What is in a bucket of this rate, in thousandths, after so many milliseconds. */
static int64_t filled (int64_t left, int64_t rate, uint64_t elapsed_ms)
{
    int64_t full = rate * 1000;
    if (rate == 0 || elapsed_ms >= (uint64_t) ((full - left) / rate))
        return full;
    return left + rate * (int64_t) elapsed_ms;
}

static int64_t less (int64_t left, uint64_t cost)
{
    return left - (int64_t) (cost < RATE_MAX ? cost : RATE_MAX) * 1000;
}

void zf_account_charge (zf_account_t *account, uint64_t records, uint64_t bytes)
{
    int64_t of_records = record_rate (account);
    int64_t of_bytes = byte_rate (account);
    if (of_records == 0 && of_bytes == 0)
        return;
    uint64_t now = account->engine->now_ms;
    uint64_t elapsed = account->is_used ? now - account->filled_ms : UINT64_MAX;
    account->records = less (filled (account->records, of_records, elapsed), records);
    account->bytes = less (filled (account->bytes, of_bytes, elapsed), bytes);
    account->filled_ms = now;
    account->is_used = true;
}

/* How long after filled_ms there will be so much in it. */
static uint64_t wait_ms (int64_t left, int64_t rate, int64_t wanted)
{
    return left < wanted && rate > 0 ? (uint64_t) ((wanted - left + rate - 1) / rate) : 0;
}

/* How long until so many seconds' worth is in it. */
static uint64_t until_ms (const zf_account_t *account, int64_t seconds)
{
    if (!account->is_used)
        return 0;
    int64_t of_records = record_rate (account);
    int64_t of_bytes = byte_rate (account);
    uint64_t for_records = wait_ms (account->records, of_records, seconds * of_records * 1000);
    uint64_t for_bytes = wait_ms (account->bytes, of_bytes, seconds * of_bytes * 1000);
    uint64_t wait = for_records > for_bytes ? for_records : for_bytes;
    uint64_t elapsed = account->engine->now_ms - account->filled_ms;
    return wait > elapsed ? wait - elapsed : 0;
}

uint64_t zf_account_owed_ms (const zf_account_t *account)
{
    return until_ms (account, 0);
}

/* -- queues it has made ------------------------------------------------------------------------ */

void zf_account_made (zf_account_t *account, zf_queue_t *queue)
{
    queue->maker = account;
    DL_APPEND2 (account->made, queue, made_prev, made_next);
    account->made_count++;
}

static void take_out (zf_account_t *account, zf_queue_t *queue)
{
    queue->maker = NULL;
    /* NOLINTNEXTLINE(clang-analyzer-*): it is in its maker's list */
    DL_DELETE2 (account->made, queue, made_prev, made_next);
    account->made_count--;
}

void zf_account_drop_queue (zf_queue_t *queue)
{
    zf_account_t *maker = queue->maker;
    if (maker == NULL)
        return;
    take_out (maker, queue);
    zf_account_review (maker);
}

/* They are that one's from now on; NULL: nobody's. */
static void pass_on (zf_account_t *account, zf_account_t *to)
{
    while (account->made != NULL) {
        zf_queue_t *queue = account->made;
        /* NOLINTNEXTLINE(clang-analyzer-*): each takes itself out of the list */
        take_out (account, queue);
        if (to != NULL)
            zf_account_made (to, queue);
    }
}

/* -- whose it is ------------------------------------------------------------------------------- */

void zf_account_open (zf_session_t *session)
{
    session->own.engine = session->engine;
    session->own.timer.kind = ZF_TIMER_ACCOUNT;
    session->own.sessions = 1;
    session->account = &session->own;
}

static bool is_limited (const zf_engine_t *engine)
{
    const zf_limits_t *limits = &engine->options.limits;
    return limits->records_per_s != 0 || limits->bytes_per_s != 0 || limits->queues != 0;
}

static zf_account_t *account_of (zf_engine_t *engine, const char *key)
{
    zf_account_t *account;
    HASH_FIND_STR (engine->accounts, key, account);
    if (account != NULL || HASH_COUNT (engine->accounts) >= engine->options.max_sessions)
        return account;
    account = calloc (1, sizeof *account);
    if (account == NULL)
        return NULL;
    account->engine = engine;
    account->timer.kind = ZF_TIMER_ACCOUNT;
    memcpy (account->key, key, strlen (key));
    HASH_ADD_STR (engine->accounts, key, account);
    if (account->hh.tbl != NULL)
        return account;
    free (account);
    return NULL;
}

void zf_account_join (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    if (!is_limited (engine) || session->account != &session->own)
        return;
    zf_account_t *account = account_of (engine, session->subject.key);
    if (account == NULL)
        return;
    if (account->sessions == 0)
        zf_timers_cancel (&engine->timers, &account->timer);
    account->sessions++;
    session->account = account;
}

void zf_account_succeed (const zf_session_t *old, zf_session_t *session)
{
    zf_account_t *from = old->account;
    zf_account_t *to = session->account;
    if (from != &old->own || from == to)
        return;
    pass_on (from, to);
    if (!from->is_used || to->is_used)
        return;
    to->is_used = true;
    to->records = from->records;
    to->bytes = from->bytes;
    to->filled_ms = from->filled_ms;
}

void zf_account_leave (zf_session_t *session)
{
    zf_account_t *account = session->account;
    pass_on (&session->own, NULL);
    session->account = &session->own;
    if (account == &session->own)
        return;
    account->sessions--;
    zf_account_review (account);
}

static void forget (zf_account_t *account)
{
    zf_engine_t *engine = account->engine;
    zf_timers_cancel (&engine->timers, &account->timer);
    HASH_DEL (engine->accounts, account);
    free (account);
}

void zf_account_review (zf_account_t *account)
{
    zf_engine_t *engine = account->engine;
    if (account->sessions > 0 || account->made != NULL)
        return;
    uint64_t full = until_ms (account, 1);
    if (full == 0 || zf_timers_set (&engine->timers, &account->timer, engine->now_ms + full) != 0)
        forget (account);
}

void zf_accounts_free (zf_engine_t *engine)
{
    zf_account_t *account, *next;
    HASH_ITER (hh, engine->accounts, account, next)
        forget (account);
}
