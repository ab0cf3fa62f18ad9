/* Subscribers with a group: they share the work, and what is not done is done again. */
#include "tests/patterns/events.h"

/* The next message of either of the two, in turn as far as both have some. */
static zf_subscriber_t *take_of_two (zf_subscriber_t *members[2], size_t turn,
                                     zf_message_t *message)
{
    zf_subscriber_t *first = members[turn % 2];
    zf_subscriber_t *second = members[(turn + 1) % 2];
    zf_subscriber_t *who = NULL;
    AWAIT (zf_subscriber_recv (who = first, message, 1, NULL) == 0 ||
           zf_subscriber_recv (who = second, message, 1, NULL) == 0);
    return who;
}

static void group_shares_the_work (void **state)
{
    enum { COUNT = 100 };
    bool seen[COUNT] = {false};
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *members[] = {open_member (broker, "g", NULL), open_member (broker, "g", NULL)};
    zf_publisher_t *publisher = open_publisher (broker);
    for (uint64_t i = 0; i < COUNT; i++) /* one at a time: nobody gets all in one go */
        publish_numbers (publisher, "t", i, 1);
    for (size_t n = 0; n < COUNT; n++) {
        uint64_t number;
        zf_message_t message;
        zf_subscriber_t *who = take_of_two (members, n, &message);
        memcpy (&number, message.body, sizeof number);
        assert_true (number < COUNT && !seen[number]);
        seen[number] = true;
        ack_event (who, &message);
    }
    uint64_t one = stats_of (members[0]).received;
    uint64_t two = stats_of (members[1]).received;
    assert_true (one > 0 && two > 0);
    assert_int_equal (one + two, COUNT);
    assert_int_equal (stats_of (members[0]).position, 0);
}

static void group_and_those_alone_do_not_disturb_each_other (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *alone = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    zf_subscriber_t *a = open_member (broker, "a", NULL);
    zf_subscriber_t *b = open_member (broker, "b", "t.even");
    zf_publisher_t *publisher = open_publisher (broker);
    for (int i = 0; i < 10; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        publish (publisher, i % 2 == 0 ? "t.even" : "t.odd", text);
    }
    for (int i = 0; i < 10; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        const char *topic = i % 2 == 0 ? "t.even" : "t.odd";
        expect_event (alone, topic, text);
        expect_event (a, topic, text);
        if (i % 2 == 0)
            expect_event (b, topic, text);
    }
    zf_client_t *client = open_client (broker);
    AWAIT (look_at (client, "events@a").lag == 0);
    AWAIT (look_at (client, "events@b").lag == 0);
    assert_int_equal (look_at (client, "events").groups, 2);
    assert_int_equal (look_at (client, "events").subscribers, 1);
    assert_int_equal (look_at (client, "events").length, 10); /* it is a stream: all stay */
}

static void new_group_starts_with_the_first_record (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    publish_numbers (open_publisher (broker), "t", 0, 100);
    expect_numbers (open_member (broker, "g", NULL), 0, 100);
}

/* These numbers come, in any order; what was under way when a session ended comes
 * again. */
static void expect_each (zf_subscriber_t *subscriber, uint64_t first, uint64_t count)
{
    bool seen[100] = {false};
    for (uint64_t n = 0; n < count;) {
        uint64_t number;
        zf_message_t message = take_event (subscriber);
        memcpy (&number, message.body, sizeof number);
        assert_in_range (number, first, first + count - 1);
        assert_true (!seen[number - first] || message.attempt > 1);
        n += !seen[number - first];
        seen[number - first] = true;
        zf_subscriber_ack (subscriber, &message); /* stale, maybe */
    }
}

static void group_starts_where_it_is_told_and_only_once (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 100);
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    options.group = "g";
    options.start.from = ZF_FROM_NEW;
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    await_ready (subscriber);
    publish_numbers (publisher, "t", 100, 10);
    expect_numbers (subscriber, 100, 5);
    close_subscriber (subscriber);
    publish_numbers (publisher, "t", 110, 10);
    subscriber = open_subscriber_with (&options); /* it is there: start means nothing now */
    expect_each (subscriber, 105, 15);
}

