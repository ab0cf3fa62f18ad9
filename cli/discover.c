#include "discover.h"

#include "log.h"
#include "secure.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODE_OPTIONS                                                                            \
    {.name = "interface",                                                                       \
     .kind = CLI_TEXT,                                                                          \
     .value = "RULE",                                                                           \
     .repeat = true,                                                                            \
     .help = "use only eth0, eth* or 10.1.0.0/16; '!docker*' is left out; may be repeated"},    \
        {.name = "namespace",                                                                   \
         .kind = CLI_TEXT,                                                                      \
         .value = "NAME",                                                                       \
         .help = "see only those of this namespace, and be seen by them"},                      \
        {.name = "seed",                                                                        \
         .kind = CLI_TEXT,                                                                      \
         .value = "EP",                                                                         \
         .repeat = true,                                                                        \
         .help = "endpoint of any node, or of a hub, to find others through; may be repeated"}, \
        {.name = "hub",                                                                         \
         .kind = CLI_TEXT,                                                                      \
         .value = "EP",                                                                         \
         .help = "be a hub at a port of its own: listen at this endpoint"},                     \
        {.name = "advertise",                                                                   \
         .kind = CLI_TEXT,                                                                      \
         .value = "HOST",                                                                       \
         .help = "how those beyond a hub reach this machine (default: as the hub is reached)"}, \
    {                                                                                           \
        .name = "discovery-port", .kind = CLI_COUNT, .value = "N", .min = 1, .max = UINT16_MAX, \
        .help = "UDP port of the beacons (default 5670)"                                        \
    }

static const cli_option_t seeking[] = {
    {.name = "discover", .help = "find who offers it, as with --connect zferry://KIND/NAME"},
    NODE_OPTIONS,
    {.name = NULL}};

static const cli_option_t offering[] = {
    {.name = "discover", .help = "be found by others: announce what is here"},
    NODE_OPTIONS,
    {.name = NULL}};

static const cli_option_t alone[] = {NODE_OPTIONS, {.name = NULL}};

const cli_option_t *discover_options (const cli_verb_t *verb)
{
    if ((verb->flags & CLI_TALKS) != 0)
        return seeking;
    if ((verb->flags & CLI_OFFERS) != 0)
        return offering;
    return (verb->flags & (CLI_MEETS | CLI_NODE)) != 0 ? alone : NULL;
}

/* -- who is to be looked for ------------------------------------------------------------------- */

static bool is_url (const char *text)
{
    return text != NULL && strstr (text, DISCOVER_SCHEME) != NULL;
}

static bool has_any (const cli_t *cli, const char *const *names)
{
    while (*names != NULL && !cli_has (cli, *names))
        names++;
    return *names != NULL;
}

static bool is_asked_for (const cli_t *cli)
{
    static const char *const plainly[] = {"discover", "direct", NULL};
    return has_any (cli, plainly);
}

static bool is_implied (const cli_t *cli)
{
    static const char *const names[] = {"interface", "namespace",      "seed",     "hub",
                                        "advertise", "discovery-port", "announce", NULL};
    return has_any (cli, names);
}

bool discover_seeks (const cli_t *cli, const char *env)
{
    if ((cli->verb->flags & CLI_TALKS) == 0)
        return false;
    bool elsewhere = env != NULL && *env != '\0';
    return is_asked_for (cli) || (is_implied (cli) && !elsewhere);
}

/* The stream of a group, STREAM@GROUP, or the whole name. */
static char *endpoint_of (const char *kind, const char *name)
{
    char *endpoint = NULL;
    int size = (int) strcspn (name, "@");
    if (name[size] != '\0')
        kind = "topic";
    if (asprintf (&endpoint, DISCOVER_SCHEME "%s/%.*s", kind, size, name) < 0)
        return NULL;
    return endpoint;
}

char *discover_endpoint (const cli_t *cli)
{
    const char *name = cli->args[0];
    cli_seeks_t seeks = cli->verb->seeks;
    if (seeks == CLI_SEEKS_TOPIC)
        return endpoint_of ("topic", cli_text (cli, "stream", "events"));
    if (name != NULL && seeks == CLI_SEEKS_QUEUE)
        return endpoint_of ("queue", name);
    if (name != NULL && seeks == CLI_SEEKS_SERVICE)
        return endpoint_of ("service", name);
    if (name != NULL && seeks == CLI_SEEKS_STREAM)
        return endpoint_of ("topic", name);
    return strdup (DISCOVER_SCHEME "broker");
}

/* -- who was not found ------------------------------------------------------------------------- */

