/* The segment files of a journal, oldest first: those that hold entries, the last of which is
 * written to, and behind them those that are ready. Their numbers have no gaps.
 *
 * Threads: everything under the journal's lock, but for the file of the segment written to, and a
 *          segment that is held (zf_segments_hold): they stay open and where they are.
 * Descriptors: at most ZF_SEGMENTS_OPEN of those that are only read stay open. */
#ifndef ZF_PERSIST_SEGMENT_H
#define ZF_PERSIST_SEGMENT_H

#include "persist/folder.h"
#include "persist/format.h"

#define ZF_SEGMENTS_OPEN 256

typedef struct {
    zf_file_t file;
    uint64_t number;
    uint64_t base;     /* position of its first entry; if it is ready: not known yet */
    uint64_t capacity; /* bytes that it may have */
    unsigned holders;  /* threads that read from it just now */
} zf_segment_t;

typedef struct {
    zf_segment_t **at; /* all of them */
    size_t count;      /* of all */
    size_t live;       /* of those that hold entries */
    size_t room;       /* that `at` has space for */
    size_t hand;       /* where to look for one to close next */
} zf_segments_t;

void zf_segment_name (uint64_t number, char *name);

/* False if a file of that name is no segment. */
bool zf_segment_number (const char *name, uint64_t *number);

/* Makes one and adds it at the end; NULL when out of memory. */
zf_segment_t *zf_segments_add (zf_segments_t *self, uint64_t number, uint64_t capacity);

/* Makes space for one more, so that zf_segments_push cannot fail. */
int zf_segments_reserve (zf_segments_t *self);
void zf_segments_push (zf_segments_t *self, zf_segment_t *segment);

/* Takes the i-th out. */
zf_segment_t *zf_segments_take (zf_segments_t *self, size_t i);

/* The live one that position lies in. There is at least one. */
zf_segment_t *zf_segments_find (const zf_segments_t *self, uint64_t position);

/* The one that is written to, and the first that is ready (NULL: none). */
zf_segment_t *zf_segments_last (const zf_segments_t *self);
zf_segment_t *zf_segments_ready (const zf_segments_t *self);

/* Opens a live one if it is not, and keeps it open until it is let go. */
int zf_segments_hold (zf_segments_t *self, zf_folder_t *folder, zf_segment_t *segment,
                      zf_error_t *err);

/* Closes one that nobody reads, if too many are open. */
void zf_segments_close_one (zf_segments_t *self, zf_folder_t *folder);

/* Closes all and frees. */
void zf_segments_free (zf_segments_t *self, zf_folder_t *folder);

#endif
