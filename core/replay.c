/* Operations back into queues, when a log is opened. Time is that of the operation, so that what
 * was to happen at some time still does. */
#include "core/replay.h"
#include "core/info.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define TIME_MAX (UINT64_C (1) << 48) /* ms: the year 10889 */

/* NULL: it is not known. Then what said so is lost (the journal was damaged, and repaired): what
 * happened to its records means nothing. */
zf_queue_t *zf_replay_queue (zf_replay_t *at, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    if (number == 0 || number > UINT32_MAX)
        r->failed = true;
    return r->failed ? NULL : zf_engine_numbered (at->engine, (uint32_t) number);
}

/* The same for records: those of a queue that is not known are kept under a name that says so. */
zf_queue_t *zf_replay_home (zf_replay_t *at, zf_reader_t *r)
{
    zf_reader_t peek = *r;
    uint64_t number = zf_mp_uint (&peek);
    zf_queue_t *queue = zf_replay_queue (at, r);
    if (queue != NULL || r->failed)
        return queue;
    char name[32];
    zf_policy_t policy = at->engine->options.policy;
    snprintf (name, sizeof name, "lost.%llu", (unsigned long long) number);
    policy.priorities = ZF_PRIORITIES_MAX;
    policy.kind = ZF_KIND_QUEUE;
    policy.compact = false;
    queue = zf_engine_adopt_queue (at->engine, zf_bytes_of (name), (uint32_t) number);
    if (queue == NULL || zf_queue_set_policy (queue, &policy) != 0) {
        at->code = ZF_E_NOMEM;
        r->failed = true;
        return NULL;
    }
    zf_notice (at->engine, ZF_EVENT_DISK,
               "the journal does not say which queue some records are of: they are in %s", name);
    return queue;
}

/* Half of a level's ids are never used up, so that none runs over into the next level. */
bool zf_replay_is_id (uint64_t id)
{
    return (id >> (ZF_LANE_SHIFT - 1) & 1) == 0;
}

zf_lane_t *zf_replay_lane (zf_queue_t *queue, uint64_t id)
{
    uint64_t lane = id >> ZF_LANE_SHIFT;
    return lane < queue->policy.priorities ? &queue->lanes[lane] : NULL;
}

/* Our time never goes back: if the machine's clock did, we go on from where it was. */
void zf_replay_time (zf_replay_t *at, uint64_t time_ms)
{
    zf_engine_t *engine = at->engine;
    if (time_ms > TIME_MAX)
        return; /* nobody's clock was there */
    engine->now_ms = time_ms;
    if (time_ms > engine->store.until_ms)
        engine->store.until_ms = time_ms;
}

bool zf_replay_no_memory (zf_replay_t *at)
{
    at->code = ZF_E_NOMEM;
    return false;
}

/* -- queues and producers ---------------------------------------------------------------------- */

/* It may have records already: see read_home. */
static void set_dead (zf_queue_t *queue, bool is_dead)
{
    zf_engine_t *engine = queue->engine;
    if (is_dead == queue->is_dead)
        return;
    engine->dead_bytes += is_dead ? queue->bytes : -queue->bytes;
    engine->store.bytes += is_dead ? -queue->logged_bytes : queue->logged_bytes;
    queue->is_dead = is_dead;
}

static bool read_stream (zf_reader_t *r, zf_queue_t *queue)
{
    uint32_t n = zf_mp_array (r);
    uint64_t floor = zf_mp_uint (r);
    uint64_t before = 0;
    if (r->failed || n % 2 == 0 || n / 2 > ZF_HOLES_MAX || !zf_replay_is_id (floor))
        return false;
    queue->stream->hole_count = 0;
    for (uint32_t i = 0; i < n / 2; i++) {
        uint64_t from = zf_mp_uint (r);
        uint64_t to = zf_mp_uint (r);
        if (r->failed || from < before || to < from)
            return false;
        zf_stream_add_hole (queue->stream, from, to);
        before = to;
    }
    zf_stream_drop_below (queue, floor);
    return true;
}

/* What makes it a group: how far it is, what it has missed, its patterns. */
static bool read_group (zf_replay_t *at, zf_reader_t *r, zf_queue_t *queue)
{
    uint32_t n = zf_mp_array (r);
    uint64_t floor = zf_mp_uint (r);
    uint64_t missed = zf_mp_uint (r);
    zf_bytes_t patterns[ZF_PATTERNS_MAX];
    if (r->failed || n < 2 || n - 2 > ZF_PATTERNS_MAX || !zf_replay_is_id (floor) ||
        floor >> ZF_LANE_SHIFT != 0 || queue->policy.priorities < 2)
        return false;
    for (uint32_t i = 0; i < n - 2; i++)
        patterns[i] = zf_mp_bytes (r);
    if (r->failed)
        return false;
    if (queue->follow == NULL && zf_follow_init (queue) != 0)
        return zf_replay_no_memory (at);
    zf_filter_free (&queue->follow->filter);
    int rc = n > 2 ? zf_filter_new (&queue->follow->filter, patterns, n - 2) : 0;
    if (rc != 0)
        return rc == ZF_E_NOMEM && zf_replay_no_memory (at);
    queue->policy.ttl_ms = 0;
    queue->follow->missed = missed;
    zf_follow_done_to (queue, floor);
    return true;
}

