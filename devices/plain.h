/* The plain side of a forwarder: XSUB sockets for plain publishers (inlets), XPUB sockets for plain
 * subscribers (outlets), and the way to the streams of the engine and back.
 *
 * Bound endpoints share one inlet and one outlet; each connected one has its own, so that it can be
 * cut alone. What comes in at any inlet goes out at every outlet; subscriptions go the other way.
 *
 *   plain.c           its life, its turn
 *   plain_flow.c      messages, from inlets to outlets; nothing here waits for anybody
 *   plain_interest.c  who wants what
 *   plain_peers.c     who is who
 *   plain_subscribe.c subscriptions, from outlets to inlets
 *   plain_values.c    last values
 *   plain_loop.c      circles of forwarders
 *   plain_bridge.c    the stream
 *
 * Threads: the device's, but open and close. */
#ifndef ZF_DEVICES_PLAIN_H
#define ZF_DEVICES_PLAIN_H

#include "core/stream.h"
#include "core/values.h"
#include "devices/plain_interest.h"
#include "devices/plain_peers.h"
#include "devices/side.h"
#include "devices/socket.h"
#include <zmq.h>

#define ZF_PLAIN_ENDPOINTS_MAX 64
#define ZF_PLAIN_SOCKETS_MAX   (ZF_PLAIN_ENDPOINTS_MAX + 1)

#define ZF_VALUES_ROOM 50000

#define ZF_MARKER_HEAD "\0zferry:"
#define ZF_MARKER_SIZE (sizeof ZF_MARKER_HEAD - 1 + ZF_UUID_BYTES + 1)

typedef struct {
    const char *const *pubs; /* as in forwarder.h */
    size_t pub_count;
    const char *const *subs;
    size_t sub_count;
    uint64_t max_message_bytes;
    zf_security_t *security; /* of both sides; NULL: none */
    uint32_t connections;    /* at a time, of each; 0: any number */
    uint32_t handshake_ms;
    uint32_t hwm;
    uint32_t silence_ms;        /* a subscriber may keep, 0: for ever */
    bool last_values;           /* are kept, */
    uint64_t last_values_bytes; /* so much of them */
    const char *stream;         /* copied */
    bool keep_all;              /* what passes goes into the stream, whoever reads it */
} zf_plain_options_t;

typedef enum {
    ZF_TIE_ON,
    ZF_TIE_CUT,
    ZF_TIE_TRIAL /* connected again; nothing but markers passes yet */
} zf_tie_state_t;

/* Where a socket is bound; or its connection, which may be cut because it closes a circle. */
typedef struct {
    char *bound[ZF_PLAIN_ENDPOINTS_MAX];
    size_t bound_count;
    char *endpoint; /* that is connected to; NULL: there is nothing to cut */
    zf_tie_state_t state;
    uint64_t due_ms;   /* CUT: when to connect again; TRIAL: when it is over */
    uint32_t pause_ms; /* between the last cut and the trial after it; 0: there was none */
} zf_tie_t;

/* Plain publishers: an XSUB. */
typedef struct {
    zf_socket_t socket;
    zf_socket_t watch; /* its monitor, if it has a domain */
    zf_tie_t tie;
    bool stirred;  /* something was sent: the descriptor may not tell of input */
    bool has_more; /* its last turn ended before its messages did */
    uint8_t marker[ZF_MARKER_SIZE];
    uint32_t echoes;     /* times that its marker came in */
    uint64_t echoed_ms;  /* since when */
    uint64_t cut_due_ms; /* when to do something about it; ZF_NEVER: it was done */
} zf_inlet_t;

/* Plain subscribers: an XPUB. */
typedef struct {
    zf_socket_t socket;
    zf_socket_t watch; /* its monitor, if it has a domain and no other one */
    zf_tie_t tie;
    bool stirred;
    bool has_more;
    bool is_inside; /* a message of several frames is being heard: nothing that we know */
    /* with last values (plain_values.c) */
    zf_peers_t peers;
    uint32_t pace;           /* values that leave in a millisecond, by estimate */
    uint64_t backlog;        /* what was sent inverted and had not left yet, by estimate, */
    uint64_t backlog_ms;     /* then */
    uint64_t rest_ms;        /* no subscription is heard before; 0: one may be */
    bool is_muddled;         /* something is in line that is no subscription */
    zf_interest_t *suspects; /* topics that may have been granted in vain, */
    zf_interest_t *missed;   /* or probably were */
} zf_outlet_t;

/* A message under way: frames that are moved on. */
typedef struct {
    zmq_msg_t *frames;
    size_t count;
    size_t room;
} zf_parcel_t;

typedef struct {
    uint64_t in, out;      /* messages */
    uint64_t dropped_slow; /* see forwarder.h */
    uint64_t dropped_full;
    uint64_t dropped_loop;
    uint64_t loops;
} zf_plain_counters_t;

struct zf_side {
    zf_engine_t *engine;
    uint64_t now_ms;
    zf_inlet_t *inlets;
    size_t inlet_count;
    zf_outlet_t *outlets;
    size_t outlet_count;
    zf_interest_t *interests;    /* (uthash) */
    bool flooded;                /* there are more than can be remembered: we want everything */
    zf_values_t *values;         /* NULL: last values are not wanted */
    uint64_t welcomed;           /* last values sent in this turn at the outlet under way */
    zf_parcel_t parcel;          /* the message under way, if it has to be seen as a whole */
    uint8_t uuid[ZF_UUID_BYTES]; /* in the markers */
    zf_interest_t *markers;      /* that came in, ours and those of others (uthash) */
    zf_plain_counters_t counters;

