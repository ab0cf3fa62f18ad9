#include "devices/plain.h"

#include <stdlib.h>

/* -- opening ----------------------------------------------------------------------------------- */

static bool is_connected (const char *endpoint)
{
    return endpoint[0] == '>';
}

/* Without the character that says what to do with it. */
static const char *address_in (const char *endpoint)
{
    return endpoint[0] == '>' || endpoint[0] == '@' ? endpoint + 1 : endpoint;
}

/* What opening needs beside the side itself. */
typedef struct {
    zf_side_t *side;
    const zf_plain_options_t *options;
    zf_bound_fn *bound;
    void *arg;
    zf_error_t *err;
} opening_t;

/* What it connects to, and who may connect: by a rule on the stream. */
static int guard (opening_t *o, zf_socket_t *socket, zf_right_t right)
{
    const zf_plain_options_t *options = o->options;
    int rc = zf_socket_guard (socket, options->security, options->connections, o->err);
    if (rc == 0 && socket->domain != NULL &&
        zf_domain_want (socket->domain, right, options->stream) != 0)
        rc = zf_error_set (o->err, ZF_E_NOMEM, "out of memory");
    zf_socket_hurry (socket, options->handshake_ms);
    return rc;
}

/* A domain has to know its connections. */
static int watch_domain (opening_t *o, zf_socket_t *socket, zf_socket_t *watch)
{
    return socket->domain != NULL ? zf_socket_monitor (watch, socket, o->err) : 0;
}

static zf_inlet_t *add_inlet (opening_t *o, int *rc)
{
    zf_inlet_t *inlet = &o->side->inlets[o->side->inlet_count];
    inlet->stirred = true; /* look once, whatever the descriptor says */
    *rc = zf_socket_xsub (&inlet->socket, o->options->max_message_bytes, o->err);
    if (*rc == 0)
        *rc = guard (o, &inlet->socket, ZF_MAY_PUBLISH);
    if (*rc == 0)
        *rc = watch_domain (o, &inlet->socket, &inlet->watch);
    o->side->inlet_count++;
    return inlet;
}

static zf_outlet_t *add_outlet (opening_t *o, int *rc)
{
    const zf_plain_options_t *options = o->options;
    zf_outlet_t *outlet = &o->side->outlets[o->side->outlet_count];
    outlet->stirred = true;
    uint32_t hwm = options->hwm + (options->last_values ? ZF_VALUES_ROOM : 0);
    *rc = zf_socket_xpub (&outlet->socket, hwm, options->silence_ms, o->err);
    if (*rc == 0)
        *rc = guard (o, &outlet->socket, ZF_MAY_SUBSCRIBE);
    if (*rc == 0 && options->last_values) {
        zf_socket_xpub_manual (&outlet->socket);
        *rc = zf_peers_open (&outlet->peers, &outlet->socket, o->err);
    } else if (*rc == 0) {
        *rc = watch_domain (o, &outlet->socket, &outlet->watch);
    }
    o->side->outlet_count++;
    return outlet;
}

static int bind_one (opening_t *o, zf_socket_t *socket, zf_tie_t *tie, const char *endpoint)
{
    char bound[256];
    int rc = zf_socket_bind (socket, address_in (endpoint), bound, sizeof bound, o->err);
    if (rc != 0)
        return rc;
    char *copy = tie->bound[tie->bound_count++] = strdup (bound);
    if (copy == NULL || o->bound (o->arg, bound) != 0)
        return zf_error_set (o->err, ZF_E_NOMEM, "bind %s: out of memory", endpoint);
    return 0;
}

static int connect_one (opening_t *o, zf_socket_t *socket, zf_tie_t *tie, const char *endpoint)
{
    tie->endpoint = strdup (address_in (endpoint));
    if (tie->endpoint == NULL)
        return zf_error_set (o->err, ZF_E_NOMEM, "out of memory");
    return zf_socket_connect (socket, tie->endpoint, o->err);
}

static int open_inlets (opening_t *o)
{
    int rc = 0;
    zf_inlet_t *shared = NULL;
    for (size_t i = 0; i < o->options->pub_count && rc == 0; i++) {
        const char *endpoint = o->options->pubs[i];
        bool own = is_connected (endpoint);
        zf_inlet_t *inlet = own || shared == NULL ? add_inlet (o, &rc) : shared;
        if (rc != 0)
            return rc;
        shared = own ? shared : inlet;
        rc = own ? connect_one (o, &inlet->socket, &inlet->tie, endpoint)
                 : bind_one (o, &inlet->socket, &inlet->tie, endpoint);
    }
    return rc;
}

