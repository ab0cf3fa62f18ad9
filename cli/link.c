/* zferry link: takes the records of a queue to another broker, in the foreground. */
#include "device.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICK_MS = 50 }; /* between looks at the figures */

static const cli_option_t options[] = {
    {.name = "from",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "FROM",
     .help = "where the records are: tcp://HOST:PORT/QUEUE, ipc://PATH, or a directory"},
    {.name = "to",
     .letter = 't',
     .kind = CLI_TEXT,
     .value = "TO",
     .repeat = true,
     .help = "where they go: tcp://HOST:PORT[/QUEUE] or ipc://PATH; more are tried in turn"},
    {.name = "queue",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "the queue at FROM, if that does not say it"},
    {.name = "to-queue",
     .kind = CLI_TEXT,
     .value = "NAME",
     .help = "the queue at TO, if that does not say it (default: the same name)"},
    {.name = "once", .help = "end when the backlog is empty"},
    {.name = "timeout",
     .kind = CLI_TIME,
     .value = "TIME",
     .max = INT32_MAX,
     .help = "with --once: give up after this (default 0: never)"},
    {.name = "window",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = 1,
     .help = "records under way, unconfirmed (default 4MiB)"},
    {.name = "backoff",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 100,
     .max = UINT32_MAX,
     .help = "the longest pause after failures (default 10s)"},
    {.name = NULL}};

/* -- FROM and TO ------------------------------------------------------------------------------- */

/* An endpoint and the queue behind it; both point into text. */
typedef struct {
    char *text;
    const char *endpoint;
    const char *queue; /* NULL: not said */
} place_t;

#define QUEUE_URL "zferry://queue/"

/* In tcp://HOST:PORT/QUEUE the queue is all that follows the first slash behind the port. Paths of
 * ipc have slashes of their own: no part of them is ever a queue. What offers a queue is asked for
 * that. */
