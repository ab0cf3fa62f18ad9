/* The verbs bench queue, request, connections, memory, journal, recovery, pubsub and peers; and
 * those that children are started with. */
#include "bench.h"

#include "bench_peers.h"
#include "durable.h"

#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define QUEUE_SIZE  100
#define QUEUE_COUNT 5000000
#define LARGE_SIZE  1024
#define LARGE_COUNT 1000000

int bench_transport (const cli_t *cli, bench_transport_t *transport)
{
    const char *text = cli_text (cli, "transport", "tcp");
    if (!bench_transport_parse (text, transport))
        return cli_misuse (cli, "--transport is tcp, ipc or inproc, not '%s'", text);
    if (*transport == BENCH_INPROC && cli_has (cli, "connect"))
        return cli_misuse (cli, "--transport inproc has its broker inside; leave --connect away");
    return 0;
}

json_t *bench_row (const char *bench, bench_transport_t transport)
{
    static const char *const names[] = {"tcp", "ipc", "inproc"};
    char zmq[32];
    int major, minor, patch;
    zmq_version (&major, &minor, &patch);
    snprintf (zmq, sizeof zmq, "%d.%d.%d", major, minor, patch);
    return json_pack ("{s:s, s:s, s:s, s:s}", "bench", bench, "transport", names[transport],
                      "zferry", zf_version (), "libzmq", zmq);
}

/* -- verbs ------------------------------------------------------------------------------------- */

static int run_queue (cli_t *cli)
{
    return bench_queue (cli, QUEUE_SIZE, QUEUE_COUNT);
}

static int run_request (cli_t *cli)
{
    return bench_request (cli);
}

static int run_connections (cli_t *cli)
{
    return bench_connections (cli);
}

static int run_memory (cli_t *cli)
{
    return bench_memory (cli);
}

static int run_journal (cli_t *cli)
{
    return bench_journal (cli);
}

static int run_recovery (cli_t *cli)
{
    return bench_recovery (cli);
}

static int run_pubsub (cli_t *cli)
{
    return bench_pubsub (cli);
}

static int run_peers (cli_t *cli)
{
    return bench_peers (cli);
}

static int run_large_queue (cli_t *cli)
{
    return bench_queue (cli, LARGE_SIZE, LARGE_COUNT);
}

/* All of them with their defaults. The first that fails is the last. */
static int run_all (cli_t *cli)
{
    static int (*const steps[]) (cli_t * cli) = {
        run_queue,       run_large_queue, run_request, run_memory,
        run_connections, run_journal,     run_pubsub,  run_peers,
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof steps[0]; i++) {
        if (i > 0 && !cli->json)
            putchar ('\n');
        rc = steps[i](cli);
    }
    return rc;
}

/* -- children ---------------------------------------------------------------------------------- */

/* bench-child PARENT exec ARGS...: becomes the program with these arguments, and ends with the
 * parent. */
static int become (const cli_t *cli)
{
    char program[] = "zferry";
    cli->args[1] = program;                  /* takes the place of "exec" */
    setenv ("ZFERRY_LOG_FORMAT", "text", 1); /* the parent reads what it says */
    setenv ("ZFERRY_LOG_LEVEL", "info", 1);
    execv (bench_own_path (), cli->args + 1);
    return cli_fail (cli, EX_OSERR, "can't start the program again");
}

/* bench-child PARENT role ROLE INDEX, or PARENT node INDEX */
static int run_child (cli_t *cli)
{
    int rc = bench_child_begin (cli->args[0]);
    if (rc != 0)
        return cli_fail (cli, rc, "this verb is for zferry itself");
    if (strcmp (cli->args[1], "exec") == 0)
        return become (cli);
    if (strcmp (cli->args[1], "role") == 0 && cli->arg_count == 4)
        return bench_role_main (cli, cli->args[2], cli->args[3]);
    if (strcmp (cli->args[1], "node") == 0 && cli->arg_count == 3)
        return bench_node_main (cli, cli->args[2]);
    return cli_misuse (cli, "'%s' is neither exec nor role nor node", cli->args[1]);
}

/* -- tables ------------------------------------------------------------------------------------ */

#define CONNECT_OPTION                                                        \
    {                                                                         \
        .name = "connect", .letter = 'c', .kind = CLI_TEXT, .value = "EP",    \
        .help = "use the broker there instead of one started for the purpose" \
    }

#define SIZE_OPTION                                                                               \
    {                                                                                             \
        .name = "size", .letter = 's', .kind = CLI_SIZE, .value = "BYTES", .min = BENCH_BODY_MIN, \
        .max = 8388608, .help = "bytes of a body (default 100)"                                   \
    }

#define JOURNAL_OPTION                                                                      \
    {                                                                                       \
        .name = "journal", .kind = CLI_TEXT, .value = "DIR",                                \
        .help = "the broker keeps its queues in a new directory in DIR, removed afterwards" \
    }

#define KEEP_OPTION                                                      \
    {                                                                    \
        .name = "keep", .help = "leave that directory, and say its name" \
    }

