#include "compose/topology_inside.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 800 };

void zf_topology_defaults_sized (zf_topology_options_t *options, size_t size)
{
    zf_topology_options_t own = {.struct_size = sizeof own};
    memset (options, 0, size);
    memcpy (options, &own, size < sizeof own ? size : sizeof own);
    options->struct_size = size;
}

static int check_options (const zf_topology_options_t *options, zf_error_t *err)
{
    if (options == NULL || options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "topology options: set them up with zf_topology_defaults ()");
    if ((options->file == NULL) == (options->text == NULL))
        return zf_error_set (err, ZF_E_INVAL, "topology options: either file or text");
    return 0;
}

int zf_topology_check (const zf_topology_options_t *options, zf_error_t *err)
{
    zf_plan_t plan;
    int rc = check_options (options, err);
    if (rc != 0)
        return rc;
    rc = zf_plan_read (&plan, options, err);
    zf_plan_free (&plan);
    return rc;
}

/* -- telling ----------------------------------------------------------------------------------- */

static void keep_told (zf_topology_t *self, const char *device, const char *line)
{
    size_t used = strlen (self->told);
    snprintf (self->told + used, self->told_size - used, "%s%s%s%s", used > 0 ? "\n" : "", device,
              device[0] != '\0' ? ": " : "", line);
}

void zf_topology_say (zf_topology_t *self, zf_log_level_t level, const char *device,
                      const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start (args, format);
    vsnprintf (line, sizeof line, format, args);
    va_end (args);
    if (self->options.on_log != NULL)
        self->options.on_log (self->options.arg, level, device, line);
    if (self->told != NULL)
        keep_told (self, device, line);
}

/* -- life -------------------------------------------------------------------------------------- */

static char *copy (const char *text)
{
    return text != NULL ? strdup (text) : NULL;
}

static void free_topology (zf_topology_t *self)
{
    if (self->has_now)
        zf_plan_free (&self->now);
    zf_plan_free (&self->started);
    union {
        const char *held;
        char *given; /* strdup gave them */
    } strings[] = {{self->options.file}, {self->options.text}, {self->options.name}};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        free (strings[i].given);
    pthread_mutex_destroy (&self->reloading);
    free (self->parts);
    free (self);
}

static zf_topology_t *new_topology (const zf_topology_options_t *options)
{
    static atomic_uint last;
    zf_topology_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->number = atomic_fetch_add (&last, 1);
    self->options = *options;
    self->options.file = copy (options->file);
    self->options.text = copy (options->text);
    self->options.name = copy (options->name);
    self->watch.stop_fd = -1;
    pthread_mutex_init (&self->reloading, NULL);
    bool complete = (self->options.file != NULL) == (options->file != NULL) &&
                    (self->options.text != NULL) == (options->text != NULL) &&
                    (self->options.name != NULL) == (options->name != NULL);
    if (!complete) {
        free_topology (self);
        return NULL;
    }
    return self;
}

const zf_plan_t *zf_topology_plan (const zf_topology_t *self)
{
    return self->has_now ? &self->now : &self->started;
}

/* -- starting ---------------------------------------------------------------------------------- */

static void tell_security (void *arg, const char *text)
{
    zf_topology_say (arg, ZF_LOG_WARNING, "", "security: %s", text);
}

/* Links connect; all others wait for somebody. */
static bool has_listeners (const zf_plan_t *plan)
{
    bool any = false;
    for (size_t i = 0; i < plan->device_count; i++)
        any |= plan->devices[i].kind != ZF_PLAN_LINK;
    return any;
}

static int start_security (zf_topology_t *self, zf_error_t *err)
{
    zf_security_options_t options = self->started.security.options;
    if (self->started.insecure)
        self->security = zf_security_insecure ();
    if (!self->started.security.is_there)
        return 0;
    options.on_log = tell_security;
    options.arg = self;
    if (options.authorised == NULL && has_listeners (&self->started))
        tell_security (self, "nobody may connect; authorised says who may");
    return zf_security_open (&self->security, &options, err);
}

