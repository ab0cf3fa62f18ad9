/* A write-ahead log in memory: entries and trims in an array, in order. They take the places that
 * they would take in a journal, so that both kinds of log number alike. */
#include "persist/journal.h"
#include "persist/wal.h"
#include "persist/wal_frame.h"

#include <stdlib.h>

#define TRIM_BYTES 8 /* what a trim notes */

typedef struct {
    uint64_t lsn;  /* where it begins */
    uint64_t end;  /* where the next one does */
    uint8_t *data; /* its bytes; NULL: a trim */
    size_t size;   /* of data */
    uint64_t to;   /* of a trim: nothing below is needed */
} entry_t;

typedef struct answer answer_t;

struct answer {
    zf_wal_event_t event; /* of kind ZF_WAL_READ */
    answer_t *next;       /* asked for after it */
};

typedef struct {
    zf_wal_t wal;          /* must be first */
    entry_t *entries;      /* all that are kept, oldest first */
    size_t count;          /* of them */
    size_t capacity;       /* of the array */
    uint64_t lowest;       /* lsn of the first that is kept */
    uint64_t next;         /* lsn of the next to come */
    uint64_t durable;      /* a crash forgets what is not below */
    uint64_t told;         /* the last ZF_WAL_DURABLE */
    answer_t *answers;     /* reads whose events have not been taken, oldest first */
    answer_t **last;       /* where the next answer is linked */
    uint64_t bytes;        /* of entries kept */
    uint64_t syncs;        /* since open */
    uint64_t appends;      /* the same */
    uint64_t append_bytes; /* the same, without headers */
    bool failed;           /* out of memory */
    bool failure_told;     /* the event was taken */
} memory_t;

static uint64_t extent (uint64_t size)
{
    return (ZF_ENTRY_HEADER + size + 7) & ~UINT64_C (7);
}

/* -- entries ----------------------------------------------------------------------------------- */

/* The place for the next entry, its lsn and end filled in; NULL: no memory, the log has failed. */
static entry_t *add (memory_t *self, uint64_t size)
{
    uint64_t lsn = self->next;
    self->next += extent (size);
    if (self->count == self->capacity) {
        size_t capacity = self->capacity != 0 ? 2 * self->capacity : 64;
        entry_t *entries = realloc (self->entries, capacity * sizeof *entries);
        self->failed = self->failed || entries == NULL;
        if (entries == NULL)
            return NULL;
        self->entries = entries;
        self->capacity = capacity;
    }
    entry_t *entry = &self->entries[self->count];
    *entry = (entry_t){.lsn = lsn, .end = self->next};
    return entry;
}

static void drop (memory_t *self, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++) {
        self->bytes -= self->entries[i].end - self->entries[i].lsn;
        free (self->entries[i].data);
    }
    self->count -= count;
    if (count > 0 && first < self->count)
        memmove (&self->entries[first], &self->entries[first + count],
                 (self->count - first) * sizeof *self->entries);
}

/* How many entries end at or below that lsn. */
static size_t count_below (const memory_t *self, uint64_t lsn)
{
    size_t low = 0;
    size_t high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->entries[middle].end <= lsn)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const entry_t *find (const memory_t *self, uint64_t lsn)
{
    size_t i = count_below (self, lsn);
    if (i == self->count || self->entries[i].lsn != lsn || self->entries[i].data == NULL)
        return NULL;
    return &self->entries[i];
}

static size_t size_of (const zf_wal_part_t *parts, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += parts[i].bytes.size;
    return size;
}

static void gather (uint8_t *to, const zf_wal_part_t *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (parts[i].bytes.size > 0)
            memcpy (to, parts[i].bytes.data, parts[i].bytes.size);
        to += parts[i].bytes.size;
    }
}

static uint64_t append (zf_wal_t *wal, const zf_wal_part_t *parts, size_t count)
{
    memory_t *self = (memory_t *) wal;
    uint64_t lsn = self->next;
    size_t size = size_of (parts, count);
    uint8_t *data = malloc (size > 0 ? size : 1);
    self->failed = self->failed || data == NULL;
    entry_t *entry = add (self, size);
    if (self->failed || entry == NULL) {
        free (data);
        return lsn;
    }
    gather (data, parts, count);
    entry->data = data;
    entry->size = size;
    self->count++;
    self->bytes += entry->end - entry->lsn;
    self->appends++;
    self->append_bytes += size;
    return lsn;
}

static void trim (zf_wal_t *wal, uint64_t lsn)
{
    memory_t *self = (memory_t *) wal;
    entry_t *entry = add (self, TRIM_BYTES);
    if (self->failed || entry == NULL)
        return;
    entry->to = lsn;
    self->count++;
    self->bytes += entry->end - entry->lsn;
}

/* -- events ------------------------------------------------------------------------------------ */

