/* Who may connect: the process's ZAP handler (RFC 27), asked by libzmq in each handshake.
 *
 * A domain is what one bound socket is asked about: whose keys are let in, and how many connections
 * at a time. The first domain starts the handler's thread, the last one ends it. A process can have
 * one handler: if the application has its own (czmq's zauth), a domain can't be opened.
 *
 * libzmq closes no connection for us once it is let in, and does not say whose it is until a
 * message comes. So when a key that was let in here is not authorised any more, all connections of
 * the socket are cut: the others come back by themselves.
 *
 * Threads: any may open and close; the rest is the socket's thread. */
#ifndef ZF_DEVICES_ZAP_H
#define ZF_DEVICES_ZAP_H

#include "devices/security.h"

/* Status: there is no room for another connection. */
#define ZF_ZAP_CROWDED      500
#define ZF_ZAP_CROWDED_TEXT "500"

typedef struct zf_domain zf_domain_t;

/* security NULL or insecure: any key and none, as long as there is room. limit: connections at a
 * time; 0: any number. Returns 0, ZF_E_BUSY (there is another handler), ZF_E_NOMEM, ZF_E_IO. */
int zf_domain_open (zf_domain_t **domain, zf_security_t *security, uint32_t limit, zf_error_t *err);
void zf_domain_close (zf_domain_t **domain); /* safe on NULL */

/* For ZMQ_ZAP_DOMAIN. */
const char *zf_domain_name (const zf_domain_t *domain);

/* From now on it lets in only who has this right on that name (copied), by the rules. */
int zf_domain_want (zf_domain_t *domain, zf_right_t right, const char *name);

/* Its connections have so long for their handshake; 0: as long as libzmq gives them. Safe on
 * NULL, as what follows. */
void zf_domain_hurry (zf_domain_t *domain, uint32_t handshake_ms);

/* The connection with this descriptor was accepted; a message came over it; it is gone. */
void zf_domain_accepted (zf_domain_t *domain, int fd);
void zf_domain_spoke (zf_domain_t *domain, int fd);
void zf_domain_gone (zf_domain_t *domain, int fd);

/* Keys or rules may have changed: cuts what has to be cut. Those that are gone must have been told.
 * Safe on NULL. */
void zf_domain_review (zf_domain_t *domain);

#endif
