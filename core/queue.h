/* A queue: a log for each priority level, one group over each, a policy, and who waits for what.
 *
 * A service is a queue whose records carry who asked (their note), so the same code serves both.
 * The files: queue.c takes records in and post.c deals with producers, lease.c hands them out and
 * settles them, note.c keeps what is special about single records (asker, time to live, ordering
 * key), dead.c deals with those given up.
 *
 * A stream is a queue whose records stay, and a group of it a queue that takes its records from
 * there: stream.h.
 *
 * Record ids: bits 56..63 the priority level, bits 0..55 a number that grows with each record of
 * that level. */
#ifndef ZF_CORE_QUEUE_H
#define ZF_CORE_QUEUE_H

#include "core/account.h"
#include "core/ages.h"
#include "core/dedup.h"
#include "core/group.h"
#include "core/producers.h"
#include "core/props.h"
#include "core/store.h"
#include <zferry/admin.h>

typedef struct zf_engine zf_engine_t;
typedef struct zf_session zf_session_t;
typedef struct zf_queue zf_queue_t;
typedef struct zf_key zf_key_t;
typedef struct zf_parked zf_parked_t;
typedef struct zf_kept zf_kept_t;
typedef struct zf_feed zf_feed_t;
typedef struct zf_stream zf_stream_t;
typedef struct zf_follow zf_follow_t;

#define ZF_LANE_SHIFT       56
#define ZF_LEASED_BYTES_MAX (16u << 20) /* at one consumer; it gets one record in any case */
#define ZF_CREDIT_MAX       (1u << 20)

/* What the timers of an engine are inside of. */
enum {
    ZF_TIMER_LEASE = 1,
    ZF_TIMER_DELAY,
    ZF_TIMER_NOTE,
    ZF_TIMER_SESSION,
    ZF_TIMER_TTL,
    ZF_TIMER_CHORES,
    ZF_TIMER_ATOMICS,
    ZF_TIMER_LOAD,
    ZF_TIMER_ACCOUNT
};

/* What is special about one record. */
struct zf_note {
    zf_timer_t timer; /* its time to live */
    zf_queue_t *queue;
    zf_chunk_t *chunk; /* the record */
    uint32_t at;
    uint8_t lane;
    bool expired;        /* its time ran out while a worker had it: it is not delivered again */
    bool own_ttl;        /* it has a time to live of its own: the queue's is not for it */
    bool asked;          /* it is a request, also if nobody waits for the answer any more */
    zf_key_t *key;       /* its ordering key, or NULL */
    zf_kept_t *kept;     /* its answer is to be kept, or it is a kept answer; or NULL */
    bool keeps;          /* its answer is to be kept */
    zf_session_t *asker; /* who waits for an answer, or NULL */
    uint64_t number;     /* the asker's number for it */
    uint64_t since_ms;   /* when it was asked */
    UT_hash_handle hh;   /* in the asker's requests, by number */
};

/* A session that takes records of a queue. */
struct zf_consumer {
    zf_queue_t *queue;
    zf_session_t *session;
    uint32_t limit;  /* records it may hold: its credit */
    uint32_t leased; /* records it holds */
    uint64_t leased_bytes;
    bool is_available;          /* in the queue's available list */
    bool drains;                /* a link: see ZF_CONSUME_DRAIN */
    uint64_t drained;           /* the first id that it has not had yet */
    zf_run_t *runs;             /* what it holds, oldest first (utlist) */
    zf_consumer_t *prev, *next; /* queue's available list, who waited longest first */
    zf_consumer_t *session_prev, *session_next; /* of the same session */
};

/* A batch on its way in. */
typedef struct {
    zf_session_t *session; /* who posts or asks */
    zf_frame_t *frame;     /* holds the batch, may be adopted; NULL: the records must be copied */
    zf_batch_t batch;
    uint32_t *offsets; /* of each record in the frame; set to NULL when taken over */
    bool has_ids;      /* some records have an id */
    bool asked;        /* requests: batch.first numbers them */
    bool large_props; /* some properties are larger than a producer may say: only links have such */
    uint64_t ttl_ms;  /* of requests that name none */
} zf_intake_t;

