/* What a queue remembers of its producers, so that a batch sent again after a lost confirm is not
 * queued again.
 *
 * A producer numbers its records for each queue from 1, without gaps, and sends them in order. So
 * the last number taken tells which of a resent batch are known already. A record that was refused
 * has a number too: refusals are remembered until the producer says, with its lowest unconfirmed
 * number, that it has heard of them; otherwise a refusal lost on the way would turn into a confirm.
 * Limits: ZF_PRODUCERS_MAX producers a queue, the longest silent one is forgotten first; a producer
 * is forgotten after ZF_PRODUCER_MEMORY_MS of silence. Links (kept) are not forgotten; so many of
 * them are the limit, too. */
#ifndef ZF_CORE_PRODUCERS_H
#define ZF_CORE_PRODUCERS_H

#include "core/bytes.h"
#include "core/hash.h"

#define ZF_PRODUCERS_MAX      65536
#define ZF_REFUSALS_MAX       4096 /* that a producer has not heard of; one more is ZF_E_LIMIT */
#define ZF_PRODUCER_MEMORY_MS UINT64_C (3600000)

/* Numbers first .. first + count - 1 were refused with this code. */
typedef struct zf_refusal {
    struct zf_refusal *next;
    uint64_t first;
    uint64_t count;
    int code;
} zf_refusal_t;

typedef struct zf_producer {
    uint8_t uuid[ZF_UUID_BYTES];
    uint64_t last;          /* highest number dealt with */
    uint64_t parked_end;    /* number behind its last record that waits for room; 0: none */
    uint64_t seen_ms;       /* when it last sent something */
    uint64_t lsn;           /* where this was last written down, */
    uint64_t noted;         /* and the highest number with it */
    bool kept;              /* a link: it is never forgotten */
    bool stopped;           /* a link's record was refused: until it begins again (LINK), all behind
                               are refused too, so that nothing is passed over */
    zf_refusal_t *refusals; /* newest first */
    uint32_t refusal_count;
    struct zf_producer *prev, *next; /* longest silent first (utlist) */
    UT_hash_handle hh;
} zf_producer_t;

typedef struct {
    zf_producer_t *table; /* by uuid (uthash) */
    zf_producer_t *order; /* longest silent first */
} zf_producers_t;

/* The producer of that identity, made if need be. NULL: out of memory, or only links are there and
 * they are too many. */
zf_producer_t *zf_producers_get (zf_producers_t *producers, const uint8_t *uuid, uint64_t now_ms);

/* Remembers a refusal. Returns 0, ZF_E_NOMEM, ZF_E_LIMIT. */
int zf_producer_refuse (zf_producer_t *producer, uint64_t first, uint64_t count, int code);

/* Forgets refusals below number low. */
void zf_producer_heard (zf_producer_t *producer, uint64_t low);

/* What became of a number that was dealt with: 0 or the code of its refusal; *count says for how
 * many from it on. */
int zf_producer_outcome (const zf_producer_t *producer, uint64_t number, uint64_t *count);

/* Forgets those silent since before now_ms - ZF_PRODUCER_MEMORY_MS. Returns when to call again,
 * UINT64_MAX: never. */
uint64_t zf_producers_expire (zf_producers_t *producers, uint64_t now_ms);

void zf_producers_free (zf_producers_t *producers);

#endif
