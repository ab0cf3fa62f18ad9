#include "persist/segment.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void zf_segment_name (uint64_t number, char *name)
{
    snprintf (name, ZF_FILE_MAX, "%016" PRIx64 ".zfj", number);
}

bool zf_segment_number (const char *name, uint64_t *number)
{
    char again[ZF_FILE_MAX];
    if (strlen (name) != 20 || strspn (name, "0123456789abcdef") != 16)
        return false;
    *number = strtoull (name, NULL, 16);
    zf_segment_name (*number, again);
    return *number > 0 && strcmp (name, again) == 0;
}

int zf_segments_reserve (zf_segments_t *self)
{
    if (self->count < self->room)
        return 0;
    size_t room = self->room > 0 ? 2 * self->room : 16;
    zf_segment_t **at = realloc (self->at, room * sizeof *at);
    if (at == NULL)
        return ZF_E_NOMEM;
    self->at = at;
    self->room = room;
    return 0;
}

void zf_segments_push (zf_segments_t *self, zf_segment_t *segment)
{
    self->at[self->count++] = segment;
}

zf_segment_t *zf_segments_add (zf_segments_t *self, uint64_t number, uint64_t capacity)
{
    zf_segment_t *segment = calloc (1, sizeof *segment);
    if (segment == NULL || zf_segments_reserve (self) != 0) {
        free (segment);
        return NULL;
    }
    segment->number = number;
    segment->capacity = capacity;
    segment->file.fd = -1;
    zf_segment_name (number, segment->file.name);
    zf_segments_push (self, segment);
    return segment;
}

zf_segment_t *zf_segments_take (zf_segments_t *self, size_t i)
{
    zf_segment_t *segment = self->at[i];
    self->count--;
    memmove (self->at + i, self->at + i + 1, (self->count - i) * sizeof *self->at);
    if (i < self->live)
        self->live--;
    return segment;
}

zf_segment_t *zf_segments_find (const zf_segments_t *self, uint64_t position)
{
    size_t low = 0;
    size_t high = self->live - 1;
    while (low < high) {
        size_t middle = (low + high + 1) / 2;
        if (self->at[middle]->base <= position)
            low = middle;
        else
            high = middle - 1;
    }
    return self->at[low];
}

zf_segment_t *zf_segments_last (const zf_segments_t *self)
{
    return self->at[self->live - 1];
}

zf_segment_t *zf_segments_ready (const zf_segments_t *self)
{
    return self->live < self->count ? self->at[self->live] : NULL;
}

/* Each in its turn. */
void zf_segments_close_one (zf_segments_t *self, zf_folder_t *folder)
{
    size_t open = 0;
    for (size_t i = 0; i + 1 < self->live; i++)
        open += self->at[i]->file.fd >= 0;
    for (size_t i = 0; open >= ZF_SEGMENTS_OPEN && i + 1 < self->live; i++) {
        zf_segment_t *segment = self->at[self->hand++ % (self->live - 1)];
        if (segment->file.fd >= 0 && segment->holders == 0) {
            zf_folder_close (folder, &segment->file);
            return;
        }
    }
}

int zf_segments_hold (zf_segments_t *self, zf_folder_t *folder, zf_segment_t *segment,
                      zf_error_t *err)
{
    if (segment->file.fd < 0) {
        char name[ZF_FILE_MAX];
        zf_segment_name (segment->number, name);
        zf_segments_close_one (self, folder);
        int rc = zf_folder_open (folder, &segment->file, name, ZF_FS_READ, err);
        if (rc != 0)
            return rc;
    }
    segment->holders++;
    return 0;
}

void zf_segments_free (zf_segments_t *self, zf_folder_t *folder)
{
    for (size_t i = 0; i < self->count; i++) {
        zf_folder_close (folder, &self->at[i]->file);
        free (self->at[i]);
    }
    free (self->at);
    memset (self, 0, sizeof *self);
}
