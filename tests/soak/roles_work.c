/* Those who take records: work, read, and serve. What was got is booked before it is
 * acknowledged. */
#include "roles.h"

#include <inttypes.h>

enum {
    WAIT_MS = 200, /* for a record; then it is looked whether to stop */
    DRAIN_MS = 30000,
    NACK_EVERY = 997 /* one in so many is given back once */
};

static void book_got (const job_t *job, const zf_message_t *message)
{
    char producer[NAME_MAX_BYTES] = "";
    uint64_t number = 0;
    if (body_read (message->body, message->size, producer, &number))
        book_write (&job->book, "got %s %" PRIu64, producer, number);
    else
        book_write (&job->book, "damaged %zu bytes of %s", message->size, producer);
}

static void do_record (const job_t *job, zf_worker_t *worker, zf_message_t *message)
{
    if (message->id % NACK_EVERY == 0 && message->attempt == 1) {
        zf_worker_nack (worker, message, -1);
        return;
    }
    book_got (job, message);
    zf_worker_ack (worker, message);
}

static void answer (const job_t *job, zf_worker_t *worker, zf_message_t *message)
{
    (void) job;
    zf_worker_reply (worker, message, message->body, message->size, NULL);
}

static int run_worker (job_t *job, void (*settle) (const job_t *, zf_worker_t *, zf_message_t *),
                       zf_error_t *err)
{
    zf_worker_t *worker = NULL;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &job->endpoint;
    options.endpoint_count = 1;
    options.name = job->name;
    options.security = job->security;
    int rc = zf_worker_open (&worker, job->on, &options, err);
    while (rc == 0 && !stopped) {
        zf_message_t message;
        rc = zf_worker_recv (worker, &message, WAIT_MS, err);
        if (rc == 0)
            settle (job, worker, &message);
        else if (rc == ZF_E_TIMEOUT)
            rc = 0;
    }
    if (rc == 0)
        zf_worker_drain (worker, DRAIN_MS, NULL); /* stale: others do again what we have done */
    zf_worker_close (&worker);
    return rc;
}

int role_work (job_t *job, zf_error_t *err)
{
    return run_worker (job, do_record, err);
}

int role_serve (job_t *job, zf_error_t *err)
{
    return run_worker (job, answer, err);
}

static void on_gap (void *arg, const zf_gap_t *gap)
{
    job_t *job = arg;
    book_write (&job->book, "gap %" PRIu64 " %.100s", gap->count, gap->why);
}

int role_read (job_t *job, zf_error_t *err)
{
    zf_subscriber_t *subscriber = NULL;
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = &job->endpoint;
    options.endpoint_count = 1;
    options.stream = job->on;
    options.group = job->group;
    options.name = job->name;
    options.start.from = ZF_FROM_FIRST;
    options.on_gap = on_gap;
    options.arg = job;
    options.security = job->security;
    int rc = zf_subscriber_open (&subscriber, &options, err);
    while (rc == 0 && !stopped) {
        zf_message_t message;
        rc = zf_subscriber_recv (subscriber, &message, WAIT_MS, err);
        if (rc == 0) {
            book_got (job, &message);
            zf_subscriber_ack (subscriber, &message);
        } else if (rc == ZF_E_TIMEOUT || rc == ZF_E_NOT_FOUND)
            rc = 0;
    }
    zf_subscriber_close (&subscriber);
    return rc;
}
