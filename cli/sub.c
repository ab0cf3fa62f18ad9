/* zferry sub: prints the events whose topics match, alone or as one of a group. */
#include "sub.h"

#include "plain.h"
#include "record.h"
#include "start.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH = 512, /* messages printed between two flushes */
    PATTERNS_MAX = 256
};

static const cli_option_t options[] = {
    {.name = "stream", .kind = CLI_TEXT, .value = "NAME", .help = "default events"},
    START_OPTION ("new; a new group: first"),
    {.name = "group",
     .letter = 'g',
     .kind = CLI_TEXT,
     .value = "GROUP",
     .help = "share the messages with the others of this group, and acknowledge them"},
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .help = "stop after N messages"},
    {.name = "idle",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .help = "stop when nothing has come for so long"},
    EVENT_FORMAT_OPTION,
    RECORD_HEADER_OPTION,
    {.name = "credit",
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .max = 1000000,
     .help = "with --group: messages held here at most (default: measured)"},
    {.name = "raw", .letter = 'r', .help = "be a plain ZeroMQ subscriber: patterns are prefixes"},
    {.name = "direct", .help = "the same as --discover"},
    PLAIN_BIND_OPTION ("with --raw: listen here; may be repeated"),
    {.name = NULL}};

/* -- when it ends ------------------------------------------------------------------------------ */

int64_t sub_patience (const sub_t *sub)
{
    if (sub->idle_ms == 0)
        return -1;
    uint64_t now_ms = cli_now_ms ();
    uint64_t end_ms = sub->active_ms + sub->idle_ms;
    return end_ms > now_ms ? (int64_t) (end_ms - now_ms) : 0;
}

bool sub_ended (const sub_t *sub)
{
    return cli_stopped () != 0 || (sub->limit != 0 && sub->received >= sub->limit) ||
           sub_patience (sub) == 0;
}

/* -- zferry's own subscriber ------------------------------------------------------------------- */

typedef struct {
    sub_t *sub;
    zf_subscriber_t *subscriber;
    bool greeted;                 /* the subscription was in force once */
    size_t count;                 /* messages printed and not yet acknowledged */
    zf_message_t messages[BATCH]; /* those */
} native_t;

/* Also with --quiet: this is no note but a loss. */
static void on_gap (void *arg, const zf_gap_t *gap)
{
    const native_t *native = arg;
    if (gap->count == 0)
        cli_fail (native->sub->cli, 0, "a gap before offset %" PRIu64 ": %s", gap->to, gap->why);
    else
        cli_fail (native->sub->cli, 0,
                  "a gap of %" PRIu64 " records, from offset %" PRIu64 " to %" PRIu64 ": %s",
                  gap->count, gap->from, gap->to, gap->why);
}

static int open_subscriber (native_t *native, const zf_start_t *start)
{
    const cli_t *cli = native->sub->cli;
    zf_error_t err = {0};
    zf_subscriber_options_t wanted;
    zf_subscriber_defaults (&wanted);
    wanted.endpoints = cli->endpoints;
    wanted.endpoint_count = cli->endpoint_count;
    wanted.peer = cli->peer;
    wanted.security = cli->security;
    if (native->sub->stream != NULL)
        wanted.stream = native->sub->stream;
    wanted.patterns = native->sub->patterns;
    wanted.pattern_count = native->sub->pattern_count;
    wanted.start = *start;
    wanted.group = cli_text (cli, "group", NULL);
    wanted.credit = (uint32_t) cli_number (cli, "credit", wanted.credit);
    wanted.timeout_ms = cli->timeout_ms;
    wanted.on_gap = on_gap;
    wanted.arg = native;
    if (zf_subscriber_open (&native->subscriber, &wanted, &err) != 0)
        return cli_fail_call (cli, &err, false);
    return 0;
}

/* Acknowledges what has reached the other side of stdout; if that failed, gives all of it back. */
static void settle (native_t *native, bool printed)
{
    for (size_t i = 0; i < native->count; i++) {
        if (printed)
            zf_subscriber_ack (native->subscriber, &native->messages[i]);
        else
            zf_subscriber_nack (native->subscriber, &native->messages[i], 0);
    }
    native->count = 0;
}

/* Prints what is there. Returns how many, or minus an exit code, having said why. */
static int print_some (native_t *native)
{
    sub_t *sub = native->sub;
    zf_error_t err = {0};
    int rc = 0;
    while (native->count < BATCH && !sub_ended (sub)) {
        zf_message_t *message = &native->messages[native->count];
        rc = zf_subscriber_recv (native->subscriber, message, 0, &err);
        if (rc != 0)
            break;
        if (sub->print != NULL)
            sub->print (sub, message);
        else
            event_print (&sub->style, message);
        native->count++;
        sub->received++;
        sub->active_ms = cli_now_ms ();
    }
    int n = (int) native->count;
    int flushed = cli_flush (sub->cli);
    settle (native, flushed == 0);
    if (flushed != 0)
        return -flushed;
    return rc == 0 || rc == ZF_E_AGAIN || rc == ZF_E_TIMEOUT
               ? n
               : -cli_fail_call (sub->cli, &err, true);
}

/* How long to wait for a message, or for somebody to answer at all. Returns milliseconds, -1 for
 * ever, or -2 when nobody answered, having said so. */
static int64_t patience (native_t *native)
{
    sub_t *sub = native->sub;
    zf_subscriber_stats_t stats;
    uint64_t waited_ms = cli_now_ms () - sub->start_ms;
    if (native->greeted)
        return sub_patience (sub);
    zf_subscriber_stats (native->subscriber, &stats);
    native->greeted = stats.in_force || stats.received > 0;
    sub->active_ms = cli_now_ms (); /* --idle counts from when there is somebody */
    if (native->greeted)
        return sub_patience (sub);
    if (waited_ms < sub->cli->timeout_ms)
        return (int64_t) (sub->cli->timeout_ms - waited_ms);
    cli_fail_no_broker (sub->cli);
    return -2;
}

