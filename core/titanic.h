/* Titanic: durable requests for Majordomo clients (RFC 9), as services of the broker itself, unless
 * a worker serves them.
 *
 *   titanic.request  service, body...  -> "200", uuid     "500": it could not be taken
 *   titanic.reply    uuid              -> "200", body...  "300": no answer yet  "400": unknown
 *   titanic.close    uuid              -> "200"           "300" and "400" as above
 *
 * They are kept requests (keep.h) under the uuid, 32 hexadecimal digits; "200" means confirmed:
 * with a log, on disk. A request that failed for good is answered "500", reason. */
#ifndef ZF_CORE_TITANIC_H
#define ZF_CORE_TITANIC_H

#include "core/engine.h"

/* True if the broker itself serves that. */
bool zf_titanic_serves (zf_engine_t *engine, zf_bytes_t service);

/* A client asks; body is what lies behind the service's name, at least one frame. It is answered
 * through the session's dialect. */
void zf_titanic_ask (zf_session_t *session, zf_bytes_t service, zf_frame_t **body, size_t count);

#endif