static int open_outlets (opening_t *o)
{
    int rc = 0;
    zf_outlet_t *shared = NULL;
    for (size_t i = 0; i < o->options->sub_count && rc == 0; i++) {
        const char *endpoint = o->options->subs[i];
        bool own = is_connected (endpoint);
        zf_outlet_t *outlet = own || shared == NULL ? add_outlet (o, &rc) : shared;
        if (rc != 0)
            return rc;
        shared = own ? shared : outlet;
        rc = own ? connect_one (o, &outlet->socket, &outlet->tie, endpoint)
                 : bind_one (o, &outlet->socket, &outlet->tie, endpoint);
    }
    return rc;
}

static int allocate (zf_side_t *self, const zf_plain_options_t *options, zf_error_t *err)
{
    self->inlets = calloc (options->pub_count + 1, sizeof *self->inlets);
    self->outlets = calloc (options->sub_count + 1, sizeof *self->outlets);
    self->stream = strdup (options->stream);
    if (options->last_values)
        self->values = zf_values_new (options->last_values_bytes);
    bool all = self->inlets != NULL && self->outlets != NULL && self->stream != NULL &&
               (self->values != NULL || !options->last_values);
    return all ? 0 : zf_error_set (err, ZF_E_NOMEM, "out of memory");
}

/* When it returns its addresses are free again. */
static void close_socket (zf_socket_t *socket, zf_socket_t *watch, zf_tie_t *tie)
{
    zf_socket_t monitor = {0};
    if (watch->raw != NULL)
        zf_socket_unmonitor (socket, watch);
    bool watched = tie->bound_count > 0 && zf_socket_monitor (&monitor, socket, NULL) == 0;
    for (size_t i = 0; i < tie->bound_count; i++) {
        if (watched && tie->bound[i] != NULL)
            zf_socket_unbind (socket, &monitor, tie->bound[i]);
        free (tie->bound[i]);
    }
    if (tie->bound_count > 0)
        zf_socket_unmonitor (socket, &monitor);
    zf_socket_close (socket);
    free (tie->endpoint);
}

static void close_side (zf_side_t **side)
{
    zf_side_t *self = *side;
    if (self == NULL)
        return;
    *side = NULL;
    for (size_t i = 0; i < self->inlet_count; i++)
        close_socket (&self->inlets[i].socket, &self->inlets[i].watch, &self->inlets[i].tie);
    for (size_t i = 0; i < self->outlet_count; i++) {
        zf_peers_close (&self->outlets[i].peers, &self->outlets[i].socket);
        close_socket (&self->outlets[i].socket, &self->outlets[i].watch, &self->outlets[i].tie);
        zf_interest_free (&self->outlets[i].suspects);
        zf_interest_free (&self->outlets[i].missed);
    }
    zf_interest_free (&self->interests);
    zf_interest_free (&self->markers);
    zf_values_free (&self->values);
    zf_parcel_clear (&self->parcel);
    zf_writer_free (&self->batch);
    zf_writer_free (&self->props);
    free (self->parcel.frames);
    free (self->inlets);
    free (self->outlets);
    free (self->stream);
    free (self);
}

static int open_side (zf_side_t **side, zf_engine_t *engine, const void *options,
                      zf_bound_fn *bound, void *arg, zf_error_t *err)
{
    const zf_plain_options_t *plain = options;
    zf_side_t *self = calloc (1, sizeof *self);
    *side = NULL;
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    opening_t o = {self, plain, bound, arg, err};
    self->engine = engine;
    self->now_ms = engine->now_ms;
    self->keep_all = plain->keep_all;
    int rc = allocate (self, plain, err);
    if (rc == 0)
        rc = open_inlets (&o);
    if (rc == 0)
        rc = open_outlets (&o);
    if (rc == 0)
        rc = zf_plain_mark (self, err);
    if (rc != 0)
        close_side (&self);
    *side = self;
    return rc;
}

/* -- turning ----------------------------------------------------------------------------------- */

static size_t list_sockets (const zf_side_t *self, void *sockets[ZF_SIDE_SOCKETS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < self->inlet_count; i++)
        sockets[count++] = self->inlets[i].socket.raw;
    for (size_t i = 0; i < self->outlet_count; i++)
        sockets[count++] = self->outlets[i].socket.raw;
    return count;
}

