/* A client: posts a thousand records into the queue "jobs", then asks the service "upper".
 *
 *   client [ENDPOINT]       default tcp://127.0.0.1:5555 */
#include <inttypes.h>
#include <stdio.h>
#include <zferry/zferry.h>

/* Each call hands over one record. None of them waits for the broker: records leave in batches by
 * themselves, and one flush at the end waits until all are confirmed. */
static int post_all (zf_client_t *client, zf_error_t *err)
{
    for (int i = 0; i < 1000; i++) {
        char body[32];
        int size = snprintf (body, sizeof body, "job %d", i);
        int rc = zf_client_post_async (client, "jobs", body, (size_t) size, NULL, NULL, err);
        if (rc != 0)
            return rc;
    }
    return zf_client_flush (client, -1, err);
}

/* A blocking call with the client's timeout; whoever serves "upper" answers. */
static int ask (zf_client_t *client, zf_error_t *err)
{
    zf_message_t reply;
    int rc = zf_client_request (client, "upper", "hello", 5, NULL, &reply, err);
    if (rc == 0)
        printf ("answer: %.*s\n", (int) reply.size, (const char *) reply.body);
    zf_message_release (&reply); /* a zeroed one, if there was no answer */
    return rc;
}

int main (int argc, char **argv)
{
    const char *endpoint = argc > 1 ? argv[1] : "tcp://127.0.0.1:5555";
    zf_client_t *client = NULL;
    zf_error_t err;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint; /* several are tried one after another */
    options.endpoint_count = 1;
    int rc = zf_client_open (&client, &options, &err);
    if (rc == 0)
        rc = post_all (client, &err);
    if (rc == 0)
        puts ("confirmed: 1000 jobs");
    if (rc == 0)
        rc = ask (client, &err);
    if (rc != 0)
        fprintf (stderr, "client: %s\n", err.text);
    zf_client_close (&client);
    return rc != 0;
}
