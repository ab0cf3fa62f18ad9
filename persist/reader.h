/* Reading the entries of a segment file one behind the other, in large pieces.
 *
 * Ownership: what is read is valid until the next call.
 * Errors:    what is no entry is none: entry->wrong says why. Codes are for what the operating
 *            system failed. */
#ifndef ZF_PERSIST_READER_H
#define ZF_PERSIST_READER_H

#include "persist/folder.h"
#include "persist/format.h"

typedef struct {
    zf_folder_t *folder;   /* where the file lies */
    const zf_file_t *file; /* read from */
    uint64_t size;         /* of the file, in bytes that may be read */
    size_t step;           /* bytes read at once */
    uint8_t *data;         /* a stretch of the file */
    size_t room;           /* that `data` has space for */
    uint64_t start;        /* offset of the stretch */
    size_t filled;         /* bytes of it */
    bool patient;          /* what the disk fails to read counts as zeros */
    unsigned holes;        /* blocks of that, so far */
} zf_reader_window_t;

typedef struct {
    zf_entry_head_t head;
    zf_bytes_t payload;
    const char *wrong; /* NULL: a valid entry by itself; else why not */
} zf_read_entry_t;

void zf_window_init (zf_reader_window_t *self, zf_folder_t *folder, size_t step);
void zf_window_free (zf_reader_window_t *self);

/* From now on reads that file, as far as `capacity`. */
int zf_window_use (zf_reader_window_t *self, const zf_file_t *file, uint64_t capacity,
                   zf_error_t *err);

/* The bytes at offset: `size` of them, or fewer at the end of the file. */
int zf_window_get (zf_reader_window_t *self, uint64_t offset, size_t size, zf_bytes_t *out,
                   zf_error_t *err);

/* Only the header of the entry at offset, and that its payload fits the file. */
int zf_window_head (zf_reader_window_t *self, uint64_t offset, zf_read_entry_t *entry,
                    zf_error_t *err);

/* The entry at offset. */
int zf_window_entry (zf_reader_window_t *self, uint64_t offset, zf_read_entry_t *entry,
                     zf_error_t *err);

#endif
