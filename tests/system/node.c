/* A node for the tests on networks: prints what it learns, a line for each event, and does what it
 * reads: "shout GROUP TEXT", "whisper NAME TEXT". Ends when there is nothing more to read. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zferry/peer.h>

#define LIST_MAX 8
#define GROUP    "all" /* every node is in it */

typedef struct {
    const char *items[LIST_MAX];
    size_t count;
} list_t;

typedef struct {
    zf_peer_options_t peer;
    list_t interfaces;
    list_t seeds;
} options_t;

/* -- options: node NAME [WORD VALUE]... -------------------------------------------------------- */

static void add (list_t *list, const char *text)
{
    if (list->count < LIST_MAX)
        list->items[list->count++] = text;
}

static void take_option (options_t *options, const char *word, const char *value)
{
    if (strcmp (word, "interface") == 0)
        add (&options->interfaces, value);
    else if (strcmp (word, "seed") == 0)
        add (&options->seeds, value);
    else if (strcmp (word, "hub") == 0)
        options->peer.hub = value;
    else if (strcmp (word, "endpoint") == 0)
        options->peer.endpoint = value;
    else if (strcmp (word, "space") == 0)
        options->peer.space = value;
    else if (strcmp (word, "beacon") == 0)
        options->peer.beacon = strcmp (value, "on") == 0;
    else if (strcmp (word, "evasive") == 0)
        options->peer.evasive_ms = (uint32_t) strtoul (value, NULL, 10);
    else if (strcmp (word, "expired") == 0)
        options->peer.expired_ms = (uint32_t) strtoul (value, NULL, 10);
}

static void take_options (options_t *options, int argc, char **argv)
{
    memset (options, 0, sizeof *options);
    zf_peer_defaults (&options->peer);
    options->peer.name = argv[1];
    options->peer.security = zf_security_insecure (); /* there is nobody else on these networks */
    for (int i = 2; i + 1 < argc; i += 2)
        take_option (options, argv[i], argv[i + 1]);
    options->peer.interfaces = options->interfaces.items;
    options->peer.interface_count = options->interfaces.count;
    options->peer.seeds = options->seeds.items;
    options->peer.seed_count = options->seeds.count;
}

/* -- events ------------------------------------------------------------------------------------ */

static void print_message (const char *word, const zf_peer_event_t *event)
{
    const zf_bytes_t *text = &event->frames[0];
    printf ("%s %s %s %.*s\n", word, event->name, event->group, (int) text->size,
            (const char *) text->data);
}

static void print_event (const zf_peer_event_t *event)
{
    switch (event->type) {
    case ZF_PEER_ENTER:
        printf ("enter %s %s\n", event->name, event->endpoint);
        break;
    case ZF_PEER_EXIT:
        printf ("exit %s %s\n", event->name, event->text);
        break;
    case ZF_PEER_EVASIVE:
        printf ("evasive %s\n", event->name);
        break;
    case ZF_PEER_SILENT:
        printf ("silent %s\n", event->name);
        break;
    case ZF_PEER_BACK:
        printf ("back %s\n", event->name);
        break;
    case ZF_PEER_JOIN:
        printf ("join %s %s\n", event->name, event->group);
        break;
    case ZF_PEER_WHISPER:
        print_message ("whisper", event);
        break;
    case ZF_PEER_SHOUT:
        print_message ("shout", event);
        break;
    case ZF_PEER_NOTE:
        printf ("note %s\n", event->text);
        break;
    case ZF_PEER_LEAVE:
    case ZF_PEER_OFFER:
    case ZF_PEER_WITHDRAW:
    case ZF_PEER_MISSED:
        break;
    }
}

static void print_events (zf_peer_t *peer)
{
    zf_peer_event_t event;
    while (zf_peer_next (peer, &event, 0) == 0) {
        print_event (&event);
        zf_peer_event_release (&event);
    }
    fflush (stdout);
}

/* -- commands ---------------------------------------------------------------------------------- */

static void obey (zf_peer_t *peer, char *line)
{
    char *rest = NULL;
    const char *verb = strtok_r (line, " \n", &rest);
    const char *to = strtok_r (NULL, " \n", &rest);
    const char *text = strtok_r (NULL, "\n", &rest);
    if (verb == NULL || to == NULL || text == NULL)
        return;
    zf_bytes_t frame = {text, strlen (text)};
    int rc = strcmp (verb, "shout") == 0 ? zf_peer_shout (peer, to, &frame, 1)
                                         : zf_peer_whisper (peer, to, &frame, 1);
    if (rc != 0)
        printf ("failed %s %s: %s\n", verb, to, zf_strerror (rc));
}

static void serve (zf_peer_t *peer)
{
    struct pollfd fds[2] = {{.fd = 0, .events = POLLIN},
                            {.fd = zf_peer_fd (peer), .events = POLLIN}};
    char line[4096];
    setvbuf (stdin, NULL, _IONBF, 0); /* poll sees what was not read yet */
    for (;;) {
        print_events (peer);
        if (poll (fds, 2, -1) < 0 || fds[0].revents == 0)
            continue;
        if (fgets (line, sizeof line, stdin) == NULL)
            return;
        obey (peer, line);
    }
}

int main (int argc, char **argv)
{
    options_t options;
    zf_peer_t *peer;
    zf_error_t err;
    if (argc < 2)
        return 2;
    take_options (&options, argc, argv);
    if (zf_peer_start (&peer, &options.peer, &err) != 0) {
        fprintf (stderr, "%s\n", err.text);
        return 1;
    }
    zf_peer_join (peer, GROUP);
    printf ("started %s\n", zf_peer_endpoint (peer));
    serve (peer);
    zf_peer_stop (&peer);
    return 0;
}
