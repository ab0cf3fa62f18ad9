/* Durable requests: submitted by one client, answered while nobody waits, fetched by another. */
#include "tests/patterns/link_stage.h"

/* -- brokers that come back -------------------------------------------------------------------- */

static struct {
    char endpoint[64]; /* of the broker, the same for all its lives */
    zf_device_t *device;
    bool journal;
    uint64_t memory_bytes; /* 0: the default */
} broker;

static void start (void)
{
    const char *endpoint = broker.endpoint;
    zf_broker_options_t options;
    zf_broker_defaults (&options);
    options.endpoints = &endpoint;
    if (broker.journal)
        options.journal = links.dir;
    if (broker.memory_bytes != 0)
        options.memory_bytes = broker.memory_bytes;
    broker.device = start_broker (&options);
    snprintf (broker.endpoint, sizeof broker.endpoint, "%s", endpoint_of (broker.device));
}

static void begin (bool journal)
{
    broker.journal = journal;
    broker.memory_bytes = 0;
    snprintf (broker.endpoint, sizeof broker.endpoint, ANY_PORT);
    if (journal)
        temporary_directory ();
}

static void restart (void)
{
    stop_broker (broker.device);
    start ();
}

/* -- what is asked ----------------------------------------------------------------------------- */

static void submit (zf_client_t *client, const char *id, const char *text)
{
    if (zf_client_submit (client, "echo", id, text, strlen (text), NULL, &stage.err) != 0)
        fail_msg ("submit %s: %s", id, stage.err.text);
}

static void expect_fetched (zf_client_t *client, const char *id, const char *text)
{
    zf_message_t reply;
    if (zf_client_fetch (client, id, PATIENCE_MS, &reply, &stage.err) != 0)
        fail_msg ("fetch %s: %s", id, stage.err.text);
    assert_int_equal (reply.size, strlen (text));
    assert_memory_equal (reply.body, text, reply.size);
    assert_int_equal (reply.code, 0);
    zf_message_release (&reply);
}

/* Fails with this code; *reply is zeroed. */
static void expect_nothing (zf_client_t *client, const char *id, int timeout_ms, int code)
{
    zf_message_t reply;
    zf_message_t zero = {0};
    memset (&reply, 0x55, sizeof reply);
    int rc = zf_client_fetch (client, id, timeout_ms, &reply, &stage.err);
    if (rc != code)
        fail_msg ("fetch %s: expected %s, got %s", id, zf_strerror (code), stage.err.text);
    assert_int_equal (stage.err.code, code);
    assert_string_not_equal (stage.err.text, "");
    assert_memory_equal (&reply, &zero, sizeof reply);
}

static void forget (zf_client_t *client, const char *id)
{
    if (zf_client_forget (client, id, &stage.err) != 0)
        fail_msg ("forget %s: %s", id, stage.err.text);
}

/* -- answers ----------------------------------------------------------------------------------- */

static void answer_is_there_for_any_client (void **state)
{
    (void) state;
    begin (false);
    start ();
    zf_client_t *first = open_client (broker.device);
    submit (first, "r1", "hello");
    close_client (first);
    start_service (broker.device, "echo", serve_echo);
    zf_client_t *second = open_client (broker.device);
    expect_fetched (second, "r1", "hello");
    zf_client_t *third = open_client (broker.device);
    expect_fetched (third, "r1", "hello");
    forget (third, "r1");
    expect_nothing (second, "r1", PATIENCE_MS, ZF_E_NOT_FOUND);
    assert_int_equal (zf_client_forget (second, "r1", &stage.err), ZF_E_NOT_FOUND);
}

static void fetch_without_an_answer_ends_in_time (void **state)
{
    (void) state;
    begin (false);
    start ();
    zf_client_options_t options;
    const char *endpoint = broker.endpoint;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = 2000;
    zf_client_t *client = open_client_with (&options);
    submit (client, "r1", "hello");
    uint64_t begun = zf_clock_ms ();
    expect_nothing (client, "r1", 0, ZF_E_TIMEOUT);
    assert_true (zf_clock_ms () - begun < 1500);
    begun = zf_clock_ms ();
    expect_nothing (client, "r1", 50, ZF_E_TIMEOUT);
    assert_true (zf_clock_ms () - begun >= 50);
    begun = zf_clock_ms ();
    expect_nothing (client, "r1", -1, ZF_E_TIMEOUT);
    assert_true (zf_clock_ms () - begun >= 1900);
    assert_int_equal (zf_client_forget (client, "r1", &stage.err), ZF_E_BUSY);
    start_service (broker.device, "echo", serve_echo);
    expect_fetched (client, "r1", "hello"); /* those that gave up are in nobody's way */
}

static void fetch_without_a_broker_ends_in_time (void **state)
{
    (void) state;
    begin (false);
    start ();
    zf_client_t *client = open_client (broker.device);
    stop_broker (broker.device);
    expect_nothing (client, "r1", 100, ZF_E_TIMEOUT);
}

