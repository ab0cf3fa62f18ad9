/* Posting: what is known of a producer's records, confirms and refusals, and posts that wait. */
#include "core/engine.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

static void say_confirm (zf_session_t *session, const zf_held_t *held)
{
    session->dialect->confirm (session, held->queue, held->first, held->count, held->code);
}

/* Of a durable queue: when it is on disk. */
static void confirm (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n, int code)
{
    zf_session_t *session = in->session;
    if (n == 0 || session->dialect->confirm == NULL)
        return;
    if (!queue->is_durable) {
        session->dialect->confirm (session, queue, in->batch.first + start, n, code);
        return;
    }
    zf_held_t held = {.queue = queue, .say = say_confirm, .first = in->batch.first + start};
    held.count = n;
    held.code = code;
    zf_store_hold (session, &held);
}

/* Confirms or refuses again what was dealt with before, from number `low` on. Returns how many
 * records, those below `low` included, that is. */
static uint32_t confirm_known (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in,
                               uint64_t low)
{
    uint64_t heard = low > in->batch.first ? low - in->batch.first : 0;
    uint32_t start = heard < in->batch.count ? (uint32_t) heard : in->batch.count;
    while (start < in->batch.count && in->batch.first + start <= producer->last) {
        uint64_t n;
        int code = zf_producer_outcome (producer, in->batch.first + start, &n);
        if (n > in->batch.count - start)
            n = in->batch.count - start;
        confirm (queue, in, start, (uint32_t) n, code);
        queue->totals.duplicates += n;
        start += (uint32_t) n;
    }
    return start;
}

/* Refuses n records from `start` on. Returns false if the producer was thrown out instead. */
static bool refuse (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in, uint32_t start,
                    uint32_t n, int code)
{
    if (producer->kept) {
        producer->stopped = true;
        confirm (queue, in, start, n, code);
        queue->totals.refused += n;
        return true;
    }
    if (zf_producer_refuse (producer, in->batch.first + start, n, code) != 0) {
        zf_session_wrong (in->session, "%u refusals not heard of", ZF_REFUSALS_MAX);
        zf_session_end (in->session, "does not listen to refusals");
        return false;
    }
    producer->last = in->batch.first + start + n - 1;
    queue->totals.refused += n;
    zf_store_producer (queue->engine, queue, producer); /* it is told when that is durable */
    confirm (queue, in, start, n, code);
    return true;
}

/* Keeps the queue in the starved list exactly while its posts wait for memory. Who leaves it passes
 * the turn on. */
static void review_hunger (zf_queue_t *queue)
{
    const zf_parked_t *first = queue->parked;
    bool starved = first != NULL &&
                   zf_intake_span (&first->in, first->start, 1).size > zf_queue_memory_left (queue);
    if (starved == queue->is_starved)
        return;
    queue->is_starved = starved;
    if (starved)
        queue->starved_of = queue->is_dead      ? ZF_STARVED_DEAD
                            : queue->is_durable ? ZF_STARVED_LOG
                                                : ZF_STARVED_MEMORY;
    zf_queue_t **list = &queue->engine->starved[queue->starved_of];
    if (starved) {
        if (queue->starved_of == ZF_STARVED_LOG)
            zf_store_tell_short (queue->engine);
        DL_APPEND2 (*list, queue, starved_prev, starved_next);
        return;
    }
    DL_DELETE2 (*list, queue, starved_prev, starved_next);
    if (*list != NULL)
        zf_engine_touch (*list);
}

/* Puts records off until there is room. Takes over what `in` holds. */
static void park (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in, uint32_t start)
{
    zf_session_t *session = in->session;
    uint64_t window = queue->engine->options.window_bytes;
    zf_parked_t *parked = NULL;
    if (session->parked_bytes <= 2 * window) /* framing counts, and what is dealt with in part */
        parked = calloc (1, sizeof *parked);
    else
        zf_session_wrong (session, "posts beyond its window of %llu bytes",
                          (unsigned long long) window);
    if (parked == NULL) { /* not confirmed: it will come again */
        zf_session_end (session, "window exceeded");
        return;
    }
    parked->queue = queue;
    parked->in = *in;
    zf_frame_hold (in->frame);
    in->offsets = NULL;
    parked->start = start;
    producer->parked_end = in->batch.first + in->batch.count;
    session->parked_bytes += in->frame->size;
    queue->parked_count += in->batch.count - start;
    DL_APPEND (queue->parked, parked);
    DL_APPEND2 (session->parked, parked, session_prev, session_next);
    zf_engine_touch (queue);
}

/* If that was the last one of its producer here, none of it waits any more. */
static void forget_parked (const zf_parked_t *parked)
{
    zf_queue_t *queue = parked->queue;
    uint64_t now = queue->engine->now_ms;
    zf_producer_t *producer = zf_producers_get (&queue->producers, parked->in.session->uuid, now);
    if (producer != NULL && producer->parked_end == parked->in.batch.first + parked->in.batch.count)
        producer->parked_end = 0;
}

