/* Clients whose broker is not there yet, goes away, comes back, or can't be heard. */
#include "tests/devices/stage.h"
#include "tests/patterns/cable.h"

static cable_t *cable;

static int clear (void **state)
{
    stage_clear (state);
    cable_remove (&cable);
    return 0;
}

#define CABLE_CASE(name) cmocka_unit_test_teardown (name, clear)

/* An endpoint where nobody listens now. */
static const char *free_endpoint (void)
{
    static char endpoint[64];
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    stop_broker (broker);
    return endpoint;
}

static zf_device_t *start_at (const char *endpoint)
{
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    return start_broker (&options);
}

static zf_client_stats_t stats_of (zf_client_t *client)
{
    zf_client_stats_t stats;
    zf_client_process (client);
    zf_client_stats (client, &stats);
    return stats;
}

static bool is_connected (zf_client_t *client)
{
    return stats_of (client).connected;
}

/* Posts the numbers from..to without waiting. */
static void post_numbers (zf_client_t *client, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) {
        int rc = zf_client_post_async (client, "jobs", &i, sizeof i, NULL, NULL, &stage.err);
        assert_int_equal (rc, 0);
    }
}

/* Takes the numbers from..to from the queue, each of them once and in order. */
static void take_numbers (const zf_device_t *broker, uint64_t from, uint64_t to)
{
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    for (uint64_t i = from; i <= to; i++) {
        zf_message_t message = take (worker);
        assert_int_equal (message.size, sizeof i);
        assert_memory_equal (message.body, &i, sizeof i);
        ack (worker, &message);
    }
}

static void posts_before_the_broker_is_there_arrive (void **state)
{
    const char *endpoint = free_endpoint ();
    zf_client_t *client = open_client_at (endpoint);
    post_numbers (client, 1, 1000);
    zf_device_t *broker = start_at (endpoint);
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0);
    assert_true (has_length (client, "jobs", 1000));
    take_numbers (broker, 1, 1000);
}

static void worker_before_the_broker_is_there_works (void **state)
{
    const char *endpoint = free_endpoint ();
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    serve_with (open_worker_with ("echo", &options), serve_echo);
    expect_answer (open_client (start_at (endpoint)), "echo", "late", "late");
}

/* With so much patience, a peer that the broker mistakes for another is stuck. */
static void handles_that_come_and_go_are_greeted_each_time (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    zf_client_options_t of_client;
    zf_worker_options_t of_worker;
    zf_client_defaults (&of_client);
    zf_worker_defaults (&of_worker);
    of_client.endpoints = of_worker.endpoints = &endpoint;
    of_client.timeout_ms = PATIENCE_MS;
    of_client.failover_ms = of_worker.failover_ms = 600000;
    for (int i = 0; i < 3000; i++) {
        zf_client_t *client = open_client_with (&of_client);
        zf_worker_t *worker = open_worker_with ("jobs", &of_worker);
        assert_true (zf_client_fd (client) >= 0);
        post (client, "jobs", "one");
        zf_message_t message = take_text (worker, "one", 1); /* the last one's ack has arrived */
        ack (worker, &message);
        close_client (client);
        close_worker (worker);
    }
    AWAIT (figure (broker, "sessions") == 0);
}

static void post_without_a_broker_says_where_it_looked (void **state)
{
    const char *endpoint = "ipc:///tmp/zferry-nobody-is-here";
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = 50;
    zf_client_t *client = open_client_with (&options);
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, NULL, &stage.err), ZF_E_TIMEOUT);
    assert_non_null (strstr (stage.err.text, endpoint));
    assert_int_equal (zf_client_flush (client, 10, &stage.err), ZF_E_TIMEOUT);
    assert_non_null (strstr (stage.err.text, endpoint));
    assert_int_equal (zf_admin_purge (client, "jobs", NULL, &stage.err), ZF_E_TIMEOUT);
    assert_false (is_connected (client));
}

static void posts_under_way_when_the_broker_restarts_arrive_once (void **state)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_length = 1000; /* the others wait unconfirmed */
    zf_device_t *broker = start_broker_with (&policy);
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    zf_client_t *client = open_client (broker);
    post_numbers (client, 1, 20000);
    AWAIT (stats_of (client).confirmed >= 900);
    stop_broker (broker);
    uint64_t confirmed = stats_of (client).confirmed; /* those went with it */
    assert_in_range (confirmed, 900, 1000);
    broker = start_at (endpoint);
    post_numbers (client, 20001, 30000);
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0);
    assert_true (has_length (client, "jobs", 30000 - confirmed));
    take_numbers (broker, confirmed + 1, 30000);
    assert_int_equal (stats_of (client).reconnects, 1);
}

