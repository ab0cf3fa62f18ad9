#include "devices/plain.h"

#include <errno.h>
#include <stdlib.h>

#define MESSAGES_A_TURN 1000
#define BYTES_A_TURN    (UINT64_C (16) << 20)
#define FRAMES_FIRST    8

/* -- one message as a whole -------------------------------------------------------------------- */

zmq_msg_t *zf_parcel_add (zf_parcel_t *parcel)
{
    if (parcel->count == parcel->room) {
        size_t room = parcel->room != 0 ? 2 * parcel->room : FRAMES_FIRST;
        zmq_msg_t *frames = realloc (parcel->frames, room * sizeof *frames);
        if (frames == NULL)
            return NULL;
        parcel->frames = frames;
        parcel->room = room;
    }
    zmq_msg_t *frame = &parcel->frames[parcel->count++];
    zmq_msg_init (frame);
    return frame;
}

void zf_parcel_clear (zf_parcel_t *parcel)
{
    for (size_t i = 0; i < parcel->count; i++)
        zmq_msg_close (&parcel->frames[i]);
    parcel->count = 0;
}

/* -- out --------------------------------------------------------------------------------------- */

void zf_plain_send (zf_side_t *self, zf_outlet_t *outlet, zmq_msg_t *frame, bool more)
{
    int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    outlet->stirred = true;
    if (zmq_msg_send (frame, outlet->socket.raw, flags) >= 0)
        return;
    if (zmq_errno () == EAGAIN) {
        self->counters.dropped_slow++;
        zf_socket_xpub_lossy (&outlet->socket, true);
        int rc = zmq_msg_send (frame, outlet->socket.raw, flags);
        zf_socket_xpub_lossy (&outlet->socket, false);
        if (rc >= 0)
            return;
    }
    zmq_msg_close (frame);
    zmq_msg_init (frame);
}

void zf_plain_send_copy (zf_side_t *self, zf_outlet_t *outlet, zf_bytes_t bytes, bool more)
{
    zmq_msg_t frame;
    if (zmq_msg_init_size (&frame, bytes.size) != 0)
        zmq_msg_init (
            &frame); /* no memory: an empty frame, for the others must keep their places */
    else if (bytes.size > 0)
        memcpy (zmq_msg_data (&frame), bytes.data, bytes.size);
    zf_socket_hands_over (zmq_msg_data (&frame));
    zf_plain_send (self, outlet, &frame, more);
}

static void send_shared (zf_side_t *self, zf_outlet_t *outlet, zmq_msg_t *frame, bool more)
{
    zmq_msg_t copy;
    zmq_msg_init (&copy);
    zmq_msg_copy (&copy, frame);
    zf_plain_send (self, outlet, &copy, more);
}

/* Sends the parcel; last: nobody needs it after that. */
static void send_parcel (zf_side_t *self, zf_outlet_t *outlet, bool last)
{
    zf_parcel_t *parcel = &self->parcel;
    for (size_t i = 0; i < parcel->count; i++) {
        bool more = i + 1 < parcel->count;
        if (last)
            zf_plain_send (self, outlet, &parcel->frames[i], more);
        else
            send_shared (self, outlet, &parcel->frames[i], more);
    }
    self->counters.out++;
}

void zf_plain_pass (zf_side_t *self)
{
    if (self->values != NULL)
        zf_plain_remember (self);
    for (size_t i = 0; i < self->outlet_count; i++) {
        zf_outlet_t *outlet = &self->outlets[i];
        if (zf_outlet_is_shut (outlet))
            continue;
        if (outlet->missed != NULL || outlet->suspects != NULL)
            zf_plain_make_good (self, outlet);
        send_parcel (self, outlet, i + 1 == self->outlet_count);
    }
    zf_parcel_clear (&self->parcel);
}

/* -- in ---------------------------------------------------------------------------------------- */

static void discard_rest (zf_inlet_t *inlet)
{
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    while (zmq_msg_recv (&frame, inlet->socket.raw, ZMQ_DONTWAIT) >= 0 && zmq_msg_more (&frame))
        continue;
    zmq_msg_close (&frame);
}

/* Receives a message into the parcel, which stays empty if memory is short. Returns its bytes, or
 * -1: there was none. */
static int64_t receive_parcel (zf_side_t *self, zf_inlet_t *inlet)
{
    int64_t bytes = 0;
    int more = 1;
    while (more == 1) {
        zmq_msg_t *frame = zf_parcel_add (&self->parcel);
        if (frame == NULL) {
            discard_rest (inlet);
            zf_parcel_clear (&self->parcel);
            return 0;
        }
        int size = zmq_msg_recv (frame, inlet->socket.raw, ZMQ_DONTWAIT);
        if (size < 0)
            return -1;
        zf_socket_takes_over (zmq_msg_data (frame));
        bytes += size;
        more = zmq_msg_more (frame);
    }
    return bytes;
}

/* One message that is looked at as a whole: several want it, or none. */
static int64_t pass_parcel (zf_side_t *self, zf_inlet_t *inlet)
{
    int64_t bytes = receive_parcel (self, inlet);
    self->counters.in += bytes >= 0;
    if (bytes >= 0 && self->parcel.count > 0 && !zf_inlet_is_shut (inlet)) {
        if (self->reads)
            zf_bridge_collect (self);
        zf_plain_pass (self);
    } else if (bytes >= 0) {
        self->counters.dropped_loop++;
    }
    zf_parcel_clear (&self->parcel);
    return bytes;
}

/* One message straight through. */
static int64_t pass_frames (zf_side_t *self, zf_inlet_t *inlet, zf_outlet_t *outlet)
{
    int64_t bytes = 0;
    int more = 1;
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    while (more == 1) {
        int size = zmq_msg_recv (&frame, inlet->socket.raw, ZMQ_DONTWAIT);
        if (size < 0)
            return -1;
        bytes += size;
        more = zmq_msg_more (&frame);
        zf_plain_send (self, outlet, &frame, more == 1);
    }
    self->counters.in++;
    self->counters.out++;
    return bytes;
}

/* The only outlet, if that is all there is to do with messages; or NULL. */
static zf_outlet_t *only_outlet (zf_side_t *self, const zf_inlet_t *inlet)
{
    if (self->outlet_count != 1 || self->reads || self->values != NULL || zf_inlet_is_shut (inlet))
        return NULL;
    return zf_outlet_is_shut (&self->outlets[0]) ? NULL : &self->outlets[0];
}

void zf_plain_drain (zf_side_t *self, zf_inlet_t *inlet)
{
    zf_outlet_t *outlet = only_outlet (self, inlet);
    uint64_t bytes = 0;
    int64_t size = 0;
    for (int i = 0; size >= 0 && i < MESSAGES_A_TURN && bytes < BYTES_A_TURN; i++) {
        size = outlet != NULL ? pass_frames (self, inlet, outlet) : pass_parcel (self, inlet);
        bytes += size > 0 ? (uint64_t) size : 0;
    }
    inlet->has_more = size >= 0;
}
