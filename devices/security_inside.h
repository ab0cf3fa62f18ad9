/* The inside of a security, for security.c and security_read.c. */
#ifndef ZF_DEVICES_SECURITY_INSIDE_H
#define ZF_DEVICES_SECURITY_INSIDE_H

#include "devices/keys.h"
#include "devices/security.h"

#include <pthread.h>
#include <stdatomic.h>

/* A file or directory that is read again when it changes. */
typedef struct {
    char *path;       /* NULL: there is none */
    uint64_t mark;    /* when it was looked at last */
    bool is_fresh;    /* read it again even if the mark is the same */
    uint64_t content; /* hash of what is in force; 0: nothing is */
    zf_error_t told;  /* what was wrong with it last, as on_log knows; code 0: nothing */
} zf_source_t;

struct zf_security {
    atomic_uint holders;
    char own_key[ZF_KEY_TEXT];        /* Z85 */
    uint8_t own_public[ZF_KEY_BYTES]; /* the same */
    uint8_t own_secret[ZF_KEY_BYTES];
    char server_key[ZF_KEY_TEXT]; /* "": none */
    bool is_any;                  /* every key is authorised */
    atomic_uint_fast64_t version;

    pthread_mutex_t reading; /* held while files are read; of the two that follow */
    zf_source_t authorised;
    zf_source_t rules;

    pthread_mutex_t lock; /* of the two that follow; nothing is waited for under it */
    zf_keyring_t *keys;   /* in force; NULL: none is authorised */
    zf_access_t *access;  /* in force, held; NULL: no rules */

    pthread_mutex_t telling;                      /* of what follows, and held while on_log runs */
    void (*on_log) (void *arg, const char *text); /* NULL: nobody, or it is closed */
    void *arg;
    uint64_t since_ms; /* when the time of TELLS_MS began */
    unsigned tells;    /* in it */
    unsigned untold;   /* in it, beyond TELLS_MAX */
};

/* Reads both sources and puts them into force, or neither. Under `reading`, or while nobody else
 * has it. */
int zf_security_read (zf_security_t *self, zf_error_t *err);

#endif
