#include "persist/scan.h"

#include "core/bytes.h"
#include "persist/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Two looks at all files. The first one learns below which position everything had been durable,
 * and to where the journal was trimmed; with that the second one can tell damage from a torn end,
 * and reports. What is missing shows as a gap in the positions of the valid entries. */

/* Where the chain of entries stopped. */
typedef struct {
    bool set;               /* it did, and has not gone on since */
    bool held;              /* head is what was there */
    bool certain;           /* it is damage, whatever comes behind it */
    char file[ZF_FILE_MAX]; /* name */
    uint64_t offset;        /* in it */
    const char *wrong;      /* what is wrong there */
    zf_entry_head_t head;   /* of the entry that was there, if that can be told */
} stop_t;

typedef struct {
    zf_recovery_t r; /* its files, headers and windows; r.next: where the next entry must be */
    zf_scan_fn *fn;  /* the caller's; may be NULL */
    void *arg;       /* for it */
    zf_scan_summary_t *summary;
    uint64_t *entries;   /* valid ones in each file */
    bool first_look;     /* nothing is reported */
    bool ended;          /* a torn end was met */
    bool chained;        /* r.sum is that of the entry before */
    uint64_t proven;     /* everything below had been durable */
    uint64_t trim;       /* of the last trim entry that had been durable */
    uint64_t trim_found; /* of the last one that was seen; */
    uint64_t trim_at;    /* it lies here */
    stop_t stop;
    uint64_t base;       /* of the file that is looked at, if it is known */
    bool based;          /* it is */
    uint64_t found;      /* offset of the valid entry that was searched for */
    unsigned holes_told; /* of holes (): how many were there at the last damage that was told */
} scan_t;

enum { GO_ON = 0, FOUND = 1 };

/* -- Reporting --------------------------------------------------------------------------------- */

static int report (scan_t *s, const zf_scan_item_t *item)
{
    return s->first_look || s->fn == NULL ? 0 : s->fn (s->arg, item);
}

/* Blocks that could not be read. */
static unsigned holes (const scan_t *s)
{
    return s->r.window.holes + s->r.probe.holes;
}

static int report_damage (scan_t *s, const char *file, uint64_t offset, uint64_t size,
                          const char *what)
{
    char text[512];
    snprintf (text, sizeof text, "%s%s", what,
              holes (s) > s->holes_told ? "; the disk fails to read some of it" : "");
    zf_scan_item_t item = {.what = ZF_SCAN_DAMAGE,
                           .file = file,
                           .offset = offset,
                           .size = size,
                           .position = s->r.next,
                           .text = text};
    if (s->first_look)
        return 0;
    s->holes_told = holes (s);
    s->summary->damages++;
    s->summary->lost_bytes += size;
    return report (s, &item);
}

static const char *kind_of (uint8_t kind)
{
    if (kind == ZF_ENTRY_DATA)
        return "an entry";
    return kind == ZF_ENTRY_TRIM ? "a trim" : "the mark of a close";
}

/* What lay where the chain stopped is lost: so many bytes. */
static int report_gap (scan_t *s, uint64_t size)
{
    char text[160];
    const stop_t *stop = &s->stop;
    if (stop->certain)
        snprintf (text, sizeof text, "%s", stop->wrong);
    else if (stop->held)
        snprintf (text, sizeof text, "%s; it held %s of %" PRIu32 " bytes", stop->wrong,
                  kind_of (stop->head.kind), stop->head.size);
    else
        snprintf (text, sizeof text, "%s; what it held cannot be told",
                  stop->set ? stop->wrong : "no entry");
    int rc = report_damage (s, stop->file, stop->offset, size, text);
    s->stop.set = false;
    return rc;
}

