/* Direct workers: each has a broker of its own inside, is found by its service's name, and is
 * turned by whoever waits. */
#include "patterns/worker.h"
#include "tests/patterns/mesh.h"

#include <sys/resource.h>

#define SERVICE     "service/upper"
#define URL         "zferry://" SERVICE
#define SOON_MS     2000 /* "at once", on a machine that has other things to do */
#define ROUNDS      10
#define ASKS        500
#define ASKING      4
#define SERVING     4
#define IDLE_MS     1000
#define IDLE_CPU_MS 10

static void answer_with (zf_worker_t *worker, zf_message_t *message, const char *text)
{
    must (zf_worker_reply (worker, message, text, strlen (text), NULL) == 0);
}

static void serve_a (zf_worker_t *worker, zf_message_t *message)
{
    answer_with (worker, message, "a");
}

static void serve_b (zf_worker_t *worker, zf_message_t *message)
{
    answer_with (worker, message, "b");
}

/* -- being found ------------------------------------------------------------------------------- */

static void worker_is_found_by_its_service (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    serve_with (open_direct (anna, "upper", 0), serve_echo);
    expect_answer (open_client_for (bert, URL), "upper", "hello", "hello");
}

static void worker_is_found_in_its_own_process_too (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    serve_with (open_direct (anna, "upper", 0), serve_echo);
    expect_answer (open_client_for (anna, URL), "upper", "hello", "hello");
}

static void *ask_once (void *arg)
{
    zf_error_t err;
    zf_message_t reply;
    must (zf_client_request (arg, "upper", "?", 1, NULL, &reply, &err) == 0);
    zf_message_release (&reply);
    return NULL;
}

static void service_that_comes_later_answers_what_waits (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    pthread_t asking;
    zf_client_t *client = open_client_for (bert, URL);
    assert_int_equal (pthread_create (&asking, NULL, ask_once, client), 0);
    serve_with (open_direct (anna, "upper", 0), serve_echo);
    pthread_join (asking, NULL);
}

/* -- several ----------------------------------------------------------------------------------- */

static void two_workers_share_what_is_asked (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    serve_with (open_direct (anna, "upper", 0), serve_a);
    serve_with (open_direct (bert, "upper", 0), serve_b);
    zf_client_t *client = open_client_for (anna, URL);
    AWAIT (reaches (&client->handle, 2));
    unsigned of_b = 0;
    for (int i = 0; i < 20; i++)
        of_b += ask (client, "upper") == 'b';
    assert_int_equal (of_b, 10);
}

static void who_is_busy_is_left_alone (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    zf_worker_t *busy = open_direct (anna, "upper", 0);
    zf_client_t *client = open_client_for (anna, URL);
    assert_int_equal (
        zf_client_request_async (client, "upper", "?", 1, NULL, NULL, NULL, NULL, &stage.err), 0);
    zf_message_t held = take (busy);
    serve_with (open_direct (bert, "upper", 0), serve_b);
    AWAIT (reaches (&client->handle, 2));
    for (int i = 0; i < 20; i++)
        assert_int_equal (ask (client, "upper"), 'b');
    answer_with (busy, &held, "a");
    zf_message_t reply;
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_memory_equal (reply.body, "a", 1);
    zf_message_release (&reply);
}

/* Who asks all the time, and how long an answer took at most. */
typedef struct {
    zf_client_t *client;
    atomic_uint asked;
    _Atomic uint64_t longest_ms;
} asking_t;

static void *ask_often (void *arg)
{
    asking_t *asking = arg;
    zf_error_t err;
    for (int i = 0; i < ASKS; i++) {
        zf_message_t reply;
        uint64_t begun_ms = zf_clock_ms ();
        if (zf_client_request (asking->client, "upper", "?", 1, NULL, &reply, &err) != 0) {
            fprintf (stderr, "ask: %s\n", err.text);
            abort ();
        }
        zf_message_release (&reply);
        uint64_t took_ms = zf_clock_ms () - begun_ms;
        if (took_ms > atomic_load (&asking->longest_ms)) /* the others may be longer: no matter */
            atomic_store (&asking->longest_ms, took_ms);
        atomic_fetch_add (&asking->asked, 1);
    }
    return NULL;
}

