#include "web/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128

/* Takes HOST:PORT apart. */
static int split (const char *bind, char host[256], char port[8], zf_error_t *err)
{
    const char *colon = strrchr (bind, ':');
    size_t size = colon != NULL ? (size_t) (colon - bind) : 0;
    bool in_brackets = size >= 2 && bind[0] == '[' && colon[-1] == ']';
    const char *from = in_brackets ? bind + 1 : bind;
    size -= in_brackets ? 2 : 0;
    if (colon == NULL || size == 0 || size >= 256 || strlen (colon + 1) > 5 || colon[1] == '\0' ||
        strspn (colon + 1, "0123456789") != strlen (colon + 1) ||
        strtoul (colon + 1, NULL, 10) > 65535 || (!in_brackets && memchr (from, ':', size) != NULL))
        return zf_error_set (err, ZF_E_INVAL,
                             "admin endpoint: '%s' is not HOST:PORT, as 127.0.0.1:8090 or "
                             "[::1]:8090",
                             bind);
    memcpy (host, from, size);
    host[size] = '\0';
    if (strcmp (host, "*") == 0)
        host[0] = '\0';
    memcpy (port, colon + 1, strlen (colon + 1) + 1);
    return 0;
}

static bool is_loopback (const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *) (const void *) address;
        return (ntohl (four->sin_addr.s_addr) >> 24) == 127;
    }
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *) (const void *) address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK (&six->sin6_addr);
}

static int bind_one (const struct addrinfo *info)
{
    int on = 1;
    int off = 0;
    int fd = socket (info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind (fd, info->ai_addr, info->ai_addrlen) == 0 && listen (fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close (fd);
    errno = error;
    return -1;
}

static void write_address (zf_web_listen_t *self)
{
    struct sockaddr_storage bound = {0};
    socklen_t size = sizeof bound;
    struct sockaddr *address = (struct sockaddr *) (void *) &bound;
    char port[8] = "0";
    bool is_six = strchr (self->host, ':') != NULL;
    const char *host = self->host[0] != '\0' ? self->host : "0.0.0.0";
    if (getsockname (self->fd, address, &size) == 0)
        getnameinfo (address, size, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    snprintf (self->address, sizeof self->address, "http://%s%s%s:%s", is_six ? "[" : "", host,
              is_six ? "]" : "", port);
}

/* Binds the first of the addresses that can be. */
static int bind_any (zf_web_listen_t *self, const char *bind, const struct addrinfo *infos,
                     bool insecure, zf_error_t *err)
{
    for (const struct addrinfo *info = infos; info != NULL; info = info->ai_next) {
        if (!insecure && !is_loopback (info->ai_addr))
            return zf_error_set (err, ZF_E_INVAL,
                                 "admin endpoint %s: HTTP is not encrypted, so it is bound to this "
                                 "machine's own addresses (127.0.0.1, ::1) unless insecure is said",
                                 bind);
        self->fd = bind_one (info);
        if (self->fd >= 0)
            return 0;
    }
    return zf_error_set (err, ZF_E_ADDRESS, "bind the admin endpoint %s: %s", bind,
                         strerror (errno));
}

/* All addresses: by IPv6, which takes IPv4, too; without IPv6 by that alone. */
static int look_up (const char *host, const char *port, struct addrinfo **infos)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int fd = host[0] == '\0' ? socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (host[0] == '\0')
        hints.ai_family = fd >= 0 ? AF_INET6 : AF_INET;
    if (fd >= 0)
        close (fd);
    return getaddrinfo (host[0] != '\0' ? host : NULL, port, &hints, infos);
}

int zf_web_listen (zf_web_listen_t *self, const char *bind, bool insecure, zf_error_t *err)
{
    char port[8];
    struct addrinfo *infos = NULL;
    memset (self, 0, sizeof *self);
    self->fd = -1;
    int rc = split (bind, self->host, port, err);
    if (rc != 0)
        return rc;
    int why = look_up (self->host, port, &infos);
    if (why != 0)
        return zf_error_set (err, ZF_E_ADDRESS, "bind the admin endpoint %s: %s", bind,
                             gai_strerror (why));
    rc = bind_any (self, bind, infos, insecure, err);
    freeaddrinfo (infos);
    if (rc == 0)
        write_address (self);
    return rc;
}
