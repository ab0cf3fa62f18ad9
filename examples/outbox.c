/* Posts that need no broker: they are safe on this disk when zf_client_post returns, and travel on
 * when the broker can be reached.
 *
 *   outbox DIR [ENDPOINT]       default tcp://127.0.0.1:5555 */
#include <poll.h>
#include <stdio.h>
#include <zferry/zferry.h>

#define POSTS 1000

static uint64_t backlog_of (zf_client_t *client)
{
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    return stats.backlog;
}

int main (int argc, char **argv)
{
    const char *endpoint = argc > 2 ? argv[2] : "tcp://127.0.0.1:5555";
    zf_client_t *client = NULL;
    zf_client_options_t options;
    zf_error_t err;
    if (argc < 2) {
        fprintf (stderr, "usage: outbox DIR [ENDPOINT]\n");
        return 2;
    }
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.outbox = argv[1];
    int rc = zf_client_open (&client, &options, &err);
    for (int i = 0; i < POSTS && rc == 0; i++) {
        char body[32];
        int size = snprintf (body, sizeof body, "job %d", i);
        rc = zf_client_post_async (client, "jobs", body, (size_t) size, NULL, NULL, &err);
    }
    if (rc == 0)
        rc = zf_client_flush (client, -1, &err);
    if (rc != 0) {
        fprintf (stderr, "outbox: %s\n", err.text);
        zf_client_close (&client);
        return 1;
    }
    printf ("%d posts are on disk\n", POSTS);
    fflush (stdout);
    while (backlog_of (client) > 0) /* nobody has to wait: whoever opens DIR next goes on */
        poll (NULL, 0, 100);
    printf ("all have travelled on\n");
    zf_client_close (&client);
    return 0;
}
