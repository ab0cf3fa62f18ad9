#include "patterns/worker.h"

#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

/* Messages of a worker are settled, not released: this makes a zf_message_release by mistake
 * harmless. */
static void release_nothing (void *owner)
{
    (void) owner;
}

static zf_connection_t *connection_of (const zf_delivery_t *delivery)
{
    return &delivery->worker->handle.connections[delivery->connection];
}

static bool is_void (const zf_delivery_t *delivery)
{
    const zf_connection_t *connection = connection_of (delivery);
    return connection->state != ZF_CONNECTION_READY || connection->epoch != delivery->epoch ||
           zf_clock_coarse_ms () >= delivery->lease_until_ms;
}

static void free_delivery (zf_delivery_t *delivery)
{
    zf_worker_t *worker = delivery->worker;
    if (delivery->taken < delivery->count)
        DL_DELETE (worker->ready, delivery);
    DL_DELETE2 (worker->all, delivery, all_prev, all_next);
    zf_parcel_drop (delivery->parcel);
    free (delivery);
}

void zf_delivery_take (zf_worker_t *worker, zf_connection_t *connection, zf_reader_t *r,
                       zmq_msg_t *body)
{
    zf_mp_bytes (r); /* the queue: we consume but one */
    zf_delivery_t fields = {.owner = {release_nothing}, .worker = worker};
    fields.connection = (size_t) (connection - worker->handle.connections);
    fields.epoch = connection->epoch;
    fields.first = zf_mp_uint (r);
    fields.attempt = (uint32_t) zf_mp_uint (r);
    fields.lease_ms = zf_mp_uint (r);
    fields.flags = (uint32_t) zf_mp_uint (r);
    fields.received_ms = fields.extended_ms = zf_clock_ms ();
    fields.lease_until_ms = fields.received_ms + fields.lease_ms;
    int code;
    zf_delivery_t *delivery = r->failed ? NULL : malloc (sizeof *delivery);
    zf_parcel_t *parcel = delivery != NULL ? zf_parcel_open (body, &code) : NULL;
    if (parcel == NULL) { /* not taken: the lease will run out */
        free (delivery);
        return;
    }
    *delivery = fields;
    delivery->parcel = parcel;
    delivery->count = parcel->batch.count;
    DL_APPEND (worker->ready, delivery);
    DL_APPEND2 (worker->all, delivery, all_prev, all_next);
    worker->stats.waiting += delivery->count;
    if (worker->draining)
        zf_delivery_release (worker); /* it was under way when we said that we want no more */
    else if (worker->max_hold_ms > 0)
        zf_handle_due (&worker->handle, delivery->extended_ms + delivery->lease_ms / 3);
}

/* The rest of the batch is not what its header says. */
static void cut_short (zf_worker_t *worker, zf_delivery_t *delivery)
{
    worker->stats.waiting -= delivery->count - delivery->taken;
    DL_DELETE (worker->ready, delivery);
    delivery->count = delivery->taken;
    if (delivery->settled == delivery->count)
        free_delivery (delivery);
}

bool zf_delivery_next (zf_worker_t *worker, zf_message_t *message)
{
    while (worker->ready != NULL) {
        zf_delivery_t *delivery = worker->ready;
        if (is_void (delivery) || !zf_parcel_next (delivery->parcel, message)) {
            cut_short (worker, delivery);
            continue;
        }
        message->id = delivery->first + delivery->taken;
        message->queue = worker->queue;
        message->attempt = delivery->attempt;
        message->flags =
            (delivery->flags & ZF_DELIVER_WANTS_REPLY) != 0 ? ZF_MESSAGE_WANTS_REPLY : 0;
        message->owner = delivery;
        if (++delivery->taken == delivery->count)
            DL_DELETE (worker->ready, delivery);
        worker->stats.waiting--;
        worker->stats.held++;
        worker->stats.received++;
        worker->stats.redelivered += delivery->attempt > 1;
        return true;
    }
    return false;
}

zf_connection_t *zf_delivery_holder (zf_worker_t *worker, const zf_message_t *message)
{
    (void) worker;
    const zf_delivery_t *delivery = message->owner;
    return delivery == NULL || is_void (delivery) ? NULL : connection_of (delivery);
}

zf_connection_t *zf_delivery_settle (zf_worker_t *worker, const zf_message_t *message)
{
    zf_delivery_t *delivery = message->owner;
    zf_connection_t *connection = is_void (delivery) ? NULL : connection_of (delivery);
    worker->stats.held--;
    worker->stats.stale += connection == NULL;
    if (++delivery->settled == delivery->count)
        free_delivery (delivery);
    return connection;
}

void zf_delivery_forget (zf_worker_t *worker, const zf_connection_t *connection)
{
    size_t number = (size_t) (connection - worker->handle.connections);
    zf_delivery_t *delivery, *next;
    DL_FOREACH_SAFE (worker->ready, delivery, next) {
        if (delivery->connection == number)
            cut_short (worker, delivery);
    }
    worker->acks[number].ranges = 0;
    worker->acks[number].records = 0;
    worker->acks[number].limit_told = 0;
}

static void send_range (zf_delivery_t *delivery, unsigned command, uint64_t first, uint64_t count,
                        bool with_lease)
{
    zf_worker_t *worker = delivery->worker;
    zf_writer_t *w = zf_handle_control (&worker->handle, command, with_lease ? 5 : 4);
    zf_mp_put_str (w, zf_bytes (worker->queue, worker->queue_size));
    if (with_lease)
        zf_mp_put_uint (w, delivery->lease_ms);
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, count);
    zf_connection_send (connection_of (delivery), NULL);
}

void zf_delivery_release (zf_worker_t *worker)
{
    zf_delivery_t *delivery, *next;
    DL_FOREACH_SAFE (worker->ready, delivery, next) {
        if (!is_void (delivery))
            send_range (delivery, ZF_CMD_RELEASE, delivery->first + delivery->taken,
                        delivery->count - delivery->taken, false);
        cut_short (worker, delivery);
    }
}

void zf_delivery_extended (const zf_message_t *message, uint32_t lease_ms)
{
    zf_delivery_t *delivery = message->owner;
    uint64_t until = zf_clock_ms () + lease_ms;
    if (until > delivery->lease_until_ms)
        delivery->lease_until_ms = until;
}

uint64_t zf_delivery_extend (zf_worker_t *worker, uint64_t now_ms)
{
    uint64_t next = ZF_NEVER;
    zf_delivery_t *delivery;
    DL_FOREACH2 (worker->all, delivery, all_next) {
        if (is_void (delivery) || now_ms - delivery->received_ms >= worker->max_hold_ms)
            continue;
        uint64_t due = delivery->extended_ms + delivery->lease_ms / 3;
        if (due <= now_ms) {
            send_range (delivery, ZF_CMD_EXTEND, delivery->first, delivery->count, true);
            delivery->extended_ms = now_ms;
            delivery->lease_until_ms = now_ms + delivery->lease_ms;
            due = now_ms + delivery->lease_ms / 3 + 1;
        }
        next = due < next ? due : next;
    }
    return next;
}

void zf_delivery_free_all (zf_worker_t *worker)
{
    while (worker->all != NULL)
        free_delivery (worker->all); /* NOLINT(clang-analyzer-*): it leaves the list */
}