/* Records of a post that wait for room in the queue. */
struct zf_parked {
    zf_queue_t *queue;
    zf_intake_t in;                           /* holds its frame */
    uint32_t start;                           /* first record that waits */
    zf_parked_t *prev, *next;                 /* of the queue, first come first */
    zf_parked_t *session_prev, *session_next; /* of the session */
};

/* Records before id `end` are durable when the log is behind lsn. */
typedef struct {
    uint64_t lsn, end;
} zf_mark_t;

typedef struct zf_lane {
    zf_log_t log;
    zf_group_t group;
    zf_mark_t *marks; /* records that are not durable yet: nobody gets them */
    size_t mark_first, mark_count, mark_room;
    uint64_t durable_end; /* while there are marks: those before this id are */
    zf_ages_t ages;       /* of what nobody has had yet */
} zf_lane_t;

struct zf_queue {
    zf_engine_t *engine;
    char *name;
    size_t name_size;
    zf_policy_t policy;
    bool declared;            /* somebody chose the policy */
    bool is_dirty;            /* in the engine's list of queues that may have something to hand
                                 out */
    bool is_idle;             /* in the engine's list of queues that can make room for another */
    zf_lane_t *lanes;         /* policy.priorities of them; the last is the highest */
    zf_consumer_t *available; /* consumers with room, who waited longest first */
    uint32_t consumers;       /* all of them */
    zf_parked_t *parked;      /* posts that wait for room */
    bool is_starved;     /* they wait for memory or disk: in the engine's list of such queues */
    uint8_t starved_of;  /* which list: ZF_STARVED_... */
    bool is_durable;     /* its records go into the log, but for requests */
    bool is_waiting;     /* some are not durable yet: in the store's list */
    bool is_drained;     /* its only consumer is a link */
    bool was_fed;        /* a link has posted into it: what it remembers of that is kept for good */
    bool holds_replies;  /* kept answers (keep.h) */
    zf_stream_t *stream; /* what makes it a stream; NULL: it is none */
    zf_follow_t *follow; /* what makes it a group of one; NULL: it is none */
    zf_feed_t *feeds;    /* links that post into it (utlist) */
    uint32_t number;     /* in the log; 0: it is not there */
    uint64_t parked_count; /* records among them */
    zf_producers_t producers;
    zf_dedup_t ids;
    zf_key_t *keys;                /* of records that are here (uthash) */
    uint64_t length, bytes;        /* live records, over all lanes */
    uint64_t logged, logged_bytes; /* of them, those that are in the log on disk */
    uint64_t leased, delayed;
    bool is_dead;    /* holds dead letters, going by its name */
    uint64_t wanted; /* scratch for an atomic post: records it wants to add here */
    uint64_t wanted_bytes;
    zf_queue_info_t totals;  /* only the totals in it are used */
    zf_timer_t ttl_timer;    /* the queue's own ttl: when the oldest fresh chunk is past it */
    zf_timer_t chores_timer; /* forgetting ids and producers */
    zf_queue_t *prev, *next; /* dirty list */
    zf_queue_t *idle_prev, *idle_next;       /* idle list */
    zf_queue_t *starved_prev, *starved_next; /* starved list */
    zf_queue_t *waiting_prev, *waiting_next; /* store's list */
    zf_account_t *maker;                     /* it is there because this one used a new name */
    zf_queue_t *made_prev, *made_next;       /* of the maker */
    UT_hash_handle hh_number;                /* in the engine, by number */
    UT_hash_handle hh;                       /* in the engine, by name */
};

/* 1..255 bytes without control characters; mmi.* belongs to Majordomo's management interface. */
bool zf_is_name (zf_bytes_t name);

/* -- queue.c ----------------------------------------------------------------------------------- */

/* Decodes and checks the whole batch, properties included, and fills in *in but for session, asked
 * and ttl_ms. Free with zf_intake_done in any case. Returns 0, ZF_E_PROTO, ZF_E_VERSION,
 * ZF_E_CORRUPT, ZF_E_NOMEM. */
int zf_intake_open (zf_intake_t *in, zf_frame_t *frame);
void zf_intake_done (zf_intake_t *in);

