/* zferry queue dead: what was given up, and what to do with it. */
#include "policy.h"
#include "record.h"

#include <string.h>

enum { LIST_DEFAULT = 100 };

/* -- ls ---------------------------------------------------------------------------------------- */

static int list (const cli_t *cli, zf_client_t *client)
{
    static const cli_column_t columns[] = {{"id", "id", CLI_COLUMN_NUMBER},
                                           {"dead_attempts", "attempts", CLI_COLUMN_NUMBER},
                                           {"dead_reason", "reason", CLI_COLUMN_TEXT},
                                           {"body", "body", CLI_COLUMN_TEXT},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    zf_error_t err = {0};
    zf_queue_info_t info;
    char name[ZF_NAME_MAX + 1];
    if (zf_admin_queue (client, cli->args[0], &info, &err) != 0)
        return cli_client_fail (cli, client, &err);
    if (!policy_dead_letter (&info, name))
        return cli_fail (
            cli, EX_NOINPUT,
            "%s keeps no dead letters; zferry queue declare %s --dead-letter NAME makes it",
            cli->args[0], cli->args[0]);
    record_peek_t peek = {.cli = cli,
                          .queue = name,
                          .from = cli_number (cli, "from", 0),
                          .count = cli_number (cli, "count", LIST_DEFAULT),
                          .may_lack = true};
    return record_peek (&peek, client, columns, "no dead letters");
}

static int run_ls (cli_t *cli)
{
    zf_client_t *client = NULL;
    int rc = cli_client_open (cli, NULL, &client);
    if (rc == 0)
        rc = list (cli, client);
    zf_client_close (&client);
    return rc;
}

/* -- requeue, discard -------------------------------------------------------------------------- */

typedef int move_fn (zf_client_t *client, const char *queue, uint64_t max, uint64_t *count,
                     zf_error_t *err);

static int run_move (cli_t *cli, move_fn *move, const char *done)
{
    zf_error_t err = {0};
    zf_client_t *client = NULL;
    uint64_t count = 0;
    const cli_column_t columns[] = {{"queue", "queue", CLI_COLUMN_TEXT},
                                    {done, done, CLI_COLUMN_NUMBER},
                                    {NULL, NULL, CLI_COLUMN_TEXT}};
    int rc = cli_client_open (cli, NULL, &client);
    if (rc != 0)
        return rc;
    if (move (client, cli->args[0], cli_number (cli, "count", 0), &count, &err) != 0)
        rc = cli_client_fail (cli, client, &err);
    else
        rc = cli_print_object (
            cli, columns,
            json_pack ("{s:s, s:I}", "queue", cli->args[0], done, (json_int_t) count));
    zf_client_close (&client);
    return rc;
}

static int run_requeue (cli_t *cli)
{
    return run_move (cli, zf_admin_dead_requeue, "requeued");
}

static int run_discard (cli_t *cli)
{
    return run_move (cli, zf_admin_dead_discard, "discarded");
}

/* -- the verbs --------------------------------------------------------------------------------- */

static const cli_option_t ls_options[] = {
    {.name = "count",
     .letter = 'n',
     .kind = CLI_COUNT,
     .value = "N",
     .min = 1,
     .help = "show so many (default 100)"},
    {.name = "from", .kind = CLI_COUNT, .value = "ID", .help = "begin at the record of this id"},
    RECORD_HEADER_OPTION,
    {.name = NULL}};

static const cli_option_t move_options[] = {{.name = "count",
                                             .letter = 'n',
                                             .kind = CLI_COUNT,
                                             .value = "N",
                                             .min = 1,
                                             .help = "so many, oldest first (default: all)"},
                                            {.name = NULL}};

const cli_verb_t verbs_dead[] = {
    {.name = "queue dead ls",
     .usage = "QUEUE",
     .summary = "Show a queue's dead letters, with reason and attempts",
     .details = "QUEUE is the queue that gave the records up, not its dead-letter queue.\n",
     .example = "  zferry queue dead ls jobs\n",
     .options = ls_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run_ls},
    {.name = "queue dead requeue",
     .usage = "QUEUE",
     .summary = "Move dead letters back into their queue",
     .example = "  zferry queue dead requeue jobs --count 1\n",
     .options = move_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run_requeue},
    {.name = "queue dead discard",
     .usage = "QUEUE",
     .summary = "Drop dead letters for good",
     .example = "  zferry queue dead discard jobs\n",
     .options = move_options,
     .min_args = 1,
     .max_args = 1,
     .flags = CLI_TALKS,
     .seeks = CLI_SEEKS_QUEUE,
     .run = run_discard},
    {.name = NULL}};
