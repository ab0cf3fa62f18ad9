#include "patterns/link.h"

#include <zferry/error.h>

#define REASON_MAX 200

static int text_size (zf_bytes_t text)
{
    return (int) (text.size < REASON_MAX ? text.size : REASON_MAX);
}

/* -- to the target ----------------------------------------------------------------------------- */

uint64_t zf_link_window (zf_link_t *self)
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
    if (!zf_link_send (&self->target, &body)) {
        zmq_msg_close (&body);
        return;
    }
    zf_pipe_sent (&self->run.pipe, load);
    self->figures.forwarded += load->count;
    self->run.busy = true;
}

void zf_link_forward (zf_link_t *self)
{
    uint64_t window = zf_link_window (self);
    zf_load_t *load;
    while (!self->failed && (load = zf_pipe_next (&self->run.pipe, window)) != NULL)
        post (self, load);
}

/* Where the records come from: the source, and all that feed it. */
void zf_link_tell_path (zf_link_t *self)
{
    zf_writer_t *w = zf_handle_control (&self->target.handle, ZF_CMD_LINK, 3);
    zf_mp_put_str (w, zf_bytes_of (self->to_queue));
    zf_mp_put_array (w, 2 + (size_t) self->path_size);
    zf_mp_put_bin (w, zf_bytes (zf_link_at (&self->source)->source, ZF_UUID_BYTES));
    zf_mp_put_str (w, zf_bytes_of (self->from_queue));
    if (self->path.size > 0)
        zf_write_bytes (w, self->path.data, self->path.size);
    if (!zf_link_send (&self->target, NULL))
        return;
    self->run.path_told = true;
    if (!self->run.linked)
        self->run.linking = true;
}

/* -- from the target --------------------------------------------------------------------------- */

static void on_target_ready (zf_connection_t *connection)
{
    (void) connection; /* zf_link_advance goes on */
}

static void on_target_lost (zf_connection_t *connection)
{
    zf_link_t *self = zf_link_of (connection->handle);
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
        zf_link_fail (self, true, ZF_E_BUSY, "%s says: %.*s", zf_link_endpoint (&self->target),
                      text_size (text), (const char *) text.data);
    } else if (self->run.linking) {
        self->run.linking = false;
        self->run.linked = true;
        self->run.last = last;
        zf_link_event (self, "linked to %s", zf_link_endpoint (&self->target));
    }
}

/* Numbers first .. first + count - 1 were refused. After that the target takes nothing of this
 * session any more, so that nothing gets ahead of them. */
static void on_refusal (zf_link_t *self, uint64_t first, uint64_t count, int code)
{
    if (code != ZF_E_TOO_BIG && code != ZF_E_INVAL) {
        zf_link_fail (self, true, code, "%s refuses: %s", zf_link_endpoint (&self->target),
                      zf_strerror (code));
        return;
    }
    zf_link_reject (self, first - 1, count,
                    code == ZF_E_TOO_BIG ? "link: too big for the target"
                                         : "link: the target refused it");
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
                      zf_link_endpoint (&self->target));
        return;
    }
    if (code != 0) {
        on_refusal (self, first, count, -(int) code);
        return;
    }
    zf_link_ack (self, first - 1, count);
    self->figures.confirmed += count;
    self->backoff_ms = self->backoff_min_ms;
    zf_link_forward (self);
}

static void on_target_message (zf_connection_t *connection, uint64_t command, zf_reader_t *r,
                               zmq_msg_t *body)
{
    (void) body;
    zf_link_t *self = zf_link_of (connection->handle);
    if (command == ZF_CMD_CONFIRM)
        on_confirm (self, r);
    else if (command == ZF_CMD_LINKED)
        on_linked (self, r);
}

const zf_handle_ops_t zf_link_target_ops = {
    .ready = on_target_ready,
    .lost = on_target_lost,
    .message = on_target_message,
    .tick = zf_link_nothing_due,
    .urgent = zf_link_always,
    .unfinished = zf_link_never,
    .news = zf_link_never,
};