/* Encoded bytes of n records from start on. */
zf_bytes_t zf_intake_span (const zf_intake_t *in, uint32_t start, uint32_t n);

int zf_queue_init (zf_queue_t *queue, zf_engine_t *engine, zf_bytes_t name,
                   const zf_policy_t *policy);
void zf_queue_free (zf_queue_t *queue);

/* Changes the policy. Returns 0, or ZF_E_BUSY when priorities or ordering change and the queue
 * is not empty. */
int zf_queue_set_policy (zf_queue_t *queue, const zf_policy_t *policy);

/* Takes the records of a producer: queues, parks or refuses them, and confirms through the session.
 * Records below `low` the producer knows the outcome of. */
void zf_queue_post (zf_queue_t *queue, zf_intake_t *in, uint64_t low);

/* Confirms what is known already of a producer's records, and refuses the others: its session may
 * not post them. Nothing of that is remembered: they may come again. */
void zf_queue_refuse (zf_queue_t *queue, zf_intake_t *in, uint64_t low, int code);

/* Queues up to n records from `start` on, however full the queue is. Returns how many it could
 * (memory). */
uint32_t zf_queue_put (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n);

/* For posts that are taken whole or not at all: writes down where the queue ends, in each of its
 * priorities, and takes back all that was put since, which nobody may have looked at yet. */
void zf_queue_mark (const zf_queue_t *queue, uint64_t ends[ZF_PRIORITIES_MAX]);
void zf_queue_take_back (zf_queue_t *queue, const uint64_t ends[ZF_PRIORITIES_MAX]);

/* Counts records in that were put into the queue's log, and out that left it. The bytes of a view
 * count where it is of. */
void zf_queue_count_in (zf_queue_t *queue, uint64_t records, uint64_t bytes, bool logged);

/* Puts a record of the log on disk back into its lane. Returns 0, ZF_E_PROTO, ZF_E_NOMEM. */
int zf_queue_restore (zf_queue_t *queue, uint8_t lane, zf_bytes_t encoded);

/* Ids of records to come are not below the floor, whatever their level. */
void zf_queue_lift_ids (zf_queue_t *queue, uint64_t floor);

/* Queues one encoded record that nobody numbered (dead letters). Returns 0 or ZF_E_NOMEM. */
int zf_queue_put_one (zf_queue_t *queue, zf_bytes_t encoded);

/* Memory, or disk, that the broker has left for posts to this queue. Dead letters have a share of
 * their own: they must not keep the living out, nor grow without limit. */
uint64_t zf_queue_memory_left (const zf_queue_t *queue);

/* Memory was given back: who has waited longest for some looks again. */
void zf_memory_freed (zf_engine_t *engine);

/* Records, as so many encoded bytes, are not in the queue any more. */
void zf_queue_discharge (zf_queue_t *queue, uint64_t records, uint64_t bytes, bool logged);

/* How many of the n records from `start` on fit under the caps as things stand. */
uint32_t zf_queue_room (const zf_queue_t *queue, const zf_intake_t *in, uint32_t start, uint32_t n);

/* An atomic post: adds n records to what it wants of this queue. Returns false if all of that would
 * not fit. The caller clears wanted and wanted_bytes afterwards. */
bool zf_queue_want (zf_queue_t *queue, const zf_intake_t *in, uint32_t start, uint32_t n);

/* Queues n records from `start` on as far as the caps and the rule (drop-oldest) allow. Returns how
 * many; *code says why not all: ZF_E_FULL, ZF_E_TOO_BIG, ZF_E_NOMEM. */
uint32_t zf_queue_admit (zf_queue_t *queue, zf_intake_t *in, uint32_t start, uint32_t n, int *code);

/* Parked posts go on, as far as there is room. */
void zf_queue_unpark (zf_queue_t *queue);
void zf_parked_drop (zf_parked_t *parked);

void zf_queue_chores (zf_queue_t *queue);

/* Chores are due then, if not before. */
void zf_queue_set_chores (zf_queue_t *queue, uint64_t due_ms);

/* -- lease.c ----------------------------------------------------------------------------------- */

zf_consumer_t *zf_consumer_find (zf_session_t *session, const zf_queue_t *queue);