static int copy_out (const memory_t *self, zf_wal_event_t *event, uint32_t offset, uint32_t size)
{
    const entry_t *entry = find (self, event->lsn);
    if (entry == NULL)
        return ZF_E_NOT_FOUND;
    if (offset > entry->size || size > entry->size - offset)
        return ZF_E_INVAL;
    event->frame = zf_wal_frame_new (size);
    if (event->frame == NULL)
        return ZF_E_NOMEM;
    memcpy (event->frame->data, entry->data + offset, size);
    return 0;
}

static void read_back (zf_wal_t *wal, uint64_t lsn, uint32_t offset, uint32_t size, uint64_t tag)
{
    memory_t *self = (memory_t *) wal;
    answer_t *answer = calloc (1, sizeof *answer);
    self->failed = self->failed || answer == NULL;
    if (answer == NULL)
        return;
    answer->event = (zf_wal_event_t){.what = ZF_WAL_READ, .lsn = lsn, .tag = tag};
    answer->event.code = copy_out (self, &answer->event, offset, size);
    *self->last = answer;
    self->last = &answer->next;
}

static bool take_answer (memory_t *self, zf_wal_event_t *event)
{
    answer_t *answer = self->answers;
    if (answer == NULL)
        return false;
    self->answers = answer->next;
    if (self->answers == NULL)
        self->last = &self->answers;
    *event = answer->event;
    free (answer);
    return true;
}

static bool take_event (zf_wal_t *wal, zf_wal_event_t *event)
{
    memory_t *self = (memory_t *) wal;
    if (self->told != self->durable) {
        self->told = self->durable;
        *event = (zf_wal_event_t){.what = ZF_WAL_DURABLE, .lsn = self->durable};
        return true;
    }
    if (take_answer (self, event))
        return true;
    if (!self->failed || self->failure_told)
        return false;
    self->failure_told = true;
    *event =
        (zf_wal_event_t){.what = ZF_WAL_FAILED, .code = ZF_E_NOMEM, .text = "log: out of memory"};
    return true;
}

static void drop_answers (memory_t *self)
{
    zf_wal_event_t event;
    while (take_answer (self, &event))
        zf_frame_drop (event.frame);
}

/* -- the rest ---------------------------------------------------------------------------------- */

static void get_stats (zf_wal_t *wal, zf_wal_stats_t *stats)
{
    const memory_t *self = (const memory_t *) wal;
    *stats = (zf_wal_stats_t){
        .lowest = self->lowest,
        .next = self->next,
        .durable = self->durable,
        .room = INT64_MAX,
        .disk_bytes = self->bytes,
        .syncs = self->syncs,
        .appends = self->appends,
        .appended_bytes = self->append_bytes,
        .failed = self->failed,
    };
}

static void reserve (zf_wal_t *wal, uint64_t bytes)
{
    (void) wal; /* as much as there is memory */
    (void) bytes;
}

static void close_log (zf_wal_t *wal)
{
    memory_t *self = (memory_t *) wal;
    drop_answers (self);
    drop (self, 0, self->count);
    free (self->entries);
    free (self);
}

int zf_wal_memory_open (zf_wal_t **wal)
{
    memory_t *self = calloc (1, sizeof *self);
    *wal = NULL;
    if (self == NULL)
        return ZF_E_NOMEM;
    self->wal = (zf_wal_t){
        .append = append,
        .read = read_back,
        .trim = trim,
        .event = take_event,
        .stats = get_stats,
        .reserve = reserve,
        .close = close_log,
        .fd = -1,
    };
    memcpy (self->wal.uuid, "zferry in memory", sizeof self->wal.uuid);
    self->last = &self->answers;
    *wal = &self->wal;
    return 0;
}

/* Trims count as soon as they are durable. */
static void apply_trims (memory_t *self, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (self->entries[i].data == NULL && self->entries[i].to > self->lowest)
            self->lowest = self->entries[i].to;
    drop (self, 0, count_below (self, self->lowest));
}

void zf_wal_memory_sync (zf_wal_t *wal, uint64_t lsn)
{
    memory_t *self = (memory_t *) wal;
    size_t count = self->failed ? 0 : count_below (self, lsn);
    self->syncs++;
    if (count == 0 || self->entries[count - 1].end <= self->durable)
        return;
    self->durable = self->entries[count - 1].end;
    apply_trims (self, count);
}

int zf_wal_memory_crash (zf_wal_t *wal, zf_replay_fn *replay, void *arg, zf_error_t *err)
{
    memory_t *self = (memory_t *) wal;
    size_t kept = count_below (self, self->durable);
    drop_answers (self);
    drop (self, kept, self->count - kept);
    self->next = self->durable;
    self->told = self->durable;
    self->failed = false;
    self->failure_told = false;
    for (size_t i = 0; i < self->count; i++) {
        const entry_t *entry = &self->entries[i];
        int rc = 0;
        if (entry->data != NULL)
            rc = replay (arg, entry->lsn, zf_bytes (entry->data, entry->size), err);
        if (rc != 0)
            return rc;
    }
    return 0;
}
