/* The hub of a node: czmq's zgossip and other nodes are its guests. They come by two doors: the
 * socket that the node was told to listen at for that, if it was; and its mailbox, so that every
 * node can be the seed of others. */
#include "devices/node_inside.h"

#include <errno.h>

#define GUESTS_MAX      4096
#define ID_MAX          255
#define HELLO_MS        1000 /* a guest is told all that is known no more often than this */
#define MESSAGES_A_TURN 512

/* Who says something: ids mean something at their own door only. */
typedef struct {
    zf_socket_t *door;
    zf_bytes_t id;
    int fd; /* of the connection */
} caller_t;

struct zf_guest {
    zf_socket_t *door;
    uint64_t hello_ms; /* when it was told all that is known */
    size_t id_size;
    UT_hash_handle hh; /* by the door's mark and the id */
    uint8_t key[1 + ID_MAX];
};

/* -- its life ---------------------------------------------------------------------------------- */

int zf_guests_open (zf_node_t *self, const char *endpoint, zf_error_t *err)
{
    zf_gossip_state_t *gossip = &self->gossip;
    int rc = zf_socket_router (&gossip->router, ZF_GOSSIP_VALUE_MAX + 512, err);
    if (rc == 0)
        rc = zf_socket_guard (&gossip->router, self->security, 0, err);
    if (rc == 0 && gossip->router.domain != NULL)
        rc = zf_socket_monitor (&gossip->watch, &gossip->router, err);
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
    if (self->gossip.watch.raw != NULL)
        zf_socket_unmonitor (&self->gossip.router, &self->gossip.watch);
    zf_socket_close (&self->gossip.router);
}

/* -- talking ----------------------------------------------------------------------------------- */

/* Returns false if it is gone, or does not read. */
static bool say (zf_node_t *self, const zf_socket_t *door, zf_bytes_t id,
                 const zf_gossip_t *message)
{
    self->gossip.stirred = true;
    return zf_gossip_write (self, door->raw, id, message);
}

static zf_bytes_t id_of (const zf_guest_t *guest)
{
    return zf_bytes (guest->key + 1, guest->id_size);
}

void zf_guests_tell (zf_node_t *self, const zf_gossip_t *tuple, const zf_guest_t *but)
{
    zf_guest_t *guest, *next;
    HASH_ITER (hh, self->gossip.guests, guest, next) {
        if (guest != but && !say (self, guest->door, id_of (guest), tuple))
            forget (self, guest);
    }
}

typedef struct {
    zf_node_t *node;
    const caller_t *caller;
} tale_t;

static bool tell_tuple (void *arg, const zf_gossip_t *tuple)
{
    const tale_t *tale = arg;
    zf_gossip_t message = *tuple;
    message.id = ZF_GOSSIP_PUBLISH;
    return say (tale->node, tale->caller->door, tale->caller->id, &message);
}

/* Writes what it is known by and returns its size. */
static size_t key_of (const zf_node_t *self, const caller_t *caller, uint8_t key[1 + ID_MAX])
{
    key[0] = caller->door == &self->mail.mailbox;
    memcpy (key + 1, caller->id.data, caller->id.size); /* ZeroMQ's have 255 bytes at most */
    return 1 + caller->id.size;
}

static zf_guest_t *find (zf_node_t *self, const caller_t *caller)
{
    uint8_t key[1 + ID_MAX];
    zf_guest_t *guest;
    size_t size = key_of (self, caller, key);
    HASH_FIND (hh, self->gossip.guests, key, size, guest);
    return guest;
}

/* NULL: there are too many. */
static zf_guest_t *admit (zf_node_t *self, const caller_t *caller)
{
    zf_guest_t *guest = find (self, caller);
    if (guest != NULL || HASH_COUNT (self->gossip.guests) >= GUESTS_MAX)
        return guest;
    guest = calloc (1, sizeof *guest);
    if (guest == NULL)
        return NULL;
    guest->door = caller->door;
    guest->id_size = caller->id.size;
    size_t size = key_of (self, caller, guest->key);
    HASH_ADD_KEYPTR (hh, self->gossip.guests, guest->key, size, guest);
    if (guest->hh.tbl == NULL) {
        free (guest);
        return NULL;
    }
    return guest;
}

/* Who was no hub becomes one with its first guest. */
static bool can_remember (zf_gossip_state_t *gossip)
{
    if (gossip->hub == NULL)
        gossip->hub = zf_hub_new ();
    return gossip->hub != NULL;
}

/* Tells it everything. Others may find us where its connection has, too. */
static void welcome (zf_node_t *self, const caller_t *caller, uint64_t now_ms)
{
    char host[80];
    zf_guest_t *guest = can_remember (&self->gossip) ? admit (self, caller) : NULL;
    if (guest == NULL || (guest->hello_ms != 0 && now_ms < guest->hello_ms + HELLO_MS))
        return;
    guest->hello_ms = now_ms;
    zf_socket_own_host (caller->fd, host);
    zf_gossip_own_host (self, host, now_ms);
    tale_t tale = {self, caller};
    zf_hub_each (self->gossip.hub, now_ms, tell_tuple, &tale);
}

static void on_message (zf_node_t *self, const caller_t *caller, zf_bytes_t frame, uint64_t now_ms)
{
    static const zf_gossip_t invalid = {.id = ZF_GOSSIP_INVALID};
    static const zf_gossip_t pong = {.id = ZF_GOSSIP_PONG};
    zf_gossip_t message;
    zf_guest_t *guest = find (self, caller);
    if (!zf_gossip_decode (frame, &message))
        message.id = ZF_GOSSIP_INVALID;
    if (message.id == ZF_GOSSIP_HELLO)
        welcome (self, caller, now_ms);
    else if (message.id == ZF_GOSSIP_PING)
        say (self, caller->door, caller->id, &pong);
    else if (message.id == ZF_GOSSIP_PUBLISH && guest != NULL)
        zf_gossip_learn (self, &message, NULL, guest, now_ms);
    else if (message.id == ZF_GOSSIP_PUBLISH) /* we do not know it (any more): it greets us again */
        say (self, caller->door, caller->id, &invalid);
}

/* Other nodes' DEALERs have the ids of ZRE. */
bool zf_guests_mail (zf_node_t *self, zf_bytes_t id, zf_bytes_t frame, int fd, uint64_t now_ms)
{
    caller_t caller = {&self->mail.mailbox, id, fd};
    if (id.size == 1 + ZF_UUID_BYTES || !zf_gossip_is (frame))
        return false;
    on_message (self, &caller, frame, now_ms);
    return true;
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
        caller_t caller = {&self->gossip.router, zf_bytes (zmq_msg_data (&id), zmq_msg_size (&id)),
                           zmq_msg_get (&frame, ZMQ_SRCFD)};
        on_message (self, &caller, zf_bytes (zmq_msg_data (&frame), zmq_msg_size (&frame)), now_ms);
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
