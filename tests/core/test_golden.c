/* The native protocol byte for byte: what tests/golden/native.txt says is what we encode, what we
 * understand, and what the engine sends.
 *
 * With an argument the program prints the vectors as they are now, for a new version of it. */
#include "tests/core/golden.h"
#include "tests/core/rig_log.h"

static golden_set_t golden;
static bool printing; /* instead of comparing */

/* -- comparing --------------------------------------------------------------------------------- */

static void print_hex (const char *label, zf_bytes_t bytes)
{
    const uint8_t *at = bytes.data;
    printf ("%s:", label);
    for (size_t i = 0; i < bytes.size; i++)
        printf (" %02x", at[i]);
    printf ("\n");
}

static void same_bytes (const char *name, const char *which, zf_bytes_t got,
                        const zf_writer_t *expected)
{
    if (zf_bytes_equal (got, zf_bytes (expected->data, expected->size)))
        return;
    print_hex ("got", got);
    print_hex ("expected", zf_bytes (expected->data, expected->size));
    fail_msg ("%s: the %s is not what the golden vector says", name, which);
}

/* The frames must be the vector's of that name; body may be NULL. */
static void same_as (const char *name, bool to_broker, zf_bytes_t control, zf_bytes_t batch)
{
    if (printing) {
        printf ("[%s]\nto: %s\nmeans: \n", name, to_broker ? "broker" : "peer");
        print_hex ("control", control);
        if (batch.size > 0)
            print_hex ("batch", batch);
        printf ("\n");
        return;
    }
    golden_t *vector = golden_find (&golden, name);
    assert_int_equal (vector->to_broker, to_broker);
    same_bytes (name, "control frame", control, &vector->frame);
    same_bytes (name, "batch", batch, &vector->batch);
}

/* Sends the vector, after making sure that it is what we would encode. */
static void say (peer_t *peer, const char *name, zf_writer_t *control, zf_frame_t *batch)
{
    zf_bytes_t bytes = zf_bytes (NULL, 0);
    if (batch != NULL)
        bytes = zf_bytes (batch->data, batch->size);
    same_as (name, true, zf_bytes (control->data, control->size), bytes);
    peer_write (peer, control, batch);
}

/* The next letter must be the vector. */
static void hear (peer_t *peer, const char *name)
{
    letter_t *letter = peer->inbox;
    assert_non_null (letter);
    if (letter == NULL)
        return; /* not reached */
    same_as (name, false, letter->control, letter->body);
    static letter_t *rest;
    rest = letter->next;
    assert_null (rest); /* one at a time */
    peer_forget_letters (peer);
}

/* -- what peers say ---------------------------------------------------------------------------- */

static zf_writer_t hello (const peer_t *peer)
{
    zf_writer_t w = wire_control (ZF_CMD_HELLO, 3);
    zf_mp_put_uint (&w, 1);
    zf_mp_put_bin (&w, zf_bytes (peer->uuid, sizeof peer->uuid));
    zf_mp_put_map (&w, 1);
    zf_mp_put_uint (&w, ZF_OPTION_NAME);
    wire_put_text (&w, peer->name);
    return w;
}

static zf_writer_t command (unsigned number, const char *queue, size_t arguments)
{
    zf_writer_t w = wire_control (number, arguments);
    wire_put_text (&w, queue);
    return w;
}

static void put_range (zf_writer_t *w, uint64_t first, uint64_t count)
{
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, count);
}

static zf_writer_t admin (const char *verb, const char *queue)
{
    zf_writer_t w = wire_control (ZF_CMD_ADMIN, 4);
    zf_mp_put_uint (&w, 300);
    wire_put_text (&w, verb);
    wire_put_text (&w, queue);
    return w;
}

