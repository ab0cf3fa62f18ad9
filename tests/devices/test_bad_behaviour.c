/* Peers that speak correctly and misbehave: they take what is not theirs, do not read, do not wait,
 * pretend to be others, or come in thousands. Those beside them are served. */
#include "tests/devices/bad_peer.h"
#include "tests/devices/stage.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <zmq.h>

#define PEER_A "aaaaaaaaaaaaaaaa"
#define PEER_B "bbbbbbbbbbbbbbbb"

#ifdef __SANITIZE_THREAD__
#define OVERHEAD 6 /* of what memory there is, for keeping books about it */
#else
#define OVERHEAD 1
#endif

static zf_device_t *broker;
static zf_client_t *bystander;
static bad_peer_t bad;

static int setup_with (const zf_policy_t *policy)
{
    broker = start_broker_with (policy);
    bystander = open_client (broker);
    start_service (broker, "echo", serve_echo);
    expect_answer (bystander, "echo", "before", "before");
    bad_open (&bad, broker, NULL);
    bad_greet (&bad, PEER_A);
    return 0;
}

static int setup (void **state)
{
    return setup_with (NULL);
}

static int teardown (void **state)
{
    bad_close (&bad);
    return stage_clear (state);
}

static void assert_unimpressed (void)
{
    zf_client_stats_t stats;
    expect_answer (bystander, "echo", "after", "after");
    zf_client_stats (bystander, &stats);
    assert_int_equal (stats.reconnects, 0);
}

/* Bytes of memory that the process has. */
static size_t resident (void)
{
    unsigned long all, mine;
    FILE *file = fopen ("/proc/self/statm", "r");
    assert_non_null (file);
    assert_int_equal (fscanf (file, "%lu %lu", &all, &mine), 2);
    fclose (file);
    return mine * (size_t) sysconf (_SC_PAGESIZE);
}

/* -- what is not theirs ------------------------------------------------------------------------ */

static void settle_as (unsigned command, uint64_t id)
{
    bool has_argument = command == ZF_CMD_NACK || command == ZF_CMD_EXTEND;
    zf_writer_t *w = bad_control (&bad, command, has_argument || command == ZF_CMD_REJECT ? 4 : 3);
    bad_put_text (&bad, "jobs");
    if (has_argument)
        zf_mp_put_uint (w, 1);
    if (command == ZF_CMD_REJECT)
        bad_put_text (&bad, "no");
    zf_mp_put_uint (w, id);
    zf_mp_put_uint (w, 1);
    bad_send (&bad);
}

static void settlements_of_what_one_does_not_hold_are_void (void **state)
{
    static const unsigned commands[] = {ZF_CMD_ACK, ZF_CMD_NACK, ZF_CMD_REJECT, ZF_CMD_RELEASE};
    post (bystander, "jobs", "mine");
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_message_t message = take_text (worker, "mine", 1);
    for (size_t i = 0; i < 4; i++)
        settle_as (commands[i], message.id);
    bad_settle (&bad);
    assert_int_equal (figure (broker, "stale"), 4); /* it is no worker at all */
    bad_consume (&bad, "jobs", 1);
    for (size_t i = 0; i < 4; i++)
        settle_as (commands[i], message.id);
    settle_as (ZF_CMD_EXTEND, message.id); /* to end at once */
    bad_settle (&bad);
    assert_int_equal (figure (broker, "stale"), 8);
    assert_int_equal (look_at (bystander, "jobs").leased, 1);
    ack (worker, &message);
    AWAIT (look_at (bystander, "jobs").acked == 1);
    assert_unimpressed ();
}

static void answer_to_what_one_does_not_hold_is_not_passed_on (void **state)
{
    zf_worker_t *worker = open_worker (broker, "service", 1);
    assert_int_equal (
        zf_client_request_async (bystander, "service", "?", 1, NULL, NULL, NULL, NULL, NULL), 0);
    zf_message_t message = take_text (worker, "?", 1);
    bad_consume (&bad, "service", 1);
    bad_control (&bad, ZF_CMD_ANSWER, 2);
    bad_put_text (&bad, "service");
    zf_mp_put_bool (&bad.control, false);
    bad_batch (&bad, message.id, 1, 6);
    bad_send (&bad);
    bad_settle (&bad);
    assert_int_equal (figure (broker, "stale"), 1);
    assert_int_equal (zf_worker_reply (worker, &message, "right", 5, NULL), 0);
    zf_message_t reply;
    assert_int_equal (zf_client_next_reply (bystander, &reply, PATIENCE_MS, NULL), 0);
    assert_memory_equal (reply.body, "right", 5);
    zf_message_release (&reply);
    assert_unimpressed ();
}

static void reserved_names_can_not_be_taken (void **state)
{
    bad_consume (&bad, "mmi.service", 1);
    bad_expect_error (&bad, ZF_E_INVAL);
    bad_post (&bad, "mmi.service", 1, 1, 10);
    zf_reader_t r;
    bad_expect (&bad, ZF_CMD_CONFIRM, &r);
    zf_mp_bytes (&r);
    zf_mp_uint (&r);
    zf_mp_uint (&r);
    assert_int_equal (-(int) zf_mp_uint (&r), ZF_E_INVAL);
    assert_unimpressed ();
}

