/* The admin page of a topology. */
#include "compose/topology_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A reload that was asked for by HTTP: what it has to say goes into text. */
static int on_reload (void *arg, char *text, size_t size)
{
    zf_error_t err = {.code = 0};
    int rc = zf_topology_reload_telling (arg, NULL, text, size, &err);
    if (rc != 0 && text[0] == '\0')
        snprintf (text, size, "%s", err.text);
    return rc;
}

static const char *journal_of (const zf_plan_device_t *device)
{
    if (device->kind == ZF_PLAN_BROKER)
        return device->broker.journal;
    if (device->kind == ZF_PLAN_FORWARDER)
        return device->forwarder.journal;
    bool is_spool = device->kind == ZF_PLAN_LINK && device->from_device == SIZE_MAX &&
                    strstr (device->link.from, "://") == NULL;
    return is_spool ? device->link.from : NULL;
}

/* -- what a device connects to ----------------------------------------------------------------- */

typedef struct {
    const char **list; /* endpoints */
    size_t count;      /* of them */
} joins_t;

static void join (const zf_topology_t *self, joins_t *joins, const char *end)
{
    const zf_part_t *part = zf_topology_part (self, end);
    const char *to = part != NULL ? part->inner : end;
    if (strstr (to, "://") != NULL)
        joins->list[joins->count++] = to[0] == '>' ? to + 1 : to;
}

static void join_connected (const zf_topology_t *self, joins_t *joins, const char *const *endpoints,
                            size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (endpoints[i][0] == '>')
            join (self, joins, endpoints[i]);
}

/* Returns false when out of memory. */
static bool find_joins (const zf_topology_t *self, const zf_plan_device_t *device, joins_t *joins)
{
    const zf_link_options_t *link = &device->link;
    const zf_forwarder_options_t *forwarder = &device->forwarder;
    size_t room = 1 + link->to_count + forwarder->pub_count + forwarder->sub_count;
    joins->list = calloc (room, sizeof *joins->list);
    if (joins->list == NULL)
        return false;
    if (device->kind == ZF_PLAN_LINK) {
        join (self, joins, link->from);
        for (size_t i = 0; i < link->to_count; i++)
            join (self, joins, link->to[i]);
    } else if (device->kind == ZF_PLAN_FORWARDER) {
        join_connected (self, joins, forwarder->pubs, forwarder->pub_count);
        join_connected (self, joins, forwarder->subs, forwarder->sub_count);
    }
    return true;
}

int zf_topology_show (zf_topology_t *self, zf_part_t *part, const zf_plan_device_t *device,
                      zf_error_t *err)
{
    joins_t joins = {.count = 0};
    if (self->web == NULL)
        return 0;
    if (!find_joins (self, device, &joins))
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    zf_web_device_t shown = {.name = part->name,
                             .kind = zf_plan_kind_name (part->kind),
                             .device = part->device,
                             .journal = journal_of (device),
                             .joins = joins.list,
                             .join_count = joins.count};
    int rc = zf_web_add (self->web, &shown, err);
    part->is_in_web = rc == 0;
    free (joins.list);
    return rc;
}

int zf_topology_start_web (zf_topology_t *self, zf_error_t *err)
{
    zf_web_options_t options = self->started.admin.options;
    const zf_plan_t *plan = &self->started;
    if (!plan->admin.is_there)
        return 0;
    options.peer = self->peer;
    options.on_reload = on_reload;
    options.arg = self;
    int rc = zf_web_start (&self->web, &options, err);
    if (rc != 0)
        return zf_error_wrap (err, rc, "admin");
    for (size_t i = 0; i < self->part_count && rc == 0; i++) {
        zf_part_t *part = self->parts[i];
        rc = zf_topology_show (self, part, &plan->devices[zf_plan_find (plan, part->name)], err);
    }
    return rc;
}

/* -- without starting it ----------------------------------------------------------------------- */

static bool fits (const char *text, char *room, size_t size)
{
    int n = snprintf (room, size, "%s", text != NULL ? text : "");
    return n >= 0 && (size_t) n < size;
}

int zf_topology_find_admin (const zf_topology_options_t *options, char *bind, size_t bind_size,
                            char *token_file, size_t token_file_size, zf_error_t *err)
{
    zf_plan_t plan;
    int rc = zf_plan_read (&plan, options, err);
    if (rc == 0 && !plan.admin.is_there)
        rc = zf_error_set (err, ZF_E_NOT_FOUND, "%s has no admin", plan.file);
    else if (rc == 0 && (!fits (plan.admin.options.bind, bind, bind_size) ||
                         !fits (plan.admin.token_file, token_file, token_file_size)))
        rc = zf_error_set (err, ZF_E_INVAL, "%s: what it says of admin is too long", plan.file);
    zf_plan_free (&plan);
    return rc;
}
