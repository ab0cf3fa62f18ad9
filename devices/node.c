#include "devices/node_inside.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define ROUTE_MS 1000 /* interfaces may change */

/* -- small things ------------------------------------------------------------------------------ */

void zf_node_write_id (const uint8_t uuid[ZF_UUID_BYTES], char id[ZF_PEER_ID])
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < ZF_UUID_BYTES; i++) {
        id[2 * i] = digits[uuid[i] >> 4];
        id[2 * i + 1] = digits[uuid[i] & 15];
    }
    id[ZF_PEER_ID - 1] = '\0';
}

static int digit_of (char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool zf_node_read_id (const char *text, size_t size, uint8_t uuid[ZF_UUID_BYTES])
{
    if (size != ZF_PEER_ID - 1)
        return false;
    for (size_t i = 0; i < ZF_UUID_BYTES; i++) {
        int high = digit_of (text[2 * i]);
        int low = digit_of (text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        uuid[i] = (uint8_t) (16 * high + low);
    }
    return true;
}

void zf_node_wake (zf_node_t *self)
{
    if (self->is_woken)
        return;
    self->is_woken = true;
    eventfd_write (self->wake_fd, 1);
}

/* "[fe80::1%eth0]" as fe80::1: the name of an interface means something on this machine only. */
static zf_bytes_t without_scope (const char *host)
{
    const char *scope = strchr (host, '%');
    const char *bare = host[0] == '[' ? host + 1 : host;
    return scope != NULL ? zf_bytes (bare, (size_t) (scope - bare)) : zf_bytes_of (host);
}

void zf_node_own_endpoint (const zf_node_t *self, const char *host, char *out, size_t size)
{
    zf_bytes_t known = without_scope (host[0] != '\0' ? host : "127.0.0.1");
    if (!zf_endpoint_with_host (zf_bytes_of (self->mail.endpoint), known, out, size))
        out[0] = '\0';
}

/* Our address on the way to a host; asked once for many that are there. */
static const char *route_to (zf_node_t *self, zf_bytes_t there)
{
    zf_route_t *route = &self->route;
    uint64_t now_ms = zf_clock_coarse_ms ();
    if (there.size == 0 || there.size >= sizeof route->to)
        return "";
    if (now_ms >= route->until_ms || !zf_bytes_equal (there, zf_bytes_of (route->to))) {
        memcpy (route->to, there.data, there.size);
        route->to[there.size] = '\0';
        route->until_ms = now_ms + ROUTE_MS;
        zf_socket_route_host (route->to, route->own);
    }
    return route->own;
}

void zf_node_own_towards (zf_node_t *self, zf_bytes_t endpoint, char *out, size_t size)
{
    char any[80] = "";
    const char *host = route_to (self, zf_endpoint_host (endpoint));
    if (self->gossip.is_advertised)
        host = self->gossip.host;
    if (host[0] == '\0' && self->air.udp != NULL)
        zf_udp_host (self->air.udp, any);
    zf_node_own_endpoint (self, host[0] != '\0' ? host : any, out, size);
}

/* -- its life ---------------------------------------------------------------------------------- */

static int out_of_memory (zf_error_t *err)
{
    return zf_error_set (err, ZF_E_NOMEM, "out of memory");
}

/* The machine's, and what makes it the only one. */
static int take_name (zf_node_t *self, const char *name)
{
    char host[128] = "";
    char text[160];
    gethostname (host, sizeof host - 1);
    snprintf (text, sizeof text, "%s-%.6s", host, self->id);
    self->name = strdup (name != NULL ? name : text);
    return self->name != NULL ? 0 : ZF_E_NOMEM;
}

/* Without a security: what is not said is this machine only. */
static int copy_rules (zf_node_t *self, const zf_peer_options_t *options)
{
    size_t count = options->interface_count;
    self->rules = calloc (count + 1, sizeof *self->rules);
    if (self->rules == NULL)
        return ZF_E_NOMEM;
    while (self->rule_count < count + (options->security == NULL)) {
        const char *rule =
            self->rule_count < count ? options->interfaces[self->rule_count] : "127.0.0.0/8";
        self->rules[self->rule_count] = strdup (rule);
        if (self->rules[self->rule_count++] == NULL)
            return ZF_E_NOMEM;
    }
    return 0;
}

static int say_headers (zf_node_t *self, const zf_peer_options_t *options)
{
    zf_bytes_t version = zf_bytes_of ("1");
    int rc = zf_roster_header (self->roster, zf_bytes_of (ZF_HEADER_VERSION), &version);
    if (rc == 0 && zf_node_is_secured (self)) {
        zf_bytes_t key = zf_bytes_of (zf_security_public_key (self->security));
        rc = zf_roster_header (self->roster, zf_bytes_of ("X-PUBLICKEY"), &key); /* as Zyre does */
    }
    for (size_t i = 0; rc == 0 && i < options->header_count; i++) {
        zf_bytes_t value = zf_bytes_of (options->headers[i].value);
        rc = zf_roster_header (self->roster, zf_bytes_of (options->headers[i].name), &value);
    }
    return rc;
}

static int make_parts (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err)
{
    int rc = zf_random (self->uuid, sizeof self->uuid, err);
    if (rc != 0)
        return rc;
    zf_node_write_id (self->uuid, self->id);
    self->frame_bytes_max = options->max_message_bytes;
    if (take_name (self, options->name) != 0 || copy_rules (self, options) != 0)
        return out_of_memory (err);
    zf_roster_options_t roster = {.name = self->name,
                                  .space = options->space,
                                  .evasive_ms = options->evasive_ms,
                                  .expired_ms = options->expired_ms,
                                  .line_bytes = options->line_bytes,
                                  .max_peers = options->max_peers};
    memcpy (roster.uuid, self->uuid, sizeof roster.uuid);
    self->roster = zf_roster_new (&roster, zf_clock_ms ());
    self->offers = zf_offers_new ();
    if (self->roster == NULL || self->offers == NULL)
        return out_of_memory (err);
    zf_offers_own_host (self->offers, zf_bytes_of ("127.0.0.1"), self->uuid);
    zf_offers_open (self);
    rc = say_headers (self, options);
    return rc != 0 ? zf_error_set (err, rc, "headers: %s", zf_strerror (rc)) : 0;
}

static int open_ways (zf_node_t *self, const zf_peer_options_t *options, zf_error_t *err)
{
    self->wake_fd = eventfd (0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (self->wake_fd < 0)
        return zf_error_set (err, ZF_E_IO, "eventfd: %s", strerror (errno));
    int rc = zf_mail_open (self, options, err);
    if (rc == 0)
        rc = zf_air_open (self, options, err);
    if (rc == 0)
        rc = zf_gossip_open (self, options, err);
    if (rc != 0)
        return rc;
    zf_node_watch_own (self);
    zf_node_publish (self);
    self->runs = pthread_create (&self->thread, NULL, zf_node_run, self) == 0;
    return self->runs ? 0 : zf_error_set (err, ZF_E_NOMEM, "start a thread");
}

static zf_node_t *new_node (const zf_peer_options_t *options)
{
    zf_node_t *self = calloc (1, sizeof *self);
    pthread_condattr_t attributes;
    if (self == NULL)
        return NULL;
    self->wake_fd = -1;
    self->tick_ms = self->offers_due_ms = ZF_NEVER;
    pthread_mutex_init (&self->lock, NULL);
    pthread_mutex_init (&self->watch_lock, NULL);
    pthread_condattr_init (&attributes);
    pthread_condattr_setclock (&attributes, CLOCK_MONOTONIC);
    pthread_cond_init (&self->changed, &attributes);
    pthread_condattr_destroy (&attributes);
    zf_happenings_open (&self->happenings, options->event_bytes);
    return self;
}

int zf_node_start (zf_node_t **node, const zf_peer_options_t *options, zf_error_t *err)
{
    zf_peer_options_t own;
    *node = NULL;
    zf_node_defaults (&own);
    if (options != NULL && options->struct_size != sizeof own)
        return zf_error_set (err, ZF_E_INVAL, "peer options: set them up with zf_peer_defaults ()");
    if (options != NULL)
        own = *options;
    int rc = zf_node_check (&own, err);
    if (rc == 0)
        rc = zf_node_check_reach (&own, err);
    if (rc != 0)
        return rc;
    zf_node_t *self = new_node (&own);
    if (self == NULL)
        return out_of_memory (err);
    self->security = zf_security_hold (own.security);
    rc = make_parts (self, &own, err);
    if (rc == 0)
        rc = open_ways (self, &own, err);
    *node = self;
    if (rc != 0)
        zf_node_stop (node);
    return rc;
}

static void end_thread (zf_node_t *self)
{
    pthread_mutex_lock (&self->lock);
    self->stops = true;
    zf_node_wake (self);
    pthread_mutex_unlock (&self->lock);
    pthread_join (self->thread, NULL);
}

void zf_node_stop (zf_node_t **node)
{
    zf_node_t *self = *node;
    *node = NULL;
    if (self == NULL)
        return;
    if (self->runs)
        end_thread (self);
    zf_gossip_close (self);
    zf_air_close (self);
    zf_roster_free (&self->roster); /* before the mailbox: it may hold frames */
    zf_mail_close (self);
    zf_herald_close (&self->herald);
    zf_offers_free (&self->offers);
    zf_happenings_close (&self->happenings);
    if (self->wake_fd >= 0)
        close (self->wake_fd);
    for (size_t i = 0; i < self->rule_count; i++)
        free (self->rules[i]);
    free (self->rules);
    pthread_cond_destroy (&self->changed);
    pthread_mutex_destroy (&self->watch_lock);
    pthread_mutex_destroy (&self->lock);
    zf_node_forget_keys (self);
    zf_security_drop (&self->security);
    free (self->name);
    free (self);
}

const char *zf_node_id (const zf_node_t *self)
{
    return self->id;
}

const char *zf_node_name (const zf_node_t *self)
{
    return self->name;
}

const char *zf_node_endpoint (const zf_node_t *self)
{
    return self->mail.endpoint;
}

const char *zf_node_hub (const zf_node_t *self)
{
    return self->gossip.endpoint;
}

zf_security_t *zf_node_security (const zf_node_t *self)
{
    return self->security;
}
