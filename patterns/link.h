/* The inside of a link from one queue to another: a thread that consumes at the source and posts to
 * the target.
 *
 * It has one way to deal with whatever goes wrong (a session lost, a record refused): forget what
 * is under way, begin new sessions after a pause, ask the target what it has (LINK), and let the
 * source deliver from there. link.c is the thread and its recovery, link_step.c what it does next,
 * link_source.c and link_target.c what is said at the two ends, link_pipe.c what is under way.
 *
 * Threads: open, close and figures from any; all else is the link's own. */
#ifndef ZF_PATTERNS_LINK_H
#define ZF_PATTERNS_LINK_H

#include "patterns/handle.h"
#include "patterns/link_pipe.h"
#include <zferry/link.h>

#define ZF_LINK_ACKS_MAX 256

/* A link's figures, see <zferry/link.h>. */
typedef struct {
    uint64_t backlog, lag_ms;
    uint64_t looks; /* times that the backlog was looked at */
    uint64_t forwarded, confirmed, duplicates, rejected;
    uint64_t rate;
    uint64_t connected_from, connected_to, refused;
    uint64_t restarts;
} zf_link_figures_t;

typedef struct zf_link zf_link_t;

/* One of its two connections. */
typedef struct {
    zf_handle_t handle; /* first */
    zf_link_t *link;
} zf_link_end_t;

/* What the link has arranged with the brokers in their sessions of now. */
typedef struct {
    bool path_known; /* the source has said who feeds its queue */
    bool path_told;  /* the target knows it */
    bool linking;    /* LINK is sent for the first time, and not answered */
    bool linked;
    bool consuming;
    bool busy;      /* something was sent since we looked at the backlog */
    uint64_t epoch; /* of the source's session that we consume in */
    uint64_t last;  /* the target has all records up to this number */
    uint32_t limit; /* the credit that the source knows */
    zf_pipe_t pipe;
    uint64_t ack_first[ZF_LINK_ACKS_MAX]; /* ids */
    uint64_t ack_count[ZF_LINK_ACKS_MAX];
    uint32_t acks;
} zf_link_run_t;

struct zf_link {
    zf_link_end_t source, target;
    char *from_queue, *to_queue;
    char *label; /* both ends, for people */
    uint32_t backoff_min_ms, backoff_max_ms;
    uint64_t window_bytes;
    zf_event_fn *on_event; /* may be NULL */
    void *arg;
    pthread_t thread;
    bool running;         /* the thread was started: the ends are its own */
    int stop_fd;          /* eventfd: end */
    atomic_bool stopping; /* it was written to */
    pthread_mutex_t lock; /* of the figures shown */
    zf_link_figures_t shown;
    /* the thread's: */
    bool target_on;         /* we know who we are to the target */
    zf_link_run_t run;      /* void after a failure */
    bool failed;            /* begin again */
    bool pause;             /* but not at once */
    bool refused;           /* for good */
    zf_error_t why;         /* it failed or was refused */
    uint64_t backoff_ms;    /* the next pause */
    uint64_t hold_until_ms; /* no LINK before */
    uint64_t look_ms;       /* when to look at the backlog and the path again */
    uint64_t number;        /* of the last ADMIN */
    uint64_t info_number;   /* of the one that asks for the backlog */
    uint64_t path_number;   /* of the one that asks for the path */
    zf_writer_t path;       /* who feeds the source's queue, encoded: uuid, queue, ... */
    uint32_t path_size;     /* elements */
    uint64_t record_bytes;  /* the usual size */
    zf_link_figures_t figures;
    uint64_t samples[6]; /* confirmed, at each of the last seconds */
    uint32_t sample;
    uint64_t sample_ms; /* when the next one is taken */
    uint64_t second;    /* of the clock, for the rate of events */
    uint32_t events;    /* told in this second */
};

/* Options of a link between two endpoints; label: what to call the source, NULL: its endpoint.
 * Returns as zf_link_start. */
int zf_link_open (zf_link_t **link, const zf_link_options_t *options, const char *label,
                  zf_error_t *err);
void zf_link_close (zf_link_t **link);
void zf_link_figures (zf_link_t *link, zf_link_figures_t *figures);

/* link.c */

/* Whatever is under way is void: begin again, after a pause or at once. The first reason counts. */
void zf_link_fail (zf_link_t *link, bool pause, int code, const char *format, ...) ZF_PRINTF (4, 5);
void zf_link_event (zf_link_t *link, const char *format, ...) ZF_PRINTF (2, 3);

/* Ends a session, if there is one, and connects anew. */
void zf_link_reopen (zf_link_end_t *end);

static inline zf_connection_t *zf_link_at (zf_link_end_t *end)
{
    return &end->handle.connections[0];
}

/* link_step.c: what is to be said next. */

/* Says it: LINK, CONSUME, ADMIN. Returns when there is more. */
uint64_t zf_link_advance (zf_link_t *link, uint64_t now_ms);

zf_link_t *zf_link_of (zf_handle_t *handle);
const char *zf_link_endpoint (zf_link_end_t *end);

/* Sends what was built for this end; that it cannot be sent is a failure of the link. */
bool zf_link_send (zf_link_end_t *end, zmq_msg_t *body);

/* For the tables of the ends. */
uint64_t zf_link_nothing_due (zf_handle_t *handle, uint64_t now_ms);
bool zf_link_always (zf_handle_t *handle);
bool zf_link_never (zf_handle_t *handle);

/* link_source.c */
extern const zf_handle_ops_t zf_link_source_ops;

/* The source has greeted us. */
void zf_link_on_source (zf_link_t *link);

/* CONSUME: as many records at a time. */
void zf_link_tell_limit (zf_link_t *link, uint32_t limit);

/* ADMIN about the queue; *number is the question's. */
void zf_link_ask (zf_link_t *link, const char *verb, uint64_t *number);

/* Records by id: they have arrived; or never will, and become dead letters. */
void zf_link_ack (zf_link_t *link, uint64_t first, uint64_t count);
void zf_link_reject (zf_link_t *link, uint64_t first, uint64_t count, const char *reason);

/* Tells the source what has arrived. */
void zf_link_flush (zf_link_t *link);

/* link_target.c */
extern const zf_handle_ops_t zf_link_target_ops;

/* LINK: where the records come from. */
void zf_link_tell_path (zf_link_t *link);

/* Posts what there is, as far as the window goes. */
void zf_link_forward (zf_link_t *link);
uint64_t zf_link_window (zf_link_t *link);

#endif
