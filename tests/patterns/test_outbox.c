/* Clients with an outbox: a post is safe when it returns, and arrives when it can. */
#include "tests/patterns/link_stage.h"

/* A client whose posts go into the temporary directory first. */
static zf_client_t *open_outbox (const char *endpoint)
{
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = PATIENCE_MS;
    options.failover_ms = 1000;
    options.outbox = links.dir;
    return open_client_with (&options);
}

static uint64_t backlog (zf_client_t *client)
{
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    return stats.backlog;
}

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

static void post_with_no_broker_is_safe_and_arrives_later (void **state)
{
    const char *endpoint = free_endpoint ();
    temporary_directory ();
    zf_client_t *client = open_outbox (endpoint);
    post (client, "jobs", "first");
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    assert_int_equal (stats.confirmed, 1);
    assert_int_equal (stats.backlog, 1);
    assert_int_equal (stats.sync, ZF_SYNC_ALWAYS);
    zf_device_t *broker = start_at (endpoint);
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_message_t message = take_text (worker, "first", 1);
    ack (worker, &message);
    AWAIT (backlog (client) == 0);
}

static void records_of_many_queues_arrive_in_order (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    temporary_directory ();
    zf_client_t *client = open_outbox (endpoint_of (broker));
    for (uint64_t i = 1; i <= 1000; i++) {
        post_numbers (client, "a", i, i);
        post_numbers (client, "b", i, i);
        post_numbers (client, "c", i, i);
    }
    flush_posts (client);
    take_numbers (open_worker (broker, "a", 0), 1, 1000);
    take_numbers (open_worker (broker, "b", 0), 1, 1000);
    take_numbers (open_worker (broker, "c", 0), 1, 1000);
    AWAIT (backlog (client) == 0);
}

static void next_one_who_opens_it_goes_on (void **state)
{
    const char *endpoint = free_endpoint ();
    temporary_directory ();
    zf_client_t *client = open_outbox (endpoint);
    post_numbers (client, "a", 1, 500);
    post_numbers (client, "b", 1, 500);
    flush_posts (client);
    close_client (client);
    zf_device_t *broker = start_at (endpoint);
    client = open_outbox (endpoint);
    take_numbers (open_worker (broker, "a", 0), 1, 500);
    take_numbers (open_worker (broker, "b", 0), 1, 500);
    AWAIT (backlog (client) == 0);
}

static void closed_again_and_again_it_repeats_nothing (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    temporary_directory ();
    for (uint64_t i = 0; i < 10; i++) {
        zf_client_t *client = open_outbox (endpoint_of (broker));
        post_numbers (client, "jobs", 1000 * i + 1, 1000 * (i + 1));
        flush_posts (client);
        close_client (client); /* some are under way */
    }
    open_outbox (endpoint_of (broker));
    take_numbers (open_worker (broker, "jobs", 0), 1, 10000);
    zf_client_t *far = open_client (broker);
    AWAIT (has_length (far, "jobs", 0));
}

static void link_from_the_directory_takes_all_queues (void **state)
{
    const char *endpoint = free_endpoint ();
    temporary_directory ();
    zf_client_t *client = open_outbox (endpoint);
    post_numbers (client, "a", 1, 100);
    post_numbers (client, "b", 1, 100);
    flush_posts (client);
    close_client (client);
    zf_device_t *broker = start_at (endpoint);
    zf_link_options_t options = link_options (links.dir, NULL, &endpoint);
    zf_device_t *link = start_link_with (&options);
    take_numbers (open_worker (broker, "a", 0), 1, 100);
    take_numbers (open_worker (broker, "b", 0), 1, 100);
    AWAIT (figure (link, "looks") > 0 && figure (link, "backlog") == 0);
    assert_int_equal (figure (link, "confirmed"), 200);
}

static void link_from_the_directory_takes_one_queue (void **state)
{
    const char *endpoint = free_endpoint ();
    temporary_directory ();
    zf_client_t *client = open_outbox (endpoint);
    post_numbers (client, "a", 1, 100);
    post_numbers (client, "b", 1, 100);
    flush_posts (client);
    close_client (client);
    zf_device_t *broker = start_at (endpoint);
    zf_link_options_t options = link_options (links.dir, "b", &endpoint);
    options.to_queue = "c";
    zf_device_t *link = start_link_with (&options);
    take_numbers (open_worker (broker, "c", 0), 1, 100);
    AWAIT (figure (link, "looks") > 0 && figure (link, "backlog") == 0);
    assert_int_equal (figure (link, "confirmed"), 100);
    stop_link (link);
    assert_int_equal (backlog (open_outbox (endpoint)), 100); /* those of queue a */
}

