#include "web/inside.h"

#include "core/bytes.h"
#include "devices/socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TOKEN_MIN 16

static void set_defaults (zf_web_options_t *options)
{
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->bind = "127.0.0.1:8090";
}

void zf_web_defaults_sized (zf_web_options_t *options, size_t size)
{
    zf_web_options_t own;
    set_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

/* A header holds no blanks or other bytes than these at the end or in the middle of a token. */
static bool is_token (const char *token)
{
    size_t size = strlen (token);
    for (size_t i = 0; i < size; i++)
        if (token[i] <= ' ' || token[i] > '~')
            return false;
    return size >= TOKEN_MIN;
}

static bool is_origin (const char *origin)
{
    size_t scheme = strncmp (origin, "https://", 8) == 0  ? 8
                    : strncmp (origin, "http://", 7) == 0 ? 7
                                                          : 0;
    return scheme > 0 && origin[scheme] != '\0' && strchr (origin + scheme, '/') == NULL;
}

static int check (const zf_web_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options || options->bind == NULL)
        return zf_error_set (err, ZF_E_INVAL, "web options: set them up with zf_web_defaults ()");
    if (options->token != NULL && !is_token (options->token))
        return zf_error_set (err, ZF_E_INVAL,
                             "web options: the token has at least %d visible characters",
                             TOKEN_MIN);
    if (options->private_reads && options->token == NULL)
        return zf_error_set (err, ZF_E_INVAL, "web options: private_reads wants a token");
    if (options->public_origin != NULL && !is_origin (options->public_origin))
        return zf_error_set (err, ZF_E_INVAL,
                             "web options: public_origin is as https://admin.example.org, with no "
                             "path behind it");
    return 0;
}

static zf_web_t *new_web (const zf_web_options_t *options)
{
    zf_web_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return NULL;
    self->listen.fd = -1;
    self->token = options->token != NULL ? strdup (options->token) : NULL;
    self->public_origin = options->public_origin != NULL ? strdup (options->public_origin) : NULL;
    self->private_reads = options->private_reads;
    self->peer = options->peer;
    self->on_reload = options->on_reload;
    self->arg = options->arg;
    self->started_ms = zf_clock_ms ();
    zf_web_list_open (&self->devices);
    pthread_mutex_init (&self->reloading, NULL);
    pthread_mutex_init (&self->lock, NULL);
    return self;
}

int zf_web_start (zf_web_t **web, const zf_web_options_t *options, zf_error_t *err)
{
    zf_web_options_t defaults;
    *web = NULL;
    if (options == NULL) {
        zf_web_defaults (&defaults);
        options = &defaults;
    }
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_web_t *self = new_web (options);
    if (self == NULL || (options->token != NULL && self->token == NULL) ||
        (options->public_origin != NULL && self->public_origin == NULL)) {
        zf_web_stop (&self);
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    }
    rc = zf_web_listen (&self->listen, options->bind, options->insecure, err);
    if (rc == 0)
        rc = zf_web_server_start (&self->server, self, self->listen.fd, err);
    if (rc != 0)
        zf_web_stop (&self);
    *web = self;
    return rc;
}

void zf_web_stop (zf_web_t **web)
{
    zf_web_t *self = web != NULL ? *web : NULL;
    if (self == NULL)
        return;
    *web = NULL;
    zf_web_server_stop (&self->server);
    zf_web_list_close (&self->devices);
    pthread_mutex_destroy (&self->reloading);
    pthread_mutex_destroy (&self->lock);
    free (self->public_origin);
    free (self->token);
    free (self);
}

const char *zf_web_address (const zf_web_t *self)
{
    return self->listen.address;
}

int zf_web_add (zf_web_t *self, const zf_web_device_t *device, zf_error_t *err)
{
    if (device->name == NULL || device->name[0] == '\0' || device->kind == NULL ||
        device->device == NULL)
        return zf_error_set (err, ZF_E_INVAL, "a device to be shown has a name and a kind");
    return zf_web_list_add (&self->devices, device, err);
}

void zf_web_remove (zf_web_t *self, const char *name)
{
    zf_web_list_remove (&self->devices, name);
}

void zf_web_not_ready (zf_web_t *self, const char *why)
{
    pthread_mutex_lock (&self->lock);
    snprintf (self->not_ready, sizeof self->not_ready, "%s", why != NULL ? why : "");
    pthread_mutex_unlock (&self->lock);
}
