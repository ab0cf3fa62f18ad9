#include "core/engine.h"
#include "core/keep.h"
#include "core/link.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define LOOKS      1000000     /* records looked at for readers of streams in a turn */
#define COPIES     (32u << 20) /* bytes copied for them */
#define TIME_SHIFT 12          /* ids do not grow by 4,096 a millisecond for years */
#define AWAY_MS    10000       /* a client without connection keeps its requests for so long */

#define CONTAINER(pointer, type, member) \
    ((type *) (void *) ((char *) (pointer) -offsetof (type, member)))

void zf_engine_defaults (zf_engine_options_t *options)
{
    memset (options, 0, sizeof *options);
    zf_policy_defaults (&options->policy);
    options->memory_bytes = UINT64_C (1) << 30;
    options->max_message_bytes = 16u << 20;
    options->window_bytes = 4u << 20;
    options->max_queues = 10000;
    options->max_sessions = 65536;
    options->heartbeat_ms = 500;
    options->mdp_heartbeat_ms = 2500;
    options->client_idle_ms = 60000;
    options->stream_bytes = 64u << 20;
    options->stream_durable_bytes = UINT64_C (1) << 30;
}

zf_engine_t *zf_engine_new (const zf_engine_options_t *options)
{
    zf_engine_t *engine = calloc (1, sizeof *engine);
    if (engine != NULL)
        engine->options = *options;
    return engine;
}

static void free_queue (zf_engine_t *engine, zf_queue_t *queue)
{
    HASH_DEL (engine->queues, queue);
    zf_queue_free (queue);
    free (queue);
}

static void free_session (zf_session_t *session)
{
    free (session->address);
    free (session);
}

void zf_engine_free (zf_engine_t **engine_p)
{
    zf_engine_t *engine = *engine_p;
    if (engine == NULL)
        return;
    *engine_p = NULL;
    while (engine->sessions != NULL)
        zf_session_release (engine->sessions);
    zf_engine_sent (engine);
    zf_queue_t *queue, *next;
    HASH_ITER (hh, engine->queues, queue, next)
        free_queue (engine, queue);
    zf_accounts_free (engine);
    zf_effects_clear (engine);
    zf_store_free (engine);
    zf_producers_free (&engine->atomics);
    zf_access_drop (&engine->access);
    zf_timers_free (&engine->timers);
    zf_writer_free (&engine->scratch);
    zf_writer_free (&engine->keep_scratch);
    zf_writer_free (&engine->arena);
    free (engine->effects);
    free (engine->outs);
    free (engine);
}

/* -- queues ------------------------------------------------------------------------------------ */

zf_queue_t *zf_engine_find (zf_engine_t *engine, zf_bytes_t name)
{
    zf_queue_t *queue = NULL;
    HASH_FIND (hh, engine->queues, name.data, name.size, queue);
    return queue;
}

/* 1..255 bytes without control characters; mmi.* belongs to Majordomo's management interface. */
bool zf_is_name (zf_bytes_t name)
{
    const uint8_t *bytes = name.data;
    if (name.size == 0 || name.size > ZF_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7f)
            return false;
    }
    return name.size < 4 || memcmp (bytes, "mmi.", 4) != 0;
}

/* Room for one more queue, if need be by forgetting the one that was idle longest. */
static bool make_room (zf_engine_t *engine)
{
    if (HASH_COUNT (engine->queues) < engine->options.max_queues)
        return true;
    zf_queue_t *queue = engine->idle;
    while (queue != NULL && queue->is_dirty) /* those are being posted to in this turn */
        queue = queue->idle_next;
    if (queue == NULL)
        return false;
    zf_engine_forget_queue (queue);
    return true;
}

#define ID_MASK ((UINT64_C (1) << ZF_LANE_SHIFT) - 1)

