/* The socket that the admin endpoint listens on. */
#ifndef ZF_WEB_LISTEN_H
#define ZF_WEB_LISTEN_H

#include <stdbool.h>
#include <zferry/error.h>

typedef struct {
    int fd;            /* bound and listening; not blocking */
    char host[256];    /* as it was asked for, without brackets; "" for all addresses */
    char address[300]; /* "http://127.0.0.1:8090", with the port that was bound */
} zf_web_listen_t;

/* Binds HOST:PORT, [HOST]:PORT for IPv6; HOST may be a name, or a * for all addresses. Other
 * addresses than this machine's own (127.0.0.0/8, ::1) are refused unless insecure.
 * Returns 0, ZF_E_INVAL, ZF_E_ADDRESS. */
int zf_web_listen (zf_web_listen_t *listen, const char *bind, bool insecure, zf_error_t *err);

#endif
