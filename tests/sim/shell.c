/* The shell of the simulated engine: what a device does around it, with the book at the door. */
#include "tests/sim/chronicle.h"
#include "tests/sim/disk.h"
#include "tests/sim/ledger.h"
#include "tests/sim/peer.h"

typedef struct {
    zf_frame_t frame; /* first, so that one is the other */
    sim_t *sim;
} shell_frame_t;

static void release (zf_frame_t *frame)
{
    shell_frame_t *self = (shell_frame_t *) (void *) frame;
    self->sim->frames--;
    free (frame->data);
    free (self);
}

/* Takes over the bytes of a message's part. */
static zf_frame_t *take_part (sim_t *sim, zf_bytes_t *part)
{
    shell_frame_t *self = vec_new (sizeof *self);
    self->frame.data = (uint8_t *) (uintptr_t) part->data;
    self->frame.size = part->size;
    self->frame.holders = 1;
    self->frame.release = release;
    self->sim = sim;
    sim->frames++;
    part->data = NULL;
    return &self->frame;
}

/* -- watching ---------------------------------------------------------------------------------- */

static zf_bytes_t bytes_of (const zf_engine_t *engine, const zf_out_t *out)
{
    if (out->shared != NULL || out->owned)
        return zf_bytes (out->data, out->size);
    return zf_bytes (engine->arena.data + out->offset, out->size);
}

/* Tells the book the effects that are new. It sees them all, also those that will not be sent
 * because their session has lost its connection. */
static void observe (sim_t *sim)
{
    const zf_engine_t *engine = sim->engine;
    if (sim->chronicle != NULL)
        chronicle_learn (sim);
    for (; sim->effects_seen < engine->effect_count; sim->effects_seen++) {
        const zf_effect_t *effect = &engine->effects[sim->effects_seen];
        const zf_out_t *outs = engine->outs + sim->outs_seen;
        zf_bytes_t control = bytes_of (engine, outs);
        zf_bytes_t body = zf_bytes (NULL, 0);
        if (effect->count > 1)
            body = bytes_of (engine, outs + 1);
        sim->outs_seen += effect->count;
        trace_frame (sim, effect->session->host, false, control, body);
        if (sim->chronicle != NULL)
            chronicle_effect (sim, effect->session, control, body);
        else if (sim->ledger != NULL)
            ledger_effect (sim, effect->session, control, body,
                           effect->session->host != NULL && sim->dying != DEATH_COMMITTED);
        else
            book_effect (sim, effect->session, control, body);
    }
}

/* The book is kept, and not something else. */
static bool is_booked (const sim_t *sim)
{
    return sim->ledger == NULL && sim->chronicle == NULL;
}

static holder_t *add_holder (conn_t *conn, zf_session_t *session)
{
    sim_t *sim = conn->sim;
    if (sim->holder_count == HOLDERS_MAX)
        sim_fail (sim, "%d sessions: more than there are peers for", HOLDERS_MAX);
    holder_t *holder = vec_new (sizeof *holder);
    holder->session = session;
    holder->conn = conn;
    for (size_t q = 0; q < QUEUES_MAX; q++)
        holder->credit[q] = -1;
    sim->holders[sim->holder_count++] = holder;
    return holder;
}

/* -- input ------------------------------------------------------------------------------------- */

static void unbooked_input (conn_t *conn, zf_frame_t **frames, size_t count)
{
    sim_t *sim = conn->sim;
    zf_bytes_t control = zf_bytes (frames[0]->data, frames[0]->size);
    zf_bytes_t body = count > 1 ? zf_bytes (frames[1]->data, frames[1]->size) : zf_bytes (NULL, 0);
    if (sim->ledger != NULL)
        ledger_input (sim, conn->session, control, body);
    else if (!conn->peer->hostile)
        chronicle_input (sim, conn->session, control, body);
    zf_dialect_native.input (conn->session, frames, count);
    if (sim->chronicle != NULL)
        observe (sim);
}

/* A message that the engine deals with, maybe after it was held back. */
static void input (zf_session_t *session, zf_frame_t **frames, size_t count)
{
    conn_t *conn = session->host;
    sim_t *sim = conn->sim;
    if (!is_booked (sim)) {
        unbooked_input (conn, frames, count);
        return;
    }
    observe (sim); /* what timers of this turn have done comes before what was held back */
    book_input_t in = {.holder = book_holder (sim, conn->session)};
    in.control = zf_bytes (frames[0]->data, frames[0]->size);
    in.body = count > 1 ? zf_bytes (frames[1]->data, frames[1]->size) : zf_bytes (NULL, 0);
    book_before (&in);
    zf_dialect_native.input (conn->session, frames, count);
    book_after (&in);
    observe (sim);
}

/* The native one, with us at its door. */
static const zf_dialect_t *watched_dialect (void)
{
    static zf_dialect_t dialect;
    dialect = zf_dialect_native;
    dialect.input = input;
    return &dialect;
}

