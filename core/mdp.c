#include "core/mdp.h"

#include "core/foreign.h"
#include "core/titanic.h"
#include <zferry/error.h>

/* session->flags, beside ZF_FOREIGN_BUSY */
#define CLIENT 2u
#define WORKER 4u

enum { CLIENT_REQUEST = 1, CLIENT_PARTIAL = 2, CLIENT_FINAL = 3 };
enum { WORKER_READY = 1, WORKER_REQUEST = 2 };

/* What differs between the versions. */
typedef struct {
    size_t lead;        /* empty frames before the header */
    const char *client; /* headers */
    const char *worker;
    bool commands;   /* messages of and to clients have a command */
    uint8_t partial; /* a worker's commands; 0: there is none */
    uint8_t final;
    uint8_t heartbeat;
    uint8_t disconnect;
} version_t;

static const version_t version_1 = {
    .lead = 1,
    .client = "MDPC01",
    .worker = "MDPW01",
    .final = 3,
    .heartbeat = 4,
    .disconnect = 5,
};

static const version_t version_2 = {
    .client = "MDPC02",
    .worker = "MDPW02",
    .commands = true,
    .partial = 3,
    .final = 4,
    .heartbeat = 5,
    .disconnect = 6,
};

static const version_t *version_of (const zf_session_t *session)
{
    return session->dialect == &zf_dialect_mdp1 ? &version_1 : &version_2;
}

static zf_bytes_t frame_bytes (const zf_frame_t *frame)
{
    return zf_bytes (frame->data, frame->size);
}

/* -- to the peer ------------------------------------------------------------------------------- */

static void put_header (zf_session_t *session, const char *header)
{
    for (size_t i = 0; i < version_of (session)->lead; i++)
        zf_out_copy (session, zf_bytes (NULL, 0));
    zf_out_copy (session, zf_bytes_of (header));
}

static void put_command (zf_session_t *session, uint8_t command)
{
    zf_out_copy (session, zf_bytes (&command, 1));
}

static void send_bare (zf_session_t *session, uint8_t command)
{
    zf_out_begin (session);
    put_header (session, version_of (session)->worker);
    put_command (session, command);
    zf_out_end (session);
}

static int mdp_deliver (zf_consumer_t *consumer, zf_run_t *run)
{
    zf_session_t *session = consumer->session;
    zf_record_t record = zf_chunk_record (run->chunk, run->at);
    zf_out_begin (session);
    put_header (session, version_of (session)->worker);
    put_command (session, WORKER_REQUEST);
    zf_out_copy (session, zf_foreign_lend (consumer, run));
    zf_out_copy (session, zf_bytes (NULL, 0));
    zf_foreign_body (session, &record);
    return zf_out_end (session);
}

static void mdp_answer (zf_session_t *session, const zf_answer_t *answer)
{
    const version_t *version = version_of (session);
    if (answer->code != 0 || (answer->more && !version->commands)) {
        session->engine->counters.answers_dropped++;
        return;
    }
    zf_out_begin (session);
    put_header (session, version->client);
    if (version->commands)
        put_command (session, answer->more ? CLIENT_PARTIAL : CLIENT_FINAL);
    zf_out_copy (session, answer->service);
    zf_foreign_body (session, &answer->record);
    zf_out_end (session);
}

static void mdp_farewell (zf_session_t *session)
{
    if ((session->flags & WORKER) != 0)
        send_bare (session, version_of (session)->disconnect);
}

static void mdp_tick (zf_session_t *session)
{
    if ((session->flags & WORKER) == 0)
        zf_foreign_client_tick (session);
    else if (zf_foreign_beat (session, session->engine->options.mdp_heartbeat_ms))
        send_bare (session, version_of (session)->heartbeat);
}

/* -- from a client ----------------------------------------------------------------------------- */

static bool is_mmi (zf_bytes_t service)
{
    return service.size >= 4 && memcmp (service.data, "mmi.", 4) == 0;
}

static const char *mmi_code (zf_session_t *session, zf_bytes_t service, zf_bytes_t body)
{
    if (!zf_bytes_equal (service, zf_bytes_of ("mmi.service")))
        return "501";
    if (!zf_session_may (session, ZF_MAY_POST, body)) /* which is not told */
        return "404";
    const zf_queue_t *queue = zf_engine_find (session->engine, body);
    return queue != NULL && queue->consumers > 0 ? "200" : "404";
}

static void ask (zf_session_t *session, zf_bytes_t service, zf_frame_t **body, size_t count)
{
    int code = ZF_E_DENIED;
    zf_queue_t *queue = NULL;
    if (zf_session_may (session, ZF_MAY_POST, service))
        queue = zf_session_queue (session, service, &code);
    if (queue != NULL)
        code = zf_foreign_ask (session, queue, body, count);
    if (code == ZF_E_INVAL || code == ZF_E_TOO_BIG)
        zf_session_wrong (session, "request: %s", zf_strerror (code));
    else if (code != 0)
        session->engine->counters.answers_dropped++;
}

