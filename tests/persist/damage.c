#include "tests/persist/damage.h"

#include "core/bytes.h"
#include "persist/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define DIR "/j"

/* What open has to answer. */
typedef struct {
    bool may_report;   /* an error is right */
    bool may_go_on;    /* the entries before `until` are right, all of them and no more */
    size_t until;      /* index of an entry */
    size_t file;       /* that the error has to name */
    bool has_place;    /* the error has to name an offset, namely this: */
    size_t offset;     /* where what is damaged begins */
    const char *shape; /* how it is damaged, in words */
    size_t at;         /* offset of the damage */
} expected_t;

/* One attempt. */
typedef struct {
    damage_t *damage;
    const expected_t *expected;
    size_t seen; /* index of the entry that has to be replayed next */
    disk_t *disk;
    plant_t plant;
    zf_journal_options_t options;
    uint64_t replays;     /* entries replayed */
    bool skipped;         /* one was not, by plant */
    const char *replayed; /* what is wrong with them, if the journal opens; NULL: nothing */
    bool extra;           /* an entry of our own is behind the golden ones */
} attempt_t;

static bool wrong (attempt_t *attempt, const char *what, const char *detail)
{
    damage_t *damage = attempt->damage;
    const expected_t *e = attempt->expected;
    if (damage->wrong[0] == '\0')
        snprintf (damage->wrong, sizeof damage->wrong, "%s, file %zu at %zu: %s %s", e->shape,
                  e->file + 1, e->at, what, detail);
    return false;
}

/* -- what has to come -------------------------------------------------------------------------- */

/* Does something behind entry i say that it was durable? */
static bool has_evidence (const golden_t *golden, size_t i)
{
    for (size_t k = i + 1; k < golden->entry_count; k++)
        if (golden->entries[k].synced > golden->entries[i].position ||
            golden->entries[k].kind == GOLDEN_CLOSE ||
            golden->entries[k].file > golden->entries[i].file)
            return true;
    return false;
}

/* The entry whose header or payload holds that byte; entry_count: none. */
static size_t entry_with (const golden_t *golden, size_t file, size_t offset)
{
    for (size_t i = golden->files[file].first; i < golden->files[file].until; i++) {
        const golden_entry_t *entry = &golden->entries[i];
        if (offset >= entry->offset && offset < entry->offset + GOLDEN_HEAD + entry->size)
            return i;
    }
    return golden->entry_count;
}

static expected_t expect_bits (const golden_t *golden, size_t file, size_t offset)
{
    expected_t e = {.file = file, .shape = "flipped", .at = offset, .until = golden->entry_count};
    size_t bad = entry_with (golden, file, offset);
    if (offset < GOLDEN_HEADER) {
        e.may_report = true;
        e.has_place = true;
    } else if (bad == golden->entry_count) { /* padding, or behind the last entry */
        e.may_report = true;
        e.may_go_on = true;
    } else {
        e.may_report = has_evidence (golden, bad);
        e.may_go_on = !e.may_report;
        e.until = bad;
        e.has_place = true;
        e.offset = golden->entries[bad].offset;
    }
    return e;
}

static expected_t expect_length (const golden_t *golden, size_t file, size_t size)
{
    const golden_file_t *f = &golden->files[file];
    expected_t e = {
        .file = file, .shape = "cut", .at = size, .may_report = true, .until = f->first};
    while (e.until < f->until) {
        const golden_entry_t *entry = &golden->entries[e.until];
        if (entry->offset + GOLDEN_HEAD + entry->size > size)
            break;
        e.until++;
    }
    bool last = file + 1 == golden->file_count;
    e.may_go_on = last || (e.until == f->until && f->until > f->first);
    if (!last && e.may_go_on)
        e.until = golden->entry_count;
    return e;
}

/* -- what comes -------------------------------------------------------------------------------- */

/* What was trimmed may be missing at the beginning. */
static size_t first_kept (const golden_t *golden, uint64_t position)
{
    size_t i = 0;
    while (i < golden->entry_count && golden->entries[i].position < position &&
           golden->entries[i].position < golden->trimmed)
        i++;
    return i;
}

static int skip (attempt_t *attempt)
{
    attempt->skipped = true;
    return 0;
}