/* -- not reading, not waiting ------------------------------------------------------------------ */

static void consumer_that_never_reads_gets_only_so_much (void **state)
{
    char body[4096] = "x";
    bad_consume (&bad, "jobs", 1u << 20);
    bad_settle (&bad);
    uint64_t out = figure (broker, "messages_out");
    for (int i = 0; i < 16384; i++) /* 64 MiB */
        assert_int_equal (
            zf_client_post_async (bystander, "jobs", body, sizeof body, NULL, NULL, NULL), 0);
    assert_int_equal (zf_client_flush (bystander, -1, NULL), 0);
    assert_true (figure (broker, "messages_out") > out);
    zf_queue_info_t info = look_at (bystander, "jobs");
    assert_in_range (info.leased, 1, 6000);     /* 16 MiB and a batch, of the 64 */
    AWAIT (has_workers (bystander, "jobs", 0)); /* it says nothing either: gone */
    zf_worker_t *worker = open_worker (broker, "jobs", 0);
    for (int i = 0; i < 16384; i++) {
        zf_message_t message = take (worker);
        ack (worker, &message);
    }
    AWAIT (has_length (bystander, "jobs", 0));
    assert_unimpressed ();
}

static void client_that_never_reads_its_answers_is_cut_off (void **state)
{
    static const char body[1u << 20] = "x";
    assert_int_equal (zf_client_post (bystander, "jobs", body, sizeof body, NULL, NULL), 0);
    size_t before = resident ();
    for (uint64_t i = 1; i <= 280; i++) { /* MiB: more than the 256 that it may leave unread */
        zf_mp_put_uint (bad_control (&bad, ZF_CMD_ADMIN, 4), i);
        bad_put_text (&bad, "peek");
        bad_put_text (&bad, "jobs");
        zf_mp_put_array (&bad.control, 2);
        zf_mp_put_uint (&bad.control, 0);
        zf_mp_put_uint (&bad.control, 1);
        bad_send (&bad);
    }
    AWAIT (figure (broker, "peers_slow") == 1);
    assert_true (resident () < before + OVERHEAD * ((size_t) 900 << 20)); /* both sides of it */
    assert_unimpressed ();
}

static int setup_narrow (void **state)
{
    zf_policy_t policy;
    zf_policy_defaults (&policy);
    policy.max_length = 10;
    return setup_with (&policy);
}

static void posts_beyond_the_window_end_the_session (void **state)
{
    for (uint64_t i = 0; i < 200; i++) /* 200 x 64 KiB, three times the window */
        bad_post (&bad, "jobs", 1 + i * 64, 64, 1024);
    bad_expect (&bad, ZF_CMD_RESET, NULL);
    assert_true (figure (broker, "peer_errors") >= 1);
    assert_int_equal (look_at (bystander, "jobs").length, 10);
    assert_int_equal (look_at (bystander, "jobs").parked, 0); /* nothing of it is kept */
    assert_in_range (figure (broker, "bytes"), 1, 20 * 1024);
    assert_unimpressed ();
}

static void posts_with_a_gap_are_not_taken (void **state)
{
    bad_post (&bad, "jobs", 1, 1, 10);
    bad_expect (&bad, ZF_CMD_CONFIRM, NULL);
    bad_post (&bad, "jobs", 1, 1, 10); /* sent again */
    bad_expect (&bad, ZF_CMD_CONFIRM, NULL);
    assert_int_equal (look_at (bystander, "jobs").length, 1);
    assert_int_equal (look_at (bystander, "jobs").duplicates, 1);
    assert_unimpressed ();
}

/* -- pretending -------------------------------------------------------------------------------- */

static void routing_id_of_another_can_not_be_taken (void **state)
{
    bad_peer_t first, second;
    bad_open (&first, broker, "the-same");
    bad_greet (&first, PEER_B);
    bad_consume (&first, "jobs", 1);
    AWAIT (has_workers (bystander, "jobs", 1));
    bad_open (&second, broker, "the-same");
    bad_consume (&second, "jobs", 1);
    assert_int_equal (bad_hear (&second, 100, NULL), 0); /* ZeroMQ does not let it in */
    post (bystander, "jobs", "for the first");
    bad_expect (&first, ZF_CMD_DELIVER, NULL);
    bad_close (&second);
    bad_settle (&first);
    assert_int_equal (look_at (bystander, "jobs").leased, 1);
    bad_close (&first);
    AWAIT (has_workers (bystander, "jobs", 0));
    assert_unimpressed ();
}

