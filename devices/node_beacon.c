#include "devices/node_inside.h"

#include <stdio.h>

#define BURST            4   /* beacons in quick succession, */
#define DATAGRAMS_A_LOOK 128 /* are read at most, */
#define REST_MS \
    40 /* and none for so long afterwards: who floods us must not keep us
          busy */
#define LOOK_MS 5000

static const uint32_t burst_ms[BURST] = {50, 100, 200, 400}; /* between them */

static void take_note (void *arg, const char *text)
{
    zf_node_note (arg, "%s", text);
}

/* xorshift: nobody has to be unable to guess it. */
static uint64_t draw (zf_air_t *air)
{
    air->random ^= air->random << 13;
    air->random ^= air->random >> 7;
    air->random ^= air->random << 17;
    return air->random;
}

/* Up to a tenth more or less. */
static uint64_t jitter (zf_air_t *air, uint64_t ms)
{
    uint64_t tenth = ms / 10;
    return ms - tenth + (tenth > 0 ? draw (air) % (2 * tenth + 1) : 0);
}

/* The interfaces may have changed. */
static void begin_burst (zf_node_t *self, uint64_t now_ms)
{
    char host[80];
    self->air.sent = 0;
    self->air.due_ms = now_ms;
    zf_udp_host (self->air.udp, host);
    if (host[0] != '\0')
        zf_offers_own_host (self->offers, zf_bytes_of (host), self->uuid);
}

int zf_air_open (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err)
{
    zf_air_t *air = &self->air;
    zf_udp_options_t udp = {.port = options->port,
                            .rules = (const char *const *) self->rules,
                            .rule_count = self->rule_count,
                            .note = take_note,
                            .arg = self};
    if (!options->beacon)
        return 0;
    int rc = zf_udp_open (&air->udp, &udp, err);
    if (rc != 0)
        return rc;
    uint64_t now_ms = zf_clock_ms ();
    air->interval_ms = options->interval_ms;
    memcpy (&air->random, self->uuid, sizeof air->random);
    air->random |= 1;
    air->look_ms = now_ms + LOOK_MS;
    begin_burst (self, now_ms);
    return 0;
}

void zf_air_close (zf_node_t *self)
{
    if (self->air.udp != NULL)
        zf_udp_close (&self->air.udp);
}

static void send_beacon (zf_node_t *self, uint16_t port)
{
    zf_beacon_t beacon = {.port = port, .has_key = zf_node_is_secured (self)};
    uint8_t datagram[ZF_BEACON_KEY_BYTES];
    memcpy (beacon.uuid, self->uuid, ZF_UUID_BYTES);
    if (beacon.has_key)
        memcpy (beacon.key, zf_security_own_public (self->security), sizeof beacon.key);
    size_t size = zf_beacon_encode (&beacon, datagram);
    self->air.out += zf_udp_send (self->air.udp, zf_bytes (datagram, size));
}

static void sighted (zf_node_t *self, const zf_beacon_t *beacon, const char *from, const char *own,
                     uint64_t now_ms)
{
    char endpoint[ZF_NODE_ENDPOINT_MAX];
    char ours[ZF_NODE_ENDPOINT_MAX];
    char key[ZF_KEY_TEXT] = "";
    if (beacon->has_key)
        zmq_z85_encode (key, beacon->key, sizeof beacon->key);
    if (!zf_node_claim_key (self, beacon->uuid, beacon->has_key ? key : NULL))
        return;
    snprintf (endpoint, sizeof endpoint, "tcp://%s:%u", from, (unsigned) beacon->port);
    zf_node_own_endpoint (self, own, ours, sizeof ours);
    zf_roster_sighted (self->roster, beacon->uuid, zf_bytes_of (endpoint), zf_bytes_of (ours),
                       zf_bytes_of (from), now_ms);
}

/* Returns false if there is none. */
static bool receive_one (zf_node_t *self, uint64_t now_ms)
{
    zf_air_t *air = &self->air;
    zf_beacon_t beacon;
    uint8_t datagram[ZF_BEACON_KEY_BYTES + 1]; /* a longer one is none of ours */
    char from[80], own[80];
    size_t size;
    if (!zf_udp_receive (air->udp, datagram, sizeof datagram, &size, from, own))
        return false;
    air->in++;
    if (!zf_beacon_decode (zf_bytes (datagram, size), &beacon))
        air->bad++;
    else if (beacon.port == 0)
        zf_roster_farewell (self->roster, beacon.uuid, now_ms);
    else if (memcmp (beacon.uuid, self->uuid, ZF_UUID_BYTES) != 0)
        sighted (self, &beacon, from, own, now_ms);
    return true;
}

void zf_air_collect (zf_node_t *self, bool news, uint64_t now_ms)
{
    zf_air_t *air = &self->air;
    if (air->udp == NULL)
        return;
    news = now_ms >= air->rest_ms && (news || air->rest_ms != 0); /* some may have come meanwhile */
    bool look = now_ms >= air->look_ms;
    if (look)
        air->look_ms = now_ms + LOOK_MS;
    if ((look || news) && zf_udp_refresh (air->udp, look))
        begin_burst (self, now_ms);
    if (!news)
        return;
    int count = 0;
    while (count < DATAGRAMS_A_LOOK && receive_one (self, now_ms))
        count++;
    air->rest_ms = count > 0 ? now_ms + REST_MS : 0;
}

void zf_air_tick (zf_node_t *self, uint64_t now_ms)
{
    zf_air_t *air = &self->air;
    if (air->udp == NULL || now_ms < air->due_ms)
        return;
    if (self->mail.port != 0)
        send_beacon (self, self->mail.port);
    uint32_t wait_ms = air->interval_ms;
    if (air->sent < BURST && burst_ms[air->sent] < wait_ms)
        wait_ms = burst_ms[air->sent];
    air->sent += air->sent < BURST;
    air->due_ms = now_ms + jitter (air, wait_ms);
}

uint64_t zf_air_due (const zf_node_t *self)
{
    const zf_air_t *air = &self->air;
    if (air->udp == NULL)
        return ZF_NEVER;
    uint64_t due = zf_sooner (air->due_ms, air->look_ms);
    return air->rest_ms != 0 ? zf_sooner (due, air->rest_ms) : due;
}

/* Twice: one may be lost. */
void zf_air_bye (zf_node_t *self)
{
    if (self->air.udp == NULL || self->mail.port == 0)
        return;
    send_beacon (self, 0);
    send_beacon (self, 0);
}

void zf_node_bind_host (zf_node_t *self, char host[80])
{
    pthread_mutex_lock (&self->lock);
    host[0] = '\0';
    if (self->security == NULL)
        snprintf (host, 80, "127.0.0.1");
    else if (self->air.udp != NULL && zf_udp_count (self->air.udp) == 1)
        zf_udp_host (self->air.udp, host);
    if (host[0] == '\0')
        snprintf (host, 80, "*");
    pthread_mutex_unlock (&self->lock);
}
