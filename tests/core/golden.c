#include "tests/core/golden.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static void give_up (const char *what, const char *where)
{
    fprintf (stderr, "golden vectors: %s: %s\n", what, where);
    exit (1);
}

/* A file of tests/golden, found from where this source is. */
static FILE *open_file (const char *name)
{
    char path[4096] = __FILE__;
    char *end = strstr (path, "core/golden.c");
    if (end == NULL)
        give_up ("can't tell where they are", path);
    snprintf (end, sizeof path - (size_t) (end - path), "golden/%s", name);
    FILE *file = fopen (path, "r");
    if (file == NULL)
        give_up ("can't open", path);
    return file;
}

static int digit (char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = strchr (digits, c);
    return c != '\0' && at != NULL ? (int) (at - digits) : -1;
}

static void read_hex (const char *text, zf_writer_t *w)
{
    for (; *text != '\0'; text++) {
        if (isspace ((unsigned char) *text))
            continue;
        int high = digit (text[0]);
        int low = digit (text[1]);
        if (high < 0 || low < 0)
            give_up ("not hexadecimal", text);
        uint8_t byte = (uint8_t) (high << 4 | low);
        zf_write_bytes (w, &byte, 1);
        text++;
    }
}

static void begin_vector (golden_set_t *set, const char *line)
{
    if (set->count == GOLDEN_MAX)
        give_up ("too many", line);
    golden_t *vector = &set->vectors[set->count++];
    memset (vector, 0, sizeof *vector);
    size_t size = strcspn (line + 1, "]");
    if (size >= sizeof vector->name || line[1 + size] != ']')
        give_up ("bad name", line);
    memcpy (vector->name, line + 1, size);
}

static void read_to (golden_t *vector, const char *text)
{
    vector->to_broker = strcmp (text, "broker\n") == 0;
    vector->written = strcmp (text, "written\n") == 0;
}

static void read_line (golden_set_t *set, const char *line)
{
    golden_t *vector = set->count > 0 ? &set->vectors[set->count - 1] : NULL;
    if (line[0] == '#' || line[0] == '\n')
        return;
    if (line[0] == '[')
        begin_vector (set, line);
    else if (vector == NULL)
        give_up ("no [name] before", line);
    else if (strncmp (line, "to: ", 4) == 0)
        read_to (vector, line + 4);
    else if (strncmp (line, "entry: ", 7) == 0)
        read_hex (line + 7, &vector->frame);
    else if (strncmp (line, "control: ", 9) == 0)
        read_hex (line + 9, &vector->frame);
    else if (strncmp (line, "batch: ", 7) == 0)
        read_hex (line + 7, &vector->batch);
    else if (strncmp (line, "means: ", 7) != 0)
        give_up ("unknown line", line);
}

void golden_read (golden_set_t *set)
{
    golden_read_from (set, "native.txt");
}

void golden_read_from (golden_set_t *set, const char *name)
{
    static char line[8192];
    FILE *file = open_file (name);
    set->count = 0;
    while (fgets (line, sizeof line, file) != NULL)
        read_line (set, line);
    fclose (file);
    if (set->count == 0)
        give_up ("none", "the file is empty");
}

void golden_free (golden_set_t *set)
{
    for (size_t i = 0; i < set->count; i++) {
        zf_writer_free (&set->vectors[i].frame);
        zf_writer_free (&set->vectors[i].batch);
    }
    set->count = 0;
}

golden_t *golden_find (golden_set_t *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp (set->vectors[i].name, name) != 0)
            continue;
        set->vectors[i].used = true;
        return &set->vectors[i];
    }
    give_up ("there is none of that name", name);
    return NULL;
}
