#include "patterns/worker.h"

#include "patterns/denial.h"

#include <stdlib.h>
#include <time.h>
#include <zferry/broker.h>
#include <zferry/error.h>

static const char *const default_endpoints[] = {"tcp://127.0.0.1:5555"};

static zf_worker_t *worker_of (zf_handle_t *handle)
{
    return (zf_worker_t *) (void *) handle;
}

static uint64_t now_ns (void)
{
    struct timespec now;
    clock_gettime (CLOCK_MONOTONIC, &now);
    return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* -- credit and acks --------------------------------------------------------------------------- */

/* What the worker wants to hold now, from each broker. */
static uint32_t wanted_credit (const zf_worker_t *self)
{
    if (self->draining)
        return 0;
    if (self->fixed_credit != 0)
        return self->fixed_credit;
    uint64_t callers = self->stats.held + self->callers_waiting; /* none of them may have to wait
                                                                    for the others */
    return callers > self->credit.credit ? (uint32_t) callers : self->credit.credit;
}

static zf_acks_t *acks_of (zf_worker_t *self, const zf_connection_t *connection)
{
    return &self->acks[connection - self->handle.connections];
}

static void tell_credit (zf_worker_t *self, zf_connection_t *connection, uint32_t credit)
{
    if (!acks_of (self, connection)->may_consume)
        return;
    zf_writer_t *w = zf_handle_control (&self->handle, ZF_CMD_CONSUME, 3);
    zf_mp_put_str (w, zf_bytes (self->queue, self->queue_size));
    zf_mp_put_uint (w, credit);
    if (zf_connection_send (connection, NULL))
        acks_of (self, connection)->limit_told = credit;
}

/* Tells the brokers if the credit they know is too small, or much too large. */
static void update_credit (zf_worker_t *self)
{
    uint32_t wanted = wanted_credit (self);
    for (size_t i = 0; i < self->handle.connection_count; i++) {
        uint32_t told = self->acks[i].limit_told;
        if (wanted > told || wanted < told / 2 || (wanted == 0 && told > 0))
            tell_credit (self, &self->handle.connections[i], wanted);
    }
}

static void send_acks (zf_worker_t *self, zf_connection_t *connection)
{
    zf_acks_t *acks = acks_of (self, connection);
    if (acks->ranges == 0)
        return;
    zf_writer_t *w = zf_handle_control (&self->handle, ZF_CMD_ACK, 2 + 2 * (size_t) acks->ranges);
    zf_mp_put_str (w, zf_bytes (self->queue, self->queue_size));
    for (uint32_t i = 0; i < acks->ranges; i++) {
        zf_mp_put_uint (w, acks->first[i]);
        zf_mp_put_uint (w, acks->count[i]);
    }
    if (!zf_connection_send (connection, NULL))
        return; /* the socket is full: the next time */
    acks->ranges = 0;
    acks->records = 0;
}

static void flush (zf_worker_t *self)
{
    for (size_t i = 0; i < self->handle.connection_count; i++)
        send_acks (self, &self->handle.connections[i]);
}

/* Adds a record to the acks on their way. Returns false if there is no room for another range. */
static bool add_ack (zf_acks_t *acks, uint64_t id)
{
    uint32_t last = acks->ranges - 1;
    if (acks->ranges > 0 && acks->first[last] + acks->count[last] == id) {
        acks->count[last]++;
    } else {
        if (acks->ranges == ZF_ACKS_MAX)
            return false;
        acks->first[acks->ranges] = id;
        acks->count[acks->ranges] = 1;
        acks->ranges++;
    }
    acks->records++;
    return true;
}

/* -- handle operations ------------------------------------------------------------------------- */

void zf_worker_consume (zf_worker_t *self, zf_connection_t *connection)
{
    acks_of (self, connection)->may_consume = true;
    tell_credit (self, connection, wanted_credit (self));
}

static void on_ready (zf_connection_t *connection)
{
    zf_worker_t *self = worker_of (connection->handle);
    if (self->member != NULL)
        zf_member_ask (self, connection);
    else
        zf_worker_consume (self, connection);
}

static void on_lost (zf_connection_t *connection)
{
    zf_worker_t *self = worker_of (connection->handle);
    acks_of (self, connection)->may_consume = false;
    zf_delivery_forget (self, connection);
}

/* Acks for another broker must not reach this one. */
static void on_slot (zf_connection_t *connection)
{
    memset (acks_of (worker_of (connection->handle), connection), 0, sizeof (zf_acks_t));
}

static void on_message (zf_connection_t *connection, uint64_t command, zf_reader_t *r,
                        zmq_msg_t *body)
{
    zf_worker_t *self = worker_of (connection->handle);
    if (command == ZF_CMD_DELIVER) {
        self->refusal_told = false;
        zf_delivery_take (self, connection, r, body);
    } else if (command == ZF_CMD_RESULT && self->member != NULL) {
        zf_member_on_result (self, connection, r);
    }
}

/* What it had there is with others now. */
static void lose_leases (zf_worker_t *self, zf_connection_t *connection)
{
    acks_of (self, connection)->may_consume = false;
    connection->epoch++;
    zf_delivery_forget (self, connection);
}

/* The rules do not let us consume there, or have the group. */
static bool is_denied_at (zf_worker_t *self, const zf_connection_t *connection)
{
    if (connection->state != ZF_CONNECTION_READY)
        return false;
    return zf_denied_by (connection) ||
           (self->member != NULL && self->member->refusal.code == ZF_E_DENIED &&
            !acks_of (self, connection)->may_consume);
}

/* We may not consume there (any more): after a while it is asked for again. Returns
 * when. */
static uint64_t heed_denial (zf_worker_t *self, zf_connection_t *connection, uint64_t now_ms)
{
    zf_acks_t *acks = acks_of (self, connection);
    if (!is_denied_at (self, connection)) {
        acks->denied_ms = 0;
        return ZF_NEVER;
    }
    if (acks->denied_ms == 0) {
        acks->denied_ms = now_ms;
        lose_leases (self, connection);
    }
    if (now_ms < acks->denied_ms + ZF_DENIED_AGAIN_MS)
        return acks->denied_ms + ZF_DENIED_AGAIN_MS;
    acks->denied_ms = 0;
    connection->refusal.code = 0;
    on_ready (connection);
    return ZF_NEVER;
}

static uint64_t heed_denials (zf_worker_t *self, uint64_t now_ms)
{
    uint64_t due = ZF_NEVER;
    for (size_t i = 0; i < self->handle.connection_count; i++) {
        uint64_t next = heed_denial (self, &self->handle.connections[i], now_ms);
        due = next < due ? next : due;
    }
    return due;
}

static uint64_t on_tick (zf_handle_t *handle, uint64_t now_ms)
{
    zf_worker_t *self = worker_of (handle);
    flush (self);
    update_credit (self);
    uint64_t again = heed_denials (self, now_ms);
    uint64_t extend = zf_delivery_extend (self, now_ms);
    return again < extend ? again : extend;
}

static bool always (zf_handle_t *handle)
{
    (void) handle;
    return true;
}

static bool has_acks (zf_handle_t *handle)
{
    const zf_worker_t *self = worker_of (handle);
    for (size_t i = 0; i < handle->connection_count; i++) {
        if (self->acks[i].ranges > 0)
            return true;
    }
    return false;
}

int zf_worker_refusal (const zf_worker_t *self, zf_error_t *err)
{
    const zf_connection_t *denied = zf_denied_by_all (&self->handle);
    const zf_member_t *member = self->member;
    if (member != NULL && member->refusal.code != 0 && !zf_member_is_in (self))
        return zf_error_set (err, member->refusal.code, "%s", member->refusal.text);
    return denied != NULL ? zf_denied_say (denied, err) : 0;
}

static bool has_records (zf_handle_t *handle)
{
    const zf_worker_t *self = worker_of (handle);
    return self->ready != NULL || (!self->refusal_told && zf_worker_refusal (self, NULL) != 0);
}

static const zf_handle_ops_t worker_ops = {
    .ready = on_ready,
    .lost = on_lost,
    .slot = on_slot,
    .message = on_message,
    .tick = on_tick,
    .urgent = always,
    .unfinished = has_acks,
    .news = has_records,
};

/* -- life -------------------------------------------------------------------------------------- */

static void set_defaults (zf_worker_options_t *options)
{
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->endpoints = default_endpoints;
    options->endpoint_count = 1;
    options->max_hold_ms = 30 * 60 * 1000;
    options->failover_ms = 3000;
}

void zf_worker_defaults_sized (zf_worker_options_t *options, size_t size)
{
    zf_worker_options_t own;
    set_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

static int check (const char *queue, const zf_worker_options_t *options, zf_error_t *err)
{
    size_t size = queue != NULL ? strnlen (queue, ZF_NAME_MAX + 1) : 0;
    if (size == 0 || size > ZF_NAME_MAX)
        return zf_error_set (err, ZF_E_INVAL, "the name of a queue has 1 to %d bytes", ZF_NAME_MAX);
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "worker options: set them up with zf_worker_defaults ()");
    if (options->failover_ms == 0)
        return zf_error_set (err, ZF_E_INVAL, "worker options: failover_ms is 0");
    return 0;
}

static int start_broker (void *arg, zf_device_t **device, const char *const *endpoints,
                         size_t count, zf_security_t *security, zf_error_t *err)
{
    (void) arg;
    zf_broker_options_t broker;
    zf_broker_defaults (&broker);
    broker.security = security;
    broker.endpoints = endpoints;
    broker.endpoint_count = count;
    return zf_broker_start (device, &broker, err);
}

static int open_inside (zf_worker_t *self, const zf_worker_options_t *options, zf_error_t *err)
{
    bool given = options->endpoints != default_endpoints;
    zf_direct_options_t direct = {.endpoints = given ? options->endpoints : NULL,
                                  .endpoint_count = given ? options->endpoint_count : 0,
                                  .peer = options->peer,
                                  .security = options->security,
                                  .kind = "service",
                                  .name = self->queue,
                                  .start = start_broker};
    return zf_direct_open (&self->direct, &direct, err);
}

static int open_handle (zf_worker_t *self, const zf_worker_options_t *options, zf_error_t *err)
{
    const char *inside = self->direct.inside;
    zf_handle_options_t handle = {.endpoints = options->endpoints,
                                  .endpoint_count = options->endpoint_count,
                                  .name = options->name,
                                  .failover_ms = options->failover_ms,
                                  .all = true,
                                  .peer = options->peer,
                                  .security = options->security,
                                  .both = true};
    if (self->direct.device != NULL) {
        handle.endpoints = &inside;
        handle.endpoint_count = 1;
        self->handle.ridden = self->direct.device;
    }
    self->acks = calloc (zf_handle_slots (&handle), sizeof *self->acks);
    if (self->acks == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    return zf_handle_open (&self->handle, &worker_ops, &handle, err);
}

int zf_worker_open_as (zf_worker_t **worker, const char *queue, zf_member_t *member,
                       const zf_worker_options_t *options, zf_error_t *err)
{
    int rc = check (queue, options, err);
    zf_worker_t *self = rc == 0 ? calloc (1, sizeof *self) : NULL;
    if (self == NULL) {
        zf_member_free (&member);
        return rc != 0 ? rc : zf_error_set (err, ZF_E_NOMEM, "out of memory");
    }
    self->member = member;
    self->queue = strdup (queue);
    self->queue_size = strlen (queue);
    self->fixed_credit = options->credit;
    self->max_hold_ms = options->max_hold_ms;
    zf_credit_init (&self->credit, now_ns ());
    if (self->queue == NULL)
        rc = zf_error_set (err, ZF_E_NOMEM, "out of memory");
    if (rc == 0 && options->direct)
        rc = open_inside (self, options, err);
    if (rc == 0)
        rc = open_handle (self, options, err);
    if (rc != 0) {
        zf_worker_close (&self);
        return zf_error_wrap (err, rc, "open a worker on %s", queue);
    }
    *worker = self;
    return 0;
}

int zf_worker_open (zf_worker_t **worker, const char *queue, const zf_worker_options_t *options,
                    zf_error_t *err)
{
    zf_worker_options_t defaults;
    *worker = NULL;
    zf_worker_defaults (&defaults);
    if (options != NULL && options->direct && options->endpoints == NULL)
        return zf_error_set (err, ZF_E_INVAL, "worker options: endpoints is NULL");
    return zf_worker_open_as (worker, queue, NULL, options != NULL ? options : &defaults, err);
}

void zf_worker_close (zf_worker_t **worker)
{
    zf_worker_t *self = worker != NULL ? *worker : NULL;
    if (self == NULL)
        return;
    *worker = NULL;
    zf_direct_withdraw (&self->direct);
    if (self->handle.ops != NULL) {
        zf_handle_stop (&self->handle);
        zf_handle_enter (&self->handle);
        self->draining = true; /* what is given back must not come here again before we are gone */
        update_credit (self);
        flush (self);
        zf_delivery_release (self);
        zf_handle_bye (&self->handle);
        zf_handle_leave (&self->handle);
        zf_handle_shut (&self->handle);
    }
    zf_direct_close (&self->direct);
    zf_delivery_free_all (self);
    zf_member_free (&self->member);
    free (self->acks);
    free (self->queue);
    free (self);
}

/* -- receiving --------------------------------------------------------------------------------- */

static bool can_go_on (void *arg)
{
    const zf_worker_t *self = arg;
    return self->ready != NULL || self->draining || zf_worker_refusal (self, NULL) != 0;
}

/* Waits for a record; what was done before is told first, and the time is not counted as work. */
static int await_record (zf_worker_t *self, int timeout_ms)
{
    flush (self);
    self->callers_waiting += timeout_ms != 0;
    update_credit (self);
    uint64_t start = now_ns ();
    int rc = zf_handle_wait (&self->handle, can_go_on, self, zf_deadline (timeout_ms));
    zf_credit_waited (&self->credit, now_ns () - start);
    self->callers_waiting -= timeout_ms != 0;
    return rc;
}

/* Why there is no record: rc, in words. */
static int say_why (zf_worker_t *self, int rc, int timeout_ms, zf_error_t *err)
{
    if (self->draining)
        return zf_error_set (err, ZF_E_CLOSED, "the worker is draining");
    if (rc != ZF_E_TIMEOUT) {
        self->refusal_told = true;
        zf_handle_due (&self->handle, 0);
        return zf_worker_refusal (self, err);
    }
    if (timeout_ms == 0)
        return zf_error_set (err, ZF_E_AGAIN, "no record of %s is there", self->queue);
    return zf_error_set (err, rc, "no record of %s in time", self->queue);
}

int zf_worker_recv (zf_worker_t *self, zf_message_t *message, int timeout_ms, zf_error_t *err)
{
    memset (message, 0, sizeof *message);
    zf_handle_enter (&self->handle);
    int rc = 0;
    uint64_t deadline = 0; /* none is set yet: a record that is there costs no look at the clock */
    while (rc == 0 && !self->draining && !zf_delivery_next (self, message)) {
        int left = timeout_ms;
        if (timeout_ms > 0) {
            uint64_t now = zf_clock_ms ();
            deadline = deadline != 0 ? deadline : now + (uint64_t) timeout_ms;
            left = deadline > now ? (int) (deadline - now) : 0;
        }
        rc = zf_worker_refusal (self, NULL);
        if (rc == 0)
            rc = await_record (self, left);
    }
    if (rc != 0 || self->draining)
        rc = say_why (self, rc, timeout_ms, err);
    zf_handle_leave (&self->handle);
    return rc;
}

/* -- settling ---------------------------------------------------------------------------------- */

/* Something was settled: credit may change, and acks may have to go. */
static void after_settling (zf_worker_t *self, const zf_acks_t *acks)
{
    bool changed = false;
    if (self->fixed_credit == 0 && (self->ready == NULL || acks->records % 64 == 0))
        changed = zf_credit_settled (&self->credit, 0, now_ns ());
    if (acks->records * 2 >= acks->limit_told)
        flush (self);
    if (changed)
        update_credit (self);
}

int zf_worker_ack (zf_worker_t *self, zf_message_t *message)
{
    if (message->owner == NULL)
        return ZF_E_INVAL;
    zf_handle_enter (&self->handle);
    zf_connection_t *connection = zf_delivery_settle (self, message);
    if (connection != NULL) {
        zf_acks_t *acks = acks_of (self, connection);
        if (!add_ack (acks, message->id)) {
            send_acks (self, connection);
            add_ack (acks, message->id); /* if the socket is full, the lease runs out */
        }
        self->stats.acked++;
        self->credit.settled++;
        after_settling (self, acks);
    }
    zf_handle_leave (&self->handle);
    memset (message, 0, sizeof *message);
    return connection != NULL ? 0 : ZF_E_STALE;
}

/* Begins a settlement of this one record that is sent at once, after the acks before it; its own
 * argument, then the record are still to be written. */
static zf_writer_t *begin (zf_worker_t *self, zf_connection_t *connection, unsigned command,
                           size_t elements)
{
    send_acks (self, connection);
    zf_writer_t *w = zf_handle_control (&self->handle, command, elements);
    zf_mp_put_str (w, zf_bytes (self->queue, self->queue_size));
    return w;
}

static void end (zf_worker_t *self, zf_connection_t *connection, uint64_t id)
{
    zf_mp_put_uint (&self->handle.control, id);
    zf_mp_put_uint (&self->handle.control, 1);
    zf_connection_send (connection, NULL);
}

int zf_worker_nack (zf_worker_t *self, zf_message_t *message, int64_t delay_ms)
{
    if (message->owner == NULL)
        return ZF_E_INVAL;
    zf_handle_enter (&self->handle);
    zf_connection_t *connection = zf_delivery_settle (self, message);
    if (connection != NULL) {
        zf_mp_put_int (begin (self, connection, ZF_CMD_NACK, 5), delay_ms < 0 ? -1 : delay_ms);
        end (self, connection, message->id);
        self->stats.nacked++;
        self->credit.settled++;
        after_settling (self, acks_of (self, connection));
    }
    zf_handle_leave (&self->handle);
    memset (message, 0, sizeof *message);
    return connection != NULL ? 0 : ZF_E_STALE;
}

int zf_worker_reject (zf_worker_t *self, zf_message_t *message, const char *reason)
{
    if (message->owner == NULL)
        return ZF_E_INVAL;
    zf_handle_enter (&self->handle);
    zf_connection_t *connection = zf_delivery_settle (self, message);
    if (connection != NULL) {
        zf_bytes_t words = zf_bytes (reason, reason != NULL ? strnlen (reason, 200) : 0);
        zf_mp_put_str (begin (self, connection, ZF_CMD_REJECT, 5), words);
        end (self, connection, message->id);
        self->stats.rejected++;
        self->credit.settled++;
        after_settling (self, acks_of (self, connection));
    }
    zf_handle_leave (&self->handle);
    memset (message, 0, sizeof *message);
    return connection != NULL ? 0 : ZF_E_STALE;
}

int zf_worker_extend (zf_worker_t *self, const zf_message_t *message, uint32_t lease_ms)
{
    if (message->owner == NULL)
        return ZF_E_INVAL;
    zf_handle_enter (&self->handle);
    zf_connection_t *connection = zf_delivery_holder (self, message);
    if (connection != NULL) {
        zf_mp_put_uint (begin (self, connection, ZF_CMD_EXTEND, 5), lease_ms);
        end (self, connection, message->id);
        zf_delivery_extended (message, lease_ms);
    }
    zf_handle_leave (&self->handle);
    return connection != NULL ? 0 : ZF_E_STALE;
}

/* Builds the batch with the answer. Returns 0, ZF_E_TOO_BIG, ZF_E_INVAL, ZF_E_NOMEM. */
static int build_answer (zf_connection_t *connection, uint64_t id, const void *body, size_t size,
                         const zf_props_t *props, zmq_msg_t *message)
{
    zf_buffer_t *buffer;
    int rc = zf_buffer_record (&buffer, body, size, props, id);
    if (rc == 0 && buffer->size > connection->max_message_bytes)
        rc = ZF_E_TOO_BIG;
    if (rc == 0)
        rc = zf_buffer_message (buffer, message);
    zf_buffer_drop (buffer);
    return rc;
}

static int answer (zf_worker_t *self, const zf_message_t *message, const void *body, size_t size,
                   const zf_props_t *props, bool more)
{
    zf_connection_t *connection = zf_delivery_holder (self, message);
    zmq_msg_t batch;
    if (connection == NULL)
        return ZF_E_STALE;
    int rc = build_answer (connection, message->id, body, size, props, &batch);
    if (rc != 0)
        return rc;
    zf_mp_put_bool (begin (self, connection, ZF_CMD_ANSWER, 3), more);
    if (!zf_connection_send (connection, &batch))
        zmq_msg_close (&batch);
    return 0;
}

int zf_worker_reply_part (zf_worker_t *self, const zf_message_t *message, const void *body,
                          size_t size, const zf_props_t *props)
{
    if (message->owner == NULL)
        return ZF_E_INVAL;
    if ((message->flags & ZF_MESSAGE_WANTS_REPLY) == 0)
        return 0;
    zf_handle_enter (&self->handle);
    int rc = answer (self, message, body, size, props, true);
    zf_handle_leave (&self->handle);
    return rc;
}

int zf_worker_reply (zf_worker_t *self, zf_message_t *message, const void *body, size_t size,
                     const zf_props_t *props)
{
    if (message->owner == NULL)
        return ZF_E_INVAL;
    if ((message->flags & ZF_MESSAGE_WANTS_REPLY) == 0)
        return zf_worker_ack (self, message);
    zf_handle_enter (&self->handle);
    int rc = answer (self, message, body, size, props, false);
    if (rc == 0 || rc == ZF_E_STALE) {
        zf_connection_t *connection = zf_delivery_settle (self, message);
        memset (message, 0, sizeof *message);
        self->stats.acked += rc == 0;
        self->credit.settled++;
        if (connection != NULL)
            after_settling (self, acks_of (self, connection));
    }
    zf_handle_leave (&self->handle);
    return rc;
}

/* -- the worker itself ------------------------------------------------------------------------- */

int zf_worker_set_credit (zf_worker_t *self, uint32_t credit)
{
    zf_handle_enter (&self->handle);
    self->fixed_credit = credit;
    update_credit (self);
    zf_handle_leave (&self->handle);
    return 0;
}

static bool has_drained (void *arg)
{
    const zf_worker_t *self = arg;
    if (self->stats.held > 0)
        return false;
    for (size_t i = 0; i < self->handle.connection_count; i++) {
        const zf_connection_t *connection = &self->handle.connections[i];
        if (connection->state == ZF_CONNECTION_READY &&
            (self->acks[i].ranges > 0 || connection->pongs < connection->pings))
            return false;
    }
    return true;
}

static bool holds_none (void *arg)
{
    const zf_worker_t *self = arg;
    return self->stats.held == 0;
}

/* Grows with every session that begins or ends. */
static uint64_t epochs (const zf_worker_t *self)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < self->handle.connection_count; i++)
        sum += self->handle.connections[i].epoch;
    return sum;
}

