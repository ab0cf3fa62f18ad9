/* Circles of forwarders, found by what every XPUB does: subscriptions pass on to the publishers.
 *
 * Each inlet subscribes to a marker: ZF_MARKER_HEAD, 16 random bytes of this forwarder, the inlet's
 * number. Nothing is ever published on markers. If one comes in at an outlet of the forwarder that
 * made it, then what goes out there comes in at that inlet again. From then on nothing passes from
 * the inlet, and if the circle is still there a little later, a connection of it is cut: that of
 * the inlet, or else that of the outlet, if it is ours; if they come to us, another member of the
 * circle has the connection, and cuts it.
 *
 * All members of a circle find it at the same time, and one cut is enough. So they go one after the
 * other, by the bytes of their markers: a member sees those of the others, because they come in the
 * same way as its own. When one has cut, the markers of the others are taken back before it is
 * their turn.
 *
 * A connection that was cut is tried again later, with nothing but the marker at first. */
#include "devices/plain.h"

#include <stdlib.h>

#define CUT_FIRST_MS 20  /* the first member cuts after this and up to STEP / 2 more, */
#define CUT_STEP_MS  120 /* the others each so much later */
#define CUT_RANK_MAX 8
#define AGAIN_MS     5000 /* after one cut did not help */
#define PAUSE_MS     30000
#define PAUSE_MAX_MS 480000
#define TRIAL_MS     2000

/* -- markers ----------------------------------------------------------------------------------- */

static zf_bytes_t marker_of (const zf_inlet_t *inlet)
{
    return zf_bytes (inlet->marker, sizeof inlet->marker);
}

int zf_plain_mark (zf_side_t *self, zf_error_t *err)
{
    int rc = zf_random (self->uuid, sizeof self->uuid, err);
    for (size_t i = 0; rc == 0 && i < self->inlet_count; i++) {
        zf_inlet_t *inlet = &self->inlets[i];
        size_t head = sizeof ZF_MARKER_HEAD - 1;
        memcpy (inlet->marker, ZF_MARKER_HEAD, head);
        memcpy (inlet->marker + head, self->uuid, sizeof self->uuid);
        inlet->marker[ZF_MARKER_SIZE - 1] = (uint8_t) i;
        inlet->cut_due_ms = ZF_NEVER;
        if (self->outlet_count > 0)
            zf_plain_subscribe (inlet, marker_of (inlet), true);
    }
    return rc;
}

bool zf_plain_is_marker (zf_bytes_t topic)
{
    return topic.size == ZF_MARKER_SIZE &&
           memcmp (topic.data, ZF_MARKER_HEAD, sizeof ZF_MARKER_HEAD - 1) == 0;
}

static const uint8_t *maker_of (zf_bytes_t marker)
{
    return (const uint8_t *) marker.data + sizeof ZF_MARKER_HEAD - 1;
}

bool zf_plain_is_own (const zf_side_t *self, zf_bytes_t marker)
{
    return memcmp (maker_of (marker), self->uuid, sizeof self->uuid) == 0;
}

/* The inlet whose marker this is, or NULL. */
static zf_inlet_t *inlet_of (zf_side_t *self, zf_bytes_t marker)
{
    size_t i = ((const uint8_t *) marker.data)[ZF_MARKER_SIZE - 1];
    return zf_plain_is_own (self, marker) && i < self->inlet_count ? &self->inlets[i] : NULL;
}

/* How many other forwarders whose markers are known come before us. */
static uint32_t rank_of (zf_side_t *self)
{
    const uint8_t *seen[CUT_RANK_MAX];
    uint32_t rank = 0;
    zf_interest_t *marker, *next;
    HASH_ITER (hh, self->markers, marker, next) {
        const uint8_t *maker = maker_of (zf_interest_topic (marker));
        uint32_t i = 0;
        while (i < rank && memcmp (seen[i], maker, ZF_UUID_BYTES) != 0)
            i++;
        if (i == rank && rank < CUT_RANK_MAX && memcmp (maker, self->uuid, ZF_UUID_BYTES) < 0)
            seen[rank++] = maker;
    }
    return rank;
}

static uint64_t patience (zf_side_t *self)
{
    return CUT_FIRST_MS + (uint64_t) CUT_STEP_MS * rank_of (self) +
           self->uuid[0] % (CUT_STEP_MS / 2);
}

/* An outlet of ours that its marker comes in at, and that we can cut; or NULL. */
static zf_outlet_t *echoing_outlet (zf_side_t *self, const zf_inlet_t *inlet)
{
    for (size_t i = 0; i < self->outlet_count; i++) {
        zf_outlet_t *outlet = &self->outlets[i];
        if (outlet->tie.endpoint != NULL && outlet->tie.state != ZF_TIE_CUT &&
            zf_interest_holds (self->markers, marker_of (inlet), (int32_t) i))
            return outlet;
    }
    return NULL;
}

/* True if a connection on trial is what closes the circle. */
static bool is_tried (zf_side_t *self, const zf_inlet_t *inlet)
{
    zf_outlet_t *outlet = echoing_outlet (self, inlet);
    return inlet->tie.state == ZF_TIE_TRIAL ||
           (outlet != NULL && outlet->tie.state == ZF_TIE_TRIAL);
}

