/* Where the topology listens: who can reach that, and that no place is taken twice. */
#include "compose/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A place that something listens at. */
typedef struct {
    const char *endpoint; /* tcp:// is left out for the admin's */
    zf_spot_t place;      /* where it is said */
    const char *owner;    /* a device's name, or what else it is */
    bool is_default;      /* the text does not say it */
} bind_t;

typedef struct {
    zf_plan_t *plan;
    bind_t *list; /* all so far */
    size_t count;
    size_t room;
    bool has_problems; /* before this */
} binds_t;

/* -- addresses --------------------------------------------------------------------------------- */

typedef struct {
    const char *host; /* in the endpoint, not ended */
    size_t size;      /* of it */
    const char *port; /* "" for other transports than tcp */
} address_t;

static address_t address_of (const char *endpoint)
{
    const char *host = strncmp (endpoint, "tcp://", 6) == 0 ? endpoint + 6 : endpoint;
    const char *colon = strrchr (host, ':');
    bool is_tcp = host != endpoint || strstr (endpoint, "://") == NULL;
    if (!is_tcp || colon == NULL)
        return (address_t){.host = endpoint, .size = strlen (endpoint), .port = ""};
    if (*host == '[' && colon[-1] == ']')
        return (address_t){
            .host = host + 1, .size = (size_t) (colon - host) - 2, .port = colon + 1};
    return (address_t){.host = host, .size = (size_t) (colon - host), .port = colon + 1};
}

static bool is_host (const address_t *address, const char *host)
{
    return strlen (host) == address->size && strncmp (address->host, host, address->size) == 0;
}

static bool is_everywhere (const address_t *address)
{
    return is_host (address, "*") || is_host (address, "0.0.0.0") || is_host (address, "::");
}

static bool is_loopback (const address_t *address)
{
    size_t digits = strspn (address->host, "0123456789.");
    bool is_ipv4 = digits >= address->size;
    return (is_ipv4 && strncmp (address->host, "127.", 4) == 0) || is_host (address, "::1") ||
           is_host (address, "localhost") || is_host (address, "lo");
}

bool zf_plan_is_open (const char *endpoint)
{
    address_t address = address_of (endpoint);
    return address.port[0] != '\0' && !is_loopback (&address);
}

/* The system chooses a free one. */
static bool is_any_port (const char *port)
{
    return strcmp (port, "*") == 0 || strcmp (port, "0") == 0 || strcmp (port, "!") == 0;
}

static bool is_same_place (const char *a, const char *b)
{
    address_t p = address_of (a), q = address_of (b);
    if (p.port[0] == '\0' || q.port[0] == '\0')
        return strcmp (a, b) == 0;
    if (is_any_port (p.port) || strcmp (p.port, q.port) != 0)
        return false;
    bool same = p.size == q.size && strncmp (p.host, q.host, p.size) == 0;
    return same || is_everywhere (&p) || is_everywhere (&q);
}

/* -- all of them ------------------------------------------------------------------------------- */

static void add (binds_t *self, const bind_t *bind)
{
    if (self->count == self->room) {
        size_t room = self->room * 2 + 16;
        bind_t *list = realloc (self->list, room * sizeof *list);
        if (list == NULL) {
            self->plan->arena.has_failed = true;
            return;
        }
        self->list = list;
        self->room = room;
    }
    self->list[self->count++] = *bind;
}

static void check_open (binds_t *self, const char *endpoint, zf_spot_t place)
{
    const zf_plan_t *plan = self->plan;
    if (plan->security.is_there || plan->insecure || !zf_plan_is_open (endpoint))
        return;
    zf_problem (&self->plan->problems, place,
                "others can reach %.150s, and there is no security; expected security:, an address "
                "of this machine only (tcp://127.0.0.1:PORT), or insecure: true if that is meant",
                endpoint);
}

