/* A spool: a broker with a journal inside this process, and links that take the records of its
 * queues to another broker. It is what stands behind the outbox of a client, and behind a link from
 * a directory.
 *
 * A queue gets its link when it is named (zf_spool_serve), or when records are found in it. Queues
 * of dead letters (NAME.dead) and the broker's own (zf.NAME) get none.
 *
 * Threads: every call may come from any thread; open and close from one. Links have threads of
 * their own, and so has the search for queues. */
#ifndef ZF_PATTERNS_SPOOL_H
#define ZF_PATTERNS_SPOOL_H

#include "patterns/link.h"

typedef struct zf_spool zf_spool_t;

typedef struct {
    const char *dir;        /* of the journal */
    uint64_t disk_bytes;    /* cap of its files; 0: the broker's default */
    uint32_t max_links;     /* more queues than this get none */
    zf_link_options_t link; /* of each link; from is left alone, from_queue NULL: all queues */
} zf_spool_options_t;

/* Returns 0, or what zf_broker_start and zf_link_start answer. */
int zf_spool_open (zf_spool_t **spool, const zf_spool_options_t *options, zf_error_t *err);
void zf_spool_close (zf_spool_t **spool);

/* Where the broker is reached, inside this process. */
const char *zf_spool_endpoint (const zf_spool_t *spool);

/* This queue gets a link soon. Returns 0, ZF_E_LIMIT, ZF_E_NOMEM. */
int zf_spool_serve (zf_spool_t *spool, const char *queue, zf_error_t *err);

/* Records that have not travelled on, asked now. */
uint64_t zf_spool_backlog (zf_spool_t *spool);

/* Of all links together; the backlog is what was found last. */
void zf_spool_figures (zf_spool_t *spool, zf_link_figures_t *figures);

#endif
