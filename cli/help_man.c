/* Manual pages in scdoc's language (scdoc(5)), made from the tables of verbs and options. */
#include "help.h"

#include "options.h"

#include <ctype.h>
#include <string.h>

enum { PAGE_NAME_SIZE = 64 };

/* Pages beyond those of verbs, for whom they help. */
static const struct {
    const char *verb; /* its first word */
    const char *page; /* section and all, as scdoc has it */
} more_pages[] = {{"run", "*zferry-topology*(5)"},
                  {"check", "*zferry-topology*(5)"},
                  {"reload", "*zferry-topology*(5)"}};

/* -- text -------------------------------------------------------------------------------------- */

static void put_char (char c, bool begins_line)
{
    if (strchr ("\\*_`#~+[]|", c) != NULL || (begins_line && c == '-'))
        putchar ('\\');
    putchar (c);
}

static size_t option_length (const char *text)
{
    size_t n = 2;
    if (strncmp (text, "--", 2) != 0 || islower ((unsigned char) text[2]) == 0)
        return 0;
    while (islower ((unsigned char) text[n]) != 0 || isdigit ((unsigned char) text[n]) != 0 ||
           (text[n] == '-' && islower ((unsigned char) text[n + 1]) != 0))
        n++;
    return n;
}

static size_t placeholder_length (const char *text)
{
    size_t n = 0;
    if (isupper ((unsigned char) text[0]) == 0)
        return 0;
    while (isalnum ((unsigned char) text[n]) != 0 || (text[n] != '\0' && strchr ("@/=:-", text[n])))
        n++;
    return n;
}

/* Words with options in bold; and, if they are what one types, placeholders underlined. */
static void put_text (const char *text, bool is_usage)
{
    for (size_t i = 0; text[i] != '\0';) {
        bool begins = i == 0 || strchr (" \n([|", text[i - 1]) != NULL;
        size_t bold = begins ? option_length (text + i) : 0;
        size_t line = begins && is_usage ? placeholder_length (text + i) : 0;
        if (bold > 0)
            printf ("*%.*s*", (int) bold, text + i);
        else if (line > 0)
            printf ("_%.*s_", (int) line, text + i);
        else
            put_char (text[i], i == 0 || text[i - 1] == '\n');
        i += bold + line > 0 ? bold + line : 1;
    }
}

static void put_lower (const char *text)
{
    char first[2] = {(char) tolower ((unsigned char) text[0]), '\0'};
    put_text (first, false);
    put_text (text + 1, false);
}

/* Each line as it is, without the two blanks that it begins with in --help. */
static void put_example (const char *lines)
{
    puts ("```");
    while (*lines != '\0') {
        size_t length = strcspn (lines, "\n");
        size_t skipped = length >= 2 && strncmp (lines, "  ", 2) == 0 ? 2 : 0;
        printf ("%.*s\n", (int) (length - skipped), lines + skipped);
        lines += length + (lines[length] == '\n');
    }
    puts ("```");
}

/* -- a page ------------------------------------------------------------------------------------ */

static const char *page_name (const cli_verb_t *verb, char name[PAGE_NAME_SIZE])
{
    snprintf (name, PAGE_NAME_SIZE, "zferry-%s", verb->name);
    for (char *blank = name; (blank = strchr (blank, ' ')) != NULL;)
        *blank = '-';
    return name;
}

static void put_option (const cli_option_t *option)
{
    if (option->letter != 0)
        printf ("*-%c*, ", option->letter);
    printf ("*--%s*", option->name);
    if (option->value != NULL)
        printf (" _%s_", option->value);
    printf ("\n\t");
    put_text (option->help, false);
    puts ("\n");
}

static void put_options (const cli_verb_t *verb)
{
    const cli_option_t *tables[OPTIONS_TABLES];
    size_t count = options_tables (verb, tables);
    puts ("# OPTIONS\n");
    for (size_t i = 0; i < count; i++)
        for (const cli_option_t *option = tables[i]; option->name != NULL; option++)
            if (option->help != NULL)
                put_option (option);
}

static bool same_first_word (const char *a, const char *b)
{
    size_t length = strcspn (a, " ");
    return strcspn (b, " ") == length && strncmp (a, b, length) == 0;
}

static void put_see_also (const cli_verb_t *verb)
{
    char name[PAGE_NAME_SIZE];
    printf ("# SEE ALSO\n\n*zferry*(1), *zferry*(7)");
    for (size_t i = 0; i < sizeof more_pages / sizeof more_pages[0]; i++)
        if (same_first_word (more_pages[i].verb, verb->name))
            printf (", %s", more_pages[i].page);
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *other = help_groups[i]; other->name != NULL; other++)
            if (other != verb && (other->flags & CLI_HIDDEN) == 0 &&
                same_first_word (other->name, verb->name))
                printf (", *%s*(1)", page_name (other, name));
    putchar ('\n');
}

void help_man_verb (const cli_verb_t *verb)
{
    char name[PAGE_NAME_SIZE];
    page_name (verb, name);
    printf ("%s(1) \"zferry %s\"\n\n# NAME\n\n%s - ", name, zf_version (), name);
    put_lower (verb->summary);
    printf ("\n\n# SYNOPSIS\n\n*zferry %s* [_OPTION_]... ", verb->name);
    put_text (verb->usage, true);
    printf ("\n\n# DESCRIPTION\n\n");
    put_text (verb->summary, false);
    puts (".\n");
    if (verb->details != NULL) {
        put_text (verb->details, false);
        putchar ('\n');
    }
    put_options (verb);
    puts ("# EXAMPLES\n");
    put_example (verb->example);
    putchar ('\n');
    put_see_also (verb);
}

/* -- zferry(1) --------------------------------------------------------------------------------- */

static void put_verb_line (const cli_verb_t *verb)
{
    char name[PAGE_NAME_SIZE];
    printf ("*%s*(1)\n\t", page_name (verb, name));
    put_text (verb->summary, false);
    puts ("\n");
}

void help_man_program (void)
{
    printf ("zferry(1) \"zferry %s\"\n\n", zf_version ());
    puts ("# NAME\n\n"
          "zferry - queues, services and events over ZeroMQ\n\n"
          "# SYNOPSIS\n\n"
          "*zferry* _VERB_ [_OPTION_]... [_ARGUMENT_]...\n\n"
          "*zferry* *help* [_VERB_]\n\n"
          "# VERBS\n");
    for (size_t i = 0; help_groups[i] != NULL; i++)
        for (const cli_verb_t *verb = help_groups[i]; verb->name != NULL; verb++)
            if ((verb->flags & CLI_HIDDEN) == 0)
                put_verb_line (verb);
}
