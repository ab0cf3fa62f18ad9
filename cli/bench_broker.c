/* A broker in a process of its own, for the benches and the demo. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_child.h"

#define START_MS  120000 /* a broker that does not listen by then is given up: it reads a journal */
#define LISTENING "listening on "

bool bench_transport_parse (const char *text, bench_transport_t *transport)
{
    static const char *const names[] = {"tcp", "ipc", "inproc"};
    for (int i = 0; i < 3; i++) {
        if (strcmp (text, names[i]) == 0) {
            *transport = (bench_transport_t) i;
            return true;
        }
    }
    return false;
}

int bench_make_dir (const cli_t *cli, char *dir, size_t size)
{
    const char *parent = getenv ("TMPDIR");
    snprintf (dir, size, "%s/zferry-XXXXXX", parent != NULL && parent[0] != '\0' ? parent : "/tmp");
    if (mkdtemp (dir) != NULL)
        return 0;
    int rc = cli_fail (cli, EX_CANTCREAT, "can't make the directory %s: %s", dir, strerror (errno));
    dir[0] = '\0';
    return rc;
}

/* Finds the whole line "listening on EP", with the role behind it, in what the broker said. */
static bool find_endpoint (const char *said, const char *role, char endpoint[BENCH_ENDPOINT_MAX])
{
    for (const char *at = said; (at = strstr (at, LISTENING)) != NULL;) {
        at += strlen (LISTENING);
        size_t length = strcspn (at, " \r\n");
        const char *behind = at + length;
        size_t role_length = strcspn (behind, "\r\n");
        if (behind[role_length] == '\0' || length >= BENCH_ENDPOINT_MAX)
            return false;
        if (role_length != strlen (role) || memcmp (behind, role, role_length) != 0)
            continue;
        memcpy (endpoint, at, length);
        endpoint[length] = '\0';
        return true;
    }
    return false;
}

int bench_broker_await (const cli_t *cli, bench_broker_t *broker, const char *role,
                        char endpoint[BENCH_ENDPOINT_MAX])
{
    uint64_t end = cli_now_ms () + START_MS;
    while (cli_now_ms () < end) {
        struct pollfd ready = {.fd = broker->child.said, .events = POLLIN};
        poll (&ready, 1, 100);
        bool running = bench_child_running (&broker->child);
        bench_child_hear (&broker->child);
        if (find_endpoint (broker->child.text, role, endpoint))
            return 0;
        if (!running || cli_stopped () != 0)
            break;
    }
    broker->child.text[strcspn (broker->child.text, "\n")] = '\0';
    return cli_fail (cli, EX_UNAVAILABLE, "the %s process did not start: %s", broker->verb,
                     broker->child.text[0] != '\0' ? broker->child.text : "it said nothing");
}

/* Adds the caller's arguments behind the first ones. */
static void add_args (const char **all, size_t count, const char *const *args)
{
    for (size_t i = 0; args != NULL && args[i] != NULL && count < BENCH_CHILD_ARGS; i++)
        all[count++] = args[i];
    all[count] = NULL;
}

static int start_at (const cli_t *cli, bench_broker_t *broker, const char *bind,
                     const char *const *args)
{
    const char *all[BENCH_CHILD_ARGS + 1] = {
        "bench-child", bench_parent_text (), "exec", "--", broker->verb, "--bind", bind,
    };
    add_args (all, 7, args);
    bench_child_spec_t spec = {.name = broker->verb, .args = all, .pass_fd = -1, .listen = true};
    int rc = bench_child_start (cli, &broker->child, &spec);
    if (rc == 0)
        rc = bench_broker_await (cli, broker, "", broker->endpoint);
    if (rc != 0)
        bench_broker_stop (broker);
    return rc;
}

static int start (const cli_t *cli, bench_broker_t *broker, const char *verb,
                  bench_transport_t transport, const char *const *args)
{
    *broker = (bench_broker_t){.child = {.said = -1}, .verb = verb};
    char bind[BENCH_ENDPOINT_MAX] = "tcp://127.0.0.1:*";
    if (transport == BENCH_IPC) {
        int rc = bench_make_dir (cli, broker->dir, sizeof broker->dir);
        if (rc != 0)
            return rc;
        snprintf (bind, sizeof bind, "ipc://%s/broker", broker->dir);
    }
    return start_at (cli, broker, bind, args);
}

int bench_broker_start (const cli_t *cli, bench_broker_t *broker, bench_transport_t transport,
                        const char *const *args)
{
    return start (cli, broker, "broker", transport, args);
}

int bench_forwarder_start (const cli_t *cli, bench_broker_t *broker, bench_transport_t transport,
                           const char *const *args)
{
    return start (cli, broker, "forwarder", transport, args);
}

void bench_broker_kill (bench_broker_t *broker)
{
    bench_child_kill (&broker->child);
}

int bench_broker_restart (const cli_t *cli, bench_broker_t *broker, const char *const *args)
{
    char bind[BENCH_ENDPOINT_MAX];
    memcpy (bind, broker->endpoint, sizeof bind);
    return start_at (cli, broker, bind, args);
}

cli_t bench_cli_at (const cli_t *cli, const char **endpoint)
{
    cli_t copy = *cli;
    copy.endpoints = endpoint;
    copy.endpoint_count = 1;
    return copy;
}

void bench_broker_stop (bench_broker_t *broker)
{
    bench_child_stop (&broker->child);
    if (broker->dir[0] == '\0')
        return;
    char path[sizeof broker->dir + 16];
    snprintf (path, sizeof path, "%s/broker", broker->dir);
    unlink (path);
    rmdir (broker->dir);
    broker->dir[0] = '\0';
}