static void raise_floor (const zf_queue_t *queue)
{
    for (uint32_t i = 0; i < queue->policy.priorities; i++) {
        uint64_t next = queue->lanes[i].log.next & ID_MASK;
        if (next > queue->engine->ids_floor)
            queue->engine->ids_floor = next;
    }
}

uint64_t zf_engine_new_ids (const zf_engine_t *engine)
{
    return (engine->now_ms << TIME_SHIFT) & ID_MASK;
}

/* For links, which number records by their ids: a queue that is made anew goes on where another
 * ended, and one that no log remembers where none was in an earlier run. */
static void lift_ids (zf_queue_t *queue)
{
    const zf_engine_t *engine = queue->engine;
    zf_queue_lift_ids (queue, engine->ids_floor);
    if ((engine->store.on || queue->stream != NULL) && !queue->is_durable)
        zf_queue_lift_ids (queue, zf_engine_new_ids (engine));
}

void zf_engine_forget_queue (zf_queue_t *queue)
{
    zf_engine_t *engine = queue->engine;
    raise_floor (queue);
    zf_store_forget (queue);
    if (queue->is_idle)
        DL_DELETE2 (engine->idle, queue, idle_prev, idle_next);
    if (queue->is_dirty)
        DL_DELETE (engine->dirty, queue);
    free_queue (engine, queue);
}

zf_queue_t *zf_engine_numbered (zf_engine_t *engine, uint32_t number)
{
    zf_queue_t *queue;
    HASH_FIND (hh_number, engine->numbered, &number, sizeof number, queue);
    return queue;
}

/* 0: takes it out. */
static int set_number (zf_queue_t *queue, uint32_t number)
{
    zf_engine_t *engine = queue->engine;
    if (queue->number != 0)
        HASH_DELETE (hh_number, engine->numbered, queue);
    queue->number = number;
    if (number == 0)
        return 0;
    HASH_ADD (hh_number, engine->numbered, number, sizeof queue->number, queue);
    if (queue->hh_number.tbl == NULL) {
        queue->number = 0;
        return ZF_E_NOMEM;
    }
    if (number > engine->store.queue_number)
        engine->store.queue_number = number;
    return 0;
}

void zf_engine_unnumber_queue (zf_queue_t *queue)
{
    set_number (queue, 0);
}

int zf_engine_number_queue (zf_queue_t *queue, bool durable)
{
    zf_store_t *store = &queue->engine->store;
    int rc = 0;
    if (durable && queue->number == 0) {
        rc = set_number (queue, store->queue_number + 1);
    } else if (!durable && queue->number != 0) {
        zf_store_forget (queue);
        set_number (queue, 0);
        queue->is_durable = false;
        lift_ids (queue);
    }
    queue->is_durable = queue->number != 0;
    return rc;
}

static void set_replies_policy (zf_policy_t *policy)
{
    policy->ttl_ms = ZF_REPLIES_TTL;
    policy->max_attempts = 0;
    policy->dedup_window_ms = 0;
    policy->kind = ZF_KIND_QUEUE;
    memcpy (policy->dead_letter, "-", 2);
}

zf_policy_t zf_engine_policy (const zf_engine_t *engine, zf_bytes_t name)
{
    zf_policy_t policy = engine->options.policy;
    zf_dead_policy (name, &policy);
    if (zf_bytes_equal (name, zf_bytes_of (ZF_REPLIES)))
        set_replies_policy (&policy);
    return policy;
}

static zf_queue_t *make_queue (zf_engine_t *engine, zf_bytes_t name, const zf_policy_t *policy)
{
    zf_queue_t *queue = calloc (1, sizeof *queue);
    if (queue == NULL || zf_queue_init (queue, engine, name, policy) != 0) {
        free (queue);
        return NULL;
    }
    queue->holds_replies = zf_bytes_equal (name, zf_bytes_of (ZF_REPLIES));
    HASH_ADD_KEYPTR (hh, engine->queues, queue->name, queue->name_size, queue);
    if (queue->hh.tbl == NULL) {
        zf_queue_free (queue);
        free (queue);
        return NULL;
    }
    zf_engine_touch (queue);
    return queue;
}

