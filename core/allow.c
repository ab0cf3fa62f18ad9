/* What a session may do: rules by its key, and the limits of clients. */
#include "core/engine.h"
#include "core/keep.h"
#include "core/link.h"

#include <utlist.h>
#include <zferry/error.h>

/* -- rules ------------------------------------------------------------------------------------- */

static bool is_free (const zf_session_t *session)
{
    return session->engine->access == NULL || !session->is_known;
}

static void tell_denied (zf_session_t *session, const char *what)
{
    const zf_subject_t *who = &session->subject;
    session->engine->counters.denied++;
    zf_notice (session->engine, ZF_EVENT_DENIED, "%s (%s): %s",
               who->name[0] != '\0' ? who->name : "?", who->fingerprint, what);
}

bool zf_session_may (zf_session_t *session, uint32_t rights, zf_bytes_t name)
{
    if (is_free (session) ||
        zf_access_may (session->engine->access, &session->subject, rights, name))
        return true;
    char what[ZF_REFUSAL_TEXT];
    zf_right_refusal (what, rights, name);
    tell_denied (session, what);
    return false;
}

uint32_t zf_engine_right_to_put (zf_engine_t *engine, zf_bytes_t name, bool makes_stream)
{
    const zf_queue_t *queue = zf_engine_find (engine, name);
    if (queue != NULL)
        return queue->stream != NULL ? ZF_MAY_PUBLISH : ZF_MAY_POST;
    if (zf_is_dead_name (name) || zf_group_source (engine, name) != NULL)
        return ZF_MAY_POST;
    bool stream = makes_stream || zf_engine_policy (engine, name).kind == ZF_KIND_STREAM;
    return stream ? ZF_MAY_PUBLISH : ZF_MAY_POST;
}

bool zf_session_may_put (zf_session_t *session, zf_bytes_t name, bool makes_stream)
{
    if (is_free (session))
        return true;
    uint32_t right = zf_engine_right_to_put (session->engine, name, makes_stream);
    return zf_session_may (session, right, name);
}

bool zf_session_may_fetch (zf_session_t *session)
{
    if (is_free (session) ||
        zf_access_may_somewhere (session->engine->access, &session->subject, ZF_MAY_POST))
        return true;
    tell_denied (session, "may not fetch answers, for it may not post anything");
    return false;
}

/* -- rules that have changed ------------------------------------------------------------------- */

static zf_bytes_t name_of (const zf_queue_t *queue)
{
    return zf_bytes (queue->name, queue->name_size);
}

static void review_consumers (zf_session_t *session)
{
    zf_consumer_t *consumer, *next;
    session->why = "not allowed any more";
    DL_FOREACH_SAFE2 (session->consumers, consumer, next, session_next) {
        zf_bytes_t name = name_of (consumer->queue);
        if (zf_session_may (session, ZF_MAY_CONSUME, name))
            continue;
        if (session->dialect->refused == NULL) {
            zf_session_end (session, "may not serve it any more");
            return;
        }
        session->dialect->refused (session, ZF_MAY_CONSUME, name);
        zf_consumer_detach (consumer);
    }
    if (!session->doomed)
        session->why = NULL;
}

/* A link has to begin anew, so that it does not pass over what is refused. */
static void review_feeds (zf_session_t *session)
{
    const zf_feed_t *feed;
    DL_FOREACH2 (session->feeds, feed, session_next) {
        if (!zf_session_may_put (session, name_of (feed->queue), false)) {
            zf_session_end (session, "may not post there any more");
            return;
        }
    }
}

static void review (zf_session_t *session)
{
    if (session->doomed || is_free (session))
        return;
    review_feeds (session);
    if (!session->doomed)
        review_consumers (session);
    if (session->doomed)
        return;
    zf_subscriptions_review (session);
    if (session->fetches != NULL && !zf_session_may_fetch (session))
        zf_kept_deny_session (session);
}

void zf_engine_identify (zf_session_t *session, const zf_subject_t *subject)
{
    bool was_known = session->is_known;
    session->subject = *subject;
    session->is_known = true;
    if (was_known)
        review (session);
    else
        zf_account_join (session);
}

void zf_engine_access (zf_engine_t *engine, zf_access_t *access)
{
    zf_session_t *session;
    zf_access_drop (&engine->access);
    engine->access = access;
    DL_FOREACH (engine->sessions, session)
        review (session);
}

/* -- queues that a client has made ------------------------------------------------------------- */

static bool is_at_limit (const zf_session_t *session)
{
    uint32_t most = session->engine->options.limits.queues;
    return most > 0 && session->account->made_count >= most;
}

bool zf_session_may_make (zf_session_t *session, zf_bytes_t name)
{
    zf_engine_t *engine = session->engine;
    if (!is_at_limit (session) || zf_engine_find (engine, name) != NULL)
        return true;
    char what[ZF_REFUSAL_TEXT];
    zf_right_refusal (what, ZF_MAY_POST, name);
    engine->counters.limited++;
    zf_notice (engine, ZF_EVENT_DENIED, "%s has made %u queues, which is the limit: %s",
               session->name, session->account->made_count, what);
    return false;
}

void zf_session_made (zf_session_t *session, zf_queue_t *queue)
{
    if (session->engine->options.limits.queues > 0)
        zf_account_made (session->account, queue);
}

/* True if the session is to have made the queue of that name. */
static bool is_new (zf_session_t *session, zf_bytes_t name)
{
    return session->engine->options.limits.queues > 0 &&
           zf_engine_find (session->engine, name) == NULL;
}

zf_queue_t *zf_session_queue (zf_session_t *session, zf_bytes_t name, int *code)
{
    *code = ZF_E_LIMIT;
    if (!zf_session_may_make (session, name))
        return NULL;
    bool makes = is_new (session, name);
    zf_queue_t *queue = zf_engine_queue (session->engine, name, code);
    if (queue != NULL && makes)
        zf_session_made (session, queue);
    return queue;
}

zf_queue_t *zf_session_stream (zf_session_t *session, zf_bytes_t name, bool make, int *code)
{
    *code = ZF_E_LIMIT;
    if (make && !zf_session_may_make (session, name))
        return NULL;
    bool makes = is_new (session, name);
    zf_queue_t *stream = zf_engine_stream (session->engine, name, make, code);
    if (stream != NULL && makes)
        zf_session_made (session, stream);
    return stream;
}

zf_queue_t *zf_session_group (zf_session_t *session, zf_bytes_t name, zf_group_wish_t *wish,
                              int *code)
{
    *code = ZF_E_LIMIT;
    if (!zf_session_may_make (session, name)) {
        zf_filter_free (&wish->filter);
        return NULL;
    }
    bool makes = is_new (session, name);
    zf_queue_t *group = zf_engine_group (session->engine, name, wish, code);
    if (group != NULL && makes)
        zf_session_made (session, group);
    return group;
}

const char *zf_session_words (const zf_session_t *session, int code)
{
    if (code == ZF_E_LIMIT && is_at_limit (session))
        return "limit reached: one client can't make more queues";
    return code == ZF_E_LIMIT ? "limit reached: there are too many queues" : zf_strerror (code);
}
