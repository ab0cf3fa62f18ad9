/* What the public zf_security_t is inside: our key pair, the keys that are authorised, the rules;
 * read from files, and read again when those change. zap.h asks it who may connect, the shell of
 * each device takes its rules, socket.h its keys.
 *
 * Life:    counted; who keeps one holds it. zf_security_insecure () is a constant of the same type,
 *          for which is_insecure is true and nothing else is to be asked.
 * Changes: looked for by zf_security_watch, which whoever has it calls about once a second (zap.c's
 *          thread does), by the files' times and sizes. Each that is taken into force raises the
 *          version.
 * Threads: any. */
#ifndef ZF_DEVICES_SECURITY_H
#define ZF_DEVICES_SECURITY_H

#include "core/access.h"

#include <zferry/security.h>

zf_security_t *zf_security_hold (zf_security_t *security); /* NULL and insecure pass through */
void zf_security_drop (zf_security_t **security);

bool zf_security_is_insecure (const zf_security_t *security);

/* Connections are to be encrypted: it is there, and not insecure. */
static inline bool zf_security_is_on (const zf_security_t *security)
{
    return security != NULL && !zf_security_is_insecure (security);
}

/* Binary, 32 bytes each. */
const uint8_t *zf_security_own_public (const zf_security_t *security);
const uint8_t *zf_security_own_secret (const zf_security_t *security);

/* For endpoints that name none; NULL: there is none. */
const char *zf_security_server_key (const zf_security_t *security);

/* Who has this key (Z85); false: it is not authorised. subject may be NULL. */
bool zf_security_find (zf_security_t *security, const char *key, zf_subject_t *subject);

/* The rules in force, held for the caller; NULL: there are none. */
zf_access_t *zf_security_access (zf_security_t *security);

/* Grows with each change. */
uint64_t zf_security_version (const zf_security_t *security);

/* Reads again what has changed. */
void zf_security_watch (zf_security_t *security);

/* Tells people by on_log, at a bounded rate. */
void zf_security_log (zf_security_t *security, const char *format, ...) ZF_PRINTF (2, 3);

#endif
