#include "web/gate.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 256 /* a name in the DNS has at most 253 bytes */

/* Cuts the port off. Returns false if this is no host and port. */
static bool split_host (const char *host, char name[HOST_MAX])
{
    const char *end = host[0] == '[' ? strchr (host, ']') : strchr (host, ':');
    const char *from = host[0] == '[' ? host + 1 : host;
    if (host[0] == '[' && end == NULL)
        return false;
    size_t size = end != NULL ? (size_t) (end - from) : strlen (from);
    const char *rest = end != NULL ? end + (host[0] == '[' ? 1 : 0) : from + size;
    if (size == 0 || size >= HOST_MAX || (rest[0] != '\0' && rest[0] != ':'))
        return false;
    if (rest[0] == ':' && strspn (rest + 1, "0123456789") != strlen (rest + 1))
        return false;
    memcpy (name, from, size);
    name[size] = '\0';
    return true;
}

static bool is_address (const char *name)
{
    unsigned char address[sizeof (struct in6_addr)];
    return inet_pton (AF_INET, name, address) == 1 || inet_pton (AF_INET6, name, address) == 1;
}

/* The part of an origin behind "http://". */
static const char *origin_host (const char *origin)
{
    const char *at = strstr (origin, "://");
    return at != NULL ? at + 3 : "";
}

bool zf_web_gate_host (const char *host, const char *bound, const char *public_origin)
{
    char name[HOST_MAX];
    char other[HOST_MAX];
    if (host == NULL)
        return true;
    if (!split_host (host, name))
        return false;
    if (is_address (name) || strcasecmp (name, "localhost") == 0)
        return true;
    if (bound != NULL && strcasecmp (name, bound) == 0)
        return true;
    return public_origin != NULL && split_host (origin_host (public_origin), other) &&
           strcasecmp (name, other) == 0;
}

bool zf_web_gate_origin (const char *origin, const char *host, const char *public_origin)
{
    static const char scheme[] = "http://";
    if (origin == NULL)
        return true;
    if (public_origin != NULL && strcasecmp (origin, public_origin) == 0)
        return true;
    return host != NULL && host[0] != '\0' &&
           strncasecmp (origin, scheme, sizeof scheme - 1) == 0 &&
           strcasecmp (origin + sizeof scheme - 1, host) == 0;
}

bool zf_web_gate_token (const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";
    if (authorization == NULL || token == NULL ||
        strncasecmp (authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *given = authorization + sizeof scheme - 1;
    size_t given_size = strlen (given);
    size_t size = strlen (token);
    volatile unsigned char difference = given_size != size;
    for (size_t i = 0; i < size; i++)
        difference |= (unsigned char) token[i] ^ (unsigned char) (i < given_size ? given[i] : 0);
    return difference == 0;
}
