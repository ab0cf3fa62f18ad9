/* A journal: an append-only log of entries in a directory of segment files, for applications that
 * want only that. The broker keeps its durable queues in one.
 *
 * An entry is bytes, taken whole or not at all. Its position is a number that only grows: the first
 * entry of a journal is at 0, the next one behind it at zf_journal_next(). Appending writes; only
 * zf_journal_sync makes durable: everything below zf_journal_durable() survives a power failure.
 *
 * Threads:   append, sync, trim and close from one thread at a time (the writer); fetch, next,
 *            durable and stats from any. A thread of the journal's own prepares segments.
 * Ownership: what is appended is not copied, and not needed any more when the call returns.
 * Errors:    ZF_E_CORRUPT names file and offset in *err. ZF_E_IO is final: the journal is poisoned
 *            and refuses all further appends and syncs (a failed fdatasync may have lost pages that
 *            a second one would report as written). ZF_E_FULL is not: try again when there is room.
 * Limits:    an entry has at most ZF_ENTRY_MAX bytes. One process at a time has a journal open.
 * Format:    docs/format.md */
#ifndef ZFERRY_JOURNAL_H
#define ZFERRY_JOURNAL_H

#include <zferry/error.h>
#include <zferry/message.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZF_ENTRY_MAX (1u << 30)

typedef struct zf_journal zf_journal_t;

/* Called by open for each entry from the last trim on, oldest first. data is valid during the call.
 * Anything but 0 ends open with that code. */
typedef int zf_replay_fn (void *arg, uint64_t position, zf_bytes_t data, zf_error_t *err);

typedef struct {
    size_t struct_size;     /* set by zf_journal_defaults(); leave alone */
    const char *dir;        /* made if it is not there (not its parents); copied */
    uint64_t segment_bytes; /* a segment file; default 64 MiB, 64 KiB .. 1 GiB */
    uint64_t disk_bytes;    /* all files together; default 0: no cap; at least 3 segments */
    uint32_t spares;        /* segments kept ready; default 2, at least 1 */
    bool read_only;         /* nothing is written, not even a lock; default false */
    zf_replay_fn *replay;   /* may be NULL */
    void *arg;              /* for replay */
} zf_journal_options_t;

ZF_API void zf_journal_defaults_sized (zf_journal_options_t *options, size_t size);
#define zf_journal_defaults(options) zf_journal_defaults_sized ((options), sizeof *(options))

/* Opens or makes the journal, checks every entry and replays it. A torn end that was never synced
 * is cut off.
 * Returns 0, or ZF_E_INVAL, ZF_E_NOMEM, ZF_E_BUSY (another process has it), ZF_E_VERSION (written
 * by a later format), ZF_E_CORRUPT, ZF_E_FULL (no space for the first segment), ZF_E_NOT_FOUND (no
 * parent directory; read only: no journal), ZF_E_STALE (read only: its writer trimmed it while it
 * was read, try again), ZF_E_IO, or what replay answered. On failure *journal is NULL, nothing
 * stays open, and no entry on disk was changed. */
ZF_API int zf_journal_open (zf_journal_t **journal, const zf_journal_options_t *options,
                            zf_error_t *err);

/* Marks the end, syncs and closes. Returns 0 or ZF_E_IO: what was not durable may be lost.
 * *journal is NULL in any case. Safe on NULL. */
ZF_API int zf_journal_close (zf_journal_t **journal);

/* Writes one entry made of `count` parts, and says at which position (may be NULL).
 * Returns 0, ZF_E_TOO_BIG, ZF_E_FULL (the disk or the cap; nothing was changed, and it is worth
 * trying again), ZF_E_NOMEM, ZF_E_IO. */
ZF_API int zf_journal_append (zf_journal_t *journal, const zf_bytes_t *parts, size_t count,
                              uint64_t *position, zf_error_t *err);

/* Makes everything appended so far durable. Returns 0 or ZF_E_IO. */
ZF_API int zf_journal_sync (zf_journal_t *journal, zf_error_t *err);

/* Where the next entry goes; and below what everything is durable. */
ZF_API uint64_t zf_journal_next (const zf_journal_t *journal);
ZF_API uint64_t zf_journal_durable (const zf_journal_t *journal);

/* The size that an entry of so many bytes takes: it lies from its position to that much behind. */
ZF_API uint64_t zf_journal_extent (uint64_t size);

/* Reads `size` bytes of the entry at that position, from byte `offset` on. They are not checked
 * against the entry's checksum unless all of it is read.
 * Returns 0, ZF_E_NOT_FOUND (trimmed, or not there yet), ZF_E_INVAL (beyond its end), ZF_E_CORRUPT,
 * ZF_E_IO. */
ZF_API int zf_journal_fetch (zf_journal_t *journal, uint64_t position, uint64_t offset, void *data,
                             size_t size, zf_error_t *err);

/* The bytes of the entry at *position; then *position is that of the one behind it. *data is
 * malloced: free it. Returns 0, ZF_E_NOT_FOUND (no entry there: *position is the end, or was
 * trimmed), ZF_E_CORRUPT, ZF_E_NOMEM, ZF_E_IO. */
ZF_API int zf_journal_read (zf_journal_t *journal, uint64_t *position, void **data, size_t *size,
                            zf_error_t *err);

/* Nothing below this position is needed any more: with the next sync it cannot be read any longer,
 * and segments all below it are used again or removed. It takes an entry of its own in the journal,
 * of 8 bytes. A position below an earlier one changes nothing. Returns as append does, or
 * ZF_E_INVAL: beyond the end. */
