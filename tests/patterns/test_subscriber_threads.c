/* One subscriber and many threads, event loops, and closing at any time. */
#include "tests/patterns/events.h"

#include <sys/epoll.h>

#define THREADS 4
#define COUNT   40000

static struct {
    zf_subscriber_t *subscriber;
    atomic_uint received;
    atomic_uchar seen[COUNT];
    atomic_uint inside;
    atomic_int outcome;
} shared;

static int begin_shared (void **state)
{
    (void) state;
    memset (&shared, 0, sizeof shared);
    return 0;
}

/* -- threads ----------------------------------------------------------------------------------- */

static void *receive_some (void *arg)
{
    zf_message_t message;
    (void) arg;
    while (atomic_load (&shared.received) < COUNT) {
        uint64_t number;
        if (zf_subscriber_recv (shared.subscriber, &message, 10, NULL) != 0)
            continue;
        memcpy (&number, message.body, sizeof number);
        must (number < COUNT);
        must (atomic_fetch_add (&shared.seen[number], 1) == 0);
        must (zf_subscriber_ack (shared.subscriber, &message) == 0);
        atomic_fetch_add (&shared.received, 1);
    }
    return NULL;
}

static void *publish_all (void *arg)
{
    publish_numbers (arg, "t", 0, COUNT);
    return NULL;
}

static void each_message_goes_to_one_thread (void **state)
{
    pthread_t thread;
    zf_device_t *broker = start_broker (NULL);
    shared.subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    assert_int_equal (pthread_create (&thread, NULL, publish_all, open_publisher (broker)), 0);
    on_threads (THREADS, receive_some, NULL);
    pthread_join (thread, NULL);
    assert_int_equal (stats_of (shared.subscriber).received, COUNT);
    expect_none (shared.subscriber);
}

static void *give_back (void *arg)
{
    must (zf_subscriber_ack (shared.subscriber, arg) == 0);
    return NULL;
}

static void message_may_be_given_back_by_another_thread (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    shared.subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    publish_numbers (open_publisher (broker), "t", 0, 100);
    for (int i = 0; i < 100; i++) {
        pthread_t thread;
        zf_message_t message = take_event (shared.subscriber);
        assert_int_equal (pthread_create (&thread, NULL, give_back, &message), 0);
        pthread_join (thread, NULL);
    }
}

/* Notes how many records were there when it was told, and may use the handle. */
static void on_gap (void *arg, const zf_gap_t *gap)
{
    uint64_t *missed = arg;
    *missed += gap->count;
    must (stats_of (shared.subscriber).missed == *missed);
}

static void *receive_in_step (void *arg)
{
    zf_message_t message;
    const uint64_t *missed = arg;
    for (;;) {
        uint64_t number;
        if (zf_subscriber_recv (shared.subscriber, &message, PATIENCE_MS, NULL) != 0)
            return NULL;
        memcpy (&number, message.body, sizeof number);
        must (zf_subscriber_ack (shared.subscriber, &message) == 0);
        must (number < COUNT && number >= *missed);
        atomic_fetch_add (&shared.received, 1);
        if (number == COUNT - 1)
            return NULL;
    }
}

static void gaps_are_told_without_the_lock (void **state)
{
    uint64_t missed = 0;
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.kind = ZF_KIND_STREAM;
    policy.max_length = 500;
    declare (open_client (broker), "events", &policy);
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    options.window_bytes = 65536;
    options.on_gap = on_gap;
    options.arg = &missed;
    shared.subscriber = open_subscriber_with (&options);
    await_ready (shared.subscriber);
    publish_numbers (open_publisher (broker), "t", 0, COUNT);
    on_threads (1, receive_in_step, &missed);
    assert_true (missed > 0);
    assert_int_equal (atomic_load (&shared.received) + missed, COUNT);
}

/* -- loops ------------------------------------------------------------------------------------- */

/* Waits for the descriptor, and takes all there is. Returns how many that were. */
static size_t turn (int loop, zf_subscriber_t *subscriber, uint64_t *next)
{
    struct epoll_event event;
    zf_message_t message;
    size_t n = 0;
    assert_true (epoll_wait (loop, &event, 1, PATIENCE_MS) == 1);
    zf_subscriber_process (subscriber);
    for (; zf_subscriber_recv (subscriber, &message, 0, NULL) == 0; n++) {
        uint64_t number;
        memcpy (&number, message.body, sizeof number);
        assert_int_equal (number, *next);
        ++*next;
        ack_event (subscriber, &message);
    }
    return n;
}

static void loop_with (zf_device_t *broker, zf_subscriber_t *subscriber)
{
    pthread_t thread;
    uint64_t next = 0;
    int loop = epoll_create1 (EPOLL_CLOEXEC);
    int fd = zf_subscriber_fd (subscriber);
    struct epoll_event event = {.events = EPOLLIN};
    assert_true (fd >= 0);
    assert_int_equal (epoll_ctl (loop, EPOLL_CTL_ADD, fd, &event), 0);
    assert_int_equal (pthread_create (&thread, NULL, publish_all, open_publisher (broker)), 0);
    while (next < COUNT)
        turn (loop, subscriber, &next);
    pthread_join (thread, NULL);
    close (loop);
}

static void loop_gets_everything (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    loop_with (broker, open_subscriber (broker, NULL, ZF_FROM_NEW, 0));
}

static void loop_of_a_group_gets_everything (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    loop_with (broker, open_member (broker, "g", NULL));
}