static void unknown_id_is_not_waited_for (void **state)
{
    (void) state;
    begin (false);
    start ();
    zf_client_t *client = open_client (broker.device);
    expect_nothing (client, "nobody", 0, ZF_E_NOT_FOUND);
    expect_nothing (client, "nobody", -1, ZF_E_NOT_FOUND);
}

static void same_id_again_does_nothing (void **state)
{
    (void) state;
    begin (false);
    start ();
    zf_client_t *client = open_client (broker.device);
    submit (client, "r1", "hello");
    submit (client, "r1", "hello again");
    start_service (broker.device, "echo", serve_echo);
    expect_fetched (client, "r1", "hello");
    submit (client, "r1", "and again");
    expect_fetched (client, "r1", "hello");
    assert_true (has_length (client, "echo", 0));
}

static void serve_refusal (zf_worker_t *worker, zf_message_t *message)
{
    must (zf_worker_reject (worker, message, "will not do") == 0);
}

static void why_there_is_no_answer_is_told (void **state)
{
    (void) state;
    zf_props_t props;
    zf_props_defaults (&props);
    props.ttl_ms = 10;
    begin (false);
    start ();
    zf_client_t *client = open_client (broker.device);
    submit (client, "r1", "hello");
    start_service (broker.device, "echo", serve_refusal);
    expect_nothing (client, "r1", PATIENCE_MS, ZF_E_REJECTED);
    assert_string_equal (stage.err.text, "will not do");
    assert_int_equal (zf_client_submit (client, "nobody", "r2", "x", 1, &props, &stage.err), 0);
    expect_nothing (client, "r2", PATIENCE_MS, ZF_E_EXPIRED);
    forget (client, "r2");
    expect_nothing (client, "r2", PATIENCE_MS, ZF_E_NOT_FOUND);
}

static void serve_in_frames (zf_worker_t *worker, zf_message_t *message)
{
    static char large[1 << 20];
    zf_bytes_t frames[] = {{large, sizeof large}, {"", 0}, {message->body, message->size}};
    zf_header_t header = {{"n", 1}, {"42", 2}};
    zf_props_t props;
    zf_props_defaults (&props);
    props.frames = frames;
    props.frame_count = 3;
    props.headers = &header;
    props.header_count = 1;
    must (zf_worker_reply_part (worker, message, "part", 4, NULL) == 0);
    must (zf_worker_reply (worker, message, NULL, 0, &props) == 0);
}

static void answer_comes_as_the_worker_gave_it (void **state)
{
    (void) state;
    zf_message_t reply;
    begin (true);
    start ();
    zf_client_t *client = open_client (broker.device);
    start_service (broker.device, "echo", serve_in_frames);
    submit (client, "r1", "hello");
    if (zf_client_fetch (client, "r1", -1, &reply, &stage.err) != 0)
        fail_msg ("%s", stage.err.text);
    assert_int_equal (zf_message_frame_count (&reply), 3);
    assert_int_equal (zf_message_frame (&reply, 0).size, 1 << 20);
    assert_memory_equal (zf_message_frame (&reply, 2).data, "hello", 5);
    assert_memory_equal (zf_message_header (&reply, "n").data, "42", 2);
    zf_message_release (&reply);
}

static void ids_and_properties_have_their_limits (void **state)
{
    (void) state;
    char id[ZF_ID_MAX + 2];
    zf_message_t reply;
    zf_props_t props;
    begin (false);
    start ();
    zf_client_t *client = open_client (broker.device);
    memset (id, 'x', sizeof id - 1);
    id[sizeof id - 1] = '\0';
    const char *const wrong[] = {NULL, "", id};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal (zf_client_submit (client, "echo", wrong[i], "x", 1, NULL, &stage.err),
                          ZF_E_INVAL);
        assert_int_equal (zf_client_fetch (client, wrong[i], 0, &reply, &stage.err), ZF_E_INVAL);
        assert_int_equal (zf_client_forget (client, wrong[i], &stage.err), ZF_E_INVAL);
    }
    zf_props_defaults (&props);
    props.struct_size += 8;
    assert_int_equal (zf_client_submit (client, "echo", "r1", "x", 1, &props, &stage.err),
                      ZF_E_INVAL);
    id[ZF_ID_MAX] = '\0';
    submit (client, id, "hello");
    start_service (broker.device, "echo", serve_echo);
    expect_fetched (client, id, "hello");
}

/* -- several at a time ------------------------------------------------------------------------- */

static void *fetch_hello (void *arg)
{
    zf_message_t reply;
    zf_error_t err = {0};
    int rc = zf_client_fetch (arg, "r1", PATIENCE_MS, &reply, &err);
    if (rc != 0)
        fprintf (stderr, "%s\n", err.text);
    must (rc == 0 && reply.size == 5 && memcmp (reply.body, "hello", 5) == 0);
    zf_message_release (&reply);
    return NULL;
}

