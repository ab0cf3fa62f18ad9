/* A broker that says what the test tells it to: a ROUTER for one native peer. It greets by itself,
 * and answers PING; all else is the test's.
 *
 * Threads: the test's own. The peer is looked after by its keeper, or by the test's calls. */
#ifndef TESTS_PATTERNS_SCRIPT_H
#define TESTS_PATTERNS_SCRIPT_H

#include "core/native.h"
#include "devices/socket.h"

typedef struct {
    zf_socket_t router;
    char endpoint[64];
    uint8_t peer[256]; /* routing id of the last one who said something */
    size_t peer_size;
    char source[ZF_UUID_BYTES + 1]; /* told in the WELCOME */
    zf_writer_t heard;              /* the control frame heard last */
    zf_writer_t control;            /* the one to be said */
} script_t;

void script_open (script_t *script, const char *source);
void script_close (script_t *script);

/* Hears until this command comes, others are dropped; *r reads its arguments. Fails the test if it
 * does not come. */
void script_expect (script_t *script, unsigned command, zf_reader_t *r);

/* Ends the session: the peer greets again, and hears of this source. */
void script_reset (script_t *script, const char *source);

/* SUBSCRIBED; first is the same as next. */
void script_subscribed (script_t *script, uint64_t number, uint64_t next, uint64_t missed);
void script_refused (script_t *script, uint64_t number, int code, const char *text);

/* EVENTS with a record for each word of bodies; "" stands for no batch. spans end with a 0; NULL:
 * there are none. */
typedef struct {
    uint64_t number, from, to, missed, time_ms, first;
    const uint64_t *spans;
    const char *bodies;
    bool damaged;     /* the batch does not match its checksum */
    uint32_t lacking; /* records that its header tells of and that are not there */
} script_events_t;
void script_events (script_t *script, const script_events_t *events);

/* RESULT of this number. */
void script_result (script_t *script, uint64_t number, int code, const char *text);

#endif
