/* The store: what makes queues durable. It writes down what the engine decides as operations, holds
 * back what must not be said before it is on disk, and keeps memory and disk bounded.
 *
 * The operations of a turn are one entry of the log; an entry's lsn is known before the turn
 * begins. Nothing here knows files: the shell appends, reads and trims, and says what is durable.
 *
 *   store.c    the entry of this turn; held confirms; what is durable; room
 *   spill.c    chunks that are on disk only, and bringing them back
 *   carry.c    what keeps old entries alive is written again, so that they can be trimmed
 *   replay.c   operations back into queues
 *
 * Operations are msgpack arrays [number, arguments...] behind each other; docs/format.md is
 * normative. q is a queue's number in this log.
 *
 *    1 QUEUE    q name policy declared dead [next id of each level...]
 *    2 FORGET   q
 *    3 RECORDS  q first count time_ms records         encoded as in a batch, bin
 *    4 BATCH    q first time_ms batch                 a whole batch, bin
 *    5 CARRY    q first count oldest_ms newest_ms [from, to...] batch
 *                                                     records that lie further back in the log, as
 *                                                     they are now; [from, to[ are those alive
 *    6 STATE    q first count attempts due_ms         due_ms 0: at a worker, or ready
 *    7 GONE     q first count
 *    8 PRODUCER q uuid last kept [first, count, code...]  q 0: of atomic posts; refusals
 *    9 ID       q hash expires_ms                     in the dedup window
 *   10 EXPIRES  q id due_ms                           a record's own time to live
 *   11 START    time_ms floor                         the log can begin with this entry: QUEUE for
 *                                                     every queue that there is follows
 *   12 CURSOR   q floor [missed]                      a group has finished all below; a compacted
 *                                                     stream has dropped what was left there
 *
 * QUEUE has one more argument for streams, [floor, hole from, hole to], and for groups, [floor,
 * missed, pattern...]. STATE and GONE of a group's lower level are of its stream's records. */
#ifndef ZF_CORE_STORE_H
#define ZF_CORE_STORE_H

#include "core/log.h"
#include "core/producers.h"

#include <xxhash.h>

typedef struct zf_engine zf_engine_t;
typedef struct zf_session zf_session_t;
typedef struct zf_queue zf_queue_t;
typedef struct zf_run zf_run_t;
struct zf_lane;
typedef struct zf_held zf_held_t;
typedef struct zf_dedup_entry zf_dedup_entry_t;

enum {
    ZF_OP_QUEUE = 1,
    ZF_OP_FORGET = 2,
    ZF_OP_RECORDS = 3,
    ZF_OP_BATCH = 4,
    ZF_OP_CARRY = 5,
    ZF_OP_STATE = 6,
    ZF_OP_GONE = 7,
    ZF_OP_PRODUCER = 8,
    ZF_OP_ID = 9,
    ZF_OP_EXPIRES = 10,
    ZF_OP_START = 11,
    ZF_OP_CURSOR = 12
};

/* Something to say to a session when the log is durable behind lsn. code: as decided, or why it did
 * not become durable. */
typedef void zf_say_fn (zf_session_t *session, const zf_held_t *held);

struct zf_held {
    uint64_t lsn;
    zf_session_t *session; /* NULL: it is gone */
    zf_queue_t *queue;     /* or NULL */
    zf_say_fn *say;
    uint64_t first, count; /* of a confirm; else as say likes */
    int code;
};

/* A batch that goes into the entry uncopied. */
typedef struct {
    size_t at;         /* behind so many bytes of ops */
    zf_frame_t *frame; /* held */
} zf_cut_t;

/* A chunk that is being read back. */
typedef struct {
    zf_chunk_t *chunk; /* NULL: it is gone, or the slot is free */
    bool is_busy;      /* the slot waits for the log */
    bool is_told;      /* the shell was told to read it */
} zf_reading_t;

/* Whose chunks. */
enum { ZF_OF_QUEUES, ZF_OF_STREAMS };

#define ZF_LOADS_MAX  64
#define ZF_STARTS_MAX 256

