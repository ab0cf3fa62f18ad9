/* Reading keys and rules, again and again, and telling people of it. */
#include "devices/security_inside.h"

#include "devices/socket.h"

#include <stdarg.h>
#include <xxhash.h>

#define FRESH_MS  2000 /* what changed so recently may change again without a new mark */
#define TELLS_MAX 20   /* on_log is told of others */
#define TELLS_MS  1000 /* in this time */
#define TEXT_MAX  512  /* bytes of what on_log is told */

/* -- telling people ---------------------------------------------------------------------------- */

static void tell (zf_security_t *self, const char *text)
{
    pthread_mutex_lock (&self->telling);
    if (self->on_log != NULL)
        self->on_log (self->arg, text);
    pthread_mutex_unlock (&self->telling);
}

/* How many were not told in a time that is over now. Under telling. */
static unsigned end_time (zf_security_t *self)
{
    uint64_t now_ms = zf_clock_ms ();
    unsigned untold = self->untold;
    if (now_ms - self->since_ms < TELLS_MS)
        return 0;
    self->since_ms = now_ms;
    self->tells = 0;
    self->untold = 0;
    return untold;
}

static void tell_untold (zf_security_t *self, unsigned untold)
{
    char text[TEXT_MAX];
    snprintf (text, sizeof text, "%u more that were not told", untold);
    if (untold > 0)
        tell (self, text);
}

void zf_security_log (zf_security_t *security, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;
    pthread_mutex_lock (&security->telling);
    unsigned untold = end_time (security);
    bool may = security->tells < TELLS_MAX;
    security->tells += may;
    security->untold += !may;
    pthread_mutex_unlock (&security->telling);
    tell_untold (security, untold);
    if (!may)
        return;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    tell (security, text);
}

/* -- reading ----------------------------------------------------------------------------------- */

/* True if it may be another than what was read last. */
static bool has_changed (zf_source_t *source)
{
    uint64_t newest = 0;
    if (source->path == NULL)
        return false;
    uint64_t mark = zf_keyring_mark (source->path, &newest);
    uint64_t now_ms = zf_clock_wall_ms ();
    bool changed = mark != source->mark || source->is_fresh;
    if (mark != source->mark)
        source->told.code = 0; /* what still fails is told once more: somebody waits for it */
    source->mark = mark;
    source->is_fresh = newest <= now_ms && now_ms - newest < FRESH_MS;
    return changed;
}

/* What is in force, or was read and is not yet. */
typedef struct {
    zf_keyring_t *keys;  /* of authorised */
    zf_access_t *access; /* of rules */
    uint64_t content;    /* hash of it */
} found_t;

static void drop_found (found_t *found)
{
    zf_keyring_free (&found->keys);
    zf_access_drop (&found->access);
}

/* Anything but blanks and comments. */
static bool has_rule (zf_bytes_t text)
{
    bool in_comment = false;
    for (size_t i = 0; i < text.size; i++) {
        char byte = ((const char *) text.data)[i];
        if (byte == '#' || byte == '\n')
            in_comment = byte == '#';
        else if (!in_comment && strchr (" \t\r", byte) == NULL)
            return true;
    }
    return false;
}

/* A file with nothing in it is one that somebody is about to write, or whose last rule he has put
 * behind a #: that does not mean that everybody may do everything. */
static int parse_rules (found_t *found, zf_bytes_t text, const char *where, zf_error_t *err)
{
    found->content = XXH3_64bits (text.data, text.size);
    if (has_rule (text))
        return zf_access_parse (&found->access, text, where, err);
    return zf_error_set (err, ZF_E_INVAL,
                         "%s: empty: without a rule everything is allowed; if that is meant, give "
                         "no rules",
                         where);
}

static int read_rules (found_t *found, const char *path, zf_error_t *err)
{
    zf_writer_t text;
    int rc = zf_keyring_load (&text, path, ZF_KEYRING_FILE, false, err);
    if (rc == 0)
        rc = parse_rules (found, zf_bytes (text.data, text.size), path, err);
    zf_writer_free (&text);
    return rc;
}