static int replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    attempt_t *attempt = arg;
    const golden_t *golden = &attempt->damage->golden;
    (void) err;
    if (attempt->plant.kind == PLANT_REPLAY_SKIPS && attempt->replays == 1 && !attempt->skipped)
        return skip (attempt);
    if (attempt->replays++ == 0)
        attempt->seen = first_kept (golden, position);
    while (attempt->seen < golden->entry_count &&
           golden->entries[attempt->seen].kind != GOLDEN_DATA)
        attempt->seen++;
    const golden_entry_t *entry = &golden->entries[attempt->seen];
    if (attempt->seen >= attempt->expected->until) {
        if (!attempt->extra)
            attempt->replayed = "more entries than there can be";
        attempt->extra = false;
    } else if (entry->position != position) {
        attempt->replayed = "a hole before an entry";
    } else if (entry->size != data.size || (data.size > 0 && memcmp (golden_payload (golden, entry),
                                                                     data.data, data.size) != 0)) {
        attempt->replayed = "an entry with other bytes";
    }
    attempt->seen++;
    return 0;
}

static int open_it (attempt_t *attempt, zf_journal_t **journal, zf_error_t *err)
{
    attempt->seen = 0;
    attempt->replays = 0;
    attempt->skipped = false;
    attempt->replayed = NULL;
    plant_init (&attempt->plant, disk_fs (attempt->disk), attempt->damage->plant);
    zf_journal_defaults (&attempt->options);
    attempt->options.dir = DIR;
    attempt->options.segment_bytes = 65536;
    attempt->options.spares = 1;
    attempt->options.read_only = attempt->damage->read_only;
    attempt->options.replay = replay;
    attempt->options.arg = attempt;
    int rc = zf_journal_open_on (journal, &attempt->plant.fs, &attempt->options, err);
    if (attempt->plant.kind == PLANT_NO_NAME && rc != 0)
        snprintf (err->text, sizeof err->text, "checksum mismatch");
    return rc;
}

/* All entries of data before expected->until came. */
static bool is_complete (attempt_t *attempt)
{
    const golden_t *golden = &attempt->damage->golden;
    size_t i = attempt->seen;
    while (i < attempt->expected->until && golden->entries[i].kind != GOLDEN_DATA)
        i++;
    return i >= attempt->expected->until;
}

/* What was cut off does not come back once there is something else in its place. */
static bool goes_on (attempt_t *attempt, zf_journal_t *journal)
{
    const expected_t *e = attempt->expected;
    const golden_t *golden = &attempt->damage->golden;
    size_t size = e->until < golden->entry_count ? golden->entries[e->until].size : 5;
    uint8_t *bytes = calloc (1, size + 1);
    zf_bytes_t part = {bytes, size};
    zf_error_t err = {0};
    int rc = zf_journal_append (journal, &part, 1, NULL, &err);
    if (rc == 0)
        rc = zf_journal_sync (journal, &err);
    free (bytes);
    disk_stop (attempt->disk);
    zf_journal_close (&journal);
    disk_restart (attempt->disk);
    if (rc != 0)
        return wrong (attempt, "append after recovery:", err.text);
    attempt->extra = true;
    if (open_it (attempt, &journal, &err) != 0)
        return wrong (attempt, "open after recovery:", err.text);
    zf_journal_close (&journal);
    if (attempt->replayed != NULL)
        return wrong (attempt, "replayed after recovery:", attempt->replayed);
    return !attempt->extra || wrong (attempt, "what was appended after recovery", "is gone");
}

static bool went_on (attempt_t *attempt, zf_journal_t *journal)
{
    if (attempt->replayed != NULL)
        wrong (attempt, "replayed:", attempt->replayed);
    bool fine = attempt->expected->may_go_on
                    ? is_complete (attempt) || wrong (attempt, "entries are missing", "at the end")
                    : wrong (attempt, "damage", "was not reported");
    if (fine && !attempt->damage->read_only)
        return goes_on (attempt, journal);
    zf_journal_close (&journal);
    return fine;
}

static bool names_place (const attempt_t *attempt, const zf_error_t *err)
{
    const expected_t *e = attempt->expected;
    char place[32];
    snprintf (place, sizeof place, "at byte %zu:", e->offset);
    return strstr (err->text, attempt->damage->golden.files[e->file].name) != NULL &&
           strstr (err->text, place) != NULL;
}

