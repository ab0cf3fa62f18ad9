/* The roles of a soak client. Each runs until `stopped`, and returns 0 or what went wrong. */
#ifndef ZFERRY_SOAK_ROLES_H
#define ZFERRY_SOAK_ROLES_H

#include "book.h"

#include <signal.h>
#include <zferry/zferry.h>

typedef struct {
    const char *name;        /* of this client; a producer's is in its bodies */
    const char *endpoint;    /* where to connect */
    const char *on;          /* queue, stream or service */
    const char *group;       /* read: as a member of it; NULL: alone */
    const char *outbox;      /* post: by this directory; NULL: none */
    const char *key;         /* file of our key; NULL: none */
    const char *server;      /* the other side's key */
    uint64_t rate;           /* records or requests a second */
    zf_security_t *security; /* of key */
    book_t book;             /* where all of it is written down */
} job_t;

extern volatile sig_atomic_t stopped;

int role_post (job_t *job, zf_error_t *err);
int role_publish (job_t *job, zf_error_t *err);
int role_work (job_t *job, zf_error_t *err);
int role_read (job_t *job, zf_error_t *err);
int role_ask (job_t *job, zf_error_t *err);
int role_serve (job_t *job, zf_error_t *err);

#endif
