/* Words of the directory: what an offer may be, and hosts in endpoints. */
#include "discovery/directory.h"
#include "discovery/offers.h"

#include <zferry/directory.h>

bool zf_offer_is_plain (zf_bytes_t text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i < text.size; i++)
        if (at[i] <= ' ' || at[i] == 0x7f)
            return false;
    return true;
}

static bool is_lower (zf_bytes_t text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i < text.size; i++)
        if (at[i] < 'a' || at[i] > 'z')
            return false;
    return text.size > 0;
}

static bool is_text (zf_bytes_t bytes, const char *text)
{
    return zf_bytes_equal (bytes, zf_bytes_of (text));
}

static bool begins (zf_bytes_t bytes, const char *text)
{
    size_t size = strlen (text);
    return bytes.size >= size && is_text (zf_bytes (bytes.data, size), text);
}

static zf_bytes_t from (zf_bytes_t bytes, size_t start)
{
    if (start >= bytes.size)
        return zf_bytes (NULL, 0);
    return zf_bytes ((const uint8_t *) bytes.data + start, bytes.size - start);
}

/* The bytes before the first c; all of them if there is none. */
static zf_bytes_t before (zf_bytes_t bytes, char c)
{
    const uint8_t *at = bytes.size > 0 ? memchr (bytes.data, c, bytes.size) : NULL;
    return at != NULL ? zf_bytes (bytes.data, (size_t) (at - (const uint8_t *) bytes.data)) : bytes;
}

/* -- what is offered --------------------------------------------------------------------------- */

zf_bytes_t zf_offer_kind (zf_bytes_t what)
{
    return before (what, '/');
}

zf_bytes_t zf_offer_name (zf_bytes_t what)
{
    return from (what, zf_offer_kind (what).size + 1);
}

bool zf_offer_is_what (zf_bytes_t what, bool pattern)
{
    zf_bytes_t kind = zf_offer_kind (what);
    zf_bytes_t name = zf_offer_name (what);
    bool is_broker = is_text (kind, "broker");
    if (what.size > ZF_OFFER_WHAT_MAX || !zf_offer_is_plain (what))
        return false;
    if (!is_lower (kind) && !(pattern && is_text (kind, "*")))
        return false;
    if (kind.size == what.size) /* without / */
        return pattern && is_broker;
    return is_text (name, "*") ? pattern : name.size > 0 || is_broker;
}

bool zf_offer_matches (zf_bytes_t pattern, zf_bytes_t what)
{
    zf_bytes_t kind = zf_offer_kind (pattern);
    zf_bytes_t name = zf_offer_name (pattern);
    if (!is_text (kind, "*") && !zf_bytes_equal (kind, zf_offer_kind (what)))
        return false;
    return name.size == 0 || is_text (name, "*") || zf_bytes_equal (name, zf_offer_name (what));
}

bool zf_offer_is_endpoint (zf_bytes_t endpoint)
{
    zf_bytes_t scheme = before (endpoint, ':');
    return endpoint.size <= ZF_OFFER_ENDPOINT_MAX && zf_offer_is_plain (endpoint) &&
           is_lower (scheme) && begins (from (endpoint, scheme.size), "://") &&
           endpoint.size > scheme.size + 3 && !is_text (scheme, "zferry");
}

/* -- hosts ------------------------------------------------------------------------------------- */

#define TCP "tcp://"

/* The host as it is written, with its brackets. */
static zf_bytes_t written_host (zf_bytes_t endpoint)
{
    zf_bytes_t host = begins (endpoint, TCP) ? from (before (endpoint, '|'), sizeof TCP - 1)
                                             : zf_bytes (NULL, 0); /* a key may follow */
    const uint8_t *at = host.data;
    while (host.size > 0 && at[host.size - 1] != ':')
        host.size--;
    if (host.size > 0)
        host.size--;
    if (host.size > 0 && at[0] == '[' && at[host.size - 1] != ']')
        host.size = 0; /* there is no port behind it */
    return host;
}

zf_bytes_t zf_endpoint_host (zf_bytes_t endpoint)
{
    zf_bytes_t host = written_host (endpoint);
    return begins (host, "[") ? zf_bytes ((const uint8_t *) host.data + 1, host.size - 2) : host;
}

typedef struct {
    char *at;    /* where the next byte goes */
    size_t left; /* room, with the zero's */
    bool failed; /* it was not enough */
} text_t;

static void put (text_t *text, zf_bytes_t bytes)
{
    text->failed = text->failed || bytes.size >= text->left;
    if (text->failed)
        return;
    if (bytes.size > 0)
        memcpy (text->at, bytes.data, bytes.size);
    text->at += bytes.size;
    text->left -= bytes.size;
    *text->at = '\0';
}

static void put_host (text_t *text, zf_bytes_t host)
{
    bool bare = before (host, ':').size < host.size && !begins (host, "[");
    text->failed = text->failed || host.size == 0;
    put (text, zf_bytes ("[", bare ? 1 : 0));
    put (text, host);
    put (text, zf_bytes ("]", bare ? 1 : 0));
}

bool zf_endpoint_with_host (zf_bytes_t endpoint, zf_bytes_t host, char *out, size_t size)
{
    text_t text = {out, size, false};
    zf_bytes_t own = written_host (endpoint);
    if (!is_text (own, "*") && !is_text (own, "0.0.0.0") && !is_text (own, "[::]")) {
        put (&text, endpoint);
        return !text.failed;
    }
    put (&text, zf_bytes_of (TCP));
    put_host (&text, host);
    put (&text, from (endpoint, sizeof TCP - 1 + own.size));
    return !text.failed;
}
