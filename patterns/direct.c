#include "patterns/direct.h"

#include "devices/socket.h"
#include "patterns/shared_peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_BYTES     80
#define ENDPOINT_BYTES (HOST_BYTES + 10)

static int find_node (zf_direct_t *self, const zf_direct_options_t *options, zf_error_t *err)
{
    if (options->kind == NULL)
        return 0;
    if (asprintf (&self->what, "%s/%s", options->kind, options->name) < 0) {
        self->what = NULL;
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    }
    if (options->peer != NULL) {
        self->node = zf_peer_node (options->peer);
        return 0;
    }
    int rc = zf_shared_node_get (&self->node, err);
    self->is_shared = rc == 0;
    return rc;
}

static int name_inside (zf_direct_t *self, zf_error_t *err)
{
    uint64_t name;
    int rc = zf_random (&name, sizeof name, err);
    snprintf (self->inside, sizeof self->inside, "inproc://zferry-direct-%016llx",
              (unsigned long long) name);
    return rc;
}

/* What was given, or a port of the system's choice; and the way inside as the last one. */
static int start (zf_direct_t *self, const zf_direct_options_t *options, zf_error_t *err)
{
    char host[HOST_BYTES];
    char any[ENDPOINT_BYTES];
    size_t count = 0;
    const char **endpoints = calloc (options->endpoint_count + 2, sizeof *endpoints);
    if (endpoints == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    for (size_t i = 0; i < options->endpoint_count; i++)
        endpoints[count++] = options->endpoints[i];
    if (count == 0 && self->node != NULL) {
        zf_node_bind_host (self->node, host);
        snprintf (any, sizeof any, "tcp://%s:*", host);
        endpoints[count++] = any;
    }
    endpoints[count++] = self->inside;
    zf_security_t *security = options->security;
    if (security == NULL && self->node != NULL)
        security = zf_node_security (self->node);
    int rc = options->start (options->arg, &self->device, endpoints, count, security, err);
    free (endpoints);
    return rc;
}

int zf_direct_open (zf_direct_t *self, const zf_direct_options_t *options, zf_error_t *err)
{
    int rc = find_node (self, options, err);
    if (rc == 0)
        rc = name_inside (self, err);
    if (rc == 0)
        rc = start (self, options, err);
    if (rc == 0 && self->what != NULL)
        rc = zf_node_announce (self->node, self->what, zf_device_endpoint (self->device, 0), err);
    return rc;
}

void zf_direct_withdraw (zf_direct_t *self)
{
    if (self->what != NULL && self->device != NULL)
        zf_node_withdraw (self->node, self->what, zf_device_endpoint (self->device, 0));
}

void zf_direct_close (zf_direct_t *self)
{
    zf_direct_withdraw (self);
    zf_device_stop (&self->device);
    if (self->is_shared)
        zf_shared_node_release ();
    free (self->what);
    memset (self, 0, sizeof *self);
}