/* Attaches the session to the queue, or changes its credit. Returns it, or NULL when out of
 * memory. */
zf_consumer_t *zf_consumer_attach (zf_session_t *session, zf_queue_t *queue, uint32_t limit);

/* Takes it off the queue; what it held goes back at once. */
void zf_consumer_detach (zf_consumer_t *consumer);

/* Hands out what can be handed out. */
void zf_queue_dispatch (zf_queue_t *queue);

/* What a worker says about records first .. first + count - 1. */
typedef enum {
    ZF_SETTLE_ACK,
    ZF_SETTLE_NACK,
    ZF_SETTLE_REJECT,
    ZF_SETTLE_RELEASE,
    ZF_SETTLE_EXTEND
} zf_verb_t;
typedef struct {
    zf_verb_t verb;
    int64_t delay_ms;  /* NACK: -1: the queue's backoff; EXTEND: the lease from now on */
    zf_bytes_t reason; /* REJECT */
    int foreign;       /* runs of others stepped over so far: a command has a budget of them */
} zf_verdict_t;

/* Applies it to those of the records that the consumer holds, and returns how many it did not
 * hold. */
uint64_t zf_consumer_settle (zf_consumer_t *consumer, uint64_t first, uint64_t count,
                             zf_verdict_t *verdict);

/* The run by which the consumer holds record id, or NULL. */
zf_run_t *zf_consumer_holds (zf_consumer_t *consumer, uint64_t id);

/* Makes the run exactly n records from index at. Returns 0 or ZF_E_NOMEM. */
int zf_run_carve (zf_queue_t *queue, zf_run_t *run, uint32_t at, uint32_t n);

/* Takes a run out of the list and the timer that its state put it in. */
void zf_run_unlink (zf_queue_t *queue, zf_run_t *run);

/* Settles an unlinked run's records for good: notes, keys, counts, room for others. The run is gone
 * afterwards. */
void zf_run_finish (zf_queue_t *queue, zf_run_t *run);

/* A leased run comes back: ready at once, or given up if that was its last attempt. counted: it was
 * an attempt. */
void zf_run_return (zf_queue_t *queue, zf_run_t *run, bool counted);

void zf_run_lease_over (zf_queue_t *queue, zf_run_t *run);
void zf_run_delay_over (zf_queue_t *queue, zf_run_t *run);

/* An unlinked run becomes ready, unless its record has to wait for its key. first: before those
 * that are ready. */
void zf_run_ready (zf_queue_t *queue, zf_run_t *run, bool first);

/* An unlinked run whose turn it is goes into the line of those that are ready, until its queue's
 * time to live is over. */
void zf_run_line_up (zf_queue_t *queue, zf_run_t *run, bool first);

/* An unlinked run is delayed until then. Returns false if there is no memory for the timer. */
bool zf_run_wait (zf_queue_t *queue, zf_run_t *run, uint64_t due_ms);

/* True if the time to live of the run's records is over. */
bool zf_run_is_over (const zf_queue_t *queue, const zf_run_t *run);

/* How many of the chunk's n records from `at` on have no ordering key and are alike: they may be
 * one run. 0: the first has a key, and is a run of its own. */
uint32_t zf_chunk_alike (const zf_chunk_t *chunk, uint32_t at, uint32_t n);

/* The queue of a run. */
zf_queue_t *zf_run_queue (const zf_run_t *run);

/* -- peek.c ------------------------------------------------------------------------------------ */

/* A live record as it is now. */
typedef struct {
    uint64_t id;
    zf_place_t place;
    zf_record_t record;
    uint32_t attempts;
    zf_run_state_t state; /* ZF_RUN_GONE: fresh */
    bool here;            /* the record is in memory; if not, it is on its way */
} zf_sight_t;

/* The first live record of that id or a higher one. Returns false if there is none. */
bool zf_queue_peek (zf_queue_t *queue, uint64_t id, zf_sight_t *sight);

/* What is known of the queue, for people. */
void zf_queue_describe (const zf_queue_t *queue, zf_queue_info_t *info);

/* -- note.c ------------------------------------------------------------------------------------ */

/* Writes down what is special about a record just queued; nothing if nothing is. Returns 0 or
 * ZF_E_NOMEM. */
