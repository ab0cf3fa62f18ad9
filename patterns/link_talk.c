#include "core/info.h"
#include "patterns/link.h"

#include <stdlib.h>
#include <xxhash.h>
#include <zferry/error.h>

#define LOOK_MS      1000  /* between looks at the backlog and the path */
#define LOOK_SOON_MS 50    /* when nothing is under way any more */
#define LIMIT_GROWTH 4     /* at most, from one delivery to the next */
#define LIMIT_MAX    65536 /* records */
#define REASON_MAX   200

static zf_link_t *link_of (zf_handle_t *handle)
{
    return ((zf_link_end_t *) (void *) handle)->link;
}

static const char *endpoint_of (zf_link_end_t *end)
{
    return end->handle.endpoints[zf_link_at (end)->endpoint];
}

static int text_size (zf_bytes_t text)
{
    return (int) (text.size < REASON_MAX ? text.size : REASON_MAX);
}

/* Sends what was built for this end; that it cannot be sent is a failure of the link. */
static bool send_to (zf_link_end_t *end, zmq_msg_t *body)
{
    if (zf_connection_send (zf_link_at (end), body))
        return true;
    zf_link_fail (end->link, true, ZF_E_IO, "%s cannot be sent to", endpoint_of (end));
    return false;
}

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
        zf_link_event (self, "%s does not say which broker it is", endpoint_of (&self->source));
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

static void tell_limit (zf_link_t *self, uint32_t limit)
{
    zf_writer_t *w = zf_handle_control (&self->source.handle, ZF_CMD_CONSUME, 4);
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    zf_mp_put_uint (w, limit);
    zf_mp_put_uint (w, ZF_CONSUME_DRAIN);
    if (send_to (&self->source, NULL))
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
        tell_limit (self, (uint32_t) wanted);
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
    send_to (&self->source, NULL);
}

/* Records at the source, by id. */
static void ack (zf_link_t *self, uint64_t first, uint64_t count)
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
static void reject (zf_link_t *self, uint64_t first, uint64_t count, const char *reason)
{
    zf_writer_t *w = zf_handle_control (&self->source.handle, ZF_CMD_REJECT, 5);
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    zf_mp_put_str (w, zf_bytes_of (reason));
    zf_mp_put_uint (w, first);
    zf_mp_put_uint (w, count);
    send_to (&self->source, NULL);
    self->figures.rejected += count;
    zf_link_event (self, "%llu records from id %llu on rejected: %s", (unsigned long long) count,
                   (unsigned long long) first, reason);
}

/* Number of a record at the target: its id at the source and 1. */
static void reject_too_big (void *arg, uint64_t number)
{
    reject (arg, number - 1, 1, "link: too big for the target");
}

static void ask (zf_link_t *self, const char *verb, uint64_t *number)
{
    zf_writer_t *w = zf_handle_control (&self->source.handle, ZF_CMD_ADMIN, 5);
    *number = ++self->number;
    zf_mp_put_uint (w, *number);
    zf_mp_put_str (w, zf_bytes_of (verb));
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    zf_mp_put_uint (w, 0); /* these verbs take no argument */
    send_to (&self->source, NULL);
}

/* -- to the target ----------------------------------------------------------------------------- */

static uint64_t window_of (zf_link_t *self)
{
    uint64_t theirs = zf_link_at (&self->target)->window_bytes;
    return theirs > 0 && theirs < self->window_bytes ? theirs : self->window_bytes;
}

static void post (zf_link_t *self, zf_load_t *load)
{
    zmq_msg_t body;
    if (zf_buffer_message (load->buffer, &body) != 0) {
        zf_link_fail (self, true, ZF_E_NOMEM, "out of memory");
        return;
    }
    zf_writer_t *w = zf_handle_control (&self->target.handle, ZF_CMD_POST, 3);
    zf_mp_put_str (w, zf_bytes_of (self->to_queue));
    zf_mp_put_uint (w, self->run.last + 1); /* what LINKED told; confirms are not counted */
    if (!send_to (&self->target, &body)) {
        zmq_msg_close (&body);
        return;
    }
    zf_pipe_sent (&self->run.pipe, load);
    self->figures.forwarded += load->count;
}

static void forward (zf_link_t *self)
{
    uint64_t window = window_of (self);
    zf_load_t *load;
    while (!self->failed && (load = zf_pipe_next (&self->run.pipe, window)) != NULL)
        post (self, load);
}

