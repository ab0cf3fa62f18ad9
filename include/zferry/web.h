/* The admin endpoint: metrics, health, an API in JSON, and a page for people, over HTTP
 * (docs/admin.md lists the routes).
 *
 *   GET /metrics           Prometheus' text format; figures of devices and queues, never of peers
 *   GET /livez, /readyz    200 or 503, and why
 *   /api/v1/...            what zferry queue, stream, peers, directory and journal show; requeue,
 *                          discard, purge, declare, reload
 *   GET /                  the page; needs nothing from anywhere else
 *
 * Trust:     HTTP is not encrypted: it binds loopback unless `insecure` is said; put a proxy with
 *            TLS before it elsewhere. What changes something wants the token (Authorization:
 *            Bearer TOKEN) and, if a browser sends it, this endpoint's own Origin. With
 *            `private_reads` all but /livez, /readyz and the page's own files (which hold nothing)
 *            wants it. Without a token nothing can be changed. Without the token it answers only
 *            when it is called by an address, localhost, or the name that it is bound to: a page
 *            of a stranger's can't make a browser read it.
 * Bounds:    requests of at most 64 KiB, 64 connections, 15 s for each request. A device is asked
 *            twice a second at most, however many look, and has 2 s to answer.
 * Threads:   its own: one that listens and one a connection. All calls from any thread; devices may
 *            be added and removed while it runs. */
#ifndef ZFERRY_WEB_H
#define ZFERRY_WEB_H

#include <stdbool.h>
#include <stdint.h>
#include <zferry/device.h>
#include <zferry/peer.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct zf_web zf_web_t;

typedef struct {
    size_t struct_size; /* set by zf_web_defaults(); leave alone */
    const char *bind;   /* HOST:PORT, port 0: any; default 127.0.0.1:8090 */
    bool insecure;      /* may be bound to other than loopback */
    const char *token;  /* at least 16 characters; NULL: nothing can be changed */
    bool private_reads; /* reading wants the token, too */
    zf_peer_t *peer;    /* whose peers and directory are shown; NULL: none. Must outlive it */
    /* Does a reload and writes what came of it into text; 0, or a code of error.h. NULL: there is
       none. On a thread of the web's, one at a time; it may add and remove devices, not stop it. */
    int (*on_reload) (void *arg, char *text, size_t size);
    void *arg;                 /* for on_reload */
    const char *public_origin; /* as browsers call it behind a proxy, https://admin.example.org;
                                  NULL: there is none */
} zf_web_options_t;

ZF_API void zf_web_defaults_sized (zf_web_options_t *options, size_t size);
#define zf_web_defaults(options) zf_web_defaults_sized ((options), sizeof *(options))

/* Returns 0, ZF_E_INVAL, ZF_E_ADDRESS, ZF_E_NOMEM, ZF_E_IO. */
ZF_API int zf_web_start (zf_web_t **web, const zf_web_options_t *options, zf_error_t *err);
ZF_API void zf_web_stop (zf_web_t **web);

/* "http://127.0.0.1:8090", with the port that was bound. */
ZF_API const char *zf_web_address (const zf_web_t *web);

/* A device to be shown. It must be removed before it is stopped. */
typedef struct {
    const char *name;         /* unique */
    const char *kind;         /* broker, balancer, forwarder, link */
    zf_device_t *device;      /* stays the caller's */
    const char *journal;      /* its directory; NULL: none */
    const char *const *joins; /* endpoints and zferry:// names that it connects to, for the
                                 picture; of a link first the one that records come from */
    size_t join_count;
} zf_web_device_t;

/* Copies all but the device. Returns 0, ZF_E_INVAL (a name is used twice), ZF_E_LIMIT (256
 * devices), ZF_E_NOMEM. */
ZF_API int zf_web_add (zf_web_t *web, const zf_web_device_t *device, zf_error_t *err);
/* Waits for requests that look at it. Nothing happens if there is none of that name. */
ZF_API void zf_web_remove (zf_web_t *web, const char *name);

/* Until it is ready /readyz says 503 and this text; NULL: it is. The default is ready. */
ZF_API void zf_web_not_ready (zf_web_t *web, const char *why);

#ifdef __cplusplus
}
#endif
#endif
