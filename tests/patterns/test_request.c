/* Asking services: answers whole and in parts, by callback and by polling, and all that a request
 * can end with instead. */
#include "patterns/client.h"
#include "tests/devices/stage.h"

#include <stdatomic.h>

#define MANY 50000

/* -- services ---------------------------------------------------------------------------------- */

static void serve_parts (zf_worker_t *worker, zf_message_t *message)
{
    for (int i = 0; i < 3; i++)
        must (zf_worker_reply_part (worker, message, "part", 4, NULL) == 0);
    must (zf_worker_reply (worker, message, "end", 3, NULL) == 0);
}

static void serve_refusal (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_reject (worker, message, "not on sundays") == 0);
}

static void serve_nothing (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_ack (worker, message) == 0);
}

static void serve_failure (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_nack (worker, message, 0) == 0);
}

static zf_request_options_t within (uint32_t timeout_ms)
{
    zf_request_options_t options;
    zf_request_defaults (&options);
    options.timeout_ms = timeout_ms;
    return options;
}

/* Asks and returns the code, which the error must have too. */
static int ask (zf_client_t *client, const char *service, const zf_request_options_t *options)
{
    zf_message_t reply;
    memset (&reply, 0xff, sizeof reply);
    int rc = zf_client_request (client, service, "?", 1, options, &reply, &stage.err);
    if (rc != 0) {
        assert_int_equal (stage.err.code, rc);
        assert_null (reply.body);
        assert_null (reply.owner);
    }
    zf_message_release (&reply);
    return rc;
}

/* -- answers ----------------------------------------------------------------------------------- */

static void request_gets_its_answer (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    start_service (broker, "echo", serve_echo);
    zf_client_t *client = open_client (broker);
    for (int i = 0; i < 100; i++)
        expect_answer (client, "echo", "hello", "hello");
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    assert_int_equal (stats.requests, 100);
    assert_int_equal (stats.replies, 100);
    assert_true (stats.connected);
}

static void answer_may_be_a_megabyte_or_nothing (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    start_service (broker, "echo", serve_echo);
    start_service (broker, "acks", serve_nothing);
    zf_client_t *client = open_client (broker);
    size_t size = 1u << 20;
    char *body = calloc (1, size);
    assert_non_null (body);
    body[size - 1] = 'x';
    zf_message_t reply;
    assert_int_equal (zf_client_request (client, "echo", body, size, NULL, &reply, NULL), 0);
    assert_int_equal (reply.size, size);
    assert_memory_equal (reply.body, body, size);
    zf_message_release (&reply);
    zf_message_release (&reply); /* harmless */
    free (body);
    expect_answer (client, "acks", "hello", "");
}

static void answer_carries_frames_and_headers (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "frames", 1);
    const zf_header_t header = {{"kind", 4}, {"test", 4}};
    const zf_bytes_t frames[] = {{"a", 1}, {"bc", 2}};
    zf_props_t props;
    zf_props_defaults (&props);
    props.headers = &header;
    props.header_count = 1;
    props.frames = frames;
    props.frame_count = 2;
    zf_request_options_t options = within (PATIENCE_MS);
    options.props = &props;
    assert_int_equal (
        zf_client_request_async (client, "frames", NULL, 0, &options, NULL, NULL, NULL, NULL), 0);
    zf_message_t message = take_text (worker, "abc", 1);
    assert_int_equal (message.flags, ZF_MESSAGE_WANTS_REPLY);
    assert_int_equal (zf_message_frame_count (&message), 2);
    assert_int_equal (zf_worker_reply (worker, &message, NULL, 0, &props), 0);
    zf_message_t reply;
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, NULL), 0);
    assert_int_equal (zf_message_frame_count (&reply), 2);
    assert_memory_equal (zf_message_frame (&reply, 1).data, "bc", 2);
    assert_memory_equal (zf_message_header (&reply, "kind").data, "test", 4);
    zf_message_release (&reply);
}

