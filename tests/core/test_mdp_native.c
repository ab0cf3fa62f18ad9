/* Majordomo peers and native ones on the same queue. */
#include "core/native.h"
#include "tests/core/majordomo.h"
#include <zferry/error.h>

#define UUID "0123456789abcdef"

/* -- a native peer ----------------------------------------------------------------------------- */

static void say_control (case_t *c, const char *peer, zf_writer_t *control, zf_bytes_t batch)
{
    zf_bytes_t frames[] = {zf_bytes (control->data, control->size), batch};
    talk_say_frames (c->talk, peer, frames, batch.size > 0 ? 2 : 1);
    zf_writer_free (control);
}

static void hello (case_t *c, const char *peer)
{
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_HELLO, 4);
    zf_mp_put_uint (&w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (&w, zf_bytes_of (UUID));
    zf_mp_put_map (&w, 0);
    say_control (c, peer, &w, zf_bytes (NULL, 0));
    assert_int_equal (talk_skip (c->talk, peer), 1);
}

/* A batch of one record: the body's frames, one unless `more` is given. */
static zf_bytes_t make_batch (uint8_t *at, uint64_t number, const char *body, const char *more)
{
    zf_writer_t w = {0};
    zf_writer_t text = {0};
    zf_bytes_t frames[] = {zf_bytes_of (body), zf_bytes_of (more != NULL ? more : "")};
    zf_props_t props;
    zf_props_defaults (&props);
    props.frames = more != NULL ? frames : NULL;
    props.frame_count = more != NULL ? 2 : 0;
    assert_int_equal (zf_props_encode (&w, &props, NULL), 0);
    zf_write_bytes (&text, frames[0].data, frames[0].size);
    zf_write_bytes (&text, frames[1].data, frames[1].size);
    uint8_t *end = zf_record_encode (at + ZF_BATCH_HEADER, zf_bytes (w.data, w.size),
                                     zf_bytes (text.data, text.size));
    size_t size = (size_t) (end - at);
    zf_batch_seal (at, size, 1, w.size > 0 ? ZF_BATCH_HAS_PROPS : 0, number);
    zf_writer_free (&w);
    zf_writer_free (&text);
    return zf_bytes (at, size);
}

static void native_ask (case_t *c, const char *peer, uint64_t number, const char *body)
{
    uint8_t batch[256];
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_REQUEST, 4);
    zf_mp_put_str (&w, zf_bytes_of ("echo"));
    zf_mp_put_uint (&w, 0);
    zf_mp_put_uint (&w, 0);
    say_control (c, peer, &w, make_batch (batch, number, body, NULL));
}

static void native_post (case_t *c, const char *peer, uint64_t number, const char *body)
{
    uint8_t batch[256];
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_POST, 3);
    zf_mp_put_str (&w, zf_bytes_of ("echo"));
    zf_mp_put_uint (&w, number);
    say_control (c, peer, &w, make_batch (batch, number, body, NULL));
    assert_int_equal (talk_skip (c->talk, peer), 1);
}

static void native_consume (case_t *c, const char *peer)
{
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_CONSUME, 3);
    zf_mp_put_str (&w, zf_bytes_of ("echo"));
    zf_mp_put_uint (&w, 10);
    say_control (c, peer, &w, zf_bytes (NULL, 0));
}

static void native_answer (case_t *c, const char *peer, uint64_t id, bool more, const char *body,
                           const char *second)
{
    uint8_t batch[256];
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_ANSWER, 3);
    zf_mp_put_str (&w, zf_bytes_of ("echo"));
    zf_mp_put_bool (&w, more);
    say_control (c, peer, &w, make_batch (batch, id, body, second));
}

static void native_ack (case_t *c, const char *peer, uint64_t id)
{
    zf_writer_t w = {0};
    zf_control (&w, ZF_CMD_ACK, 4);
    zf_mp_put_str (&w, zf_bytes_of ("echo"));
    zf_mp_put_uint (&w, id);
    zf_mp_put_uint (&w, 1);
    say_control (c, peer, &w, zf_bytes (NULL, 0));
}

static void read_record (zf_bytes_t frame, zf_batch_t *batch, zf_record_t *record)
{
    assert_int_equal (zf_batch_decode (frame, batch), 0);
    assert_int_equal (batch->count, 1);
    assert_non_null (zf_record_decode (batch->records, batch->records + batch->size, record));
}

/* The peer was sent DELIVER of this request; returns the record's id. */
static uint64_t expect_delivery (case_t *c, const char *peer, const char *body)
{
    const talk_message_t *message = talk_take (c->talk, peer);
    assert_int_equal (message->count, 2);
    zf_reader_t r = zf_reader (message->frames[0]);
    assert_int_equal (zf_mp_array (&r), 6);
    assert_int_equal (zf_mp_uint (&r), ZF_CMD_DELIVER);
    zf_mp_skip (&r); /* queue */
    uint64_t id = zf_mp_uint (&r);
    zf_mp_skip (&r); /* attempt */
    zf_mp_skip (&r); /* lease */
    assert_int_equal (zf_mp_uint (&r), ZF_DELIVER_WANTS_REPLY);
    zf_batch_t batch;
    zf_record_t record;
    read_record (message->frames[1], &batch, &record);
    assert_true (zf_bytes_equal (record.body, zf_bytes_of (body)));
    return id;
}

