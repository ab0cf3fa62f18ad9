#include "tests/patterns/script.h"

#include "core/batch.h"
#include "tests/devices/stage.h"

#include <zmq.h>

void script_open (script_t *script, const char *source)
{
    memset (script, 0, sizeof *script);
    snprintf (script->source, sizeof script->source, "%-16.16s", source);
    assert_int_equal (zf_socket_router (&script->router, UINT64_C (1) << 30, NULL), 0);
    assert_int_equal (
        zf_socket_bind (&script->router, ANY_PORT, script->endpoint, sizeof script->endpoint, NULL),
        0);
}

void script_close (script_t *script)
{
    zf_socket_close (&script->router);
    zf_writer_free (&script->heard);
    zf_writer_free (&script->control);
}

/* -- saying ------------------------------------------------------------------------------------ */

static zf_writer_t *begin (script_t *script, unsigned command, size_t arguments)
{
    script->control.size = 0;
    zf_control (&script->control, command, arguments + 1);
    return &script->control;
}

static void say (script_t *script, const zf_writer_t *body)
{
    const zf_writer_t *control = &script->control;
    int more = body != NULL ? ZMQ_SNDMORE : 0;
    void *raw = script->router.raw;
    assert_true (zmq_send (raw, script->peer, script->peer_size, ZMQ_SNDMORE) >= 0);
    assert_true (zmq_send (raw, control->data, control->size, more) >= 0);
    if (body != NULL)
        assert_true (zmq_send (raw, body->data, body->size, 0) >= 0);
}

static void say_welcome (script_t *script)
{
    zf_writer_t *w = begin (script, ZF_CMD_WELCOME, 3);
    zf_mp_put_uint (w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (w, zf_bytes ("the script's own", ZF_UUID_BYTES));
    zf_mp_put_map (w, 2);
    zf_mp_put_uint (w, ZF_OPTION_MAX_MESSAGE);
    zf_mp_put_uint (w, 1 << 20);
    zf_mp_put_uint (w, ZF_OPTION_SOURCE);
    zf_mp_put_bin (w, zf_bytes (script->source, ZF_UUID_BYTES));
    say (script, NULL);
}

void script_reset (script_t *script, const char *source)
{
    snprintf (script->source, sizeof script->source, "%-16.16s", source);
    begin (script, ZF_CMD_RESET, 0);
    say (script, NULL);
}

static void put_answer (zf_writer_t *w, uint64_t number, int code, const char *text)
{
    zf_mp_put_uint (w, number);
    zf_mp_put_uint (w, (uint64_t) -code);
    zf_mp_put_str (w, zf_bytes_of (text));
}

void script_subscribed (script_t *script, uint64_t number, uint64_t next, uint64_t missed)
{
    zf_writer_t *w = begin (script, ZF_CMD_SUBSCRIBED, 6);
    put_answer (w, number, 0, "");
    zf_mp_put_uint (w, next);
    zf_mp_put_uint (w, next);
    zf_mp_put_uint (w, missed);
    say (script, NULL);
}

void script_refused (script_t *script, uint64_t number, int code, const char *text)
{
    zf_writer_t *w = begin (script, ZF_CMD_SUBSCRIBED, 6);
    put_answer (w, number, code, text);
    zf_mp_put_uint (w, 0);
    zf_mp_put_uint (w, 0);
    zf_mp_put_uint (w, 0);
    say (script, NULL);
}

void script_result (script_t *script, uint64_t number, int code, const char *text)
{
    zf_writer_t *w = begin (script, ZF_CMD_RESULT, 5);
    put_answer (w, number, code, text);
    zf_mp_put_bool (w, false);
    zf_mp_put_uint (w, 0);
    say (script, NULL);
}

/* A batch with a record for each word; so many are lacking. */
static void put_batch (zf_writer_t *batch, const char *bodies, uint32_t lacking)
{
    uint32_t count = 0;
    zf_writer_reserve (batch, ZF_BATCH_HEADER);
    for (const char *at = bodies; *at != '\0'; count++) {
        size_t size = strcspn (at, " ");
        zf_bytes_t none = zf_bytes (NULL, 0);
        zf_record_encode (zf_writer_reserve (batch, zf_record_size (0, size)), none,
                          zf_bytes (at, size));
        at += size + strspn (at + size, " ");
    }
    zf_batch_seal (batch->data, batch->size, count + lacking, 0, 1);
}

static size_t count_spans (const uint64_t *spans)
{
    size_t n = 0;
    while (spans != NULL && spans[n] != 0)
        n++;
    return n;
}

void script_events (script_t *script, const script_events_t *events)
{
    zf_writer_t batch = {0};
    size_t spans = count_spans (events->spans);
    zf_writer_t *w = begin (script, ZF_CMD_EVENTS, 7);
    zf_mp_put_uint (w, events->number);
    zf_mp_put_uint (w, events->from);
    zf_mp_put_uint (w, events->to);
    zf_mp_put_uint (w, events->missed);
    zf_mp_put_uint (w, events->time_ms);
    zf_mp_put_uint (w, events->first);
    zf_mp_put_array (w, spans);
    for (size_t i = 0; i < spans; i++)
        zf_mp_put_uint (w, events->spans[i]);
    if (events->bodies[0] != '\0')
        put_batch (&batch, events->bodies, events->lacking);
    if (events->damaged && batch.data != NULL)
        batch.data[ZF_BATCH_HEADER] ^= 1;
    say (script, batch.size > 0 ? &batch : NULL);
    zf_writer_free (&batch);
}

/* -- hearing ----------------------------------------------------------------------------------- */

/* The next message: the peer's routing id and a control frame; false: none has come. */
static bool receive (script_t *script)
{
    void *raw = script->router.raw;
    int size = zmq_recv (raw, script->peer, sizeof script->peer, ZMQ_DONTWAIT);
    if (size < 0)
        return false;
    script->peer_size = (size_t) size;
    zmq_msg_t frame;
    zmq_msg_init (&frame);
    assert_true (zmq_msg_recv (&frame, raw, 0) >= 0);
    script->heard.size = 0;
    zf_write_bytes (&script->heard, zmq_msg_data (&frame), zmq_msg_size (&frame));
    while (zmq_msg_more (&frame))
        assert_true (zmq_msg_recv (&frame, raw, 0) >= 0);
    zmq_msg_close (&frame);
    return true;
}

/* The next command that is the test's to answer; 0: none has come. */
static unsigned hear (script_t *script, zf_reader_t *r)
{
    while (receive (script)) {
        *r = zf_reader (zf_bytes (script->heard.data, script->heard.size));
        zf_mp_array (r);
        uint64_t command = zf_mp_uint (r);
        if (script->heard.size == 0) { /* a new connection */
            begin (script, ZF_CMD_RESET, 0);
            say (script, NULL);
        } else if (command == ZF_CMD_HELLO) {
            say_welcome (script);
        } else if (command == ZF_CMD_PING) {
            begin (script, ZF_CMD_PONG, 0);
            say (script, NULL);
        } else {
            return (unsigned) command;
        }
    }
    return 0;
}

void script_expect (script_t *script, unsigned command, zf_reader_t *r)
{
    unsigned heard = 0;
    AWAIT ((heard = hear (script, r)) == command);
    (void) heard;
}
