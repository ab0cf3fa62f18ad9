/* Finding others: the node that a verb is while it runs, so that nobody has to write an address.
 *
 * It is started before the verb and stopped after it, if an option asks for one, an endpoint is
 * zferry://, or the verb is nothing without. What no option says, the environment may say:
 * ZFERRY_NAMESPACE, ZFERRY_INTERFACE, ZFERRY_SEED, ZFERRY_DISCOVERY_PORT. */
#ifndef ZFERRY_CLI_DISCOVER_H
#define ZFERRY_CLI_DISCOVER_H

#include "cli.h"

#define DISCOVER_SCHEME "zferry://"

/* The options for this verb; NULL: none. */
const cli_option_t *discover_options (const cli_verb_t *verb);

/* True if the verb is to look for somebody, as nothing on the command line says where to connect;
 * env: ZFERRY_CONNECT, may be NULL. */
bool discover_seeks (const cli_t *cli, const char *env);

/* What it looks for then: zferry://service/NAME. To be freed; NULL: out of memory. */
char *discover_endpoint (const cli_t *cli);

/* Starts cli->peer if there is need of one. Returns 0 or an exit code, having said why. */
int discover_start (cli_t *cli);
void discover_stop (cli_t *cli);

/* Says that nobody answered at these zferry:// endpoints in time, and returns EX_UNAVAILABLE. */
int discover_fail_nobody (const cli_t *cli, const char *endpoints, const char *time);

#endif
