/* Effects: what the engine wants to be sent, collected during a turn and handed to the shell at its
 * end. */
#include "core/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zferry/error.h>

#define GROWTH      64
#define PROBE_BYTES (4u << 20)   /* sent to a peer before it is asked whether it reads */
#define UNREAD_MAX  (256u << 20) /* and before it is given up */

static bool more_effects (zf_engine_t *engine)
{
    if (engine->effect_count < engine->effect_room)
        return true;
    size_t room = engine->effect_room != 0 ? 2 * engine->effect_room : GROWTH;
    zf_effect_t *effects = realloc (engine->effects, room * sizeof *effects);
    if (effects == NULL)
        return false;
    engine->effects = effects;
    engine->effect_room = room;
    return true;
}

static bool more_outs (zf_engine_t *engine)
{
    if (engine->out_count < engine->out_room)
        return true;
    size_t room = engine->out_room != 0 ? 2 * engine->out_room : GROWTH;
    zf_out_t *outs = realloc (engine->outs, room * sizeof *outs);
    if (outs == NULL)
        return false;
    engine->outs = outs;
    engine->out_room = room;
    return true;
}

static void drop_out (zf_out_t *out)
{
    if (out->owned)
        free ((void *) (uintptr_t) out->data);
    zf_frame_drop (out->shared);
    memset (out, 0, sizeof *out);
}

/* A new frame of the effect being built; NULL: no memory, and the effect has failed. */
static zf_out_t *add_out (zf_engine_t *engine)
{
    if (engine->out_failed || !more_outs (engine)) {
        engine->out_failed = true;
        return NULL;
    }
    zf_out_t *out = &engine->outs[engine->out_count++];
    memset (out, 0, sizeof *out);
    engine->effects[engine->effect_count - 1].count++;
    return out;
}

void zf_out_begin (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    engine->out_failed = !more_effects (engine);
    if (engine->out_failed)
        return;
    zf_effect_t *effect = &engine->effects[engine->effect_count++];
    effect->session = session;
    effect->frames = NULL;
    effect->count = 0;
}

void zf_out_copy (zf_session_t *session, zf_bytes_t bytes)
{
    zf_writer_t *w = zf_out_write (session);
    zf_write_bytes (w, bytes.data, bytes.size);
    zf_out_written (session);
}

void zf_out_share (zf_session_t *session, zf_frame_t *frame)
{
    zf_out_t *out = add_out (session->engine);
    if (out == NULL)
        return;
    out->shared = zf_frame_hold (frame);
    out->data = frame->data;
    out->size = frame->size;
}

void zf_out_give (zf_session_t *session, uint8_t *data, size_t size)
{
    zf_out_t *out = data != NULL ? add_out (session->engine) : NULL;
    if (out == NULL) {
        session->engine->out_failed = true;
        free (data);
        return;
    }
    out->owned = true;
    out->data = data;
    out->size = size;
}

zf_writer_t *zf_out_write (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    zf_out_t *out = add_out (engine);
    if (out != NULL)
        out->offset = engine->arena.size;
    return &engine->arena;
}

void zf_out_written (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    if (engine->arena.failed)
        engine->out_failed = true;
    if (engine->out_failed)
        return;
    zf_out_t *out = &engine->outs[engine->out_count - 1];
    out->size = engine->arena.size - out->offset;
}

/* What waits for a peer that does not read would be without limit. */
static void count_unread (zf_session_t *session, const zf_effect_t *effect)
{
    zf_engine_t *engine = session->engine;
    if (session->dialect->probe == NULL)
        return;
    for (size_t i = 0; i < effect->count; i++)
        session->unread_bytes += engine->outs[engine->out_count - effect->count + i].size;
    if (session->unread_bytes > UNREAD_MAX && !session->doomed) {
        engine->counters.peers_slow++;
        zf_session_end (session, "does not read");
    } else if (session->unread_bytes > PROBE_BYTES && session->probed_bytes == 0) {
        session->probed_bytes = session->unread_bytes;
        session->dialect->probe (session);
    }
}

void zf_session_has_read (zf_session_t *session)
{
    session->unread_bytes -= session->probed_bytes;
    session->probed_bytes = 0;
}

int zf_out_end (zf_session_t *session)
{
    zf_engine_t *engine = session->engine;
    if (!engine->out_failed) {
        count_unread (session, &engine->effects[engine->effect_count - 1]);
        return 0;
    }
    engine->arena.failed = false;
    if (engine->effect_count > 0 && engine->effects[engine->effect_count - 1].session == session) {
        zf_effect_t *effect = &engine->effects[--engine->effect_count];
        for (size_t i = 0; i < effect->count; i++)
            drop_out (&engine->outs[--engine->out_count]);
    }
    zf_session_end (session, "out of memory");
    return ZF_E_NOMEM;
}

bool zf_engine_effect (zf_engine_t *engine, zf_effect_t *effect)
{
    /* Frames lie behind each other in the order of the effects; indices become pointers now that
     * nothing grows. */
    while (engine->effect_next < engine->effect_count) {
        zf_effect_t *next = &engine->effects[engine->effect_next++];
        next->frames = engine->outs + engine->outs_next;
        engine->outs_next += next->count;
        if (next->session->host == NULL)
            continue;
        for (size_t i = 0; i < next->count; i++) {
            zf_out_t *out = &next->frames[i];
            if (out->shared == NULL && !out->owned)
                out->data = engine->arena.data + out->offset;
        }
        engine->counters.messages_out++;
        *effect = *next;
        return true;
    }
    return false;
}

void zf_effects_clear (zf_engine_t *engine)
{
    for (size_t i = 0; i < engine->out_count; i++)
        drop_out (&engine->outs[i]);
    engine->out_count = engine->outs_next = 0;
    engine->effect_count = engine->effect_next = 0;
    engine->arena.size = 0;
    engine->arena.failed = false;
}

void zf_notice (zf_engine_t *engine, zf_event_t event, const char *format, ...)
{
    if (engine->notice_count == ZF_NOTICES_MAX) {
        engine->counters.notices_dropped++;
        return;
    }
    zf_notice_t *notice = &engine->notices[engine->notice_count++];
    notice->event = event;
    va_list args;
    va_start (args, format);
    vsnprintf (notice->text, sizeof notice->text, format, args);
    va_end (args);
}

void zf_session_wrong (zf_session_t *session, const char *format, ...)
{
    char what[128];
    va_list args;
    va_start (args, format);
    vsnprintf (what, sizeof what, format, args);
    va_end (args);
    session->engine->counters.peer_errors++;
    zf_notice (session->engine, ZF_EVENT_PEER_ERROR, "%s: %s", session->name, what);
}
