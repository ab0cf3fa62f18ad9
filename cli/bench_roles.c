/* The roles that use the library: producer, worker, echo, idle clients. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "bench_board.h"

#define RECV_MS    50    /* a worker looks at the parent's flags so often */
#define FLUSH_MS   60000 /* for the last confirms; the parent gives up earlier */
#define DRAIN_MS   10000 /* for the last acks */
#define CONNECT_MS 20000 /* for the broker's greeting */
#define SECOND_NS  1000000000u

uint64_t bench_role_cpu_ns (const bench_board_t *board)
{
    struct timespec now;
    clock_gettime (board->order.threads ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t) now.tv_sec * SECOND_NS + (uint64_t) now.tv_nsec;
}

uint64_t bench_await_turn (uint64_t first_ns, uint64_t interval_ns, uint64_t number)
{
    uint64_t due = first_ns + number * interval_ns;
    struct timespec until = {
        .tv_sec = (time_t) (due / SECOND_NS),
        .tv_nsec = (long) (due % SECOND_NS),
    };
    if (bench_now_ns () < due)
        clock_nanosleep (CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    return due;
}

uint64_t bench_interval_ns (const bench_order_t *order)
{
    if (order->rate == 0)
        return 0;
    prctl (PR_SET_TIMERSLACK, 1UL); /* sleep as exactly as the kernel can */
    return (uint64_t) SECOND_NS * order->producers / order->rate;
}

/* -- producer ---------------------------------------------------------------------------------- */

typedef struct {
    bench_board_t *board;
    bench_slot_t *slot; /* its own */
    uint32_t index;     /* its own */
    zf_client_t *client;
    unsigned char *body;  /* filled; number and time change */
    uint64_t share;       /* records to post */
    uint64_t interval_ns; /* between two posts; 0: as fast as it goes */
} producer_t;

static void on_confirm (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    producer_t *self = arg;
    (void) queue;
    (void) first;
    if (code != 0) {
        atomic_fetch_add (&self->slot->refused, count);
        return;
    }
    atomic_fetch_add (&self->slot->confirmed, count);
    self->slot->last_ns = bench_now_ns ();
}

static int producer_open (producer_t *self, zf_error_t *err)
{
    const char *endpoint = self->board->order.endpoint;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.name = "bench producer";
    options.on_confirm = on_confirm;
    options.arg = self;
    int rc = zf_client_open (&self->client, &options, err);
    if (rc != 0)
        return rc;
    zf_queue_info_t info; /* an answer means that we are connected */
    rc = zf_admin_queue (self->client, self->board->order.queue, &info, err);
    return rc == ZF_E_NOT_FOUND ? 0 : rc;
}

static int post_one (producer_t *self, uint64_t number, zf_error_t *err)
{
    bench_board_t *board = self->board;
    uint64_t ns = 0;
    if (self->interval_ns != 0)
        ns = bench_await_turn (self->slot->first_ns, self->interval_ns, number);
    else if ((number & (board->order.sample_every - 1)) == 0)
        ns = bench_now_ns ();
    bench_body_stamp (self->body, self->index, number, ns);
    int rc = ZF_E_TIMEOUT;
    while (rc == ZF_E_TIMEOUT && !atomic_load_explicit (&board->halt, memory_order_relaxed))
        rc = zf_client_post_async (self->client, board->order.queue, self->body, board->order.size,
                                   NULL, NULL, err);
    return rc;
}

/* Returns 0 when all is posted, or the parent wants no more. */
static int post_all (producer_t *self, zf_error_t *err)
{
    for (uint64_t number = 0; number < self->share; number++) {
        int rc = post_one (self, number, err);
        if (atomic_load_explicit (&self->board->halt, memory_order_relaxed))
            return 0;
        if (rc != 0)
            return rc;
        atomic_store_explicit (&self->slot->posted, number + 1, memory_order_release);
    }
    return 0;
}

static void producer_work (producer_t *self)
{
    zf_error_t err = {0};
    bench_slot_ready (self->slot);
    if (!bench_board_await_go (self->board)) {
        bench_slot_done (self->slot);
        return;
    }
    uint64_t cpu_ns = bench_role_cpu_ns (self->board);
    self->slot->first_ns = bench_now_ns ();
    int rc = post_all (self, &err);
    if (rc == 0)
        rc = zf_client_flush (self->client, FLUSH_MS, &err);
    self->slot->cpu_ns = bench_role_cpu_ns (self->board) - cpu_ns;
    if (rc != 0)
        bench_slot_fail (self->slot, "%s", err.text);
    else
        bench_slot_done (self->slot);
}

void bench_producer_run (bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    producer_t self = {.board = board, .slot = &board->producer[index], .index = index};
    self.share = bench_board_share (&board->order, index);
    self.interval_ns = bench_interval_ns (&board->order);
    self.body = malloc (board->order.size);
    if (self.body == NULL) {
        bench_slot_fail (self.slot, "out of memory");
        return;
    }
    bench_body_fill (self.body, board->order.size);
    if (producer_open (&self, &err) == 0)
        producer_work (&self);
    else
        bench_slot_fail (self.slot, "%s", err.text);
    zf_client_close (&self.client);
    free (self.body);
}

/* -- worker ------------------------------------------------------------------------------------ */

static int worker_open (zf_worker_t **worker, const bench_board_t *board, zf_error_t *err)
{
    const char *endpoint = board->order.endpoint;
    zf_worker_options_t options;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.name = "bench worker";
    return zf_worker_open (worker, board->order.queue, &options, err);
}

/* Receives, which nothing has been sent to yet, until the broker has greeted us. */
static int await_greeting (zf_worker_t *worker, zf_error_t *err)
{
    zf_worker_stats_t stats = {0};
    uint64_t end = cli_now_ms () + CONNECT_MS;
    while (stats.connected == 0) {
        zf_message_t message;
        int rc = zf_worker_recv (worker, &message, 5, err);
        if (rc == 0)
            rc = zf_worker_nack (worker, &message, 0);
        if (rc != 0 && rc != ZF_E_TIMEOUT)
            return rc;
        if (cli_now_ms () > end)
            return zf_error_set (err, ZF_E_TIMEOUT, "no broker answered");
        zf_worker_stats (worker, &stats);
    }
    return 0;
}

/* One API call to receive a record, one to acknowledge it. */
static int consume (zf_worker_t *worker, bench_ledger_t *ledger, zf_error_t *err)
{
    uint64_t received = 0;
    while (!atomic_load_explicit (&ledger->board->finish, memory_order_relaxed)) {
        zf_message_t message;
        int rc = zf_worker_recv (worker, &message, RECV_MS, err);
        if (rc == ZF_E_TIMEOUT)
            continue;
        if (rc != 0)
            return rc;
        bool timed = bench_ledger_book (ledger, message.body, message.size);
        rc = zf_worker_ack (worker, &message);
        if (rc != 0 && rc != ZF_E_STALE)
            return zf_error_set (err, rc, "ack: %s", zf_strerror (rc));
        if (timed)
            ledger->slot->last_ns = bench_now_ns ();
        atomic_store_explicit (&ledger->slot->received, ++received, memory_order_release);
    }
    return zf_worker_drain (worker, DRAIN_MS, err);
}

static void worker_work (zf_worker_t *worker, bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    bench_slot_t *slot = &board->worker[index];
    bench_ledger_t ledger;
    if (!bench_ledger_open (&ledger, board, index)) {
        bench_slot_fail (slot, "out of memory");
        return;
    }
    int rc = await_greeting (worker, &err);
    if (rc == 0) {
        bench_slot_ready (slot);
        bench_board_await_go (board);
        uint64_t cpu_ns = bench_role_cpu_ns (board);
        rc = consume (worker, &ledger, &err);
        slot->cpu_ns = bench_role_cpu_ns (board) - cpu_ns;
    }
    if (rc != 0)
        bench_slot_fail (slot, "%s", err.text);
    else
        bench_slot_done (slot);
    bench_ledger_close (&ledger);
}

void bench_worker_run (bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    zf_worker_t *worker = NULL;
    if (worker_open (&worker, board, &err) == 0)
        worker_work (worker, board, index);
    else
        bench_slot_fail (&board->worker[index], "%s", err.text);
    zf_worker_close (&worker);
}

/* -- echo: the worker of the request bench ----------------------------------------------------- */

static int echo (zf_worker_t *worker, bench_board_t *board, zf_error_t *err)
{
    while (!atomic_load_explicit (&board->finish, memory_order_relaxed)) {
        zf_message_t message;
        int rc = zf_worker_recv (worker, &message, RECV_MS, err);
        if (rc == ZF_E_TIMEOUT)
            continue;
        if (rc != 0)
            return rc;
        rc = zf_worker_reply (worker, &message, message.body, message.size, NULL);
        if (rc != 0 && rc != ZF_E_STALE)
            return zf_error_set (err, rc, "reply: %s", zf_strerror (rc));
    }
    return 0;
}

static bool copy_endpoint (void *arg, const zf_offer_t *offer)
{
    snprintf (arg, BENCH_ENDPOINT_MAX, "%s", offer->endpoint);
    return false;
}

/* With a broker inside; the node that it takes is known to nobody. */
static int open_direct (zf_peer_t **peer, zf_worker_t **worker, bench_board_t *board,
                        zf_error_t *err)
{
    const char *endpoint = board->order.endpoint;
    zf_worker_options_t options;
    zf_peer_options_t alone;
    zf_peer_defaults (&alone);
    alone.beacon = false;
    alone.endpoint = "tcp://127.0.0.1:*";
    int rc = zf_peer_start (peer, &alone, err);
    if (rc != 0)
        return rc;
    zf_worker_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.name = "bench worker";
    options.direct = true;
    options.peer = *peer;
    rc = zf_worker_open (worker, board->order.queue, &options, err);
    if (rc == 0)
        zf_directory_find (*peer, NULL, copy_endpoint, board->order.endpoint);
    return rc;
}

void bench_echo_run (bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    bench_slot_t *slot = &board->worker[index];
    zf_worker_t *worker = NULL;
    zf_peer_t *peer = NULL;
    int rc = board->order.direct ? open_direct (&peer, &worker, board, &err)
                                 : worker_open (&worker, board, &err);
    if (rc == 0)
        rc = await_greeting (worker, &err);
    if (rc == 0) {
        bench_slot_ready (slot);
        rc = echo (worker, board, &err);
    }
    if (rc != 0)
        bench_slot_fail (slot, "%s", err.text);
    else
        bench_slot_done (slot);
    zf_worker_close (&worker);
    zf_peer_stop (&peer);
}

/* -- idle clients ------------------------------------------------------------------------------ */

/* Opens one and waits until the broker has answered it. */
static int open_idle (zf_client_t **client, const bench_board_t *board, zf_error_t *err)
{
    const char *endpoint = board->order.endpoint;
    zf_client_options_t options;
    zf_client_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.name = "bench idle";
    options.timeout_ms = CONNECT_MS;
    int rc = zf_client_open (client, &options, err);
    if (rc != 0)
        return rc;
    zf_queue_info_t info;
    rc = zf_admin_queue (*client, board->order.queue, &info, err);
    return rc == ZF_E_NOT_FOUND ? 0 : rc;
}

static uint64_t count_connected (zf_client_t **clients, uint64_t count)
{
    uint64_t connected = 0;
    for (uint64_t i = 0; i < count; i++) {
        zf_client_stats_t stats;
        zf_client_stats (clients[i], &stats);
        connected += stats.connected ? 1 : 0;
    }
    return connected;
}

static int idle (zf_client_t **clients, uint64_t count, bench_board_t *board, bench_slot_t *slot,
                 zf_error_t *err)
{
    for (uint64_t i = 0; i < count; i++) {
        int rc = open_idle (&clients[i], board, err);
        if (rc != 0)
            return zf_error_wrap (err, rc, "client %" PRIu64, i);
        atomic_store (&slot->received, i + 1);
    }
    bench_slot_ready (slot);
    while (!atomic_load (&board->finish))
        bench_tick ();
    atomic_store (&slot->received, count_connected (clients, count));
    return 0;
}

void bench_idle_run (bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    bench_slot_t *slot = &board->worker[index];
    uint64_t count = bench_board_share (&board->order, index);
    zf_client_t **clients = calloc (count, sizeof *clients);
    if (clients == NULL) {
        bench_slot_fail (slot, "out of memory");
        return;
    }
    int rc = idle (clients, count, board, slot, &err);
    if (rc != 0)
        bench_slot_fail (slot, "%s", err.text);
    else
        bench_slot_done (slot);
    for (uint64_t i = 0; i < count; i++)
        zf_client_close (&clients[i]);
    free (clients);
}