static void threads_of_one_client_may_wait_for_the_same (void **state)
{
    (void) state;
    pthread_t threads[4];
    begin (false);
    start ();
    zf_client_t *client = open_client (broker.device);
    submit (client, "r1", "hello");
    for (size_t i = 0; i < 4; i++)
        assert_int_equal (pthread_create (&threads[i], NULL, fetch_hello, client), 0);
    start_service (broker.device, "echo", serve_echo);
    for (size_t i = 0; i < 4; i++)
        pthread_join (threads[i], NULL);
}

/* -- restart ----------------------------------------------------------------------------------- */

static void broker_may_restart_at_any_time (void **state)
{
    (void) state;
    begin (true);
    start ();
    zf_client_t *client = open_client (broker.device);
    submit (client, "r1", "hello");
    restart ();
    zf_worker_t *worker = open_worker (broker.device, "echo", 1);
    zf_message_t message = take_text (worker, "hello", 1);
    restart (); /* while the worker has it */
    zf_worker_reply (worker, &message, "lost", 4, NULL);
    message = take_text (worker, "hello", 2);
    assert_int_equal (zf_worker_reply (worker, &message, "world", 5, NULL), 0);
    expect_fetched (client, "r1", "world");
    restart ();
    expect_fetched (client, "r1", "world");
    forget (open_client (broker.device), "r1");
    restart ();
    expect_nothing (client, "r1", PATIENCE_MS, ZF_E_NOT_FOUND);
}

static void fetch_waits_through_a_restart (void **state)
{
    (void) state;
    pthread_t thread;
    begin (true);
    start ();
    zf_client_t *client = open_client (broker.device);
    zf_client_t *waiting = open_client (broker.device);
    submit (client, "r1", "hello");
    assert_int_equal (pthread_create (&thread, NULL, fetch_hello, waiting), 0);
    for (int i = 0; i < 3; i++)
        restart ();
    start_service (broker.device, "echo", serve_echo);
    pthread_join (thread, NULL);
}

static void without_a_journal_the_broker_takes_it_along (void **state)
{
    (void) state;
    begin (false);
    start ();
    zf_client_t *client = open_client (broker.device);
    submit (client, "r1", "hello");
    restart ();
    expect_nothing (client, "r1", PATIENCE_MS, ZF_E_NOT_FOUND);
}

static void serve_much (zf_worker_t *worker, zf_message_t *message)
{
    static char large[64 << 10];
    must (zf_worker_reply (worker, message, large, sizeof large, NULL) == 0);
}

/* More answers than there is memory for. */
static void answers_on_disk_only_are_read_back (void **state)
{
    (void) state;
    char id[16];
    begin (true);
    broker.memory_bytes = 1 << 20;
    start ();
    zf_client_t *client = open_client (broker.device);
    start_service (broker.device, "echo", serve_much);
    for (int i = 0; i < 100; i++) {
        snprintf (id, sizeof id, "r%d", i);
        submit (client, id, "x");
    }
    for (int i = 0; i < 100; i++) {
        zf_message_t reply;
        snprintf (id, sizeof id, "r%d", i);
        if (zf_client_fetch (client, id, -1, &reply, &stage.err) != 0)
            fail_msg ("%s: %s", id, stage.err.text);
        assert_int_equal (reply.size, 64 << 10);
        zf_message_release (&reply);
    }
    assert_true (figure (broker.device, "read_back") > 0);
}

/* -- the outbox -------------------------------------------------------------------------------- */

static void request_in_an_outbox_is_answered_where_it_arrives (void **state)
{
    (void) state;
    begin (false);
    start ();
    const char *endpoint = broker.endpoint;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.timeout_ms = PATIENCE_MS;
    options.outbox = temporary_directory ();
    zf_client_t *client = open_client_with (&options);
    stop_broker (broker.device);
    submit (client, "r1", "hello"); /* on this disk */
    start ();
    start_service (broker.device, "echo", serve_echo);
    zf_client_t *far = open_client (broker.device);
    AWAIT (has_length (far, "zf.replies", 1));
    expect_fetched (far, "r1", "hello");
    expect_nothing (client, "r1", 0, ZF_E_INVAL);
    assert_int_equal (zf_client_forget (client, "r1", &stage.err), ZF_E_INVAL);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        LINK_CASE (answer_is_there_for_any_client),
        LINK_CASE (fetch_without_an_answer_ends_in_time),
        LINK_CASE (fetch_without_a_broker_ends_in_time),
        LINK_CASE (unknown_id_is_not_waited_for),
        LINK_CASE (same_id_again_does_nothing),
        LINK_CASE (why_there_is_no_answer_is_told),
        LINK_CASE (answer_comes_as_the_worker_gave_it),
        LINK_CASE (ids_and_properties_have_their_limits),
        LINK_CASE (threads_of_one_client_may_wait_for_the_same),
        LINK_CASE (broker_may_restart_at_any_time),
        LINK_CASE (fetch_waits_through_a_restart),
        LINK_CASE (without_a_journal_the_broker_takes_it_along),
        LINK_CASE (answers_on_disk_only_are_read_back),
        LINK_CASE (request_in_an_outbox_is_answered_where_it_arrives),
    };
    return cmocka_run_group_tests_name ("keep", tests, NULL, NULL);
}
