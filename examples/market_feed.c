/* A market feed without any broker: the publisher carries its own forwarder, which subscribers
 * connect to. Its stream is compact: of each symbol it keeps the last price, and so whoever joins
 * late, or is too slow for every tick, has what is true now.
 *
 *   market_feed */
#include <stdio.h>
#include <string.h>
#include <zferry/zferry.h>

#define TICKS 1000

static const char *const symbols[] = {"prices.eur", "prices.gbp", "prices.jpy", "prices.chf"};

enum { SYMBOLS = sizeof symbols / sizeof symbols[0] };

/* What a screen shows. */
typedef struct {
    char price[SYMBOLS][32]; /* "": not known yet */
    unsigned known;          /* symbols with a price */
    unsigned ticks;          /* messages that it took */
} screen_t;

static int open_feed (zf_publisher_t **feed, zf_error_t *err)
{
    const char *endpoint = "tcp://127.0.0.1:*"; /* the system chooses the port */
    zf_forwarder_options_t inside;
    zf_publisher_options_t options;
    zf_forwarder_defaults (&inside);
    inside.endpoints = &endpoint;
    inside.endpoint_count = 1;
    inside.compact = true;
    zf_publisher_defaults (&options);
    options.bind = &inside;
    return zf_publisher_open (feed, &options, err);
}

static double price_of (int tick)
{
    return 1 + tick / 10000.0;
}

/* Ticks of all symbols in turn. None of the calls waits. */
static int publish (zf_publisher_t *feed, int first, int count, zf_error_t *err)
{
    int rc = 0;
    for (int i = first; i < first + count && rc == 0; i++) {
        char price[32];
        int size = snprintf (price, sizeof price, "%.4f", price_of (i));
        rc = zf_publisher_publish (feed, symbols[i % SYMBOLS], price, (size_t) size, NULL, NULL,
                                   err);
    }
    return rc == 0 ? zf_publisher_flush (feed, -1, err) : rc;
}

/* A subscriber to all prices; from says whether it wants those that are there already. */
static int join (zf_subscriber_t **viewer, zf_publisher_t *feed, zf_from_t from, zf_error_t *err)
{
    const char *const pattern = "prices.*";
    const char *endpoint = zf_device_endpoint (zf_publisher_device (feed), 0);
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.patterns = &pattern;
    options.pattern_count = 1;
    options.start.from = from;
    int rc = zf_subscriber_open (viewer, &options, err);
    return rc == 0 ? zf_subscriber_ready (*viewer, -1, err) : rc;
}

static void show (screen_t *screen, const zf_message_t *tick)
{
    zf_bytes_t topic = zf_message_topic (tick);
    for (unsigned i = 0; i < SYMBOLS; i++)
        if (topic.size == strlen (symbols[i]) && memcmp (topic.data, symbols[i], topic.size) == 0) {
            screen->known += screen->price[i][0] == '\0';
            snprintf (screen->price[i], sizeof screen->price[i], "%.*s", (int) tick->size,
                      (const char *) tick->body);
        }
    screen->ticks++;
}

/* Takes what comes until it has seen the tick of that number. */
static int watch (zf_subscriber_t *viewer, screen_t *screen, int last, zf_error_t *err)
{
    char price[32];
    bool seen = false;
    snprintf (price, sizeof price, "%.4f", price_of (last));
    while (!seen) {
        zf_message_t tick;
        int rc = zf_subscriber_recv (viewer, &tick, 10000, err);
        if (rc != 0)
            return rc;
        show (screen, &tick);
        seen = tick.size == strlen (price) && memcmp (tick.body, price, tick.size) == 0;
        zf_subscriber_ack (viewer, &tick);
    }
    return 0;
}

static int run (zf_publisher_t *feed, zf_subscriber_t **early, zf_subscriber_t **late,
                zf_error_t *err)
{
    screen_t first = {.ticks = 0}, second = {.ticks = 0};
    int rc = join (early, feed, ZF_FROM_NEW, err);
    if (rc == 0)
        rc = publish (feed, 0, TICKS, err);
    if (rc == 0)
        rc = watch (*early, &first, TICKS - 1, err);
    if (rc == 0)
        rc = join (late, feed, ZF_FROM_FIRST, err);
    if (rc == 0)
        rc = watch (*late, &second, TICKS - 1, err);
    if (rc != 0)
        return rc;
    printf ("late: %u of %d ticks, and knows %u of %d prices\n", second.ticks, TICKS, second.known,
            SYMBOLS);
    rc = publish (feed, TICKS, SYMBOLS, err); /* both are live now */
    if (rc == 0)
        rc = watch (*early, &first, TICKS + SYMBOLS - 1, err);
    if (rc == 0)
        rc = watch (*late, &second, TICKS + SYMBOLS - 1, err);
    for (unsigned i = 0; rc == 0 && i < SYMBOLS; i++)
        printf ("%s %s %s\n", symbols[i], first.price[i],
                strcmp (first.price[i], second.price[i]) == 0 ? "on both" : "differs");
    return rc;
}

int main (void)
{
    zf_publisher_t *feed = NULL;
    zf_subscriber_t *early = NULL, *late = NULL;
    zf_error_t err;
    int rc = open_feed (&feed, &err);
    if (rc == 0)
        rc = run (feed, &early, &late, &err);
    if (rc != 0)
        fprintf (stderr, "market_feed: %s\n", err.text);
    zf_subscriber_close (&early);
    zf_subscriber_close (&late);
    zf_publisher_close (&feed);
    return rc != 0;
}
