#include "secure.h"

#include "discover.h"

#include <stdlib.h>
#include <string.h>

#define KEY_OPTION                                                                          \
    {                                                                                       \
        .name = "key-file", .kind = CLI_TEXT, .value = "FILE",                              \
        .help = "our secret key (zferry keygen): connections are encrypted; or $ZFERRY_KEY" \
    }

#define OTHER_OPTIONS                                                                     \
    {.name = "authorised",                                                                \
     .kind = CLI_TEXT,                                                                    \
     .value = "PATH",                                                                     \
     .help = "who may connect: directory of .pub files, file of lines KEY NAME, or '*'"}, \
        {.name = "server-key",                                                            \
         .kind = CLI_TEXT,                                                                \
         .value = "KEY|FILE",                                                             \
         .help = "whose key is at the endpoints that do not say it themselves (EP|KEY)"}, \
        {.name = "rules",                                                                 \
         .kind = CLI_TEXT,                                                                \
         .value = "FILE",                                                                 \
         .help = "what each key may do: lines WHO RIGHT[,RIGHT...] WHAT..."},             \
    {                                                                                     \
        .name = "insecure", .help = "plain connections on any address, and that is meant" \
    }

static const cli_option_t usual[] = {KEY_OPTION, OTHER_OPTIONS, {.name = NULL}};

/* Where --key is not a record's it will do, too. */
static const cli_option_t with_short[] = {
    KEY_OPTION, {.name = "key", .kind = CLI_TEXT, .value = "FILE"}, OTHER_OPTIONS, {.name = NULL}};

/* A setting, by option or by environment. */
typedef struct {
    const char *option;
    const char *variable;
} setting_t;

static const setting_t settings[] = {
    {"key-file", "ZFERRY_KEY"},
    {"authorised", "ZFERRY_AUTHORISED"},
    {"server-key", "ZFERRY_SERVER_KEY"},
    {"rules", "ZFERRY_RULES"},
};

enum { KEY, AUTHORISED, SERVER_KEY, RULES, SETTINGS };

/* -- options ----------------------------------------------------------------------------------- */

static bool has_own_key (const cli_verb_t *verb)
{
    const cli_option_t *option = verb->options;
    while (option != NULL && option->name != NULL && strcmp (option->name, "key") != 0)
        option++;
    return option != NULL && option->name != NULL;
}

/* Whoever may meet others has endpoints. */
const cli_option_t *secure_options (const cli_verb_t *verb)
{
    if (discover_options (verb) == NULL)
        return NULL;
    return has_own_key (verb) ? usual : with_short;
}

/* NULL: no option says so. */
static const char *option_of (const cli_t *cli, int i)
{
    const char *text = cli_text (cli, settings[i].option, NULL);
    return text == NULL && i == KEY && !has_own_key (cli->verb) ? cli_text (cli, "key", NULL)
                                                                : text;
}

static const char *variable_of (const char *name)
{
    const char *text = getenv (name);
    return text != NULL && *text != '\0' ? text : NULL;
}

void secure_limits (const cli_t *cli, zf_limits_t *limits)
{
    zf_limits_defaults (limits);
    limits->connections = (uint32_t) cli_number (cli, "max-connections", limits->connections);
    limits->handshake_ms = (uint32_t) cli_number (cli, "handshake-timeout", limits->handshake_ms);
    limits->records_per_s = (uint32_t) cli_number (cli, "client-rate", limits->records_per_s);
    limits->bytes_per_s = cli_number (cli, "client-bytes", limits->bytes_per_s);
    limits->queues = (uint32_t) cli_number (cli, "client-queues", limits->queues);
}

/* -- what is asked for ------------------------------------------------------------------------- */

/* What is asked for, by one way or the other; NULL: nothing. */
typedef struct {
    const char *texts[SETTINGS];
    bool insecure;
} wanted_t;