static int report_torn (scan_t *s, uint64_t size)
{
    zf_scan_item_t item = {.what = ZF_SCAN_TORN,
                           .file = s->stop.file,
                           .offset = s->stop.offset,
                           .size = size,
                           .position = s->r.next,
                           .text = s->stop.wrong};
    s->ended = true;
    s->summary->torn_bytes = size;
    return report (s, &item);
}

static int report_segment (scan_t *s, size_t i, bool trimmed)
{
    const zf_segment_t *segment = s->r.journal->segments.at[i];
    bool used = s->entries[i] > 0 || (s->r.heads[i].valid && segment->number == 1);
    zf_scan_item_t item = {.what = ZF_SCAN_SEGMENT,
                           .file = segment->file.name,
                           .size = segment->capacity,
                           .position = s->r.heads[i].valid ? s->r.heads[i].head.base : 0,
                           .entries = s->entries[i],
                           .text = trimmed ? "trimmed"
                                   : used  ? "in use"
                                           : "ready"};
    if (s->first_look)
        return 0;
    s->summary->segments += !trimmed && used;
    s->summary->spares += !trimmed && !used;
    s->summary->disk_bytes += segment->capacity;
    return report (s, &item);
}

static int report_entry (scan_t *s, const zf_file_t *file, const zf_read_entry_t *entry)
{
    zf_scan_item_t item = {.what = ZF_SCAN_CLOSE,
                           .file = file->name,
                           .offset = s->found,
                           .size = zf_journal_extent (entry->head.size),
                           .position = entry->head.position,
                           .synced = entry->head.synced};
    if (s->first_look)
        return 0;
    s->summary->closed = entry->head.kind == ZF_ENTRY_CLOSE;
    if (entry->head.kind == ZF_ENTRY_TRIM) {
        item.what = ZF_SCAN_TRIM;
        item.trim = zf_load_u64le (entry->payload.data);
    }
    if (entry->head.kind == ZF_ENTRY_DATA) {
        item.what = ZF_SCAN_DATA;
        item.data = entry->payload;
        s->summary->entries += entry->head.position >= s->summary->first;
        s->summary->entry_bytes += entry->head.position >= s->summary->first ? entry->head.size : 0;
    }
    return report (s, &item);
}

/* -- Looking ----------------------------------------------------------------------------------- */

/* Notes the first place at which the chain did not go on. */
static void note_stop (scan_t *s, const char *file, uint64_t offset, const zf_read_entry_t *entry)
{
    if (s->stop.set)
        return;
    s->stop.set = true;
    s->stop.certain = false;
    snprintf (s->stop.file, sizeof s->stop.file, "%s", file);
    s->stop.offset = offset;
    s->stop.wrong = entry->wrong;
    s->stop.head = entry->head;
    s->stop.held = entry->head.position == s->r.next && strcmp (entry->wrong, "no entry") != 0;
}

static int tell_certain (scan_t *s)
{
    return s->stop.set && s->stop.certain ? report_gap (s, 0) : 0;
}

/* Something about a whole file, which is damage even if nothing comes behind it. */
static int note_file (scan_t *s, uint64_t number, uint64_t offset, const char *wrong)
{
    int rc = tell_certain (s);
    memset (&s->stop, 0, sizeof s->stop);
    s->stop.set = true;
    s->stop.certain = true;
    s->stop.offset = offset;
    s->stop.wrong = wrong;
    zf_segment_name (number, s->stop.file);
    return rc;
}

static bool is_in_place (const scan_t *s, uint64_t offset, const zf_entry_head_t *head)
{
    if (head->position < s->r.next)
        return false;
    return !s->based || head->position == s->base + offset - ZF_SEGMENT_HEADER;
}

static int check_found (zf_recovery_t *r, const zf_file_t *file, uint64_t offset,
                        const zf_entry_head_t *head, zf_error_t *err)
{
    scan_t *s = (scan_t *) r; /* r is its first field */
    zf_read_entry_t entry;
    if (!is_in_place (s, offset, head))
        return GO_ON;
    int rc = zf_window_use (&r->probe, file, UINT64_MAX, err);
    if (rc == 0)
        rc = zf_window_entry (&r->probe, offset, &entry, err);
    if (rc != 0 || entry.wrong != NULL)
        return rc;
    s->found = offset;
    return FOUND;
}

