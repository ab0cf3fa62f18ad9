/* What completion needs to know, as bash has it: the verbs, each verb's options and its argument.
 * The code that looks these up is packaging/completion.bash. */
#include "help.h"

#include "options.h"

#include <string.h>

/* Behind a name: nothing for a flag, =PLACEHOLDER, or =,word,word. */
static void put_value (const cli_option_t *option)
{
    if (option->value == NULL)
        return;
    putchar ('=');
    if (option->words == NULL)
        fputs (option->value, stdout);
    else
        putchar (',');
    for (const char *c = option->words; c != NULL && *c != '\0'; c++)
        putchar (*c == ' ' ? ',' : *c);
}

static void put_option (const cli_option_t *option)
{
    printf (" --%s", option->name);
    put_value (option);
    if (option->letter == 0)
        return;
    printf (" -%c", option->letter);
    put_value (option);
}

static void put_verb_options (const cli_verb_t *verb)
{
    const cli_option_t *tables[OPTIONS_TABLES];
    size_t count = options_tables (verb, tables);
    printf ("    '%s') echo '", verb->name);
    for (size_t i = 0; i < count; i++)
        for (const cli_option_t *option = tables[i]; option->name != NULL; option++)
            if (option->help != NULL)
                put_option (option);
    puts ("' ;;");
}

/* The placeholder of its arguments: FILE of "[FILE | --mesh]". */
static void put_verb_argument (const cli_verb_t *verb)
{
    const char *from = verb->usage + strspn (verb->usage, "[");
    size_t length = strspn (from, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (length > 0)
        printf ("    '%s') echo '%.*s' ;;\n", verb->name, (int) length, from);
}

static void put_table (const char *name, void (*put) (const cli_verb_t *verb))
{
    printf ("%s ()\n{\n    case $1 in\n", name);
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++)
            if ((verb->flags & CLI_HIDDEN) == 0)
                put (verb);
    puts ("    esac\n}\n");
}

static void put_verbs (void)
{
    puts ("_zferry_verbs='help");
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++)
            if ((verb->flags & CLI_HIDDEN) == 0)
                puts (verb->name);
    puts ("'\n");
}

void help_bash (void)
{
    puts ("# Made by: zferry help --completion\n");
    put_verbs ();
    put_table ("_zferry_options", put_verb_options);
    put_table ("_zferry_argument", put_verb_argument);
}
