#include "core/engine.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

/* A dead-letter queue that nobody declared: no attempts are counted there, and the oldest make
 * room. */
#define DEAD_LENGTH_MAX 100000
#define DEAD_BYTES_MAX  (256u << 20)
#define REASON_MAX      200
#define BACK_MS         20   /* until a record is back in memory, probably; */
#define LATER_MS        1000 /* if others are to be read before it */
#define DROP_REACH      256  /* runs looked at for one to drop */

static const char suffix[] = ".dead";

bool zf_is_dead_name (zf_bytes_t name)
{
    size_t n = sizeof suffix - 1;
    return name.size > n && memcmp ((const char *) name.data + name.size - n, suffix, n) == 0;
}

int zf_dead_name (const zf_queue_t *queue, char name[ZF_NAME_MAX + 1])
{
    const char *chosen = queue->policy.dead_letter;
    zf_bytes_t own = zf_bytes (queue->name, queue->name_size);
    if (strcmp (chosen, "-") == 0 || (chosen[0] == '\0' && zf_is_dead_name (own)))
        return ZF_E_NOT_FOUND;
    if (chosen[0] != '\0') {
        memcpy (name, chosen, ZF_NAME_MAX + 1);
        return strcmp (name, queue->name) != 0 ? 0 : ZF_E_NOT_FOUND;
    }
    if (queue->name_size + sizeof suffix > ZF_NAME_MAX + 1)
        return ZF_E_INVAL;
    memcpy (name, queue->name, queue->name_size);
    memcpy (name + queue->name_size, suffix, sizeof suffix);
    return 0;
}

static void set_policy (zf_policy_t *policy)
{
    policy->max_attempts = 0;
    policy->ttl_ms = 0;
    policy->dedup_window_ms = 0;
    policy->max_length = DEAD_LENGTH_MAX;
    policy->max_bytes = DEAD_BYTES_MAX;
    policy->overflow = ZF_OVERFLOW_DROP_OLDEST;
    policy->kind = ZF_KIND_QUEUE;
    policy->compact = false;
}

zf_queue_t *zf_dead_queue (zf_queue_t *queue, bool make)
{
    char name[ZF_NAME_MAX + 1];
    int code;
    if (zf_dead_name (queue, name) != 0)
        return NULL;
    zf_queue_t *dead = zf_engine_find (queue->engine, zf_bytes_of (name));
    if (dead != NULL) /* what stays in a stream can't be put back out of it */
        return dead->stream == NULL && dead->follow == NULL ? dead : NULL;
    if (!make)
        return NULL;
    zf_policy_t policy = zf_engine_policy (queue->engine, zf_bytes_of (name));
    set_policy (&policy); /* whatever its name */
    dead = zf_engine_make (queue->engine, zf_bytes_of (name), &policy, &code);
    if (dead != NULL) {
        dead->is_dead = true;
        zf_store_queue (dead);
    }
    return dead;
}

void zf_dead_policy (zf_bytes_t name, zf_policy_t *policy)
{
    if (zf_is_dead_name (name))
        set_policy (policy);
}

/* Encodes the record into the scratch buffer with this death (NULL: without its own). Empty: out of
 * memory. */
static zf_bytes_t rewrite (zf_engine_t *engine, const zf_record_t *record, const zf_death_t *death)
{
    zf_props_view_t props;
    zf_writer_t *w = &engine->scratch;
    w->size = 0;
    w->failed = false;
    zf_props_decode (record->props, record->body.size, &props);
    props.delay_ms = props.ttl_ms = 0;
    if (zf_props_rewrite (w, &props, death) != 0)
        return zf_bytes (NULL, 0);
    size_t props_size = w->size;
    size_t size = zf_record_size (props_size, record->body.size);
    if (zf_writer_reserve (w, size) == NULL)
        return zf_bytes (NULL, 0);
    uint8_t *at = w->data + props_size;
    zf_record_encode (at, zf_bytes (w->data, props_size), record->body);
    return zf_bytes (at, size);
}

