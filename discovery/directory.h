/* The directory: who offers what, and where. Pure.
 *
 * A node tells its offers in the headers of its HELLO (X-ZF-OFFER-1, X-ZF-OFFER-2 ...: "KIND/NAME
 * ENDPOINT"), and whispers the whole list to each zferry node when it changes: two frames, the word
 * ZF_OFFERS_WORD, and lines of the same form. What a node says replaces what it said before. */
#ifndef ZF_DISCOVERY_DIRECTORY_H
#define ZF_DISCOVERY_DIRECTORY_H

#include "core/bytes.h"
#include "core/frame.h"

#define ZF_OFFERS_WORD       "\0ZFERRY-OFFERS"
#define ZF_OFFERS_WORD_BYTES (sizeof ZF_OFFERS_WORD - 1)
#define ZF_HEADER_OFFER      "X-ZF-OFFER-" /* and a number from 1 */
#define ZF_HEADER_VERSION    "X-ZF-VERSION"
#define ZF_OFFERS_BYTES_MAX  (512u << 10) /* of a list; what is behind is left out */
#define ZF_OFFERS_ALL_MAX    65536        /* of all other nodes together */

typedef struct zf_offers zf_offers_t;

/* NULL: out of memory. */
zf_offers_t *zf_offers_new (void);
void zf_offers_free (zf_offers_t **offers);

/* True if this is KIND/NAME: a kind of lower-case letters, and a name, 255 bytes at most in all,
 * without spaces and control characters. Only a broker may have no name ("broker/"). `pattern`:
 * either may be a single *, which no offer can be, and "broker" or "broker/" is any broker. */
bool zf_offer_is_what (zf_bytes_t what, bool pattern);

/* -- ours -------------------------------------------------------------------------------------- */

/* Endpoints are SCHEME://REST, of 255 bytes at most, without spaces and control characters, and not
 * zferry:// ones. Returns 1 (it is new), 0 (it was there), ZF_E_INVAL, ZF_E_LIMIT, ZF_E_NOMEM. */
int zf_offers_announce (zf_offers_t *offers, zf_bytes_t what, zf_bytes_t endpoint);

/* endpoint: as it was announced; NULL: wherever. Returns 0 or ZF_E_NOT_FOUND. */
int zf_offers_withdraw (zf_offers_t *offers, zf_bytes_t what, const zf_bytes_t *endpoint);

/* Writes our list: lines "KIND/NAME ENDPOINT\n". */
void zf_offers_write (const zf_offers_t *offers, zf_writer_t *w);

/* -- those of others: each returns true if anything has changed -------------------------------- */

/* What a node says now, as lines; host: what takes the place of a * in them. Lines that are
 * malformed, and those above the limits, are left out, and those with a * if there is no host. What
 * we say ourselves is nothing that a node can say for us. Costs next to nothing if it is what the
 * node said before. Out of memory: as much as fits; the same list is looked at again when it comes
 * again. */
bool zf_offers_replace (zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES], zf_bytes_t lines,
                        zf_bytes_t host);
bool zf_offers_forget (zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES]);

/* The node is at that host now: it takes the place of a * in what it has said. Out of memory: it
 * stays where it was until the node says something. */
bool zf_offers_move (zf_offers_t *offers, const uint8_t uuid[ZF_UUID_BYTES], zf_bytes_t host);

/* -- what has changed, in order: offers that came and went ------------------------------------- */

typedef struct {
    const char *what;
    const char *endpoint; /* with the host put in; ours: with `own_host`'s */
    uint8_t uuid[ZF_UUID_BYTES];
    bool is_own;
    bool is_gone; /* of a change */
} zf_offer_view_t;

/* Valid until the next call of this, or free. What comes and goes before it is fetched is not
 * shown: so changes that nobody fetches take no more memory than what there is to be known. */
bool zf_offers_next_change (zf_offers_t *offers, zf_offer_view_t *change);

/* -- looking up -------------------------------------------------------------------------------- */

/* Each that matches the pattern, in the order of what, endpoint and uuid, until fn returns false;
 * returns how many were shown. An empty pattern: everything; one that is none: nothing. fn must not
 * change the offers; what it is shown is valid until they change. */
typedef bool zf_offers_fn (void *arg, const zf_offer_view_t *offer);
size_t zf_offers_each (zf_offers_t *offers, zf_bytes_t pattern, zf_offers_fn *fn, void *arg);

/* The host in place of a * in our own offers when we look at them (default 127.0.0.1), and who we
 * are. Returns 0, ZF_E_INVAL (no host), ZF_E_NOMEM (nothing was changed). */
int zf_offers_own_host (zf_offers_t *offers, zf_bytes_t host, const uint8_t uuid[ZF_UUID_BYTES]);

/* Puts a host into an endpoint whose own is *, 0.0.0.0 or [::] (tcp only; others are copied as they
 * are); for IPv6 in brackets. Returns false if it does not fit into size, or if one is needed and
 * the host is empty. */
bool zf_endpoint_with_host (zf_bytes_t endpoint, zf_bytes_t host, char *out, size_t size);

/* The host of a tcp endpoint (maybe *), without brackets; empty: it has none. */
zf_bytes_t zf_endpoint_host (zf_bytes_t endpoint);

#endif
