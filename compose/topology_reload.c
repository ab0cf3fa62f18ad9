/* Reading the text again, and what of it can be put into force while all runs. */
#include "compose/topology_inside.h"

#include <stdio.h>
#include <string.h>

/* A reload that is under way. */
typedef struct {
    zf_topology_t *topology;
    zf_plan_t *next;       /* what the text asks for now */
    const zf_plan_t *plan; /* what it asked for before */
    unsigned pending;      /* settings that a restart would change */
    unsigned changes;      /* that were put into force */
    bool differs;          /* what was compared does */
} reload_t;

static void note_difference (void *arg, const char *path)
{
    (void) path;
    ((reload_t *) arg)->differs = true;
}

static bool differs (reload_t *self, const zf_key_t *keys, const void *a, const void *b)
{
    self->differs = false;
    zf_schema_compare (keys, "", a, b, note_difference, self);
    return self->differs;
}

static void changed (reload_t *self, const char *device, const char *what, const char *name,
                     const char *how)
{
    self->changes++;
    zf_topology_say (self->topology, ZF_LOG_NOTICE, device, "%s%s%s%s %s", what,
                     name[0] != '\0' ? " '" : "", name, name[0] != '\0' ? "'" : "", how);
}

/* -- what takes a restart ---------------------------------------------------------------------- */

/* A link as a whole: it comes and goes while all runs. */
static bool is_only_link (const reload_t *self, const char *path)
{
    static const char devices[] = "devices.";
    const zf_plan_t *before = &self->topology->started;
    if (strncmp (path, devices, strlen (devices)) != 0)
        return false;
    size_t i = zf_plan_find (before, path + strlen (devices));
    size_t k = zf_plan_find (self->next, path + strlen (devices));
    bool was = i == SIZE_MAX || before->devices[i].kind == ZF_PLAN_LINK;
    bool will_be = k == SIZE_MAX || self->next->devices[k].kind == ZF_PLAN_LINK;
    return (i != SIZE_MAX || k != SIZE_MAX) && was && will_be;
}

/* A limit of a device that has none of its own, and the topology's has changed: told already. */
static bool is_limit_of_all (const reload_t *self, const char *path)
{
    const char *limit = strstr (path, ".limits.");
    const char *before = (const char *) &self->topology->started.limits;
    const char *after = (const char *) &self->next->limits;
    for (const zf_key_t *key = zf_plan_limit_keys; limit != NULL && key->name != NULL; key++)
        if (strcmp (limit + strlen (".limits."), key->name) == 0)
            return memcmp (before + key->at, after + key->at, key->size) != 0;
    return false;
}

static void note_pending (void *arg, const char *path)
{
    reload_t *self = arg;
    if (is_only_link (self, path) || is_limit_of_all (self, path))
        return;
    self->pending++;
    zf_topology_say (self->topology, ZF_LOG_WARNING, "", "%s: changed, takes a restart", path);
}

/* -- declarations ------------------------------------------------------------------------------ */

static const zf_plan_device_t *device_of (const zf_plan_t *plan, const char *name)
{
    size_t i = zf_plan_find (plan, name);
    return i != SIZE_MAX ? &plan->devices[i] : NULL;
}

static const zf_plan_queue_t *queue_of (const zf_plan_device_t *device, const char *name)
{
    for (size_t i = 0; device != NULL && i < device->queue_count; i++)
        if (strcmp (device->queues[i].named.name, name) == 0)
            return &device->queues[i];
    return NULL;
}

static const zf_plan_stream_t *stream_of (const zf_plan_device_t *device, const char *name)
{
    for (size_t i = 0; device != NULL && i < device->stream_count; i++)
        if (strcmp (device->streams[i].named.name, name) == 0)
            return &device->streams[i];
    return NULL;
}

static void tell_declared (reload_t *self, const zf_plan_device_t *before,
                           const zf_plan_device_t *after)
{
    for (size_t i = 0; i < after->queue_count; i++) {
        const zf_plan_queue_t *queue = &after->queues[i];
        const zf_plan_queue_t *old = queue_of (before, queue->named.name);
        if (old == NULL || differs (self, zf_plan_queue_keys, old, queue))
            changed (self, after->named.name, "queue", queue->named.name,
                     old == NULL ? "is declared" : "has changed");
    }
    for (size_t i = 0; i < after->stream_count; i++) {
        const zf_plan_stream_t *stream = &after->streams[i];
        const zf_plan_stream_t *old = stream_of (before, stream->named.name);
        if (old == NULL || differs (self, zf_plan_stream_keys, old, stream))
            changed (self, after->named.name, "stream", stream->named.name,
                     old == NULL ? "is declared" : "has changed");
    }
}

/* Nobody wants to lose records by a line that is missing in a file. */
static void tell_undeclared (reload_t *self, const zf_plan_device_t *before,
                             const zf_plan_device_t *after)
{
    static const char stays[] = "is declared no longer; it stays as it is";
    for (size_t i = 0; before != NULL && i < before->queue_count; i++)
        if (queue_of (after, before->queues[i].named.name) == NULL)
            changed (self, after->named.name, "queue", before->queues[i].named.name, stays);
    for (size_t i = 0; before != NULL && i < before->stream_count; i++)
        if (stream_of (after, before->streams[i].named.name) == NULL)
            changed (self, after->named.name, "stream", before->streams[i].named.name, stays);
}

