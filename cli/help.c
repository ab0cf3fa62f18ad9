/* Help, made from the tables of verbs and options. */
#include "help.h"

#include "options.h"

#include <string.h>

enum {
    NEAR_LENGTH_MAX = 32, /* longer words are near to nothing */
    INDENT = 26           /* where the help of an option begins */
};

/* -- the overview ------------------------------------------------------------------------------ */

static bool begins_with_words (const char *name, const char *prefix)
{
    size_t length = strlen (prefix);
    return strncmp (name, prefix, length) == 0 && (name[length] == ' ' || name[length] == '\0');
}

static void list_verbs (FILE *to, const char *prefix)
{
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++)
            if ((verb->flags & CLI_HIDDEN) == 0 &&
                (prefix == NULL || begins_with_words (verb->name, prefix)))
                fprintf (to, "  %-20s %s\n", verb->name, verb->summary);
}

void help_overview (FILE *to, const char *prefix)
{
    if (prefix != NULL) {
        fprintf (to, "usage: zferry %s ... [OPTION]... [ARGUMENT]...\n\nverbs:\n", prefix);
        list_verbs (to, prefix);
        return;
    }
    fputs ("zferry: queues, services and events over ZeroMQ\n\n"
           "usage: zferry VERB [OPTION]... [ARGUMENT]...\n\nverbs:\n",
           to);
    list_verbs (to, NULL);
    fputs ("\nexample, in two terminals:\n"
           "  zferry broker\n"
           "  zferry post jobs 'hello' && zferry work jobs --raw --count 1\n\n"
           "zferry VERB --help says more about a verb.\n",
           to);
}

/* -- a verb ------------------------------------------------------------------------------------ */

static void print_option (const cli_option_t *option)
{
    char left[80];
    int n = option->letter != 0
                ? snprintf (left, sizeof left, "  -%c, --%s", option->letter, option->name)
                : snprintf (left, sizeof left, "      --%s", option->name);
    if (option->value != NULL && n > 0 && (size_t) n < sizeof left)
        snprintf (left + n, sizeof left - (size_t) n, " %s", option->value);
    if (strlen (left) < INDENT)
        printf ("%-*s%s\n", INDENT, left, option->help);
    else
        printf ("%s\n%*s%s\n", left, INDENT, "", option->help);
}

void help_verb (const cli_verb_t *verb)
{
    const cli_option_t *tables[OPTIONS_TABLES];
    size_t count = options_tables (verb, tables);
    printf ("usage: zferry %s [OPTION]...%s%s\n\n%s.\n", verb->name,
            *verb->usage != '\0' ? " " : "", verb->usage, verb->summary);
    if (verb->details != NULL)
        printf ("\n%s", verb->details);
    puts ("\noptions:");
    for (size_t i = 0; i < count; i++)
        for (const cli_option_t *option = tables[i]; option->name != NULL; option++)
            if (option->help != NULL)
                print_option (option);
    printf ("\nexample:\n%s", verb->example);
}

/* -- did you mean ------------------------------------------------------------------------------ */

static size_t min3 (size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Letters to insert, remove or replace to make b of a (Levenshtein), one row of the matrix at a
 * time. */
static size_t distance (const char *a, const char *b)
{
    size_t row[NEAR_LENGTH_MAX + 1];
    size_t length = strlen (b);
    for (size_t k = 0; k <= length; k++)
        row[k] = k;
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < length; k++) {
            size_t replaced = diagonal + (a[i] != b[k]);
            diagonal = row[k + 1];
            row[k + 1] = min3 (replaced, row[k] + 1, diagonal + 1);
        }
    }
    return row[length];
}

const char *help_nearest (const char *text, const char *const *words)
{
    const char *nearest = NULL;
    size_t length = strlen (text);
    size_t best = length < 4 ? 2 : 3; /* further away is not near */
    if (length > NEAR_LENGTH_MAX)
        return NULL;
    for (; *words != NULL; words++) {
        size_t d = strlen (*words) <= NEAR_LENGTH_MAX ? distance (text, *words) : best;
        if (d < best) {
            best = d;
            nearest = *words;
        }
    }
    return nearest;
}
