#include "compose/plan.h"

#include "compose/ground.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kind_names[] = {[ZF_PLAN_NONE] = "nothing",
                                         [ZF_PLAN_BROKER] = "broker",
                                         [ZF_PLAN_FORWARDER] = "forwarder",
                                         [ZF_PLAN_BALANCER] = "balancer",
                                         [ZF_PLAN_LINK] = "link"};

const char *zf_plan_kind_name (zf_plan_kind_t kind)
{
    return kind_names[kind];
}

/* -- what holds without keys ------------------------------------------------------------------- */

void zf_plan_prepare (zf_plan_t *plan)
{
    zf_security_options_t *security = &plan->security.options;
    zf_security_defaults (security);
    zf_limits_defaults (&plan->limits);
    zf_peer_defaults (&plan->discovery.options);
    zf_web_defaults (&plan->admin.options);
}

void zf_plan_prepare_device (void *item, const void *parent)
{
    zf_plan_device_t *device = item;
    const zf_plan_t *plan = parent;
    zf_broker_defaults (&device->broker);
    zf_forwarder_defaults (&device->forwarder);
    zf_balancer_defaults (&device->balancer);
    zf_link_defaults (&device->link);
    zf_policy_defaults (&device->policy);
    device->link.name = device->named.name;
    device->limits = plan->limits;
    device->announce = true;
    device->from_device = SIZE_MAX;
    device->to_device = SIZE_MAX;
}

void zf_plan_prepare_queue (void *item, const void *parent)
{
    zf_plan_queue_t *queue = item;
    const zf_plan_device_t *device = parent;
    queue->policy = device->policy;
}

/* As what the device itself makes of a stream that nobody has declared. */
void zf_plan_prepare_stream (void *item, const void *parent)
{
    zf_plan_stream_t *stream = item;
    const zf_plan_device_t *device = parent;
    const zf_forwarder_options_t *forwarder = &device->forwarder;
    bool is_durable =
        device->is_forwarder ? forwarder->journal != NULL : device->broker.journal != NULL;
    stream->policy = device->policy;
    stream->policy.kind = ZF_KIND_STREAM;
    stream->policy.priorities = 1;
    if (device->is_forwarder) {
        stream->policy.max_bytes = forwarder->keep_bytes;
        stream->policy.max_length = forwarder->keep_length;
        stream->policy.ttl_ms = forwarder->keep_ms;
        stream->policy.compact = forwarder->compact;
    }
    if (stream->policy.max_bytes == 0)
        stream->policy.max_bytes = zf_ground_stream_bytes (is_durable);
}

void zf_plan_prepare_group (void *item, const void *parent)
{
    zf_plan_group_t *group = item;
    const zf_plan_stream_t *stream = parent;
    group->policy = stream->policy;
    group->policy.kind = ZF_KIND_QUEUE;
    group->policy.compact = false;
    group->policy.ttl_ms = 0;
    group->policy.max_bytes = 0;
    group->policy.max_length = 0;
}

/* -- places ------------------------------------------------------------------------------------ */

zf_spot_t zf_plan_place (const zf_yaml_t *node, const char *path, size_t i)
{
    zf_spot_t place = node->key != NULL ? node->key_place : node->place;
    while (*path != '\0') {
        char key[64];
        size_t length = strcspn (path, ".");
        snprintf (key, sizeof key, "%.*s", (int) length, path);
        const zf_yaml_t *child = zf_yaml_get (node, key);
        if (child == NULL)
            return place;
        node = child;
        place = child->kind == ZF_YAML_MAP ? child->key_place : child->place;
        path += length + (path[length] == '.');
    }
    const zf_yaml_t *item = node->kind == ZF_YAML_LIST ? zf_yaml_item (node, i) : NULL;
    return item != NULL ? item->place : place;
}

zf_spot_t zf_plan_key_place (const zf_plan_device_t *device, const char *key, size_t i)
{
    char path[80];
    snprintf (path, sizeof path, "%s.%s", zf_plan_kind_name (device->kind), key);
    return zf_plan_place (device->named.node, path, i);
}

size_t zf_plan_find (const zf_plan_t *plan, const char *name)
{
    for (size_t i = 0; i < plan->device_count; i++)
        if (strcmp (plan->devices[i].named.name, name) == 0)
            return i;
    return SIZE_MAX;
}

/* -- reading ----------------------------------------------------------------------------------- */

/* Reads at most size bytes. Returns how many, or a code. */
static ssize_t read_all (int fd, char *text, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t n = read (fd, text + used, size - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t) n;
    }
    return (ssize_t) used;
}