static void note_echo (zf_side_t *self, zf_inlet_t *inlet, bool on)
{
    if (on && inlet->echoes++ == 0) {
        inlet->echoed_ms = self->now_ms;
        inlet->cut_due_ms = self->now_ms + (is_tried (self, inlet) ? 0 : CUT_FIRST_MS);
    } else if (!on && inlet->echoes > 0 && --inlet->echoes == 0) {
        inlet->cut_due_ms = ZF_NEVER;
    }
}

bool zf_plain_echo (zf_side_t *self, zf_bytes_t topic, zf_holder_t holder, bool on)
{
    if (!zf_plain_is_marker (topic))
        return false;
    zf_inlet_t *inlet = inlet_of (self, topic);
    bool changed = on ? zf_interest_add (&self->markers, topic, holder) == 1
                      : zf_interest_remove (&self->markers, topic, holder);
    if (inlet != NULL && changed)
        note_echo (self, inlet, on);
    else if (changed && !zf_plain_is_own (self, topic))
        zf_plain_pass_up (self, topic, on);
    return true;
}

/* -- cuts -------------------------------------------------------------------------------------- */

static void cut (zf_side_t *self, zf_socket_t *socket, zf_tie_t *tie)
{
    zf_socket_disconnect (socket, tie->endpoint);
    tie->pause_ms = tie->pause_ms == 0 ? PAUSE_MS : 2 * tie->pause_ms;
    if (tie->pause_ms > PAUSE_MAX_MS)
        tie->pause_ms = PAUSE_MAX_MS;
    tie->state = ZF_TIE_CUT;
    tie->due_ms = self->now_ms + tie->pause_ms;
    self->counters.loops++;
    zf_notice (self->engine, ZF_EVENT_LOOP,
               "forwarders in a circle: the connection to %s is cut, for %u s", tie->endpoint,
               tie->pause_ms / 1000);
}

static void break_circle (zf_side_t *self, zf_inlet_t *inlet)
{
    zf_outlet_t *outlet = echoing_outlet (self, inlet);
    inlet->cut_due_ms = ZF_NEVER;
    if (inlet->tie.state == ZF_TIE_CUT)
        return; /* the news takes its time to come round */
    if (inlet->tie.endpoint != NULL) {
        cut (self, &inlet->socket, &inlet->tie);
        zf_plain_subscribe_all (self, inlet, false); /* when it is tried, for the marker only */
    } else if (outlet != NULL) {
        cut (self, &outlet->socket, &outlet->tie);
        outlet->stirred = true;
        inlet->cut_due_ms = self->now_ms + AGAIN_MS; /* there may be others */
    } else {
        zf_notice (self->engine, ZF_EVENT_LOOP,
                   "forwarders in a circle that others have to cut: until then nothing passes from "
                   "the publishers that connect here");
    }
}

static void look_at_inlet (zf_side_t *self, zf_inlet_t *inlet)
{
    if (inlet->echoes == 0 || self->now_ms < inlet->cut_due_ms)
        return;
    uint64_t due = inlet->echoed_ms + patience (self);
    if (self->now_ms < due && !is_tried (self, inlet))
        inlet->cut_due_ms = due;
    else
        break_circle (self, inlet);
}

/* -- trials ------------------------------------------------------------------------------------ */

static void try_again (zf_side_t *self, zf_socket_t *socket, zf_tie_t *tie)
{
    bool connected = zf_socket_connect (socket, tie->endpoint, NULL) == 0;
    tie->state = connected ? ZF_TIE_TRIAL : ZF_TIE_CUT;
    tie->due_ms = self->now_ms + (connected ? TRIAL_MS : tie->pause_ms);
}

/* Returns true if the connection has become a full one again. */
static bool tend_tie (zf_side_t *self, zf_socket_t *socket, zf_tie_t *tie)
{
    if (tie->state == ZF_TIE_ON || self->now_ms < tie->due_ms)
        return false;
    if (tie->state == ZF_TIE_CUT) {
        try_again (self, socket, tie);
        return false;
    }
    tie->state = ZF_TIE_ON;
    tie->pause_ms = 0;
    return true;
}

void zf_plain_untangle (zf_side_t *self)
{
    for (size_t i = 0; i < self->inlet_count; i++) {
        look_at_inlet (self, &self->inlets[i]);
        if (tend_tie (self, &self->inlets[i].socket, &self->inlets[i].tie))
            zf_plain_subscribe_all (self, &self->inlets[i], true);
    }
    for (size_t i = 0; i < self->outlet_count; i++)
        tend_tie (self, &self->outlets[i].socket, &self->outlets[i].tie);
}

static uint64_t tie_deadline (const zf_tie_t *tie)
{
    return tie->state != ZF_TIE_ON ? tie->due_ms : ZF_NEVER;
}

static uint64_t sooner (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t zf_plain_loop_deadline (const zf_side_t *self)
{
    uint64_t due = ZF_NEVER;
    for (size_t i = 0; i < self->inlet_count; i++) {
        due = sooner (due, self->inlets[i].cut_due_ms);
        due = sooner (due, tie_deadline (&self->inlets[i].tie));
    }
    for (size_t i = 0; i < self->outlet_count; i++)
        due = sooner (due, tie_deadline (&self->outlets[i].tie));
    return due;
}
