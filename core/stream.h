/* Streams: queues whose records stay. Who reads them:
 *
 *   groups         follow.c: a queue (STREAM@GROUP) that takes its records from the stream, as
 *                  views of the same bytes, when its workers want some. Leases, attempts, keys and
 *                  dead letters are those of any queue
 *   subscriptions  subscribe.c: a session that is sent what matches, from where it wants on, no
 *                  more than its window ahead of what it has read
 *
 * A stream's records leave it from the oldest on, by number, bytes and age, in chunks, or one by
 * one when it is compacted. Nobody who reads can hold them: what goes before it was read is counted
 * and told. Offsets are record ids. They grow, but need not follow on (a start after a crash leaves
 * a hole).
 *
 * Limits: ZF_FOLLOW_WINDOW records and ZF_FOLLOW_BYTES that a group has begun with and not
 * finished; keys of a compacted stream cost some 100 bytes each. */
#ifndef ZF_CORE_STREAM_H
#define ZF_CORE_STREAM_H

#include "core/queue.h"
#include "core/topic.h"

typedef struct zf_subscription zf_subscription_t;
typedef struct zf_await zf_await_t;
typedef struct zf_latest zf_latest_t;

#define ZF_WINDOW_LEAST        65536u
#define ZF_WINDOW_MOST         (64u << 20)
#define ZF_UNREAD_MOST         1024       /* events under way to one subscription */
#define ZF_SUBSCRIPTIONS_MAX   1024       /* of one session */
#define ZF_PATTERN_BYTES_MAX   (1u << 20) /* all patterns of one session */
#define ZF_AWAITS_MAX          64         /* of one session */
#define ZF_FOLLOW_WINDOW       65536u
#define ZF_FOLLOW_BYTES        (16u << 20) /* the same in bytes, or */
#define ZF_FOLLOW_SHARE        16          /* one of so many of the memory, but for one batch */
#define ZF_GROUP_PATTERN_BYTES 4096
#define ZF_AWAITS_STREAM       256 /* of one stream */
#define ZF_MISSED_UNKNOWN      UINT64_MAX
#define ZF_GROUP_MARK          '@'
#define ZF_HOLES_MAX           64 /* more crashes than that: what went before is counted too low */
#define ZF_STREAM_CHUNK_MS     10000 /* a chunk gathers records for so long, */
#define ZF_STREAM_CHUNK_FEW    16    /* and while it has fewer than that */
#define ZF_STREAM_FEW_MS       60000 /* for so long */

/* Ids from .. to - 1. */
typedef struct {
    uint64_t from, to;
} zf_hole_t;

struct zf_stream {
    zf_follow_t *groups;              /* (utlist) */
    zf_subscription_t *subscriptions; /* (utlist) */
    zf_await_t *awaits;               /* who waits for subscribers (utlist) */
    uint64_t group_count, subscription_count, await_count;
    bool awaits_due; /* its readers have changed */
    uint64_t born;   /* where it began when it was made in this run: below are ids of another one */
    uint64_t floor;  /* what had an id below and is not here, went as a whole */
    zf_hole_t
        holes[ZF_HOLES_MAX]; /* ids that were never given, for a crash left them out; ascending */
    size_t hole_count;
    zf_frame_t *shared; /* the batch that was made last of records at the end, for the next
                           one who wants the same */
    uint64_t shared_first, shared_end;
    zf_latest_t *latest; /* the last record of each key, if it is compacted (uthash) */
};

RB_HEAD (zf_knowns, zf_known);

/* A group's side. */
struct zf_follow {
    zf_queue_t *queue;        /* the group */
    zf_queue_t *source;       /* the stream; NULL: it is not there (it was lost) */
    zf_filter_t *filter;      /* NULL: everything */
    uint64_t missed;          /* records that went before they were taken */
    uint64_t lsn;             /* where what it has in flight was last written down as a whole */
    uint64_t told;            /* how far it is, as the log was told last */
    struct zf_knowns known;   /* what a log told of records that were not taken again yet */
    zf_follow_t *prev, *next; /* of the stream */
};

/* -- stream.c ---------------------------------------------------------------------------------- */

/* Makes the new queue a stream, or ends that. */
int zf_stream_init (zf_queue_t *queue);
void zf_stream_free (zf_queue_t *queue);

