/* Who wants what on the plain side: each topic (a prefix of messages, any bytes) with its holders.
 *
 * A subscription passes on to the publishers with the first holder of its topic and is taken back
 * with the last one, so what publishers see does not depend on how many want the same. Bounded by
 * ZF_INTEREST_MAX topics. Threads: one. */
#ifndef ZF_DEVICES_PLAIN_INTEREST_H
#define ZF_DEVICES_PLAIN_INTEREST_H

#include "core/bytes.h"
#include "core/hash.h"

#define ZF_INTEREST_MAX 1000000

/* Whom a subscription came from. */
typedef struct {
    int32_t socket;     /* which of our sockets */
    int32_t connection; /* its number (plain_peers.h); -1: not known, each counts as another one */
} zf_holder_t;

typedef struct zf_interest zf_interest_t;

struct zf_interest {
    UT_hash_handle hh;
    zf_holder_t *holders;
    uint32_t count, room;
    uint32_t size; /* of topic */
    uint8_t topic[];
};

/* Adds a holder. Returns 1 if it is the first one, 0 if not, ZF_E_NOMEM, ZF_E_LIMIT. */
int zf_interest_add (zf_interest_t **all, zf_bytes_t topic, zf_holder_t holder);

/* Takes a holder away: this one, or else one of the same socket that is not known; if it is not
 * known itself, any of the same socket. Returns true if it was the last. */
bool zf_interest_remove (zf_interest_t **all, zf_bytes_t topic, zf_holder_t holder);

/* The connection of a holder on this socket for which is_lost says so; -1: there is none. */
typedef bool zf_is_lost_fn (void *arg, int32_t connection);
int32_t zf_interest_lost (zf_interest_t *all, zf_bytes_t topic, int32_t socket,
                          zf_is_lost_fn *is_lost, void *arg);

/* True if this one holds it. */
bool zf_interest_has (zf_interest_t *all, zf_bytes_t topic, zf_holder_t holder);

/* True if somebody on this socket holds it. */
bool zf_interest_holds (zf_interest_t *all, zf_bytes_t topic, int32_t socket);

static inline zf_bytes_t zf_interest_topic (const zf_interest_t *interest)
{
    return zf_bytes (interest->topic, interest->size);
}

void zf_interest_free (zf_interest_t **all);

#endif
