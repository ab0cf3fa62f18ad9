/* The inside of a subscriber. With a group it is a worker that is a member of it (member.c). Alone
 * it is a handle of its own:
 *
 *   subscriber.c          what applications call, for both
 *   subscriber_reading.c  the subscription: asks for it, notices what was lost on the way, asks
 *                         again from where it was
 *   subscriber_arrivals.c   what came in, until it was received and given back
 *
 * Each time that something was lost the subscription is asked for under the next number: what the
 * older one has still under way is told from that, and dropped.
 *
 * Threads: all with the handle's lock held, but for zf_arrivals_give_back. */
#ifndef ZF_PATTERNS_SUBSCRIBER_H
#define ZF_PATTERNS_SUBSCRIBER_H

#include "patterns/handle.h"
#include "patterns/parcel.h"
#include "patterns/worker.h"
#include <zferry/subscriber.h>

typedef struct zf_arrival zf_arrival_t;
typedef struct zf_sub_reading zf_sub_reading_t;

/* What an EVENTS says about its records. */
typedef struct {
    uint64_t number;    /* the subscription */
    uint64_t from;      /* where that was, */
    uint64_t to;        /* and is behind these records */
    uint64_t missed;    /* records that went from the stream before they could be sent */
    uint64_t time_ms;   /* when they came to the stream */
    uint64_t first;     /* id of the first one */
    uint64_t *spans;    /* ids: count, skip, count, skip ...; NULL: they follow on */
    uint32_t span_size; /* numbers in that */
} zf_events_head_t;

/* The records of one EVENTS; or a gap between those before and those behind it. */
struct zf_arrival {
    zf_owner_t owner; /* first: messages belong to it */
    zf_sub_reading_t *reading;
    zf_events_head_t head;
    zf_parcel_t *parcel; /* the records; NULL: there are none, or all were given back */
    uint64_t id;         /* of the next one to be received */
    uint32_t span;       /* where that is in spans, */
    uint64_t span_left;  /* and how many with it follow on */
    size_t bytes;        /* of the batch */
    bool is_gap;
    zf_gap_t gap;
    bool is_done;                      /* nothing of it is needed any more */
    atomic_uint left;                  /* records that were not given back */
    zf_arrival_t *prev, *next;         /* those with something to be received (utlist) */
    zf_arrival_t *all_prev, *all_next; /* all, as they came */
};

typedef enum {
    ZF_READING_NONE,   /* there is no session */
    ZF_READING_WANTED, /* to be asked for, once there is room for what it brings */
    ZF_READING_ASKED,  /* asked for */
    ZF_READING_ON,     /* in force */
    ZF_READING_REFUSED /* and not asked for again in this session */
} zf_reading_state_t;

/* The subscription at one broker or publisher. It outlives its connection: who comes back goes on
 * where he was. */
struct zf_sub_reading {
    zf_subscriber_t *subscriber;
    zf_connection_t *connection; /* NULL: none, for now */
    uint64_t made_ms;
    zf_start_t start; /* where it begins, the first time */
    zf_reading_state_t state;
    uint64_t number;               /* of the one asked for last */
    uint64_t asked_ms;             /* when that was; 0: not in this session */
    uint64_t asked_from;           /* the offset asked for, if it was one */
    bool is_on;                    /* in force, also while it is asked for anew in one session */
    bool is_placed;                /* position means something */
    bool is_moved;                 /* asked of another source than position belongs to */
    uint64_t position;             /* behind all that came in */
    uint8_t source[ZF_UUID_BYTES]; /* whose position that is */
    uint64_t damaged_at;           /* position behind which damaged batches came, */
    uint32_t damaged;              /* and how many */
    uint64_t quiet_since_ms;       /* nothing came, or was asked, since then */
    uint64_t quiet_for_ms;         /* how long that may last */
    zf_error_t refusal;
    uint64_t refused_ms;   /* when it came */
    bool refusal_told;     /* a caller has got it */
    zf_arrival_t *all;     /* what came in, until it was given back (utlist) */
    uint64_t held_bytes;   /* of batches that were not given back */
    uint64_t read_to;      /* all below was given back */
    uint64_t unsaid_bytes; /* of that, since it was last told */
    uint32_t unsaid;       /* EVENTS of that */
    uint64_t say_due_ms;   /* when it is told at the latest, if anything is unsaid */
    zf_sub_reading_t *prev, *next;
};

struct zf_subscriber {
    zf_handle_t own;     /* first: a handle is cast to its subscriber. Unused with a group */
    zf_handle_t *handle; /* own, or the worker's */
    zf_worker_t *worker; /* with a group; else NULL */
    uint32_t timeout_ms;
    zf_gap_fn *on_gap;
    void *arg;
    uint32_t inside; /* callers that wait here */
    bool closing;    /* they are to leave */
    /* alone, what is subscribed to: */
    char *stream;
    zf_writer_t patterns; /* encoded */
    zf_start_t start;
    uint64_t window_bytes; /* of each reading */
    uint64_t opened_ms;
    uint64_t opened_wall_ms;
    zf_sub_reading_t **slots;   /* one for each connection; NULL: none yet */
    zf_sub_reading_t *readings; /* those, and of connections that are gone (utlist) */
    size_t left_count;          /* the latter */
    zf_arrival_t *ready;        /* with something to be received (utlist) */
    bool is_telling;            /* somebody is in on_gap */
    bool denial_told;           /* a caller knows that nobody lets us in */
    uint64_t received, received_to, gaps, missed, refills;
};

/* -- subscriber_reading.c ---------------------------------------------------------------------- */

/* Opens the handle of one that reads alone; options were checked. */
int zf_reading_open (zf_subscriber_t *subscriber, const zf_subscriber_options_t *options,
                     zf_error_t *err);

void zf_readings_free (zf_subscriber_t *subscriber);

/* Asks for the subscription, if that is wanted and there is room. */
void zf_reading_ask (zf_sub_reading_t *reading);

/* Tells how far everything was given back. */
void zf_reading_say (zf_sub_reading_t *reading);

/* True if it is in force: at one of those that are there, at least. */
bool zf_readings_are_on (const zf_subscriber_t *subscriber);

/* True if all that are there have answered, and one at least is in force. */
bool zf_readings_are_decided (const zf_subscriber_t *subscriber);

/* One that was refused, if nobody else has it or may yet say yes; or NULL. */
zf_sub_reading_t *zf_readings_refused (const zf_subscriber_t *subscriber);

/* -- subscriber_arrivals.c --------------------------------------------------------------------- */

/* Takes the records of an EVENTS, without those below `have`; body NULL: only the position has
 * changed. Takes head->spans over, also on failure. Returns 0, ZF_E_NOMEM, or what is wrong with
 * the batch. */
int zf_arrivals_take (zf_sub_reading_t *reading, const zf_events_head_t *head, uint64_t have,
                      zmq_msg_t *body);
void zf_arrivals_gap (zf_sub_reading_t *reading, const zf_gap_t *gap);

/* The next record for a caller; false: there is none, or a gap comes first. */
bool zf_arrivals_next (zf_subscriber_t *subscriber, zf_message_t *message);

/* Tells the gap that comes next, without the lock meanwhile; false: none does. */
bool zf_arrivals_tell (zf_subscriber_t *subscriber);

/* A record of it was given back. Without the lock. */
void zf_arrivals_give_back (zf_arrival_t *arrival);
void zf_arrivals_free (zf_sub_reading_t *reading);

#endif
