/* Opening a journal: finding out what is there, and what lies behind its end.
 *
 * The end is where the chain of valid entries ends. Behind it there may be remains of entries that
 * were never synced: a torn end, which is cut off. Or there is evidence that what lies at the end
 * had been durable: then it was damaged, and nothing is touched. Evidence is a valid entry that
 * says that everything up to beyond the end was durable when it was written, or the header of a
 * later segment, which is written only after the one before was synced. */
#ifndef ZF_PERSIST_RECOVER_H
#define ZF_PERSIST_RECOVER_H

#include "persist/reader.h"
#include "persist/state.h"

typedef struct {
    zf_segment_head_t head;
    bool valid; /* it is the header of this very segment */
} zf_known_head_t;

typedef struct {
    zf_journal_t *journal;     /* being opened: its segments are all files, none of them live yet */
    zf_replay_fn *replay;      /* the caller's; may be NULL */
    void *arg;                 /* for it */
    zf_known_head_t *heads;    /* of each segment */
    zf_reader_window_t window; /* that the walk reads through */
    zf_reader_window_t probe;  /* for a look at something else meanwhile */
    uint64_t trim;             /* where replay begins: the last trim entry that was found */
    uint64_t trimmed;          /* the same, of entries that were checked */
    size_t start;              /* index of the segment that the walk begins in */
    size_t at;                 /* of the one that it is in */
    size_t home;               /* of the last one with a valid entry, or start */
    uint64_t home_end;         /* offset behind the last valid entry in it */
    uint64_t offset;           /* of the next entry in segment `at` */
    uint64_t next;             /* its position */
    uint64_t sum;              /* of the entry before */
    uint64_t synced;           /* everything below was durable, that entry says */
    const char *wrong;         /* with what lies at the end */
    uint64_t search_base;      /* position of the first entry in the file that is searched */
    bool dirty;                /* something was erased in the file that is open */
} zf_recovery_t;

/* -- inventory.c: what files there are --------------------------------------------------------- */

void zf_recovery_init (zf_recovery_t *r, zf_journal_t *journal);
void zf_recovery_free (zf_recovery_t *r);

/* Puts all segment files into journal->segments, by number; removes a spare that was not finished,
 * unless it is read only. */
int zf_recovery_list (zf_journal_t *journal, zf_error_t *err);
int zf_recovery_read_heads (zf_recovery_t *r, zf_error_t *err);

/* Where the last trim entry says that the journal begins; 0 if there is none. */
int zf_recovery_find_trim (zf_recovery_t *r, zf_error_t *err);
int zf_recovery_open (zf_recovery_t *r, size_t i, zf_file_t *file, zf_error_t *err);
int zf_recovery_read_head (zf_recovery_t *r, size_t i, zf_error_t *err);

/* -- recover.c --------------------------------------------------------------------------------- */

/* Does segment i begin where the chain is now? */
bool zf_recovery_continues (const zf_recovery_t *r, size_t i);

/* -- tail.c: torn or damaged? ------------------------------------------------------------------ */

/* Called for each header of an entry at or beyond r->next. Anything but 0 ends the search with
 * that. */
typedef int zf_found_fn (zf_recovery_t *r, const zf_file_t *file, uint64_t offset,
                         const zf_entry_head_t *head, zf_error_t *err);

/* Looks at every place of the window's file, from offset on, where an entry's header can be. */
int zf_tail_search (zf_recovery_t *r, const zf_file_t *file, uint64_t offset, zf_found_fn *found,
                    zf_error_t *err);

/* 0 if what lies at the end is torn, or nothing; ZF_E_CORRUPT if it was durable; ZF_E_AGAIN if the
 * walk can go on, since a writer has completed it meanwhile. */
int zf_tail_judge (zf_recovery_t *r, zf_error_t *err);

/* Erases all remains behind the end, durably, so that the chain can never grow into them. */
int zf_tail_cut (zf_recovery_t *r, zf_error_t *err);

#endif
