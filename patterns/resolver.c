#include "patterns/resolver.h"

#include "discovery/directory.h"
#include "patterns/connection.h"
#include "patterns/shared_peer.h"

#include <stdlib.h>
#include <xxhash.h>

#define SCHEME "zferry://"

static bool is_url (const char *endpoint)
{
    return endpoint != NULL && strncmp (endpoint, SCHEME, strlen (SCHEME)) == 0;
}

bool zf_resolver_is_needed (const zf_handle_options_t *options)
{
    for (size_t i = 0; options->endpoints != NULL && i < options->endpoint_count; i++) {
        if (is_url (options->endpoints[i]))
            return true;
    }
    return false;
}

/* -- what is there ----------------------------------------------------------------------------- */

/* Endpoints that are offered, the best ones if there are too many: by a rank that is another one
 * for each handle, so that handles spread. */
typedef struct {
    const zf_handle_t *handle;
    char *endpoints[ZF_ENDPOINTS_MAX];
    uint64_t ranks[ZF_ENDPOINTS_MAX];
    size_t count, room;
    bool is_crowded; /* some were left out */
} found_t;

static uint64_t hash_of (const zf_handle_t *handle, const char *endpoint, uint64_t salt)
{
    uint64_t seed;
    memcpy (&seed, handle->uuid, sizeof seed);
    return XXH3_64bits_withSeed (endpoint, strlen (endpoint), seed + salt);
}

static uint64_t rank_of (const zf_handle_t *handle, const char *endpoint)
{
    return hash_of (handle, endpoint, 0);
}

/* The slot that has this endpoint, or connection_count. */
static size_t slot_of (const zf_handle_t *handle, const char *endpoint)
{
    size_t i = 0;
    while (i < handle->connection_count &&
           (handle->endpoints[i] == NULL || strcmp (handle->endpoints[i], endpoint) != 0))
        i++;
    return i;
}

static bool has (const found_t *found, const char *endpoint)
{
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp (found->endpoints[i], endpoint) == 0)
            return true;
    }
    return false;
}

/* What is connected already stays before others, and what may yet answer. */
static uint64_t standing (const zf_handle_t *handle, const char *endpoint)
{
    size_t slot = slot_of (handle, endpoint);
    const zf_connection_t *connection = &handle->connections[slot];
    if (slot < handle->connection_count && connection->state == ZF_CONNECTION_READY)
        return UINT64_MAX;
    if (slot < handle->connection_count && connection->failures == 0)
        return UINT64_MAX - 1;
    return hash_of (handle, endpoint, handle->resolver->draw) >> 1;
}

/* An offer is what somebody claims: with a security only those count that come with a key which is
 * authorised, and whoever is there has to have it. Without one those with a key are of no use. */
static bool is_trusted (const zf_handle_t *handle, const char *endpoint)
{
    const char *key = zf_socket_key_of (endpoint);
    if (!zf_security_is_on (handle->security))
        return key == NULL;
    return key != NULL && zf_security_find (handle->security, key, NULL);
}

/* What is inside this process no other node can mean. */
static bool is_misplaced (const zf_offer_t *offer)
{
    return !offer->is_own && strncmp (offer->endpoint, "inproc://", 9) == 0;
}

static bool add_found (void *arg, const zf_offer_t *offer)
{
    found_t *found = arg;
    if (!is_trusted (found->handle, offer->endpoint) || is_misplaced (offer))
        return true;
    uint64_t rank = standing (found->handle, offer->endpoint);
    if (found->room == 0 || has (found, offer->endpoint))
        return found->room > 0;
    size_t at = found->count;
    if (at == found->room) {
        found->is_crowded = true;
        for (size_t i = at = 0; i < found->count; i++)
            at = found->ranks[i] < found->ranks[at] ? i : at;
        if (found->ranks[at] >= rank)
            return true;
    }
    char *copy = strdup (offer->endpoint);
    if (copy == NULL)
        return false; /* the next change comes */
    if (at == found->count)
        found->count++;
    else
        free (found->endpoints[at]);
    found->endpoints[at] = copy;
    found->ranks[at] = rank;
    return true;
}

