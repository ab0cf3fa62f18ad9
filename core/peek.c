/* Looking at a queue without changing it. */
#include "core/engine.h"
#include "core/link.h"

#include <utlist.h>

static bool sight_at (zf_lane_t *lane, zf_chunk_t *chunk, uint32_t at, zf_sight_t *sight)
{
    uint64_t id = chunk->first + at;
    zf_run_t *run = zf_group_from (&lane->group, id);
    bool in_run = run != NULL && zf_run_first (run) <= id;
    const zf_chunk_t *cursor = lane->group.chunk;
    bool fresh = cursor != NULL && id >= cursor->first + lane->group.at;
    if (in_run ? run->state == ZF_RUN_GONE : !fresh)
        return false;
    sight->id = id;
    sight->place.chunk = chunk;
    sight->place.at = at;
    sight->here = zf_chunk_here (chunk->owner != NULL ? chunk->owner : lane->group.owner, chunk);
    if (sight->here)
        sight->record = zf_chunk_record (chunk, at);
    sight->attempts = in_run ? run->attempts : 0;
    sight->state = in_run ? (zf_run_state_t) run->state : ZF_RUN_GONE;
    return true;
}

static bool peek_lane (zf_lane_t *lane, uint64_t id, zf_sight_t *sight)
{
    zf_place_t place;
    for (; zf_log_find (&lane->log, &id, &place); id++) {
        if (sight_at (lane, place.chunk, place.at, sight))
            return true;
    }
    return false;
}

bool zf_queue_peek (zf_queue_t *queue, uint64_t id, zf_sight_t *sight)
{
    for (uint64_t i = id >> ZF_LANE_SHIFT; i < queue->policy.priorities; i++) {
        if (peek_lane (&queue->lanes[i], id, sight))
            return true;
    }
    return false;
}

static uint64_t links (const zf_queue_t *queue)
{
    uint64_t count = 0;
    const zf_feed_t *feed;
    DL_FOREACH (queue->feeds, feed)
        count++;
    return count;
}

static uint64_t on_disk (const zf_queue_t *queue)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; queue->engine->store.away > 0 && i < queue->policy.priorities; i++) {
        const zf_chunk_t *chunk;
        DL_FOREACH (queue->lanes[i].log.head, chunk)
            sum += chunk->data == NULL && chunk->live > 0 ? chunk->size - ZF_BATCH_HEADER : 0;
    }
    return sum;
}

static void describe_stream (const zf_queue_t *queue, zf_queue_info_t *info)
{
    const zf_log_t *log = &queue->lanes[0].log;
    if (queue->stream != NULL) {
        info->first = zf_stream_first (queue);
        info->next = log->next;
        info->groups = queue->stream->group_count;
        info->subscribers = queue->stream->subscription_count;
    } else if (queue->follow != NULL) {
        info->bytes += log->bytes;
        info->first = zf_follow_floor (queue);
        info->next = log->next;
        info->lag = zf_follow_lag (queue);
        info->missed = zf_follow_missed (queue);
    }
}

void zf_queue_describe (const zf_queue_t *queue, zf_queue_info_t *info)
{
    uint64_t oldest = ZF_NEVER;
    *info = queue->totals;
    memcpy (info->name, queue->name, queue->name_size + 1);
    info->policy = queue->policy;
    info->declared = queue->declared;
    info->length = queue->length;
    info->bytes = queue->bytes;
    info->leased = queue->leased;
    info->delayed = queue->delayed;
    info->parked = queue->parked_count;
    info->workers = queue->consumers;
    info->sync = queue->is_durable ? (zf_sync_t) queue->engine->store.sync : ZF_SYNC_NONE;
    info->on_disk = on_disk (queue);
    info->links = links (queue);
    describe_stream (queue, info);
    for (uint32_t i = 0; i < queue->policy.priorities; i++) {
        const zf_chunk_t *head = queue->lanes[i].log.head;
        if (head != NULL && head->live > 0 && head->oldest_ms < oldest)
            oldest = head->oldest_ms;
    }
    info->oldest_ms = oldest != ZF_NEVER ? queue->engine->now_ms - oldest : 0;
}
