/* Signals: a flag and a pipe for the first, an immediate end for the second. */
#ifndef ZFERRY_SIGNALS_H
#define ZFERRY_SIGNALS_H

#include "cli.h"

/* Installs the handlers; once, before any thread is started. Returns 0 or an exit code, having
 * said why. */
int signals_start (const cli_t *cli);

/* Calls fn before a second signal ends the program: in a handler, so it may do little. NULL:
 * nothing any more. */
void signals_at_end (void (*fn) (void));

#endif
