/* web_stand [--token TOKEN] [--private] [--lively] [--journal DIR]: a process with some of
 * everything in it, for the tests that look at the admin endpoint from outside, and for its picture
 * in the docs.
 *
 * It has a broker `orders` with queues, dead letters, a stream and two groups, a forwarder
 * `prices`, and a link `to-archive` from the broker to a second one, `archive`. The queue jobs has
 * LETTERS dead letters. It prints the address of the admin endpoint in one line, and ends when its
 * stdin does. With --lively records flow until then. */
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zferry/zferry.h>

enum { LETTERS = 5, DEVICES = 4 };

typedef struct {
    zf_device_t *devices[DEVICES];
    zf_client_t *client; /* of the broker */
    zf_client_t *ticker; /* of the forwarder, with --lively */
    zf_peer_t *peer;
    zf_peer_t *neighbour; /* with --lively */
    zf_web_t *web;
    const char *journal; /* NULL: none */
    unsigned reloads;
    zf_worker_t *workers[8];
    size_t worker_count;
    pthread_t threads[8];
    pthread_t producer;
    bool lively; /* records flow */
    atomic_bool stops;
} stand_t;

static void must (int rc, const zf_error_t *err)
{
    if (rc == 0)
        return;
    fprintf (stderr, "stand: %s\n", err->text[0] != '\0' ? err->text : zf_strerror (rc));
    exit (1);
}

/* -- devices ----------------------------------------------------------------------------------- */

static void start_devices (stand_t *stand)
{
    static const char *const any[] = {"tcp://127.0.0.1:*"};
    zf_error_t err = {0};
    zf_broker_options_t broker;
    zf_forwarder_options_t forwarder;
    zf_link_options_t link;
    zf_broker_defaults (&broker);
    broker.endpoints = any;
    must (zf_broker_start (&stand->devices[1], &broker, &err), &err);
    broker.journal = stand->journal;
    must (zf_broker_start (&stand->devices[0], &broker, &err), &err);
    zf_forwarder_defaults (&forwarder);
    forwarder.endpoints = any;
    must (zf_forwarder_start (&stand->devices[2], &forwarder, &err), &err);
    const char *to[] = {zf_device_endpoint (stand->devices[1], 0)};
    zf_link_defaults (&link);
    link.from = zf_device_endpoint (stand->devices[0], 0);
    link.from_queue = "outbound";
    link.to = to;
    link.to_count = 1;
    must (zf_link_start (&stand->devices[3], &link, &err), &err);
}

static void show_devices (stand_t *stand)
{
    static const char *const names[] = {"orders", "archive", "prices", "to-archive"};
    static const char *const kinds[] = {"broker", "broker", "forwarder", "link"};
    const char *joins[] = {zf_device_endpoint (stand->devices[0], 0),
                           zf_device_endpoint (stand->devices[1], 0)};
    zf_error_t err = {0};
    for (size_t i = 0; i < DEVICES; i++) {
        zf_web_device_t device = {.name = names[i],
                                  .kind = kinds[i],
                                  .device = stand->devices[i],
                                  .journal = i == 0 ? stand->journal : NULL,
                                  .joins = joins,
                                  .join_count = i == 3 ? 2 : 0};
        must (zf_web_add (stand->web, &device, &err), &err);
    }
}

/* -- what is in them --------------------------------------------------------------------------- */

static zf_worker_t *open_worker (const stand_t *stand, const char *queue)
{
    const char *endpoint = zf_device_endpoint (stand->devices[0], 0);
    zf_error_t err = {0};
    zf_worker_options_t options;
    zf_worker_t *worker = NULL;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    must (zf_worker_open (&worker, queue, &options, &err), &err);
    return worker;
}

/* Posts texts into jobs and rejects them: dead letters. One holds bytes that are no text. */
static void make_letters (const stand_t *stand)
{
    static const char *const reasons[] = {"the customer is unknown", "no such article",
                                          "<img src=x onerror=alert(1)>"};
    static const unsigned char no_text[4] = {0xff, 0xfe, 0x00, 0x01};
    zf_error_t err = {0};
    zf_worker_t *worker = open_worker (stand, "jobs");
    for (int i = 0; i < LETTERS; i++) {
        char body[64];
        zf_message_t message;
        int size = snprintf (body, sizeof body, "{\"order\": %d, \"article\": \"A-%d\"}", 1000 + i,
                             70 + i);
        const void *data = i == 2 ? (const void *) no_text : body;
        must (zf_client_post (stand->client, "jobs", data, i == 2 ? 4 : (size_t) size, NULL, &err),
              &err);
        must (zf_worker_recv (worker, &message, 20000, &err), &err);
        must (zf_worker_reject (worker, &message, reasons[i % 3]), &err);
    }
    zf_worker_drain (worker, 20000, NULL);
    zf_worker_close (&worker);
}

