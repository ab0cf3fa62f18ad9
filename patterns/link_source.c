#include "core/info.h"
#include "core/link.h"
#include "patterns/link.h"

#include <xxhash.h>
#include <zferry/error.h>

#define LIMIT_GROWTH 4     /* at most, from one delivery to the next */
#define LIMIT_MAX    65536 /* records */

/* What a LINK has room for beside our own queue: of more than that a loop may stay unseen, but the
 * records go on. */
#define PATH_NODES (ZF_PATH_MAX - 1)
#define PATH_BYTES (ZF_CONTROL_MAX - 1024)

/* -- who we are -------------------------------------------------------------------------------- */

/* The same in each run, so that the target knows what it has of us. */
static void derive_identity (const zf_link_t *self, uint8_t uuid[ZF_UUID_BYTES])
{
    const zf_connection_t *source = &self->source.handle.connections[0];
    XXH3_state_t *state = XXH3_createState ();
    XXH128_canonical_t canonical = {{0}};
    if (state != NULL) {
        XXH3_128bits_reset (state);
        XXH3_128bits_update (state, "link", 4);
        XXH3_128bits_update (state, source->source, sizeof source->source);
        XXH3_128bits_update (state, self->from_queue, strlen (self->from_queue) + 1);
        XXH3_128bits_update (state, self->to_queue, strlen (self->to_queue));
        XXH128_canonicalFromHash (&canonical, XXH3_128bits_digest (state));
    }
    XXH3_freeState (state);
    memcpy (uuid, canonical.digest, ZF_UUID_BYTES);
}

static bool is_zero (const uint8_t uuid[ZF_UUID_BYTES])
{
    static const uint8_t zero[ZF_UUID_BYTES];
    return memcmp (uuid, zero, sizeof zero) == 0;
}

void zf_link_on_source (zf_link_t *self)
{
    uint8_t uuid[ZF_UUID_BYTES];
    self->look_ms = 0;
    self->run.path_known = false;
    if (self->refused)
        return;
    if (is_zero (zf_link_at (&self->source)->source)) {
        zf_link_event (self, "%s does not say which broker it is",
                       zf_link_endpoint (&self->source));
        return;
    }
    derive_identity (self, uuid);
    if (is_zero (uuid)) {
        zf_link_fail (self, true, ZF_E_NOMEM, "out of memory");
    } else if (!self->target_on || memcmp (uuid, self->target.handle.uuid, sizeof uuid) != 0) {
        memcpy (self->target.handle.uuid, uuid, sizeof uuid);
        self->target_on = true;
        zf_link_reopen (&self->target);
    }
}

/* -- to the source ----------------------------------------------------------------------------- */

void zf_link_tell_limit (zf_link_t *self, uint32_t limit)
{
    zf_writer_t *w = zf_handle_control (&self->source.handle, ZF_CMD_CONSUME, 4);
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    zf_mp_put_uint (w, limit);
    zf_mp_put_uint (w, ZF_CONSUME_DRAIN);
    if (zf_link_send (&self->source, NULL))
        self->run.limit = limit;
}

/* As many records as fill the window, but not many times more than before: they may be larger. */
static void tune_limit (zf_link_t *self, uint32_t count, uint32_t bytes)
{
    uint64_t each = bytes / count + 1;
    self->record_bytes = each > self->record_bytes ? each : (7 * self->record_bytes + each) / 8;
    uint64_t wanted = self->window_bytes / self->record_bytes + 1;
    uint64_t most = (uint64_t) self->run.limit * LIMIT_GROWTH;
    wanted = wanted < most ? wanted : most;
    wanted = wanted < LIMIT_MAX ? wanted : LIMIT_MAX;
    if (wanted > self->run.limit + self->run.limit / 4 || wanted < self->run.limit / 2)
        zf_link_tell_limit (self, (uint32_t) wanted);
}

