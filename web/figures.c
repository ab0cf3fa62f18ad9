#include "web/figures.h"

#include <string.h>

#define G(figure, metric, help)                     \
    {                                               \
        figure, ZF_WEB_GAUGE, metric, NULL, 1, help \
    }
#define C(figure, metric, help)                       \
    {                                                 \
        figure, ZF_WEB_COUNTER, metric, NULL, 1, help \
    }
#define LOST(figure, reason, help)                         \
    {                                                      \
        figure, ZF_WEB_COUNTER, "dropped", reason, 1, help \
    }
#define SECONDS(figure, metric, help)                  \
    {                                                  \
        figure, ZF_WEB_GAUGE, metric, NULL, 1000, help \
    }

const zf_web_metric_t zf_web_metrics[] = {
    G ("sessions", "sessions", "Peers with state here."),
    G ("queues", "queues", "Queues, streams and groups."),
    G ("records", "records", "Records in all queues."),
    G ("bytes", "bytes", "Bytes of records in memory."),
    G ("overhead", "overhead_bytes", "Bytes that records cost beside themselves."),
    C ("posted", "posted", "Records posted."),
    C ("delivered", "delivered", "Deliveries to workers and subscribers."),
    C ("acked", "acked", "Records acknowledged."),
    C ("redelivered", "redelivered", "Deliveries that were not the first."),
    C ("dead", "dead", "Records dead-lettered."),
    LOST ("dropped", "queue",
          "What was dropped, by reason: queue: by its overflow rule, age, a "
          "purge, or for want of a dead-letter queue; answer: nobody waited "
          "for it; slow, full, loop: publications in plain ZeroMQ; notice: "
          "words for people."),
    LOST ("answers_dropped", "answer", NULL),
    LOST ("plain_dropped_slow", "slow", NULL),
    LOST ("plain_dropped_full", "full", NULL),
    LOST ("plain_dropped_loop", "loop", NULL),
    LOST ("notices_dropped", "notice", NULL),
    C ("messages_in", "messages_in", "Messages received."),
    C ("messages_out", "messages_out", "Messages sent."),
    C ("peer_errors", "peer_errors", "Messages that broke the protocol."),
    C ("corrupt", "corrupt", "Batches whose checksum did not match."),
    C ("stale", "stale", "Settlements of leases that were not held any more."),
    C ("abandoned", "abandoned", "Requests dropped with their client."),
    C ("sessions_lost", "sessions_lost", "Peers that went silent or were lost."),
    C ("sessions_refused", "sessions_refused", "Peers refused at the limit."),
    C ("peers_slow", "peers_slow", "Peers cut off because they did not read."),
    C ("denied", "denied", "Commands of peers that no rule allows."),
    C ("limited", "limited", "Commands that a limit of clients forbids."),
    C ("throttled", "throttled", "Messages held because their client was beyond its rate."),
    G ("sync", "sync", "What confirmed means: 0 no journal, 1 always, 2 interval, 3 never."),
    G ("durable_records", "durable_records", "Records of durable queues."),
    G ("durable_bytes", "durable_bytes", "Bytes of durable queues."),
    G ("in_memory", "durable_memory_bytes", "Bytes of durable queues that are in memory."),
    C ("spilled", "spilled", "Batches that went out of memory, being in the journal."),
    C ("read_back", "read_back", "Batches read back from the journal."),
    C ("carried", "carried", "Batches written again so that old segments could go."),
    G ("log_failed", "log_failed", "1: the log takes nothing any more."),
    C ("journal_written", "journal_written_bytes",
       "Bytes of entries, from the journal's making on."),
    G ("journal_bytes", "journal_bytes", "Bytes of the journal's files."),
    G ("journal_cap", "journal_cap_bytes", "What they may come to."),
    G ("journal_room", "journal_room_bytes",
       "Bytes that can be written to segments that are ready."),
    G ("journal_under_way", "journal_under_way_bytes", "Bytes written and not durable yet."),
    C ("journal_appends", "journal_appends", "Writes to the journal."),
    C ("journal_appended_bytes", "journal_appended_bytes", "Bytes written to the journal."),
    C ("journal_syncs", "journal_syncs", "Times that it was made durable."),
    G ("journal_full", "journal_full", "1: no room on the disk or under the cap."),
    G ("journal_failed", "journal_failed", "1: the journal has failed for good."),
    C ("plain_in", "plain_in", "Publications received in plain ZeroMQ."),
    C ("plain_out", "plain_out", "Publications sent in plain ZeroMQ."),
    G ("plain_subscriptions", "plain_subscriptions", "Subscriptions in plain ZeroMQ."),
    G ("last_values", "last_values", "Topics whose last value is kept."),
    C ("last_values_evicted", "last_values_evicted", "Last values that went for want of room."),
    C ("loops", "loops", "Circles of forwarders that were cut."),
    G ("backlog", "backlog", "Records that the link has not carried yet."),
    SECONDS ("lag_ms", "lag_seconds", "Age of the oldest of them."),
    {"looks", ZF_WEB_HIDDEN, NULL, NULL, 1, NULL},
    {"rate", ZF_WEB_HIDDEN, NULL, NULL, 1, NULL},
    C ("forwarded", "forwarded", "Records that the link has sent."),
    C ("confirmed", "confirmed", "Records that the far side has confirmed."),
    C ("duplicates", "duplicates", "Records that the far side had already."),
    C ("rejected", "rejected", "Records that the far side refused for good."),
    C ("restarts", "restarts", "Times that the link began again."),
    G ("connected_from", "connected_from", "1: connected to where records come from."),
    G ("connected_to", "connected_to", "1: connected to where they go."),
    G ("refused", "refused", "1: the far side refuses the link."),
    {NULL, ZF_WEB_HIDDEN, NULL, NULL, 1, NULL}};

const zf_web_metric_t *zf_web_metric (const char *figure)
{
    for (const zf_web_metric_t *metric = zf_web_metrics; metric->figure != NULL; metric++)
        if (strcmp (metric->figure, figure) == 0)
            return metric;
    return NULL;
}

static bool ends_with (const char *name, size_t size, const char *end)
{
    size_t n = strlen (end);
    return size > n && memcmp (name + size - n, end, n) == 0;
}

bool zf_web_bucket (const char *figure, zf_web_bucket_t *bucket)
{
    const char *dot = strchr (figure, '.');
    if (dot == NULL)
        return false;
    size_t size = (size_t) (dot - figure);
    bool is_ms = ends_with (figure, size, "_ms");
    bool is_us = ends_with (figure, size, "_us");
    *bucket = (zf_web_bucket_t){.name = figure,
                                .size = size - (is_ms || is_us ? 3 : 0),
                                .divisor = is_ms   ? 1000
                                           : is_us ? 1000000
                                                   : 0,
                                .part = dot + 1};
    return strncmp (dot, ".le.", 4) == 0 || strcmp (dot, ".sum") == 0 ||
           strcmp (dot, ".count") == 0;
}
