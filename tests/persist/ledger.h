/* The outside ledger of a journal: what was appended, at which positions, and what the journal said
 * was durable. It is held against what a recovery finds.
 *
 * What is wrong is kept in words, the first of it; nothing is asserted here. */
#ifndef TESTS_PERSIST_LEDGER_H
#define TESTS_PERSIST_LEDGER_H

#include <zferry/journal.h>

typedef struct {
    uint64_t position;
    uint64_t serial; /* says what its bytes are */
    size_t size;
} ledger_entry_t;

typedef struct {
    ledger_entry_t *entries; /* in order; also those that may be on disk although append failed */
    size_t count;
    uint64_t serials;            /* given away so far */
    uint64_t durable;            /* everything below must be there */
    uint64_t trimmed;            /* what is below need not be there */
    bool replaying;              /* an entry of this replay was seen */
    size_t first;                /* index of the first one */
    size_t next;                 /* of the one that has to follow */
    char wrong[256];             /* empty: nothing */
    void (*watch) (bool inside); /* whether the journal's code runs now; NULL: nobody */
} ledger_t;

void ledger_free (ledger_t *ledger);
ledger_t ledger_copy (const ledger_t *ledger);

/* Notes what is wrong, if nothing is yet. */
void ledger_wrong (ledger_t *ledger, const char *format, ...) ZF_PRINTF (2, 3);

/* Tells who watches that the journal is called, or that the call is over. */
void ledger_inside (const ledger_t *ledger, bool inside);

/* The bytes of an entry. */
void ledger_fill (uint64_t serial, void *data, size_t size);

/* Takes down an entry that is about to be appended at that position; returns its serial. */
uint64_t ledger_append (ledger_t *ledger, uint64_t position, size_t size);

/* The last one was refused and is not on disk, in no part. */
void ledger_take_back (ledger_t *ledger);

/* The journal said so. */
void ledger_durable (ledger_t *ledger, uint64_t position);
void ledger_trim (ledger_t *ledger, uint64_t position);

/* Around an open: replay is for the journal's options, with the ledger as its arg. The end looks
 * whether all is there, and forgets the entries that were not durable and are not. */
void ledger_begin (ledger_t *ledger);
int ledger_replay (void *ledger, uint64_t position, zf_bytes_t data, zf_error_t *err);
void ledger_end (ledger_t *ledger, zf_journal_t *journal);

/* Reads all entries back, whole or all but their ends. Returns 0, or the first answer that was not:
 * whether that is wrong, the caller knows. */
int ledger_read (ledger_t *ledger, zf_journal_t *journal, zf_error_t *err);
int ledger_fetch (ledger_t *ledger, zf_journal_t *journal, zf_error_t *err);

#endif
