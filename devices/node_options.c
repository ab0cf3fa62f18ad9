/* What a node may be told, and whether it makes sense. */
#include "devices/node_inside.h"

#define INTERVAL_MIN_MS 10
#define INTERVAL_MAX_MS 3600000
#define EXPIRED_MIN_MS  100
#define BYTES_MIN       1024
#define PEERS_LIMIT     65536

void zf_node_defaults (zf_peer_options_t *options)
{
    *options = (zf_peer_options_t){.struct_size = sizeof *options,
                                   .space = "",
                                   .beacon = true,
                                   .port = ZF_PEER_PORT,
                                   .interval_ms = 1000,
                                   .evasive_ms = 5000,
                                   .expired_ms = 30000,
                                   .line_bytes = 4u << 20,
                                   .event_bytes = 16u << 20,
                                   .max_message_bytes = 16u << 20,
                                   .max_peers = 4096};
}

static bool is_name (const char *name)
{
    return name != NULL && name[0] != '\0' && strlen (name) <= ZF_PEER_NAME_MAX;
}

static int check_headers (const zf_peer_options_t *options, zf_error_t *err)
{
    if (options->header_count > ZF_NODE_HEADERS_MAX)
        return zf_error_set (err, ZF_E_INVAL, "more than %d headers", ZF_NODE_HEADERS_MAX);
    for (size_t i = 0; i < options->header_count; i++) {
        const char *name = options->headers[i].name;
        if (!is_name (name) || options->headers[i].value == NULL)
            return zf_error_set (err, ZF_E_INVAL, "header %zu: a name has 1 to %d bytes", i,
                                 ZF_PEER_NAME_MAX);
        if (strncmp (name, "X-ZF-", 5) == 0)
            return zf_error_set (err, ZF_E_INVAL, "header %s: X-ZF- is taken", name);
    }
    return 0;
}

static int check_numbers (const zf_peer_options_t *options, zf_error_t *err)
{
    const char *wrong = NULL;
    if (options->port == 0)
        wrong = "port: 1 to 65535";
    else if (options->interval_ms < INTERVAL_MIN_MS || options->interval_ms > INTERVAL_MAX_MS)
        wrong = "interval_ms: 10 to 3600000";
    else if (options->expired_ms < EXPIRED_MIN_MS || options->evasive_ms == 0 ||
             options->evasive_ms > options->expired_ms)
        wrong = "evasive_ms: at least 1 and not above expired_ms, which is at least 100";
    else if (options->line_bytes < BYTES_MIN || options->event_bytes < BYTES_MIN ||
             options->max_message_bytes < BYTES_MIN)
        wrong = "line_bytes, event_bytes, max_message_bytes: at least 1024";
    else if (options->max_peers == 0 || options->max_peers > PEERS_LIMIT)
        wrong = "max_peers: 1 to 65536";
    return wrong != NULL ? zf_error_set (err, ZF_E_INVAL, "%s", wrong) : 0;
}

int zf_node_check (const zf_peer_options_t *options, zf_error_t *err)
{
    if (options->name != NULL && !is_name (options->name))
        return zf_error_set (err, ZF_E_INVAL, "name: 1 to %d bytes", ZF_PEER_NAME_MAX);
    if (options->space == NULL || strlen (options->space) > ZF_PEER_NAME_MAX)
        return zf_error_set (err, ZF_E_INVAL, "namespace: up to %d bytes", ZF_PEER_NAME_MAX);
    if (options->seed_count > ZF_NODE_SEEDS_MAX)
        return zf_error_set (err, ZF_E_INVAL, "more than %d seeds", ZF_NODE_SEEDS_MAX);
    int rc = check_headers (options, err);
    return rc != 0 ? rc : check_numbers (options, err);
}
