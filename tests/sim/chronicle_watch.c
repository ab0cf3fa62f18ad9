/* Subscriptions: what they must be sent, and what they must be told. */
#include "tests/sim/chronicle.h"

#include "tests/sim/peer.h"

#define SPANS_MAX   8192
#define RECORDS_MAX 65536

/* Events under way. */
typedef struct {
    uint64_t to, bytes;
} unread_t;

struct watch {
    watch_t *next;
    const zf_session_t *session;
    uint64_t number;
    queue_t *stream;
    unsigned filter;
    zf_start_t start;
    uint64_t window;
    uint64_t wished_end;  /* where the stream ended when it was asked for, */
    uint64_t wished_turn; /* and when */
    bool in_force;
    uint64_t position; /* where the events sent last ended */
    unread_t *unread;
    size_t unread_first, unread_count, unread_room;
    uint64_t unread_bytes;
};

static watch_t *find_watch (sim_t *sim, const zf_session_t *session, uint64_t number)
{
    watch_t *watch = sim->chronicle->watches;
    while (watch != NULL && (watch->session != session || watch->number != number))
        watch = watch->next;
    return watch;
}

static void end_watch (sim_t *sim, watch_t *watch)
{
    watch_t **at = &sim->chronicle->watches;
    while (*at != watch)
        at = &(*at)->next;
    *at = watch->next;
    free (watch->unread);
    free (watch);
}

void watch_crash (sim_t *sim)
{
    while (sim->chronicle->watches != NULL)
        end_watch (sim, sim->chronicle->watches);
}

/* -- what the engine gets ---------------------------------------------------------------------- */

/* Peers put the filter's number behind the arguments that the engine knows. */
static void on_subscribe (sim_t *sim, const zf_session_t *session, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    watch_t *watch = find_watch (sim, session, number);
    if (watch != NULL)
        end_watch (sim, watch);
    watch = vec_new (sizeof *watch);
    watch->session = session;
    watch->number = number;
    watch->stream = book_queue (sim, zf_mp_bytes (r));
    watch->start.from = (zf_from_t) zf_mp_uint (r);
    watch->start.value = zf_mp_uint (r);
    watch->window = zf_mp_uint (r);
    if (watch->window < ZF_WINDOW_LEAST)
        watch->window = ZF_WINDOW_LEAST;
    zf_mp_uint (r); /* flags */
    zf_mp_skip (r); /* patterns */
    watch->filter = (unsigned) zf_mp_uint (r);
    watch->wished_end = chronicle_shadow (sim, watch->stream)->next;
    watch->wished_turn = sim->turn;
    watch->next = sim->chronicle->watches;
    sim->chronicle->watches = watch;
}

static void on_read (watch_t *watch, uint64_t to)
{
    while (watch->unread_first < watch->unread_count && watch->unread[watch->unread_first].to <= to)
        watch->unread_bytes -= watch->unread[watch->unread_first++].bytes;
}

void watch_input (sim_t *sim, zf_session_t *session, unsigned command, zf_reader_t *r)
{
    watch_t *watch;
    if (command == ZF_CMD_HELLO && !session->greeted) { /* its place in memory may be another's */
        for (uint64_t number = 1; number < 10; number++)
            if ((watch = find_watch (sim, session, number)) != NULL)
                end_watch (sim, watch);
        return;
    }
    if (!session->greeted || session->doomed)
        return;
    if (command == ZF_CMD_SUBSCRIBE) {
        on_subscribe (sim, session, r);
        return;
    }
    watch = find_watch (sim, session, zf_mp_uint (r));
    if (watch != NULL && command == ZF_CMD_READ)
        on_read (watch, zf_mp_uint (r));
    else if (watch != NULL && command == ZF_CMD_UNSUBSCRIBE)
        end_watch (sim, watch);
}

/* -- where it begins --------------------------------------------------------------------------- */

/* Live records from one offset to another that are for it. */
static uint64_t count_live (sim_t *sim, const watch_t *watch, uint64_t from, uint64_t to)
{
    const shadow_t *shadow = chronicle_shadow (sim, watch->stream);
    uint64_t count = 0;
    for (size_t i = chronicle_find (shadow, from); i < shadow->count; i++) {
        const entry_t *entry = &shadow->entries[i];
        if (entry->id >= to)
            break;
        count += entry->state == ENTRY_LIVE &&
                 topic_matches (watch->filter, sim->records[entry->serial]->topic);
    }
    return count;
}

/* The first live record from there on, or the end. */
static uint64_t first_live (const shadow_t *shadow, uint64_t from)
{
    size_t i = chronicle_find (shadow, from);
    while (i < shadow->count && shadow->entries[i].state != ENTRY_LIVE)
        i++;
    return i < shadow->count ? shadow->entries[i].id : shadow->next;
}

static bool is_quiet (const sim_t *sim, const shadow_t *shadow, const watch_t *watch)
{
    for (size_t i = 0; i < shadow->count; i++)
        if (shadow->entries[i].state != ENTRY_LIVE &&
            shadow->entries[i].gone_turn >= watch->wished_turn)
            return false;
    return sim->turn >= watch->wished_turn;
}

