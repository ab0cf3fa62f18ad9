/* Starting and stopping brokers: endpoints, refusals in words, figures and events. */
#include "tests/devices/stage.h"

#include <sys/stat.h>

/* Events as they come, from the broker's thread. */
typedef struct {
    pthread_mutex_t lock;
    size_t count;
    zf_event_t events[64];
    char texts[64][256];
} log_t;

static void note_event (void *arg, zf_event_t event, const char *text)
{
    log_t *log = arg;
    pthread_mutex_lock (&log->lock);
    if (log->count < 64) {
        log->events[log->count] = event;
        snprintf (log->texts[log->count++], sizeof log->texts[0], "%s", text);
    }
    pthread_mutex_unlock (&log->lock);
}

/* The index of the first event of this kind whose text has this in it, or -1. */
static int find_event (log_t *log, zf_event_t event, const char *part)
{
    int found = -1;
    pthread_mutex_lock (&log->lock);
    for (size_t i = 0; i < log->count && found < 0; i++) {
        if (log->events[i] == event && strstr (log->texts[i], part) != NULL)
            found = (int) i;
    }
    pthread_mutex_unlock (&log->lock);
    return found;
}

/* A socket path in a directory of our own; remove it with forget_path. */
static void make_path (char path[128])
{
    char dir[] = "/tmp/zferry-test-XXXXXX";
    assert_non_null (mkdtemp (dir));
    snprintf (path, 128, "ipc://%s/broker", dir);
}

static void forget_path (char path[128])
{
    char *file = path + strlen ("ipc://");
    unlink (file);
    *strrchr (file, '/') = '\0';
    assert_int_equal (rmdir (file), 0);
}

static zf_device_t *start_on (const char *const *endpoints, size_t count)
{
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = count;
    return start_broker (&options);
}

/* Starting on these must fail with that code. */
static void expect_refusal (const char *const *endpoints, size_t count, int code)
{
    zf_device_t *device = (zf_device_t *) (void *) &stage;
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = count;
    options.security = zf_security_insecure ();
    assert_int_equal (zf_broker_start (&device, &options, &stage.err), code);
    assert_int_equal (stage.err.code, code);
    assert_null (device);
}

static void broker_on_three_transports_serves_them_all (void **state)
{
    char path[128];
    make_path (path);
    const char *endpoints[] = {ANY_PORT, path, "inproc://three-transports", ANY_PORT};
    zf_device_t *broker = start_on (endpoints, 4);
    assert_null (zf_device_endpoint (broker, 4));
    assert_string_equal (zf_device_endpoint (broker, 1), path);
    assert_string_not_equal (zf_device_endpoint (broker, 0), zf_device_endpoint (broker, 3));
    for (size_t i = 0; i < 4; i++)
        post (open_client_at (zf_device_endpoint (broker, i)), "jobs", "one");
    assert_true (has_length (stage.clients[0], "jobs", 4));
    stage_clear (NULL);
    forget_path (path);
}

static void broker_with_any_port_says_which_one (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    unsigned port = 0;
    assert_int_equal (sscanf (endpoint_of (broker), "tcp://127.0.0.1:%u", &port), 1);
    assert_in_range (port, 1, 65535);
}

static void broker_on_a_taken_port_says_so (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    const char *taken = endpoint_of (broker);
    expect_refusal (&taken, 1, ZF_E_ADDRESS);
    assert_non_null (strstr (stage.err.text, taken));
    assert_non_null (strstr (stage.err.text, "address already in use"));
}

static void broker_on_a_taken_path_leaves_it_alone (void **state)
{
    char path[128];
    make_path (path);
    const char *endpoint = path;
    zf_device_t *broker = start_on (&endpoint, 1);
    expect_refusal (&endpoint, 1, ZF_E_ADDRESS);
    assert_non_null (strstr (stage.err.text, "address already in use"));
    post (open_client (broker), "jobs", "still here");
    stage_clear (NULL);
    forget_path (path);
}

static void broker_takes_over_the_path_of_a_dead_one (void **state)
{
    char path[128];
    make_path (path);
    const char *endpoint = path;
    FILE *stale = fopen (path + strlen ("ipc://"), "w");
    assert_non_null (stale);
    fclose (stale);
    post (open_client (start_on (&endpoint, 1)), "jobs", "one");
    stage_clear (NULL);
    forget_path (path);
}

static void broker_refused_at_its_second_endpoint_frees_the_first (void **state)
{
    const char *endpoints[] = {"inproc://first-of-two", "tcp://127.0.0.1:none"};
    expect_refusal (endpoints, 2, ZF_E_ADDRESS);
    assert_non_null (strstr (stage.err.text, endpoints[1]));
    start_on (endpoints, 1);
}