static bool rename_queue (zf_queue_t *queue, zf_bytes_t name)
{
    zf_engine_t *engine = queue->engine;
    char *copy = calloc (1, name.size + 1);
    if (copy == NULL)
        return false;
    memcpy (copy, name.data, name.size);
    HASH_DEL (engine->queues, queue);
    free (queue->name);
    queue->name = copy;
    queue->name_size = name.size;
    HASH_ADD_KEYPTR (hh, engine->queues, queue->name, queue->name_size, queue);
    return queue->hh.tbl != NULL;
}

zf_queue_t *zf_engine_adopt_queue (zf_engine_t *engine, zf_bytes_t name, uint32_t number)
{
    zf_queue_t *queue = zf_engine_find (engine, name);
    if (queue != NULL)
        return queue->number == number ? queue : NULL;
    queue = zf_engine_numbered (engine, number);
    if (queue != NULL) /* only now it is known what it is called */
        return rename_queue (queue, name) ? queue : NULL;
    zf_policy_t policy = zf_engine_policy (engine, name);
    queue = make_queue (engine, name, &policy);
    if (queue != NULL && set_number (queue, number) != 0) {
        zf_engine_forget_queue (queue);
        return NULL;
    }
    if (queue == NULL)
        return NULL;
    queue->is_durable = true;
    return queue;
}

zf_queue_t *zf_engine_make (zf_engine_t *engine, zf_bytes_t name, const zf_policy_t *policy,
                            int *code)
{
    zf_queue_t *queue = NULL;
    *code = 0;
    if (!zf_is_name (name))
        *code = ZF_E_INVAL;
    else if (!make_room (engine))
        *code = ZF_E_LIMIT;
    else if ((queue = make_queue (engine, name, policy)) == NULL)
        *code = ZF_E_NOMEM;
    if (queue == NULL)
        return NULL;
    bool durable = engine->store.on && queue->policy.durable != ZF_DURABLE_NO;
    if (zf_engine_number_queue (queue, durable) != 0) {
        zf_engine_forget_queue (queue);
        *code = ZF_E_NOMEM;
        return NULL;
    }
    lift_ids (queue);
    return queue;
}

zf_queue_t *zf_engine_queue (zf_engine_t *engine, zf_bytes_t name, int *code)
{
    zf_queue_t *queue = zf_engine_find (engine, name);
    *code = 0;
    if (queue != NULL)
        return queue;
    if (zf_group_source (engine, name) != NULL) {
        zf_group_wish_t wish = {.filter = NULL};
        return zf_engine_group (engine, name, &wish, code);
    }
    zf_policy_t policy = zf_engine_policy (engine, name);
    if (policy.kind == ZF_KIND_STREAM)
        return zf_engine_stream (engine, name, true, code);
    queue = zf_engine_make (engine, name, &policy, code);
    if (queue != NULL)
        zf_store_queue (queue);
    return queue;
}

/* One that nobody declared is not kept without end. */
static zf_policy_t stream_policy (const zf_engine_t *engine)
{
    zf_policy_t policy = engine->options.policy;
    bool durable = engine->store.on && policy.durable != ZF_DURABLE_NO;
    policy.kind = ZF_KIND_STREAM;
    policy.priorities = 1;
    if (policy.max_length == 0 && policy.max_bytes == 0 && policy.ttl_ms == 0)
        policy.max_bytes =
            durable ? engine->options.stream_durable_bytes : engine->options.stream_bytes;
    return policy;
}

