/* Workers: what becomes of a message that was received, and of those that were not. */
#include "tests/devices/stage.h"

static zf_policy_t quick_policy (void)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.backoff_min_ms = 1;
    policy.backoff_max_ms = 2;
    return policy;
}

static void post_texts (zf_client_t *client, const char *queue, int count)
{
    for (int i = 0; i < count; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        post (client, queue, text);
    }
}

static zf_worker_stats_t stats_of (zf_worker_t *worker)
{
    zf_worker_stats_t stats;
    zf_worker_stats (worker, &stats);
    return stats;
}

static void acked_message_is_gone (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "jobs", 10);
    post_texts (client, "jobs", 100);
    for (int i = 0; i < 100; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        zf_message_t message = take_text (worker, text, 1);
        ack (worker, &message);
        assert_int_equal (zf_worker_ack (worker, &message), ZF_E_INVAL); /* it is void */
    }
    AWAIT (has_length (client, "jobs", 0)); /* the keeper brings the last acks */
    zf_queue_info_t info = look_at (client, "jobs");
    assert_int_equal (info.acked, 100);
    assert_int_equal (info.redelivered, 0);
    zf_worker_stats_t stats = stats_of (worker);
    assert_int_equal (stats.received, 100);
    assert_int_equal (stats.acked, 100);
    assert_int_equal (stats.held, 0);
    assert_int_equal (figure (broker, "stale"), 0);
}

/* What was there when it was called has become void: it waits all the same. */
static void what_is_void_is_waited_for_no_less (void **state)
{
    zf_policy_t policy = quick_policy ();
    policy.lease_ms = 150;
    policy.max_attempts = 1; /* it does not come again */
    zf_device_t *broker = start_broker_with (&policy);
    const char *endpoint = endpoint_of (broker);
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.credit = 2;
    options.max_hold_ms = 0; /* leases are not extended */
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 2);
    zf_worker_t *worker = open_worker_with ("jobs", &options);
    zf_message_t message = take_text (worker, "0", 1);
    AWAIT (has_length (client, "jobs", 0)); /* "1" is void as well */
    uint64_t start = zf_clock_ms ();
    AWAIT (zf_clock_ms () - start > 20);
    assert_int_equal (stats_of (worker).waiting, 1);
    start = zf_clock_ms ();
    assert_int_equal (zf_worker_recv (worker, &(zf_message_t){0}, 100, NULL), ZF_E_TIMEOUT);
    assert_in_range (zf_clock_ms () - start, 99, PATIENCE_MS);
    assert_int_equal (zf_worker_ack (worker, &message), ZF_E_STALE);
}

static void nothing_to_do_is_said_in_time (void **state)
{
    zf_message_t message;
    zf_worker_t *worker = open_worker (start_broker (NULL), "jobs", 1);
    uint64_t start = zf_clock_ms ();
    assert_int_equal (zf_worker_recv (worker, &message, 30, &stage.err), ZF_E_TIMEOUT);
    assert_in_range (zf_clock_ms () - start, 29, PATIENCE_MS);
    assert_int_equal (zf_worker_recv (worker, &message, 0, NULL), ZF_E_AGAIN);
    assert_null (message.body);
}

static void nothing_to_do_is_said_in_words (void **state)
{
    zf_message_t message;
    zf_worker_t *worker = open_worker (start_broker (NULL), "jobs", 1);
    memset (&stage.err, 'x', sizeof stage.err);
    assert_int_equal (zf_worker_recv (worker, &message, 0, &stage.err), ZF_E_AGAIN);
    assert_int_equal (stage.err.code, ZF_E_AGAIN);
    assert_string_equal (stage.err.text, "no record of jobs is there");
}

