#include "persist/state.h"

#include "core/bytes.h"

#include <inttypes.h>
#include <stdlib.h>

/* Holds the segment that position lies in. */
static int hold (zf_journal_t *journal, uint64_t position, zf_segment_t **segment, zf_error_t *err)
{
    int rc;
    *segment = NULL;
    pthread_mutex_lock (&journal->lock);
    if (position < journal->first || position >= atomic_load (&journal->next)) {
        zf_error_set (err, ZF_E_NOT_FOUND, "no entry at position %" PRIu64, position);
        rc = ZF_E_NOT_FOUND;
    } else {
        *segment = zf_segments_find (&journal->segments, position);
        rc = zf_segments_hold (&journal->segments, &journal->folder, *segment, err);
    }
    pthread_mutex_unlock (&journal->lock);
    return rc;
}

static void let_go (zf_journal_t *journal, zf_segment_t *segment)
{
    pthread_mutex_lock (&journal->lock);
    if (--segment->holders == 0)
        pthread_cond_broadcast (&journal->answer);
    pthread_mutex_unlock (&journal->lock);
}

static int corrupt (const zf_journal_t *journal, const zf_segment_t *segment, uint64_t offset,
                    const char *wrong, zf_error_t *err)
{
    zf_error_set (err, ZF_E_CORRUPT, "read journal %s: segment %s at byte %" PRIu64 ": %s",
                  journal->folder.path, segment->file.name, offset, wrong);
    return ZF_E_CORRUPT;
}

/* The header of the entry at position, as bytes and decoded. */
static int read_head (zf_journal_t *journal, const zf_segment_t *segment, uint64_t position,
                      uint8_t *bytes, zf_entry_head_t *head, zf_error_t *err)
{
    size_t got;
    uint64_t offset = ZF_SEGMENT_HEADER + position - segment->base;
    int rc = zf_folder_read (&journal->folder, &segment->file, bytes, ZF_ENTRY_HEADER, offset, &got,
                             err);
    if (rc != 0)
        return rc;
    if (got < ZF_ENTRY_HEADER || !zf_entry_head_decode (bytes, head) || head->position != position)
        return corrupt (journal, segment, offset, "no entry", err);
    return 0;
}

static int read_payload (zf_journal_t *journal, const zf_segment_t *segment,
                         const zf_entry_head_t *head, uint64_t from, void *data, size_t size,
                         zf_error_t *err)
{
    size_t got;
    uint64_t offset = ZF_SEGMENT_HEADER + head->position - segment->base;
    int rc = zf_folder_read (&journal->folder, &segment->file, data, size,
                             offset + ZF_ENTRY_HEADER + from, &got, err);
    if (rc == 0 && got < size)
        return corrupt (journal, segment, offset, "entry cut short", err);
    return rc;
}

static int check_sum (zf_journal_t *journal, const zf_segment_t *segment, const uint8_t *bytes,
                      const zf_entry_head_t *head, const void *data, zf_error_t *err)
{
    if (zf_entry_sum (bytes, zf_bytes (data, head->size)) == head->sum)
        return 0;
    return corrupt (journal, segment, ZF_SEGMENT_HEADER + head->position - segment->base,
                    "checksum mismatch", err);
}

static int fetch_held (zf_journal_t *journal, const zf_segment_t *segment, uint64_t position,
                       uint64_t offset, void *data, size_t size, zf_error_t *err)
{
    uint8_t bytes[ZF_ENTRY_HEADER];
    zf_entry_head_t head;
    int rc = read_head (journal, segment, position, bytes, &head, err);
    if (rc != 0)
        return rc;
    if (offset > head.size || size > head.size - offset)
        return zf_error_set (err, ZF_E_INVAL,
                             "the entry at position %" PRIu64 " has only %" PRIu32 " bytes",
                             position, head.size);
    rc = read_payload (journal, segment, &head, offset, data, size, err);
    if (rc == 0 && size == head.size)
        rc = check_sum (journal, segment, bytes, &head, data, err);
    return rc;
}

int zf_journal_fetch (zf_journal_t *journal, uint64_t position, uint64_t offset, void *data,
                      size_t size, zf_error_t *err)
{
    zf_segment_t *segment;
    int rc = hold (journal, position, &segment, err);
    if (rc != 0)
        return rc;
    rc = fetch_held (journal, segment, position, offset, data, size, err);
    let_go (journal, segment);
    return rc;
}

/* One entry of any kind: *data is NULL if it is none of data. */
static int read_held (zf_journal_t *journal, const zf_segment_t *segment, uint64_t *position,
                      void **data, size_t *size, zf_error_t *err)
{
    uint8_t bytes[ZF_ENTRY_HEADER];
    zf_entry_head_t head;
    int rc = read_head (journal, segment, *position, bytes, &head, err);
    if (rc != 0)
        return rc;
    void *payload = malloc (head.size + (size_t) 1);
    if (payload == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "read journal: out of memory");
    rc = read_payload (journal, segment, &head, 0, payload, head.size, err);
    if (rc == 0)
        rc = check_sum (journal, segment, bytes, &head, payload, err);
    if (rc == 0)
        *position += zf_journal_extent (head.size);
    if (rc != 0 || head.kind != ZF_ENTRY_DATA) {
        free (payload);
        return rc;
    }
    *data = payload;
    *size = head.size;
    return 0;
}

int zf_journal_read (zf_journal_t *journal, uint64_t *position, void **data, size_t *size,
                     zf_error_t *err)
{
    int rc = 0;
    *data = NULL;
    *size = 0;
    while (rc == 0 && *data == NULL) {
        zf_segment_t *segment;
        rc = hold (journal, *position, &segment, err);
        if (rc != 0)
            break;
        rc = read_held (journal, segment, position, data, size, err);
        let_go (journal, segment);
    }
    return rc;
}
