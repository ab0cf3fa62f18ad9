/* Parsing with getopt_long, whose table is made from the verb's. */
#include "options.h"

#include "discover.h"
#include "help.h"
#include "log.h"
#include "secure.h"

#include <assert.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LONG_BASE = 256,           /* getopt's value of the first option */
    TIMEOUT_DEFAULT_MS = 5000, /* of --timeout */
    OPTIONS_MAX = 64           /* more than any verb has */
};

static const char default_endpoint[] = "tcp://127.0.0.1:5555";
static const char events_endpoint[] = "tcp://127.0.0.1:5556"; /* of a verb with CLI_EVENTS */

#define TIMEOUT_OPTION                                                                         \
    {                                                                                          \
        .name = "timeout", .letter = 't', .kind = CLI_TIME, .value = "TIME", .max = INT32_MAX, \
        .help = "give up waiting for the broker after this (default 5s; 0: never)"             \
    }

static const cli_option_t talk_options[] = {
    {.name = "connect",
     .letter = 'c',
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help =
         "broker to talk to; may be repeated (default $ZFERRY_CONNECT, or tcp://127.0.0.1:5555)"},
    TIMEOUT_OPTION,
    {.name = NULL}};

static const cli_option_t events_options[] = {
    {.name = "connect",
     .letter = 'c',
     .kind = CLI_TEXT,
     .value = "EP",
     .repeat = true,
     .help = "forwarder or broker to talk to; may be repeated (default $ZFERRY_CONNECT, or "
             "tcp://127.0.0.1:5556)"},
    TIMEOUT_OPTION,
    {.name = NULL}};

static const cli_option_t node_options[] = {
    {.name = "timeout",
     .letter = 't',
     .kind = CLI_TIME,
     .value = "TIME",
     .max = INT32_MAX,
     .help = "give up waiting for others after this (default 5s; 0: never)"},
    {.name = NULL}};

static const cli_option_t verbose_options[] = {
    {.name = "verbose",
     .letter = 'v',
     .help = "with discovery: tell which interfaces and seeds are used, and why"},
    {.name = NULL}};

static const cli_option_t common_options[] = {
    {.name = "json", .letter = 'j', .help = "print JSON Lines, also on a terminal"},
    {.name = "no-color", .help = "no colours (as does $NO_COLOR)"},
    {.name = "quiet", .letter = 'q', .help = "no notes and no progress on stderr"},
    LOG_OPTIONS,
    {.name = "help", .letter = 'h', .help = "show this"},
    {.name = NULL}};

size_t options_tables (const cli_verb_t *verb, const cli_option_t *tables[OPTIONS_TABLES])
{
    size_t n = 0;
    const cli_option_t *meeting = discover_options (verb);
    if (verb->options != NULL)
        tables[n++] = verb->options;
    if ((verb->flags & CLI_TALKS) != 0)
        tables[n++] = (verb->flags & CLI_EVENTS) != 0 ? events_options : talk_options;
    if ((verb->flags & CLI_NODE) != 0)
        tables[n++] = node_options;
    if (meeting != NULL)
        tables[n++] = meeting;
    if (secure_options (verb) != NULL)
        tables[n++] = secure_options (verb);
    if (meeting != NULL && (verb->flags & CLI_OFFERS) == 0)
        tables[n++] = verbose_options;
    tables[n++] = common_options;
    return n;
}

/* -- what getopt_long is given ----------------------------------------------------------------- */

typedef struct {
    const cli_option_t *known[OPTIONS_MAX]; /* in the order of longs */
    struct option longs[OPTIONS_MAX + 1];   /* val is LONG_BASE + index */
    char letters[2 * OPTIONS_MAX + 2];      /* ":hc:" */
    size_t count;                           /* of known and longs */
} parser_t;

static void add_option (parser_t *p, const cli_option_t *option)
{
    assert (p->count < OPTIONS_MAX);
    struct option *entry = &p->longs[p->count];
    entry->name = option->name;
    entry->has_arg = option->kind == CLI_FLAG ? no_argument : required_argument;
    entry->val = LONG_BASE + (int) p->count;
    p->known[p->count++] = option;
    if (option->letter != 0) {
        size_t end = strlen (p->letters);
        p->letters[end] = option->letter;
        p->letters[end + 1] = option->kind == CLI_FLAG ? '\0' : ':';
    }
}

static void parser_make (parser_t *p, const cli_verb_t *verb)
{
    const cli_option_t *tables[OPTIONS_TABLES];
    size_t count = options_tables (verb, tables);
    memset (p, 0, sizeof *p);
    p->letters[0] = ':';
    for (size_t i = 0; i < count; i++)
        for (const cli_option_t *option = tables[i]; option->name != NULL; option++)
            add_option (p, option);
}

static const cli_option_t *option_of (const parser_t *p, int found)
{
    if (found >= LONG_BASE)
        return p->known[found - LONG_BASE];
    for (size_t i = 0; i < p->count; i++)
        if (p->known[i]->letter == found)
            return p->known[i];
    return NULL;
}

/* -- what can be wrong ------------------------------------------------------------------------- */

