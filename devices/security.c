#include "devices/security_inside.h"

#include <stdlib.h>
#include <zmq.h>

#define HANDSHAKE_MS 5000

static zf_security_t insecure; /* only its address counts */

int zf_security_reload (zf_security_t *security, zf_error_t *err)
{
    if (security == &insecure)
        return 0;
    pthread_mutex_lock (&security->reading);
    int rc = zf_security_read (security, err);
    pthread_mutex_unlock (&security->reading);
    return rc;
}

/* -- asking ------------------------------------------------------------------------------------ */

bool zf_security_is_insecure (const zf_security_t *security)
{
    return security == &insecure;
}

const char *zf_security_public_key (const zf_security_t *security)
{
    return security->own_key;
}

const uint8_t *zf_security_own_public (const zf_security_t *security)
{
    return security->own_public;
}

const uint8_t *zf_security_own_secret (const zf_security_t *security)
{
    return security->own_secret;
}

const char *zf_security_server_key (const zf_security_t *security)
{
    return security->server_key[0] != '\0' ? security->server_key : NULL;
}

/* Where any key will do, nobody has a name. */
bool zf_security_find (zf_security_t *security, const char *key, zf_subject_t *subject)
{
    zf_subject_t who = {.name = ""};
    bool found = security->is_any && zf_key_decode (key, NULL);
    if (found)
        memcpy (who.key, key, sizeof who.key);
    pthread_mutex_lock (&security->lock);
    const zf_subject_t *listed =
        security->keys != NULL ? zf_keyring_find (security->keys, key) : NULL;
    if (listed != NULL)
        who = *listed;
    pthread_mutex_unlock (&security->lock);
    found |= listed != NULL;
    if (found && subject != NULL) {
        zf_key_fingerprint (who.key, who.fingerprint);
        *subject = who;
    }
    return found;
}

zf_access_t *zf_security_access (zf_security_t *security)
{
    pthread_mutex_lock (&security->lock);
    zf_access_t *access = security->access != NULL ? zf_access_hold (security->access) : NULL;
    pthread_mutex_unlock (&security->lock);
    return access;
}

uint64_t zf_security_version (const zf_security_t *security)
{
    return atomic_load (&security->version);
}

/* -- life -------------------------------------------------------------------------------------- */

void zf_security_defaults_sized (zf_security_options_t *options, size_t size)
{
    zf_security_options_t own = {.struct_size = sizeof own};
    zf_options_fill (options, size, &own, sizeof own);
}

void zf_limits_defaults_sized (zf_limits_t *limits, size_t size)
{
    zf_limits_t own = {.struct_size = sizeof own, .handshake_ms = HANDSHAKE_MS};
    zf_options_fill (limits, size, &own, sizeof own);
}

static int check (const zf_security_options_t *options, zf_error_t *err)
{
    if (options == NULL || options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "security options: set them up with zf_security_defaults ()");
    if (options->key == NULL)
        return zf_error_set (err, ZF_E_INVAL, "security options: no key, the file of our own");
    if (options->rules != NULL && options->rules_text != NULL)
        return zf_error_set (err, ZF_E_INVAL,
                             "security options: rules come from a file or a text, not both");
    return 0;
}

/* Both halves, and they must belong together. */
static int take_key (zf_security_t *self, const zf_cert_t *cert, const char *path, zf_error_t *err)
{
    char derived[ZF_KEY_TEXT];
    if (cert->secret_key[0] == '\0')
        return zf_error_set (err, ZF_E_INVAL,
                             "%s: there is no secret key in it; ours is the file without .pub",
                             path);
    if (zmq_curve_public (derived, cert->secret_key) != 0)
        return zf_error_set (err, ZF_E_IO, "%s: this libzmq is built without CURVE", path);
    if (strcmp (derived, cert->public_key) != 0)
        return zf_error_set (err, ZF_E_INVAL, "%s: its public key is not that of its secret key",
                             path);
    memcpy (self->own_key, cert->public_key, sizeof self->own_key);
    zf_key_decode (cert->public_key, self->own_public);
    zf_key_decode (cert->secret_key, self->own_secret);
    return 0;
}

