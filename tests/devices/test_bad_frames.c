/* Peers that send nonsense: each is counted and answered or dropped, and those beside it do not
 * notice. */
#include "tests/devices/bad_peer.h"
#include "tests/devices/stage.h"

#include <zmq.h>

#define PEER_A "aaaaaaaaaaaaaaaa"

/* A broker, a peer that is going to misbehave, and a service with a client that must not suffer. */
static zf_device_t *broker;
static zf_client_t *bystander;
static bad_peer_t bad;

static int setup (void **state)
{
    static const char *const any_port[] = {ANY_PORT};
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = any_port;
    options.max_message_bytes = 1u << 20;
    broker = start_broker (&options);
    bystander = open_client (broker);
    start_service (broker, "echo", serve_echo);
    expect_answer (bystander, "echo", "before", "before");
    bad_open (&bad, broker, NULL);
    return 0;
}

static int teardown (void **state)
{
    bad_close (&bad);
    return stage_clear (state);
}

/* The others are served, and nothing is left of what was sent. */
static void assert_unimpressed (void)
{
    expect_answer (bystander, "echo", "after", "after");
    zf_client_stats_t stats;
    zf_client_stats (bystander, &stats);
    assert_int_equal (stats.reconnects, 0);
    assert_int_equal (figure (broker, "bytes"), 0);
}

/* The same numbers in each run. */
static uint32_t next_random (void)
{
    static uint64_t seed = 88172645463325252u;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t) (seed >> 16);
}

static void send_random (uint8_t first_byte)
{
    uint8_t bytes[300];
    int frames = 1 + (int) (next_random () % 4);
    for (int i = 0; i < frames; i++) {
        size_t size = next_random () % sizeof bytes;
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t) next_random ();
        if (i == 0 && first_byte != 0)
            bytes[0] = first_byte;
        zmq_send (bad.socket.raw, bytes, size, i + 1 < frames ? ZMQ_SNDMORE : 0);
    }
}

static void random_bytes_are_counted (void **state)
{
    uint64_t before = figure (broker, "messages_in");
    for (int i = 0; i < 2000; i++)
        send_random (0);
    AWAIT (figure (broker, "messages_in") + figure (broker, "peer_errors") >= before + 2000);
    assert_true (figure (broker, "peer_errors") > 100);
    assert_unimpressed ();
}

static void random_arguments_of_a_greeted_peer_are_counted (void **state)
{
    bad_greet (&bad, PEER_A);
    for (int i = 0; i < 4000; i++) {
        send_random ((uint8_t) (0x91 + next_random () % 8));
        if (i % 8 == 7)
            bad_settle (&bad);
    }
    assert_true (figure (broker, "peer_errors") > 1000);
    assert_unimpressed ();
}

/* -- control frames ---------------------------------------------------------------------------- */

/* Well-formed arguments of each command a peer may send. */
static void put_command (unsigned command)
{
    static const char *const arguments[] = {
        [ZF_CMD_HELLO] = "\x01\xc4\x10" PEER_A "\x80",
        [ZF_CMD_POST] = "\xa1q\x01",
        [ZF_CMD_POST_MANY] = "\x01\x01\x92\xa1q\x01",
        [ZF_CMD_REQUEST] = "\xa1q\x64\x01",
        [ZF_CMD_CONSUME] = "\xa1q\x01",
        [ZF_CMD_ACK] = "\xa1q\x7f\x01",
        [ZF_CMD_NACK] = "\xa1q\xff\x7f\x01",
        [ZF_CMD_REJECT] = "\xa1q\xa3why\x7f\x01",
        [ZF_CMD_RELEASE] = "\xa1q\x7f\x01",
        [ZF_CMD_EXTEND] = "\xa1q\x64\x7f\x01",
        [ZF_CMD_ANSWER] = "\xa1q\xc2",
        [ZF_CMD_ADMIN] = "\x01\xa5queue\xa1q\xc0",
    };
    static const size_t counts[] = {
        [ZF_CMD_HELLO] = 3,   [ZF_CMD_POST] = 2,   [ZF_CMD_POST_MANY] = 3, [ZF_CMD_REQUEST] = 3,
        [ZF_CMD_CONSUME] = 2, [ZF_CMD_ACK] = 3,    [ZF_CMD_NACK] = 4,      [ZF_CMD_REJECT] = 4,
        [ZF_CMD_RELEASE] = 3, [ZF_CMD_EXTEND] = 4, [ZF_CMD_ANSWER] = 2,    [ZF_CMD_ADMIN] = 4,
    };
    zf_writer_t *w = bad_control (&bad, command, counts[command]);
    zf_write_bytes (w, arguments[command], strlen (arguments[command]));
}

