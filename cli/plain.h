/* Plain ZeroMQ sockets for pub --raw and sub --raw: a context with one socket in it, bound and
 * connected as --bind and --connect say.
 *
 * Errors:  an exit code, having said why.
 * Threads: the main one only. */
#ifndef ZFERRY_CLI_PLAIN_H
#define ZFERRY_CLI_PLAIN_H

#include "cli.h"

typedef struct {
    const cli_t *cli;
    void *context; /* NULL: not open */
    void *socket;
} plain_t;

#define PLAIN_BIND_OPTION(help_text)                                                    \
    {                                                                                   \
        .name = "bind", .letter = 'b', .kind = CLI_TEXT, .value = "EP", .repeat = true, \
        .help = help_text                                                               \
    }

/* Makes the socket, of type ZMQ_...; then options may be set, then plain_join joins it. Close it in
 * any case. */
int plain_open (plain_t *plain, const cli_t *cli, int type);

/* Binds (and says where) and connects. */
int plain_join (plain_t *plain);

/* Waits until the socket can be read. Returns 1, 0 after timeout_ms (-1: never) or when a signal
 * asks to stop, or minus an exit code. */
int plain_wait (plain_t *plain, int64_t timeout_ms);

/* Says what zmq has failed at and returns the exit code. */
int plain_fail (const plain_t *plain, const char *what);

/* What was sent has up to the verb's timeout to leave. Safe when it was never opened. */
void plain_close (plain_t *plain);

#endif