/* The endpoints under one key of a device. */
static void add_list (binds_t *self, const zf_plan_device_t *device, const char *key,
                      const char *const *endpoints, size_t count)
{
    const char *kind = zf_plan_kind_name (device->kind);
    bool is_default = zf_yaml_get (zf_yaml_get (device->named.node, kind), key) == NULL;
    char path[64];
    snprintf (path, sizeof path, "%s.%s", kind, key);
    for (size_t i = 0; i < count; i++) {
        const char *endpoint = endpoints[i];
        zf_spot_t place = zf_plan_place (device->named.node, path, i);
        if (*endpoint == '>' || *endpoint == '\0') /* connected to, or wrong */
            continue;
        if (*endpoint == '@')
            endpoint++;
        if (strncmp (endpoint, "zferry://", 9) == 0)
            zf_problem (
                &self->plan->problems, place,
                "%.150s is looked up and can't be bound; expected tcp://, ipc:// or inproc://",
                endpoint);
        check_open (self, endpoint, place);
        add (self, &(bind_t){.endpoint = endpoint,
                             .place = place,
                             .owner = device->named.name,
                             .is_default = is_default});
    }
}

static void add_device (binds_t *self, const zf_plan_device_t *device)
{
    if (device->kind == ZF_PLAN_BROKER)
        add_list (self, device, "bind", device->broker.endpoints, device->broker.endpoint_count);
    if (device->kind == ZF_PLAN_FORWARDER) {
        const zf_forwarder_options_t *forwarder = &device->forwarder;
        add_list (self, device, "bind", forwarder->endpoints, forwarder->endpoint_count);
        add_list (self, device, "pubs", forwarder->pubs, forwarder->pub_count);
        add_list (self, device, "subs", forwarder->subs, forwarder->sub_count);
    }
    if (device->kind == ZF_PLAN_BALANCER) {
        add_list (self, device, "front", device->balancer.front, device->balancer.front_count);
        add_list (self, device, "back", device->balancer.back, device->balancer.back_count);
    }
}

static void add_discovery (binds_t *self, const zf_plan_t *plan)
{
    const zf_peer_options_t *peer = &plan->discovery.options;
    const char *endpoints[] = {peer->hub, peer->endpoint};
    const char *paths[] = {"discovery.hub", "discovery.endpoint"};
    for (size_t i = 0; i < 2 && plan->discovery.is_there; i++)
        if (endpoints[i] != NULL) {
            zf_spot_t place = zf_plan_place (plan->root, paths[i], 0);
            check_open (self, endpoints[i], place);
            add (self, &(bind_t){.endpoint = endpoints[i], .place = place, .owner = "discovery"});
        }
}

static void add_admin (binds_t *self, const zf_plan_t *plan)
{
    const zf_web_options_t *web = &plan->admin.options;
    zf_spot_t place = zf_plan_place (plan->root, "admin.bind", 0);
    if (!plan->admin.is_there)
        return;
    address_t address = address_of (web->bind);
    if (address.port[0] == '\0' || address.size == 0 || strstr (web->bind, "://") != NULL)
        zf_problem (&self->plan->problems, place,
                    "bind is '%.100s'; expected HOST:PORT, like 127.0.0.1:8090", web->bind);
    else if (zf_plan_is_open (web->bind) && !web->insecure)
        zf_problem (&self->plan->problems, place,
                    "others can reach %.100s, and HTTP is not encrypted; expected 127.0.0.1:PORT "
                    "(and a proxy with TLS before it), or insecure: true in admin if that is meant",
                    web->bind);
    add (self, &(bind_t){.endpoint = web->bind, .place = place, .owner = "admin"});
}

static bool comes_before (const zf_spot_t *a, const zf_spot_t *b)
{
    return a->line < b->line || (a->line == b->line && a->column < b->column);
}

static void check_twice (binds_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        for (size_t k = 0; k < i; k++) {
            const bind_t *first = &self->list[k], *second = &self->list[i];
            bool is_guess = self->has_problems && (first->is_default || second->is_default);
            if (is_guess || !is_same_place (first->endpoint, second->endpoint))
                continue;
            if (comes_before (&second->place, &first->place)) {
                first = second;
                second = &self->list[k];
            }
            zf_problem (&self->plan->problems, second->place,
                        "%.150s is where '%s' listens already, at %u:%u; expected another port",
                        second->endpoint, first->owner, first->place.line, first->place.column);
            break;
        }
}

void zf_plan_check_binds (zf_plan_t *plan)
{
    binds_t self = {.plan = plan, .has_problems = plan->problems.found > 0};
    for (size_t i = 0; i < plan->device_count; i++)
        add_device (&self, &plan->devices[i]);
    add_discovery (&self, plan);
    add_admin (&self, plan);
    check_twice (&self);
    free (self.list);
}
