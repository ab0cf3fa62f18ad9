/* The inside of a client: what its three parts share. client.c posts (through outbox.c), request.c
 * asks, admin.c looks after queues. All with the handle's lock held. */
#ifndef ZF_PATTERNS_CLIENT_H
#define ZF_PATTERNS_CLIENT_H

#include "patterns/outbox.h"
#include "patterns/parcel.h"
#include "patterns/spool.h"
#include <zferry/admin.h>

typedef struct zf_request zf_request_t;
typedef struct zf_inquiry zf_inquiry_t;
typedef struct zf_reply_node zf_reply_node_t;

struct zf_client {
    zf_handle_t handle; /* first: a handle is cast to its client */
    uint32_t timeout_ms;
    zf_confirm_fn *on_confirm;
    void *arg;
    zf_outboxes_t outboxes;
    zf_request_t *requests;   /* under way, by number (uthash, oldest first) */
    uint64_t request_number;  /* the last one given */
    zf_timers_t timers;       /* deadlines of requests without a waiting caller */
    zf_reply_node_t *replies; /* for zf_client_next_reply (utlist) */
    zf_inquiry_t *inquiries;  /* atomic posts and admin calls under way (utlist) */
    uint64_t inquiry_number;
    uint64_t requests_made, replies_got;
    size_t turn;       /* the connection that the next request is for, if all have as much to do */
    zf_spool_t *spool; /* with an outbox: what we post to; else NULL */
};

static inline zf_connection_t *zf_client_connection (const zf_client_t *client)
{
    return zf_handle_home (&client->handle);
}

/* client.c: what is posted there makes it, as a stream, if it is not there. Before the first
 * post. */
int zf_client_stream (zf_client_t *client, const char *stream, zf_error_t *err);

/* request.c */
void zf_requests_send (zf_client_t *client); /* those that are not sent yet */
/* Those that were sent there have to be sent again. */
void zf_requests_forget (zf_client_t *client, const zf_connection_t *connection);
void zf_requests_on_reply (zf_client_t *client, zf_reader_t *r, zmq_msg_t *body);
uint64_t zf_requests_tick (zf_client_t *client, uint64_t now_ms);
void zf_requests_close (zf_client_t *client);

/* inquiry.c: one question, one answer of any shape, asked again after a reconnect. */
struct zf_inquiry {
    uint64_t number;
    uint8_t *control; /* the control frame */
    size_t control_size;
    zf_buffer_t *body; /* or NULL */
    bool is_sent;      /* in this session */
    bool is_post;      /* an outbox takes it too */
    bool done;
    uint64_t deadline_ms; /* 0: the client's timeout */
    int code;             /* the outcome, when done */
    zf_error_t *err;      /* gets the broker's words; may be NULL */
    int (*answer) (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body); /* may be NULL */
    void *arg;                                                              /* for answer */
    zf_inquiry_t *prev, *next;
};

/* Asks handle->control (and body), numbered `number`, and waits for the end of it. */
int zf_inquiry_run (zf_client_t *client, zf_inquiry_t *inquiry);
void zf_inquiries_send (zf_client_t *client); /* those that are not sent yet */
void zf_inquiries_resend (zf_client_t *client);
void zf_inquiries_on_done (zf_client_t *client, zf_reader_t *r);
void zf_inquiries_on_result (zf_client_t *client, zf_reader_t *r, zmq_msg_t *body);

/* Refuses what an outbox cannot do; 0 without one. */
int zf_client_needs_broker (const zf_client_t *client, zf_error_t *err);

/* Waits a moment before the broker, which has to read something from its disk, is asked again.
 * Returns false when the deadline is over. */
bool zf_client_pause (zf_client_t *client, uint64_t deadline_ms);

/* Says why a call timed out. */
int zf_client_timed_out (zf_client_t *client, zf_error_t *err);

#endif
