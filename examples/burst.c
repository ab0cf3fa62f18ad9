/* A burst: for half a second records come ten times as fast as the workers can take them. The
 * broker's queue, on disk, takes them all at once, and the workers drain it at their own pace.
 *
 *   burst DIR       of the broker's journal */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <zferry/zferry.h>

#define RECORDS   10000
#define POST_RATE 20000 /* records a second */
#define WORK_RATE 2000
#define CHUNK     20 /* records between pauses */

static atomic_uint posted, done;

static uint64_t now_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* Sleeps until it is time for the n-th record, counted from start. */
static void keep_pace (uint64_t start, unsigned n, unsigned rate)
{
    uint64_t due = start + (uint64_t) n * 1000000000 / rate;
    uint64_t now = now_ns ();
    if (n % CHUNK != 0 || due <= now)
        return;
    struct timespec pause = {(time_t) ((due - now) / 1000000000),
                             (long) ((due - now) % 1000000000)};
    nanosleep (&pause, NULL);
}

static void *produce (void *arg)
{
    zf_client_t *client = NULL;
    zf_client_options_t options;
    const char *endpoint = arg;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    int rc = zf_client_open (&client, &options, NULL);
    uint64_t start = now_ns ();
    for (unsigned i = 1; i <= RECORDS && rc == 0; i++) {
        rc = zf_client_post_async (client, "jobs", &i, sizeof i, NULL, NULL, NULL);
        atomic_fetch_add (&posted, rc == 0);
        keep_pace (start, i, POST_RATE);
    }
    if (rc == 0)
        rc = zf_client_flush (client, -1, NULL);
    printf ("all posts are confirmed after %.2f s%s\n", (double) (now_ns () - start) / 1e9,
            rc == 0 ? "" : ": no, something failed");
    zf_client_close (&client);
    return NULL;
}

static void *work (void *arg)
{
    zf_worker_t *worker = NULL;
    zf_worker_options_t options;
    const char *endpoint = arg;
    zf_message_t message;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    if (zf_worker_open (&worker, "jobs", &options, NULL) != 0)
        return NULL;
    uint64_t start = now_ns ();
    for (unsigned i = 1; i <= RECORDS && zf_worker_recv (worker, &message, 10000, NULL) == 0; i++) {
        zf_worker_ack (worker, &message);
        atomic_fetch_add (&done, 1);
        keep_pace (start, i, WORK_RATE);
    }
    zf_worker_drain (worker, 5000, NULL);
    zf_worker_close (&worker);
    return NULL;
}

static void show (void)
{
    uint64_t start = now_ns ();
    unsigned so_far = 0;
    printf ("   time   posted     done  waiting\n");
    while (so_far < RECORDS && now_ns () - start < UINT64_C (60000000000)) {
        struct timespec pause = {0, 250000000};
        nanosleep (&pause, NULL);
        unsigned in = atomic_load (&posted);
        so_far = atomic_load (&done);
        printf ("%5.2f s %8u %8u %8u\n", (double) (now_ns () - start) / 1e9, in, so_far,
                in - so_far);
        fflush (stdout);
    }
}

int main (int argc, char **argv)
{
    static char endpoint[] = "inproc://burst";
    const char *endpoints = endpoint;
    zf_device_t *broker = NULL;
    zf_broker_options_t options;
    zf_error_t err;
    pthread_t producer, worker;
    if (argc < 2) {
        fprintf (stderr, "usage: burst DIR\n");
        return 2;
    }
    zf_broker_defaults (&options);
    options.endpoints = &endpoints;
    options.journal = argv[1];
    if (zf_broker_start (&broker, &options, &err) != 0) {
        fprintf (stderr, "burst: %s\n", err.text);
        return 1;
    }
    pthread_create (&worker, NULL, work, endpoint);
    pthread_create (&producer, NULL, produce, endpoint);
    show ();
    pthread_join (producer, NULL);
    pthread_join (worker, NULL);
    zf_device_stop (&broker);
    printf ("done: %u of %d\n", atomic_load (&done), RECORDS);
    return atomic_load (&done) != RECORDS;
}