/* All that a producer can say about a record. */
static zf_frame_t *batch_with_properties (uint64_t first)
{
    zf_header_t header = {zf_bytes_of ("colour"), zf_bytes_of ("red")};
    zf_bytes_t frames[] = {zf_bytes_of ("he"), zf_bytes_of ("llo")};
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of ("order-1");
    props.key = zf_bytes_of ("alice");
    props.delay_ms = 1000;
    props.ttl_ms = 60000;
    props.priority = 3;
    props.frames = frames;
    props.frame_count = 2;
    props.headers = &header;
    props.header_count = 1;
    props.trace = zf_bytes_of ("00-1-2-01");
    return wire_batch (first, "hello", &props);
}

/* -- the story --------------------------------------------------------------------------------- */

static rig_t *golden_rig (void)
{
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    memcpy (options.uuid, "broker's own uid", ZF_UUID_BYTES);
    return rig_new (&options);
}

static void greeting (rig_t *rig, peer_t *p, peer_t *w)
{
    zf_writer_t control = hello (p);
    hear (p, "reset");
    say (p, "hello", &control, NULL);
    hear (p, "welcome");
    control = hello (w);
    peer_write (w, &control, NULL);
    peer_forget_letters (w);
    control = wire_control (ZF_CMD_PING, 0);
    say (p, "ping", &control, NULL);
    assert_int_equal (p->pongs, 1);
    control = wire_control (ZF_CMD_PONG, 0);
    say (p, "pong", &control, NULL);
    assert_null (p->inbox);
    assert_int_equal (rig->engine->counters.sessions, 2);
}

static void posting (rig_t *rig, peer_t *p)
{
    zf_props_t props;
    zf_props_defaults (&props);
    zf_writer_t control = command (ZF_CMD_POST, "jobs", 2);
    zf_mp_put_uint (&control, 1);
    say (p, "post", &control, wire_batch (1, "a bc", NULL));
    hear (p, "confirm");
    control = command (ZF_CMD_POST, "later", 2);
    zf_mp_put_uint (&control, 1);
    say (p, "post with properties", &control, batch_with_properties (1));
    peer_forget_letters (p);
    assert_int_equal (rig_info (rig, "later").delayed, 1);
    props.topic = zf_bytes_of ("orders.eu.paid");
    control = command (ZF_CMD_POST, "events", 2);
    zf_mp_put_uint (&control, 1);
    say (p, "post with a topic", &control, wire_batch (1, "1250", &props));
    peer_forget_letters (p);
    assert_int_equal (rig_info (rig, "events").length, 1);
    control = wire_control (ZF_CMD_POST_MANY, 3);
    put_range (&control, 1, 1);
    zf_mp_put_array (&control, 4);
    wire_put_text (&control, "jobs");
    zf_mp_put_uint (&control, 2);
    wire_put_text (&control, "mail");
    zf_mp_put_uint (&control, 1);
    say (p, "post many", &control, wire_batch (1, "x y z", NULL));
    hear (p, "done");
    control = command (ZF_CMD_POST, "mmi.x", 2);
    zf_mp_put_uint (&control, 1);
    peer_write (p, &control, wire_batch (7, "a b", NULL));
    hear (p, "confirm refused");
}

static void working (rig_t *rig, peer_t *w)
{
    zf_writer_t control = command (ZF_CMD_CONSUME, "jobs", 2);
    zf_mp_put_uint (&control, 4);
    say (w, "consume", &control, NULL);
    hear (w, "deliver");
    control = command (ZF_CMD_ACK, "jobs", 5);
    put_range (&control, 0, 1);
    put_range (&control, 2, 1);
    say (w, "ack", &control, NULL);
    assert_int_equal (rig_info (rig, "jobs").acked, 2);
    control = command (ZF_CMD_EXTEND, "jobs", 4);
    zf_mp_put_uint (&control, 60000);
    put_range (&control, 3, 1);
    say (w, "extend", &control, NULL);
    control = command (ZF_CMD_NACK, "jobs", 4);
    zf_mp_put_int (&control, 0);
    put_range (&control, 1, 1);
    say (w, "nack", &control, NULL);
    hear (w, "deliver again");
    control = command (ZF_CMD_NACK, "jobs", 4);
    zf_mp_put_int (&control, -1);
    put_range (&control, 1, 1);
    say (w, "nack with the queue's backoff", &control, NULL);
    assert_int_equal (rig_info (rig, "jobs").delayed, 1);
    control = command (ZF_CMD_RELEASE, "jobs", 3);
    put_range (&control, 3, 1);
    say (w, "release", &control, NULL);
    peer_forget_letters (w);
    control = command (ZF_CMD_REJECT, "jobs", 4);
    wire_put_text (&control, "torn");
    put_range (&control, 3, 1);
    say (w, "reject", &control, NULL);
    assert_int_equal (rig_info (rig, "jobs").dead, 1);
    assert_int_equal (rig->engine->counters.stale, 0);
}

