/* What a gossip hub, or somebody at hubs, remembers: keys and values that expire. Pure.
 *
 * Each key has one author, so the newest value that arrives is the right one. A hub passes on what
 * is new or has changed to everybody but whom it came from, so that hubs that know each other
 * converge, also where their connections form circles: what is known already is not passed on, but
 * its time begins anew.
 *
 * Echoes: a value that was replaced within the last ZF_HUB_ECHO_MS is not taken again: it is on its
 *         way round some circle, and two values of a key would chase each other there for ever. An
 *         author who does go back to it that soon is heard when he says it again, later.
 * Time:   hubs of czmq know no time to live and pass everything on with 0, for ever. Who has heard
 *         a time for a value keeps to it. Authors say their values again at least twice in that
 *         time, better three times. */
#ifndef ZF_DISCOVERY_HUB_H
#define ZF_DISCOVERY_HUB_H

#include "discovery/gossip.h"

#define ZF_HUB_TUPLES_MAX 65536
#define ZF_HUB_BYTES_MAX  (32u << 20) /* of keys and values together */
#define ZF_HUB_ECHO_MS    5000

typedef struct zf_hub zf_hub_t;

/* NULL: out of memory. */
zf_hub_t *zf_hub_new (void);
void zf_hub_free (zf_hub_t **hub);

typedef enum {
    ZF_HUB_KNOWN,  /* nothing new: its time begins anew */
    ZF_HUB_NEWS,   /* to be passed on */
    ZF_HUB_AGAIN,  /* the same, but a quarter of the time that was passed on with it is over: to be
                      passed on too, so that others hear that it lives */
    ZF_HUB_REFUSED /* too many, too large, or out of memory: what was there stays */
} zf_hub_news_t;

zf_hub_news_t zf_hub_publish (zf_hub_t *hub, const zf_gossip_t *tuple, uint64_t now_ms);

/* Forgets what has expired. Returns when something will, or UINT64_MAX. */
uint64_t zf_hub_expire (zf_hub_t *hub, uint64_t now_ms);

/* Each tuple that has not expired, in the order in which their keys came, with the time that it has
 * left (0: for ever); until fn returns false. fn must not change the hub. */
typedef bool zf_hub_fn (void *arg, const zf_gossip_t *tuple);
void zf_hub_each (zf_hub_t *hub, uint64_t now_ms, zf_hub_fn *fn, void *arg);
size_t zf_hub_count (const zf_hub_t *hub);

#endif
