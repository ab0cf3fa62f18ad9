/* The engine: sessions, queues and timers; events in, effects out. It never calls out: no socket,
 * file, clock or thread. A shell calls, in this order and again and again:
 *
 *   zf_engine_clock    the time now
 *   zf_engine_input    frames from a session, any number of times (and attach, detach)
 *   zf_engine_tick     timers fire; after the input, so that nobody counts as silent whose messages
 *                      lay unread while the shell was held up
 *   zf_engine_decide   hands out what can be handed out
 *   zf_engine_effect   what to send to whom, until there is no more; zf_engine_sent
 *
 * Errors: what a peer sends is counted, answered or dropped. Out of memory: the event is refused as
 * a whole, or the session is closed so that its peer starts again. Threads: one. */
#ifndef ZF_CORE_ENGINE_H
#define ZF_CORE_ENGINE_H

#include "core/access.h"
#include "core/histogram.h"
#include "core/queue.h"
#include "core/secret.h"
#include "core/store.h"
#include "core/stream.h"
#include "core/throttle.h"

typedef struct zf_dialect zf_dialect_t;

typedef struct {
    zf_policy_t policy;         /* of queues nobody declared */
    uint64_t memory_bytes;      /* of all records */
    uint64_t max_message_bytes; /* told to peers */
    uint64_t window_bytes;      /* told to producers; what they park is held to it */
    uint32_t max_queues;
    uint32_t max_sessions;
    uint32_t heartbeat_ms; /* asked of workers */
    uint32_t mdp_heartbeat_ms;
    uint32_t client_idle_ms;
    uint64_t stream_bytes;           /* kept of a stream that nobody declared, in memory */
    uint64_t stream_durable_bytes;   /* and on disk */
    uint8_t uuid[ZF_UUID_BYTES];     /* of this broker: random, from the shell */
    uint8_t secret[ZF_SECRET_BYTES]; /* the same, and nobody is told */
    zf_limits_t limits;              /* of each client */
} zf_engine_options_t;

/* A peer with state here. Its dialect says how it is spoken to. */
struct zf_session {
    zf_engine_t *engine;
    void *host; /* the shell's side of it; NULL: its connection is gone */
    const zf_dialect_t *dialect;
    uint8_t *address; /* its routing id: for Majordomo and for messages to people */
    size_t address_size;
    char name[64];                    /* what it calls itself */
    uint8_t uuid[ZF_UUID_BYTES];      /* native: what makes it the same peer after a reconnect */
    zf_subject_t subject;             /* by its key, if it is known */
    bool is_known;                    /* it has a key; else it is this process, or nobody asks */
    bool greeted;                     /* native: HELLO was there */
    bool doomed;                      /* to be detached before this turn ends */
    bool has_left;                    /* it said goodbye: no need to tell it that it is out */
    bool gone;                        /* detached: freed when the effects are sent */
    uint8_t flags;                    /* the dialect's own */
    uint32_t beats_missed;            /* the dialect's own */
    uint64_t seen_ms;                 /* last sign of life */
    zf_timer_t timer;                 /* liveness */
    zf_consumer_t *consumers;         /* what it takes from (session_next) */
    zf_note_t *requests;              /* what it waits for, by number (uthash) */
    zf_parked_t *parked;              /* its posts that wait (session_next) */
    zf_feed_t *feeds;                 /* queues that it feeds, if it is a link (session_next) */
    struct zf_fetch *fetches;         /* answers that it waits for (keep.h; session_next) */
    uint32_t fetch_count;             /* of these */
    zf_subscription_t *subscriptions; /* (session_next) */
    zf_await_t *awaits;               /* (session_next) */
    uint32_t subscription_count, await_count;
    uint64_t window_bytes, pattern_bytes; /* of all its subscriptions */
    zf_account_t *account;                /* what it has taken of its limits: its key's, or */
    zf_account_t own;                     /* its own */
    zf_throttle_t throttle;
    uint64_t parked_bytes;
    uint64_t unread_bytes; /* sent since it last said that it had read all (if its dialect asks) */
    uint64_t probed_bytes; /* of them, before the question under way; 0: there is none */
    uint64_t number;       /* dialects whose requests have none: the last one given */
    const char *why;       /* it was doomed */
    zf_session_t *doomed_next;
    zf_session_t *prev, *next; /* all sessions; or those that are gone */
    UT_hash_handle hh;         /* greeted ones, by uuid */
};