void zf_parked_drop (zf_parked_t *parked)
{
    zf_session_t *session = parked->in.session;
    forget_parked (parked);
    parked->queue->parked_count -= parked->in.batch.count - parked->start;
    session->parked_bytes -= parked->in.frame->size;
    DL_DELETE (parked->queue->parked, parked);
    DL_DELETE2 (session->parked, parked, session_prev, session_next);
    review_hunger (parked->queue);
    zf_intake_done (&parked->in);
    zf_frame_drop (parked->in.frame);
    free (parked);
}

/* Queues from `start` on as far as it goes. Returns the first record that has to wait; count: all
 * is dealt with. A record that never fits is refused alone: those behind it may fit. */
static uint32_t take (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in, uint32_t start)
{
    uint32_t count = in->batch.count;
    while (start < count && !producer->stopped) {
        int code;
        uint32_t put = zf_queue_admit (queue, in, start, count - start, &code);
        if (put > 0)
            producer->last = in->batch.first + start + put - 1;
        confirm (queue, in, start, put, 0);
        start += put;
        if (code == 0 || (code == ZF_E_FULL && queue->policy.overflow == ZF_OVERFLOW_BACKPRESSURE))
            break;
        uint32_t n = code == ZF_E_TOO_BIG ? 1 : count - start;
        if (!refuse (queue, producer, in, start, n, code))
            return count;
        start += n;
    }
    if (start < count && producer->stopped) {
        confirm (queue, in, start, count - start, ZF_E_FULL);
        return count;
    }
    return start;
}

/* Records of the batch before the first one that is news: those that were dealt with are confirmed
 * again, those that wait already go on waiting, and those below `low` nobody asks about. */
static uint32_t skip_known (zf_queue_t *queue, zf_producer_t *producer, zf_intake_t *in,
                            uint64_t low)
{
    uint64_t first = in->batch.first;
    uint64_t parked = producer->parked_end;
    if (!producer->kept && low > 0 && low - 1 > producer->last)
        producer->last = low - 1; /* the outcome came from another broker, or life */
    uint64_t news = first + confirm_known (queue, producer, in, low);
    news = parked > news ? parked : news;
    return news - first < in->batch.count ? (uint32_t) (news - first) : in->batch.count;
}

/* True if records between those that we know of and this batch never came. */
static bool has_gap (const zf_producer_t *producer, const zf_intake_t *in, uint64_t low)
{
    if (producer->kept) /* records may be gone at its source */
        return false;
    uint64_t parked = producer->parked_end;
    uint64_t next = parked > 0 ? parked : producer->last + 1;
    return in->batch.first > next && in->batch.first > low;
}

void zf_queue_post (zf_queue_t *queue, zf_intake_t *in, uint64_t low)
{
    uint64_t now = queue->engine->now_ms;
    zf_producer_t *producer = zf_producers_get (&queue->producers, in->session->uuid, now);
    if (producer == NULL) {
        zf_session_end (in->session, "out of memory");
        return;
    }
    zf_queue_set_chores (queue, now + ZF_PRODUCER_MEMORY_MS);
    zf_producer_heard (producer, low);
    if (has_gap (producer, in, low)) { /* from the lowest one on they will come again */
        zf_session_wrong (in->session, "%s: posts are missing", queue->name);
        zf_session_end (in->session, "posts are missing");
        return;
    }
    uint32_t start = skip_known (queue, producer, in, low);
    if (queue->parked == NULL)
        start = take (queue, producer, in, start);
    if (producer->last !=
        producer->noted) /* also if the session is to end: what was taken was taken */
        zf_store_producer (queue->engine, queue, producer);
    if (start < in->batch.count && !in->session->doomed)
        park (queue, producer, in, start);
}

void zf_queue_refuse (zf_queue_t *queue, zf_intake_t *in, uint64_t low, int code)
{
    zf_producer_t *producer;
    HASH_FIND (hh, queue->producers.table, in->session->uuid, ZF_UUID_BYTES, producer);
    uint32_t start = producer != NULL ? skip_known (queue, producer, in, low) : 0;
    uint32_t n = in->batch.count - start;
    confirm (queue, in, start, n, code);
    queue->totals.refused += n;
}

/* One parked post goes on. Returns true if it is dealt with, and gone. */
static bool resume (zf_queue_t *queue, zf_parked_t *parked)
{
    const uint8_t *uuid = parked->in.session->uuid;
    zf_producer_t *producer = zf_producers_get (&queue->producers, uuid, queue->engine->now_ms);
    if (producer == NULL)
        return false;
    uint32_t start = take (queue, producer, &parked->in, parked->start);
    if (producer->last != producer->noted)
        zf_store_producer (queue->engine, queue, producer);
    queue->parked_count -= start - parked->start;
    parked->start = start;
    if (start < parked->in.batch.count)
        return false;
    zf_parked_drop (parked);
    return true;
}

void zf_queue_unpark (zf_queue_t *queue)
{
    while (queue->parked != NULL && resume (queue, queue->parked))
        ;
    review_hunger (queue);
}
