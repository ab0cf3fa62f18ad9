#include <zferry/balancer.h>

#include "core/lru.h"
#include "devices/shell.h"

static const char *const default_front[] = {"tcp://127.0.0.1:5555"};
static const char *const default_back[] = {"tcp://127.0.0.1:5556"};

static const zf_dialect_t *const front_dialects[] = {&zf_dialect_lru_client, NULL};
static const zf_dialect_t *const back_dialects[] = {&zf_dialect_lru_worker, NULL};

static void set_defaults (zf_balancer_options_t *options)
{
    memset (options, 0, sizeof *options);
    options->struct_size = sizeof *options;
    options->front = default_front;
    options->front_count = 1;
    options->back = default_back;
    options->back_count = 1;
    options->memory_bytes = 256u << 20;
    options->max_message_bytes = 16u << 20;
    options->max_attempts = 3;
    options->request_ttl_ms = 60000;
    options->heartbeat_ms = 1000;
}

void zf_balancer_defaults_sized (zf_balancer_options_t *options, size_t size)
{
    zf_balancer_options_t own;
    set_defaults (&own);
    zf_options_fill (options, size, &own, sizeof own);
}

static int check (const zf_balancer_options_t *options, zf_error_t *err)
{
    if (options->struct_size != sizeof *options)
        return zf_error_set (err, ZF_E_INVAL,
                             "balancer options: set them up with zf_balancer_defaults ()");
    if (options->front_count == 0 || options->back_count == 0)
        return zf_error_set (err, ZF_E_INVAL, "balancer options: no endpoint to bind");
    if (options->max_message_bytes < 1024 || options->max_message_bytes > (uint64_t) INT32_MAX)
        return zf_error_set (err, ZF_E_INVAL,
                             "balancer options: max_message_bytes is not in 1 KiB .. 2 GiB");
    if (options->heartbeat_ms == 0 || options->request_ttl_ms == 0)
        return zf_error_set (err, ZF_E_INVAL, "balancer options: a heartbeat or time to live is 0");
    return 0;
}

int zf_balancer_start (zf_device_t **device, const zf_balancer_options_t *options, zf_error_t *err)
{
    zf_balancer_options_t defaults;
    *device = NULL;
    if (options == NULL) {
        zf_balancer_defaults (&defaults);
        options = &defaults;
    }
    int rc = check (options, err);
    if (rc != 0)
        return rc;
    zf_shell_options_t shell = {
        .port_count = 2, .on_event = options->on_event, .arg = options->arg};
    shell.ports[0] = (zf_router_options_t){.endpoints = options->front,
                                           .endpoint_count = options->front_count,
                                           .dialects = front_dialects,
                                           .max_message_bytes = options->max_message_bytes};
    shell.ports[1] = (zf_router_options_t){.endpoints = options->back,
                                           .endpoint_count = options->back_count,
                                           .dialects = back_dialects,
                                           .max_message_bytes = options->max_message_bytes};
    zf_engine_defaults (&shell.engine);
    zf_shell_guard (&shell, options->security, options->limits);
    zf_policy_t *policy = &shell.engine.policy;
    policy->max_attempts = options->max_attempts;
    policy->ttl_ms = options->request_ttl_ms;
    policy->lease_ms = options->request_ttl_ms; /* a worker that is silent but connected has all
                                                   that time */
    policy->overflow = ZF_OVERFLOW_REJECT;
    memcpy (policy->dead_letter, "-", 2);
    shell.engine.memory_bytes = options->memory_bytes;
    shell.engine.max_message_bytes = options->max_message_bytes;
    shell.engine.heartbeat_ms = options->heartbeat_ms;
    rc = zf_shell_start (device, &shell, err);
    return rc == 0 ? 0 : zf_error_wrap (err, rc, "start the balancer");
}
