/* zferry forwarder: carries events from publishers to subscribers, in the foreground. */
#include "announce.h"
#include "device.h"
#include "durable.h"
#include "secure.h"

#include <stdlib.h>
#include <string.h>

#define DISCONNECT "disconnect"

static const cli_option_t options[] = {
    {.name = "bind",
     .letter = 'b',
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "endpoint for zferry's own peers; may be repeated (default tcp://127.0.0.1:5556)"},
    {.name = "pub",
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "plain publishers: listen at EP, or connect to it if it is >EP; may be repeated"},
    {.name = "sub",
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "plain subscribers, in the same way"},
    {.name = "stream",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "the stream that the plain side is (default events)"},
    {.name = "last-values",
     .help = "new plain subscribers get the newest message of each topic first"},
    {.name = "last-values-size",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .help = "kept for that; the topics unchanged for longest go first (default 64MiB)"},
    {.name = "compact", .help = "streams keep the last record of each key or topic only"},
    {.name = "slow",
     .kind = CLI_TEXT,
     .value = "RULE",
     .words = "drop disconnect disconnect=",
     .help = "plain subscribers that do not read: drop (default), or disconnect[=TIME] (10s)"},
    {.name = "plain-hwm",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = INT32_MAX,
     .help = "messages that wait for one plain subscriber (default 10000)"},
    {.name = "keep",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .help = "kept of each stream (default 64MiB, with a journal 1GiB)"},
    {.name = "keep-age",
     .kind = CLI_TIME,
     .value = "TIME",
     .help = "records older than this go (default 0: no cap)"},
    {.name = "keep-length",
     .kind = CLI_COUNT,
     .value = "N",
     .help = "records of each stream (default 0: no cap)"},
    {.name = "memory",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .help = "for records of all streams; with a journal the rest is on disk (default 1GiB)"},
    {.name = "max-message",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1024,
     .max = UINT64_C (2) << 30,
     .help = "a larger message closes its connection (default 16MiB)"},
    {.name = "journal",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "keep all that passes on disk here; the directory is made if need be"},
    DURABLE_SYNC_OPTION,
    DURABLE_DISK_OPTION,
    SECURE_LIMIT_OPTIONS,
    ANNOUNCE_OPTIONS ("topic/NAME (default: what --stream says)"),
    DEVICE_OPTIONS,
    {.name = NULL}};

/* What was asked for. */
typedef struct {
    zf_forwarder_options_t forwarder; /* points into the lists below and the arguments */
    durable_t durable;                /* the journal */
    zf_limits_t limits;               /* of each client */
    const char **binds;               /* each owned; NULL: none given */
    const char **pubs;
    const char **subs;
} wanted_t;

/* -- options ----------------------------------------------------------------------------------- */

static int take_slow (const cli_t *cli, zf_forwarder_options_t *forwarder)
{
    const char *text = cli_text (cli, "slow", "drop");
    const char *time = text + strlen (DISCONNECT);
    uint64_t ms = forwarder->slow_ms;
    if (strcmp (text, "drop") == 0)
        return 0;
    bool named = strncmp (text, DISCONNECT, strlen (DISCONNECT)) == 0;
    if (!named || (*time != '\0' && (*time != '=' || !cli_parse_number (CLI_TIME, time + 1, &ms) ||
                                     ms == 0 || ms > INT32_MAX)))
        return cli_misuse (cli, "--slow is drop or disconnect[=TIME], not '%s'", text);
    forwarder->slow = ZF_SLOW_DISCONNECT;
    forwarder->slow_ms = (uint32_t) ms;
    return 0;
}

static void fill_keeping (const cli_t *cli, const durable_t *durable,
                          zf_forwarder_options_t *forwarder)
{
    forwarder->keep_bytes = cli_number (cli, "keep", forwarder->keep_bytes);
    forwarder->keep_length = cli_number (cli, "keep-length", forwarder->keep_length);
    forwarder->keep_ms = cli_number (cli, "keep-age", forwarder->keep_ms);
    forwarder->compact = cli_has (cli, "compact");
    forwarder->last_values = cli_has (cli, "last-values");
    forwarder->last_values_bytes =
        cli_number (cli, "last-values-size", forwarder->last_values_bytes);
    forwarder->journal = durable->dir;
    forwarder->sync = durable->sync;
    forwarder->sync_interval_ms = durable->interval_ms;
    forwarder->disk_bytes = durable->disk_bytes;
}

static void fill_limits (const cli_t *cli, zf_forwarder_options_t *forwarder)
{
    forwarder->stream = cli_text (cli, "stream", forwarder->stream);
    forwarder->plain_hwm = (uint32_t) cli_number (cli, "plain-hwm", forwarder->plain_hwm);
    forwarder->memory_bytes = cli_number (cli, "memory", forwarder->memory_bytes);
    forwarder->max_message_bytes = cli_number (cli, "max-message", forwarder->max_message_bytes);
}

static void fill_endpoints (const cli_t *cli, wanted_t *wanted)
{
    zf_forwarder_options_t *forwarder = &wanted->forwarder;
    size_t count = cli_list (cli, "bind", &wanted->binds);
    if (count > 0) {
        forwarder->endpoints = wanted->binds;
        forwarder->endpoint_count = count;
    }
    forwarder->pub_count = cli_list (cli, "pub", &wanted->pubs);
    forwarder->pubs = wanted->pubs;
    forwarder->sub_count = cli_list (cli, "sub", &wanted->subs);
    forwarder->subs = wanted->subs;
}