static void broker_on_a_bad_endpoint_says_what_is_wrong (void **state)
{
    static const struct {
        const char *endpoint;
        const char *words;
    } bad[] = {
        {"localhost", "tcp://HOST:PORT"},
        {"udp://127.0.0.1:5555", "tcp, ipc or inproc"},
        {"http://127.0.0.1:5555", "tcp, ipc or inproc"},
        {"tcp://127.0.0.1:99999", "tcp://HOST:PORT"},
        {"tcp://192.0.2.1:0", "no such network interface or address"},
        {"ipc:///nowhere/at/all/broker", "No such file or directory"},
        {"", "tcp://HOST:PORT"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_refusal (&bad[i].endpoint, 1, ZF_E_ADDRESS);
        if (strstr (stage.err.text, bad[i].words) == NULL)
            fail_msg ("%s: %s", bad[i].endpoint, stage.err.text);
    }
}

static void broker_with_options_out_of_range_says_which (void **state)
{
    zf_device_t *device = NULL;
    zf_broker_options_t options = {0};
    assert_int_equal (zf_broker_start (&device, &options, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "zf_broker_defaults"));
    zf_broker_defaults (&options);
    options.endpoint_count = 0;
    assert_int_equal (zf_broker_start (&device, &options, &stage.err), ZF_E_INVAL);
    zf_broker_defaults (&options);
    options.max_message_bytes = 1;
    assert_int_equal (zf_broker_start (&device, &options, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "max_message_bytes"));
    zf_broker_defaults (&options);
    zf_policy_t policy = {0};
    options.policy = &policy;
    assert_int_equal (zf_broker_start (&device, &options, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "policy"));
    assert_null (device);
}

static void two_brokers_of_a_process_are_apart (void **state)
{
    zf_device_t *one = start_broker (NULL);
    zf_device_t *two = start_broker (NULL);
    zf_client_t *client = open_client (one);
    post (client, "jobs", "for one");
    zf_client_t *other = open_client (two);
    post (other, "jobs", "for two");
    assert_true (has_length (client, "jobs", 1));
    stop_broker (one);
    post (other, "jobs", "for two again");
    assert_true (has_length (other, "jobs", 2));
}

static void broker_stopped_among_its_peers_frees_its_port (void **state)
{
    char endpoint[64];
    zf_device_t *broker = start_broker (NULL);
    snprintf (endpoint, sizeof endpoint, "%s", endpoint_of (broker));
    const char *same = endpoint;
    for (int i = 0; i < 10; i++) {
        zf_client_t *client = open_client (broker);
        zf_worker_t *worker = open_worker (broker, "jobs", 10);
        post (client, "jobs", "one");
        zf_message_t message = take (worker);
        stop_broker (broker);
        broker = start_on (&same, 1); /* at once */
        AWAIT (zf_worker_ack (worker, &message) != 0);
        close_client (client);
        close_worker (worker);
    }
}

static void broker_counts_what_it_does (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    assert_int_equal (figure (broker, "sessions"), 0);
    assert_int_equal (figure (broker, "queues"), 0);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "some bytes");
    assert_int_equal (figure (broker, "sessions"), 1);
    assert_int_equal (figure (broker, "queues"), 1);
    assert_int_equal (figure (broker, "bytes"), 4 + strlen ("some bytes"));
    assert_true (figure (broker, "messages_in") >= 3); /* probe, HELLO, POST */
    assert_true (figure (broker, "messages_out") >= 3);
    assert_int_equal (figure (broker, "peer_errors"), 0);
    close_client (client);
    AWAIT (figure (broker, "sessions") == 0);
    assert_int_equal (figure (broker, "bytes"), 4 + strlen ("some bytes"));
}

static void broker_tells_who_comes_and_goes (void **state)
{
    static log_t log = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const char *endpoints[] = {ANY_PORT, "inproc://told"};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    options.on_event = note_event;
    options.arg = &log;
    zf_device_t *broker = start_broker (&options);
    assert_int_equal (find_event (&log, ZF_EVENT_LISTENING, endpoint_of (broker)), 0);
    assert_int_equal (find_event (&log, ZF_EVENT_LISTENING, "inproc://told"), 1);
    zf_client_t *client = open_client (broker);
    post (client, "jobs", "one");
    const char *endpoint = endpoint_of (broker);
    zf_worker_options_t named;
    zf_worker_defaults (&named);
    named.endpoints = &endpoint;
    named.name = "anna";
    zf_worker_t *worker = open_worker_with ("jobs", &named);
    zf_message_t message = take_text (worker, "one", 1);
    assert_int_equal (zf_worker_reject (worker, &message, "no good"), 0);
    AWAIT (find_event (&log, ZF_EVENT_WORKER_ON, "jobs: anna") > 0);
    AWAIT (find_event (&log, ZF_EVENT_DEAD_LETTER, "no good") > 0);
    close_worker (worker);
    AWAIT (find_event (&log, ZF_EVENT_WORKER_OFF, "jobs: anna: left") > 0);
    zf_device_stop (&stage.brokers[0]); /* before the log's frame goes out of use */
}

static void stopping_no_device_is_harmless (void **state)
{
    zf_device_t *none = NULL;
    zf_device_stop (&none);
    zf_device_stop (NULL);
    assert_null (none);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        CASE (broker_on_three_transports_serves_them_all),
        CASE (broker_with_any_port_says_which_one),
        CASE (broker_on_a_taken_port_says_so),
        CASE (broker_on_a_taken_path_leaves_it_alone),
        CASE (broker_takes_over_the_path_of_a_dead_one),
        CASE (broker_refused_at_its_second_endpoint_frees_the_first),
        CASE (broker_on_a_bad_endpoint_says_what_is_wrong),
        CASE (broker_with_options_out_of_range_says_which),
        CASE (two_brokers_of_a_process_are_apart),
        CASE (broker_stopped_among_its_peers_frees_its_port),
        CASE (broker_counts_what_it_does),
        CASE (broker_tells_who_comes_and_goes),
        CASE (stopping_no_device_is_harmless),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