zf_queue_t *zf_engine_stream (zf_engine_t *engine, zf_bytes_t name, bool make, int *code)
{
    zf_queue_t *queue = zf_engine_find (engine, name);
    *code = 0;
    if (queue != NULL && queue->stream != NULL)
        return queue;
    if (queue != NULL || zf_is_dead_name (name) || zf_group_source (engine, name) != NULL)
        *code = ZF_E_INVAL;
    else if (!make)
        *code = ZF_E_NOT_FOUND;
    if (*code != 0)
        return NULL;
    zf_policy_t policy = stream_policy (engine);
    queue = zf_engine_make (engine, name, &policy, code);
    if (queue == NULL)
        return NULL;
    queue->stream->born = queue->lanes[0].log.next;
    zf_store_queue (queue);
    zf_stream_found_groups (queue);
    return queue;
}

void zf_engine_touch (zf_queue_t *queue)
{
    if (queue->is_dirty)
        return;
    queue->is_dirty = true;
    DL_APPEND (queue->engine->dirty, queue);
}

/* Keeps the queue in the idle list exactly while it could be forgotten. */
static void review (zf_engine_t *engine, zf_queue_t *queue)
{
    bool idle = queue->length == 0 && queue->consumers == 0 && queue->parked == NULL &&
                !queue->declared && !queue->was_fed && queue->follow == NULL &&
                (queue->stream == NULL || zf_stream_is_unused (queue));
    if (idle == queue->is_idle)
        return;
    queue->is_idle = idle;
    if (idle)
        DL_APPEND2 (engine->idle, queue, idle_prev, idle_next);
    else
        DL_DELETE2 (engine->idle, queue, idle_prev, idle_next);
}

/* -- sessions ---------------------------------------------------------------------------------- */

static void name_session (zf_session_t *session)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = session->address_size < 12 ? session->address_size : 12;
    char *at = session->name;
    for (size_t i = 0; i < n; i++) {
        *at++ = digits[session->address[i] >> 4];
        *at++ = digits[session->address[i] & 15];
    }
    *at = '\0';
}

zf_session_t *zf_engine_attach (zf_engine_t *engine, void *host, zf_bytes_t address,
                                const zf_dialect_t *dialect)
{
    if (engine->counters.sessions >= engine->options.max_sessions) {
        engine->counters.sessions_refused++;
        zf_notice (engine, ZF_EVENT_PEER_ERROR, "a peer is turned away: %u sessions are the limit",
                   engine->options.max_sessions);
        return NULL;
    }
    zf_session_t *session = calloc (1, sizeof *session);
    uint8_t *copy = malloc (address.size + 1);
    if (session == NULL || copy == NULL) {
        free (copy);
        free (session);
        return NULL;
    }
    memcpy (copy, address.data, address.size);
    session->engine = engine;
    session->host = host;
    session->dialect = dialect;
    session->address = copy;
    session->address_size = address.size;
    session->seen_ms = engine->now_ms;
    session->timer.kind = ZF_TIMER_SESSION;
    zf_account_open (session);
    name_session (session);
    if (zf_timers_set (&engine->timers, &session->timer,
                       engine->now_ms + engine->options.client_idle_ms) != 0) {
        free_session (session); /* one that nobody would ever end */
        return NULL;
    }
    DL_APPEND (engine->sessions, session);
    engine->counters.sessions++;
    return session;
}

/* Takes away all that it holds here but its requests. */
static void strip (zf_session_t *session)
{
    zf_throttle_release (session);
    while (session->consumers != NULL)
        zf_consumer_detach (session->consumers);
    zf_subscriptions_drop_session (session);
    zf_feeds_drop_session (session);
    while (session->parked != NULL) {
        zf_queue_t *queue = session->parked->queue;
        zf_parked_drop (session->parked);
        zf_engine_touch (queue); /* those behind it may go on */
    }
}

void zf_session_release (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    zf_note_t *note, *next;
    strip (session);
    HASH_ITER (hh, session->requests, note, next)
        zf_note_abandon (note);
    if (session->greeted)
        HASH_DEL (engine->greeted, session);
    if (session->doomed)
        LL_DELETE2 (engine->doomed, session, doomed_next);
    zf_store_drop_session (engine, session);
    zf_kept_drop_session (session);
    zf_account_leave (session);
    zf_timers_cancel (&engine->timers, &session->timer);
    DL_DELETE (engine->sessions, session);
    engine->counters.sessions--;
    session->gone = true;
    DL_APPEND (engine->leaving, session);
}

