/* Durable requests: posts whose answer the broker keeps. */
#include "patterns/client.h"

#include <zferry/error.h>

#define AGAIN_MS 20 /* until what is on the broker's disk only is in its memory, probably */

int zf_client_submit (zf_client_t *self, const char *service, const char *id, const void *body,
                      size_t size, const zf_props_t *props, zf_error_t *err)
{
    zf_props_t own;
    zf_props_defaults (&own);
    if (props != NULL)
        own = *props;
    if (id == NULL || id[0] == '\0' || strlen (id) > ZF_ID_MAX)
        return zf_error_set (err, ZF_E_INVAL, "the id of a request has 1..%d bytes", ZF_ID_MAX);
    own.id = zf_bytes_of (id);
    own.keep_reply = true;
    return zf_client_post (self, service, body, size, &own, err);
}

static int on_reply (zf_inquiry_t *inquiry, zf_reader_t *r, zmq_msg_t *body)
{
    zf_message_t *reply = inquiry->arg;
    int rc = 0;
    (void) r;
    if (reply == NULL)
        return 0;
    zf_parcel_t *parcel = body != NULL ? zf_parcel_open (body, &rc) : NULL;
    if (parcel == NULL)
        return rc != 0 ? rc : ZF_E_PROTO;
    if (zf_parcel_next (parcel, reply))
        zf_parcel_own (parcel, reply);
    else
        rc = ZF_E_PROTO;
    zf_parcel_drop (parcel);
    return rc;
}

static bool never (void *arg)
{
    (void) arg;
    return false;
}

static int ask (zf_client_t *self, const char *id, bool forget, uint64_t deadline_ms,
                zf_message_t *reply, zf_error_t *err)
{
    uint64_t now = zf_clock_ms ();
    zf_inquiry_t inquiry = {.err = err, .answer = on_reply, .arg = reply};
    inquiry.number = ++self->inquiry_number;
    inquiry.deadline_ms = deadline_ms;
    zf_writer_t *w = zf_handle_control (&self->handle, ZF_CMD_FETCH, 5);
    zf_mp_put_uint (w, inquiry.number);
    zf_mp_put_bin (w, zf_bytes_of (id));
    zf_mp_put_bool (w, deadline_ms > now);
    zf_mp_put_bool (w, forget);
    return zf_inquiry_run (self, &inquiry);
}

int zf_client_fetch (zf_client_t *self, const char *id, int timeout_ms, zf_message_t *reply,
                     zf_error_t *err)
{
    memset (reply, 0, sizeof *reply);
    uint64_t deadline = zf_deadline (timeout_ms < 0 ? (int64_t) self->timeout_ms : timeout_ms);
    zf_handle_enter (&self->handle);
    /* With a timeout of 0, too, the broker has to be asked. */
    uint64_t patience = timeout_ms == 0 ? zf_deadline (self->timeout_ms) : deadline;
    int rc = ask (self, id, false, timeout_ms == 0 ? 0 : deadline, reply, err);
    while (rc == ZF_E_AGAIN && zf_clock_ms () < deadline) {
        uint64_t pause = zf_deadline (AGAIN_MS);
        zf_handle_wait (&self->handle, never, NULL, pause < patience ? pause : patience);
        rc = ask (self, id, false, deadline, reply, err);
    }
    zf_handle_leave (&self->handle);
    return rc == ZF_E_AGAIN ? zf_error_set (err, ZF_E_TIMEOUT, "there is no answer yet") : rc;
}

int zf_client_forget (zf_client_t *self, const char *id, zf_error_t *err)
{
    zf_handle_enter (&self->handle);
    int rc = ask (self, id, true, 0, NULL, err);
    zf_handle_leave (&self->handle);
    return rc;
}
