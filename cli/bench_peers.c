/* bench peers: how fast nodes find each other, what they cost while nothing happens, how fast they
 * notice that one is gone, and how fast they talk.
 *
 * Each node is a process of its own and does nothing else; it tells the times through memory that
 * all share. They meet on a UDP port that nobody else uses, or at a hub. */
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "bench.h"
#include "bench_peers.h"

#define NODES      100    /* default */
#define IDLE_MS    10000  /* measured, default */
#define SHOUTS     500000 /* default */
#define TRIPS      10000  /* default */
#define SETTLE_MS  3000   /* between the full mesh and the measurement */
#define PAIRS      10     /* rounds of two nodes that find each other */
#define PAIR_MS    100    /* the second one of a pair comes so much later in each round */
#define FDS_A_PEER 4      /* descriptors that a node needs for another one, */
#define FDS_SPARE  64     /* and beside that */

typedef struct {
    uint64_t pair_ns[PAIRS];      /* from the start of the second until both see each other */
    uint64_t mesh_ns;             /* from the start of the first process to the full mesh */
    uint64_t last_ns;             /* from the start of the last node */
    uint64_t wall_ns;             /* how long they were idle */
    uint64_t cpu_ns, cpu_max_ns;  /* meanwhile: of all nodes; of the busiest */
    uint64_t hub_ns;              /* and of the hub */
    uint64_t rss_bytes, rss_max;  /* of all nodes; of the largest */
    uint64_t fds_max;             /* descriptors of a node at most */
    uint64_t exits;               /* nodes that were given up by others while they were there */
    uint64_t gone_ns[BENCH_ENDS]; /* from the end of a node until all others have noticed */
    bench_talk_t talk;
} result_t;

static const cli_column_t columns[] = {
    {"bench", "bench", CLI_COLUMN_TEXT},
    {"nodes", "nodes", CLI_COLUMN_NUMBER},
    {"via", "which meet by", CLI_COLUMN_TEXT},
    {"interface", "interface", CLI_COLUMN_TEXT},
    {"pair_ms", "two see each other, median, ms", CLI_COLUMN_NUMBER},
    {"pair_max_ms", "the longest time, ms", CLI_COLUMN_NUMBER},
    {"mesh_ms", "all see all, from the first start, ms", CLI_COLUMN_NUMBER},
    {"mesh_last_ms", "from the start of the last one, ms", CLI_COLUMN_NUMBER},
    {"seconds", "idle, seconds", CLI_COLUMN_NUMBER},
    {"cpu_percent", "CPU of a node, % of a core", CLI_COLUMN_NUMBER},
    {"cpu_max_percent", "of the busiest", CLI_COLUMN_NUMBER},
    {"hub_cpu_percent", "of the hub", CLI_COLUMN_NUMBER},
    {"rss_mb", "memory of a node, MB", CLI_COLUMN_NUMBER},
    {"rss_max_mb", "of the largest", CLI_COLUMN_NUMBER},
    {"descriptors", "descriptors of a node", CLI_COLUMN_NUMBER},
    {"given_up", "nodes given up though they were there", CLI_COLUMN_NUMBER},
    {"killed_ms", "one killed, all have noticed after, ms", CLI_COLUMN_NUMBER},
    {"stopped_ms", "one stopped, all have noticed after, ms", CLI_COLUMN_NUMBER},
    {"shouts_per_s", "shouts/s, two nodes, 100 bytes", CLI_COLUMN_NUMBER},
    {"raw_msgs_per_s", "messages/s of bare libzmq", CLI_COLUMN_NUMBER},
    {"lost", "shouts lost", CLI_COLUMN_NUMBER},
    {"p50_us", "whisper and answer, p50, us", CLI_COLUMN_NUMBER},
    {"raw_p50_us", "p50 of bare libzmq, us", CLI_COLUMN_NUMBER},
    {"ratio_p50", "ratio", CLI_COLUMN_NUMBER},
    {"p99_us", "p99, us", CLI_COLUMN_NUMBER},
    {"raw_p99_us", "p99 of bare libzmq, us", CLI_COLUMN_NUMBER},
    {"ratio_p99", "ratio", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- finding each other ------------------------------------------------------------------------ */

/* The second one comes at another time between two beacons of the first in each round. */
static int meet (bench_swarm_t *swarm, uint64_t after_ms, uint64_t *ns)
{
    uint64_t ready_ns, full_ns;
    int rc = bench_swarm_start (swarm, 0);
    if (rc == 0)
        rc = bench_swarm_await (swarm, 1, bench_time_ready, &ready_ns);
    if (rc == 0)
        rc = bench_swarm_rest (swarm, after_ms, "two nodes");
    if (rc == 0)
        rc = bench_swarm_start (swarm, 1);
    if (rc == 0)
        rc = bench_swarm_await (swarm, 2, bench_time_full, &full_ns);
    if (rc == 0)
        *ns = full_ns - swarm->board->nodes[1].begin_ns;
    return rc;
}

static int measure_pairs (const cli_t *cli, result_t *result)
{
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < PAIRS; i++) {
        bench_swarm_t swarm;
        rc = bench_swarm_open (&swarm, cli, 2);
        if (rc == 0)
            rc = meet (&swarm, i * PAIR_MS, &result->pair_ns[i]);
        bench_swarm_close (&swarm);
    }
    return rc;
}

static int gather (bench_swarm_t *swarm, result_t *result)
{
    uint32_t count = swarm->board->count;
    uint64_t start_ns = bench_now_ns (), full_ns, begin_ns;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < count; i++) {
        cli_progress (swarm->cli, "node %" PRIu32 " of %" PRIu32, i + 1, count);
        rc = bench_swarm_start (swarm, i);
    }
    if (rc == 0)
        rc = bench_swarm_await (swarm, count, bench_time_full, &full_ns);
    if (rc == 0)
        rc = bench_swarm_await (swarm, count, bench_time_ready, &begin_ns);
    if (rc != 0)
        return rc;
    result->mesh_ns = full_ns - start_ns;
    result->last_ns = full_ns - begin_ns;
    return 0;
}

