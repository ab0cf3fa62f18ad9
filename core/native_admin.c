/* ADMIN number verb queue argument -> RESULT number code text more value [batch]
 *
 *   verb      argument   value
 *   queues    nil        [info...]; in several RESULTs, more is true in all but the last
 *   queue     nil        info
 *   declare   policy     nil
 *   peek      [from max] [[id attempts]...] and a batch of as many records
 *   purge     nil        how many
 *   requeue   max        how many (of the queue's dead letters; max 0: all; it may stop before: ask
 *                        again until that is 0)
 *   discard   max        how many, in the same way
 *   stats     nil        {name: uint}
 *   upstreams nil        [uuid, queue, ...] of the links that feed it, and of what feeds those
 *   stream    nil        nil: makes it if it is not there
 *   group     {from, value, patterns: [str], policy}      nil: STREAM@GROUP is made if it is not
 *                        there
 *   forget    nil        nil: of a stream, with its groups, or a group
 *   trim      below      how many records of a stream with lower ids were dropped */
#include "core/info.h"
#include "core/link.h"
#include "core/native.h"

#include <stdlib.h>
#include <zferry/error.h>

#define QUEUES_A_RESULT 200
#define REVIVE_MAX      10000
#define PEEK_MAX        1000
#define PEEK_BYTES      (1u << 20)

typedef struct {
    zf_session_t *session;
    uint64_t number;
    zf_bytes_t queue_name;
    zf_queue_t *queue; /* of that name; NULL: there is none */
    zf_reader_t *r;    /* the argument */
} call_t;

static zf_writer_t *begin (const call_t *call, int code, const char *text, bool more)
{
    zf_out_begin (call->session);
    zf_writer_t *w = zf_out_write (call->session);
    zf_control (w, ZF_CMD_RESULT, 6);
    zf_mp_put_uint (w, call->number);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_mp_put_str (w, zf_bytes_of (text));
    zf_mp_put_bool (w, more);
    return w;
}

static void end (const call_t *call)
{
    zf_out_written (call->session);
    zf_out_end (call->session);
}

static void fail (const call_t *call, int code, const char *text)
{
    zf_mp_put_uint (begin (call, code, text, false), 0);
    end (call);
}

static void say_number (zf_session_t *session, const zf_held_t *held)
{
    const call_t call = {.session = session, .number = held->first};
    const char *text = held->code != 0 ? "the journal failed" : "";
    zf_mp_put_uint (begin (&call, held->code, text, false), held->count);
    end (&call);
}

/* When what was changed is on disk. */
static void number_result (const call_t *call, uint64_t value)
{
    zf_held_t held = {.say = say_number, .first = call->number, .count = value};
    zf_store_hold (call->session, &held);
}

/* Those that the session may administer. */
static bool is_shown (const zf_session_t *session, const zf_queue_t *queue)
{
    const zf_subject_t *who = session->is_known ? &session->subject : NULL;
    return zf_access_may (session->engine->access, who, ZF_MAY_ADMINISTER,
                          zf_bytes (queue->name, queue->name_size));
}

static size_t count_shown (const zf_session_t *session)
{
    const zf_queue_t *queue = session->engine->queues;
    size_t n = 0;
    for (; queue != NULL; queue = queue->hh.next)
        n += is_shown (session, queue);
    return n;
}

static void on_queues (const call_t *call)
{
    zf_queue_t *queue = call->session->engine->queues;
    size_t left = count_shown (call->session);
    do {
        size_t n = left < QUEUES_A_RESULT ? left : QUEUES_A_RESULT;
        left -= n;
        zf_writer_t *w = begin (call, 0, "", left > 0);
        zf_mp_put_array (w, n);
        for (; n > 0; queue = queue->hh.next) {
            zf_queue_info_t info;
            if (!is_shown (call->session, queue))
                continue;
            zf_queue_describe (queue, &info);
            zf_info_encode (w, &info);
            n--;
        }
        end (call);
    } while (left > 0);
}

