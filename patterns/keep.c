/* Durable requests: posts whose answer the broker keeps. */
#include "patterns/client.h"

#include <zferry/error.h>

static int check_id (const char *id, zf_error_t *err)
{
    if (id == NULL || id[0] == '\0' || strlen (id) > ZF_ID_MAX)
        return zf_error_set (err, ZF_E_INVAL, "the id of a request has 1..%d bytes", ZF_ID_MAX);
    return 0;
}

int zf_client_submit (zf_client_t *self, const char *service, const char *id, const void *body,
                      size_t size, const zf_props_t *props, zf_error_t *err)
{
    zf_props_t own;
    zf_props_defaults (&own);
    int rc = check_id (id, err);
    if (rc != 0)
        return rc;
    if (props != NULL && props->struct_size != 0 && props->struct_size != sizeof *props)
        return zf_error_set (err, ZF_E_INVAL, "properties of another version");
    if (props != NULL)
        own = *props;
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

static int ask (zf_client_t *self, const char *id, bool wait, bool forget, uint64_t deadline_ms,
                zf_message_t *reply, zf_error_t *err)
{
    zf_inquiry_t inquiry = {.err = err, .answer = on_reply, .arg = reply};
    inquiry.number = ++self->inquiry_number;
    inquiry.deadline_ms = deadline_ms;
    zf_writer_t *w = zf_handle_control (&self->handle, ZF_CMD_FETCH, 5);
    zf_mp_put_uint (w, inquiry.number);
    zf_mp_put_bin (w, zf_bytes_of (id));
    zf_mp_put_bool (w, wait);
    zf_mp_put_bool (w, forget);
    return zf_inquiry_run (self, &inquiry);
}

int zf_client_fetch (zf_client_t *self, const char *id, int timeout_ms, zf_message_t *reply,
                     zf_error_t *err)
{
    memset (reply, 0, sizeof *reply);
    int rc = check_id (id, err);
    if (rc != 0)
        return rc;
    uint64_t deadline = zf_deadline (timeout_ms < 0 ? (int64_t) self->timeout_ms : timeout_ms);
    bool wait = timeout_ms != 0; /* without, too, the broker has to be asked */
    zf_handle_enter (&self->handle);
    rc = ask (self, id, wait, false, wait ? deadline : 0, reply, err);
    while (rc == ZF_E_AGAIN && zf_client_pause (self, deadline))
        rc = ask (self, id, true, false, deadline, reply, err);
    zf_handle_leave (&self->handle);
    return rc == ZF_E_AGAIN ? zf_error_set (err, ZF_E_TIMEOUT, "there is no answer yet") : rc;
}

int zf_client_forget (zf_client_t *self, const char *id, zf_error_t *err)
{
    int rc = check_id (id, err);
    if (rc != 0)
        return rc;
    zf_handle_enter (&self->handle);
    rc = ask (self, id, false, true, 0, NULL, err);
    zf_handle_leave (&self->handle);
    return rc;
}