/* Nobody reads it, or waits to. */
bool zf_stream_is_unused (const zf_queue_t *queue);

/* How large a stream's chunks are goes by what it keeps. */
void zf_stream_fit (zf_queue_t *queue);

/* Records from index `at` of the chunk on were put: the older ones of their keys go. */
void zf_stream_compact (zf_queue_t *queue, zf_chunk_t *chunk, uint32_t at);

/* Drops what is beyond what the policy keeps, and sets the timer for what will be. */
void zf_stream_retain (zf_queue_t *queue);

/* Drops the oldest chunk. Returns how many records that were, 0: there is none. */
uint64_t zf_stream_drop_oldest (zf_queue_t *queue);

/* The stream that has most in memory, of those that are not durable; NULL: none has anything. */
zf_queue_t *zf_stream_largest (const zf_engine_t *engine);

/* Drops what is below that id, as far as whole chunks go (all of it if that is everything). Returns
 * how many records. */
uint64_t zf_stream_trim (zf_queue_t *queue, uint64_t below);

/* Says the log: records with those ids were settled one by one; all below that id went. */
void zf_stream_settle (zf_queue_t *queue, uint64_t first, uint64_t count);
void zf_stream_drop_below (zf_queue_t *queue, uint64_t floor);

/* Ids from .. to - 1 are left out. */
void zf_stream_add_hole (zf_stream_t *stream, uint64_t from, uint64_t to);

/* How many of the ids in [from, to[ belonged to records that went as a whole. */
uint64_t zf_stream_missed (const zf_queue_t *queue, uint64_t from, uint64_t to);

/* Ids below are on disk, if they have to be: readers get no others. */
uint64_t zf_stream_end (const zf_queue_t *queue);

/* The first record from *id on that readers may have: its id and place. False: there is none. */
bool zf_stream_find (const zf_queue_t *queue, uint64_t *id, zf_place_t *place);

/* The first id that is there, or will be. */
uint64_t zf_stream_first (const zf_queue_t *queue);

/* Where reading from there begins: an id. Not for ZF_FROM_LAST with a filter. */
uint64_t zf_stream_seek (const zf_queue_t *queue, zf_start_t start);

/* Puts all records of a batch that no producer numbered, if there is room, and counts them as
 * refused if there is none. local: for not_local. Returns how many it took. */
uint32_t zf_stream_put (zf_queue_t *stream, zf_frame_t *batch, bool local);

/* -- follow.c ---------------------------------------------------------------------------------- */

/* What is to be known to make a group. */
typedef struct {
    zf_start_t start;
    zf_filter_t *filter;       /* taken over, also on failure; NULL: everything */
    const zf_policy_t *policy; /* NULL: the stream's */
} zf_group_wish_t;

/* Makes the group of that name (STREAM@GROUP) if it is not there. Returns it, or NULL and *code. */
zf_queue_t *zf_engine_group (zf_engine_t *engine, zf_bytes_t name, zf_group_wish_t *wish,
                             int *code);

/* The stream is new: queues with names of groups of it that somebody consumes from already, and
 * that nobody has declared or posted to, become that. */
void zf_stream_found_groups (zf_queue_t *stream);

/* The stream that a name of that kind is of; NULL: it is of none that is there. */
zf_queue_t *zf_group_source (zf_engine_t *engine, zf_bytes_t name);

/* What of a group's policy is not for people to choose. */
void zf_follow_policy (const zf_queue_t *queue, zf_policy_t *policy);

int zf_follow_init (zf_queue_t *queue);
void zf_follow_free (zf_queue_t *queue);

/* Finds its stream, after a replay or when that was made. */
void zf_follow_attach (zf_queue_t *queue);

/* Takes the next records from the stream. Returns false if there are none now. */
bool zf_follow_pull (zf_queue_t *queue);

/* All records with lower ids are finished. */
uint64_t zf_follow_floor (const zf_queue_t *queue);

/* A chunk of the group's is finished: how far it is goes to the log. */
void zf_follow_advance (zf_queue_t *queue);

/* What the log says of records of the stream: done up to there; these are done (attempts 0); these
 * were tried. Returns 0 or ZF_E_NOMEM. */
void zf_follow_done_to (zf_queue_t *queue, uint64_t floor);
int zf_follow_know (zf_queue_t *queue, uint64_t first, uint64_t count, bool done, uint32_t attempts,
                    uint64_t due_ms);

