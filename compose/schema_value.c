/* Single values: what they may look like, and where they go. */
#include "compose/schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPECTED_BYTES = 200, KEY_LENGTH = 40 };

static void *field (void *into, size_t at)
{
    return (char *) into + at;
}

/* -- numbers ----------------------------------------------------------------------------------- */

typedef struct {
    const char *name; /* behind the number; NULL ends a table */
    uint64_t factor;  /* what it multiplies by */
} unit_t;

/* The greatest first, so that a number is written with the greatest that it is a multiple of. */
static const unit_t byte_units[] = {{"TiB", UINT64_C (1) << 40},
                                    {"GiB", UINT64_C (1) << 30},
                                    {"MiB", UINT64_C (1) << 20},
                                    {"KiB", UINT64_C (1) << 10},
                                    {"", 1},
                                    {NULL, 0}};
static const unit_t time_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
                                    {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const unit_t no_units[] = {{"", 1}, {NULL, 0}};

static const unit_t *units_of (zf_schema_kind_t kind)
{
    if (kind == SCHEMA_BYTES)
        return byte_units;
    return kind == SCHEMA_TIME ? time_units : no_units;
}

bool zf_schema_number (zf_schema_kind_t kind, const char *text, uint64_t *number)
{
    char *end = NULL;
    if (!isdigit ((unsigned char) text[0]))
        return false;
    errno = 0;
    unsigned long long value = strtoull (text, &end, 10);
    if (errno != 0)
        return false;
    for (const unit_t *unit = units_of (kind); unit->name != NULL; unit++)
        if (strcmp (unit->name, end) == 0 && value <= UINT64_MAX / unit->factor) {
            *number = value * unit->factor;
            return true;
        }
    *number = 0;
    return value == 0 && *end == '\0'; /* nothing needs no unit */
}

char *zf_schema_write_number (zf_schema_kind_t kind, uint64_t number,
                              char text[ZF_SCHEMA_NUMBER_TEXT])
{
    const unit_t *unit = units_of (kind);
    while (number % unit->factor != 0)
        unit++;
    if (number == 0)
        unit = no_units;
    snprintf (text, ZF_SCHEMA_NUMBER_TEXT, "%llu%s", (unsigned long long) (number / unit->factor),
              unit->name);
    return text;
}

static uint64_t greatest (const zf_key_t *key)
{
    uint64_t room =
        key->size >= sizeof (uint64_t) ? UINT64_MAX : (UINT64_C (1) << (8 * key->size)) - 1;
    return key->max != 0 && key->max < room ? key->max : room;
}

static void store_number (const zf_key_t *key, uint64_t number, void *into)
{
    uint16_t small = (uint16_t) number;
    uint32_t middle = (uint32_t) number;
    if (key->size == sizeof small)
        memcpy (field (into, key->at), &small, sizeof small);
    else if (key->size == sizeof middle)
        memcpy (field (into, key->at), &middle, sizeof middle);
    else
        memcpy (field (into, key->at), &number, sizeof number);
}

/* -- what was expected ------------------------------------------------------------------------- */

static void list_words (const zf_key_t *key, char *text, size_t size)
{
    size_t used = 0;
    const char *comma = "";
    for (const char *const *word = key->words; *word != NULL; word++) {
        if (**word == '\0')
            continue;
        int n = snprintf (text + used, size - used, "%s%s", comma, *word);
        used += n < 0 ? 0 : (size_t) n;
        comma = word[1] != NULL && word[2] == NULL ? " or " : ", ";
    }
}

static const char *expected (const zf_key_t *key, char *text, size_t size)
{
    static const char *const texts[] = {
        [SCHEMA_TEXT] = "a text",
        [SCHEMA_PATH] = "a path",
        [SCHEMA_WHO] = "a public key (40 characters) or the path of its file",
        [SCHEMA_ENDPOINT] = "tcp://HOST:PORT, ipc://PATH or inproc://NAME",
        [SCHEMA_FROM] = "a device of this file, an endpoint, or a path with a / in it",
        [SCHEMA_BOOL] = "true or false",
        [SCHEMA_COUNT] = "a whole number",
        [SCHEMA_BYTES] = "bytes, like 512, 64KiB, 16MiB or 1GiB",
        [SCHEMA_TIME] = "a time, like 250ms, 5s, 10m, 2h or 1d"};
    if (key->kind == SCHEMA_WORD)
        list_words (key, text, size);
    else
        snprintf (text, size, "%s", key->kind == SCHEMA_OWN ? key->expects : texts[key->kind]);
    return text;
}

static void complain (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value)
{
    char text[EXPECTED_BYTES];
    const char *what = value->kind == ZF_YAML_MAP ? "a mapping" : "a list";
    const char *several = (key->flags & SCHEMA_LIST) != 0 ? ", or a list of such" : "";
    expected (key, text, sizeof text);
    if (value->kind != ZF_YAML_SCALAR)
        zf_problem (schema->problems, value->place, "%s is %s; expected %s%s", key->name, what,
                    text, several);
    else if (value->is_null || value->text[0] == '\0')
        zf_problem (schema->problems, value->place, "%s is empty; expected %s%s", key->name, text,
                    several);
    else
        zf_problem (schema->problems, value->place, "%s is '%.100s'; expected %s", key->name,
                    value->text, text);
}

static void complain_of_range (const zf_schema_t *schema, const zf_key_t *key,
                               const zf_yaml_t *value, uint64_t number)
{
    char least[ZF_SCHEMA_NUMBER_TEXT], most[ZF_SCHEMA_NUMBER_TEXT];
    zf_schema_write_number (key->kind, key->min, least);
    zf_schema_write_number (key->kind, greatest (key), most);
    if (key->max == 0 && number < key->min)
        zf_problem (schema->problems, value->place, "%s is '%.100s'; expected at least %s",
                    key->name, value->text, least);
    else if (key->min == 0)
        zf_problem (schema->problems, value->place, "%s is '%.100s'; expected at most %s",
                    key->name, value->text, most);
    else
        zf_problem (schema->problems, value->place, "%s is '%.100s'; expected %s to %s", key->name,
                    value->text, least, most);
}

/* -- texts ------------------------------------------------------------------------------------- */

/* A number that TCP knows, or one that the system chooses. */
static bool is_port (const char *text)
{
    bool is_number = text[0] != '\0' && text[strspn (text, "0123456789")] == '\0';
    return is_number ? strlen (text) <= 5 && strtoul (text, NULL, 10) <= UINT16_MAX
                     : strcmp (text, "*") == 0 || strcmp (text, "!") == 0;
}

/* HOST:PORT; what connects may have "|" and a key behind that, and ports of its own in front. */
static bool is_tcp_address (const char *text)
{
    char port[16];
    const char *bar = strchr (text, '|');
    size_t size = bar != NULL ? (size_t) (bar - text) : strlen (text);
    const char *colon = memrchr (text, ':', size);
    if (colon == NULL || colon == text || size - (size_t) (colon + 1 - text) >= sizeof port)
        return false;
    snprintf (port, sizeof port, "%.*s", (int) (size - (size_t) (colon + 1 - text)), colon + 1);
    return is_port (port);
}

static bool is_endpoint (const char *text)
{
    static const char *const transports[] = {"tcp://", "ipc://", "inproc://", "zferry://"};
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++) {
        size_t length = strlen (transports[i]);
        if (strncmp (text, transports[i], length) == 0 && text[length] != '\0')
            return i > 0 || is_tcp_address (text + length);
    }
    return false;
}

