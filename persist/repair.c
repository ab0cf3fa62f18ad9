#include "persist/scan.h"

#include "core/bytes.h"
#include "persist/journal.h"
#include "persist/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The new journal is built beside the damaged one and is complete and durable before anything is
 * renamed. Between the two renames there is no journal under its name; a repair after a crash there
 * finds the new one complete, and gives it its name. */

typedef struct {
    zf_folder_t old;        /* the damaged journal */
    zf_file_t lock;         /* its lock, ours while we work */
    char fresh[4096];       /* path of the new journal */
    uint64_t segment_bytes; /* of its segments: as the smallest of the old one */
    zf_journal_t *journal;  /* the new one, while it is written */
    zf_repair_summary_t *summary;
    zf_scan_fn *fn; /* the caller's; may be NULL */
    void *arg;      /* for it */
    zf_error_t *err;
} repair_t;

static int ignore_name (void *arg, const char *name)
{
    (void) arg;
    (void) name;
    return 0;
}

/* 0, or why it cannot be told. */
static int exists (const repair_t *self, const char *path, bool *there)
{
    int sys;
    do
        sys = self->old.fs->list (self->old.fs, path, ignore_name, NULL);
    while (sys == -EINTR);
    *there = sys == 0;
    return sys < 0 && sys != -ENOENT ? zf_folder_failed (self->err, sys, "list", path) : 0;
}

static int rename_dir (const repair_t *self, const char *from, const char *to)
{
    int sys = self->old.fs->rename (self->old.fs, from, to);
    return sys < 0 ? zf_folder_failed (self->err, sys, "rename", from) : 0;
}

static int take_lock (repair_t *self)
{
    zf_fs_t *fs = self->old.fs;
    int rc = zf_folder_open (&self->old, &self->lock, ZF_LOCK_NAME, ZF_FS_WRITE | ZF_FS_CREATE,
                             self->err);
    if (rc != 0)
        return rc;
    int sys = fs->lock (fs, self->lock.fd);
    if (sys == -EWOULDBLOCK)
        return zf_error_set (self->err, ZF_E_BUSY, "a process has it open");
    return sys < 0 ? zf_folder_failed (self->err, sys, "lock", ZF_LOCK_NAME) : 0;
}

/* -- Building the new one ---------------------------------------------------------------------- */

typedef struct {
    zf_folder_t folder; /* what a repair that did not come to its end left */
    int rc;             /* of the first call that failed */
    zf_error_t *err;
} leftover_t;

static int remove_name (void *arg, const char *name)
{
    leftover_t *self = arg;
    if (self->rc == 0)
        self->rc = zf_folder_unlink (&self->folder, name, self->err);
    return 0;
}

/* It holds copies only: what they were copied from is still there. */
static int remove_leftover (const repair_t *self)
{
    leftover_t leftover = {.err = self->err};
    bool there;
    int rc = exists (self, self->fresh, &there);
    if (rc != 0 || !there)
        return rc;
    rc = zf_folder_init (&leftover.folder, self->old.fs, self->fresh, self->err);
    if (rc == 0)
        rc = zf_folder_list (&leftover.folder, remove_name, &leftover, self->err);
    return rc != 0 ? rc : leftover.rc;
}

static int copy_entry (void *arg, const zf_scan_item_t *item)
{
    repair_t *self = arg;
    if (item->what != ZF_SCAN_DATA || item->position < self->summary->found.first)
        return 0;
    int rc = zf_journal_append (self->journal, &item->data, 1, NULL, self->err);
    if (rc == 0)
        self->summary->kept++;
    return rc;
}

/* Passes on what was found, and notes how large segments are. */
static int note_item (void *arg, const zf_scan_item_t *item)
{
    repair_t *self = arg;
    bool whole = item->size >= ZF_SEGMENT_MIN; /* or cut off */
    if (item->what == ZF_SCAN_SEGMENT && whole && item->size < self->segment_bytes)
        self->segment_bytes = item->size;
    return self->fn != NULL ? self->fn (self->arg, item) : 0;
}