static void asking (rig_t *rig, peer_t *p, peer_t *w)
{
    zf_writer_t control = command (ZF_CMD_REQUEST, "echo", 3);
    put_range (&control, 5000, ZF_ASK_FAIL_FAST);
    say (p, "request", &control, wire_batch (1, "who", NULL));
    hear (p, "reply denied");
    control = command (ZF_CMD_CONSUME, "echo", 2);
    zf_mp_put_uint (&control, 4);
    peer_write (w, &control, NULL);
    control = command (ZF_CMD_REQUEST, "echo", 3);
    put_range (&control, 0, 0);
    peer_write (p, &control, wire_batch (2, "who", NULL));
    hear (w, "deliver request");
    control = command (ZF_CMD_ANSWER, "echo", 2);
    zf_mp_put_bool (&control, true);
    say (w, "answer part", &control, wire_batch (0, "it", NULL));
    hear (p, "reply part");
    control = command (ZF_CMD_ANSWER, "echo", 2);
    zf_mp_put_bool (&control, false);
    say (w, "answer", &control, wire_batch (0, "me", NULL));
    hear (p, "reply");
    assert_int_equal (rig_info (rig, "echo").length, 0);
}

static zf_writer_t fetch (bool wait, bool forget)
{
    zf_writer_t w = wire_control (ZF_CMD_FETCH, 4);
    zf_mp_put_uint (&w, 301);
    zf_mp_put_bin (&w, zf_bytes_of ("order-2"));
    zf_mp_put_bool (&w, wait);
    zf_mp_put_bool (&w, forget);
    return w;
}

static void keeping (rig_t *rig, peer_t *p, peer_t *w)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of ("order-2");
    props.keep_reply = true;
    zf_writer_t control = command (ZF_CMD_POST, "echo", 2);
    zf_mp_put_uint (&control, 1);
    say (p, "post with keep_reply", &control, wire_batch (1, "who", &props));
    peer_forget_letters (p);
    hear (w, "deliver request to keep");
    control = fetch (true, false);
    say (p, "fetch", &control, NULL);
    assert_null (p->inbox);
    control = command (ZF_CMD_ANSWER, "echo", 2);
    zf_mp_put_bool (&control, false);
    peer_write (w, &control, wire_batch (1, "me", NULL));
    hear (p, "result of fetch");
    control = fetch (false, true);
    say (p, "fetch to forget", &control, NULL);
    hear (p, "result of fetch to forget");
    control = fetch (false, false);
    peer_write (p, &control, NULL);
    hear (p, "result of fetch refused");
    assert_int_equal (rig_info (rig, "zf.replies").length, 0);
}

static zf_writer_t subscription (uint64_t number, const char *stream, zf_from_t from,
                                 uint64_t value)
{
    zf_writer_t w = wire_control (ZF_CMD_SUBSCRIBE, 7);
    zf_mp_put_uint (&w, number);
    wire_put_text (&w, stream);
    put_range (&w, from, value);
    put_range (&w, 65536, 0);
    return w;
}