static void requests_go_on_when_a_worker_leaves (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    pthread_t threads[ASKING];
    service_t *leaving = serve_with (open_direct (anna, "upper", 0), serve_a);
    serve_with (open_direct (bert, "upper", 0), serve_b);
    asking_t asking = {.client = open_client_for (bert, URL)};
    AWAIT (reaches (&asking.client->handle, 2));
    for (size_t i = 0; i < ASKING; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, ask_often, &asking), 0);
    AWAIT (atomic_load (&asking.asked) > ASKS / 2);
    stop_service (leaving);
    for (size_t i = 0; i < ASKING; i++)
        pthread_join (threads[i], NULL);
    assert_int_equal (atomic_load (&asking.asked), ASKING * ASKS);
    assert_in_range (atomic_load (&asking.longest_ms), 0, SOON_MS);
}

static void worker_that_is_closed_loses_nothing (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    zf_worker_t *leaving = open_direct (anna, "upper", 1);
    zf_client_t *client = open_client_for (bert, URL);
    for (int i = 0; i < 5; i++)
        assert_int_equal (
            zf_client_request_async (client, "upper", "?", 1, NULL, NULL, NULL, NULL, &stage.err),
            0);
    take (leaving); /* and four wait there */
    serve_with (open_direct (bert, "upper", 0), serve_b);
    AWAIT (reaches (&client->handle, 2));
    uint64_t begun_ms = zf_clock_ms ();
    close_worker (leaving);
    for (int i = 0; i < 5; i++) {
        zf_message_t reply;
        assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
        assert_int_equal (reply.code, 0);
        zf_message_release (&reply);
    }
    assert_in_range (zf_clock_ms () - begun_ms, 0, SOON_MS);
}

/* What somebody said before he went is heard, though that he went is known as well by then. */
typedef struct {
    atomic_bool is_inside, may_leave;
    atomic_uint answered;
} doorman_t;

static void hold_up (void *arg, const zf_message_t *reply)
{
    doorman_t *doorman = arg;
    must (reply->code == 0);
    atomic_store (&doorman->is_inside, true);
    while (!atomic_load (&doorman->may_leave))
        poll (NULL, 0, 1);
    atomic_fetch_add (&doorman->answered, 1);
}

static void ask_async (zf_client_t *client, doorman_t *doorman, const zf_request_options_t *options)
{
    assert_int_equal (zf_client_request_async (client, "upper", "?", 1, options, hold_up, doorman,
                                               NULL, &stage.err),
                      0);
}

static void last_words_of_a_worker_are_heard (void **state)
{
    doorman_t doorman = {false, false, 0};
    zf_peer_t *anna = start_peer ("anna");
    zf_peer_t *bert = start_peer ("bert");
    zf_request_options_t once;
    zf_request_defaults (&once);
    once.retries = 0;
    zf_worker_t *leaving = open_direct (anna, "upper", 0);
    zf_client_t *client = open_client_for (bert, URL);
    ask_async (client, &doorman, &once);
    ask_async (client, &doorman, &once);
    zf_message_t first = take (leaving), second = take (leaving);
    answer_with (leaving, &first, "a");
    AWAIT (atomic_load (&doorman.is_inside)); /* from now on nobody looks after the client */
    answer_with (leaving, &second, "a");
    close_worker (leaving);
    zf_worker_t *other = open_direct (anna, "upper", 0); /* it would be asked again here */
    await_offers (bert, SERVICE, 1);
    atomic_store (&doorman.may_leave, true);
    AWAIT (atomic_load (&doorman.answered) == 2);
    zf_message_t again;
    assert_int_equal (zf_worker_recv (other, &again, 0, NULL), ZF_E_AGAIN);
}

/* -- riding ------------------------------------------------------------------------------------ */