static int read_source (const zf_security_t *self, const zf_source_t *source, found_t *found,
                        zf_error_t *err)
{
    *found = (found_t){.keys = NULL};
    if (source->path == NULL)
        return 0;
    if (source == &self->rules)
        return read_rules (found, source->path, err);
    int rc = zf_keyring_read (&found->keys, source->path, err);
    found->content = found->keys != NULL ? zf_keyring_content (found->keys) : 0;
    return rc;
}

/* -- putting into force ------------------------------------------------------------------------ */

static void tell_change (zf_security_t *self, const zf_source_t *source, size_t keys)
{
    char text[TEXT_MAX];
    if (source == &self->rules)
        snprintf (text, sizeof text, "%s: read again", source->path);
    else
        snprintf (text, sizeof text, "%s: read again: %zu key%s", source->path, keys,
                  keys == 1 ? "" : "s");
    tell (self, text);
}

/* Takes over what was found. */
static void install (zf_security_t *self, zf_source_t *source, found_t *found)
{
    found_t before = *found;
    size_t keys = found->keys != NULL ? zf_keyring_count (found->keys) : 0;
    source->told.code = 0;
    if (source->path != NULL && found->content != source->content) {
        pthread_mutex_lock (&self->lock);
        if (source == &self->rules) {
            before.access = self->access;
            self->access = found->access;
        } else {
            before.keys = self->keys;
            self->keys = found->keys;
        }
        atomic_fetch_add (&self->version, 1);
        pthread_mutex_unlock (&self->lock);
        source->content = found->content;
        tell_change (self, source, keys);
    }
    drop_found (&before);
}

/* Once for each change, however often it is tried. What can't be read for want of something else is
 * tried again, changed or not. */
static void tell_failure (zf_security_t *self, zf_source_t *source, const zf_error_t *err,
                          const char *outcome)
{
    char text[TEXT_MAX];
    bool is_known = source->told.code != 0 && strcmp (source->told.text, err->text) == 0;
    source->is_fresh |= err->code != ZF_E_INVAL;
    source->told = *err;
    snprintf (text, sizeof text, "%s; %s", err->text, outcome);
    if (!is_known)
        tell (self, text);
}

static void watch (zf_security_t *self, zf_source_t *source)
{
    found_t found;
    zf_error_t err = {0};
    if (!has_changed (source))
        return;
    if (read_source (self, source, &found, &err) == 0) {
        install (self, source, &found);
    } else if (found.keys != NULL) { /* who is taken out is out, whatever else is wrong */
        zf_error_t told = source->told;
        install (self, source, &found);
        source->told = told;
        tell_failure (self, source, &err, "it is left out");
    } else {
        drop_found (&found);
        tell_failure (self, source, &err, "what was in force stays so");
    }
}

void zf_security_watch (zf_security_t *security)
{
    pthread_mutex_lock (&security->telling);
    unsigned untold = end_time (security);
    pthread_mutex_unlock (&security->telling);
    tell_untold (security, untold);
    pthread_mutex_lock (&security->reading);
    watch (security, &security->authorised);
    watch (security, &security->rules);
    pthread_mutex_unlock (&security->reading);
}

/* Marks are looked at first: what changes while it is read changes them once more. What was good of
 * a reload that failed comes into force with the next watch. */
int zf_security_read (zf_security_t *self, zf_error_t *err)
{
    found_t keys;
    found_t rules = {.keys = NULL};
    has_changed (&self->authorised);
    has_changed (&self->rules);
    int rc = read_source (self, &self->authorised, &keys, err);
    if (rc == 0)
        rc = read_source (self, &self->rules, &rules, err);
    if (rc == 0) {
        install (self, &self->authorised, &keys);
        install (self, &self->rules, &rules);
    } else {
        drop_found (&keys);
        drop_found (&rules);
        self->authorised.is_fresh = true;
        self->rules.is_fresh = true;
    }
    return rc;
}
