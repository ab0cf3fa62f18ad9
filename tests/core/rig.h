/* An engine with peers around it, on a clock that only the test moves: frames in, effects out.
 *
 * Peers have names, and records are known by their bodies, so that a test reads as a story:
 *
 *     rig_declare (rig, "jobs", &policy);
 *     peer_consume (w1, "jobs", 1);
 *     peer_post (p, "jobs", "a b");
 *     assert_delivered (w1, "jobs", "a", 1);
 *
 * After each call the engine has had its turn, and all its books have been looked at (audit.h).
 * What it sends lies in the peers' inboxes in the order it was sent; an assert_ takes what it names
 * from the top of one, and fails when something else lies there. */
#ifndef TESTS_CORE_RIG_H
#define TESTS_CORE_RIG_H

/* cmocka wants these before itself */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/engine.h"
#include <stdio.h>
#include <stdlib.h>

#include "core/info.h"
#include "core/native.h"
#include "tests/core/wire.h"
#include <zferry/error.h>

typedef struct rig rig_t;
typedef struct peer peer_t;

/* A message in an inbox. */
typedef struct letter {
    uint64_t command;   /* the first element of its control frame */
    zf_bytes_t control; /* the whole control frame */
    zf_bytes_t body;    /* the second frame; data NULL: there is none */
    struct letter *prev, *next;
} letter_t;

/* A delivery that a peer has not settled. */
typedef struct held {
    char queue[ZF_NAME_MAX + 1];
    char body[64]; /* the start of it */
    uint64_t id;
    struct held *prev, *next;
} held_t;

/* The last number that a peer gave to a post to a queue. */
typedef struct posted {
    char queue[ZF_NAME_MAX + 1];
    uint64_t last;
    struct posted *next;
} posted_t;

/* One connection of a peer: what the engine knows as the host of its session. */
typedef struct link {
    peer_t *peer;
    struct link *next; /* all that there ever were */
} link_t;

struct peer {
    rig_t *rig;
    char name[32];
    uint8_t uuid[ZF_UUID_BYTES];
    link_t *link;          /* its connection now; what comes over an older one is lost */
    zf_session_t *session; /* NULL: the engine has none for it */
    bool mute;             /* sends no heartbeats */
    letter_t *inbox;       /* oldest first (utlist) */
    held_t *held;          /* oldest first (utlist) */
    posted_t *posted;
    uint64_t low; /* the lowest unconfirmed number, as its posts say it; 0: it does not know */
    uint64_t requested; /* the last number that it gave to a request */
    uint32_t pongs;     /* received; they do not lie in the inbox */
    uint32_t pings;     /* received; they do not lie in the inbox */
    peer_t *next;
};

struct rig {
    zf_engine_t *engine;
    uint64_t now_ms;
    peer_t *peers;
    link_t *links;
    peer_t *admin;       /* the one that declares */
    size_t frames;       /* there before it */
    bool audits;         /* looks at the books after each turn; default true */
    uint32_t turns;      /* of the engine */
    struct rig_log *log; /* rig_log.h; NULL: there is none */
    char notices[400];   /* the last ones, one a line */
};

/* -- the rig ----------------------------------------------------------------------------------- */

rig_t *rig_new (const zf_engine_options_t *options); /* NULL: the defaults */
void rig_free (rig_t *rig);                          /* fails if the engine kept anything */
int rig_setup (void **state);
int rig_teardown (void **state);

/* Time passes; peers that are not mute send heartbeats meanwhile. */
void rig_advance (rig_t *rig, uint64_t ms);

/* The engine's turn, and what it sends goes to the inboxes. */
void rig_turn (rig_t *rig);

void rig_declare (rig_t *rig, const char *queue, const zf_policy_t *policy);
zf_policy_t rig_policy (void); /* the defaults */
zf_queue_info_t rig_info (rig_t *rig, const char *queue);

/* -- peers ------------------------------------------------------------------------------------- */

peer_t *rig_peer (rig_t *rig, const char *name);     /* attached and welcomed */
peer_t *rig_stranger (rig_t *rig, const char *name); /* attached, has not said HELLO */
peer_t *rig_worker (rig_t *rig, const char *name, const char *queue, uint32_t credit);

void peer_hello (peer_t *peer);     /* says HELLO and takes the WELCOME */
void peer_drop (peer_t *peer);      /* its connection breaks, and the shell sees it */
void peer_reconnect (peer_t *peer); /* a new connection, the old one not noticed to be gone */
void peer_bye (peer_t *peer);
void peer_crash (peer_t *peer); /* forgets all it knew and is silent from now on */

