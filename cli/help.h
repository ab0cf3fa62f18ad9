/* What the program says about itself: the overview, a verb's help and manual page, completion, and
 * what a misspelt word may have meant. */
#ifndef ZFERRY_HELP_H
#define ZFERRY_HELP_H

#include "cli.h"

/* All arrays of verbs, ended by NULL. */
extern const cli_verb_t *const help_groups[];

/* Prints the verbs, one line each: all of them (prefix NULL), or those whose name begins with
 * the words of prefix. */
void help_overview (FILE *to, const char *prefix);

/* Prints the help of one verb. */
void help_verb (const cli_verb_t *verb);

/* Prints the manual page of one verb, or the beginning of zferry(1) up to the list of verbs, in
 * scdoc's language. */
void help_man_verb (const cli_verb_t *verb);
void help_man_program (void);

/* Prints the tables that packaging/completion.bash looks into. */
void help_bash (void);

/* The word nearest to a misspelt one, NULL when none is near. words is ended by NULL. */
const char *help_nearest (const char *text, const char *const *words);

#endif
