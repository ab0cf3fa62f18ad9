/* Groups of a stream: queues that take their records from there. */
#include "core/engine.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define PULL_CHUNKS 64 /* looked through in one go for one with something that matches */

/* What a log told of records that the group has not taken again: done, or tried so often. They do
 * not overlap, and are ordered by where they end. */
typedef struct zf_known known_t;
struct zf_known {
    RB_ENTRY (zf_known) node;
    uint64_t first, end;
    bool done;
    uint32_t attempts;
    uint64_t due_ms;
};

static int compare (const known_t *a, const known_t *b)
{
    return a->end < b->end ? -1 : a->end > b->end;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
RB_GENERATE_INTERNAL (zf_knowns, zf_known, node, compare, static)
#pragma GCC diagnostic pop

static known_t *first_known (zf_follow_t *follow)
{
    return RB_MIN (zf_knowns, &follow->known);
}

/* The first that ends behind id. */
static known_t *known_from (zf_follow_t *follow, uint64_t id)
{
    known_t probe = {.end = id + 1};
    return RB_NFIND (zf_knowns, &follow->known, &probe);
}

static zf_lane_t *lane_of (const zf_queue_t *queue)
{
    return &queue->lanes[0];
}

/* -- life -------------------------------------------------------------------------------------- */

int zf_follow_init (zf_queue_t *queue)
{
    queue->follow = calloc (1, sizeof *queue->follow);
    if (queue->follow == NULL)
        return ZF_E_NOMEM;
    queue->follow->queue = queue;
    RB_INIT (&queue->follow->known);
    return 0;
}

static void free_known (zf_follow_t *follow, known_t *known)
{
    RB_REMOVE (zf_knowns, &follow->known, known);
    free (known);
}

static void detach (zf_follow_t *follow)
{
    if (follow->source == NULL)
        return;
    zf_stream_t *stream = follow->source->stream;
    DL_DELETE (stream->groups, follow);
    stream->group_count--;
    follow->source = NULL;
}

void zf_follow_free (zf_queue_t *queue)
{
    zf_follow_t *follow = queue->follow;
    if (follow == NULL)
        return;
    detach (follow);
    while (first_known (follow) != NULL)
        free_known (follow, first_known (follow));
    zf_filter_free (&follow->filter);
    free (follow);
    queue->follow = NULL;
}

zf_queue_t *zf_group_source (zf_engine_t *engine, zf_bytes_t name)
{
    const char *bytes = name.data;
    size_t size = name.size;
    if (zf_is_dead_name (name)) /* dead letters of a group are a queue of their own */
        return NULL;
    while (size > 0 && bytes[size - 1] != ZF_GROUP_MARK)
        size--;
    if (size < 2 || size == name.size)
        return NULL;
    zf_queue_t *queue = zf_engine_find (engine, zf_bytes (bytes, size - 1));
    return queue != NULL && queue->stream != NULL ? queue : NULL;
}

void zf_follow_attach (zf_queue_t *queue)
{
    zf_follow_t *follow = queue->follow;
    zf_queue_t *source = zf_group_source (queue->engine, zf_bytes (queue->name, queue->name_size));
    if (follow->source != NULL || source == NULL)
        return;
    follow->source = source;
    DL_APPEND (source->stream->groups, follow);
    source->stream->group_count++;
    zf_engine_touch (queue);
}

/* -- taking records from the stream ------------------------------------------------------------ */

/* One topic follows another: what was found of the last one is kept. */
typedef struct {
    const zf_follow_t *follow;
    known_t *known;
    zf_bytes_t topic;
    bool matched, any;
} want_t;

static bool matches (want_t *want, const zf_chunk_t *chunk, uint32_t at)
{
    if (want->follow->filter == NULL)
        return true;
    zf_bytes_t topic = zf_props_topic (zf_chunk_record (chunk, at).props);
    if (!want->any || !zf_bytes_equal (topic, want->topic)) {
        want->matched = zf_filter_matches (want->follow->filter, topic);
        want->topic = topic;
        want->any = true;
    }
    return want->matched;
}

static bool wants (void *arg, const zf_chunk_t *chunk, uint32_t at)
{
    want_t *want = arg;
    uint64_t id = chunk->first + at;
    while (want->known != NULL && want->known->end <= id)
        want->known = RB_NEXT (zf_knowns, NULL, want->known);
    bool done = want->known != NULL && want->known->first <= id && want->known->done;
    return !done && matches (want, chunk, at);
}

static bool is_live (const zf_chunk_t *chunk, uint32_t at)
{
    return (chunk->offsets[at] & ZF_SETTLED) == 0;
}

/* The cursor steps over what is not wanted, or done. Returns false when out of memory. */
static bool step_over (zf_group_t *group, zf_chunk_t *chunk)
{
    uint32_t at = 0;
    while (at < chunk->count) {
        uint32_t from = at;
        while (at < chunk->count && !is_live (chunk, at))
            at++;
        if (at > from && zf_group_mark (group, chunk, from, at - from, ZF_RUN_GONE) == NULL)
            return false;
        while (at < chunk->count && is_live (chunk, at))
            at++;
    }
    return true;
}

static bool take_note (zf_queue_t *queue, zf_chunk_t *chunk, uint32_t at)
{
    zf_record_t record = zf_chunk_record (chunk, at);
    zf_props_view_t props;
    zf_place_t place = {chunk, at};
    if (record.props.size == 0)
        return true;
    zf_props_decode (record.props, record.body.size, &props);
    props.ttl_ms = 0; /* that is the stream's business */
    props.keep_reply = false;
    return zf_note_take (queue, place, 0, &props, NULL, 0) == 0;
}

static bool take_notes (zf_queue_t *queue, zf_chunk_t *chunk)
{
    for (uint32_t at = 0; queue->policy.ordered && at < chunk->count; at++)
        if (is_live (chunk, at) && !take_note (queue, chunk, at))
            return false;
    return true;
}

/* Records that were tried before the broker started. One that had its last attempt then is given up
 * when its turn comes. */
static bool try_again (zf_queue_t *queue, zf_chunk_t *chunk, uint32_t at, uint32_t n,
                       const known_t *known)
{
    uint32_t most = queue->policy.max_attempts;
    zf_run_t *run = zf_group_mark (&lane_of (queue)->group, chunk, at, n, ZF_RUN_GONE);
    if (run == NULL)
        return false;
    const zf_note_t *note = zf_chunk_note (chunk, at);
    run->attempts = known->attempts;
    bool due = known->due_ms <= queue->engine->now_ms;
    if (due && most != 0 && run->attempts >= most) {
        run->sentence = ZF_E_DEAD;
        run->words = zf_frame_of (zf_bytes_of ("attempts"));
        zf_run_line_up (queue, run, false);
    } else if (due || !zf_run_wait (queue, run, known->due_ms)) {
        zf_run_ready (queue, run, false);
    } else if (note != NULL && note->key != NULL) {
        zf_note_front (zf_chunk_note (chunk, at), run);
    }
    return true;
}

/* How many records from `at` on, up to end, are alike and live. */
static uint32_t as_one (const zf_chunk_t *chunk, uint32_t at, uint32_t end)
{
    uint32_t n = 0;
    while (at + n < end && is_live (chunk, at + n))
        n++;
    uint32_t alike = chunk->notes != NULL ? zf_chunk_alike (chunk, at, n) : n;
    return alike > 0 ? alike : 1;
}

static bool recall (zf_queue_t *queue, zf_chunk_t *chunk, const known_t *known)
{
    uint64_t last = chunk->first + chunk->count;
    uint64_t end = known->end < last ? known->end : last;
    uint64_t id = known->first > chunk->first ? known->first : chunk->first;
    while (id < end) {
        uint32_t at = (uint32_t) (id - chunk->first);
        uint32_t n = 1;
        if (is_live (chunk, at)) {
            n = as_one (chunk, at, (uint32_t) (end - chunk->first));
            if (!try_again (queue, chunk, at, n, known))
                return false;
        }
        id += n;
    }
    return true;
}

static bool recall_all (zf_queue_t *queue, zf_chunk_t *chunk)
{
    uint64_t end = chunk->first + chunk->count;
    known_t *known = first_known (queue->follow);
    for (; known != NULL && known->first < end; known = RB_NEXT (zf_knowns, NULL, known))
        if (!known->done && !recall (queue, chunk, known))
            return false;
    return true;
}

/* The group has these itself now. */
static void forget_known (zf_follow_t *follow, uint64_t below)
{
    known_t *known;
    while ((known = first_known (follow)) != NULL && known->first < below) {
        if (known->end > below)
            known->first = below;
        else
            free_known (follow, known);
    }
}

/* Drops a view that has nothing for us. */
static void drop_view (zf_queue_t *queue, zf_chunk_t *chunk)
{
    zf_log_t *log = &lane_of (queue)->log;
    uint64_t pinned = log->pinned;
    zf_log_drop (log, chunk);
    queue->engine->overhead += log->pinned - pinned;
}

/* Makes a view of records of the stream the group's. False: there is no memory for that. */
static bool begin (zf_queue_t *queue, zf_chunk_t *chunk)
{
    zf_group_t *group = &lane_of (queue)->group;
    zf_group_grown (group, chunk, 0);
    zf_queue_count_in (queue, chunk->live, 0, false);
    return (chunk->live == chunk->count || step_over (group, chunk)) && take_notes (queue, chunk) &&
           recall_all (queue, chunk);
}

/* Undoes what begin has done. */
static void give_back (zf_queue_t *queue, zf_chunk_t *chunk)
{
    zf_lane_t *lane = lane_of (queue);
    uint64_t first = chunk->first;
    zf_run_t *run = zf_group_from (&lane->group, first);
    for (; run != NULL && run->chunk == chunk; run = zf_group_next (&lane->group, run)) {
        zf_run_unlink (queue, run);
        if (chunk->notes != NULL)
            zf_notes_drop (queue, run);
    }
    for (uint32_t at = 0; chunk->notes != NULL && at < chunk->count; at++)
        if (chunk->notes[at] != NULL)
            zf_note_free (queue, chunk->notes[at]);
    queue->length -= chunk->live;
    queue->totals.posted -= chunk->live;
    zf_group_leave (&lane->group, chunk);
    drop_view (queue, chunk);
    zf_log_skip (&lane->log, first);
}

/* Nothing before id is looked at any more; told: that has to be written down. */
static void pass_over (zf_queue_t *queue, uint64_t id, bool told)
{
    zf_follow_t *follow = queue->follow;
    zf_log_t *log = &lane_of (queue)->log;
    uint64_t from = log->next;
    uint64_t floor = zf_follow_floor (queue);
    forget_known (follow, id);
    zf_log_skip (log, id);
    if (!told)
        return;
    if (floor < from) /* older ones are not finished */
        zf_store_passed (queue, from, id);
    follow->told = zf_follow_floor (queue);
    zf_store_cursor (queue, follow->told, follow->missed);
}

/* What lies between where we were and the record that is next went by the policy, but for what was
 * done already. */
static void go_to (zf_queue_t *queue, uint64_t id)
{
    zf_follow_t *follow = queue->follow;
    uint64_t before = follow->missed;
    uint64_t next = lane_of (queue)->log.next;
    follow->missed += zf_stream_missed (follow->source, next, id);
    known_t *known = first_known (follow);
    for (; known != NULL && known->first < id; known = RB_NEXT (zf_knowns, NULL, known)) {
        uint64_t end = known->end < id ? known->end : id;
        uint64_t first = known->first > next ? known->first : next;
        if (known->done)
            follow->missed -= zf_stream_missed (follow->source, first, end);
    }
    pass_over (queue, id, follow->missed != before);
}

static zf_chunk_t *view_next (zf_queue_t *queue)
{
    zf_follow_t *follow = queue->follow;
    zf_queue_t *source = follow->source;
    zf_log_t *log = &lane_of (queue)->log;
    zf_place_t place;
    uint64_t id = log->next;
    uint64_t end = zf_stream_end (source);
    if (id >= end || !zf_stream_find (source, &id, &place) || id >= end)
        return NULL;
    go_to (queue, id);
    zf_store_read_ahead (source, place.chunk);
    if (!zf_chunk_here (source, place.chunk))
        return NULL;
    uint32_t n = place.chunk->count - place.at;
    n = end - id < n ? (uint32_t) (end - id) : n;
    want_t want = {.follow = follow, .known = first_known (follow)};
    bool all = follow->filter == NULL && want.known == NULL;
    zf_chunk_t *chunk;
    uint64_t pinned = log->pinned;
    if (zf_log_share (log, place.chunk, place.at, n, all ? NULL : wants, &want, &chunk) != 0) {
        zf_engine_touch (queue);
        return NULL;
    }
    queue->engine->overhead += log->pinned - pinned;
    queue->engine->looks -= queue->engine->looks < n ? queue->engine->looks : n;
    return chunk;
}

static uint64_t most_bytes (const zf_queue_t *queue)
{
    uint64_t share = queue->engine->options.memory_bytes / ZF_FOLLOW_SHARE;
    return share > ZF_FOLLOW_BYTES ? share : ZF_FOLLOW_BYTES;
}

bool zf_follow_pull (zf_queue_t *queue)
{
    const zf_follow_t *follow = queue->follow;
    const zf_log_t *log = &lane_of (queue)->log;
    if (follow->source == NULL || log->length >= ZF_FOLLOW_WINDOW ||
        log->bytes + log->pinned >= most_bytes (queue))
        return false;
    for (int i = 0; i < PULL_CHUNKS && (i == 0 || queue->engine->looks > 0); i++) {
        zf_chunk_t *chunk = view_next (queue);
        if (chunk == NULL) {
            if (i > 0)
                zf_follow_advance (queue);
            return false;
        }
        if (chunk->live == 0) {
            drop_view (queue, chunk);
            continue;
        }
        if (!begin (queue, chunk)) {
            give_back (queue, chunk);
            zf_engine_touch (queue); /* it is tried again */
            return false;
        }
        forget_known (queue->follow, lane_of (queue)->log.next);
        return true;
    }
    zf_follow_advance (queue);
    zf_engine_touch (queue); /* the next turn goes on */
    return false;
}

/* -- how far it is ----------------------------------------------------------------------------- */

uint64_t zf_follow_floor (const zf_queue_t *queue)
{
    const zf_log_t *log = &lane_of (queue)->log;
    zf_place_t place;
    uint64_t id = 0;
    return zf_log_find (log, &id, &place) ? id : log->next;
}

void zf_follow_advance (zf_queue_t *queue)
{
    zf_follow_t *follow = queue->follow;
    uint64_t floor = zf_follow_floor (queue);
    if (floor <= follow->told)
        return;
    follow->told = floor;
    zf_store_cursor (queue, floor, follow->missed);
}

/* How many ids in [from, to[ a log told to be done. */
static uint64_t known_done (const zf_queue_t *queue, uint64_t from, uint64_t to)
{
    known_t *known = known_from (queue->follow, from);
    uint64_t done = 0;
    for (; known != NULL && known->first < to; known = RB_NEXT (zf_knowns, NULL, known)) {
        uint64_t first = known->first > from ? known->first : from;
        uint64_t end = known->end < to ? known->end : to;
        done += known->done && end > first ? end - first : 0;
    }
    return done;
}

uint64_t zf_follow_lag (const zf_queue_t *queue)
{
    const zf_follow_t *follow = queue->follow;
    uint64_t lag = lane_of (queue)->log.length;
    uint64_t from = lane_of (queue)->log.next;
    if (follow->source == NULL)
        return lag;
    const zf_log_t *log = &lane_of (follow->source)->log;
    const zf_chunk_t *chunk = log->head != NULL ? log->head->prev : NULL;
    while (chunk != NULL && chunk->first + chunk->count > from) {
        uint64_t before = from > chunk->first ? from - chunk->first : 0;
        lag += chunk->live > before ? chunk->live - before : 0;
        chunk = chunk != log->head ? chunk->prev : NULL;
    }
    uint64_t done = known_done (queue, from, log->next);
    return lag > done ? lag - done : 0;
}

uint64_t zf_follow_missed (const zf_queue_t *queue)
{
    const zf_follow_t *follow = queue->follow;
    uint64_t from = lane_of (queue)->log.next;
    if (follow->source == NULL || from >= follow->source->stream->floor)
        return follow->missed;
    uint64_t to = follow->source->stream->floor;
    uint64_t missed = zf_stream_missed (follow->source, from, to);
    uint64_t done = known_done (queue, from, to);
    return follow->missed + (missed > done ? missed - done : 0);
}

uint64_t zf_follow_skip (zf_queue_t *queue)
{
    zf_follow_t *follow = queue->follow;
    zf_log_t *log = &lane_of (queue)->log;
    if (follow->source == NULL)
        return 0;
    uint64_t lag = zf_follow_lag (queue) - log->length;
    uint64_t end = zf_stream_end (follow->source);
    if (end > log->next)
        pass_over (queue, end, true);
    return lag;
}

/* -- the log ----------------------------------------------------------------------------------- */

void zf_follow_done_to (zf_queue_t *queue, uint64_t floor)
{
    zf_follow_t *follow = queue->follow;
    zf_log_t *log = &lane_of (queue)->log;
    if (floor > log->next)
        zf_log_skip (log, floor);
    known_t *known;
    while ((known = first_known (follow)) != NULL && known->first <= log->next) {
        if (known->end <= log->next)
            free_known (follow, known);
        else if (known->done)
            zf_log_skip (log, known->end);
        else if (known->first < log->next)
            known->first = log->next;
        else
            break;
    }
}

static int add_known (zf_follow_t *follow, const known_t *like, uint64_t first, uint64_t end)
{
    known_t *known = malloc (sizeof *known);
    if (known == NULL)
        return ZF_E_NOMEM;
    *known = *like;
    known->first = first;
    known->end = end;
    RB_INSERT (zf_knowns, &follow->known, known);
    return 0; /* NOLINT(clang-analyzer-unix.Malloc): the tree has it */
}

/* Takes [first, end[ out of what is known. */
static int cut_known (zf_follow_t *follow, uint64_t first, uint64_t end)
{
    known_t *known = known_from (follow, first);
    while (known != NULL && known->first < end) {
        known_t *next = RB_NEXT (zf_knowns, NULL, known);
        if (known->first < first && known->end > end) { /* the tree goes by ends: the rest is new */
            if (add_known (follow, known, known->first, first) != 0)
                return ZF_E_NOMEM;
            known->first = end;
        } else if (known->first < first) {
            known->end = first;
        } else if (known->end > end) {
            known->first = end;
        } else {
            free_known (follow, known);
        }
        known = next;
    }
    return 0;
}

/* The one that ends right there. */
static known_t *known_before (zf_follow_t *follow, uint64_t id)
{
    known_t probe = {.end = id};
    return RB_FIND (zf_knowns, &follow->known, &probe);
}

static bool is_alike (const known_t *a, const known_t *b)
{
    return a->done == b->done && a->attempts == b->attempts && a->due_ms == b->due_ms;
}

int zf_follow_know (zf_queue_t *queue, uint64_t first, uint64_t count, bool done, uint32_t attempts,
                    uint64_t due_ms)
{
    zf_follow_t *follow = queue->follow;
    uint64_t floor = lane_of (queue)->log.next;
    uint64_t end = first + count;
    known_t like = {.done = done, .attempts = attempts, .due_ms = due_ms};
    first = first > floor ? first : floor;
    if (end <= first)
        return 0;
    if (cut_known (follow, first, end) != 0)
        return ZF_E_NOMEM;
    known_t *before = known_before (follow, first);
    known_t *behind = known_from (follow, end);
    if (behind != NULL && behind->first == end && is_alike (behind, &like)) {
        behind->first = first;
        if (before != NULL && is_alike (before, &like)) {
            behind->first = before->first;
            free_known (follow, before);
        }
    } else if (before != NULL && is_alike (before, &like)) {
        before->end = end;
    } else if (add_known (follow, &like, first, end) != 0) {
        return ZF_E_NOMEM;
    }
    zf_follow_done_to (queue, floor);
    return 0;
}

bool zf_follow_told (const zf_queue_t *queue, uint64_t id, bool *done, uint32_t *attempts,
                     uint64_t *due_ms)
{
    const known_t *known = known_from (queue->follow, id);
    if (known == NULL || known->first > id)
        return false;
    *done = known->done;
    *attempts = known->attempts;
    *due_ms = known->due_ms;
    return true;
}

/* Where records are done between others that are not. */
static void write_holes (zf_queue_t *queue)
{
    const zf_log_t *log = &lane_of (queue)->log;
    uint64_t done_from = zf_follow_floor (queue);
    const zf_chunk_t *chunk;
    DL_FOREACH (log->head, chunk) {
        for (uint32_t at = 0; at < chunk->count; at++) {
            uint64_t id = chunk->first + at;
            if (chunk->live == 0 || !is_live (chunk, at) || id < done_from)
                continue;
            zf_store_passed (queue, done_from, id);
            done_from = id + 1;
        }
    }
    zf_store_passed (queue, done_from, log->next);
}

void zf_follow_write (zf_queue_t *queue)
{
    zf_group_t *group = &lane_of (queue)->group;
    known_t *known;
    queue->follow->lsn = queue->engine->store.lsn;
    queue->follow->told = zf_follow_floor (queue); /* the log may begin with less */
    zf_store_cursor (queue, queue->follow->told, queue->follow->missed);
    write_holes (queue);
    zf_run_t *run = zf_group_from (group, 0);
    for (; run != NULL; run = zf_group_next (group, run)) {
        bool delayed = run->state == ZF_RUN_DELAYED;
        if (run->state != ZF_RUN_GONE && (delayed || run->attempts > 0))
            zf_store_state (queue, run, delayed ? run->timer.due_ms : 0);
    }
    RB_FOREACH (known, zf_knowns, &queue->follow->known) {
        if (known->done)
            zf_store_passed (queue, known->first, known->end);
        else
            zf_store_range (queue, ZF_OP_STATE, known->first,
                            (uint32_t) (known->end - known->first), known->attempts, known->due_ms);
    }
}

/* -- making one -------------------------------------------------------------------------------- */

static void set_policy (zf_policy_t *policy, const zf_queue_t *source)
{
    policy->kind = ZF_KIND_QUEUE;
    policy->compact = false;
    policy->priorities = 2; /* what comes from the stream, and what is put back or posted */
    policy->max_length = policy->max_bytes = policy->ttl_ms = 0;
    policy->overflow = ZF_OVERFLOW_BACKPRESSURE;
    policy->durable = source->is_durable ? ZF_DURABLE_AUTO : ZF_DURABLE_NO;
}

void zf_follow_policy (const zf_queue_t *queue, zf_policy_t *policy)
{
    zf_durable_t durable = queue->policy.durable;
    set_policy (policy, queue);
    policy->durable = durable;
}

zf_queue_t *zf_engine_group (zf_engine_t *engine, zf_bytes_t name, zf_group_wish_t *wish, int *code)
{
    zf_queue_t *queue = zf_engine_find (engine, name);
    zf_queue_t *source = zf_group_source (engine, name);
    *code = queue != NULL    ? (queue->follow != NULL ? 0 : ZF_E_INVAL)
            : source == NULL ? ZF_E_NOT_FOUND
                             : 0;
    if (queue == NULL && *code == 0) {
        zf_policy_t policy = wish->policy != NULL ? *wish->policy : source->policy;
        set_policy (&policy, source);
        zf_engine_touch (source); /* so that it does not make room for its own group */
        queue = zf_engine_make (engine, name, &policy, code);
        if (queue != NULL && zf_follow_init (queue) != 0) {
            zf_engine_forget_queue (queue);
            *code = ZF_E_NOMEM;
        }
        if (queue != NULL && *code == 0) {
            zf_start_t start = wish->start;
            start.from = start.from == ZF_FROM_DEFAULT ? ZF_FROM_FIRST : start.from;
            queue->declared = true;
            queue->follow->filter = wish->filter;
            wish->filter = NULL;
            zf_follow_attach (queue);
            lane_of (queue)->log.next = zf_stream_seek (source, start);
            zf_store_queue (queue);
            zf_awaits_look (source);
        }
    }
    zf_filter_free (&wish->filter);
    return *code == 0 ? queue : NULL;
}

static bool could_be_group (const zf_queue_t *queue, const zf_queue_t *stream)
{
    zf_bytes_t name = zf_bytes (queue->name, queue->name_size);
    return queue->follow == NULL && queue->stream == NULL && !queue->declared && !queue->is_dead &&
           queue->length == 0 && queue->parked == NULL && !queue->is_drained &&
           zf_group_source (queue->engine, name) == stream;
}

void zf_stream_found_groups (zf_queue_t *stream)
{
    zf_queue_t *queue = stream->engine->queues;
    for (; queue != NULL; queue = queue->hh.next) {
        zf_policy_t policy = queue->policy;
        if (!could_be_group (queue, stream))
            continue;
        set_policy (&policy, stream);
        if (zf_queue_set_policy (queue, &policy) != 0 || zf_follow_init (queue) != 0)
            continue; /* it stays what it is */
        queue->declared = true;
        zf_follow_attach (queue);
        lane_of (queue)->log.next = 0; /* from the first record on */
        zf_store_queue (queue);
    }
}