static bool make_room (zf_queue_t *dead, size_t size)
{
    const zf_policy_t *policy = &dead->policy;
    while ((policy->max_length != 0 && dead->length >= policy->max_length) ||
           (policy->max_bytes != 0 && dead->bytes + size > policy->max_bytes) ||
           zf_queue_memory_left (dead) < size) {
        if (policy->overflow != ZF_OVERFLOW_DROP_OLDEST || !zf_queue_drop_oldest (dead))
            return false;
    }
    return true;
}

static bool dead_letter (zf_queue_t *queue, const zf_record_t *record, uint32_t attempts,
                         zf_bytes_t reason)
{
    zf_queue_t *dead = zf_dead_queue (queue, true);
    if (dead == NULL)
        return false;
    zf_death_t death = {zf_bytes (queue->name, queue->name_size), reason, attempts};
    zf_bytes_t encoded = rewrite (queue->engine, record, &death);
    return encoded.size > 0 && make_room (dead, encoded.size) &&
           zf_queue_put_one (dead, encoded) == 0;
}

/* What is known of its end is kept until its records are in memory. Without memory for a timer it
 * is looked at when its turn comes. */
static void put_off (zf_queue_t *queue, zf_run_t *run, int code, zf_bytes_t reason)
{
    uint32_t wait_ms = run->chunk->load != 0 ? BACK_MS : LATER_MS;
    if (run->sentence == 0)
        run->words = zf_frame_of (reason); /* if there is memory */
    run->sentence = (int8_t) code;
    if (!zf_run_wait (queue, run, queue->engine->now_ms + wait_ms))
        zf_run_line_up (queue, run, false);
}

void zf_run_execute (zf_queue_t *queue, zf_run_t *run)
{
    const zf_frame_t *words = run->words;
    zf_run_bury (queue, run, run->sentence,
                 words != NULL ? zf_bytes (words->data, words->size) : zf_bytes (NULL, 0));
}

void zf_run_bury (zf_queue_t *queue, zf_run_t *run, int code, zf_bytes_t reason)
{
    if (reason.size == 0)
        reason = zf_bytes_of (code == ZF_E_REJECTED ? "rejected" : zf_strerror (code));
    if (reason.size > REASON_MAX)
        reason.size = REASON_MAX;
    if (!zf_chunk_here (queue, run->chunk)) {
        put_off (queue, run, code, reason);
        return;
    }
    for (uint32_t at = run->at; at < run->at + run->count; at++) {
        zf_record_t record = zf_chunk_record (run->chunk, at);
        if (!dead_letter (queue, &record, run->attempts, reason))
            queue->totals.dropped++;
    }
    queue->totals.dead += run->count;
    if (code == ZF_E_EXPIRED)
        queue->totals.expired += run->count;
    zf_notice (queue->engine, ZF_EVENT_DEAD_LETTER, "%s: %u records: %.*s", queue->name, run->count,
               (int) reason.size, (const char *) reason.data);
    zf_run_answer (run, code, reason);
    zf_run_finish (queue, run);
}

void zf_run_drop (zf_queue_t *queue, zf_run_t *run, int code)
{
    queue->totals.dropped += run->count;
    zf_run_answer (run, code, zf_bytes_of (zf_strerror (code)));
    zf_run_finish (queue, run);
}

/* How many of the n records at the cursor live as long as the queue says, and not as long as they
 * say themselves. */
static uint32_t without_own_ttl (const zf_group_t *group, uint32_t n)
{
    uint32_t i = 0;
    for (; i < n; i++) {
        const zf_note_t *note = zf_chunk_note (group->chunk, group->at + i);
        if (note != NULL && note->own_ttl)
            break;
    }
    return i;
}

/* Fresh records at the cursor, if their queue-wide time is over: buried, but for one with a time of
 * its own, which is set ready so that those behind it can be looked at. Returns false if there are
 * none, or no memory. */
