/* Security: who we are, who may connect, and what they may do.
 *
 * With a security every connection over tcp and ipc is encrypted and both ends are known by their
 * public keys (CURVE, ZMTP RFC 26); a key that is not authorised gets no connection. Without one, a
 * device or node binds loopback addresses (127.0.0.0/8, ::1), ipc and inproc only: any other is
 * refused, unless its `security` is zf_security_insecure ().
 *
 * Keys:      `zferry keygen FILE` makes FILE (the secret: nobody but its owner may read it, or it
 *            is refused) and FILE.pub (to be given to others). Both are certificates as czmq's
 *            zcert writes them.
 * Authorised: a directory of .pub files, each key having the name of its file (not the one inside:
 *            whoever made it chose that); or one file of lines "KEY NAME" (KEY: 40 characters,
 *            Z85). They may connect to us, and are who is taken for real at zferry:// endpoints.
 *            "*": any key. Read again when it changes, within a second; a key that is gone loses
 *            its connections.
 * Rules:     a text of lines "WHO RIGHT[,RIGHT...] WHAT...", # begins a comment. WHO: a key's name,
 *            the key itself, or a prefix ending in *. RIGHT: post (also requests and submits),
 *            consume (also serve and links that take), publish, subscribe, administer. WHAT: names
 *            of queues, services and streams, or prefixes ending in *. As soon as there is one
 *            rule, what none allows is denied. Without rules every authorised key may do
 *            everything. What comes by inproc is this process itself, and may.
 * Endpoints: where one connects to, "|KEY" behind an endpoint says whose it must be:
 *            "tcp://hub:5555|KEY". Without that it is server_key.
 *
 * Threads:   any number of devices and handles of any threads share one.
 * Ownership: strings are copied. Each device and handle keeps what it needs, so a security may be
 *            closed before they are.
 * Process:   ZeroMQ allows one ZAP handler a process (RFC 27), and this is it: not together with
 *            czmq's zauth. */
#ifndef ZFERRY_SECURITY_H
#define ZFERRY_SECURITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zferry/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZF_KEY_TEXT         41 /* bytes for a key as text (Z85), its zero included */
#define ZF_FINGERPRINT_TEXT 24 /* bytes for a fingerprint, its zero included */

typedef struct zf_security zf_security_t;

typedef struct {
    size_t struct_size;     /* set by zf_security_defaults(); leave alone */
    const char *key;        /* file of our own secret key; must be given */
    const char *authorised; /* file or directory, or "*"; NULL: nobody may connect, zferry://
                               finds nobody (enough for who connects to server_key) */
    const char *server_key; /* of who is at endpoints that do not say so: the key or a .pub file;
                               NULL: none */
    const char *rules;      /* file, read again when it changes; NULL: none */
    const char *rules_text; /* or the rules themselves; NULL: none */
    void (*on_log) (void *arg, const char *text); /* refused peers and why (at most 20 a second),
                                                     what was read again, what could not be; any
                                                     thread, and it calls nothing of zferry; NULL:
                                                     nobody is told */
    void *arg;                                    /* for on_log */
} zf_security_options_t;

ZF_API void zf_security_defaults_sized (zf_security_options_t *options, size_t size);
#define zf_security_defaults(options) zf_security_defaults_sized ((options), sizeof *(options))

/* Reads all files. Returns 0, ZF_E_INVAL (a text that can't be understood: file and line in err),
 * ZF_E_DENIED (a secret that others may read), ZF_E_NOT_FOUND, ZF_E_IO, ZF_E_NOMEM. */
ZF_API int zf_security_open (zf_security_t **security, const zf_security_options_t *options,
                             zf_error_t *err);

/* What the environment says: ZFERRY_KEY (needed), ZFERRY_AUTHORISED, ZFERRY_SERVER_KEY and
 * ZFERRY_RULES, as in the options; or ZFERRY_INSECURE=1, which is zf_security_insecure ().
 * *security is NULL if it says nothing. Returns what zf_security_open does. */
ZF_API int zf_security_environment (zf_security_t **security, zf_error_t *err);

/* Safe on NULL, and on zf_security_insecure (). */
ZF_API void zf_security_close (zf_security_t **security);

/* No security, and that is meant: plain connections on any address, open to whoever reaches them.
 * Not to be freed. */
ZF_API zf_security_t *zf_security_insecure (void);

/* Reads the files of keys and rules again now. On failure what was in force stays so; err says
 * why. */
ZF_API int zf_security_reload (zf_security_t *security, zf_error_t *err);

/* Our own public key. */
ZF_API const char *zf_security_public_key (const zf_security_t *security);

/* Makes a key pair: file (mode 0600) and file.pub. Neither may be there yet. name (may be NULL)
 * goes into both. Returns 0, ZF_E_INVAL, ZF_E_IO. */
ZF_API int zf_key_make (const char *file, const char *name, zf_error_t *err);

/* Reads the public key from a file of either kind; what: a file, or the key itself. Returns 0,
 * ZF_E_NOT_FOUND, ZF_E_INVAL, ZF_E_IO. */
ZF_API int zf_key_read (const char *what, char key[ZF_KEY_TEXT], zf_error_t *err);

/* A short form for people and logs: a hash of it, the same everywhere. Not a secret. */
ZF_API void zf_key_fingerprint (const char *key, char text[ZF_FINGERPRINT_TEXT]);

/* -- limits ------------------------------------------------------------------------------------ */

/* What one client may take of a device, whoever it is; 0: no limit. A client is a key, with all
 * that connect with it; without keys it is one handle, and who comes as another one begins anew. */
typedef struct {
    size_t struct_size;     /* set by zf_limits_defaults(); leave alone */
    uint32_t connections;   /* of all clients together, at each device; more are refused in the
                               handshake. Default 0: as many as there are descriptors */
    uint32_t handshake_ms;  /* a connection that is not through it by then is closed; 5,000 */
    uint32_t records_per_s; /* a client's posts, publications and requests; beyond it its
                               messages wait here, a window of them, and its confirms with them.
                               Bursts of a second's worth pass */
    uint64_t bytes_per_s;   /* of these; the same */
    uint32_t queues;        /* queues, services and streams that exist because this client used
                               a new name; its next one is refused (ZF_E_LIMIT) */
} zf_limits_t;

ZF_API void zf_limits_defaults_sized (zf_limits_t *limits, size_t size);
#define zf_limits_defaults(limits) zf_limits_defaults_sized ((limits), sizeof *(limits))

#ifdef __cplusplus
}
#endif
#endif
