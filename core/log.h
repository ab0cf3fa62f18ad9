/* The log in memory: records in the order they came, in chunks of encoded records.
 *
 * A large batch is adopted as it is and becomes a chunk; small ones are copied into the chunk at
 * the tail, so that a record costs its bytes and 4 more (where it begins), however small the batch
 * it came in. Copying also keeps small records from pinning the large receive buffers that they
 * arrived in. What state a record is in is not the log's business (group.h); the log only counts
 * how many of a chunk are still live, and lets go of the chunk with the last one.
 *
 * Ownership: pointers to chunks are valid until zf_log_settle says that the chunk is gone. */
#ifndef ZF_CORE_LOG_H
#define ZF_CORE_LOG_H

#include "core/batch.h"
#include "core/frame.h"

#include <bsd/sys/tree.h>

#define ZF_CHUNK_BYTES \
    65536 /* a chunk of copied records ends here, unless a single record is
             larger */
#define ZF_CHUNK_RECORDS 4096
#define ZF_ADOPT_BYTES   8192 /* a batch above this is not copied */

#define ZF_SETTLED (UINT32_C (1) << 31) /* in offsets: the other bits still say where */

typedef struct zf_note zf_note_t;
typedef struct zf_chunk zf_chunk_t;

struct zf_chunk {
    zf_chunk_t *prev, *next;  /* neighbours in the log */
    RB_ENTRY (zf_chunk) node; /* in the log's tree */
    zf_frame_t *frame;        /* an adopted batch; NULL: data is our own */
    uint8_t *data;            /* room for a batch header, then the records; NULL: on disk only */
    uint32_t *offsets;        /* where each record begins in data; ZF_SETTLED: it is not live. NULL:
                                 all are, of a stream, and on disk only */
    zf_note_t **notes;        /* what is special about single records; NULL: nothing about any */
    uint32_t size;            /* bytes used of data, header included */
    uint32_t capacity;        /* bytes there */
    uint32_t count;           /* records, live or not */
    uint32_t slots;           /* room in offsets (and notes) */
    uint32_t settled_bytes;   /* of records that are not live any more */
    uint32_t live;            /* records that are not settled */
    uint64_t first;           /* id of the first record; the others follow on */
    uint64_t oldest_ms;       /* when its first record came */
    uint64_t newest_ms;       /* when its last record came */
    bool local;               /* its records are from this device's own plain side */
    bool view;           /* of records of a stream, for one of its groups: they are written down
                            there and count there */
    bool logged;         /* its records are durable, or will be: the rest is the store's */
    uint8_t load;        /* the slot that reads it back, from 1; 0: none */
    uint32_t home;       /* where its batch lies in the entry; 0: not in one piece */
    uint64_t lsn;        /* the entry that it lies in, or its oldest records do */
    uint64_t newest_lsn; /* its newest ones */
    void *owner;         /* the queue */
    zf_chunk_t *logged_prev, *logged_next;     /* store's logged */
    zf_chunk_t *resident_prev, *resident_next; /* store's resident; NULL: not in it */
};

RB_HEAD (zf_chunks, zf_chunk);

typedef struct {
    zf_chunk_t *head;        /* oldest first; utlist: head->prev is the tail */
    struct zf_chunks chunks; /* the same, by first id */
    uint64_t next;           /* id of the next record */
    uint64_t length;         /* live records */
    uint64_t bytes;          /* encoded bytes of live records */
    uint64_t pinned;         /* encoded bytes of settled records in chunks that others keep here */
    bool closed;             /* the next record starts a new chunk */
    bool logged;             /* the next record is durable: it shares chunks with its like only */
    bool local;              /* the same for records from this device's own plain side */
    uint32_t most_records;   /* a chunk of copied records ends there; 0: ZF_CHUNK_RECORDS, */
    uint32_t most_bytes;     /* ZF_CHUNK_BYTES */
} zf_log_t;

/* A record's place. */
typedef struct {
    zf_chunk_t *chunk;
    uint32_t at; /* index in the chunk */
} zf_place_t;

/* Appends a copy of one encoded record. Returns 0 and its place, or ZF_E_NOMEM. */
int zf_log_append (zf_log_t *log, zf_bytes_t encoded, uint64_t now_ms, zf_place_t *place);

/* Takes back the record that was appended last. Nobody has settled it or points to it. */
void zf_log_take_back (zf_log_t *log);

/* Makes a whole batch a chunk: holds frame and takes offsets (malloced, from zf_batch_index).
 * Returns 0 and the chunk, or ZF_E_NOMEM, and then nothing was held or taken. */
int zf_log_adopt (zf_log_t *log, zf_frame_t *frame, const zf_batch_t *batch, uint32_t *offsets,
                  uint64_t now_ms, zf_chunk_t **chunk);

/* Takes back the batch that was adopted last, but not its offsets. Nobody has settled any of it or
 * points to it. */
void zf_log_unadopt (zf_log_t *log, zf_chunk_t *chunk);