static void expect_native_reply (case_t *c, const char *peer, uint64_t number, bool more,
                                 const char *body)
{
    const talk_message_t *message = talk_take (c->talk, peer);
    assert_int_equal (message->count, 2);
    zf_reader_t r = zf_reader (message->frames[0]);
    assert_int_equal (zf_mp_array (&r), 5);
    assert_int_equal (zf_mp_uint (&r), ZF_CMD_REPLY);
    assert_int_equal (zf_mp_uint (&r), number);
    assert_int_equal (zf_mp_uint (&r), 0);
    assert_int_equal (zf_mp_bool (&r), more);
    zf_batch_t batch;
    zf_record_t record;
    read_record (message->frames[1], &batch, &record);
    assert_true (zf_bytes_equal (record.body, zf_bytes_of (body)));
}

/* -- native workers ---------------------------------------------------------------------------- */

static void native_worker_answers_a_majordomo_client (void **state)
{
    case_t *c = *state;
    hello (c, "n");
    native_consume (c, "n");
    ask (c, "client", "x");
    uint64_t id = expect_delivery (c, "n", "x");
    native_answer (c, "n", id, false, "y", NULL);
    expect_reply (c, "client", "y");
    talk_say (c->talk, "client", "%smmi.service|echo", c->v->request);
    talk_expect (c->talk, "client", "%smmi.service|200", c->v->reply);
    expect_rest (c);
}

static void frames_of_a_native_answer_are_frames (void **state)
{
    case_t *c = *state;
    hello (c, "n");
    native_consume (c, "n");
    ask (c, "client", "a|bc");
    uint64_t id = expect_delivery (c, "n", "abc");
    native_answer (c, "n", id, false, "one", "two");
    expect_reply (c, "client", "one|two");
}

static void native_parts_reach_an_mdp2_client (void **state)
{
    case_t *c = *state;
    hello (c, "n");
    native_consume (c, "n");
    ask (c, "client", "x");
    uint64_t id = expect_delivery (c, "n", "x");
    native_answer (c, "n", id, true, "part", NULL);
    talk_expect (c->talk, "client", "MDPC02|\2|echo|part");
    native_answer (c, "n", id, false, "end", NULL);
    expect_reply (c, "client", "end");
}

static void ack_of_a_native_worker_is_an_empty_reply (void **state)
{
    case_t *c = *state;
    hello (c, "n");
    native_consume (c, "n");
    ask (c, "client", "x");
    native_ack (c, "n", expect_delivery (c, "n", "x"));
    expect_reply (c, "client", "");
}

/* -- native clients ---------------------------------------------------------------------------- */

static void native_client_is_served_under_its_uuid (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    hello (c, "n");
    native_ask (c, "n", 7, "x");
    expect_request (c, "w", UUID, "x");
    answer (c, "w", UUID, "y");
    expect_native_reply (c, "n", 7, false, "y");
    expect_rest (c);
}

static void native_client_gets_parts_of_an_mdp2_worker (void **state)
{
    case_t *c = *state;
    ready (c, "w");
    hello (c, "n");
    native_ask (c, "n", 1, "x");
    expect_request (c, "w", UUID, "x");
    talk_say (c->talk, "w", "MDPW02|\3|" UUID "||part");
    expect_native_reply (c, "n", 1, true, "part");
    answer (c, "w", UUID, "end");
    expect_native_reply (c, "n", 1, false, "end");
}

static void post_is_served_and_any_reply_settles_it (void **state)
{
    case_t *c = *state;
    hello (c, "n");
    native_post (c, "n", 1, "x");
    native_post (c, "n", 2, "y");
    ready (c, "w");
    expect_request (c, "w", "zferry", "x");
    answer (c, "w", "zferry", "done");
    expect_request (c, "w", "zferry", "y");
    answer (c, "w", "zferry", "done");
    talk_expect_silence (c->talk, "n");
    assert_int_equal (c->counters->stale, 0);
    expect_rest (c);
}

static void native_client_is_told_when_its_request_is_given_up (void **state)
{
    case_t *c = *state;
    talk_engine (c->talk)->options.policy.max_attempts = 1;
    ready (c, "w");
    hello (c, "n");
    native_ask (c, "n", 1, "x");
    expect_request (c, "w", UUID, "x");
    talk_detach (c->talk, "w");
    const talk_message_t *message = talk_take (c->talk, "n");
    zf_reader_t r = zf_reader (message->frames[0]);
    zf_mp_array (&r);
    assert_int_equal (zf_mp_uint (&r), ZF_CMD_REPLY);
    assert_int_equal (zf_mp_uint (&r), 1);
    assert_int_equal (zf_mp_uint (&r), -ZF_E_DEAD);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        majordomo_cases (native_worker_answers_a_majordomo_client),
        majordomo_cases (frames_of_a_native_answer_are_frames),
        majordomo_case (native_parts_reach_an_mdp2_client, 2),
        majordomo_cases (ack_of_a_native_worker_is_an_empty_reply),
        majordomo_cases (native_client_is_served_under_its_uuid),
        majordomo_case (native_client_gets_parts_of_an_mdp2_worker, 2),
        majordomo_cases (post_is_served_and_any_reply_settles_it),
        majordomo_cases (native_client_is_told_when_its_request_is_given_up),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
