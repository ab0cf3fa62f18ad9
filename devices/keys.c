#include "devices/keys.h"

#include "core/hash.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include <zmq.h>

#define KEY_CHARS (ZF_KEY_TEXT - 1)
#define SUFFIX    ".pub"

typedef struct {
    UT_hash_handle hh; /* by the key */
    zf_subject_t who;
} entry_t;

struct zf_keyring {
    entry_t *entries; /* (uthash) */
};

/* -- keys and names ---------------------------------------------------------------------------- */

bool zf_key_decode (const char *key, uint8_t bytes[ZF_KEY_BYTES])
{
    uint8_t ignored[ZF_KEY_BYTES];
    return strlen (key) == KEY_CHARS &&
           zmq_z85_decode (bytes != NULL ? bytes : ignored, key) != NULL;
}

/* Copies a word that is a key; false: it is none. */
static bool take_key (zf_bytes_t word, char key[ZF_KEY_TEXT])
{
    if (word.size != KEY_CHARS)
        return false;
    memcpy (key, word.data, KEY_CHARS);
    key[KEY_CHARS] = '\0';
    return zf_key_decode (key, NULL);
}

bool zf_key_is_name (zf_bytes_t name)
{
    char key[ZF_KEY_TEXT];
    const char *text = name.data;
    if (name.size == 0 || name.size > ZF_KEY_NAME_MAX || take_key (name, key))
        return false;
    for (size_t i = 0; i < name.size; i++)
        if ((unsigned char) text[i] <= ' ' || text[i] == 0x7f || strchr ("#\"*", text[i]) != NULL)
            return false;
    return true;
}

static void copy_name (char name[ZF_KEY_NAME_MAX + 1], zf_bytes_t text)
{
    memcpy (name, text.data, text.size);
    name[text.size] = '\0';
}

/* -- lines ------------------------------------------------------------------------------------- */

/* A text, as far as it was read. */
typedef struct {
    const char *where; /* it is from, for people */
    uint32_t line;     /* number of the line that was read last */
    zf_reader_t rest;  /* of the text */
    zf_error_t *err;
} reading_t;

static reading_t reading_of (zf_bytes_t text, const char *where, zf_error_t *err)
{
    reading_t reading = {.where = where, .rest = zf_reader (text), .err = err};
    return reading;
}

/* Says what is wrong with the line; returns ZF_E_INVAL. */
static int ZF_PRINTF (2, 3) wrong (const reading_t *reading, const char *format, ...)
{
    char text[sizeof reading->err->text];
    va_list args;
    va_start (args, format);
    vsnprintf (text, sizeof text, format, args);
    va_end (args);
    return zf_error_set (reading->err, ZF_E_INVAL, "%s:%u: %s", reading->where, reading->line,
                         text);
}

/* The next line, without its end; false: there is none. */
static bool next_line (reading_t *reading, zf_bytes_t *line)
{
    size_t left = zf_reader_left (&reading->rest);
    if (left == 0)
        return false;
    const uint8_t *end = memchr (reading->rest.at, '\n', left);
    size_t size = end != NULL ? (size_t) (end - reading->rest.at) : left;
    *line = zf_read_bytes (&reading->rest, size);
    if (end != NULL)
        zf_read_u8 (&reading->rest);
    reading->line++;
    return true;
}

