/* Threads around one worker handle. */
#include "crew.h"

#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TICK_MS = 100,          /* how often progress, idleness and the connection are looked at */
    REDRAIN_MS = 1,         /* a drain that only stops the deliveries */
    STACK_BYTES = 512 << 10 /* of a thread */
};

/* -- threads ----------------------------------------------------------------------------------- */

/* Reserves one message of the limit. */
static bool take_ticket (crew_t *crew)
{
    if (crew->limit == 0)
        return true;
    uint64_t taken = atomic_load (&crew->taken);
    while (taken < crew->limit)
        if (atomic_compare_exchange_weak (&crew->taken, &taken, taken + 1))
            return true;
    return false;
}

static void return_ticket (crew_t *crew)
{
    if (crew->limit != 0)
        atomic_fetch_sub (&crew->taken, 1);
}

/* Waits for a message and takes those that are there already. Returns how many; 0: the crew
 * ends. */
static size_t receive (crew_t *crew, zf_message_t *messages, int *code)
{
    size_t n = 0;
    while (n < crew->batch && take_ticket (crew)) {
        zf_error_t err = {0};
        int rc = zf_worker_recv (crew->worker, &messages[n], n == 0 ? -1 : 0, &err);
        if (rc == 0) {
            n++;
            continue;
        }
        return_ticket (crew);
        if (rc != ZF_E_AGAIN && rc != ZF_E_CLOSED && rc != ZF_E_TIMEOUT)
            *code = cli_fail_call (crew->cli, &err, true);
        if (rc != ZF_E_TIMEOUT)
            break;
    }
    return n;
}

static void *thread_main (void *arg)
{
    crew_t *crew = arg;
    zf_message_t *messages = calloc (crew->batch, sizeof *messages);
    int code = messages != NULL ? 0 : cli_fail (crew->cli, EX_OSERR, "out of memory");
    size_t n = 0;
    while (code == 0 && (n = receive (crew, messages, &code)) > 0) {
        atomic_store (&crew->active_ms, cli_now_ms ());
        int rc = crew->handle (crew, messages, n);
        code = code != 0 ? code : rc;
        atomic_store (&crew->active_ms, cli_now_ms ());
    }
    free (messages);
    int none = 0;
    if (code != 0)
        atomic_compare_exchange_strong (&crew->code, &none, code);
    atomic_fetch_sub (&crew->running, 1);
    ssize_t ignored = write (crew->wake[1], "", 1);
    (void) ignored;
    return NULL;
}

/* Starts the threads with signals blocked, so that they reach the main thread. Returns how many
 * run. */
static uint32_t start_threads (crew_t *crew, pthread_t *threads)
{
    sigset_t all;
    sigset_t before;
    pthread_attr_t attributes;
    uint32_t n = 0;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    pthread_attr_init (&attributes);
    pthread_attr_setstacksize (&attributes, STACK_BYTES);
    atomic_store (&crew->running, crew->threads);
    while (n < crew->threads && pthread_create (&threads[n], &attributes, thread_main, crew) == 0)
        n++;
    atomic_fetch_sub (&crew->running, crew->threads - n);
    pthread_attr_destroy (&attributes);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    return n;
}

/* -- the main thread --------------------------------------------------------------------------- */

static void show_progress (const crew_t *crew, const zf_worker_stats_t *stats)
{
    uint64_t ms = cli_now_ms () - crew->start_ms;
    uint64_t failed = stats->nacked + stats->rejected;
    double rate = (double) stats->received * 1000 / (double) (ms > 0 ? ms : 1);
    if (!crew->on_screen && stats->received > 0)
        cli_progress (crew->cli,
                      "%" PRIu64 " received, %" PRIu64 " done, %" PRIu64 " failed, %" PRIu64
                      " at work (%.0f/s)",
                      stats->received, stats->acked, failed, stats->held, rate);
}

static bool is_idle (crew_t *crew, const zf_worker_stats_t *stats)
{
    return crew->idle_ms > 0 && stats->held == 0 && stats->waiting == 0 &&
           cli_now_ms () >= atomic_load (&crew->active_ms) + crew->idle_ms;
}

/* Waits until the crew is to end. Returns 0, or an exit code having said why. */
static int watch (crew_t *crew)
{
    struct pollfd fds[2] = {{.fd = cli_stop_fd (), .events = POLLIN},
                            {.fd = crew->wake[0], .events = POLLIN}};
    bool greeted = false;
    char byte = 0;
    while (cli_stopped () == 0 && atomic_load (&crew->code) == 0 &&
           atomic_load (&crew->running) > 0) {
        zf_worker_stats_t stats;
        zf_worker_stats (crew->worker, &stats);
        greeted = greeted || stats.connected > 0 || stats.received > 0;
        if (!greeted && cli_now_ms () - crew->start_ms > crew->cli->timeout_ms)
            return cli_fail_no_broker (crew->cli);
        if (greeted && is_idle (crew, &stats))
            return 0;
        show_progress (crew, &stats);
        if (poll (fds, 2, TICK_MS) > 0 && fds[1].revents != 0)
            while (read (crew->wake[0], &byte, 1) == 1)
                ;
    }
    return atomic_load (&crew->code);
}

