/* The tables of the manual. */
#include "compose/schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 700, VALUE_BYTES = 160, PATH_BYTES = 200, TABLES_MAX = 64, CELL_BYTES = 400 };

static const char *kind_name (zf_schema_kind_t kind)
{
    static const char *const names[] = {[SCHEMA_TEXT] = "text",
                                        [SCHEMA_PATH] = "path",
                                        [SCHEMA_WHO] = "key or path",
                                        [SCHEMA_ENDPOINT] = "endpoint",
                                        [SCHEMA_FROM] = "device, endpoint or path",
                                        [SCHEMA_BOOL] = "true or false",
                                        [SCHEMA_COUNT] = "number",
                                        [SCHEMA_BYTES] = "bytes",
                                        [SCHEMA_TIME] = "time",
                                        [SCHEMA_MAP] = "mapping",
                                        [SCHEMA_TABLE] = "names to mappings",
                                        [SCHEMA_PAIRS] = "names to texts"};
    return names[kind];
}

static void write_words (const zf_key_t *key, char *text, size_t size)
{
    size_t used = 0;
    const char *between = "";
    for (const char *const *word = key->words; *word != NULL && used < size; word++) {
        if (**word == '\0')
            continue;
        int n = snprintf (text + used, size - used, "%s`%s`", between, *word);
        used += n < 0 ? 0 : (size_t) n;
        between = ", ";
    }
}

static void write_range (const zf_key_t *key, char *text, size_t size)
{
    char least[ZF_SCHEMA_NUMBER_TEXT], most[ZF_SCHEMA_NUMBER_TEXT];
    zf_schema_write_number (key->kind, key->min, least);
    zf_schema_write_number (key->kind, key->max, most);
    if (key->max != 0)
        snprintf (text, size, "%s, %s to %s", kind_name (key->kind), least, most);
    else if (key->min != 0)
        snprintf (text, size, "%s, at least %s", kind_name (key->kind), least);
    else
        snprintf (text, size, "%s", kind_name (key->kind));
}

static void write_value (const zf_key_t *key, char *text, size_t size)
{
    const char *list = (key->flags & SCHEMA_LIST) != 0 ? ", or a list" : "";
    text[0] = '\0';
    if (key->kind == SCHEMA_WORD)
        write_words (key, text, size);
    else if (key->kind == SCHEMA_OWN)
        snprintf (text, size, "%s", key->expects);
    else if (key->kind == SCHEMA_COUNT || key->kind == SCHEMA_BYTES || key->kind == SCHEMA_TIME)
        write_range (key, text, size);
    else
        snprintf (text, size, "%s%s", kind_name (key->kind), list);
}

/* What is being written. */
typedef struct {
    zf_manual_fn *fn;                   /* gets the lines */
    void *arg;                          /* for fn */
    const zf_key_t *seen[TABLES_MAX];   /* tables that were written */
    char paths[TABLES_MAX][PATH_BYTES]; /* and of what */
    size_t count;                       /* of them */
} manual_t;

static void ZF_PRINTF (2, 3) write_line (const manual_t *self, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start (args, format);
    vsnprintf (line, sizeof line, format, args);
    va_end (args);
    self->fn (self->arg, line);
}

/* Puts a backslash before what would end a cell. Returns cell. */
static const char *write_cell (const char *text, char cell[CELL_BYTES])
{
    size_t n = 0;
    for (; *text != '\0' && n < CELL_BYTES - 2; text++) {
        if (*text == '|')
            cell[n++] = '\\';
        cell[n++] = *text;
    }
    cell[n] = '\0';
    return cell;
}

static void write_key (const manual_t *self, const zf_key_t *key)
{
    char value[VALUE_BYTES], help[CELL_BYTES];
    const char *fallback = key->fallback != NULL ? key->fallback : "none";
    write_value (key, value, sizeof value);
    if ((key->flags & SCHEMA_REQUIRED) != 0)
        fallback = "must be there";
    write_line (self, "| `%s` | %s | %s | %s |", key->name, value, fallback,
                write_cell (key->help, help));
}

static void write_keys (const manual_t *self, const zf_key_t *keys)
{
    for (const zf_key_t *key = keys; key->name != NULL; key++) {
        if (key->kind == SCHEMA_SAME)
            write_keys (self, key->keys);
        else
            write_key (self, key);
    }
}

/* Where this table has been written; NULL: it has not, and is now. */
static const char *find_seen (manual_t *self, const zf_key_t *keys, const char *path)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->seen[i] == keys)
            return self->paths[i];
    if (self->count < TABLES_MAX) {
        self->seen[self->count] = keys;
        snprintf (self->paths[self->count++], PATH_BYTES, "%s", path);
    }
    return NULL;
}

static void write_table (manual_t *self, const zf_key_t *keys, const char *path, const char *title);

/* The tables below a table. */
static void write_inner (manual_t *self, const zf_key_t *keys, const char *path)
{
    for (const zf_key_t *key = keys; key->name != NULL; key++) {
        char inner[PATH_BYTES];
        const char *dot = path[0] != '\0' ? "." : "";
        const char *item = key->kind == SCHEMA_TABLE ? ".NAME" : "";
        snprintf (inner, sizeof inner, "%s%s%s%s", path, dot, key->name, item);
        if (key->kind == SCHEMA_SAME)
            write_inner (self, key->keys, path);
        else if (key->keys != NULL)
            write_table (self, key->keys, inner, key->title);
    }
}

static void write_table (manual_t *self, const zf_key_t *keys, const char *path, const char *title)
{
    const char *seen = find_seen (self, keys, path);
    if (path[0] != '\0')
        write_line (self, "### `%s`: %s", path, title);
    else
        write_line (self, "### %s", title);
    write_line (self, "%s", "");
    if (seen != NULL) {
        write_line (self, "As `%s`.", seen);
        write_line (self, "%s", "");
        return;
    }
    write_line (self, "| key | value | default | what it is |");
    write_line (self, "|---|---|---|---|");
    write_keys (self, keys);
    write_line (self, "%s", "");
    write_inner (self, keys, path);
}

void zf_schema_manual (const zf_key_t *keys, const char *title, zf_manual_fn *fn, void *arg)
{
    manual_t self = {.fn = fn, .arg = arg};
    write_table (&self, keys, "", title);
}
