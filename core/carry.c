/* The log is trimmed from its start, so what lies there and is still wanted is written again at its
 * end: a record that nobody takes must not keep the whole log on the disk.
 *
 * Operations name queues by number, so a log can begin only with an entry that says first what
 * these numbers are: a start. There is one every now and then. */
#include "core/engine.h"
#include "core/mp.h"

#include <utlist.h>
#include <zferry/error.h>

#define CARRY_BYTES    (1u << 20) /* in one turn */
#define LONG_FACTOR    2          /* the log may be so many times as long as what is in it */
#define TRIM_SHARE     4          /* less than this share of the slack is not worth trimming */
#define START_SHARE    8          /* starts lie this share of the slack apart, */
#define START_COST     16         /* and so many times what the last one took */
#define COUNT_MS       1000       /* between two counts of ids, which takes a while */
#define QUEUE_BYTES    2048       /* an operation QUEUE has at most so many, */
#define FILTER_BYTES   (ZF_GROUP_PATTERN_BYTES + 3 * ZF_PATTERNS_MAX) /* of a group so many more, */
#define ID_BYTES       34                                             /* an ID, */
#define PRODUCER_BYTES 64                                             /* a PRODUCER mostly, */
#define RUN_BYTES      32 /* and what is before and in a run of a group */

/* Which of the chunk's records are alive, as [from, to[ pairs. */
static uint32_t put_alive (zf_writer_t *w, const zf_chunk_t *chunk)
{
    uint32_t pairs = 0;
    uint32_t at = 0;
    while (at < chunk->count) {
        while (at < chunk->count && (chunk->offsets[at] & ZF_SETTLED) != 0)
            at++;
        uint32_t from = at;
        while (at < chunk->count && (chunk->offsets[at] & ZF_SETTLED) == 0)
            at++;
        if (from == at)
            continue;
        pairs++;
        if (w != NULL) {
            zf_mp_put_uint (w, from);
            zf_mp_put_uint (w, at);
        }
    }
    return pairs;
}

/* What the records' own bytes don't tell. */
static void put_states (zf_queue_t *queue, zf_chunk_t *chunk)
{
    zf_group_t *group = &queue->lanes[chunk->first >> ZF_LANE_SHIFT].group;
    zf_run_t *run = zf_group_from (group, chunk->first);
    for (; run != NULL && run->chunk == chunk; run = zf_group_next (group, run)) {
        bool delayed = run->state == ZF_RUN_DELAYED;
        if (run->state != ZF_RUN_GONE && (delayed || run->attempts > 0))
            zf_store_state (queue, run, delayed ? run->timer.due_ms : 0);
    }
    for (uint32_t at = 0; chunk->notes != NULL && at < chunk->count; at++) {
        const zf_note_t *note = chunk->notes[at];
        if (note != NULL && note->own_ttl && (note->timer.slot != 0 || note->expired))
            zf_store_expires (queue, chunk->first + at, note->timer.due_ms);
    }
}

int zf_store_carry (zf_engine_t *engine, zf_chunk_t *chunk)
{
    zf_store_t *store = &engine->store;
    zf_queue_t *queue = chunk->owner;
    zf_log_t *log = &queue->lanes[chunk->first >> ZF_LANE_SHIFT].log;
    if (!zf_chunk_here (queue, chunk))
        return ZF_E_AGAIN;
    if (zf_store_spare (engine) < chunk->size || !zf_store_entry_takes (engine, chunk->size))
        return ZF_E_FULL;
    uint32_t size = chunk->size;
    uint64_t pinned = log->pinned;
    if (zf_log_pack (log, chunk) != 0)
        return ZF_E_NOMEM;
    engine->overhead -= pinned - log->pinned;
    store->resident_bytes -= size - chunk->size;
    if (!zf_store_ready (engine, (size_t) chunk->count * 10))
        return ZF_E_NOMEM;
    zf_store_mark_t mark = zf_store_mark (engine);
    zf_writer_t *w = zf_store_begin (engine, ZF_OP_CARRY, 8);
    zf_mp_put_uint (w, queue->number);
    zf_mp_put_uint (w, chunk->first);
    zf_mp_put_uint (w, chunk->count);
    zf_mp_put_uint (w, chunk->oldest_ms);
    zf_mp_put_uint (w, chunk->newest_ms);
    zf_mp_put_array (w, 2 * (size_t) put_alive (NULL, chunk));
    put_alive (w, chunk);
    uint32_t home = chunk->home;
    if (zf_store_put_batch (engine, chunk) != 0) {
        zf_store_take_back (engine, mark);
        chunk->home = home;
        return ZF_E_NOMEM;
    }
    DL_DELETE2 (store->logged, chunk, logged_prev, logged_next);
    DL_APPEND2 (store->logged, chunk, logged_prev, logged_next);
    chunk->lsn = chunk->newest_lsn = store->lsn;
    store->carried++;
    put_states (queue, chunk);
    return 0;
}