/* Waits until something can be received, or for the end. Returns 0 or an exit code. */
static int wait_for_more (native_t *native)
{
    struct pollfd fds[2] = {{.fd = cli_stop_fd (), .events = POLLIN},
                            {.fd = zf_subscriber_fd (native->subscriber), .events = POLLIN}};
    int64_t wait_ms = patience (native);
    if (wait_ms < -1)
        return EX_UNAVAILABLE;
    poll (fds, 2, wait_ms > INT32_MAX ? -1 : (int) wait_ms);
    if (fds[1].revents != 0)
        zf_subscriber_process (native->subscriber);
    return 0;
}

static int follow (native_t *native)
{
    sub_t *sub = native->sub;
    int rc = 0;
    if (sub->print == NULL)
        event_titles (&sub->style, true);
    while (rc == 0 && !sub_ended (sub)) {
        int n = print_some (native);
        if (n < 0)
            return -n;
        if (n == 0 && !sub_ended (sub))
            rc = wait_for_more (native);
    }
    return rc;
}

static void summarize (const native_t *native)
{
    const sub_t *sub = native->sub;
    zf_subscriber_stats_t stats;
    zf_subscriber_stats (native->subscriber, &stats);
    cli_note (sub->cli,
              "received %" PRIu64 " in %.2f s: %" PRIu64 " gap%s with %" PRIu64 " records, %" PRIu64
              " fetched again, %" PRIu64 " reconnects",
              sub->received, (double) (cli_now_ms () - sub->start_ms) / 1000, stats.gaps,
              stats.gaps == 1 ? "" : "s", stats.missed, stats.refills, stats.reconnects);
}

int sub_native (sub_t *sub)
{
    static native_t native;
    zf_start_t start = {.from = ZF_FROM_DEFAULT};
    native.sub = sub;
    int rc = start_from_options (sub->cli, &start);
    if (rc == 0)
        rc = open_subscriber (&native, &start);
    if (rc == 0) {
        rc = follow (&native);
        if (rc != EX_UNAVAILABLE)
            summarize (&native);
    }
    zf_subscriber_close (&native.subscriber);
    return rc;
}

/* -- the verb ---------------------------------------------------------------------------------- */

static int check_options (const cli_t *cli)
{
    static const char *const native[] = {"stream", "from",        "group",   "credit",
                                         "direct", "show-header", "discover"};
    bool raw = cli_has (cli, "raw");
    for (size_t i = 0; raw && i < sizeof native / sizeof native[0]; i++)
        if (cli_has (cli, native[i]))
            return cli_misuse (cli, "--%s is not for --raw", native[i]);
    if (!raw && cli_has (cli, "bind"))
        return cli_misuse (cli, "--bind is for --raw");
    if (cli_has (cli, "credit") && !cli_has (cli, "group"))
        return cli_misuse (cli, "--credit is for --group");
    if (cli->arg_count > PATTERNS_MAX)
        return cli_misuse (cli, "%d patterns at most", PATTERNS_MAX);
    return 0;
}

int sub_code (const sub_t *sub, int rc)
{
    bool unfinished = sub->limit != 0 && sub->received < sub->limit;
    return rc == 0 && unfinished && cli_stopped () != 0 ? 128 + cli_stopped () : rc;
}

static int run (cli_t *cli)
{
    uint64_t now_ms = cli_now_ms ();
    const char *patterns[PATTERNS_MAX];
    sub_t sub = {.cli = cli,
                 .stream = cli_text (cli, "stream", NULL),
                 .patterns = patterns,
                 .limit = cli_number (cli, "count", 0),
                 .idle_ms = cli_number (cli, "idle", 0),
                 .start_ms = now_ms,
                 .active_ms = now_ms};
    int rc = check_options (cli);
    while (rc == 0 && sub.pattern_count < (size_t) cli->arg_count) {
        patterns[sub.pattern_count] = cli->args[sub.pattern_count];
        sub.pattern_count++;
    }
    if (rc == 0)
        rc = event_style_open (&sub.style, cli);
    if (rc == 0)
        rc = cli_has (cli, "raw") ? sub_raw (&sub) : sub_native (&sub);
    event_style_close (&sub.style);
    return sub_code (&sub, rc);
}

const cli_verb_t verbs_sub[] = {
    {.name = "sub",
     .usage = "[PATTERN]...",
     .summary = "Print the events whose topics match, as they come or from the past",
     .details =
         "In a pattern * is any one word, and > at the end any one or more: 'orders.*.paid', "
         "'orders.>'.\n"
         "Without a pattern everything is printed, as JSON lines into a pipe. What is missed for "
         "good, because\n"
         "it is no longer kept, is told on stderr as a gap.\n" START_DETAILS
         "With --group each message goes to one of the group, and again to another one if that "
         "did not print\n"
         "it; where the group is, is remembered. --timeout is how long to wait for somebody at "
         "the start.\n"
         "With --discover it finds all that offer the stream (zferry pub --direct, zferry "
         "forwarder "
         "--discover)\n"
         "and follows as they come and go.\n",
     .example = "  zferry sub 'prices.>' --from last=10\n"
                "  zferry sub --from first --format body --idle 1s > all.txt\n"
                "  zferry sub 'orders.*.paid' --group billing\n"
                "  zferry sub 'prices.>' --discover\n"
                "  zferry sub prices. --raw --connect tcp://127.0.0.1:6001\n",
     .options = options,
     .max_args = -1,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_TOPIC,
     .run = run},
    {.name = NULL}};