int zf_worker_drain (zf_worker_t *self, int timeout_ms, zf_error_t *err)
{
    uint64_t deadline = zf_deadline (timeout_ms);
    zf_direct_withdraw (&self->direct);
    zf_handle_enter (&self->handle);
    uint64_t before = epochs (self);
    self->draining = true;
    update_credit (self);
    zf_delivery_release (self);
    int rc = zf_handle_wait (&self->handle, holds_none, self, deadline);
    flush (self);
    /* The answer to a ping comes after all else was dealt with. */
    for (size_t i = 0; i < self->handle.connection_count; i++)
        zf_connection_ping (&self->handle.connections[i]);
    if (rc == 0)
        rc = zf_handle_wait (&self->handle, has_drained, self, deadline);
    if (rc != 0)
        zf_error_set (err, rc, "%llu records of %s are not settled",
                      (unsigned long long) self->stats.held, self->queue);
    else if (epochs (self) != before)
        rc = zf_error_set (err, ZF_E_STALE,
                           "a broker was lost meanwhile: what it had not heard of "
                           "is done again");
    zf_handle_leave (&self->handle);
    return rc;
}

int zf_worker_fd (zf_worker_t *self)
{
    return zf_handle_fd (&self->handle);
}

int zf_worker_process (zf_worker_t *self)
{
    return zf_handle_process (&self->handle);
}

void zf_worker_stats (zf_worker_t *self, zf_worker_stats_t *stats)
{
    zf_handle_enter (&self->handle);
    *stats = self->stats;
    stats->credit = wanted_credit (self);
    stats->connected = 0;
    for (size_t i = 0; i < self->handle.connection_count; i++)
        stats->connected += self->handle.connections[i].state == ZF_CONNECTION_READY;
    zf_handle_leave (&self->handle);
}