void zf_link_flush (zf_link_t *self)
{
    zf_link_run_t *run = &self->run;
    if (run->acks == 0)
        return;
    zf_writer_t *w =
        zf_handle_control (&self->source.handle, ZF_CMD_ACK, 2 + 2 * (size_t) run->acks);
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    for (uint32_t i = 0; i < run->acks; i++) {
        zf_mp_put_uint (w, run->ack_first[i]);
        zf_mp_put_uint (w, run->ack_count[i]);
    }
    run->acks = 0;
    zf_link_send (&self->source, NULL);
}

/* Records at the source, by id. */
void zf_link_ack (zf_link_t *self, uint64_t first, uint64_t count)
{
    zf_link_run_t *run = &self->run;
    uint32_t last = run->acks - 1;
    if (run->acks > 0 && run->ack_first[last] + run->ack_count[last] == first &&
        run->ack_count[last] + count <= ZF_BATCH_RECORDS_MAX) {
        run->ack_count[last] += count;
        return;
    }
    if (run->acks == ZF_LINK_ACKS_MAX)
        zf_link_flush (self);
    run->ack_first[run->acks] = first;
    run->ack_count[run->acks] = count;
    run->acks++;
}

/* They become dead letters there. */
void zf_link_reject (zf_link_t *self, uint64_t first, uint64_t count, const char *reason)
{
    zf_writer_t *w = zf_handle_control (&self->source.handle, ZF_CMD_REJECT, 5);
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    zf_mp_put_str (w, zf_bytes_of (reason));
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, count);
    zf_link_send (&self->source, NULL);
    self->figures.rejected += count;
    zf_link_event (self, "%llu records from id %llu on rejected: %s", (unsigned long long) count,
                   (unsigned long long) first, reason);
}

/* Number of a record at the target: its id at the source and 1. */
static void reject_too_big (void *arg, uint64_t number)
{
    zf_link_reject (arg, number - 1, 1, "link: too big for the target");
}

void zf_link_ask (zf_link_t *self, const char *verb, uint64_t *number)
{
    zf_writer_t *w = zf_handle_control (&self->source.handle, ZF_CMD_ADMIN, 5);
    *number = ++self->number;
    zf_mp_put_uint (w, *number);
    zf_mp_put_str (w, zf_bytes_of (verb));
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    zf_mp_put_uint (w, 0); /* these verbs take no argument */
    zf_link_send (&self->source, NULL);
}

/* -- from the source --------------------------------------------------------------------------- */

static void on_source_ready (zf_connection_t *connection)
{
    zf_link_t *self = zf_link_of (connection->handle);
    if (self->running)
        zf_link_on_source (self);
}

static void on_source_lost (zf_connection_t *connection)
{
    zf_link_t *self = zf_link_of (connection->handle);
    if (self->running && (self->run.linking || self->run.linked)) /* it may come back as another */
        zf_link_fail (self, true, ZF_E_IO, "the source is lost");
}

/* What the target has already is not sent again. */
static void skip_taken (zf_link_t *self, uint64_t first, uint32_t count)
{
    if (first + 1 > self->run.last)
        return;
    uint64_t taken = self->run.last - first;
    taken = taken < count ? taken : count;
    self->figures.duplicates += taken;
    zf_link_ack (self, first, taken);
}

static void take (zf_link_t *self, uint64_t first, zf_bytes_t frame)
{
    zf_gate_t gate = {.last = self->run.last,
                      .max_message_bytes = zf_link_at (&self->target)->max_message_bytes,
                      .window_bytes = zf_link_window (self),
                      .too_big = reject_too_big,
                      .arg = self};
    uint32_t count = 0, bytes = 0;
    int rc = zf_pipe_take (&self->run.pipe, first + 1, frame, &gate, &count, &bytes);
    if (rc != 0) {
        zf_link_fail (self, true, rc, "a delivery of %s: %s", zf_link_endpoint (&self->source),
                      zf_strerror (rc));
        return;
    }
    skip_taken (self, first, count);
    tune_limit (self, count, bytes);
    zf_link_forward (self);
}