static bool is_blank (char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static zf_bytes_t trim (zf_bytes_t text)
{
    const char *from = text.data;
    const char *end = from + text.size;
    while (from < end && is_blank (*from))
        from++;
    while (from < end && is_blank (end[-1]))
        end--;
    return zf_bytes (from, (size_t) (end - from));
}

/* The next word of a line; empty: there is none. */
static zf_bytes_t next_word (zf_bytes_t *line)
{
    *line = trim (*line);
    const char *text = line->data;
    size_t size = 0;
    while (size < line->size && !is_blank (text[size]))
        size++;
    zf_bytes_t word = zf_bytes (text, size);
    *line = zf_bytes (text + size, line->size - size);
    return word;
}

static bool begins_comment (zf_bytes_t text)
{
    return text.size > 0 && *(const char *) text.data == '#';
}

/* -- certificates ------------------------------------------------------------------------------ */

/* The value behind the =, without quotes or comment; false: it is none. */
static bool take_value (zf_bytes_t text, zf_bytes_t *value)
{
    zf_bytes_t raw = trim (text);
    const char *at = raw.data;
    bool quoted = raw.size > 0 && (*at == '"' || *at == '\'');
    const char *from = quoted ? at + 1 : at;
    size_t left = raw.size - quoted;
    const char *end = left > 0 ? memchr (from, quoted ? *at : '#', left) : NULL;
    if (quoted && end == NULL)
        return false;
    *value = zf_bytes (from, end != NULL ? (size_t) (end - from) : left);
    if (!quoted) {
        *value = trim (*value);
        return true;
    }
    zf_bytes_t behind = trim (zf_bytes (end + 1, left - value->size - 1));
    return behind.size == 0 || begins_comment (behind);
}

static int take_cert_key (const reading_t *reading, const char *what, zf_bytes_t value,
                          char key[ZF_KEY_TEXT])
{
    if (key[0] != '\0')
        return wrong (reading, "a second %s", what);
    if (!take_key (value, key)) {
        key[0] = '\0';
        return wrong (reading, "%s is no key: that has 40 characters, Z85", what);
    }
    return 0;
}

/* Others' certificates may be called anything: it only matters where names do. */
static int take_cert_name (const reading_t *reading, zf_bytes_t value, zf_cert_t *cert)
{
    if (cert->name[0] != '\0' || cert->bad_name != 0)
        return wrong (reading, "a second name");
    if (zf_key_is_name (value))
        copy_name (cert->name, value);
    else
        cert->bad_name = reading->line;
    return 0;
}

/* NAME = VALUE, in a section. */
static int take_setting (const reading_t *reading, zf_bytes_t section, zf_bytes_t line,
                         zf_cert_t *cert)
{
    zf_bytes_t value;
    const char *text = line.data;
    const char *equals = memchr (text, '=', line.size);
    size_t size = equals != NULL ? (size_t) (equals - text) : 0;
    zf_bytes_t name = trim (zf_bytes (text, size));
    if (name.size == 0 || !take_value (zf_bytes (text + size + 1, line.size - size - 1), &value))
        return wrong (reading, "a line of a certificate is NAME = \"VALUE\"");
    bool is_curve = zf_bytes_equal (section, zf_bytes_of ("curve"));
    if (is_curve && zf_bytes_equal (name, zf_bytes_of ("public-key")))
        return take_cert_key (reading, "public-key", value, cert->public_key);
    if (is_curve && zf_bytes_equal (name, zf_bytes_of ("secret-key")))
        return take_cert_key (reading, "secret-key", value, cert->secret_key);
    bool is_metadata = zf_bytes_equal (section, zf_bytes_of ("metadata"));
    if (is_metadata && zf_bytes_equal (name, zf_bytes_of ("name")))
        return take_cert_name (reading, value, cert);
    return 0;
}

static int take_cert_line (const reading_t *reading, zf_bytes_t *section, zf_bytes_t line,
                           zf_cert_t *cert)
{
    zf_bytes_t content = trim (line);
    if (content.size == 0 || begins_comment (content))
        return 0;
    if (memchr (content.data, '\0', content.size) != NULL)
        return wrong (reading, "there is a zero byte in it");
    if (is_blank (*(const char *) line.data))
        return take_setting (reading, *section, content, cert);
    *section = next_word (&content);
    content = trim (content);
    if (content.size > 0 && !begins_comment (content))
        return wrong (reading, "that is no line of a certificate");
    return 0;
}

int zf_cert_parse (zf_cert_t *cert, zf_bytes_t text, const char *where, zf_error_t *err)
{
    reading_t reading = reading_of (text, where, err);
    zf_bytes_t section = zf_bytes (NULL, 0);
    zf_bytes_t line;
    int rc = 0;
    *cert = (zf_cert_t){.bad_name = 0};
    while (rc == 0 && next_line (&reading, &line))
        rc = take_cert_line (&reading, &section, line, cert);
    if (rc == 0 && cert->public_key[0] == '\0')
        rc = zf_error_set (err, ZF_E_INVAL, "%s: no certificate: there is no public-key in it",
                           where);
    return rc;
}

/* -- tables ------------------------------------------------------------------------------------ */

zf_keyring_t *zf_keyring_new (void)
{
    return calloc (1, sizeof (zf_keyring_t));
}

void zf_keyring_free (zf_keyring_t **keys)
{
    zf_keyring_t *self = *keys;
    *keys = NULL;
    if (self == NULL)
        return;
    entry_t *entry = self->entries;
    HASH_CLEAR (hh, self->entries); /* they are in their order still */
    while (entry != NULL) {
        entry_t *next = entry->hh.next;
        free (entry);
        entry = next;
    }
    free (self);
}

size_t zf_keyring_count (const zf_keyring_t *keys)
{
    return HASH_COUNT (keys->entries);
}

uint64_t zf_keyring_content (const zf_keyring_t *keys)
{
    uint64_t sum = 1 + zf_keyring_count (keys);
    for (const entry_t *entry = keys->entries; entry != NULL; entry = entry->hh.next)
        sum += XXH3_64bits (&entry->who, sizeof entry->who);
    return sum;
}

static entry_t *find (const zf_keyring_t *keys, const char *key)
{
    entry_t *entry;
    HASH_FIND (hh, keys->entries, key, KEY_CHARS, entry);
    return entry;
}

const zf_subject_t *zf_keyring_find (const zf_keyring_t *keys, const char *key)
{
    const entry_t *entry = strlen (key) == KEY_CHARS ? find (keys, key) : NULL;
    return entry != NULL ? &entry->who : NULL;
}

/* A key that is there under the same name already is no mistake. Words without where. */
static int add (zf_keyring_t *keys, const zf_subject_t *who, zf_error_t *err)
{
    const entry_t *other = find (keys, who->key);
    if (other != NULL && strcmp (other->who.name, who->name) == 0)
        return 0;
    if (other != NULL)
        return zf_error_set (err, ZF_E_INVAL, "the key of '%s' is there already, as '%s'",
                             who->name, other->who.name);
    if (zf_keyring_count (keys) == ZF_KEYRING_MAX)
        return zf_error_set (err, ZF_E_INVAL, "more than %d keys", ZF_KEYRING_MAX);
    entry_t *entry = calloc (1, sizeof *entry);
    if (entry == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    snprintf (entry->who.key, sizeof entry->who.key, "%s", who->key);
    snprintf (entry->who.name, sizeof entry->who.name, "%s", who->name); /* zeros behind it */
    HASH_ADD (hh, keys->entries, who.key, KEY_CHARS, entry);
    if (entry->hh.tbl != NULL)
        return 0;
    free (entry);
    return zf_error_set (err, ZF_E_NOMEM, "out of memory");
}

static int add_line (zf_keyring_t *keys, const reading_t *reading, zf_bytes_t line)
{
    zf_subject_t who;
    zf_bytes_t key = next_word (&line);
    if (key.size == 0 || begins_comment (key)) /* in Z85 no number is so large as to begin so */
        return 0;
    zf_bytes_t name = next_word (&line);
    line = trim (line);
    if (!take_key (key, who.key))
        return wrong (reading, "a line is KEY NAME, and this begins with no key (40 characters, "
                               "Z85)");
    if (!zf_key_is_name (name) || (line.size > 0 && !begins_comment (line)))
        return wrong (reading,
                      "behind the key comes a name: 1 to %d bytes, no blanks, none of "
                      "#\"*, no key",
                      ZF_KEY_NAME_MAX);
    copy_name (who.name, name);
    int rc = add (keys, &who, reading->err);
    return rc == 0 ? 0 : zf_error_wrap (reading->err, rc, "%s:%u", reading->where, reading->line);
}

int zf_keyring_parse (zf_keyring_t *keys, zf_bytes_t text, const char *where, zf_error_t *err)
{
    reading_t reading = reading_of (text, where, err);
    zf_bytes_t line;
    int rc = 0;
    while (rc == 0 && next_line (&reading, &line))
        rc = add_line (keys, &reading, line);
    return rc;
}

/* The file's name without .pub. */
static zf_bytes_t name_of (const char *path)
{
    const char *slash = strrchr (path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t size = strlen (name);
    size_t suffix = strlen (SUFFIX);
    bool has = size > suffix && strcmp (name + size - suffix, SUFFIX) == 0;
    return zf_bytes (name, has ? size - suffix : size);
}

static int add_cert (zf_keyring_t *keys, const zf_cert_t *cert, const char *path, zf_error_t *err)
{
    zf_subject_t who;
    zf_bytes_t name = name_of (path); /* whoever made the file does not choose what he may do */
    memcpy (who.key, cert->public_key, sizeof who.key);
    if (cert->secret_key[0] != '\0')
        return zf_error_set (err, ZF_E_INVAL,
                             "%s: there is a secret key in it, which nobody else may have; the "
                             "file for others is the .pub",
                             path);
    if (!zf_key_is_name (name))
        return zf_error_set (err, ZF_E_INVAL,
                             "%s: the key's name is that of the file: 1 to %d bytes, no blanks, "
                             "none of #\"*, and no key",
                             path, ZF_KEY_NAME_MAX);
    copy_name (who.name, name);
    int rc = add (keys, &who, err);
    return rc == 0 ? 0 : zf_error_wrap (err, rc, "%s", path);
}

int zf_keyring_add_cert (zf_keyring_t *keys, zf_bytes_t text, const char *path, zf_error_t *err)
{
    zf_cert_t cert;
    int rc = zf_cert_parse (&cert, text, path, err);
    if (rc == 0)
        rc = add_cert (keys, &cert, path, err);
    explicit_bzero (&cert, sizeof cert);
    return rc;
}
