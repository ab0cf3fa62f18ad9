/* Handles in an event loop: everything is learned from the one descriptor, without any timeout. */
#include "tests/devices/stage.h"

#include <stdatomic.h>
#include <sys/epoll.h>

#define MANY  5000
#define CHAIN 20000

/* A broker without heartbeats, so that nothing but news wakes anybody. */
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

static int loop_with (int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int loop = epoll_create1 (EPOLL_CLOEXEC);
    assert_true (loop >= 0);
    assert_true (fd >= 0);
    assert_int_equal (epoll_ctl (loop, EPOLL_CTL_ADD, fd, &event), 0);
    return loop;
}

/* Something is to be done with the handle. */
static void await_event (int loop)
{
    struct epoll_event event;
    if (epoll_wait (loop, &event, 1, PATIENCE_MS) != 1)
        fail_msg ("the descriptor stays silent");
}

/* Fetches what there is; returns how much. */
static size_t fetch_replies (zf_client_t *client)
{
    zf_message_t reply;
    size_t count = 0;
    assert_int_equal (zf_client_process (client), 0);
    while (zf_client_next_reply (client, &reply, 0, NULL) == 0) {
        assert_int_equal (reply.code, 0);
        zf_message_release (&reply);
        count++;
    }
    return count;
}

static void ask_async (zf_client_t *client, const char *service)
{
    int rc = zf_client_request_async (client, service, "?", 1, NULL, NULL, NULL, NULL, &stage.err);
    assert_int_equal (rc, 0);
}

static void every_reply_is_announced (void **state)
{
    zf_device_t *broker = start_calm_broker ();
    start_service (broker, "echo", serve_echo);
    zf_client_t *client = open_client (broker);
    int loop = loop_with (zf_client_fd (client));
    assert_int_equal (zf_client_fd (client), zf_client_fd (client));
    for (int i = 0; i < 500; i++) { /* one at a time: each has to wake us */
        ask_async (client, "echo");
        while (fetch_replies (client) == 0)
            await_event (loop);
    }
    for (int i = 0; i < MANY; i++)
        ask_async (client, "echo");
    for (size_t got = fetch_replies (client); got < MANY; got += fetch_replies (client))
        await_event (loop);
    close (loop);
}

static atomic_bool enough;

static void *ask_beside (void *arg)
{
    while (!atomic_load (&enough)) {
        zf_message_t reply;
        must (zf_client_request (arg, "echo", "beside", 6, NULL, &reply, NULL) == 0);
        zf_message_release (&reply);
    }
    return NULL;
}

static void every_reply_is_announced_while_others_use_the_handle (void **state)
{
    pthread_t threads[4];
    atomic_store (&enough, false);
    zf_device_t *broker = start_calm_broker ();
    start_service (broker, "echo", serve_echo);
    zf_client_t *client = open_client (broker);
    int loop = loop_with (zf_client_fd (client));
    for (int i = 0; i < 4; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, ask_beside, client), 0);
    for (int i = 0; i < 1000; i++) {
        ask_async (client, "echo");
        while (fetch_replies (client) == 0)
            await_event (loop);
    }
    atomic_store (&enough, true);
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    close (loop);
}

static void serve_later (zf_worker_t *worker, zf_message_t *message)
{
    while (!atomic_load (&enough))
        poll (NULL, 0, 1);
    must (zf_worker_reply (worker, message, NULL, 0, NULL) == 0);
}

static void *ask_later (void *arg)
{
    zf_message_t reply;
    must (zf_client_request (arg, "later", "?", 1, NULL, &reply, NULL) == 0);
    zf_message_release (&reply);
    return NULL;
}

static void reply_is_announced_while_another_thread_polls (void **state)
{
    pthread_t thread;
    atomic_store (&enough, false);
    zf_device_t *broker = start_calm_broker ();
    start_service (broker, "echo", serve_echo);
    start_service (broker, "later", serve_later);
    zf_client_t *client = open_client (broker);
    int loop = loop_with (zf_client_fd (client));
    assert_int_equal (pthread_create (&thread, NULL, ask_later, client), 0);
    zf_client_t *other = open_client (broker);
    AWAIT (has_length (other, "later", 1));
    for (int i = 0; i < 1000; i++) { /* whoever reads the socket, the loop must learn of it */
        ask_async (client, "echo");
        while (fetch_replies (client) == 0)
            await_event (loop);
    }
    atomic_store (&enough, true);
    pthread_join (thread, NULL);
    close (loop);
}

static void count_confirms (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    uint64_t *confirmed = arg;
    *confirmed += code == 0 ? count : 0;
}

static void confirms_come_to_the_loop (void **state)
{
    uint64_t confirmed = 0;
    zf_device_t *broker = start_calm_broker ();
    const char *endpoint = endpoint_of (broker);
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.on_confirm = count_confirms;
    options.arg = &confirmed;
    zf_client_t *client = open_client_with (&options);
    int loop = loop_with (zf_client_fd (client));
    for (int i = 0; i < MANY; i++) {
        int rc;
        while ((rc = zf_client_try_post (client, "jobs", "x", 1, NULL, NULL, NULL)) == ZF_E_AGAIN) {
            await_event (loop);
            zf_client_process (client);
        }
        assert_int_equal (rc, 0);
    }
    while (confirmed < MANY) {
        await_event (loop);
        zf_client_process (client);
    }
    assert_int_equal (confirmed, MANY);
    close (loop);
}