/* -- trimming ---------------------------------------------------------------------------------- */

/* What is written again of ids, producers and groups. */
typedef struct {
    uint64_t below; /* all that lies below this lsn */
    bool count;     /* is only counted, not written */
    uint64_t rest;  /* bytes of all there are */
    uint64_t bytes; /* of those below */
} sweep_t;

/* False: enough for this turn. */
static bool goes_on (const zf_engine_t *engine, const sweep_t *sweep)
{
    return sweep->count || zf_store_entry_bytes (engine) < ZF_ENTRY_ENOUGH;
}

static bool sweep_producers (zf_engine_t *engine, zf_queue_t *queue, zf_producers_t *producers,
                             sweep_t *sweep)
{
    zf_producer_t *producer;
    DL_FOREACH (producers->order, producer) {
        sweep->rest += PRODUCER_BYTES;
        if (producer->lsn >= sweep->below)
            continue;
        sweep->bytes += PRODUCER_BYTES;
        if (!goes_on (engine, sweep))
            return false;
        if (!sweep->count)
            zf_store_producer (engine, queue, producer);
    }
    return true;
}

static bool sweep_ids (zf_queue_t *queue, sweep_t *sweep)
{
    for (zf_dedup_entry_t *entry = queue->ids.order; entry != NULL; entry = entry->next) {
        sweep->rest += ID_BYTES;
        if (entry->lsn >= sweep->below)
            continue;
        sweep->bytes += ID_BYTES;
        if (!goes_on (queue->engine, sweep))
            return false;
        if (!sweep->count)
            zf_store_id (queue, entry);
    }
    return true;
}

/* What a group has in flight. Where it is the start says. */
static bool sweep_group (zf_queue_t *queue, sweep_t *sweep)
{
    zf_follow_t *follow = queue->follow;
    uint64_t bytes = RUN_BYTES * (uint64_t) queue->lanes[0].group.run_count;
    sweep->rest += bytes;
    if (follow->lsn >= sweep->below)
        return true;
    sweep->bytes += bytes;
    if (!goes_on (queue->engine, sweep))
        return false;
    if (!sweep->count)
        zf_follow_write (queue);
    return true;
}

/* Returns true if it went through all. */
static bool sweep_all (zf_engine_t *engine, sweep_t *sweep)
{
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        if (!queue->is_durable)
            continue;
        if (queue->follow != NULL && !sweep_group (queue, sweep))
            return false;
        if (!sweep_producers (engine, queue, &queue->producers, sweep) || !sweep_ids (queue, sweep))
            return false;
    }
    return sweep_producers (engine, NULL, &engine->atomics, sweep);
}

/* Writes down all queues. Returns false if there is no memory for that. */
static bool put_queues (zf_engine_t *engine)
{
    if (!zf_store_ready (engine, 0))
        return false;
    zf_writer_t *w = zf_store_begin (engine, ZF_OP_START, 3);
    zf_mp_put_uint (w, engine->now_ms);
    zf_mp_put_uint (w, engine->ids_floor);
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        if (!zf_store_ready (engine, QUEUE_BYTES + (queue->follow != NULL ? FILTER_BYTES : 0)))
            return false;
        zf_store_queue (queue);
    }
    return true;
}

static uint64_t start_distance (const zf_store_t *store)
{
    return store->slack / START_SHARE + START_COST * store->start_bytes;
}

/* Every second one goes. */
static void thin_out (zf_store_t *store)
{
    store->start_count /= 2;
    for (size_t i = 0; i < store->start_count; i++)
        store->starts[i] = store->starts[2 * i + 1];
}

static void close_chunks (zf_engine_t *engine)
{
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        for (uint32_t i = 0; i < queue->policy.priorities; i++)
            queue->lanes[i].log.closed = true;
    }
}

void zf_store_started (zf_engine_t *engine, uint64_t lsn)
{
    zf_store_t *store = &engine->store;
    close_chunks (engine);
    if (store->start_count == ZF_STARTS_MAX)
        thin_out (store);
    store->starts[store->start_count++] = lsn;
}

void zf_store_start (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    size_t n = store->start_count;
    uint64_t last = n > 0 ? store->starts[n - 1] : store->lowest;
    bool due = store->lsn >= last && store->lsn - last >= start_distance (store);
    if (!store->on || store->failed || store->ops.size > 0 || !due)
        return;
    zf_store_mark_t mark = zf_store_mark (engine);
    if (!put_queues (engine)) {
        zf_store_take_back (engine, mark); /* the next turn */
        return;
    }
    store->start_bytes = store->ops.size;
    zf_store_started (engine, store->lsn);
}

