#include "persist/reader.h"

#include "core/bytes.h"

#include <stdlib.h>

#define BLOCK 4096 /* bytes that a disk loses at once */

void zf_window_init (zf_reader_window_t *self, zf_folder_t *folder, size_t step)
{
    memset (self, 0, sizeof *self);
    self->folder = folder;
    self->step = step;
}

void zf_window_free (zf_reader_window_t *self)
{
    free (self->data);
    self->data = NULL;
    self->room = 0;
}

int zf_window_use (zf_reader_window_t *self, const zf_file_t *file, uint64_t capacity,
                   zf_error_t *err)
{
    self->file = file;
    self->filled = 0;
    int rc = zf_folder_size (self->folder, file, &self->size, err);
    if (self->size > capacity)
        self->size = capacity;
    return rc;
}

/* So that what cannot be read takes as little as possible with it. */
static int fill_in_blocks (zf_reader_window_t *self, uint64_t offset, size_t size, zf_error_t *err)
{
    size_t got = 0;
    for (self->filled = 0; self->filled < size; self->filled += got) {
        zf_error_t why;
        uint8_t *to = self->data + self->filled;
        uint64_t at = offset + self->filled;
        size_t block = BLOCK - (size_t) (at % BLOCK);
        if (block > size - self->filled)
            block = size - self->filled;
        int rc = zf_folder_read (self->folder, self->file, to, block, at, &got, &why);
        if (rc != 0 && rc != ZF_E_IO)
            return zf_error_set (err, rc, "%s", why.text);
        if (rc == 0 && got < block) { /* the file has become shorter */
            self->filled += got;
            return 0;
        }
        if (rc != 0)
            memset (to, 0, block);
        self->holes += rc != 0;
        got = block;
    }
    return 0;
}

static int fill (zf_reader_window_t *self, uint64_t offset, size_t size, zf_error_t *err)
{
    if (size < self->step)
        size = self->step;
    if (size > self->size - offset)
        size = (size_t) (self->size - offset);
    self->filled = 0;
    if (size > self->room) {
        uint8_t *data = realloc (self->data, size);
        if (data == NULL)
            return zf_error_set (err, ZF_E_NOMEM, "read %s: out of memory", self->file->name);
        self->data = data;
        self->room = size;
    }
    self->start = offset;
    int rc =
        zf_folder_read (self->folder, self->file, self->data, size, offset, &self->filled, err);
    return rc == ZF_E_IO && self->patient ? fill_in_blocks (self, offset, size, err) : rc;
}

int zf_window_get (zf_reader_window_t *self, uint64_t offset, size_t size, zf_bytes_t *out,
                   zf_error_t *err)
{
    *out = zf_bytes (NULL, 0);
    if (offset >= self->size)
        return 0;
    if (size > self->size - offset)
        size = (size_t) (self->size - offset);
    if (offset < self->start || offset + size > self->start + self->filled) {
        int rc = fill (self, offset, size, err);
        if (rc != 0)
            return rc;
        if (size > self->filled) /* the file has become shorter */
            size = self->filled;
    }
    *out = zf_bytes (self->data + (offset - self->start), size);
    return 0;
}

int zf_window_head (zf_reader_window_t *self, uint64_t offset, zf_read_entry_t *entry,
                    zf_error_t *err)
{
    zf_bytes_t head;
    int rc = zf_window_get (self, offset, ZF_ENTRY_HEADER, &head, err);
    if (rc != 0)
        return rc;
    entry->wrong = NULL;
    if (head.size < ZF_ENTRY_HEADER || !zf_entry_head_decode (head.data, &entry->head))
        entry->wrong = "no entry";
    else if (entry->head.size > self->size - offset - ZF_ENTRY_HEADER)
        entry->wrong = "entry cut short";
    return 0;
}

int zf_window_entry (zf_reader_window_t *self, uint64_t offset, zf_read_entry_t *entry,
                     zf_error_t *err)
{
    int rc = zf_window_head (self, offset, entry, err);
    if (rc != 0 || entry->wrong != NULL)
        return rc;
    zf_bytes_t all;
    size_t size = ZF_ENTRY_HEADER + (size_t) entry->head.size;
    rc = zf_window_get (self, offset, size, &all, err);
    if (rc != 0)
        return rc;
    entry->payload = zf_bytes ((const uint8_t *) all.data + ZF_ENTRY_HEADER, entry->head.size);
    if (all.size < size)
        entry->wrong = "entry cut short";
    else if (entry->head.sum != zf_entry_sum (all.data, entry->payload))
        entry->wrong = "checksum mismatch";
    else if (entry->head.kind == ZF_ENTRY_TRIM &&
             zf_load_u64le (entry->payload.data) > entry->head.position)
        entry->wrong = "trim beyond its own position";
    return 0;
}
