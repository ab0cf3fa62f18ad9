/* Links that post into queues here: who feeds whom, so that no loop is closed; and what a link that
 * drains a queue is given. */
#include "core/link.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

/* -- loops ------------------------------------------------------------------------------------- */

zf_feed_t *zf_feed_find (const zf_queue_t *queue, const zf_session_t *session)
{
    zf_feed_t *feed;
    DL_FOREACH (queue->feeds, feed) {
        if (feed->session == session)
            return feed;
    }
    return NULL;
}

static void free_feed (zf_feed_t *feed)
{
    DL_DELETE (feed->queue->feeds, feed);
    DL_DELETE2 (feed->session->feeds, feed, session_prev, session_next);
    free (feed->path);
    free (feed);
}

void zf_feeds_drop_session (zf_session_t *session)
{
    while (session->feeds != NULL)
        free_feed (session->feeds); /* NOLINT(clang-analyzer-*): it takes itself out of the list */
}

void zf_feeds_drop_queue (zf_queue_t *queue)
{
    while (queue->feeds != NULL)
        free_feed (queue->feeds); /* NOLINT(clang-analyzer-*): the same */
}

/* True of its own name, and those of its groups. */
static bool is_of (const zf_queue_t *queue, zf_bytes_t name)
{
    const char *bytes = name.data;
    if (zf_bytes_equal (name, zf_bytes (queue->name, queue->name_size)))
        return true;
    return queue->stream != NULL && name.size > queue->name_size &&
           memcmp (bytes, queue->name, queue->name_size) == 0 &&
           bytes[queue->name_size] == ZF_GROUP_MARK;
}

/* True if the queue itself is on the path: pairs of a broker's identity and a queue. */
static bool closes_loop (const zf_queue_t *queue, zf_reader_t path, uint32_t nodes)
{
    const uint8_t *own = zf_engine_source (queue->engine);
    for (uint32_t i = 0; i < nodes; i++) {
        zf_bytes_t uuid = zf_mp_bytes (&path);
        zf_bytes_t name = zf_mp_bytes (&path);
        if (zf_bytes_equal (uuid, zf_bytes (own, ZF_UUID_BYTES)) && is_of (queue, name))
            return true;
    }
    return false;
}

static bool is_path (zf_reader_t *r, uint32_t nodes)
{
    for (uint32_t i = 0; i < nodes; i++) {
        zf_bytes_t uuid = zf_mp_bytes (r);
        zf_bytes_t name = zf_mp_bytes (r);
        if (r->failed || uuid.size != ZF_UUID_BYTES || !zf_is_name (name))
            return false;
    }
    return !r->failed;
}

static zf_feed_t *make_feed (zf_queue_t *queue, zf_session_t *session)
{
    zf_feed_t *feed = calloc (1, sizeof *feed);
    if (feed == NULL)
        return NULL;
    feed->queue = queue;
    feed->session = session;
    DL_APPEND (queue->feeds, feed);
    DL_APPEND2 (session->feeds, feed, session_prev, session_next);
    zf_notice (queue->engine, ZF_EVENT_LINK, "%s is fed by the link %s", queue->name,
               session->name);
    return feed;
}

int zf_feed_link (zf_queue_t *queue, zf_session_t *session, zf_reader_t *r, uint64_t *last)
{
    zf_reader_t start = *r;
    uint32_t numbers = zf_mp_array (&start);
    zf_reader_t path = start;
    uint32_t nodes = numbers / 2;
    *last = 0;
    if (numbers % 2 != 0 || nodes == 0 || nodes > ZF_PATH_MAX || !is_path (&start, nodes))
        return nodes > ZF_PATH_MAX ? ZF_E_LIMIT : ZF_E_PROTO;
    if (closes_loop (queue, path, nodes))
        return ZF_E_INVAL;
    size_t size = (size_t) (start.at - path.at);
    uint8_t *copy = malloc (size);
    zf_feed_t *feed = zf_feed_find (queue, session);
    zf_producer_t *producer =
        zf_producers_get (&queue->producers, session->uuid, queue->engine->now_ms);
    if (copy != NULL && producer != NULL && feed == NULL) {
        feed = make_feed (queue, session);
        producer->stopped = false;
    }
    if (copy == NULL || producer == NULL || feed == NULL) {
        free (copy);
        return ZF_E_NOMEM;
    }
    memcpy (copy, path.at, size);
    free (feed->path);
    feed->path = copy;
    feed->size = size;
    feed->nodes = nodes;
    if (!producer->kept) {
        producer->kept = true;
        queue->was_fed = true;
        zf_store_producer (queue->engine, queue, producer);
    }
    *last = producer->last;
    return 0;
}

void zf_feeds_write (const zf_queue_t *queue, zf_writer_t *w)
{
    const zf_queue_t *source = queue->follow != NULL ? queue->follow->source : NULL;
    const zf_feed_t *feeds = source != NULL ? source->feeds : queue->feeds;
    uint32_t nodes = 0;
    const zf_feed_t *feed;
    DL_FOREACH (feeds, feed)
        nodes += feed->nodes <= ZF_PATH_MAX - nodes ? feed->nodes : 0;
    zf_mp_put_array (w, 2 * (size_t) nodes);
    DL_FOREACH (feeds, feed) {
        if (feed->nodes > nodes)
            continue;
        nodes -= feed->nodes;
        zf_write_bytes (w, feed->path, feed->size);
    }
}

/* -- draining ---------------------------------------------------------------------------------- */