static void worker_in_an_event_loop_answers_at_once (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_worker_t *worker = open_direct (anna, "upper", 0);
    zf_client_t *client = open_client_for (anna, URL);
    struct pollfd fds[2] = {{zf_worker_fd (worker), POLLIN, 0}, {zf_client_fd (client), POLLIN, 0}};
    uint64_t begun_ms = 0;
    for (unsigned answered = 0; answered <= ROUNDS; answered++) {
        zf_message_t message;
        assert_int_equal (
            zf_client_request_async (client, "upper", "?", 1, NULL, NULL, NULL, NULL, &stage.err),
            0);
        for (;;) {
            if (poll (fds, 2, PATIENCE_MS) <= 0)
                fail_msg ("both descriptors stay silent");
            zf_worker_process (worker);
            while (zf_worker_recv (worker, &message, 0, NULL) == 0)
                answer_with (worker, &message, "a");
            zf_client_process (client);
            if (zf_client_next_reply (client, &message, 0, NULL) == 0)
                break;
        }
        assert_int_equal (message.code, 0);
        zf_message_release (&message);
        if (answered == 0) /* the first one had to find it */
            begun_ms = zf_clock_ms ();
    }
    assert_in_range (zf_clock_ms () - begun_ms, 0, SOON_MS);
}

/* One that nobody calls at all, but for its descriptor. */
static void worker_in_an_event_loop_is_there_without_a_caller (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_worker_t *worker = open_direct (anna, "upper", 0);
    struct pollfd fd = {zf_worker_fd (worker), POLLIN, 0};
    uint64_t begun_ms = zf_clock_ms ();
    while (!reaches (&worker->handle, 1)) {
        if (poll (&fd, 1, PATIENCE_MS) != 1)
            fail_msg ("the descriptor stays silent");
        zf_worker_process (worker);
    }
    assert_in_range (zf_clock_ms () - begun_ms, 0, SOON_MS);
}

static void *take_one (void *arg)
{
    zf_message_t message;
    must (zf_worker_recv (arg, &message, PATIENCE_MS, NULL) == 0);
    must (zf_worker_ack (arg, &message) == 0);
    return NULL;
}

/* True if somebody polls for the worker. */
static bool is_led (zf_worker_t *worker)
{
    pthread_mutex_lock (&worker->handle.lock);
    bool is_led = worker->handle.leader != NULL;
    pthread_mutex_unlock (&worker->handle.lock);
    return is_led;
}

/* Acks of one who waits for another's turn come to the broker inside at once: so there is credit
 * for the next record. */
static void acks_of_a_follower_are_seen (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_worker_t *worker = open_direct (anna, "upper", 8);
    zf_client_t *client = open_client_for (anna, URL);
    for (int i = 0; i < 8 + 4 * ROUNDS; i++)
        assert_int_equal (zf_client_post_async (client, "upper", "x", 1, NULL, NULL, &stage.err),
                          0);
    assert_int_equal (zf_client_flush (client, PATIENCE_MS, &stage.err), 0);
    zf_message_t held[8];
    uint64_t waited_ms = 0;
    for (int i = 0; i < 8; i++)
        held[i] = take (worker);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t rider;
        assert_int_equal (pthread_create (&rider, NULL, take_one, worker), 0);
        AWAIT (is_led (worker));
        for (int k = 0; k < 3; k++) /* not told yet: credit is not half used */
            ack (worker, &held[k]);
        uint64_t begun_ms = zf_clock_ms ();
        held[0] = take (worker);
        waited_ms += zf_clock_ms () - begun_ms;
        pthread_join (rider, NULL);
        held[1] = take (worker);
        held[2] = take (worker);
    }
    for (int i = 0; i < 8; i++)
        ack (worker, &held[i]);
    assert_in_range (waited_ms, 0, SOON_MS);
}

static void many_threads_on_one_worker (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_worker_t *worker = open_direct (anna, "upper", 0);
    service_t service = {.worker = worker, .serve = serve_echo};
    asking_t asking = {.client = open_client_for (anna, URL)};
    pthread_t serving[SERVING];
    for (size_t i = 0; i < SERVING; i++)
        assert_int_equal (pthread_create (&serving[i], NULL, run_service, &service), 0);
    on_threads (ASKING, ask_often, &asking);
    assert_int_equal (atomic_load (&asking.asked), ASKING * ASKS);
    assert_int_equal (zf_worker_drain (worker, PATIENCE_MS, &stage.err), 0);
    for (size_t i = 0; i < SERVING; i++)
        pthread_join (serving[i], NULL);
}

