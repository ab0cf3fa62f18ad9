/* The golden journals, from tests/golden/journal (make.py there says how they are written down). */
#ifndef TESTS_PERSIST_GOLDEN_H
#define TESTS_PERSIST_GOLDEN_H

#include "tests/persist/disk.h"

#define GOLDEN_ENTRIES 16
#define GOLDEN_FILES   4
#define GOLDEN_HEADER  64 /* bytes of a segment before its first entry */
#define GOLDEN_HEAD    40 /* bytes of an entry before its payload */

typedef enum { GOLDEN_DATA, GOLDEN_TRIM, GOLDEN_CLOSE } golden_kind_t;

typedef struct {
    size_t file;       /* index of the segment that it lies in */
    uint64_t position; /* as the journal counts */
    uint64_t synced;   /* everything below was durable when this was written */
    size_t offset;     /* in the file */
    size_t size;       /* of the payload */
    golden_kind_t kind;
} golden_entry_t;

typedef struct {
    char name[32];
    uint8_t *bytes;
    size_t size;  /* of the file */
    size_t used;  /* the rest is zeros */
    size_t first; /* index of its first entry */
    size_t until; /* and of the one behind its last */
} golden_file_t;

typedef struct {
    golden_entry_t entries[GOLDEN_ENTRIES];
    size_t entry_count;
    uint64_t trimmed; /* its last trim entry says so */
    golden_file_t files[GOLDEN_FILES];
    size_t file_count;
} golden_t;

/* Reads one of them, or ends the program saying what is wrong with it. */
void golden_read (golden_t *golden, const char *name);
void golden_free (golden_t *golden);

/* Bytes from an entry's offset to the next one. */
size_t golden_extent (const golden_entry_t *entry);
const uint8_t *golden_payload (const golden_t *golden, const golden_entry_t *entry);

/* Puts its files into that directory of a disk. */
void golden_put (const golden_t *golden, disk_t *disk, const char *path);

#endif