/* The frames behind the header. */
static void client_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    size_t service = version_of (session)->commands ? 1 : 0;
    if (count < service + 2) {
        zf_session_wrong (session, "request of %zu frames", count);
        return;
    }
    if (service == 1 && (frames[0]->size != 1 || frames[0]->data[0] != CLIENT_REQUEST)) {
        zf_session_wrong (session, "unknown command of a client");
        return;
    }
    zf_bytes_t name = frame_bytes (frames[service]);
    zf_frame_t **body = frames + service + 1;
    if (zf_titanic_serves (session->engine, name)) {
        zf_titanic_ask (session, name, body, count - service - 1);
        return;
    }
    if (!is_mmi (name)) {
        ask (session, name, body, count - service - 1);
        return;
    }
    zf_answer_t answer = {.service = name};
    const char *code = mmi_code (session, name, frame_bytes (body[0]));
    answer.record.body = zf_bytes_of (code);
    mdp_answer (session, &answer);
}

/* -- from a worker ----------------------------------------------------------------------------- */

static void expel (zf_session_t *session, const char *what)
{
    zf_session_wrong (session, "%s", what);
    zf_session_end (session, "broke the protocol");
}

static void on_ready (zf_session_t *session, const zf_frame_t *service)
{
    zf_engine_t *engine = session->engine;
    int code;
    if (!zf_session_may (session, ZF_MAY_CONSUME, frame_bytes (service))) {
        zf_session_end (session, "may not serve it");
        return;
    }
    zf_queue_t *queue = zf_session_queue (session, frame_bytes (service), &code);
    if (queue == NULL && code == ZF_E_INVAL) {
        expel (session, "worker registers a service of an invalid name");
        return;
    }
    if (queue == NULL) {
        zf_session_end (session, zf_session_words (session, code));
        return;
    }
    uint64_t beat = engine->now_ms + engine->options.mdp_heartbeat_ms;
    if (zf_foreign_serve (session, queue))
        zf_timers_set (&engine->timers, &session->timer, beat);
}

/* frames: address, "", body */
static void on_reply (zf_session_t *session, zf_frame_t **frames, size_t count, bool more)
{
    if (!zf_foreign_owes (session, frames[0])) {
        session->engine->counters.stale++;
        return;
    }
    int rc = zf_foreign_answer (session, frames + 2, count - 2, more);
    if (rc == ZF_E_STALE)
        session->engine->counters.stale++;
    else if (rc == ZF_E_TOO_BIG)
        expel (session, "reply is too big");
    else if (rc != 0)
        zf_session_end (session, zf_strerror (rc));
    if (!more && !session->doomed)
        zf_foreign_serve (session, session->consumers->queue);
}

static bool is_reply (const version_t *version, zf_frame_t **frames, size_t count)
{
    uint8_t command = frames[0]->data[0];
    bool known = command == version->final || (version->commands && command == version->partial);
    return known && count >= 4 && frames[2]->size == 0;
}

/* The frames behind the header. */
static void worker_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    const version_t *version = version_of (session);
    bool registered = session->consumers != NULL;
    if (count == 0 || frames[0]->size != 1) {
        expel (session, "worker without a command");
        return;
    }
    uint8_t command = frames[0]->data[0];
    if (command == version->disconnect && count == 1) {
        session->has_left = true;
        zf_session_end (session, "left");
    } else if (command == version->heartbeat && count == 1) {
        if (!registered) /* it registered with an earlier life of this broker */
            zf_session_end (session, "not registered");
    } else if (command == WORKER_READY && count == 2 && !registered) {
        on_ready (session, frames[1]);
    } else if (registered && is_reply (version, frames, count)) {
        on_reply (session, frames + 1, count - 1, command != version->final);
    } else {
        expel (session, "malformed or unexpected command of a worker");
    }
}

/* -- dispatch ---------------------------------------------------------------------------------- */

static bool has_header (const version_t *version, zf_frame_t **frames, size_t count,
                        const char *header)
{
    if (count <= version->lead)
        return false;
    for (size_t i = 0; i < version->lead; i++) {
        if (frames[i]->size != 0)
            return false;
    }
    return zf_bytes_equal (frame_bytes (frames[version->lead]), zf_bytes_of (header));
}

static bool is_majordomo (const version_t *version, zf_frame_t **frames, size_t count)
{
    return has_header (version, frames, count, version->client) ||
           has_header (version, frames, count, version->worker);
}

static bool mdp1_matches (zf_frame_t **frames, size_t count)
{
    return is_majordomo (&version_1, frames, count);
}

static bool mdp2_matches (zf_frame_t **frames, size_t count)
{
    return is_majordomo (&version_2, frames, count);
}

static void mdp_input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    const version_t *version = version_of (session);
    size_t behind = version->lead + 1;
    if ((session->flags & WORKER) == 0 && has_header (version, frames, count, version->client)) {
        session->flags |= CLIENT;
        client_input (session, frames + behind, count - behind);
    } else if ((session->flags & CLIENT) == 0 &&
               has_header (version, frames, count, version->worker)) {
        session->flags |= WORKER;
        worker_input (session, frames + behind, count - behind);
    } else { /* maybe somebody else with the same routing id: the next message starts anew */
        expel (session, "not what it spoke before");
    }
}

const zf_dialect_t zf_dialect_mdp1 = {
    .name = "MDP/0.1",
    .matches = mdp1_matches,
    .input = mdp_input,
    .deliver = mdp_deliver,
    .answer = mdp_answer,
    .tick = mdp_tick,
    .farewell = mdp_farewell,
};

const zf_dialect_t zf_dialect_mdp2 = {
    .name = "MDP/0.2",
    .matches = mdp2_matches,
    .input = mdp_input,
    .deliver = mdp_deliver,
    .answer = mdp_answer,
    .tick = mdp_tick,
    .farewell = mdp_farewell,
};
