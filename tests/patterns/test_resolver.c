/* zferry:// endpoints: who is meant by them, and what becomes of those who come and go. */
#include "patterns/worker.h"
#include "tests/patterns/mesh.h"

#include <dirent.h>

#define POSTS      2000
#define CLIENTS    24
#define ASKS       200
#define COMINGS    1000
#define SOON_MS    2000
#define BUSY_MS    1000
#define REAL_EVERY 25 /* one of so many is a broker */
#define FDS_MORE   4
#define RSS_MORE   (UINT64_C (8) << 20)

/* -- what is written --------------------------------------------------------------------------- */

static void expect_refused (const char *url)
{
    zf_client_t *client = NULL;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &url;
    options.peer = mesh.peers[0];
    int rc = zf_client_open (&client, &options, &stage.err);
    zf_client_close (&client);
    if (rc != ZF_E_ADDRESS)
        fail_msg ("%s: %d", url, rc);
    assert_non_null (strstr (stage.err.text, url));
}

static void malformed_ones_are_refused_in_words (void **state)
{
    start_peer ("anna");
    expect_refused ("zferry://");
    expect_refused ("zferry://jobs");
    expect_refused ("zferry://queue");
    expect_refused ("zferry://queue/");
    expect_refused ("zferry:///jobs");
    expect_refused ("zferry://queue/a b");
}

static void null_among_them_is_refused (void **state)
{
    const char *endpoints[] = {"zferry://queue/jobs", NULL};
    zf_client_t *client;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    options.peer = start_peer ("anna");
    assert_int_equal (zf_client_open (&client, &options, &stage.err), ZF_E_INVAL);
    assert_non_null (strstr (stage.err.text, "endpoint 1 is NULL"));
}

static void nobody_is_told_in_words (void **state)
{
    static const char *const url = "zferry://service/upper";
    zf_message_t reply;
    zf_request_options_t brief;
    zf_request_defaults (&brief);
    brief.timeout_ms = 100;
    zf_client_t *client = open_client_for (start_peer ("anna"), url);
    assert_int_equal (zf_client_request (client, "upper", "?", 1, &brief, &reply, &stage.err),
                      ZF_E_TIMEOUT);
    assert_non_null (strstr (stage.err.text, "nobody was found"));
    assert_non_null (strstr (stage.err.text, url));
}

static void serve_a (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_reply (worker, message, "a", 1, NULL) == 0);
}

static void serve_b (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_reply (worker, message, "b", 1, NULL) == 0);
}

static void addresses_and_names_can_be_mixed (void **state)
{
    zf_device_t *broker = start_broker (NULL);
    zf_peer_t *anna = start_peer ("anna");
    const char *endpoints[] = {endpoint_of (broker), "zferry://service/upper"};
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    options.peer = anna;
    start_service (broker, "upper", serve_a);
    zf_client_t *client = open_client_with (&options);
    assert_int_equal (ask (client, "upper"), 'a');
    serve_with (open_direct (anna, "upper", 0), serve_b);
    AWAIT (reaches (&client->handle, 2));
    unsigned of_b = 0;
    for (int i = 0; i < 10; i++)
        of_b += ask (client, "upper") == 'b';
    assert_int_equal (of_b, 5);
}

/* Who offers just that comes before brokers; they are used when nobody does. */
static void brokers_stand_in (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    zf_device_t *broker = start_broker (NULL);
    announce (anna, "broker/one", endpoint_of (broker));
    start_service (broker, "upper", serve_a);
    zf_client_t *client = open_client_for (start_peer ("bert"), "zferry://service/upper");
    assert_int_equal (ask (client, "upper"), 'a');
    zf_worker_t *direct = open_direct (anna, "upper", 0);
    service_t *service = serve_with (direct, serve_b);
    AWAIT (ask (client, "upper") == 'b');
    for (int i = 0; i < 10; i++)
        assert_int_equal (ask (client, "upper"), 'b');
    stop_service (service);
    for (int i = 0; i < 10; i++)
        assert_int_equal (ask (client, "upper"), 'a');
}

