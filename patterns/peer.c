/* zf_peer and zf_directory: a node, and no more. */
#include <zferry/peer.h>

#include "core/bytes.h"
#include "patterns/shared_peer.h"

#include <stdlib.h>

struct zf_peer {
    zf_node_t *node;
};

void zf_peer_defaults_sized (zf_peer_options_t *options, size_t size)
{
    zf_peer_options_t own;
    zf_node_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

int zf_peer_start (zf_peer_t **peer, const zf_peer_options_t *options, zf_error_t *err)
{
    *peer = NULL;
    zf_peer_t *self = malloc (sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    int rc = zf_node_start (&self->node, options, err);
    if (rc == 0)
        *peer = self;
    else
        free (self);
    return rc;
}

void zf_peer_stop (zf_peer_t **peer)
{
    zf_peer_t *self = *peer;
    *peer = NULL;
    if (self == NULL)
        return;
    zf_node_stop (&self->node);
    free (self);
}

zf_node_t *zf_peer_node (zf_peer_t *self)
{
    return self->node;
}

const char *zf_peer_id (const zf_peer_t *self)
{
    return zf_node_id (self->node);
}

const char *zf_peer_name (const zf_peer_t *self)
{
    return zf_node_name (self->node);
}

const char *zf_peer_endpoint (const zf_peer_t *self)
{
    return zf_node_endpoint (self->node);
}

const char *zf_peer_hub (const zf_peer_t *self)
{
    return zf_node_hub (self->node);
}

int zf_peer_join (zf_peer_t *self, const char *group)
{
    return zf_node_join (self->node, group);
}

int zf_peer_leave (zf_peer_t *self, const char *group)
{
    return zf_node_leave (self->node, group);
}

int zf_peer_shout (zf_peer_t *self, const char *group, const zf_bytes_t *frames, size_t count)
{
    return zf_node_shout (self->node, group, frames, count);
}

int zf_peer_whisper (zf_peer_t *self, const char *to, const zf_bytes_t *frames, size_t count)
{
    return zf_node_whisper (self->node, to, frames, count);
}

int zf_peer_next (zf_peer_t *self, zf_peer_event_t *event, int timeout_ms)
{
    return zf_node_next (self->node, event, timeout_ms);
}

void zf_peer_event_release (zf_peer_event_t *event)
{
    zf_node_event_release (event);
}

void zf_peer_listen (zf_peer_t *self, uint32_t types)
{
    zf_node_listen (self->node, types);
}

int zf_peer_run (zf_peer_t *self, zf_peer_event_fn *fn, void *arg, int timeout_ms)
{
    zf_peer_event_t event;
    int rc = 0;
    while (rc == 0 && (rc = zf_node_next (self->node, &event, timeout_ms)) == 0) {
        rc = fn (arg, &event);
        zf_node_event_release (&event);
    }
    return rc == ZF_E_AGAIN ? ZF_E_TIMEOUT : rc;
}

int zf_peer_fd (zf_peer_t *self)
{
    return zf_node_fd (self->node);
}

void zf_peer_each (zf_peer_t *self, zf_peer_fn *fn, void *arg)
{
    zf_node_each (self->node, fn, arg);
}

void zf_peer_each_group (zf_peer_t *self, zf_peer_name_fn *fn, void *arg)
{
    zf_node_each_group (self->node, fn, arg);
}

int zf_peer_wait (zf_peer_t *self, uint32_t count, int timeout_ms)
{
    return zf_node_wait (self->node, count, timeout_ms);
}

void zf_peer_stats (zf_peer_t *self, zf_peer_stats_t *stats)
{
    zf_node_stats (self->node, stats);
}

/* -- the directory ----------------------------------------------------------------------------- */

int zf_directory_announce (zf_peer_t *self, const char *what, const char *endpoint, zf_error_t *err)
{
    return zf_node_announce (self->node, what, endpoint, err);
}

int zf_directory_withdraw (zf_peer_t *self, const char *what, const char *endpoint)
{
    return zf_node_withdraw (self->node, what, endpoint);
}

size_t zf_directory_find (zf_peer_t *self, const char *what, zf_offer_fn *fn, void *arg)
{
    return zf_node_find (self->node, what, fn, arg);
}

int zf_directory_wait (zf_peer_t *self, const char *what, size_t count, int timeout_ms)
{
    return zf_node_await (self->node, what, count, timeout_ms);
}
