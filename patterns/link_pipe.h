/* What a link has under way: batches taken from the source and numbered for the target, kept until
 * the target has said what became of them. Numbers only grow; they may have gaps.
 *
 * Threads: the link's. */
#ifndef ZF_PATTERNS_LINK_PIPE_H
#define ZF_PATTERNS_LINK_PIPE_H

#include "patterns/parcel.h"

typedef struct zf_load zf_load_t;

/* A batch for the target. */
struct zf_load {
    zf_buffer_t *buffer; /* sealed */
    uint64_t first;      /* number of its first record */
    uint32_t count;
    uint32_t done;    /* records from the start that the target has */
    uint32_t done_at; /* where in the buffer these end */
    bool is_sent;
    zf_load_t *prev, *next;
};

typedef struct {
    zf_load_t *loads;           /* oldest first (utlist) */
    zf_load_t *unsent;          /* the first that is not sent; NULL: all are */
    uint64_t next_number;       /* no lower one may come */
    uint64_t unconfirmed_bytes; /* of records that are sent */
} zf_pipe_t;

/* What may pass, and what the target takes at a time. */
typedef struct {
    uint64_t last; /* records up to this number are there already */
    uint64_t max_message_bytes;
    uint64_t window_bytes;
    void (*too_big) (void *arg, uint64_t number); /* a record that no message can carry */
    void *arg;
} zf_gate_t;

/* Takes a batch in whose records have the numbers from `first` on: a copy, cut as the gate wants
 * it, without what the target has already or cannot take.
 * Returns 0 and *count records and *bytes of them, or ZF_E_PROTO (malformed, or out of order),
 * ZF_E_CORRUPT, ZF_E_VERSION, ZF_E_NOMEM. */
int zf_pipe_take (zf_pipe_t *pipe, uint64_t first, zf_bytes_t frame, const zf_gate_t *gate,
                  uint32_t *count, uint32_t *bytes);

/* The next batch to send if the window has room for it, else NULL. */
zf_load_t *zf_pipe_next (const zf_pipe_t *pipe, uint64_t window_bytes);

/* It was sent. */
void zf_pipe_sent (zf_pipe_t *pipe, zf_load_t *load);

/* The target has dealt with these. Returns false if they are not the next ones that were sent. */
bool zf_pipe_settle (zf_pipe_t *pipe, uint64_t first, uint64_t count);

/* Forgets all. */
void zf_pipe_clear (zf_pipe_t *pipe);

#endif
