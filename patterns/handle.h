/* What every pattern's handle is made of: a lock, connections to brokers, and a way to wait that
 * costs no thread.
 *
 * Whoever calls does the I/O, under the lock. To wait, a caller (the leader) lets go of the lock
 * and polls the sockets' descriptors and an eventfd; others wait for it on conditions of their own.
 * ZMQ_FD is edge-triggered: whoever used a socket while another polls looks at ZMQ_EVENTS before it
 * leaves, and wakes the poller. The keeper (keeper.h) steps in when nobody calls.
 *
 * A connection is a DEALER to one broker. Its session begins when the broker says RESET (it does
 * not know us), we say HELLO, and it says WELCOME; it ends when the broker says RESET again or
 * nothing any more.
 *
 * Threads: all but open and close are called with the lock held, inside zf_handle_enter and
 * zf_handle_leave. */
#ifndef ZF_PATTERNS_HANDLE_H
#define ZF_PATTERNS_HANDLE_H

#include "core/native.h"
#include "devices/local.h"
#include "devices/socket.h"

#include <pthread.h>
#include <stdatomic.h>
#include <zferry/device.h>
#include <zferry/peer.h>
#include <zmq.h>

typedef struct zf_handle zf_handle_t;
typedef struct zf_connection zf_connection_t;
typedef struct zf_waiter zf_waiter_t;
typedef struct zf_callback zf_callback_t;
typedef struct zf_resolver zf_resolver_t;

#define ZF_ENDPOINTS_MAX 64
#define ZF_MESSAGE_LEAST 1024 /* every broker takes a message this large */

typedef bool zf_done_fn (void *arg);

/* Somebody who waits until done (arg), on its stack. */
struct zf_waiter {
    zf_done_fn *done;
    void *arg;
    pthread_cond_t turn; /* a follower: it is done, or has to lead */
    zf_waiter_t *prev, *next;
};

typedef enum {
    ZF_CONNECTION_OFF, /* a slot that is free (resolver.h) */
    ZF_CONNECTION_OPENING,
    ZF_CONNECTION_GREETING,
    ZF_CONNECTION_READY
} zf_connection_state_t;

struct zf_connection {
    zf_handle_t *handle;
    zf_socket_t socket;
    zf_local_t *local;    /* instead of the socket: a way into a device of this process; or NULL */
    int fd;               /* ZMQ_FD of the socket */
    bool is_watched;      /* tells at once when its connection is lost */
    zf_socket_t monitor;  /* which comes from here */
    int monitor_fd;       /* its ZMQ_FD; -1: it is not watched */
    bool is_fading;       /* not offered any more: nothing new begins here */
    bool is_double;       /* it leads where another one leads, too: it is not used */
    uint32_t failures;    /* times that nobody answered, since the last session */
    uint64_t rank;        /* among those of the handle */
    uint32_t outstanding; /* requests that were sent here and have no answer yet */
    size_t endpoint;      /* index of the one it is connected to */
    zf_connection_state_t state;
    uint64_t epoch;        /* counts its sessions: what belongs to an older one is void */
    uint64_t opened_ms;    /* when the socket was opened, or the session lost */
    uint64_t hello_ms;     /* when HELLO was last sent */
    uint64_t heard_ms;     /* last sign of life */
    uint64_t sent_ms;      /* last thing sent */
    uint64_t asked_ms;     /* first thing sent since the last sign of life; 0: none */
    uint64_t pings, pongs; /* since the session began */
    uint64_t heartbeat_ms; /* from WELCOME: */
    uint64_t idle_ms;
    uint64_t window_bytes;
    uint64_t max_message_bytes;    /* ZF_MESSAGE_LEAST until the first WELCOME */
    zf_sync_t sync;                /* what confirmed means for its durable queues */
    uint8_t source[ZF_UUID_BYTES]; /* its journal, or its run if it has none; zero: none told */
    zf_error_t refusal; /* the last ERROR, for people; code 0: none since the session began */
    bool was_greeted;   /* the fields above are a broker's */
    bool is_denied;     /* the refusal is ZF_E_DENIED, and no caller has got it yet */
};

