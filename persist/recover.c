#include "persist/recover.h"

#include "core/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* -- Where to begin ---------------------------------------------------------------------------- */

static int missing (uint64_t number, zf_error_t *err)
{
    return zf_error_set (err, ZF_E_CORRUPT, "segment %016" PRIx64 ".zfj is missing", number);
}

static int find_start (zf_recovery_t *r, zf_error_t *err)
{
    const zf_segments_t *segments = &r->journal->segments;
    for (size_t i = 0; i < segments->count; i++)
        if (r->heads[i].valid && r->heads[i].head.base <= r->trim)
            r->start = i;
    for (size_t i = r->start + 1; i < segments->count; i++)
        if (segments->at[i]->number != segments->at[i - 1]->number + 1)
            return missing (segments->at[i - 1]->number + 1, err);
    const zf_known_head_t *first = &r->heads[r->start];
    if (!first->valid)
        return zf_error_set (err, ZF_E_CORRUPT, "segment %s at byte 0: bad header",
                             segments->at[r->start]->file.name);
    for (size_t i = r->start; i < segments->count; i++)
        if (r->heads[i].valid && memcmp (r->heads[i].head.uuid, first->head.uuid, 16) != 0)
            return zf_error_set (err, ZF_E_CORRUPT,
                                 "segment %s at byte 8: it belongs to another journal",
                                 segments->at[i]->file.name);
    memcpy (r->journal->uuid, first->head.uuid, sizeof r->journal->uuid);
    r->at = r->home = r->start;
    r->offset = r->home_end = ZF_SEGMENT_HEADER;
    r->next = r->synced = first->head.base;
    r->sum = first->head.previous;
    return 0;
}

/* -- The walk ---------------------------------------------------------------------------------- */

static int take (zf_recovery_t *r, const zf_read_entry_t *entry, zf_error_t *err)
{
    int rc = 0;
    uint64_t extent = zf_journal_extent (entry->head.size);
    r->journal->closed = entry->head.kind == ZF_ENTRY_CLOSE;
    if (entry->head.kind == ZF_ENTRY_TRIM)
        r->trimmed = zf_load_u64le (entry->payload.data);
    if (entry->head.kind == ZF_ENTRY_DATA && entry->head.position >= r->trim) {
        r->journal->replayed++;
        if (r->replay != NULL)
            rc = r->replay (r->arg, entry->head.position, entry->payload, err);
    }
    r->home = r->at;
    r->offset += extent;
    r->home_end = r->offset;
    r->next += extent;
    r->sum = entry->head.sum;
    r->synced = entry->head.synced;
    return rc;
}

static const char *check_chain (const zf_recovery_t *r, const zf_read_entry_t *entry)
{
    if (entry->wrong != NULL)
        return entry->wrong;
    if (entry->head.position != r->next)
        return "no entry";
    return entry->head.previous != r->sum ? "entry does not follow from the one before" : NULL;
}

static int walk_segment (zf_recovery_t *r, zf_error_t *err)
{
    zf_file_t file = {.fd = -1};
    int rc = zf_recovery_open (r, r->at, &file, err);
    if (rc != 0)
        return rc;
    rc = zf_window_use (&r->window, &file, r->heads[r->at].head.capacity, err);
    for (r->wrong = NULL; rc == 0 && r->wrong == NULL;) {
        zf_read_entry_t entry;
        rc = zf_window_entry (&r->window, r->offset, &entry, err);
        if (rc != 0)
            break;
        r->wrong = check_chain (r, &entry);
        if (r->wrong == NULL)
            rc = take (r, &entry, err);
    }
    zf_folder_close (&r->journal->folder, &file);
    return rc;
}

bool zf_recovery_continues (const zf_recovery_t *r, size_t i)
{
    if (i >= r->journal->segments.count || !r->heads[i].valid)
        return false;
    const zf_segment_head_t *head = &r->heads[i].head;
    return head->base == r->next && head->previous == r->sum;
}

