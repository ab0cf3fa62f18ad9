/* A rig for dialects that are made of frames: peers say messages to an engine and get messages from
 * it, without sockets, on a clock that only talk_advance moves.
 *
 * A message is written as its frames with | between them: "|MDPC01|echo|hello" is an empty frame
 * and three more, "" is one empty frame. Frames with a | or a zero byte in them: talk_say_frames
 * and talk_take.
 * A peer is its routing id. Its session is made by its first message, of the dialect that
 * recognises it (talk_join: of a given one), and forgotten when the engine ends it. A first
 * message that no dialect recognises is ignored.
 * Each received frame has a block of its own, so that reading behind its end is caught. */
#ifndef TESTS_CORE_TALK_H
#define TESTS_CORE_TALK_H

#include "core/engine.h"

#define TALK_FRAMES_MAX 80

typedef struct talk talk_t;

/* A message to a peer; views of it are valid until the peer's next talk_take or talk_expect. */
typedef struct {
    size_t count;
    zf_bytes_t frames[TALK_FRAMES_MAX];
} talk_message_t;

/* Options as they come, but for max_attempts 3, no backoff and the times below. */
#define TALK_LEASE_MS UINT64_C (5000)
#define TALK_BEAT_MS  UINT64_C (1000)
#define TALK_IDLE_MS  UINT64_C (10000)

talk_t *talk_new (void);
void talk_free (talk_t *talk);
zf_engine_t *talk_engine (talk_t *talk);

/* The peer speaks this dialect from now on, whatever its messages look like. */
void talk_join (talk_t *talk, const char *peer, const zf_dialect_t *dialect);

/* One that has joined, and has no session, gets one that has this key. */
void talk_identify (talk_t *talk, const char *peer, const zf_subject_t *subject);

/* The peer says something, and a turn passes. */
void talk_say (talk_t *talk, const char *peer, const char *format, ...) ZF_PRINTF (3, 4);
void talk_say_frames (talk_t *talk, const char *peer, const zf_bytes_t *frames, size_t count);

/* The same without a turn: messages of one turn. */
void talk_put (talk_t *talk, const char *peer, const char *format, ...) ZF_PRINTF (3, 4);
void talk_turn (talk_t *talk);

/* Turns pass, one for each deadline on the way. */
void talk_advance (talk_t *talk, uint64_t ms);

/* The peer's connection is gone. */
void talk_detach (talk_t *talk, const char *peer);

/* The next message that the peer got is this. */
void talk_expect (talk_t *talk, const char *peer, const char *format, ...) ZF_PRINTF (3, 4);

/* The peer got nothing more. */
void talk_expect_silence (talk_t *talk, const char *peer);

/* Forgets what the peer got so far. Returns how many messages that were. */
size_t talk_skip (talk_t *talk, const char *peer);

/* The next message that the peer got; fails the test if there is none. */
const talk_message_t *talk_take (talk_t *talk, const char *peer);

/* The peer's session, NULL: it has none. */
zf_session_t *talk_session (talk_t *talk, const char *peer);

#endif