static bool pass_stale (zf_queue_t *queue, zf_lane_t *lane)
{
    zf_group_t *group = &lane->group;
    uint32_t n = zf_group_fresh (group);
    if (n == 0 || queue->engine->now_ms - group->chunk->newest_ms < queue->policy.ttl_ms)
        return false;
    n = without_own_ttl (group, n);
    zf_run_t *run = zf_group_pass (group, n > 0 ? n : 1, ZF_RUN_GONE);
    if (run == NULL)
        return false;
    if (n > 0)
        zf_run_bury (queue, run, ZF_E_EXPIRED, zf_bytes_of ("expired"));
    else
        zf_run_ready (queue, run, false);
    return true;
}

void zf_queue_expire (zf_queue_t *queue)
{
    uint64_t ttl = queue->policy.ttl_ms;
    uint64_t now = queue->engine->now_ms;
    uint64_t due = ZF_NEVER;
    if (queue->stream != NULL) {
        zf_stream_retain (queue);
        return;
    }
    for (uint32_t i = 0; ttl > 0 && i < queue->policy.priorities; i++) {
        zf_lane_t *lane = &queue->lanes[i];
        while (zf_store_entry_bytes (queue->engine) < ZF_ENTRY_ENOUGH && pass_stale (queue, lane))
            ;
        if (zf_group_fresh (&lane->group) == 0)
            continue;
        uint64_t newest = lane->group.chunk->newest_ms;
        if (ttl < ZF_NEVER - newest && newest + ttl < due)
            due = newest + ttl;
    }
    zf_timers_cancel (&queue->engine->timers, &queue->ttl_timer);
    if (due != ZF_NEVER)
        zf_timers_set (&queue->engine->timers, &queue->ttl_timer, due > now ? due : now + 1);
}

/* The oldest record of the lane that is ready or fresh, as an unlinked run of up to max records;
 * NULL: none. */
static zf_run_t *pick_oldest (zf_queue_t *queue, uint32_t number, uint32_t max)
{
    zf_lane_t *lane = &queue->lanes[number];
    zf_run_t *run = lane->group.ready;
    if (run != NULL) {
        if (run->count > max && zf_run_carve (queue, run, run->at, max) != 0)
            return NULL;
        zf_run_unlink (queue, run);
        return run;
    }
    uint32_t n = zf_group_fresh (&lane->group);
    if (n == 0)
        return NULL;
    return zf_group_pass (&lane->group, n < max ? n : max, ZF_RUN_GONE);
}

/* A delayed or held run of the lane, cut to up to max records and unlinked; NULL: none among the
 * first `reach` runs from id *from on, which becomes the id of the one found. */
static zf_run_t *pick_waiting (zf_queue_t *queue, zf_lane_t *lane, uint64_t *from, uint32_t max,
                               uint32_t reach)
{
    zf_run_t *run = zf_group_from (&lane->group, *from);
    for (; run != NULL && reach > 0; run = zf_group_next (&lane->group, run), reach--) {
        if (run->state != ZF_RUN_DELAYED && run->state != ZF_RUN_HELD)
            continue;
        if (run->count > max && zf_run_carve (queue, run, run->at, max) != 0)
            return NULL;
        *from = zf_run_first (run);
        zf_run_unlink (queue, run);
        return run;
    }
    return NULL;
}

bool zf_queue_drop_oldest (zf_queue_t *queue)
{
    if (queue->stream != NULL)
        return zf_stream_drop_oldest (queue) > 0;
    for (uint32_t i = 0; i < queue->policy.priorities; i++) { /* the least important first */
        uint64_t from = 0;
        zf_run_t *run = pick_oldest (queue, i, 1);
        if (run == NULL)
            run = pick_waiting (queue, &queue->lanes[i], &from, 1, DROP_REACH);
        if (run == NULL)
            continue;
        zf_run_drop (queue, run, ZF_E_FULL);
        return true;
    }
    return false;
}

