/* bench pubsub: messages a second from a publisher to its subscribers, each one checked. */
#include "bench_pubsub.h"

#include <inttypes.h>
#include <string.h>

#include "durable.h"

#define COUNT         5000000
#define RAW_COUNT     2000000 /* in each round */
#define SLOW_RATE     50000   /* messages a second of --slow, unless told otherwise */
#define PACED_SECONDS 5       /* of a paced run without --count */
#define SAMPLE_EVERY  64      /* of an unpaced run; a power of two */
#define RAW_WINDOW    50000   /* messages under way of a plain publisher, */
#define RAW_HWM       "100000"
#define SLOW_WINDOW   5000 /* with --slow half of what a forwarder has room for by itself */
#define WINDOW_BYTES  (UINT64_C (32) << 20) /* the same of ours; half of what a forwarder keeps */
#define OVERHEAD      64                    /* bytes of a message beside its body at most */
#define REPLAY_MEMORY "64MiB"               /* so that what is replayed comes from the disk */

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"transport", "transport", CLI_COLUMN_TEXT},
    {"via", "via", CLI_COLUMN_TEXT},
    {"sync", "sync", CLI_COLUMN_TEXT},
    {"size", "body bytes", CLI_COLUMN_NUMBER},
    {"count", "messages", CLI_COLUMN_NUMBER},
    {"subscribers", "subscribers", CLI_COLUMN_NUMBER},
    {"msgs_per_s", "messages/s, until all have them", CLI_COLUMN_NUMBER},
    {"confirmed_per_s", "confirmed/s", CLI_COLUMN_NUMBER},
    {"deliveries_per_s", "deliveries/s", CLI_COLUMN_NUMBER},
    {"mb_per_s", "MB/s delivered", CLI_COLUMN_NUMBER},
    {"p50_us", "latency p50, us", CLI_COLUMN_NUMBER},
    {"p99_us", "latency p99, us", CLI_COLUMN_NUMBER},
    {"forwarder_cpu_us_per_msg", "forwarder or broker CPU, us/message", CLI_COLUMN_NUMBER},
    {"publisher_cpu_us_per_msg", "publisher CPU, us/message", CLI_COLUMN_NUMBER},
    {"subscriber_cpu_us_per_msg", "subscriber CPU, us/delivery", CLI_COLUMN_NUMBER},
    {"forwarder_peak_rss_mb", "forwarder or broker peak memory, MB", CLI_COLUMN_NUMBER},
    {"refills", "fetched again", CLI_COLUMN_NUMBER},
    {"missed", "told of as missed", CLI_COLUMN_NUMBER},
    {"lost", "lost", CLI_COLUMN_NUMBER},
    {"duplicated", "duplicated", CLI_COLUMN_NUMBER},
    {"reordered", "reordered", CLI_COLUMN_NUMBER},
    {"damaged", "damaged", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- the row ----------------------------------------------------------------------------------- */

static void set_count (json_t *row, const char *key, uint64_t value)
{
    json_object_set_new (row, key, json_integer ((json_int_t) value));
}

static void add_rates (json_t *row, const bench_plan_t *plan, const bench_pub_result_t *r)
{
    uint64_t ns = r->receive_ns > r->first_ns ? r->receive_ns - r->first_ns : 0;
    uint64_t confirm_ns = r->confirm_ns > r->first_ns ? r->confirm_ns - r->first_ns : 0;
    uint64_t deliveries = bench_per_second (r->received, ns);
    set_count (row, "count", r->posted);
    set_count (row, "msgs_per_s", bench_plan_rate (r));
    set_count (row, "confirmed_per_s", bench_per_second (r->confirmed, confirm_ns));
    set_count (row, "deliveries_per_s", deliveries);
    set_count (row, "mb_per_s", deliveries * plan->order.size / 1000000);
    json_object_set_new (row, "p50_us", bench_real (plan->cli, r->p50_us, 1));
    json_object_set_new (row, "p99_us", bench_real (plan->cli, r->p99_us, 1));
}

static void add_costs (json_t *row, const cli_t *cli, const bench_pub_result_t *r)
{
    double posted = (double) r->posted;
    double host = r->host_known ? posted : 0;
    json_object_set_new (row, "forwarder_cpu_us_per_msg",
                         bench_ratio (cli, (double) r->host_cpu_ns / 1e3, host, 3));
    json_object_set_new (row, "publisher_cpu_us_per_msg",
                         bench_ratio (cli, (double) r->pub_cpu_ns / 1e3, posted, 3));
    json_object_set_new (row, "subscriber_cpu_us_per_msg",
                         bench_ratio (cli, (double) r->sub_cpu_ns / 1e3, (double) r->received, 3));
    json_object_set_new (row, "forwarder_peak_rss_mb",
                         r->host_known ? bench_real (cli, (double) r->host_bytes / 1e6, 1)
                                       : bench_unknown (cli));
}

static void add_mistakes (json_t *row, const bench_pub_result_t *r)
{
    set_count (row, "refused", r->refused);
    set_count (row, "refills", r->refills);
    set_count (row, "missed", r->missed);
    set_count (row, "lost", r->lost);
    set_count (row, "duplicated", r->duplicated);
    set_count (row, "reordered", r->reordered);
    set_count (row, "damaged", r->damaged);
}

static int run_plain_mode (const bench_plan_t *plan)
{
    bench_pub_result_t result;
    const cli_t *cli = plan->cli;
    int rc = bench_plan_run (plan, &result);
    if (rc != 0)
        return rc;
    const char *sync = cli_has (cli, "journal") ? cli_text (cli, "sync", "always") : "none";
    json_t *row = bench_plan_row ("pubsub", plan);
    json_object_set_new (row, "sync", json_string (sync));
    add_rates (row, plan, &result);
    add_costs (row, cli, &result);
    add_mistakes (row, &result);
    rc = cli_print_object (cli, columns, row);
    int wrong = bench_plan_check (cli, &result);
    return wrong != 0 ? wrong : rc;
}

/* -- the plan ---------------------------------------------------------------------------------- */

static int take_via (const cli_t *cli, bench_via_t *via)
{
    const char *text = cli_text (cli, "via", cli_has (cli, "replay") ? "stream" : "forwarder");
    if (strcmp (text, "forwarder") == 0)
        *via = BENCH_VIA_FORWARDER;
    else if (strcmp (text, "direct") == 0)
        *via = BENCH_VIA_DIRECT;
    else if (strcmp (text, "stream") == 0)
        *via = BENCH_VIA_STREAM;
    else
        return cli_misuse (cli, "--via is forwarder, direct or stream, not '%s'", text);
    return 0;
}

static int check_options (const cli_t *cli, const bench_plan_t *plan)
{
    bool replay = cli_has (cli, "replay");
    bool slow = cli_has (cli, "slow");
    bool journal = cli_has (cli, "journal");
    if (plan->transport == BENCH_INPROC)
        return cli_misuse (cli, "--transport is tcp or ipc: it takes several processes");
    if (plan->via == BENCH_VIA_DIRECT && plan->transport != BENCH_TCP)
        return cli_misuse (cli, "--via direct goes over tcp");
    if (replay && (slow || plan->raw))
        return cli_misuse (cli, "--replay goes without --slow and --raw");
    if (replay && !journal)
        return cli_misuse (cli, "--replay is for a journal; name its place with --journal");
    if (plan->raw && (plan->via != BENCH_VIA_FORWARDER || journal))
        return cli_misuse (cli, "--raw goes through a forwarder without a journal");
    if (plan->raw && plan->transport != BENCH_TCP)
        return cli_misuse (cli, "--raw goes over tcp");
    if (plan->via == BENCH_VIA_DIRECT && (journal || replay))
        return cli_misuse (cli, "--journal is for --via forwarder and --via stream");
    if (slow && plan->via == BENCH_VIA_STREAM)
        return cli_misuse (cli, "--slow is for --via forwarder and --via direct");
    return 0;
}

/* Nothing is to go by size before it was read: that is not what is measured. */
static uint64_t window_of (const cli_t *cli, const bench_plan_t *plan)
{
    uint64_t size = cli_number (cli, "size", 100) + OVERHEAD;
    if (plan->raw)
        return cli_has (cli, "slow") ? SLOW_WINDOW : RAW_WINDOW;
    if (plan->via == BENCH_VIA_STREAM || cli_has (cli, "replay"))
        return 0;
    return WINDOW_BYTES / size + 1;
}

static bench_order_t order_of (const cli_t *cli, const bench_plan_t *plan)
{
    uint64_t rate = cli_number (cli, "rate", cli_has (cli, "slow") ? SLOW_RATE : 0);
    uint64_t count = plan->raw ? RAW_COUNT : COUNT;
    bool replay = cli_has (cli, "replay");
    return (bench_order_t){
        .size = cli_number (cli, "size", 100),
        .count = cli_number (cli, "count", rate > 0 ? rate * PACED_SECONDS : count),
        .rate = rate,
        .sample_every = rate > 0 ? 1 : SAMPLE_EVERY,
        .producers = 1,
        .workers = (uint32_t) cli_number (cli, "subscribers", 1),
        .plant = bench_plant (cli),
        .topics = (uint32_t) cli_number (cli, "topics", 1),
        .window = window_of (cli, plan),
        .direct = plan->via == BENCH_VIA_DIRECT,
        .group = plan->via == BENCH_VIA_STREAM && !replay,
        .replay = replay,
    };
}

static void add_args (const bench_plan_t *plan, bench_store_t *store)
{
    static const char *const plain[] = {"--pub", "tcp://127.0.0.1:*", "--sub", "tcp://127.0.0.1:*",
                                        NULL};
    for (size_t i = 0; plan->raw && plain[i] != NULL; i++)
        bench_store_add (store, plain[i]);
    if (plan->raw && plan->order.window == RAW_WINDOW) {
        bench_store_add (store, "--plain-hwm");
        bench_store_add (store, RAW_HWM);
    }
    if (plan->order.replay) {
        bench_store_add (store, "--memory");
        bench_store_add (store, REPLAY_MEMORY);
    }
}

static int run_mode (const bench_plan_t *plan)
{
    if (plan->order.replay)
        return bench_pubsub_replay (plan);
    if (cli_has (plan->cli, "slow"))
        return bench_pubsub_slow (plan);
    return plan->raw ? bench_pubsub_raw (plan) : run_plain_mode (plan);
}

int bench_pubsub (const cli_t *cli)
{
    static bench_store_t store;
    bench_plan_t plan = {.cli = cli, .raw = cli_has (cli, "raw")};
    int rc = bench_transport (cli, &plan.transport);
    if (rc == 0)
        rc = take_via (cli, &plan.via);
    if (rc == 0)
        rc = check_options (cli, &plan);
    if (rc == 0)
        rc = bench_store_open (cli, &store);
    if (rc != 0)
        return rc;
    plan.order = order_of (cli, &plan);
    plan.args = store.args;
    add_args (&plan, &store);
    rc = run_mode (&plan);
    bench_store_close (&store);
    return rc;
}
