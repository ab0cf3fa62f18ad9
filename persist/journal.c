#include "persist/state.h"

#include "core/bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define BLOCK      UINT64_C (4096) /* files are multiples of it */
#define TRIM_BYTES 8               /* payload of a trim entry */

/* -- Options ----------------------------------------------------------------------------------- */

void zf_journal_defaults_sized (zf_journal_options_t *options, size_t size)
{
    zf_journal_options_t own = {
        .struct_size = sizeof own, .segment_bytes = UINT64_C (64) << 20, .spares = 2};
    zf_options_fill (options, size, &own, sizeof own);
}

static int check (const zf_journal_options_t *options, zf_error_t *err)
{
    if (options == NULL || options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "journal options: set them up with zf_journal_defaults ()");
    if (options->segment_bytes < ZF_SEGMENT_MIN || options->segment_bytes > ZF_SEGMENT_MAX)
        return zf_error_set (err, ZF_E_INVAL,
                             "journal options: segment_bytes is not in 64 KiB .. 1 GiB");
    if (options->disk_bytes > 0 && options->disk_bytes / 3 < options->segment_bytes)
        return zf_error_set (err, ZF_E_INVAL,
                             "journal options: disk_bytes is less than 3 segments");
    if (options->spares == 0 || options->spares > ZF_SPARES_MAX)
        return zf_error_set (err, ZF_E_INVAL, "journal options: spares is not in 1 .. 64");
    return 0;
}

static uint64_t to_blocks (uint64_t size)
{
    return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* -- Open and close ---------------------------------------------------------------------------- */

static void release (zf_journal_t *journal)
{
    zf_keeper_stop (journal);
    zf_segments_free (&journal->segments, &journal->folder);
    zf_folder_close (&journal->folder, &journal->lock_file);
    pthread_cond_destroy (&journal->answer);
    pthread_cond_destroy (&journal->work);
    pthread_mutex_destroy (&journal->lock);
    zf_summer_free (journal->summer);
    free (journal->parts);
    free (journal);
}

static zf_journal_t *new_journal (const zf_journal_options_t *options)
{
    zf_journal_t *journal = calloc (1, sizeof *journal);
    if (journal == NULL)
        return NULL;
    journal->summer = zf_summer_new ();
    if (journal->summer == NULL) {
        free (journal);
        return NULL;
    }
    journal->lock_file.fd = -1;
    journal->read_only = options->read_only;
    journal->segment_bytes = to_blocks (options->segment_bytes);
    journal->disk_cap = options->disk_bytes > 0 ? options->disk_bytes : UINT64_MAX;
    journal->spares = options->spares;
    journal->asked = 1;
    journal->closed = true; /* a new one */
    pthread_mutex_init (&journal->lock, NULL);
    pthread_cond_init (&journal->work, NULL);
    pthread_cond_init (&journal->answer, NULL);
    return journal;
}

static int lock_folder (zf_journal_t *journal, zf_error_t *err)
{
    zf_folder_t *folder = &journal->folder;
    int rc = zf_folder_make (folder, err);
    if (rc == 0)
        rc = zf_folder_open (folder, &journal->lock_file, ZF_LOCK_NAME, ZF_FS_WRITE | ZF_FS_CREATE,
                             err);
    if (rc != 0)
        return rc;
    int sys;
    do
        sys = folder->fs->lock (folder->fs, journal->lock_file.fd);
    while (sys == -EINTR);
    if (sys == -EWOULDBLOCK)
        return zf_error_set (err, ZF_E_BUSY, "another process has it open");
    return sys < 0 ? zf_folder_failed (err, sys, "lock", ZF_LOCK_NAME) : 0;
}

static int start (zf_journal_t *journal, const zf_journal_options_t *options, zf_error_t *err)
{
    int rc = journal->read_only ? 0 : lock_folder (journal, err);
    if (rc == 0)
        rc = zf_journal_recover (journal, options->replay, options->arg, err);
    if (rc == 0 && !journal->read_only)
        rc = zf_keeper_start (journal, err);
    return rc;
}

int zf_journal_open_on (zf_journal_t **journal, zf_fs_t *fs, const zf_journal_options_t *options,
                        zf_error_t *err)
{
    *journal = NULL;
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_journal_t *self = new_journal (options);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "open journal: out of memory");
    rc = zf_folder_init (&self->folder, fs, options->dir, err);
    if (rc == 0)
        rc = start (self, options, err);
    if (rc != 0) {
        zf_error_wrap (err, rc, "open journal %s", options->dir != NULL ? options->dir : "");
        release (self);
        return rc;
    }
    *journal = self;
    return 0;
}