int zf_consumer_drain (zf_consumer_t *consumer)
{
    zf_queue_t *queue = consumer->queue;
    if (queue->policy.priorities > 1 && queue->follow == NULL)
        return ZF_E_INVAL;
    if (queue->consumers > 1 || consumer->leased > 0)
        return ZF_E_BUSY;
    consumer->drains = true;
    queue->is_drained = true;
    return 0;
}

/* The records of a run as one of them, unlinked, from id on, up to max. */
static zf_run_t *cut (zf_queue_t *queue, zf_run_t *run, zf_place_t place, uint64_t id, uint32_t max)
{
    uint64_t left = zf_run_end (run) - id;
    uint32_t n = left < max ? (uint32_t) left : max;
    bool delayed = run->state == ZF_RUN_DELAYED;
    if (zf_run_carve (queue, run, place.at, n) != 0)
        return NULL;
    uint64_t due_ms = delayed ? run->timer.due_ms : 0;
    zf_run_unlink (queue, run);
    run->due_ms = due_ms;
    return run;
}

static uint32_t least (uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Fresh records, wherever they are; one alone that has a key. */
static zf_run_t *pass (zf_group_t *group, zf_place_t place, uint64_t id, uint32_t max)
{
    if (place.chunk->notes != NULL) {
        uint32_t alike =
            zf_chunk_alike (place.chunk, place.at, least (max, place.chunk->count - place.at));
        max = alike > 0 ? alike : 1;
    }
    uint32_t fresh = zf_group_fresh (group);
    if (group->chunk == place.chunk && group->at == place.at)
        return zf_group_pass (group, fresh < max ? fresh : max, ZF_RUN_LEASED);
    uint32_t left = place.chunk->count - place.at;
    zf_run_t *next = zf_group_from (group, id);
    if (next != NULL && zf_run_first (next) - id < left)
        left = (uint32_t) (zf_run_first (next) - id);
    return zf_group_mark (group, place.chunk, place.at, left < max ? left : max, ZF_RUN_LEASED);
}

zf_run_t *zf_queue_take_drained (zf_queue_t *queue, zf_consumer_t *consumer, uint32_t max)
{
    zf_lane_t *lane = &queue->lanes[0];
    zf_place_t place;
    uint64_t id = consumer->drained;
    while (!zf_log_find (&lane->log, &id, &place))
        if (queue->follow == NULL || !zf_follow_pull (queue))
            return NULL;
    if (lane->mark_count > 0 && id >= lane->durable_end)
        return NULL;
    zf_store_read_ahead (queue, place.chunk);
    if (!zf_chunk_here (queue, place.chunk))
        return NULL;
    if (lane->mark_count > 0 && lane->durable_end - id < max)
        max = (uint32_t) (lane->durable_end - id);
    zf_run_t *run = zf_group_from (&lane->group, id);
    if (run != NULL && zf_run_first (run) <= id)
        run = cut (queue, run, place, id, max);
    else
        run = pass (&lane->group, place, id, max);
    if (run == NULL)
        zf_engine_touch (queue); /* no memory: it is tried again */
    else
        consumer->drained = zf_run_end (run);
    return run;
}

/* -- what is left of a record's times ---------------------------------------------------------- */

static uint64_t left_ms (uint64_t due_ms, uint64_t now_ms)
{
    return due_ms > now_ms ? due_ms - now_ms : 1;
}

static int add_record (zf_writer_t *w, const zf_run_t *run, uint32_t at)
{
    const zf_engine_t *engine = zf_run_queue (run)->engine;
    const zf_note_t *note = zf_chunk_note (run->chunk, at);
    zf_record_t record = zf_chunk_record (run->chunk, at);
    zf_props_view_t view;
    zf_writer_t props = {0};
    zf_props_decode (record.props, record.body.size, &view);
    view.delay_ms = run->due_ms > engine->now_ms ? run->due_ms - engine->now_ms : 0;
    if (note != NULL && note->own_ttl)
        view.ttl_ms = left_ms (note->timer.due_ms, engine->now_ms);
    int rc = zf_props_rewrite (&props, &view, view.dead ? &view.death : NULL);
    uint8_t *to =
        rc == 0 ? zf_writer_reserve (w, zf_record_size (props.size, record.body.size)) : NULL;
    if (to != NULL)
        zf_record_encode (to, zf_bytes (props.data, props.size), record.body);
    zf_writer_free (&props);
    return to != NULL ? 0 : ZF_E_NOMEM;
}

bool zf_run_has_times (const zf_run_t *run)
{
    const zf_chunk_t *chunk = run->chunk;
    bool any = run->due_ms > 0;
    for (uint32_t at = run->at; chunk->notes != NULL && at < run->at + run->count && !any; at++)
        any = chunk->notes[at] != NULL && chunk->notes[at]->own_ttl;
    return any;
}

uint8_t *zf_run_with_times (const zf_run_t *run, size_t *size)
{
    zf_writer_t w = {0};
    int rc = zf_writer_reserve (&w, ZF_BATCH_HEADER) != NULL ? 0 : ZF_E_NOMEM;
    for (uint32_t i = 0; rc == 0 && i < run->count; i++)
        rc = add_record (&w, run, run->at + i);
    *size = w.size;
    if (rc == 0) {
        zf_batch_seal (w.data, w.size, run->count, ZF_BATCH_HAS_PROPS, zf_run_first (run));
        return w.data;
    }
    zf_writer_free (&w);
    return NULL;
}
