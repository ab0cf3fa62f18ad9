/* A worker: takes the records of a queue until it is told to stop. It answers requests with their
 * body in capitals, and acks what was only posted.
 *
 *   worker QUEUE [ENDPOINT]       default tcp://127.0.0.1:5555 */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <zferry/zferry.h>

static volatile sig_atomic_t stopped;

static void stop (int number)
{
    (void) number;
    stopped = 1;
}

/* The work. A reply also acks, and on a record that nobody waits for it is just that ack. A worker
 * that can't do it would zf_worker_nack (again later) or zf_worker_reject (never). */
static void work (zf_worker_t *worker, zf_message_t *message)
{
    char *answer = malloc (message->size + 1);
    for (size_t i = 0; answer != NULL && i < message->size; i++)
        answer[i] = (char) toupper (((const unsigned char *) message->body)[i]);
    if (answer == NULL || zf_worker_reply (worker, message, answer, message->size, NULL) != 0)
        zf_worker_nack (worker, message, -1); /* harmless if the lease was lost */
    free (answer);
}

int main (int argc, char **argv)
{
    const char *queue = argc > 1 ? argv[1] : "jobs";
    const char *endpoint = argc > 2 ? argv[2] : "tcp://127.0.0.1:5555";
    zf_worker_t *worker = NULL;
    zf_error_t err;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint; /* with several, all are served at the same time */
    options.endpoint_count = 1;
    signal (SIGINT, stop);
    signal (SIGTERM, stop);
    if (zf_worker_open (&worker, queue, &options, &err) != 0) {
        fprintf (stderr, "worker: %s\n", err.text);
        return 1;
    }
    while (!stopped) {
        zf_message_t message;
        if (zf_worker_recv (worker, &message, 200, NULL) == 0)
            work (worker, &message);
    }
    zf_worker_stats_t stats;
    int rc = zf_worker_drain (worker, 5000, &err); /* what others could do goes back to the queue */
    zf_worker_stats (worker, &stats);
    printf ("%s: %llu done\n", queue, (unsigned long long) stats.acked);
    zf_worker_close (&worker);
    return rc != 0;
}