/* What a callback for replies has heard. */
typedef struct {
    pthread_mutex_t lock;
    uint64_t parts, ends, failures, bytes;
    int code;
} heard_t;

static heard_t heard = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void clear_heard (void)
{
    heard.parts = heard.ends = heard.failures = heard.bytes = 0;
    heard.code = 0;
}

static void on_reply (void *arg, const zf_message_t *reply)
{
    must (arg == &heard);
    pthread_mutex_lock (&heard.lock);
    heard.bytes += reply->size;
    heard.parts += (reply->flags & ZF_MESSAGE_MORE) != 0;
    heard.ends += (reply->flags & ZF_MESSAGE_MORE) == 0;
    heard.failures += reply->code != 0;
    if (reply->code != 0)
        heard.code = reply->code;
    pthread_mutex_unlock (&heard.lock);
}

static uint64_t ends_heard (void)
{
    pthread_mutex_lock (&heard.lock);
    uint64_t ends = heard.ends;
    pthread_mutex_unlock (&heard.lock);
    return ends;
}

static void parts_come_to_the_callback_before_the_end (void **state)
{
    clear_heard ();
    zf_device_t *broker = start_broker (NULL);
    start_service (broker, "parts", serve_parts);
    zf_client_t *client = open_client (broker);
    zf_request_options_t options = within (PATIENCE_MS);
    options.on_part = on_reply;
    options.arg = &heard;
    for (uint64_t i = 1; i <= 50; i++) {
        zf_message_t reply;
        assert_int_equal (zf_client_request (client, "parts", "?", 1, &options, &reply, NULL), 0);
        assert_int_equal (reply.size, 3);
        assert_int_equal (heard.parts, 3 * i); /* all of them, before the call returned */
        zf_message_release (&reply);
    }
    assert_int_equal (heard.ends, 0);
    expect_answer (client, "parts", "without a callback", "end");
}

static void parts_are_fetched_one_by_one (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    start_service (broker, "parts", serve_parts);
    zf_client_t *client = open_client (broker);
    uint64_t number = 0;
    assert_int_equal (
        zf_client_request_async (client, "parts", "?", 1, NULL, NULL, NULL, &number, NULL), 0);
    for (int i = 0; i < 4; i++) {
        zf_message_t reply;
        assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
        assert_int_equal (reply.code, 0);
        assert_int_equal (reply.id, number);
        assert_int_equal (reply.flags, i < 3 ? ZF_MESSAGE_MORE : 0);
        zf_message_release (&reply);
    }
    zf_message_t none;
    assert_int_equal (zf_client_next_reply (client, &none, 0, &stage.err), ZF_E_AGAIN);
}

static void no_reply_yet_is_said_in_words (void **state)
{
    zf_message_t none;
    zf_client_t *client = open_client (start_broker (NULL));
    memset (&stage.err, 'x', sizeof stage.err);
    assert_int_equal (zf_client_next_reply (client, &none, 0, &stage.err), ZF_E_AGAIN);
    assert_int_equal (stage.err.code, ZF_E_AGAIN);
    assert_string_equal (stage.err.text, "no reply is there");
}

/* All under way at once, more than sockets hold. */
static void ask_many (const char *endpoint)
{
    static const char *bind[1];
    clear_heard ();
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    bind[0] = endpoint;
    options.endpoints = bind;
    zf_device_t *broker = start_broker (&options);
    start_service (broker, "echo", serve_echo);
    zf_client_t *client = open_client (broker);
    zf_request_options_t patient = within (60000);
    patient.retries = 0;
    for (int i = 0; i < MANY; i++) {
        int rc = zf_client_request_async (client, "echo", "hello", 5, &patient, on_reply, &heard,
                                          NULL, &stage.err);
        assert_int_equal (rc, 0);
    }
    AWAIT (ends_heard () == MANY);
    if (heard.failures != 0)
        fail_msg ("%llu failed: %s", (unsigned long long) heard.failures, zf_strerror (heard.code));
    assert_int_equal (heard.bytes, 5 * MANY);
    assert_int_equal (figure (broker, "peers_slow"), 0);
}