/* Sends a message: these frames become the engine's. batch may be NULL. */
void peer_send (peer_t *peer, zf_frame_t *control, zf_frame_t *batch);
void peer_write (peer_t *peer, zf_writer_t *control, zf_frame_t *batch);

/* Records for each word of bodies, numbered on. Returns the number of the first. */
uint64_t peer_post (peer_t *peer, const char *queue, const char *bodies);
uint64_t peer_post_props (peer_t *peer, const char *queue, const char *bodies,
                          const zf_props_t *props);
uint64_t peer_post_bulk (peer_t *peer, const char *queue, uint32_t count, size_t size);
void peer_post_again (peer_t *peer, const char *queue, uint64_t first, const char *bodies,
                      uint64_t low);

uint64_t peer_request (peer_t *peer, const char *service, const char *bodies);
uint64_t peer_request_with (peer_t *peer, const char *service, const char *bodies, uint64_t ttl_ms,
                            uint32_t flags);

void peer_consume (peer_t *peer, const char *queue, uint32_t credit);
void peer_ack (peer_t *peer, const char *queue, const char *bodies);
void peer_release (peer_t *peer, const char *queue, const char *bodies);
void peer_nack (peer_t *peer, const char *queue, const char *bodies, int64_t delay_ms);
void peer_reject (peer_t *peer, const char *queue, const char *bodies, const char *reason);
void peer_extend (peer_t *peer, const char *queue, const char *bodies, uint64_t lease_ms);

/* Settles by ids, held or not. ACK or RELEASE. */
void peer_settle (peer_t *peer, unsigned command, const char *queue, uint64_t first,
                  uint64_t count);

/* Answers the request whose body was `asked` with a record for each... one word. */
void peer_answer (peer_t *peer, const char *service, const char *asked, const char *answer,
                  bool more);

/* The id of a record that the peer holds. */
uint64_t peer_held (peer_t *peer, const char *queue, const char *body);

/* Sends ADMIN; the argument is freed. NULL: nil. */
void peer_admin (peer_t *peer, const char *verb, const char *queue, zf_writer_t *argument);

/* -- what must lie in an inbox ----------------------------------------------------------------- */

#define assert_delivered(...) (rig_at (__FILE__, __LINE__), expect_delivered (__VA_ARGS__))
#define assert_confirmed(...) (rig_at (__FILE__, __LINE__), expect_confirmed (__VA_ARGS__, 0))
#define assert_refused(...)   (rig_at (__FILE__, __LINE__), expect_confirmed (__VA_ARGS__))
#define assert_answered(...)  (rig_at (__FILE__, __LINE__), expect_answered (__VA_ARGS__))
#define assert_denied(...)    (rig_at (__FILE__, __LINE__), expect_denied (__VA_ARGS__))
#define assert_error(...)     (rig_at (__FILE__, __LINE__), expect_error (__VA_ARGS__))
#define assert_done(...)      (rig_at (__FILE__, __LINE__), expect_done (__VA_ARGS__))
#define assert_reset(peer)    (rig_at (__FILE__, __LINE__), expect_reset (peer))
#define assert_silence(peer)  (rig_at (__FILE__, __LINE__), expect_silence (peer))
#define take_result(...)      (rig_at (__FILE__, __LINE__), expect_result (__VA_ARGS__))

void rig_at (const char *file, int line);

/* Deliveries of these bodies in this order, in one batch or in several, all at this attempt. */
void expect_delivered (peer_t *peer, const char *queue, const char *bodies, uint32_t attempt);

void expect_confirmed (peer_t *peer, const char *queue, uint64_t first, uint64_t count, int code);
void expect_answered (peer_t *peer, uint64_t number, const char *body, bool more);
void expect_denied (peer_t *peer, uint64_t number, int code);
void expect_error (peer_t *peer, int code);
void expect_done (peer_t *peer, uint64_t number, int code);
void expect_reset (peer_t *peer);   /* and that the engine has no session for it any more */
void expect_silence (peer_t *peer); /* the inbox is empty */

/* The RESULT of an ADMIN: fails unless it has this code. The reader stands at the value; it and
 * *body (may be NULL) are valid until the next call of this. */
zf_reader_t expect_result (peer_t *peer, int code, zf_bytes_t *body);

/* Takes a DELIVER of any records from the top; false: nothing lies there. Fails on all else. */
#define take_batch(...) (rig_at (__FILE__, __LINE__), expect_batch (__VA_ARGS__))
bool expect_batch (peer_t *peer, uint64_t *first, uint64_t *count);

/* Forgets what lies in the inbox; returns how many messages that were. */
size_t peer_forget_letters (peer_t *peer);

#endif