static void publishing (peer_t *p)
{
    zf_props_t props;
    zf_props_defaults (&props);
    zf_writer_t control = command (ZF_CMD_POST, "trades", 3);
    put_range (&control, 1, ZF_MAKE_STREAM);
    props.topic = zf_bytes_of ("eu.zinc");
    say (p, "post to a stream", &control, wire_batch (1, "a b", &props));
    peer_forget_letters (p);
    control = command (ZF_CMD_POST, "trades", 2);
    zf_mp_put_uint (&control, 1);
    props.topic = zf_bytes_of ("us.tin");
    peer_write (p, &control, wire_batch (3, "c", &props));
    control = command (ZF_CMD_POST, "trades", 2);
    zf_mp_put_uint (&control, 1);
    props.topic = zf_bytes_of ("eu.tin");
    peer_write (p, &control, wire_batch (4, "d", &props));
    peer_forget_letters (p);
}

static void awaiting (peer_t *p, peer_t *w)
{
    zf_writer_t control = wire_control (ZF_CMD_AWAIT, 5);
    zf_mp_put_uint (&control, 302);
    wire_put_text (&control, "trades");
    wire_put_text (&control, "eu.tin");
    put_range (&control, 2, ZF_MAKE_STREAM);
    say (p, "await", &control, NULL);
    assert_null (p->inbox);
    control = subscription (6, "trades", ZF_FROM_NEW, 0);
    zf_mp_put_array (&control, 0);
    say (w, "subscribe to what is new", &control, NULL);
    hear (w, "subscribed to what is new");
    hear (p, "result of await");
}

static void reading (rig_t *rig, peer_t *p, peer_t *w)
{
    publishing (p);
    zf_writer_t control = subscription (5, "trades", ZF_FROM_LAST, 3);
    zf_mp_put_array (&control, 2);
    wire_put_text (&control, "eu.*");
    wire_put_text (&control, "asia.>");
    same_as ("subscribe", true, zf_bytes (control.data, control.size), zf_bytes (NULL, 0));
    peer_write (p, &control, NULL);
    same_as ("subscribed", false, p->inbox->control, p->inbox->body);
    same_as ("events", false, p->inbox->next->control, p->inbox->next->body);
    peer_forget_letters (p);
    control = wire_control (ZF_CMD_READ, 2);
    put_range (&control, 5, rig_info (rig, "trades").next);
    say (p, "read", &control, NULL);
    awaiting (p, w);
    control = wire_control (ZF_CMD_UNSUBSCRIBE, 1);
    zf_mp_put_uint (&control, 5);
    say (p, "unsubscribe", &control, NULL);
    assert_null (p->inbox);
    control = subscription (7, "jobs", ZF_FROM_OFFSET, 8);
    zf_mp_put_array (&control, 0);
    peer_write (p, &control, NULL);
    hear (p, "subscribed refused");
    assert_int_equal (rig_info (rig, "trades").subscribers, 1);
}

static void grouping (rig_t *rig, peer_t *p)
{
    zf_writer_t control = admin ("group", "trades@audit");
    zf_mp_put_map (&control, 3);
    wire_put_text (&control, "from");
    zf_mp_put_uint (&control, ZF_FROM_FIRST);
    wire_put_text (&control, "value");
    zf_mp_put_uint (&control, 0);
    wire_put_text (&control, "patterns");
    zf_mp_put_array (&control, 1);
    wire_put_text (&control, "*.tin");
    say (p, "admin group", &control, NULL);
    peer_forget_letters (p);
    assert_int_equal (rig_info (rig, "trades@audit").lag, 4);
    control = admin ("trim", "trades");
    zf_mp_put_uint (&control, rig_info (rig, "trades").next);
    say (p, "admin trim", &control, NULL);
    hear (p, "result of trim");
    control = admin ("forget", "trades@audit");
    zf_write_bytes (&control, "\xc0", 1);
    say (p, "admin forget", &control, NULL);
    peer_forget_letters (p);
    assert_int_equal (rig_info (rig, "trades").groups, 0);
    control = admin ("stream", "prices");
    zf_write_bytes (&control, "\xc0", 1);
    say (p, "admin stream", &control, NULL);
    peer_forget_letters (p);
    assert_true (rig_info (rig, "prices").policy.kind == ZF_KIND_STREAM);
}

