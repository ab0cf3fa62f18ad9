#include <zferry/broker.h>

#include "core/info.h"
#include "core/mdp.h"
#include "core/native.h"
#include "devices/shell.h"

#define DISK_LEAST (UINT64_C (256) << 20)

static const char *const default_endpoints[] = {"tcp://127.0.0.1:5555"};

static const zf_dialect_t *const dialects[] = {&zf_dialect_native, &zf_dialect_mdp1,
                                               &zf_dialect_mdp2, NULL};

static void set_defaults (zf_broker_options_t *options)
{
    zf_engine_options_t engine;
    zf_engine_defaults (&engine);
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->endpoints = default_endpoints;
    options->endpoint_count = 1;
    options->memory_bytes = engine.memory_bytes;
    options->max_message_bytes = engine.max_message_bytes;
    options->window_bytes = engine.window_bytes;
    options->max_queues = engine.max_queues;
    options->max_sessions = engine.max_sessions;
    options->heartbeat_ms = engine.heartbeat_ms;
    options->mdp_heartbeat_ms = engine.mdp_heartbeat_ms;
    options->client_idle_ms = engine.client_idle_ms;
    options->sync = ZF_SYNC_ALWAYS;
    options->sync_interval_ms = 100;
    options->disk_bytes = UINT64_C (10) << 30;
}

void zf_broker_defaults_sized (zf_broker_options_t *options, size_t size)
{
    zf_broker_options_t own;
    set_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

static int check (const zf_broker_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "broker options: set them up with zf_broker_defaults ()");
    if (options->endpoint_count == 0 || options->endpoints == NULL)
        return zf_error_set (err, ZF_E_INVAL, "broker options: no endpoint to bind");
    if (options->max_message_bytes < 1024 || options->max_message_bytes > (uint64_t) INT32_MAX)
        return zf_error_set (err, ZF_E_INVAL,
                             "broker options: max_message_bytes is not in 1 KiB .. 2 GiB");
    if (options->heartbeat_ms == 0 || options->mdp_heartbeat_ms == 0 ||
        options->client_idle_ms == 0)
        return zf_error_set (err, ZF_E_INVAL, "broker options: a heartbeat or idle time is 0");
    if (options->max_queues == 0 || options->max_sessions == 0 || options->window_bytes == 0)
        return zf_error_set (err, ZF_E_INVAL, "broker options: a limit is 0");
    if ((int) options->sync < ZF_SYNC_ALWAYS || (int) options->sync > ZF_SYNC_NEVER ||
        options->sync_interval_ms == 0)
        return zf_error_set (err, ZF_E_INVAL,
                             "broker options: sync is unknown, or its interval is 0");
    if (options->journal != NULL && options->disk_bytes < DISK_LEAST)
        return zf_error_set (err, ZF_E_INVAL, "broker options: disk_bytes is less than 256 MiB");
    if (options->policy != NULL && !zf_policy_valid (options->policy))
        return zf_error_set (err, ZF_E_INVAL,
                             "broker options: a value of the policy is out of range");
    return 0;
}

int zf_broker_start (zf_device_t **device, const zf_broker_options_t *options, zf_error_t *err)
{
    zf_broker_options_t defaults;
    *device = NULL;
    if (options == NULL) {
        zf_broker_defaults (&defaults);
        options = &defaults;
    }
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_shell_options_t shell = {.port_count = 1,
                                .local = &zf_dialect_native,
                                .on_event = options->on_event,
                                .arg = options->arg};
    shell.ports[0].endpoints = options->endpoints;
    shell.ports[0].endpoint_count = options->endpoint_count;
    shell.ports[0].dialects = dialects;
    shell.ports[0].max_message_bytes = options->max_message_bytes;
    zf_engine_defaults (&shell.engine);
    zf_shell_guard (&shell, options->security, options->limits);
    if (options->policy != NULL)
        shell.engine.policy = *options->policy;
    shell.engine.memory_bytes = options->memory_bytes;
    shell.engine.max_message_bytes = options->max_message_bytes;
    shell.engine.window_bytes = options->window_bytes;
    shell.engine.max_queues = options->max_queues;
    shell.engine.max_sessions = options->max_sessions;
    shell.engine.heartbeat_ms = options->heartbeat_ms;
    shell.engine.mdp_heartbeat_ms = options->mdp_heartbeat_ms;
    shell.engine.client_idle_ms = options->client_idle_ms;
    shell.commit.journal = options->journal;
    shell.commit.sync = options->sync;
    shell.commit.interval_ms = options->sync_interval_ms;
    shell.commit.disk_bytes = options->disk_bytes;
    rc = zf_shell_start (device, &shell, err);
    return rc == 0 ? 0 : zf_error_wrap (err, rc, "start the broker");
}
