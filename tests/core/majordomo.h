/* What clients and workers of both Majordomo versions say and hear, for tests that hold for either.
 *
 * majordomo_cases runs a test twice: with MDP/0.1 and MDP/0.2 peers. The service is "echo". */
#ifndef TESTS_CORE_MAJORDOMO_H
#define TESTS_CORE_MAJORDOMO_H

#include "tests/core/talk.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct {
    const char *request; /* of a client, up to the service */
    const char *reply;   /* to a client, up to the service */
    const char *worker;  /* up to the command */
    const char *final;   /* commands of a worker */
    const char *heartbeat;
    const char *disconnect;
} majordomo_t;

static const majordomo_t majordomo_1 = {"|MDPC01|", "|MDPC01|", "|MDPW01|", "\3", "\4", "\5"};
static const majordomo_t majordomo_2 = {"MDPC02|\1|", "MDPC02|\3|", "MDPW02|", "\4", "\5", "\6"};

typedef struct {
    const majordomo_t *v;
    talk_t *talk;
    zf_counters_t *counters;
} case_t;

static inline int majordomo_setup (void **state)
{
    case_t *c = calloc (1, sizeof *c);
    assert_non_null (c);
    c->v = *state;
    c->talk = talk_new ();
    c->counters = &talk_engine (c->talk)->counters;
    *state = c;
    return 0;
}

/* A new engine. */
static inline void majordomo_anew (case_t *c)
{
    talk_free (c->talk);
    c->talk = talk_new ();
    c->counters = &talk_engine (c->talk)->counters;
}

static inline int majordomo_teardown (void **state)
{
    case_t *c = *state;
    talk_free (c->talk);
    free (c);
    return 0;
}

#define majordomo_case(test, version)                                       \
    {                                                                       \
#test " (" #version ")", test, majordomo_setup, majordomo_teardown, \
            (void *) (uintptr_t) &majordomo_##version                       \
    }
#define majordomo_cases(test) majordomo_case (test, 1), majordomo_case (test, 2)

static inline void ready (case_t *c, const char *worker)
{
    talk_say (c->talk, worker, "%s\1|echo", c->v->worker);
}

static inline void ask (case_t *c, const char *client, const char *body)
{
    talk_say (c->talk, client, "%secho|%s", c->v->request, body);
}

static inline void answer (case_t *c, const char *worker, const char *client, const char *body)
{
    talk_say (c->talk, worker, "%s%s|%s||%s", c->v->worker, c->v->final, client, body);
}

static inline void heartbeat (case_t *c, const char *worker)
{
    talk_say (c->talk, worker, "%s%s", c->v->worker, c->v->heartbeat);
}

static inline void expect_request (case_t *c, const char *worker, const char *client,
                                   const char *body)
{
    talk_expect (c->talk, worker, "%s\2|%s||%s", c->v->worker, client, body);
}

static inline void expect_reply (case_t *c, const char *client, const char *body)
{
    talk_expect (c->talk, client, "%secho|%s", c->v->reply, body);
}

static inline void expect_heartbeat (case_t *c, const char *worker)
{
    talk_expect (c->talk, worker, "%s%s", c->v->worker, c->v->heartbeat);
}

/* The worker was sent DISCONNECT, nothing else, and has no session any more. */
static inline void expect_expelled (case_t *c, const char *worker)
{
    talk_expect (c->talk, worker, "%s%s", c->v->worker, c->v->disconnect);
    talk_expect_silence (c->talk, worker);
    assert_null (talk_session (c->talk, worker));
}

/* Nobody waits for anything, and nothing is queued. */
static inline void expect_rest (case_t *c)
{
    zf_queue_t *queue = zf_engine_find (talk_engine (c->talk), zf_bytes_of ("echo"));
    if (queue == NULL)
        return;
    assert_int_equal (queue->length, 0);
    assert_int_equal (queue->leased, 0);
}

#endif