static bool on_queue (zf_replay_t *at, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    zf_bytes_t name = zf_mp_bytes (r);
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    if (r->failed || number == 0 || number > UINT32_MAX || !zf_is_name (name) ||
        zf_policy_decode (r, &policy) != 0)
        return false;
    zf_queue_t *queue = zf_engine_adopt_queue (at->engine, name, (uint32_t) number);
    if (queue == NULL)
        return zf_engine_find (at->engine, name) == NULL && zf_replay_no_memory (at);
    bool is_stream = policy.kind == ZF_KIND_STREAM;
    if (queue->length > 0) { /* it was lost for a while: see read_home */
        policy.priorities = queue->policy.priorities;
        policy.ordered = queue->policy.ordered;
        policy.kind = queue->policy.kind;
        policy.compact = queue->policy.compact;
    }
    if (queue->follow != NULL && is_stream)
        return false;
    if (queue->follow != NULL)
        policy.ttl_ms = 0; /* that is the stream's business */
    int rc = zf_queue_set_policy (queue, &policy);
    if (rc != 0)
        return rc == ZF_E_NOMEM && zf_replay_no_memory (at);
    queue->declared = zf_mp_bool (r);
    set_dead (queue, zf_mp_bool (r));
    uint32_t levels = zf_mp_array (r);
    if (levels > policy.priorities)
        return false;
    for (uint32_t i = 0; i < levels && !r->failed; i++) {
        uint64_t next = zf_mp_uint (r);
        if (next >> ZF_LANE_SHIFT != i || !zf_replay_is_id (next))
            return false;
        if (queue->follow == NULL && next > queue->lanes[i].log.next)
            zf_log_skip (&queue->lanes[i].log, next);
    }
    if (zf_reader_left (r) == 0)
        return true;
    if (is_stream)
        return queue->stream == NULL || read_stream (r, queue);
    return read_group (at, r, queue);
}

static bool on_forget (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_queue (at, r);
    if (queue != NULL)
        zf_engine_forget_queue (queue);
    return true;
}

static bool on_producer (zf_replay_t *at, zf_reader_t *r)
{
    zf_producers_t *producers = &at->engine->atomics;
    zf_queue_t *queue = NULL;
    zf_reader_t peek = *r;
    if (zf_mp_uint (&peek) != 0) {
        queue = zf_replay_queue (at, r);
        if (queue == NULL)
            return true;
        producers = &queue->producers;
    } else {
        zf_mp_uint (r);
    }
    zf_bytes_t uuid = zf_mp_bytes (r);
    uint64_t last = zf_mp_uint (r);
    bool kept = zf_mp_bool (r);
    uint32_t n = zf_mp_array (r);
    if (r->failed || uuid.size != ZF_UUID_BYTES)
        return false;
    zf_producer_t *producer = zf_producers_get (producers, uuid.data, at->engine->now_ms);
    if (producer == NULL)
        return zf_replay_no_memory (at);
    zf_producer_heard (producer, UINT64_MAX);
    producer->last = last;
    producer->kept = kept;
    if (queue != NULL && kept)
        queue->was_fed = true;
    producer->lsn = at->lsn;
    producer->noted = last;
    uint64_t first[3];
    for (uint32_t i = 0; i < n; i++) {
        first[i % 3] = zf_mp_uint (r);
        if (r->failed || (i % 3 == 2 && first[2] > INT32_MAX))
            return false;
        if (i % 3 == 2 &&
            zf_producer_refuse (producer, first[0], first[1], -(int) first[2]) == ZF_E_NOMEM)
            return zf_replay_no_memory (at);
    }
    return true;
}

static bool on_id (zf_replay_t *at, zf_reader_t *r)
{
    zf_queue_t *queue = zf_replay_queue (at, r);
    zf_bytes_t hash = zf_mp_bytes (r);
    uint64_t due_ms = zf_mp_uint (r);
    if (r->failed || hash.size != sizeof (XXH128_hash_t))
        return false;
    if (queue == NULL)
        return true;
    XXH128_hash_t value;
    memcpy (&value, hash.data, sizeof value);
    if (zf_dedup_put (&queue->ids, value, due_ms, at->lsn) == ZF_E_NOMEM)
        return zf_replay_no_memory (at);
    return true;
}

/* -- an entry ---------------------------------------------------------------------------------- */

static bool on_start (zf_replay_t *at, zf_reader_t *r)
{
    zf_replay_time (at, zf_mp_uint (r));
    uint64_t floor = zf_reader_left (r) > 0 ? zf_mp_uint (r) : 0;
    if (!zf_replay_is_id (floor) || floor >> ZF_LANE_SHIFT != 0)
        return false;
    if (floor > at->engine->ids_floor)
        at->engine->ids_floor = floor;
    zf_store_started (at->engine, at->lsn);
    return true;
}