static const cli_option_t queue_options[] = {
    SIZE_OPTION,
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 10000000000,
     .help = "records in all (default 5000000; with --rate: 5 s of them)"},
    {.name = "producers",
     .letter = 'p',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = BENCH_ROLES_MAX,
     .help = "producers (default 1)"},
    {.name = "workers",
     .letter = 'w',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = BENCH_ROLES_MAX,
     .help = "workers (default 1)"},
    {.name = "transport",
     .kind = CLI_TEXT,
     .value = "T",
     .words = "tcp ipc inproc",
     .help = "tcp, ipc or inproc: all in one process (default tcp)"},
    {.name = "rate",
     .letter = 'r',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "records a second, to see the latency (default: as fast as it goes)"},
    {.name = "latency",
     .help = "post one at a time, beside the disk's write and fdatasync and bare libzmq"},
    JOURNAL_OPTION,
    DURABLE_SYNC_OPTION,
    KEEP_OPTION,
    CONNECT_OPTION,
    {.name = "plant", .kind = CLI_TEXT, .value = "MISTAKES"},
    {.name = NULL},
};

static const cli_option_t request_options[] = {
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 100000000,
     .help = "requests on each side (default 20000)"},
    SIZE_OPTION,
    {.name = "transport",
     .kind = CLI_TEXT,
     .value = "T",
     .words = "tcp ipc",
     .help = "tcp or ipc (default tcp)"},
    {.name = "direct", .help = "the worker has its broker inside: two hops instead of four"},
    CONNECT_OPTION,
    {.name = NULL},
};

static const cli_option_t connections_options[] = {
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 64000,
     .help = "clients (default 10000)"},
    {.name = "seconds",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .help = "to measure (default 20: idle clients ping that often)"},
    {.name = NULL},
};

static const cli_option_t memory_options[] = {
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "records to queue (default 1000000)"},
    SIZE_OPTION,
    {.name = NULL},
};

static const cli_option_t journal_options[] = {
    {.name = "size",
     .letter = 's',
     .kind = CLI_SIZE,
     .value = "BYTES",
     .min = 1,
     .max = 1073741824,
     .help = "bytes of a record (default 100)"},
    {.name = "batch",
     .letter = 'b',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 10000000,
     .help = "records of an entry, which is synced as a whole (default 600)"},
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 100000000,
     .help = "entries, with a sync each and then again without (default 2000)"},
    {.name = "dir",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "where the journal is made for the purpose (default: here)"},
    {.name = NULL},
};

static const cli_option_t recovery_options[] = {
    {.name = "records",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "records to queue (default 1000000)"},
    SIZE_OPTION,
    {.name = "memory",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .help = "the broker's memory for records; the rest is on disk only (default 1GiB)"},
    JOURNAL_OPTION,
    DURABLE_SYNC_OPTION,
    KEEP_OPTION,
    {.name = "plant", .kind = CLI_TEXT, .value = "MISTAKES"},
    {.name = NULL},
};

static const cli_option_t pubsub_options[] = {
    SIZE_OPTION,
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 10000000000,
     .help = "messages (default 5000000; --raw: 2000000 a round; with --rate: 5 s of them)"},
    {.name = "subscribers",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = BENCH_ROLES_MAX - 1,
     .help = "default 1; with --via stream they share the messages as a group"},
    {.name = "via",
     .kind = CLI_TEXT,
     .value = "WHAT",
     .words = "forwarder direct stream",
     .help = "forwarder (default), direct: one inside the publisher, or stream: of a broker"},
    {.name = "transport",
     .kind = CLI_TEXT,
     .value = "T",
     .words = "tcp ipc",
     .help = "tcp or ipc (default tcp)"},
    {.name = "topics",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 1000,
     .help = "publish under so many topics in turn (default 1)"},
    {.name = "rate",
     .letter = 'r',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "messages a second, to see the latency (default: as fast as it goes)"},
    {.name = "raw", .help = "plain sockets, through bare zmq_proxy and a forwarder in turns"},
    {.name = "slow", .help = "latency without and with a subscriber that stops reading, in turns"},
    {.name = "replay", .help = "fill a journal, kill the broker, read all of it from the disk"},
    JOURNAL_OPTION,
    DURABLE_SYNC_OPTION,
    KEEP_OPTION,
    {.name = "plant", .kind = CLI_TEXT, .value = "MISTAKES"},
    {.name = NULL},
};

static const cli_option_t peers_options[] = {
    {.name = "nodes",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 3,
     .max = BENCH_NODES_MAX,
     .help = "nodes, a process each (default 100)"},
    {.name = "hub", .help = "they meet at one more node, which is a hub, and send no beacons"},
    {.name = "interface",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "send beacons there: a name or a network; several may be given (default lo)",
     .repeat = true},
    {.name = "idle",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .help = "to measure what a node costs (default 10s)"},
    {.name = "count",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 1000000000,
     .help = "shouts on each side (default 500000)"},
    {.name = "trips",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 100000000,
     .help = "whispers and their answers on each side (default 10000)"},
    {.name = NULL},
};