/* The first valid entry at offset or behind: entry->wrong is set if there is none. */
static int find_entry (scan_t *s, const zf_file_t *file, uint64_t offset, zf_read_entry_t *entry,
                       zf_error_t *err)
{
    memset (entry, 0, sizeof *entry);
    int rc = zf_window_entry (&s->r.window, offset, entry, err);
    if (rc == 0 && entry->wrong == NULL && !is_in_place (s, offset, &entry->head))
        entry->wrong = "no entry";
    s->found = offset;
    if (rc != 0 || entry->wrong == NULL)
        return rc;
    note_stop (s, file->name, offset, entry);
    rc = zf_tail_search (&s->r, file, offset, check_found, err);
    return rc == FOUND ? zf_window_entry (&s->r.window, s->found, entry, err) : rc;
}

/* The journal goes on at that position: between where it stopped and there, something is missing,
 * or it is torn. */
static int reach (scan_t *s, uint64_t position)
{
    int rc = 0;
    if (position <= s->r.next)
        return 0;
    if (!s->first_look && s->r.next >= s->proven)
        return report_torn (s, position - s->r.next);
    rc = report_gap (s, position - s->r.next);
    s->r.next = position;
    s->chained = false;
    return rc;
}

static void learn (scan_t *s, const zf_read_entry_t *entry)
{
    if (entry->head.synced > s->proven)
        s->proven = entry->head.synced;
    if (s->trim_at < s->proven && s->trim_found > s->trim)
        s->trim = s->trim_found;
    if (entry->head.kind == ZF_ENTRY_TRIM) {
        s->trim_found = zf_load_u64le (entry->payload.data);
        s->trim_at = entry->head.position;
    }
}

static int take (scan_t *s, const zf_file_t *file, size_t i, const zf_read_entry_t *entry)
{
    int rc = tell_certain (s);
    if (s->first_look) {
        s->entries[i]++;
        learn (s, entry);
    }
    if (rc == 0 && s->chained && entry->head.previous != s->r.sum)
        rc = report_damage (s, file->name, s->found, 0,
                            "the entry does not follow from the one before");
    s->stop.set = false;
    s->chained = true;
    s->r.sum = entry->head.sum;
    if (rc == 0)
        rc = report_entry (s, file, entry);
    s->r.next = entry->head.position + zf_journal_extent (entry->head.size);
    return rc;
}

/* Valid entries below a header that is not: unless a writer has begun the segment just now. */
static int tell_header (scan_t *s, const zf_file_t *file, size_t i, zf_error_t *err)
{
    int rc = zf_recovery_read_head (&s->r, i, err);
    if (rc != 0 || s->r.heads[i].valid)
        return rc;
    return report_damage (s, file->name, 0, 0, "bad header before valid entries");
}

static int scan_entries (scan_t *s, const zf_file_t *file, size_t i, zf_error_t *err)
{
    zf_read_entry_t entry;
    uint64_t offset = ZF_SEGMENT_HEADER;
    bool header_told = s->based;
    while (!s->ended) {
        int rc = find_entry (s, file, offset, &entry, err);
        if (rc != 0 || entry.wrong != NULL)
            return rc;
        rc = reach (s, entry.head.position);
        if (rc == 0 && !s->ended && !header_told)
            rc = tell_header (s, file, i, err);
        if (rc == 0 && !s->ended)
            rc = take (s, file, i, &entry);
        if (rc != 0)
            return rc;
        header_told = true;
        offset = s->found + zf_journal_extent (entry.head.size);
    }
    return 0;
}

static bool is_ours (const scan_t *s, size_t i)
{
    return memcmp (s->r.heads[i].head.uuid, s->summary->uuid, sizeof s->summary->uuid) == 0;
}