static const char *kind_in_words (cli_kind_t kind)
{
    switch (kind) {
    case CLI_COUNT:
        return "a whole number";
    case CLI_SIZE:
        return "a size such as 4096, 64KiB or 10MiB";
    case CLI_TIME:
        return "a time such as 250ms, 5s or 10m";
    case CLI_TEXT:
    case CLI_FLAG:
        break;
    }
    return "a text";
}

static void number_in_words (cli_kind_t kind, uint64_t number, char text[CLI_UNIT_TEXT])
{
    if (kind == CLI_SIZE)
        cli_format_bytes (number, text);
    else if (kind == CLI_TIME)
        cli_format_ms (number, text);
    else
        snprintf (text, CLI_UNIT_TEXT, "%" PRIu64, number);
}

static int fail_range (const cli_t *cli, const cli_option_t *option, const char *given)
{
    char least[CLI_UNIT_TEXT];
    char most[CLI_UNIT_TEXT];
    number_in_words (option->kind, option->min, least);
    number_in_words (option->kind, option->max, most);
    if (option->max == 0)
        return cli_misuse (cli, "--%s is %s or more, not '%s'", option->name, least, given);
    return cli_misuse (cli, "--%s is from %s to %s, not '%s'", option->name, least, most, given);
}

static int fail_unknown (const cli_t *cli, const parser_t *p, const char *given)
{
    const char *words[OPTIONS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < p->count && n < OPTIONS_MAX; i++)
        if (p->known[i]->help != NULL)
            words[n++] = p->known[i]->name;
    words[n] = NULL;
    char name[64];
    snprintf (name, sizeof name, "%.*s", (int) strcspn (given, "="), given);
    const char *near = strncmp (name, "--", 2) == 0 ? help_nearest (name + 2, words) : NULL;
    if (near != NULL)
        return cli_fail (cli, EX_USAGE, "there is no option %s; did you mean --%s?", name, near);
    return cli_misuse (cli, "there is no option %s", name);
}

/* getopt_long has returned '?' (unknown, or a flag with a value) or ':' (value missing). */
static int fail_parse (const cli_t *cli, const parser_t *p, int found, char **argv)
{
    const cli_option_t *option = optopt != 0 ? option_of (p, optopt) : NULL;
    char letter[3] = {'-', (char) optopt, '\0'};
    if (found == ':' && option != NULL)
        return cli_misuse (cli, "--%s needs a value (%s)", option->name, option->value);
    if (option != NULL)
        return cli_misuse (cli, "--%s takes no value", option->name);
    return fail_unknown (cli, p, optopt != 0 ? letter : argv[optind - 1]);
}

/* -- values ------------------------------------------------------------------------------------ */

static int take_value (cli_t *cli, const cli_option_t *option, const char *text)
{
    cli_value_t *value = &cli->values[cli->value_count];
    value->option = option;
    value->text = text;
    if (!option->repeat && cli_has (cli, option->name))
        return option->kind == CLI_FLAG ? OPTIONS_GO_ON
                                        : cli_misuse (cli, "--%s is given twice", option->name);
    cli->value_count++;
    if (option->kind == CLI_FLAG || option->kind == CLI_TEXT)
        return OPTIONS_GO_ON;
    if (!cli_parse_number (option->kind, text, &value->number))
        return cli_misuse (cli, "--%s is %s, not '%s'", option->name, kind_in_words (option->kind),
                           text);
    if (value->number < option->min || (option->max != 0 && value->number > option->max))
        return fail_range (cli, option, text);
    return OPTIONS_GO_ON;
}

/* getopt_long would take --name for --namespace where there is no --name. NULL: it was not
 * abbreviated; else what was written. */
static const char *abbreviation (const cli_option_t *option, int found, char **argv)
{
    const char *word = argv[optarg != NULL && optarg == argv[optind - 1] ? optind - 2 : optind - 1];
    if (found < LONG_BASE || strcspn (word + 2, "=") == strlen (option->name))
        return NULL;
    return word;
}

static int take_found (cli_t *cli, const parser_t *p, int found, char **argv)
{
    if (found == '?' || found == ':')
        return fail_parse (cli, p, found, argv);
    const cli_option_t *option = option_of (p, found);
    const char *shortened = abbreviation (option, found, argv);
    if (shortened != NULL)
        return fail_unknown (cli, p, shortened);
    return take_value (cli, option, optarg);
}

static int take_options (cli_t *cli, const parser_t *p, int argc, char **argv)
{
    int rc = OPTIONS_GO_ON;
    int found = 0;
    opterr = 0;
    while (rc == OPTIONS_GO_ON &&
           (found = getopt_long (argc, argv, p->letters, p->longs, NULL)) != -1)
        rc = take_found (cli, p, found, argv);
    return rc;
}

static int check_arguments (cli_t *cli, int argc, char **argv)
{
    const cli_verb_t *verb = cli->verb;
    cli->args = argv + optind;
    cli->arg_count = argc - optind;
    if (cli->arg_count < verb->min_args)
        return cli_fail (cli, EX_USAGE, "an argument is missing; usage: zferry %s %s", verb->name,
                         verb->usage);
    if (verb->max_args >= 0 && cli->arg_count > verb->max_args)
        return cli_misuse (cli, "argument '%s' is one too many", cli->args[verb->max_args]);
    return OPTIONS_GO_ON;
}