static const char *who_offers (const cli_t *cli)
{
    switch (cli->verb->seeks) {
    case CLI_SEEKS_SERVICE:
        return "zferry serve --direct, or zferry broker --discover";
    case CLI_SEEKS_TOPIC:
    case CLI_SEEKS_STREAM:
        return "zferry pub --direct, or zferry forwarder --discover";
    case CLI_SEEKS_BROKER:
    case CLI_SEEKS_QUEUE:
        break;
    }
    return "zferry broker --discover";
}

static bool copy_endpoint (void *arg, const zf_offer_t *offer)
{
    snprintf (arg, ZF_OFFER_ENDPOINT_MAX + 1, "%s", offer->endpoint);
    return false;
}

/* Where one of them is offered, or else a broker that may stand in for it; "": nowhere. */
static void find_offer (const cli_t *cli, char endpoint[ZF_OFFER_ENDPOINT_MAX + 1])
{
    bool any_broker = false;
    endpoint[0] = '\0';
    for (size_t i = 0; i < cli->endpoint_count && cli->peer != NULL && endpoint[0] == '\0'; i++) {
        const char *what = cli->endpoints[i] + strlen (DISCOVER_SCHEME);
        if (!is_url (cli->endpoints[i]))
            continue;
        any_broker |= strncmp (what, "broker/", 7) != 0;
        zf_directory_find (cli->peer, what, copy_endpoint, endpoint);
    }
    if (endpoint[0] == '\0' && any_broker)
        zf_directory_find (cli->peer, "broker/*", copy_endpoint, endpoint);
}

int discover_fail_nobody (const cli_t *cli, const char *endpoints, const char *time)
{
    char found[ZF_OFFER_ENDPOINT_MAX + 1];
    find_offer (cli, found);
    if (found[0] != '\0')
        return cli_fail (cli, EX_UNAVAILABLE,
                         "%s was found at %s, but did not answer within %s; is there a firewall "
                         "between?",
                         endpoints, found, time);
    return cli_fail (cli, EX_UNAVAILABLE,
                     "nobody was found for %s within %s; is one running? (%s) zferry doctor "
                     "looks into the network%s",
                     endpoints, time, who_offers (cli),
                     cli->security == NULL
                         ? "; without --key-file or --insecure only this machine is looked at"
                         : "");
}

/* -- the node ---------------------------------------------------------------------------------- */

/* What the options or the environment say; the lists are owned. */
typedef struct {
    zf_peer_options_t peer;
    const char **interfaces;
    const char **seeds;
    char *interface_text; /* of the environment; NULL: none */
    char *seed_text;
} wanted_t;

/* A list from an option, or else from the environment. */
static size_t take_list (const cli_t *cli, const char *option, const char *variable, char **text,
                         const char ***list)
{
    const char *env = getenv (variable);
    if (cli_has (cli, option) || env == NULL)
        return cli_list (cli, option, list);
    *text = strdup (env);
    return cli_split (*text, list);
}

/* The UDP port; 0: what the environment says is none. */
static uint16_t take_port (const cli_t *cli, uint16_t fallback)
{
    const char *env = getenv ("ZFERRY_DISCOVERY_PORT");
    uint64_t port = cli_number (cli, "discovery-port", fallback);
    if (cli_has (cli, "discovery-port") || env == NULL || *env == '\0')
        return (uint16_t) port;
    return cli_parse_number (CLI_COUNT, env, &port) && port <= UINT16_MAX ? (uint16_t) port : 0;
}

static int read_options (const cli_t *cli, wanted_t *wanted)
{
    const char *space = getenv ("ZFERRY_NAMESPACE");
    zf_peer_options_t *peer = &wanted->peer;
    *wanted = (wanted_t){.seeds = NULL};
    zf_peer_defaults (peer);
    peer->name = cli_text (cli, "name", NULL);
    peer->security = cli->security;
    peer->space = cli_text (cli, "namespace", space != NULL ? space : peer->space);
    peer->hub = cli_text (cli, "hub", NULL);
    peer->advertise = cli_text (cli, "advertise", NULL);
    peer->interface_count = take_list (cli, "interface", "ZFERRY_INTERFACE",
                                       &wanted->interface_text, &wanted->interfaces);
    peer->interfaces = wanted->interfaces;
    peer->seed_count = take_list (cli, "seed", "ZFERRY_SEED", &wanted->seed_text, &wanted->seeds);
    peer->seeds = wanted->seeds;
    peer->port = take_port (cli, peer->port);
    if (peer->port == 0)
        return cli_fail (cli, EX_CONFIG,
                         "ZFERRY_DISCOVERY_PORT is a port from 1 to 65535, not '%s'",
                         getenv ("ZFERRY_DISCOVERY_PORT"));
    return 0;
}

