/* The hub of a node: czmq's zgossip and other nodes are its guests. */
#include "devices/node_inside.h"

#include <errno.h>

#define GUESTS_MAX      4096
#define ID_MAX          255
#define HELLO_MS        1000 /* a guest is told all that is known no more often than this */
#define MESSAGES_A_TURN 512

struct zf_guest {
    uint8_t id[ID_MAX];
    size_t id_size;
    uint64_t hello_ms; /* when it was told all that is known */
    UT_hash_handle hh; /* by id */
};

/* -- its life ---------------------------------------------------------------------------------- */

int zf_guests_open (zf_node_t *self, const char *endpoint, zf_error_t *err)
{
    zf_gossip_state_t *gossip = &self->gossip;
    int rc = zf_socket_router (&gossip->router, ZF_GOSSIP_VALUE_MAX + 512, err);
    if (rc != 0)
        return rc;
    return zf_socket_bind (&gossip->router, endpoint, gossip->endpoint, sizeof gossip->endpoint,
                           err);
}

static void forget (zf_node_t *self, zf_guest_t *guest)
{
    /* NOLINTNEXTLINE(clang-analyzer-*): it is in the table */
    HASH_DEL (self->gossip.guests, guest);
    free (guest);
}

void zf_guests_close (zf_node_t *self)
{
    zf_guest_t *guest, *next;
    HASH_ITER (hh, self->gossip.guests, guest, next)
        forget (self, guest);
    zf_socket_close (&self->gossip.router);
}

/* -- talking ----------------------------------------------------------------------------------- */

/* Returns false if it is gone, or does not read. */
static bool say (zf_node_t *self, zf_bytes_t id, const zf_gossip_t *message)
{
    zf_gossip_state_t *gossip = &self->gossip;
    gossip->stirred = true;
    return zf_gossip_write (self, gossip->router.raw, id, message);
}

static zf_bytes_t id_of (const zf_guest_t *guest)
{
    return zf_bytes (guest->id, guest->id_size);
}

void zf_guests_tell (zf_node_t *self, const zf_gossip_t *tuple, const zf_guest_t *but)
{
    zf_guest_t *guest, *next;
    HASH_ITER (hh, self->gossip.guests, guest, next) {
        if (guest != but && !say (self, id_of (guest), tuple))
            forget (self, guest);
    }
}

typedef struct {
    zf_node_t *node;
    zf_bytes_t id;
} tale_t;

static bool tell_tuple (void *arg, const zf_gossip_t *tuple)
{
    const tale_t *tale = arg;
    zf_gossip_t message = *tuple;
    message.id = ZF_GOSSIP_PUBLISH;
    return say (tale->node, tale->id, &message);
}

static zf_guest_t *find (zf_node_t *self, zf_bytes_t id)
{
    zf_guest_t *guest;
    HASH_FIND (hh, self->gossip.guests, id.data, id.size, guest);
    return guest;
}

/* NULL: there are too many. */
static zf_guest_t *admit (zf_node_t *self, zf_bytes_t id)
{
    zf_guest_t *guest = find (self, id);
    if (guest != NULL || id.size > ID_MAX || HASH_COUNT (self->gossip.guests) >= GUESTS_MAX)
        return guest;
    guest = calloc (1, sizeof *guest);
    if (guest == NULL)
        return NULL;
    memcpy (guest->id, id.data, id.size);
    guest->id_size = id.size;
    HASH_ADD_KEYPTR (hh, self->gossip.guests, guest->id, guest->id_size, guest);
    if (guest->hh.tbl == NULL) {
        free (guest);
        return NULL;
    }
    return guest;
}

/* Tells it everything. fd: of its connection, on which others may find us as well. */
static void welcome (zf_node_t *self, zf_bytes_t id, int fd, uint64_t now_ms)
{
    char host[80];
    zf_guest_t *guest = admit (self, id);
    if (guest == NULL || (guest->hello_ms != 0 && now_ms < guest->hello_ms + HELLO_MS))
        return;
    guest->hello_ms = now_ms;
    zf_socket_own_host (fd, host);
    zf_gossip_own_host (self, host, now_ms);
    tale_t tale = {self, id};
    zf_hub_each (self->gossip.hub, now_ms, tell_tuple, &tale);
}

static void on_message (zf_node_t *self, zf_bytes_t id, zf_bytes_t frame, int fd, uint64_t now_ms)
{
    static const zf_gossip_t invalid = {.id = ZF_GOSSIP_INVALID};
    static const zf_gossip_t pong = {.id = ZF_GOSSIP_PONG};
    zf_gossip_t message;
    zf_guest_t *guest = find (self, id);
    if (!zf_gossip_decode (frame, &message))
        message.id = ZF_GOSSIP_INVALID;
    if (message.id == ZF_GOSSIP_HELLO)
        welcome (self, id, fd, now_ms);
    else if (message.id == ZF_GOSSIP_PING)
        say (self, id, &pong);
    else if (message.id == ZF_GOSSIP_PUBLISH && guest != NULL)
        zf_gossip_learn (self, &message, NULL, guest, now_ms);
    else if (message.id == ZF_GOSSIP_PUBLISH) /* we do not know it (any more): it greets us again */
        say (self, id, &invalid);
}

/* Returns false if there is none. */
static bool collect_one (zf_node_t *self, uint64_t now_ms)
{
    void *raw = self->gossip.router.raw;
    zmq_msg_t id, frame, rest;
    zmq_msg_init (&id);
    zmq_msg_init (&frame);
    bool there = zmq_msg_recv (&id, raw, ZMQ_DONTWAIT) >= 0;
    if (there && zmq_msg_more (&id) && zmq_msg_recv (&frame, raw, ZMQ_DONTWAIT) >= 0) {
        bool more = zmq_msg_more (&frame) != 0;
        while (more) {
            zmq_msg_init (&rest);
            more = zmq_msg_recv (&rest, raw, ZMQ_DONTWAIT) >= 0 && zmq_msg_more (&rest);
            zmq_msg_close (&rest);
        }
        on_message (self, zf_bytes (zmq_msg_data (&id), zmq_msg_size (&id)),
                    zf_bytes (zmq_msg_data (&frame), zmq_msg_size (&frame)),
                    zmq_msg_get (&frame, ZMQ_SRCFD), now_ms);
    }
    zmq_msg_close (&frame);
    zmq_msg_close (&id);
    return there;
}

void zf_guests_collect (zf_node_t *self, uint64_t now_ms)
{
    int count = 0;
    if (self->gossip.router.raw == NULL)
        return;
    while (count < MESSAGES_A_TURN && collect_one (self, now_ms))
        count++;
    self->gossip.stirred |= count == MESSAGES_A_TURN;
}
