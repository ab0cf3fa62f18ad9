/* The book: what each record has been through, as seen at the engine's door.
 *
 * It watches every message that the engine gets and every effect that it has, works out what that
 * must mean by the protocol and the policy, and fails the run where the engine does otherwise. It
 * is an independent account: it uses the engine's structures only to compare (book_walk).
 *
 * A record is known by its serial, which its body carries. A request that is sent again is a new
 * record of the same number. */
#ifndef SIM_BOOK_H
#define SIM_BOOK_H

#include "tests/sim/net.h"

#define BODY_MAGIC   UINT64_C (0x5afe)
#define ANSWER_MAGIC UINT64_C (0xa25e)
#define BODY_MIN     8

typedef enum {
    REC_NEW,       /* made; the engine may have it or not */
    REC_LIVE,      /* in its queue, confirmed or about to be */
    REC_DONE,      /* acknowledged */
    REC_DEAD,      /* in the dead-letter queue */
    REC_BURIED,    /* acknowledged or dropped there */
    REC_DROPPED,   /* gone for a reason that the policy names */
    REC_REFUSED,   /* not taken, and its producer was told so */
    REC_DUPLICATE, /* confirmed, but its id was there before */
    REC_IGNORED    /* a request sent again while it was under way */
} rec_state_t;

struct record {
    uint32_t serial;
    queue_t *queue;    /* where it is posted to */
    identity_t *owner; /* whose it is */
    uint32_t number;   /* the owner's number for it; 0: part of an atomic post */
    uint32_t size;     /* of its body */
    uint32_t wire;     /* bytes in a batch: set by book_sealed */
    uint32_t key;      /* 0: none */
    uint32_t topic;    /* 0: none */
    uint32_t id_prop;  /* dedup id; 0: none */
    uint32_t priority;
    uint64_t delay_ms;
    uint64_t ttl_ms; /* its own, or of the request */
    bool asked;      /* a request */
    bool heard;      /* its owner knows the outcome */
    rec_state_t state;
    int code;            /* REFUSED: why */
    uint64_t since_ms;   /* LIVE: when it was taken */
    uint64_t not_before; /* not to be delivered earlier */
    uint32_t attempts;   /* deliveries that count */
    uint32_t deliveries; /* all of them */
    uint32_t died_after; /* DEAD: attempts that it had had */
    const char *doom;    /* it must be dead now, for this reason; NULL: no */
    char reason[32];     /* doom of a rejected one */
    uint64_t id;         /* in its queue; 0 .. : only if placed */
    bool placed;         /* its id is known */
    bool again;          /* it came back from the dead letters */
    bool abandoned;      /* nobody waits for its answer any more */
    holder_t *holder;    /* who has it; NULL: nobody */
    uint64_t lease_due;  /* end of the lease */
    queue_t *leased_in;  /* queue it was handed out of: its own, or the dead letters' */
    size_t lease_at;     /* place in sim->leased */
    size_t live_at;      /* place in queue->live */
    uint32_t seen;       /* epoch of the last walk that met it */
};

/* An atomic post. */
typedef struct {
    uint32_t first, count; /* serials */
    bool known;            /* the engine has decided */
    bool heard;            /* and its producer knows */
    int code;
} atomic_t;

/* A request, however often it was sent. */
typedef struct {
    queue_t *queue;
    uint64_t ttl_ms;
    uint32_t flags;
    bool pending;    /* the engine owes an answer */
    bool late;       /* its answer may still be among the effects of this turn */
    uint32_t serial; /* the record that it is for */
    uint32_t denied; /* refusals that the engine must still send */
    uint32_t sent;   /* times that the asker sent it */
    uint32_t ended;  /* final answers that it has got */
} request_t;

/* Who somebody is between two crashes. */
struct identity {
    identity_t *next;
    uint8_t uuid[ZF_UUID_BYTES];
    peer_t *peer;
    uint32_t number;
    vec_t posts[QUEUES_MAX];  /* serials by number - 1 */
    size_t heard[QUEUES_MAX]; /* posts whose outcome it knows, from the first on */
    uint32_t last_number[QUEUES_MAX][ZF_PRIORITIES_MAX]; /* highest first delivered */
    atomic_t *atomics;                                   /* by number - 1 */
    size_t atomic_count, atomic_room, atomics_heard;
    request_t *requests; /* by number - 1 */
    size_t request_count, request_room;
};

