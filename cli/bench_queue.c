/* bench queue: how many records a second go from producers through a broker to workers and are
 * acknowledged, each of them checked. The clock runs from the first post to the last ack. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "durable.h"

#define STALL_MS         45000 /* no progress for so long (a lease and then some): given up */
#define PLANTED_STALL_MS 2000  /* when a record is known to be missing */
#define PACED_SECONDS    5     /* of a paced run without --count */
#define SAMPLE_EVERY     64    /* of an unpaced run; a power of two */

/* Sums over all producers and workers. */
typedef struct {
    uint64_t posted;
    uint64_t confirmed;
    uint64_t refused;
    uint64_t received;
    uint64_t duplicated;
    uint64_t reordered;
    uint64_t damaged;
    uint64_t seen;            /* records that arrived, once each */
    uint64_t first_ns;        /* the first post */
    uint64_t confirm_ns;      /* the last confirm */
    uint64_t ack_ns;          /* the last ack */
    uint64_t producer_cpu_ns; /* processor time of all producers */
    uint64_t worker_cpu_ns;   /* of all workers */
    uint64_t broker_cpu_ns;   /* of the broker */
    uint64_t broker_bytes;    /* its peak */
    uint64_t journal_bytes;   /* that it wrote to its journal */
    zf_sync_t sync;           /* what its confirms mean */
    double p50_us, p99_us;    /* from post to receive */
} result_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"transport", "transport", CLI_COLUMN_TEXT},
    {"size", "body bytes", CLI_COLUMN_NUMBER},
    {"count", "records", CLI_COLUMN_NUMBER},
    {"sync", "sync", CLI_COLUMN_TEXT},
    {"producers", "producers", CLI_COLUMN_NUMBER},
    {"workers", "workers", CLI_COLUMN_NUMBER},
    {"msgs_per_s", "acknowledged/s", CLI_COLUMN_NUMBER},
    {"mb_per_s", "MB/s", CLI_COLUMN_NUMBER},
    {"confirmed_per_s", "confirmed/s", CLI_COLUMN_NUMBER},
    {"journal_mb_per_s", "journal MB/s", CLI_COLUMN_NUMBER},
    {"p50_us", "latency p50, us", CLI_COLUMN_NUMBER},
    {"p99_us", "latency p99, us", CLI_COLUMN_NUMBER},
    {"broker_cpu_us_per_msg", "broker CPU, us/record", CLI_COLUMN_NUMBER},
    {"producer_cpu_us_per_msg", "producer CPU, us/record", CLI_COLUMN_NUMBER},
    {"worker_cpu_us_per_msg", "worker CPU, us/record", CLI_COLUMN_NUMBER},
    {"broker_peak_rss_mb", "broker peak memory, MB", CLI_COLUMN_NUMBER},
    {"lost", "lost", CLI_COLUMN_NUMBER},
    {"duplicated", "duplicated", CLI_COLUMN_NUMBER},
    {"reordered", "reordered", CLI_COLUMN_NUMBER},
    {"damaged", "damaged", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- the order --------------------------------------------------------------------------------- */

uint32_t bench_plant (const cli_t *cli)
{
    const char *text = cli_text (cli, "plant", "");
    uint32_t plant = 0;
    plant |= strstr (text, "lost") != NULL ? BENCH_PLANT_LOST : 0;
    plant |= strstr (text, "duplicated") != NULL ? BENCH_PLANT_DUPLICATED : 0;
    plant |= strstr (text, "reordered") != NULL ? BENCH_PLANT_REORDERED : 0;
    return plant;
}

static bench_order_t order_of (const cli_t *cli, uint64_t size, uint64_t count)
{
    uint64_t rate = cli_number (cli, "rate", 0);
    return (bench_order_t){
        .size = cli_number (cli, "size", size),
        .count = cli_number (cli, "count", rate > 0 ? rate * PACED_SECONDS : count),
        .rate = rate,
        .sample_every = rate > 0 ? 1 : SAMPLE_EVERY,
        .producers = (uint32_t) cli_number (cli, "producers", 1),
        .workers = (uint32_t) cli_number (cli, "workers", 1),
        .plant = bench_plant (cli),
    };
}

/* -- running ----------------------------------------------------------------------------------- */

static void sum_now (bench_board_t *board, result_t *sum)
{
    sum->posted = sum->confirmed = sum->refused = sum->received = 0;
    for (uint32_t i = 0; i < board->order.producers; i++) {
        const bench_slot_t *slot = &board->producer[i];
        sum->confirmed += atomic_load (&slot->confirmed);
        sum->refused += atomic_load (&slot->refused);
        sum->posted += atomic_load (&slot->posted);
    }
    for (uint32_t i = 0; i < board->order.workers; i++)
        sum->received += atomic_load (&board->worker[i].received);
}

static bool all_posted (const bench_board_t *board)
{
    for (uint32_t i = 0; i < board->order.producers; i++)
        if (atomic_load (&board->producer[i].state) != BENCH_DONE)
            return false;
    return true;
}

/* Sums up, and says whether every record that was not refused has arrived. */
static bool complete (bench_board_t *board, result_t *sum)
{
    bool posted = all_posted (board); /* looked at first: the sums must be the last ones */
    sum_now (board, sum);
    uint64_t expected = sum->posted - sum->refused;
    return posted && sum->received >= expected && bench_board_seen (board, NULL) >= expected;
}

/* When something last moved. */
typedef struct {
    uint64_t progress; /* sum of all counts */
    uint64_t at_ms;    /* when it was first seen to be that */
} motion_t;

static bool stalled (motion_t *motion, const result_t *sum, uint64_t patience_ms)
{
    uint64_t progress = sum->posted + sum->confirmed + sum->received;
    if (progress != motion->progress || motion->at_ms == 0)
        *motion = (motion_t){.progress = progress, .at_ms = cli_now_ms ()};
    return cli_now_ms () - motion->at_ms > patience_ms;
}

/* Waits for the last record, or until nothing moves any more. A signal ends the posting. */
static int watch (bench_crew_t *crew, result_t *sum)
{
    bench_board_t *board = crew->board;
    motion_t motion = {0};
    while (!complete (board, sum)) {
        if (stalled (&motion, sum, board->order.plant != 0 ? PLANTED_STALL_MS : STALL_MS))
            return 0;
        if (cli_stopped () != 0)
            atomic_store (&board->halt, true);
        cli_progress (crew->cli, "%" PRIu64 " of %" PRIu64 " records", sum->received,
                      board->order.count);
        bench_tick ();
        int rc = bench_crew_look (crew);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int run_roles (bench_crew_t *crew, result_t *result)
{
    const bench_order_t *order = &crew->board->order;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < order->workers; i++)
        rc = bench_crew_hire (crew, "worker", i);
    for (uint32_t i = 0; rc == 0 && i < order->producers; i++)
        rc = bench_crew_hire (crew, "producer", i);
    if (rc == 0)
        rc = bench_crew_await_ready (crew);
    if (rc != 0)
        return rc;
    uint64_t before_ns = bench_crew_broker_cpu_ns (crew);
    atomic_store (&crew->board->go, true);
    rc = watch (crew, result);
    result->broker_cpu_ns = bench_crew_broker_cpu_ns (crew) - before_ns;
    result->broker_bytes = bench_crew_broker_bytes (crew, "VmHWM");
    return rc == 0 ? bench_crew_finish (crew) : rc;
}

/* Asks the broker what its confirms meant. */
static int ask_sync (const bench_crew_t *crew, result_t *result)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    zf_queue_info_t info = {0};
    int rc = cli_client_open (crew->cli, NULL, &client);
    if (rc == 0 && zf_admin_queue (client, crew->board->order.queue, &info, &err) != 0)
        rc = cli_client_fail (crew->cli, client, &err);
    zf_client_close (&client);
    result->sync = info.sync;
    return rc;
}

/* The roles' run, and what the journal had to do with it. */
static int run_and_ask (bench_crew_t *crew, result_t *result)
{
    uint64_t before = 0, after = 0;
    int rc = bench_store_written (crew->cli, &before);
    if (rc == 0)
        rc = run_roles (crew, result);
    if (rc == 0)
        rc = ask_sync (crew, result);
    if (rc == 0)
        rc = bench_store_written (crew->cli, &after);
    result->journal_bytes = after - before;
    return rc;
}

/* -- the result -------------------------------------------------------------------------------- */

static void collect_producers (const bench_board_t *board, result_t *result)
{
    result->first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < board->order.producers; i++) {
        const bench_slot_t *slot = &board->producer[i];
        if (slot->first_ns < result->first_ns)
            result->first_ns = slot->first_ns;
        if (slot->last_ns > result->confirm_ns)
            result->confirm_ns = slot->last_ns;
        result->producer_cpu_ns += slot->cpu_ns;
    }
}

