/* zferry post: one record, or one for each line of the input, pipelined. */
#include "durable.h"
#include "input.h"
#include "props.h"

#include <inttypes.h>
#include <poll.h>

enum { LOOK_MS = 20 }; /* between looks at the backlog of the outbox */

static const cli_option_t options[] = {
    {.name = "file",
     .letter = 'f',
     .kind = CLI_TEXT,
     .value = "F",
     .help = "the body is what this file holds"},
    {.name = "lines", .letter = 'l', .help = "post each line of the input as a record"},
    {.name = "outbox",
     .kind = CLI_TEXT,
     .value = "DIR",
     .help = "keep records on disk here until the broker has them"},
    {.name = "flush", .help = "with --outbox: wait until all in it has travelled on"},
    {.name = "disk",
     .kind = CLI_SIZE,
     .value = "SIZE",
     .min = UINT64_C (256) << 20,
     .help = "with --outbox: cap of its files (default 10GiB)"},
    PROPS_OPTIONS,
    {.name = NULL}};

/* What became of the records. Confirms come on the main thread or on the library's keeper, never
 * two at once. */
typedef struct {
    atomic_uint_fast64_t posted;    /* taken by the library */
    atomic_uint_fast64_t confirmed; /* by the broker */
    atomic_uint_fast64_t refused;   /* by the broker, or too big */
    atomic_int code;                /* why the first one was refused */
    uint64_t start_ms;
    zf_sync_t sync; /* what confirmed means for the broker's durable queues */
} tally_t;

static void on_confirm (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    tally_t *tally = arg;
    int none = 0;
    (void) queue;
    (void) first;
    atomic_fetch_add (code == 0 ? &tally->confirmed : &tally->refused, count);
    if (code != 0)
        atomic_compare_exchange_strong (&tally->code, &none, code);
}

/* -- what is said at the end ------------------------------------------------------------------- */