/* Lets the threads finish what they have and waits until the broker knows. */
static int finish (crew_t *crew, const pthread_t *threads, uint32_t count)
{
    zf_error_t err = {0};
    zf_worker_stats_t stats;
    zf_worker_stats (crew->worker, &stats);
    if (cli_stopped () != 0 && stats.held > 0)
        cli_note (crew->cli, "draining: %" PRIu64 " at work; a second signal ends at once",
                  stats.held);
    zf_worker_drain (crew->worker, REDRAIN_MS, NULL);
    for (uint32_t i = 0; i < count; i++)
        pthread_join (threads[i], NULL);
    zf_worker_stats (crew->worker, &stats);
    if (stats.connected == 0 && stats.received == 0)
        return 0; /* nothing that a broker would have to know */
    int timeout_ms = (int) (crew->cli->timeout_ms < INT32_MAX ? crew->cli->timeout_ms : INT32_MAX);
    if (zf_worker_drain (crew->worker, timeout_ms, &err) == 0)
        return 0;
    return cli_fail (crew->cli, EX_TEMPFAIL,
                     "the broker did not take the last acks: %s; those messages will come again",
                     err.text);
}

static void summarize (const crew_t *crew)
{
    zf_worker_stats_t stats;
    zf_worker_stats (crew->worker, &stats);
    uint64_t ms = cli_now_ms () - crew->start_ms;
    cli_note (crew->cli,
              "received %" PRIu64 " from %s in %.2f s: %" PRIu64 " done, %" PRIu64
              " failed, %" PRIu64 " rejected, %" PRIu64 " too late (%" PRIu64 " were redeliveries)",
              stats.received, crew->cli->args[0], (double) ms / 1000, stats.acked, stats.nacked,
              stats.rejected, stats.stale, stats.redelivered);
}

/* -- the run ----------------------------------------------------------------------------------- */

static bool tell_offer (void *arg, const zf_offer_t *offer)
{
    const crew_t *crew = arg;
    if (offer->is_own)
        cli_log (crew->cli, ZF_LOG_NOTICE, NULL, "%s is at %s", offer->what, offer->endpoint);
    return true;
}

/* Endpoints of one that is direct are its own. */
static int open_worker (crew_t *crew)
{
    const cli_t *cli = crew->cli;
    const char **binds = NULL;
    zf_error_t err = {0};
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    size_t count = cli_list (cli, "bind", &binds);
    options.direct = crew->direct;
    if (!crew->direct || count > 0) {
        options.endpoints = crew->direct ? binds : cli->endpoints;
        options.endpoint_count = crew->direct ? count : cli->endpoint_count;
    }
    options.peer = cli->peer;
    options.security = cli->security;
    options.credit = crew->credit;
    if (crew->hold_ms != 0)
        options.max_hold_ms = (uint32_t) crew->hold_ms;
    int rc = zf_worker_open (&crew->worker, cli->args[0], &options, &err);
    free (binds);
    if (rc != 0)
        return crew->direct ? device_fail (cli, &err) : cli_fail_call (cli, &err, false);
    if (crew->direct)
        zf_directory_find (cli->peer, NULL, tell_offer, crew);
    return 0;
}

static int run_threads (crew_t *crew)
{
    pthread_t *threads = calloc (crew->threads, sizeof *threads);
    if (threads == NULL)
        return cli_fail (crew->cli, EX_OSERR, "out of memory");
    uint32_t count = start_threads (crew, threads);
    int rc = count == crew->threads ? watch (crew)
                                    : cli_fail (crew->cli, EX_OSERR,
                                                "cannot start %u threads; give a "
                                                "smaller --concurrency",
                                                (unsigned) crew->threads);
    int finished = finish (crew, threads, count);
    free (threads);
    rc = rc != 0 ? rc : atomic_load (&crew->code);
    return rc != 0 ? rc : finished;
}

void crew_from_options (crew_t *crew, const cli_t *cli)
{
    memset (crew, 0, sizeof *crew);
    crew->cli = cli;
    crew->batch = 1;
    crew->threads = (uint32_t) cli_number (cli, "concurrency", 1);
    crew->limit = cli_number (cli, "count", 0);
    crew->idle_ms = cli_number (cli, "idle", 0);
    crew->credit = (uint32_t) cli_number (cli, "credit", 0);
    crew->hold_ms = cli_number (cli, "hold", 0);
}

int crew_run (crew_t *crew)
{
    crew->start_ms = cli_now_ms ();
    atomic_store (&crew->active_ms, crew->start_ms);
    if (pipe2 (crew->wake, O_CLOEXEC | O_NONBLOCK) != 0)
        return cli_fail (crew->cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    int rc = open_worker (crew);
    if (rc == 0) {
        rc = run_threads (crew);
        if (rc != EX_UNAVAILABLE)
            summarize (crew);
        zf_worker_close (&crew->worker);
    }
    close (crew->wake[0]);
    close (crew->wake[1]);
    bool unfinished = crew->limit != 0 && atomic_load (&crew->taken) < crew->limit;
    return rc == 0 && unfinished && cli_stopped () != 0 ? 128 + cli_stopped () : rc;
}