static void make_stream (const stand_t *stand)
{
    zf_error_t err = {0};
    must (zf_admin_stream (stand->client, "events", &err), &err);
    must (zf_admin_group (stand->client, "events", "billing", NULL, &err), &err);
    must (zf_admin_group (stand->client, "events", "search", NULL, &err), &err);
    for (int i = 0; i < 20; i++)
        must (zf_client_post (stand->client, "events", "event", 5, NULL, &err), &err);
}

/* With names of all kinds, unless it is for a picture. */
static void make_queues (stand_t *stand)
{
    const char *endpoint = zf_device_endpoint (stand->devices[0], 0);
    zf_client_options_t options;
    zf_error_t err = {0};
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = 20000;
    must (zf_client_open (&stand->client, &options, &err), &err);
    make_letters (stand);
    make_stream (stand);
    if (stand->lively)
        return;
    must (zf_client_post (stand->client, "mail/out going \"1\"", "hello", 5, NULL, &err), &err);
    must (zf_client_post (stand->client, "\xc3\xa9t\xc3\xa9", "sommer", 6, NULL, &err), &err);
    must (zf_client_post (stand->client, "bytes\xff", "x", 1, NULL, &err), &err);
    must (zf_client_post (stand->client, "purgeable", "x", 1, NULL, &err), &err);
}

/* -- life -------------------------------------------------------------------------------------- */

static int reload (void *arg, char *text, size_t size)
{
    stand_t *stand = arg;
    stand->reloads++;
    snprintf (text, size, "reloaded %u times", stand->reloads);
    return 0;
}

static void start_web (stand_t *stand, const char *token, bool is_private)
{
    zf_error_t err = {0};
    zf_web_options_t options;
    zf_web_defaults (&options);
    options.bind = "127.0.0.1:0";
    options.token = token;
    options.private_reads = is_private;
    options.peer = stand->peer;
    options.on_reload = reload;
    options.arg = stand;
    must (zf_web_start (&stand->web, &options, &err), &err);
    show_devices (stand);
}

static void start_peer (stand_t *stand)
{
    static const char *const own[] = {"127.0.0.0/8"};
    zf_error_t err = {0};
    zf_peer_options_t options;
    zf_peer_defaults (&options);
    options.name = "stand";
    options.interfaces = own;
    options.interface_count = 1;
    options.beacon = false;
    options.endpoint = "tcp://127.0.0.1:*";
    options.hub = "tcp://127.0.0.1:*";
    must (zf_peer_start (&stand->peer, &options, &err), &err);
    must (zf_directory_announce (stand->peer, "broker/orders",
                                 zf_device_endpoint (stand->devices[0], 0), &err),
          &err);
}

/* -- liveliness -------------------------------------------------------------------------------- */

typedef struct {
    stand_t *stand;
    size_t number;
} post_of_t;

/* Takes records slowly, and now and then refuses one. */
static void *work (void *arg)
{
    post_of_t *at = arg;
    zf_worker_t *worker = at->stand->workers[at->number];
    zf_message_t message;
    unsigned count = 0;
    while (zf_worker_recv (worker, &message, -1, NULL) == 0) {
        count++;
        poll (NULL, 0, at->number == 5 ? 60 : 2); /* the work that there is to do */
        if (count % 997 == 0)
            zf_worker_reject (worker, &message, "the mailbox is full");
        else if (count % 97 == 0)
            zf_worker_nack (worker, &message, -1);
        else
            zf_worker_ack (worker, &message);
    }
    free (at);
    return NULL;
}