/* Looking at a socket costs a call of the system, so only those are looked at that were heard
 * of. */
static bool hear_outlets (zf_side_t *self, const struct pollfd *fds)
{
    bool more = false;
    for (size_t i = 0; i < self->outlet_count; i++) {
        zf_outlet_t *outlet = &self->outlets[i];
        if (self->values != NULL) /* what is not taken in piles up */
            zf_peers_look (&outlet->peers);
        if (fds[i].revents == 0 && !outlet->stirred && !outlet->has_more)
            continue;
        outlet->stirred = false;
        zf_plain_hear (self, outlet);
        more |= outlet->has_more;
    }
    return more;
}

static bool drain_inlets (zf_side_t *self, const struct pollfd *fds)
{
    bool more = false;
    for (size_t i = 0; i < self->inlet_count; i++) {
        zf_inlet_t *inlet = &self->inlets[i];
        if (fds[i].revents == 0 && !inlet->stirred && !inlet->has_more)
            continue;
        inlet->stirred = false;
        zf_plain_drain (self, inlet);
        more |= inlet->has_more;
    }
    return more;
}

static bool collect (zf_side_t *self, const struct pollfd *fds, uint64_t now_ms)
{
    self->now_ms = now_ms;
    bool more = hear_outlets (self, fds + self->inlet_count);
    zf_plain_untangle (self);
    zf_bridge_tend (self);
    more |= drain_inlets (self, fds);
    zf_bridge_put (self);
    return more;
}

static bool has_input (zf_side_t *self)
{
    if (self->read_to != 0)
        return true;
    for (size_t i = 0; i < self->inlet_count; i++) {
        if (self->inlets[i].stirred && zf_socket_readable (self->inlets[i].socket.raw))
            return true;
        self->inlets[i].stirred = false;
    }
    for (size_t i = 0; i < self->outlet_count; i++) {
        if (self->outlets[i].rest_ms > self->now_ms)
            continue;
        if (self->outlets[i].stirred && zf_socket_readable (self->outlets[i].socket.raw))
            return true;
        self->outlets[i].stirred = false;
    }
    return false;
}

static uint64_t deadline (const zf_side_t *self)
{
    uint64_t loop = zf_plain_loop_deadline (self);
    uint64_t bridge = zf_bridge_deadline (self);
    uint64_t due = loop < bridge ? loop : bridge;
    for (size_t i = 0; i < self->outlet_count; i++) {
        uint64_t rest = self->outlets[i].rest_ms;
        due = rest != 0 && rest < due ? rest : due;
    }
    return due;
}

static void tell_stats (const zf_side_t *self, zf_stat_fn *fn, void *arg)
{
    const zf_plain_counters_t *counters = &self->counters;
    fn (arg, "plain_in", counters->in);
    fn (arg, "plain_out", counters->out);
    fn (arg, "plain_dropped_slow", counters->dropped_slow);
    fn (arg, "plain_dropped_full", counters->dropped_full);
    fn (arg, "plain_dropped_loop", counters->dropped_loop);
    fn (arg, "plain_subscriptions", HASH_COUNT (self->interests));
    fn (arg, "last_values", self->values != NULL ? zf_values_count (self->values) : 0);
    fn (arg, "last_values_evicted", self->values != NULL ? zf_values_evicted (self->values) : 0);
    fn (arg, "loops", counters->loops);
}

/* Connections of one side that came and went; and whose keys are not authorised any more. */
static void review_socket (zf_socket_t *socket, zf_socket_t *watch)
{
    while (watch->raw != NULL && zf_socket_lost (watch) >= 0)
        continue;
    zf_domain_review (socket->domain);
}

static void review (zf_side_t *self)
{
    for (size_t i = 0; i < self->inlet_count; i++)
        review_socket (&self->inlets[i].socket, &self->inlets[i].watch);
    for (size_t i = 0; i < self->outlet_count; i++) {
        zf_outlet_t *outlet = &self->outlets[i];
        if (outlet->peers.monitor.raw != NULL)
            zf_peers_look (&outlet->peers);
        review_socket (&outlet->socket, &outlet->watch);
    }
}

const zf_side_ops_t zf_plain_side = {
    open_side,        close_side, list_sockets, collect,    zf_bridge_send,
    zf_bridge_forget, has_input,  deadline,     tell_stats, review};
