/* Posting: confirms, callbacks, windows, refusals, atomic posts, and what a record carries. */
#include "tests/devices/stage.h"

#define MANY 20000

/* Outcomes of posts as the callback hears of them. */
typedef struct {
    uint64_t confirmed, refused;
    uint64_t next;   /* the number expected next, of one queue */
    uint64_t gaps;   /* ranges that did not begin there */
    int code;        /* the last refusal's */
    char queue[256]; /* the last outcome's */
} outcomes_t;

static void on_confirm (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    outcomes_t *outcomes = arg;
    outcomes->gaps += first != outcomes->next;
    outcomes->next = first + count;
    snprintf (outcomes->queue, sizeof outcomes->queue, "%s", queue);
    if (code == 0) {
        outcomes->confirmed += count;
        return;
    }
    outcomes->refused += count;
    outcomes->code = code;
}

/* A client that tells its outcomes. */
static zf_client_t *open_telling (const zf_device_t *broker, outcomes_t *outcomes)
{
    const char *endpoint = endpoint_of (broker);
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = PATIENCE_MS;
    options.on_confirm = on_confirm;
    options.arg = outcomes;
    *outcomes = (outcomes_t){.next = 1};
    return open_client_with (&options);
}

static zf_policy_t capped (uint64_t length, zf_overflow_t overflow)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_length = length;
    policy.overflow = overflow;
    return policy;
}

static int post_async (zf_client_t *client, const char *queue, const char *text)
{
    return zf_client_post_async (client, queue, text, strlen (text), NULL, NULL, &stage.err);
}

static void confirmed_post_is_in_the_queue (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "one");
    assert_true (has_length (client, "jobs", 1));
    zf_message_t message = take_text (open_worker (broker, "jobs", 1), "one", 1);
    assert_string_equal (message.queue, "jobs");
    assert_int_equal (message.flags, 0);
    assert_int_equal (zf_message_frame_count (&message), 1);
    ack (stage.workers[0], &message);
    AWAIT (has_length (client, "jobs", 0));
}

static void empty_body_travels (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    assert_int_equal (zf_client_post (open_client (broker), "jobs", NULL, 0, NULL, NULL), 0);
    zf_message_t message = take_text (open_worker (broker, "jobs", 1), "", 1);
    ack (stage.workers[0], &message);
}

static void stream_of_posts_is_confirmed_in_order (void **state)
{
    outcomes_t outcomes;
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_telling (broker, &outcomes);
    for (uint64_t i = 1; i <= MANY; i++) {
        uint64_t number = 0;
        assert_int_equal (zf_client_post_async (client, "jobs", &i, sizeof i, NULL, &number, NULL),
                          0);
        assert_int_equal (number, i);
    }
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0);
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    assert_int_equal (stats.posted, MANY);
    assert_int_equal (stats.confirmed, MANY);
    assert_true (stats.batches < MANY); /* it is a stream: they leave together */
    close_client (client);
    assert_int_equal (outcomes.confirmed, MANY);
    assert_int_equal (outcomes.gaps, 0);
    assert_string_equal (outcomes.queue, "jobs");
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    for (uint64_t i = 1; i <= MANY; i++) {
        zf_message_t message = take (worker);
        assert_int_equal (message.size, sizeof i);
        assert_memory_equal (message.body, &i, sizeof i);
        ack (worker, &message);
    }
}

static void try_post_does_not_wait_for_the_window (void **state)
{
    zf_policy_t policy = capped (10, ZF_OVERFLOW_BACKPRESSURE);
    zf_device_t *broker = start_broker_with (&policy);
    zf_client_t *client = open_client (broker);
    char body[65536] = "big";
    uint64_t posted = 1;
    int rc = 0;
    post (client, "jobs", "to know the broker's limits");
    while (rc == 0 && posted < 10000) {
        rc = zf_client_try_post (client, "jobs", body, sizeof body, NULL, NULL, &stage.err);
        posted += rc == 0;
    }
    assert_int_equal (rc, ZF_E_AGAIN);
    assert_in_range (posted, 64, 64 + 11); /* 4 MiB under way, and what is in the queue */
    assert_int_equal (zf_client_flush (client, 50, &stage.err), ZF_E_TIMEOUT);
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    for (uint64_t i = 0; i < posted; i++) {
        zf_message_t message = take (worker);
        ack (worker, &message);
    }
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0);
    assert_int_equal (zf_client_try_post (client, "jobs", body, sizeof body, NULL, NULL, NULL), 0);
}