static void nacked_message_comes_again (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_member (broker, "g", NULL);
    publish (open_publisher (broker), "t", "one");
    zf_message_t message = take_event (subscriber);
    assert_int_equal (message.attempt, 1);
    assert_int_equal (zf_subscriber_nack (subscriber, &message, 0), 0);
    message = take_event (subscriber);
    assert_int_equal (message.attempt, 2);
    assert_memory_equal (zf_message_topic (&message).data, "t", 1);
    ack_event (subscriber, &message);
    zf_client_t *client = open_client (broker);
    AWAIT (look_at (client, "events@g").lag == 0);
}

static void rejected_message_is_a_dead_letter_of_the_group (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_member (broker, "g", NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    publish (publisher, "t", "bad");
    publish (publisher, "t", "good");
    zf_message_t message = take_event (subscriber);
    assert_int_equal (zf_subscriber_reject (subscriber, &message, "it is bad"), 0);
    expect_event (subscriber, "t", "good");
    zf_client_t *client = open_client (broker);
    AWAIT (has_length (client, "events@g.dead", 1));
    message = take (open_worker (broker, "events@g.dead", 1));
    zf_death_t death;
    assert_true (zf_message_death (&message, &death));
    assert_memory_equal (death.reason.data, "it is bad", death.reason.size);
    assert_memory_equal (message.body, "bad", message.size);
    ack (stage.workers[0], &message);
}

static void member_that_leaves_gives_its_messages_to_others (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *one = open_member (broker, "g", NULL);
    publish_numbers (open_publisher (broker), "t", 0, 10);
    zf_message_t held = take_event (one);
    assert_int_equal (held.attempt, 1);
    close_subscriber (one);
    expect_each (open_member (broker, "g", NULL), 0, 10);
}

static int count_one (void *arg, const zf_message_t *message)
{
    uint64_t *count = arg;
    ++*count;
    return message->attempt == 1 && *count == 3 ? -77 : 0;
}

static void run_nacks_what_fails (void **state)
{
    uint64_t count = 0;
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_member (broker, "g", NULL);
    publish_numbers (open_publisher (broker), "t", 0, 5);
    assert_int_equal (zf_subscriber_run (subscriber, count_one, &count, 0, &stage.err), -77);
    assert_int_equal (count, 3);
    assert_int_equal (zf_subscriber_run (subscriber, count_one, &count, 3, &stage.err), 0);
    AWAIT (look_at (open_client (broker), "events@g").lag == 0);
}

static void group_survives_its_broker (void **state)
{
    char endpoint[64];
    zf_device_t *broker = start_durable (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    zf_subscriber_t *subscriber = open_member (broker, "g", NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    publish_numbers (publisher, "t", 0, 100);
    expect_numbers (subscriber, 0, 60);
    zf_client_t *client = open_client (broker);
    AWAIT (look_at (client, "events@g").lag == 40); /* it knows what was done */
    stop_broker (broker);
    start_durable (endpoint);
    publish_numbers (publisher, "t", 100, 10);
    expect_each (subscriber, 60, 50);
    AWAIT (look_at (client, "events@g").lag == 0);
    assert_true (stats_of (subscriber).reconnects > 0);
}

static void group_of_a_broker_that_forgot_it_is_made_again (void **state)
{
    char endpoint[64];
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    zf_subscriber_t *subscriber = open_member (broker, "g", NULL);
    stop_broker (broker);
    start_broker_at (endpoint);
    publish_numbers (open_publisher_at (endpoint), "t", 0, 10);
    expect_numbers (subscriber, 0, 10);
}

static void nobody_there_yet_is_waited_for (void **state)
{
    char endpoint[64];
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    stop_broker (broker);
    const char *at = endpoint;
    const char *all = NULL;
    zf_subscriber_options_t options = subscriber_options (&at, &all);
    options.group = "g";
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    assert_int_equal (zf_subscriber_ready (subscriber, 20, &stage.err), ZF_E_TIMEOUT);
    start_broker_at (endpoint);
    await_ready (subscriber);
    publish_numbers (open_publisher_at (endpoint), "t", 0, 3);
    expect_numbers (subscriber, 0, 3);
}

static void group_of_a_queue_is_refused (void **state)
{
    zf_message_t none;
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    post (open_client (broker), "events", "a job");
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    options.group = "g";
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    assert_int_equal (zf_subscriber_ready (subscriber, -1, &stage.err), ZF_E_INVAL);
    assert_int_equal (zf_subscriber_recv (subscriber, &none, -1, &stage.err), ZF_E_INVAL);
    assert_false (stats_of (subscriber).in_force);
}

static void one_broker_that_refuses_does_not_stop_the_other (void **state)
{
    zf_device_t *refusing = start_broker (NULL);
    zf_device_t *broker = start_broker (NULL);
    const char *endpoints[] = {endpoint_of (refusing), endpoint_of (broker)};
    const char *all = NULL;
    post (open_client (refusing), "events", "a job"); /* it is a queue there */
    zf_subscriber_options_t options = subscriber_options (endpoints, &all);
    options.endpoint_count = 2;
    options.group = "g";
    zf_subscriber_t *subscriber = open_subscriber_with (&options);
    zf_client_t *client = open_client (broker);
    AWAIT (stats_of (subscriber).in_force);
    zf_publisher_t *publisher = open_publisher (broker);
    AWAIT (has_workers (client, "events@g", 1));
    for (uint64_t i = 0; i < 50; i++) { /* each is waited for: the refusal comes in between */
        publish_numbers (publisher, "t", i, 1);
        expect_numbers (subscriber, i, 1);
    }
}

/* -- looking after streams and groups ---------------------------------------------------------- */

static void stream_is_made_once (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    assert_int_equal (zf_admin_stream (client, "news", &stage.err), 0);
    assert_int_equal (zf_admin_stream (client, "news", &stage.err), 0);
    zf_queue_info_t info = look_at (client, "news");
    assert_int_equal (info.policy.kind, ZF_KIND_STREAM);
    post (client, "jobs", "x");
    assert_int_equal (zf_admin_stream (client, "jobs", &stage.err), ZF_E_INVAL);
}

static void group_is_made_with_what_it_is_given (void **state)
{
    static const char *const patterns[] = {"a.*"};
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_publisher_t *publisher = open_publisher (broker);
    zf_group_options_t options;
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_attempts = 2;
    policy.backoff_min_ms = policy.backoff_max_ms = 1;
    zf_group_defaults (&options);
    options.patterns = patterns;
    options.pattern_count = 1;
    options.policy = &policy;
    options.start.from = ZF_FROM_NEW;
    assert_int_equal (zf_admin_group (client, "events", "g", &options, &stage.err), ZF_E_NOT_FOUND);
    publish (publisher, "a.b", "before");
    assert_int_equal (zf_admin_group (client, "events", "g", &options, &stage.err), 0);
    assert_int_equal (zf_admin_group (client, "events", "g", NULL, &stage.err), 0);
    publish (publisher, "a.b", "one");
    publish (publisher, "b", "two");
    publish (publisher, "a.c", "three");
    zf_worker_t *worker = open_worker (broker, "events@g", 1);
    zf_message_t message = take_text (worker, "one", 1);
    assert_int_equal (zf_worker_nack (worker, &message, 0), 0);
    message = take_text (worker, "one", 2);
    assert_int_equal (zf_worker_nack (worker, &message, 0), 0);
    message = take_text (worker, "three", 1); /* that was its last attempt */
    ack (worker, &message);
    AWAIT (has_length (client, "events@g.dead", 1));
    assert_int_equal (look_at (client, "events@g").policy.max_attempts, 2);
}

static void names_and_options_of_groups_are_checked (void **state)
{
    static const char *const wrong[] = {"a..b"};
    zf_client_t *client = open_client_at ("tcp://127.0.0.1:1");
    zf_group_options_t options = {0};
    assert_int_equal (zf_admin_group (client, "s", "g", &options, NULL), ZF_E_INVAL);
    assert_int_equal (zf_admin_group (client, "", "g", NULL, NULL), ZF_E_INVAL);
    assert_int_equal (zf_admin_group (client, "s", "", NULL, NULL), ZF_E_INVAL);
    assert_int_equal (zf_admin_group (client, "s", NULL, NULL, NULL), ZF_E_INVAL);
    assert_int_equal (zf_admin_group (client, "s", "g@h", NULL, NULL), ZF_E_INVAL);
    zf_group_defaults (&options);
    options.patterns = wrong;
    options.pattern_count = 1;
    assert_int_equal (zf_admin_group (client, "s", "g", &options, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "a..b"));
    zf_group_defaults (&options);
    options.pattern_count = 257;
    assert_int_equal (zf_admin_group (client, "s", "g", &options, NULL), ZF_E_INVAL);
    zf_group_defaults (&options);
    options.start.from = (zf_from_t) 9;
    assert_int_equal (zf_admin_group (client, "s", "g", &options, NULL), ZF_E_INVAL);
}

static void what_is_trimmed_is_gone (void **state)
{
    uint64_t count = 0;
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_publisher_t *publisher = open_publisher (broker);
    for (uint64_t i = 0; i < 10; i++)
        publish_numbers (publisher, "t", i * 100, 100);
    uint64_t next = look_at (client, "events").next;
    assert_int_equal (zf_admin_trim (client, "events", 0, &count, &stage.err), 0);
    assert_int_equal (count, 0);
    assert_int_equal (zf_admin_trim (client, "events", next, &count, &stage.err), 0);
    assert_int_equal (count, 1000);
    zf_queue_info_t info = look_at (client, "events");
    assert_int_equal (info.length, 0);
    assert_int_equal (info.next, next);
    assert_int_equal (zf_admin_trim (client, "nothing", 1, &count, &stage.err), ZF_E_NOT_FOUND);
}

static void forgotten_is_gone_but_not_while_it_is_used (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_publisher_t *publisher = open_publisher (broker);
    zf_queue_info_t info;
    publish_numbers (publisher, "t", 0, 10);
    zf_subscriber_t *member = open_member (broker, "g", NULL);
    AWAIT (has_workers (client, "events@g", 1));
    assert_int_equal (zf_admin_forget (client, "events@g", &stage.err), ZF_E_BUSY);
    assert_int_equal (zf_admin_forget (client, "events", &stage.err), ZF_E_BUSY);
    close_subscriber (member);
    AWAIT (zf_admin_forget (client, "events@g", &stage.err) == 0);
    assert_int_equal (zf_admin_queue (client, "events@g", &info, NULL), ZF_E_NOT_FOUND);
    assert_int_equal (look_at (client, "events").length, 10);
    assert_int_equal (zf_admin_forget (client, "events", &stage.err), 0);
    assert_int_equal (zf_admin_queue (client, "events", &info, NULL), ZF_E_NOT_FOUND);
    assert_int_equal (zf_admin_forget (client, "events", &stage.err), ZF_E_NOT_FOUND);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        EVENTS_CASE (group_shares_the_work),
        EVENTS_CASE (group_and_those_alone_do_not_disturb_each_other),
        EVENTS_CASE (new_group_starts_with_the_first_record),
        EVENTS_CASE (group_starts_where_it_is_told_and_only_once),
        EVENTS_CASE (nacked_message_comes_again),
        EVENTS_CASE (rejected_message_is_a_dead_letter_of_the_group),
        EVENTS_CASE (member_that_leaves_gives_its_messages_to_others),
        EVENTS_CASE (run_nacks_what_fails),
        EVENTS_CASE (group_survives_its_broker),
        EVENTS_CASE (group_of_a_broker_that_forgot_it_is_made_again),
        EVENTS_CASE (nobody_there_yet_is_waited_for),
        EVENTS_CASE (group_of_a_queue_is_refused),
        EVENTS_CASE (one_broker_that_refuses_does_not_stop_the_other),
        EVENTS_CASE (stream_is_made_once),
        EVENTS_CASE (group_is_made_with_what_it_is_given),
        EVENTS_CASE (names_and_options_of_groups_are_checked),
        EVENTS_CASE (what_is_trimmed_is_gone),
        EVENTS_CASE (forgotten_is_gone_but_not_while_it_is_used),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