int zf_journal_open (zf_journal_t **journal, const zf_journal_options_t *options, zf_error_t *err)
{
    return zf_journal_open_on (journal, zf_fs_system (), options, err);
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* After this nothing more goes to the disk: what it holds is not known any more. */
static int poison (zf_journal_t *journal, zf_error_t *err)
{
    zf_error_t *why = &journal->failure;
    zf_error_wrap (why, ZF_E_IO, "journal %s", journal->folder.path);
    atomic_store (&journal->failed, true);
    return zf_error_set (err, ZF_E_IO, "%s", why->text);
}

static int usable (const zf_journal_t *journal, zf_error_t *err)
{
    if (journal->read_only)
        return zf_error_set (err, ZF_E_INVAL, "journal %s is open for reading only",
                             journal->folder.path);
    if (atomic_load (&journal->failed))
        return zf_error_set (err, ZF_E_IO, "failed before: %s", journal->failure.text);
    return 0;
}

/* What a trim entry says holds as soon as it is durable. */
static void apply_trim (zf_journal_t *journal)
{
    if (journal->trim_asked == journal->first) /* only this thread changes it */
        return;
    pthread_mutex_lock (&journal->lock);
    journal->first = journal->trim_asked;
    journal->asked++;
    pthread_mutex_unlock (&journal->lock);
    zf_keeper_wake (journal);
}

static int make_durable (zf_journal_t *journal, zf_error_t *err)
{
    uint64_t next = atomic_load (&journal->next);
    if (atomic_load (&journal->durable) == next)
        return 0;
    int rc = zf_folder_datasync (&journal->folder, &journal->current->file, &journal->failure);
    if (rc != 0)
        return poison (journal, err);
    atomic_store (&journal->durable, next);
    atomic_fetch_add (&journal->syncs, 1);
    apply_trim (journal);
    return 0;
}

static int obtain (zf_journal_t *journal, uint64_t capacity, zf_error_t *err)
{
    zf_error_t why;
    int rc = zf_keeper_obtain (journal, capacity, &why);
    if (rc == 0)
        return 0;
    if (rc == ZF_E_FULL)
        return zf_error_set (err, rc, "%s", why.text);
    journal->failure = why;
    return poison (journal, err);
}

/* What a segment must have for an entry: an ordinary one, or one of its own size. */
static uint64_t capacity_for (const zf_journal_t *journal, uint64_t extent)
{
    uint64_t capacity = ZF_SEGMENT_HEADER + extent;
    return capacity <= journal->segment_bytes ? capacity : to_blocks (capacity + ZF_TAIL_BYTES);
}

/* The next segment becomes the current one. All before it is durable by then: only the last segment
 * may ever have a torn end. */
static int roll (zf_journal_t *journal, uint64_t extent, zf_error_t *err)
{
    int rc = obtain (journal, capacity_for (journal, extent), err);
    if (rc == 0)
        rc = make_durable (journal, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock (&journal->lock);
    journal->current = zf_segments_ready (&journal->segments);
    journal->current->base = atomic_load (&journal->next);
    journal->segments.live++;
    zf_segments_close_one (&journal->segments, &journal->folder);
    pthread_mutex_unlock (&journal->lock);
    journal->first_previous = journal->last_sum;
    journal->header_due = true;
    zf_keeper_wake (journal);
    return 0;
}

static uint64_t room_left (const zf_journal_t *journal)
{
    uint64_t used = ZF_SEGMENT_HEADER + atomic_load (&journal->next) - journal->current->base;
    return journal->current->capacity > used ? journal->current->capacity - used : 0;
}

/* Sees to it that an entry fits the current segment. The mark of a close leaves some of the tail to
 * trims: else opening and closing alone would use it up. */
static int make_room (zf_journal_t *journal, uint64_t extent, uint8_t kind, zf_error_t *err)
{
    uint64_t kept = kind == ZF_ENTRY_CLOSE ? ZF_TAIL_BYTES / 2 : 0;
    int rc = room_left (journal) < extent + kept ? roll (journal, extent, err) : 0;
    if (rc != 0 || kind != ZF_ENTRY_DATA || room_left (journal) - extent >= ZF_TAIL_BYTES)
        return rc;
    return obtain (journal, ZF_SEGMENT_MIN, err); /* the tail is for data only if more is ready */
}

static int part_space (zf_journal_t *journal, size_t count)
{
    size_t needed = count + 3; /* both headers, padding */
    if (needed <= journal->part_room)
        return 0;
    struct iovec *parts = realloc (journal->parts, 2 * needed * sizeof *parts);
    if (parts == NULL)
        return ZF_E_NOMEM;
    journal->parts = parts;
    journal->part_room = 2 * needed;
    return 0;
}

static void segment_header (const zf_journal_t *journal, uint8_t *out)
{
    zf_segment_head_t head = {
        .number = journal->current->number,
        .base = journal->current->base,
        .previous = journal->first_previous,
        .capacity = journal->current->capacity,
    };
    memcpy (head.uuid, journal->uuid, sizeof head.uuid);
    zf_segment_head_encode (&head, out);
}

static struct iovec part_of (const void *data, size_t size)
{
    union {
        const void *in;
        void *out;
    } pointer = {data}; /* writev takes no const, and changes nothing */
    struct iovec part = {pointer.out, size};
    return part;
}

/* One call writes headers, payload and padding from where they are. */
static int write_entry (zf_journal_t *journal, zf_entry_head_t *head, const zf_bytes_t *parts,
                        size_t count, zf_error_t *err)
{
    static const uint8_t zeros[8];
    uint8_t segment_head[ZF_SEGMENT_HEADER];
    uint8_t entry_head[ZF_ENTRY_HEADER];
    struct iovec *to = journal->parts;
    uint64_t offset = ZF_SEGMENT_HEADER + head->position - journal->current->base;
    zf_entry_head_encode (head, parts, count, journal->summer, entry_head);
    if (journal->header_due) {
        segment_header (journal, segment_head);
        *to++ = part_of (segment_head, sizeof segment_head);
        offset = 0;
    }
    *to++ = part_of (entry_head, sizeof entry_head);
    for (size_t i = 0; i < count; i++)
        if (parts[i].size > 0)
            *to++ = part_of (parts[i].data, parts[i].size);
    *to++ = part_of (zeros, zf_journal_extent (head->size) - ZF_ENTRY_HEADER - head->size);
    return zf_folder_write (&journal->folder, &journal->current->file, journal->parts,
                            (size_t) (to - journal->parts), offset, err);
}

static void advance (zf_journal_t *journal, const zf_entry_head_t *head)
{
    uint64_t extent = zf_journal_extent (head->size);
    journal->last_sum = head->sum;
    journal->header_due = false;
    atomic_fetch_add (&journal->appends, 1);
    atomic_fetch_add (&journal->append_bytes, extent);
    atomic_store (&journal->next, head->position + extent);
}

/* Into the current segment, which has room. */
static int put_here (zf_journal_t *journal, uint8_t kind, const zf_bytes_t *parts, size_t count,
                     size_t size, zf_error_t *err)
{
    if (part_space (journal, count) != 0)
        return zf_error_set (err, ZF_E_NOMEM, "append: out of memory");
    zf_entry_head_t head = {
        .size = (uint32_t) size,
        .kind = kind,
        .position = atomic_load (&journal->next),
        .synced = atomic_load (&journal->durable),
        .previous = journal->last_sum,
    };
    int rc = write_entry (journal, &head, parts, count, &journal->failure);
    if (rc == ZF_E_FULL)
        return zf_error_set (err, ZF_E_FULL, "%s", journal->failure.text);
    if (rc != 0)
        return poison (journal, err);
    advance (journal, &head);
    return 0;
}

static int put_trim (zf_journal_t *journal, uint64_t position, zf_error_t *err)
{
    uint8_t payload[TRIM_BYTES];
    zf_store_u64le (payload, position);
    zf_bytes_t part = zf_bytes (payload, sizeof payload);
    return put_here (journal, ZF_ENTRY_TRIM, &part, 1, sizeof payload, err);
}

/* A segment that was begun for an entry which then could not be written is empty, and has no header
 * either. If it does not suit the next entry it must not stay so: for recovery the journal would
 * end before it. What is put there says nothing new. */
static int leave_none_empty (zf_journal_t *journal, uint64_t extent, zf_error_t *err)
{
    if (!journal->header_due || room_left (journal) >= extent)
        return 0;
    return put_trim (journal, journal->trim_asked, err);
}

static int put (zf_journal_t *journal, uint8_t kind, const zf_bytes_t *parts, size_t count,
                size_t size, zf_error_t *err)
{
    uint64_t extent = zf_journal_extent (size);
    int rc = leave_none_empty (journal, extent, err);
    if (rc == 0)
        rc = make_room (journal, extent, kind, err);
    return rc == 0 ? put_here (journal, kind, parts, count, size, err) : rc;
}

int zf_journal_append (zf_journal_t *journal, const zf_bytes_t *parts, size_t count,
                       uint64_t *position, zf_error_t *err)
{
    int rc = usable (journal, err);
    if (rc != 0)
        return rc;
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].size > ZF_ENTRY_MAX - size)
            return zf_error_set (err, ZF_E_TOO_BIG, "append: more than %u bytes", ZF_ENTRY_MAX);
        size += parts[i].size;
    }
    rc = put (journal, ZF_ENTRY_DATA, parts, count, size, err);
    if (rc == 0 && position != NULL)
        *position = atomic_load (&journal->next) - zf_journal_extent (size);
    return rc;
}