static void on_deliver (zf_link_t *self, zf_reader_t *r, zmq_msg_t *body)
{
    zf_mp_bytes (r); /* the queue: we consume but one */
    uint64_t first = zf_mp_uint (r);
    zf_mp_uint (r); /* attempt */
    zf_mp_uint (r); /* lease: it lasts as long as the session */
    uint64_t flags = zf_mp_uint (r);
    zf_batch_t batch;
    if (r->failed || body == NULL || !self->run.consuming || self->failed)
        return;
    zf_bytes_t frame = zf_bytes (zmq_msg_data (body), zmq_msg_size (body));
    if ((flags & ZF_DELIVER_WANTS_REPLY) == 0)
        take (self, first, frame);
    else if (zf_batch_decode (frame, &batch) == 0)
        zf_link_reject (self, first, batch.count, "link: requests are not forwarded");
}

static void on_info (zf_link_t *self, uint64_t code, zf_reader_t *r)
{
    zf_queue_info_t info = {.length = 0};
    if (code == 0 && zf_info_decode (r, &info) != 0)
        return;
    if (code != 0 && code != (uint64_t) -ZF_E_NOT_FOUND)
        return;
    self->figures.backlog = info.length;
    self->figures.lag_ms = info.length > 0 ? info.oldest_ms : 0;
    self->figures.looks++;
}

/* Reads a path of so many elements, uuid and queue in turn. Returns the first ones of them that may
 * be told, and their number in *size. */
static zf_bytes_t read_path (zf_reader_t *r, uint32_t *size)
{
    const uint8_t *start = r->at;
    uint32_t elements = *size;
    size_t bytes = 0;
    *size = 0;
    for (uint32_t i = 2; i <= elements && !r->failed; i += 2) {
        zf_mp_skip (r);
        zf_mp_skip (r);
        size_t so_far = (size_t) (r->at - start);
        if (r->failed || i > 2 * PATH_NODES || so_far > PATH_BYTES)
            continue;
        bytes = so_far;
        *size = i;
    }
    return zf_bytes (start, bytes);
}

static void on_path (zf_link_t *self, uint64_t code, zf_reader_t *r)
{
    uint32_t size = code == 0 ? zf_mp_array (r) : 0; /* a queue that is not there has no feeders */
    if (r->failed || size % 2 != 0)
        return;
    zf_bytes_t path = read_path (r, &size);
    bool same = self->path_size == size && self->path.size == path.size &&
                (path.size == 0 || memcmp (self->path.data, path.data, path.size) == 0);
    self->run.path_known = !r->failed;
    if (same || r->failed)
        return;
    self->path.size = 0;
    zf_write_bytes (&self->path, path.data, path.size);
    self->path_size = size;
    self->run.path_told = false;
}

static void on_result (zf_link_t *self, zf_reader_t *r)
{
    uint64_t number = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    zf_mp_bytes (r); /* text */
    zf_mp_bool (r);  /* more: there is one */
    if (r->failed)
        return;
    if (number == self->info_number)
        on_info (self, code, r);
    else if (number == self->path_number)
        on_path (self, code, r);
}

static void on_source_message (zf_connection_t *connection, uint64_t command, zf_reader_t *r,
                               zmq_msg_t *body)
{
    zf_link_t *self = zf_link_of (connection->handle);
    if (command == ZF_CMD_DELIVER)
        on_deliver (self, r, body);
    else if (command == ZF_CMD_RESULT)
        on_result (self, r);
}

const zf_handle_ops_t zf_link_source_ops = {
    .ready = on_source_ready,
    .lost = on_source_lost,
    .message = on_source_message,
    .tick = zf_link_nothing_due,
    .urgent = zf_link_always,
    .unfinished = zf_link_never,
    .news = zf_link_never,
};
