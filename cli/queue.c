/* zferry queue: looking at queues and changing them. */
#include "durable.h"
#include "policy.h"
#include "record.h"

#include <stdlib.h>
#include <string.h>

enum { PEEK_DEFAULT = 10 };

/* -- as rows ----------------------------------------------------------------------------------- */

static void set_number (json_t *row, const char *key, uint64_t number)
{
    json_object_set_new (row, key, json_integer ((json_int_t) number));
}

static void set_policy (json_t *row, const zf_queue_info_t *info)
{
    const zf_policy_t *policy = &info->policy;
    char dead[ZF_NAME_MAX + 1];
    bool has_dead = policy_dead_letter (info, dead);
    json_object_set_new (row, "declared", json_boolean (info->declared));
    set_number (row, "max_attempts", policy->max_attempts);
    set_number (row, "backoff_min_ms", policy->backoff_min_ms);
    set_number (row, "backoff_max_ms", policy->backoff_max_ms);
    set_number (row, "lease_ms", policy->lease_ms);
    set_number (row, "ttl_ms", policy->ttl_ms);
    set_number (row, "max_length", policy->max_length);
    set_number (row, "max_bytes", policy->max_bytes);
    json_object_set_new (row, "overflow", json_string (policy_overflow_name (policy->overflow)));
    set_number (row, "dedup_window_ms", policy->dedup_window_ms);
    set_number (row, "priorities", policy->priorities);
    json_object_set_new (row, "ordered", json_boolean (policy->ordered));
    json_object_set_new (row, "durable", json_string (policy_durable_name (policy->durable)));
    json_object_set_new (row, "dead_letter", has_dead ? json_string (dead) : json_null ());
}

static json_t *queue_json (const zf_queue_info_t *info)
{
    json_t *row = json_object ();
    json_object_set_new (row, "queue", json_string (info->name));
    set_number (row, "length", info->length);
    set_number (row, "bytes", info->bytes);
    set_number (row, "leased", info->leased);
    set_number (row, "delayed", info->delayed);
    set_number (row, "parked", info->parked);
    set_number (row, "oldest_ms", info->oldest_ms);
    set_number (row, "workers", info->workers);
    set_number (row, "posted", info->posted);
    set_number (row, "delivered", info->delivered);
    set_number (row, "acked", info->acked);
    set_number (row, "redelivered", info->redelivered);
    set_number (row, "dead", info->dead);
    set_number (row, "expired", info->expired);
    set_number (row, "dropped", info->dropped);
    set_number (row, "duplicates", info->duplicates);
    set_number (row, "refused", info->refused);
    set_number (row, "links", info->links);
    set_number (row, "on_disk", info->on_disk);
    json_object_set_new (row, "sync", json_string (durable_sync_name (info->sync)));
    set_policy (row, info);
    return row;
}

/* -- ls ---------------------------------------------------------------------------------------- */

static void add_queue (void *arg, const zf_queue_info_t *info)
{
    cli_table_row (arg, queue_json (info));
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

static const cli_column_t info_columns[] = {
    {"queue", "queue", CLI_COLUMN_TEXT},
    {"length", "length", CLI_COLUMN_NUMBER},
    {"bytes", "bytes", CLI_COLUMN_BYTES},
    {"leased", "leased (at workers)", CLI_COLUMN_NUMBER},
    {"delayed", "delayed", CLI_COLUMN_NUMBER},
    {"parked", "parked (no room yet)", CLI_COLUMN_NUMBER},
    {"oldest_ms", "oldest", CLI_COLUMN_MS},
    {"workers", "workers", CLI_COLUMN_NUMBER},
    {"posted", "posted", CLI_COLUMN_NUMBER},
    {"delivered", "delivered", CLI_COLUMN_NUMBER},
    {"acked", "acked", CLI_COLUMN_NUMBER},
    {"redelivered", "redelivered", CLI_COLUMN_NUMBER},
    {"dead", "dead", CLI_COLUMN_NUMBER},
    {"expired", "expired", CLI_COLUMN_NUMBER},
    {"dropped", "dropped", CLI_COLUMN_NUMBER},
    {"duplicates", "duplicates", CLI_COLUMN_NUMBER},
    {"refused", "refused", CLI_COLUMN_NUMBER},
    {"links", "links into it", CLI_COLUMN_NUMBER},
    {"on_disk", "on disk only (no room in memory)", CLI_COLUMN_BYTES},
    {"sync", "synced before it is confirmed", CLI_COLUMN_TEXT},
    {"declared", "declared", CLI_COLUMN_TEXT},
    {"max_attempts", "max attempts", CLI_COLUMN_NUMBER},
    {"backoff_min_ms", "backoff min", CLI_COLUMN_MS},
    {"backoff_max_ms", "backoff max", CLI_COLUMN_MS},
    {"lease_ms", "lease", CLI_COLUMN_MS},
    {"ttl_ms", "ttl (0: for ever)", CLI_COLUMN_MS},
    {"max_length", "max length (0: no cap)", CLI_COLUMN_NUMBER},
    {"max_bytes", "max bytes (0: no cap)", CLI_COLUMN_BYTES},
    {"overflow", "overflow", CLI_COLUMN_TEXT},
    {"dedup_window_ms", "dedup window", CLI_COLUMN_MS},
    {"priorities", "priorities", CLI_COLUMN_NUMBER},
    {"ordered", "ordered", CLI_COLUMN_TEXT},
    {"durable", "durable", CLI_COLUMN_TEXT},
    {"dead_letter", "dead-letter queue", CLI_COLUMN_TEXT},
    {NULL, NULL, CLI_COLUMN_TEXT}};

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
        rc = cli_print_object (cli, info_columns, queue_json (&info));
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
    return cli_print_object (cli, info_columns, queue_json (&info));
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
     .summary = "List the queues of a broker",
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
     .run = run_info},
    {.name = "queue peek",
     .usage = "QUEUE",
     .summary = "Show a queue's oldest records without taking them",
     .example = "  zferry queue peek jobs --count 3\n",
     .options = peek_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .run = run_peek},
    {.name = "queue purge",
     .usage = "QUEUE",
     .summary = "Drop all records of a queue that are not at a worker",
     .example = "  zferry queue purge jobs\n",
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
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
     .run = run_declare},
    {.name = NULL}};