static void on_queue (const call_t *call)
{
    zf_queue_info_t info;
    zf_queue_describe (call->queue, &info);
    zf_info_encode (begin (call, 0, "", false), &info);
    end (call);
}

/* A new one; under a name STREAM@GROUP a group, with what it is by itself. */
static zf_queue_t *make_declared (zf_session_t *session, zf_bytes_t name, const zf_policy_t *policy,
                                  int *code)
{
    zf_engine_t *engine = session->engine;
    if (zf_group_source (engine, name) != NULL)
        return zf_session_queue (session, name, code);
    *code = ZF_E_LIMIT;
    if (!zf_session_may_make (session, name))
        return NULL;
    zf_queue_t *queue = zf_engine_make (engine, name, policy, code);
    if (queue != NULL)
        zf_session_made (session, queue);
    if (queue == NULL || queue->stream == NULL)
        return queue;
    queue->stream->born = queue->lanes[0].log.next;
    zf_stream_found_groups (queue);
    return queue;
}

static void refuse (const call_t *call, zf_bytes_t name)
{
    char text[ZF_REFUSAL_TEXT];
    zf_right_refusal (text, ZF_MAY_ADMINISTER, name);
    fail (call, ZF_E_DENIED, text);
}

/* Dead letters must not go where the session may not put them itself. False: it was told. */
static bool may_bury (const call_t *call, const zf_policy_t *policy)
{
    zf_bytes_t grave = zf_bytes_of (policy->dead_letter);
    if (grave.size == 0 || zf_bytes_equal (grave, zf_bytes_of ("-")) ||
        zf_session_may (call->session, ZF_MAY_ADMINISTER, grave))
        return true;
    refuse (call, grave);
    return false;
}

static void on_declare (const call_t *call)
{
    zf_engine_t *engine = call->session->engine;
    zf_policy_t policy;
    int code;
    zf_policy_defaults (&policy);
    if (zf_policy_decode (call->r, &policy) != 0) {
        fail (call, ZF_E_INVAL, "a value of the policy is out of range");
        return;
    }
    if (zf_bytes_equal (call->queue_name, zf_bytes_of (policy.dead_letter))) {
        fail (call, ZF_E_INVAL, "a queue can't be its own dead-letter queue");
        return;
    }
    if (!may_bury (call, &policy))
        return;
    const zf_queue_t *grave = zf_engine_find (engine, zf_bytes_of (policy.dead_letter));
    if (grave != NULL && (grave->stream != NULL || grave->follow != NULL)) {
        fail (call, ZF_E_INVAL, "a stream, or a group of one, can't be a dead-letter queue");
        return;
    }
    if (policy.durable == ZF_DURABLE_YES && !engine->store.on) {
        fail (call, ZF_E_INVAL, "this broker has no journal: the queue can't be durable");
        return;
    }
    zf_queue_t *queue = call->queue != NULL
                            ? call->queue
                            : make_declared (call->session, call->queue_name, &policy, &code);
    if (queue == NULL) {
        fail (call, code, zf_session_words (call->session, code));
        return;
    }
    if (queue->follow != NULL)
        zf_follow_policy (queue, &policy);
    if ((queue->stream != NULL) != (policy.kind == ZF_KIND_STREAM)) {
        fail (call, ZF_E_INVAL, "a queue does not become a stream, nor a stream a queue");
        return;
    }
    code = zf_queue_set_policy (queue, &policy);
    if (code == ZF_E_BUSY) {
        fail (call, ZF_E_INVAL,
              "priorities, ordering, compaction and durability can change only while the queue is "
              "empty, "
              "priorities only while no link drains it");
        return;
    }
    if (code != 0) {
        fail (call, code, zf_strerror (code));
        return;
    }
    queue->declared = true;
    zf_store_queue (queue);
    zf_engine_touch (queue);
    number_result (call, 0);
}

