#include "devices/router.h"

#include "devices/received.h"

#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#define FRAMES_MAX      (ZF_FRAMES_MAX + 8) /* of one message: a body and its envelope */
#define MESSAGES_A_TURN 512
#define BYTES_A_TURN    (8u << 20)
#define LAST_TURNS      16 /* to hear what lost peers had said before, under load */

typedef struct peer peer_t;

/* Somebody on the other side of the socket. */
struct peer {
    zf_router_t *router;
    zf_session_t *session;
    int fd;               /* of its connection, -1: none (inproc), or it is lost */
    int lost_fd;          /* which it had, -1: not lost */
    uint8_t *address;     /* routing id */
    zf_subject_t *who;    /* by its key; NULL: it has none, and no one asks for it */
    peer_t *prev, *next;  /* lost ones */
    UT_hash_handle hh;    /* by address */
    UT_hash_handle hh_fd; /* by fd, if it has one */
};

struct zf_router {
    zf_engine_t *engine;
    zf_socket_t socket;
    zf_socket_t monitor;
    zf_security_t *security; /* the socket's */
    const zf_dialect_t *const *dialects;
    char **endpoints; /* as bound */
    size_t endpoint_count;
    peer_t *peers;                     /* by routing id (uthash) */
    peer_t *connections;               /* by descriptor (uthash) */
    peer_t *lost;                      /* their connection is gone, but not yet heard to the end
                                          (utlist) */
    int last_turns;                    /* since there are such */
    zf_received_t *frames[FRAMES_MAX]; /* for the next message; NULL: to be made */
};

/* -- frames ------------------------------------------------------------------------------------ */

/* Receives one frame into slot i. Returns 1 if more follow, 0 if not, -1: nothing there, or no
 * memory. */
static int receive_frame (zf_router_t *self, size_t i)
{
    if (self->frames[i] == NULL)
        self->frames[i] = zf_received_new ();
    zf_received_t *received = self->frames[i];
    if (received == NULL)
        return -1;
    zmq_msg_init (&received->message);
    if (zmq_msg_recv (&received->message, self->socket.raw, ZMQ_DONTWAIT) < 0)
        return -1;
    zf_received_arrived (received);
    return zmq_msg_more (&received->message);
}

/* Gives slot i back; what the engine holds it keeps. */
static void recycle_frame (zf_router_t *self, size_t i)
{
    if (!zf_received_recycle (self->frames[i]))
        self->frames[i] = NULL;
}

/* -- peers ------------------------------------------------------------------------------------- */

static const zf_dialect_t *recognise (const zf_router_t *self, zf_frame_t **frames, size_t count)
{
    for (size_t i = 0; self->dialects[i] != NULL; i++) {
        const zf_dialect_t *dialect = self->dialects[i];
        if (dialect->matches == NULL || dialect->matches (frames, count))
            return dialect;
    }
    return NULL;
}

static void unlink_connection (peer_t *peer)
{
    if (peer->fd >= 0)
        HASH_DELETE (hh_fd, peer->router->connections, peer);
    peer->fd = -1;
}

/* Its connection is there, or is not known to be gone. */
static void find_again (peer_t *peer)
{
    if (peer->lost_fd >= 0)
        DL_DELETE (peer->router->lost, peer);
    peer->lost_fd = -1;
}

static void drop_peer (peer_t *peer)
{
    find_again (peer);
    unlink_connection (peer);
    HASH_DEL (peer->router->peers, peer);
    free (peer->address);
    free (peer->who);
    free (peer);
}

/* The connection of the peer is gone: the engine must not send to it any more. */
static void lose_peer (peer_t *peer)
{
    zf_session_t *session = peer->session;
    drop_peer (peer);
    zf_engine_detach (session);
}

static peer_t *find_connection (zf_router_t *self, int fd)
{
    peer_t *peer = NULL;
    HASH_FIND (hh_fd, self->connections, &fd, sizeof fd, peer);
    return peer;
}

