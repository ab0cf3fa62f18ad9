/* What the rest of zferry knows of the journal beyond <zferry/journal.h>. */
#ifndef ZF_PERSIST_JOURNAL_H
#define ZF_PERSIST_JOURNAL_H

#include "persist/fs.h"
#include <zferry/journal.h>

/* As zf_journal_open, on these files. */
int zf_journal_open_on (zf_journal_t **journal, zf_fs_t *fs, const zf_journal_options_t *options,
                        zf_error_t *err);

/* Told whenever there may be more room than before, or no space for more: once, right after open.
 * fn is called by whoever finds out, on any thread and under the journal's lock: it must not call
 * the journal. */
typedef void zf_journal_watch_fn (void *arg);
void zf_journal_watch (zf_journal_t *journal, zf_journal_watch_fn *fn, void *arg);

/* From now on so many segments are to be kept ready (at most 64); if there was no space for more,
 * that is tried again. Any thread; with fs->synchronous the writer. */
void zf_journal_set_spares (zf_journal_t *journal, uint32_t spares);

/* What zf_journal_extent adds to an entry's own bytes, before rounding up to 8. */
#define ZF_ENTRY_HEADER 40

#endif