int zf_note_take (zf_queue_t *queue, zf_place_t place, uint8_t lane, const zf_props_view_t *props,
                  const zf_intake_t *in, uint64_t number);

/* Forgets the note of a record whose key, if it has one, nobody holds. */
void zf_note_free (zf_queue_t *queue, zf_note_t *note);

/* Forgets the notes of a run's records; keys go on to their next record. */
void zf_notes_drop (zf_queue_t *queue, zf_run_t *run);

/* The time to live of a record is over. */
void zf_note_expire (zf_note_t *note);

/* The session waits for this answer. Returns false when out of memory: then it does not. */
bool zf_note_link (zf_note_t *note, zf_session_t *asker);

/* Nobody waits for this answer any more. */
void zf_note_forget_asker (zf_note_t *note);

/* The same, and the request is dropped unless a worker has it. */
void zf_note_abandon (zf_note_t *note);

/* Answers those who asked for the run's records and still wait: with nothing (code 0), or why there
 * is no answer. */
void zf_run_answer (zf_run_t *run, int code, zf_bytes_t reason);

void zf_keys_free (zf_queue_t *queue);

/* Keys: true if it is the turn of this record, whose run that is; then the key is busy with it. */
bool zf_note_front (zf_note_t *note, zf_run_t *run);

/* A run came back that lies before the one whose turn it is: that one waits again, if nobody has it
 * yet. */
void zf_key_yield (zf_queue_t *queue, zf_key_t *key, const zf_run_t *run);

/* Waits for its key: the run is HELD, until the key goes on or it leaves. first: before those that
 * wait. */
void zf_key_wait (zf_key_t *key, zf_run_t *run, bool first);
void zf_key_leave (zf_key_t *key, zf_run_t *run);

/* Makes the live record at that place a run of its own, whatever state it is in. NULL: out of
 * memory. */
zf_run_t *zf_run_single_out (zf_queue_t *queue, zf_place_t place);

/* -- dead.c ------------------------------------------------------------------------------------ */

/* True of a name that ends in ".dead". */
bool zf_is_dead_name (zf_bytes_t name);

/* The name of the queue's dead-letter queue. Returns 0, or ZF_E_NOT_FOUND, ZF_E_INVAL if it has
 * none. */
int zf_dead_name (const zf_queue_t *queue, char name[ZF_NAME_MAX + 1]);

/* That queue; NULL if there is none, or it is not there yet and make is false, or can't be made. */
zf_queue_t *zf_dead_queue (zf_queue_t *queue, bool make);

/* Fits the default policy to a queue of that name: one that ends in ".dead" is a dead-letter
 * queue. */
void zf_dead_policy (zf_bytes_t name, zf_policy_t *policy);

/* Gives up an unlinked run's records: dead letter, answer to who asked. The run is gone
 * afterwards. */
void zf_run_bury (zf_queue_t *queue, zf_run_t *run, int code, zf_bytes_t reason);

/* The same, for a run that has its sentence. */
void zf_run_execute (zf_queue_t *queue, zf_run_t *run);

/* Drops an unlinked run's records, counted; who asked is answered with the code. */
void zf_run_drop (zf_queue_t *queue, zf_run_t *run, int code);

/* Fresh records whose queue-wide time to live is over are buried, and the timer set for the next
 * ones. */
void zf_queue_expire (zf_queue_t *queue);

/* Drops the oldest record that is not in flight. Returns false if there is none. */
bool zf_queue_drop_oldest (zf_queue_t *queue);

/* Drops everything that is not in flight; returns how many. */
uint64_t zf_queue_purge (zf_queue_t *queue, uint64_t max);

/* Moves up to max of the queue's own dead letters back into it, oldest first, or drops them. Those
 * that a worker has are left to it. Returns how many; it stops when the turn's entry is large
 * enough, or (waits) a letter is being read from the disk, for whoever asked to ask again. */
uint64_t zf_queue_revive (zf_queue_t *dead, zf_queue_t *queue, uint64_t max, bool *waits);
uint64_t zf_queue_discard (zf_queue_t *dead, const zf_queue_t *queue, uint64_t max, bool *waits);

#endif
