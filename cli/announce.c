#include "announce.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOST_BYTES 64

/* -- where ------------------------------------------------------------------------------------- */

static const char *first_tcp (const announced_t *device)
{
    for (size_t i = 0; i < device->endpoints; i++) {
        const char *endpoint = zf_device_endpoint (device->device, i);
        if (endpoint == NULL || strncmp (endpoint, "tcp://", 6) == 0)
            return endpoint;
    }
    return NULL;
}

static bool is_local (const char *endpoint)
{
    return strncmp (endpoint, "tcp://127.", 10) == 0 || strncmp (endpoint, "tcp://[::1]", 11) == 0;
}

static void warn_if_local (const cli_t *cli, const char *endpoint)
{
    const char *port = strrchr (endpoint, ':');
    if (is_local (endpoint))
        cli_note (cli,
                  "others are told of %s, which no other machine can reach; for those bind all "
                  "interfaces: --%s 'tcp://*%s'%s",
                  endpoint, strcmp (cli->verb->name, "balancer") == 0 ? "front" : "bind", port,
                  cli->security == NULL ? " with --key-file, or --insecure" : "");
}

/* -- what -------------------------------------------------------------------------------------- */

static int announce (const cli_t *cli, const char *what, const char *endpoint)
{
    zf_error_t err = {0};
    int rc = zf_directory_announce (cli->peer, what, endpoint, &err);
    if (rc == ZF_E_INVAL)
        return cli_misuse (cli, "%s", err.text);
    return rc == 0 ? 0 : cli_fail_call (cli, &err, true);
}

int announce_as (const cli_t *cli, const announced_t *device, const char *what)
{
    const char **more = NULL;
    if (cli->peer == NULL)
        return 0;
    const char *endpoint = first_tcp (device);
    if (endpoint == NULL)
        return cli_misuse (cli, "--discover takes a tcp endpoint; bind one");
    int rc = announce (cli, what, endpoint);
    size_t count = cli_list (cli, "announce", &more);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = announce (cli, more[i], endpoint);
    free (more);
    if (rc == 0)
        warn_if_local (cli, endpoint);
    return rc;
}

int announce_by_name (const cli_t *cli, const announced_t *device, const char *kind)
{
    char host[HOST_BYTES + 1] = "";
    char what[ZF_OFFER_WHAT_MAX + 1];
    gethostname (host, HOST_BYTES);
    int n = snprintf (what, sizeof what, "%s/%s", kind, cli_text (cli, "name", host));
    if (n < 0 || (size_t) n >= sizeof what)
        return cli_misuse (cli, "--name is too long");
    return announce_as (cli, device, what);
}

static bool keep_name (void *arg, const zf_offer_t *offer)
{
    char *what = arg;
    if (offer->is_own)
        snprintf (what, ZF_OFFER_WHAT_MAX + 1, "%s", offer->what);
    return !offer->is_own;
}

void announce_end (const cli_t *cli)
{
    char what[ZF_OFFER_WHAT_MAX + 1];
    do {
        what[0] = '\0';
        if (cli->peer != NULL)
            zf_directory_find (cli->peer, NULL, keep_name, what);
    } while (what[0] != '\0' && zf_directory_withdraw (cli->peer, what, NULL) == 0);
}
