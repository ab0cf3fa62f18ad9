#include "demo_mesh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVERS 3    /* default */
#define PACE_MS 3000 /* how long it asks, default */
#define STEP_MS 100  /* of waiting: a signal is seen to in between */
#define NETWORK "127.0.0.0/8"

/* Says who answered: the shell's parent is the server. */
#define COMMAND "read -r question && echo \"$question by $PPID\""

static const cli_column_t columns[] = {
    {"servers", "servers", CLI_COLUMN_NUMBER},
    {"killed", "of them killed", CLI_COLUMN_NUMBER},
    {"found_ms", "found within", CLI_COLUMN_MS},
    {"asked", "requests", CLI_COLUMN_NUMBER},
    {"answered", "answered", CLI_COLUMN_NUMBER},
    {"lost", "lost", CLI_COLUMN_NUMBER},
    {"requests_per_s", "requests/s", CLI_COLUMN_NUMBER},
    {"longest_ms", "longest wait", CLI_COLUMN_MS},
    {"subscribers", "subscribers", CLI_COLUMN_NUMBER},
    {"published", "events published", CLI_COLUMN_NUMBER},
    {"received", "received by all", CLI_COLUMN_NUMBER},
    {"missing", "missing", CLI_COLUMN_NUMBER},
    {NULL, NULL, CLI_COLUMN_TEXT},
};

/* -- the beginning ----------------------------------------------------------------------------- */

/* A UDP port that nobody has. */
static int choose_port (demo_mesh_t *self)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool done = fd >= 0 && bind (fd, (struct sockaddr *) &address, size) == 0 &&
                getsockname (fd, (struct sockaddr *) &address, &size) == 0;
    int problem = errno;
    if (fd >= 0)
        close (fd);
    self->port = ntohs (address.sin_port);
    return done ? 0 : cli_fail (self->cli, EX_OSERR, "no UDP port: %s", strerror (problem));
}

static int start_peer (demo_mesh_t *self)
{
    static const char *const network = NETWORK;
    zf_error_t err = {0};
    zf_peer_options_t options;
    const char *texts[] = {"--interface", NETWORK, "--discovery-port", "", "--namespace", ""};
    for (size_t i = 0; i < 6; i++)
        snprintf (self->options[i], sizeof self->options[i], "%s", texts[i]);
    snprintf (self->options[3], sizeof self->options[3], "%" PRIu16, self->port);
    snprintf (self->options[5], sizeof self->options[5], "demo-%ld", (long) getpid ());
    zf_peer_defaults (&options);
    options.name = "demo";
    options.space = self->options[5];
    options.interfaces = &network;
    options.interface_count = 1;
    options.port = self->port;
    if (zf_peer_start (&self->peer, &options, &err) != 0)
        return cli_fail_call (self->cli, &err, true);
    zf_peer_listen (self->peer, 0);
    return 0;
}

int demo_mesh_start (demo_mesh_t *self, bench_child_t *child, const char *name,
                     const char *const *args)
{
    const char *all[BENCH_CHILD_ARGS + 1] = {"bench-child", bench_parent_text (), "exec", "--"};
    size_t count = 4;
    for (size_t i = 0; args[i] != NULL; i++)
        all[count++] = args[i];
    for (size_t i = 0; i < 6; i++)
        all[count++] = self->options[i];
    bench_child_spec_t spec = {.name = name, .args = all, .pass_fd = -1, .listen = true};
    return bench_child_start (self->cli, child, &spec);
}

static int start_servers (demo_mesh_t *self)
{
    const char *args[] = {"serve", DEMO_MESH_SERVICE, "--direct", "--exec",
                          COMMAND, "--concurrency",   "2",        NULL};
    int rc = 0;
    size_t count = (size_t) cli_number (self->cli, "workers", SERVERS);
    while (rc == 0 && self->server_count < count) {
        char name[32];
        demo_server_t *server = &self->servers[self->server_count++];
        snprintf (name, sizeof name, "server %zu", self->server_count);
        rc = demo_mesh_start (self, &server->child, name, args);
        server->pid = (long) server->child.pid;
        if (rc == 0)
            cli_note (self->cli, "%-9s  process %ld: zferry serve " DEMO_MESH_SERVICE " --direct",
                      name, server->pid);
    }
    return rc;
}

static int look_after (demo_mesh_t *self)
{
    for (size_t i = 0; i < self->server_count; i++) {
        bench_child_t *child = &self->servers[i].child;
        bench_child_hear (child);
        if (!bench_child_running (child))
            return cli_fail (self->cli, EX_SOFTWARE, "server %zu died: %s", i + 1, child->text);
    }
    return 0;
}

/* Until this process knows of all of them. */
static int find_servers (demo_mesh_t *self)
{
    uint64_t start_ms = cli_now_ms ();
    int found = ZF_E_TIMEOUT;
    int rc = 0;
    while (rc == 0 && found == ZF_E_TIMEOUT) {
        found = zf_directory_wait (self->peer, "service/" DEMO_MESH_SERVICE, self->server_count,
                                   STEP_MS);
        rc = look_after (self);
        if (rc == 0 && cli_stopped () != 0)
            rc = 128 + cli_stopped ();
        if (rc == 0 && found != 0 && cli_now_ms () - start_ms > DEMO_MESH_FIND_MS)
            rc = cli_fail (self->cli, EX_SOFTWARE,
                           "the servers were not found; zferry doctor looks into the network");
    }
    self->found_ms = cli_now_ms () - start_ms;
    if (rc == 0)
        cli_note (self->cli, "found      %zu servers after %" PRIu64 " ms", self->server_count,
                  self->found_ms);
    return rc;
}