/* -- doing nothing ----------------------------------------------------------------------------- */

static uint64_t count_descriptors (pid_t pid)
{
    char path[48];
    snprintf (path, sizeof path, "/proc/%ld/fd", (long) pid);
    DIR *dir = opendir (path);
    uint64_t count = 0;
    if (dir == NULL)
        return 0;
    for (const struct dirent *entry = readdir (dir); entry != NULL; entry = readdir (dir))
        count += entry->d_name[0] != '.' ? 1 : 0;
    closedir (dir);
    return count;
}

/* Adds what it has used since. */
static void weigh (bench_swarm_t *swarm, const uint64_t *before_ns, result_t *r)
{
    for (uint32_t i = 0; i < swarm->board->count; i++) {
        pid_t pid = swarm->children[i].pid;
        uint64_t ns = bench_cpu_ns (pid) - before_ns[i];
        uint64_t bytes = bench_memory_bytes (pid, "VmRSS"), fds = count_descriptors (pid);
        r->cpu_ns += ns;
        r->cpu_max_ns = ns > r->cpu_max_ns ? ns : r->cpu_max_ns;
        r->rss_bytes += bytes;
        r->rss_max = bytes > r->rss_max ? bytes : r->rss_max;
        r->fds_max = fds > r->fds_max ? fds : r->fds_max;
        r->exits += atomic_load (&swarm->board->nodes[i].exits);
    }
}

