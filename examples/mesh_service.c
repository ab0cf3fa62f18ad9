/* A service without a broker and without an address: a program starts a node, embeds a broker,
 * announces what it serves, and is found. Start it as often as you like, on as many machines:
 * clients share their requests out to all of them, and go on with the others when one dies.
 *
 *   mesh_service serve [NETWORK PORT]
 *   mesh_service ask TEXT [NETWORK PORT]
 *
 * The environment says how far it reaches: with ZFERRY_KEY and ZFERRY_AUTHORISED wherever there are
 * holders of those keys, with ZFERRY_INSECURE=1 whoever is on the networks of this machine, without
 * either this machine only. NETWORK (10.1.0.0/16) and the UDP PORT say where to look; by default it
 * is on all networks. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zferry/directory.h>
#include <zferry/zferry.h>

#define SERVICE "upper"
#define INSIDE  "inproc://mesh-service" /* how the worker reaches the broker beside it */

static volatile sig_atomic_t stopped;

static void on_signal (int number)
{
    stopped = number;
}

static int start_peer (zf_peer_t **peer, const char *const *network, const char *port,
                       zf_security_t *security, zf_error_t *err)
{
    zf_peer_options_t options;
    zf_peer_defaults (&options);
    options.security = security;
    if (port != NULL) {
        options.interfaces = network;
        options.interface_count = 1;
        options.port = (uint16_t) strtoul (port, NULL, 10);
    }
    return zf_peer_start (peer, &options, err);
}

/* -- the service ------------------------------------------------------------------------------- */

/* The dozen lines: a broker in this process, on a port of the system's choice, on all interfaces if
 * there are keys (or nobody minds), and the others are told what it is for. */
static int embed (zf_device_t **broker, zf_peer_t *peer, zf_security_t *security, zf_error_t *err)
{
    const char *const endpoints[] = {security != NULL ? "tcp://*:*" : "tcp://127.0.0.1:*", INSIDE};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.security = security;
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    int rc = zf_broker_start (broker, &options, err);
    if (rc == 0)
        rc = zf_directory_announce (peer, "service/" SERVICE, zf_device_endpoint (*broker, 0), err);
    return rc;
}

static void answer (zf_worker_t *worker, zf_message_t *question)
{
    char text[256];
    const char *body = question->body;
    size_t size = question->size < sizeof text ? question->size : sizeof text;
    for (size_t i = 0; i < size; i++)
        text[i] = (char) toupper ((unsigned char) body[i]);
    zf_worker_reply (worker, question, text, size, NULL);
}

static int work (zf_error_t *err)
{
    const char *const endpoint = INSIDE;
    zf_worker_t *worker = NULL;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    int rc = zf_worker_open (&worker, SERVICE, &options, err);
    while (rc == 0 && stopped == 0) {
        zf_message_t question;
        rc = zf_worker_recv (worker, &question, 100, err);
        if (rc == 0)
            answer (worker, &question);
        else if (rc == ZF_E_TIMEOUT)
            rc = 0;
    }
    if (rc == 0)
        rc = zf_worker_drain (worker, 1000, err);
    zf_worker_close (&worker);
    return rc;
}

static int serve (zf_peer_t *peer, zf_security_t *security, zf_error_t *err)
{
    zf_device_t *broker = NULL;
    int rc = embed (&broker, peer, security, err);
    if (rc == 0) {
        printf ("serving at %s\n", zf_device_endpoint (broker, 0));
        fflush (stdout);
        rc = work (err);
    }
    zf_device_stop (&broker);
    return rc;
}

/* -- a client of it ---------------------------------------------------------------------------- */

static int ask (zf_peer_t *peer, const char *text, zf_error_t *err)
{
    const char *const endpoint = "zferry://service/" SERVICE;
    zf_client_t *client = NULL;
    zf_message_t reply;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.peer = peer;
    int rc = zf_client_open (&client, &options, err);
    if (rc == 0)
        rc = zf_client_request (client, SERVICE, text, strlen (text), NULL, &reply, err);
    if (rc == 0) {
        printf ("%.*s\n", (int) reply.size, (const char *) reply.body);
        zf_message_release (&reply);
    }
    zf_client_close (&client);
    return rc;
}

int main (int argc, char **argv)
{
    zf_error_t err = {0};
    zf_peer_t *peer = NULL;
    zf_security_t *security = NULL;
    int used = argc > 1 && strcmp (argv[1], "ask") == 0 ? 3 : 2;
    if (argc != used && argc != used + 2) {
        fprintf (stderr, "usage: mesh_service serve [NETWORK PORT]\n"
                         "       mesh_service ask TEXT [NETWORK PORT]\n");
        return 64;
    }
    signal (SIGTERM, on_signal);
    signal (SIGINT, on_signal);
    const char *const network = argc > used ? argv[used] : NULL;
    int rc = zf_security_environment (&security, &err);
    if (rc == 0)
        rc = start_peer (&peer, &network, argc > used ? argv[used + 1] : NULL, security, &err);
    if (rc == 0)
        rc = used == 3 ? ask (peer, argv[2], &err) : serve (peer, security, &err);
    if (rc != 0)
        fprintf (stderr, "mesh_service: %s\n", err.text);
    zf_peer_stop (&peer);
    zf_security_close (&security);
    return rc != 0;
}