/* *here: false if one is not in memory. */
static size_t collect (const call_t *call, uint64_t from, uint64_t max, zf_writer_t *ids,
                       zf_writer_t *batch, bool *here)
{
    *here = true;
    zf_sight_t sight;
    size_t n = 0;
    zf_writer_reserve (batch, ZF_BATCH_HEADER);
    while (n < max && n < PEEK_MAX && batch->size < PEEK_BYTES &&
           zf_queue_peek (call->queue, from, &sight) && (*here = sight.here)) {
        size_t size = zf_record_size (sight.record.props.size, sight.record.body.size);
        uint8_t *at = zf_writer_reserve (batch, size);
        if (at == NULL)
            break;
        zf_record_encode (at, sight.record.props, sight.record.body);
        zf_mp_put_array (ids, 2);
        zf_mp_put_uint (ids, sight.id);
        zf_mp_put_uint (ids, sight.attempts);
        from = sight.id + 1;
        n++;
    }
    return n;
}

static void on_peek (const call_t *call)
{
    zf_writer_t ids = {0};
    zf_writer_t batch = {0};
    uint32_t two = zf_mp_array (call->r);
    uint64_t from = zf_mp_uint (call->r);
    uint64_t max = zf_mp_uint (call->r);
    if (two != 2 || call->r->failed) {
        fail (call, ZF_E_PROTO, "peek takes [from max]");
        return;
    }
    bool here;
    size_t n = collect (call, from, max, &ids, &batch, &here);
    if (n == 0 && !here) {
        fail (call, ZF_E_AGAIN, "its records are being read from the disk: ask again");
        zf_writer_free (&batch);
        return;
    }
    zf_writer_t *w = begin (call, 0, "", false);
    zf_mp_put_array (w, n);
    zf_write_bytes (w, ids.data, ids.size);
    zf_out_written (call->session);
    if (n > 0 && !batch.failed) {
        zf_batch_seal (batch.data, batch.size, (uint32_t) n, ZF_BATCH_HAS_PROPS, from);
        zf_out_give (call->session, batch.data, batch.size);
    } else {
        zf_writer_free (&batch);
    }
    zf_out_end (call->session);
    zf_writer_free (&ids);
}

static void on_purge (const call_t *call)
{
    number_result (call, zf_queue_purge (call->queue, UINT64_MAX));
}

static uint64_t read_max (const call_t *call)
{
    uint64_t max = zf_mp_uint (call->r);
    return call->r->failed || max == 0 ? UINT64_MAX : max;
}

/* So many of the queue's dead letters were dealt with. */
static void letters_result (const call_t *call, uint64_t count, bool waits)
{
    if (count == 0 && waits)
        fail (call, ZF_E_AGAIN, "its records are being read from the disk: ask again");
    else
        number_result (call, count);
}

static void on_requeue (const call_t *call)
{
    zf_queue_t *dead = zf_dead_queue (call->queue, false);
    uint64_t max = read_max (call);
    uint64_t count = 0;
    bool waits = false;
    if (dead != NULL)
        count = zf_queue_revive (dead, call->queue, max < REVIVE_MAX ? max : REVIVE_MAX, &waits);
    letters_result (call, count, waits);
}

static void on_discard (const call_t *call)
{
    zf_queue_t *dead = zf_dead_queue (call->queue, false);
    uint64_t max = read_max (call);
    uint64_t count = 0;
    bool waits = false;
    if (dead != NULL)
        count = zf_queue_discard (dead, call->queue, max, &waits);
    letters_result (call, count, waits);
}

static void count_one (void *arg, const char *name, uint64_t value)
{
    zf_writer_t *w = arg;
    zf_mp_put_str (w, zf_bytes_of (name));
    zf_mp_put_uint (w, value);
}

static void count_names (void *arg, const char *name, uint64_t value)
{
    (void) name;
    (void) value;
    ++*(size_t *) arg;
}

