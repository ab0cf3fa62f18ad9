/* Outboxes: what a client posts, in batches, until it is confirmed.
 *
 * One outbox for each queue; its records are numbered from 1. A batch is sent at once while few are
 * under way, so that a lone record never waits; after that records gather in the open batch, which
 * goes when it is full or when a confirm comes back. What is not confirmed when a session is lost
 * is sent again, in order, in the next one. */
#ifndef ZF_PATTERNS_OUTBOX_H
#define ZF_PATTERNS_OUTBOX_H

#include "patterns/handle.h"
#include "patterns/parcel.h"
#include <zferry/client.h>

typedef struct zf_outbox zf_outbox_t;
typedef struct zf_outgoing zf_outgoing_t;
typedef struct zf_blocked zf_blocked_t;

/* A batch: being filled (the open one), or sent and not wholly confirmed. */
struct zf_outgoing {
    zf_buffer_t *buffer;
    uint64_t first;
    uint32_t count;
    uint32_t flags;
    uint32_t done; /* records from the start that were confirmed or refused */
    bool is_sent;  /* in this session */
    zf_outgoing_t *prev, *next;
};

/* A caller that waits for one record's outcome. */
struct zf_blocked {
    uint64_t number;
    bool done;
    int code;
    zf_blocked_t *prev, *next;
};

struct zf_outbox {
    char *name;
    size_t name_size;
    uint64_t next;         /* number of the next record */
    uint64_t flush_to;     /* numbers below this are wanted by a flush */
    zf_outgoing_t *open;   /* being filled; NULL: none */
    zf_outgoing_t *closed; /* sent, or to be: oldest first (utlist) */
    uint32_t closed_count;
    size_t usual_bytes; /* how large a batch was lately */
    zf_blocked_t *blocked;
    bool is_stream; /* the queue is a stream: made as one if it is not there */
    UT_hash_handle hh;
};

typedef struct {
    zf_handle_t *handle; /* all goes over its home connection */
    zf_outbox_t *table;  /* by queue (uthash) */
    zf_outbox_t *recent; /* the one used last */
    size_t batch_bytes;
    uint64_t window_bytes;      /* ours */
    uint64_t unconfirmed_bytes; /* records' */
    uint64_t unconfirmed;       /* records */
    uint64_t confirmed, refused, batches;
    int refusal;  /* the first since the last flush, of records nobody waits for */
    bool stalled; /* the socket was full: some closed batches are not sent */
    void (*outcome) (void *arg, zf_outbox_t *outbox, uint64_t first, uint64_t count, int code);
    void *arg;
    zf_writer_t scratch; /* encoded properties */
    bool is_topic;       /* those are a topic and nothing else */
} zf_outboxes_t;

/* The outbox of a queue; NULL: out of memory. */
zf_outbox_t *zf_outbox_for (zf_outboxes_t *outboxes, const char *queue);

/* True if a record of so many encoded bytes may be posted now. */
bool zf_outbox_has_room (const zf_outboxes_t *outboxes, size_t bytes);

/* Encodes the properties (may be NULL) into outboxes->scratch. Costs next to nothing if they are
 * the same topic as those before, and nothing else. Returns as zf_props_encode. */
int zf_outbox_encode (zf_outboxes_t *outboxes, const zf_props_t *props);

/* Adds a record and sends what is to be sent. props are in outboxes->scratch. Returns 0 and its
 * number, or ZF_E_NOMEM. */
int zf_outbox_add (zf_outboxes_t *outboxes, zf_outbox_t *outbox, const void *body, size_t size,
                   const zf_props_t *props, uint64_t *number);

/* Sends the open batches, however small. */
void zf_outbox_flush (zf_outboxes_t *outboxes);

/* CONFIRM: queue first count code. */
void zf_outbox_on_confirm (zf_outboxes_t *outboxes, zf_reader_t *r);

/* A session began: everything that is not confirmed is sent again. */
void zf_outbox_resend (zf_outboxes_t *outboxes);

/* Batches that the socket had no room for. */
void zf_outbox_retry (zf_outboxes_t *outboxes);

/* The lowest number without an outcome. */
uint64_t zf_outbox_low (const zf_outbox_t *outbox);

void zf_outbox_free (zf_outboxes_t *outboxes);

#endif
