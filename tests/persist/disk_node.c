#include "tests/persist/disk_node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *disk_memory (void *block, size_t size)
{
    void *moved = realloc (block, size > 0 ? size : 1);
    if (moved == NULL)
        abort ();
    return moved;
}

uint64_t disk_rounded (uint64_t size)
{
    return (size + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
}

/* -- bytes ------------------------------------------------------------------------------------- */

blob_t *blob_share (blob_t *blob)
{
    if (blob != NULL)
        blob->refs++;
    return blob;
}

void blob_drop (blob_t **blob)
{
    if (*blob != NULL && --(*blob)->refs == 0)
        free (*blob);
    *blob = NULL;
}

static blob_t *blob_resized (const blob_t *from, size_t room)
{
    blob_t *blob = disk_memory (NULL, sizeof *blob + room);
    size_t used = from == NULL ? 0 : from->room;
    blob->refs = 1;
    blob->room = room;
    if (used > 0)
        memcpy (blob->bytes, from->bytes, used);
    memset (blob->bytes + used, 0, room - used);
    return blob;
}

void blob_own (blob_t **blob, uint64_t size)
{
    size_t room = *blob == NULL ? 0 : (*blob)->room;
    if (*blob != NULL && (*blob)->refs == 1 && room >= size)
        return;
    size_t wanted = room >= size ? room : (size_t) disk_rounded (size);
    blob_t *own = blob_resized (*blob, wanted);
    blob_drop (blob);
    *blob = own;
}

const uint8_t *blob_sector (const blob_t *blob, uint64_t i)
{
    static const uint8_t zeros[DISK_SECTOR];
    return blob != NULL && (i + 1) * DISK_SECTOR <= blob->room ? blob->bytes + i * DISK_SECTOR
                                                               : zeros;
}

/* -- names ------------------------------------------------------------------------------------- */

static entry_t *names_entry (const names_t *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp (names->list[i].name, name) == 0)
            return &names->list[i];
    return NULL;
}

int names_find (const names_t *names, const char *name)
{
    const entry_t *entry = names_entry (names, name);
    return entry == NULL ? -1 : entry->node;
}

void names_set (names_t *names, const char *name, int node)
{
    entry_t *entry = names_entry (names, name);
    if (entry == NULL) {
        names->list = disk_memory (names->list, (names->count + 1) * sizeof *names->list);
        entry = &names->list[names->count++];
        snprintf (entry->name, sizeof entry->name, "%s", name);
    }
    entry->node = node;
}

void names_remove (names_t *names, const char *name)
{
    entry_t *entry = names_entry (names, name);
    if (entry != NULL)
        *entry = names->list[--names->count];
}

void names_copy (names_t *names, const names_t *from)
{
    names->count = from->count;
    names->list = disk_memory (names->list, (from->count + 1) * sizeof *names->list);
    if (from->count > 0)
        memcpy (names->list, from->list, from->count * sizeof *names->list);
}

void change_apply (names_t *names, const change_t *change)
{
    int there = names_find (names, change->from);
    if (change->kind == CHANGE_ADD) {
        if (there < 0)
            names_set (names, change->from, change->node);
    } else if (there == change->node) {
        names_remove (names, change->from);
        if (change->kind == CHANGE_RENAME)
            names_set (names, change->to, change->node);
    }
}

void directory_change (disk_t *disk, int parent, const change_t *change)
{
    node_t *directory = &disk->nodes[parent];
    int replaced = change->kind == CHANGE_RENAME ? names_find (&directory->names, change->to) : -1;
    if (replaced >= 0)
        disk->nodes[replaced].links--;
    disk->nodes[change->node].links +=
        (change->kind == CHANGE_ADD) - (change->kind == CHANGE_REMOVE);
    change_apply (&directory->names, change);
    directory->changes = disk_memory (directory->changes,
                                      (directory->change_count + 1) * sizeof *directory->changes);
    directory->changes[directory->change_count++] = *change;
}

/* -- nodes ------------------------------------------------------------------------------------- */

int node_new (disk_t *disk, bool directory)
{
    disk->nodes = disk_memory (disk->nodes, (disk->node_count + 1) * sizeof *disk->nodes);
    node_t *node = &disk->nodes[disk->node_count];
    memset (node, 0, sizeof *node);
    node->directory = directory;
    node->locked_by = -1;
    return (int) disk->node_count++;
}

void node_clear (node_t *node)
{
    blob_drop (&node->now);
    blob_drop (&node->kept);
    free (node->sectors);
    free (node->names.list);
    free (node->kept_names.list);
    free (node->changes);
}

place_t disk_place (const disk_t *disk, const char *path)
{
    place_t place = {.parent = -1, .node = 0};
    for (path += strspn (path, "/"); *path != '\0'; path += strspn (path, "/")) {
        size_t size = strcspn (path, "/");
        assert (size < sizeof place.name);
        place.parent = place.node;
        if (place.parent < 0 || !disk->nodes[place.parent].directory)
            return (place_t){.parent = -1, .node = -1};
        memcpy (place.name, path, size);
        place.name[size] = '\0';
        place.node = names_find (&disk->nodes[place.parent].names, place.name);
        path += size;
    }
    return place;
}

node_t *disk_file (const disk_t *disk, const char *path)
{
    place_t place = disk_place (disk, path);
    if (place.node < 0 || disk->nodes[place.node].directory)
        return NULL;
    return &disk->nodes[place.node];
}
