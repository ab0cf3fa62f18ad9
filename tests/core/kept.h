/* Peers of the rig that submit requests and fetch kept answers. */
#ifndef TESTS_CORE_KEPT_H
#define TESTS_CORE_KEPT_H

#include "tests/core/rig_log.h"

#include "core/keep.h"

static uint64_t fetch_number; /* the last one given */

/* What a submitted request says of itself. */
static inline zf_props_t kept_props (const char *id)
{
    zf_props_t props;
    zf_props_defaults (&props);
    props.id = zf_bytes_of (id);
    props.keep_reply = true;
    return props;
}

/* Takes the confirm, too. */
static inline void submit (peer_t *peer, const char *service, const char *id, const char *body)
{
    zf_props_t props = kept_props (id);
    uint64_t number = peer_post_props (peer, service, body, &props);
    assert_confirmed (peer, service, number, 1);
}

static inline uint64_t send_fetch (peer_t *peer, const char *id, bool wait, bool forget)
{
    zf_writer_t w = wire_control (ZF_CMD_FETCH, 4);
    zf_mp_put_uint (&w, ++fetch_number);
    zf_mp_put_bin (&w, zf_bytes_of (id));
    zf_mp_put_bool (&w, wait);
    zf_mp_put_bool (&w, forget);
    peer_write (peer, &w, NULL);
    return fetch_number;
}

static inline uint64_t await_answer (peer_t *peer, const char *id)
{
    return send_fetch (peer, id, true, false);
}

static inline uint64_t look_for_answer (peer_t *peer, const char *id)
{
    return send_fetch (peer, id, false, false);
}

static inline uint64_t forget_answer (peer_t *peer, const char *id)
{
    return send_fetch (peer, id, false, true);
}

/* Number and text of the RESULT on top of the inbox. */
static inline uint64_t result_head (const peer_t *peer, zf_bytes_t *text)
{
    assert_non_null (peer->inbox);
    assert_int_equal (peer->inbox->command, ZF_CMD_RESULT);
    zf_reader_t r = zf_reader (peer->inbox->control);
    zf_mp_array (&r);
    zf_mp_uint (&r);
    uint64_t number = zf_mp_uint (&r);
    zf_mp_uint (&r);
    *text = zf_mp_bytes (&r);
    assert_false (zf_mp_bool (&r));
    assert_int_equal (zf_mp_uint (&r), 0);
    assert_true (zf_reader_done (&r));
    return number;
}

/* The RESULT of that fetch: code, and words where it is not 0. */
#define assert_outcome(...) (rig_at (__FILE__, __LINE__), expect_outcome (__VA_ARGS__))
static inline void expect_outcome (peer_t *peer, uint64_t number, int code, const char *words)
{
    zf_bytes_t text;
    zf_bytes_t body;
    char got[256];
    assert_int_equal (result_head (peer, &text), number);
    snprintf (got, sizeof got, "%.*s", (int) text.size, (const char *) text.data);
    assert_string_equal (got, words);
    expect_result (peer, code, &body);
    assert_null (body.data);
}

/* The record of the RESULT on top; valid until the next call of this. */
static inline zf_record_t take_fetched (peer_t *peer, uint64_t number)
{
    zf_bytes_t text;
    zf_bytes_t body;
    zf_batch_t batch;
    zf_record_t record;
    assert_int_equal (result_head (peer, &text), number);
    expect_result (peer, 0, &body);
    assert_int_equal (zf_batch_decode (body, &batch), 0);
    assert_int_equal (batch.count, 1);
    assert_int_equal (batch.first, number);
    assert_non_null (zf_record_decode (batch.records, batch.records + batch.size, &record));
    return record;
}

#define assert_fetched(...) (rig_at (__FILE__, __LINE__), expect_fetched (__VA_ARGS__))
static inline void expect_fetched (peer_t *peer, uint64_t number, const char *expected)
{
    char got[256];
    zf_record_t record = take_fetched (peer, number);
    snprintf (got, sizeof got, "%.*s", (int) record.body.size, (const char *) record.body.data);
    assert_string_equal (got, expected);
}

/* How many ids the engine knows. */
static inline size_t kept_count (const rig_t *rig)
{
    return HASH_COUNT (rig->engine->kept);
}

/* A worker takes the request and answers it. */
static inline void work (peer_t *worker, const char *service, const char *body, uint32_t attempt,
                         const char *answer)
{
    assert_delivered (worker, service, body, attempt);
    peer_answer (worker, service, body, answer, false);
}

/* The same with properties. */
static inline void answer_with (peer_t *worker, const char *service, const char *asked,
                                const char *answer, const zf_props_t *props)
{
    zf_writer_t control = wire_control (ZF_CMD_ANSWER, 2);
    wire_put_text (&control, service);
    zf_mp_put_bool (&control, false);
    peer_write (worker, &control, wire_batch (peer_held (worker, service, asked), answer, props));
}

#endif