/* -- what all verbs have ----------------------------------------------------------------------- */

static int endpoint_sought (cli_t *cli)
{
    cli->environment = discover_endpoint (cli);
    cli->endpoints = calloc (1, sizeof *cli->endpoints);
    if (cli->environment == NULL || cli->endpoints == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    cli->endpoints[cli->endpoint_count++] = cli->environment;
    return OPTIONS_GO_ON;
}

/* Dead letters are a broker's. */
static bool is_for_events (const cli_t *cli)
{
    return (cli->verb->flags & CLI_EVENTS) != 0 && !cli_has (cli, "dead");
}

static int endpoints_from_environment (cli_t *cli)
{
    const char *env = getenv ("ZFERRY_CONNECT");
    if (discover_seeks (cli, env))
        return endpoint_sought (cli);
    cli->environment = strdup (env != NULL ? env : "");
    cli->endpoint_count = cli_split (cli->environment, &cli->endpoints);
    if (cli->environment == NULL || cli->endpoints == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    if (cli->endpoint_count == 0)
        cli->endpoints[cli->endpoint_count++] =
            is_for_events (cli) ? events_endpoint : default_endpoint;
    return OPTIONS_GO_ON;
}

static int apply_common (cli_t *cli)
{
    const char *no_color = getenv ("NO_COLOR");
    cli->out_terminal = isatty (STDOUT_FILENO) == 1;
    cli->err_terminal = isatty (STDERR_FILENO) == 1;
    cli->json_asked = cli_has (cli, "json");
    cli->json = cli->json_asked || !cli->out_terminal;
    cli->quiet = cli_has (cli, "quiet");
    cli->out_color =
        cli->out_terminal && !cli_has (cli, "no-color") && (no_color == NULL || *no_color == '\0');
    uint64_t timeout = cli_number (cli, "timeout", TIMEOUT_DEFAULT_MS);
    cli->timeout_ms = timeout == 0 ? INT32_MAX : (uint32_t) timeout;
    cli->endpoint_count = cli_list (cli, "connect", &cli->endpoints);
    int rc = log_from_options (cli);
    if (rc != 0)
        return rc;
    return cli->endpoint_count == 0 ? endpoints_from_environment (cli) : OPTIONS_GO_ON;
}

int options_parse (cli_t *cli, const cli_verb_t *verb, int argc, char **argv)
{
    parser_t parser;
    memset (cli, 0, sizeof *cli);
    cli->verb = verb;
    cli->values = calloc ((size_t) argc + OPTIONS_MAX + 1, sizeof *cli->values);
    if (cli->values == NULL)
        return cli_fail (cli, EX_OSERR, "out of memory");
    parser_make (&parser, verb);
    int rc = take_options (cli, &parser, argc, argv);
    if (rc == OPTIONS_GO_ON && cli_has (cli, "help")) {
        help_verb (verb);
        return cli_flush (cli);
    }
    if (rc == OPTIONS_GO_ON)
        rc = check_arguments (cli, argc, argv);
    return rc == OPTIONS_GO_ON ? apply_common (cli) : rc;
}

void options_free (cli_t *cli)
{
    free (cli->values);
    free (cli->endpoints);
    free (cli->environment);
}

/* -- what verbs ask ---------------------------------------------------------------------------- */

static const cli_value_t *last_value (const cli_t *cli, const char *name)
{
    for (size_t i = cli->value_count; i > 0; i--)
        if (strcmp (cli->values[i - 1].option->name, name) == 0)
            return &cli->values[i - 1];
    return NULL;
}

bool cli_has (const cli_t *cli, const char *name)
{
    return last_value (cli, name) != NULL;
}

const char *cli_text (const cli_t *cli, const char *name, const char *fallback)
{
    const cli_value_t *value = last_value (cli, name);
    return value != NULL ? value->text : fallback;
}

uint64_t cli_number (const cli_t *cli, const char *name, uint64_t fallback)
{
    const cli_value_t *value = last_value (cli, name);
    return value != NULL ? value->number : fallback;
}

size_t cli_split (char *text, const char ***words)
{
    size_t n = 0;
    char *rest = NULL;
    *words = calloc (text != NULL ? strlen (text) / 2 + 2 : 1, sizeof **words);
    if (*words == NULL || text == NULL)
        return 0;
    for (char *word = strtok_r (text, ", \t", &rest); word != NULL;
         word = strtok_r (NULL, ", \t", &rest))
        (*words)[n++] = word;
    return n;
}

size_t cli_list (const cli_t *cli, const char *name, const char ***texts)
{
    size_t n = 0;
    *texts = NULL;
    if (!cli_has (cli, name) || (*texts = calloc (cli->value_count + 1, sizeof **texts)) == NULL)
        return 0;
    for (size_t i = 0; i < cli->value_count; i++)
        if (strcmp (cli->values[i].option->name, name) == 0)
            (*texts)[n++] = cli->values[i].text;
    return n;
}