/* Takes in which connections were lost. What they had said before may still wait to be received. */
static void note_lost (zf_router_t *self)
{
    int fd;
    while ((fd = zf_socket_lost (&self->monitor)) >= 0) {
        peer_t *peer = find_connection (self, fd);
        if (peer == NULL)
            continue;
        unlink_connection (peer);
        peer->lost_fd = fd;
        DL_APPEND (self->lost, peer);
    }
}

/* The peer speaks over this descriptor now. If another still has it, the peer does not: the system
 * gives a number again only when it is free, and the news of that came before this message. */
static void link_connection (peer_t *peer, int fd)
{
    zf_router_t *self = peer->router;
    if (fd < 0 || peer->fd == fd || peer->lost_fd == fd)
        return;
    note_lost (self);
    if (find_connection (self, fd) != NULL)
        return;
    find_again (peer);
    unlink_connection (peer);
    peer->fd = fd;
    zf_domain_spoke (self->socket.domain, fd);
    HASH_ADD (hh_fd, self->connections, fd, sizeof peer->fd, peer);
    if (peer->hh_fd.tbl == NULL)
        peer->fd = -1; /* no memory: only its silence will tell */
}

static peer_t *add_peer (zf_router_t *self, zf_bytes_t address, const zf_dialect_t *dialect)
{
    peer_t *peer = calloc (1, sizeof *peer);
    uint8_t *copy = malloc (address.size + 1);
    if (peer == NULL || copy == NULL) {
        free (peer);
        free (copy);
        return NULL;
    }
    memcpy (copy, address.data, address.size);
    peer->router = self;
    peer->fd = peer->lost_fd = -1;
    peer->address = copy;
    HASH_ADD_KEYPTR (hh, self->peers, peer->address, address.size, peer);
    if (peer->hh.tbl == NULL) {
        free (copy);
        free (peer);
        return NULL;
    }
    peer->session = zf_engine_attach (self->engine, peer, address, dialect);
    if (peer->session == NULL) {
        drop_peer (peer);
        return NULL;
    }
    return peer;
}

/* Finds out whose key the connection has. Returns false if that is not authorised (any more), or
 * memory ran out. */
static bool identify (peer_t *peer, const char *key)
{
    zf_router_t *self = peer->router;
    if (key == NULL || !zf_security_is_on (self->security))
        return true; /* inproc: this process itself */
    if (peer->who == NULL)
        peer->who = malloc (sizeof *peer->who);
    if (peer->who == NULL || !zf_security_find (self->security, key, peer->who))
        return false;
    zf_engine_identify (peer->session, peer->who);
    return true;
}

/* An address goes with one connection, and that with one key. Who has an address after another is
 * somebody else, even if the system gave him the same descriptor. */
static bool is_same (const peer_t *peer, const char *key)
{
    if (peer->who == NULL || key == NULL)
        return peer->who == NULL && key == NULL;
    return strcmp (peer->who->key, key) == 0;
}

static peer_t *find_peer (zf_router_t *self, zf_bytes_t address)
{
    peer_t *peer;
    HASH_FIND (hh, self->peers, address.data, address.size, peer);
    return peer;
}

void zf_router_forget (void *host)
{
    drop_peer (host);
}

/* -- in ---------------------------------------------------------------------------------------- */

/* Somebody's first message. NULL: it is in no known protocol, there is no room for another peer, or
 * it is the last of a peer that is lost, whose descriptor another has by now. */
static peer_t *meet (zf_router_t *self, zf_bytes_t address, int fd, const char *key,
                     zf_frame_t **frames, size_t count)
{
    const zf_dialect_t *dialect = recognise (self, frames, count);
    if (dialect == NULL) {
        self->engine->counters.peer_errors++;
        zf_notice (self->engine, ZF_EVENT_PEER_ERROR,
                   "a message of %zu frames in no known protocol", count);
        return NULL;
    }
    note_lost (self);
    peer_t *peer = find_connection (self, fd) == NULL ? add_peer (self, address, dialect) : NULL;
    if (peer == NULL || identify (peer, key))
        return peer;
    lose_peer (peer);
    zf_socket_cut (fd);
    return NULL;
}

