/* A link as a device: between two endpoints, or from a directory. */
#include "devices/device.h"
#include "patterns/spool.h"

#include <stdlib.h>

#define LINKS_MAX 1024 /* from one directory */

typedef struct {
    zf_device_t device; /* first */
    zf_link_t *link;    /* between endpoints */
    zf_spool_t *spool;  /* from a directory */
} link_device_t;

static link_device_t *link_device_of (zf_device_t *device)
{
    return (link_device_t *) (void *) device;
}

static void stop (zf_device_t *device)
{
    link_device_t *self = link_device_of (device);
    zf_link_close (&self->link);
    zf_spool_close (&self->spool);
    free (self);
}

static int tell_stats (zf_device_t *device, zf_stat_fn *fn, void *arg)
{
    link_device_t *self = link_device_of (device);
    zf_link_figures_t figures;
    if (self->link != NULL)
        zf_link_figures (self->link, &figures);
    else
        zf_spool_figures (self->spool, &figures);
    fn (arg, "backlog", figures.backlog);
    fn (arg, "lag_ms", figures.lag_ms);
    fn (arg, "looks", figures.looks);
    fn (arg, "rate", figures.rate);
    fn (arg, "forwarded", figures.forwarded);
    fn (arg, "confirmed", figures.confirmed);
    fn (arg, "duplicates", figures.duplicates);
    fn (arg, "rejected", figures.rejected);
    fn (arg, "restarts", figures.restarts);
    fn (arg, "connected_from", figures.connected_from);
    fn (arg, "connected_to", figures.connected_to);
    fn (arg, "refused", figures.refused);
    return 0;
}

static const zf_device_ops_t link_device_ops = {.stop = stop, .stats = tell_stats};

/* -- options ----------------------------------------------------------------------------------- */

static void set_defaults (zf_link_options_t *options)
{
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->name = "link";
    options->backoff_min_ms = 100;
    options->backoff_max_ms = 10000;
    options->failover_ms = 3000;
    options->window_bytes = 4u << 20;
}

void zf_link_defaults_sized (zf_link_options_t *options, size_t size)
{
    zf_link_options_t own;
    set_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

static bool is_endpoint (const char *from)
{
    return strstr (from, "://") != NULL;
}

static bool is_name (const char *name)
{
    size_t size = strnlen (name, ZF_NAME_MAX + 1);
    return size > 0 && size <= ZF_NAME_MAX;
}

static int check_ends (const zf_link_options_t *options, zf_error_t *err)
{
    if (options->from == NULL || options->from[0] == '\0')
        return zf_error_set (err, ZF_E_INVAL, "link options: from is missing");
    if (options->to == NULL || options->to_count == 0)
        return zf_error_set (err, ZF_E_INVAL, "link options: no endpoint to link to");
    if (is_endpoint (options->from) && options->from_queue == NULL)
        return zf_error_set (err, ZF_E_INVAL, "link options: from_queue is missing");
    if (options->from_queue == NULL && options->to_queue != NULL)
        return zf_error_set (err, ZF_E_INVAL,
                             "link options: to_queue names one queue, but all are linked");
    if ((options->from_queue != NULL && !is_name (options->from_queue)) ||
        (options->to_queue != NULL && !is_name (options->to_queue)))
        return zf_error_set (err, ZF_E_INVAL, "the name of a queue has 1 to %d bytes", ZF_NAME_MAX);
    return 0;
}

static int check (const zf_link_options_t *options, zf_error_t *err)
{
    if (options == NULL || options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL, "link options: set them up with zf_link_defaults ()");
    if (options->failover_ms == 0 || options->window_bytes == 0 || options->backoff_min_ms == 0)
        return zf_error_set (err, ZF_E_INVAL,
                             "link options: failover_ms, window_bytes or backoff_min_ms is 0");
    if (options->backoff_min_ms > options->backoff_max_ms)
        return zf_error_set (err, ZF_E_INVAL,
                             "link options: backoff_min_ms is above backoff_max_ms");
    return check_ends (options, err);
}

/* -- life -------------------------------------------------------------------------------------- */

static int open_inside (link_device_t *self, const zf_link_options_t *options, zf_error_t *err)
{
    if (is_endpoint (options->from))
        return zf_link_open (&self->link, options, NULL, err);
    zf_spool_options_t spool = {.dir = options->from, .max_links = LINKS_MAX, .link = *options};
    return zf_spool_open (&self->spool, &spool, err);
}

int zf_link_start (zf_device_t **device, const zf_link_options_t *options, zf_error_t *err)
{
    *device = NULL;
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    link_device_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->device.ops = &link_device_ops;
    rc = open_inside (self, options, err);
    if (rc != 0) {
        stop (&self->device);
        return zf_error_wrap (err, rc, "start the link");
    }
    *device = &self->device;
    return 0;
}