/* To the end of the chain. */
static int walk (zf_recovery_t *r, zf_error_t *err)
{
    int rc = walk_segment (r, err);
    while (rc == 0 && r->home == r->at && zf_recovery_continues (r, r->at + 1)) {
        r->at++;
        r->offset = ZF_SEGMENT_HEADER;
        rc = walk_segment (r, err);
    }
    return rc;
}

static int walk_and_judge (zf_recovery_t *r, zf_error_t *err)
{
    int rc;
    int idle = 0; /* rounds that led no further */
    do {
        uint64_t before = r->next;
        rc = walk (r, err);
        if (rc == 0)
            rc = zf_tail_judge (r, err);
        idle += r->next == before;
    } while (rc == ZF_E_AGAIN && idle < 3);
    if (rc == ZF_E_AGAIN)
        return zf_error_set (err, ZF_E_STALE, "it changes while it is read");
    if (rc == 0 && r->trimmed < r->heads[r->start].head.base)
        return missing (r->journal->segments.at[r->start]->number - 1, err);
    return rc;
}

/* -- Going on from there ----------------------------------------------------------------------- */

static void drop (zf_recovery_t *r, size_t i)
{
    zf_segments_t *segments = &r->journal->segments;
    r->journal->disk_bytes -= segments->at[i]->capacity;
    free (zf_segments_take (segments, i));
}

/* Removes what was trimmed, and files behind the end that cannot be used: from the last one on, so
 * that there is never a gap. */
static int remove_useless (zf_recovery_t *r, size_t keep, zf_error_t *err)
{
    zf_journal_t *journal = r->journal;
    zf_segments_t *segments = &journal->segments;
    int rc = 0;
    while (segments->count > keep && rc == 0) {
        if (!journal->read_only)
            rc = zf_folder_unlink (&journal->folder, segments->at[segments->count - 1]->file.name,
                                   err);
        if (rc == 0 && !journal->read_only)
            rc = zf_folder_sync (&journal->folder, err);
        if (rc == 0)
            drop (r, segments->count - 1);
    }
    for (size_t i = 0; i < r->start && rc == 0; i++) {
        if (!journal->read_only)
            rc = zf_folder_unlink (&journal->folder, segments->at[0]->file.name, err);
        if (rc == 0)
            drop (r, 0);
    }
    return rc;
}

/* How many files from the first one on can stay: the live ones, and those that can be spares. */
static size_t count_useful (const zf_recovery_t *r)
{
    const zf_segments_t *segments = &r->journal->segments;
    size_t keep = r->home + 1;
    while (keep < segments->count && keep - r->home <= r->journal->spares &&
           segments->at[keep]->capacity == r->journal->segment_bytes)
        keep++;
    return r->journal->read_only ? r->home + 1 : keep;
}

static int open_for_writing (zf_journal_t *journal, zf_error_t *err)
{
    zf_segments_t *segments = &journal->segments;
    int rc = 0;
    for (size_t i = segments->live - 1; i < segments->count && rc == 0; i++) {
        char name[ZF_FILE_MAX];
        zf_segment_name (segments->at[i]->number, name);
        rc = zf_folder_open (&journal->folder, &segments->at[i]->file, name, ZF_FS_WRITE, err);
    }
    return rc;
}

/* Writes what may not be on disk as it was read: if a datasync failed before, another one alone
 * would make nothing of it durable, as it counts as written. */
static int write_again (zf_recovery_t *r, const zf_file_t *file, zf_error_t *err)
{
    uint64_t base = r->heads[r->home].head.base;
    uint64_t offset = r->synced > base ? r->synced - base + ZF_SEGMENT_HEADER : 0;
    int rc = zf_window_use (&r->window, file, r->home_end, err);
    while (rc == 0 && offset < r->home_end) {
        zf_bytes_t piece;
        rc = zf_window_get (&r->window, offset, r->window.step, &piece, err);
        if (rc != 0 || piece.size == 0)
            break;
        struct iovec part = {r->window.data + (offset - r->window.start), piece.size};
        rc = zf_folder_write (&r->journal->folder, file, &part, 1, offset, err);
        offset += piece.size;
    }
    return rc;
}