static void outbox_has_one_owner_at_a_time (void **state)
{
    const char *endpoint = free_endpoint ();
    temporary_directory ();
    zf_client_options_t options;
    zf_client_t *second;
    open_outbox (endpoint);
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.outbox = links.dir;
    assert_int_equal (zf_client_open (&second, &options, &stage.err), ZF_E_BUSY);
    assert_null (second);
    assert_non_null (strstr (stage.err.text, links.dir));
}

static void endpoint_that_cannot_be_is_said_at_once (void **state)
{
    const char *endpoint = "nonsense://x";
    zf_client_options_t options;
    zf_client_t *client;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.outbox = temporary_directory ();
    assert_int_equal (zf_client_open (&client, &options, &stage.err), ZF_E_ADDRESS);
    assert_null (client);
}

static void what_needs_the_far_broker_is_refused (void **state)
{
    temporary_directory ();
    zf_client_t *client = open_outbox (free_endpoint ());
    zf_message_t reply;
    zf_queue_info_t info;
    zf_post_t posts[2] = {{"a", "x", 1, NULL}, {"b", "y", 1, NULL}};
    assert_int_equal (zf_client_request (client, "s", "x", 1, NULL, &reply, NULL), ZF_E_INVAL);
    assert_int_equal (zf_admin_queue (client, "a", &info, NULL), ZF_E_INVAL);
    assert_int_equal (zf_client_post_many (client, posts, 2, NULL), ZF_E_INVAL);
    assert_int_equal (zf_client_post (client, "a.dead", "x", 1, NULL, NULL), ZF_E_INVAL);
    assert_int_equal (zf_client_post (client, "zf.a", "x", 1, NULL, NULL), ZF_E_INVAL);
    assert_int_equal (backlog (client), 0);
    posts[1].queue = "a";
    assert_int_equal (zf_client_post_many (client, posts, 2, NULL), 0);
    assert_int_equal (backlog (client), 2);
}

static void one_queue_too_many_is_refused (void **state)
{
    char name[16];
    temporary_directory ();
    zf_client_t *client = open_outbox (free_endpoint ());
    for (int i = 0; i < 64; i++) {
        snprintf (name, sizeof name, "queue-%d", i);
        post (client, name, "x");
    }
    assert_int_equal (zf_client_post (client, "another", "x", 1, NULL, &stage.err), ZF_E_LIMIT);
    post (client, "queue-0", "y");
    assert_int_equal (backlog (client), 65);
}

static void record_too_big_for_the_target_holds_nothing_up (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    static const char big[20000];
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.max_message_bytes = 4096;
    zf_device_t *broker = start_broker (&options);
    temporary_directory ();
    zf_client_t *client = open_outbox (endpoint_of (broker));
    post_numbers (client, "jobs", 1, 10);
    assert_int_equal (zf_client_post (client, "jobs", big, sizeof big, NULL, NULL), 0);
    post_numbers (client, "jobs", 11, 20);
    take_numbers (open_worker (broker, "jobs", 0), 1, 20);
    AWAIT (backlog (client) == 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        LINK_CASE (post_with_no_broker_is_safe_and_arrives_later),
        LINK_CASE (records_of_many_queues_arrive_in_order),
        LINK_CASE (next_one_who_opens_it_goes_on),
        LINK_CASE (closed_again_and_again_it_repeats_nothing),
        LINK_CASE (link_from_the_directory_takes_all_queues),
        LINK_CASE (link_from_the_directory_takes_one_queue),
        LINK_CASE (outbox_has_one_owner_at_a_time),
        LINK_CASE (endpoint_that_cannot_be_is_said_at_once),
        LINK_CASE (what_needs_the_far_broker_is_refused),
        LINK_CASE (one_queue_too_many_is_refused),
        LINK_CASE (record_too_big_for_the_target_holds_nothing_up),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
