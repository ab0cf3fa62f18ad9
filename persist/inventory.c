#include "persist/recover.h"

#include "core/bytes.h"

#include <errno.h>
#include <stdlib.h>

#define WALK_STEP  ((size_t) 4 << 20) /* bytes read at once where all is read */
#define PROBE_STEP ((size_t) 4 << 10) /* and where only headers are */

void zf_recovery_init (zf_recovery_t *r, zf_journal_t *journal)
{
    memset (r, 0, sizeof *r);
    r->journal = journal;
    zf_window_init (&r->window, &journal->folder, WALK_STEP);
    zf_window_init (&r->probe, &journal->folder, PROBE_STEP);
}

void zf_recovery_free (zf_recovery_t *r)
{
    zf_window_free (&r->window);
    zf_window_free (&r->probe);
    free (r->heads);
}

/* -- What is there ----------------------------------------------------------------------------- */

typedef struct {
    zf_segments_t *segments; /* gets one for each file */
    bool spare;              /* a segment that was never finished is there */
} listing_t;

static int list_name (void *arg, const char *name)
{
    listing_t *self = arg;
    uint64_t number;
    if (strcmp (name, ZF_SPARE_NAME) == 0)
        self->spare = true;
    if (zf_segment_number (name, &number) && zf_segments_add (self->segments, number, 0) == NULL)
        return -ENOMEM;
    return 0;
}

static int by_number (const void *a, const void *b)
{
    const zf_segment_t *const *one = a;
    const zf_segment_t *const *other = b;
    return (*one)->number < (*other)->number ? -1 : (*one)->number > (*other)->number;
}

int zf_recovery_list (zf_journal_t *journal, zf_error_t *err)
{
    listing_t listing = {&journal->segments, false};
    int rc = zf_folder_list (&journal->folder, list_name, &listing, err);
    if (rc != 0)
        return rc;
    if (listing.segments->count > 0)
        qsort (listing.segments->at, listing.segments->count, sizeof *listing.segments->at,
               by_number);
    if (listing.spare && !journal->read_only)
        rc = zf_folder_unlink (&journal->folder, ZF_SPARE_NAME, err);
    return rc;
}

int zf_recovery_open (zf_recovery_t *r, size_t i, zf_file_t *file, zf_error_t *err)
{
    zf_journal_t *journal = r->journal;
    int rc = zf_folder_open (&journal->folder, file, journal->segments.at[i]->file.name,
                             journal->read_only ? ZF_FS_READ : ZF_FS_WRITE, err);
    if (rc == ZF_E_NOT_FOUND && journal->read_only)
        return zf_error_set (err, ZF_E_STALE, "segment %s was trimmed while it was read",
                             file->name);
    return rc;
}

static int check_head (zf_recovery_t *r, size_t i, const uint8_t *bytes, zf_error_t *err)
{
    const zf_segment_t *segment = r->journal->segments.at[i];
    zf_known_head_t *known = &r->heads[i];
    uint8_t version;
    int rc = zf_segment_head_decode (bytes, &known->head, &version);
    known->valid = rc == 0 && known->head.number == segment->number;
    if (rc == ZF_E_VERSION)
        return zf_error_set (err, rc,
                             "segment %s has format version %u, and this program knows none above "
                             "%u",
                             segment->file.name, version, ZF_FORMAT_VERSION);
    return 0;
}

int zf_recovery_read_head (zf_recovery_t *r, size_t i, zf_error_t *err)
{
    zf_file_t file = {.fd = -1};
    uint8_t bytes[ZF_SEGMENT_HEADER] = {0};
    size_t got;
    zf_segment_t *segment = r->journal->segments.at[i];
    int rc = zf_recovery_open (r, i, &file, err);
    if (rc != 0)
        return rc;
    rc = zf_folder_read (&r->journal->folder, &file, bytes, sizeof bytes, 0, &got, err);
    if (rc == ZF_E_IO && r->window.patient) {
        memset (bytes, 0, sizeof bytes);
        rc = 0;
    }
    if (rc == 0)
        rc = zf_folder_size (&r->journal->folder, &file, &segment->capacity, err);
    zf_folder_close (&r->journal->folder, &file);
    return rc != 0 ? rc : check_head (r, i, bytes, err);
}

int zf_recovery_read_heads (zf_recovery_t *r, zf_error_t *err)
{
    zf_segments_t *segments = &r->journal->segments;
    r->heads = calloc (segments->count, sizeof *r->heads);
    if (r->heads == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    for (size_t i = 0; i < segments->count; i++) {
        int rc = zf_recovery_read_head (r, i, err);
        if (rc != 0)
            return rc;
        r->journal->disk_bytes += segments->at[i]->capacity;
    }
    return 0;
}

/* -- The last trim ----------------------------------------------------------------------------- */

/* Looks for the last trim among a segment's entries: through their headers only, or so that it is
 * certain that each of them is valid, from the first one on. */
static int scan_for_trim (zf_recovery_t *r, size_t i, const zf_file_t *file, bool certain,
                          bool *found, zf_error_t *err)
{
    zf_read_entry_t entry = {.wrong = NULL};
    const zf_segment_head_t *head = &r->heads[i].head;
    zf_reader_window_t *window = certain ? &r->window : &r->probe;
    uint64_t sum = head->previous;
    int rc = zf_window_use (window, file, head->capacity, err);
    for (uint64_t offset = ZF_SEGMENT_HEADER; rc == 0;
         offset += zf_journal_extent (entry.head.size)) {
        rc = zf_window_head (window, offset, &entry, err);
        if (rc == 0 && entry.wrong == NULL && certain)
            rc = zf_window_entry (window, offset, &entry, err);
        if (rc != 0 || entry.wrong != NULL || entry.head.previous != sum ||
            entry.head.position != head->base + offset - ZF_SEGMENT_HEADER)
            break;
        sum = entry.head.sum;
        if (entry.head.kind != ZF_ENTRY_TRIM)
            continue;
        *found = true;
        if (certain)
            r->trim = zf_load_u64le (entry.payload.data);
    }
    return rc;
}

/* A trim behind a torn entry is not to be heeded: what it relies on may be what was torn. All
 * before this segment is durable. */
static int find_trim_in (zf_recovery_t *r, size_t i, bool *found, zf_error_t *err)
{
    zf_file_t file = {.fd = -1};
    bool seen = false;
    int rc = zf_recovery_open (r, i, &file, err);
    if (rc != 0)
        return rc;
    rc = scan_for_trim (r, i, &file, false, &seen, err);
    if (rc == 0 && seen)
        rc = scan_for_trim (r, i, &file, true, found, err);
    zf_folder_close (&r->journal->folder, &file);
    return rc;
}

int zf_recovery_find_trim (zf_recovery_t *r, zf_error_t *err)
{
    bool found = false;
    int rc = 0;
    for (size_t i = r->journal->segments.count; i > 0 && !found && rc == 0; i--)
        if (r->heads[i - 1].valid)
            rc = find_trim_in (r, i - 1, &found, err);
    return rc;
}
