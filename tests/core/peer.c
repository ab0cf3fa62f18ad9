/* The peers of the rig: what they send. */
#include "tests/core/rig.h"

#include "tests/core/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

/* -- coming and going -------------------------------------------------------------------------- */

static void attach (peer_t *peer)
{
    zf_bytes_t address = zf_bytes_of (peer->name);
    link_t *link = calloc (1, sizeof *link);
    assert_non_null (link);
    link->peer = peer;
    LL_PREPEND (peer->rig->links, link);
    peer->link = link;
    alloc_enter ();
    peer->session = zf_engine_attach (peer->rig->engine, link, address, &zf_dialect_native);
    alloc_leave ();
}

peer_t *rig_stranger (rig_t *rig, const char *name)
{
    peer_t *peer = calloc (1, sizeof *peer);
    assert_non_null (peer);
    peer->rig = rig;
    snprintf (peer->name, sizeof peer->name, "%s", name);
    snprintf ((char *) peer->uuid, sizeof peer->uuid, "%s", name);
    LL_APPEND (rig->peers, peer);
    attach (peer);
    return peer;
}

static void send_hello (peer_t *peer)
{
    zf_writer_t w = wire_control (ZF_CMD_HELLO, 3);
    zf_mp_put_uint (&w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&w, zf_bytes (peer->uuid, sizeof peer->uuid));
    zf_mp_put_map (&w, 1);
    zf_mp_put_uint (&w, ZF_OPTION_NAME);
    wire_put_text (&w, peer->name);
    peer_write (peer, &w, NULL);
}

void peer_hello (peer_t *peer)
{
    send_hello (peer);
    letter_t *letter = peer->inbox;
    assert_non_null (letter);
    assert_int_equal (letter->command, ZF_CMD_WELCOME);
    assert_null (letter->next);
    peer_forget_letters (peer);
}

peer_t *rig_peer (rig_t *rig, const char *name)
{
    peer_t *peer = rig_stranger (rig, name);
    assert_non_null (peer->session);
    peer_hello (peer);
    return peer;
}

peer_t *rig_worker (rig_t *rig, const char *name, const char *queue, uint32_t credit)
{
    peer_t *peer = rig_peer (rig, name);
    peer_consume (peer, queue, credit);
    return peer;
}

void peer_drop (peer_t *peer)
{
    zf_session_t *session = peer->session;
    peer->session = NULL;
    alloc_enter ();
    zf_engine_detach (session);
    alloc_leave ();
    rig_turn (peer->rig);
}

void peer_reconnect (peer_t *peer)
{
    attach (peer);
    if (peer->session != NULL)
        send_hello (peer);
}

void peer_bye (peer_t *peer)
{
    zf_writer_t w = wire_control (ZF_CMD_BYE, 0);
    peer_write (peer, &w, NULL);
}

void peer_crash (peer_t *peer)
{
    held_t *held, *next;
    peer->mute = true;
    DL_FOREACH_SAFE (peer->held, held, next) {
        DL_DELETE (peer->held, held);
        free (held);
    }
    peer_forget_letters (peer);
}

/* -- sending ----------------------------------------------------------------------------------- */

void peer_send (peer_t *peer, zf_frame_t *control, zf_frame_t *batch)
{
    zf_frame_t *frames[] = {control, batch};
    if (peer->session != NULL) {
        alloc_enter ();
        zf_engine_input (peer->session, frames, batch != NULL ? 2 : 1);
        alloc_leave ();
    }
    zf_frame_drop (control);
    zf_frame_drop (batch);
    rig_turn (peer->rig);
}

void peer_write (peer_t *peer, zf_writer_t *control, zf_frame_t *batch)
{
    peer_send (peer, wire_written (control), batch);
}

static posted_t *posted_to (peer_t *peer, const char *queue)
{
    posted_t *posted;
    LL_FOREACH (peer->posted, posted)
        if (strcmp (posted->queue, queue) == 0)
            return posted;
    posted = calloc (1, sizeof *posted);
    assert_non_null (posted);
    snprintf (posted->queue, sizeof posted->queue, "%s", queue);
    LL_PREPEND (peer->posted, posted);
    return posted;
}

static void send_post (peer_t *peer, const char *queue, uint64_t low, zf_frame_t *batch)
{
    zf_writer_t w = wire_control (ZF_CMD_POST, 2);
    wire_put_text (&w, queue);
    zf_mp_put_uint (&w, low);
    peer_write (peer, &w, batch);
}

uint64_t peer_post_props (peer_t *peer, const char *queue, const char *bodies,
                          const zf_props_t *props)
{
    posted_t *posted = posted_to (peer, queue);
    uint64_t first = posted->last + 1;
    posted->last += wire_words (bodies);
    send_post (peer, queue, peer->low, wire_batch (first, bodies, props));
    return first;
}

uint64_t peer_post (peer_t *peer, const char *queue, const char *bodies)
{
    return peer_post_props (peer, queue, bodies, NULL);
}

uint64_t peer_post_bulk (peer_t *peer, const char *queue, uint32_t count, size_t size)
{
    posted_t *posted = posted_to (peer, queue);
    uint64_t first = posted->last + 1;
    posted->last += count;
    send_post (peer, queue, peer->low, wire_bulk (first, count, size));
    return first;
}

void peer_post_again (peer_t *peer, const char *queue, uint64_t first, const char *bodies,
                      uint64_t low)
{
    send_post (peer, queue, low, wire_batch (first, bodies, NULL));
}

