/* Plain ZeroMQ sockets. */
#include "plain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum { ENDPOINT_MAX = 256 };

int plain_fail (const plain_t *plain, const char *what)
{
    return cli_fail (plain->cli, EX_UNAVAILABLE, "%s: %s", what, zmq_strerror (errno));
}

/* Who gives a key does not mean to be heard by everybody. */
static int check (const cli_t *cli)
{
    if (!cli_has (cli, "bind") && !cli_has (cli, "connect"))
        return cli_misuse (cli, "--raw: where? give --bind EP or --connect EP");
    if (cli->security != NULL && cli->security != zf_security_insecure ())
        return cli_misuse (cli, "--raw has no keys; leave --key-file (or ZFERRY_KEY) away, or say "
                                "--insecure");
    return 0;
}

int plain_open (plain_t *plain, const cli_t *cli, int type)
{
    int linger_ms = type == ZMQ_SUB ? 0 : (int) cli->timeout_ms; /* subscriptions go with it */
    *plain = (plain_t){.cli = cli};
    int rc = check (cli);
    if (rc != 0)
        return rc;
    plain->context = zmq_ctx_new ();
    if (plain->context != NULL)
        plain->socket = zmq_socket (plain->context, type);
    if (plain->socket == NULL)
        return plain_fail (plain, "cannot make a socket");
    zmq_setsockopt (plain->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    return 0;
}

/* Only this machine can reach it. */
static bool is_local (const char *endpoint)
{
    static const char *const local[] = {"tcp://127.", "tcp://[::1]:", "ipc://", "inproc://"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (strncmp (endpoint, local[i], strlen (local[i])) == 0)
            return true;
    return false;
}

static int bind_one (plain_t *plain, const char *endpoint)
{
    char bound[ENDPOINT_MAX];
    size_t size = sizeof bound;
    if (plain->cli->security == NULL && !is_local (endpoint))
        return cli_fail (plain->cli, EX_NOPERM,
                         "bind %s: other machines can reach that, and --raw has no keys; say "
                         "--insecure, or bind 127.0.0.1",
                         endpoint);
    if (zmq_bind (plain->socket, endpoint) != 0)
        return cli_fail (plain->cli, EX_UNAVAILABLE,
                         "bind %s: %s; stop what listens there or choose another endpoint",
                         endpoint, zmq_strerror (errno));
    if (zmq_getsockopt (plain->socket, ZMQ_LAST_ENDPOINT, bound, &size) == 0)
        cli_log (plain->cli, ZF_LOG_NOTICE, NULL, "listening on %s", bound);
    return 0;
}

static int bind_all (plain_t *plain)
{
    const char **endpoints = NULL;
    size_t count = cli_list (plain->cli, "bind", &endpoints);
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = bind_one (plain, endpoints[i]);
    free (endpoints);
    return rc;
}

int plain_join (plain_t *plain)
{
    const cli_t *cli = plain->cli;
    int rc = bind_all (plain);
    if (!cli_has (cli, "connect"))
        return rc;
    for (size_t i = 0; i < cli->endpoint_count && rc == 0; i++)
        if (zmq_connect (plain->socket, cli->endpoints[i]) != 0)
            rc = cli_fail (cli, EX_USAGE,
                           "connect %s: %s; endpoints look like tcp://127.0.0.1:6000 or "
                           "ipc:///tmp/feed",
                           cli->endpoints[i], zmq_strerror (errno));
    return rc;
}

int plain_wait (plain_t *plain, int64_t timeout_ms)
{
    zmq_pollitem_t items[] = {{.socket = plain->socket, .events = ZMQ_POLLIN},
                              {.fd = cli_stop_fd (), .events = ZMQ_POLLIN}};
    if (cli_stopped () != 0)
        return 0;
    int n = zmq_poll (items, 2, (long) timeout_ms);
    if (n < 0 && errno != EINTR)
        return -plain_fail (plain, "poll");
    return cli_stopped () == 0 && (items[0].revents & ZMQ_POLLIN) != 0;
}

void plain_close (plain_t *plain)
{
    if (plain->socket != NULL)
        zmq_close (plain->socket);
    while (plain->context != NULL && zmq_ctx_term (plain->context) != 0 && errno == EINTR &&
           cli_stopped () == 0)
        continue;
    *plain = (plain_t){.cli = plain->cli};
}