const cli_verb_t verbs_bench[] = {
    {.name = "bench",
     .usage = "",
     .summary = "Measure everything with default options",
     .details = "Runs bench queue with 100 and 1024 bytes, then request, memory, connections,\n"
                "journal, pubsub and peers.\n",
     .example = "  zferry bench --json\n",
     .run = run_all},
    {.name = "bench queue",
     .usage = "",
     .summary = "Measure records a second through a broker, each one checked",
     .details = "The broker, each producer and each worker are processes; one API call a record.\n"
                "The clock runs from the first post to the last acknowledgement. Latency is from\n"
                "post to receive; at full speed it is mostly the time spent in full buffers.\n"
                "With --latency one producer posts and waits for each confirm, in turns with the\n"
                "disk's own write and fdatasync and a way there and back on bare libzmq.\n",
     .example = "  zferry bench queue --size 1KiB --count 1000000\n"
                "  zferry bench queue --rate 10000\n"
                "  zferry bench queue --journal . --sync always\n"
                "  zferry bench queue --journal . --latency\n",
     .options = queue_options,
     .run = run_queue},
    {.name = "bench request",
     .usage = "",
     .summary = "Measure requests and their replies, beside bare libzmq",
     .details =
         "Client, broker and worker are processes; so are client, forwarder and worker on bare\n"
         "libzmq, whose rounds alternate with ours.\n",
     .example = "  zferry bench request --count 50000\n  zferry bench request --direct\n",
     .options = request_options,
     .run = run_request},
    {.name = "bench connections",
     .usage = "",
     .summary = "Measure what idle clients cost a broker",
     .example = "  zferry bench connections --count 10000 --seconds 1m\n",
     .options = connections_options,
     .run = run_connections},
    {.name = "bench memory",
     .usage = "",
     .summary = "Measure what a queued record costs a broker",
     .example = "  zferry bench memory --count 1000000 --size 100\n",
     .options = memory_options,
     .run = run_memory},
    {.name = "bench journal",
     .usage = "",
     .summary = "Measure a journal, beside the disk's own write and fdatasync",
     .details =
         "Each entry is written and synced right after the same bytes went to a file beside it\n"
         "and were synced there. Recovery reads what the system may still have in memory.\n",
     .example = "  zferry bench journal --size 100 --batch 600\n"
                "  zferry bench journal --size 4KiB --batch 1 --dir /var/lib/zferry\n",
     .options = journal_options,
     .run = run_journal},
    {.name = "bench recovery",
     .usage = "",
     .summary = "Measure a broker that is killed and comes back with all its records",
     .details = "Fills a queue, kills the broker with SIGKILL, starts it again, and takes the\n"
                "time until it answers and all records are there; then takes and acknowledges\n"
                "them all, each checked. What was written may still be in the system's memory.\n",
     .example = "  zferry bench recovery --journal . --records 10000000\n"
                "  zferry bench recovery --journal . --size 1KiB --memory 256MiB\n",
     .options = recovery_options,
     .run = run_recovery},
    {.name = "bench pubsub",
     .usage = "",
     .summary = "Measure events a second to each subscriber, each one checked",
     .details =
         "Publisher, forwarder and each subscriber are processes; one API call a message. The\n"
         "clock runs from the first message until everybody has the last one. Latency is from\n"
         "publish to receive; at full speed it is mostly the time spent in full buffers. So that\n"
         "nothing goes before it is read, the publisher is 32 MiB ahead of the slowest subscriber\n"
         "at most (plain sockets: 50,000 messages, with room for twice that everywhere).\n"
         "With --slow --raw it is plain subscribers that read or do not. With --replay what was\n"
         "written may still be in the system's memory, but is no longer in the broker's.\n",
     .example = "  zferry bench pubsub --subscribers 4\n"
                "  zferry bench pubsub --raw\n"
                "  zferry bench pubsub --rate 100000\n"
                "  zferry bench pubsub --via stream --journal .\n"
                "  zferry bench pubsub --replay --journal .\n",
     .options = pubsub_options,
     .run = run_pubsub},
    {.name = "bench peers",
     .usage = "",
     .summary = "Measure nodes that find each other, wait, go, and talk",
     .details = "Two nodes meet ten times, the second at another moment of the first one's beacon\n"
                "interval each time. Then all are started at once, idle once all see all; one is\n"
                "killed and one stopped. Then two of them shout and whisper, in turns with bare\n"
                "libzmq, DEALER to ROUTER. Each node is a process.\n",
     .example = "  zferry bench peers --nodes 100\n"
                "  zferry bench peers --nodes 100 --hub\n"
                "  zferry bench peers --interface eth0 --json\n",
     .options = peers_options,
     .run = run_peers},
    {.name = "bench-child",
     .usage = "PARENT exec|role|node ...",
     .summary = "What the benches start",
     .example = "",
     .min_args = 2,
     .max_args = -1,
     .flags = CLI_HIDDEN,
     .run = run_child},
    {.name = NULL},
};
