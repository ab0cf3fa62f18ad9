#include "tests/persist/ledger.h"

#include "core/bytes.h"
#include "tests/core/rand.h"
#include "tests/persist/disk_node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MIMIC_BYTES 48

void ledger_free (ledger_t *ledger)
{
    free (ledger->entries);
    memset (ledger, 0, sizeof *ledger);
}

ledger_t ledger_copy (const ledger_t *ledger)
{
    ledger_t copy = *ledger;
    copy.entries = disk_memory (NULL, (ledger->count + 1) * sizeof *copy.entries);
    if (ledger->count > 0)
        memcpy (copy.entries, ledger->entries, ledger->count * sizeof *copy.entries);
    return copy;
}

void ledger_wrong (ledger_t *ledger, const char *format, ...)
{
    if (ledger->wrong[0] != '\0')
        return;
    va_list args;
    va_start (args, format);
    vsnprintf (ledger->wrong, sizeof ledger->wrong, format, args);
    va_end (args);
}

void ledger_inside (const ledger_t *ledger, bool inside)
{
    if (ledger->watch != NULL)
        ledger->watch (inside);
}

static void fill_random (uint64_t serial, uint8_t *to, size_t size)
{
    uint64_t seed = serial;
    for (uint64_t word = serial; size > 0; word = rand_next (&seed)) {
        size_t n = size < sizeof word ? size : sizeof word;
        memcpy (to, &word, n);
        to += n;
        size -= n;
    }
}

/* Payload that looks like entries of a journal, valid ones, which say that everything was durable
 * up to far behind. */
static void fill_mimicry (uint64_t serial, uint8_t *to, size_t size)
{
    uint8_t entry[MIMIC_BYTES] = {8, 0, 0, 0, 'Z', 'F', 'E', 1};
    zf_store_u64le (entry + 8, UINT64_C (1) << 40 | serial << 3);
    zf_store_u64le (entry + 16, UINT64_C (1) << 40);
    zf_store_u64le (entry + 24, serial);
    zf_store_u64le (entry + 32, XXH3_64bits_withSeed (entry + 40, 8, XXH3_64bits (entry, 32)));
    for (size_t n; size > 0; to += n, size -= n) {
        n = size < sizeof entry ? size : sizeof entry;
        memcpy (to, entry, n);
    }
}

void ledger_fill (uint64_t serial, void *data, size_t size)
{
    if (serial % 4 == 0)
        fill_mimicry (serial, data, size);
    else
        fill_random (serial, data, size);
}

/* -- writing ----------------------------------------------------------------------------------- */

uint64_t ledger_append (ledger_t *ledger, uint64_t position, size_t size)
{
    ledger->entries = disk_memory (ledger->entries, (ledger->count + 1) * sizeof *ledger->entries);
    ledger->entries[ledger->count++] =
        (ledger_entry_t){.position = position, .serial = ++ledger->serials, .size = size};
    return ledger->serials;
}

void ledger_take_back (ledger_t *ledger)
{
    ledger->count--;
}

void ledger_durable (ledger_t *ledger, uint64_t position)
{
    if (ledger->durable < position)
        ledger->durable = position;
}

void ledger_trim (ledger_t *ledger, uint64_t position)
{
    if (ledger->trimmed < position)
        ledger->trimmed = position;
}

/* -- replaying --------------------------------------------------------------------------------- */

/* Index of the first entry at or behind a position. */
static size_t index_at (const ledger_t *ledger, uint64_t position)
{
    size_t i = 0;
    while (i < ledger->count && ledger->entries[i].position < position)
        i++;
    return i;
}

static bool is_equal (const ledger_entry_t *entry, zf_bytes_t data)
{
    if (entry->size != data.size)
        return false;
    uint8_t *wanted = disk_memory (NULL, data.size + 1);
    ledger_fill (entry->serial, wanted, data.size);
    bool same = data.size == 0 || memcmp (wanted, data.data, data.size) == 0;
    free (wanted);
    return same;
}

static void check_bytes (ledger_t *ledger, const ledger_entry_t *entry, zf_bytes_t data)
{
    if (!is_equal (entry, data))
        ledger_wrong (ledger, "entry at %" PRIu64 " has other bytes (%zu, appended were %zu)",
                      entry->position, data.size, entry->size);
}

void ledger_begin (ledger_t *ledger)
{
    ledger->replaying = false;
    ledger->first = 0;
    ledger->next = 0;
}