static void fifty_thousand_at_once_are_answered_over_tcp (void **state)
{
    ask_many (ANY_PORT);
}

static void fifty_thousand_at_once_are_answered_over_inproc (void **state)
{
    ask_many ("inproc://many-requests");
}

/* -- parts that come too late ------------------------------------------------------------------ */

static atomic_bool gate_open, at_gate;

/* A callback that takes its time: it goes on when the gate is opened. */
static void wait_at_gate (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    atomic_store (&at_gate, true);
    while (!atomic_load (&gate_open))
        poll (NULL, 0, 1);
}

static void serve_one_part (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_reply_part (worker, message, "part", 4, NULL) == 0);
    while (!atomic_load (&gate_open))
        poll (NULL, 0, 1);
    zf_worker_ack (worker, message);
}

static void *post_and_wait (void *arg)
{
    zf_client_post (arg, "jobs", "x", 1, NULL, NULL);
    return NULL;
}

/* A request that times out, and what its on_part does. */
typedef struct {
    zf_client_t *client;
    uint64_t begun_ms;
    atomic_int begun, ended; /* calls of on_part */
    int ended_then;          /* when the request returned */
    int rc;
} asking_t;

#define ASKING_MS 700

/* Lasts until the request has timed out. */
static void linger (void *arg, const zf_message_t *reply)
{
    asking_t *asking = arg;
    atomic_fetch_add (&asking->begun, 1);
    while (zf_clock_ms () - asking->begun_ms < ASKING_MS + 200)
        poll (NULL, 0, 1);
    atomic_fetch_add (&asking->ended, 1);
}

static void *ask_and_time_out (void *arg)
{
    asking_t *asking = arg;
    zf_message_t reply;
    zf_request_options_t options = within (ASKING_MS);
    options.on_part = linger;
    options.arg = asking;
    asking->begun_ms = zf_clock_ms ();
    asking->rc = zf_client_request (asking->client, "parts", "?", 1, &options, &reply, NULL);
    asking->ended_then = atomic_load (&asking->ended);
    return NULL;
}

/* A part waits for its turn to be handed over. */
static bool has_part (zf_client_t *client)
{
    zf_handle_enter (&client->handle);
    bool has = client->handle.callbacks != NULL;
    zf_handle_leave (&client->handle);
    return has;
}

/* Has a part come for a request while another thread is in a callback. The gate is opened before
 * the request times out, or after it has. */
static void ask_behind_the_gate (asking_t *asking, bool open_before)
{
    pthread_t poster, asker;
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.on_confirm = wait_at_gate;
    atomic_store (&gate_open, false);
    atomic_store (&at_gate, false);
    zf_client_t *client = open_client_with (&options);
    start_service (broker, "parts", serve_one_part);
    *asking = (asking_t){.client = client};
    assert_int_equal (pthread_create (&poster, NULL, post_and_wait, client), 0);
    AWAIT (atomic_load (&at_gate));
    assert_int_equal (pthread_create (&asker, NULL, ask_and_time_out, asking), 0);
    AWAIT (has_part (client));
    atomic_store (&gate_open, open_before);
    pthread_join (asker, NULL);
    atomic_store (&gate_open, true);
    pthread_join (poster, NULL);
    close_client (client); /* no callback comes any more */
    assert_true (asking->rc == ZF_E_TIMEOUT || asking->rc == ZF_E_EXPIRED);
}

static void part_not_handed_over_in_time_is_taken_back (void **state)
{
    static asking_t asking;
    ask_behind_the_gate (&asking, false);
    assert_int_equal (atomic_load (&asking.begun), 0);
}

