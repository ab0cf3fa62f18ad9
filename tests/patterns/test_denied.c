/* What handles say when the broker's rules do not let them: each kind of call gets ZF_E_DENIED with
 * words, and goes on when the rules have changed. */
#include "tests/patterns/vault.h"

/* A broker whose rules can be changed. */
static struct {
    zf_device_t *broker;
    zf_security_t *security;
    char rules[PATH_TEXT]; /* the file */
} court;

static void write_rules (const char *text)
{
    char path[PATH_TEXT + 8];
    snprintf (path, sizeof path, "%s.new", court.rules);
    FILE *file = fopen (path, "w");
    assert_non_null (file);
    fputs (text, file);
    assert_int_equal (fclose (file), 0);
    assert_int_equal (rename (path, court.rules), 0);
}

static void change_rules (const char *text)
{
    write_rules (text);
    if (zf_security_reload (court.security, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
}

static void open_court (const char *rules)
{
    static const char *const any_port[] = {ANY_PORT};
    char key[PATH_TEXT], in[PATH_TEXT];
    zf_security_options_t options;
    zf_broker_options_t broker;
    make_key ("broker");
    make_key ("anna");
    authorise ("anna");
    vault_path (court.rules, "rules", "");
    write_rules (rules);
    zf_security_defaults (&options);
    options.key = vault_path (key, "broker", "");
    options.authorised = vault_path (in, "in", "");
    options.rules = court.rules;
    court.security = secure_with (&options);
    zf_broker_defaults (&broker);
    broker.endpoints = any_port;
    broker.security = court.security;
    court.broker = start_broker (&broker);
}

static zf_client_t *client_of_anna (void)
{
    const char *endpoint = endpoint_of (court.broker);
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.security = secure ("anna", "broker", NULL);
    return open_client_with (&options);
}

static zf_worker_t *worker_of_anna (const char *queue)
{
    const char *endpoint = endpoint_of (court.broker);
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.security = secure ("anna", "broker", NULL);
    return open_worker_with (queue, &options);
}

static zf_subscriber_t *subscriber_of_anna (const char *stream, const char *group)
{
    const char *endpoint = endpoint_of (court.broker);
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = &endpoint;
    options.stream = stream;
    options.group = group;
    options.security = secure ("anna", "broker", NULL);
    return open_subscriber_with (&options);
}

static void expect_words (int rc, const char *words)
{
    if (rc != ZF_E_DENIED || strstr (stage.err.text, words) == NULL)
        fail_msg ("%d: %s", rc, stage.err.text);
}

/* -- clients ----------------------------------------------------------------------------------- */

static void post_is_denied_in_words (void **state)
{
    (void) state;
    open_court ("anna post other\n");
    zf_client_t *anna = client_of_anna ();
    expect_words (zf_client_post (anna, "jobs", "x", 1, NULL, &stage.err), "jobs");
    assert_int_equal (zf_client_post (anna, "other", "x", 1, NULL, &stage.err), 0);
    assert_int_equal (zf_client_post_async (anna, "jobs", "x", 1, NULL, NULL, &stage.err), 0);
    expect_words (zf_client_flush (anna, -1, &stage.err), "refused");
    zf_post_t posts[] = {{.queue = "jobs", .body = "x", .size = 1}};
    expect_words (zf_client_post_many (anna, posts, 1, &stage.err), "not allowed");
    assert_int_equal (figure (court.broker, "queues"), 1);
    assert_true (figure (court.broker, "denied") >= 3);
    change_rules ("anna post jobs\n");
    AWAIT (zf_client_post (anna, "jobs", "x", 1, NULL, &stage.err) == 0);
}

static void request_is_denied_in_words (void **state)
{
    (void) state;
    zf_message_t reply;
    open_court ("anna post other\n");
    zf_client_t *anna = client_of_anna ();
    expect_words (zf_client_request (anna, "echo", "x", 1, NULL, &reply, &stage.err),
                  "may not post to 'echo'");
}

static void administering_is_denied_in_words (void **state)
{
    (void) state;
    zf_queue_info_t info;
    open_court ("anna post jobs\n");
    zf_client_t *anna = client_of_anna ();
    expect_words (zf_admin_queue (anna, "jobs", &info, &stage.err), "may not administer 'jobs'");
}

/* -- workers ----------------------------------------------------------------------------------- */

static void worker_is_denied_rather_than_left_waiting (void **state)
{
    (void) state;
    zf_message_t message;
    open_court ("anna post jobs\n");
    zf_worker_t *anna = worker_of_anna ("jobs");
    expect_words (zf_worker_recv (anna, &message, -1, &stage.err), "may not consume from 'jobs'");
    expect_words (zf_worker_recv (anna, &message, 0, &stage.err), "may not consume from 'jobs'");
    change_rules ("anna post,consume jobs\n");
    zf_client_t *client = client_of_anna ();
    AWAIT (zf_client_post (client, "jobs", "x", 1, NULL, &stage.err) == 0);
    AWAIT (zf_worker_recv (anna, &message, 100, &stage.err) == 0); /* it has asked again */
    assert_int_equal (zf_worker_ack (anna, &message), 0);
}

static void worker_whose_right_ends_is_told (void **state)
{
    (void) state;
    zf_message_t message, other;
    open_court ("anna post,consume jobs\n");
    zf_client_t *client = client_of_anna ();
    zf_worker_t *anna = worker_of_anna ("jobs");
    assert_int_equal (zf_client_post (client, "jobs", "x", 1, NULL, &stage.err), 0);
    assert_int_equal (zf_worker_recv (anna, &message, 5000, &stage.err), 0);
    change_rules ("anna post jobs\n");
    expect_words (zf_worker_recv (anna, &other, -1, &stage.err), "may not consume from 'jobs'");
    AWAIT (figure (court.broker, "acked") == 0 && figure (court.broker, "records") == 1);
    AWAIT (zf_worker_recv (anna, &other, 0, &stage.err) == ZF_E_DENIED);
    zf_worker_ack (anna, &message);
    zf_worker_recv (anna, &other, 10, &stage.err); /* tells what was acked, if it was */
    assert_int_equal (figure (court.broker, "acked"), 0);
}

static void key_that_is_not_let_in_ends_the_wait (void **state)
{
    (void) state;
    zf_message_t message;
    open_court ("anna consume,subscribe *\n");
    withdraw_key ("anna");
    zf_worker_t *anna = worker_of_anna ("jobs");
    expect_words (zf_worker_recv (anna, &message, -1, &stage.err), "key not authorised");
    zf_subscriber_t *sub = subscriber_of_anna ("news", NULL);
    expect_words (zf_subscriber_recv (sub, &message, -1, &stage.err), "key not authorised");
    expect_words (zf_subscriber_ready (sub, -1, &stage.err), "key not authorised");
    authorise ("anna");
    AWAIT (zf_subscriber_ready (sub, -1, &stage.err) == 0);
}

/* -- subscribers ------------------------------------------------------------------------------- */

static void subscriber_is_denied_rather_than_left_waiting (void **state)
{
    (void) state;
    zf_message_t message;
    open_court ("anna publish news\n");
    zf_subscriber_t *anna = subscriber_of_anna ("news", NULL);
    expect_words (zf_subscriber_ready (anna, -1, &stage.err), "may not subscribe to");
    expect_words (zf_subscriber_recv (anna, &message, -1, &stage.err), "may not subscribe to");
    change_rules ("anna subscribe news\n");
    AWAIT (zf_subscriber_ready (anna, -1, &stage.err) == 0); /* it has asked again */
    change_rules ("anna publish news\n");
    expect_words (zf_subscriber_recv (anna, &message, -1, &stage.err),
                  "may not subscribe to 'news'");
}

static void member_of_a_group_is_denied_rather_than_left_waiting (void **state)
{
    (void) state;
    zf_message_t message;
    open_court ("anna publish news\n");
    zf_subscriber_t *anna = subscriber_of_anna ("news", "night");
    expect_words (zf_subscriber_recv (anna, &message, -1, &stage.err), "may not");
    change_rules ("anna consume news\n");
    AWAIT (zf_subscriber_ready (anna, -1, &stage.err) == 0);
    change_rules ("anna publish news\n");
    expect_words (zf_subscriber_recv (anna, &message, -1, &stage.err), "may not");
}

static void publisher_is_denied_in_words (void **state)
{
    (void) state;
    open_court ("anna subscribe news\n");
    const char *endpoint = endpoint_of (court.broker);
    zf_publisher_options_t options;
    zf_publisher_defaults (&options);
    options.endpoints = &endpoint;
    options.stream = "news";
    options.security = secure ("anna", "broker", NULL);
    zf_publisher_t *anna = open_publisher_with (&options);
    expect_words (zf_publisher_publish_confirmed (anna, "t", "x", 1, NULL, &stage.err), "news");
    change_rules ("anna publish news\n");
    AWAIT (zf_publisher_publish_confirmed (anna, "t", "x", 1, NULL, &stage.err) == 0);
    change_rules ("anna post news\n");
    AWAIT (zf_publisher_wait (anna, "t", 1, 100, &stage.err) == ZF_E_DENIED);
}

#define DENIED_CASE(test) cmocka_unit_test_setup_teardown (test, vault_set, vault_clear)

int main (void)
{
    const struct CMUnitTest tests[] = {
        DENIED_CASE (post_is_denied_in_words),
        DENIED_CASE (request_is_denied_in_words),
        DENIED_CASE (administering_is_denied_in_words),
        DENIED_CASE (worker_is_denied_rather_than_left_waiting),
        DENIED_CASE (worker_whose_right_ends_is_told),
        DENIED_CASE (key_that_is_not_let_in_ends_the_wait),
        DENIED_CASE (subscriber_is_denied_rather_than_left_waiting),
        DENIED_CASE (member_of_a_group_is_denied_rather_than_left_waiting),
        DENIED_CASE (publisher_is_denied_in_words),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
