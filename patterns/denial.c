#include "patterns/denial.h"

#include <zferry/error.h>

bool zf_denied_by (const zf_connection_t *connection)
{
    return connection->refusal.code == ZF_E_DENIED;
}

const zf_connection_t *zf_denied_by_all (const zf_handle_t *handle)
{
    const zf_connection_t *denied = NULL;
    for (size_t i = 0; i < handle->connection_count; i++) {
        const zf_connection_t *connection = &handle->connections[i];
        if (connection->state == ZF_CONNECTION_OFF || connection->is_double)
            continue;
        if (!zf_denied_by (connection))
            return NULL;
        denied = connection;
    }
    return denied;
}

int zf_denied_say (const zf_connection_t *connection, zf_error_t *err)
{
    return zf_error_set (err, ZF_E_DENIED, "%s: %s", zf_connection_endpoint (connection),
                         connection->refusal.text);
}