/* All devices but links, or links only. */
static int start_devices (zf_topology_t *self, bool links, zf_error_t *err)
{
    int rc = 0;
    const zf_plan_t *plan = &self->started;
    for (size_t i = 0; i < plan->device_count && rc == 0; i++)
        if ((plan->devices[i].kind == ZF_PLAN_LINK) == links)
            rc = zf_topology_start_part (self, &plan->devices[i], err);
    return rc;
}

static int declare_all (zf_topology_t *self, zf_error_t *err)
{
    unsigned failed = 0;
    for (size_t i = 0; i < self->part_count && failed == 0; i++) {
        size_t at = zf_plan_find (&self->started, self->parts[i]->name);
        zf_topology_declare (self, self->parts[i], &self->started.devices[at], &failed, err);
    }
    return failed == 0 ? 0 : err->code;
}

/* As in the text: devices and links were started one after the other. */
static int by_order (const void *a, const void *b)
{
    const zf_part_t *const *p = a, *const *q = b;
    const zf_plan_t *plan = &(*p)->topology->started;
    size_t i = zf_plan_find (plan, (*p)->name), k = zf_plan_find (plan, (*q)->name);
    return i < k ? -1 : i > k;
}

static int start (zf_topology_t *self, zf_error_t *err)
{
    int rc = start_security (self, err);
    if (rc == 0)
        rc = zf_topology_start_peer (self, err);
    if (rc == 0)
        rc = start_devices (self, false, err);
    if (rc == 0)
        rc = declare_all (self, err);
    if (rc == 0)
        rc = start_devices (self, true, err);
    if (self->part_count > 1)
        qsort (self->parts, self->part_count, sizeof (zf_part_t *), by_order);
    if (rc == 0)
        rc = zf_topology_announce (self, err);
    return rc == 0 ? zf_topology_start_web (self, err) : rc;
}

int zf_topology_start (zf_topology_t **topology, const zf_topology_options_t *options,
                       zf_error_t *err)
{
    zf_error_t own = {.code = 0};
    zf_error_t *why = err != NULL ? err : &own;
    *topology = NULL;
    int rc = check_options (options, why);
    if (rc != 0)
        return rc;
    zf_topology_t *self = new_topology (options);
    if (self == NULL)
        return zf_error_set (why, ZF_E_NOMEM, "out of memory");
    pthread_mutex_lock (&self->reloading); /* the admin page is there before the rest is done */
    rc = zf_plan_read (&self->started, &self->options, why);
    if (rc == 0)
        rc = start (self, why);
    pthread_mutex_unlock (&self->reloading);
    *topology = self;
    if (rc != 0)
        zf_topology_stop (topology);
    return rc;
}

/* -- stopping ---------------------------------------------------------------------------------- */

/* Links before the devices that they are between. */
static void stop_parts (zf_topology_t *self, bool links)
{
    for (size_t i = self->part_count; i > 0; i--)
        if (!links || self->parts[i - 1]->kind == ZF_PLAN_LINK)
            zf_topology_stop_part (self, self->parts[i - 1]);
}

void zf_topology_stop (zf_topology_t **topology)
{
    zf_topology_t *self = *topology;
    if (self == NULL)
        return;
    zf_web_stop (&self->web); /* first: a reload that it asked for ends with it */
    stop_parts (self, true);
    zf_topology_stop_peer (self);
    stop_parts (self, false);
    zf_security_close (&self->security);
    free_topology (self);
    *topology = NULL;
}

/* -- looking ----------------------------------------------------------------------------------- */

const char *zf_topology_name (const zf_topology_t *topology, size_t i)
{
    return i < topology->part_count ? topology->parts[i]->name : NULL;
}

zf_device_t *zf_topology_device (const zf_topology_t *topology, size_t i)
{
    return i < topology->part_count ? topology->parts[i]->device : NULL;
}

bool zf_topology_each (zf_topology_t *topology, zf_topology_fn *fn, void *arg)
{
    bool goes_on = true;
    pthread_mutex_lock (&topology->reloading);
    for (size_t i = 0; i < topology->part_count && goes_on; i++)
        goes_on = fn (arg, topology->parts[i]->name, topology->parts[i]->device);
    pthread_mutex_unlock (&topology->reloading);
    return goes_on;
}

const char *zf_topology_admin (const zf_topology_t *topology)
{
    return topology->web != NULL ? zf_web_address (topology->web) : NULL;
}