/* An answer to a request. */
typedef struct {
    uint64_t number;
    zf_bytes_t service;
    int code;           /* 0, or why there is no answer */
    bool more;          /* a part; others follow */
    bool fetched;       /* one that was kept: number is that of the FETCH */
    zf_record_t record; /* if code is 0 */
    zf_bytes_t reason;  /* if not: in words */
    zf_frame_t *frame;  /* if the record is all that is in a batch frame: that, to pass on
                           uncopied; or NULL */
} zf_answer_t;

/* How to speak to a kind of peer. All functions but input may be NULL. */
struct zf_dialect {
    const char *name;
    bool (*matches) (zf_frame_t **frames, size_t count); /* a first message of this kind */
    /* It is not held back (throttle.h). */
    bool (*passes) (const zf_session_t *session, zf_frame_t **frames, size_t count);
    void (*input) (zf_session_t *session, zf_frame_t **frames, size_t count);
    int (*deliver) (zf_consumer_t *consumer, zf_run_t *run); /* 0 or ZF_E_NOMEM */
    void (*confirm) (zf_session_t *session, const zf_queue_t *queue, uint64_t first, uint64_t count,
                     int code);
    void (*answer) (zf_session_t *session, const zf_answer_t *answer);
    /* The subscription is in force (code 0), or over. */
    void (*subscribed) (const zf_subscription_t *subscription, int code, const char *text);
    int (*events) (const zf_subscription_t *subscription, const zf_events_t *events); /* 0, NOMEM */
    void (*awaited) (zf_session_t *session, uint64_t number, int code, uint64_t subscribers);
    /* It may not do that, or not any more. NULL: its session ends. */
    void (*refused) (zf_session_t *session, uint32_t right, zf_bytes_t name);
    /* Asks the peer to say when it has read all that was sent so far: zf_session_has_read. */
    void (*probe) (zf_session_t *session);
    void (*tick) (zf_session_t *session);     /* its timer fired: heartbeat, or zf_session_lost */
    void (*farewell) (zf_session_t *session); /* tells it that it has no session any more */
};

/* One frame to send. */
typedef struct {
    const uint8_t *data;
    size_t size;
    zf_frame_t *shared; /* data belongs to this one: hold it to send without a copy; NULL: copy
                           data, or take it: */
    bool owned;         /* data was malloced: the shell may take it and set this to false */
    size_t offset;      /* private */
} zf_out_t;

/* A message to send. */
typedef struct {
    zf_session_t *session;
    zf_out_t *frames;
    size_t count;
} zf_effect_t;

/* Something to tell people: see zf_event_t. */
typedef struct {
    zf_event_t event;
    char text[200];
} zf_notice_t;

#define ZF_NOTICES_MAX 32

typedef struct {
    uint64_t sessions; /* now */
    uint64_t messages_in;
    uint64_t messages_out;
    uint64_t peer_errors;      /* messages that broke the protocol */
    uint64_t corrupt;          /* batches with a wrong checksum */
    uint64_t stale;            /* settlements of leases that were not held */
    uint64_t answers_dropped;  /* nobody waited any more */
    uint64_t abandoned;        /* requests dropped with their client */
    uint64_t sessions_lost;    /* by silence or disconnect */
    uint64_t sessions_refused; /* at the limit */
    uint64_t peers_slow;       /* cut off because they did not read */
    uint64_t denied;           /* commands that no rule allows */
    uint64_t limited;          /* those that a limit of clients forbids */
    uint64_t throttled;        /* messages held because their client was beyond its rate */
    uint64_t notices_dropped;
} zf_counters_t;

/* What queues have in common that may run short. */
enum { ZF_STARVED_MEMORY, ZF_STARVED_DEAD, ZF_STARVED_LOG, ZF_STARVED_KINDS };