static void nacked_message_comes_again (void **state)
{
    zf_policy_t policy = quick_policy ();
    zf_device_t *broker = start_broker_with (&policy);
    post (open_client (broker), "jobs", "hard");
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    for (uint32_t attempt = 1; attempt < 5; attempt++) {
        zf_message_t message = take_text (worker, "hard", attempt);
        assert_int_equal (zf_worker_nack (worker, &message, -1), 0);
    }
    zf_message_t message = take_text (worker, "hard", 5);
    ack (worker, &message);
    assert_int_equal (stats_of (worker).redelivered, 4);
    assert_int_equal (stats_of (worker).nacked, 4);
}

static void nacked_message_waits_as_long_as_asked (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "later");
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_message_t message = take_text (worker, "later", 1);
    uint64_t start = zf_clock_ms ();
    assert_int_equal (zf_worker_nack (worker, &message, 200), 0);
    AWAIT (look_at (client, "jobs").delayed == 1);
    message = take_text (worker, "later", 2);
    assert_in_range (zf_clock_ms () - start, 199, PATIENCE_MS);
    ack (worker, &message);
}

static void record_nobody_can_do_becomes_a_dead_letter (void **state)
{
    zf_policy_t policy = quick_policy ();
    policy.max_attempts = 2;
    zf_device_t *broker = start_broker_with (&policy);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "hopeless");
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    for (uint32_t attempt = 1; attempt <= 2; attempt++) {
        zf_message_t message = take_text (worker, "hopeless", attempt);
        assert_int_equal (zf_worker_nack (worker, &message, 0), 0);
    }
    zf_death_t death;
    zf_message_t dead = take_text (open_worker (broker, "jobs.dead", 1), "hopeless", 1);
    assert_true (zf_message_death (&dead, &death));
    assert_int_equal (death.attempts, 2);
    assert_memory_equal (death.reason.data, "attempts", death.reason.size);
    assert_memory_equal (death.queue.data, "jobs", death.queue.size);
    ack (stage.workers[1], &dead);
}

static void rejected_message_is_a_dead_letter_with_its_reason (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    post_texts (open_client (broker), "jobs", 2);
    zf_worker_t *worker = open_worker (broker, "jobs", 2);
    zf_message_t first = take_text (worker, "0", 1);
    zf_message_t second = take_text (worker, "1", 1);
    assert_int_equal (zf_worker_reject (worker, &first, "not for us"), 0);
    zf_death_t death;
    zf_worker_t *undertaker = open_worker (broker, "jobs.dead", 2);
    zf_message_t dead = take_text (undertaker, "0", 1);
    assert_false (zf_message_death (&second, &death));
    assert_true (zf_message_death (&dead, &death));
    assert_int_equal (death.reason.size, strlen ("not for us"));
    assert_memory_equal (death.reason.data, "not for us", death.reason.size);
    ack (undertaker, &dead);
    assert_int_equal (zf_worker_reject (worker, &second, NULL), 0);
    dead = take_text (undertaker, "1", 1);
    assert_true (zf_message_death (&dead, &death));
    assert_memory_equal (death.reason.data, "rejected", death.reason.size);
    ack (undertaker, &dead);
    assert_int_equal (stats_of (worker).rejected, 2);
}

/* -- leases ------------------------------------------------------------------------------------ */

static void message_held_longer_than_its_lease_stays_ours (void **state)
{
    zf_policy_t policy = quick_policy ();
    policy.lease_ms = 300;
    zf_device_t *broker = start_broker_with (&policy);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 3);
    zf_worker_t *worker = open_worker (broker, "jobs", 3);
    zf_message_t held = take_text (worker, "0", 1);
    zf_message_t done = take_text (worker, "1", 1); /* the third waits here, and is extended too */
    ack (worker, &done);
    uint64_t start = zf_clock_ms ();
    AWAIT (zf_clock_ms () - start > 4 * policy.lease_ms);
    assert_int_equal (look_at (client, "jobs").redelivered, 0);
    ack (worker, &held);
    held = take_text (worker, "2", 1);
    ack (worker, &held);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (figure (broker, "stale"), 0);
}

