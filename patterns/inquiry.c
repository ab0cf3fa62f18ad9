#include "patterns/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>
#include <zferry/error.h>

#define AGAIN_MS 20

static bool send_inquiry (zf_client_t *self, zf_inquiry_t *inquiry)
{
    zf_connection_t *connection = zf_client_connection (self);
    zf_writer_t *control = &self->handle.control;
    zmq_msg_t body;
    if (connection->state != ZF_CONNECTION_READY)
        return false;
    if (inquiry->body != NULL && inquiry->body->size > connection->max_message_bytes) {
        inquiry->code = zf_error_set (inquiry->err, ZF_E_TOO_BIG, "larger than the broker's limit");
        inquiry->done = true;
        return true;
    }
    if (inquiry->body != NULL && zf_buffer_message (inquiry->body, &body) != 0)
        return false;
    control->size = 0;
    control->failed = false;
    zf_write_bytes (control, inquiry->control, inquiry->control_size);
    inquiry->is_sent = zf_connection_send (connection, inquiry->body != NULL ? &body : NULL);
    if (!inquiry->is_sent && inquiry->body != NULL)
        zmq_msg_close (&body);
    return inquiry->is_sent;
}

/* In order: the broker takes an atomic post with a lower number than one it had for a repeat. */
void zf_inquiries_send (zf_client_t *self)
{
    zf_inquiry_t *inquiry;
    DL_FOREACH (self->inquiries, inquiry) {
        if (!inquiry->is_sent && !inquiry->done && !send_inquiry (self, inquiry))
            return;
    }
}

void zf_inquiries_resend (zf_client_t *self)
{
    zf_inquiry_t *inquiry;
    DL_FOREACH (self->inquiries, inquiry)
        inquiry->is_sent = false;
    zf_inquiries_send (self);
}

static zf_inquiry_t *find (zf_client_t *self, uint64_t number)
{
    zf_inquiry_t *inquiry;
    DL_FOREACH (self->inquiries, inquiry) {
        if (inquiry->number == number && !inquiry->done)
            return inquiry;
    }
    return NULL;
}

void zf_inquiries_on_done (zf_client_t *self, zf_reader_t *r)
{
    zf_inquiry_t *inquiry = find (self, zf_mp_uint (r));
    uint64_t code = zf_mp_uint (r);
    if (inquiry == NULL || r->failed || code > 1000)
        return;
    inquiry->code = -(int) code;
    inquiry->done = true;
    if (code != 0)
        zf_error_set (inquiry->err, inquiry->code, "%s", zf_strerror (inquiry->code));
}

void zf_inquiries_on_result (zf_client_t *self, zf_reader_t *r, zmq_msg_t *body)
{
    zf_inquiry_t *inquiry = find (self, zf_mp_uint (r));
    uint64_t code = zf_mp_uint (r);
    zf_bytes_t text = zf_mp_bytes (r);
    bool more = zf_mp_bool (r);
    if (inquiry == NULL || r->failed || code > 1000)
        return;
    inquiry->code = -(int) code;
    if (code != 0)
        zf_error_set (inquiry->err, inquiry->code, "%.*s",
                      (int) (text.size < 200 ? text.size : 200), (const char *) text.data);
    else if (inquiry->answer != NULL)
        inquiry->code = inquiry->answer (inquiry, r, body);
    if (code == 0 && inquiry->code != 0)
        zf_error_set (inquiry->err, inquiry->code, "the broker's answer: %s",
                      zf_strerror (inquiry->code));
    inquiry->done = !more || inquiry->code != 0;
}

static bool is_done (void *arg)
{
    const zf_inquiry_t *inquiry = arg;
    return inquiry->done;
}

int zf_inquiry_run (zf_client_t *self, zf_inquiry_t *inquiry)
{
    zf_writer_t *control = &self->handle.control;
    int rc = inquiry->is_post ? 0 : zf_client_needs_broker (self, inquiry->err);
    if (rc != 0)
        return rc;
    inquiry->control = malloc (control->size);
    if (control->failed || inquiry->control == NULL) {
        free (inquiry->control);
        return zf_error_set (inquiry->err, ZF_E_NOMEM, "out of memory");
    }
    memcpy (inquiry->control, control->data, control->size);
    inquiry->control_size = control->size;
    DL_APPEND (self->inquiries, inquiry);
    zf_inquiries_send (self);
    uint64_t deadline =
        inquiry->deadline_ms != 0 ? inquiry->deadline_ms : zf_deadline (self->timeout_ms);
    rc = zf_handle_await (&self->handle, is_done, inquiry, deadline);
    DL_DELETE (self->inquiries, inquiry);
    free (inquiry->control);
    if (rc != 0)
        return zf_client_timed_out (self, inquiry->err);
    return inquiry->code;
}

static bool never (void *arg)
{
    (void) arg;
    return false;
}

bool zf_client_pause (zf_client_t *self, uint64_t deadline_ms)
{
    uint64_t pause = zf_deadline (AGAIN_MS);
    if (zf_clock_ms () >= deadline_ms)
        return false;
    zf_handle_wait (&self->handle, never, NULL, pause < deadline_ms ? pause : deadline_ms);
    return true;
}