static void *produce (void *arg)
{
    static const char *const queues[] = {"orders.new", "orders.paid", "mail",     "thumbnails",
                                         "outbound",   "events",      "invoices", "audit"};
    stand_t *stand = arg;
    char body[200];
    for (unsigned i = 0; !atomic_load (&stand->stops); i++) {
        int size =
            snprintf (body, sizeof body, "{\"order\": %u, \"till\": %u, \"amount\": %u.%02u}",
                      100000 + i, i % 17, i % 400, i % 100);
        for (unsigned q = 0; q < 8; q++)
            if (i % (q + 1) == 0 && (q != 6 || i % 40 < 20))
                zf_client_post_async (stand->client, queues[q], body, (size_t) size, NULL, NULL,
                                      NULL);
        zf_client_post_async (stand->ticker, "ticks", body, (size_t) size, NULL, NULL, NULL);
        poll (NULL, 0, (int) (3 + 3 * ((i / 400) % 3)));
    }
    return NULL;
}

static void start_neighbour (stand_t *stand)
{
    static const char *const own[] = {"127.0.0.0/8"};
    const char *seed = zf_peer_hub (stand->peer);
    zf_error_t err = {0};
    zf_peer_options_t options;
    zf_peer_defaults (&options);
    options.name = "till-7";
    options.interfaces = own;
    options.interface_count = 1;
    options.beacon = false;
    options.endpoint = "tcp://127.0.0.1:*";
    options.seeds = &seed;
    options.seed_count = 1;
    must (zf_peer_start (&stand->neighbour, &options, &err), &err);
    must (zf_peer_join (stand->neighbour, "tills"), &err);
    must (zf_directory_announce (stand->neighbour, "service/receipts", "tcp://*:7001", &err), &err);
}

static void start_ticker (stand_t *stand)
{
    const char *endpoint = zf_device_endpoint (stand->devices[2], 0);
    zf_client_options_t options;
    zf_error_t err = {0};
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    must (zf_client_open (&stand->ticker, &options, &err), &err);
    must (zf_admin_stream (stand->ticker, "ticks", &err), &err);
}

static void start_lively (stand_t *stand)
{
    static const char *const queues[] = {"orders.new", "orders.new",     "orders.paid",
                                         "mail",       "events@billing", "events@search",
                                         "thumbnails", "invoices"};
    start_neighbour (stand);
    start_ticker (stand);
    for (size_t i = 0; i < 8; i++) {
        post_of_t *at = calloc (1, sizeof *at);
        *at = (post_of_t){stand, i};
        stand->workers[i] = open_worker (stand, queues[i]);
        stand->worker_count++;
        pthread_create (&stand->threads[i], NULL, work, at);
    }
    pthread_create (&stand->producer, NULL, produce, stand);
}

static void stop_lively (stand_t *stand)
{
    if (!stand->lively)
        return;
    atomic_store (&stand->stops, true);
    pthread_join (stand->producer, NULL);
    for (size_t i = 0; i < stand->worker_count; i++) {
        zf_worker_drain (stand->workers[i], 1000, NULL);
        pthread_join (stand->threads[i], NULL);
        zf_worker_close (&stand->workers[i]);
    }
}

int main (int argc, char **argv)
{
    static stand_t stand;
    const char *token = NULL;
    bool is_private = false;
    char byte;
    for (int i = 1; i < argc; i++) {
        if (strcmp (argv[i], "--token") == 0 && i + 1 < argc)
            token = argv[++i];
        else if (strcmp (argv[i], "--journal") == 0 && i + 1 < argc)
            stand.journal = argv[++i];
        else if (strcmp (argv[i], "--private") == 0)
            is_private = true;
        else if (strcmp (argv[i], "--lively") == 0)
            stand.lively = true;
    }
    start_devices (&stand);
    make_queues (&stand);
    start_peer (&stand);
    start_web (&stand, token, is_private);
    if (stand.lively)
        start_lively (&stand);
    printf ("%s\n", zf_web_address (stand.web));
    fflush (stdout);
    while (read (STDIN_FILENO, &byte, 1) > 0)
        ;
    stop_lively (&stand);
    zf_web_stop (&stand.web);
    zf_client_close (&stand.client);
    zf_client_close (&stand.ticker);
    zf_peer_stop (&stand.neighbour);
    zf_peer_stop (&stand.peer);
    for (size_t i = DEVICES; i > 0; i--)
        zf_device_stop (&stand.devices[i - 1]);
    return 0;
}