/* The same of one record that the group has not taken again: true if the log told something. */
bool zf_follow_told (const zf_queue_t *queue, uint64_t id, bool *done, uint32_t *attempts,
                     uint64_t *due_ms);

/* Writes down what is not finished or not begun in order, beside what zf_store_queue says. */
void zf_follow_write (zf_queue_t *queue);

/* To the end of the stream: what lies before is passed over. Returns how many records. */
uint64_t zf_follow_skip (zf_queue_t *queue);

/* Records that went before it had begun with them, those to come included. */
uint64_t zf_follow_missed (const zf_queue_t *queue);

/* Records of the stream that the group has not finished. */
uint64_t zf_follow_lag (const zf_queue_t *queue);

/* -- subscribe.c ------------------------------------------------------------------------------- */

/* Records of a stream on their way to a subscriber. */
typedef struct {
    uint64_t from, to;     /* where the subscription was, and is behind them */
    uint64_t missed;       /* records that had gone before it came to them */
    uint64_t time_ms;      /* when the newest of their chunk came */
    uint64_t first;        /* id of the first one */
    uint32_t count;        /* 0: there are none, only the position has changed */
    const uint32_t *spans; /* records lie apart: count, skip, count, ...; NULL: they follow on */
    size_t span_count;
    zf_frame_t *frame; /* a batch with just them; its own first number means nothing */
} zf_events_t;

/* What a subscription wants. */
typedef struct {
    uint64_t number; /* the session's name for it */
    zf_start_t start;
    zf_filter_t *filter;  /* taken over, also on failure; NULL: everything */
    uint64_t window;      /* bytes sent and not read */
    size_t pattern_bytes; /* that the filter was made of */
    bool not_local;       /* without what zf_stream_put was given as local in this run */
} zf_wish_t;

struct zf_subscription {
    zf_queue_t *stream;
    zf_session_t *session;
    uint64_t number;
    zf_filter_t *filter;
    uint64_t window;
    size_t pattern_bytes;
    bool not_local;
    bool is_told;          /* that it is in force */
    uint64_t seek_left;    /* FROM_LAST with a filter: so many are still to be found, going back */
    uint64_t missed;       /* not told yet */
    uint64_t position;     /* the id it looks at next */
    uint64_t sent;         /* where the events sent last ended */
    bool is_cut;           /* it had to stop before it was through, for the others' sake */
    uint64_t unread_bytes; /* of batches under way */
    struct zf_unread *unread; /* a ring of them: where they end, and their bytes */
    uint32_t unread_first, unread_count, unread_room;
    zf_subscription_t *prev, *next;                 /* of the stream */
    zf_subscription_t *session_prev, *session_next; /* of the session */
};

/* Subscribes the session; one of the same number is replaced. It hears of it through its dialect:
 * subscribed, then events. Returns 0 or ZF_E_NOMEM, ZF_E_LIMIT. */
int zf_subscribe (zf_session_t *session, zf_queue_t *stream, const zf_wish_t *wish);
zf_subscription_t *zf_subscription_find (zf_session_t *session, uint64_t number);

/* It has read all up to there. */
void zf_subscription_read (zf_subscription_t *subscription, uint64_t to);
void zf_subscription_end (zf_subscription_t *subscription);

/* Tells it where it is, though nothing may have changed: it asks whether something was lost. */
void zf_subscription_locate (zf_subscription_t *subscription);
void zf_subscriptions_drop_session (zf_session_t *session);

/* The rules have changed: what the session may not read any more ends, and it is told. */
void zf_subscriptions_review (zf_session_t *session);

/* Sends to those who have room what there is for them, and wakes the groups. */
void zf_stream_dispatch (zf_queue_t *stream);

/* Who reads what has this topic. */
uint64_t zf_stream_readers (const zf_queue_t *stream, zf_bytes_t topic);

/* Tells the session when there are so many. Returns 0 or ZF_E_NOMEM, ZF_E_LIMIT. */
int zf_await (zf_session_t *session, zf_queue_t *stream, uint64_t number, zf_bytes_t topic,
              uint64_t count);

/* The readers of a stream have changed: who waits for them is told. */
void zf_awaits_look (zf_queue_t *stream);

/* A stream goes: its subscriptions are told and end. */
void zf_subscriptions_drop_stream (zf_queue_t *stream);

#endif
