/* The keeper: what happens while nobody calls, and what is left when all handles are closed. */
#include "tests/devices/stage.h"

#include <dirent.h>
#include <malloc.h>
#include <stdatomic.h>

#define ROUNDS 200

static void burst_without_another_call_is_confirmed (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    zf_client_t *other = open_client (broker);
    for (int i = 0; i < 10000; i++)
        assert_int_equal (zf_client_post_async (client, "jobs", "burst", 5, NULL, NULL, NULL), 0);
    AWAIT (has_length (other, "jobs", 10000)); /* the client is not called meanwhile */
    zf_client_stats_t stats;
    AWAIT ((zf_client_stats (client, &stats), stats.confirmed == 10000)); /* that does no I/O */
}

static void burst_before_the_broker_is_there_is_confirmed_without_another_call (void **state)
{
    char endpoint[64];
    const char *same = endpoint;
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    stop_broker (broker);
    zf_client_t *client = open_client_at (endpoint);
    for (int i = 0; i < 1000; i++)
        assert_int_equal (zf_client_post_async (client, "jobs", "burst", 5, NULL, NULL, NULL), 0);
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &same;
    broker = start_broker (&options);
    AWAIT (has_length (open_client (broker), "jobs", 1000));
}

static void acks_leave_without_another_call (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    for (int i = 0; i < 10; i++)
        post (client, "jobs", "one");
    zf_worker_t *worker = open_worker (broker, "jobs", 100);
    for (int i = 0; i < 10; i++) {
        zf_message_t message = take (worker);
        ack (worker, &message);
    }
    AWAIT (has_length (client, "jobs", 0));
}

static void note_reply (void *arg, const zf_message_t *reply)
{
    atomic_int *got = arg;
    atomic_store (got, reply->code == 0 ? 1 : 2);
}

static void late_reply_comes_to_its_callback_without_another_call (void **state)
{
    static atomic_int got;
    atomic_store (&got, 0);
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = open_client (broker);
    assert_int_equal (
        zf_client_request_async (client, "echo", "?", 1, NULL, note_reply, &got, NULL, NULL), 0);
    start_service (broker, "echo", serve_echo);
    AWAIT (atomic_load (&got) == 1);
}

/* -- staying connected ------------------------------------------------------------------------- */

static zf_device_t *start_impatient_broker (void)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.heartbeat_ms = 200;
    options.client_idle_ms = 600;
    return start_broker (&options);
}

static void idle_worker_stays_connected (void **state)
{
    zf_device_t *broker = start_impatient_broker ();
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_worker_stats_t stats;
    AWAIT ((zf_worker_stats (worker, &stats), stats.connected == 1));
    uint64_t before = figure (broker, "messages_in");
    AWAIT (figure (broker, "messages_in") >= before + 10); /* its heartbeats */
    assert_int_equal (figure (broker, "sessions_lost"), 0);
    assert_true (has_workers (open_client (broker), "jobs", 1));
}

static void busy_worker_stays_connected (void **state)
{
    zf_device_t *broker = start_impatient_broker ();
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "long");
    close_client (client);
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_message_t message = take_text (worker, "long", 1);
    uint64_t before = figure (broker, "messages_in");
    uint64_t lost = figure (broker, "sessions_lost");
    AWAIT (figure (broker, "messages_in") >= before + 10);
    assert_int_equal (figure (broker, "sessions_lost"), lost);
    ack (worker, &message);
}

static atomic_bool held_up;

/* Holds the broker up in the middle of a turn, for five heartbeats. */
static void hold_up (void *arg, zf_event_t event, const char *text)
{
    uint64_t start = zf_clock_ms ();
    while (event == ZF_EVENT_DEAD_LETTER && zf_clock_ms () - start < 1000)
        poll (NULL, 0, 1);
    if (event == ZF_EVENT_DEAD_LETTER)
        atomic_store (&held_up, true);
}

static void peers_of_a_broker_that_was_held_up_stay_connected (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.heartbeat_ms = 200;
    options.client_idle_ms = 600;
    options.on_event = hold_up;
    atomic_store (&held_up, false);
    zf_device_t *broker = start_broker (&options);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "long");
    post (client, "bad", "bad");
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_message_t message = take_text (worker, "long", 1);
    zf_worker_t *critic = open_worker (broker, "bad", 1);
    zf_message_t bad = take_text (critic, "bad", 1);
    assert_int_equal (zf_worker_reject (critic, &bad, "bad"), 0);
    AWAIT (atomic_load (&held_up));
    assert_int_equal (look_at (client, "jobs").redelivered, 0); /* it has read what lay there */
    assert_int_equal (figure (broker, "sessions_lost"), 0);
    ack (worker, &message);
    AWAIT (has_length (client, "jobs", 0));
    assert_int_equal (look_at (client, "jobs").acked, 1);
}

