/* zferry queue: looking at queues and changing them. */
#include "policy.h"
#include "queue_row.h"
#include "record.h"

enum { PEEK_DEFAULT = 10 };

/* -- ls ---------------------------------------------------------------------------------------- */

static void add_queue (void *arg, const zf_queue_info_t *info)
{
    cli_table_row (arg, queue_row (info));
}

static int run_ls (cli_t *cli)
{
    static const cli_column_t columns[] = {{"queue", "queue", CLI_COLUMN_TEXT},
                                           {"length", "length", CLI_COLUMN_NUMBER},
                                           {"bytes", "bytes", CLI_COLUMN_BYTES},
                                           {"leased", "leased", CLI_COLUMN_NUMBER},
                                           {"delayed", "delayed", CLI_COLUMN_NUMBER},
                                           {"workers", "workers", CLI_COLUMN_NUMBER},
                                           {"posted", "posted", CLI_COLUMN_NUMBER},
                                           {"acked", "acked", CLI_COLUMN_NUMBER},
                                           {"dead", "dead", CLI_COLUMN_NUMBER},
                                           {"oldest_ms", "oldest", CLI_COLUMN_MS},
                                           {"on_disk", "on disk", CLI_COLUMN_BYTES},
                                           {"sync", "sync", CLI_COLUMN_TEXT},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    int rc = cli_client_open (cli, NULL, &client);
    if (rc != 0)
        return rc;
    cli_table_t *table = cli_table_new (cli, columns);
    if (zf_admin_queues (client, add_queue, table, &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    zf_client_close (&client);
    int ended = cli_table_end (&table, rc == 0 ? "no queues" : NULL);
    return rc != 0 ? rc : ended;
}

/* -- info -------------------------------------------------------------------------------------- */

static int run_info (cli_t *cli)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    zf_queue_info_t info;
    int rc = cli_client_open (cli, NULL, &client);
    if (rc != 0)
        return rc;
    if (zf_admin_queue (client, cli->args[0], &info, &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    else
        rc = queue_row_print (cli, &info);
    zf_client_close (&client);
    return rc;
}

/* -- peek -------------------------------------------------------------------------------------- */

static const cli_option_t peek_options[] = {
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .help = "show so many (default 10)"},
    {.name = "from", .kind = CLI_COUNT, .value = "ID", .help = "begin at the record of this id"},
    RECORD_HEADER_OPTION,
    {.name = NULL}};

static int run_peek (cli_t *cli)
{
    static const cli_column_t columns[] = {
        {"id", "id", CLI_COLUMN_NUMBER},    {"attempt", "attempts", CLI_COLUMN_NUMBER},
        {"size", "size", CLI_COLUMN_BYTES}, {"key", "key", CLI_COLUMN_TEXT},
        {"body", "body", CLI_COLUMN_TEXT},  {NULL, NULL, CLI_COLUMN_TEXT}};
    zf_client_t *client = NULL;
    int rc = cli_client_open (cli, NULL, &client);
    if (rc != 0)
        return rc;
    record_peek_t peek = {.cli = cli,
                          .queue = cli->args[0],
                          .from = cli_number (cli, "from", 0),
                          .count = cli_number (cli, "count", PEEK_DEFAULT)};
    rc = record_peek (&peek, client, columns, "no records");
    zf_client_close (&client);
    return rc;
}

/* -- purge ------------------------------------------------------------------------------------- */

static int run_purge (cli_t *cli)
{
    static const cli_column_t columns[] = {{"queue", "queue", CLI_COLUMN_TEXT},
                                           {"purged", "purged", CLI_COLUMN_NUMBER},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    uint64_t count = 0;
    int rc = cli_client_open (cli, NULL, &client);
    if (rc != 0)
        return rc;
    if (zf_admin_purge (client, cli->args[0], &count, &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    else
        rc = cli_print_object (
            cli, columns,
            json_pack ("{s:s, s:I}", "queue", cli->args[0], "purged", (json_int_t) count));
    zf_client_close (&client);
    return rc;
}

/* -- declare ----------------------------------------------------------------------------------- */

static const cli_option_t declare_options[] = {POLICY_OPTIONS, {.name = NULL}};

/* Starts from the policy that the queue has, or from the defaults. Returns 0 or an exit code. */
static int present_policy (const cli_t *cli, zf_client_t *client, zf_policy_t *policy)
{
    zf_error_t err = {0};
    zf_queue_info_t info;
    zf_policy_defaults (policy);
    int rc = zf_admin_queue (client, cli->args[0], &info, &err);
    if (rc == 0)
        *policy = info.policy;
    return rc == 0 || rc == ZF_E_NOT_FOUND ? 0 : cli_client_fail (cli, client, &err);
}

static int declare (const cli_t *cli, zf_client_t *client)
{
    zf_error_t err = {0};
    zf_queue_info_t info;
    zf_policy_t policy;
    int rc = present_policy (cli, client, &policy);
    if (rc == 0)
        rc = policy_from_options (cli, &policy);
    if (rc != 0)
        return rc;
    if (zf_admin_declare (client, cli->args[0], &policy, &err) != 0 ||
        zf_admin_queue (client, cli->args[0], &info, &err) != 0)
        return cli_client_fail (cli, client, &err);
    return queue_row_print (cli, &info);
}

static int run_declare (cli_t *cli)
{
    zf_client_t *client = NULL;
    zf_policy_t checked;
    zf_policy_defaults (&checked);
    checked.backoff_min_ms =
        0; /* what the queue has is not known yet: only the options are looked at */
    checked.backoff_max_ms = UINT32_MAX;
    int rc = policy_from_options (cli, &checked);
    if (rc == 0)
        rc = cli_client_open (cli, NULL, &client);
    if (rc == 0)
        rc = declare (cli, client);
    zf_client_close (&client);
    return rc;
}

/* -- the verbs --------------------------------------------------------------------------------- */

const cli_verb_t verbs_queue[] = {
    {.name = "queue ls",
     .usage = "",
     .summary = "List the queues of a broker, its streams and their groups",
     .example = "  zferry queue ls\n  zferry queue ls --json | jq -r .queue\n",
     .flags = CLI_TALKS,
     .run = run_ls},
    {.name = "queue info",
     .usage = "QUEUE",
     .summary = "Show a queue's figures and policy",
     .example = "  zferry queue info jobs\n",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run_info},
    {.name = "queue peek",
     .usage = "QUEUE",
     .summary = "Show a queue's oldest records without taking them",
     .example = "  zferry queue peek jobs --count 3\n",
     .options = peek_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run_peek},
    {.name = "queue purge",
     .usage = "QUEUE",
     .summary = "Drop all records of a queue that are not at a worker",
     .example = "  zferry queue purge jobs\n",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run_purge},
    {.name = "queue declare",
     .usage = "QUEUE",
     .summary = "Make a queue, or change its policy",
     .details = "What no option names stays as the queue has it.\n",
     .example =
         "  zferry queue declare jobs --max-attempts 3 --max-length 1000000 --overflow reject\n",
     .options = declare_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run_declare},
    {.name = NULL}};
