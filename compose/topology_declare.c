/* Queues, streams and groups that the text declares. */
#include "compose/topology_inside.h"

#include <stdio.h>

enum { TIMEOUT_MS = 10000 };

/* What is under way with one device. */
typedef struct {
    zf_topology_t *topology;
    const zf_part_t *part;
    zf_client_t *client; /* to it */
    unsigned *failed;    /* counts */
    zf_error_t *first;   /* gets the first failure */
} declaration_t;

static void fail (declaration_t *self, const char *what, const char *name, int rc,
                  const zf_error_t *err)
{
    if (rc == 0)
        return;
    if (*self->failed == 0)
        zf_error_set (self->first, rc, "device '%s': %s '%s': %s", self->part->name, what, name,
                      err->text);
    *self->failed += 1;
    zf_topology_say (self->topology, ZF_LOG_ERROR, self->part->name, "%s '%s': %s", what, name,
                     err->text);
}

static void declare_queue (declaration_t *self, const zf_plan_queue_t *queue)
{
    zf_error_t err = {.code = 0};
    int rc = zf_admin_declare (self->client, queue->named.name, &queue->policy, &err);
    fail (self, "queue", queue->named.name, rc, &err);
}

/* Makes the group, or gives the one that is there its policy. */
static void declare_group (declaration_t *self, const char *stream, const zf_plan_group_t *group)
{
    zf_error_t err = {.code = 0};
    char name[ZF_NAME_MAX + 1];
    zf_group_options_t options;
    zf_group_defaults (&options);
    options.start = group->start;
    options.patterns = group->patterns;
    options.pattern_count = group->pattern_count;
    options.policy = &group->policy;
    snprintf (name, sizeof name, "%s@%s", stream, group->named.name);
    int rc = zf_admin_group (self->client, stream, group->named.name, &options, &err);
    if (rc == 0)
        rc = zf_admin_declare (self->client, name, &group->policy, &err);
    fail (self, "group", name, rc, &err);
}

static void declare_stream (declaration_t *self, const zf_plan_stream_t *stream)
{
    zf_error_t err = {.code = 0};
    int rc = zf_admin_declare (self->client, stream->named.name, &stream->policy, &err);
    fail (self, "stream", stream->named.name, rc, &err);
    for (size_t i = 0; i < stream->group_count && rc == 0; i++)
        declare_group (self, stream->named.name, &stream->groups[i]);
}

static int open_client (declaration_t *self, zf_error_t *err)
{
    const char *endpoints[] = {self->part->inner};
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 1;
    options.name = "topology";
    options.timeout_ms = TIMEOUT_MS;
    return zf_client_open (&self->client, &options, err);
}

void zf_topology_declare (zf_topology_t *self, const zf_part_t *part,
                          const zf_plan_device_t *device, unsigned *failed, zf_error_t *err)
{
    declaration_t declaration = {.topology = self, .part = part, .failed = failed, .first = err};
    zf_error_t why = {.code = 0};
    if (device->queue_count == 0 && device->stream_count == 0)
        return;
    int rc = open_client (&declaration, &why);
    fail (&declaration, "device", part->name, rc, &why);
    for (size_t i = 0; i < device->queue_count && rc == 0; i++)
        declare_queue (&declaration, &device->queues[i]);
    for (size_t i = 0; i < device->stream_count && rc == 0; i++)
        declare_stream (&declaration, &device->streams[i]);
    zf_client_close (&declaration.client);
}