static void on_stats (const call_t *call)
{
    size_t n = 0;
    zf_engine_stats (call->session->engine, count_names, &n);
    zf_writer_t *w = begin (call, 0, "", false);
    zf_mp_put_map (w, n);
    zf_engine_stats (call->session->engine, count_one, w);
    end (call);
}

/* A group that is not there yet is asked for by who is about to consume from it. */
static void on_upstreams (const call_t *call)
{
    const zf_queue_t *queue = call->queue;
    if (queue == NULL)
        queue = zf_group_source (call->session->engine, call->queue_name);
    if (queue == NULL) {
        fail (call, ZF_E_NOT_FOUND, "no such queue");
        return;
    }
    zf_feeds_write (queue, begin (call, 0, "", false));
    end (call);
}

/* -- streams ----------------------------------------------------------------------------------- */

static void on_stream (const call_t *call)
{
    int code;
    if (zf_session_stream (call->session, call->queue_name, true, &code) != NULL)
        number_result (call, 0);
    else
        fail (call, code,
              code == ZF_E_INVAL ? "that is a queue" : zf_session_words (call->session, code));
}

typedef struct {
    zf_group_wish_t wish;
    zf_policy_t policy;
    uint64_t from;
} group_call_t;

static int read_group (const call_t *call, group_call_t *group)
{
    zf_reader_t *r = call->r;
    int code = 0;
    uint32_t pairs = zf_mp_map (r);
    for (uint32_t i = 0; i < pairs && !r->failed && code == 0; i++) {
        zf_bytes_t name = zf_mp_bytes (r);
        if (zf_bytes_equal (name, zf_bytes_of ("from"))) {
            group->from = zf_mp_uint (r);
        } else if (zf_bytes_equal (name, zf_bytes_of ("value"))) {
            group->wish.start.value = zf_mp_uint (r);
        } else if (zf_bytes_equal (name, zf_bytes_of ("patterns"))) {
            zf_filter_free (&group->wish.filter);
            const uint8_t *at = r->at;
            code = zf_native_patterns (r, &group->wish.filter);
            if (r->at - at > ZF_GROUP_PATTERN_BYTES)
                code = ZF_E_LIMIT;
        } else if (zf_bytes_equal (name, zf_bytes_of ("policy"))) {
            zf_policy_defaults (&group->policy);
            code = zf_policy_decode (r, &group->policy);
            group->wish.policy = &group->policy;
        } else {
            zf_mp_skip (r);
        }
    }
    if (code == 0 && (r->failed || group->from > ZF_FROM_NEW))
        code = ZF_E_INVAL;
    group->wish.start.from = code == 0 ? (zf_from_t) group->from : ZF_FROM_DEFAULT;
    return code;
}

static void on_group (const call_t *call)
{
    group_call_t group = {.from = 0};
    int code = read_group (call, &group);
    if (code != 0) {
        zf_filter_free (&group.wish.filter);
        fail (call, code == ZF_E_PROTO ? ZF_E_INVAL : code,
              "a group takes {from, value, patterns, policy}, and one of these can't be");
        return;
    }
    if (group.wish.policy != NULL && !may_bury (call, group.wish.policy)) {
        zf_filter_free (&group.wish.filter);
        return;
    }
    if (zf_session_group (call->session, call->queue_name, &group.wish, &code) != NULL)
        number_result (call, 0);
    else
        fail (call, code,
              code == ZF_E_NOT_FOUND ? "no such stream"
              : code == ZF_E_INVAL   ? "a queue of that name is there, and is no group"
                                     : zf_session_words (call->session, code));
}

static bool is_used (const zf_queue_t *queue)
{
    return queue->consumers > 0 || queue->parked != NULL || queue->is_waiting ||
           queue->feeds != NULL;
}

/* By somebody who would not hear that it is gone. */
static bool is_busy (const zf_queue_t *queue)
{
    const zf_follow_t *follow;
    if (queue->stream == NULL)
        return is_used (queue);
    bool any = is_used (queue) || queue->stream->subscription_count > 0;
    for (follow = queue->stream->groups; follow != NULL; follow = follow->next)
        any |= is_used (follow->queue);
    return any;
}

