/* Recovery of arbitrary segment files, on a disk in memory. The first byte says how they are taken
 * (below); then come up to FILES files, each as its length (u16le) and that many bytes, or as many
 * as there are.
 *
 * What opens must open again, with the same entries and one more. What is refused is left alone,
 * and can be repaired, after which it opens. */
#include "core/bytes.h"
#include "persist/journal.h"
#include "persist/scan.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* The disk of the unit tests; a fuzz target is made of one source. */
#include "tests/persist/disk.c"       // NOLINT(bugprone-suspicious-include)
#include "tests/persist/disk_calls.c" // NOLINT(bugprone-suspicious-include)
#include "tests/persist/disk_crash.c" // NOLINT(bugprone-suspicious-include)
#include "tests/persist/disk_look.c"  // NOLINT(bugprone-suspicious-include)
#include "tests/persist/disk_node.c"  // NOLINT(bugprone-suspicious-include)

#define DIR     "/j"
#define FILES   4
#define ENTRIES 4096

/* Bits of the first byte. */
enum {
    FIX_SEGMENTS = 1, /* sums of segments are put right, so that what is in their headers counts */
    FIX_ENTRIES = 2,  /* sums and chain of entries are */
    READ_ONLY = 4,    /* how it is opened */
    NUMBERS = 8       /* the first file is number 5 */
};

/* What was replayed. */
typedef struct {
    uint64_t sums[ENTRIES]; /* of positions and bytes */
    size_t count;           /* of entries, also of those that there was no room for */
    uint64_t next;          /* no entry may begin below */
    bool checks;            /* entries have to be those that are here */
} replayed_t;

#define MUST(condition) must ((condition), #condition)

static void must (bool holds, const char *what)
{
    if (holds)
        return;
    fprintf (stderr, "does not hold: %s\n", what);
    abort ();
}

/* -- the files --------------------------------------------------------------------------------- */

static void fix_segment (uint8_t *bytes, size_t size, uint64_t number)
{
    if (size < 64)
        return;
    memcpy (bytes, "ZFJ\1\0\0\0", 8);
    zf_store_u64le (bytes + 24, number);
    zf_store_u64le (bytes + 56, XXH3_64bits (bytes, 56));
}

/* The sum of the last entry, or previous. */
static uint64_t fix_entries (uint8_t *bytes, size_t size, uint64_t previous)
{
    size_t at = 64;
    if (size >= at)
        zf_store_u64le (bytes + 40, previous);
    while (at + 40 <= size && memcmp (bytes + at + 4, "ZFE", 3) == 0) {
        uint32_t length = zf_load_u32le (bytes + at);
        if (length > size - at - 40)
            break;
        zf_store_u64le (bytes + at + 24, previous);
        previous = XXH3_64bits_withSeed (bytes + at + 40, length, XXH3_64bits (bytes + at, 32));
        zf_store_u64le (bytes + at + 32, previous);
        at += ((size_t) length + 47) / 8 * 8;
    }
    return previous;
}

static void put_file (disk_t *disk, uint64_t number, const uint8_t *bytes, size_t size)
{
    char path[64];
    snprintf (path, sizeof path, DIR "/%016llx.zfj", (unsigned long long) number);
    disk_put (disk, path, bytes, size);
}

static disk_t *disk_of_input (const uint8_t *data, size_t size)
{
    uint8_t how = data[0];
    uint64_t number = (how & NUMBERS) != 0 ? 5 : 1;
    uint64_t previous = size >= 3 + 24 ? XXH3_64bits (data + 3 + 8, 16) : 0;
    disk_t *disk = disk_new ();
    disk_put_directory (disk, DIR);
    data++;
    size--;
    for (int i = 0; i < FILES && size > 2; i++, number++) {
        size_t length = (size_t) data[0] | (size_t) data[1] << 8;
        if (length > size - 2)
            length = size - 2;
        uint8_t *bytes = disk_memory (NULL, length + 1);
        memcpy (bytes, data + 2, length);
        if ((how & FIX_ENTRIES) != 0)
            previous = fix_entries (bytes, length, previous);
        if ((how & FIX_SEGMENTS) != 0)
            fix_segment (bytes, length, number);
        put_file (disk, number, bytes, length);
        free (bytes);
        data += 2 + length;
        size -= 2 + length;
    }
    return disk;
}

