/* Direct workers that are killed while they hold a request: as a process of its own, which this
 * program is started again for. */
#include "tests/patterns/mesh.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#define URL      "zferry://service/upper"
#define DEATH_MS 1500 /* for others to take over, at most */

extern char **environ;

static struct {
    pid_t pid; /* 0: none */
    int out;   /* its standard output */
    int in;    /* and input: at its end the process leaves */
} child;

static void start_child (void)
{
    int out[2], in[2];
    char port[16];
    char self[] = "/proc/self/exe";
    snprintf (port, sizeof port, "%u", (unsigned) mesh.port);
    char *argv[] = {self, port, NULL};
    posix_spawn_file_actions_t actions;
    assert_int_equal (pipe2 (out, O_CLOEXEC), 0);
    assert_int_equal (pipe2 (in, O_CLOEXEC), 0);
    posix_spawn_file_actions_init (&actions);
    posix_spawn_file_actions_adddup2 (&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2 (&actions, in[0], STDIN_FILENO);
    assert_int_equal (posix_spawn (&child.pid, argv[0], &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy (&actions);
    close (out[1]);
    close (in[0]);
    child.out = out[0];
    child.in = in[1];
}

static void kill_child (void)
{
    kill (child.pid, SIGKILL);
    waitpid (child.pid, NULL, 0);
    close (child.out);
    close (child.in);
    child.pid = 0;
}

static int clear (void **state)
{
    if (child.pid != 0)
        kill_child ();
    return mesh_clear (state);
}

/* It has taken a request. */
static void await_holding (void)
{
    char byte = 0;
    struct pollfd fd = {child.out, POLLIN, 0};
    assert_int_equal (poll (&fd, 1, PATIENCE_MS), 1);
    assert_int_equal (read (child.out, &byte, 1), 1);
    assert_int_equal (byte, 'h');
}

/* The child: a direct worker that takes one request, and holds it. */
static int play (const char *port)
{
    char byte;
    zf_message_t message;
    mesh.port = (uint16_t) strtoul (port, NULL, 10);
    zf_worker_t *worker = open_direct (start_peer ("child"), "upper", 1);
    must (zf_worker_recv (worker, &message, PATIENCE_MS, NULL) == 0);
    must (write (STDOUT_FILENO, "h", 1) == 1);
    while (read (STDIN_FILENO, &byte, 1) > 0)
        ;
    return 0;
}

static atomic_uint answered_here;

static void serve_here (zf_worker_t *worker, zf_message_t *message)
{
    atomic_fetch_add (&answered_here, 1);
    must (zf_worker_reply (worker, message, "a", 1, NULL) == 0);
}

/* A request that the child holds, and another worker that could answer it. */
static zf_client_t *ask_the_doomed (const zf_request_options_t *options)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_client_t *client = open_client_for (anna, URL);
    atomic_store (&answered_here, 0);
    start_child ();
    assert_int_equal (
        zf_client_request_async (client, "upper", "?", 1, options, NULL, NULL, NULL, &stage.err),
        0);
    await_holding ();
    serve_with (open_direct (anna, "upper", 0), serve_here);
    AWAIT (reaches (&client->handle, 2));
    return client;
}

static void request_of_a_killed_worker_is_answered_by_another (void **state)
{
    zf_message_t reply;
    zf_client_t *client = ask_the_doomed (NULL);
    uint64_t begun_ms = zf_clock_ms ();
    kill_child ();
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_in_range (zf_clock_ms () - begun_ms, 0, DEATH_MS);
    assert_int_equal (reply.code, 0);
    assert_memory_equal (reply.body, "a", 1);
    zf_message_release (&reply);
    assert_int_equal (atomic_load (&answered_here), 1);
}

static void request_that_is_not_to_be_repeated_fails_at_once (void **state)
{
    zf_message_t reply;
    zf_request_options_t once;
    zf_request_defaults (&once);
    once.retries = 0;
    zf_client_t *client = ask_the_doomed (&once);
    uint64_t begun_ms = zf_clock_ms ();
    kill_child ();
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_in_range (zf_clock_ms () - begun_ms, 0, DEATH_MS);
    assert_true (reply.code < 0);
    assert_true (reply.size > 0); /* why, in words */
    zf_message_release (&reply);
    assert_int_equal (atomic_load (&answered_here), 0);
}

/* Also if nobody else is there: whoever comes next would not be asked either. */
static void request_that_was_lost_fails_with_nobody_there (void **state)
{
    zf_message_t reply;
    zf_request_options_t once;
    zf_request_defaults (&once);
    once.retries = 0;
    zf_client_t *client = open_client_for (start_peer ("anna"), URL);
    start_child ();
    assert_int_equal (
        zf_client_request_async (client, "upper", "?", 1, &once, NULL, NULL, NULL, &stage.err), 0);
    await_holding ();
    uint64_t begun_ms = zf_clock_ms ();
    kill_child ();
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_in_range (zf_clock_ms () - begun_ms, 0, DEATH_MS);
    assert_true (reply.code < 0);
    zf_message_release (&reply);
}

static void service_goes_on_when_its_only_worker_is_replaced (void **state)
{
    zf_message_t reply;
    zf_peer_t *anna = start_peer ("anna");
    zf_client_t *client = open_client_for (anna, URL);
    start_child ();
    assert_int_equal (
        zf_client_request_async (client, "upper", "?", 1, NULL, NULL, NULL, NULL, &stage.err), 0);
    await_holding ();
    kill_child ();
    serve_with (open_direct (anna, "upper", 0), serve_here);
    assert_int_equal (zf_client_next_reply (client, &reply, PATIENCE_MS, &stage.err), 0);
    assert_int_equal (reply.code, 0);
    zf_message_release (&reply);
}

int main (int argc, char **argv)
{
    if (argc == 2)
        return play (argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown (request_of_a_killed_worker_is_answered_by_another, clear),
        cmocka_unit_test_teardown (request_that_is_not_to_be_repeated_fails_at_once, clear),
        cmocka_unit_test_teardown (request_that_was_lost_fails_with_nobody_there, clear),
        cmocka_unit_test_teardown (service_goes_on_when_its_only_worker_is_replaced, clear),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
