/* The roles of bench pubsub --raw: plain PUB and SUB, and bare zmq_proxy between an XSUB and an
 * XPUB.
 *
 *   raw-pub PUB -> XSUB | zmq_proxy or zferry forwarder | XPUB -> SUB raw-sub
 *
 * Messages are single frames. So that none is dropped, the publisher is never more than the order's
 * window ahead of the slowest subscriber, and every socket has room for twice that. Until all are
 * there, it publishes empty messages, which a subscriber takes for its subscription's being in
 * force. */
#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "bench_board.h"

#define RECV_MS 50 /* a subscriber looks at the parent's flags so often */

typedef struct {
    void *context;
    void *socket;
} plain_socket_t;

/* Room for twice the window, and no lingering. */
static void *make_socket (void *context, int type, const bench_order_t *order)
{
    int none = 0;
    int hwm = (int) (2 * order->window);
    void *socket = context != NULL ? zmq_socket (context, type) : NULL;
    if (socket == NULL)
        return NULL;
    zmq_setsockopt (socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt (socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt (socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    return socket;
}

static bool plain_connect (plain_socket_t *plain, int type, const bench_order_t *order,
                           const char *endpoint)
{
    plain->context = zmq_ctx_new ();
    plain->socket = make_socket (plain->context, type, order);
    return plain->socket != NULL && zmq_connect (plain->socket, endpoint) == 0;
}

static void plain_close (plain_socket_t *plain)
{
    if (plain->socket != NULL)
        zmq_close (plain->socket);
    if (plain->context != NULL)
        zmq_ctx_term (plain->context);
}

/* -- publisher --------------------------------------------------------------------------------- */

/* Empty messages until the parent says go. Returns false if it says finish instead. */
static bool warm_up (const bench_board_t *board, void *socket)
{
    while (!atomic_load (&board->go)) {
        if (atomic_load (&board->finish))
            return false;
        zmq_send (socket, "", 0, 0);
        bench_tick ();
    }
    return true;
}

static bool publish_all (bench_board_t *board, bench_slot_t *slot, void *socket,
                         unsigned char *body)
{
    const bench_order_t *order = &board->order;
    uint64_t interval_ns = bench_interval_ns (order);
    for (uint64_t number = 0; number < order->count; number++) {
        uint64_t ns = 0;
        bench_await_room (board, number);
        if (atomic_load_explicit (&board->halt, memory_order_relaxed))
            return true;
        if (interval_ns != 0)
            ns = bench_await_turn (slot->first_ns, interval_ns, number);
        else if ((number & (order->sample_every - 1)) == 0)
            ns = bench_now_ns ();
        bench_body_stamp (body, 0, number, ns);
        if (zmq_send (socket, body, order->size, 0) < 0)
            return false;
        atomic_store_explicit (&slot->posted, number + 1, memory_order_release);
    }
    return true;
}

static bool raw_pub_work (bench_board_t *board, bench_slot_t *slot, void *socket)
{
    unsigned char *body = malloc (board->order.size);
    if (body == NULL)
        return false;
    bench_body_fill (body, board->order.size);
    bench_slot_ready (slot);
    bool done = true;
    if (warm_up (board, socket)) {
        uint64_t cpu_ns = bench_role_cpu_ns (board);
        slot->first_ns = bench_now_ns ();
        done = publish_all (board, slot, socket, body);
        slot->last_ns = bench_now_ns ();
        slot->cpu_ns = bench_role_cpu_ns (board) - cpu_ns;
        atomic_store (&slot->confirmed, atomic_load (&slot->posted)); /* as far as one can know */
        while (!atomic_load (&board->finish))
            bench_tick (); /* what is under way is not to be lost with the socket */
    }
    free (body);
    return done;
}

void bench_raw_pub_run (bench_board_t *board, uint32_t index)
{
    bench_slot_t *slot = &board->producer[index];
    plain_socket_t plain = {0};
    if (plain_connect (&plain, ZMQ_PUB, &board->order, board->raw_front) &&
        raw_pub_work (board, slot, plain.socket))
        bench_slot_done (slot);
    else
        bench_slot_fail (slot, "plain publisher: %s", zmq_strerror (errno));
    plain_close (&plain);
}

/* -- subscriber -------------------------------------------------------------------------------- */

/* Books one message. Returns 1, 0 when none came for a while, -1 with errno set. */
static int take_one (bench_ledger_t *ledger, void *socket, uint64_t *received)
{
    zmq_msg_t message;
    zmq_msg_init (&message);
    if (zmq_msg_recv (&message, socket, 0) < 0) {
        zmq_msg_close (&message);
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    size_t size = zmq_msg_size (&message);
    if (size > 0 && bench_ledger_book (ledger, zmq_msg_data (&message), size))
        ledger->slot->last_ns = bench_now_ns ();
    zmq_msg_close (&message);
    if (size > 0)
        atomic_store_explicit (&ledger->slot->received, ++*received, memory_order_release);
    return 1;
}

static bool raw_sub_work (bench_board_t *board, bench_ledger_t *ledger, uint32_t index,
                          void *socket)
{
    uint64_t received = 0;
    int rc = 0;
    while (rc == 0 && !atomic_load (&board->finish)) /* the first empty message */
        rc = take_one (ledger, socket, &received);
    if (rc < 0)
        return false;
    bench_slot_ready (ledger->slot);
    bool stalled = index + board->order.stalled >= board->order.workers;
    if (stalled)
        bench_board_await_go (board);
    uint64_t cpu_ns = bench_role_cpu_ns (board);
    while (rc >= 0 && !atomic_load_explicit (&board->finish, memory_order_relaxed)) {
        if (stalled)
            bench_tick ();
        else
            rc = take_one (ledger, socket, &received);
    }
    ledger->slot->cpu_ns = bench_role_cpu_ns (board) - cpu_ns;
    return rc >= 0;
}

void bench_raw_sub_run (bench_board_t *board, uint32_t index)
{
    bench_slot_t *slot = &board->worker[index];
    plain_socket_t plain = {0};
    bench_ledger_t ledger = {0};
    int recv_ms = RECV_MS;
    bool done = bench_ledger_open (&ledger, board, index) &&
                plain_connect (&plain, ZMQ_SUB, &board->order, board->raw_back) &&
                zmq_setsockopt (plain.socket, ZMQ_RCVTIMEO, &recv_ms, sizeof recv_ms) == 0 &&
                zmq_setsockopt (plain.socket, ZMQ_SUBSCRIBE, "", 0) == 0 &&
                raw_sub_work (board, &ledger, index, plain.socket);
    if (done)
        bench_slot_done (slot);
    else
        bench_slot_fail (slot, "plain subscriber: %s", zmq_strerror (errno));
    bench_ledger_close (&ledger);
    plain_close (&plain);
}

/* -- proxy ------------------------------------------------------------------------------------- */

static bool bind_socket (void *socket, char endpoint[BENCH_ENDPOINT_MAX])
{
    size_t size = BENCH_ENDPOINT_MAX;
    return socket != NULL && zmq_bind (socket, "tcp://127.0.0.1:*") == 0 &&
           zmq_getsockopt (socket, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0;
}

/* The parent ends this process with a signal. */
void bench_raw_proxy_run (bench_board_t *board, uint32_t index)
{
    bench_slot_t *slot = &board->producer[index];
    void *context = zmq_ctx_new ();
    void *front = make_socket (context, ZMQ_XSUB, &board->order);
    void *back = make_socket (context, ZMQ_XPUB, &board->order);
    if (bind_socket (front, board->raw_front) && bind_socket (back, board->raw_back)) {
        bench_slot_ready (slot);
        zmq_proxy (front, back, NULL);
    }
    bench_slot_fail (slot, "zmq_proxy: %s", zmq_strerror (errno));
}