    /* the bridge */
    char *stream; /* its name */
    bool keep_all;
    bool reads;            /* plain messages go into the stream */
    bool subscribed;       /* records of the stream come here */
    zf_session_t *session; /* in the engine; NULL: to be attached */
    zf_writer_t batch;     /* of this turn */
    uint32_t batch_count;
    zf_writer_t props; /* for one record */
    uint64_t read_to;  /* records before it have been sent on; 0: nothing new */
    bool is_founded;   /* the stream was made once; who forgets it means that */
    uint64_t retry_ms; /* not to try again to subscribe before */
};

extern const zf_side_ops_t zf_plain_side;
extern const zf_dialect_t zf_dialect_plain;

/* -- plain_flow.c ------------------------------------------------------------------------------ */

/* Moves what came in at an inlet, a bounded number of messages. */
void zf_plain_drain (zf_side_t *side, zf_inlet_t *inlet);

/* Sends the message in side->parcel to all outlets, and forgets it. */
void zf_plain_pass (zf_side_t *side);

/* Sends one frame; what subscribers have no room for is dropped and counted. Takes the message. */
void zf_plain_send (zf_side_t *side, zf_outlet_t *outlet, zmq_msg_t *frame, bool more);

/* The same with a copy of these bytes. */
void zf_plain_send_copy (zf_side_t *side, zf_outlet_t *outlet, zf_bytes_t bytes, bool more);

/* A new frame at the end of the parcel; NULL: out of memory. */
zmq_msg_t *zf_parcel_add (zf_parcel_t *parcel);
void zf_parcel_clear (zf_parcel_t *parcel);

static inline zf_bytes_t zf_parcel_frame (zf_parcel_t *parcel, size_t i)
{
    return zf_bytes (zmq_msg_data (&parcel->frames[i]), zmq_msg_size (&parcel->frames[i]));
}

/* -- plain_subscribe.c ------------------------------------------------------------------------- */

/* Takes in what subscribers of an outlet want, a bounded number of messages. */
void zf_plain_hear (zf_side_t *side, zf_outlet_t *outlet);

/* Subscribes all inlets that are not cut to a topic, or takes that back. */
void zf_plain_pass_up (zf_side_t *side, zf_bytes_t topic, bool on);

/* Subscribes one inlet to all that is wanted, or takes that back. */
void zf_plain_subscribe_all (zf_side_t *side, zf_inlet_t *inlet, bool on);

/* Subscribes an inlet to one topic, or takes that back. */
void zf_plain_subscribe (zf_inlet_t *inlet, zf_bytes_t topic, bool on);

static inline int32_t zf_outlet_number (const zf_side_t *side, const zf_outlet_t *outlet)
{
    return (int32_t) (outlet - side->outlets);
}

/* -- plain_values.c ---------------------------------------------------------------------------- */

/* Remembers the message in side->parcel. */
void zf_plain_remember (zf_side_t *side);

/* A subscription has just been received from an outlet: sends it the last values, and grants it. */
void zf_plain_welcome (zf_side_t *side, zf_outlet_t *outlet, zf_bytes_t topic);

/* One was taken back, or its subscriber has left; gone: nobody on this outlet holds it any more. */
void zf_plain_part (zf_outlet_t *outlet, zf_bytes_t topic, bool has_left, bool gone);

/* Before a subscription is received: what libzmq has to hear it hears now, and not between that and
 * the grant. Returns false if there is none. */
bool zf_plain_line_up (zf_outlet_t *outlet);

/* True if who stands in line has to wait until values that were sent to others have left. */
bool zf_plain_has_to_rest (zf_side_t *side, zf_outlet_t *outlet);

/* Something was received that is no subscription; there is nothing more. */
void zf_plain_line_is_muddled (zf_outlet_t *outlet);
void zf_plain_line_is_empty (zf_outlet_t *outlet);

/* The message in side->parcel is sent to those as well whose grant was in vain. */
void zf_plain_make_good (zf_side_t *side, zf_outlet_t *outlet);

/* -- plain_loop.c ------------------------------------------------------------------------------ */

/* Gives the inlets their markers, and subscribes them. */
int zf_plain_mark (zf_side_t *side, zf_error_t *err);

/* True if this is a marker, of whomever. */
bool zf_plain_is_marker (zf_bytes_t topic);

bool zf_plain_is_own (const zf_side_t *side, zf_bytes_t marker);

/* A subscription came in, or was taken back: true if it was to a marker, and is dealt with. */
bool zf_plain_echo (zf_side_t *side, zf_bytes_t topic, zf_holder_t holder, bool on);

/* Cuts, and tries again, what is due. */
void zf_plain_untangle (zf_side_t *side);
uint64_t zf_plain_loop_deadline (const zf_side_t *side);

/* True if messages of this inlet, or to this outlet, must not pass. */
static inline bool zf_inlet_is_shut (const zf_inlet_t *inlet)
{
    return inlet->echoes > 0 || inlet->tie.state == ZF_TIE_TRIAL;
}

static inline bool zf_outlet_is_shut (const zf_outlet_t *outlet)
{
    return outlet->tie.state == ZF_TIE_TRIAL;
}

/* -- plain_bridge.c ---------------------------------------------------------------------------- */

/* Sees to it that what has to cross, crosses. Once a turn, before messages are taken in. */
void zf_bridge_tend (zf_side_t *side);

/* The message in side->parcel becomes a record; what was collected goes into the stream. */
void zf_bridge_collect (zf_side_t *side);
void zf_bridge_put (zf_side_t *side);

/* An effect: records of the stream that go to the plain subscribers. */
void zf_bridge_send (zf_side_t *side, zf_effect_t *effect);

/* The engine has ended the session. */
void zf_bridge_forget (zf_side_t *side);
uint64_t zf_bridge_deadline (const zf_side_t *side);

#endif
