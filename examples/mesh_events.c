/* Events without a broker and without an address: who publishes is found by who subscribes.
 *
 *   mesh_events publish COUNT   publishes once somebody is there to read
 *   mesh_events watch COUNT
 *
 * No node is started here: handles without one share one, which is stopped with the last of them.
 * It is set up by the environment, if at all: ZFERRY_INTERFACE=127.0.0.0/8 keeps it on this
 * machine, ZFERRY_NAMESPACE=staging apart from others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zferry/zferry.h>

#define TOPIC   "sensors.attic"
#define WAIT_MS 30000

/* -- publishing -------------------------------------------------------------------------------- */

static int publish_all (zf_publisher_t *publisher, unsigned count, zf_error_t *err)
{
    int rc = zf_publisher_wait (publisher, TOPIC, 1, WAIT_MS, err);
    for (unsigned i = 0; i < count && rc == 0; i++) {
        char text[32];
        int size = snprintf (text, sizeof text, "%u degrees", i);
        rc = zf_publisher_publish (publisher, TOPIC, text, (size_t) size, NULL, NULL, err);
    }
    return rc == 0 ? zf_publisher_flush (publisher, -1, err) : rc;
}

/* Direct: the publisher has a forwarder inside, and announces it. The stream goes with it, and so
 * it stays until its readers have what they want. */
static int publish (unsigned count, zf_error_t *err)
{
    zf_publisher_t *publisher = NULL;
    zf_publisher_options_t options;
    zf_publisher_defaults (&options);
    options.direct = true;
    int rc = zf_publisher_open (&publisher, &options, err);
    if (rc == 0)
        rc = publish_all (publisher, count, err);
    if (rc == 0) {
        printf ("published %u; enter ends\n", count);
        fflush (stdout);
        getchar ();
    }
    zf_publisher_close (&publisher);
    return rc;
}

/* -- subscribing ------------------------------------------------------------------------------- */

static int print_all (zf_subscriber_t *subscriber, unsigned count, zf_error_t *err)
{
    int rc = 0;
    for (unsigned i = 0; i < count && rc == 0; i++) {
        zf_message_t event;
        rc = zf_subscriber_recv (subscriber, &event, WAIT_MS, err);
        if (rc != 0)
            break;
        printf ("%.*s\n", (int) event.size, (const char *) event.body);
        rc = zf_subscriber_ack (subscriber, &event);
    }
    return rc;
}

/* All who publish to the stream are read from, and those who come later. */
static int watch (unsigned count, zf_error_t *err)
{
    const char *const endpoint = "zferry://topic/events";
    const char *const pattern = "sensors.>";
    zf_subscriber_t *subscriber = NULL;
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.patterns = &pattern;
    options.pattern_count = 1;
    int rc = zf_subscriber_open (&subscriber, &options, err);
    if (rc == 0)
        rc = print_all (subscriber, count, err);
    zf_subscriber_close (&subscriber);
    return rc;
}

int main (int argc, char **argv)
{
    zf_error_t err = {0};
    if (argc != 3) {
        fprintf (stderr, "usage: mesh_events publish COUNT | mesh_events watch COUNT\n");
        return 64;
    }
    unsigned count = (unsigned) strtoul (argv[2], NULL, 10);
    int rc = strcmp (argv[1], "watch") == 0 ? watch (count, &err) : publish (count, &err);
    if (rc != 0)
        fprintf (stderr, "mesh_events: %s\n", err.text);
    return rc != 0;
}
