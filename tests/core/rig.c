#include "tests/core/rig.h"

#include "tests/core/alloc.h"
#include "tests/core/audit.h"
#include "tests/core/rig_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define START_MS     1000
#define HEARTBEAT_MS 400  /* of peers: often enough for every default */
#define TURNS_MAX    1000 /* in one go; more is an engine that never comes to rest */

rig_t *rig_new (const zf_engine_options_t *options)
{
    zf_engine_options_t defaults;
    rig_t *rig = calloc (1, sizeof *rig);
    assert_non_null (rig);
    zf_engine_defaults (&defaults);
    rig->frames = wire_frames ();
    rig->audits = true;
    rig->now_ms = START_MS;
    rig->engine = zf_engine_new (options != NULL ? options : &defaults);
    assert_non_null (rig->engine);
    zf_engine_tick (rig->engine, rig->now_ms);
    return rig;
}

static void free_peer (peer_t *peer)
{
    held_t *held, *next_held;
    posted_t *posted, *next_posted;
    peer_forget_letters (peer);
    DL_FOREACH_SAFE (peer->held, held, next_held)
        free (held);
    LL_FOREACH_SAFE (peer->posted, posted, next_posted)
        free (posted);
    free (peer);
}

void rig_free (rig_t *rig)
{
    peer_t *peer, *next;
    rig_log_close (rig);
    zf_engine_free (&rig->engine);
    assert_null (rig->engine);
    LL_FOREACH_SAFE (rig->peers, peer, next)
        free_peer (peer);
    link_t *link, *next_link;
    LL_FOREACH_SAFE (rig->links, link, next_link)
        free (link);
    assert_int_equal (wire_frames (), rig->frames);
    free (rig);
}

int rig_setup (void **state)
{
    *state = rig_new (NULL);
    return 0;
}

int rig_teardown (void **state)
{
    rig_free (*state);
    return 0;
}

/* -- turns ------------------------------------------------------------------------------------- */

static zf_bytes_t copy_of (const void *data, size_t size)
{
    uint8_t *copy = malloc (size + 1);
    assert_non_null (copy);
    memcpy (copy, data, size);
    return zf_bytes (copy, size);
}

static void put_in_inbox (peer_t *peer, const zf_effect_t *effect)
{
    zf_reader_t r = zf_reader (zf_bytes (effect->frames[0].data, effect->frames[0].size));
    letter_t *letter = calloc (1, sizeof *letter);
    assert_non_null (letter);
    assert_in_range (effect->count, 1, 2);
    assert_true (zf_mp_array (&r) >= 1);
    letter->command = zf_mp_uint (&r);
    assert_false (r.failed);
    letter->control = copy_of (effect->frames[0].data, effect->frames[0].size);
    if (effect->count == 2)
        letter->body = copy_of (effect->frames[1].data, effect->frames[1].size);
    DL_APPEND (peer->inbox, letter);
}

static void deliver (const zf_effect_t *effect)
{
    static const uint8_t pong[] = {0x91, ZF_CMD_PONG};
    static const uint8_t ping[] = {0x91, ZF_CMD_PING};
    const link_t *link = effect->session->host;
    const zf_out_t *frame = &effect->frames[0];
    assert_non_null (link);
    peer_t *peer = link->peer;
    if (peer->link != link)
        return;
    if (frame->size == sizeof pong && memcmp (frame->data, pong, sizeof pong) == 0)
        peer->pongs++;
    else if (frame->size == sizeof ping && memcmp (frame->data, ping, sizeof ping) == 0)
        peer->pings++; /* a test that wants it answered does so */
    else
        put_in_inbox (peer, effect);
}

static void keep_notices (rig_t *rig)
{
    zf_engine_t *engine = rig->engine;
    size_t size = 0;
    if (engine->notice_count > 0)
        rig->notices[0] = '\0';
    for (size_t i = 0; i < engine->notice_count && size < sizeof rig->notices; i++)
        size += (size_t) snprintf (rig->notices + size, sizeof rig->notices - size, "%s\n",
                                   engine->notices[i].text);
    engine->notice_count = 0;
}

static void turn_once (rig_t *rig)
{
    zf_effect_t effect;
    alloc_enter ();
    zf_engine_decide (rig->engine);
    alloc_leave ();
    rig_log_commit (rig);
    while (zf_engine_effect (rig->engine, &effect))
        deliver (&effect);
    const link_t *left;
    while ((left = zf_engine_left (rig->engine)) != NULL)
        if (left->peer->link == left)
            left->peer->session = NULL;
    zf_engine_sent (rig->engine);
    keep_notices (rig);
    rig->turns++;
    if (rig->audits)
        audit_engine (rig->engine);
    rig_log_collect (rig);
}

static void tick (rig_t *rig)
{
    alloc_enter ();
    zf_engine_tick (rig->engine, rig->now_ms);
    alloc_leave ();
}

static bool is_due (const rig_t *rig)
{
    const zf_engine_t *engine = rig->engine;
    return zf_engine_deadline (engine) <= rig->now_ms || engine->effect_count > 0 ||
           engine->notice_count > 0;
}

void rig_turn (rig_t *rig)
{
    turn_once (rig);
    for (int i = 0; is_due (rig); i++) {
        assert_in_range (i, 0, TURNS_MAX);
        tick (rig);
        turn_once (rig);
    }
}

/* -- time -------------------------------------------------------------------------------------- */

static void send_heartbeats (rig_t *rig)
{
    static const uint8_t ping[] = {0x91, ZF_CMD_PING};
    peer_t *peer;
    LL_FOREACH (rig->peers, peer) {
        if (peer->session == NULL || peer->mute)
            continue;
        zf_frame_t *frame = wire_frame (ping, sizeof ping);
        alloc_enter ();
        zf_engine_input (peer->session, &frame, 1);
        alloc_leave ();
        zf_frame_drop (frame);
    }
}

static bool anybody_beats (const rig_t *rig)
{
    const peer_t *peer;
    LL_FOREACH (rig->peers, peer)
        if (peer->session != NULL && !peer->mute)
            return true;
    return false;
}

void rig_advance (rig_t *rig, uint64_t ms)
{
    uint64_t end = rig->now_ms + ms;
    uint64_t beat = rig->now_ms;
    while (rig->now_ms < end) {
        uint64_t next = zf_engine_deadline (rig->engine);
        if (next <= rig->now_ms)
            next = rig->now_ms + 1;
        if (anybody_beats (rig) && beat + HEARTBEAT_MS < next)
            next = beat + HEARTBEAT_MS;
        rig->now_ms = next < end ? next : end;
        tick (rig);
        if (rig->now_ms >= beat + HEARTBEAT_MS) {
            send_heartbeats (rig);
            beat = rig->now_ms;
        }
        rig_turn (rig);
    }
}

/* -- queues ------------------------------------------------------------------------------------ */

zf_policy_t rig_policy (void)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    return policy;
}

void rig_declare (rig_t *rig, const char *queue, const zf_policy_t *policy)
{
    zf_writer_t w = {0};
    if (rig->admin == NULL)
        rig->admin = rig_peer (rig, "admin");
    zf_policy_encode (&w, policy);
    peer_admin (rig->admin, "declare", queue, &w);
    take_result (rig->admin, 0, NULL);
}

zf_queue_info_t rig_info (rig_t *rig, const char *queue)
{
    zf_queue_info_t info = {0};
    zf_queue_t *found = zf_engine_find (rig->engine, zf_bytes_of (queue));
    if (found != NULL)
        zf_queue_describe (found, &info);
    return info;
}