static void check_last (sim_t *sim, const shadow_t *shadow, const watch_t *watch, uint64_t next)
{
    uint64_t count = count_live (sim, watch, next, watch->wished_end);
    uint64_t before = count_live (sim, watch, 0, next);
    if (count > watch->start.value ||
        (count < watch->start.value && before > 0 && is_quiet (sim, shadow, watch)))
        sim_fail (sim, "the last %" PRIu64 " records of %s are %" PRIu64 ", and %" PRIu64 " before",
                  watch->start.value, watch->stream->name, count, before);
}

static void check_time (sim_t *sim, const shadow_t *shadow, const watch_t *watch, uint64_t next)
{
    for (size_t i = shadow->low; i < shadow->count && shadow->entries[i].id < next; i++)
        if (shadow->entries[i].state == ENTRY_LIVE &&
            shadow->entries[i].put_ms >= watch->start.value)
            sim_fail (sim, "record %u came later than %" PRIu64 " ms, and is passed over",
                      shadow->entries[i].serial, watch->start.value);
}

static void check_next (sim_t *sim, const watch_t *watch, uint64_t next)
{
    const shadow_t *shadow = chronicle_shadow (sim, watch->stream);
    uint64_t want = next;
    switch (watch->start.from) {
    case ZF_FROM_FIRST:
        want = first_live (shadow, 0);
        break;
    case ZF_FROM_OFFSET:
        want = first_live (shadow, watch->start.value);
        break;
    case ZF_FROM_TIME:
        check_time (sim, shadow, watch, next);
        break;
    case ZF_FROM_LAST:
        check_last (sim, shadow, watch, next);
        break;
    case ZF_FROM_DEFAULT:
    case ZF_FROM_NEW:
        want = shadow->next;
        break;
    }
    if (next != want)
        sim_fail (sim, "%s from %d, %" PRIu64 " begins at %" PRIu64 ", not %" PRIu64,
                  watch->stream->name, (int) watch->start.from, watch->start.value, next, want);
}

/* -- what it misses ---------------------------------------------------------------------------- */

typedef struct {
    uint64_t least, most;
} toll_t;

/* What a record that it passes over means. */
static void pass (sim_t *sim, const watch_t *watch, const entry_t *entry, toll_t *toll)
{
    bool faced = entry->serial != NO_SERIAL;
    bool wanted = watch->filter == 0;
    if (!wanted && faced)
        wanted = topic_matches (watch->filter, sim->records[entry->serial]->topic);
    switch (entry->state) {
    case ENTRY_LIVE:
        if (wanted)
            sim_fail (sim, "subscription %" PRIu64 " skips record %u", watch->number,
                      entry->serial);
        break;
    case ENTRY_DROPPED:
        toll->least += wanted;
        toll->most++;
        break;
    case ENTRY_EITHER:
    case ENTRY_COMPACTED: /* if others before it went with its chunk, it may count as one of them */
        toll->most++;
        break;
    }
}

static void check_missed (sim_t *sim, const watch_t *watch, uint64_t missed, const toll_t *toll)
{
    if (missed < toll->least || missed > toll->most)
        sim_fail (sim,
                  "subscription %" PRIu64 " to %s is told of %" PRIu64 " missed, of %" PRIu64
                  " to %" PRIu64,
                  watch->number, watch->stream->name, missed, toll->least, toll->most);
}

/* The stream was made in this run, with higher offsets. */
static bool is_of_another_run (const sim_t *sim, const shadow_t *shadow, const watch_t *watch)
{
    return watch->start.from == ZF_FROM_OFFSET && watch->start.value > 0 &&
           watch->start.value < shadow->born && sim->crashes == 0;
}

void watch_subscribed (sim_t *sim, const zf_session_t *session, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    zf_mp_bytes (r);
    uint64_t next = zf_mp_uint (r);
    uint64_t first = zf_mp_uint (r);
    uint64_t missed = zf_mp_uint (r);
    watch_t *watch = find_watch (sim, session, number);
    toll_t toll = {0, 0};
    if (watch == NULL || watch->in_force || code != 0 || r->failed)
        sim_fail (sim, "SUBSCRIBED %" PRIu64 " with %" PRIu64 " that nobody asked for", number,
                  code);
    const shadow_t *shadow = chronicle_shadow (sim, watch->stream);
    if (watch->wished_turn == sim->turn && first != first_live (shadow, 0) &&
        is_quiet (sim, shadow, watch))
        sim_fail (sim, "the first record kept of %s is not %" PRIu64, watch->stream->name, first);
    check_next (sim, watch, next);
    size_t i = chronicle_find (shadow, watch->start.value);
    for (; watch->start.from == ZF_FROM_OFFSET && i < shadow->count; i++)
        if (shadow->entries[i].id < next)
            pass (sim, watch, &shadow->entries[i], &toll);
    if (!is_of_another_run (sim, shadow, watch))
        check_missed (sim, watch, missed, &toll);
    else if (missed != ZF_MISSED_UNKNOWN)
        sim_fail (sim, "an offset of another run is taken for one of this");
    watch->in_force = true;
    watch->position = next;
}