int ledger_replay (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err)
{
    ledger_t *ledger = arg;
    (void) err;
    size_t i = ledger->replaying ? ledger->next : index_at (ledger, position);
    if (i >= ledger->count || ledger->entries[i].position != position) {
        ledger_wrong (ledger, "entry at %" PRIu64 " where %" PRIu64 " was to come", position,
                      i < ledger->count ? ledger->entries[i].position : UINT64_MAX);
        return 0;
    }
    check_bytes (ledger, &ledger->entries[i], data);
    if (!ledger->replaying)
        ledger->first = i;
    ledger->replaying = true;
    ledger->next = i + 1;
    return 0;
}

/* All that had to be there was; returns how many entries are left. */
static size_t check_range (ledger_t *ledger)
{
    size_t from = index_at (ledger, ledger->trimmed);
    size_t until = index_at (ledger, ledger->durable);
    if (from < until && !ledger->replaying)
        ledger_wrong (ledger, "nothing came, durable were %" PRIu64 " .. %" PRIu64,
                      ledger->entries[from].position, ledger->durable);
    if (ledger->replaying && ledger->first > from)
        ledger_wrong (ledger, "the first entry was at %" PRIu64 ", trimmed only below %" PRIu64,
                      ledger->entries[ledger->first].position, ledger->trimmed);
    if (ledger->replaying && ledger->next < until)
        ledger_wrong (ledger, "entries ended before %" PRIu64 ", durable was %" PRIu64,
                      ledger->entries[ledger->next].position, ledger->durable);
    return ledger->replaying ? ledger->next : until;
}

/* A trim that was not durable may have been lost: then what it was about is kept. */
static void take_trim (ledger_t *ledger, zf_journal_t *journal)
{
    zf_journal_stats_t stats;
    zf_journal_stats (journal, &stats);
    if (stats.first > ledger->trimmed)
        ledger_wrong (ledger, "it begins at %" PRIu64 ", trimmed only below %" PRIu64, stats.first,
                      ledger->trimmed);
    ledger->trimmed = stats.first;
}

void ledger_end (ledger_t *ledger, zf_journal_t *journal)
{
    uint64_t next = zf_journal_next (journal);
    uint64_t durable = zf_journal_durable (journal);
    ledger->count = check_range (ledger);
    if (next < ledger->durable || next < durable)
        ledger_wrong (ledger, "it goes on at %" PRIu64 ", durable was %" PRIu64 ", is %" PRIu64,
                      next, ledger->durable, durable);
    if (ledger->count > 0) {
        const ledger_entry_t *last = &ledger->entries[ledger->count - 1];
        if (next < last->position + zf_journal_extent (last->size))
            ledger_wrong (ledger, "it goes on at %" PRIu64 ", inside the last entry", next);
    }
    ledger_durable (ledger, durable);
    take_trim (ledger, journal);
}

/* -- reading ----------------------------------------------------------------------------------- */

static int read_entry (ledger_t *ledger, zf_journal_t *journal, const ledger_entry_t *entry,
                       zf_error_t *err)
{
    uint64_t position = entry->position;
    void *data = NULL;
    size_t size = 0;
    ledger_inside (ledger, true);
    int rc = zf_journal_read (journal, &position, &data, &size, err);
    ledger_inside (ledger, false);
    if (rc == 0)
        check_bytes (ledger, entry, (zf_bytes_t){data, size});
    free (data);
    return rc;
}

int ledger_read (ledger_t *ledger, zf_journal_t *journal, zf_error_t *err)
{
    int rc = 0;
    for (size_t i = index_at (ledger, ledger->trimmed); i < ledger->count && rc == 0; i++)
        rc = read_entry (ledger, journal, &ledger->entries[i], err);
    return rc;
}

static int fetch_middle (ledger_t *ledger, zf_journal_t *journal, const ledger_entry_t *entry,
                         zf_error_t *err)
{
    uint8_t *wanted = disk_memory (NULL, entry->size);
    uint8_t *found = disk_memory (NULL, entry->size);
    ledger_fill (entry->serial, wanted, entry->size);
    ledger_inside (ledger, true);
    int rc = zf_journal_fetch (journal, entry->position, 1, found, entry->size - 2, err);
    ledger_inside (ledger, false);
    if (rc == 0 && memcmp (wanted + 1, found, entry->size - 2) != 0)
        ledger_wrong (ledger, "fetch at %" PRIu64 ": other bytes", entry->position);
    free (wanted);
    free (found);
    return rc;
}

int ledger_fetch (ledger_t *ledger, zf_journal_t *journal, zf_error_t *err)
{
    int rc = 0;
    for (size_t i = index_at (ledger, ledger->trimmed); i < ledger->count && rc == 0; i++)
        if (ledger->entries[i].size > 2)
            rc = fetch_middle (ledger, journal, &ledger->entries[i], err);
    return rc;
}