int zf_journal_sync (zf_journal_t *journal, zf_error_t *err)
{
    int rc = usable (journal, err);
    return rc != 0 ? rc : make_durable (journal, err);
}

int zf_journal_trim (zf_journal_t *journal, uint64_t position, zf_error_t *err)
{
    int rc = usable (journal, err);
    if (rc != 0)
        return rc;
    if (position > atomic_load (&journal->next))
        return zf_error_set (err, ZF_E_INVAL, "trim: position %" PRIu64 " is not there yet",
                             position);
    if (position < journal->trim_asked)
        position = journal->trim_asked;
    rc = make_room (journal, zf_journal_extent (TRIM_BYTES), ZF_ENTRY_TRIM, err);
    if (rc == 0)
        rc = put_trim (journal, position, err);
    if (rc == 0)
        journal->trim_asked = position;
    return rc;
}

/* Everything is durable before the mark is made: so it proves that all before it was. A disk that
 * has no room for the mark does without. */
static int finish (zf_journal_t *journal)
{
    int rc = zf_journal_sync (journal, NULL);
    if (rc != 0)
        return ZF_E_IO;
    rc = put (journal, ZF_ENTRY_CLOSE, NULL, 0, 0, NULL);
    if (rc == ZF_E_FULL || rc == ZF_E_NOMEM)
        return 0;
    return rc == 0 && zf_journal_sync (journal, NULL) == 0 ? 0 : ZF_E_IO;
}