static int read_file (zf_plan_t *plan, zf_bytes_t *text, zf_error_t *err)
{
    size_t room = ZF_YAML_BYTES + 1; /* one more than it may have */
    int fd = open (plan->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return zf_error_set (err, ZF_E_NOT_FOUND, "%s: no such file", plan->file);
    char *buffer = fd >= 0 ? zf_arena_take (&plan->arena, room, 1) : NULL;
    ssize_t size = buffer != NULL ? read_all (fd, buffer, room) : -1;
    int error = errno;
    if (fd >= 0)
        close (fd);
    if (fd >= 0 && buffer == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    if (size < 0)
        return zf_error_set (err, ZF_E_IO, "read %s: %s", plan->file, strerror (error));
    *text = zf_bytes (buffer, (size_t) size);
    return 0;
}

/* Where the text lies, and what it is called. */
static void name_text (zf_plan_t *plan, const zf_topology_options_t *options)
{
    const char *file = options->file;
    const char *slash = file != NULL ? strrchr (file, '/') : NULL;
    const char *base = slash != NULL ? slash + 1 : file;
    const char *name = options->name != NULL ? options->name : "topology";
    plan->file = file != NULL ? zf_arena_copy (&plan->arena, file, strlen (file))
                              : zf_arena_copy (&plan->arena, name, strlen (name));
    plan->folder = zf_arena_copy (&plan->arena, file != NULL ? file : "",
                                  slash != NULL ? (size_t) (slash + 1 - file) : 0);
    plan->name =
        file != NULL ? zf_arena_copy (&plan->arena, base, strcspn (base, ".")) : plan->file;
}

/* The rules as one text, a line each. */
static void join_rules (zf_plan_t *plan)
{
    zf_plan_security_t *security = &plan->security;
    size_t size = 0;
    for (size_t i = 0; i < security->rule_count; i++)
        size += strlen (security->rules[i]) + 1;
    char *text = security->rule_count > 0 ? zf_arena_take (&plan->arena, size + 1, 1) : NULL;
    security->options.rules_text = text;
    for (size_t i = 0; i < security->rule_count && text != NULL; i++) {
        text = stpcpy (text, security->rules[i]);
        *text++ = '\n';
    }
}

static void fill_in (zf_plan_t *plan)
{
    zf_schema_t schema = {
        .arena = &plan->arena, .problems = &plan->problems, .folder = plan->folder};
    zf_schema_read (&schema, zf_plan_keys, "the topology", plan->root, plan);
    if (plan->discovery.options.name == NULL)
        plan->discovery.options.name = plan->name;
    join_rules (plan);
    zf_plan_check (plan);
}

/* -- what came of it --------------------------------------------------------------------------- */

typedef struct {
    const zf_topology_options_t *options; /* who is to be told */
    zf_error_t *err;                      /* gets the first one */
    bool is_first;                        /* none has been told */
} telling_t;

static void tell (void *arg, const char *line)
{
    telling_t *telling = arg;
    if (telling->is_first)
        zf_error_set (telling->err, ZF_E_INVAL, "%s", line);
    telling->is_first = false;
    if (telling->options->on_log != NULL)
        telling->options->on_log (telling->options->arg, ZF_LOG_ERROR, "", line);
}

static int conclude (zf_plan_t *plan, const zf_topology_options_t *options, zf_error_t *err)
{
    telling_t telling = {.options = options, .err = err, .is_first = true};
    if (plan->arena.has_failed || plan->problems.has_failed)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    zf_problems_each (&plan->problems, plan->file, tell, &telling);
    return plan->problems.found == 0 ? 0 : ZF_E_INVAL;
}

int zf_plan_read (zf_plan_t *plan, const zf_topology_options_t *options, zf_error_t *err)
{
    zf_bytes_t text = zf_bytes (options->text, options->text != NULL ? strlen (options->text) : 0);
    memset (plan, 0, sizeof *plan);
    name_text (plan, options);
    zf_plan_prepare (plan);
    if (plan->arena.has_failed)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    int rc = options->file != NULL ? read_file (plan, &text, err) : 0;
    if (rc != 0)
        return rc;
    plan->root = zf_yaml_parse (text, &plan->arena, &plan->problems);
    if (plan->root != NULL)
        fill_in (plan);
    else if (plan->problems.found == 0)
        zf_problem (&plan->problems, (zf_spot_t){.line = 0}, "there is nothing in it");
    return conclude (plan, options, err);
}

void zf_plan_free (zf_plan_t *plan)
{
    zf_problems_free (&plan->problems);
    zf_arena_free (&plan->arena);
    memset (plan, 0, sizeof *plan);
}
