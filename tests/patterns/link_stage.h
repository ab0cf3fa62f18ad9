/* What the tests of links share: links that are always stopped, what they told, and records that
 * can be told apart. */
#ifndef TESTS_PATTERNS_LINK_STAGE_H
#define TESTS_PATTERNS_LINK_STAGE_H

#include "tests/devices/stage.h"
#include "tests/patterns/cable.h"

#include <ftw.h>

#define LINKS_MAX 8
#define SAID_MAX  65536

static struct {
    zf_device_t *links[LINKS_MAX];
    cable_t *cables[2];
    char dir[64]; /* a temporary directory; "": none was made */
    pthread_mutex_t lock;
    char said[SAID_MAX]; /* the texts of all events, a line each */
    size_t said_size;
} links = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Of every link of these tests; arg is not used. */
static inline void hear (void *arg, zf_event_t event, const char *text)
{
    (void) arg;
    if (event != ZF_EVENT_LINK)
        return;
    pthread_mutex_lock (&links.lock);
    size_t left = SAID_MAX - links.said_size;
    int n = snprintf (links.said + links.said_size, left, "%s\n", text);
    links.said_size += n > 0 && (size_t) n < left ? (size_t) n : 0;
    pthread_mutex_unlock (&links.lock);
}

/* True if some link has told of this. */
static inline bool was_said (const char *what)
{
    pthread_mutex_lock (&links.lock);
    links.said[links.said_size] = '\0';
    bool found = strstr (links.said, what) != NULL;
    pthread_mutex_unlock (&links.lock);
    return found;
}

/* Options of a link that loses no time. */
static inline zf_link_options_t link_options (const char *from, const char *queue,
                                              const char *const *to)
{
    zf_link_options_t options;
    zf_link_defaults (&options);
    options.from = from;
    options.from_queue = queue;
    options.to = to;
    options.to_count = 1;
    options.backoff_min_ms = 10;
    options.backoff_max_ms = 200;
    options.failover_ms = 1000;
    options.on_event = hear;
    return options;
}

static inline zf_device_t *start_link_with (const zf_link_options_t *options)
{
    size_t i = 0;
    while (links.links[i] != NULL)
        i++;
    assert_true (i < LINKS_MAX);
    if (zf_link_start (&links.links[i], options, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    return links.links[i];
}

/* From queue "jobs" of one broker to that of another. */
static inline zf_device_t *start_link (const zf_device_t *from, const zf_device_t *to)
{
    const char *endpoint = endpoint_of (to);
    zf_link_options_t options = link_options (endpoint_of (from), "jobs", &endpoint);
    return start_link_with (&options);
}

static inline void stop_link (zf_device_t *link)
{
    size_t i = 0;
    while (links.links[i] != link)
        i++;
    zf_device_stop (&links.links[i]);
}

static inline const char *lay_cable (size_t i, const zf_device_t *broker)
{
    links.cables[i] = cable_lay (broker);
    return cable_endpoint (links.cables[i]);
}

/* Posts the numbers from..to without waiting. */
static inline void post_numbers (zf_client_t *client, const char *queue, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) {
        if (zf_client_post_async (client, queue, &i, sizeof i, NULL, NULL, &stage.err) != 0)
            fail_msg ("post %llu: %s", (unsigned long long) i, stage.err.text);
    }
}

static inline void flush_posts (zf_client_t *client)
{
    if (zf_client_flush (client, PATIENCE_MS, &stage.err) != 0)
        fail_msg ("flush: %s", stage.err.text);
}

/* Takes the numbers from..to, each of them once and in order. */
static inline void take_numbers (zf_worker_t *worker, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) {
        zf_message_t message = take (worker);
        uint64_t got = 0;
        assert_int_equal (message.attempt, 1); /* else the worker itself was taken for dead */
        assert_int_equal (message.size, sizeof got);
        memcpy (&got, message.body, sizeof got);
        assert_int_equal (got, i);
        ack (worker, &message);
    }
}

/* A directory that is removed at the end. */
static inline const char *temporary_directory (void)
{
    snprintf (links.dir, sizeof links.dir, "/tmp/zferry-link-XXXXXX");
    assert_non_null (mkdtemp (links.dir));
    return links.dir;
}

static inline int remove_entry (const char *path, const struct stat *status, int kind,
                                struct FTW *level)
{
    (void) status;
    (void) kind;
    (void) level;
    return remove (path);
}

static inline int links_clear (void **state)
{
    for (size_t i = 0; i < LINKS_MAX; i++)
        zf_device_stop (&links.links[i]);
    stage_clear (state);
    cable_remove (&links.cables[0]);
    cable_remove (&links.cables[1]);
    links.said_size = 0;
    if (links.dir[0] != '\0')
        nftw (links.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    links.dir[0] = '\0';
    return 0;
}

/* A case that begins with an empty stage. */
#define LINK_CASE(name) cmocka_unit_test_teardown (name, links_clear)

#endif
