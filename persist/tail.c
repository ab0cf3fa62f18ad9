#include "persist/recover.h"

#include "core/bytes.h"

#include <inttypes.h>

enum { GO_ON = 0, EVIDENCE = 1 };

/* Called for each later file whose header is valid. */
typedef int header_fn (zf_recovery_t *r, const zf_file_t *file, size_t i, zf_error_t *err);

int zf_tail_search (zf_recovery_t *r, const zf_file_t *file, uint64_t offset, zf_found_fn *found,
                    zf_error_t *err)
{
    while (true) {
        zf_bytes_t piece;
        int rc = zf_window_get (&r->window, offset, r->window.step, &piece, err);
        if (rc != 0 || piece.size < ZF_ENTRY_HEADER)
            return rc;
        size_t i = 0;
        for (; i + ZF_ENTRY_HEADER <= piece.size; i += 8) {
            const uint8_t *at = (const uint8_t *) piece.data + i;
            zf_entry_head_t head;
            if (!zf_entry_may_be (at) || !zf_entry_head_decode (at, &head) ||
                head.position < r->next)
                continue;
            rc = found (r, file, offset + i, &head, err);
            if (rc != GO_ON)
                return rc;
        }
        offset += i;
    }
}

/* Payload can look like entries of this journal or another one, but not where they would lie. */
static bool is_in_place (const zf_recovery_t *r, uint64_t offset, const zf_entry_head_t *head)
{
    return head->position == r->search_base + offset - ZF_SEGMENT_HEADER;
}

/* The position that a segment begins at: its header says so; else its first entry does, if that can
 * be read; else it is the one that is due. */
static int find_base (zf_recovery_t *r, size_t i, zf_error_t *err)
{
    zf_bytes_t bytes;
    zf_entry_head_t head;
    int rc = zf_window_get (&r->window, ZF_SEGMENT_HEADER, ZF_ENTRY_HEADER, &bytes, err);
    if (rc != 0)
        return rc;
    r->search_base = r->next;
    if (r->heads[i].valid)
        r->search_base = r->heads[i].head.base;
    else if (bytes.size == ZF_ENTRY_HEADER && zf_entry_head_decode (bytes.data, &head) &&
             head.position > r->next)
        r->search_base = head.position;
    return 0;
}

static int search_segment (zf_recovery_t *r, size_t i, header_fn *header, zf_found_fn *found,
                           zf_error_t *err)
{
    zf_file_t file = {.fd = -1};
    int rc = zf_recovery_open (r, i, &file, err);
    if (rc != 0)
        return rc;
    r->dirty = false;
    rc = zf_window_use (&r->window, &file, UINT64_MAX, err);
    if (rc == 0 && i <= r->home + 1)
        rc = find_base (r, i, err);
    if (rc == 0 && i > r->home && r->heads[i].valid)
        rc = header (r, &file, i, err);
    if (rc == 0 && i <= r->home + 1) /* one further on is begun only when this one is durable */
        rc = zf_tail_search (r, &file, i == r->home ? r->home_end : ZF_SEGMENT_HEADER, found, err);
    if (rc == 0 && r->dirty)
        rc = zf_folder_datasync (&r->journal->folder, &file, err);
    zf_folder_close (&r->journal->folder, &file);
    return rc;
}

static int search (zf_recovery_t *r, header_fn *header, zf_found_fn *found, zf_error_t *err)
{
    int rc = 0;
    for (size_t i = r->home; i < r->journal->segments.count && rc == 0; i++)
        rc = search_segment (r, i, header, found, err);
    return rc;
}

/* -- Torn or damaged? -------------------------------------------------------------------------- */

static int evidence (const zf_recovery_t *r, const char *file, uint64_t offset, zf_error_t *err)
{
    zf_error_set (err, ZF_E_CORRUPT,
                  "segment %s at byte %" PRIu64 ": %s, but it was durable before byte %" PRIu64
                  " of %s was written",
                  r->journal->segments.at[r->at]->file.name, r->offset, r->wrong, offset, file);
    return EVIDENCE;
}

static int judge_header (zf_recovery_t *r, const zf_file_t *file, size_t i, zf_error_t *err)
{
    bool torn = i == r->home + 1 && zf_recovery_continues (r, i); /* its first entry is not valid */
    return torn ? GO_ON : evidence (r, file->name, 0, err);
}