static void try_post_says_what_it_would_wait_for (void **state)
{
    static char body[100000];
    zf_client_t *client = open_client_at ("tcp://127.0.0.1:1");
    memset (&stage.err, 'x', sizeof stage.err);
    int rc = zf_client_try_post (client, "jobs", body, sizeof body, NULL, NULL, &stage.err);
    assert_int_equal (rc, ZF_E_AGAIN);
    assert_int_equal (stage.err.code, ZF_E_AGAIN);
    assert_non_null (strstr (stage.err.text, "no broker has said yet how large"));
    rc = 0;
    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = zf_client_try_post (client, "jobs", body, 500, NULL, NULL, &stage.err);
    assert_int_equal (rc, ZF_E_AGAIN);
    assert_int_equal (stage.err.code, ZF_E_AGAIN);
    assert_non_null (strstr (stage.err.text, "the window is full"));
}

static void full_queue_that_refuses_says_so_to_everybody (void **state)
{
    outcomes_t outcomes;
    zf_policy_t policy = capped (2, ZF_OVERFLOW_REJECT);
    zf_device_t *broker = start_broker_with (&policy);
    zf_client_t *client = open_telling (broker, &outcomes);
    post (client, "jobs", "one");
    for (int i = 0; i < 3; i++)
        assert_int_equal (post_async (client, "jobs", "more"), 0);
    assert_int_equal (zf_client_flush (client, -1, &stage.err), ZF_E_FULL);
    assert_non_null (strstr (stage.err.text, "refused"));
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0); /* told once */
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, NULL, &stage.err), ZF_E_FULL);
    assert_non_null (strstr (stage.err.text, "jobs"));
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0); /* the caller knows already */
    assert_int_equal (look_at (client, "jobs").refused, 3);
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    assert_int_equal (stats.refused, 3);
    close_client (client);
    assert_int_equal (outcomes.confirmed, 2);
    assert_int_equal (outcomes.refused, 3);
    assert_int_equal (outcomes.code, ZF_E_FULL);
}

static void atomic_post_is_taken_whole (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    const zf_post_t posts[] = {{"b", "1", 1, NULL}, {"a", "2", 1, NULL}, {"b", "3", 1, NULL}};
    assert_int_equal (zf_client_post_many (client, posts, 3, &stage.err), 0);
    assert_true (has_length (client, "a", 1));
    zf_worker_t *worker = open_worker (broker, "b", 2);
    zf_message_t first = take_text (worker, "1", 1);
    zf_message_t second = take_text (worker, "3", 1);
    ack (worker, &first);
    ack (worker, &second);
}

static void atomic_post_with_one_full_queue_is_not_taken (void **state)
{
    zf_policy_t policy = capped (1, ZF_OVERFLOW_REJECT);
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    declare (client, "narrow", &policy);
    const zf_post_t posts[] = {
        {"wide", "1", 1, NULL}, {"narrow", "2", 1, NULL}, {"narrow", "3", 1, NULL}};
    assert_int_equal (zf_client_post_many (client, posts, 3, &stage.err), ZF_E_FULL);
    assert_true (has_length (client, "wide", 0));
    assert_true (has_length (client, "narrow", 0));
    assert_int_equal (zf_client_post_many (client, posts, 2, &stage.err), 0);
    assert_true (has_length (client, "wide", 1));
    assert_true (has_length (client, "narrow", 1));
}