static zf_client_t *inner; /* what a job asks of the broker that it came from */
static _Atomic uint64_t longest_job_ms;

static void serve_with_a_post (zf_worker_t *worker, zf_message_t *message)
{
    zf_error_t err;
    uint64_t begun_ms = zf_clock_ms ();
    must (zf_client_post (inner, "notes", "x", 1, NULL, &err) == 0);
    uint64_t took_ms = zf_clock_ms () - begun_ms;
    if (took_ms > atomic_load (&longest_job_ms))
        atomic_store (&longest_job_ms, took_ms);
    answer_with (worker, message, "a");
}

/* Nobody rides while the job is done, whatever the rider left behind. */
static void broker_inside_works_while_its_worker_does (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_worker_t *worker = open_direct (anna, "upper", 0);
    asking_t asking = {.client = open_client_for (anna, URL)};
    inner = open_client_for (anna, URL);
    atomic_store (&longest_job_ms, 0);
    serve_with (worker, serve_with_a_post);
    on_threads (ASKING, ask_often, &asking);
    assert_in_range (atomic_load (&longest_job_ms), 0, SOON_MS);
}

/* What the process has cost so far. */
static uint64_t cpu_ms (void)
{
    struct rusage usage;
    getrusage (RUSAGE_SELF, &usage);
    return (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static void waiting_costs_next_to_nothing (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_worker_t *worker = open_direct (anna, "upper", 0);
    zf_message_t message;
    assert_int_equal (zf_worker_recv (worker, &message, 200, NULL), ZF_E_TIMEOUT);
    uint64_t before_ms = cpu_ms ();
    assert_int_equal (zf_worker_recv (worker, &message, IDLE_MS, NULL), ZF_E_TIMEOUT);
    assert_in_range (cpu_ms () - before_ms, 0, IDLE_CPU_MS);
}

/* Nobody waits here, and still the broker inside keeps its times. */
static void times_are_kept_while_nobody_waits (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_request_options_t brief;
    zf_message_t reply;
    zf_request_defaults (&brief);
    zf_worker_t *worker = open_direct (anna, "upper", 1);
    zf_client_t *client = open_client_for (anna, URL);
    assert_int_equal (
        zf_client_request_async (client, "upper", "?", 1, NULL, NULL, NULL, NULL, &stage.err), 0);
    zf_message_t held = take (worker);
    brief.timeout_ms = 100;
    brief.fail_fast = true;
    assert_true (zf_client_request (client, "upper", "?", 1, &brief, &reply, &stage.err) < 0);
    zf_client_t *posting = open_client_for (anna, URL);
    post (posting, "other", "x"); /* a confirm */
    answer_with (worker, &held, "a");
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    zf_message_release (&reply);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        MESH_CASE (worker_is_found_by_its_service),
        MESH_CASE (worker_is_found_in_its_own_process_too),
        MESH_CASE (service_that_comes_later_answers_what_waits),
        MESH_CASE (two_workers_share_what_is_asked),
        MESH_CASE (who_is_busy_is_left_alone),
        MESH_CASE (requests_go_on_when_a_worker_leaves),
        MESH_CASE (worker_that_is_closed_loses_nothing),
        MESH_CASE (last_words_of_a_worker_are_heard),
        MESH_CASE (worker_in_an_event_loop_answers_at_once),
        MESH_CASE (worker_in_an_event_loop_is_there_without_a_caller),
        MESH_CASE (acks_of_a_follower_are_seen),
        MESH_CASE (many_threads_on_one_worker),
        MESH_CASE (broker_inside_works_while_its_worker_does),
        MESH_CASE (waiting_costs_next_to_nothing),
        MESH_CASE (times_are_kept_while_nobody_waits),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
