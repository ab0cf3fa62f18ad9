/* What people write about keys: rules, lists of authorised keys, certificates. The same text is
 * read as each of them; what is made of it holds what its header promises.
 *
 * Input: the text. */
#include "core/access.h"
#include "devices/keys.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <zferry/error.h>

#define KEY "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7" /* of RFC 32 */

static void check (bool holds)
{
    if (!holds)
        abort ();
}

/* A failure is one of those that are promised, and says where it is. */
static void check_failure (int rc, const zf_error_t *err)
{
    check (rc == ZF_E_INVAL || rc == ZF_E_LIMIT || rc == ZF_E_NOMEM);
    check (err->code == rc && strncmp (err->text, "text:", 5) == 0);
}

/* -- rules ------------------------------------------------------------------------------------- */

/* Bits: what this subject may do with this name. */
static unsigned rights_of (const zf_access_t *access, const char *who, zf_bytes_t name)
{
    zf_subject_t subject = {.key = KEY};
    unsigned rights = 0;
    snprintf (subject.name, sizeof subject.name, "%s", who);
    for (unsigned right = ZF_MAY_POST; right <= ZF_MAY_ADMINISTER; right <<= 1)
        if (zf_access_may (access, &subject, (zf_right_t) right, name))
            rights |= right;
    return rights;
}

/* A right on a stream is one on its groups; the same text gives the same rights. */
static void check_rights (const zf_access_t *access, const zf_access_t *again, zf_bytes_t name)
{
    static const char *const names[] = {"", "ann", "till-7", "x"};
    char group[ZF_KEY_NAME_MAX + 4];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsigned rights = rights_of (access, names[i], name);
        check (rights == rights_of (again, names[i], name));
        if (name.size == 0 || name.size > ZF_KEY_NAME_MAX || memchr (name.data, '@', name.size))
            continue;
        memcpy (group, name.data, name.size);
        memcpy (group + name.size, "@g", 2);
        check ((rights & ~rights_of (access, names[i], zf_bytes (group, name.size + 2))) == 0);
    }
    check (zf_access_may (access, NULL, ZF_MAY_ADMINISTER, name));
}

/* Asks for each word of the text, and for names that may be in none. */
static void check_words (const zf_access_t *access, const zf_access_t *again, zf_bytes_t text)
{
    const char *at = text.data;
    size_t from = 0;
    for (size_t i = 0, asked = 0; i <= text.size && asked < 64; i++) {
        if (i < text.size && at[i] > ' ')
            continue;
        check_rights (access, again, zf_bytes (at + from, i - from));
        from = i + 1;
        asked++;
    }
    check_rights (access, again, zf_bytes_of ("jobs"));
    check_rights (access, again, zf_bytes_of ("orders.eu@billing"));
}

static void read_rules (zf_bytes_t text)
{
    zf_error_t err = {0};
    zf_access_t *access = NULL;
    zf_access_t *again = NULL;
    int rc = zf_access_parse (&access, text, "text", &err);
    check ((rc == 0) == (access != NULL));
    if (rc != 0) {
        check_failure (rc, &err);
        return;
    }
    check (zf_access_parse (&again, text, "text", &err) == 0);
    check_words (access, again, text);
    zf_access_drop (&again);
    zf_access_drop (&access);
}

/* -- keys -------------------------------------------------------------------------------------- */

/* Whatever follows a line's beginning or a blank may be a key that is in the list. */
static void check_list (const zf_keyring_t *keys, zf_bytes_t text)
{
    char key[ZF_KEY_TEXT] = "";
    const char *at = text.data;
    for (size_t i = 0; i + ZF_KEY_TEXT - 1 <= text.size; i++) {
        memcpy (key, at + i, ZF_KEY_TEXT - 1);
        const zf_subject_t *who = zf_keyring_find (keys, key);
        if (who == NULL)
            continue;
        check (strcmp (who->key, key) == 0 && zf_key_decode (key, NULL));
        check (zf_key_is_name (zf_bytes_of (who->name)));
    }
}

static void read_list (zf_bytes_t text)
{
    zf_error_t err = {0};
    zf_keyring_t *keys = zf_keyring_new ();
    check (keys != NULL && zf_keyring_content (keys) != 0);
    int rc = zf_keyring_parse (keys, text, "text", &err);
    if (rc != 0)
        check_failure (rc, &err);
    check_list (keys, text);
    zf_keyring_free (&keys);
}

static void read_cert (zf_bytes_t text)
{
    zf_error_t err = {0};
    zf_cert_t cert;
    zf_keyring_t *keys = zf_keyring_new ();
    int rc = zf_cert_parse (&cert, text, "text", &err);
    if (rc != 0)
        check_failure (rc, &err);
    check (rc != 0 || zf_key_decode (cert.public_key, NULL));
    check (rc != 0 || cert.secret_key[0] == '\0' || zf_key_decode (cert.secret_key, NULL));
    check (rc != 0 || cert.name[0] == '\0' || zf_key_is_name (zf_bytes_of (cert.name)));
    int added = zf_keyring_add_cert (keys, text, "text", &err);
    check (rc == 0 || added == rc);
    check ((added == 0) == (zf_keyring_count (keys) == 1));
    check (added != 0 || zf_keyring_find (keys, cert.public_key) != NULL);
    zf_keyring_free (&keys);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc (size); /* which ends where its memory ends */
    check (copy != NULL || size == 0);
    if (size > 0)
        memcpy (copy, data, size);
    zf_bytes_t text = zf_bytes (copy, size);
    read_rules (text);
    read_list (text);
    read_cert (text);
    free (copy);
    return 0;
}
