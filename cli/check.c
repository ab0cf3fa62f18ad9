/* zferry check: is this a topology, and is all there that it needs? */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <zferry/topology.h>

/* What is under way with one file. */
typedef struct {
    const cli_t *cli;
    const char *file;   /* that is checked */
    cli_table_t *table; /* for rows; NULL: lines for people */
    unsigned errors;    /* found in it */
} look_t;

/* "FILE:LINE:COLUMN: text" becomes a row. */
static json_t *row_of (const char *file, const char *line)
{
    char *end = NULL;
    const char *text = line;
    unsigned long place[2] = {0, 0};
    if (strncmp (line, file, strlen (file)) == 0 && line[strlen (file)] == ':')
        text = line + strlen (file) + 1;
    for (size_t i = 0; i < 2 && *text >= '0' && *text <= '9'; i++) {
        place[i] = strtoul (text, &end, 10);
        text = end + (*end == ':');
    }
    return json_pack ("{s:s, s:I, s:I, s:s}", "file", file, "line", (json_int_t) place[0], "column",
                      (json_int_t) place[1], "text", text + strspn (text, " "));
}

static void on_log (void *arg, zf_log_level_t level, const char *device, const char *text)
{
    look_t *look = arg;
    (void) device;
    look->errors++;
    if (look->table != NULL)
        cli_table_row (look->table, row_of (look->file, text));
    else
        cli_log (look->cli, level, NULL, "%s", text);
}

/* Returns 0 or an exit code, having said why. */
static int check_file (look_t *look)
{
    zf_error_t err = {.code = 0};
    zf_topology_options_t options;
    zf_topology_defaults (&options);
    options.file = look->file;
    options.on_log = on_log;
    options.arg = look;
    int rc = zf_topology_check (&options, &err);
    if (rc == 0)
        cli_note (look->cli, "%s: good", look->file);
    if (rc == 0 || look->errors > 0)
        return rc == 0 ? 0 : EX_CONFIG;
    if (rc == ZF_E_NOT_FOUND)
        return cli_fail (look->cli, EX_NOINPUT, "%s", err.text);
    return cli_fail (look->cli, cli_exit_code (rc), "%s", err.text);
}

static int run (cli_t *cli)
{
    static const cli_column_t columns[] = {{"file", "file", CLI_COLUMN_TEXT},
                                           {"line", "line", CLI_COLUMN_NUMBER},
                                           {"column", "column", CLI_COLUMN_NUMBER},
                                           {"text", "what", CLI_COLUMN_TEXT},
                                           {NULL, NULL, CLI_COLUMN_TEXT}};
    cli_table_t *table = cli->json_asked ? cli_table_new (cli, columns) : NULL;
    int worst = 0;
    for (int i = 0; i < cli->arg_count; i++) {
        look_t look = {.cli = cli, .file = cli->args[i], .table = table};
        int rc = check_file (&look);
        worst = worst != 0 ? worst : rc;
    }
    int ended = table != NULL ? cli_table_end (&table, NULL) : 0;
    return worst != 0 ? worst : ended;
}

const cli_verb_t verbs_check[] = {
    {.name = "check",
     .usage = "FILE...",
     .summary = "Check topologies without starting anything",
     .details = "Says everything that is wrong, as FILE:LINE:COLUMN: what, and what was expected; "
                "with --json a\n"
                "row each. Files and directories that they name are looked at. Exit code 78 if "
                "something is wrong.\n",
     .example = "  zferry check orders.yaml\n"
                "  zferry check --json /etc/zferry/*.yaml | jq -r .text\n",
     .min_args = 1,
     .max_args = -1,
     .run = run},
    {.name = NULL}};
