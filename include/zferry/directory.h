/* The directory: what the nodes of a namespace offer, and where. Every node has the whole of it,
 * and nobody keeps it: it is what the nodes that are there say.
 *
 * An offer is a kind, a name, and an endpoint:
 *   service/NAME  answers requests (zf_worker with direct, zferry serve --direct)
 *   queue/NAME    a queue to post to and work on
 *   topic/NAME    a stream to publish to and subscribe to
 *   broker/NAME   a broker: any queue, service and topic
 *
 * zferry://KIND/NAME can be written where handles take endpoints: it is looked up here, and
 * followed as nodes come and go. If nobody offers just that queue, service or topic, brokers are
 * used. zferry://broker is any broker, zferry://broker/NAME just that one. Where a * stands for the
 * host (as in "*:5555", or an address that means all interfaces), others put in the address by
 * which they see the node.
 *
 * Threads: as in peer.h. */
#ifndef ZFERRY_DIRECTORY_H
#define ZFERRY_DIRECTORY_H

#include <zferry/peer.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZF_OFFERS_MAX         1000 /* of one node */
#define ZF_OFFER_WHAT_MAX     255  /* bytes of KIND/NAME */
#define ZF_OFFER_ENDPOINT_MAX 255

/* Offers KIND/NAME at this endpoint, until it is withdrawn or the peer stops. May be said again.
 * Returns 0, ZF_E_INVAL (with words), ZF_E_LIMIT, ZF_E_NOMEM. */
ZF_API int zf_directory_announce (zf_peer_t *peer, const char *what, const char *endpoint,
                                  zf_error_t *err);

/* endpoint NULL: wherever. Returns 0 or ZF_E_NOT_FOUND. */
ZF_API int zf_directory_withdraw (zf_peer_t *peer, const char *what, const char *endpoint);

typedef struct {
    const char *what;     /* KIND/NAME */
    const char *endpoint; /* to connect to from here */
    const char *id;       /* of the node that offers it */
    const char *name;     /* of that node */
    bool is_own;          /* it is this one */
} zf_offer_t;

typedef bool zf_offer_fn (void *arg, const zf_offer_t *offer);

/* Calls fn for each offer that matches, until it returns false; fn must not call the peer. what:
 * KIND/NAME, where either may be a * (all), or NULL: everything. Returns how many there were. */
ZF_API size_t zf_directory_find (zf_peer_t *peer, const char *what, zf_offer_fn *fn, void *arg);

/* Waits until at least so many offers match. timeout_ms -1: for ever. Returns 0, ZF_E_TIMEOUT or
 * ZF_E_INVAL. To watch, fetch events: ZF_PEER_OFFER and ZF_PEER_WITHDRAW. */
ZF_API int zf_directory_wait (zf_peer_t *peer, const char *what, size_t count, int timeout_ms);

/* Handles that are given zferry:// endpoints and no peer share one: it is started when the first
 * needs it and stopped with the last. It is set up by the environment: ZFERRY_NAMESPACE,
 * ZFERRY_INTERFACE and ZFERRY_SEED (lists with commas), ZFERRY_DISCOVERY_PORT; ZFERRY_KEY,
 * ZFERRY_AUTHORISED, ZFERRY_SERVER_KEY and ZFERRY_RULES (security.h), or ZFERRY_INSECURE=1. */

#ifdef __cplusplus
}
#endif

#endif
