/* Looking into a journal that may be damaged (scan.c). */
#ifndef ZF_PERSIST_SCAN_H
#define ZF_PERSIST_SCAN_H

#include "persist/fs.h"
#include <zferry/journal.h>

/* As zf_journal_scan, on these files; summary must not be NULL. summary->first is right from the
 * first call of fn on. */
int zf_journal_scan_on (zf_fs_t *fs, const char *dir, zf_scan_fn *fn, void *arg,
                        zf_scan_summary_t *summary, zf_error_t *err);

/* As zf_journal_repair, on these files; summary must not be NULL. */
int zf_journal_repair_on (zf_fs_t *fs, const char *dir, zf_scan_fn *fn, void *arg,
                          zf_repair_summary_t *summary, zf_error_t *err);

#endif