/* Where the records come from: the source, and all that feed it. */
static void tell_path (zf_link_t *self)
{
    zf_writer_t *w = zf_handle_control (&self->target.handle, ZF_CMD_LINK, 3);
    zf_mp_put_str (w, zf_bytes_of (self->to_queue));
    zf_mp_put_array (w, 2 + (size_t) self->path_size);
    zf_mp_put_bin (w, zf_bytes (zf_link_at (&self->source)->source, ZF_UUID_BYTES));
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    if (self->path.size > 0)
        zf_write_bytes (w, self->path.data, self->path.size);
    if (!send_to (&self->target, NULL))
        return;
    self->run.path_told = true;
    if (!self->run.linked)
        self->run.linking = true;
}

/* -- from the source --------------------------------------------------------------------------- */

static void on_source_ready (zf_connection_t *connection)
{
    zf_link_t *self = link_of (connection->handle);
    if (self->running)
        zf_link_on_source (self);
}

static void on_source_lost (zf_connection_t *connection)
{
    zf_link_t *self = link_of (connection->handle);
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
    ack (self, first, taken);
}

static void take (zf_link_t *self, uint64_t first, zf_bytes_t frame)
{
    zf_gate_t gate = {.last = self->run.last,
                      .max_message_bytes = zf_link_at (&self->target)->max_message_bytes,
                      .window_bytes = window_of (self),
                      .too_big = reject_too_big,
                      .arg = self};
    uint32_t count = 0, bytes = 0;
    int rc = zf_pipe_take (&self->run.pipe, first + 1, frame, &gate, &count, &bytes);
    if (rc != 0) {
        zf_link_fail (self, true, rc, "a delivery of %s: %s", endpoint_of (&self->source),
                      zf_strerror (rc));
        return;
    }
    skip_taken (self, first, count);
    tune_limit (self, count, bytes);
    forward (self);
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
        reject (self, first, batch.count, "link: requests are not forwarded");
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

static void on_path (zf_link_t *self, uint64_t code, zf_reader_t *r)
{
    uint32_t size = code == 0 ? zf_mp_array (r) : 0; /* a queue that is not there has no feeders */
    if (r->failed || size % 2 != 0)
        return;
    zf_reader_t elements = *r;
    for (uint32_t i = 0; i < size; i++)
        zf_mp_skip (r);
    size_t bytes = (size_t) (r->at - elements.at);
    if (r->failed || size == 0)
        bytes = 0;
    bool same = self->path_size == size && self->path.size == bytes &&
                (bytes == 0 || memcmp (self->path.data, elements.at, bytes) == 0);
    self->run.path_known = !r->failed;
    if (same || r->failed)
        return;
    self->path.size = 0;
    zf_write_bytes (&self->path, elements.at, bytes);
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
    zf_link_t *self = link_of (connection->handle);
    if (command == ZF_CMD_DELIVER)
        on_deliver (self, r, body);
    else if (command == ZF_CMD_RESULT)
        on_result (self, r);
}

/* -- from the target --------------------------------------------------------------------------- */

static void on_target_ready (zf_connection_t *connection)
{
    (void) connection; /* zf_link_advance goes on */
}

static void on_target_lost (zf_connection_t *connection)
{
    zf_link_t *self = link_of (connection->handle);
    if (self->running && (self->run.linking || self->run.linked))
        zf_link_fail (self, true, ZF_E_IO, "the target is lost");
}

static void on_linked (zf_link_t *self, zf_reader_t *r)
{
    zf_mp_bytes (r); /* the queue: we post into but one */
    uint64_t last = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    zf_bytes_t text = zf_mp_bytes (r);
    if (r->failed || self->failed)
        return;
    if (code == (uint64_t) -ZF_E_INVAL) {
        zf_error_set (&self->why, ZF_E_INVAL, "%.*s", text_size (text), (const char *) text.data);
        self->refused = true;
    } else if (code != 0) {
        zf_link_fail (self, true, ZF_E_BUSY, "%s says: %.*s", endpoint_of (&self->target),
                      text_size (text), (const char *) text.data);
    } else if (self->run.linking) {
        self->run.linking = false;
        self->run.linked = true;
        self->run.last = last;
        zf_link_event (self, "linked to %s", endpoint_of (&self->target));
    }
}

/* Numbers first .. first + count - 1 were refused. After that the target takes nothing of this
 * session any more, so that nothing gets ahead of them. */
static void on_refusal (zf_link_t *self, uint64_t first, uint64_t count, int code)
{
    if (code != ZF_E_TOO_BIG && code != ZF_E_INVAL) {
        zf_link_fail (self, true, code, "%s refuses: %s", endpoint_of (&self->target),
                      zf_strerror (code));
        return;
    }
    reject (self, first - 1, count,
            code == ZF_E_TOO_BIG ? "link: too big for the target" : "link: the target refused it");
    zf_link_fail (self, false, code, "goes on behind what was refused");
}

static void on_confirm (zf_link_t *self, zf_reader_t *r)
{
    zf_mp_bytes (r); /* the queue */
    uint64_t first = zf_mp_uint (r);
    uint64_t count = zf_mp_uint (r);
    uint64_t code = zf_mp_uint (r);
    if (r->failed || self->failed || !self->run.linked || count == 0)
        return;
    if (code > 1000 || count > ZF_BATCH_RECORDS_MAX ||
        !zf_pipe_settle (&self->run.pipe, first, count)) {
        zf_link_fail (self, true, ZF_E_PROTO, "%s confirms what it was not sent",
                      endpoint_of (&self->target));
        return;
    }
    if (code != 0) {
        on_refusal (self, first, count, -(int) code);
        return;
    }
    ack (self, first - 1, count);
    self->figures.confirmed += count;
    self->backoff_ms = self->backoff_min_ms;
    forward (self);
}

static void on_target_message (zf_connection_t *connection, uint64_t command, zf_reader_t *r,
                               zmq_msg_t *body)
{
    (void) body;
    zf_link_t *self = link_of (connection->handle);
    if (command == ZF_CMD_CONFIRM)
        on_confirm (self, r);
    else if (command == ZF_CMD_LINKED)
        on_linked (self, r);
}

/* -- what is due ------------------------------------------------------------------------------- */

/* An ERROR: in a session it ends what we have under way, before one it is only told. */
static void heed_refusal (zf_link_t *self, zf_link_end_t *end)
{
    zf_connection_t *connection = zf_link_at (end);
    zf_error_t refusal = connection->refusal;
    if (refusal.code == 0)
        return;
    connection->refusal.code = 0;
    if (connection->state == ZF_CONNECTION_READY)
        zf_link_fail (self, true, refusal.code, "%s says: %s", endpoint_of (end), refusal.text);
    else
        zf_link_event (self, "%s says: %s", endpoint_of (end), refusal.text);
}

static bool is_ready (zf_link_end_t *end)
{
    return zf_link_at (end)->state == ZF_CONNECTION_READY;
}

/* The rate over the last seconds; LOOK_MS is one. */
static void sample_rate (zf_link_t *self)
{
    const uint32_t count = sizeof self->samples / sizeof self->samples[0];
    uint64_t oldest = self->samples[(self->sample + 1) % count];
    self->sample = (self->sample + 1) % count;
    self->samples[self->sample] = self->figures.confirmed;
    self->figures.rate = (self->figures.confirmed - oldest) / (count - 1);
}

static void look (zf_link_t *self, uint64_t now_ms)
{
    if (now_ms >= self->look_ms)
        sample_rate (self);
    if (is_ready (&self->source)) {
        ask (self, "queue", &self->info_number);
        ask (self, "upstreams", &self->path_number);
    }
    self->look_ms = now_ms + LOOK_MS;
}

/* The next step towards records on their way. */
static void arrange (zf_link_t *self, uint64_t now_ms)
{
    zf_link_run_t *run = &self->run;
    if (self->failed || self->refused || !self->target_on || !is_ready (&self->source) ||
        !is_ready (&self->target))
        return;
    if (!run->path_told && run->path_known && now_ms >= self->hold_until_ms)
        tell_path (self);
    if (run->linked && !run->consuming && !self->failed) {
        run->consuming = true;
        run->epoch = zf_link_at (&self->source)->epoch;
        self->record_bytes = 0;
        tell_limit (self, 1);
    }
}

uint64_t zf_link_advance (zf_link_t *self, uint64_t now_ms)
{
    heed_refusal (self, &self->source);
    if (self->target_on)
        heed_refusal (self, &self->target);
    if (now_ms >= self->look_ms)
        look (self, now_ms);
    arrange (self, now_ms);
    return now_ms < self->hold_until_ms && self->hold_until_ms < self->look_ms ? self->hold_until_ms
                                                                               : self->look_ms;
}

/* -- what the two ends are --------------------------------------------------------------------- */

static uint64_t nothing_due (zf_handle_t *handle, uint64_t now_ms)
{
    (void) handle;
    (void) now_ms;
    return ZF_NEVER;
}

static bool always (zf_handle_t *handle)
{
    (void) handle;
    return true;
}

static bool never (zf_handle_t *handle)
{
    (void) handle;
    return false;
}

const zf_handle_ops_t zf_link_source_ops = {
    .ready = on_source_ready,
    .lost = on_source_lost,
    .message = on_source_message,
    .tick = nothing_due,
    .urgent = always,
    .unfinished = never,
    .news = never,
};

const zf_handle_ops_t zf_link_target_ops = {
    .ready = on_target_ready,
    .lost = on_target_lost,
    .message = on_target_message,
    .tick = nothing_due,
    .urgent = always,
    .unfinished = never,
    .news = never,
};