/* Options win over the environment, as a whole where they contradict it. */
static int read_insecure (const cli_t *cli, wanted_t *wanted)
{
    const char *env = variable_of ("ZFERRY_INSECURE");
    bool says_so = env != NULL && strcmp (env, "1") == 0;
    wanted->insecure = cli_has (cli, "insecure");
    if (env != NULL && !says_so && strcmp (env, "0") != 0)
        return cli_fail (cli, EX_CONFIG, "ZFERRY_INSECURE is 1 or 0, not '%s'", env);
    for (int i = 0; i < SETTINGS; i++)
        if (wanted->insecure && option_of (cli, i) != NULL)
            return cli_misuse (cli, "--insecure and --%s exclude each other", settings[i].option);
    if (wanted->insecure || !says_so || option_of (cli, KEY) != NULL)
        return 0;
    for (int i = 0; i < SETTINGS; i++)
        if (variable_of (settings[i].variable) != NULL)
            return cli_fail (cli, EX_CONFIG, "ZFERRY_INSECURE and %s exclude each other",
                             settings[i].variable);
    wanted->insecure = true;
    return 0;
}

/* Without a key of our own the others would be forgotten, and connections plain. */
static int check_key (const cli_t *cli, const wanted_t *wanted)
{
    for (int i = 0; i < SETTINGS && wanted->texts[KEY] == NULL; i++) {
        if (option_of (cli, i) != NULL)
            return cli_misuse (cli,
                               "--%s takes a key of our own: --key-file FILE (zferry keygen FILE "
                               "makes one)",
                               settings[i].option);
        if (wanted->texts[i] != NULL)
            return cli_fail (cli, EX_CONFIG,
                             "%s takes a key of our own: ZFERRY_KEY or --key-file FILE (zferry "
                             "keygen FILE makes one)",
                             settings[i].variable);
    }
    return 0;
}

static int read_wanted (const cli_t *cli, wanted_t *wanted)
{
    *wanted = (wanted_t){.insecure = false};
    if (cli_has (cli, "key-file") && option_of (cli, KEY) != NULL && !has_own_key (cli->verb) &&
        cli_has (cli, "key"))
        return cli_misuse (cli, "--key-file is given twice");
    int rc = read_insecure (cli, wanted);
    if (rc != 0 || wanted->insecure)
        return rc;
    for (int i = 0; i < SETTINGS; i++) {
        const char *given = option_of (cli, i);
        wanted->texts[i] = given != NULL ? given : variable_of (settings[i].variable);
    }
    return check_key (cli, wanted);
}

/* -- life -------------------------------------------------------------------------------------- */

static void tell (void *arg, const char *text)
{
    cli_log (arg, ZF_LOG_NOTICE, NULL, "security: %s", text);
}

/* Files that are wrong are the configuration's fault. */
static int fail_open (const cli_t *cli, const zf_error_t *err)
{
    int exit_code = err->code == ZF_E_INVAL ? EX_CONFIG : cli_exit_code (err->code);
    return cli_fail (cli, exit_code, "%s", err->text);
}

int secure_fail (const cli_t *cli, const zf_error_t *err)
{
    const char *hint =
        cli->security == NULL
            ? "; that is --key-file FILE (zferry keygen FILE makes one), or --insecure"
            : "";
    return cli_fail (cli, EX_NOPERM, "%s%s", err->text, hint);
}

static int open_security (cli_t *cli, const wanted_t *wanted)
{
    zf_error_t err = {0};
    zf_security_options_t options;
    zf_security_defaults (&options);
    options.key = wanted->texts[KEY];
    options.authorised = wanted->texts[AUTHORISED];
    options.server_key = wanted->texts[SERVER_KEY];
    options.rules = wanted->texts[RULES];
    options.on_log = tell;
    options.arg = cli;
    if (zf_security_open (&cli->security, &options, &err) != 0)
        return fail_open (cli, &err);
    if ((cli->verb->flags & CLI_OFFERS) != 0 && options.authorised == NULL)
        cli_log (cli, ZF_LOG_WARNING, NULL,
                 "security: nobody may connect; --authorised says who may");
    return 0;
}

int secure_start (cli_t *cli)
{
    wanted_t wanted;
    if (secure_options (cli->verb) == NULL)
        return 0;
    int rc = read_wanted (cli, &wanted);
    if (rc == 0 && wanted.insecure)
        cli->security = zf_security_insecure ();
    return rc == 0 && wanted.texts[KEY] != NULL ? open_security (cli, &wanted) : rc;
}

void secure_stop (cli_t *cli)
{
    zf_security_close (&cli->security);
}