static void truncated_commands_are_counted (void **state)
{
    static const unsigned commands[] = {ZF_CMD_HELLO,   ZF_CMD_POST,    ZF_CMD_POST_MANY,
                                        ZF_CMD_REQUEST, ZF_CMD_CONSUME, ZF_CMD_ACK,
                                        ZF_CMD_NACK,    ZF_CMD_REJECT,  ZF_CMD_RELEASE,
                                        ZF_CMD_EXTEND,  ZF_CMD_ANSWER,  ZF_CMD_ADMIN};
    bad_greet (&bad, PEER_A);
    size_t sent = 0;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        put_command (commands[i]);
        size_t whole = bad.control.size;
        for (size_t size = 1; size < whole; size++, sent++) { /* without a batch, too */
            put_command (commands[i]);
            bad.control.size = size;
            bad_send (&bad);
            bad_settle (&bad);
        }
    }
    assert_true (figure (broker, "peer_errors") + figure (broker, "stale") > sent / 2);
    assert_unimpressed ();
}

static void bombs_do_not_go_off (void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bombs[] = {
        {"\xdd\xff\xff\xff\xff", 5},         /* an array of 4 G elements */
        {"\xdc\xff\xff\x01", 4},             /* 65,535 */
        {"\x94\x01\xdf\xff\xff\xff\xff", 7}, /* HELLO with a map for its version */
        {"\x93\x0a\xdb\xff\xff\xff\xff", 7}, /* POST to a name of 4 G bytes */
        {"\x93\x0a\xc6\xff\xff\xff\xff", 7}, /* the same in binary */
        {"\x95\x28\x01\xa7"
         "declare\xa1q\xdf\xff\xff\xff\xff",
         18},                                        /* a policy of 4 G values */
        {"\x94\x0c\x01\x01\xdd\xff\xff\xff\xff", 9}, /* an atomic post to 2 G queues */
    };
    bad_greet (&bad, PEER_A);
    for (size_t i = 0; i < sizeof bombs / sizeof bombs[0]; i++) {
        bad_send_bytes (&bad, bombs[i].bytes, bombs[i].size);
        bad_settle (&bad);
    }
    uint8_t deep[60000]; /* arrays in arrays, behind an option that nobody knows */
    static const uint8_t head[] = "\x94\x01\x01\xc4\x10" PEER_A "\x81\x63";
    memset (deep, 0x91, sizeof deep);
    memcpy (deep, head, sizeof head - 1);
    bad_send_bytes (&bad, deep, sizeof deep);
    bad_settle (&bad);
    assert_true (figure (broker, "peer_errors") >= 7); /* the policy was answered */
    assert_unimpressed ();
}

static void control_frame_beyond_its_limit_is_refused (void **state)
{
    uint8_t big[ZF_CONTROL_MAX + 1] = {0x91, ZF_CMD_PING};
    bad_greet (&bad, PEER_A);
    bad_send_bytes (&bad, big, sizeof big);
    bad_expect_error (&bad, ZF_E_PROTO);
    bad_settle (&bad);
    assert_unimpressed ();
}

static void message_beyond_the_limit_ends_its_connection (void **state)
{
    bad_greet (&bad, PEER_A);
    bad_control (&bad, ZF_CMD_POST, 2);
    bad_put_text (&bad, "q");
    zf_mp_put_uint (&bad.control, 1);
    bad_batch (&bad, 1, 1, 2u << 20);
    uint64_t lost = figure (broker, "sessions_lost");
    bad_send (&bad);
    AWAIT (figure (broker, "sessions_lost") == lost + 1);
    assert_unimpressed ();
}

static void wrong_versions_are_told_the_right_one (void **state)
{
    static const uint64_t versions[] = {0, 99};
    for (int i = 0; i < 2; i++) {
        zf_writer_t *w = bad_control (&bad, ZF_CMD_HELLO, 3);
        zf_mp_put_uint (w, versions[i]);
        zf_mp_put_bin (w, zf_bytes (PEER_A, 16));
        zf_mp_put_map (w, 0);
        bad_send (&bad);
        if (versions[i] == 0) {
            bad_expect_error (&bad, ZF_E_VERSION);
            continue;
        }
        zf_reader_t r;
        bad_expect (&bad, ZF_CMD_WELCOME, &r);
        assert_int_equal (zf_mp_uint (&r), ZF_NATIVE_VERSION);
    }
    assert_unimpressed ();
}

static void unknown_commands_are_refused (void **state)
{
    static const unsigned commands[] = {0, 2, 6, 8, 9, 11, 14, 31, 39, 41, 42, 127, 65535};
    bad_greet (&bad, PEER_A);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        bad_control (&bad, commands[i], 0);
        bad_send (&bad);
        bad_expect_error (&bad, ZF_E_PROTO);
    }
    assert_unimpressed ();
}

static void stranger_is_told_to_say_hello (void **state)
{
    bad_expect (&bad, ZF_CMD_RESET, NULL); /* for the probe of the connection */
    bad_post (&bad, "q", 1, 1, 10);
    bad_expect (&bad, ZF_CMD_RESET, NULL);
    bad_greet (&bad, PEER_A);
    bad_post (&bad, "q", 1, 1, 10);
    bad_expect (&bad, ZF_CMD_CONFIRM, NULL);
    assert_int_equal (zf_admin_purge (bystander, "q", NULL, NULL), 0);
    assert_unimpressed ();
}

