/* The modes of bench pubsub that compare: --raw (bare zmq_proxy and our forwarder), --slow (without
 * and with a subscriber that stops reading); and --replay. What is compared takes turns, so that a
 * machine whose speed drifts treats both alike. */
#include <stdlib.h>

#include "bench_pubsub.h"

#define ROUNDS 6 /* of both kinds together, unless told otherwise */

/* -- two plans in turns ------------------------------------------------------------------------ */

typedef double figure_fn (const bench_pub_result_t *result);

typedef struct {
    bench_plan_t plans[2];
    figure_fn *figure;
    double figures[2][ROUNDS / 2]; /* of each plan's rounds */
    size_t rounds;                 /* of each plan */
    bench_pub_result_t sum[2];     /* of what must be 0; the peak of memory; and counts */
} duel_t;

static int compare (const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return x < y ? -1 : x > y;
}

static double median_of (duel_t *duel, size_t which)
{
    double *all = duel->figures[which];
    size_t n = duel->rounds;
    qsort (all, n, sizeof *all, compare);
    return (all[n / 2] + all[(n - 1) / 2]) / 2;
}

static void add_up (bench_pub_result_t *sum, const bench_pub_result_t *r)
{
    sum->posted += r->posted;
    sum->lost += r->lost;
    sum->duplicated += r->duplicated;
    sum->damaged += r->damaged;
    sum->host_bytes = r->host_bytes > sum->host_bytes ? r->host_bytes : sum->host_bytes;
}

/* In the order A B B A A B. */
static int fight (duel_t *duel)
{
    const cli_t *cli = duel->plans[0].cli;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t which = (i ^ i >> 1) & 1;
        bench_pub_result_t result;
        cli_progress (cli, "round %zu of %d", i + 1, ROUNDS);
        int rc = bench_plan_run (&duel->plans[which], &result);
        if (rc == 0 && cli_stopped () != 0)
            rc = cli_fail (cli, EX_TEMPFAIL, "stopped before the end");
        if (rc != 0)
            return rc;
        duel->figures[which][i / 2] = duel->figure (&result);
        add_up (&duel->sum[which], &result);
    }
    duel->rounds = ROUNDS / 2;
    return 0;
}

static void set_mistakes (json_t *row, const duel_t *duel)
{
    uint64_t lost = duel->sum[0].lost + duel->sum[1].lost;
    uint64_t damaged = duel->sum[0].damaged + duel->sum[1].damaged;
    uint64_t duplicated = duel->sum[0].duplicated + duel->sum[1].duplicated;
    json_object_set_new (row, "lost", json_integer ((json_int_t) lost));
    json_object_set_new (row, "duplicated", json_integer ((json_int_t) duplicated));
    json_object_set_new (row, "damaged", json_integer ((json_int_t) damaged));
}

static int print_duel (const duel_t *duel, const cli_column_t *columns, json_t *row)
{
    const cli_t *cli = duel->plans[0].cli;
    set_mistakes (row, duel);
    int rc = cli_print_object (cli, columns, row);
    for (size_t i = 0; i < 2; i++) {
        int wrong = bench_plan_check (cli, &duel->sum[i]);
        rc = wrong != 0 ? wrong : rc;
    }
    return rc;
}

/* -- raw --------------------------------------------------------------------------------------- */

static double rate_figure (const bench_pub_result_t *result)
{
    return (double) bench_plan_rate (result);
}

int bench_pubsub_raw (const bench_plan_t *plan)
{
    static const cli_column_t columns[] = {
        {"bench", "bench", CLI_COLUMN_TEXT},
        {"transport", "transport", CLI_COLUMN_TEXT},
        {"size", "body bytes", CLI_COLUMN_NUMBER},
        {"count", "messages, each", CLI_COLUMN_NUMBER},
        {"subscribers", "subscribers", CLI_COLUMN_NUMBER},
        {"raw_msgs_per_s", "messages/s, zmq_proxy", CLI_COLUMN_NUMBER},
        {"msgs_per_s", "messages/s, zferry forwarder", CLI_COLUMN_NUMBER},
        {"ratio", "forwarder / zmq_proxy", CLI_COLUMN_NUMBER},
        {"lost", "lost", CLI_COLUMN_NUMBER},
        {"duplicated", "duplicated", CLI_COLUMN_NUMBER},
        {"damaged", "damaged", CLI_COLUMN_NUMBER},
        {NULL, NULL, CLI_COLUMN_TEXT},
    };
    duel_t duel = {.plans = {*plan, *plan}, .figure = rate_figure};
    duel.plans[0].proxy = true;
    int rc = fight (&duel);
    if (rc != 0)
        return rc;
    double raw = median_of (&duel, 0), ours = median_of (&duel, 1);
    json_t *row = bench_plan_row ("pubsub raw", plan);
    json_object_set_new (row, "count", json_integer ((json_int_t) duel.sum[0].posted));
    json_object_set_new (row, "raw_msgs_per_s", json_integer ((json_int_t) raw));
    json_object_set_new (row, "msgs_per_s", json_integer ((json_int_t) ours));
    json_object_set_new (row, "ratio", bench_ratio (plan->cli, ours, raw, 3));
    return print_duel (&duel, columns, row);
}

/* -- slow -------------------------------------------------------------------------------------- */