uint64_t peer_request_with (peer_t *peer, const char *service, const char *bodies, uint64_t ttl_ms,
                            uint32_t flags)
{
    uint64_t first = peer->requested + 1;
    peer->requested += wire_words (bodies);
    zf_writer_t w = wire_control (ZF_CMD_REQUEST, 3);
    wire_put_text (&w, service);
    zf_mp_put_uint (&w, ttl_ms);
    zf_mp_put_uint (&w, flags);
    peer_write (peer, &w, wire_batch (first, bodies, NULL));
    return first;
}

uint64_t peer_request (peer_t *peer, const char *service, const char *bodies)
{
    return peer_request_with (peer, service, bodies, 0, 0);
}

/* -- working ----------------------------------------------------------------------------------- */

void peer_consume (peer_t *peer, const char *queue, uint32_t credit)
{
    zf_writer_t w = wire_control (ZF_CMD_CONSUME, 2);
    wire_put_text (&w, queue);
    zf_mp_put_uint (&w, credit);
    peer_write (peer, &w, NULL);
}

static held_t *find_held (peer_t *peer, const char *queue, zf_bytes_t body)
{
    held_t *held;
    DL_FOREACH (peer->held, held)
        if (strcmp (held->queue, queue) == 0 && zf_bytes_equal (zf_bytes_of (held->body), body))
            return held;
    fail_msg ("%s does not hold %.*s of %s", peer->name, (int) body.size, (const char *) body.data,
              queue);
    return NULL;
}

uint64_t peer_held (peer_t *peer, const char *queue, const char *body)
{
    return find_held (peer, queue, zf_bytes_of (body))->id;
}

/* Appends the ranges of these bodies to the command and sends it; keep: they are held on to. */
static void settle (peer_t *peer, zf_writer_t *w, const char *queue, const char *bodies, bool keep)
{
    for (uint32_t i = 0; i < wire_words (bodies); i++) {
        held_t *held = find_held (peer, queue, wire_word (bodies, i));
        zf_mp_put_uint (w, held->id);
        zf_mp_put_uint (w, 1);
        if (keep)
            continue;
        DL_DELETE (peer->held, held);
        free (held);
    }
    peer_write (peer, w, NULL);
}

static zf_writer_t settlement (unsigned command, const char *queue, size_t arguments)
{
    zf_writer_t w = wire_control (command, arguments);
    wire_put_text (&w, queue);
    return w;
}

void peer_ack (peer_t *peer, const char *queue, const char *bodies)
{
    zf_writer_t w = settlement (ZF_CMD_ACK, queue, 1 + 2 * (size_t) wire_words (bodies));
    settle (peer, &w, queue, bodies, false);
}

void peer_release (peer_t *peer, const char *queue, const char *bodies)
{
    zf_writer_t w = settlement (ZF_CMD_RELEASE, queue, 1 + 2 * (size_t) wire_words (bodies));
    settle (peer, &w, queue, bodies, false);
}

void peer_nack (peer_t *peer, const char *queue, const char *bodies, int64_t delay_ms)
{
    zf_writer_t w = settlement (ZF_CMD_NACK, queue, 2 + 2 * (size_t) wire_words (bodies));
    zf_mp_put_int (&w, delay_ms);
    settle (peer, &w, queue, bodies, false);
}

void peer_reject (peer_t *peer, const char *queue, const char *bodies, const char *reason)
{
    zf_writer_t w = settlement (ZF_CMD_REJECT, queue, 2 + 2 * (size_t) wire_words (bodies));
    wire_put_text (&w, reason);
    settle (peer, &w, queue, bodies, false);
}

void peer_extend (peer_t *peer, const char *queue, const char *bodies, uint64_t lease_ms)
{
    zf_writer_t w = settlement (ZF_CMD_EXTEND, queue, 2 + 2 * (size_t) wire_words (bodies));
    zf_mp_put_uint (&w, lease_ms);
    settle (peer, &w, queue, bodies, true);
}

void peer_settle (peer_t *peer, unsigned command, const char *queue, uint64_t first, uint64_t count)
{
    zf_writer_t w = settlement (command, queue, 3);
    zf_mp_put_uint (&w, first);
    zf_mp_put_uint (&w, count);
    peer_write (peer, &w, NULL);
}

void peer_answer (peer_t *peer, const char *service, const char *asked, const char *answer,
                  bool more)
{
    held_t *held = find_held (peer, service, zf_bytes_of (asked));
    uint64_t id = held->id;
    zf_writer_t w = settlement (ZF_CMD_ANSWER, service, 2);
    zf_mp_put_bool (&w, more);
    if (!more) {
        DL_DELETE (peer->held, held);
        free (held);
    }
    peer_write (peer, &w, wire_batch (id, answer, NULL));
}

void peer_admin (peer_t *peer, const char *verb, const char *queue, zf_writer_t *argument)
{
    static const uint8_t nil = 0xc0;
    zf_writer_t w = wire_control (ZF_CMD_ADMIN, 4);
    zf_mp_put_uint (&w, 7);
    wire_put_text (&w, verb);
    wire_put_text (&w, queue);
    if (argument != NULL)
        zf_write_bytes (&w, argument->data, argument->size);
    else
        zf_write_bytes (&w, &nil, 1);
    if (argument != NULL)
        zf_writer_free (argument);
    peer_write (peer, &w, NULL);
}
