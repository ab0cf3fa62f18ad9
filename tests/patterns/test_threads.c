/* One handle and many threads. */
#include "tests/devices/stage.h"

#include <stdatomic.h>

#define THREADS 8
#define EACH    3000

static atomic_uint next_thread;

/* Heartbeats and failover so far away that no tick can hide a lost wake-up. */
static zf_device_t *start_calm_broker (void)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.heartbeat_ms = 600000;
    options.client_idle_ms = 600000;
    return start_broker (&options);
}

static zf_client_t *open_calm_client (const zf_device_t *broker)
{
    const char *endpoint = endpoint_of (broker);
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = 600000;
    options.failover_ms = 600000;
    return open_client_with (&options);
}

static void ask_number (zf_client_t *client, uint64_t number)
{
    zf_message_t reply;
    zf_error_t err;
    must (zf_client_request (client, "echo", &number, sizeof number, NULL, &reply, &err) == 0);
    must (reply.size == sizeof number && memcmp (reply.body, &number, sizeof number) == 0);
    zf_message_release (&reply);
}

static void *post_and_ask (void *arg)
{
    uint64_t thread = atomic_fetch_add (&next_thread, 1);
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t number = thread << 32 | i;
        if (i % 4 == 0)
            ask_number (arg, number);
        else if (i % 64 == 1)
            must (zf_client_post (arg, "jobs", &number, sizeof number, NULL, NULL) == 0);
        else
            must (zf_client_post_async (arg, "jobs", &number, sizeof number, NULL, NULL, NULL) ==
                  0);
    }
    return NULL;
}

static void threads_post_and_ask_over_one_handle (void **state)
{
    atomic_store (&next_thread, 0);
    zf_device_t *broker = start_broker (NULL);
    start_service (broker, "echo", serve_echo);
    zf_client_t *client = open_client (broker);
    on_threads (THREADS, post_and_ask, client);
    assert_int_equal (zf_client_flush (client, -1, &stage.err), 0);
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    uint64_t next[THREADS] = {0}; /* what is left of each thread's, in its order */
    for (size_t n = 0; n < THREADS * (EACH - EACH / 4); n++) {
        uint64_t number;
        zf_message_t message = take (worker);
        memcpy (&number, message.body, sizeof number);
        uint64_t thread = number >> 32;
        assert_in_range (thread, 0, THREADS - 1);
        next[thread] += next[thread] % 4 == 0; /* that one was asked */
        assert_int_equal (number & UINT32_MAX, next[thread]);
        next[thread]++;
        ack (worker, &message);
    }
    AWAIT (has_length (client, "jobs", 0));
}

static atomic_bool slow_goes_on;

static void serve_slowly (zf_worker_t *worker, zf_message_t *message)
{
    while (!atomic_load (&slow_goes_on))
        poll (NULL, 0, 1);
    must (zf_worker_reply (worker, message, "late", 4, NULL) == 0);
}

static void *ask_slow (void *arg)
{
    zf_message_t reply;
    must (zf_client_request (arg, "slow", "?", 1, NULL, &reply, NULL) == 0);
    zf_message_release (&reply);
    return NULL;
}

static void *ask_fast (void *arg)
{
    for (uint64_t i = 0; i < EACH; i++)
        ask_number (arg, i);
    return NULL;
}

static void slow_answer_does_not_hold_up_the_others (void **state)
{
    pthread_t slow;
    atomic_store (&slow_goes_on, false);
    zf_device_t *broker = start_calm_broker ();
    start_service (broker, "echo", serve_echo);
    start_service (broker, "slow", serve_slowly);
    zf_client_t *client = open_calm_client (broker);
    assert_int_equal (pthread_create (&slow, NULL, ask_slow, client), 0);
    on_threads (THREADS, ask_fast, client);
    atomic_store (&slow_goes_on, true);
    pthread_join (slow, NULL);
}

static void *ask_again_and_again (void *arg)
{
    while (!atomic_load (&slow_goes_on))
        ask_number (arg, 1);
    return NULL;
}

