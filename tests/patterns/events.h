/* The stage of the tests of streams: publishers and subscribers of one case, beside what
 * tests/devices/stage.h has. What is still there at its end is taken down by events_clear.
 *
 * Threads: as in stage.h. */
#ifndef TESTS_PATTERNS_EVENTS_H
#define TESTS_PATTERNS_EVENTS_H

#include "tests/devices/stage.h"

#include <ftw.h>
#include <stdatomic.h>

#define GAPS_MAX 64

static struct {
    zf_publisher_t *publishers[STAGE_MAX];
    zf_subscriber_t *subscribers[STAGE_MAX];
    zf_gap_t gaps[GAPS_MAX]; /* told to any of the subscribers that note_gap was given */
    size_t gap_count;
    char dir[64]; /* a directory for journals; "": none was made */
} events;

static inline void note_gap (void *arg, const zf_gap_t *gap)
{
    (void) arg;
    must (events.gap_count < GAPS_MAX);
    events.gaps[events.gap_count++] = *gap;
}

/* -- places ------------------------------------------------------------------------------------ */

/* A broker or forwarder that keeps its journal in a directory of the case; endpoint NULL: any
 * port. */
static inline zf_device_t *start_durable (const char *endpoint)
{
    const char *endpoints[] = {endpoint != NULL ? endpoint : ANY_PORT};
    zf_broker_options_t options;
    if (events.dir[0] == '\0') {
        snprintf (events.dir, sizeof events.dir, "/tmp/zferry-events-XXXXXX");
        assert_non_null (mkdtemp (events.dir));
    }
    zf_broker_defaults (&options);
    options.endpoints = endpoints;
    options.journal = events.dir;
    options.disk_bytes = UINT64_C (256) << 20;
    return start_broker (&options);
}

static inline zf_device_t *start_broker_at (const char *endpoint)
{
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    return start_broker (&options);
}

static inline int remove_entry (const char *path, const struct stat *info, int type,
                                struct FTW *walk)
{
    (void) info;
    (void) type;
    (void) walk;
    return remove (path);
}

/* -- publishers -------------------------------------------------------------------------------- */

