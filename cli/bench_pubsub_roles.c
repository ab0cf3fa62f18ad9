/* The roles of bench pubsub that use the library: publisher and subscriber. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bench_board.h"

#define RECV_MS    50    /* a subscriber looks at the parent's flags so often */
#define FLUSH_MS   60000 /* for the last confirms; the parent gives up earlier */
#define CONNECT_MS 20000 /* for the other side's greeting */
#define TOPICS_MAX 1000  /* of --topics */
#define GROUP      "bench"

/* -- publisher --------------------------------------------------------------------------------- */

typedef struct {
    bench_board_t *board;
    bench_slot_t *slot; /* its own */
    uint32_t index;     /* its own */
    zf_publisher_t *publisher;
    unsigned char *body;  /* filled; number and time change */
    uint64_t share;       /* records to publish */
    uint64_t interval_ns; /* between two of them; 0: as fast as it goes */
    char topics[TOPICS_MAX][16];
} publisher_t;

static void on_confirm (void *arg, const char *queue, uint64_t first, uint64_t count, int code)
{
    publisher_t *self = arg;
    (void) queue;
    (void) first;
    atomic_fetch_add (code == 0 ? &self->slot->confirmed : &self->slot->refused, count);
    self->slot->last_ns = bench_now_ns ();
}

/* Tells the parent where the forwarder inside listens. */
static int tell_endpoint (publisher_t *self, zf_error_t *err)
{
    const zf_device_t *device = zf_publisher_device (self->publisher);
    const char *endpoint = NULL;
    for (size_t i = 0; (endpoint = zf_device_endpoint (device, i)) != NULL; i++)
        if (strncmp (endpoint, "tcp:", 4) == 0) {
            snprintf (self->board->raw_front, BENCH_ENDPOINT_MAX, "%s", endpoint);
            return 0;
        }
    return zf_error_set (err, ZF_E_ADDRESS, "the forwarder inside does not listen");
}

static int publisher_open (publisher_t *self, zf_error_t *err)
{
    const bench_order_t *order = &self->board->order;
    const char *endpoint = order->direct ? "tcp://127.0.0.1:*" : order->endpoint;
    zf_forwarder_options_t inside;
    zf_publisher_options_t options;
    zf_forwarder_defaults (&inside);
    inside.endpoints = &endpoint;
    inside.endpoint_count = 1;
    inside.stream = order->queue;
    zf_publisher_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.bind = order->direct ? &inside : NULL;
    options.stream = order->queue;
    options.name = "bench publisher";
    options.timeout_ms = CONNECT_MS;
    options.on_confirm = on_confirm;
    options.arg = self;
    int rc = zf_publisher_open (&self->publisher, &options, err);
    if (rc == 0 && order->direct)
        rc = tell_endpoint (self, err);
    zf_queue_info_t info; /* an answer means that we are connected */
    if (rc == 0)
        rc = zf_admin_queue (zf_publisher_client (self->publisher), order->queue, &info, err);
    return rc == ZF_E_NOT_FOUND ? 0 : rc;
}

static int publish_one (publisher_t *self, uint64_t number, zf_error_t *err)
{
    const bench_order_t *order = &self->board->order;
    const char *topic = self->topics[order->topics > 1 ? number % order->topics : 0];
    uint64_t ns = 0;
    bench_await_room (self->board, number);
    if (self->interval_ns != 0)
        ns = bench_await_turn (self->slot->first_ns, self->interval_ns, number);
    else if ((number & (order->sample_every - 1)) == 0)
        ns = bench_now_ns ();
    bench_body_stamp (self->body, self->index, number, ns);
    int rc = ZF_E_TIMEOUT;
    while (rc == ZF_E_TIMEOUT && !atomic_load_explicit (&self->board->halt, memory_order_relaxed))
        rc =
            zf_publisher_publish (self->publisher, topic, self->body, order->size, NULL, NULL, err);
    return rc;
}

/* Returns 0 when all is published, or the parent wants no more. */
static int publish_all (publisher_t *self, zf_error_t *err)
{
    for (uint64_t number = 0; number < self->share; number++) {
        int rc = publish_one (self, number, err);
        if (atomic_load_explicit (&self->board->halt, memory_order_relaxed))
            return 0;
        if (rc != 0)
            return rc;
        atomic_store_explicit (&self->slot->posted, number + 1, memory_order_release);
    }
    return 0;
}

static void publisher_work (publisher_t *self)
{
    zf_error_t err = {0};
    bench_slot_ready (self->slot);
    if (!bench_board_await_go (self->board)) {
        bench_slot_done (self->slot);
        return;
    }
    uint64_t cpu_ns = bench_role_cpu_ns (self->board);
    self->slot->first_ns = bench_now_ns ();
    int rc = publish_all (self, &err);
    if (rc == 0)
        rc = zf_publisher_flush (self->publisher, FLUSH_MS, &err);
    self->slot->cpu_ns = bench_role_cpu_ns (self->board) - cpu_ns;
    while (rc == 0 && self->board->order.direct && !atomic_load (&self->board->finish))
        bench_tick (); /* subscribers still read from the forwarder inside */
    if (rc != 0)
        bench_slot_fail (self->slot, "%s", err.text);
    else
        bench_slot_done (self->slot);
}