/* All of them, changed or not: somebody else may have changed them meanwhile. */
static void reload_declared (reload_t *self)
{
    for (size_t i = 0; i < self->topology->part_count; i++) {
        const zf_part_t *part = self->topology->parts[i];
        const zf_plan_device_t *after = device_of (self->next, part->name);
        zf_error_t ignored = {.code = 0}; /* told already */
        if (after == NULL || after->kind != part->kind)
            continue;
        const zf_plan_device_t *before = device_of (self->plan, part->name);
        zf_topology_declare (self->topology, part, after, &self->pending, &ignored);
        tell_declared (self, before, after);
        tell_undeclared (self, before, after);
    }
}

/* -- links ------------------------------------------------------------------------------------- */

static void stop_links (reload_t *self)
{
    zf_topology_t *topology = self->topology;
    for (size_t i = topology->part_count; i > 0; i--) {
        zf_part_t *part = topology->parts[i - 1];
        const zf_plan_device_t *after = device_of (self->next, part->name);
        const zf_plan_device_t *before = device_of (self->plan, part->name);
        bool stays = after != NULL && after->kind == ZF_PLAN_LINK;
        if (part->kind != ZF_PLAN_LINK)
            continue;
        if (stays && before != NULL && !differs (self, zf_plan_link_keys, before, after))
            continue;
        changed (self, part->name, "link", "", stays ? "has changed" : "is gone");
        zf_topology_stop_part (topology, part);
    }
}

static void start_link (reload_t *self, const zf_plan_device_t *device)
{
    zf_topology_t *topology = self->topology;
    zf_error_t err = {.code = 0};
    int rc = zf_topology_start_part (topology, device, &err);
    if (rc == 0)
        rc = zf_topology_show (topology, zf_topology_part (topology, device->named.name), device,
                               &err);
    if (rc != 0) {
        self->pending++;
        zf_topology_say (topology, ZF_LOG_ERROR, device->named.name, "%s", err.text);
    } else if (device_of (self->plan, device->named.name) == NULL) {
        changed (self, device->named.name, "link", "", "is new");
    }
}

static void start_links (reload_t *self)
{
    for (size_t i = 0; i < self->next->device_count; i++) {
        const zf_plan_device_t *device = &self->next->devices[i];
        if (device->kind == ZF_PLAN_LINK &&
            zf_topology_part (self->topology, device->named.name) == NULL)
            start_link (self, device);
    }
}

/* -- the whole --------------------------------------------------------------------------------- */

/* Problems of the text go to the owner, and to who asked. */
static void tell_problem (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    zf_topology_say (arg, level, device, "%s", text);
}

static int read_again (zf_topology_t *self, zf_plan_t *next, zf_error_t *err)
{
    zf_topology_options_t options = self->options;
    options.on_log = tell_problem;
    options.arg = self;
    int rc = zf_plan_read (next, &options, err);
    bool has_keys = rc == 0 && self->started.security.is_there && next->security.is_there;
    return has_keys ? zf_security_reload (self->security, err) : rc;
}

static void put_into_force (zf_topology_t *self, zf_plan_t *next, unsigned *pending)
{
    reload_t reload = {.topology = self, .next = next, .plan = zf_topology_plan (self)};
    zf_schema_compare (zf_plan_keys, "", &self->started, next, note_pending, &reload);
    stop_links (&reload);
    reload_declared (&reload);
    start_links (&reload);
    if (reload.changes == 0 && reload.pending == 0)
        zf_topology_say (self, ZF_LOG_NOTICE, "", "reloaded: nothing has changed");
    else
        zf_topology_say (self, ZF_LOG_NOTICE, "", "reloaded: %u changed, %u take a restart",
                         reload.changes, reload.pending);
    if (pending != NULL)
        *pending = reload.pending;
}

static int reload (zf_topology_t *self, unsigned *pending, zf_error_t *err)
{
    zf_plan_t next;
    int rc = read_again (self, &next, err);
    if (rc != 0) {
        zf_plan_free (&next);
        return rc;
    }
    put_into_force (self, &next, pending);
    if (self->has_now)
        zf_plan_free (&self->now);
    self->now = next;
    self->has_now = true;
    return 0;
}

int zf_topology_reload_telling (zf_topology_t *self, unsigned *pending, char *text, size_t size,
                                zf_error_t *err)
{
    pthread_mutex_lock (&self->reloading);
    self->told = text;
    self->told_size = size;
    if (text != NULL)
        text[0] = '\0';
    int rc = reload (self, pending, err);
    self->told = NULL;
    pthread_mutex_unlock (&self->reloading);
    return rc;
}

int zf_topology_reload (zf_topology_t *topology, unsigned *pending, zf_error_t *err)
{
    return zf_topology_reload_telling (topology, pending, NULL, 0, err);
}