static void refusal_wakes_a_loop_once (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    zf_message_t none;
    post (open_client (broker), "events", "a job");
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    for (int i = 0; i < 2; i++) {
        options.group = i == 1 ? "g" : NULL;
        zf_subscriber_t *subscriber = open_subscriber_with (&options);
        struct pollfd fd = {zf_subscriber_fd (subscriber), POLLIN, 0};
        int rc = ZF_E_AGAIN;
        while (rc == ZF_E_AGAIN) {
            assert_int_equal (poll (&fd, 1, PATIENCE_MS), 1);
            zf_subscriber_process (subscriber);
            rc = zf_subscriber_recv (subscriber, &none, 0, NULL);
        }
        assert_int_equal (rc, ZF_E_INVAL);
        AWAIT ((zf_subscriber_process (subscriber), poll (&fd, 1, 20)) == 0);
    }
}

/* -- closing ----------------------------------------------------------------------------------- */

static void *wait_for_a_message (void *arg)
{
    zf_message_t message;
    atomic_fetch_add (&shared.inside, 1);
    int rc = zf_subscriber_recv (arg, &message, -1, NULL);
    must (rc == ZF_E_CLOSED);
    return NULL;
}

static void *wait_until_ready (void *arg)
{
    atomic_fetch_add (&shared.inside, 1);
    int rc = zf_subscriber_ready (arg, PATIENCE_MS, NULL);
    must (rc == ZF_E_CLOSED);
    return NULL;
}

static int never_called (void *arg, const zf_message_t *message)
{
    (void) arg;
    (void) message;
    must (false);
    return 0;
}

static void *run_for_ever (void *arg)
{
    atomic_fetch_add (&shared.inside, 1);
    int rc = zf_subscriber_run (arg, never_called, NULL, 0, NULL);
    must (rc == ZF_E_CLOSED);
    return NULL;
}

/* Closes it while threads wait in it. That they are inside, and not just before, is made likely by
 * letting them have some time: a thread that comes later than close finds no subscriber. */
static void close_while (zf_subscriber_t *subscriber, void *(*wait) (void *), unsigned count)
{
    pthread_t threads[THREADS];
    atomic_store (&shared.inside, 0);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, wait, subscriber), 0);
    AWAIT (atomic_load (&shared.inside) == count);
    uint64_t until = zf_clock_ms () + 50;
    AWAIT (zf_clock_ms () >= until);
    close_subscriber (subscriber);
    for (unsigned i = 0; i < count; i++)
        pthread_join (threads[i], NULL);
}

static void close_sends_away_who_waits (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    close_while (open_subscriber (broker, NULL, ZF_FROM_NEW, 0), wait_for_a_message, 1);
    close_while (open_subscriber (broker, NULL, ZF_FROM_NEW, 0), wait_for_a_message, THREADS);
    close_while (open_subscriber (broker, NULL, ZF_FROM_NEW, 0), run_for_ever, 2);
    close_while (open_member (broker, "g", NULL), wait_for_a_message, 1);
    close_while (open_member (broker, "g", NULL), wait_for_a_message, THREADS);
    close_while (open_member (broker, "g", NULL), run_for_ever, 2);
}

static void close_sends_away_who_waits_for_nobody (void **state)
{
    const char *nobody = "tcp://127.0.0.1:1";
    const char *all = NULL;
    zf_subscriber_options_t options = subscriber_options (&nobody, &all);
    close_while (open_subscriber_with (&options), wait_until_ready, 2);
    options.group = "g";
    close_while (open_subscriber_with (&options), wait_until_ready, 2);
}

static void closing_with_messages_in_hand_is_safe (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_subscriber_t *subscriber = open_subscriber (broker, NULL, ZF_FROM_NEW, 0);
    publish_numbers (open_publisher (broker), "t", 0, 100);
    for (int i = 0; i < 10; i++)
        take_event (subscriber);
    close_subscriber (subscriber);
}

static void many_come_and_go (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_publisher_t *publisher = open_publisher (broker);
    zf_client_t *client = open_client (broker);
    const char *endpoint = endpoint_of (broker);
    const char *all = NULL;
    zf_subscriber_options_t options = subscriber_options (&endpoint, &all);
    publish_numbers (publisher, "t", 0, 100);
    for (uint64_t i = 0; i < 200; i++) {
        options.group = i % 4 == 3 ? "g" : NULL;
        options.start.from = i % 2 == 0 ? ZF_FROM_FIRST : ZF_FROM_NEW;
        zf_subscriber_t *subscriber = open_subscriber_with (&options);
        if (i % 3 == 0)
            await_ready (subscriber);
        close_subscriber (subscriber);
    }
    AWAIT (look_at (client, "events").subscribers == 0); /* nothing of them is left there */
}

#define SHARED_CASE(name) cmocka_unit_test_setup_teardown (name, begin_shared, events_clear)

int main (void)
{
    const struct CMUnitTest tests[] = {
        SHARED_CASE (each_message_goes_to_one_thread),
        SHARED_CASE (message_may_be_given_back_by_another_thread),
        SHARED_CASE (gaps_are_told_without_the_lock),
        SHARED_CASE (loop_gets_everything),
        SHARED_CASE (loop_of_a_group_gets_everything),
        SHARED_CASE (refusal_wakes_a_loop_once),
        SHARED_CASE (close_sends_away_who_waits),
        SHARED_CASE (close_sends_away_who_waits_for_nobody),
        SHARED_CASE (closing_with_messages_in_hand_is_safe),
        SHARED_CASE (many_come_and_go),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