struct zf_engine {
    zf_engine_options_t options;
    uint64_t now_ms;
    uint64_t woke_ms; /* when the shell last went on after it was held up: what peers said meanwhile
                         may still be on its way to us */
    uint64_t dead_bytes; /* of these, in queues of dead letters */
    uint64_t overhead;   /* bytes that single records cost beside: notes, waiting runs, batches
                            that a few of their records keep here */
    uint64_t bytes;      /* of records in all queues */
    zf_timers_t timers;
    zf_queue_t *queues; /* by name (uthash) */
    zf_queue_t *dirty;  /* those that may have something to hand out (utlist) */
    zf_queue_t *idle;   /* empty, undeclared, without workers: longest so first (utlist) */
    zf_queue_t
        *starved[ZF_STARVED_KINDS]; /* those with posts that wait for the same memory or disk:
                                       longest so first (utlist) */
    zf_queue_t *numbered;           /* durable queues, by number (uthash) */
    zf_kept_t *kept;                /* requests and kept answers, by id (uthash) */
    uint64_t titanics;              /* requests taken from Titanic's clients */
    zf_store_t store;
    zf_timer_t load_timer; /* what could not be read is tried again */
    uint64_t
        ids_floor; /* ids of a new queue are not below: none of a queue that was forgotten comes
                      again */
    zf_session_t *sessions;   /* all (utlist) */
    zf_session_t *greeted;    /* native ones, by uuid (uthash) */
    zf_account_t *accounts;   /* of keys (uthash) */
    zf_session_t *doomed;     /* to be ended before this turn does (doomed_next) */
    bool out_failed;          /* the effect being built is incomplete */
    uint64_t looks;           /* records that may still be looked at for readers in this turn, */
    uint64_t copies;          /* and bytes that may be copied for them */
    bool unfinished;          /* there is more to do, though nothing comes in */
    zf_session_t *leaving;    /* gone, to be freed when the effects are sent */
    zf_producers_t atomics;   /* numbers of atomic posts */
    zf_timer_t atomics_timer; /* forgetting those */
    zf_access_t *access;      /* held; NULL: everybody may do everything */
    zf_counters_t counters;
    zf_histogram_t wait;      /* from the post to the first delivery, */
    zf_histogram_t answer;    /* from the request to the final answer, */
    zf_histogram_t hold;      /* from the delivery to the ack */
    zf_writer_t scratch;      /* for building a record or properties */
    zf_writer_t keep_scratch; /* the same, for an answer to keep */
    zf_writer_t arena;        /* bytes of frames of this turn's effects */
    zf_effect_t *effects;     /* of this turn; frames is an index until it is handed out */
    size_t effect_count, effect_room, effect_next;
    zf_out_t *outs; /* frames of the effects */
    size_t out_count, out_room, outs_next;
    zf_notice_t notices[ZF_NOTICES_MAX];
    size_t notice_count;
};

void zf_engine_defaults (zf_engine_options_t *options);
zf_engine_t *zf_engine_new (const zf_engine_options_t *options);
void zf_engine_free (zf_engine_t **engine);

/* -- for the shell ----------------------------------------------------------------------------- */

/* The time. It never goes back. */
void zf_engine_clock (zf_engine_t *engine, uint64_t now_ms);

/* The same, when the shell was held up (a stopped process, a long turn): nobody is taken for silent
 * for what could not be heard meanwhile. */
void zf_engine_woke (zf_engine_t *engine, uint64_t now_ms);

/* As zf_engine_clock, and timers that are due fire. */
void zf_engine_tick (zf_engine_t *engine, uint64_t now_ms);

/* A peer that has no session yet. Returns NULL at the limit of sessions or memory. */
zf_session_t *zf_engine_attach (zf_engine_t *engine, void *host, zf_bytes_t address,
                                const zf_dialect_t *dialect);

/* Whose key its connection has: after attach, before the first input; again if the name of that key
 * has changed. Without that it is this process itself, or nobody asks: it may do everything. */
void zf_engine_identify (zf_session_t *session, const zf_subject_t *subject);

/* Puts rules into force; takes the hold over. NULL: there are none. What sessions do that they may
 * not any more ends, and they are told: to be called where input is. */
void zf_engine_access (zf_engine_t *engine, zf_access_t *access);

/* Its connection is gone. The session must not be used any more. */
void zf_engine_detach (zf_session_t *session);

/* A message, without the routing id. Frames that the engine wants to keep it holds. */
void zf_engine_input (zf_session_t *session, zf_frame_t **frames, size_t count);

void zf_engine_decide (zf_engine_t *engine);

/* The next effect of this turn; false: no more. A session may have become host NULL since: skip
 * it. */
bool zf_engine_effect (zf_engine_t *engine, zf_effect_t *effect);

/* The host of the next session that the engine has ended by itself: the shell must forget the
 * session. NULL: no more. Call it between the last effect and zf_engine_sent. */
void *zf_engine_left (zf_engine_t *engine);

/* All effects are dealt with: their memory is free again, and sessions that have ended are gone. */
void zf_engine_sent (zf_engine_t *engine);

/* Calls fn once for each figure. */
void zf_engine_stats (const zf_engine_t *engine, zf_stat_fn *fn, void *arg);

/* When to call tick at the latest; ZF_NEVER: only when something comes in. */
uint64_t zf_engine_deadline (const zf_engine_t *engine);

/* -- for the shell: the log ----------------------------------------------------------------------
 *
 * Before the first turn, if there is a log: log_open, replay for each entry, recovered. Each turn:
 * log_at; durable, loaded and log_failed as they come; and after decide: entry, which the shell
 * appends, then committed, then what is to be trimmed and read. */