static int read_options (const cli_t *cli, wanted_t *wanted)
{
    *wanted = (wanted_t){.binds = NULL};
    zf_forwarder_defaults (&wanted->forwarder);
    int rc = durable_from_options (cli, &wanted->durable);
    if (rc == 0)
        rc = take_slow (cli, &wanted->forwarder);
    if (rc == 0 && cli_has (cli, "last-values-size") && !cli_has (cli, "last-values"))
        rc = cli_misuse (cli, "--last-values-size is for --last-values");
    if (rc != 0)
        return rc;
    fill_keeping (cli, &wanted->durable, &wanted->forwarder);
    fill_limits (cli, &wanted->forwarder);
    secure_limits (cli, &wanted->limits);
    fill_endpoints (cli, wanted);
    return 0;
}

/* -- the run ----------------------------------------------------------------------------------- */

/* How many endpoints of an option are bound, and so listed when the forwarder runs. */
static size_t bound_count (const cli_t *cli, const char *option)
{
    const char **texts = NULL;
    size_t count = cli_list (cli, option, &texts);
    size_t bound = 0;
    for (size_t i = 0; i < count; i++)
        bound += texts[i][0] != '>';
    free (texts);
    return bound;
}

/* Native endpoints come first, then those for publishers. */
static const char *endpoint_role (const cli_t *cli, size_t i)
{
    size_t native = bound_count (cli, "bind");
    native = native > 0 ? native : 1;
    if (i < native)
        return "";
    return i < native + bound_count (cli, "pub") ? " for plain publishers"
                                                 : " for plain subscribers";
}

static int start (const cli_t *cli, wanted_t *wanted, device_run_t *run, zf_device_t **device)
{
    zf_error_t err = {0};
    wanted->forwarder.on_event = device_event;
    wanted->forwarder.arg = run;
    wanted->forwarder.security = cli->security;
    wanted->forwarder.limits = &wanted->limits;
    int rc = zf_forwarder_start (device, &wanted->forwarder, &err);
    return rc == 0 ? 0 : durable_fail (cli, wanted->durable.dir, &err);
}

static int announce (const cli_t *cli, const wanted_t *wanted, zf_device_t **device)
{
    char what[ZF_OFFER_WHAT_MAX + 1];
    snprintf (what, sizeof what, "topic/%.240s", cli_text (cli, "name", wanted->forwarder.stream));
    size_t native = bound_count (cli, "bind");
    announced_t announced = {.device = *device, .endpoints = native > 0 ? native : 1};
    int rc = announce_as (cli, &announced, what);
    if (rc != 0)
        zf_device_stop (device);
    return rc;
}

static int run_forwarder (cli_t *cli)
{
    wanted_t wanted;
    zf_device_t *device = NULL;
    device_run_t run;
    int rc = read_options (cli, &wanted);
    if (rc == 0)
        rc = device_prepare (&run, cli);
    if (rc == 0)
        rc = start (cli, &wanted, &run, &device);
    if (rc == 0)
        rc = announce (cli, &wanted, &device);
    free (wanted.binds);
    free (wanted.pubs);
    free (wanted.subs);
    return rc == 0 ? device_run (&run, &device, endpoint_role) : rc;
}

const cli_verb_t verbs_forwarder[] = {
    {.name = "forwarder",
     .usage = "",
     .summary = "Carry events from publishers to subscribers, zferry's and plain ZeroMQ's",
     .details =
         "zferry's own publishers and subscribers (zferry pub, zferry sub) use --bind; they miss "
         "nothing that\n"
         "is kept (--keep). With --pub and --sub it joins plain PUB and SUB sockets, too: what "
         "comes in on\n"
         "any side goes out on all. A plain message's first frame is its topic. Forwarders may be "
         "chained\n"
         "through their plain sides; a circle is noticed and cut.\n"
         "With --journal all that passes is kept on disk, by size and age, and survives the "
         "forwarder. With\n"
         "--slow disconnect a plain subscriber that does not read for TIME is cut off; until then, "
         "and with\n"
         "drop, what it has no room for is dropped for it, and counted. The endpoints go to stderr "
         "once they\n"
         "are bound. Ends with the first Ctrl-C, and says what it did. With --discover zferry's "
         "own peers find\n"
         "it as zferry://topic/STREAM.\n",
     .example =
         "  zferry forwarder\n"
         "  zferry forwarder --pub 'tcp://*:6000' --sub 'tcp://*:6001' --insecure\n"
         "  zferry forwarder --pub '>tcp://feed.example.com:6000' --sub tcp://127.0.0.1:6001\n"
         "  zferry forwarder --journal /var/lib/zferry --keep 10GiB --keep-age 7d\n"
         "  zferry forwarder --discover --bind 'tcp://*:5556' --key-file keys/fan --authorised "
         "keys/in\n",
     .options = options,
     .flags = CLI_OFFERS,
     .run = run_forwarder},
    {.name = NULL}};