void zf_engine_detach (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    session->host = NULL;
    if (session->gone) /* its farewell could not be sent */
        return;
    engine->counters.sessions_lost++;
    strip (session);
    if (!session->greeted || session->requests == NULL ||
        zf_timers_set (&engine->timers, &session->timer, engine->now_ms + AWAY_MS) != 0)
        zf_session_release (session);
}

void zf_session_end (zf_session_t *session, const char *why)
{
    zf_engine_t *engine = session->engine;
    if (session->doomed)
        return;
    session->doomed = true;
    session->why = why;
    LL_PREPEND2 (engine->doomed, session, doomed_next);
    if (session->host != NULL && !session->has_left)
        engine->counters.sessions_lost++;
}

static void reap (zf_engine_t *engine)
{
    while (engine->doomed != NULL) {
        zf_session_t *session = engine->doomed;
        if (session->host != NULL && !session->has_left && session->dialect->farewell != NULL)
            session->dialect->farewell (session);
        zf_session_release (session);
    }
}

void zf_session_succeed (zf_session_t *old, zf_session_t *session)
{
    zf_note_t *note, *next;
    HASH_ITER (hh, old->requests, note, next) {
        zf_note_forget_asker (note);
        zf_note_link (note, session);
    }
    zf_account_succeed (old, session);
    zf_session_release (old);
}

/* -- asking and answering ---------------------------------------------------------------------- */

void zf_session_deny (zf_session_t *session, const zf_queue_t *queue, uint64_t number, int code,
                      const char *reason)
{
    zf_answer_t answer = {.number = number, .code = code, .reason = zf_bytes_of (reason)};
    answer.service = zf_bytes (queue->name, queue->name_size);
    if (session->dialect->answer != NULL)
        session->dialect->answer (session, &answer);
}

void zf_session_deny_all (zf_session_t *session, zf_bytes_t name, const zf_intake_t *in, int code,
                          const char *reason)
{
    zf_queue_t nowhere = {.name_size = name.size};
    nowhere.name = (char *) (uintptr_t) name.data;
    for (uint32_t i = 0; i < in->batch.count; i++) {
        uint64_t number = in->batch.first + i;
        zf_note_t *pending;
        HASH_FIND (hh, session->requests, &number, sizeof number, pending);
        if (pending == NULL)
            zf_session_deny (session, &nowhere, number, code, reason);
    }
}

static int why_not_now (const zf_queue_t *queue, uint32_t flags)
{
    if ((flags & ZF_ASK_FAIL_FAST) == 0)
        return 0;
    return queue->consumers == 0 ? ZF_E_NO_SERVICE : queue->available == NULL ? ZF_E_BUSY : 0;
}

static int ask_one (zf_queue_t *queue, zf_intake_t *in, uint32_t i, uint32_t flags)
{
    int code = why_not_now (queue, flags);
    if (code != 0)
        return code;
    zf_queue_admit (queue, in, i, 1, &code);
    return code == ZF_E_FULL && queue->policy.overflow == ZF_OVERFLOW_BACKPRESSURE ? ZF_E_BUSY
                                                                                   : code;
}

void zf_session_ask (zf_session_t *session, zf_queue_t *queue, zf_intake_t *in, uint32_t flags)
{
    for (uint32_t i = 0; i < in->batch.count; i++) {
        uint64_t number = in->batch.first + i;
        zf_note_t *pending;
        if (queue->stream != NULL) {
            zf_session_deny (session, queue, number, ZF_E_INVAL, "a stream answers no requests");
            continue;
        }
        HASH_FIND (hh, session->requests, &number, sizeof number, pending);
        if (pending != NULL)
            continue; /* sent again, and on its way already */
        int code = ask_one (queue, in, i, flags);
        if (code != 0)
            zf_session_deny (session, queue, number, code, zf_strerror (code));
    }
}