typedef struct {
    bool on;        /* there is a log */
    bool replaying; /* what happens is read from the log: it is not written there again */
    bool failed;    /* nothing becomes durable any more */
    bool written;   /* something was appended in this run, last at `last` */
    uint8_t uuid[ZF_UUID_BYTES]; /* of the log */
    int sync;                    /* zf_sync_t, to tell peers */
    uint64_t lsn;                /* that the entry of this turn will have */
    uint64_t last;               /* of the entry appended last */
    uint64_t durable;            /* everything below is */
    uint64_t lowest;             /* of the first entry kept */
    uint64_t trimmed;            /* up to there we have trimmed */
    uint64_t trim_to;            /* to be trimmed after this turn's entry; 0: nothing */
    uint64_t trim_goal;  /* what is needed from below it is being written again; 0: nothing is */
    uint64_t trim_look;  /* whether to trim is looked at again when the log is there */
    uint64_t rest_bytes; /* of ids and producers, when they were last counted, */
    uint64_t rest_ms;    /* then */
    uint64_t told_ms;    /* when people were told that posts wait for space; 0: never */
    uint64_t starts[ZF_STARTS_MAX]; /* entries that the log can begin with, ascending */
    size_t start_count;
    uint64_t start_bytes;  /* that the last one took */
    uint64_t room;         /* bytes that the log takes without waiting for space */
    uint64_t growth;       /* by so many that can grow */
    uint64_t segment;      /* bytes of a piece in which space is given back; 0: any */
    uint64_t window;       /* bytes that may still be on their way to it */
    uint64_t cap;          /* bytes of disk; 0: no cap */
    uint64_t slack;        /* bytes of dead entries that are not worth the while */
    uint64_t memory;       /* bytes of records that may be in memory */
    uint32_t queue_number; /* the last one given */

    zf_writer_t ops; /* of this turn, but for whole batches: */
    zf_cut_t *cuts;
    size_t cut_count, cut_room;
    zf_part_t *parts; /* of the entry, as they are handed out */
    size_t part_room;
    uint64_t cut_bytes;
    struct {
        uint32_t op; /* the last operation, if another of its kind can be added to it; 0: none */
        uint32_t queue;
        uint32_t attempts;
        uint64_t due_ms, end; /* the id behind its last record */
        size_t count_at;      /* where its count is in ops */
        uint32_t count;
        size_t size_at; /* RECORDS: where the size of its records is */
    } open;

    zf_held_t *held; /* a ring: first in, first out */
    size_t held_first, held_count, held_room;

    zf_queue_t *waiting;     /* queues with records that are not durable yet (utlist) */
    zf_chunk_t *logged;      /* chunks with records in the log, by lsn (utlist) */
    zf_chunk_t *resident[2]; /* of them, those in memory, of queues and of streams; those wanted
                                first at the head (utlist) */
    uint64_t resident_bytes; /* in memory, of logged chunks */
    uint64_t bytes;          /* live, of living queues */
    uint64_t records;        /* the same, as a number */
    uint64_t away;           /* logged chunks that are not in memory */
    uint64_t index_bytes;    /* of offsets of chunks that are not in memory */
    zf_reading_t loads[ZF_LOADS_MAX];
    uint32_t loads_busy;
    bool loads_short;                  /* somebody found no slot */
    uint64_t until_ms;                 /* of a replay: the time now, or the latest that was read */
    uint64_t loaded, spilled, carried; /* chunks, since the start */
} zf_store_t;

/* -- store.c: writing down. All do nothing for what is not durable. ---------------------------- */

/* Room for another operation of up to `size` bytes; false: out of memory, decide nothing. */
bool zf_store_ready (zf_engine_t *engine, size_t size);

void zf_store_queue (zf_queue_t *queue);
void zf_store_forget (zf_queue_t *queue);

/* A record that was just appended to the chunk, its last one. Returns 0 or ZF_E_NOMEM. */
int zf_store_record (zf_queue_t *queue, zf_chunk_t *chunk, zf_bytes_t encoded);

/* A chunk that was just adopted. Returns 0 or ZF_E_NOMEM. */
int zf_store_batch (zf_queue_t *queue, zf_chunk_t *chunk);

/* The state of a run's records: attempts, and when it is due (0: it is ready, or at a worker). */
void zf_store_state (zf_queue_t *queue, const zf_run_t *run, uint64_t due_ms);
void zf_store_gone (zf_queue_t *queue, const zf_chunk_t *chunk, uint32_t at, uint32_t n);
void zf_store_producer (zf_engine_t *engine, const zf_queue_t *queue, zf_producer_t *producer);

/* The same for any range of ids. */
void zf_store_range (zf_queue_t *queue, unsigned op, uint64_t first, uint32_t count,
                     uint32_t attempts, uint64_t due_ms);

/* A group has finished all records with lower ids, and missed so many; or a compacted stream has
 * dropped them. */
void zf_store_cursor (zf_queue_t *queue, uint64_t floor, uint64_t missed);

/* It has finished with all ids in [first, end[, however many. */
void zf_store_passed (zf_queue_t *queue, uint64_t first, uint64_t end);