static int scan_file (scan_t *s, size_t i, zf_error_t *err)
{
    zf_file_t file = {.fd = -1};
    const zf_known_head_t *known = &s->r.heads[i];
    int rc = zf_recovery_read_head (&s->r, i, err);
    if (rc == 0)
        rc = report_segment (s, i, false);
    if (rc != 0)
        return rc;
    if (known->valid && !is_ours (s, i))
        return note_file (s, known->head.number, 8, "it belongs to another journal");
    s->based = known->valid;
    s->base = known->head.base;
    rc = s->based ? reach (s, s->base) : 0;
    if (s->based && s->base == s->r.next) /* so it was here that the file before ended */
        s->stop.set = s->stop.set && s->stop.certain;
    if (s->first_look && s->based && s->base > s->proven)
        s->proven = s->base;
    if (rc == 0)
        rc = zf_recovery_open (&s->r, i, &file, err);
    if (rc != 0)
        return rc;
    rc = zf_window_use (&s->r.window, &file, UINT64_MAX, err);
    if (rc == 0)
        rc = scan_entries (s, &file, i, err);
    zf_folder_close (&s->r.journal->folder, &file);
    return rc;
}

/* What is left to say at the end: a file that is missing with nothing behind it, or an entry that
 * was never completed. */
static int scan_end (scan_t *s)
{
    if (s->ended || !s->stop.set)
        return 0;
    if (s->stop.certain || s->r.next < s->proven)
        return report_gap (s, 0);
    return s->stop.held ? report_torn (s, zf_journal_extent (s->stop.head.size)) : 0;
}

static int scan_from (scan_t *s, size_t start, uint64_t next, zf_error_t *err)
{
    const zf_segments_t *segments = &s->r.journal->segments;
    int rc = 0;
    s->r.next = next;
    s->stop.set = false;
    s->ended = false;
    s->chained = false;
    for (size_t i = 0; i < start && rc == 0; i++)
        rc = report_segment (s, i, true);
    for (size_t i = start; i < segments->count && rc == 0 && !s->ended; i++) {
        uint64_t expected = i > start ? segments->at[i - 1]->number + 1 : segments->at[i]->number;
        if (segments->at[i]->number != expected)
            rc = note_file (s, expected, 0, "the file is missing");
        if (i == start && s->r.heads[i].valid && s->r.heads[i].head.base > next)
            rc = note_file (s, expected - 1, 0, "the file is missing");
        if (i == start && !s->r.heads[i].valid && s->entries[i] == 0)
            rc = note_file (s, expected, 0, "bad header");
        if (rc == 0)
            rc = scan_file (s, i, err);
    }
    return rc == 0 ? scan_end (s) : rc;
}

static size_t count_uuid (const scan_t *s, const uint8_t *uuid)
{
    size_t count = 0;
    for (size_t i = 0; i < s->r.journal->segments.count; i++)
        count += s->r.heads[i].valid && memcmp (s->r.heads[i].head.uuid, uuid, 16) == 0;
    return count;
}

/* The one that most segments say. */
static void choose_uuid (scan_t *s)
{
    size_t most = 0;
    for (size_t i = 0; i < s->r.journal->segments.count; i++) {
        const uint8_t *uuid = s->r.heads[i].head.uuid;
        if (!s->r.heads[i].valid || (most > 0 && is_ours (s, i)))
            continue;
        size_t count = count_uuid (s, uuid);
        if (count > most)
            memcpy (s->summary->uuid, uuid, sizeof s->summary->uuid);
        most = count > most ? count : most;
    }
}

