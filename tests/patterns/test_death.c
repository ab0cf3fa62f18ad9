/* Workers that die, hang or fall silent, and brokers that are killed: as processes of their own,
 * which this program is started again for. */
#include "core/native.h"
#include "tests/devices/stage.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <zmq.h>

extern char **environ;

/* A process that plays a role. */
typedef struct {
    pid_t pid;
    int out; /* its standard output */
    int in;  /* and input: at its end the process leaves */
} child_t;

static child_t child;

static void start_child (const char *role, const char *endpoint)
{
    int out[2], in[2];
    assert_int_equal (pipe2 (out, O_CLOEXEC), 0);
    assert_int_equal (pipe2 (in, O_CLOEXEC), 0);
    char *argv[] = {strdup ("/proc/self/exe"), strdup (role), strdup (endpoint), NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_adddup2 (&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2 (&actions, in[0], STDIN_FILENO);
    assert_int_equal (posix_spawn (&child.pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy (&actions);
    close (out[1]);
    close (in[0]);
    child.out = out[0];
    child.in = in[1];
    for (int i = 0; i < 3; i++)
        free (argv[i]);
}

/* The next line that the process says. */
static void hear_child (char line[128])
{
    size_t n = 0;
    while (n < 127) {
        struct pollfd fd = {child.out, POLLIN, 0};
        assert_int_equal (poll (&fd, 1, PATIENCE_MS), 1);
        assert_int_equal (read (child.out, line + n, 1), 1);
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
}

static void expect_child (const char *words)
{
    char line[128];
    hear_child (line);
    assert_string_equal (line, words);
}

static void end_child (int with_signal)
{
    int status;
    kill (child.pid, with_signal);
    assert_int_equal (waitpid (child.pid, &status, 0), child.pid);
    close (child.out);
    close (child.in);
    child.pid = 0;
}

static int clear (void **state)
{
    if (child.pid != 0)
        end_child (SIGKILL);
    return stage_clear (state);
}

#define CHILD_CASE(name) cmocka_unit_test_teardown (name, clear)

/* -- roles ------------------------------------------------------------------------------------- */

static void say (const char *words)
{
    printf ("%s\n", words);
    fflush (stdout);
}

static void wait_for_the_end (void)
{
    char byte;
    while (read (STDIN_FILENO, &byte, 1) > 0)
        ;
}

/* Receives three records and holds them. */
static int play_worker (const char *endpoint)
{
    zf_worker_t *worker;
    zf_message_t message;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.credit = 5;
    must (zf_worker_open (&worker, "jobs", &options, NULL) == 0);
    for (int i = 0; i < 3; i++)
        must (zf_worker_recv (worker, &message, PATIENCE_MS, NULL) == 0);
    say ("holding");
    wait_for_the_end ();
    return 0;
}

static int play_broker (const char *endpoint)
{
    zf_device_t *broker;
    zf_error_t err;
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    if (zf_broker_start (&broker, &options, &err) != 0) {
        say (err.text);
        return 1;
    }
    say (zf_device_endpoint (broker, 0));
    wait_for_the_end ();
    zf_device_stop (&broker);
    return 0;
}

/* -- workers that die -------------------------------------------------------------------------- */

/* Takes the five records, three of them for the second time; returns when the first came. */
static uint64_t take_over (const zf_device_t *broker)
{
    zf_worker_t *worker = open_worker (broker, "jobs", 5);
    uint64_t first = 0;
    unsigned seen = 0;
    for (int i = 0; i < 5; i++) {
        zf_message_t message = take (worker);
        first = first == 0 ? zf_clock_ms () : first;
        unsigned number = (unsigned) (*(const char *) message.body - '0');
        seen |= 1u << number;
        assert_in_range (message.attempt, 1, 2);
        if (number < 3)
            assert_int_equal (message.attempt, 2);
        ack (worker, &message);
    }
    assert_int_equal (seen, 31);
    return first;
}

static zf_client_t *post_five (const zf_device_t *broker)
{
    static const char *const texts[] = {"0", "1", "2", "3", "4"};
    zf_client_t *client = open_client (broker);
    for (int i = 0; i < 5; i++)
        post (client, "jobs", texts[i]);
    return client;
}

static void killed_worker_gives_its_records_back_at_once (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = post_five (broker);
    start_child ("worker", endpoint_of (broker));
    expect_child ("holding");
    uint64_t start = zf_clock_ms ();
    end_child (SIGKILL);
    assert_in_range (take_over (broker) - start, 0, 900); /* long before 3 heartbeats are over */
    AWAIT (has_length (client, "jobs", 0));
}

static void stopped_worker_is_given_up_after_three_heartbeats (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = post_five (broker);
    start_child ("worker", endpoint_of (broker));
    expect_child ("holding");
    uint64_t start = zf_clock_ms ();
    assert_int_equal (kill (child.pid, SIGSTOP), 0);
    assert_in_range (take_over (broker) - start, 900, 5000);
    assert_int_equal (kill (child.pid, SIGCONT), 0);
    AWAIT (has_workers (client, "jobs", 2)); /* it comes back by itself */
    AWAIT (has_length (client, "jobs", 0));
}

/* A raw peer that greets, takes records, and says nothing any more. */
static void *open_silent (const zf_device_t *broker)
{
    zf_socket_t socket;
    zf_writer_t w = {0};
    assert_int_equal (zf_socket_dealer (&socket, 1u << 20, NULL), 0);
    assert_int_equal (zf_socket_connect (&socket, endpoint_of (broker), NULL), 0);
    zf_control (&w, ZF_CMD_HELLO, 4);
    zf_mp_put_uint (&w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&w, zf_bytes ("0123456789abcdef", 16));
    zf_mp_put_map (&w, 0);
    assert_int_equal (zmq_send (socket.raw, w.data, w.size, 0), w.size);
    w.size = 0;
    zf_control (&w, ZF_CMD_CONSUME, 3);
    zf_mp_put_str (&w, zf_bytes_of ("jobs"));
    zf_mp_put_uint (&w, 5);
    assert_int_equal (zmq_send (socket.raw, w.data, w.size, 0), w.size);
    zf_writer_free (&w);
    return socket.czmq;
}

static void silent_worker_is_given_up_after_three_heartbeats (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_client_t *client = post_five (broker);
    zf_socket_t silent = {.czmq = open_silent (broker)};
    AWAIT (look_at (client, "jobs").leased == 5);
    uint64_t start = zf_clock_ms ();
    assert_in_range (take_over (broker) - start, 900, 5000);
    assert_true (has_workers (client, "jobs", 1));
    zf_socket_close (&silent);
}

/* -- brokers that die -------------------------------------------------------------------------- */

static void killed_broker_is_found_again (void **state)
{
    char endpoint[128];
    start_child ("broker", ANY_PORT);
    hear_child (endpoint);
    zf_client_t *client = open_client_at (endpoint);
    const char *same = endpoint;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &same;
    service_t *service = serve_with (open_worker_with ("echo", &options), serve_echo);
    for (int i = 0; i < 3; i++) {
        expect_answer (client, "echo", "hello", "hello");
        post (client, "jobs", "will be lost");
        end_child (SIGKILL);
        for (int n = 0; n < 100; n++)
            assert_int_equal (zf_client_post_async (client, "jobs", "x", 1, NULL, NULL, NULL), 0);
        start_child ("broker", endpoint);
        expect_child (endpoint);
        assert_int_equal (zf_client_flush (client, -1, &stage.err), 0);
        assert_true (has_length (client, "jobs", 100));
        expect_answer (client, "echo", "hello again", "hello again");
    }
    stop_service (service);
}

static void *ask_once (void *arg)
{
    zf_message_t reply;
    zf_error_t err;
    must (zf_client_request (arg, "echo", "?", 1, NULL, &reply, &err) == 0);
    zf_message_release (&reply);
    return NULL;
}

static void request_under_way_when_the_broker_dies_is_answered_by_the_next (void **state)
{
    char endpoint[128];
    pthread_t thread;
    start_child ("broker", ANY_PORT);
    hear_child (endpoint);
    zf_client_t *client = open_client_at (endpoint);
    zf_client_t *other = open_client_at (endpoint);
    assert_int_equal (pthread_create (&thread, NULL, ask_once, client), 0);
    AWAIT (has_length (other, "echo", 1));
    end_child (SIGKILL);
    start_child ("broker", endpoint);
    expect_child (endpoint);
    const char *same = endpoint;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &same;
    service_t *service = serve_with (open_worker_with ("echo", &options), serve_echo);
    pthread_join (thread, NULL);
    stop_service (service);
}

int main (int argc, char **argv)
{
    if (argc == 3 && strcmp (argv[1], "worker") == 0)
        return play_worker (argv[2]);
    if (argc == 3 && strcmp (argv[1], "broker") == 0)
        return play_broker (argv[2]);
    const struct CMUnitTest tests[] = {
        CHILD_CASE (killed_worker_gives_its_records_back_at_once),
        CHILD_CASE (stopped_worker_is_given_up_after_three_heartbeats),
        CHILD_CASE (silent_worker_is_given_up_after_three_heartbeats),
        CHILD_CASE (killed_broker_is_found_again),
        CHILD_CASE (request_under_way_when_the_broker_dies_is_answered_by_the_next),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
