/* A group: a cursor over a log, and what has become of the records that it has passed.
 *
 * Records are never looked at one by one. Ahead of the cursor they are fresh; behind it they are
 * settled unless a *run* says otherwise: a run is some consecutive records of one chunk in the same
 * state. Handing out a batch makes one run, settling it whole removes that run; only where records
 * of a batch part ways is a run split. So the common case costs a few bytes per batch, and each
 * event O(log runs), however many records are queued.
 *
 *   fresh --take--> LEASED --settle--> gone
 *                   LEASED --return--> READY --take--> LEASED
 *                   LEASED --nack----> DELAYED --due--> READY
 *   fresh --hold--> HELD (its key is busy) --> READY
 *   Runs may also lie ahead of the cursor: DELAYED records that came with a delay, and GONE ones
 *     (settled
 *   before anybody took them), which the cursor steps over.
 *
 * The group knows no workers, timers or policies: whoever owns it keeps those in the run's
 * fields. */
#ifndef ZF_CORE_GROUP_H
#define ZF_CORE_GROUP_H

#include "core/log.h"
#include "core/timers.h"

#include <bsd/sys/tree.h>

typedef struct zf_run zf_run_t;
typedef struct zf_group zf_group_t;
typedef struct zf_consumer zf_consumer_t;

typedef enum {
    ZF_RUN_LEASED,
    ZF_RUN_READY,
    ZF_RUN_DELAYED,
    ZF_RUN_HELD,
    ZF_RUN_GONE
} zf_run_state_t;

struct zf_run {
    RB_ENTRY (zf_run) node; /* in the group's tree */
    zf_run_t *prev, *next;  /* READY: the group's list; LEASED: the consumer's; HELD: the key's */
    zf_chunk_t *chunk;      /* where the records are */
    uint32_t at;            /* index of the first one in the chunk */
    uint32_t count;         /* how many */
    uint32_t attempts;      /* deliveries so far, this one included */
    uint8_t state;          /* zf_run_state_t */
    bool fronts_key;        /* it is its key's turn, and this run has it (one record then) */
    int8_t sentence;   /* why it is given up as soon as its records are in memory; 0: it is not */
    zf_frame_t *words; /* of its sentence, held; or NULL */
    zf_group_t *group; /* where it belongs */
    zf_consumer_t *consumer; /* LEASED: who has it */
    uint64_t since_ms;       /* LEASED: when it was handed out */
    uint64_t due_ms;         /* LEASED by a link: when its delay is over; 0: it had none */
    zf_timer_t timer;        /* LEASED: end of the lease; DELAYED: end of the delay */
};

RB_HEAD (zf_runs, zf_run);

struct zf_group {
    zf_log_t *log;       /* what it reads */
    void *owner;         /* whose it is: the owner's business */
    zf_chunk_t *chunk;   /* the cursor: the next fresh record; NULL: none came yet */
    uint32_t at;         /* its index in chunk */
    struct zf_runs runs; /* by id */
    zf_run_t *ready;     /* READY runs, oldest first (utlist) */
    uint32_t ahead;      /* runs that lie ahead of the cursor */
    uint32_t run_count;  /* all of them */
};

/* The id of a run's first record, and of the one behind its last. */
static inline uint64_t zf_run_first (const zf_run_t *run)
{
    return run->chunk->first + run->at;
}

static inline uint64_t zf_run_end (const zf_run_t *run)
{
    return zf_run_first (run) + run->count;
}

void zf_group_init (zf_group_t *group, zf_log_t *log, void *owner);

/* Frees the runs; the owner has cancelled their timers and cleared its lists. */
void zf_group_free (zf_group_t *group);

/* Tells the cursor that the log has grown by this chunk's records from `at` on. */
void zf_group_grown (zf_group_t *group, zf_chunk_t *chunk, uint32_t at);

/* Moves the cursor to the next fresh record. Returns how many follow on in its chunk, 0: there is
 * none. */
uint32_t zf_group_fresh (zf_group_t *group);

/* Makes n records at the cursor a run of this state and moves the cursor behind them; n is at most
 * what zf_group_fresh said. The run is in no list. Returns NULL when out of memory. */
zf_run_t *zf_group_pass (zf_group_t *group, uint32_t n, zf_run_state_t state);

/* Makes n fresh records anywhere ahead of the cursor a run of this state (DELAYED, GONE). NULL: out
 * of memory. */
zf_run_t *zf_group_mark (zf_group_t *group, zf_chunk_t *chunk, uint32_t at, uint32_t n,
                         zf_run_state_t state);

/* Makes n records that no run has, behind the cursor or ahead of it, a run. NULL: out of memory. */
zf_run_t *zf_group_place (zf_group_t *group, zf_chunk_t *chunk, uint32_t at, uint32_t n,
                          zf_run_state_t state);

/* Makes the records of a run that lies ahead of the cursor, and is in no list, fresh again. */
void zf_group_unmark (zf_group_t *group, zf_run_t *run);

/* The run that holds record id, or else the first one behind it, or NULL. */
zf_run_t *zf_group_from (zf_group_t *group, uint64_t id);

/* The run behind it, or NULL. */
zf_run_t *zf_group_next (const zf_group_t *group, zf_run_t *run);

/* Cuts the run so that it is n records from index `at` of its chunk. What is cut off goes on as
 * runs of the same kind: `split` puts each copy into the lists and timers of the original (the copy
 * lies behind it if copy->at is larger, else before it) or answers ZF_E_NOMEM. Returns 0 or
 * ZF_E_NOMEM; runs may be split then, none is lost. */
typedef int zf_split_fn (void *arg, zf_run_t *original, zf_run_t *copy);
int zf_group_carve (zf_group_t *group, zf_run_t *run, uint32_t at, uint32_t n, zf_split_fn *split,
                    void *arg);

/* Moves the cursor off a chunk that goes. */
void zf_group_leave (zf_group_t *group, zf_chunk_t *chunk);

/* READY runs: last in line, or first (records that were there before). */
void zf_group_enqueue (zf_group_t *group, zf_run_t *run, bool first);
void zf_group_dequeue (zf_group_t *group, zf_run_t *run);

/* Settles all records of a run that is in no list any more, and frees the run; a run ahead of the
 * cursor stays as GONE. */
void zf_group_settle (zf_group_t *group, zf_run_t *run);

#endif