static int judge_entry (zf_recovery_t *r, const zf_file_t *file, uint64_t offset,
                        const zf_entry_head_t *head, zf_error_t *err)
{
    if (head->synced <= r->next || !is_in_place (r, offset, head))
        return GO_ON;
    zf_read_entry_t entry;
    int rc = zf_window_use (&r->probe, file, UINT64_MAX, err);
    if (rc == 0)
        rc = zf_window_entry (&r->probe, offset, &entry, err);
    if (rc != 0 || entry.wrong != NULL)
        return rc;
    return evidence (r, file->name, offset, err);
}

/* Is there a valid entry now that continues the chain, in segment i at that offset? */
static int is_valid_now (zf_recovery_t *r, size_t i, uint64_t offset, bool *valid, zf_error_t *err)
{
    zf_file_t file = {.fd = -1};
    zf_read_entry_t entry;
    uint64_t capacity = r->heads[i].valid ? r->heads[i].head.capacity : UINT64_MAX;
    *valid = false;
    int rc = zf_recovery_open (r, i, &file, err);
    if (rc != 0)
        return rc;
    rc = zf_window_use (&r->probe, &file, capacity, err);
    if (rc == 0)
        rc = zf_window_entry (&r->probe, offset, &entry, err);
    if (rc == 0 && entry.wrong == NULL)
        *valid = entry.head.position == r->next && entry.head.previous == r->sum;
    zf_folder_close (&r->journal->folder, &file);
    return rc;
}

/* A header and its first entry lie in one sector: one without the other was not torn. */
static int judge_next_header (zf_recovery_t *r, zf_error_t *err)
{
    const zf_segments_t *segments = &r->journal->segments;
    size_t i = r->home + 1;
    bool valid = false;
    if (r->at != r->home || i == segments->count || r->heads[i].valid)
        return 0;
    int rc = is_valid_now (r, i, ZF_SEGMENT_HEADER, &valid, err);
    if (rc != 0 || !valid)
        return rc;
    zf_error_set (err, ZF_E_CORRUPT, "segment %s at byte 0: bad header before a valid entry",
                  segments->at[i]->file.name);
    return EVIDENCE;
}

/* Beside a writer: what looked damaged may have been on its way. ZF_E_AGAIN if so. */
static int look_again (zf_recovery_t *r, zf_error_t *err)
{
    bool valid = false;
    zf_error_t damage = *err;
    int rc = is_valid_now (r, r->at, r->offset, &valid, err);
    for (size_t i = r->at; i < r->journal->segments.count && rc == 0; i++)
        rc = zf_recovery_read_head (r, i, err);
    if (rc != 0)
        return rc;
    if (!r->heads[r->at].valid)
        return zf_error_set (err, ZF_E_STALE, "segment %s was trimmed while it was read",
                             r->journal->segments.at[r->at]->file.name);
    if (valid || (r->at == r->home && zf_recovery_continues (r, r->at + 1)))
        return ZF_E_AGAIN;
    return zf_error_set (err, ZF_E_CORRUPT, "%s", damage.text);
}

int zf_tail_judge (zf_recovery_t *r, zf_error_t *err)
{
    zf_error_t why = {0, ""};
    int rc = judge_next_header (r, &why);
    if (rc == 0)
        rc = search (r, judge_header, judge_entry, &why);
    if (rc == EVIDENCE)
        rc = r->journal->read_only ? look_again (r, &why) : ZF_E_CORRUPT;
    return rc == 0 || rc == ZF_E_AGAIN ? rc : zf_error_set (err, rc, "%s", why.text);
}

/* -- Cutting off a torn end -------------------------------------------------------------------- */

static int erase (zf_recovery_t *r, const zf_file_t *file, uint64_t offset, uint64_t size,
                  zf_error_t *err)
{
    r->dirty = true;
    return zf_folder_zero (&r->journal->folder, file, offset, size, err);
}

static int erase_header (zf_recovery_t *r, const zf_file_t *file, size_t i, zf_error_t *err)
{
    r->heads[i].valid = false;
    return erase (r, file, 0, ZF_SEGMENT_HEADER, err);
}

static int erase_entry (zf_recovery_t *r, const zf_file_t *file, uint64_t offset,
                        const zf_entry_head_t *head, zf_error_t *err)
{
    if (!is_in_place (r, offset, head))
        return GO_ON;
    uint64_t end = head->position + zf_journal_extent (head->size) - r->next;
    if (end > r->journal->cut_bytes)
        r->journal->cut_bytes = end;
    return erase (r, file, offset, ZF_ENTRY_HEADER, err);
}

int zf_tail_cut (zf_recovery_t *r, zf_error_t *err)
{
    return search (r, erase_header, erase_entry, err);
}