/* -- the journal ------------------------------------------------------------------------------- */

static int replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    replayed_t *self = arg;
    (void) err;
    MUST (position >= self->next);
    self->next = position + zf_journal_extent (data.size);
    uint64_t sum = XXH3_64bits_withSeed (data.data, data.size, position);
    size_t i = self->count++;
    if (i < ENTRIES && self->checks)
        MUST (self->sums[i] == sum);
    else if (i < ENTRIES)
        self->sums[i] = sum;
    return 0;
}

static int open_journal (zf_journal_t **journal, disk_t *disk, replayed_t *replayed, bool read_only,
                         zf_error_t *err)
{
    zf_journal_options_t options;
    zf_journal_defaults (&options);
    options.dir = DIR;
    options.segment_bytes = 65536;
    options.spares = 1;
    options.read_only = read_only;
    options.replay = replay;
    options.arg = replayed;
    replayed->count = 0;
    replayed->next = 0;
    return zf_journal_open_on (journal, disk_fs (disk), &options, err);
}

/* The same entries come again, and one more. */
static void go_on (zf_journal_t *journal, disk_t *disk, replayed_t *replayed)
{
    zf_error_t err;
    zf_bytes_t part = {"more", 4};
    size_t count = replayed->count;
    MUST (replayed->next <= zf_journal_next (journal));
    MUST (zf_journal_append (journal, &part, 1, NULL, &err) == 0);
    MUST (zf_journal_close (&journal) == 0);
    if (count < ENTRIES)
        replayed->sums[count] = XXH3_64bits_withSeed ("more", 4, replayed->next);
    replayed->checks = false; /* the new one may lie further on, behind a trim */
    uint64_t last = count > 0 && count <= ENTRIES ? replayed->sums[count - 1] : 0;
    MUST (open_journal (&journal, disk, replayed, false, &err) == 0);
    MUST (replayed->count == count + 1);
    MUST (count == 0 || count > ENTRIES || replayed->sums[count - 1] == last);
    zf_journal_close (&journal);
}

static void repair (disk_t *disk, replayed_t *replayed)
{
    zf_error_t err;
    zf_journal_t *journal = NULL;
    zf_repair_summary_t summary;
    int rc = zf_journal_repair_on (disk_fs (disk), DIR, NULL, NULL, &summary, &err);
    MUST (rc == 0 || rc == ZF_E_VERSION || rc == ZF_E_NOT_FOUND);
    if (rc != 0)
        return;
    rc = open_journal (&journal, disk, replayed, false, &err);
    if (rc != 0)
        fprintf (stderr, "repaired (%s): %s\n", summary.aside, err.text);
    MUST (rc == 0);
    zf_journal_close (&journal);
}

static void refused (disk_t *disk, const disk_t *before, replayed_t *replayed, int rc,
                     const zf_error_t *err)
{
    MUST (rc == ZF_E_CORRUPT || rc == ZF_E_VERSION || rc == ZF_E_NOT_FOUND);
    MUST (err->code == rc && err->text[0] != '\0');
    MUST (disk_same (disk, before, DIR, "lock"));
    MUST (disk_open_files (disk) == 0);
    if (rc == ZF_E_CORRUPT)
        repair (disk, replayed);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    static replayed_t replayed;
    if (size < 3)
        return 0;
    zf_error_t err = {0};
    zf_journal_t *journal = NULL;
    disk_t *disk = disk_of_input (data, size);
    disk_t *before = disk_after_crash (disk, DISK_KEEP_ALL, 0);
    bool read_only = (data[0] & READ_ONLY) != 0;
    replayed.checks = false;
    zf_scan_summary_t summary;
    (void) zf_journal_scan_on (disk_fs (disk), DIR, NULL, NULL, &summary, &err);
    MUST (disk_same (disk, before, DIR, NULL));
    int rc = open_journal (&journal, disk, &replayed, read_only, &err);
    if (rc != 0)
        refused (disk, before, &replayed, rc, &err);
    else if (read_only)
        zf_journal_close (&journal);
    else
        go_on (journal, disk, &replayed);
    disk_free (&before);
    disk_free (&disk);
    return 0;
}