/* What a pattern does; all with the lock held, none may wait. */
typedef struct {
    void (*ready) (zf_connection_t *connection); /* a session began: say all again */
    void (*lost) (zf_connection_t *connection);  /* a session ended */
    /* A slot is about to be used for another endpoint; may be NULL. */
    void (*slot) (zf_connection_t *connection);
    /* A command that is not the connection's own. body may be NULL; it is taken by moving it
     * away. */
    void (*message) (zf_connection_t *connection, uint64_t command, zf_reader_t *r,
                     zmq_msg_t *body);
    /* Does what is due by time; returns when something is again. */
    uint64_t (*tick) (zf_handle_t *handle, uint64_t now_ms);
    /* A broker must hear from us at each heartbeat, and we from it. */
    bool (*urgent) (zf_handle_t *handle);
    /* The keeper must see to it soon if nobody calls. */
    bool (*unfinished) (zf_handle_t *handle);
    /* Something waits for the application to fetch it. */
    bool (*news) (zf_handle_t *handle);
} zf_handle_ops_t;

typedef struct {
    const char *const *endpoints;
    size_t endpoint_count;
    const char *name;
    uint32_t failover_ms;
    bool all;                /* connect to all endpoints at once; else to one at a time */
    zf_peer_t *peer;         /* where zferry:// is looked up; NULL: the process's */
    zf_security_t *security; /* NULL: that of the peer, if zferry:// is looked up */
    bool both;               /* of zferry://: brokers, too (resolver.h) */
    bool one;                /* of zferry://: one of them at a time */
} zf_handle_options_t;

struct zf_handle {
    const zf_handle_ops_t *ops;
    pthread_mutex_t lock;
    uint8_t uuid[ZF_UUID_BYTES]; /* what we are to every broker */
    char *name;
    char **endpoints;
    size_t endpoint_count;
    uint32_t failover_ms;
    zf_connection_t *connections;
    size_t connection_count;
    size_t home;             /* the connection for all that goes over one only */
    bool rotates;            /* that one tries the endpoints in turn */
    zf_resolver_t *resolver; /* NULL: the endpoints were given as such */
    zf_security_t *security; /* held; NULL: none */
    zf_device_t *ridden;  /* that the connection leads to: who waits turns it (shell.h); or NULL */
    bool has_sent;        /* something that it has not seen yet */
    int wake_fd;          /* eventfd: makes the leader look again */
    int loop_fd;          /* epoll descriptor for applications; -1: nobody asked for one */
    int loop_wake_fd;     /* eventfd in it: makes the application's loop look again */
    bool loop_told;       /* it was written to since the loop last looked */
    bool touched;         /* a socket was used since the lock was taken */
    uint64_t tick_due_ms; /* when something is due by time */
    zf_waiter_t *leader;  /* who polls */
    uint64_t leader_until_ms; /* at most so long */
    zf_waiter_t *waiters;     /* those that wait for the leader (utlist) */
    zf_callback_t *callbacks; /* to be made when the lock can be let go (utlist) */
    bool calling;             /* somebody makes them */
    uint64_t calls;           /* grows with each call of the application */
    uint64_t reconnects;      /* sessions begun after the first */
    uint64_t keeper_told_ms;  /* when the keeper comes, at the latest */
    zf_writer_t control;      /* for building control frames */
    /* the keeper's, under its lock: */
    zf_handle_t *keeper_prev, *keeper_next;
    uint64_t keeper_due_ms;
    uint64_t keeper_calls;    /* calls when it last looked */
    uint64_t keeper_pause_ms; /* between looks while something is unfinished: grows while
                                 nothing happens */
    bool keeper_inside;
    bool keeper_again;       /* it is wanted again, though it is inside */
    bool is_kept;            /* the keeper knows it */
    atomic_bool keeper_soon; /* it knows that there is something unfinished */
};

