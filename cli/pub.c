/* zferry pub: one event, or one for each line of the input. */
#include "pub.h"

#include "durable.h"
#include "plain.h"
#include "props.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_STEP_MS = 1000 }; /* of waiting for subscribers: a signal is seen to in between */

static const cli_option_t options[] = {
    {.name = "file",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "F",
     .help = "the body is what this file holds"},
    {.name = "lines", .letter = 'l', .help = "publish each line of the input as a message"},
    {.name = "wait-subscribers",
     .letter = 'w',
     .kind = CLI_COUNT,
     .value = "N",
     .max = UINT32_MAX,
     .help = "first wait until N subscriptions match the topic (default 0; --raw: 1)"},
    {.name = "stream", .kind = CLI_TEXT, .value = "NAME", .help = "default events"},
    {.name = "key",
     .kind = CLI_TEXT,
     .value = "KEY",
     .help = "for ordered groups, and for streams that are compact"},
    {.name = "id",
     .kind = CLI_TEXT,
     .value = "ID",
     .help = "refused a second time inside the stream's dedup window"},
    {.name = "header",
     .letter = 'H',
     .kind = CLI_TEXT,
     .value = "NAME=VALUE",
     .repeat = true,
     .help = "user header; may be repeated"},
    TRACE_OPTION,
    PLAIN_BIND_OPTION ("listen here: subscribers connect to this process; may be repeated"),
    {.name = "linger",
     .kind = CLI_TIME,
     .value = "TIME",
     .help = "with --bind or --direct: stay so long after the last message (default: until "
             "Ctrl-C)"},
    {.name = "direct", .help = "without a broker: be found by the subscribers"},
    {.name = "raw", .letter = 'r', .help = "be a plain ZeroMQ publisher: frames topic and body"},
    {.name = NULL}};

/* -- what is said at the end ------------------------------------------------------------------- */

static void note_summary (const pub_tally_t *tally, uint64_t ms)
{
    const cli_t *cli = tally->cli;
    uint64_t published = atomic_load (&tally->published);
    uint64_t confirmed = atomic_load (&tally->confirmed);
    double rate = (double) confirmed * 1000 / (double) (ms > 0 ? ms : 1);
    if (cli_has (cli, "raw"))
        cli_note (cli, "published %" PRIu64 " message%s to %s in %.2f s (%.0f/s)", published,
                  published == 1 ? "" : "s", cli->args[0], (double) ms / 1000, rate);
    else
        cli_note (cli,
                  "published %" PRIu64 " message%s to %s in %.2f s: %" PRIu64 " confirmed, %" PRIu64
                  " refused (%.0f/s)%s%s",
                  published, published == 1 ? "" : "s", cli->args[0], (double) ms / 1000, confirmed,
                  (uint64_t) atomic_load (&tally->refused), rate,
                  tally->sync == ZF_SYNC_NONE ? "" : "; sync ",
                  tally->sync == ZF_SYNC_NONE ? "" : durable_sync_name (tally->sync));
}

