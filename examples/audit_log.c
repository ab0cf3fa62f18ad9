/* An audit log: what happens goes into a stream, where it stays, and whoever wants to know replays
 * it, here into a file. With a broker that has a journal, what is confirmed is on its disk.
 *
 *   audit_log FILE [ENDPOINT]       default tcp://127.0.0.1:5555 */
#include <inttypes.h>
#include <stdio.h>
#include <zferry/zferry.h>

#define STREAM "audit"
#define EVENTS 1000

/* Publishes without waiting; one flush at the end waits until all is confirmed. Says behind which
 * offset the stream ends then. */
static int record (const char *endpoint, uint64_t *end, zf_error_t *err)
{
    zf_publisher_t *publisher = NULL;
    zf_publisher_options_t options;
    zf_queue_info_t info;
    zf_publisher_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.stream = STREAM;
    int rc = zf_publisher_open (&publisher, &options, err);
    for (int i = 0; i < EVENTS && rc == 0; i++) {
        char body[64];
        const char *topic = i % 10 == 0 ? "login.failed" : "login.done";
        int size = snprintf (body, sizeof body, "user %d", i);
        rc = zf_publisher_publish (publisher, topic, body, (size_t) size, NULL, NULL, err);
    }
    if (rc == 0)
        rc = zf_publisher_flush (publisher, -1, err);
    if (rc == 0)
        rc = zf_admin_queue (zf_publisher_client (publisher), STREAM, &info, err);
    if (rc == 0)
        *end = info.next;
    zf_publisher_close (&publisher);
    return rc;
}

/* What was dropped before we came would be missing here without a word. */
static void tell_gap (void *arg, const zf_gap_t *gap)
{
    fprintf (arg, "-- %" PRIu64 " records are gone: %s\n", gap->count, gap->why);
}

static int copy (zf_subscriber_t *subscriber, uint64_t end, FILE *file, zf_error_t *err)
{
    uint64_t count = 0;
    uint64_t next = 0;
    while (next < end) {
        zf_message_t event;
        int rc = zf_subscriber_recv (subscriber, &event, 10000, err);
        if (rc != 0)
            return rc;
        zf_bytes_t topic = zf_message_topic (&event);
        fprintf (file, "%" PRIu64 " %.*s %.*s\n", event.id, (int) topic.size,
                 (const char *) topic.data, (int) event.size, (const char *) event.body);
        next = event.id + 1;
        count++;
        zf_subscriber_ack (subscriber, &event);
    }
    printf ("replayed: %" PRIu64 " events\n", count);
    return 0;
}

static int replay (const char *endpoint, uint64_t end, FILE *file, zf_error_t *err)
{
    zf_subscriber_t *subscriber = NULL;
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.stream = STREAM;
    options.start.from = ZF_FROM_FIRST; /* or a time, or an offset */
    options.on_gap = tell_gap;
    options.arg = file;
    int rc = zf_subscriber_open (&subscriber, &options, err);
    if (rc == 0)
        rc = copy (subscriber, end, file, err);
    zf_subscriber_close (&subscriber);
    return rc;
}

int main (int argc, char **argv)
{
    const char *endpoint = argc > 2 ? argv[2] : "tcp://127.0.0.1:5555";
    zf_error_t err = {0};
    uint64_t end = 0;
    FILE *file = argc > 1 ? fopen (argv[1], "w") : NULL;
    if (file == NULL) {
        fprintf (stderr, "usage: audit_log FILE [ENDPOINT]\n");
        return 2;
    }
    int rc = record (endpoint, &end, &err);
    if (rc == 0)
        printf ("recorded: %d events\n", EVENTS);
    if (rc == 0)
        rc = replay (endpoint, end, file, &err);
    if (rc != 0)
        fprintf (stderr, "audit_log: %s\n", err.text);
    return fclose (file) != 0 || rc != 0;
}