bool zf_session_answer (zf_consumer_t *consumer, uint64_t id, zf_answer_t *answer)
{
    zf_queue_t *queue = consumer->queue;
    zf_run_t *run = zf_consumer_holds (consumer, id);
    if (run == NULL)
        return false;
    uint32_t at = (uint32_t) (id - run->chunk->first);
    zf_note_t *note = zf_chunk_note (run->chunk, at);
    zf_session_t *asker = note != NULL ? note->asker : NULL;
    if (asker != NULL && asker->host != NULL && asker->dialect->answer != NULL) {
        answer->number = note->number;
        answer->service = zf_bytes (queue->name, queue->name_size);
        asker->dialect->answer (asker, answer);
    } else if (note != NULL && note->asked) {
        queue->engine->counters.answers_dropped++;
    }
    if (answer->more)
        return true;
    if (note != NULL && note->asked)
        zf_histogram_add (&queue->engine->answer, &zf_answer_ms,
                          queue->engine->now_ms - note->since_ms, 1);
    zf_histogram_add (&queue->engine->hold, &zf_hold_ms, queue->engine->now_ms - run->since_ms, 1);
    if (note != NULL && note->keeps && !zf_kept_answer (note, &answer->record))
        return true; /* no memory: the lease will run out, and it is done once more */
    if (note != NULL)
        zf_note_forget_asker (note);
    if (zf_run_carve (queue, run, at, 1) != 0)
        return true; /* no memory: the lease will run out, and it is done once more */
    zf_run_unlink (queue, run);
    queue->totals.acked++;
    zf_run_finish (queue, run);
    return true;
}

/* -- atomic posts ------------------------------------------------------------------------------ */

void zf_engine_forget_atomics (zf_engine_t *engine)
{
    engine->atomics_timer.kind = ZF_TIMER_ATOMICS;
    uint64_t due = zf_producers_expire (&engine->atomics, engine->now_ms);
    if (due != UINT64_MAX)
        zf_timers_set (&engine->timers, &engine->atomics_timer, due);
}

zf_producer_t *zf_engine_atomics (zf_engine_t *engine, const uint8_t *uuid)
{
    zf_producer_t *producer = zf_producers_get (&engine->atomics, uuid, engine->now_ms);
    if (engine->atomics_timer.slot == 0)
        zf_engine_forget_atomics (engine);
    return producer;
}

/* -- turns ------------------------------------------------------------------------------------- */

/* If we have just woken, the worker may have extended the lease, or settled, in time. */
static void lease_over (zf_run_t *run)
{
    zf_queue_t *queue = zf_run_queue (run);
    zf_engine_t *engine = queue->engine;
    uint64_t later = engine->now_ms + engine->options.heartbeat_ms;
    bool woke = engine->woke_ms == engine->now_ms && engine->now_ms > 0;
    if (!woke || zf_timers_set (&engine->timers, &run->timer, later) != 0)
        zf_run_lease_over (queue, run);
}

static void account_due (zf_account_t *account)
{
    if (account->waiting != NULL)
        zf_throttle_over (account);
    else
        zf_account_review (account);
}

