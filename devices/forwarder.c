#include <zferry/forwarder.h>

#include "core/info.h"
#include "core/native.h"
#include "devices/plain.h"
#include "devices/shell.h"

#define DISK_LEAST        (UINT64_C (256) << 20)
#define LAST_VALUES_BYTES (UINT64_C (64) << 20)

static const char *const default_endpoints[] = {"tcp://127.0.0.1:5556"};

static const zf_dialect_t *const dialects[] = {&zf_dialect_native, NULL};

static void set_defaults (zf_forwarder_options_t *options)
{
    zf_engine_options_t engine;
    zf_engine_defaults (&engine);
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->endpoints = default_endpoints;
    options->endpoint_count = 1;
    options->stream = "events";
    options->last_values_bytes = LAST_VALUES_BYTES;
    options->slow = ZF_SLOW_DROP;
    options->slow_ms = 10000;
    options->plain_hwm = 10000;
    options->memory_bytes = engine.memory_bytes;
    options->max_message_bytes = engine.max_message_bytes;
    options->sync = ZF_SYNC_ALWAYS;
    options->sync_interval_ms = 100;
    options->disk_bytes = UINT64_C (10) << 30;
}

void zf_forwarder_defaults_sized (zf_forwarder_options_t *options, size_t size)
{
    zf_forwarder_options_t own;
    set_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

static bool all_named (const char *const *endpoints, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (endpoints == NULL || endpoints[i] == NULL)
            return false;
    }
    return true;
}

static int check_endpoints (const zf_forwarder_options_t *options, zf_error_t *err)
{
    if (options->endpoint_count == 0)
        return zf_error_set (err, ZF_E_INVAL, "forwarder options: no endpoint to bind");
    if (options->pub_count > ZF_PLAIN_ENDPOINTS_MAX || options->sub_count > ZF_PLAIN_ENDPOINTS_MAX)
        return zf_error_set (err, ZF_E_INVAL, "forwarder options: more than %d pubs or subs",
                             ZF_PLAIN_ENDPOINTS_MAX);
    if (!all_named (options->endpoints, options->endpoint_count) ||
        !all_named (options->pubs, options->pub_count) ||
        !all_named (options->subs, options->sub_count))
        return zf_error_set (err, ZF_E_INVAL, "forwarder options: an endpoint is NULL");
    return 0;
}

static int check_plain (const zf_forwarder_options_t *options, zf_error_t *err)
{
    if (options->stream == NULL || options->stream[0] == '\0' ||
        strlen (options->stream) > ZF_NAME_MAX || strchr (options->stream, ZF_GROUP_MARK) != NULL)
        return zf_error_set (err, ZF_E_INVAL,
                             "forwarder options: the stream's name is empty, longer than %d bytes, "
                             "or has an @",
                             ZF_NAME_MAX);
    if ((int) options->slow < ZF_SLOW_DROP || (int) options->slow > ZF_SLOW_DISCONNECT ||
        options->slow_ms < 100 || options->slow_ms > INT32_MAX)
        return zf_error_set (err, ZF_E_INVAL,
                             "forwarder options: slow is unknown, or slow_ms less than 100");
    if (options->plain_hwm == 0 || options->plain_hwm > INT32_MAX / 2)
        return zf_error_set (err, ZF_E_INVAL,
                             "forwarder options: plain_hwm is not in 1 .. 1,073,741,823");
    if (options->last_values && options->last_values_bytes == 0)
        return zf_error_set (err, ZF_E_INVAL, "forwarder options: last_values_bytes is 0");
    return 0;
}

static int check (const zf_forwarder_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "forwarder options: set them up with zf_forwarder_defaults ()");
    int rc = check_endpoints (options, err);
    if (rc == 0)
        rc = check_plain (options, err);
    if (rc != 0)
        return rc;
    if (options->max_message_bytes < 1024 || options->max_message_bytes > (uint64_t) INT32_MAX)
        return zf_error_set (err, ZF_E_INVAL,
                             "forwarder options: max_message_bytes is not in 1 KiB .. 2 GiB");
    if ((int) options->sync < ZF_SYNC_ALWAYS || (int) options->sync > ZF_SYNC_NEVER ||
        options->sync_interval_ms == 0)
        return zf_error_set (err, ZF_E_INVAL,
                             "forwarder options: sync is unknown, or its interval is 0");
    if (options->journal != NULL && options->disk_bytes < DISK_LEAST)
        return zf_error_set (err, ZF_E_INVAL, "forwarder options: disk_bytes is less than 256 MiB");
    return 0;
}

static void set_engine (zf_engine_options_t *engine, const zf_forwarder_options_t *options)
{
    zf_engine_defaults (engine);
    engine->policy.kind = ZF_KIND_STREAM;
    engine->policy.max_bytes = options->keep_bytes;
    if (options->keep_bytes == 0)
        engine->policy.max_bytes =
            options->journal != NULL ? engine->stream_durable_bytes : engine->stream_bytes;
    engine->policy.max_length = options->keep_length;
    engine->policy.ttl_ms = options->keep_ms;
    engine->policy.compact = options->compact;
    engine->memory_bytes = options->memory_bytes;
    engine->max_message_bytes = options->max_message_bytes;
}

static void set_plain (zf_plain_options_t *plain, const zf_forwarder_options_t *options)
{
    plain->pubs = options->pubs;
    plain->pub_count = options->pub_count;
    plain->subs = options->subs;
    plain->sub_count = options->sub_count;
    plain->max_message_bytes = options->max_message_bytes;
    plain->hwm = options->plain_hwm;
    plain->silence_ms = options->slow == ZF_SLOW_DISCONNECT ? options->slow_ms : 0;
    plain->last_values = options->last_values;
    plain->last_values_bytes = options->last_values_bytes;
    plain->stream = options->stream;
    plain->keep_all = options->journal != NULL;
}

int zf_forwarder_start (zf_device_t **device, const zf_forwarder_options_t *options,
                        zf_error_t *err)
{
    zf_forwarder_options_t defaults;
    *device = NULL;
    if (options == NULL) {
        zf_forwarder_defaults (&defaults);
        options = &defaults;
    }
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_plain_options_t plain;
    zf_shell_options_t shell = {
        .port_count = 1, .on_event = options->on_event, .arg = options->arg};
    shell.ports[0].endpoints = options->endpoints;
    shell.ports[0].endpoint_count = options->endpoint_count;
    shell.ports[0].dialects = dialects;
    shell.ports[0].max_message_bytes = options->max_message_bytes;
    set_engine (&shell.engine, options);
    zf_shell_guard (&shell, options->security, options->limits);
    shell.commit.journal = options->journal;
    shell.commit.sync = options->sync;
    shell.commit.interval_ms = options->sync_interval_ms;
    shell.commit.disk_bytes = options->disk_bytes;
    set_plain (&plain, options);
    plain.security = options->security;
    plain.connections = shell.limits.connections;
    plain.handshake_ms = shell.limits.handshake_ms;
    if (options->pub_count + options->sub_count > 0) {
        shell.side = &zf_plain_side;
        shell.side_options = &plain;
    }
    rc = zf_shell_start (device, &shell, err);
    return rc == 0 ? 0 : zf_error_wrap (err, rc, "start the forwarder");
}
