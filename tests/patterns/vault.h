/* The stage of the tests of security: a directory with key pairs, and securities made of them,
 * beside what events.h has. Taken down by vault_clear.
 *
 * A key pair NAME is DIR/NAME and DIR/NAME.pub; those that are authorised lie in DIR/in as well. */
#ifndef TESTS_PATTERNS_VAULT_H
#define TESTS_PATTERNS_VAULT_H

#include "devices/security.h"
#include "tests/patterns/events.h"

#include <sys/stat.h>

#define SECURITIES_MAX 16
#define PATH_TEXT      256

static struct {
    char dir[64]; /* "": none was made */
    zf_security_t *securities[SECURITIES_MAX];
} vault;

static inline const char *vault_path (char path[PATH_TEXT], const char *name, const char *end)
{
    snprintf (path, PATH_TEXT, "%s/%s%s", vault.dir, name, end);
    return path;
}

static inline int vault_set (void **state)
{
    char path[PATH_TEXT];
    (void) state;
    snprintf (vault.dir, sizeof vault.dir, "/tmp/zferry-vault-XXXXXX");
    assert_non_null (mkdtemp (vault.dir));
    return mkdir (vault_path (path, "in", ""), 0700);
}

static inline void make_key (const char *name)
{
    char path[PATH_TEXT];
    if (zf_key_make (vault_path (path, name, ""), name, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
}

static inline void authorise (const char *name)
{
    char from[PATH_TEXT], to[PATH_TEXT], place[64];
    snprintf (place, sizeof place, "in/%s", name);
    vault_path (from, name, ".pub");
    vault_path (to, place, ".pub");
    assert_int_equal (link (from, to), 0);
}

static inline void withdraw_key (const char *name)
{
    char path[PATH_TEXT], place[64];
    snprintf (place, sizeof place, "in/%s", name);
    assert_int_equal (unlink (vault_path (path, place, ".pub")), 0);
}

static inline const char *key_of (const char *name)
{
    static char key[ZF_KEY_TEXT];
    char path[PATH_TEXT];
    if (zf_key_read (vault_path (path, name, ".pub"), key, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return key;
}

static inline zf_security_t *secure_with (const zf_security_options_t *options)
{
    size_t i = 0;
    while (vault.securities[i] != NULL)
        i++;
    assert_true (i < SECURITIES_MAX);
    if (zf_security_open (&vault.securities[i], options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return vault.securities[i];
}

/* Who is `name`, lets in whoever is authorised, and connects to `server` (NULL: to nobody). */
static inline zf_security_t *secure (const char *name, const char *server, const char *rules)
{
    char key[PATH_TEXT], in[PATH_TEXT];
    zf_security_options_t options;
    zf_security_defaults (&options);
    options.key = vault_path (key, name, "");
    options.authorised = vault_path (in, "in", "");
    options.server_key = server != NULL ? key_of (server) : NULL;
    options.rules_text = rules;
    return secure_with (&options);
}

static inline int vault_clear (void **state)
{
    int rc = events_clear (state);
    for (size_t i = 0; i < SECURITIES_MAX; i++)
        zf_security_close (&vault.securities[i]);
    if (vault.dir[0] != '\0')
        nftw (vault.dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    vault.dir[0] = '\0';
    return rc;
}

#endif
