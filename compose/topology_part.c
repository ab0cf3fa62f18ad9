/* Devices of a topology, one by one. */
#include "compose/topology_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What starting one takes. */
typedef struct {
    zf_topology_t *topology;
    const zf_plan_device_t *device;
    zf_part_t *part;
    const char **endpoints; /* made for it; to be freed */
} launch_t;

/* -- events ------------------------------------------------------------------------------------ */

static const struct {
    zf_log_level_t level;
    const char *text; /* in front of the event's own */
} event_lines[] = {[ZF_EVENT_LISTENING] = {ZF_LOG_DEBUG, "listening: "},
                   [ZF_EVENT_WORKER_ON] = {ZF_LOG_DEBUG, "worker on: "},
                   [ZF_EVENT_WORKER_OFF] = {ZF_LOG_DEBUG, "worker off: "},
                   [ZF_EVENT_PEER_ERROR] = {ZF_LOG_WARNING, "peer error: "},
                   [ZF_EVENT_DEAD_LETTER] = {ZF_LOG_NOTICE, "dead letter: "},
                   [ZF_EVENT_RECOVERED] = {ZF_LOG_NOTICE, "journal: "},
                   [ZF_EVENT_DISK] = {ZF_LOG_WARNING, "journal: "},
                   [ZF_EVENT_LINK] = {ZF_LOG_NOTICE, "link: "},
                   [ZF_EVENT_SUBSCRIBER_ON] = {ZF_LOG_DEBUG, "subscriber on: "},
                   [ZF_EVENT_SUBSCRIBER_OFF] = {ZF_LOG_DEBUG, "subscriber off: "},
                   [ZF_EVENT_LOOP] = {ZF_LOG_WARNING, "loop: "},
                   [ZF_EVENT_DENIED] = {ZF_LOG_WARNING, "denied: "}};

static void on_event (void *arg, zf_event_t event, const char *text)
{
    const zf_part_t *part = arg;
    const zf_topology_options_t *options = &part->topology->options;
    char line[600];
    bool known = (size_t) event < sizeof event_lines / sizeof event_lines[0] &&
                 event_lines[event].text != NULL;
    if (options->on_log == NULL)
        return;
    snprintf (line, sizeof line, "%s%s", known ? event_lines[event].text : "", text);
    options->on_log (options->arg, known ? event_lines[event].level : ZF_LOG_INFO, part->name,
                     line);
}

/* -- parts ------------------------------------------------------------------------------------- */

zf_part_t *zf_topology_part (const zf_topology_t *self, const char *name)
{
    for (size_t i = 0; i < self->part_count; i++)
        if (strcmp (self->parts[i]->name, name) == 0)
            return self->parts[i];
    return NULL;
}

static void free_part (zf_part_t *part)
{
    if (part == NULL)
        return;
    free (part->name);
    free (part->inner);
    free (part);
}

static bool has_inner (zf_plan_kind_t kind)
{
    return kind == ZF_PLAN_BROKER || kind == ZF_PLAN_FORWARDER;
}

static zf_part_t *new_part (zf_topology_t *self, const zf_plan_device_t *device)
{
    char inner[128] = "";
    zf_part_t *part = calloc (1, sizeof *part);
    if (part == NULL)
        return NULL;
    if (has_inner (device->kind))
        snprintf (inner, sizeof inner, ZF_PLAN_INPROC "%u-%s", self->number, device->named.name);
    part->topology = self;
    part->kind = device->kind;
    part->name = strdup (device->named.name);
    part->inner = strdup (inner);
    if (part->name == NULL || part->inner == NULL) {
        free_part (part);
        return NULL;
    }
    return part;
}

static bool make_room (zf_topology_t *self)
{
    if (self->part_count < self->part_room)
        return true;
    size_t room = self->part_room * 2 + 8;
    zf_part_t **parts = realloc (self->parts, room * sizeof *parts);
    if (parts == NULL)
        return false;
    self->parts = parts;
    self->part_room = room;
    return true;
}

/* -- starting ---------------------------------------------------------------------------------- */

/* The endpoints of the text, and the one for this process. Returns how many; 0: out of memory. */
static size_t with_inner (launch_t *launch, const char *const *endpoints, size_t count)
{
    launch->endpoints = calloc (count + 1, sizeof *launch->endpoints);
    if (launch->endpoints == NULL)
        return 0;
    memcpy (launch->endpoints, endpoints, count * sizeof *endpoints);
    launch->endpoints[count] = launch->part->inner;
    return count + 1;
}