static void handle (zf_router_t *self, zf_bytes_t address, int fd, size_t count)
{
    zf_frame_t *frames[FRAMES_MAX];
    for (size_t i = 0; i < count; i++)
        frames[i] = &self->frames[i]->frame;
    peer_t *peer = find_peer (self, address);
    bool is_on = zf_security_is_on (self->security);
    const char *key = is_on ? zf_socket_sender (&self->frames[0]->message) : NULL;
    if (peer != NULL && is_on && !is_same (peer, key)) {
        lose_peer (peer);
        peer = NULL;
    }
    if (peer == NULL)
        peer = meet (self, address, fd, key, frames, count);
    if (peer == NULL)
        return;
    link_connection (peer, fd);
    zf_engine_input (peer->session, frames, count);
}

static void discard_rest (zf_router_t *self)
{
    int more = 1;
    while (more == 1) {
        zmq_msg_t frame;
        zmq_msg_init (&frame);
        more =
            zmq_msg_recv (&frame, self->socket.raw, ZMQ_DONTWAIT) < 0 ? 0 : zmq_msg_more (&frame);
        zmq_msg_close (&frame);
    }
}

/* Receives the frames of a message into the slots. Returns how many it took; *whole: these are
 * all. */
static size_t receive_frames (zf_router_t *self, bool *whole)
{
    size_t count = 0;
    int more = 1;
    while (more == 1 && count < FRAMES_MAX) {
        more = receive_frame (self, count);
        if (more >= 0)
            count++;
    }
    *whole = more == 0;
    if (more != 0)
        discard_rest (self);
    return count;
}

/* The descriptor of the connection that the message in the slots came over, -1: none (inproc).
 * Asked of the first frame behind the address: an address that ZeroMQ fetched early does not
 * know. */
static int source_fd (zf_router_t *self)
{
    return zmq_msg_get (&self->frames[0]->message, ZMQ_SRCFD);
}

/* Receives and handles one message. Returns its bytes, or -1: there was none. */
static int64_t collect_one (zf_router_t *self)
{
    zmq_msg_t address;
    zmq_msg_init (&address);
    if (zmq_msg_recv (&address, self->socket.raw, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close (&address);
        return -1;
    }
    bool whole = false;
    size_t count = zmq_msg_more (&address) ? receive_frames (self, &whole) : 0;
    zf_bytes_t id = zf_bytes (zmq_msg_data (&address), zmq_msg_size (&address));
    if (whole)
        handle (self, id, source_fd (self), count);
    else
        self->engine->counters.peer_errors++;
    int64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += (int64_t) self->frames[i]->frame.size;
        recycle_frame (self, i);
    }
    zmq_msg_close (&address);
    return bytes;
}

/* Those who were lost and have been heard to the end. */
static void lose_peers (zf_router_t *self, bool more)
{
    if (self->lost == NULL || (more && ++self->last_turns < LAST_TURNS))
        return;
    self->last_turns = 0;
    while (self->lost != NULL)
        /* NOLINTNEXTLINE(clang-analyzer-*): it takes the peer off the list */
        lose_peer (self->lost);
}

bool zf_router_collect (zf_router_t *self, bool news)
{
    int64_t bytes = 0;
    int64_t size = 0;
    if (news) /* before, so that all that they had said is there to be received */
        note_lost (self);
    for (int i = 0; size >= 0 && i < MESSAGES_A_TURN && bytes < BYTES_A_TURN; i++) {
        size = collect_one (self);
        bytes += size;
    }
    lose_peers (self, size >= 0);
    return size >= 0;
}

void zf_router_review (zf_router_t *self)
{
    peer_t *peer, *next;
    note_lost (self);
    HASH_ITER (hh, self->peers, peer, next) {
        char key[ZF_KEY_TEXT];
        if (peer->who == NULL)
            continue;
        memcpy (key, peer->who->key, sizeof key);
        if (identify (peer, key))
            continue;
        zf_notice (self->engine, ZF_EVENT_DENIED, "%s (%s): its key is not authorised any more",
                   peer->who->name, peer->who->fingerprint);
        zf_socket_cut (peer->fd);
        lose_peer (peer);
    }
}

/* -- out --------------------------------------------------------------------------------------- */

/* Sends a message. Returns 0, or the error number of the first frame; later frames cannot fail but
 * for memory. */