static void idle_client_stays_connected (void **state)
{
    zf_device_t *broker = start_impatient_broker ();
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "one");
    uint64_t before = figure (broker, "messages_in");
    AWAIT (figure (broker, "messages_in") >= before + 10);
    assert_int_equal (figure (broker, "sessions_lost"), 0);
    zf_client_stats_t stats;
    zf_client_stats (client, &stats);
    assert_int_equal (stats.reconnects, 0);
}

/* -- nothing is left --------------------------------------------------------------------------- */

static size_t count_entries (const char *path)
{
    size_t count = 0;
    DIR *dir = opendir (path);
    assert_non_null (dir);
    while (readdir (dir) != NULL)
        count++;
    closedir (dir);
    return count;
}

static void open_and_close (const zf_device_t *broker)
{
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "jobs", 10);
    assert_true (zf_client_fd (client) >= 0);
    assert_true (zf_worker_fd (worker) >= 0);
    post (client, "jobs", "one");
    zf_message_t message = take_text (worker, "one", 1);
    ack (worker, &message);
    zf_client_post_async (client, "others", "one", 3, NULL, NULL, NULL);
    zf_client_request_async (client, "nobody", "?", 1, NULL, NULL, NULL, NULL, NULL);
    close_client (client);
    close_worker (worker);
}

static void handles_leave_nothing_behind (void **state)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_length = 10;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    zf_device_t *broker = start_broker_with (&policy);
    for (int i = 0; i < ROUNDS / 4; i++) /* until everything has its size */
        open_and_close (broker);
    AWAIT (figure (broker, "sessions") == 0);
    size_t fds = count_entries ("/proc/self/fd");
    size_t threads = count_entries ("/proc/self/task");
    size_t bytes = mallinfo2 ().uordblks;
    for (int i = 0; i < ROUNDS; i++)
        open_and_close (broker);
    AWAIT (figure (broker, "sessions") == 0);
    AWAIT (count_entries ("/proc/self/fd") <= fds); /* libzmq closes them on a thread of its own */
    AWAIT (count_entries ("/proc/self/task") <= threads);
    size_t more = mallinfo2 ().uordblks;
    assert_true (more < bytes + 1024 * ROUNDS); /* the broker remembers two producers each time */
}

static void refused_handles_leave_nothing_behind (void **state)
{
    const char *endpoints[] = {"tcp://127.0.0.1:1", "nonsense"};
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    size_t fds = 0;
    for (int i = 0; i < ROUNDS; i++) {
        zf_worker_t *worker;
        assert_int_equal (zf_worker_open (&worker, "jobs", &options, NULL), ZF_E_ADDRESS);
        assert_null (worker);
        if (i == ROUNDS / 4)
            fds = count_entries ("/proc/self/fd");
    }
    AWAIT (count_entries ("/proc/self/fd") <= fds);
}

static void waiting_for_an_inproc_broker_costs_nothing (void **state)
{
    const char *endpoint = "inproc://late-broker";
    zf_broker_options_t late;
    zf_broker_defaults (&late);
    late.endpoints = &endpoint;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.failover_ms = 5;
    options.timeout_ms = PATIENCE_MS;
    zf_client_t *client = open_client_with (&options);
    size_t fds = count_entries ("/proc/self/fd");
    uint64_t start = zf_clock_ms ();
    AWAIT (zf_clock_ms () - start > 300);
    assert_in_range (count_entries ("/proc/self/fd"), fds - 5, fds + 5);
    for (int i = 0; i < 3; i++) {
        zf_device_t *broker = start_broker (&late);
        post (client, "jobs", "one");
        stop_broker (broker);
    }
}

static void keeper_leaves_with_the_last_handle (void **state)
{
    zf_client_t *client = open_client_at ("tcp://127.0.0.1:1");
    size_t threads = count_entries ("/proc/self/task");
    zf_client_t *other = open_client_at ("tcp://127.0.0.1:1");
    assert_int_equal (count_entries ("/proc/self/task"), threads); /* one for all */
    close_client (client);
    close_client (other);
    AWAIT (count_entries ("/proc/self/task") == threads - 1);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (waiting_for_an_inproc_broker_costs_nothing), /* first: no descriptors are closing */
        CASE (burst_without_another_call_is_confirmed),
        CASE (burst_before_the_broker_is_there_is_confirmed_without_another_call),
        CASE (acks_leave_without_another_call),
        CASE (late_reply_comes_to_its_callback_without_another_call),
        CASE (idle_worker_stays_connected),
        CASE (busy_worker_stays_connected),
        CASE (idle_client_stays_connected),
        CASE (peers_of_a_broker_that_was_held_up_stay_connected),
        CASE (handles_leave_nothing_behind),
        CASE (refused_handles_leave_nothing_behind),
        CASE (keeper_leaves_with_the_last_handle),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