static int out_of_memory (zf_error_t *err)
{
    return zf_error_set (err, ZF_E_NOMEM, "out of memory");
}

static int start_broker (launch_t *launch, zf_error_t *err)
{
    zf_broker_options_t options = launch->device->broker;
    options.endpoint_count = with_inner (launch, options.endpoints, options.endpoint_count);
    if (options.endpoint_count == 0)
        return out_of_memory (err);
    options.endpoints = launch->endpoints;
    options.policy = &launch->device->policy;
    options.limits = &launch->device->limits;
    options.security = launch->topology->security;
    options.on_event = on_event;
    options.arg = launch->part;
    return zf_broker_start (&launch->part->device, &options, err);
}

static int start_forwarder (launch_t *launch, zf_error_t *err)
{
    zf_forwarder_options_t options = launch->device->forwarder;
    options.endpoint_count = with_inner (launch, options.endpoints, options.endpoint_count);
    if (options.endpoint_count == 0)
        return out_of_memory (err);
    options.endpoints = launch->endpoints;
    options.limits = &launch->device->limits;
    options.security = launch->topology->security;
    options.on_event = on_event;
    options.arg = launch->part;
    return zf_forwarder_start (&launch->part->device, &options, err);
}

static int start_balancer (launch_t *launch, zf_error_t *err)
{
    zf_balancer_options_t options = launch->device->balancer;
    options.limits = &launch->device->limits;
    options.security = launch->topology->security;
    options.on_event = on_event;
    options.arg = launch->part;
    return zf_balancer_start (&launch->part->device, &options, err);
}

/* Where a link's end is: a device's inner endpoint instead of its name. NULL: it does not run. */
static const char *end_of (const launch_t *launch, size_t device, const char *end, zf_error_t *err)
{
    if (device == SIZE_MAX)
        return end;
    const zf_part_t *part = zf_topology_part (launch->topology, end);
    if (part != NULL && part->kind == ZF_PLAN_BROKER)
        return part->inner;
    zf_error_set (err, ZF_E_NOT_FOUND, "device '%s' does not run", end);
    return NULL;
}

static int start_link (launch_t *launch, zf_error_t *err)
{
    const zf_plan_device_t *device = launch->device;
    zf_link_options_t options = device->link;
    const char *from = end_of (launch, device->from_device, options.from, err);
    const char *to = end_of (launch, device->to_device, options.to[0], err);
    if (from == NULL || to == NULL)
        return ZF_E_NOT_FOUND;
    options.from = from;
    if (device->to_device != SIZE_MAX)
        options.to = &to;
    options.peer = launch->topology->peer;
    options.security = launch->topology->security;
    options.on_event = on_event;
    options.arg = launch->part;
    return zf_link_start (&launch->part->device, &options, err);
}

static int launch_device (launch_t *launch, zf_error_t *err)
{
    switch (launch->device->kind) {
    case ZF_PLAN_BROKER:
        return start_broker (launch, err);
    case ZF_PLAN_FORWARDER:
        return start_forwarder (launch, err);
    case ZF_PLAN_BALANCER:
        return start_balancer (launch, err);
    case ZF_PLAN_LINK:
        return start_link (launch, err);
    case ZF_PLAN_NONE:
        break;
    }
    return zf_error_set (err, ZF_E_INVAL, "it is no device");
}

int zf_topology_start_part (zf_topology_t *self, const zf_plan_device_t *device, zf_error_t *err)
{
    launch_t launch = {.topology = self, .device = device, .part = new_part (self, device)};
    if (launch.part == NULL || !make_room (self)) {
        free_part (launch.part);
        return out_of_memory (err);
    }
    int rc = launch_device (&launch, err);
    free (launch.endpoints);
    if (rc != 0) {
        free_part (launch.part);
        return zf_error_wrap (err, rc, "device '%s'", device->named.name);
    }
    self->parts[self->part_count++] = launch.part;
    return 0;
}

void zf_topology_stop_part (zf_topology_t *self, zf_part_t *part)
{
    size_t at = 0;
    while (self->parts[at] != part)
        at++;
    if (part->is_in_web && self->web != NULL)
        zf_web_remove (self->web, part->name);
    zf_device_stop (&part->device);
    self->part_count--;
    memmove (&self->parts[at], &self->parts[at + 1], (self->part_count - at) * sizeof *self->parts);
    free_part (part);
}