static void message_held_too_long_goes_to_another (void **state)
{
    zf_policy_t policy = quick_policy ();
    policy.lease_ms = 150;
    zf_device_t *broker = start_broker_with (&policy);
    const char *endpoint = endpoint_of (broker);
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.credit = 1;
    options.max_hold_ms = 400;
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "slow");
    uint64_t start = zf_clock_ms ();
    zf_worker_t *worker = open_worker_with ("jobs", &options);
    zf_message_t message = take_text (worker, "slow", 1);
    zf_worker_t *other = open_worker (broker, "jobs", 1);
    zf_message_t again = take_text (other, "slow", 2);
    assert_in_range (zf_clock_ms () - start, 400, PATIENCE_MS);
    start = zf_clock_ms ();
    AWAIT (zf_clock_ms () - start > 20); /* the lease is over by the coarsest clock */
    assert_int_equal (zf_worker_ack (worker, &message), ZF_E_STALE); /* the other has it */
    ack (other, &again);
    AWAIT (look_at (client, "jobs").acked == 1);
    assert_int_equal (figure (broker, "stale"), 0); /* it was not even told */
}

static void lease_is_extended_on_demand (void **state)
{
    zf_policy_t policy = quick_policy ();
    policy.lease_ms = 200;
    zf_device_t *broker = start_broker_with (&policy);
    const char *endpoint = endpoint_of (broker);
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.max_hold_ms = 0; /* not by itself */
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "one");
    zf_worker_t *worker = open_worker_with ("jobs", &options);
    zf_message_t message = take_text (worker, "one", 1);
    assert_int_equal (zf_worker_extend (worker, &message, 60000), 0);
    uint64_t start = zf_clock_ms ();
    AWAIT (zf_clock_ms () - start > 3 * policy.lease_ms);
    assert_int_equal (look_at (client, "jobs").redelivered, 0);
    assert_int_equal (zf_worker_extend (worker, &message, 1), 0); /* and shortened */
    AWAIT (look_at (client, "jobs").redelivered == 1);
    assert_int_equal (zf_worker_ack (worker, &message), 0); /* it can't know */
    message = take_text (worker, "one", 2);
    ack (worker, &message);
}

static void settling_after_the_lease_is_stale (void **state)
{
    zf_policy_t policy = quick_policy ();
    policy.lease_ms = 150;
    zf_device_t *broker = start_broker_with (&policy);
    const char *endpoint = endpoint_of (broker);
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.credit = 2;
    options.max_hold_ms = 0; /* it is not extended */
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 2);
    zf_worker_t *worker = open_worker_with ("jobs", &options);
    zf_message_t first = take_text (worker, "0", 1);
    zf_message_t second = take_text (worker, "1", 1);
    uint64_t start = zf_clock_ms ();
    zf_worker_t *other = open_worker (broker, "jobs", 2);
    zf_message_t again = take_text (other, "0", 2);
    AWAIT (zf_clock_ms () - start > policy.lease_ms + 20);
    assert_int_equal (zf_worker_extend (worker, &first, 1000), ZF_E_STALE);
    assert_int_equal (zf_worker_ack (worker, &first), ZF_E_STALE);
    assert_int_equal (zf_worker_nack (worker, &second, -1), ZF_E_STALE);
    assert_int_equal (stats_of (worker).stale, 2);
    assert_int_equal (stats_of (worker).acked, 0);
    ack (other, &again);
    again = take_text (other, "1", 2);
    ack (other, &again);
    AWAIT (has_length (client, "jobs", 0));
}

/* -- drain ------------------------------------------------------------------------------------- */

static void *settle_last (void *arg)
{
    zf_message_t *message = arg;
    AWAIT (zf_worker_ack (stage.workers[0], message) == 0);
    return NULL;
}