/* Whose key it has. */
static void identify (conn_t *conn)
{
    zf_subject_t subject = {.key = ""};
    bool hostile = conn->peer->hostile;
    memset (subject.key, hostile ? 'x' : 'o', ZF_KEY_TEXT - 1);
    snprintf (subject.name, sizeof subject.name, "%s", hostile ? "hostile" : "honest");
    if (conn->sim->ruled)
        zf_engine_identify (conn->session, &subject);
}

static bool attach (conn_t *conn, zf_frame_t **frames, size_t count)
{
    uint8_t address[5] = {0};
    if (!zf_dialect_native.matches (frames, count))
        return false;
    zf_store_u32le (address + 1, conn->number);
    conn->session = zf_engine_attach (conn->sim->engine, conn, zf_bytes (address, sizeof address),
                                      watched_dialect ());
    if (conn->session == NULL)
        return false;
    identify (conn);
    if (is_booked (conn->sim))
        add_holder (conn, conn->session);
    return true;
}

static void on_message (conn_t *conn, message_t *message)
{
    sim_t *sim = conn->sim;
    zf_frame_t *frames[2];
    zf_bytes_t none = zf_bytes (NULL, 0);
    trace_frame (sim, conn, true, message->part[0], message->count > 1 ? message->part[1] : none);
    frames[0] = take_part (sim, &message->part[0]);
    frames[1] = message->count > 1 ? take_part (sim, &message->part[1]) : NULL;
    if (conn->session != NULL || attach (conn, frames, message->count))
        zf_engine_input (conn->session, frames, message->count);
    zf_frame_drop (frames[0]);
    zf_frame_drop (frames[1]);
}

void shell_read (conn_t *conn)
{
    message_t *message;
    while (!conn->detached && (message = net_arrived (conn, &conn->in)) != NULL) {
        on_message (conn, message);
        message_free (message);
    }
}

void shell_detach (conn_t *conn)
{
    sim_t *sim = conn->sim;
    zf_session_t *session = conn->session;
    conn->detached = true;
    if (session == NULL)
        return;
    trace (sim, "connection %u is noticed to be gone", conn->number);
    holder_t *holder = book_holder (sim, session);
    conn->session = NULL;
    zf_engine_detach (session);
    if (holder != NULL)
        book_lost (sim, holder);
    if (sim->chronicle != NULL)
        chronicle_learn (sim);
    if (!is_booked (sim))
        return;
    book_gone (sim);
    observe (sim);
}

/* -- turns ------------------------------------------------------------------------------------- */

static void send_effects (sim_t *sim)
{
    zf_effect_t effect;
    while (zf_engine_effect (sim->engine, &effect)) {
        conn_t *conn = effect.session->host;
        zf_bytes_t control = zf_bytes (effect.frames[0].data, effect.frames[0].size);
        zf_bytes_t body = zf_bytes (NULL, 0);
        if (effect.count > 1)
            body = zf_bytes (effect.frames[1].data, effect.frames[1].size);
        net_to_peer (conn, control, body);
    }
    conn_t *conn;
    while ((conn = zf_engine_left (sim->engine)) != NULL)
        conn->session = NULL;
    zf_engine_sent (sim->engine);
    sim->effects_seen = sim->outs_seen = 0;
}

#define RULES_EVERY 500 /* turns */

static void let_things_happen (sim_t *sim)
{
    if (sim->turn % RULES_EVERY == 0)
        scenario_rule (sim);
    while (clock_next (&sim->clock) <= sim->now_ms) {
        event_t event = clock_pop (&sim->clock);
        event.fn (event.target, event.arg);
    }
}

/* The broker dies now if it is to die here. */
static bool dies (sim_t *sim, death_t here)
{
    if (sim->dying != here)
        return false;
    disk_crash (sim);
    sim->dying = DEATH_NONE;
    return true;
}

/* A turn without the book, mostly of a broker with a disk. What it sends is seen when it is decided
 * and appended. */
static void plain_turn (sim_t *sim)
{
    if (sim->durable)
        disk_begin (sim);
    let_things_happen (sim);
    if (sim->durable)
        disk_collect (sim);
    zf_engine_tick (sim->engine, sim->now_ms);
    if (sim->chronicle != NULL)
        observe (sim);
    zf_engine_decide (sim->engine);
    if (dies (sim, DEATH_DECIDED))
        return;
    observe (sim);
    if (sim->durable)
        disk_commit (sim);
    audit (sim);
    scenario_check_rules (sim);
    if (sim->chronicle != NULL)
        chronicle_turn (sim);
    if (dies (sim, DEATH_COMMITTED))
        return;
    send_effects (sim);
    dies (sim, DEATH_SENT);
}

void shell_turn (sim_t *sim)
{
    sim->turn++;
    zf_engine_clock (sim->engine, sim->now_ms);
    if (sim->durable || sim->chronicle != NULL) {
        plain_turn (sim);
        return;
    }
    let_things_happen (sim);
    zf_engine_tick (sim->engine, sim->now_ms);
    book_tick (sim);
    observe (sim);
    zf_engine_decide (sim->engine);
    book_gone (sim);
    observe (sim);
    audit (sim);
    scenario_check_rules (sim);
    send_effects (sim);
    if (sim->turn % sim->walk_every == 0)
        book_walk (sim);
}
