/* The native protocol, as frames: DEALER to ROUTER, at most [control][batch] a message.
 *
 * A control frame is a msgpack array: the command, then its arguments; arguments behind those we
 * know are skipped. docs/protocol.md is normative; this is its table.
 *
 *   both      PING                                          PONG
 *   to peer   RESET                                         no session here: say HELLO
 *             WELCOME version uuid {option: value}          ERROR code text
 *   to broker HELLO version uuid {option: value}            BYE
 *
 *   post      POST queue low [flags] [batch]             -> CONFIRM queue first count code
 *   link      LINK queue [uuid, queue]...                -> LINKED queue last code text
 *             POST_MANY number low [queue, count]... [batch] -> DONE number code
 *   ask       REQUEST service ttl_ms flags [batch]       -> REPLY first code more reason [batch]
 *   fetch     FETCH number id wait forget                -> RESULT number code text more 0 [batch]
 *   work      CONSUME queue limit flags                  -> DELIVER queue first attempt lease_ms
 *                                                        flags [batch]
 *             ACK queue (first count)...                    NACK queue delay_ms (first count)...
 *             REJECT queue reason (first count)...          RELEASE queue (first count)...
 *             EXTEND queue lease_ms (first count)...        ANSWER queue more [batch]; its `first`
 *                                                           is the record's id
 *   read      SUBSCRIBE number stream from value window flags [pattern...]
 *                                                     -> SUBSCRIBED number code text next first
 *                                                        missed
 *             READ number to                             EVENTS number from to missed time first
 *             UNSUBSCRIBE number                         spans [batch]
 *             AWAIT number stream topic count flags   -> RESULT number code text more value
 *   look      ADMIN number verb queue argument           -> RESULT number code text more value
 *                                                        [batch] */
#ifndef ZF_CORE_NATIVE_H
#define ZF_CORE_NATIVE_H

#include "core/engine.h"
#include "core/mp.h"

#define ZF_NATIVE_VERSION 1
#define ZF_CONTROL_MAX    65536 /* bytes of a control frame */
#define ZF_SEGMENTS_MAX   1024  /* queues in one atomic post */

enum {
    ZF_CMD_HELLO = 1,
    ZF_CMD_WELCOME = 2,
    ZF_CMD_PING = 3,
    ZF_CMD_PONG = 4,
    ZF_CMD_BYE = 5,
    ZF_CMD_RESET = 6,
    ZF_CMD_ERROR = 7,
    ZF_CMD_POST = 10,
    ZF_CMD_CONFIRM = 11,
    ZF_CMD_POST_MANY = 12,
    ZF_CMD_DONE = 13,
    ZF_CMD_LINK = 14,
    ZF_CMD_LINKED = 15,
    ZF_CMD_REQUEST = 20,
    ZF_CMD_REPLY = 21,
    ZF_CMD_FETCH = 22,
    ZF_CMD_CONSUME = 30,
    ZF_CMD_DELIVER = 31,
    ZF_CMD_ACK = 32,
    ZF_CMD_NACK = 33,
    ZF_CMD_REJECT = 34,
    ZF_CMD_RELEASE = 35,
    ZF_CMD_EXTEND = 36,
    ZF_CMD_ANSWER = 37,
    ZF_CMD_ADMIN = 40,
    ZF_CMD_RESULT = 41,
    ZF_CMD_SUBSCRIBE = 50,
    ZF_CMD_SUBSCRIBED = 51,
    ZF_CMD_EVENTS = 52,
    ZF_CMD_READ = 53,
    ZF_CMD_UNSUBSCRIBE = 54,
    ZF_CMD_AWAIT = 55
};

/* POST, SUBSCRIBE, AWAIT: make it as a stream if it is not there. */
enum { ZF_MAKE_STREAM = 1 };

/* Options of HELLO and WELCOME; those that are not known are skipped. */
enum {
    ZF_OPTION_NAME = 1,        /* HELLO: str, how the peer calls itself */
    ZF_OPTION_HEARTBEAT = 2,   /* WELCOME: ms; a worker sends something at least this often */
    ZF_OPTION_IDLE = 3,        /* WELCOME: ms; anybody else within this */
    ZF_OPTION_WINDOW = 4,      /* WELCOME: bytes of unconfirmed posts */
    ZF_OPTION_MAX_MESSAGE = 5, /* WELCOME: bytes of a frame */
    ZF_OPTION_SYNC = 6,        /* WELCOME: zf_sync_t, what confirmed means for durable queues */
    ZF_OPTION_SOURCE = 7       /* WELCOME: bin, identity of the broker's journal: the same for as
                                  long as that exists; without a journal, of this run */
};

enum { ZF_DELIVER_WANTS_REPLY = 1 };

/* CONSUME. */
enum {
    ZF_CONSUME_DRAIN =
        1 /* for links: the only consumer; all records, whatever they wait for, in the
             order of their ids; attempts are not counted, leases do not end */
};

extern const zf_dialect_t zf_dialect_native;

/* Begins a control frame of so many elements, command included. */
void zf_control (zf_writer_t *w, unsigned command, size_t elements);

/* -- inside of the native_*.c ------------------------------------------------------------------ */

/* Answers ERROR. */
void zf_native_refuse (zf_session_t *session, int code, const char *text);

/* The same for what is against the protocol, which is counted. */
void zf_native_error (zf_session_t *session, int code, const char *text);

/* Opens the batch of a command, whose first number must be `least` or higher, or answers why it
 * can't be. The caller frees it in any case. */
bool zf_native_batch (zf_session_t *session, zf_reader_t *r, zf_frame_t *body, uint64_t least,
                      zf_intake_t *in);

/* Commands. native_post.c: */
void zf_native_post (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);
void zf_native_post_many (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);
void zf_native_link (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);

/* native_stream.c: */
void zf_native_subscribe (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);
void zf_native_read (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);
void zf_native_unsubscribe (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);
void zf_native_await (zf_session_t *session, zf_reader_t *r, zf_frame_t *body);
void zf_native_subscribed (const zf_subscription_t *subscription, int code, const char *text);
int zf_native_events (const zf_subscription_t *subscription, const zf_events_t *events);
void zf_native_awaited (zf_session_t *session, uint64_t number, int code, uint64_t subscribers);

/* Reads an array of patterns. Returns 0, ZF_E_PROTO, ZF_E_INVAL, ZF_E_LIMIT, ZF_E_NOMEM. */
int zf_native_patterns (zf_reader_t *r, zf_filter_t **filter);

/* native_admin.c: one ADMIN command, decoded up to its number. */
void zf_native_admin (zf_session_t *session, zf_reader_t *r);

#endif
