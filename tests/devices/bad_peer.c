#include "tests/devices/bad_peer.h"

#include "tests/devices/stage.h"
#include <arpa/inet.h>
#include <sys/socket.h>
#include <zmq.h>

void bad_open (bad_peer_t *peer, const zf_device_t *broker, const char *routing_id)
{
    memset (peer, 0, sizeof *peer);
    assert_int_equal (zf_socket_dealer (&peer->socket, 1u << 30, NULL), 0);
    if (routing_id != NULL)
        zmq_setsockopt (peer->socket.raw, ZMQ_ROUTING_ID, routing_id, strlen (routing_id));
    assert_int_equal (zf_socket_connect (&peer->socket, endpoint_of (broker), NULL), 0);
}

void bad_close (bad_peer_t *peer)
{
    int none = 0;
    zmq_setsockopt (peer->socket.raw, ZMQ_LINGER, &none, sizeof none);
    zf_socket_close (&peer->socket);
    zf_writer_free (&peer->control);
    zf_writer_free (&peer->body);
}

zf_writer_t *bad_control (bad_peer_t *peer, unsigned command, size_t arguments)
{
    peer->control.size = peer->body.size = 0;
    zf_control (&peer->control, command, arguments + 1);
    return &peer->control;
}

void bad_put_text (bad_peer_t *peer, const char *text)
{
    zf_mp_put_str (&peer->control, zf_bytes_of (text));
}

void bad_batch (bad_peer_t *peer, uint64_t first, uint32_t count, size_t size)
{
    size_t record = zf_record_size (0, size);
    peer->body.size = 0;
    uint8_t *batch = zf_writer_reserve (&peer->body, ZF_BATCH_HEADER + count * record);
    assert_non_null (batch);
    memset (batch, 'x', peer->body.size);
    for (uint32_t i = 0; i < count; i++)
        zf_record_head (batch + ZF_BATCH_HEADER + i * record, zf_bytes (NULL, 0), size);
    zf_batch_seal (batch, peer->body.size, count, 0, first);
}

void bad_send (bad_peer_t *peer)
{
    int more = peer->body.size > 0 ? ZMQ_SNDMORE : 0;
    zmq_send (peer->socket.raw, peer->control.data, peer->control.size, more);
    if (more != 0)
        zmq_send (peer->socket.raw, peer->body.data, peer->body.size, 0);
    peer->body.size = 0;
}

void bad_send_bytes (bad_peer_t *peer, const void *data, size_t size)
{
    assert_int_equal (zmq_send (peer->socket.raw, data, size, 0), size);
}

static void say_hello (bad_peer_t *peer, const char *uuid)
{
    zf_writer_t *w = bad_control (peer, ZF_CMD_HELLO, 3);
    zf_mp_put_uint (w, ZF_NATIVE_VERSION);
    zf_mp_put_bin (w, zf_bytes (uuid, 16));
    zf_mp_put_map (w, 0);
    bad_send (peer);
}

void bad_greet (bad_peer_t *peer, const char *uuid)
{
    peer->uuid = uuid;
    say_hello (peer, uuid);
    bad_expect (peer, ZF_CMD_WELCOME, NULL);
}

void bad_consume (bad_peer_t *peer, const char *queue, uint32_t credit)
{
    bad_control (peer, ZF_CMD_CONSUME, 2);
    bad_put_text (peer, queue);
    zf_mp_put_uint (&peer->control, credit);
    bad_send (peer);
}

void bad_post (bad_peer_t *peer, const char *queue, uint64_t first, uint32_t count, size_t size)
{
    bad_control (peer, ZF_CMD_POST, 2);
    bad_put_text (peer, queue);
    zf_mp_put_uint (&peer->control, 1);
    bad_batch (peer, first, count, size);
    bad_send (peer);
}

unsigned bad_hear (bad_peer_t *peer, int timeout_ms, zf_reader_t *r)
{
    zmq_pollitem_t item = {peer->socket.raw, 0, ZMQ_POLLIN, 0};
    if (zmq_poll (&item, 1, timeout_ms) <= 0)
        return 0;
    zmq_msg_t frame;
    int more = 1;
    peer->control.size = 0;
    for (int i = 0; more != 0; i++) {
        zmq_msg_init (&frame);
        assert_true (zmq_msg_recv (&frame, peer->socket.raw, 0) >= 0);
        if (i == 0)
            zf_write_bytes (&peer->control, zmq_msg_data (&frame), zmq_msg_size (&frame));
        more = zmq_msg_more (&frame);
        zmq_msg_close (&frame);
    }
    zf_reader_t reader = zf_reader (zf_bytes (peer->control.data, peer->control.size));
    zf_mp_array (&reader);
    unsigned command = (unsigned) zf_mp_uint (&reader);
    assert_false (reader.failed);
    if (r != NULL)
        *r = reader;
    return command;
}

void bad_expect (bad_peer_t *peer, unsigned command, zf_reader_t *r)
{
    unsigned heard = 1;
    while (heard != 0 && heard != command)
        heard = bad_hear (peer, PATIENCE_MS, r);
    if (heard == 0)
        fail_msg ("command %u did not come", command);
}

void bad_expect_error (bad_peer_t *peer, int code)
{
    zf_reader_t r;
    bad_expect (peer, ZF_CMD_ERROR, &r);
    assert_int_equal (-(int) zf_mp_uint (&r), code);
}

/* A question whose answer can't be mistaken for another. */
static void ask (bad_peer_t *peer, uint64_t number)
{
    zf_mp_put_uint (bad_control (peer, ZF_CMD_ADMIN, 4), number);
    bad_put_text (peer, "stats");
    bad_put_text (peer, "");
    zf_mp_put_uint (&peer->control, 0);
    bad_send (peer);
}

void bad_settle (bad_peer_t *peer)
{
    static uint64_t number;
    uint64_t answered = 0;
    uint64_t end = zf_clock_ms () + PATIENCE_MS;
    number++;
    say_hello (peer, peer->uuid);
    while (answered != number) {
        zf_reader_t r;
        unsigned heard = bad_hear (peer, 100, &r);
        if (zf_clock_ms () > end)
            fail_msg ("the broker says nothing");
        if (heard == ZF_CMD_RESET || heard == 0) /* the session had ended before that HELLO */
            say_hello (peer, peer->uuid);
        else if (heard == ZF_CMD_WELCOME)
            ask (peer, number);
        else if (heard == ZF_CMD_RESULT)
            answered = zf_mp_uint (&r);
    }
}

int bad_connect (const zf_device_t *broker)
{
    unsigned port = 0;
    assert_int_equal (sscanf (endpoint_of (broker), "tcp://127.0.0.1:%u", &port), 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons ((uint16_t) port)};
    address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
    int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true (fd >= 0);
    assert_int_equal (connect (fd, (const struct sockaddr *) &address, sizeof address), 0);
    return fd;
}