static void look_up (zf_handle_t *handle, found_t *found)
{
    zf_resolver_t *self = handle->resolver;
    for (size_t i = 0; i < self->wanted_count; i++) {
        size_t exact = zf_node_find (self->node, self->wanted[i], add_found, found);
        bool is_broker = strncmp (self->wanted[i], "broker/", 7) == 0; /* just that one is meant */
        if (!is_broker && (exact == 0 || self->both))
            zf_node_find (self->node, "broker/*", add_found, found);
    }
}

/* -- slots ------------------------------------------------------------------------------------- */

static size_t free_slot (const zf_handle_t *handle)
{
    size_t i = handle->resolver->fixed;
    while (i < handle->connection_count && handle->endpoints[i] != NULL)
        i++;
    return i;
}

static void clear_slot (zf_handle_t *handle, size_t slot)
{
    handle->connections[slot] = (zf_connection_t){.handle = handle,
                                                  .endpoint = slot,
                                                  .fd = -1,
                                                  .monitor_fd = -1,
                                                  .max_message_bytes = ZF_MESSAGE_LEAST};
}

/* Takes the endpoint over. Returns as zf_connection_open; if it has failed, it is tried again like
 * one that does not answer. */
static int open_slot (zf_handle_t *handle, size_t slot, char *endpoint, zf_error_t *err)
{
    zf_connection_t *connection = &handle->connections[slot];
    uint64_t epoch = connection->epoch; /* goes on: what belongs to the one before is void */
    clear_slot (handle, slot);
    connection->epoch = epoch;
    connection->rank = rank_of (handle, endpoint);
    connection->is_watched = true;
    handle->endpoints[slot] = endpoint;
    if (slot == handle->connection_count)
        handle->connection_count++;
    if (handle->ops->slot != NULL)
        handle->ops->slot (connection);
    return zf_connection_open (connection, err);
}

/* Nobody offers it any more. */
static void fade (zf_handle_t *handle, size_t slot)
{
    zf_connection_t *connection = &handle->connections[slot];
    connection->is_fading = true;
    handle->tick_due_ms = 0; /* which closes it if it does not work */
    if (connection->state == ZF_CONNECTION_READY && handle->ops->urgent (handle))
        zf_connection_ping (connection); /* it may be dead */
}

void zf_resolver_apply (zf_handle_t *handle)
{
    zf_resolver_t *self = handle->resolver;
    found_t found = {.handle = handle, .room = self->slots - self->fixed};
    if (zf_security_is_on (handle->security))
        self->reviewed = zf_security_version (handle->security);
    atomic_store (&self->changed, false);
    look_up (handle, &found);
    self->is_crowded = found.is_crowded;
    for (size_t i = self->fixed; i < handle->connection_count; i++) {
        if (handle->endpoints[i] != NULL && !is_trusted (handle, handle->endpoints[i]))
            zf_connection_close (&handle->connections[i]); /* its key was withdrawn */
        if (handle->endpoints[i] == NULL)
            continue;
        bool is_there = has (&found, handle->endpoints[i]);
        if (!is_there && !handle->connections[i].is_fading)
            fade (handle, i);
        else if (is_there)
            handle->connections[i].is_fading = false;
    }
    for (size_t i = 0; i < found.count; i++) {
        size_t slot = free_slot (handle);
        if (slot < self->slots && slot_of (handle, found.endpoints[i]) == handle->connection_count)
            open_slot (handle, slot, found.endpoints[i], NULL);
        else
            free (found.endpoints[i]);
    }
    handle->tick_due_ms = 0;
}

void zf_resolver_give_up (zf_handle_t *handle)
{
    zf_resolver_t *self = handle->resolver;
    if (!self->is_crowded)
        return;
    self->draw++;
    atomic_store (&self->changed, true);
}

/* -- life -------------------------------------------------------------------------------------- */

static void on_changed (void *arg)
{
    zf_handle_t *handle = arg;
    atomic_store (&handle->resolver->changed, true);
    zf_handle_stir (handle);
}