uint64_t zf_queue_purge (zf_queue_t *queue, uint64_t max)
{
    uint64_t count = 0;
    if (queue->stream != NULL)
        return zf_stream_trim (queue, UINT64_MAX);
    for (uint32_t i = 0; i < queue->policy.priorities; i++) {
        zf_run_t *run;
        uint64_t from = 0;
        while (count < max) {
            uint32_t most = max - count < UINT32_MAX ? (uint32_t) (max - count) : UINT32_MAX;
            run = pick_oldest (queue, i, most);
            if (run == NULL)
                run = pick_waiting (queue, &queue->lanes[i], &from, most, UINT32_MAX);
            if (run == NULL)
                break;
            count += run->count;
            zf_run_drop (queue, run, ZF_E_REJECTED);
        }
    }
    return queue->follow != NULL ? count + zf_follow_skip (queue) : count;
}

/* A record is put into its queue once more: its id was seen, and is refused for a while again. */
static void remember_id (zf_queue_t *queue, const zf_record_t *record)
{
    zf_engine_t *engine = queue->engine;
    uint32_t window = queue->policy.dedup_window_ms;
    zf_props_view_t props;
    zf_props_decode (record->props, record->body.size, &props);
    if (props.id.size == 0 || window == 0)
        return;
    zf_dedup_drop (&queue->ids, props.id);
    zf_dedup_add (&queue->ids, props.id, engine->now_ms, window, engine->store.lsn);
    zf_queue_set_chores (queue, engine->now_ms + window);
}

static bool revive (zf_queue_t *queue, zf_run_t *run)
{
    zf_record_t record = zf_chunk_record (run->chunk, run->at);
    zf_bytes_t encoded = rewrite (queue->engine, &record, NULL);
    uint32_t window = queue->policy.dedup_window_ms;
    remember_id (queue, &record);
    queue->policy.dedup_window_ms = 0;
    int rc = encoded.size > 0 ? zf_queue_put_one (queue, encoded) : ZF_E_NOMEM;
    queue->policy.dedup_window_ms = window;
    return rc == 0;
}

/* The next letter from record *id on that is the queue's own and at no worker, as an unlinked run;
 * NULL: none, or (waits) its record is being read from the disk. A dead-letter queue may serve
 * several. */
static zf_run_t *pick_letter (zf_queue_t *dead, const zf_queue_t *queue, uint64_t *id, bool *waits)
{
    zf_sight_t sight;
    while (zf_queue_peek (dead, *id, &sight)) {
        zf_props_view_t props;
        *waits = !sight.here;
        if (*waits)
            return NULL;
        *id = sight.id + 1;
        zf_props_decode (sight.record.props, sight.record.body.size, &props);
        if (sight.state == ZF_RUN_LEASED || !props.dead ||
            !zf_bytes_equal (props.death.queue, zf_bytes (queue->name, queue->name_size)))
            continue;
        zf_run_t *run = zf_run_single_out (dead, sight.place);
        if (run != NULL)
            zf_run_unlink (dead, run);
        return run;
    }
    return NULL;
}

uint64_t zf_queue_revive (zf_queue_t *dead, zf_queue_t *queue, uint64_t max, bool *waits)
{
    *waits = false;
    uint64_t id = 0;
    uint64_t count = 0;
    zf_run_t *run;
    while (count < max && zf_store_entry_bytes (dead->engine) < ZF_ENTRY_ENOUGH &&
           (run = pick_letter (dead, queue, &id, waits)) != NULL) {
        if (!revive (queue, run)) {
            zf_run_ready (dead, run, true);
            break;
        }
        zf_run_finish (dead, run);
        count++;
    }
    return count;
}

uint64_t zf_queue_discard (zf_queue_t *dead, const zf_queue_t *queue, uint64_t max, bool *waits)
{
    *waits = false;
    uint64_t id = 0;
    uint64_t count = 0;
    zf_run_t *run;
    while (count < max && (run = pick_letter (dead, queue, &id, waits)) != NULL) {
        zf_run_drop (dead, run, ZF_E_REJECTED);
        count++;
    }
    return count;
}