static bool was_refused (attempt_t *attempt, const disk_t *before, int rc, const zf_error_t *err)
{
    attempt->damage->reported++;
    if (!attempt->expected->may_report || rc != ZF_E_CORRUPT)
        return wrong (attempt, "it was refused:", err->text);
    if (strstr (err->text, ".zfj") == NULL && strstr (err->text, "segment") == NULL)
        return wrong (attempt, "no file is named:", err->text);
    if (attempt->expected->has_place && !names_place (attempt, err))
        return wrong (attempt, "another place is named:", err->text);
    if (!disk_same (before, attempt->disk, DIR, "lock"))
        return wrong (attempt, "refused, and changed:", err->text);
    return disk_open_files (attempt->disk) == 0 || wrong (attempt, "files", "are open");
}

/* Opens the damaged disk, which is used up. */
static bool attempt (damage_t *damage, disk_t *disk, const expected_t *expected)
{
    attempt_t self = {.damage = damage, .expected = expected, .disk = disk};
    disk_t *before = disk_after_crash (disk, DISK_KEEP_ALL, 0);
    zf_journal_t *journal = NULL;
    zf_error_t err = {0};
    damage->tried++;
    int rc = open_it (&self, &journal, &err);
    bool fine = rc == 0 ? went_on (&self, journal) : was_refused (&self, before, rc, &err);
    disk_free (&self.disk);
    disk_free (&before);
    return fine && damage->wrong[0] == '\0';
}

/* -- all of it --------------------------------------------------------------------------------- */

void damage_init (damage_t *damage, const char *name)
{
    memset (damage, 0, sizeof *damage);
    golden_read (&damage->golden, name);
}

void damage_fini (damage_t *damage)
{
    golden_free (&damage->golden);
}

static disk_t *healthy (const damage_t *damage)
{
    disk_t *disk = disk_new ();
    golden_put (&damage->golden, disk, DIR);
    return disk;
}

static const char *path_of (const damage_t *damage, size_t file, char *path, size_t room)
{
    snprintf (path, room, DIR "/%s", damage->golden.files[file].name);
    return path;
}

bool damage_none (damage_t *damage)
{
    expected_t e = {.may_go_on = true, .until = damage->golden.entry_count, .shape = "not damaged"};
    return attempt (damage, healthy (damage), &e);
}

bool damage_bits (damage_t *damage, size_t file, size_t offset, uint8_t bits)
{
    char path[256];
    disk_t *disk = healthy (damage);
    expected_t e = expect_bits (&damage->golden, file, offset);
    if (!damage->blind)
        disk_flip (disk, path_of (damage, file, path, sizeof path), offset, bits);
    return attempt (damage, disk, &e);
}

bool damage_length (damage_t *damage, size_t file, size_t size)
{
    char path[256];
    disk_t *disk = healthy (damage);
    expected_t e = expect_length (&damage->golden, file, size);
    if (!damage->blind)
        disk_truncate (disk, path_of (damage, file, path, sizeof path), size);
    return attempt (damage, disk, &e);
}

bool damage_missing (damage_t *damage, size_t file)
{
    char path[256];
    disk_t *disk = healthy (damage);
    expected_t e = expect_length (&damage->golden, file, 0);
    e.shape = "missing";
    disk_fs (disk)->unlink (disk_fs (disk), path_of (damage, file, path, sizeof path));
    disk_t *settled = disk_after_crash (disk, DISK_KEEP_ALL, 0);
    disk_free (&disk);
    return attempt (damage, settled, &e);
}

bool damage_forged (damage_t *damage, size_t byte)
{
    char path[256];
    uint8_t entry[256];
    golden_t *golden = &damage->golden;
    const golden_entry_t *last = &golden->entries[golden->entry_count - 1];
    const golden_file_t *file = &golden->files[last->file];
    expected_t e = expect_bits (golden, last->file, last->offset + byte);
    e.shape = "forged";
    memcpy (entry, file->bytes + last->offset, GOLDEN_HEAD + last->size);
    entry[byte] ^= 8;
    uint64_t seed = XXH3_64bits (entry, 32);
    zf_store_u64le (entry + 32, XXH3_64bits_withSeed (entry + GOLDEN_HEAD, last->size, seed));
    disk_t *disk = healthy (damage);
    path_of (damage, last->file, path, sizeof path);
    for (size_t i = 0; i < GOLDEN_HEAD; i++)
        disk_flip (disk, path, last->offset + i, entry[i] ^ file->bytes[last->offset + i]);
    return attempt (damage, disk, &e);
}