/* A process that was killed leaves entries and names that are there but not durable. */
static int make_durable (zf_recovery_t *r, zf_error_t *err)
{
    zf_file_t file = {.fd = -1};
    int rc = zf_recovery_open (r, r->home, &file, err);
    if (rc != 0)
        return rc;
    rc = write_again (r, &file, err);
    if (rc == 0)
        rc = zf_folder_datasync (&r->journal->folder, &file, err);
    zf_folder_close (&r->journal->folder, &file);
    if (rc == 0)
        rc = zf_folder_sync (&r->journal->folder, err);
    if (rc == 0 && r->next == 0)
        rc = zf_folder_sync_parent (&r->journal->folder, err);
    return rc;
}

static int settle (zf_recovery_t *r, zf_error_t *err)
{
    zf_journal_t *journal = r->journal;
    zf_segments_t *segments = &journal->segments;
    int rc = journal->read_only ? 0 : zf_tail_cut (r, err);
    if (rc == 0 && !journal->read_only)
        rc = make_durable (r, err);
    for (size_t i = r->start; i <= r->home && rc == 0; i++) {
        segments->at[i]->base = r->heads[i].head.base;
        segments->at[i]->capacity = r->heads[i].head.capacity;
    }
    size_t live = r->home - r->start + 1;
    if (rc == 0)
        rc = remove_useless (r, count_useful (r), err);
    if (rc != 0)
        return rc;
    segments->live = live;
    journal->current = zf_segments_last (segments);
    journal->first = journal->trim_asked = r->trimmed;
    journal->last_sum = r->sum;
    journal->next = journal->durable = r->next;
    return journal->read_only ? 0 : open_for_writing (journal, err);
}

/* -- A new journal ----------------------------------------------------------------------------- */

/* Its first segment has its header before it has its name: a journal knows who it is. */
static int create (zf_journal_t *journal, zf_error_t *err)
{
    zf_folder_t *folder = &journal->folder;
    if (journal->read_only)
        return zf_error_set (err, ZF_E_NOT_FOUND, "there is no journal");
    int sys = folder->fs->random (folder->fs, journal->uuid, sizeof journal->uuid);
    if (sys < 0)
        return zf_folder_failed (err, sys, "random bytes for", folder->path);
    zf_segment_t *segment = zf_segments_add (&journal->segments, 1, journal->segment_bytes);
    if (segment == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    journal->segments.live = 1;
    journal->current = segment;
    journal->disk_bytes = segment->capacity;
    journal->last_sum = zf_first_previous (journal->uuid);
    zf_segment_head_t head = {
        .number = 1, .previous = journal->last_sum, .capacity = segment->capacity};
    memcpy (head.uuid, journal->uuid, sizeof head.uuid);
    int rc = zf_spare_make (journal, &segment->file, segment->capacity, &head, err);
    if (rc == 0)
        rc = zf_spare_name (journal, &segment->file, 1, err);
    if (rc == 0)
        rc = zf_folder_sync_parent (folder, err);
    return rc;
}

int zf_journal_recover (zf_journal_t *journal, zf_replay_fn *replay, void *arg, zf_error_t *err)
{
    zf_recovery_t r;
    int rc = zf_recovery_list (journal, err);
    if (rc != 0)
        return rc;
    if (journal->segments.count == 0)
        return create (journal, err);
    zf_recovery_init (&r, journal);
    r.replay = replay;
    r.arg = arg;
    rc = zf_recovery_read_heads (&r, err);
    if (rc == 0)
        rc = zf_recovery_find_trim (&r, err);
    if (rc == 0)
        rc = find_start (&r, err);
    if (rc == 0)
        rc = walk_and_judge (&r, err);
    if (rc == 0)
        rc = settle (&r, err);
    zf_recovery_free (&r);
    return rc;
}