void bench_publisher_run (bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    bench_slot_t *slot = &board->producer[index];
    publisher_t *self = calloc (1, sizeof *self);
    unsigned char *body = malloc (board->order.size);
    if (self == NULL || body == NULL) {
        bench_slot_fail (slot, "out of memory");
        free (self);
        free (body);
        return;
    }
    self->board = board;
    self->slot = slot;
    self->index = index;
    self->body = body;
    self->share = bench_board_share (&board->order, index);
    self->interval_ns = bench_interval_ns (&board->order);
    for (uint32_t i = 0; i < TOPICS_MAX; i++)
        snprintf (self->topics[i], sizeof self->topics[i], "bench.%" PRIu32, i);
    bench_body_fill (body, board->order.size);
    if (publisher_open (self, &err) == 0)
        publisher_work (self);
    else
        bench_slot_fail (slot, "%s", err.text);
    zf_publisher_close (&self->publisher);
    free (body);
    free (self);
}

/* -- subscriber -------------------------------------------------------------------------------- */

static int subscriber_open (zf_subscriber_t **subscriber, const bench_board_t *board,
                            zf_error_t *err)
{
    const bench_order_t *order = &board->order;
    const char *endpoint = order->endpoint;
    zf_subscriber_options_t options;
    zf_subscriber_defaults (&options);
    options.endpoints = &endpoint;
    options.endpoint_count = 1;
    options.stream = order->queue;
    options.name = "bench subscriber";
    options.group = order->group ? GROUP : NULL;
    options.start.from = order->group || order->replay ? ZF_FROM_FIRST : ZF_FROM_NEW;
    int rc = zf_subscriber_open (subscriber, &options, err);
    return rc == 0 ? zf_subscriber_ready (*subscriber, CONNECT_MS, err) : rc;
}

/* One API call to receive a record, one to acknowledge it. */
static int consume (zf_subscriber_t *subscriber, bench_ledger_t *ledger, zf_error_t *err)
{
    uint64_t received = 0;
    while (!atomic_load_explicit (&ledger->board->finish, memory_order_relaxed)) {
        zf_message_t message;
        int rc = zf_subscriber_recv (subscriber, &message, RECV_MS, err);
        if (rc == ZF_E_TIMEOUT)
            continue;
        if (rc != 0)
            return rc;
        bool timed = bench_ledger_book (ledger, message.body, message.size);
        rc = zf_subscriber_ack (subscriber, &message);
        if (rc != 0 && rc != ZF_E_STALE)
            return zf_error_set (err, rc, "ack: %s", zf_strerror (rc));
        if (timed)
            ledger->slot->last_ns = bench_now_ns ();
        atomic_store_explicit (&ledger->slot->received, ++received, memory_order_release);
    }
    return 0;
}

static void await_finish (const bench_board_t *board)
{
    while (!atomic_load (&board->finish))
        bench_tick ();
}

/* Sees one through that is ready, or for a replay one that has yet to subscribe. */
static int subscriber_work (zf_subscriber_t **subscriber, bench_ledger_t *ledger, uint32_t index,
                            zf_error_t *err)
{
    bench_board_t *board = ledger->board;
    const bench_order_t *order = &board->order;
    bench_slot_t *slot = ledger->slot;
    zf_subscriber_stats_t stats;
    int rc = order->replay ? 0 : subscriber_open (subscriber, board, err);
    if (rc != 0)
        return rc;
    bench_slot_ready (slot);
    bench_board_await_go (board);
    uint64_t cpu_ns = bench_role_cpu_ns (board);
    slot->first_ns = bench_now_ns ();
    if (order->replay)
        rc = subscriber_open (subscriber, board, err);
    if (rc == 0 && index + order->stalled >= order->workers)
        await_finish (board);
    else if (rc == 0)
        rc = consume (*subscriber, ledger, err);
    slot->cpu_ns = bench_role_cpu_ns (board) - cpu_ns;
    if (rc != 0)
        return rc;
    zf_subscriber_stats (*subscriber, &stats);
    slot->missed = stats.missed;
    slot->refills = stats.refills;
    return 0;
}

void bench_subscriber_run (bench_board_t *board, uint32_t index)
{
    zf_error_t err = {0};
    bench_slot_t *slot = &board->worker[index];
    zf_subscriber_t *subscriber = NULL;
    bench_ledger_t ledger;
    if (!bench_ledger_open (&ledger, board, index)) {
        bench_slot_fail (slot, "out of memory");
        return;
    }
    int rc = subscriber_work (&subscriber, &ledger, index, &err);
    zf_subscriber_close (&subscriber); /* and with it the last acks */
    bench_ledger_close (&ledger);
    if (rc != 0)
        bench_slot_fail (slot, "%s", err.text);
    else
        bench_slot_done (slot);
}
