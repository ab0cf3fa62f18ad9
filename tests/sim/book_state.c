#include "tests/sim/book.h"

static void join (record_t *record, queue_t *queue)
{
    record->live_at = queue->live.count;
    vec_push (&queue->live, record->serial);
}

static void leave (record_t *record, sim_t *sim, queue_t *queue)
{
    uint32_t last = queue->live.at[--queue->live.count];
    queue->live.at[record->live_at] = last;
    sim->records[last]->live_at = record->live_at;
}

void book_taken (sim_t *sim, record_t *record)
{
    record->state = REC_LIVE;
    record->since_ms = sim->now_ms;
    record->not_before = sim->now_ms + record->delay_ms;
    record->attempts = 0;
    record->doom = NULL;
    record->placed = false;
    if (record->asked && !record->again && record->ttl_ms == 0) /* who asks is told on time */
        record->ttl_ms = record->queue->policy.ttl_ms;
    record->queue->posted++;
    join (record, record->queue);
    sim->taken++;
}

static void bury (sim_t *sim, record_t *record)
{
    queue_t *queue = record->queue;
    queue->dead_count++;
    record->placed = false;
    record->not_before = 0;
    record->died_after = record->attempts;
    record->attempts = 0;
    sim->queues[queue->dead].posted++;
    join (record, &sim->queues[queue->dead]);
}

void book_finished (sim_t *sim, record_t *record, rec_state_t state)
{
    queue_t *queue = record->state == REC_DEAD ? &sim->queues[record->queue->dead] : record->queue;
    if (record->holder != NULL)
        book_unleased (sim, record);
    leave (record, sim, queue);
    record->state = state;
    if (state == REC_DEAD)
        bury (sim, record);
}

void book_leased (sim_t *sim, record_t *record, holder_t *holder, queue_t *queue, uint64_t lease_ms)
{
    record->holder = holder;
    record->leased_in = queue;
    record->lease_due = sim->now_ms + lease_ms;
    record->lease_at = sim->leased.count;
    vec_push (&sim->leased, record->serial);
    holder->held[queue - sim->queues]++;
}

void book_unleased (sim_t *sim, record_t *record)
{
    record->holder->held[record->leased_in - sim->queues]--;
    record->holder = NULL;
    uint32_t last = sim->leased.at[--sim->leased.count];
    sim->leased.at[record->lease_at] = last;
    sim->records[last]->lease_at = record->lease_at;
}

void book_returned (sim_t *sim, record_t *record, bool counted)
{
    const zf_policy_t *policy = &record->leased_in->policy;
    book_unleased (sim, record);
    record->not_before = 0;
    if (!counted)
        record->attempts--;
    else if (policy->max_attempts != 0 && record->attempts >= policy->max_attempts)
        record->doom = "attempts";
}

void book_lost (sim_t *sim, holder_t *holder)
{
    for (size_t i = sim->leased.count; i-- > 0;) {
        record_t *record = sim->records[sim->leased.at[i]];
        if (record->holder == holder)
            book_returned (sim, record, true);
    }
}

uint64_t book_ttl (const record_t *record)
{
    return record->ttl_ms != 0 ? record->ttl_ms : record->queue->policy.ttl_ms;
}

bool book_over (const sim_t *sim, const record_t *record)
{
    uint64_t ttl = book_ttl (record);
    return ttl != 0 && record->since_ms + ttl <= sim->now_ms;
}

uint64_t book_latest (const record_t *record)
{
    uint64_t ttl = book_ttl (record);
    if (ttl == 0)
        return UINT64_MAX;
    return record->since_ms + ttl + (record->ttl_ms != 0 ? 0 : ttl / 16 + 1);
}