static void collect_workers (bench_board_t *board, result_t *result)
{
    result->seen = bench_board_seen (board, &result->duplicated);
    for (uint32_t i = 0; i < board->order.workers; i++) {
        const bench_slot_t *slot = &board->worker[i];
        if (slot->last_ns > result->ack_ns)
            result->ack_ns = slot->last_ns;
        result->duplicated += slot->duplicated;
        result->reordered += slot->reordered;
        result->damaged += slot->damaged;
        result->worker_cpu_ns += slot->cpu_ns;
    }
}

static int collect_latency (bench_board_t *board, result_t *result)
{
    size_t count = 0, at = 0;
    for (uint32_t i = 0; i < board->order.workers; i++)
        count += board->worker[i].sample_count;
    uint64_t *all = malloc ((count + 1) * sizeof *all);
    if (all == NULL)
        return EX_OSERR;
    for (uint32_t i = 0; i < board->order.workers; i++) {
        size_t mine = board->worker[i].sample_count;
        memcpy (all + at, bench_board_samples (board, i), mine * sizeof *all);
        at += mine;
    }
    result->p50_us = bench_percentile_us (all, count, 0.5);
    result->p99_us = bench_percentile_us (all, count, 0.99);
    free (all);
    return 0;
}

static json_t *count_json (uint64_t value)
{
    return json_integer ((json_int_t) value);
}