static int open_client (demo_mesh_t *self)
{
    static const char *const endpoint = "zferry://service/" DEMO_MESH_SERVICE;
    zf_client_options_t options;
    cli_client_options (self->cli, &options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.peer = self->peer;
    options.name = "demo";
    return cli_client_open (self->cli, &options, &self->client);
}

/* -- the verdict ------------------------------------------------------------------------------- */

static json_t *count_json (uint64_t value)
{
    return json_integer ((json_int_t) value);
}

static json_t *summary (const demo_mesh_t *self)
{
    json_t *row = json_object ();
    json_t *shares = json_array ();
    uint64_t ms = self->last_ms > self->start_ms ? self->last_ms - self->start_ms : 1;
    for (size_t i = 0; i < self->server_count; i++)
        json_array_append_new (shares, count_json (self->servers[i].answers));
    json_object_set_new (row, "servers", count_json (self->server_count));
    json_object_set_new (row, "killed", count_json (self->killed ? 1 : 0));
    json_object_set_new (row, "found_ms", count_json (self->found_ms));
    json_object_set_new (row, "asked", count_json (self->asked));
    json_object_set_new (row, "answered", count_json (self->answered));
    json_object_set_new (row, "answered_by", shares);
    json_object_set_new (row, "wrong", count_json (self->wrong));
    json_object_set_new (row, "lost", count_json (self->asked - self->answered));
    json_object_set_new (row, "requests_per_s", count_json (self->answered * 1000 / ms));
    json_object_set_new (row, "longest_ms", count_json (self->longest_us / 1000));
    json_object_set_new (row, "subscribers", count_json (DEMO_MESH_READERS));
    json_object_set_new (row, "published", count_json (self->published));
    json_object_set_new (row, "received", count_json (self->received));
    json_object_set_new (row, "missing",
                         count_json (self->published * DEMO_MESH_READERS - self->received));
    return row;
}

/* Has anybody who lived on got nothing to do? */
static bool is_unbalanced (const demo_mesh_t *self)
{
    for (size_t i = self->killed ? 1 : 0; i < self->server_count; i++)
        if (self->servers[i].answers == 0)
            return true;
    return false;
}

static int conclude (demo_mesh_t *self)
{
    const cli_t *cli = self->cli;
    uint64_t lost = self->asked - self->answered;
    int rc = cli_print_object (cli, columns, summary (self));
    if (self->wrong > 0)
        return cli_fail (cli, EX_SOFTWARE, "%" PRIu64 " answers are wrong; that is a bug",
                         self->wrong);
    if (lost > 0)
        return cli_fail (cli, EX_SOFTWARE,
                         "%" PRIu64 " of %" PRIu64 " requests were not answered; that is a bug",
                         lost, self->asked);
    if (cli_stopped () == 0 && is_unbalanced (self))
        return cli_fail (cli, EX_SOFTWARE, "a server got nothing to do; that is a bug");
    if (self->received < self->published * DEMO_MESH_READERS)
        return cli_fail (cli, EX_SOFTWARE, "%" PRIu64 " events are missing; that is a bug",
                         self->published * DEMO_MESH_READERS - self->received);
    cli_note (cli, "all %" PRIu64 " requests were answered%s; all %" PRIu64 " events arrived",
              self->asked, self->killed ? ", although a server was killed" : "", self->received);
    return rc;
}

/* -- all of it --------------------------------------------------------------------------------- */

static void clean_up (demo_mesh_t *self)
{
    zf_client_close (&self->client);
    zf_publisher_close (&self->publisher);
    for (size_t i = 0; i < self->server_count; i++)
        bench_child_kill (&self->servers[i].child);
    for (size_t i = 0; i < DEMO_MESH_READERS; i++)
        bench_child_kill (&self->readers[i]);
    zf_peer_stop (&self->peer);
}

static int prepare (demo_mesh_t *self)
{
    int rc = choose_port (self);
    if (rc == 0)
        rc = start_peer (self);
    if (rc != 0)
        return rc;
    cli_note (self->cli, "mesh       on " NETWORK ", UDP port %s: no broker, no address",
              self->options[3]);
    rc = start_servers (self);
    if (rc == 0)
        rc = find_servers (self);
    return rc == 0 ? open_client (self) : rc;
}

int demo_mesh (const cli_t *cli)
{
    static demo_mesh_t self;
    self.cli = cli;
    self.pace_ms = cli_number (cli, "seconds", PACE_MS);
    if (cli->arg_count > 0 || cli_has (cli, "repeat"))
        return cli_misuse (cli, "FILE and --repeat are not for --mesh");
    int rc = prepare (&self);
    if (rc == 0)
        rc = demo_mesh_ask (&self);
    if (rc == 0 && cli_stopped () == 0)
        rc = demo_mesh_publish (&self);
    if (rc == 0)
        rc = conclude (&self);
    clean_up (&self);
    return rc;
}