static int build (repair_t *self)
{
    zf_journal_options_t options;
    zf_journal_defaults (&options);
    options.dir = self->fresh;
    options.segment_bytes =
        self->segment_bytes <= ZF_SEGMENT_MAX ? self->segment_bytes : ZF_SEGMENT_MIN;
    int rc = remove_leftover (self);
    if (rc == 0)
        rc = zf_journal_open_on (&self->journal, self->old.fs, &options, self->err);
    if (rc != 0)
        return rc;
    zf_error_t why = {0, ""};
    rc = zf_journal_scan_on (self->old.fs, self->old.path, copy_entry, self, &self->summary->found,
                             &why);
    if (rc != 0 && self->err->text[0] == '\0')
        *self->err = why;
    if (rc == 0)
        rc = zf_journal_sync (self->journal, self->err);
    int closed = zf_journal_close (&self->journal);
    if (rc == 0 && closed != 0)
        return zf_error_set (self->err, closed, "close %s: not all of it is on disk", self->fresh);
    return rc;
}

/* -- Putting it in place ----------------------------------------------------------------------- */

static int put_in_place (repair_t *self)
{
    char aside[4096];
    int n = 1;
    int rc;
    bool there = false;
    do {
        snprintf (aside, sizeof aside, "%s.damaged-%d", self->old.path, n++);
        rc = exists (self, aside, &there);
    } while (rc == 0 && there);
    if (rc == 0)
        rc = rename_dir (self, self->old.path, aside);
    if (rc != 0)
        return rc;
    memcpy (self->summary->aside, aside, sizeof aside);
    rc = zf_folder_sync_parent (&self->old, self->err); /* never may the new one replace it */
    if (rc == 0)
        rc = rename_dir (self, self->fresh, self->old.path);
    return rc != 0 ? rc : zf_folder_sync_parent (&self->old, self->err);
}

/* A repair was cut off between its two renames. */
static int finish_earlier (repair_t *self)
{
    bool old = true;
    bool fresh = false;
    int rc = exists (self, self->old.path, &old);
    if (rc == 0 && !old)
        rc = exists (self, self->fresh, &fresh);
    if (rc != 0 || !fresh)
        return rc;
    rc = rename_dir (self, self->fresh, self->old.path);
    return rc != 0 ? rc : zf_folder_sync_parent (&self->old, self->err);
}

static int repair (repair_t *self)
{
    zf_fs_t *fs = self->old.fs;
    zf_scan_summary_t *found = &self->summary->found;
    int rc = finish_earlier (self);
    if (rc == 0)
        rc = zf_journal_scan_on (fs, self->old.path, NULL, NULL, found, self->err);
    if (rc == 0)
        rc = take_lock (self);
    if (rc == 0)
        rc = zf_journal_scan_on (fs, self->old.path, note_item, self, found, self->err);
    self->err->text[0] = rc == 0 ? '\0' : self->err->text[0];
    if (rc != 0 || found->damages == 0)
        return rc;
    rc = build (self);
    return rc != 0 ? rc : put_in_place (self);
}

int zf_journal_repair_on (zf_fs_t *fs, const char *dir, zf_scan_fn *fn, void *arg,
                          zf_repair_summary_t *summary, zf_error_t *err)
{
    zf_error_t own = {0, ""};
    repair_t self = {.lock = {.fd = -1},
                     .summary = summary,
                     .segment_bytes = UINT64_MAX,
                     .fn = fn,
                     .arg = arg,
                     .err = err != NULL ? err : &own};
    memset (summary, 0, sizeof *summary);
    int rc = zf_folder_init (&self.old, fs, dir, self.err);
    if (rc == 0) {
        snprintf (self.fresh, sizeof self.fresh, "%s.repaired", self.old.path);
        rc = repair (&self);
        zf_folder_close (&self.old, &self.lock);
    }
    return rc != 0 ? zf_error_wrap (self.err, rc, "repair journal %s", dir != NULL ? dir : "") : 0;
}

int zf_journal_repair (const char *dir, zf_scan_fn *fn, void *arg, zf_repair_summary_t *summary,
                       zf_error_t *err)
{
    zf_repair_summary_t own;
    return zf_journal_repair_on (zf_fs_system (), dir, fn, arg, summary != NULL ? summary : &own,
                                 err);
}