/* A session of the engine. */
struct holder {
    zf_session_t *session;
    conn_t *conn;
    identity_t *identity;       /* NULL until it has greeted */
    int64_t credit[QUEUES_MAX]; /* -1: does not consume there */
    uint32_t held[QUEUES_MAX];  /* records it has */
};

/* -- book.c: making and finding ---------------------------------------------------------------- */

identity_t *book_identity (peer_t *peer);
record_t *book_record (identity_t *owner, queue_t *queue);
request_t *book_request (identity_t *owner, queue_t *queue);
atomic_t *book_atomic (identity_t *owner, uint32_t first, uint32_t count);

/* Encodes records as a batch: into *w, emptied first. */
void book_batch (sim_t *sim, const uint32_t *serials, size_t n, uint64_t first, zf_writer_t *w);

/* All that its owner says about the record is said. */
void book_sealed (record_t *record);

/* The body of an answer to a record, and the record that one answers (checked); NULL: none of
 * ours. */
void book_put_answer (zf_writer_t *w, const record_t *record, uint32_t size);
record_t *book_answered (sim_t *sim, zf_bytes_t body);

/* The record whose body this is, checked byte for byte; NULL: none of ours. */
record_t *book_find (sim_t *sim, zf_bytes_t body);

queue_t *book_queue (sim_t *sim, zf_bytes_t name);
identity_t *book_who (sim_t *sim, const uint8_t *uuid);
holder_t *book_holder (sim_t *sim, const zf_session_t *session);
void book_free (sim_t *sim);

/* -- book_state.c: what becomes of a record ---------------------------------------------------- */

/* It is in its queue now. */
void book_taken (sim_t *sim, record_t *record);

/* It is finished: state says how. */
void book_finished (sim_t *sim, record_t *record, rec_state_t state);

/* Handed to a holder. */
void book_leased (sim_t *sim, record_t *record, holder_t *holder, queue_t *queue,
                  uint64_t lease_ms);

/* Nobody has it any more. */
void book_unleased (sim_t *sim, record_t *record);

/* It comes back; counted: that was an attempt. */
void book_returned (sim_t *sim, record_t *record, bool counted);

/* The holder has lost all that it had. */
void book_lost (sim_t *sim, holder_t *holder);

/* Its time to live, 0: for ever; whether that may be over; and when it must be: a queue's own may
 * be late by a sixteenth, as chunks are not looked into. */
uint64_t book_ttl (const record_t *record);
uint64_t book_latest (const record_t *record);
bool book_over (const sim_t *sim, const record_t *record);

/* -- book_in.c: what the engine gets ----------------------------------------------------------- */

/* Timers have fired: leases end. */
void book_tick (sim_t *sim);

/* A message, before and after the engine had it. */
typedef struct {
    holder_t *holder;
    zf_bytes_t control, body;
    bool counts;      /* the engine listens to that session */
    bool inherits;    /* it is a HELLO that takes another session over */
    uint64_t pending; /* REQUEST: bit i: the i-th was under way before */
    uint64_t posted;  /* REQUEST: total of its queue before */
} book_input_t;
void book_before (book_input_t *input);
void book_after (const book_input_t *input);

/* Sessions that have ended lose what they had. Before the effects of the same moment are told. */
void book_gone (sim_t *sim);

/* -- book_out.c: what the engine does ---------------------------------------------------------- */

/* One effect. */
void book_effect (sim_t *sim, zf_session_t *session, zf_bytes_t control, zf_bytes_t body);

/* -- book_walk.c: book and engine side by side ------------------------------------------------- */

/* Compares them, when all effects have been told, and finds out what has become of records that
 * the engine has no more. */
void book_walk (sim_t *sim);

/* The engine has the record in this queue under this id: it may have died, or come back, a moment
 * ago. */
void book_moved (sim_t *sim, record_t *record, queue_t *queue, uint64_t id);

/* A dead letter says how it came to be one. */
void book_check_death (sim_t *sim, const record_t *record, const zf_record_t *encoded);

/* True if the engine has the record in its queue. */
bool book_has (const record_t *record);

#endif