static int stay_idle (bench_swarm_t *swarm, uint64_t *before_ns, result_t *result)
{
    uint32_t count = swarm->board->count;
    int rc = bench_swarm_rest (swarm, SETTLE_MS, "settling");
    uint64_t start_ns = bench_now_ns ();
    for (uint32_t i = 0; i <= count; i++)
        before_ns[i] = swarm->children[i].pid != 0 ? bench_cpu_ns (swarm->children[i].pid) : 0;
    if (rc == 0)
        rc = bench_swarm_rest (swarm, cli_number (swarm->cli, "idle", IDLE_MS), "idle");
    if (rc != 0)
        return rc;
    result->wall_ns = bench_now_ns () - start_ns;
    if (swarm->board->hub)
        result->hub_ns = bench_cpu_ns (swarm->children[count].pid) - before_ns[count];
    weigh (swarm, before_ns, result);
    return 0;
}

/* -- going ------------------------------------------------------------------------------------- */

/* The others are those before it: the last goes first. */
static int end_one (bench_swarm_t *swarm, bench_end_t end, result_t *result)
{
    static bench_time_fn *const times[] = {bench_time_killed, bench_time_clean};
    uint32_t victim = bench_victim (swarm->board, end);
    uint64_t start_ns = bench_now_ns (), gone_ns;
    if (end == BENCH_KILLED)
        bench_child_kill (&swarm->children[victim]);
    else
        bench_child_stop (&swarm->children[victim]);
    int rc = bench_swarm_await (swarm, victim, times[end], &gone_ns);
    if (rc != 0)
        return rc;
    if (end == BENCH_CLEAN && swarm->children[victim].status != 0)
        return cli_fail (swarm->cli, EX_SOFTWARE, "a node did not stop well (wait status %d)",
                         swarm->children[victim].status);
    result->gone_ns[end] = gone_ns - start_ns;
    return 0;
}