/* Posts that make each other: every confirm posts the next one. */
typedef struct {
    zf_client_t *client;
    int left;
} chain_t;

static void post_next (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    chain_t *chain = arg;
    must (code == 0 && count == 1);
    if (--chain->left > 0)
        must (zf_client_post_async (chain->client, queue, "x", 1, NULL, NULL, NULL) == 0);
    else if (chain->left == 0)
        must (zf_client_request_async (chain->client, "echo", "end", 3, NULL, NULL, NULL, NULL,
                                       NULL) == 0);
}

/* Two chains in one client, over inproc, where nothing but news wakes anybody. */
static void start_chains (chain_t *chain)
{
    static const char *const endpoint[] = {"inproc://chains"};
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_length = 100;
    policy.overflow = ZF_OVERFLOW_DROP_OLDEST;
    zf_broker_options_t calm;
    zf_broker_defaults (&calm);
    calm.endpoints = endpoint;
    calm.policy = &policy;
    calm.heartbeat_ms = calm.client_idle_ms = 600000;
    start_service (start_broker (&calm), "echo", serve_echo);
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = endpoint;
    options.on_confirm = post_next;
    options.arg = chain;
    options.failover_ms = 600000;
    *chain = (chain_t){open_client_with (&options), CHAIN};
    assert_int_equal (zf_client_post_async (chain->client, "a", "x", 1, NULL, NULL, NULL), 0);
    assert_int_equal (zf_client_post_async (chain->client, "b", "x", 1, NULL, NULL, NULL), 0);
}

static void callbacks_that_post_do_not_let_a_blocked_call_sleep (void **state)
{
    static chain_t chain;
    zf_message_t reply;
    start_chains (&chain);
    if (zf_client_next_reply (chain.client, &reply, PATIENCE_MS, &stage.err) != 0)
        fail_msg ("%d posts before the end: %s", chain.left, stage.err.text);
    zf_message_release (&reply);
}

static void callbacks_that_post_do_not_let_the_loop_sleep (void **state)
{
    static chain_t chain;
    start_chains (&chain);
    int loop = loop_with (zf_client_fd (chain.client));
    while (fetch_replies (chain.client) == 0)
        await_event (loop);
    close (loop);
}

/* Takes what there is; returns how much. */
static uint64_t take_records (zf_worker_t *worker)
{
    zf_message_t message;
    uint64_t count = 0;
    assert_int_equal (zf_worker_process (worker), 0);
    while (zf_worker_recv (worker, &message, 0, NULL) == 0) {
        ack (worker, &message);
        count++;
    }
    return count;
}

static void every_record_is_announced (void **state)
{
    zf_device_t *broker = start_calm_broker ();
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    int loop = loop_with (zf_worker_fd (worker));
    for (int i = 0; i < 500; i++) {
        post (client, "jobs", "one");
        while (take_records (worker) == 0)
            await_event (loop);
    }
    for (int i = 0; i < MANY; i++)
        assert_int_equal (zf_client_post_async (client, "jobs", "x", 1, NULL, NULL, NULL), 0);
    for (uint64_t got = take_records (worker); got < MANY; got += take_records (worker))
        await_event (loop);
    close (loop);
    AWAIT (has_length (client, "jobs", 0));
}

static atomic_ullong taken;

static void *take_beside (void *arg)
{
    zf_message_t message;
    while (zf_worker_recv (arg, &message, -1, NULL) == 0) {
        must (zf_worker_ack (arg, &message) == 0);
        atomic_fetch_add (&taken, 1);
    }
    return NULL;
}

static void loop_and_threads_share_the_records (void **state)
{
    pthread_t threads[4];
    atomic_store (&taken, 0);
    zf_device_t *broker = start_calm_broker ();
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "jobs", 100);
    int loop = loop_with (zf_worker_fd (worker));
    for (int i = 0; i < 4; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, take_beside, worker), 0);
    uint64_t mine = 0;
    for (uint64_t i = 1; i <= 2000; i++) {
        post (client, "jobs", "one");
        mine += take_records (worker);
    }
    AWAIT ((mine += take_records (worker)) + atomic_load (&taken) == 2000);
    assert_int_equal (zf_worker_drain (worker, PATIENCE_MS, &stage.err), 0);
    for (int i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
    close (loop);
}

static void quiet_handle_does_not_spin_the_loop (void **state)
{
    struct epoll_event event;
    zf_device_t *broker = start_calm_broker ();
    zf_client_t *client = open_client (broker);
    start_service (broker, "echo", serve_echo);
    int loop = loop_with (zf_client_fd (client));
    expect_answer (client, "echo", "hello", "hello");
    int wakes = 0;
    while (epoll_wait (loop, &event, 1, 50) == 1 && wakes < 100) {
        assert_int_equal (fetch_replies (client), 0);
        wakes++;
    }
    assert_in_range (wakes, 0, 10);
    close (loop);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (every_reply_is_announced),
        CASE (every_reply_is_announced_while_others_use_the_handle),
        CASE (reply_is_announced_while_another_thread_polls),
        CASE (confirms_come_to_the_loop),
        CASE (callbacks_that_post_do_not_let_a_blocked_call_sleep),
        CASE (callbacks_that_post_do_not_let_the_loop_sleep),
        CASE (every_record_is_announced),
        CASE (loop_and_threads_share_the_records),
        CASE (quiet_handle_does_not_spin_the_loop),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