static bool is_for_others (const char *path)
{
    size_t size = strlen (path);
    return size >= 4 && strcmp (path + size - 4, ".pub") == 0;
}

static int read_own (zf_security_t *self, const char *path, zf_error_t *err)
{
    zf_writer_t text;
    zf_cert_t cert = {.bad_name = 0};
    int rc = zf_keyring_load (&text, path, ZF_CERT_FILE, true, err);
    if (rc == ZF_E_DENIED && is_for_others (path)) /* its mode is right, it is the wrong file */
        rc = zf_error_set (err, ZF_E_INVAL,
                           "%s: that is the half for others; ours is the file without .pub", path);
    if (rc == 0)
        rc = zf_cert_parse (&cert, zf_bytes (text.data, text.size), path, err);
    if (rc == 0)
        rc = take_key (self, &cert, path, err);
    zf_keyring_wipe (&text);
    explicit_bzero (&cert, sizeof cert);
    return rc;
}

static int take_path (zf_source_t *source, const char *path, zf_error_t *err)
{
    if (path == NULL || (source->path = strdup (path)) != NULL)
        return 0;
    return zf_error_set (err, ZF_E_NOMEM, "out of memory");
}

/* Nobody is told of what is read for the first time. */
static int read_all (zf_security_t *self, const zf_security_options_t *options, zf_error_t *err)
{
    self->is_any = options->authorised != NULL && strcmp (options->authorised, "*") == 0;
    int rc = read_own (self, options->key, err);
    if (rc == 0 && options->server_key != NULL)
        rc = zf_key_read (options->server_key, self->server_key, err);
    if (rc == 0)
        rc = take_path (&self->authorised, self->is_any ? NULL : options->authorised, err);
    if (rc == 0)
        rc = take_path (&self->rules, options->rules, err);
    if (rc == 0 && options->rules_text != NULL)
        rc = zf_access_parse (&self->access, zf_bytes_of (options->rules_text), "rules", err);
    if (rc == 0)
        rc = zf_security_read (self, err);
    self->on_log = options->on_log;
    self->arg = options->arg;
    return rc;
}

static void free_security (zf_security_t *self)
{
    pthread_mutex_destroy (&self->reading);
    pthread_mutex_destroy (&self->lock);
    pthread_mutex_destroy (&self->telling);
    zf_keyring_free (&self->keys);
    zf_access_drop (&self->access);
    free (self->authorised.path);
    free (self->rules.path);
    explicit_bzero (self->own_secret, sizeof self->own_secret);
    free (self);
}

int zf_security_open (zf_security_t **security, const zf_security_options_t *options,
                      zf_error_t *err)
{
    *security = NULL;
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_security_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    atomic_init (&self->holders, 1);
    atomic_init (&self->version, 1); /* 0 is what a device has put into force that has not looked */
    pthread_mutex_init (&self->reading, NULL);
    pthread_mutex_init (&self->lock, NULL);
    pthread_mutex_init (&self->telling, NULL);
    rc = read_all (self, options, err);
    if (rc == 0)
        *security = self;
    else
        free_security (self);
    return rc;
}

zf_security_t *zf_security_insecure (void)
{
    return &insecure;
}

zf_security_t *zf_security_hold (zf_security_t *security)
{
    if (zf_security_is_on (security))
        atomic_fetch_add (&security->holders, 1);
    return security;
}

void zf_security_drop (zf_security_t **security)
{
    zf_security_t *self = *security;
    *security = NULL;
    if (zf_security_is_on (self) && atomic_fetch_sub (&self->holders, 1) == 1)
        free_security (self);
}

/* Devices and handles may keep it; whoever is told by on_log is not there any more. */
void zf_security_close (zf_security_t **security)
{
    zf_security_t *self = *security;
    if (zf_security_is_on (self)) {
        pthread_mutex_lock (&self->telling);
        self->on_log = NULL;
        pthread_mutex_unlock (&self->telling);
    }
    zf_security_drop (security);
}