/* The last start at or below `to`, which the log is to begin with. 0: there is none. */
static uint64_t pick_start (const zf_store_t *store, uint64_t to)
{
    size_t n = store->start_count;
    while (n > 0 && store->starts[n - 1] > to)
        n--;
    if (n == 0 || store->starts[n - 1] - store->trimmed < store->slack / TRIM_SHARE)
        return 0;
    return store->starts[n - 1];
}

static void forget_starts (zf_store_t *store, uint64_t to)
{
    size_t n = 0;
    while (n < store->start_count && store->starts[n] <= to)
        n++;
    store->start_count -= n;
    memmove (store->starts, store->starts + n, store->start_count * sizeof *store->starts);
}

/* Up to where the log is not needed for records. */
static uint64_t needed_from (const zf_store_t *store)
{
    return store->logged != NULL ? store->logged->lsn : store->lsn;
}

/* Whether trimming up to there is worth what has to be written again for it. If not, it is looked
 * at again when the log has grown. */
static bool is_worth (zf_engine_t *engine, uint64_t to)
{
    zf_store_t *store = &engine->store;
    sweep_t sweep = {.below = to, .count = true};
    if (store->lsn < store->trim_look && engine->now_ms < store->rest_ms + COUNT_MS)
        return false;
    sweep_all (engine, &sweep);
    store->trim_look = store->lsn + store->slack / START_SHARE;
    store->rest_bytes = sweep.rest;
    store->rest_ms = engine->now_ms;
    return 2 * sweep.bytes <= to - store->trimmed && /* there is room kept for them */
           sweep.bytes <= zf_store_spare (engine) + sweep.rest;
}

/* What is not a record or a queue and lies below the goal is written again, a bounded number of
 * bytes in a turn; then all below can go. Returns true if there is more to do. */
static bool trim (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    if (store->trim_goal == 0) {
        uint64_t to = pick_start (store, needed_from (store));
        if (to == 0 || !is_worth (engine, to))
            return false;
        store->trim_goal = to;
    }
    sweep_t sweep = {.below = store->trim_goal};
    if (!sweep_all (engine, &sweep))
        return true;
    forget_starts (store, store->trim_goal);
    store->trim_to = store->trim_goal;
    store->trim_goal = 0;
    return false;
}

static bool is_too_long (const zf_engine_t *engine)
{
    const zf_store_t *store = &engine->store;
    uint64_t live = store->bytes + engine->dead_bytes + store->rest_bytes;
    uint64_t from = store->trimmed > store->lowest ? store->trimmed : store->lowest; /* soon */
    uint64_t span = store->lsn - from;
    if (span > LONG_FACTOR * live + store->slack)
        return true;
    return zf_store_is_short (engine) && span > live + live / 8 + store->slack / 4;
}

/* The log can't begin behind that. */
static uint64_t last_start (const zf_store_t *store)
{
    return store->start_count > 0 ? store->starts[store->start_count - 1] : store->lowest;
}

/* Carries from the start of the log, in proportion to what comes in at its end. Returns true if
 * there is more to do at once. */
static bool carry_some (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    uint64_t most = 2 * zf_store_entry_bytes (engine);
    uint64_t bytes = 0;
    most = most > CARRY_BYTES ? most : CARRY_BYTES;
    while (bytes < most) {
        zf_chunk_t *chunk = store->logged;
        if (chunk == NULL || chunk->newest_lsn >= store->durable ||
            chunk->lsn >= last_start (store))
            return false; /* nothing left, or all of it is new, or that would not shorten the log */
        bytes += chunk->size;
        if (zf_store_carry (engine, chunk) != 0)
            return false; /* it is on its way into memory, or there is no room */
    }
    return true;
}

/* Ids expire without a trace in the log: while posts wait for space they are counted again and
 * again. */
static void count_rest (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    sweep_t sweep = {.count = true};
    if (engine->starved[ZF_STARVED_LOG] == NULL)
        return;
    engine->load_timer.kind = ZF_TIMER_LOAD; /* so that it is looked at though nothing comes in */
    if (engine->load_timer.slot == 0)
        zf_timers_set (&engine->timers, &engine->load_timer, engine->now_ms + COUNT_MS);
    if (store->rest_bytes == 0 || engine->now_ms < store->rest_ms + COUNT_MS ||
        !zf_store_is_short (engine))
        return;
    sweep_all (engine, &sweep);
    store->rest_ms = engine->now_ms;
    if (sweep.rest < store->rest_bytes) {
        store->trim_look = 0;
        zf_memory_freed (engine);
    }
    store->rest_bytes = sweep.rest;
}

bool zf_store_clean (zf_engine_t *engine)
{
    zf_store_t *store = &engine->store;
    if (!store->on || store->failed || store->replaying)
        return false;
    count_rest (engine);
    bool more = is_too_long (engine) && carry_some (engine);
    return trim (engine) || more;
}