static void post_too_big_for_the_broker_that_came_back_is_refused (void **state)
{
    static char big[100000];
    char endpoint[64];
    const char *same = endpoint;
    zf_broker_options_t smaller;
    zf_broker_defaults (&smaller);
    smaller.endpoints = &same;
    smaller.max_message_bytes = 16384;
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "to know what it takes");
    stop_broker (broker);
    int rc = zf_client_post_async (client, "jobs", big, sizeof big, NULL, NULL, &stage.err);
    assert_int_equal (rc, 0);
    assert_int_equal (zf_client_post_async (client, "other", "small", 5, NULL, NULL, NULL), 0);
    start_broker (&smaller);
    assert_int_equal (zf_client_flush (client, 5000, &stage.err), ZF_E_TOO_BIG);
    assert_true (has_length (client, "other", 1));
    post (client, "jobs", "behind it");
    assert_true (has_length (client, "jobs", 1));
    assert_int_equal (stats_of (client).refused, 1);
    assert_int_equal (stats_of (client).reconnects, 1); /* it was not cut off for it */
}

static void post_whose_confirm_was_lost_arrives_once (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *direct = open_client (broker);
    cable = cable_lay (broker);
    zf_client_t *client = open_client_at (cable_endpoint (cable));
    post (client, "jobs", "first");
    cable_set (cable, CABLE_MUTE);
    post_numbers (client, 1, 100);
    assert_int_equal (zf_client_flush (client, 0, &stage.err), ZF_E_TIMEOUT);
    AWAIT (has_length (direct, "jobs", 101)); /* they are there, and the client does not know */
    cable_renew (cable);
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0);
    zf_queue_info_t info = look_at (direct, "jobs");
    assert_int_equal (info.length, 101);
    assert_int_equal (info.duplicates, 100);
    assert_int_equal (stats_of (client).confirmed, 101);
}

/* Waits with its lock held, on a thread of its own. */
static void *post_together (void *arg)
{
    const zf_post_t posts[] = {{"a", "1", 1, NULL}, {"b", "2", 1, NULL}};
    must (zf_client_post_many (arg, posts, 2, NULL) == 0);
    return NULL;
}

static void atomic_post_whose_outcome_was_lost_arrives_once (void **state)
{
    pthread_t thread;
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *direct = open_client (broker);
    cable = cable_lay (broker);
    zf_client_t *client = open_client_at (cable_endpoint (cable));
    post (client, "jobs", "first");
    cable_set (cable, CABLE_MUTE);
    assert_int_equal (pthread_create (&thread, NULL, post_together, client), 0);
    AWAIT (has_length (direct, "b", 1));
    cable_renew (cable);
    pthread_join (thread, NULL);
    assert_true (has_length (direct, "a", 1));
    assert_true (has_length (direct, "b", 1));
}

static void request_survives_its_connection_and_is_served_once (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    cable = cable_lay (broker);
    zf_worker_t *worker = open_worker (broker, "echo", 10);
    zf_client_t *client = open_client_at (cable_endpoint (cable));
    assert_int_equal (
        zf_client_request_async (client, "echo", "?", 1, NULL, NULL, NULL, NULL, NULL), 0);
    zf_message_t message = take_text (worker, "?", 1);
    for (int i = 0; i < 3; i++) {
        uint64_t before = stats_of (client).reconnects;
        cable_cut (cable);
        AWAIT (stats_of (client).reconnects > before);
    }
    look_at (client,
             "echo"); /* the broker has heard the request again before it hears the answer */
    assert_int_equal (zf_worker_reply (worker, &message, "!", 1, NULL), 0);
    zf_message_t reply;
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_int_equal (reply.code, 0);
    zf_message_release (&reply);
    assert_int_equal (look_at (client, "echo").delivered, 1);
    assert_int_equal (zf_worker_recv (worker, &message, 0, NULL), ZF_E_AGAIN);
}

static void request_whose_answer_was_lost_is_asked_again (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    cable = cable_lay (broker);
    zf_worker_t *worker = open_worker (broker, "echo", 10);
    zf_client_t *client = open_client_at (cable_endpoint (cable));
    post (client, "jobs", "to be connected");
    cable_set (cable, CABLE_MUTE);
    assert_int_equal (
        zf_client_request_async (client, "echo", "?", 1, NULL, NULL, NULL, NULL, NULL), 0);
    zf_message_t message = take_text (worker, "?", 1);
    assert_int_equal (zf_worker_reply (worker, &message, "lost", 4, NULL), 0);
    assert_int_equal (zf_worker_drain (worker, PATIENCE_MS, &stage.err), 0); /* it was passed on */
    cable_renew (cable);
    message = take_text (open_worker (broker, "echo", 10), "?", 1);
    assert_int_equal (zf_worker_reply (stage.workers[1], &message, "found", 5, NULL), 0);
    zf_message_t reply;
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_int_equal (reply.size, 5);
    zf_message_release (&reply);
}