static bool is_good_text (const zf_key_t *key, const char *text)
{
    if (text[0] == '\0')
        return false;
    if ((key->flags & SCHEMA_PLAIN) != 0 && (text[0] == '@' || text[0] == '>'))
        text++;
    bool must_be =
        key->kind == SCHEMA_ENDPOINT || (key->kind == SCHEMA_FROM && strstr (text, "://") != NULL);
    return !must_be || is_endpoint (text);
}

static bool is_path (const zf_key_t *key, const char *text)
{
    if (key->kind == SCHEMA_FROM)
        return strchr (text, '/') != NULL && strstr (text, "://") == NULL;
    if (key->kind == SCHEMA_WHO)
        return strlen (text) != KEY_LENGTH;
    return key->kind == SCHEMA_PATH && strcmp (text, "*") != 0;
}

/* The text itself, or a path with the folder in front; NULL: out of memory. */
static const char *settle (const zf_schema_t *schema, const zf_key_t *key, const char *text)
{
    size_t room = strlen (schema->folder) + strlen (text) + 1;
    if (!is_path (key, text) || text[0] == '/' || schema->folder[0] == '\0')
        return text;
    char *path = zf_arena_take (schema->arena, room, 1);
    if (path != NULL)
        snprintf (path, room, "%s%s", schema->folder, text);
    return path;
}

