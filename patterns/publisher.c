#include <zferry/publisher.h>

#include "core/topic.h"
#include "patterns/client.h"
#include "patterns/direct.h"

#include <stdlib.h>

static const char *const default_endpoints[] = {"tcp://127.0.0.1:5556"};

struct zf_publisher {
    zf_client_t *client; /* posts to the stream */
    zf_direct_t direct;  /* the forwarder inside; its device is NULL: none */
    char *stream;
    uint32_t timeout_ms;
};

/* -- life -------------------------------------------------------------------------------------- */

void zf_publisher_defaults_sized (zf_publisher_options_t *options, size_t size)
{
    zf_client_options_t client;
    zf_client_defaults (&client);
    zf_publisher_options_t own = {.struct_size = sizeof own,
                                  .endpoints = default_endpoints,
                                  .endpoint_count = 1,
                                  .stream = "events",
                                  .timeout_ms = client.timeout_ms,
                                  .failover_ms = client.failover_ms,
                                  .window_bytes = client.window_bytes,
                                  .batch_bytes = client.batch_bytes};
    zf_options_fill (options, size, &own, sizeof own);
}

/* What the forwarder inside is made of. */
static int check_bind (const zf_forwarder_options_t *bind, zf_error_t *err)
{
    if (bind->struct_size != sizeof *bind)
        return zf_error_set (err, ZF_E_INVAL,
                             "forwarder options: set them up with zf_forwarder_defaults ()");
    if (bind->endpoints == NULL && bind->endpoint_count > 0)
        return zf_error_set (err, ZF_E_INVAL, "forwarder options: endpoints is NULL");
    return 0;
}

static int start_forwarder (void *arg, zf_device_t **device, const char *const *endpoints,
                            size_t count, zf_security_t *security, zf_error_t *err)
{
    zf_forwarder_options_t options = *(const zf_forwarder_options_t *) arg;
    if (options.security == NULL)
        options.security = security;
    options.endpoints = endpoints;
    options.endpoint_count = count;
    return zf_forwarder_start (device, &options, err);
}

static int open_inside (zf_publisher_t *self, const zf_publisher_options_t *options,
                        zf_error_t *err)
{
    zf_forwarder_options_t bind;
    zf_forwarder_defaults (&bind);
    bind.endpoint_count = 0;
    if (options->bind != NULL) {
        int rc = check_bind (options->bind, err);
        if (rc != 0)
            return rc;
        bind = *options->bind;
    }
    zf_direct_options_t direct = {.endpoints = bind.endpoints,
                                  .endpoint_count = bind.endpoint_count,
                                  .peer = options->peer,
                                  .security = options->security,
                                  .kind = options->direct ? "topic" : NULL,
                                  .name = self->stream,
                                  .start = start_forwarder,
                                  .arg = &bind};
    return zf_direct_open (&self->direct, &direct, err);
}

static int open_client (zf_publisher_t *self, const zf_publisher_options_t *options,
                        zf_error_t *err)
{
    const char *inside = self->direct.inside;
    zf_client_options_t client;
    zf_client_defaults (&client);
    client.endpoints = options->endpoints;
    client.endpoint_count = options->endpoint_count;
    client.peer = options->peer;
    client.security = options->security;
    if (self->direct.device != NULL) {
        client.endpoints = &inside;
        client.endpoint_count = 1;
    }
    client.name = options->name;
    client.timeout_ms = options->timeout_ms;
    client.failover_ms = options->failover_ms;
    client.window_bytes = options->window_bytes;
    client.batch_bytes = options->batch_bytes;
    client.on_confirm = options->on_confirm;
    client.arg = options->arg;
    int rc = zf_client_open (&self->client, &client, err);
    return rc == 0 ? zf_client_stream (self->client, self->stream, err) : rc;
}

int zf_publisher_open (zf_publisher_t **publisher, const zf_publisher_options_t *options,
                       zf_error_t *err)
{
    zf_publisher_options_t defaults;
    *publisher = NULL;
    zf_publisher_defaults (&defaults);
    if (options == NULL)
        options = &defaults;
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "publisher options: set them up with zf_publisher_defaults ()");
    zf_publisher_t *self = calloc (1, sizeof *self);
    if (self == NULL)
        return zf_error_set (err, ZF_E_NOMEM, "out of memory");
    self->timeout_ms = options->timeout_ms;
    self->stream = strdup (options->stream != NULL ? options->stream : "");
    int rc = self->stream != NULL ? 0 : zf_error_set (err, ZF_E_NOMEM, "out of memory");
    if (rc == 0 && (options->bind != NULL || options->direct))
        rc = open_inside (self, options, err);
    if (rc == 0)
        rc = open_client (self, options, err);
    if (rc != 0) {
        zf_publisher_close (&self);
        return zf_error_wrap (err, rc, "open a publisher");
    }
    *publisher = self;
    return 0;
}

void zf_publisher_close (zf_publisher_t **publisher)
{
    zf_publisher_t *self = publisher != NULL ? *publisher : NULL;
    if (self == NULL)
        return;
    *publisher = NULL;
    zf_client_close (&self->client);
    zf_direct_close (&self->direct);
    free (self->stream);
    free (self);
}