/* How many connections it may have. */
size_t zf_handle_slots (const zf_handle_options_t *options);

int zf_handle_open (zf_handle_t *handle, const zf_handle_ops_t *ops,
                    const zf_handle_options_t *options, zf_error_t *err);

/* Takes it from the keeper: from then on only callers look after it. Not with the lock held, nor in
 * a callback. */
void zf_handle_stop (zf_handle_t *handle);

/* Stops the keeper and closes the sockets. What was sent has ZF_SOCKET_LINGER_MS to leave. */
void zf_handle_shut (zf_handle_t *handle);

void zf_handle_enter (zf_handle_t *handle);

/* Makes the callbacks that are due, wakes who has to be, and lets go of the lock. */
void zf_handle_leave (zf_handle_t *handle);

/* Lets waiting callers go on that are done because of something else than a message or the time. */
void zf_handle_serve (zf_handle_t *handle);

/* Handles all that has come in. */
void zf_handle_pump (zf_handle_t *handle);

/* Waits until done (arg) or the deadline (ms of zf_clock_ms; ZF_NEVER), handling what comes in.
 * Returns 0 or ZF_E_TIMEOUT. */
int zf_handle_wait (zf_handle_t *handle, zf_done_fn *done, void *arg, uint64_t deadline_ms);

/* The same; returns ZF_E_DENIED when a broker does not let us in, or what we want: each refusal
 * goes to one caller, by zf_handle_denied. */
int zf_handle_await (zf_handle_t *handle, zf_done_fn *done, void *arg, uint64_t deadline_ms);

/* Says who has refused us and why, and returns ZF_E_DENIED. */
int zf_handle_denied (zf_handle_t *handle, zf_error_t *err);

/* Something is due then, maybe sooner than all else. */
void zf_handle_due (zf_handle_t *handle, uint64_t due_ms);

/* Makes whoever looks after the handle look again. Without the lock, from any thread. */
void zf_handle_stir (zf_handle_t *handle);

/* The connection that all goes over which goes over one only. */
static inline zf_connection_t *zf_handle_home (const zf_handle_t *handle)
{
    return &handle->connections[handle->home];
}

/* Another connection is home if that one has no session or fades, or if a better one is there and
 * `may_move`. Returns true if it was changed. */
bool zf_handle_find_home (zf_handle_t *handle, bool may_move);

/* What the connection's other side is called: an endpoint, or what is looked up if it has none. */
const char *zf_connection_endpoint (const zf_connection_t *connection);

/* timeout_ms -1: for ever. */
uint64_t zf_deadline (int64_t timeout_ms);

/* A callback to be made by zf_handle_leave, or while waiting: run without any lock, then finish
 * with the handle's, which frees it. */
struct zf_callback {
    void (*run) (zf_callback_t *callback);
    void (*finish) (zf_handle_t *handle, zf_callback_t *callback);
    zf_callback_t *prev, *next;
};
void zf_handle_call (zf_handle_t *handle, zf_callback_t *callback);

/* For event loops. */
int zf_handle_fd (zf_handle_t *handle);
int zf_handle_process (zf_handle_t *handle);

/* Begins a control frame in handle->control. */
zf_writer_t *zf_handle_control (zf_handle_t *handle, unsigned command, size_t elements);

/* Sends the control frame that was built, with a body (moved away; NULL: none). Returns false if
 * the socket is full or the session is not ready. */
bool zf_connection_send (zf_connection_t *connection, zmq_msg_t *body);

void zf_connection_ping (zf_connection_t *connection);

/* Says goodbye to all brokers. */
void zf_handle_bye (zf_handle_t *handle);

/* handle.c for keeper.c: looks after a handle that nobody calls. Returns when to come again. */
uint64_t zf_handle_keep (zf_handle_t *handle, uint64_t now_ms);

#endif
