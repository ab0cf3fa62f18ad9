/* HTTP: connections, their bounds, and what goes into every answer. Above it only requests and
 * answers are seen (routes.h).
 *
 * Threads: one that listens, one for each connection, one that ends those that take too long. */
#ifndef ZF_WEB_SERVER_H
#define ZF_WEB_SERVER_H

#include <zferry/web.h>

#define ZF_WEB_CONNECTIONS 64
#define ZF_WEB_REQUEST_MS  15000 /* from the end of the last answer to the end of the next */

typedef struct zf_web_server zf_web_server_t;

/* Serves on a socket that listens; it is closed in any case. */
int zf_web_server_start (zf_web_server_t **server, zf_web_t *web, int fd, zf_error_t *err);

/* Ends all connections, waits for handlers that run, frees it. Safe on NULL. */
void zf_web_server_stop (zf_web_server_t **server);

#endif