typedef struct {
    int sync;               /* zf_sync_t, told to peers */
    uint64_t disk_bytes;    /* 0: no cap */
    uint64_t slack_bytes;   /* dead entries that may lie about in any case */
    uint64_t segment_bytes; /* space is given back in such pieces, and an entry lies in one; 0:
                               that does not matter */
    uint64_t now_ms;        /* the time now; after the replay it is the engine's now_ms, which
                               may be later: time does not go back */
} zf_log_options_t;

void zf_engine_log_open (zf_engine_t *engine, const zf_log_options_t *options);

/* One entry of the log. Returns 0, ZF_E_CORRUPT, ZF_E_VERSION, ZF_E_NOMEM. */
int zf_engine_replay (zf_engine_t *engine, uint64_t lsn, zf_bytes_t entry, zf_error_t *err);

/* There are no more; the next one will be at that lsn. uuid is the log's; closed: the run before
 * ended in order. */
void zf_engine_recovered (zf_engine_t *engine, const uint8_t *uuid, uint64_t next, bool closed);

/* The log as it is now. */
typedef struct {
    uint64_t next;   /* lsn that the entry of this turn will have */
    uint64_t lowest; /* of the first entry that is kept */
    uint64_t room;   /* bytes that it takes without waiting for space */
    uint64_t growth; /* bytes by which that can grow before the disk's cap */
    uint64_t window; /* bytes that may still be under way to it */
} zf_log_state_t;
void zf_engine_log_at (zf_engine_t *engine, const zf_log_state_t *state);

/* The entry of this turn: its parts, valid until committed. Returns how many; 0: there is none. */
size_t zf_engine_entry (zf_engine_t *engine, zf_part_t **parts);
void zf_engine_committed (zf_engine_t *engine);

/* To be trimmed, once: entries below lsn. */
bool zf_engine_trim (zf_engine_t *engine, uint64_t *lsn);

/* To be read: a part of an entry. */
typedef struct {
    uint64_t lsn, tag;
    uint32_t offset, size;
} zf_wanted_t;
bool zf_engine_load (zf_engine_t *engine, zf_wanted_t *wanted);

/* It was read: code 0 and a frame to keep, or why not. */
void zf_engine_loaded (zf_engine_t *engine, uint64_t tag, zf_frame_t *frame, int code);

/* Every entry below lsn is durable. */
void zf_engine_durable (zf_engine_t *engine, uint64_t lsn);

/* None ever will be again. */
void zf_engine_log_failed (zf_engine_t *engine, int code, const char *text);

/* -- inside of core ---------------------------------------------------------------------------- */

/* The queue of that name, made if need be. NULL and *code: ZF_E_INVAL, ZF_E_LIMIT, ZF_E_NOMEM. */
zf_queue_t *zf_engine_queue (zf_engine_t *engine, zf_bytes_t name, int *code);
zf_policy_t zf_engine_policy (const zf_engine_t *engine,
                              zf_bytes_t name); /* if nobody declares it */
zf_queue_t *zf_engine_make (zf_engine_t *engine, zf_bytes_t name, const zf_policy_t *policy,
                            int *code); /* a new one, not written down yet */
zf_queue_t *zf_engine_find (zf_engine_t *engine, zf_bytes_t name);

/* The stream of that name, made if need be and `make`. NULL and *code: ZF_E_INVAL (it is a queue),
 * ZF_E_NOT_FOUND, ZF_E_LIMIT, ZF_E_NOMEM. */
zf_queue_t *zf_engine_stream (zf_engine_t *engine, zf_bytes_t name, bool make, int *code);

/* Durable queues: by number; under a number that was read from the log, NULL if it can't be. */
zf_queue_t *zf_engine_numbered (zf_engine_t *engine, uint32_t number);
zf_queue_t *zf_engine_adopt_queue (zf_engine_t *engine, zf_bytes_t name, uint32_t number);
void zf_engine_forget_queue (zf_queue_t *queue);

/* Gives the queue a number if it has become durable, or takes it away. */
int zf_engine_number_queue (zf_queue_t *queue, bool durable);
void zf_engine_unnumber_queue (zf_queue_t *queue);

/* Ids that no record can have had before now, whatever was lost. */
uint64_t zf_engine_new_ids (const zf_engine_t *engine);

/* Who the broker is to links: its log, or, without one, this run. */
const uint8_t *zf_engine_source (const zf_engine_t *engine);

/* What could not be read is tried again. */
void zf_engine_load_again (zf_engine_t *engine);