static int add_url (zf_resolver_t *self, const char *url, zf_error_t *err)
{
    const char *what = url + strlen (SCHEME);
    if (strcmp (what, "broker") == 0 || strcmp (what, "broker/") == 0)
        what = "broker/*";
    if (!zf_offer_is_what (zf_bytes_of (what), true))
        return zf_error_set (err, ZF_E_ADDRESS,
                             "%.200s: write zferry://queue/NAME, zferry://service/NAME, "
                             "zferry://topic/NAME or zferry://broker",
                             url);
    self->wanted[self->wanted_count] = strdup (what);
    if (self->wanted[self->wanted_count] == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->wanted_count++;
    return 0;
}

/* The endpoints as one text, and apart: those to look up, and those that are ones. */
static int sort_endpoints (zf_handle_t *handle, const zf_handle_options_t *options, zf_error_t *err)
{
    zf_resolver_t *self = handle->resolver;
    zf_writer_t text = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < options->endpoint_count; i++) {
        const char *endpoint = options->endpoints[i] != NULL ? options->endpoints[i] : "";
        zf_write_bytes (&text, ", ", i > 0 ? 2 : 0);
        zf_write_bytes (&text, endpoint, strlen (endpoint));
        if (options->endpoints[i] == NULL)
            rc = zf_error_set (err, ZF_E_INVAL, "endpoint %zu is NULL", i);
        else if (is_url (endpoint))
            rc = add_url (self, endpoint, err);
        else if (self->fixed == self->slots)
            rc = zf_error_set (err, ZF_E_INVAL, "only one endpoint can be used here");
        else if ((handle->endpoints[self->fixed] = strdup (endpoint)) != NULL)
            self->fixed++;
        else
            rc = zf_error_set (err, ZF_E_NOMEM, "out of memory");
    }
    zf_write_bytes (&text, "", 1);
    self->text = (char *) text.data;
    return rc == 0 && text.failed ? zf_error_set (err, ZF_E_NOMEM, "out of memory") : rc;
}

static int find_node (zf_resolver_t *self, zf_peer_t *peer, zf_error_t *err)
{
    if (peer != NULL) {
        self->node = zf_peer_node (peer);
        return 0;
    }
    int rc = zf_shared_node_get (&self->node, err);
    self->is_shared = rc == 0;
    return rc;
}

int zf_resolver_open (zf_handle_t *handle, const zf_handle_options_t *options, zf_error_t *err)
{
    zf_resolver_t *self = handle->resolver = calloc (1, sizeof *self);
    handle->endpoints = calloc (ZF_ENDPOINTS_MAX, sizeof *handle->endpoints);
    handle->connections = calloc (ZF_ENDPOINTS_MAX, sizeof *handle->connections);
    if (handle->endpoints != NULL)
        handle->endpoint_count = ZF_ENDPOINTS_MAX;
    if (self != NULL)
        self->wanted = calloc (options->endpoint_count, sizeof *self->wanted);
    if (handle->connections == NULL || handle->endpoints == NULL || self == NULL ||
        self->wanted == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->both = options->both;
    self->slots = zf_handle_slots (options);
    int rc = sort_endpoints (handle, options, err);
    if (rc == 0)
        rc = find_node (self, options->peer, err);
    if (rc == 0 && handle->security == NULL)
        handle->security = zf_security_hold (zf_node_security (self->node));
    for (size_t i = 0; i < ZF_ENDPOINTS_MAX; i++)
        clear_slot (handle, i);
    for (size_t i = 0; rc == 0 && i < self->fixed; i++)
        rc = open_slot (handle, i, handle->endpoints[i], err);
    if (rc == 0)
        zf_resolver_apply (handle);
    return rc;
}

void zf_resolver_watch (zf_handle_t *handle)
{
    zf_resolver_t *self = handle->resolver;
    self->watch.changed = on_changed;
    self->watch.arg = handle;
    zf_node_watch (self->node, &self->watch);
    self->is_watching = true;
    on_changed (handle); /* since it was looked at */
}

void zf_resolver_unwatch (zf_handle_t *handle)
{
    zf_resolver_t *self = handle->resolver;
    if (self != NULL && self->is_watching)
        zf_node_unwatch (self->node, &self->watch);
    if (self != NULL)
        self->is_watching = false;
}

void zf_resolver_close (zf_handle_t *handle)
{
    zf_resolver_t *self = handle->resolver;
    if (self == NULL)
        return;
    zf_resolver_unwatch (handle);
    if (self->is_shared)
        zf_shared_node_release ();
    for (size_t i = 0; i < self->wanted_count; i++)
        free (self->wanted[i]);
    free (self->wanted);
    free (self->text);
    free (self);
    handle->resolver = NULL;
}
