/* zferry help: for people the same as --help; for the build, manual pages and completion. */
#include "cli.h"
#include "help.h"

#include <string.h>

/* Is the name the words, with blanks between them? */
static bool is_named (const cli_verb_t *verb, char *const *words)
{
    const char *rest = verb->name;
    for (; *words != NULL; words++) {
        size_t length = strlen (*words);
        if (strncmp (rest, *words, length) != 0 || (rest[length] != ' ' && rest[length] != '\0'))
            return false;
        rest += length + (rest[length] == ' ');
    }
    return *rest == '\0';
}

static int put_manual (const cli_t *cli)
{
    if (cli->arg_count == 0) {
        help_man_program ();
        return cli_flush (cli);
    }
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++)
            if (is_named (verb, cli->args)) {
                help_man_verb (verb);
                return cli_flush (cli);
            }
    return cli_misuse (cli, "there is no verb of that name");
}

static void put_names (void)
{
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++)
            if ((verb->flags & CLI_HIDDEN) == 0)
                puts (verb->name);
}

static int run (cli_t *cli)
{
    if (cli_has (cli, "man"))
        return put_manual (cli);
    if (cli_has (cli, "verbs"))
        put_names ();
    else if (cli_has (cli, "completion"))
        help_bash ();
    else
        help_overview (stdout, NULL);
    return cli_flush (cli);
}

static const cli_option_t options[] = {
    {.name = "man", .help = "the manual page of zferry, or of VERB, for scdoc"},
    {.name = "verbs", .help = "the verbs' names, one a line"},
    {.name = "completion", .help = "tables for bash completion"},
    {.name = NULL}};

const cli_verb_t verbs_help[] = {
    {.name = "help",
     .usage = "[VERB]",
     .summary = "Show what the program does, or one verb",
     .details =
         "What the options print is for the build: it makes manual pages and completion of it.\n",
     .example = "  zferry help queue declare\n",
     .options = options,
     .max_args = -1,
     .flags = CLI_HIDDEN,
     .run = run},
    {.name = NULL}};
