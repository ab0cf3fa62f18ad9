#include "tests/persist/golden.h"

#include "core/bytes.h"
#include "tests/persist/disk_node.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void give_up (const char *what, const char *where)
{
    fprintf (stderr, "golden journals: %s: %s\n", what, where);
    exit (1);
}

/* Found from where this source is. */
static FILE *open_text (const char *name)
{
    char path[4096] = __FILE__;
    char *end = strstr (path, "persist/golden.c");
    if (end == NULL)
        give_up ("can't tell where they are", path);
    snprintf (end, sizeof path - (size_t) (end - path), "golden/journal/%s.txt", name);
    FILE *file = fopen (path, "r");
    if (file == NULL)
        give_up ("can't open", path);
    return file;
}

static void add_entry (golden_t *golden, const char *line)
{
    char kind[8];
    golden_entry_t entry = {0};
    if (golden->entry_count == GOLDEN_ENTRIES ||
        sscanf (line, "%zu %" SCNu64 " %zu %" SCNu64 " %7s", &entry.file, &entry.position,
                &entry.size, &entry.synced, kind) != 5 ||
        entry.file == 0 || entry.file > GOLDEN_FILES)
        give_up ("bad entry", line);
    entry.file--;
    entry.kind = strcmp (kind, "trim") == 0    ? GOLDEN_TRIM
                 : strcmp (kind, "close") == 0 ? GOLDEN_CLOSE
                                               : GOLDEN_DATA;
    golden_file_t *file = &golden->files[entry.file];
    if (file->until == 0) {
        file->first = golden->entry_count;
        entry.offset = GOLDEN_HEADER;
    } else {
        const golden_entry_t *before = &golden->entries[golden->entry_count - 1];
        entry.offset = before->offset + golden_extent (before);
    }
    golden->entries[golden->entry_count++] = entry;
    file->until = golden->entry_count;
}

static void add_file (golden_t *golden, const char *line)
{
    golden_file_t *file = &golden->files[golden->file_count];
    if (golden->file_count == GOLDEN_FILES ||
        sscanf (line, "%31s %zu", file->name, &file->size) != 2)
        give_up ("bad file", line);
    golden->file_count++;
    file->bytes = disk_memory (NULL, file->size);
    memset (file->bytes, 0, file->size);
}

static void add_bytes (golden_file_t *file, uint8_t byte, size_t count)
{
    if (file->used + count > file->size)
        give_up ("more bytes than the file has", file->name);
    memset (file->bytes + file->used, byte, count);
    file->used += count;
}

static void add_fill (golden_file_t *file, const char *line)
{
    size_t count;
    unsigned byte;
    if (sscanf (line, "%zu %x", &count, &byte) != 2)
        give_up ("bad fill", line);
    add_bytes (file, (uint8_t) byte, count);
}

static void add_hex (golden_file_t *file, const char *line)
{
    unsigned byte;
    for (; *line != '\n'; line += 2) {
        if (sscanf (line, "%2x", &byte) != 1)
            give_up ("bad line", line);
        add_bytes (file, (uint8_t) byte, 1);
    }
}

static void read_line (golden_t *golden, const char *line)
{
    if (line[0] == '#')
        return;
    if (strncmp (line, "entry: ", 7) == 0) {
        add_entry (golden, line + 7);
        return;
    }
    if (strncmp (line, "file: ", 6) == 0) {
        add_file (golden, line + 6);
        return;
    }
    if (golden->file_count == 0)
        give_up ("no file before", line);
    golden_file_t *file = &golden->files[golden->file_count - 1];
    if (strncmp (line, "fill: ", 6) == 0)
        add_fill (file, line + 6);
    else
        add_hex (file, line);
}

static void find_trim (golden_t *golden)
{
    for (size_t i = 0; i < golden->entry_count; i++)
        if (golden->entries[i].kind == GOLDEN_TRIM)
            golden->trimmed = zf_load_u64le (golden_payload (golden, &golden->entries[i]));
}

void golden_read (golden_t *golden, const char *name)
{
    char line[256];
    FILE *text = open_text (name);
    memset (golden, 0, sizeof *golden);
    while (fgets (line, sizeof line, text) != NULL)
        read_line (golden, line);
    fclose (text);
    find_trim (golden);
    if (golden->file_count == 0)
        give_up ("no file in", name);
}

void golden_free (golden_t *golden)
{
    for (size_t i = 0; i < golden->file_count; i++)
        free (golden->files[i].bytes);
    memset (golden, 0, sizeof *golden);
}

size_t golden_extent (const golden_entry_t *entry)
{
    return (GOLDEN_HEAD + entry->size + 7) / 8 * 8;
}

const uint8_t *golden_payload (const golden_t *golden, const golden_entry_t *entry)
{
    return golden->files[entry->file].bytes + entry->offset + GOLDEN_HEAD;
}

void golden_put (const golden_t *golden, disk_t *disk, const char *path)
{
    disk_put_directory (disk, path);
    for (size_t i = 0; i < golden->file_count; i++) {
        char name[256];
        snprintf (name, sizeof name, "%s/%s", path, golden->files[i].name);
        disk_put (disk, name, golden->files[i].bytes, golden->files[i].size);
    }
}