static int split (const cli_t *cli, const char *given, place_t *place)
{
    place->text = strdup (given);
    place->endpoint = place->text;
    place->queue = NULL;
    if (place->text == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    if (strncmp (given, QUEUE_URL, strlen (QUEUE_URL)) == 0)
        place->queue = place->text + strlen (QUEUE_URL);
    char *slash = strncmp (place->text, "tcp://", 6) == 0 ? strchr (place->text + 6, '/') : NULL;
    if (slash == NULL)
        return 0;
    *slash = '\0';
    place->queue = slash + 1;
    if (place->queue[0] == '\0')
        return cli_misuse (cli, "%s: a queue is missing behind the last slash", given);
    return 0;
}

/* The queue that place or option name; NULL: neither does. Returns 0 or an exit code. */
static int queue_of (const cli_t *cli, const char *option, const place_t *place, const char **queue)
{
    const char *said = cli_text (cli, option, NULL);
    if (said != NULL && place->queue != NULL && strcmp (said, place->queue) != 0)
        return cli_misuse (cli, "--%s %s, but the endpoint says %s", option, said, place->queue);
    *queue = place->queue != NULL ? place->queue : said;
    return 0;
}

static bool is_endpoint (const char *from)
{
    return strstr (from, "://") != NULL;
}

/* A misspelt directory is not to become an empty journal. */
static int check_directory (const cli_t *cli, const char *dir)
{
    struct stat status;
    if (stat (dir, &status) == 0 && S_ISDIR (status.st_mode))
        return 0;
    return cli_fail (cli, EX_NOINPUT,
                     "%s: no such directory; endpoints look like tcp://HOST:PORT/QUEUE", dir);
}

static int read_from (const cli_t *cli, place_t *from, zf_link_options_t *link)
{
    const char *given = cli_text (cli, "from", NULL);
    if (given == NULL)
        return cli_misuse (cli, "--from is missing");
    int rc = split (cli, given, from);
    if (rc == 0)
        rc = queue_of (cli, "queue", from, &link->from_queue);
    link->from = from->endpoint;
    if (rc != 0)
        return rc;
    if (!is_endpoint (given))
        return check_directory (cli, given);
    if (link->from_queue == NULL)
        return cli_misuse (cli, "%s: which queue? say %s or --queue NAME", given,
                           "tcp://HOST:PORT/QUEUE");
    return 0;
}

/* All endpoints of the target lead to the same queue. */
static int read_to (const cli_t *cli, place_t *places, size_t count, const char **endpoints,
                    const char **given, zf_link_options_t *link)
{
    for (size_t i = 0; i < count; i++) {
        const char *queue = NULL;
        int rc = split (cli, given[i], &places[i]);
        if (rc == 0)
            rc = queue_of (cli, "to-queue", &places[i], &queue);
        if (rc != 0)
            return rc;
        if (i > 0 && queue != NULL && link->to_queue != NULL && strcmp (queue, link->to_queue) != 0)
            return cli_misuse (cli, "%s: all of --to lead to one queue", given[i]);
        link->to_queue = queue != NULL ? queue : link->to_queue;
        endpoints[i] = places[i].endpoint;
    }
    link->to = endpoints;
    link->to_count = count;
    if (link->to_queue != NULL && link->from_queue == NULL)
        return cli_misuse (cli, "all queues of a directory go to queues of the same name; choose "
                                "one with --queue NAME");
    return 0;
}

/* -- the run ----------------------------------------------------------------------------------- */

typedef struct {
    uint64_t backlog, lag_ms, looks, rate, confirmed, duplicates, rejected, restarts;
    uint64_t connected_from, connected_to, refused;
} figures_t;

static void note_figure (void *arg, const char *name, uint64_t value)
{
    figures_t *figures = arg;
    const struct {
        const char *name;
        uint64_t *value;
    } wanted[] = {{"backlog", &figures->backlog},
                  {"lag_ms", &figures->lag_ms},
                  {"looks", &figures->looks},
                  {"rate", &figures->rate},
                  {"confirmed", &figures->confirmed},
                  {"duplicates", &figures->duplicates},
                  {"rejected", &figures->rejected},
                  {"restarts", &figures->restarts},
                  {"connected_from", &figures->connected_from},
                  {"connected_to", &figures->connected_to},
                  {"refused", &figures->refused}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (strcmp (wanted[i].name, name) == 0)
            *wanted[i].value = value;
    }
}

static void show (const cli_t *cli, const figures_t *figures)
{
    char lag[CLI_UNIT_TEXT];
    const char *state = figures->connected_from == 0 ? ", no source"
                        : figures->connected_to == 0 ? ", no target"
                                                     : "";
    cli_progress (cli, "backlog %" PRIu64 ", %" PRIu64 "/s, lag %s, %" PRIu64 " forwarded%s",
                  figures->backlog, figures->rate, cli_format_ms (figures->lag_ms, lag),
                  figures->confirmed, state);
}

static bool is_empty (const figures_t *figures)
{
    return figures->looks > 0 && figures->backlog == 0;
}

/* The time is over. Returns the exit code. */
static int give_up (const cli_t *cli, const figures_t *figures)
{
    if (figures->connected_from == 0 && figures->looks == 0)
        return cli_fail (cli, EX_UNAVAILABLE, "the source was not found, or did not answer: %s",
                         cli_text (cli, "from", ""));
    return cli_fail (cli, EX_TEMPFAIL, "%" PRIu64 " records are still there", figures->backlog);
}

/* Until the end; *figures are the last ones. Returns the exit code. */
static int attend (device_run_t *run, zf_device_t *device, figures_t *figures)
{
    const cli_t *cli = run->cli;
    struct pollfd fds[2] = {{.fd = cli_stop_fd (), .events = POLLIN},
                            {.fd = run->pipe[0], .events = POLLIN}};
    bool once = cli_has (cli, "once");
    uint64_t patience = cli_number (cli, "timeout", 0);
    while (cli_stopped () == 0) {
        poll (fds, 2, TICK_MS);
        device_print_events (run);
        zf_device_stats (device, note_figure, figures);
        show (cli, figures);
        if (figures->refused != 0)
            return cli_fail (cli, EX_CONFIG, "the link was refused");
        if (once && is_empty (figures))
            return 0;
        if (once && patience != 0 && cli_now_ms () - run->start_ms >= patience)
            return give_up (cli, figures);
    }
    return once ? 128 + cli_stopped () : 0;
}

static int summarize (const device_run_t *run, const figures_t *figures)
{
    static const cli_column_t columns[] = {{"forwarded", "forwarded", CLI_COLUMN_NUMBER},
                                           {"duplicates", "duplicates", CLI_COLUMN_NUMBER},
                                           {"rejected", "rejected", CLI_COLUMN_NUMBER},
                                           {"restarts", "restarts", CLI_COLUMN_NUMBER},
                                           {"backlog", "backlog", CLI_COLUMN_NUMBER},
                                           {"ms", "time", CLI_COLUMN_MS},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    uint64_t ms = cli_now_ms () - run->start_ms;
    cli_note (run->cli,
              "forwarded %" PRIu64 " records in %.2f s: %" PRIu64 " were there already, %" PRIu64
              " rejected, %" PRIu64 " restarts; %" PRIu64 " left",
              figures->confirmed, (double) ms / 1000, figures->duplicates, figures->rejected,
              figures->restarts, figures->backlog);
    if (!run->cli->json_asked)
        return 0;
    return cli_print_object (
        run->cli, columns,
        json_pack ("{s:I, s:I, s:I, s:I, s:I, s:I}", "forwarded", (json_int_t) figures->confirmed,
                   "duplicates", (json_int_t) figures->duplicates, "rejected",
                   (json_int_t) figures->rejected, "restarts", (json_int_t) figures->restarts,
                   "backlog", (json_int_t) figures->backlog, "ms", (json_int_t) ms));
}

static int run_link (const cli_t *cli, zf_link_options_t *link)
{
    device_run_t run;
    zf_device_t *device = NULL;
    zf_error_t err = {0};
    figures_t figures = {.backlog = 0};
    int rc = device_prepare (&run, cli);
    if (rc != 0)
        return rc;
    link->window_bytes = cli_number (cli, "window", link->window_bytes);
    link->backoff_max_ms = (uint32_t) cli_number (cli, "backoff", link->backoff_max_ms);
    link->peer = cli->peer;
    link->security = cli->security;
    link->on_event = device_event;
    link->arg = &run;
    if (zf_link_start (&device, link, &err) != 0) {
        rc = cli_fail_call (cli, &err, true);
    } else {
        rc = attend (&run, device, &figures);
        zf_device_stop (&device);
        device_print_events (&run);
        int printed = summarize (&run, &figures);
        rc = rc != 0 ? rc : printed;
    }
    close (run.pipe[0]);
    close (run.pipe[1]);
    return rc;
}

/* With room for as many places and endpoints as --to was given. */
static int run_places (const cli_t *cli, place_t *places, const char **endpoints,
                       const char **given, size_t count)
{
    place_t from = {.text = NULL};
    zf_link_options_t link;
    zf_link_defaults (&link);
    int rc = read_from (cli, &from, &link);
    if (rc == 0)
        rc = read_to (cli, places, count, endpoints, given, &link);
    if (rc == 0)
        rc = run_link (cli, &link);
    for (size_t i = 0; i < count; i++)
        free (places[i].text);
    free (from.text);
    return rc;
}

static int run (cli_t *cli)
{
    const char **given = NULL;
    size_t count = cli_list (cli, "to", &given);
    if (count == 0)
        return cli_misuse (cli, "--to is missing");
    place_t *places = calloc (count, sizeof *places);
    const char **endpoints = calloc (count, sizeof *endpoints);
    int rc = places != NULL && endpoints != NULL ? run_places (cli, places, endpoints, given, count)
                                                 : cli_fail (cli, EX_OSERR, "out of memory");
    free (places);
    free (endpoints);
    free (given);
    return rc;
}

const cli_verb_t verbs_link[] = {
    {.name = "link",
     .usage = "--from FROM --to TO [--once]",
     .summary = "Take the records of a queue to another broker, each once and in order",
     .details =
         "FROM is tcp://HOST:PORT/QUEUE; ipc://PATH with --queue NAME, as paths have slashes of "
         "their own; or\n"
         "the directory of a journal that no broker has open, such as an outbox: then all its "
         "queues go to\n"
         "the queues of the same name, or with --queue only that one. TO is "
         "tcp://HOST:PORT[/QUEUE], or\n"
         "ipc://PATH with --to-queue NAME. All that follows the slash behind a port is the queue's "
         "name.\n"
         "Either may be zferry://broker/NAME with --queue or --to-queue, or zferry://queue/NAME: "
         "it "
         "is looked up.\n"
         "\n"
         "A record leaves FROM when TO has confirmed it. The link goes on by itself after either "
         "side or the\n"
         "network was gone. What TO can never take becomes a dead letter at FROM. A link that "
         "would close a\n"
         "loop of links is refused.\n",
     .example = "  zferry link --from tcp://127.0.0.1:5555/jobs --to tcp://far:5555\n"
                "  zferry link --from /var/lib/app/outbox --to tcp://far:5555 --once\n"
                "  zferry link --from ipc:///run/app --queue jobs --to tcp://far:5555/work\n",
     .options = options,
     .max_args = 0,
     .flags = CLI_MEETS,
     .run = run},
    {.name = NULL}};