static void looking (rig_t *rig, peer_t *p)
{
    zf_policy_t policy = rig_policy ();
    zf_writer_t control = admin ("declare", "news");
    snprintf (policy.dead_letter, sizeof policy.dead_letter, "-");
    zf_policy_encode (&control, &policy);
    say (p, "admin declare", &control, NULL);
    hear (p, "result");
    control = admin ("peek", "jobs.dead");
    zf_mp_put_array (&control, 2);
    put_range (&control, 0, 10);
    say (p, "admin peek", &control, NULL);
    hear (p, "result of peek");
    control = admin ("queue", "news");
    zf_write_bytes (&control, "\xc0", 1);
    say (p, "admin queue", &control, NULL);
    hear (p, "result of queue");
    control = admin ("purge", "nowhere");
    zf_write_bytes (&control, "\xc0", 1);
    peer_write (p, &control, NULL);
    hear (p, "result refused");
    assert_true (rig_info (rig, "news").declared);
}

static void leaving (peer_t *p)
{
    zf_writer_t control = wire_control (99, 0);
    peer_write (p, &control, NULL);
    hear (p, "error");
    control = wire_control (ZF_CMD_BYE, 0);
    say (p, "bye", &control, NULL);
    assert_null (p->inbox);
    assert_null (p->session);
}

static void engine_speaks_as_the_golden_vectors_say (void **state)
{
    (void) state;
    rig_t *rig = golden_rig ();
    peer_t *p = rig_stranger (rig, "producer");
    peer_t *w = rig_stranger (rig, "worker");
    peer_send (p, wire_frame ("", 0), NULL);
    greeting (rig, p, w);
    posting (rig, p);
    working (rig, w);
    asking (rig, p, w);
    keeping (rig, p, w);
    reading (rig, p, w);
    grouping (rig, p);
    looking (rig, p);
    leaving (p);
    rig_free (rig);
}

static void engine_with_a_log_greets_as_the_golden_vector_says (void **state)
{
    (void) state;
    zf_engine_options_t options;
    zf_engine_defaults (&options);
    memcpy (options.uuid, "broker's own uid", ZF_UUID_BYTES);
    rig_t *rig = rig_new_logged (&options, NULL);
    memcpy (rig->engine->store.uuid, "the journal's id", ZF_UUID_BYTES);
    peer_t *p = rig_stranger (rig, "producer");
    zf_writer_t control = hello (p);
    peer_write (p, &control, NULL);
    hear (p, "welcome with a journal");
    rig_free (rig);
}

static void every_golden_vector_was_used (void **state)
{
    (void) state;
    for (size_t i = 0; i < golden.count; i++)
        if (!golden.vectors[i].used)
            fail_msg ("the vector [%s] is not tested", golden.vectors[i].name);
}

static void batches_of_the_golden_vectors_decode (void **state)
{
    (void) state;
    for (size_t i = 0; i < golden.count; i++) {
        const zf_writer_t *bytes = &golden.vectors[i].batch;
        zf_batch_t batch;
        uint32_t offsets[16];
        if (bytes->size == 0)
            continue;
        assert_int_equal (zf_batch_decode (zf_bytes (bytes->data, bytes->size), &batch), 0);
        assert_in_range (batch.count, 1, 16);
        assert_int_equal (zf_batch_index (&batch, offsets), 0);
    }
}

int main (int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (engine_speaks_as_the_golden_vectors_say),
        cmocka_unit_test (engine_with_a_log_greets_as_the_golden_vector_says),
        cmocka_unit_test (every_golden_vector_was_used),
        cmocka_unit_test (batches_of_the_golden_vectors_decode),
    };
    (void) argv;
    printing = argc > 1;
    if (!printing)
        golden_read (&golden);
    int rc = cmocka_run_group_tests_name ("golden", tests, NULL, NULL);
    golden_free (&golden);
    return rc;
}
