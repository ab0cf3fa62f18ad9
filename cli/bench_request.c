/* bench request: the time of one request and its reply through a broker process to a worker
 * process, beside that of the same four hops on bare libzmq; or, direct, to a worker process that
 * has its broker inside, beside two hops.
 *
 * Rounds of both alternate, so that what else the machine does meets both alike. Idle processes
 * of the other side are there all the time. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "bench.h"
#include "bench_raw.h"

#define COUNT      20000 /* requests measured, default */
#define SIZE       100   /* bytes of a body, default */
#define WARM_UP    1000  /* requests before the first one that counts */
#define ROUND_WARM 50    /* before each round: the other side has had the caches */
#define ROUNDS     10    /* of each side */
#define TIMEOUT_MS 10000

/* A side that is measured. */
typedef struct {
    uint64_t *ns;   /* latencies */
    uint64_t count; /* of them */
} times_t;

typedef struct {
    const cli_t *cli;
    bench_crew_t *crew;
    const char *service; /* where the echo worker is */
    unsigned char *body;
    size_t size;         /* of body */
    zf_client_t *client; /* one side, */
    bench_raw_t raw;     /* the other */
    times_t zferry_times;
    times_t raw_times;
    uint64_t wrong; /* answers that are not the question */
    char dir[128];  /* of ipc sockets; "": none */
} request_bench_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"transport", "transport", CLI_COLUMN_TEXT},
    {"direct", "direct", CLI_COLUMN_TEXT},
    {"size", "body bytes", CLI_COLUMN_NUMBER},
    {"count", "requests", CLI_COLUMN_NUMBER},
    {"p50_us", "p50, us", CLI_COLUMN_NUMBER},
    {"raw_p50_us", "p50 of bare libzmq, us", CLI_COLUMN_NUMBER},
    {"ratio_p50", "ratio", CLI_COLUMN_NUMBER},
    {"p99_us", "p99, us", CLI_COLUMN_NUMBER},
    {"raw_p99_us", "p99 of bare libzmq, us", CLI_COLUMN_NUMBER},
    {"ratio_p99", "ratio", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- one request ------------------------------------------------------------------------------- */

static int ask_zferry (request_bench_t *self)
{
    zf_error_t err = {0};
    zf_message_t reply;
    int rc =
        zf_client_request (self->client, self->service, self->body, self->size, NULL, &reply, &err);
    if (rc != 0)
        return cli_client_fail (self->cli, self->client, &err);
    if (reply.size != self->size || memcmp (reply.body, self->body, self->size) != 0)
        self->wrong++;
    zf_message_release (&reply);
    return 0;
}

static int ask_raw (request_bench_t *self)
{
    if (bench_raw_request (&self->raw, self->body, self->size))
        return 0;
    return cli_fail (self->cli, EX_UNAVAILABLE, "the bare libzmq side did not answer: %s",
                     zmq_strerror (errno));
}

/* -- rounds ------------------------------------------------------------------------------------ */

typedef int ask_fn (request_bench_t *self);

/* Asks count times; the times are kept unless it is to warm up (times NULL). */
static int ask_many (request_bench_t *self, ask_fn *ask, times_t *times, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        bench_body_stamp (self->body, 0, i, 0);
        uint64_t start_ns = bench_now_ns ();
        int rc = ask (self);
        if (rc != 0)
            return rc;
        if (times != NULL)
            times->ns[times->count++] = bench_now_ns () - start_ns;
        if (cli_stopped () != 0)
            return cli_fail (self->cli, EX_TEMPFAIL, "stopped before the end");
    }
    return 0;
}

static int ask_round (request_bench_t *self, bool raw, uint64_t count)
{
    ask_fn *ask = raw ? ask_raw : ask_zferry;
    int rc = ask_many (self, ask, NULL, ROUND_WARM);
    if (rc == 0)
        rc = ask_many (self, ask, raw ? &self->raw_times : &self->zferry_times, count);
    return rc == 0 ? bench_crew_look (self->crew) : rc;
}