static void drained_worker_gives_back_what_it_did_not_begin (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 10);
    zf_worker_t *worker = open_worker (broker, "jobs", 10);
    zf_message_t held = take_text (worker, "0", 1);
    AWAIT (look_at (client, "jobs").leased == 10);
    zf_worker_process (worker);
    assert_int_equal (zf_worker_drain (worker, 20, &stage.err), ZF_E_TIMEOUT);
    assert_non_null (strstr (stage.err.text, "1 records of jobs"));
    zf_message_t none;
    assert_int_equal (zf_worker_recv (worker, &none, -1, &stage.err), ZF_E_CLOSED);
    zf_worker_t *other = open_worker (broker, "jobs", 9);
    for (int i = 1; i < 10; i++) { /* it was no attempt: nobody had begun */
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        zf_message_t message = take_text (other, text, 1);
        ack (other, &message);
    }
    AWAIT (has_length (client, "jobs", 1));
    pthread_t thread;
    assert_int_equal (pthread_create (&thread, NULL, settle_last, &held), 0);
    assert_int_equal (zf_worker_drain (worker, PATIENCE_MS, &stage.err), 0);
    assert_int_equal (look_at (client, "jobs").acked, 10); /* the broker has heard of it */
    pthread_join (thread, NULL);
    assert_int_equal (look_at (client, "jobs").length, 0);
}

static void drained_worker_gives_back_what_was_on_its_way (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 20);
    for (int i = 0; i < 20; i++) {
        zf_worker_t *worker = open_worker (broker, "jobs", 20);
        AWAIT (look_at (client, "jobs").leased == 20); /* and nobody here has read them */
        assert_int_equal (zf_worker_drain (worker, PATIENCE_MS, &stage.err), 0);
        AWAIT (look_at (client, "jobs").leased == 0);
        close_worker (worker);
    }
    zf_worker_t *other = open_worker (broker, "jobs", 20);
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf (text, sizeof text, "%d", i);
        zf_message_t message = take_text (other, text, 1); /* it was no attempt */
        ack (other, &message);
    }
}

static void closed_worker_gives_everything_back (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 3);
    zf_worker_t *worker = open_worker (broker, "jobs", 3);
    zf_message_t acked = take_text (worker, "0", 1);
    take_text (worker, "1", 1); /* begun */
    AWAIT ((zf_worker_process (worker), stats_of (worker).waiting == 1));
    ack (worker, &acked);
    close_worker (worker);
    zf_worker_t *other = open_worker (broker, "jobs", 3);
    zf_message_t message = take_text (other, "1", 2);
    ack (other, &message);
    message = take_text (other, "2", 1);
    ack (other, &message);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (look_at (client, "jobs").workers, 1);
}

/* -- credit ------------------------------------------------------------------------------------ */

static void fixed_credit_bounds_what_is_held (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 20);
    zf_worker_t *worker = open_worker (broker, "jobs", 4);
    zf_message_t held[20];
    for (int i = 0; i < 4; i++)
        held[i] = take (worker);
    assert_int_equal (look_at (client, "jobs").leased, 4);
    assert_int_equal (zf_worker_recv (worker, &held[4], 20, NULL), ZF_E_TIMEOUT);
    assert_int_equal (zf_worker_set_credit (worker, 6), 0);
    held[4] = take (worker);
    held[5] = take (worker);
    assert_int_equal (look_at (client, "jobs").leased, 6);
    for (int i = 0; i < 6; i++)
        ack (worker, &held[i]);
    for (int i = 6; i < 20; i++) {
        held[i] = take (worker);
        ack (worker, &held[i]);
    }
}

static void measured_credit_grows_with_quick_work (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    for (int i = 0; i < 20000; i++)
        assert_int_equal (zf_client_post_async (client, "jobs", "x", 1, NULL, NULL, NULL), 0);
    assert_int_equal (zf_client_flush (client, -1, NULL), 0);
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    assert_int_equal (stats_of (worker).credit, 1);
    for (int i = 0; i < 20000; i++) {
        zf_message_t message = take (worker);
        ack (worker, &message);
    }
    assert_in_range (stats_of (worker).credit, 50, 65536);
}

