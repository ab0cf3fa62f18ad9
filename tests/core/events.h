/* Peers of the rig that publish to streams and read them.
 *
 *     reader_t r = events_subscribe (p, "s", ZF_FROM_FIRST, 0, "orders.>");
 *     assert_subscribed (&r, 0);
 *     peer_publish (p, "s", "orders.a", "x y");
 *     assert_events (&r, "x y");
 *
 * A reader checks of all it takes that it goes on where the reader was, that the ids grow and lie
 * inside of what was looked at, and that the batch has the records that it is said to have. */
#ifndef TESTS_CORE_EVENTS_H
#define TESTS_CORE_EVENTS_H

#include "tests/core/rig.h"

typedef struct {
    peer_t *peer;
    uint64_t number;
    uint64_t position;   /* what it has read ends there */
    uint64_t first;      /* of the stream, when it was subscribed */
    uint64_t missed;     /* told so far */
    uint64_t messages;   /* EVENTS so far */
    uint64_t records;    /* in them */
    uint64_t bytes;      /* of their batches */
    uint64_t id;         /* of the last record; 0: none came */
    uint64_t time_ms;    /* of the last events */
    uint32_t span_count; /* of the last events */
} reader_t;

/* Sends SUBSCRIBE with number 1 and the least window (patterns: words; "" for none). */
reader_t events_subscribe (peer_t *peer, const char *stream, zf_from_t from, uint64_t value,
                           const char *patterns);

typedef struct {
    uint64_t number, from, value, window, flags;
    const char *stream, *patterns;
} subscribe_t;
reader_t events_subscribe_as (peer_t *peer, const subscribe_t *as);

void events_read (reader_t *reader); /* READ of all that came */
void events_read_to (const reader_t *reader, uint64_t to);
void events_unsubscribe (const reader_t *reader);
void events_await (peer_t *peer, uint64_t number, const char *stream, const char *topic,
                   uint64_t count, uint64_t flags);

uint64_t peer_publish (peer_t *peer, const char *stream, const char *topic, const char *bodies);
uint64_t peer_publish_key (peer_t *peer, const char *stream, const char *key, const char *bodies);

/* Declared by the rig: a stream that keeps so many records, bytes, and for so long (0: any). */
zf_policy_t events_policy (uint64_t max_length, uint64_t max_bytes, uint64_t ttl_ms);
void events_stream (rig_t *rig, const char *name);

/* Makes a group; policy may be NULL. */
void events_group (rig_t *rig, const char *name, zf_from_t from, uint64_t value,
                   const char *patterns, const zf_policy_t *policy);
void events_forget (rig_t *rig, const char *queue, int code);
uint64_t events_trim (rig_t *rig, const char *stream, uint64_t below);

/* -- what must lie in an inbox ----------------------------------------------------------------- */

#define assert_subscribed(...) (rig_at (__FILE__, __LINE__), expect_subscribed (__VA_ARGS__))
#define assert_events(...)     (rig_at (__FILE__, __LINE__), expect_events (__VA_ARGS__))
#define assert_awaited(...)    (rig_at (__FILE__, __LINE__), expect_awaited (__VA_ARGS__))
#define take_events(...)       (rig_at (__FILE__, __LINE__), expect_any_events (__VA_ARGS__))

void expect_subscribed (reader_t *reader, int code);

/* Records with just these bodies, in one message or in several. */
void expect_events (reader_t *reader, const char *bodies);

void expect_awaited (peer_t *peer, uint64_t number, int code, uint64_t count);

/* One EVENTS, whatever is in it; false: there is none. */
bool expect_any_events (reader_t *reader);

#endif