/* -- two brokers ------------------------------------------------------------------------------- */

static struct {
    zf_peer_t *peer;
    zf_device_t *brokers[2];
    char endpoints[2][64];
} pair;

static const char *const names[2] = {"broker/one", "broker/two"};

static void start_pair (void)
{
    pair.peer = start_peer ("anna");
    for (size_t i = 0; i < 2; i++) {
        pair.brokers[i] = start_broker (NULL);
        snprintf (pair.endpoints[i], 64, "%s", endpoint_of (pair.brokers[i]));
        announce (pair.peer, names[i], pair.endpoints[i]);
    }
}

static zf_client_t *open_client_of_pair (void)
{
    zf_client_t *client = open_client_for (pair.peer, "zferry://queue/jobs");
    AWAIT (reaches (&client->handle, 2));
    return client;
}

/* Which of the two the client posts to. */
static size_t home_of (zf_client_t *client)
{
    pthread_mutex_lock (&client->handle.lock);
    size_t which =
        strcmp (zf_connection_endpoint (zf_client_connection (client)), pair.endpoints[0]) == 0 ? 0
                                                                                                : 1;
    pthread_mutex_unlock (&client->handle.lock);
    return which;
}

static void clients_spread_over_brokers (void **state)
{
    unsigned at[2] = {0, 0};
    start_pair ();
    for (int i = 0; i < CLIENTS; i++)
        at[home_of (open_client_of_pair ())]++;
    assert_true (at[0] > 0);
    assert_true (at[1] > 0);
}

static void worker_takes_from_all_brokers (void **state)
{
    start_pair ();
    zf_worker_t *worker = open_worker_for (pair.peer, "zferry://queue/jobs", "jobs");
    for (size_t i = 0; i < 2; i++)
        post (open_client (pair.brokers[i]), "jobs", "x");
    for (size_t i = 0; i < 2; i++) {
        zf_message_t message = take_text (worker, "x", 1);
        ack (worker, &message);
    }
}

/* What was posted, and how often each came back. */
static struct {
    uint8_t confirmed[POSTS];
    uint8_t taken[POSTS];
} ledger;

static void note_confirmed (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    (void) arg;
    (void) queue;
    must (code == 0 && first + count <= POSTS + 1);
    for (uint64_t i = 0; i < count; i++)
        ledger.confirmed[first - 1 + i]++;
}

static void post_numbers (zf_client_t *client, uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        int rc = zf_client_post_async (client, "jobs", &i, sizeof i, NULL, NULL, &stage.err);
        if (rc != 0)
            fail_msg ("%s", stage.err.text);
    }
}