static void atomic_post_out_of_range_says_which_record (void **state)
{
    zf_client_t *client = open_client (start_broker (NULL));
    const zf_post_t posts[] = {{"a", "1", 1, NULL}, {"", "2", 1, NULL}};
    assert_int_equal (zf_client_post_many (client, posts, 2, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "post 1"));
    assert_int_equal (zf_client_post_many (client, posts, 0, &stage.err), ZF_E_INVAL);
}

static void megabyte_travels_and_too_much_is_refused (void **state)
{
    const char *endpoint = "inproc://big-bodies";
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    options.max_message_bytes = 2u << 20;
    zf_device_t *broker = start_broker (&options);
    zf_client_t *client = open_client (broker);
    size_t size = 1u << 20;
    uint8_t *body = malloc (4 * size);
    assert_non_null (body);
    for (size_t i = 0; i < 4 * size; i++)
        body[i] = (uint8_t) (i * 31 >> 3);
    assert_int_equal (zf_client_post (client, "jobs", body, size, NULL, &stage.err), 0);
    assert_int_equal (zf_client_post (client, "jobs", body, 4 * size, NULL, &stage.err),
                      ZF_E_TOO_BIG);
    zf_post_t posts[] = {{"jobs", body, size, NULL}, {"jobs", body, size, NULL}};
    assert_int_equal (zf_client_post_many (client, posts, 2, &stage.err), ZF_E_TOO_BIG);
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_message_t message = take (worker);
    assert_int_equal (message.size, size);
    assert_memory_equal (message.body, body, size);
    ack (worker, &message);
    free (body);
}

static zf_bytes_t view (const char *text)
{
    return (zf_bytes_t){text, strlen (text)};
}

static void assert_view (zf_bytes_t bytes, const char *text)
{
    assert_int_equal (bytes.size, strlen (text));
    assert_memory_equal (bytes.data, text, bytes.size);
}

static void frames_and_headers_come_out_as_they_went_in (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const zf_header_t headers[] = {{view ("color"), view ("red")}, {view ("none"), view ("")}};
    const zf_bytes_t frames[] = {view ("one"), view (""), view ("three")};
    zf_props_t props;
    zf_props_defaults (&props);
    props.headers = headers;
    props.header_count = 2;
    props.frames = frames;
    props.frame_count = 3;
    props.key = view ("k");
    props.trace = view ("00-abc");
    assert_int_equal (zf_client_post (open_client (broker), "jobs", NULL, 0, &props, NULL), 0);
    zf_message_t message = take_text (open_worker (broker, "jobs", 1), "onethree", 1);
    assert_int_equal (zf_message_frame_count (&message), 3);
    assert_view (zf_message_frame (&message, 0), "one");
    assert_view (zf_message_frame (&message, 1), "");
    assert_view (zf_message_frame (&message, 2), "three");
    assert_null (zf_message_frame (&message, 3).data);
    assert_view (zf_message_header (&message, "color"), "red");
    assert_null (zf_message_header (&message, "size").data);
    zf_bytes_t name;
    assert_view (zf_message_header_at (&message, 1, &name), "");
    assert_view (name, "none");
    zf_props_t got;
    assert_int_equal (zf_message_props (&message, &got), 0);
    assert_view (got.key, "k");
    assert_view (got.trace, "00-abc");
    ack (stage.workers[0], &message);
}

static void properties_that_are_all_zero_need_no_defaults (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_props_t none = {0};
    zf_props_t some = {.key = view ("k")};
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, &none, &stage.err), 0);
    assert_int_equal (zf_client_post (client, "jobs", "y", 1, &some, &stage.err), 0);
    zf_post_t posts[] = {{"jobs", "z", 1, &none}};
    assert_int_equal (zf_client_post_many (client, posts, 1, &stage.err), 0);
    zf_worker_t *worker = open_worker (broker, "jobs", 3);
    zf_message_t messages[] = {take_text (worker, "x", 1), take_text (worker, "y", 1),
                               take_text (worker, "z", 1)};
    zf_props_t got;
    assert_int_equal (zf_message_props (&messages[1], &got), 0);
    assert_view (got.key, "k");
    for (int i = 0; i < 3; i++)
        ack (worker, &messages[i]);
}

