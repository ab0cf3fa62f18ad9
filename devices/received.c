#include "devices/received.h"

#include "devices/socket.h"

#include <stdlib.h>

static void release_received (zf_frame_t *frame)
{
    zf_received_t *received = (zf_received_t *) (void *) frame;
    zmq_msg_close (&received->message);
    free (received);
}

zf_received_t *zf_received_new (void)
{
    zf_received_t *received = calloc (1, sizeof *received);
    if (received != NULL)
        received->frame.release = release_received;
    return received;
}

void zf_received_arrived (zf_received_t *received)
{
    received->frame.holders = 1;
    received->frame.data = zmq_msg_data (&received->message);
    received->frame.size = zmq_msg_size (&received->message);
    zf_socket_takes_over (received->frame.data);
}

bool zf_received_recycle (zf_received_t *received)
{
    if (received->frame.holders > 1) {
        zf_frame_drop (&received->frame);
        return false;
    }
    zmq_msg_close (&received->message);
    return true;
}

static void free_given (void *data, void *hint)
{
    (void) hint;
    free (data);
}

int zf_out_message (zf_out_t *out, zmq_msg_t *message)
{
    if (out->shared != NULL && out->shared->release == release_received) {
        zf_received_t *received = (zf_received_t *) (void *) out->shared;
        zmq_msg_init (message);
        return zmq_msg_copy (message, &received->message);
    }
    if (out->owned) {
        void *data = (void *) (uintptr_t) out->data;
        int rc = zmq_msg_init_data (message, data, out->size, free_given, NULL);
        out->owned = rc != 0;
        return rc;
    }
    int rc = zmq_msg_init_size (message, out->size);
    if (rc == 0 && out->size > 0)
        memcpy (zmq_msg_data (message), out->data, out->size);
    return rc;
}
