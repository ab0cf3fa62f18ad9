/* A broker inside an application: its threads hand each other work over inproc, and other processes
 * may join over tcp. Nothing is installed, started or configured beside this program. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <zferry/zferry.h>

#define JOBS 10000

static const char *const inside = "inproc://queues";

/* A thread of the application that takes work until it has seen the body "stop". */
static void *take (void *arg)
{
    unsigned *done = arg;
    zf_worker_t *worker = NULL;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &inside;
    options.endpoint_count = 1;
    if (zf_worker_open (&worker, "jobs", &options, NULL) != 0)
        return NULL;
    bool stopped = false;
    while (!stopped) {
        zf_message_t message;
        if (zf_worker_recv (worker, &message, 10000, NULL) != 0)
            break;
        stopped = message.size == 4 && memcmp (message.body, "stop", 4) == 0;
        *done += !stopped;
        zf_worker_ack (worker, &message);
    }
    zf_worker_drain (worker, 5000, NULL); /* the broker has all acks after this */
    zf_worker_close (&worker);
    return NULL;
}

static int post_jobs (zf_error_t *err)
{
    zf_client_t *client = NULL;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &inside;
    options.endpoint_count = 1;
    int rc = zf_client_open (&client, &options, err);
    for (int i = 0; i < JOBS && rc == 0; i++)
        rc = zf_client_post_async (client, "jobs", &i, sizeof i, NULL, NULL, err);
    if (rc == 0)
        rc = zf_client_post (client, "jobs", "stop", 4, NULL, err);
    if (rc == 0)
        rc = zf_client_flush (client, -1, err);
    zf_client_close (&client);
    return rc;
}

static void show (void *arg, const char *name, uint64_t value)
{
    (void) arg;
    if (strcmp (name, "messages_in") == 0 || strcmp (name, "peer_errors") == 0)
        printf ("%s: %llu\n", name, (unsigned long long) value);
}

static int start_broker (zf_device_t **broker, zf_error_t *err)
{
    const char *const endpoints[] = {inside, "tcp://127.0.0.1:*"};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    return zf_broker_start (broker, &options, err);
}

int main (void)
{
    zf_device_t *broker = NULL;
    zf_error_t err;
    pthread_t thread;
    unsigned done = 0;
    int rc = start_broker (&broker, &err);
    if (rc == 0) {
        printf ("others may join at %s\n", zf_device_endpoint (broker, 1));
        rc = pthread_create (&thread, NULL, take, &done) == 0
                 ? 0
                 : zf_error_set (&err, ZF_E_NOMEM, "no thread");
    }
    if (rc == 0) {
        rc = post_jobs (&err);
        pthread_join (thread, NULL);
        printf ("done: %u of %d\n", done, JOBS);
        zf_device_stats (broker, show, NULL);
    }
    if (rc != 0)
        fprintf (stderr, "embed_broker: %s\n", err.text);
    zf_device_stop (&broker); /* after the handles: what they still hold is lost with it */
    return rc != 0 || done != JOBS;
}