int zf_journal_close (zf_journal_t **journal)
{
    zf_journal_t *self = *journal;
    if (self == NULL)
        return 0;
    *journal = NULL;
    int rc = self->read_only ? 0 : finish (self);
    release (self);
    return rc;
}

/* -- What it says of itself -------------------------------------------------------------------- */

uint64_t zf_journal_next (const zf_journal_t *journal)
{
    return atomic_load (&journal->next);
}

uint64_t zf_journal_durable (const zf_journal_t *journal)
{
    return atomic_load (&journal->durable);
}

static void count_files (zf_journal_t *journal, zf_journal_stats_t *stats)
{
    const zf_segments_t *segments = &journal->segments;
    const zf_segment_t *last = zf_segments_last (segments);
    uint64_t used = ZF_SEGMENT_HEADER + stats->next - last->base;
    stats->room = last->capacity > used ? last->capacity - used : 0;
    for (size_t i = segments->live; i < segments->count; i++)
        stats->room += segments->at[i]->capacity - ZF_SEGMENT_HEADER;
    stats->room -= stats->room < ZF_TAIL_BYTES ? stats->room : ZF_TAIL_BYTES;
    stats->segments = segments->live;
    stats->spares = segments->count - segments->live;
    stats->first = journal->first;
    stats->disk_bytes = journal->disk_bytes;
    stats->full = journal->refused >= journal->asked;
}

void zf_journal_stats (zf_journal_t *journal, zf_journal_stats_t *stats)
{
    memset (stats, 0, sizeof *stats);
    pthread_mutex_lock (&journal->lock);
    stats->durable = atomic_load (&journal->durable);
    stats->next = atomic_load (&journal->next);
    count_files (journal, stats);
    stats->failed = journal->broken;
    pthread_mutex_unlock (&journal->lock);
    stats->appends = atomic_load (&journal->appends);
    stats->append_bytes = atomic_load (&journal->append_bytes);
    stats->syncs = atomic_load (&journal->syncs);
    stats->replayed = journal->replayed;
    stats->closed = journal->closed;
    stats->cut_bytes = journal->cut_bytes;
    stats->failed = stats->failed || atomic_load (&journal->failed);
    memcpy (stats->uuid, journal->uuid, sizeof stats->uuid);
}