static void on_forget (const call_t *call)
{
    zf_queue_t *queue = call->queue;
    if (queue->stream == NULL && queue->follow == NULL) {
        fail (call, ZF_E_INVAL, "that is neither a stream nor a group");
        return;
    }
    if (is_busy (queue)) {
        fail (call, ZF_E_BUSY,
              "it has workers, subscribers or links, or posts to it are under way");
        return;
    }
    while (queue->stream != NULL && queue->stream->groups != NULL)
        zf_engine_forget_queue (queue->stream->groups->queue);
    if (queue->follow != NULL && queue->follow->source != NULL)
        zf_engine_touch (queue->follow->source); /* nobody may need it any more */
    zf_engine_forget_queue (queue);
    number_result (call, 0);
}

static void on_trim (const call_t *call)
{
    uint64_t below = zf_mp_uint (call->r);
    if (call->r->failed)
        fail (call, ZF_E_PROTO, "trim takes an offset");
    else if (call->queue->stream == NULL)
        fail (call, ZF_E_INVAL, "that is a queue, not a stream");
    else
        number_result (call, zf_stream_trim (call->queue, below));
}

#define WORKS (ZF_MAY_ADMINISTER | ZF_MAY_CONSUME) /* consumers and links ask for these, too */
#define USES  (WORKS | ZF_MAY_PUBLISH | ZF_MAY_SUBSCRIBE)

static const struct {
    const char *name;
    void (*run) (const call_t *call);
    bool needs_queue;
    uint32_t rights; /* on the queue, one is enough; 0: what is shown goes by them. Of stats: on
                        the broker itself, so on all */
} verbs[] = {
    {"queues", on_queues, false, 0},
    {"queue", on_queue, true, WORKS},
    {"declare", on_declare, false, ZF_MAY_ADMINISTER},
    {"peek", on_peek, true, ZF_MAY_ADMINISTER},
    {"purge", on_purge, true, ZF_MAY_ADMINISTER},
    {"requeue", on_requeue, true, ZF_MAY_ADMINISTER},
    {"discard", on_discard, true, ZF_MAY_ADMINISTER},
    {"stats", on_stats, false, ZF_MAY_ADMINISTER},
    {"upstreams", on_upstreams, false, WORKS},
    {"stream", on_stream, false, USES},
    {"group", on_group, false, WORKS},
    {"forget", on_forget, true, ZF_MAY_ADMINISTER},
    {"trim", on_trim, true, ZF_MAY_ADMINISTER},
};

/* False: it was told. */
static bool may_run (const call_t *call, void (*run) (const call_t *call), uint32_t rights)
{
    zf_bytes_t name = call->queue_name;
    if (run == on_stats || name.size == 0)
        name = zf_bytes_of ("*");
    if (rights == 0 || zf_session_may (call->session, rights, name))
        return true;
    refuse (call, name);
    return false;
}

void zf_native_admin (zf_session_t *session, zf_reader_t *r)
{
    call_t call = {.session = session, .number = zf_mp_uint (r), .r = r};
    zf_bytes_t verb = zf_mp_bytes (r);
    call.queue_name = zf_mp_bytes (r);
    if (r->failed) {
        fail (&call, ZF_E_PROTO, "ADMIN is malformed");
        return;
    }
    call.queue = zf_engine_find (session->engine, call.queue_name);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (!zf_bytes_equal (verb, zf_bytes_of (verbs[i].name)))
            continue;
        if (!may_run (&call, verbs[i].run, verbs[i].rights))
            return;
        if (verbs[i].needs_queue && call.queue == NULL)
            fail (&call, ZF_E_NOT_FOUND, "no such queue");
        else
            verbs[i].run (&call);
        return;
    }
    fail (&call, ZF_E_INVAL, "no such verb");
}