/* -- publishing -------------------------------------------------------------------------------- */

/* Checking takes longer than comparing with what this thread published before. */
static bool is_topic (zf_bytes_t topic)
{
    static _Thread_local struct {
        size_t size;
        char text[ZF_TOPIC_MAX];
    } known;
    if (topic.size == 0)
        return false;
    if (topic.size == known.size && memcmp (topic.data, known.text, topic.size) == 0)
        return true;
    if (!zf_topic_is_valid (topic))
        return false;
    memcpy (known.text, topic.data, topic.size);
    known.size = topic.size;
    return true;
}

/* Makes *own of what the caller says, which may be NULL, and the topic. */
static int add_topic (zf_props_t *own, const zf_props_t *props, const char *topic, zf_error_t *err)
{
    zf_bytes_t words = zf_bytes (topic, topic != NULL ? strnlen (topic, ZF_TOPIC_MAX + 1) : 0);
    if (!is_topic (words))
        return zf_error_set (err, ZF_E_INVAL,
                             "%.100s is no topic: words with dots between, without wildcards",
                             topic != NULL ? topic : "NULL");
    if (props != NULL)
        *own = *props;
    else
        memset (own, 0, sizeof *own);
    own->topic = words;
    own->delay_ms = own->ttl_ms = 0;
    own->priority = 0;
    return 0;
}

int zf_publisher_publish (zf_publisher_t *self, const char *topic, const void *body, size_t size,
                          const zf_props_t *props, uint64_t *number, zf_error_t *err)
{
    zf_props_t own;
    int rc = add_topic (&own, props, topic, err);
    if (rc != 0)
        return rc;
    return zf_client_post_async (self->client, self->stream, body, size, &own, number, err);
}

int zf_publisher_publish_confirmed (zf_publisher_t *self, const char *topic, const void *body,
                                    size_t size, const zf_props_t *props, zf_error_t *err)
{
    zf_props_t own;
    int rc = add_topic (&own, props, topic, err);
    return rc != 0 ? rc : zf_client_post (self->client, self->stream, body, size, &own, err);
}

int zf_publisher_try_publish (zf_publisher_t *self, const char *topic, const void *body,
                              size_t size, const zf_props_t *props, uint64_t *number,
                              zf_error_t *err)
{
    zf_props_t own;
    int rc = add_topic (&own, props, topic, err);
    if (rc != 0)
        return rc;
    return zf_client_try_post (self->client, self->stream, body, size, &own, number, err);
}

int zf_publisher_flush (zf_publisher_t *self, int timeout_ms, zf_error_t *err)
{
    return zf_client_flush (self->client, timeout_ms, err);
}

/* -- subscribers ------------------------------------------------------------------------------- */

static void write_await (zf_publisher_t *self, uint64_t number, zf_bytes_t topic, uint32_t n)
{
    zf_writer_t *w = zf_handle_control (&self->client->handle, ZF_CMD_AWAIT, 6);
    zf_mp_put_uint (w, number);
    zf_mp_put_str (w, zf_bytes_of (self->stream));
    zf_mp_put_str (w, topic);
    zf_mp_put_uint (w, n);
    zf_mp_put_uint (w, ZF_MAKE_STREAM);
}

static int await_readers (zf_publisher_t *self, zf_bytes_t topic, uint32_t n, int timeout_ms,
                          zf_error_t *err)
{
    zf_client_t *client = self->client;
    zf_connection_t *connection = zf_client_connection (client);
    zf_inquiry_t inquiry = {.number = ++client->inquiry_number, .err = err};
    inquiry.deadline_ms = zf_deadline (timeout_ms < 0 ? (int64_t) self->timeout_ms : timeout_ms);
    write_await (self, inquiry.number, topic, n);
    int rc = zf_inquiry_run (client, &inquiry);
    if (rc != ZF_E_TIMEOUT || connection->state != ZF_CONNECTION_READY)
        return rc;
    write_await (self, inquiry.number, topic, 0); /* we wait no longer */
    zf_connection_send (connection, NULL);
    return zf_error_set (err, rc, "fewer than %u subscriptions match %.*s", n, (int) topic.size,
                         (const char *) topic.data);
}

int zf_publisher_wait (zf_publisher_t *self, const char *topic, uint32_t n, int timeout_ms,
                       zf_error_t *err)
{
    zf_bytes_t words = zf_bytes (topic, topic != NULL ? strnlen (topic, ZF_TOPIC_MAX + 1) : 0);
    if (!is_topic (words))
        return zf_error_set (err, ZF_E_INVAL, "%.100s is no topic", topic != NULL ? topic : "NULL");
    zf_handle_enter (&self->client->handle);
    int rc = await_readers (self, words, n, timeout_ms, err);
    zf_handle_leave (&self->client->handle);
    return rc;
}

/* -- what is inside ---------------------------------------------------------------------------- */

zf_device_t *zf_publisher_device (zf_publisher_t *self)
{
    return self->direct.device;
}

zf_client_t *zf_publisher_client (zf_publisher_t *self)
{
    return self->client;
}