/* What open refuses is damage, whatever we think of it. */
static int ask_open (scan_t *s, zf_error_t *err)
{
    zf_journal_t *journal;
    zf_journal_options_t options;
    zf_error_t why = {0, ""};
    zf_journal_defaults (&options);
    options.dir = s->r.journal->folder.path;
    options.read_only = true;
    int rc = zf_journal_open_on (&journal, s->r.journal->folder.fs, &options, &why);
    zf_journal_close (&journal);
    if (rc == ZF_E_CORRUPT || (rc == ZF_E_IO && holes (s) > 0))
        return report_damage (s, s->r.journal->segments.at[0]->file.name, 0, 0, why.text);
    return rc == 0 ? 0 : zf_error_set (err, rc, "%s", why.text);
}

static int scan_twice (scan_t *s, zf_error_t *err)
{
    size_t count = s->r.journal->segments.count;
    size_t start = 0;
    choose_uuid (s);
    s->first_look = true;
    int rc = scan_from (s, 0, 0, err);
    s->first_look = false;
    if (rc == 0)
        rc = zf_recovery_find_trim (&s->r, err);
    s->holes_told = holes (s); /* what is in use will be met again */
    if (rc != 0)
        return rc;
    s->summary->version = ZF_FORMAT_VERSION;
    s->summary->first = s->trim > s->r.trim ? s->trim : s->r.trim;
    for (size_t i = 0; i < count; i++)
        if (s->r.heads[i].valid && is_ours (s, i) && s->r.heads[i].head.base <= s->summary->first)
            start = i;
    uint64_t next = s->summary->first;
    if (s->r.heads[start].valid && s->r.heads[start].head.base < next)
        next = s->r.heads[start].head.base;
    rc = scan_from (s, start, next, err);
    s->summary->next = s->r.next;
    return rc == 0 && s->summary->damages == 0 ? ask_open (s, err) : rc;
}

/* -- The call ---------------------------------------------------------------------------------- */

static int scan_journal (zf_journal_t *journal, zf_scan_fn *fn, void *arg,
                         zf_scan_summary_t *summary, zf_error_t *err)
{
    scan_t s = {.fn = fn, .arg = arg, .summary = summary};
    zf_recovery_init (&s.r, journal);
    s.r.window.patient = true;
    s.r.probe.patient = true;
    int rc = zf_recovery_list (journal, err);
    if (rc == 0 && journal->segments.count == 0) {
        zf_error_set (err, ZF_E_NOT_FOUND, "there is no journal");
        rc = ZF_E_NOT_FOUND;
    }
    if (rc == 0)
        rc = zf_recovery_read_heads (&s.r, err);
    if (rc == 0) {
        s.entries = calloc (journal->segments.count, sizeof *s.entries);
        rc = s.entries != NULL ? scan_twice (&s, err) : ZF_E_NOMEM;
    }
    zf_recovery_free (&s.r);
    free (s.entries);
    return rc;
}

int zf_journal_scan_on (zf_fs_t *fs, const char *dir, zf_scan_fn *fn, void *arg,
                        zf_scan_summary_t *summary, zf_error_t *err)
{
    zf_error_t own = {0, ""};
    err = err != NULL ? err : &own;
    err->text[0] = '\0';
    memset (summary, 0, sizeof *summary);
    zf_journal_t *journal = calloc (1, sizeof *journal);
    if (journal == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "scan journal: out of memory");
    journal->read_only = true;
    int rc = zf_folder_init (&journal->folder, fs, dir, err);
    if (rc == 0)
        rc = scan_journal (journal, fn, arg, summary, err);
    if (rc != 0)
        zf_error_wrap (err, rc, "scan journal %s", dir != NULL ? dir : "");
    zf_segments_free (&journal->segments, &journal->folder);
    free (journal);
    return rc;
}

int zf_journal_scan (const char *dir, zf_scan_fn *fn, void *arg, zf_scan_summary_t *summary,
                     zf_error_t *err)
{
    zf_scan_summary_t own;
    return zf_journal_scan_on (zf_fs_system (), dir, fn, arg, summary != NULL ? summary : &own,
                               err);
}