static void free_options (wanted_t *wanted)
{
    free (wanted->interfaces);
    free (wanted->seeds);
    free (wanted->interface_text);
    free (wanted->seed_text);
}

/* Values of options are looked at, too: endpoints of link are no --connect. */
static bool is_needed (const cli_t *cli)
{
    unsigned flags = cli->verb->flags;
    bool url = false;
    if (discover_options (cli->verb) == NULL)
        return false;
    for (size_t i = 0; i < cli->endpoint_count; i++)
        url |= (flags & CLI_TALKS) != 0 && is_url (cli->endpoints[i]);
    for (size_t i = 0; i < cli->value_count; i++)
        url |= (flags & CLI_MEETS) != 0 && is_url (cli->values[i].text);
    return url || (flags & CLI_NODE) != 0 || is_asked_for (cli) || is_implied (cli);
}

static int fail_start (const cli_t *cli, const zf_error_t *err)
{
    if (err->code == ZF_E_DENIED)
        return secure_fail (cli, err);
    if (err->code != ZF_E_ADDRESS)
        return cli_fail_call (cli, err, true);
    bool udp = strncmp (err->text, "UDP", 3) == 0;
    return cli_fail (cli, EX_UNAVAILABLE, "%s%s", err->text,
                     udp ? "; stop that, or choose another port with --discovery-port" : "");
}

/* -- what the node has to say ------------------------------------------------------------------ */

/* Tells notes while the verb does its work; a verb that is a node in any case fetches the events
 * itself. */
static struct {
    pthread_t thread;
    zf_peer_t *peer; /* NULL: it does not run */
    const cli_t *cli;
    int end[2]; /* a pipe: closed at the end */
} teller;

static void *tell_notes (void *arg)
{
    struct pollfd fds[2] = {{.fd = zf_peer_fd (teller.peer), .events = POLLIN},
                            {.fd = teller.end[0], .events = POLLIN}};
    zf_peer_event_t event;
    (void) arg;
    while (fds[1].revents == 0) {
        while (zf_peer_next (teller.peer, &event, 0) == 0) {
            cli_note (teller.cli, "discovery: %s", event.text);
            zf_peer_event_release (&event);
        }
        poll (fds, 2, -1);
    }
    return NULL;
}

/* With signals blocked, so that they reach the main thread. */
static int start_teller (cli_t *cli)
{
    sigset_t all, before;
    if (pipe2 (teller.end, O_CLOEXEC) != 0)
        return cli_fail (cli, EX_OSERR, "cannot make a pipe: %s", strerror (errno));
    teller.cli = cli;
    teller.peer = cli->peer;
    sigfillset (&all);
    pthread_sigmask (SIG_SETMASK, &all, &before);
    int rc = pthread_create (&teller.thread, NULL, tell_notes, NULL);
    pthread_sigmask (SIG_SETMASK, &before, NULL);
    if (rc == 0)
        return 0;
    teller.peer = NULL;
    return cli_fail (cli, EX_OSERR, "cannot start a thread: %s", strerror (rc));
}

static void stop_teller (void)
{
    if (teller.peer == NULL)
        return;
    close (teller.end[1]);
    pthread_join (teller.thread, NULL);
    close (teller.end[0]);
    teller.peer = NULL;
}

/* -- its life ---------------------------------------------------------------------------------- */

int discover_start (cli_t *cli)
{
    wanted_t wanted;
    zf_error_t err = {0};
    if (!is_needed (cli))
        return 0;
    int rc = read_options (cli, &wanted);
    if (rc == 0 && zf_peer_start (&cli->peer, &wanted.peer, &err) != 0)
        rc = fail_start (cli, &err);
    free_options (&wanted);
    if (rc == 0 && cli_has (cli, "hub"))
        cli_log (cli, ZF_LOG_NOTICE, NULL, "listening on %s for gossip", zf_peer_hub (cli->peer));
    if (rc != 0 || (cli->verb->flags & CLI_NODE) != 0)
        return rc;
    bool tells = log_is_verbose (cli) && !cli->quiet;
    zf_peer_listen (cli->peer, tells ? 1u << ZF_PEER_NOTE : 0);
    return tells ? start_teller (cli) : 0;
}

void discover_stop (cli_t *cli)
{
    stop_teller ();
    zf_peer_stop (&cli->peer);
}
