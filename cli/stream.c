/* zferry stream: looking at streams and their groups, and changing them. */
#include "policy.h"
#include "queue_row.h"
#include "start.h"

#include <stdlib.h>
#include <string.h>

/* A call on a client of its own: what most verbs here are. */
typedef int call_fn (const cli_t *cli, zf_client_t *client, zf_error_t *err);

/* Returns the exit code; a code of the library is told. call returns 0, or a code of the library
 * with *err set, or a positive exit code having said why. */
static int with_client (const cli_t *cli, call_fn *call)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    int rc = cli_client_open (cli, NULL, &client);
    if (rc == 0)
        rc = call (cli, client, &err);
    if (rc < 0)
        rc = cli_client_fail (cli, client, &err);
    zf_client_close (&client);
    return rc;
}

/* -- ls ---------------------------------------------------------------------------------------- */

static void add_stream (void *arg, const zf_queue_info_t *info)
{
    if (info->policy.kind == ZF_KIND_STREAM)
        cli_table_row (arg, queue_row (info));
}

static int list_streams (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    static const cli_column_t columns[] = {{"queue", "stream", CLI_COLUMN_TEXT},
                                           {"length", "length", CLI_COLUMN_NUMBER},
                                           {"bytes", "bytes", CLI_COLUMN_BYTES},
                                           {"first", "first", CLI_COLUMN_NUMBER},
                                           {"next", "next", CLI_COLUMN_NUMBER},
                                           {"groups", "groups", CLI_COLUMN_NUMBER},
                                           {"subscribers", "subscribers", CLI_COLUMN_NUMBER},
                                           {"posted", "posted", CLI_COLUMN_NUMBER},
                                           {"dropped", "gone", CLI_COLUMN_NUMBER},
                                           {"oldest_ms", "oldest", CLI_COLUMN_MS},
                                           {"sync", "sync", CLI_COLUMN_TEXT},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    cli_table_t *table = cli_table_new (cli, columns);
    int rc = zf_admin_queues (client, add_stream, table, err);
    int ended = cli_table_end (&table, rc == 0 ? "no streams" : NULL);
    return rc != 0 ? rc : ended;
}

static int run_ls (cli_t *cli)
{
    return with_client (cli, list_streams);
}

/* -- info -------------------------------------------------------------------------------------- */

static int fail_no_stream (const cli_t *cli, const zf_queue_info_t *info)
{
    const char *other = queue_row_group (info, NULL) != NULL ? "group" : "queue";
    return cli_fail (cli, EX_NOINPUT, "%s is no stream but a %s; see zferry queue info %s",
                     info->name, other, info->name);
}

/* Fetches the stream's figures. Returns as call_fn. */
static int ask_stream (const cli_t *cli, zf_client_t *client, zf_queue_info_t *info,
                       zf_error_t *err)
{
    int rc = zf_admin_queue (client, cli->args[0], info, err);
    return rc == 0 && info->policy.kind != ZF_KIND_STREAM ? fail_no_stream (cli, info) : rc;
}

static int show_info (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    zf_queue_info_t info;
    int rc = ask_stream (cli, client, &info, err);
    return rc == 0 ? queue_row_print (cli, &info) : rc;
}

static int run_info (cli_t *cli)
{
    return with_client (cli, show_info);
}

/* -- groups ------------------------------------------------------------------------------------ */

typedef struct {
    const char *stream; /* whose groups are wanted */
    cli_table_t *table;
} listing_t;

static void add_group (void *arg, const zf_queue_info_t *info)
{
    const listing_t *listing = arg;
    if (queue_row_group (info, listing->stream) != NULL)
        cli_table_row (listing->table, queue_row (info));
}

static int list_groups (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    static const cli_column_t columns[] = {{"group", "group", CLI_COLUMN_TEXT},
                                           {"lag", "lag", CLI_COLUMN_NUMBER},
                                           {"first", "first", CLI_COLUMN_NUMBER},
                                           {"next", "next", CLI_COLUMN_NUMBER},
                                           {"leased", "leased", CLI_COLUMN_NUMBER},
                                           {"delayed", "delayed", CLI_COLUMN_NUMBER},
                                           {"workers", "workers", CLI_COLUMN_NUMBER},
                                           {"delivered", "delivered", CLI_COLUMN_NUMBER},
                                           {"acked", "acked", CLI_COLUMN_NUMBER},
                                           {"redelivered", "redelivered", CLI_COLUMN_NUMBER},
                                           {"dead", "dead", CLI_COLUMN_NUMBER},
                                           {"missed", "missed", CLI_COLUMN_NUMBER},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    zf_queue_info_t info;
    int rc = ask_stream (cli, client, &info, err);
    if (rc != 0)
        return rc;
    listing_t listing = {.stream = cli->args[0], .table = cli_table_new (cli, columns)};
    rc = zf_admin_queues (client, add_group, &listing, err);
    int ended = cli_table_end (&listing.table, rc == 0 ? "no groups" : NULL);
    return rc != 0 ? rc : ended;
}

static int run_groups (cli_t *cli)
{
    return with_client (cli, list_groups);
}

/* -- group ------------------------------------------------------------------------------------- */

static const cli_option_t group_options[] = {
    START_OPTION ("first"),
    {.name = "pattern",
     .letter = 'p',
     .kind = CLI_TEXT,
     .value = "PATTERN",
     .repeat = true,
     .help = "only topics that match; may be repeated (default: all)"},
    {.name = NULL}};

static int show_group (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    char name[2 * ZF_NAME_MAX + 2];
    zf_queue_info_t info;
    snprintf (name, sizeof name, "%s@%s", cli->args[0], cli->args[1]);
    int rc = zf_admin_queue (client, name, &info, err);
    return rc == 0 ? queue_row_print (cli, &info) : rc;
}

static int make_group (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    zf_group_options_t wanted;
    const char **patterns = NULL;
    zf_group_defaults (&wanted);
    int rc = start_from_options (cli, &wanted.start);
    if (rc != 0)
        return rc;
    wanted.pattern_count = cli_list (cli, "pattern", &patterns);
    wanted.patterns = patterns;
    rc = zf_admin_group (client, cli->args[0], cli->args[1], &wanted, err);
    free (patterns);
    return rc == 0 ? show_group (cli, client, err) : rc;
}

static int run_group (cli_t *cli)
{
    return with_client (cli, make_group);
}

/* -- trim, forget ------------------------------------------------------------------------------ */

static int trim (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    static const cli_column_t columns[] = {{"stream", "stream", CLI_COLUMN_TEXT},
                                           {"trimmed", "trimmed", CLI_COLUMN_NUMBER},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    uint64_t below = 0;
    uint64_t count = 0;
    if (!cli_parse_number (CLI_COUNT, cli->args[1], &below))
        return cli_misuse (cli, "OFFSET is a whole number, not '%s'", cli->args[1]);
    int rc = zf_admin_trim (client, cli->args[0], below, &count, err);
    if (rc != 0)
        return rc;
    return cli_print_object (
        cli, columns,
        json_pack ("{s:s, s:I}", "stream", cli->args[0], "trimmed", (json_int_t) count));
}

static int run_trim (cli_t *cli)
{
    return with_client (cli, trim);
}

static int forget (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    zf_queue_info_t info;
    int rc = zf_admin_queue (client, cli->args[0], &info, err);
    if (rc != 0)
        return rc;
    if (info.policy.kind != ZF_KIND_STREAM && queue_row_group (&info, NULL) == NULL)
        return fail_no_stream (cli, &info);
    rc = zf_admin_forget (client, cli->args[0], err);
    if (rc == ZF_E_BUSY)
        return cli_fail (cli, EX_TEMPFAIL, "%s; end those that read it first", err->text);
    if (rc == 0)
        cli_note (cli, "%s is forgotten", cli->args[0]);
    return rc;
}

static int run_forget (cli_t *cli)
{
    return with_client (cli, forget);
}

/* -- declare ----------------------------------------------------------------------------------- */

static const cli_option_t declare_options[] = {POLICY_STREAM_OPTIONS, {.name = NULL}};

/* Starts from the policy that the stream has. One that is not there is made first: what no option
 * names is then as of those that nobody declares. Returns as call_fn. */
static int present_policy (const cli_t *cli, zf_client_t *client, zf_policy_t *policy,
                           zf_error_t *err)
{
    zf_queue_info_t info;
    int rc = ask_stream (cli, client, &info, err);
    if (rc == ZF_E_NOT_FOUND) {
        rc = zf_admin_stream (client, cli->args[0], err);
        rc = rc == 0 ? ask_stream (cli, client, &info, err) : rc;
    }
    if (rc == 0)
        *policy = info.policy;
    return rc;
}

static int declare (const cli_t *cli, zf_client_t *client, zf_error_t *err)
{
    zf_policy_t policy;
    int rc = present_policy (cli, client, &policy, err);
    if (rc == 0)
        rc = policy_from_options (cli, &policy);
    if (rc == 0)
        rc = zf_admin_declare (client, cli->args[0], &policy, err);
    return rc == 0 ? show_info (cli, client, err) : rc;
}

static int run_declare (cli_t *cli)
{
    zf_policy_t checked;
    zf_policy_defaults (&checked);
    checked.backoff_min_ms = 0; /* what the stream has is not known yet: only the options count */
    checked.backoff_max_ms = UINT32_MAX;
    int rc = policy_from_options (cli, &checked);
    return rc == 0 ? with_client (cli, declare) : rc;
}

/* -- the verbs --------------------------------------------------------------------------------- */

const cli_verb_t verbs_stream[] = {
    {.name = "stream ls",
     .usage = "",
     .summary = "List the streams of a broker or a forwarder",
     .example = "  zferry stream ls\n  zferry stream ls --json | jq -r .queue\n",
     .flags = CLI_TALKS | CLI_EVENTS,
     .run = run_ls},
    {.name = "stream info",
     .usage = "STREAM",
     .summary = "Show a stream's figures, and what it keeps",
     .example = "  zferry stream info events\n",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_STREAM,
     .run = run_info},
    {.name = "stream groups",
     .usage = "STREAM",
     .summary = "List the groups that read a stream, and how far they are",
     .details = "The lag is what a group has not finished. A group is a queue named STREAM@GROUP: "
                "zferry work,\n"
                "zferry queue info, queue dead and the others work on it.\n",
     .example = "  zferry stream groups events\n",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_STREAM,
     .run = run_groups},
    {.name = "stream group",
     .usage = "STREAM GROUP",
     .summary = "Make a group of a stream, if it is not there",
     .details = "Its members are zferry sub --group GROUP, or workers on the queue "
                "STREAM@GROUP.\n" START_DETAILS,
     .example = "  zferry stream group events billing --pattern 'orders.*.paid' --from first\n"
                "  zferry work events@billing --exec ./bill.sh --connect tcp://127.0.0.1:5556\n",
     .options = group_options,
     .min_args = 2,
     .max_args = 2,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_STREAM,
     .run = run_group},
    {.name = "stream trim",
     .usage = "STREAM OFFSET",
     .summary = "Drop the records of a stream below an offset",
     .example = "  zferry stream trim events 1700000000000000\n",
     .min_args = 2,
     .max_args = 2,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_STREAM,
     .run = run_trim},
    {.name = "stream declare",
     .usage = "STREAM",
     .summary = "Make a stream, or change what it keeps",
     .details = "What no option names stays as the stream has it, and is as the broker's for a new "
                "one. What is\n"
                "said of groups holds for those that are made from then on.\n",
     .example = "  zferry stream declare events --max-bytes 10GiB --max-age 7d\n"
                "  zferry stream declare prices --compact\n",
     .options = declare_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_STREAM,
     .run = run_declare},
    {.name = "stream forget",
     .usage = "STREAM | STREAM@GROUP",
     .summary = "Forget a stream with all its records and groups, or one group",
     .example = "  zferry stream forget events@billing\n",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS | CLI_EVENTS,
     .seeks = CLI_SEEKS_STREAM,
     .run = run_forget},
    {.name = NULL}};
