/* Those who make records: post, publish, and ask. */
#include "roles.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum {
    TURN_MS = 10,     /* so often a producer wakes up */
    FLUSH_MS = 30000, /* waited at the end for confirms */
    CALL_MS = 2000    /* of one call: then it is tried again, or ended */
};

/* -- pace -------------------------------------------------------------------------------------- */

typedef struct {
    uint64_t begin_ms; /* when it began */
    uint64_t made;     /* records since then */
} pace_t;

static uint64_t now_ms (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Waits until the next record is due. */
static void keep_pace (pace_t *pace, uint64_t rate)
{
    const struct timespec turn = {.tv_nsec = TURN_MS * 1000000L};
    if (pace->begin_ms == 0)
        pace->begin_ms = now_ms ();
    while (!stopped && (now_ms () - pace->begin_ms) * rate < pace->made * 1000)
        nanosleep (&turn, NULL);
    pace->made++;
}

/* -- posting and publishing -------------------------------------------------------------------- */

static void on_confirm (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    job_t *job = arg;
    (void) queue;
    if (code == 0)
        book_write (&job->book, "confirmed %" PRIu64 " %" PRIu64, first, count);
    else
        book_write (&job->book, "refused %" PRIu64 " %" PRIu64 " %d", first, count, code);
}

/* What took a body, and said which number it is, must go on from the one before. */
static int check_number (job_t *job, uint64_t expected, uint64_t number)
{
    if (number != expected)
        book_write (&job->book, "damaged number %" PRIu64 " is not %" PRIu64, number, expected);
    return 0;
}

int role_post (job_t *job, zf_error_t *err)
{
    static char body[BODY_MAX];
    zf_client_t *client = NULL;
    zf_client_options_t options;
    pace_t pace = {0};
    uint64_t number = 0;
    zf_client_defaults (&options);
    options.endpoints = &job->endpoint;
    options.endpoint_count = 1;
    options.name = job->name;
    options.timeout_ms = CALL_MS;
    options.on_confirm = on_confirm;
    options.arg = job;
    options.outbox = job->outbox;
    options.security = job->security;
    int rc = zf_client_open (&client, &options, err);
    for (uint64_t next = 1; rc == 0 && !stopped; keep_pace (&pace, job->rate)) {
        size_t size = body_make (body, job->name, next);
        rc = zf_client_post_async (client, job->on, body, size, NULL, &number, err);
        if (rc == 0)
            check_number (job, next++, number);
        else if (rc == ZF_E_TIMEOUT)
            rc = 0;
    }
    if (rc == 0)
        rc = zf_client_flush (client, FLUSH_MS, err);
    zf_client_close (&client);
    return rc;
}

int role_publish (job_t *job, zf_error_t *err)
{
    static char body[BODY_MAX];
    zf_publisher_t *publisher = NULL;
    zf_publisher_options_t options;
    pace_t pace = {0};
    uint64_t number = 0;
    zf_publisher_defaults (&options);
    options.endpoints = &job->endpoint;
    options.endpoint_count = 1;
    options.stream = job->on;
    options.name = job->name;
    options.timeout_ms = CALL_MS;
    options.on_confirm = on_confirm;
    options.arg = job;
    options.security = job->security;
    int rc = zf_publisher_open (&publisher, &options, err);
    for (uint64_t next = 1; rc == 0 && !stopped; keep_pace (&pace, job->rate)) {
        size_t size = body_make (body, job->name, next);
        rc = zf_publisher_publish (publisher, next % 2 ? "a.odd" : "a.even", body, size, NULL,
                                   &number, err);
        if (rc == 0)
            check_number (job, next++, number);
        else if (rc == ZF_E_TIMEOUT)
            rc = 0;
    }
    if (rc == 0)
        rc = zf_publisher_flush (publisher, FLUSH_MS, err);
    zf_publisher_close (&publisher);
    return rc;
}

/* -- asking ------------------------------------------------------------------------------------ */

static void book_answer (job_t *job, const zf_message_t *reply, const char *body, size_t size)
{
    if (reply->size == size && memcmp (reply->body, body, size) == 0)
        book_write (&job->book, "answered");
    else
        book_write (&job->book, "damaged answer of %zu bytes", reply->size);
}

int role_ask (job_t *job, zf_error_t *err)
{
    static char body[BODY_MAX];
    zf_client_t *client = NULL;
    zf_client_options_t options;
    pace_t pace = {0};
    zf_client_defaults (&options);
    options.endpoints = &job->endpoint;
    options.endpoint_count = 1;
    options.name = job->name;
    options.timeout_ms = CALL_MS;
    options.security = job->security;
    int rc = zf_client_open (&client, &options, err);
    for (uint64_t i = 1; rc == 0 && !stopped; i++, keep_pace (&pace, job->rate)) {
        zf_message_t reply;
        size_t size = body_make (body, job->name, i);
        int asked = zf_client_request (client, job->on, body, size, NULL, &reply, NULL);
        if (asked == 0)
            book_answer (job, &reply, body, size);
        else
            book_write (&job->book, "failed %d", asked);
        zf_message_release (&reply);
    }
    zf_client_close (&client);
    return rc;
}