static int print_summary (const cli_t *cli, tally_t *tally)
{
    static const cli_column_t columns[] = {{"queue", "queue", CLI_COLUMN_TEXT},
                                           {"posted", "posted", CLI_COLUMN_NUMBER},
                                           {"confirmed", "confirmed", CLI_COLUMN_NUMBER},
                                           {"refused", "refused", CLI_COLUMN_NUMBER},
                                           {"sync", "sync", CLI_COLUMN_TEXT},
                                           {"ms", "time", CLI_COLUMN_MS},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    uint64_t ms = cli_now_ms () - tally->start_ms;
    uint64_t posted = atomic_load (&tally->posted);
    uint64_t confirmed = atomic_load (&tally->confirmed);
    uint64_t refused = atomic_load (&tally->refused);
    double rate = (double) confirmed * 1000 / (double) (ms > 0 ? ms : 1);
    cli_note (cli,
              "posted %" PRIu64 " record%s to %s in %.2f s: %" PRIu64 " confirmed, %" PRIu64
              " refused (%.0f/s)%s%s",
              posted, posted == 1 ? "" : "s", cli->args[0], (double) ms / 1000, confirmed, refused,
              rate, tally->sync == ZF_SYNC_NONE ? "" : "; sync ",
              tally->sync == ZF_SYNC_NONE ? "" : durable_sync_name (tally->sync));
    if (!cli->json_asked)
        return 0;
    return cli_print_object (cli, columns,
                             json_pack ("{s:s, s:I, s:I, s:I, s:s, s:I}", "queue", cli->args[0],
                                        "posted", (json_int_t) posted, "confirmed",
                                        (json_int_t) confirmed, "refused", (json_int_t) refused,
                                        "sync", durable_sync_name (tally->sync), "ms",
                                        (json_int_t) ms));
}

static int fail_refused (const cli_t *cli, tally_t *tally)
{
    int code = atomic_load (&tally->code);
    uint64_t refused = atomic_load (&tally->refused);
    uint64_t posted = atomic_load (&tally->posted);
    return cli_fail (cli, cli_exit_code (code),
                     "%" PRIu64 " of %" PRIu64 " records were refused: %s", refused, posted,
                     zf_strerror (code));
}

/* -- the outbox -------------------------------------------------------------------------------- */

static int open_client (const cli_t *cli, tally_t *tally, zf_client_t **client)
{
    zf_client_options_t wanted;
    cli_client_options (cli, &wanted);
    wanted.outbox = cli_text (cli, "outbox", NULL);
    wanted.outbox_bytes = cli_number (cli, "disk", wanted.outbox_bytes);
    wanted.on_confirm = on_confirm;
    wanted.arg = tally;
    return cli_client_open (cli, &wanted, client);
}

/* Notes what the broker's confirms mean before the client is gone. */
static void close_client (tally_t *tally, zf_client_t **client)
{
    zf_client_stats_t stats;
    zf_client_stats (*client, &stats);
    tally->sync = stats.sync;
    zf_client_close (client);
}

static uint64_t backlog_of (zf_client_t *client)
{
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    return stats.backlog;
}

static const char *wait_text (uint64_t count)
{
    return count == 1 ? " waits" : "s wait";
}

/* With --flush, waits until the broker has all. Returns 0 or an exit code, having said why. */
static int empty_outbox (const cli_t *cli, zf_client_t *client)
{
    const char *outbox = cli_text (cli, "outbox", NULL);
    uint64_t end_ms = cli_now_ms () + cli->timeout_ms;
    uint64_t backlog = outbox != NULL ? backlog_of (client) : 0;
    struct pollfd stop = {.fd = cli_stop_fd (), .events = POLLIN};
    if (backlog > 0 && !cli_has (cli, "flush"))
        cli_note (cli, "%" PRIu64 " record%s in %s", backlog, wait_text (backlog), outbox);
    if (!cli_has (cli, "flush"))
        return 0;
    while (backlog > 0 && cli_stopped () == 0 && cli_now_ms () < end_ms) {
        cli_progress (cli, "%" PRIu64 " record%s in %s", backlog, wait_text (backlog), outbox);
        poll (&stop, 1, LOOK_MS);
        backlog = backlog_of (client);
    }
    if (backlog == 0 || cli_stopped () != 0)
        return backlog == 0 ? 0 : 128 + cli_stopped ();
    return cli_fail (cli, EX_TEMPFAIL,
                     "%" PRIu64 " record%s in %s; zferry link --from %s takes them on later",
                     backlog, wait_text (backlog), outbox, outbox);
}

static int check_outbox (const cli_t *cli)
{
    if (cli_has (cli, "outbox") || (!cli_has (cli, "flush") && !cli_has (cli, "disk")))
        return 0;
    return cli_misuse (cli, "--flush and --disk are for --outbox");
}

/* -- a record per line ------------------------------------------------------------------------- */

static void show_progress (const cli_t *cli, tally_t *tally)
{
    uint64_t posted = atomic_load (&tally->posted);
    uint64_t confirmed = atomic_load (&tally->confirmed);
    if (posted % 1024 == 0)
        cli_progress (cli, "%" PRIu64 " posted, %" PRIu64 " confirmed", posted, confirmed);
}

static int post_lines (const cli_t *cli, zf_client_t *client, input_t *input,
                       const zf_props_t *props, tally_t *tally)
{
    zf_error_t err = {0};
    zf_bytes_t line;
    int more = 0;
    while (cli_stopped () == 0 && (more = input_line (input, cli, &line)) > 0) {
        int rc =
            zf_client_post_async (client, cli->args[0], line.data, line.size, props, NULL, &err);
        if (rc != 0)
            return cli_client_fail (cli, client, &err);
        atomic_fetch_add (&tally->posted, 1);
        show_progress (cli, tally);
    }
    return more < 0 ? -more : 0;
}

/* Waits for the confirms as long as some come. Returns 0, or an exit code having said why. */
static int flush (const cli_t *cli, zf_client_t *client, tally_t *tally)
{
    zf_error_t err = {0};
    int rc = ZF_E_TIMEOUT;
    uint64_t before = 0;
    uint64_t now = UINT64_MAX;
    while (rc == ZF_E_TIMEOUT && now != before) {
        before = now;
        rc = zf_client_flush (client, -1, &err);
        now = atomic_load (&tally->confirmed) + atomic_load (&tally->refused);
    }
    if (rc == ZF_E_TIMEOUT)
        return cli_client_fail (cli, client, &err);
    return atomic_load (&tally->refused) > 0 ? fail_refused (cli, tally) : 0;
}

static int run_lines (const cli_t *cli, input_t *input, const zf_props_t *props)
{
    zf_client_t *client = NULL;
    tally_t tally = {.start_ms = cli_now_ms ()};
    if (props->id.data != NULL)
        return cli_misuse (cli, "--id is for one record, not for --lines");
    int rc = open_client (cli, &tally, &client);
    if (rc != 0)
        return rc;
    rc = post_lines (cli, client, input, props, &tally);
    if (rc == 0)
        rc = flush (cli, client, &tally);
    else if (rc != EX_UNAVAILABLE)
        zf_client_flush (client, -1, NULL);
    if (rc == 0)
        rc = empty_outbox (cli, client);
    close_client (&tally, &client);
    int printed = print_summary (cli, &tally);
    rc = rc != 0 ? rc : printed;
    return rc == 0 && cli_stopped () != 0 ? 128 + cli_stopped () : rc;
}

/* -- one record -------------------------------------------------------------------------------- */

static int run_one (const cli_t *cli, input_t *input, const zf_props_t *props)
{
    zf_client_t *client = NULL;
    zf_error_t err = {0};
    zf_bytes_t body;
    tally_t tally = {.start_ms = cli_now_ms (), .posted = 1};
    int got = input_whole (input, cli, &body);
    if (got <= 0)
        return got < 0 ? -got : 128 + cli_stopped ();
    int rc = open_client (cli, &tally, &client);
    if (rc != 0)
        return rc;
    if (zf_client_post (client, cli->args[0], body.data, body.size, props, &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    if (rc == 0)
        rc = empty_outbox (cli, client);
    close_client (&tally, &client);
    if (rc != 0)
        return rc;
    atomic_store (&tally.confirmed, 1);
    return cli->json_asked || cli->err_terminal ? print_summary (cli, &tally) : 0;
}

static int run (cli_t *cli)
{
    record_props_t record;
    input_t input;
    int rc = check_outbox (cli);
    if (rc == 0)
        rc = props_from_options (&record, cli);
    if (rc != 0)
        return rc;
    rc = input_open (&input, cli);
    if (rc == 0)
        rc = cli_has (cli, "lines") ? run_lines (cli, &input, &record.props)
                                    : run_one (cli, &input, &record.props);
    input_close (&input);
    return rc;
}

const cli_verb_t verbs_post[] = {
    {.name = "post",
     .usage = "QUEUE [BODY | - | --file F] [--lines]",
     .summary = "Post a record, or each line of the input as one, and wait for the confirms",
     .details =
         "The body is BODY, what file F holds, or what comes on standard input (-). A body that "
         "begins\n"
         "with a dash goes behind --. With --lines the records are pipelined; what a queue at its "
         "cap\n"
         "does (wait, refuse, drop the oldest) is its policy: see zferry queue declare --help.\n"
         "With --outbox a record is confirmed when it is on this disk, whether or not the broker "
         "can be\n"
         "reached, and travels on while this runs, in a later post with the same DIR, or with "
         "zferry link\n"
         "--from DIR.\n",
     .example = "  zferry post jobs 'resize 17.png' --ttl 10m\n"
                "  zferry post jobs --lines --file urls.txt\n"
                "  zferry post jobs 'resize 17.png' --outbox /var/lib/app/outbox\n",
     .options = options,
     .min_args = 1,
     .max_args = 2,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run},
    {.name = NULL}};