static void *fetch_replies (void *arg)
{
    for (int i = 0; i < EACH; i++) {
        zf_message_t reply;
        must (zf_client_next_reply (arg, &reply, PATIENCE_MS, NULL) == 0 && reply.code == 0);
        zf_message_release (&reply);
    }
    return NULL;
}

static void *ask_for_others (void *arg)
{
    for (uint64_t i = 0; i < EACH; i++) {
        int rc;
        while ((rc = zf_client_request_async (arg, "echo", &i, sizeof i, NULL, NULL, NULL, NULL,
                                              NULL)) == ZF_E_AGAIN)
            poll (NULL, 0, 1);
        must (rc == 0);
    }
    return NULL;
}

static void replies_are_fetched_by_other_threads_than_ask (void **state)
{
    pthread_t fetchers[THREADS], asker;
    atomic_store (&slow_goes_on, false);
    zf_device_t *broker = start_calm_broker ();
    start_service (broker, "echo", serve_echo);
    zf_client_t *client = open_calm_client (broker);
    assert_int_equal (pthread_create (&asker, NULL, ask_again_and_again, client), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal (pthread_create (&fetchers[i], NULL, fetch_replies, client), 0);
    on_threads (THREADS, ask_for_others, client);
    for (int i = 0; i < THREADS; i++)
        pthread_join (fetchers[i], NULL);
    atomic_store (&slow_goes_on, true);
    pthread_join (asker, NULL);
}

static atomic_uint received[THREADS * EACH];
static atomic_uint settled;

static void *take_some (void *arg)
{
    zf_message_t message;
    int rc;
    while ((rc = zf_worker_recv (arg, &message, -1, NULL)) == 0) {
        uint64_t number;
        memcpy (&number, message.body, sizeof number);
        must (number < THREADS * EACH);
        atomic_fetch_add (&received[number], 1);
        must (zf_worker_ack (arg, &message) == 0);
        atomic_fetch_add (&settled, 1);
    }
    must (rc == ZF_E_CLOSED);
    return NULL;
}

static void threads_share_a_worker (void **state)
{
    pthread_t threads[THREADS];
    zf_device_t *broker = start_calm_broker ();
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    for (size_t i = 0; i < THREADS * EACH; i++)
        atomic_store (&received[i], 0);
    atomic_store (&settled, 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, take_some, worker), 0);
    for (uint64_t i = 0; i < THREADS * EACH; i++)
        assert_int_equal (zf_client_post_async (client, "jobs", &i, sizeof i, NULL, NULL, NULL), 0);
    assert_int_equal (zf_client_flush (client, -1, NULL), 0);
    AWAIT (atomic_load (&settled) == THREADS * EACH);
    assert_int_equal (zf_worker_drain (worker, PATIENCE_MS, &stage.err), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join (threads[i], NULL);
    for (size_t i = 0; i < THREADS * EACH; i++)
        assert_int_equal (atomic_load (&received[i]), 1);
    assert_true (has_length (client, "jobs", 0));
}

static void *hold_one (void *arg)
{
    zf_message_t message;
    must (zf_worker_recv (arg, &message, PATIENCE_MS, NULL) == 0);
    atomic_fetch_add (&settled, 1);
    while (atomic_load (&settled) < THREADS) /* each thread must get one, though none acks */
        poll (NULL, 0, 1);
    must (zf_worker_ack (arg, &message) == 0);
    return NULL;
}

static void waiting_threads_each_get_a_record (void **state)
{
    atomic_store (&settled, 0);
    zf_device_t *broker = start_calm_broker ();
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    for (int i = 0; i < THREADS; i++)
        post (client, "jobs", "one");
    on_threads (THREADS, hold_one, worker);
    assert_int_equal (look_at (client, "jobs").redelivered, 0);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (threads_post_and_ask_over_one_handle),
        CASE (slow_answer_does_not_hold_up_the_others),
        CASE (replies_are_fetched_by_other_threads_than_ask),
        CASE (threads_share_a_worker),
        CASE (waiting_threads_each_get_a_record),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
