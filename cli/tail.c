/* zferry tail: what comes into a stream, or dies in a queue, for people: a line each. */
#include "log.h"
#include "policy.h"
#include "record.h"
#include "start.h"
#include "sub.h"
#include "top.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    INTERVAL_DEFAULT_MS = 500, /* between looks at dead letters */
    PEEK_STEP = 1000,          /* records asked for at once */
    CLOCK_SIZE = 40,
    LINE_SIZE = 4096, /* of a line; what does not fit is cut off */
    TOPIC_WIDTH = 20,
    KEY_WIDTH = 8,
    BODY_LEAST = 20 /* columns of a body at least */
};

static const cli_option_t options[] = {
    {.name = "topic",
     .letter = 'T',
     .kind = CLI_TEXT,
     .value = "PATTERN",
     .repeat = true,
     .help = "only topics that match: prices.eur, prices.*, prices.>; may be repeated"},
    START_OPTION ("new"),
    {.name = "dead",
     .kind = CLI_TEXT,
     .value = "QUEUE",
     .help = "instead of a stream: the dead letters of this queue, as they come"},
    {.name = "interval",
     .letter = 'i',
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 50,
     .max = 3600000,
     .help = "with --dead: look again after this (default 500ms)"},
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .help = "stop after N"},
    {.name = "idle",
     .kind = CLI_TIME,
     .value = "TIME",
     .min = 1,
     .help = "stop when nothing has come for so long"},
    RECORD_HEADER_OPTION,
    {.name = NULL}};

/* -- lines ------------------------------------------------------------------------------------- */

/* A line that is being made; columns are what a terminal shows of it. */
typedef struct {
    const cli_t *cli;
    char text[LINE_SIZE];
    size_t used;
    size_t columns;
} line_t;

static void add (line_t *line, const char *bytes, size_t size)
{
    size_t room = sizeof line->text - 1 - line->used;
    size_t n = size < room ? size : room;
    memcpy (line->text + line->used, bytes, n);
    line->used += n;
    line->text[line->used] = '\0';
}

static void add_color (line_t *line, const char *code)
{
    if (line->cli->out_color)
        add (line, code, strlen (code));
}

/* Adds text so that none of it can move the cursor, cut at so many columns: of UTF-8 whole
 * characters. */
static void add_visible (line_t *line, zf_bytes_t text, size_t columns)
{
    const unsigned char *bytes = text.data;
    size_t shown = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = bytes[i];
        bool more = (c & 0xc0) == 0x80;
        bool control = c < ' ' || c == 0x7f || (more && i > 0 && bytes[i - 1] == 0xc2 && c < 0xa0);
        if (!more && ++shown > columns)
            break;
        add (line, control ? "." : (const char *) &bytes[i], 1);
    }
    line->columns += shown < columns ? shown : columns;
}

/* The same in a column of this width, which it may be wider than; at the right if wanted. */
static void add_column (line_t *line, zf_bytes_t text, size_t width, bool right)
{
    line_t cell = {.cli = line->cli};
    if (text.size > 0)
        add_visible (&cell, text, 10 * width);
    size_t blanks = cell.columns < width ? width - cell.columns : 0;
    for (size_t i = 0; right && i < blanks; i++)
        add (line, " ", 1);
    add (line, cell.text, cell.used);
    for (size_t i = 0; !right && i < blanks; i++)
        add (line, " ", 1);
    add (line, "  ", 2);
    line->columns += cell.columns + blanks + 2;
}

static zf_bytes_t bytes_of (const char *text)
{
    return (zf_bytes_t){.data = text, .size = strlen (text)};
}

