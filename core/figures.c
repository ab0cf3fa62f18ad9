/* The engine's figures. */
#include "core/engine.h"

void zf_engine_stats (const zf_engine_t *engine, zf_stat_fn *fn, void *arg)
{
    const zf_counters_t *c = &engine->counters;
    zf_queue_info_t sum = {.length = 0};
    for (const zf_queue_t *queue = engine->queues; queue != NULL; queue = queue->hh.next) {
        sum.length += queue->length;
        sum.posted += queue->totals.posted;
        sum.delivered += queue->totals.delivered;
        sum.acked += queue->totals.acked;
        sum.redelivered += queue->totals.redelivered;
        sum.dead += queue->totals.dead;
        sum.dropped += queue->totals.dropped;
    }
    fn (arg, "sessions", c->sessions);
    fn (arg, "queues", HASH_COUNT (engine->queues));
    fn (arg, "records", sum.length);
    fn (arg, "bytes", engine->bytes);
    fn (arg, "overhead", engine->overhead);
    fn (arg, "posted", sum.posted);
    fn (arg, "delivered", sum.delivered);
    fn (arg, "acked", sum.acked);
    fn (arg, "redelivered", sum.redelivered);
    fn (arg, "dead", sum.dead);
    fn (arg, "dropped", sum.dropped);
    fn (arg, "messages_in", c->messages_in);
    fn (arg, "messages_out", c->messages_out);
    fn (arg, "peer_errors", c->peer_errors);
    fn (arg, "corrupt", c->corrupt);
    fn (arg, "stale", c->stale);
    fn (arg, "answers_dropped", c->answers_dropped);
    fn (arg, "abandoned", c->abandoned);
    fn (arg, "sessions_lost", c->sessions_lost);
    fn (arg, "sessions_refused", c->sessions_refused);
    fn (arg, "peers_slow", c->peers_slow);
    fn (arg, "denied", c->denied);
    fn (arg, "limited", c->limited);
    fn (arg, "throttled", c->throttled);
    fn (arg, "notices_dropped", c->notices_dropped);
    zf_histogram_tell (&engine->wait, &zf_wait_ms, fn, arg);
    zf_histogram_tell (&engine->answer, &zf_answer_ms, fn, arg);
    zf_histogram_tell (&engine->hold, &zf_hold_ms, fn, arg);
    const zf_store_t *store = &engine->store;
    fn (arg, "sync", (uint64_t) store->sync);
    if (!store->on)
        return;
    fn (arg, "durable_records", store->records);
    fn (arg, "durable_bytes", store->bytes);
    fn (arg, "in_memory", store->resident_bytes);
    fn (arg, "spilled", store->spilled);
    fn (arg, "read_back", store->loaded);
    fn (arg, "carried", store->carried);
    fn (arg, "log_failed", store->failed);
    fn (arg, "journal_written", store->lsn);
}