static inline zf_publisher_t *open_publisher_with (const zf_publisher_options_t *options)
{
    size_t i = 0;
    while (events.publishers[i] != NULL)
        i++;
    assert_true (i < STAGE_MAX);
    if (zf_publisher_open (&events.publishers[i], options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return events.publishers[i];
}

static inline zf_publisher_t *open_publisher_at (const char *endpoint)
{
    zf_publisher_options_t options;
    zf_publisher_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = PATIENCE_MS;
    return open_publisher_with (&options);
}

static inline zf_publisher_t *open_publisher (const zf_device_t *device)
{
    return open_publisher_at (endpoint_of (device));
}

static inline void close_publisher (zf_publisher_t *publisher)
{
    size_t i = 0;
    while (events.publishers[i] != publisher)
        i++;
    zf_publisher_close (&events.publishers[i]);
}

/* Publishes a text and waits for the confirm. */
static inline void publish (zf_publisher_t *publisher, const char *topic, const char *text)
{
    if (zf_publisher_publish_confirmed (publisher, topic, text, strlen (text), NULL, &stage.err) !=
        0)
        fail_msg ("publish %s: %s", topic, stage.err.text);
}

/* Publishes the numbers from first on, as eight bytes each, and waits for the confirms. */
static inline void publish_numbers (zf_publisher_t *publisher, const char *topic, uint64_t first,
                                    uint64_t count)
{
    zf_error_t err;
    for (uint64_t i = first; i < first + count; i++)
        must (zf_publisher_publish (publisher, topic, &i, sizeof i, NULL, NULL, &err) == 0);
    must (zf_publisher_flush (publisher, PATIENCE_MS, &err) == 0);
}

/* -- subscribers ------------------------------------------------------------------------------- */

static inline zf_subscriber_t *open_subscriber_with (const zf_subscriber_options_t *options)
{
    size_t i = 0;
    while (events.subscribers[i] != NULL)
        i++;
    assert_true (i < STAGE_MAX);
    if (zf_subscriber_open (&events.subscribers[i], options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return events.subscribers[i];
}

/* Options of one that notes its gaps. endpoint and pattern (NULL: everything) are to stay where
 * they are until it is opened. */
static inline zf_subscriber_options_t subscriber_options (const char *const *endpoint,
                                                          const char *const *pattern)
{
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = endpoint;
    options.patterns = pattern;
    options.pattern_count = *pattern != NULL;
    options.timeout_ms = PATIENCE_MS;
    options.on_gap = note_gap;
    return options;
}

static inline void await_ready (zf_subscriber_t *subscriber)
{
    if (zf_subscriber_ready (subscriber, PATIENCE_MS, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
}

/* One that is in force. */
static inline zf_subscriber_t *open_subscriber_at (const char *endpoint, const char *pattern,
                                                   zf_from_t from, uint64_t value)
{
    zf_subscriber_options_t options = subscriber_options (&endpoint, &pattern);
    options.start = (zf_start_t){from, value};
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    return subscriber;
}

static inline zf_subscriber_t *open_subscriber (const zf_device_t *device, const char *pattern,
                                                zf_from_t from, uint64_t value)
{
    return open_subscriber_at (endpoint_of (device), pattern, from, value);
}

/* A member of a group, that takes from it. */
static inline zf_subscriber_t *open_member (const zf_device_t *device, const char *group,
                                            const char *pattern)
{
    const char *endpoint = endpoint_of (device);
    zf_subscriber_options_t options = subscriber_options (&endpoint, &pattern);
    options.group = group;
    options.credit = 10;
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    return subscriber;
}

static inline void close_subscriber (zf_subscriber_t *subscriber)
{
    size_t i = 0;
    while (events.subscribers[i] != subscriber)
        i++;
    zf_subscriber_close (&events.subscribers[i]);
}

/* The next message, which must come. */
static inline zf_message_t take_event (zf_subscriber_t *subscriber)
{
    zf_message_t message;
    if (zf_subscriber_recv (subscriber, &message, PATIENCE_MS, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return message;
}

static inline void ack_event (zf_subscriber_t *subscriber, zf_message_t *message)
{
    assert_int_equal (zf_subscriber_ack (subscriber, message), 0);
}

/* The next message must be this one. Returns its offset. */
static inline uint64_t expect_event (zf_subscriber_t *subscriber, const char *topic,
                                     const char *text)
{
    zf_message_t message = take_event (subscriber);
    zf_bytes_t told = zf_message_topic (&message);
    if (message.size != strlen (text) || memcmp (message.body, text, message.size) != 0)
        fail_msg ("expected %s, got %.*s", text, (int) message.size, (const char *) message.body);
    if (told.size != strlen (topic) || memcmp (told.data, topic, told.size) != 0)
        fail_msg ("expected topic %s, got %.*s", topic, (int) told.size, (const char *) told.data);
    uint64_t id = message.id;
    ack_event (subscriber, &message);
    return id;
}

/* The next messages must be these numbers, in order. Returns the offset behind them. */
static inline uint64_t expect_numbers (zf_subscriber_t *subscriber, uint64_t first, uint64_t count)
{
    uint64_t behind = 0;
    for (uint64_t i = first; i < first + count; i++) {
        uint64_t number;
        zf_message_t message = take_event (subscriber);
        assert_int_equal (message.size, sizeof number);
        memcpy (&number, message.body, sizeof number);
        assert_int_equal (number, i);
        assert_true (message.id >= behind);
        behind = message.id + 1;
        ack_event (subscriber, &message);
    }
    return behind;
}

static inline void expect_none (zf_subscriber_t *subscriber)
{
    zf_message_t message;
    assert_int_equal (zf_subscriber_recv (subscriber, &message, 0, NULL), ZF_E_AGAIN);
}

static inline zf_subscriber_stats_t stats_of (zf_subscriber_t *subscriber)
{
    zf_subscriber_stats_t stats;
    zf_subscriber_stats (subscriber, &stats);
    return stats;
}

/* -- the end ----------------------------------------------------------------------------------- */

static inline int events_clear (void **state)
{
    for (size_t i = 0; i < STAGE_MAX; i++) {
        zf_subscriber_close (&events.subscribers[i]);
        zf_publisher_close (&events.publishers[i]);
    }
    stage_clear (state);
    if (events.dir[0] != '\0')
        nftw (events.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    memset (&events, 0, sizeof events);
    return 0;
}

/* A case that begins with an empty stage. */
#define EVENTS_CASE(name) cmocka_unit_test_teardown (name, events_clear)

#endif