/* A time of the wall's clock: of today without the date; 0: now. */
static void add_time (line_t *line, uint64_t time_ms)
{
    char clock[CLOCK_SIZE];
    char text[CLOCK_SIZE + 8];
    struct timespec now;
    struct tm local, today;
    clock_gettime (CLOCK_REALTIME, &now);
    if (time_ms == 0)
        time_ms = (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
    time_t at = (time_t) (time_ms / 1000);
    localtime_r (&at, &local);
    localtime_r (&now.tv_sec, &today);
    bool old = local.tm_yday != today.tm_yday || local.tm_year != today.tm_year;
    strftime (clock, sizeof clock, old ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &local);
    snprintf (text, sizeof text, "%s.%03u", clock, (unsigned) (time_ms % 1000));
    add_color (line, "\033[2m");
    add_column (line, bytes_of (text), strlen (text), false);
    add_color (line, "\033[0m");
}

/* Size and body, as much of it as the line has room for. */
static void add_body (line_t *line, const zf_message_t *message)
{
    char size[CLI_UNIT_TEXT];
    size_t width = 0;
    size_t height = 0;
    cli_format_bytes (message->size, size);
    add_column (line, bytes_of (size), 8, true);
    screen_size (&width, &height);
    size_t room = width > line->columns + BODY_LEAST ? width - line->columns : BODY_LEAST;
    if (message->size > 0)
        add_visible (line, (zf_bytes_t){.data = message->body, .size = message->size}, room);
}

static void print_json (const event_style_t *style, const zf_message_t *message)
{
    json_t *row = record_json (message, style->headers);
    json_dumpf (row, stdout, JSON_COMPACT | JSON_REAL_PRECISION (12));
    putchar ('\n');
    json_decref (row);
}

static zf_bytes_t key_of (const zf_message_t *message)
{
    zf_props_t props;
    zf_props_defaults (&props);
    if (message->props.size == 0 || zf_message_props (message, &props) != 0)
        return (zf_bytes_t){0};
    return props.key;
}

/* For people, and no data: to stderr. */
static void print_titles (const cli_t *cli)
{
    if (cli->json || cli->quiet || !log_is_text ())
        return;
    if (cli_has (cli, "dead"))
        fprintf (stderr, "%-12s  %-8s  %4s  %-8s  %8s  %s\n", "seen", "reason", "try", "key",
                 "size", "body");
    else
        fprintf (stderr, "%-12s  %-20s  %-8s  %8s  %s\n", "time", "topic", "key", "size", "body");
}

static void print_event (const sub_t *sub, const zf_message_t *message)
{
    line_t line = {.cli = sub->cli};
    if (sub->cli->json) {
        print_json (&sub->style, message);
        return;
    }
    add_time (&line, message->time_ms);
    add_color (&line, "\033[36m");
    add_column (&line, zf_message_topic (message), TOPIC_WIDTH, false);
    add_color (&line, "\033[33m");
    add_column (&line, key_of (message), KEY_WIDTH, false);
    add_color (&line, "\033[0m");
    add_body (&line, message);
    puts (line.text);
}

static void print_dead (const sub_t *sub, const zf_message_t *message)
{
    char attempts[CLI_UNIT_TEXT];
    zf_death_t death = {.attempts = 0};
    line_t line = {.cli = sub->cli};
    if (sub->cli->json) {
        print_json (&sub->style, message);
        return;
    }
    zf_message_death (message, &death);
    snprintf (attempts, sizeof attempts, "%" PRIu32 "x", death.attempts);
    add_time (&line, 0); /* a queue does not tell when; it is looked at each --interval */
    add_color (&line, "\033[31m");
    add_column (&line, death.reason, KEY_WIDTH, false);
    add_color (&line, "\033[0m");
    add_column (&line, bytes_of (attempts), 4, true);
    add_column (&line, key_of (message), KEY_WIDTH, false);
    add_body (&line, message);
    puts (line.text);
}

/* -- dead letters ------------------------------------------------------------------------------ */

typedef struct {
    sub_t *sub;
    zf_client_t *client;
    char queue[ZF_NAME_MAX + 1]; /* that the dead letters are in */
    uint64_t next;               /* id behind the last one seen */
    uint64_t seen;               /* in this look */
    bool silent;                 /* what is there already is not printed */
} graves_t;

static void see_dead (void *arg, const zf_message_t *message)
{
    graves_t *graves = arg;
    sub_t *sub = graves->sub;
    graves->seen++;
    if (!graves->silent && (sub->limit == 0 || sub->received < sub->limit)) {
        sub->print (sub, message);
        sub->received++;
        sub->active_ms = cli_now_ms ();
    }
    graves->next = message->id + 1;
}

/* Looks at all that came since the last time; there may be no such queue yet. Returns 0 or an exit
 * code. */
static int look (graves_t *graves)
{
    zf_error_t err = {0};
    do {
        graves->seen = 0;
        int rc = zf_admin_peek (graves->client, graves->queue, graves->next, PEEK_STEP, see_dead,
                                graves, &err);
        if (rc != 0 && rc != ZF_E_NOT_FOUND)
            return cli_client_fail (graves->sub->cli, graves->client, &err);
    } while (graves->seen > 0 && !sub_ended (graves->sub));
    return cli_flush (graves->sub->cli);
}

static int find_graves (graves_t *graves, const char *queue)
{
    const cli_t *cli = graves->sub->cli;
    zf_queue_info_t info;
    zf_error_t err = {0};
    if (zf_admin_queue (graves->client, queue, &info, &err) != 0)
        return cli_client_fail (cli, graves->client, &err);
    if (!policy_dead_letter (&info, graves->queue))
        return cli_fail (cli, EX_CONFIG,
                         "%s keeps no dead letters; give it a queue for them with "
                         "zferry queue declare %s --dead-letter NAME",
                         queue, queue);
    return 0;
}

static int watch_graves (graves_t *graves, const zf_start_t *start)
{
    const cli_t *cli = graves->sub->cli;
    uint64_t interval_ms = cli_number (cli, "interval", INTERVAL_DEFAULT_MS);
    struct pollfd stop = {.fd = cli_stop_fd (), .events = POLLIN};
    graves->silent = start->from != ZF_FROM_FIRST;
    int rc = look (graves);
    graves->silent = false;
    while (rc == 0 && !sub_ended (graves->sub)) {
        int64_t left_ms = sub_patience (graves->sub);
        bool soon = left_ms >= 0 && (uint64_t) left_ms < interval_ms;
        poll (&stop, 1, (int) (soon ? (uint64_t) left_ms : interval_ms));
        if (cli_stopped () == 0)
            rc = look (graves);
    }
    return rc;
}

static int tail_dead (sub_t *sub)
{
    const cli_t *cli = sub->cli;
    zf_start_t start = {.from = ZF_FROM_NEW};
    graves_t graves = {.sub = sub};
    int rc = start_from_options (cli, &start);
    if (rc == 0 && start.from != ZF_FROM_NEW && start.from != ZF_FROM_FIRST)
        rc = cli_misuse (cli, "with --dead, --from is first or new");
    if (rc == 0)
        rc = cli_client_open (cli, NULL, &graves.client);
    if (rc == 0)
        rc = find_graves (&graves, cli_text (cli, "dead", ""));
    if (rc == 0)
        rc = watch_graves (&graves, &start);
    zf_client_close (&graves.client);
    return rc;
}

/* -- the verb ---------------------------------------------------------------------------------- */

static int check_options (const cli_t *cli)
{
    if (cli_has (cli, "dead") && (cli->arg_count > 0 || cli_has (cli, "topic")))
        return cli_misuse (cli, "--dead is for a queue: it takes no stream and no --topic");
    if (cli_has (cli, "interval") && !cli_has (cli, "dead"))
        return cli_misuse (cli, "--interval is for --dead; events come by themselves");
    return 0;
}

static int run (cli_t *cli)
{
    uint64_t now_ms = cli_now_ms ();
    const char **patterns = NULL;
    sub_t sub = {.cli = cli,
                 .stream = cli->args[0],
                 .limit = cli_number (cli, "count", 0),
                 .idle_ms = cli_number (cli, "idle", 0),
                 .start_ms = now_ms,
                 .active_ms = now_ms};
    int rc = check_options (cli);
    sub.pattern_count = cli_list (cli, "topic", &patterns);
    sub.patterns = patterns;
    if (rc == 0)
        rc = event_style_open (&sub.style, cli);
    sub.print = cli_has (cli, "dead") ? print_dead : print_event;
    if (rc == 0)
        print_titles (cli);
    if (rc == 0)
        rc = cli_has (cli, "dead") ? tail_dead (&sub) : sub_native (&sub);
    event_style_close (&sub.style);
    free (patterns);
    return sub_code (&sub, rc);
}

const cli_verb_t verbs_tail[] = {
    {.name = "tail",
     .usage = "[STREAM] | --dead QUEUE",
     .summary = "Follow a stream, or a queue's dead letters: a line for people each",
     .details =
         "Of each event of the stream (default events) it shows the time, topic, key, size and "
         "the beginning\n"
         "of the body; of each dead letter the time at which it was seen here, why it was given "
         "up, after\n"
         "how many attempts, key, size and body. It begins with what comes from now on (--from). "
         "Into a\n"
         "pipe, or with --json, each is a JSON line with all of it. zferry sub is for programs; "
         "it can share\n"
         "a stream out to a group.\n" START_DETAILS,
     .example = "  zferry tail\n"
                "  zferry tail orders --topic 'orders.eu.>' --from last=20\n"
                "  zferry tail --dead jobs --from first\n",
     .options = options,
     .max_args = 1,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_STREAM,
     .run = run},
    {.name = NULL}};