static void add_rates (json_t *row, const cli_t *cli, const bench_order_t *order, const result_t *r)
{
    uint64_t ns = r->ack_ns > r->first_ns ? r->ack_ns - r->first_ns : 0;
    uint64_t confirm_ns = r->confirm_ns > r->first_ns ? r->confirm_ns - r->first_ns : 0;
    uint64_t per_second = bench_per_second (r->seen, ns);
    json_object_set_new (row, "msgs_per_s", count_json (per_second));
    json_object_set_new (row, "mb_per_s", count_json (per_second * order->size / 1000000));
    json_object_set_new (row, "confirmed_per_s",
                         count_json (bench_per_second (r->confirmed, confirm_ns)));
    double whole = r->journal_bytes > 0 || r->sync == ZF_SYNC_NONE ? (double) ns : 0;
    json_object_set_new (row, "journal_mb_per_s",
                         bench_ratio (cli, (double) r->journal_bytes * 1e3, whole, 1));
    json_object_set_new (row, "p50_us", bench_real (cli, r->p50_us, 1));
    json_object_set_new (row, "p99_us", bench_real (cli, r->p99_us, 1));
}

/* An embedded broker's time is what is left of the process' when the roles' threads are taken
 * away. */
static void add_costs (json_t *row, const bench_crew_t *crew, const result_t *r)
{
    double posted = (double) r->posted;
    uint64_t roles_ns = r->producer_cpu_ns + r->worker_cpu_ns;
    uint64_t broker_ns = r->broker_cpu_ns;
    if (crew->device != NULL)
        broker_ns = broker_ns > roles_ns ? broker_ns - roles_ns : 0;
    bool known = bench_crew_has_broker (crew);
    json_object_set_new (row, "broker_cpu_us_per_msg",
                         bench_ratio (crew->cli, (double) broker_ns / 1e3, known ? posted : 0, 3));
    json_object_set_new (row, "producer_cpu_us_per_msg",
                         bench_ratio (crew->cli, (double) r->producer_cpu_ns / 1e3, posted, 3));
    json_object_set_new (row, "worker_cpu_us_per_msg",
                         bench_ratio (crew->cli, (double) r->worker_cpu_ns / 1e3, posted, 3));
    json_object_set_new (row, "broker_peak_rss_mb",
                         known ? bench_real (crew->cli, (double) r->broker_bytes / 1e6, 1)
                               : bench_unknown (crew->cli));
}