/* For posts that are taken whole or not at all: everything written down since is taken back. */
typedef struct {
    size_t ops, cuts;
} zf_store_mark_t;
zf_store_mark_t zf_store_mark (zf_engine_t *engine);
void zf_store_take_back (zf_engine_t *engine, zf_store_mark_t mark);

/* After that, for each lane: nothing waits for what was taken back. */
void zf_store_unmark (struct zf_lane *lane);

/* The chunk is about to lose its last live record, or to be freed. */
void zf_store_leave (zf_engine_t *engine, zf_chunk_t *chunk);

/* Says it when all that was written down so far is durable: at once, if it is. Returns false when
 * out of memory; then the session is ended. */
bool zf_store_hold (zf_session_t *session, const zf_held_t *held);
void zf_store_drop_session (zf_engine_t *engine, const zf_session_t *session);
void zf_store_drop_queue (zf_engine_t *engine, const zf_queue_t *queue);

/* Bytes of records that may still be taken. */
uint64_t zf_store_room (const zf_engine_t *engine);

/* Bytes of this turn's entry so far. What can be put off is, beyond ZF_ENTRY_ENOUGH. */
#define ZF_ENTRY_ENOUGH (UINT64_C (8) << 20)
uint64_t zf_store_entry_bytes (const zf_engine_t *engine);

/* True if so many bytes more leave it well below what one entry can have. */
bool zf_store_entry_takes (const zf_engine_t *engine, uint64_t bytes);

/* Bytes that may be written again now, so that something can be trimmed or let go of. */
uint64_t zf_store_spare (const zf_engine_t *engine);

/* True if what is alive takes as much of the disk as it may. */
bool zf_store_is_full (const zf_engine_t *engine);

/* The most that could ever be; and that one record may have. */
uint64_t zf_store_most (const zf_engine_t *engine);
uint64_t zf_store_record_most (const zf_engine_t *engine);

/* Posts wait for space, for more than a moment maybe: tells people, now and then. */
void zf_store_tell_short (zf_engine_t *engine);

/* True if posts will soon have to wait for space. */
bool zf_store_is_short (const zf_engine_t *engine);

/* What should be kept free for what is already here to be settled. */
uint64_t zf_store_reserve (const zf_engine_t *engine);

void zf_store_free (zf_engine_t *engine);

/* For carry.c: an operation begun; one that ends in the chunk's batch. */
zf_writer_t *zf_store_begin (zf_engine_t *engine, unsigned op, size_t elements);
int zf_store_put_batch (zf_engine_t *engine, zf_chunk_t *chunk);
void zf_store_id (zf_queue_t *queue, zf_dedup_entry_t *entry);
void zf_store_expires (zf_queue_t *queue, uint64_t id, uint64_t due_ms);

/* -- spill.c ----------------------------------------------------------------------------------- */

/* True if the chunk's records are in memory; if not, they are on their way from now on, and the
 * queue will be looked at again. */
bool zf_chunk_here (zf_queue_t *queue, zf_chunk_t *chunk);

/* Chunks behind this one are on their way, too. */
void zf_store_read_ahead (zf_queue_t *queue, zf_chunk_t *chunk);

/* Lets go of memory beyond the cap. */
void zf_store_spill (zf_engine_t *engine);

/* A chunk whose records are in the log in one piece is on disk only from now on. */
void zf_store_let_go (zf_engine_t *engine, zf_chunk_t *chunk);

/* The chunk changes its place: out of all lists and sums, and into them again. */
void zf_store_uncount (zf_engine_t *engine, zf_chunk_t *chunk);
void zf_store_count (zf_engine_t *engine, zf_chunk_t *chunk);

/* Puts the chunk into the lists it belongs to, or takes it out of them. */
void zf_store_link (zf_engine_t *engine, zf_chunk_t *chunk);
void zf_store_unlink (zf_engine_t *engine, zf_chunk_t *chunk);

/* -- carry.c ----------------------------------------------------------------------------------- */

/* Writes the chunk's records down again. Returns 0, ZF_E_NOMEM, ZF_E_AGAIN (not in memory),
 * ZF_E_FULL (the log has no room for that). */
int zf_store_carry (zf_engine_t *engine, zf_chunk_t *chunk);

/* Makes this turn's entry one that the log can begin with, if it is time for one. Nothing was
 * written down in this turn yet. */
void zf_store_start (zf_engine_t *engine);

/* The entry at lsn is such a one, or was read and is. No chunk reaches across it, so that the same
 * ones are made by who reads the log from there on. */
void zf_store_started (zf_engine_t *engine, uint64_t lsn);

/* Carries what lies furthest back, a bounded number of bytes, if the log is too long for what is in
 * it. Returns true if there is more to do. */
bool zf_store_clean (zf_engine_t *engine);

#endif