/* Returns false if it is none; that has been said. */
static bool check_text (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value)
{
    if (value->is_broken)
        return false;
    bool good = value->kind == ZF_YAML_SCALAR && !value->is_null && is_good_text (key, value->text);
    if (!good)
        complain (schema, key, value);
    return good;
}

static void read_text (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                       void *into)
{
    if (!check_text (schema, key, value))
        return;
    const char *text = settle (schema, key, value->text);
    if ((key->flags & SCHEMA_INLINE) == 0)
        memcpy (field (into, key->at), &text, sizeof text);
    else if (text != NULL && strlen (text) < key->size)
        snprintf (field (into, key->at), key->size, "%s", text);
    else
        zf_problem (schema->problems, value->place, "%s is too long; expected at most %zu bytes",
                    key->name, key->size - 1);
}

/* What is wrong leaves an empty text behind, so that each has the number it has in the text. */
static void read_texts (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                        void *into)
{
    size_t count = value->kind == ZF_YAML_LIST ? value->count : 1;
    const char **texts = zf_arena_take (schema->arena, count + 1, sizeof *texts);
    if (texts == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const zf_yaml_t *item = zf_yaml_item (value, i);
        const char *text = check_text (schema, key, item) ? settle (schema, key, item->text) : NULL;
        texts[i] = text != NULL ? text : "";
    }
    memcpy (field (into, key->at), &texts, sizeof texts);
    memcpy (field (into, key->count_at), &count, sizeof count);
}

/* -- the others -------------------------------------------------------------------------------- */

static void read_number (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                         void *into)
{
    uint64_t number = 0;
    if (!zf_schema_number (key->kind, value->text, &number))
        complain (schema, key, value);
    else if (number < key->min || number > greatest (key))
        complain_of_range (schema, key, value, number);
    else
        store_number (key, number, into);
}

static void read_bool (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                       void *into)
{
    bool yes = strcmp (value->text, "true") == 0;
    if (!yes && strcmp (value->text, "false") != 0)
        complain (schema, key, value);
    else
        memcpy (field (into, key->at), &yes, sizeof yes);
}

static void read_word (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                       void *into)
{
    for (unsigned i = 0; key->words[i] != NULL; i++)
        if (value->text[0] != '\0' && strcmp (key->words[i], value->text) == 0) {
            memcpy (field (into, key->at), &i, sizeof i); /* enums are unsigned int here */
            return;
        }
    const char *near = zf_schema_nearest (value->text, key->words);
    if (near != NULL)
        zf_problem (schema->problems, value->place, "%s is '%.100s'; did you mean '%s'?", key->name,
                    value->text, near);
    else
        complain (schema, key, value);
}

static void read_own (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                      void *into)
{
    if (!key->parse (value->text, into))
        complain (schema, key, value);
}

void zf_schema_read_value (const zf_schema_t *schema, const zf_key_t *key, const zf_yaml_t *value,
                           void *into)
{
    if ((key->flags & SCHEMA_LIST) != 0)
        read_texts (schema, key, value, into);
    else if (value->kind != ZF_YAML_SCALAR || value->is_null)
        complain (schema, key, value);
    else if (key->kind == SCHEMA_BOOL)
        read_bool (schema, key, value, into);
    else if (key->kind == SCHEMA_COUNT || key->kind == SCHEMA_BYTES || key->kind == SCHEMA_TIME)
        read_number (schema, key, value, into);
    else if (key->kind == SCHEMA_WORD)
        read_word (schema, key, value, into);
    else if (key->kind == SCHEMA_OWN)
        read_own (schema, key, value, into);
    else
        read_text (schema, key, value, into);
}
