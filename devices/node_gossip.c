#include "devices/node_inside.h"

#include <errno.h>
#include <stdio.h>

#define PING_MS         700   /* czmq's hubs forget who is silent for a second, others do not */
#define GREET_MS        1000  /* a hub that will not have us is greeted no more often than this */
#define MISS_MS         1000  /* a connection to a hub takes no longer than this */
#define PUBLISH_MS      10000 /* we say again where we are, */
#define TTL_MS          30000 /* which is true for so long */
#define SIGHT_MS        1000  /* who is known, but not there, is tried again; */
#define SIGHT_LONG_MS   10000 /* if there are many, */
#define SIGHT_MANY      2000  /* as many as this */
#define MESSAGES_A_TURN 512   /* of each hub */

/* -- messages ---------------------------------------------------------------------------------- */

bool zf_gossip_write (zf_node_t *self, void *socket, zf_bytes_t id, const zf_gossip_t *message)
{
    zf_writer_t *w = &self->gossip.w;
    w->size = 0;
    w->failed = false;
    zf_gossip_encode (w, message);
    if (w->failed ||
        (id.size > 0 && zmq_send (socket, id.data, id.size, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0))
        return false;
    return zmq_send (socket, w->data, w->size, ZMQ_DONTWAIT) >= 0;
}

static void say (zf_node_t *self, zf_seed_t *seed, const zf_gossip_t *message)
{
    zf_gossip_write (self, seed->socket.raw, zf_bytes (NULL, 0), message);
    seed->stirred = true;
}

static void say_word (zf_node_t *self, zf_seed_t *seed, zf_gossip_id_t id)
{
    zf_gossip_t message = {.id = id};
    say (self, seed, &message);
}

/* -- what is known ----------------------------------------------------------------------------- */

/* A node that we do not know yet can be reached there. */
static void sight (zf_node_t *self, const zf_gossip_t *tuple, const char *from, uint64_t now_ms)
{
    uint8_t uuid[ZF_UUID_BYTES];
    zf_node_view_t view;
    char own[ZF_NODE_ENDPOINT_MAX];
    if (!zf_node_read_id (tuple->key.data, tuple->key.size, uuid) ||
        zf_roster_find (self->roster, uuid, &view))
        return;
    const char *bar = tuple->value.size > 0 ? memchr (tuple->value.data, '|', tuple->value.size)
                                            : NULL; /* a CURVE key follows */
    zf_bytes_t endpoint = tuple->value;
    char key[ZF_KEY_TEXT] = "";
    if (bar != NULL) {
        endpoint.size = (size_t) (bar - (const char *) endpoint.data);
        snprintf (key, sizeof key, "%.*s", (int) (tuple->value.size - endpoint.size - 1), bar + 1);
    }
    if (!zf_node_claim_key (self, uuid, bar != NULL ? key : NULL))
        return;
    zf_node_own_towards (self, endpoint, own, sizeof own);
    zf_roster_sighted (self->roster, uuid, endpoint, zf_bytes_of (own), zf_bytes_of (from), now_ms);
}

static void pass_on (zf_node_t *self, const zf_gossip_t *tuple, const zf_seed_t *seed,
                     const zf_guest_t *guest)
{
    zf_gossip_state_t *gossip = &self->gossip;
    for (size_t i = 0; i < gossip->seed_count; i++) {
        if (&gossip->seeds[i] != seed && gossip->seeds[i].is_there)
            say (self, &gossip->seeds[i], tuple);
    }
    zf_guests_tell (self, tuple, guest);
}

void zf_gossip_learn (zf_node_t *self, const zf_gossip_t *tuple, const zf_seed_t *seed,
                      const zf_guest_t *guest, uint64_t now_ms)
{
    bool ours = zf_bytes_equal (tuple->key, zf_bytes_of (self->id));
    if (ours && (seed != NULL || guest != NULL)) /* an echo; we know better */
        return;
    zf_hub_news_t news = zf_hub_publish (self->gossip.hub, tuple, now_ms);
    bool is_hub = self->gossip.router.raw != NULL || self->gossip.guests != NULL;
    if (is_hub && (news == ZF_HUB_NEWS || news == ZF_HUB_AGAIN))
        pass_on (self, tuple, seed, guest);
    if (!ours)
        sight (self, tuple, seed != NULL ? seed->endpoint : "hub", now_ms);
}

typedef struct {
    zf_node_t *node;
    uint64_t now_ms;
} walk_t;

static bool sight_again (void *arg, const zf_gossip_t *tuple)
{
    const walk_t *walk = arg;
    sight (walk->node, tuple, "hub", walk->now_ms);
    return true;
}

/* -- where we are ------------------------------------------------------------------------------ */

static void publish (zf_node_t *self, uint64_t now_ms)
{
    zf_gossip_state_t *gossip = &self->gossip;
    char own[ZF_NODE_ENDPOINT_MAX];
    if (gossip->host[0] == '\0')
        return;
    zf_node_own_endpoint (self, gossip->host, own, sizeof own);
    zf_node_add_key (self, own, sizeof own);
    zf_gossip_t tuple = {.id = ZF_GOSSIP_PUBLISH,
                         .key = zf_bytes_of (self->id),
                         .value = zf_bytes_of (own),
                         .ttl_ms = TTL_MS};
    for (size_t i = 0; i < gossip->seed_count; i++) {
        if (gossip->seeds[i].is_there)
            say (self, &gossip->seeds[i], &tuple);
    }
    zf_hub_news_t news = zf_hub_publish (gossip->hub, &tuple, now_ms);
    if (news == ZF_HUB_NEWS || news == ZF_HUB_AGAIN)
        zf_guests_tell (self, &tuple, NULL);
    gossip->publish_ms = now_ms + PUBLISH_MS;
}

static bool is_loopback (const char *host)
{
    return strncmp (host, "127.", 4) == 0 || strcmp (host, "[::1]") == 0;
}

/* All are told the same address: hubs that know each other would pass two of them on in circles. */
void zf_gossip_own_host (zf_node_t *self, const char *host, uint64_t now_ms)
{
    zf_gossip_state_t *gossip = &self->gossip;
    bool better = gossip->host[0] == '\0' || (is_loopback (gossip->host) && !is_loopback (host));
    if (gossip->is_advertised || host[0] == '\0' || !better)
        return;
    snprintf (gossip->host, sizeof gossip->host, "%s", host);
    publish (self, now_ms);
}

/* The host if the transport has none. */
static void guess_host (zf_node_t *self, char host[80])
{
    host[0] = '\0';
    if (self->air.udp != NULL)
        zf_udp_host (self->air.udp, host);
    if (host[0] == '\0')
        snprintf (host, 80, "127.0.0.1");
}

/* -- seeds ------------------------------------------------------------------------------------- */

/* The hub does not know us: it tells us all, and is told where we are. */
static void greet (zf_node_t *self, zf_seed_t *seed, uint64_t now_ms)
{
    seed->is_there = true;
    seed->greeted_ms = now_ms;
    seed->ping_ms = now_ms + seed->pause_ms;
    say_word (self, seed, ZF_GOSSIP_HELLO);
    publish (self, now_ms);
}

static void connected (zf_node_t *self, zf_seed_t *seed, const char *host, uint64_t now_ms)
{
    char guess[80];
    seed->pause_ms = PING_MS;
    seed->forgets = false;
    seed->miss_ms = ZF_NEVER;
    guess_host (self, guess);
    bool far = host[0] != '\0' && !is_loopback (host); /* else others need a better one */
    zf_gossip_own_host (self, far ? host : guess, now_ms);
    zf_node_note (self, "seed %s: connected", seed->endpoint);
    greet (self, seed, now_ms);
}

static void look_at_connection (zf_node_t *self, zf_seed_t *seed, uint64_t now_ms)
{
    char host[80];
    int is_there;
    while (seed->monitor.raw != NULL &&
           (is_there = zf_socket_turn_of (&seed->monitor, host)) >= 0) {
        if (is_there == 1)
            connected (self, seed, host, now_ms);
        else if (seed->is_there)
            zf_node_note (self, "seed %s: disconnected", seed->endpoint);
        seed->is_there = is_there == 1;
    }
}

/* It has forgotten us, or never knew us. */
static void on_invalid (zf_node_t *self, zf_seed_t *seed, uint64_t now_ms)
{
    seed->forgets = true;
    seed->pause_ms = PING_MS;
    if (now_ms >= seed->greeted_ms + GREET_MS)
        greet (self, seed, now_ms);
}

static void on_message (zf_node_t *self, zf_seed_t *seed, zf_bytes_t frame, uint64_t now_ms)
{
    zf_gossip_t message;
    if (!zf_gossip_decode (frame, &message))
        return;
    if (message.id == ZF_GOSSIP_PUBLISH)
        zf_gossip_learn (self, &message, seed, NULL, now_ms);
    else if (message.id == ZF_GOSSIP_INVALID)
        on_invalid (self, seed, now_ms);
}

static void collect_seed (zf_node_t *self, zf_seed_t *seed, uint64_t now_ms)
{
    look_at_connection (self, seed, now_ms);
    seed->stirred = true; /* until all is read */
    for (int i = 0; i < MESSAGES_A_TURN; i++) {
        zmq_msg_t frame;
        zmq_msg_init (&frame);
        if (zmq_msg_recv (&frame, seed->socket.raw, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close (&frame);
            seed->stirred = false;
            return;
        }
        on_message (self, seed, zf_bytes (zmq_msg_data (&frame), zmq_msg_size (&frame)), now_ms);
        zmq_msg_close (&frame);
    }
}

static int open_seed (zf_node_t *self, const char *endpoint, zf_error_t *err)
{
    zf_seed_t *seed = &self->gossip.seeds[self->gossip.seed_count++];
    seed->endpoint = strdup (endpoint);
    if (seed->endpoint == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    bool is_inproc = strncmp (endpoint, "inproc://", 9) == 0; /* libzmq does not watch that */
    seed->miss_ms = zf_clock_ms () + MISS_MS;
    int rc = zf_socket_seed (&seed->socket, ZF_GOSSIP_VALUE_MAX + 512, err);
    if (rc == 0)
        zf_socket_secure (&seed->socket, self->security);
    if (rc == 0 && !is_inproc)
        rc = zf_socket_monitor_both (&seed->monitor, &seed->socket, err);
    if (rc == 0)
        rc = zf_socket_connect (&seed->socket, endpoint, err);
    if (rc == 0 && is_inproc)
        connected (self, seed, "", zf_clock_ms ());
    return rc;
}

/* -- its life ---------------------------------------------------------------------------------- */

int zf_gossip_open (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err)
{
    zf_gossip_state_t *gossip = &self->gossip;
    gossip->is_advertised = options->advertise != NULL;
    if (gossip->is_advertised && (size_t) snprintf (gossip->host, sizeof gossip->host, "%s",
                                                    options->advertise) >= sizeof gossip->host)
        return zf_error_set (err, ZF_E_INVAL, "advertise: %s: too long", options->advertise);
    if (options->seed_count == 0 && options->hub == NULL)
        return 0;
    gossip->hub = zf_hub_new ();
    if (gossip->hub == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    int rc = options->hub != NULL ? zf_guests_open (self, options->hub, err) : 0;
    for (size_t i = 0; rc == 0 && i < options->seed_count; i++)
        rc = open_seed (self, options->seeds[i], err);
    return rc;
}

void zf_gossip_close (zf_node_t *self)
{
    zf_gossip_state_t *gossip = &self->gossip;
    for (size_t i = 0; i < gossip->seed_count; i++) {
        zf_seed_t *seed = &gossip->seeds[i];
        zf_socket_unmonitor (&seed->socket, &seed->monitor);
        zf_socket_close (&seed->socket);
        free (seed->endpoint);
    }
    zf_guests_close (self);
    zf_hub_free (&gossip->hub);
    zf_writer_free (&gossip->w);
}

void zf_gossip_collect (zf_node_t *self, uint64_t now_ms)
{
    zf_gossip_state_t *gossip = &self->gossip;
    for (size_t i = 0; i < gossip->seed_count; i++)
        collect_seed (self, &gossip->seeds[i], now_ms);
    zf_guests_collect (self, now_ms);
}

/* A hub that has not forgotten us need not hear so often that we are there. */
static void publish_again (zf_node_t *self, uint64_t now_ms)
{
    zf_gossip_state_t *gossip = &self->gossip;
    gossip->publish_ms = now_ms + PUBLISH_MS;
    publish (self, now_ms);
    for (size_t i = 0; i < gossip->seed_count; i++) {
        zf_seed_t *seed = &gossip->seeds[i];
        if (!seed->forgets && seed->pause_ms < PUBLISH_MS)
            seed->pause_ms *= 2;
    }
}

static void ping_all (zf_node_t *self, uint64_t now_ms)
{
    for (size_t i = 0; i < self->gossip.seed_count; i++) {
        zf_seed_t *seed = &self->gossip.seeds[i];
        if (!seed->is_there || now_ms < seed->ping_ms)
            continue;
        say_word (self, seed, ZF_GOSSIP_PING);
        seed->ping_ms = now_ms + seed->pause_ms;
    }
}

static void tell_missing (zf_node_t *self, uint64_t now_ms)
{
    for (size_t i = 0; i < self->gossip.seed_count; i++) {
        zf_seed_t *seed = &self->gossip.seeds[i];
        if (now_ms < seed->miss_ms)
            continue;
        zf_node_note (self, "seed %s: no connection yet; it is tried again and again",
                      seed->endpoint);
        seed->miss_ms = ZF_NEVER;
    }
}

static void look_again (zf_node_t *self, uint64_t now_ms)
{
    zf_gossip_state_t *gossip = &self->gossip;
    walk_t walk = {self, now_ms};
    zf_hub_expire (gossip->hub, now_ms);
    zf_hub_each (gossip->hub, now_ms, sight_again, &walk);
    bool many = zf_hub_count (gossip->hub) >= SIGHT_MANY;
    gossip->sight_ms = now_ms + (many ? SIGHT_LONG_MS : SIGHT_MS);
}

void zf_gossip_tick (zf_node_t *self, uint64_t now_ms)
{
    if (self->gossip.hub == NULL)
        return;
    ping_all (self, now_ms);
    tell_missing (self, now_ms);
    if (now_ms >= self->gossip.publish_ms)
        publish_again (self, now_ms);
    if (now_ms >= self->gossip.sight_ms)
        look_again (self, now_ms);
}

uint64_t zf_gossip_due (const zf_node_t *self)
{
    const zf_gossip_state_t *gossip = &self->gossip;
    if (gossip->hub == NULL)
        return ZF_NEVER;
    uint64_t due = zf_sooner (gossip->publish_ms, gossip->sight_ms);
    for (size_t i = 0; i < gossip->seed_count; i++) {
        due = zf_sooner (due, gossip->seeds[i].miss_ms);
        if (gossip->seeds[i].is_there)
            due = zf_sooner (due, gossip->seeds[i].ping_ms);
    }
    return due;
}

bool zf_gossip_has_input (zf_node_t *self)
{
    zf_gossip_state_t *gossip = &self->gossip;
    bool has = false;
    for (size_t i = 0; i < gossip->seed_count; i++) {
        has |= gossip->seeds[i].stirred && zf_socket_readable (gossip->seeds[i].socket.raw);
        gossip->seeds[i].stirred = false;
    }
    if (gossip->stirred)
        has |= zf_socket_readable (self->mail.mailbox.raw) ||
               (gossip->router.raw != NULL && zf_socket_readable (gossip->router.raw));
    gossip->stirred = false;
    return has;
}
