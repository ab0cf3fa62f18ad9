#include "devices/plain.h"

#define SUBSCRIPTIONS_A_TURN 1000
#define VALUES_A_TURN        10000 /* last values sent, and then no more subscriptions */

/* -- to the publishers ------------------------------------------------------------------------- */

void zf_plain_subscribe (zf_inlet_t *inlet, zf_bytes_t topic, bool on)
{
    zmq_msg_t message;
    if (zmq_msg_init_size (&message, 1 + topic.size) != 0)
        return;
    uint8_t *data = zmq_msg_data (&message);
    data[0] = on;
    if (topic.size > 0)
        memcpy (data + 1, topic.data, topic.size);
    zf_socket_hands_over (data);
    inlet->stirred = true;
    if (zmq_msg_send (&message, inlet->socket.raw, ZMQ_DONTWAIT) < 0)
        zmq_msg_close (&message);
}

/* An XSUB counts: it takes a topic back when all have who subscribed to it. */
void zf_plain_subscribe_all (zf_side_t *self, zf_inlet_t *inlet, bool on)
{
    zf_interest_t *interest, *next;
    HASH_ITER (hh, self->interests, interest, next)
        zf_plain_subscribe (inlet, zf_interest_topic (interest), on);
    HASH_ITER (hh, self->markers, interest, next) {
        if (!zf_plain_is_own (self, zf_interest_topic (interest)))
            zf_plain_subscribe (inlet, zf_interest_topic (interest), on);
    }
    if (self->flooded)
        zf_plain_subscribe (inlet, zf_bytes ("", 0), on);
    if (self->reads)
        zf_plain_subscribe (inlet, zf_bytes ("", 0), on);
}

void zf_plain_pass_up (zf_side_t *self, zf_bytes_t topic, bool on)
{
    for (size_t i = 0; i < self->inlet_count; i++) {
        if (self->inlets[i].tie.state == ZF_TIE_ON)
            zf_plain_subscribe (&self->inlets[i], topic, on);
    }
}

/* More topics than we remember: from now on publishers send everything, which the outlets sort. */
static void flood (zf_side_t *self)
{
    if (self->flooded)
        return;
    self->flooded = true;
    zf_plain_pass_up (self, zf_bytes ("", 0), true);
    zf_notice (self->engine, ZF_EVENT_PEER_ERROR,
               "more than %u different subscriptions: publishers are asked for everything",
               (unsigned) ZF_INTEREST_MAX);
}

/* Somebody wants, or no longer wants, messages that begin with this. */
static void want (zf_side_t *self, zf_bytes_t topic, zf_holder_t holder)
{
    int rc = zf_interest_add (&self->interests, topic, holder);
    if (rc == 1)
        zf_plain_pass_up (self, topic, true);
    else if (rc < 0)
        flood (self);
}

static void unwant (zf_side_t *self, zf_bytes_t topic, zf_holder_t holder)
{
    if (zf_interest_remove (&self->interests, topic, holder))
        zf_plain_pass_up (self, topic, false);
}

/* -- from the subscribers ---------------------------------------------------------------------- */

static void subscribe (zf_side_t *self, zf_outlet_t *outlet, zf_bytes_t topic, zf_holder_t holder)
{
    if (self->values != NULL)
        zf_plain_welcome (self, outlet, topic);
    want (self, topic, holder);
}

static void unsubscribe (zf_side_t *self, zf_outlet_t *outlet, zf_bytes_t topic, zf_holder_t holder,
                         bool has_left)
{
    unwant (self, topic, holder);
    if (self->values != NULL)
        zf_plain_part (outlet, topic, has_left,
                       !zf_interest_holds (self->interests, topic, holder.socket));
}

/* libzmq tells of the first subscription to a topic and of the end of the last one. But if it has
 * to tell of each, we have to know who is who. */
static int32_t whose (zf_side_t *self, zf_outlet_t *outlet, zf_bytes_t topic, int fd, bool on)
{
    int32_t number = zf_peers_number (&outlet->peers, fd);
    int32_t socket = zf_outlet_number (self, outlet);
    zf_interest_t *all = zf_plain_is_marker (topic) ? self->markers : self->interests;
    if (on || (number >= 0 && zf_interest_has (all, topic, (zf_holder_t){socket, number})))
        return number;
    zf_peers_look (&outlet->peers);
    int32_t lost = zf_interest_lost (all, topic, socket, zf_peers_is_lost, &outlet->peers);
    return lost >= 0 ? lost : number; /* of what it does not hold it takes nothing away */
}

static void handle (zf_side_t *self, zf_outlet_t *outlet, zmq_msg_t *message)
{
    const uint8_t *data = zmq_msg_data (message);
    size_t size = zmq_msg_size (message);
    zf_socket_takes_over (zmq_msg_data (message));
    if (size == 0 || data[0] > 1) { /* what an XSUB may send up, and nobody asked for */
        zf_plain_line_is_muddled (outlet);
        return;
    }
    bool on = data[0] == 1;
    zf_bytes_t topic = zf_bytes (data + 1, size - 1);
    int fd = zmq_msg_get (message, ZMQ_SRCFD);
    zf_holder_t holder = {zf_outlet_number (self, outlet), -1};
    if (self->values != NULL)
        holder.connection = whose (self, outlet, topic, fd, on);
    if (zf_plain_echo (self, topic, holder, on))
        return;
    if (on)
        subscribe (self, outlet, topic, holder);
    else
        unsubscribe (self, outlet, topic, holder, fd < 0);
}

void zf_plain_hear (zf_side_t *self, zf_outlet_t *outlet)
{
    zmq_msg_t message;
    int rc = 0;
    outlet->has_more = false;
    if (self->values != NULL && zf_plain_has_to_rest (self, outlet))
        return;
    self->welcomed = 0;
    zmq_msg_init (&message);
    for (int i = 0; i < SUBSCRIPTIONS_A_TURN && self->welcomed < VALUES_A_TURN; i++) {
        bool any = self->values == NULL || zf_plain_line_up (outlet);
        rc = any ? zmq_msg_recv (&message, outlet->socket.raw, ZMQ_DONTWAIT) : -1;
        if (rc < 0)
            break;
        bool more = zmq_msg_more (&message) != 0;
        if (!outlet->is_inside && !more)
            handle (self, outlet, &message);
        else
            zf_plain_line_is_muddled (outlet);
        outlet->is_inside = more;
    }
    zmq_msg_close (&message);
    if (rc < 0)
        zf_plain_line_is_empty (outlet);
    outlet->has_more = rc >= 0;
}