static void request_does_not_return_while_its_part_is_handed_over (void **state)
{
    static asking_t asking;
    ask_behind_the_gate (&asking, true);
    assert_int_equal (asking.ended_then, atomic_load (&asking.begun));
}

/* -- instead of an answer ---------------------------------------------------------------------- */

static void request_nobody_serves_times_out (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_request_options_t options = within (100);
    uint64_t start = zf_clock_ms ();
    int rc = ask (client, "nobody", &options);
    assert_true (rc == ZF_E_TIMEOUT || rc == ZF_E_EXPIRED); /* whoever looks at the clock first */
    assert_in_range (zf_clock_ms () - start, 99, PATIENCE_MS);
    AWAIT (has_length (client, "nobody", 0)); /* the broker has given it up as well */
    assert_int_equal (look_at (client, "nobody").expired, 1);
    assert_true (has_length (client, "nobody.dead", 1));
}

static void request_expires_at_the_broker_by_its_own_ttl (void **state)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 50;
    zf_request_options_t options = within (PATIENCE_MS);
    options.props = &props;
    assert_int_equal (ask (open_client (start_broker (NULL)), "nobody", &options), ZF_E_EXPIRED);
    assert_non_null (strstr (stage.err.text, "nobody"));
}

static void impatient_request_without_worker_fails_at_once (void **state)
{
    zf_client_t *client = open_client (start_broker (NULL));
    zf_request_options_t options = within (PATIENCE_MS);
    options.fail_fast = true;
    assert_int_equal (ask (client, "nobody", &options), ZF_E_NO_SERVICE);
}

static void impatient_request_with_busy_workers_fails_at_once (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "slow", 1);
    AWAIT (has_workers (client, "slow", 1));
    zf_request_options_t options = within (PATIENCE_MS);
    options.fail_fast = true;
    assert_int_equal (
        zf_client_request_async (client, "slow", "?", 1, &options, NULL, NULL, NULL, NULL), 0);
    zf_message_t message = take_text (worker, "?", 1);
    assert_int_equal (ask (client, "slow", &options), ZF_E_BUSY);
    assert_int_equal (zf_worker_reply (worker, &message, "done", 4, NULL), 0);
    zf_message_t reply;
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, NULL), 0);
    assert_int_equal (reply.code, 0);
    zf_message_release (&reply);
}

static void refused_request_says_why (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    start_service (broker, "never", serve_refusal);
    zf_client_t *client = open_client (broker);
    assert_int_equal (ask (client, "never", NULL), ZF_E_REJECTED);
    assert_non_null (strstr (stage.err.text, "not on sundays"));
    zf_message_t reply;
    assert_int_equal (
        zf_client_request_async (client, "never", "?", 1, NULL, NULL, NULL, NULL, NULL), 0);
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, NULL), 0);
    assert_int_equal (reply.code, ZF_E_REJECTED);
    assert_memory_equal (reply.body, "not on sundays", reply.size);
    zf_message_release (&reply);
}

static void request_given_up_says_so (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    start_service (broker, "fails", serve_failure);
    zf_client_t *client = open_client (broker);
    assert_int_equal (ask (client, "fails", NULL), ZF_E_DEAD);
    AWAIT (has_length (client, "fails.dead", 1));
}

static void request_too_big_is_refused_here (void **state)
{
    const char *endpoint = "inproc://small-messages";
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    options.max_message_bytes = 4096;
    zf_device_t *broker = start_broker (&options);
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "echo", 1);
    char body[8192] = "big";
    post (client, "other", "to be greeted");
    zf_message_t reply;
    int rc = zf_client_request (client, "echo", body, sizeof body, NULL, &reply, &stage.err);
    assert_int_equal (rc, ZF_E_TOO_BIG);
    assert_int_equal (
        zf_client_request_async (client, "echo", "?", 1, NULL, NULL, NULL, NULL, NULL), 0);
    zf_message_t message = take (worker);
    rc = zf_worker_reply (worker, &message, body, sizeof body, NULL);
    assert_int_equal (rc, ZF_E_TOO_BIG);
    assert_int_equal (zf_worker_reply (worker, &message, body, 100, NULL), 0); /* it was kept */
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, NULL), 0);
    assert_int_equal (reply.size, 100);
    zf_message_release (&reply);
}