int pub_summary (const pub_tally_t *tally)
{
    static const cli_column_t columns[] = {{"topic", "topic", CLI_COLUMN_TEXT},
                                           {"published", "published", CLI_COLUMN_NUMBER},
                                           {"confirmed", "confirmed", CLI_COLUMN_NUMBER},
                                           {"refused", "refused", CLI_COLUMN_NUMBER},
                                           {"sync", "sync", CLI_COLUMN_TEXT},
                                           {"ms", "time", CLI_COLUMN_MS},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    const cli_t *cli = tally->cli;
    uint64_t ms = cli_now_ms () - tally->start_ms;
    if (cli_has (cli, "lines") || cli->json_asked || cli->err_terminal)
        note_summary (tally, ms);
    if (!cli->json_asked)
        return 0;
    return cli_print_object (cli, columns,
                             json_pack ("{s:s, s:I, s:I, s:I, s:s, s:I}", "topic", cli->args[0],
                                        "published", (json_int_t) atomic_load (&tally->published),
                                        "confirmed", (json_int_t) atomic_load (&tally->confirmed),
                                        "refused", (json_int_t) atomic_load (&tally->refused),
                                        "sync", durable_sync_name (tally->sync), "ms",
                                        (json_int_t) ms));
}

/* -- the input --------------------------------------------------------------------------------- */

static void show_progress (const pub_tally_t *tally)
{
    uint64_t published = atomic_load (&tally->published);
    if (published % 1024 == 0)
        cli_progress (tally->cli, "%" PRIu64 " published, %" PRIu64 " confirmed", published,
                      (uint64_t) atomic_load (&tally->confirmed));
}

int pub_input (pub_tally_t *tally, input_t *input, pub_fn *publish, void *arg)
{
    zf_bytes_t body;
    int rc = 0;
    int more = 1;
    if (cli_stopped () != 0)
        return 0;
    if (!cli_has (tally->cli, "lines")) {
        more = input_whole (input, tally->cli, &body);
        if (more > 0)
            rc = publish (arg, body);
    } else {
        while (rc == 0 && cli_stopped () == 0 &&
               (more = input_line (input, tally->cli, &body)) > 0) {
            rc = publish (arg, body);
            show_progress (tally);
        }
    }
    return more < 0 ? -more : rc;
}

/* -- zferry's own publisher -------------------------------------------------------------------- */

typedef struct {
    const cli_t *cli;
    pub_tally_t *tally;
    zf_publisher_t *publisher;
    record_props_t record; /* of every message */
} native_t;

static void on_confirm (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    pub_tally_t *tally = arg;
    int none = 0;
    (void) queue;
    (void) first;
    atomic_fetch_add (code == 0 ? &tally->confirmed : &tally->refused, count);
    if (code != 0)
        atomic_compare_exchange_strong (&tally->code, &none, code);
}

static int fail (native_t *native, const zf_error_t *err)
{
    return cli_client_fail (native->cli, zf_publisher_client (native->publisher), err);
}

static int publish (void *arg, zf_bytes_t body)
{
    native_t *native = arg;
    zf_error_t err = {0};
    int rc = zf_publisher_publish (native->publisher, native->cli->args[0], body.data, body.size,
                                   &native->record.props, NULL, &err);
    if (rc != 0)
        return fail (native, &err);
    atomic_fetch_add (&native->tally->published, 1);
    return 0;
}

static void tell_endpoints (const native_t *native)
{
    const zf_device_t *device = zf_publisher_device (native->publisher);
    const char *endpoint = NULL;
    for (size_t i = 0; (endpoint = zf_device_endpoint (device, i)) != NULL; i++)
        if (strncmp (endpoint, "inproc:", 7) != 0) /* its own */
            cli_log (native->cli, ZF_LOG_NOTICE, NULL, "listening on %s", endpoint);
}

static int open_publisher (native_t *native)
{
    const cli_t *cli = native->cli;
    zf_error_t err = {0};
    zf_publisher_options_t wanted;
    zf_forwarder_options_t forwarder;
    const char **binds = NULL;
    zf_publisher_defaults (&wanted);
    zf_forwarder_defaults (&forwarder);
    forwarder.endpoint_count = cli_list (cli, "bind", &binds);
    forwarder.endpoints = binds;
    forwarder.security = cli->security;
    wanted.endpoints = cli->endpoints;
    wanted.endpoint_count = cli->endpoint_count;
    wanted.bind = binds != NULL ? &forwarder : NULL;
    wanted.direct = cli_has (cli, "direct");
    wanted.peer = cli->peer;
    wanted.security = cli->security;
    wanted.stream = cli_text (cli, "stream", wanted.stream);
    wanted.timeout_ms = cli->timeout_ms;
    wanted.on_confirm = on_confirm;
    wanted.arg = native->tally;
    int rc = zf_publisher_open (&native->publisher, &wanted, &err);
    free (binds);
    bool inside = wanted.bind != NULL || wanted.direct;
    if (rc != 0)
        return inside ? durable_fail (cli, NULL, &err) : cli_fail_call (cli, &err, false);
    if (inside)
        tell_endpoints (native);
    return 0;
}

/* Says that the subscribers did not come, or that nobody is there to ask. */
static int fail_wait (native_t *native, const zf_error_t *err, uint32_t wanted)
{
    const cli_t *cli = native->cli;
    zf_client_stats_t stats;
    char time[CLI_UNIT_TEXT];
    zf_client_stats (zf_publisher_client (native->publisher), &stats);
    if (err->code != ZF_E_TIMEOUT || !stats.connected)
        return fail (native, err);
    return cli_fail (cli, EX_TEMPFAIL,
                     "fewer than %" PRIu32 " subscriptions to %s within %s; give it longer with "
                     "--timeout",
                     wanted, cli->args[0], cli_format_ms (cli->timeout_ms, time));
}

static int await_subscribers (native_t *native)
{
    const cli_t *cli = native->cli;
    zf_error_t err = {0};
    uint32_t wanted = (uint32_t) cli_number (cli, "wait-subscribers", 0);
    uint64_t end_ms = cli_now_ms () + cli->timeout_ms;
    uint64_t now_ms = cli_now_ms ();
    int rc = wanted > 0 ? ZF_E_TIMEOUT : 0;
    while (rc == ZF_E_TIMEOUT && now_ms < end_ms && cli_stopped () == 0) {
        uint64_t left_ms = end_ms - now_ms;
        int step_ms = left_ms < WAIT_STEP_MS ? (int) left_ms : WAIT_STEP_MS;
        rc = zf_publisher_wait (native->publisher, cli->args[0], wanted, step_ms, &err);
        now_ms = cli_now_ms ();
    }
    return rc == 0 || cli_stopped () != 0 ? 0 : fail_wait (native, &err, wanted);
}

static uint64_t answered (const pub_tally_t *tally)
{
    return atomic_load (&tally->confirmed) + atomic_load (&tally->refused);
}

/* Waits for the confirms as long as some come. */
static int flush (native_t *native)
{
    pub_tally_t *tally = native->tally;
    zf_error_t err = {0};
    int rc;
    uint64_t before;
    uint64_t now = answered (tally);
    do {
        before = now;
        rc = zf_publisher_flush (native->publisher, -1, &err);
        now = answered (tally);
    } while (rc == ZF_E_TIMEOUT && now != before);
    uint64_t refused = atomic_load (&tally->refused);
    int code = atomic_load (&tally->code);
    if (rc == ZF_E_TIMEOUT)
        return fail (native, &err);
    if (refused == 0)
        return 0;
    return cli_fail (native->cli, cli_exit_code (code),
                     "%" PRIu64 " of %" PRIu64 " messages were refused: %s", refused,
                     (uint64_t) atomic_load (&tally->published), zf_strerror (code));
}

/* With a forwarder inside, subscribers are still reading from here. */
static void linger (const native_t *native)
{
    struct pollfd stop = {.fd = cli_stop_fd (), .events = POLLIN};
    uint64_t end_ms = cli_now_ms () + cli_number (native->cli, "linger", 0);
    bool for_ever = !cli_has (native->cli, "linger");
    if (zf_publisher_device (native->publisher) == NULL)
        return;
    if (for_ever)
        cli_note (native->cli, "all is published; Ctrl-C ends");
    while (cli_stopped () == 0 && (for_ever || cli_now_ms () < end_ms)) {
        uint64_t left_ms = for_ever ? 0 : end_ms - cli_now_ms ();
        poll (&stop, 1, for_ever || left_ms > INT32_MAX ? -1 : (int) left_ms);
    }
}

static int see_through (native_t *native, input_t *input)
{
    zf_client_stats_t stats;
    int rc = await_subscribers (native);
    if (rc != 0)
        return rc;
    rc = pub_input (native->tally, input, publish, native);
    if (rc == 0)
        rc = flush (native);
    else if (rc != EX_UNAVAILABLE)
        zf_publisher_flush (native->publisher, -1, NULL);
    zf_client_stats (zf_publisher_client (native->publisher), &stats);
    native->tally->sync = stats.sync;
    bool early = cli_stopped () != 0; /* a signal that comes while we linger is no error */
    int printed = pub_summary (native->tally);
    rc = rc != 0 ? rc : printed;
    if (rc == 0 && !early)
        linger (native);
    return rc == 0 && early ? 128 + cli_stopped () : rc;
}

static int pub_native (pub_tally_t *tally, input_t *input)
{
    static native_t native;
    native.cli = tally->cli;
    native.tally = tally;
    int rc = props_from_options (&native.record, tally->cli);
    if (rc == 0)
        rc = open_publisher (&native);
    if (rc == 0)
        rc = see_through (&native, input);
    zf_publisher_close (&native.publisher);
    return rc;
}

/* -- the verb ---------------------------------------------------------------------------------- */

static int check_options (const cli_t *cli)
{
    static const char *const native[] = {"stream", "key",    "id",       "header",
                                         "linger", "direct", "discover", "trace"};
    bool raw = cli_has (cli, "raw");
    bool bind = cli_has (cli, "bind");
    bool direct = cli_has (cli, "direct");
    for (size_t i = 0; raw && i < sizeof native / sizeof native[0]; i++)
        if (cli_has (cli, native[i]))
            return cli_misuse (cli, "--%s is not for --raw", native[i]);
    if (!raw && bind && cli_has (cli, "connect"))
        return cli_misuse (cli, "--bind and --connect exclude each other");
    if (direct && cli_has (cli, "connect"))
        return cli_misuse (cli, "--direct and --connect exclude each other");
    if (cli_has (cli, "linger") && !bind && !direct)
        return cli_misuse (cli, "--linger is for --bind and --direct");
    if (cli_has (cli, "lines") && cli_has (cli, "id"))
        return cli_misuse (cli, "--id is for one message, not for --lines");
    return 0;
}

static int run (cli_t *cli)
{
    pub_tally_t tally = {.cli = cli, .start_ms = cli_now_ms ()};
    input_t input;
    int rc = check_options (cli);
    if (rc != 0)
        return rc;
    rc = input_open (&input, cli);
    if (rc == 0)
        rc = cli_has (cli, "raw") ? pub_raw (&tally, &input) : pub_native (&tally, &input);
    input_close (&input);
    return rc;
}

const cli_verb_t verbs_pub[] = {
    {.name = "pub",
     .usage = "TOPIC [BODY | - | --file F] [--lines]",
     .summary = "Publish an event, or each line of the input as one",
     .details =
         "TOPIC is words with dots between them: orders.eu.paid. The body is BODY, what file F "
         "holds, or\n"
         "what comes on standard input (-). A body that begins with a dash goes behind --. "
         "Messages go into\n"
         "a stream of a forwarder or a broker, which confirms them. With --bind there is none of "
         "them:\n"
         "subscribers connect to this process, which stays until Ctrl-C or for --linger. --direct "
         "is the same,\n"
         "and they find it: nobody has to know an address.\n"
         "With --raw it is a plain ZeroMQ publisher that binds and connects as told; behind a "
         "forwarder it\n"
         "sees one subscription at most, however many there are.\n",
     .example = "  zferry pub prices.eur 1.0842\n"
                "  tail -f app.log | zferry pub logs.app --lines\n"
                "  zferry pub prices.eur 1.0842 --bind tcp://127.0.0.1:5556 --wait-subscribers 2\n"
                "  zferry pub prices.eur 1.0842 --direct --wait-subscribers 2 --linger 1s\n"
                "  zferry pub prices.eur 1.0842 --raw --connect tcp://127.0.0.1:6000\n",
     .options = options,
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_TOPIC,
     .run = run},
    {.name = NULL}};