static double p99_figure (const bench_pub_result_t *result)
{
    return result->p99_us;
}

int bench_pubsub_slow (const bench_plan_t *plan)
{
    static const cli_column_t columns[] = {
        {"bench", "bench", CLI_COLUMN_TEXT},
        {"transport", "transport", CLI_COLUMN_TEXT},
        {"via", "via", CLI_COLUMN_TEXT},
        {"plain", "plain sockets", CLI_COLUMN_TEXT},
        {"size", "body bytes", CLI_COLUMN_NUMBER},
        {"rate", "messages/s", CLI_COLUMN_NUMBER},
        {"count", "messages, each", CLI_COLUMN_NUMBER},
        {"subscribers", "subscribers that read", CLI_COLUMN_NUMBER},
        {"p99_us", "latency p99, us", CLI_COLUMN_NUMBER},
        {"slow_p99_us", "the same beside one that does not read", CLI_COLUMN_NUMBER},
        {"ratio", "ratio", CLI_COLUMN_NUMBER},
        {"forwarder_peak_rss_mb", "forwarder peak memory, MB", CLI_COLUMN_NUMBER},
        {"slow_forwarder_peak_rss_mb", "the same beside one that does not read", CLI_COLUMN_NUMBER},
        {"lost", "lost", CLI_COLUMN_NUMBER},
        {"duplicated", "duplicated", CLI_COLUMN_NUMBER},
        {"damaged", "damaged", CLI_COLUMN_NUMBER},
        {NULL, NULL, CLI_COLUMN_TEXT},
    };
    const cli_t *cli = plan->cli;
    duel_t duel = {.plans = {*plan, *plan}, .figure = p99_figure};
    duel.plans[1].order.workers++;
    duel.plans[1].order.stalled = 1;
    int rc = fight (&duel);
    if (rc != 0)
        return rc;
    double without = median_of (&duel, 0), with = median_of (&duel, 1);
    json_t *row = bench_plan_row ("pubsub slow", plan);
    json_object_set_new (row, "plain", json_boolean (plan->raw));
    json_object_set_new (row, "count", json_integer ((json_int_t) duel.sum[0].posted));
    json_object_set_new (row, "p99_us", bench_real (cli, without, 1));
    json_object_set_new (row, "slow_p99_us", bench_real (cli, with, 1));
    json_object_set_new (row, "ratio", bench_ratio (cli, with, without, 3));
    json_object_set_new (row, "forwarder_peak_rss_mb",
                         bench_real (cli, (double) duel.sum[0].host_bytes / 1e6, 1));
    json_object_set_new (row, "slow_forwarder_peak_rss_mb",
                         bench_real (cli, (double) duel.sum[1].host_bytes / 1e6, 1));
    return print_duel (&duel, columns, row);
}

/* -- replay ------------------------------------------------------------------------------------ */

int bench_pubsub_replay (const bench_plan_t *plan)
{
    static const cli_column_t columns[] = {
        {"bench", "bench", CLI_COLUMN_TEXT},
        {"transport", "transport", CLI_COLUMN_TEXT},
        {"via", "via", CLI_COLUMN_TEXT},
        {"size", "body bytes", CLI_COLUMN_NUMBER},
        {"count", "messages", CLI_COLUMN_NUMBER},
        {"subscribers", "subscribers", CLI_COLUMN_NUMBER},
        {"replayed_per_s", "replayed/s, by each", CLI_COLUMN_NUMBER},
        {"mb_per_s", "MB/s", CLI_COLUMN_NUMBER},
        {"forwarder_peak_rss_mb", "forwarder or broker peak memory, MB", CLI_COLUMN_NUMBER},
        {"lost", "lost", CLI_COLUMN_NUMBER},
        {"duplicated", "duplicated", CLI_COLUMN_NUMBER},
        {"reordered", "reordered", CLI_COLUMN_NUMBER},
        {"damaged", "damaged", CLI_COLUMN_NUMBER},
        {NULL, NULL, CLI_COLUMN_TEXT},
    };
    const cli_t *cli = plan->cli;
    bench_pub_result_t result;
    int rc = bench_plan_run (plan, &result);
    if (rc != 0)
        return rc;
    uint64_t rate = bench_plan_rate (&result);
    json_t *row = bench_plan_row ("pubsub replay", plan);
    json_object_set_new (row, "count", json_integer ((json_int_t) result.posted));
    json_object_set_new (row, "replayed_per_s", json_integer ((json_int_t) rate));
    json_object_set_new (row, "mb_per_s",
                         json_integer ((json_int_t) (rate * plan->order.size / 1000000)));
    json_object_set_new (row, "forwarder_peak_rss_mb",
                         bench_real (cli, (double) result.host_bytes / 1e6, 1));
    json_object_set_new (row, "lost", json_integer ((json_int_t) result.lost));
    json_object_set_new (row, "duplicated", json_integer ((json_int_t) result.duplicated));
    json_object_set_new (row, "reordered", json_integer ((json_int_t) result.reordered));
    json_object_set_new (row, "damaged", json_integer ((json_int_t) result.damaged));
    rc = cli_print_object (cli, columns, row);
    int wrong = bench_plan_check (cli, &result);
    return wrong != 0 ? wrong : rc;
}
