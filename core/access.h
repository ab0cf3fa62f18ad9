/* Access rules: which key may do what to which name. Pure: a table made from a text.
 *
 * Grammar: lines; # begins a comment; words are separated by blanks
 *   rule  = WHO RIGHT *("," RIGHT) 1*WHAT
 *   WHO   = a key's name | the key (40 characters, Z85) | a prefix of names ending in * | *
 *   RIGHT = post | consume | publish | subscribe | administer
 *   WHAT  = a name of a queue, service or stream | a prefix ending in * | *
 * A comment begins where a word does. 40 characters of Z85 are a key, even if they begin with # or
 * end in *, and no name. A table without rules allows everything, one with rules what a rule
 * allows. A right on a stream is one on its groups (STREAM@GROUP), too, though not on their dead
 * letters.
 *
 * Threads: immutable once it is made; shared by holding it. */
#ifndef ZF_CORE_ACCESS_H
#define ZF_CORE_ACCESS_H

#include "core/bytes.h"

#include <zferry/error.h>
#include <zferry/security.h>

#define ZF_KEY_NAME_MAX 63   /* bytes of a key's name */
#define ZF_RULES_MAX    4096 /* of one table: each WHAT of a line is one */

typedef enum {
    ZF_MAY_POST = 1,
    ZF_MAY_CONSUME = 2,
    ZF_MAY_PUBLISH = 4,
    ZF_MAY_SUBSCRIBE = 8,
    ZF_MAY_ADMINISTER = 16
} zf_right_t;

/* Somebody known by his key. */
typedef struct {
    char key[ZF_KEY_TEXT];                 /* Z85 */
    char name[ZF_KEY_NAME_MAX + 1];        /* that it is authorised under */
    char fingerprint[ZF_FINGERPRINT_TEXT]; /* of the key, for people */
} zf_subject_t;

typedef struct zf_access zf_access_t;

/* Makes a table, held once. Errors say "WHERE:LINE: what". Returns 0, ZF_E_INVAL, ZF_E_LIMIT,
 * ZF_E_NOMEM. */
int zf_access_parse (zf_access_t **access, zf_bytes_t text, const char *where, zf_error_t *err);

zf_access_t *zf_access_hold (zf_access_t *access);
void zf_access_drop (zf_access_t **access); /* safe on NULL */

/* rights: one of them is enough. access NULL, or subject NULL (this process itself): true. */
bool zf_access_may (const zf_access_t *access, const zf_subject_t *subject, uint32_t rights,
                    zf_bytes_t name);

/* The same: to anything at all. */
bool zf_access_may_somewhere (const zf_access_t *access, const zf_subject_t *subject,
                              uint32_t rights);

/* "post", "consume", ...: for messages to people. Of several the last one of zf_right_t. */
const char *zf_right_name (uint32_t rights);

#define ZF_REFUSAL_TEXT 128

/* Writes "may not consume from 'jobs'". What of a name is unreadable, or too long, is left out. */
void zf_right_refusal (char text[ZF_REFUSAL_TEXT], uint32_t rights, zf_bytes_t name);

#endif
