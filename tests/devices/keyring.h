/* What tests of keys share: a directory of keys, a security made from it, and what on_log is told.
 * Included by one source of a program. */
#ifndef TESTS_DEVICES_KEYRING_H
#define TESTS_DEVICES_KEYRING_H

#include "devices/keys.h"
#include "devices/security.h"
#include "devices/socket.h"

#include <ftw.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A pair of RFC 32. */
#define PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"

#define PATH_TEXT 256
#define LOG_MAX   64

/* What on_log was told. */
typedef struct {
    pthread_mutex_t lock;
    size_t count;
    char texts[LOG_MAX][300];
} log_t;

/* One case: a directory of its own, in it the pairs hub and ann, and a security. */
typedef struct {
    char dir[64];
    char hub[ZF_KEY_TEXT]; /* public keys */
    char ann[ZF_KEY_TEXT];
    zf_security_t *security;
    zf_security_options_t options;
    char key_path[PATH_TEXT], authorised_path[PATH_TEXT], rules_path[PATH_TEXT];
    zf_error_t err;
    log_t log;
} rig_t;

/* -- the rig ----------------------------------------------------------------------------------- */

static inline void note (void *arg, const char *text)
{
    log_t *log = arg;
    pthread_mutex_lock (&log->lock);
    if (log->count < LOG_MAX)
        snprintf (log->texts[log->count], sizeof log->texts[0], "%s", text);
    log->count++;
    pthread_mutex_unlock (&log->lock);
}

/* Names are relative to the rig's directory; the result is good until the fourth call from now. */
static inline const char *path_of (const rig_t *rig, const char *name)
{
    static char paths[4][PATH_TEXT];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf (path, PATH_TEXT, "%s/%s", rig->dir, name);
    return path;
}

/* As a whole: what reads it meanwhile has the old one or the new one. */
static inline void put_file (const rig_t *rig, const char *name, const char *text)
{
    const char *path = path_of (rig, name);
    const char *draft = path_of (rig, ".draft");
    FILE *file = fopen (draft, "w");
    assert_non_null (file);
    assert_true (fputs (text, file) >= 0);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (rename (draft, path), 0);
}

static inline void remove_file (const rig_t *rig, const char *name)
{
    assert_int_equal (unlink (path_of (rig, name)), 0);
}

static inline void make_pair (rig_t *rig, const char *name, char key[ZF_KEY_TEXT])
{
    assert_int_equal (zf_key_make (path_of (rig, name), name, &rig->err), 0);
    assert_int_equal (zf_key_read (path_of (rig, name), key, &rig->err), 0);
}

static inline const char *line_of (const char *key, const char *name)
{
    static char lines[4][128];
    static unsigned next;
    char *line = lines[next++ % 4];
    snprintf (line, sizeof lines[0], "%s %s\n", key, name);
    return line;
}

static inline int set_up (void **state)
{
    rig_t *rig = calloc (1, sizeof *rig);
    *state = rig;
    pthread_mutex_init (&rig->log.lock, NULL);
    strcpy (rig->dir, "/tmp/zferry-test-XXXXXX");
    assert_non_null (mkdtemp (rig->dir));
    make_pair (rig, "hub", rig->hub);
    make_pair (rig, "ann", rig->ann);
    zf_security_defaults (&rig->options);
    snprintf (rig->key_path, PATH_TEXT, "%s/hub", rig->dir);
    rig->options.key = rig->key_path;
    rig->options.on_log = note;
    rig->options.arg = &rig->log;
    return 0;
}

static inline int remove_entry (const char *path, const struct stat *is, int kind, struct FTW *walk)
{
    return remove (path);
}

static inline int tear_down (void **state)
{
    rig_t *rig = *state;
    zf_security_close (&rig->security);
    nftw (rig->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    pthread_mutex_destroy (&rig->log.lock);
    free (rig);
    return 0;
}

static inline int open_security (rig_t *rig)
{
    return zf_security_open (&rig->security, &rig->options, &rig->err);
}

/* Opens one for which the list `keys` is authorised; may be opened only once. */
static inline void open_with_list (rig_t *rig, const char *list)
{
    put_file (rig, "keys", list);
    snprintf (rig->authorised_path, PATH_TEXT, "%s/keys", rig->dir);
    rig->options.authorised = rig->authorised_path;
    assert_int_equal (open_security (rig), 0);
}

/* The directory `dir`, empty at first. */
static inline void use_directory (rig_t *rig)
{
    snprintf (rig->authorised_path, PATH_TEXT, "%s/dir", rig->dir);
    assert_int_equal (mkdir (rig->authorised_path, 0700), 0);
    rig->options.authorised = rig->authorised_path;
}

static inline bool is_let_in (rig_t *rig, const char *key)
{
    return zf_security_find (rig->security, key, NULL);
}

/* The text behind the directory's name is the expected one. */
static inline void assert_says (const rig_t *rig, const char *text, const char *expected)
{
    char whole[600];
    snprintf (whole, sizeof whole, "%s/%s", rig->dir, expected);
    assert_string_equal (text, whole);
}

static inline void assert_fails (const rig_t *rig, int rc, int code, const char *expected)
{
    assert_int_equal (rc, code);
    assert_int_equal (rig->err.code, code);
    assert_says (rig, rig->err.text, expected);
}

static inline void assert_told (rig_t *rig, size_t i, const char *expected)
{
    assert_in_range (i, 0, LOG_MAX - 1);
    assert_true (rig->log.count > i);
    assert_says (rig, rig->log.texts[i], expected);
}

#endif
