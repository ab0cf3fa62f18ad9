/* Peers that break the rules: raw native frames over a DEALER, and raw bytes over TCP.
 *
 * What is sent is put together in peer->control and peer->body, and gone after bad_send. Threads:
 * the test's own. */
#ifndef TESTS_DEVICES_BAD_PEER_H
#define TESTS_DEVICES_BAD_PEER_H

#include "core/batch.h"
#include "core/native.h"
#include "devices/socket.h"
#include <zferry/device.h>

typedef struct {
    zf_socket_t socket;
    zf_writer_t control; /* the frame being built */
    zf_writer_t body;    /* the batch, if there is to be one */
    const char *uuid;    /* of its HELLO */
} bad_peer_t;

/* A peer of the broker's first endpoint. routing_id NULL: one that the broker chooses. */
void bad_open (bad_peer_t *peer, const zf_device_t *broker, const char *routing_id);
void bad_close (bad_peer_t *peer);

/* Begins a control frame of so many arguments. */
zf_writer_t *bad_control (bad_peer_t *peer, unsigned command, size_t arguments);
void bad_put_text (bad_peer_t *peer, const char *text);

/* Makes the body a sealed batch of so many records of so many bytes. */
void bad_batch (bad_peer_t *peer, uint64_t first, uint32_t count, size_t size);

/* Sends the control frame, and the body if there is one. */
void bad_send (bad_peer_t *peer);
void bad_send_bytes (bad_peer_t *peer, const void *data, size_t size);

/* Says HELLO with an identity of 16 characters and waits for the WELCOME. */
void bad_greet (bad_peer_t *peer, const char *uuid);

/* Commands of a greeted peer. */
void bad_consume (bad_peer_t *peer, const char *queue, uint32_t credit);
void bad_post (bad_peer_t *peer, const char *queue, uint64_t first, uint32_t count, size_t size);

/* The next command heard, 0: none within so many milliseconds. r (may be NULL) reads its arguments,
 * which stay in peer->control; its body is dropped. */
unsigned bad_hear (bad_peer_t *peer, int timeout_ms, zf_reader_t *r);

/* Hears until this command comes; fails the test if it does not. */
void bad_expect (bad_peer_t *peer, unsigned command, zf_reader_t *r);

/* Hears an ERROR with this code. */
void bad_expect_error (bad_peer_t *peer, int code);

/* The broker has dealt with everything sent so far. Greets again, should it have ended the
 * session. */
void bad_settle (bad_peer_t *peer);

/* A TCP connection to the broker's first endpoint that says nothing yet. */
int bad_connect (const zf_device_t *broker);

#endif
