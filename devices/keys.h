/* Keys as text: certificates, and the table of those that are authorised.
 *
 * Certificates: as czmq's zcert writes them (ZPL, RFC 4). Of what is in one we read
 *
 *   metadata
 *       name = "ann"
 *   curve
 *       public-key = "..."   40 characters, Z85 (RFC 32)
 *       secret-key = "..."   the same; not in a file for others
 *
 * Lists: lines "KEY NAME"; # begins a comment, which no key does.
 * Names: 1 to ZF_KEY_NAME_MAX bytes, no blanks, no control characters, none of #"*, and no key.
 *        Several keys may have one name; one key has one name.
 * Errors: say "WHERE:LINE: what".
 * Threads: a table is built by one and then read by any. */
#ifndef ZF_DEVICES_KEYS_H
#define ZF_DEVICES_KEYS_H

#include "core/access.h"

#include <stdio.h>

#define ZF_KEY_BYTES    32         /* of a key in binary */
#define ZF_KEYRING_MAX  100000     /* in one table */
#define ZF_KEYRING_FILE (8 << 20)  /* bytes of a list or rules at most */
#define ZF_CERT_FILE    (64 << 10) /* bytes of a certificate at most */

typedef struct zf_keyring zf_keyring_t;

typedef struct {
    char public_key[ZF_KEY_TEXT];   /* Z85 */
    char secret_key[ZF_KEY_TEXT];   /* "": there is none in it */
    char name[ZF_KEY_NAME_MAX + 1]; /* "": none in it that can be one */
    uint32_t bad_name;              /* line of a name that can't be one; 0: there is none such */
} zf_cert_t;

/* -- text -------------------------------------------------------------------------------------- */

/* 40 characters, Z85, terminated. bytes may be NULL. */
bool zf_key_decode (const char *key, uint8_t bytes[ZF_KEY_BYTES]);

bool zf_key_is_name (zf_bytes_t name);

/* Returns 0 or ZF_E_INVAL. *cert may hold a secret: wipe it. */
int zf_cert_parse (zf_cert_t *cert, zf_bytes_t text, const char *where, zf_error_t *err);

/* -- tables ------------------------------------------------------------------------------------ */

zf_keyring_t *zf_keyring_new (void);        /* NULL: out of memory */
void zf_keyring_free (zf_keyring_t **keys); /* safe on NULL */
size_t zf_keyring_count (const zf_keyring_t *keys);

/* Adds the keys of a list. Returns 0, ZF_E_INVAL, ZF_E_NOMEM. */
int zf_keyring_parse (zf_keyring_t *keys, zf_bytes_t text, const char *where, zf_error_t *err);

/* Adds the key of a certificate, under its name, or else that of its file without .pub. Returns 0,
 * ZF_E_INVAL (there is a secret in it, too), ZF_E_NOMEM. */
int zf_keyring_add_cert (zf_keyring_t *keys, zf_bytes_t text, const char *path, zf_error_t *err);

/* A hash of what is in it, never 0. */
uint64_t zf_keyring_content (const zf_keyring_t *keys);

/* NULL: it is not there. */
const zf_subject_t *zf_keyring_find (const zf_keyring_t *keys, const char *key);

/* -- files ------------------------------------------------------------------------------------- */

/* Reads a whole file of up to max bytes; text->data is to be freed. What is in it may not be read
 * by others if it is secret. Returns 0, ZF_E_NOT_FOUND, ZF_E_DENIED, ZF_E_INVAL, ZF_E_IO,
 * ZF_E_NOMEM. */
int zf_keyring_load (zf_writer_t *text, const char *path, size_t max, bool is_secret,
                     zf_error_t *err);

/* Wipes and frees. */
void zf_keyring_wipe (zf_writer_t *text);

/* A new table of a list's keys, or of the certificates *.pub in a directory. If some files of a
 * directory are wrong, *keys has the others, and the code and words are of the first; on any other
 * failure it is NULL. */
int zf_keyring_read (zf_keyring_t **keys, const char *path, zf_error_t *err);

/* Changes when a file, or any *.pub in a directory, does: made of times, sizes and inodes. *newest
 * is raised to the time of the last change, in ms since 1970. */
uint64_t zf_keyring_mark (const char *path, uint64_t *newest);

#endif