static void fire (zf_timer_t *timer)
{
    zf_run_t *run = CONTAINER (timer, zf_run_t, timer);
    zf_note_t *note = CONTAINER (timer, zf_note_t, timer);
    zf_session_t *session = CONTAINER (timer, zf_session_t, timer);
    switch (timer->kind) {
    case ZF_TIMER_LEASE:
        lease_over (run);
        break;
    case ZF_TIMER_DELAY:
        zf_run_delay_over (zf_run_queue (run), run);
        break;
    case ZF_TIMER_NOTE:
        zf_note_expire (note);
        break;
    case ZF_TIMER_SESSION:
        if (session->host == NULL)
            zf_session_end (session, "did not come back");
        else if (session->dialect->tick != NULL)
            session->dialect->tick (session);
        break;
    case ZF_TIMER_TTL:
        zf_queue_expire (CONTAINER (timer, zf_queue_t, ttl_timer));
        break;
    case ZF_TIMER_CHORES:
        zf_queue_chores (CONTAINER (timer, zf_queue_t, chores_timer));
        break;
    case ZF_TIMER_ACCOUNT:
        account_due (CONTAINER (timer, zf_account_t, timer));
        break;
    case ZF_TIMER_LOAD:
        zf_engine_load_again (CONTAINER (timer, zf_engine_t, load_timer));
        break;
    case ZF_TIMER_ATOMICS:
        zf_engine_forget_atomics (CONTAINER (timer, zf_engine_t, atomics_timer));
        break;
    default:
        break;
    }
}

const uint8_t *zf_engine_source (const zf_engine_t *engine)
{
    return engine->store.on ? engine->store.uuid : engine->options.uuid;
}

void zf_engine_clock (zf_engine_t *engine, uint64_t now_ms)
{
    if (now_ms > engine->now_ms)
        engine->now_ms = now_ms;
}

void zf_engine_woke (zf_engine_t *engine, uint64_t now_ms)
{
    zf_engine_clock (engine, now_ms);
    engine->woke_ms = engine->now_ms;
}

uint64_t zf_session_heard (const zf_session_t *session)
{
    uint64_t woke = session->engine->woke_ms;
    return session->seen_ms > woke ? session->seen_ms : woke;
}

void zf_engine_tick (zf_engine_t *engine, uint64_t now_ms)
{
    zf_engine_clock (engine, now_ms);
    zf_timer_t *timer;
    while (zf_store_entry_bytes (engine) < ZF_ENTRY_ENOUGH && /* the others in the next turn */
           (timer = zf_timers_pop (&engine->timers, engine->now_ms)) != NULL)
        fire (timer);
}

void zf_engine_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    zf_engine_t *engine = session->engine;
    engine->counters.messages_in++;
    if (session->doomed || session->gone)
        return;
    session->seen_ms = engine->now_ms;
    if (!zf_throttle_hold (session, frames, count))
        session->dialect->input (session, frames, count);
}

void zf_engine_decide (zf_engine_t *engine)
{
    reap (engine);
    engine->looks = LOOKS;
    engine->copies = COPIES;
    zf_queue_t *last = engine->dirty != NULL ? engine->dirty->prev : NULL;
    while (last != NULL) { /* those touched meanwhile are the next turn's */
        zf_queue_t *queue = engine->dirty;
        DL_DELETE (engine->dirty, queue);
        queue->is_dirty = false;
        zf_queue_unpark (queue);
        zf_queue_dispatch (queue);
        review (engine, queue);
        if (queue == last)
            break;
    }
    reap (engine);
    engine->unfinished = zf_store_clean (engine);
    zf_store_spill (engine);
}

void *zf_engine_left (zf_engine_t *engine)
{
    zf_session_t *session;
    DL_FOREACH (engine->leaving, session) {
        void *host = session->host;
        session->host = NULL;
        if (host != NULL)
            return host;
    }
    return NULL;
}

void zf_engine_sent (zf_engine_t *engine)
{
    zf_effects_clear (engine);
    zf_session_t *session, *next;
    DL_FOREACH_SAFE (engine->leaving, session, next) {
        DL_DELETE (engine->leaving, session);
        free_session (session);
    }
}

uint64_t zf_engine_deadline (const zf_engine_t *engine)
{
    if (engine->dirty != NULL || engine->doomed != NULL || engine->leaving != NULL ||
        engine->unfinished)
        return engine->now_ms;
    return zf_timers_next (&engine->timers);
}