ZF_API int zf_journal_trim (zf_journal_t *journal, uint64_t position, zf_error_t *err);

typedef struct {
    uint64_t first;        /* position of the first entry that is kept */
    uint64_t next;         /* of the next one to come */
    uint64_t durable;      /* everything below is on disk */
    uint64_t room;         /* bytes that can be appended to segments that are ready */
    uint64_t disk_bytes;   /* of all files */
    uint64_t segments;     /* files in use */
    uint64_t spares;       /* files ready */
    uint64_t appends;      /* since open */
    uint64_t append_bytes; /* the same, in bytes of entries */
    uint64_t syncs;        /* the same */
    uint64_t replayed;     /* entries that were there at open */
    uint64_t cut_bytes;    /* torn end cut off at open */
    bool closed;           /* at open: it was closed in order, or is new */
    bool failed; /* poisoned, or no further segment can be made for another reason than space */
    bool full;   /* the last segment could not be prepared for lack of space */
    uint8_t uuid[16]; /* of this journal, from its making on */
} zf_journal_stats_t;

ZF_API void zf_journal_stats (zf_journal_t *journal, zf_journal_stats_t *stats);

/* -- Looking into a journal -------------------------------------------------------------------- */

typedef enum {
    ZF_SCAN_SEGMENT = 1, /* a file: position is that of its first entry, size that of the file */
    ZF_SCAN_DATA = 2,    /* an entry: data is what was appended */
    ZF_SCAN_TRIM = 3,    /* a trim entry: trim says to where */
    ZF_SCAN_CLOSE = 4,   /* the mark of an orderly close */
    ZF_SCAN_DAMAGE = 5,  /* so many bytes of entries are lost here; 0: none that is known of */
    ZF_SCAN_TORN = 6     /* the remains of what was never synced: no damage */
} zf_scan_what_t;

typedef struct {
    zf_scan_what_t what;
    const char *file;  /* name of the segment */
    uint64_t offset;   /* in it */
    uint64_t size;     /* bytes in the file */
    uint64_t position; /* in the journal */
    uint64_t synced;   /* of an entry: below what everything was durable when it was written */
    uint64_t trim;     /* of a trim entry */
    uint64_t entries;  /* of a segment: valid ones in it */
    zf_bytes_t data;   /* of a data entry */
    const char *text;  /* of a segment: "in use", "ready" or "trimmed"; of damage: what is wrong and
                          * what it held, as far as headers still say */
} zf_scan_item_t;

/* Called for what is found, in the order of the journal. The item and what it points to are valid
 * during the call. Anything but 0 ends the scan with that code. */
typedef int zf_scan_fn (void *arg, const zf_scan_item_t *item);

typedef struct {
    uint8_t uuid[16];     /* of the journal */
    uint32_t version;     /* of its format */
    uint64_t first;       /* position below which all is trimmed */
    uint64_t next;        /* of the end */
    uint64_t segments;    /* files in use */
    uint64_t spares;      /* files ready */
    uint64_t disk_bytes;  /* of all files */
    uint64_t entries;     /* data entries */
    uint64_t entry_bytes; /* bytes in them */
    uint64_t damages;     /* damaged stretches */
    uint64_t lost_bytes;  /* the bytes of entries in them */
    uint64_t torn_bytes;  /* at the end, never synced */
    bool closed;          /* its last entry is the mark of an orderly close */
} zf_scan_summary_t;

/* Looks at everything there is, and goes on behind damage. Nothing is written; a process may have
 * the journal open. fn and summary may be NULL.
 * Returns 0, damaged or not; ZF_E_NOT_FOUND (no journal there), ZF_E_VERSION, ZF_E_STALE (trimmed
 * while it was looked at: try again), ZF_E_NOMEM, ZF_E_IO, or what fn answered. */
ZF_API int zf_journal_scan (const char *dir, zf_scan_fn *fn, void *arg, zf_scan_summary_t *summary,
                            zf_error_t *err);

/* What a broker wrote into a data entry: calls fn for each operation (docs/format.md, section 10)
 * with a line of words, "GONE queue 1 first 7 count 3". Returns 0, or ZF_E_CORRUPT when what
 * follows is none: an entry of something else. */
typedef void zf_entry_fn (void *arg, const char *operation);
ZF_API int zf_entry_describe (zf_bytes_t entry, zf_entry_fn *fn, void *arg);

typedef struct {
    zf_scan_summary_t found; /* what was there */
    uint64_t kept;           /* data entries in the new journal */
    char aside[4096];        /* the directory where the damaged journal lies now; "": undamaged */
} zf_repair_summary_t;

/* Makes a damaged journal one that opens. Nothing is destroyed: all entries that are valid, as far
 * as they are not trimmed, are copied in their order into a new journal, which takes the place of
 * the damaged one, and that one is set aside as a whole: DIR.damaged-N. Positions and the uuid are
 * new ones. fn, which may be NULL, is called as by zf_journal_scan. An undamaged journal is left
 * alone.
 * Returns as zf_journal_scan; ZF_E_BUSY (a process has it open), ZF_E_FULL. */
ZF_API int zf_journal_repair (const char *dir, zf_scan_fn *fn, void *arg,
                              zf_repair_summary_t *summary, zf_error_t *err);

#ifdef __cplusplus
}
#endif
#endif