static int send_effect (peer_t *peer, zf_effect_t *effect)
{
    void *raw = peer->router->socket.raw;
    if (zmq_send (raw, peer->address, peer->hh.keylen, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return zmq_errno ();
    for (size_t i = 0; i < effect->count; i++) {
        int more = i + 1 < effect->count ? ZMQ_SNDMORE : 0;
        zmq_msg_t message;
        if (zf_out_message (&effect->frames[i], &message) != 0)
            zmq_msg_init (&message); /* no memory: the peer sees a broken message and says so */
        zf_socket_hands_over (zmq_msg_data (&message));
        if (zmq_msg_send (&message, raw, more | ZMQ_DONTWAIT) < 0)
            zmq_msg_close (&message);
    }
    return 0;
}

void zf_router_send (zf_effect_t *effect)
{
    peer_t *peer = effect->session->host;
    int error = send_effect (peer, effect);
    if (error == 0)
        return;
    if (error == EAGAIN) { /* it does not read: it may start again when it does */
        peer->router->engine->counters.peers_slow++;
        zf_notice (peer->router->engine, ZF_EVENT_PEER_ERROR, "%s: does not read its messages",
                   effect->session->name);
    }
    lose_peer (peer);
}

/* -- life -------------------------------------------------------------------------------------- */

static int bind_all (zf_router_t *self, const zf_router_options_t *options, zf_bound_fn *bound,
                     void *arg, zf_error_t *err)
{
    char inside[ZF_INSIDE_TEXT];
    if (options->inside != NULL) {
        int rc = zf_socket_bind (&self->socket, options->inside, inside, sizeof inside, err);
        if (rc != 0)
            return rc;
    }
    for (size_t i = 0; i < options->endpoint_count; i++) {
        char endpoint[256];
        int rc =
            zf_socket_bind (&self->socket, options->endpoints[i], endpoint, sizeof endpoint, err);
        if (rc != 0)
            return rc;
        self->endpoints[self->endpoint_count] = strdup (endpoint);
        if (self->endpoints[self->endpoint_count++] == NULL || bound (arg, endpoint) != 0)
            return zf_error_set (err, ZF_E_NOMEM, "bind %s: out of memory", endpoint);
    }
    return 0;
}

int zf_router_open (zf_router_t **router, zf_engine_t *engine, const zf_router_options_t *options,
                    zf_bound_fn *bound, void *arg, zf_error_t *err)
{
    *router = NULL;
    zf_router_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->engine = engine;
    self->dialects = options->dialects;
    self->endpoints = calloc (options->endpoint_count, sizeof (char *));
    int rc = self->endpoints != NULL
                 ? zf_socket_router (&self->socket, options->max_message_bytes, err)
                 : zf_error_set (err, ZF_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = zf_socket_guard (&self->socket, options->security, options->connections, err);
    self->security = self->socket.security;
    if (rc == 0)
        zf_socket_hurry (&self->socket, options->handshake_ms);
    if (rc == 0)
        rc = zf_socket_monitor (&self->monitor, &self->socket, err);
    if (rc == 0)
        rc = bind_all (self, options, bound, arg, err);
    if (rc != 0)
        zf_router_close (&self);
    *router = self;
    return rc;
}

void zf_router_close (zf_router_t **router)
{
    zf_router_t *self = *router;
    if (self == NULL)
        return;
    *router = NULL;
    peer_t *peer, *next;
    HASH_ITER (hh, self->peers, peer, next)
        lose_peer (peer);
    for (size_t i = 0; i < self->endpoint_count; i++) {
        if (self->endpoints[i] != NULL)
            zf_socket_unbind (&self->socket, &self->monitor, self->endpoints[i]);
        free (self->endpoints[i]);
    }
    free (self->endpoints);
    zf_socket_unmonitor (&self->socket, &self->monitor);
    zf_socket_close (&self->socket);
    for (size_t i = 0; i < FRAMES_MAX; i++)
        free (self->frames[i]);
    free (self);
}

void *zf_router_socket (zf_router_t *self)
{
    return self->socket.raw;
}

void *zf_router_monitor (zf_router_t *self)
{
    return self->monitor.raw;
}