/* -- batches ----------------------------------------------------------------------------------- */

/* Posts a batch after changing one byte of it, without or with a new seal. It must be refused with
 * that code (0: any), and the session ended: the numbers behind would have a gap. */
static void expect_refused (size_t at, uint8_t with, bool sealed, int code)
{
    bad_control (&bad, ZF_CMD_POST, 2);
    bad_put_text (&bad, "q");
    zf_mp_put_uint (&bad.control, 1);
    bad_batch (&bad, 1, 3, 100);
    bad.body.data[at] ^= with;
    if (sealed)
        zf_batch_seal (bad.body.data, bad.body.size, 3, 0, 1);
    bad_send (&bad);
    if (code != 0)
        bad_expect_error (&bad, code);
    else
        bad_expect (&bad, ZF_CMD_ERROR, NULL);
    bad_expect (&bad, ZF_CMD_RESET, NULL);
    bad_greet (&bad, PEER_A);
}

static void lying_batches_are_not_taken (void **state)
{
    bad_greet (&bad, PEER_A);
    expect_refused (ZF_BATCH_HEADER + 50, 1, false, ZF_E_CORRUPT); /* a body */
    expect_refused (24, 1, false, ZF_E_CORRUPT);                   /* the sum itself */
    assert_int_equal (figure (broker, "corrupt"), 2);
    expect_refused (0, 1, false, ZF_E_PROTO);                     /* magic */
    expect_refused (3, 2, false, ZF_E_VERSION);                   /* version */
    expect_refused (4, 1, false, 0);                              /* count: the sum is of it, too */
    expect_refused (8, 1, false, ZF_E_PROTO);                     /* length */
    expect_refused (ZF_BATCH_HEADER, 1, true, ZF_E_PROTO);        /* a record's, sealed */
    expect_refused (ZF_BATCH_HEADER + 3, 0x40, true, ZF_E_PROTO); /* a gigabyte */
    zf_queue_info_t info;
    assert_int_equal (zf_admin_queue (bystander, "q", &info, NULL), ZF_E_NOT_FOUND);
    assert_unimpressed ();
}

static void commands_without_their_batch_are_refused (void **state)
{
    static const unsigned commands[] = {ZF_CMD_POST, ZF_CMD_POST_MANY, ZF_CMD_REQUEST};
    bad_greet (&bad, PEER_A);
    for (size_t i = 0; i < 3; i++) {
        put_command (commands[i]);
        bad_send (&bad);
        bad_expect_error (&bad, ZF_E_PROTO);
        bad_settle (&bad);
    }
    for (int i = 0; i < 4; i++) /* and with more frames than there can be */
        zmq_send (bad.socket.raw, "\x91\x03", 2, i < 3 ? ZMQ_SNDMORE : 0);
    bad_expect_error (&bad, ZF_E_PROTO);
    assert_unimpressed ();
}

static void atomic_post_whose_counts_do_not_add_up_is_refused (void **state)
{
    bad_greet (&bad, PEER_A);
    for (uint64_t number = 1; number <= 2; number++) {
        zf_writer_t *w = bad_control (&bad, ZF_CMD_POST_MANY, 3);
        zf_mp_put_uint (w, number);
        zf_mp_put_uint (w, number);
        zf_mp_put_array (w, 2);
        bad_put_text (&bad, "q");
        zf_mp_put_uint (w, number == 1 ? 2 : 4); /* of 3 */
        bad_batch (&bad, 1, 3, 10);
        bad_send (&bad);
        zf_reader_t r;
        bad_expect (&bad, ZF_CMD_DONE, &r);
        assert_int_equal (zf_mp_uint (&r), number);
        assert_int_equal (-(int) zf_mp_uint (&r), ZF_E_PROTO);
    }
    assert_unimpressed ();
}

int main (void)
{
#define BAD_CASE(name) cmocka_unit_test_setup_teardown (name, setup, teardown)
    const struct CMUnitTest tests[] = {
        BAD_CASE (random_bytes_are_counted),
        BAD_CASE (random_arguments_of_a_greeted_peer_are_counted),
        BAD_CASE (truncated_commands_are_counted),
        BAD_CASE (bombs_do_not_go_off),
        BAD_CASE (control_frame_beyond_its_limit_is_refused),
        BAD_CASE (message_beyond_the_limit_ends_its_connection),
        BAD_CASE (wrong_versions_are_told_the_right_one),
        BAD_CASE (unknown_commands_are_refused),
        BAD_CASE (stranger_is_told_to_say_hello),
        BAD_CASE (lying_batches_are_not_taken),
        BAD_CASE (commands_without_their_batch_are_refused),
        BAD_CASE (atomic_post_whose_counts_do_not_add_up_is_refused),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