static int report (const bench_crew_t *crew, bench_transport_t transport, const result_t *r)
{
    const bench_order_t *order = &crew->board->order;
    uint64_t expected = r->posted - r->refused;
    uint64_t lost = expected > r->seen ? expected - r->seen : 0;
    json_t *row = bench_row ("queue", transport);
    json_object_set_new (row, "size", count_json (order->size));
    json_object_set_new (row, "count", count_json (r->posted));
    json_object_set_new (row, "producers", count_json (order->producers));
    json_object_set_new (row, "workers", count_json (order->workers));
    json_object_set_new (row, "rate", count_json (order->rate));
    json_object_set_new (row, "sync", json_string (durable_sync_name (r->sync)));
    add_rates (row, crew->cli, order, r);
    add_costs (row, crew, r);
    json_object_set_new (row, "refused", count_json (r->refused));
    json_object_set_new (row, "lost", count_json (lost));
    json_object_set_new (row, "duplicated", count_json (r->duplicated));
    json_object_set_new (row, "reordered", count_json (r->reordered));
    json_object_set_new (row, "damaged", count_json (r->damaged));
    int rc = cli_print_object (crew->cli, columns, row);
    if (lost + r->damaged > 0)
        return cli_fail (crew->cli, EX_SOFTWARE,
                         "%" PRIu64 " records lost, %" PRIu64 " damaged; that is a bug", lost,
                         r->damaged);
    return rc;
}

static int measure (bench_crew_t *crew, bench_transport_t transport)
{
    result_t result = {0};
    int rc = run_and_ask (crew, &result);
    if (rc != 0)
        return rc;
    sum_now (crew->board, &result);
    collect_producers (crew->board, &result);
    collect_workers (crew->board, &result);
    rc = collect_latency (crew->board, &result);
    if (rc != 0)
        return cli_fail (crew->cli, rc, "out of memory");
    return report (crew, transport, &result);
}

static int measure_queue (const cli_t *cli, const bench_store_t *store, bench_order_t *order,
                          bench_transport_t transport)
{
    static bench_crew_t crew;
    int rc = bench_crew_open (&crew, cli, order, transport, store->args);
    if (rc == 0)
        rc = measure (&crew, transport);
    bench_crew_close (&crew);
    return rc;
}

static int check_journal (const cli_t *cli, bench_transport_t transport)
{
    bool journal = cli_has (cli, "journal");
    if (cli_has (cli, "latency") && (!journal || transport != BENCH_TCP))
        return cli_misuse (cli, "--latency is for a journal, over tcp: name its place with "
                                "--journal");
    if (cli_has (cli, "keep") && !journal)
        return cli_misuse (cli, "--keep is for a journal; name its place with --journal");
    if (journal && (cli_has (cli, "connect") || transport == BENCH_INPROC))
        return cli_misuse (cli, "--journal takes a broker of its own process: without --connect, "
                                "over tcp or ipc");
    return 0;
}

int bench_queue (const cli_t *cli, uint64_t size, uint64_t count)
{
    static bench_store_t store;
    bench_transport_t transport;
    int rc = bench_transport (cli, &transport);
    if (rc == 0)
        rc = check_journal (cli, transport);
    if (rc != 0)
        return rc;
    bench_order_t order = order_of (cli, size, count);
    rc = bench_store_open (cli, &store);
    if (rc == 0 && cli_has (cli, "latency"))
        rc = bench_latency (cli, &store);
    else if (rc == 0)
        rc = measure_queue (cli, &store, &order, transport);
    bench_store_close (&store);
    return rc;
}