/* -- what it is sent --------------------------------------------------------------------------- */

/* The records of an EVENTS, with their ids. */
typedef struct {
    uint32_t count;
    uint64_t ids[RECORDS_MAX];
    zf_bytes_t bodies[RECORDS_MAX];
} events_t;

static void read_ids (sim_t *sim, zf_reader_t *r, uint64_t first, events_t *events)
{
    uint32_t spans = zf_mp_array (r);
    uint64_t id = first;
    uint32_t at = 0;
    for (uint32_t i = 0; i < spans; i++) {
        uint64_t n = zf_mp_uint (r);
        for (uint64_t k = 0; i % 2 == 0 && k < n && at < events->count; k++)
            events->ids[at++] = id + k;
        id += n;
    }
    while (spans == 0 && at < events->count)
        events->ids[at++] = id++;
    if (at != events->count || r->failed)
        sim_fail (sim, "spans that are not %u records", events->count);
}

static void read_bodies (sim_t *sim, zf_bytes_t body, events_t *events)
{
    zf_batch_t batch;
    events->count = 0;
    if (body.data == NULL)
        return;
    if (zf_batch_decode (body, &batch) != 0 || batch.count > RECORDS_MAX)
        sim_fail (sim, "events whose batch is broken");
    const uint8_t *at = batch.records;
    for (uint32_t i = 0; i < batch.count; i++) {
        zf_record_t record;
        at = zf_record_decode (at, batch.records + batch.size, &record);
        events->bodies[i] = record.body;
    }
    events->count = batch.count;
}

static void check_record (sim_t *sim, const watch_t *watch, entry_t *entry, zf_bytes_t body)
{
    const record_t *record = book_find (sim, body);
    if (record == NULL || record->serial != entry->serial)
        sim_fail (sim, "offset %" PRIu64 " is record %u, and sent as another", entry->id,
                  entry->serial);
    if (!topic_matches (watch->filter, record->topic))
        sim_fail (sim, "record %u is not for subscription %" PRIu64, record->serial, watch->number);
    if (entry->state != ENTRY_LIVE && entry->gone_turn != sim->turn)
        sim_fail (sim, "record %u is sent, and had gone", record->serial);
    entry->was_read = true;
}

/* Every record that there was in between is sent, or missed, or not for it. */
static void check_range (sim_t *sim, const watch_t *watch, const events_t *events, uint64_t to,
                         uint64_t missed)
{
    shadow_t *shadow = chronicle_shadow (sim, watch->stream);
    toll_t toll = {0, 0};
    uint32_t sent = 0;
    size_t i = chronicle_find (shadow, watch->position);
    for (; i < shadow->count && shadow->entries[i].id < to; i++) {
        if (sent < events->count && events->ids[sent] == shadow->entries[i].id)
            check_record (sim, watch, &shadow->entries[i], events->bodies[sent++]);
        else
            pass (sim, watch, &shadow->entries[i], &toll);
    }
    if (sent < events->count)
        sim_fail (sim,
                  "offset %" PRIu64 " is out of order, or not between %" PRIu64 " and %" PRIu64,
                  events->ids[sent], watch->position, to);
    check_missed (sim, watch, missed, &toll);
}

static void count_unread (sim_t *sim, watch_t *watch, uint64_t to, uint64_t bytes)
{
    size_t count = watch->unread_count - watch->unread_first;
    if (count > 0 && (watch->unread_bytes >= watch->window || count >= ZF_UNREAD_MOST))
        sim_fail (sim, "%zu events and %" PRIu64 " bytes under way to subscription %" PRIu64, count,
                  watch->unread_bytes, watch->number);
    watch->unread =
        vec_room (watch->unread, watch->unread_count, &watch->unread_room, sizeof *watch->unread);
    watch->unread[watch->unread_count++] = (unread_t){to, bytes};
    watch->unread_bytes += bytes;
}

void watch_events (sim_t *sim, const zf_session_t *session, zf_reader_t *r, zf_bytes_t body)
{
    static events_t events;
    uint64_t number = zf_mp_uint (r);
    uint64_t from = zf_mp_uint (r);
    uint64_t to = zf_mp_uint (r);
    uint64_t missed = zf_mp_uint (r);
    uint64_t time_ms = zf_mp_uint (r);
    uint64_t first = zf_mp_uint (r);
    watch_t *watch = find_watch (sim, session, number);
    if (watch == NULL || !watch->in_force)
        sim_fail (sim, "events for a subscription that is not in force");
    if (from != watch->position || to <= from)
        sim_fail (sim, "events from %" PRIu64 " to %" PRIu64 ", behind %" PRIu64, from, to,
                  watch->position);
    read_bodies (sim, body, &events);
    read_ids (sim, r, first, &events);
    check_range (sim, watch, &events, to, missed);
    if (events.count > 0 && time_ms > sim->now_ms)
        sim_fail (sim, "events of %" PRIu64 " ms, which is to come", time_ms);
    count_unread (sim, watch, to, body.size);
    watch->position = to;
}
