/* zferry broker: a broker in the foreground. */
#include "announce.h"
#include "device.h"
#include "durable.h"
#include "policy.h"
#include "secure.h"

#include <stdlib.h>

static const cli_option_t options[] = {
    {.name = "bind",
     .letter = 'b',
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "endpoint to listen on; may be repeated (default tcp://127.0.0.1:5555)"},
    {.name = "memory",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .help = "for records of all queues; durable ones can go on on disk (default 1GiB)"},
    {.name = "journal",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "keep queues on disk here; the directory is made if need be"},
    DURABLE_SYNC_OPTION,
    DURABLE_DISK_OPTION,
    {.name = "max-message",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1024,
     .max = UINT64_C (2) << 30,
     .help = "a larger message closes its connection (default 16MiB)"},
    {.name = "window",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1024,
     .help = "unconfirmed posts a client may have under way (default 4MiB)"},
    {.name = "max-queues",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = UINT32_MAX,
     .help = "default 10000"},
    {.name = "max-sessions",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = UINT32_MAX,
     .help = "peers with state here (default 65536)"},
    {.name = "heartbeat",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .max = UINT32_MAX,
     .help = "asked of workers; three missed and one is gone (default 500ms)"},
    {.name = "mdp-heartbeat",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .max = UINT32_MAX,
     .help = "the same for Majordomo workers (default 2500ms)"},
    {.name = "client-idle",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .max = UINT32_MAX,
     .help = "a silent client is forgotten after this (default 60s)"},
    SECURE_LIMIT_OPTIONS,
    POLICY_OPTIONS,
    ANNOUNCE_OPTIONS ("broker/NAME (default: the host's name)"),
    DEVICE_OPTIONS,
    {.name = NULL}};

static void fill_limits (const cli_t *cli, zf_broker_options_t *broker)
{
    broker->memory_bytes = cli_number (cli, "memory", broker->memory_bytes);
    broker->max_message_bytes = cli_number (cli, "max-message", broker->max_message_bytes);
    broker->window_bytes = cli_number (cli, "window", broker->window_bytes);
    broker->max_queues = (uint32_t) cli_number (cli, "max-queues", broker->max_queues);
    broker->max_sessions = (uint32_t) cli_number (cli, "max-sessions", broker->max_sessions);
    broker->heartbeat_ms = (uint32_t) cli_number (cli, "heartbeat", broker->heartbeat_ms);
    broker->mdp_heartbeat_ms =
        (uint32_t) cli_number (cli, "mdp-heartbeat", broker->mdp_heartbeat_ms);
    broker->client_idle_ms = (uint32_t) cli_number (cli, "client-idle", broker->client_idle_ms);
}

/* What was asked for. */
typedef struct {
    zf_policy_t policy; /* of queues that nobody declares */
    durable_t durable;  /* the journal */
    zf_limits_t limits; /* of each client */
} wanted_t;

static int read_options (const cli_t *cli, wanted_t *wanted)
{
    zf_policy_defaults (&wanted->policy);
    secure_limits (cli, &wanted->limits);
    int rc = policy_from_options (cli, &wanted->policy);
    if (rc == 0)
        rc = durable_from_options (cli, &wanted->durable);
    if (rc == 0 && wanted->policy.durable == ZF_DURABLE_YES && wanted->durable.dir == NULL)
        return cli_misuse (cli, "--durable takes a journal; name its directory with --journal");
    return rc;
}

static int start (const cli_t *cli, const wanted_t *wanted, device_run_t *run, zf_device_t **device)
{
    zf_error_t err = {0};
    zf_broker_options_t broker;
    const char **endpoints = NULL;
    zf_broker_defaults (&broker);
    fill_limits (cli, &broker);
    size_t count = cli_list (cli, "bind", &endpoints);
    if (count > 0) {
        broker.endpoints = endpoints;
        broker.endpoint_count = count;
    }
    broker.policy = &wanted->policy;
    durable_apply (&wanted->durable, &broker);
    broker.security = cli->security;
    broker.limits = &wanted->limits;
    broker.on_event = device_event;
    broker.arg = run;
    int rc = zf_broker_start (device, &broker, &err);
    free (endpoints);
    if (rc != 0)
        return durable_fail (cli, wanted->durable.dir, &err);
    announced_t announced = {.device = *device, .endpoints = SIZE_MAX};
    rc = announce_by_name (cli, &announced, "broker");
    if (rc != 0)
        zf_device_stop (device);
    return rc;
}

static int run_broker (cli_t *cli)
{
    wanted_t wanted;
    zf_device_t *device = NULL;
    device_run_t run;
    int rc = read_options (cli, &wanted);
    if (rc == 0)
        rc = device_prepare (&run, cli);
    if (rc == 0)
        rc = start (cli, &wanted, &run, &device);
    return rc == 0 ? device_run (&run, &device, NULL) : rc;
}

const cli_verb_t verbs_broker[] = {
    {.name = "broker",
     .usage = "",
     .summary = "Run a broker: queues and services, for native clients and Majordomo's",
     .details =
         "Policy options are those of queues that nobody declares. The endpoints go to stderr once "
         "they are\n"
         "bound; with tcp://127.0.0.1:* the system chooses the port. Ends with the first Ctrl-C, "
         "and says\n"
         "what it did.\n"
         "Without --journal records are in memory: they survive the end of clients and workers, "
         "not the\n"
         "broker's. With it, queues are durable unless declared otherwise: records, attempts, "
         "delays, dead\n"
         "letters and policies survive kill -9. What is confirmed survives a power failure, too, "
         "with --sync\n"
         "always; with interval=TIME all but the last TIME of it does, with never what the system "
         "has\n"
         "written by then. Peers are told which. One broker at a time uses a directory.\n"
         "With --discover it is found by those who look for it (zferry://broker, or any queue, "
         "service or\n"
         "topic that nobody else offers), without an address. Several may be announced: workers "
         "go to all of\n"
         "them, clients spread.\n",
     .example = "  zferry broker\n"
                "  zferry broker --bind ipc:///tmp/zferry --memory 4GiB\n"
                "  zferry broker --journal /var/lib/zferry --disk 100GiB\n"
                "  zferry broker --bind 'tcp://*:5555' --key-file keys/hub --authorised keys/in\n"
                "  zferry broker --bind 'tcp://*:5555' --insecure --discover --name north\n",
     .options = options,
     .flags = CLI_OFFERS,
     .run = run_broker},
    {.name = NULL}};