static void request_without_a_broker_says_where_it_looked (void **state)
{
    zf_client_t *client = open_client_at ("tcp://127.0.0.1:1");
    zf_request_options_t options = within (50);
    assert_int_equal (ask (client, "echo", &options), ZF_E_TIMEOUT);
    assert_non_null (strstr (stage.err.text, "no broker answered at tcp://127.0.0.1:1"));
}

static void async_request_times_out_on_time_while_another_waits (void **state)
{
    clear_heard ();
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_request_options_t options = within (50);
    uint64_t start = zf_clock_ms ();
    assert_int_equal (
        zf_client_request_async (client, "nobody", "?", 1, &options, on_reply, &heard, NULL, NULL),
        0);
    zf_message_t none;
    assert_int_equal (zf_client_next_reply (client, &none, 250, NULL), ZF_E_TIMEOUT);
    assert_int_equal (heard.ends, 1);
    assert_true (heard.code == ZF_E_TIMEOUT || heard.code == ZF_E_EXPIRED);
    assert_in_range (zf_clock_ms () - start, 249, PATIENCE_MS);
}

static void closing_ends_what_is_under_way (void **state)
{
    clear_heard ();
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_client_t *other = open_client (broker);
    post (client, "other", "to be connected");
    for (int i = 0; i < 100; i++) {
        zf_client_request_async (client, "nobody", "?", 1, NULL, on_reply, &heard, NULL, NULL);
        zf_client_request_async (client, "nobody", "?", 1, NULL, NULL, NULL, NULL, NULL);
    }
    AWAIT (has_length (other, "nobody", 200));
    close_client (client);
    assert_int_equal (heard.ends, 100);
    assert_int_equal (heard.code, ZF_E_CLOSED);
    AWAIT (has_length (other, "nobody", 0)); /* nobody waits for the answers any more */
    assert_int_equal (figure (broker, "abandoned"), 200);
}

static void requests_beyond_the_limit_are_put_off (void **state)
{
    zf_client_t *client = open_client_at ("tcp://127.0.0.1:1");
    for (int i = 0; i < 65536; i++) {
        int rc = zf_client_request_async (client, "a", "?", 1, NULL, NULL, NULL, NULL, NULL);
        assert_int_equal (rc, 0);
    }
    assert_int_equal (
        zf_client_request_async (client, "a", "?", 1, NULL, NULL, NULL, NULL, &stage.err),
        ZF_E_AGAIN);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (request_gets_its_answer),
        CASE (answer_may_be_a_megabyte_or_nothing),
        CASE (answer_carries_frames_and_headers),
        CASE (parts_come_to_the_callback_before_the_end),
        CASE (parts_are_fetched_one_by_one),
        CASE (part_not_handed_over_in_time_is_taken_back),
        CASE (request_does_not_return_while_its_part_is_handed_over),
        CASE (no_reply_yet_is_said_in_words),
        CASE (fifty_thousand_at_once_are_answered_over_tcp),
        CASE (fifty_thousand_at_once_are_answered_over_inproc),
        CASE (request_nobody_serves_times_out),
        CASE (request_expires_at_the_broker_by_its_own_ttl),
        CASE (impatient_request_without_worker_fails_at_once),
        CASE (impatient_request_with_busy_workers_fails_at_once),
        CASE (refused_request_says_why),
        CASE (request_given_up_says_so),
        CASE (request_too_big_is_refused_here),
        CASE (request_without_a_broker_says_where_it_looked),
        CASE (async_request_times_out_on_time_while_another_waits),
        CASE (closing_ends_what_is_under_way),
        CASE (requests_beyond_the_limit_are_put_off),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