static void request_without_retries_ends_with_its_connection (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    cable = cable_lay (broker);
    zf_client_t *client = open_client_at (cable_endpoint (cable));
    zf_request_options_t options;
    zf_request_defaults (&options);
    options.retries = 0;
    post (client, "jobs", "to be connected");
    assert_int_equal (
        zf_client_request_async (client, "nobody", "?", 1, &options, NULL, NULL, NULL, NULL), 0);
    AWAIT (figure (broker, "queues") == 2);
    cable_cut (cable);
    zf_message_t reply;
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_int_equal (reply.code, ZF_E_TIMEOUT);
    assert_non_null (memmem (reply.body, reply.size, "no retry", 8));
    zf_message_release (&reply);
}

static void client_of_two_brokers_goes_on_with_the_other (void **state)
{
    zf_device_t *one = start_broker (NULL);
    zf_device_t *two = start_broker (NULL);
    const char *endpoints[] = {endpoint_of (one), endpoint_of (two)};
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    options.failover_ms = 300;
    options.timeout_ms = PATIENCE_MS;
    zf_client_t *client = open_client_with (&options);
    post (client, "jobs", "for one");
    stop_broker (one);
    uint64_t start = zf_clock_ms ();
    post (client, "jobs", "for two");
    assert_in_range (zf_clock_ms () - start, 0, 5000);
    assert_int_equal (look_at (client, "jobs").length, 1);
    assert_int_equal (stats_of (client).reconnects, 1);
    start_service (two, "echo", serve_echo);
    expect_answer (client, "echo", "hello", "hello");
}

static void broker_that_falls_silent_is_left_for_the_other (void **state)
{
    zf_device_t *one = start_broker (NULL);
    zf_device_t *two = start_broker (NULL);
    cable = cable_lay (one);
    start_service (two, "echo", serve_echo);
    const char *endpoints[] = {cable_endpoint (cable), endpoint_of (two)};
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    options.failover_ms = 300;
    options.timeout_ms = PATIENCE_MS;
    zf_client_t *client = open_client_with (&options);
    post (client, "jobs", "for one");
    cable_set (cable, CABLE_DEAD);
    uint64_t start = zf_clock_ms ();
    expect_answer (client, "echo", "hello", "hello"); /* in a blocking call, by its own thread */
    assert_in_range (zf_clock_ms () - start, 250, 5000);
}

static void worker_of_two_brokers_serves_both (void **state)
{
    zf_device_t *one = start_broker (NULL);
    zf_device_t *two = start_broker (NULL);
    const char *endpoints[] = {endpoint_of (one), endpoint_of (two)};
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    zf_worker_t *worker = open_worker_with ("echo", &options);
    serve_with (worker, serve_echo);
    zf_client_t *of_one = open_client (one);
    zf_client_t *of_two = open_client (two);
    for (int i = 0; i < 100; i++) {
        expect_answer (of_one, "echo", "one", "one");
        expect_answer (of_two, "echo", "two", "two");
    }
    zf_worker_stats_t stats;
    zf_worker_stats (worker, &stats);
    assert_int_equal (stats.connected, 2);
    stop_broker (one);
    expect_answer (of_two, "echo", "two", "two");
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (posts_before_the_broker_is_there_arrive),
        CASE (worker_before_the_broker_is_there_works),
        CASE (handles_that_come_and_go_are_greeted_each_time),
        CASE (post_without_a_broker_says_where_it_looked),
        CASE (posts_under_way_when_the_broker_restarts_arrive_once),
        CASE (post_too_big_for_the_broker_that_came_back_is_refused),
        CABLE_CASE (post_whose_confirm_was_lost_arrives_once),
        CABLE_CASE (atomic_post_whose_outcome_was_lost_arrives_once),
        CABLE_CASE (request_survives_its_connection_and_is_served_once),
        CABLE_CASE (request_whose_answer_was_lost_is_asked_again),
        CABLE_CASE (request_without_retries_ends_with_its_connection),
        CASE (client_of_two_brokers_goes_on_with_the_other),
        CABLE_CASE (broker_that_falls_silent_is_left_for_the_other),
        CASE (worker_of_two_brokers_serves_both),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