/* Forgets those that were silent for long, and sets the timer for the next ones. */
void zf_engine_forget_atomics (zf_engine_t *engine);

/* What is remembered of a producer's atomic posts; NULL: out of memory. */
zf_producer_t *zf_engine_atomics (zf_engine_t *engine, const uint8_t *uuid);

/* It may have something to hand out: looked at in decide. */
void zf_engine_touch (zf_queue_t *queue);

/* Ends a session, before this turn does: it is silent, left, or can't be gone on with. Its peer is
 * told. `why` is a constant. */
void zf_session_end (zf_session_t *session, const char *why);

/* Since when the session counts as silent. */
uint64_t zf_session_heard (const zf_session_t *session);

/* Takes away all that a session holds, and the session when the effects are sent. */
void zf_session_release (zf_session_t *session);

/* Moves what `old` waits for to a new session of the same peer, and ends `old`. */
void zf_session_succeed (zf_session_t *old, zf_session_t *session);

/* -- allow.c: what a session may do ------------------------------------------------------------ */

/* True if the rules let it; one of these rights is enough. If not that is counted and told. */
bool zf_session_may (zf_session_t *session, uint32_t rights, zf_bytes_t name);

/* The same for putting records there: to post, or, if it is a stream or would become one, to
 * publish. makes_stream: by the command's own wish. */
bool zf_session_may_put (zf_session_t *session, zf_bytes_t name, bool makes_stream);

/* The right that takes. */
uint32_t zf_engine_right_to_put (zf_engine_t *engine, zf_bytes_t name, bool makes_stream);

/* The same for outcomes of requests: who may post anything may fetch, if it knows the id. */
bool zf_session_may_fetch (zf_session_t *session);

/* As zf_engine_queue, zf_engine_stream and zf_engine_group: for a command of the session, which has
 * made the queue if it is new. ZF_E_LIMIT, too, if those are too many. */
zf_queue_t *zf_session_queue (zf_session_t *session, zf_bytes_t name, int *code);
zf_queue_t *zf_session_stream (zf_session_t *session, zf_bytes_t name, bool make, int *code);
zf_queue_t *zf_session_group (zf_session_t *session, zf_bytes_t name, zf_group_wish_t *wish,
                              int *code);

/* True if the session may use that name, though it may be new: to be asked before it is made in
 * another way; and it was. */
bool zf_session_may_make (zf_session_t *session, zf_bytes_t name);
void zf_session_made (zf_session_t *session, zf_queue_t *queue);

/* A code in words; which limit it is, too. */
const char *zf_session_words (const zf_session_t *session, int code);

/* -- engine.c, further ------------------------------------------------------------------------- */

/* Requests: queues records that are answered through the session, or answers at once why not. */
enum { ZF_ASK_FAIL_FAST = 1 };
void zf_session_ask (zf_session_t *session, zf_queue_t *queue, zf_intake_t *in, uint32_t flags);

/* Answers requests of which none was taken, but those that it waits for already. */
void zf_session_deny_all (zf_session_t *session, zf_bytes_t name, const zf_intake_t *in, int code,
                          const char *reason);

/* Answers a request that was not taken. */
void zf_session_deny (zf_session_t *session, const zf_queue_t *queue, uint64_t number, int code,
                      const char *reason);

/* A worker answers record id with this; finishes the record unless more. Returns false if it does
 * not hold it. */
bool zf_session_answer (zf_consumer_t *consumer, uint64_t id, zf_answer_t *answer);

/* Builds an effect: begin, any number of frames, end. If memory runs out the effect is dropped, its
 * session lost, and end answers ZF_E_NOMEM. */
void zf_out_begin (zf_session_t *session);
void zf_out_copy (zf_session_t *session, zf_bytes_t bytes);
void zf_out_share (zf_session_t *session, zf_frame_t *frame);         /* held until sent */
void zf_out_give (zf_session_t *session, uint8_t *data, size_t size); /* malloced; NULL fails */
zf_writer_t *zf_out_write (zf_session_t *session); /* write a frame's bytes here, then
                                                      zf_out_written */
void zf_out_written (zf_session_t *session);
int zf_out_end (zf_session_t *session);

/* Forgets the effects of this turn. */
void zf_effects_clear (zf_engine_t *engine);

/* The peer has read what was sent before it was asked. */
void zf_session_has_read (zf_session_t *session);

/* Tells people. */
void zf_notice (zf_engine_t *engine, zf_event_t event, const char *format, ...) ZF_PRINTF (3, 4);

/* A peer broke the protocol: counted and told. */
void zf_session_wrong (zf_session_t *session, const char *format, ...) ZF_PRINTF (2, 3);

#endif
