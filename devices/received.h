/* Frames between ZeroMQ's messages and the engine, without a copy where that is possible.
 *
 * Threads: the device's. */
#ifndef ZF_DEVICES_RECEIVED_H
#define ZF_DEVICES_RECEIVED_H

#include "core/engine.h"

#include <zmq.h>

/* A received frame, for the engine. */
typedef struct {
    zf_frame_t frame; /* first: the engine gives it back by this */
    zmq_msg_t message;
} zf_received_t;

/* An empty one; NULL: out of memory. */
zf_received_t *zf_received_new (void);

/* Its message has come: the frame is held once. */
void zf_received_arrived (zf_received_t *received);

/* What the engine does not hold can be used again: true. Else it is the engine's, and goes with
 * it. */
bool zf_received_recycle (zf_received_t *received);

/* Makes the message of a frame on its way out. Returns 0; on failure the message is not
 * initialised. */
int zf_out_message (zf_out_t *out, zmq_msg_t *message);

#endif
