/* zferry balancer: load balancing for plain ZeroMQ sockets, in the foreground. */
#include "announce.h"
#include "device.h"

#include <stdlib.h>

static const cli_option_t options[] = {
    {.name = "front",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "endpoint for clients; may be repeated (default tcp://127.0.0.1:5555)"},
    {.name = "back",
     .letter = 'b',
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "endpoint for workers; may be repeated (default tcp://127.0.0.1:5556)"},
    {.name = "memory",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .help = "waiting requests; beyond it they are dropped and counted (default 256MiB)"},
    {.name = "max-message",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .max = UINT64_C (2) << 30,
     .help = "a larger message closes its connection (default 16MiB)"},
    {.name = "max-attempts",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = UINT32_MAX,
     .help = "workers tried for one request (default 3)"},
    {.name = "ttl",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .max = UINT32_MAX,
     .help = "a request not answered by then is dropped (default 60s)"},
    {.name = "heartbeat",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .max = UINT32_MAX,
     .help = "with Paranoid Pirate workers (default 1s)"},
    ANNOUNCE_OPTIONS ("balancer/NAME (default: the host's name)"),
    DEVICE_OPTIONS,
    {.name = NULL}};

static size_t front_count (const cli_t *cli)
{
    const char **fronts = NULL;
    size_t count = cli_list (cli, "front", &fronts);
    free (fronts);
    return count > 0 ? count : 1;
}

/* The front endpoints come first. */
static const char *endpoint_role (const cli_t *cli, size_t i)
{
    return i < front_count (cli) ? " for clients" : " for workers";
}

static void fill_limits (const cli_t *cli, zf_balancer_options_t *balancer)
{
    balancer->memory_bytes = cli_number (cli, "memory", balancer->memory_bytes);
    balancer->max_message_bytes = cli_number (cli, "max-message", balancer->max_message_bytes);
    balancer->max_attempts = (uint32_t) cli_number (cli, "max-attempts", balancer->max_attempts);
    balancer->request_ttl_ms = (uint32_t) cli_number (cli, "ttl", balancer->request_ttl_ms);
    balancer->heartbeat_ms = (uint32_t) cli_number (cli, "heartbeat", balancer->heartbeat_ms);
}

static int start (const cli_t *cli, device_run_t *run, zf_device_t **device)
{
    zf_error_t err = {0};
    zf_balancer_options_t balancer;
    const char **fronts = NULL;
    const char **backs = NULL;
    zf_balancer_defaults (&balancer);
    fill_limits (cli, &balancer);
    size_t count = cli_list (cli, "front", &fronts);
    size_t back_count = cli_list (cli, "back", &backs);
    if (count > 0) {
        balancer.front = fronts;
        balancer.front_count = count;
    }
    if (back_count > 0) {
        balancer.back = backs;
        balancer.back_count = back_count;
    }
    balancer.on_event = device_event;
    balancer.arg = run;
    balancer.security = cli->security;
    int rc = zf_balancer_start (device, &balancer, &err);
    free (fronts);
    free (backs);
    if (rc != 0)
        return device_fail (cli, &err);
    announced_t announced = {.device = *device, .endpoints = front_count (cli)};
    rc = announce_by_name (cli, &announced, "balancer");
    if (rc != 0)
        zf_device_stop (device);
    return rc;
}

static int run_balancer (cli_t *cli)
{
    zf_device_t *device = NULL;
    device_run_t run;
    int rc = device_prepare (&run, cli);
    if (rc == 0)
        rc = start (cli, &run, &device);
    return rc == 0 ? device_run (&run, &device, endpoint_role) : rc;
}

const cli_verb_t verbs_balancer[] = {
    {.name = "balancer",
     .usage = "",
     .summary = "Share plain ZeroMQ requests out to the workers that are free",
     .details = "Clients are REQ or DEALER sockets at the front; workers are REQ or DEALER sockets "
                "at the back that\n"
                "send READY, as in the ZeroMQ guide, or Paranoid Pirates (RFC 6). Ends with the "
                "first Ctrl-C.\n"
                "With --discover its first front endpoint is in the directory, for plain clients "
                "that look it up\n"
                "(zferry directory); zferry's own clients do not speak to it.\n",
     .example = "  zferry balancer --front tcp://127.0.0.1:5559 --back tcp://127.0.0.1:5560\n"
                "  zferry balancer --front 'tcp://*:5559' --back 'tcp://*:5560' --insecure\n",
     .options = options,
     .flags = CLI_OFFERS,
     .run = run_balancer},
    {.name = NULL}};