static void wrong_arguments_are_refused_in_words (void **state)
{
    zf_client_t *client = open_client (start_broker (NULL));
    char name[300];
    memset (name, 'n', sizeof name);
    name[299] = '\0';
    assert_int_equal (zf_client_post (client, name, "x", 1, NULL, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "1 to 255 bytes"));
    assert_int_equal (zf_client_post (client, NULL, "x", 1, NULL, &stage.err), ZF_E_INVAL);
    assert_int_equal (zf_client_post (client, "jobs", NULL, 1, NULL, &stage.err), ZF_E_INVAL);
    zf_props_t props = {0}; /* says nothing, and needs no defaults */
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, &props, &stage.err), 0);
    props.struct_size = 1;
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, &props, &stage.err), ZF_E_INVAL);
    assert_int_equal (zf_client_post (client, "mmi.service", "x", 1, NULL, &stage.err), ZF_E_INVAL);
    zf_client_t *other = NULL;
    const char *bad = "nowhere";
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &bad;
    assert_int_equal (zf_client_open (&other, &options, &stage.err), ZF_E_ADDRESS);
    assert_non_null (strstr (stage.err.text, "nowhere"));
    assert_null (other);
}

static void queues_beyond_the_limit_are_refused (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.max_queues = 2;
    zf_client_t *client = open_client (start_broker (&options));
    post (client, "a", "1");
    post (client, "b", "1");
    assert_int_equal (zf_client_post (client, "c", "1", 1, NULL, &stage.err), ZF_E_LIMIT);
}

static void one_id_is_taken_once (void **state)
{
    zf_client_t *client = open_client (start_broker (NULL));
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = view ("order 17");
    assert_int_equal (zf_client_post (client, "jobs", "a", 1, &props, NULL), 0);
    assert_int_equal (zf_client_post (client, "jobs", "a", 1, &props, NULL), 0);
    assert_int_equal (look_at (client, "jobs").length, 1);
    assert_int_equal (look_at (client, "jobs").duplicates, 1);
}

/* Posts from inside of a callback, with properties, while the other waits for room. */
static zf_client_t *auditor;

static void post_audit (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    (void) arg;
    (void) queue;
    (void) first;
    (void) count;
    (void) code;
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = (zf_bytes_t){"same", 4};
    if (auditor != NULL)
        zf_client_try_post (auditor, "audit", "a", 1, &props, NULL, NULL);
}

static void post_without_properties_has_none_whatever_others_post (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = PATIENCE_MS;
    options.window_bytes = 2000;
    options.on_confirm = post_audit;
    zf_client_t *client = auditor = open_client_with (&options);
    for (int i = 0; i < 5000; i++)
        assert_int_equal (post_async (client, "jobs", "plain"), 0);
    auditor = NULL;
    assert_int_equal (zf_client_flush (client, PATIENCE_MS, &stage.err), 0);
    assert_int_equal (look_at (client, "jobs").length, 5000);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (confirmed_post_is_in_the_queue),
        CASE (post_without_properties_has_none_whatever_others_post),
        CASE (empty_body_travels),
        CASE (stream_of_posts_is_confirmed_in_order),
        CASE (try_post_does_not_wait_for_the_window),
        CASE (try_post_says_what_it_would_wait_for),
        CASE (full_queue_that_refuses_says_so_to_everybody),
        CASE (atomic_post_is_taken_whole),
        CASE (atomic_post_with_one_full_queue_is_not_taken),
        CASE (atomic_post_out_of_range_says_which_record),
        CASE (megabyte_travels_and_too_much_is_refused),
        CASE (frames_and_headers_come_out_as_they_went_in),
        CASE (properties_that_are_all_zero_need_no_defaults),
        CASE (wrong_arguments_are_refused_in_words),
        CASE (queues_beyond_the_limit_are_refused),
        CASE (one_id_is_taken_once),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