static void flush_posts (zf_client_t *client)
{
    if (zf_client_flush (client, PATIENCE_MS, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
}

/* Takes all that is at this broker. */
static void take_numbers (zf_device_t *broker)
{
    zf_client_t *client = open_client (broker);
    zf_worker_t *worker = open_worker (broker, "jobs", 100);
    uint64_t left = look_at (client, "jobs").length;
    for (; left > 0; left--) {
        uint32_t number;
        zf_message_t message = take (worker);
        memcpy (&number, message.body, sizeof number);
        assert_in_range (number, 0, POSTS - 1);
        ledger.taken[number]++;
        ack (worker, &message);
    }
    close_worker (worker);
    close_client (client);
}

/* The home goes for a while, between posts and in the midst of them. */
static void posts_go_where_a_broker_is (void **state)
{
    memset (&ledger, 0, sizeof ledger);
    start_pair ();
    static const char *const url = "zferry://queue/jobs";
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &url;
    options.peer = pair.peer;
    options.timeout_ms = PATIENCE_MS;
    options.on_confirm = note_confirmed;
    zf_client_t *client = open_client_with (&options);
    AWAIT (reaches (&client->handle, 2));
    size_t home = home_of (client);
    post_numbers (client, 0, POSTS / 4);
    flush_posts (client);
    take_numbers (pair.brokers[home]);
    for (uint32_t i = 0; i < POSTS / 4; i++)
        assert_int_equal (ledger.taken[i], 1);
    post_numbers (client, POSTS / 4, POSTS / 4); /* some are not confirmed when it goes */
    stop_broker (pair.brokers[home]);
    uint64_t begun_ms = zf_clock_ms ();
    post_numbers (client, POSTS / 2, POSTS / 4);
    flush_posts (client);
    assert_in_range (zf_clock_ms () - begun_ms, 0, SOON_MS);
    assert_int_equal (home_of (client), 1 - home);
    const char *again = pair.endpoints[home];
    pair.brokers[home] = start_broker_at (again);
    AWAIT (reaches (&client->handle, 2));
    AWAIT (home_of (client) == home);
    post_numbers (client, 3 * POSTS / 4, POSTS / 4);
    flush_posts (client);
    assert_int_equal (look_at (open_client (pair.brokers[home]), "jobs").length, POSTS / 4);
    take_numbers (pair.brokers[0]);
    take_numbers (pair.brokers[1]);
    for (uint32_t i = 0; i < POSTS; i++) {
        assert_int_equal (ledger.confirmed[i], 1);
        if (i < POSTS / 4 || i >= POSTS / 2)
            assert_int_equal (ledger.taken[i], 1);
    }
}

/* -- those who come and go --------------------------------------------------------------------- */

static size_t count_fds (void)
{
    size_t count = 0;
    DIR *dir = opendir ("/proc/self/fd");
    assert_non_null (dir);
    while (readdir (dir) != NULL)
        count++;
    closedir (dir);
    return count;
}

/* 0 with a sanitizer: it keeps what was freed. */
static uint64_t rss_bytes (void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#endif
    unsigned long pages = 0;
    FILE *file = fopen ("/proc/self/statm", "r");
    assert_non_null (file);
    assert_int_equal (fscanf (file, "%*u %lu", &pages), 1);
    fclose (file);
    return pages * (uint64_t) sysconf (_SC_PAGESIZE);
}

/* True if it uses so many endpoints, whether they answer or not. */
static bool uses (zf_handle_t *handle, size_t count)
{
    pthread_mutex_lock (&handle->lock);
    for (size_t i = 0; i < handle->connection_count; i++)
        count -= handle->connections[i].state != ZF_CONNECTION_OFF;
    pthread_mutex_unlock (&handle->lock);
    return count == 0;
}

/* Nobody is there. */
static void announce_and_withdraw (zf_worker_t *worker, unsigned port)
{
    char endpoint[64];
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", port);
    announce (mesh.peers[0], "queue/jobs", endpoint);
    AWAIT (uses (&worker->handle, 2));
    assert_int_equal (zf_directory_withdraw (mesh.peers[0], "queue/jobs", endpoint), 0);
    AWAIT (uses (&worker->handle, 1));
}

static void start_and_stop (zf_worker_t *worker)
{
    zf_device_t *broker = start_broker (NULL);
    announce (mesh.peers[0], "queue/jobs", endpoint_of (broker));
    AWAIT (reaches (&worker->handle, 2));
    assert_int_equal (zf_directory_withdraw (mesh.peers[0], "queue/jobs", endpoint_of (broker)), 0);
    stop_broker (broker);
    AWAIT (uses (&worker->handle, 1));
}

static void come_and_go (zf_worker_t *worker, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        announce_and_withdraw (worker, 1 + i);
        if (i % REAL_EVERY == 0)
            start_and_stop (worker);
    }
}

static void nothing_is_left_of_those_who_came_and_went (void **state)
{
    start_peer ("anna");
    zf_worker_t *worker = open_worker_for (mesh.peers[0], "zferry://queue/jobs", "jobs");
    announce (mesh.peers[0], "queue/jobs", endpoint_of (start_broker (NULL)));
    come_and_go (worker, COMINGS / 10);
    size_t fds = count_fds ();
    uint64_t rss = rss_bytes ();
    come_and_go (worker, COMINGS);
    AWAIT (count_fds () <= fds + FDS_MORE); /* libzmq closes them when it comes to it */
    assert_in_range (rss_bytes (), 0, rss + RSS_MORE);
}

/* It is listed, and takes connections, but nobody speaks. */
static void who_never_answers_holds_nobody_up (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    char endpoint[64];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl (INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int mute = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal (bind (mute, (const struct sockaddr *) &address, size), 0);
    assert_int_equal (listen (mute, 16), 0);
    assert_int_equal (getsockname (mute, (struct sockaddr *) &address, &size), 0);
    snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", (unsigned) ntohs (address.sin_port));
    announce (anna, "service/upper", endpoint);
    announce (anna, "service/upper", "tcp://127.0.0.1:9"); /* nobody there */
    serve_with (open_direct (anna, "upper", 0), serve_a);
    zf_client_t *client = open_client_for (anna, "zferry://service/upper");
    assert_int_equal (ask (client, "upper"), 'a');
    uint64_t begun_ms = zf_clock_ms ();
    for (int i = 0; i < ASKS; i++)
        assert_int_equal (ask (client, "upper"), 'a');
    assert_in_range (zf_clock_ms () - begun_ms, 0, SOON_MS);
    close (mute);
}

/* There are more than anybody connects to, and most of them are not there. */
static void one_among_many_that_are_dead_is_found (void **state)
{
    zf_peer_t *anna = start_peer ("anna");
    for (unsigned i = 0; i < 2 * ZF_ENDPOINTS_MAX; i++) {
        char endpoint[64];
        snprintf (endpoint, sizeof endpoint, "tcp://127.0.0.1:%u", 1 + i);
        announce (anna, "service/upper", endpoint);
    }
    serve_with (open_direct (anna, "upper", 0), serve_a);
    static const char *const url = "zferry://service/upper";
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &url;
    options.peer = anna;
    options.failover_ms = 200;
    options.timeout_ms = PATIENCE_MS;
    for (int i = 0; i < 4; i++) {
        zf_client_t *client = open_client_with (&options);
        assert_int_equal (ask (client, "upper"), 'a');
        close_client (client);
    }
}

/* A broker that is listed twice gets one session of each handle, not two that end each other. */
static void broker_with_two_endpoints_is_used_once (void **state)
{
    static const char *const endpoints[] = {ANY_PORT, ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = endpoints;
    options.endpoint_count = 2;
    options.heartbeat_ms = 50;
    zf_device_t *broker = start_broker (&options);
    zf_peer_t *anna = start_peer ("anna");
    for (size_t i = 0; i < 2; i++)
        announce (anna, "queue/jobs", zf_device_endpoint (broker, i));
    zf_worker_t *worker = open_worker_for (anna, "zferry://queue/jobs", "jobs");
    zf_client_t *client = open_client (broker);
    uint64_t end_ms = zf_clock_ms () + BUSY_MS;
    while (zf_clock_ms () < end_ms) {
        post (client, "jobs", "x");
        zf_message_t message = take (worker);
        zf_worker_ack (worker, &message);
    }
    assert_true (reaches (&worker->handle, 1));
    assert_in_range (worker->handle.reconnects, 0, 4);
    for (size_t i = 0; i < 2; i++) { /* whichever it was */
        zf_directory_withdraw (anna, "queue/jobs", zf_device_endpoint (broker, i));
        post (client, "jobs", "x");
        zf_message_t message = take (worker);
        zf_worker_ack (worker, &message);
        if (i == 0)
            AWAIT (reaches (&worker->handle, 1));
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        MESH_CASE (malformed_ones_are_refused_in_words),
        MESH_CASE (null_among_them_is_refused),
        MESH_CASE (nobody_is_told_in_words),
        MESH_CASE (addresses_and_names_can_be_mixed),
        MESH_CASE (brokers_stand_in),
        MESH_CASE (clients_spread_over_brokers),
        MESH_CASE (worker_takes_from_all_brokers),
        MESH_CASE (posts_go_where_a_broker_is),
        MESH_CASE (nothing_is_left_of_those_who_came_and_went),
        MESH_CASE (who_never_answers_holds_nobody_up),
        MESH_CASE (one_among_many_that_are_dead_is_found),
        MESH_CASE (broker_with_two_endpoints_is_used_once),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
