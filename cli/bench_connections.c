/* bench connections: what a broker process costs while many clients are connected and none of
 * them does anything.
 *
 * The clients are zf_client handles that the broker has answered, spread over processes as each
 * process has a limited number of sockets and descriptors. */
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"

#define COUNT       10000 /* clients, default */
#define SECONDS_MS  20000 /* measured, default: in this time each idle client pings once */
#define PER_PROCESS 1000  /* clients of one process: within the 1,023 sockets of libzmq's default */
#define SETTLE_MS   1000  /* between the last connection and the measurement */
#define SPARE_FDS   200   /* descriptors of the broker beside connections */

typedef struct {
    uint64_t connected;    /* clients connected at the end */
    uint64_t cpu_ns;       /* of the broker while it was idle */
    uint64_t clients_ns;   /* of all client processes in that time */
    uint64_t wall_ns;      /* how long that was */
    uint64_t connect_ms;   /* until all were connected */
    uint64_t before_bytes; /* memory of the broker before the first one */
    uint64_t after_bytes;  /* and with all of them */
} result_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"transport", "transport", CLI_COLUMN_TEXT},
    {"count", "idle clients", CLI_COLUMN_NUMBER},
    {"connected", "still connected at the end", CLI_COLUMN_NUMBER},
    {"processes", "client processes", CLI_COLUMN_NUMBER},
    {"connect_ms", "time to connect them", CLI_COLUMN_MS},
    {"seconds", "measured seconds", CLI_COLUMN_NUMBER},
    {"broker_cpu_percent", "broker CPU, % of a core", CLI_COLUMN_NUMBER},
    {"clients_cpu_percent", "all clients' CPU, % of a core", CLI_COLUMN_NUMBER},
    {"broker_rss_mb", "broker memory, MB", CLI_COLUMN_NUMBER},
    {"broker_bytes_per_client", "of which for a client", CLI_COLUMN_BYTES},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

static uint64_t clients_cpu_ns (const bench_crew_t *crew)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < crew->hired_count; i++)
        sum += bench_cpu_ns (crew->hired[i].child.pid);
    return sum;
}

static int wait_idle (bench_crew_t *crew, uint64_t ms, const char *what)
{
    uint64_t end = cli_now_ms () + ms;
    for (uint64_t now = cli_now_ms (); now < end; now = cli_now_ms ()) {
        cli_progress (crew->cli, "%s: %" PRIu64 " s", what, (end - now) / 1000);
        if (cli_stopped () != 0)
            return cli_fail (crew->cli, EX_TEMPFAIL, "stopped before the end");
        struct timespec pause = {.tv_nsec = 100000000};
        nanosleep (&pause, NULL);
        int rc = bench_crew_look (crew);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int connect_all (bench_crew_t *crew, uint32_t processes, result_t *result)
{
    uint64_t start_ms = cli_now_ms ();
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < processes; i++)
        rc = bench_crew_hire (crew, "idle", i);
    if (rc == 0)
        rc = bench_crew_await_ready (crew);
    result->connect_ms = cli_now_ms () - start_ms;
    return rc;
}

static int stay_idle (bench_crew_t *crew, uint64_t ms, result_t *result)
{
    uint64_t start_ns = bench_now_ns ();
    uint64_t broker_ns = bench_crew_broker_cpu_ns (crew), clients_ns = clients_cpu_ns (crew);
    int rc = wait_idle (crew, ms, "idle");
    result->wall_ns = bench_now_ns () - start_ns;
    result->cpu_ns = bench_crew_broker_cpu_ns (crew) - broker_ns;
    result->clients_ns = clients_cpu_ns (crew) - clients_ns;
    result->after_bytes = bench_crew_broker_bytes (crew, "VmRSS");
    return rc;
}

static void report_row (json_t *row, const cli_t *cli, uint64_t clients, const result_t *r)
{
    double wall = (double) r->wall_ns / 100;
    uint64_t grown = r->after_bytes > r->before_bytes ? r->after_bytes - r->before_bytes : 0;
    json_object_set_new (row, "count", json_integer ((json_int_t) clients));
    json_object_set_new (row, "connected", json_integer ((json_int_t) r->connected));
    json_object_set_new (row, "kind", json_string ("zf_client"));
    json_object_set_new (row, "connect_ms", json_integer ((json_int_t) r->connect_ms));
    json_object_set_new (row, "seconds", bench_real (cli, (double) r->wall_ns / 1e9, 1));
    json_object_set_new (row, "broker_cpu_percent", bench_ratio (cli, (double) r->cpu_ns, wall, 2));
    json_object_set_new (row, "clients_cpu_percent",
                         bench_ratio (cli, (double) r->clients_ns, wall, 2));
    json_object_set_new (row, "broker_rss_mb", bench_real (cli, (double) r->after_bytes / 1e6, 1));
    json_object_set_new (row, "broker_bytes_per_client",
                         json_integer ((json_int_t) (grown / clients)));
}

static int report (const bench_crew_t *crew, uint64_t clients, const result_t *r)
{
    json_t *row = bench_row ("connections", BENCH_TCP);
    json_object_set_new (row, "processes", json_integer ((json_int_t) crew->hired_count));
    report_row (row, crew->cli, clients, r);
    int rc = cli_print_object (crew->cli, columns, row);
    if (r->connected < clients)
        return cli_fail (crew->cli, EX_SOFTWARE, "%" PRIu64 " clients have lost their connection",
                         clients - r->connected);
    return rc;
}

static int measure (bench_crew_t *crew, uint32_t processes, uint64_t ms)
{
    result_t result = {.before_bytes = bench_crew_broker_bytes (crew, "VmRSS")};
    int rc = connect_all (crew, processes, &result);
    if (rc == 0)
        rc = wait_idle (crew, SETTLE_MS, "settling");
    if (rc == 0)
        rc = stay_idle (crew, ms, &result);
    if (rc == 0)
        rc = bench_crew_finish (crew);
    if (rc != 0)
        return rc;
    for (uint32_t i = 0; i < processes; i++)
        result.connected += atomic_load (&crew->board->worker[i].received);
    return report (crew, crew->board->order.count, &result);
}

int bench_connections (const cli_t *cli)
{
    static bench_crew_t crew;
    uint64_t count = cli_number (cli, "count", COUNT);
    uint32_t processes = (uint32_t) ((count + PER_PROCESS - 1) / PER_PROCESS);
    bench_order_t order = {.count = count, .producers = processes, .sample_every = 1};
    int rc = bench_allow_files (cli, "the broker", count + SPARE_FDS);
    if (rc != 0)
        return rc;
    rc = bench_crew_open (&crew, cli, &order, BENCH_TCP, NULL);
    if (rc == 0)
        rc = measure (&crew, processes, cli_number (cli, "seconds", SECONDS_MS));
    bench_crew_close (&crew);
    return rc;
}