static int ask_all (request_bench_t *self, uint64_t count)
{
    int rc = ask_many (self, ask_zferry, NULL, WARM_UP);
    if (rc == 0)
        rc = ask_many (self, ask_raw, NULL, WARM_UP);
    for (uint64_t i = 0; rc == 0 && i < ROUNDS; i++) {
        uint64_t share = count / ROUNDS + (i < count % ROUNDS ? 1 : 0);
        bool raw_first = i % 2 == 1;
        cli_progress (self->cli, "round %" PRIu64 " of %d", i + 1, ROUNDS);
        rc = ask_round (self, raw_first, share);
        if (rc == 0)
            rc = ask_round (self, !raw_first, share);
    }
    return rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

/* Where the forwarder and a direct worker are to bind: to what the system chooses. */
static int place_sides (request_bench_t *self, bench_transport_t transport)
{
    bench_board_t *board = self->crew->board;
    bool tcp = transport == BENCH_TCP;
    int rc = tcp ? 0 : bench_make_dir (self->cli, self->dir, sizeof self->dir);
    const struct {
        char *endpoint;
        const char *name;
    } places[] = {
        {board->raw_front, "front"}, {board->raw_back, "back"}, {board->order.endpoint, "direct"}};
    for (size_t i = 0; i < (board->order.direct ? 3 : 2); i++) {
        if (tcp)
            snprintf (places[i].endpoint, BENCH_ENDPOINT_MAX, "tcp://127.0.0.1:*");
        else
            snprintf (places[i].endpoint, BENCH_ENDPOINT_MAX, "ipc://%s/%s", self->dir,
                      places[i].name);
    }
    return rc;
}

static void remove_sides (request_bench_t *self)
{
    static const char *const names[] = {"front", "back", "direct"};
    char path[sizeof self->dir + 16];
    if (self->dir[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf (path, sizeof path, "%s/%s", self->dir, names[i]);
        unlink (path);
    }
    rmdir (self->dir);
}

/* Hires both sides' processes. The raw worker needs to know where its forwarder is. */
static int hire_all (bench_crew_t *crew)
{
    bool direct = crew->board->order.direct;
    int rc = bench_crew_hire (crew, "echo", 0);
    if (rc == 0)
        rc =
            direct ? bench_crew_hire (crew, "raw-echo", 1) : bench_crew_hire (crew, "forwarder", 0);
    if (rc == 0)
        rc = bench_crew_await_ready (crew);
    if (rc == 0 && !direct)
        rc = bench_crew_hire (crew, "raw-worker", 1);
    return rc == 0 ? bench_crew_await_ready (crew) : rc;
}

static int open_sides (request_bench_t *self)
{
    const char *front = self->crew->board->raw_front;
    self->cli = self->crew->cli;
    int rc = cli_client_open (self->cli, NULL, &self->client);
    if (rc == 0 && bench_raw_open (&self->raw, front, TIMEOUT_MS) != 0)
        rc = cli_fail (self->cli, EX_UNAVAILABLE, "can't connect bare libzmq: %s",
                       zmq_strerror (errno));
    return rc;
}

static bool make_room (request_bench_t *self, uint64_t count)
{
    self->body = malloc (self->size);
    self->zferry_times.ns = malloc (count * sizeof (uint64_t));
    self->raw_times.ns = malloc (count * sizeof (uint64_t));
    if (self->body == NULL || self->zferry_times.ns == NULL || self->raw_times.ns == NULL)
        return false;
    bench_body_fill (self->body, self->size);
    return true;
}

static int report (request_bench_t *self, bench_transport_t transport)
{
    const times_t *mine = &self->zferry_times, *raw = &self->raw_times;
    double p50 = bench_percentile_us (mine->ns, mine->count, 0.5);
    double p99 = bench_percentile_us (mine->ns, mine->count, 0.99);
    double raw_p50 = bench_percentile_us (raw->ns, raw->count, 0.5);
    double raw_p99 = bench_percentile_us (raw->ns, raw->count, 0.99);
    json_t *row = bench_row ("request", transport);
    json_object_set_new (row, "direct", json_boolean (self->crew->board->order.direct));
    json_object_set_new (row, "size", json_integer ((json_int_t) self->size));
    json_object_set_new (row, "count", json_integer ((json_int_t) mine->count));
    json_object_set_new (row, "p50_us", bench_real (self->cli, p50, 1));
    json_object_set_new (row, "p99_us", bench_real (self->cli, p99, 1));
    json_object_set_new (row, "raw_p50_us", bench_real (self->cli, raw_p50, 1));
    json_object_set_new (row, "raw_p99_us", bench_real (self->cli, raw_p99, 1));
    json_object_set_new (row, "ratio_p50", bench_ratio (self->cli, p50, raw_p50, 3));
    json_object_set_new (row, "ratio_p99", bench_ratio (self->cli, p99, raw_p99, 3));
    json_object_set_new (row, "wrong", json_integer ((json_int_t) self->wrong));
    int rc = cli_print_object (self->cli, columns, row);
    if (self->wrong > 0)
        return cli_fail (self->cli, EX_SOFTWARE, "%" PRIu64 " answers are wrong; that is a bug",
                         self->wrong);
    return rc;
}

static int measure (request_bench_t *self, bench_transport_t transport, uint64_t count)
{
    int rc = place_sides (self, transport);
    if (rc == 0)
        rc = hire_all (self->crew);
    if (rc != 0)
        return rc;
    self->service = self->crew->board->order.queue;
    if (!make_room (self, count))
        return cli_fail (self->cli, EX_OSERR, "out of memory");
    rc = open_sides (self);
    if (rc == 0)
        rc = ask_all (self, count);
    if (rc == 0)
        rc = bench_crew_finish (self->crew);
    return rc == 0 ? report (self, transport) : rc;
}

int bench_request (const cli_t *cli)
{
    static bench_crew_t crew;
    request_bench_t self = {.cli = cli, .crew = &crew, .size = cli_number (cli, "size", SIZE)};
    bench_transport_t transport;
    int rc = bench_transport (cli, &transport);
    if (rc != 0)
        return rc;
    if (transport == BENCH_INPROC)
        return cli_misuse (cli, "--transport is tcp or ipc: it takes three processes");
    bool direct = cli_has (cli, "direct");
    if (direct && cli_has (cli, "connect"))
        return cli_misuse (cli, "--direct and --connect exclude each other");
    bench_order_t order = {.size = self.size, .sample_every = 1, .workers = 2, .direct = direct};
    rc = bench_crew_open_host (&crew, cli, &order, transport, NULL,
                               direct ? BENCH_HOST_NONE : BENCH_HOST_BROKER);
    if (rc == 0)
        rc = measure (&self, transport, cli_number (cli, "count", COUNT));
    zf_client_close (&self.client);
    bench_raw_close (&self.raw);
    bench_crew_close (&crew);
    remove_sides (&self);
    free (self.body);
    free (self.zferry_times.ns);
    free (self.raw_times.ns);
    return rc;
}