/* Counts n records of the chunk, from index `at` on, as settled. Returns true if none is left: then
 * zf_log_discard must follow, when nobody points to the chunk any more. A chunk of which little is
 * left is cut down to that: views into it are void then. */
bool zf_log_settle (zf_log_t *log, zf_chunk_t *chunk, uint32_t at, uint32_t n);

/* Frees a chunk without live records. */
void zf_log_discard (zf_log_t *log, zf_chunk_t *chunk);

/* Takes a chunk out with all its records, and frees it. */
void zf_log_drop (zf_log_t *log, zf_chunk_t *chunk);

void zf_log_free (zf_log_t *log);

/* Appends n records of another log's chunk, from `at` on, as a chunk that shares their bytes if
 * those never change, else has a copy. A record is live if it is there and wanted says so (NULL:
 * all). Returns 0 and the chunk, which may have no live record, or ZF_E_NOMEM. */
typedef bool zf_want_fn (void *arg, const zf_chunk_t *chunk, uint32_t at);
int zf_log_share (zf_log_t *log, const zf_chunk_t *other, uint32_t at, uint32_t n,
                  zf_want_fn *wanted, void *arg, zf_chunk_t **chunk);

/* True if the chunk's records, all of them live, are just those of its frame. */
bool zf_chunk_is_whole (const zf_chunk_t *chunk);

/* Ids go on from there. */
void zf_log_skip (zf_log_t *log, uint64_t next);

/* -- for the store: chunks that are also in the log on disk ------------------------------------ */

/* A frame of its own memory with a copy of these bytes; NULL: none left. */
zf_frame_t *zf_frame_of (zf_bytes_t bytes);

/* Makes the chunk's live records a batch in a frame that is never changed again. Returns 0 or
 * ZF_E_NOMEM. */
int zf_log_pack (zf_log_t *log, zf_chunk_t *chunk);

/* Lets go of a packed or adopted chunk's records, and gives it their batch back. */
/* index: of a stream: where its records begin is forgotten too, if all are live. Restoring takes
 * the frame over and returns 0, or ZF_E_NOMEM, ZF_E_CORRUPT. */
void zf_log_let_go (zf_log_t *log, zf_chunk_t *chunk, bool index);
int zf_log_restore (zf_log_t *log, zf_chunk_t *chunk, zf_frame_t *frame);

/* Which records of a range are alive, as it is written down. */
typedef struct {
    uint64_t first; /* id of the first of the range, */
    uint32_t count; /* as many as are of interest */
    uint64_t oldest_ms, newest_ms;
    zf_reader_t pairs; /* [from, to[, as indices of the range, ascending */
    uint32_t pair_count;
} zf_alive_t;

/* How many of them. */
uint32_t zf_alive_records (const zf_alive_t *alive);

/* Inserts them before a chunk (NULL: at the end), made of a batch that has just them. Holds frame;
 * offsets are those of the batch. Returns 0 or ZF_E_NOMEM. */
int zf_log_insert (zf_log_t *log, zf_frame_t *frame, const zf_batch_t *batch,
                   const uint32_t *offsets, const zf_alive_t *alive, zf_chunk_t *before,
                   zf_chunk_t **chunk);

/* The chunk's records, which are just those of the batch, lie as in that from now on. Holds frame;
 * NULL: they are on disk only. */
void zf_log_relay (zf_log_t *log, zf_chunk_t *chunk, zf_frame_t *frame, const zf_batch_t *batch,
                   const uint32_t *offsets, const zf_alive_t *alive);

/* How many records from id first on come before the first live one that is here, at most count;
 * *before is the chunk that they would go before. */
uint32_t zf_log_missing (const zf_log_t *log, uint64_t first, uint32_t count, zf_chunk_t **before);

/* The last chunk that begins before that id; NULL: there is none. */
zf_chunk_t *zf_log_before (const zf_log_t *log, uint64_t id);

/* A frame of so many bytes of its own memory, not filled; NULL: none left. */
zf_frame_t *zf_frame_new (size_t size);

/* The first live record from *id on: its id and place. False: there is none. */
bool zf_log_find (const zf_log_t *log, uint64_t *id, zf_place_t *place);

/* The encoded bytes of n records from `at` on. */
zf_bytes_t zf_chunk_span (const zf_chunk_t *chunk, uint32_t at, uint32_t n);

/* How many bytes that are, also of a chunk that is not in memory. */
uint32_t zf_chunk_size (const zf_chunk_t *chunk, uint32_t at, uint32_t n);

/* Decodes one record. */
zf_record_t zf_chunk_record (const zf_chunk_t *chunk, uint32_t at);

static inline zf_note_t *zf_chunk_note (const zf_chunk_t *chunk, uint32_t at)
{
    return chunk->notes != NULL ? chunk->notes[at] : NULL;
}

/* Sets the note of a record (NULL: none). Returns 0 or ZF_E_NOMEM. */
int zf_chunk_set_note (zf_chunk_t *chunk, uint32_t at, zf_note_t *note);

#endif