static void identity_said_twice_belongs_to_who_said_it_last (void **state)
{
    bad_peer_t thief;
    bad_consume (&bad, "jobs", 1);
    post (bystander, "jobs", "one");
    bad_expect (&bad, ZF_CMD_DELIVER, NULL);
    bad_open (&thief, broker, NULL);
    bad_greet (&thief, PEER_A);
    AWAIT (look_at (bystander, "jobs").leased == 0); /* the lease was the other connection's */
    bad_control (&bad, ZF_CMD_ACK, 3);
    bad_put_text (&bad, "jobs");
    zf_mp_put_uint (&bad.control, 0);
    zf_mp_put_uint (&bad.control, 1);
    bad_send (&bad);
    bad_expect (&bad, ZF_CMD_RESET, NULL);
    assert_true (has_length (bystander, "jobs", 1));
    zf_worker_t *worker = open_worker (broker, "jobs", 1);
    zf_message_t message = take_text (worker, "one", 2);
    ack (worker, &message);
    bad_close (&thief);
    assert_unimpressed ();
}

static void second_hello_with_another_identity_is_refused (void **state)
{
    zf_writer_t *w = bad_control (&bad, ZF_CMD_HELLO, 3);
    zf_mp_put_uint (w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (w, zf_bytes (PEER_B, 16));
    zf_mp_put_map (w, 0);
    bad_send (&bad);
    bad_expect_error (&bad, ZF_E_PROTO);
    assert_unimpressed ();
}

/* -- thousands --------------------------------------------------------------------------------- */

#define FEWEST 2000
#define MOST   5000

/* How many connections this process can have both ends of. */
static size_t connections_allowed (void)
{
    struct rlimit limit;
    getrlimit (RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit (RLIMIT_NOFILE, &limit);
    size_t allowed = (size_t) (limit.rlim_cur - 200) / 2;
    return allowed < MOST ? allowed : MOST;
}

static void thousands_that_say_nothing_disturb_nobody (void **state)
{
    static int fds[MOST];
    size_t count = connections_allowed ();
    if (count < FEWEST)
        skip ();
    size_t before = resident ();
    for (size_t i = 0; i < count; i++) {
        fds[i] = bad_connect (broker);
        if (i % 500 == 0)
            expect_answer (bystander, "echo", "meanwhile", "meanwhile");
    }
    assert_unimpressed ();
    assert_int_equal (figure (broker, "sessions"), 3); /* bystander, service, bad */
    assert_true (resident () < before + OVERHEAD * count * (64u << 10));
    for (size_t i = 0; i < count; i++)
        close (fds[i]);
    assert_unimpressed ();
}

static void garbage_over_tcp_disturbs_nobody (void **state)
{
    static const char *const words[] = {
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "\xff",                                     /* the first byte of a greeting */
        "\xff\0\0\0\0\0\0\0\x01\x7f\x03",           /* more of it */
        "\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL",     /* and more */
        "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a", /* an old version's length */
    };
    static const size_t sizes[] = {36, 1, 11, 16, 10};
    for (int i = 0; i < 500; i++) {
        int fd = bad_connect (broker);
        assert_true (send (fd, words[i % 5], sizes[i % 5], MSG_NOSIGNAL) > 0);
        if (i % 2 == 0)
            shutdown (fd, SHUT_WR);
        close (fd);
    }
    assert_unimpressed ();
    assert_int_equal (figure (broker, "sessions"), 3);
}

static void sessions_beyond_the_limit_are_refused (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.max_sessions = 2;
    zf_device_t *small = start_broker (&options);
    zf_client_t *client = open_client (small);
    post (client, "jobs", "one");
    bad_peer_t second, third;
    bad_open (&second, small, NULL);
    bad_greet (&second, PEER_B);
    bad_open (&third, small, NULL);
    AWAIT (figure (small, "sessions_refused") >= 1);
    post (client, "jobs", "two");
    bad_close (&second);
    AWAIT (figure (small, "sessions") == 1);
    bad_greet (&third, PEER_A); /* there is room again */
    bad_close (&third);
}

int main (void)
{
#define BAD_CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
    const struct CMUnitTest tests[] = {
        BAD_CASE (settlements_of_what_one_does_not_hold_are_void),
        BAD_CASE (answer_to_what_one_does_not_hold_is_not_passed_on),
        BAD_CASE (reserved_names_can_not_be_taken),
        BAD_CASE (consumer_that_never_reads_gets_only_so_much),
        BAD_CASE (client_that_never_reads_its_answers_is_cut_off),
        cmocka_unit_test_setup_teardown (posts_beyond_the_window_end_the_session, setup_narrow,
                                         teardown),
        BAD_CASE (posts_with_a_gap_are_not_taken),
        BAD_CASE (routing_id_of_another_can_not_be_taken),
        BAD_CASE (identity_said_twice_belongs_to_who_said_it_last),
        BAD_CASE (second_hello_with_another_identity_is_refused),
        BAD_CASE (thousands_that_say_nothing_disturb_nobody),
        BAD_CASE (garbage_over_tcp_disturbs_nobody),
        BAD_CASE (sessions_beyond_the_limit_are_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