static int measure_mesh (const cli_t *cli, uint32_t count, result_t *result)
{
    bench_swarm_t swarm;
    uint64_t *before_ns = calloc (count + 1, sizeof *before_ns);
    if (before_ns == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    int rc = bench_swarm_open (&swarm, cli, count);
    if (rc == 0)
        rc = gather (&swarm, result);
    if (rc == 0)
        rc = stay_idle (&swarm, before_ns, result);
    for (int end = 0; rc == 0 && end < BENCH_ENDS; end++)
        rc = end_one (&swarm, (bench_end_t) end, result);
    bench_swarm_close (&swarm);
    free (before_ns);
    return rc;
}

/* -- the row ----------------------------------------------------------------------------------- */

static json_t *ms_of (const cli_t *cli, uint64_t ns)
{
    return bench_real (cli, (double) ns / 1e6, 1);
}

static void add_times (json_t *row, const cli_t *cli, result_t *r)
{
    double pair_us = bench_percentile_us (r->pair_ns, PAIRS, 0.5);
    json_object_set_new (row, "pair_ms", bench_real (cli, pair_us / 1000, 1));
    json_object_set_new (row, "pair_max_ms", ms_of (cli, r->pair_ns[PAIRS - 1]));
    json_object_set_new (row, "mesh_ms", ms_of (cli, r->mesh_ns));
    json_object_set_new (row, "mesh_last_ms", ms_of (cli, r->last_ns));
    json_object_set_new (row, "given_up", json_integer ((json_int_t) r->exits));
    json_object_set_new (row, "killed_ms", ms_of (cli, r->gone_ns[BENCH_KILLED]));
    json_object_set_new (row, "stopped_ms", ms_of (cli, r->gone_ns[BENCH_CLEAN]));
}

/* What is not there, unlike what is not known. */
static json_t *no_hub (const cli_t *cli)
{
    return cli->json ? json_null () : json_string ("none");
}

static void add_costs (json_t *row, const cli_t *cli, uint32_t count, const result_t *r)
{
    double wall = (double) r->wall_ns / 100;
    json_object_set_new (row, "seconds", bench_real (cli, (double) r->wall_ns / 1e9, 1));
    json_object_set_new (row, "cpu_percent",
                         bench_ratio (cli, (double) r->cpu_ns / count, wall, 3));
    json_object_set_new (row, "cpu_max_percent",
                         bench_ratio (cli, (double) r->cpu_max_ns, wall, 3));
    json_object_set_new (row, "hub_cpu_percent",
                         cli_has (cli, "hub") ? bench_ratio (cli, (double) r->hub_ns, wall, 3)
                                              : no_hub (cli));
    json_object_set_new (row, "rss_mb", bench_real (cli, (double) r->rss_bytes / count / 1e6, 1));
    json_object_set_new (row, "rss_max_mb", bench_real (cli, (double) r->rss_max / 1e6, 1));
    json_object_set_new (row, "descriptors", json_integer ((json_int_t) r->fds_max));
}

static void add_talk (json_t *row, const cli_t *cli, const bench_talk_t *t)
{
    uint64_t shouts = bench_per_second (t->shouts - t->lost, t->shout_ns);
    uint64_t raw = bench_per_second (t->shouts, t->raw_ns);
    json_object_set_new (row, "shouts", json_integer ((json_int_t) t->shouts));
    json_object_set_new (row, "trips", json_integer ((json_int_t) t->trips));
    json_object_set_new (row, "shouts_per_s", json_integer ((json_int_t) shouts));
    json_object_set_new (row, "raw_msgs_per_s", json_integer ((json_int_t) raw));
    json_object_set_new (row, "lost", json_integer ((json_int_t) t->lost));
    json_object_set_new (row, "wrong", json_integer ((json_int_t) t->wrong));
    json_object_set_new (row, "p50_us", bench_real (cli, t->p50_us, 1));
    json_object_set_new (row, "raw_p50_us", bench_real (cli, t->raw_p50_us, 1));
    json_object_set_new (row, "ratio_p50", bench_ratio (cli, t->p50_us, t->raw_p50_us, 3));
    json_object_set_new (row, "p99_us", bench_real (cli, t->p99_us, 1));
    json_object_set_new (row, "raw_p99_us", bench_real (cli, t->raw_p99_us, 1));
    json_object_set_new (row, "ratio_p99", bench_ratio (cli, t->p99_us, t->raw_p99_us, 3));
}

static int check (const cli_t *cli, const result_t *r)
{
    if (r->exits > 0)
        return cli_fail (cli, EX_SOFTWARE, "nodes were given up %" PRIu64 " times while they ran",
                         r->exits);
    if (r->talk.lost > 0 || r->talk.wrong > 0)
        return cli_fail (cli, EX_SOFTWARE,
                         "%" PRIu64 " shouts are lost and %" PRIu64
                         " answers are wrong; that is a bug",
                         r->talk.lost, r->talk.wrong);
    return 0;
}

static int report (const cli_t *cli, uint32_t count, const char *interfaces, result_t *r)
{
    json_t *row = bench_row ("peers", BENCH_TCP);
    json_object_set_new (row, "nodes", json_integer (count));
    json_object_set_new (row, "via", json_string (cli_has (cli, "hub") ? "hub" : "beacons"));
    json_object_set_new (row, "interface", json_string (interfaces));
    add_times (row, cli, r);
    add_costs (row, cli, count, r);
    add_talk (row, cli, &r->talk);
    int rc = cli_print_object (cli, columns, row);
    int wrong = check (cli, r);
    return wrong != 0 ? wrong : rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

int bench_peers (const cli_t *cli)
{
    uint32_t count = (uint32_t) cli_number (cli, "nodes", NODES);
    result_t result = {.talk = {.shouts = cli_number (cli, "count", SHOUTS),
                                .trips = cli_number (cli, "trips", TRIPS)}};
    char interfaces[512];
    int rc = bench_interfaces (cli, interfaces, sizeof interfaces);
    if (rc == 0)
        rc = bench_allow_files (cli, "a node", count * FDS_A_PEER + FDS_SPARE);
    if (rc == 0)
        rc = measure_pairs (cli, &result);
    if (rc == 0)
        rc = measure_mesh (cli, count, &result);
    if (rc == 0)
        rc = bench_peers_talk (cli, &result.talk);
    return rc == 0 ? report (cli, count, interfaces, &result) : rc;
}
