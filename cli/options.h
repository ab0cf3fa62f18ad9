/* Parsing a verb's command line by its table of options. */
#ifndef ZFERRY_OPTIONS_H
#define ZFERRY_OPTIONS_H

#include "cli.h"

#define OPTIONS_GO_ON (-1) /* parsed: run the verb */

/* Fills in everything of *cli for this verb; argv[0] is the verb's last word. With --help,
 * prints the help. Returns OPTIONS_GO_ON, or the exit code to end with, having said why. */
int options_parse (cli_t *cli, const cli_verb_t *verb, int argc, char **argv);

/* Frees what options_parse has allocated, whatever it returned. */
void options_free (cli_t *cli);

/* The tables of options that apply to a verb, its own one first. Returns their number. */
#define OPTIONS_TABLES 7
size_t options_tables (const cli_verb_t *verb, const cli_option_t *tables[OPTIONS_TABLES]);

#endif
