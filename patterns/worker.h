/* The inside of a worker: worker.c receives and settles, delivery.c keeps what was delivered. */
#ifndef ZF_PATTERNS_WORKER_H
#define ZF_PATTERNS_WORKER_H

#include "patterns/credit.h"
#include "patterns/direct.h"
#include "patterns/handle.h"
#include "patterns/parcel.h"
#include <zferry/worker.h>

typedef struct zf_delivery zf_delivery_t;
typedef struct zf_member zf_member_t;

#define ZF_ACKS_MAX 256 /* ranges gathered before they are sent */

/* A batch that a broker delivered: some of its records not received by a caller yet, some not
 * settled. */
struct zf_delivery {
    zf_owner_t owner; /* first: messages belong to it */
    zf_worker_t *worker;
    size_t connection; /* where it came from */
    uint64_t epoch;    /* that connection's session then: in a later one it is void */
    zf_parcel_t *parcel;
    uint64_t first; /* record id */
    uint32_t attempt;
    uint32_t flags;
    uint64_t lease_ms;
    uint64_t received_ms;
    uint64_t lease_until_ms; /* as far as we know: somebody else has them then */
    uint64_t extended_ms;    /* when the lease was last begun */
    uint32_t count;
    uint32_t taken; /* received by callers */
    uint32_t settled;
    zf_delivery_t *prev, *next;         /* those with records to be received: first come first */
    zf_delivery_t *all_prev, *all_next; /* all */
};

/* Acks of one connection on their way. */
typedef struct {
    uint64_t first[ZF_ACKS_MAX];
    uint64_t count[ZF_ACKS_MAX];
    uint32_t ranges;
    uint64_t records;
    uint32_t limit_told;           /* the credit that the broker knows */
    uint64_t denied_ms;            /* when it was seen that we may not consume there; 0: we may */
    bool may_consume;              /* in this session: the queue is there */
    bool was_member;               /* of the group, in an earlier session maybe: */
    uint8_t source[ZF_UUID_BYTES]; /* whose group that was */
} zf_acks_t;

/* What a worker that is a member of a stream's group says before it consumes. */
struct zf_member {
    char *stream;
    zf_writer_t group;  /* the group's options, encoded, */
    zf_writer_t anew;   /* and from the first record on: for where it was lost */
    zf_error_t refusal; /* why the group can't be had; code 0: it can, as far as known */
};

struct zf_worker {
    zf_handle_t handle; /* first */
    char *queue;
    size_t queue_size;
    uint32_t fixed_credit; /* 0: measured */
    uint32_t max_hold_ms;
    zf_credit_t credit;
    bool draining;
    uint32_t callers_waiting;
    zf_acks_t *acks;      /* one for each connection */
    zf_delivery_t *ready; /* with records to be received (utlist) */
    zf_delivery_t *all;   /* (utlist) */
    bool refusal_told;    /* a caller knows that there is nowhere to take records from */
    zf_member_t *member;  /* NULL: the queue is not a group of a stream */
    zf_direct_t direct;   /* the broker inside; its device is NULL: none */
    zf_worker_stats_t stats;
};

/* worker.c: as zf_worker_open, but takes the member over, also on failure. */
int zf_worker_open_as (zf_worker_t **worker, const char *queue, zf_member_t *member,
                       const zf_worker_options_t *options, zf_error_t *err);

/* Says why it has nowhere to take records from: by all brokers that have answered. Returns the
 * code; 0: it has, as far as known. */
int zf_worker_refusal (const zf_worker_t *worker, zf_error_t *err);

/* Begins to take records, from this broker. */
void zf_worker_consume (zf_worker_t *worker, zf_connection_t *connection);

/* member.c: opens a worker that is a member of a group, which is made if need be, and the stream
 * too. Connects in the background. Returns as zf_worker_open. */
int zf_member_open (zf_worker_t **worker, const char *stream, const char *group,
                    const zf_group_options_t *group_options, const zf_worker_options_t *options,
                    zf_error_t *err);
void zf_member_free (zf_member_t **member);

/* A session began: asks for the group. */
void zf_member_ask (zf_worker_t *worker, zf_connection_t *connection);
void zf_member_on_result (zf_worker_t *worker, zf_connection_t *connection, zf_reader_t *r);

/* True if it takes from the group, at one broker at least. */
bool zf_member_is_in (const zf_worker_t *worker);

/* Takes a DELIVER in. */
void zf_delivery_take (zf_worker_t *worker, zf_connection_t *connection, zf_reader_t *r,
                       zmq_msg_t *body);

/* The next record for a caller; false: there is none. */
bool zf_delivery_next (zf_worker_t *worker, zf_message_t *message);

/* The message is settled: returns the connection to say so to, or NULL if the lease was lost. The
 * delivery may be gone then. */
zf_connection_t *zf_delivery_settle (zf_worker_t *worker, const zf_message_t *message);

/* The connection on which a message that is not settled yet is held; NULL if the lease was lost. */
zf_connection_t *zf_delivery_holder (zf_worker_t *worker, const zf_message_t *message);

/* The lease of this one was made to end so far from now. */
void zf_delivery_extended (const zf_message_t *message, uint32_t lease_ms);

/* The session is over: records that nobody received are void, those received will be stale. */
void zf_delivery_forget (zf_worker_t *worker, const zf_connection_t *connection);

/* Gives back what no caller has received. */
void zf_delivery_release (zf_worker_t *worker);

/* Extends leases that are a third over. Returns when to look again. */
uint64_t zf_delivery_extend (zf_worker_t *worker, uint64_t now_ms);

void zf_delivery_free_all (zf_worker_t *worker);

#endif