typedef bool op_fn (zf_replay_t *at, zf_reader_t *r);

static op_fn *const ops[] = {
    [ZF_OP_QUEUE] = on_queue,
    [ZF_OP_FORGET] = on_forget,
    [ZF_OP_RECORDS] = zf_replay_records,
    [ZF_OP_BATCH] = zf_replay_batch,
    [ZF_OP_CARRY] = zf_replay_carry,
    [ZF_OP_STATE] = zf_replay_state,
    [ZF_OP_GONE] = zf_replay_gone,
    [ZF_OP_PRODUCER] = on_producer,
    [ZF_OP_ID] = on_id,
    [ZF_OP_EXPIRES] = zf_replay_expires,
    [ZF_OP_START] = on_start,
    [ZF_OP_CURSOR] = zf_replay_cursor,
};

/* One operation, cut out so that what is behind its last argument that we know is passed over. */
static int replay_op (zf_replay_t *at, zf_reader_t *r, zf_error_t *err)
{
    size_t offset = (size_t) (r->at - at->start);
    zf_reader_t op = *r;
    zf_mp_skip (r);
    op.end = r->at;
    uint32_t elements = zf_mp_array (&op);
    uint64_t number = zf_mp_uint (&op);
    bool is_op = !r->failed && !op.failed && elements > 0;
    if (is_op && number > ZF_OP_CURSOR)
        return zf_error_set (err, ZF_E_VERSION,
                             "entry %llu holds operation %llu: written by a later version",
                             (unsigned long long) at->lsn, (unsigned long long) number);
    if (is_op && ops[number] != NULL && ops[number](at, &op) && !op.failed)
        return 0;
    return zf_error_set (err, at->code, "entry %llu, operation %llu at byte %zu: %s",
                         (unsigned long long) at->lsn, (unsigned long long) number, offset,
                         at->code == ZF_E_NOMEM ? "out of memory" : "makes no sense");
}

int zf_engine_replay (zf_engine_t *engine, uint64_t lsn, zf_bytes_t entry, zf_error_t *err)
{
    zf_reader_t r = zf_reader (entry);
    engine->store.lsn = lsn;
    zf_replay_t at = {engine, lsn, entry.data, ZF_E_CORRUPT};
    int rc = 0;
    while (rc == 0 && zf_reader_left (&r) > 0)
        rc = replay_op (&at, &r, err);
    return rc;
}

/* Who had it in its last attempt has not acknowledged it, and can't any more. */
static void come_back (zf_queue_t *queue, zf_run_t *run)
{
    uint32_t most = queue->policy.max_attempts;
    if (most != 0 && run->attempts >= most)
        zf_run_bury (queue, run, ZF_E_DEAD, zf_bytes_of ("attempts"));
    else
        zf_run_ready (queue, run, false);
}

/* A record that is to be tried again keeps those of its key waiting. */
static void keep_key (zf_run_t *run)
{
    zf_note_t *note = zf_chunk_note (run->chunk, run->at);
    if (note != NULL && note->key != NULL)
        zf_note_front (note, run);
}

/* Records that were at a worker, and those whose delay is over, are ready, in the order of ids. */
static void settle_down (zf_queue_t *queue, zf_group_t *group)
{
    uint64_t now = queue->engine->now_ms;
    zf_run_t *run = zf_group_from (group, 0);
    while (run != NULL) {
        uint64_t end = zf_run_end (run);
        if (run->state == ZF_RUN_DELAYED && run->timer.due_ms <= now) {
            zf_run_unlink (queue, run);
            come_back (queue, run); /* which may end others with it */
        } else if (run->state == ZF_RUN_DELAYED && run->attempts > 0) {
            keep_key (run);
        }
        run = zf_group_from (group, end);
    }
}

void zf_engine_recovered (zf_engine_t *engine, const uint8_t *uuid, uint64_t next, bool closed)
{
    zf_store_t *store = &engine->store;
    memcpy (store->uuid, uuid, sizeof store->uuid);
    engine->now_ms = store->until_ms;
    store->replaying = false;
    store->durable = store->lsn = next;
    zf_producer_t *producer; /* they could not say anything meanwhile */
    DL_FOREACH (engine->atomics.order, producer)
        producer->seen_ms = engine->now_ms;
    zf_engine_forget_atomics (engine);
    for (zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        if (queue->follow != NULL)
            zf_follow_attach (queue);
        for (uint32_t i = 0; i < queue->policy.priorities; i++)
            settle_down (queue, &queue->lanes[i].group);
        DL_FOREACH (queue->producers.order, producer)
            producer->seen_ms = engine->now_ms;
        if (!closed) /* records that were handed out may have been lost with the power */
            zf_queue_lift_ids (queue, zf_engine_new_ids (engine));
        zf_queue_expire (queue);
        zf_queue_chores (queue);
        zf_engine_touch (queue);
    }
}
