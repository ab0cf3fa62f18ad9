/* zferry: finds the verb that the first words name, parses its options and runs it. */
#include "cli.h"
#include "discover.h"
#include "help.h"
#include "log.h"
#include "options.h"
#include "secure.h"
#include "signals.h"

#include <string.h>

enum {
    NAMES_MAX = 64, /* verbs looked at for "did you mean" */
    NAME_SIZE = 40  /* bytes of a verb's name, all words */
};

const cli_verb_t *const help_groups[] = {
    verbs_demo,      verbs_run,     verbs_check,  verbs_reload,  verbs_broker,  verbs_balancer,
    verbs_forwarder, verbs_post,    verbs_work,   verbs_request, verbs_serve,   verbs_submit,
    verbs_fetch,     verbs_pub,     verbs_sub,    verbs_queue,   verbs_dead,    verbs_stream,
    verbs_top,       verbs_tail,    verbs_link,   verbs_peers,   verbs_whisper, verbs_chat,
    verbs_directory, verbs_journal, verbs_keygen, verbs_doctor,  verbs_bench,   verbs_version,
    verbs_help,      NULL};

/* Counts the leading words of argv that the words of name are; 0 unless all of name's are there. */
static int words_matched (const char *name, int argc, char **argv)
{
    int n = 0;
    while (n < argc) {
        size_t length = strcspn (name, " ");
        if (strlen (argv[n]) != length || strncmp (name, argv[n], length) != 0)
            return 0;
        n++;
        name += length;
        if (*name == '\0')
            return n;
        name++;
    }
    return 0;
}

/* The verb whose name the first words are, the longest of them; NULL if there is none. */
static const cli_verb_t *find_verb (int argc, char **argv, int *words)
{
    const cli_verb_t *found = NULL;
    *words = 0;
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++) {
            int n = words_matched (verb->name, argc, argv);
            if (n > *words) {
                found = verb;
                *words = n;
            }
        }
    return found;
}

/* Writes into group the words of argv that begin some verb's name ("queue" of "queue ls").
 * Returns how many. */
static int find_group (int argc, char **argv, char *group, size_t size)
{
    int best = 0;
    group[0] = '\0';
    for (int n = 1; n <= argc && n == best + 1; n++) {
        char words[64];
        size_t end = strlen (group);
        snprintf (words, sizeof words, "%.40s%s%.20s", group, end > 0 ? " " : "", argv[n - 1]);
        size_t length = strlen (words);
        for (size_t i = 0; help_groups[i] != NULL; i++)
            for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++)
                if (strncmp (verb->name, words, length) == 0 && verb->name[length] == ' ')
                    best = n;
        if (best == n)
            snprintf (group, size, "%s", words);
    }
    return best;
}

/* Copies the first words of a name, as many as text has. */
static void copy_words (char *copy, size_t size, const char *name, const char *text)
{
    const char *end = name + strcspn (name, " ");
    for (; (text = strchr (text, ' ')) != NULL && *end == ' '; text++)
        end += 1 + strcspn (end + 1, " ");
    snprintf (copy, size, "%.*s", (int) (end - name), name);
}

/* Suggests a verb, or its first words, for words that are none. */
static int fail_verb (const char *given)
{
    char names[NAMES_MAX][NAME_SIZE];
    const char *list[NAMES_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL && n < NAMES_MAX; verb++)
            if ((verb->flags & CLI_HIDDEN) == 0) {
                copy_words (names[n], NAME_SIZE, verb->name, given);
                list[n] = names[n];
                n++;
            }
    list[n] = NULL;
    const char *near = help_nearest (given, list);
    if (near != NULL)
        return cli_fail (NULL, EX_USAGE, "there is no verb '%s'; did you mean '%s'?", given, near);
    return cli_fail (NULL, EX_USAGE, "there is no verb '%s'; zferry --help lists them", given);
}

static bool is_help (const char *word)
{
    return strcmp (word, "--help") == 0 || strcmp (word, "-h") == 0 || strcmp (word, "help") == 0;
}

/* The first words name no verb: they ask for help, are a part of a name, or are wrong. */
static int run_no_verb (int argc, char **argv)
{
    char group[64];
    char given[128];
    int words = find_group (argc, argv, group, sizeof group);
    if (words > 0 && (words == argc || is_help (argv[words]))) {
        help_overview (words == argc ? stderr : stdout, group);
        return words == argc ? EX_USAGE : cli_flush (NULL);
    }
    if (argc == 0 || is_help (argv[0])) {
        help_overview (stdout, NULL);
        return cli_flush (NULL);
    }
    if (argv[0][0] == '-')
        return cli_fail (NULL, EX_USAGE, "the verb comes first; zferry --help lists the verbs");
    snprintf (given, sizeof given, "%s%s%.30s", group, words > 0 ? " " : "", argv[words]);
    return fail_verb (given);
}

static int run_verb (const cli_verb_t *verb, int argc, char **argv)
{
    cli_t cli;
    int rc = options_parse (&cli, verb, argc, argv);
    if (rc == OPTIONS_GO_ON && (rc = signals_start (&cli)) == 0 &&
        (rc = secure_start (&cli)) == 0 && (rc = discover_start (&cli)) == 0)
        rc = verb->run (&cli);
    discover_stop (&cli);
    secure_stop (&cli);
    cli_progress_clear ();
    options_free (&cli);
    return rc;
}

int main (int argc, char **argv)
{
    static char version[] = "version";
    static char help[] = "--help";
    int words = 0;
    int rc = log_start (argc, argv);
    if (rc != 0)
        return rc;
    argc--;
    argv++;
    if (argc > 1 && strcmp (argv[0], "help") == 0 && argv[1][0] != '-') { /* zferry help VERB... */
        memmove (argv, argv + 1, (size_t) (argc - 1) * sizeof *argv);
        argv[argc - 1] = help;
    }
    if (argc > 0 && strcmp (argv[0], "--version") == 0)
        argv[0] = version;
    const cli_verb_t *verb = find_verb (argc, argv, &words);
    if (verb == NULL)
        return run_no_verb (argc, argv);
    return run_verb (verb, argc - words + 1, argv + words - 1);
}