static void measured_credit_stays_low_with_slow_work (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 20);
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    for (int i = 0; i < 10; i++) {
        zf_message_t message = take (worker);
        uint64_t start = zf_clock_ms ();
        AWAIT (zf_clock_ms () - start >= 25); /* the work */
        ack (worker, &message);
    }
    assert_in_range (stats_of (worker).credit, 1, 4);
    assert_true (look_at (client, "jobs").leased <= 4); /* others could have the rest */
}

/* -- settling elsewhere, and in vain ----------------------------------------------------------- */

static void *settle_elsewhere (void *arg)
{
    must (zf_worker_ack (stage.workers[0], arg) == 0);
    return NULL;
}

static void message_may_be_settled_by_another_thread (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 100);
    zf_worker_t *worker = open_worker (broker, "jobs", 10);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        zf_message_t message = take (worker);
        assert_int_equal (pthread_create (&thread, NULL, settle_elsewhere, &message), 0);
        pthread_join (thread, NULL);
    }
    AWAIT (has_length (client, "jobs", 0));
}

static void lease_of_a_broker_that_restarted_is_stale (void **state)
{
    char endpoint[64];
    const char *same = endpoint;
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &same;
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    zf_client_t *client = open_client (broker);
    post_texts (client, "jobs", 5);
    zf_worker_t *worker = open_worker (broker, "jobs", 4);
    zf_message_t held[4];
    for (int i = 0; i < 4; i++)
        held[i] = take (worker);
    stop_broker (broker);
    broker = start_broker (&options);
    post (client, "jobs", "new");
    zf_message_t fresh = take_text (worker, "new", 1);
    assert_int_equal (zf_worker_extend (worker, &held[0], 1000), ZF_E_STALE);
    assert_int_equal (zf_worker_ack (worker, &held[0]), ZF_E_STALE);
    assert_int_equal (zf_worker_nack (worker, &held[1], -1), ZF_E_STALE);
    assert_int_equal (zf_worker_reject (worker, &held[2], NULL), ZF_E_STALE);
    assert_memory_equal (held[3].body, "3", 1); /* still readable */
    assert_int_equal (zf_worker_reply (worker, &held[3], NULL, 0, NULL), ZF_E_STALE);
    assert_int_equal (stats_of (worker).stale, 4);
    assert_int_equal (stats_of (worker).held, 1);
    ack (worker, &fresh);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (figure (broker, "stale"), 0); /* it was not even told */
}

static void options_out_of_range_are_refused (void **state)
{
    zf_worker_t *worker = NULL;
    zf_worker_options_t options = {0};
    assert_int_equal (zf_worker_open (&worker, "jobs", &options, &stage.err), ZF_E_INVAL);
    assert_int_equal (zf_worker_open (&worker, "", NULL, &stage.err), ZF_E_INVAL);
    assert_int_equal (zf_worker_open (&worker, NULL, NULL, &stage.err), ZF_E_INVAL);
    assert_null (worker);
    zf_worker_close (&worker);
    zf_worker_close (NULL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (acked_message_is_gone),
        CASE (what_is_void_is_waited_for_no_less),
        CASE (nothing_to_do_is_said_in_time),
        CASE (nothing_to_do_is_said_in_words),
        CASE (nacked_message_comes_again),
        CASE (nacked_message_waits_as_long_as_asked),
        CASE (record_nobody_can_do_becomes_a_dead_letter),
        CASE (rejected_message_is_a_dead_letter_with_its_reason),
        CASE (message_held_longer_than_its_lease_stays_ours),
        CASE (message_held_too_long_goes_to_another),
        CASE (lease_is_extended_on_demand),
        CASE (settling_after_the_lease_is_stale),
        CASE (drained_worker_gives_back_what_it_did_not_begin),
        CASE (drained_worker_gives_back_what_was_on_its_way),
        CASE (closed_worker_gives_everything_back),
        CASE (fixed_credit_bounds_what_is_held),
        CASE (measured_credit_grows_with_quick_work),
        CASE (measured_credit_stays_low_with_slow_work),
        CASE (message_may_be_settled_by_another_thread),
        CASE (lease_of_a_broker_that_restarted_is_stale),
        CASE (options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
